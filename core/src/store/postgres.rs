//! A real PostgreSQL server for the tests: made in a folder of its own, reached through a socket in it, and gone afterwards.

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;

/// The user `nobody` of every Debian: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;

/// A running server. Dropped, it is stopped and removed; should the test be killed, its guardian does the same.
pub(super) struct Server {
    folder: TempDir,
    programs: PathBuf,
    guardian: Option<Child>,
}

/// Where PostgreSQL's programs are, newest version first, or in the `PATH`.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    versions.sort();
    versions.reverse();
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions
        .into_iter()
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

#[allow(
    clippy::disallowed_methods,
    reason = "a test starts the server it needs"
)]
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir("/");
    command
}

impl Server {
    /// Starts one; `None`, with a word about it, where PostgreSQL is not installed.
    pub(super) async fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            println!(
                "SKIPPED: PostgreSQL is missing (neither /usr/lib/postgresql/*/bin nor PATH has initdb)"
            );
            return None;
        };
        let folder = tempfile::Builder::new()
            .prefix("steward-pg-")
            .tempdir_in("/tmp")
            .unwrap();
        if rustix::process::geteuid().is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let made = command(&programs.join("initdb"))
            .args([
                "--no-sync",
                "--no-instructions",
                "-A",
                "trust",
                "-U",
                "steward",
                "-E",
                "UTF8",
            ])
            .args(["--locale", "C", "-D"])
            .arg(folder.path().join("data"))
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut server = Self {
            folder,
            programs,
            guardian: None,
        };
        server.run().await;
        Some(server)
    }

    /// Starts it (again). A shell guards it: when the pipe to the shell's input closes, in whatever way the test ends, it stops the server.
    pub(super) async fn run(&mut self) {
        let guardian = command(Path::new("/bin/sh"))
            .arg("-c")
            .arg(
                r#""$1"/postgres -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c max_connections=40 >"$2/log" 2>&1 </dev/null &
                server=$!
                read -r line
                kill -INT $server
                wait $server
                [ "$line" = keep ] || rm -rf "$2""#,
            )
            .arg("guardian")
            .arg(&self.programs)
            .arg(self.folder.path())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        self.guardian = Some(guardian);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match PgConnection::connect(&self.url("postgres")).await {
                Ok(connection) => {
                    connection.close().await.unwrap();
                    return;
                }
                Err(error) if Instant::now() > deadline => {
                    let log = fs::read_to_string(self.folder.path().join("log"));
                    panic!("PostgreSQL does not start: {error}; {log:?}");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Stops it; what it holds stays.
    pub(super) fn stop(&mut self) {
        if let Some(mut guardian) = self.guardian.take() {
            let mut input = guardian.stdin.take().unwrap();
            std::io::Write::write_all(&mut input, b"keep\n").unwrap();
            drop(input);
            guardian.wait().unwrap();
        }
    }

    /// The URL of a database.
    pub(super) fn url(&self, database: &str) -> String {
        format!(
            "postgres://steward@localhost/{database}?host={}",
            self.folder.path().display()
        )
    }

    /// Makes a new database and gives its URL.
    pub(super) async fn database(&self, name: &str) -> String {
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        connection
            .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .await
            .unwrap();
        connection.close().await.unwrap();
        self.url(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut guardian) = self.guardian.take() {
            drop(guardian.stdin.take());
            // Nothing more can be done about it here; the folder is removed in any case.
            let _ = guardian.wait();
        }
    }
}
