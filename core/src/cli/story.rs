//! Events, plans, diagnoses and logs in words: the parts that several commands show. Pure.

use steward_api::{
    CallResult, Diagnosis, Envelope, Event, ExecutionEntry, IncidentChange, Plan, Precondition,
    StepResult, Task, TaskChange, Undo, Urgency, Verification,
};

use super::output::{Screen, Tone, clean, health_mark, severity_mark, task_mark, units};

/// What an event says, as symbol, tone and words.
pub(crate) fn event_words(event: &Event) -> (&'static str, Tone, String) {
    match event {
        Event::AgentStarted { version, autonomy } => (
            "▷",
            Tone::Strong,
            format!("agent {version} started, autonomy {autonomy}"),
        ),
        Event::AgentStopped { reason } => ("□", Tone::Strong, format!("agent stopped: {reason}")),
        Event::SourceUp { source } => ("●", Tone::Good, format!("source {source} answers")),
        Event::SourceDown { source, error } => (
            "✖",
            Tone::Bad,
            format!("source {source} does not answer: {error}"),
        ),
        Event::ResourceChanged {
            resource,
            from,
            to,
            reason,
        } => {
            let mark = health_mark(*to);
            let before = from.map_or_else(|| "new".to_owned(), |from| from.to_string());
            let why = if reason.is_empty() {
                String::new()
            } else {
                format!(": {reason}")
            };
            (
                mark.symbol,
                mark.tone,
                format!("{resource} {before} → {to}{why}"),
            )
        }
        Event::ResourceGone { resource } => ("○", Tone::Quiet, format!("{resource} is gone")),
        Event::IncidentChanged { change, incident } => {
            let mark = severity_mark(incident.severity);
            let (symbol, tone) = match change {
                IncidentChange::Resolved | IncidentChange::Learned => ("✔", Tone::Good),
                _ => (mark.symbol, mark.tone),
            };
            let latest = match change {
                IncidentChange::Resolved => incident
                    .resolution
                    .as_ref()
                    .map_or(String::new(), |end| format!(" — {}", end.text)),
                IncidentChange::Assessed => incident
                    .decision
                    .as_ref()
                    .map_or(String::new(), |decision| format!(" — {}", decision.reason)),
                IncidentChange::Diagnosed => incident
                    .diagnoses
                    .first()
                    .map_or(String::new(), |diagnosis| {
                        format!(" — {}", diagnosis.diagnosis)
                    }),
                _ => String::new(),
            };
            (
                symbol,
                tone,
                format!(
                    "incident {} {}: {}{latest}",
                    incident.id,
                    incident_word(*change),
                    incident.title
                ),
            )
        }
        Event::TaskChanged { change, task } => {
            let mark = task_mark(task.status);
            let more = match change {
                TaskChange::Completed | TaskChange::Failed => task
                    .result
                    .as_ref()
                    .map_or(String::new(), |result| format!(" — {}", result.details)),
                TaskChange::Progressed => task
                    .execution_log
                    .last()
                    .map_or(String::new(), |entry| format!(" — {}", entry_words(entry))),
                TaskChange::Approved | TaskChange::Rejected => task
                    .approval
                    .as_ref()
                    .map_or(String::new(), |answer| format!(" by {}", answer.identity)),
                TaskChange::Created if task.requires_approval => " — waits for a yes".to_owned(),
                _ => String::new(),
            };
            (
                mark.symbol,
                mark.tone,
                format!(
                    "task {} {}: {}{more}",
                    task.id,
                    task_word(*change),
                    task.description
                ),
            )
        }
        Event::ActionIntended {
            task,
            action,
            resource,
            undo,
            ..
        } => (
            "▶",
            Tone::Plain,
            format!(
                "task {task}: {}{action} on {resource}",
                if *undo { "undo " } else { "" }
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
            let (symbol, tone, word) = match result {
                StepResult::Succeeded => ("✔", Tone::Good, "succeeded"),
                StepResult::NotVerified => ("✖", Tone::Bad, "was done but had no effect"),
                StepResult::Failed => ("✖", Tone::Bad, "failed"),
                StepResult::Skipped => ("○", Tone::Quiet, "was skipped"),
                StepResult::Interrupted => ("?", Tone::Unsure, "was interrupted"),
                StepResult::Undone => ("↶", Tone::Warn, "was taken back"),
            };
            (
                symbol,
                tone,
                format!(
                    "task {task}: {}{action} {word}: {details}",
                    if *undo { "undo " } else { "" }
                ),
            )
        }
        Event::RemedyLearned {
            problem,
            action,
            resource,
            success,
            record,
        } => (
            "✎",
            Tone::Quiet,
            format!(
                "learned: {action} for {problem} on {resource} {} (here {} of {} times)",
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
            "⊘",
            Tone::Warn,
            format!("the answer of {identity} to task {task} was refused: {code}"),
        ),
        Event::AutonomyChanged { from, to, by } => {
            ("⚙", Tone::Strong, format!("autonomy {from} → {to} by {by}"))
        }
        Event::ConfigReloaded { changed, by } => (
            "⚙",
            Tone::Strong,
            match by.as_str() {
                "" => format!("configuration read anew: {}", changed.join(", ")),
                by => format!("configuration changed by {by}: {}", changed.join(", ")),
            },
        ),
        Event::ConfigRefused { error } => (
            "✖",
            Tone::Bad,
            format!("changed configuration refused, the one before goes on: {error}"),
        ),
        Event::TokenMade { name, role, by } => (
            "⚙",
            Tone::Strong,
            format!("token {name} made, role {role}, by {by}"),
        ),
        Event::TokenRevoked { name, by } => {
            ("⊘", Tone::Strong, format!("token {name} revoked by {by}"))
        }
        Event::MessageSent {
            conversation,
            message,
        } => (
            "”",
            Tone::Quiet,
            format!(
                "conversation {}: {} to {} ({})",
                conversation.id, message.from, message.to, message.kind
            ),
        ),
        Event::SecurityScanned {
            part,
            failed: Some(reason),
            ..
        } => (
            "◎",
            Tone::Warn,
            format!("security: {} could not be read: {reason}", part.as_str()),
        ),
        Event::SecurityScanned { part, summary, .. } => {
            let score = summary
                .security_score
                .map_or_else(|| "not known".to_owned(), |score| format!("{score} of 100"));
            (
                "◎",
                Tone::Quiet,
                format!("security: {} read; the score is {score}", part.as_str()),
            )
        }
        Event::PortAccepted { port, by } => (
            "◎",
            Tone::Strong,
            format!("port {} is expected from now on, says {by}", port.short()),
        ),
        Event::SecurityDay { day } => ("◎", Tone::Strong, day.title.clone()),
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
                "⏎",
                Tone::Quiet,
                format!("{identity} ({role}) signed in by {}{from}", by.in_words()),
            )
        }
        Event::ModelCalled { call } => {
            let tone = if call.result == CallResult::Answered {
                Tone::Quiet
            } else {
                Tone::Warn
            };
            let why = call
                .error
                .as_ref()
                .map_or_else(String::new, |error| format!(": {error}"));
            (
                "?",
                tone,
                format!(
                    "model {} asked ({}): {}{why}",
                    call.model, call.purpose, call.result
                ),
            )
        }
    }
}

