//! The engine's state and its loop: what it holds, how it commits facts, how it puts up its picture.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use steward_api::{
    Autonomy, ConversationId, Envelope, Event, Health, IncidentId, ResourceId, ScheduleStatus,
    SourceStatus, Task, TaskId, TaskState,
};
use tokio::{
    sync::{broadcast, mpsc},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    Board, ConfigChange, MakeIntegrations, View, advice::Advising, handle::Request,
    metrics::Metrics, progress::ProgressBoard, security::Security, sources::Running,
    stimulus::Stimulus, talk::Answering,
};
use crate::{
    config::{Config, Schedule},
    flow::{
        act::Executor, correlate::Incidents, decide::ActionLog, detect::Rules, diagnose::Catalogue,
        learn::Records, observe::World,
    },
    ports::{
        Advisor, Archive, Cadence, Clock, Depth, Documents, Fact, FinishedCall, Probes, Sample,
        Store, StoreError, later, words,
    },
};

/// Facts that are kept while the journal takes no writes; beyond that the newest are refused, loudly.
const MOST_BACKLOG: usize = 50_000;
/// How often a journal that took no writes is tried again.
const STORE_RETRY: SignedDuration = SignedDuration::from_secs(2);
/// Numbers for incidents and tasks that are set aside in advance, so that a new incident never waits for them.
const IDS_AHEAD: usize = 64;
/// How often metric history is summed up and cut.
const TIDY_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// The longest sleep of the loop: deadlines are stored and looked at on each turn.
const TICK: Duration = Duration::from_secs(1);

/// What is to be done at a stored time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wake {
    /// Judge a resource anew.
    Judge(ResourceId),
    /// Decide about an incident anew.
    Assess(IncidentId),
    /// Begin what was allowed and not begun.
    BeginAllowed,
}

/// The engine.
pub(super) struct State {
    pub(super) node: String,
    pub(super) config: Arc<Config>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) store: Arc<dyn Store>,
    pub(super) make: MakeIntegrations,
    pub(super) rules: Rules,
    pub(super) catalogue: Catalogue,
    pub(super) board: Board,
    pub(super) stimuli: mpsc::Sender<Stimulus>,
    pub(super) config_changes: mpsc::Receiver<ConfigChange>,
    pub(super) advisor: Arc<dyn Advisor>,
    pub(super) archive: Arc<dyn Archive>,
    pub(super) documents: Arc<dyn Documents>,
    pub(super) security: Security,
    pub(super) model_calls: mpsc::UnboundedReceiver<FinishedCall>,
    pub(super) events: broadcast::Sender<Arc<Envelope>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) stopping: CancellationToken,

    pub(super) executor: Executor,
    pub(super) sources: Vec<Running>,
    pub(super) probes: Probes,
    /// Rises with each configuration, so that late reports of replaced sources are known as such.
    pub(super) generation: u64,
    pub(super) sources_stopping: CancellationToken,
    pub(super) source_status: BTreeMap<String, SourceStatus>,
    pub(super) source_failures: BTreeMap<String, u32>,
    pub(super) last_runs: BTreeMap<&'static str, Timestamp>,

    pub(super) autonomy: Autonomy,
    pub(super) world: World,
    pub(super) incidents: Incidents,
    pub(super) tasks: BTreeMap<TaskId, Task>,
    pub(super) busy: BTreeMap<ResourceId, TaskId>,
    pub(super) actions: ActionLog,
    pub(super) records: Records,
    /// Incidents whose last task was verified, with the time: they are given time to become quiet.
    pub(super) healed: BTreeMap<IncidentId, Timestamp>,
    /// Incidents about which is being gathered, and whether to gather once more after that.
    pub(super) investigating: BTreeMap<IncidentId, bool>,
    /// Incidents about which the Advisor is asked, or was, with the time.
    pub(super) advising: BTreeMap<IncidentId, Advising>,
    /// Conversations in which an answer is under way.
    pub(super) talks: BTreeMap<ConversationId, Answering>,
    /// Where it is shown how far those have come.
    pub(super) progress: Arc<ProgressBoard>,
    /// The health that was last journaled for each resource.
    pub(super) announced: BTreeMap<ResourceId, Health>,
    pub(super) wakes: BTreeSet<(Timestamp, Wake)>,
    /// Remembered incidents that were not looked at again since the start.
    pub(super) to_revisit: BTreeSet<IncidentId>,

    pub(super) ids: VecDeque<i64>,
    pub(super) backlog: VecDeque<Fact>,
    pub(super) store_error: Option<String>,
    pub(super) store_retry_at: Timestamp,
    pub(super) tidied_at: Timestamp,
    pub(super) samples: Vec<Sample>,
    pub(super) config_error: Option<String>,
    pub(super) is_dirty: bool,
}

