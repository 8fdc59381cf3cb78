//! What is known of each container from earlier readings: which need a fresh inspection, and how all fit together. Pure but for
//! remembering.
//!
//! Inspecting every container in every cycle would cost most of a cycle, so facts are kept and only brought up to date from the list;
//! the list, the events and a rotation tell which have to be read anew.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use steward_api::{
    ComposeRef, ContainerFacts, ContainerHealth, ContainerStatus, Dependency, DependencyCondition,
    Facts, Health, Metric, Resource, ResourceId,
};

use super::{
    labels::{self, Place},
    models::{Inspect, Summary},
    stats::Counters,
    translate,
};

/// One of so many settled containers is inspected in each cycle all the same.
const ROTATION: u64 = 10;
/// A container that ended within this time may still change (removed, restarted by its policy).
const SETTLING: SignedDuration = SignedDuration::from_mins(10);
/// How far the engine's clock may be behind or ahead before ages are thought to differ.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(5);

/// What is known of one container.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) facts: ContainerFacts,
    pub(super) place: Place,
    pub(super) counters: Option<Counters>,
    /// Whether it has a terminal, which decides how its log is written; absent where it was not inspected.
    tty: Option<bool>,
    /// Something happened to it since it was inspected.
    stale: bool,
}

impl Known {
    pub(super) fn of(inspect: &Inspect) -> Self {
        Self {
            name: inspect.name().to_owned(),
            facts: translate::facts(inspect),
            place: labels::place(&inspect.config.labels),
            counters: None,
            tty: Some(inspect.config.tty),
            stale: false,
        }
    }

    /// What the list alone tells, for a container that could not be inspected.
    pub(super) fn listed(summary: &Summary) -> Self {
        let place = labels::place(&summary.labels);
        Self {
            name: summary.name().unwrap_or(&summary.id).to_owned(),
            facts: ContainerFacts {
                container_id: summary.id.clone(),
                image: summary.image.clone(),
                status: translate::status(&summary.state),
                compose: place.compose.clone(),
                labels: labels::parse(&summary.labels),
                ..ContainerFacts::default()
            },
            place,
            counters: None,
            tty: None,
            stale: true,
        }
    }

    fn needs_inspection(&self, summary: &Summary, cycle: u64, now: Timestamp) -> bool {
        let status = translate::status(&summary.state);
        if self.stale || status != self.facts.status || is_its_turn(&summary.id, cycle) {
            return true;
        }
        match status {
            ContainerStatus::Running => {
                let wavering = self.facts.has_health_check
                    && (self.facts.health != ContainerHealth::Healthy
                        || translate::listed_health(&summary.status) != self.facts.health);
                wavering || is_younger(&summary.status, self.facts.started_at, now)
            }
            ContainerStatus::Exited => {
                let settled = self
                    .facts
                    .finished_at
                    .is_some_and(|end| now.duration_since(end) > SETTLING);
                !settled || is_younger(&summary.status, self.facts.finished_at, now)
            }
            _ => true,
        }
    }
}

/// Whether the list tells a younger state than the one that began at `since`: it ended and began again unseen.
fn is_younger(text: &str, since: Option<Timestamp>, now: Timestamp) -> bool {
    let (Some(most), Some(since)) = (translate::listed_age(text), since) else {
        return true;
    };
    let most = SignedDuration::from_secs(i64::try_from(most).unwrap_or(i64::MAX / 2));
    most.saturating_add(CLOCK_SLACK) < now.duration_since(since)
}

fn is_its_turn(id: &str, cycle: u64) -> bool {
    let number = id
        .get(..8)
        .and_then(|start| u64::from_str_radix(start, 16).ok())
        .unwrap_or_default();
    number % ROTATION == cycle % ROTATION
}

/// What is known of all containers, by the engine's id.
#[derive(Debug, Default)]
pub(super) struct Cache {
    known: HashMap<String, Known>,
}

impl Cache {
    /// Whether a listed container has to be inspected. It counts as fresh from here on: what happens to it while it is being
    /// inspected makes it stale again.
    pub(super) fn take_turn(&mut self, summary: &Summary, cycle: u64, now: Timestamp) -> bool {
        self.known.get_mut(&summary.id).is_none_or(|known| {
            let needed = known.needs_inspection(summary, cycle, now);
            if needed {
                known.stale = false;
            }
            needed
        })
    }

