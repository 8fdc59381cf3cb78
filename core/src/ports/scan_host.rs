//! The edge for security scans: how containers are configured, and logs that tell of signing in. Plain data and a trait for each.
//!
//! What flows through: what is to be read goes in, what was found comes out, line by line where it is a log. Each only reads. What it never
//! does: hand on the value of an environment variable; whether it looks like a secret is judged where it is read, and its name is kept.

use core::net::IpAddr;
use std::{collections::BTreeMap, path::PathBuf};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use steward_api::ResourceId;

use super::Transport;

/// A port that a container publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    /// The container.
    pub container: ResourceId,
    /// What carries it.
    pub transport: Transport,
    /// On which address of the host; unspecified means on all.
    pub address: IpAddr,
    /// On which port of the host.
    pub port: u16,
    /// The port inside.
    pub inside: u16,
}

/// A path of the host, or a volume, in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountedPath {
    /// On the host.
    pub source: String,
    /// In the container.
    pub destination: String,
    /// Whether the container may write there.
    pub writable: bool,
    /// Whether it is a path that the operator chose, not a volume that the engine keeps.
    pub is_bind: bool,
}

/// How a container is configured, as far as that bears on security.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerConfiguration {
    /// The container.
    pub container: ResourceId,
    /// The image as it was named when the container was made.
    pub image: String,
    /// Whether it runs now.
    pub running: bool,
    /// Whether it may do all that root on the host may.
    pub privileged: bool,
    /// Whether it shares the host's network.
    pub host_network: bool,
    /// Whether it sees the host's processes.
    pub host_pid: bool,
    /// As whom its processes run; empty means root.
    pub user: String,
    /// Capabilities added, in capitals and without `CAP_`.
    pub added_capabilities: Vec<String>,
    /// What is mounted.
    pub mounts: Vec<MountedPath>,
    /// Names of environment variables whose values look like secrets.
    pub secret_variables: Vec<String>,
    /// What it publishes while it runs.
    pub published: Vec<PublishedPort>,
}

/// All containers of an engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerConfigurations {
    /// Each container that could be read.
    pub containers: Vec<ContainerConfiguration>,
    /// Whether root in a container is nobody on the host: rootless, or with user namespaces.
    pub root_is_remapped: bool,
    /// What could not be read, in words.
    pub gaps: Vec<String>,
}

/// Inspects containers, on demand; keeps nothing.
#[async_trait]
pub trait ConfigurationProbe: Send + Sync {
    /// How every container that is looked after is configured.
    ///
    /// # Errors
    /// Why they can't be read, in words with what to do.
    async fn configurations(&self) -> Result<ContainerConfigurations, String>;
}

/// Takes a line with the time at which it was written, where what carries it tells one.
pub type TakeLine<'t> = &'t mut (dyn FnMut(Option<Timestamp>, &str) + Send);

/// How the reading of a container's log came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerLogRead {
    /// Lines handed over.
    pub lines: u64,
    /// Whether the log went on, beyond what is read at once.
    pub is_cut: bool,
}

/// A container with a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedContainer {
    /// The container.
    pub container: ResourceId,
    /// The engine's id.
    pub container_id: String,
    /// The image as it was named.
    pub image: String,
}

/// Reads the logs of containers.
#[async_trait]
pub trait ContainerLogs: Send + Sync {
    /// The containers whose logs can be read.
    ///
    /// # Errors
    /// Why they can't be listed, in words with what to do.
    async fn logged(&self) -> Result<Vec<LoggedContainer>, String>;

    /// Hands over a container's lines since then, as they come and within bounds; holds none.
    ///
    /// # Errors
    /// Why it can't be read, in words.
    async fn log_since(
        &self,
        container: &LoggedContainer,
        since: Timestamp,
        take: TakeLine<'_>,
    ) -> Result<ContainerLogRead, String>;
}

/// How far the host's logs have been read, so that no line is read twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogPositions {
    /// Files, by path.
    pub files: BTreeMap<PathBuf, FilePosition>,
    /// The journal's own mark of its last entry that was read.
    pub journal: Option<String>,
}

/// How far a file has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePosition {
    /// The file's number: another one means that the log was rotated.
    pub inode: u64,
    /// Bytes read of it, up to the end of a line.
    pub offset: u64,
}

