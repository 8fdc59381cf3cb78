//! What specialists propose waits for a person, whatever the autonomy is, and is in nobody's way.

use std::{sync::Arc, time::Duration};

use steward_api::{
    ActionName, ApproveRequest, Autonomy, ErrorCode, Event, Health, IncidentChange, RejectRequest,
    Requester, ResolutionKind, SayRequest, Task, TaskId, TaskState,
};

use super::{Act, Stage, ask, proposing, stage};
use crate::{
    config::Config,
    engine::tests::fakes::{caller, container, until},
    ports::Store as _,
};

const RESTART: ActionName = ActionName::RestartContainer;

fn yes(task: &Task) -> ApproveRequest {
    ApproveRequest {
        plan_hash: Some(task.plan_hash.clone()),
        approved_by: "bob".to_owned(),
        notes: String::new(),
    }
}

impl Stage {
    fn open(&self, id: TaskId) -> Option<Arc<Task>> {
        let view = self.rig.handle.view();
        view.open_tasks.iter().find(|task| task.id == id).cloned()
    }

    /// Asks, and gives the proposals of the answer: the tasks, and the refusals.
    async fn proposals(&self) -> (Vec<TaskId>, Vec<String>) {
        let said = self.say(ask("What can be done?")).await;
        let messages = self.over(said.conversation).await;
        let proposals = &messages.last().unwrap().proposals;
        let tasks: Vec<_> = proposals.iter().filter_map(|one| one.task).collect();
        assert_eq!(self.conversation(said.conversation).await.tasks, tasks);
        let refused = proposals.iter().filter_map(|one| one.refused.clone());
        (tasks, refused.collect())
    }

