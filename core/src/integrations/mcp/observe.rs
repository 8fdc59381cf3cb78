//! Asks each server for its tools over the connection that is kept, and makes a new one where that is lost.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::future::join_all;
use reqwest::Url;
use steward_api::{
    Dependency, DependencyCondition, Facts, Health, McpServerFacts, Metric, Resource, ResourceId,
    ResourceKind, Unreadable,
};
use tokio::sync::Mutex;

use super::connect::{Failure, Link, Peer};
use crate::{
    config::{Config, McpServer},
    ports::{Cadence, Clock, Coverage, Depth, Observation, Source, SourceError},
};

/// The source's name.
const NAME: &str = "mcp";
/// How soon to look again while something fails.
const RECHECK: Duration = Duration::from_secs(15);
/// Beyond what the servers may take.
const MARGIN: Duration = Duration::from_secs(5);
/// Names of tools that are kept, at most.
const MOST_NAMES: usize = 200;

/// Observes the configured servers.
pub struct McpSource {
    node: String,
    clock: Arc<dyn Clock>,
    servers: Vec<Watched>,
}

/// One server with the connection to it.
struct Watched {
    server: McpServer,
    link: Mutex<Option<Link>>,
    /// Whether it wants to be greeted the old way.
    handshake: AtomicBool,
}

/// What a server told.
struct Told {
    tools: Result<Vec<String>, Failure>,
    peer: Option<Peer>,
    latency: Duration,
}

impl McpSource {
    /// A source for the configured servers. Connections begin with the first reading and end with this.
    pub fn new(config: &Config, clock: Arc<dyn Clock>) -> Self {
        let watched = |server: &McpServer| Watched {
            server: server.clone(),
            link: Mutex::new(None),
            handshake: AtomicBool::new(false),
        };
        Self {
            node: config.node.name.clone(),
            clock,
            servers: config.mcp.servers.iter().map(watched).collect(),
        }
    }

    async fn read(&self, watched: &Watched) -> (Resource, Option<Unreadable>) {
        let server = &watched.server;
        let limit = server.timeout.unsigned_abs();
        let told = match tokio::time::timeout(limit, watched.ask()).await {
            Ok(told) => told,
            Err(_) => {
                // Whatever hangs there is of no use to the next reading.
                watched.link.lock().await.take();
                let reason = format!("no answer within {} s", limit.as_secs_f64());
                Told {
                    tools: Err(Failure::Lost(reason)),
                    peer: None,
                    latency: limit,
                }
            }
        };
        let mut facts = McpServerFacts {
            address: address(server),
            ..McpServerFacts::default()
        };
        if let Some(peer) = told.peer {
            facts.protocol = Some(peer.protocol);
            facts.server_name = peer.name;
            facts.server_version = peer.version;
        }
        let mut latency = None;
        let mut unreadable = None;
        let (health, reason) = match told.tools {
            Ok(mut tools) => {
                facts.reachable = Some(true);
                facts.tool_count = u64::try_from(tools.len()).ok();
                tools.sort();
                tools.truncate(MOST_NAMES);
                facts.tools = tools;
                latency = Some(told.latency);
                (Health::Healthy, String::new())
            }
            Err(Failure::Refused(reason)) => {
                facts.reachable = Some(true);
                facts.error = Some(reason.clone());
                (Health::Unhealthy, reason)
            }
            Err(Failure::Lost(reason)) => {
                facts.reachable = Some(false);
                facts.error = Some(reason.clone());
                (Health::Unhealthy, reason)
            }
            Err(Failure::NotAsked(reason)) => {
                facts.error = Some(reason.clone());
                unreadable = Some(Unreadable {
                    source: NAME.to_owned(),
                    what: format!("the MCP server {}", server.name),
                    error: reason.clone(),
                });
                (Health::Unknown, reason)
            }
        };
        let container = server
            .container
            .as_ref()
            .map(|name| ResourceId::container(self.node.clone(), name.clone()));
        let resource = Resource {
            id: ResourceId::new(
                self.node.clone(),
                ResourceKind::McpServer,
                server.name.clone(),
            ),
            health,
            reason,
            depends_on: container
                .into_iter()
                .map(|on| Dependency {
                    on,
                    condition: DependencyCondition::Started,
                })
                .collect(),
            runs_on: None,
            facts: Facts::McpServer(facts),
            metrics: latency
                .map(|took| (Metric::LatencyMs, took.as_secs_f64() * 1000.0))
                .into_iter()
                .collect(),
            read_at: self.clock.now(),
        };
        (resource, unreadable)
    }
}

impl Watched {
    async fn ask(&self) -> Told {
        let mut held = self.link.lock().await;
        if let Some(link) = held.as_ref() {
            let told = Told::by(link).await;
            if !matches!(told.tools, Err(Failure::Lost(_))) {
                return told;
            }
            // It may have been started anew meanwhile: a new connection tells.
            held.take();
        }
        match Link::open(&self.server, &self.handshake).await {
            Ok(link) => {
                let told = Told::by(&link).await;
                if !matches!(told.tools, Err(Failure::Lost(_))) {
                    *held = Some(link);
                }
                told
            }
            Err(failure) => Told {
                tools: Err(failure),
                peer: None,
                latency: Duration::ZERO,
            },
        }
    }
}

impl Told {
    async fn by(link: &Link) -> Self {
        let began = Instant::now();
        let tools = link.tools().await;
        Self {
            tools,
            peer: link.peer(),
            latency: began.elapsed(),
        }
    }
}

#[async_trait]
impl Source for McpSource {
    fn name(&self) -> &str {
        NAME
    }

    fn cadence(&self) -> Cadence {
        Cadence::HealthCheck
    }

    fn timeout(&self) -> Duration {
        let limits = self.servers.iter().map(|watched| watched.server.timeout);
        limits.max().unwrap_or_default().unsigned_abs() + MARGIN
    }

    async fn observe(&self, _depth: Depth) -> Result<Observation, SourceError> {
        let read = join_all(self.servers.iter().map(|watched| self.read(watched))).await;
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

/// Where a server is, without what may be secret: an address without user, password and query; a program without its arguments.
fn address(server: &McpServer) -> String {
    if let Some(command) = &server.command {
        return command.clone();
    }
    let Some(mut url) = server.url.as_deref().and_then(|url| Url::parse(url).ok()) else {
        return String::new();
    };
    // These fail only for addresses without a host, which are refused before.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}