impl State {
    /// Runs until told to stop.
    pub(super) async fn run(
        mut self,
        mut stimuli: mpsc::Receiver<Stimulus>,
        mut requests: mpsc::Receiver<Request>,
    ) {
        loop {
            self.put_up();
            let wait = self.until_next_wake();
            tokio::select! {
                () = self.stopping.cancelled() => break,
                Some(stimulus) = stimuli.recv() => {
                    self.react(stimulus).await;
                    // Whatever else is waiting is taken in before the picture is renewed.
                    for _ in 0..64 {
                        let Ok(next) = stimuli.try_recv() else { break };
                        self.react(next).await;
                    }
                }
                Some(request) = requests.recv() => self.answer(request).await,
                Some(change) = self.config_changes.recv() => self.reconfigure(change).await,
                Some(call) = self.model_calls.recv() => self.record_call(call).await,
                () = sleep(wait) => {}
            }
            self.pass_time().await;
        }
        self.stop(&mut stimuli).await;
    }

    async fn react(&mut self, stimulus: Stimulus) {
        match stimulus {
            Stimulus::Observed {
                source,
                generation,
                began_at,
                took,
                result,
                depth,
            } if generation == self.generation => {
                if depth == Depth::Full {
                    self.last_runs.insert("full_monitoring", began_at);
                }
                self.observed(source, began_at, took, result).await;
            }
            Stimulus::Signalled {
                source,
                generation,
                signal,
            } if generation == self.generation => {
                self.signalled(source, signal).await;
            }
            Stimulus::StreamLost {
                source,
                generation,
                error,
            } if generation == self.generation => {
                let Some(running) = self.sources.get(source) else {
                    return;
                };
                let name = running.source.name();
                tracing::debug!(source = name, error, "event stream lost");
                self.world.lose_stream(name, self.clock.now());
            }
            Stimulus::ReadOne {
                source,
                generation,
                resource,
                result,
            } if generation == self.generation => {
                self.read_one(source, resource, result).await;
            }
            Stimulus::Investigated {
                incident,
                fresh,
                source,
                generation,
                log,
            } => {
                let fresh = fresh.filter(|_| generation == self.generation);
                self.investigated(incident, source, fresh, log).await;
            }
            Stimulus::Advised { incident, opinion } => self.advised(incident, opinion).await,
            Stimulus::Said {
                conversation,
                run,
                draft,
                reply,
            } => {
                let outcome = self.said(conversation, run, *draft).await;
                // Whoever hears that it was sent finds its tasks among the others.
                self.put_up();
                // A specialist who was stopped meanwhile hears nothing any more.
                let _ = reply.send(outcome);
            }
            Stimulus::Answered {
                conversation,
                run,
                ending,
            } => self.answered(conversation, run, ending).await,
            Stimulus::Offers { resource, reply } => {
                // As above.
                let _ = reply.send(self.offers(resource));
            }
            Stimulus::Intend { intent, reply } => {
                let outcome = self.intend(intent).await;
                // An executor that is gone meanwhile does nothing; the open intent is checked at the next start.
                let _ = reply.send(outcome);
            }
            Stimulus::Conclude { conclusion, reply } => {
                self.conclude(conclusion).await;
                let _ = reply.send(());
            }
            Stimulus::Log { task, entry } => self.log_task(task, entry).await,
            Stimulus::Executed { task, execution } => self.executed(task, execution).await,
            Stimulus::StoreFailed { error } => self.store_failed(&error),
            Stimulus::AnswerChecked { answer, reading } => {
                self.answer_checked(*answer, reading).await
            }
            Stimulus::Observed { .. }
            | Stimulus::Signalled { .. }
            | Stimulus::StreamLost { .. }
            | Stimulus::ReadOne { .. } => {}
        }
    }

    /// What time alone brings: stored deadlines, lapsed questions, a journal to try again, history to tidy.
    async fn pass_time(&mut self) {
        let now = self.clock.now();
        if (self.store_error.is_some() || !self.backlog.is_empty()) && now >= self.store_retry_at {
            self.flush().await;
        }
        let mut judge = Vec::new();
        let mut assess = Vec::new();
        let mut begin = false;
        while let Some((at, _)) = self.wakes.first()
            && *at <= now
        {
            match self.wakes.pop_first() {
                Some((_, Wake::Judge(id))) => judge.push(id),
                Some((_, Wake::Assess(id))) => assess.push(id),
                Some((_, Wake::BeginAllowed)) => begin = true,
                None => break,
            }
        }
        if !judge.is_empty() {
            self.judge(judge, Vec::new()).await;
        }
        for incident in assess {
            self.assess_and_commit(incident).await;
        }
        if begin {
            self.begin_allowed().await;
        }
        self.expire(now).await;
        self.summarize_day(now).await;
        if !self.samples.is_empty() {
            self.record_samples();
        }
        if now.duration_since(self.tidied_at) >= TIDY_EVERY {
            self.tidied_at = now;
            self.tidy(now);
        }
    }