    async fn ended(&self, id: TaskId) -> Task {
        until("the task's end", || self.open(id).is_none().then_some(())).await;
        for _ in 0..200 {
            let task = self.rig.store.task(id).await.unwrap().unwrap();
            if task.status.is_final() {
                return task;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("task {id} never ended");
    }
}

async fn proposing_a_restart(change: impl FnOnce(&mut Config)) -> Stage {
    let restart = || vec![proposing(vec![(container("web"), RESTART)])];
    stage(vec![restart(), restart()], change).await
}

#[tokio::test(flavor = "multi_thread")]
async fn low_risk_under_autopilot_waits_for_a_yes_all_the_same() {
    let stage = proposing_a_restart(|config| {
        config.autonomy.level = Autonomy::Autopilot;
    })
    .await;
    let (tasks, refused) = stage.proposals().await;
    assert_eq!((tasks.len(), refused.len()), (1, 0), "{refused:?}");
    let task = stage.open(tasks[0]).unwrap();
    assert!(task.requires_approval && task.expires_at.is_some());
    assert_eq!(task.status, TaskState::Pending);
    assert!(
        matches!(&task.requested_by, Requester::Specialist { name, identity, .. }
            if name == "Jarvis Prime" && identity == "ada"),
        "{:?}",
        task.requested_by
    );
    assert!(
        task.why.contains("it may help") && task.why.contains("waits for a person"),
        "{}",
        task.why
    );
    // Time for whatever would begin it.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(stage.actuator.applied().is_empty());

    // Proposed once more it is the same task.
    assert_eq!(stage.proposals().await.0, tasks);
    assert_eq!(stage.rig.handle.view().open_tasks.len(), 1);

    stage
        .rig
        .handle
        .approve(task.id, yes(&task), caller("bob"))
        .await
        .unwrap();
    until("the restart", || {
        (stage.actuator.applied().len() == 1).then_some(())
    })
    .await;
    assert_eq!(stage.ended(task.id).await.status, TaskState::Completed);
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_offered_or_not_allowed_is_refused_in_words() {
    let script = vec![proposing(vec![
        (container("ghost"), RESTART),
        (container("web"), ActionName::StartContainer),
        (container("web"), ActionName::PruneUnusedVolumes),
        (container("web"), RESTART),
        (container("web"), RESTART),
    ])];
    let mut stage = stage(vec![script], |_| {}).await;
    let said = stage.say(ask("What can be done?")).await;
    let messages = stage.over(said.conversation).await;
    let proposals = &messages.last().unwrap().proposals;
    assert_eq!(proposals.len(), 4, "the same thing twice is one");
    for (proposal, words) in proposals.iter().zip([
        "not among the resources",
        "can't be done to web",
        "can't be done to web",
    ]) {
        assert_eq!(proposal.task, None);
        let refused = proposal.refused.as_deref().unwrap();
        assert!(refused.contains(words), "{refused}");
    }
    assert!(proposals[3].task.is_some() && proposals[3].refused.is_none());
    // The task is in the journal before the message that speaks of it.
    let order = stage
        .rig
        .event("the task", |entry| match &entry.event {
            Event::TaskChanged { task, .. } => Some(task.id),
            Event::MessageSent { message, .. } if !message.proposals.is_empty() => {
                panic!("the message came first")
            }
            _ => None,
        })
        .await;
    assert_eq!(Some(order), proposals[3].task);
    stage.rig.stop().await;

    let stage = proposing_a_restart(|config| config.autonomy.level = Autonomy::Observe).await;
    let (tasks, refused) = stage.proposals().await;
    assert!(tasks.is_empty());
    assert!(refused[0].contains("autonomy is observe"), "{refused:?}");
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_holds_up_no_healing() {
    let mut stage = proposing_a_restart(|_| {}).await;
    // The proposal stands while the container dies; the healing takes its way as if it did not.
    let (tasks, _) = stage.proposals().await;
    stage.source.dies("web");
    let incident = stage
        .rig
        .event("the end", |entry| match &entry.event {
            Event::IncidentChanged {
                change: IncidentChange::Resolved,
                incident,
            } => Some(incident.clone()),
            _ => None,
        })
        .await;
    assert_eq!(
        incident.resolution.map(|end| end.kind),
        Some(ResolutionKind::Healed)
    );
    assert_eq!(stage.actuator.applied().len(), 1, "the healing's own");
    assert!(stage.open(tasks[0]).is_some(), "it was for no incident");
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_incidents_own_question_stays_as_it_is() {
    // A stop is never the incident's own question, so it is a task of its own.
    let stop = || {
        vec![proposing(vec![
            (container("web"), ActionName::ClearTmp),
            (container("web"), RESTART),
        ])]
    };
    let mut stage = stage(vec![stop()], |config| {
        config.autonomy.level = Autonomy::Ask;
    })
    .await;
    stage.source.dies("web");
    let own = until("the question", || {
        stage.rig.handle.view().open_tasks.first().cloned()
    })
    .await;
    let incident = own.incident.unwrap();
    let said = stage
        .say(SayRequest {
            incident: Some(incident),
            ..ask("What can be done?")
        })
        .await;
    let messages = stage.over(said.conversation).await;
    let proposals = &messages.last().unwrap().proposals;
    assert_eq!(
        stage.advisor.asked()[0].incident.as_ref().map(|one| one.id),
        Some(incident)
    );
    // What it asks already is that question; whatever else was proposed is not in its way.
    let same = proposals.iter().find(|one| one.action == RESTART).unwrap();
    assert_eq!(same.task, Some(own.id), "{same:?}");
    let still = stage.open(own.id).unwrap();
    assert_eq!(still.requested_by, Requester::Steward);
    let decision = stage.rig.handle.view().active_incidents[0].decision.clone();
    assert_eq!(decision.unwrap().verdict, steward_api::Verdict::Ask);

    stage
        .rig
        .handle
        .approve(own.id, yes(&own), caller("bob"))
        .await
        .unwrap();
    stage
        .rig
        .event("the end", |entry| {
            matches!(
                &entry.event,
                Event::IncidentChanged {
                    change: IncidentChange::Resolved,
                    ..
                }
            )
            .then_some(())
        })
        .await;
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_to_a_proposal_settles_nothing_else_and_an_end_takes_it_along() {
    let restart = || vec![proposing(vec![(container("web"), RESTART)])];
    let stage = stage(vec![restart(), restart()], |config| {
        config.autonomy.level = Autonomy::Ask;
        // Nothing is tried by itself, so the incident asks nothing.
        config
            .strategies
            .insert(steward_api::Problem::ContainerStopped, Vec::new());
    })
    .await;
    stage.source.dies("web");
    let decision = until("a decision", || {
        let view = stage.rig.handle.view();
        view.active_incidents.first()?.decision.clone()
    })
    .await;
    let (tasks, refused) = stage.proposals().await;
    assert_eq!(tasks.len(), 1, "{refused:?}");
    let task = stage.open(tasks[0]).unwrap();
    assert!(task.incident.is_some());
    let no = RejectRequest {
        plan_hash: Some(task.plan_hash.clone()),
        rejected_by: "bob".to_owned(),
        reason: String::new(),
    };
    stage
        .rig
        .handle
        .reject(task.id, no, caller("bob"))
        .await
        .unwrap();
    let view = stage.rig.handle.view();
    assert_eq!(view.active_incidents[0].decision.as_ref(), Some(&decision));
    assert!(view.open_tasks.is_empty());

    // Proposed anew, it ends with the incident, and can't be approved after that.
    let (tasks, _) = stage.proposals().await;
    let task = stage.open(tasks[0]).unwrap();
    stage.source.starts("web");
    stage.rig.shows("web", Health::Healthy).await;
    let ended = stage.ended(task.id).await;
    assert_eq!(ended.status, TaskState::Cancelled);
    let late = stage
        .rig
        .handle
        .approve(task.id, yes(&task), caller("bob"))
        .await
        .unwrap_err();
    assert_eq!(late.code, ErrorCode::TaskNotWaiting);
    assert!(stage.actuator.applied().is_empty());
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_proposes_five_things_at_most() {
    let many = ActionName::ALL
        .into_iter()
        .map(|action| (container("web"), action))
        .collect();
    let stage = stage(vec![vec![proposing(many), Act::Hang]], |_| {}).await;
    let said = stage.say(ask("What can be done?")).await;
    until("the answer", || {
        stage
            .rig
            .handle
            .progress(said.conversation)
            .filter(|progress| progress.messages == 2)
    })
    .await;
    let messages = stage.messages(said.conversation).await;
    let proposals = &messages[1].proposals;
    assert!(proposals.len() <= 11, "{}", proposals.len());
    let last = proposals.last().unwrap().refused.as_deref().unwrap();
    assert!(last.contains("at most 5"), "{last}");
    stage.rig.stop().await;
}
