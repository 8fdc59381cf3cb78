//! The engine's picture in short: pure functions from a [`View`] to the replies that sum it up.
//!
//! What flows through: a view and the time in, a reply out. What it never does: I/O, or turning what could not be read into a number.
//! Unknown is null.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use steward_api::{
    ContainerCounts, DatabaseHealth, DatabaseSummary, DiskStatus, Facts, Health, HealthReply,
    Metric, NetworkHealth, Resource, ResourceId, ResourceKind, Severity, StatusReply, StoreStatus,
    SystemSummary, Task, TaskState,
};

use crate::engine::View;

/// Steward's version.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether the agent lives.
pub(super) fn health(view: &View, now: Timestamp) -> HealthReply {
    HealthReply {
        status: if view.store_error.is_none() {
            "ok"
        } else {
            "degraded"
        }
        .to_owned(),
        version: VERSION.to_owned(),
        uptime_seconds: uptime_seconds(view, now),
    }
}

/// Seconds since the agent began; 0 where the clock was set back since.
pub(super) fn uptime_seconds(view: &View, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(view.started_at).as_secs()).unwrap_or(0)
}

/// What runs.
pub(super) fn status(view: &View, store: StoreStatus, now: Timestamp) -> StatusReply {
    let mut resources: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for resource in view.resources.values() {
        *resources
            .entry(resource.id.kind.to_string())
            .or_default()
            .entry(resource.health.to_string())
            .or_default() += 1;
    }
    StatusReply {
        node: view.node.clone(),
        version: VERSION.to_owned(),
        started_at: view.started_at,
        uptime_seconds: uptime_seconds(view, now),
        autonomy: view.autonomy,
        autonomy_explanation: view.autonomy.explanation().to_owned(),
        sources: view.sources.clone(),
        schedules: view.schedules.clone(),
        store,
        versions: view.versions.clone(),
        resources,
        active_incidents: active_by_severity(view)
            .into_iter()
            .map(|(severity, count)| (severity.to_string(), count))
            .collect(),
        tasks_awaiting_approval: u64::try_from(awaiting(view).len()).unwrap_or(u64::MAX),
        unreadable: view.unreadable.clone(),
        config_error: view.config_error.clone(),
    }
}

/// Active incidents of every severity, none included.
pub(super) fn active_by_severity(view: &View) -> BTreeMap<Severity, u64> {
    let mut counts: BTreeMap<_, _> = Severity::ALL
        .into_iter()
        .map(|severity| (severity, 0))
        .collect();
    for incident in &view.active_incidents {
        *counts.entry(incident.severity).or_default() += 1;
    }
    counts
}

/// Tasks that wait for a person: most urgent first, then the one that has waited longest.
pub(super) fn awaiting(view: &View) -> Vec<&Arc<Task>> {
    let mut tasks: Vec<_> = view
        .open_tasks
        .iter()
        .filter(|task| {
            task.status == TaskState::Pending && task.requires_approval && !task.approved
        })
        .collect();
    tasks.sort_by_key(|task| (task.priority, task.created_at, task.id));
    tasks
}

/// What needs a resource directly, by the graph: what depends on it and what runs on it.
pub(super) fn dependents(view: &View, of: &ResourceId) -> Vec<ResourceId> {
    view.resources
        .values()
        .filter(|resource| {
            resource.runs_on.as_ref() == Some(of)
                || resource
                    .depends_on
                    .iter()
                    .any(|dependency| &dependency.on == of)
        })
        .map(|resource| resource.id.clone())
        .collect()
}

/// A container by its name or the engine's full id.
pub(super) fn container<'a>(view: &'a View, name: &str) -> Option<&'a Arc<Resource>> {
    let mut of_kind = view
        .resources
        .values()
        .filter(|resource| resource.id.kind == ResourceKind::Container);
    of_kind
        .clone()
        .find(|resource| resource.id.name == name)
        .or_else(|| {
            of_kind.find(|resource| {
                resource
                    .container()
                    .is_some_and(|facts| !name.is_empty() && facts.container_id == name)
            })
        })
}

