//! From readings to decisions: what is observed is judged, correlated, investigated, diagnosed and assessed.
//!
//! Each step's result is journaled as it comes: an incident is in the journal before anything is gathered about it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use steward_api::{
    Event, Facts, Health, Incident, IncidentChange, IncidentId, Phase, Resource, ResourceId,
    ResourceKind,
};
use tokio::time::timeout;

use super::{
    metrics::{IncidentLabels, SourceLabels},
    state::{State, Wake},
    stimulus::Stimulus,
};
use crate::{
    flow::{
        correlate::Surroundings,
        detect::{Evaluation, Standing, evaluate},
    },
    ports::{ContainerSignal, Coverage, Observation, Signal, SourceError},
};

/// How long may be gathered about an incident before it is diagnosed from what is there.
const GATHER_WITHIN: Duration = Duration::from_secs(2);
/// Failed readings in a row after which a source is said to be down.
const SOURCE_FAILURES: u32 = 2;

impl State {
    pub(super) async fn observed(
        &mut self,
        index: usize,
        began_at: Timestamp,
        took: Duration,
        result: Result<Observation, SourceError>,
    ) {
        let Some(running) = self.sources.get(index) else {
            return;
        };
        let source = Arc::clone(&running.source);
        let name = source.name().to_owned();
        let began = std::time::Instant::now();
        let now = self.clock.now();
        self.last_runs
            .insert(Self::schedule_name(source.cadence()), began_at);
        self.metrics
            .health_check
            .get_or_create(&SourceLabels {
                source: name.clone(),
            })
            .observe(took.as_secs_f64());
        let (changed, gone, event) = match result {
            Ok(mut observation) => {
                if let Some(representative) = source.representative(None, now)
                    && !observation
                        .resources
                        .iter()
                        .any(|resource| resource.id == representative.id)
                {
                    observation.resources.push(representative);
                }
                self.source_failures.remove(&name);
                let found = observation.security.take();
                let absorbed = self.world.absorb(observation, began_at);
                self.samples.extend(absorbed.samples);
                if let Some(found) = found {
                    self.scanned(*found, now).await;
                }
                (
                    absorbed.changed,
                    absorbed.gone,
                    self.source_is_up(&name, now, took),
                )
            }
            Err(error) => {
                let failures = self.source_failures.entry(name.clone()).or_default();
                *failures = failures.saturating_add(1);
                let is_down = *failures >= SOURCE_FAILURES;
                let text = error.to_string();
                tracing::debug!(source = name, error = text, "a source could not be read");
                if let Some(part) = crate::security::part_of(&name) {
                    self.scan_failed(part, &text, now).await;
                }
                let representative = source.representative(Some(&error), now);
                let spare = representative.as_ref().map(|resource| resource.id.clone());
                let mut changed = self.world.lose_source(&name, now, &text, spare.as_ref());
                if let Some(representative) = representative {
                    changed.push(representative.id.clone());
                    let reading = Observation {
                        source: name.clone(),
                        taken_at: now,
                        coverage: Coverage::Partial,
                        resources: vec![representative],
                        unreadable: vec![steward_api::Unreadable {
                            source: name.clone(),
                            what: "everything".to_owned(),
                            error: text.clone(),
                        }],
                        versions: Default::default(),
                        recheck_in: None,
                        security: None,
                    };
                    self.world.absorb(reading, now);
                }
                (
                    changed,
                    Vec::new(),
                    self.source_is_down(&name, text, is_down, took),
                )
            }
        };
        self.is_dirty = true;
        if let Some(event) = event {
            self.commit(vec![event]).await;
        }
        self.judge(changed, gone).await;
        self.revisit().await;
        self.metrics
            .monitoring_cycle
            .observe((took + began.elapsed()).as_secs_f64());
    }

    fn source_is_up(&mut self, name: &str, now: Timestamp, took: Duration) -> Option<Event> {
        let status = self.source_status.get_mut(name)?;
        let was_down = status.up == Some(false);
        status.up = Some(true);
        status.last_success = Some(now);
        status.error = None;
        status.last_duration_ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        was_down.then(|| {
            tracing::info!(source = name, "answers again");
            Event::SourceUp {
                source: name.to_owned(),
            }
        })
    }

    fn source_is_down(
        &mut self,
        name: &str,
        error: String,
        is_down: bool,
        took: Duration,
    ) -> Option<Event> {
        let status = self.source_status.get_mut(name)?;
        status.last_duration_ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        status.error = Some(error.clone());
        let is_news = is_down && status.up != Some(false);
        if is_down {
            status.up = Some(false);
        }
        is_news.then(|| {
            tracing::warn!(source = name, error, "does not answer");
            Event::SourceDown {
                source: name.to_owned(),
                error,
            }
        })
    }

