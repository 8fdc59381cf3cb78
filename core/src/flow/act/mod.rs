//! Act: a plan becomes an outcome: journal, precondition, apply, verify, undo.
//!
//! What flows in: a task that may run. What flows out: what was written to the [`Ledger`] before and after each deed, and the result.
//! What it never does: choose. It is the only place where a [`Permit`] is made and an actuator is told to apply something, and it makes
//! one only from the journal's own entry of the intent.

mod recover;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use steward_api::{
    Action, ActionName, Envelope, ExecutionEntry, Precondition, Step, StepResult, Task, TaskId,
    TaskResult, Undo, Verification,
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::ports::{ActError, Actuator, Clock, Permit, Reading, StoreError, words};

pub use recover::recover;

/// Time between two readings of a verification.
const READING_EVERY: Duration = Duration::from_millis(500);

/// An intent to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// For which task.
    pub task: TaskId,
    /// Which step, from 0.
    pub step: u32,
    /// Whether it takes the step back.
    pub undo: bool,
    /// What.
    pub action: Action,
}

/// How an intent ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// The intent.
    pub intent: Intent,
    /// How it ended.
    pub result: StepResult,
    /// In words for a person.
    pub details: String,
}

/// Where the executor writes down what it is about to do, and what came of it.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Journals an intent; returns only when it is durable. On an error nothing may be done.
    async fn intend(&self, intent: Intent) -> Result<Envelope, StoreError>;
    /// Journals how an intent ended. Never fails: while the journal takes no writes it is kept and written later; should the agent
    /// end before that, the open intent is checked against the world at the next start.
    async fn conclude(&self, conclusion: Conclusion);
    /// Adds a line to the task's execution log.
    async fn log(&self, task: TaskId, entry: ExecutionEntry);
}

/// What carries out plans.
#[derive(Clone)]
pub struct Executor {
    /// Who can do what.
    pub actuators: Arc<Vec<Arc<dyn Actuator>>>,
    /// Where it is written down.
    pub ledger: Arc<dyn Ledger>,
    /// The wall clock, for the log.
    pub clock: Arc<dyn Clock>,
    /// Cancelled when the agent ends: nothing new is begun, and what is under way is left for the next start to check.
    pub stopping: CancellationToken,
}

/// How the execution of a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Execution {
    /// To its end.
    Ended(TaskResult),
    /// The agent ends; the next start sees to the rest.
    LeftOpen,
}

/// How one step ended, inside the executor.
enum StepEnd {
    Succeeded(String),
    Failed { details: String, was_applied: bool },
    LeftOpen,
}

impl Executor {
    /// Carries out a task's plan, step by step. On the first step that does not succeed, what was applied is taken back where it can be.
    pub async fn execute(&self, task: &Task) -> Execution {
        let mut done = Vec::new();
        for (index, step) in (0u32..).zip(task.plan.steps()) {
            if self.stopping.is_cancelled() {
                return Execution::LeftOpen;
            }
            match self.step(task.id, index, step).await {
                StepEnd::Succeeded(details) => done.push((index, step, details)),
                StepEnd::LeftOpen => return Execution::LeftOpen,
                StepEnd::Failed {
                    details,
                    was_applied,
                } => {
                    let mut undone = Vec::new();
                    if was_applied {
                        undone.extend(self.undo(task.id, index, step).await);
                    }
                    for (index, step, _) in done.iter().rev() {
                        undone.extend(self.undo(task.id, *index, step).await);
                    }
                    let details = std::iter::once(details)
                        .chain(undone)
                        .collect::<Vec<_>>()
                        .join("; ");
                    return Execution::Ended(TaskResult {
                        success: false,
                        details,
                    });
                }
            }
        }
        let details = done
            .into_iter()
            .map(|(.., details)| details)
            .collect::<Vec<_>>()
            .join("; ");
        Execution::Ended(TaskResult {
            success: true,
            details,
        })
    }

    fn actuator(&self, action: &Action) -> Result<&Arc<dyn Actuator>, ActError> {
        let name = action.name();
        self.actuators
            .iter()
            .find(|actuator| actuator.handles(name))
            .ok_or_else(|| {
                ActError::Unsupported(name, "no such integration is switched on".to_owned())
            })
    }

