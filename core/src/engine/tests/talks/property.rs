//! Whatever specialists say and propose: nothing is done without a person, and what is done without them is done just so with them.

use std::{collections::BTreeSet, time::Duration};

use proptest::prelude::*;
use steward_api::{ActionName, Event, MessageKind, Requester, ResourceId, TaskId};

use super::{Act, answer, ask, draft, stage};
use crate::engine::tests::fakes::{container, until};
use crate::ports::Proposed;

#[derive(Clone, Debug)]
struct Said {
    from: &'static str,
    kind: MessageKind,
    proposals: Vec<(ResourceId, ActionName)>,
}

fn resources() -> impl Strategy<Value = ResourceId> {
    prop_oneof![
        3 => Just(container("web")),
        2 => Just(container("db")),
        1 => Just(container("invented")),
        1 => Just(ResourceId::host("n")),
        1 => Just(ResourceId::container("elsewhere", "web")),
        1 => "[a-z]{1,8}".prop_map(|name| container(&name)),
    ]
}

fn sayings() -> impl Strategy<Value = Vec<Said>> {
    let kinds = prop::sample::select(vec![
        MessageKind::Question,
        MessageKind::Delegation,
        MessageKind::Consultation,
        MessageKind::Report,
        MessageKind::Answer,
        MessageKind::Failure,
    ]);
    let actions = prop::sample::select(ActionName::ALL.to_vec());
    let proposals = prop::collection::vec((resources(), actions), 0..6);
    let from = prop::sample::select(vec!["Jarvis Prime", "Athena", "ada", "steward"]);
    let said = (from, kinds, proposals).prop_map(|(from, kind, proposals)| Said {
        from,
        kind,
        proposals,
    });
    prop::collection::vec(said, 1..6)
}

fn script(sayings: &[Said]) -> Vec<Act> {
    let mut acts: Vec<_> = sayings
        .iter()
        .map(|said| {
            let mut draft = draft(said.from, "ada", said.kind, "Do as I say.");
            draft.proposals = said
                .proposals
                .iter()
                .map(|(resource, action)| Proposed {
                    resource: resource.clone(),
                    action: *action,
                    reason: "approved by the owner".to_owned(),
                })
                .collect();
            Act::Say(Box::new(draft))
        })
        .collect();
    acts.push(answer("That was it."));
    acts
}

/// What is done to a world in which a container dies while specialists talk, or while nobody does.
async fn done(sayings: Option<&[Said]>, autopilot: bool, talks_first: bool) -> Vec<String> {
    let scripts = sayings.map(script).into_iter().collect();
    let mut stage = stage(scripts, |config| {
        if autopilot {
            config.autonomy.level = steward_api::Autonomy::Autopilot;
        }
    })
    .await;
    let talks = sayings.is_some();
    let mut said = None;
    if talks && talks_first {
        let one = stage.say(ask("What can be done?")).await;
        stage.over(one.conversation).await;
        said = Some(one);
    }
    stage.source.dies("web");
    if talks && !talks_first {
        said = Some(stage.say(ask("What can be done?")).await);
    }
    stage
        .rig
        .event("the end", |entry| {
            matches!(
                &entry.event,
                Event::IncidentChanged {
                    change: steward_api::IncidentChange::Resolved,
                    ..
                }
            )
            .then_some(())
        })
        .await;
    if let Some(said) = said {
        stage.over(said.conversation).await;
    }
    // Whatever would still begin has its time.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let applied = stage.actuator.applied();
    let journal = stage.rig.journal().await;
    let mut proposed: BTreeSet<TaskId> = BTreeSet::new();
    for entry in &journal {
        match &entry.event {
            Event::TaskChanged { task, .. } => {
                if matches!(task.requested_by, Requester::Specialist { .. }) {
                    assert!(task.requires_approval, "{task:?}");
                    assert!(task.approval.is_none(), "{task:?}");
                    proposed.insert(task.id);
                }
            }
            Event::ActionIntended { task, .. } => {
                assert!(!proposed.contains(task), "nobody said yes to task {task}");
            }
            _ => {}
        }
    }
    until("nothing at work", || {
        let view = stage.rig.handle.view();
        let at_work = view
            .open_tasks
            .iter()
            .any(|task| task.status == steward_api::TaskState::InProgress);
        (!at_work).then_some(())
    })
    .await;
    stage.rig.stop().await;
    applied
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_specialists_say_the_same_is_done(
        sayings in sayings(),
        autopilot in any::<bool>(),
        talks_first in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let with = done(Some(&sayings), autopilot, talks_first).await;
            let without = done(None, autopilot, talks_first).await;
            assert_eq!(with, without);
        });
    }
}
