//! Reading the files of images: what a name means, and a container's file system as one archive, of which the wanted files are kept.
//!
//! What flows through: `GET /containers/{id}/export` as a stream in, a few files out. What it never does: run anything in a container,
//! or leave behind the container that it has to make where an image has none; that one is never started.

mod archive;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bollard::{
    models::ContainerCreateBody,
    query_parameters::{CreateContainerOptions, RemoveContainerOptionsBuilder},
};
use serde::Deserialize;
use steward_api::ResourceId;
use tokio::sync::{OwnedRwLockReadGuard, oneshot};

use crate::ports::{FoundImage, ImageFiles, ImageReader, ReadLimits, ScanError, WantedFiles};

use super::{
    DockerEngine, NAME,
    client::{self, Client, Failure, LIST, QUICK},
    labels,
    models::Summary,
};
use archive::Archive;

/// Marks containers that were made only to be read.
const LABEL: &str = "steward.scan";
/// Making a container copies what its volumes begin with.
const MAKING: Duration = Duration::from_mins(2);
/// Removing one may have to wait for a slow disk.
const REMOVING: Duration = Duration::from_mins(1);
const TRIES: u32 = 3;
/// A container that is older than this and still there was left by somebody who was killed. Longer than any reading.
const LEFT_BEHIND: Duration = Duration::from_hours(2);

/// `GET /containers/{id}/json`, as far as it is needed here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerModel {
    id: String,
    /// The image's id.
    image: String,
    config: ContainerConfig,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerConfig {
    image: String,
}

/// `GET /images/{name}/json`, as far as it is needed here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ImageModel {
    id: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
}

impl DockerEngine {
    fn scan_error(&self, failure: Failure) -> ScanError {
        let what = self.client.who();
        match failure {
            Failure::Absent(reason) => ScanError::Absent { what, reason },
            Failure::TimedOut(limit) => ScanError::TimedOut { what, limit },
            other => ScanError::Engine {
                what,
                reason: other.to_string(),
            },
        }
    }

    /// The containers of an image, those that run first.
    async fn containers_of(&self, image_id: &str) -> Result<Vec<Summary>, Failure> {
        let all: Vec<Summary> = self.client.get(&self.list_path(), LIST).await?;
        let mut of: Vec<Summary> = all
            .into_iter()
            .filter(|one| one.image_id == image_id)
            .filter(|one| !self.passes_over(&one.labels) && !one.stands_aside())
            .collect();
        of.sort_by_key(|one| one.state != "running");
        Ok(of)
    }

    /// Removes what an earlier process made for a reading and could not remove because it was killed.
    async fn tidy(&self) {
        let filters = serde_json::json!({ "label": [LABEL] }).to_string();
        let path = format!(
            "/containers/json?all=1&filters={}",
            client::encode(&filters)
        );
        let Ok(left) = self.client.get::<Vec<Left>>(&path, LIST).await else {
            return;
        };
        let now = self.clock.now().as_second();
        let oldest = now.saturating_sub(i64::try_from(LEFT_BEHIND.as_secs()).unwrap_or(i64::MAX));
        for one in left {
            if one.state == "created" && one.created < oldest {
                remove(&self.client, &one.id).await;
            }
        }
    }
}

/// `GET /containers/json`, of what was left behind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Left {
    id: String,
    state: String,
    created: i64,
}

#[async_trait]
impl ImageReader for DockerEngine {
    async fn find(&self, name: &str) -> Result<FoundImage, ScanError> {
        let missing = || ScanError::NotFound(name.to_owned());
        let container: Option<ContainerModel> = if client::is_name(name) {
            let path = format!("/containers/{name}/json");
            match self.client.get(&path, QUICK).await {
                Ok(found) => Some(found),
                Err(Failure::NotFound(_)) => None,
                Err(failure) => return Err(self.scan_error(failure)),
            }
        } else {
            None
        };
        let (image, image_id, readable) = match container {
            Some(found) => (found.config.image, found.image, Some(found.id)),
            None if is_image(name) => {
                let found: ImageModel = match self
                    .client
                    .get(&format!("/images/{name}/json"), QUICK)
                    .await
                {
                    Ok(found) => found,
                    Err(Failure::NotFound(_)) => return Err(missing()),
                    Err(failure) => return Err(self.scan_error(failure)),
                };
                let is_id = found.id.contains(name);
                let tag = found.repo_tags.into_iter().flatten().next();
                let image = tag.filter(|_| is_id).unwrap_or_else(|| name.to_owned());
                (image, found.id, None)
            }
            None => return Err(missing()),
        };
        let containers = self
            .containers_of(&image_id)
            .await
            .map_err(|failure| self.scan_error(failure))?;
        let running = containers
            .iter()
            .find(|one| one.state == "running")
            .map(|one| one.id.clone());
        Ok(FoundImage {
            readable: readable.or(running),
            containers: containers
                .iter()
                .filter_map(Summary::name)
                .map(|name| ResourceId::container(self.node.clone(), name))
                .collect(),
            image,
            image_id,
        })
    }

