//! One container of a test: what it does, how it is made to fail, and how it is.
//!
//! What flows through: a [`Workload`] in, the engine's own word for the container's state out. Failures come from inside the container
//! or from the kernel, never through the engine's API: to the engine (and to Steward) they look as they do in life.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, Result, bail};
use bollard::{
    exec::{CreateExecOptions, StartExecOptions},
    models::{ContainerCreateBody, HealthConfig, HostConfig, RestartPolicy, RestartPolicyNameEnum},
    query_parameters::{
        CreateContainerOptionsBuilder, InspectContainerOptions, RemoveContainerOptionsBuilder,
        StartContainerOptions, StopContainerOptionsBuilder,
    },
};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};

use super::{LABEL, Lab};

/// What a container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workload {
    /// It runs until it is told to end. It ends with code 0 (or `STOP_CODE`) on SIGTERM.
    Serve,
    /// It sleeps as one process without a shell: the cheapest container. It can only be killed.
    Sleep,
    /// It ends with a code after some seconds, at each start: 0 makes a job, anything else with a restart policy a crash loop.
    End {
        /// The exit code.
        code: u8,
        /// After so many seconds.
        seconds: u32,
    },
    /// Its first starts end with a code after some seconds; then it serves.
    Fail {
        /// So many starts fail.
        times: u32,
        /// The exit code.
        code: u8,
        /// After so many seconds.
        seconds: u32,
    },
    /// It eats memory without end after some seconds. Set a limit with [`Builder::memory`].
    Oom {
        /// After so many seconds.
        seconds: u32,
    },
    /// A child of it does, while it goes on.
    OomChild {
        /// After so many seconds.
        seconds: u32,
    },
    /// It uses a whole processor.
    Busy,
    /// It answers HTTP on `/cgi-bin/health`: 200, or 503 while sick. The address as `host:port` or `port`.
    Http(String),
    /// It asks `http://address:port/path` all the time and ends with 1 as soon as there is no 200. A number for the address: a static
    /// busybox resolves no names.
    Needs(String),
    /// Any command of the image.
    Command(Vec<String>),
}

impl Workload {
    fn command(&self) -> Vec<String> {
        let words: Vec<String> = match self {
            Self::Serve => vec!["serve".into()],
            Self::Sleep => return vec!["/bin/sleep".into(), "1000000".into()],
            Self::End { code, seconds } => {
                vec!["end".into(), code.to_string(), seconds.to_string()]
            }
            Self::Fail {
                times,
                code,
                seconds,
            } => vec![
                "fail".into(),
                times.to_string(),
                code.to_string(),
                seconds.to_string(),
            ],
            Self::Oom { seconds } => vec!["oom".into(), seconds.to_string()],
            Self::OomChild { seconds } => vec!["oom_child".into(), seconds.to_string()],
            Self::Busy => vec!["busy".into()],
            Self::Http(address) => vec!["http".into(), address.clone()],
            Self::Needs(url) => vec!["needs".into(), url.clone()],
            Self::Command(words) => return words.clone(),
        };
        std::iter::once("/bin/workload".to_owned())
            .chain(words)
            .collect()
    }
}

/// How often a health check runs and when it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Between checks; the engine takes no less than 1 ms.
    pub interval: Duration,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
    /// The command, for a shell.
    pub command: String,
}

impl Default for Health {
    /// Fails while [`Container::sicken`] has made it sick.
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(300),
            retries: 2,
            command: "test ! -e /ctl/sick || { echo \"sick: $(cat /ctl/sick)\"; exit 1; }".into(),
        }
    }
}

/// A container to be.
#[derive(Debug)]
pub struct Builder<'lab> {
    lab: &'lab Lab,
    name: String,
    pub(super) body: ContainerCreateBody,
    pub(super) host: HostConfig,
}

impl<'lab> Builder<'lab> {
    pub(super) fn new(lab: &'lab Lab, name: &str) -> Self {
        let labels = HashMap::from([(LABEL.to_owned(), lab.run().to_owned())]);
        let builder = Self {
            lab,
            name: format!("{}-{name}", lab.run()),
            body: ContainerCreateBody {
                image: Some(lab.image().to_owned()),
                labels: Some(labels),
                ..Default::default()
            },
            host: HostConfig {
                // The quickest to set up; most workloads talk to nobody.
                network_mode: Some("none".to_owned()),
                ..Default::default()
            },
        };
        builder.workload(&Workload::Serve)
    }

