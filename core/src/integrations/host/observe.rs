//! Reads the host, its disks and its failed units.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use steward_api::{
    DiskFacts, Facts, Health, HostFacts, Metric, Resource, ResourceId, ResourceKind, Unreadable,
};
use tokio::sync::Mutex;

use super::{
    disks::{Disks, Mount, Space},
    gauges::{Gauge, Gauges, HIGH_PERCENT, system_name, top_processes},
    systemd::{FailedUnit, Systemd, check_name},
};
use crate::{
    config::Config,
    ports::{Cadence, Clock, Coverage, Depth, Observation, Source, SourceError},
};

/// The source's name.
const NAME: &str = "host";
/// Longer than the parts together may take: they run side by side, each with a limit of its own.
const LIMIT: Duration = Duration::from_secs(15);

/// Observes the host.
pub struct HostSource {
    node: String,
    clock: Arc<dyn Clock>,
    system: String,
    gauges: Gauges,
    pub(super) disks: Disks,
    /// Absent where the configuration does not want units looked at.
    pub(super) systemd: Option<Systemd>,
    /// The failed units of the last reading that succeeded; absent before the first.
    units: Mutex<Option<BTreeMap<String, FailedUnit>>>,
}

/// What a reading of the units came to.
struct Units {
    resources: Vec<Resource>,
    /// Whether every unit that was ever reported is either in `resources` or known to have recovered.
    complete: bool,
    error: Option<String>,
}

impl HostSource {
    /// A source for the host that this runs on.
    pub fn new(config: &Config, clock: Arc<dyn Clock>) -> Self {
        Self {
            node: config.node.name.clone(),
            clock,
            system: system_name(),
            gauges: Gauges::default(),
            disks: Disks::new(config.host.ignore_disks.clone()),
            systemd: config.host.systemd.then(Systemd::default),
            units: Mutex::default(),
        }
    }

    fn id(&self) -> ResourceId {
        ResourceId::host(self.node.clone())
    }

    fn unreadable(what: String, error: String) -> Unreadable {
        Unreadable {
            source: NAME.to_owned(),
            what,
            error,
        }
    }

    async fn host(&self, unreadable: &mut Vec<Unreadable>) -> Resource {
        let gauge = match self.gauges.read().await {
            Ok(gauge) => gauge,
            Err(error) => {
                unreadable.push(Self::unreadable(
                    "the host's gauges".to_owned(),
                    error.clone(),
                ));
                return Resource {
                    id: self.id(),
                    health: Health::Unknown,
                    reason: format!("its gauges can't be read: {error}"),
                    depends_on: Vec::new(),
                    runs_on: None,
                    facts: Facts::Host(HostFacts {
                        system: self.system.clone(),
                        ..HostFacts::default()
                    }),
                    metrics: BTreeMap::new(),
                    read_at: self.clock.now(),
                };
            }
        };
        let cpu_high = gauge.cpu_percent.is_some_and(|cpu| cpu > HIGH_PERCENT);
        let memory_high = gauge.memory_percent() > HIGH_PERCENT;
        let mut top = Vec::new();
        if cpu_high || memory_high {
            match top_processes(cpu_high, memory_high).await {
                Ok(processes) => top = processes,
                Err(error) => {
                    unreadable.push(Self::unreadable("the host's processes".to_owned(), error));
                }
            }
        }
        Resource {
            id: self.id(),
            health: Health::Healthy,
            reason: words(&gauge),
            depends_on: Vec::new(),
            runs_on: None,
            metrics: metrics(&gauge),
            facts: Facts::Host(HostFacts {
                cores: gauge.cores,
                memory_total_bytes: gauge.memory_total,
                load: gauge.load,
                system: self.system.clone(),
                uptime_seconds: gauge.uptime,
                top_processes: top,
            }),
            read_at: self.clock.now(),
        }
    }

    /// Reads the units when a full reading is due, or when some were failed: so a recovery shows in the next cycle, and a host where
    /// all is well pays for it on full readings only.
    async fn units(&self, depth: Depth) -> Units {
        let none = |complete| Units {
            resources: Vec::new(),
            complete,
            error: None,
        };
        let Some(systemd) = self.systemd.as_ref().filter(|systemd| systemd.is_running()) else {
            return none(true);
        };
        let mut known = self.units.lock().await;
        match &*known {
            None if depth == Depth::Cycle => return none(false),
            Some(units) if depth == Depth::Cycle && units.is_empty() => return none(true),
            _ => {}
        }
        let now = self.clock.now();
        match systemd.failed().await {
            Ok(failed) => {
                let failed: BTreeMap<_, _> = failed
                    .into_iter()
                    .map(|unit| (unit.name.clone(), unit))
                    .collect();
                let resources = failed.values().map(|unit| self.unit(unit, now)).collect();
                *known = Some(failed);
                Units {
                    resources,
                    complete: true,
                    error: None,
                }
            }
            Err(error) => Units {
                // They were failed when last seen; how they are now nobody knows.
                resources: known
                    .iter()
                    .flat_map(BTreeMap::values)
                    .map(|unit| Resource {
                        health: Health::Unknown,
                        reason: format!("failed when last seen; now it can't be read: {error}"),
                        ..self.unit(unit, now)
                    })
                    .collect(),
                complete: known.is_some(),
                error: Some(error),
            },
        }
    }

