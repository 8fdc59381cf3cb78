//! Certificates: of files, of endpoints, and of every published port that speaks TLS, as a source.
//!
//! What flows through: places in; one resource for each certificate, however many places show it, out. What it never does: take a place that
//! could not be reached for one without a certificate.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use steward_api::{CertificateFacts, CertificateScan, Facts, Health, Resource, ScanPart};

use super::{PartReader, coverage, observed, resource};
use crate::{
    config::Config,
    ports::{ChainReader, Clock, ConfigurationProbe, Found, Observation, SourceError},
    security::{
        certificate_id,
        sweep::{Sweep, published_ports, sweep},
    },
};

/// A sweep over many places that do not answer.
const TIMEOUT: Duration = Duration::from_mins(20);
/// Names and further places that a resource's facts tell.
const MOST_NAMES: usize = 10;

/// Reads certificates.
pub struct CertificateSource {
    /// The configuration in force.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Reads chains.
    pub chains: Arc<dyn ChainReader>,
    /// Tells what containers publish; absent where there is no engine, or published ports are not looked at.
    pub configurations: Option<Arc<dyn ConfigurationProbe>>,
}

#[async_trait]
impl PartReader for CertificateSource {
    const PART: ScanPart = ScanPart::Certificates;
    const TIMEOUT: Duration = TIMEOUT;

    async fn read(&self) -> Result<Observation, SourceError> {
        let now = self.clock.now();
        let mut gaps = Vec::new();
        let mut what = Sweep::configured(&self.config);
        if let Some(probe) = &self.configurations {
            match probe.configurations().await {
                Ok(seen) => {
                    gaps.extend(seen.gaps);
                    what.published = published_ports(
                        seen.containers
                            .iter()
                            .filter(|one| one.running)
                            .flat_map(|one| &one.published),
                        &self.config.docker,
                    );
                }
                Err(gap) => gaps.push(gap),
            }
        }
        let warn_before = self.config.security.certificates.warn_before;
        let swept = sweep(self.chains.as_ref(), &what, now, warn_before).await;
        gaps.extend(swept.gaps);
        let resources = of_scans(&self.config.node.name, &swept.certificates, now);
        let coverage = coverage(&gaps);
        Ok(observed(
            Found::Certificates(swept.certificates),
            gaps,
            coverage,
            resources,
            self.clock.now(),
        ))
    }
}

/// One resource for each certificate, named by the first of its places.
pub(super) fn of_scans(node: &str, scans: &[CertificateScan], at: Timestamp) -> Vec<Resource> {
    let mut by_fingerprint: BTreeMap<&str, Vec<&CertificateScan>> = BTreeMap::new();
    for scan in scans {
        let identity = if scan.fingerprint.is_empty() {
            &scan.place
        } else {
            &scan.fingerprint
        };
        by_fingerprint.entry(identity).or_default().push(scan);
    }
    by_fingerprint
        .into_values()
        .filter_map(|mut scans| {
            scans.sort_by(|a, b| a.place.cmp(&b.place));
            let first = *scans.first()?;
            let mut faults = Vec::new();
            for fault in scans.iter().flat_map(|scan| &scan.faults) {
                if !faults.contains(fault) {
                    faults.push(fault.clone());
                }
            }
            let facts = CertificateFacts {
                place: first.place.clone(),
                also_at: scans
                    .iter()
                    .skip(1)
                    .take(MOST_NAMES)
                    .map(|scan| scan.place.clone())
                    .collect(),
                shown_by: scans.iter().find_map(|scan| scan.resource.clone()),
                subject: first.subject.clone(),
                names: first.names.iter().take(MOST_NAMES).cloned().collect(),
                not_after: first.not_after,
                fingerprint: first.fingerprint.clone(),
                faults,
            };
            let reason = format!("it ends {:.0}", first.not_after);
            Some(resource(
                certificate_id(node, &first.place),
                Health::Healthy,
                reason,
                Facts::Certificate(Box::new(facts)),
                at,
            ))
        })
        .collect()
}
