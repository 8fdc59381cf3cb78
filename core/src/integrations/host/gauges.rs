//! The host's gauges: processor, memory, load, and the heaviest processes while one of the first two is high, or when somebody asks.
//!
//! What flows through: readings of the system out. What it never does: read a process's arguments, or read the processes at all while
//! the host is at ease and nobody asks.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use steward_api::ProcessUse;
use sysinfo::{
    CpuRefreshKind, MINIMUM_CPU_UPDATE_INTERVAL, MemoryRefreshKind, ProcessRefreshKind,
    ProcessesToUpdate, System,
};

use crate::ports::BusyProcesses;

/// From this use of the processor or the memory on, percent, it is worth knowing who uses it.
pub(super) const HIGH_PERCENT: f64 = 80.0;
/// So many processes are named.
const TOP: usize = 5;
/// Between the two looks at the processes from whose difference their use of the processor follows.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// One reading.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Gauge {
    /// Logical processors.
    pub(super) cores: u32,
    /// Use of all cores since the previous reading, percent; absent in the first one, and when the previous one is too young.
    pub(super) cpu_percent: Option<f64>,
    /// Physical memory, bytes.
    pub(super) memory_total: u64,
    /// What of it is not available to a new program, bytes.
    pub(super) memory_used: u64,
    /// Load averages over 1, 5 and 15 minutes.
    pub(super) load: [f64; 3],
    /// Seconds since the host started.
    pub(super) uptime: u64,
}

impl Gauge {
    /// Memory in use, percent.
    #[allow(
        clippy::cast_precision_loss,
        reason = "a percentage needs no 64 bits of precision"
    )]
    pub(super) fn memory_percent(&self) -> f64 {
        self.memory_used as f64 / self.memory_total as f64 * 100.0
    }
}

/// Reads the gauges; remembers the previous reading of the processor.
#[derive(Default)]
pub(super) struct Gauges {
    state: Arc<Mutex<Option<State>>>,
}

struct State {
    system: System,
    read_at: std::time::Instant,
}

impl Gauges {
    /// Reads all gauges.
    ///
    /// # Errors
    /// In words, where the system does not tell.
    pub(super) async fn read(&self) -> Result<Gauge, String> {
        let state = Arc::clone(&self.state);
        tokio::task::spawn_blocking(move || read(&state))
            .await
            .map_err(|error| format!("the reading broke off: {error}"))?
    }
}

fn read(state: &Mutex<Option<State>>) -> Result<Gauge, String> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let (state, first) = match &mut *state {
        Some(state) => (state, false),
        empty => (
            empty.insert(State {
                system: System::new().map_err(|error| error.to_string())?,
                read_at: std::time::Instant::now(),
            }),
            true,
        ),
    };
    let apart = state.read_at.elapsed() >= MINIMUM_CPU_UPDATE_INTERVAL;
    if first || apart {
        state
            .system
            .refresh_cpu_specifics(CpuRefreshKind::nothing().with_usage());
        state.read_at = std::time::Instant::now();
    }
    state
        .system
        .refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let system = &state.system;
    let total = system.total_memory();
    if total == 0 || system.cpus().is_empty() {
        return Err("the system tells neither its memory nor its processors".to_owned());
    }
    let load = System::load_average().map_err(|error| format!("load averages: {error}"))?;
    let uptime = System::uptime().map_err(|error| format!("time since the start: {error}"))?;
    Ok(Gauge {
        cores: u32::try_from(system.cpus().len()).unwrap_or(u32::MAX),
        cpu_percent: (!first && apart)
            .then(|| f64::from(system.global_cpu_usage()).clamp(0.0, 100.0)),
        memory_total: total,
        memory_used: total.saturating_sub(system.available_memory()),
        load: [load.one, load.five, load.fifteen],
        uptime,
    })
}

