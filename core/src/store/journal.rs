//! The journal: appending to it, its hash chain, reading it, and making the projections anew from it.
//!
//! Facts come in and envelopes go out. An entry's hash covers the entry and the hash of the one before, so that no entry can be changed,
//! removed or put in between without all later hashes changing. Numbers are gapless from 1 over all nodes that share the database.
//! What it never does: change or remove an entry.

use futures_util::TryStreamExt;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::{AnyConnection, AssertSqlSafe, Row, any::AnyRow};
use steward_api::{Envelope, Event};

use crate::ports::{Fact, StoreError};

use super::{
    SqlStore,
    anchor::Mark,
    connection::{Dialect, failed, patiently},
    projections,
};

/// The advisory lock of PostgreSQL under which entries get their numbers: "STEWJRNL".
const JOURNAL_LOCK: i64 = 0x5354_4557_4a52_4e4c;
/// The channel of PostgreSQL on which the number of the last new entry is announced.
const CHANNEL: &str = "steward_journal";
/// Entries that are read at once where all are read; bounds the memory that takes.
pub(super) const BATCH: i64 = 64;
/// Entries that are written in one statement.
const ROWS: usize = 32;
/// Entries on a page, at most.
const MOST: u32 = 1000;

/// The hash of an entry: SHA-256 over the hash of the one before, number, node, time (microseconds since 1970) and the event's JSON text,
/// each preceded by its length in bytes (64 bits, big-endian) so that no two entries run together to the same bytes. Numbers are 64 bits,
/// big-endian; the hash before is its 64 hexadecimal digits, nothing for the first entry. In lower-case hexadecimal.
pub(super) fn entry_hash(before: &str, seq: i64, node: &str, at: i64, event: &str) -> String {
    let mut digest = Sha256::new();
    for part in [
        b"steward-journal-1".as_slice(),
        before.as_bytes(),
        &seq.to_be_bytes(),
        node.as_bytes(),
        &at.to_be_bytes(),
        event.as_bytes(),
    ] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A time as it comes back from the database: whole microseconds.
fn stored_time(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

pub(super) fn time_of(microseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(microseconds)
        .map_err(|_| StoreError::Corrupt(format!("{microseconds} is no time")))
}

/// An entry as it stands in the table.
pub(super) struct Stored {
    pub(super) seq: i64,
    pub(super) node: String,
    pub(super) at: i64,
    pub(super) event: String,
    pub(super) hash: String,
}

impl Stored {
    pub(super) const COLUMNS: &'static str = "seq, node, at, event, hash";

    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            seq: row.try_get(0).map_err(failed)?,
            node: row.try_get(1).map_err(failed)?,
            at: row.try_get(2).map_err(failed)?,
            event: row.try_get(3).map_err(failed)?,
            hash: row.try_get(4).map_err(failed)?,
        })
    }

    fn envelope(self) -> Result<Envelope, StoreError> {
        let event: Event = serde_json::from_str(&self.event).map_err(|error| {
            StoreError::Corrupt(format!("entry {} of the journal: {error}", self.seq))
        })?;
        Ok(Envelope {
            seq: self.seq,
            node: self.node,
            at: time_of(self.at)?,
            event,
            hash: self.hash,
        })
    }
}

/// The journal's last entry, or its beginning.
pub(super) async fn last_entry(connection: &mut AnyConnection) -> Result<Mark, StoreError> {
    let row = sqlx::query("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1")
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    match row {
        Some(row) => Ok(Mark {
            seq: row.try_get(0).map_err(failed)?,
            hash: row.try_get(1).map_err(failed)?,
        }),
        None => Ok(Mark {
            seq: 0,
            hash: String::new(),
        }),
    }
}

impl SqlStore {
    pub(super) async fn append_facts(
        &self,
        node: &str,
        facts: &[Fact],
    ) -> Result<Vec<Envelope>, StoreError> {
        if facts.is_empty() {
            return Ok(Vec::new());
        }
        patiently(self.append_now(node, facts)).await
    }

    async fn append_now(&self, node: &str, facts: &[Fact]) -> Result<Vec<Envelope>, StoreError> {
        let mut write = self.writer.begin().await?;
        let connection = &mut write.connection;
        self.lock_journal(connection).await?;

        // Facts that are in the journal already though the call that brought them could not tell.
        let mut entries = self.settle_doubt(connection, node, facts).await?;
        let known = entries.len();
        if known == facts.len() {
            write.commit().await?;
            self.set_doubt(Vec::new());
            return Ok(entries);
        }

        let before = last_entry(connection).await?;
        let mut head = before.clone();
        let mut texts = Vec::with_capacity(facts.len() - known);
        for fact in &facts[known..] {
            let event = serde_json::to_string(&fact.event)
                .map_err(|error| StoreError::Corrupt(format!("an event has no JSON: {error}")))?;
            let at = stored_time(fact.at);
            let seq = head.seq + 1;
            let hash = entry_hash(&head.hash, seq, node, at.as_microsecond(), &event);
            head = Mark {
                seq,
                hash: hash.clone(),
            };
            texts.push(event);
            entries.push(Envelope {
                seq,
                node: node.to_owned(),
                at,
                event: fact.event.clone(),
                hash,
            });
        }
        let new = &entries[known..];
        insert_entries(connection, new, &texts).await?;
        for entry in new {
            projections::apply(connection, entry).await?;
        }
        projections::note_node(connection, node, new).await?;
        if self.dialect == Dialect::Postgres {
            sqlx::query("SELECT pg_notify($1, $2)")
                .bind(CHANNEL)
                .bind(head.seq.to_string())
                .execute(&mut *connection)
                .await
                .map_err(failed)?;
        }

        // From here until the answer to the commit nobody knows whether it was kept.
        self.set_doubt(entries.clone());
        write.commit().await?;
        self.set_doubt(Vec::new());
        self.anchor.note(&before, head);
        Ok(entries)
    }

