//! Actions: typed changes to the world. There is no other way for Steward to change anything.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{ResourceId, ResourceKind, tagged::tagged};

/// How much an action can hurt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Can be repeated or comes back by itself; touches one resource that already fails, or only what is unused.
    Low,
    /// Touches something that works, or removes what can be made again with effort.
    Medium,
    /// Can lose data or take many things down. Always asks.
    High,
}

impl Risk {
    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a task is about, for grouping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskType {
    /// Brings something back.
    Healing,
    /// Changes how much something may use.
    ResourceOptimization,
    /// Frees space.
    Cleanup,
    /// Runs a script of the operator's.
    Script,
}

impl fmt::Display for TaskType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Healing => "healing",
            Self::ResourceOptimization => "resource_optimization",
            Self::Cleanup => "cleanup",
            Self::Script => "script",
        })
    }
}

/// The name of an action without its arguments, as used in the configuration, in diagnoses and in the record of remedies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[allow(
    missing_docs,
    reason = "each is the name of the variant of `Action` documented below"
)]
pub enum ActionName {
    StartContainer,
    RestartContainer,
    StopContainer,
    ClearTmp,
    ResetConnections,
    SetLimits,
    PruneDanglingImages,
    PruneBuildCache,
    PruneStoppedContainers,
    PruneUnusedImages,
    PruneUnusedVolumes,
    VacuumSystemdJournal,
    RestartUnit,
    RestartDockerDaemon,
    RunScript,
}

impl ActionName {
    /// Every action.
    pub const ALL: [Self; 15] = [
        Self::StartContainer,
        Self::RestartContainer,
        Self::StopContainer,
        Self::ClearTmp,
        Self::ResetConnections,
        Self::SetLimits,
        Self::PruneDanglingImages,
        Self::PruneBuildCache,
        Self::PruneStoppedContainers,
        Self::PruneUnusedImages,
        Self::PruneUnusedVolumes,
        Self::VacuumSystemdJournal,
        Self::RestartUnit,
        Self::RestartDockerDaemon,
        Self::RunScript,
    ];

    /// The word used on the wire and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StartContainer => "start_container",
            Self::RestartContainer => "restart_container",
            Self::StopContainer => "stop_container",
            Self::ClearTmp => "clear_tmp",
            Self::ResetConnections => "reset_connections",
            Self::SetLimits => "set_limits",
            Self::PruneDanglingImages => "prune_dangling_images",
            Self::PruneBuildCache => "prune_build_cache",
            Self::PruneStoppedContainers => "prune_stopped_containers",
            Self::PruneUnusedImages => "prune_unused_images",
            Self::PruneUnusedVolumes => "prune_unused_volumes",
            Self::VacuumSystemdJournal => "vacuum_systemd_journal",
            Self::RestartUnit => "restart_unit",
            Self::RestartDockerDaemon => "restart_docker_daemon",
            Self::RunScript => "run_script",
        }
    }

    /// How much the action can hurt by itself. A policy can treat it as riskier, never as less risky. A script's risk comes from
    /// the configuration; here stands the default.
    pub const fn risk(self) -> Risk {
        match self {
            Self::StartContainer
            | Self::RestartContainer
            | Self::ClearTmp
            | Self::PruneDanglingImages
            | Self::PruneBuildCache => Risk::Low,
            // Vacuuming removes log lines for good; a reset restarts things that work; limits can starve.
            Self::StopContainer
            | Self::ResetConnections
            | Self::SetLimits
            | Self::PruneStoppedContainers
            | Self::VacuumSystemdJournal
            | Self::RestartUnit => Risk::Medium,
            Self::PruneUnusedImages
            | Self::PruneUnusedVolumes
            | Self::RestartDockerDaemon
            | Self::RunScript => Risk::High,
        }
    }

    /// Whether the action ends or restarts something, and so counts against the restart limit of its resource.
    pub const fn is_restart(self) -> bool {
        matches!(
            self,
            Self::StartContainer
                | Self::RestartContainer
                | Self::ResetConnections
                | Self::RestartUnit
                | Self::RestartDockerDaemon
        )
    }
}

impl fmt::Display for ActionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ActionName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|name| name.as_str() == text)
            .ok_or_else(|| {
                let known: Vec<_> = Self::ALL.iter().map(|name| name.as_str()).collect();
                format!(
                    "`{text}` is not an action: it should be one of {}",
                    known.join(", ")
                )
            })
    }
}

/// A container as an action addresses it: by name for people, by engine id so that a recreated one is not mistaken for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerRef {
    /// Who it is.
    pub resource: ResourceId,
    /// The engine's full id.
    pub container_id: String,
}

impl ContainerRef {
    /// The container's name.
    pub fn name(&self) -> &str {
        &self.resource.name
    }
}

/// CPU and memory limits of a container. Absent means unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Limits {
    /// Memory, bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Processor, thousandths of a core.
    #[serde(default)]
    pub cpu_millicores: Option<u64>,
}

