//! The client against a real server on a free port: what a user would notice when the agent refuses, talks nonsense, is slow, or
//! loses the connection in the middle of the stream.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::Path,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::{StreamExt, stream};
use secrecy::SecretString;
use serde_json::json;
use steward_api::{
    ApproveRequest, ApproveTask, Channel, Envelope, ErrorCode, Event, GetHealth, GetResource,
    HealContainer, Nothing, Page, ProblemDetails, ResourceId, ResourceIdQuery,
};

use super::{Client, ClientError, StreamEvent};

/// A server on a free port that ends with the test.
struct Server {
    url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(router: Router) -> Server {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        axum::serve(listener, router).await.unwrap();
    });
    Server { url, task }
}

fn client(url: &str) -> Client {
    Client::new(url, SecretString::from("stw_secret"), Channel::Cli).unwrap()
}

fn problem(code: ErrorCode) -> Response {
    let status = StatusCode::from_u16(code.status()).unwrap();
    (status, Json(ProblemDetails::new(code, "because"))).into_response()
}

#[tokio::test]
async fn a_call_carries_token_channel_path_and_body() {
    let seen: Arc<Mutex<Vec<(HeaderMap, Uri, String)>>> = Arc::default();
    let note = seen.clone();
    let server = serve(Router::new().fallback(
        move |headers: HeaderMap, uri: Uri, body: String| async move {
            note.lock().unwrap().push((headers, uri, body));
            Json(json!({"success": true, "message": "Task approved", "task": 4, "requires_approval": false}))
        },
    ))
    .await;
    let body = ApproveRequest {
        notes: "fine".to_owned(),
        ..ApproveRequest::default()
    };
    let reply = client(&server.url)
        .call::<ApproveTask>(Some("12"), &body)
        .await
        .unwrap();
    assert_eq!(reply.message, "Task approved");
    client(&format!("{}/behind/proxy", server.url))
        .call::<HealContainer>(Some("odd/na me"), &Nothing {})
        .await
        .unwrap();
    let seen = seen.lock().unwrap();
    let (headers, uri, body) = &seen[0];
    assert_eq!(headers["authorization"], "Bearer stw_secret");
    assert_eq!(headers["x-steward-channel"], "cli");
    assert_eq!(uri.path(), "/api/agents/tasks/12/approve");
    assert!(body.contains("\"notes\":\"fine\""), "{body}");
    assert_eq!(seen[1].1.path(), "/behind/proxy/monitor/heal/odd%2Fna%20me");
}

#[tokio::test]
async fn a_query_is_encoded() {
    let seen = Arc::new(Mutex::new(String::new()));
    let note = seen.clone();
    let server = serve(Router::new().fallback(move |uri: Uri| async move {
        *note.lock().unwrap() = uri.to_string();
        problem(ErrorCode::ResourceNotFound)
    }))
    .await;
    let input = ResourceIdQuery {
        id: "atlas/disk//var".parse::<ResourceId>().unwrap(),
    };
    let error = client(&server.url)
        .call::<GetResource>(None, &input)
        .await
        .unwrap_err();
    assert_eq!(error.exit_code(), 4);
    assert_eq!(error.to_string(), "No such resource: because");
    assert_eq!(
        *seen.lock().unwrap(),
        "/api/resource?id=atlas%2Fdisk%2F%2Fvar"
    );
}

#[tokio::test]
async fn each_refusal_has_its_exit_code() {
    let server = serve(Router::new().route(
        "/monitor/heal/{code}",
        post(|Path(code): Path<String>| async move {
            problem(serde_json::from_value(json!(code)).unwrap())
        }),
    ))
    .await;
    for (code, exit) in [
        (ErrorCode::BadRequest, 2),
        (ErrorCode::Unauthorized, 6),
        (ErrorCode::Forbidden, 6),
        (ErrorCode::ContainerNotFound, 4),
        (ErrorCode::TaskNotWaiting, 5),
        (ErrorCode::PlanStale, 5),
        (ErrorCode::ApprovalExpired, 5),
        (ErrorCode::TooManyRequests, 1),
        (ErrorCode::Internal, 1),
        (ErrorCode::StoreUnavailable, 7),
        (ErrorCode::EngineUnavailable, 7),
    ] {
        let error = client(&server.url)
            .call::<HealContainer>(Some(code.as_str()), &Nothing {})
            .await
            .unwrap_err();
        assert_eq!(error.exit_code(), exit, "{code}");
        assert!(matches!(error, ClientError::Problem(problem) if problem.code == code));
    }
}

