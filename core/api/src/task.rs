//! Tasks: the unit of work that carries a plan, its approval and its execution log.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ConversationId, IncidentId, Plan, PlanHash, ResourceId, Risk, TaskType, tagged::tagged,
};

/// The number of a task, unique in its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct TaskId(pub i64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a task stands. pending → (waiting) → in_progress → completed / failed; also rejected, expired, cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Made; a person's answer is awaited where one is required.
    Pending,
    /// Allowed to run, but held: another task works on the same resource, or a back-off runs.
    Waiting,
    /// Being carried out.
    InProgress,
    /// Done and verified.
    Completed,
    /// Not done, or done without the effect; see the result.
    Failed,
    /// A person said no.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// No longer needed: the resource recovered or is gone, or the agent was told to stop.
    Cancelled,
}

impl TaskState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Waiting,
        Self::InProgress,
        Self::Completed,
        Self::Failed,
        Self::Rejected,
        Self::Expired,
        Self::Cancelled,
    ];

    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Waiting => "waiting",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing can happen to it any more.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Rejected | Self::Expired | Self::Cancelled
        )
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for TaskState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| {
                let known: Vec<_> = Self::ALL.iter().map(|state| state.as_str()).collect();
                format!(
                    "`{text}` is not a state of a task: it should be one of {}",
                    known.join(", ")
                )
            })
    }
}

/// The channel through which a person spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The HTTP interface.
    Http,
    /// The command line.
    Cli,
    /// A browser, by a session that somebody signed in to.
    Browser,
    /// The desktop: its window, or the buttons of a notification.
    Desktop,
    /// A model's program, by the Model Context Protocol.
    Mcp,
}

impl Channel {
    /// The word used on the wire and in the header by which a program says what it is.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Cli => "cli",
            Self::Browser => "browser",
            Self::Desktop => "desktop",
            Self::Mcp => "mcp",
        }
    }
}

/// What a token's holder may do. Each role may do all that the one before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Approves, rejects and asks for heals.
    Operator,
    /// Also changes autonomy and settings.
    Admin,
}

impl Role {
    /// The word used on the wire and in the token file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A person's yes or no to one plan hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Approval {
    /// Yes, or no.
    pub approved: bool,
    /// To which plan.
    pub plan_hash: PlanHash,
    /// The name that was given.
    pub by: String,
    /// The identity of the token, which is what counts.
    pub identity: String,
    /// Through which channel.
    pub channel: Channel,
    /// The note or reason that was given.
    #[serde(default)]
    pub note: String,
    /// When.
    pub at: Timestamp,
}

tagged! {
/// Who wanted a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requester as "Requester" by "type" {
    /// Steward itself, for an incident.
    Steward,
    /// A person, through a channel.
    Person {
        /// The identity of the token.
        identity: String,
        /// Through which channel.
        channel: Channel,
    },
    /// A specialist proposed it in a conversation. Such a task always waits for a person.
    Specialist {
        /// Its name.
        name: String,
        /// The conversation.
        conversation: ConversationId,
        /// The identity of the token of whoever it spoke with.
        identity: String,
    },
}
}

/// How often a remedy has worked and failed, on this resource and anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RemedyRecord {
    /// Successes on this resource.
    pub successes_here: u32,
    /// Failures on this resource.
    pub failures_here: u32,
    /// Failures on this resource since its last success.
    #[serde(default)]
    pub failures_in_a_row_here: u32,
    /// Successes anywhere.
    pub successes: u32,
    /// Failures anywhere.
    pub failures: u32,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskResult {
    /// Whether its effect was verified.
    pub success: bool,
    /// What happened, in words for a person.
    pub details: String,
}

/// One line of an execution log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecutionEntry {
    /// When.
    pub timestamp: Timestamp,
    /// What, as a word: `validated_request`, `restarted_container`, `verified_health` …
    pub action: String,
    /// More, in words for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
}

/// The unit of work that carries a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Task {
    /// Its number.
    pub id: TaskId,
    /// The node whose agent carries it out.
    pub node: String,
    /// The incident that it is for, where it is for one.
    #[serde(default)]
    pub incident: Option<IncidentId>,
    /// The resource that it is about.
    pub resource: ResourceId,
    /// One sentence for a person.
    pub description: String,
    /// What it is about, for grouping.
    pub task_type: TaskType,
    /// 1 comes first, 9 last.
    pub priority: u8,
    /// The plan's risk.
    pub risk: Risk,
    /// What exactly will be done.
    pub plan: Plan,
    /// The plan's content hash.
    pub plan_hash: PlanHash,
    /// Whether a person must say yes.
    pub requires_approval: bool,
    /// Whether a person has said yes.
    pub approved: bool,
    /// What the person said.
    #[serde(default)]
    pub approval: Option<Approval>,
    /// Where it stands.
    pub status: TaskState,
    /// Why it was made and why it asks or does not, in words.
    pub why: String,
    /// What is known of this remedy.
    #[serde(default)]
    pub record: RemedyRecord,
    /// Who wanted it.
    pub requested_by: Requester,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the question lapses; absent where nothing is asked.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// Not to be begun before; absent where it can begin at once.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// When it was begun.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    #[serde(default)]
    pub result: Option<TaskResult>,
    /// What was done, in order.
    #[serde(default)]
    pub execution_log: Vec<ExecutionEntry>,
}
