//! From an incident to a decision in a scenario, as in the engine.

use jiff::SignedDuration;
use steward_api::{Incident, IncidentId, Phase, ResourceId, ResourceKind, Verdict};

use super::run::{Item, Runner, Wake};
use crate::{
    flow::{
        decide::{Occasion, Question, decide, occasion},
        diagnose::is_news,
    },
    ports::later,
};

/// How long a log and a fresh reading take to come.
const GATHERING: SignedDuration = SignedDuration::from_millis(20);
impl Runner {
    // ------------------------------------------------------------------------------------------------------ investigation

    pub(super) fn investigate(&mut self, incident: &Incident) {
        if !incident.is_active() {
            return;
        }
        if let Some(once_more) = self.gathering.get_mut(&incident.id) {
            *once_more = true;
            return;
        }
        if self.log_subject(incident).is_none() {
            return self.diagnose(incident.id, &[]);
        }
        self.gathering.insert(incident.id, false);
        self.schedule(later(self.now, GATHERING), Item::Gathered(incident.id));
    }

    fn log_subject(&self, incident: &Incident) -> Option<ResourceId> {
        if incident.resource.kind == ResourceKind::Container {
            return Some(incident.resource.clone());
        }
        match &self.world.get(&incident.resource)?.facts {
            steward_api::Facts::Service(facts) => facts.container.clone(),
            steward_api::Facts::Database(facts) => facts.container.clone(),
            _ => None,
        }
    }

    pub(super) fn gathered(&mut self, id: IncidentId) {
        let once_more = self.gathering.remove(&id).unwrap_or(false);
        let Some(incident) = self.incidents.by_id(id).cloned() else {
            return;
        };
        let mut log = Vec::new();
        if let Some(subject) = self.log_subject(&incident) {
            self.read_one(&subject);
            if self.stage.engine_error.is_none() {
                log = self.stage.logs.get(&subject).cloned().unwrap_or_default();
            }
        }
        self.diagnose(id, &log);
        if once_more && let Some(incident) = self.incidents.by_id(id).cloned() {
            self.investigate(&incident);
        }
    }

    pub(super) fn diagnose(&mut self, id: IncidentId, log: &[String]) {
        let Some(incident) = self.incidents.by_id(id).cloned() else {
            return;
        };
        let is_in_between = self.busy.contains_key(&incident.resource)
            || self.incidents.is_quiet(&incident.resource);
        if is_in_between && !incident.diagnoses.is_empty() {
            return;
        }
        let now = self.now;
        let Some(diagnosis) = self
            .catalogue
            .examine(&incident, &mut self.world, log, None)
        else {
            return;
        };
        if is_news(&incident, &diagnosis) {
            self.teller.diagnosis(id, &diagnosis);
        }
        self.incidents.edit(id, |incident| {
            incident.phase = incident.phase.max(Phase::Diagnosed);
            incident.diagnoses = vec![diagnosis];
            incident.updated_at = now;
        });
        self.assess(id);
    }

    // --------------------------------------------------------------------------------------------------------- assessment

    pub(super) fn reassess_all(&mut self) {
        let all: Vec<_> = self
            .incidents
            .active()
            .map(|incident| incident.id)
            .collect();
        for id in all {
            self.wake(self.now, Wake::Assess(id));
        }
    }

    pub(super) fn assess(&mut self, id: IncidentId) {
        let Some(incident) = self.incidents.by_id(id).cloned() else {
            return;
        };
        let now = self.now;
        let is_quiet = self.incidents.is_quiet(&incident.resource);
        let healed_at = self.healed.get(&id).copied();
        let open = self
            .tasks
            .values()
            .find(|task| task.incident == Some(id))
            .cloned();
        match occasion(is_quiet, healed_at, open.as_ref(), now) {
            Occasion::Nothing => return,
            Occasion::Wait(until) => return self.wake(until, Wake::Assess(id)),
            Occasion::Decide => {
                self.healed.remove(&id);
            }
        }
        let Some(answer) = self.with_question(&incident, decide) else {
            return;
        };
        let same_question = answer.is_asked_by(open.as_ref());
        let is_news = incident.decision.as_ref() != Some(&answer.decision)
            || !same_question && answer.plan.is_some();
        if is_news {
            self.teller.decision(id, &answer.decision);
        }
        let mut start = None;
        if !same_question {
            self.cancel_questions(id, "decided anew");
            if let Some(plan) = answer.plan.clone() {
                let asks = answer.decision.verdict == Verdict::Ask;
                let task = self.make_task(Some(id), incident.resource.clone(), plan, asks);
                self.made.push((self.tasks[&task].clone(), answer.clone()));
                start = (!asks).then_some(task);
            }
        }
        if let Some(at) = answer.decision.retry_at {
            self.wake(at, Wake::Assess(id));
        }
        if is_news {
            self.incidents.edit(id, |incident| {
                incident.phase = incident.phase.max(Phase::Assessed);
                incident.decision = Some(answer.decision);
                incident.updated_at = now;
            });
        }
        if let Some(task) = start {
            self.begin_task(task);
        }
    }

    /// Puts a question together as the engine does.
    pub(super) fn with_question<T>(
        &mut self,
        incident: &Incident,
        ask: impl FnOnce(&Question<'_>) -> T,
    ) -> Option<T> {
        let diagnosis = incident.diagnoses.first()?;
        let recent_faults = self
            .world
            .recent_faults(self.now, self.config.guards.blast_window);
        let local = self.local();
        let incidents = &self.incidents;
        let (graph, resources) = self.world.picture();
        Some(ask(&Question {
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
            journal_writable: self.journal_works,
            now: self.now,
            local,
        }))
    }

    pub(super) fn tell_end(&mut self) {
        let incidents: Vec<_> = self.incidents.active().cloned().collect();
        let tasks: Vec<_> = self.tasks.values().cloned().collect();
        self.teller.end(&incidents, &tasks);
    }
}
