//! Bad days of an SQLite store: no space, no right to write, a wrong URL, a file that is no database.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use sqlx::Row;
use tempfile::TempDir;

use super::{
    builders::{NODE, fact, health, started},
    open,
};
use crate::ports::{Fact, Sample, Store, StoreError};
use steward_api::{Health, Metric};

fn url(folder: &Path) -> String {
    format!("sqlite://{}/steward.db", folder.display())
}

fn large_fact(number: i64) -> Fact {
    fact(
        number,
        steward_api::Event::ConfigRefused {
            error: "x".repeat(20_000),
        },
    )
}

/// A small file system of its own; unmounted when dropped.
struct SmallDisk(TempDir);

#[allow(clippy::disallowed_methods, reason = "a test mounts the disk it fills")]
fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .output()
        .is_ok_and(|output| output.status.success())
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap().to_owned();
        run(
            "mount",
            &["-t", "tmpfs", "-o", "size=2m", "steward-test", &path],
        )
        .then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a connection may still be closing.
        let path = self.0.path().to_str().unwrap_or_default();
        run("umount", &["-l", path]);
    }
}

async fn append_until_full(store: &super::SqlStore) -> (i64, StoreError) {
    for number in 0..10_000 {
        let before = store.journal_head().await.unwrap();
        let facts = [
            large_fact(number),
            large_fact(number),
            fact(number, health("web", Health::Healthy)),
        ];
        if let Err(error) = store.append(NODE, &facts).await {
            return (before, error);
        }
    }
    panic!("it never became full");
}

#[tokio::test]
async fn a_full_database_keeps_nothing_of_the_call_and_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&url(folder.path()), folder.path()).await.unwrap();
    {
        let mut write = store.writer.begin().await.unwrap();
        sqlx::query("PRAGMA max_page_count = 200")
            .fetch_all(&mut write.connection)
            .await
            .unwrap();
        write.commit().await.unwrap();
    }
    let (before, error) = append_until_full(&store).await;
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert_eq!(store.journal_head().await.unwrap(), before);
    // The limit went with the connection on which it was set.
    let entries = store.append(NODE, &[large_fact(0)]).await.unwrap();
    assert_eq!(entries[0].seq, before + 1);
    assert!(store.verify_journal().await.unwrap().intact);
}

#[tokio::test]
async fn a_full_disk_keeps_nothing_of_the_call_and_goes_on_when_there_is_space() {
    let Some(disk) = SmallDisk::mount() else {
        println!("SKIPPED: a small disk can't be mounted here (that needs root and CAP_SYS_ADMIN)");
        return;
    };
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![0_u8; 600_000]).unwrap();
    let store = open(&url(disk.path()), disk.path()).await.unwrap();
    let (before, error) = append_until_full(&store).await;
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert_eq!(store.journal_head().await.unwrap(), before);
    // It stays so, and what can be read still can.
    for _ in 0..3 {
        let facts = [large_fact(0), large_fact(1), large_fact(2)];
        assert!(matches!(
            store.append(NODE, &facts).await,
            Err(StoreError::Unavailable(_))
        ));
    }
    let many: Vec<_> = (0..20_000)
        .map(|number| Sample {
            resource: super::builders::container(&format!("box{number}")),
            metric: Metric::CpuPercent,
            at: super::builders::at(0),
            value: 1.0,
        })
        .collect();
    assert!(matches!(
        store.record(&many).await,
        Err(StoreError::Unavailable(_))
    ));
    assert_eq!(store.journal_head().await.unwrap(), before);
    assert!(store.verify_journal().await.unwrap().intact);

    fs::remove_file(&ballast).unwrap();
    let entries = store.append(NODE, &[large_fact(0)]).await.unwrap();
    assert_eq!(entries[0].seq, before + 1);
    store.probe().await.unwrap();
    store.record(&many[..10]).await.unwrap();
    assert!(store.verify_journal().await.unwrap().intact);
    store.close().await;
    drop(store);
    let store = open(&url(disk.path()), disk.path()).await.unwrap();
    assert_eq!(store.journal_head().await.unwrap(), before + 1);
    store.close().await;
}

