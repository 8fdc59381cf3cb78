//! The measurements behind `cargo xtask bench`: DESIGN's numbers on this machine, each beside its target.
//!
//! What flows through: a real engine with 200 containers, simulated ones with up to 10,000, deaths, kills of the agent; a table out. What it
//! never does: count the load's own cost as the agent's (the simulated engine is another process), or leave containers behind, also on Ctrl-C.

mod control_center;
mod kill;
mod real;
mod security;
mod simulated;
mod table;
mod usage;

use std::time::Duration;

use anyhow::Result;

use crate::agent::Builder;

pub use table::{Row, Verdict, percentile};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Containers on the real engine.
    pub real: usize,
    /// Deaths on the real engine.
    pub real_deaths: usize,
    /// For how long memory and processor are watched.
    pub steady: Duration,
    /// Numbers of containers on the simulated engine.
    pub simulated: &'static [u32],
    /// Time between cycles there, seconds.
    pub simulated_cycle: u64,
    /// Cycles that are watched there.
    pub simulated_cycles: u32,
    /// Deaths there.
    pub simulated_deaths: u32,
    /// How often the list of 1,000 resources is asked for.
    pub lists: usize,
    /// Deaths that are looked for on screen.
    pub events_seen: u32,
    /// How often the agent is killed.
    pub kills: usize,
    /// Images that are scanned.
    pub images: usize,
}

impl Extent {
    /// All that DESIGN asks for: about a quarter of an hour.
    pub const FULL: Self = Self {
        real: 200,
        real_deaths: 120,
        steady: Duration::from_secs(150),
        simulated: &[200, 2_000, 10_000],
        simulated_cycle: 30,
        simulated_cycles: 3,
        simulated_deaths: 100,
        lists: 1_000,
        events_seen: 60,
        kills: 20,
        images: 50,
    };
    /// Less of everything: under four minutes.
    pub const QUICK: Self = Self {
        real: 30,
        real_deaths: 20,
        steady: Duration::from_secs(30),
        simulated: &[200, 2_000],
        simulated_cycle: 5,
        simulated_cycles: 3,
        simulated_deaths: 20,
        lists: 200,
        events_seen: 15,
        kills: 4,
        images: 8,
    };
}

/// The parts, each of which can be measured alone.
pub const PARTS: [&str; 6] = [
    "engine",
    "list",
    "simulated",
    "control-center",
    "kill",
    "security",
];

/// Measures everything, or the part of this name alone, and prints the table.
///
/// # Errors
/// Where there is no such part, where something can't be measured that should be, or a journaled fact was lost, or an action done twice.
pub async fn run(extent: Extent, only: Option<&str>) -> Result<()> {
    if let Some(name) = only {
        anyhow::ensure!(
            PARTS.contains(&name),
            "there is no part `{name}` to measure; there are {}",
            PARTS.join(", ")
        );
    }
    let mut rows = Vec::new();
    for name in PARTS {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let part = match name {
            "engine" => real::measure(extent).await,
            "list" => simulated::list(extent).await,
            "simulated" => simulated::measure(extent).await,
            "control-center" => control_center::measure(extent).await,
            "kill" => kill::measure(extent).await,
            _ => security::measure(extent).await,
        };
        match part {
            Ok(more) => rows.extend(more),
            Err(error) => {
                eprintln!("{error:#}");
                let reason = error
                    .to_string()
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                rows.push(Row::new(
                    "(a part could not be measured)",
                    "",
                    reason,
                    Verdict::Failed,
                ));
            }
        }
    }
    rows.push(Row::new(
        "alert intake",
        "≥ 5,000 alerts/s, none lost",
        "not part of this build yet",
        Verdict::Absent,
    ));
    println!("\n{}", table::render(&rows));
    let failed = rows
        .iter()
        .filter(|row| row.verdict == Verdict::Failed)
        .count();
    anyhow::ensure!(failed == 0, "{failed} of the rows failed");
    Ok(())
}

/// The settings of an agent as it is in a homelab, but for guards that would hold back what is measured.
fn as_in_life(builder: Builder, cycle_seconds: u64) -> Builder {
    builder
        .set("docker.grace", "10s")
        .set("docker.stabilisation", "10s")
        .set("docker.recovery", "90s")
        .set("thresholds.restart_policy_grace", "15s")
        .set(
            "schedules.container_cycle.every",
            format!("{cycle_seconds}s"),
        )
        .set("schedules.health_check.every", "2m")
        .set("schedules.full_monitoring.every", "5m")
        .set("guards.blast_radius", 10_000)
        .set("guards.max_restarts_per_hour", 60)
        .set("log.level", "info")
}

/// Says what is being done, for the person who waits.
fn step(text: &str) {
    eprintln!("bench: {text}");
}

fn milliseconds(ns: i64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "minutes at most")]
    let ns = ns as f64;
    ns / 1e6
}
