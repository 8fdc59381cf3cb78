//! Images: those that containers run now, each read once for its id, and matched anew each day.
//!
//! What flows through: the engine's containers in; a resource for each image with what is known to be vulnerable in it out. One after the
//! other, since one may take memory. What it never does: read an image twice for the same id, or let one that fails hold up the others.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use steward_api::{
    Facts, Health, ImageFacts, ImageScan, Resource, ResourceId, ScanPart, VulnerabilityBrief,
    VulnerabilitySeverity,
};

use super::{Keeper, PartReader, coverage, observed, resource};
use crate::{
    ports::{Clock, ConfigurationProbe, Found, FoundImage, Observation, ScanError, SourceError},
    security::{
        image_id,
        images::{ImageScanner, Judge},
        packages::Inventory,
    },
};

/// What is known is matched anew after this time: data bases grow daily.
const MATCH_AGAIN: SignedDuration = SignedDuration::from_hours(24);
/// What was kept of an image that nobody runs any more is forgotten after this time.
const FORGET_AFTER: SignedDuration = SignedDuration::from_hours(24 * 30);
/// All images of a first scan together.
const TIMEOUT: Duration = Duration::from_hours(4);
/// The worst vulnerabilities that a resource's facts name.
const MOST_WORST: usize = 10;
/// How the documents of images begin.
const KEPT: &str = "security/image/";

/// What is kept of an image.
#[derive(Debug, Deserialize, Serialize)]
struct Kept {
    /// Who judged, with what; another judge has it scanned anew.
    judge: String,
    /// What it is made of; absent where a scanner of its own read it.
    inventory: Option<Inventory>,
    /// What was found last.
    scan: ImageScan,
}

/// Reads images.
pub struct ImageSource {
    /// Where results are kept.
    pub keeper: Keeper,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Tells which containers run.
    pub configurations: Arc<dyn ConfigurationProbe>,
    /// Reads and judges images.
    pub scanner: ImageScanner,
    /// The judge in words, such as `osv https://api.osv.dev`.
    pub judge: String,
}

impl ImageSource {
    /// Scans an image as far as it is not known yet. `silent`: why nobody who would have to be asked answers.
    async fn scan(
        &self,
        image: FoundImage,
        silent: Option<&str>,
        gaps: &mut Vec<String>,
    ) -> Result<ImageScan, Failed> {
        let now = self.clock.now();
        let name = format!("{KEPT}{}", image.image_id);
        let (kept, gap) = self.keeper.kept::<Kept>(&name).await;
        gaps.extend(gap);
        let kept = kept.filter(|kept| kept.judge == self.judge);
        let current = |scan: &ImageScan| ImageScan {
            image: image.image.clone(),
            containers: image.containers.clone(),
            ..scan.clone()
        };
        if let Some(kept) = &kept
            && now.duration_since(kept.scan.scanned_at) < MATCH_AGAIN
        {
            return Ok(current(&kept.scan));
        }
        let before = kept.as_ref().map(|kept| current(&kept.scan));
        if let Some(reason) = silent {
            return Err(Failed {
                reason: reason.to_owned(),
                is_silent: true,
                before,
            });
        }
        let judged = self
            .judged(image, kept.and_then(|kept| kept.inventory))
            .await;
        match judged {
            Ok((inventory, scan)) => {
                let kept = Kept {
                    judge: self.judge.clone(),
                    inventory,
                    scan,
                };
                gaps.extend(self.keeper.keep(&name, now, &kept).await);
                Ok(kept.scan)
            }
            Err(error) => Err(Failed {
                is_silent: matches!(error, ScanError::Knowledge { .. }),
                reason: error.to_string(),
                before,
            }),
        }
    }

