//! The task machine: pending → (waiting) → in_progress → completed / failed; also rejected, expired, cancelled. Pure.
//!
//! What flows in: a task and something that happened. What flows out: the task after it and the word for the change, or a typed refusal
//! that leaves the task as it was. There is no other way to change a task's state.

use jiff::Timestamp;
use steward_api::{
    Approval, ErrorCode, ExecutionEntry, PlanHash, Task, TaskChange, TaskResult, TaskState,
};

/// Something that happens to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskInput {
    /// A person said yes or no.
    Answer(Approval),
    /// Its time is up.
    Expire,
    /// It is no longer needed, and why.
    Cancel(String),
    /// It may run but has to wait, and why.
    Hold(String),
    /// It begins.
    Start,
    /// Something was done for it.
    Log(ExecutionEntry),
    /// It ended.
    Finish(TaskResult),
}

/// Why a task does not take something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct TaskRefusal {
    /// The stable code.
    pub code: ErrorCode,
    /// In words for a person.
    pub detail: String,
}

fn refuse<T>(code: ErrorCode, detail: impl Into<String>) -> Result<T, TaskRefusal> {
    Err(TaskRefusal {
        code,
        detail: detail.into(),
    })
}

/// Whether a task takes a person's answer to this plan now.
///
/// # Errors
/// `approval_expired` once its time is up, `task_not_waiting` when it waits for no answer, `plan_changed` when the hash is another's.
pub fn takes_answer(
    task: &Task,
    plan_hash: Option<&PlanHash>,
    now: Timestamp,
) -> Result<(), TaskRefusal> {
    if task.status == TaskState::Expired {
        return refuse(
            ErrorCode::ApprovalExpired,
            format!("Task {} lapsed unanswered", task.id),
        );
    }
    if task.status != TaskState::Pending || !task.requires_approval || task.approval.is_some() {
        let detail = match &task.approval {
            Some(answer) => format!(
                "Task {} was {} by {} already",
                task.id,
                if answer.approved {
                    "approved"
                } else {
                    "rejected"
                },
                if answer.by.is_empty() {
                    &answer.identity
                } else {
                    &answer.by
                }
            ),
            None => format!(
                "Task {} is {} and waits for no answer",
                task.id, task.status
            ),
        };
        return refuse(ErrorCode::TaskNotWaiting, detail);
    }
    if task.expires_at.is_some_and(|at| at <= now) {
        return refuse(
            ErrorCode::ApprovalExpired,
            format!("Task {} lapsed unanswered", task.id),
        );
    }
    if let Some(hash) = plan_hash
        && *hash != task.plan_hash
    {
        return refuse(
            ErrorCode::PlanChanged,
            format!(
                "The plan of task {} has the hash {}, not the one given; look at it again",
                task.id, task.plan_hash
            ),
        );
    }
    Ok(())
}

/// Applies what happened to a task.
///
/// # Errors
/// Where the task is in a state that does not take it; it is then unchanged.
pub fn advance(
    task: &mut Task,
    input: TaskInput,
    now: Timestamp,
) -> Result<TaskChange, TaskRefusal> {
    match input {
        TaskInput::Answer(answer) => {
            takes_answer(task, Some(&answer.plan_hash), now)?;
            let approved = answer.approved;
            let by = if answer.by.is_empty() {
                answer.identity.clone()
            } else {
                answer.by.clone()
            };
            log(
                task,
                now,
                if approved { "approved" } else { "rejected" },
                format!("by {by}"),
            );
            task.approval = Some(answer);
            if approved {
                task.approved = true;
                Ok(TaskChange::Approved)
            } else {
                finish(task, TaskState::Rejected, now);
                Ok(TaskChange::Rejected)
            }
        }
        TaskInput::Expire => {
            if task.status != TaskState::Pending || task.approved {
                return refuse(
                    ErrorCode::TaskNotWaiting,
                    format!("Task {} is {} and can't lapse", task.id, task.status),
                );
            }
            log(task, now, "expired", "nobody answered in time".to_owned());
            finish(task, TaskState::Expired, now);
            Ok(TaskChange::Expired)
        }
        TaskInput::Cancel(why) => {
            if !matches!(task.status, TaskState::Pending | TaskState::Waiting) {
                return refuse(
                    ErrorCode::TaskNotWaiting,
                    format!("Task {} is {} and can't be cancelled", task.id, task.status),
                );
            }
            log(task, now, "cancelled", why.clone());
            task.result = Some(TaskResult {
                success: false,
                details: why,
            });
            finish(task, TaskState::Cancelled, now);
            Ok(TaskChange::Cancelled)
        }
        TaskInput::Hold(why) => {
            may_begin(task)?;
            log(task, now, "waiting", why);
            task.status = TaskState::Waiting;
            Ok(TaskChange::Waiting)
        }
        TaskInput::Start => {
            may_begin(task)?;
            log(task, now, "validated_request", String::new());
            task.status = TaskState::InProgress;
            task.started_at = Some(now);
            Ok(TaskChange::Started)
        }
        TaskInput::Log(entry) => {
            if task.status != TaskState::InProgress {
                return refuse(
                    ErrorCode::TaskNotWaiting,
                    format!(
                        "Task {} is {} and not being carried out",
                        task.id, task.status
                    ),
                );
            }
            task.execution_log.push(entry);
            Ok(TaskChange::Progressed)
        }
        TaskInput::Finish(result) => {
            if task.status != TaskState::InProgress {
                return refuse(
                    ErrorCode::TaskNotWaiting,
                    format!(
                        "Task {} is {} and not being carried out",
                        task.id, task.status
                    ),
                );
            }
            let (state, change) = if result.success {
                (TaskState::Completed, TaskChange::Completed)
            } else {
                (TaskState::Failed, TaskChange::Failed)
            };
            log(task, now, state.as_str(), result.details.clone());
            task.result = Some(result);
            finish(task, state, now);
            Ok(change)
        }
    }
}