const fn incident_word(change: IncidentChange) -> &'static str {
    match change {
        IncidentChange::Detected => "detected",
        IncidentChange::Updated => "updated",
        IncidentChange::Diagnosed => "diagnosed",
        IncidentChange::Assessed => "assessed",
        IncidentChange::Acted => "acted on",
        IncidentChange::Resolved => "resolved",
        IncidentChange::Learned => "learned from",
        IncidentChange::Reopened => "came back",
        IncidentChange::Advised => "looked at by a model",
        IncidentChange::Chosen => "diagnosis chosen",
    }
}

const fn task_word(change: TaskChange) -> &'static str {
    match change {
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
    }
}

/// One line for an entry of the journal.
pub(crate) fn event_line(screen: &Screen, entry: &Envelope) -> String {
    let (symbol, tone, words) = event_words(&entry.event);
    format!(
        "{}  {} {}\n",
        screen.paint(
            Tone::Quiet,
            units::exact_clock(entry.at, screen.now, &screen.zone)
        ),
        screen.paint(tone, symbol),
        clean(&words)
    )
}

/// An entry of an execution log in words: `restarted container: exit code 1 before`.
pub(crate) fn entry_words(entry: &ExecutionEntry) -> String {
    let action = entry.action.replace('_', " ");
    if entry.details.is_empty() {
        action
    } else {
        format!("{action}: {}", entry.details)
    }
}

/// One line for an entry of an execution log, with the time since the task began where that is known.
pub(crate) fn log_line(screen: &Screen, task: &Task, entry: &ExecutionEntry) -> String {
    let offset = entry
        .timestamp
        .duration_since(task.started_at.unwrap_or(task.created_at));
    format!(
        "  {}  {}\n",
        screen.paint(Tone::Quiet, format!("{:>+8.2} s", offset.as_secs_f64())),
        clean(&entry_words(entry))
    )
}

/// A plan as the exact change with its undo: what a person says yes to.
pub(crate) fn plan(screen: &Screen, plan: &Plan) -> String {
    let mut out = String::new();
    let several = plan.steps().len() > 1;
    for (index, step) in plan.steps().iter().enumerate() {
        let number = if several {
            format!("{}. ", index + 1)
        } else {
            String::new()
        };
        let action = format!("{number}{}", step.action);
        out.push_str(&screen.painted_field(
            if index == 0 { "will do" } else { "then" },
            &screen.paint(Tone::Strong, clean(&action)),
        ));
        out.push_str(&screen.field("only while", &precondition_words(&step.precondition)));
        out.push_str(&screen.field("done when", &verification_words(&step.verification)));
        let undo = match &step.undo {
            Undo::Action { action } => action.to_string(),
            Undo::Impossible { reason } => format!("none: {reason}"),
        };
        out.push_str(&screen.field("undo", &undo));
    }
    out
}

