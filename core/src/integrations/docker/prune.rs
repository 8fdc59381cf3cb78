//! Removing what is unused: images, volumes, build cache and containers that ended long ago; and, before that, exactly what would go.
//!
//! Ended containers are removed one by one: the engine's own filter goes by when they were *made*, not by when they ended.

use std::collections::{HashMap, HashSet};

use bollard::query_parameters::{
    PruneBuildOptionsBuilder, PruneImagesOptionsBuilder, PruneVolumesOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};

use crate::ports::ActError;

use super::{
    DockerEngine,
    act::PRUNE,
    client::{ApiVersion, Failure, LIST, QUICK, encode},
    disk_usage::{self, bytes, is_dangling, own_size},
    labels,
    models::{ImageModel, Inspect, Summary},
    probe::size,
    translate,
};

/// Lines of a preview before it says how many more there are.
const MOST_LINES: usize = 50;
/// From this version on a prune of volumes passes over named ones unless told otherwise.
const ALL_VOLUMES_SINCE: ApiVersion = ApiVersion(1, 42);
const ONE_REMOVAL: std::time::Duration = std::time::Duration::from_secs(30);

/// Which images are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Images {
    /// Without a tag and without a container.
    Dangling,
    /// Without a container.
    Unused,
}

/// The time before which a container must have ended.
pub(super) fn cutoff(now: Timestamp, older_than_days: u32) -> Timestamp {
    now.saturating_sub(SignedDuration::from_hours(24 * i64::from(older_than_days)))
        .unwrap_or(Timestamp::MIN)
}

pub(super) async fn images(engine: &DockerEngine, which: Images) -> Result<String, ActError> {
    let dangling = match which {
        Images::Dangling => "true",
        Images::Unused => "false",
    };
    let options = PruneImagesOptionsBuilder::default()
        .filters(&HashMap::from([("dangling", vec![dangling])]))
        .build();
    let removed = engine
        .client
        .call(PRUNE, |docker| async move {
            docker.prune_images(Some(options)).await
        })
        .await
        .map_err(|failure| engine.act_error(failure, "the images"))?;
    let count = removed
        .images_deleted
        .iter()
        .flatten()
        .filter(|item| item.deleted.is_some())
        .count();
    Ok(report(
        &counted(count, "image layer"),
        removed.space_reclaimed,
    ))
}

pub(super) async fn volumes(engine: &DockerEngine) -> Result<String, ActError> {
    let connected = engine
        .client
        .connected()
        .await
        .map_err(|failure| engine.act_error(failure, "the volumes"))?;
    let mut filters: HashMap<&str, Vec<&str>> = HashMap::new();
    if connected.api >= ALL_VOLUMES_SINCE {
        filters.insert("all", vec!["true"]);
    }
    let options = PruneVolumesOptionsBuilder::default()
        .filters(&filters)
        .build();
    let removed = engine
        .client
        .call(PRUNE, |docker| async move {
            docker.prune_volumes(Some(options)).await
        })
        .await
        .map_err(|failure| engine.act_error(failure, "the volumes"))?;
    let names = removed.volumes_deleted.unwrap_or_default();
    Ok(report(&listed(&names, "volume"), removed.space_reclaimed))
}

pub(super) async fn build_cache(engine: &DockerEngine) -> Result<String, ActError> {
    let options = PruneBuildOptionsBuilder::default().all(true).build();
    let removed = engine
        .client
        .call(PRUNE, |docker| async move {
            docker.prune_build(Some(options)).await
        })
        .await
        .map_err(|failure| engine.act_error(failure, "the build cache"))?;
    let count = removed.caches_deleted.map_or(0, |caches| caches.len());
    Ok(report(
        &counted(count, "build cache entry"),
        removed.space_reclaimed,
    ))
}

