//! What security scans look at, and from where on something is wrong.
//!
//! Shapes only; what is allowed in a value is in [`super::schema`].

mod authentication;
mod expected;
mod ports;

use serde::{Deserialize, Serialize};

pub use authentication::{Authentication, SignInForm};
pub use expected::{AddressRange, ExpectedPort};
pub use ports::ScannedPorts;

/// Security scans.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// Signing in: who tried, and failed.
    pub authentication: Authentication,
    /// What listens, and what containers publish.
    pub ports: ScannedPorts,
}
