//! A stage of one's own on the real engine: containers that are made for a show, broken from within, and removed again whatever happens.
//!
//! What flows through: parts in, containers out, each from an image of this very executable; and an agent that looks at nothing else.
//! Everything made carries the label `steward.demo=<unique>`, is removed by that label, and is marked `steward.ignore` so that an agent
//! that already looks after this engine leaves it alone. What it never does: touch anything that it has not made.

pub(super) mod agent;
pub(super) mod image;
mod part;

use std::{collections::HashMap, time::Duration};

use bollard::{
    Docker, body_full,
    models::ContainerInspectResponse,
    query_parameters::{
        CreateContainerOptionsBuilder, CreateImageOptionsBuilder, ListContainersOptionsBuilder,
        ListImagesOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
        RemoveImageOptionsBuilder, StopContainerOptionsBuilder, TagImageOptionsBuilder,
        UploadToContainerOptionsBuilder,
    },
};
use futures_util::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};

use super::failure::{Exit, Failure};

pub(super) use part::{Part, PartCheck, PartFile, Restart};

/// The label's key.
const LABEL: &str = "steward.demo";
/// The key of the label that the containers of one scene share.
const SCENE: &str = "steward.demo.scene";
/// When a show is over in any case; what one that was killed has left behind is removed by the next.
const EXPIRES: &str = "steward.demo.expires";
/// Removing must come to an end also when the engine does not.
const REMOVAL_LIMIT: Duration = Duration::from_secs(30);

/// What is shown on a stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Show {
    /// Its name, as in the image's and in messages.
    pub(super) name: &'static str,
    /// How the containers' names begin.
    pub(super) prefix: &'static str,
    /// How long it may last.
    pub(super) lifetime: SignedDuration,
}

/// The engine and what was made on it.
#[derive(Clone)]
pub(super) struct Stage {
    docker: Docker,
    show: Show,
    /// The value of the label, and part of every name.
    id: String,
    /// The scene that this is the stage of; absent for the whole show.
    scene: Option<String>,
    expires: Timestamp,
    environment: Vec<String>,
}

fn engine_failure(what: &str, error: &bollard::errors::Error) -> Failure {
    Failure::new(
        Exit::Unavailable,
        "engine_unavailable",
        format!("{what}: {}", super::chain(error)),
    )
}

/// The engine that `up` would look at.
pub(super) fn engine_host(context: &super::Context) -> Result<String, Failure> {
    let config = context.config()?;
    Ok(std::env::var("DOCKER_HOST")
        .ok()
        .filter(|host| !host.is_empty())
        .or(config.docker.host)
        .unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned()))
}

/// Ctrl-C, or being told to end.
pub(super) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = async |kind| match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::hangup()) => {}
    }
}

impl Stage {
    /// Reaches the engine at `host`; makes nothing yet.
    pub(super) async fn open(
        show: Show,
        host: &str,
        id: String,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let missing = |error| {
            engine_failure(
                &format!(
                    "steward {} needs a Docker engine, and {host} gives none (is it running, and is this user in the group docker?)",
                    show.name
                ),
                &error,
            )
        };
        let docker = async { Docker::connect_with_host(host)?.negotiate_version().await };
        let docker = docker.await.map_err(missing)?;
        let info = docker.info().await.map_err(missing)?;
        // The image holds this executable, so it must fit the engine's machine.
        let architecture = info.architecture.unwrap_or_default();
        let same = architecture == std::env::consts::ARCH
            || matches!(
                (architecture.as_str(), std::env::consts::ARCH),
                ("amd64", "x86_64")
                    | ("arm64", "aarch64")
                    | ("armv7l" | "armv6l", "arm")
                    | ("i686" | "i386", "x86")
            );
        if !same || info.os_type.as_deref() != Some("linux") {
            return Err(Failure::failed(format!(
                "the engine at {host} runs {} on {architecture}, this is Linux on {}: run steward {} on the engine's own machine",
                info.os_type.unwrap_or_default(),
                std::env::consts::ARCH,
                show.name
            )));
        }
        Ok(Self {
            docker,
            show,
            id,
            scene: None,
            expires: now + show.lifetime,
            environment: Vec::new(),
        })
    }

    /// The stage of one scene: names and label are its own. What is made on it is also the whole show's.
    pub(super) fn scene(&self, number: usize) -> Self {
        Self {
            scene: Some(format!("{}-{number}", self.id)),
            ..self.clone()
        }
    }

    /// What tells this stage, or scene, from all others.
    pub(super) fn unique(&self) -> &str {
        self.scene.as_ref().unwrap_or(&self.id)
    }

    /// The label that all of it carries, as `key=value`.
    pub(super) fn label(&self) -> String {
        match &self.scene {
            None => format!("{LABEL}={}", self.id),
            Some(scene) => format!("{SCENE}={scene}"),
        }
    }

    /// The name of the container that plays a part.
    pub(super) fn name(&self, part: &str) -> String {
        format!("{}{part}-{}", self.show.prefix, self.unique())
    }

