//! The PostgreSQL part against a real server, and against listeners that only pretend.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use sqlx::{Connection, PgConnection};
use steward_api::{DatabaseFacts, Facts, Health, Metric, Resource, ResourceId, ResourceKind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{
    Candidate, PostgresSource,
    test_server::{PASSWORD, TestServer},
};
use crate::{
    config::{Config, PostgresTarget},
    ports::{Clock, Depth, Observation, Source},
};

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

fn target(name: &str, url: &str) -> PostgresTarget {
    PostgresTarget {
        name: name.to_owned(),
        url: SecretString::from(url),
        container: None,
    }
}

fn candidate(container: &str, image: &str, port: u16) -> Candidate {
    Candidate {
        container: container.to_owned(),
        image: image.to_owned(),
        ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        port,
        published: None,
        running: true,
    }
}

/// A source and the candidates that it will be told, which the test may change.
fn source(
    configured: Vec<PostgresTarget>,
    candidates: Vec<Candidate>,
    limit: SignedDuration,
) -> (PostgresSource, Arc<Mutex<Vec<Candidate>>>) {
    let mut config = Config::default();
    config.node.name = "atlas".to_owned();
    config.databases.postgres = configured;
    config.databases.timeout = limit;
    let candidates = Arc::new(Mutex::new(candidates));
    let told = Arc::clone(&candidates);
    let source = PostgresSource::new(
        &config,
        Arc::new(Fixed),
        Arc::new(move || told.lock().unwrap().clone()),
    );
    (source, candidates)
}

const PATIENT: SignedDuration = SignedDuration::from_secs(20);
const HASTY: SignedDuration = SignedDuration::from_millis(500);

async fn observe(source: &PostgresSource) -> Observation {
    let observation = source.observe(Depth::Cycle).await.unwrap();
    assert!(
        !format!("{observation:?}").contains(PASSWORD),
        "the password is in {observation:?}"
    );
    observation
}

async fn only(source: &PostgresSource) -> Resource {
    let mut observation = observe(source).await;
    assert_eq!(observation.resources.len(), 1, "{observation:?}");
    observation.resources.remove(0)
}

fn facts(resource: &Resource) -> &DatabaseFacts {
    match &resource.facts {
        Facts::Database(facts) => facts,
        other => panic!("{other:?}"),
    }
}

async fn execute(connection: &mut PgConnection, statement: &'static str) {
    sqlx::raw_sql(statement).execute(connection).await.unwrap();
}

#[tokio::test]
async fn a_server_with_a_url_tells_its_version_and_connections_until_it_is_full() {
    let Some(server) =
        TestServer::start(&["max_connections=10", "superuser_reserved_connections=3"])
    else {
        return;
    };
    let mut admin = server.connect().await;
    execute(&mut admin, "CREATE ROLE app LOGIN PASSWORD 'app-password'").await;
    let app_url = server.url("app", "app-password");
    let (source, _) = source(
        vec![
            target("admin", &server.url("postgres", PASSWORD)),
            target("app", &app_url),
        ],
        Vec::new(),
        PATIENT,
    );
    let observation = observe(&source).await;
    assert_eq!(observation.recheck_in, None);
    assert_eq!(observation.unreadable, []);
    let alone = source.read_one(&observation.resources[0].id).await.unwrap();
    let alone = alone.expect("it is one of this source's");
    assert_eq!(alone.id, observation.resources[0].id);
    assert_eq!(facts(&alone).connected, Some(true));
    for stranger in [
        ResourceId::new("atlas", ResourceKind::Database, "stranger"),
        ResourceId::container("atlas", "admin"),
        ResourceId::new("boreas", ResourceKind::Database, "admin"),
    ] {
        assert_eq!(source.read_one(&stranger).await.unwrap(), None);
    }
    for database in &observation.resources {
        assert_eq!(database.health, Health::Healthy, "{database:?}");
        let facts = facts(database);
        assert_eq!(facts.engine, "postgresql");
        assert_eq!(facts.address, format!("127.0.0.1:{}/postgres", server.port));
        assert_eq!(facts.connected, Some(true));
        // Both look at the same time: besides the test's own connection each may see the other's.
        assert!(
            (1..=2).contains(&facts.connections_used.unwrap()),
            "{facts:?}"
        );
        assert_eq!(facts.connections_max, Some(7));
        let version = facts.version.as_deref().unwrap();
        let major: u32 = version.split('.').next().unwrap().parse().unwrap();
        assert!(major >= 10, "{version}");
        assert!(database.metrics[&Metric::LatencyMs] > 0.0);
    }

    let mut held = Vec::new();
    while held.len() < 6 {
        held.push(PgConnection::connect(&app_url).await.unwrap());
    }
    let observation = observe(&source).await;
    let by_name = |observation: &Observation, name: &str| -> Resource {
        let found = observation
            .resources
            .iter()
            .find(|resource| resource.id.name == name);
        found.unwrap().clone()
    };
    let admin_view = by_name(&observation, "admin");
    assert_eq!(facts(&admin_view).connections_used, Some(7));
    assert!((admin_view.metrics[&Metric::ConnectionsPercent] - 100.0).abs() < 0.01);
    let app_view = by_name(&observation, "app");
    assert_eq!(app_view.health, Health::Degraded);
    assert_eq!(facts(&app_view).connected, Some(true));
    assert_eq!(facts(&app_view).connections_used, None, "nobody counted");
    assert!((app_view.metrics[&Metric::ConnectionsPercent] - 100.0).abs() < 0.01);
    assert!(
        app_view.reason.contains("takes no more connections"),
        "{}",
        app_view.reason
    );
    assert_eq!(observation.recheck_in, Some(Duration::from_secs(15)));

    // With the reserve gone too, the server turns away even those that only knock.
    while let Ok(connection) = PgConnection::connect(&server.url("postgres", PASSWORD)).await {
        held.push(connection);
    }
    let (knocking, _) = self::source(
        Vec::new(),
        vec![candidate("db", "postgres:15", server.port)],
        PATIENT,
    );
    let full = only(&knocking).await;
    assert_eq!(full.health, Health::Degraded, "{full:?}");
    assert!(
        full.reason.contains("takes no more connections"),
        "{}",
        full.reason
    );
    assert!((full.metrics[&Metric::ConnectionsPercent] - 100.0).abs() < 0.01);

    for connection in held {
        connection.close().await.unwrap();
    }
    // A server needs a moment to notice that clients have left.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let app = by_name(&observe(&source).await, "app");
        if app.health == Health::Healthy && facts(&app).connections_used < Some(3) {
            break;
        }
        assert!(Instant::now() < deadline, "{app:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn wrong_credentials_are_no_outage_and_a_stopped_server_is() {
    let Some(mut server) = TestServer::start(&[]) else {
        return;
    };
    let wrong = server.url("postgres", "wrong-password");
    let missing = format!(
        "postgres://postgres:{PASSWORD}@127.0.0.1:{}/nowhere",
        server.port
    );
    let (source, _) = source(
        vec![target("missing", &missing), target("wrong", &wrong)],
        Vec::new(),
        PATIENT,
    );
    let observation = observe(&source).await;
    let [missing, wrong] = &observation.resources[..] else {
        panic!("{observation:?}")
    };
    assert_eq!(wrong.health, Health::Degraded);
    assert_eq!(wrong.reason, "the password was refused");
    assert_eq!(facts(wrong).connected, Some(true));
    assert_eq!(facts(wrong).connections_used, None);
    assert!(!format!("{observation:?}").contains("wrong-password"));
    assert_eq!(missing.health, Health::Degraded);
    assert!(missing.reason.contains("nowhere"), "{}", missing.reason);

    let (source, _) = self::source(
        vec![target("main", &server.url("postgres", PASSWORD))],
        Vec::new(),
        PATIENT,
    );
    assert_eq!(only(&source).await.health, Health::Healthy);
    server.stop();
    let gone = only(&source).await;
    assert_eq!(gone.health, Health::Unhealthy);
    assert_eq!(facts(&gone).connected, Some(false));
    assert_eq!(gone.reason, "connection refused");
    assert!(gone.metrics.is_empty());
    server.start_again();
    assert_eq!(only(&source).await.health, Health::Healthy);
}

#[tokio::test]
async fn a_container_is_found_confirmed_lost_and_found_again() {
    let Some(mut server) = TestServer::start(&[]) else {
        return;
    };
    let found = Candidate {
        published: Some(server.port),
        ip: Some("127.0.0.1".parse().unwrap()),
        ..candidate("shop-db", "docker.io/library/postgres:15-alpine", 1)
    };
    let (source, candidates) = source(Vec::new(), vec![found.clone()], PATIENT);
    let database = only(&source).await;
    assert_eq!(database.id.to_string(), "atlas/database/shop-db");
    assert_eq!(database.health, Health::Healthy, "{database:?}");
    assert_eq!(facts(&database).connected, Some(true));
    assert_eq!(facts(&database).connections_used, None);
    assert_eq!(
        facts(&database).address,
        format!("127.0.0.1:{}", server.port),
        "by the published port, since nothing listens on the other"
    );
    assert_eq!(
        database.depends_on[0].on.to_string(),
        "atlas/container/shop-db"
    );
    assert!(database.metrics[&Metric::LatencyMs] > 0.0);
    assert!(!database.metrics.contains_key(&Metric::ConnectionsPercent));

    server.stop();
    let lost = only(&source).await;
    assert_eq!(lost.health, Health::Unhealthy, "it was one once");
    assert_eq!(facts(&lost).connected, Some(false));

    candidates.lock().unwrap()[0].running = false;
    let stopped = only(&source).await;
    assert_eq!(stopped.health, Health::Unknown);
    assert_eq!(stopped.reason, "its container does not run");

    candidates.lock().unwrap()[0].running = true;
    server.start_again();
    assert_eq!(only(&source).await.health, Health::Healthy);

    candidates.lock().unwrap().clear();
    assert!(observe(&source).await.resources.is_empty(), "gone");
}

#[tokio::test]
async fn a_server_that_asks_nobody_for_a_password_is_left_politely() {
    let Some(server) = TestServer::start(&["log_connections=on", "log_disconnections=on"]) else {
        return;
    };
    std::fs::write(
        server.path("data/pg_hba.conf"),
        "host all steward 127.0.0.1/32 trust\nhost all postgres 127.0.0.1/32 scram-sha-256\n",
    )
    .unwrap();
    let mut admin = server.connect().await;
    execute(&mut admin, "SELECT pg_reload_conf()").await;
    let (source, _) = source(
        Vec::new(),
        vec![candidate("db", "postgres", server.port)],
        PATIENT,
    );
    // There is no role of that name: the server says so, and that is an answer.
    assert_eq!(only(&source).await.health, Health::Healthy);
    execute(&mut admin, "CREATE ROLE steward LOGIN").await;
    assert_eq!(only(&source).await.health, Health::Healthy);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let log = std::fs::read_to_string(server.path("log")).unwrap();
        if log.contains("disconnection: session time") && log.contains("user=steward") {
            assert!(
                !log.contains("unexpected EOF on client connection"),
                "{log}"
            );
            break;
        }
        assert!(Instant::now() < deadline, "{log}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the test makes a certificate for its server"
)]
fn certificate(folder: &std::path::Path) -> Option<(Vec<u8>, Vec<u8>)> {
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=db",
            "-keyout", "made.key", "-out", "made.crt",
        ])
        .current_dir(folder)
        .output()
        .ok()?;
    assert!(made.status.success(), "{made:?}");
    Some((
        std::fs::read(folder.join("made.key")).unwrap(),
        std::fs::read(folder.join("made.crt")).unwrap(),
    ))
}

