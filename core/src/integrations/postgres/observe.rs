//! Checks each configured server and each container that may be one.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, future::join_all, stream};
use steward_api::{
    DatabaseFacts, Dependency, DependencyCondition, Facts, Health, Metric, Resource, ResourceId,
    ResourceKind, Unreadable,
};
use tokio::time::timeout;

use super::{
    judge::{Verdict, answered, no_tls, not_running, refused, silent},
    probe::{Answer, ProbeError, probe},
    sql::{Failure, Server},
};
use crate::{
    config::{Config, PostgresTarget},
    ports::{Cadence, Clock, Coverage, Depth, Observation, Source, SourceError},
};

/// The source's name.
const NAME: &str = "postgres";
/// Servers asked at the same time, at most.
const CONCURRENCY: usize = 8;
/// How soon to look again while something fails.
const RECHECK: Duration = Duration::from_secs(15);
/// Beyond what the checks may take together.
const MARGIN: Duration = Duration::from_secs(5);
/// The port that belongs to PostgreSQL.
const PORT: u16 = 5432;
/// Images, by the last part of their names, that hold nothing but a PostgreSQL server.
const IMAGES: [&str; 7] = [
    "postgres",
    "postgresql",
    "postgis",
    "pgvector",
    "timescaledb",
    "timescaledb-ha",
    "paradedb",
];

/// A port of a container, behind which a PostgreSQL server may be. One whose image has no known port is given with port 5432.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The container's name.
    pub container: String,
    /// Its image as named when it was made.
    pub image: String,
    /// Its address on the engine's network, where it has one.
    pub ip: Option<IpAddr>,
    /// The port inside the container.
    pub port: u16,
    /// The port of the host by which it is published, where it is.
    pub published: Option<u16>,
    /// Whether the container runs.
    pub running: bool,
}

impl Candidate {
    /// Whether it is worth asking.
    fn is_likely(&self) -> bool {
        self.port == PORT || image_name(&self.image).contains("postgres")
    }

    fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let inside = self.ip.map(|ip| SocketAddr::new(ip, self.port));
        let outside = self
            .published
            .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        inside.into_iter().chain(outside)
    }
}

/// Tells every port of every container that is known now; those that can't be PostgreSQL are passed over here.
pub type Candidates = Arc<dyn Fn() -> Vec<Candidate> + Send + Sync>;

/// Observes PostgreSQL servers.
pub struct PostgresSource {
    node: String,
    clock: Arc<dyn Clock>,
    configured: Vec<PostgresTarget>,
    discover: bool,
    limit: Duration,
    candidates: Candidates,
    /// Containers that were once found to be PostgreSQL servers, each with the address at which it answered.
    confirmed: Mutex<BTreeMap<String, SocketAddr>>,
}

/// A container that may be a server, with all its ports.
struct Suspect {
    container: String,
    image: String,
    running: bool,
    addresses: Vec<SocketAddr>,
}

/// One server to check.
enum Check {
    Configured {
        target: PostgresTarget,
        /// The container that it is known to run in.
        container: Option<String>,
        running: Option<bool>,
    },
    Suspect(Suspect),
}

impl Check {
    /// The name of the database.
    fn name(&self) -> &str {
        match self {
            Self::Configured { target, .. } => &target.name,
            Self::Suspect(suspect) => &suspect.container,
        }
    }
}

impl PostgresSource {
    /// A source for the configured servers and those among the candidates.
    pub fn new(config: &Config, clock: Arc<dyn Clock>, candidates: Candidates) -> Self {
        Self {
            node: config.node.name.clone(),
            clock,
            configured: config.databases.postgres.clone(),
            discover: config.databases.discover,
            limit: config.databases.timeout.unsigned_abs(),
            candidates,
            confirmed: Mutex::default(),
        }
    }

    /// What is to be checked now: every configured server, then every container that is not one of those.
    fn checks(&self) -> Vec<Check> {
        let candidates = (self.candidates)();
        let mut taken: BTreeSet<String> = self
            .configured
            .iter()
            .map(|target| target.name.clone())
            .collect();
        let mut checks = Vec::new();
        for target in &self.configured {
            let container = target
                .container
                .clone()
                .or_else(|| container_at(target, &candidates));
            let running = candidates
                .iter()
                .find(|candidate| Some(&candidate.container) == container.as_ref())
                .map(|candidate| candidate.running);
            taken.extend(container.clone());
            checks.push(Check::Configured {
                target: target.clone(),
                container,
                running,
            });
        }
        if self.discover {
            let mut suspects: BTreeMap<String, Suspect> = BTreeMap::new();
            for candidate in candidates {
                if !candidate.is_likely() || taken.contains(&candidate.container) {
                    continue;
                }
                let addresses: Vec<_> = candidate.addresses().collect();
                suspects
                    .entry(candidate.container.clone())
                    .or_insert_with(|| Suspect {
                        container: candidate.container,
                        image: candidate.image,
                        running: candidate.running,
                        addresses: Vec::new(),
                    })
                    .addresses
                    .extend(addresses);
            }
            self.confirmed()
                .retain(|container, _| suspects.contains_key(container));
            checks.extend(suspects.into_values().map(Check::Suspect));
        }
        checks
    }

