//! A server that is a program: started with few variables, spoken to over its standard input and output, and ended with all that it started.
//!
//! What flows through: a command in; its input and output for the protocol, the last line of its standard error output for a person. What it
//! never does: outlive its guard. It has a process group of its own, which is ended as a whole; should this agent itself be killed, its
//! input ends, by which the protocol has it end.

use std::{
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use secrecy::ExposeSecret as _;
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
};

use crate::{config::McpServer, redact::redact};

/// Variables that every program gets, where this agent has them.
const EVERY_PROGRAM: [&str; 9] = [
    "HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER",
];
/// How often it is looked at while an answer of it is waited for.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Bytes of its last words that are looked at.
const KEPT_WORDS: usize = 4096;
/// Characters of its last words that are kept.
const LONGEST_WORDS: usize = 300;

/// A running program. Ended on drop, with all that it started.
pub(super) struct Program {
    child: Child,
    group: Option<Pid>,
    last_words: Arc<Mutex<String>>,
}

impl Program {
    /// Starts the command of a server.
    ///
    /// # Errors
    /// Where it can't be started, in words.
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the adapter that starts such programs"
    )]
    pub(super) fn start(
        server: &McpServer,
        command: &str,
    ) -> Result<(Self, ChildStdout, ChildStdin), String> {
        let own = |name: &str| std::env::var_os(name).map(|value| (name.to_owned(), value));
        let passed = server.pass_env.iter().map(String::as_str);
        let mut child = Command::new(command)
            .args(&server.args)
            .env_clear()
            .envs(EVERY_PROGRAM.into_iter().chain(passed).filter_map(own))
            .envs(
                server
                    .env
                    .iter()
                    .map(|(name, value)| (name, value.expose_secret())),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => {
                    format!("there is no program `{command}` in this agent's PATH")
                }
                _ => format!("`{command}` can't be started: {error}"),
            })?;
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let streams = (child.stdout.take(), child.stdin.take());
        let last_words = Arc::new(Mutex::new(String::new()));
        if let Some(stream) = child.stderr.take() {
            tokio::spawn(listen(stream, Arc::clone(&last_words)));
        }
        let program = Self {
            child,
            group,
            last_words,
        };
        match streams {
            (Some(output), Some(input)) => Ok((program, output, input)),
            _ => Err(format!("`{command}` can't be spoken to")),
        }
    }

    /// Waits for its end, and says how it ended. The end of its output does not tell: what it started may hold that open.
    pub(super) async fn ended(&self) -> String {
        loop {
            if let Some(how) = self.end() {
                return how;
            }
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
    }

    /// How it ended and what it said last, where it has ended.
    pub(super) fn end(&self) -> Option<String> {
        // Looked at only: as long as nobody has taken its end, its number is nobody else's.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(self.group?), options).ok()??;
        let how = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => format!("the program ended with code {code}"),
            (None, Some(signal)) => format!("the program was ended by signal {signal}"),
            (None, None) => "the program ended".to_owned(),
        };
        let words = self
            .last_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Some(if words.is_empty() {
            how
        } else {
            format!("{how}; it said last: {words}")
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Its own end has not been taken yet, so the group is still this program's, also where only what it started is left of it.
        if self.child.id().is_some()
            && let Some(group) = self.group
        {
            // Nobody left in it is no fault.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Keeps the last line.
async fn listen(mut stream: ChildStderr, last_words: Arc<Mutex<String>>) {
    let mut kept: Vec<u8> = Vec::new();
    let mut block = [0_u8; 1024];
    // In blocks: a program may write for ever without ending a line.
    while let Ok(read @ 1..) = stream.read(&mut block).await {
        kept.extend_from_slice(block.get(..read).unwrap_or_default());
        let too_much = kept.len().saturating_sub(KEPT_WORDS);
        kept.drain(..too_much);
        let text = String::from_utf8_lossy(&kept);
        let last = text
            .split(['\n', '\r'])
            .rfind(|line| !line.trim().is_empty());
        let line = redact(last.unwrap_or_default().trim());
        if !line.is_empty() {
            let line = line.chars().take(LONGEST_WORDS).collect();
            *last_words.lock().unwrap_or_else(PoisonError::into_inner) = line;
        }
    }
}
