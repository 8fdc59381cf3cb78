//! What a person asks to be done to something that works: offered first, weighed as ever, and nothing else.

use std::sync::{Arc, atomic::Ordering};

use steward_api::{
    ActionName, ApproveRequest, AskRequest, Autonomy, ErrorCode, Health, Risk, Role, TaskState,
};

use super::fakes::{FakeActuator, FakeSource, Rig, caller, container, folder, quick, until};
use crate::{config::Config, engine::Caller, ports::Store as _};

struct Stage {
    _folder: tempfile::TempDir,
    rig: Rig,
    source: Arc<FakeSource>,
    actuator: Arc<FakeActuator>,
}

async fn stage(change: impl FnOnce(&mut Config)) -> Stage {
    let folder = folder();
    let source = FakeSource::new("docker").runs("web");
    let actuator = FakeActuator::new(&source);
    let mut config = quick();
    change(&mut config);
    let rig = Rig::begin(
        folder.path(),
        config,
        vec![Arc::clone(&source)],
        Arc::clone(&actuator),
    )
    .await;
    rig.shows("web", Health::Healthy).await;
    Stage {
        _folder: folder,
        rig,
        source,
        actuator,
    }
}

fn ask(action: ActionName) -> AskRequest {
    AskRequest {
        id: container("web"),
        action,
        reason: "moving it".to_owned(),
    }
}

impl Stage {
    async fn offered(&self) -> Vec<ActionName> {
        let offers = self.rig.handle.offers(container("web")).await.unwrap();
        offers.actions.iter().map(|offer| offer.action).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_offered_fits_the_resource_as_it_is() {
    let stage = stage(|config| config.autonomy.level = Autonomy::Ask).await;
    let offered = stage.offered().await;
    assert!(
        offered.contains(&ActionName::RestartContainer),
        "{offered:?}"
    );
    assert!(offered.contains(&ActionName::StopContainer), "{offered:?}");
    for wrong in [
        ActionName::StartContainer,
        ActionName::PruneUnusedImages,
        ActionName::RunScript,
        ActionName::RestartUnit,
    ] {
        assert!(!offered.contains(&wrong), "{offered:?}");
    }
    stage.source.dies("web");
    stage.rig.shows("web", Health::Unhealthy).await;
    let offered = stage.offered().await;
    assert!(offered.contains(&ActionName::StartContainer), "{offered:?}");
    assert!(!offered.contains(&ActionName::StopContainer), "{offered:?}");
    let unknown = stage.rig.handle.offers(container("ghost")).await;
    assert_eq!(unknown.unwrap_err().code, ErrorCode::ResourceNotFound);
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn low_risk_is_done_and_more_waits_for_a_yes() {
    let stage = stage(|_| {}).await;
    let done = stage
        .rig
        .handle
        .ask_for(ask(ActionName::RestartContainer), caller("ada"))
        .await
        .unwrap();
    assert!(!done.requires_approval);
    until("the restart", || {
        (stage.actuator.applied().len() == 1).then_some(())
    })
    .await;
    until("its end", || {
        stage.rig.handle.view().open_tasks.is_empty().then_some(())
    })
    .await;

    let waits = stage
        .rig
        .handle
        .ask_for(ask(ActionName::StopContainer), caller("ada"))
        .await
        .unwrap();
    assert!(waits.requires_approval);
    assert_eq!(waits.plan.risk(), Risk::Medium);
    assert!(
        waits
            .why
            .contains("ada asked for stop_container: moving it"),
        "{}",
        waits.why
    );
    assert_eq!(stage.actuator.applied().len(), 1, "nothing before the yes");
    let yes = ApproveRequest {
        plan_hash: Some(waits.plan_hash.clone()),
        approved_by: "bob".to_owned(),
        notes: String::new(),
    };
    stage
        .rig
        .handle
        .approve(waits.id, yes, caller("bob"))
        .await
        .unwrap();
    until("the stop", || {
        (stage.actuator.applied().len() == 2).then_some(())
    })
    .await;
    until("its end", || {
        stage.rig.handle.view().open_tasks.is_empty().then_some(())
    })
    .await;
    let closed = stage.rig.store.task(waits.id).await.unwrap().unwrap();
    assert!(closed.status.is_final(), "{:?}", closed.status);
    assert_ne!(closed.status, TaskState::Rejected);
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_offered_not_allowed_or_already_at_work_is_refused() {
    let stage = stage(|_| {}).await;
    for wrong in [
        ActionName::StartContainer,
        ActionName::PruneUnusedVolumes,
        ActionName::RestartDockerDaemon,
        ActionName::RunScript,
    ] {
        let refused = stage.rig.handle.ask_for(ask(wrong), caller("ada")).await;
        let problem = refused.unwrap_err();
        assert_eq!(problem.code, ErrorCode::NothingToDo, "{wrong}");
        assert!(
            problem.detail.contains("restart_container"),
            "{}",
            problem.detail
        );
    }
    let viewer = Caller {
        role: Role::Viewer,
        ..caller("eve")
    };
    let refused = stage
        .rig
        .handle
        .ask_for(ask(ActionName::RestartContainer), viewer)
        .await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::Forbidden);

    stage.actuator.holds.store(true, Ordering::SeqCst);
    stage
        .rig
        .handle
        .ask_for(ask(ActionName::RestartContainer), caller("ada"))
        .await
        .unwrap();
    let refused = stage
        .rig
        .handle
        .ask_for(ask(ActionName::StopContainer), caller("bob"))
        .await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::NothingToDo);
    stage.actuator.holds.store(false, Ordering::SeqCst);
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_watches_does_nothing_for_anybody() {
    let stage = stage(|config| config.autonomy.level = Autonomy::Observe).await;
    let refused = stage
        .rig
        .handle
        .ask_for(ask(ActionName::RestartContainer), caller("ada"))
        .await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::Withheld);
    assert!(stage.actuator.applied().is_empty());
    stage.rig.stop().await;
}