    /// Where the log of a container of this name was last known to be: the engine's id, and whether it has a terminal.
    pub(super) fn log_of(&self, name: &str) -> Option<(String, bool)> {
        self.known
            .values()
            .find(|known| known.name == name)
            .and_then(|known| Some((known.facts.container_id.clone(), known.tty?)))
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Known> {
        self.known.get_mut(id)
    }

    /// Keeps a fresh inspection; the counters of the one before stay.
    pub(super) fn put(&mut self, mut fresh: Known) {
        if let Some(before) = self.known.get(&fresh.facts.container_id) {
            fresh.counters = before.counters;
            fresh.stale = before.stale;
        }
        self.known.insert(fresh.facts.container_id.clone(), fresh);
    }

    /// Something happened to it: what is known of it is no longer sure.
    pub(super) fn mark_stale(&mut self, id: &str) {
        if let Some(known) = self.known.get_mut(id) {
            known.stale = true;
        }
    }

    pub(super) fn forget(&mut self, id: &str) {
        self.known.remove(id);
    }

    /// Forgets all but these.
    pub(super) fn retain(&mut self, ids: &HashSet<&str>) {
        self.known.retain(|id, _| ids.contains(id.as_str()));
    }

    /// The names of what is known, to resolve dependencies with.
    pub(super) fn directory(&self) -> Directory {
        let mut directory = Directory::default();
        for known in self.known.values() {
            directory.add(known);
        }
        directory
    }
}

/// Who is there, by name and by Compose service.
#[derive(Debug, Default)]
pub(super) struct Directory {
    names: HashSet<String>,
    services: BTreeMap<(String, String), Vec<String>>,
}

impl Directory {
    pub(super) fn add(&mut self, known: &Known) {
        if let Some(ComposeRef { project, service }) = &known.place.compose
            && !known.place.one_off
        {
            self.services
                .entry((project.clone(), service.clone()))
                .or_default()
                .push(known.name.clone());
        }
        self.names.insert(known.name.clone());
    }

