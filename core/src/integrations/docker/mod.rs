//! Docker: containers and their engine, through the Engine API.
//!
//! What flows through: lists, inspections, stats and the event stream come in as resources and signals ([`crate::ports::Source`]);
//! permitted actions go out as single API calls ([`crate::ports::Actuator`]). What it never does: require the daemon to be there, act
//! without a permit, address a container by its name when changing it, or keep anything of a container's environment but the names of
//! variables that look like secrets.

mod client;
mod endpoint;
mod models;

mod labels;
mod stats;
mod translate;

mod cache;
mod configuration;
mod disk_usage;
mod events;
mod frames;
mod log_stream;
mod logs;
mod observe;

mod act;
mod anew;
mod in_flight;
mod limits;
mod probe;
mod prune;
mod tmp;

mod images;
#[cfg(target_os = "linux")]
mod tmp_files;

pub mod catalogue;
pub mod rules;

#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};

use steward_api::{ResourceId, ResourceKind};

use crate::{
    config,
    ports::{Clock, SourceError},
};

use cache::Cache;
use client::Client;
use disk_usage::DiskUsageState;
use endpoint::Endpoint;

/// The name of this source, of the engine resource and of its version.
pub const NAME: &str = "docker";

/// A Docker engine: a [`crate::ports::Source`] of its containers and an [`crate::ports::Actuator`] for actions on them.
pub struct DockerEngine {
    node: String,
    client: Arc<Client>,
    clock: Arc<dyn Clock>,
    /// Look only at containers with this label.
    only_label: Option<String>,
    concurrency: usize,
    cache: Arc<Mutex<Cache>>,
    disk_usage: Arc<Mutex<DiskUsageState>>,
    cycle: AtomicU64,
    /// Held for reading by each reading of an image, until what it made is removed.
    reading: Arc<tokio::sync::RwLock<()>>,
}

impl std::fmt::Debug for DockerEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DockerEngine")
            .field("node", &self.node)
            .field("endpoint", &self.client.endpoint().to_string())
            .finish_non_exhaustive()
    }
}

/// Prepares the connection to the engine that the configuration names (`DOCKER_HOST` is already part of it). Nothing is asked of the
/// engine yet: a daemon that is missing now shows when it is first observed, and is found when it comes. TLS follows Docker's own
/// `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH`.
///
/// # Errors
/// Where the address can't be understood or its kind is not supported.
pub fn connect(
    config: &config::Docker,
    node: &str,
    clock: Arc<dyn Clock>,
) -> Result<Arc<DockerEngine>, SourceError> {
    let endpoint = Endpoint::parse(config.host.as_deref(), certificates()).map_err(|reason| {
        SourceError::Nonsense {
            what: "the address of the Docker engine (DOCKER_HOST, or `host` under [docker])"
                .to_owned(),
            reason,
        }
    })?;
    Ok(Arc::new(DockerEngine {
        node: node.to_owned(),
        client: Arc::new(Client::new(endpoint)),
        clock,
        only_label: config.only_label.clone(),
        concurrency: config.concurrency.clamp(1, 64),
        cache: Arc::default(),
        disk_usage: Arc::default(),
        cycle: AtomicU64::new(0),
        reading: Arc::default(),
    }))
}

/// Docker's own variables for TLS.
fn certificates() -> Option<PathBuf> {
    std::env::var_os("DOCKER_TLS_VERIFY").filter(|value| !value.is_empty())?;
    std::env::var_os("DOCKER_CERT_PATH")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker")))
}

impl DockerEngine {
    /// The engine's own resource.
    fn engine_id(&self) -> ResourceId {
        ResourceId::new(self.node.as_str(), ResourceKind::Engine, NAME)
    }

    /// The request for the list of containers that are looked after.
    fn list_path(&self) -> String {
        match &self.only_label {
            None => "/containers/json?all=1".to_owned(),
            Some(label) => {
                let filters = serde_json::json!({ "label": [label] }).to_string();
                format!(
                    "/containers/json?all=1&filters={}",
                    client::encode(&filters)
                )
            }
        }
    }

    /// Whether a container is marked to be left alone. Where only labelled containers are looked after, their own label says more than
    /// one that speaks to every agent.
    fn passes_over(&self, all: &models::HeededLabels) -> bool {
        self.only_label.is_none() && labels::is_ignored(all.get(labels::IGNORE))
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        lock(&self.cache)
    }
}

/// The data behind these locks is replaced whole, so it is sound even after a panic elsewhere.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
