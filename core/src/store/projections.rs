//! The projections: from an entry of the journal to rows of the tables that are read.
//!
//! Entries come in, in order, within the transaction that writes them or while the projections are made anew; every row is a function of
//! the entries and nothing else, so that both ways give the same. The tables that come out:
//!
//! - `incidents`, `tasks`: the newest document of each, with the columns by which they are looked for. An incident also carries the sum of
//!   its *active* times: from its opening, or from when it came back, to its resolution. What lies between a resolution and a reopening
//!   does not count, and an incident that came back is still one incident, whose last resolution counts. Statistics are sums over these
//!   rows, so nothing can be counted twice.
//! - `incident_totals`: how often each problem and severity has opened an incident, by node; counted at its first entry only.
//! - `actions`: one row for each intent. A conclusion goes to the newest open intent of its task, step and direction; where there is none,
//!   to the newest concluded one (a later word on the same deed); where there is none at all, it makes a row of its own.
//! - `remedies`: what the record says *here*, on each resource. The totals are sums, made on reading.
//! - `model_calls`: one row for each call of a language model.
//! - `conversations`: the newest document of each; `conversation_tasks`: the task that it is about and those that came of it; `messages`: one
//!   row for each message. A message never changes, and were its place ever taken twice, the last word counts.
//! - `security_summaries`: one row for each reading of the security scan (`scan`) and for each daily summary (`day`).
//! - `resources`: the last known health. `nodes`: when each node last wrote.
//!
//! What it never does: read anything but its own tables, or look at a clock.

use serde::{Serialize, de::DeserializeOwned};
use sqlx::AnyConnection;
use steward_api::{
    ActionName, Conversation, Envelope, Event, Incident, IncidentChange, Message, Problem,
    RemedyRecord, ResourceId, StepResult, Task, TaskId,
};

use crate::ports::StoreError;

use super::connection::failed;

/// The tables that are projections, for emptying them.
pub(super) const TABLES: [&str; 12] = [
    "conversations",
    "conversation_tasks",
    "messages",
    "model_calls",
    "nodes",
    "incidents",
    "incident_totals",
    "tasks",
    "actions",
    "remedies",
    "resources",
    "security_summaries",
];

/// The word of a plain enum, as on the wire.
pub(super) fn word<T: Serialize>(value: &T) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        Ok(other) => Err(StoreError::Corrupt(format!("{other} is no word"))),
        Err(error) => Err(StoreError::Corrupt(format!("a word has no JSON: {error}"))),
    }
}

/// The plain enum of a word.
pub(super) fn from_word<T: DeserializeOwned>(word: String) -> Result<T, StoreError> {
    serde_json::from_value(serde_json::Value::String(word))
        .map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn document<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Corrupt(format!("a document has no JSON: {error}")))
}

/// Empties all projections.
pub(super) async fn clear(connection: &mut AnyConnection) -> Result<(), StoreError> {
    for table in TABLES {
        sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM {table}")))
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
    }
    Ok(())
}

