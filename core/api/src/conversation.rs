//! Conversations: what people and specialists say to each other about the house.
//!
//! A person asks, Jarvis Prime delegates to specialists, they report, he answers. Each word of it is a [`Message`], journaled as it stands;
//! what is being worked on at this moment is a [`Progress`], which is never journaled.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ActionName, Channel, IncidentId, ResourceId, TaskId};

/// The number of a conversation, unique in its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct ConversationId(pub i64);

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// A person's words to a specialist.
    Question,
    /// Jarvis Prime has a specialist look at something.
    Delegation,
    /// A specialist asks another one.
    Consultation,
    /// What a specialist found, for whoever asked.
    Report,
    /// The answer to the person.
    Answer,
    /// There is no answer, and why.
    Failure,
}

impl MessageKind {
    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Question => "question",
            Self::Delegation => "delegation",
            Self::Consultation => "consultation",
            Self::Report => "report",
            Self::Answer => "answer",
            Self::Failure => "failure",
        }
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that a specialist looked at, with what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LookedAt {
    /// By which a text refers to it, such as `A2`.
    pub reference: String,
    /// With which tool, such as `get_log`.
    pub tool: String,
    /// At what, in words, such as `the log of atlas/container/nginx`.
    pub what: String,
    /// What was seen, cleared of secrets and shortened to 4,000 characters; or why nothing could be seen. Others wrote it.
    pub text: String,
    /// Whether it could not be looked at.
    #[serde(default)]
    pub failed: bool,
    /// When.
    pub at: Timestamp,
}

/// An action that a specialist proposes. Where it could be planned it is a task that waits for a person, whatever the autonomy is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Proposal {
    /// To what.
    pub resource: ResourceId,
    /// What.
    pub action: ActionName,
    /// Why, in the specialist's words.
    pub reason: String,
    /// The task that was made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// One message. It never changes once it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Message {
    /// In which conversation.
    pub conversation: ConversationId,
    /// Its place in there, from 1.
    pub number: u32,
    /// When it was sent.
    pub at: Timestamp,
    /// Who says it: a specialist's name, or the name that a person's token has.
    pub from: String,
    /// To whom, likewise.
    pub to: String,
    /// What it is.
    pub kind: MessageKind,
    /// The words, cleared of secrets, up to 8,000 characters.
    pub text: String,
    /// The message that it answers, or that it was sent because of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<u32>,
    /// What was looked at for it.
    #[serde(default)]
    pub looked_at: Vec<LookedAt>,
    /// What it proposes.
    #[serde(default)]
    pub proposals: Vec<Proposal>,
    /// Names in the text of things that are not there, as far as could be told.
    #[serde(default)]
    pub unchecked: Vec<String>,
    /// The model that wrote it; absent where a person or Steward itself did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Message {
    /// The tasks that were made of what it proposes.
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.proposals.iter().filter_map(|proposal| proposal.task)
    }
}

/// A conversation without its messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Conversation {
    /// Its number.
    pub id: ConversationId,
    /// On which node.
    pub node: String,
    /// The beginning of its first question.
    pub title: String,
    /// The identity of the token that began it.
    pub by: String,
    /// Through which channel.
    pub channel: Channel,
    /// The incident that it is about, where it was begun about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentId>,
    /// The task that it is about, where it was begun about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// When it began.
    pub started_at: Timestamp,
    /// When the last message was sent.
    pub last_at: Timestamp,
    /// How many messages it has.
    pub messages: u32,
    /// Tasks that came of it, oldest first.
    #[serde(default)]
    pub tasks: Vec<TaskId>,
}

/// A conversation with its messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConversationDetail {
    /// The conversation.
    pub conversation: Conversation,
    /// Its messages, oldest first; the last 1,000 where there are more.
    pub messages: Vec<Message>,
    /// What is being worked on now.
    pub progress: Progress,
}