    /// Where an earlier call's commit got no answer (the connection was lost in that very moment, or nobody waited for it any more), looks
    /// whether it was kept. Should the same facts come again, those are returned instead of being written twice.
    async fn settle_doubt(
        &self,
        connection: &mut AnyConnection,
        node: &str,
        facts: &[Fact],
    ) -> Result<Vec<Envelope>, StoreError> {
        let doubtful = self.doubt().clone();
        let mut kept = Vec::new();
        for entry in doubtful {
            let hash: Option<String> =
                sqlx::query_scalar("SELECT hash FROM journal WHERE seq = $1")
                    .bind(entry.seq)
                    .fetch_optional(&mut *connection)
                    .await
                    .map_err(failed)?;
            if hash.as_ref() != Some(&entry.hash) {
                break;
            }
            kept.push(entry);
        }
        let same = kept.len() <= facts.len()
            && kept.iter().zip(facts).all(|(entry, fact)| {
                entry.node == node && entry.event == fact.event && entry.at == stored_time(fact.at)
            });
        if same {
            Ok(kept)
        } else {
            tracing::warn!(
                entries = kept.len(),
                "entries whose call did not get an answer are in the journal"
            );
            Ok(Vec::new())
        }
    }

    fn doubt(&self) -> std::sync::MutexGuard<'_, Vec<Envelope>> {
        self.doubt
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn set_doubt(&self, entries: Vec<Envelope>) {
        *self.doubt() = entries;
    }

    /// Only one transaction at a time gives out numbers, over all agents. SQLite's own write lock does the same.
    async fn lock_journal(&self, connection: &mut AnyConnection) -> Result<(), StoreError> {
        if self.dialect == Dialect::Postgres {
            sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .bind(JOURNAL_LOCK)
                .execute(connection)
                .await
                .map_err(failed)?;
        }
        Ok(())
    }

    pub(super) async fn entries_after(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Envelope>, StoreError> {
        let sql = format!(
            "SELECT {} FROM journal WHERE seq > $1 ORDER BY seq LIMIT $2",
            Stored::COLUMNS
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(after)
            .bind(i64::from(limit.min(MOST)));
        let mut rows = query.fetch(&self.readers);
        let mut entries = Vec::new();
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            entries.push(Stored::read(&row)?.envelope()?);
        }
        Ok(entries)
    }

    pub(super) async fn entries_before(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Envelope>, StoreError> {
        let sql = format!(
            "SELECT {} FROM journal WHERE seq < $1 ORDER BY seq DESC LIMIT $2",
            Stored::COLUMNS
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(limit.min(MOST)));
        let mut rows = query.fetch(&self.readers);
        let mut entries = Vec::new();
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            entries.push(Stored::read(&row)?.envelope()?);
        }
        Ok(entries)
    }

    pub(super) async fn head(&self) -> Result<i64, StoreError> {
        sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM journal")
            .fetch_one(&self.readers)
            .await
            .map_err(failed)
    }

    /// Empties every projection and applies the whole journal to them, in one transaction: readers see the old ones until it is done,
    /// and appends wait.
    pub(super) async fn rebuild_projections(&self) -> Result<(), StoreError> {
        let mut write = self.writer.begin().await?;
        let connection = &mut write.connection;
        self.lock_journal(connection).await?;
        projections::clear(connection).await?;
        let sql = format!(
            "SELECT {} FROM journal WHERE seq > $1 ORDER BY seq LIMIT $2",
            Stored::COLUMNS
        );
        let mut after = 0;
        loop {
            let rows = sqlx::query(AssertSqlSafe(sql.clone()))
                .bind(after)
                .bind(BATCH)
                .fetch_all(&mut *connection)
                .await
                .map_err(failed)?;
            let last = (rows.len() as i64) < BATCH;
            for row in rows {
                let entry = Stored::read(&row)?.envelope()?;
                after = entry.seq;
                projections::apply(connection, &entry).await?;
                projections::note_node(connection, &entry.node, std::slice::from_ref(&entry))
                    .await?;
            }
            if last {
                break;
            }
        }
        write.commit().await
    }
}

async fn insert_entries(
    connection: &mut AnyConnection,
    entries: &[Envelope],
    texts: &[String],
) -> Result<(), StoreError> {
    for (entries, texts) in entries.chunks(ROWS).zip(texts.chunks(ROWS)) {
        let sql = format!(
            "INSERT INTO journal ({}) VALUES {}",
            Stored::COLUMNS,
            placeholders(entries.len(), 5)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (entry, text) in entries.iter().zip(texts) {
            query = query
                .bind(entry.seq)
                .bind(entry.node.as_str())
                .bind(entry.at.as_microsecond())
                .bind(text.as_str())
                .bind(entry.hash.as_str());
        }
        query.execute(&mut *connection).await.map_err(failed)?;
    }
    Ok(())
}

/// `($1, $2), ($3, $4) …`
pub(super) fn placeholders(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let numbers: Vec<_> = (1..=columns)
            .map(|column| format!("${}", row * columns + column))
            .collect();
        format!("({})", numbers.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}
