//! The real `steward` binary as a child process: started with a configuration of its own, talked to as its users do, killed on drop.
//!
//! What flows through: settings in; HTTP calls by the contract's own types, the event stream, the command line's output and the
//! program's standard error out. What it never does: look inside the agent, or reach an agent that is not this test's.

mod build;
mod calls;
mod events;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use serde::Deserialize;
use steward_api::{GetHealth, Nothing};
use tempfile::TempDir;

use crate::{
    docker::Lab,
    process::{AtParentsDeath, Spawned},
};

pub use build::program;
pub use events::{Arrived, EventStream};

/// The admin token of every agent under test.
pub const ADMIN_TOKEN: &str = "test-admin-token-5f1d7c0b9a3e4d26";

/// How long an agent may take to answer after its start. A debug build on a busy machine needs seconds.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Settings of an agent to be.
#[derive(Clone, Debug)]
pub struct Builder {
    config: toml::Table,
    env: BTreeMap<String, String>,
    docker_host: String,
    dir: Option<Arc<TempDir>>,
}

impl Builder {
    fn new(docker_host: &str) -> Self {
        let builder = Self {
            config: toml::Table::new(),
            env: BTreeMap::new(),
            docker_host: docker_host.to_owned(),
            dir: None,
        };
        // Only containers, and quickly: what else is on the machine is not this test's.
        builder
            .set("node.name", "test")
            .set("host.enabled", false)
            .set("network.enabled", false)
            .set("databases.discover", false)
            .set("advisor.discover", false)
            .set("security.parts", Vec::<toml::Value>::new())
            .set("docker.grace", "2s")
            .set("docker.stabilisation", "1s")
            .set("docker.recovery", "10s")
            .set("schedules.container_cycle.every", "2s")
            .set("schedules.health_check.every", "2s")
            .set("schedules.full_monitoring.every", "10s")
            .set("thresholds.restart_policy_grace", "3s")
            .set("log.level", "info,steward=debug")
    }

    /// One setting by its dotted key, such as `guards.blast_radius`.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<toml::Value>) -> Self {
        let mut parts = key.split('.').peekable();
        let mut table = &mut self.config;
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                table.insert(part.to_owned(), value.into());
                break;
            }
            let inner = table
                .entry(part)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if !inner.is_table() {
                *inner = toml::Value::Table(toml::Table::new());
            }
            match inner {
                toml::Value::Table(inner) => table = inner,
                _ => break,
            }
        }
        self
    }

    /// Settings as a piece of TOML; they replace those of the same top-level table.
    ///
    /// # Errors
    /// Where it is not TOML.
    pub fn toml(mut self, text: &str) -> Result<Self> {
        for (key, value) in text.parse::<toml::Table>()? {
            match (self.config.get_mut(&key), value) {
                (Some(toml::Value::Table(old)), toml::Value::Table(new)) => old.extend(new),
                (_, value) => {
                    self.config.insert(key, value);
                }
            }
        }
        Ok(self)
    }

    /// An environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.env.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The database; an SQLite file in the data directory where nothing is said.
    #[must_use]
    pub fn database(self, url: &str) -> Self {
        self.env("STEWARD_DATABASE_URL", url)
    }

    /// The data of an agent that was: a second agent on the same data, or one that goes on with it.
    #[must_use]
    pub fn on_data_of(mut self, other: &Agent) -> Self {
        self.dir = Some(Arc::clone(&other.dir));
        self
    }

    /// The configuration as it will be written.
    pub fn config_text(&self) -> String {
        self.config.to_string()
    }

    /// Starts the agent and waits until it answers.
    ///
    /// # Errors
    /// Where it ends or does not answer within a minute; the message holds what it wrote.
    pub async fn start(self) -> Result<Agent> {
        let mut agent = self.prepare().await?;
        agent.start_again().await?;
        Ok(agent)
    }

    /// Starts the agent and returns how it ended, with what it wrote: for starts that must be refused.
    ///
    /// # Errors
    /// Where it can't be started or does not end within 30 s.
    pub async fn start_refused(self) -> Result<(std::process::ExitStatus, String)> {
        let agent = self.prepare().await?;
        let mut process = Spawned::start("steward up", &agent.up(), AtParentsDeath::Kill)?;
        tokio::task::spawn_blocking(move || {
            let status = process.wait(Duration::from_secs(30))?;
            Ok((status, process.output()))
        })
        .await?
    }

    async fn prepare(mut self) -> Result<Agent> {
        let program = tokio::task::spawn_blocking(|| program("steward", "steward")).await??;
        let dir = match self.dir.take() {
            Some(dir) => dir,
            None => Arc::new(tempfile::Builder::new().prefix("steward-").tempdir()?),
        };
        let agent = Agent {
            dir,
            settings: self,
            program,
            process: None,
            url: String::new(),
            client: http_client()?,
        };
        std::fs::create_dir_all(agent.data_dir())?;
        agent.write_config()?;
        Ok(agent)
    }
}

