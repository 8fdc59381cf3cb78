//! Tasks in a scenario: made, answered by people, carried out on the stage, and ended as the script says.

use jiff::{SignedDuration, Timestamp};
use steward_api::{
    Action, ActionName, Approval, Channel, ContainerHealth, Decision, Facts, IncidentId, Phase,
    Plan, Requester, ResourceId, StepResult, Task, TaskId, TaskResult, TaskState, Undo, Verdict,
    Verification,
};

use super::{
    run::{Item, Runner, Wake},
    script::{NODE, duration},
    stage::{engine_id, source_of},
};
use crate::{
    flow::{
        decide::{Planner, heal_plan, weigh_heal},
        tasks::{TaskInput, advance},
    },
    ports::{ActionRecord, ContainerSignal, later},
};

/// How tasks end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Ok,
    Dies,
    Error,
    Skipped,
    Never,
}

/// How tasks end, and how long after they were begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    how: How,
    after: SignedDuration,
}

impl Default for Ending {
    fn default() -> Self {
        Self {
            how: How::Ok,
            after: SignedDuration::from_secs(11),
        }
    }
}

impl Ending {
    pub(super) fn parse(words: &[String]) -> Self {
        let how = match words[0].as_str() {
            "ok" => How::Ok,
            "dies" => How::Dies,
            "error" => How::Error,
            "skipped" => How::Skipped,
            "never" => How::Never,
            other => panic!("tasks do not end `{other}`"),
        };
        Self {
            how,
            after: words
                .get(2)
                .map_or(SignedDuration::from_secs(11), |word| duration(word)),
        }
    }
}

/// Where a task under way stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// This step begins.
    Begin(u32),
    /// The container of this step ends again.
    Falls(ResourceId),
    /// This step is over, as was said when it began.
    Over(u32, How),
}

impl Runner {
    pub(super) fn make_task(
        &mut self,
        incident: Option<IncidentId>,
        resource: ResourceId,
        plan: Plan,
        asks: bool,
    ) -> TaskId {
        let id = TaskId(self.next_task);
        self.next_task += 1;
        let now = self.now;
        let task = Task {
            id,
            node: NODE.to_owned(),
            incident,
            resource,
            description: String::new(),
            task_type: plan.steps()[0].action.task_type(),
            priority: 3,
            risk: plan.risk(),
            plan_hash: plan.hash().clone(),
            plan,
            requires_approval: asks,
            approved: false,
            approval: None,
            status: TaskState::Pending,
            why: String::new(),
            record: Default::default(),
            requested_by: Requester::Steward,
            created_at: now,
            expires_at: asks.then(|| later(now, self.config.approvals.expire_after)),
            not_before: None,
            started_at: None,
            finished_at: None,
            result: None,
            execution_log: Vec::new(),
        };
        self.teller.task_made(&task);
        self.tasks.insert(id, task);
        if let Some(incident) = incident {
            self.incidents
                .edit(incident, |incident| incident.tasks.push(id));
        }
        id
    }

    fn change(&mut self, id: TaskId, input: TaskInput) -> bool {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(&id) else {
            return false;
        };
        let outcome = advance(task, input, now);
        if let Ok(change) = outcome {
            self.teller.task(change, task);
            if task.status.is_final() {
                self.tasks.remove(&id);
            }
        }
        outcome.is_ok()
    }