fn precondition_words(precondition: &Precondition) -> String {
    use steward_api::ContainerCondition as Condition;
    match precondition {
        Precondition::Container {
            resource,
            condition,
            ..
        } => {
            let state = match condition {
                Condition::NotRunning => "does not run",
                Condition::Failing => "does not run or fails its health check",
                Condition::Running => "runs",
                Condition::Exists => "exists",
            };
            format!("it is the same container and {} {state}", resource.short())
        }
        Precondition::Limits { resource, .. } => {
            format!(
                "it is the same container and the limits of {} are as shown",
                resource.short()
            )
        }
        Precondition::UnitFailed { unit } => format!("{} is failed", unit.short()),
        Precondition::EngineAnswers { engine } => format!("{engine} answers"),
        Precondition::EngineSilent { engine } => format!("{engine} does not answer"),
        Precondition::PreviousKept { resource, .. } => {
            format!(
                "the {} from before is kept and another runs in its place",
                resource.short()
            )
        }
        Precondition::CertificateIs { certificate, .. } => {
            format!("{} still shows the same certificate", certificate.short())
        }
        Precondition::AddressFree { address, .. } => {
            format!("this host can block addresses, and {address} is not your own")
        }
        Precondition::Nothing => "always: it is safe at any time".to_owned(),
    }
}

fn verification_words(verification: &Verification) -> String {
    match verification {
        Verification::ContainersHealthy {
            containers,
            stable_seconds,
            within_seconds,
        } => {
            let names: Vec<_> = containers.iter().map(|id| id.short()).collect();
            format!(
                "{} well for {stable_seconds} s, beginning within {within_seconds} s",
                if names.len() == 1 {
                    format!("{} is", names[0])
                } else {
                    format!("{} are", names.join(", "))
                }
            )
        }
        Verification::ContainerStopped { container } => {
            format!("{} does not run", container.short())
        }
        Verification::LimitsAre {
            container,
            stable_seconds: 0,
            ..
        } => format!("{} has the new limits", container.short()),
        Verification::LimitsAre {
            container,
            stable_seconds,
            ..
        } => format!(
            "{} has the new limits and stays up for {stable_seconds} s",
            container.short()
        ),
        Verification::UnitActive {
            unit,
            stable_seconds,
        } => format!("{} is active for {stable_seconds} s", unit.short()),
        Verification::EngineAnswers {
            engine,
            within_seconds,
        } => format!("{engine} answers, within {within_seconds} s"),
        Verification::CertificateRenewed {
            certificate,
            ended_at,
            within_seconds,
        } => format!(
            "{} shows one that ends after {ended_at:.0}, within {within_seconds} s",
            certificate.short()
        ),
        Verification::AddressBlocked { address, .. } => format!("{address} is blocked"),
        Verification::ByReport => "it reports what it did".to_owned(),
    }
}

/// A diagnosis with its evidence.
pub(crate) fn diagnosis(screen: &Screen, diagnosis: &Diagnosis) -> String {
    let mut out = screen.field("cause", &diagnosis.diagnosis);
    out.push_str(&screen.field("because", &diagnosis.reasoning));
    out.push_str(&screen.field(
        "sure",
        &format!("{} %, says {}", diagnosis.confidence, diagnosis.source),
    ));
    let urgency = match diagnosis.urgency {
        Urgency::Low => "when there is time",
        Urgency::Medium => "today",
        Urgency::High => "within the hour",
        Urgency::Critical => "now",
    };
    let recommended = diagnosis.recommended_action.map_or_else(
        || "nothing that Steward can do".to_owned(),
        |action| action.as_str().replace('_', " "),
    );
    let recommended = match &diagnosis.withheld {
        Some(_) => "nothing".to_owned(),
        None => recommended,
    };
    out.push_str(&screen.field("recommends", &format!("{recommended}, {urgency}")));
    if let Some(withheld) = &diagnosis.withheld {
        let action = withheld.action.as_str().replace('_', " ");
        out.push_str(&screen.field("withheld", &format!("{action}: {}", withheld.reason)));
    }
    if !diagnosis.advice.is_empty() {
        out.push_str(&screen.field("you can", &diagnosis.advice));
    }
    for (index, evidence) in diagnosis.evidence.iter().enumerate() {
        let at = evidence.at.map_or_else(String::new, |at| {
            format!("{} ", units::exact_clock(at, screen.now, &screen.zone))
        });
        out.push_str(&screen.field(
            if index == 0 { "evidence" } else { "" },
            &format!("{at}[{}] {}", evidence.source, evidence.text),
        ));
    }
    out
}
