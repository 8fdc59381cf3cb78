//! People who answer at the same time, late, or twice.

use std::sync::{Arc, atomic::Ordering};

use steward_api::{
    ApproveRequest, Autonomy, ErrorCode, Event, Health, RejectRequest, Task, TaskState,
};

use super::fakes::{FakeActuator, FakeSource, Rig, caller, folder, quick, until};
use crate::ports::Store;

/// An engine that has asked about a dead container.
async fn asked() -> (
    tempfile::TempDir,
    Rig,
    Arc<FakeSource>,
    Arc<FakeActuator>,
    Arc<Task>,
) {
    let folder = folder();
    let source = FakeSource::new("docker").runs("web");
    let actuator = FakeActuator::new(&source);
    let mut config = quick();
    config.autonomy.level = Autonomy::Ask;
    let rig = Rig::begin(
        folder.path(),
        config,
        vec![Arc::clone(&source)],
        Arc::clone(&actuator),
    )
    .await;
    rig.shows("web", Health::Healthy).await;
    source.dies("web");
    let task = until("a question", || {
        rig.handle.view().open_tasks.first().cloned()
    })
    .await;
    assert!(task.requires_approval);
    (folder, rig, source, actuator, task)
}

fn yes(task: &Task) -> ApproveRequest {
    ApproveRequest {
        plan_hash: Some(task.plan_hash.clone()),
        approved_by: "ada".to_owned(),
        notes: String::new(),
    }
}

fn no(task: &Task) -> RejectRequest {
    RejectRequest {
        plan_hash: Some(task.plan_hash.clone()),
        rejected_by: "bob".to_owned(),
        reason: "not now".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_answers_at_once_one_counts() {
    let (_folder, rig, source, actuator, task) = asked().await;
    actuator.slow_check.store(true, Ordering::SeqCst);
    let answers = (0..8).map(|number| {
        let (handle, task) = (rig.handle.clone(), Arc::clone(&task));
        tokio::spawn(async move {
            handle
                .approve(task.id, yes(&task), caller(&format!("person-{number}")))
                .await
        })
    });
    let mut taken = 0;
    for answer in futures_util::future::join_all(answers).await {
        match answer.unwrap() {
            Ok(task) => {
                assert!(task.approved);
                taken += 1;
            }
            Err(problem) => assert_eq!(problem.code, ErrorCode::TaskNotWaiting),
        }
    }
    assert_eq!(taken, 1);
    until("web to be healed", || {
        source.is_running("web").then_some(())
    })
    .await;
    until("the task to be over", || {
        rig.handle.view().open_tasks.is_empty().then_some(())
    })
    .await;
    assert_eq!(actuator.applied().len(), 1);
    let refused = rig.journal().await;
    let refused = refused
        .iter()
        .filter(|entry| matches!(entry.event, Event::AnswerRefused { .. }));
    assert_eq!(refused.count(), 7, "who tried is in the journal");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_that_comes_before_the_yes_is_checked_wins() {
    let (_folder, rig, source, actuator, task) = asked().await;
    actuator.slow_check.store(true, Ordering::SeqCst);
    let (handle, asked) = (rig.handle.clone(), Arc::clone(&task));
    let approval =
        tokio::spawn(async move { handle.approve(asked.id, yes(&asked), caller("ada")).await });
    tokio::task::yield_now().await;
    let rejection = rig.handle.reject(task.id, no(&task), caller("bob")).await;
    let approval = approval.await.unwrap();
    assert!(
        approval.is_ok() != rejection.is_ok(),
        "one of the two counts: {approval:?}, {rejection:?}"
    );
    let closed = rig.store.task(task.id).await.unwrap().unwrap();
    if rejection.is_ok() {
        assert_eq!(closed.status, TaskState::Rejected);
        assert_eq!(actuator.applied(), Vec::<String>::new());
        assert!(!source.is_running("web"));
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_to_what_has_changed_meanwhile_is_refused() {
    let (_folder, rig, source, actuator, task) = asked().await;
    let mut other = yes(&task);
    other.plan_hash = Some(steward_api::PlanHash("0".repeat(64)));
    let problem = rig.handle.approve(task.id, other, caller("ada")).await;
    assert_eq!(problem.unwrap_err().code, ErrorCode::PlanChanged);
    // Somebody started it by hand, and the event has not arrived.
    source.edit("web", Health::Healthy, |facts| {
        facts.status = steward_api::ContainerStatus::Running;
    });
    let problem = rig.handle.approve(task.id, yes(&task), caller("ada")).await;
    let code = problem.unwrap_err().code;
    assert!(
        matches!(code, ErrorCode::PlanStale | ErrorCode::TaskNotWaiting),
        "{code}"
    );
    assert_eq!(actuator.applied(), Vec::<String>::new());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_question_is_not_asked_again_after_a_restart_of_the_agent() {
    let (folder, rig, source, actuator, task) = asked().await;
    rig.handle
        .reject(task.id, no(&task), caller("bob"))
        .await
        .unwrap();
    rig.stop().await;
    let mut config = quick();
    config.autonomy.level = Autonomy::Ask;
    let rig = Rig::begin(
        folder.path(),
        config,
        vec![Arc::clone(&source)],
        Arc::clone(&actuator),
    )
    .await;
    rig.shows("web", Health::Unhealthy).await;
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    let view = rig.handle.view();
    assert_eq!(view.active_incidents.len(), 1);
    assert!(view.open_tasks.is_empty(), "{:?}", view.open_tasks);
    assert_eq!(actuator.applied(), Vec::<String>::new());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_the_journal_does_not_take_did_not_happen() {
    let (_folder, rig, _source, actuator, task) = asked().await;
    rig.store.fails.store(true, Ordering::SeqCst);
    let problem = rig.handle.approve(task.id, yes(&task), caller("ada")).await;
    assert_eq!(problem.unwrap_err().code, ErrorCode::StoreUnavailable);
    assert_eq!(actuator.applied(), Vec::<String>::new());
    rig.store.fails.store(false, Ordering::SeqCst);
    until("the journal to take writes", || {
        rig.handle.view().store_error.is_none().then_some(())
    })
    .await;
    let still = until("the question", || {
        rig.handle.view().open_tasks.first().cloned()
    })
    .await;
    assert!(still.requires_approval && !still.approved);
    rig.stop().await;
}