fn may_begin(task: &Task) -> Result<(), TaskRefusal> {
    if !matches!(task.status, TaskState::Pending | TaskState::Waiting) {
        return refuse(
            ErrorCode::TaskNotWaiting,
            format!("Task {} is {} and can't begin", task.id, task.status),
        );
    }
    if task.requires_approval && !task.approved {
        return refuse(
            ErrorCode::Forbidden,
            format!("Task {} needs a person's yes first", task.id),
        );
    }
    Ok(())
}

fn finish(task: &mut Task, state: TaskState, now: Timestamp) {
    task.status = state;
    task.finished_at = Some(now);
}

fn log(task: &mut Task, now: Timestamp, action: &str, details: String) {
    task.execution_log.push(ExecutionEntry {
        timestamp: now,
        action: action.to_owned(),
        details,
    });
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;
    use steward_api::{
        Action, Channel, Plan, Precondition, Requester, ResourceId, Risk, Step, TaskId, TaskType,
        Undo, Verification,
    };

    use super::*;

    fn task(requires_approval: bool) -> Task {
        let engine = ResourceId::new("n", steward_api::ResourceKind::Engine, "docker");
        let plan = Plan::new(vec![Step {
            action: Action::PruneBuildCache {
                engine: engine.clone(),
            },
            precondition: Precondition::Nothing,
            verification: Verification::ByReport,
            undo: Undo::Impossible {
                reason: String::new(),
            },
        }])
        .unwrap();
        let at = Timestamp::UNIX_EPOCH;
        Task {
            id: TaskId(1),
            node: "n".into(),
            incident: None,
            resource: engine,
            description: String::new(),
            task_type: TaskType::Cleanup,
            priority: 5,
            risk: Risk::Low,
            plan_hash: plan.hash().clone(),
            plan,
            requires_approval,
            approved: false,
            approval: None,
            status: TaskState::Pending,
            why: String::new(),
            record: Default::default(),
            requested_by: Requester::Steward,
            created_at: at,
            expires_at: Some(at + SignedDuration::from_secs(100)),
            not_before: None,
            started_at: None,
            finished_at: None,
            result: None,
            execution_log: Vec::new(),
        }
    }

    fn answer(task: &Task, approved: bool) -> TaskInput {
        TaskInput::Answer(Approval {
            approved,
            plan_hash: task.plan_hash.clone(),
            by: "Ada".into(),
            identity: "admin".into(),
            channel: Channel::Http,
            note: String::new(),
            at: Timestamp::UNIX_EPOCH,
        })
    }

    fn inputs() -> impl Strategy<Value = Vec<(u8, i64)>> {
        proptest::collection::vec((0u8..8, 0i64..200), 0..20)
    }

    proptest! {
        /// Whatever happens in whatever order: nothing runs without the yes it needs, an answer counts once and only in time, a final
        /// state stays, and a refusal changes nothing.
        #[test]
        fn no_order_of_events_breaks_the_rules(requires in any::<bool>(), inputs in inputs()) {
            let mut task = task(requires);
            let mut answers = 0;
            for (kind, seconds) in inputs {
                let now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
                let input = match kind {
                    0 => answer(&task, true),
                    1 => answer(&task, false),
                    2 => TaskInput::Expire,
                    3 => TaskInput::Cancel("no longer needed".into()),
                    4 => TaskInput::Hold("busy".into()),
                    5 => TaskInput::Start,
                    6 => TaskInput::Log(ExecutionEntry { timestamp: now, action: "x".into(), details: String::new() }),
                    _ => TaskInput::Finish(TaskResult { success: seconds % 2 == 0, details: String::new() }),
                };
                let before = task.clone();
                match advance(&mut task, input, now) {
                    Ok(TaskChange::Approved | TaskChange::Rejected) => {
                        answers += 1;
                        prop_assert!(seconds < 100, "answered too late");
                    }
                    Ok(TaskChange::Started) => prop_assert!(!requires || task.approved),
                    Ok(_) => {}
                    Err(_) => prop_assert_eq!(&before, &task),
                }
                prop_assert!(answers <= 1);
                if before.status.is_final() {
                    prop_assert_eq!(before.status, task.status);
                }
                prop_assert_eq!(task.status.is_final(), task.finished_at.is_some());
            }
        }
    }

    #[test]
    fn late_second_and_mistaken_answers_have_their_own_codes() {
        let start = Timestamp::UNIX_EPOCH;
        let mut one = task(true);
        let late = start + SignedDuration::from_secs(100);
        let input = answer(&one, true);
        assert_eq!(
            advance(&mut one, input, late).unwrap_err().code,
            ErrorCode::ApprovalExpired
        );
        let input = answer(&one, true);
        advance(&mut one, input, start).unwrap();
        let input = answer(&one, false);
        assert_eq!(
            advance(&mut one, input, start).unwrap_err().code,
            ErrorCode::TaskNotWaiting
        );
        let other = PlanHash("0".into());
        assert_eq!(
            takes_answer(&task(true), Some(&other), start)
                .unwrap_err()
                .code,
            ErrorCode::PlanChanged
        );
        assert_eq!(
            takes_answer(&task(false), None, start).unwrap_err().code,
            ErrorCode::TaskNotWaiting
        );
    }
}
