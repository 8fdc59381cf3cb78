//! Reading conversations: the list of them, one, and its messages.
//!
//! Queries come in, plain data of the contract goes out; both are projections of the journal. What it never does: change them.

use futures_util::TryStreamExt;
use sqlx::Row;
use steward_api::{Conversation, ConversationId, ConversationQuery, Message, MessageKind, Page};

use crate::ports::StoreError;

use super::{
    SqlStore,
    connection::failed,
    queries::{Conditions, MOST, Value, parse},
};

/// Messages are read up to about so many bytes: what was looked at stands in them, and a long conversation has much of it.
const LARGEST_READING: usize = 16 * 1024 * 1024;

impl SqlStore {
    pub(super) async fn list_conversations(
        &self,
        query: &ConversationQuery,
    ) -> Result<Page<Conversation>, StoreError> {
        let mut conditions = Conditions::default();
        if let Some(incident) = query.incident {
            conditions.add("incident = ?", Value::Number(incident.0));
        }
        if let Some(task) = query.task {
            conditions.add(
                "id IN (SELECT conversation FROM conversation_tasks WHERE task = ?)",
                Value::Number(task.0),
            );
        }
        if let Some(before) = query.before {
            conditions.add("id < ?", Value::Number(before));
        }
        self.page("conversations", conditions, query.limit).await
    }

    pub(super) async fn find_conversation(
        &self,
        id: ConversationId,
    ) -> Result<Option<Conversation>, StoreError> {
        let doc: Option<String> = sqlx::query_scalar("SELECT doc FROM conversations WHERE id = $1")
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
        doc.map(|doc| parse("conversations", id.0, &doc))
            .transpose()
    }

    pub(super) async fn last_messages(
        &self,
        id: ConversationId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let mut rows = sqlx::query(
            "SELECT doc FROM messages WHERE conversation = $1 AND number < $2
             ORDER BY number DESC LIMIT $3",
        )
        .bind(id.0)
        .bind(before.map_or(i64::MAX, i64::from))
        .bind(i64::from(limit.min(MOST)))
        .fetch(&self.readers);
        let mut messages = Vec::new();
        let mut bytes = 0;
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            let doc: String = row.try_get(0).map_err(failed)?;
            bytes += doc.len();
            if bytes > LARGEST_READING && !messages.is_empty() {
                break;
            }
            messages.push(parse("a message of the conversation", id.0, &doc)?);
        }
        messages.reverse();
        Ok(messages)
    }

    pub(super) async fn find_last_question(
        &self,
        id: ConversationId,
    ) -> Result<Option<Message>, StoreError> {
        let doc: Option<String> = sqlx::query_scalar(
            "SELECT doc FROM messages WHERE conversation = $1 AND kind = $2
             ORDER BY number DESC LIMIT 1",
        )
        .bind(id.0)
        .bind(MessageKind::Question.as_str())
        .fetch_optional(&self.readers)
        .await
        .map_err(failed)?;
        doc.map(|doc| parse("a message of the conversation", id.0, &doc))
            .transpose()
    }
}
