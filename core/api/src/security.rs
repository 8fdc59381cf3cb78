//! Security: what was found of the security of what is looked after, the score that rests on it, and the way to win it back.
//!
//! What flows through: the results of scans, as plain data. What it never does: hold a secret. Of a secret that was found its place is told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Evidence, IncidentId, ResourceId, TaskId};

/// A part of the security scan; each can be run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ScanPart {
    /// Known vulnerabilities of the packages in images that run.
    Vulnerabilities,
    /// Certificates of files and endpoints.
    Certificates,
    /// Signing in: who tried, and failed.
    Authentication,
    /// What listens, and what containers publish.
    Ports,
    /// How containers are configured, and Steward itself.
    Configuration,
}

impl ScanPart {
    /// Every part, in the order in which they are shown.
    pub const ALL: [Self; 5] = [
        Self::Vulnerabilities,
        Self::Certificates,
        Self::Authentication,
        Self::Ports,
        Self::Configuration,
    ];

    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vulnerabilities => "vulnerabilities",
            Self::Certificates => "certificates",
            Self::Authentication => "authentication",
            Self::Ports => "ports",
            Self::Configuration => "configuration",
        }
    }
}

/// How a part's last run went. A part that could not be read says so and counts as unknown, never as clean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartState {
    /// Which part.
    pub part: ScanPart,
    /// When what is shown of it was read; absent where it never was.
    #[serde(default)]
    pub read_at: Option<Timestamp>,
    /// When it was last tried, whether or not it could be read; absent where it never was.
    #[serde(default)]
    pub tried_at: Option<Timestamp>,
    /// When it is read next by itself; absent where that is not known.
    #[serde(default)]
    pub next_at: Option<Timestamp>,
    /// What could not be read in its last run, each in words with what to do; empty where all was.
    #[serde(default)]
    pub gaps: Vec<String>,
}

// -------------------------------------------------------------------------------------------------------- vulnerabilities

/// How severe a vulnerability is, by the qualitative scale of CVSS v3.1 §5 (4.0–6.9 medium, 7.0–8.9 high, 9.0–10.0 critical).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum VulnerabilitySeverity {
    /// Nobody has said.
    #[default]
    Unknown,
    /// Below 4.0.
    Low,
    /// 4.0–6.9.
    Medium,
    /// 7.0–8.9.
    High,
    /// 9.0 and above.
    Critical,
}

impl VulnerabilitySeverity {
    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A package as an image holds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Package {
    /// The ecosystem as OSV names it, such as `Debian:12`, `Alpine:v3.20`, `npm`, `PyPI`.
    pub ecosystem: String,
    /// The name by which vulnerabilities are recorded: the source package's for a distribution.
    pub name: String,
    /// Its version, in the ecosystem's own notation; the source package's for a distribution.
    pub version: String,
    /// The names of the installed packages where they differ from `name`.
    #[serde(default)]
    pub installed_as: Vec<String>,
    /// The file that says so, within the image.
    pub found_in: String,
}

/// A known vulnerability of a package in an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Vulnerability {
    /// Its id: the CVE where there is one, else the data base's own.
    pub id: String,
    /// Other ids of the same.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// How severe.
    pub severity: VulnerabilitySeverity,
    /// The base score by CVSS, 0.0–10.0.
    #[serde(default)]
    pub cvss: Option<f64>,
    /// It is known to have been used in attacks.
    #[serde(default)]
    pub known_exploited: bool,
    /// Where.
    pub package: Package,
    /// The first version without it, in the ecosystem's notation; absent where none is known.
    #[serde(default)]
    pub fixed_version: Option<String>,
    /// What it is, one line, by whoever recorded it.
    #[serde(default)]
    pub summary: String,
}

/// What was found in one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageScan {
    /// The image as its containers name it, such as `nginx:1.27`.
    pub image: String,
    /// The engine's id of the image, `sha256:…`; an image is read once for each.
    pub image_id: String,
    /// The containers that run it.
    #[serde(default)]
    pub containers: Vec<ResourceId>,
    /// What it is made of, such as `Debian GNU/Linux 12 (bookworm)`.
    #[serde(default)]
    pub distribution: Option<String>,
    /// How many packages were found.
    pub packages: u32,
    /// Who says what is vulnerable, such as `OSV`, `OSV archive`, `Trivy 0.58`.
    pub source: String,
    /// When it was matched.
    pub scanned_at: Timestamp,
    /// What is known, known-exploited first, then by severity.
    pub vulnerabilities: Vec<Vulnerability>,
    /// What could not be read or matched, in words.
    #[serde(default)]
    pub gaps: Vec<String>,
}

// ----------------------------------------------------------------------------------------------------------- certificates

/// What can be wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CertificateFault {
    /// It is over.
    Expired,
    /// It ends soon.
    Expiring,
    /// It has not begun.
    NotYetValid,
    /// It is not for the name by which it is reached.
    WrongName,
    /// It signed itself, and nobody here was told to believe it.
    SelfSigned,
    /// Its chain leads to nobody who is believed here, is broken, or goes round.
    Chain,
    /// Its key or its signature is weak.
    WeakKey,
}

