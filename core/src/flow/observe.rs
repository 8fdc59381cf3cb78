//! Observe: readings and signals become the world, one picture of everything that is looked after, with its history. Pure.
//!
//! What flows in: [`Observation`]s, single readings and [`Signal`]s. What flows out: which resources changed or are gone.
//! What it never does: judge. That something ended is a fact; whether that is wrong is said in `detect`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use steward_api::{
    ContainerFacts, ContainerHealth, ContainerStatus, Facts, Health, Resource, ResourceId,
    ResourceKind, Unreadable,
};

use super::graph::Graph;
use crate::ports::{
    ContainerSignal, Coverage, Death, EndCause, Observation, ResourceHistory, Sample, Signal, later,
};

/// Ends that are remembered for each container.
const DEATHS_KEPT: usize = 20;
/// Readings that are remembered for each metric; the most that `thresholds.of_last` may ask for.
pub const SAMPLES_KEPT: usize = 20;
/// An engine that shuts down takes its containers along before its connection is lost; Docker waits up to 15 s for them.
const OUTAGE_TAKES_ALONG: SignedDuration = SignedDuration::from_secs(20);

/// Kills for memory so close together, in one run of a container, are one: the kernel tells it several times until there is room again.
const OOM_TOGETHER: SignedDuration = SignedDuration::from_secs(5);
/// Two clocks of the same engine, the event's and the state's, differ by milliseconds; so much is taken as the same moment.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(2);

/// Everything that is looked after, as last read, with its history.
#[derive(Debug, Default)]
pub struct World {
    resources: Arc<BTreeMap<ResourceId, Arc<Resource>>>,
    owners: BTreeMap<ResourceId, String>,
    histories: BTreeMap<ResourceId, ResourceHistory>,
    unreadable: BTreeMap<String, Vec<Unreadable>>,
    versions: BTreeMap<String, String>,
    /// Health and reason as they were read, of those whose rules said otherwise.
    read_as: BTreeMap<ResourceId, (Health, String)>,
    /// The engine's own count of restarts of each container, and when it was read.
    counted: BTreeMap<ResourceId, Counted>,
    graph: Graph,
    graph_is_stale: bool,
}

/// An engine's count of its own restarts of a container.
#[derive(Debug)]
struct Counted {
    container_id: String,
    restarts: u64,
    at: Timestamp,
}

/// What a reading changed.
#[derive(Debug, Default)]
pub struct Absorbed {
    /// Resources to judge anew.
    pub changed: Vec<ResourceId>,
    /// Resources that are gone.
    pub gone: Vec<ResourceId>,
    /// Values for the metric history.
    pub samples: Vec<Sample>,
}

impl World {
    /// Every resource, by id; cheap to hold on to.
    pub fn resources(&self) -> &Arc<BTreeMap<ResourceId, Arc<Resource>>> {
        &self.resources
    }

    /// One resource.
    pub fn get(&self, id: &ResourceId) -> Option<&Arc<Resource>> {
        self.resources.get(id)
    }

    /// What has been seen of a resource.
    pub fn history(&self, id: &ResourceId) -> Option<&ResourceHistory> {
        self.histories.get(id)
    }

    /// What has been seen of a resource, to be added to.
    pub fn history_mut(&mut self, id: &ResourceId) -> &mut ResourceHistory {
        self.histories.entry(id.clone()).or_default()
    }

    /// What could not be read in the last reading of each source.
    pub fn unreadable(&self) -> Vec<Unreadable> {
        self.unreadable.values().flatten().cloned().collect()
    }

    /// Versions of what is looked after.
    pub fn versions(&self) -> &BTreeMap<String, String> {
        &self.versions
    }

    /// The graph as it is now.
    pub fn graph(&mut self) -> &Graph {
        self.picture().0
    }

