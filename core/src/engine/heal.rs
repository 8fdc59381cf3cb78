//! What a person asks to be done: the plan is theirs to ask for, policy, guards and journal are the same as ever.

use jiff::Timestamp;
use steward_api::{
    ActionName, AskRequest, Diagnosis, ErrorCode, Health, Incident, IncidentId, Offers, Phase,
    Plan, Problem, ProblemDetails, Requester, ResourceId, ResourceKind, Role, Severity, Task,
    Verdict,
};

use super::{
    handle::Caller,
    requests::{need, store_unavailable},
    state::State,
};
use crate::flow::decide::{
    Answer, Planner, Question, asked_plan, heal_plan, nearest_problem, offered, weigh_heal,
};
use crate::ports::words;

/// What a person asks for.
struct Asked {
    resource: ResourceId,
    /// What is wrong, where an incident does not say so.
    problem: Problem,
    plan: Plan,
    /// In words, to stand after a name.
    what: String,
}

/// A plan for what somebody else than Steward wants, with what it is weighed by.
pub(super) struct Planned {
    /// The incident of the resource, or what stands for one.
    pub(super) subject: Incident,
    /// The incident of the resource, where it has one.
    pub(super) incident: Option<IncidentId>,
    pub(super) plan: Plan,
}

impl State {
    /// A heal that a person asks for now: the same policy and guards, the same journal.
    pub(super) async fn heal(
        &mut self,
        name: &str,
        caller: &Caller,
    ) -> Result<Task, ProblemDetails> {
        need(caller, Role::Operator)?;
        let id = self.find_container(name)?;
        if let Some(error) = &self.store_error {
            return Err(store_unavailable(error));
        }
        if let Some(task) = self.busy.get(&id) {
            return Err(ProblemDetails::new(
                ErrorCode::NothingToDo,
                format!("task {task} works on {name} already"),
            ));
        }
        let now = self.clock.now();
        let incident = self
            .incidents
            .of(&id)
            .map(|incident| Incident::clone(incident));
        let resource = self.world.get(&id).cloned();
        match resource.as_ref().map(|resource| resource.health) {
            None => {
                return Err(ProblemDetails::new(
                    ErrorCode::ContainerNotFound,
                    format!("there is no container {name}"),
                ));
            }
            Some(Health::Healthy) if incident.is_none() => {
                return Err(ProblemDetails::new(
                    ErrorCode::NothingToDo,
                    format!("{name} is healthy"),
                ));
            }
            Some(Health::Unknown)
                if resource
                    .as_ref()
                    .and_then(|r| r.container())
                    .is_some_and(|facts| facts.status == steward_api::ContainerStatus::Unknown) =>
            {
                let detail = format!("how {name} is can't be read now");
                return Err(ProblemDetails::new(ErrorCode::EngineUnavailable, detail));
            }
            Some(_) => {}
        }
        let plan = {
            let (graph, resources) = self.world.picture();
            let planner = Planner {
                resources,
                graph,
                config: &self.config,
            };
            heal_plan(&planner, &id).map_err(|problem| {
                ProblemDetails::new(ErrorCode::NothingToDo, problem.to_string())
            })?
        };
        let asked = Asked {
            resource: id,
            problem: Problem::ContainerStopped,
            plan,
            what: "asked for a heal".to_owned(),
        };
        self.weigh_asked(asked, caller, now).await
    }

    /// What may be asked to be done to a resource now.
    pub(super) fn offers(&mut self, id: ResourceId) -> Result<Offers, ProblemDetails> {
        let subject = self.subject(&id)?;
        let (graph, resources) = self.world.picture();
        let planner = Planner {
            resources,
            graph,
            config: &self.config,
        };
        let mut actions = offered(&planner, &self.records, &subject);
        for offer in &mut actions {
            offer.record = self.records.of_action(offer.action, &id);
        }
        Ok(Offers {
            actions,
            resource: id,
        })
    }

