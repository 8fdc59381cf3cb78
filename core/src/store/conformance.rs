//! What every store must do, whatever database it stands on. Each check gets a factory of places to open a store in.

mod calls;
mod conversations;
mod history;
mod journal;
mod projections;
mod security;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::AssertSqlSafe;
use tempfile::TempDir;

use super::{SqlStore, connection::Dialect, open, postgres::Server, projections::TABLES};

/// Makes places for stores.
pub(super) enum Factory {
    Sqlite,
    Postgres(Server, AtomicU32),
}

impl Factory {
    pub(super) const fn postgres(server: Server) -> Self {
        Self::Postgres(server, AtomicU32::new(0))
    }

    /// An empty database with a data directory.
    pub(super) async fn fresh(&self) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let url = match self {
            Self::Sqlite => format!("sqlite://{}/data/steward.db", folder.path().display()),
            Self::Postgres(server, count) => {
                let number = count.fetch_add(1, Ordering::Relaxed);
                server.database(&format!("place_{number}")).await
            }
        };
        Place { url, folder }
    }
}

/// Where a store can be opened, as often as wanted.
pub(super) struct Place {
    pub(super) url: String,
    pub(super) folder: TempDir,
}

impl Place {
    pub(super) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(super) async fn open(&self) -> Arc<SqlStore> {
        open(&self.url, &self.data_dir()).await.unwrap()
    }

    /// Opens it as another agent would: same database, another data directory. On SQLite there is no such thing.
    async fn open_elsewhere(&self) -> Arc<SqlStore> {
        open(&self.url, &self.folder.path().join("elsewhere"))
            .await
            .unwrap()
    }
}

/// Runs SQL behind the store's back.
pub(super) async fn tamper(store: &SqlStore, sql: &str) {
    let mut write = store.writer.begin().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut write.connection)
        .await
        .unwrap();
    write.commit().await.unwrap();
}

/// Every row of some tables, as text.
async fn dump(store: &SqlStore, tables: &[&str]) -> Vec<String> {
    let mut dump = Vec::new();
    for table in tables {
        let rows = sqlx::query(AssertSqlSafe(format!("SELECT * FROM {table}")))
            .fetch_all(&store.readers)
            .await
            .unwrap();
        let mut lines: Vec<_> = rows
            .iter()
            .map(|row| {
                let values: Vec<_> = row.values.iter().map(|value| &value.kind).collect();
                format!("{table}: {values:?}")
            })
            .collect();
        lines.sort();
        dump.extend(lines);
    }
    dump
}

/// The projections are what the journal makes of them.
pub(super) async fn assert_rebuilds(store: &SqlStore) {
    use crate::ports::Store;
    let before = dump(store, &TABLES).await;
    store.rebuild().await.unwrap();
    let after = dump(store, &TABLES).await;
    assert_eq!(before, after);
    let verification = store.verify_journal().await.unwrap();
    assert!(verification.intact, "{:?}", verification.fault);
}

macro_rules! checks {
    ($($part:ident::$name:ident)+) => {
        /// All checks that are the same for every database.
        pub(super) async fn all(factory: &Factory) {
            $(
                println!("conformance: {}", stringify!($name));
                Box::pin($part::$name(factory)).await;
            )+
        }

        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$part::$name(&super::Factory::Sqlite).await;
                }
            )+
        }
    };
}

checks! {
    journal::entries_are_numbered_from_one_and_come_back_as_they_were_written
    journal::nothing_to_append_is_nothing_done
    journal::a_changed_entry_is_found
    journal::a_removed_entry_is_found
    journal::a_cut_tail_is_found
    journal::a_tail_cut_while_the_agent_runs_is_found
    journal::a_rewritten_chain_is_found
    journal::what_was_appended_survives_a_sudden_end
    journal::two_stores_keep_one_gapless_chain
    journal::readers_are_not_disturbed_by_writes
    journal::an_unanswered_commit_is_not_written_twice
    journal::an_abandoned_append_leaves_the_store_usable
    journal::numbers_are_given_once
    journal::a_probe_writes_and_leaves_no_trace_in_the_journal
    projections::incidents_are_listed_by_page_and_filter
    projections::tasks_are_listed_by_page_and_filter
    projections::flapping_is_counted_once
    projections::statistics_tell_what_happened_to_a_resource
    projections::an_agent_remembers_what_it_needs
    projections::a_rich_history_rebuilds_the_same
    history::readings_become_points
    history::a_thousand_series_are_recorded_and_found
    history::finer_points_are_summed_up_once
    history::a_late_reading_is_summed_up_too
    history::what_is_too_old_goes_and_the_sums_stay
    history::a_step_groups_points
    history::any_range_is_answered
    calls::calls_are_listed_summed_and_shown_with_their_texts
    security::where_security_stood_is_read_by_the_hour_and_made_anew
    security::documents_are_kept_replaced_and_forgotten
    conversations::conversations_are_listed_by_what_they_are_about
    conversations::the_last_messages_of_a_conversation_are_read
}

/// Kinds of [`Dialect`] that let several processes write.
pub(super) fn is_shared(store: &SqlStore) -> bool {
    store.dialect == Dialect::Postgres
}
