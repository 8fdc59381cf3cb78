//! Reading the projections: lists, single documents, statistics, and what an agent needs to know of the past; and giving out numbers.
//!
//! Queries come in, plain data of the contract goes out. A document that can't be read is an error, never left out.
//! What it never does: change a projection.

use std::ops::Range;

use futures_util::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Row, any::AnyRow, query::Query};
use steward_api::{
    Incident, IncidentId, IncidentQuery, IncidentState, Page, RemedyRecord, ResourceId,
    ResourceStatistics, Task, TaskId, TaskQuery,
};

use crate::ports::{ActionRecord, Memory, StoreError};

use super::{
    SqlStore,
    connection::{failed, patiently},
    journal::time_of,
    projections::from_word,
};

/// Items on a page where the query says nothing.
const PAGE: u32 = 100;
/// Items on a page, at most.
pub(super) const MOST: u32 = 1000;
/// How far back an agent remembers what is over.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A value to bind.
pub(super) enum Value {
    Number(i64),
    Text(String),
}

/// The conditions of a list, each with its value.
#[derive(Default)]
pub(super) struct Conditions {
    sql: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    pub(super) fn add(&mut self, condition: &str, value: Value) {
        self.values.push(value);
        self.sql
            .push(condition.replace('?', &format!("${}", self.values.len())));
    }

    /// The documents that meet them, highest number first; one more than `limit`, so as to know whether there are more.
    fn select(&self, table: &str, limit: u32) -> String {
        let conditions = if self.sql.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", self.sql.join(" AND "))
        };
        format!(
            "SELECT id, doc FROM {table}{conditions} ORDER BY id DESC LIMIT {}",
            limit + 1
        )
    }
}

fn bind(
    mut query: Query<'_, Any, sqlx::any::AnyArguments>,
    values: Vec<Value>,
) -> Query<'_, Any, sqlx::any::AnyArguments> {
    for value in values {
        query = match value {
            Value::Number(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
        };
    }
    query
}

pub(super) fn parse<T: DeserializeOwned>(what: &str, id: i64, doc: &str) -> Result<T, StoreError> {
    serde_json::from_str(doc).map_err(|error| StoreError::Corrupt(format!("{what} {id}: {error}")))
}

fn get<'r, T>(row: &'r AnyRow, column: usize) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, Any> + sqlx::Type<Any>,
{
    row.try_get(column).map_err(failed)
}

fn resource(text: &str) -> Result<ResourceId, StoreError> {
    text.parse()
        .map_err(|error: steward_api::IdError| StoreError::Corrupt(error.to_string()))
}

/// A sum or count as the contract has it; the database has no unsigned numbers.
fn count(row: &AnyRow, column: usize) -> Result<u64, StoreError> {
    let value: i64 = get(row, column)?;
    u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("a count of {value}")))
}

fn small(row: &AnyRow, column: usize) -> Result<u32, StoreError> {
    let value: i64 = get(row, column)?;
    u32::try_from(value).map_err(|_| StoreError::Corrupt(format!("a count of {value}")))
}

