//! The HTTP part against servers of the test's own.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    http::StatusCode,
    response::{IntoResponse, Redirect},
    routing::get,
};
use jiff::{SignedDuration, Timestamp};
use steward_api::{Facts, Health, Metric, Resource, ServiceFacts};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::{HttpSource, Target};
use crate::{
    config::{Config, Service},
    ports::{Clock, Coverage, Depth, Observation, Source},
};

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn service(name: &str, url: String) -> Service {
    Service {
        name: name.to_owned(),
        url,
        container: None,
        expect_status: Vec::new(),
        timeout: SignedDuration::from_secs(5),
    }
}

fn source(services: Vec<Service>, targets: Vec<Target>) -> HttpSource {
    let mut config = Config::default();
    config.node.name = "atlas".to_owned();
    config.services = services;
    HttpSource::new(&config, Arc::new(Fixed), Arc::new(move || targets.clone()))
}

async fn observe(source: &HttpSource) -> Observation {
    source.observe(Depth::Cycle).await.unwrap()
}

async fn observe_one(service: Service) -> Resource {
    let mut observation = observe(&source(vec![service], Vec::new())).await;
    assert_eq!(
        observation.recheck_in.is_some(),
        observation.resources[0].health == Health::Unhealthy
    );
    observation.resources.remove(0)
}

fn facts(resource: &Resource) -> &ServiceFacts {
    match &resource.facts {
        Facts::Service(facts) => facts,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_endpoint_is_judged_by_its_status() {
    let server = serve(
        Router::new()
            .route("/ok", get(|| async { "fine" }))
            .route("/down", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
            .route("/teapot", get(|| async { StatusCode::IM_A_TEAPOT }))
            .route("/moved", get(|| async { Redirect::temporary("/ok") })),
    )
    .await;
    let ok = observe_one(service(
        "web",
        format!("http://me:hunter2@{server}/ok?token=hunter2"),
    ))
    .await;
    assert_eq!(ok.id.to_string(), "atlas/service/web");
    assert_eq!(ok.health, Health::Healthy);
    assert_eq!(facts(&ok).status, Some(200));
    assert_eq!(facts(&ok).url, format!("http://{server}/ok"));
    assert!(ok.metrics[&Metric::LatencyMs] > 0.0);
    assert!(!format!("{ok:?}").contains("hunter2"));

    let moved = observe_one(service("web", format!("http://{server}/moved"))).await;
    assert_eq!(
        (moved.health, facts(&moved).status),
        (Health::Healthy, Some(200))
    );

    let down = observe_one(service("web", format!("http://{server}/down"))).await;
    assert_eq!(down.health, Health::Unhealthy);
    assert_eq!(down.reason, "status 503 (Service Unavailable)");
    assert_eq!(facts(&down).error.as_deref(), Some(down.reason.as_str()));
    assert!(
        down.metrics.contains_key(&Metric::LatencyMs),
        "it did answer"
    );

    let expects = |path: &str, status| Service {
        expect_status: vec![status],
        ..service("web", format!("http://{server}{path}"))
    };
    let teapot = observe_one(expects("/teapot", 418)).await;
    assert_eq!(teapot.health, Health::Healthy);
    let wrong = observe_one(expects("/ok", 204)).await;
    assert_eq!(wrong.reason, "status 200 (OK), expected 204");
    let redirect = observe_one(expects("/moved", 307)).await;
    assert_eq!(
        redirect.health,
        Health::Healthy,
        "the redirect itself was wanted"
    );
}

#[tokio::test]
async fn a_failure_is_told_in_words() {
    let server = serve(
        Router::new()
            .route("/loop", get(|| async { Redirect::temporary("/loop") }))
            .route("/slow", get(std::future::pending::<()>)),
    )
    .await;
    let closed = {
        let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        gone.local_addr().unwrap()
    };
    // Accepts and never says a word.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    // Accepts and hangs up.
    let rude = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let rude_address = rude.local_addr().unwrap();
    tokio::spawn(async move { while rude.accept().await.is_ok() {} });

    let failing = |url: String| Service {
        timeout: SignedDuration::from_millis(500),
        ..service("web", url)
    };
    for (url, words) in [
        (
            format!("http://{closed}/?key=hunter2"),
            "connection refused",
        ),
        (
            format!("http://{server}/loop"),
            "redirects more than 5 times",
        ),
        (format!("http://{server}/slow"), "timed out after 0.5 s"),
        (
            format!("http://{}/", silent.local_addr().unwrap()),
            "timed out after 0.5 s",
        ),
        (format!("http://{rude_address}/"), "connection"),
        (
            "http://no-such-name.invalid/".to_owned(),
            "its name can't be resolved",
        ),
    ] {
        let began = Instant::now();
        let mut service = failing(url.clone());
        if url.contains("invalid") {
            // The system's resolver may take its time to say no.
            service.timeout = SignedDuration::from_secs(20);
        }
        let resource = observe_one(service).await;
        assert!(began.elapsed() < Duration::from_secs(25));
        assert_eq!(resource.health, Health::Unhealthy, "{url}");
        if url.contains("invalid") && resource.reason.starts_with("timed out") {
            continue;
        }
        assert!(
            resource.reason.contains(words),
            "{url}: {}",
            resource.reason
        );
        assert!(!resource.reason.contains("hunter2"));
        assert!(resource.metrics.is_empty() && facts(&resource).status.is_none());
    }
}

#[tokio::test]
async fn a_body_without_end_is_not_read() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let server = serve(Router::new().route(
        "/",
        get(move || async move {
            Body::from_stream(futures_util::stream::repeat_with(move || {
                counter.fetch_add(1 << 20, Ordering::SeqCst);
                Ok::<_, std::io::Error>(vec![0u8; 1 << 20])
            }))
            .into_response()
        }),
    ))
    .await;
    let resource = observe_one(service("web", format!("http://{server}/"))).await;
    assert_eq!(resource.health, Health::Healthy);
    assert!(
        sent.load(Ordering::SeqCst) < 64 << 20,
        "{} bytes were taken",
        sent.load(Ordering::SeqCst)
    );
}

#[tokio::test]
async fn labels_and_configuration_are_merged() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let server = serve(Router::new().route(
        "/health",
        get(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            async { "ok" }
        }),
    ))
    .await;
    let url = format!("http://{server}/health");
    let target = |container: &str, health_url: Option<&str>, running| Target {
        container: container.to_owned(),
        health_url: health_url.map(str::to_owned),
        running,
    };
    let source = source(
        vec![
            Service {
                container: Some("db-ui".to_owned()),
                ..service("ui", url.clone())
            },
            service("both", url.clone()),
        ],
        vec![
            target("app", Some(&url), true),
            target("stopped", Some(&url), false),
            target("both", Some("http://127.0.0.1:1/"), true),
            target("typo", Some("localhost:8080/health"), true),
            target("plain", None, true),
            target("db-ui", None, false),
        ],
    );
    let observation = observe(&source).await;
    assert_eq!(observation.coverage, Coverage::Complete);
    let seen: Vec<_> = observation
        .resources
        .iter()
        .map(|resource| (resource.id.name.as_str(), resource.health))
        .collect();
    assert_eq!(
        seen,
        [
            ("app", Health::Healthy),
            ("both", Health::Healthy),
            ("stopped", Health::Unknown),
            ("typo", Health::Unknown),
            ("ui", Health::Unknown),
        ]
    );
    let by_name = |name: &str| {
        observation
            .resources
            .iter()
            .find(|resource| resource.id.name == name)
            .unwrap()
    };
    assert_eq!(
        by_name("app").depends_on[0].on.to_string(),
        "atlas/container/app"
    );
    assert_eq!(by_name("stopped").reason, "its container does not run");
    assert_eq!(by_name("ui").reason, "its container does not run");
    assert!(
        by_name("typo")
            .reason
            .contains("container typo is not an address")
    );
    assert_eq!(observation.unreadable.len(), 1);
    assert_eq!(asked.load(Ordering::SeqCst), 2, "only what runs was asked");
    assert_eq!(observation.recheck_in, None);
}

