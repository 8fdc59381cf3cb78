//! `approve`, `reject` and `heal`: a person's words to the agent.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use steward_api::{
    ApproveRequest, ApproveTask, ErrorCode, GetTask, HealContainer, HealReply, Nothing, PlanHash,
    RejectRequest, RejectTask, Task, TaskId, TaskState,
};

use super::{
    Context,
    args::{ApproveArgs, HealArgs, RejectArgs},
    failure::{Exit, Failure},
    follow,
    output::{Screen, Tone, clean},
    show,
};
use crate::client::Client;

/// As many characters of a plan hash say which plan is meant.
const SHORTEST_HASH: usize = 8;

pub(super) async fn approve(context: &Context, args: &ApproveArgs) -> Result<Exit, Failure> {
    let screen = &context.screen;
    let client = context.connect()?;
    let task = get(&client, args.task).await?;
    let plan_hash = meant_hash(&task, args.plan_hash.as_deref())?;
    if task.status != TaskState::Pending || task.approved {
        // Said before the question, so that nobody is asked in vain. The agent would say the same.
        return Err(not_waiting(&task));
    }
    if !screen.json {
        screen.print(&show::task_part(screen, &task))?;
    }
    // A script that names the plan has seen it.
    if !args.yes && args.plan_hash.is_none() && !confirm(screen, &task)? {
        screen.say("Not approved; the task waits on.");
        return Ok(Exit::Failed);
    }
    let body = ApproveRequest {
        approved_by: name_of(args.by.as_deref()),
        notes: args.note.clone(),
        plan_hash: Some(plan_hash),
    };
    let accepted = client
        .call::<ApproveTask>(Some(&args.task.to_string()), &body)
        .await?;
    if args.wait {
        return wait(context, &client, task.id, Some(&accepted.message)).await;
    }
    if screen.json {
        screen.print_json(&accepted)?;
    } else {
        screen.print(&format!(
            "{} {}\n",
            screen.paint(Tone::Good, "✔"),
            clean(&accepted.message)
        ))?;
    }
    Ok(Exit::Done)
}

pub(super) async fn reject(context: &Context, args: &RejectArgs) -> Result<Exit, Failure> {
    let client = context.connect()?;
    let body = RejectRequest {
        rejected_by: name_of(args.by.as_deref()),
        reason: args.reason.clone(),
        plan_hash: None,
    };
    let accepted = client
        .call::<RejectTask>(Some(&args.task.to_string()), &body)
        .await?;
    if context.screen.json {
        context.screen.print_json(&accepted)?;
    } else {
        context
            .screen
            .print(&format!("⊘ {}\n", clean(&accepted.message)))?;
    }
    Ok(Exit::Done)
}

pub(super) async fn heal(context: &Context, args: &HealArgs) -> Result<Exit, Failure> {
    let client = context.connect()?;
    let reply = client
        .call::<HealContainer>(Some(&args.container), &Nothing {})
        .await?;
    made(context, &client, &reply, args.wait).await
}

/// Says which task was made of what was asked for, and follows it where that is wanted.
pub(super) async fn made(
    context: &Context,
    client: &Client,
    reply: &HealReply,
    follow_it: bool,
) -> Result<Exit, Failure> {
    let screen = &context.screen;
    if follow_it {
        return wait(context, client, reply.task, Some(&reply.message)).await;
    }
    if screen.json {
        screen.print_json(reply)?;
    } else {
        let next = if reply.requires_approval {
            format!("It waits for a yes: steward approve {}", reply.task)
        } else {
            format!("How it goes: steward show task {}", reply.task)
        };
        screen.print(&format!("{}\n{next}\n", clean(&reply.message)))?;
    }
    Ok(Exit::Done)
}

/// Follows the task to its end; the exit code tells whether it is a good one.
async fn wait(
    context: &Context,
    client: &Client,
    id: TaskId,
    message: Option<&str>,
) -> Result<Exit, Failure> {
    let screen = &context.screen;
    if let Some(message) = message.filter(|_| !screen.json) {
        screen.print(&format!("{} (task {id})\n", clean(message)))?;
    }
    let task = follow::to_the_end(client, screen, id).await?;
    if screen.json {
        screen.print_json(&steward_api::TaskStatusReply {
            id: task.id,
            status: task.status,
            result: task.result.clone(),
            execution_log: task.execution_log.clone(),
        })?;
    } else {
        screen.print(&follow::result_line(screen, &task))?;
    }
    Ok(if task.status == TaskState::Completed {
        Exit::Done
    } else {
        Exit::Failed
    })
}