    /// An action that a person asks for on a resource: the same policy and guards, the same journal.
    pub(super) async fn ask_for(
        &mut self,
        request: AskRequest,
        caller: &Caller,
    ) -> Result<Task, ProblemDetails> {
        need(caller, Role::Operator)?;
        let AskRequest { id, action, reason } = request;
        if let Some(error) = &self.store_error {
            return Err(store_unavailable(error));
        }
        let Planned { subject, plan, .. } = self.plan_asked(&id, action)?;
        let what = match crate::redact::redact(&reason).replace('\n', " ").trim() {
            "" => format!("asked for {action}"),
            reason => format!("asked for {action}: {reason}"),
        };
        let asked = Asked {
            problem: subject.problem,
            resource: id,
            plan,
            what,
        };
        let now = self.clock.now();
        self.weigh_asked(asked, caller, now).await
    }

    /// The plan of an action on a resource, where it is offered and nothing is at work on what it touches.
    pub(super) fn plan_asked(
        &mut self,
        id: &ResourceId,
        action: ActionName,
    ) -> Result<Planned, ProblemDetails> {
        let subject = self.subject(id)?;
        let plan = {
            let (graph, resources) = self.world.picture();
            let planner = Planner {
                resources,
                graph,
                config: &self.config,
            };
            asked_plan(&planner, &self.records, &subject, action).ok_or_else(|| {
                let may: Vec<_> = offered(&planner, &self.records, &subject)
                    .iter()
                    .map(|offer| offer.action.as_str())
                    .collect();
                let may = if may.is_empty() {
                    "there is nothing that Steward could do to it now".to_owned()
                } else {
                    format!("what may be asked for now: {}", may.join(", "))
                };
                ProblemDetails::new(
                    ErrorCode::NothingToDo,
                    format!("{action} can't be done to {}; {may}", id.short()),
                )
            })?
        };
        let touched = plan.touches();
        if let Some((resource, task)) = touched
            .iter()
            .find_map(|resource| self.busy.get(resource).map(|task| (resource, task)))
        {
            return Err(ProblemDetails::new(
                ErrorCode::NothingToDo,
                format!("task {task} works on {} already", resource.short()),
            ));
        }
        Ok(Planned {
            incident: self.incidents.of(id).map(|incident| incident.id),
            subject,
            plan,
        })
    }

    /// The incident of a resource, or what stands for one where nothing is known to be wrong.
    fn subject(&self, id: &ResourceId) -> Result<Incident, ProblemDetails> {
        let resource = self.world.get(id).ok_or_else(|| {
            ProblemDetails::new(
                ErrorCode::ResourceNotFound,
                format!("`{id}` is not among the resources; /api/resources lists them"),
            )
        })?;
        Ok(self.incidents.of(id).map_or_else(
            || asked_for(id, nearest_problem(resource), self.clock.now()),
            |incident| Incident::clone(incident),
        ))
    }

