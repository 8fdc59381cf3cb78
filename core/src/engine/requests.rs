//! What people ask for: answers to questions, heals, another autonomy. Every channel ends here, with the same authorisation.

use std::sync::Arc;

use steward_api::{
    Approval, ApproveRequest, Autonomy, ErrorCode, Event, LogTail, ProblemDetails, RejectRequest,
    ResourceId, Role, Task, TaskId,
};
use tokio::{sync::oneshot, time::timeout};

use super::{
    ConfigChange,
    handle::{Caller, NewSession, Request, TokenChange},
    state::State,
    stimulus::{Answer, Stimulus},
    talk::is_proposal,
};
use crate::{
    config::Config,
    flow::tasks::{TaskInput, takes_answer},
    ports::{Cadence, Reading, words},
};

type Reply<T> = oneshot::Sender<Result<T, ProblemDetails>>;

pub(super) fn need(caller: &Caller, role: Role) -> Result<(), ProblemDetails> {
    if caller.role >= role {
        Ok(())
    } else {
        let detail = format!(
            "the token {} is a {}'s; this needs the role {role}",
            caller.identity, caller.role
        );
        Err(ProblemDetails::new(ErrorCode::Forbidden, detail))
    }
}

pub(super) fn store_unavailable(error: &str) -> ProblemDetails {
    let detail = format!("nothing was changed, because the journal takes no writes now: {error}");
    ProblemDetails::new(ErrorCode::StoreUnavailable, detail)
}

impl State {
    // Whoever asked may have gone meanwhile; what was done stands in the journal, so a lost reply loses nothing. The picture is put up
    // before a reply is sent, so that whoever asked sees what came of it.
    pub(super) async fn answer(&mut self, request: Request) {
        match request {
            Request::Approve {
                task,
                body,
                caller,
                reply,
            } => self.approve(task, body, caller, reply).await,
            Request::Reject {
                task,
                body,
                caller,
                reply,
            } => {
                let outcome = self.reject(task, body, caller).await;
                self.put_up();
                let _ = reply.send(outcome);
            }
            Request::Heal {
                container,
                caller,
                reply,
            } => {
                let outcome = self.heal(&container, &caller).await;
                self.reply_and_begin(outcome, reply).await;
            }
            Request::AskFor {
                request,
                caller,
                reply,
            } => {
                let outcome = self.ask_for(request, &caller).await;
                self.reply_and_begin(outcome, reply).await;
            }
            Request::Offers { resource, reply } => {
                let _ = reply.send(self.offers(resource));
            }
            Request::SetAutonomy {
                level,
                caller,
                reply,
            } => {
                let outcome = self.set_autonomy(level, &caller).await;
                self.put_up();
                let _ = reply.send(outcome);
            }
            Request::RecordToken {
                change,
                caller,
                reply,
            } => {
                let outcome = self.record_token(change, caller).await;
                let _ = reply.send(outcome);
            }
            Request::RecordSession(session) => {
                let NewSession {
                    identity,
                    role,
                    by,
                    from,
                } = session;
                let event = Event::SignedIn {
                    identity,
                    role,
                    by,
                    from,
                };
                self.commit(vec![event]).await;
            }
            Request::Diagnose {
                incident,
                model,
                caller,
                reply,
            } => {
                let outcome = self.diagnose_asked(incident, model, &caller);
                let _ = reply.send(outcome);
            }
            Request::Choose {
                incident,
                choice,
                caller,
                reply,
            } => {
                let seen = choice.diagnosis.as_deref();
                let outcome = self.choose(incident, &choice.source, seen, &caller).await;
                self.put_up();
                let _ = reply.send(outcome);
            }
            Request::Say {
                request,
                caller,
                reply,
            } => {
                let outcome = self.say(*request, &caller).await;
                let _ = reply.send(outcome);
            }
            Request::StopAnswer {
                conversation,
                caller,
                reply,
            } => {
                let outcome = self.stop_answer(conversation, &caller).await;
                let _ = reply.send(outcome);
            }
            Request::RetryAnswer {
                conversation,
                caller,
                reply,
            } => {
                let outcome = self.retry_answer(conversation, &caller).await;
                let _ = reply.send(outcome);
            }
            Request::Reconfigure { config, by, reply } => {
                self.put_in_force(config, by).await;
                self.put_up();
                let _ = reply.send(());
            }
            Request::LogTail { resource, reply } => self.log_tail(resource, reply),
            Request::ScanSecurity {
                parts,
                caller,
                reply,
            } => {
                let _ = reply.send(self.scan_security(parts, &caller));
            }
            Request::AcceptPort {
                port,
                caller,
                reply,
            } => {
                let outcome = self.accept_port(&port, &caller).await;
                let _ = reply.send(outcome);
            }
            Request::Refresh => {
                let cheap = |running: &&super::sources::Running| {
                    running.source.cadence() != Cadence::SecurityScan
                };
                for running in self.sources.iter().filter(cheap) {
                    running.refresh();
                }
            }
        }
    }

