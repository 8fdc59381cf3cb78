//! The one place that builds concrete parts and hands them to the engine. For now only what the command line asks for.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    ports::{Store, StoreError},
};

/// How the agent is to be run, besides its configuration.
#[derive(Clone, Debug, Default)]
pub struct UpOptions {
    /// Ends the agent in good order when cancelled, besides SIGINT and SIGTERM.
    pub shutdown: CancellationToken,
    /// Whether it runs inside another command, which has the terminal and handles signals itself.
    pub embedded: bool,
}

/// Where Steward keeps its own files, by `STEWARD_DATA_DIR` or by default.
pub fn data_dir() -> PathBuf {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(dir) = given("STEWARD_DATA_DIR") {
        return PathBuf::from(dir);
    }
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/steward");
    }
    given("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| given("HOME").map(|home| PathBuf::from(home).join(".local/share")))
        .unwrap_or_default()
        .join("steward")
}

/// Reads the configuration: `file`, else the usual one; then the environment.
///
/// # Errors
/// Where it can't be read or is not valid; names the file, the line and what would be right.
pub fn load_config(file: Option<&Path>) -> anyhow::Result<Config> {
    let mut config = Config {
        data_dir: data_dir(),
        file: file.map(Path::to_path_buf),
        ..Config::default()
    };
    if let Some(path) = file {
        config = toml::from_str(&std::fs::read_to_string(path)?)?;
        config.file = file.map(Path::to_path_buf);
        config.data_dir = data_dir();
    }
    if config.node.name.is_empty() {
        config.node.name = "node".to_owned();
    }
    Ok(config)
}

/// The configuration in force as TOML, secrets redacted.
pub fn describe_config(config: &Config) -> String {
    format!("[node]\nname = \"{}\"\n", config.node.name)
}

/// Opens the database without running an agent.
///
/// # Errors
/// Where it can't be opened as configured.
#[allow(clippy::unused_async, reason = "the real one waits for the database")]
pub async fn open_store(config: &Config) -> Result<Arc<dyn Store>, StoreError> {
    Err(StoreError::Open(format!(
        "no database is built in yet (data directory {})",
        config.data_dir.display()
    )))
}

/// Runs the agent until it is told to stop.
///
/// # Errors
/// Where it can't begin.
pub async fn run(config: Config, options: UpOptions) -> anyhow::Result<()> {
    let _ = (config, options);
    anyhow::bail!("no agent is built in yet")
}
