//! The simulated engine: thousands of containers that cost nothing, behind as much of Docker's HTTP interface as Steward asks of a real one.
//!
//! It runs in a process of its own (`steward-sim`), so that its memory and processor time are not counted as the agent's. What flows
//! through: the engine's interface on one socket, [`Command`]s on another. What it never does: decide anything about the agent; it writes
//! down what it was asked and when. Where a real engine can be had, the suites use that.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use steward_tests::{agent::Agent, sim::Sim};
//! let sim = Sim::start(2_000).await?;
//! let agent = Agent::for_host(&sim.host()).start().await?;
//! let died_at = sim.die(17, 1)?; // nanoseconds since 1970
//! let deed = sim.wait_for_deed(17, "restart", std::time::Duration::from_secs(5)).await?;
//! println!("asked after {} ms", (deed.at_ns - died_at) / 1_000_000);
//! # Ok(()) }
//! ```

mod answers;
mod server;
mod state;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::process::{AtParentsDeath, Spawned};

pub use server::serve;

/// How the simulated engine treats requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mood {
    /// As it should.
    #[default]
    Well,
    /// It takes requests and never answers, until it is well again.
    Hung,
    /// It closes connections without an answer.
    Refusing,
    /// It answers everything with 500.
    Failing,
}

/// What can be done to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A container's main process ends.
    Die {
        /// Which.
        index: u32,
        /// With which code.
        code: i32,
        /// Whether the kernel killed it for memory.
        oom: bool,
    },
    /// A container's health check changes its result.
    Health {
        /// Which.
        index: u32,
        /// Whether it passes.
        healthy: bool,
    },
    /// Starts of this container end at once with this code, from now on; absent: they work.
    StartsFail {
        /// Which.
        index: u32,
        /// With which code.
        code: Option<i32>,
    },
    /// The use of memory and processor that a container's statistics show from now on.
    Use {
        /// Which.
        index: u32,
        /// Percent of its limit.
        memory_percent: u32,
        /// Percent of one core.
        cpu_percent: u32,
    },
    /// How it treats requests from now on.
    Mood(Mood),
    /// Events are lost from now on, or no longer.
    DropEvents(bool),
    /// Closes every event stream.
    Disconnect,
    /// How long a restart or start takes, milliseconds.
    RestartTakes(u64),
    /// What it was asked to do since the `n`th deed.
    Deeds {
        /// From which on, from 0.
        since: usize,
    },
    /// How a container is.
    Look {
        /// Which.
        index: u32,
    },
    /// How often it was asked for what.
    Counts,
}

/// One thing that it was asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// Which container.
    pub index: u32,
    /// `start`, `restart`, `stop`, `kill` or `update`.
    pub what: String,
    /// When the request had arrived, nanoseconds since 1970 by the machine's clock.
    pub at_ns: i64,
}

/// How a simulated container is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// Whether it runs.
    pub running: bool,
    /// Of its last end.
    pub exit_code: i32,
    /// How often it was started.
    pub starts: u32,
}

/// How often it was asked for what, and how many bytes it answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the requests' own names")]
pub struct Counts {
    pub list: u64,
    pub inspect: u64,
    pub stats: u64,
    pub logs: u64,
    pub events: u64,
    pub disk_usage: u64,
    pub deeds: u64,
    pub other: u64,
    pub bytes: u64,
}

/// Its answer to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Done, at this time: nanoseconds since 1970.
    Done(i64),
    /// The deeds asked for.
    Deeds(Vec<Deed>),
    /// The container asked for.
    Look(Look),
    /// The counts.
    Counts(Counts),
    /// It can't be done.
    Refused(String),
}

/// A simulated engine. Killed on drop.
#[derive(Debug)]
pub struct Sim {
    dir: TempDir,
    control: Mutex<BufReader<UnixStream>>,
    count: u32,
    process: Spawned,
}

impl Sim {
    /// Starts one with `count` running containers and waits until it answers.
    ///
    /// # Errors
    /// Where its program can't be built or started.
    pub async fn start(count: u32) -> Result<Self> {
        let program = crate::agent::program("steward-tests", "steward-sim")?;
        let dir = tempfile::Builder::new().prefix("sim-").tempdir_in("/tmp")?;
        let mut command = std::process::Command::new(program);
        command
            .arg(dir.path().join("docker.sock"))
            .arg(dir.path().join("control.sock"))
            .arg(count.to_string());
        let process = Spawned::start("the simulated engine", &command, AtParentsDeath::Kill)?;
        let path = dir.path().join("control.sock");
        let connected = crate::wait::until(
            "the simulated engine to listen",
            Duration::from_secs(20),
            || async { Ok(UnixStream::connect(&path)?) },
            |_| true,
        )
        .await;
        let stream = connected.map_err(|error| error.context(process.output()))?;
        Ok(Self {
            dir,
            control: Mutex::new(BufReader::new(stream)),
            count,
            process,
        })
    }

