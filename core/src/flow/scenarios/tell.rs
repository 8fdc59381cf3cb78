//! The teller: what the flow does, in lines that a person can read and a test can compare.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use steward_api::{
    Action, ContainerCondition, Decision, Diagnosis, Health, Incident, IncidentChange, IncidentId,
    Precondition, Resource, ResourceId, StepResult, Task, TaskChange, TaskId, Undo, Verdict,
    Verification,
};

use super::run::Wake;

/// Gathers the story.
pub(super) struct Teller {
    start: Timestamp,
    now: Timestamp,
    shown: Option<Timestamp>,
    text: String,
    announced: BTreeMap<ResourceId, Health>,
}

impl Teller {
    pub(super) fn new(start: Timestamp) -> Self {
        Self {
            start,
            now: start,
            shown: None,
            text: String::new(),
            announced: BTreeMap::new(),
        }
    }

    pub(super) fn told(self) -> String {
        self.text
    }

    pub(super) fn at(&mut self, now: Timestamp) {
        self.now = now;
    }

    fn clock(&self, at: Timestamp) -> String {
        let passed = at.duration_since(self.start);
        if passed < SignedDuration::ZERO {
            return "before".to_owned();
        }
        let seconds = passed.as_secs();
        format!(
            "{}:{:02}:{:02}.{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            passed.subsec_millis() / 10
        )
    }

    /// One line, behind its time where that is another than the last line's.
    pub(super) fn say(&mut self, line: &str) {
        let time = if self.shown == Some(self.now) {
            String::new()
        } else {
            self.clock(self.now)
        };
        self.shown = Some(self.now);
        for (index, part) in line.lines().enumerate() {
            let time = if index == 0 { time.as_str() } else { "" };
            let _ = writeln!(self.text, "{}", format!("{time:<11} {part}").trim_end());
        }
    }

    pub(super) fn line(&mut self, words: &[String]) {
        let words: Vec<_> = words
            .iter()
            .map(|word| {
                if word.contains(' ') {
                    format!("\"{word}\"")
                } else {
                    word.clone()
                }
            })
            .collect();
        self.say(&format!("> {}", words.join(" ")));
    }

    pub(super) fn health(&mut self, resource: &Resource) {
        let before = self.announced.insert(resource.id.clone(), resource.health);
        // At first sight it is only worth a line where it is not well.
        if before.unwrap_or(Health::Healthy) != resource.health {
            let line = format!(
                "{} is {}: {}",
                resource.id.short(),
                resource.health,
                resource.reason
            );
            self.say(&line);
        }
    }

    pub(super) fn gone(&mut self, id: &ResourceId) {
        self.announced.remove(id);
        self.say(&format!("{} is gone", id.short()));
    }

    pub(super) fn incident(&mut self, change: IncidentChange, incident: &Incident) {
        let id = incident.id;
        let line = match change {
            IncidentChange::Resolved => {
                let end = incident.resolution.as_ref();
                format!(
                    "incident {id} ({}) resolved, {}: {}",
                    incident.resource.short(),
                    end.map_or_else(String::new, |end| format!("{:?}", end.kind).to_lowercase()),
                    end.map_or("", |end| &end.text)
                )
            }
            _ => {
                let mut line = format!(
                    "incident {id} ({}) {}: {} {}: {}",
                    incident.resource.short(),
                    format!("{change:?}").to_lowercase(),
                    incident.severity,
                    incident.problem,
                    incident.title
                );
                for finding in &incident.findings {
                    let evidence: Vec<_> = finding
                        .evidence
                        .iter()
                        .map(|evidence| format!("{}: {}", evidence.source, evidence.text))
                        .collect();
                    let _ = write!(
                        line,
                        "\n    finding {} ({})",
                        finding.problem,
                        evidence.join("; ")
                    );
                }
                if !incident.affected.is_empty() {
                    let affected: Vec<_> =
                        incident.affected.iter().map(ResourceId::short).collect();
                    let _ = write!(line, "\n    affected: {}", affected.join(", "));
                }
                if incident.flaps > 0 {
                    let _ = write!(line, "\n    came back: {}", incident.flaps);
                }
                line
            }
        };
        self.say(&line);
    }

    pub(super) fn diagnosis(&mut self, id: IncidentId, diagnosis: &Diagnosis) {
        let mut line = format!(
            "incident {id} diagnosed: {} ({} %, {}); recommended: {}\n    because {}",
            diagnosis.diagnosis,
            diagnosis.confidence,
            diagnosis.source,
            diagnosis
                .recommended_action
                .map_or_else(|| "nothing".to_owned(), |action| action.to_string()),
            diagnosis.reasoning
        );
        if !diagnosis.advice.is_empty() {
            let _ = write!(line, "\n    advice: {}", diagnosis.advice);
        }
        self.say(&line);
    }

    pub(super) fn decision(&mut self, id: IncidentId, decision: &Decision) {
        let verdict = match decision.verdict {
            Verdict::ActNow => "act now",
            Verdict::Ask => "ask",
            Verdict::Withhold => "withhold",
        };
        let guard = decision
            .guard
            .as_ref()
            .map_or_else(String::new, |guard| format!(" [{guard}]"));
        let retry = decision
            .retry_at
            .map_or_else(String::new, |at| format!(" (again at {})", self.clock(at)));
        self.say(&format!(
            "incident {id} decided: {verdict}{guard}: {}{retry}",
            decision.reason
        ));
    }