#[tokio::test]
async fn a_server_with_tls_is_recognised() {
    let Some(mut server) = TestServer::start(&[]) else {
        return;
    };
    let Some((key, certificate)) = certificate(&server.path("")) else {
        println!("skipped: there is no openssl here");
        return;
    };
    server.stop();
    let (key, certificate) = (
        server.add_file("server.key", &key),
        server.add_file("server.crt", &certificate),
    );
    server.set(&format!(
        " -c ssl=on -c ssl_key_file={} -c ssl_cert_file={}",
        key.display(),
        certificate.display()
    ));
    server.start_again();
    let url = server.url("postgres", PASSWORD);
    let (source, _) = source(
        vec![
            target("encrypted", &format!("{url}?sslmode=require")),
            // Nobody whom this host trusts has signed the server's certificate.
            target("verified", &format!("{url}?sslmode=verify-full")),
        ],
        Vec::new(),
        PATIENT,
    );
    let observation = observe(&source).await;
    let [encrypted, verified] = &observation.resources[..] else {
        panic!("{observation:?}")
    };
    assert_eq!(encrypted.health, Health::Healthy, "{encrypted:?}");
    assert!(facts(encrypted).connections_used.is_some());
    assert_eq!(verified.health, Health::Degraded, "{verified:?}");
    assert_eq!(facts(verified).connected, Some(true), "it does answer");
    assert!(verified.reason.contains("TLS"), "{}", verified.reason);
    assert_eq!(observation.unreadable.len(), 1);

    let (source, _) = self::source(
        Vec::new(),
        vec![candidate("db", "postgres", server.port)],
        PATIENT,
    );
    assert_eq!(only(&source).await.health, Health::Healthy);
}

