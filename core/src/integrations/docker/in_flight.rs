//! Requests that outlive the agent that made them: the engine goes on with a stop or a restart when its caller is gone.
//!
//! What flows through: an intent of an agent that ended, and what the engine's own event log tells since. What it never does: take
//! "not yet" for "no". An action that is still under way must not be said undone, or it would be done a second time beside itself.

use std::{collections::HashMap, time::Duration};

use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use steward_api::ContainerRef;
use tokio::time::sleep;

use crate::ports::ActError;

use super::{DockerEngine, act, client::QUICK, models::Inspect};

/// A request that the engine was sent is seen in what it does within this time, also on a busy machine.
const ARRIVES_WITHIN: Duration = Duration::from_secs(5);
/// How often is looked.
const GLANCE: Duration = Duration::from_millis(250);

impl DockerEngine {
    /// Whether a container came to be as intended at `since`, once the engine is certainly done with the request: as soon as `is_done`
    /// holds, else when no trace of the request appeared, or when its time is over. `None`: the container is gone.
    pub(super) async fn settle(
        &self,
        container: &ContainerRef,
        grace_seconds: u32,
        since: Timestamp,
        is_done: impl Fn(&Inspect) -> bool + Send + Sync,
    ) -> Result<Option<bool>, ActError> {
        loop {
            let Some(found) = self
                .inspect_ref(&container.resource, &container.container_id)
                .await?
            else {
                return Ok(None);
            };
            if is_done(&found) {
                return Ok(Some(true));
            }
            let age =
                Duration::try_from(self.clock.now().duration_since(since)).unwrap_or_default();
            let may_be_under_way = age < ARRIVES_WITHIN
                || age < act::after_grace(grace_seconds)
                    && self.was_signalled(container, since).await?;
            if !may_be_under_way {
                return Ok(Some(false));
            }
            sleep(GLANCE).await;
        }
    }

    /// Whether the engine has sent the container a signal since then: the beginning of every stop of what runs.
    async fn was_signalled(
        &self,
        container: &ContainerRef,
        since: Timestamp,
    ) -> Result<bool, ActError> {
        let filters = HashMap::from([
            ("type", vec!["container"]),
            ("event", vec!["kill"]),
            ("container", vec![container.container_id.as_str()]),
        ]);
        let time = |at: Timestamp| format!("{}.{:09}", at.as_second(), at.subsec_nanosecond());
        let options = EventsOptionsBuilder::default()
            .since(&time(since))
            .until(&time(self.clock.now()))
            .filters(&filters)
            .build();
        let events = self
            .client
            .call(QUICK, |docker| async move {
                docker.events(Some(options)).try_collect::<Vec<_>>().await
            })
            .await
            .map_err(|failure| self.act_error(failure, container.name()))?;
        Ok(!events.is_empty())
    }
}
