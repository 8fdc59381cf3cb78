//! Events, plans and diagnoses in words.
//!
//! What flows through: values of the contract in, texts for a person out. What it never does: make mark-up; every text is shown as text.

mod plan;
pub mod security;
mod talk;

use steward_api::{
    Envelope, Event, ExecutionEntry, Incident, IncidentChange, Phase, RemedyRecord, Requester,
    ResolutionKind, ResourceKind, StepResult, Task, TaskChange, Urgency, Verdict,
};

use crate::{
    format,
    marks::{self, Mark, Shape, Tone},
};

pub use plan::{PlanLine, plan, plan_in_short, precondition, verification};
pub use talk::{begun_by, conversation, doing, looked_into_it, said};

/// What an event is about, for filtering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words of the house")]
pub enum Topic {
    Incidents,
    Tasks,
    Actions,
    Resources,
    Conversations,
    Security,
    Agent,
}

impl Topic {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Incidents,
        Self::Tasks,
        Self::Actions,
        Self::Resources,
        Self::Conversations,
        Self::Security,
        Self::Agent,
    ];

    /// The word in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Incidents => "incidents",
            Self::Tasks => "tasks",
            Self::Actions => "actions",
            Self::Resources => "resources",
            Self::Conversations => "conversations",
            Self::Security => "security",
            Self::Agent => "agent",
        }
    }
}

/// What an event is about.
pub const fn topic(event: &Event) -> Topic {
    match event {
        Event::IncidentChanged { .. } => Topic::Incidents,
        Event::TaskChanged { .. } | Event::AnswerRefused { .. } => Topic::Tasks,
        Event::ActionIntended { .. }
        | Event::ActionConcluded { .. }
        | Event::RemedyLearned { .. } => Topic::Actions,
        Event::ResourceChanged { .. } | Event::ResourceGone { .. } => Topic::Resources,
        Event::MessageSent { .. } => Topic::Conversations,
        Event::SecurityScanned { .. } | Event::PortAccepted { .. } | Event::SecurityDay { .. } => {
            Topic::Security
        }
        Event::AgentStarted { .. }
        | Event::AgentStopped { .. }
        | Event::SourceUp { .. }
        | Event::SourceDown { .. }
        | Event::AutonomyChanged { .. }
        | Event::ConfigReloaded { .. }
        | Event::ConfigRefused { .. }
        | Event::TokenMade { .. }
        | Event::TokenRevoked { .. }
        | Event::SignedIn { .. }
        | Event::ModelCalled { .. } => Topic::Agent,
    }
}

const fn mark(shape: Shape, word: &'static str, tone: Tone) -> Mark {
    Mark { shape, word, tone }
}

