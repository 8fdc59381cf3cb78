//! Calls of language models: listed, summed, shown with exactly their texts, forgotten after a while.

use steward_api::{
    CallQuery, CallResult, ConversationId, Event, IncidentId, ModelCall, ModelClass, Purpose,
};

use super::{Factory, assert_rebuilds, tamper};
use crate::{
    ports::{Archive, Store},
    store::builders::{NODE, at, fact},
};

fn call(incident: Option<i64>, cost: u64, sent: &str, received: &str) -> Event {
    Event::ModelCalled {
        call: Box::new(ModelCall {
            model: "small".to_owned(),
            class: ModelClass::Cloud,
            purpose: Purpose::Diagnosis,
            incident: incident.map(IncidentId),
            conversation: incident.map(|incident| ConversationId(incident + 40)),
            result: CallResult::Answered,
            error: None,
            prompt_tokens: 10,
            completion_tokens: 5,
            cost_micro_usd: cost,
            took_ms: 12,
            sent: sent.to_owned(),
            received: received.to_owned(),
        }),
    }
}

// SHA-256 of "sent" and of "received", as `sha256sum` gives them.
const SENT: &str = "7afbb3347fb7252e533d58d99d72d9106fc6fdb3f30df23fa70b764c15ac42c5";
const RECEIVED: &str = "318c5ad51e9b36ff5924ae323dd59031245413a3e0f2aa3e03cc42902e9e7acc";

pub(super) async fn calls_are_listed_summed_and_shown_with_their_texts(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    let entries = store
        .append(
            NODE,
            &[
                fact(0, call(Some(3), 40, SENT, RECEIVED)),
                fact(10, call(None, 2, SENT, "")),
                fact(20, call(Some(3), 100, "unknown", "")),
            ],
        )
        .await
        .unwrap();
    let texts = [
        (SENT.to_owned(), "sent".to_owned()),
        (RECEIVED.to_owned(), "received".to_owned()),
    ];
    store.keep_texts(at(0), &texts).await.unwrap();
    store.keep_texts(at(5), &texts[..1]).await.unwrap();

    let all = store.calls(&CallQuery::default()).await.unwrap();
    let ids: Vec<_> = all.items.iter().map(|one| one.id).collect();
    assert_eq!(ids, [entries[2].seq, entries[1].seq, entries[0].seq]);
    assert_eq!(all.items[2].node, NODE);
    let page = store
        .calls(&CallQuery {
            incident: Some(IncidentId(3)),
            limit: Some(1),
            conversation: None,
            before: None,
        })
        .await
        .unwrap();
    assert_eq!(page.items[0].id, entries[2].seq);
    let next = store
        .calls(&CallQuery {
            incident: Some(IncidentId(3)),
            limit: Some(1),
            conversation: None,
            before: page.next,
        })
        .await
        .unwrap();
    assert_eq!(next.items[0].id, entries[0].seq);
    assert_eq!(next.next, None);
    let spoken = store
        .calls(&CallQuery {
            conversation: Some(ConversationId(43)),
            ..CallQuery::default()
        })
        .await
        .unwrap();
    let ids: Vec<_> = spoken.items.iter().map(|one| one.id).collect();
    assert_eq!(ids, [entries[2].seq, entries[0].seq]);

    assert_eq!(store.spent_since(NODE, at(0)).await.unwrap(), 142);
    assert_eq!(store.spent_since(NODE, at(15)).await.unwrap(), 100);
    assert_eq!(store.spent_since("other", at(0)).await.unwrap(), 0);

    let shown = store.call(entries[0].seq).await.unwrap().unwrap();
    assert_eq!(shown.sent.as_deref(), Some("sent"));
    assert_eq!(shown.received.as_deref(), Some("received"));
    let shown = store.call(entries[2].seq).await.unwrap().unwrap();
    assert_eq!((shown.sent, shown.received), (None, None));
    assert!(store.call(999).await.unwrap().is_none());

    // A text that was changed behind its back is not what was sent.
    tamper(
        &store,
        &format!("UPDATE model_texts SET text = 'sent!' WHERE hash = '{SENT}'"),
    )
    .await;
    let shown = store.call(entries[0].seq).await.unwrap().unwrap();
    assert_eq!(shown.sent, None);

    // Kept again later, so it stays when the other goes.
    assert_eq!(store.forget_texts(at(3)).await.unwrap(), 1);
    assert_eq!(store.forget_texts(at(3)).await.unwrap(), 0);
    let shown = store.call(entries[0].seq).await.unwrap().unwrap();
    assert_eq!(shown.received, None);
    assert_rebuilds(&store).await;
    store.close().await;
}