/// Removes containers that ended before `cutoff`, without force and with their volumes left alone.
pub(super) async fn stopped(engine: &DockerEngine, cutoff: Timestamp) -> Result<String, ActError> {
    let old = ended_before(engine, cutoff).await?;
    let (mut removed, mut left, mut freed) = (Vec::new(), Vec::new(), 0);
    for container in &old {
        let options = RemoveContainerOptionsBuilder::default()
            .v(false)
            .force(false)
            .build();
        let id = container.id.clone();
        let answer = engine
            .client
            .call(ONE_REMOVAL, |docker| async move {
                docker.remove_container(&id, Some(options)).await
            })
            .await;
        match answer {
            Ok(()) => {
                freed += container.size_rw.unwrap_or_default().max(0);
                removed.push(container.name().to_owned());
            }
            Err(Failure::NotFound(_)) => {}
            // It was started again in between, or is held by something: it stays.
            Err(Failure::Refused { message, .. }) => {
                left.push(format!("{} ({message})", container.name()));
            }
            Err(failure) => {
                let done = listed(&removed, "container");
                return Err(ActError::Failed(format!("removed {done}, then: {failure}")));
            }
        }
    }
    if removed.is_empty() && !left.is_empty() {
        return Err(ActError::Failed(format!(
            "no container was removed: {}",
            left.join(", ")
        )));
    }
    let mut text = report(&listed(&removed, "container"), Some(freed));
    if !left.is_empty() {
        text.push_str("; left alone: ");
        text.push_str(&left.join(", "));
    }
    Ok(text)
}

pub(super) async fn preview_stopped(
    engine: &DockerEngine,
    cutoff: Timestamp,
) -> Result<Vec<String>, ActError> {
    let old = ended_before(engine, cutoff).await?;
    Ok(lines(
        "containers",
        old.iter()
            .map(|container| {
                let size_rw = bytes(container.size_rw.unwrap_or_default());
                let ended = translate::time(&container.state.finished_at)
                    .map_or_else(String::new, |at| format!(", ended {at:.0}"));
                (format!("{}{ended}", container.name()), size_rw)
            })
            .collect(),
    ))
}

pub(super) async fn preview_images(
    engine: &DockerEngine,
    which: Images,
) -> Result<Vec<String>, ActError> {
    let failed = |failure| engine.act_error(failure, "the list of images");
    let images: Vec<ImageModel> = engine
        .client
        .get("/images/json", LIST)
        .await
        .map_err(failed)?;
    let containers: Vec<Summary> = engine
        .client
        .get("/containers/json?all=1", LIST)
        .await
        .map_err(failed)?;
    let used: HashSet<&str> = containers
        .iter()
        .map(|container| container.image_id.as_str())
        .collect();
    Ok(lines(
        "images",
        images
            .iter()
            .filter(|image| !used.contains(image.id.as_str()))
            .filter(|image| which == Images::Unused || is_dangling(image))
            .map(|image| {
                let name = if is_dangling(image) {
                    short_id(&image.id)
                } else {
                    image.repo_tags.join(", ")
                };
                (name, own_size(image))
            })
            .collect(),
    ))
}

pub(super) async fn preview_volumes(engine: &DockerEngine) -> Result<Vec<String>, ActError> {
    let usage = disk_usage::read(&engine.client)
        .await
        .map_err(|failure| engine.act_error(failure, "the list of volumes"))?;
    Ok(lines(
        "volumes",
        usage
            .volumes
            .iter()
            .filter_map(|volume| {
                let usage = volume.usage_data.as_ref()?;
                (usage.ref_count == 0).then(|| (volume.name.clone(), bytes(usage.size)))
            })
            .collect(),
    ))
}

pub(super) async fn preview_build_cache(engine: &DockerEngine) -> Result<Vec<String>, ActError> {
    let usage = disk_usage::read(&engine.client)
        .await
        .map_err(|failure| engine.act_error(failure, "the build cache"))?;
    Ok(lines(
        "build cache entries",
        usage
            .build_cache
            .iter()
            .filter(|cache| !cache.in_use)
            .map(|cache| {
                // A step's text may hold what a person passed to a build.
                let text = crate::redact::redact(&cache.description);
                let text: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
                let name = if text.is_empty() {
                    short_id(&cache.id)
                } else {
                    text
                };
                (name, bytes(cache.size))
            })
            .collect(),
    ))
}

