//! Requests and replies that are not one of the house's words themselves. Shapes promised to users; fields are only ever added.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Autonomy, Envelope, ExecutionEntry, Incident, Metric, PlanHash, Resource, ResourceId, Severity,
    TaskId, TaskResult, TaskState, Unreadable,
};

/// `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HealthReply {
    /// `ok`, or `degraded` while the database takes no writes.
    pub status: String,
    /// Steward's version.
    pub version: String,
    /// Seconds since the agent began.
    pub uptime_seconds: u64,
}

/// How a source is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SourceStatus {
    /// Its name, such as `docker`.
    pub name: String,
    /// Whether its last reading worked; absent before the first.
    pub up: Option<bool>,
    /// When it last worked.
    pub last_success: Option<Timestamp>,
    /// Why it does not, and what to do about it.
    pub error: Option<String>,
    /// How long its last reading took, milliseconds.
    pub last_duration_ms: Option<u64>,
}

/// A schedule and its next run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScheduleStatus {
    /// Its name, such as `container_cycle`.
    pub name: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Seconds between runs.
    pub every_seconds: u64,
    /// When it runs next; absent while switched off.
    pub next_run: Option<Timestamp>,
    /// When it last ran.
    pub last_run: Option<Timestamp>,
}

/// How the database is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoreStatus {
    /// `sqlite` or `postgres`.
    pub engine: String,
    /// Whether it takes writes. While it does not, Steward watches and does nothing.
    pub writable: bool,
    /// Why not.
    pub error: Option<String>,
    /// Facts that wait to be journaled.
    pub backlog: u64,
    /// The last entry of the journal.
    pub journal_seq: i64,
}

/// `GET /status`, `GET /monitor/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusReply {
    /// The node.
    pub node: String,
    /// Steward's version.
    pub version: String,
    /// When the agent began.
    pub started_at: Timestamp,
    /// Seconds since then.
    pub uptime_seconds: u64,
    /// The autonomy in force.
    pub autonomy: Autonomy,
    /// What that means.
    pub autonomy_explanation: String,
    /// Sources, by name.
    pub sources: Vec<SourceStatus>,
    /// Schedules, by name.
    pub schedules: Vec<ScheduleStatus>,
    /// The database.
    pub store: StoreStatus,
    /// Versions of what is looked after, such as `docker` → `28.2.2`.
    pub versions: BTreeMap<String, String>,
    /// How many resources are in each state of health, by kind.
    pub resources: BTreeMap<String, BTreeMap<String, u64>>,
    /// Active incidents by severity.
    pub active_incidents: BTreeMap<String, u64>,
    /// Tasks that wait for a person.
    pub tasks_awaiting_approval: u64,
    /// What could not be read in the last readings.
    #[serde(default)]
    pub unreadable: Vec<Unreadable>,
    /// The newest problem with the configuration on disk, where the one in force is an older one.
    #[serde(default)]
    pub config_error: Option<String>,
}

/// Containers by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[allow(missing_docs, reason = "the states of health")]
pub struct ContainerCounts {
    pub healthy: u64,
    /// Unhealthy or degraded.
    pub unhealthy: u64,
    pub stopped: u64,
    pub restarting: u64,
    pub unknown: u64,
}

/// One database in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatabaseSummary {
    /// Which.
    pub resource: ResourceId,
    /// Whether it answers; null when it could not be told.
    pub connected: Option<bool>,
    /// Time to an answer; null when there was none.
    pub latency_ms: Option<f64>,
}

/// Databases in short: the worst, and each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatabaseHealth {
    /// Whether the worst answers; null when there is none or it could not be told.
    pub connected: Option<bool>,
    /// The worst's time to an answer.
    pub latency_ms: Option<f64>,
    /// Each.
    pub databases: Vec<DatabaseSummary>,
}

/// The network in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NetworkHealth {
    /// Whether the outside answers; null when not known.
    pub external_reachable: Option<bool>,
    /// Whether names resolve; null when not known.
    pub dns_functional: Option<bool>,
}

/// The fullest disk in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiskStatus {
    /// Used, percent; null when not known.
    pub usage_percent: Option<f64>,
    /// Available, gigabytes (10⁹ bytes); null when not known.
    pub available_gb: Option<f64>,
}

