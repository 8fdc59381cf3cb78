//! What Steward may do, when, and how it goes about it: autonomy, windows, guards, strategies, scripts, maintenance.
//!
//! Shapes only. What matches what is in [`super::matching`]; what is allowed in a value is in [`super::schema`].

use std::collections::BTreeMap;

use jiff::civil;
use serde::{Deserialize, Serialize};
use steward_api::{ActionName, Autonomy, Problem, Risk};

use super::{Span, span, watch::ten_seconds};

/// How much Steward may do by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutonomyPolicy {
    /// The level where nothing more particular is said.
    pub level: Autonomy,
    /// Particular levels for actions; the most careful of all that apply counts.
    pub actions: BTreeMap<ActionName, Autonomy>,
    /// Particular levels for resources, by name pattern (`*` stands for any text); the first that matches replaces `level`.
    pub resources: Vec<ResourceAutonomy>,
    /// When `autopilot` may do what is of medium risk; empty means at any time. In the host's time zone.
    pub windows: Vec<Window>,
}

/// A particular level for resources.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceAutonomy {
    /// Which: a full id or a name, with `*` for any text, such as `nginx`, `media-*`, `atlas/container/*`.
    pub matches: String,
    /// The level.
    pub level: Autonomy,
}

/// A window of the week.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// On which days; all where empty.
    #[serde(default)]
    pub days: Vec<Day>,
    /// From this time of day on.
    pub from: civil::Time,
    /// Until this time of day; at or before `from` means on the next day.
    pub to: civil::Time,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the days' own names")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// What holds automatic actions back.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guards {
    /// Restarts of one resource within an hour, at most.
    pub max_restarts_per_hour: u32,
    /// The longest back-off between two tries.
    #[serde(with = "span")]
    pub max_back_off: Span,
    /// So many containers dead within `blast_window` are one event that a person must look at.
    pub blast_radius: u32,
    /// See `blast_radius`.
    #[serde(with = "span")]
    pub blast_window: Span,
    /// A remedy that failed so often in a row on a resource is no longer automatic there.
    pub max_failures_in_a_row: u32,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            max_restarts_per_hour: 3,
            max_back_off: Span::from_mins(10),
            blast_radius: 5,
            blast_window: Span::from_secs(30),
            max_failures_in_a_row: 3,
        }
    }
}

/// How long a person has to answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Approvals {
    /// A question lapses after this time.
    #[serde(with = "span")]
    pub expire_after: Span,
}

impl Default for Approvals {
    fn default() -> Self {
        Self {
            expire_after: Span::from_hours(24),
        }
    }
}

/// One step of a strategy: an action, how often, and how long between tries.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StrategyStep {
    /// What to do.
    pub action: ActionName,
    /// The script's name, for `run_script`; for `renew_certificate` where it is not the one of `security.certificates.renew`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// How often at most within one incident; 1 by default.
    #[serde(default = "one")]
    pub attempts: u32,
    /// Time before a second try; doubles with each further one, up to `guards.max_back_off`.
    #[serde(default = "ten_seconds", with = "span")]
    pub back_off: Span,
}

const fn one() -> u32 {
    1
}

/// A script that may be run as an action. It gets no arguments and no input from outside; its environment is empty but for `PATH`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The program, an absolute path, and its fixed arguments.
    pub command: Vec<String>,
    /// Its risk; high by default.
    #[serde(default = "high")]
    pub risk: Risk,
    /// How long it may run; 60 s by default.
    #[serde(default = "sixty_seconds", with = "span")]
    pub timeout: Span,
}

const fn high() -> Risk {
    Risk::High
}

const fn sixty_seconds() -> Span {
    Span::from_secs(60)
}

/// A time in which nothing about some resources is an incident.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// Which: a full id or a name, with `*` for any text.
    pub matches: String,
    /// When, in the host's time zone.
    #[serde(flatten)]
    pub window: Window,
}

/// What is done about a problem where the configuration says nothing. Empty: nothing automatic can help, a person is told.
pub fn default_strategy(problem: Problem) -> Vec<StrategyStep> {
    let step = |action, attempts, seconds| StrategyStep {
        action,
        script: None,
        attempts,
        back_off: Span::from_secs(seconds),
    };
    match problem {
        Problem::ContainerStopped => vec![step(ActionName::RestartContainer, 3, 10)],
        Problem::ContainerUnhealthy => vec![step(ActionName::RestartContainer, 2, 30)],
        Problem::OomKilled => vec![
            step(ActionName::RestartContainer, 2, 10),
            step(ActionName::SetLimits, 1, 60),
        ],
        Problem::MemoryPressure => vec![step(ActionName::SetLimits, 1, 60)],
        Problem::CpuPressure => vec![step(ActionName::SetLimits, 1, 60)],
        Problem::EndpointFailing => vec![step(ActionName::RestartContainer, 2, 60)],
        Problem::DatabaseConnections => vec![step(ActionName::ResetConnections, 1, 60)],
        Problem::DatabaseUnreachable => vec![step(ActionName::RestartContainer, 2, 30)],
        Problem::DiskFilling => vec![
            step(ActionName::PruneDanglingImages, 1, 10),
            step(ActionName::PruneBuildCache, 1, 10),
            step(ActionName::VacuumSystemdJournal, 1, 10),
            step(ActionName::PruneStoppedContainers, 1, 10),
            step(ActionName::PruneUnusedImages, 1, 10),
        ],
        Problem::UnitFailed => vec![step(ActionName::RestartUnit, 2, 30)],
        Problem::DockerUnreachable => vec![step(ActionName::RestartDockerDaemon, 1, 60)],
        Problem::CriticalVulnerability => vec![step(ActionName::UpdateImage, 1, 60)],
        Problem::SignInAttack | Problem::SignInAfterFailures => {
            vec![step(ActionName::BlockAddress, 1, 60)]
        }
        Problem::UnexpectedPort => vec![step(ActionName::BindPort, 1, 60)],
        // A loop is not helped by one more restart; the rest can only be helped from outside.
        Problem::RestartLoop
        | Problem::EndpointSlow
        | Problem::HostCpu
        | Problem::HostMemory
        | Problem::DnsUnreachable
        | Problem::OutsideUnreachable
        | Problem::McpServerUnreachable
        | Problem::McpToolsFailing
        // Renewing needs a script of the operator's; see `Config::strategy`.
        | Problem::CertificateExpired
        | Problem::CertificateExpiring
        | Problem::CertificateFaulty => Vec::new(),
    }
}
