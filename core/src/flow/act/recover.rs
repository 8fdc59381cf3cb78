//! After a crash: open intents are checked against the world, never blindly repeated, and their task is closed truthfully.

use std::time::Duration;

use steward_api::{Action, Step, StepResult, Task, TaskResult, Undo};
use tokio::time::sleep;

use super::{Conclusion, Execution, Executor, Intent, Verified};
use crate::ports::{ActError, ActionRecord, words};

/// Time between two tries while who would have to be asked does not answer.
const TRY_EVERY: Duration = Duration::from_secs(3);
/// After so many tries the outcome is said to be unknown: 10 minutes.
const TRIES: u32 = 200;

/// Closes a task that was under way when the agent ended. `open` are its intents without an outcome.
pub async fn recover(executor: &Executor, task: &Task, open: &[ActionRecord]) -> Execution {
    if open.is_empty() {
        let details =
            "The agent ended before anything was done, or between two steps; nothing was repeated";
        return Execution::Ended(TaskResult {
            success: false,
            details: details.to_owned(),
        });
    }
    let mut last_step_succeeded = false;
    let mut texts = Vec::new();
    for record in open {
        let Some(step) = usize::try_from(record.step)
            .ok()
            .and_then(|index| task.plan.steps().get(index))
        else {
            continue;
        };
        let action = match (&step.undo, record.undo) {
            (Undo::Action { action }, true) => (**action).clone(),
            _ => step.action.clone(),
        };
        let intent = Intent {
            task: task.id,
            step: record.step,
            undo: record.undo,
            action: action.clone(),
        };
        let found = match executor.actuator(&action) {
            Ok(actuator) => {
                // Takes as long as the one who was asked may still be at it.
                let ask = || async {
                    tokio::select! {
                        answer = actuator.was_applied(&action, record.intended_at) => Some(answer),
                        () = executor.stopping.cancelled() => None,
                    }
                };
                let Some(mut answer) = ask().await else {
                    return Execution::LeftOpen;
                };
                for _ in 0..TRIES {
                    if !matches!(answer, Err(ActError::Unreachable { .. })) {
                        break;
                    }
                    tokio::select! {
                        () = sleep(TRY_EVERY) => {}
                        () = executor.stopping.cancelled() => return Execution::LeftOpen,
                    }
                    answer = match ask().await {
                        Some(answer) => answer,
                        None => return Execution::LeftOpen,
                    };
                }
                match answer {
                    Ok(Some(true)) if record.undo => {
                        Found::Done(StepResult::Undone, "it was taken back".to_owned())
                    }
                    Ok(Some(true)) => match executor.verify(actuator, &step.verification).await {
                        Verified::Yes(how) => Found::Done(StepResult::Succeeded, how),
                        Verified::No(why) => Found::Done(StepResult::NotVerified, why),
                        Verified::Stopping => return Execution::LeftOpen,
                    },
                    Ok(Some(false)) => Found::NotDone,
                    Ok(None) => Found::CantTell("the world does not show it".to_owned()),
                    Err(ActError::Gone(what)) => Found::CantTell(format!("{what} is gone")),
                    Err(error) => Found::CantTell(words(&error)),
                }
            }
            Err(error) => Found::CantTell(words(&error)),
        };
        let (result, details) = match found {
            Found::Done(result, how) => (
                result,
                format!(
                    "The agent ended while it was being done; the world shows that it was done: {how}"
                ),
            ),
            Found::NotDone => (
                StepResult::Interrupted,
                "The agent ended before it was done; it was not repeated".to_owned(),
            ),
            Found::CantTell(why) => (
                StepResult::Interrupted,
                format!(
                    "The agent ended while it was being done; whether it was done can't be told ({why}), and it was not repeated"
                ),
            ),
        };
        last_step_succeeded =
            result == StepResult::Succeeded && intent.step as usize + 1 == task.plan.steps().len();
        executor
            .log(task.id, "checked_after_restart", details.clone())
            .await;
        executor
            .ledger
            .conclude(Conclusion {
                intent,
                result,
                details: details.clone(),
            })
            .await;
        texts.push(details);
        // Cut short halfway, it leaves a service without its container. To put that back looks where each of them stands first, does
        // nothing where all is as it was, and is written down like every other deed; it repeats nothing.
        let is_well = matches!(result, StepResult::Succeeded | StepResult::Undone);
        if !is_well && keeps_the_one_before(step) {
            texts.extend(executor.undo(task.id, record.step, step).await);
        }
    }
    Execution::Ended(TaskResult {
        success: last_step_succeeded,
        details: texts.join("; "),
    })
}

/// Whether a step keeps what was there before, to be put back as it was.
const fn keeps_the_one_before(step: &Step) -> bool {
    match &step.undo {
        Undo::Action { action } => matches!(**action, Action::RestorePrevious { .. }),
        Undo::Impossible { .. } => false,
    }
}

enum Found {
    Done(StepResult, String),
    NotDone,
    CantTell(String),
}
