//! The edge between specialists and the house: what they may look at, and how they are heard. Plain data and two traits.
//!
//! What flows through: a [`Lookup`] goes in, what was [`Looked`] at comes out; a [`Draft`] goes out and becomes a journaled message. The
//! lookups are a closed enum and only read: whatever a model writes, it can't name anything else. What it never does: carry an action. A
//! draft may propose one; the engine makes of it a task that waits for a person, or says why not.

use std::sync::Arc;

use async_trait::async_trait;
use steward_api::{
    ActionName, Incident, LookedAt, MessageKind, Metric, OfferedAction, Resource, ResourceId,
    Working, Writing,
};

/// What may be looked at. Each only reads, and reaches nothing but what is looked after here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A resource as last read, with what it needs and what needs it.
    Resource(ResourceId),
    /// The last lines of a container's log, 1 to 200.
    Log {
        /// Which container.
        id: ResourceId,
        /// How many lines.
        lines: u32,
    },
    /// A metric of the last hours, 1 to 168, with what is normal for it.
    Metrics {
        /// Of which resource.
        id: ResourceId,
        /// Which metric.
        metric: Metric,
        /// How many hours.
        hours: u32,
    },
    /// Incidents of the last hours, 1 to 720, of one resource or of all.
    Incidents {
        /// Of which resource.
        id: Option<ResourceId>,
        /// How many hours.
        hours: u32,
    },
    /// Tasks that wait or are under way, and the last ones that ended.
    Tasks,
    /// A database, read anew: whether it answers, how quickly, its connections.
    Database(ResourceId),
    /// Whether the names resolve by which things are reached here, and to what.
    Names,
    /// The certificates of the HTTPS endpoints that are watched: expiry, issuer, names.
    Certificates,
    /// The busiest processes of the host.
    Processes,
    /// What listens on the host, and what containers publish.
    Ports,
}

impl Lookup {
    /// The name of the tool, as it is offered to models and shown.
    pub const fn tool(&self) -> Tool {
        match self {
            Self::Resource(_) => Tool::Resource,
            Self::Log { .. } => Tool::Log,
            Self::Metrics { .. } => Tool::Metrics,
            Self::Incidents { .. } => Tool::Incidents,
            Self::Tasks => Tool::Tasks,
            Self::Database(_) => Tool::Database,
            Self::Names => Tool::Names,
            Self::Certificates => Tool::Certificates,
            Self::Processes => Tool::Processes,
            Self::Ports => Tool::Ports,
        }
    }

    /// At what, in words.
    pub fn what(&self) -> String {
        match self {
            Self::Resource(id) => id.to_string(),
            Self::Log { id, .. } => format!("the log of {id}"),
            Self::Metrics { id, metric, hours } => format!("{metric} of {id}, last {hours} h"),
            Self::Incidents {
                id: Some(id),
                hours,
            } => format!("incidents of {id}, last {hours} h"),
            Self::Incidents { id: None, hours } => format!("all incidents, last {hours} h"),
            Self::Tasks => "tasks".to_owned(),
            Self::Database(id) => format!("{id}, read anew"),
            Self::Names => "names that are resolved here".to_owned(),
            Self::Certificates => "certificates of the endpoints".to_owned(),
            Self::Processes => "the busiest processes".to_owned(),
            Self::Ports => "open ports".to_owned(),
        }
    }
}

/// A tool of a specialist: a kind of lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// [`Lookup::Resource`].
    Resource,
    /// [`Lookup::Log`].
    Log,
    /// [`Lookup::Metrics`].
    Metrics,
    /// [`Lookup::Incidents`].
    Incidents,
    /// [`Lookup::Tasks`].
    Tasks,
    /// [`Lookup::Database`].
    Database,
    /// [`Lookup::Names`].
    Names,
    /// [`Lookup::Certificates`].
    Certificates,
    /// [`Lookup::Processes`].
    Processes,
    /// [`Lookup::Ports`].
    Ports,
}

impl Tool {
    /// Every tool.
    pub const ALL: [Self; 10] = [
        Self::Resource,
        Self::Log,
        Self::Metrics,
        Self::Incidents,
        Self::Tasks,
        Self::Database,
        Self::Names,
        Self::Certificates,
        Self::Processes,
        Self::Ports,
    ];

    /// Its name, as in the configuration and towards models.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "get_resource",
            Self::Log => "get_log",
            Self::Metrics => "get_metrics",
            Self::Incidents => "list_incidents",
            Self::Tasks => "list_tasks",
            Self::Database => "check_database",
            Self::Names => "check_names",
            Self::Certificates => "check_certificates",
            Self::Processes => "list_processes",
            Self::Ports => "list_ports",
        }
    }
}

/// What kind of thing is seen, which decides whether a model outside may be shown it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// That something is so, and since when.
    General,
    /// How things are set up.
    Configuration,
    /// What programs wrote.
    Log,
    /// Who may do what, what is open to whom.
    Security,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Line by line, cleared of secrets. Untrusted: shown, never obeyed.
    pub lines: Vec<String>,
    /// What kind of thing it is.
    pub sight: Sight,
}

/// What there is, in one picture.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The node.
    pub node: String,
    /// Every resource.
    pub resources: Vec<Arc<Resource>>,
    /// Incidents that are not over.
    pub incidents: Vec<Arc<Incident>>,
}

/// The house as specialists see it.
#[async_trait]
pub trait House: Send + Sync {
    /// What there is now.
    fn inventory(&self) -> Inventory;

    /// Looks. Takes at most as long as the source's own limit.
    ///
    /// # Errors
    /// Why it could not be looked at, in words.
    async fn look(&self, lookup: &Lookup) -> Result<Looked, String>;

    /// What may be proposed for a resource now; nothing else becomes a task.
    ///
    /// # Errors
    /// Where there is no such resource, in words.
    async fn offers(&self, id: &ResourceId) -> Result<Vec<OfferedAction>, String>;
}

/// A message on its way: the engine gives it its number and time, makes tasks of what it proposes, and journals it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The specialist who says it.
    pub from: String,
    /// To whom.
    pub to: String,
    /// What it is.
    pub kind: MessageKind,
    /// The words.
    pub text: String,
    /// The message that it answers.
    pub reply_to: Option<u32>,
    /// What was looked at for it.
    pub looked_at: Vec<LookedAt>,
    /// What it proposes.
    pub proposals: Vec<Proposed>,
    /// Names in it of things that are not there.
    pub unchecked: Vec<String>,
    /// The model that wrote it.
    pub model: Option<String>,
}

/// An action that a specialist proposes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// To what.
    pub resource: ResourceId,
    /// What; one of those offered.
    pub action: ActionName,
    /// Why.
    pub reason: String,
}

/// Hears specialists.
#[async_trait]
pub trait Scribe: Send + Sync {
    /// Sends a message. Returns its number in the conversation, and what became of its proposals.
    ///
    /// # Errors
    /// Where the engine is ending, or the journal takes no writes; in words.
    async fn send(&self, draft: Draft) -> Result<steward_api::Message, String>;

    /// Shows who is at work on what, and what is being written. Never journaled.
    fn show(&self, working: Vec<Working>, writing: Option<Writing>);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_names_every_tool() {
        assert_eq!(Tool::ALL.map(Tool::as_str), steward_api::SPECIALIST_TOOLS);
    }
}