    /// The name of the data directory of the agent that looks at it.
    pub(super) fn agent_name(&self) -> String {
        format!("{}-{}", self.show.name, self.unique())
    }

    fn repository(&self, image: Option<&str>) -> String {
        let own = format!("steward-{}", self.show.name);
        image.map_or(own.clone(), |image| format!("{own}/{image}"))
    }

    /// Makes the image.
    pub(super) async fn make_image(&mut self) -> Result<u64, Failure> {
        let root = tokio::task::spawn_blocking(image::of_this_executable)
            .await
            .map_err(|error| Failure::failed(format!("can't pack this executable: {error}")))?
            .map_err(|error| Failure::failed(format!("can't pack this executable: {error}")))?;
        let size = root.tar.len() as u64;
        self.environment = vec![format!("LD_LIBRARY_PATH={}", root.library_dirs.join(":"))];
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(&self.repository(None))
            .tag(&self.id)
            .changes(vec![
                format!("LABEL {}", self.label()),
                format!("LABEL {EXPIRES}={}", self.expires.as_second()),
            ])
            .build();
        self.docker
            .create_image(Some(options), Some(body_full(root.tar.into())), None)
            .try_collect::<Vec<_>>()
            .await
            .map_err(|error| engine_failure("can't make the image", &error))?;
        Ok(size)
    }

    /// Makes and starts the container that plays a part.
    pub(super) async fn start(&self, name: &str, part: &Part) -> Result<(), Failure> {
        self.make(name, part).await?;
        self.begin(name)
            .await
            .map_err(|error| engine_failure(&format!("can't start {}", self.name(name)), &error))
    }

    /// Makes the container that plays a part, without starting it.
    pub(super) async fn make(&self, name: &str, part: &Part) -> Result<(), Failure> {
        let mut labels: HashMap<_, _> = part.labels.clone().into_iter().collect();
        labels.insert(LABEL.to_owned(), self.id.clone());
        labels.insert(EXPIRES.to_owned(), self.expires.as_second().to_string());
        labels.insert("steward.ignore".to_owned(), "true".to_owned());
        if let Some(scene) = &self.scene {
            labels.insert(SCENE.to_owned(), scene.clone());
        }
        let image = self.image(part.image.as_deref()).await?;
        let name = self.name(name);
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        self.docker
            .create_container(Some(options), part.body(image, labels, &self.environment))
            .await
            .map_err(|error| engine_failure(&format!("can't make {name}"), &error))?;
        for file in &part.files {
            self.put(&name, &file.path, file.content.as_bytes(), file.executable)
                .await?;
        }
        Ok(())
    }

    /// Starts a container that was made. An error of the engine's may be what is wanted.
    pub(super) async fn begin(&self, name: &str) -> Result<(), bollard::errors::Error> {
        self.docker.start_container(&self.name(name), None).await
    }

    /// The image under another name, which also stands for this show alone.
    async fn image(&self, name: Option<&str>) -> Result<String, Failure> {
        let own = format!("{}:{}", self.repository(None), self.id);
        if name.is_none() {
            return Ok(own);
        }
        let repository = self.repository(name);
        let options = TagImageOptionsBuilder::new()
            .repo(&repository)
            .tag(&self.id)
            .build();
        self.docker
            .tag_image(&own, Some(options))
            .await
            .map_err(|error| engine_failure("can't name the image", &error))?;
        Ok(format!("{repository}:{}", self.id))
    }

    /// Puts a file into a container.
    async fn put(
        &self,
        container: &str,
        path: &str,
        content: &[u8],
        is_executable: bool,
    ) -> Result<(), Failure> {
        let tar = image::one_file(path, content, is_executable)
            .map_err(|error| Failure::failed(format!("can't pack a file: {error}")))?;
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        self.docker
            .upload_to_container(container, Some(options), body_full(tar.into()))
            .await
            .map_err(|error| engine_failure(&format!("can't reach into {container}"), &error))
    }

    /// Puts an empty file into a container.
    pub(super) async fn touch(&self, name: &str, path: &str) -> Result<(), Failure> {
        self.put(&self.name(name), path, &[], true).await
    }

    /// Stops a container as a person would.
    pub(super) async fn stop(&self, name: &str) -> Result<(), Failure> {
        let name = self.name(name);
        let options = StopContainerOptionsBuilder::new().t(1).build();
        self.docker
            .stop_container(&name, Some(options))
            .await
            .map_err(|error| engine_failure(&format!("can't stop {name}"), &error))
    }

    /// A container as the engine knows it.
    pub(super) async fn inspect(&self, name: &str) -> Result<ContainerInspectResponse, Failure> {
        let name = self.name(name);
        self.docker
            .inspect_container(&name, None)
            .await
            .map_err(|error| engine_failure(&format!("can't look at {name}"), &error))
    }

