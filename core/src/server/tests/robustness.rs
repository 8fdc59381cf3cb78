//! Bad days: huge bodies, garbage, panics, crowds, connections that never end.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request, routing::get};
use steward_api::{ErrorCode, ProblemDetails, Role};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::world::{World, problem, tokens};
use crate::server::{App, guarded, router};

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let world = World::new().await;
    let fits = format!(r#"{{"notes":"ok"}}{}"#, " ".repeat(64 * 1024 - 14));
    assert_eq!(fits.len(), 64 * 1024);
    assert_eq!(
        world
            .post("/api/agents/tasks/1/approve", fits.clone())
            .await
            .status(),
        200
    );
    let response = world.post("/api/agents/tasks/1/approve", fits + " ").await;
    assert_eq!(problem(response).await, (413, ErrorCode::TooLarge));
    // The answer arrives although the sender is still sending.
    let response = world
        .post("/api/agents/tasks/1/approve", vec![b' '; 5_000_000])
        .await;
    assert_eq!(problem(response).await, (413, ErrorCode::TooLarge));
    // Without a length said beforehand it is noticed while reading.
    let pieces = (0..40).map(|_| Ok::<_, std::io::Error>(vec![b' '; 4096]));
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let response = world.post("/api/agents/tasks/1/approve", stream).await;
    assert_eq!(problem(response).await, (413, ErrorCode::TooLarge));
}

#[tokio::test]
async fn a_stranger_s_body_is_not_read() {
    let world = World::new().await;
    let response = world
        .request("POST", "/api/autonomy", None)
        .body(vec![b'x'; 4096])
        .send()
        .await
        .unwrap();
    assert_eq!(problem(response).await, (401, ErrorCode::Unauthorized));
}

#[tokio::test]
async fn garbage_on_the_wire_ends_only_its_own_connection() {
    let world = World::new().await;
    let address = world.address.trim_start_matches("http://").to_owned();
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/autonomy HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"GET /%zz%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX: \xff\xfe\r\nConnection: close\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let read =
            tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "the connection must end");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(!answer.starts_with("HTTP/1.1 5"), "{answer}");
    }
    assert_eq!(world.get("/status").await.status(), 200);
}

#[tokio::test]
async fn a_panic_is_a_500_that_tells_nothing() {
    let world = World::new().await;
    let boom = get(async || -> &'static str { panic!("password=hunter2") });
    let app: Router =
        guarded(Router::<Arc<App>>::new().route("/boom", boom)).with_state(Arc::new(App {
            handle: world.handle.clone(),
            tokens: tokens(),
            attempts: Default::default(),
            web: world.web.clone(),
            openapi: Default::default(),
            whole_list: Default::default(),
            verifying: tokio::sync::Semaphore::new(1),
            streams: Arc::new(tokio::sync::Semaphore::new(1)),
            last_seq: Default::default(),
            shutdown: Default::default(),
        }));
    let response = app
        .oneshot(Request::get("/boom").body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let body = axum::body::to_bytes(response.into_body(), 4096)
        .await
        .unwrap();
    let problem: ProblemDetails = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem.code, ErrorCode::Internal);
    assert!(!problem.detail.contains("hunter2"));
}

#[tokio::test]
async fn an_engine_that_has_ended_is_an_error_and_not_a_wait() {
    let world = World::new().await;
    world.engine_ends().await;
    let response = world.post("/api/agents/tasks/1/approve", "").await;
    assert_eq!(problem(response).await, (500, ErrorCode::Internal));
    assert_eq!(
        world.get("/status").await.status(),
        200,
        "what can be read can still be read"
    );
}

#[tokio::test]
async fn it_can_be_called_in_process() {
    let world = World::new().await;
    let request = Request::get("/status")
        .header("X-API-Key", super::world::token(Role::Viewer))
        .body(Body::empty())
        .unwrap();
    let response = router(world.handle.clone(), tokens(), CancellationToken::new())
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_at_once_are_all_answered() {
    let world = World::new().await;
    let paths = [
        "/status",
        "/api/resources",
        "/api/incidents",
        "/api/agents/tasks/pending",
        "/metrics",
    ];
    let requests = (0..1000).map(|index| {
        let world = &world;
        async move {
            world
                .get(paths[index % paths.len()])
                .await
                .status()
                .as_u16()
        }
    });
    let statuses = tokio::time::timeout(
        Duration::from_secs(60),
        futures_util::future::join_all(requests),
    )
    .await
    .unwrap();
    assert!(statuses.iter().all(|status| *status == 200));
}

#[tokio::test]
async fn connections_that_do_nothing_do_not_hold_up_the_end() {
    let mut world = World::new().await;
    let address = world.address.trim_start_matches("http://").to_owned();
    let _silent = TcpStream::connect(&address).await.unwrap();
    let mut half = TcpStream::connect(&address).await.unwrap();
    half.write_all(b"POST /api/autonomy HTTP/1.1\r\nHost: x\r\nContent-Le")
        .await
        .unwrap();
    assert_eq!(world.get("/status").await.status(), 200);
    world.stop();
    tokio::time::timeout(Duration::from_secs(20), &mut world.server)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(
        TcpStream::connect(&address).await.is_err(),
        "no more connections are taken"
    );
}
