//! After a crash: what was under way is checked against the world, and never repeated.

use jiff::Timestamp;
use steward_api::{ActionName, ResourceId};

use super::{
    super::*,
    scripted::{Bench, Says, WasApplied, applied_nothing, details, limits, restart, task},
};
use crate::ports::ActionRecord;

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

fn update(name: &str) -> Step {
    let one = restart(name);
    let Action::RestartContainer { container, .. } = &one.action else {
        panic!("{one:?}")
    };
    Step {
        undo: Undo::Action {
            action: Box::new(Action::RestorePrevious {
                container: container.clone(),
                grace_seconds: 1,
            }),
        },
        action: Action::UpdateImage {
            container: container.clone(),
            image: "db:1".to_owned(),
            from_image_id: "sha256:old".to_owned(),
            grace_seconds: 1,
        },
        ..one
    }
}

/// Halfway between two containers there may be none: that one is put back, with an intent of its own.
#[tokio::test(start_paused = true)]
async fn a_container_that_was_being_made_anew_is_put_back_and_one_that_is_well_stays() {
    for applied in [WasApplied::No, WasApplied::CantTell] {
        let bench = Bench::new().applied(std::slice::from_ref(&applied));
        let plan = task(vec![update("db")]);
        let (success, text) = details(recover(&bench.executor, &plan, &[open(0, false)]).await);
        assert!(!success && text.contains("taken back"), "{text}");
        let applied: Vec<_> = bench
            .diary()
            .into_iter()
            .filter(|line| line.starts_with("apply"))
            .collect();
        assert_eq!(applied, ["apply Put db back as it was before"]);
        assert_eq!(
            bench.results(),
            [StepResult::Interrupted, StepResult::Undone]
        );
    }
    let bench = Bench::new();
    let (success, _) = recovered(&bench, vec![update("db")], &[open(0, false)]).await;
    assert!(success);
}
