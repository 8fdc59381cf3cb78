//! Making a container anew: from a newer image, or with a port narrowed; keeping the one before, putting it back, or removing it.
//!
//! What flows through: a container by name and id and one change in, what was done in words out. The new one is made under a name of its
//! own; then the old one is stopped and renamed, and the new one gets its name and is started. What fails on the way is put back before the
//! error is told. What it never does: begin before everything that can be known to stand in the way was looked at; touch a container that
//! has the name but was not made from the one that is meant; remove a volume; or start anything that stands aside.

mod kept;
mod names;
mod preview;
mod pull;
mod recipe;

use std::time::Duration;

use bollard::{
    models::{ContainerUpdateBody, NetworkConnectRequest, RestartPolicy, RestartPolicyNameEnum},
    query_parameters::{
        CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder,
    },
};
use serde_json::Value;
use steward_api::{Action, ContainerRef, ResourceId};

use super::{
    DockerEngine,
    act::{SLACK, after_grace},
    client::{Failure, LIST, QUICK},
    models::{Inspect, RestartPolicyModel},
    observe::inspect_by_name,
    probe::runs,
    translate,
};
use crate::ports::{ActError, words};

pub(super) use names::is_aside;
pub(super) use recipe::{Change, MADE_FROM};

use names::{next, previous};
use recipe::{Ingredients, Recipe, recipe, text};

/// Making a container copies what its volumes begin with.
const MAKING: Duration = Duration::from_mins(2);
/// Removing one may have to wait for a slow disk.
const REMOVING: Duration = Duration::from_mins(1);
const TRIES: u32 = 3;

/// How long one of these actions may take, putting everything back included.
pub(super) fn timeout(action: &Action) -> Option<Duration> {
    let swap = |grace: u32| MAKING + (after_grace(grace) + SLACK + REMOVING) * 2;
    match action {
        Action::UpdateImage { grace_seconds, .. } => Some(pull::PULL + swap(*grace_seconds)),
        Action::BindPort { grace_seconds, .. }
        | Action::ClosePort { grace_seconds, .. }
        | Action::RestorePrevious { grace_seconds, .. } => Some(swap(*grace_seconds)),
        Action::RemovePrevious { .. } => Some(REMOVING * (TRIES + 1)),
        _ => None,
    }
}

/// The change that an action makes, with its container and grace time.
pub(super) fn change(action: &Action) -> Option<(&ContainerRef, Change, u32)> {
    match action {
        Action::UpdateImage {
            container,
            image,
            from_image_id,
            grace_seconds,
        } => {
            let change = Change::Image {
                name: image.clone(),
                from_image_id: from_image_id.clone(),
            };
            Some((container, change, *grace_seconds))
        }
        Action::BindPort {
            container,
            transport,
            port,
            grace_seconds,
        } => {
            let change = Change::Bind {
                transport: transport.clone(),
                port: *port,
            };
            Some((container, change, *grace_seconds))
        }
        Action::ClosePort {
            container,
            transport,
            port,
            grace_seconds,
        } => {
            let change = Change::Close {
                transport: transport.clone(),
                port: *port,
            };
            Some((container, change, *grace_seconds))
        }
        _ => None,
    }
}

/// A container that can be made anew.
struct Fit {
    container: Value,
    image: Value,
    /// The name of its image, where that still means the image that it runs; else the image's id.
    same_image: String,
}