    /// Where it listens, as `DOCKER_HOST` would name it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.dir.path().join("docker.sock").display())
    }

    /// How many containers there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The process id, for measurements that leave it out.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The name of a container.
    pub fn name(index: u32) -> String {
        state::name(index)
    }

    /// Tells it something.
    ///
    /// # Errors
    /// Where it is gone or refuses.
    pub fn tell(&self, command: &Command) -> Result<Reply> {
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = serde_json::to_string(command)?;
        line.push('\n');
        control.get_mut().write_all(line.as_bytes())?;
        let mut answer = String::new();
        if control.read_line(&mut answer)? == 0 {
            bail!("the simulated engine is gone\n{}", self.process.output());
        }
        match serde_json::from_str(&answer)? {
            Reply::Refused(reason) => bail!("the simulated engine: {reason}"),
            reply => Ok(reply),
        }
    }

    fn done(&self, command: &Command) -> Result<i64> {
        match self.tell(command)? {
            Reply::Done(at) => Ok(at),
            other => bail!("an answer to something else: {other:?}"),
        }
    }

    /// Lets a container die with a code, and returns when: nanoseconds since 1970.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn die(&self, index: u32, code: i32) -> Result<i64> {
        self.done(&Command::Die {
            index,
            code,
            oom: false,
        })
    }

    /// Changes a health check's result.
    ///
    /// # Errors
    /// Where there is no such container.
    pub fn set_health(&self, index: u32, healthy: bool) -> Result<i64> {
        self.done(&Command::Health { index, healthy })
    }

    /// Changes how it treats requests.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn set_mood(&self, mood: Mood) -> Result<()> {
        self.done(&Command::Mood(mood)).map(drop)
    }

    /// Lets events be lost, or no longer.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn drop_events(&self, drop_them: bool) -> Result<()> {
        self.done(&Command::DropEvents(drop_them)).map(drop)
    }

    /// Closes every event stream.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn disconnect(&self) -> Result<()> {
        self.done(&Command::Disconnect).map(drop)
    }

    /// What it was asked to do since the `n`th deed.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn deeds(&self, since: usize) -> Result<Vec<Deed>> {
        match self.tell(&Command::Deeds { since })? {
            Reply::Deeds(deeds) => Ok(deeds),
            other => bail!("an answer to something else: {other:?}"),
        }
    }

    /// How a container is.
    ///
    /// # Errors
    /// Where there is no such container.
    pub fn look(&self, index: u32) -> Result<Look> {
        match self.tell(&Command::Look { index })? {
            Reply::Look(look) => Ok(look),
            other => bail!("an answer to something else: {other:?}"),
        }
    }

    /// How often it was asked for what.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn counts(&self) -> Result<Counts> {
        match self.tell(&Command::Counts)? {
            Reply::Counts(counts) => Ok(counts),
            other => bail!("an answer to something else: {other:?}"),
        }
    }

    /// Waits until it was asked to do something to a container.
    ///
    /// # Errors
    /// After `timeout`, with what it was asked for.
    pub async fn wait_for_deed(&self, index: u32, what: &str, timeout: Duration) -> Result<Deed> {
        let fits = |deed: &Deed| deed.index == index && deed.what == what;
        let deeds = crate::wait::until(
            &format!("a {what} of {}", Self::name(index)),
            timeout,
            || async { self.deeds(0) },
            |deeds| deeds.iter().any(fits),
        )
        .await?;
        deeds.into_iter().find(fits).context("the deed is gone")
    }
}

/// Now, in nanoseconds since 1970.
pub fn now_ns() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// What `steward-sim` is started with: the engine's socket, the socket for commands, and how many containers.
///
/// # Errors
/// Where they are not given so.
pub fn arguments(
    mut given: impl Iterator<Item = std::ffi::OsString>,
) -> Result<(PathBuf, PathBuf, u32)> {
    let usage = "usage: steward-sim <engine socket> <control socket> <containers>";
    let engine = given.next().context(usage)?;
    let control = given.next().context(usage)?;
    let count = given.next().context(usage)?.into_string();
    let count = count
        .ok()
        .and_then(|text| text.parse().ok())
        .context(usage)?;
    Ok((Path::new(&engine).into(), Path::new(&control).into(), count))
}
