//! What is watched, how often, and from where on something is wrong.
//!
//! Shapes only; what is allowed in a value is in [`super::schema`].

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{Span, show, span};

/// The container engine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Docker {
    /// Whether to look for one.
    pub enabled: bool,
    /// Where; by default Docker's own `DOCKER_HOST`, else its usual socket. `DOCKER_HOST` wins over this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Look only at containers with this label, `key` or `key=value`. Pruning is then off, since it would reach beyond them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_label: Option<String>,
    /// Requests to it at the same time, at most.
    pub concurrency: usize,
    /// Seconds between the stop signal and the kill when Steward restarts or stops a container.
    #[serde(with = "span")]
    pub grace: Span,
    /// How long a restarted container must be well before that counts as success.
    #[serde(with = "span")]
    pub stabilisation: Span,
    /// How long to wait at most for a restarted container to become well.
    #[serde(with = "span")]
    pub recovery: Span,
    /// Last lines of a log that are looked at when a container fails.
    pub log_lines: u32,
    /// How old a file in a container's `/tmp` must be to be cleared.
    #[serde(with = "span")]
    pub tmp_untouched: Span,
    /// How long a container must have been ended to be pruned, days.
    pub prune_after_days: u32,
}

impl Default for Docker {
    fn default() -> Self {
        Self {
            enabled: true,
            host: None,
            only_label: None,
            concurrency: 8,
            grace: Span::from_secs(10),
            stabilisation: Span::from_secs(10),
            recovery: Span::from_secs(90),
            log_lines: 50,
            tmp_untouched: Span::from_hours(1),
            prune_after_days: 30,
        }
    }
}

/// The host.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Host {
    /// Whether to watch it.
    pub enabled: bool,
    /// Whether to look for failed systemd units, where there is systemd.
    pub systemd: bool,
    /// Mount points not to look at; `*` stands for any text.
    pub ignore_disks: Vec<String>,
    /// Size to which the systemd journal is shrunk, MiB.
    pub journal_keep_mib: u64,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            enabled: true,
            systemd: true,
            ignore_disks: Vec::new(),
            journal_keep_mib: 500,
        }
    }
}

/// DNS and the outside.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Whether to watch it.
    pub enabled: bool,
    /// Names to resolve; DNS works while any of them does.
    pub dns_names: Vec<String>,
    /// host:port pairs to connect to; the outside is reachable while any of them is.
    pub outside: Vec<String>,
    /// How long one try may take.
    #[serde(with = "span")]
    pub timeout: Span,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            enabled: true,
            dns_names: vec!["cloudflare.com".to_owned(), "debian.org".to_owned()],
            outside: vec![
                "1.1.1.1:443".to_owned(),
                "8.8.8.8:443".to_owned(),
                "9.9.9.9:443".to_owned(),
            ],
            timeout: Span::from_secs(5),
        }
    }
}

/// An HTTP endpoint to watch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name among the services.
    pub name: String,
    /// Where.
    pub url: String,
    /// The container that it belongs to, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Statuses that are well; any from 200 to 399 where empty.
    #[serde(default)]
    pub expect_status: Vec<u16>,
    /// How long one answer may take; 10 s by default.
    #[serde(default = "ten_seconds", with = "span")]
    pub timeout: Span,
}

pub(super) const fn ten_seconds() -> Span {
    Span::from_secs(10)
}

/// Databases to watch.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Databases {
    /// Whether to look for databases among the containers.
    pub discover: bool,
    /// PostgreSQL servers by URL.
    pub postgres: Vec<PostgresTarget>,
    /// How long one check may take.
    #[serde(with = "span")]
    pub timeout: Span,
}

impl Default for Databases {
    fn default() -> Self {
        Self {
            discover: true,
            postgres: Vec::new(),
            timeout: Span::from_secs(5),
        }
    }
}

/// A PostgreSQL server to watch.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresTarget {
    /// Its name among the databases.
    pub name: String,
    /// How to reach it, with user and password; best from a file that only Steward reads.
    #[serde(serialize_with = "show::secret")]
    pub url: SecretString,
    /// The container that it runs in, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// Servers of the Model Context Protocol to watch.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mcp {
    /// The servers.
    pub servers: Vec<McpServer>,
}

