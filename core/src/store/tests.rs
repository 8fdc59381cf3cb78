//! The conformance suite on a real PostgreSQL, and the journal under random facts on both databases.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use steward_api::{Health, IncidentChange, ResolutionKind, StepResult, TaskState};
use tokio::runtime::Runtime;

use super::{
    builders::{
        NODE, at, changed, concluded, container, fact, health, incident, intended, learned,
        reopened, resolved, started, task, task_changed,
    },
    conformance::{self, Factory, assert_rebuilds, is_shared},
    postgres::Server,
};
use crate::ports::{Fact, Store, StoreError};

fn any_fact() -> impl Strategy<Value = Fact> {
    let name = prop::sample::select(vec!["web", "db", "cache"]);
    let kind = prop::sample::select(vec![
        ResolutionKind::Healed,
        ResolutionKind::Recovered,
        ResolutionKind::Absorbed,
    ]);
    let result = prop::sample::select(vec![
        StepResult::Succeeded,
        StepResult::Failed,
        StepResult::Undone,
    ]);
    let event = (0..11, name, 1..4_i64, 0..500_i64, kind, result).prop_map(
        |(what, name, id, seconds, kind, result)| {
            let one = incident(id, name, seconds);
            match what {
                0 => started(),
                1 => health(name, Health::Degraded),
                2 => steward_api::Event::ResourceGone {
                    resource: container(name),
                },
                3 => changed(IncidentChange::Detected, &one),
                4 => changed(IncidentChange::Updated, &one),
                5 => changed(IncidentChange::Resolved, &resolved(one, seconds + 40, kind)),
                6 => changed(IncidentChange::Reopened, &reopened(one)),
                7 => task_changed(&task(id, name, TaskState::ALL[(seconds % 8) as usize])),
                8 => intended(id, (seconds % 2) as u32, name),
                9 => concluded(id, (seconds % 2) as u32, name, result),
                _ => learned(name, id as u32, 1, (seconds % 2) as u32),
            }
        },
    );
    (0..1000_i64, event).prop_map(|(seconds, event)| fact(seconds, event))
}

/// Whatever happens in whatever order, on whichever node: the chain is whole and the projections are what the journal makes of them.
fn random_facts_keep_the_journal_whole(runtime: &Runtime, factory: &Factory, cases: u32) {
    let calls = prop::collection::vec(
        (prop::bool::ANY, prop::collection::vec(any_fact(), 0..6)),
        0..12,
    );
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&calls, |calls| {
        runtime.block_on(async {
            let place = factory.fresh().await;
            let store = place.open().await;
            let mut facts = 0;
            for (here, call) in &calls {
                let node = if *here { NODE } else { "boreas" };
                let entries = store.append(node, call).await.unwrap();
                facts += call.len();
                prop_assert_eq!(entries.len(), call.len());
            }
            assert_rebuilds(&store).await;
            let verification = store.verify_journal().await.unwrap();
            prop_assert_eq!(verification.entries, facts as u64);
            store.close().await;
            Ok(())
        })
    });
    outcome.unwrap();
}

#[test]
fn random_facts_on_sqlite() {
    let runtime = Runtime::new().unwrap();
    random_facts_keep_the_journal_whole(&runtime, &Factory::Sqlite, 24);
}

/// The server goes away and comes back: what was said to be kept is kept, and the store needs no new start.
async fn a_lost_server_is_waited_for(server: &mut Server) {
    let url = server.database("lost").await;
    let folder = tempfile::tempdir().unwrap();
    let store = super::open(&url, folder.path()).await.unwrap();
    assert!(is_shared(&store));
    store.append(NODE, &[fact(0, started())]).await.unwrap();
    server.stop();
    let error = store.append(NODE, &[fact(1, started())]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(matches!(
        store.probe().await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(store.recall(NODE, at(0)).await.is_err());
    server.run().await;
    let entries = store.append(NODE, &[fact(1, started())]).await.unwrap();
    assert_eq!(entries[0].seq, 2);
    store.probe().await.unwrap();
    assert!(store.verify_journal().await.unwrap().intact);
    // A restart that nobody noticed does not even fail a call.
    server.stop();
    server.run().await;
    store.append(NODE, &[fact(2, started())]).await.unwrap();
    assert_eq!(store.journal_head().await.unwrap(), 3);
    store.close().await;
}

/// Others hear of new entries.
async fn new_entries_are_announced(server: &Server) {
    let url = server.database("announced").await;
    let folder = tempfile::tempdir().unwrap();
    let store = super::open(&url, folder.path()).await.unwrap();
    let mut listener = sqlx::postgres::PgListener::connect(&url).await.unwrap();
    listener.listen("steward_journal").await.unwrap();
    store
        .append(NODE, &[fact(0, started()), fact(1, started())])
        .await
        .unwrap();
    let heard = tokio::time::timeout(std::time::Duration::from_secs(20), listener.recv());
    assert_eq!(heard.await.unwrap().unwrap().payload(), "2");
    store.close().await;
}

#[test]
fn everything_on_postgres() {
    let runtime = Runtime::new().unwrap();
    let Some(mut server) = runtime.block_on(Server::start()) else {
        return;
    };
    runtime.block_on(Box::pin(a_lost_server_is_waited_for(&mut server)));
    runtime.block_on(new_entries_are_announced(&server));
    let factory = Factory::postgres(server);
    runtime.block_on(conformance::all(&factory));
    random_facts_keep_the_journal_whole(&runtime, &factory, 6);
    // The connections go before the server does.
    drop(runtime);
}
