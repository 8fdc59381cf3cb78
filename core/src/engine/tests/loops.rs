//! The loop under good and bad conditions: who waits for whom, and what is written down when.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use steward_api::{Event, Health, IncidentChange, IncidentQuery, TaskChange, TaskState};
use tokio::time::{Instant, sleep};

use super::fakes::{FakeActuator, FakeSource, Rig, container, folder, quick, until};
use crate::ports::Store;

#[tokio::test(flavor = "multi_thread")]
async fn a_death_is_an_incident_in_the_journal_before_anything_is_gathered_about_it() {
    let folder = folder();
    let source = FakeSource::new("docker").runs("web");
    source.log_hangs.store(true, Ordering::SeqCst);
    let actuator = FakeActuator::new(&source);
    let mut rig = Rig::begin(folder.path(), quick(), vec![Arc::clone(&source)], actuator).await;
    rig.shows("web", Health::Healthy).await;
    source.dies("web");
    let died = Instant::now();
    let seq = rig
        .event("an incident", |entry| match &entry.event {
            Event::IncidentChanged {
                change: IncidentChange::Detected,
                ..
            } => Some(entry.seq),
            _ => None,
        })
        .await;
    let found = died.elapsed();
    assert!(rig.journal().await.iter().any(|entry| entry.seq == seq));
    // A log that hangs delays the diagnosis by two seconds, not the detection, and not more.
    let (cause, evidence) = rig
        .event("a diagnosis", |entry| match &entry.event {
            Event::IncidentChanged {
                change: IncidentChange::Diagnosed,
                incident,
            } => {
                let diagnosis = incident.diagnoses.first()?;
                Some((diagnosis.diagnosis.clone(), diagnosis.evidence.clone()))
            }
            _ => None,
        })
        .await;
    let explained = died.elapsed();
    assert!(
        explained - found >= Duration::from_millis(1500),
        "{explained:?}"
    );
    assert!(explained - found < Duration::from_secs(8), "{explained:?}");
    assert_eq!(cause, "It ended with an error of its own");
    assert!(
        evidence
            .iter()
            .any(|one| one.text.contains("could not be read")),
        "that the log was not read is said: {evidence:?}"
    );
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_hangs_delays_no_other() {
    let folder = folder();
    let dead = FakeSource::new("dead").runs("old");
    dead.hangs.store(true, Ordering::SeqCst);
    let source = FakeSource::new("docker").runs("web");
    let actuator = FakeActuator::new(&source);
    let sources = vec![dead, Arc::clone(&source)];
    let mut rig = Rig::begin(folder.path(), quick(), sources, Arc::clone(&actuator)).await;
    rig.shows("web", Health::Healthy).await;
    source.dies("web");
    rig.event("a completed task", |entry| match &entry.event {
        Event::TaskChanged {
            change: TaskChange::Completed,
            ..
        } => Some(()),
        _ => None,
    })
    .await;
    assert_eq!(actuator.applied(), ["Restart web (10 s grace)"]);
    assert!(!rig.handle.view().resources.contains_key(&container("old")));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_journal_nothing_is_done_and_nothing_is_forgotten() {
    let folder = folder();
    let source = FakeSource::new("docker").runs("web").runs("db");
    let actuator = FakeActuator::new(&source);
    let mut rig = Rig::begin(
        folder.path(),
        quick(),
        vec![Arc::clone(&source)],
        Arc::clone(&actuator),
    )
    .await;
    rig.shows("web", Health::Healthy).await;
    rig.store.fails.store(true, Ordering::SeqCst);
    source.dies("web");
    until("facts that wait", || {
        let view = rig.handle.view();
        (view.store_error.is_some() && view.store_backlog >= 2).then_some(())
    })
    .await;
    source.dies("db");
    let backlog = until("more facts that wait", || {
        let view = rig.handle.view();
        (view.store_backlog >= 4).then_some(view.store_backlog)
    })
    .await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(actuator.applied(), Vec::<String>::new());
    let written = rig.journal().await;
    assert!(
        !written
            .iter()
            .any(|entry| matches!(entry.event, Event::IncidentChanged { .. })),
        "the journal took no writes"
    );

    rig.store.fails.store(false, Ordering::SeqCst);
    let mut last = 0;
    let mut done = 0;
    while done < 2 {
        let (seq, completed) = rig
            .event("what was kept", |entry| {
                let completed = matches!(
                    entry.event,
                    Event::TaskChanged {
                        change: TaskChange::Completed,
                        ..
                    }
                );
                Some((entry.seq, completed))
            })
            .await;
        assert!(
            last == 0 || seq == last + 1,
            "published in order, none left out"
        );
        last = seq;
        done += u32::from(completed);
    }
    let journal = rig.journal().await;
    for pair in journal.windows(2) {
        assert_eq!(pair[1].seq, pair[0].seq + 1);
        assert!(
            pair[1].at >= pair[0].at,
            "written in the order in which it happened"
        );
    }
    assert!(journal.len() as u64 > written.len() as u64 + backlog);
    let detected = journal.iter().filter(|entry| {
        matches!(
            &entry.event,
            Event::IncidentChanged {
                change: IncidentChange::Detected,
                ..
            }
        )
    });
    assert_eq!(detected.count(), 2);
    assert_eq!(actuator.applied().len(), 2, "each once");
    assert!(rig.store.verify_journal().await.unwrap().intact);
    assert!(rig.handle.view().store_error.is_none());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_that_is_not_taken_is_not_carried_out() {
    // Whichever write fails after the incident is known: nothing is applied without its intent in the journal.
    for takes in 0..6 {
        let folder = folder();
        let source = FakeSource::new("docker").runs("web");
        let actuator = FakeActuator::new(&source);
        let rig = Rig::begin(
            folder.path(),
            quick(),
            vec![Arc::clone(&source)],
            Arc::clone(&actuator),
        )
        .await;
        rig.shows("web", Health::Healthy).await;
        *rig.store.takes.lock().unwrap() = Some(takes);
        source.dies("web");
        until("the store to fail", || {
            rig.handle.view().store_error.is_some().then_some(())
        })
        .await;
        sleep(Duration::from_millis(300)).await;
        let intents = rig.journal().await;
        let intents = intents
            .iter()
            .filter(|entry| matches!(entry.event, Event::ActionIntended { .. }))
            .count();
        assert!(
            actuator.applied().len() <= intents,
            "after {takes} writes: {:?} with {intents} intents",
            actuator.applied()
        );
        *rig.store.takes.lock().unwrap() = None;
        rig.store.fails.store(false, Ordering::SeqCst);
        until("web to be healed", || {
            source.is_running("web").then_some(())
        })
        .await;
        until("the incident to be over", || {
            rig.handle.view().active_incidents.is_empty().then_some(())
        })
        .await;
        assert_eq!(actuator.applied().len(), 1, "after {takes} writes");
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_lags_is_told_and_finds_all_in_the_journal() {
    let folder = folder();
    let source = FakeSource::new("docker").runs("web");
    let actuator = FakeActuator::new(&source);
    let rig = Rig::begin(folder.path(), quick(), vec![Arc::clone(&source)], actuator).await;
    rig.shows("web", Health::Healthy).await;
    let mut slow = rig.handle.subscribe();
    // One fact each.
    for number in 0..1100 {
        let error = format!("line {number}: no such key");
        rig.config_changes.send(Err(error)).await.unwrap();
    }
    let began = Instant::now();
    while rig.store.journal_head().await.unwrap() < 1100 {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "not all was written down"
        );
        sleep(Duration::from_millis(20)).await;
    }
    assert!(matches!(
        slow.recv().await,
        Err(tokio::sync::broadcast::error::RecvError::Lagged(_))
    ));
    let next = slow.recv().await.unwrap();
    let journal = rig.journal().await;
    assert!(
        journal
            .iter()
            .any(|entry| entry.seq == next.seq && entry.hash == next.hash)
    );
    for pair in journal.windows(2) {
        assert_eq!(pair[1].seq, pair[0].seq + 1);
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_under_way_at_the_end_is_checked_at_the_next_start_and_not_repeated() {
    let folder = folder();
    let source = FakeSource::new("docker").runs("web");
    let actuator = FakeActuator::new(&source);
    actuator.unverified.store(true, Ordering::SeqCst);
    let mut rig = Rig::begin(
        folder.path(),
        quick(),
        vec![Arc::clone(&source)],
        Arc::clone(&actuator),
    )
    .await;
    rig.shows("web", Health::Healthy).await;
    source.dies("web");
    let task = rig
        .event("the deed", |entry| match &entry.event {
            Event::TaskChanged {
                change: TaskChange::Progressed,
                task,
            } => Some(task.id),
            _ => None,
        })
        .await;
    rig.stop().await;

    actuator.unverified.store(false, Ordering::SeqCst);
    let rig = Rig::begin(
        folder.path(),
        quick(),
        vec![Arc::clone(&source)],
        Arc::clone(&actuator),
    )
    .await;
    until("all to be over", || {
        let view = rig.handle.view();
        (view.open_tasks.is_empty() && view.active_incidents.is_empty()).then_some(())
    })
    .await;
    let closed = rig.store.task(task).await.unwrap().unwrap();
    assert_eq!(closed.status, TaskState::Completed, "{:?}", closed.result);
    assert_eq!(actuator.applied().len(), 1, "done once");
    let incidents = rig
        .store
        .incidents(&IncidentQuery::default())
        .await
        .unwrap();
    assert_eq!(incidents.items.len(), 1);
    assert!(rig.store.verify_journal().await.unwrap().intact);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_configuration_replaces_the_sources() {
    let folder = folder();
    let before = FakeSource::new("docker").runs("web");
    let after = FakeSource::new("docker").runs("web").runs("new");
    let actuator = FakeActuator::new(&after);
    let make = {
        let (before, after) = (Arc::clone(&before), Arc::clone(&after));
        move |config: &crate::config::Config| crate::engine::Integrations {
            sources: vec![if config.docker.log_lines == 7 {
                Arc::clone(&after) as Arc<dyn crate::ports::Source>
            } else {
                Arc::clone(&before) as Arc<dyn crate::ports::Source>
            }],
            actuators: vec![Arc::clone(&actuator) as Arc<dyn crate::ports::Actuator>],
            probes: crate::ports::Probes::default(),
        }
    };
    let mut rig = Rig::begin_with(folder.path(), quick(), Box::new(make)).await;
    rig.shows("web", Health::Healthy).await;

    rig.config_changes
        .send(Err("line 3: no such key".to_owned()))
        .await
        .unwrap();
    rig.event("the refusal", |entry| {
        matches!(entry.event, Event::ConfigRefused { .. }).then_some(())
    })
    .await;
    until("the error to be shown", || {
        rig.handle.view().config_error.clone()
    })
    .await;

    let mut config = quick();
    config.docker.log_lines = 7;
    rig.config_changes.send(Ok(Box::new(config))).await.unwrap();
    let changed = rig
        .event("the reload", |entry| match &entry.event {
            Event::ConfigReloaded { changed, .. } => Some(changed.clone()),
            _ => None,
        })
        .await;
    assert_eq!(changed, ["docker.log_lines"]);
    rig.shows("new", Health::Healthy).await;
    assert!(rig.handle.view().config_error.is_none());
    // The source before is left alone from now on, and what it still says counts no more.
    sleep(Duration::from_millis(300)).await;
    let readings = before.readings.load(Ordering::SeqCst);
    before.dies("web");
    sleep(Duration::from_millis(2500)).await;
    assert_eq!(before.readings.load(Ordering::SeqCst), readings);
    assert!(rig.handle.view().active_incidents.is_empty());
    assert!(after.readings.load(Ordering::SeqCst) >= 2);
    rig.stop().await;
}