    async fn read(
        &self,
        image: &FoundImage,
        wanted: WantedFiles,
        limits: ReadLimits,
    ) -> Result<ImageFiles, ScanError> {
        self.tidy().await;
        let reading = Reading {
            client: Arc::clone(&self.client),
            wanted,
            limits,
            _busy: Arc::clone(&self.reading).read_owned().await,
        };
        let (mut done, answer) = oneshot::channel();
        let image = image.clone();
        // On its own, so that what it makes is removed also when nobody waits for it any more.
        tokio::spawn(async move {
            let result = match &image.readable {
                Some(id) => reading.export(id, &mut done).await,
                None => Box::pin(reading.of_image(&image.image_id, &mut done)).await,
            };
            let _ = done.send(result);
        });
        match answer.await {
            Ok(Ok(files)) => Ok(files),
            Ok(Err(Failure::TimedOut(limit))) => Err(ScanError::TimedOut {
                what: "reading the image".to_owned(),
                limit,
            }),
            Ok(Err(failure)) => Err(self.scan_error(failure)),
            Err(_) => {
                Err(self.scan_error(Failure::Unreachable("the reading broke off".to_owned())))
            }
        }
    }

    async fn finished(&self) {
        drop(self.reading.write().await);
    }
}

/// The answer to whoever asked; closed when nobody waits for it.
type Answer = oneshot::Sender<Result<ImageFiles, Failure>>;

struct Reading {
    client: Arc<Client>,
    wanted: WantedFiles,
    limits: ReadLimits,
    _busy: OwnedRwLockReadGuard<()>,
}

impl Reading {
    /// A container that is never started, only to be read.
    async fn of_image(&self, image_id: &str, done: &mut Answer) -> Result<ImageFiles, Failure> {
        let body = ContainerCreateBody {
            image: Some(image_id.to_owned()),
            // An image need not say what to run, but the engine insists on it.
            cmd: Some(vec!["never-started".to_owned()]),
            labels: Some(
                [(LABEL, "reading"), (labels::IGNORE, "true")]
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
            ),
            network_disabled: Some(true),
            ..ContainerCreateBody::default()
        };
        let making = self.client.call(MAKING, |docker| {
            // As large as all that a container can be made with.
            Box::pin(async move {
                docker
                    .create_container(None::<CreateContainerOptions>, body)
                    .await
            })
        });
        let made = Box::pin(making).await?;
        let result = self.export(&made.id, done).await;
        remove(&self.client, &made.id).await;
        result
    }

    async fn export(&self, id: &str, done: &mut Answer) -> Result<ImageFiles, Failure> {
        let mut archive = Archive::new(self.wanted, self.limits);
        let path = format!("/containers/{id}/export");
        let reading = self
            .client
            .stream_while(&path, self.limits.time, |piece| archive.take(piece));
        tokio::select! {
            read = reading => read?,
            () = done.closed() => return Err(Failure::Unreachable("nobody waits for it".to_owned())),
        }
        Ok(archive.finish())
    }
}

async fn remove(client: &Client, id: &str) {
    for attempt in 1..=TRIES {
        let removed = client
            .call(REMOVING, |docker| {
                let id = id.to_owned();
                async move {
                    let options = RemoveContainerOptionsBuilder::default()
                        .force(true)
                        .v(true)
                        .build();
                    docker.remove_container(&id, Some(options)).await
                }
            })
            .await;
        match removed {
            Ok(()) | Err(Failure::NotFound(_)) => return,
            Err(failure) if attempt == TRIES => {
                tracing::warn!(container = id, %failure, source = NAME, "a container that was made only to be read could not be removed; the next scan tries again");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(500) * attempt).await,
        }
    }
}

/// Whether a text can stand in a path as an image's name or id.
pub(super) fn is_image(text: &str) -> bool {
    let right = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
    (1..=512).contains(&text.len())
        && text.bytes().all(right)
        && text
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.'))
}