    fn until_next_wake(&self) -> Duration {
        let now = self.clock.now();
        self.wakes
            .first()
            .and_then(|(at, _)| Duration::try_from(at.duration_since(now)).ok())
            .map_or(TICK, |wait| wait.clamp(Duration::from_millis(5), TICK))
    }

    /// History is not part of the record: it is written beside the loop. That it could not be is often the first sign of a database
    /// that takes no writes at all: then the loop is told, and says it once.
    fn record_samples(&mut self) {
        let samples = std::mem::take(&mut self.samples);
        if self.store_error.is_some() {
            return;
        }
        let store = Arc::clone(&self.store);
        let stimuli = self.stimuli.clone();
        tokio::spawn(async move {
            let Err(error) = store.record(&samples).await else {
                return;
            };
            match store.probe().await {
                Ok(()) => {
                    tracing::warn!(error = words(&error), "metric history was not recorded");
                }
                // An engine that ends needs to know no more.
                Err(error) => drop(stimuli.send(Stimulus::StoreFailed { error }).await),
            }
        });
    }

    fn tidy(&self, now: Timestamp) {
        let store = Arc::clone(&self.store);
        let kept = &self.config.retention;
        let retention = crate::ports::Retention {
            fine: super::sources::std_duration(kept.fine),
            medium: super::sources::std_duration(kept.medium),
            coarse: super::sources::std_duration(kept.coarse),
        };
        let archive = Arc::clone(&self.archive);
        let texts_from = later(now, -self.config.advisor.keep_texts);
        tokio::spawn(async move {
            if let Err(error) = store.tidy(now, retention).await {
                tracing::warn!(error = words(&error), "metric history was not tidied");
            }
            if let Err(error) = archive.forget_texts(texts_from).await {
                tracing::warn!(
                    error = words(&error),
                    "old texts of model calls were not removed"
                );
            }
        });
    }

    // -------------------------------------------------------------------------------------------------------- the journal

    /// Journals events and publishes them. While the journal takes no writes they are kept, in order, and written later.
    pub(super) async fn commit(&mut self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        self.is_dirty = true;
        let at = self.clock.now();
        let facts: Vec<_> = events.into_iter().map(|event| Fact { at, event }).collect();
        if self.backlog.is_empty() {
            match self.store.append(&self.node, &facts).await {
                Ok(entries) => return self.publish(entries),
                Err(error) => self.store_failed(&error),
            }
        }
        if self.backlog.len() + facts.len() > MOST_BACKLOG {
            tracing::error!(
                facts = facts.len(),
                "too many facts wait for the journal; these are lost to it"
            );
            return;
        }
        self.backlog.extend(facts);
    }

    /// Journals events now or not at all: for what may not happen unless it is written down first.
    pub(super) async fn commit_now(
        &mut self,
        events: Vec<Event>,
    ) -> Result<Vec<Arc<Envelope>>, StoreError> {
        self.is_dirty = true;
        if !self.backlog.is_empty() {
            self.flush().await;
            if let Some(error) = &self.store_error {
                return Err(StoreError::Unavailable(error.clone().into()));
            }
        }
        let at = self.clock.now();
        let facts: Vec<_> = events.into_iter().map(|event| Fact { at, event }).collect();
        match self.store.append(&self.node, &facts).await {
            Ok(entries) => {
                let entries: Vec<_> = entries.into_iter().map(Arc::new).collect();
                for entry in &entries {
                    self.send(Arc::clone(entry));
                }
                Ok(entries)
            }
            Err(error) => {
                self.store_failed(&error);
                Err(error)
            }
        }
    }

    fn publish(&mut self, entries: Vec<Envelope>) {
        for entry in entries {
            self.send(Arc::new(entry));
        }
    }

    fn send(&self, entry: Arc<Envelope>) {
        self.metrics
            .published
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // Nobody listening is fine: the journal has it.
        let _ = self.events.send(entry);
    }

    pub(super) fn store_failed(&mut self, error: &StoreError) {
        let text = words(error);
        if self.store_error.is_none() {
            tracing::error!(
                error = text,
                "the journal takes no writes; nothing is done until it does"
            );
        }
        self.store_error = Some(text);
        self.store_retry_at = crate::ports::later(self.clock.now(), STORE_RETRY);
        self.is_dirty = true;
    }