/// What an event says, and how it looks.
pub fn event(event: &Event) -> (Mark, String) {
    match event {
        Event::AgentStarted { version, autonomy } => (
            mark(Shape::Play, "started", Tone::Ask),
            format!("Agent {version} started, autonomy {autonomy}"),
        ),
        Event::AgentStopped { reason } => (
            mark(Shape::Ring, "stopped", Tone::Quiet),
            format!("Agent stopped: {reason}"),
        ),
        Event::SourceUp { source } => (
            mark(Shape::Disc, "answers", Tone::Good),
            format!("Source {source} answers"),
        ),
        Event::SourceDown { source, error } => (
            mark(Shape::Cross, "fails", Tone::Bad),
            format!("Source {source} does not answer: {error}"),
        ),
        Event::ResourceChanged {
            resource,
            from,
            to,
            reason,
        } => {
            let before = from.map_or_else(|| "new".to_owned(), |from| from.to_string());
            let why = after_colon(reason);
            (
                marks::health(*to),
                format!("{} {before} → {to}{why}", resource.short()),
            )
        }
        Event::ResourceGone { resource } => (
            mark(Shape::Dash, "gone", Tone::Quiet),
            format!("{} is gone", resource.short()),
        ),
        Event::IncidentChanged { change, incident } => incident_event(*change, incident),
        Event::TaskChanged { change, task } => {
            (marks::task(task.status), task_event(*change, task))
        }
        Event::ActionIntended {
            task,
            action,
            resource,
            undo,
            ..
        } => (
            mark(Shape::Play, "intended", Tone::Ask),
            format!(
                "Task {task}: about to {}{} on {}",
                if *undo { "undo " } else { "" },
                format::plain(action.as_str()),
                resource.short()
            ),
        ),
        Event::ActionConcluded {
            task,
            action,
            result,
            details,
            undo,
            ..
        } => {
            let (mark, word) = step_result(*result);
            let action = format::plain(action.as_str());
            let undo = if *undo { "undoing " } else { "" };
            (
                mark,
                format!("Task {task}: {undo}{action} {word}{}", after_colon(details)),
            )
        }
        Event::RemedyLearned {
            problem,
            action,
            resource,
            success,
            record,
        } => (
            mark(Shape::Pen, "learned", Tone::Quiet),
            format!(
                "Learned: {} for {} on {} {}; here it worked {} of {} times",
                format::plain(action.as_str()),
                format::plain(problem.as_str()),
                resource.short(),
                if *success { "worked" } else { "did not work" },
                record.successes_here,
                record.successes_here + record.failures_here
            ),
        ),
        Event::AnswerRefused {
            task,
            identity,
            code,
            ..
        } => (
            mark(Shape::Barred, "refused", Tone::Warn),
            format!(
                "The answer of {identity} to task {task} was refused: {}",
                code.title()
            ),
        ),
        Event::AutonomyChanged { from, to, by } => (
            mark(Shape::Gear, "changed", Tone::Ask),
            format!("Autonomy {from} → {to} by {by}"),
        ),
        Event::ConfigReloaded { changed, by } => (
            mark(Shape::Gear, "read anew", Tone::Ask),
            match by.as_str() {
                "" => format!("Configuration read anew: {}", changed.join(", ")),
                by => format!("Configuration changed by {by}: {}", changed.join(", ")),
            },
        ),
        Event::ConfigRefused { error } => (
            mark(Shape::Cross, "refused", Tone::Bad),
            format!("Changed configuration refused, the one before goes on: {error}"),
        ),
        Event::TokenMade { name, role, by } => (
            mark(Shape::Gear, "made", Tone::Ask),
            format!("Token {name} made, role {role}, by {by}"),
        ),
        Event::TokenRevoked { name, by } => (
            mark(Shape::Barred, "revoked", Tone::Ask),
            format!("Token {name} revoked by {by}"),
        ),
        Event::SignedIn {
            identity,
            role,
            by,
            from,
        } => {
            let from = match from.as_str() {
                "" => String::new(),
                from => format!(" from {from}"),
            };
            (
                mark(Shape::Gear, "signed in", Tone::Quiet),
                format!("{identity} ({role}) signed in by {}{from}", by.in_words()),
            )
        }
        Event::ModelCalled { call } => {
            let why = call
                .error
                .as_ref()
                .map_or_else(String::new, |error| format!(": {error}"));
            (
                mark(Shape::Gear, "asked", Tone::Quiet),
                format!(
                    "Model {} asked ({}): {}{why}",
                    call.model, call.purpose, call.result
                ),
            )
        }
        Event::MessageSent { message, .. } => talk::event(message),
        Event::SecurityScanned {
            part,
            failed: Some(reason),
            ..
        } => (
            mark(Shape::Lens, "not read", Tone::Unsure),
            format!("Security: {} could not be read: {reason}", part.as_str()),
        ),
        Event::SecurityScanned { part, summary, .. } => (
            mark(Shape::Lens, "read", Tone::Quiet),
            format!(
                "Security: {} read; {}",
                part.as_str(),
                security::score(summary)
            ),
        ),
        Event::PortAccepted { port, by } => (
            mark(Shape::Check, "accepted", Tone::Ask),
            format!("Port {} is expected from now on, says {by}", port.short()),
        ),
        Event::SecurityDay { day } => (
            marks::level(day.summary.security_level),
            format!("Security on {}: {}", day.day, day.title),
        ),
    }
}

fn after_colon(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}

fn incident_event(change: IncidentChange, incident: &Incident) -> (Mark, String) {
    let mark = match change {
        IncidentChange::Resolved | IncidentChange::Learned => {
            marks::phase(steward_api::Phase::Resolved)
        }
        _ => marks::severity(incident.severity),
    };
    let word = match change {
        IncidentChange::Detected => "detected",
        IncidentChange::Updated => "updated",
        IncidentChange::Diagnosed => "diagnosed",
        IncidentChange::Assessed => "decided on",
        IncidentChange::Acted => "acted on",
        IncidentChange::Resolved => "resolved",
        IncidentChange::Learned => "learned from",
        IncidentChange::Reopened => "came back",
        IncidentChange::Advised => "looked at by a model",
        IncidentChange::Chosen => "diagnosis chosen",
    };
    let latest = match change {
        IncidentChange::Resolved => incident.resolution.as_ref().map(|end| end.text.as_str()),
        IncidentChange::Assessed => incident
            .decision
            .as_ref()
            .map(|decision| decision.reason.as_str()),
        IncidentChange::Diagnosed => incident
            .diagnoses
            .first()
            .map(|diagnosis| diagnosis.diagnosis.as_str()),
        _ => None,
    };
    let latest = latest.map_or_else(String::new, |text| format!(". {text}"));
    (
        mark,
        format!(
            "Incident {} {word}: {}{latest}",
            incident.id, incident.title
        ),
    )
}

