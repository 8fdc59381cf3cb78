//! Security: what is scanned, and how.

mod vulnerabilities;

use serde::{Deserialize, Serialize};

pub use vulnerabilities::{Vulnerabilities, VulnerabilityScanner};

pub(super) use vulnerabilities::VULNERABILITIES;

/// The security scans.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// Known vulnerabilities of the packages in images.
    pub vulnerabilities: Vulnerabilities,
}