    pub(super) fn wake(&mut self, at: Timestamp, wake: &Wake) {
        let what = match wake {
            Wake::Judge(id) => format!("judge {}", id.short()),
            Wake::Assess(id) => format!("assess incident {id}"),
        };
        let at = self.clock(at);
        self.say(&format!("wakes at {at} to {what}"));
    }

    pub(super) fn task_made(&mut self, task: &Task) {
        let kind = if task.requires_approval {
            "asks"
        } else {
            "made"
        };
        let mut line = format!("task {} {kind}, {} risk", task.id, task.risk);
        for (number, step) in (1..).zip(task.plan.steps()) {
            let undo = match &step.undo {
                Undo::Action { action } => action.to_string(),
                Undo::Impossible { reason } => format!("none, {reason}"),
            };
            let _ = write!(
                line,
                "\n    {number}. {}\n       if {}\n       done when {}\n       undo: {undo}",
                step.action,
                precondition(&step.precondition),
                verification(&step.verification)
            );
        }
        self.say(&line);
    }

    pub(super) fn task(&mut self, change: TaskChange, task: &Task) {
        let why = match change {
            TaskChange::Waiting | TaskChange::Cancelled => task
                .execution_log
                .last()
                .map_or_else(String::new, |entry| format!(": {}", entry.details)),
            _ => String::new(),
        };
        let change = format!("{change:?}").to_lowercase();
        self.say(&format!("task {} {change}{why}", task.id));
    }

    pub(super) fn intent(&mut self, task: TaskId, step: u32, undo: bool, action: &Action) {
        let undo = if undo { " (takes back)" } else { "" };
        self.say(&format!("task {task} step {}{undo}: {action}", step + 1));
    }

    pub(super) fn conclusion(&mut self, task: TaskId, step: u32, undo: bool, result: StepResult) {
        let undo = if undo { " (takes back)" } else { "" };
        let result = format!("{result:?}").to_lowercase();
        self.say(&format!("task {task} step {}{undo}: {result}", step + 1));
    }

    pub(super) fn end(&mut self, incidents: &[Arc<Incident>], tasks: &[Task]) {
        if incidents.is_empty() && tasks.is_empty() {
            return self.say("end: all is well");
        }
        for incident in incidents {
            let decision = incident.decision.as_ref();
            self.say(&format!(
                "end: incident {} ({}) is open: {} {}, {}",
                incident.id,
                incident.resource.short(),
                incident.severity,
                incident.problem,
                decision.map_or_else(
                    || "undecided".to_owned(),
                    |decision| format!("{:?}", decision.verdict).to_lowercase()
                )
            ));
        }
        for task in tasks {
            self.say(&format!("end: task {} is {}", task.id, task.status));
        }
    }
}

fn precondition(condition: &Precondition) -> String {
    match condition {
        Precondition::Container {
            container_id,
            condition,
            ..
        } => {
            let condition = match condition {
                ContainerCondition::NotRunning => "does not run",
                ContainerCondition::Failing => "does not run or fails its check",
                ContainerCondition::Running => "runs",
                ContainerCondition::Exists => "exists",
            };
            format!("{container_id} {condition}")
        }
        Precondition::Limits {
            container_id,
            limits,
            ..
        } => format!("{container_id} has {}", limits_in_words(*limits)),
        Precondition::UnitFailed { unit } => format!("{} is failed", unit.short()),
        Precondition::EngineAnswers { .. } => "the engine answers".to_owned(),
        Precondition::EngineSilent { .. } => "the engine does not answer".to_owned(),
        Precondition::PreviousKept { container_id, .. } => format!("{container_id} is kept"),
        Precondition::CertificateIs { fingerprint, .. } => format!("it is {fingerprint}"),
        Precondition::AddressFree { address, .. } => format!("{address} may be blocked"),
        Precondition::Nothing => "whatever".to_owned(),
    }
}

fn limits_in_words(limits: steward_api::Limits) -> String {
    let memory = limits.memory_bytes.map_or_else(
        || "no limit".to_owned(),
        |bytes| format!("{} MiB", bytes >> 20),
    );
    let cpu = limits.cpu_millicores.map_or_else(
        || "no limit".to_owned(),
        |milli| format!("{milli} millicores"),
    );
    format!("memory {memory}, CPU {cpu}")
}

fn verification(verification: &Verification) -> String {
    match verification {
        Verification::ContainersHealthy {
            containers,
            stable_seconds,
            within_seconds,
        } => {
            let names: Vec<_> = containers.iter().map(ResourceId::short).collect();
            format!(
                "{} well for {stable_seconds} s, begun within {within_seconds} s",
                names.join(", ")
            )
        }
        Verification::ContainerStopped { container } => format!("{} is stopped", container.short()),
        Verification::LimitsAre {
            container,
            limits,
            stable_seconds,
        } => format!(
            "{} has {} for {stable_seconds} s",
            container.short(),
            limits_in_words(*limits)
        ),
        Verification::UnitActive {
            unit,
            stable_seconds,
        } => format!("{} active for {stable_seconds} s", unit.short()),
        Verification::EngineAnswers { within_seconds, .. } => {
            format!("the engine answers within {within_seconds} s")
        }
        Verification::CertificateRenewed { ended_at, .. } => {
            format!("one that ends after {ended_at}")
        }
        Verification::AddressBlocked { address, .. } => format!("{address} is blocked"),
        Verification::ByReport => "it says so".to_owned(),
    }
}
