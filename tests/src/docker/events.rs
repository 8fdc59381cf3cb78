//! What the engine itself says happened to a test's containers: the witness against which an agent's deeds are held.
//!
//! What flows through: the engine's event stream, kept in order. It never asks anything of the agent.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use bollard::{Docker, models::EventMessage, query_parameters::EventsOptionsBuilder};
use futures_util::StreamExt as _;
use jiff::Timestamp;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When it happened, by the engine's clock.
    pub at: Timestamp,
    /// When it arrived here.
    pub arrived: Timestamp,
    /// The engine's word, such as `die` or `health_status: unhealthy`.
    pub action: String,
    /// The container's name.
    pub container: String,
    /// With `die`: the exit code.
    pub exit_code: Option<i64>,
}

/// The events of a test's containers, in the order of their arrival. Ends on drop.
#[derive(Debug)]
pub struct EventLog {
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl EventLog {
    pub(super) async fn start(docker: &Docker, only_label: &str) -> Result<Self> {
        let filters = HashMap::from([
            ("type", vec!["container".to_owned()]),
            ("label", vec![only_label.to_owned()]),
        ]);
        // From the engine's own now on: nothing is missed between the request and its answer.
        let since = docker.info().await?.system_time;
        let since: Timestamp = since
            .context("the engine tells no time")?
            .to_string()
            .parse()?;
        let since = format!("{}.{:09}", since.as_second(), since.subsec_nanosecond());
        let options = EventsOptionsBuilder::new()
            .since(&since)
            .filters(&filters)
            .build();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut stream = Box::pin(docker.events(Some(options)));
        let kept = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                if let Some(event) = understood(message) {
                    kept.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(event);
                }
            }
        });
        Ok(Self { seen, task })
    }

    /// Everything so far.
    pub fn all(&self) -> Vec<Seen> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The engine's words for what happened to one container, without those of health checks and other programs run in it.
    pub fn actions(&self, container: &str) -> Vec<String> {
        self.all()
            .into_iter()
            .filter(|event| event.container == container && !event.action.starts_with("exec_"))
            .map(|event| event.action)
            .collect()
    }

    /// How often something happened to a container.
    pub fn count(&self, container: &str, action: &str) -> usize {
        self.actions(container)
            .iter()
            .filter(|seen| *seen == action)
            .count()
    }

    /// Waits for the first event that fits.
    ///
    /// # Errors
    /// After `timeout`, with all that was seen.
    pub async fn wait(
        &self,
        what: &str,
        timeout: Duration,
        fits: impl Fn(&Seen) -> bool,
    ) -> Result<Seen> {
        let read = || async { Ok(self.all()) };
        let all = crate::wait::until(what, timeout, read, |all| all.iter().any(&fits)).await?;
        all.into_iter()
            .find(|event| fits(event))
            .context("the event is gone")
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn understood(message: EventMessage) -> Option<Seen> {
    let attributes = message
        .actor
        .and_then(|actor| actor.attributes)
        .unwrap_or_default();
    Some(Seen {
        at: Timestamp::from_nanosecond(message.time_nano?.into()).ok()?,
        arrived: Timestamp::now(),
        action: message.action?,
        container: attributes.get("name").cloned().unwrap_or_default(),
        exit_code: attributes
            .get("exitCode")
            .and_then(|code| code.parse().ok()),
    })
}
