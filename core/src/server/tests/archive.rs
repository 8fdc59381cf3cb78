//! An archive with one call of a language model and one conversation.

use async_trait::async_trait;
use jiff::Timestamp;
use steward_api::{
    ActionName, CallQuery, CallResult, CallTexts, Channel, Conversation, ConversationId,
    ConversationQuery, JARVIS_PRIME, Message, MessageKind, ModelCall, ModelClass, Page, Proposal,
    Purpose, RecordedCall, SecurityDay, SecuritySummary, TaskId,
};

use crate::ports::{Archive, StoreError};

pub(in crate::server) struct Shelf;

fn recorded() -> RecordedCall {
    RecordedCall {
        id: 1,
        node: "atlas".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        call: ModelCall {
            model: "small".to_owned(),
            class: ModelClass::Local,
            purpose: Purpose::Diagnosis,
            incident: None,
            conversation: None,
            result: CallResult::Answered,
            error: None,
            prompt_tokens: 10,
            completion_tokens: 2,
            cost_micro_usd: 0,
            took_ms: 5,
            sent: "aa".to_owned(),
            received: "bb".to_owned(),
        },
    }
}

/// The conversation that there is.
pub(in crate::server) fn conversation() -> Conversation {
    Conversation {
        id: ConversationId(1),
        node: "atlas".to_owned(),
        title: "Why is the door slow?".to_owned(),
        by: "oskar".to_owned(),
        channel: Channel::Http,
        incident: None,
        task: None,
        started_at: Timestamp::UNIX_EPOCH,
        last_at: Timestamp::UNIX_EPOCH,
        messages: 2,
        tasks: vec![TaskId(1)],
    }
}

fn question() -> Message {
    Message {
        conversation: ConversationId(1),
        number: 1,
        at: Timestamp::UNIX_EPOCH,
        from: "oskar".to_owned(),
        to: JARVIS_PRIME.to_owned(),
        kind: MessageKind::Question,
        text: "Why is the door slow?".to_owned(),
        reply_to: None,
        looked_at: Vec::new(),
        proposals: Vec::new(),
        unchecked: Vec::new(),
        model: None,
    }
}

fn answer() -> Message {
    Message {
        number: 2,
        from: JARVIS_PRIME.to_owned(),
        to: "oskar".to_owned(),
        kind: MessageKind::Answer,
        text: "It waits for the lock.".to_owned(),
        reply_to: Some(1),
        proposals: vec![Proposal {
            resource: super::fixture::id("atlas/container/db"),
            action: ActionName::RestartContainer,
            reason: "It lets go of the lock.".to_owned(),
            task: Some(TaskId(1)),
            refused: None,
        }],
        model: Some("small".to_owned()),
        ..question()
    }
}

#[async_trait]
impl Archive for Shelf {
    async fn keep_texts(&self, _: Timestamp, _: &[(String, String)]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn calls(&self, query: &CallQuery) -> Result<Page<RecordedCall>, StoreError> {
        let is_on_it = query.before.is_none_or(|before| before > 1);
        Ok(Page {
            items: if is_on_it {
                vec![recorded()]
            } else {
                Vec::new()
            },
            next: None,
        })
    }

    async fn call(&self, id: i64) -> Result<Option<CallTexts>, StoreError> {
        Ok((id == 1).then(|| CallTexts {
            recorded: recorded(),
            sent: Some("{}".to_owned()),
            received: None,
        }))
    }

    async fn spent_since(&self, _: &str, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn forget_texts(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn conversations(
        &self,
        query: &ConversationQuery,
    ) -> Result<Page<Conversation>, StoreError> {
        let is_on_it = query.before.is_none_or(|before| before > 1)
            && query.incident.is_none()
            && query.task.is_none();
        Ok(Page {
            items: if is_on_it {
                vec![conversation()]
            } else {
                Vec::new()
            },
            next: None,
        })
    }

    async fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        Ok((id.0 == 1).then(conversation))
    }

    async fn messages(
        &self,
        id: ConversationId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        if id.0 != 1 {
            return Ok(Vec::new());
        }
        let mut messages = vec![question(), answer()];
        messages.retain(|message| before.is_none_or(|before| message.number < before));
        messages.truncate(limit as usize);
        Ok(messages)
    }

    async fn last_question(&self, id: ConversationId) -> Result<Option<Message>, StoreError> {
        Ok((id.0 == 1).then(question))
    }

    async fn security_since(
        &self,
        _: &str,
        _: Timestamp,
    ) -> Result<Vec<(Timestamp, SecuritySummary)>, StoreError> {
        Ok(vec![(super::fixture::at(0), SecuritySummary::default())])
    }

    async fn security_within(
        &self,
        _: &str,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Option<SecuritySummary>, StoreError> {
        Ok(None)
    }

    async fn last_security_day(&self, _: &str) -> Result<Option<SecurityDay>, StoreError> {
        Ok(None)
    }
}