    fn unit(&self, unit: &FailedUnit, now: Timestamp) -> Resource {
        Resource {
            id: ResourceId::new(self.node.clone(), ResourceKind::Unit, unit.name.clone()),
            health: Health::Unhealthy,
            reason: "systemd says that it failed".to_owned(),
            depends_on: Vec::new(),
            runs_on: Some(self.id()),
            facts: Facts::Unit {
                description: unit.description.clone(),
            },
            metrics: BTreeMap::new(),
            read_at: now,
        }
    }

    fn disk(&self, mount: &Mount, space: &Result<Space, String>) -> Resource {
        let (health, reason, metrics) = match space {
            Ok(space) => (
                Health::Healthy,
                format!(
                    "{:.0} % used, {} available",
                    space.percent(),
                    size(space.available)
                ),
                BTreeMap::from([
                    (Metric::DiskPercent, space.percent()),
                    (Metric::DiskAvailableBytes, number(space.available)),
                ]),
            ),
            Err(error) => (
                Health::Unknown,
                format!("its space can't be read: {error}"),
                BTreeMap::new(),
            ),
        };
        Resource {
            id: ResourceId::new(
                self.node.clone(),
                ResourceKind::Disk,
                mount.point.to_string_lossy(),
            ),
            health,
            reason,
            depends_on: Vec::new(),
            runs_on: Some(self.id()),
            facts: Facts::Disk(DiskFacts {
                file_system: mount.file_system.clone(),
                // The device of a network mount may be a URL with a password in it.
                device: crate::redact::redact(&mount.device),
                total_bytes: space.as_ref().map_or(0, |space| space.total),
                available_bytes: space.as_ref().map_or(0, |space| space.available),
            }),
            metrics,
            read_at: self.clock.now(),
        }
    }
}

#[async_trait]
impl Source for HostSource {
    fn name(&self) -> &str {
        NAME
    }

    fn cadence(&self) -> Cadence {
        Cadence::ContainerCycle
    }

    fn timeout(&self) -> Duration {
        LIMIT
    }

    async fn observe(&self, depth: Depth) -> Result<Observation, SourceError> {
        let mut unreadable = Vec::new();
        let (host, disks, units) = tokio::join!(
            self.host(&mut unreadable),
            self.disks.read(),
            self.units(depth)
        );
        let mut resources = vec![host];
        let mut complete = units.complete;
        match disks {
            Ok(disks) => {
                for (mount, space) in &disks {
                    resources.push(self.disk(mount, space));
                    if let Err(error) = space {
                        let what = format!("the space on {}", mount.point.display());
                        unreadable.push(Self::unreadable(what, error.clone()));
                    }
                }
            }
            Err(error) => {
                complete = false;
                unreadable.push(Self::unreadable(
                    "the mounted file systems".to_owned(),
                    error,
                ));
            }
        }
        resources.extend(units.resources);
        if let Some(error) = units.error {
            unreadable.push(Self::unreadable("failed systemd units".to_owned(), error));
        }
        Ok(Observation {
            source: NAME.to_owned(),
            taken_at: self.clock.now(),
            coverage: if complete {
                Coverage::Complete
            } else {
                Coverage::Partial
            },
            resources,
            unreadable,
            versions: BTreeMap::new(),
            recheck_in: None,
            security: None,
        })
    }

    async fn read_one(&self, resource: &ResourceId) -> Result<Option<Resource>, SourceError> {
        if resource.node != self.node || resource.kind != ResourceKind::Unit {
            return Ok(None);
        }
        let Some(systemd) = self.systemd.as_ref().filter(|systemd| systemd.is_running()) else {
            return Ok(None);
        };
        if check_name(&resource.name).is_err() {
            return Ok(None);
        }
        let state =
            systemd
                .show(&resource.name)
                .await
                .map_err(|reason| SourceError::Unreachable {
                    what: "systemd".to_owned(),
                    reason,
                })?;
        if !state.is_failed() {
            return Ok(None);
        }
        let unit = FailedUnit {
            name: resource.name.clone(),
            description: state.description().to_owned(),
        };
        Ok(Some(self.unit(&unit, self.clock.now())))
    }
}

fn metrics(gauge: &Gauge) -> BTreeMap<Metric, f64> {
    let mut metrics = BTreeMap::from([
        (Metric::MemoryPercent, gauge.memory_percent()),
        (Metric::MemoryBytes, number(gauge.memory_used)),
        (Metric::Load1, gauge.load[0]),
    ]);
    if let Some(cpu) = gauge.cpu_percent {
        metrics.insert(Metric::CpuPercent, cpu);
    }
    metrics
}

fn words(gauge: &Gauge) -> String {
    let cpu = gauge
        .cpu_percent
        .map_or_else(String::new, |cpu| format!("processor {cpu:.0} %, "));
    format!(
        "{cpu}memory {:.0} %, load {:.2}",
        gauge.memory_percent(),
        gauge.load[0]
    )
}

#[allow(
    clippy::cast_precision_loss,
    reason = "bytes beyond 2^53 need no precision of one"
)]
const fn number(bytes: u64) -> f64 {
    bytes as f64
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = number(bytes);
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}