    /// Says which task was made of what a person asked for, and begins it where nobody has to be asked.
    async fn reply_and_begin(&mut self, outcome: Result<Task, ProblemDetails>, reply: Reply<Task>) {
        let start = outcome
            .as_ref()
            .ok()
            .filter(|task| !task.requires_approval)
            .map(|task| task.id);
        self.put_up();
        let _ = reply.send(outcome);
        if let Some(task) = start {
            self.begin_task(task).await;
        }
    }

    // ------------------------------------------------------------------------------------------------------------ answers

    /// The first half of a yes: is it allowed, is the question open, is the plan the one that was seen? Then what the plan rests on is
    /// read again from the world, beside the loop; see [`Self::answer_checked`].
    async fn approve(
        &mut self,
        id: TaskId,
        body: ApproveRequest,
        caller: Caller,
        reply: Reply<Task>,
    ) {
        let task = match self
            .open_question(id, body.plan_hash.as_ref(), &caller)
            .await
        {
            Ok(task) => task,
            Err(problem) => {
                let _ = reply.send(Err(problem));
                return;
            }
        };
        let answer = Box::new(Answer {
            task: id,
            plan_hash: task.plan_hash.clone(),
            by: body.approved_by,
            note: body.notes,
            caller,
            reply,
        });
        let executor = self.executor.clone();
        let stimuli = self.stimuli.clone();
        tokio::spawn(async move {
            let reading = match task.plan.steps().first() {
                None => Err("the plan has no steps".to_owned()),
                Some(step) => {
                    let limit = std::time::Duration::from_secs(10);
                    match timeout(limit, executor.check(step)).await {
                        Ok(Ok(reading)) => Ok(reading),
                        Ok(Err(error)) => Err(words(&error)),
                        Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
                    }
                }
            };
            // An engine that ends drops the question's reply, which the asker sees as such.
            let _ = stimuli
                .send(Stimulus::AnswerChecked { answer, reading })
                .await;
        });
    }

    /// The second half of a yes. Everything is asked again, for the world may have moved meanwhile.
    pub(super) async fn answer_checked(
        &mut self,
        answer: Answer,
        reading: Result<Reading, String>,
    ) {
        let outcome = self.approve_checked(&answer, reading).await;
        let approved = outcome.is_ok();
        let id = answer.task;
        self.put_up();
        let _ = answer.reply.send(outcome);
        if approved {
            self.begin_task(id).await;
        }
    }

    async fn approve_checked(
        &mut self,
        answer: &Answer,
        reading: Result<Reading, String>,
    ) -> Result<Task, ProblemDetails> {
        let task = self
            .open_question(answer.task, Some(&answer.plan_hash), &answer.caller)
            .await?;
        match reading {
            Ok(Reading::Holds) => {}
            Ok(Reading::Broken(why) | Reading::Hopeless(why)) => {
                let problem =
                    ProblemDetails::new(ErrorCode::PlanStale, format!("nothing was done: {why}"));
                return Err(self.refused(answer.task, &answer.caller, problem).await);
            }
            Err(error) => {
                let detail = format!(
                    "what the plan rests on can't be read now, so nothing was done: {error}"
                );
                return Err(ProblemDetails::new(ErrorCode::EngineUnavailable, detail));
            }
        }
        let now = self.clock.now();
        let approval = Approval {
            approved: true,
            plan_hash: task.plan_hash.clone(),
            by: answer.by.clone(),
            identity: answer.caller.identity.clone(),
            channel: answer.channel(),
            note: answer.note.clone(),
            at: now,
        };
        let waited = now.duration_since(task.created_at).as_secs_f64();
        let task = self.take_answer(answer.task, approval).await?;
        self.metrics.approval_response.observe(waited);
        Ok(task)
    }

