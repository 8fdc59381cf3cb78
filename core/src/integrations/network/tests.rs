//! The network's part against a DNS server and listeners of the test's own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use jiff::{SignedDuration, Timestamp};
use steward_api::{Facts, Health, Metric, NetworkFacts, Resource};
use tokio::net::{TcpListener, UdpSocket};

use super::{NetworkSource, observe::Resolving};
use crate::{
    config::Config,
    ports::{Clock, Coverage, Depth, NameProbe as _, Observation, Source},
};

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

/// How the DNS server behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Knows `good.example`, and that there is no other name.
    Knows,
    /// Answers that it has failed.
    Fails,
    /// Says nothing.
    Silent,
}

/// A DNS server that ends with the test's runtime, and how often it was asked.
async fn dns_server(manner: Manner) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            counter.fetch_add(1, Ordering::SeqCst);
            if manner != Manner::Silent {
                let answer = answer(&buffer[..length], manner);
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    (address, asked)
}

/// An answer to one question (RFC 1035, section 4.1).
fn answer(query: &[u8], manner: Manner) -> Vec<u8> {
    let mut end = 12;
    let mut name = String::new();
    while query[end] != 0 {
        let length = usize::from(query[end]);
        name.push_str(std::str::from_utf8(&query[end + 1..=end + length]).unwrap());
        name.push('.');
        end += length + 1;
    }
    let is_a = query[end + 2] == 1;
    end += 5;
    let found = manner == Manner::Knows && name.eq_ignore_ascii_case("good.example.");
    let code = match manner {
        Manner::Fails => 2,
        _ if found => 0,
        _ => 3,
    };
    let mut answer = query[..2].to_vec();
    answer.extend([
        0x81,
        0x80 | code,
        0,
        1,
        0,
        u8::from(found && is_a),
        0,
        0,
        0,
        0,
    ]);
    answer.extend(&query[12..end]);
    if found && is_a {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    }
    answer
}

fn source(dns_names: &[&str], outside: &[String], server: Option<SocketAddr>) -> NetworkSource {
    let mut config = Config::default();
    config.node.name = "atlas".to_owned();
    config.network.dns_names = dns_names.iter().map(|&name| name.to_owned()).collect();
    config.network.outside = outside.to_vec();
    config.network.timeout = SignedDuration::from_millis(600);
    let mut source = NetworkSource::new(&config, Arc::new(Fixed));
    if let Some(address) = server {
        let mut server = NameServerConfig::udp(address.ip());
        for connection in &mut server.connections {
            connection.port = address.port();
        }
        source.resolving = Resolving::Given(Box::new((
            ResolverConfig::from_parts(None, Vec::new(), vec![server]),
            ResolverOpts::default(),
        )));
    }
    source
}

async fn observe(source: &NetworkSource) -> Observation {
    source.observe(Depth::Cycle).await.unwrap()
}