#[tokio::test]
async fn nobody_there_says_what_to_do() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&url)
        .call::<GetHealth>(None, &Nothing {})
        .await
        .unwrap_err();
    assert_eq!(error.exit_code(), 3);
    let text = error.to_string();
    assert!(text.contains(&url), "{text}");
    assert!(text.contains("steward up"), "{text}");
}

#[tokio::test]
async fn a_slow_agent_is_given_up() {
    let server = serve(Router::new().route("/health", get(std::future::pending::<String>))).await;
    let error = client(&server.url)
        .with_timeout(Duration::from_millis(50))
        .call::<GetHealth>(None, &Nothing {})
        .await
        .unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("within 0.05 s"), "{error}");
}

#[tokio::test]
async fn what_is_not_steward_is_told_apart() {
    let server = serve(
        Router::new()
            .route("/html/health", get(|| async { "<html>hello</html>" }))
            .route("/gone/health", get(|| async { StatusCode::IM_A_TEAPOT }))
            .route(
                "/moved/health",
                get(|| async { (StatusCode::FOUND, [("location", "http://elsewhere/")]) }),
            )
            .route("/proxy/health", get(|| async { StatusCode::BAD_GATEWAY })),
    )
    .await;
    let ask = async |path: &str| {
        client(&format!("{}/{path}", server.url))
            .call::<GetHealth>(None, &Nothing {})
            .await
            .unwrap_err()
    };
    for path in ["html", "gone", "moved"] {
        let error = ask(path).await;
        assert!(matches!(error, ClientError::Nonsense { .. }), "{error}");
        assert_eq!(error.exit_code(), 1);
    }
    assert!(
        ask("moved")
            .await
            .to_string()
            .contains("redirects are not followed")
    );
    assert_eq!(ask("proxy").await.exit_code(), 3);
}

#[test]
fn addresses_that_can_not_be_meant_are_refused_without_echoing_passwords() {
    let build = |url: &str| Client::new(url, SecretString::from("t"), Channel::Cli);
    for url in ["", "http://", "ftp://atlas", "http://atlas/?a=1"] {
        assert_eq!(build(url).unwrap_err().exit_code(), 2, "{url}");
    }
    let error = build("http://me:hunter2@atlas").unwrap_err().to_string();
    assert!(!error.contains("hunter2"), "{error}");
    assert_eq!(build("atlas:9470").unwrap().url(), "http://atlas:9470");
    let debug = format!("{:?}", client("http://atlas"));
    assert!(!debug.contains("stw_secret"), "{debug}");
    let broken = Client::new("http://atlas", SecretString::from("a\nb"), Channel::Cli);
    assert_eq!(broken.unwrap_err().exit_code(), 2);
}

fn entry(seq: i64) -> Envelope {
    Envelope {
        seq,
        node: "atlas".to_owned(),
        at: "2026-01-02T03:04:05Z".parse().unwrap(),
        event: Event::SourceUp {
            source: format!("s{seq}"),
        },
        hash: "h".to_owned(),
    }
}

fn message(seq: i64) -> String {
    format!(
        "event: source_up\nid: {seq}\ndata: {}\n\n",
        serde_json::to_string(&entry(seq)).unwrap()
    )
}

fn sse(chunks: Vec<String>) -> Response {
    let body =
        axum::body::Body::from_stream(stream::iter(chunks.into_iter().map(Ok::<_, Infallible>)));
    ([("content-type", "text/event-stream")], body).into_response()
}