    /// The graph as it is now, with the resources.
    pub fn picture(&mut self) -> (&Graph, &BTreeMap<ResourceId, Arc<Resource>>) {
        if self.graph_is_stale {
            self.graph = Graph::of(&self.resources);
            self.graph_is_stale = false;
        }
        (&self.graph, &self.resources)
    }

    /// The source that reports a resource.
    pub fn owner(&self, id: &ResourceId) -> Option<&str> {
        self.owners.get(id).map(String::as_str)
    }

    /// A resource as it was read, without what the rules made of its health and reason.
    pub fn as_read(&self, id: &ResourceId) -> Option<Arc<Resource>> {
        let resource = self.get(id)?;
        let Some((health, reason)) = self.read_as.get(id) else {
            return Some(Arc::clone(resource));
        };
        let mut resource = Resource::clone(resource);
        resource.health = *health;
        resource.reason.clone_from(reason);
        Some(Arc::new(resource))
    }

    /// What explained these is over: how they were read under it says nothing any more, so they must be found failing anew. Containers
    /// are left out, for their ends are known from events, not from readings.
    pub fn doubt(&mut self, freed: &[ResourceId]) {
        for id in freed {
            if id.kind != ResourceKind::Container
                && let Some(history) = self.histories.get_mut(id)
            {
                history.failing_readings = 0;
            }
        }
    }

    /// Takes over what an earlier agent knew up to `until`: which resources it has seen at work, and which it knew to be stopped on
    /// purpose.
    pub fn remember(&mut self, known: &BTreeMap<ResourceId, Health>, until: Option<Timestamp>) {
        for (id, health) in known {
            match health {
                Health::Stopped => self.history_mut(id).stopped_until = until,
                Health::Unknown => {}
                // Healthy or failing, it was meant to run.
                _ => self.history_mut(id).seen_running = true,
            }
        }
    }

    /// Takes in a reading that was begun at `began_at`. What is known from later than that (a signal came meanwhile) stays as it is.
    pub fn absorb(&mut self, observation: Observation, began_at: Timestamp) -> Absorbed {
        let mut absorbed = Absorbed::default();
        let seen: BTreeSet<ResourceId> = observation
            .resources
            .iter()
            .map(|resource| resource.id.clone())
            .collect();
        for mut resource in observation.resources {
            resource.read_at = began_at;
            if self
                .get(&resource.id)
                .is_some_and(|known| known.read_at > began_at)
            {
                continue;
            }
            for (metric, value) in &resource.metrics {
                absorbed.samples.push(Sample {
                    resource: resource.id.clone(),
                    metric: *metric,
                    at: resource.read_at,
                    value: *value,
                });
            }
            absorbed.changed.push(resource.id.clone());
            self.put(&observation.source, resource, true);
        }
        if observation.coverage == Coverage::Complete {
            let missing: Vec<_> = self
                .owners
                .iter()
                .filter(|(id, owner)| **owner == observation.source && !seen.contains(*id))
                .filter(|(id, _)| self.get(id).is_none_or(|known| known.read_at <= began_at))
                .map(|(id, _)| id.clone())
                .collect();
            for id in missing {
                self.remove(&id);
                absorbed.gone.push(id);
            }
        }
        self.unreadable
            .insert(observation.source, observation.unreadable);
        self.versions.extend(observation.versions);
        absorbed
    }

    /// Takes in one resource read by itself, between readings. An older picture than the one that is there is dropped.
    pub fn absorb_one(&mut self, source: &str, resource: Resource) -> bool {
        if self
            .get(&resource.id)
            .is_some_and(|known| known.read_at > resource.read_at)
        {
            return false;
        }
        self.put(source, resource, false);
        true
    }

