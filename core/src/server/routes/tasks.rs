//! Tasks: what waits for a person, what was done, and a person's answers. Every answer goes through the engine's own functions.

use std::sync::Arc;

use steward_api::{
    Accepted, ApproveRequest, ApproveTask, AskForAction, AskRequest, ErrorCode, GetTask,
    GetTaskStatus, HealContainer, HealReply, ListPendingTasks, ListTasks, Nothing, Page,
    RejectRequest, RejectTask, Task, TaskId, TaskQuery, TaskStatusReply,
};

use super::page_size;
use crate::server::{
    bind::{Answer, Call, Written, from_engine},
    error::Refusal,
    summary,
};

/// A name that a person gives may have so many characters.
const LONGEST_NAME: usize = 200;
/// And a note so many.
const LONGEST_NOTE: usize = 4000;

impl Answer for ListTasks {
    async fn answer(call: Call, mut query: TaskQuery) -> Result<Written<Page<Task>>, Refusal> {
        query.limit = Some(page_size(query.limit)?);
        Written::of(&call.store().tasks(&query).await?)
    }
}

impl Answer for ListPendingTasks {
    async fn answer(call: Call, _: Nothing) -> Result<Written<Vec<Task>>, Refusal> {
        let view = call.app.handle.view();
        let tasks: Vec<&Task> = summary::awaiting(&view)
            .into_iter()
            .map(AsRef::as_ref)
            .collect();
        let size = 256 + tasks.len() * 2048;
        Written::like(&tasks, size)
    }
}

/// The newest state of the task in the path: from the picture where it is open, else from the projections.
async fn task(call: &Call) -> Result<Arc<Task>, Refusal> {
    let id = TaskId(call.number("a task")?);
    let open = call
        .app
        .handle
        .view()
        .open_tasks
        .iter()
        .find(|task| task.id == id)
        .cloned();
    if let Some(task) = open {
        return Ok(task);
    }
    call.store().task(id).await?.map(Arc::new).ok_or_else(|| {
        Refusal::new(
            ErrorCode::TaskNotFound,
            format!("There is no task {id}; /api/agents/tasks lists them"),
        )
    })
}

impl Answer for GetTask {
    async fn answer(call: Call, _: Nothing) -> Result<Written<Task>, Refusal> {
        Written::of(task(&call).await?.as_ref())
    }
}

impl Answer for GetTaskStatus {
    async fn answer(call: Call, _: Nothing) -> Result<Written<TaskStatusReply>, Refusal> {
        let task = task(&call).await?;
        Written::of(&TaskStatusReply {
            id: task.id,
            status: task.status,
            result: task.result.clone(),
            execution_log: task.execution_log.clone(),
        })
    }
}

fn within(field: &str, text: &str, most: usize) -> Result<(), Refusal> {
    if text.chars().count() <= most {
        Ok(())
    } else {
        Err(Refusal::bad_request(format!(
            "{field}: it should have {most} characters at most"
        )))
    }
}

fn accepted(message: &str) -> Result<Written<Accepted>, Refusal> {
    Written::of(&Accepted {
        success: true,
        message: message.to_owned(),
    })
}

impl Answer for ApproveTask {
    async fn answer(call: Call, body: ApproveRequest) -> Result<Written<Accepted>, Refusal> {
        let id = TaskId(call.number("a task")?);
        within("approved_by", &body.approved_by, LONGEST_NAME)?;
        within("notes", &body.notes, LONGEST_NOTE)?;
        from_engine(call.app.handle.approve(id, body, call.caller()?)).await?;
        accepted("Task approved and queued for execution")
    }

    /// Who tried stands in the journal: the engine refuses it once more, and writes that down.
    async fn was_forbidden(call: Call) {
        if let (Ok(id), Ok(caller)) = (call.number("a task"), call.caller()) {
            let body = ApproveRequest::default();
            let _ = from_engine(call.app.handle.approve(TaskId(id), body, caller)).await;
        }
    }
}

impl Answer for RejectTask {
    async fn answer(call: Call, body: RejectRequest) -> Result<Written<Accepted>, Refusal> {
        let id = TaskId(call.number("a task")?);
        within("rejected_by", &body.rejected_by, LONGEST_NAME)?;
        within("reason", &body.reason, LONGEST_NOTE)?;
        from_engine(call.app.handle.reject(id, body, call.caller()?)).await?;
        accepted("Task rejected")
    }

    /// Who tried stands in the journal: the engine refuses it once more, and writes that down.
    async fn was_forbidden(call: Call) {
        if let (Ok(id), Ok(caller)) = (call.number("a task"), call.caller()) {
            let body = RejectRequest::default();
            let _ = from_engine(call.app.handle.reject(TaskId(id), body, caller)).await;
        }
    }
}

impl Answer for HealContainer {
    async fn answer(call: Call, _: Nothing) -> Result<Written<HealReply>, Refusal> {
        let asked = call.app.handle.heal(call.part.clone(), call.caller()?);
        made(from_engine(asked).await?)
    }
}

impl Answer for AskForAction {
    async fn answer(call: Call, request: AskRequest) -> Result<Written<HealReply>, Refusal> {
        within("reason", &request.reason, LONGEST_NOTE)?;
        let asked = call.app.handle.ask_for(request, call.caller()?);
        made(from_engine(asked).await?)
    }
}

/// The task that was made of what a person asked for.
fn made(task: Task) -> Result<Written<HealReply>, Refusal> {
    let waits = task.requires_approval && !task.approved;
    Written::of(&HealReply {
        success: true,
        message: if waits {
            format!("Task {} waits for approval: {}", task.id, task.description)
        } else {
            format!(
                "Task {} is queued for execution: {}",
                task.id, task.description
            )
        },
        task: task.id,
        requires_approval: waits,
    })
}
