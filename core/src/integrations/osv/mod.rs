//! OSV, the Open Source Vulnerability data base: asked over its API, or read from its archive on this machine.
//!
//! What flows through: names and versions of packages out, records in. What it never does: tell anything else of this house, believe
//! how long an answer will be, or take a question without an answer for a clean bill.

mod archive;
mod cache;
mod client;
mod exploited;
#[cfg(test)]
mod tests;

pub use archive::OsvArchive;
pub use client::{OsvApi, Pace};
pub use exploited::known_exploited;

use serde::Deserialize;
use serde_json::Value;

/// The largest record that is read, in bytes. The largest known have about 5 MiB.
const LARGEST_RECORD: u64 = 16 * 1024 * 1024;

/// A record, as far as it is looked at before it is passed on.
#[derive(Debug, Deserialize)]
struct Glimpse {
    #[serde(default)]
    id: String,
    #[serde(default)]
    aliases: Option<Vec<String>>,
    #[serde(default)]
    upstream: Option<Vec<String>>,
    #[serde(default)]
    severity: Value,
    #[serde(default)]
    affected: Option<Vec<GlimpseAffected>>,
    #[serde(default)]
    database_specific: Value,
}

#[derive(Debug, Deserialize)]
struct GlimpseAffected {
    #[serde(default)]
    package: Option<GlimpsePackage>,
    #[serde(default)]
    severity: Value,
}

#[derive(Debug, Deserialize)]
struct GlimpsePackage {
    #[serde(default)]
    name: String,
}

impl Glimpse {
    fn of(record: &str) -> Option<Self> {
        serde_json::from_str(record).ok()
    }

    /// Whether it says by itself how severe it is.
    fn has_severity(&self) -> bool {
        let says = |value: &Value| value.as_array().is_some_and(|list| !list.is_empty());
        says(&self.severity)
            || self.database_specific.get("severity").is_some()
            || self
                .affected
                .iter()
                .flatten()
                .any(|one| says(&one.severity))
    }

    /// The CVEs that it stands for.
    fn cves(&self) -> Vec<String> {
        let own = self.id.find("CVE-").map(|at| self.id[at..].to_owned());
        own.into_iter()
            .chain(self.aliases.iter().flatten().cloned())
            .chain(self.upstream.iter().flatten().cloned())
            .filter(|id| id.starts_with("CVE-") && *id != self.id && is_id(id))
            .collect()
    }
}

/// Whether a text can stand in a path as a record's id.
fn is_id(id: &str) -> bool {
    (1..=100).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        && !id.contains("..")
}