    /// A source could not be read at all: what it reports is unknown from now on. Returns what changed by that.
    pub fn lose_source(
        &mut self,
        source: &str,
        at: Timestamp,
        error: &str,
        spare: Option<&ResourceId>,
    ) -> Vec<ResourceId> {
        let lost: Vec<_> = self
            .owners
            .iter()
            .filter(|(id, owner)| *owner == source && Some(*id) != spare)
            .map(|(id, _)| id.clone())
            .collect();
        let mut changed = Vec::new();
        for id in lost {
            let Some(resource) = self.get(&id).cloned() else {
                continue;
            };
            self.reclassify_as_outage(&id, at);
            if resource.health != Health::Unknown {
                let mut unknown = Resource::clone(&resource);
                unknown.health = Health::Unknown;
                unknown.reason = format!("not known: {error}");
                unknown.metrics.clear();
                unknown.read_at = at;
                if let Facts::Container(facts) = &mut unknown.facts {
                    facts.status = ContainerStatus::Unknown;
                }
                self.insert(unknown);
                changed.push(id);
            }
        }
        let what = "everything".to_owned();
        self.unreadable.insert(
            source.to_owned(),
            vec![Unreadable {
                source: source.to_owned(),
                what,
                error: error.to_owned(),
            }],
        );
        changed
    }

    /// An end right before the engine went away looks like one asked for by a person, but came from the engine's own shutdown.
    fn reclassify_as_outage(&mut self, id: &ResourceId, at: Timestamp) {
        let Some(history) = self.histories.get_mut(id) else {
            return;
        };
        if let Some(death) = history.deaths.back_mut()
            && matches!(death.cause, EndCause::Operator | EndCause::Unseen)
            && at.duration_since(death.at) <= OUTAGE_TAKES_ALONG
        {
            death.cause = EndCause::EngineOutage;
        }
    }

    /// Takes in a signal from a container engine's event stream. Returns whether the container must be judged anew.
    pub fn signal(&mut self, signal: &Signal) -> bool {
        let id = &signal.resource;
        if signal.kind == ContainerSignal::Removed {
            // The name may belong to a newer container already.
            let is_current = self
                .get(id)
                .and_then(|resource| resource.container())
                .is_some_and(|facts| facts.container_id == signal.container_id);
            if is_current {
                self.remove(id);
            }
            return is_current;
        }
        // An event of an older container of the same name says nothing of this one.
        if let Some(facts) = self.get(id).and_then(|resource| resource.container())
            && facts.container_id != signal.container_id
            && !matches!(
                signal.kind,
                ContainerSignal::Created | ContainerSignal::Started
            )
        {
            return false;
        }
        match &signal.kind {
            ContainerSignal::KillRequested { signal: number } => {
                self.history_mut(id).kill_requested = Some((signal.at, *number));
                false
            }
            ContainerSignal::OomKilled => {
                let started = self.started_at(id);
                let history = self.history_mut(id);
                let is_known = history.oom_kills.back().is_some_and(|known| {
                    signal.at.duration_since(*known) <= OOM_TOGETHER
                        && started.is_none_or(|started| started <= *known)
                });
                if !is_known {
                    history.oom_kills.push_back(signal.at);
                }
                // The engine may tell the end before the kill that caused it.
                let killed_at = signal.at;
                if let Some(death) = history.deaths.back_mut()
                    && death.cause == EndCause::Crash
                    && killed_at.duration_since(death.at).abs() <= OOM_TOGETHER
                    && started.is_none_or(|started| started <= death.at)
                {
                    death.oom = true;
                    self.edit_container(id, killed_at, |facts| {
                        facts.oom_killed = true;
                        None
                    });
                }
                true
            }
            ContainerSignal::Died { exit_code } => {
                self.died(signal, *exit_code);
                true
            }
            ContainerSignal::Stopped => {
                // Whatever it looked like: a stop through the engine has come to its end.
                let history = self.history_mut(id);
                if let Some(death) = history.deaths.back_mut()
                    && death.cause == EndCause::Crash
                {
                    death.cause = if history.steward_acting {
                        EndCause::Steward
                    } else {
                        EndCause::Operator
                    };
                }
                true
            }
            ContainerSignal::Started => {
                let history = self.history_mut(id);
                history.kill_requested = None;
                history.seen_running = true;
                let at = signal.at;
                self.edit_container(id, at, |facts| {
                    facts.status = ContainerStatus::Running;
                    facts.started_at = Some(at);
                    facts.error = None;
                    // What its check said of the run before says nothing of this one.
                    if facts.has_health_check {
                        facts.health = ContainerHealth::Starting;
                    }
                    Some(running(facts))
                });
                true
            }
            ContainerSignal::HealthChanged(health) => {
                let health = *health;
                self.edit_container(id, signal.at, |facts| {
                    facts.health = health;
                    (facts.status == ContainerStatus::Running).then(|| running(facts))
                });
                true
            }
            ContainerSignal::Created | ContainerSignal::Changed | ContainerSignal::Removed => false,
        }
    }