    pub(super) async fn signalled(&mut self, index: usize, signal: Signal) {
        let is_outdated = self.world.is_outdated(&signal);
        let is_relevant = self.world.signal(&signal);
        self.is_dirty = true;
        let id = signal.resource.clone();
        if signal.kind == ContainerSignal::Removed {
            if is_relevant {
                self.judge(Vec::new(), vec![id]).await;
            }
            return;
        }
        // What an event does not tell (limits, restart count, health output) is read, beside the loop.
        if is_outdated
            || matches!(
                signal.kind,
                ContainerSignal::Created
                    | ContainerSignal::Started
                    | ContainerSignal::Changed
                    | ContainerSignal::HealthChanged(_)
            )
        {
            self.read_soon(index, id.clone());
        }
        if !is_relevant {
            return;
        }
        if self.world.get(&id).is_none() {
            self.read_soon(index, id);
            return;
        }
        // A health change is judged with its output, once that is read.
        if !matches!(signal.kind, ContainerSignal::HealthChanged(_)) {
            self.judge(vec![id.clone()], Vec::new()).await;
        }
        if matches!(
            signal.kind,
            ContainerSignal::Died { .. } | ContainerSignal::OomKilled
        ) {
            self.ended_again(&id).await;
        }
    }

    /// One more end, or kill for memory, under an open incident: what was decided before it is decided anew, with what the log says now.
    async fn ended_again(&mut self, id: &ResourceId) {
        let Some(incident) = self.incidents.of(id).cloned() else {
            return;
        };
        if self.busy.contains_key(id) || incident.diagnoses.is_empty() {
            return;
        }
        self.healed.remove(&incident.id);
        self.investigate(&incident).await;
    }

    /// Has one resource read beside the loop.
    pub(super) fn read_soon(&self, index: usize, resource: ResourceId) {
        let Some(running) = self.sources.get(index) else {
            return;
        };
        let source = Arc::clone(&running.source);
        let stimuli = self.stimuli.clone();
        let generation = self.generation;
        tokio::spawn(async move {
            let result = match timeout(source.timeout(), source.read_one(&resource)).await {
                Ok(result) => result.map(|found| found.map(Box::new)),
                Err(_) => Err(SourceError::TimedOut {
                    what: resource.to_string(),
                    limit: source.timeout(),
                }),
            };
            // An engine that ends needs no reading.
            let _ = stimuli
                .send(Stimulus::ReadOne {
                    source: index,
                    generation,
                    resource,
                    result,
                })
                .await;
        });
    }

    /// Has resources read beside the loop by whichever source they are of.
    pub(super) fn read_all_soon(&self, resources: &[ResourceId]) {
        for resource in resources {
            if let Some(index) = self.source_of(resource) {
                self.read_soon(index, resource.clone());
            }
        }
    }

    pub(super) fn source_of(&self, resource: &ResourceId) -> Option<usize> {
        let owner = self.world.owner(resource)?;
        self.sources
            .iter()
            .position(|running| running.source.name() == owner)
    }

    pub(super) async fn read_one(
        &mut self,
        index: usize,
        id: ResourceId,
        result: Result<Option<Box<Resource>>, SourceError>,
    ) {
        match result {
            Ok(Some(resource)) => {
                let name = self
                    .sources
                    .get(index)
                    .map_or_else(String::new, |running| running.source.name().to_owned());
                if self.world.absorb_one(&name, *resource) {
                    self.is_dirty = true;
                    self.judge(vec![id], Vec::new()).await;
                }
            }
            // Gone meanwhile, or not of that source: an event or the next reading tells.
            Ok(None) => {}
            Err(error) => tracing::debug!(resource = %id, error = %error, "could not be read anew"),
        }
    }

