//! What needs a person, most urgent first; and how everything else is, in numbers.
//!
//! What flows through: the world in, lists and counts in the order of the overview out. What it never does: leave out what is unknown, or
//! count it as well.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use steward_api::{
    Facts, Health, Incident, IncidentId, Metric, Problem, ResolutionKind, ResourceKind, Severity,
    Task,
};

use crate::{
    format, marks, order,
    world::{Entry, World, awaits_answer},
};

/// Tasks that wait for a person's answer: most urgent first, then the one that has waited longest.
pub fn asked(world: &World) -> Vec<Arc<Task>> {
    let mut tasks: Vec<_> = world
        .tasks
        .values()
        .filter(|task| awaits_answer(task))
        .cloned()
        .collect();
    order::sort_by(&mut tasks, |a: &Arc<Task>, b| {
        let key = |task: &Task| (task.priority, task.created_at, task.id);
        key(a).cmp(&key(b))
    });
    tasks
}

/// Tasks that are allowed and not over: running ones first, then those that are held.
pub fn under_way(world: &World) -> Vec<Arc<Task>> {
    let mut tasks: Vec<_> = world
        .tasks
        .values()
        .filter(|task| !task.status.is_final() && !awaits_answer(task))
        .cloned()
        .collect();
    order::sort_by(&mut tasks, |a: &Arc<Task>, b| {
        let key = |task: &Task| (Reverse(task.status), task.priority, task.id);
        key(a).cmp(&key(b))
    });
    tasks
}

/// Incidents that are not over: worst first, then the newest.
pub fn active(world: &World) -> Vec<Arc<Incident>> {
    let mut incidents: Vec<_> = world
        .incidents
        .values()
        .filter(|incident| incident.is_active())
        .cloned()
        .collect();
    order::sort_by(&mut incidents, |a: &Arc<Incident>, b| {
        let key = |incident: &Incident| {
            (
                Reverse(incident.severity),
                Reverse(incident.opened_at),
                incident.id,
            )
        };
        key(a).cmp(&key(b))
    });
    incidents
}

/// The worst of the active incidents.
pub fn worst(world: &World) -> Option<Severity> {
    world
        .incidents
        .values()
        .filter(|incident| incident.is_active())
        .map(|incident| incident.severity)
        .max()
}

/// Incidents that Steward healed since a moment, newest first.
pub fn healed_since(world: &World, since: Timestamp) -> Vec<Arc<Incident>> {
    let mut incidents: Vec<_> = world
        .incidents
        .values()
        .filter(|incident| {
            incident.resolved_at.is_some_and(|at| at >= since)
                && incident
                    .resolution
                    .as_ref()
                    .is_some_and(|end| end.kind == ResolutionKind::Healed)
        })
        .cloned()
        .collect();
    order::sort_by(&mut incidents, |a: &Arc<Incident>, b| {
        (b.resolved_at, b.id).cmp(&(a.resolved_at, a.id))
    });
    incidents
}

/// The incident for which a task was made, where it is known.
pub fn incident_of(world: &World, id: Option<IncidentId>) -> Option<Arc<Incident>> {
    world.incidents.get(&id?).cloned()
}

/// Something wrong with Steward's own means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What, in a sentence.
    pub title: String,
    /// Why, and what to do.
    pub text: String,
}

/// What is wrong with Steward itself: its database, its sources, its configuration.
pub fn troubles(world: &World) -> Vec<Trouble> {
    let Some(status) = &world.status else {
        return Vec::new();
    };
    let unknown = || "The reason is not known.".to_owned();
    let mut found = Vec::new();
    if !status.store.writable {
        found.push(Trouble {
            title: format!(
                "The {} database takes no writes: Steward watches and does nothing",
                status.store.engine
            ),
            text: format!(
                "{} {} to be recorded.",
                status.store.error.clone().unwrap_or_else(unknown),
                match status.store.backlog {
                    1 => "1 fact waits".to_owned(),
                    many => format!("{} wait", format::count(many, "fact")),
                }
            ),
        });
    }
    for source in &status.sources {
        if source.up == Some(false) {
            found.push(Trouble {
                title: format!("Source {} does not answer", source.name),
                text: source.error.clone().unwrap_or_else(unknown),
            });
        }
    }
    if let Some(error) = &status.config_error {
        found.push(Trouble {
            title: "The configuration on disk is refused; the one before goes on".to_owned(),
            text: error.clone(),
        });
    }
    found
}

