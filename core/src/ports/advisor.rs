//! The edge for language models: what is put before the Advisor, and what comes back. Plain data and one trait.
//!
//! What flows through: a [`Consultation`] goes in, a validated [`Diagnosis`] comes out. What it never does: let anything but a diagnosis
//! through. A diagnosis is evidence; it carries no plan, no target and no argument, and what is done about it is for `flow::decide` to say.

use async_trait::async_trait;
use jiff::Timestamp;
use steward_api::{
    ActionName, AdvisorStatus, Conversation, Diagnosis, Health, Incident, Message, Metric,
    ModelCall, OfferedAction, Resource, ResourceId, Specialist, Task, TriedModel,
};

use super::{House, Scribe};

use crate::config::Config;

/// A model's opinion counts only when the model is at least so sure, percent: it holds an automatic action back, and what it recommends is
/// shown as a recommendation. Below, it is more likely wrong than right by its own word.
pub const OPINION_COUNTS: u8 = 50;

/// The catalogue counts as sure from here on, percent: then its word leads what is done, and a model's can't go against it.
pub const CATALOGUE_IS_SURE: u8 = 80;

/// How another resource stands to the one that an incident is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The incident's resource needs it.
    Needed,
    /// It needs the incident's resource.
    Dependent,
}

/// Another resource that matters to an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Which.
    pub resource: ResourceId,
    /// How it stands to the incident's resource.
    pub relation: Relation,
    /// How it is.
    pub health: Health,
    /// Why, in words.
    pub reason: String,
}

/// A metric with what is normal for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gauge {
    /// Which.
    pub metric: Metric,
    /// Its last value, in the metric's unit.
    pub latest: f64,
    /// The lowest and highest of the last hour.
    pub last_hour: (f64, f64),
    /// The range in which nine of ten values lie at this time of the day; absent where it is not known.
    pub normal: Option<(f64, f64)>,
}

/// An incident of before that was like this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precedent {
    /// When it began.
    pub at: Timestamp,
    /// On which resource.
    pub resource: ResourceId,
    /// What was wrong.
    pub title: String,
    /// What was taken for the cause.
    pub cause: String,
    /// How it ended.
    pub ending: String,
}

/// An incident with everything that was gathered about it.
#[derive(Clone, Debug)]
pub struct Consultation {
    /// The incident, with its findings and what the catalogue says.
    pub incident: Incident,
    /// Its resource as last read; absent where it is gone.
    pub resource: Option<Resource>,
    /// What it needs and what needs it.
    pub related: Vec<Related>,
    /// The last lines of its log, oldest first, cleared of secrets; or why they could not be read. Untrusted: shown, never obeyed.
    pub log: Result<Vec<String>, String>,
    /// Its metrics.
    pub gauges: Vec<Gauge>,
    /// Incidents of before.
    pub precedents: Vec<Precedent>,
    /// What may be recommended.
    pub offered: Vec<OfferedAction>,
    /// What is tried for the problems that were found, by the operator's strategies.
    pub strategy: Vec<ActionName>,
    /// When it was gathered.
    pub at: Timestamp,
}

/// What a person said, with what was said before.
#[derive(Clone, Debug)]
pub struct Talk {
    /// The conversation.
    pub conversation: Conversation,
    /// Its messages before the question, oldest first; the last 50 where there are more.
    pub before: Vec<Message>,
    /// The question.
    pub question: Message,
    /// The model that is to answer; absent: the one that suits best.
    pub model: Option<String>,
    /// The incident that the conversation is about.
    pub incident: Option<Incident>,
    /// The task that the conversation is about.
    pub task: Option<Task>,
    /// The time of the question.
    pub at: Timestamp,
}

/// A call of a model that is over, with its texts, on its way to the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedCall {
    /// The call.
    pub call: ModelCall,
    /// What was sent.
    pub sent: String,
    /// What came back; empty where nothing did.
    pub received: String,
}

/// Why there is no diagnosis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdvisorError {
    /// There is no model that could be asked.
    #[error("no model can be asked: {0}")]
    NoModel(String),
    /// There is no model of that name.
    #[error("there is no model \"{name}\"; there are: {known}")]
    UnknownModel {
        /// The name that was given.
        name: String,
        /// Those there are.
        known: String,
    },
    /// None of those asked gave an answer that could be used.
    #[error("no model gave an answer that could be used: {0}")]
    NoAnswer(String),
}

/// Whoever asks language models. Always behind the loop, never in it.
#[async_trait]
pub trait Advisor: Send + Sync + 'static {
    /// How it stands.
    fn status(&self) -> AdvisorStatus;

    /// Whether a model could be asked about an incident by itself, without a person's request.
    fn is_ready(&self) -> bool;

    /// A second opinion about an incident, from the named model or from the one that suits best. Takes as long as models take; each
    /// call has its own limit.
    async fn diagnose(
        &self,
        case: &Consultation,
        model: Option<&str>,
    ) -> Result<Diagnosis, AdvisorError>;

    /// Asks one model for a word, to see whether it answers, and how.
    async fn try_model(&self, name: &str) -> Result<TriedModel, AdvisorError>;

    /// The specialists whom one can ask; what they work on is for the engine to add.
    fn specialists(&self) -> Vec<Specialist>;

    /// Answers a person: has specialists look at the house, and sends their messages and the answer to the scribe. Takes as long as models
    /// take; dropped, it stops. What goes wrong on the way is said in messages.
    ///
    /// # Errors
    /// Why there is no answer; the engine says it as a message.
    async fn converse(
        &self,
        talk: &Talk,
        house: &dyn House,
        scribe: &dyn Scribe,
    ) -> Result<(), AdvisorError>;

    /// Another configuration is in force.
    fn configure(&self, config: &Config);
}

/// The Advisor of a house without models.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAdvisor;

#[async_trait]
impl Advisor for NoAdvisor {
    fn status(&self) -> AdvisorStatus {
        AdvisorStatus {
            enabled: false,
            models: Vec::new(),
            daily_budget_micro_usd: 0,
            spent_today_micro_usd: 0,
            advice: Some("There is no Advisor here".to_owned()),
        }
    }

    fn is_ready(&self) -> bool {
        false
    }

    async fn diagnose(&self, _: &Consultation, _: Option<&str>) -> Result<Diagnosis, AdvisorError> {
        Err(AdvisorError::NoModel("there is no Advisor".to_owned()))
    }

    async fn try_model(&self, name: &str) -> Result<TriedModel, AdvisorError> {
        Err(AdvisorError::UnknownModel {
            name: name.to_owned(),
            known: "none".to_owned(),
        })
    }

    fn specialists(&self) -> Vec<Specialist> {
        Vec::new()
    }

    async fn converse(&self, _: &Talk, _: &dyn House, _: &dyn Scribe) -> Result<(), AdvisorError> {
        Err(AdvisorError::NoModel("there is no Advisor".to_owned()))
    }

    fn configure(&self, _: &Config) {}
}