    /// Whether a container was read later than a signal says that something happened to it: when missed events are told after a
    /// reconnect, or when the engine's clock is behind ours. It must then be read anew to know how it is.
    pub fn is_outdated(&self, signal: &Signal) -> bool {
        self.get(&signal.resource)
            .is_some_and(|resource| resource.read_at > signal.at)
    }

    /// When the run of a container began that is the last one known.
    fn started_at(&self, id: &ResourceId) -> Option<Timestamp> {
        self.get(id)?.container()?.started_at
    }

    fn died(&mut self, signal: &Signal, exit_code: i64) {
        let started = self.started_at(&signal.resource);
        let history = self.history_mut(&signal.resource);
        let asked = history
            .end_is_meant_until()
            .is_some_and(|until| signal.at <= until);
        history.kill_requested = None;
        let cause = match (asked, history.steward_acting) {
            (true, true) => EndCause::Steward,
            (true, false) => EndCause::Operator,
            (false, _) => EndCause::Crash,
        };
        // The kills for memory are told within a moment before the end that they cause, and the first of them stands for all.
        let oom = history.oom_kills.back().is_some_and(|at| {
            signal.at.duration_since(*at).abs() <= OOM_TOGETHER * 2
                && started.is_none_or(|started| started <= *at)
        });
        history.seen_running = true;
        push_death(
            history,
            Death {
                at: signal.at,
                exit_code,
                oom,
                cause,
            },
        );
        let at = signal.at;
        self.edit_container(&signal.resource, at, |facts| {
            facts.status = ContainerStatus::Exited;
            facts.exit_code = Some(exit_code);
            facts.finished_at = Some(at);
            facts.oom_killed = oom;
            let words = format!("ended with exit code {exit_code}");
            let is_restarted = cause == EndCause::Crash
                && facts
                    .restart_policy
                    .restarts(exit_code, facts.restart_count);
            Some(if is_restarted {
                (
                    Health::Restarting,
                    format!("{words}; its engine restarts it"),
                )
            } else if exit_code == 0 && !oom {
                (Health::Stopped, words)
            } else {
                (Health::Unhealthy, words)
            })
        });
    }

    /// Brings a container up to what an event tells: its facts, and what follows for its health. An event is as good as a reading, and
    /// what has just ended must not go on being shown as well while its rules can't tell yet.
    fn edit_container(
        &mut self,
        id: &ResourceId,
        at: Timestamp,
        edit: impl FnOnce(&mut ContainerFacts) -> Option<(Health, String)>,
    ) {
        let Some(resource) = self.get(id) else { return };
        // A reading from later than the event shows more than the event does; see `is_outdated`.
        if resource.read_at > at {
            return;
        }
        let mut resource = Resource::clone(resource);
        if let Facts::Container(facts) = &mut resource.facts {
            if let Some((health, reason)) = edit(facts) {
                (resource.health, resource.reason) = (health, reason);
            }
            resource.read_at = resource.read_at.max(at);
            resource.metrics.clear();
            self.insert(resource);
        }
    }

