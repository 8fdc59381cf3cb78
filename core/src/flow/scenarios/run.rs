//! The runner: a stage and what happens on it go through the flow, as the engine would send them, with a clock that jumps.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use steward_api::{
    Autonomy, ContainerHealth, ContainerStatus, Health, Incident, IncidentChange, IncidentId,
    Phase, Resource, ResourceId, ResourceKind, Task, TaskId, TaskState, Verdict,
};

use super::{
    carry::{Ending, Part},
    script::{Script, duration},
    stage::{SOURCES, Stage, engine_id, source_of},
    tell::Teller,
};
use crate::{
    config::Config,
    flow::{
        correlate::{Correlated, Incidents, Surroundings},
        decide::{ActionLog, Answer, DEPENDENCY_ORDER, Question, decide},
        detect::{Evaluation, Rules, evaluate},
        diagnose::Catalogue,
        learn::Records,
        observe::World,
    },
    integrations::{docker, host, http, network, postgres},
    ports::{Case, ContainerSignal, Coverage, Observation, Signal, later},
};

/// How long a log and a fresh reading take to come.
const GATHERING: SignedDuration = SignedDuration::from_millis(20);
/// As in the engine: how long a verified fix has to make its finding vanish.
const EFFECT_MAY_TAKE: SignedDuration = SignedDuration::from_mins(5);
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
    catalogue: Catalogue,
    pub(super) autonomy: Autonomy,
    pub(super) world: World,
    pub(super) incidents: Incidents,
    pub(super) tasks: BTreeMap<TaskId, Task>,
    pub(super) busy: BTreeMap<ResourceId, TaskId>,
    pub(super) actions: ActionLog,
    pub(super) records: Records,
    pub(super) healed: BTreeMap<IncidentId, Timestamp>,
    gathering: BTreeMap<IncidentId, bool>,
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

    /// What a line of the script says happens.
    pub(super) fn play(&mut self, words: &[String]) {
        let (seen, words) = match words[0].as_str() {
            "unseen" => (false, &words[1..]),
            _ => (true, words),
        };
        let word = |index: usize| words.get(index).map_or("", String::as_str);
        match word(0) {
            "tasks" => return self.ending = Ending::parse(&words[1..]),
            "autonomy" => {
                self.autonomy = word(1).parse().unwrap();
                return self.reassess_all();
            }
            "journal" => {
                self.journal_works = word(1) == "works";
                if self.journal_works {
                    self.reassess_all();
                }
                return;
            }
            "engine" => {
                self.stage.engine_error =
                    (word(1) == "silent").then(|| "connection refused".to_owned());
                // The stream is lost or made anew; both have it read, and a failure once more soon after.
                self.schedule(self.now, Item::Read("docker"));
                if self.stage.engine_error.is_some() {
                    self.schedule(later(self.now, duration("1s")), Item::Read("docker"));
                }
                return;
            }
            "approve" | "reject" => return self.answer(word(0) == "approve"),
            "heal" => return self.heal(word(1)),
            "log" => {
                if let Some(id) = self.stage.id(word(1)) {
                    let line = words[2..].join(" ");
                    self.stage.logs.entry(id).or_default().push(line);
                }
                return;
            }
            _ => {}
        }
        let id = self
            .stage
            .id(word(0))
            .unwrap_or_else(|| panic!("there is no {}", word(0)));
        if id.kind == ResourceKind::Container && !word(1).contains('=') {
            self.container_line(&id, &words[1..], seen);
        } else if word(1) == "fixed" {
            self.stage.resources.remove(&id);
        } else {
            assert!(self.stage.set(&id, &words[1..]), "{words:?}");
        }
    }

    fn container_line(&mut self, id: &ResourceId, words: &[String], seen: bool) {
        let now = self.now;
        let number = words.get(1).and_then(|word| word.parse().ok());
        let mut signals = Vec::new();
        match words[0].as_str() {
            "dies" => {
                let oom = words.get(2).is_some_and(|word| word == "oom");
                let code = number.unwrap_or(1);
                self.stage.end(id, now, code, oom);
                if oom {
                    signals.push(ContainerSignal::OomKilled);
                }
                signals.push(ContainerSignal::Died { exit_code: code });
            }
            "restarting" => {
                let code = number.unwrap_or(1);
                self.stage.end(id, now, code, false);
                self.stage.edit(id, |facts| {
                    facts.status = ContainerStatus::Restarting;
                    facts.restart_count += 1;
                });
                signals.push(ContainerSignal::Died { exit_code: code });
            }
            "starts" => {
                self.stage.begin(id, now);
                signals.push(ContainerSignal::Started);
            }
            "killed" => signals.push(ContainerSignal::KillRequested {
                signal: i32::try_from(number.unwrap_or(15)).unwrap(),
            }),
            "stopped" => signals.push(ContainerSignal::Stopped),
            "oom-child" => signals.push(ContainerSignal::OomKilled),
            "paused" => {
                self.stage
                    .edit(id, |facts| facts.status = ContainerStatus::Paused);
                signals.push(ContainerSignal::Changed);
            }
            "removed" => {
                let signal = self.stage.signal(id, now, ContainerSignal::Removed);
                self.stage.resources.remove(id);
                return self.signalled(&signal);
            }
            "recreated" => {
                let gone = self.stage.signal(id, now, ContainerSignal::Removed);
                let old = self.stage.resources.remove(id).unwrap();
                self.signalled(&gone);
                self.stage.resources.insert(id.clone(), old);
                self.stage.edit(id, |facts| {
                    let (name, number) = facts.container_id.split_once('#').unwrap();
                    let number: u32 = number.parse().unwrap();
                    facts.container_id = format!("{name}#{}", number + 1);
                });
                self.stage.begin(id, now);
                signals.push(ContainerSignal::Created);
                signals.push(ContainerSignal::Started);
            }
            word @ ("unhealthy" | "healthy" | "checking") => {
                let health = match word {
                    "unhealthy" => ContainerHealth::Unhealthy,
                    "healthy" => ContainerHealth::Healthy,
                    _ => ContainerHealth::Starting,
                };
                self.stage.edit(id, |facts| {
                    facts.health = health;
                    facts.health_output = words.get(1).cloned();
                });
                signals.push(ContainerSignal::HealthChanged(health));
            }
            other => panic!("`{other}` is nothing that happens to a container"),
        }
        if seen {
            for kind in signals {
                let signal = self.stage.signal(id, now, kind);
                self.signalled(&signal);
            }
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
        let ends = matches!(signal.kind, ContainerSignal::Died { .. });
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
            if evaluation.findings.is_empty() && self.incidents.of(&id).is_none() {
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

    // ------------------------------------------------------------------------------------------------------ investigation

    pub(super) fn investigate(&mut self, incident: &Incident) {
        if !incident.is_active() {
            return;
        }
        if let Some(once_more) = self.gathering.get_mut(&incident.id) {
            *once_more = true;
            return;
        }
        if self.log_subject(incident).is_none() {
            return self.diagnose(incident.id, &[]);
        }
        self.gathering.insert(incident.id, false);
        self.schedule(later(self.now, GATHERING), Item::Gathered(incident.id));
    }

    fn log_subject(&self, incident: &Incident) -> Option<ResourceId> {
        if incident.resource.kind == ResourceKind::Container {
            return Some(incident.resource.clone());
        }
        match &self.world.get(&incident.resource)?.facts {
            steward_api::Facts::Service(facts) => facts.container.clone(),
            steward_api::Facts::Database(facts) => facts.container.clone(),
            _ => None,
        }
    }

    fn gathered(&mut self, id: IncidentId) {
        let once_more = self.gathering.remove(&id).unwrap_or(false);
        let Some(incident) = self.incidents.by_id(id).cloned() else {
            return;
        };
        let mut log = Vec::new();
        if let Some(subject) = self.log_subject(&incident) {
            self.read_one(&subject);
            if self.stage.engine_error.is_none() {
                log = self.stage.logs.get(&subject).cloned().unwrap_or_default();
            }
        }
        self.diagnose(id, &log);
        if once_more && let Some(incident) = self.incidents.by_id(id).cloned() {
            self.investigate(&incident);
        }
    }

    fn diagnose(&mut self, id: IncidentId, log: &[String]) {
        let Some(incident) = self.incidents.by_id(id).cloned() else {
            return;
        };
        let is_in_between = self.busy.contains_key(&incident.resource)
            || self.incidents.is_quiet(&incident.resource);
        if is_in_between && !incident.diagnoses.is_empty() {
            return;
        }
        let now = self.now;
        let history = self
            .world
            .history(&incident.resource)
            .cloned()
            .unwrap_or_default();
        let (graph, resources) = self.world.picture();
        let Some(resource) = resources.get(&incident.resource) else {
            return;
        };
        let failing: Vec<&Resource> = graph
            .upstream(&incident.resource)
            .iter()
            .filter(|id| matches!(id.kind, ResourceKind::Container | ResourceKind::Database))
            .filter_map(|id| resources.get(id))
            .filter(|resource| {
                matches!(
                    resource.health,
                    Health::Unhealthy | Health::Restarting | Health::Stopped
                )
            })
            .map(AsRef::as_ref)
            .collect();
        let problems: Vec<_> = incident
            .findings
            .iter()
            .map(|finding| finding.problem)
            .collect();
        let case = Case {
            problem: incident.problem,
            problems: &problems,
            resource,
            history: &history,
            log,
            failing_dependencies: &failing,
        };
        let diagnosis = self.catalogue.diagnose(&case, &incident.findings);
        let is_news = incident.diagnoses.first().is_none_or(|known| {
            known.diagnosis != diagnosis.diagnosis || known.source != diagnosis.source
        });
        if is_news {
            self.teller.diagnosis(id, &diagnosis);
        }
        self.incidents.edit(id, |incident| {
            incident.phase = incident.phase.max(Phase::Diagnosed);
            incident.diagnoses = vec![diagnosis];
            incident.updated_at = now;
        });
        self.assess(id);
    }

    // --------------------------------------------------------------------------------------------------------- assessment

    pub(super) fn reassess_all(&mut self) {
        let all: Vec<_> = self
            .incidents
            .active()
            .map(|incident| incident.id)
            .collect();
        for id in all {
            self.wake(self.now, Wake::Assess(id));
        }
    }

    pub(super) fn assess(&mut self, id: IncidentId) {
        let Some(incident) = self.incidents.by_id(id).cloned() else {
            return;
        };
        let now = self.now;
        if self.incidents.is_quiet(&incident.resource) {
            return;
        }
        if let Some(since) = self.healed.get(&id) {
            let patience_ends = later(*since, EFFECT_MAY_TAKE);
            if now < patience_ends {
                return self.wake(patience_ends, Wake::Assess(id));
            }
            self.healed.remove(&id);
        }
        let open = self
            .tasks
            .values()
            .find(|task| task.incident == Some(id))
            .cloned();
        if open
            .as_ref()
            .is_some_and(|task| task.status == TaskState::InProgress || task.approved)
        {
            return;
        }
        let Some(answer) = self.with_question(&incident, decide) else {
            return;
        };
        let same_question = open.as_ref().is_some_and(|task| {
            answer.decision.verdict == Verdict::Ask
                && answer
                    .plan
                    .as_ref()
                    .is_some_and(|plan| *plan.hash() == task.plan_hash)
        });
        let is_news = incident.decision.as_ref() != Some(&answer.decision)
            || !same_question && answer.plan.is_some();
        if is_news {
            self.teller.decision(id, &answer.decision);
        }
        let mut start = None;
        if !same_question {
            self.cancel_questions(id, "decided anew");
            if let Some(plan) = answer.plan.clone() {
                let asks = answer.decision.verdict == Verdict::Ask;
                let task = self.make_task(Some(id), incident.resource.clone(), plan, asks);
                self.made.push((self.tasks[&task].clone(), answer.clone()));
                start = (!asks).then_some(task);
            }
        }
        if let Some(at) = answer.decision.retry_at {
            self.wake(at, Wake::Assess(id));
        }
        if is_news {
            self.incidents.edit(id, |incident| {
                incident.phase = incident.phase.max(Phase::Assessed);
                incident.decision = Some(answer.decision);
                incident.updated_at = now;
            });
        }
        if let Some(task) = start {
            self.begin_task(task);
        }
    }

    /// Puts a question together as the engine does.
    pub(super) fn with_question<T>(
        &mut self,
        incident: &Incident,
        ask: impl FnOnce(&Question<'_>) -> T,
    ) -> Option<T> {
        let diagnosis = incident.diagnoses.first()?;
        let recent_faults = self
            .world
            .recent_faults(self.now, self.config.guards.blast_window);
        let local = self.local();
        let incidents = &self.incidents;
        let (graph, resources) = self.world.picture();
        Some(ask(&Question {
            incident,
            diagnosis,
            resources,
            graph,
            config: &self.config,
            autonomy: self.autonomy,
            records: &self.records,
            actions: &self.actions,
            recent_faults,
            has_incident: &|id| incidents.of(id).is_some(),
            journal_writable: self.journal_works,
            now: self.now,
            local,
        }))
    }

    fn tell_end(&mut self) {
        let incidents: Vec<_> = self.incidents.active().cloned().collect();
        let tasks: Vec<_> = self.tasks.values().cloned().collect();
        self.teller.end(&incidents, &tasks);
    }
}