#[tokio::test]
async fn a_disk_that_turns_read_only_is_unavailable_and_comes_back() {
    let Some(disk) = SmallDisk::mount() else {
        println!("SKIPPED: a small disk can't be mounted here (that needs root and CAP_SYS_ADMIN)");
        return;
    };
    let store = open(&url(disk.path()), disk.path()).await.unwrap();
    store.append(NODE, &[fact(0, started())]).await.unwrap();
    store.close().await;
    let path = disk.path().to_str().unwrap().to_owned();
    assert!(run("mount", &["-o", "remount,ro", &path]));
    let error = store.append(NODE, &[fact(1, started())]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(matches!(
        store.probe().await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(run("mount", &["-o", "remount,rw", &path]));
    let entries = store.append(NODE, &[fact(1, started())]).await.unwrap();
    assert_eq!(entries[0].seq, 2);
}

#[tokio::test]
async fn the_files_are_their_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("deep/data");
    let store = open(&url(&data), &data).await.unwrap();
    store.append(NODE, &[fact(0, started())]).await.unwrap();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(data.join("steward.db")), 0o600);
    assert_eq!(mode(data.join("steward.db-wal")), 0o600);
    store.close().await;
    assert_eq!(mode(data.join("journal.head")), 0o600);
    assert_eq!(mode(data), 0o700);
}

#[tokio::test]
async fn the_anchor_follows_and_never_leads() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&url(folder.path()), folder.path()).await.unwrap();
    for number in 0..5 {
        store
            .append(NODE, &[fact(number, started())])
            .await
            .unwrap();
        if let Some(mark) = store.anchor.read().unwrap() {
            assert!(mark.seq <= number + 1);
        }
    }
    // By itself, within about a second.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while store.anchor.read().unwrap().is_none_or(|mark| mark.seq < 5) {
        assert!(tokio::time::Instant::now() < deadline, "the anchor lags");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // A file that was spoilt is a fault, not a fresh start.
    fs::write(folder.path().join("journal.head"), "?").unwrap();
    let fault = store.verify_journal().await.unwrap().fault.unwrap();
    assert!(fault.starts_with("can't understand"), "{fault}");
}

#[tokio::test]
async fn durable_and_small() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&url(folder.path()), folder.path()).await.unwrap();
    let mut write = store.writer.begin().await.unwrap();
    for (pragma, expected) in [("synchronous", 2), ("cache_size", -512)] {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA {pragma}")))
            .fetch_one(&mut write.connection)
            .await
            .unwrap();
        assert_eq!(row.get::<i64, _>(0), expected, "{pragma}");
    }
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut write.connection)
        .await
        .unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn a_bad_url_is_explained_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let error = async |url: &str| match open(url, folder.path()).await {
        Err(error @ StoreError::Open(_)) => error.to_string(),
        Err(other) => panic!("{url}: {other:?}"),
        Ok(_) => panic!("{url} was opened"),
    };
    for url in [
        "hunter2",
        "mysql://root:hunter2@localhost/db",
        "postgres://me:hunter2@local host/db",
        "postgres://me:hunter2@localhost:port/db",
        "postgres://me:hun#ter2@localhost/db",
        "postgres://me@localhost/db?passwort=hunter2",
        "postgres://me@localhost/db?port=hunter2",
        "postgres://me:hunter2@localhost:1/db",
        "postgres://me@localhost:1/db?password=hunter2",
        "sqlite://data.db?key=hunter2",
        "sqlite::memory:",
        "sqlite://",
        "",
    ] {
        let error = error(url).await;
        assert!(!error.contains("hunter2"), "{error}");
        assert!(!error.contains("ter2"), "{error}");
        assert!(error.contains("database"), "{error}");
    }
    assert!(
        error("postgres://me:x@localhost:1/db")
            .await
            .contains("postgres://me@localhost:1/db")
    );
    assert!(
        error("postgres://me@localhost/db?passwort=x")
            .await
            .contains("`passwort`")
    );

    let file = folder.path().join("text.db");
    fs::write(
        &file,
        "this is a text and not a database, however long it may become".repeat(40),
    )
    .unwrap();
    let found = error(&format!("sqlite://{}", file.display())).await;
    assert!(
        found.contains("text.db") && found.contains("not a database"),
        "{found}"
    );
}
