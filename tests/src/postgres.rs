//! A real PostgreSQL server for one test: made, started and removed by it.
//!
//! What flows through: the machine's own PostgreSQL programs into a URL. It never touches another server; its data stand in a temporary
//! directory, its port is a free one, and as root it runs as an unprivileged user, as PostgreSQL demands.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;

use crate::process::{AtParentsDeath, Spawned, is_root, which};

const USER: &str = "steward";
const PASSWORD: &str = "a-password-of-tests";
/// The user `nobody` and the group `nogroup`, everywhere.
const UNPRIVILEGED: u32 = 65_534;

/// A server. Ended and removed on drop.
#[derive(Debug)]
pub struct Postgres {
    dir: TempDir,
    programs: PathBuf,
    port: u16,
    running: Option<Spawned>,
}

impl Postgres {
    /// Makes and starts one. The inner error says why there can be none: a reason to skip.
    ///
    /// # Errors
    /// Where it should work and does not.
    pub async fn start() -> Result<Result<Self, String>> {
        Self::start_with(&[]).await
    }

    /// The same with settings such as `max_connections=10`.
    ///
    /// # Errors
    /// Where it should work and does not.
    pub async fn start_with(settings: &[&str]) -> Result<Result<Self, String>> {
        let Some(programs) = programs() else {
            return Ok(Err(
                "there is no PostgreSQL server: install postgresql".to_owned()
            ));
        };
        if is_root() && which("setpriv").is_none() {
            return Ok(Err("there is no setpriv: install util-linux".to_owned()));
        }
        let dir = tempfile::Builder::new().prefix("spg-").tempdir_in("/tmp")?;
        let password = dir.path().join("password");
        std::fs::write(&password, PASSWORD)?;
        if is_root() {
            for path in [dir.path(), &password] {
                std::os::unix::fs::chown(path, Some(UNPRIVILEGED), Some(UNPRIVILEGED))?;
            }
        }
        let mut server = Self {
            dir,
            programs,
            port: 0,
            running: None,
        };
        let mut initdb = server.command("initdb");
        initdb
            .arg("--pgdata")
            .arg(server.data())
            .args([
                "--username",
                USER,
                "--auth=scram-sha-256",
                "--encoding=UTF8",
            ])
            .args(["--locale=C", "--no-sync", "--pwfile"])
            .arg(&password);
        let output = tokio::process::Command::from(initdb).output().await?;
        if !output.status.success() {
            bail!("initdb failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let mut config = std::fs::read_to_string(server.data().join("postgresql.conf"))?;
        config.push_str("\nfsync = off\nshared_buffers = 16MB\n");
        for setting in settings {
            config.push_str(setting);
            config.push('\n');
        }
        std::fs::write(server.data().join("postgresql.conf"), config)?;
        // A port that was free may be taken before the server has it: try others.
        let mut last = None;
        for _ in 0..3 {
            server.port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            match server.start_again().await {
                Ok(()) => return Ok(Ok(server)),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("PostgreSQL was never started")))
    }

    /// The URL of its first database, with user and password.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The URL of one of its databases.
    pub fn url_of(&self, database: &str) -> String {
        format!(
            "postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes a new, empty database and returns its URL.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn database(&self) -> Result<String> {
        let name = format!("t_{}", crate::unique_id().replace('-', "_"));
        let mut connection = PgConnection::connect(&self.url()).await?;
        let statement = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        connection.execute(statement).await?;
        Ok(self.url_of(&name))
    }

    /// Starts it on its data, and waits until it answers.
    ///
    /// # Errors
    /// Where it runs, ends at once, or does not answer within 30 s.
    pub async fn start_again(&mut self) -> Result<()> {
        if self.running.is_some() {
            bail!("PostgreSQL runs already");
        }
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.dir.path())
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        let mut spawned = Spawned::start("PostgreSQL", &command, AtParentsDeath::Kill)?;
        let begin = std::time::Instant::now();
        loop {
            if let Some(status) = spawned.try_wait()? {
                bail!("PostgreSQL ended at once: {status}\n{}", spawned.output());
            }
            match PgConnection::connect(&self.url()).await {
                Ok(connection) => {
                    connection.close().await?;
                    break;
                }
                Err(error) if begin.elapsed() > Duration::from_secs(30) => {
                    return Err(anyhow::Error::from(error).context(spawned.output()));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        self.running = Some(spawned);
        Ok(())
    }

    /// Ends it, cutting its clients off, as a restart of the machine would.
    ///
    /// # Errors
    /// Where it does not run or does not end within 30 s.
    pub async fn stop(&mut self) -> Result<()> {
        let mut spawned = self.running.take().context("PostgreSQL does not run")?;
        // Fast shutdown.
        spawned.signal(Signal::INT)?;
        tokio::task::spawn_blocking(move || spawned.wait(Duration::from_secs(30))).await??;
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// One of its programs, as a user who may run it.
    fn command(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        if !is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command
            .arg(format!("--reuid={UNPRIVILEGED}"))
            .arg(format!("--regid={UNPRIVILEGED}"))
            .args(["--clear-groups", "--"])
            // A change of user forgets what is to happen at the parent's death.
            .args(["setpriv", "--pdeathsig", "KILL", "--"])
            .arg(program)
            .current_dir(self.dir.path());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut spawned) = self.running.take() {
            // Immediate shutdown: its processes end, its shared memory is given back.
            let _ = spawned.signal(Signal::QUIT);
            let _ = spawned.wait(Duration::from_secs(10));
        }
    }
}

/// Where the server's programs are: in `PATH`, or where Debian keeps them, the newest version first.
fn programs() -> Option<PathBuf> {
    let complete = |dir: &Path| dir.join("initdb").is_file() && dir.join("postgres").is_file();
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut dirs: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    dirs.sort();
    let in_path = which("initdb").and_then(|file| file.parent().map(Path::to_path_buf));
    let debians = dirs.into_iter().rev().map(|(_, dir)| dir);
    debians.chain(in_path).find(|dir| complete(dir))
}
