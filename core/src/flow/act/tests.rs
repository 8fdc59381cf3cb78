//! The executor and its recovery, with an actuator that does as it is told and a ledger in memory. Time is paused, so waiting is free.

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

use super::*;
use crate::ports::ActionRecord;

/// What was asked of the ledger and the actuator, in order.
type Diary = Arc<Mutex<Vec<String>>>;

/// What a reading of the scripted world says.
#[derive(Clone, Debug)]
enum Says {
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

fn unreachable() -> ActError {
    ActError::Unreachable {
        what: "the engine".to_owned(),
        reason: "connection refused".to_owned(),
    }
}

/// What applying an action comes to.
#[derive(Clone, Debug)]
enum Applies {
    Well,
    Fails(&'static str),
    Hangs,
}

/// Whether an action was applied, as recovery asks.
#[derive(Clone, Debug)]
enum WasApplied {
    Yes,
    No,
    CantTell,
    Gone,
    Unreachable,
}

/// An actuator that does as it is told; where nothing more is told, all is well.
struct Scripted {
    diary: Diary,
    check: Mutex<VecDeque<Says>>,
    apply: Mutex<VecDeque<Applies>>,
    /// From so many seconds on, counted from the first verification of each step, it says this.
    verify: Mutex<Vec<(f64, Says)>>,
    verified_since: Mutex<Option<Instant>>,
    was_applied: Mutex<VecDeque<WasApplied>>,
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
struct Book {
    diary: Diary,
    seq: AtomicI64,
    /// Intents that are still taken; after that the journal refuses.
    takes: AtomicI64,
    conclusions: Mutex<Vec<Conclusion>>,
    lines: Mutex<Vec<ExecutionEntry>>,
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

fn note(diary: &Diary, what: &str) {
    diary.lock().unwrap().push(what.to_owned());
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

/// The executor with all around it.
struct Bench {
    diary: Diary,
    world: Arc<Scripted>,
    book: Arc<Book>,
    executor: Executor,
}

impl Bench {
    fn new() -> Self {
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

    fn verifies(self, script: &[(f64, Says)]) -> Self {
        *self.world.verify.lock().unwrap() = script.to_vec();
        self
    }

    fn applies(self, script: &[Applies]) -> Self {
        self.world
            .apply
            .lock()
            .unwrap()
            .extend(script.iter().cloned());
        self
    }

    fn checks(self, script: &[Says]) -> Self {
        self.world
            .check
            .lock()
            .unwrap()
            .extend(script.iter().cloned());
        self
    }

    fn applied(self, script: &[WasApplied]) -> Self {
        self.world
            .was_applied
            .lock()
            .unwrap()
            .extend(script.iter().cloned());
        self
    }

    fn diary(&self) -> Vec<String> {
        self.diary.lock().unwrap().clone()
    }

    fn results(&self) -> Vec<StepResult> {
        let conclusions = self.book.conclusions.lock().unwrap();
        conclusions.iter().map(|one| one.result).collect()
    }

    fn words_in_log(&self) -> Vec<String> {
        let lines = self.book.lines.lock().unwrap();
        lines.iter().map(|line| line.action.clone()).collect()
    }

    async fn run(&self, steps: Vec<Step>) -> Execution {
        self.executor.execute(&task(steps)).await
    }
}

fn container(name: &str) -> ContainerRef {
    ContainerRef::new(ResourceId::container("n", name), format!("{name}#1")).unwrap()
}

fn exists(container: &ContainerRef) -> Precondition {
    Precondition::Container {
        resource: container.resource.clone(),
        container_id: container.container_id.clone(),
        condition: ContainerCondition::Exists,
    }
}

/// A restart that must be well for 10 s within 60 s.
fn restart(name: &str) -> Step {
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
fn limits(name: &str) -> Step {
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

fn task(steps: Vec<Step>) -> Task {
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

fn details(execution: Execution) -> (bool, String) {
    match execution {
        Execution::Ended(result) => (result.success, result.details),
        Execution::LeftOpen => panic!("left open"),
    }
}

fn applied_nothing(diary: &[String]) -> bool {
    !diary.iter().any(|line| line.starts_with("apply"))
}

#[tokio::test(start_paused = true)]
async fn a_step_is_written_down_checked_applied_verified_and_concluded_in_this_order() {
    let bench = Bench::new();
    let began = Instant::now();
    let (success, text) = details(bench.run(vec![restart("db")]).await);
    assert!(success, "{text}");
    assert!(text.contains("stable for 10 s"), "{text}");
    assert!(began.elapsed() >= Duration::from_secs(10));
    assert_eq!(
        bench.diary(),
        [
            "intend 0",
            "check",
            "apply Restart db (10 s grace)",
            "verify",
            "conclude 0 Succeeded"
        ]
    );
    assert_eq!(
        bench.words_in_log(),
        ["restarted_container", "verified_health"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_journal_does_not_take_is_not_done() {
    let bench = Bench::new();
    bench.book.takes.store(0, Ordering::SeqCst);
    let (success, text) = details(bench.run(vec![restart("db")]).await);
    assert!(!success);
    assert!(text.contains("nothing was done"), "{text}");
    assert_eq!(bench.diary(), ["intend 0"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_plan_rests_on_is_read_right_before_and_a_broken_one_is_skipped() {
    for says in [
        Says::Broken("it runs again"),
        Says::Hopeless("container db#1 is gone"),
        Says::Unreachable,
    ] {
        let bench = Bench::new().checks(std::slice::from_ref(&says));
        let (success, text) = details(bench.run(vec![restart("db"), restart("app")]).await);
        assert!(!success);
        assert!(text.starts_with("not done"), "{text}");
        assert!(applied_nothing(&bench.diary()), "{says:?}");
        assert_eq!(bench.results(), [StepResult::Skipped], "{says:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_nothing_here_can_do_fails_without_an_intent() {
    let mut step = restart("db");
    step.action = Action::RunScript {
        host: ResourceId::host("n"),
        script: "x".to_owned(),
        risk: steward_api::Risk::High,
    };
    let bench = Bench::new();
    let (success, text) = details(bench.run(vec![step]).await);
    assert!(!success);
    assert!(text.contains("run_script"), "{text}");
    assert_eq!(bench.diary(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_engine_fails_the_step_in_its_words() {
    let bench = Bench::new().applies(&[Applies::Fails("port is already allocated")]);
    let (success, text) = details(bench.run(vec![restart("db")]).await);
    assert!(!success);
    assert_eq!(text, "port is already allocated");
    assert_eq!(bench.results(), [StepResult::Failed]);
}

#[tokio::test(start_paused = true)]
async fn an_action_that_hangs_is_given_up() {
    let bench = Bench::new().applies(&[Applies::Hangs]);
    let began = Instant::now();
    let (success, text) = details(bench.run(vec![restart("db")]).await);
    assert!(!success);
    assert!(text.contains("no answer within 30s"), "{text}");
    assert!(began.elapsed() < Duration::from_secs(31));
    assert_eq!(bench.results(), [StepResult::Failed]);
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_flaps_counts_only_from_when_it_stays() {
    let bench = Bench::new().verifies(&[
        (0.0, Says::Broken("starting")),
        (5.0, Says::Holds),
        (12.0, Says::Broken("ended with exit code 1")),
        (14.0, Says::Unreachable),
        (20.0, Says::Holds),
    ]);
    let began = Instant::now();
    let (success, text) = details(bench.run(vec![restart("db")]).await);
    assert!(success, "{text}");
    assert!(began.elapsed() >= Duration::from_secs(30), "{text}");
    assert!(text.contains("well after 30"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_begins_late_may_still_take_its_stabilisation_time() {
    let bench = Bench::new().verifies(&[(0.0, Says::Broken("starting")), (59.0, Says::Holds)]);
    let (success, text) = details(bench.run(vec![restart("db")]).await);
    assert!(success, "{text}");
}

#[tokio::test(start_paused = true)]
async fn done_without_the_effect_is_not_success() {
    for (script, within) in [
        (vec![(0.0, Says::Broken("ended with exit code 1"))], 62),
        (
            vec![(0.0, Says::Holds), (3.0, Says::Hopeless("it is gone"))],
            5,
        ),
        (vec![(0.0, Says::Unreachable)], 62),
        // It comes and goes for ever: no end of that is waited for.
        (
            (0..100)
                .map(|n| {
                    let says = [Says::Holds, Says::Broken("ended")][n % 2].clone();
                    (4.0 * n as f64, says)
                })
                .collect(),
            80,
        ),
    ] {
        let bench = Bench::new().verifies(&script);
        let began = Instant::now();
        let (success, text) = details(bench.run(vec![restart("db")]).await);
        assert!(!success);
        assert!(text.contains("but it did not help"), "{text}");
        assert!(began.elapsed() < Duration::from_secs(within), "{text}");
        assert_eq!(bench.results(), [StepResult::NotVerified]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_did_not_help_is_taken_back_and_what_was_done_before_it_in_reverse() {
    let bench = Bench::new().checks(&[
        Says::Holds,
        Says::Holds,
        Says::Broken("somebody else started it"),
    ]);
    let steps = vec![limits("a"), limits("b"), restart("c"), restart("d")];
    let (success, text) = details(bench.run(steps).await);
    assert!(!success);
    assert!(text.contains("taken back"), "{text}");
    assert_eq!(
        bench.diary(),
        [
            "intend 0",
            "check",
            "apply Set limits of a: memory from 256 MiB to 384 MiB",
            "verify",
            "conclude 0 Succeeded",
            "intend 1",
            "check",
            "apply Set limits of b: memory from 256 MiB to 384 MiB",
            "verify",
            "conclude 1 Succeeded",
            "intend 2",
            "check",
            "conclude 2 Skipped",
            "intend back 1",
            "apply Set limits of b: memory from 384 MiB to 256 MiB",
            "conclude back 1 Undone",
            "intend back 0",
            "apply Set limits of a: memory from 384 MiB to 256 MiB",
            "conclude back 0 Undone",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_that_was_applied_but_not_verified_is_taken_back_itself() {
    let bench = Bench::new().verifies(&[(0.0, Says::Broken("the limit is as before"))]);
    let (success, _) = details(bench.run(vec![limits("a")]).await);
    assert!(!success);
    assert_eq!(
        bench.results(),
        [StepResult::NotVerified, StepResult::Undone]
    );
    assert_eq!(bench.diary().last().unwrap(), "conclude back 0 Undone");
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_fails_is_said_and_one_without_a_journal_is_not_done() {
    let bench = Bench::new()
        .verifies(&[(0.0, Says::Broken("as before"))])
        .applies(&[Applies::Well, Applies::Fails("refused")]);
    let (_, text) = details(bench.run(vec![limits("a")]).await);
    assert!(text.contains("could not be taken back: refused"), "{text}");
    assert_eq!(
        bench.results(),
        [StepResult::NotVerified, StepResult::Failed]
    );

    let bench = Bench::new().verifies(&[(0.0, Says::Broken("as before"))]);
    bench.book.takes.store(1, Ordering::SeqCst);
    let (_, text) = details(bench.run(vec![limits("a")]).await);
    assert!(text.contains("could not be taken back"), "{text}");
    let applied = bench.diary();
    let applied = applied.iter().filter(|line| line.starts_with("apply"));
    assert_eq!(applied.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_plan_stops_at_the_first_step_that_does_not_succeed() {
    let bench = Bench::new().applies(&[Applies::Well, Applies::Fails("no")]);
    let (success, _) = details(
        bench
            .run(vec![restart("a"), restart("b"), restart("c")])
            .await,
    );
    assert!(!success);
    assert_eq!(bench.results(), [StepResult::Succeeded, StepResult::Failed]);
    assert!(!bench.diary().contains(&"intend 2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_ends_begins_nothing_new() {
    let bench = Bench::new();
    bench.executor.stopping.cancel();
    assert_eq!(bench.run(vec![restart("db")]).await, Execution::LeftOpen);
    assert_eq!(bench.diary(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_ends_during_a_verification_leaves_the_intent_open() {
    let bench = Bench::new().verifies(&[(0.0, Says::Broken("starting"))]);
    let stopping = bench.executor.stopping.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(5)).await;
        stopping.cancel();
    });
    assert_eq!(
        bench.run(vec![restart("db"), restart("app")]).await,
        Execution::LeftOpen
    );
    assert_eq!(bench.results(), []);
    assert!(!bench.diary().contains(&"intend 1".to_owned()));
}

/// An actuator whose check lets the agent end meanwhile.
#[tokio::test(start_paused = true)]
async fn an_agent_that_ends_right_before_the_deed_does_not_do_it() {
    struct Stops(CancellationToken, Arc<Scripted>);

    #[async_trait]
    impl Actuator for Stops {
        fn handles(&self, _: ActionName) -> bool {
            true
        }
        fn timeout(&self, _: &Action) -> Duration {
            Duration::from_secs(1)
        }
        async fn check(&self, _: &Precondition) -> Result<Reading, ActError> {
            self.0.cancel();
            Ok(Reading::Holds)
        }
        async fn apply(&self, permit: &Permit) -> Result<String, ActError> {
            self.1.apply(permit).await
        }
        async fn verify(&self, verification: &Verification) -> Result<Reading, ActError> {
            self.1.verify(verification).await
        }
        async fn was_applied(&self, _: &Action, _: Timestamp) -> Result<Option<bool>, ActError> {
            Ok(None)
        }
    }

    let mut bench = Bench::new();
    let stops = Stops(bench.executor.stopping.clone(), Arc::clone(&bench.world));
    bench.executor.actuators = Arc::new(vec![Arc::new(stops) as Arc<dyn Actuator>]);
    let _ = bench.run(vec![restart("db")]).await;
    assert!(applied_nothing(&bench.diary()));
    assert_eq!(bench.results(), [StepResult::Skipped]);
}

// ---------------------------------------------------------------------------------------------------------------- recovery

fn open(step: u32, undo: bool) -> ActionRecord {
    ActionRecord {
        task: TaskId(7),
        step,
        undo,
        action: ActionName::RestartContainer,
        resource: ResourceId::container("n", "db"),
        problem: None,
        intended_at: Timestamp::UNIX_EPOCH,
        concluded: None,
    }
}

async fn recovered(bench: &Bench, steps: Vec<Step>, open: &[ActionRecord]) -> (bool, String) {
    let (success, text) = details(recover(&bench.executor, &task(steps), open).await);
    assert!(applied_nothing(&bench.diary()), "recovery repeats nothing");
    assert!(
        !bench.diary().iter().any(|line| line.starts_with("intend")),
        "recovery intends nothing"
    );
    (success, text)
}

#[tokio::test(start_paused = true)]
async fn what_was_done_before_a_crash_and_helped_is_a_success() {
    let bench = Bench::new();
    let (success, text) = recovered(&bench, vec![restart("db")], &[open(0, false)]).await;
    assert!(success, "{text}");
    assert!(text.contains("the world shows that it was done"), "{text}");
    assert_eq!(bench.results(), [StepResult::Succeeded]);
    assert_eq!(bench.words_in_log(), ["checked_after_restart"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_done_before_a_crash_and_did_not_help_is_a_failure() {
    let bench = Bench::new().verifies(&[(0.0, Says::Broken("ended with exit code 1"))]);
    let (success, text) = recovered(&bench, vec![restart("db")], &[open(0, false)]).await;
    assert!(!success, "{text}");
    assert_eq!(bench.results(), [StepResult::NotVerified]);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_done_before_a_crash_is_not_repeated() {
    for (applied, words) in [
        (WasApplied::No, "not repeated"),
        (WasApplied::CantTell, "can't be told"),
        (WasApplied::Gone, "container db is gone"),
    ] {
        let bench = Bench::new().applied(std::slice::from_ref(&applied));
        let (success, text) = recovered(&bench, vec![restart("db")], &[open(0, false)]).await;
        assert!(!success);
        assert!(text.contains(words), "{applied:?}: {text}");
        assert_eq!(bench.results(), [StepResult::Interrupted], "{applied:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_comes_back_later_is_waited_for() {
    let bench = Bench::new().applied(&[
        WasApplied::Unreachable,
        WasApplied::Unreachable,
        WasApplied::Unreachable,
        WasApplied::Yes,
    ]);
    let began = Instant::now();
    let (success, text) = recovered(&bench, vec![restart("db")], &[open(0, false)]).await;
    assert!(success, "{text}");
    assert!(began.elapsed() >= Duration::from_secs(9));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_never_comes_back_is_not_waited_for_for_ever() {
    let bench = Bench::new().applied(&vec![WasApplied::Unreachable; 1000]);
    let began = Instant::now();
    let (success, text) = recovered(&bench, vec![restart("db")], &[open(0, false)]).await;
    assert!(!success);
    assert!(text.contains("does not answer"), "{text}");
    assert!(began.elapsed() < Duration::from_secs(15 * 60));
    assert_eq!(bench.results(), [StepResult::Interrupted]);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_ends_again_during_recovery_leaves_it_open_again() {
    let bench = Bench::new().applied(&vec![WasApplied::Unreachable; 1000]);
    let stopping = bench.executor.stopping.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(20)).await;
        stopping.cancel();
    });
    let execution = recover(
        &bench.executor,
        &task(vec![restart("db")]),
        &[open(0, false)],
    )
    .await;
    assert_eq!(execution, Execution::LeftOpen);
    assert_eq!(bench.results(), []);
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_was_cut_off_after_its_first_step_is_no_success() {
    let bench = Bench::new();
    let steps = vec![restart("db"), restart("app")];
    let (success, text) = recovered(&bench, steps, &[open(0, false)]).await;
    assert!(!success, "its second step was never begun: {text}");
    assert_eq!(bench.results(), [StepResult::Succeeded]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_cut_off_between_two_steps_is_closed_without_a_claim() {
    let bench = Bench::new();
    let (success, text) = recovered(&bench, vec![restart("db")], &[]).await;
    assert!(!success);
    assert!(text.contains("nothing was repeated"), "{text}");
    assert_eq!(bench.diary(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_was_under_way_is_checked_as_what_it_is() {
    let bench = Bench::new();
    let (success, _) = recovered(&bench, vec![limits("db")], &[open(0, true)]).await;
    assert!(!success, "what was taken back is no success");
    assert_eq!(bench.results(), [StepResult::Undone]);
    assert_eq!(
        bench.diary()[0],
        "was applied? Set limits of db: memory from 384 MiB to 256 MiB"
    );
    assert!(!bench.diary().contains(&"verify".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_record_of_a_step_that_the_plan_does_not_have_is_left_alone() {
    let bench = Bench::new();
    let (success, _) = recovered(&bench, vec![restart("db")], &[open(5, false)]).await;
    assert!(!success);
    assert!(bench.results().is_empty());
}