/// A listener that takes connections and treats each as told; ends with the test's runtime.
async fn pretender(answers: &'static [&'static [u8]]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                for answer in answers {
                    if !matches!(stream.read(&mut buffer).await, Ok(1..)) {
                        return;
                    }
                    let _ = stream.write_all(answer).await;
                }
                // Stays until the other leaves.
                while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
            });
        }
    });
    address
}

#[tokio::test]
async fn a_listener_that_says_nothing_ends_in_a_timeout() {
    let silent = pretender(&[]).await;
    let (source, _) = source(
        vec![target(
            "main",
            &format!("postgres://me:{PASSWORD}@{silent}/db"),
        )],
        vec![Candidate {
            ip: Some("127.0.0.2".parse().unwrap()),
            published: Some(silent.port()),
            ..candidate("db", "postgres", 1)
        }],
        HASTY,
    );
    let began = Instant::now();
    let observation = observe(&source).await;
    assert!(began.elapsed() < source.timeout());
    assert!(began.elapsed() < Duration::from_secs(3));
    let main = &observation.resources[0];
    assert_eq!(main.id.name, "main");
    assert_eq!(main.health, Health::Unhealthy);
    assert_eq!(main.reason, "no answer within 0.5 s");
}

#[tokio::test]
async fn what_is_no_postgresql_is_not_reported_and_what_may_be_is_unknown() {
    let web = pretender(&[b"HTTP/1.1 400 Bad Request\r\n\r\n"]).await;
    // A greeting that begins like a yes or no, as other protocols' may.
    let other = pretender(&[b"N", b"\x00\x00\x00\x08hello"]).await;
    let garbled = pretender(&[b"N", b"E\xff\xff\xff\xff\x80\x81"]).await;
    let silent = pretender(&[]).await;
    let (source, _) = source(
        Vec::new(),
        vec![
            candidate("web", "nginx", web.port()),
            candidate("exporter", "postgres-exporter", web.port()),
            candidate("other", "my-postgres-tool", other.port()),
            candidate("garbled", "my-postgres-tool", garbled.port()),
            candidate("job", "postgres:16", silent.port()),
        ],
        HASTY,
    );
    let job = only(&source).await;
    assert_eq!(job.id.name, "job");
    assert_eq!(job.health, Health::Unknown);
    assert!(job.reason.contains("not confirmed"), "{}", job.reason);
    assert_eq!(facts(&job).connected, None);
    assert_eq!(observe(&source).await.recheck_in, None);
}

