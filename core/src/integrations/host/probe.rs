//! A closer look at the host, on demand: its busiest processes, and what listens on it.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{gauges::busiest, sockets::listening};
use crate::ports::{BusyProcesses, HostProbe, ListeningSocket};

/// Processes that are named of each kind.
const MOST: usize = 10;

/// Looks at the host that this runs on.
pub struct HostLook {
    proc: PathBuf,
}

impl Default for HostLook {
    fn default() -> Self {
        Self {
            proc: Path::new("/proc").to_owned(),
        }
    }
}

#[async_trait]
impl HostProbe for HostLook {
    async fn processes(&self) -> Result<BusyProcesses, String> {
        busiest(MOST).await
    }

    async fn sockets(&self) -> Result<Vec<ListeningSocket>, String> {
        let proc = self.proc.clone();
        tokio::task::spawn_blocking(move || listening(&proc))
            .await
            .map_err(|error| format!("the reading of the sockets broke off: {error}"))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn this_program_is_seen_at_work() {
        let stop = tokio_util::sync::CancellationToken::new();
        let working = {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let mut sum = 0_u64;
                while !stop.is_cancelled() {
                    sum = sum.wrapping_mul(31).wrapping_add(7);
                }
                sum
            })
        };
        let own = std::process::id();
        let mut seen = BusyProcesses::default();
        // Others may be busier for a moment, where the machine has much to do.
        for _ in 0..10 {
            seen = HostLook::default().processes().await.unwrap();
            if seen.by_processor.iter().any(|process| process.pid == own) {
                break;
            }
        }
        stop.cancel();
        working.join().unwrap();
        let found = seen.by_processor.iter().find(|process| process.pid == own);
        assert!(found.unwrap().cpu_percent > 0.0);
        assert!(seen.by_processor.len() <= MOST && seen.by_memory.len() <= MOST);
        let descending = |values: Vec<f64>| values.windows(2).all(|pair| pair[0] >= pair[1]);
        assert!(descending(
            seen.by_processor
                .iter()
                .map(|process| process.cpu_percent)
                .collect()
        ));
        assert!(seen.by_memory[0].memory_bytes >= seen.by_memory[1].memory_bytes);
    }
}
