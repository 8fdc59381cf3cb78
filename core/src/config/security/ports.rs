//! Which open ports are expected.
//!
//! Shapes only; what is allowed in a value is in the table of keys.

use serde::{Deserialize, Serialize};

use super::{
    super::{Span, span},
    ExpectedPort,
};

/// What listens, and what containers publish.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScannedPorts {
    /// Ports that are to be open, such as `tcp/22`, `443`, `tcp/8000-8100`, `udp/51820@192.168.1.2`.
    pub expected: Vec<String>,
    /// What is open within this time after the first look is taken for expected; what opens later is not, until a person says so.
    #[serde(with = "span")]
    pub learn_for: Span,
}

impl Default for ScannedPorts {
    fn default() -> Self {
        Self {
            expected: Vec::new(),
            learn_for: Span::from_hours(24),
        }
    }
}

impl ScannedPorts {
    /// The expectations; what is none was refused when the configuration was loaded.
    pub fn expectations(&self) -> Vec<ExpectedPort> {
        self.expected
            .iter()
            .filter_map(|text| ExpectedPort::parse(text))
            .collect()
    }
}
