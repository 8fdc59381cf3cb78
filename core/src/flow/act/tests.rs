//! The executor: with an actuator that does as it is told and a ledger in memory. Time is paused, so waiting is free.

mod recovery;
mod scripted;

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use scripted::{Applies, Bench, Says, Scripted, applied_nothing, details, limits, restart};
use steward_api::{ActionName, Precondition, ResourceId};

use super::*;

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
