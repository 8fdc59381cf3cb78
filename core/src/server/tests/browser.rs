//! A browser's session over real connections: signing in, what is refused, and how it ends.

use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use steward_api::{ErrorCode, Role, Session, SignInLink};
use tokio::time::{Instant, timeout};

use super::world::{World, problem, token};
use crate::server::{Holder, now};

/// Longer than anything here takes; only a fault makes a test wait so long.
const PATIENCE: Duration = Duration::from_secs(20);

fn sign_in(world: &World, body: Value) -> RequestBuilder {
    world
        .client
        .post(format!("{}/api/session", world.address))
        .header("X-Steward-Request", "1")
        .body(body.to_string())
}

/// The cookie as a browser sends it back.
fn cookie(response: &Response) -> String {
    let whole = response.headers()["set-cookie"].to_str().unwrap();
    whole.split(';').next().unwrap().to_owned()
}

async fn signed_in(world: &World, role: Role) -> String {
    let before = world.asked.lock().unwrap().len();
    let response = sign_in(world, json!({"token": token(role)}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    recorded(world, before).await;
    cookie(&response)
}

fn with(world: &World, method: &str, path: &str, cookie: &str) -> RequestBuilder {
    world.request(method, path, None).header("Cookie", cookie)
}

/// What the engine was told of the latest sign-in, as soon as it was told more than `before` things. Who signs in does not wait for it.
async fn recorded(world: &World, before: usize) -> String {
    let told = async {
        loop {
            let asked = world.asked.lock().unwrap().clone();
            if let Some(last) = asked.get(before..).and_then(<[String]>::last) {
                return last.clone();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, told).await.expect("it is not recorded")
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn who_signs_in_with_a_token_gets_a_session_and_its_cookie() {
    let world = World::new().await;
    let response = sign_in(&world, json!({"token": token(Role::Operator)}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let whole = response.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .to_owned();
    for word in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
        assert!(whole.contains(word), "{whole}");
    }
    assert!(!whole.contains("Secure"), "this is no TLS: {whole}");
    let cookie = cookie(&response);
    let text = response.text().await.unwrap();
    let id = cookie.split_once('=').unwrap().1;
    assert_eq!(id.len(), 64);
    assert!(!text.contains(id) && !text.contains(&token(Role::Operator)));
    let session: Session = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (session.identity.as_str(), session.role),
        ("operator", Role::Operator)
    );
    assert!(session.expires_at.unwrap() > now());
    assert_eq!(
        recorded(&world, 0).await,
        "session operator operator by Token from 127.0.0.1"
    );
    // And it is told again to whoever has the cookie.
    let again: Session = with(&world, "GET", "/api/session", &cookie)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(again.identity, "operator");
    assert!(again.expires_at.is_some());
    // A token has no end.
    let by_token: Session = world.get("/api/session").await.json().await.unwrap();
    assert_eq!(
        (by_token.identity.as_str(), by_token.expires_at),
        ("viewer", None)
    );
    let nobody = world.request("GET", "/api/session", None).send().await;
    assert_eq!(
        problem(nobody.unwrap()).await,
        (401, ErrorCode::Unauthorized)
    );
}

#[tokio::test]
async fn over_tls_the_cookie_goes_over_tls_alone() {
    let world = World::new().await;
    let response = sign_in(&world, json!({"token": token(Role::Viewer)}))
        .header("Origin", "https://steward.example.lan")
        .header("Host", "steward.example.lan")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let whole = response.headers()["set-cookie"].to_str().unwrap();
    assert!(whole.ends_with("; Secure"), "{whole}");
}

#[tokio::test]
async fn exactly_one_of_token_and_link_is_wanted() {
    let world = World::new().await;
    for body in [
        json!({}),
        json!({"token": token(Role::Admin), "link": "x"}),
        json!({"token": null}),
        json!({"password": "x"}),
        json!([]),
    ] {
        let response = sign_in(&world, body.clone()).send().await.unwrap();
        assert!(!response.headers().contains_key("set-cookie"), "{body}");
        assert_eq!(
            problem(response).await,
            (400, ErrorCode::BadRequest),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_session_may_what_its_token_may_and_the_record_says_browser() {
    let world = World::new().await;
    let viewer = signed_in(&world, Role::Viewer).await;
    assert_eq!(status(with(&world, "GET", "/status", &viewer)).await, 200);
    let path = "/api/agents/tasks/1/approve";
    let refused = with(&world, "POST", path, &viewer)
        .header("X-Steward-Request", "1")
        .send()
        .await
        .unwrap();
    assert_eq!(problem(refused).await, (403, ErrorCode::Forbidden));
    let operator = signed_in(&world, Role::Operator).await;
    let answer = with(&world, "POST", path, &operator)
        .header("X-Steward-Request", "1")
        .header("X-Steward-Channel", "cli");
    assert_eq!(status(answer).await, 200);
    let asked = world.asked.lock().unwrap().clone();
    let last = asked.last().unwrap();
    assert!(
        last.contains("identity: \"operator\"") && last.contains("Browser"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_page_of_another_site_can_do_nothing_with_the_cookie() {
    let world = World::new().await;
    let cookie = signed_in(&world, Role::Admin).await;
    let heal = || with(&world, "POST", "/monitor/heal/db", &cookie);
    let ours = |request: RequestBuilder| request.header("X-Steward-Request", "1");
    let before = world.asked.lock().unwrap().len();
    for (what, request) in [
        ("without our header", heal()),
        (
            "from another origin",
            ours(heal()).header("Origin", "http://evil.example"),
        ),
        (
            "from another port of this host",
            ours(heal()).header("Origin", "http://127.0.0.1:1"),
        ),
        (
            "from another site",
            ours(heal()).header("Sec-Fetch-Site", "cross-site"),
        ),
        (
            "by another name",
            ours(heal()).header("Host", "evil.example"),
        ),
        (
            "read from another site",
            with(&world, "GET", "/status", &cookie).header("Sec-Fetch-Site", "same-site"),
        ),
        (
            "followed from another site",
            with(&world, "GET", "/api/events", &cookie).header("Sec-Fetch-Site", "cross-site"),
        ),
        (
            "read by another name",
            with(&world, "GET", "/api/session", &cookie).header("Host", "evil.example:80"),
        ),
        (
            "scraped by another name",
            with(&world, "GET", "/metrics", &cookie).header("Host", "evil.example:80"),
        ),
        (
            "signed out from elsewhere",
            with(&world, "POST", "/api/session/end", &cookie),
        ),
        (
            "signed in from elsewhere",
            sign_in(&world, json!({"token": token(Role::Viewer)}))
                .header("Sec-Fetch-Site", "cross-site"),
        ),
        (
            "signed in by another name",
            sign_in(&world, json!({"token": token(Role::Viewer)})).header("Host", "evil.example"),
        ),
        (
            "signed in from another origin",
            sign_in(&world, json!({"token": token(Role::Viewer)}))
                .header("Origin", "http://evil.example"),
        ),
    ] {
        let response = request.send().await.unwrap();
        assert!(!response.headers().contains_key("set-cookie"), "{what}");
        assert_eq!(
            problem(response).await,
            (403, ErrorCode::Forbidden),
            "{what}"
        );
    }
    assert_eq!(
        world.asked.lock().unwrap().len(),
        before,
        "nothing reached the engine"
    );
    let own = ours(heal())
        .header("Origin", &world.address)
        .header("Sec-Fetch-Site", "same-origin");
    assert_eq!(status(own).await, 200);
    // A token is put into its header on purpose: none of this concerns it.
    let by_token = world
        .request("POST", "/monitor/heal/db", Some(Role::Operator))
        .header("Host", "evil.example")
        .header("Sec-Fetch-Site", "cross-site");
    assert_eq!(status(by_token).await, 200);
}

#[tokio::test]
async fn a_token_in_a_header_decides_over_the_cookie() {
    let world = World::new().await;
    let cookie = signed_in(&world, Role::Admin).await;
    let with_token = |value: String| {
        with(&world, "GET", "/api/session", &cookie)
            .header("Authorization", format!("Bearer {value}"))
    };
    let viewer: Session = with_token(token(Role::Viewer))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(viewer.role, Role::Viewer);
    let bad = with_token("stw_unknown".to_owned()).send().await.unwrap();
    assert_eq!(problem(bad).await, (401, ErrorCode::Unauthorized));
}

#[tokio::test]
async fn a_link_signs_in_once_as_whoever_made_it() {
    let world = World::new().await;
    let made = world
        .request("POST", "/api/session/link", Some(Role::Operator))
        .send()
        .await
        .unwrap();
    let link: SignInLink = made.json().await.unwrap();
    assert_eq!(link.path, format!("/#/link/{}", link.code));
    let left = link.expires_at.duration_since(now()).as_secs();
    assert!((590..=600).contains(&left), "{left}");
    let open = || sign_in(&world, json!({"link": link.code})).send();
    let first = open().await.unwrap();
    assert_eq!(first.status(), 200);
    let session: Session = first.json().await.unwrap();
    assert_eq!(session.identity, "operator");
    assert_eq!(
        recorded(&world, 0).await,
        "session operator operator by Link from 127.0.0.1"
    );
    let second = open().await.unwrap();
    assert!(!second.headers().contains_key("set-cookie"));
    let text = second.text().await.unwrap();
    assert!(
        text.contains("steward sign-in") && !text.contains(&link.code),
        "{text}"
    );
    // Nobody may make one without being somebody.
    let nobody = world
        .request("POST", "/api/session/link", None)
        .send()
        .await;
    assert_eq!(
        problem(nobody.unwrap()).await,
        (401, ErrorCode::Unauthorized)
    );
}

#[tokio::test]
async fn a_link_of_an_identity_that_is_gone_opens_nothing() {
    let world = World::new().await;
    let link = world
        .web
        .link(&Holder {
            identity: "somebody who left".to_owned(),
            role: Role::Admin,
            over: Default::default(),
        })
        .unwrap();
    let response = sign_in(&world, json!({"link": link.code}))
        .send()
        .await
        .unwrap();
    assert_eq!(problem(response).await, (401, ErrorCode::Unauthorized));
    // Nor does its session, were there one.
    let (id, _) = world
        .web
        .sessions
        .begin(
            "somebody who left",
            &Default::default(),
            None,
            Instant::now(),
        )
        .unwrap();
    let cookie = world
        .web
        .sessions
        .cookie(&id, Duration::from_secs(60), false);
    let cookie = cookie.split(';').next().unwrap();
    let response = with(&world, "GET", "/status", cookie).send().await.unwrap();
    assert_eq!(problem(response).await, (401, ErrorCode::Unauthorized));
}

#[tokio::test]
async fn guessing_tokens_and_links_is_slowed_down_together() {
    let world = World::new().await;
    for number in 0..10 {
        let body = if number % 2 == 0 {
            json!({"token": format!("stw_guess_{number}")})
        } else {
            json!({"link": format!("guess{number}")})
        };
        let response = sign_in(&world, body).send().await.unwrap();
        assert_eq!(problem(response).await, (401, ErrorCode::Unauthorized));
    }
    let response = sign_in(&world, json!({"link": "again"}))
        .send()
        .await
        .unwrap();
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(problem(response).await, (429, ErrorCode::TooManyRequests));
    signed_in(&world, Role::Viewer).await;
}

#[tokio::test]
async fn signing_in_again_replaces_the_session_and_signing_out_ends_it() {
    let world = World::new().await;
    let first = signed_in(&world, Role::Viewer).await;
    let response = sign_in(&world, json!({"token": token(Role::Admin)}))
        .header("Cookie", &first)
        .send()
        .await
        .unwrap();
    let second = cookie(&response);
    assert_eq!(status(with(&world, "GET", "/status", &first)).await, 401);
    assert_eq!(status(with(&world, "GET", "/status", &second)).await, 200);
    // A sign-in that fails leaves the one before as it is.
    let failed = sign_in(&world, json!({"token": "stw_unknown"})).header("Cookie", &second);
    assert_eq!(status(failed).await, 401);
    let out = || with(&world, "POST", "/api/session/end", &second).header("X-Steward-Request", "1");
    let response = out().send().await.unwrap();
    assert_eq!(response.status(), 200);
    let cleared = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cleared.contains("Max-Age=0"), "{cleared}");
    let gone = with(&world, "GET", "/status", &second)
        .send()
        .await
        .unwrap();
    let text = gone.text().await.unwrap();
    assert!(text.contains("Sign in again"), "{text}");
    assert_eq!(status(out()).await, 200, "twice is no fault");
}

/// Reads the stream to its end.
async fn drained(mut stream: Response) {
    while let Some(_more) = timeout(PATIENCE, stream.chunk())
        .await
        .expect("the stream does not end")
        .unwrap_or(None)
    {}
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let world = World::new().await;
    let cookie = signed_in(&world, Role::Viewer).await;
    let follow = async |cookie: &str| {
        let stream = with(&world, "GET", "/api/events", cookie).send().await;
        let stream = stream.unwrap();
        assert_eq!(stream.status(), 200);
        stream
    };
    let stream = follow(&cookie).await;
    let out = with(&world, "POST", "/api/session/end", &cookie).header("X-Steward-Request", "1");
    assert_eq!(status(out).await, 200);
    drained(stream).await;
    // By time too: this session lasts for less than a second.
    let soon = Instant::now() + Duration::from_millis(500);
    let sessions = &world.web.sessions;
    let (id, held) = sessions
        .begin("viewer", &Default::default(), Some(soon), Instant::now())
        .unwrap();
    let cookie = sessions.cookie(&id, held.left, false);
    let stream = follow(cookie.split(';').next().unwrap()).await;
    drained(stream).await;
    assert!(Instant::now() >= soon);
}