/// One kind of resource in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindHealth {
    /// Which kind.
    pub kind: ResourceKind,
    /// How many there are.
    pub total: u64,
    /// How many are in each health, worst first; none is listed with nought.
    pub counts: Vec<(Health, u64)>,
}

/// Health by kind, in the order of [`ResourceKind::ALL`]; a kind of which there is none is left out.
pub fn by_kind<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>) -> Vec<KindHealth> {
    let mut counts: BTreeMap<ResourceKind, BTreeMap<usize, u64>> = BTreeMap::new();
    for entry in entries {
        *counts
            .entry(entry.id.kind)
            .or_default()
            .entry(marks::health_rank(entry.health))
            .or_default() += 1;
    }
    ResourceKind::ALL
        .into_iter()
        .filter_map(|kind| {
            let of_kind = counts.get(&kind)?;
            Some(KindHealth {
                kind,
                total: of_kind.values().sum(),
                counts: of_kind
                    .iter()
                    .filter_map(|(rank, count)| Some((*marks::HEALTH_ORDER.get(*rank)?, *count)))
                    .collect(),
            })
        })
        .collect()
}

/// One bar of a host's gauges.
#[derive(Clone, Debug, PartialEq)]
pub struct Gauge {
    /// What it measures: `CPU`, `Memory`, `Disk /`.
    pub label: String,
    /// How full, percent; absent where it could not be read.
    pub percent: Option<f64>,
    /// The value with its unit.
    pub text: String,
    /// How the resource that it belongs to is.
    pub health: Health,
    /// Where more is to be seen.
    pub resource: steward_api::ResourceId,
}

/// A host with its gauges.
#[derive(Clone, Debug, PartialEq)]
pub struct HostGauges {
    /// The host's name.
    pub name: String,
    /// CPU, memory and load of the host, then its disks.
    pub gauges: Vec<Gauge>,
}

/// Every host with its gauges, in the order of their names.
pub fn hosts(world: &World) -> Vec<HostGauges> {
    world
        .resources
        .values()
        .filter(|entry| entry.id.kind == ResourceKind::Host)
        .map(|host| {
            let mut gauges = host_gauges(host, &problems_of(world, host));
            gauges.extend(
                world
                    .resources
                    .values()
                    .filter(|entry| {
                        entry.id.kind == ResourceKind::Disk && entry.id.node == host.id.node
                    })
                    .map(|disk| disk_gauge(disk)),
            );
            HostGauges {
                name: host.id.node.clone(),
                gauges,
            }
        })
        .collect()
}

/// What is wrong with it, as far as incidents tell.
fn problems_of(world: &World, entry: &Entry) -> Vec<Problem> {
    let about = |incident: &&Arc<Incident>| incident.is_active() && incident.resource == entry.id;
    let found = |incident: &Arc<Incident>| {
        let found: Vec<_> = incident.findings.iter().map(|one| one.problem).collect();
        found.into_iter().chain([incident.problem])
    };
    let incidents = world.incidents.values().filter(about);
    incidents.flat_map(found).collect()
}