    pub(super) fn cancel_questions(&mut self, incident: IncidentId, why: &str) {
        let open: Vec<_> = self
            .tasks
            .values()
            .filter(|task| task.incident == Some(incident) && task.status != TaskState::InProgress)
            .map(|task| task.id)
            .collect();
        for id in open {
            self.change(id, TaskInput::Cancel(why.to_owned()));
        }
    }

    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.tasks
            .values()
            .filter(|task| task.status == TaskState::Pending && !task.approved)
            .filter_map(|task| task.expires_at)
            .min()
    }

    pub(super) fn expire(&mut self) {
        let now = self.now;
        let lapsed: Vec<_> = self
            .tasks
            .values()
            .filter(|task| task.status == TaskState::Pending && !task.approved)
            .filter(|task| task.expires_at.is_some_and(|at| at <= now))
            .map(|task| task.id)
            .collect();
        for id in lapsed {
            let incident = self.tasks.get(&id).and_then(|task| task.incident);
            self.change(id, TaskInput::Expire);
            if let Some(incident) = incident {
                self.settle(incident, "expired", "nobody answered".to_owned());
            }
        }
    }

    // -------------------------------------------------------------------------------------------------------------- people

    pub(super) fn answer(&mut self, approved: bool) {
        let Some(task) = self
            .tasks
            .values()
            .find(|task| {
                task.status == TaskState::Pending && task.requires_approval && !task.approved
            })
            .cloned()
        else {
            return self.teller.say("nothing is asked");
        };
        let answer = Approval {
            approved,
            plan_hash: task.plan_hash.clone(),
            by: "ada".to_owned(),
            identity: "admin".to_owned(),
            channel: Channel::Cli,
            note: String::new(),
            at: self.now,
        };
        self.change(task.id, TaskInput::Answer(answer));
        if approved {
            return self.begin_task(task.id);
        }
        let Some(incident) = task.incident else {
            return;
        };
        self.settle(incident, "rejected", "ada said no".to_owned());
    }

    fn settle(&mut self, incident: IncidentId, guard: &str, reason: String) {
        let now = self.now;
        let decision = Decision {
            verdict: Verdict::Withhold,
            reason: reason.clone(),
            guard: Some(guard.to_owned()),
            retry_at: None,
        };
        self.teller.decision(incident, &decision);
        self.incidents.edit(incident, |incident| {
            incident.note(now, Phase::Assessed, reason);
            incident.decision = Some(decision);
        });
    }

    pub(super) fn heal(&mut self, name: &str) {
        let id = ResourceId::container(NODE, name);
        let Some(incident) = self.incidents.of(&id).cloned() else {
            return self.teller.say(&format!("{name} is healthy"));
        };
        if self.busy.contains_key(&id) {
            return self.teller.say("a task works on it already");
        }
        let plan = {
            let (graph, resources) = self.world.picture();
            let planner = Planner {
                resources,
                graph,
                config: &self.config,
            };
            heal_plan(&planner, &id).unwrap()
        };
        let answer = self
            .with_question(&incident, |question| weigh_heal(question, plan))
            .unwrap();
        self.teller.decision(incident.id, &answer.decision);
        let Some(plan) = answer.plan else { return };
        self.cancel_questions(incident.id, "a person asked for a heal");
        let asks = answer.decision.verdict == Verdict::Ask;
        self.healed.remove(&incident.id);
        let task = self.make_task(Some(incident.id), id, plan, asks);
        if !asks {
            self.begin_task(task);
        }
    }

    // ----------------------------------------------------------------------------------------------------------- execution

    pub(super) fn begin_task(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(&id).cloned() else {
            return;
        };
        let touches = task.plan.touches();
        if let Some(other) = touches.iter().find_map(|resource| self.busy.get(resource)) {
            if task.status == TaskState::Pending {
                let why = format!("task {other} works on the same resource");
                self.change(id, TaskInput::Hold(why));
            }
            return;
        }
        if !self.change(id, TaskInput::Start) {
            return;
        }
        for resource in touches {
            self.world.history_mut(&resource).steward_acting = true;
            self.busy.insert(resource, id);
        }
        self.schedule(self.now, Item::Carry(id, Part::Begin(0)));
    }

    pub(super) fn carry(&mut self, id: TaskId, part: Part) {
        let Some(task) = self.tasks.get(&id).cloned() else {
            return;
        };
        let Ending { how, after } = self.ending;
        match part {
            Part::Begin(step) => {
                let action = task.plan.steps()[step as usize].action.clone();
                self.intend(&task, step, false, &action);
                // What a plan rests on can't be read while the engine is silent.
                let is_silent = self.stage.engine_error.is_some()
                    && source_of(action.target().kind) == "docker"
                    && action.name() != ActionName::RestartDockerDaemon;
                let how = if is_silent { How::Skipped } else { how };
                if !task.approved && !matches!(how, How::Error | How::Skipped) {
                    for resource in action.touches() {
                        if action.name().is_restart() {
                            self.restarts.push((self.now, resource.clone(), id));
                        }
                    }
                }
                match how {
                    How::Error => return self.over(&task, step, StepResult::Failed),
                    How::Skipped => return self.over(&task, step, StepResult::Skipped),
                    How::Ok | How::Never => self.apply(&action),
                    How::Dies => {
                        self.apply(&action);
                        if let Action::RestartContainer { container, .. }
                        | Action::StartContainer { container } = &action
                        {
                            let soon = later(self.now, duration("1s"));
                            let falls = Part::Falls(container.resource.clone());
                            self.schedule(soon, Item::Carry(id, falls));
                        }
                    }
                }
                if how != How::Never {
                    self.schedule(
                        later(self.now, after),
                        Item::Carry(id, Part::Over(step, how)),
                    );
                }
            }
            Part::Falls(resource) => {
                let now = self.now;
                let code = self
                    .stage
                    .container(&resource)
                    .and_then(|facts| facts.exit_code)
                    .filter(|code| *code != 143)
                    .unwrap_or(1);
                self.teller.say(&format!("{} ends again", resource.short()));
                self.stage.end(&resource, now, code, false);
                let died = ContainerSignal::Died { exit_code: code };
                let signal = self.stage.signal(&resource, now, died);
                self.signalled(&signal);
            }
            Part::Over(step, how) => {
                let result = match how {
                    How::Ok => StepResult::Succeeded,
                    How::Error => StepResult::Failed,
                    How::Skipped => StepResult::Skipped,
                    _ => StepResult::NotVerified,
                };
                self.over(&task, step, result);
            }
        }
    }

    fn intend(&mut self, task: &Task, step: u32, undo: bool, action: &Action) {
        let now = self.now;
        self.teller.intent(task.id, step, undo, action);
        for resource in action.touches() {
            self.actions.intended(ActionRecord {
                task: task.id,
                step,
                undo,
                action: action.name(),
                resource: resource.clone(),
                problem: None,
                intended_at: now,
                concluded: None,
            });
        }
    }

    /// A step is over; what follows for the task.
    fn over(&mut self, task: &Task, step: u32, result: StepResult) {
        self.conclude(task, step, false, result);
        let steps = task.plan.steps();
        if result == StepResult::Succeeded && steps.len() > step as usize + 1 {
            self.schedule(self.now, Item::Carry(task.id, Part::Begin(step + 1)));
            return;
        }
        let success = result == StepResult::Succeeded;
        if !success {
            let applied = result != StepResult::Skipped;
            for index in (0..=step).rev() {
                if index == step && !applied {
                    continue;
                }
                if let Undo::Action { action } = &steps[index as usize].undo {
                    self.intend(task, index, true, action);
                    self.apply(action);
                    self.conclude(task, index, true, StepResult::Undone);
                }
            }
        }
        self.executed(task, success);
    }

    fn conclude(&mut self, task: &Task, step: u32, undo: bool, result: StepResult) {
        let action = &task.plan.steps()[step as usize].action;
        self.teller.conclusion(task.id, step, undo, result);
        self.done.push((task.id, result));
        self.actions
            .concluded(task.id, step, undo, self.now, result);
        let problem = task
            .incident
            .and_then(|id| self.incidents.by_id(id))
            .map(|incident| incident.problem);
        if let Some(problem) = problem.filter(|_| !undo) {
            self.records
                .learn(problem, action.name(), action.target(), result);
        }
    }

    fn executed(&mut self, task: &Task, success: bool) {
        let touches = task.plan.touches();
        for resource in &touches {
            if self.busy.get(resource) == Some(&task.id) {
                self.busy.remove(resource);
            }
            self.world.history_mut(resource).steward_acting = false;
        }
        let details = String::new();
        self.change(task.id, TaskInput::Finish(TaskResult { success, details }));
        let is_observed = task
            .plan
            .steps()
            .iter()
            .any(|step| !matches!(step.verification, Verification::ByReport));
        if let Some(incident) = task.incident {
            if success && is_observed {
                self.healed.insert(incident, self.now);
            }
            self.incidents.edit(incident, |incident| {
                incident.phase = incident.phase.max(Phase::Acted);
            });
        }
        for resource in &touches {
            self.read_one(resource);
        }
        self.judge(touches, Vec::new());
        if let Some(id) = task.incident
            && let Some(incident) = self.incidents.by_id(id).cloned()
        {
            if success && !self.healed.contains_key(&id) {
                self.schedule(self.now, Item::Read(source_of(incident.resource.kind)));
                self.wake(later(self.now, duration("5s")), Wake::Assess(id));
            } else {
                self.investigate(&incident);
            }
        }
        let waiting: Vec<_> = self
            .tasks
            .values()
            .filter(|task| task.status == TaskState::Waiting)
            .map(|task| (task.id, task.approved, task.incident))
            .collect();
        for (id, approved, incident) in waiting {
            match incident {
                Some(incident) if !approved => self.wake(self.now, Wake::Assess(incident)),
                _ => self.begin_task(id),
            }
        }
    }

    /// Changes the stage as the action would, with the events that the engine would tell.
    fn apply(&mut self, action: &Action) {
        match action {
            Action::StartContainer { container } | Action::RestartContainer { container, .. } => {
                self.restart(&container.resource);
            }
            Action::ResetConnections {
                container,
                dependents,
                ..
            } => {
                self.restart(&container.resource);
                for dependent in dependents {
                    self.restart(&dependent.resource);
                }
            }
            Action::StopContainer { container, .. } => self.stop(&container.resource),
            Action::SetLimits { container, to, .. } => {
                let to = *to;
                #[allow(clippy::cast_precision_loss, reason = "thousandths of cores are few")]
                self.stage.edit(&container.resource, |facts| {
                    facts.memory_limit_bytes = to.memory_bytes;
                    facts.cpu_limit_cores = to.cpu_millicores.map(|milli| milli as f64 / 1000.0);
                });
                let signal =
                    self.stage
                        .signal(&container.resource, self.now, ContainerSignal::Changed);
                self.signalled(&signal);
            }
            Action::RestartUnit { unit } => _ = self.stage.resources.remove(unit),
            Action::RestartDockerDaemon { engine } if *engine == engine_id() => {
                self.stage.engine_error = None;
            }
            _ => {}
        }
    }

    fn stop(&mut self, id: &ResourceId) {
        let now = self.now;
        for kind in [
            ContainerSignal::KillRequested { signal: 15 },
            ContainerSignal::Died { exit_code: 143 },
            ContainerSignal::Stopped,
        ] {
            if matches!(kind, ContainerSignal::Died { .. }) {
                self.stage.end(id, now, 143, false);
            }
            let signal = self.stage.signal(id, now, kind);
            self.signalled(&signal);
        }
    }

    fn restart(&mut self, id: &ResourceId) {
        let runs = self
            .stage
            .container(id)
            .is_some_and(|facts| facts.status == steward_api::ContainerStatus::Running);
        if runs {
            self.stop(id);
        }
        let now = self.now;
        self.stage.begin(id, now);
        let signal = self.stage.signal(id, now, ContainerSignal::Started);
        self.signalled(&signal);
        // A check that passes at once keeps the scenarios short.
        let has_check = matches!(
            self.stage.resources.get(id).map(|resource| &resource.facts),
            Some(Facts::Container(facts)) if facts.has_health_check
        );
        if has_check {
            self.stage
                .edit(id, |facts| facts.health = ContainerHealth::Healthy);
            let healthy = ContainerSignal::HealthChanged(ContainerHealth::Healthy);
            let signal = self.stage.signal(id, now, healthy);
            self.signalled(&signal);
        }
    }
}
