//! Where security stood over time, and documents that readings keep for those after them.
//!
//! The summaries are a projection of the journal; the documents stand beside it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::Row;
use steward_api::{SecurityDay, SecuritySummary};

use crate::ports::{Documents, StoreError};

use super::{
    SqlStore,
    connection::{failed, patiently},
    journal::time_of,
};

const HOUR_IN_MICROSECONDS: i64 = 3_600_000_000;

fn read<T: serde::de::DeserializeOwned>(doc: &str) -> Result<T, StoreError> {
    serde_json::from_str(doc).map_err(|error| StoreError::Corrupt(error.to_string()))
}

impl SqlStore {
    pub(super) async fn summaries_since(
        &self,
        node: &str,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, SecuritySummary)>, StoreError> {
        let rows = sqlx::query(
            "SELECT at, doc FROM security_summaries WHERE node = $1 AND kind = 'scan' AND id IN (
                 SELECT MAX(id) FROM security_summaries
                 WHERE node = $1 AND kind = 'scan' AND at >= $2 GROUP BY at / $3
             ) ORDER BY id",
        )
        .bind(node)
        .bind(since.as_microsecond())
        .bind(HOUR_IN_MICROSECONDS)
        .fetch_all(&self.readers)
        .await
        .map_err(failed)?;
        let mut found = BTreeMap::new();
        for row in rows {
            let at = time_of(row.try_get("at").map_err(failed)?)?;
            let doc: String = row.try_get("doc").map_err(failed)?;
            found.insert(at, read(&doc)?);
        }
        Ok(found.into_iter().collect())
    }

    pub(super) async fn summary_within(
        &self,
        node: &str,
        since: Timestamp,
        before: Timestamp,
    ) -> Result<Option<SecuritySummary>, StoreError> {
        let doc: Option<String> = sqlx::query_scalar(
            "SELECT doc FROM security_summaries
             WHERE node = $1 AND kind = 'scan' AND at >= $2 AND at < $3 ORDER BY id DESC LIMIT 1",
        )
        .bind(node)
        .bind(since.as_microsecond())
        .bind(before.as_microsecond())
        .fetch_optional(&self.readers)
        .await
        .map_err(failed)?;
        doc.as_deref().map(read).transpose()
    }

    pub(super) async fn last_day(&self, node: &str) -> Result<Option<SecurityDay>, StoreError> {
        let doc: Option<String> = sqlx::query_scalar(
            "SELECT doc FROM security_summaries WHERE node = $1 AND kind = 'day' ORDER BY id DESC LIMIT 1",
        )
        .bind(node)
        .fetch_optional(&self.readers)
        .await
        .map_err(failed)?;
        doc.as_deref().map(read).transpose()
    }
}

#[async_trait::async_trait]
impl Documents for SqlStore {
    async fn kept(&self, node: &str, name: &str) -> Result<Option<String>, StoreError> {
        patiently(async {
            sqlx::query_scalar("SELECT doc FROM kept_documents WHERE node = $1 AND name = $2")
                .bind(node)
                .bind(name)
                .fetch_optional(&self.readers)
                .await
                .map_err(failed)
        })
        .await
    }

    async fn keep(
        &self,
        node: &str,
        name: &str,
        at: Timestamp,
        text: &str,
    ) -> Result<(), StoreError> {
        patiently(async {
            let mut write = self.writer.begin().await?;
            sqlx::query(
                "INSERT INTO kept_documents (node, name, kept_at, doc) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (node, name) DO UPDATE SET kept_at = excluded.kept_at, doc = excluded.doc",
            )
            .bind(node)
            .bind(name)
            .bind(at.as_microsecond())
            .bind(text)
            .execute(&mut write.connection)
            .await
            .map_err(failed)?;
            write.commit().await
        })
        .await
    }

    async fn forget(
        &self,
        node: &str,
        name_begins: &str,
        before: Timestamp,
    ) -> Result<(), StoreError> {
        patiently(async {
            let mut write = self.writer.begin().await?;
            sqlx::query(
                "DELETE FROM kept_documents
                 WHERE node = $1 AND SUBSTR(name, 1, CAST($2 AS INTEGER)) = $3 AND kept_at < $4",
            )
            .bind(node)
            .bind(i64::try_from(name_begins.chars().count()).unwrap_or(i64::MAX))
            .bind(name_begins)
            .bind(before.as_microsecond())
            .execute(&mut write.connection)
            .await
            .map_err(failed)?;
            write.commit().await
        })
        .await
    }
}
