//! Child processes that can't outlive the test: killed on drop, and by the kernel should the test itself be killed.
//!
//! What flows through: a command in; its output's last lines out, for the messages of failures. It never decides what a program's end means.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, OnceLock, PoisonError, mpsc},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Lines of output that are kept for failure messages.
const KEEP_LINES: usize = 400;

/// A running program.
#[derive(Debug)]
pub struct Spawned {
    name: String,
    child: Child,
    output: Arc<Mutex<VecDeque<String>>>,
    readers: Vec<std::thread::JoinHandle<()>>,
    status: Option<ExitStatus>,
}

/// What the kernel sends to a child when this program dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtParentsDeath {
    /// An end at once.
    Kill,
    /// An end in good order, for programs that have children of their own to end.
    Terminate,
}

impl Spawned {
    /// Starts a program with no input and its output kept.
    ///
    /// # Errors
    /// Where it can't be started.
    pub fn start(name: &str, command: &Command, at_death: AtParentsDeath) -> Result<Self> {
        let mut command = tied(command, at_death);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let shown = command.get_program().to_string_lossy().into_owned();
        let mut child =
            keeper_spawn(command).with_context(|| format!("can't start {name} ({shown})"))?;
        let output = Arc::new(Mutex::new(VecDeque::new()));
        let mut readers = Vec::new();
        if let Some(stream) = child.stdout.take() {
            readers.push(collect(stream, Arc::clone(&output)));
        }
        if let Some(stream) = child.stderr.take() {
            readers.push(collect(stream, Arc::clone(&output)));
        }
        Ok(Self {
            name: name.to_owned(),
            child,
            output,
            readers,
            status: None,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, once it has ended.
    ///
    /// # Errors
    /// Where it can't be asked.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        Ok(self.status)
    }

    /// Sends a signal; nothing happens where it has ended.
    ///
    /// # Errors
    /// Where the signal can't be sent.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.try_wait()?.is_some() {
            return Ok(());
        }
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("the process has no id")?;
        kill_process(pid, signal).with_context(|| format!("can't signal {}", self.name))
    }

    /// Waits for its end, blocking.
    ///
    /// # Errors
    /// After `timeout`; the message holds its last output.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.try_wait()? {
                for reader in self.readers.drain(..) {
                    // A grandchild may hold the pipe open: what it writes is no longer of interest.
                    let deadline = Instant::now() + Duration::from_millis(500);
                    while !reader.is_finished() && Instant::now() < deadline {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                }
                return Ok(status);
            }
            if begin.elapsed() >= timeout {
                bail!(
                    "{} did not end within {timeout:?}\n{}",
                    self.name,
                    self.output()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills it at once and waits for its end.
    ///
    /// # Errors
    /// Where it can't be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.wait(Duration::from_secs(10))?;
        Ok(())
    }

    /// The last lines of its output and standard error, in the order of their arrival.
    pub fn output(&self) -> String {
        let lines = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let text: Vec<_> = lines.iter().map(String::as_str).collect();
        format!(
            "---- output of {} ----\n{}\n----",
            self.name,
            text.join("\n")
        )
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("{}: {error:#}", self.name);
        }
        if std::thread::panicking() {
            eprintln!("{}", self.output());
        }
    }
}

fn collect(
    stream: impl Read + Send + 'static,
    output: Arc<Mutex<VecDeque<String>>>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            let mut lines = output.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() >= KEEP_LINES {
                lines.pop_front();
            }
            lines.push_back(String::from_utf8_lossy(&line).into_owned());
        }
    })
}

/// The command, run through `setpriv` so that the kernel ends it when this program dies; as it is where `setpriv` is missing.
fn tied(command: &Command, at_death: AtParentsDeath) -> Command {
    let mut tied = if which("setpriv").is_some() {
        let mut tied = Command::new("setpriv");
        tied.arg("--pdeathsig").arg(match at_death {
            AtParentsDeath::Kill => "KILL",
            AtParentsDeath::Terminate => "TERM",
        });
        tied.arg("--").arg(command.get_program());
        tied
    } else {
        Command::new(command.get_program())
    };
    tied.args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(key, value),
            None => tied.env_remove(key),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        tied.current_dir(dir);
    }
    tied
}

/// The kernel counts the end of the *thread* that started a child as its parent's death, and a test's threads come and go. So all children
/// are started by one thread that lives as long as the program.
fn keeper_spawn(command: Command) -> std::io::Result<Child> {
    type Job = (Command, mpsc::Sender<std::io::Result<Child>>);
    static KEEPER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, reply) in queue {
                // Nobody waits for the answer any more only where the test is over.
                let _ = reply.send(command.spawn());
            }
        });
        jobs
    });
    let gone = || std::io::Error::other("the thread that starts programs is gone");
    let (reply, answer) = mpsc::channel();
    keeper.send((command, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

/// Where a program stands, looked for in `PATH` and where Debian keeps those of the administrator.
pub fn which(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(Into::into))
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// Whether this program may do everything on this machine.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_and_the_program_dies_with_its_guard() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; exec sleep 1000"]);
        let spawned = Spawned::start("a sleeper", &command, AtParentsDeath::Kill).unwrap();
        let pid = spawned.pid();
        let begin = Instant::now();
        while !(spawned.output().contains("one") && spawned.output().contains("two")) {
            assert!(
                begin.elapsed() < Duration::from_secs(10),
                "{}",
                spawned.output()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(spawned);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let command = Command::new("/does/not/exist");
        let mut spawned = match Spawned::start("nothing", &command, AtParentsDeath::Kill) {
            Err(error) => {
                assert!(error.to_string().contains("nothing"), "{error:#}");
                return;
            }
            Ok(spawned) => spawned,
        };
        assert!(!spawned.wait(Duration::from_secs(10)).unwrap().success());
        assert!(
            spawned.output().contains("/does/not/exist"),
            "{}",
            spawned.output()
        );
    }
}
