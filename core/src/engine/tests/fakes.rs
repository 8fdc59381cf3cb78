//! A source, an actuator and a store that do as a test says, and an engine between them.

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    ops::Range,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream::BoxStream};
use jiff::Timestamp;
use steward_api::{
    Action, ActionName, Autonomy, Channel, ContainerCondition, ContainerFacts, ContainerStatus,
    Envelope, Facts, Health, Incident, IncidentId, IncidentQuery, JournalVerification, MetricQuery,
    MetricSeries, Page, Precondition, Resource, ResourceId, ResourceStatistics, Role, Task, TaskId,
    TaskQuery, Verification,
};
use tempfile::TempDir;
use tokio::{
    sync::{broadcast, mpsc},
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, Schedule, Span},
    engine::{Board, Caller, ConfigChange, Handle, Integrations, Parts, start},
    integrations::docker,
    ports::{
        ActError, Actuator, Advisor, Archive, Cadence, Clock, ContainerSignal, Coverage, Depth,
        Fact, Memory, NoAdvisor, Observation, Permit, Reading, Retention, Sample, Signal, Source,
        SourceError, Store, StoreError,
    },
};

/// The node of these tests.
pub(super) const NODE: &str = "n";
/// The longest that anything is waited for.
const LONGEST: Duration = Duration::from_secs(60);

pub(super) fn container(name: &str) -> ResourceId {
    ResourceId::container(NODE, name)
}

struct Wall;

impl Clock for Wall {
    #[allow(
        clippy::disallowed_methods,
        reason = "the tests' own clock at the edge"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

pub(super) fn now() -> Timestamp {
    Wall.now()
}

/// Waits until something is so, and gives it; says what was waited for where it never is.
#[track_caller]
pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    let what = what.to_owned();
    async move {
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(began.elapsed() < LONGEST, "{place}: never came: {what}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

// ------------------------------------------------------------------------------------------------------------------ source

/// A source whose containers the test sets and whose events it sends.
pub(super) struct FakeSource {
    name: String,
    pub(super) resources: Mutex<BTreeMap<ResourceId, Resource>>,
    senders: Mutex<Vec<mpsc::UnboundedSender<Signal>>>,
    pub(super) hangs: AtomicBool,
    pub(super) log_hangs: AtomicBool,
    pub(super) log: Mutex<Vec<String>>,
    pub(super) readings: AtomicU32,
}

impl FakeSource {
    pub(super) fn new(name: &str) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            resources: Mutex::default(),
            senders: Mutex::default(),
            hangs: AtomicBool::new(false),
            log_hangs: AtomicBool::new(false),
            log: Mutex::default(),
            readings: AtomicU32::new(0),
        })
    }

    /// A container that publishes a port and runs.
    pub(super) fn runs(self: &Arc<Self>, name: &str) -> Arc<Self> {
        let facts = ContainerFacts {
            container_id: format!("{name}#1"),
            image: "app:1".to_owned(),
            status: ContainerStatus::Running,
            has_ports: true,
            ..ContainerFacts::default()
        };
        let resource = Resource {
            id: container(name),
            health: Health::Healthy,
            reason: "running".to_owned(),
            depends_on: Vec::new(),
            runs_on: None,
            facts: Facts::Container(Box::new(facts)),
            metrics: BTreeMap::new(),
            read_at: now(),
        };
        self.resources
            .lock()
            .unwrap()
            .insert(resource.id.clone(), resource);
        Arc::clone(self)
    }

    pub(super) fn edit(&self, name: &str, health: Health, edit: impl FnOnce(&mut ContainerFacts)) {
        let mut resources = self.resources.lock().unwrap();
        let resource = resources.get_mut(&container(name)).unwrap();
        resource.health = health;
        if let Facts::Container(facts) = &mut resource.facts {
            edit(facts);
        }
    }

    pub(super) fn send(&self, name: &str, kind: ContainerSignal) {
        let signal = Signal {
            at: now(),
            resource: container(name),
            container_id: format!("{name}#1"),
            kind,
        };
        let mut senders = self.senders.lock().unwrap();
        senders.retain(|sender| sender.send(signal.clone()).is_ok());
    }

