//! Calls of language models: the list of them, and their texts.
//!
//! The calls are a projection of the journal; the texts stand beside it under their hashes, and are forgotten after a while. A text that
//! does not go with its hash is not shown.

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Row};
use steward_api::{
    CallQuery, CallTexts, Conversation, ConversationId, ConversationQuery, Message, ModelCall,
    Page, RecordedCall, SecurityDay, SecuritySummary,
};

use crate::ports::{Archive, StoreError, sha256};

use super::{
    SqlStore,
    connection::{failed, patiently},
    journal::time_of,
};

/// Calls on a page where the query says nothing, and at most.
const PAGE: u32 = 100;
const MOST: u32 = 1000;

#[async_trait::async_trait]
impl Archive for SqlStore {
    async fn keep_texts(
        &self,
        at: Timestamp,
        texts: &[(String, String)],
    ) -> Result<(), StoreError> {
        patiently(async {
            let mut write = self.writer.begin().await?;
            for (hash, text) in texts {
                sqlx::query(
                    "INSERT INTO model_texts (hash, kept_at, text) VALUES ($1, $2, $3)
                     ON CONFLICT (hash) DO UPDATE SET kept_at = excluded.kept_at",
                )
                .bind(hash.as_str())
                .bind(at.as_microsecond())
                .bind(text.as_str())
                .execute(&mut write.connection)
                .await
                .map_err(failed)?;
            }
            write.commit().await
        })
        .await
    }

    async fn calls(&self, query: &CallQuery) -> Result<Page<RecordedCall>, StoreError> {
        patiently(self.list_calls(query)).await
    }

    async fn call(&self, id: i64) -> Result<Option<CallTexts>, StoreError> {
        patiently(async {
            let found = sqlx::query("SELECT id, node, at, doc FROM model_calls WHERE id = $1")
                .bind(id)
                .fetch_optional(&self.readers)
                .await
                .map_err(failed)?;
            let Some(recorded) = found.as_ref().map(recorded).transpose()? else {
                return Ok(None);
            };
            let sent = self.text(&recorded.call.sent).await?;
            let received = self.text(&recorded.call.received).await?;
            Ok(Some(CallTexts {
                recorded,
                sent,
                received,
            }))
        })
        .await
    }

    async fn spent_since(&self, node: &str, since: Timestamp) -> Result<u64, StoreError> {
        patiently(async {
            let spent: i64 = sqlx::query_scalar(
                "SELECT CAST(COALESCE(SUM(cost), 0) AS BIGINT) FROM model_calls WHERE node = $1 AND at >= $2",
            )
            .bind(node)
            .bind(since.as_microsecond())
            .fetch_one(&self.readers)
            .await
            .map_err(failed)?;
            u64::try_from(spent)
                .map_err(|_| StoreError::Corrupt(format!("calls that cost {spent}")))
        })
        .await
    }

    async fn forget_texts(&self, before: Timestamp) -> Result<u64, StoreError> {
        patiently(async {
            let mut write = self.writer.begin().await?;
            let gone = sqlx::query("DELETE FROM model_texts WHERE kept_at < $1")
                .bind(before.as_microsecond())
                .execute(&mut write.connection)
                .await
                .map_err(failed)?
                .rows_affected();
            write.commit().await?;
            Ok(gone)
        })
        .await
    }

    async fn conversations(
        &self,
        query: &ConversationQuery,
    ) -> Result<Page<Conversation>, StoreError> {
        patiently(self.list_conversations(query)).await
    }

    async fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        patiently(self.find_conversation(id)).await
    }

    async fn security_since(
        &self,
        node: &str,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, SecuritySummary)>, StoreError> {
        patiently(self.summaries_since(node, since)).await
    }

    async fn security_within(
        &self,
        node: &str,
        since: Timestamp,
        before: Timestamp,
    ) -> Result<Option<SecuritySummary>, StoreError> {
        patiently(self.summary_within(node, since, before)).await
    }

    async fn last_security_day(&self, node: &str) -> Result<Option<SecurityDay>, StoreError> {
        patiently(self.last_day(node)).await
    }

    async fn messages(
        &self,
        id: ConversationId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        patiently(self.last_messages(id, before, limit)).await
    }

    async fn last_question(&self, id: ConversationId) -> Result<Option<Message>, StoreError> {
        patiently(self.find_last_question(id)).await
    }
}

impl SqlStore {
    async fn list_calls(&self, query: &CallQuery) -> Result<Page<RecordedCall>, StoreError> {
        let limit = query.limit.unwrap_or(PAGE).clamp(1, MOST);
        let of_incident = if query.incident.is_some() {
            "AND incident = $2"
        } else {
            "AND ($2 = 0)"
        };
        let of_conversation = if query.conversation.is_some() {
            "AND conversation = $3"
        } else {
            "AND ($3 = 0)"
        };
        let sql = format!(
            "SELECT id, node, at, doc FROM model_calls WHERE id < $1 {of_incident} {of_conversation} ORDER BY id DESC LIMIT {}",
            limit + 1
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(query.before.unwrap_or(i64::MAX))
            .bind(query.incident.map_or(0, |incident| incident.0))
            .bind(query.conversation.map_or(0, |conversation| conversation.0))
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        let mut items = rows.iter().map(recorded).collect::<Result<Vec<_>, _>>()?;
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = items.last().filter(|_| more).map(|last| last.id);
        Ok(Page { items, next })
    }

    async fn text(&self, hash: &str) -> Result<Option<String>, StoreError> {
        if hash.is_empty() {
            return Ok(None);
        }
        let text: Option<String> =
            sqlx::query_scalar("SELECT text FROM model_texts WHERE hash = $1")
                .bind(hash)
                .fetch_optional(&self.readers)
                .await
                .map_err(failed)?;
        // What was changed in the database is not what was sent.
        Ok(text.filter(|text| sha256(text) == hash))
    }
}

fn recorded(row: &sqlx::any::AnyRow) -> Result<RecordedCall, StoreError> {
    let id: i64 = row.try_get(0).map_err(failed)?;
    let node: String = row.try_get(1).map_err(failed)?;
    let at: i64 = row.try_get(2).map_err(failed)?;
    let doc: String = row.try_get(3).map_err(failed)?;
    let call: ModelCall = serde_json::from_str(&doc)
        .map_err(|error| StoreError::Corrupt(format!("call {id}: {error}")))?;
    Ok(RecordedCall {
        id,
        node,
        at: time_of(at)?,
        call,
    })
}
