//! What was seen, line by line, in words that a person or a model can read. Pure.
//!
//! What flows in: what was read, typed. What flows out: lines. Texts that others wrote stand in them as they are: the house clears them of
//! secrets, and whoever reads them takes them for data.

use std::sync::Arc;

use jiff::Timestamp;
use steward_api::{
    Baseline, ContainerFacts, ContainerHealth, Facts, Incident, Metric, MetricPoint, MetricSeries,
    Requester, Resource, ResourceId, RestartPolicy, Task, is_of_model,
};

use super::ago;
use crate::{
    engine::{View, talk::cut},
    flow::graph::Graph,
    ports::{BusyProcesses, Certificate, ListeningSocket, ResolvedName, TlsEndpoint},
};

/// Neighbours of a resource that are listed each way.
const MOST_AROUND: usize = 20;
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

// ------------------------------------------------------------------------------------------------------------- resources

/// A resource with what is around it and what is wrong with it. Never its environment or its command, which can hold secrets.
pub(super) fn resource(view: &View, resource: &Resource, now: Timestamp) -> Vec<String> {
    let mut lines = vec![format!(
        "{}: {}{}{}",
        resource.id,
        resource.health,
        if resource.reason.is_empty() { "" } else { ", " },
        cut(&resource.reason, LONGEST_TEXT)
    )];
    lines.push(format!("read {}", ago(resource.read_at, now)));
    lines.extend(facts(&resource.facts, now));
    for (metric, value) in &resource.metrics {
        lines.push(format!("{metric} {}", amount(*metric, *value)));
    }
    let graph = Graph::of(&view.resources);
    let around = |ids: &[ResourceId]| -> String {
        let shown: Vec<_> = ids
            .iter()
            .take(MOST_AROUND)
            .map(|id| match view.resources.get(id) {
                Some(known) => format!("{id} ({})", known.health),
                None => format!("{id} (not known)"),
            })
            .collect();
        let more = ids.len().saturating_sub(MOST_AROUND);
        if more > 0 {
            format!("{} and {more} more", shown.join(", "))
        } else {
            shown.join(", ")
        }
    };
    for (how, ids) in [
        ("needs", graph.needs(&resource.id)),
        ("needed by", graph.needed_by(&resource.id)),
    ] {
        if !ids.is_empty() {
            lines.push(format!("{how} {}", around(ids)));
        }
    }
    let active: Vec<_> = view
        .active_incidents
        .iter()
        .filter(|incident| {
            incident.resource == resource.id || incident.affected.contains(&resource.id)
        })
        .collect();
    if active.is_empty() {
        lines.push("no incident".to_owned());
    }
    for incident in active {
        lines.push(format!(
            "incident {}: {} ({}), since {}",
            incident.id,
            incident.title,
            incident.severity,
            moment(incident.opened_at)
        ));
    }
    lines
}

fn facts(facts: &Facts, now: Timestamp) -> Vec<String> {
    match facts {
        Facts::Container(facts) => container(facts, now),
        Facts::Host(facts) => {
            let mut lines = vec![
                facts.system.clone(),
                format!(
                    "{} cores, {} of memory, up for {} h, load {:.2} {:.2} {:.2}",
                    facts.cores,
                    bytes(number(facts.memory_total_bytes)),
                    facts.uptime_seconds / 3600,
                    facts.load[0],
                    facts.load[1],
                    facts.load[2]
                ),
            ];
            lines.extend(facts.top_processes.iter().map(|process| {
                format!(
                    "process {} ({}): processor {:.1} %, memory {}",
                    process.pid,
                    process.name,
                    process.cpu_percent,
                    bytes(number(process.memory_bytes))
                )
            }));
            lines
        }
        Facts::Engine(facts) => {
            let mut lines = vec![format!(
                "version {}, interface {}",
                or_unknown(&facts.version),
                or_unknown(&facts.api_version)
            )];
            let sizes = [
                ("images", facts.images_bytes),
                ("dangling images", facts.dangling_images_bytes),
                ("volumes", facts.volumes_bytes),
                ("build cache", facts.build_cache_bytes),
            ];
            lines.extend(
                sizes
                    .iter()
                    .filter_map(|(what, size)| Some(format!("{what} {}", bytes(number((*size)?))))),
            );
            lines
        }
        Facts::Disk(facts) => vec![format!(
            "{} on {}: {} of {} available",
            facts.file_system,
            facts.device,
            bytes(number(facts.available_bytes)),
            bytes(number(facts.total_bytes))
        )],
        Facts::Unit { description } => vec![format!("systemd unit: {description}")],
        Facts::Network(facts) => {
            let mut lines = Vec::new();
            if !facts.reached.is_empty() {
                lines.push(format!("reached {}", facts.reached.join(", ")));
            }
            lines.extend(facts.failed.iter().map(|failed| format!("failed {failed}")));
            lines
        }
        Facts::Service(facts) => {
            let mut lines = vec![format!("address {}", facts.url)];
            if let Some(status) = facts.status {
                lines.push(format!("answered with status {status}"));
            }
            if let Some(container) = &facts.container {
                lines.push(format!("belongs to {container}"));
            }
            lines
        }
        Facts::Database(_) => database_facts(facts),
        Facts::McpServer(facts) => vec![
            format!("address {}", facts.address),
            format!(
                "tools {}",
                facts
                    .tool_count
                    .map_or_else(|| "not known".to_owned(), |count| count.to_string())
            ),
        ],
    }
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "not known" } else { text }
}