/// Which of the host's logs are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostLogPlan {
    /// Its own: `/var/log/auth.log`, `/var/log/secure`, or the journal.
    pub own: bool,
    /// Further files.
    pub files: Vec<PathBuf>,
}

/// How the reading of the host's logs came to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostLogsRead {
    /// Where it begins the next time.
    pub positions: LogPositions,
    /// Which places were read, such as `/var/log/auth.log`, `the journal`.
    pub places: Vec<String>,
    /// What could not be read, each in words with what to do.
    pub gaps: Vec<String>,
}

/// Reads the host's logs.
#[async_trait]
pub trait HostLogs: Send + Sync {
    /// Hands over the lines that came since the last reading; where there was none, those since `since` as far as that can be told before
    /// they are read: a file is then read whole.
    async fn read(
        &self,
        plan: &HostLogPlan,
        positions: &LogPositions,
        since: Timestamp,
        take: TakeLine<'_>,
    ) -> HostLogsRead;
}

/// Words in the name of a variable that holds a secret.
const SECRET_WORDS: [&str; 16] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "CREDENTIAL",
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "ENCRYPTION_KEY",
    "AUTH_KEY",
    "AUTHKEY",
    "MASTER_KEY",
    "SIGNING_KEY",
    "APP_KEY",
];
/// Ends of a name that does not hold the secret itself: the file that does (docs.docker.com, Compose secrets), or something about it.
const HARMLESS_ENDS: [&str; 20] = [
    "_FILE",
    "_PATH",
    "_DIR",
    "_URL",
    "_URI",
    "_HOST",
    "_ENDPOINT",
    "_HEADER",
    "_NAME",
    "_ID",
    "_TYPE",
    "_LENGTH",
    "_EXPIRY",
    "_EXPIRATION",
    "_TTL",
    "_LIFETIME",
    "_TIMEOUT",
    "_POLICY",
    "_ENABLED",
    "_ALGORITHM",
];

/// Whether an environment variable looks like a secret: by its name, where its value could be one, or by a value with a password in a URL.
/// The value is judged here and nowhere kept.
pub fn looks_like_secret(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let value = value.trim();
    if HARMLESS_ENDS.iter().any(|end| name.ends_with(end)) && !has_password(value) {
        return false;
    }
    let is_named_so = SECRET_WORDS.iter().any(|word| name.contains(word))
        || name.ends_with("_PASS")
        || name.ends_with("_PWD")
        || name == "PASS";
    let says_nothing = matches!(
        value.to_ascii_lowercase().as_str(),
        "" | "true" | "false" | "yes" | "no" | "on" | "off" | "none" | "null" | "0" | "1"
    );
    // A path leads to it, as a Docker secret's does.
    let is_path =
        value.starts_with("/run/") || value.starts_with("/etc/") || value.starts_with("file:");
    (is_named_so && !says_nothing && !is_path) || has_password(value)
}

/// `scheme://user:password@host`.
fn has_password(value: &str) -> bool {
    value.split_once("://").is_some_and(|(scheme, rest)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
            && authority
                .rsplit_once('@')
                .and_then(|(user, _)| user.split_once(':'))
                .is_some_and(|(_, password)| !password.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_name_or_by_shape() {
        for (name, value) in [
            ("POSTGRES_PASSWORD", "x7"),
            ("mysql_root_password", "hunter2"),
            ("GITEA__security__SECRET_KEY", "abc"),
            ("API_TOKEN", "abc"),
            ("SMTP_PASS", "abc"),
            ("DATABASE_URL", "postgres://app:hunter2@db/app"),
            ("AWS_SECRET_ACCESS_KEY", "abc"),
        ] {
            assert!(looks_like_secret(name, value), "{name}");
        }
        for (name, value) in [
            ("POSTGRES_PASSWORD_FILE", "/run/secrets/db"),
            ("DB_PASSWORD", "/run/secrets/db"),
            ("ALLOW_EMPTY_PASSWORD", "yes"),
            ("PASSWORD", ""),
            ("GPG_KEY", "A035C8C19219BA821ECEA86B64E628F8D684696D"),
            ("PATH", "/usr/bin"),
            ("DATABASE_URL", "postgres://db/app"),
            ("TOKEN_TTL", "3600"),
            ("OAUTH_TOKEN_URL", "https://id.example.org/token"),
            ("MASTODON_URL", "https://example.org/@alice"),
        ] {
            assert!(!looks_like_secret(name, value), "{name}");
        }
    }
}
