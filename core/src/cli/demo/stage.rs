//! The demo's containers on the real engine: made, broken from within, and removed again whatever happens.
//!
//! Everything made carries the label `steward.demo=<unique>`, is removed by that label, and is marked `steward.ignore` so that an agent
//! that already looks after this engine leaves it alone.

use std::{collections::HashMap, time::Duration};

use bollard::{
    Docker, body_full,
    models::{ContainerCreateBody, HostConfig, RestartPolicy, RestartPolicyNameEnum},
    query_parameters::{
        CreateContainerOptionsBuilder, CreateImageOptionsBuilder, ListContainersOptionsBuilder,
        ListImagesOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
        UploadToContainerOptionsBuilder,
    },
};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;

use super::{
    super::failure::{Exit, Failure},
    image, workload,
};

/// The label's key.
const LABEL: &str = "steward.demo";
/// When a demo is over in any case; what one that was killed has left behind is removed by the next.
const EXPIRES: &str = "steward.demo.expires";
const LIFETIME: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);
/// Removing must come to an end also when the engine does not.
const REMOVAL_LIMIT: Duration = Duration::from_secs(30);

/// What a container of the demo is like.
pub(super) struct Part {
    /// Its role, as the hidden subcommand knows it.
    pub(super) role: &'static str,
    /// Memory limit, bytes.
    pub(super) memory: Option<i64>,
    /// Whether the engine itself restarts it always.
    pub(super) restarts: bool,
}

/// The engine and what was made on it.
#[derive(Clone)]
pub(super) struct Stage {
    docker: Docker,
    /// The value of the label, and part of every name.
    id: String,
    expires: Timestamp,
    environment: Vec<String>,
}

fn engine_failure(what: &str, error: &bollard::errors::Error) -> Failure {
    Failure::new(
        Exit::Unavailable,
        "engine_unavailable",
        format!("{what}: {}", crate::cli::chain(error)),
    )
}

impl Stage {
    /// Reaches the engine at `host`; makes nothing yet.
    pub(super) async fn open(host: &str, id: String, now: Timestamp) -> Result<Self, Failure> {
        let missing = |error| {
            engine_failure(
                &format!(
                    "the demo needs a Docker engine, and {host} gives none (is it running, and is this user in the group docker?)"
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
                "the engine at {host} runs {} on {architecture}, this is Linux on {}: run the demo on the engine's own machine",
                info.os_type.unwrap_or_default(),
                std::env::consts::ARCH
            )));
        }
        Ok(Self {
            docker,
            id,
            expires: now + LIFETIME,
            environment: Vec::new(),
        })
    }

    /// The label that all of it carries, as `key=value`.
    pub(super) fn label(&self) -> String {
        format!("{LABEL}={}", self.id)
    }

    /// The name of the container that plays a part.
    pub(super) fn name(&self, part: &str) -> String {
        format!("demo-{part}-{}", self.id)
    }

    fn image(&self) -> String {
        format!("steward-demo:{}", self.id)
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
            .repo("steward-demo")
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
            .map_err(|error| engine_failure("can't make the demo's image", &error))?;
        Ok(size)
    }

    /// Makes and starts the container that plays a part.
    pub(super) async fn start(&self, name: &str, part: &Part) -> Result<(), Failure> {
        let labels = HashMap::from([
            (LABEL.to_owned(), self.id.clone()),
            (EXPIRES.to_owned(), self.expires.as_second().to_string()),
            ("steward.ignore".to_owned(), "true".to_owned()),
        ]);
        let policy = if part.restarts {
            RestartPolicyNameEnum::ALWAYS
        } else {
            RestartPolicyNameEnum::NO
        };
        let body = ContainerCreateBody {
            image: Some(self.image()),
            entrypoint: Some(vec![
                image::EXECUTABLE.to_owned(),
                "demo-workload".to_owned(),
            ]),
            cmd: Some(vec![part.role.to_owned()]),
            env: Some(self.environment.clone()),
            labels: Some(labels),
            // A port is the sign of a service: something that is meant to run, unlike a job.
            exposed_ports: Some(vec!["8080/tcp".to_owned()]),
            host_config: Some(HostConfig {
                memory: part.memory,
                network_mode: Some("none".to_owned()),
                restart_policy: Some(RestartPolicy {
                    name: Some(policy),
                    maximum_retry_count: None,
                }),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let name = self.name(name);
        let failed = |error| engine_failure(&format!("can't start {name}"), &error);
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        self.docker
            .create_container(Some(options), body)
            .await
            .map_err(failed)?;
        self.docker
            .start_container(&name, None)
            .await
            .map_err(failed)
    }

    /// Has the process in a serving container end by itself with an error.
    pub(super) async fn trip(&self, name: &str) -> Result<(), Failure> {
        let name = self.name(name);
        let tar = image::empty_file(workload::TRIP_FILE)
            .map_err(|error| Failure::failed(format!("can't pack a file: {error}")))?;
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        self.docker
            .upload_to_container(&name, Some(options), body_full(tar.into()))
            .await
            .map_err(|error| engine_failure(&format!("can't reach into {name}"), &error))
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
        let name = self.name(name);
        let inspected = self
            .docker
            .inspect_container(&name, None)
            .await
            .map_err(|error| engine_failure(&format!("can't look at {name}"), &error))?;
        Ok(inspected.state.and_then(|state| state.running) == Some(true))
    }

    /// A container's memory limit, bytes.
    pub(super) async fn memory_limit(&self, name: &str) -> Result<i64, Failure> {
        let name = self.name(name);
        let inspected = self
            .docker
            .inspect_container(&name, None)
            .await
            .map_err(|error| engine_failure(&format!("can't look at {name}"), &error))?;
        Ok(inspected
            .host_config
            .and_then(|config| config.memory)
            .unwrap_or_default())
    }

    /// Removes one container.
    pub(super) async fn remove(&self, name: &str) -> Result<(), Failure> {
        remove_container(&self.docker, &self.name(name)).await
    }

    /// Removes everything that carries this demo's label.
    pub(super) async fn strike(&self) -> Result<(), Failure> {
        let ours = |labels: &HashMap<String, String>| labels.get(LABEL) == Some(&self.id);
        self.remove_where(&self.label(), ours).await
    }

    /// Removes what demos that were killed have left behind.
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
            let failed = |error| engine_failure("can't list what the demo has made", &error);
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
                        return Err(engine_failure("can't remove the demo's image", &error));
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
                        "the engine did not remove what the demo has made within {} s",
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
