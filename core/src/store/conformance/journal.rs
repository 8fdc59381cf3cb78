//! The journal: numbers, chain, durability, concurrency.

use std::{collections::BTreeSet, sync::Arc};

use steward_api::{Envelope, Health, ResolutionKind};

use super::{Factory, Place, assert_rebuilds, is_shared, tamper};
use crate::{
    ports::{Fact, Store},
    store::{
        SqlStore,
        builders::{NODE, at, changed, container, fact, health, incident, resolved, started},
    },
};

async fn filled(place: &Place, entries: i64) -> Arc<SqlStore> {
    let store = place.open().await;
    for number in 0..entries {
        let name = format!("box{}", number % 7);
        store
            .append(NODE, &[fact(number, health(&name, Health::Healthy))])
            .await
            .unwrap();
    }
    store
}

async fn fault(store: &SqlStore) -> String {
    let verification = store.verify_journal().await.unwrap();
    assert!(!verification.intact);
    verification.fault.unwrap()
}

pub(crate) async fn entries_are_numbered_from_one_and_come_back_as_they_were_written(
    factory: &Factory,
) {
    let place = factory.fresh().await;
    let store = place.open().await;
    assert_eq!(store.journal_head().await.unwrap(), 0);
    let mut facts: Vec<Fact> = (0..150)
        .map(|n| fact(n, health("web", Health::Degraded)))
        .collect();
    // Finer than the database keeps: what is returned is what will be read.
    facts[3].at = "2027-01-15T08:00:03.123456789Z".parse().unwrap();
    let first = store.append(NODE, &facts[..1]).await.unwrap();
    let rest = store.append("boreas", &facts[1..]).await.unwrap();
    let written: Vec<Envelope> = first.into_iter().chain(rest).collect();

    let numbers: Vec<_> = written.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=150).collect::<Vec<_>>());
    assert_eq!(written[0].node, NODE);
    assert_eq!(written[1].node, "boreas");
    assert_eq!(written[3].at.to_string(), "2027-01-15T08:00:03.123456Z");
    assert!(written.iter().all(|entry| entry.hash.len() == 64));
    for (entry, fact) in written.iter().zip(&facts) {
        assert_eq!(entry.event, fact.event);
    }

    assert_eq!(store.journal_after(0, 1000).await.unwrap(), written);
    assert_eq!(
        store.journal_after(140, 4).await.unwrap(),
        written[140..144]
    );
    let newest = store.journal_before(None, 3).await.unwrap();
    assert_eq!(
        newest.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        [150, 149, 148]
    );
    let older = store.journal_before(Some(148), 2).await.unwrap();
    assert_eq!(older.iter().map(|e| e.seq).collect::<Vec<_>>(), [147, 146]);
    assert_eq!(store.journal_head().await.unwrap(), 150);
    let verification = store.verify_journal().await.unwrap();
    assert!(verification.intact);
    assert_eq!(verification.entries, 150);
    assert_eq!(verification.head_seq, 150);
    assert_eq!(verification.head_hash, written[149].hash);
}

pub(crate) async fn nothing_to_append_is_nothing_done(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    assert!(store.append(NODE, &[]).await.unwrap().is_empty());
    let verification = store.verify_journal().await.unwrap();
    assert!(verification.intact);
    assert_eq!((verification.head_seq, verification.entries), (0, 0));
}

pub(crate) async fn a_changed_entry_is_found(factory: &Factory) {
    let place = factory.fresh().await;
    let store = filled(&place, 200).await;
    for (sql, back) in [
        (
            "UPDATE journal SET event = REPLACE(event, 'healthy', 'unknown') WHERE seq = 77",
            "UPDATE journal SET event = REPLACE(event, 'unknown', 'healthy') WHERE seq = 77",
        ),
        (
            "UPDATE journal SET at = at + 1 WHERE seq = 77",
            "UPDATE journal SET at = at - 1 WHERE seq = 77",
        ),
        (
            "UPDATE journal SET node = 'other' WHERE seq = 77",
            "UPDATE journal SET node = 'atlas' WHERE seq = 77",
        ),
    ] {
        tamper(&store, sql).await;
        assert_eq!(
            fault(&store).await,
            "entry 77: its content does not match its hash"
        );
        tamper(&store, back).await;
        assert!(store.verify_journal().await.unwrap().intact);
    }
}

pub(crate) async fn a_removed_entry_is_found(factory: &Factory) {
    let place = factory.fresh().await;
    let store = filled(&place, 20).await;
    tamper(&store, "DELETE FROM journal WHERE seq = 12").await;
    assert_eq!(fault(&store).await, "entry 12 is missing");
    tamper(&store, "DELETE FROM journal WHERE seq IN (11, 13)").await;
    assert_eq!(fault(&store).await, "entries 11 to 13 are missing");
    tamper(&store, "DELETE FROM journal WHERE seq < 14").await;
    assert_eq!(fault(&store).await, "entries 1 to 13 are missing");
}

