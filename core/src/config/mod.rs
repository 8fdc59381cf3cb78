//! The configuration: defaults → file → environment; validated before anything runs.
//!
//! What flows through: text and variables in, one immutable [`Config`] out, or an error that names the file, the line and what would be
//! right. What it never does: keep a secret readable (see [`secrecy`]), or let a half-valid configuration take effect.
//! Container labels are not read here: they arrive with each container as [`steward_api::Labels`] and are weighed in `flow::decide`.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::{SignedDuration, civil};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use steward_api::{ActionName, Autonomy, Problem, ResourceId, Risk};

/// A duration as people write it: `30s`, `2m`, `7d`.
pub type Span = SignedDuration;

/// All that can be configured. Unknown keys are refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who this node is.
    pub node: Node,
    /// The HTTP interface.
    pub server: Server,
    /// Where the journal is kept.
    pub database: Database,
    /// How much Steward may do by itself.
    pub autonomy: AutonomyPolicy,
    /// What holds automatic actions back.
    pub guards: Guards,
    /// How long a person has to answer.
    pub approvals: Approvals,
    /// The container engine.
    pub docker: Docker,
    /// The host.
    pub host: Host,
    /// DNS and the outside.
    pub network: Network,
    /// HTTP endpoints to watch, besides those that container labels name.
    pub services: Vec<Service>,
    /// Databases to watch, besides those found among the containers.
    pub databases: Databases,
    /// From where on something is wrong.
    pub thresholds: Thresholds,
    /// What to do about each problem.
    pub strategies: BTreeMap<Problem, Vec<StrategyStep>>,
    /// When things run.
    pub schedules: Schedules,
    /// How long history is kept.
    pub retention: Retention,
    /// Scripts that may be run as actions.
    pub scripts: BTreeMap<String, Script>,
    /// Times in which nothing about a resource is an incident.
    pub maintenance: Vec<Maintenance>,
    /// How Steward says what it does.
    pub log: Log,
    /// Where Steward keeps its own files. Set by `STEWARD_DATA_DIR` or by default, never by the file.
    #[serde(skip)]
    pub data_dir: PathBuf,
    /// The file that was read, if any.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// An admin token given by `STEWARD_ADMIN_TOKEN`.
    #[serde(skip)]
    pub admin_token: Option<SecretString>,
}

/// Who this node is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Node {
    /// Its name in every identity; the host's name by default. Letters, digits, `-`, `_`, `.`.
    pub name: String,
}

/// The HTTP interface.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// host:port to listen on; port 0 takes a free one and prints it.
    pub listen: String,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9470".to_owned(),
        }
    }
}

/// Where the journal is kept.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite:…` or `postgres://…`; by default an SQLite file in the data directory.
    pub url: Option<SecretString>,
}

/// How much Steward may do by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceAutonomy {
    /// Which: a full id or a name, with `*` for any text, such as `nginx`, `media-*`, `atlas/container/*`.
    pub matches: String,
    /// The level.
    pub level: Autonomy,
}

/// A window of the week.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guards {
    /// Restarts of one resource within an hour, at most.
    pub max_restarts_per_hour: u32,
    /// The longest back-off between two tries.
    pub max_back_off: Span,
    /// So many containers dead within `blast_window` are one event that a person must look at.
    pub blast_radius: u32,
    /// See `blast_radius`.
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Approvals {
    /// A question lapses after this time.
    pub expire_after: Span,
}

impl Default for Approvals {
    fn default() -> Self {
        Self {
            expire_after: Span::from_hours(24),
        }
    }
}

/// The container engine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Docker {
    /// Whether to look for one.
    pub enabled: bool,
    /// Where; by default Docker's own `DOCKER_HOST`, else its usual socket. `DOCKER_HOST` wins over this.
    pub host: Option<String>,
    /// Requests to it at the same time, at most.
    pub concurrency: usize,
    /// Seconds between the stop signal and the kill when Steward restarts or stops a container.
    pub grace: Span,
    /// How long a restarted container must be well before that counts as success.
    pub stabilisation: Span,
    /// How long to wait at most for a restarted container to become well.
    pub recovery: Span,
    /// Last lines of a log that are looked at when a container fails.
    pub log_lines: u32,
    /// How old a file in a container's `/tmp` must be to be cleared.
    pub tmp_untouched: Span,
    /// How long a container must have been ended to be pruned, days.
    pub prune_after_days: u32,
    /// Look at no container but those with this label (`key=value`), and at those even where they are marked `steward.ignore`, which
    /// then speaks to every other agent. For the demo; never set by the file.
    #[serde(skip)]
    pub only_label: Option<String>,
}

impl Default for Docker {
    fn default() -> Self {
        Self {
            enabled: true,
            host: None,
            concurrency: 8,
            grace: Span::from_secs(10),
            stabilisation: Span::from_secs(10),
            recovery: Span::from_secs(90),
            log_lines: 50,
            tmp_untouched: Span::from_hours(1),
            prune_after_days: 30,
            only_label: None,
        }
    }
}

