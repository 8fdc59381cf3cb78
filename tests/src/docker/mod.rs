//! Real containers for one test: made from an image without a registry, named and labelled for that test alone, removed when it ends.
//!
//! What flows through: a test's wishes out to a real engine, its containers' state back. What it never does: touch a container that it did
//! not make, or leave one behind. Everything made carries `steward.test=<run>`; [`Lab`]'s drop removes by that label, also after a panic.

mod container;
mod daemon;
mod events;
mod image;
mod publish;

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, Result};
use bollard::{
    API_DEFAULT_VERSION, Docker,
    models::NetworkCreateRequest,
    query_parameters::{
        ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder,
        RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
    },
};
use futures_util::{StreamExt as _, stream};

pub use container::{Builder, Container, Health, State, Workload};
pub use daemon::PrivateDaemon;
pub use events::{EventLog, Seen};

/// The label by which everything of a test is known.
pub const LABEL: &str = "steward.test";

/// Requests to the engine at the same time when many containers are made or removed.
const CONCURRENCY: usize = 8;

/// An engine and the containers of one test in it.
#[derive(Debug)]
pub struct Lab {
    docker: Docker,
    host: String,
    run: String,
    image: String,
    /// Whether the engine itself may be gone when the test ends.
    engine_may_go: bool,
}

impl Lab {
    /// The engine that `DOCKER_HOST` names, or the usual one. The inner error says why there is none to use: a reason to skip.
    /// `name` is for people who look at `docker ps`.
    ///
    /// # Errors
    /// Where the engine is there and can't be used.
    pub async fn open(name: &str) -> Result<Result<Self, String>> {
        let host = std::env::var("DOCKER_HOST")
            .ok()
            .filter(|host| !host.is_empty())
            .unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
        if let Err(error) = connect(&host).await {
            return Ok(Err(format!(
                "no Docker engine answers at {host} ({error:#}): start one, or run as root with dockerd installed"
            )));
        }
        if let Err(reason) = image::busybox() {
            return Ok(Err(reason));
        }
        Self::on(&host, name, false).await.map(Ok)
    }

    /// A lab on the engine at `host`.
    pub(crate) async fn on(host: &str, name: &str, engine_may_go: bool) -> Result<Self> {
        let docker = connect(host).await?;
        let run = format!("{name}-{}", crate::unique_id());
        let image = format!("steward-test/{run}:latest");
        let lab = Self {
            docker,
            host: host.to_owned(),
            run,
            image,
            engine_may_go,
        };
        image::import(&lab.docker, &lab.image, &[]).await?;
        Ok(lab)
    }

    /// The engine's client.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Where the engine is, as `DOCKER_HOST` would name it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The value of the label [`LABEL`] on everything of this test.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// `steward.test=<run>`: what an agent is told to look at alone.
    pub fn only_label(&self) -> String {
        format!("{LABEL}={}", self.run)
    }

    /// The image's name.
    pub fn image(&self) -> &str {
        &self.image
    }