impl ConversationDetail {
    /// What was looked at for the answer to a question, each thing once: an answer names again what its reports rest on.
    pub fn looked_at_since(&self, question: u32) -> Vec<&LookedAt> {
        let mut looks: Vec<&LookedAt> = Vec::new();
        let since = self
            .messages
            .iter()
            .filter(|message| message.number > question);
        for look in since.flat_map(|message| &message.looked_at) {
            if looks.iter().all(|known| known.reference != look.reference) {
                looks.push(look);
            }
        }
        looks
    }

    /// What came of a question: the answer, or why there is none; absent where neither came. That one specialist tells another that it
    /// could not look is not the end of it.
    pub fn last_word(&self, question: u32) -> Option<&Message> {
        let asker = self
            .messages
            .iter()
            .find(|message| message.number == question)
            .map(|message| message.from.as_str());
        self.messages.iter().rev().find(|message| {
            message.number > question
                && match message.kind {
                    MessageKind::Answer => true,
                    MessageKind::Failure => asker.is_none_or(|asker| message.to == asker),
                    _ => false,
                }
        })
    }
}

/// The query of the list of conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConversationQuery {
    /// Only those about this incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentId>,
    /// Only those about this task, or of which it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Only numbers below this: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
    /// How many at most; 100 by default, 1,000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
    pub limit: Option<u32>,
}

/// Says something to a specialist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SayRequest {
    /// What, 1 to 4,000 characters.
    pub text: String,
    /// In which conversation; absent begins a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// To which specialist; absent: Jarvis Prime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Which model is to answer; absent: the one that suits best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The incident that a new conversation is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentId>,
    /// The task that a new conversation is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
}

/// It was said; the answer comes as messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Said {
    /// In which conversation.
    pub conversation: ConversationId,
    /// The place of the question in there.
    pub number: u32,
}

/// One specialist at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Working {
    /// Who.
    pub specialist: String,
    /// On what, in words, such as `reads the log of nginx`.
    pub doing: String,
    /// The model that is asked, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

/// An answer that is being written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Writing {
    /// By whom.
    pub from: String,
    /// The whole of it so far. What it names is not checked yet.
    pub text: String,
}

/// What is being worked on in a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// In which conversation.
    pub conversation: ConversationId,
    /// Rises with each change, from 1; 0 where nothing was said since the agent began.
    pub version: u64,
    /// Whether an answer is under way.
    pub busy: bool,
    /// Who is at work.
    #[serde(default)]
    pub working: Vec<Working>,
    /// What is being written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writing: Option<Writing>,
    /// Messages of the conversation so far.
    pub messages: u32,
}

/// The query of a conversation's progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProgressQuery {
    /// The version that was seen last: the reply comes when there is another, or after 15 s. Absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<u64>,
}

/// A specialist: whom one can ask about what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Specialist {
    /// The name, such as `Athena`.
    pub name: String,
    /// The field, in a few words, such as `databases`.
    pub field: String,
    /// What the models that speak for it are told about its work.
    pub instructions: String,
    /// Its tools, by name; all of them only read.
    pub tools: Vec<String>,
    /// The model that is asked first, where one is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether it comes with Steward; else it comes from the configuration.
    pub built_in: bool,
    /// What it works on now, each with its conversation.
    #[serde(default)]
    pub at_work: Vec<AtWork>,
}

/// What a specialist works on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AtWork {
    /// In which conversation.
    pub conversation: ConversationId,
    /// On what.
    pub working: Working,
}

/// The tools that specialists can have, by name; all of them only read.
pub const SPECIALIST_TOOLS: [&str; 10] = [
    "get_resource",
    "get_log",
    "get_metrics",
    "list_incidents",
    "list_tasks",
    "check_database",
    "check_names",
    "check_certificates",
    "list_processes",
    "list_ports",
];

/// The name of the specialist who answers people and has the others look.
pub const JARVIS_PRIME: &str = "Jarvis Prime";
