//! An agent of the stage's own, in this process: a configuration that sees only the stage's containers and is quick, a temporary
//! directory, a free port, a token that nobody else knows.

use std::{
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::SecretString;
use steward_api::{Autonomy, Channel};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::super::{connect, connect::Local, failure::Failure};
use crate::{
    client::Client,
    config::{Config, Schedule, Span},
    wire,
};

/// How long one reading cycle takes, and for how long what was healed must be well: short, so that what is shown is.
const CYCLE: Span = Span::from_secs(2);
/// How long the agent may take to begin.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long it may take to end in good order.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A running agent. Ends when dropped.
pub(in crate::cli) struct OwnAgent {
    client: Client,
    shutdown: CancellationToken,
    /// Why it ended, once it has.
    ended: watch::Receiver<Option<String>>,
}

impl Drop for OwnAgent {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Where the agent of a stage keeps its things.
fn data_dir(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("steward-{name}"))
}

/// Removes what the agent kept. One that was interrupted may be writing its last entries meanwhile, so this is tried for a while.
pub(in crate::cli) async fn remove_data_dir(name: &str) -> Result<(), Failure> {
    const TRIES: u32 = 40;
    let dir = data_dir(name);
    let mut tries = 0;
    loop {
        tries += 1;
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) if tries >= TRIES => {
                return Err(Failure::failed(format!(
                    "can't remove {}: {error}",
                    dir.display()
                )));
            }
            // Looked at once more: nothing may come up in it again.
            Ok(()) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

impl OwnAgent {
    /// Starts it and waits until it answers. `name` is that of its directory, which must not exist; it sees what carries `label`, on the
    /// engine at `host`. `adjust` has the last word on its configuration.
    pub(in crate::cli) async fn start(
        name: &str,
        host: &str,
        label: String,
        adjust: impl FnOnce(&mut Config),
    ) -> Result<Self, Failure> {
        let dir = data_dir(name);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .map_err(|error| Failure::failed(format!("can't make {}: {error}", dir.display())))?;
        let secret: String = (0..4)
            .map(|_| format!("{:016x}", rand::random::<u64>()))
            .collect();
        let token = SecretString::from(format!("stw_{secret}"));
        let shutdown = CancellationToken::new();
        let options = wire::UpOptions {
            shutdown: shutdown.clone(),
            embedded: true,
            inputs: None,
        };
        let mut config = configuration(&dir, host, label, token.clone());
        adjust(&mut config);
        let (tell_end, mut ended) = watch::channel(None);
        // A thread and a runtime of its own, as the agent has when it runs alone: what it leaves running ends with them.
        std::thread::Builder::new()
            .name("own-agent".to_owned())
            .spawn(move || {
                let reason = match run(config, options) {
                    Ok(()) => "it ended by itself".to_owned(),
                    Err(error) => crate::cli::chain(error.as_ref()),
                };
                tell_end.send_replace(Some(reason));
            })
            .map_err(|error| Failure::failed(format!("can't start a thread: {error}")))?;
        let found = tokio::select! {
            url = address(&dir) => url,
            reason = end_of(&mut ended) => Err(ended_early(&reason)),
        };
        match found.and_then(|url| Ok(Client::new(&url, token, Channel::Cli)?)) {
            Ok(client) => Ok(Self {
                client,
                shutdown,
                ended,
            }),
            Err(failure) => {
                shutdown.cancel();
                Err(failure)
            }
        }
    }

    pub(in crate::cli) fn client(&self) -> &Client {
        &self.client
    }

    /// Waits until the agent ends by itself, which it should not, and says why it did.
    pub(in crate::cli) async fn failure(&self) -> Failure {
        ended_early(&end_of(&mut self.ended.clone()).await)
    }

    /// Ends it in good order.
    pub(in crate::cli) async fn stop(self) {
        self.shutdown.cancel();
        let _ = tokio::time::timeout(STOP_LIMIT, end_of(&mut self.ended.clone())).await;
    }
}

fn run(config: Config, options: wire::UpOptions) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let ended = runtime.block_on(Box::pin(wire::run(config, options)));
    runtime.shutdown_timeout(STOP_LIMIT);
    ended
}

async fn end_of(ended: &mut watch::Receiver<Option<String>>) -> String {
    match ended.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_default(),
        // Aborted, or it broke off.
        Err(_) => "it broke off".to_owned(),
    }
}

fn ended_early(reason: &str) -> Failure {
    Failure::failed(format!("the agent of its own ended: {reason}"))
}

/// Waits until the agent has left its address.
async fn address(dir: &Path) -> Result<String, Failure> {
    let wait = async {
        loop {
            // A file that is just being written can't be understood yet.
            if let Ok(Local::Running { agent, .. }) = connect::find_local(&[dir.to_path_buf()]) {
                return agent.url;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(START_LIMIT, wait).await.map_err(|_| {
        Failure::failed(format!(
            "the agent of its own did not begin within {} s",
            START_LIMIT.as_secs()
        ))
    })
}

/// Defaults, but only the stage's containers, and quick.
fn configuration(dir: &Path, host: &str, label: String, token: SecretString) -> Config {
    let mut config = Config {
        data_dir: dir.to_path_buf(),
        admin_token: Some(token),
        ..Config::default()
    };
    "127.0.0.1:0".clone_into(&mut config.server.listen);
    config.autonomy.level = Autonomy::Observe;
    config.docker.host = Some(host.to_owned());
    config.docker.only_label = Some(label);
    config.docker.stabilisation = CYCLE;
    config.docker.grace = CYCLE;
    config.host.enabled = false;
    config.network.enabled = false;
    config.databases.discover = false;
    config.thresholds.sustain = 2;
    config.thresholds.of_last = 2;
    // The loop must be seen as one before Steward would take a restart into its own hands.
    config.thresholds.restart_policy_grace = Span::from_secs(15);
    let quick = Schedule {
        enabled: true,
        every: CYCLE,
    };
    config.schedules.container_cycle = quick;
    config.schedules.health_check = quick;
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sees_nothing_but_the_stage_and_does_nothing_unless_told() {
        let config = configuration(
            Path::new("/nowhere"),
            "unix:///x",
            "steward.demo=1".to_owned(),
            SecretString::from("stw_x"),
        );
        assert_eq!(config.docker.only_label.as_deref(), Some("steward.demo=1"));
        assert!(!config.host.enabled && !config.network.enabled && !config.databases.discover);
        assert!(config.server.listen.starts_with("127.0.0.1:"));
        assert_eq!(config.autonomy.level, Autonomy::Observe);
    }
}
