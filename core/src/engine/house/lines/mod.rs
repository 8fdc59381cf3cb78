//! What was seen, line by line, in words that a person or a model can read. Pure.
//!
//! What flows in: what was read, typed. What flows out: lines. Texts that others wrote stand in them as they are: the house clears them of
//! secrets, and whoever reads them takes them for data.

mod resources;

use std::sync::Arc;

use jiff::Timestamp;
use steward_api::{
    Baseline, Incident, Metric, MetricPoint, MetricSeries, Requester, Resource, Task, is_of_model,
};

pub(super) use resources::{database, resource};

use super::ago;
use crate::{
    engine::{View, talk::cut},
    ports::{BusyProcesses, Certificate, ListeningSocket, ResolvedName, TlsEndpoint},
};

/// Characters of a foreign text within a line.
const LONGEST_TEXT: usize = 300;

/// A value with its unit, as people read it.
pub(super) fn amount(metric: Metric, value: f64) -> String {
    match metric.unit() {
        "B" => bytes(value),
        "B/s" => format!("{}/s", bytes(value)),
        "" => format!("{value:.2}"),
        unit => format!("{value:.1} {unit}"),
    }
}

fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = value;
    let mut unit = 0;
    while value.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[allow(
    clippy::cast_precision_loss,
    reason = "bytes beyond 2^53 need no precision of one"
)]
const fn number(count: u64) -> f64 {
    count as f64
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The metrics that a resource has now.
pub(super) fn metric_names(resource: &Resource) -> String {
    let names: Vec<_> = resource
        .metrics
        .keys()
        .map(|metric| metric.as_str())
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn on(address: Option<&str>) -> String {
    match address {
        None | Some("" | "0.0.0.0" | "::") => "all addresses".to_owned(),
        Some(address) => address.to_owned(),
    }
}

// --------------------------------------------------------------------------------------------------------------- history

/// A metric's history in short: now, lowest, mean and highest, what is normal, and the mean of each quarter of the time.
pub(super) fn metrics(
    metric: Metric,
    series: &MetricSeries,
    baseline: Option<&Baseline>,
    (from, to): (Timestamp, Timestamp),
) -> Vec<String> {
    let points = &series.points;
    let Some(last) = points.last() else {
        return Vec::new();
    };
    let lowest = points
        .iter()
        .map(|point| point.min)
        .fold(f64::INFINITY, f64::min);
    let highest = points
        .iter()
        .map(|point| point.max)
        .fold(f64::NEG_INFINITY, f64::max);
    let mut lines = vec![
        format!("last {} ({})", amount(metric, last.mean), moment(last.at)),
        format!(
            "since {}: lowest {}, mean {}, highest {}",
            moment(from),
            amount(metric, lowest),
            amount(metric, mean(points).unwrap_or(last.mean)),
            amount(metric, highest)
        ),
    ];
    lines.push(
        match baseline.and_then(|baseline| Some((baseline.days, baseline.points.last()?))) {
            Some((days, point)) => format!(
                "normal at this hour: {} to {}, from {days} days",
                amount(metric, point.low),
                amount(metric, point.high)
            ),
            None => "what is normal at this hour is not known".to_owned(),
        },
    );
    let span = to.duration_since(from);
    let quarters: Vec<_> = (0..4)
        .map(|quarter| {
            let begin = from + span / 4 * quarter;
            let end = from + span / 4 * (quarter + 1);
            let within: Vec<_> = points
                .iter()
                .filter(|point| point.at >= begin && point.at < end)
                .copied()
                .collect();
            mean(&within).map_or_else(|| "no reading".to_owned(), |mean| amount(metric, mean))
        })
        .collect();
    lines.push(format!(
        "mean of each quarter of that time: {}",
        quarters.join(", ")
    ));
    lines
}

/// The mean of all readings; points count by how many readings they hold.
fn mean(points: &[MetricPoint]) -> Option<f64> {
    let readings: u64 = points.iter().map(|point| point.count).sum();
    let sum: f64 = points
        .iter()
        .map(|point| point.mean * number(point.count))
        .sum();
    (readings > 0).then(|| sum / number(readings))
}

/// Incidents with what was taken for the cause, what was decided, and how they ended.
pub(super) fn incidents(found: &[Incident], most: usize, hours: u32) -> Vec<String> {
    if found.is_empty() {
        return vec![format!("no incident in the last {hours} h")];
    }
    let mut lines = Vec::new();
    for incident in found.iter().take(most) {
        let end = match (&incident.resolution, incident.resolved_at) {
            (Some(end), Some(at)) => format!("over since {}: {}", moment(at), end.text),
            _ => "not over".to_owned(),
        };
        let came_back = match incident.flaps {
            0 => String::new(),
            times => format!(", came back {times} times"),
        };
        lines.push(format!(
            "incident {} of {}: {} ({}), began {}{came_back}, {end}",
            incident.id,
            incident.resource,
            incident.title,
            incident.severity,
            moment(incident.opened_at),
        ));
        // What a model said may quote what must not leave the house.
        if let Some(diagnosis) = incident.diagnoses.iter().find(|known| !is_of_model(known)) {
            lines.push(format!(
                "  cause: {} ({} % sure, {})",
                diagnosis.diagnosis, diagnosis.confidence, diagnosis.source
            ));
        }
        if let Some(decision) = &incident.decision {
            lines.push(format!("  decided: {}", decision.reason));
        }
    }
    if found.len() > most {
        lines.push(format!("and more; these are the newest {most}"));
    }
    lines
}

/// Tasks that are open, then those that ended lately.
pub(super) fn tasks<'a>(open: &[Arc<Task>], ended: impl Iterator<Item = &'a Task>) -> Vec<String> {
    let mut lines: Vec<_> = open.iter().map(|task| self::task(task)).collect();
    if lines.is_empty() {
        lines.push("no task waits or is under way".to_owned());
    }
    lines.extend(ended.map(self::task));
    lines
}

fn task(task: &Task) -> String {
    let standing = if task.requires_approval && task.approval.is_none() && !task.status.is_final() {
        "waits for a person".to_owned()
    } else {
        task.status.to_string()
    };
    let end = match (&task.result, task.finished_at) {
        (Some(result), Some(at)) => format!(", {}: {}", moment(at), result.details),
        (None, Some(at)) => format!(", {}", moment(at)),
        _ => String::new(),
    };
    // A specialist's words may quote what must not leave the house.
    let why = match &task.requested_by {
        Requester::Specialist { name, .. } => format!("{name} proposed it"),
        Requester::Steward | Requester::Person { .. } => task.why.clone(),
    };
    format!(
        "task {} for {}: {} ({} risk), {standing}{end}; why: {}",
        task.id,
        task.resource,
        task.description,
        task.risk,
        cut(&why, LONGEST_TEXT)
    )
}

// ---------------------------------------------------------------------------------------------------------- a closer look

/// Names with their addresses.
pub(super) fn names(resolved: &[ResolvedName]) -> Vec<String> {
    resolved
        .iter()
        .map(|name| match &name.addresses {
            Ok(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                format!(
                    "{}: {} ({} ms)",
                    name.name,
                    addresses.join(", "),
                    name.took.as_millis()
                )
            }
            Err(error) => format!("{}: not resolved, {error}", name.name),
        })
        .collect()
}

/// What an endpoint's certificate says, and whether clients take it.
pub(super) fn certificate(
    endpoint: &TlsEndpoint,
    read: &Result<Certificate, String>,
    now: Timestamp,
) -> Vec<String> {
    let certificate = match read {
        Ok(certificate) => certificate,
        Err(error) => return vec![format!("{endpoint}: no certificate was shown: {error}")],
    };
    let left = certificate.not_after.duration_since(now).as_secs();
    let validity = if left < 0 {
        format!("expired {}", ago(certificate.not_after, now))
    } else {
        format!("{} days left", left / 86_400)
    };
    let issuer = if certificate.is_self_signed {
        "signed by itself".to_owned()
    } else {
        format!("issued by {}", cut(&certificate.issuer, LONGEST_TEXT))
    };
    vec![
        format!(
            "{endpoint}: {}",
            match &certificate.fault {
                None => "clients take its certificate".to_owned(),
                Some(fault) => format!("clients refuse its certificate: {fault}"),
            }
        ),
        format!(
            "  for {}; {issuer}; valid from {} to {}, {validity}; {}",
            cut(&certificate.names.join(", "), LONGEST_TEXT),
            moment(certificate.not_before),
            moment(certificate.not_after),
            certificate.protocol
        ),
    ]
}

/// The busiest processes.
pub(super) fn processes(busy: &BusyProcesses) -> Vec<String> {
    let mut lines = vec!["by processor (percent of one core):".to_owned()];
    lines.extend(busy.by_processor.iter().map(|process| {
        format!(
            "  {} ({}): {:.1} %, memory {}",
            process.name,
            process.pid,
            process.cpu_percent,
            bytes(number(process.memory_bytes))
        )
    }));
    lines.push("by memory:".to_owned());
    lines.extend(busy.by_memory.iter().map(|process| {
        format!(
            "  {} ({}): {}, processor {:.1} %",
            process.name,
            process.pid,
            bytes(number(process.memory_bytes)),
            process.cpu_percent
        )
    }));
    lines
}

/// What listens on the host, and what containers publish.
pub(super) fn ports(sockets: &[ListeningSocket], view: &View) -> Vec<String> {
    let mut lines: Vec<_> = sockets
        .iter()
        .map(|socket| {
            let where_to = if socket.address.is_unspecified() {
                "all addresses".to_owned()
            } else if socket.address.is_loopback() {
                format!("{}, this machine only", socket.address)
            } else {
                socket.address.to_string()
            };
            format!(
                "{} {} on {where_to}: {}",
                socket.transport.as_str(),
                socket.port,
                socket.program.as_deref().unwrap_or("program not known")
            )
        })
        .collect();
    if lines.is_empty() {
        lines.push("nothing listens on the host".to_owned());
    }
    for resource in view.resources.values() {
        let Some(facts) = resource.container() else {
            continue;
        };
        lines.extend(
            facts
                .ports
                .iter()
                .filter(|port| port.published.is_some())
                .map(|port| {
                    format!(
                        "{} publishes its port {} as {} on {}",
                        resource.id,
                        port.container,
                        port.published.unwrap_or_default(),
                        on(port.published_on.as_deref())
                    )
                }),
        );
    }
    lines
}
