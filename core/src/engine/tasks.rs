//! Tasks from their making to their end, and what the executor writes down meanwhile.

use jiff::{SignedDuration, Timestamp};
use steward_api::{
    Decision, Envelope, Event, ExecutionEntry, Incident, IncidentChange, IncidentId, Phase, Plan,
    Problem, Requester, ResourceId, Severity, StepResult, Task, TaskChange, TaskId, TaskResult,
    TaskState, Verdict, Verification,
};

use super::{
    metrics::{ActionLabels, ContainerLabels},
    state::{State, Wake},
    stimulus::Stimulus,
    talk::is_proposal,
};
use crate::{
    flow::{
        act::{Conclusion, Execution, Intent},
        decide::Answer,
        tasks::{TaskInput, advance},
    },
    ports::{ActionRecord, Cadence, StoreError, later},
};

/// After a fix that only reports what it did (space freed), the next reading tells whether it helped; the slowest gauge is read so often.
const NEXT_READING: SignedDuration = SignedDuration::from_secs(5);

impl State {
    pub(super) fn task_event(change: TaskChange, task: &Task) -> Event {
        Event::TaskChanged {
            change,
            task: Box::new(task.clone()),
        }
    }

    /// Makes a task for an incident; `None` when no number can be had because the journal takes no writes.
    pub(super) fn make_task(
        &mut self,
        incident: &Incident,
        plan: Plan,
        answer: &Answer,
        now: Timestamp,
    ) -> Option<Task> {
        let asks = answer.decision.verdict == Verdict::Ask;
        let priority = match incident.severity {
            Severity::Critical => 1,
            Severity::Unhealthy => 3,
            Severity::Degraded => 5,
        };
        let why = match incident.diagnoses.first() {
            Some(diagnosis) => format!(
                "{}: {}. {}",
                incident.title, diagnosis.diagnosis, answer.decision.reason
            ),
            None => format!("{}. {}", incident.title, answer.decision.reason),
        };
        let incident_id = (incident.id != IncidentId(0)).then_some(incident.id);
        self.new_task(
            plan,
            incident_id,
            incident.resource.clone(),
            priority,
            why,
            asks,
            Requester::Steward,
            now,
        )
        .map(|mut task| {
            task.record = answer.record;
            task
        })
    }

    #[allow(clippy::too_many_arguments, reason = "each is a field of the task")]
    pub(super) fn new_task(
        &mut self,
        plan: Plan,
        incident: Option<IncidentId>,
        resource: ResourceId,
        priority: u8,
        why: String,
        requires_approval: bool,
        requested_by: Requester,
        now: Timestamp,
    ) -> Option<Task> {
        let id = TaskId(self.ids.pop_front()?);
        let description = plan
            .steps()
            .iter()
            .map(|step| step.action.to_string())
            .collect::<Vec<_>>()
            .join(", then ");
        let task_type = plan.steps().first()?.action.task_type();
        self.metrics.came_into(TaskState::Pending);
        Some(Task {
            id,
            node: self.node.clone(),
            incident,
            resource,
            description,
            task_type,
            priority,
            risk: plan.risk(),
            plan_hash: plan.hash().clone(),
            plan,
            requires_approval,
            approved: false,
            approval: None,
            status: TaskState::Pending,
            why,
            record: Default::default(),
            requested_by,
            created_at: now,
            expires_at: requires_approval.then(|| later(now, self.config.approvals.expire_after)),
            not_before: None,
            started_at: None,
            finished_at: None,
            result: None,
            execution_log: Vec::new(),
        })
    }

    /// Cancels what Steward itself asks about an incident, or is to do about it. What specialists proposed stays.
    pub(super) fn cancel_questions(&mut self, incident: IncidentId, why: &str) -> Vec<Event> {
        self.cancel_some(incident, why, |task| !is_proposal(task))
    }

    /// Cancels everything that is asked or waits for an incident that is over.
    pub(super) fn cancel_all(&mut self, incident: IncidentId, why: &str) -> Vec<Event> {
        self.cancel_some(incident, why, |_| true)
    }