pub(crate) async fn a_cut_tail_is_found(factory: &Factory) {
    let place = factory.fresh().await;
    let store = filled(&place, 12).await;
    store.close().await;
    drop(store);

    let store = place.open().await;
    tamper(&store, "DELETE FROM journal WHERE seq > 7").await;
    let file = place.data_dir().join("journal.head");
    let expected = format!(
        "the journal ends at entry 7 but had reached entry 12, as {} notes",
        file.display()
    );
    assert_eq!(fault(&store).await, expected);
    drop(store);

    // What is written afterwards, even past the old end, does not wipe the evidence out.
    let store = filled(&place, 3).await;
    assert!(
        fault(&store)
            .await
            .starts_with("the journal ends at entry 10 but had reached entry 12")
    );
    drop(store);
    let store = filled(&place, 10).await;
    store.close().await;
    drop(store);
    let store = place.open().await;
    assert!(
        fault(&store)
            .await
            .starts_with("entry 12 is not the one that was written")
    );
}

pub(crate) async fn a_tail_cut_while_the_agent_runs_is_found(factory: &Factory) {
    let place = factory.fresh().await;
    let store = filled(&place, 12).await;
    tamper(&store, "DELETE FROM journal WHERE seq > 7").await;
    for number in 0..9 {
        store
            .append(NODE, &[fact(number, started())])
            .await
            .unwrap();
    }
    store.close().await;
    drop(store);
    let store = place.open().await;
    assert!(
        fault(&store)
            .await
            .starts_with("entry 12 is not the one that was written")
    );
}

pub(crate) async fn a_rewritten_chain_is_found(factory: &Factory) {
    let place = factory.fresh().await;
    let store = filled(&place, 9).await;
    store.close().await;
    drop(store);
    // Someone who knows how the chain is made forges a whole and longer one.
    let forged = factory.fresh().await;
    let forger = filled(&forged, 8).await;
    let mut chain = forger.journal_after(0, 100).await.unwrap();
    chain.extend(
        forger
            .append(NODE, &[fact(8, started()), fact(9, started())])
            .await
            .unwrap(),
    );
    let store = place.open().await;
    tamper(&store, "DELETE FROM journal").await;
    for entry in &chain {
        let event = serde_json::to_string(&entry.event)
            .unwrap()
            .replace('\'', "''");
        let sql = format!(
            "INSERT INTO journal (seq, node, at, event, hash) VALUES ({}, '{}', {}, '{event}', '{}')",
            entry.seq,
            entry.node,
            entry.at.as_microsecond(),
            entry.hash
        );
        tamper(&store, &sql).await;
    }
    let found = fault(&store).await;
    assert!(
        found.starts_with("entry 9 is not the one that was written"),
        "{found}"
    );
}

pub(crate) async fn what_was_appended_survives_a_sudden_end(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    let written = store
        .append(
            NODE,
            &[fact(0, started()), fact(1, health("web", Health::Healthy))],
        )
        .await
        .unwrap();
    // Neither closed nor dropped: as a process that is killed.
    std::mem::forget(store);
    let store = place.open().await;
    assert_eq!(store.journal_after(0, 10).await.unwrap(), written);
    let more = store.append(NODE, &[fact(2, started())]).await.unwrap();
    assert_eq!(more[0].seq, 3);
    assert!(store.verify_journal().await.unwrap().intact);
}

pub(crate) async fn two_stores_keep_one_gapless_chain(factory: &Factory) {
    let place = factory.fresh().await;
    let first = place.open().await;
    let second = place.open_elsewhere().await;
    let write = |store: Arc<SqlStore>, node: &'static str| async move {
        for number in 0..40 {
            let facts: Vec<_> = (0..=number % 3)
                .map(|n| fact(number + n, started()))
                .collect();
            store.append(node, &facts).await.unwrap();
        }
    };
    let one = tokio::spawn(write(Arc::clone(&first), "atlas"));
    let other = tokio::spawn(write(Arc::clone(&second), "boreas"));
    let third = tokio::spawn(write(Arc::clone(&second), "boreas"));
    for task in [one, other, third] {
        task.await.unwrap();
    }
    let verification = second.verify_journal().await.unwrap();
    assert!(verification.intact, "{:?}", verification.fault);
    let each: i64 = (0..40).map(|number| number % 3 + 1).sum();
    assert_eq!(verification.head_seq, 3 * each);
    for store in [first, second] {
        store.close().await;
        assert!(place.open().await.verify_journal().await.unwrap().intact);
    }
}