    /// It ends with an error, and its engine tells so.
    pub(super) fn dies(&self, name: &str) {
        self.edit(name, Health::Unhealthy, |facts| {
            facts.status = ContainerStatus::Exited;
            facts.exit_code = Some(1);
            facts.finished_at = Some(now());
        });
        self.send(name, ContainerSignal::Died { exit_code: 1 });
    }

    /// It begins to run, and its engine tells so.
    pub(super) fn starts(&self, name: &str) {
        self.edit(name, Health::Healthy, |facts| {
            facts.status = ContainerStatus::Running;
            facts.started_at = Some(now());
        });
        self.send(name, ContainerSignal::Started);
    }

    pub(super) fn is_running(&self, name: &str) -> bool {
        let resources = self.resources.lock().unwrap();
        resources[&container(name)]
            .container()
            .is_some_and(|facts| facts.status == ContainerStatus::Running)
    }
}

#[async_trait]
impl Source for FakeSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn cadence(&self) -> Cadence {
        Cadence::ContainerCycle
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn observe(&self, _: Depth) -> Result<Observation, SourceError> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.readings.fetch_add(1, Ordering::SeqCst);
        let at = now();
        let mut resources: Vec<_> = self.resources.lock().unwrap().values().cloned().collect();
        for resource in &mut resources {
            resource.read_at = at;
        }
        Ok(Observation {
            source: self.name.clone(),
            taken_at: at,
            coverage: Coverage::Complete,
            resources,
            unreadable: Vec::new(),
            versions: BTreeMap::new(),
            recheck_in: None,
            security: None,
        })
    }

    async fn watch(
        &self,
        _: Option<Timestamp>,
    ) -> Result<Option<BoxStream<'static, Result<Signal, SourceError>>>, SourceError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.senders.lock().unwrap().push(sender);
        let stream = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|signal| (Ok(signal), receiver))
        });
        Ok(Some(stream.boxed()))
    }

    async fn read_one(&self, id: &ResourceId) -> Result<Option<Resource>, SourceError> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let found = self.resources.lock().unwrap().get(id).cloned();
        Ok(found.map(|mut resource| {
            resource.read_at = now();
            resource
        }))
    }

    async fn log_tail(&self, _: &ResourceId, _: u32) -> Result<Option<Vec<String>>, SourceError> {
        if self.log_hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(Some(self.log.lock().unwrap().clone()))
    }
}

// ---------------------------------------------------------------------------------------------------------------- actuator

/// An actuator that starts the containers of a source again, unless it is told otherwise.
pub(super) struct FakeActuator {
    source: Arc<FakeSource>,
    pub(super) applied: Mutex<Vec<String>>,
    /// Preconditions are read slowly, so that two answers overlap.
    pub(super) slow_check: AtomicBool,
    /// What is applied takes until it is let go.
    pub(super) holds: AtomicBool,
    /// The effect is not there until it is let go.
    pub(super) unverified: AtomicBool,
}

impl FakeActuator {
    pub(super) fn new(source: &Arc<FakeSource>) -> Arc<Self> {
        Arc::new(Self {
            source: Arc::clone(source),
            applied: Mutex::default(),
            slow_check: AtomicBool::new(false),
            holds: AtomicBool::new(false),
            unverified: AtomicBool::new(false),
        })
    }

    pub(super) fn applied(&self) -> Vec<String> {
        self.applied.lock().unwrap().clone()
    }
}

#[async_trait]
impl Actuator for FakeActuator {
    fn handles(&self, _: ActionName) -> bool {
        true
    }

    fn timeout(&self, _: &Action) -> Duration {
        Duration::from_secs(60)
    }

    async fn check(&self, precondition: &Precondition) -> Result<Reading, ActError> {
        if self.slow_check.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(200)).await;
        }
        match precondition {
            Precondition::Container {
                resource,
                condition: ContainerCondition::Failing | ContainerCondition::NotRunning,
                ..
            } if self.source.is_running(&resource.name) => {
                Ok(Reading::Broken(format!("{} runs", resource.name)))
            }
            _ => Ok(Reading::Holds),
        }
    }

    async fn apply(&self, permit: &Permit) -> Result<String, ActError> {
        self.applied
            .lock()
            .unwrap()
            .push(permit.action().to_string());
        while self.holds.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(10)).await;
        }
        self.source.starts(&permit.action().target().name);
        Ok(format!("did: {}", permit.action()))
    }

    async fn verify(&self, _: &Verification) -> Result<Reading, ActError> {
        if self.unverified.load(Ordering::SeqCst) {
            return Ok(Reading::Broken("not yet".to_owned()));
        }
        Ok(Reading::Holds)
    }

    async fn was_applied(&self, action: &Action, _: Timestamp) -> Result<Option<bool>, ActError> {
        Ok(Some(self.applied().contains(&action.to_string())))
    }
}