    fn confirmed(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, SocketAddr>> {
        self.confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self, check: Check) -> Option<(Resource, Option<Unreadable>)> {
        let (name, container, verdict) = match check {
            Check::Configured {
                target,
                container,
                running,
            } => {
                let verdict = self.check_configured(&target, running).await;
                (target.name, container, verdict)
            }
            Check::Suspect(suspect) => {
                let verdict = self.check_suspect(&suspect).await?;
                (suspect.container.clone(), Some(suspect.container), verdict)
            }
        };
        Some(self.resource(name, container, verdict))
    }

    async fn check_configured(&self, target: &PostgresTarget, running: Option<bool>) -> Verdict {
        let server = match Server::new(&target.url) {
            Ok(server) => server,
            Err(error) => {
                return Verdict {
                    reason: error.clone(),
                    unreadable: Some(error),
                    ..Verdict::default()
                };
            }
        };
        let verdict = if running == Some(false) {
            not_running()
        } else {
            match server.ask(self.limit).await {
                Ok(told) => told.into(),
                Err(Failure::Silent(reason)) => silent(reason),
                Err(Failure::Refused(refusal)) => refused(&refusal, true),
                Err(Failure::Tls(reason)) => self.without_tls(&server, &reason).await,
                Err(Failure::Broken(reason)) => Verdict {
                    health: Health::Degraded,
                    reason,
                    connected: Some(true),
                    ..Verdict::default()
                },
            }
        };
        Verdict {
            address: server.address(),
            ..verdict
        }
    }

    /// All that can be known of a server with which TLS, as its URL wants it, can't be had for this reason.
    async fn without_tls(&self, server: &Server, reason: &str) -> Verdict {
        let place = server.host_and_port();
        let addresses: Vec<_> = match place {
            Some(place) => timeout(self.limit, tokio::net::lookup_host(place))
                .await
                .ok()
                .and_then(Result::ok)
                .into_iter()
                .flatten()
                .collect(),
            None => Vec::new(),
        };
        match self.probe_all(&addresses).await {
            Some((_, Ok(answer))) => no_tls(answer, reason),
            Some((_, Err(error))) => silent(error.to_string()),
            None => Verdict {
                reason: format!("TLS failed: {reason}"),
                unreadable: Some(format!("TLS failed: {reason}")),
                ..Verdict::default()
            },
        }
    }

    /// Checks a container; nothing where it is no PostgreSQL server as far as can be known.
    async fn check_suspect(&self, suspect: &Suspect) -> Option<Verdict> {
        let known = self.confirmed().get(&suspect.container).copied();
        let by_image = IMAGES.contains(&image_name(&suspect.image));
        let address = known.or_else(|| suspect.addresses.first().copied());
        let shown = address.map_or_else(String::new, |address| address.to_string());
        if !suspect.running {
            return (known.is_some() || by_image).then(|| Verdict {
                address: shown,
                ..not_running()
            });
        }
        let mut outcome = None;
        if let Some(known) = known.filter(|known| suspect.addresses.contains(known)) {
            outcome = Some((known, probe(known, self.limit).await));
        }
        if !matches!(outcome, Some((_, Ok(_)))) {
            // It may have a new address since it was started anew.
            outcome = self.probe_all(&suspect.addresses).await;
        }
        match outcome {
            Some((address, Ok(answer))) => {
                self.confirmed().insert(suspect.container.clone(), address);
                Some(Verdict {
                    address: address.to_string(),
                    ..answered(answer)
                })
            }
            Some((address, Err(error))) if known.is_some() => Some(Verdict {
                address: address.to_string(),
                ..silent(error.to_string())
            }),
            outcome if known.is_some() || by_image => {
                let why = match outcome {
                    Some((_, Err(error))) => error.to_string(),
                    _ => {
                        "the container has no address that can be reached from the host".to_owned()
                    }
                };
                Some(Verdict {
                    address: shown,
                    reason: format!("by its image a PostgreSQL server, but not confirmed: {why}"),
                    ..Verdict::default()
                })
            }
            _ => None,
        }
    }

    /// Probes addresses side by side: the first that is a PostgreSQL server, else the first.
    async fn probe_all(
        &self,
        addresses: &[SocketAddr],
    ) -> Option<(SocketAddr, Result<Answer, ProbeError>)> {
        let mut all = join_all(
            addresses
                .iter()
                .map(|&address| async move { (address, probe(address, self.limit).await) }),
        )
        .await;
        let best = all
            .iter()
            .position(|(_, answer)| answer.is_ok())
            .unwrap_or(0);
        (best < all.len()).then(|| all.swap_remove(best))
    }

    fn resource(
        &self,
        name: String,
        container: Option<String>,
        verdict: Verdict,
    ) -> (Resource, Option<Unreadable>) {
        let container = container.map(|name| ResourceId::container(self.node.clone(), name));
        let unreadable = verdict.unreadable.map(|error| Unreadable {
            source: NAME.to_owned(),
            what: format!("the database {name}"),
            error,
        });
        let mut metrics = BTreeMap::new();
        if let Some(latency) = verdict.latency {
            metrics.insert(Metric::LatencyMs, latency.as_secs_f64() * 1000.0);
        }
        if let Some(percent) = verdict.percent {
            metrics.insert(Metric::ConnectionsPercent, percent);
        }
        let error = matches!(verdict.health, Health::Degraded | Health::Unhealthy)
            .then(|| verdict.reason.clone());
        let resource = Resource {
            id: ResourceId::new(self.node.clone(), ResourceKind::Database, name),
            health: verdict.health,
            reason: verdict.reason,
            depends_on: container
                .iter()
                .map(|container| Dependency {
                    on: container.clone(),
                    condition: DependencyCondition::Started,
                })
                .collect(),
            runs_on: None,
            facts: Facts::Database(DatabaseFacts {
                engine: "postgresql".to_owned(),
                address: verdict.address,
                container,
                version: verdict.version,
                connected: verdict.connected,
                connections_used: verdict.used,
                connections_max: verdict.allowed,
                error,
            }),
            metrics,
            read_at: self.clock.now(),
        };
        (resource, unreadable)
    }
}

#[async_trait]
impl Source for PostgresSource {
    fn name(&self) -> &str {
        NAME
    }