    /// Who reads the world for a step: who looks after what is to be read, which need not be who acts. A script of the host may be meant
    /// to heal a container, and it is the engine's own part that knows whether a restarted daemon answers.
    fn reader<'a>(
        &'a self,
        subject: Option<ActionName>,
        actor: &'a Arc<dyn Actuator>,
    ) -> &'a Arc<dyn Actuator> {
        subject
            .and_then(|name| {
                self.actuators
                    .iter()
                    .find(|actuator| actuator.handles(name))
            })
            .unwrap_or(actor)
    }

    /// Reads from the world whether what a step rests on holds now.
    ///
    /// # Errors
    /// Where nobody here can do the step, or it can't be read.
    pub async fn check(&self, step: &Step) -> Result<Reading, ActError> {
        let actor = self.actuator(&step.action)?;
        let subject = match &step.precondition {
            Precondition::Nothing => None,
            Precondition::Container { .. }
            | Precondition::Limits { .. }
            | Precondition::EngineAnswers { .. }
            | Precondition::EngineSilent { .. } => Some(ActionName::RestartContainer),
            Precondition::UnitFailed { .. } => Some(ActionName::RestartUnit),
            Precondition::PreviousKept { .. } => Some(ActionName::UpdateImage),
            Precondition::CertificateIs { .. } => Some(ActionName::RenewCertificate),
            Precondition::AddressFree { .. } => Some(ActionName::BlockAddress),
        };
        self.reader(subject, actor).check(&step.precondition).await
    }

    async fn step(&self, task: TaskId, index: u32, step: &Step) -> StepEnd {
        let intent = Intent {
            task,
            step: index,
            undo: false,
            action: step.action.clone(),
        };
        let actuator = match self.actuator(&step.action) {
            Ok(actuator) => actuator,
            Err(error) => {
                return StepEnd::Failed {
                    details: words(&error),
                    was_applied: false,
                };
            }
        };
        let entry = match self.ledger.intend(intent.clone()).await {
            Ok(entry) => entry,
            Err(error) => {
                let details =
                    format!("nothing was done, because the intent could not be journaled: {error}");
                return StepEnd::Failed {
                    details,
                    was_applied: false,
                };
            }
        };
        match self.check(step).await {
            Ok(Reading::Holds) => {}
            Ok(Reading::Broken(why) | Reading::Hopeless(why)) => {
                return self
                    .end(
                        intent,
                        StepResult::Skipped,
                        format!("not done: {why}"),
                        false,
                    )
                    .await;
            }
            Err(error) => {
                let details = format!(
                    "not done, because what it rests on could not be read: {}",
                    words(&error)
                );
                return self.end(intent, StepResult::Skipped, details, false).await;
            }
        }
        let permit = match Permit::for_intent(&entry, &step.action) {
            Ok(permit) => permit,
            Err(error) => {
                return self
                    .end(intent, StepResult::Skipped, error.to_string(), false)
                    .await;
            }
        };
        if self.stopping.is_cancelled() {
            return self
                .end(
                    intent,
                    StepResult::Skipped,
                    "not done: the agent ends".to_owned(),
                    false,
                )
                .await;
        }
        let applied = match timeout(actuator.timeout(&step.action), actuator.apply(&permit)).await {
            Ok(Ok(report)) => report,
            Ok(Err(error)) => {
                return self
                    .end(intent, StepResult::Failed, words(&error), true)
                    .await;
            }
            Err(_) => {
                let details = format!(
                    "{} got no answer within {:?}",
                    step.action,
                    actuator.timeout(&step.action)
                );
                return self.end(intent, StepResult::Failed, details, true).await;
            }
        };
        self.log(task, past_tense(&step.action), applied.clone())
            .await;
        match self.verify(actuator, &step.verification).await {
            Verified::Yes(how) => {
                self.log(task, verified_word(&step.verification), how.clone())
                    .await;
                let details = if how.is_empty() {
                    applied
                } else {
                    format!("{applied}; {how}")
                };
                self.conclude(intent, StepResult::Succeeded, details.clone())
                    .await;
                StepEnd::Succeeded(details)
            }
            Verified::No(why) => {
                self.end(
                    intent,
                    StepResult::NotVerified,
                    format!("{applied}, but it did not help: {why}"),
                    true,
                )
                .await
            }
            Verified::Stopping => StepEnd::LeftOpen,
        }
    }

    async fn end(
        &self,
        intent: Intent,
        result: StepResult,
        details: String,
        was_applied: bool,
    ) -> StepEnd {
        self.log(intent.task, result_word(result), details.clone())
            .await;
        self.conclude(intent, result, details.clone()).await;
        StepEnd::Failed {
            details,
            was_applied,
        }
    }

    async fn conclude(&self, intent: Intent, result: StepResult, details: String) {
        self.ledger
            .conclude(Conclusion {
                intent,
                result,
                details,
            })
            .await;
    }

    async fn log(&self, task: TaskId, action: &str, details: String) {
        let entry = ExecutionEntry {
            timestamp: self.clock.now(),
            action: action.to_owned(),
            details,
        };
        self.ledger.log(task, entry).await;
    }

    /// Takes a step back, where that can be done; says in words what came of it.
    async fn undo(&self, task: TaskId, index: u32, step: &Step) -> Option<String> {
        let Undo::Action { action } = &step.undo else {
            return None;
        };
        let intent = Intent {
            task,
            step: index,
            undo: true,
            action: (**action).clone(),
        };
        let outcome = async {
            let actuator = self.actuator(action)?;
            let entry = self
                .ledger
                .intend(intent.clone())
                .await
                .map_err(|error| ActError::Failed(error.to_string()))?;
            let permit = Permit::for_intent(&entry, action)
                .map_err(|error| ActError::Failed(error.to_string()))?;
            timeout(actuator.timeout(action), actuator.apply(&permit))
                .await
                .map_err(|_| ActError::Failed("no answer in time".to_owned()))?
        }
        .await;
        let (result, text) = match outcome {
            Ok(report) => (StepResult::Undone, format!("taken back: {report}")),
            Err(error) => (
                StepResult::Failed,
                format!("could not be taken back: {}", words(&error)),
            ),
        };
        self.log(task, result_word(result), text.clone()).await;
        self.conclude(intent, result, text.clone()).await;
        Some(text)
    }

    /// Reads until the effect has been there for its stabilisation time, or can't come any more.
    pub(super) async fn verify(
        &self,
        actor: &Arc<dyn Actuator>,
        verification: &Verification,
    ) -> Verified {
        let subject = match verification {
            Verification::ByReport => None,
            Verification::ContainersHealthy { .. }
            | Verification::ContainerStopped { .. }
            | Verification::LimitsAre { .. }
            | Verification::EngineAnswers { .. } => Some(ActionName::RestartContainer),
            Verification::UnitActive { .. } => Some(ActionName::RestartUnit),
            Verification::CertificateRenewed { .. } => Some(ActionName::RenewCertificate),
            Verification::AddressBlocked { .. } => Some(ActionName::BlockAddress),
        };
        let reader = self.reader(subject, actor);
        let (stable, within) = times(verification);
        let began = Instant::now();
        let mut holds_since: Option<Instant> = None;
        loop {
            let reading = reader.verify(verification).await;
            let now = Instant::now();
            let why = match reading {
                Ok(Reading::Holds) => {
                    let since = *holds_since.get_or_insert(now);
                    if now.duration_since(since) >= stable {
                        let seconds = now.duration_since(began).as_secs_f64();
                        let how = if matches!(verification, Verification::ByReport) {
                            String::new()
                        } else {
                            format!(
                                "well after {seconds:.1} s, and stable for {} s",
                                stable.as_secs()
                            )
                        };
                        return Verified::Yes(how);
                    }
                    String::new()
                }
                Ok(Reading::Hopeless(why)) => return Verified::No(why),
                Ok(Reading::Broken(why)) => {
                    holds_since = None;
                    why
                }
                Err(error) => {
                    holds_since = None;
                    words(&error)
                }
            };
            // Once it holds, it may take its stabilisation time; before that, it has until the deadline.
            if holds_since.is_none() && now.duration_since(began) >= within {
                return Verified::No(why);
            }
            tokio::select! {
                () = sleep(READING_EVERY) => {}
                () = self.stopping.cancelled() => return Verified::Stopping,
            }
        }
    }
}

