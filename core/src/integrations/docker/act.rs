//! The [`Actuator`]: each permitted action as the engine's own call, addressed by the engine's id.
//!
//! An action that returned has been *applied*; whether it helped is for the verification to say. Nothing is retried here.

use std::time::Duration;

use async_trait::async_trait;
use bollard::query_parameters::{
    RestartContainerOptionsBuilder, StartContainerOptions, StopContainerOptionsBuilder,
};
use jiff::Timestamp;
use steward_api::{
    Action, ActionName, ContainerRef, Limits, Precondition, ResourceKind, Verification,
};
use tokio::time::{Instant, sleep};

use crate::ports::{ActError, Actuator, Permit, Reading};

use super::{
    DockerEngine, anew,
    client::{Failure, QUICK},
    limits,
    models::StatsModel,
    probe::{in_words, is_well, runs, size},
    prune, stats, tmp, translate,
};

/// What a start, stop or restart may take beyond the grace time, on a slow disk.
pub(super) const SLACK: Duration = Duration::from_secs(60);
/// How long what depends on a container waits for it to be well again.
const RECOVERY: Duration = Duration::from_secs(60);
/// How often that is looked at.
const GLANCE: Duration = Duration::from_millis(250);
/// A live change of limits.
const UPDATE: Duration = Duration::from_secs(30);
/// Removing many images can take minutes.
pub(super) const PRUNE: Duration = Duration::from_mins(10);

#[async_trait]
impl Actuator for DockerEngine {
    fn handles(&self, action: ActionName) -> bool {
        matches!(
            action,
            ActionName::StartContainer
                | ActionName::RestartContainer
                | ActionName::StopContainer
                | ActionName::ClearTmp
                | ActionName::ResetConnections
                | ActionName::SetLimits
                | ActionName::PruneDanglingImages
                | ActionName::PruneBuildCache
                | ActionName::PruneStoppedContainers
                | ActionName::PruneUnusedImages
                | ActionName::PruneUnusedVolumes
                | ActionName::UpdateImage
                | ActionName::BindPort
                | ActionName::ClosePort
                | ActionName::RestorePrevious
                | ActionName::RemovePrevious
        )
    }

    fn timeout(&self, action: &Action) -> Duration {
        match action {
            Action::StartContainer { .. } => SLACK + QUICK,
            Action::RestartContainer { grace_seconds, .. }
            | Action::StopContainer { grace_seconds, .. } => after_grace(*grace_seconds) + QUICK,
            Action::ResetConnections {
                dependents,
                grace_seconds,
                ..
            } => {
                let each = after_grace(*grace_seconds) + QUICK;
                let count = u32::try_from(dependents.len()).unwrap_or(u32::MAX);
                each.saturating_mul(count.saturating_add(1)) + RECOVERY
            }
            Action::SetLimits { .. } => UPDATE + QUICK * 2,
            Action::ClearTmp { .. } => tmp::TIMEOUT + QUICK,
            other => anew::timeout(other).unwrap_or(PRUNE) + QUICK * 2,
        }
    }

    async fn check(&self, precondition: &Precondition) -> Result<Reading, ActError> {
        self.check_now(precondition).await
    }

    async fn apply(&self, permit: &Permit) -> Result<String, ActError> {
        match permit.action() {
            Action::StartContainer { container } => self.start(container).await,
            Action::RestartContainer {
                container,
                grace_seconds,
            } => self.restart(container, *grace_seconds).await,
            Action::StopContainer {
                container,
                grace_seconds,
            } => self.stop(container, *grace_seconds).await,
            Action::ClearTmp {
                container,
                untouched_seconds,
            } => {
                let found = self.inspect_present(container).await?;
                tmp::clear(
                    self,
                    container,
                    &found,
                    *untouched_seconds,
                    tmp::Mode::Remove,
                )
                .await
            }
            Action::ResetConnections {
                container,
                dependents,
                grace_seconds,
            } => self.reset(container, dependents, *grace_seconds).await,
            Action::SetLimits {
                container,
                from,
                to,
            } => self.set_limits(container, *from, *to).await,
            Action::PruneDanglingImages { engine } => {
                self.own(engine, ResourceKind::Engine)?;
                prune::images(self, prune::Images::Dangling).await
            }
            Action::PruneUnusedImages { engine } => {
                self.own(engine, ResourceKind::Engine)?;
                prune::images(self, prune::Images::Unused).await
            }
            Action::PruneBuildCache { engine } => {
                self.own(engine, ResourceKind::Engine)?;
                prune::build_cache(self).await
            }
            Action::PruneUnusedVolumes { engine } => {
                self.own(engine, ResourceKind::Engine)?;
                prune::volumes(self).await
            }
            Action::PruneStoppedContainers {
                engine,
                older_than_days,
            } => {
                self.own(engine, ResourceKind::Engine)?;
                prune::stopped(self, prune::cutoff(self.clock.now(), *older_than_days)).await
            }
            Action::RestorePrevious {
                container,
                grace_seconds,
            } => Box::pin(self.restore(container, *grace_seconds)).await,
            Action::RemovePrevious { container } => self.remove_kept(container).await,
            other if let Some((container, change, grace)) = anew::change(other) => {
                Box::pin(self.make_anew(container, &change, grace)).await
            }
            other => Err(ActError::Unsupported(
                other.name(),
                "it is not an action on containers".to_owned(),
            )),
        }
    }