impl DockerEngine {
    /// Makes a container anew with one change. On an error everything is as it was, or the error says what stands where.
    pub(super) async fn make_anew(
        &self,
        container: &ContainerRef,
        change: &Change,
        grace_seconds: u32,
    ) -> Result<String, ActError> {
        let name = container.name();
        let fit = self.fit(container, change).await?;
        let (from, from_id) = match change {
            Change::Image {
                name: image,
                from_image_id,
            } => {
                let pulled = self.pull(image).await?;
                if pulled == *from_image_id {
                    return Err(ActError::Failed(format!(
                        "the registry has no newer image of {image}; the fix is not published yet, and nothing was changed"
                    )));
                }
                (image.clone(), pulled)
            }
            _ => (
                fit.same_image.clone(),
                text(&fit.container, "/Image").to_owned(),
            ),
        };
        let recipe = self.recipe(&fit, &from, &from_id, change).await?;
        let made = self.make(container, recipe).await?;
        if let Err(error) = self.swap(container, &made, grace_seconds).await {
            let why = words(&error);
            return Err(ActError::Failed(
                match self.restore(container, grace_seconds).await {
                    Ok(how) => format!("{why}; {how}"),
                    Err(second) => format!(
                        "{why}; and it could not be put back: {}; {}",
                        words(&second),
                        self.standing(container).await
                    ),
                },
            ));
        }
        let how = match change {
            Change::Image { name: image, .. } => {
                format!("from {image} as it is now ({})", short(&from_id))
            }
            Change::Bind { transport, port } => {
                format!("with port {port}/{transport} on 127.0.0.1 alone")
            }
            Change::Close { transport, port } => format!("without port {port}/{transport}"),
        };
        Ok(format!(
            "made {name} anew {how}; the one before is kept as {}",
            previous(name)
        ))
    }

    /// Looks at everything that stands in the way of making a container anew.
    async fn fit(&self, container: &ContainerRef, change: &Change) -> Result<Fit, ActError> {
        let name = container.name();
        let refuse = |why: String| Err(ActError::Failed(format!("{name} is left as it is: {why}")));
        let found = self.inspect_present(container).await?;
        if found.name() != name {
            return refuse(format!("it is named {} now", found.name()));
        }
        if found.host_config.auto_remove {
            return refuse(
                "it is removed when it stops (--rm), so it could not be put back".to_owned(),
            );
        }
        if own_container().is_some_and(|own| own == container.container_id) {
            return refuse("Steward runs in it, and can't take its own place".to_owned());
        }
        if let Some(other) = self.aside(&previous(name)).await? {
            return refuse(format!(
                "{} is still there from before ({}); look whether it is needed, then remove it",
                previous(name),
                translate::judge(&translate::facts(&other)).1
            ));
        }
        let sharing = self.who_shares(container).await?;
        if !sharing.is_empty() {
            return refuse(format!(
                "{} on its network, and would have to be made anew with it",
                if sharing.len() == 1 {
                    format!("{} is", sharing[0])
                } else {
                    format!("{} are", sharing.join(", "))
                }
            ));
        }
        let whole: Value = self
            .client
            .get(
                &format!("/containers/{}/json", container.container_id),
                QUICK,
            )
            .await
            .map_err(|failure| self.act_error(failure, name))?;
        let image_id = text(&whole, "/Image").to_owned();
        if let Change::Image { from_image_id, .. } = change
            && image_id != *from_image_id
        {
            return refuse("it runs another image than the one that was planned for".to_owned());
        }
        let Some(image) = self.image(&image_id).await? else {
            return refuse("the engine does not have its image any more".to_owned());
        };
        let named = text(&whole, "/Config/Image").to_owned();
        let means_the_same = super::images::is_image(&named)
            && self.image_id(&named).await?.as_deref() == Some(image_id.as_str());
        Ok(Fit {
            container: whole,
            image,
            same_image: if means_the_same { named } else { image_id },
        })
    }

    async fn recipe(
        &self,
        fit: &Fit,
        from: &str,
        from_id: &str,
        change: &Change,
    ) -> Result<Recipe, ActError> {
        let api = self
            .client
            .connected()
            .await
            .map_err(|failure| self.act_error(failure, "the engine"))?
            .api;
        let of = Ingredients {
            container: &fit.container,
            image: &fit.image,
            from,
            from_id,
            api: (api.0, api.1),
        };
        recipe(&of, change).map_err(|why| {
            let name = text(&fit.container, "/Name").trim_start_matches('/');
            ActError::Failed(format!("{name} is left as it is: {why}"))
        })
    }

