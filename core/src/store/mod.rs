//! The store: the journal and its projections, in SQLite or PostgreSQL.
//!
//! Facts come in; each takes its place in the hash-chained journal and changes the tables that are projections of it, in one transaction
//! that is durable when the call returns. Incidents, tasks and statistics are read from the projections, which can be made anew from the
//! journal at any time. The history of metrics stands beside, and is no part of the journal.
//!
//! What it never does: decide anything, read a clock, or keep a part of a call that failed.

mod connection;
// In the order in which a fact passes through them.
mod anchor;
mod journal;
mod projections;
mod queries;
mod verify;
// Beside the journal.
mod calls;
mod conversations;
mod history;
mod metrics;
mod security;

#[cfg(test)]
mod builders;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod tests;

use std::{
    ops::Range,
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{AnyPool, migrate::MigrateError};
use steward_api::{
    Envelope, Incident, IncidentId, IncidentQuery, JournalVerification, MetricQuery, MetricSeries,
    Page, ResourceId, ResourceStatistics, Task, TaskId, TaskQuery,
};
use tokio::task::JoinHandle;

use crate::ports::{Fact, Memory, Retention, Sample, Store, StoreError};

use anchor::Anchor;
use connection::{Dialect, Place, Writer, create_folder, patiently};
use metrics::SeriesCache;

/// The tables, for each database, as they came to be. Embedded in the binary.
static SQLITE_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/postgres");

/// The store on an SQL database.
pub struct SqlStore {
    writer: Writer,
    readers: AnyPool,
    dialect: Dialect,
    anchor: Arc<Anchor>,
    anchor_keeper: JoinHandle<()>,
    /// Entries of a commit whose end is not known; see `journal.rs`.
    doubt: Mutex<Vec<Envelope>>,
    series: SeriesCache,
}

/// Opens the database at `url` (`sqlite:///path/to/file` or `postgres://user:password@host/database`), makes it and its tables where
/// they are missing, and compares the journal's end with what `<data_dir>/journal.head` says. Must be called within a tokio runtime.
///
/// A journal that contradicts that file is opened all the same, with an error in the log: [`Store::verify_journal`] tells the fault.
///
/// # Errors
/// [`StoreError::Open`] with what is wrong and what to do, never with a password; [`StoreError::Corrupt`] where the database can't be
/// understood.
pub async fn open(url: &str, data_dir: &Path) -> Result<Arc<SqlStore>, StoreError> {
    sqlx::any::install_default_drivers();
    create_folder(data_dir)?;
    let place = Place::parse(url, data_dir)?;
    place.create()?;
    let dialect = place.dialect;
    let description = place.description.clone();
    let cannot = |error: &dyn std::fmt::Display| {
        let advice = match dialect {
            Dialect::Sqlite => "is the file there, an SQLite database, and may it be written?",
            Dialect::Postgres => {
                "does the server run, does the database exist, and may this user use it?"
            }
        };
        StoreError::Open(format!(
            "can't open the database {description}: {error}; {advice}"
        ))
    };

    let mut connection = tokio::time::timeout(connection::PATIENCE, place.connect(true))
        .await
        .map_err(|_| cannot(&"it does not answer"))?
        .map_err(|error| cannot(&error))?;
    let migrations = match dialect {
        Dialect::Sqlite => &SQLITE_MIGRATIONS,
        Dialect::Postgres => &POSTGRES_MIGRATIONS,
    };
    migrations
        .run_direct(None, &mut connection, false)
        .await
        .map_err(|error| match error {
            MigrateError::VersionMissing(version) => StoreError::Open(format!(
                "the database {description} was made by a newer Steward (it has step {version}, which this one does not know): use that one"
            )),
            other => cannot(&other),
        })?;

    let anchor = Arc::new(Anchor::new(data_dir, description));
    let readers = place.readers();
    let store = SqlStore {
        writer: Writer::new(place, connection),
        readers,
        dialect,
        anchor_keeper: tokio::spawn(Arc::clone(&anchor).keep()),
        anchor,
        doubt: Mutex::default(),
        series: SeriesCache::default(),
    };
    store.compare_with_anchor().await?;
    Ok(Arc::new(store))
}

impl SqlStore {
    /// Notes how far the journal has come and closes the connections. Without it nothing is lost, but the note may lag behind.
    pub async fn close(&self) {
        self.anchor_keeper.abort();
        let anchor = Arc::clone(&self.anchor);
        // It waits for the disk. Should the runtime be ending, the drop does the same once more.
        let _ = tokio::task::spawn_blocking(move || anchor.flush()).await;
        self.readers.close().await;
        self.writer.close().await;
    }
}

impl Drop for SqlStore {
    fn drop(&mut self) {
        self.anchor_keeper.abort();
        self.anchor.flush();
    }
}

#[async_trait]
impl Store for SqlStore {
    fn engine(&self) -> &'static str {
        self.dialect.name()
    }

    async fn append(&self, node: &str, facts: &[Fact]) -> Result<Vec<Envelope>, StoreError> {
        self.append_facts(node, facts).await
    }

    async fn reserve_ids(&self, count: u32) -> Result<Range<i64>, StoreError> {
        self.reserve(count).await
    }

    async fn recall(&self, node: &str, now: Timestamp) -> Result<Memory, StoreError> {
        patiently(self.recall_node(node, now)).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.write_probe().await
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<Page<Incident>, StoreError> {
        patiently(self.list_incidents(query)).await
    }

    async fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        patiently(self.find_incident(id)).await
    }

    async fn tasks(&self, query: &TaskQuery) -> Result<Page<Task>, StoreError> {
        patiently(self.list_tasks(query)).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<Task>, StoreError> {
        patiently(self.find_task(id)).await
    }

    async fn statistics(&self, resource: &ResourceId) -> Result<ResourceStatistics, StoreError> {
        patiently(self.resource_statistics(resource)).await
    }

    async fn journal_after(&self, after: i64, limit: u32) -> Result<Vec<Envelope>, StoreError> {
        patiently(self.entries_after(after, limit)).await
    }

    async fn journal_before(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Envelope>, StoreError> {
        patiently(self.entries_before(before, limit)).await
    }

    async fn journal_head(&self) -> Result<i64, StoreError> {
        patiently(self.head()).await
    }

    async fn verify_journal(&self) -> Result<JournalVerification, StoreError> {
        self.verify().await
    }

    async fn rebuild(&self) -> Result<(), StoreError> {
        self.rebuild_projections().await
    }

    async fn record(&self, samples: &[Sample]) -> Result<(), StoreError> {
        self.record_samples(samples).await
    }

    async fn tidy(&self, now: Timestamp, retention: Retention) -> Result<(), StoreError> {
        self.tidy_history(now, retention).await
    }

    async fn series(
        &self,
        query: &MetricQuery,
        now: Timestamp,
    ) -> Result<MetricSeries, StoreError> {
        patiently(self.read_series(query, now)).await
    }
}