fn task_event(change: TaskChange, task: &Task) -> String {
    let word = match change {
        TaskChange::Created => "made",
        TaskChange::Approved => "approved",
        TaskChange::Rejected => "rejected",
        TaskChange::Expired => "expired",
        TaskChange::Cancelled => "cancelled",
        TaskChange::Waiting => "waits",
        TaskChange::Started => "started",
        TaskChange::Progressed => "goes on",
        TaskChange::Completed => "completed",
        TaskChange::Failed => "failed",
    };
    let more = match change {
        TaskChange::Completed | TaskChange::Failed => task
            .result
            .as_ref()
            .map(|result| format!(". {}", result.details)),
        TaskChange::Progressed => task
            .execution_log
            .last()
            .map(|entry| format!(". {}", format::capital(&log_entry(entry)))),
        TaskChange::Approved | TaskChange::Rejected => task
            .approval
            .as_ref()
            .map(|answer| format!(" by {}", answer.identity)),
        TaskChange::Created if task.requires_approval => Some(". It waits for a yes".to_owned()),
        _ => None,
    };
    format!(
        "Task {} {word}: {}{}",
        task.id,
        task.description,
        more.unwrap_or_default()
    )
}

const fn step_result(result: StepResult) -> (Mark, &'static str) {
    match result {
        StepResult::Succeeded => (mark(Shape::Check, "succeeded", Tone::Good), "succeeded"),
        StepResult::NotVerified => (
            mark(Shape::Cross, "no effect", Tone::Bad),
            "was done but had no effect",
        ),
        StepResult::Failed => (mark(Shape::Cross, "failed", Tone::Bad), "failed"),
        StepResult::Skipped => (mark(Shape::Dash, "skipped", Tone::Quiet), "was skipped"),
        StepResult::Interrupted => (
            mark(Shape::Question, "interrupted", Tone::Unsure),
            "was interrupted",
        ),
        StepResult::Undone => (mark(Shape::Back, "undone", Tone::Warn), "was taken back"),
    }
}

/// An entry of an execution log: `restarted container: exit code 1 before`.
pub fn log_entry(entry: &ExecutionEntry) -> String {
    format!(
        "{}{}",
        format::plain(&entry.action),
        after_colon(&entry.details)
    )
}

/// The record of a remedy, honest about having none.
pub fn record(record: &RemedyRecord) -> String {
    let here = record.successes_here + record.failures_here;
    let anywhere = record.successes + record.failures;
    let times = |worked: u32, of: u32| match (worked, of) {
        (1, 1) => "the one time it was tried".to_owned(),
        (0, 1) => "not the one time it was tried".to_owned(),
        _ => format!("{worked} of {of} times"),
    };
    match (here, anywhere) {
        (0, 0) => "This fix has not been tried before.".to_owned(),
        (0, _) => format!(
            "This fix is new here; elsewhere it worked {}.",
            times(record.successes, anywhere)
        ),
        _ => {
            let mut text = format!(
                "This fix worked here {}.",
                times(record.successes_here, here)
            );
            if record.failures_in_a_row_here > 0 {
                text.push_str(&match record.failures_in_a_row_here {
                    1 => " It failed the last time.".to_owned(),
                    row => format!(" It failed the last {row} times."),
                });
            }
            text
        }
    }
}

/// What held an action back, in words.
pub fn guard(guard: &str) -> String {
    match guard {
        "autonomy" => "the level of autonomy",
        "rate_limit" => "the limit of restarts an hour",
        "back_off" => "the wait between two tries",
        "dependency_order" => "something that it needs must be healed first",
        "blast_radius" => "many things failed at once",
        "record" => "the record: this fix failed here before",
        "window" => "no allowed window is open",
        "label" => "a label of the container",
        "journal" => "the journal takes no writes",
        "exhausted" => "nothing is left that could help",
        other => return format::plain(other),
    }
    .to_owned()
}

