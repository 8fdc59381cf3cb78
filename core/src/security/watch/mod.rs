//! The security scan as an agent runs it: a source for each part, read on its own schedule, whose findings become resources and a report.
//!
//! What flows through: the edges in; resources of the kinds image, certificate, sign-in and port, and each part's findings out. What it never
//! does: take what could not be read for gone or clean: a part with gaps covers only what it lists, and tells its gaps.

mod certificates;
mod configuration;
mod images;
mod ports;
mod sign_ins;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use steward_api::{Facts, Health, Resource, ResourceId, ScanPart, Unreadable};

pub use certificates::CertificateSource;
pub use configuration::{ConfigurationSource, LookAtOwn};
pub use images::ImageSource;
pub use ports::PortSource;
pub use sign_ins::SignInSourceReader;

use super::source_name;
use crate::ports::{
    Cadence, Coverage, Depth, Documents, Found, Observation, PartFound, Source, SourceError, words,
};

/// Gaps of one reading that are told one by one.
const MOST_GAPS: usize = 50;

/// Reads one part of the scan. Whoever does is a source of its own, on the schedule of the scan.
#[async_trait]
pub trait PartReader: Send + Sync + 'static {
    /// Which part.
    const PART: ScanPart;
    /// How long one reading may take at most.
    const TIMEOUT: Duration;

    /// Reads it whole.
    ///
    /// # Errors
    /// Where nothing of it could be read.
    async fn read(&self) -> Result<Observation, SourceError>;
}

#[async_trait]
impl<P: PartReader> Source for P {
    fn name(&self) -> &str {
        source_name(P::PART)
    }

    fn cadence(&self) -> Cadence {
        Cadence::SecurityScan
    }

    fn timeout(&self) -> Duration {
        P::TIMEOUT
    }

    async fn observe(&self, _: Depth) -> Result<Observation, SourceError> {
        self.read().await
    }
}

/// Where readings keep what those after them need.
#[derive(Clone)]
pub struct Keeper {
    /// The node.
    pub node: String,
    /// Where.
    pub documents: Arc<dyn Documents>,
}

impl Keeper {
    /// A document as it was kept; none where there is none. What can't be read is told in words and counts as not there.
    async fn kept<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
    ) -> (Option<T>, Option<String>) {
        match self.documents.kept(&self.node, name).await {
            Ok(None) => (None, None),
            Ok(Some(text)) => match serde_json::from_str(&text) {
                Ok(value) => (Some(value), None),
                Err(error) => (
                    None,
                    Some(format!(
                        "what was kept as {name} can't be understood: {error}"
                    )),
                ),
            },
            Err(error) => (
                None,
                Some(format!(
                    "what was kept as {name} can't be read: {}",
                    words(&error)
                )),
            ),
        }
    }

    /// Keeps a document; why not, where that fails.
    async fn keep<T: serde::Serialize>(
        &self,
        name: &str,
        at: Timestamp,
        value: &T,
    ) -> Option<String> {
        let text = match serde_json::to_string(value) {
            Ok(text) => text,
            Err(error) => return Some(format!("{name} can't be kept: {error}")),
        };
        let kept = self.documents.keep(&self.node, name, at, &text).await;
        kept.err()
            .map(|error| format!("{name} can't be kept: {}", words(&error)))
    }
}

/// A resource that a scan found.
fn resource(
    id: ResourceId,
    health: Health,
    reason: String,
    facts: Facts,
    at: Timestamp,
) -> Resource {
    Resource {
        id,
        health,
        reason,
        depends_on: Vec::new(),
        runs_on: None,
        facts,
        metrics: BTreeMap::new(),
        read_at: at,
    }
}

/// What a reading with these gaps covers: with any, nothing follows for what is not listed.
const fn coverage(gaps: &[String]) -> Coverage {
    if gaps.is_empty() {
        Coverage::Complete
    } else {
        Coverage::Partial
    }
}

/// What a reading of a part comes to.
fn observed(
    found: Found,
    mut gaps: Vec<String>,
    coverage: Coverage,
    resources: Vec<Resource>,
    at: Timestamp,
) -> Observation {
    let source = source_name(found.part()).to_owned();
    if gaps.len() > MOST_GAPS {
        let more = gaps.len() - MOST_GAPS;
        gaps.truncate(MOST_GAPS);
        gaps.push(format!("and {more} more"));
    }
    let part: &'static str = ScanPart::as_str(found.part());
    Observation {
        taken_at: at,
        coverage,
        resources,
        unreadable: gaps
            .iter()
            .map(|gap| Unreadable {
                source: source.clone(),
                what: part.to_owned(),
                error: gap.clone(),
            })
            .collect(),
        versions: BTreeMap::new(),
        recheck_in: None,
        security: Some(Box::new(PartFound { found, gaps })),
        source,
    }
}
