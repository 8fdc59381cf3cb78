//! The [`Source`]: one reading of the engine, its event stream, single containers and logs.
//!
//! A reading lists all containers, inspects those of which something may have changed, takes the stats of those that run, and puts the
//! rest together from what is known. One container that hangs costs its own time limit and nobody else's.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use jiff::Timestamp;
use steward_api::{
    ContainerStatus, EngineFacts, Facts, Health, Metric, Resource, ResourceId, ResourceKind,
    Unreadable,
};
use tokio::time::Instant;

use crate::ports::{Cadence, Coverage, Depth, Observation, Signal, Source, SourceError};

use super::{
    DockerEngine, NAME, anew,
    cache::{self, Known},
    client::{Client, Failure, LIST, QUICK, is_name},
    disk_usage, events, lock, logs,
    models::{Inspect, StatsModel, Summary},
    stats::{self, Scale},
    translate,
};

/// After this time no further inspection or stats is begun: what is left shows as unreadable, and the reading ends in time.
const BUDGET: Duration = Duration::from_secs(30);
/// How long one reading may take: the list, the budget, the last requests begun in it, and disk usage's patience.
const TIMEOUT: Duration = Duration::from_secs(55);

#[async_trait]
impl Source for DockerEngine {
    fn name(&self) -> &str {
        NAME
    }

    fn cadence(&self) -> Cadence {
        Cadence::ContainerCycle
    }

    fn timeout(&self) -> Duration {
        TIMEOUT
    }

    async fn observe(&self, depth: Depth) -> Result<Observation, SourceError> {
        let failed = |failure: Failure| failure.into_source_error(self.client.who());
        // A full reading notices a daemon that was exchanged unseen.
        let engine = match depth {
            Depth::Cycle => self.client.connected().await,
            Depth::Full => self.client.negotiate().await,
        }
        .map_err(failed)?;
        let listed: Vec<Summary> = self
            .client
            .get(&self.list_path(), LIST)
            .await
            .map_err(failed)?;
        if depth == Depth::Full {
            disk_usage::begin(&self.client, &self.disk_usage);
        }

        let readings = self.read_all(listed, depth).await;
        let mut unreadable = Vec::new();
        let mut resources = self.put_together(readings, &mut unreadable);

        if depth == Depth::Full {
            disk_usage::settle(&self.disk_usage).await;
        }
        if let Some(error) = &lock(&self.disk_usage).error {
            unreadable.push(not_read("disk usage of images and volumes", error.clone()));
        }
        let taken_at = self.clock.now();
        resources.push(self.engine_resource(None, taken_at));
        resources.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Observation {
            source: NAME.to_owned(),
            taken_at,
            coverage: Coverage::Complete,
            resources,
            unreadable,
            versions: BTreeMap::from([
                (NAME.to_owned(), engine.version),
                ("docker_api".to_owned(), engine.api.to_string()),
            ]),
            recheck_in: None,
            security: None,
        })
    }

    /// Signals strictly after `since`; from now on, where it is absent.
    async fn watch(
        &self,
        since: Option<Timestamp>,
    ) -> Result<Option<BoxStream<'static, Result<Signal, SourceError>>>, SourceError> {
        let since = since.unwrap_or_else(|| self.clock.now());
        events::watch(
            Arc::clone(&self.client),
            Arc::clone(&self.cache),
            self.node.clone(),
            self.only_label.as_deref(),
            since,
        )
        .await
        .map(Some)
    }

    async fn read_one(&self, resource: &ResourceId) -> Result<Option<Resource>, SourceError> {
        if *resource == self.engine_id() {
            let answer = self.client.ping().await;
            let error = answer
                .err()
                .map(|failure| failure.into_source_error(self.client.who()));
            return Ok(self.representative(error.as_ref(), self.clock.now()));
        }
        if resource.node != self.node || resource.kind != ResourceKind::Container {
            return Ok(None);
        }
        let Some(inspect) = inspect_by_name(&self.client, &resource.name)
            .await
            .map_err(|failure| failure.into_source_error(format!("container {}", resource.name)))?
        else {
            return Ok(None);
        };
        let is_aside = anew::is_aside(inspect.name()) && inspect.state.status != "running";
        if self.passes_over(&inspect.config.labels) || is_aside {
            return Ok(None);
        }
        let known = Known::of(&inspect);
        let mut cache = self.cache();
        cache.put(known.clone());
        let directory = cache.directory();
        drop(cache);
        Ok(Some(cache::resource(
            &known,
            &directory,
            &self.engine_id(),
            BTreeMap::new(),
            None,
            self.clock.now(),
        )))
    }

    async fn log_tail(
        &self,
        resource: &ResourceId,
        lines: u32,
    ) -> Result<Option<Vec<String>>, SourceError> {
        if resource.node != self.node
            || resource.kind != ResourceKind::Container
            || !is_name(&resource.name)
        {
            return Ok(None);
        }
        let failed = |failure: Failure| {
            failure.into_source_error(format!("the log of container {}", resource.name))
        };
        // A failing container's log is waited for before anything is done about it: it is read while it is still being asked whether
        // the name stands for the same container as before.
        let known = self.cache().log_of(&resource.name);
        let read_ahead = async {
            let (id, tty) = known.as_ref()?;
            Some(logs::tail(&self.client, id, *tty, lines).await)
        };
        let (inspected, ahead) =
            tokio::join!(inspect_by_name(&self.client, &resource.name), read_ahead);
        let Some(inspect) = inspected.map_err(failed)? else {
            return Ok(None);
        };
        let is_the_same =
            known.is_some_and(|known| known == (inspect.id.clone(), inspect.config.tty));
        let tail = match ahead {
            Some(Ok(tail)) if is_the_same => Ok(tail),
            _ => logs::tail(&self.client, &inspect.id, inspect.config.tty, lines).await,
        };
        match tail {
            Ok(tail) => Ok(Some(tail)),
            Err(Failure::NotFound(_)) => Ok(None),
            Err(failure) => Err(failed(failure)),
        }
    }

    fn representative(&self, error: Option<&SourceError>, at: Timestamp) -> Option<Resource> {
        Some(self.engine_resource(error, at))
    }
}

