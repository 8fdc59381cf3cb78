//! Use of processor, memory and network from two raw readings of the engine. Pure.
//!
//! Rates come from the difference to *our* previous reading, so a first reading has none. A reading that a stopped or just starting
//! container gives (all zeros) is not a reading.

use std::collections::BTreeMap;

use jiff::Timestamp;
use steward_api::Metric;

use super::{models::StatsModel, translate::time};

/// Two readings closer together than this say little of a rate.
const SHORTEST_SECONDS: f64 = 0.5;

/// The counters of one reading, kept for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counters {
    /// By the engine's clock.
    at: Timestamp,
    cpu_nanoseconds: u64,
    received_bytes: Option<u64>,
    sent_bytes: Option<u64>,
}

/// The limits that percentages are taken of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scale {
    pub(super) memory_bytes: Option<u64>,
    pub(super) cpu_cores: Option<f64>,
}

/// The metrics of a reading and the counters to keep. `None`: this was no reading.
pub(super) fn metrics(
    stats: &StatsModel,
    previous: Option<Counters>,
    scale: Scale,
) -> Option<(BTreeMap<Metric, f64>, Counters)> {
    let at = time(&stats.read)?;
    let cpu_nanoseconds = stats.cpu_stats.cpu_usage.total_usage;
    let memory = memory_in_use(stats);
    if cpu_nanoseconds == 0 && memory.unwrap_or_default() == 0 {
        return None;
    }
    let sum = |count: fn(&super::models::NetworkStatsModel) -> u64| {
        (!stats.networks.is_empty()).then(|| {
            stats
                .networks
                .values()
                .map(count)
                .fold(0, u64::wrapping_add)
        })
    };
    let counters = Counters {
        at,
        cpu_nanoseconds,
        received_bytes: sum(|network| network.rx_bytes),
        sent_bytes: sum(|network| network.tx_bytes),
    };

    let mut metrics = BTreeMap::new();
    if let Some(bytes) = memory {
        metrics.insert(Metric::MemoryBytes, float(bytes));
        if let Some(limit) = scale.memory_bytes.filter(|limit| *limit > 0) {
            metrics.insert(Metric::MemoryPercent, float(bytes) / float(limit) * 100.0);
        }
    }
    if let Some(processes) = stats.pids_stats.current {
        metrics.insert(Metric::Processes, float(processes));
    }
    if let Some(previous) = previous {
        let seconds = at.duration_since(previous.at).as_secs_f64();
        // Counters that went back mean that the container was started anew in between.
        if seconds >= SHORTEST_SECONDS && cpu_nanoseconds >= previous.cpu_nanoseconds {
            let used = float(cpu_nanoseconds - previous.cpu_nanoseconds) / 1e9;
            let cores = scale.cpu_cores.filter(|cores| *cores > 0.0).unwrap_or(1.0);
            metrics.insert(Metric::CpuPercent, used / seconds / cores * 100.0);
            let mut rate = |metric, now: Option<u64>, before: Option<u64>| {
                if let Some(bytes) = now
                    .zip(before)
                    .and_then(|(now, before)| now.checked_sub(before))
                {
                    metrics.insert(metric, float(bytes) / seconds);
                }
            };
            rate(
                Metric::NetworkReceiveBytesPerSecond,
                counters.received_bytes,
                previous.received_bytes,
            );
            rate(
                Metric::NetworkSendBytesPerSecond,
                counters.sent_bytes,
                previous.sent_bytes,
            );
        }
    }
    Some((metrics, counters))
}

/// Memory in use as `docker stats` shows it: usage less the inactive file cache. Bytes.
pub(super) fn memory_in_use(stats: &StatsModel) -> Option<u64> {
    let usage = stats.memory_stats.usage?;
    let detail = &stats.memory_stats.stats;
    let inactive = detail
        .total_inactive_file
        .or(detail.inactive_file)
        .unwrap_or_default();
    // As the Docker CLI: a cache larger than the usage is a torn reading of the two.
    Some(usage.checked_sub(inactive).unwrap_or(usage))
}

