//! Configuration: how containers are configured, and Steward itself, as a source.
//!
//! What flows through: inspections in; risks for the report out. It has no resources of its own: a risk is of a container or the host, and
//! often meant, so none of them is an incident. What it never does: hand on the value of a variable or a token.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use steward_api::ScanPart;

use super::{PartReader, coverage, observed};
use crate::{
    ports::{Clock, Found, Observation, SourceError},
    security::{
        access::{Edges, scan_risks},
        risks::OwnFacts,
    },
};

/// Inspecting many containers.
const TIMEOUT: Duration = Duration::from_mins(2);

/// What is known of Steward itself, and what could not be read of it.
pub type LookAtOwn = Box<dyn Fn() -> (OwnFacts, Vec<String>) + Send + Sync>;

/// Reads configurations.
pub struct ConfigurationSource {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The containers.
    pub edges: Edges,
    /// Steward's own files, tokens and place.
    pub own: LookAtOwn,
}

#[async_trait]
impl PartReader for ConfigurationSource {
    const PART: ScanPart = ScanPart::Configuration;
    const TIMEOUT: Duration = TIMEOUT;

    async fn read(&self) -> Result<Observation, SourceError> {
        let (own, own_gaps) = (self.own)();
        let found = scan_risks(&self.edges, &own).await;
        let mut gaps = found.gaps;
        gaps.extend(own_gaps);
        let coverage = coverage(&gaps);
        Ok(observed(
            Found::Risks(found.risks),
            gaps,
            coverage,
            Vec::new(),
            self.clock.now(),
        ))
    }
}
