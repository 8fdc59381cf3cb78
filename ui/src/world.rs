//! What is known of the agent's world, and the one reducer that keeps it current.
//!
//! What flows through: replies of the agent in by `load_…`, events in by [`World::apply`], a [`Touched`] out that says what has changed.
//! What it never does: I/O, reading a clock, or guessing. What could not be read stays what the agent says of it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use steward_api::{
    Autonomy, Conversation, ConversationDetail, ConversationId, Envelope, Event, Health, Incident,
    IncidentId, Metric, Resource, ResourceId, ResourceList, SecuritySummary, StatusReply, Task,
    TaskId, TaskState, Unreadable,
};

use crate::{
    conversation::{self, Dialogue},
    order,
};

/// Entries of the journal that are kept from the stream.
const JOURNAL_KEPT: usize = 1000;
/// Incidents and tasks that are over, and conversations, are kept up to so many each.
const PAST_KEPT: usize = 500;

/// A resource as it is known: the newest health at once, the rest as last read.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Who it is.
    pub id: ResourceId,
    /// How it is.
    pub health: Health,
    /// Why, in words.
    pub reason: String,
    /// What was read of it; absent while an event has announced it and no reading has come yet.
    pub resource: Option<Arc<Resource>>,
    /// What a search looks at, in lower case.
    pub search: String,
}

impl Entry {
    /// The entry of a resource as it was read.
    pub fn of(resource: Resource) -> Self {
        let mut entry = Self {
            id: resource.id.clone(),
            health: resource.health,
            reason: resource.reason.clone(),
            resource: Some(Arc::new(resource)),
            search: String::new(),
        };
        entry.index();
        entry
    }

    /// The entry of a resource of which only an event is known.
    fn announced(id: &ResourceId, health: Health, reason: &str) -> Self {
        let mut entry = Self {
            id: id.clone(),
            health,
            reason: reason.to_owned(),
            resource: None,
            search: String::new(),
        };
        entry.index();
        entry
    }

    fn index(&mut self) {
        let mut text = format!("{} {}", self.id, self.reason);
        if let Some(facts) = self.resource.as_ref().and_then(|read| read.container()) {
            text.push(' ');
            text.push_str(&facts.image);
        }
        self.search = text.to_lowercase();
    }

    /// Its Compose project.
    pub fn project(&self) -> Option<&str> {
        self.resource
            .as_ref()?
            .container()?
            .compose
            .as_ref()
            .map(|compose| compose.project.as_str())
    }

    /// The newest value of one of its metrics.
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        self.resource.as_ref()?.metrics.get(&metric).copied()
    }
}

/// What a change touched; whoever shows a part looks again when its part was touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Resources.
    pub resources: bool,
    /// Incidents.
    pub incidents: bool,
    /// Tasks.
    pub tasks: bool,
    /// The journal.
    pub journal: bool,
    /// Conversations, and the messages of the one that is open.
    pub conversations: bool,
    /// Status and autonomy.
    pub status: bool,
    /// What the scans of security found.
    pub security: bool,
    /// Something came of which the event does not tell all: the resources should be read again soon.
    pub read_resources: bool,
    /// The same of the status.
    pub read_status: bool,
}

impl Touched {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            resources: self.resources || other.resources,
            incidents: self.incidents || other.incidents,
            tasks: self.tasks || other.tasks,
            journal: self.journal || other.journal,
            conversations: self.conversations || other.conversations,
            status: self.status || other.status,
            security: self.security || other.security,
            read_resources: self.read_resources || other.read_resources,
            read_status: self.read_status || other.read_status,
        }
    }
}

/// Everything that is known.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// What the agent says of itself; absent before the first reading.
    pub status: Option<Arc<StatusReply>>,
    /// The autonomy in force.
    pub autonomy: Option<Autonomy>,
    /// Every resource, by id.
    pub resources: BTreeMap<ResourceId, Arc<Entry>>,
    /// Whether the resources have been read at all. Before that an empty list means nothing.
    pub resources_read: bool,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
    /// Incidents: all active ones, and those of lately that are over.
    pub incidents: BTreeMap<IncidentId, Arc<Incident>>,
    /// Whether the incidents have been read at all.
    pub incidents_read: bool,
    /// Tasks: all open ones, and those of lately that are over.
    pub tasks: BTreeMap<TaskId, Arc<Task>>,
    /// Whether the tasks have been read at all.
    pub tasks_read: bool,
    /// Conversations that were read or spoken in lately, by number.
    pub conversations: Vec<Arc<Conversation>>,
    /// The conversation whose messages are shown.
    pub dialogue: Option<Dialogue>,
    /// Security in numbers; absent where the agent did not say.
    pub security: Option<Arc<SecuritySummary>>,
    /// What came through the stream, newest first.
    pub journal: VecDeque<Arc<Envelope>>,
}

impl World {
    /// Takes in what happened.
    pub fn apply(&mut self, envelope: Envelope) -> Touched {
        if self
            .journal
            .front()
            .is_some_and(|newest| envelope.seq <= newest.seq)
        {
            return Touched::default();
        }
        let touched = self.change(&envelope);
        self.journal.push_front(Arc::new(envelope));
        self.journal.truncate(JOURNAL_KEPT);
        Touched {
            journal: true,
            ..touched
        }
    }