    /// Judges resources and brings the incidents up to date, until nothing more follows.
    pub(super) async fn judge(&mut self, changed: Vec<ResourceId>, gone: Vec<ResourceId>) {
        self.reserve_ids().await;
        let mut changed = changed;
        let mut gone = gone;
        // What a resolved root frees is judged in the next round; each round is smaller, and the bound is there against circles.
        for _ in 0..8 {
            if changed.is_empty() && gone.is_empty() {
                return;
            }
            let now = self.clock.now();
            let (evaluations, mut events) =
                self.evaluate(std::mem::take(&mut changed), std::mem::take(&mut gone), now);
            let correlated = {
                let (busy, healed) = (&self.busy, &self.healed);
                let around = Surroundings {
                    graph: self.world.graph(),
                    is_busy: &|id| busy.contains_key(id),
                    is_healed: &|incident: &Incident| healed.contains_key(&incident.id),
                    stabilisation: self.config.docker.stabilisation,
                    flap_window: self.config.thresholds.flap_window,
                    now,
                };
                let ids = &mut self.ids;
                self.incidents.correlate(evaluations, &around, &mut || {
                    ids.pop_front().map(IncidentId)
                })
            };
            for (at, id) in correlated.again {
                self.wakes.insert((at, Wake::Judge(id)));
            }
            for (change, incident) in &correlated.changes {
                events.push(Event::IncidentChanged {
                    change: *change,
                    incident: Box::new(Incident::clone(incident)),
                });
                if *change == IncidentChange::Detected {
                    let labels = IncidentLabels {
                        kind: incident.problem.to_string(),
                        severity: incident.severity.to_string(),
                    };
                    self.metrics.incidents.get_or_create(&labels).inc();
                    tracing::info!(incident = %incident.id, resource = %incident.resource, problem = %incident.problem, "{}", incident.title);
                }
            }
            self.commit(events).await;
            for (change, incident) in correlated.changes {
                match change {
                    IncidentChange::Resolved => self.resolved(&incident).await,
                    _ => self.investigate(&incident).await,
                }
            }
            // What polls them is read anew, for what is known of them is from the time of the root cause.
            self.world.doubt(&correlated.freed);
            for resource in &correlated.freed {
                if resource.kind != ResourceKind::Container
                    && let Some(index) = self.source_of(resource)
                {
                    self.sources[index].refresh();
                }
            }
            changed = correlated.freed;
        }
    }

    fn evaluate(
        &mut self,
        changed: Vec<ResourceId>,
        gone: Vec<ResourceId>,
        now: Timestamp,
    ) -> (Vec<Evaluation>, Vec<Event>) {
        let local = self.local(now);
        let config = Arc::clone(&self.config);
        let mut evaluations = Vec::new();
        let mut events = Vec::new();
        for id in changed {
            let in_maintenance = config.maintenance.iter().any(|entry| {
                crate::config::matches_resource(&entry.matches, &id) && entry.window.contains(local)
            });
            let evaluation = evaluate(
                &mut self.world,
                &self.rules,
                &config.thresholds,
                in_maintenance,
                &id,
                now,
            );
            // "Stopped" says that it was judged to be meant, and the next agent will take our word for it: not before it was judged.
            let is_judged = evaluation.standing == Standing::Known;
            if let Some(resource) = self
                .world
                .get(&id)
                .filter(|resource| is_judged || resource.health != Health::Stopped)
            {
                let from = self.announced.insert(id.clone(), resource.health);
                if from != Some(resource.health) {
                    events.push(Event::ResourceChanged {
                        resource: id.clone(),
                        from,
                        to: resource.health,
                        reason: resource.reason.clone(),
                    });
                }
            }
            if evaluation.findings.is_empty()
                && evaluation.standing != Standing::Unknown
                && self.incidents.of(&id).is_none()
                && !self.incidents.is_unseen(&id)
            {
                // Well, and it was before: nothing to correlate.
                if let Some(at) = evaluation.again_at {
                    self.wakes.insert((at, Wake::Judge(id)));
                }
                continue;
            }
            evaluations.push(evaluation);
        }
        for id in gone {
            if self.announced.remove(&id).is_some() {
                events.push(Event::ResourceGone {
                    resource: id.clone(),
                });
            }
            evaluations.push(Evaluation::gone(id));
        }
        (evaluations, events)
    }

    /// Incidents remembered from before the start: looked into anew once their resource was read, over when it is gone.
    async fn revisit(&mut self) {
        if self.to_revisit.is_empty() {
            return;
        }
        let all_read = self
            .source_status
            .values()
            .all(|status| status.up.is_some());
        let waiting: Vec<_> = self
            .incidents
            .active()
            .filter(|incident| self.to_revisit.contains(&incident.id))
            .cloned()
            .collect();
        let mut gone = Vec::new();
        for incident in waiting {
            match self
                .world
                .get(&incident.resource)
                .map(|resource| resource.health)
            {
                Some(Health::Unknown) => {}
                Some(_) => {
                    self.to_revisit.remove(&incident.id);
                    self.investigate(&incident).await;
                }
                None if all_read => {
                    self.to_revisit.remove(&incident.id);
                    gone.push(incident.resource.clone());
                }
                None => {}
            }
        }
        if !gone.is_empty() {
            Box::pin(self.judge(Vec::new(), gone)).await;
        }
    }