/// The host.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Whether to watch it.
    pub enabled: bool,
    /// Names to resolve; DNS works while any of them does.
    pub dns_names: Vec<String>,
    /// host:port pairs to connect to; the outside is reachable while any of them is.
    pub outside: Vec<String>,
    /// How long one try may take.
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name among the services.
    pub name: String,
    /// Where.
    pub url: String,
    /// The container that it belongs to, by name.
    #[serde(default)]
    pub container: Option<String>,
    /// Statuses that are well; any from 200 to 399 where empty.
    #[serde(default)]
    pub expect_status: Vec<u16>,
    /// How long one answer may take; 10 s by default.
    #[serde(default = "ten_seconds")]
    pub timeout: Span,
}

const fn ten_seconds() -> Span {
    Span::from_secs(10)
}

/// Databases to watch.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Databases {
    /// Whether to look for databases among the containers.
    pub discover: bool,
    /// PostgreSQL servers by URL.
    pub postgres: Vec<PostgresTarget>,
    /// How long one check may take.
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
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresTarget {
    /// Its name among the databases.
    pub name: String,
    /// How to reach it, with user and password; best from a file that only Steward reads.
    pub url: SecretString,
    /// The container that it runs in, by name.
    #[serde(default)]
    pub container: Option<String>,
}

/// From where on something is wrong. Percentages are 0–100.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// A container's memory, percent of its limit.
    pub container_memory_percent: f64,
    /// A container's processor use, percent of its limit, or of one core where it has none.
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
    pub loop_window: Span,
    /// How long the engine's own restart policy may try before a stopped container becomes Steward's business.
    pub restart_policy_grace: Span,
    /// An incident that comes back within this time is the same one: it flaps.
    pub flap_window: Span,
    /// A container that was found ended, and ended longer ago than this, is left alone: nobody expects it to run.
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
            loop_deaths: 3,
            loop_window: Span::from_mins(5),
            restart_policy_grace: Span::from_secs(15),
            flap_window: Span::from_mins(30),
            stale_after: Span::from_mins(10),
        }
    }
}

/// One step of a strategy: an action, how often, and how long between tries.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrategyStep {
    /// What to do.
    pub action: ActionName,
    /// The script's name, for `run_script`.
    #[serde(default)]
    pub script: Option<String>,
    /// How often at most within one incident; 1 by default.
    #[serde(default = "one")]
    pub attempts: u32,
    /// Time before a second try; doubles with each further one, up to `guards.max_back_off`.
    #[serde(default = "ten_seconds")]
    pub back_off: Span,
}

const fn one() -> u32 {
    1
}

/// When things run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Whether it runs.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Time between runs.
    pub every: Span,
}

const fn yes() -> bool {
    true
}

/// How long metric history is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// One-minute points.
    pub fine: Span,
    /// Ten-minute points.
    pub medium: Span,
    /// Two-hour points.
    pub coarse: Span,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            fine: Span::from_hours(6),
            medium: Span::from_hours(24 * 7),
            coarse: Span::from_hours(24 * 400),
        }
    }
}

/// A script that may be run as an action. It gets no arguments and no input from outside; its environment is empty but for `PATH`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The program, an absolute path, and its fixed arguments.
    pub command: Vec<String>,
    /// Its risk; high by default.
    #[serde(default = "high")]
    pub risk: Risk,
    /// How long it may run; 60 s by default.
    #[serde(default = "sixty_seconds")]
    pub timeout: Span,
}

const fn high() -> Risk {
    Risk::High
}

const fn sixty_seconds() -> Span {
    Span::from_secs(60)
}

/// A time in which nothing about some resources is an incident.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// Which: a full id or a name, with `*` for any text.
    pub matches: String,
    /// When, in the host's time zone.
    #[serde(flatten)]
    pub window: Window,
}

/// How Steward says what it does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`; or a filter as `steward=debug,warn`.
    pub level: String,
    /// For people, or a JSON object on each line.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object on each line.
    Json,
}

impl Config {
    /// The strategy for a problem: the configured one, else the built-in one (see [`default_strategy`]).
    pub fn strategy(&self, problem: Problem) -> Vec<StrategyStep> {
        self.strategies
            .get(&problem)
            .cloned()
            .unwrap_or_else(|| default_strategy(problem))
    }

    /// The host's own id.
    pub fn host_id(&self) -> ResourceId {
        ResourceId::host(self.node.name.clone())
    }
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
        // A loop is not helped by one more restart; the rest can only be helped from outside.
        Problem::RestartLoop
        | Problem::EndpointSlow
        | Problem::HostCpu
        | Problem::HostMemory
        | Problem::DnsUnreachable
        | Problem::OutsideUnreachable => Vec::new(),
    }
}