    fn cancel_some(
        &mut self,
        incident: IncidentId,
        why: &str,
        which: impl Fn(&Task) -> bool,
    ) -> Vec<Event> {
        let open: Vec<_> = self
            .tasks
            .values()
            .filter(|task| task.incident == Some(incident) && task.status != TaskState::InProgress)
            .filter(|task| which(task))
            .map(|task| task.id)
            .collect();
        open.into_iter()
            .filter_map(|id| self.change_task(id, TaskInput::Cancel(why.to_owned())))
            .collect()
    }

    /// Applies something to an open task; a final one is no longer held. The refusal of the task machine means that there is nothing to do.
    pub(super) fn change_task(&mut self, id: TaskId, input: TaskInput) -> Option<Event> {
        let now = self.clock.now();
        let task = self.tasks.get_mut(&id)?;
        let before = task.status;
        match advance(task, input, now) {
            Ok(change) => {
                let event = Self::task_event(change, task);
                if task.status != before {
                    self.metrics.came_into(task.status);
                }
                if task.status.is_final() {
                    self.tasks.remove(&id);
                }
                self.is_dirty = true;
                Some(event)
            }
            Err(refusal) => {
                tracing::debug!(task = %id, refusal = %refusal, "a task did not take something");
                None
            }
        }
    }

    pub(super) async fn expire(&mut self, now: Timestamp) {
        let lapsed: Vec<_> = self
            .tasks
            .values()
            .filter(|task| {
                task.status == TaskState::Pending
                    && !task.approved
                    && task.expires_at.is_some_and(|at| at <= now)
            })
            .map(|task| task.id)
            .collect();
        for id in lapsed {
            let incident = self
                .tasks
                .get(&id)
                .filter(|task| !is_proposal(task))
                .and_then(|task| task.incident);
            let mut events: Vec<_> = self
                .change_task(id, TaskInput::Expire)
                .into_iter()
                .collect();
            if let Some(incident) = incident {
                let reason =
                    format!("Nobody answered task {id} in time; `steward heal` asks again");
                events.extend(self.settle(incident, "expired", reason));
            }
            self.commit(events).await;
        }
    }

    /// Notes that a question about an incident is settled without a deed; it is not asked again until something changes.
    pub(super) fn settle(&mut self, id: IncidentId, guard: &str, reason: String) -> Option<Event> {
        let now = self.clock.now();
        let incident = self.incidents.edit(id, |incident| {
            incident.note(now, Phase::Assessed, reason.clone());
            incident.decision = Some(Decision {
                verdict: Verdict::Withhold,
                reason,
                guard: Some(guard.to_owned()),
                retry_at: None,
            });
        })?;
        Some(Event::IncidentChanged {
            change: IncidentChange::Assessed,
            incident: Box::new(Incident::clone(&incident)),
        })
    }

    /// Begins a task that may run: at once, or when what it touches is free.
    pub(super) async fn begin_task(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else {
            return;
        };
        let touches = task.plan.touches();
        if let Some(other) = touches.iter().find_map(|resource| self.busy.get(resource)) {
            let why = format!("task {other} works on the same resource");
            if task.status == TaskState::Pending {
                let event = self.change_task(id, TaskInput::Hold(why));
                self.commit(event.into_iter().collect()).await;
            }
            return;
        }
        let before = task.clone();
        let Some(event) = self.change_task(id, TaskInput::Start) else {
            return;
        };
        if let Err(error) = self.commit_now(vec![event]).await {
            // Not begun: it stays as it was, and is decided anew when the journal takes writes.
            tracing::warn!(task = %id, error = %error, "a task was not begun, because that could not be journaled");
            self.tasks.insert(id, before);
            return;
        }
        for resource in touches {
            self.world.history_mut(&resource).steward_acting = true;
            self.busy.insert(resource, id);
        }
        let Some(task) = self.tasks.get(&id).cloned() else {
            return;
        };
        tracing::info!(task = %id, risk = %task.risk, "{}", task.description);
        let executor = self.executor.clone();
        let stimuli = self.stimuli.clone();
        tokio::spawn(async move {
            let execution = executor.execute(&task).await;
            // An engine that ends meanwhile finds the task under way at its next start, and checks it.
            let _ = stimuli
                .send(Stimulus::Executed {
                    task: task.id,
                    execution,
                })
                .await;
        });
    }