/// What a verification came to.
pub(super) enum Verified {
    Yes(String),
    No(String),
    Stopping,
}

/// For how long an effect must hold, and how long to wait for its beginning.
fn times(verification: &Verification) -> (Duration, Duration) {
    let seconds = |n: &u32| Duration::from_secs(u64::from(*n));
    match verification {
        Verification::ContainersHealthy {
            stable_seconds,
            within_seconds,
            ..
        } => (seconds(stable_seconds), seconds(within_seconds)),
        Verification::LimitsAre { stable_seconds, .. }
        | Verification::UnitActive { stable_seconds, .. } => {
            (seconds(stable_seconds), Duration::from_secs(30))
        }
        Verification::EngineAnswers { within_seconds, .. }
        | Verification::CertificateRenewed { within_seconds, .. } => {
            (Duration::ZERO, seconds(within_seconds))
        }
        Verification::ContainerStopped { .. } => (Duration::ZERO, Duration::from_secs(15)),
        Verification::AddressBlocked { .. } => (Duration::ZERO, Duration::from_secs(5)),
        Verification::ByReport => (Duration::ZERO, Duration::ZERO),
    }
}

fn past_tense(action: &Action) -> &'static str {
    match action {
        Action::StartContainer { .. } => "started_container",
        Action::RestartContainer { .. } => "restarted_container",
        Action::StopContainer { .. } => "stopped_container",
        Action::ClearTmp { .. } => "cleared_tmp",
        Action::ResetConnections { .. } => "reset_connections",
        Action::SetLimits { .. } => "set_limits",
        Action::PruneDanglingImages { .. } => "pruned_dangling_images",
        Action::PruneBuildCache { .. } => "pruned_build_cache",
        Action::PruneStoppedContainers { .. } => "pruned_stopped_containers",
        Action::PruneUnusedImages { .. } => "pruned_unused_images",
        Action::PruneUnusedVolumes { .. } => "pruned_unused_volumes",
        Action::VacuumSystemdJournal { .. } => "vacuumed_systemd_journal",
        Action::RestartUnit { .. } => "restarted_unit",
        Action::RestartDockerDaemon { .. } => "restarted_docker_daemon",
        Action::RunScript { .. } => "ran_script",
        Action::UpdateImage { .. } => "updated_image",
        Action::BindPort { .. } => "bound_port",
        Action::ClosePort { .. } => "closed_port",
        Action::RestorePrevious { .. } => "restored_previous",
        Action::RemovePrevious { .. } => "removed_previous",
        Action::RenewCertificate { .. } => "renewed_certificate",
        Action::BlockAddress { .. } => "blocked_address",
        Action::UnblockAddress { .. } => "unblocked_address",
    }
}

fn verified_word(verification: &Verification) -> &'static str {
    match verification {
        Verification::ContainersHealthy { .. } => "verified_health",
        Verification::ContainerStopped { .. } => "verified_stopped",
        Verification::LimitsAre { .. } => "verified_limits",
        Verification::UnitActive { .. } => "verified_unit",
        Verification::EngineAnswers { .. } => "verified_engine",
        Verification::CertificateRenewed { .. } => "verified_certificate",
        Verification::AddressBlocked { .. } => "verified_block",
        Verification::ByReport => "verified_by_report",
    }
}

fn result_word(result: StepResult) -> &'static str {
    match result {
        StepResult::Succeeded => "succeeded",
        StepResult::NotVerified => "not_verified",
        StepResult::Failed => "action_failed",
        StepResult::Skipped => "skipped",
        StepResult::Interrupted => "interrupted",
        StepResult::Undone => "undone",
    }
}

#[cfg(test)]
mod tests;
