//! The runner: a stage and what happens on it go through the flow, as the engine would send them, with a clock that jumps.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use steward_api::{
    Autonomy, Incident, IncidentChange, IncidentId, Phase, ResourceId, Task, TaskId,
};

use super::{
    carry::{Ending, Part},
    script::Script,
    stage::{SOURCES, Stage, engine_id, source_of},
    tell::Teller,
};
use crate::{
    config::Config,
    flow::{
        correlate::{Correlated, Incidents, Surroundings},
        decide::{ActionLog, Answer, DEPENDENCY_ORDER},
        detect::{Evaluation, Rules, Standing, evaluate},
        diagnose::Catalogue,
        learn::Records,
        observe::World,
    },
    integrations::{docker, host, http, network, postgres},
    ports::{ContainerSignal, Coverage, Observation, Signal, later},
};

/// Time between two readings of everything.
const CYCLE: SignedDuration = SignedDuration::from_secs(30);

/// What comes at its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A line of the script.
    Line(Vec<String>),
    /// Every source is read.
    ReadAll,
    /// One source is read.
    Read(&'static str),
    /// The log of an incident has come.
    Gathered(IncidentId),
    /// A task goes on.
    Carry(TaskId, Part),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wake {
    Judge(ResourceId),
    Assess(IncidentId),
}

/// The flow with everything around it.
pub(super) struct Runner {
    pub(super) config: Config,
    pub(super) stage: Stage,
    pub(super) now: Timestamp,
    end: Timestamp,
    items: BTreeMap<(Timestamp, u64), Item>,
    count: u64,
    wakes: BTreeSet<(Timestamp, Wake)>,

    rules: Rules,
    pub(super) catalogue: Catalogue,
    pub(super) autonomy: Autonomy,
    pub(super) world: World,
    pub(super) incidents: Incidents,
    pub(super) tasks: BTreeMap<TaskId, Task>,
    pub(super) busy: BTreeMap<ResourceId, TaskId>,
    pub(super) actions: ActionLog,
    pub(super) records: Records,
    pub(super) healed: BTreeMap<IncidentId, Timestamp>,
    pub(super) gathering: BTreeMap<IncidentId, bool>,
    pub(super) journal_works: bool,
    next_incident: i64,
    pub(super) next_task: i64,
    pub(super) ending: Ending,
    pub(super) teller: Teller,
    /// Every change of an incident, for the properties.
    pub(super) changes: Vec<(IncidentChange, Incident)>,
    /// When each container was restarted without a person, for the properties.
    pub(super) restarts: Vec<(Timestamp, ResourceId, TaskId)>,
    /// How the steps of tasks ended, for the properties.
    pub(super) done: Vec<(TaskId, steward_api::StepResult)>,
    /// Every task as it was made, for the properties.
    pub(super) made: Vec<(Task, Answer)>,
}

/// The rules and patterns of all integrations.
pub(super) fn knowledge() -> (Rules, Catalogue) {
    let rules = Rules::new(vec![
        Box::new(docker::rules::EngineRule),
        Box::new(docker::rules::ContainerRule),
        Box::new(host::rules::HostRule),
        Box::new(host::rules::DiskRule),
        Box::new(host::rules::UnitRule),
        Box::new(network::rules::NetworkRule),
        Box::new(http::rules::ServiceRule),
        Box::new(postgres::rules::DatabaseRule),
    ]);
    (rules, Catalogue::new(docker::catalogue::catalogue()))
}

impl Runner {
    pub(super) fn new(script: Script) -> Self {
        let (rules, catalogue) = knowledge();
        let mut runner = Self {
            config: script.config,
            stage: script.stage,
            now: script.start,
            end: later(script.start, script.end),
            items: BTreeMap::new(),
            count: 0,
            wakes: BTreeSet::new(),
            rules,
            catalogue,
            autonomy: script.autonomy,
            world: World::default(),
            incidents: Incidents::default(),
            tasks: BTreeMap::new(),
            busy: BTreeMap::new(),
            actions: ActionLog::default(),
            records: Records::default(),
            healed: BTreeMap::new(),
            gathering: BTreeMap::new(),
            journal_works: true,
            next_incident: 1,
            next_task: 1,
            ending: Ending::default(),
            teller: Teller::new(script.start),
            changes: Vec::new(),
            restarts: Vec::new(),
            done: Vec::new(),
            made: Vec::new(),
        };
        // The first reading is a moment before the first event.
        let first = later(script.start, SignedDuration::from_millis(-500));
        runner.items.insert((first, 0), Item::ReadAll);
        runner.count = 1;
        for (at, words) in script.events {
            runner.schedule(later(script.start, at), Item::Line(words));
        }
        runner
    }

    pub(super) fn schedule(&mut self, at: Timestamp, item: Item) {
        self.items.insert((at, self.count), item);
        self.count += 1;
    }

    pub(super) fn wake(&mut self, at: Timestamp, wake: Wake) {
        if self.wakes.insert((at, wake.clone())) && at > self.now {
            self.teller.wake(at, &wake);
        }
    }

    /// Runs to the end and gives the story.
    pub(super) fn run(mut self) -> String {
        self.run_on(&mut |_| {});
        self.teller.told()
    }

    /// Runs to the end; `look` sees the state after each turn.
    pub(super) fn run_on(&mut self, look: &mut dyn FnMut(&Self)) {
        loop {
            let item = self.items.keys().next().map(|(at, _)| *at);
            let wake = self.wakes.first().map(|(at, _)| *at);
            let expiry = self.next_expiry();
            let Some(at) = [item, wake, expiry].into_iter().flatten().min() else {
                break;
            };
            if at > self.end {
                break;
            }
            self.now = self.now.max(at);
            self.teller.at(self.now);
            if item == Some(at) {
                if let Some((_, item)) = self.items.pop_first() {
                    self.take(item);
                }
            } else if wake == Some(at) {
                match self.wakes.pop_first() {
                    Some((_, Wake::Judge(id))) => self.judge(vec![id], Vec::new()),
                    Some((_, Wake::Assess(id))) => self.assess(id),
                    None => {}
                }
            } else {
                self.expire();
            }
            look(self);
        }
        self.now = self.end;
        self.teller.at(self.now);
        self.tell_end();
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Line(words) => {
                self.teller.line(&words);
                self.play(&words);
            }
            Item::ReadAll => {
                self.schedule(later(self.now, CYCLE), Item::ReadAll);
                for source in SOURCES {
                    self.read(source);
                }
            }
            Item::Read(source) => self.read(source),
            Item::Gathered(incident) => self.gathered(incident),
            Item::Carry(task, part) => self.carry(task, part),
        }
    }

    // --------------------------------------------------------------------------------------------------------- observation

    fn read(&mut self, source: &'static str) {
        let now = self.now;
        let (changed, gone) = match self.stage.read(source, now) {
            Ok(observation) => {
                let absorbed = self.world.absorb(observation, now);
                (absorbed.changed, absorbed.gone)
            }
            Err(error) => {
                let engine = self.stage.silent_engine(&error, now).unwrap();
                self.world.lose_stream(source, now);
                let mut changed = self
                    .world
                    .lose_source(source, now, &error, Some(&engine_id()));
                changed.push(engine_id());
                let reading = Observation {
                    source: source.to_owned(),
                    taken_at: now,
                    coverage: Coverage::Partial,
                    resources: vec![engine],
                    unreadable: Vec::new(),
                    versions: BTreeMap::new(),
                    recheck_in: None,
                    security: None,
                };
                self.world.absorb(reading, now);
                (changed, Vec::new())
            }
        };
        self.judge(changed, gone);
    }

    pub(super) fn signalled(&mut self, signal: &Signal) {
        let is_outdated = self.world.is_outdated(signal);
        let is_relevant = self.world.signal(signal);
        let id = signal.resource.clone();
        if signal.kind == ContainerSignal::Removed {
            if is_relevant {
                self.judge(Vec::new(), vec![id]);
            }
            return;
        }
        let is_known = self.world.get(&id).is_some();
        let says_health = matches!(signal.kind, ContainerSignal::HealthChanged(_));
        if is_relevant && is_known && !says_health {
            self.judge(vec![id.clone()], Vec::new());
        }
        let ends = matches!(
            signal.kind,
            ContainerSignal::Died { .. } | ContainerSignal::OomKilled
        );
        if is_relevant
            && is_known
            && ends
            && let Some(incident) = self.incidents.of(&id).cloned()
            && !self.busy.contains_key(&id)
            && !incident.diagnoses.is_empty()
        {
            self.healed.remove(&incident.id);
            self.investigate(&incident);
        }
        if is_outdated
            || matches!(
                signal.kind,
                ContainerSignal::Created | ContainerSignal::Started | ContainerSignal::Changed
            )
            || says_health
            || is_relevant && !is_known
        {
            self.read_one(&id);
        }
    }

    pub(super) fn read_one(&mut self, id: &ResourceId) {
        if let Ok(Some(resource)) = self.stage.read_one(id, self.now)
            && self.world.absorb_one(source_of(id.kind), resource)
        {
            self.judge(vec![id.clone()], Vec::new());
        }
    }

    pub(super) fn local(&self) -> civil::DateTime {
        TimeZone::UTC.to_datetime(self.now)
    }

    // ---------------------------------------------------------------------------------------------------------- judgement

    pub(super) fn judge(&mut self, changed: Vec<ResourceId>, gone: Vec<ResourceId>) {
        let (mut changed, mut gone) = (changed, gone);
        for _ in 0..8 {
            if changed.is_empty() && gone.is_empty() {
                return;
            }
            let evaluations =
                self.evaluate(std::mem::take(&mut changed), std::mem::take(&mut gone));
            let Correlated {
                changes,
                freed,
                again,
            } = self.correlate(evaluations);
            for (at, id) in again {
                self.wake(at, Wake::Judge(id));
            }
            for (change, incident) in &changes {
                self.teller.incident(*change, incident);
                self.changes.push((*change, Incident::clone(incident)));
            }
            for (change, incident) in changes {
                match change {
                    IncidentChange::Resolved => self.resolved(&incident),
                    _ => self.investigate(&incident),
                }
            }
            self.world.doubt(&freed);
            changed = freed;
        }
    }

    fn evaluate(&mut self, changed: Vec<ResourceId>, gone: Vec<ResourceId>) -> Vec<Evaluation> {
        let local = self.local();
        let mut evaluations = Vec::new();
        for id in changed {
            let in_maintenance = self
                .config
                .maintenance
                .iter()
                .any(|entry| entry.covers(&id, local));
            let evaluation = evaluate(
                &mut self.world,
                &self.rules,
                &self.config.thresholds,
                in_maintenance,
                &id,
                self.now,
            );
            if let Some(resource) = self.world.get(&id) {
                self.teller.health(resource);
            }
            if evaluation.findings.is_empty()
                && evaluation.standing != Standing::Unknown
                && self.incidents.of(&id).is_none()
                && !self.incidents.is_unseen(&id)
            {
                if let Some(at) = evaluation.again_at {
                    self.wake(at, Wake::Judge(id));
                }
                continue;
            }
            evaluations.push(evaluation);
        }
        for id in gone {
            self.teller.gone(&id);
            evaluations.push(Evaluation::gone(id));
        }
        evaluations
    }

    fn correlate(&mut self, evaluations: Vec<Evaluation>) -> Correlated {
        let (busy, healed) = (&self.busy, &self.healed);
        let around = Surroundings {
            graph: self.world.graph(),
            is_busy: &|id| busy.contains_key(id),
            is_healed: &|incident: &Incident| healed.contains_key(&incident.id),
            stabilisation: self.config.docker.stabilisation,
            flap_window: self.config.thresholds.flap_window,
            now: self.now,
        };
        let (next, works) = (&mut self.next_incident, self.journal_works);
        self.incidents.correlate(evaluations, &around, &mut || {
            works.then(|| {
                *next += 1;
                IncidentId(*next - 1)
            })
        })
    }

    fn resolved(&mut self, incident: &Incident) {
        self.healed.remove(&incident.id);
        self.cancel_questions(incident.id, "the incident is over");
        let lesson = incident
            .diagnoses
            .first()
            .and_then(|diagnosis| diagnosis.recommended_action)
            .map(|action| {
                self.records
                    .of(incident.problem, action, &incident.resource)
            })
            .filter(|record| record.successes_here + record.failures_here > 0)
            .map(|record| crate::flow::learn::in_words(&record));
        if let Some(lesson) = lesson {
            let now = self.now;
            self.teller
                .say(&format!("incident {} learned: {lesson}", incident.id));
            self.incidents.edit(incident.id, |incident| {
                incident.phase = Phase::Learned;
                incident.note(now, Phase::Learned, lesson);
            });
        }
        let waiting: Vec<_> = self
            .incidents
            .active()
            .filter(|other| {
                other
                    .decision
                    .as_ref()
                    .is_some_and(|decision| decision.guard.as_deref() == Some(DEPENDENCY_ORDER))
            })
            .map(|other| other.id)
            .collect();
        for other in waiting {
            self.wake(self.now, Wake::Assess(other));
        }
    }
}