    /// Weighs a plan that a person asked for, and makes its task.
    async fn weigh_asked(
        &mut self,
        asked: Asked,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Task, ProblemDetails> {
        let Asked {
            resource: id,
            problem,
            plan,
            what,
        } = asked;
        let incident = self
            .incidents
            .of(&id)
            .map(|incident| Incident::clone(incident));
        let subject = incident
            .clone()
            .unwrap_or_else(|| asked_for(&id, problem, now));
        let diagnosis = subject
            .diagnoses
            .first()
            .cloned()
            .unwrap_or_else(|| asked_diagnosis(caller));
        let answer = self.weigh_plan(&subject, &diagnosis, plan, now);
        let Some(plan) = answer.plan.clone() else {
            return Err(ProblemDetails::new(
                ErrorCode::Withheld,
                answer.decision.reason,
            ));
        };
        let mut events = incident
            .as_ref()
            .map(|incident| self.cancel_questions(incident.id, &format!("a person {what}")))
            .unwrap_or_default();
        let requires_approval = answer.decision.verdict == Verdict::Ask;
        let why = format!("{} {what}. {}", caller.identity, answer.decision.reason);
        let requester = Requester::Person {
            identity: caller.identity.clone(),
            channel: caller.channel,
        };
        let incident_id = incident.as_ref().map(|incident| incident.id);
        let mut task = self
            .new_task(
                plan,
                incident_id,
                id,
                2,
                why,
                requires_approval,
                requester,
                now,
            )
            .ok_or_else(|| store_unavailable("no number for a new task could be had"))?;
        task.record = answer.record;
        if let Some(incident) = incident_id {
            self.healed.remove(&incident);
            self.incidents
                .edit(incident, |incident| incident.tasks.push(task.id));
        }
        events.push(Self::task_event(steward_api::TaskChange::Created, &task));
        self.commit_now(events)
            .await
            .map_err(|error| store_unavailable(&words(&error)))?;
        self.tasks.insert(task.id, task.clone());
        Ok(task)
    }

    /// What policy and guards say of a plan that somebody else than Steward wants. Only while the journal takes writes.
    pub(super) fn weigh_plan(
        &mut self,
        subject: &Incident,
        diagnosis: &Diagnosis,
        plan: Plan,
        now: Timestamp,
    ) -> Answer {
        let local = self.local(now);
        let recent_faults = self
            .world
            .recent_faults(now, self.config.guards.blast_window);
        let incidents = &self.incidents;
        let (graph, resources) = self.world.picture();
        weigh_heal(
            &Question {
                incident: subject,
                diagnosis,
                resources,
                graph,
                config: &self.config,
                autonomy: self.autonomy,
                records: &self.records,
                actions: &self.actions,
                recent_faults,
                has_incident: &|id| incidents.of(id).is_some(),
                journal_writable: true,
                now,
                local,
            },
            plan,
        )
    }

    /// A container by its name, its full resource id, or at least 12 characters of its engine id.
    fn find_container(&self, name: &str) -> Result<ResourceId, ProblemDetails> {
        let by_name = ResourceId::container(self.node.clone(), name);
        if self.world.get(&by_name).is_some() {
            return Ok(by_name);
        }
        if let Ok(id) = name.parse::<ResourceId>()
            && id.kind == ResourceKind::Container
            && self.world.get(&id).is_some()
        {
            return Ok(id);
        }
        let by_engine_id = self.world.resources().values().find(|resource| {
            name.len() >= 12
                && resource
                    .container()
                    .is_some_and(|facts| facts.container_id.starts_with(name))
        });
        by_engine_id
            .map(|resource| resource.id.clone())
            .ok_or_else(|| {
                ProblemDetails::new(
                    ErrorCode::ContainerNotFound,
                    format!("there is no container {name} on {}", self.node),
                )
            })
    }
}

/// What stands for the incident where a person asks for something without one. It is weighed, never journaled.
fn asked_for(resource: &ResourceId, problem: Problem, now: Timestamp) -> Incident {
    Incident {
        id: IncidentId(0),
        resource: resource.clone(),
        problem,
        severity: Severity::Degraded,
        phase: Phase::Detected,
        title: "asked for by a person".to_owned(),
        findings: Vec::new(),
        affected: Vec::new(),
        diagnoses: Vec::new(),
        chosen: None,
        decision: None,
        tasks: Vec::new(),
        flaps: 0,
        opened_at: now,
        updated_at: now,
        resolved_at: None,
        resolution: None,
        timeline: Vec::new(),
    }
}

fn asked_diagnosis(caller: &Caller) -> Diagnosis {
    Diagnosis {
        diagnosis: "A person asked for it".to_owned(),
        recommended_action: None,
        withheld: None,
        urgency: steward_api::Urgency::Medium,
        confidence: 0,
        reasoning: String::new(),
        evidence: Vec::new(),
        source: format!("person:{}", caller.identity),
        advice: String::new(),
    }
}
