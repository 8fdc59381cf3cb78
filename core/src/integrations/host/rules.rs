//! What is wrong with a host, a disk or a systemd unit. Pure.

use steward_api::{Evidence, Facts, Health, Metric, Problem, ResourceKind, Severity};

use crate::ports::{Judgement, Rule, RuleInput, Suspicion};

/// How far below its threshold a disk's use must fall to clear, percentage points. Smaller than for other gauges: space moves slowly.
const DISK_HYSTERESIS: f64 = 2.0;

/// The rules for hosts.
#[derive(Debug)]
pub struct HostRule;

impl Rule for HostRule {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Host
    }

    fn judge(&self, input: &RuleInput<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        if input.resource.health == Health::Unknown {
            // Gauges from before say nothing of now.
            judgement.unknown = true;
            return judgement;
        }
        let limits = input.thresholds;
        let checks = [
            (
                Problem::HostCpu,
                Metric::CpuPercent,
                limits.host_cpu_percent,
                "CPU",
            ),
            (
                Problem::HostMemory,
                Metric::MemoryPercent,
                limits.host_memory_percent,
                "memory",
            ),
        ];
        for (problem, metric, threshold, word) in checks {
            if !input.history.sustained(
                problem,
                metric,
                threshold,
                threshold - limits.hysteresis,
                limits,
            ) {
                continue;
            }
            let value = input.history.latest(metric).unwrap_or(threshold);
            let mut evidence = vec![Evidence::new(
                "metric",
                format!(
                    "{metric} above {threshold:.0} % in {} of the last {} readings",
                    limits.sustain, limits.of_last
                ),
            )];
            if let Facts::Host(facts) = &input.resource.facts {
                evidence.extend(facts.top_processes.iter().take(3).map(|process| {
                    Evidence::new(
                        "process",
                        format!(
                            "{} (pid {}): {:.0} % of one core, {} MiB",
                            process.name,
                            process.pid,
                            process.cpu_percent,
                            process.memory_bytes / (1024 * 1024)
                        ),
                    )
                }));
            }
            judgement.suspicions.push(Suspicion {
                problem,
                severity: Severity::Degraded,
                summary: format!("{} uses {value:.0} % of its {word}", input.resource.id.node),
                evidence,
            });
        }
        judgement
    }
}

/// The rules for disks.
#[derive(Debug)]
pub struct DiskRule;

impl Rule for DiskRule {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Disk
    }

    fn judge(&self, input: &RuleInput<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        let Some(percent) = input
            .resource
            .metrics
            .get(&Metric::DiskPercent)
            .copied()
            .filter(|_| input.resource.health != Health::Unknown)
        else {
            judgement.unknown = true;
            return judgement;
        };
        // Space moves slowly and does not jump back: one reading is enough, with a gap between raising and clearing.
        let raised = input.history.raised.contains(&Problem::DiskFilling);
        let threshold = input.thresholds.disk_percent - if raised { DISK_HYSTERESIS } else { 0.0 };
        if percent > threshold {
            let available = input
                .history
                .latest(Metric::DiskAvailableBytes)
                .unwrap_or_default();
            let critical = percent >= input.thresholds.disk_critical_percent;
            judgement.suspicions.push(Suspicion {
                problem: Problem::DiskFilling,
                severity: if critical {
                    Severity::Critical
                } else {
                    Severity::Degraded
                },
                summary: format!("{} is {percent:.0} % full", input.resource.id.name),
                evidence: vec![Evidence::new(
                    "metric",
                    format!("{:.1} GiB available", available / 1024f64.powi(3)),
                )],
            });
        }
        judgement
    }
}

/// The rules for systemd units. Only failed units are reported, so one that is there is wrong.
#[derive(Debug)]
pub struct UnitRule;

impl Rule for UnitRule {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Unit
    }

    fn judge(&self, input: &RuleInput<'_>) -> Judgement {
        match input.resource.health {
            Health::Unhealthy => Judgement {
                suspicions: vec![Suspicion {
                    problem: Problem::UnitFailed,
                    severity: Severity::Unhealthy,
                    summary: format!("The systemd unit {} failed", input.resource.id.name),
                    evidence: vec![Evidence::new("systemd", input.resource.reason.clone())],
                }],
                ..Judgement::default()
            },
            Health::Unknown => Judgement {
                unknown: true,
                ..Judgement::default()
            },
            _ => Judgement::default(),
        }
    }
}
