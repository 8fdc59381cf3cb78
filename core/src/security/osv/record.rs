//! The record's schema, as far as it is used. All but the id may be absent or null, for every data base leaves something out.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// One record.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Record {
    /// Its id in its data base, such as `CVE-2024-1234`, `GHSA-…`, `DEBIAN-CVE-2024-1234`, `DSA-5000-1`.
    pub id: String,
    /// When it was last changed.
    #[serde(default, deserialize_with = "nullable")]
    pub modified: String,
    /// When it was taken back; then it says nothing any more.
    #[serde(default, deserialize_with = "nullable")]
    pub withdrawn: Option<String>,
    /// Ids of the same in other data bases.
    #[serde(default, deserialize_with = "nullable")]
    pub aliases: Vec<String>,
    /// Ids of those from which it was made: for a distribution's advisory the CVEs that it mends.
    #[serde(default, deserialize_with = "nullable")]
    pub upstream: Vec<String>,
    /// One line.
    #[serde(default, deserialize_with = "nullable")]
    pub summary: String,
    /// In full.
    #[serde(default, deserialize_with = "nullable")]
    pub details: String,
    /// How severe.
    #[serde(default, deserialize_with = "nullable")]
    pub severity: Vec<Score>,
    /// What it concerns.
    #[serde(default, deserialize_with = "nullable")]
    pub affected: Vec<Affected>,
    /// What only its data base knows.
    #[serde(default)]
    pub database_specific: Value,
}

/// A score: `CVSS_V2`, `CVSS_V3`, `CVSS_V4` with a vector, or a distribution's own with a word.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Score {
    /// Which kind.
    #[serde(rename = "type", default, deserialize_with = "nullable")]
    pub kind: String,
    /// The vector or the word.
    #[serde(default, deserialize_with = "nullable")]
    pub score: String,
}

/// A package that a record concerns, in some of its versions.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Affected {
    /// Which.
    #[serde(default, deserialize_with = "nullable")]
    pub package: AffectedPackage,
    /// Where it is another than the record's.
    #[serde(default, deserialize_with = "nullable")]
    pub severity: Vec<Score>,
    /// From when to when.
    #[serde(default, deserialize_with = "nullable")]
    pub ranges: Vec<Range>,
    /// Versions by name.
    #[serde(default, deserialize_with = "nullable")]
    pub versions: Vec<String>,
    /// What only the ecosystem knows, such as Debian's urgency.
    #[serde(default)]
    pub ecosystem_specific: Value,
    /// What only the data base knows.
    #[serde(default)]
    pub database_specific: Value,
}

/// The name of a package.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct AffectedPackage {
    /// Its ecosystem.
    #[serde(default, deserialize_with = "nullable")]
    pub ecosystem: String,
    /// Its name there.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
}

/// A line of versions.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Range {
    /// `SEMVER`, `ECOSYSTEM`, or `GIT`, which only speaks of commits.
    #[serde(rename = "type", default, deserialize_with = "nullable")]
    pub kind: String,
    /// What happened on it.
    #[serde(default, deserialize_with = "nullable")]
    pub events: Vec<Event>,
}

/// Something that happened; one of them is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Event {
    /// It came in with this version; `0` is before every version.
    #[serde(default)]
    pub introduced: Option<String>,
    /// It was mended in this version.
    #[serde(default)]
    pub fixed: Option<String>,
    /// This is the last version known to have it.
    #[serde(default)]
    pub last_affected: Option<String>,
    /// Versions from this one on are on another line.
    #[serde(default)]
    pub limit: Option<String>,
}

/// Null as if it were absent.
fn nullable<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
