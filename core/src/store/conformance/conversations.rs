//! Conversations: listed by what they are about, read with their messages, made anew from the journal.

use steward_api::{
    Channel, Conversation, ConversationId, ConversationQuery, Event, IncidentId, Message,
    MessageKind, TaskId,
};

use super::{Factory, assert_rebuilds};
use crate::{
    ports::{Archive, Store},
    store::builders::{NODE, at, fact},
};

fn conversation(id: i64, incident: Option<i64>, task: Option<i64>) -> Conversation {
    Conversation {
        id: ConversationId(id),
        node: NODE.to_owned(),
        title: "My database is slow".to_owned(),
        by: "ada".to_owned(),
        channel: Channel::Http,
        incident: incident.map(IncidentId),
        task: task.map(TaskId),
        started_at: at(0),
        last_at: at(0),
        messages: 0,
        tasks: Vec::new(),
    }
}

fn say(conversation: &mut Conversation, kind: MessageKind, text: &str, size: usize) -> Event {
    conversation.messages += 1;
    conversation.last_at = at(i64::from(conversation.messages));
    Event::MessageSent {
        message: Box::new(Message {
            conversation: conversation.id,
            number: conversation.messages,
            at: conversation.last_at,
            from: "ada".to_owned(),
            to: "Athena".to_owned(),
            kind,
            text: format!("{text}{}", ".".repeat(size)),
            reply_to: None,
            looked_at: Vec::new(),
            proposals: Vec::new(),
            unchecked: Vec::new(),
            model: None,
        }),
        conversation: Box::new(conversation.clone()),
    }
}

pub(super) async fn conversations_are_listed_by_what_they_are_about(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    let mut of_incident = conversation(3, Some(7), None);
    let mut of_task = conversation(5, None, Some(11));
    let mut came_of_it = conversation(9, None, None);
    let mut facts = vec![
        fact(1, say(&mut of_incident, MessageKind::Question, "a", 0)),
        fact(2, say(&mut of_task, MessageKind::Question, "b", 0)),
        fact(3, say(&mut came_of_it, MessageKind::Question, "c", 0)),
    ];
    came_of_it.tasks = vec![TaskId(11), TaskId(12)];
    facts.push(fact(4, say(&mut came_of_it, MessageKind::Answer, "d", 0)));
    store.append(NODE, &facts).await.unwrap();

    let ids = async |query: ConversationQuery| {
        let page = store.conversations(&query).await.unwrap();
        let ids: Vec<_> = page.items.iter().map(|one| one.id.0).collect();
        (ids, page.next)
    };
    let all = ConversationQuery::default();
    assert_eq!(ids(all).await, (vec![9, 5, 3], None));
    let first = ConversationQuery {
        limit: Some(2),
        ..all
    };
    assert_eq!(ids(first).await, (vec![9, 5], Some(5)));
    let rest = ConversationQuery {
        before: Some(5),
        ..first
    };
    assert_eq!(ids(rest).await, (vec![3], None));
    let about = |incident: Option<i64>, task: Option<i64>| ConversationQuery {
        incident: incident.map(IncidentId),
        task: task.map(TaskId),
        ..all
    };
    assert_eq!(ids(about(Some(7), None)).await.0, [3]);
    assert_eq!(ids(about(Some(8), None)).await.0, [0; 0]);
    assert_eq!(ids(about(None, Some(11))).await.0, [9, 5]);
    assert_eq!(ids(about(None, Some(12))).await.0, [9]);
    assert_eq!(ids(about(Some(7), Some(12))).await.0, [0; 0]);

    let known = store.conversation(ConversationId(9)).await.unwrap();
    assert_eq!(known, Some(came_of_it));
    let unknown = ConversationId(4);
    assert_eq!(store.conversation(unknown).await.unwrap(), None);
    assert_eq!(store.messages(unknown, None, 10).await.unwrap(), []);
    assert_eq!(store.last_question(unknown).await.unwrap(), None);
    assert_rebuilds(&store).await;
    store.close().await;
}

pub(super) async fn the_last_messages_of_a_conversation_are_read(factory: &Factory) {
    let place = factory.fresh().await;
    let store = place.open().await;
    let mut long = conversation(1, None, None);
    let mut other = conversation(2, None, None);
    let mut facts = Vec::new();
    for number in 0..20 {
        let kind = match number {
            4 | 12 => MessageKind::Question,
            _ => MessageKind::Report,
        };
        facts.push(fact(number, say(&mut long, kind, &number.to_string(), 0)));
        facts.push(fact(
            number,
            say(&mut other, MessageKind::Question, "other", 0),
        ));
    }
    store.append(NODE, &facts).await.unwrap();
    let numbers = async |before, limit| -> Vec<u32> {
        let found = store.messages(ConversationId(1), before, limit).await;
        found
            .unwrap()
            .iter()
            .map(|message| message.number)
            .collect()
    };
    assert_eq!(numbers(None, 3).await, [18, 19, 20]);
    assert_eq!(numbers(Some(3), 50).await, [1, 2]);
    assert_eq!(numbers(None, u32::MAX).await.len(), 20);
    let question = store.last_question(ConversationId(1)).await.unwrap();
    assert_eq!(
        question.map(|message| (message.number, message.text)),
        Some((13, "12".to_owned()))
    );

    // What was looked at can be long: the newest come, not all at any price.
    let facts: Vec<_> = (0..3)
        .map(|_| {
            let size = 7 * 1024 * 1024;
            fact(30, say(&mut long, MessageKind::Report, "long", size))
        })
        .collect();
    store.append(NODE, &facts).await.unwrap();
    assert_eq!(numbers(None, 1000).await, [22, 23]);
    assert_rebuilds(&store).await;
    store.close().await;
}