tagged! {
/// One typed change to the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action as "Action" by "type" {
    /// Starts a container that does not run.
    StartContainer {
        /// Which.
        container: ContainerRef,
    },
    /// Stops it with a grace time, then starts it.
    RestartContainer {
        /// Which.
        container: ContainerRef,
        /// Seconds between the stop signal and the kill.
        grace_seconds: u32,
    },
    /// Stops it with a grace time.
    StopContainer {
        /// Which.
        container: ContainerRef,
        /// Seconds between the stop signal and the kill.
        grace_seconds: u32,
    },
    /// Removes regular files in `/tmp` and `/var/tmp` inside a container that nobody touched for a while. Never a socket.
    ClearTmp {
        /// Which.
        container: ContainerRef,
        /// Only files not modified for so many seconds.
        untouched_seconds: u64,
    },
    /// Restarts a container, then those that depend on it, so that all connect afresh.
    ResetConnections {
        /// Whose connections.
        container: ContainerRef,
        /// What depends on it, in the order in which it is restarted.
        dependents: Vec<ContainerRef>,
        /// Seconds between the stop signal and the kill.
        grace_seconds: u32,
    },
    /// Changes a container's limits live, without a restart.
    SetLimits {
        /// Which.
        container: ContainerRef,
        /// The limits as they are.
        from: Limits,
        /// The limits as they will be.
        to: Limits,
    },
    /// Removes images that have no tag and no container.
    PruneDanglingImages {
        /// On which engine.
        engine: ResourceId,
    },
    /// Removes the build cache that is not in use.
    PruneBuildCache {
        /// On which engine.
        engine: ResourceId,
    },
    /// Removes containers that ended long ago.
    PruneStoppedContainers {
        /// On which engine.
        engine: ResourceId,
        /// Only those that ended more than so many days ago.
        older_than_days: u32,
    },
    /// Removes every image that no container uses.
    PruneUnusedImages {
        /// On which engine.
        engine: ResourceId,
    },
    /// Removes every volume that no container uses, with its data.
    PruneUnusedVolumes {
        /// On which engine.
        engine: ResourceId,
    },
    /// Shrinks the systemd journal by removing its oldest entries.
    VacuumSystemdJournal {
        /// On which host.
        host: ResourceId,
        /// Size to keep, bytes.
        keep_bytes: u64,
    },
    /// Restarts a systemd unit.
    RestartUnit {
        /// Which.
        unit: ResourceId,
    },
    /// Restarts the Docker daemon, and with it every container that does not survive that.
    RestartDockerDaemon {
        /// Which engine.
        engine: ResourceId,
    },
    /// Runs a script from the configuration's allow-list, without arguments from outside.
    RunScript {
        /// On which host.
        host: ResourceId,
        /// Its name in the allow-list.
        script: String,
        /// Its risk, as configured.
        risk: Risk,
    },
}
}

impl Action {
    /// Its name without arguments.
    pub const fn name(&self) -> ActionName {
        match self {
            Self::StartContainer { .. } => ActionName::StartContainer,
            Self::RestartContainer { .. } => ActionName::RestartContainer,
            Self::StopContainer { .. } => ActionName::StopContainer,
            Self::ClearTmp { .. } => ActionName::ClearTmp,
            Self::ResetConnections { .. } => ActionName::ResetConnections,
            Self::SetLimits { .. } => ActionName::SetLimits,
            Self::PruneDanglingImages { .. } => ActionName::PruneDanglingImages,
            Self::PruneBuildCache { .. } => ActionName::PruneBuildCache,
            Self::PruneStoppedContainers { .. } => ActionName::PruneStoppedContainers,
            Self::PruneUnusedImages { .. } => ActionName::PruneUnusedImages,
            Self::PruneUnusedVolumes { .. } => ActionName::PruneUnusedVolumes,
            Self::VacuumSystemdJournal { .. } => ActionName::VacuumSystemdJournal,
            Self::RestartUnit { .. } => ActionName::RestartUnit,
            Self::RestartDockerDaemon { .. } => ActionName::RestartDockerDaemon,
            Self::RunScript { .. } => ActionName::RunScript,
        }
    }

    /// How much it can hurt.
    pub const fn risk(&self) -> Risk {
        match self {
            Self::RunScript { risk, .. } => *risk,
            other => other.name().risk(),
        }
    }

    /// The resource that it changes; locks, limits and records are kept by it.
    pub const fn target(&self) -> &ResourceId {
        match self {
            Self::StartContainer { container }
            | Self::RestartContainer { container, .. }
            | Self::StopContainer { container, .. }
            | Self::ClearTmp { container, .. }
            | Self::ResetConnections { container, .. }
            | Self::SetLimits { container, .. } => &container.resource,
            Self::PruneDanglingImages { engine }
            | Self::PruneBuildCache { engine }
            | Self::PruneStoppedContainers { engine, .. }
            | Self::PruneUnusedImages { engine }
            | Self::PruneUnusedVolumes { engine }
            | Self::RestartDockerDaemon { engine } => engine,
            Self::VacuumSystemdJournal { host, .. } | Self::RunScript { host, .. } => host,
            Self::RestartUnit { unit } => unit,
        }
    }

