//! Waiting for the world: poll until a condition holds, or fail with the last thing that was seen.
//!
//! What flows through: a reading of the world, again and again. What it never does: sleep and hope.

use std::{fmt::Debug, time::Duration};

use anyhow::{Result, bail};
use tokio::time::Instant;

/// The pause between two readings.
const PAUSE: Duration = Duration::from_millis(25);

/// Reads until `ready` holds, and returns that reading. A reading that fails is tried again: what is waited for may be an agent that
/// is only beginning.
///
/// # Errors
/// After `timeout`: what was waited for, how long, and what was read last.
pub async fn until<T, F>(
    what: &str,
    timeout: Duration,
    mut read: impl FnMut() -> F,
    mut ready: impl FnMut(&T) -> bool,
) -> Result<T>
where
    T: Debug,
    F: Future<Output = Result<T>>,
{
    let begin = Instant::now();
    let mut last = String::from("nothing was read");
    loop {
        let left = timeout.saturating_sub(begin.elapsed());
        match tokio::time::timeout(left.max(PAUSE), read()).await {
            Ok(Ok(seen)) if ready(&seen) => return Ok(seen),
            Ok(Ok(seen)) => last = format!("{seen:#?}"),
            Ok(Err(error)) => last = format!("an error: {error:#}"),
            Err(_) => last = format!("a reading that took too long; before it: {last}"),
        }
        if begin.elapsed() >= timeout {
            bail!("waited {timeout:?} for {what}; last seen: {last}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The same for something that must stay true: reads for all of `time` and fails as soon as it is not so.
///
/// # Errors
/// As soon as a reading fails or does not hold.
pub async fn holds<T, F>(
    what: &str,
    time: Duration,
    mut read: impl FnMut() -> F,
    mut ok: impl FnMut(&T) -> bool,
) -> Result<()>
where
    T: Debug,
    F: Future<Output = Result<T>>,
{
    let begin = Instant::now();
    while begin.elapsed() < time {
        let seen = read().await?;
        if !ok(&seen) {
            bail!(
                "{what} did not stay so ({:?} into {time:?}): {seen:#?}",
                begin.elapsed()
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test]
    async fn waits_until_it_holds_and_says_what_was_seen_when_it_never_does() {
        let count = Cell::new(0);
        let read = || async {
            count.set(count.get() + 1);
            if count.get() == 1 {
                bail!("not yet there");
            }
            Ok(count.get())
        };
        let seen = until("three", Duration::from_secs(5), read, |n| *n == 3)
            .await
            .unwrap();
        assert_eq!(seen, 3);

        let never = until(
            "a two",
            Duration::from_millis(60),
            || async { Ok(1) },
            |n| *n == 2,
        )
        .await
        .unwrap_err()
        .to_string();
        assert!(
            never.contains("for a two") && never.contains("last seen: 1"),
            "{never}"
        );

        let broken = holds("one", Duration::from_secs(5), read, |n| *n < 6)
            .await
            .unwrap_err()
            .to_string();
        assert!(broken.contains('6'), "{broken}");
    }
}
