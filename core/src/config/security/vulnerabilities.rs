//! How images are scanned for known vulnerabilities.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{
    Span,
    schema::{HOUR, Key, Kind, SECOND, key},
    span, text,
};

/// Who knows what is vulnerable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VulnerabilityScanner {
    /// OSV, asked by Steward itself; nothing has to be installed.
    #[default]
    Osv,
    /// An installed Trivy.
    Trivy,
    /// An installed Grype.
    Grype,
}

impl VulnerabilityScanner {
    /// The words of the configuration.
    pub(in crate::config) fn words() -> Vec<&'static str> {
        vec!["osv", "trivy", "grype"]
    }
}

/// How images are scanned for known vulnerabilities.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vulnerabilities {
    /// Who knows what is vulnerable.
    pub scanner: VulnerabilityScanner,
    /// Where OSV's API is.
    pub osv_url: String,
    /// OSV's archive on this machine, with a folder for each ecosystem and `all.zip` in it; with it nothing goes to OSV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline_directory: Option<PathBuf>,
    /// CISA's catalogue of known-exploited vulnerabilities in JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_exploited_file: Option<PathBuf>,
    /// The scanner's program, where it is not on the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<PathBuf>,
    /// How long one image may take.
    #[serde(with = "span")]
    pub timeout: Span,
}

impl Default for Vulnerabilities {
    fn default() -> Self {
        Self {
            scanner: VulnerabilityScanner::Osv,
            osv_url: "https://api.osv.dev".to_owned(),
            offline_directory: None,
            known_exploited_file: None,
            program: None,
            timeout: Span::from_mins(10),
        }
    }
}

/// Its keys.
pub(in crate::config) const VULNERABILITIES: Key = key(
    "vulnerabilities",
    Kind::Table(&[
        key(
            "scanner",
            Kind::Word("a scanner", VulnerabilityScanner::words),
        ),
        key("osv_url", Kind::Text(text::HTTP_URL)),
        key("offline_directory", Kind::Text(text::DIRECTORY)),
        key("known_exploited_file", Kind::Text(text::FILE)),
        key("program", Kind::Text(text::FILE)),
        key("timeout", Kind::Time(SECOND, HOUR)),
    ]),
);