/// `GET /api/health/system-summary`. What could not be read is null, never a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SystemSummary {
    /// Null when no engine could be read.
    pub container_health: Option<ContainerCounts>,
    /// Databases.
    pub database_health: DatabaseHealth,
    /// The network.
    pub network_health: NetworkHealth,
    /// The fullest disk.
    pub disk_status: DiskStatus,
    /// Active incidents.
    pub issues_found: u64,
    /// Tasks that are not over.
    pub tasks_created: u64,
}

/// The body of `POST /api/agents/tasks/{id}/approve`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApproveRequest {
    /// The person's name; recorded beside the identity of the token, which is what counts.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 200))]
    pub approved_by: String,
    /// A note for the record.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 4000))]
    pub notes: String,
    /// The plan that was seen; refused when the task's plan is another.
    #[serde(default)]
    pub plan_hash: Option<PlanHash>,
}

/// The body of `POST /api/agents/tasks/{id}/reject`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RejectRequest {
    /// The person's name; recorded beside the identity of the token, which is what counts.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 200))]
    pub rejected_by: String,
    /// Why, for the record.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 4000))]
    pub reason: String,
    /// The plan that was seen; refused when the task's plan is another.
    #[serde(default)]
    pub plan_hash: Option<PlanHash>,
}

/// The reply to an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Accepted {
    /// Always true; a refusal is an error.
    pub success: bool,
    /// In words for a person.
    pub message: String,
}

/// `GET /api/agents/tasks/{id}/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskStatusReply {
    /// Which task.
    pub id: TaskId,
    /// Where it stands.
    pub status: TaskState,
    /// How it ended; null before.
    pub result: Option<TaskResult>,
    /// What was done.
    pub execution_log: Vec<ExecutionEntry>,
}

/// The query of `GET /api/agents/tasks`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskQuery {
    /// Only in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<TaskState>,
    /// Only on this resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceId>,
    /// Only for this incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<i64>,
    /// Only numbers below this: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
    /// How many at most; 100 by default, 1,000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
    pub limit: Option<u32>,
}

/// One page of a list, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// What is on the page.
    pub items: Vec<T>,
    /// The cursor of the next page (`before`, or `after` where that was given); absent on the last.
    #[serde(default)]
    pub next: Option<i64>,
}

/// Which incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Not over.
    Active,
    /// Over.
    Resolved,
}

/// The query of `GET /api/incidents`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IncidentQuery {
    /// Only active or only resolved ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<IncidentState>,
    /// Only of this severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Only on this resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceId>,
    /// Only those that were active at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Only numbers below this: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
    /// How many at most; 100 by default, 1,000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
    pub limit: Option<u32>,
}

/// The query of `GET /monitor/incidents`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HoursQuery {
    /// How far back; 24 by default, 8,784 (a year) at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 8784))]
    pub hours: Option<u32>,
}

/// The reply to `GET /monitor/incidents`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MonitorIncidents {
    /// How far back was looked.
    pub hours: u32,
    /// How many there are.
    pub total: u64,
    /// How many of them are not over.
    pub active: u64,
    /// Each, newest first, 1,000 at most; the numbers above count all.
    pub incidents: Vec<Incident>,
}

/// The query of `GET /api/resources`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceQuery {
    /// Only of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<crate::ResourceKind>,
    /// Only in this health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<crate::Health>,
    /// Only of this Compose project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Only those whose id contains this text, in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
}

/// The reply to `GET /api/resources`: a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceList {
    /// When the snapshot last changed.
    pub taken_at: Timestamp,
    /// The resources, by id.
    pub resources: Vec<Resource>,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
}

/// The query of `GET /api/resource`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceIdQuery {
    /// Which.
    pub id: ResourceId,
}

/// What has happened to a container, as counted from the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceStatistics {
    /// Incidents.
    pub incidents: u64,
    /// Of those, healed by Steward.
    pub healed: u64,
    /// Of those, over without Steward.
    pub recovered: u64,
    /// Actions of Steward's that succeeded.
    pub actions_succeeded: u64,
    /// Actions of Steward's that did not.
    pub actions_failed: u64,
    /// Sum of the times in incidents that are over, seconds.
    pub incident_seconds: f64,
    /// When the last incident was opened.
    pub last_incident_at: Option<Timestamp>,
}