fn facts(resource: &Resource) -> &NetworkFacts {
    match &resource.facts {
        Facts::Network(facts) => facts,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn dns_works_while_one_name_resolves_and_every_answer_is_fresh() {
    let (server, asked) = dns_server(Manner::Knows).await;
    let source = source(&["good.example", "gone.example"], &[], Some(server));
    let observation = observe(&source).await;
    assert_eq!(observation.coverage, Coverage::Complete);
    assert_eq!(observation.recheck_in, None);
    assert_eq!(observation.resources.len(), 1, "no places, no outside");
    let dns = &observation.resources[0];
    assert_eq!(dns.id.to_string(), "atlas/network/dns");
    assert_eq!(dns.health, Health::Healthy);
    assert_eq!(facts(dns).reached, ["good.example"]);
    assert_eq!(facts(dns).failed.len(), 1);
    assert!(
        facts(dns).failed[0].starts_with("gone.example: ")
            && facts(dns).failed[0].contains("NXDOMAIN"),
        "{:?}",
        facts(dns).failed
    );
    let latency = dns.metrics[&Metric::LatencyMs];
    assert!(latency > 0.0 && latency < 600.0, "{latency}");

    let before = asked.load(Ordering::SeqCst);
    observe(&source).await;
    assert!(
        asked.load(Ordering::SeqCst) >= before + 2,
        "the second time too the server was asked"
    );
}

#[tokio::test]
async fn dns_that_knows_no_name_fails_or_is_silent_is_unhealthy() {
    for (manner, words) in [
        (Manner::Knows, "NXDOMAIN"),
        (Manner::Fails, "answered"),
        (Manner::Silent, "no answer within 0.6 s"),
    ] {
        let (server, _) = dns_server(manner).await;
        let began = Instant::now();
        let observation = observe(&source(&["gone.example"], &[], Some(server))).await;
        assert!(began.elapsed() < Duration::from_secs(4));
        let dns = &observation.resources[0];
        assert_eq!(dns.health, Health::Unhealthy);
        assert!(dns.reason.contains(words), "{}", dns.reason);
        assert!(dns.metrics.is_empty());
        assert_eq!(observation.recheck_in, Some(Duration::from_secs(15)));
    }
}

#[tokio::test]
async fn a_resolver_configuration_that_cannot_be_read_is_unknown() {
    let folder = tempfile::TempDir::new().unwrap();
    let empty = folder.path().join("resolv.conf");
    std::fs::write(&empty, "# nothing\n").unwrap();
    for path in [PathBuf::from("/nonexistent/resolv.conf"), empty] {
        let mut source = source(&["good.example"], &[], None);
        source.resolving = Resolving::File(path.clone());
        let observation = observe(&source).await;
        assert_eq!(observation.resources[0].health, Health::Unknown);
        assert_eq!(observation.unreadable.len(), 1);
        assert!(
            observation.unreadable[0]
                .error
                .contains(path.to_str().unwrap()),
            "{:?}",
            observation.unreadable
        );
    }
}

#[tokio::test]
async fn the_outside_is_reachable_while_one_place_is() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let open = listener.local_addr().unwrap().to_string();
    let closed = {
        let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        gone.local_addr().unwrap().to_string()
    };
    let observation = observe(&source(&[], &[closed.clone(), open.clone()], None)).await;
    let outside = &observation.resources[0];
    assert_eq!(outside.id.to_string(), "atlas/network/outside");
    assert_eq!(outside.health, Health::Healthy);
    assert_eq!(facts(outside).reached, [open]);
    assert_eq!(
        facts(outside).failed,
        [format!("{closed}: connection refused")]
    );
    assert!(outside.metrics.contains_key(&Metric::LatencyMs));

    let observation = observe(&source(&[], std::slice::from_ref(&closed), None)).await;
    let outside = &observation.resources[0];
    assert_eq!(outside.health, Health::Unhealthy);
    assert!(outside.reason.contains("connection refused"));
    assert_eq!(observation.recheck_in, Some(Duration::from_secs(15)));
}

#[tokio::test]
async fn what_is_not_asked_for_is_not_reported() {
    let observation = observe(&source(&[], &[], None)).await;
    assert!(observation.resources.is_empty() && observation.unreadable.is_empty());
    assert_eq!(observation.recheck_in, None);
}

#[tokio::test]
async fn one_part_needs_the_other_by_how_the_places_are_given() {
    let (server, _) = dns_server(Manner::Knows).await;
    let closed = {
        let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        gone.local_addr().unwrap()
    };
    let needs = |observation: &Observation| -> Vec<(String, Vec<String>)> {
        observation
            .resources
            .iter()
            .map(|resource| {
                let needs = resource.depends_on.iter().map(|d| d.on.name.clone());
                (resource.id.name.clone(), needs.collect())
            })
            .collect()
    };
    let by_address = observe(&source(
        &["good.example"],
        &[closed.to_string()],
        Some(server),
    ))
    .await;
    assert_eq!(
        needs(&by_address),
        [
            ("dns".to_owned(), vec!["outside".to_owned()]),
            ("outside".to_owned(), vec![])
        ]
    );
    let by_name = observe(&source(
        &["good.example"],
        &[format!("localhost:{}", closed.port())],
        Some(server),
    ))
    .await;
    assert_eq!(
        needs(&by_name),
        [
            ("dns".to_owned(), vec![]),
            ("outside".to_owned(), vec!["dns".to_owned()])
        ]
    );
}

#[tokio::test]
async fn names_are_resolved_on_demand_and_each_says_what_came_of_it() {
    let (server, asked) = dns_server(Manner::Knows).await;
    let source = source(&[], &[], Some(server));
    let names = ["good.example".to_owned(), "gone.example".to_owned()];
    let resolved = source.resolve(&names).await;
    assert_eq!(
        resolved.iter().map(|one| &one.name).collect::<Vec<_>>(),
        names.iter().collect::<Vec<_>>()
    );
    let address: std::net::IpAddr = "192.0.2.1".parse().unwrap();
    assert_eq!(resolved[0].addresses, Ok(vec![address]));
    let error = resolved[1].addresses.clone().unwrap_err();
    assert!(error.contains("no such name"), "{error}");
    let before = asked.load(Ordering::SeqCst);
    source.resolve(&names).await;
    assert!(asked.load(Ordering::SeqCst) > before, "never from a cache");
    assert_eq!(source.resolve(&[]).await, []);
}