/// A certificate where it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertificateScan {
    /// Where: `host:port`, or the file.
    pub place: String,
    /// Who shows it: the container or service; absent for a file.
    #[serde(default)]
    pub resource: Option<ResourceId>,
    /// Whom it is for. Whoever made it chose that.
    pub subject: String,
    /// The names and addresses it is for.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// From when.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// Its key, such as `RSA 2048 bit`, `ECDSA P-256`.
    pub key: String,
    /// Its SHA-256, hexadecimal.
    pub fingerprint: String,
    /// What is wrong with it, each with a sentence.
    pub faults: Vec<(CertificateFault, String)>,
}

// --------------------------------------------------------------------------------------------------------- authentication

/// What a source of failed attempts looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SignInPattern {
    /// Failures below every threshold.
    Few,
    /// Many failures for few names from one address.
    BruteForce,
    /// Failures for many names from one address, few for each.
    Spraying,
    /// Many failures for one name from many addresses.
    Distributed,
    /// It succeeded after many failures.
    SuccessAfterFailures,
}

impl SignInPattern {
    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Few => "few",
            Self::BruteForce => "brute_force",
            Self::Spraying => "spraying",
            Self::Distributed => "distributed",
            Self::SuccessAfterFailures => "success_after_failures",
        }
    }
}

/// Failed attempts to sign in from one address at one service, within the window that is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignInSource {
    /// The address; absent for a local one, or where the log tells none.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub address: Option<std::net::IpAddr>,
    /// Where: `sshd`, or the container's name.
    pub service: String,
    /// The resource whose log tells it; the host for its own log.
    pub resource: ResourceId,
    /// What it looks like.
    pub pattern: SignInPattern,
    /// Failures within the window.
    pub failures: u64,
    /// Successes within the window.
    pub successes: u64,
    /// The most failures within any sliding window of the configured length.
    pub peak: u64,
    /// How many names were tried.
    pub users: u64,
    /// Some of the names, at most ten.
    pub user_examples: Vec<String>,
    /// The first.
    pub first_at: Timestamp,
    /// The last.
    pub last_at: Timestamp,
    /// Why this address may be the operator's own, in words; absent where nothing says so.
    #[serde(default)]
    pub own: Option<String>,
    /// Lines that show it, shortened and cleared of secrets; at most three.
    pub evidence: Vec<Evidence>,
}

// ------------------------------------------------------------------------------------------------------------------ ports

/// A port that others can reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenPort {
    /// `tcp` or `udp`.
    pub transport: String,
    /// On which address of the host; unspecified (`0.0.0.0`, `::`) means on all.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub address: std::net::IpAddr,
    /// Which.
    pub port: u16,
    /// The program that listens, where it may be known.
    #[serde(default)]
    pub program: Option<String>,
    /// The container that publishes it, with its own port.
    #[serde(default)]
    pub container: Option<(ResourceId, u16)>,
    /// Whether it is reachable from other machines as far as its address tells.
    pub is_exposed: bool,
    /// Whether it is expected, and why: `configured`, `learned on …`, `Steward's own`; absent where it is not expected.
    #[serde(default)]
    pub expected: Option<String>,
    /// When it was first seen.
    #[serde(default)]
    pub first_seen: Option<Timestamp>,
}

// ---------------------------------------------------------------------------------------------------------- configuration

/// What about a container's, or Steward's own, configuration is a risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConfigurationRiskKind {
    /// It may do all that root on the host may.
    Privileged,
    /// The engine's socket is mounted: root on the host for whoever is in it.
    DockerSocket,
    /// It shares the host's network.
    HostNetwork,
    /// It sees and may signal the host's processes.
    HostPid,
    /// It may write to a path of the host that matters to others.
    WritableHostPath,
    /// Capabilities beyond the engine's defaults that amount to root.
    Capabilities,
    /// Its processes run as root.
    RunsAsRoot,
    /// Its image is named by `latest` or no tag: what runs can't be told from its name.
    LatestTag,
    /// An environment variable looks like a secret; whoever may inspect the container reads it.
    SecretInEnvironment,
    /// Steward's own interface is open to others without encryption.
    StewardListens,
    /// One of Steward's own files can be read or written by others.
    StewardFiles,
    /// One of Steward's own tokens is weak, or nobody uses it.
    StewardTokens,
}

/// One risk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigurationRisk {
    /// Of what.
    pub resource: ResourceId,
    /// What kind.
    pub kind: ConfigurationRiskKind,
    /// What was seen, such as `/var/run/docker.sock is mounted writable`.
    pub what: String,
    /// What to do about it.
    pub advice: String,
}

// ------------------------------------------------------------------------------------------------------------------ score

