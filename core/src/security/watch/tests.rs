//! What readings come to: resources from findings, what is read once, what is not known.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use steward_api::{
    CertificateFault, CertificateScan, Facts, Health, OpenPort, Package, ResourceId, ScanPart,
    SignInPattern, SignInSource,
};

use super::{ImageSource, Keeper, certificates, ports, sign_ins};
use crate::{
    ports::{
        Advisories, Clock, ConfigurationProbe, ContainerConfiguration, ContainerConfigurations,
        Coverage, Depth, Documents, Found, FoundImage, ImageFiles, ImageReader, Progress,
        ReadLimits, ScanError, Source, StoreError, VulnerabilityDatabase, WantedFiles, later,
    },
    security::images::{ImageScanner, Judge},
};

const NODE: &str = "atlas";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A clock that a test moves.
struct Hands(Mutex<Timestamp>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

#[derive(Default)]
struct Shelf(Mutex<BTreeMap<String, (Timestamp, String)>>);

#[async_trait]
impl Documents for Shelf {
    async fn kept(&self, _: &str, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .get(name)
            .map(|(_, text)| text.clone()))
    }
    async fn keep(&self, _: &str, name: &str, at: Timestamp, text: &str) -> Result<(), StoreError> {
        let mut shelf = self.0.lock().unwrap();
        shelf.insert(name.to_owned(), (at, text.to_owned()));
        Ok(())
    }
    async fn forget(&self, _: &str, begins: &str, before: Timestamp) -> Result<(), StoreError> {
        let mut shelf = self.0.lock().unwrap();
        shelf.retain(|name, (at, _)| !name.starts_with(begins) || *at >= before);
        Ok(())
    }
}

/// An engine with images `a` and `b`, a data base that may be silent; both count what they are asked.
#[derive(Default)]
struct World {
    reads: AtomicUsize,
    matches: AtomicUsize,
    is_silent: Mutex<bool>,
    running: Mutex<Vec<&'static str>>,
}

#[async_trait]
impl ImageReader for World {
    async fn find(&self, name: &str) -> Result<FoundImage, ScanError> {
        Ok(FoundImage {
            image: format!("{name}:1"),
            image_id: format!("sha256:{name}"),
            containers: Vec::new(),
            readable: Some(name.to_owned()),
        })
    }
    async fn read(
        &self,
        _: &FoundImage,
        _: WantedFiles,
        _: ReadLimits,
    ) -> Result<ImageFiles, ScanError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let lock =
            br#"{"lockfileVersion":3,"packages":{"node_modules/lodash":{"version":"4.17.20"}}}"#;
        Ok(ImageFiles {
            files: BTreeMap::from([("app/package-lock.json".to_owned(), lock.to_vec())]),
            gaps: Vec::new(),
        })
    }
    async fn finished(&self) {}
}

#[async_trait]
impl VulnerabilityDatabase for World {
    async fn advisories(
        &self,
        packages: &[Package],
        _: Progress<'_>,
    ) -> Result<Advisories, ScanError> {
        self.matches.fetch_add(1, Ordering::Relaxed);
        assert_eq!(packages.len(), 1);
        if *self.is_silent.lock().unwrap() {
            return Err(ScanError::Knowledge {
                what: "OSV".to_owned(),
                reason: "nobody is there".to_owned(),
            });
        }
        Ok(Advisories {
            source: "OSV".to_owned(),
            are_judged: true,
            ..Advisories::default()
        })
    }
}

#[async_trait]
impl ConfigurationProbe for World {
    async fn configurations(&self) -> Result<ContainerConfigurations, String> {
        let containers = self.running.lock().unwrap().clone();
        Ok(ContainerConfigurations {
            containers: containers
                .into_iter()
                .map(|name| ContainerConfiguration {
                    container: ResourceId::container(NODE, name),
                    image: format!("{name}:1"),
                    running: true,
                    privileged: false,
                    host_network: false,
                    host_pid: false,
                    user: String::new(),
                    added_capabilities: Vec::new(),
                    mounts: Vec::new(),
                    secret_variables: Vec::new(),
                    published: Vec::new(),
                })
                .collect(),
            ..ContainerConfigurations::default()
        })
    }
}