impl SqlStore {
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        table: &'static str,
        conditions: Conditions,
        limit: Option<u32>,
    ) -> Result<Page<T>, StoreError> {
        let limit = limit.unwrap_or(PAGE).clamp(1, MOST);
        let sql = conditions.select(table, limit);
        let query = bind(sqlx::query(AssertSqlSafe(sql)), conditions.values);
        let mut rows = query.fetch(&self.readers);
        let mut items = Vec::new();
        let mut last = 0;
        let mut next = None;
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            if items.len() == limit as usize {
                next = Some(last);
                break;
            }
            last = get(&row, 0)?;
            items.push(parse(table, last, get(&row, 1)?)?);
        }
        Ok(Page { items, next })
    }

    pub(super) async fn list_incidents(
        &self,
        query: &IncidentQuery,
    ) -> Result<Page<Incident>, StoreError> {
        let mut conditions = Conditions::default();
        match query.state {
            Some(IncidentState::Active) => conditions.sql.push("resolved_at IS NULL".to_owned()),
            Some(IncidentState::Resolved) => {
                conditions.sql.push("resolved_at IS NOT NULL".to_owned());
            }
            None => {}
        }
        if let Some(severity) = query.severity {
            conditions.add("severity = ?", Value::Text(severity.as_str().to_owned()));
        }
        if let Some(resource) = &query.resource {
            conditions.add("resource = ?", Value::Text(resource.to_string()));
        }
        if let Some(since) = query.since {
            conditions.add(
                "(resolved_at IS NULL OR resolved_at >= ?)",
                Value::Number(since.as_microsecond()),
            );
        }
        if let Some(before) = query.before {
            conditions.add("id < ?", Value::Number(before));
        }
        self.page("incidents", conditions, query.limit).await
    }

    pub(super) async fn list_tasks(&self, query: &TaskQuery) -> Result<Page<Task>, StoreError> {
        let mut conditions = Conditions::default();
        if let Some(state) = query.state {
            conditions.add("status = ?", Value::Text(state.as_str().to_owned()));
        }
        if let Some(resource) = &query.resource {
            conditions.add("resource = ?", Value::Text(resource.to_string()));
        }
        if let Some(incident) = query.incident {
            conditions.add("incident = ?", Value::Number(incident));
        }
        if let Some(before) = query.before {
            conditions.add("id < ?", Value::Number(before));
        }
        self.page("tasks", conditions, query.limit).await
    }

    pub(super) async fn find_incident(
        &self,
        id: IncidentId,
    ) -> Result<Option<Incident>, StoreError> {
        let doc: Option<String> = sqlx::query_scalar("SELECT doc FROM incidents WHERE id = $1")
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
        doc.map(|doc| parse("incidents", id.0, &doc)).transpose()
    }

    pub(super) async fn find_task(&self, id: TaskId) -> Result<Option<Task>, StoreError> {
        let doc: Option<String> = sqlx::query_scalar("SELECT doc FROM tasks WHERE id = $1")
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
        doc.map(|doc| parse("tasks", id.0, &doc)).transpose()
    }

    /// Sums over the incidents rooted in this resource and over the actions on it. `healed` and `recovered` count how incidents ended that
    /// are over, by their last end; `incident_seconds` sums the active times of those. An action succeeded when its effect was observed;
    /// it did not when it failed, was not verified or was interrupted. A step that was skipped, or that took another back, is neither.
    pub(super) async fn resource_statistics(
        &self,
        resource: &ResourceId,
    ) -> Result<ResourceStatistics, StoreError> {
        let resource = resource.to_string();
        let incidents = sqlx::query(
            "SELECT COUNT(*),
                 COUNT(CASE WHEN resolution = 'healed' THEN 1 END),
                 COUNT(CASE WHEN resolution = 'recovered' THEN 1 END),
                 CAST(COALESCE(SUM(CASE WHEN resolved_at IS NOT NULL THEN active_time END), 0) AS BIGINT),
                 MAX(opened_at)
             FROM incidents WHERE resource = $1",
        )
        .bind(resource.as_str())
        .fetch_one(&self.readers)
        .await
        .map_err(failed)?;
        let actions = sqlx::query(
            "SELECT COUNT(CASE WHEN result = 'succeeded' THEN 1 END),
                 COUNT(CASE WHEN result IN ('failed', 'not_verified', 'interrupted') THEN 1 END)
             FROM actions WHERE resource = $1 AND undo = 0",
        )
        .bind(resource.as_str())
        .fetch_one(&self.readers)
        .await
        .map_err(failed)?;
        let last: Option<i64> = get(&incidents, 4)?;
        Ok(ResourceStatistics {
            incidents: count(&incidents, 0)?,
            healed: count(&incidents, 1)?,
            recovered: count(&incidents, 2)?,
            actions_succeeded: count(&actions, 0)?,
            actions_failed: count(&actions, 1)?,
            incident_seconds: count(&incidents, 3)? as f64 / 1e6,
            last_incident_at: last.map(time_of).transpose()?,
        })
    }

    pub(super) async fn recall_node(
        &self,
        node: &str,
        now: Timestamp,
    ) -> Result<Memory, StoreError> {
        let since = now
            .checked_sub(DAY)
            .unwrap_or(Timestamp::MIN)
            .as_microsecond();
        let mut reader = self.readers.acquire().await.map_err(failed)?;
        let mut memory = Memory::default();
        {
            let mut rows = sqlx::query(
                "SELECT id, doc FROM incidents
                 WHERE node = $1 AND (resolved_at IS NULL OR resolved_at >= $2) ORDER BY id",
            )
            .bind(node)
            .bind(since)
            .fetch(&mut *reader);
            while let Some(row) = rows.try_next().await.map_err(failed)? {
                let incident = parse("incidents", get(&row, 0)?, get(&row, 1)?)?;
                memory.incidents.push(incident);
            }
        }
        {
            let mut rows = sqlx::query(
                "SELECT id, doc FROM tasks
                 WHERE node = $1 AND status IN ('pending', 'waiting', 'in_progress') ORDER BY id",
            )
            .bind(node)
            .fetch(&mut *reader);
            while let Some(row) = rows.try_next().await.map_err(failed)? {
                let task = parse("tasks", get(&row, 0)?, get(&row, 1)?)?;
                memory.tasks.push(task);
            }
        }
        memory.actions = recall_actions(&mut reader, node, since).await?;
        memory.remedies = recall_remedies(&mut reader).await?;
        let rows = sqlx::query("SELECT resource, health FROM resources WHERE node = $1")
            .bind(node)
            .fetch_all(&mut *reader)
            .await
            .map_err(failed)?;
        for row in &rows {
            memory
                .resources
                .insert(resource(get(row, 0)?)?, from_word(get(row, 1)?)?);
        }
        let last: Option<i64> =
            sqlx::query_scalar("SELECT last_entry_at FROM nodes WHERE node = $1")
                .bind(node)
                .fetch_optional(&mut *reader)
                .await
                .map_err(failed)?;
        memory.last_entry_at = last.map(time_of).transpose()?;
        let rows = sqlx::query(
            "SELECT problem, severity, opened FROM incident_totals WHERE node = $1
             ORDER BY problem, severity",
        )
        .bind(node)
        .fetch_all(&mut *reader)
        .await
        .map_err(failed)?;
        for row in &rows {
            memory
                .incident_totals
                .push((from_word(get(row, 0)?)?, get(row, 1)?, count(row, 2)?));
        }
        Ok(memory)
    }

    pub(super) async fn reserve(&self, count: u32) -> Result<Range<i64>, StoreError> {
        let after = self.count_up("ids", i64::from(count)).await?;
        Ok(after - i64::from(count) + 1..after + 1)
    }

    pub(super) async fn write_probe(&self) -> Result<(), StoreError> {
        self.count_up("probes", 1).await.map(drop)
    }

    /// Adds to a counter and gives its new value.
    async fn count_up(&self, name: &str, by: i64) -> Result<i64, StoreError> {
        patiently(async {
            let mut write = self.writer.begin().await?;
            let value: i64 = sqlx::query_scalar(
                "UPDATE counters SET value = value + $1 WHERE name = $2 RETURNING value",
            )
            .bind(by)
            .bind(name)
            .fetch_all(&mut write.connection)
            .await
            .map_err(failed)?
            .into_iter()
            .next()
            .ok_or_else(|| StoreError::Corrupt(format!("the counter `{name}` is missing")))?;
            write.commit().await?;
            Ok(value)
        })
        .await
    }
}

