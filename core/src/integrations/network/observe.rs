//! Resolves the configured names and connects to the configured places.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::future::join_all;
use hickory_resolver::{
    Resolver, TokioResolver,
    config::{LookupIpStrategy, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{op::ResponseCode, rr::Name},
    system_conf::parse_resolv_conf,
};
use steward_api::{
    Dependency, DependencyCondition, Facts, Health, Metric, NetworkFacts, Resource, ResourceId,
    ResourceKind, Unreadable,
};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    config::{Config, Network},
    ports::{
        Cadence, Clock, Coverage, Depth, NameProbe, Observation, ResolvedName, Source, SourceError,
    },
};

/// The source's name.
const NAME: &str = "network";
/// How soon to look again while something fails.
const RECHECK: Duration = Duration::from_secs(15);
/// Beyond the limit of one try, all of which run side by side.
const MARGIN: Duration = Duration::from_secs(5);

/// Where the resolver's configuration comes from.
pub(super) enum Resolving {
    /// A file of the form of resolv.conf(5), read anew each time: it changes with the network.
    File(PathBuf),
    /// Given.
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "how tests bring their own server")
    )]
    Given(Box<(ResolverConfig, ResolverOpts)>),
}

/// Observes DNS and the outside.
pub struct NetworkSource {
    node: String,
    clock: Arc<dyn Clock>,
    settings: Network,
    pub(super) resolving: Resolving,
}

/// What the tries came to.
struct Tries {
    reached: Vec<(String, Duration)>,
    failed: Vec<(String, String)>,
}

impl Tries {
    fn of(all: Vec<(String, Result<Duration, String>)>) -> Self {
        let (mut reached, mut failed) = (Vec::new(), Vec::new());
        for (target, result) in all {
            match result {
                Ok(took) => reached.push((target, took)),
                Err(reason) => failed.push((target, reason)),
            }
        }
        Self { reached, failed }
    }
}

impl NetworkSource {
    /// A source for the targets of the configuration, with the system's resolver.
    pub fn new(config: &Config, clock: Arc<dyn Clock>) -> Self {
        Self {
            node: config.node.name.clone(),
            clock,
            settings: config.network.clone(),
            resolving: Resolving::File(PathBuf::from("/etc/resolv.conf")),
        }
    }

    fn limit(&self) -> Duration {
        self.settings.timeout.unsigned_abs()
    }

    fn id(&self, part: &str) -> ResourceId {
        ResourceId::new(self.node.clone(), ResourceKind::Network, part)
    }

    /// A resolver made for this one reading, so that no answer can be an old one.
    async fn resolver(&self, hosts: ResolveHosts) -> Result<TokioResolver, String> {
        let (config, mut options) = match &self.resolving {
            Resolving::Given(given) => (**given).clone(),
            Resolving::File(path) => {
                let text = tokio::fs::read(path)
                    .await
                    .map_err(|error| format!("{} can't be read: {error}", path.display()))?;
                parse_resolv_conf(text).map_err(|error| format!("{}: {error}", path.display()))?
            }
        };
        options.cache_size = 0;
        options.use_hosts_file = hosts;
        // The second question is asked only where the first has no answer.
        options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
        // A datagram may get lost: two tries within the limit.
        options.timeout = self.limit() / 2;
        options.attempts = 1;
        Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .map_err(|error| format!("the resolver can't be set up: {error}"))
    }

    async fn resolve(&self, resolver: &TokioResolver, name: &str) -> Result<Duration, String> {
        let began = Instant::now();
        self.addresses(resolver, name)
            .await
            .map(|_| began.elapsed())
    }

    /// The addresses of a name, at least one.
    async fn addresses(&self, resolver: &TokioResolver, name: &str) -> Result<Vec<IpAddr>, String> {
        // A name with a dot is meant as it stands; one without is left to the search domains.
        let absolute = name.contains('.');
        let mut question =
            Name::from_utf8(name).map_err(|error| format!("this is no name: {error}"))?;
        question.set_fqdn(absolute);
        match timeout(self.limit(), resolver.lookup_ip(question)).await {
            Err(_) => Err(self.too_late()),
            Ok(Ok(answer)) => {
                let addresses: Vec<_> = answer.iter().collect();
                if addresses.is_empty() {
                    return Err("it has no address".to_owned());
                }
                Ok(addresses)
            }
            Ok(Err(error)) => Err(self.dns_words(&error)),
        }
    }

    fn too_late(&self) -> String {
        format!("no answer within {} s", self.limit().as_secs_f64())
    }