async fn get(client: &Client, id: i64) -> Result<Task, Failure> {
    Ok(client
        .call::<GetTask>(Some(&id.to_string()), &Nothing {})
        .await?)
}

fn not_waiting(task: &Task) -> Failure {
    let (code, text) = match task.status {
        TaskState::Expired => (
            ErrorCode::ApprovalExpired,
            format!("nobody answered task {} in time", task.id),
        ),
        TaskState::Pending => (
            ErrorCode::TaskNotWaiting,
            format!("task {} is approved already", task.id),
        ),
        state => (
            ErrorCode::TaskNotWaiting,
            format!("task {} is {}", task.id, state.as_str().replace('_', " ")),
        ),
    };
    Failure::refusal(code, text)
}

/// The hash of the plan that is shown, where it is the one that was asked for.
fn meant_hash(task: &Task, given: Option<&str>) -> Result<PlanHash, Failure> {
    match given {
        None => Ok(task.plan_hash.clone()),
        Some(text) if text.len() < SHORTEST_HASH => Err(Failure::usage(format!(
            "a plan hash needs at least {SHORTEST_HASH} characters to say which plan is meant"
        ))),
        Some(text) if task.plan_hash.0.starts_with(&text.to_ascii_lowercase()) => {
            Ok(task.plan_hash.clone())
        }
        Some(_) => Err(Failure::refusal(
            ErrorCode::PlanChanged,
            format!(
                "task {} has the plan {}; look at it anew: steward show task {}",
                task.id, task.plan_hash, task.id
            ),
        )),
    }
}

/// Asks on the terminal. Only a clear yes is one.
fn confirm(screen: &Screen, task: &Task) -> Result<bool, Failure> {
    if screen.json || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::usage(format!(
            "nobody can be asked here: add --yes, or --plan-hash {} to approve just this plan",
            &task.plan_hash.0.get(..12).unwrap_or(&task.plan_hash.0)
        )));
    }
    let mut err = anstream::stderr().lock();
    let _ = write!(err, "\nDo it? [y/N] ");
    let _ = err.flush();
    drop(err);
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Failure::failed(format!("can't read the answer: {error}")))?;
    Ok(is_yes(&line))
}

pub(super) fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// The name for the record. The token's identity is what counts; this only helps a person who reads it.
fn name_of(given: Option<&str>) -> String {
    given.map_or_else(
        || {
            ["SUDO_USER", "USER", "LOGNAME"]
                .into_iter()
                .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
                .unwrap_or_default()
        },
        str::to_owned,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples;

    #[test]
    fn only_the_plan_that_was_meant_is_approved() {
        let task = samples::waiting_task();
        let hash = task.plan_hash.0.clone();
        assert_eq!(meant_hash(&task, None).unwrap().0, hash);
        assert_eq!(
            meant_hash(&task, Some(&hash[..8].to_uppercase()))
                .unwrap()
                .0,
            hash
        );
        assert_eq!(
            meant_hash(&task, Some(&hash[..4])).unwrap_err().exit_code(),
            2
        );
        assert_eq!(
            meant_hash(&task, Some("00000000000"))
                .unwrap_err()
                .exit_code(),
            5
        );
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        for yes in ["y", "Yes\n", " YES "] {
            assert!(is_yes(yes));
        }
        for no in ["", "\n", "n", "yep", "ye", "approve"] {
            assert!(!is_yes(no), "{no}");
        }
    }

    #[test]
    fn a_task_that_is_over_is_refused_before_anybody_is_asked() {
        let mut task = samples::waiting_task();
        task.status = TaskState::Expired;
        assert_eq!(not_waiting(&task).to_json()["code"], "approval_expired");
        task.status = TaskState::InProgress;
        assert_eq!(not_waiting(&task).to_json()["code"], "task_not_waiting");
        assert!(not_waiting(&task).to_string().contains("in progress"));
    }
}
