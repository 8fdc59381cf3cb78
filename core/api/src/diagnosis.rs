//! Diagnoses: why something is wrong, and who says so.

use serde::{Deserialize, Serialize};

use crate::{ActionName, Evidence};

/// How soon something should be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// When there is time.
    Low,
    /// Today.
    Medium,
    /// Within the hour.
    High,
    /// Now.
    Critical,
}

/// What a model recommended, and why that is not taken for a recommendation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Withheld {
    /// What it recommended.
    pub action: ActionName,
    /// Why that is withheld, in words.
    pub reason: String,
}

/// Root cause and recommendation for an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Diagnosis {
    /// The root cause in one sentence.
    pub diagnosis: String,
    /// What to do; absent where no action of Steward's can help, or where what a model recommended is withheld.
    pub recommended_action: Option<ActionName>,
    /// What a model recommended without enough to support it; absent where nothing is withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<Withheld>,
    /// How soon.
    pub urgency: Urgency,
    /// How sure, 0–100.
    pub confidence: u8,
    /// How the evidence leads to the cause.
    pub reasoning: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// Who says so, such as `catalogue:postgres-too-many-clients`.
    pub source: String,
    /// What a person can do where Steward cannot; empty where nothing is needed.
    #[serde(default)]
    pub advice: String,
}