    fn dns_words(&self, error: &NetError) -> String {
        match error {
            NetError::Timeout => self.too_late(),
            NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
                ResponseCode::NXDomain => {
                    "the DNS server says that there is no such name (NXDOMAIN)".to_owned()
                }
                ResponseCode::NoError => "it has no address".to_owned(),
                code => format!("the DNS server answered {code}"),
            },
            NetError::Dns(DnsError::ResponseCode(code)) => {
                format!("the DNS server answered {code}")
            }
            NetError::Io(error) => io_words(error),
            other => other.to_string(),
        }
    }

    async fn connect(&self, target: &str) -> Result<Duration, String> {
        let began = Instant::now();
        match timeout(self.limit(), TcpStream::connect(target)).await {
            Err(_) => Err(self.too_late()),
            Ok(Ok(_)) => Ok(began.elapsed()),
            Ok(Err(error)) => Err(io_words(&error)),
        }
    }

    async fn dns(&self) -> Option<(Resource, Option<String>)> {
        if self.settings.dns_names.is_empty() {
            return None;
        }
        let resolver = match self.resolver(ResolveHosts::Never).await {
            Ok(resolver) => resolver,
            Err(error) => {
                let resource = self.resource(
                    "dns",
                    Health::Unknown,
                    format!("names can't be looked up: {error}"),
                    NetworkFacts::default(),
                    BTreeMap::new(),
                );
                return Some((resource, Some(error)));
            }
        };
        let resolver = &resolver;
        let all = join_all(
            self.settings
                .dns_names
                .iter()
                .map(|name| async move { (name.clone(), self.resolve(resolver, name).await) }),
        )
        .await;
        Some((
            self.judged("dns", "no name can be resolved", Tries::of(all)),
            None,
        ))
    }

    async fn outside(&self) -> Option<Resource> {
        if self.settings.outside.is_empty() {
            return None;
        }
        let all = join_all(
            self.settings
                .outside
                .iter()
                .map(|target| async move { (target.clone(), self.connect(target).await) }),
        )
        .await;
        Some(self.judged("outside", "nothing outside can be reached", Tries::of(all)))
    }

    fn judged(&self, part: &str, all_failed: &str, tries: Tries) -> Resource {
        let fastest = tries.reached.iter().map(|(_, took)| *took).min();
        let failed: Vec<_> = tries
            .failed
            .iter()
            .map(|(target, reason)| format!("{target}: {reason}"))
            .collect();
        let (health, reason) = match fastest {
            None => (
                Health::Unhealthy,
                format!("{all_failed}: {}", failed.join("; ")),
            ),
            Some(_) if failed.is_empty() => (Health::Healthy, String::new()),
            Some(_) => (Health::Healthy, format!("except for {}", failed.join("; "))),
        };
        let facts = NetworkFacts {
            reached: tries
                .reached
                .into_iter()
                .map(|(target, _)| target)
                .collect(),
            failed,
        };
        let metrics = fastest
            .map(|took| (Metric::LatencyMs, took.as_secs_f64() * 1000.0))
            .into_iter()
            .collect();
        self.resource(part, health, reason, facts, metrics)
    }

    fn resource(
        &self,
        part: &str,
        health: Health,
        reason: String,
        facts: NetworkFacts,
        metrics: BTreeMap<Metric, f64>,
    ) -> Resource {
        Resource {
            id: self.id(part),
            health,
            reason,
            depends_on: self.needs(part).into_iter().collect(),
            runs_on: Some(ResourceId::host(self.node.clone())),
            facts: Facts::Network(facts),
            metrics,
            read_at: self.clock.now(),
        }
    }

    /// Which part needs the other. Names of the world can't be resolved when the outside is gone, and that is then the cause; but where
    /// every place outside is given by name, failing to reach them says nothing of the outside while names can't be resolved.
    fn needs(&self, part: &str) -> Option<Dependency> {
        if self.settings.dns_names.is_empty() || self.settings.outside.is_empty() {
            return None;
        }
        let by_address = self
            .settings
            .outside
            .iter()
            .any(|target| is_address(target));
        let on = match part {
            "dns" if by_address => "outside",
            "outside" if !by_address => "dns",
            _ => return None,
        };
        Some(Dependency {
            on: self.id(on),
            condition: DependencyCondition::Started,
        })
    }
}

#[async_trait]
impl Source for NetworkSource {
    fn name(&self) -> &str {
        NAME
    }

    fn cadence(&self) -> Cadence {
        Cadence::HealthCheck
    }

    fn timeout(&self) -> Duration {
        self.limit() + MARGIN
    }

    async fn observe(&self, _depth: Depth) -> Result<Observation, SourceError> {
        let (dns, outside) = tokio::join!(self.dns(), self.outside());
        let (dns, error) = dns.unzip();
        let unreadable = error.flatten().map(|error| Unreadable {
            source: NAME.to_owned(),
            what: "the configuration of DNS".to_owned(),
            error,
        });
        let resources: Vec<_> = dns.into_iter().chain(outside).collect();
        let well = resources
            .iter()
            .all(|resource| resource.health == Health::Healthy);
        Ok(Observation {
            source: NAME.to_owned(),
            taken_at: self.clock.now(),
            coverage: Coverage::Complete,
            resources,
            unreadable: unreadable.into_iter().collect(),
            versions: BTreeMap::new(),
            recheck_in: (!well).then_some(RECHECK),
            security: None,
        })
    }
}

#[async_trait]
impl NameProbe for NetworkSource {
    async fn resolve(&self, names: &[String]) -> Vec<ResolvedName> {
        // As programs here resolve them: what stands in the hosts file counts.
        let resolver = self.resolver(ResolveHosts::Always).await;
        let resolver = &resolver;
        join_all(names.iter().map(|name| async move {
            let began = Instant::now();
            let addresses = match resolver {
                Ok(resolver) => self.addresses(resolver, name).await,
                Err(error) => Err(error.clone()),
            };
            ResolvedName {
                name: name.clone(),
                addresses,
                took: began.elapsed(),
            }
        }))
        .await
    }
}

/// Whether a target `host:port` names its host by address.
fn is_address(target: &str) -> bool {
    target
        .rsplit_once(':')
        .is_some_and(|(host, _)| host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok())
}

fn io_words(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        ErrorKind::NetworkUnreachable => "there is no way to its network".to_owned(),
        ErrorKind::HostUnreachable => "there is no way to it".to_owned(),
        ErrorKind::TimedOut => "no answer".to_owned(),
        _ => error.to_string(),
    }
}