#[allow(clippy::cast_precision_loss, reason = "a gauge; 2^53 bytes are 8 PiB")]
const fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(read: &str, cpu: u64, more: &str) -> StatsModel {
        serde_json::from_str(&format!(
            r#"{{"read":"{read}","preread":"0001-01-01T00:00:00Z","cpu_stats":{{"cpu_usage":{{"total_usage":{cpu},"percpu_usage":[1,2]}},"system_cpu_usage":9}},"blkio_stats":{{"x":null}}{more}}}"#
        ))
        .unwrap()
    }

    const V1: &str = r#","memory_stats":{"usage":1000,"stats":{"total_inactive_file":400,"inactive_file":10},"limit":99},"pids_stats":{"current":3},"networks":{"eth0":{"rx_bytes":100,"tx_bytes":10},"eth1":{"rx_bytes":1,"tx_bytes":1}}"#;
    const V2: &str = r#","memory_stats":{"usage":1000,"stats":{"inactive_file":250}},"pids_stats":{},"networks":null"#;

    #[test]
    fn a_first_reading_has_gauges_but_no_rates() {
        let first = stats("2026-01-01T00:00:00Z", 5, V1);
        let scale = Scale {
            memory_bytes: Some(1200),
            cpu_cores: None,
        };
        let (metrics, _) = metrics(&first, None, scale).unwrap();
        assert_eq!(metrics[&Metric::MemoryBytes], 600.0);
        assert_eq!(metrics[&Metric::MemoryPercent], 50.0);
        assert_eq!(metrics[&Metric::Processes], 3.0);
        assert_eq!(metrics.len(), 3);
    }

    #[test]
    fn rates_come_from_the_difference_to_the_previous_reading() {
        let first = stats("2026-01-01T00:00:00Z", 1_000_000_000, V1);
        let (_, kept) = metrics(&first, None, Scale::default()).unwrap();
        let later = V1.replace("\"rx_bytes\":100", "\"rx_bytes\":1100");
        let second = stats("2026-01-01T00:00:10Z", 6_000_000_000, &later);
        let (whole, _) = metrics(&second, Some(kept), Scale::default()).unwrap();
        assert_eq!(whole[&Metric::CpuPercent], 50.0, "half of one core");
        assert_eq!(whole[&Metric::NetworkReceiveBytesPerSecond], 100.0);
        assert_eq!(whole[&Metric::NetworkSendBytesPerSecond], 0.0);
        assert!(
            !whole.contains_key(&Metric::MemoryPercent),
            "no limit, no percentage"
        );
        let half = Scale {
            memory_bytes: None,
            cpu_cores: Some(0.5),
        };
        let (limited, _) = metrics(&second, Some(kept), half).unwrap();
        assert_eq!(limited[&Metric::CpuPercent], 100.0, "all of its half core");
    }

    #[test]
    fn counters_that_went_back_give_no_rate() {
        let (_, kept) = metrics(
            &stats("2026-01-01T00:00:00Z", 9_000, V1),
            None,
            Scale::default(),
        )
        .unwrap();
        let (restarted, _) = metrics(
            &stats("2026-01-01T00:00:30Z", 10, V1),
            Some(kept),
            Scale::default(),
        )
        .unwrap();
        assert!(!restarted.contains_key(&Metric::CpuPercent));
        let (again, _) = metrics(
            &stats("2026-01-01T00:00:00.1Z", 9_500, V1),
            Some(kept),
            Scale::default(),
        )
        .unwrap();
        assert!(
            !again.contains_key(&Metric::CpuPercent),
            "too close together"
        );
    }

    #[test]
    fn version_two_of_cgroups_is_read_too() {
        let (metrics, _) = metrics(
            &stats("2026-01-01T00:00:00Z", 1, V2),
            None,
            Scale::default(),
        )
        .unwrap();
        assert_eq!(metrics[&Metric::MemoryBytes], 750.0);
        assert_eq!(metrics.len(), 1);
    }

    #[test]
    fn zeros_are_no_reading() {
        assert!(
            metrics(
                &stats("0001-01-01T00:00:00Z", 0, ""),
                None,
                Scale::default()
            )
            .is_none()
        );
        let zeros = stats(
            "2026-01-01T00:00:00Z",
            0,
            r#","memory_stats":{},"pids_stats":{}"#,
        );
        assert!(metrics(&zeros, None, Scale::default()).is_none());
    }
}