/// What the score stands for: 90 and more, 70, 50, less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SecurityLevel {
    /// 0–49.
    Critical,
    /// 50–69.
    Warning,
    /// 70–89.
    Good,
    /// 90–100.
    Excellent,
}

impl SecurityLevel {
    /// The level of a score of 0–100.
    pub const fn of(score: u8) -> Self {
        match score {
            90.. => Self::Excellent,
            70.. => Self::Good,
            50.. => Self::Warning,
            _ => Self::Critical,
        }
    }

    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Good => "good",
            Self::Excellent => "excellent",
        }
    }
}

/// What takes points off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeductionKind {
    /// A critical vulnerability in a container's image.
    CriticalVulnerability,
    /// A certificate that is over.
    ExpiredCertificate,
    /// A certificate that ends soon.
    ExpiringCertificate,
    /// Failed attempts to sign in beyond the threshold.
    FailedSignIns,
    /// A port that is open and not expected.
    UnexpectedPort,
}

/// Points taken off, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deduction {
    /// For what kind of thing.
    pub kind: DeductionKind,
    /// Points taken off, 0–100, after the cap.
    pub points: u32,
    /// Points that a cap spares, so that one image can't hide all else.
    #[serde(default)]
    pub spared: u32,
    /// Whose it is.
    pub resource: ResourceId,
    /// The image, certificate, service or port itself, which has the incident; absent where it is not known by itself.
    #[serde(default)]
    pub about: Option<ResourceId>,
    /// What is wrong, one sentence.
    pub what: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// How to win the points back, one sentence.
    pub way: String,
    /// The incident that sees to it, where there is one.
    #[serde(default)]
    pub incident: Option<IncidentId>,
    /// The task that would win it back, where there is one.
    #[serde(default)]
    pub task: Option<TaskId>,
}

/// The score: `score = 100 − Σ points of the deductions + beyond_zero`, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecurityScore {
    /// 0–100.
    pub score: u8,
    /// What that stands for.
    pub level: SecurityLevel,
    /// Why, most points first.
    pub deductions: Vec<Deduction>,
    /// Points that would have gone below 0.
    #[serde(default)]
    pub beyond_zero: u32,
}

/// The score at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScorePoint {
    /// When.
    pub at: Timestamp,
    /// 0–100.
    pub score: u8,
}

/// All that the last scans found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecurityReport {
    /// The node.
    pub node: String,
    /// The score and what it rests on; absent while no part was ever read.
    #[serde(default)]
    pub score: Option<SecurityScore>,
    /// How each part's last run went.
    pub parts: Vec<PartState>,
    /// Vulnerabilities by image.
    pub images: Vec<ImageScan>,
    /// Certificates, the first to end first.
    pub certificates: Vec<CertificateScan>,
    /// Failed attempts to sign in, by source.
    pub sign_ins: Vec<SignInSource>,
    /// Ports.
    pub ports: Vec<OpenPort>,
    /// Risks of configuration.
    pub risks: Vec<ConfigurationRisk>,
    /// The score over the last 30 days, oldest first.
    pub trend: Vec<ScorePoint>,
    /// The last daily summary.
    #[serde(default)]
    pub day: Option<SecurityDay>,
}

/// A day's security in short, as it stood at the day's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecurityDay {
    /// The day, in the time zone of the agent's host: `2026-03-01`.
    pub day: String,
    /// What matters, in one line.
    pub title: String,
    /// The numbers, a line each.
    pub lines: Vec<String>,
    /// The numbers themselves.
    pub summary: SecuritySummary,
}

/// Which parts of the security scan are to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScanRequest {
    /// Which; all, where none is named.
    #[serde(default)]
    pub parts: Vec<ScanPart>,
}

/// A port that is to be open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AcceptPortRequest {
    /// The port's resource, such as `atlas/port/8080/tcp`.
    pub port: ResourceId,
}

/// What `/api/security/summary` promises.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecuritySummary {
    /// Vulnerabilities found, each once for each image.
    pub vulnerabilities_found: u64,
    /// Names of the containers with at least one, in order.
    pub vulnerable_containers: Vec<String>,
    /// Certificates that end within the warning time.
    pub certificates_expiring: u64,
    /// Certificates that are over.
    pub certificates_expired: u64,
    /// Failed attempts to sign in within the last day.
    pub failed_logins: u64,
    /// Whether any source of attempts looks like an attack.
    pub suspicious_authentication: bool,
    /// How many sources of attempts look like an attack.
    #[serde(default)]
    pub suspicious_sources: u64,
    /// Ports open to other machines, in order.
    pub open_ports: Vec<u16>,
    /// The score, 0–100; absent while it is not known.
    pub security_score: Option<u8>,
    /// Its level; absent while it is not known.
    pub security_level: Option<SecurityLevel>,
    /// When the oldest part of it was read; absent while a part never was.
    #[serde(default)]
    pub read_at: Option<Timestamp>,
    /// What could not be read, in words.
    #[serde(default)]
    pub gaps: Vec<String>,
}