    /// Makes the new container, aside and not started.
    async fn make(&self, container: &ContainerRef, recipe: Recipe) -> Result<String, ActError> {
        let name = container.name();
        let aside = next(name);
        if let Some(left) = self.aside(&aside).await? {
            if left.config.labels.get(MADE_FROM).is_none()
                || runs(translate::status(&left.state.status))
            {
                return Err(ActError::Failed(format!(
                    "{name} is left as it is: there is a container {aside}, which Steward did not make"
                )));
            }
            self.remove(&left.id, &aside, true).await?;
        }
        let options = CreateContainerOptionsBuilder::default()
            .name(&aside)
            .build();
        let Recipe { body, further } = recipe;
        let making = self.client.call(MAKING, |docker| {
            Box::pin(async move { docker.create_container(Some(options), body).await })
        });
        let unmade = |failure: Failure| {
            ActError::Failed(format!(
                "{name} is left as it is: another like it could not be made: {failure}"
            ))
        };
        let made = Box::pin(making).await.map_err(unmade)?.id;
        for (network, endpoint) in further {
            let request = NetworkConnectRequest {
                container: made.clone(),
                endpoint_config: Some(endpoint),
            };
            let joined = self
                .client
                .call(MAKING, |docker| {
                    let network = network.clone();
                    Box::pin(async move { docker.connect_network(&network, request).await })
                })
                .await;
            if let Err(failure) = joined {
                let left = match self.remove(&made, &aside, true).await {
                    Ok(()) => String::new(),
                    Err(error) => format!("; {aside} could not be removed: {}", words(&error)),
                };
                return Err(ActError::Failed(format!(
                    "{name} is left as it is: another like it could not join the network {network}: {failure}{left}"
                )));
            }
        }
        Ok(made)
    }

    /// The new one takes the old one's place.
    async fn swap(
        &self,
        container: &ContainerRef,
        made: &str,
        grace_seconds: u32,
    ) -> Result<(), ActError> {
        let name = container.name();
        self.stop(container, grace_seconds).await?;
        self.rename(&container.container_id, &previous(name))
            .await?;
        // With `always` an engine that begins anew would start it beside the one in its place.
        self.set_policy(
            &container.container_id,
            name,
            &RestartPolicyModel::default(),
        )
        .await?;
        self.rename(made, name).await?;
        self.start_id(made, name).await
    }

    /// The container of a name, where it was made from the one that is meant.
    async fn made_from(
        &self,
        container: &ContainerRef,
        name: &str,
    ) -> Result<Option<Inspect>, ActError> {
        let found = self.aside(name).await?;
        Ok(found.filter(|found| {
            found.config.labels.get(MADE_FROM) == Some(container.container_id.as_str())
        }))
    }

    async fn aside(&self, name: &str) -> Result<Option<Inspect>, ActError> {
        inspect_by_name(&self.client, name)
            .await
            .map_err(|failure| self.act_error(failure, name))
    }

    async fn by_name(&self, resource: &ResourceId) -> Result<Option<Inspect>, ActError> {
        self.aside(&resource.name).await
    }

    /// Containers that run on the network of this one, by its id.
    async fn who_shares(&self, container: &ContainerRef) -> Result<Vec<String>, ActError> {
        let all: Vec<Value> = self
            .client
            .get("/containers/json?all=1", LIST)
            .await
            .map_err(|failure| self.act_error(failure, "the list of containers"))?;
        let wanted = [
            format!("container:{}", container.container_id),
            format!("container:{}", container.name()),
        ];
        Ok(all
            .iter()
            .filter(|one| {
                let mode = text(one, "/HostConfig/NetworkMode");
                wanted.iter().any(|wanted| wanted == mode)
            })
            .map(|one| text(one, "/Names/0").trim_start_matches('/').to_owned())
            .collect())
    }

