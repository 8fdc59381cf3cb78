//! The Advisor: which language models there are, what was asked of them, by whose leave, and what it cost.
//!
//! Money is counted in millionths of a US dollar, so that it sums exactly.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ConversationId, Diagnosis, IncidentId};

/// Where a model runs, which decides what it may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ModelClass {
    /// On this machine or in this house: it is shown what Steward sees, without secrets.
    Local,
    /// At somebody else's: names, addresses and users are replaced by stand-ins, and only allowed kinds of data are shown.
    Cloud,
}

impl ModelClass {
    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Cloud => "cloud",
        }
    }
}

impl fmt::Display for ModelClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a model is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A second opinion about an incident.
    Diagnosis,
    /// An answer to a person.
    Chat,
    /// A specialist's answer to another specialist.
    Consultation,
    /// To see whether it answers, and how.
    Trial,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Diagnosis => "diagnosis",
            Self::Chat => "chat",
            Self::Consultation => "consultation",
            Self::Trial => "trial",
        })
    }
}

/// How a call of a model ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CallResult {
    /// With an answer that was used.
    Answered,
    /// With an answer that was not valid, and was not used.
    Invalid,
    /// The model refused.
    Refused,
    /// The server refused, or could not be reached.
    Failed,
    /// There was no answer in time.
    TimedOut,
    /// It was stopped before it was done.
    Stopped,
}

impl fmt::Display for CallResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Answered => "answered",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Stopped => "stopped",
        })
    }
}

/// One call of a model, as journaled. The texts themselves are kept beside the journal, under their hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelCall {
    /// The model's name in the configuration, or the one that it was found under.
    pub model: String,
    /// Where it runs.
    pub class: ModelClass,
    /// What for.
    pub purpose: Purpose,
    /// For which incident, where it is for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentId>,
    /// In which conversation, where it is part of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// How it ended.
    pub result: CallResult,
    /// Why, where it did not end with an answer that was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Tokens that were sent, as the server counts them; estimated where it does not say.
    pub prompt_tokens: u64,
    /// Tokens that came back, likewise.
    pub completion_tokens: u64,
    /// What it cost, by the configured price, in millionths of a US dollar.
    pub cost_micro_usd: u64,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// SHA-256 of what was sent, in hexadecimal.
    pub sent: String,
    /// SHA-256 of what came back, in hexadecimal; empty where nothing did.
    pub received: String,
}

/// A call with its place in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordedCall {
    /// The number of its entry in the journal; also the call's own number.
    pub id: i64,
    /// On which node.
    pub node: String,
    /// When it ended.
    pub at: Timestamp,
    /// The call.
    pub call: ModelCall,
}

/// A call with its texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CallTexts {
    /// The call.
    pub recorded: RecordedCall,
    /// Exactly what was sent: the body of the request. Absent when it is no longer kept.
    pub sent: Option<String>,
    /// Exactly what came back, up to a limit. Absent when nothing did, or it is no longer kept.
    pub received: Option<String>,
}

/// The query of the list of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CallQuery {
    /// Only for this incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentId>,
    /// Only of this conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// Only numbers below this: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
    /// How many at most; 100 by default, 1,000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
    pub limit: Option<u32>,
}

/// Whether a model answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ModelState {
    /// It was not asked yet.
    Unknown,
    /// It answered last time.
    Up,
    /// It failed last time.
    Failing,
    /// It failed so often that it is left alone for a while.
    Resting,
}

impl fmt::Display for ModelState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "not asked yet",
            Self::Up => "up",
            Self::Failing => "failing",
            Self::Resting => "resting",
        })
    }
}

/// What a model can do; absent where that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Abilities {
    /// It keeps to a JSON schema that comes with the request.
    #[serde(default)]
    pub schema: Option<bool>,
    /// It calls tools.
    #[serde(default)]
    pub tools: Option<bool>,
    /// It sends its answer token by token.
    #[serde(default)]
    pub streaming: Option<bool>,
}

/// One model, and how it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelStatus {
    /// Its name in the configuration, or the one that it was found under.
    pub name: String,
    /// What the server calls it; empty where the server has only one, or the first is taken.
    pub model: String,
    /// Where, without user and password.
    pub url: String,
    /// Where it runs.
    pub class: ModelClass,
    /// Whether it was found rather than configured.
    pub discovered: bool,
    /// How much it can read and write in one go, tokens.
    pub context_tokens: u32,
    /// The price of a million tokens sent, millionths of a US dollar.
    pub input_micro_usd_per_million: u64,
    /// The price of a million tokens that come back, likewise.
    pub output_micro_usd_per_million: u64,
    /// What it can do.
    pub abilities: Abilities,
    /// Whether it answers.
    pub state: ModelState,
    /// Why not, where it does not.
    #[serde(default)]
    pub error: Option<String>,
    /// Until when it is left alone, while it rests.
    #[serde(default)]
    pub resting_until: Option<Timestamp>,
    /// How long its last answer took, milliseconds.
    #[serde(default)]
    pub latency_ms: Option<u64>,
    /// When it last answered.
    #[serde(default)]
    pub answered_at: Option<Timestamp>,
}

/// The Advisor as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AdvisorStatus {
    /// Whether it is switched on.
    pub enabled: bool,
    /// Its models, in the order in which they would be asked for a diagnosis now.
    pub models: Vec<ModelStatus>,
    /// What may be spent in a day, millionths of a US dollar.
    pub daily_budget_micro_usd: u64,
    /// What was spent today, by the host's calendar.
    pub spent_today_micro_usd: u64,
    /// What to do to have a model, where there is none.
    #[serde(default)]
    pub advice: Option<String>,
}

/// Asks for a model's opinion about an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiagnoseRequest {
    /// Which model; by default the one that suits best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// Puts one of an incident's diagnoses in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChooseRequest {
    /// Whose: the `source` of the diagnosis.
    pub source: String,
    /// The cause that was seen, as its `diagnosis` says it; refused where it says something else by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<String>,
}

/// Asks a model for a word, to see whether it answers, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TryModelRequest {
    /// Which, by its name.
    pub model: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TriedModel {
    /// The model as it stands now, with what was found out about its abilities.
    pub status: ModelStatus,
    /// Models that its server offers, as the server calls them; empty where it does not say.
    pub offered: Vec<String>,
    /// What went wrong, where something did.
    #[serde(default)]
    pub error: Option<String>,
}

/// Says how the diagnoses of an incident stand to each other.
pub fn dissents(first: &Diagnosis, second: &Diagnosis) -> bool {
    let says = |diagnosis: &Diagnosis| {
        let withheld = diagnosis.withheld.as_ref().map(|withheld| withheld.action);
        diagnosis.recommended_action.or(withheld)
    };
    says(first) != says(second)
}

/// Whether a diagnosis comes from a model rather than from the catalogue.
pub fn is_of_model(diagnosis: &Diagnosis) -> bool {
    diagnosis.source.starts_with(MODEL_SOURCE)
}

/// How the time line tells that a model was asked and gave no opinion; the reason follows.
pub const NO_SECOND_OPINION: &str = "No second opinion: ";

/// How the source of a model's diagnosis begins; the model's name follows.
pub const MODEL_SOURCE: &str = "model:";
