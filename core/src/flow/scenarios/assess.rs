//! From an incident to a decision in a scenario, as in the engine.

use jiff::SignedDuration;
use steward_api::{
    Health, Incident, IncidentId, Phase, Resource, ResourceId, ResourceKind, TaskState, Verdict,
};

use super::run::{Item, Runner, Wake};
use crate::{
    flow::decide::{Question, decide},
    ports::{Case, later},
};

/// How long a log and a fresh reading take to come.
const GATHERING: SignedDuration = SignedDuration::from_millis(20);
/// As in the engine: how long a verified fix has to make its finding vanish.
const EFFECT_MAY_TAKE: SignedDuration = SignedDuration::from_mins(5);

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
        let history = self
            .world
            .history(&incident.resource)
            .cloned()
            .unwrap_or_default();
        let (graph, resources) = self.world.picture();
        let Some(resource) = resources.get(&incident.resource) else {
            return;
        };
        let failing: Vec<&Resource> = graph
            .upstream(&incident.resource)
            .iter()
            .filter(|id| matches!(id.kind, ResourceKind::Container | ResourceKind::Database))
            .filter_map(|id| resources.get(id))
            .filter(|resource| {
                matches!(
                    resource.health,
                    Health::Unhealthy | Health::Restarting | Health::Stopped
                )
            })
            .map(AsRef::as_ref)
            .collect();
        let problems: Vec<_> = incident
            .findings
            .iter()
            .map(|finding| finding.problem)
            .collect();
        let case = Case {
            problem: incident.problem,
            problems: &problems,
            resource,
            history: &history,
            log,
            failing_dependencies: &failing,
        };
        let diagnosis = self.catalogue.diagnose(&case, &incident.findings);
        let is_news = incident.diagnoses.first().is_none_or(|known| {
            known.diagnosis != diagnosis.diagnosis || known.source != diagnosis.source
        });
        if is_news {
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
        if self.incidents.is_quiet(&incident.resource) {
            return;
        }
        if let Some(since) = self.healed.get(&id) {
            let patience_ends = later(*since, EFFECT_MAY_TAKE);
            if now < patience_ends {
                return self.wake(patience_ends, Wake::Assess(id));
            }
            self.healed.remove(&id);
        }
        let open = self
            .tasks
            .values()
            .find(|task| task.incident == Some(id))
            .cloned();
        if open
            .as_ref()
            .is_some_and(|task| task.status == TaskState::InProgress || task.approved)
        {
            return;
        }
        let Some(answer) = self.with_question(&incident, decide) else {
            return;
        };
        let same_question = open.as_ref().is_some_and(|task| {
            answer.decision.verdict == Verdict::Ask
                && answer
                    .plan
                    .as_ref()
                    .is_some_and(|plan| *plan.hash() == task.plan_hash)
        });
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
