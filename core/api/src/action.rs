//! Actions: typed changes to the world. There is no other way for Steward to change anything.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ActionName, ResourceId, ResourceKind, Risk, TaskType, tagged::tagged};

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
    /// Pulls a container's image and makes the container anew from it, with the same configuration. The one before is kept, stopped, under
    /// another name.
    UpdateImage {
        /// Which, as it is now.
        container: ContainerRef,
        /// The image as it is named.
        image: String,
        /// The engine's id of the image that it runs now.
        from_image_id: String,
        /// Seconds between the stop signal and the kill.
        grace_seconds: u32,
    },
    /// Makes a container anew that publishes a port on this machine alone (127.0.0.1). The one before is kept, as for an update.
    BindPort {
        /// Which, as it is now.
        container: ContainerRef,
        /// `tcp` or `udp`.
        transport: String,
        /// The port of the host.
        port: u16,
        /// Seconds between the stop signal and the kill.
        grace_seconds: u32,
    },
    /// Makes a container anew that does not publish a port. The one before is kept, as for an update.
    ClosePort {
        /// Which, as it is now.
        container: ContainerRef,
        /// `tcp` or `udp`.
        transport: String,
        /// The port of the host.
        port: u16,
        /// Seconds between the stop signal and the kill.
        grace_seconds: u32,
    },
    /// Puts a container that was kept back in the place of the one that was made anew from it, which is removed.
    RestorePrevious {
        /// The one that was kept, by the name that it had.
        container: ContainerRef,
        /// Seconds between the stop signal and the kill.
        grace_seconds: u32,
    },
    /// Removes a container that was kept while another took its place. Its volumes stay.
    RemovePrevious {
        /// The one that was kept, by the name that it had.
        container: ContainerRef,
    },
    /// Runs the configured script that renews a certificate.
    RenewCertificate {
        /// Which.
        certificate: ResourceId,
        /// The script's name in the allow-list.
        script: String,
        /// Its risk, as configured.
        risk: Risk,
    },
    /// Drops what an address sends to this host, for a while.
    BlockAddress {
        /// On which host.
        host: ResourceId,
        /// Which.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        address: std::net::IpAddr,
        /// For how many minutes; then the block ends by itself.
        minutes: u32,
    },
    /// Ends the block of an address.
    UnblockAddress {
        /// On which host.
        host: ResourceId,
        /// Which.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        address: std::net::IpAddr,
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
            Self::UpdateImage { .. } => ActionName::UpdateImage,
            Self::BindPort { .. } => ActionName::BindPort,
            Self::ClosePort { .. } => ActionName::ClosePort,
            Self::RestorePrevious { .. } => ActionName::RestorePrevious,
            Self::RemovePrevious { .. } => ActionName::RemovePrevious,
            Self::RenewCertificate { .. } => ActionName::RenewCertificate,
            Self::BlockAddress { .. } => ActionName::BlockAddress,
            Self::UnblockAddress { .. } => ActionName::UnblockAddress,
        }
    }

    /// How much it can hurt.
    pub const fn risk(&self) -> Risk {
        match self {
            Self::RunScript { risk, .. } | Self::RenewCertificate { risk, .. } => *risk,
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
            | Self::SetLimits { container, .. }
            | Self::UpdateImage { container, .. }
            | Self::BindPort { container, .. }
            | Self::ClosePort { container, .. }
            | Self::RestorePrevious { container, .. }
            | Self::RemovePrevious { container } => &container.resource,
            Self::PruneDanglingImages { engine }
            | Self::PruneBuildCache { engine }
            | Self::PruneStoppedContainers { engine, .. }
            | Self::PruneUnusedImages { engine }
            | Self::PruneUnusedVolumes { engine }
            | Self::RestartDockerDaemon { engine } => engine,
            Self::VacuumSystemdJournal { host, .. }
            | Self::RunScript { host, .. }
            | Self::BlockAddress { host, .. }
            | Self::UnblockAddress { host, .. } => host,
            Self::RenewCertificate { certificate, .. } => certificate,
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
            Self::UpdateImage { .. }
            | Self::BindPort { .. }
            | Self::ClosePort { .. }
            | Self::RestorePrevious { .. }
            | Self::RemovePrevious { .. }
            | Self::RenewCertificate { .. }
            | Self::BlockAddress { .. }
            | Self::UnblockAddress { .. } => TaskType::Security,
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
            Self::UpdateImage {
                container, image, ..
            } => write!(
                f,
                "Pull {image} and make {} anew from it, keeping the one before until it is well",
                container.name()
            ),
            Self::BindPort {
                container,
                transport,
                port,
                ..
            } => write!(
                f,
                "Make {} anew with port {port}/{transport} on this machine alone (127.0.0.1), keeping the one before until it is well",
                container.name()
            ),
            Self::ClosePort {
                container,
                transport,
                port,
                ..
            } => write!(
                f,
                "Make {} anew without the published port {port}/{transport}, keeping the one before until it is well",
                container.name()
            ),
            Self::RestorePrevious { container, .. } => {
                write!(f, "Put {} back as it was before", container.name())
            }
            Self::RemovePrevious { container } => write!(
                f,
                "Remove the {} that was kept from before; its volumes stay",
                container.name()
            ),
            Self::RenewCertificate {
                certificate,
                script,
                ..
            } => write!(
                f,
                "Renew the certificate {} by the script {script} from the configuration",
                certificate.short()
            ),
            Self::BlockAddress {
                host,
                address,
                minutes,
            } => write!(
                f,
                "Drop what {address} sends to {} for {}",
                host.short(),
                minutes_in_words(*minutes)
            ),
            Self::UnblockAddress { host, address } => {
                write!(f, "End the block of {address} on {}", host.short())
            }
        }
    }
}

fn minutes_in_words(minutes: u32) -> String {
    match minutes {
        60 => "1 hour".to_owned(),
        _ if minutes > 0 && minutes.is_multiple_of(60) => format!("{} hours", minutes / 60),
        1 => "1 minute".to_owned(),
        _ => format!("{minutes} minutes"),
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