/// A server of the Model Context Protocol to watch: either at a URL, or a program that speaks over its standard input and output.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct McpServer {
    /// Its name among them.
    pub name: String,
    /// Where, over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Or the program to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The program's arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Variables for the program, besides the few that every program needs.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        serialize_with = "show::hidden_values"
    )]
    pub env: BTreeMap<String, SecretString>,
    /// Variables of the agent's own that the program gets too, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pass_env: Vec<String>,
    /// The file with the token for the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<String>,
    /// Or the variable of the agent's own that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_env: Option<String>,
    /// The container that it runs in, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// How long connecting and one answer may take together; 10 s by default.
    #[serde(default = "ten_seconds", with = "span")]
    pub timeout: Span,
}

/// Secrets are compared too.
impl PartialEq for McpServer {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            name,
            url,
            command,
            args,
            env,
            pass_env,
            token_file,
            token_env,
            container,
            timeout,
        } = self;
        let same_env = env.len() == other.env.len()
            && env.iter().zip(&other.env).all(|(one, another)| {
                one.0 == another.0 && one.1.expose_secret() == another.1.expose_secret()
            });
        same_env
            && (name, url, command, args) == (&other.name, &other.url, &other.command, &other.args)
            && (pass_env, token_file, token_env)
                == (&other.pass_env, &other.token_file, &other.token_env)
            && (container, timeout) == (&other.container, &other.timeout)
    }
}

/// From where on something is wrong. Percentages are 0–100.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// A container's memory, percent of its limit.
    pub container_memory_percent: f64,
    /// A container's processor use, percent of its limit. One without a limit is the host's matter.
    pub container_cpu_percent: f64,
    /// An HTTP answer's time, milliseconds.
    pub http_latency_ms: f64,
    /// The host's processor use.
    pub host_cpu_percent: f64,
    /// The host's memory use.
    pub host_memory_percent: f64,
    /// A file system's use.
    pub disk_percent: f64,
    /// A file system's use from which on it is critical.
    pub disk_critical_percent: f64,
    /// A database's connections in use, percent of those allowed.
    pub database_connections_percent: f64,
    /// A value must be beyond its threshold in so many …
    pub sustain: u32,
    /// … of the last so many readings to raise a finding, and below the lower one in as many to clear it.
    pub of_last: u32,
    /// How far below its threshold a value must fall to clear a finding: percentage points, or percent of the threshold for times.
    pub hysteresis: f64,
    /// So many ends of a container …
    pub loop_deaths: u32,
    /// … within this time are a loop.
    #[serde(with = "span")]
    pub loop_window: Span,
    /// How long the engine's own restart policy may try before a stopped container becomes Steward's business.
    #[serde(with = "span")]
    pub restart_policy_grace: Span,
    /// An incident that comes back within this time is the same one: it flaps.
    #[serde(with = "span")]
    pub flap_window: Span,
    /// A container that was found ended, and ended longer ago than this, is left alone: nobody expects it to run.
    #[serde(with = "span")]
    pub stale_after: Span,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            container_memory_percent: 90.0,
            container_cpu_percent: 90.0,
            http_latency_ms: 2000.0,
            host_cpu_percent: 90.0,
            host_memory_percent: 90.0,
            disk_percent: 85.0,
            disk_critical_percent: 95.0,
            database_connections_percent: 85.0,
            sustain: 3,
            of_last: 4,
            hysteresis: 5.0,
            loop_deaths: 4,
            loop_window: Span::from_mins(5),
            restart_policy_grace: Span::from_secs(15),
            flap_window: Span::from_mins(30),
            stale_after: Span::from_mins(10),
        }
    }
}

/// When things run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedules {
    /// List, inspect and stats of containers, and the host's gauges.
    pub container_cycle: Schedule,
    /// HTTP endpoints, databases, DNS and the outside.
    pub health_check: Schedule,
    /// A full reading of everything.
    pub full_monitoring: Schedule,
}

impl Default for Schedules {
    fn default() -> Self {
        Self {
            container_cycle: Schedule {
                enabled: true,
                every: Span::from_secs(30),
            },
            health_check: Schedule {
                enabled: true,
                every: Span::from_mins(2),
            },
            full_monitoring: Schedule {
                enabled: true,
                every: Span::from_mins(5),
            },
        }
    }
}

/// One schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Whether it runs.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Time between runs.
    #[serde(with = "span")]
    pub every: Span,
}

const fn yes() -> bool {
    true
}
