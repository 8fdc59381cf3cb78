//! Asks each endpoint once and judges its answer by its status.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use reqwest::{Client, StatusCode, Url, redirect::Policy};
use steward_api::{
    Dependency, DependencyCondition, Facts, Health, Metric, Resource, ResourceId, ResourceKind,
    ServiceFacts, Unreadable,
};

use super::words;
use crate::{
    config::{Config, Service},
    ports::{Cadence, Clock, Coverage, Depth, Observation, Source, SourceError},
};

/// The source's name.
const NAME: &str = "http";
/// Requests at the same time, at most.
const CONCURRENCY: usize = 16;
/// Redirects that are followed, at most.
pub(super) const REDIRECTS: usize = 5;
/// How long an endpoint named by a label may take.
const LABEL_TIMEOUT: Duration = Duration::from_secs(10);
/// How soon to look again while something fails.
const RECHECK: Duration = Duration::from_secs(15);
/// Beyond what the requests may take together.
const MARGIN: Duration = Duration::from_secs(5);

/// A container as this part needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub container: String,
    /// Its label `steward.health_url`, an address as seen from the host.
    pub health_url: Option<String>,
    /// Whether it runs.
    pub running: bool,
}

/// Tells every container that is known now, those without the label too: a configured endpoint may belong to one of them.
pub type Targets = Arc<dyn Fn() -> Vec<Target> + Send + Sync>;

/// Observes HTTP endpoints.
pub struct HttpSource {
    node: String,
    clock: Arc<dyn Clock>,
    services: Vec<Service>,
    targets: Targets,
    /// Made when first needed, since each holds the host's trusted certificates.
    following: OnceLock<Client>,
    staying: OnceLock<Client>,
}

/// One endpoint to ask.
struct Check {
    name: String,
    url: String,
    /// Where the address comes from, for an error.
    origin: String,
    container: Option<String>,
    /// Whether its container runs, where it has one that is known.
    running: Option<bool>,
    expect: Vec<u16>,
    limit: Duration,
}

/// What came of it.
struct Answer {
    health: Health,
    reason: String,
    status: Option<u16>,
    latency: Option<Duration>,
}

impl HttpSource {
    /// A source for the configured endpoints and those that containers name.
    pub fn new(config: &Config, clock: Arc<dyn Clock>, targets: Targets) -> Self {
        Self {
            node: config.node.name.clone(),
            clock,
            services: config.services.clone(),
            targets,
            following: OnceLock::new(),
            staying: OnceLock::new(),
        }
    }

    /// All endpoints; where a label and the configuration use one name, the configuration counts.
    fn checks(&self) -> Vec<Check> {
        let targets = (self.targets)();
        let running: BTreeMap<_, _> = targets
            .iter()
            .map(|target| (target.container.clone(), target.running))
            .collect();
        let mut checks: Vec<_> = self
            .services
            .iter()
            .map(|service| Check {
                name: service.name.clone(),
                url: service.url.clone(),
                origin: format!(
                    "the url of the service {} in the configuration",
                    service.name
                ),
                running: service
                    .container
                    .as_ref()
                    .and_then(|name| running.get(name).copied()),
                container: service.container.clone(),
                expect: service.expect_status.clone(),
                limit: service.timeout.unsigned_abs(),
            })
            .collect();
        let mut names: BTreeSet<_> = checks.iter().map(|check| check.name.clone()).collect();
        for target in targets {
            let Some(url) = target.health_url else {
                continue;
            };
            if names.insert(target.container.clone()) {
                checks.push(Check {
                    origin: format!(
                        "the label steward.health_url of the container {}",
                        target.container
                    ),
                    name: target.container.clone(),
                    url,
                    container: Some(target.container),
                    running: Some(target.running),
                    expect: Vec::new(),
                    limit: LABEL_TIMEOUT,
                });
            }
        }
        checks
    }

    async fn read(&self, check: Check) -> (Resource, Option<Unreadable>) {
        let (shown, answer, unreadable) = match address(&check.url) {
            Err(error) => {
                let answer = Answer {
                    health: Health::Unknown,
                    reason: format!("{} {error}", check.origin),
                    status: None,
                    latency: None,
                };
                let unreadable = Unreadable {
                    source: NAME.to_owned(),
                    what: format!("the endpoint {}", check.name),
                    error: answer.reason.clone(),
                };
                (String::new(), answer, Some(unreadable))
            }
            Ok(url) => {
                let shown = shown(&url);
                let answer = if check.running == Some(false) {
                    Answer {
                        health: Health::Unknown,
                        reason: "its container does not run".to_owned(),
                        status: None,
                        latency: None,
                    }
                } else {
                    self.ask(url, &check).await
                };
                (shown, answer, None)
            }
        };
        let container = check
            .container
            .map(|name| ResourceId::container(self.node.clone(), name));
        let resource = Resource {
            id: ResourceId::new(self.node.clone(), ResourceKind::Service, check.name),
            health: answer.health,
            depends_on: container
                .iter()
                .map(|container| Dependency {
                    on: container.clone(),
                    condition: DependencyCondition::Started,
                })
                .collect(),
            runs_on: None,
            metrics: answer
                .latency
                .map(|took| (Metric::LatencyMs, took.as_secs_f64() * 1000.0))
                .into_iter()
                .collect(),
            facts: Facts::Service(ServiceFacts {
                url: shown,
                container,
                status: answer.status,
                error: (answer.health == Health::Unhealthy).then(|| answer.reason.clone()),
            }),
            reason: answer.reason,
            read_at: self.clock.now(),
        };
        (resource, unreadable)
    }

