//! Python with the official SDK of the Model Context Protocol, in its older and its newer major version: real clients and servers of it.
//!
//! What flows through: a version in, an environment with it out, made with pip once and kept beside what cargo builds; then a job for the
//! client's script in and its results out, or a command line that serves. What it never does: touch the machine's own Python packages.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process::which;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// The one with a handshake, up to protocol version 2025-11-25.
    One,
    /// The one that knows 2026-07-28 too.
    Two,
}

impl Sdk {
    /// Both.
    pub const ALL: [Self; 2] = [Self::One, Self::Two];

    const fn requirement(self) -> &'static str {
        match self {
            Self::One => "mcp<2",
            Self::Two => "mcp>=2",
        }
    }

    const fn folder(self) -> &'static str {
        match self {
            Self::One => "mcp-1",
            Self::Two => "mcp-2",
        }
    }
}

/// A Python with one version of the SDK.
#[derive(Clone, Debug)]
pub struct Python {
    program: PathBuf,
    scripts: PathBuf,
}

impl Python {
    /// One with this version. The inner error says why there can be none: a reason to skip.
    ///
    /// # Errors
    /// Where it should work and does not.
    pub async fn with(sdk: Sdk) -> Result<Result<Self, String>> {
        tokio::task::spawn_blocking(move || Self::made(sdk)).await?
    }

    fn made(sdk: Sdk) -> Result<Result<Self, String>> {
        let Some(python) = which("python3") else {
            return Ok(Err("there is no Python: install python3-venv".to_owned()));
        };
        let folder = crate::profile_dir()?.join("python");
        std::fs::create_dir_all(&folder)?;
        // Tests run side by side, also in several programs: the first one makes it, the others wait.
        let lock = File::create(folder.join(format!("{}.lock", sdk.folder())))?;
        lock.lock()?;
        let environment = folder.join(sdk.folder());
        let made = Self {
            program: environment.join("bin/python"),
            scripts: crate::workspace_root().join("tests/src/python"),
        };
        // Written last, so that one that was broken off is made anew.
        let ready = environment.join("steward-ready");
        if ready.is_file() {
            return Ok(Ok(made));
        }
        if environment.exists() {
            std::fs::remove_dir_all(&environment)?;
        }
        let venv = run(Command::new(python).args(["-m", "venv"]).arg(&environment))?;
        if !venv.status.success() {
            return Ok(Err(format!(
                "python3 -m venv does not work (install python3-venv): {}",
                words(&venv)
            )));
        }
        let pip = run(Command::new(&made.program)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--retries",
                "1",
            ])
            .arg(sdk.requirement()))?;
        if !pip.status.success() {
            return Ok(Err(format!(
                "pip can't install {} (it needs the network): {}",
                sdk.requirement(),
                words(&pip)
            )));
        }
        std::fs::write(ready, sdk.requirement())?;
        Ok(Ok(made))
    }

    /// Does a client's job, see `client.py`: connects, does the steps, gives what came of each.
    ///
    /// # Errors
    /// Where it ends with a fault; the message holds what it wrote.
    pub async fn client(&self, job: &Value) -> Result<Value> {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .arg(self.scripts.join("client.py"))
            .arg(job.to_string())
            .kill_on_drop(true);
        let output = tokio::time::timeout(std::time::Duration::from_secs(120), command.output())
            .await
            .context("the client did not end within two minutes")??;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("the client failed:\n{text}\n{}", words(&output));
        }
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str(last).with_context(|| format!("the client wrote {text}"))
    }

    /// The program and arguments of a server over standard input and output, see `server.py`.
    pub fn stdio_server(&self) -> (String, Vec<String>) {
        (
            shown(&self.program),
            vec![shown(&self.scripts.join("server.py"))],
        )
    }

    /// The same over HTTP at this port of loopback.
    pub fn http_server(&self, port: u16) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(self.scripts.join("server.py"))
            .arg(port.to_string());
        command
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn run(command: &mut Command) -> Result<Output> {
    command
        .output()
        .with_context(|| format!("can't run {}", command.get_program().to_string_lossy()))
}

/// The last of what a program wrote to its standard error output.
fn words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