    async fn verify(&self, verification: &Verification) -> Result<Reading, ActError> {
        self.verify_now(verification).await
    }

    async fn was_applied(
        &self,
        action: &Action,
        since: Timestamp,
    ) -> Result<Option<bool>, ActError> {
        self.find_out(action, since).await
    }

    async fn preview(&self, action: &Action) -> Result<Vec<String>, ActError> {
        match action {
            Action::StartContainer { container } | Action::StopContainer { container, .. } => {
                Ok(vec![action.to_string(), self.as_it_is(container).await?])
            }
            Action::RestartContainer { container, .. } => {
                Ok(vec![action.to_string(), self.as_it_is(container).await?])
            }
            Action::ResetConnections {
                container,
                dependents,
                ..
            } => {
                let mut lines = vec![action.to_string(), self.as_it_is(container).await?];
                for dependent in dependents {
                    lines.push(format!("then {}", self.as_it_is(dependent).await?));
                }
                Ok(lines)
            }
            Action::SetLimits {
                container,
                from,
                to,
            } => {
                let found = self.inspect_present(container).await?;
                limits::update(&found.host_config, *from, *to).map_err(ActError::Failed)?;
                Ok(limit_lines(*from, *to))
            }
            Action::ClearTmp {
                container,
                untouched_seconds,
            } => {
                let found = self.inspect_present(container).await?;
                let line = tmp::clear(self, container, &found, *untouched_seconds, tmp::Mode::Look)
                    .await?;
                Ok(vec![action.to_string(), line])
            }
            Action::PruneDanglingImages { .. } => {
                prune::preview_images(self, prune::Images::Dangling).await
            }
            Action::PruneUnusedImages { .. } => {
                prune::preview_images(self, prune::Images::Unused).await
            }
            Action::PruneBuildCache { .. } => prune::preview_build_cache(self).await,
            Action::PruneUnusedVolumes { .. } => prune::preview_volumes(self).await,
            Action::PruneStoppedContainers {
                older_than_days, ..
            } => {
                prune::preview_stopped(self, prune::cutoff(self.clock.now(), *older_than_days))
                    .await
            }
            other => Box::pin(self.preview_anew(other)).await,
        }
    }
}

pub(super) fn after_grace(grace_seconds: u32) -> Duration {
    Duration::from_secs(u64::from(grace_seconds)) + SLACK
}

fn seconds(grace_seconds: u32) -> i32 {
    i32::try_from(grace_seconds).unwrap_or(i32::MAX)
}

fn limit_lines(from: Limits, to: Limits) -> Vec<String> {
    let mut lines = Vec::new();
    if from.memory_bytes != to.memory_bytes {
        let memory = |bytes: Option<u64>| bytes.map_or_else(|| "unlimited".to_owned(), size);
        lines.push(format!(
            "memory limit {} → {} live, no restart",
            memory(from.memory_bytes),
            memory(to.memory_bytes)
        ));
    }
    if from.cpu_millicores != to.cpu_millicores {
        #[allow(
            clippy::cast_precision_loss,
            reason = "thousandths of cores are far below 2^52"
        )]
        let cores = |milli: Option<u64>| {
            milli.map_or_else(
                || "unlimited".to_owned(),
                |milli| format!("{} cores", milli as f64 / 1000.0),
            )
        };
        lines.push(format!(
            "CPU limit {} → {} live, no restart",
            cores(from.cpu_millicores),
            cores(to.cpu_millicores)
        ));
    }
    lines
}

impl DockerEngine {
    async fn start(&self, container: &ContainerRef) -> Result<String, ActError> {
        self.inspect_present(container).await?;
        self.start_id(&container.container_id, container.name())
            .await?;
        Ok(format!("started {}", container.name()))
    }

    pub(super) async fn start_id(&self, id: &str, name: &str) -> Result<(), ActError> {
        let id = id.to_owned();
        self.client
            .call(SLACK, |docker| async move {
                docker
                    .start_container(&id, None::<StartContainerOptions>)
                    .await
            })
            .await
            .map_err(|failure| self.act_error(failure, name))
    }

    async fn restart(
        &self,
        container: &ContainerRef,
        grace_seconds: u32,
    ) -> Result<String, ActError> {
        self.inspect_present(container).await?;
        let id = container.container_id.clone();
        let options = RestartContainerOptionsBuilder::default()
            .t(seconds(grace_seconds))
            .build();
        self.client
            .call(after_grace(grace_seconds), |docker| async move {
                docker.restart_container(&id, Some(options)).await
            })
            .await
            .map_err(|failure| self.act_error(failure, container.name()))?;
        Ok(format!("restarted {}", container.name()))
    }