    /// Another image than the lab's: one that [`Lab::image_with`] made.
    #[must_use]
    pub fn image(mut self, image: &str) -> Self {
        self.body.image = Some(image.to_owned());
        self
    }

    /// What it does; [`Workload::Serve`] where nothing is said.
    #[must_use]
    pub fn workload(mut self, workload: &Workload) -> Self {
        self.body.cmd = Some(workload.command());
        self
    }

    /// [`Workload::Serve`].
    #[must_use]
    pub fn serve(self) -> Self {
        self.workload(&Workload::Serve)
    }

    /// [`Workload::Sleep`].
    #[must_use]
    pub fn sleep(self) -> Self {
        self.workload(&Workload::Sleep)
    }

    /// Exactly this name instead of one made from the run's.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// A label.
    #[must_use]
    pub fn label(mut self, key: &str, value: impl Into<String>) -> Self {
        self.body
            .labels
            .get_or_insert_default()
            .insert(key.to_owned(), value.into());
        self
    }

    /// The labels that Compose would write. `depends_on` as Compose has it: `db:service_healthy:false,cache:service_started:false`.
    #[must_use]
    pub fn compose(self, project: &str, service: &str, depends_on: &str) -> Self {
        self.label("com.docker.compose.project", project)
            .label("com.docker.compose.service", service)
            .label("com.docker.compose.container-number", "1")
            .label("com.docker.compose.oneoff", "False")
            .label("com.docker.compose.depends_on", depends_on)
    }

    /// An environment variable. The workload heeds `LOG` (printed at each start), `LAST_WORDS` (printed before an end), `STOP_CODE`
    /// (exit code on SIGTERM) and `CHRONIC=1` (a restart does not make it well).
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.body
            .env
            .get_or_insert_default()
            .push(format!("{key}={value}"));
        self
    }

    /// A restart policy as the command line has it: `no`, `always`, `unless-stopped`, `on-failure`.
    #[must_use]
    pub fn restart(mut self, policy: &str) -> Self {
        let name = match policy {
            "always" => RestartPolicyNameEnum::ALWAYS,
            "unless-stopped" => RestartPolicyNameEnum::UNLESS_STOPPED,
            "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
            _ => RestartPolicyNameEnum::NO,
        };
        self.host.restart_policy = Some(RestartPolicy {
            name: Some(name),
            maximum_retry_count: None,
        });
        self
    }

    /// A health check.
    #[must_use]
    pub fn health(mut self, health: &Health) -> Self {
        self.body.healthcheck = Some(HealthConfig {
            test: Some(vec!["CMD-SHELL".to_owned(), health.command.clone()]),
            interval: i64::try_from(health.interval.as_nanos()).ok(),
            timeout: Some(2_000_000_000),
            retries: Some(health.retries.into()),
            ..Default::default()
        });
        self
    }

    /// A memory limit, bytes; no swap beyond it. At least 6 MiB.
    #[must_use]
    pub fn memory(mut self, bytes: i64) -> Self {
        self.host.memory = Some(bytes);
        self.host.memory_swap = Some(bytes);
        self
    }

    /// A processor limit, cores.
    #[must_use]
    pub fn cpus(mut self, cores: f64) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "a few cores at most")]
        let nanos = (cores * 1e9) as i64;
        self.host.nano_cpus = Some(nanos);
        self
    }

    /// A network: `none` (where nothing is said), `host`, `bridge`, or one of [`Lab::network`].
    #[must_use]
    pub fn network(mut self, mode: &str) -> Self {
        self.host.network_mode = Some(mode.to_owned());
        self
    }

    /// A port that it says it serves, such as `80/tcp`.
    #[must_use]
    pub fn expose(mut self, port: &str) -> Self {
        self.body
            .exposed_ports
            .get_or_insert_default()
            .push(port.to_owned());
        self
    }

    /// The engine removes it at its end.
    #[must_use]
    pub fn auto_remove(mut self) -> Self {
        self.host.auto_remove = Some(true);
        self
    }

    /// Makes it without starting it.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn create(mut self) -> Result<Container> {
        self.body.host_config = Some(self.host);
        let options = CreateContainerOptionsBuilder::new()
            .name(&self.name)
            .build();
        let made = self
            .lab
            .docker()
            .create_container(Some(options), self.body)
            .await
            .with_context(|| format!("can't make the container {}", self.name))?;
        Ok(Container {
            name: self.name,
            id: made.id,
            docker: self.lab.docker().clone(),
        })
    }

    /// Makes and starts it.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn start(self) -> Result<Container> {
        let container = self.create().await?;
        container.start().await?;
        Ok(container)
    }
}