/// Operating system and kernel, for a person.
pub(super) fn system_name() -> String {
    let name = System::long_os_version().unwrap_or_else(|_| "an unknown system".to_owned());
    System::kernel_version().map_or_else(
        |_| name.clone(),
        |kernel| format!("{name}, kernel {kernel}"),
    )
}

/// The heaviest processes: by processor where that is high, else by memory; of both where both are.
///
/// # Errors
/// In words.
pub(super) async fn top_processes(
    cpu_high: bool,
    memory_high: bool,
) -> Result<Vec<ProcessUse>, String> {
    Ok(heaviest(processes().await?, cpu_high, memory_high))
}

/// The `most` busiest processes by processor, and by memory.
///
/// # Errors
/// In words.
pub(super) async fn busiest(most: usize) -> Result<BusyProcesses, String> {
    let mut all = processes().await?;
    all.sort_by(|a, b| b.cpu_percent.total_cmp(&a.cpu_percent));
    let by_processor = all.iter().take(most).cloned().collect();
    all.sort_by_key(|process| std::cmp::Reverse(process.memory_bytes));
    all.truncate(most);
    Ok(BusyProcesses {
        by_processor,
        by_memory: all,
    })
}

/// All processes, with their use of the processor over [`BETWEEN_LOOKS`].
async fn processes() -> Result<Vec<ProcessUse>, String> {
    let broke_off = |error| format!("the reading of the processes broke off: {error}");
    let first = tokio::task::spawn_blocking(|| {
        // Made anew each time and dropped afterwards, so that it holds no memory while the host is at ease.
        let mut system = System::new().map_err(|error| error.to_string())?;
        look(&mut system);
        Ok::<_, String>(system)
    });
    let mut system = first.await.map_err(broke_off)??;
    tokio::time::sleep(BETWEEN_LOOKS).await;
    tokio::task::spawn_blocking(move || {
        look(&mut system);
        let processes = system.processes().values();
        processes
            .map(|process| ProcessUse {
                pid: process.pid().as_u32(),
                name: process.name().to_string_lossy().into_owned(),
                cpu_percent: f64::from(process.cpu_usage()),
                memory_bytes: process.memory(),
            })
            .collect()
    })
    .await
    .map_err(broke_off)
}

fn look(system: &mut System) {
    system.refresh_processes_specifics(
        ProcessesToUpdate::All,
        true,
        ProcessRefreshKind::nothing()
            .with_cpu()
            .with_memory()
            .without_tasks(),
    );
}

fn heaviest(mut all: Vec<ProcessUse>, cpu_high: bool, memory_high: bool) -> Vec<ProcessUse> {
    let by_cpu = match (cpu_high, memory_high) {
        (true, true) => TOP.div_ceil(2),
        (true, false) => TOP,
        _ => 0,
    };
    all.sort_by(|a, b| b.cpu_percent.total_cmp(&a.cpu_percent));
    let mut rest = all.split_off(by_cpu.min(all.len()));
    rest.sort_by_key(|process| std::cmp::Reverse(process.memory_bytes));
    rest.truncate(TOP.saturating_sub(all.len()));
    all.append(&mut rest);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, cpu_percent: f64, memory_bytes: u64) -> ProcessUse {
        ProcessUse {
            pid,
            name: format!("p{pid}"),
            cpu_percent,
            memory_bytes,
        }
    }

    #[test]
    fn the_heaviest_are_those_of_what_is_high() {
        let all: Vec<_> = (0..20u32)
            .map(|pid| process(pid, f64::from(pid), u64::from(100 - pid)))
            .collect();
        let pids = |cpu, memory| -> Vec<_> {
            heaviest(all.clone(), cpu, memory)
                .iter()
                .map(|process| process.pid)
                .collect()
        };
        assert_eq!(pids(true, false), [19, 18, 17, 16, 15]);
        assert_eq!(pids(false, true), [0, 1, 2, 3, 4]);
        assert_eq!(pids(true, true), [19, 18, 17, 0, 1]);
        assert_eq!(heaviest(vec![process(1, 1.0, 1)], true, true).len(), 1);
    }
}