    fn put(&mut self, source: &str, resource: Resource, is_reading: bool) {
        let id = resource.id.clone();
        let before = self.get(&id).cloned();
        self.note(&resource, before.as_deref(), is_reading);
        if before.is_none_or(|before| {
            before.depends_on != resource.depends_on || before.runs_on != resource.runs_on
        }) {
            self.graph_is_stale = true;
        }
        self.owners.insert(id, source.to_owned());
        self.insert(resource);
    }

    /// Keeps the history up with a reading.
    fn note(&mut self, resource: &Resource, before: Option<&Resource>, is_reading: bool) {
        let history = self.histories.entry(resource.id.clone()).or_default();
        if is_reading {
            match resource.health {
                Health::Unhealthy => {
                    history.failing_readings = history.failing_readings.saturating_add(1)
                }
                Health::Unknown => {}
                _ => history.failing_readings = 0,
            }
            for (metric, value) in &resource.metrics {
                let samples = history.samples.entry(*metric).or_default();
                samples.push_back(*value);
                if samples.len() > SAMPLES_KEPT {
                    samples.pop_front();
                }
            }
        }
        let limit = |resource: &Resource| {
            resource
                .container()
                .map(|facts| (facts.container_id.clone(), facts.memory_limit_bytes))
        };
        if before.is_some_and(|before| limit(before) != limit(resource)) {
            // What was killed under another limit says nothing of this one.
            history.oom_kills.clear();
        }
        while history
            .oom_kills
            .front()
            .is_some_and(|at| resource.read_at.duration_since(*at) > SignedDuration::from_hours(1))
        {
            history.oom_kills.pop_front();
        }
        let Some(facts) = resource.container() else {
            return;
        };
        if before.is_some_and(|before| is_status(before, ContainerStatus::Unknown))
            && facts.status != ContainerStatus::Unknown
        {
            history.known_again_at = Some(resource.read_at);
        }
        match facts.status {
            ContainerStatus::Running => {
                history.seen_running = true;
            }
            ContainerStatus::Exited | ContainerStatus::Dead | ContainerStatus::Restarting => {
                let ran_before = before.and_then(Resource::container).is_some_and(|before| {
                    before.container_id == facts.container_id
                        && matches!(
                            before.status,
                            ContainerStatus::Running | ContainerStatus::Unknown
                        )
                });
                let known = facts.finished_at.is_none_or(|finished| {
                    history
                        .last_death()
                        .is_some_and(|death| finished.duration_since(death.at) <= CLOCKS_DIFFER)
                });
                if !known {
                    let at = facts.finished_at.unwrap_or(resource.read_at);
                    let outage = before
                        .is_some_and(|before| before.health == Health::Unknown && ran_before)
                        && history.seen_running;
                    let cause = if outage {
                        EndCause::EngineOutage
                    } else {
                        EndCause::Unseen
                    };
                    let exit_code = facts.exit_code.unwrap_or_default();
                    push_death(
                        history,
                        Death {
                            at,
                            exit_code,
                            oom: facts.oom_killed,
                            cause,
                        },
                    );
                }
            }
            _ => {}
        }
        // The engine's own count tells of restarts whose events were missed. Events keep the facts up but do not tell the count, so
        // what is compared is the count of the last reading with the ends since then.
        let counted = Counted {
            container_id: facts.container_id.clone(),
            restarts: facts.restart_count,
            at: resource.read_at,
        };
        if let Some(last) = self.counted.insert(resource.id.clone(), counted)
            && last.container_id == facts.container_id
            && facts.restart_count > last.restarts
        {
            let seen = history
                .deaths
                .iter()
                .filter(|death| later(death.at, CLOCKS_DIFFER) >= last.at)
                .count() as u64;
            let missed = (facts.restart_count - last.restarts).saturating_sub(seen);
            for _ in 0..missed.min(DEATHS_KEPT as u64) {
                push_death(
                    history,
                    Death {
                        at: facts.finished_at.unwrap_or(resource.read_at),
                        exit_code: facts.exit_code.unwrap_or_default(),
                        oom: facts.oom_killed,
                        cause: EndCause::Unseen,
                    },
                );
            }
        }
    }

