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
    ContainerStatus, EngineFacts, Facts, Health, Resource, ResourceId, ResourceKind, Unreadable,
};

mod signals;

use super::{graph::Graph, outages::Outages};
use crate::ports::{Coverage, Death, EndCause, Observation, ResourceHistory, Sample, later};

/// Ends that are remembered for each container.
const DEATHS_KEPT: usize = 20;
/// Readings that are remembered for each metric; the most that `thresholds.of_last` may ask for.
pub const SAMPLES_KEPT: usize = 20;
/// An end that no event told belongs to an outage that shows within this time.
const OUTAGE_TAKES_ALONG: SignedDuration = SignedDuration::from_secs(20);
/// An engine that shuts down asks all its containers to end at the same moment: so far apart are the first and the last asked.
const ASKED_TOGETHER: SignedDuration = SignedDuration::from_secs(1);
/// And once the last of them has ended, its connection is lost within this time.
const LOST_AFTER_THE_LAST: SignedDuration = SignedDuration::from_secs(5);

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
    outages: Outages,
    /// When each source's event stream was lost, until the source is read again.
    streams_lost: BTreeMap<String, Timestamp>,
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
            self.outages.end(&observation.source, began_at);
            if self
                .streams_lost
                .get(&observation.source)
                .is_some_and(|lost| *lost <= began_at)
            {
                self.streams_lost.remove(&observation.source);
            }
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
        self.outages.begin(source, at);
        self.take_along(source);
        let mut changed = Vec::new();
        for id in lost {
            let Some(resource) = self.get(&id).cloned() else {
                continue;
            };
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

    /// The event stream of a source was lost: the source is gone, or only the stream; the next reading tells which.
    pub fn lose_stream(&mut self, source: &str, at: Timestamp) {
        self.streams_lost.entry(source.to_owned()).or_insert(at);
        if self.outages.covers(source, at) {
            self.take_along(source);
        }
    }

    /// Ends right before the engine went away look like ones asked for by a person, but came from the engine's own shutdown: those
    /// that were asked for together, last of all, and right before the connection was lost. What somebody stopped shortly before is
    /// not among them. An engine that shuts down answers nobody any more, but tells its events to the last: nothing can be said before
    /// its stream is lost as well.
    fn take_along(&mut self, source: &str) {
        let Some(at) = self.streams_lost.get(source).copied() else {
            return;
        };
        let lost: Vec<_> = self
            .owners
            .iter()
            .filter(|(id, owner)| *owner == source && id.kind == ResourceKind::Container)
            .map(|(id, _)| id.clone())
            .collect();
        let asked: Vec<_> = lost
            .iter()
            .filter_map(|id| {
                let history = self.histories.get(id)?;
                let death = history.last_death()?;
                // What ended after the engine had ceased to answer is known to be its doing already.
                matches!(death.cause, EndCause::Operator | EndCause::EngineOutage)
                    .then_some((death.at, history.stop_asked_at?))
            })
            .collect();
        let shutdown_began = asked
            .iter()
            .any(|(died_at, _)| at.duration_since(*died_at) <= LOST_AFTER_THE_LAST)
            .then(|| asked.iter().map(|(_, asked_at)| *asked_at).max())
            .flatten();
        for id in &lost {
            let Some(history) = self.histories.get_mut(id) else {
                continue;
            };
            let asked_at = history.stop_asked_at;
            let Some(death) = history.deaths.back_mut() else {
                continue;
            };
            let is_taken_along = match death.cause {
                EndCause::Operator => {
                    shutdown_began
                        .zip(asked_at)
                        .is_some_and(|(began, asked_at)| {
                            began.duration_since(asked_at) <= ASKED_TOGETHER
                        })
                }
                EndCause::Unseen => at.duration_since(death.at) <= OUTAGE_TAKES_ALONG,
                _ => false,
            };
            if is_taken_along {
                death.cause = EndCause::EngineOutage;
            }
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
            match (&resource.facts, resource.health) {
                (
                    Facts::Engine(EngineFacts { error: Some(_), .. }),
                    Health::Unhealthy | Health::Unknown,
                )
                | (_, Health::Unhealthy) => {
                    history.failing_readings = history.failing_readings.saturating_add(1)
                }
                (_, Health::Unknown) => {}
                _ => history.failing_readings = 0,
            }
            if matches!(resource.facts, Facts::Engine(_)) && resource.health == Health::Healthy {
                history.seen_running = true;
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
                    && !history.in_maintenance
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

fn push_death(history: &mut ResourceHistory, death: Death) {
    if history.deaths.len() >= DEATHS_KEPT {
        history.deaths.pop_front();
    }
    history.deaths.push_back(death);
}

#[cfg(test)]
mod tests;