    /// Begins what was allowed and not begun, because the agent ended or the journal took no writes in between: what a person said yes
    /// to, and what a person asked for. What Steward wants by itself is decided anew instead. A yes is good for as long as its question
    /// was; what the plan rests on is read again before anything is done.
    pub(super) async fn begin_allowed(&mut self) {
        let now = self.clock.now();
        let allowed: Vec<_> = self
            .tasks
            .values()
            .filter(|task| matches!(task.status, TaskState::Pending | TaskState::Waiting))
            .filter(|task| task.approved || !task.requires_approval && task.incident.is_none())
            .map(|task| (task.id, task.expires_at.is_some_and(|at| at <= now)))
            .collect();
        for (id, has_lapsed) in allowed {
            if has_lapsed {
                let why = "the agent could not begin it before the question lapsed".to_owned();
                let event = self.change_task(id, TaskInput::Cancel(why));
                self.commit(event.into_iter().collect()).await;
            } else {
                self.begin_task(id).await;
            }
        }
    }

    fn problem_of(&self, task: &Task) -> Option<Problem> {
        task.incident
            .and_then(|id| self.incidents.by_id(id))
            .map(|incident| incident.problem)
    }

    pub(super) async fn intend(&mut self, intent: Intent) -> Result<Envelope, StoreError> {
        let now = self.clock.now();
        let problem = self
            .tasks
            .get(&intent.task)
            .and_then(|task| self.problem_of(task));
        let event = Event::ActionIntended {
            task: intent.task,
            step: intent.step,
            undo: intent.undo,
            action: intent.action.name(),
            resource: intent.action.target().clone(),
            problem,
        };
        let entries = self.commit_now(vec![event]).await?;
        let entry = entries.first().ok_or_else(|| {
            StoreError::Corrupt("an intent came back without its entry".to_owned())
        })?;
        for resource in intent.action.touches() {
            self.actions.intended(ActionRecord {
                task: intent.task,
                step: intent.step,
                undo: intent.undo,
                action: intent.action.name(),
                resource: resource.clone(),
                problem,
                intended_at: now,
                concluded: None,
            });
            if intent.action.name().is_restart() {
                self.metrics
                    .container_restarts
                    .get_or_create(&ContainerLabels {
                        container: resource.short().to_owned(),
                    })
                    .inc();
            }
        }
        Ok(Envelope::clone(entry))
    }

    pub(super) async fn conclude(&mut self, conclusion: Conclusion) {
        let now = self.clock.now();
        let Conclusion {
            intent,
            result,
            details,
        } = conclusion;
        let (action, resource) = (intent.action.name(), intent.action.target().clone());
        self.actions
            .concluded(intent.task, intent.step, intent.undo, now, result);
        let labels = ActionLabels {
            action: action.to_string(),
            result: result_label(result).to_owned(),
        };
        self.metrics.actions.get_or_create(&labels).inc();
        let problem = self
            .tasks
            .get(&intent.task)
            .and_then(|task| self.problem_of(task));
        let mut events = vec![Event::ActionConcluded {
            task: intent.task,
            step: intent.step,
            undo: intent.undo,
            action,
            resource: resource.clone(),
            problem,
            result,
            details,
        }];
        if let Some(problem) = problem.filter(|_| !intent.undo)
            && let Some((success, record)) = self.records.learn(problem, action, &resource, result)
        {
            events.push(Event::RemedyLearned {
                problem,
                action,
                resource,
                success,
                record,
            });
        }
        self.commit(events).await;
    }