fn host_gauges(host: &Entry, problems: &[Problem]) -> Vec<Gauge> {
    let known = host.health != Health::Unknown;
    let gauge = |label: &str, of: Problem, percent: Option<f64>, text: Option<String>| {
        // The host is as bad as the worst of it; where it is known what that is, the other bars are none the worse.
        let health = match host.health {
            Health::Healthy | Health::Unknown => host.health,
            _ if problems.is_empty() || problems.contains(&of) => host.health,
            _ => Health::Healthy,
        };
        let percent = percent.filter(|_| known);
        Gauge {
            label: label.to_owned(),
            percent,
            text: text
                .filter(|_| known)
                .unwrap_or_else(|| "not read".to_owned()),
            health,
            resource: host.id.clone(),
        }
    };
    let facts = host.resource.as_ref().and_then(|read| match &read.facts {
        Facts::Host(facts) => Some(facts),
        _ => None,
    });
    let cpu = host.metric(Metric::CpuPercent);
    let memory = host.metric(Metric::MemoryPercent);
    let memory_text = match (host.metric(Metric::MemoryBytes), facts) {
        (Some(used), Some(facts)) if facts.memory_total_bytes > 0 => Some(format!(
            "{} of {}",
            format::bytes(used),
            format::byte_count(facts.memory_total_bytes)
        )),
        _ => memory.map(format::percent),
    };
    let mut gauges = vec![
        gauge("CPU", Problem::HostCpu, cpu, cpu.map(format::percent)),
        gauge("Memory", Problem::HostMemory, memory, memory_text),
    ];
    if let (Some(load), Some(facts)) = (host.metric(Metric::Load1), facts)
        && facts.cores > 0
    {
        gauges.push(gauge(
            "Load",
            Problem::HostCpu,
            Some((load / f64::from(facts.cores) * 100.0).min(100.0)),
            Some(format!(
                "{load:.2} on {}",
                format::count(u64::from(facts.cores), "core")
            )),
        ));
    }
    gauges
}

