//! Scans of images, made of their parts from the configuration alone; no agent has to run.
//!
//! What flows through: the configuration in, what scans out. What it never does: ask the engine or a data base; that is for the scan.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use crate::{
    config::{Config, VulnerabilityScanner},
    integrations::{docker, osv, scanners},
    ports::{Clock, ImageReader, ScanError},
    security::images::{ImageScanner, Judge},
};

/// Where OSV's records are kept, within the data directory.
const KEPT: &str = "osv";

/// What scans images, on the configuration's engine. `offline` names OSV's archive in the configuration's place.
///
/// # Errors
/// Where the engine's address or the data base can't be used; the engine itself is not asked yet.
pub fn image_scanner(
    config: &Config,
    offline: Option<&Path>,
    clock: Arc<dyn Clock>,
) -> Result<ImageScanner, ScanError> {
    let engine = docker::connect(&config.docker, &config.node.name, Arc::clone(&clock)).map_err(
        |error| ScanError::Engine {
            what: "the Docker engine".to_owned(),
            reason: error.to_string(),
        },
    )?;
    image_scanner_with(config, offline, clock, engine)
}

/// The same with a reader that is there already.
///
/// # Errors
/// Where the data base can't be used.
pub fn image_scanner_with(
    config: &Config,
    offline: Option<&Path>,
    clock: Arc<dyn Clock>,
    reader: Arc<dyn ImageReader>,
) -> Result<ImageScanner, ScanError> {
    let how = &config.security.vulnerabilities;
    let timeout = Duration::try_from(how.timeout).unwrap_or(Duration::from_mins(10));
    let program = |kind| {
        Judge::Scanner(Arc::new(scanners::Program::new(
            kind,
            how.program.as_deref(),
            timeout,
        )))
    };
    let archive = offline.or(how.offline_directory.as_deref());
    let judge = match (offline, how.scanner) {
        (None, VulnerabilityScanner::Trivy) => program(scanners::Kind::Trivy),
        (None, VulnerabilityScanner::Grype) => program(scanners::Kind::Grype),
        _ => match archive {
            Some(directory) => Judge::Database(Arc::new(osv::OsvArchive::new(directory))),
            None => {
                let kept = config.data_dir.join(KEPT);
                let api = osv::OsvApi::new(
                    &how.osv_url,
                    &kept,
                    Arc::clone(&clock),
                    osv::Pace::default(),
                )
                .map_err(|reason| ScanError::Knowledge {
                    what: format!("OSV at {}", how.osv_url),
                    reason,
                })?;
                Judge::Database(Arc::new(api))
            }
        },
    };
    let mut gaps = Vec::new();
    let exploited = match how
        .known_exploited_file
        .as_deref()
        .map(osv::known_exploited)
    {
        None => BTreeSet::new(),
        Some(Ok(exploited)) => exploited,
        Some(Err(reason)) => {
            gaps.push(reason);
            BTreeSet::new()
        }
    };
    Ok(ImageScanner {
        reader,
        judge,
        exploited: Arc::new(exploited),
        gaps,
        timeout,
        clock,
    })
}
