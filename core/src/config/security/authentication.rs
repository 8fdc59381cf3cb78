//! Which logs tell of signing in, and from where on that looks like an attack.
//!
//! Shapes only; what is allowed in a value is in the table of keys.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    super::{Span, span},
    AddressRange,
};

/// Signing in: who tried, and failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Authentication {
    /// So many failures from one address within `window` are brute force. Five within ten minutes are Fail2ban's defaults as well.
    pub threshold: u32,
    /// How long the sliding window is.
    #[serde(with = "span")]
    pub window: Span,
    /// So many names tried from one address, few attempts for each, are spraying.
    pub spraying_users: u32,
    /// So many addresses that tried one name are one distributed attack.
    pub distributed_addresses: u32,
    /// Networks and addresses that are the operator's own: marked, never hidden.
    pub own_networks: Vec<String>,
    /// Whether to read the host's own log: `/var/log/auth.log`, `/var/log/secure`, or the journal.
    pub host: bool,
    /// Whether to read the logs of containers.
    pub containers: bool,
    /// Further log files.
    pub log_files: Vec<PathBuf>,
    /// Patterns besides the built-in ones; they go first.
    pub patterns: Vec<SignInForm>,
}

impl Default for Authentication {
    fn default() -> Self {
        Self {
            threshold: 5,
            window: Span::from_mins(10),
            spraying_users: 10,
            distributed_addresses: 10,
            own_networks: Vec::new(),
            host: true,
            containers: true,
            log_files: Vec::new(),
            patterns: Vec::new(),
        }
    }
}

impl Authentication {
    /// The operator's own networks; what is none was refused when the configuration was loaded.
    pub fn own(&self) -> Vec<AddressRange> {
        self.own_networks
            .iter()
            .filter_map(|text| AddressRange::parse(text))
            .collect()
    }
}

/// How a program writes of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignInForm {
    /// Its name, also the service's.
    pub name: String,
    /// A regular expression with the groups `address` and `user`, at least one of them. It sees the line without its time.
    pub regex: String,
    /// Whether such a line tells of a success.
    #[serde(default)]
    pub success: bool,
}