fn images(world: &Arc<World>, hands: &Arc<Hands>, shelf: &Arc<Shelf>, judge: &str) -> ImageSource {
    ImageSource {
        keeper: Keeper {
            node: NODE.to_owned(),
            documents: Arc::clone(shelf) as Arc<dyn Documents>,
        },
        clock: Arc::clone(hands) as Arc<dyn Clock>,
        configurations: Arc::clone(world) as Arc<dyn ConfigurationProbe>,
        scanner: ImageScanner {
            reader: Arc::clone(world) as Arc<dyn ImageReader>,
            judge: Judge::Database(Arc::clone(world) as Arc<dyn VulnerabilityDatabase>),
            exploited: Arc::default(),
            gaps: Vec::new(),
            timeout: Duration::from_secs(5),
            clock: Arc::clone(hands) as Arc<dyn Clock>,
        },
        judge: judge.to_owned(),
    }
}

#[tokio::test]
async fn an_image_is_read_once_for_its_id_and_matched_anew_each_day() {
    let world = Arc::new(World::default());
    *world.running.lock().unwrap() = vec!["a", "b"];
    let hands = Arc::new(Hands(Mutex::new(at("2026-03-10T10:00:00Z"))));
    let shelf = Arc::new(Shelf::default());
    let counts = || {
        (
            world.reads.load(Ordering::Relaxed),
            world.matches.load(Ordering::Relaxed),
        )
    };
    let turn = |by: SignedDuration| {
        let mut now = hands.0.lock().unwrap();
        *now = later(*now, by);
    };
    let first = images(&world, &hands, &shelf, "osv");
    let read = first.observe(Depth::Full).await.unwrap();
    assert_eq!(counts(), (2, 2));
    assert_eq!(read.coverage, Coverage::Complete);
    assert_eq!(read.resources.len(), 2);
    assert!(
        read.resources
            .iter()
            .all(|one| one.health == Health::Healthy)
    );
    // An hour later nothing is asked, also not by an agent that has begun anew.
    turn(SignedDuration::from_hours(1));
    first.observe(Depth::Full).await.unwrap();
    let second = images(&world, &hands, &shelf, "osv");
    second.observe(Depth::Full).await.unwrap();
    assert_eq!(counts(), (2, 2));
    // A day later it is matched anew, from what was read.
    turn(SignedDuration::from_hours(24));
    second.observe(Depth::Full).await.unwrap();
    assert_eq!(counts(), (2, 4));
    // Another judge reads it himself.
    let other = images(&world, &hands, &shelf, "osv archive /var/lib/osv");
    other.observe(Depth::Full).await.unwrap();
    assert_eq!(counts(), (4, 6));
    // What nobody runs any more is forgotten after a while.
    *world.running.lock().unwrap() = vec!["a"];
    turn(SignedDuration::from_hours(24 * 31));
    other.observe(Depth::Full).await.unwrap();
    let kept: Vec<String> = shelf.0.lock().unwrap().keys().cloned().collect();
    assert_eq!(kept, ["security/image/sha256:a"]);
}

#[tokio::test]
async fn a_data_base_that_is_silent_is_asked_once_and_nothing_counts_as_clean() {
    let world = Arc::new(World::default());
    *world.running.lock().unwrap() = vec!["a", "b", "c"];
    *world.is_silent.lock().unwrap() = true;
    let hands = Arc::new(Hands(Mutex::new(at("2026-03-10T10:00:00Z"))));
    let source = images(&world, &hands, &Arc::new(Shelf::default()), "osv");
    let read = source.observe(Depth::Full).await.unwrap();
    assert_eq!(world.matches.load(Ordering::Relaxed), 1);
    assert_eq!(read.resources.len(), 3);
    assert!(
        read.resources
            .iter()
            .all(|one| one.health == Health::Unknown)
    );
    let found = read.security.unwrap();
    assert_eq!(found.found, Found::Images(Vec::new()));
    assert_eq!(found.gaps.len(), 3);
    assert_eq!(found.found.part(), ScanPart::Vulnerabilities);
}

