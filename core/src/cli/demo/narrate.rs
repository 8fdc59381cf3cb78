//! What of the event stream is told in a scene, and how far the scene has come. Pure: events in, lines out.

use jiff::{SignedDuration, Timestamp};
use steward_api::{
    Envelope, Event, Incident, IncidentChange, ResolutionKind, ResourceId, StepResult, Task,
    TaskChange, TaskState, Verdict,
};

use super::super::output::Tone;

/// What a scene is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// A failure is healed, and the healing verified.
    Healed,
    /// A risky fix waits, is approved, done and verified.
    Approved,
    /// Nothing is done, and it is said why.
    LeftAlone,
}

/// How far a scene has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It goes on.
    On,
    /// A person is asked about this task.
    Asked(Box<Task>),
    /// It has shown what it is to show.
    Done,
    /// It has come out otherwise; says how.
    Failed(String),
}

/// One line of the tale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Since the scene's beginning.
    pub(super) after: SignedDuration,
    pub(super) tone: Tone,
    pub(super) text: String,
}

/// Tells one scene about one resource.
#[derive(Debug)]
pub(super) struct Narrator {
    aim: Aim,
    resource: ResourceId,
    /// From when on time is told.
    began: Timestamp,
    /// What was told last: the same is not told twice in a row.
    told: String,
    /// The task that a person is to be asked about, until the question is put.
    question: Option<Box<Task>>,
    /// Whether it was told what was decided and why: nobody should be asked before.
    decided: bool,
    /// Whether the question was put already.
    asked: bool,
}

impl Narrator {
    pub(super) fn new(aim: Aim, resource: ResourceId, began: Timestamp) -> Self {
        Self {
            aim,
            resource,
            began,
            told: String::new(),
            question: None,
            decided: false,
            asked: false,
        }
    }

    /// Puts the scene's beginning at the moment when the failure really happened.
    pub(super) fn began_at(&mut self, began: Timestamp) {
        self.began = began;
    }

    /// Whether an event belongs to this scene.
    pub(super) fn is_about(&self, event: &Event) -> bool {
        event.resource() == Some(&self.resource)
    }

    /// Takes one event; says what to tell of it and how far the scene has come.
    pub(super) fn take(&mut self, entry: &Envelope) -> (Option<Line>, Progress) {
        if !self.is_about(&entry.event) {
            return (None, Progress::On);
        }
        let line = words(&entry.event)
            .filter(|(_, text)| *text != self.told)
            .map(|(tone, text)| {
                self.told.clone_from(&text);
                Line {
                    after: entry
                        .at
                        .duration_since(self.began)
                        .max(SignedDuration::ZERO),
                    tone,
                    text,
                }
            });
        let mut progress = match &entry.event {
            Event::IncidentChanged { change, incident } => {
                self.decided |= *change == IncidentChange::Assessed;
                self.incident(*change, incident)
            }
            Event::TaskChanged { task, .. } => self.task(task),
            _ => Progress::On,
        };
        if progress == Progress::On
            && self.decided
            && let Some(task) = self.question.take()
        {
            self.asked = true;
            progress = Progress::Asked(task);
        }
        (line, progress)
    }

    fn incident(&self, change: IncidentChange, incident: &Incident) -> Progress {
        match self.aim {
            Aim::Healed if change == IncidentChange::Resolved => match &incident.resolution {
                Some(end) if end.kind == ResolutionKind::Healed => Progress::Done,
                Some(end) => Progress::Failed(format!("it ended otherwise: {}", end.text)),
                None => Progress::On,
            },
            // Only what was decided after the loop was seen as one counts.
            Aim::LeftAlone
                if incident.is_active()
                    && incident.problem == steward_api::Problem::RestartLoop
                    && incident
                        .decision
                        .as_ref()
                        .is_some_and(|decision| decision.verdict == Verdict::Withhold) =>
            {
                Progress::Done
            }
            _ => Progress::On,
        }
    }