    fn cadence(&self) -> Cadence {
        Cadence::HealthCheck
    }

    fn timeout(&self) -> Duration {
        let count = (self.candidates)().len() + self.configured.len();
        let rounds = u32::try_from(count.div_ceil(CONCURRENCY)).unwrap_or(u32::MAX);
        // A container is asked twice where it does not answer at the address that is known; a server with which TLS fails is looked up
        // and asked again.
        self.limit.saturating_mul(3).saturating_mul(rounds) + MARGIN
    }

    async fn read_one(&self, resource: &ResourceId) -> Result<Option<Resource>, SourceError> {
        if resource.node != self.node || resource.kind != ResourceKind::Database {
            return Ok(None);
        }
        let check = self
            .checks()
            .into_iter()
            .find(|check| check.name() == resource.name);
        match check {
            Some(check) => Ok(self.read(check).await.map(|(resource, _)| resource)),
            None => Ok(None),
        }
    }

    async fn observe(&self, _depth: Depth) -> Result<Observation, SourceError> {
        let read: Vec<_> = stream::iter(self.checks())
            .map(|check| self.read(check))
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        let (mut resources, unreadable): (Vec<_>, Vec<_>) = read.into_iter().flatten().unzip();
        resources.sort_by(|a, b| a.id.cmp(&b.id));
        let failing = resources
            .iter()
            .any(|resource| matches!(resource.health, Health::Degraded | Health::Unhealthy));
        Ok(Observation {
            source: NAME.to_owned(),
            taken_at: self.clock.now(),
            coverage: Coverage::Complete,
            resources,
            unreadable: unreadable.into_iter().flatten().collect(),
            versions: BTreeMap::new(),
            recheck_in: failing.then_some(RECHECK),
            security: None,
        })
    }
}

/// The last part of an image's name, without tag and digest.
fn image_name(image: &str) -> &str {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split([':', '@']).next().unwrap_or(name)
}

/// The container behind a configured server's address, where one of the candidates is there.
fn container_at(target: &PostgresTarget, candidates: &[Candidate]) -> Option<String> {
    let server = Server::new(&target.url).ok()?;
    let (host, port) = server.host_and_port()?;
    let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let here = host == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
    candidates
        .iter()
        .find(|candidate| {
            (here && candidate.published == Some(port))
                || (ip.is_some() && candidate.ip == ip && candidate.port == port)
        })
        .map(|candidate| candidate.container.clone())
}