/// A container's state as the engine tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The engine's full id.
    pub id: String,
    /// The engine's word: `running`, `exited`, `restarting` …
    pub status: String,
    /// Whether it runs.
    pub running: bool,
    /// The main process on the host; 0 when it does not run.
    pub pid: u32,
    /// Of its last end.
    pub exit_code: i64,
    /// Whether the kernel killed something in it for memory.
    pub oom_killed: bool,
    /// When it last started, as the engine writes it: differs after each start.
    pub started_at: String,
    /// When it last ended.
    pub finished_at: String,
    /// How often the engine's own restart policy started it again.
    pub restart_count: i64,
    /// The health check's result: `starting`, `healthy`, `unhealthy`; empty without one.
    pub health: String,
    /// Memory limit, bytes; 0 for none.
    pub memory: i64,
    /// Processor limit, billionths of a core; 0 for none.
    pub nano_cpus: i64,
    /// Its address on its first network; empty where it has none.
    pub address: String,
}

/// A container of a test.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its full name.
    pub name: String,
    /// The engine's full id.
    pub id: String,
    pub(super) docker: bollard::Docker,
}

impl Container {
    /// How it is now. Works by id, so a container of the same name made later is another one.
    ///
    /// # Errors
    /// Where the engine does not answer or the container is gone.
    pub async fn state(&self) -> Result<State> {
        let read = self
            .docker
            .inspect_container(&self.id, None::<InspectContainerOptions>)
            .await
            .with_context(|| format!("can't read {}", self.name))?;
        let state = read.state.unwrap_or_default();
        let host = read.host_config.unwrap_or_default();
        let networks = read.network_settings.and_then(|all| all.networks);
        Ok(State {
            id: read.id.unwrap_or_default(),
            status: state.status.map(|s| s.to_string()).unwrap_or_default(),
            running: state.running.unwrap_or_default(),
            pid: u32::try_from(state.pid.unwrap_or_default()).unwrap_or_default(),
            exit_code: state.exit_code.unwrap_or_default(),
            oom_killed: state.oom_killed.unwrap_or_default(),
            started_at: state
                .started_at
                .map(|at| at.to_string())
                .unwrap_or_default(),
            finished_at: state
                .finished_at
                .map(|at| at.to_string())
                .unwrap_or_default(),
            restart_count: read.restart_count.unwrap_or_default(),
            health: state
                .health
                .and_then(|health| health.status)
                .map(|status| status.to_string())
                .unwrap_or_default(),
            memory: host.memory.unwrap_or_default(),
            nano_cpus: host.nano_cpus.unwrap_or_default(),
            address: networks
                .and_then(|all| all.into_values().find_map(|one| one.ip_address))
                .unwrap_or_default(),
        })
    }

    /// Waits until its state is as wanted.
    ///
    /// # Errors
    /// After `timeout`, with its last state.
    pub async fn wait(
        &self,
        what: &str,
        timeout: Duration,
        ready: impl FnMut(&State) -> bool,
    ) -> Result<State> {
        let what = format!("{} {what}", self.name);
        crate::wait::until(&what, timeout, || self.state(), ready).await
    }

    /// Waits until its workload's script has begun its work.
    ///
    /// # Errors
    /// After ten seconds.
    pub async fn wait_ready(&self) -> Result<()> {
        let read = || self.run("cat /ctl/ready");
        let ten = Duration::from_secs(10);
        crate::wait::until(&self.name, ten, read, |text| text.contains("ready")).await?;
        Ok(())
    }