    fn change(&mut self, envelope: &Envelope) -> Touched {
        let mut touched = Touched::default();
        match &envelope.event {
            Event::ResourceChanged {
                resource,
                to,
                reason,
                ..
            } => {
                self.health_changed(resource, *to, reason);
                touched.resources = true;
                touched.read_resources = true;
            }
            Event::ResourceGone { resource } => {
                touched.resources = self.resources.remove(resource).is_some();
            }
            Event::IncidentChanged { incident, .. } => {
                self.incidents
                    .insert(incident.id, Arc::new(Incident::clone(incident)));
                self.forget_past();
                touched.incidents = true;
            }
            Event::TaskChanged { task, .. } => {
                self.tasks.insert(task.id, Arc::new(Task::clone(task)));
                self.forget_past();
                touched.tasks = true;
            }
            Event::AutonomyChanged { to, .. } => {
                self.set_autonomy(*to);
                touched.status = true;
            }
            Event::AgentStarted { autonomy, .. } => {
                self.set_autonomy(*autonomy);
                touched.status = true;
                touched.read_status = true;
                touched.read_resources = true;
            }
            Event::SourceUp { source } => {
                self.source_changed(source, true, None);
                touched.status = true;
                touched.security = reads_security(source);
                touched.read_resources = true;
            }
            Event::SourceDown { source, error } => {
                self.source_changed(source, false, Some(error));
                touched.status = true;
                touched.security = reads_security(source);
                touched.read_resources = true;
            }
            Event::MessageSent {
                conversation,
                message,
            } => {
                if let Some(open) = self
                    .dialogue
                    .as_mut()
                    .filter(|open| open.id == message.conversation)
                {
                    open.hear(conversation, message);
                }
                conversation::merge(&mut self.conversations, Conversation::clone(conversation));
                self.forget_past();
                touched.conversations = true;
            }
            Event::ConfigReloaded { .. } => touched.read_status = true,
            Event::ConfigRefused { error } => {
                if let Some(status) = &mut self.status {
                    Arc::make_mut(status).config_error = Some(error.clone());
                }
                touched.status = true;
            }
            Event::SecurityScanned { summary, .. } => {
                touched = self.load_security(Some(SecuritySummary::clone(summary)));
            }
            Event::PortAccepted { .. } => touched.security = true,
            // How the day before was: nothing of what is now.
            Event::SecurityDay { .. } => touched.security = true,
            Event::AgentStopped { .. }
            | Event::ActionIntended { .. }
            | Event::ActionConcluded { .. }
            | Event::RemedyLearned { .. }
            | Event::AnswerRefused { .. }
            | Event::TokenMade { .. }
            | Event::TokenRevoked { .. }
            | Event::SignedIn { .. }
            | Event::ModelCalled { .. } => {}
        }
        touched
    }

    fn health_changed(&mut self, id: &ResourceId, health: Health, reason: &str) {
        let known = self.resources.get(id).and_then(|entry| {
            let mut resource = Resource::clone(entry.resource.as_ref()?);
            resource.health = health;
            reason.clone_into(&mut resource.reason);
            Some(Entry::of(resource))
        });
        let entry = known.unwrap_or_else(|| Entry::announced(id, health, reason));
        self.resources.insert(id.clone(), Arc::new(entry));
    }

    fn source_changed(&mut self, name: &str, up: bool, error: Option<&String>) {
        let Some(status) = &mut self.status else {
            return;
        };
        let status = Arc::make_mut(status);
        if let Some(source) = status.sources.iter_mut().find(|source| source.name == name) {
            source.up = Some(up);
            source.error = error.cloned();
        }
    }

    /// Notes the autonomy in force.
    pub fn set_autonomy(&mut self, autonomy: Autonomy) {
        self.autonomy = Some(autonomy);
        if let Some(status) = &mut self.status {
            let status = Arc::make_mut(status);
            status.autonomy = autonomy;
            autonomy
                .explanation()
                .clone_into(&mut status.autonomy_explanation);
        }
    }

    /// The newest of what is over is kept, the rest is on the agent.
    fn forget_past(&mut self) {
        while self.incidents.len() > PAST_KEPT {
            let oldest = self
                .incidents
                .values()
                .find(|incident| !incident.is_active())
                .map(|incident| incident.id);
            let Some(oldest) = oldest else { break };
            self.incidents.remove(&oldest);
        }
        while self.tasks.len() > PAST_KEPT {
            let oldest = self
                .tasks
                .values()
                .find(|task| task.status.is_final())
                .map(|task| task.id);
            let Some(oldest) = oldest else { break };
            self.tasks.remove(&oldest);
        }
        let too_many = self.conversations.len().saturating_sub(PAST_KEPT);
        self.conversations.drain(..too_many);
    }

    /// Begins anew with a stream: what came through the last one does not count against its numbers.
    pub fn begin_stream(&mut self) {
        self.journal.clear();
    }

