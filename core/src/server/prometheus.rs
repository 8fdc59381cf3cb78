//! `/metrics`: what the engine counts and what its picture shows, as Prometheus text. The names are promised to users.
//!
//! What flows through: the engine's counters and the current view in, text out: OpenMetrics where the scraper asks for it, else the
//! older text format that every tool reads. What it never does: give a number for what is not known; such a series is absent.

use std::sync::{Arc, PoisonError, atomic::AtomicU64};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use steward_api::{Health, Metric, Role, TaskState};

use super::{App, bind, error::Refusal, now, summary};
use crate::engine::{
    View,
    metrics::{Metrics, SourceLabels},
};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

type Number = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SeverityLabels {
    severity: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResourceLabels {
    resource: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: String,
}

/// Answers `GET /metrics`.
pub(super) async fn scrape(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    bind::authorised(&app, &parts, Role::Viewer)?;
    let view = app.handle.view();
    let uptime = summary::uptime_seconds(&view, now());
    let open = open_metrics(app.handle.metrics(), &view, uptime).map_err(|error| {
        tracing::error!(%error, "can't write the metrics");
        Refusal::internal()
    })?;
    let (kind, body) = if wants_open_metrics(&parts.headers) {
        (OPEN_METRICS, open)
    } else {
        (PLAIN, plain(&open))
    };
    Ok((
        [(header::CONTENT_TYPE, HeaderValue::from_static(kind))],
        body,
    )
        .into_response())
}

fn wants_open_metrics(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|accept| {
        accept
            .to_str()
            .is_ok_and(|accept| accept.contains("application/openmetrics-text"))
    })
}

/// All metrics as OpenMetrics. The encoder itself adds `_total` to counters.
fn open_metrics(metrics: &Metrics, view: &View, uptime: u64) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("steward");
    count(&mut registry, metrics);
    show(&mut registry, view, uptime);
    let mut text = String::with_capacity(16 * 1024);
    text::encode(&mut text, &registry)?;
    Ok(text)
}

/// What the engine counts.
fn count(registry: &mut Registry, metrics: &Metrics) {
    registry.register(
        "incidents",
        "Incidents opened, by kind of problem and severity at their opening",
        metrics.incidents.clone(),
    );
    registry.register(
        "actions",
        "Actions carried out, by action and result",
        metrics.actions.clone(),
    );
    registry.register(
        "container_restarts",
        "Restarts of containers asked by Steward",
        metrics.container_restarts.clone(),
    );
    registry.register(
        "tasks",
        "Tasks that came into each state",
        metrics.tasks.clone(),
    );
    registry.register(
        "approval_response_seconds",
        "Time from a question to a person's answer",
        metrics.approval_response.clone(),
    );
    registry.register(
        "monitoring_cycle_seconds",
        "Time from the beginning of a source's reading until its findings are journaled",
        metrics.monitoring_cycle.clone(),
    );
    registry.register(
        "health_check_seconds",
        "Time that a reading of a source takes",
        metrics.health_check.clone(),
    );
    let (succeeded, ended) = *metrics
        .autofix
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if ended > 0 {
        let ratio = Number::default();
        ratio.set(float(succeeded) / float(ended));
        registry.register(
            "autofix_success_ratio",
            "Automatic tasks that succeeded, of all that ended, 0 to 1",
            ratio,
        );
    }
}

/// What the picture shows.
fn show(registry: &mut Registry, view: &View, uptime_seconds: u64) {
    let uptime = Number::default();
    uptime.set(float(uptime_seconds));
    registry.register("uptime_seconds", "Time since the agent began", uptime);

    let incidents = Family::<SeverityLabels, Gauge>::default();
    for (severity, count) in summary::active_by_severity(view) {
        let severity = severity.to_string();
        incidents
            .get_or_create(&SeverityLabels { severity })
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    registry.register("active_incidents", "Incidents that are not over", incidents);

    let tasks = Family::<StateLabels, Gauge>::default();
    for state in TaskState::ALL.into_iter().filter(|state| !state.is_final()) {
        let state = state.to_string();
        tasks.get_or_create(&StateLabels { state }).set(0);
    }
    for task in &view.open_tasks {
        let state = task.status.to_string();
        tasks.get_or_create(&StateLabels { state }).inc();
    }
    registry.register("open_tasks", "Tasks that are not over, by state", tasks);

    let sources = Family::<SourceLabels, Gauge>::default();
    for source in &view.sources {
        if let Some(up) = source.up {
            let source = source.name.clone();
            sources
                .get_or_create(&SourceLabels { source })
                .set(up.into());
        }
    }
    registry.register(
        "source_up",
        "Whether a source's last reading worked",
        sources,
    );

    let health = Family::<ResourceLabels, Gauge>::default();
    let latency = Family::<ResourceLabels, Number>::default();
    for resource in view.resources.values() {
        let labels = || ResourceLabels {
            resource: resource.id.to_string(),
        };
        match resource.health {
            Health::Healthy => {
                health.get_or_create(&labels()).set(1);
            }
            Health::Degraded | Health::Unhealthy | Health::Restarting => {
                health.get_or_create(&labels()).set(0);
            }
            // What is not known has no number; what was stopped on purpose is neither well nor ill.
            Health::Unknown | Health::Stopped => {}
        }
        if resource.health != Health::Unknown
            && let Some(milliseconds) = resource.metrics.get(&Metric::LatencyMs)
        {
            latency.get_or_create(&labels()).set(milliseconds / 1000.0);
        }
    }
    registry.register(
        "resource_health",
        "1 healthy, 0 not; absent while unknown or stopped on purpose",
        health,
    );
    registry.register(
        "resource_latency_seconds",
        "Time to an answer, as last read",
        latency,
    );
}

#[allow(
    clippy::cast_precision_loss,
    reason = "counts and seconds stay far below 2^52"
)]
fn float(value: u64) -> f64 {
    value as f64
}

/// OpenMetrics in the older text format: there a counter's family is named with `_total`, as its samples are, and there is no end mark.
fn plain(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + 256);
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let mut parts = line.splitn(4, ' ');
        let family = match (parts.next(), parts.next(), parts.next()) {
            (Some("#"), Some(word @ ("HELP" | "TYPE")), Some(name)) => {
                let kind = if word == "TYPE" {
                    Some(line)
                } else {
                    lines.peek().copied()
                };
                let is_counter = kind.is_some_and(|kind| {
                    kind.strip_prefix("# TYPE ")
                        .and_then(|kind| kind.strip_prefix(name))
                        == Some(" counter")
                });
                is_counter.then_some((word, name))
            }
            _ => None,
        };
        match family {
            Some((word, name)) => {
                text.push_str(&format!(
                    "# {word} {name}_total {}",
                    parts.next().unwrap_or_default()
                ));
            }
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
#[path = "tests/prometheus.rs"]
mod tests;