    async fn reject(
        &mut self,
        id: TaskId,
        body: RejectRequest,
        caller: Caller,
    ) -> Result<Task, ProblemDetails> {
        let task = self
            .open_question(id, body.plan_hash.as_ref(), &caller)
            .await?;
        let now = self.clock.now();
        let approval = Approval {
            approved: false,
            plan_hash: task.plan_hash.clone(),
            by: body.rejected_by,
            identity: caller.identity,
            channel: caller.channel,
            note: body.reason,
            at: now,
        };
        self.metrics
            .approval_response
            .observe(now.duration_since(task.created_at).as_secs_f64());
        self.take_answer(id, approval).await
    }

    /// Journals an answer, then applies it: an answer that is not in the journal did not happen.
    async fn take_answer(
        &mut self,
        id: TaskId,
        approval: Approval,
    ) -> Result<Task, ProblemDetails> {
        let Some(before) = self.tasks.get(&id).cloned() else {
            return Err(ProblemDetails::new(
                ErrorCode::TaskNotFound,
                format!("there is no open task {id}"),
            ));
        };
        let mut task = before.clone();
        let rejected = !approval.approved;
        let change =
            crate::flow::tasks::advance(&mut task, TaskInput::Answer(approval), self.clock.now())
                .map_err(|refusal| ProblemDetails::new(refusal.code, refusal.detail))?;
        self.commit_now(vec![Self::task_event(change, &task)])
            .await
            .map_err(|error| store_unavailable(&words(&error)))?;
        if rejected {
            self.tasks.remove(&id);
            self.note_rejection(&task).await;
        } else {
            self.tasks.insert(id, task.clone());
        }
        Ok(task)
    }

    /// A no settles the incident's question until something changes.
    async fn note_rejection(&mut self, task: &Task) {
        // A no to what a specialist proposed says nothing about the question that Steward itself asks.
        let Some(id) = task.incident.filter(|_| !is_proposal(task)) else {
            return;
        };
        let who = task.approval.as_ref().map_or("a person", |answer| {
            if answer.by.is_empty() {
                &answer.identity
            } else {
                &answer.by
            }
        });
        let reason = format!("{who} said no to: {}", task.description);
        let event = self.settle(id, "rejected", reason);
        self.commit(event.into_iter().collect()).await;
    }

    /// The task, if this caller may answer it now. A refusal is journaled: who tried, and why it was refused.
    async fn open_question(
        &mut self,
        id: TaskId,
        plan_hash: Option<&steward_api::PlanHash>,
        caller: &Caller,
    ) -> Result<Task, ProblemDetails> {
        if let Err(problem) = need(caller, Role::Operator) {
            return Err(self.refused(id, caller, problem).await);
        }
        let known = match self.tasks.get(&id) {
            Some(task) => Some(task.clone()),
            None => self
                .store
                .task(id)
                .await
                .map_err(|error| store_unavailable(&words(&error)))?,
        };
        let Some(task) = known else {
            return Err(ProblemDetails::new(
                ErrorCode::TaskNotFound,
                format!("there is no task {id}"),
            ));
        };
        if task.node != self.node {
            let detail = format!("task {id} is {}'s; ask the agent there", task.node);
            return Err(ProblemDetails::new(ErrorCode::TaskNotWaiting, detail));
        }
        if let Err(refusal) = takes_answer(&task, plan_hash, self.clock.now()) {
            let problem = ProblemDetails::new(refusal.code, refusal.detail);
            return Err(self.refused(id, caller, problem).await);
        }
        Ok(task)
    }