#[tokio::test]
async fn a_server_that_starts_up_is_degraded() {
    let starting = pretender(&[
        b"N",
        b"E\0\0\0\x4cSFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0Fpostmaster.c\0\0",
    ])
    .await;
    let starved = pretender(&[b"Ecould not fork new process for connection: no memory\n\0"]).await;
    let (source, _) = source(
        Vec::new(),
        vec![
            candidate("starting", "postgres", starting.port()),
            candidate("starved", "postgres", starved.port()),
        ],
        HASTY,
    );
    let observation = observe(&source).await;
    for (database, words) in observation
        .resources
        .iter()
        .zip(["the database system is starting up", "could not fork"])
    {
        assert_eq!(database.health, Health::Degraded, "{database:?}");
        assert_eq!(facts(database).connected, Some(true));
        assert!(database.reason.contains(words), "{}", database.reason);
    }
    assert_eq!(observation.recheck_in, Some(Duration::from_secs(15)));
}

#[tokio::test]
async fn a_configured_server_and_its_container_are_one() {
    let closed = {
        let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        gone.local_addr().unwrap().port()
    };
    let container = |name: &str, running| Candidate {
        ip: Some("127.0.0.9".parse().unwrap()),
        published: Some(closed),
        running,
        ..candidate(name, "postgres", 5432)
    };
    let url = format!("postgres://me:{PASSWORD}@localhost:{closed}/db");
    let (source, candidates) = source(
        vec![target("main", &url)],
        vec![container("shop-db", true)],
        HASTY,
    );
    let main = only(&source).await;
    assert_eq!(main.health, Health::Unhealthy);
    assert_eq!(
        facts(&main).container.as_ref().unwrap().to_string(),
        "atlas/container/shop-db"
    );
    *candidates.lock().unwrap() = vec![container("shop-db", false)];
    let main = only(&source).await;
    assert_eq!(main.health, Health::Unknown);
    assert_eq!(main.reason, "its container does not run");

    let (broken, _) = self::source(
        vec![target("main", &format!("postgres:/me:{PASSWORD}@x"))],
        Vec::new(),
        HASTY,
    );
    let main = only(&broken).await;
    assert_eq!(main.health, Health::Unknown);
    assert!(main.reason.contains("can't be understood"));
}