/// A journal whose head is 4, and a stream that breaks after two entries, then goes on, then has the reader reload.
fn breaking_agent(asked: Arc<Mutex<Vec<String>>>) -> Router {
    let connections = Arc::new(AtomicUsize::new(0));
    let head = connections.clone();
    Router::new()
        .route(
            "/api/journal",
            get(move || async move {
                let newest = if head.load(Ordering::SeqCst) == 0 {
                    4
                } else {
                    40
                };
                Json(Page {
                    items: vec![entry(newest)],
                    next: None,
                })
            }),
        )
        .route(
            "/api/events",
            get(move |headers: HeaderMap| async move {
                let last = headers["last-event-id"].to_str().unwrap().to_owned();
                asked.lock().unwrap().push(last);
                match connections.fetch_add(1, Ordering::SeqCst) {
                    0 => {
                        // Ends in the middle of a message.
                        let mut cut = message(7);
                        cut.truncate(40);
                        sse(vec![
                            "retry: 1\n\n: alive\n\nevent: greeting\ndata: of a later version\n\n"
                                .to_owned(),
                            message(5),
                            message(6),
                            cut,
                        ])
                    }
                    1 => (StatusCode::BAD_GATEWAY, "starting").into_response(),
                    2 => sse(vec![
                        message(6),
                        message(7),
                        "event: reload\ndata:\n\n".to_owned(),
                    ]),
                    3 => sse(vec![message(41)]),
                    _ => problem(ErrorCode::Unauthorized),
                }
            }),
        )
}

#[tokio::test]
async fn the_stream_resumes_where_it_was_and_misses_nothing() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let server = serve(breaking_agent(asked.clone())).await;
    let said: Vec<String> = client(&server.url)
        .events(None)
        .map(|item| match item {
            Ok(StreamEvent::Connected) => "connected".to_owned(),
            Ok(StreamEvent::Entry(entry)) => entry.seq.to_string(),
            Ok(StreamEvent::Reload { after, until }) => format!("reload {after}..{until}"),
            Ok(StreamEvent::Lost { .. }) => "lost".to_owned(),
            Err(error) => format!("exit {}", error.exit_code()),
        })
        .collect()
        .await;
    assert_eq!(
        said,
        [
            "connected",
            "5",
            "6",
            "lost",
            "lost",
            "connected",
            "7",
            "reload 7..40",
            "lost",
            "connected",
            "41",
            "lost",
            "exit 6"
        ]
    );
    assert_eq!(*asked.lock().unwrap(), ["4", "6", "6", "40", "41"]);
}

#[tokio::test]
async fn a_stream_that_never_began_is_an_error_at_once() {
    let server = serve(Router::new().route("/api/events", get(|| async { "no stream" }))).await;
    let items: Vec<_> = client(&server.url).events(Some(3)).collect().await;
    assert_eq!(items.len(), 1);
    assert!(matches!(items[0], Err(ClientError::Nonsense { .. })));
}

#[tokio::test]
async fn a_request_as_it_stands_is_sent_below_the_agent_s_address() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let server = serve(Router::new().fallback(move |uri: Uri, headers: HeaderMap| {
        let told = headers.contains_key("authorization");
        seen.lock().unwrap().push(format!("{uri} {told}"));
        async { "{}" }
    }))
    .await;
    let client = client(&format!("{}/proxy", server.url));
    let get = |path: &'static str| {
        let client = client.clone();
        async move {
            let second = Duration::from_secs(5);
            let sent = client.forward(steward_api::Method::Get, path, None, second);
            sent.await.map(|body| String::from_utf8(body).unwrap())
        }
    };
    assert_eq!(get("/api/journal?limit=1").await.unwrap(), "{}");
    for strange in [
        "//evil.example/x",
        "http://evil.example/x",
        "/../x",
        "/a/%2E%2e/x",
        "/x#y",
        "x",
    ] {
        let sent = get(strange).await;
        // Two slashes are a path like any other: they stay below the address.
        if strange != "//evil.example/x" {
            assert!(matches!(sent, Err(ClientError::Usage(_))), "{strange}");
        }
    }
    assert_eq!(
        *asked.lock().unwrap(),
        [
            "/proxy/api/journal?limit=1 true",
            "/proxy//evil.example/x true"
        ]
    );
}

#[tokio::test]
async fn a_request_as_it_stands_is_given_up_in_time() {
    let server = serve(Router::new().fallback(|| async {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }))
    .await;
    let limit = Duration::from_millis(200);
    let client = client(&server.url);
    let sent = client.forward(steward_api::Method::Get, "/status", None, limit);
    assert!(matches!(sent.await, Err(ClientError::Unreachable { .. })));
}

#[test]
fn a_file_without_a_certificate_is_no_authority() {
    let token = || SecretString::from("t");
    for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nx"] {
        let made =
            Client::with_authorities("https://atlas", token(), Channel::Desktop, text.as_bytes());
        assert!(matches!(made, Err(ClientError::Usage(_))), "{text}");
    }
}
