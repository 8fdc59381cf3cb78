//! Tests of the sweep: what is looked at, what counts, and what is a gap.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use steward_api::{
    CertificateFault, ContainerFacts, ContainerPort, ContainerStatus, Facts, Health, Resource,
    ResourceId, ResourceKind,
};

use crate::{
    config::{Config, Docker, Service, TlsMode},
    ports::{CertificatePlace, ChainReader, FileChains, NoChain, ShownChain, TlsEndpoint, Verdict},
    security::sweep::{NamedEndpoint, PublishedPort, Sweep, endpoint, published, sweep},
};

fn now() -> Timestamp {
    "2026-03-10T12:00:00Z".parse().unwrap()
}

fn shown(names: &[&str], until: i32) -> ShownChain {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    ShownChain {
        certificates: vec![made.der().to_vec()],
        here: Verdict::UnknownIssuer,
        trust: Verdict::UnknownIssuer,
    }
}

/// Shows a certificate for `wiki.home` on 443 and 8443, another language on 22, TLS without a certificate on 993, nobody elsewhere.
struct Stand;

#[async_trait]
impl ChainReader for Stand {
    async fn endpoint(
        &self,
        endpoint: &TlsEndpoint,
        named: bool,
        limit: Duration,
    ) -> Result<ShownChain, NoChain> {
        assert!(limit <= Duration::from_secs(10));
        match endpoint.port {
            443 | 8443 => Ok(shown(&["wiki.home"], if named { 2030 } else { 2021 })),
            22 => Err(NoChain::NotTls("SSH".to_owned())),
            993 => Err(NoChain::Unreadable("shows no certificate".to_owned())),
            _ => Err(NoChain::Unreachable("connection refused".to_owned())),
        }
    }

    async fn files(&self, patterns: &[String]) -> FileChains {
        let place = CertificatePlace::File {
            path: PathBuf::from(&patterns[0]),
            number: Some(2),
        };
        let garbage = ShownChain {
            certificates: vec![b"garbage".to_vec()],
            ..shown(&["x"], 2030)
        };
        FileChains {
            chains: vec![(place.clone(), shown(&["a.home"], 2028)), (place, garbage)],
            gaps: vec!["/etc/b.pem: no such file".to_owned()],
        }
    }
}

fn named(host: &str, port: u16) -> NamedEndpoint {
    NamedEndpoint {
        endpoint: TlsEndpoint {
            host: host.to_owned(),
            port,
        },
        resource: None,
    }
}

fn port_of(name: &str, port: u16) -> PublishedPort {
    PublishedPort {
        container: ResourceId::container("atlas", name),
        host: "127.0.0.1".to_owned(),
        port,
    }
}

#[tokio::test]
async fn what_speaks_tls_counts_and_what_could_not_be_read_is_told() {
    let what = Sweep {
        files: vec!["/etc/a.pem".to_owned()],
        endpoints: vec![
            named("wiki.home", 443),
            named("ssh.home", 22),
            named("off.home", 1),
        ],
        published: vec![
            port_of("wiki", 8443),
            port_of("ssh", 22),
            port_of("mail", 993),
            port_of("gone", 2),
        ],
    };
    let swept = sweep(&Stand, &what, now(), SignedDuration::from_hours(24)).await;
    let seen: Vec<_> = swept
        .certificates
        .iter()
        .map(|one| {
            let kinds: Vec<_> = one.faults.iter().map(|(kind, _)| *kind).collect();
            (
                one.place.as_str(),
                one.resource.as_ref().map(ResourceId::short),
                kinds,
            )
        })
        .collect();
    use CertificateFault::{Expired, SelfSigned};
    assert_eq!(
        seen,
        [
            // A published port is reached by a name that only its clients know, so no name is wrong there.
            ("127.0.0.1:8443", Some("wiki"), vec![Expired, SelfSigned]),
            ("/etc/a.pem (no. 2)", None, vec![SelfSigned]),
            ("wiki.home:443", None, vec![SelfSigned]),
        ]
    );
    assert_eq!(swept.gaps.len(), 5, "{:?}", swept.gaps);
    assert!(swept.gaps[0].starts_with("/etc/a.pem (no. 2): its certificate can't be understood"));
    assert_eq!(
        swept.gaps[1..],
        [
            "/etc/b.pem: no such file",
            "127.0.0.1:993: it speaks TLS, but shows no certificate",
            "off.home:1: connection refused",
            "ssh.home:22: it does not speak TLS: SSH",
        ]
    );
}

