//! What runs inside the demo's containers: the same executable in another role. It really fails, by itself, in the way that the demo
//! is about; nobody stops it from outside, since a stop through the engine is deliberate and no incident.

use std::{hint::black_box, path::Path, process::ExitCode, time::Duration};

use super::super::args::DemoRole;

/// When this file appears, the `serve` role ends with an error, once.
pub(super) const TRIP_FILE: &str = "/trip";
/// How near to its limit the `swell` role goes: above the threshold of 90 %, below the kernel's patience.
const SWELL_TO: f64 = 0.94;
/// Memory is taken in pieces of this size. Bytes.
const PIECE: usize = 256 * 1024;

/// Plays a role until it ends. Needs no runtime and nothing but the standard library.
#[allow(
    clippy::disallowed_methods,
    reason = "a process of its own that has nothing to do but wait"
)]
pub(in crate::cli) fn run(role: DemoRole) -> ExitCode {
    match role {
        DemoRole::Serve => {
            tell("serving");
            while !Path::new(TRIP_FILE).exists() {
                std::thread::sleep(Duration::from_millis(20));
            }
            // So that it serves again after a restart: what made it fail is over.
            let _ = std::fs::remove_file(TRIP_FILE);
            tell("fatal: worker 1 lost its connection, giving up");
            ExitCode::from(1)
        }
        DemoRole::Swell => {
            tell("filling the cache");
            let Some((_, limit)) = read_use() else {
                tell("can't read this container's memory use");
                return ExitCode::from(2);
            };
            // Of the limit as it was at first: a raised one helps, as it does a real cache that has a size of its own.
            let enough = limit * SWELL_TO;
            let mut pieces = Vec::new();
            loop {
                if read_use().is_some_and(|(used, _)| used < enough) {
                    pieces.push(black_box(vec![1_u8; PIECE]));
                } else {
                    // Held, and looked at again: the kernel may have taken other pages back.
                    std::thread::sleep(Duration::from_millis(200));
                }
                // Slowly enough for the kernel to account for it before the next look.
                if pieces.len() % 16 == 0 {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
        DemoRole::Crash => {
            tell("fatal: required environment variable DATABASE_URL is not set");
            ExitCode::from(1)
        }
    }
}

#[allow(
    clippy::print_stdout,
    reason = "a container's log is its standard output"
)]
fn tell(text: &str) {
    println!("{text}");
}

/// The memory that this container uses, without the file cache that can be dropped, and its limit, in bytes; cgroup v2, else v1.
pub(in crate::cli) fn read_use() -> Option<(f64, f64)> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let number = |path: &str| read(path)?.trim().parse::<f64>().ok();
    let stat = |path: &str, key: &str| {
        read(path)?
            .lines()
            .find_map(|line| line.strip_prefix(key)?.trim().parse::<f64>().ok())
    };
    const V2: &str = "/sys/fs/cgroup";
    const V1: &str = "/sys/fs/cgroup/memory";
    let v2 = || {
        Some((
            number(&format!("{V2}/memory.current"))?,
            stat(&format!("{V2}/memory.stat"), "inactive_file ")?,
            number(&format!("{V2}/memory.max"))?,
        ))
    };
    let v1 = || {
        Some((
            number(&format!("{V1}/memory.usage_in_bytes"))?,
            stat(&format!("{V1}/memory.stat"), "total_inactive_file ")?,
            number(&format!("{V1}/memory.limit_in_bytes"))?,
        ))
    };
    let (used, droppable, limit) = v2().or_else(v1)?;
    Some(((used - droppable).max(0.0), limit))
}
