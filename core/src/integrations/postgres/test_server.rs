//! A real PostgreSQL server for tests: made in a folder of its own, on a free port, stopped and removed when it is dropped.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// The password of the server's superuser `postgres`.
pub(crate) const PASSWORD: &str = "hunter2-of-the-test";

/// A running server.
pub(crate) struct TestServer {
    programs: PathBuf,
    /// Whom it runs as, where the test runs as root, whom PostgreSQL refuses.
    owner: Option<(u32, u32)>,
    folder: TempDir,
    settings: String,
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
}

impl TestServer {
    /// Makes and starts one with these settings besides the usual, such as `max_connections=10`. `None`, with a word to the reader of the test's
    /// output, where PostgreSQL is not installed.
    pub(crate) fn start(settings: &[&str]) -> Option<Self> {
        let Some(programs) = programs() else {
            println!("skipped: PostgreSQL is not installed here");
            return None;
        };
        let owner = unprivileged();
        let folder = TempDir::new().unwrap();
        give(folder.path(), owner);
        let mut server = Self {
            programs,
            owner,
            folder,
            settings: settings
                .iter()
                .map(|setting| format!(" -c {setting}"))
                .collect(),
            port: 0,
        };
        let password = server.path("password");
        fs::write(&password, PASSWORD).unwrap();
        give(&password, owner);
        let output = server.run(
            "initdb",
            &[
                "--no-sync",
                "--auth=scram-sha-256",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
                &format!("--pwfile={}", password.display()),
            ],
        );
        assert!(output.status.success(), "{output:?}");
        server.start_again();
        Some(server)
    }

    /// A path in the server's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds a file that the server may read and nobody else.
    pub(crate) fn add_file(&self, name: &str, content: &[u8]) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        give(&path, self.owner);
        path
    }

    /// Adds settings for the next start.
    pub(crate) fn set(&mut self, settings: &str) {
        self.settings.push_str(settings);
    }

    /// Starts it, on its port where it had one.
    pub(crate) fn start_again(&mut self) {
        // Between choosing a free port and taking it somebody else may take it.
        for _ in 0..5 {
            let port = if self.port == 0 {
                let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
                free.local_addr().unwrap().port()
            } else {
                self.port
            };
            let options = format!(
                "-p {port} -h 127.0.0.1 -k {} -c fsync=off{}",
                self.folder.path().display(),
                self.settings
            );
            let log = self.path("log");
            let output = self.run(
                "pg_ctl",
                &[
                    "-w",
                    "-t",
                    "60",
                    "-l",
                    log.to_str().unwrap(),
                    "-o",
                    &options,
                    "start",
                ],
            );
            if output.status.success() {
                self.port = port;
                return;
            }
        }
        panic!(
            "PostgreSQL does not start: {}",
            fs::read_to_string(self.path("log")).unwrap_or_default()
        );
    }

    /// Stops it at once.
    pub(crate) fn stop(&self) -> Output {
        self.run("pg_ctl", &["-w", "-m", "immediate", "stop"])
    }

    /// The URL for a user.
    pub(crate) fn url(&self, user: &str, password: &str) -> String {
        format!(
            "postgres://{user}:{password}@127.0.0.1:{}/postgres",
            self.port
        )
    }

    /// A connection as the superuser.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url("postgres", PASSWORD))
            .await
            .unwrap()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = command(&self.programs.join(program));
        command
            .arg("-D")
            .arg(self.path("data"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command.output().unwrap()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "tests start real servers to talk to"
)]
fn command(program: &Path) -> Command {
    Command::new(program)
}

/// Where PostgreSQL's programs are: the newest of Debian's versions, or where the path leads.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions
        .into_iter()
        .rev()
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
}

/// User and group of somebody without rights, where the test runs as root.
fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    ["postgres", "nobody"].iter().find_map(|name| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

fn give(path: &Path, owner: Option<(u32, u32)>) {
    if let Some((user, group)) = owner {
        chown(path, Some(user), Some(group)).unwrap();
    }
}