fn disk_gauge(disk: &Entry) -> Gauge {
    let known = disk.health != Health::Unknown;
    let percent = disk.metric(Metric::DiskPercent).filter(|_| known);
    let free = disk
        .metric(Metric::DiskAvailableBytes)
        .filter(|_| known)
        .map(|free| format!("{} free", format::bytes(free)));
    Gauge {
        label: format!("Disk {}", disk.id.short()),
        percent,
        text: match (percent, free) {
            (Some(used), Some(free)) => format!("{}, {free}", format::percent(used)),
            (Some(used), None) => format::percent(used),
            (None, Some(free)) => free,
            (None, None) => "not read".to_owned(),
        },
        health: disk.health,
        resource: disk.id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use steward_api::{DiskFacts, Resolution, Resource, ResourceId, TaskState};

    fn world() -> World {
        let mut world = World::default();
        world.load_status(samples::status());
        world
    }

    #[test]
    fn the_most_urgent_question_comes_first() {
        let mut world = world();
        let mut urgent = samples::task(3, "db");
        urgent.priority = 1;
        let older = samples::task(1, "web");
        let mut newer = samples::task(2, "cache");
        newer.created_at = samples::at("12:30:00");
        let mut answered = samples::task(4, "web");
        answered.approved = true;
        let mut running = samples::task(5, "web");
        running.status = TaskState::InProgress;
        let mut over = samples::task(6, "web");
        over.status = TaskState::Rejected;
        world.load_tasks([newer, older, urgent, answered, running, over]);
        let ids = |tasks: Vec<Arc<Task>>| tasks.iter().map(|task| task.id.0).collect::<Vec<_>>();
        assert_eq!(ids(asked(&world)), [3, 1, 2]);
        assert_eq!(ids(under_way(&world)), [5, 4]);
    }

    #[test]
    fn the_worst_incident_comes_first_and_then_the_newest() {
        let mut world = world();
        let mild = Incident {
            severity: Severity::Degraded,
            ..samples::incident(1, "a")
        };
        let old = samples::incident(2, "b");
        let new = Incident {
            opened_at: samples::at("12:10:00"),
            ..samples::incident(3, "c")
        };
        let critical = Incident {
            severity: Severity::Critical,
            ..samples::incident(4, "d")
        };
        let over = Incident {
            resolved_at: Some(samples::at("12:20:00")),
            ..samples::incident(5, "e")
        };
        world.load_incidents([mild, old, new, critical, over]);
        let order: Vec<_> = active(&world).iter().map(|one| one.id.0).collect();
        assert_eq!(order, [4, 3, 2, 1]);
        assert_eq!(worst(&world), Some(Severity::Critical));
    }

    #[test]
    fn only_what_steward_healed_today_counts_as_healed() {
        let mut world = world();
        let ended = |id, kind, time| Incident {
            resolved_at: Some(samples::at(time)),
            resolution: Some(Resolution {
                kind,
                text: String::new(),
            }),
            ..samples::incident(id, "web")
        };
        world.load_incidents([
            ended(1, ResolutionKind::Healed, "08:00:00"),
            ended(2, ResolutionKind::Healed, "09:00:00"),
            ended(3, ResolutionKind::Recovered, "09:30:00"),
            ended(4, ResolutionKind::Healed, "01:00:00"),
        ]);
        let healed: Vec<_> = healed_since(&world, samples::at("02:00:00"))
            .iter()
            .map(|one| one.id.0)
            .collect();
        assert_eq!(healed, [2, 1]);
    }

    #[test]
    fn health_by_kind_tells_the_worst_first_and_counts_the_unknown() {
        let entries: Vec<_> = [
            samples::container("a", Health::Healthy),
            samples::container("b", Health::Unknown),
            samples::container("c", Health::Unhealthy),
            samples::container("d", Health::Healthy),
            samples::host(),
        ]
        .into_iter()
        .map(|resource| Arc::new(Entry::of(resource)))
        .collect();
        let kinds = by_kind(entries.iter());
        assert_eq!(kinds.len(), 2);
        assert_eq!(kinds[0].kind, ResourceKind::Host);
        assert_eq!(kinds[1].total, 4);
        assert_eq!(
            kinds[1].counts,
            [
                (Health::Unhealthy, 1),
                (Health::Unknown, 1),
                (Health::Healthy, 2)
            ]
        );
    }

    #[test]
    fn stewards_own_troubles_are_told() {
        let mut world = world();
        assert_eq!(troubles(&world), []);
        let mut status = samples::status();
        status.store.writable = false;
        status.store.error = Some("The disk is full.".to_owned());
        status.store.backlog = 2;
        status.sources[0].up = Some(false);
        status.config_error = Some("line 3".to_owned());
        world.load_status(status);
        let found = troubles(&world);
        assert_eq!(found.len(), 3);
        assert_eq!(
            found[0].text,
            "The disk is full. 2 facts wait to be recorded."
        );
        assert_eq!(found[1].text, "The reason is not known.");
    }

    #[test]
    fn a_busy_processor_does_not_colour_the_memory() {
        let mut world = world();
        let mut host = samples::host();
        host.health = Health::Degraded;
        world.merge_resources(vec![host.clone()]);
        let colours = |world: &World| {
            let gauges = hosts(world).remove(0).gauges;
            (gauges[0].health, gauges[1].health)
        };
        // Without a word of what it is, any of them may be it.
        assert_eq!(colours(&world), (Health::Degraded, Health::Degraded));
        let mut incident = samples::incident(1, "web");
        incident.resource = host.id;
        incident.problem = Problem::HostCpu;
        world.merge_incident(incident.clone());
        assert_eq!(colours(&world), (Health::Degraded, Health::Healthy));
        incident.findings = vec![samples::finding(&incident.resource, Problem::HostMemory)];
        world.merge_incident(incident);
        assert_eq!(colours(&world), (Health::Degraded, Health::Degraded));
    }

    #[test]
    fn a_gauge_of_what_was_not_read_is_empty_and_says_so() {
        let mut world = world();
        let disk = |health, metrics: &[(Metric, f64)]| Resource {
            id: ResourceId::new("atlas", ResourceKind::Disk, "/"),
            health,
            facts: Facts::Disk(DiskFacts::default()),
            metrics: metrics.iter().copied().collect(),
            ..samples::host()
        };
        let full = [
            (Metric::DiskPercent, 87.0),
            (Metric::DiskAvailableBytes, 1024.0 * 1024.0 * 1024.0),
        ];
        world.merge_resources(vec![samples::host(), disk(Health::Degraded, &full)]);
        let gauges = hosts(&world).remove(0).gauges;
        assert_eq!(gauges[0].text, "23 %");
        assert_eq!(
            (gauges[1].percent, gauges[1].text.as_str()),
            (None, "not read")
        );
        assert_eq!(gauges[2].label, "Disk /");
        assert_eq!(gauges[2].text, "87 %, 1.0 GiB free");

        world.merge_resources(vec![disk(Health::Unknown, &full)]);
        let gauges = hosts(&world).remove(0).gauges;
        assert_eq!(
            (gauges[2].percent, gauges[2].text.as_str()),
            (None, "not read")
        );
    }
}
