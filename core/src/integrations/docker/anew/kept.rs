//! The container that was kept: put back in the place of the one that was made from it, or removed; and what became of either after an
//! agent's end.
//!
//! What flows through: a container by name and id in, what was done in words out. What it never does: take a container that has the name
//! for one that was made from the kept one, where it does not say so itself; or remove a volume.

use jiff::Timestamp;
use steward_api::{Action, ContainerRef, ContainerStatus, ResourceId};

use super::{
    super::{DockerEngine, models::Inspect, probe::runs, translate},
    MADE_FROM, change,
    names::{next, previous},
};
use crate::ports::{ActError, Reading, words};

impl DockerEngine {
    /// Puts the container that is meant back under its name and starts it, wherever making it anew had come to.
    pub(in super::super) async fn restore(
        &self,
        container: &ContainerRef,
        grace_seconds: u32,
    ) -> Result<String, ActError> {
        let name = container.name();
        let Some(old) = self
            .inspect_ref(&container.resource, &container.container_id)
            .await?
        else {
            return Err(ActError::Failed(format!(
                "the {name} from before is gone; {}",
                self.standing(container).await
            )));
        };
        let waiting = self.made_from(container, &next(name)).await?;
        if old.name() == name {
            let left = self.remove_left(waiting.as_ref(), name).await;
            if runs(translate::status(&old.state.status)) {
                return Ok(format!("{name} runs as it did before{left}"));
            }
            self.start_id(&old.id, name).await?;
            return Ok(format!("{name} was started again as it was{left}"));
        }
        if old.name() != previous(name) {
            return Err(ActError::Failed(format!(
                "the {name} from before is named {} now, so it is left alone",
                old.name()
            )));
        }
        let mut successor = waiting;
        if let Some(current) = self.by_name(&container.resource).await? {
            if current.config.labels.get(MADE_FROM) != Some(old.id.as_str()) {
                return Err(ActError::Failed(format!(
                    "another container has the name {name} now, which was not made from the one that was kept; both were left alone, and the one before is still there as {}",
                    previous(name)
                )));
            }
            if runs(translate::status(&current.state.status))
                || translate::status(&current.state.status) == ContainerStatus::Restarting
            {
                self.stop_id(&current.id, name, grace_seconds).await?;
            }
            self.rename(&current.id, &next(name)).await?;
            successor = Some(current);
        }
        // The one in its place was made with the policy that this one had.
        if let Some(successor) = &successor {
            self.set_policy(&old.id, name, &successor.host_config.restart_policy)
                .await?;
        }
        self.rename(&old.id, name).await?;
        self.start_id(&old.id, name).await?;
        let left = self.remove_left(successor.as_ref(), name).await;
        let policy = if successor.is_some() {
            ""
        } else {
            "; its restart policy is not known any more and is `no` now"
        };
        Ok(format!("{name} runs again as it was before{policy}{left}"))
    }

    /// Removes the one that was to take another's place; what is left in words, for a report.
    async fn remove_left(&self, successor: Option<&Inspect>, name: &str) -> String {
        let Some(successor) = successor else {
            return String::new();
        };
        match self.remove(&successor.id, &next(name), true).await {
            Ok(()) => String::new(),
            Err(error) => format!("; {} could not be removed: {}", next(name), words(&error)),
        }
    }

    /// Removes a container that was kept. One that can't be removed now fails nothing: the one in its place is well, and stays.
    pub(in super::super) async fn remove_kept(
        &self,
        container: &ContainerRef,
    ) -> Result<String, ActError> {
        let name = container.name();
        let Some(old) = self
            .inspect_ref(&container.resource, &container.container_id)
            .await?
        else {
            return Ok(format!("the {name} from before was gone already"));
        };
        if old.name() != previous(name) || runs(translate::status(&old.state.status)) {
            return Err(ActError::Failed(format!(
                "the {name} from before is left alone: it is named {} and {}",
                old.name(),
                translate::judge(&translate::facts(&old)).1
            )));
        }
        match self.remove(&old.id, &previous(name), false).await {
            Ok(()) => Ok(format!(
                "removed the {name} from before; its volumes and its image stay"
            )),
            Err(error) => Ok(format!(
                "the {name} from before could not be removed ({}): it stays, stopped, as {}",
                words(&error),
                previous(name)
            )),
        }
    }

    /// Whether the one that is meant is kept, and one made from it runs in its place.
    pub(in super::super) async fn is_kept(
        &self,
        resource: &ResourceId,
        container_id: &str,
    ) -> Result<Reading, ActError> {
        let name = resource.name.as_str();
        let Some(old) = self.inspect_ref(resource, container_id).await? else {
            return Ok(Reading::Hopeless(format!("the {name} from before is gone")));
        };
        if old.name() != previous(name) {
            return Ok(Reading::Broken(format!(
                "the {name} from before is named {}",
                old.name()
            )));
        }
        Ok(match self.by_name(resource).await? {
            Some(current)
                if current.config.labels.get(MADE_FROM) == Some(container_id)
                    && runs(translate::status(&current.state.status)) =>
            {
                Reading::Holds
            }
            Some(current) if current.config.labels.get(MADE_FROM) == Some(container_id) => {
                Reading::Broken(format!("{name} does not run, so the one before is needed"))
            }
            Some(_) => Reading::Broken(format!(
                "the {name} of now was not made from the one that was kept"
            )),
            None => Reading::Broken(format!("there is no {name}, so the one before is needed")),
        })
    }

    /// What became of one of these actions. `None`: it stands halfway.
    pub(in super::super) async fn became(
        &self,
        action: &Action,
        since: Timestamp,
    ) -> Result<Option<bool>, ActError> {
        match action {
            Action::RemovePrevious { container } => {
                let old = self
                    .inspect_ref(&container.resource, &container.container_id)
                    .await?;
                Ok(Some(old.is_none()))
            }
            Action::RestorePrevious { container, .. } => {
                let old = self
                    .inspect_ref(&container.resource, &container.container_id)
                    .await?;
                Ok(old.map(|old| {
                    old.name() == container.name() && runs(translate::status(&old.state.status))
                }))
            }
            other => {
                let Some((container, _, grace_seconds)) = change(other) else {
                    return Ok(None);
                };
                // A stop that was asked for goes on without who asked.
                let stopped = |found: &Inspect| !runs(translate::status(&found.state.status));
                let stopped = self
                    .settle(container, grace_seconds, since, stopped)
                    .await?;
                if stopped == Some(false) {
                    return Ok(Some(false));
                }
                let current = self.made_from(container, container.name()).await?;
                Ok(current
                    .is_some_and(|current| runs(translate::status(&current.state.status)))
                    .then_some(true))
            }
        }
    }
}