/// How soon something should be done.
pub const fn urgency(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Low => "when there is time",
        Urgency::Medium => "today",
        Urgency::High => "within the hour",
        Urgency::Critical => "now",
    }
}

/// Who says so, of a diagnosis: `catalogue:exit-code` → `the catalogue (exit code)`, `model:qwen3` → `the model qwen3`.
pub fn source(source: &str) -> String {
    match source.split_once(':') {
        Some(("catalogue", row)) => format!("the catalogue ({})", row.replace('-', " ")),
        Some(("model", name)) => format!("the model {name}"),
        _ => source.to_owned(),
    }
}

/// Who wanted a task.
pub fn requester(requester: &Requester) -> String {
    match requester {
        Requester::Steward => "Steward, for an incident".to_owned(),
        Requester::Person { identity, .. } => identity.clone(),
        Requester::Specialist { name, identity, .. } => format!("{name}, asked by {identity}"),
    }
}

/// The kind of a resource for a person, in the plural where `number` is not 1.
pub const fn kind(kind: ResourceKind, number: u64) -> &'static str {
    match (kind, number == 1) {
        (ResourceKind::Host, true) => "host",
        (ResourceKind::Host, false) => "hosts",
        (ResourceKind::Engine, true) => "engine",
        (ResourceKind::Engine, false) => "engines",
        (ResourceKind::Container, true) => "container",
        (ResourceKind::Container, false) => "containers",
        (ResourceKind::Disk, true) => "disk",
        (ResourceKind::Disk, false) => "disks",
        (ResourceKind::Unit, true) => "systemd unit",
        (ResourceKind::Unit, false) => "systemd units",
        (ResourceKind::Network, _) => "network",
        (ResourceKind::Service, true) => "service",
        (ResourceKind::Service, false) => "services",
        (ResourceKind::Database, true) => "database",
        (ResourceKind::Database, false) => "databases",
        (ResourceKind::McpServer, true) => "MCP server",
        (ResourceKind::McpServer, false) => "MCP servers",
        (ResourceKind::Image, true) => "image",
        (ResourceKind::Image, false) => "images",
        (ResourceKind::Certificate, true) => "certificate",
        (ResourceKind::Certificate, false) => "certificates",
        (ResourceKind::SignIn, _) => "signing in",
        (ResourceKind::Port, true) => "open port",
        (ResourceKind::Port, false) => "open ports",
    }
}

/// What an incident is doing right now, in a few words for a list.
pub fn incident_state(incident: &Incident) -> String {
    if let Some(end) = &incident.resolution {
        return end.text.clone();
    }
    incident.decision.as_ref().map_or_else(
        || {
            incident.diagnoses.first().map_or_else(
                || "Being looked into".to_owned(),
                |diagnosis| diagnosis.diagnosis.clone(),
            )
        },
        |decision| match decision.verdict {
            Verdict::ActNow => format!("Steward sees to it now · {}", decision.reason),
            Verdict::Ask => format!("Waits for a yes or no · {}", decision.reason),
            // Such a reason is a whole sentence of what stands against it.
            Verdict::Withhold => decision.reason.clone(),
        },
    )
}

/// What helped with an incident that is over; else how it ended.
pub fn what_helped(incident: &Incident) -> String {
    let healed = incident
        .resolution
        .as_ref()
        .is_some_and(|end| end.kind == ResolutionKind::Healed);
    let done = incident
        .timeline
        .iter()
        .rfind(|entry| entry.phase == Phase::Acted);
    match done.filter(|_| healed) {
        Some(done) => done.text.clone(),
        None => incident_state(incident),
    }
}

/// Where an entry of the journal leads: the address of what it is about.
pub fn link(entry: &Envelope) -> Option<crate::route::Route> {
    use crate::{filter::SecurityFilter, route::Route};
    match &entry.event {
        Event::IncidentChanged { incident, .. } => Some(Route::Incident(incident.id)),
        Event::TaskChanged { task, .. } => Some(Route::Task(task.id)),
        Event::ActionIntended { task, .. }
        | Event::ActionConcluded { task, .. }
        | Event::AnswerRefused { task, .. } => Some(Route::Task(*task)),
        Event::ResourceChanged { resource, .. } | Event::RemedyLearned { resource, .. } => {
            Some(Route::Resource(resource.clone()))
        }
        Event::MessageSent { message, .. } => Some(Route::Conversation(message.conversation)),
        Event::SecurityScanned { .. } | Event::PortAccepted { .. } | Event::SecurityDay { .. } => {
            Some(Route::Security(SecurityFilter::default()))
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
