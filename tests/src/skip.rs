//! Skips: a suite that could not run says so, and is never counted as passed.
//!
//! What flows through: a reason in; a line to the terminal and to the file that `cargo xtask test` collects. It never decides what to skip.

use std::io::Write as _;

/// Ends the test as skipped, with a reason that says what is missing and how to get it. The test must return `anyhow::Result<()>`.
///
/// # Panics
/// With `STEWARD_TEST_REQUIRE=1`: then nothing may be skipped.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)+) => {{
        $crate::report_skip(&format!($($reason)+));
        return Ok(());
    }};
}

/// The lab on the engine that `DOCKER_HOST` names (or the usual one), or the test ends as skipped.
#[macro_export]
macro_rules! lab_or_skip {
    ($name:expr) => {
        match $crate::docker::Lab::open($name).await? {
            Ok(lab) => lab,
            Err(reason) => $crate::skip!("{reason}"),
        }
    };
}

/// The name of the running test, as its thread has it.
pub fn test_name() -> String {
    let thread = std::thread::current();
    thread.name().unwrap_or("a test").to_owned()
}

/// Writes down that the running test was skipped.
///
/// # Panics
/// With `STEWARD_TEST_REQUIRE=1`: then nothing may be skipped.
pub fn report_skip(reason: &str) {
    let line = format!("SKIPPED: {}: {reason}", test_name());
    eprintln!("{line}");
    if let Some(file) = std::env::var_os("STEWARD_TEST_SKIPS") {
        let written = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&file)
            .and_then(|mut file| writeln!(file, "{line}"));
        if let Err(error) = written {
            eprintln!("can't write to {}: {error}", file.display());
        }
    }
    let required = std::env::var("STEWARD_TEST_REQUIRE").is_ok_and(|value| value == "1");
    assert!(
        !required,
        "{line}, but STEWARD_TEST_REQUIRE=1 lets nothing be skipped"
    );
}
