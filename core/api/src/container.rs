//! What is read of a container: the engine's words, its policy, its place, its labels.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What was read of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerFacts {
    /// The engine's full id; changes when the container is recreated.
    pub container_id: String,
    /// The image as named when the container was made.
    pub image: String,
    /// The engine's word for its state.
    pub status: ContainerStatus,
    /// The result of its health check.
    pub health: ContainerHealth,
    /// The last output of its health check, shortened and cleared of secrets.
    #[serde(default)]
    pub health_output: Option<String>,
    /// Exit code of its last end, where it has ended.
    #[serde(default)]
    pub exit_code: Option<i64>,
    /// Whether the kernel killed something in it for memory since its last start.
    #[serde(default)]
    pub oom_killed: bool,
    /// The engine's own error for its last start, such as a missing binary.
    #[serde(default)]
    pub error: Option<String>,
    /// How often the engine's restart policy has restarted it.
    #[serde(default)]
    pub restart_count: u64,
    /// The restart policy.
    #[serde(default)]
    pub restart_policy: RestartPolicy,
    /// When it was made.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When it last started.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it last ended.
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// Its place in a Compose project.
    #[serde(default)]
    pub compose: Option<ComposeRef>,
    /// The labels that Steward heeds.
    #[serde(default)]
    pub labels: Labels,
    /// Whether it publishes or exposes a port: a sign of a service, not a job.
    #[serde(default)]
    pub has_ports: bool,
    /// Its ports: published, or exposed by its image.
    #[serde(default)]
    pub ports: Vec<ContainerPort>,
    /// Its addresses on the engine's networks, as seen from the host.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Whether it has a health check.
    #[serde(default)]
    pub has_health_check: bool,
    /// Whether the engine removes it at its end (`--rm`).
    #[serde(default)]
    pub auto_remove: bool,
    /// Memory limit in bytes; absent where there is none.
    #[serde(default)]
    pub memory_limit_bytes: Option<u64>,
    /// CPU limit in cores; absent where there is none.
    #[serde(default)]
    pub cpu_limit_cores: Option<f64>,
}

/// A TCP port of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerPort {
    /// The port inside.
    pub container: u16,
    /// The port of the host by which it is published, where it is.
    #[serde(default)]
    pub published: Option<u16>,
    /// The host's address on which it is published; `0.0.0.0` or `::` for all.
    #[serde(default)]
    pub published_on: Option<String>,
}

/// A container's state as the engine names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the engine's own words")]
pub enum ContainerStatus {
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    Dead,
    #[default]
    Unknown,
}

/// The result of a container's health check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ContainerHealth {
    /// It has no health check.
    #[default]
    None,
    /// The check has not yet passed or failed often enough.
    Starting,
    /// The last check passed.
    Healthy,
    /// The check failed as often as it may.
    Unhealthy,
}

/// A container's restart policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// The engine never restarts it.
    #[default]
    No,
    /// Restarted when it ends with another code than 0.
    OnFailure {
        /// How often at most; 0 means without end.
        max_retries: u32,
    },
    /// Always restarted.
    Always,
    /// Always restarted unless a person stopped it.
    UnlessStopped,
}

impl RestartPolicy {
    /// Whether the engine itself restarts a container that ended with `exit_code` after `restarts` restarts.
    pub fn restarts(self, exit_code: i64, restarts: u64) -> bool {
        match self {
            Self::No => false,
            Self::OnFailure { max_retries } => {
                exit_code != 0 && (max_retries == 0 || restarts < u64::from(max_retries))
            }
            Self::Always | Self::UnlessStopped => true,
        }
    }
}

/// A container's place in a Compose project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ComposeRef {
    /// The project.
    pub project: String,
    /// The service.
    pub service: String,
}

/// The labels that Steward heeds, parsed. A label that could not be understood is listed in `refused` and has no effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Labels {
    /// `steward.critical`: its failure is critical and comes first.
    #[serde(default)]
    pub critical: bool,
    /// `steward.auto_restart` (or `autoheal`): whether it may be restarted without asking. Absent: as the policy says.
    #[serde(default)]
    pub auto_restart: Option<bool>,
    /// `steward.max_restarts_per_hour`.
    #[serde(default)]
    pub max_restarts_per_hour: Option<u32>,
    /// `steward.health_url`. Shown without user, password, query and fragment, which may hold secrets.
    #[serde(default, serialize_with = "without_secrets")]
    pub health_url: Option<String>,
    /// `steward.depends_on`: names of containers, comma-separated.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// `steward.ignore`: it is not looked after at all.
    #[serde(default)]
    pub ignore: bool,
    /// Labels that could not be understood, each with the reason.
    #[serde(default)]
    pub refused: Vec<String>,
}

/// An address without user, password, query and fragment: what may be shown of it.
fn without_secrets<S: serde::Serializer>(
    url: &Option<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let shown = url.as_deref().map(|url| {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest
            .find('/')
            .map_or((rest, ""), |slash| rest.split_at(slash));
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        if scheme.is_empty() {
            format!("{host}{path}")
        } else {
            format!("{scheme}://{host}{path}")
        }
    });
    shown.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        let labels = Labels {
            health_url: Some("http://user:secret@host:8080/health?token=secret#secret".to_owned()),
            ..Labels::default()
        };
        let shown = serde_json::to_value(&labels).unwrap();
        assert_eq!(shown["health_url"], "http://host:8080/health");
        assert_eq!(
            serde_json::to_value(Labels::default()).unwrap()["health_url"],
            serde_json::Value::Null
        );
    }
}
