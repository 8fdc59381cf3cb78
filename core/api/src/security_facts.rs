//! What security scans read of a resource of their own kinds, in short; the whole is in the [`SecurityReport`](crate::SecurityReport).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{CertificateFault, ResourceId, SignInSource, VulnerabilitySeverity};

/// A vulnerability in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VulnerabilityBrief {
    /// Its id: the CVE where there is one.
    pub id: String,
    /// How severe.
    pub severity: VulnerabilitySeverity,
    /// It is known to have been used in attacks.
    #[serde(default)]
    pub known_exploited: bool,
    /// The package with its version.
    pub package: String,
    /// The first version without it; absent where none is known.
    #[serde(default)]
    pub fixed_version: Option<String>,
}

/// What is known of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageFacts {
    /// As its containers name it.
    pub image: String,
    /// The engine's id, `sha256:…`.
    pub image_id: String,
    /// The containers that run it.
    pub containers: Vec<ResourceId>,
    /// How many packages were found in it.
    pub packages: u32,
    /// Vulnerabilities by severity; one that is in several packages counts once.
    pub critical: u32,
    /// High ones.
    pub high: u32,
    /// Medium ones.
    pub medium: u32,
    /// Low ones.
    pub low: u32,
    /// Those of which nobody has said how severe they are.
    pub unknown: u32,
    /// How many of all are known to have been used in attacks.
    pub known_exploited: u32,
    /// The worst, at most ten.
    pub worst: Vec<VulnerabilityBrief>,
    /// When it was last matched; absent where that failed.
    #[serde(default)]
    pub scanned_at: Option<Timestamp>,
    /// What could not be read or matched, in words.
    #[serde(default)]
    pub gaps: Vec<String>,
}

/// What is known of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertificateFacts {
    /// Where: `host:port`, or the file.
    pub place: String,
    /// Where else the same one was found, at most ten.
    #[serde(default)]
    pub also_at: Vec<String>,
    /// Who shows it: the container or service; absent for a file.
    #[serde(default)]
    pub shown_by: Option<ResourceId>,
    /// Whom it is for. Whoever made it chose that.
    pub subject: String,
    /// The names and addresses it is for, at most ten.
    pub names: Vec<String>,
    /// Until when.
    pub not_after: Timestamp,
    /// Its SHA-256, hexadecimal.
    pub fingerprint: String,
    /// What is wrong with it, each with a sentence.
    pub faults: Vec<(CertificateFault, String)>,
}

/// What is known of signing in at a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignInFacts {
    /// Whose log tells it: the container, or the host.
    pub logged_by: ResourceId,
    /// Failures within the last day.
    pub failures: u64,
    /// Sources with failures.
    pub sources: u64,
    /// Sources that look like an attack and tried since the scan before this one.
    pub attacking: u64,
    /// The worst of them, at most ten.
    pub worst: Vec<SignInSource>,
}

/// What is known of a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PortFacts {
    /// `tcp` or `udp`.
    pub transport: String,
    /// Which.
    pub port: u16,
    /// The addresses of the host on which it is open.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub addresses: Vec<std::net::IpAddr>,
    /// The program that listens, where it may be known.
    #[serde(default)]
    pub program: Option<String>,
    /// The container that publishes it, with its own port.
    #[serde(default)]
    pub container: Option<(ResourceId, u16)>,
    /// Whether it is expected, and why; absent where it is not expected.
    #[serde(default)]
    pub expected: Option<String>,
    /// When it was first seen.
    #[serde(default)]
    pub first_seen: Option<Timestamp>,
}