    /// A container to be. Its full name is made from the run's and this one.
    pub fn container(&self, name: &str) -> Builder<'_> {
        Builder::new(self, name)
    }

    /// A network of this test's own, on which its containers reach each other by address (see [`State::address`]).
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn network(&self, name: &str) -> Result<String> {
        let full = format!("{}-{name}", self.run);
        self.docker
            .create_network(NetworkCreateRequest {
                name: full.clone(),
                labels: Some(HashMap::from([(LABEL.to_owned(), self.run.clone())])),
                ..Default::default()
            })
            .await
            .with_context(|| format!("can't make the network {full}"))?;
        Ok(full)
    }

    /// An image of this test's own: the usual one with further files. Its name.
    ///
    /// # Errors
    /// Where the engine refuses it.
    pub async fn image_with(&self, name: &str, files: &[(&str, &[u8])]) -> Result<String> {
        let full = format!("steward-test/{}/{name}:latest", self.run);
        image::import(&self.docker, &full, files).await?;
        Ok(full)
    }

    /// The event stream of this test's containers, from now on.
    ///
    /// # Errors
    /// Where the engine gives none.
    pub async fn watch(&self) -> Result<EventLog> {
        EventLog::start(&self.docker, &self.only_label()).await
    }

    /// Makes `count` sleeping containers, a few at a time.
    ///
    /// # Errors
    /// Where one of them can't be made; the others go when the lab drops.
    pub async fn many(&self, count: usize, labels: &[(&str, &str)]) -> Result<Vec<Container>> {
        let made: Vec<Result<Container>> = stream::iter(0..count)
            .map(|i| async move {
                let mut builder = self.container(&format!("s{i:04}")).sleep();
                for (key, value) in labels {
                    builder = builder.label(key, *value);
                }
                builder.start().await
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        let mut made = made.into_iter().collect::<Result<Vec<_>>>()?;
        made.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(made)
    }

    /// Removes everything of this test now. Called on drop.
    ///
    /// # Errors
    /// Where the engine does not answer or refuses.
    pub async fn remove_all(&self) -> Result<()> {
        remove_run(&self.docker, &self.run, &self.image).await
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // A connection belongs to the runtime that made it, and a test's may be ending: removal has a thread and a runtime of its own.
        let (host, run, image) = (self.host.clone(), self.run.clone(), self.image.clone());
        let removal = std::thread::spawn(move || -> Result<()> {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(async {
                    let docker = connect(&host).await?;
                    remove_run(&docker, &run, &image).await
                })
        });
        match removal.join() {
            Ok(Ok(())) => {}
            Ok(Err(_)) if self.engine_may_go => {}
            Ok(Err(error)) => eprintln!("can't remove what {} made: {error:#}", self.run),
            Err(_) => eprintln!("removal of what {} made panicked", self.run),
        }
    }
}

/// A client for the engine at `host`, at the API version that both sides know.
///
/// # Errors
/// Where nothing answers there.
pub async fn connect(host: &str) -> Result<Docker> {
    let docker = match host.strip_prefix("unix://") {
        Some(path) => Docker::connect_with_unix(path, 120, API_DEFAULT_VERSION),
        None => Docker::connect_with_host(host),
    }?;
    Ok(tokio::time::timeout(Duration::from_secs(10), docker.negotiate_version()).await??)
}

async fn remove_run(docker: &Docker, run: &str, image: &str) -> Result<()> {
    let by_label = HashMap::from([("label", vec![format!("{LABEL}={run}")])]);
    let mut last = Ok(());
    // An agent that is still alive may start a container while it is being removed.
    for _ in 0..5 {
        let list = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&by_label)
            .build();
        let found = docker.list_containers(Some(list)).await?;
        if found.is_empty() {
            last = Ok(());
            break;
        }
        let results: Vec<_> = stream::iter(found.into_iter().filter_map(|one| one.id))
            .map(|id| async move {
                let options = RemoveContainerOptionsBuilder::new()
                    .force(true)
                    .v(true)
                    .build();
                docker.remove_container(&id, Some(options)).await
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        last = results
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .map(drop)
            .context("can't remove a container");
        if last.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    last?;
    let list = ListNetworksOptionsBuilder::new().filters(&by_label).build();
    for network in docker.list_networks(Some(list)).await? {
        if let Some(id) = network.id {
            docker.remove_network(&id).await?;
        }
    }
    let of_run = HashMap::from([("reference", vec![format!("steward-test/{run}/*")])]);
    let list = ListImagesOptionsBuilder::new().filters(&of_run).build();
    for own in docker.list_images(Some(list)).await? {
        for tag in own.repo_tags {
            let options = RemoveImageOptionsBuilder::new().force(true).build();
            docker
                .remove_image(&tag, Some(options), None)
                .await
                .with_context(|| format!("can't remove the image {tag}"))?;
        }
    }
    let options = RemoveImageOptionsBuilder::new().force(true).build();
    match docker.remove_image(image, Some(options), None).await {
        Err(bollard::errors::Error::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(()),
        other => other.map(drop).context("can't remove the image"),
    }
}