/// Health in short.
pub(super) fn system(view: &View) -> SystemSummary {
    SystemSummary {
        container_health: containers(view),
        database_health: databases(view),
        network_health: NetworkHealth {
            external_reachable: network(view, "outside"),
            dns_functional: network(view, "dns"),
        },
        disk_status: disk(view),
        issues_found: u64::try_from(view.active_incidents.len()).unwrap_or(u64::MAX),
        tasks_created: u64::try_from(view.open_tasks.len()).unwrap_or(u64::MAX),
    }
}

fn of_kind(view: &View, kind: ResourceKind) -> impl Iterator<Item = &Resource> {
    view.resources
        .values()
        .map(AsRef::as_ref)
        .filter(move |resource| resource.id.kind == kind)
}

/// Null where no engine answered: then nothing is known of containers, not even how many there are.
fn containers(view: &View) -> Option<ContainerCounts> {
    let answers = of_kind(view, ResourceKind::Engine)
        .any(|engine| matches!(engine.health, Health::Healthy | Health::Degraded));
    if !answers {
        return None;
    }
    let mut counts = ContainerCounts::default();
    for container in of_kind(view, ResourceKind::Container) {
        *match container.health {
            Health::Healthy => &mut counts.healthy,
            Health::Degraded | Health::Unhealthy => &mut counts.unhealthy,
            Health::Stopped => &mut counts.stopped,
            Health::Restarting => &mut counts.restarting,
            Health::Unknown => &mut counts.unknown,
        } += 1;
    }
    Some(counts)
}

fn databases(view: &View) -> DatabaseHealth {
    let databases: Vec<_> = of_kind(view, ResourceKind::Database)
        .map(|database| {
            let connected = match &database.facts {
                Facts::Database(facts) if database.health != Health::Unknown => facts.connected,
                _ => None,
            };
            DatabaseSummary {
                resource: database.id.clone(),
                connected,
                latency_ms: connected
                    .filter(|connected| *connected)
                    .and_then(|_| database.metrics.get(&Metric::LatencyMs))
                    .copied()
                    .map(one_decimal),
            }
        })
        .collect();
    // Down is worse than not known, which is worse than up; among those that are up the slowest is the worst.
    let worst = databases.iter().max_by(|a, b| {
        let rank = |database: &DatabaseSummary| {
            Reverse(match database.connected {
                Some(false) => 0,
                None => 1,
                Some(true) => 2,
            })
        };
        rank(a).cmp(&rank(b)).then_with(|| {
            a.latency_ms
                .unwrap_or(0.0)
                .total_cmp(&b.latency_ms.unwrap_or(0.0))
        })
    });
    DatabaseHealth {
        connected: worst.and_then(|worst| worst.connected),
        latency_ms: worst.and_then(|worst| worst.latency_ms),
        databases,
    }
}

/// Whether a part of the network works, as far as it was read.
fn network(view: &View, name: &str) -> Option<bool> {
    of_kind(view, ResourceKind::Network)
        .find(|part| part.id.name == name)
        .and_then(|part| match part.health {
            Health::Healthy | Health::Degraded => Some(true),
            Health::Unhealthy => Some(false),
            Health::Unknown | Health::Restarting | Health::Stopped => None,
        })
}

/// The fullest of the disks that could be read.
fn disk(view: &View) -> DiskStatus {
    of_kind(view, ResourceKind::Disk)
        .filter(|disk| disk.health != Health::Unknown)
        .filter_map(|disk| {
            let Facts::Disk(facts) = &disk.facts else {
                return None;
            };
            let used = *disk.metrics.get(&Metric::DiskPercent)?;
            Some((used, facts.available_bytes))
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(DiskStatus::default, |(used, available)| DiskStatus {
            usage_percent: Some(one_decimal(used)),
            available_gb: Some(one_decimal(gigabytes(available))),
        })
}

#[allow(clippy::cast_precision_loss, reason = "one decimal is kept of it")]
fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

fn one_decimal(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
#[path = "tests/summary.rs"]
mod tests;
