//! Where may be looked: the names and endpoints by which things here are reached, from the configuration and from what is watched. Pure.

use std::{collections::BTreeSet, net::IpAddr};

use reqwest::Url;
use secrecy::ExposeSecret as _;
use steward_api::{Facts, Resource};

use crate::{config::Config, engine::View, ports::TlsEndpoint};

/// Names that are resolved in one look.
const MOST_NAMES: usize = 50;
/// Endpoints whose certificates are read in one look.
const MOST_ENDPOINTS: usize = 30;

/// The names by which things here are reached.
pub(super) fn names(config: &Config, view: &View) -> Vec<String> {
    let databases = config
        .databases
        .postgres
        .iter()
        .map(|target| target.url.expose_secret())
        .chain(config.database.url.iter().map(|url| url.expose_secret()));
    let urls = config
        .services
        .iter()
        .map(|service| service.url.as_str())
        .chain(
            config
                .mcp
                .servers
                .iter()
                .filter_map(|server| server.url.as_deref()),
        )
        .chain(databases)
        .chain(services(view));
    let of_urls = urls.filter_map(|url| Url::parse(url).ok()?.host_str().map(str::to_owned));
    let outside = config
        .network
        .outside
        .iter()
        .filter_map(|target| target.rsplit_once(':').map(|(host, _)| host.to_owned()));
    let names: BTreeSet<String> = of_urls
        .chain(outside)
        .chain(config.network.dns_names.iter().cloned())
        .map(|name| name.trim_end_matches('.').to_lowercase())
        .filter(|name| {
            !name.is_empty()
                && name != "localhost"
                && name.trim_matches(['[', ']']).parse::<IpAddr>().is_err()
        })
        .collect();
    names.into_iter().take(MOST_NAMES).collect()
}

/// The HTTPS endpoints that are watched.
pub(super) fn tls_endpoints(view: &View) -> Vec<TlsEndpoint> {
    let endpoints: BTreeSet<TlsEndpoint> = services(view)
        .filter_map(|url| {
            let url = Url::parse(url).ok().filter(|url| url.scheme() == "https")?;
            Some(TlsEndpoint {
                host: url.host_str()?.trim_matches(['[', ']']).to_owned(),
                port: url.port_or_known_default()?,
            })
        })
        .collect();
    endpoints.into_iter().take(MOST_ENDPOINTS).collect()
}

fn services(view: &View) -> impl Iterator<Item = &str> {
    view.resources.values().filter_map(|resource| url(resource))
}

fn url(resource: &Resource) -> Option<&str> {
    match &resource.facts {
        Facts::Service(facts) => Some(facts.url.as_str()),
        _ => None,
    }
}