    /// The last line that a container wrote; empty where it wrote none.
    pub(super) async fn last_line(&self, name: &str) -> Result<String, Failure> {
        let name = self.name(name);
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail("1")
            .build();
        let chunks: Vec<_> = self
            .docker
            .logs(&name, Some(options))
            .try_collect()
            .await
            .map_err(|error| engine_failure(&format!("can't read the log of {name}"), &error))?;
        let text: String = chunks.iter().map(ToString::to_string).collect();
        Ok(text
            .trim_end()
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned())
    }

    /// When a container's process last ended, by the engine's clock.
    pub(super) async fn ended_at(&self, name: &str) -> Option<Timestamp> {
        let inspected = self
            .docker
            .inspect_container(&self.name(name), None)
            .await
            .ok()?;
        let text = inspected.state?.finished_at?;
        // The zero time stands for one that has not ended yet.
        text.parse::<Timestamp>()
            .ok()
            .filter(|at| at.as_second() > 0)
    }

    /// Whether a container runs now.
    pub(super) async fn is_running(&self, name: &str) -> Result<bool, Failure> {
        let inspected = self.inspect(name).await?;
        Ok(inspected.state.and_then(|state| state.running) == Some(true))
    }

    /// A container's memory limit, bytes.
    pub(super) async fn memory_limit(&self, name: &str) -> Result<i64, Failure> {
        let inspected = self.inspect(name).await?;
        Ok(inspected
            .host_config
            .and_then(|config| config.memory)
            .unwrap_or_default())
    }

    /// Removes one container.
    pub(super) async fn remove(&self, name: &str) -> Result<(), Failure> {
        remove_container(&self.docker, &self.name(name)).await
    }

    /// Removes everything that carries this stage's label.
    pub(super) async fn strike(&self) -> Result<(), Failure> {
        let (key, value) = match &self.scene {
            None => (LABEL, &self.id),
            Some(scene) => (SCENE, scene),
        };
        let ours = |labels: &HashMap<String, String>| labels.get(key) == Some(value);
        self.remove_where(&self.label(), ours).await
    }

    /// Removes what shows that were killed have left behind.
    pub(super) async fn strike_leftovers(&self, now: Timestamp) -> Result<(), Failure> {
        let expired = |labels: &HashMap<String, String>| {
            labels
                .get(EXPIRES)
                .and_then(|text| text.parse::<i64>().ok())
                .is_some_and(|expires| expires < now.as_second())
        };
        self.remove_where(LABEL, expired).await
    }

    async fn remove_where(
        &self,
        label: &str,
        wanted: impl Fn(&HashMap<String, String>) -> bool,
    ) -> Result<(), Failure> {
        let removal = async {
            let failed = |error| engine_failure("can't list what was made", &error);
            let filters = HashMap::from([("label", vec![label])]);
            let options = ListContainersOptionsBuilder::new()
                .all(true)
                .filters(&filters)
                .build();
            let containers = self
                .docker
                .list_containers(Some(options))
                .await
                .map_err(failed)?;
            for container in containers {
                if let Some(id) = container
                    .id
                    .filter(|_| container.labels.as_ref().is_some_and(&wanted))
                {
                    remove_container(&self.docker, &id).await?;
                }
            }
            let options = ListImagesOptionsBuilder::new().filters(&filters).build();
            let images = self
                .docker
                .list_images(Some(options))
                .await
                .map_err(failed)?;
            for image in images.into_iter().filter(|image| wanted(&image.labels)) {
                let options = RemoveImageOptionsBuilder::new().force(true).build();
                // A conflict is none of "gone" here: the image would stay.
                match self
                    .docker
                    .remove_image(&image.id, Some(options), None)
                    .await
                {
                    Err(error) if !is_status(&error, &[404]) => {
                        return Err(engine_failure("can't remove the image", &error));
                    }
                    _ => {}
                }
            }
            Ok(())
        };
        tokio::time::timeout(REMOVAL_LIMIT, removal)
            .await
            .map_err(|_| {
                Failure::new(
                    Exit::Unavailable,
                    "engine_unavailable",
                    format!(
                        "the engine did not remove what was made within {} s",
                        REMOVAL_LIMIT.as_secs()
                    ),
                )
            })?
    }
}

async fn remove_container(docker: &Docker, name: &str) -> Result<(), Failure> {
    let options = RemoveContainerOptionsBuilder::new()
        .force(true)
        .v(true)
        .build();
    match docker.remove_container(name, Some(options)).await {
        // Gone already, or just being removed.
        Err(error) if !is_status(&error, &[404, 409]) => {
            Err(engine_failure(&format!("can't remove {name}"), &error))
        }
        _ => Ok(()),
    }
}

/// Whether the engine answered with one of these statuses.
fn is_status(error: &bollard::errors::Error, statuses: &[u16]) -> bool {
    matches!(
        error,
        bollard::errors::Error::DockerResponseServerError { status_code, .. } if statuses.contains(status_code)
    )
}

#[cfg(test)]
mod tests;