/// Containers that ended before `cutoff`, the oldest first. Those that Steward is told to ignore are left alone.
async fn ended_before(engine: &DockerEngine, cutoff: Timestamp) -> Result<Vec<Inspect>, ActError> {
    let failed = |failure| engine.act_error(failure, "the list of ended containers");
    let filters = encode(r#"{"status":["exited","dead"]}"#);
    let ended: Vec<Summary> = engine
        .client
        .get(&format!("/containers/json?all=1&filters={filters}"), LIST)
        .await
        .map_err(failed)?;
    let inspections: Vec<Result<Inspect, Failure>> = stream::iter(
        ended
            .into_iter()
            .filter(|summary| !labels::is_ignored(summary.labels.get(labels::IGNORE)))
            .map(|summary| {
                let client = std::sync::Arc::clone(&engine.client);
                async move {
                    let path = format!("/containers/{}/json?size=true", summary.id);
                    client.get::<Inspect>(&path, QUICK * 2).await
                }
            }),
    )
    .buffer_unordered(engine.concurrency)
    .collect()
    .await;
    let mut old = Vec::new();
    for inspection in inspections {
        match inspection {
            Ok(inspect) => {
                let ended = translate::has_ended(translate::status(&inspect.state.status))
                    && translate::time(&inspect.state.finished_at).is_some_and(|end| end < cutoff);
                if ended {
                    old.push(inspect);
                }
            }
            Err(Failure::NotFound(_)) => {}
            // What can't be read is not known to be old: it is not touched, and neither is it passed over in silence.
            Err(failure) => return Err(failed(failure)),
        }
    }
    old.sort_by_key(|inspect| translate::time(&inspect.state.finished_at));
    Ok(old)
}

fn short_id(id: &str) -> String {
    id.trim_start_matches("sha256:").chars().take(12).collect()
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {}", plural(what)),
    }
}

fn plural(what: &str) -> String {
    what.strip_suffix('y')
        .map_or_else(|| format!("{what}s"), |stem| format!("{stem}ies"))
}

fn listed(names: &[String], what: &str) -> String {
    if names.is_empty() {
        return counted(0, what);
    }
    let mut shown = names
        .iter()
        .take(10)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > 10 {
        shown.push_str(", …");
    }
    format!("{} ({shown})", counted(names.len(), what))
}

fn report(what: &str, freed: Option<i64>) -> String {
    format!(
        "removed {what}, freed {}",
        size(bytes(freed.unwrap_or_default()))
    )
}

/// The largest first, then how many more there are, with the sum before all.
fn lines(what: &str, mut all: Vec<(String, u64)>) -> Vec<String> {
    if all.is_empty() {
        return vec![format!("no {what} would be removed")];
    }
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let sum = all.iter().map(|(_, size)| size).sum();
    let mut lines = vec![format!("{} {what}, {}", all.len(), size(sum))];
    lines.extend(
        all.iter()
            .take(MOST_LINES)
            .map(|(name, bytes)| format!("{name}, {}", size(*bytes))),
    );
    if all.len() > MOST_LINES {
        lines.push(format!("and {} more", all.len() - MOST_LINES));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_bounded_and_sums_up() {
        let many = (0..60).map(|n| (format!("v{n:02}"), n << 20)).collect();
        let lines = lines("volumes", many);
        assert_eq!(lines.len(), 52);
        assert_eq!(lines[0], "60 volumes, 1.7 GiB");
        assert_eq!(lines[1], "v59, 59 MiB");
        assert_eq!(lines[51], "and 10 more");
        assert_eq!(
            super::lines("images", Vec::new()),
            ["no images would be removed"]
        );
    }

    #[test]
    fn days_are_counted_back_from_now() {
        let now: Timestamp = "2026-03-31T12:00:00Z".parse().unwrap();
        assert_eq!(cutoff(now, 30).to_string(), "2026-03-01T12:00:00Z");
        assert_eq!(cutoff(now, u32::MAX), Timestamp::MIN);
    }

    #[test]
    fn reports_read_well() {
        assert_eq!(
            report(&counted(1, "build cache entry"), None),
            "removed 1 build cache entry, freed 0 B"
        );
        assert_eq!(counted(3, "build cache entry"), "3 build cache entries");
        let names: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        assert_eq!(
            listed(&names, "container"),
            "12 containers (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …)"
        );
    }
}
