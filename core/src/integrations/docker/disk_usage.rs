//! Disk usage of images, volumes and build cache, read now and then: the engine walks every volume for it.
//!
//! It is read beside the containers and never delays them; what is not ready in time shows with the next reading.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{task::JoinHandle, time::Instant};

use super::{
    client::{Client, DISK_USAGE, Failure},
    lock,
    models::{DiskUsageModel, ImageModel},
};

/// It is not read more often than this.
const EVERY: Duration = Duration::from_mins(30);
/// How long a full reading waits for it beyond the containers.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes held by the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DiskUsage {
    pub(super) images_bytes: Option<u64>,
    pub(super) dangling_images_bytes: Option<u64>,
    pub(super) volumes_bytes: Option<u64>,
    pub(super) build_cache_bytes: Option<u64>,
}

/// The last reading, and when the last try began.
#[derive(Debug, Default)]
pub(super) struct DiskUsageState {
    tried: Option<Instant>,
    running: Option<JoinHandle<()>>,
    pub(super) usage: DiskUsage,
    /// Why the last try failed.
    pub(super) error: Option<String>,
}

/// Begins a reading in the background, where one is due.
pub(super) fn begin(client: &Arc<Client>, state: &Arc<Mutex<DiskUsageState>>) {
    let mut held = lock(state);
    if held.tried.is_some_and(|tried| tried.elapsed() < EVERY) {
        return;
    }
    held.tried = Some(Instant::now());
    let (client, state) = (Arc::clone(client), Arc::clone(state));
    held.running = Some(tokio::spawn(async move {
        let read = read(&client).await;
        let mut held = lock(&state);
        match read {
            Ok(model) => {
                held.usage = summarise(&model);
                held.error = None;
            }
            // What was read before stays, with the reason why there is nothing newer.
            Err(failure) => held.error = Some(failure.to_string()),
        }
    }));
}

/// Waits a little for the reading that is under way, if any.
pub(super) async fn settle(state: &Mutex<DiskUsageState>) {
    let running = lock(state).running.take();
    if let Some(mut running) = running
        && tokio::time::timeout(PATIENCE, &mut running).await.is_err()
    {
        lock(state).running = Some(running);
    }
}

/// Reads it now.
pub(super) async fn read(client: &Client) -> Result<DiskUsageModel, Failure> {
    client.get("/system/df", DISK_USAGE).await
}

/// Whether an image has no name of its own.
pub(super) fn is_dangling(image: &ImageModel) -> bool {
    image.repo_tags.iter().all(|tag| tag == "<none>:<none>")
}

/// Bytes that removing an image frees: its own layers.
pub(super) fn own_size(image: &ImageModel) -> u64 {
    bytes(image.size).saturating_sub(bytes(image.shared_size))
}

pub(super) fn bytes(size: i64) -> u64 {
    u64::try_from(size).unwrap_or_default()
}

pub(super) fn summarise(model: &DiskUsageModel) -> DiskUsage {
    DiskUsage {
        images_bytes: model.layers_size.map(bytes),
        dangling_images_bytes: Some(
            model
                .images
                .iter()
                .filter(|image| is_dangling(image) && image.containers == 0)
                .map(own_size)
                .sum(),
        ),
        volumes_bytes: Some(
            model
                .volumes
                .iter()
                .filter_map(|volume| volume.usage_data.as_ref())
                .map(|usage| bytes(usage.size))
                .sum(),
        ),
        build_cache_bytes: Some(
            model
                .build_cache
                .iter()
                .filter(|cache| !cache.shared)
                .map(|cache| bytes(cache.size))
                .sum(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_or_unknown_counts_for_nothing() {
        let model: DiskUsageModel = serde_json::from_str(
            r#"{"LayersSize": 900, "BuilderSize": 5, "Containers": null,
                "Images": [
                    {"Id":"a","RepoTags":["app:1"],"Size":500,"SharedSize":0,"Containers":0},
                    {"Id":"b","RepoTags":null,"Size":400,"SharedSize":100,"Containers":0},
                    {"Id":"c","RepoTags":["<none>:<none>"],"Size":50,"SharedSize":0,"Containers":2},
                    {"Id":"d","RepoTags":["<none>:<none>"],"Size":30,"SharedSize":-1,"Containers":0}],
                "Volumes": [{"Name":"v","UsageData":{"Size":70,"RefCount":1}},{"Name":"w","UsageData":{"Size":-1,"RefCount":-1}},{"Name":"x","UsageData":null}],
                "BuildCache": [{"ID":"1","Size":11,"Shared":false,"InUse":true},{"ID":"2","Size":99,"Shared":true}]}"#,
        )
        .unwrap();
        assert_eq!(
            summarise(&model),
            DiskUsage {
                images_bytes: Some(900),
                dangling_images_bytes: Some(330),
                volumes_bytes: Some(70),
                build_cache_bytes: Some(11),
            }
        );
        let empty = summarise(
            &serde_json::from_str(r#"{"LayersSize":0,"Images":[],"Volumes":[],"BuildCache":null}"#)
                .unwrap(),
        );
        assert_eq!(empty.volumes_bytes, Some(0));
    }
}