async fn recall_actions(
    reader: &mut AnyConnection,
    node: &str,
    since: i64,
) -> Result<Vec<ActionRecord>, StoreError> {
    let rows = sqlx::query(
        "SELECT task, step, undo, action, resource, problem, intended_at, concluded_at, result
         FROM actions WHERE node = $1 AND (intended_at >= $2 OR concluded_at IS NULL) ORDER BY seq",
    )
    .bind(node)
    .bind(since)
    .fetch_all(reader)
    .await
    .map_err(failed)?;
    let action = |row: &AnyRow| -> Result<ActionRecord, StoreError> {
        let problem: Option<String> = get(row, 5)?;
        let concluded_at: Option<i64> = get(row, 7)?;
        let result: Option<String> = get(row, 8)?;
        Ok(ActionRecord {
            task: TaskId(get(row, 0)?),
            step: small(row, 1)?,
            undo: get::<i64>(row, 2)? != 0,
            action: from_word(get(row, 3)?)?,
            resource: resource(get(row, 4)?)?,
            problem: problem.map(from_word).transpose()?,
            intended_at: time_of(get(row, 6)?)?,
            concluded: match (concluded_at, result) {
                (Some(at), Some(result)) => Some((time_of(at)?, from_word(result)?)),
                _ => None,
            },
        })
    };
    rows.iter().map(action).collect()
}

/// All remedies, of all nodes: what has never worked anywhere is worth knowing here too.
async fn recall_remedies(
    reader: &mut AnyConnection,
) -> Result<
    Vec<(
        (steward_api::Problem, steward_api::ActionName, ResourceId),
        RemedyRecord,
    )>,
    StoreError,
> {
    let rows = sqlx::query(
        "SELECT r.problem, r.action, r.resource, r.successes_here, r.failures_here, r.failures_in_a_row_here,
             CAST(t.successes AS BIGINT), CAST(t.failures AS BIGINT)
         FROM remedies r JOIN (
             SELECT problem, action, SUM(successes_here) AS successes, SUM(failures_here) AS failures
             FROM remedies GROUP BY problem, action
         ) t ON t.problem = r.problem AND t.action = r.action
         ORDER BY r.problem, r.action, r.resource",
    )
    .fetch_all(reader)
    .await
    .map_err(failed)?;
    let remedy = |row: &AnyRow| {
        let key = (
            from_word(get(row, 0)?)?,
            from_word(get(row, 1)?)?,
            resource(get(row, 2)?)?,
        );
        let record = RemedyRecord {
            successes_here: small(row, 3)?,
            failures_here: small(row, 4)?,
            failures_in_a_row_here: small(row, 5)?,
            successes: small(row, 6)?,
            failures: small(row, 7)?,
        };
        Ok((key, record))
    };
    rows.iter().map(remedy).collect()
}
