//! A resource, line by line: how it is, what was read of it, what is around it. Pure.
//!
//! What flows in: a resource and the picture of everything. What flows out: lines. What it never does: show an environment or a command,
//! which can hold secrets; they are not among what is read.

use jiff::Timestamp;
use steward_api::{ContainerFacts, ContainerHealth, Facts, Resource, ResourceId, RestartPolicy};

use super::{LONGEST_TEXT, amount, bytes, moment, number, on};
use crate::{
    engine::{View, house::ago, talk::cut},
    flow::graph::Graph,
};

/// Neighbours of a resource that are listed each way.
const MOST_AROUND: usize = 20;

/// A resource with what is around it and what is wrong with it. Never its environment or its command, which can hold secrets.
pub(in crate::engine::house) fn resource(
    view: &View,
    resource: &Resource,
    now: Timestamp,
) -> Vec<String> {
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
        Facts::Image(facts) => {
            let mut lines = vec![format!(
                "vulnerabilities: {} critical, {} high, {} medium, {} low, {} unknown; {} known to be used in attacks",
                facts.critical,
                facts.high,
                facts.medium,
                facts.low,
                facts.unknown,
                facts.known_exploited
            )];
            lines.extend(facts.worst.iter().map(|one| {
                let fixed = one.fixed_version.as_deref().map_or_else(
                    || "no fixed version known".to_owned(),
                    |version| format!("fixed in {version}"),
                );
                format!(
                    "{} ({}) in {}, {fixed}",
                    one.id,
                    one.severity.as_str(),
                    one.package
                )
            }));
            lines
        }
        Facts::Certificate(facts) => {
            let mut lines = vec![
                format!("for {}", facts.names.join(", ")),
                format!("ends {}", facts.not_after),
            ];
            lines.extend(facts.faults.iter().map(|(_, text)| text.clone()));
            lines
        }
        Facts::SignIn(facts) => {
            let mut lines = vec![format!(
                "{} failed attempts from {} sources within the last day",
                facts.failures, facts.sources
            )];
            lines.extend(facts.worst.iter().map(|source| {
                let from = source.address.map_or_else(
                    || "an address that is not told".to_owned(),
                    |address| address.to_string(),
                );
                format!(
                    "{from}: {}, {} failures",
                    source.pattern.as_str(),
                    source.failures
                )
            }));
            lines
        }
        Facts::Port(facts) => vec![
            format!("{}/{} open to other machines", facts.port, facts.transport),
            facts
                .expected
                .clone()
                .unwrap_or_else(|| "not expected".to_owned()),
        ],
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
pub(in crate::engine::house) fn database(fresh: &Resource) -> Vec<String> {
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