#[test]
fn a_certificate_that_is_shown_at_two_places_is_one() {
    let scan = |place: &str, fingerprint: &str| CertificateScan {
        place: place.to_owned(),
        resource: None,
        subject: "CN=wiki".to_owned(),
        names: vec!["wiki.lan".to_owned()],
        issuer: "CN=house".to_owned(),
        not_before: at("2026-01-01T00:00:00Z"),
        not_after: at("2026-06-01T00:00:00Z"),
        key: "ECDSA P-256".to_owned(),
        fingerprint: fingerprint.to_owned(),
        faults: vec![(CertificateFault::SelfSigned, "it signed itself".to_owned())],
    };
    let made = certificates::of_scans(
        NODE,
        &[
            scan("b:443", "f1"),
            scan("a:443", "f1"),
            scan("c:443", "f2"),
        ],
        at("2026-03-01T00:00:00Z"),
    );
    let names: Vec<&str> = made.iter().map(|one| one.id.name.as_str()).collect();
    assert_eq!(names, ["a:443", "c:443"]);
    let Facts::Certificate(facts) = &made[0].facts else {
        panic!("{made:?}");
    };
    assert_eq!(facts.also_at, ["b:443"]);
    assert_eq!(facts.faults.len(), 1);
}

#[test]
fn who_stopped_trying_is_no_attacker_any_more() {
    let now = at("2026-03-10T10:00:00Z");
    let source = |address: &str, pattern, last: &str| SignInSource {
        address: Some(address.parse().unwrap()),
        service: "sshd".to_owned(),
        resource: ResourceId::host(NODE),
        pattern,
        failures: 40,
        successes: 0,
        peak: 40,
        users: 1,
        user_examples: vec!["root".to_owned()],
        first_at: at("2026-03-09T12:00:00Z"),
        last_at: at(last),
        own: None,
        evidence: Vec::new(),
    };
    let made = sign_ins::of_sources(
        NODE,
        &[
            source(
                "203.0.113.1",
                SignInPattern::BruteForce,
                "2026-03-10T09:30:00Z",
            ),
            source(
                "203.0.113.2",
                SignInPattern::BruteForce,
                "2026-03-09T13:00:00Z",
            ),
            source("203.0.113.3", SignInPattern::Few, "2026-03-10T09:59:00Z"),
        ],
        later(now, -SignedDuration::from_mins(70)),
        now,
    );
    let Facts::SignIn(facts) = &made[0].facts else {
        panic!("{made:?}");
    };
    assert_eq!(
        (facts.sources, facts.attacking, facts.failures),
        (3, 1, 120)
    );
}

#[test]
fn one_address_of_a_port_that_nobody_expects_is_enough() {
    let port = |address: &str, expected: Option<&str>, is_exposed| OpenPort {
        transport: "tcp".to_owned(),
        address: address.parse().unwrap(),
        port: 8080,
        program: Some("nginx".to_owned()),
        container: None,
        is_exposed,
        expected: expected.map(str::to_owned),
        first_seen: None,
    };
    let made = ports::of_ports(
        NODE,
        &[
            port("192.168.1.2", Some("configured"), true),
            port("203.0.113.1", None, true),
            port("127.0.0.1", None, false),
        ],
        at("2026-03-10T10:00:00Z"),
    );
    assert_eq!(made.len(), 1);
    let Facts::Port(facts) = &made[0].facts else {
        panic!("{made:?}");
    };
    assert_eq!(made[0].id.name, "8080/tcp");
    assert_eq!(facts.expected, None);
    assert_eq!(facts.addresses.len(), 1);
}
