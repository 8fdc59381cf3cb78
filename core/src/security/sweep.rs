//! A sweep over certificates: everything that is to be looked at, a few at a time, through the port of [`ChainReader`].
//!
//! What flows through: files, endpoints and published ports in; scans and gaps out, the first to end first. What it never does: take a
//! port that does not speak TLS for a fault, or one that could not be read for a good one.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use steward_api::{
    CertificateScan, ContainerFacts, ContainerStatus, Resource, ResourceId, ResourceKind,
};

use super::certificates::{Reached, scan};
use crate::{
    config::{Config, Docker, TlsMode},
    ports::{CertificatePlace, ChainReader, NoChain, ShownChain, TlsEndpoint, Transport},
};

/// Endpoints that are greeted at the same time.
const AT_A_TIME: usize = 4;
/// How long connecting to a named endpoint, and then its greeting, may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The same for a published port. Most of those that say nothing speak another language, and there may be many.
const PORT_LIMIT: Duration = Duration::from_secs(3);

/// A TCP port that a container publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    /// The container.
    pub container: ResourceId,
    /// The address or name by which this machine reaches it.
    pub host: String,
    /// The port of the host.
    pub port: u16,
}

/// An endpoint that was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedEndpoint {
    /// Where, by the name that clients use.
    pub endpoint: TlsEndpoint,
    /// Whose it is, where that is known.
    pub resource: Option<ResourceId>,
}

/// What to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Paths, directories, and patterns.
    pub files: Vec<String>,
    /// Endpoints.
    pub endpoints: Vec<NamedEndpoint>,
    /// Published ports.
    pub published: Vec<PublishedPort>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// The certificates, the first to end first.
    pub certificates: Vec<CertificateScan>,
    /// What could not be read, in words.
    pub gaps: Vec<String>,
}

impl Sweep {
    /// What a configuration names: its files and endpoints, the services that it watches over HTTPS, and Steward's own certificate where
    /// that is the user's. Published ports are for whoever knows the containers; see [`published`].
    pub fn configured(config: &Config) -> Self {
        let certificates = &config.security.certificates;
        let mut sweep = Self {
            files: certificates.files.clone(),
            ..Self::default()
        };
        if config.server.tls == TlsMode::Files
            && let Some(file) = &config.server.cert_file
        {
            sweep.files.push(file.to_string_lossy().into_owned());
        }
        sweep.files.sort();
        sweep.files.dedup();
        let mut endpoints: BTreeMap<TlsEndpoint, Option<ResourceId>> = BTreeMap::new();
        for text in &certificates.endpoints {
            if let Some(endpoint) = endpoint(text) {
                endpoints.insert(endpoint, None);
            }
        }
        for service in &config.services {
            if service
                .url
                .get(..8)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
                && let Some(endpoint) = endpoint(&service.url)
            {
                let id = ResourceId::new(
                    config.node.name.as_str(),
                    ResourceKind::Service,
                    service.name.as_str(),
                );
                endpoints.insert(endpoint, Some(id));
            }
        }
        sweep.endpoints = endpoints
            .into_iter()
            .map(|(endpoint, resource)| NamedEndpoint { endpoint, resource })
            .collect();
        sweep
    }

    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.endpoints.is_empty() && self.published.is_empty()
    }
}

/// An endpoint as people write it: `host:port`, `[::1]:8443`, a host alone (port 443), or a URL. None where it is none of these.
pub fn endpoint(text: &str) -> Option<TlsEndpoint> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next()?;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let (host, port) = if let Some(after) = rest.strip_prefix('[') {
        let (host, after) = after.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        (host, after.strip_prefix(':'))
    } else if rest.parse::<Ipv6Addr>().is_ok() {
        (rest, None)
    } else {
        match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        }
    };
    let port = match port {
        None => 443,
        Some(port) => port.parse().ok().filter(|port| *port > 0)?,
    };
    let is_host = !host.is_empty()
        && host.len() <= 253
        && !host.chars().any(|c| c.is_control() || c.is_whitespace());
    is_host.then(|| TlsEndpoint {
        host: host.to_owned(),
        port,
    })
}

/// The TCP ports that running containers of an engine publish, each once. Those that a remote engine publishes for its own machine alone
/// are left out: nobody here reaches them.
pub fn published<'r>(
    resources: impl IntoIterator<Item = &'r Resource>,
    engine: &Docker,
) -> Vec<PublishedPort> {
    let is_running = |facts: &&ContainerFacts| facts.status == ContainerStatus::Running;
    let ports = resources.into_iter().flat_map(|resource| {
        let facts = resource.container().filter(is_running);
        facts.into_iter().flat_map(|facts| {
            facts.ports.iter().filter_map(|port| {
                let on = port.published_on.as_deref().and_then(|on| on.parse().ok());
                Some((&resource.id, on, port.published?))
            })
        })
    });
    reached(ports, engine)
}