/// What an agent writes of itself beside its data.
#[derive(Deserialize)]
struct Whereabouts {
    url: String,
    pid: u32,
    /// The file of its certificate, where it speaks TLS.
    #[serde(default)]
    certificate: Option<PathBuf>,
}

/// A running agent. Killed on drop; what it wrote is printed when the test has failed.
#[derive(Debug)]
pub struct Agent {
    dir: Arc<TempDir>,
    settings: Builder,
    program: PathBuf,
    process: Option<Spawned>,
    url: String,
    client: reqwest::Client,
}

impl Agent {
    /// Settings for an agent that looks only at a lab's containers.
    pub fn for_lab(lab: &Lab) -> Builder {
        Builder::new(lab.host()).set("docker.only_label", lab.only_label())
    }

    /// Settings for an agent that looks at all containers of the engine at `host`: a simulated or a private one.
    pub fn for_host(host: &str) -> Builder {
        Builder::new(host)
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Its configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.dir.path().join("steward.toml")
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn pid(&self) -> Result<u32> {
        Ok(self
            .process
            .as_ref()
            .context("the agent does not run")?
            .pid())
    }

    /// What it wrote last.
    pub fn output(&self) -> String {
        self.process
            .as_ref()
            .map(Spawned::output)
            .unwrap_or_default()
    }

    fn write_config(&self) -> Result<()> {
        std::fs::write(self.config_file(), self.settings.config_text())?;
        Ok(())
    }

    /// Changes settings in the configuration file, as an operator with an editor would: the running agent has to notice.
    ///
    /// # Errors
    /// Where the file can't be written.
    pub fn edit_config(&mut self, change: impl FnOnce(Builder) -> Builder) -> Result<()> {
        self.settings = change(self.settings.clone());
        self.write_config()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("STEWARD_") {
                command.env_remove(key);
            }
        }
        command
            .env("STEWARD_CONFIG", self.config_file())
            .env("STEWARD_DATA_DIR", self.data_dir())
            .env("STEWARD_LISTEN", "127.0.0.1:0")
            .env("STEWARD_ADMIN_TOKEN", ADMIN_TOKEN)
            .env("DOCKER_HOST", &self.settings.docker_host)
            .env("NO_COLOR", "1")
            .envs(&self.settings.env);
        command
    }

    fn up(&self) -> Command {
        let mut command = self.command();
        command.arg("up");
        command
    }

    /// Starts it again on its data, after [`Self::kill_9`] or [`Self::terminate`], and waits until it answers.
    ///
    /// # Errors
    /// Where it runs, ends, or does not answer within a minute.
    pub async fn start_again(&mut self) -> Result<()> {
        self.begin()?;
        self.wait_ready().await
    }