    async fn rename(&self, id: &str, name: &str) -> Result<(), ActError> {
        let options = RenameContainerOptionsBuilder::default().name(name).build();
        self.client
            .call(SLACK, |docker| {
                let id = id.to_owned();
                async move { docker.rename_container(&id, options).await }
            })
            .await
            .map_err(|failure| self.act_error(failure, name))
    }

    async fn set_policy(
        &self,
        id: &str,
        name: &str,
        policy: &RestartPolicyModel,
    ) -> Result<(), ActError> {
        let word = match policy.name.as_str() {
            "always" => RestartPolicyNameEnum::ALWAYS,
            "unless-stopped" => RestartPolicyNameEnum::UNLESS_STOPPED,
            "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
            _ => RestartPolicyNameEnum::NO,
        };
        let body = ContainerUpdateBody {
            restart_policy: Some(RestartPolicy {
                name: Some(word),
                maximum_retry_count: Some(policy.maximum_retry_count),
            }),
            ..ContainerUpdateBody::default()
        };
        self.client
            .call(SLACK, |docker| {
                let id = id.to_owned();
                async move { docker.update_container(&id, body).await }
            })
            .await
            .map_err(|failure| self.act_error(failure, name))
    }

    /// Removes a container and no volume.
    async fn remove(&self, id: &str, name: &str, force: bool) -> Result<(), ActError> {
        let mut tries = 1;
        loop {
            let options = RemoveContainerOptionsBuilder::default()
                .v(false)
                .force(force)
                .build();
            let removed = self
                .client
                .call(REMOVING, |docker| {
                    let id = id.to_owned();
                    async move { docker.remove_container(&id, Some(options)).await }
                })
                .await;
            match removed {
                Ok(()) | Err(Failure::NotFound(_)) => return Ok(()),
                Err(failure) if tries >= TRIES => return Err(self.act_error(failure, name)),
                Err(_) => tokio::time::sleep(Duration::from_millis(500) * tries).await,
            }
            tries += 1;
        }
    }

    /// What stands where, for whoever must see to it.
    async fn standing(&self, container: &ContainerRef) -> String {
        let name = container.name();
        let mut told = Vec::new();
        for one in [name.to_owned(), previous(name), next(name)] {
            told.push(match self.aside(&one).await {
                Ok(Some(found)) => {
                    let (_, reason) = translate::judge(&translate::facts(&found));
                    format!("{one} ({}): {reason}", short(&found.id))
                }
                Ok(None) => format!("{one}: not there"),
                Err(error) => format!("{one}: {}", words(&error)),
            });
        }
        format!("now there is {}", told.join("; "))
    }
}

/// An engine's id as people see it.
fn short(id: &str) -> String {
    id.trim_start_matches("sha256:").chars().take(12).collect()
}

/// The id of the container that this process runs in, where it does: the engine mounts a file of the container's own over `/etc/hostname`.
fn own_container() -> Option<String> {
    of_mounts(&std::fs::read_to_string("/proc/self/mountinfo").ok()?)
}

fn of_mounts(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        // proc(5): number, parent, device, root within the file system, mount point …
        let mut fields = line.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        let id = root
            .strip_suffix("/hostname")
            .and_then(|folder| folder.rsplit_once("/containers/"))
            .map(|(_, id)| id)
            .filter(|id| id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        (place == "/etc/hostname").then(|| id.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_that_steward_runs_in_is_known_by_its_mounts() {
        let id = "a1".repeat(32);
        let inside = format!(
            "700 690 254:1 /var/lib/docker/containers/{id}/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw\n"
        );
        assert_eq!(of_mounts(&inside), Some(id.clone()));
        let host = format!(
            "31 1 0:50 / /var/lib/docker/containers/{id}/mounts/shm rw - tmpfs shm rw\n22 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
        );
        assert_eq!(of_mounts(&host), None);
    }

    #[test]
    fn names_aside_are_told_from_others() {
        assert!(is_aside(&previous("web")) && is_aside(&next("web")));
        assert!(!is_aside("web") && !is_aside("steward-previous-web"));
    }
}