    /// What a container depends on, sorted; each once, never itself. A Compose service stands for all of its containers; one that has
    /// none is left out. A name from `steward.depends_on` stands for a container, else for a service of the same project.
    fn dependencies(&self, node: &str, known: &Known) -> Vec<Dependency> {
        let project = known.place.compose.as_ref().map(|compose| &compose.project);
        let of_service = |service: &str| -> &[String] {
            project
                .and_then(|project| self.services.get(&(project.clone(), service.to_owned())))
                .map_or(&[], Vec::as_slice)
        };
        let mut found: BTreeMap<&str, DependencyCondition> = BTreeMap::new();
        for name in &known.facts.labels.depends_on {
            match of_service(name) {
                of if !self.names.contains(name) && !of.is_empty() => {
                    found.extend(
                        of.iter()
                            .map(|name| (name.as_str(), DependencyCondition::Started)),
                    );
                }
                _ => {
                    found.insert(name, DependencyCondition::Started);
                }
            }
        }
        for dependency in &known.place.depends_on {
            let of = of_service(&dependency.service);
            found.extend(of.iter().map(|name| (name.as_str(), dependency.condition)));
        }
        found.remove(known.name.as_str());
        found
            .into_iter()
            .map(|(name, condition)| Dependency {
                on: ResourceId::container(node, name),
                condition,
            })
            .collect()
    }
}

/// A container as a resource. `failure`: why it could not be read, where it could not.
pub(super) fn resource(
    known: &Known,
    directory: &Directory,
    engine: &ResourceId,
    metrics: BTreeMap<Metric, f64>,
    failure: Option<String>,
    at: Timestamp,
) -> Resource {
    let (health, reason) = match failure {
        None => translate::judge(&known.facts),
        Some(failure) => (Health::Unknown, failure),
    };
    Resource {
        id: ResourceId::container(engine.node.as_str(), known.name.as_str()),
        health,
        reason,
        depends_on: directory.dependencies(&engine.node, known),
        runs_on: Some(engine.clone()),
        facts: Facts::Container(Box::new(known.facts.clone())),
        metrics,
        read_at: at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0000000aaaaa";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn known(id: &str, name: &str, more: &str, labels: &str) -> Known {
        Known::of(
            &serde_json::from_str(&format!(
                r#"{{"Id":"{id}","Name":"/{name}","State":{{{more}}},"Config":{{"Labels":{{{labels}}}}}}}"#
            ))
            .unwrap(),
        )
    }

    fn listed(state: &str, status: &str) -> Summary {
        serde_json::from_str(&format!(
            r#"{{"Id":"{ID}","Names":["/web"],"State":"{state}","Status":"{status}"}}"#
        ))
        .unwrap()
    }

    fn turn(more: &str, state: &str, status: &str) -> bool {
        let mut cache = Cache::default();
        cache.put(known(ID, "web", more, ""));
        // Cycle 1: its own turn in the rotation is 0.
        cache.take_turn(&listed(state, status), 1, at("2026-01-01T01:00:00Z"))
    }

    const UP: &str = r#""Status":"running","StartedAt":"2026-01-01T00:00:00Z""#;

    #[test]
    fn a_settled_container_is_not_inspected_again() {
        assert!(!turn(UP, "running", "Up About an hour"));
        let ended = r#""Status":"exited","StartedAt":"2026-01-01T00:00:00Z","FinishedAt":"2026-01-01T00:20:00Z""#;
        assert!(!turn(ended, "exited", "Exited (0) 40 minutes ago"));
    }

    #[test]
    fn a_new_changed_or_restless_container_is_inspected() {
        assert!(Cache::default().take_turn(
            &listed("running", "Up 1 second"),
            1,
            at("2026-01-01T00:00:00Z")
        ));
        assert!(turn(UP, "exited", "Exited (1) 2 seconds ago"), "it ended");
        assert!(
            turn(UP, "running", "Up 20 seconds"),
            "it was restarted unseen"
        );
        let restarting = r#""Status":"restarting""#;
        assert!(turn(
            restarting,
            "restarting",
            "Restarting (1) 2 seconds ago"
        ));
        let checked = |health: &str| format!(r#"{UP},"Health":{{"Status":"{health}"}}"#);
        assert!(!turn(
            &checked("healthy"),
            "running",
            "Up About an hour (healthy)"
        ));
        assert!(turn(
            &checked("healthy"),
            "running",
            "Up About an hour (unhealthy)"
        ));
        assert!(turn(
            &checked("unhealthy"),
            "running",
            "Up About an hour (unhealthy)"
        ));
        let just_ended = r#""Status":"exited","FinishedAt":"2026-01-01T00:59:00Z""#;
        assert!(turn(just_ended, "exited", "Exited (0) About a minute ago"));
    }

    #[test]
    fn each_has_its_turn_within_ten_cycles() {
        let mut cache = Cache::default();
        cache.put(known(ID, "web", UP, ""));
        let turns = (0..10)
            .filter(|cycle| {
                cache.take_turn(
                    &listed("running", "Up About an hour"),
                    *cycle,
                    at("2026-01-01T01:00:00Z"),
                )
            })
            .count();
        assert_eq!(turns, 1);
    }

    #[test]
    fn an_event_makes_it_stale_even_while_it_is_inspected() {
        let mut cache = Cache::default();
        cache.put(known(ID, "web", UP, ""));
        let (up, now) = (
            listed("running", "Up About an hour"),
            at("2026-01-01T01:00:00Z"),
        );
        cache.mark_stale(ID);
        assert!(cache.take_turn(&up, 1, now));
        cache.mark_stale(ID);
        cache.put(known(ID, "web", UP, ""));
        assert!(
            cache.take_turn(&up, 1, now),
            "the inspection may be older than the event"
        );
        assert!(!cache.take_turn(&up, 1, now));
    }

    #[test]
    fn dependencies_are_resolved_within_the_project() {
        let compose = |service: &str, more: &str| {
            format!(
                r#""com.docker.compose.project":"shop","com.docker.compose.service":"{service}"{more}"#
            )
        };
        let mut directory = Directory::default();
        for (name, labels) in [
            ("shop-db-1", compose("db", "")),
            ("shop-cache-1", compose("cache", "")),
            ("shop-cache-2", compose("cache", "")),
            (
                "shop-db-run-x",
                compose("db", r#","com.docker.compose.oneoff":"True""#),
            ),
            (
                "other-db-1",
                r#""com.docker.compose.project":"other","com.docker.compose.service":"db""#
                    .to_owned(),
            ),
            ("vpn", String::new()),
        ] {
            directory.add(&known(name, name, "", &labels));
        }
        let web = known(
            "w",
            "shop-web-1",
            "",
            &compose(
                "web",
                r#","com.docker.compose.depends_on":"db:service_healthy:false,cache:service_started:true,gone:service_started:false","steward.depends_on":"vpn,nas,cache,shop-web-1""#,
            ),
        );
        let found: Vec<_> = directory
            .dependencies("atlas", &web)
            .into_iter()
            .map(|d| (d.on.to_string(), d.condition))
            .collect();
        assert_eq!(
            found,
            [
                (
                    "atlas/container/nas".to_owned(),
                    DependencyCondition::Started
                ),
                (
                    "atlas/container/shop-cache-1".to_owned(),
                    DependencyCondition::Started
                ),
                (
                    "atlas/container/shop-cache-2".to_owned(),
                    DependencyCondition::Started
                ),
                (
                    "atlas/container/shop-db-1".to_owned(),
                    DependencyCondition::Healthy
                ),
                (
                    "atlas/container/vpn".to_owned(),
                    DependencyCondition::Started
                ),
            ]
        );
    }

    #[test]
    fn what_could_not_be_read_is_unknown_though_it_was_well_before() {
        let engine = ResourceId::new("atlas", steward_api::ResourceKind::Engine, "docker");
        let up = known(ID, "web", UP, "");
        let now = at("2026-01-01T01:00:00Z");
        let read = resource(
            &up,
            &Directory::default(),
            &engine,
            BTreeMap::new(),
            None,
            now,
        );
        assert_eq!(read.health, Health::Healthy);
        assert_eq!(read.id.to_string(), "atlas/container/web");
        let failed = resource(
            &up,
            &Directory::default(),
            &engine,
            BTreeMap::new(),
            Some("no answer".to_owned()),
            now,
        );
        assert_eq!(
            (failed.health, failed.reason.as_str()),
            (Health::Unknown, "no answer")
        );
    }
}