// ------------------------------------------------------------------------------------------------------------------- store

/// A store that fails when it is told to.
pub(super) struct Faulty {
    pub(super) inner: Arc<crate::store::SqlStore>,
    pub(super) fails: AtomicBool,
    /// So many further appends are taken before it fails by itself.
    pub(super) takes: Mutex<Option<u32>>,
    pub(super) recent: Mutex<VecDeque<usize>>,
}

impl Faulty {
    fn fault(&self) -> Result<(), StoreError> {
        if self.fails.load(Ordering::SeqCst) {
            Err(StoreError::Unavailable("no space left on device".into()))
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl Store for Faulty {
    fn engine(&self) -> &'static str {
        self.inner.engine()
    }
    async fn append(&self, node: &str, facts: &[Fact]) -> Result<Vec<Envelope>, StoreError> {
        if let Some(left) = self.takes.lock().unwrap().as_mut() {
            if *left == 0 {
                self.fails.store(true, Ordering::SeqCst);
            } else {
                *left -= 1;
            }
        }
        self.fault()?;
        self.recent.lock().unwrap().push_back(facts.len());
        self.inner.append(node, facts).await
    }
    async fn reserve_ids(&self, count: u32) -> Result<Range<i64>, StoreError> {
        self.fault()?;
        self.inner.reserve_ids(count).await
    }
    async fn recall(&self, node: &str, now: Timestamp) -> Result<Memory, StoreError> {
        self.inner.recall(node, now).await
    }
    async fn probe(&self) -> Result<(), StoreError> {
        self.fault()?;
        self.inner.probe().await
    }
    async fn incidents(&self, query: &IncidentQuery) -> Result<Page<Incident>, StoreError> {
        self.inner.incidents(query).await
    }
    async fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        self.inner.incident(id).await
    }
    async fn tasks(&self, query: &TaskQuery) -> Result<Page<Task>, StoreError> {
        self.inner.tasks(query).await
    }
    async fn task(&self, id: TaskId) -> Result<Option<Task>, StoreError> {
        self.inner.task(id).await
    }
    async fn statistics(&self, resource: &ResourceId) -> Result<ResourceStatistics, StoreError> {
        self.inner.statistics(resource).await
    }
    async fn journal_after(&self, after: i64, limit: u32) -> Result<Vec<Envelope>, StoreError> {
        self.inner.journal_after(after, limit).await
    }
    async fn journal_before(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Envelope>, StoreError> {
        self.inner.journal_before(before, limit).await
    }
    async fn journal_head(&self) -> Result<i64, StoreError> {
        self.inner.journal_head().await
    }
    async fn verify_journal(&self) -> Result<JournalVerification, StoreError> {
        self.inner.verify_journal().await
    }
    async fn rebuild(&self) -> Result<(), StoreError> {
        self.inner.rebuild().await
    }
    async fn record(&self, samples: &[Sample]) -> Result<(), StoreError> {
        self.fault()?;
        self.inner.record(samples).await
    }
    async fn tidy(&self, now: Timestamp, retention: Retention) -> Result<(), StoreError> {
        self.inner.tidy(now, retention).await
    }
    async fn series(
        &self,
        query: &MetricQuery,
        now: Timestamp,
    ) -> Result<MetricSeries, StoreError> {
        self.inner.series(query, now).await
    }
}

// ------------------------------------------------------------------------------------------------------------------ engine

/// A configuration that is quick.
pub(super) fn quick() -> Config {
    let mut config = Config::default();
    config.node.name = NODE.to_owned();
    config.docker.stabilisation = Span::from_secs(1);
    config.docker.recovery = Span::from_secs(20);
    config.schedules.container_cycle = Schedule {
        enabled: true,
        every: Span::from_secs(1),
    };
    config
}

/// These sources and this actuator, whatever the configuration.
pub(super) fn made_of(
    sources: Vec<Arc<FakeSource>>,
    actuator: Arc<FakeActuator>,
) -> crate::engine::MakeIntegrations {
    Box::new(move |_: &Config| Integrations {
        sources: sources
            .iter()
            .map(|source| Arc::clone(source) as Arc<dyn Source>)
            .collect(),
        actuators: vec![Arc::clone(&actuator) as Arc<dyn Actuator>],
        probes: crate::ports::Probes::default(),
    })
}

/// An engine under test with what stands around it.
pub(super) struct Rig {
    pub(super) handle: Handle,
    pub(super) events: broadcast::Receiver<Arc<Envelope>>,
    pub(super) store: Arc<Faulty>,
    pub(super) config_changes: mpsc::Sender<ConfigChange>,
    stopping: CancellationToken,
    running: JoinHandle<()>,
}

impl Rig {
    /// Begins an engine on the database in `folder`, with these sources for whatever configuration.
    pub(super) async fn begin(
        folder: &Path,
        config: Config,
        sources: Vec<Arc<FakeSource>>,
        actuator: Arc<FakeActuator>,
    ) -> Self {
        Self::begin_with(folder, config, made_of(sources, actuator)).await
    }

    pub(super) async fn begin_with(
        folder: &Path,
        config: Config,
        integrations: crate::engine::MakeIntegrations,
    ) -> Self {
        Self::begin_advised(folder, config, integrations, Arc::new(NoAdvisor)).await
    }

    /// As [`Self::begin`], with somebody to ask.
    pub(super) async fn begin_advised(
        folder: &Path,
        config: Config,
        integrations: crate::engine::MakeIntegrations,
        advisor: Arc<dyn Advisor>,
    ) -> Self {
        let url = format!("sqlite://{}/steward.db", folder.display());
        let inner = crate::store::open(&url, folder).await.unwrap();
        let store = Arc::new(Faulty {
            inner,
            fails: AtomicBool::new(false),
            takes: Mutex::default(),
            recent: Mutex::default(),
        });
        let (config_changes, receiver) = mpsc::channel(4);
        let (_, model_calls) = mpsc::unbounded_channel();
        let stopping = CancellationToken::new();
        let board = Board::new(NODE, now(), Autonomy::Assist);
        let parts = Parts {
            settings: Arc::new(crate::engine::Settings::new(config.clone(), None)),
            config,
            clock: Arc::new(Wall),
            store: Arc::clone(&store) as Arc<dyn Store>,
            archive: Arc::clone(&store.inner) as Arc<dyn Archive>,
            documents: Arc::clone(&store.inner) as Arc<dyn crate::ports::Documents>,
            advisor,
            model_calls,
            integrations,
            rules: vec![Box::new(docker::rules::ContainerRule)],
            patterns: docker::catalogue::catalogue(),
            board,
            config_changes: receiver,
            stopping: stopping.clone(),
        };
        let (handle, running) = start(parts).await.unwrap();
        let events = handle.subscribe();
        Self {
            handle,
            events,
            store,
            config_changes,
            stopping,
            running,
        }
    }

    /// Waits until a container is known and shown in this health.
    pub(super) async fn shows(&self, name: &str, health: Health) {
        let id = container(name);
        until(&format!("{name} {health}"), || {
            let view = self.handle.view();
            view.resources
                .get(&id)
                .filter(|one| one.health == health)
                .map(|_| ())
        })
        .await;
    }

    /// The next event that a test looks for.
    pub(super) async fn event<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&Envelope) -> Option<T>,
    ) -> T {
        let found = tokio::time::timeout(LONGEST, async {
            loop {
                let entry = self.events.recv().await.unwrap();
                if let Some(found) = look(&entry) {
                    return found;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("never came: {what}"))
    }

    /// Ends it in good order, and closes the database.
    pub(super) async fn stop(self) {
        self.stopping.cancel();
        tokio::time::timeout(LONGEST, self.running)
            .await
            .unwrap()
            .unwrap();
        self.store.inner.close().await;
    }

    /// The whole journal.
    pub(super) async fn journal(&self) -> Vec<Envelope> {
        self.store.inner.journal_after(0, 10_000).await.unwrap()
    }
}

pub(super) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

pub(super) fn caller(name: &str) -> Caller {
    Caller {
        identity: name.to_owned(),
        role: Role::Operator,
        channel: Channel::Http,
    }
}
