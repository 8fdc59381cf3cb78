//! Which certificates are looked at, and from when on one that ends is worth a warning.
//!
//! Shapes and their keys. What it never does: name a private key; files are searched for certificates alone.

use serde::{Deserialize, Serialize};

use crate::config::{
    Span,
    schema::{HOUR, Key, Kind, NAME, YEAR, key},
    span, text,
};

/// Certificates of files and endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Certificates {
    /// So long before its end a certificate counts as ending soon.
    #[serde(with = "span")]
    pub warn_before: Span,
    /// Files in PEM or DER, and directories of such; `*` stands for any text within one part of a path.
    pub files: Vec<String>,
    /// Where TLS is spoken, as `host:port`. The host is what the certificate has to be for.
    pub endpoints: Vec<String>,
    /// Whether every TCP port that a container publishes gets a greeting of TLS.
    pub published_ports: bool,
    /// The script, by its name under `[scripts]`, that renews certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew: Option<String>,
}

impl Default for Certificates {
    fn default() -> Self {
        Self {
            warn_before: Span::from_hours(24 * 30),
            files: Vec::new(),
            endpoints: Vec::new(),
            published_ports: true,
            renew: None,
        }
    }
}

/// The keys of `[security.certificates]`.
pub(super) const KEYS: &[Key] = &[
    key("warn_before", Kind::Time(HOUR, YEAR)),
    key("files", Kind::List(0, &Kind::Text(text::CERTIFICATE_FILES))),
    key("endpoints", Kind::List(0, &Kind::Text(text::HOST_PORT))),
    key("published_ports", Kind::Flag),
    key("renew", NAME),
];