    async fn judged(
        &self,
        image: FoundImage,
        known: Option<Inventory>,
    ) -> Result<(Option<Inventory>, ImageScan), ScanError> {
        match &self.scanner.judge {
            Judge::Scanner(_) => {
                let scan = self.scanner.scan_found(image, &|_| {}).await?;
                Ok((None, scan))
            }
            Judge::Database(_) => {
                let inventory = match known {
                    Some(inventory) => inventory,
                    None => self.scanner.inventory(&image).await?,
                };
                let scan = self.scanner.matched(image, &inventory, &|_| {}).await?;
                Ok((Some(inventory), scan))
            }
        }
    }

    /// The images that containers run now.
    async fn running(&self, gaps: &mut Vec<String>) -> Result<Vec<FoundImage>, SourceError> {
        let seen = self
            .configurations
            .configurations()
            .await
            .map_err(|reason| SourceError::Unreachable {
                what: "the container engine".to_owned(),
                reason,
            })?;
        gaps.extend(seen.gaps);
        let mut images: BTreeMap<String, FoundImage> = BTreeMap::new();
        for one in seen.containers.iter().filter(|one| one.running) {
            let name = one.container.short();
            match self.scanner.reader.find(name).await {
                Ok(found) => {
                    images
                        .entry(found.image_id.clone())
                        .or_insert_with(|| FoundImage {
                            containers: Vec::new(),
                            ..found
                        })
                        .containers
                        .push(one.container.clone());
                }
                // It ended in between; whoever runs next is read next time.
                Err(ScanError::NotFound(_)) => {}
                Err(error) => gaps.push(format!("the image of {name} can't be told: {error}")),
            }
        }
        Ok(images.into_values().collect())
    }
}

/// A scan that came to nothing, with what was known before.
struct Failed {
    reason: String,
    /// Whether whoever knows what is vulnerable does not answer.
    is_silent: bool,
    before: Option<ImageScan>,
}

#[async_trait]
impl PartReader for ImageSource {
    const PART: ScanPart = ScanPart::Vulnerabilities;
    const TIMEOUT: Duration = TIMEOUT;

    async fn read(&self) -> Result<Observation, SourceError> {
        let now = self.clock.now();
        let mut gaps = Vec::new();
        let running = self.running(&mut gaps).await?;
        // An image that can't be read is listed as unknown; only who can't be told is not.
        let coverage = coverage(&gaps);
        let mut scans = Vec::new();
        let mut resources = Vec::new();
        // Whoever knows what is vulnerable does not answer: the others need not wait for that once more.
        let mut silent: Option<String> = None;
        for image in running {
            let name = image.image.clone();
            let (image_id, containers) = (image.image_id.clone(), image.containers.clone());
            match self.scan(image, silent.as_deref(), &mut gaps).await {
                Ok(scan) => {
                    gaps.extend(scan.gaps.iter().map(|gap| format!("{name}: {gap}")));
                    resources.push(of_scan(&self.keeper.node, &scan, None, now));
                    scans.push(scan);
                }
                Err(Failed {
                    reason,
                    is_silent,
                    before,
                }) => {
                    if is_silent {
                        silent = Some(reason.clone());
                    }
                    gaps.push(format!("{name}: {reason}"));
                    let scan = before.unwrap_or_else(|| unread(&name, &image_id, containers));
                    resources.push(of_scan(&self.keeper.node, &scan, Some(&reason), now));
                    if scan.scanned_at != Timestamp::UNIX_EPOCH {
                        scans.push(scan);
                    }
                }
            }
        }
        if let Ok(before) = now.checked_sub(FORGET_AFTER) {
            let forgotten = self
                .keeper
                .documents
                .forget(&self.keeper.node, KEPT, before)
                .await;
            gaps.extend(forgotten.err().map(|error| crate::ports::words(&error)));
        }
        scans.sort_by(|a, b| {
            a.image
                .cmp(&b.image)
                .then_with(|| a.image_id.cmp(&b.image_id))
        });
        let found = Found::Images(scans);
        let resources = merged(resources);
        Ok(observed(found, gaps, coverage, resources, self.clock.now()))
    }
}