    async fn refused(
        &mut self,
        task: TaskId,
        caller: &Caller,
        problem: ProblemDetails,
    ) -> ProblemDetails {
        let event = Event::AnswerRefused {
            task,
            identity: caller.identity.clone(),
            channel: caller.channel,
            code: problem.code,
        };
        self.commit(vec![event]).await;
        problem
    }
    async fn set_autonomy(
        &mut self,
        level: Autonomy,
        caller: &Caller,
    ) -> Result<Autonomy, ProblemDetails> {
        need(caller, Role::Admin)?;
        if level != self.autonomy {
            let event = Event::AutonomyChanged {
                from: self.autonomy,
                to: level,
                by: caller.identity.clone(),
            };
            self.commit_now(vec![event])
                .await
                .map_err(|error| store_unavailable(&words(&error)))?;
            self.autonomy = level;
            self.reassess_all().await;
        }
        Ok(level)
    }

    async fn record_token(
        &mut self,
        change: TokenChange,
        caller: Caller,
    ) -> Result<(), ProblemDetails> {
        need(&caller, Role::Admin)?;
        let by = caller.identity;
        let event = match change {
            TokenChange::Made { name, role } => Event::TokenMade { name, role, by },
            TokenChange::Revoked { name } => Event::TokenRevoked { name, by },
        };
        self.commit_now(vec![event])
            .await
            .map(drop)
            .map_err(|error| store_unavailable(&words(&error)))
    }

    /// Puts a changed configuration in force, or keeps the one before and says why.
    pub(super) async fn reconfigure(&mut self, change: ConfigChange) {
        self.is_dirty = true;
        let new = match change {
            Ok(new) => new,
            Err(error) => {
                tracing::warn!(
                    error,
                    "the changed configuration is refused; the one before goes on"
                );
                self.config_error = Some(error.clone());
                return self.commit(vec![Event::ConfigRefused { error }]).await;
            }
        };
        self.put_in_force(new, String::new()).await;
    }

    /// Puts a configuration in force; `by` is who wrote it, empty where the file was changed by other means.
    async fn put_in_force(&mut self, new: Box<Config>, by: String) {
        self.is_dirty = true;
        self.config_error = None;
        let changed = crate::config::diff(&self.config, &new);
        if changed.is_empty() {
            return;
        }
        tracing::info!(?changed, "configuration read anew");
        let mut events = vec![Event::ConfigReloaded { changed, by }];
        if new.autonomy.level != self.config.autonomy.level && new.autonomy.level != self.autonomy {
            events.push(Event::AutonomyChanged {
                from: self.autonomy,
                to: new.autonomy.level,
                by: "configuration".to_owned(),
            });
            self.autonomy = new.autonomy.level;
        }
        self.config = Arc::from(new);
        self.advisor.configure(&self.config);
        self.commit(events).await;
        self.begin_sources(Some(self.clock.now()));
        self.reassess_all().await;
    }

    fn log_tail(&self, resource: ResourceId, reply: Reply<LogTail>) {
        let not_found = || {
            ProblemDetails::new(
                ErrorCode::ResourceNotFound,
                format!("there is no log of {resource} here"),
            )
        };
        let Some(index) = self.source_of(&resource) else {
            let _ = reply.send(Err(not_found()));
            return;
        };
        let source = Arc::clone(&self.sources[index].source);
        let lines = self.config.docker.log_lines;
        let missing = not_found();
        tokio::spawn(async move {
            let outcome = match timeout(source.timeout(), source.log_tail(&resource, lines)).await {
                Ok(Ok(Some(lines))) => Ok(LogTail { resource, lines }),
                Ok(Ok(None)) => Err(missing),
                Ok(Err(error)) => Err(ProblemDetails::new(
                    ErrorCode::EngineUnavailable,
                    error.to_string(),
                )),
                Err(_) => Err(ProblemDetails::new(
                    ErrorCode::EngineUnavailable,
                    "no answer in time",
                )),
            };
            let _ = reply.send(outcome);
        });
    }
}