    fn task(&mut self, task: &Task) -> Progress {
        match (self.aim, task.status) {
            (Aim::Approved, TaskState::Pending) if task.requires_approval && !task.approved => {
                if !self.asked {
                    self.question = Some(Box::new(task.clone()));
                }
                Progress::On
            }
            (Aim::Approved, TaskState::Completed) => Progress::Done,
            (Aim::Approved, state) if state.is_final() => Progress::Failed(format!(
                "the task ended as {state}{}",
                task.result
                    .as_ref()
                    .map_or(String::new(), |result| format!(": {}", result.details))
            )),
            _ => Progress::On,
        }
    }
}

/// What is told of an event: the beats of the flow, not every ripple.
fn words(event: &Event) -> Option<(Tone, String)> {
    match event {
        Event::IncidentChanged { change, incident } => match change {
            IncidentChange::Detected | IncidentChange::Reopened => Some((
                Tone::Bad,
                format!(
                    "incident {}: {} ({})",
                    incident.id, incident.title, incident.severity
                ),
            )),
            IncidentChange::Diagnosed => incident.diagnoses.first().map(|diagnosis| {
                (
                    Tone::Plain,
                    format!(
                        "diagnosis: {} ({} % sure, {})",
                        diagnosis.diagnosis, diagnosis.confidence, diagnosis.source
                    ),
                )
            }),
            IncidentChange::Assessed => incident.decision.as_ref().map(|decision| {
                let verdict = match decision.verdict {
                    Verdict::ActNow => "act now",
                    Verdict::Ask => "ask a person",
                    Verdict::Withhold => "leave it alone",
                };
                (
                    if decision.verdict == Verdict::ActNow {
                        Tone::Plain
                    } else {
                        Tone::Warn
                    },
                    format!("decision: {verdict}. {}", decision.reason),
                )
            }),
            IncidentChange::Resolved => incident.resolution.as_ref().map(|end| {
                (
                    Tone::Good,
                    format!("incident {} is over: {}", incident.id, end.text),
                )
            }),
            IncidentChange::Updated
            | IncidentChange::Acted
            | IncidentChange::Learned
            | IncidentChange::Advised
            | IncidentChange::Chosen => None,
        },
        Event::TaskChanged { change, task } => match change {
            TaskChange::Created if task.requires_approval => Some((
                Tone::Ask,
                format!(
                    "task {} waits for a yes: {} ({} risk)",
                    task.id, task.description, task.risk
                ),
            )),
            TaskChange::Approved => task.approval.as_ref().map(|answer| {
                (
                    Tone::Ask,
                    format!("task {} approved by {}", task.id, answer.identity),
                )
            }),
            TaskChange::Failed => task.result.as_ref().map(|result| {
                (
                    Tone::Bad,
                    format!("task {} failed: {}", task.id, result.details),
                )
            }),
            _ => None,
        },
        Event::ActionIntended { action, undo, .. } => Some((
            Tone::Plain,
            format!(
                "{}{} asked of the engine (written down first)",
                if *undo { "undo " } else { "" },
                action.as_str().replace('_', " ")
            ),
        )),
        Event::ActionConcluded {
            result, details, ..
        } => Some(match result {
            StepResult::Succeeded => (Tone::Good, format!("verified: {details}")),
            StepResult::NotVerified => (Tone::Bad, format!("done without effect: {details}")),
            StepResult::Failed => (Tone::Bad, format!("failed: {details}")),
            StepResult::Skipped => (Tone::Warn, format!("skipped: {details}")),
            StepResult::Interrupted => (Tone::Unsure, format!("interrupted: {details}")),
            StepResult::Undone => (Tone::Warn, format!("taken back: {details}")),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use steward_api::{Decision, Problem, TaskId};

    use super::*;
    use crate::cli::samples;

    fn began() -> Timestamp {
        "2026-03-10T11:58:00Z".parse().unwrap()
    }

    fn tell(narrator: &mut Narrator, millis: i64, event: Event) -> (Option<String>, Progress) {
        let entry = Envelope {
            seq: millis,
            node: "demo".to_owned(),
            at: began() + SignedDuration::from_millis(millis),
            event,
            hash: String::new(),
        };
        let (line, progress) = narrator.take(&entry);
        let told = line.map(|line| format!("{:.2} {}", line.after.as_secs_f64(), line.text));
        (told, progress)
    }

    fn incident_event(change: IncidentChange, incident: Incident) -> Event {
        Event::IncidentChanged {
            change,
            incident: Box::new(incident),
        }
    }

    #[test]
    fn a_healing_is_told_beat_by_beat_and_ends_when_verified() {
        let incident = samples::healed_incident();
        let mut open = incident.clone();
        open.resolution = None;
        open.resolved_at = None;
        let mut narrator = Narrator::new(Aim::Healed, incident.resource.clone(), began());
        let (told, _) = tell(
            &mut narrator,
            50,
            incident_event(IncidentChange::Detected, open.clone()),
        );
        assert_eq!(
            told.unwrap(),
            "0.05 incident 12: nginx exited with code 137 (unhealthy)"
        );
        let again = tell(
            &mut narrator,
            55,
            incident_event(IncidentChange::Updated, open.clone()),
        );
        assert_eq!(again, (None, Progress::On));
        let (told, _) = tell(
            &mut narrator,
            60,
            incident_event(IncidentChange::Diagnosed, open),
        );
        assert!(
            told.unwrap()
                .starts_with("0.06 diagnosis: The main process was killed (85 % sure")
        );
        let other = Event::ResourceGone {
            resource: "atlas/container/other".parse().unwrap(),
        };
        assert_eq!(tell(&mut narrator, 70, other), (None, Progress::On));
        let (told, progress) = tell(
            &mut narrator,
            2300,
            incident_event(IncidentChange::Resolved, incident.clone()),
        );
        assert_eq!(
            told.unwrap(),
            "2.30 incident 12 is over: task 3 restarted nginx"
        );
        assert_eq!(progress, Progress::Done);

        let mut otherwise = incident;
        otherwise.resolution.as_mut().unwrap().kind = ResolutionKind::Gone;
        let (_, progress) = tell(
            &mut narrator,
            2300,
            incident_event(IncidentChange::Resolved, otherwise),
        );
        assert!(matches!(progress, Progress::Failed(_)));
    }

    #[test]
    fn a_risky_fix_asks_once_and_ends_with_its_task() {
        let task = samples::waiting_task();
        let event = |change, task: &Task| Event::TaskChanged {
            change,
            task: Box::new(task.clone()),
        };
        let mut narrator = Narrator::new(Aim::Approved, task.resource.clone(), began());
        let (told, progress) = tell(&mut narrator, 10, event(TaskChange::Created, &task));
        assert!(told.unwrap().contains("waits for a yes"));
        assert_eq!(
            progress,
            Progress::On,
            "nobody is asked before the reason is told"
        );
        let mut incident = samples::looping_incident();
        incident.resource = task.resource.clone();
        let (_, progress) = tell(
            &mut narrator,
            11,
            incident_event(IncidentChange::Assessed, incident),
        );
        assert!(matches!(progress, Progress::Asked(asked) if asked.id == TaskId(4)));
        assert_eq!(
            tell(&mut narrator, 11, event(TaskChange::Created, &task)).1,
            Progress::On
        );
        let mut ended = task.clone();
        ended.status = TaskState::Completed;
        assert_eq!(
            tell(&mut narrator, 20, event(TaskChange::Completed, &ended)).1,
            Progress::Done
        );
        ended.status = TaskState::Rejected;
        assert!(matches!(
            tell(&mut narrator, 20, event(TaskChange::Rejected, &ended)).1,
            Progress::Failed(_)
        ));
    }

    #[test]
    fn a_loop_left_alone_needs_the_reason() {
        let mut incident = samples::looping_incident();
        let mut narrator = Narrator::new(Aim::LeftAlone, incident.resource.clone(), began());
        let (told, progress) = tell(
            &mut narrator,
            900,
            incident_event(IncidentChange::Assessed, incident.clone()),
        );
        assert!(told.unwrap().contains("leave it alone. one more restart"));
        assert_eq!(progress, Progress::Done);
        incident.decision = Some(Decision {
            verdict: Verdict::ActNow,
            ..incident.decision.unwrap()
        });
        assert_eq!(
            tell(
                &mut narrator,
                900,
                incident_event(IncidentChange::Assessed, incident.clone())
            )
            .1,
            Progress::On
        );
        incident.problem = Problem::ContainerStopped;
        assert_eq!(
            tell(
                &mut narrator,
                900,
                incident_event(IncidentChange::Updated, incident)
            )
            .1,
            Progress::On
        );
    }
}