/// What was read of one listed container.
struct Reading {
    summary: Summary,
    inspected: Option<Result<Inspect, Failure>>,
    stats: Option<Result<StatsModel, Failure>>,
}

impl DockerEngine {
    async fn read_all(&self, listed: Vec<Summary>, depth: Depth) -> Vec<Reading> {
        let cycle = self.cycle.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let work: Vec<(Summary, bool)> = {
            let mut cache = self.cache();
            let ids: HashSet<&str> = listed.iter().map(|summary| summary.id.as_str()).collect();
            cache.retain(&ids);
            listed
                .into_iter()
                .filter(|summary| !self.passes_over(&summary.labels) && !summary.stands_aside())
                .map(|summary| {
                    let turn = cache.take_turn(&summary, cycle, now);
                    (summary, turn || depth == Depth::Full)
                })
                .collect()
        };
        let deadline = Instant::now() + BUDGET;
        stream::iter(work)
            .map(|(summary, inspect)| read(Arc::clone(&self.client), summary, inspect, deadline))
            .buffer_unordered(self.concurrency)
            .collect()
            .await
    }

    fn put_together(
        &self,
        readings: Vec<Reading>,
        unreadable: &mut Vec<Unreadable>,
    ) -> Vec<Resource> {
        let at = self.clock.now();
        let engine = self.engine_id();
        let mut cache = self.cache();
        let mut found: Vec<(Known, BTreeMap<Metric, f64>, Option<String>)> =
            Vec::with_capacity(readings.len());
        for Reading {
            summary,
            inspected,
            stats,
        } in readings
        {
            let mut failure = None;
            match inspected {
                Some(Ok(inspect)) => cache.put(Known::of(&inspect)),
                // It vanished between the list and the inspection: it is gone.
                Some(Err(Failure::NotFound(_))) => {
                    cache.forget(&summary.id);
                    continue;
                }
                Some(Err(error)) => {
                    cache.mark_stale(&summary.id);
                    let name = summary.name().unwrap_or(&summary.id);
                    unreadable.push(not_read(format!("container {name}"), error.to_string()));
                    failure = Some(format!("it could not be inspected: {error}"));
                }
                None => {
                    if let Some(known) = cache.get_mut(&summary.id) {
                        translate::refresh(&mut known.facts, &summary);
                        if let Some(name) = summary.name() {
                            known.name = name.to_owned();
                        }
                    }
                }
            }
            let mut metrics = BTreeMap::new();
            match cache.get_mut(&summary.id) {
                Some(known) => {
                    match stats {
                        Some(Ok(stats)) => metrics = take_stats(known, &stats),
                        Some(Err(Failure::NotFound(_))) => {}
                        Some(Err(error)) => unreadable.push(not_read(
                            format!("stats of container {}", known.name),
                            error.to_string(),
                        )),
                        // What does not run uses nothing; its next run is counted from its own beginning.
                        None if known.facts.status != ContainerStatus::Running => {
                            known.counters = None;
                        }
                        None => {}
                    }
                    found.push((known.clone(), metrics, failure));
                }
                None => found.push((
                    Known::listed(&summary),
                    metrics,
                    failure.or_else(|| Some("it could not be inspected".to_owned())),
                )),
            }
        }
        drop(cache);

        let mut directory = cache::Directory::default();
        for (known, ..) in &found {
            directory.add(known);
        }
        found
            .into_iter()
            .map(|(known, metrics, failure)| {
                cache::resource(&known, &directory, &engine, metrics, failure, at)
            })
            .collect()
    }

