//! The names of actions, how much each can hurt, and what tasks of them are about.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

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
    /// Makes the house safer.
    Security,
}

impl fmt::Display for TaskType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Healing => "healing",
            Self::ResourceOptimization => "resource_optimization",
            Self::Cleanup => "cleanup",
            Self::Script => "script",
            Self::Security => "security",
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
    UpdateImage,
    BindPort,
    ClosePort,
    RestorePrevious,
    RemovePrevious,
    RenewCertificate,
    BlockAddress,
    UnblockAddress,
}

impl ActionName {
    /// Every action.
    pub const ALL: [Self; 23] = [
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
        Self::UpdateImage,
        Self::BindPort,
        Self::ClosePort,
        Self::RestorePrevious,
        Self::RemovePrevious,
        Self::RenewCertificate,
        Self::BlockAddress,
        Self::UnblockAddress,
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
            Self::UpdateImage => "update_image",
            Self::BindPort => "bind_port",
            Self::ClosePort => "close_port",
            Self::RestorePrevious => "restore_previous",
            Self::RemovePrevious => "remove_previous",
            Self::RenewCertificate => "renew_certificate",
            Self::BlockAddress => "block_address",
            Self::UnblockAddress => "unblock_address",
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
            | Self::PruneBuildCache
            | Self::UnblockAddress => Risk::Low,
            // Vacuuming removes log lines for good; a reset restarts things that work; limits can starve.
            Self::StopContainer
            | Self::ResetConnections
            | Self::SetLimits
            | Self::PruneStoppedContainers
            | Self::VacuumSystemdJournal
            | Self::RestartUnit
            | Self::RestorePrevious
            | Self::RemovePrevious
            | Self::RenewCertificate => Risk::Medium,
            Self::PruneUnusedImages
            | Self::PruneUnusedVolumes
            | Self::RestartDockerDaemon
            | Self::RunScript
            // A container that is made anew loses what it wrote outside of volumes; a block or a closed port may shut out a friend.
            | Self::UpdateImage
            | Self::BindPort
            | Self::ClosePort
            | Self::BlockAddress => Risk::High,
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
