//! Starts a program of the host and waits for it, with bounds on everything.
//!
//! What flows through: a program with fixed arguments in, its exit and the end of its output out. What it never does: use a shell,
//! hand on this process's environment or input, keep more output than asked for, or leave a process group behind when time is up or
//! nobody waits any more.

use std::{
    io,
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    time::timeout,
};

/// The only variable that a program gets besides the ones that make its language plain.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long output is still read after the program itself has ended: what it left running may hold the pipe open for ever.
const LINGER: Duration = Duration::from_secs(1);

/// How a program came to its end.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its exit code; absent where a signal ended it.
    pub(super) code: Option<i32>,
    /// The end of its standard output.
    pub(super) stdout: String,
    /// The end of its standard error.
    pub(super) stderr: String,
    /// Whether standard output was longer than what was kept.
    pub(super) stdout_cut: bool,
    /// How long it ran.
    pub(super) took: Duration,
}

impl Ended {
    /// How it ended, in words.
    pub(super) fn how(&self) -> String {
        self.code.map_or_else(
            || "was ended by a signal".to_owned(),
            |code| format!("ended with code {code}"),
        )
    }
}

/// Why a program did not come to an end of its own.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    /// It could not be started.
    #[error("{program} can't be started: {source}")]
    NotStarted {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ran too long and was killed with all its children.
    #[error("{program} did not end within {limit:?} and was killed with its children")]
    TimedOut {
        /// Which.
        program: String,
        /// How long was waited.
        limit: Duration,
        /// The end of its output until then.
        output: String,
    },
    /// The system could not say how it ended.
    #[error("it can't be told how {program} ended: {source}")]
    Lost {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
}

/// Kills the whole process group unless the program has ended. Dropped with the future that waits, so an impatient caller leaves
/// nothing behind.
struct Group {
    leader: Option<Pid>,
    ended: AtomicBool,
}

impl Group {
    /// From now on the leader's number may belong to somebody else.
    fn disarm(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    fn kill(&self) {
        if let Some(leader) = self.leader
            && !self.ended.load(Ordering::Relaxed)
            && let Err(error) = kill_process_group(leader, Signal::KILL)
        {
            tracing::debug!(%error, "a process group could not be killed; it has most likely ended");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The last bytes of a stream.
struct Tail {
    bytes: Vec<u8>,
    keep: usize,
    cut: bool,
}

impl Tail {
    const fn new(keep: usize) -> Self {
        Self {
            bytes: Vec::new(),
            keep,
            cut: false,
        }
    }

    async fn drain(&mut self, stream: Option<impl AsyncRead + Unpin>) {
        let Some(mut stream) = stream else { return };
        let mut chunk = vec![0; 8 * 1024];
        // A pipe that fails has come to its end; how the program ended says the rest.
        while let Ok(read @ 1..) = stream.read(&mut chunk).await {
            self.bytes.extend_from_slice(&chunk[..read]);
            if self.bytes.len() > self.keep {
                self.cut = true;
                self.bytes.drain(..self.bytes.len() - self.keep);
            }
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Runs a program by its path with arguments, for `limit` at most, keeping the last `keep` bytes of each output stream.
///
/// The program is the leader of a process group of its own, gets no input, an environment of `PATH`, `LC_ALL=C` and `TZ=UTC` where
/// `plain` is set, else of `PATH` alone, and `/` as its directory.
///
/// # Errors
/// Where it can't be started or does not end in time. An exit code other than 0 is no error here.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the adapter through which host programs are started"
)]
pub(super) async fn run(
    program: &Path,
    arguments: &[&str],
    plain: bool,
    limit: Duration,
    keep: usize,
) -> Result<Ended, ProgramError> {
    let name = program.display().to_string();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if plain {
        command.env("LC_ALL", "C").env("TZ", "UTC");
    }
    let began = Instant::now();
    let mut child = command.spawn().map_err(|source| ProgramError::NotStarted {
        program: name.clone(),
        source,
    })?;
    let group = Group {
        leader: child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw),
        ended: AtomicBool::new(false),
    };
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Tail::new(keep), Tail::new(keep));
    let outcome = {
        let reading = async { tokio::join!(out.drain(stdout), err.drain(stderr)) };
        let mut reading = std::pin::pin!(reading);
        let work = async {
            let mut read = false;
            let status = loop {
                tokio::select! {
                    status = child.wait() => break status,
                    _ = &mut reading, if !read => read = true,
                }
            };
            group.disarm();
            if !read {
                // Whoever still holds the pipes is left alone: the program ended well and may have meant to leave it behind.
                let _ = timeout(LINGER, &mut reading).await;
            }
            status
        };
        timeout(limit, work).await
    };
    match outcome {
        Ok(Ok(status)) => Ok(Ended {
            code: status.code(),
            stdout: out.text(),
            stderr: err.text(),
            stdout_cut: out.cut,
            took: began.elapsed(),
        }),
        Ok(Err(source)) => Err(ProgramError::Lost {
            program: name,
            source,
        }),
        Err(_) => {
            group.kill();
            // Reaps it; a process that even a kill does not end (it waits for a dead disk) is left to the system.
            if timeout(LINGER, child.wait()).await.is_ok() {
                group.disarm();
            }
            Err(ProgramError::TimedOut {
                program: name,
                limit,
                output: join(&out.text(), &err.text()),
            })
        }
    }
}

/// Both streams in one text, standard output first.
pub(super) fn join(stdout: &str, stderr: &str) -> String {
    match (stdout.trim(), stderr.trim()) {
        (out, "") => out.to_owned(),
        ("", err) => err.to_owned(),
        (out, err) => format!("{out}\n{err}"),
    }
}