    /// Tries to write what waits for the journal, in order and in portions.
    async fn flush(&mut self) {
        if self.backlog.is_empty()
            && let Err(error) = self.store.probe().await
        {
            return self.store_failed(&error);
        }
        while !self.backlog.is_empty() {
            let portion: Vec<_> = self.backlog.iter().take(200).cloned().collect();
            match self.store.append(&self.node, &portion).await {
                Ok(entries) => {
                    self.backlog.drain(..portion.len());
                    self.publish(entries);
                }
                Err(error) => return self.store_failed(&error),
            }
        }
        tracing::info!("the journal takes writes again");
        self.store_error = None;
        self.is_dirty = true;
        self.reserve_ids().await;
        self.reassess_all().await;
        self.wakes.insert((self.clock.now(), Wake::BeginAllowed));
    }

    /// Sets numbers aside, so that a new incident never waits for one.
    pub(super) async fn reserve_ids(&mut self) {
        if self.ids.len() >= IDS_AHEAD / 2 || self.store_error.is_some() {
            return;
        }
        match self.store.reserve_ids(IDS_AHEAD as u32).await {
            Ok(range) => self.ids.extend(range),
            Err(error) => self.store_failed(&error),
        }
    }

    /// The local time, for windows that people set.
    pub(super) fn local(&self, now: Timestamp) -> jiff::civil::DateTime {
        TimeZone::system().to_datetime(now)
    }

    // -------------------------------------------------------------------------------------------------------- the picture

    /// Puts up a new picture, if anything changed.
    pub(super) fn put_up(&mut self) {
        if !std::mem::take(&mut self.is_dirty) {
            return;
        }
        let mut open_tasks: Vec<_> = self
            .tasks
            .values()
            .map(|task| Arc::new(task.clone()))
            .collect();
        open_tasks.sort_by_key(|task| (task.priority, task.created_at));
        let mut active_incidents: Vec<_> = self.incidents.active().cloned().collect();
        active_incidents
            .sort_by_key(|incident| (std::cmp::Reverse(incident.severity), incident.opened_at));
        let security = self.security_report();
        self.board.put(View {
            node: self.node.clone(),
            started_at: self.board.started_at(),
            autonomy: self.autonomy,
            taken_at: self.clock.now(),
            resources: Arc::clone(self.world.resources()),
            unreadable: self.world.unreadable(),
            sources: self.source_status.values().cloned().collect(),
            schedules: self.schedules(),
            versions: self.world.versions().clone(),
            security,
            security_summary: self.security.summary(),
            active_incidents,
            open_tasks,
            store_error: self.store_error.clone(),
            store_backlog: self.backlog.len() as u64,
            config_error: self.config_error.clone(),
        });
    }

    fn schedules(&self) -> Vec<ScheduleStatus> {
        let schedules = &self.config.schedules;
        let security = Schedule {
            enabled: !self.config.security.parts.is_empty(),
            every: self.config.security.scan_every,
        };
        [
            ("container_cycle", schedules.container_cycle),
            ("full_monitoring", schedules.full_monitoring),
            ("health_check", schedules.health_check),
            ("security_scan", security),
        ]
        .into_iter()
        .map(|(name, Schedule { enabled, every })| {
            let last_run = self.last_runs.get(name).copied();
            ScheduleStatus {
                name: name.to_owned(),
                enabled,
                every_seconds: u64::try_from(every.as_secs()).unwrap_or_default(),
                next_run: last_run
                    .filter(|_| enabled)
                    .map(|at| crate::ports::later(at, every)),
                last_run,
            }
        })
        .collect()
    }

    /// The schedule that drives a source, by name.
    pub(super) fn schedule_name(cadence: Cadence) -> &'static str {
        match cadence {
            Cadence::ContainerCycle => "container_cycle",
            Cadence::HealthCheck => "health_check",
            Cadence::SecurityScan => "security_scan",
        }
    }

    // ------------------------------------------------------------------------------------------------------------ the end

    /// Ends in good order: what is under way gets a moment to be written down, the rest is left for the next start to check.
    async fn stop(&mut self, stimuli: &mut mpsc::Receiver<Stimulus>) {
        self.sources_stopping.cancel();
        let running = |tasks: &BTreeMap<TaskId, Task>| {
            tasks
                .values()
                .any(|task| task.status == TaskState::InProgress)
        };
        let patience = Duration::from_secs(15);
        let _ = tokio::time::timeout(patience, async {
            while running(&self.tasks) {
                let Some(stimulus) = stimuli.recv().await else {
                    break;
                };
                match stimulus {
                    Stimulus::Executed {
                        task,
                        execution: crate::flow::act::Execution::LeftOpen,
                    } => {
                        // Its intent stays open; nothing more comes from it in this run.
                        self.tasks.remove(&task);
                    }
                    other => self.react(other).await,
                }
            }
        })
        .await;
        let were_talking = self.end_talks().await;
        self.record_last_calls(were_talking).await;
        self.commit(vec![Event::AgentStopped {
            reason: "told to stop".to_owned(),
        }])
        .await;
        self.put_up();
    }
}
