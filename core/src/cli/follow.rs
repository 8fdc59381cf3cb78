//! Follows one task to its end: from the event stream, with polling as the safety net.

use std::time::Duration;

use futures_util::StreamExt as _;
use steward_api::{Event, GetTask, Nothing, Task, TaskId, TaskState};

use super::{
    failure::{Exit, Failure},
    output::{Screen, Tone, clean, task_mark},
    story,
};
use crate::client::{Client, EventStream, StreamEvent};

/// How often a task is read while the event stream says nothing.
const POLL: Duration = Duration::from_secs(2);

/// Waits for the task's end, printing each line of its execution log as it comes; prints nothing for a machine.
///
/// # Errors
/// Where the agent can't be asked, or on Ctrl-C; the task itself goes on in both cases.
pub(crate) async fn to_the_end(
    client: &Client,
    screen: &Screen,
    id: TaskId,
) -> Result<Task, Failure> {
    tokio::select! {
        ended = follow(client, screen, id) => ended,
        _ = tokio::signal::ctrl_c() => Err(Failure::new(
            Exit::Interrupted,
            "interrupted",
            format!("No longer waiting. The task goes on: `steward show task {id}` tells how it went."),
        )),
    }
}

async fn follow(client: &Client, screen: &Screen, id: TaskId) -> Result<Task, Failure> {
    let mut stream: Option<EventStream> = None;
    let mut shown = 0;
    let mut state = None;
    let mut task = read(client, id).await?;
    loop {
        if !screen.json {
            if state != Some(task.status) && !task.status.is_final() {
                screen.print(&state_line(screen, &task))?;
            }
            for entry in task.execution_log.iter().skip(shown) {
                screen.print(&story::log_line(screen, &task, entry))?;
            }
        }
        state = Some(task.status);
        shown = task.execution_log.len().max(shown);
        if task.status.is_final() {
            return Ok(task);
        }
        let stream = stream.get_or_insert_with(|| client.events(None));
        task = tokio::select! {
            Some(next) = next_state(stream, id) => next,
            () = tokio::time::sleep(POLL) => read(client, id).await?,
        };
    }
}

/// The task as the next event about it shows it. Absent where the stream is over; then polling alone goes on.
async fn next_state(stream: &mut EventStream, id: TaskId) -> Option<Task> {
    loop {
        match stream.next().await? {
            Ok(StreamEvent::Entry(entry)) => {
                if let Event::TaskChanged { task, .. } = entry.event
                    && task.id == id
                {
                    return Some(*task);
                }
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the event stream failed; polling goes on"),
        }
    }
}

async fn read(client: &Client, id: TaskId) -> Result<Task, Failure> {
    Ok(client
        .call::<GetTask>(Some(&id.to_string()), &Nothing {})
        .await?)
}

fn state_line(screen: &Screen, task: &Task) -> String {
    let more = match task.status {
        TaskState::Pending if task.requires_approval && !task.approved => {
            format!(" — waits for a yes: steward approve {}", task.id)
        }
        _ => String::new(),
    };
    format!("{}{more}\n", screen.mark(task_mark(task.status)))
}

/// The end of a task in words, and whether it is a good one.
pub(crate) fn result_line(screen: &Screen, task: &Task) -> String {
    let details = task.result.as_ref().map_or_else(
        || match task.status {
            TaskState::Rejected => "a person said no".to_owned(),
            TaskState::Expired => "nobody answered in time".to_owned(),
            TaskState::Cancelled => "it is no longer needed".to_owned(),
            _ => String::new(),
        },
        |result| result.details.clone(),
    );
    format!(
        "{} {}\n",
        screen.mark(task_mark(task.status)),
        screen.paint(Tone::Plain, clean(&details))
    )
}
