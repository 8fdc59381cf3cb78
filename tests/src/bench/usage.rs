//! What a process uses of the machine, as the kernel counts it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Resident memory, MiB.
pub(super) fn resident_mib(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.with_context(|| format!("{path} tells no VmRSS"))? / 1024.0)
}

/// Processor time used so far, seconds.
pub(super) fn processor_seconds(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    // The name may hold anything, so count from behind its closing bracket: utime and stime are the 12th and 13th from there.
    let fields: Vec<&str> = text
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    let used = ticks(11)
        .zip(ticks(12))
        .with_context(|| format!("{path} can't be read"))?;
    #[allow(clippy::cast_precision_loss, reason = "100 on every machine")]
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    Ok((used.0 + used.1) / per_second)
}

/// Use over some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// Resident memory at the beginning, MiB.
    pub(super) first_mib: f64,
    /// The most that was seen, MiB.
    pub(super) most_mib: f64,
    /// At the end, MiB.
    pub(super) last_mib: f64,
    /// Processor time, seconds.
    pub(super) processor: f64,
    /// Over so many seconds.
    pub(super) seconds: f64,
}

impl Usage {
    /// Percent of one core.
    pub(super) fn percent(self) -> f64 {
        100.0 * self.processor / self.seconds
    }
}

/// Watches a process for some time.
pub(super) async fn watch(pid: u32, time: Duration) -> Result<Usage> {
    let begin = Instant::now();
    let before = processor_seconds(pid)?;
    let first_mib = resident_mib(pid)?;
    let (mut most_mib, mut last_mib) = (first_mib, first_mib);
    while begin.elapsed() < time {
        tokio::time::sleep(Duration::from_millis(500).min(time)).await;
        last_mib = resident_mib(pid)?;
        most_mib = most_mib.max(last_mib);
    }
    Ok(Usage {
        first_mib,
        most_mib,
        last_mib,
        processor: processor_seconds(pid)? - before,
        seconds: begin.elapsed().as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_shows_as_use() {
        let pid = std::process::id();
        let before = processor_seconds(pid).unwrap();
        let begin = Instant::now();
        // Until the kernel has counted some ticks of work.
        while processor_seconds(pid).unwrap() - before < 0.05 {
            assert!(begin.elapsed() < Duration::from_secs(20));
            std::hint::black_box((0..10_000).map(f64::from).sum::<f64>());
        }
        let usage = watch(pid, Duration::from_millis(20)).await.unwrap();
        assert!(
            usage.first_mib > 1.0 && usage.most_mib >= usage.last_mib,
            "{usage:?}"
        );
        assert!(usage.percent() >= 0.0);
    }
}
