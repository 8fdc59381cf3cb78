//! A second `dockerd` with everything its own, for tests in which Docker goes away and comes back.
//!
//! What flows through: start, stop, start again. What it never does: touch the machine's engine. It has a socket, data, run-time
//! directories, a configuration file, a containerd and a network namespace of its own: a `dockerd` that is told to have no bridge *removes*
//! the bridge `docker0` from the namespace that it runs in, so it must not run in the machine's.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{Lab, connect};
use crate::process::{AtParentsDeath, Spawned, is_root, which};

/// A private engine. Killed with all its containers on drop.
#[derive(Debug)]
pub struct PrivateDaemon {
    dir: TempDir,
    running: Option<Spawned>,
}

impl PrivateDaemon {
    /// Starts one and waits until it answers. The inner error says why there can be none here: a reason to skip.
    ///
    /// # Errors
    /// Where it should work and does not; the message holds its output.
    pub async fn start() -> Result<Result<Self, String>> {
        if !is_root() {
            return Ok(Err("a Docker engine of one's own needs root".to_owned()));
        }
        for (program, package) in [("dockerd", "docker.io"), ("unshare", "util-linux")] {
            if which(program).is_none() {
                return Ok(Err(format!("there is no {program}: install {package}")));
            }
        }
        // Sockets have short paths: not below a deep temporary directory.
        let dir = tempfile::Builder::new().prefix("sd-").tempdir_in("/tmp")?;
        std::fs::write(dir.path().join("daemon.json"), "{}")?;
        let mut daemon = Self { dir, running: None };
        daemon.start_again().await?;
        Ok(Ok(daemon))
    }

    /// Where it listens, as `DOCKER_HOST` would name it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    /// A lab in it.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn lab(&self, name: &str) -> Result<Lab> {
        Lab::on(&self.host(), name, true).await
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Starts it on the data that it had, and waits until it answers.
    ///
    /// # Errors
    /// Where it runs already or does not answer within a minute.
    pub async fn start_again(&mut self) -> Result<()> {
        if self.running.is_some() {
            bail!("the private engine runs already");
        }
        for (file, program) in [
            ("docker.pid", "dockerd"),
            ("exec/containerd/containerd.pid", "containerd"),
        ] {
            // A killed one may still be there as a zombie, which the next start would take for alive.
            let pid = std::fs::read_to_string(self.path(file));
            let pid = pid.ok().and_then(|text| text.trim().parse().ok());
            if pid.is_some_and(|pid| !command_line(pid).contains(program)) {
                std::fs::remove_file(self.path(file))?;
            }
        }
        let mut command = Command::new("unshare");
        command
            .args(["--net", "--", "dockerd"])
            .arg("--config-file")
            .arg(self.path("daemon.json"))
            .arg("--host")
            .arg(self.host())
            .arg("--data-root")
            .arg(self.path("data"))
            .arg("--exec-root")
            .arg(self.path("exec"))
            .arg("--pidfile")
            .arg(self.path("docker.pid"))
            .args([
                "--bridge=none",
                "--iptables=false",
                "--ip-masq=false",
                "--storage-driver=vfs",
                "--shutdown-timeout=5",
            ]);
        let mut spawned =
            Spawned::start("the private dockerd", &command, AtParentsDeath::Terminate)?;
        let host = self.host();
        let begin = std::time::Instant::now();
        loop {
            if let Some(status) = spawned.try_wait()? {
                bail!("dockerd ended at once: {status}\n{}", spawned.output());
            }
            let error = match connect(&host).await {
                Ok(_) => break,
                Err(error) => error,
            };
            if begin.elapsed() > Duration::from_secs(60) {
                return Err(error.context(spawned.output()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.running = Some(spawned);
        Ok(())
    }

    /// Ends it in good order, as `systemctl stop docker` would: its containers are stopped, and the sockets close.
    ///
    /// # Errors
    /// Where it does not run, or does not end within 30 s.
    pub async fn stop(&mut self) -> Result<()> {
        let mut spawned = self
            .running
            .take()
            .context("the private engine does not run")?;
        spawned.signal(Signal::TERM)?;
        tokio::task::spawn_blocking(move || spawned.wait(Duration::from_secs(30))).await??;
        Ok(())
    }

    /// Kills it at once, as a crash would: its containers go on without it until it comes back.
    ///
    /// # Errors
    /// Where it does not run.
    pub async fn kill_9(&mut self) -> Result<()> {
        let mut spawned = self
            .running
            .take()
            .context("the private engine does not run")?;
        tokio::task::spawn_blocking(move || spawned.kill()).await??;
        self.wait_for_containerd();
        Ok(())
    }

    /// Freezes it: it takes connections and answers nothing, until [`Self::thaw`].
    ///
    /// # Errors
    /// Where it does not run.
    pub fn freeze(&mut self) -> Result<()> {
        let spawned = self
            .running
            .as_mut()
            .context("the private engine does not run")?;
        spawned.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn thaw(&mut self) -> Result<()> {
        let spawned = self
            .running
            .as_mut()
            .context("the private engine does not run")?;
        spawned.signal(Signal::CONT)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A killed `dockerd` takes its containerd along, but not before it returns.
    fn wait_for_containerd(&self) {
        let text = std::fs::read_to_string(self.path("exec/containerd/containerd.pid"));
        let Some(pid) = text.ok().and_then(|text| text.trim().parse::<u32>().ok()) else {
            return;
        };
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while command_line(pid).contains(&self.own_mark()) && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What stands in the command line of all its processes, and of nobody else's.
    fn own_mark(&self) -> String {
        self.path("exec").display().to_string()
    }

    /// What a killed engine leaves: the shims of its containers, and the containers below them.
    fn kill_orphans(&self) {
        let mark = self.own_mark();
        let pids = || {
            let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
            entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        };
        let own: Vec<u32> = pids()
            .filter(|pid| command_line(*pid).contains(&mark))
            .collect();
        let below: Vec<u32> = pids()
            .filter(|pid| parent(*pid).is_some_and(|parent| own.contains(&parent)))
            .collect();
        for pid in below.into_iter().chain(own) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                // Gone already is what is wanted.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

impl Drop for PrivateDaemon {
    fn drop(&mut self) {
        if let Some(mut spawned) = self.running.take() {
            // A frozen one would not hear the other signal. Its containers are stopped by itself, or as orphans below.
            let _ = spawned.signal(Signal::CONT);
            let _ = spawned.signal(Signal::TERM);
            if spawned.wait(Duration::from_secs(15)).is_err() {
                let _ = spawned.kill();
            }
        }
        self.kill_orphans();
        // Mounts of its own stand in the way of removing its directory.
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let below = |path: &&str| Path::new(path).starts_with(self.dir.path());
        let mut points: Vec<&str> = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .filter(below)
            .collect();
        points.sort_unstable();
        for point in points.into_iter().rev() {
            let done = Command::new("umount").args(["--lazy", point]).status();
            if !done.is_ok_and(|status| status.success()) {
                eprintln!("can't unmount {point}");
            }
        }
    }
}

fn command_line(pid: u32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, so read from behind its closing bracket: state, parent.
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}
