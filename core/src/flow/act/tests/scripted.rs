//! An actuator that does as it is told, a ledger in memory, and an executor between them.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use jiff::Timestamp;
use steward_api::{
    ActionName, ContainerCondition, ContainerRef, Event, IncidentId, Limits, Plan, Precondition,
    Requester, ResourceId, TaskState,
};

use super::super::*;

/// What was asked of the ledger and the actuator, in order.
pub(super) type Diary = Arc<Mutex<Vec<String>>>;

/// What a reading of the scripted world says.
#[derive(Clone, Debug)]
pub(super) enum Says {
    Holds,
    Broken(&'static str),
    Hopeless(&'static str),
    Unreachable,
}

impl Says {
    fn reading(self) -> Result<Reading, ActError> {
        match self {
            Self::Holds => Ok(Reading::Holds),
            Self::Broken(why) => Ok(Reading::Broken(why.to_owned())),
            Self::Hopeless(why) => Ok(Reading::Hopeless(why.to_owned())),
            Self::Unreachable => Err(unreachable()),
        }
    }
}

pub(super) fn unreachable() -> ActError {
    ActError::Unreachable {
        what: "the engine".to_owned(),
        reason: "connection refused".to_owned(),
    }
}

/// What applying an action comes to.
#[derive(Clone, Debug)]
pub(super) enum Applies {
    Well,
    Fails(&'static str),
    Hangs,
}

/// Whether an action was applied, as recovery asks.
#[derive(Clone, Debug)]
pub(super) enum WasApplied {
    Yes,
    No,
    CantTell,
    Gone,
    Unreachable,
}

/// An actuator that does as it is told; where nothing more is told, all is well.
pub(super) struct Scripted {
    pub(super) diary: Diary,
    pub(super) check: Mutex<VecDeque<Says>>,
    pub(super) apply: Mutex<VecDeque<Applies>>,
    /// From so many seconds on, counted from the first verification of each step, it says this.
    pub(super) verify: Mutex<Vec<(f64, Says)>>,
    pub(super) verified_since: Mutex<Option<Instant>>,
    pub(super) was_applied: Mutex<VecDeque<WasApplied>>,
}

#[async_trait]
impl Actuator for Scripted {
    fn handles(&self, action: ActionName) -> bool {
        action != ActionName::RunScript
    }

    fn timeout(&self, _: &Action) -> Duration {
        Duration::from_secs(30)
    }

    async fn check(&self, _: &Precondition) -> Result<Reading, ActError> {
        note(&self.diary, "check");
        let told = self.check.lock().unwrap().pop_front();
        told.unwrap_or(Says::Holds).reading()
    }

    async fn apply(&self, permit: &Permit) -> Result<String, ActError> {
        assert!(permit.seq() > 0);
        note(&self.diary, &format!("apply {}", permit.action()));
        *self.verified_since.lock().unwrap() = None;
        let told = self.apply.lock().unwrap().pop_front();
        match told.unwrap_or(Applies::Well) {
            Applies::Well => Ok(format!("did: {}", permit.action())),
            Applies::Fails(why) => Err(ActError::Failed(why.to_owned())),
            Applies::Hangs => std::future::pending().await,
        }
    }

    async fn verify(&self, _: &Verification) -> Result<Reading, ActError> {
        let since = *self
            .verified_since
            .lock()
            .unwrap()
            .get_or_insert_with(Instant::now);
        let passed = since.elapsed().as_secs_f64();
        let script = self.verify.lock().unwrap();
        let says = script
            .iter()
            .rev()
            .find(|(from, _)| *from <= passed)
            .map_or(Says::Holds, |(_, says)| says.clone());
        let mut diary = self.diary.lock().unwrap();
        if diary.last().is_none_or(|last| last != "verify") {
            diary.push("verify".to_owned());
        }
        says.reading()
    }

    async fn was_applied(&self, action: &Action, _: Timestamp) -> Result<Option<bool>, ActError> {
        note(&self.diary, &format!("was applied? {action}"));
        let told = self.was_applied.lock().unwrap().pop_front();
        match told.unwrap_or(WasApplied::Yes) {
            WasApplied::Yes => Ok(Some(true)),
            WasApplied::No => Ok(Some(false)),
            WasApplied::CantTell => Ok(None),
            WasApplied::Gone => Err(ActError::Gone("container db".to_owned())),
            WasApplied::Unreachable => Err(unreachable()),
        }
    }
}

/// A ledger in memory.
pub(super) struct Book {
    pub(super) diary: Diary,
    pub(super) seq: AtomicI64,
    /// Intents that are still taken; after that the journal refuses.
    pub(super) takes: AtomicI64,
    pub(super) conclusions: Mutex<Vec<Conclusion>>,
    pub(super) lines: Mutex<Vec<ExecutionEntry>>,
}

#[async_trait]
impl Ledger for Book {
    async fn intend(&self, intent: Intent) -> Result<Envelope, StoreError> {
        let undo = if intent.undo { " back" } else { "" };
        note(&self.diary, &format!("intend{undo} {}", intent.step));
        if self.takes.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(StoreError::Unavailable("disk full".into()));
        }
        Ok(Envelope {
            seq: self.seq.fetch_add(1, Ordering::SeqCst),
            node: "n".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            event: Event::ActionIntended {
                task: intent.task,
                step: intent.step,
                undo: intent.undo,
                action: intent.action.name(),
                resource: intent.action.target().clone(),
                problem: None,
            },
            hash: "ab".to_owned(),
        })
    }

    async fn conclude(&self, conclusion: Conclusion) {
        let undo = if conclusion.intent.undo { " back" } else { "" };
        note(
            &self.diary,
            &format!(
                "conclude{undo} {} {:?}",
                conclusion.intent.step, conclusion.result
            ),
        );
        self.conclusions.lock().unwrap().push(conclusion);
    }

    async fn log(&self, _: TaskId, entry: ExecutionEntry) {
        self.lines.lock().unwrap().push(entry);
    }
}

pub(super) fn note(diary: &Diary, what: &str) {
    diary.lock().unwrap().push(what.to_owned());
}

pub(super) struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

/// The executor with all around it.
pub(super) struct Bench {
    pub(super) diary: Diary,
    pub(super) world: Arc<Scripted>,
    pub(super) book: Arc<Book>,
    pub(super) executor: Executor,
}

impl Bench {
    pub(super) fn new() -> Self {
        let diary = Diary::default();
        let world = Arc::new(Scripted {
            diary: Arc::clone(&diary),
            check: Mutex::default(),
            apply: Mutex::default(),
            verify: Mutex::default(),
            verified_since: Mutex::default(),
            was_applied: Mutex::default(),
        });
        let book = Arc::new(Book {
            diary: Arc::clone(&diary),
            seq: AtomicI64::new(1),
            takes: AtomicI64::new(i64::MAX),
            conclusions: Mutex::default(),
            lines: Mutex::default(),
        });
        let executor = Executor {
            actuators: Arc::new(vec![Arc::clone(&world) as Arc<dyn Actuator>]),
            ledger: Arc::clone(&book) as Arc<dyn Ledger>,
            clock: Arc::new(Still),
            stopping: CancellationToken::new(),
        };
        Self {
            diary,
            world,
            book,
            executor,
        }
    }

    pub(super) fn verifies(self, script: &[(f64, Says)]) -> Self {
        *self.world.verify.lock().unwrap() = script.to_vec();
        self
    }

    pub(super) fn applies(self, script: &[Applies]) -> Self {
        self.world
            .apply
            .lock()
            .unwrap()
            .extend(script.iter().cloned());
        self
    }

    pub(super) fn checks(self, script: &[Says]) -> Self {
        self.world
            .check
            .lock()
            .unwrap()
            .extend(script.iter().cloned());
        self
    }

    pub(super) fn applied(self, script: &[WasApplied]) -> Self {
        self.world
            .was_applied
            .lock()
            .unwrap()
            .extend(script.iter().cloned());
        self
    }

    pub(super) fn diary(&self) -> Vec<String> {
        self.diary.lock().unwrap().clone()
    }

    pub(super) fn results(&self) -> Vec<StepResult> {
        let conclusions = self.book.conclusions.lock().unwrap();
        conclusions.iter().map(|one| one.result).collect()
    }

    pub(super) fn words_in_log(&self) -> Vec<String> {
        let lines = self.book.lines.lock().unwrap();
        lines.iter().map(|line| line.action.clone()).collect()
    }

    pub(super) async fn run(&self, steps: Vec<Step>) -> Execution {
        self.executor.execute(&task(steps)).await
    }
}

pub(super) fn container(name: &str) -> ContainerRef {
    ContainerRef::new(ResourceId::container("n", name), format!("{name}#1")).unwrap()
}

pub(super) fn exists(container: &ContainerRef) -> Precondition {
    Precondition::Container {
        resource: container.resource.clone(),
        container_id: container.container_id.clone(),
        condition: ContainerCondition::Exists,
    }
}

/// A restart that must be well for 10 s within 60 s.
pub(super) fn restart(name: &str) -> Step {
    let container = container(name);
    Step {
        precondition: exists(&container),
        verification: Verification::ContainersHealthy {
            containers: vec![container.resource.clone()],
            stable_seconds: 10,
            within_seconds: 60,
        },
        undo: Undo::Impossible {
            reason: String::new(),
        },
        action: Action::RestartContainer {
            container,
            grace_seconds: 10,
        },
    }
}

/// Limits that can be put back as they were.
pub(super) fn limits(name: &str) -> Step {
    let container = container(name);
    let from = Limits {
        memory_bytes: Some(256 << 20),
        cpu_millicores: None,
    };
    let to = Limits {
        memory_bytes: Some(384 << 20),
        cpu_millicores: None,
    };
    Step {
        precondition: Precondition::Limits {
            resource: container.resource.clone(),
            container_id: container.container_id.clone(),
            limits: from,
        },
        verification: Verification::LimitsAre {
            container: container.resource.clone(),
            limits: to,
            stable_seconds: 0,
        },
        undo: Undo::Action {
            action: Box::new(Action::SetLimits {
                container: container.clone(),
                from: to,
                to: from,
            }),
        },
        action: Action::SetLimits {
            container,
            from,
            to,
        },
    }
}

pub(super) fn task(steps: Vec<Step>) -> Task {
    let plan = Plan::new(steps).unwrap();
    Task {
        id: TaskId(7),
        node: "n".to_owned(),
        incident: Some(IncidentId(1)),
        resource: ResourceId::container("n", "db"),
        description: String::new(),
        task_type: steward_api::TaskType::Healing,
        priority: 3,
        risk: plan.risk(),
        plan_hash: plan.hash().clone(),
        plan,
        requires_approval: false,
        approved: false,
        approval: None,
        status: TaskState::InProgress,
        why: String::new(),
        record: Default::default(),
        requested_by: Requester::Steward,
        created_at: Timestamp::UNIX_EPOCH,
        expires_at: None,
        not_before: None,
        started_at: None,
        finished_at: None,
        result: None,
        execution_log: Vec::new(),
    }
}

pub(super) fn details(execution: Execution) -> (bool, String) {
    match execution {
        Execution::Ended(result) => (result.success, result.details),
        Execution::LeftOpen => panic!("left open"),
    }
}

pub(super) fn applied_nothing(diary: &[String]) -> bool {
    !diary.iter().any(|line| line.starts_with("apply"))
}
