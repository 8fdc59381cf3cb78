//! Events: what happened, as journaled and as published. The journal holds nothing else, and state is a projection of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ActionName, Autonomy, Channel, Conversation, ErrorCode, Health, Incident, Message, ModelCall,
    Problem, RemedyRecord, ResourceId, Role, ScanPart, SecurityDay, SecuritySummary, SignInBy,
    Task, TaskId, tagged::tagged,
};

/// What changed about an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the words of the flow")]
pub enum IncidentChange {
    Detected,
    Updated,
    Diagnosed,
    Assessed,
    Acted,
    Resolved,
    Learned,
    /// It came back soon after it was over: flapping is one incident.
    Reopened,
    /// A language model has given its opinion, or could not.
    Advised,
    /// A person chose among its diagnoses.
    Chosen,
}

/// What changed about a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the words of the flow")]
pub enum TaskChange {
    Created,
    Approved,
    Rejected,
    Expired,
    Cancelled,
    Waiting,
    Started,
    Progressed,
    Completed,
    Failed,
}

/// How one step of a plan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepResult {
    /// Done, and its effect was observed for its stabilisation time.
    Succeeded,
    /// Done without error, but its effect was not observed.
    NotVerified,
    /// It returned an error.
    Failed,
    /// Not done: its precondition no longer held.
    Skipped,
    /// It may or may not have been done: the agent ended in between. What the world showed afterwards is in the details.
    Interrupted,
    /// The step was taken back.
    Undone,
}

tagged! {
/// Everything that can happen. Each variant carries the whole of what changed, so that a reader needs nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event as "Event" by "type" {
    /// An agent began.
    AgentStarted {
        /// Its version.
        version: String,
        /// Its autonomy.
        autonomy: Autonomy,
    },
    /// An agent ended in good order.
    AgentStopped {
        /// Why.
        reason: String,
    },
    /// A source answers (again).
    SourceUp {
        /// Which.
        source: String,
    },
    /// A source stopped to answer.
    SourceDown {
        /// Which.
        source: String,
        /// Why.
        error: String,
    },
    /// A resource appeared or its health changed.
    ResourceChanged {
        /// Which.
        resource: ResourceId,
        /// How it was; absent when it was not known before.
        from: Option<Health>,
        /// How it is.
        to: Health,
        /// Why, in words.
        reason: String,
    },
    /// A resource is gone.
    ResourceGone {
        /// Which.
        resource: ResourceId,
    },
    /// An incident changed.
    IncidentChanged {
        /// How.
        change: IncidentChange,
        /// The incident after the change.
        incident: Box<Incident>,
    },
    /// A task changed.
    TaskChanged {
        /// How.
        change: TaskChange,
        /// The task after the change.
        task: Box<Task>,
    },
    /// Steward is about to do this. Always written before the deed.
    ActionIntended {
        /// For which task.
        task: TaskId,
        /// Which step of its plan, from 0.
        step: u32,
        /// Whether this takes the step back rather than doing it.
        #[serde(default)]
        undo: bool,
        /// What.
        action: ActionName,
        /// To what.
        resource: ResourceId,
        /// For which problem, where it is for an incident.
        #[serde(default)]
        problem: Option<Problem>,
    },
    /// How that ended. An intent without this is checked against the world at the next start.
    ActionConcluded {
        /// For which task.
        task: TaskId,
        /// Which step of its plan, from 0.
        step: u32,
        /// Whether this took the step back rather than doing it.
        #[serde(default)]
        undo: bool,
        /// What.
        action: ActionName,
        /// To what.
        resource: ResourceId,
        /// For which problem, where it is for an incident.
        #[serde(default)]
        problem: Option<Problem>,
        /// How it ended.
        result: StepResult,
        /// In words for a person.
        details: String,
    },
    /// An outcome went into the record of a remedy.
    RemedyLearned {
        /// For which problem.
        problem: Problem,
        /// By which action.
        action: ActionName,
        /// On which resource.
        resource: ResourceId,
        /// Whether it worked this time.
        success: bool,
        /// The record, this time included.
        record: RemedyRecord,
    },
    /// An answer to a task was refused.
    AnswerRefused {
        /// Which task.
        task: TaskId,
        /// The identity of the token.
        identity: String,
        /// Through which channel.
        channel: Channel,
        /// Why, as a stable code.
        code: ErrorCode,
    },
    /// The autonomy changed.
    AutonomyChanged {
        /// From.
        from: Autonomy,
        /// To.
        to: Autonomy,
        /// The identity of the token, or `configuration`.
        by: String,
    },
    /// The configuration was read anew.
    ConfigReloaded {
        /// Keys that changed; never values.
        changed: Vec<String>,
        /// The identity of the token that wrote them through Steward; empty where the file was changed by other means.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        by: String,
    },
    /// A changed configuration was refused; the one before goes on.
    ConfigRefused {
        /// Where and why.
        error: String,
    },
    /// A token was made.
    TokenMade {
        /// Its name.
        name: String,
        /// What it allows.
        role: Role,
        /// The identity of the token that asked for it.
        by: String,
    },
    /// A token was revoked: it is nobody's any more.
    TokenRevoked {
        /// Its name.
        name: String,
        /// The identity of the token that asked for it.
        by: String,
    },
    /// Somebody signed in from a browser.
    SignedIn {
        /// The identity of the token.
        identity: String,
        /// What it allows.
        role: Role,
        /// By what.
        by: SignInBy,
        /// The address from which they came; empty where it is not known.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        from: String,
    },
    /// A language model was called.
    ModelCalled {
        /// The call.
        call: Box<ModelCall>,
    },
    /// Somebody said something in a conversation.
    MessageSent {
        /// The conversation after it.
        conversation: Box<Conversation>,
        /// The message.
        message: Box<Message>,
    },
    /// A part of the security scan was read, or could not be.
    SecurityScanned {
        /// Which.
        part: ScanPart,
        /// Why nothing of it could be read; absent where it was read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<String>,
        /// Where everything stands after it.
        summary: Box<SecuritySummary>,
    },
    /// A person said that a port is to be open.
    PortAccepted {
        /// Which.
        port: ResourceId,
        /// The identity of the token.
        by: String,
    },
    /// A day's security in short.
    SecurityDay {
        /// The day.
        day: Box<SecurityDay>,
    },
}
}