    async fn ask(&self, url: Url, check: &Check) -> Answer {
        // Whoever expects a redirect wants to see that one, not where it leads.
        let stays = check
            .expect
            .iter()
            .any(|status| (300..400).contains(status));
        let client = match self.client(stays) {
            Ok(client) => client,
            Err(error) => {
                return Answer {
                    health: Health::Unknown,
                    reason: format!("no request can be made: {error}"),
                    status: None,
                    latency: None,
                };
            }
        };
        let began = Instant::now();
        match client.get(url).timeout(check.limit).send().await {
            // The body is dropped unread: the status is the answer, and a body may have no end.
            Ok(response) => {
                let latency = began.elapsed();
                let status = response.status();
                let well = if check.expect.is_empty() {
                    (200..400).contains(&status.as_u16())
                } else {
                    check.expect.contains(&status.as_u16())
                };
                Answer {
                    health: if well {
                        Health::Healthy
                    } else {
                        Health::Unhealthy
                    },
                    reason: if well {
                        String::new()
                    } else {
                        unexpected(status, &check.expect)
                    },
                    status: Some(status.as_u16()),
                    latency: Some(latency),
                }
            }
            Err(error) => Answer {
                health: Health::Unhealthy,
                reason: words::reason(error, check.limit),
                status: None,
                latency: None,
            },
        }
    }

    fn client(&self, stays: bool) -> Result<&Client, String> {
        let (slot, policy): (_, fn() -> Policy) = if stays {
            (&self.staying, Policy::none)
        } else {
            (&self.following, || Policy::limited(REDIRECTS))
        };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let client = client(policy)?;
        Ok(slot.get_or_init(|| client))
    }
}

/// A client that keeps no connection, asks no proxy and trusts whom the host trusts.
fn client(policy: fn() -> Policy) -> Result<Client, String> {
    // The process needs one provider of cryptography; that another part was quicker to choose the same is no error.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        Client::builder()
            .user_agent(concat!("steward/", env!("CARGO_PKG_VERSION")))
            .redirect(policy())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .referer(false)
    };
    builder()
        .build()
        .or_else(|error| {
            tracing::warn!(%error, "this host has no list of trusted certificates (on Debian: the package ca-certificates); https endpoints will fail");
            builder().tls_certs_only([]).build()
        })
        .map_err(|error| error.to_string())
}

#[async_trait]
impl Source for HttpSource {
    fn name(&self) -> &str {
        NAME
    }

    fn cadence(&self) -> Cadence {
        Cadence::HealthCheck
    }

    fn timeout(&self) -> Duration {
        let checks = self.checks();
        let longest = checks.iter().map(|check| check.limit).max();
        let rounds = u32::try_from(checks.len().div_ceil(CONCURRENCY)).unwrap_or(u32::MAX);
        longest.unwrap_or_default().saturating_mul(rounds) + MARGIN
    }

    async fn observe(&self, _depth: Depth) -> Result<Observation, SourceError> {
        let read: Vec<_> = stream::iter(self.checks())
            .map(|check| self.read(check))
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        let (mut resources, unreadable): (Vec<_>, Vec<_>) = read.into_iter().unzip();
        resources.sort_by(|a, b| a.id.cmp(&b.id));
        let failing = resources
            .iter()
            .any(|resource| resource.health == Health::Unhealthy);
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

/// The address as such.
fn address(text: &str) -> Result<Url, String> {
    let wrong = "is not an address: it should read like http://localhost:8080/health";
    let url = Url::parse(text).map_err(|error| format!("{wrong} ({error})"))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(wrong.to_owned())
    }
}

/// The address without what may be secret.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // These fail only for addresses without a host, which are refused before.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

fn unexpected(status: StatusCode, expect: &[u16]) -> String {
    let meaning = status
        .canonical_reason()
        .map_or_else(String::new, |reason| format!(" ({reason})"));
    let instead = if expect.is_empty() {
        String::new()
    } else {
        let expect: Vec<_> = expect.iter().map(u16::to_string).collect();
        format!(", expected {}", expect.join(" or "))
    };
    format!("status {}{meaning}{instead}", status.as_u16())
}