    /// Every resource that it touches: the target and, for a reset, the dependents.
    pub fn touches(&self) -> Vec<&ResourceId> {
        let mut all = vec![self.target()];
        if let Self::ResetConnections { dependents, .. } = self {
            all.extend(dependents.iter().map(|dependent| &dependent.resource));
        }
        all
    }

    /// What kind of task it makes.
    pub const fn task_type(&self) -> TaskType {
        match self {
            Self::StartContainer { .. }
            | Self::RestartContainer { .. }
            | Self::StopContainer { .. }
            | Self::ResetConnections { .. }
            | Self::RestartUnit { .. }
            | Self::RestartDockerDaemon { .. } => TaskType::Healing,
            Self::SetLimits { .. } => TaskType::ResourceOptimization,
            Self::ClearTmp { .. }
            | Self::PruneDanglingImages { .. }
            | Self::PruneBuildCache { .. }
            | Self::PruneStoppedContainers { .. }
            | Self::PruneUnusedImages { .. }
            | Self::PruneUnusedVolumes { .. }
            | Self::VacuumSystemdJournal { .. } => TaskType::Cleanup,
            Self::RunScript { .. } => TaskType::Script,
        }
    }
}

/// One line for a person: what will change, exactly.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartContainer { container } => write!(f, "Start {}", container.name()),
            Self::RestartContainer {
                container,
                grace_seconds,
            } => {
                write!(f, "Restart {} ({grace_seconds} s grace)", container.name())
            }
            Self::StopContainer {
                container,
                grace_seconds,
            } => write!(f, "Stop {} ({grace_seconds} s grace)", container.name()),
            Self::ClearTmp {
                container,
                untouched_seconds,
            } => write!(
                f,
                "Clear regular files untouched for {} min from /tmp and /var/tmp in {}",
                untouched_seconds / 60,
                container.name()
            ),
            Self::ResetConnections {
                container,
                dependents,
                ..
            } => {
                write!(f, "Restart {}", container.name())?;
                if !dependents.is_empty() {
                    let names: Vec<_> = dependents.iter().map(ContainerRef::name).collect();
                    write!(f, ", then what depends on it: {}", names.join(", "))?;
                }
                Ok(())
            }
            Self::SetLimits {
                container,
                from,
                to,
            } => {
                let mut parts = Vec::new();
                if from.memory_bytes != to.memory_bytes {
                    parts.push(format!(
                        "memory from {} to {}",
                        bytes_or_unlimited(from.memory_bytes),
                        bytes_or_unlimited(to.memory_bytes)
                    ));
                }
                if from.cpu_millicores != to.cpu_millicores {
                    parts.push(format!(
                        "CPU from {} to {}",
                        cores_or_unlimited(from.cpu_millicores),
                        cores_or_unlimited(to.cpu_millicores)
                    ));
                }
                write!(
                    f,
                    "Set limits of {}: {}",
                    container.name(),
                    parts.join(", ")
                )
            }
            Self::PruneDanglingImages { .. } => {
                f.write_str("Remove images without a tag that no container uses")
            }
            Self::PruneBuildCache { .. } => {
                f.write_str("Remove the build cache that is not in use")
            }
            Self::PruneStoppedContainers {
                older_than_days, ..
            } => {
                write!(
                    f,
                    "Remove containers that ended more than {older_than_days} days ago"
                )
            }
            Self::PruneUnusedImages { .. } => {
                f.write_str("Remove all images that no container uses")
            }
            Self::PruneUnusedVolumes { .. } => {
                f.write_str("Remove all volumes that no container uses, with their data")
            }
            Self::VacuumSystemdJournal { keep_bytes, .. } => {
                write!(
                    f,
                    "Shrink the systemd journal to {}",
                    bytes_or_unlimited(Some(*keep_bytes))
                )
            }
            Self::RestartUnit { unit } => write!(f, "Restart the systemd unit {}", unit.short()),
            Self::RestartDockerDaemon { engine } => {
                write!(f, "Restart the Docker daemon on {}", engine.node)
            }
            Self::RunScript { script, .. } => {
                write!(f, "Run the script {script} from the configuration")
            }
        }
    }
}

fn bytes_or_unlimited(bytes: Option<u64>) -> String {
    const MIB: u64 = 1024 * 1024;
    match bytes {
        None => "unlimited".to_owned(),
        Some(bytes) if bytes % (1024 * MIB) == 0 && bytes > 0 => {
            format!("{} GiB", bytes / (1024 * MIB))
        }
        Some(bytes) => format!("{} MiB", bytes.div_ceil(MIB)),
    }
}

fn cores_or_unlimited(millicores: Option<u64>) -> String {
    millicores.map_or_else(
        || "unlimited".to_owned(),
        |m| format!("{}.{:02} cores", m / 1000, m % 1000 / 10),
    )
}

impl ContainerRef {
    /// A reference, where the resource is a container.
    pub fn new(resource: ResourceId, container_id: impl Into<String>) -> Option<Self> {
        (resource.kind == ResourceKind::Container).then(|| Self {
            resource,
            container_id: container_id.into(),
        })
    }
}