    pub(super) async fn stop(
        &self,
        container: &ContainerRef,
        grace_seconds: u32,
    ) -> Result<String, ActError> {
        self.inspect_present(container).await?;
        self.stop_id(&container.container_id, container.name(), grace_seconds)
            .await?;
        Ok(format!("stopped {}", container.name()))
    }

    pub(super) async fn stop_id(
        &self,
        id: &str,
        name: &str,
        grace_seconds: u32,
    ) -> Result<(), ActError> {
        let id = id.to_owned();
        let options = StopContainerOptionsBuilder::default()
            .t(seconds(grace_seconds))
            .build();
        self.client
            .call(after_grace(grace_seconds), |docker| async move {
                docker.stop_container(&id, Some(options)).await
            })
            .await
            .map_err(|failure| self.act_error(failure, name))
    }

    /// Restarts a container and, once it is well, what depends on it, in order.
    async fn reset(
        &self,
        container: &ContainerRef,
        dependents: &[ContainerRef],
        grace_seconds: u32,
    ) -> Result<String, ActError> {
        let mut done = vec![self.restart(container, grace_seconds).await?];
        if dependents.is_empty() {
            return Ok(done.remove(0));
        }
        if let Err(why) = self.wait_until_well(container).await? {
            return Err(ActError::Failed(format!(
                "restarted {}, but after {} s it is not well ({why}); what depends on it was left alone",
                container.name(),
                RECOVERY.as_secs()
            )));
        }
        for dependent in dependents {
            match self.restart(dependent, grace_seconds).await {
                Ok(text) => done.push(text),
                // It was removed or recreated in between, and connects afresh by itself.
                Err(ActError::Gone(name)) => done.push(format!("{name} is gone")),
                Err(error) => {
                    return Err(ActError::Failed(format!("{}; {error}", done.join(", "))));
                }
            }
        }
        Ok(done.join(", "))
    }

    async fn wait_until_well(
        &self,
        container: &ContainerRef,
    ) -> Result<Result<(), String>, ActError> {
        let deadline = Instant::now() + RECOVERY;
        loop {
            let found = self.inspect_present(container).await?;
            match is_well(&translate::facts(&found), container.name()) {
                Reading::Holds => return Ok(Ok(())),
                Reading::Broken(why) | Reading::Hopeless(why) => {
                    if Instant::now() >= deadline {
                        return Ok(Err(why));
                    }
                }
            }
            sleep(GLANCE).await;
        }
    }

    async fn set_limits(
        &self,
        container: &ContainerRef,
        from: Limits,
        to: Limits,
    ) -> Result<String, ActError> {
        let name = container.name();
        let found = self.inspect_present(container).await?;
        let now = translate::limits(&found.host_config);
        if now != from {
            return Err(ActError::Failed(format!(
                "the limits of {name} are {} now, not {} as planned",
                in_words(now),
                in_words(from)
            )));
        }
        let body = limits::update(&found.host_config, from, to)
            .map_err(|reason| ActError::Failed(format!("{name}: {reason}")))?;
        if let Some(limit) = to.memory_bytes
            && from.memory_bytes.is_none_or(|before| limit < before)
            && runs(translate::status(&found.state.status))
        {
            self.refuse_starving(container, limit).await?;
        }
        let id = container.container_id.clone();
        self.client
            .call(UPDATE, |docker| async move {
                docker.update_container(&id, body).await
            })
            .await
            .map_err(|failure| self.act_error(failure, name))?;
        Ok(format!("set the limits of {name} to {}", in_words(to)))
    }

    /// A limit below what is in use is refused by one kernel and answered with kills by the next.
    async fn refuse_starving(&self, container: &ContainerRef, limit: u64) -> Result<(), ActError> {
        let path = format!(
            "/containers/{}/stats?stream=false&one-shot=true",
            container.container_id
        );
        let stats: StatsModel = self
            .client
            .get(&path, QUICK)
            .await
            .map_err(|failure: Failure| self.act_error(failure, container.name()))?;
        match stats::memory_in_use(&stats) {
            Some(used) if used >= limit => Err(ActError::Failed(format!(
                "{} uses {} of memory now, so a limit of {} would end processes in it",
                container.name(),
                size(used),
                size(limit)
            ))),
            _ => Ok(()),
        }
    }

    /// A container as it is now, in a line.
    async fn as_it_is(&self, container: &ContainerRef) -> Result<String, ActError> {
        let found = self.inspect_present(container).await?;
        let facts = translate::facts(&found);
        let (_, reason) = translate::judge(&facts);
        let since = if runs(facts.status) {
            facts.started_at.map(|at| format!(", since {at:.0}"))
        } else {
            facts.finished_at.map(|at| format!(", at {at:.0}"))
        };
        Ok(format!(
            "{} now: {reason}{}",
            container.name(),
            since.unwrap_or_default()
        ))
    }
}