pub(crate) async fn readers_are_not_disturbed_by_writes(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    let writer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 1..=60 {
                let opened = incident(number, "web", number);
                let over = resolved(opened.clone(), number + 5, ResolutionKind::Healed);
                let facts = [
                    fact(
                        number,
                        changed(steward_api::IncidentChange::Detected, &opened),
                    ),
                    fact(
                        number + 5,
                        changed(steward_api::IncidentChange::Resolved, &over),
                    ),
                ];
                store.append(NODE, &facts).await.unwrap();
            }
        })
    };
    let mut readers = Vec::new();
    for _ in 0..4 {
        let store = Arc::clone(&store);
        readers.push(tokio::spawn(async move {
            let mut seen = 0;
            while seen < 60 {
                // An append is seen whole or not at all.
                let statistics = store.statistics(&container("web")).await.unwrap();
                assert_eq!(statistics.incidents, statistics.healed);
                assert!(statistics.incidents >= seen);
                seen = statistics.incidents;
                assert_eq!(store.journal_head().await.unwrap() % 2, 0);
            }
        }));
    }
    writer.await.unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
}

pub(crate) async fn an_unanswered_commit_is_not_written_twice(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    let facts = [fact(0, started()), fact(1, health("web", Health::Healthy))];
    let kept = store.append(NODE, &facts).await.unwrap();
    // As if the connection had been lost after the commit and before its answer; then the same comes again, with more.
    *store.doubt.lock().unwrap() = kept.clone();
    let again = [facts[0].clone(), facts[1].clone(), fact(2, started())];
    let answer = store.append(NODE, &again).await.unwrap();
    assert_eq!(answer[..2], kept);
    assert_eq!(answer[2].seq, 3);
    // As if it had been lost before the commit.
    let mut lost = answer[2].clone();
    lost.seq = 4;
    *store.doubt.lock().unwrap() = vec![lost];
    let answer = store.append(NODE, &[fact(2, started())]).await.unwrap();
    assert_eq!(answer[0].seq, 4);
    assert_eq!(store.journal_head().await.unwrap(), 4);
    assert_rebuilds(&store).await;
}

pub(crate) async fn an_abandoned_append_leaves_the_store_usable(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    let mut head = 0;
    for number in 0..30 {
        let facts = [fact(number, started()), fact(number, started())];
        {
            let append = store.append(NODE, &facts);
            tokio::pin!(append);
            // Polled so and so often, then dropped: at another point of the transaction each time.
            for _ in 0..number {
                tokio::select! {
                    biased;
                    _ = &mut append => break,
                    () = tokio::task::yield_now() => {}
                }
            }
        }
        let kept = store
            .append(NODE, &[fact(number, health("web", Health::Healthy))])
            .await;
        let seq = kept.unwrap()[0].seq;
        // The whole call or nothing of it.
        assert!(seq == head + 1 || seq == head + 3, "{seq} after {head}");
        head = seq;
    }
    assert_rebuilds(&store).await;
}

pub(crate) async fn numbers_are_given_once(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    let other = place.open_elsewhere().await;
    assert!(store.reserve_ids(0).await.unwrap().is_empty());
    assert_eq!(store.reserve_ids(5).await.unwrap(), 1..6);
    let mut tasks = Vec::new();
    for store in [&store, &other, &store, &other] {
        let store = Arc::clone(store);
        tasks.push(tokio::spawn(async move {
            let mut numbers = Vec::new();
            for count in 1..12 {
                numbers.extend(store.reserve_ids(count).await.unwrap());
            }
            numbers
        }));
    }
    let mut all = BTreeSet::new();
    let mut given = 0;
    for task in tasks {
        for number in task.await.unwrap() {
            given += 1;
            assert!(number > 5);
            assert!(all.insert(number), "{number} was given twice");
        }
    }
    assert_eq!(given, 4 * 66);
    drop((store, other));
    let store = place.open().await;
    assert!(store.reserve_ids(1).await.unwrap().start > *all.last().unwrap());
}

pub(crate) async fn a_probe_writes_and_leaves_no_trace_in_the_journal(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    store.probe().await.unwrap();
    store.probe().await.unwrap();
    assert_eq!(store.journal_head().await.unwrap(), 0);
    assert_eq!(store.reserve_ids(1).await.unwrap(), 1..2);
    assert_eq!(store.engine() == "postgres", is_shared(&store));
    let memory = store.recall(NODE, at(0)).await.unwrap();
    assert_eq!(memory.last_entry_at, None);
}