fn container(facts: &ContainerFacts, now: Timestamp) -> Vec<String> {
    let mut state = format!("{:?}", facts.status).to_lowercase();
    if let Some(at) = facts.started_at {
        state = format!("{state}, started {}", ago(at, now));
    }
    if let Some(at) = facts.finished_at {
        state = format!("{state}, last ended {}", ago(at, now));
    }
    if let Some(code) = facts.exit_code {
        state = format!("{state} with code {code}");
    }
    if facts.oom_killed {
        state = format!("{state}, killed for want of memory");
    }
    let policy = match facts.restart_policy {
        RestartPolicy::No => "no".to_owned(),
        RestartPolicy::OnFailure { max_retries: 0 } => "on failure".to_owned(),
        RestartPolicy::OnFailure { max_retries } => format!("on failure, {max_retries} times"),
        RestartPolicy::Always => "always".to_owned(),
        RestartPolicy::UnlessStopped => "unless stopped".to_owned(),
    };
    let mut lines = vec![
        state,
        format!("image {}", facts.image),
        format!(
            "restarted {} times by its engine, restart policy {policy}",
            facts.restart_count
        ),
    ];
    if facts.health != ContainerHealth::None {
        lines.push(format!("health check: {:?}", facts.health).to_lowercase());
    }
    if let Some(error) = &facts.error {
        lines.push(format!("its engine says: {}", cut(error, LONGEST_TEXT)));
    }
    if let Some(compose) = &facts.compose {
        lines.push(format!(
            "service {} of the Compose project {}",
            compose.service, compose.project
        ));
    }
    lines.extend(published(facts));
    let limits: Vec<_> = [
        facts
            .memory_limit_bytes
            .map(|limit| format!("memory {}", bytes(number(limit)))),
        facts
            .cpu_limit_cores
            .map(|limit| format!("{limit:.2} cores")),
    ]
    .into_iter()
    .flatten()
    .collect();
    lines.push(if limits.is_empty() {
        "no limits".to_owned()
    } else {
        format!("limits: {}", limits.join(", "))
    });
    lines
}

fn published(facts: &ContainerFacts) -> Vec<String> {
    facts
        .ports
        .iter()
        .map(|port| match port.published {
            None => format!("port {}, not published", port.container),
            Some(outside) => format!(
                "port {} published as {} on {}",
                port.container,
                outside,
                on(port.published_on.as_deref())
            ),
        })
        .collect()
}

fn on(address: Option<&str>) -> String {
    match address {
        None | Some("" | "0.0.0.0" | "::") => "all addresses".to_owned(),
        Some(address) => address.to_owned(),
    }
}

fn database_facts(facts: &Facts) -> Vec<String> {
    let Facts::Database(facts) = facts else {
        return Vec::new();
    };
    let mut lines = vec![format!("{} at {}", facts.engine, facts.address)];
    if let Some(version) = &facts.version {
        lines.push(format!("version {version}"));
    }
    lines.push(
        match facts.connected {
            Some(true) => "a connection was accepted",
            Some(false) => "no connection was accepted",
            None => "whether it accepts a connection is not known: no user and password are configured, or it did not answer",
        }
        .to_owned(),
    );
    if let (Some(used), Some(most)) = (facts.connections_used, facts.connections_max) {
        lines.push(format!("{used} of {most} connections in use"));
    }
    if let Some(error) = &facts.error {
        lines.push(format!("it said: {}", cut(error, LONGEST_TEXT)));
    }
    lines
}

/// A database as just read.
pub(super) fn database(fresh: &Resource) -> Vec<String> {
    let mut lines = vec![format!(
        "read anew: it is {}{}{}",
        fresh.health,
        if fresh.reason.is_empty() { "" } else { ", " },
        cut(&fresh.reason, LONGEST_TEXT)
    )];
    lines.extend(database_facts(&fresh.facts));
    for (metric, value) in &fresh.metrics {
        lines.push(format!("{metric} {}", amount(*metric, *value)));
    }
    lines
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
