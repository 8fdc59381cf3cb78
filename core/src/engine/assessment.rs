//! From an incident to a decision: diagnosed from what was gathered, then assessed by policy and guards.
//!
//! It gathers nothing and does nothing itself: what it decides becomes a task, and only tasks act.

use jiff::Timestamp;
use steward_api::{Event, Incident, IncidentChange, IncidentId, Phase, TaskState, Verdict};

use super::{
    state::{State, Wake},
    talk::is_proposal,
};
use crate::flow::{
    decide::{Answer, Occasion, Question, decide, occasion},
    diagnose::{add_of_catalogue, is_news},
};

impl State {
    pub(super) async fn diagnose(
        &mut self,
        id: IncidentId,
        log: &[String],
        log_error: Option<String>,
    ) {
        let Some(incident) = self.incidents.by_id(id).cloned() else {
            return;
        };
        // In the middle of an action a resource looks like anything, and while nothing is wrong there is nothing to explain: what was
        // diagnosed before stands.
        let is_in_between = self.busy.contains_key(&incident.resource)
            || self.incidents.is_quiet(&incident.resource);
        if is_in_between && !incident.diagnoses.is_empty() {
            return;
        }
        let now = self.clock.now();
        let mut events = Vec::new();
        let error = log_error.as_deref();
        let Some(diagnosis) = self
            .catalogue
            .examine(&incident, &mut self.world, log, error)
        else {
            return;
        };
        if is_news(&incident, &diagnosis) {
            let text = format!(
                "{} ({} % sure, {})",
                diagnosis.diagnosis, diagnosis.confidence, diagnosis.source
            );
            if let Some(incident) = self.incidents.edit(id, |incident| {
                incident.phase = incident.phase.max(Phase::Diagnosed);
                incident.note(now, Phase::Diagnosed, text);
                add_of_catalogue(incident, diagnosis);
            }) {
                events.push(Event::IncidentChanged {
                    change: IncidentChange::Diagnosed,
                    incident: Box::new(Incident::clone(&incident)),
                });
            }
        } else {
            self.incidents
                .edit(id, |incident| add_of_catalogue(incident, diagnosis));
        }
        let start = self.assess(id, &mut events);
        self.commit(events).await;
        if let Some(task) = start {
            self.begin_task(task).await;
        }
        self.advise_if_unsure(id);
    }

    // --------------------------------------------------------------------------------------------------------- assessment

    pub(super) async fn assess_and_commit(&mut self, id: IncidentId) {
        let mut events = Vec::new();
        let start = self.assess(id, &mut events);
        self.commit(events).await;
        if let Some(task) = start {
            self.begin_task(task).await;
        }
    }

    /// Decides anew about every incident, because something that all decisions rest on has changed.
    pub(super) async fn reassess_all(&mut self) {
        let now = self.clock.now();
        let all: Vec<_> = self
            .incidents
            .active()
            .map(|incident| incident.id)
            .collect();
        for id in all {
            self.wakes.insert((now, Wake::Assess(id)));
        }
    }

    /// Decides about an incident; adds what follows to `events`, and says which task is to begin after they are journaled.
    pub(super) fn assess(
        &mut self,
        id: IncidentId,
        events: &mut Vec<Event>,
    ) -> Option<steward_api::TaskId> {
        let incident = self.incidents.by_id(id).cloned()?;
        let now = self.clock.now();
        let is_quiet = self.incidents.is_quiet(&incident.resource);
        let healed_at = self.healed.get(&id).copied();
        let open = self
            .tasks
            .values()
            .filter(|task| task.incident == Some(id))
            // What a specialist proposed holds nothing up until a person has said yes to it; then it comes before a question.
            .filter(|task| task.approved || !is_proposal(task))
            .max_by_key(|task| task.approved || task.status == TaskState::InProgress)
            .cloned();
        match occasion(is_quiet, healed_at, open.as_ref(), now) {
            Occasion::Nothing => return None,
            Occasion::Wait(until) => {
                self.wakes.insert((until, Wake::Assess(id)));
                return None;
            }
            Occasion::Decide => {
                self.healed.remove(&id);
            }
        }
        let answer = self.decide(&incident, now)?;
        let mut start = None;
        let same_question = answer.is_asked_by(open.as_ref());
        if !same_question {
            events.extend(self.cancel_questions(id, "decided anew"));
            if let Some(plan) = answer.plan.clone() {
                let task = self.make_task(&incident, plan, &answer, now);
                let task_id = task.as_ref().map(|task| task.id);
                if let Some(task) = task {
                    events.push(Self::task_event(steward_api::TaskChange::Created, &task));
                    self.tasks.insert(task.id, task);
                }
                if answer.decision.verdict == Verdict::ActNow {
                    start = task_id;
                }
                if let Some(task_id) = task_id {
                    self.incidents
                        .edit(id, |incident| incident.tasks.push(task_id));
                }
            }
        }
        if let Some(at) = answer.decision.retry_at {
            self.wakes.insert((at, Wake::Assess(id)));
        }
        let is_news = incident.decision.as_ref() != Some(&answer.decision)
            || !same_question && answer.plan.is_some();
        if is_news {
            let text = answer.decision.reason.clone();
            let decision = answer.decision;
            tracing::info!(incident = %id, verdict = ?decision.verdict, guard = decision.guard, "{text}");
            if let Some(incident) = self.incidents.edit(id, |incident| {
                incident.phase = incident.phase.max(Phase::Assessed);
                incident.note(
                    now,
                    Phase::Assessed,
                    format!("{}: {text}", in_words(decision.verdict)),
                );
                incident.decision = Some(decision);
            }) {
                events.push(Event::IncidentChanged {
                    change: IncidentChange::Assessed,
                    incident: Box::new(Incident::clone(&incident)),
                });
            }
        }
        start
    }

    fn decide(&mut self, incident: &Incident, now: Timestamp) -> Option<Answer> {
        let diagnosis = incident.diagnoses.first()?;
        let window = self.config.guards.blast_window;
        let recent_faults = self.world.recent_faults(now, window);
        let local = self.local(now);
        let incidents = &self.incidents;
        let (graph, resources) = self.world.picture();
        Some(decide(&Question {
            incident,
            diagnosis,
            resources,
            graph,
            config: &self.config,
            autonomy: self.autonomy,
            records: &self.records,
            actions: &self.actions,
            recent_faults,
            has_incident: &|id| incidents.of(id).is_some(),
            journal_writable: self.store_error.is_none(),
            now,
            local,
        }))
    }
}

fn in_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::ActNow => "Steward acts",
        Verdict::Ask => "A person is asked",
        Verdict::Withhold => "Steward withholds",
    }
}
