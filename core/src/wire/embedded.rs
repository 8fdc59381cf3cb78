//! The engine inside another program: the same parts, the same lock, without what makes it an agent of its own.
//!
//! What flows through: a configuration and the tokens that are good in, a router to ask out. What it never does: listen on a port, write to
//! the terminal, handle a signal, or leave an address for the command line.

use std::fs::File;

use anyhow::Context as _;
use axum::Router;

use super::{Started, lock_data_dir, make_private_dir, start};
use crate::{
    config::{Config, Inputs},
    server::{self, Tokens},
};

/// The engine inside another program, such as the desktop: without a port, without a terminal, and the signals are the program's own.
/// Dropped without [`Embedded::stop`], what is under way is checked at the next start, as after a crash.
pub struct Embedded {
    router: Router,
    node: String,
    started: Started,
    _lock: File,
}

impl Embedded {
    /// Starts the engine. Only these tokens are good for its router; the token file is neither made nor read.
    ///
    /// # Errors
    /// Where it can't begin: the data directory (another agent may hold it), the database or the journal.
    pub async fn start(
        config: Config,
        inputs: Option<Inputs>,
        tokens: Tokens,
    ) -> anyhow::Result<Self> {
        make_private_dir(&config.data_dir)?;
        let lock = lock_data_dir(&config.data_dir)?;
        let started = start(&config, inputs).await?;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        Ok(Self {
            router: server::router(started.handle.clone(), tokens, started.stopping.clone()),
            node: config.node.name,
            started,
            _lock: lock,
        })
    }

    /// What answers requests, in process.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// The name of the node that it looks after.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Waits until the engine has ended by itself, which it should not.
    pub async fn ended(&mut self) -> anyhow::Error {
        match (&mut self.started.running).await {
            Ok(()) => anyhow::anyhow!("the engine ended by itself"),
            Err(error) => anyhow::Error::new(error).context("the engine ended by a fault"),
        }
    }

    /// Ends it in good order: what is under way is written down, event streams end, the database is closed.
    ///
    /// # Errors
    /// Where the engine ended by a fault; the database is closed all the same.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Started {
            running,
            stopping,
            store,
            ..
        } = self.started;
        stopping.cancel();
        // One that has ended before has been waited for already, and can't be a second time.
        let ended = if running.is_finished() {
            Ok(())
        } else {
            running.await
        };
        store.close().await;
        ended.context("the engine ended by a fault")
    }
}