/// Applies one entry.
pub(super) async fn apply(
    connection: &mut AnyConnection,
    entry: &Envelope,
) -> Result<(), StoreError> {
    match &entry.event {
        Event::ResourceChanged { resource, to, .. } => {
            let query = sqlx::query(
                "INSERT INTO resources (resource, node, health, changed_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (resource) DO UPDATE
                 SET node = excluded.node, health = excluded.health, changed_at = excluded.changed_at",
            )
            .bind(resource.to_string())
            .bind(entry.node.as_str())
            .bind(to.as_str())
            .bind(entry.at.as_microsecond());
            query.execute(connection).await.map_err(failed)?;
        }
        Event::ResourceGone { resource } => {
            sqlx::query("DELETE FROM resources WHERE resource = $1")
                .bind(resource.to_string())
                .execute(connection)
                .await
                .map_err(failed)?;
        }
        Event::IncidentChanged { change, incident } => {
            apply_incident(connection, entry, *change, incident).await?;
        }
        Event::TaskChanged { task, .. } => apply_task(connection, task).await?,
        Event::ActionIntended {
            task,
            step,
            undo,
            action,
            resource,
            problem,
        } => {
            let deed = Deed {
                task: *task,
                step: *step,
                undo: *undo,
                action: *action,
                resource,
                problem: *problem,
            };
            deed.insert(connection, entry, None).await?;
        }
        Event::ActionConcluded {
            task,
            step,
            undo,
            action,
            resource,
            problem,
            result,
            details: _,
        } => {
            let deed = Deed {
                task: *task,
                step: *step,
                undo: *undo,
                action: *action,
                resource,
                problem: *problem,
            };
            deed.conclude(connection, entry, *result).await?;
        }
        Event::MessageSent {
            conversation,
            message,
        } => apply_message(connection, conversation, message).await?,
        Event::SecurityScanned { summary, .. } => {
            insert_summary(connection, entry, "scan", document(summary)?).await?;
        }
        Event::SecurityDay { day } => {
            insert_summary(connection, entry, "day", document(day)?).await?;
        }
        Event::ModelCalled { call } => {
            sqlx::query(
                "INSERT INTO model_calls (id, node, at, incident, conversation, cost, doc) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(entry.seq)
            .bind(entry.node.as_str())
            .bind(entry.at.as_microsecond())
            .bind(call.incident.map(|incident| incident.0))
            .bind(call.conversation.map(|conversation| conversation.0))
            .bind(i64::try_from(call.cost_micro_usd).unwrap_or(i64::MAX))
            .bind(document(call)?)
            .execute(connection)
            .await
            .map_err(failed)?;
        }
        Event::RemedyLearned {
            problem,
            action,
            resource,
            success: _,
            record,
        } => apply_remedy(connection, *problem, *action, resource, record).await?,
        Event::AgentStarted { .. }
        | Event::AgentStopped { .. }
        | Event::SourceUp { .. }
        | Event::SourceDown { .. }
        | Event::AnswerRefused { .. }
        | Event::AutonomyChanged { .. }
        | Event::ConfigReloaded { .. }
        | Event::ConfigRefused { .. }
        | Event::TokenMade { .. }
        | Event::TokenRevoked { .. }
        | Event::SignedIn { .. }
        | Event::PortAccepted { .. } => {}
    }
    Ok(())
}

async fn insert_summary(
    connection: &mut AnyConnection,
    entry: &Envelope,
    kind: &str,
    doc: String,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO security_summaries (id, node, at, kind, doc) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(entry.seq)
    .bind(entry.node.as_str())
    .bind(entry.at.as_microsecond())
    .bind(kind)
    .bind(doc)
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

/// Keeps when a node last wrote: the latest time of its entries.
pub(super) async fn note_node(
    connection: &mut AnyConnection,
    node: &str,
    entries: &[Envelope],
) -> Result<(), StoreError> {
    let Some(latest) = entries.iter().map(|entry| entry.at).max() else {
        return Ok(());
    };
    sqlx::query(
        "INSERT INTO nodes (node, last_entry_at) VALUES ($1, $2)
         ON CONFLICT (node) DO UPDATE SET last_entry_at = CASE
             WHEN excluded.last_entry_at > nodes.last_entry_at THEN excluded.last_entry_at
             ELSE nodes.last_entry_at END",
    )
    .bind(node)
    .bind(latest.as_microsecond())
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

async fn apply_incident(
    connection: &mut AnyConnection,
    entry: &Envelope,
    change: IncidentChange,
    incident: &Incident,
) -> Result<(), StoreError> {
    if change == IncidentChange::Detected {
        sqlx::query(
            "INSERT INTO incident_totals (node, problem, severity, opened)
             SELECT $1, $2, $3, 1 WHERE NOT EXISTS (SELECT 1 FROM incidents WHERE id = $4)
             ON CONFLICT (node, problem, severity) DO UPDATE SET opened = incident_totals.opened + 1",
        )
        .bind(entry.node.as_str())
        .bind(incident.problem.as_str())
        .bind(incident.severity.as_str())
        .bind(incident.id.0)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    }
    let opened = incident.opened_at.as_microsecond();
    let resolved = incident.resolved_at.map(|at| at.as_microsecond());
    let resolution = match &incident.resolution {
        Some(resolution) => Some(word(&resolution.kind)?),
        None => None,
    };
    // $9 and $10 serve an incident that was not known; one that is known goes on from its row. $12 is when it came back, if it did.
    sqlx::query(
        "INSERT INTO incidents (id, node, resource, severity, phase, opened_at, resolved_at, resolution, active_since, active_time, doc)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (id) DO UPDATE SET
             resource = excluded.resource, severity = excluded.severity, phase = excluded.phase,
             opened_at = excluded.opened_at, resolved_at = excluded.resolved_at, resolution = excluded.resolution,
             active_time = incidents.active_time + CASE
                 WHEN excluded.resolved_at > incidents.active_since THEN excluded.resolved_at - incidents.active_since
                 ELSE 0 END,
             active_since = CASE
                 WHEN excluded.resolved_at IS NOT NULL THEN NULL
                 ELSE COALESCE(incidents.active_since, $12) END,
             doc = excluded.doc",
    )
    .bind(incident.id.0)
    .bind(entry.node.as_str())
    .bind(incident.resource.to_string())
    .bind(incident.severity.as_str())
    .bind(incident.phase.to_string())
    .bind(opened)
    .bind(resolved)
    .bind(resolution)
    .bind(resolved.is_none().then_some(opened))
    .bind(resolved.map_or(0, |at| (at - opened).max(0)))
    .bind(document(incident)?)
    .bind(entry.at.as_microsecond())
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

async fn apply_task(connection: &mut AnyConnection, task: &Task) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO tasks (id, node, status, resource, incident, doc) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO UPDATE SET
             node = excluded.node, status = excluded.status, resource = excluded.resource,
             incident = excluded.incident, doc = excluded.doc",
    )
    .bind(task.id.0)
    .bind(task.node.as_str())
    .bind(task.status.as_str())
    .bind(task.resource.to_string())
    .bind(task.incident.map(|id| id.0))
    .bind(document(task)?)
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

async fn apply_message(
    connection: &mut AnyConnection,
    conversation: &Conversation,
    message: &Message,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO conversations (id, node, incident, doc) VALUES ($1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE SET
             node = excluded.node, incident = excluded.incident, doc = excluded.doc",
    )
    .bind(conversation.id.0)
    .bind(conversation.node.as_str())
    .bind(conversation.incident.map(|id| id.0))
    .bind(document(conversation)?)
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    for task in conversation.tasks.iter().chain(&conversation.task) {
        sqlx::query(
            "INSERT INTO conversation_tasks (task, conversation) VALUES ($1, $2)
             ON CONFLICT (task, conversation) DO NOTHING",
        )
        .bind(task.0)
        .bind(conversation.id.0)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    }
    sqlx::query(
        "INSERT INTO messages (conversation, number, kind, doc) VALUES ($1, $2, $3, $4)
         ON CONFLICT (conversation, number) DO UPDATE SET kind = excluded.kind, doc = excluded.doc",
    )
    .bind(message.conversation.0)
    .bind(i64::from(message.number))
    .bind(message.kind.as_str())
    .bind(document(message)?)
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

/// What an intent and its conclusion have in common.
struct Deed<'a> {
    task: TaskId,
    step: u32,
    undo: bool,
    action: ActionName,
    resource: &'a ResourceId,
    problem: Option<Problem>,
}

impl Deed<'_> {
    /// Makes its row: open, or concluded in the same moment.
    async fn insert(
        &self,
        connection: &mut AnyConnection,
        entry: &Envelope,
        result: Option<StepResult>,
    ) -> Result<(), StoreError> {
        let at = entry.at.as_microsecond();
        let result = match result {
            Some(result) => Some(word(&result)?),
            None => None,
        };
        sqlx::query(
            "INSERT INTO actions (seq, node, task, step, undo, action, resource, problem, intended_at, concluded_at, result)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(entry.seq)
        .bind(entry.node.as_str())
        .bind(self.task.0)
        .bind(i64::from(self.step))
        .bind(i64::from(self.undo))
        .bind(self.action.as_str())
        .bind(self.resource.to_string())
        .bind(self.problem.map(|problem| problem.as_str()))
        .bind(at)
        .bind(result.is_some().then_some(at))
        .bind(result)
        .execute(connection)
        .await
        .map_err(failed)?;
        Ok(())
    }

    async fn conclude(
        &self,
        connection: &mut AnyConnection,
        entry: &Envelope,
        result: StepResult,
    ) -> Result<(), StoreError> {
        // Open before concluded, newest first.
        let row: Option<i64> = sqlx::query_scalar(
            "SELECT seq FROM actions WHERE task = $1 AND step = $2 AND undo = $3
             ORDER BY CASE WHEN concluded_at IS NULL THEN 0 ELSE 1 END, seq DESC LIMIT 1",
        )
        .bind(self.task.0)
        .bind(i64::from(self.step))
        .bind(i64::from(self.undo))
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
        let Some(seq) = row else {
            return self.insert(connection, entry, Some(result)).await;
        };
        sqlx::query("UPDATE actions SET concluded_at = $1, result = $2 WHERE seq = $3")
            .bind(entry.at.as_microsecond())
            .bind(word(&result)?)
            .bind(seq)
            .execute(connection)
            .await
            .map_err(failed)?;
        Ok(())
    }
}

async fn apply_remedy(
    connection: &mut AnyConnection,
    problem: Problem,
    action: ActionName,
    resource: &ResourceId,
    record: &RemedyRecord,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO remedies (problem, action, resource, successes_here, failures_here, failures_in_a_row_here)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (problem, action, resource) DO UPDATE SET
             successes_here = excluded.successes_here, failures_here = excluded.failures_here,
             failures_in_a_row_here = excluded.failures_in_a_row_here",
    )
    .bind(problem.as_str())
    .bind(action.as_str())
    .bind(resource.to_string())
    .bind(i64::from(record.successes_here))
    .bind(i64::from(record.failures_here))
    .bind(i64::from(record.failures_in_a_row_here))
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}