    pub(super) async fn log_task(&mut self, id: TaskId, entry: ExecutionEntry) {
        let event = self.change_task(id, TaskInput::Log(entry));
        self.commit(event.into_iter().collect()).await;
    }

    pub(super) async fn executed(&mut self, id: TaskId, execution: Execution) {
        let Execution::Ended(result) = execution else {
            // The agent ends: the journal keeps it as under way, and the next start checks it. Nothing more comes of it in this run.
            self.tasks.remove(&id);
            return;
        };
        let Some(task) = self.tasks.get(&id).cloned() else {
            return;
        };
        let touches = task.plan.touches();
        for resource in &touches {
            if self.busy.get(resource) == Some(&id) {
                self.busy.remove(resource);
            }
            self.world.history_mut(resource).steward_acting = false;
        }
        if !task.requires_approval
            && let Ok(mut autofix) = self.metrics.autofix.lock()
        {
            autofix.0 += u64::from(result.success);
            autofix.1 += 1;
        }
        tracing::info!(task = %id, success = result.success, "{}", result.details);
        let mut events: Vec<_> = self
            .change_task(id, TaskInput::Finish(result.clone()))
            .into_iter()
            .collect();
        if let Some(incident) = task.incident {
            events.extend(self.acted(incident, &task, &result));
        }
        self.commit(events).await;
        // How it is now is read from the world, then judged; that ends the incident or brings the next decision.
        self.read_all_soon(&touches);
        self.judge(touches, Vec::new()).await;
        if let Some(id) = task.incident
            && let Some(incident) = self.incidents.by_id(id).cloned()
        {
            // What a scan found is seen to be mended by a scan alone, and the next would be an hour away.
            if result.success
                && let Some(index) = self.source_of(&incident.resource)
                && self.sources[index].source.cadence() == Cadence::SecurityScan
            {
                self.sources[index].refresh();
            }
            if result.success && !self.healed.contains_key(&id) {
                let at = later(self.clock.now(), NEXT_READING);
                if let Some(index) = self.source_of(&incident.resource) {
                    self.sources[index].refresh();
                }
                self.wakes.insert((at, Wake::Assess(id)));
            } else {
                self.investigate(&incident).await;
            }
        }
        self.begin_waiting().await;
    }

    fn acted(&mut self, id: IncidentId, task: &Task, result: &TaskResult) -> Option<Event> {
        let now = self.clock.now();
        let is_observed = task
            .plan
            .steps()
            .iter()
            .any(|step| !matches!(step.verification, Verification::ByReport));
        if result.success && is_observed {
            self.healed.insert(id, now);
        }
        let text = format!(
            "{}: {}",
            if result.success {
                "Done"
            } else {
                "Did not succeed"
            },
            result.details
        );
        let incident = self.incidents.edit(id, |incident| {
            incident.phase = incident.phase.max(Phase::Acted);
            incident.note(now, Phase::Acted, text);
        })?;
        Some(Event::IncidentChanged {
            change: IncidentChange::Acted,
            incident: Box::new(Incident::clone(&incident)),
        })
    }

    /// Tasks that waited for a resource begin where a person has approved them; the others are decided anew, for the world has changed.
    async fn begin_waiting(&mut self) {
        let waiting: Vec<_> = self
            .tasks
            .values()
            .filter(|task| task.status == TaskState::Waiting)
            .map(|task| {
                (
                    task.id,
                    task.approved || task.incident.is_none(),
                    task.incident,
                )
            })
            .collect();
        for (id, is_settled, incident) in waiting {
            if is_settled {
                Box::pin(self.begin_task(id)).await;
            } else if let Some(incident) = incident {
                self.wakes
                    .insert((self.clock.now(), Wake::Assess(incident)));
            }
        }
    }
}

const fn result_label(result: StepResult) -> &'static str {
    match result {
        StepResult::Succeeded => "succeeded",
        StepResult::NotVerified => "not_verified",
        StepResult::Failed => "failed",
        StepResult::Skipped => "skipped",
        StepResult::Interrupted => "interrupted",
        StepResult::Undone => "undone",
    }
}
