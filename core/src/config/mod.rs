//! The configuration: defaults → file → environment; validated before anything runs.
//!
//! What flows through: text and variables in, one immutable [`Config`] out, or an error that names the file, the line and what would be
//! right. What it never does: keep a secret readable (see [`secrecy`]), or let a half-valid configuration take effect.
//! Container labels are not read here: they arrive with each container as [`steward_api::Labels`] and are weighed in `flow::decide`.

mod advisor;
mod check;
mod edit;
mod error;
mod load;
mod matching;
mod place;
mod policy;
mod rules;
mod schema;
mod security;
mod show;
mod span;
mod text;
mod tree;
mod warnings;
mod watch;
mod watcher;
mod words;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use jiff::SignedDuration;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use steward_api::{ActionName, Problem, ResourceId, SettingGroup};

pub use advisor::{Advisor, BUILT_IN_SPECIALISTS, Model, Privacy, Specialist, WhenToDiagnose};
pub use edit::{OnDisk, Revision, WriteError, revise, value_from_text};
pub use error::{ConfigError, Fault};
pub use load::{Checked, Inputs, check, load, variables};
pub use matching::{glob, matches_resource};
pub use policy::*;
pub use security::{
    AddressRange, Authentication, Certificates, ExpectedPort, ScannedPorts, Security,
    SecurityWeights, SignInForm, Vulnerabilities, VulnerabilityScanner,
};
pub use show::{describe, diff, needs_restart};
pub use span::human;
pub use watch::*;
pub use watcher::Watcher;

/// A duration as people write it: `30s`, `2m`, `7d`. In the configuration a day is 24 hours and a week seven of them.
pub type Span = SignedDuration;

/// All that can be configured. Unknown keys are refused.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
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
    /// Servers of the Model Context Protocol to watch.
    pub mcp: Mcp,
    /// Databases to watch, besides those found among the containers.
    pub databases: Databases,
    /// The language models.
    pub advisor: Advisor,
    /// What is scanned for the security of the house. Boxed, since a configuration is handed on by value.
    pub security: Box<Security>,
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
    /// What is allowed but probably not meant, in words for a person. Found while loading; never holds a secret.
    #[serde(skip)]
    pub warnings: Vec<String>,
    /// The settings that can be changed without an editor, with their values and where those come from. Never holds a secret.
    #[serde(skip)]
    pub settings: Arc<[SettingGroup]>,
}

/// Who this node is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Node {
    /// Its name in every identity; the host's name by default. Letters, digits, `-`, `_`, `.`.
    pub name: String,
}

/// The HTTP interface.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// host:port to listen on; port 0 takes a free one and prints it.
    pub listen: String,
    /// Names by which browsers may address Steward, besides any IP address, `localhost` and the host's own name.
    pub allowed_hosts: Vec<String>,
    /// Whether connections are encrypted.
    pub tls: TlsMode,
    /// The certificate in PEM, where it is the user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// Its key in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

/// Whether connections are encrypted, and with whose certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// They are not.
    #[default]
    Off,
    /// With one that Steward makes for itself.
    Generated,
    /// With the user's.
    Files,
}

impl Server {
    /// The host of the address to listen on; that of an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        text::split_host_port(&self.listen).map_or("", |(host, _)| host)
    }

    /// Whether other machines may reach the address to listen on.
    pub fn is_beyond_loopback(&self) -> bool {
        let host = self.host();
        host != "localhost"
            && !host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9470".to_owned(),
            allowed_hosts: Vec::new(),
            tls: TlsMode::Off,
            cert_file: None,
            key_file: None,
        }
    }
}

/// Where the journal is kept.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite:…` or `postgres://…`; by default an SQLite file in the data directory.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "show::optional_secret"
    )]
    pub url: Option<SecretString>,
}

/// How long metric history is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// One-minute points.
    #[serde(with = "span")]
    pub fine: Span,
    /// Ten-minute points.
    #[serde(with = "span")]
    pub medium: Span,
    /// Two-hour points.
    #[serde(with = "span")]
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

/// How Steward says what it does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object on each line.
    Json,
}

impl Config {
    /// The strategy for a problem: the configured one, else the built-in one (see [`default_strategy`]). Certificates are
    /// renewed where a script for that is configured.
    pub fn strategy(&self, problem: Problem) -> Vec<StrategyStep> {
        self.strategies.get(&problem).cloned().unwrap_or_else(|| {
            match (problem, &self.security.certificates.renew) {
                (Problem::CertificateExpired | Problem::CertificateExpiring, Some(_)) => {
                    vec![StrategyStep {
                        action: ActionName::RenewCertificate,
                        script: None,
                        attempts: 1,
                        back_off: Span::from_hours(1),
                    }]
                }
                _ => default_strategy(problem),
            }
        })
    }

    /// The host's own id.
    pub fn host_id(&self) -> ResourceId {
        ResourceId::host(self.node.name.clone())
    }
}