/// The same by what containers are configured to publish.
pub fn published_ports<'p>(
    ports: impl IntoIterator<Item = &'p crate::ports::PublishedPort>,
    engine: &Docker,
) -> Vec<PublishedPort> {
    let ports = ports
        .into_iter()
        .filter(|port| port.transport == Transport::Tcp)
        .map(|port| (&port.container, Some(port.address), port.port));
    reached(ports, engine)
}

/// Each port once, by what this machine reaches it; whose it is, on which address, its number.
fn reached<'p>(
    ports: impl Iterator<Item = (&'p ResourceId, Option<IpAddr>, u16)>,
    engine: &Docker,
) -> Vec<PublishedPort> {
    let remote = engine.host.as_deref().and_then(remote_host);
    let mut found: BTreeMap<(String, u16), &ResourceId> = BTreeMap::new();
    for (container, on, port) in ports {
        if let Some(host) = reached_by(on, remote.as_deref()) {
            found.entry((host, port)).or_insert(container);
        }
    }
    found
        .into_iter()
        .map(|((host, port), container)| PublishedPort {
            container: container.clone(),
            host,
            port,
        })
        .collect()
}

/// The host of an engine on another machine; none for one on this machine.
fn remote_host(address: &str) -> Option<String> {
    let (scheme, _) = address.split_once("://")?;
    let host = (scheme != "unix").then(|| endpoint(address))??.host;
    let is_here = host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    (!is_here).then_some(host)
}

/// By what a port is reached that is published on an address of the engine's machine; none where it is not.
fn reached_by(on: Option<IpAddr>, remote: Option<&str>) -> Option<String> {
    match (on, remote) {
        (Some(on), Some(_)) if on.is_loopback() => None,
        (Some(on), _) if !on.is_unspecified() => Some(on.to_string()),
        (_, Some(remote)) => Some(remote.to_owned()),
        (Some(IpAddr::V6(_)), None) => Some(Ipv6Addr::LOCALHOST.to_string()),
        (_, None) => Some(Ipv4Addr::LOCALHOST.to_string()),
    }
}

/// Looks at all of it. One that ends within `warn_before` counts as ending soon.
pub async fn sweep(
    reader: &dyn ChainReader,
    what: &Sweep,
    now: Timestamp,
    warn_before: SignedDuration,
) -> Swept {
    let mut swept = Swept::default();
    let mut take =
        |chain: &ShownChain, reached: &Reached| match scan(chain, reached, now, warn_before) {
            Ok(scan) => swept.certificates.push(scan),
            Err(error) => swept.gaps.push(format!("{}: {error}", reached.place)),
        };
    let mut gaps = Vec::new();
    if !what.files.is_empty() {
        let read = reader.files(&what.files).await;
        gaps.extend(read.gaps);
        for (place, chain) in read.chains {
            let reached = Reached {
                place,
                resource: None,
                name: None,
            };
            take(&chain, &reached);
        }
    }
    let named = what
        .endpoints
        .iter()
        .map(|one| (one.endpoint.clone(), one.resource.clone(), true));
    let published = what.published.iter().map(|one| {
        let endpoint = TlsEndpoint {
            host: one.host.clone(),
            port: one.port,
        };
        (endpoint, Some(one.container.clone()), false)
    });
    let all: Vec<_> = named.chain(published).collect();
    let mut shown = stream::iter(all)
        .map(|(endpoint, resource, is_named)| async move {
            let limit = if is_named { LIMIT } else { PORT_LIMIT };
            let shown = reader.endpoint(&endpoint, is_named, limit).await;
            (endpoint, resource, is_named, shown)
        })
        .buffer_unordered(AT_A_TIME);
    while let Some((endpoint, resource, is_named, shown)) = shown.next().await {
        match shown {
            Ok(chain) => {
                let reached = Reached {
                    name: is_named.then(|| endpoint.host.clone()),
                    place: CertificatePlace::Endpoint(endpoint),
                    resource,
                };
                take(&chain, &reached);
            }
            // Whatever else a published port speaks is no matter of certificates.
            Err(NoChain::NotTls(_) | NoChain::Unreachable(_)) if !is_named => {}
            Err(error) => gaps.push(format!("{endpoint}: {error}")),
        }
    }
    swept.gaps.extend(gaps);
    swept.gaps.sort();
    swept
        .certificates
        .sort_by(|a, b| (a.not_after, &a.place).cmp(&(b.not_after, &b.place)));
    swept
}