    fn engine_resource(&self, error: Option<&SourceError>, at: Timestamp) -> Resource {
        let known = self.client.known();
        let usage = lock(&self.disk_usage).usage;
        // One that has not been seen by this connection may just not be installed; the rules know whether it was ever there.
        let is_absent = known.is_none() && matches!(error, Some(SourceError::Absent { .. }));
        let error = error.map(ToString::to_string);
        let (health, reason) = match (&error, &known) {
            (Some(error), _) if is_absent => (Health::Unknown, error.clone()),
            (Some(error), _) => (Health::Unhealthy, error.clone()),
            (None, Some(known)) => (Health::Healthy, format!("Docker {} answers", known.version)),
            (None, None) => (Health::Unknown, "it was not asked yet".to_owned()),
        };
        Resource {
            id: self.engine_id(),
            health,
            reason,
            depends_on: Vec::new(),
            runs_on: Some(ResourceId::host(self.node.as_str())),
            facts: Facts::Engine(EngineFacts {
                version: known
                    .as_ref()
                    .map_or_else(String::new, |known| known.version.clone()),
                api_version: known
                    .as_ref()
                    .map_or_else(String::new, |known| known.api.to_string()),
                endpoint: self.client.endpoint().to_string(),
                error,
                images_bytes: usage.images_bytes,
                dangling_images_bytes: usage.dangling_images_bytes,
                volumes_bytes: usage.volumes_bytes,
                build_cache_bytes: usage.build_cache_bytes,
            }),
            metrics: BTreeMap::new(),
            read_at: at,
        }
    }
}

async fn read(client: Arc<Client>, summary: Summary, inspect: bool, deadline: Instant) -> Reading {
    let late = || Failure::TimedOut(BUDGET);
    let mut inspected = None;
    let mut status = translate::status(&summary.state);
    if inspect {
        let result = if Instant::now() < deadline {
            self::inspect(&client, &summary.id).await
        } else {
            Err(late())
        };
        if let Ok(inspect) = &result {
            status = translate::status(&inspect.state.status);
        }
        inspected = Some(result);
    }
    let mut stats = None;
    // A container that can't be inspected would only cost a second time limit.
    if status == ContainerStatus::Running && !matches!(inspected, Some(Err(_))) {
        stats = Some(if Instant::now() < deadline {
            let path = format!(
                "/containers/{}/stats?stream=false&one-shot=true",
                summary.id
            );
            client.get(&path, QUICK).await
        } else {
            Err(late())
        });
    }
    Reading {
        summary,
        inspected,
        stats,
    }
}

fn take_stats(known: &mut Known, stats: &StatsModel) -> BTreeMap<Metric, f64> {
    let scale = Scale {
        memory_bytes: known.facts.memory_limit_bytes,
        cpu_cores: known.facts.cpu_limit_cores,
    };
    match stats::metrics(stats, known.counters, scale) {
        Some((metrics, counters)) => {
            known.counters = Some(counters);
            metrics
        }
        None => {
            known.counters = None;
            BTreeMap::new()
        }
    }
}

/// Inspects by the engine's id.
pub(super) async fn inspect(client: &Client, id: &str) -> Result<Inspect, Failure> {
    if !is_name(id) {
        return Err(Failure::NotFound(format!("`{id}` is no container's id")));
    }
    client.get(&format!("/containers/{id}/json"), QUICK).await
}

/// Inspects by name. `None`: there is none of exactly this name (the engine also takes the beginning of an id for a name).
pub(super) async fn inspect_by_name(
    client: &Client,
    name: &str,
) -> Result<Option<Inspect>, Failure> {
    match inspect(client, name).await {
        Ok(inspect) => Ok((inspect.name() == name).then_some(inspect)),
        Err(Failure::NotFound(_)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn not_read(what: impl Into<String>, error: String) -> Unreadable {
    Unreadable {
        source: NAME.to_owned(),
        what: what.into(),
        error,
    }
}