    /// The same without waiting until it answers.
    ///
    /// # Errors
    /// Where it runs or can't be started.
    pub fn begin(&mut self) -> Result<()> {
        if self.process.is_some() {
            bail!("the agent runs already");
        }
        self.process = Some(Spawned::start(
            "steward up",
            &self.up(),
            AtParentsDeath::Kill,
        )?);
        Ok(())
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// Where it ends, or does not answer within a minute.
    pub async fn wait_ready(&mut self) -> Result<()> {
        let begin = std::time::Instant::now();
        loop {
            let process = self.process.as_mut().context("the agent does not run")?;
            let pid = process.pid();
            if let Some(status) = process.try_wait()? {
                bail!("the agent ended at once: {status}\n{}", self.output());
            }
            // The file of the agent before this one may still be there: only its own counts.
            if let Some(found) = whereabouts(&self.data_dir()).filter(|found| found.pid == pid) {
                self.url = found.url.trim_end_matches('/').to_owned();
                if let Some(certificate) = found.certificate {
                    self.client = http_client_for(&certificate)?;
                }
                if self.call::<GetHealth>(&Nothing {}).await.is_ok() {
                    return Ok(());
                }
            }
            if begin.elapsed() > START_TIMEOUT {
                bail!(
                    "the agent does not answer after {START_TIMEOUT:?}\n{}",
                    self.output()
                );
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Kills it at once: nothing that it has not written yet is written any more.
    ///
    /// # Errors
    /// Where it does not run.
    pub async fn kill_9(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the agent does not run")?;
        tokio::task::spawn_blocking(move || process.kill()).await?
    }

    /// Asks it to end, as a service manager would, and waits until it has: its status and what it wrote.
    ///
    /// # Errors
    /// Where it does not run or does not end within 30 s.
    pub async fn terminate(&mut self) -> Result<(std::process::ExitStatus, String)> {
        let mut process = self.process.take().context("the agent does not run")?;
        process.signal(Signal::TERM)?;
        tokio::task::spawn_blocking(move || {
            let status = process.wait(Duration::from_secs(30))?;
            Ok((status, process.output()))
        })
        .await?
    }

    /// Ends it in good order and starts it again on its data.
    ///
    /// # Errors
    /// As for [`Self::terminate`] and [`Self::start_again`].
    pub async fn restart(&mut self) -> Result<()> {
        self.terminate().await?;
        self.start_again().await
    }

    /// Runs `steward` with these arguments against this agent, as an operator on the same machine would.
    ///
    /// # Errors
    /// Where it can't be started or does not end within 60 s.
    pub async fn cli(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = tokio::process::Command::from(self.command());
        command
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let minute = Duration::from_secs(60);
        let ended = tokio::time::timeout(minute, command.output()).await;
        Ok(ended.with_context(|| format!("`steward {}` did not end", arguments.join(" ")))??)
    }

    /// The same with `--json`, read as what it should be; its exit code must be 0.
    ///
    /// # Errors
    /// Where it fails or writes something else.
    pub async fn cli_json<T: serde::de::DeserializeOwned>(&self, arguments: &[&str]) -> Result<T> {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let output = self.cli(&arguments).await?;
        if !output.status.success() {
            bail!("`steward {}` failed: {output:?}", arguments.join(" "));
        }
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("`steward {}` wrote {output:?}", arguments.join(" ")))
    }
}

fn whereabouts(data_dir: &Path) -> Option<Whereabouts> {
    let text = std::fs::read(data_dir.join("agent.json")).ok()?;
    serde_json::from_slice(&text).ok()
}

/// A client that asks no proxy and gives up after 30 s.
///
/// # Errors
/// Where it can't be made.
pub fn http_client() -> Result<reqwest::Client> {
    // Only the first call in a process installs it; the others find it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(client_builder().build()?)
}

/// The same for an agent with this certificate, and no other.
///
/// # Errors
/// Where the file holds none.
pub fn http_client_for(certificate: &Path) -> Result<reqwest::Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authorities = reqwest::Certificate::from_pem_bundle(&std::fs::read(certificate)?)?;
    Ok(client_builder().tls_certs_only(authorities).build()?)
}

fn client_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_nested_replaced_and_understood_by_the_agent() {
        let builder = Builder::new("unix:///x")
            .set("docker.only_label", "steward.test=1")
            .set("guards.blast_radius", 50)
            .toml("[guards]\nmax_restarts_per_hour = 9\n[[services]]\nname = \"a\"\nurl = \"http://x\"")
            .unwrap();
        let table: toml::Table = builder.config_text().parse().unwrap();
        assert_eq!(table["guards"]["blast_radius"].as_integer(), Some(50));
        assert_eq!(
            table["guards"]["max_restarts_per_hour"].as_integer(),
            Some(9)
        );
        assert_eq!(table["docker"]["stabilisation"].as_str(), Some("1s"));
        assert_eq!(
            table["schedules"]["container_cycle"]["every"].as_str(),
            Some("2s")
        );
        assert_eq!(table["services"][0]["name"].as_str(), Some("a"));
    }
}