#[tokio::test]
async fn many_slow_endpoints_are_asked_side_by_side() {
    let server = serve(Router::new().route("/", get(std::future::pending::<()>))).await;
    let services = (0..16)
        .map(|number| Service {
            timeout: SignedDuration::from_secs(1),
            ..service(&format!("s{number}"), format!("http://{server}/"))
        })
        .collect();
    let source = source(services, Vec::new());
    assert_eq!(source.timeout(), Duration::from_secs(6));
    let began = Instant::now();
    let observation = observe(&source).await;
    assert_eq!(observation.resources.len(), 16);
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
}

/// A TLS server of the `openssl` program with a certificate that it signed itself.
struct Tls {
    server: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the test starts a server to talk to"
)]
fn openssl() -> Command {
    Command::new("openssl")
}

/// `None` where there is no openssl here.
fn tls_server(from: &str, until: &str) -> Option<Tls> {
    let folder = TempDir::new().unwrap();
    let run = |arguments: &[&str]| -> Option<()> {
        let output = openssl()
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .ok()?;
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Some(())
    };
    fs::write(
        folder.path().join("ca.cnf"),
        "[ca]\ndefault_ca=d\n[d]\nnew_certs_dir=.\ndatabase=index.txt\nserial=serial\ndefault_md=sha256\npolicy=p\nx509_extensions=x\n\
         [p]\ncommonName=supplied\n[x]\nsubjectAltName=DNS:localhost\n",
    )
    .unwrap();
    fs::write(folder.path().join("index.txt"), "").unwrap();
    fs::write(folder.path().join("serial"), "01\n").unwrap();
    run(&[
        "req",
        "-new",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "key.pem",
        "-subj",
        "/CN=steward test",
        "-out",
        "request.pem",
    ])?;
    run(&[
        "ca",
        "-batch",
        "-config",
        "ca.cnf",
        "-selfsign",
        "-keyfile",
        "key.pem",
        "-in",
        "request.pem",
        "-out",
        "cert.pem",
        "-startdate",
        from,
        "-enddate",
        until,
        "-notext",
    ])?;
    let mut server = openssl()
        .args([
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-cert",
            "cert.pem",
            "-key",
            "key.pem",
            "-www",
        ])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let lines = BufReader::new(server.stdout.take()?).lines();
    let port = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("ACCEPT 127.0.0.1:")?.trim().parse().ok());
    let tls = Tls {
        server,
        port: port.unwrap_or_default(),
        _folder: folder,
    };
    assert_ne!(tls.port, 0, "the server did not say where it listens");
    Some(tls)
}

#[tokio::test]
async fn a_certificate_that_is_not_to_be_trusted_is_told_in_words() {
    for (from, until, words) in [
        ("20200101000000Z", "20200102000000Z", "has expired"),
        (
            "20200101000000Z",
            "20991231000000Z",
            "nobody whom this host trusts",
        ),
        ("20980101000000Z", "20991231000000Z", "is not valid yet"),
    ] {
        let Some(server) = tls_server(from, until) else {
            println!("skipped: there is no openssl here");
            return;
        };
        let resource = observe_one(service(
            "web",
            format!("https://localhost:{}/", server.port),
        ))
        .await;
        assert_eq!(resource.health, Health::Unhealthy);
        assert!(
            resource.reason.contains("TLS certificate") && resource.reason.contains(words),
            "{from}–{until}: {}",
            resource.reason
        );
    }
}