    /// An incident is over: what was to be done about it is not needed any more, and its outcome goes into the record.
    async fn resolved(&mut self, incident: &Arc<Incident>) {
        tracing::info!(incident = %incident.id, resource = %incident.resource, "resolved: {}", incident.resolution.as_ref().map_or("", |resolution| resolution.text.as_str()));
        self.healed.remove(&incident.id);
        let mut events = self.cancel_all(incident.id, "the incident is over");
        let now = self.clock.now();
        let lesson = match self.incident_lesson(incident) {
            Some(text) => text,
            None => return self.commit(events).await,
        };
        if let Some(learned) = self.incidents.edit(incident.id, |incident| {
            incident.phase = Phase::Learned;
            incident.note(now, Phase::Learned, lesson);
        }) {
            events.push(Event::IncidentChanged {
                change: IncidentChange::Learned,
                incident: Box::new(Incident::clone(&learned)),
            });
        }
        self.commit(events).await;
        // Others may have waited for this one.
        let waiting: Vec<_> = self
            .incidents
            .active()
            .filter(|other| {
                other.decision.as_ref().is_some_and(|decision| {
                    decision.guard.as_deref() == Some(crate::flow::decide::DEPENDENCY_ORDER)
                })
            })
            .map(|other| other.id)
            .collect();
        for other in waiting {
            self.wakes.insert((now, Wake::Assess(other)));
        }
    }

    fn incident_lesson(&self, incident: &Incident) -> Option<String> {
        let action = incident.diagnoses.first()?.recommended_action?;
        let record = self
            .records
            .of(incident.problem, action, &incident.resource);
        (record.successes_here + record.failures_here > 0)
            .then(|| crate::flow::learn::in_words(&record))
    }

    // ------------------------------------------------------------------------------------------------------ investigation

    /// Gathers what there is to know about an incident (log, a fresh reading), beside the loop, then diagnoses it.
    pub(super) async fn investigate(&mut self, incident: &Arc<Incident>) {
        if !incident.is_active() {
            return;
        }
        let id = incident.id;
        if let Some(once_more) = self.investigating.get_mut(&id) {
            *once_more = true;
            return;
        }
        let subject = self.log_subject(incident);
        let Some((subject, index)) =
            subject.and_then(|subject| self.source_of(&subject).map(|index| (subject, index)))
        else {
            Box::pin(self.diagnose(id, &[], None)).await;
            return;
        };
        self.investigating.insert(id, false);
        let source = Arc::clone(&self.sources[index].source);
        let lines = self.config.docker.log_lines;
        let stimuli = self.stimuli.clone();
        let generation = self.generation;
        tokio::spawn(async move {
            let gathered = timeout(GATHER_WITHIN, async {
                tokio::join!(source.log_tail(&subject, lines), source.read_one(&subject))
            })
            .await;
            let (log, fresh) = match gathered {
                Ok((log, fresh)) => (
                    log.map(Option::unwrap_or_default)
                        .map_err(|error| error.to_string()),
                    fresh.ok().flatten().map(Box::new),
                ),
                Err(_) => (
                    Err(format!("no answer within {} s", GATHER_WITHIN.as_secs())),
                    None,
                ),
            };
            // An engine that ends looks into its incidents anew at the next start.
            let _ = stimuli
                .send(Stimulus::Investigated {
                    incident: id,
                    fresh,
                    source: index,
                    generation,
                    log,
                })
                .await;
        });
    }

    /// The container whose log tells of an incident.
    pub(super) fn log_subject(&self, incident: &Incident) -> Option<ResourceId> {
        if incident.resource.kind == ResourceKind::Container {
            return Some(incident.resource.clone());
        }
        match &self.world.get(&incident.resource)?.facts {
            Facts::Service(facts) => facts.container.clone(),
            Facts::Database(facts) => facts.container.clone(),
            _ => None,
        }
    }

    pub(super) async fn investigated(
        &mut self,
        id: IncidentId,
        source: usize,
        fresh: Option<Box<Resource>>,
        log: Result<Vec<String>, String>,
    ) {
        let once_more = self.investigating.remove(&id).unwrap_or(false);
        if let Some(fresh) = fresh {
            let resource = fresh.id.clone();
            self.read_one(source, resource, Ok(Some(fresh))).await;
        }
        let (lines, error) = match log {
            Ok(lines) => (lines, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        self.diagnose(id, &lines, error).await;
        if once_more && let Some(incident) = self.incidents.by_id(id).cloned() {
            Box::pin(self.investigate(&incident)).await;
        }
    }
}
