//! What is scanned for the security of the house, and what each thing that is found weighs.
//!
//! What flows through: the section `[security]` of the file, as typed values. Shapes and the table of their keys stand together here, one
//! file for each part of the scan. What it never does: hold a secret.

mod authentication;
mod certificates;
mod expected;
mod ports;
mod vulnerabilities;

use jiff::civil;
use serde::{Deserialize, Serialize};
use steward_api::ScanPart;

use super::{
    Span,
    schema::{DAY, Key, Kind, MINUTE, access, key},
    span,
};

pub use authentication::{Authentication, SignInForm};
pub use certificates::Certificates;
pub use expected::{AddressRange, ExpectedPort};
pub use ports::ScannedPorts;
pub use vulnerabilities::{Vulnerabilities, VulnerabilityScanner};

use vulnerabilities::VULNERABILITIES;

/// Security.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// What an agent scans by itself; what is not named is scanned only by `steward scan`.
    pub parts: Vec<ScanPart>,
    /// How often.
    #[serde(with = "span")]
    pub scan_every: Span,
    /// When the numbers of the day before are summed up, in the time zone of the agent's host.
    pub daily_summary: civil::Time,
    /// For how long a block of an address is proposed.
    #[serde(with = "span")]
    pub block_for: Span,
    /// Points that are taken off the score.
    pub weights: SecurityWeights,
    /// Certificates of files and endpoints.
    pub certificates: Certificates,
    /// Signing in: who tried, and failed.
    pub authentication: Authentication,
    /// What listens, and what containers publish.
    pub ports: ScannedPorts,
    /// Known vulnerabilities of the packages in images.
    pub vulnerabilities: Vulnerabilities,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            parts: ScanPart::ALL.to_vec(),
            scan_every: Span::from_hours(1),
            daily_summary: civil::time(3, 0, 0, 0),
            block_for: Span::from_hours(24),
            weights: SecurityWeights::default(),
            certificates: Certificates::default(),
            authentication: Authentication::default(),
            ports: ScannedPorts::default(),
            vulnerabilities: Vulnerabilities::default(),
        }
    }
}

/// Points that are taken off the score of 100, each 0–100; see [`crate::security::score`] for what counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecurityWeights {
    /// For each critical vulnerability of an image that runs.
    pub critical_vulnerability: u32,
    /// The most that one image takes off.
    pub image_cap: u32,
    /// For each certificate that is over.
    pub expired_certificate: u32,
    /// For each certificate that ends soon.
    pub expiring_certificate: u32,
    /// For each source of failed attempts to sign in beyond the threshold.
    pub failed_sign_ins: u32,
    /// The most that failed attempts at one service take off.
    pub sign_ins_cap: u32,
    /// For each port that is open to others and not expected.
    pub unexpected_port: u32,
}

impl Default for SecurityWeights {
    fn default() -> Self {
        Self {
            critical_vulnerability: 20,
            image_cap: 40,
            expired_certificate: 10,
            expiring_certificate: 5,
            failed_sign_ins: 15,
            sign_ins_cap: 30,
            unexpected_port: 10,
        }
    }
}

const POINTS: Kind = Kind::Whole("a number of points", 0, 100);
/// A block that lasts longer than this is a rule of the firewall's, which a person writes.
const LONGEST_BLOCK: Span = Span::from_hours(24 * 30);

fn parts() -> Vec<&'static str> {
    ScanPart::ALL.iter().map(|part| part.as_str()).collect()
}

/// The keys of `[security]`, a table for each part of the scan.
pub(super) const KEYS: &[Key] = &[
    key(
        "parts",
        Kind::List(0, &Kind::Word("a part of the scan", parts)),
    ),
    key("scan_every", Kind::Time(MINUTE, DAY)),
    key("daily_summary", Kind::TimeOfDay),
    key("block_for", Kind::Time(MINUTE, LONGEST_BLOCK)),
    key(
        "weights",
        Kind::Table(&[
            key("critical_vulnerability", POINTS),
            key("image_cap", POINTS),
            key("expired_certificate", POINTS),
            key("expiring_certificate", POINTS),
            key("failed_sign_ins", POINTS),
            key("sign_ins_cap", POINTS),
            key("unexpected_port", POINTS),
        ]),
    ),
    key("certificates", Kind::Table(certificates::KEYS)),
    access::AUTHENTICATION,
    access::PORTS,
    VULNERABILITIES,
];
