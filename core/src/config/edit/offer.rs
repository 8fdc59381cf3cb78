//! The settings that are offered to be changed: each with its words for a person. What is not named here can't be changed but by hand.
//!
//! This table is the list of what may be written over HTTP, so it must never hold a key that runs a program (`scripts`), that says where
//! Steward keeps its things, listens or looks (`database`, `server`, `docker.host`, `docker.only_label`, `node`), or that may hold a
//! secret (`services`, `databases.postgres`, `advisor.models`). A test keeps it so. Ranges, words and types are those of the loader's own table.

use steward_api::{ActionName, Problem};

use crate::config::schema::{self, Kind};

/// Settings that belong together.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) help: &'static str,
    pub(super) settings: Vec<Offer>,
}

/// One setting that may be changed.
#[derive(Clone)]
pub(super) struct Offer {
    pub(super) key: String,
    pub(super) title: String,
    pub(super) help: String,
    pub(super) kind: &'static Kind,
}

type Words = (&'static str, &'static str, &'static str);

const AUTONOMY: &[Words] = &[
    (
        "autonomy.level",
        "Level",
        "How much Steward may do by itself. The switch on this page changes it until the next start only; this changes it for good.",
    ),
    (
        "autonomy.resources",
        "Resources with a level of their own",
        "By name or full id, with * for any text. The first that matches replaces the level there.",
    ),
    (
        "autonomy.windows",
        "Windows of autopilot",
        "When autopilot may do what is of medium risk; at any time where there is no window. In the host's time zone.",
    ),
];

const GUARDS: &[Words] = &[
    (
        "guards.max_restarts_per_hour",
        "Restarts an hour",
        "Restarts of one resource within an hour, at most; 0 means never by itself.",
    ),
    (
        "guards.max_back_off",
        "Longest back-off",
        "The wait before another try doubles each time, up to this.",
    ),
    (
        "guards.blast_radius",
        "Blast radius",
        "So many containers dead within the blast window are one event that a person must look at.",
    ),
    (
        "guards.blast_window",
        "Blast window",
        "The time within which deaths are counted for the blast radius.",
    ),
    (
        "guards.max_failures_in_a_row",
        "Failures in a row",
        "A remedy that failed so often in a row on a resource is no longer automatic there.",
    ),
    (
        "approvals.expire_after",
        "Questions lapse after",
        "A question that nobody answers lapses after this time.",
    ),
];

const THRESHOLDS: &[Words] = &[
    (
        "thresholds.container_memory_percent",
        "Container memory",
        "A container's memory, percent of its limit.",
    ),
    (
        "thresholds.container_cpu_percent",
        "Container processor",
        "A container's processor use, percent of its limit.",
    ),
    (
        "thresholds.http_latency_ms",
        "HTTP answer",
        "The time of an HTTP answer.",
    ),
    (
        "thresholds.host_cpu_percent",
        "Host processor",
        "The host's processor use.",
    ),
    (
        "thresholds.host_memory_percent",
        "Host memory",
        "The host's memory use.",
    ),
    ("thresholds.disk_percent", "Disk", "A file system's use."),
    (
        "thresholds.disk_critical_percent",
        "Disk, critical",
        "A file system's use from which on it is critical.",
    ),
    (
        "thresholds.database_connections_percent",
        "Database connections",
        "A database's connections in use, percent of those that it allows.",
    ),
    (
        "thresholds.sustain",
        "Readings beyond",
        "So many of the last readings must be beyond a threshold to count.",
    ),
    (
        "thresholds.of_last",
        "Of the last readings",
        "So many of the last readings are looked at.",
    ),
    (
        "thresholds.hysteresis",
        "Hysteresis",
        "How far below its threshold a value must fall to be well again.",
    ),
    (
        "thresholds.loop_deaths",
        "Ends that are a loop",
        "So many ends of a container within the loop window are a loop.",
    ),
    (
        "thresholds.loop_window",
        "Loop window",
        "The time within which ends are counted for a loop.",
    ),
    (
        "thresholds.restart_policy_grace",
        "Grace for restart policies",
        "How long the engine's own restart policy may try before a stopped container becomes Steward's business.",
    ),
    (
        "thresholds.flap_window",
        "Flapping window",
        "An incident that comes back within this time is the same one.",
    ),
    (
        "thresholds.stale_after",
        "Stale after",
        "A container found ended longer ago than this is left alone: nobody expects it to run.",
    ),
];

const SCHEDULES: &[Words] = &[
    (
        "schedules.container_cycle.enabled",
        "Containers and gauges",
        "Whether the containers' list, state and use and the host's gauges are read.",
    ),
    (
        "schedules.container_cycle.every",
        "Containers and gauges, every",
        "Time between two such readings.",
    ),
    (
        "schedules.health_check.enabled",
        "Health checks",
        "Whether HTTP endpoints, databases, DNS and the outside are checked.",
    ),
    (
        "schedules.health_check.every",
        "Health checks, every",
        "Time between two such checks.",
    ),
    (
        "schedules.full_monitoring.enabled",
        "Full reading",
        "Whether everything is read in full now and then.",
    ),
    (
        "schedules.full_monitoring.every",
        "Full reading, every",
        "Time between two full readings.",
    ),
];

const WATCHED: &[Words] = &[
    (
        "docker.enabled",
        "Container engine",
        "Whether to look for a container engine.",
    ),
    (
        "docker.concurrency",
        "Requests at once",
        "Requests to the engine at the same time, at most.",
    ),
    (
        "docker.grace",
        "Grace of a stop",
        "Time between the stop signal and the kill when Steward stops or restarts a container.",
    ),
    (
        "docker.stabilisation",
        "Well for",
        "A restarted container must be well for so long before that counts as success.",
    ),
    (
        "docker.recovery",
        "Well within",
        "And it must be so within this time, at least as long.",
    ),
    (
        "docker.log_lines",
        "Log lines",
        "Last lines of a log that are looked at when a container fails.",
    ),
    (
        "docker.tmp_untouched",
        "Temporary files",
        "Clearing a container's /tmp removes files that nobody changed for so long.",
    ),
    (
        "docker.prune_after_days",
        "Stopped containers",
        "Pruning stopped containers removes those that ended so many days ago.",
    ),
    (
        "host.enabled",
        "Host",
        "Whether to watch the machine itself.",
    ),
    (
        "host.systemd",
        "systemd units",
        "Whether to look for failed systemd units, where there is systemd.",
    ),
    (
        "host.ignore_disks",
        "Disks to ignore",
        "Mount points not to look at, with * for any text.",
    ),
    (
        "host.journal_keep_mib",
        "systemd journal",
        "Size to which the systemd journal is shrunk.",
    ),
    (
        "databases.discover",
        "Find databases",
        "Whether to look for databases among the containers.",
    ),
    (
        "databases.timeout",
        "Database check",
        "How long one check of a database may take.",
    ),
];

const NETWORK: &[Words] = &[
    (
        "network.enabled",
        "Network",
        "Whether to watch names and the outside.",
    ),
    (
        "network.dns_names",
        "Names to resolve",
        "DNS works while any of these resolves.",
    ),
    (
        "network.outside",
        "Outside",
        "The outside is reachable while any of these host:port takes a connection.",
    ),
    ("network.timeout", "One try", "How long one try may take."),
];

const RETENTION: &[Words] = &[
    (
        "retention.fine",
        "One-minute points",
        "How long points of one minute are kept.",
    ),
    (
        "retention.medium",
        "Ten-minute points",
        "How long points of ten minutes are kept; at least as long as those of one minute.",
    ),
    (
        "retention.coarse",
        "Two-hour points",
        "How long points of two hours are kept; at least as long as those of ten minutes.",
    ),
];

const ADVISOR: &[Words] = &[
    (
        "advisor.enabled",
        "Language models",
        "Whether language models are asked at all. Steward works without any.",
    ),
    (
        "advisor.discover",
        "Find models",
        "Whether to look for an Ollama or a llama.cpp server on this machine, on its usual port.",
    ),
    (
        "advisor.diagnose",
        "Ask by itself",
        "About which incidents a model is asked without being told to: none, those that the catalogue is unsure of, or all. What it says \
         is a second opinion; by itself it can only make Steward ask before it acts.",
    ),
    (
        "advisor.unsure_below",
        "Unsure below",
        "Below this confidence the catalogue counts as unsure, percent.",
    ),
    (
        "advisor.timeout",
        "One answer",
        "How long one answer of a model may take.",
    ),
    (
        "advisor.retries",
        "Tries again",
        "How often a call that failed for a passing reason is tried again.",
    ),
    (
        "advisor.daily_budget_usd",
        "Daily budget",
        "What may be spent in a day, US dollars; 0 lets only models be asked that cost nothing.",
    ),
    (
        "advisor.keep_texts",
        "Texts are kept for",
        "How long what was sent to models and came back can be read. That a call was made, and what it cost, stays in the journal.",
    ),
    (
        "advisor.privacy.logs_to_cloud",
        "Logs to the cloud",
        "Whether a cloud model may see lines of logs, and what health checks print. Secrets are seen by no model.",
    ),
    (
        "advisor.privacy.configuration_to_cloud",
        "Configuration to the cloud",
        "Whether a cloud model may see how things are set up: images, commands, ports, limits, labels, networks. Names and addresses leave \
         as stand-ins.",
    ),
    (
        "advisor.privacy.security_to_cloud",
        "Security to the cloud",
        "Whether a cloud model may see what concerns security.",
    ),
];

/// Where certificates are looked for stands in the file alone.
const SECURITY: &[Words] = &[
    (
        "security.certificates.warn_before",
        "Certificates end soon",
        "So long before its end a certificate counts as ending soon.",
    ),
    (
        "security.certificates.published_ports",
        "Greet published ports",
        "Whether every TCP port that a container publishes gets a greeting of TLS, to find its certificate.",
    ),
];

const MAINTENANCE: &[Words] = &[(
    "maintenance",
    "Maintenance windows",
    "Times in which nothing about a resource is an incident. In the host's time zone.",
)];

/// Everything that is offered.
pub(super) fn groups() -> Vec<Group> {
    let mut autonomy = fixed(AUTONOMY);
    autonomy.extend(ActionName::ALL.iter().filter_map(|action| {
        let title = capital(action.as_str());
        let help = format!("The most that may be done by itself when the action is to {}; the most careful level of all that apply counts.", action.as_str().replace('_', " "));
        offer(&format!("autonomy.actions.{action}"), title, help)
    }));
    let strategies = Problem::ALL.iter().filter_map(|problem| {
        let title = capital(problem.as_str());
        let help = "What is tried, in this order. No step: a person is told and nothing is done.";
        offer(&format!("strategies.{problem}"), title, help.to_owned())
    });
    vec![
        group(
            "autonomy",
            "Autonomy and policy",
            "How much Steward may do by itself, for which action and resource, and when.",
            autonomy,
        ),
        group(
            "guards",
            "Guards",
            "What holds automatic actions back, and how long a question waits.",
            fixed(GUARDS),
        ),
        group(
            "thresholds",
            "Thresholds",
            "From where on something is wrong.",
            fixed(THRESHOLDS),
        ),
        group(
            "schedules",
            "Schedules",
            "What runs besides the events that come at once.",
            fixed(SCHEDULES),
        ),
        group(
            "strategies",
            "Strategies",
            "What to do about each problem.",
            strategies.collect(),
        ),
        group(
            "maintenance",
            "Maintenance",
            "When nothing is an incident.",
            fixed(MAINTENANCE),
        ),
        group(
            "network",
            "Network targets",
            "What tells whether names and the outside can be reached.",
            fixed(NETWORK),
        ),
        group(
            "watched",
            "What is watched",
            "The container engine, the host and databases.",
            fixed(WATCHED),
        ),
        group(
            "advisor",
            "Advisor",
            "When language models are asked, what they may cost, and what may leave the house. The models themselves stand in the file.",
            fixed(ADVISOR),
        ),
        group(
            "security",
            "Security",
            "What `steward scan certs` looks at.",
            fixed(SECURITY),
        ),
        group(
            "retention",
            "History",
            "How long the history of metrics is kept.",
            fixed(RETENTION),
        ),
    ]
}

/// The offered setting of just this key. Nothing else is a key: no quotes, no other case, nothing below or above it.
pub(super) fn find(key: &str) -> Option<Offer> {
    groups()
        .into_iter()
        .flat_map(|group| group.settings)
        .find(|offer| offer.key == key)
}

fn group(
    name: &'static str,
    title: &'static str,
    help: &'static str,
    settings: Vec<Offer>,
) -> Group {
    Group {
        name,
        title,
        help,
        settings,
    }
}

fn fixed(words: &[Words]) -> Vec<Offer> {
    words
        .iter()
        .filter_map(|(key, title, help)| offer(key, (*title).to_owned(), (*help).to_owned()))
        .collect()
}

/// None only for a key that the loader does not know, which a test excludes.
fn offer(key: &str, title: String, help: String) -> Option<Offer> {
    Some(Offer {
        key: key.to_owned(),
        title,
        help,
        kind: schema::kind_of(key)?,
    })
}

/// `restart_container` as `Restart container`.
pub(super) fn capital(word: &str) -> String {
    let spaced = word.replace('_', " ");
    let mut letters = spaced.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// How many settings the fixed tables name; for the test that all of them are known to the loader.
#[cfg(test)]
pub(super) const FIXED: &[&[Words]] = &[
    AUTONOMY,
    GUARDS,
    THRESHOLDS,
    SCHEDULES,
    WATCHED,
    NETWORK,
    RETENTION,
    ADVISOR,
    SECURITY,
    MAINTENANCE,
];