impl Event {
    /// The tag, as on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AgentStarted { .. } => "agent_started",
            Self::AgentStopped { .. } => "agent_stopped",
            Self::SourceUp { .. } => "source_up",
            Self::SourceDown { .. } => "source_down",
            Self::ResourceChanged { .. } => "resource_changed",
            Self::ResourceGone { .. } => "resource_gone",
            Self::IncidentChanged { .. } => "incident_changed",
            Self::TaskChanged { .. } => "task_changed",
            Self::ActionIntended { .. } => "action_intended",
            Self::ActionConcluded { .. } => "action_concluded",
            Self::RemedyLearned { .. } => "remedy_learned",
            Self::AnswerRefused { .. } => "answer_refused",
            Self::AutonomyChanged { .. } => "autonomy_changed",
            Self::ConfigReloaded { .. } => "config_reloaded",
            Self::ConfigRefused { .. } => "config_refused",
            Self::TokenMade { .. } => "token_made",
            Self::TokenRevoked { .. } => "token_revoked",
            Self::SignedIn { .. } => "signed_in",
            Self::ModelCalled { .. } => "model_called",
            Self::MessageSent { .. } => "message_sent",
            Self::SecurityScanned { .. } => "security_scanned",
            Self::PortAccepted { .. } => "port_accepted",
            Self::SecurityDay { .. } => "security_day",
        }
    }

    /// The resource that it is about, where it is about one.
    pub const fn resource(&self) -> Option<&ResourceId> {
        match self {
            Self::ResourceChanged { resource, .. }
            | Self::ResourceGone { resource }
            | Self::ActionIntended { resource, .. }
            | Self::ActionConcluded { resource, .. }
            | Self::RemedyLearned { resource, .. }
            | Self::PortAccepted { port: resource, .. } => Some(resource),
            Self::IncidentChanged { incident, .. } => Some(&incident.resource),
            Self::TaskChanged { task, .. } => Some(&task.resource),
            _ => None,
        }
    }
}

/// An event with its place in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Envelope {
    /// Its number in the journal: rising by one from 1, over all nodes that share the database.
    pub seq: i64,
    /// The node on which it happened.
    pub node: String,
    /// When it happened.
    pub at: Timestamp,
    /// What.
    pub event: Event,
    /// SHA-256 over this entry and the hash of the one before, in lower-case hexadecimal.
    #[serde(default)]
    pub hash: String,
}