    /// Starts it, as a person would.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn start(&self) -> Result<()> {
        let started = self
            .docker
            .start_container(&self.id, None::<StartContainerOptions>)
            .await;
        started.with_context(|| format!("can't start {}", self.name))
    }

    /// Stops it through the engine's API, as a person would: a deliberate stop.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn stop(&self) -> Result<()> {
        let options = StopContainerOptionsBuilder::new().t(5).build();
        Ok(self.docker.stop_container(&self.id, Some(options)).await?)
    }

    /// Removes it, running or not.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn remove(&self) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        Ok(self
            .docker
            .remove_container(&self.id, Some(options))
            .await?)
    }

    /// Makes its workload end by itself with a code, and waits until it has: the engine sees its death and nothing before it.
    /// Not for [`Workload::Sleep`].
    ///
    /// # Errors
    /// Where it does not run or does not die within ten seconds.
    pub async fn crash(&self, code: u8) -> Result<()> {
        let before = self.state().await?;
        if !before.running {
            bail!("{} does not run, so it can't crash: {before:?}", self.name);
        }
        let begin = std::time::Instant::now();
        loop {
            if let Some(pid) = self.host_process(&before) {
                // It may be gone while the engine has not noticed yet: the state tells in a moment.
                if let Err(error) = self.write("exit", &code.to_string()).await
                    && begin.elapsed() > Duration::from_secs(10)
                {
                    return Err(error);
                }
                // Gone already is what is wanted.
                let _ = kill_process(pid, Signal::USR1);
            } else {
                let order = format!("echo {code} > /ctl/exit; kill -USR1 1");
                // The program that asks for the death may not live to report it.
                let _ = self.run(&order).await;
            }
            // The script may not have come as far as to heed the signal: ask until it is gone.
            for _ in 0..10 {
                let now = self.state().await?;
                if !now.running || now.started_at != before.started_at {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if begin.elapsed() > Duration::from_secs(10) {
                bail!("{} would not die", self.name);
            }
        }
    }

    /// Kills its main process from the host with SIGKILL, as the kernel would, and returns the time right before it.
    ///
    /// # Errors
    /// Where this program may not, or the container does not run here.
    pub async fn kill_main(&self) -> Result<Timestamp> {
        let state = self.state().await?;
        self.kill_main_of(&state)
    }

    /// The same with a state read before, so that nothing is asked of the engine in between.
    ///
    /// # Errors
    /// As for [`Self::kill_main`].
    pub fn kill_main_of(&self, state: &State) -> Result<Timestamp> {
        let pid = self.host_process(state).with_context(|| {
            format!(
                "{} has no process here that may be killed: {state:?}",
                self.name
            )
        })?;
        let at = Timestamp::now();
        kill_process(pid, Signal::KILL)?;
        Ok(at)
    }

    /// Makes its health check and its HTTP answer fail, with a reason that they show.
    ///
    /// # Errors
    /// Where it does not run.
    pub async fn sicken(&self, reason: &str) -> Result<()> {
        self.write("sick", reason).await
    }

    /// Makes its HTTP answers come after so many seconds.
    ///
    /// # Errors
    /// Where it does not run.
    pub async fn slow_down(&self, seconds: &str) -> Result<()> {
        self.write("slow", seconds).await
    }

    /// Makes it well and quick again.
    ///
    /// # Errors
    /// Where it does not run.
    pub async fn cure(&self) -> Result<()> {
        self.run("rm -f /ctl/sick /ctl/slow").await.map(drop)
    }

    /// Runs a shell's command in it and returns its output.
    ///
    /// # Errors
    /// Where it does not run or the command can't be started.
    pub async fn run(&self, command: &str) -> Result<String> {
        use futures_util::StreamExt as _;
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(vec!["/bin/sh", "-c", command]),
            ..Default::default()
        };
        let exec = self.docker.create_exec(&self.id, options).await?;
        let started = self
            .docker
            .start_exec(&exec.id, None::<StartExecOptions>)
            .await?;
        let mut text = String::new();
        if let bollard::exec::StartExecResults::Attached { mut output, .. } = started {
            while let Some(part) = output.next().await {
                text.push_str(&part?.to_string());
            }
        }
        Ok(text)
    }

    /// Writes a file under `/ctl` without the engine noticing where that is possible.
    async fn write(&self, file: &str, text: &str) -> Result<()> {
        let state = self.state().await?;
        if let Some(pid) = self.host_process(&state) {
            let path = format!("/proc/{}/root/ctl/{file}", pid.as_raw_nonzero());
            return std::fs::write(&path, text).with_context(|| format!("can't write {path}"));
        }
        let quoted = text.replace('\'', r"'\''");
        self.run(&format!("printf %s '{quoted}' > /ctl/{file}"))
            .await
            .map(drop)
    }

    /// Its main process, where it is one of this machine's and may be signalled. That it is the container's is read from its control
    /// group, so that never another process is hit.
    fn host_process(&self, state: &State) -> Option<Pid> {
        if state.pid == 0 || !crate::process::is_root() {
            return None;
        }
        let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", state.pid)).ok()?;
        groups
            .contains(&self.id)
            .then(|| Pid::from_raw(i32::try_from(state.pid).ok()?))?
    }
}
