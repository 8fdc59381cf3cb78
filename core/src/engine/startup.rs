//! The beginning: what the journal remembers becomes the state, sources begin, and what was under way at the last end is checked.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use steward_api::{Envelope, Event, TaskState};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    Integrations, Parts,
    ledger::LoopLedger,
    metrics::{IncidentLabels, Metrics},
    progress::ProgressBoard,
    security::Security,
    sources::Keeper,
    state::State,
    stimulus::Stimulus,
};
use crate::{
    config::Config,
    flow::{
        act::{Executor, recover},
        correlate::Incidents,
        decide::ActionLog,
        detect::Rules,
        diagnose::Catalogue,
        learn::Records,
        observe::World,
    },
    ports::{Memory, Probes, StoreError},
};

/// How far back the event stream is asked for what was missed while no agent ran.
const ASK_BACK: SignedDuration = SignedDuration::from_hours(1);

/// What the state has in common with its handle.
pub(super) struct Shared {
    pub(super) stimuli: mpsc::Sender<Stimulus>,
    pub(super) events: broadcast::Sender<Arc<Envelope>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) progress: Arc<ProgressBoard>,
}

/// Makes the state from what the journal remembers, and begins the sources.
pub(super) async fn begin(parts: Parts, shared: Shared) -> Result<State, StoreError> {
    let Shared {
        stimuli,
        events,
        metrics,
        progress,
    } = shared;
    let node = parts.config.node.name.clone();
    let now = parts.clock.now();
    let memory = parts.store.recall(&node, now).await?;
    let ids = parts.store.reserve_ids(64).await?.collect();
    let executor = Executor {
        actuators: Arc::default(),
        ledger: Arc::new(LoopLedger(stimuli.clone())),
        clock: Arc::clone(&parts.clock),
        stopping: parts.stopping.clone(),
    };
    let autonomy = parts.config.autonomy.level;
    let mut state = State {
        node,
        config: Arc::new(parts.config),
        clock: parts.clock,
        store: parts.store,
        make: parts.integrations,
        rules: Rules::new(parts.rules),
        catalogue: Catalogue::new(parts.patterns),
        board: parts.board,
        stimuli,
        config_changes: parts.config_changes,
        advisor: parts.advisor,
        archive: parts.archive,
        documents: parts.documents,
        security: Security::default(),
        model_calls: parts.model_calls,
        events,
        metrics,
        stopping: parts.stopping,
        executor,
        sources: Vec::new(),
        probes: Probes::default(),
        generation: 0,
        sources_stopping: CancellationToken::new(),
        source_status: BTreeMap::new(),
        source_failures: BTreeMap::new(),
        last_runs: BTreeMap::new(),
        autonomy,
        world: World::default(),
        incidents: Incidents::default(),
        tasks: BTreeMap::new(),
        busy: BTreeMap::new(),
        actions: ActionLog::default(),
        records: Records::default(),
        healed: BTreeMap::new(),
        investigating: BTreeMap::new(),
        advising: BTreeMap::new(),
        talks: BTreeMap::new(),
        progress,
        announced: BTreeMap::new(),
        wakes: std::collections::BTreeSet::new(),
        to_revisit: std::collections::BTreeSet::new(),
        ids,
        backlog: std::collections::VecDeque::new(),
        store_error: None,
        store_retry_at: now,
        tidied_at: now,
        samples: Vec::new(),
        config_error: None,
        is_dirty: true,
    };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let events_since = memory
        .last_entry_at
        .filter(|at| now.duration_since(*at) <= ASK_BACK)
        .unwrap_or(now);
    state.remember(memory);
    state
        .commit_now(vec![Event::AgentStarted { version, autonomy }])
        .await?;
    state.begin_sources(Some(events_since));
    state.check_open_tasks();
    state.begin_allowed().await;
    state.put_up();
    Ok(state)
}

impl State {
    fn remember(&mut self, memory: Memory) {
        self.to_revisit = memory
            .incidents
            .iter()
            .filter(|incident| incident.is_active())
            .map(|incident| incident.id)
            .collect();
        self.incidents.remember(memory.incidents);
        self.tasks = memory
            .tasks
            .into_iter()
            .map(|task| (task.id, task))
            .collect();
        for record in &memory.actions {
            if record.concluded.is_none() {
                self.world.history_mut(&record.resource).steward_acting = true;
            }
        }
        self.actions.remember(memory.actions);
        self.records.remember(memory.remedies);
        self.world.remember(&memory.resources, memory.last_entry_at);
        self.announced = memory.resources;
        for (problem, severity, count) in memory.incident_totals {
            let labels = IncidentLabels {
                kind: problem.to_string(),
                severity,
            };
            self.metrics.incidents.get_or_create(&labels).inc_by(count);
        }
    }

    /// Makes the integrations for the configuration in force and begins their tasks; those before end.
    pub(super) fn begin_sources(&mut self, events_since: Option<Timestamp>) {
        self.sources_stopping.cancel();
        self.sources_stopping = CancellationToken::new();
        self.generation += 1;
        let Integrations {
            sources,
            actuators,
            probes,
        } = (self.make)(&self.config);
        self.probes = probes;
        self.executor.actuators = Arc::new(actuators);
        let config: &Config = &self.config;
        self.source_status
            .retain(|name, _| sources.iter().any(|source| source.name() == name));
        for source in &sources {
            self.source_status
                .entry(source.name().to_owned())
                .or_insert_with(|| steward_api::SourceStatus {
                    name: source.name().to_owned(),
                    up: None,
                    last_success: None,
                    error: None,
                    last_duration_ms: None,
                });
        }
        let running: Vec<_> = sources
            .into_iter()
            .enumerate()
            .map(|(index, source)| {
                Keeper {
                    index,
                    generation: self.generation,
                    source,
                    schedules: config.schedules.clone(),
                    scan_every: config.security.scan_every,
                    clock: Arc::clone(&self.clock),
                    stimuli: self.stimuli.clone(),
                    stopping: self.sources_stopping.clone(),
                    events_since,
                }
                .start()
            })
            .collect();
        self.sources = running;
        self.reweigh();
    }

    /// Tasks that were under way at the last end are checked against the world; see [`State::begin_allowed`] for those that were
    /// allowed and not begun.
    fn check_open_tasks(&mut self) {
        let under_way: Vec<_> = self
            .tasks
            .values()
            .filter(|task| task.status == TaskState::InProgress)
            .cloned()
            .collect();
        for task in under_way {
            for resource in task.plan.touches() {
                self.world.history_mut(&resource).steward_acting = true;
                self.busy.insert(resource, task.id);
            }
            let open = self.actions.open(task.id);
            let executor = self.executor.clone();
            let stimuli = self.stimuli.clone();
            tracing::info!(task = %task.id, open = open.len(), "a task was under way when the agent ended; it is checked");
            tokio::spawn(async move {
                let execution = recover(&executor, &task, &open).await;
                // An engine that ends meanwhile checks again at its next start.
                let _ = stimuli
                    .send(Stimulus::Executed {
                        task: task.id,
                        execution,
                    })
                    .await;
            });
        }
    }
}
