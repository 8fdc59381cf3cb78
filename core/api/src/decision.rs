//! Decisions: act now, ask, or withhold; always with the reason in words.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How much Steward may do by itself.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Autonomy {
    /// Says only what it would do.
    Observe,
    /// Asks before everything.
    Ask,
    /// Does what is of low risk, asks for the rest.
    #[default]
    Assist,
    /// Does medium risk too, inside the allowed windows. High risk always asks.
    Autopilot,
}

impl Autonomy {
    /// All levels, most careful first.
    pub const ALL: [Self; 4] = [Self::Observe, Self::Ask, Self::Assist, Self::Autopilot];

    /// The word used on the wire and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Ask => "ask",
            Self::Assist => "assist",
            Self::Autopilot => "autopilot",
        }
    }

    /// What it means, in a sentence for a person.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Observe => "Steward only watches and says what it would do.",
            Self::Ask => "Steward asks before everything it does.",
            Self::Assist => "Steward does what is of low risk by itself and asks for the rest.",
            Self::Autopilot => {
                "Steward also does what is of medium risk, inside the allowed windows; high risk always asks."
            }
        }
    }
}

impl fmt::Display for Autonomy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Autonomy {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a level of autonomy: it should be one of observe, ask, assist, autopilot"))
    }
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Do it now.
    ActNow,
    /// Ask a person.
    Ask,
    /// Do nothing, at least for now.
    Withhold,
}

/// A decision on an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Decision {
    /// What.
    pub verdict: Verdict,
    /// Why, in words for a person.
    pub reason: String,
    /// The guard that spoke against acting, where one did: `rate_limit`, `back_off`, `dependency_order`, `blast_radius`, `record`, `window`, `autonomy`, `label` …
    #[serde(default)]
    pub guard: Option<String>,
    /// When to decide again, where time alone can change it.
    #[serde(default)]
    pub retry_at: Option<Timestamp>,
}