    fn insert(&mut self, resource: Resource) {
        self.read_as.remove(&resource.id);
        Arc::make_mut(&mut self.resources).insert(resource.id.clone(), Arc::new(resource));
    }

    /// Puts the health that the rules came to, with its reason, on a resource.
    pub fn refine(&mut self, id: &ResourceId, health: Health, reason: Option<String>) {
        let Some(resource) = self.get(id) else { return };
        if resource.health == health
            && reason
                .as_ref()
                .is_none_or(|reason| *reason == resource.reason)
        {
            return;
        }
        let mut resource = Resource::clone(resource);
        let as_read = self
            .read_as
            .remove(id)
            .unwrap_or_else(|| (resource.health, resource.reason.clone()));
        resource.health = health;
        if let Some(reason) = reason {
            resource.reason = reason;
        }
        self.insert(resource);
        self.read_as.insert(id.clone(), as_read);
    }

    fn remove(&mut self, id: &ResourceId) {
        Arc::make_mut(&mut self.resources).remove(id);
        self.owners.remove(id);
        self.histories.remove(id);
        self.read_as.remove(id);
        self.counted.remove(id);
        self.graph_is_stale = true;
    }

    /// Containers that ended by a fault within the time before `now`.
    pub fn recent_faults(&self, now: Timestamp, window: SignedDuration) -> usize {
        self.histories
            .iter()
            .filter(|(id, history)| {
                id.kind == ResourceKind::Container
                    // What was judged to be meant (a finished job) is shown as stopped, and no fault.
                    && self.get(id).is_none_or(|resource| resource.health != Health::Stopped)
                    && history.last_death().is_some_and(|death| {
                        // Those that an engine took along have a known cause, and come back with it.
                        matches!(death.cause, EndCause::Crash | EndCause::Unseen)
                            && now.duration_since(death.at) <= window
                    })
            })
            .count()
    }
}

fn is_status(resource: &Resource, status: ContainerStatus) -> bool {
    resource
        .container()
        .is_some_and(|facts| facts.status == status)
}

/// The health of a container that runs.
fn running(facts: &ContainerFacts) -> (Health, String) {
    let (health, words) = match facts.health {
        ContainerHealth::None => (Health::Healthy, "running"),
        ContainerHealth::Healthy => (Health::Healthy, "running, and its health check passes"),
        ContainerHealth::Starting => (
            Health::Unknown,
            "running; its health check has not finished yet",
        ),
        ContainerHealth::Unhealthy => (Health::Unhealthy, "its health check fails"),
    };
    (health, words.to_owned())
}

fn push_death(history: &mut ResourceHistory, death: Death) {
    if history.deaths.len() >= DEATHS_KEPT {
        history.deaths.pop_front();
    }
    history.deaths.push_back(death);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_job_is_no_fault_among_others() {
        let at: Timestamp = "2026-03-10T12:00:00Z".parse().unwrap();
        let mut world = World::default();
        for (name, health) in [("job", Health::Stopped), ("web", Health::Unhealthy)] {
            let id = ResourceId::container("n", name);
            let history = world.history_mut(&id);
            push_death(
                history,
                Death {
                    at,
                    exit_code: 0,
                    oom: false,
                    cause: EndCause::Unseen,
                },
            );
            world.insert(Resource {
                id,
                health,
                reason: String::new(),
                depends_on: Vec::new(),
                runs_on: None,
                facts: Facts::Container(Box::default()),
                metrics: std::collections::BTreeMap::new(),
                read_at: at,
            });
        }
        assert_eq!(world.recent_faults(at, SignedDuration::from_secs(30)), 1);
    }
}
