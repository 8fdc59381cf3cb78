//! What is scanned for the security of the house, and what each thing that is found weighs.
//!
//! What flows through: the section `[security]` of the file, as typed values. Shapes and the table of their keys stand together here, one
//! file for each part of the scan. What it never does: hold a secret.

mod authentication;
mod certificates;
mod expected;
mod ports;
mod vulnerabilities;

use serde::{Deserialize, Serialize};

use super::schema::{Key, Kind, access, key};

pub use authentication::{Authentication, SignInForm};
pub use certificates::Certificates;
pub use expected::{AddressRange, ExpectedPort};
pub use ports::ScannedPorts;
pub use vulnerabilities::{Vulnerabilities, VulnerabilityScanner};

use vulnerabilities::VULNERABILITIES;

/// Security.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// Certificates of files and endpoints.
    pub certificates: Certificates,
    /// Signing in: who tried, and failed.
    pub authentication: Authentication,
    /// What listens, and what containers publish.
    pub ports: ScannedPorts,
    /// Known vulnerabilities of the packages in images.
    pub vulnerabilities: Vulnerabilities,
}

/// Points that are taken off the score of 100, each 0–100; see [`crate::security::score`] for what counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// The keys of `[security]`, a table for each part of the scan.
pub(super) const KEYS: &[Key] = &[
    key("certificates", Kind::Table(certificates::KEYS)),
    access::AUTHENTICATION,
    access::PORTS,
    VULNERABILITIES,
];