    /// Takes in what the agent says of itself.
    pub fn load_status(&mut self, status: StatusReply) -> Touched {
        self.autonomy = Some(status.autonomy);
        self.status = Some(Arc::new(status));
        Touched {
            status: true,
            ..Touched::default()
        }
    }

    /// Takes in the security in numbers; absent where the agent can't tell it.
    pub fn load_security(&mut self, summary: Option<SecuritySummary>) -> Touched {
        self.security = summary.map(Arc::new);
        Touched {
            security: true,
            ..Touched::default()
        }
    }

    /// Takes in the whole list of resources; what is not on it is gone.
    pub fn load_resources(&mut self, list: ResourceList) -> Touched {
        let before = std::mem::take(&mut self.resources);
        for resource in list.resources {
            let entry = Entry::of(resource);
            // The same as before keeps its place in memory, so that nothing is drawn anew for it.
            let entry = match before.get(&entry.id) {
                Some(old) if **old == entry => Arc::clone(old),
                _ => Arc::new(entry),
            };
            self.resources.insert(entry.id.clone(), entry);
        }
        self.resources_read = true;
        self.unreadable = list.unreadable;
        Touched {
            resources: true,
            ..Touched::default()
        }
    }

    /// Takes in a part of the resources; the others stay.
    pub fn merge_resources(&mut self, resources: Vec<Resource>) -> Touched {
        for resource in resources {
            self.resources
                .insert(resource.id.clone(), Arc::new(Entry::of(resource)));
        }
        Touched {
            resources: true,
            ..Touched::default()
        }
    }

    /// Takes in incidents, in place of all that were known.
    pub fn load_incidents(&mut self, incidents: impl IntoIterator<Item = Incident>) -> Touched {
        self.incidents.clear();
        for incident in incidents {
            self.incidents.insert(incident.id, Arc::new(incident));
        }
        self.incidents_read = true;
        Touched {
            incidents: true,
            ..Touched::default()
        }
    }

    /// Takes in one incident, unless a newer state of it is known.
    pub fn merge_incident(&mut self, incident: Incident) -> Touched {
        let newer = self
            .incidents
            .get(&incident.id)
            .is_some_and(|known| known.updated_at > incident.updated_at);
        if !newer {
            self.incidents.insert(incident.id, Arc::new(incident));
        }
        Touched {
            incidents: !newer,
            ..Touched::default()
        }
    }

    /// Takes in tasks, in place of all that were known.
    pub fn load_tasks(&mut self, tasks: impl IntoIterator<Item = Task>) -> Touched {
        self.tasks.clear();
        for task in tasks {
            self.tasks.insert(task.id, Arc::new(task));
        }
        self.tasks_read = true;
        Touched {
            tasks: true,
            ..Touched::default()
        }
    }

    /// Takes in one task, unless a newer state of it is known.
    pub fn merge_task(&mut self, task: Task) -> Touched {
        let newer = self.tasks.get(&task.id).is_some_and(|known| {
            known.execution_log.len() > task.execution_log.len()
                || (known.status.is_final() && !task.status.is_final())
        });
        if !newer {
            self.tasks.insert(task.id, Arc::new(task));
        }
        Touched {
            tasks: !newer,
            ..Touched::default()
        }
    }

    /// Takes in conversations; a newer state that is known stays.
    pub fn merge_conversations(&mut self, read: impl IntoIterator<Item = Conversation>) -> Touched {
        let mut changed = false;
        for one in read {
            changed |= conversation::merge(&mut self.conversations, one);
        }
        Touched {
            conversations: changed,
            ..Touched::default()
        }
    }

    /// Begins to keep the messages of a conversation, in place of those of another.
    pub fn open_dialogue(&mut self, id: ConversationId) -> Touched {
        self.dialogue = Some(Dialogue::new(id));
        Touched {
            conversations: true,
            ..Touched::default()
        }
    }

    /// Takes in the messages of the conversation that is open; those of another are of no use any more.
    pub fn load_dialogue(&mut self, detail: ConversationDetail) -> Touched {
        let about = detail.conversation.clone();
        if let Some(open) = self.dialogue.as_mut().filter(|open| open.id == about.id) {
            open.load(detail);
        }
        conversation::merge(&mut self.conversations, about);
        Touched {
            conversations: true,
            ..Touched::default()
        }
    }

    /// The Compose projects there are.
    pub fn projects(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .resources
            .values()
            .filter_map(|entry| entry.project().map(str::to_owned))
            .collect();
        order::sort_by(&mut found, Ord::cmp);
        found.dedup();
        found
    }

    /// When the newest of what is shown was read.
    pub fn newest_reading(&self) -> Option<Timestamp> {
        self.resources
            .values()
            .filter_map(|entry| entry.resource.as_ref().map(|read| read.read_at))
            .max()
    }
}

/// Whether a source reads a part of the security scan: that one fails is told by its own event alone.
fn reads_security(source: &str) -> bool {
    source.starts_with("security-")
}

/// Whether a task waits for a person's answer.
pub fn awaits_answer(task: &Task) -> bool {
    task.status == TaskState::Pending && task.requires_approval && !task.approved
}

#[cfg(test)]
#[path = "world_tests.rs"]
mod tests;
