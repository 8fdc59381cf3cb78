//! Every refusal: its status, its code, its form.

use std::sync::atomic::Ordering;

use steward_api::{ErrorCode, Role};

use super::world::{World, problem, token};

#[tokio::test]
async fn what_does_not_exist_is_named_by_its_code() {
    let world = World::new().await;
    for (path, code) in [
        ("/nowhere", ErrorCode::NotFound),
        ("/api/agents/tasks/1/undo", ErrorCode::NotFound),
        ("/api/agents/tasks/77", ErrorCode::TaskNotFound),
        ("/api/agents/tasks/-1/status", ErrorCode::TaskNotFound),
        ("/api/incidents/77", ErrorCode::IncidentNotFound),
        (
            "/api/resource?id=atlas/container/nope",
            ErrorCode::ResourceNotFound,
        ),
        (
            "/api/resource/log?id=atlas/container/nope",
            ErrorCode::ResourceNotFound,
        ),
        (
            "/api/metrics?resource=other/host&metric=load1",
            ErrorCode::ResourceNotFound,
        ),
        (
            "/monitor/metrics/container/nope",
            ErrorCode::ContainerNotFound,
        ),
    ] {
        assert_eq!(problem(world.get(path).await).await, (404, code), "{path}");
    }
}

#[tokio::test]
async fn what_can_not_be_understood_says_where() {
    let world = World::new().await;
    for (path, word) in [
        ("/api/agents/tasks/abc", "abc"),
        (
            "/api/agents/tasks/99999999999999999999",
            "99999999999999999999",
        ),
        ("/api/incidents/1.5", "1.5"),
        ("/api/incidents?severity=awful", "severity"),
        ("/api/incidents?limit=0", "limit"),
        ("/api/incidents?limit=1001", "limit"),
        ("/api/incidents?limit=-1", "limit"),
        ("/api/incidents?limit=1&limit=2", "limit"),
        ("/api/incidents?since=yesterday", "since"),
        ("/api/incidents?sevrity=critical", "sevrity"),
        ("/monitor/incidents?hours=0", "hours"),
        ("/monitor/incidents?hours=100000", "hours"),
        ("/api/resource", "id"),
        ("/api/resource?id=nonsense", "nonsense"),
        ("/api/metrics?resource=atlas/host", "metric"),
        (
            "/api/metrics?resource=atlas/host&metric=load1&step=0",
            "step",
        ),
        (
            "/api/metrics?resource=atlas/host&metric=load1&from=2025-01-02T00:00:00Z&to=2025-01-01T00:00:00Z",
            "from",
        ),
        ("/api/events?last_event_id=abc", "Last-Event-ID"),
        ("/monitor/metrics/container/%ff", "UTF-8"),
        ("/status?x=1", "`x`"),
    ] {
        let response = world.get(path).await;
        let text = response.text().await.unwrap();
        let body: steward_api::ProblemDetails = serde_json::from_str(&text).unwrap();
        assert_eq!(body.code, ErrorCode::BadRequest, "{path}: {body:?}");
        assert!(body.detail.contains(word), "{path}: {body:?}");
    }
    let approve = "/api/agents/tasks/1/approve";
    let long = format!(r#"{{"notes":"{}"}}"#, "x".repeat(4001));
    for (path, body, word) in [
        (approve, "{", "JSON"),
        (approve, "[]", "object"),
        (approve, "\u{0}\u{1}", "JSON"),
        (approve, r#"{"approved_by":5}"#, "approved_by"),
        (approve, r#"{"plan_hsah":"ab"}"#, "plan_hsah"),
        (approve, r#"{"notes":"a","notes":"b"}"#, "notes"),
        (approve, &long, "notes"),
        ("/api/autonomy", "", "autonomy"),
        ("/api/autonomy", r#"{"autonomy":"reckless"}"#, "reckless"),
        ("/monitor/heal/db", r#"{"now":true}"#, "now"),
        ("/monitor/heal/db?now=true", "", "?"),
    ] {
        let response = world.post(path, body.to_owned()).await;
        let body: steward_api::ProblemDetails = response.json().await.unwrap();
        assert_eq!(body.code, ErrorCode::BadRequest, "{path}: {body:?}");
        assert!(body.detail.contains(word), "{path}: {body:?}");
    }
    assert!(
        world.asked.lock().unwrap().is_empty(),
        "nothing of it reached the engine"
    );
}

#[tokio::test]
async fn an_empty_body_means_an_empty_object() {
    let world = World::new().await;
    for body in ["", "{}", " \n"] {
        assert_eq!(
            world
                .post("/api/agents/tasks/1/approve", body)
                .await
                .status(),
            200
        );
        assert_eq!(world.post("/monitor/heal/db", body).await.status(), 200);
    }
}

#[tokio::test]
async fn the_engine_s_refusals_reach_the_caller_as_they_are() {
    let world = World::new().await;
    for (number, code) in [
        (2, ErrorCode::TaskNotWaiting),
        (3, ErrorCode::PlanChanged),
        (4, ErrorCode::PlanStale),
        (5, ErrorCode::ApprovalExpired),
        (6, ErrorCode::StoreUnavailable),
        (7, ErrorCode::TaskNotFound),
    ] {
        for verb in ["approve", "reject"] {
            let response = world
                .post(&format!("/api/agents/tasks/{number}/{verb}"), "")
                .await;
            assert_eq!(problem(response).await, (code.status(), code));
        }
    }
    for (name, code) in [
        ("nginx", ErrorCode::NothingToDo),
        ("app", ErrorCode::Withheld),
        ("new", ErrorCode::EngineUnavailable),
        ("nope", ErrorCode::ContainerNotFound),
    ] {
        let response = world.post(&format!("/monitor/heal/{name}"), "").await;
        assert_eq!(problem(response).await, (code.status(), code));
    }
}

#[tokio::test]
async fn another_method_is_refused_and_the_right_one_named() {
    let world = World::new().await;
    let response = world
        .request("DELETE", "/api/incidents", Some(Role::Admin))
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["allow"], "GET,HEAD");
    assert_eq!(problem(response).await, (405, ErrorCode::MethodNotAllowed));
    let response = world
        .request("GET", "/monitor/heal/db", Some(Role::Admin))
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["allow"], "POST");
    assert_eq!(problem(response).await, (405, ErrorCode::MethodNotAllowed));
    let response = world
        .request("PUT", "/api/autonomy", Some(Role::Admin))
        .send()
        .await
        .unwrap();
    assert_eq!(problem(response).await, (405, ErrorCode::MethodNotAllowed));
}

#[tokio::test]
async fn a_broken_database_is_said_without_its_secrets() {
    let world = World::new().await;
    world.store.broken.store(true, Ordering::SeqCst);
    for path in [
        "/api/incidents",
        "/api/incidents/2",
        "/monitor/incidents",
        "/api/agents/tasks",
        "/api/agents/tasks/9",
        "/api/resource?id=atlas/host",
        "/monitor/metrics/container/db",
        "/api/metrics?resource=atlas/host&metric=load1",
        "/api/journal",
        "/api/journal?after=0",
        "/api/journal/verify",
        "/api/events",
        "/api/events?last_event_id=1",
    ] {
        let response = world.get(path).await;
        assert_eq!(response.status(), 503, "{path}");
        assert!(response.headers().contains_key("retry-after"));
        let text = response.text().await.unwrap();
        assert!(
            text.contains("store_unavailable") && !text.contains("hunter2"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let world = World::new().await;
    let guess = async |value: String| {
        world
            .client
            .get(format!("{}/status", world.address))
            .header("X-API-Key", value)
            .send()
            .await
            .unwrap()
    };
    for number in 0..10 {
        let response = guess(format!("stw_guess_{number}")).await;
        assert_eq!(
            response.headers()["www-authenticate"],
            "Bearer realm=\"steward\""
        );
        assert_eq!(problem(response).await, (401, ErrorCode::Unauthorized));
    }
    let response = guess("stw_guess_again".to_owned()).await;
    let wait: u64 = response.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=61).contains(&wait));
    assert_eq!(problem(response).await, (429, ErrorCode::TooManyRequests));
    let known = guess(token(Role::Admin)).await;
    assert_eq!(known.status(), 200, "who has a token is let through");
    let health = world
        .client
        .get(format!("{}/health", world.address))
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), 200, "what needs no token still works");
}

#[tokio::test]
async fn a_page_of_another_site_can_not_ask_for_changes() {
    let world = World::new().await;
    let host = world.address.trim_start_matches("http://").to_owned();
    for (origin, allowed) in [
        ("http://evil.example".to_owned(), false),
        ("null".to_owned(), false),
        (format!("http://{host}"), true),
    ] {
        let request = world
            .request("POST", "/monitor/heal/db", Some(Role::Operator))
            .header("Origin", &origin);
        let response = request.send().await.unwrap();
        if allowed {
            assert_eq!(response.status(), 200);
        } else {
            assert_eq!(
                problem(response).await,
                (403, ErrorCode::Forbidden),
                "{origin}"
            );
        }
    }
}
