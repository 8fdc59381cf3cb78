//! Signing in: failed attempts of the last day, in the logs of the host and of containers, as a source.
//!
//! What flows through: logs in; one resource for each service at which somebody failed out, since an attack by many addresses is one
//! matter. What it never does: hold a log, or let a service vanish whose attackers have left: it is well again.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use steward_api::{
    Facts, Health, Resource, ResourceId, ScanPart, SignInFacts, SignInPattern, SignInSource,
};

use super::{PartReader, coverage, observed, resource};
use crate::{
    config::Config,
    ports::{Clock, Found, Observation, SourceError, later},
    security::{
        access::{Edges, sign_ins},
        authentication::{self, Own},
        sign_in_id,
    },
};

/// How far back is looked.
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Logs of a busy day of many containers.
const TIMEOUT: Duration = Duration::from_mins(20);
/// The worst sources that a resource's facts name.
const MOST_WORST: usize = 10;
/// Services that are remembered, at most.
const MOST_SERVICES: usize = 1000;

/// Reads logs for attempts to sign in.
pub struct SignInSourceReader {
    /// The configuration in force.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The logs.
    pub edges: Edges,
    /// Tells this machine's own addresses.
    pub own_addresses: fn() -> Vec<IpAddr>,
    /// Services at which somebody failed before, with whose log tells it.
    pub seen: Mutex<BTreeMap<String, ResourceId>>,
}

#[async_trait]
impl PartReader for SignInSourceReader {
    const PART: ScanPart = ScanPart::Authentication;
    const TIMEOUT: Duration = TIMEOUT;

    async fn read(&self) -> Result<Observation, SourceError> {
        let now = self.clock.now();
        let config = &self.config.security.authentication;
        let own = Own {
            networks: config.own(),
            host: (self.own_addresses)(),
            session: None,
        };
        let clock = authentication::Clock {
            now,
            zone: TimeZone::system(),
        };
        let read = sign_ins(
            &self.edges,
            config,
            &self.config.host_id(),
            &own,
            &Default::default(),
            later(now, -DAY),
            clock,
        )
        .await;
        if read.places.is_empty() && !read.gaps.is_empty() {
            return Err(SourceError::Unreachable {
                what: "every log that tells of signing in".to_owned(),
                reason: read.gaps.join("; "),
            });
        }
        // Whoever tried within the time since the scan before is still at it.
        let recent = later(now, -(self.config.security.scan_every + config.window));
        let mut resources = of_sources(&self.config.node.name, &read.sources, recent, now);
        self.remember(&mut resources, now);
        let coverage = coverage(&read.gaps);
        Ok(observed(
            Found::SignIns(read.sources),
            read.gaps,
            coverage,
            resources,
            self.clock.now(),
        ))
    }
}

impl SignInSourceReader {
    /// Notes which services there are, and lists those that are quiet now as well.
    fn remember(&self, resources: &mut Vec<Resource>, now: Timestamp) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let present: BTreeSet<String> = resources.iter().map(|one| one.id.name.clone()).collect();
        for one in resources.iter() {
            if let Facts::SignIn(facts) = &one.facts
                && seen.len() < MOST_SERVICES
            {
                seen.insert(one.id.name.clone(), facts.logged_by.clone());
            }
        }
        for (service, logged_by) in seen.iter().filter(|(name, _)| !present.contains(*name)) {
            let facts = SignInFacts {
                logged_by: logged_by.clone(),
                failures: 0,
                sources: 0,
                attacking: 0,
                worst: Vec::new(),
            };
            resources.push(resource(
                sign_in_id(&self.config.node.name, service),
                Health::Healthy,
                "no failed attempt within the last day".to_owned(),
                Facts::SignIn(Box::new(facts)),
                now,
            ));
        }
    }
}

/// One resource for each service. Who tried since `recent` counts as attacking.
pub(super) fn of_sources(
    node: &str,
    sources: &[SignInSource],
    recent: Timestamp,
    at: Timestamp,
) -> Vec<Resource> {
    let mut services: BTreeMap<&str, Vec<&SignInSource>> = BTreeMap::new();
    for source in sources {
        services.entry(&source.service).or_default().push(source);
    }
    services
        .into_iter()
        .filter_map(|(service, sources)| {
            let first = *sources.first()?;
            let failures = sources
                .iter()
                .fold(0_u64, |sum, one| sum.saturating_add(one.failures));
            let attacking = sources
                .iter()
                .filter(|one| one.pattern != SignInPattern::Few && one.last_at >= recent)
                .count() as u64;
            let mut worst = sources.clone();
            worst.sort_by_key(|one| {
                (
                    one.pattern != SignInPattern::SuccessAfterFailures,
                    one.pattern == SignInPattern::Few,
                    std::cmp::Reverse(one.failures),
                )
            });
            let facts = SignInFacts {
                logged_by: first.resource.clone(),
                failures,
                sources: sources.len() as u64,
                attacking,
                worst: worst.into_iter().take(MOST_WORST).cloned().collect(),
            };
            let reason = format!(
                "{failures} failed attempts from {} sources within the last day",
                facts.sources
            );
            Some(resource(
                sign_in_id(node, service),
                Health::Healthy,
                reason,
                Facts::SignIn(Box::new(facts)),
                at,
            ))
        })
        .collect()
}