fn unread(image: &str, image_id: &str, containers: Vec<ResourceId>) -> ImageScan {
    ImageScan {
        image: image.to_owned(),
        image_id: image_id.to_owned(),
        containers,
        distribution: None,
        packages: 0,
        source: String::new(),
        scanned_at: Timestamp::UNIX_EPOCH,
        vulnerabilities: Vec::new(),
        gaps: Vec::new(),
    }
}

/// An image's scan as a resource. `failed`: why it could not be brought up to date.
pub(super) fn of_scan(
    node: &str,
    scan: &ImageScan,
    failed: Option<&str>,
    at: Timestamp,
) -> Resource {
    let mut ids: BTreeMap<&str, (VulnerabilitySeverity, bool)> = BTreeMap::new();
    for one in &scan.vulnerabilities {
        let known = ids.entry(&one.id).or_default();
        known.0 = known.0.max(one.severity);
        known.1 |= one.known_exploited;
    }
    let count = |severity| {
        let number = ids.values().filter(|(found, _)| *found == severity).count();
        u32::try_from(number).unwrap_or(u32::MAX)
    };
    let exploited = ids.values().filter(|(_, exploited)| *exploited).count();
    let mut gaps = scan.gaps.clone();
    gaps.extend(failed.map(str::to_owned));
    let was_read = scan.scanned_at != Timestamp::UNIX_EPOCH;
    let facts = ImageFacts {
        image: scan.image.clone(),
        image_id: scan.image_id.clone(),
        containers: scan.containers.clone(),
        packages: scan.packages,
        critical: count(VulnerabilitySeverity::Critical),
        high: count(VulnerabilitySeverity::High),
        medium: count(VulnerabilitySeverity::Medium),
        low: count(VulnerabilitySeverity::Low),
        unknown: count(VulnerabilitySeverity::Unknown),
        known_exploited: u32::try_from(exploited).unwrap_or(u32::MAX),
        worst: scan
            .vulnerabilities
            .iter()
            .take(MOST_WORST)
            .map(|one| VulnerabilityBrief {
                id: one.id.clone(),
                severity: one.severity,
                known_exploited: one.known_exploited,
                package: format!("{} {}", one.package.name, one.package.version),
                fixed_version: one.fixed_version.clone(),
            })
            .collect(),
        scanned_at: was_read.then_some(scan.scanned_at),
        gaps,
    };
    let (health, reason) = if !was_read {
        (
            Health::Unknown,
            failed.unwrap_or("it was not read yet").to_owned(),
        )
    } else if failed.is_some() && facts.critical == 0 && facts.known_exploited == 0 {
        // What was clean yesterday need not be today.
        (Health::Unknown, failed.unwrap_or_default().to_owned())
    } else {
        (
            Health::Healthy,
            format!(
                "{} critical, {} high, {} other known vulnerabilities in {} packages",
                facts.critical,
                facts.high,
                facts.medium + facts.low + facts.unknown,
                facts.packages
            ),
        )
    };
    resource(
        image_id(node, &scan.image),
        health,
        reason,
        Facts::Image(Box::new(facts)),
        at,
    )
}

/// One resource for each name: where containers of one name run two ids, the one that is worse off counts.
fn merged(resources: Vec<Resource>) -> Vec<Resource> {
    let weight = |one: &Resource| match &one.facts {
        Facts::Image(facts) => (facts.known_exploited, facts.critical, facts.high),
        _ => (0, 0, 0),
    };
    let mut by_id: BTreeMap<ResourceId, Resource> = BTreeMap::new();
    for resource in resources {
        let is_worse = by_id
            .get(&resource.id)
            .is_none_or(|known| weight(&resource) > weight(known));
        if is_worse {
            by_id.insert(resource.id.clone(), resource);
        }
    }
    by_id.into_values().collect()
}