#[test]
fn a_configuration_names_files_endpoints_services_and_steward_s_own() {
    let mut config = Config::default();
    config.node.name = "atlas".to_owned();
    config.security.certificates.endpoints = vec!["wiki.home:443".to_owned()];
    config.security.certificates.files = vec!["/etc/a.pem".to_owned()];
    config.server.tls = TlsMode::Files;
    config.server.cert_file = Some("/etc/steward.pem".into());
    for (name, url) in [
        ("wiki", "HTTPS://wiki.home/health"),
        ("plain", "http://plain.home/"),
    ] {
        config.services.push(Service {
            name: name.to_owned(),
            url: url.to_owned(),
            container: None,
            expect_status: Vec::new(),
            timeout: SignedDuration::from_secs(1),
        });
    }
    let what = Sweep::configured(&config);
    assert_eq!(what.files, ["/etc/a.pem", "/etc/steward.pem"]);
    let service = ResourceId::new("atlas", ResourceKind::Service, "wiki");
    assert_eq!(
        what.endpoints,
        [NamedEndpoint {
            resource: Some(service),
            ..named("wiki.home", 443)
        }]
    );
    assert!(Sweep::configured(&Config::default()).is_empty());
}

#[test]
fn endpoints_are_understood_as_people_write_them() {
    for (text, host, port) in [
        ("wiki.home:8443", "wiki.home", 8443),
        ("wiki.home", "wiki.home", 443),
        ("10.0.0.1:1", "10.0.0.1", 1),
        ("[::1]:8443", "::1", 8443),
        ("[::1]", "::1", 443),
        ("::1", "::1", 443),
        ("https://user:secret@wiki.home:8443/x?y", "wiki.home", 8443),
        ("https://wiki.home", "wiki.home", 443),
    ] {
        let found = endpoint(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((found.host.as_str(), found.port), (host, port), "{text}");
    }
    for text in ["", ":443", "a:0", "a:99999", "a b:1", "[x]:1", "a:1:2"] {
        assert_eq!(endpoint(text), None, "{text}");
    }
}

fn container(name: &str, status: ContainerStatus, ports: &[(Option<u16>, &str)]) -> Resource {
    let ports = ports.iter().map(|(published, on)| ContainerPort {
        container: 443,
        published: *published,
        published_on: (!on.is_empty()).then(|| (*on).to_owned()),
    });
    Resource {
        id: ResourceId::container("atlas", name),
        health: Health::Healthy,
        reason: String::new(),
        depends_on: Vec::new(),
        runs_on: None,
        facts: Facts::Container(Box::new(ContainerFacts {
            status,
            ports: ports.collect(),
            ..ContainerFacts::default()
        })),
        metrics: Default::default(),
        read_at: now(),
    }
}

#[test]
fn published_ports_are_reached_where_their_engine_is() {
    use ContainerStatus::{Exited, Running};
    let all = [
        container(
            "wiki",
            Running,
            &[
                (Some(1), "0.0.0.0"),
                (Some(1), ""),
                (Some(2), "::"),
                (Some(3), "10.0.0.7"),
                (Some(4), "127.0.0.1"),
                (None, ""),
            ],
        ),
        container("ended", Exited, &[(Some(9), "0.0.0.0")]),
    ];
    let at = |host: Option<&str>| {
        let engine = Docker {
            host: host.map(str::to_owned),
            ..Docker::default()
        };
        let found = published(&all, &engine);
        found
            .into_iter()
            .map(|one| format!("{} {}", one.host, one.port))
            .collect::<Vec<_>>()
    };
    let here = ["10.0.0.7 3", "127.0.0.1 1", "127.0.0.1 4", "::1 2"];
    for host in [
        None,
        Some("unix:///run/docker.sock"),
        Some("tcp://127.0.0.1:2375"),
    ] {
        assert_eq!(at(host), here, "{host:?}");
    }
    assert_eq!(
        at(Some("tcp://nas.home:2375")),
        ["10.0.0.7 3", "nas.home 1", "nas.home 2"]
    );
}
