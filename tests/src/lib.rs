//! The harness of Steward's end-to-end suites: real parts to test against, and one simulated engine where real ones would be too many.
//!
//! What flows through it: a test asks for a [`docker::Lab`] (a real engine, images and containers of its own), an [`agent::Agent`] (the
//! real `steward` binary as a child process), a [`postgres::Postgres`] (a real server) or a [`sim::Sim`] (thousands of containers that cost
//! nothing), does something to the world, and waits for what a user would notice. What it never does: use a fixed port, name or path,
//! leave anything behind when a test fails, or let a missing part pass for a success (see [`skip!`]).
//!
//! # A test
//!
//! ```no_run
//! use std::time::Duration;
//! use steward_tests::{agent::Agent, docker, lab_or_skip};
//! use steward_api::{GetIncident, ListIncidents, IncidentQuery, Nothing};
//!
//! #[tokio::test(flavor = "multi_thread")]
//! async fn a_service_that_dies_is_started_again() -> anyhow::Result<()> {
//!     // Without an engine this reports `SKIPPED: …` and ends the test.
//!     let lab = lab_or_skip!("dies");
//!     let web = lab.container("web").serve().label("steward.auto_restart", "true").start().await?;
//!
//!     // The real binary with a configuration of its own; it looks only at this test's containers. Killed on drop, and what it wrote to
//!     // its standard error is part of every failure's message.
//!     let agent = Agent::for_lab(&lab).set("autonomy.level", "assist").start().await?;
//!     agent.wait_for_container(&web.name, "to be known", Duration::from_secs(10), |_| true).await?;
//!
//!     let before = web.state().await?;
//!     web.crash(1).await?; // it dies by itself: the engine sees a `die`, but no `kill` and no `stop`
//!     web.wait("to run again", Duration::from_secs(10), |now| now.running && now.started_at != before.started_at).await?;
//!
//!     let incidents = agent.call::<ListIncidents>(&IncidentQuery::default()).await?;
//!     assert_eq!(incidents.items.len(), 1);
//!     let _same = agent.call_at::<GetIncident>(incidents.items[0].id, &Nothing {}).await?;
//!     let shown = agent.cli(&["incidents", "--json"]).await?;
//!     assert!(shown.status.success(), "{shown:?}");
//!     Ok(())
//! }
//! ```
//!
//! # The parts
//!
//! - [`docker::Lab`]: containers named and labelled for one test, removed when it drops, also after a panic. [`docker::Workload`] says what a
//!   container does: serve, end with a code, fail the first N times, eat memory, answer HTTP, need another server. [`docker::Container`]
//!   makes it die by itself (`crash`), fall ill (`sicken`) or reads its state.
//! - [`docker::PrivateDaemon`]: a second `dockerd` with everything its own, for tests in which Docker goes away and comes back.
//! - [`agent::Agent`]: `kill_9`, `terminate`, `restart`, `cli`, typed calls by [`steward_api::Endpoint`], the event stream, `wait_for…`.
//! - [`sim::Sim`]: the simulated engine in a process of its own; [`sim::Command`] says what can be done to it.
//! - [`python::Python`]: the official SDK of the Model Context Protocol, in both its major versions.
//! - [`browser::Browser`]: a real Chromium in front of the control center; [`cable::Cable`]: the line between both, to be cut.
//! - [`models::Models`]: a server of language models that says what the test wants it to say.
//! - [`architecture`]: the rules of who may import whom, as functions on source text.
//! - [`bench`]: the measurements behind `cargo xtask bench`.
//!
//! # Skips
//!
//! [`skip!`] prints `SKIPPED: <test>: <reason>` and appends the line to the file named by `STEWARD_TEST_SKIPS`, which `cargo xtask test` sets
//! and shows at its end. With `STEWARD_TEST_REQUIRE=1` a skip is a failure.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a harness is all edge: it starts programs, waits and reads clocks on purpose"
)]

pub mod agent;
pub mod architecture;
pub mod bench;
pub mod browser;
pub mod cable;
pub mod docker;
pub mod findings;
pub mod models;
pub mod osv;
pub mod postgres;
pub mod process;
pub mod python;
pub mod sim;
mod skip;
pub mod wait;

pub use skip::{report_skip, test_name};

/// A short id that no other test has, of this run or of one beside it: fit for names of containers and files.
pub fn unique_id() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{:x}-{:x}-{:04x}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed),
        rand::random::<u16>()
    )
}

/// Where cargo puts what it builds for the profile of the running program, such as `target/debug`.
///
/// # Errors
/// Where the running program does not stand in a target directory.
pub fn profile_dir() -> anyhow::Result<std::path::PathBuf> {
    let exe = std::env::current_exe()?;
    // Tests stand in `<profile>/deps`, binaries in `<profile>`.
    exe.ancestors()
        .skip(1)
        .find(|dir| dir.join("deps").is_dir())
        .map(std::path::Path::to_path_buf)
        .ok_or_else(|| anyhow::anyhow!("{} does not stand in a target directory", exe.display()))
}

/// The root of the workspace.
pub fn workspace_root() -> std::path::PathBuf {
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}