/// One resource with what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceDetail {
    /// The resource as last read.
    pub resource: Resource,
    /// What needs it.
    pub dependents: Vec<ResourceId>,
    /// Its incidents, newest first, 20 at most.
    pub incidents: Vec<Incident>,
    /// What has happened to it.
    pub statistics: ResourceStatistics,
}

/// The query of `GET /api/metrics`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MetricQuery {
    /// Of which resource.
    pub resource: ResourceId,
    /// Which metric.
    pub metric: Metric,
    /// From when; an hour before `to` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when; now by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Seconds between points; at least as fine as the history that covers `from`, by default the finest that gives at most 500 points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub step: Option<u32>,
}

/// One point of a history: what was seen in the time from `at` on, for one step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MetricPoint {
    /// The beginning.
    pub at: Timestamp,
    /// Lowest.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Highest.
    pub max: f64,
    /// Of how many readings.
    pub count: u64,
}

/// The reply to `GET /api/metrics`. A time without a point is a time without a reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MetricSeries {
    /// Of which resource.
    pub resource: ResourceId,
    /// Which metric.
    pub metric: Metric,
    /// Its unit.
    pub unit: String,
    /// Seconds between points.
    pub step: u32,
    /// Oldest first.
    pub points: Vec<MetricPoint>,
    /// What is normal then, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
}

/// What is normal for a metric of a resource, learned from its history by the hour of the day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Baseline {
    /// From how many days.
    pub days: u32,
    /// Seconds for which each point holds.
    pub step: u32,
    /// Oldest first; a time without a point is one of which it is not known.
    pub points: Vec<BaselinePoint>,
}

/// What is normal in the time from `at` on, for one step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BaselinePoint {
    /// The beginning.
    pub at: Timestamp,
    /// One of twenty readings is lower.
    pub low: f64,
    /// Half of the readings are lower.
    pub median: f64,
    /// One of twenty readings is higher.
    pub high: f64,
}

/// The reply to `GET /monitor/metrics/container/{name}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerMetrics {
    /// The container as last read.
    pub container: Resource,
    /// What has happened to it.
    pub statistics: ResourceStatistics,
    /// The last hour of each metric.
    pub history: Vec<MetricSeries>,
}

/// The reply to `POST /monitor/heal/{container}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HealReply {
    /// Always true; a refusal is an error.
    pub success: bool,
    /// In words for a person.
    pub message: String,
    /// The task that was made.
    pub task: TaskId,
    /// Whether it waits for a person's yes.
    pub requires_approval: bool,
}

/// The body of `POST /api/autonomy` and the reply to `GET /api/autonomy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AutonomyReply {
    /// The level in force.
    pub autonomy: Autonomy,
    /// What it means.
    pub explanation: String,
}

/// The body of `POST /api/autonomy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AutonomyRequest {
    /// The level to put in force. Holds until the configuration changes or the agent is started anew.
    pub autonomy: Autonomy,
}

/// The query of `GET /api/journal`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JournalQuery {
    /// Only entries after this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
    /// Only entries before this number: the `next` of the page before (newest first). With `after`, oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
    /// How many at most; 100 by default, 1,000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
    pub limit: Option<u32>,
}

/// The reply to `GET /api/journal`.
pub type JournalPage = Page<Envelope>;

/// The reply to `GET /api/journal/verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JournalVerification {
    /// Whether the chain is whole.
    pub intact: bool,
    /// Entries checked.
    pub entries: u64,
    /// The last entry's number; 0 when empty.
    pub head_seq: i64,
    /// The last entry's hash; note it elsewhere to prove later that nothing before it was changed.
    pub head_hash: String,
    /// The first fault, where there is one.
    #[serde(default)]
    pub fault: Option<String>,
}

/// The reply to `GET /api/resources/log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogTail {
    /// Of which resource.
    pub resource: ResourceId,
    /// The last lines, oldest first, cleared of secrets.
    pub lines: Vec<String>,
}
