//! Security: where it stood over time, made anew from the journal; documents beside it.

use steward_api::{Event, ScanPart, SecurityDay, SecuritySummary};

use super::{Factory, assert_rebuilds};
use crate::{
    ports::{Archive, Documents, Fact, Store},
    store::builders::{NODE, at},
};

fn scan(seconds: i64, score: u8) -> Fact {
    Fact {
        at: at(seconds),
        event: Event::SecurityScanned {
            part: ScanPart::Ports,
            failed: None,
            summary: Box::new(SecuritySummary {
                security_score: Some(score),
                ..SecuritySummary::default()
            }),
        },
    }
}

pub(super) async fn where_security_stood_is_read_by_the_hour_and_made_anew(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    let day = SecurityDay {
        day: "2026-03-09".to_owned(),
        title: "Security".to_owned(),
        lines: vec!["Ports: 1".to_owned()],
        summary: SecuritySummary::default(),
    };
    let told = Fact {
        at: at(90_000),
        event: Event::SecurityDay {
            day: Box::new(day.clone()),
        },
    };
    // The times of tests begin at a full hour.
    let facts = [scan(10, 50), scan(20, 60), scan(3_700, 70), told];
    store.append(NODE, &facts).await.unwrap();
    store.append("other", &[scan(3_800, 10)]).await.unwrap();
    let scores = |found: Vec<(jiff::Timestamp, SecuritySummary)>| -> Vec<Option<u8>> {
        found
            .into_iter()
            .map(|(_, summary)| summary.security_score)
            .collect()
    };
    let all = store.security_since(NODE, at(0)).await.unwrap();
    let hours: std::collections::BTreeSet<i64> =
        all.iter().map(|(at, _)| at.as_second() / 3600).collect();
    assert_eq!(hours.len(), all.len(), "one for each hour");
    assert_eq!(scores(all).last(), Some(&Some(70)));
    assert_eq!(
        scores(store.security_since(NODE, at(3_600)).await.unwrap()),
        [Some(70)]
    );
    let within = store.security_within(NODE, at(0), at(100)).await.unwrap();
    assert_eq!(within.and_then(|summary| summary.security_score), Some(60));
    assert_eq!(
        store.security_within(NODE, at(200), at(300)).await.unwrap(),
        None
    );
    assert_eq!(store.last_security_day(NODE).await.unwrap(), Some(day));
    assert_eq!(store.last_security_day("other").await.unwrap(), None);
    assert_rebuilds(&store).await;
}

pub(super) async fn documents_are_kept_replaced_and_forgotten(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    assert_eq!(store.kept(NODE, "a/1").await.unwrap(), None);
    store.keep(NODE, "a/1", at(1), "one").await.unwrap();
    store.keep(NODE, "a/2", at(5), "two").await.unwrap();
    store.keep(NODE, "b/1", at(1), "other").await.unwrap();
    store.keep("other", "a/1", at(1), "theirs").await.unwrap();
    store.keep(NODE, "a/2", at(6), "two, anew").await.unwrap();
    store.forget(NODE, "a/", at(5)).await.unwrap();
    let kept = |node, name| {
        let store = &store;
        async move { store.kept(node, name).await.unwrap() }
    };
    assert_eq!(kept(NODE, "a/1").await, None);
    assert_eq!(kept(NODE, "a/2").await.as_deref(), Some("two, anew"));
    assert_eq!(kept(NODE, "b/1").await.as_deref(), Some("other"));
    assert_eq!(kept("other", "a/1").await.as_deref(), Some("theirs"));
}
