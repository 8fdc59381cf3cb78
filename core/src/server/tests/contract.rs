//! What is promised: every endpoint, its role, its shape.

use std::path::Path;

use serde_json::{Value, json};
use steward_api::{
    EVENTS_PATH, Endpoint, ErrorCode, METRICS_PATH, OPENAPI_PATH, ResourceList, Role,
    for_each_endpoint,
};

use super::world::{World, problem};

/// A path of the contract with something that exists in its `{…}` part.
fn filled(path: &str) -> String {
    path.replace("{id}", "1")
        .replace("{container}", "db")
        .replace("{name}", "db")
}

fn lower(role: Role) -> Option<Role> {
    match role {
        Role::Viewer => None,
        Role::Operator => Some(Role::Viewer),
        Role::Admin => Some(Role::Operator),
    }
}

/// (method, path, role) of everything that the server has.
fn everything() -> Vec<(&'static str, &'static str, Option<Role>)> {
    let mut all = Vec::new();
    macro_rules! note {
        ($endpoint:ty) => {
            all.push((
                <$endpoint>::METHOD.as_str(),
                <$endpoint>::PATH,
                <$endpoint>::ROLE,
            ));
        };
    }
    for_each_endpoint!(note);
    all.push(("GET", EVENTS_PATH, Some(Role::Viewer)));
    all.push(("GET", METRICS_PATH, Some(Role::Viewer)));
    all.push(("GET", OPENAPI_PATH, None));
    all
}

#[tokio::test]
async fn every_endpoint_is_there_and_enforces_its_role() {
    let world = World::new().await;
    let all = everything();
    assert!(all.len() > 20);
    for (method, path, role) in all {
        let send = async |role| {
            world
                .request(method, &filled(path), role)
                .send()
                .await
                .unwrap()
        };
        let Some(role) = role else {
            // What is missing in the request may still be refused.
            let status = send(None).await.status().as_u16();
            assert!(matches!(status, 200 | 400), "{method} {path}: {status}");
            continue;
        };
        assert_eq!(
            problem(send(None).await).await,
            (401, ErrorCode::Unauthorized),
            "{path}"
        );
        if let Some(lower) = lower(role) {
            assert_eq!(
                problem(send(Some(lower)).await).await,
                (403, ErrorCode::Forbidden),
                "{path}"
            );
        }
        // Allowed: what is missing in the request may still be refused, but not the caller.
        let status = send(Some(role)).await.status().as_u16();
        assert!(matches!(status, 200 | 400), "{method} {path}: {status}");
    }
}

#[tokio::test]
async fn replies_have_the_promised_shapes() {
    let world = World::new().await;
    let mut replies = serde_json::Map::new();
    for path in [
        "/health",
        "/status",
        "/monitor/status",
        "/api/health/system-summary",
        "/api/resources",
        "/api/resources?kind=container&health=degraded&project=web&search=APP",
        "/api/resource?id=atlas/container/db",
        "/api/resource/log?id=atlas/container/db",
        "/api/incidents?limit=1",
        "/api/incidents/1",
        "/monitor/incidents?hours=24",
        "/api/agents/tasks?state=completed",
        "/api/agents/tasks/pending",
        "/api/agents/tasks/1",
        "/api/agents/tasks/9/status",
        "/monitor/metrics/container/db",
        "/api/metrics?resource=atlas/container/db&metric=cpu_percent",
        "/api/autonomy",
        "/api/journal?limit=2",
        "/api/journal?after=1&limit=1",
        "/api/journal/verify",
    ] {
        let mut reply = world.json(path).await;
        for moving in ["uptime_seconds", "version"] {
            if let Some(value) = reply.get_mut(moving) {
                assert!(!value.is_null());
                *value = json!("…");
            }
        }
        replies.insert(format!("GET {path}"), reply);
    }
    for (path, body) in [
        (
            "/api/agents/tasks/1/approve",
            r#"{"approved_by":"Evin","notes":"go"}"#,
        ),
        (
            "/api/agents/tasks/1/reject",
            r#"{"rejected_by":"Evin","reason":"no"}"#,
        ),
        ("/monitor/heal/db", ""),
        ("/api/autonomy", r#"{"autonomy":"observe"}"#),
    ] {
        let response = world.post(path, body).await;
        assert_eq!(response.status(), 200, "{path}");
        replies.insert(format!("POST {path}"), response.json().await.unwrap());
    }
    golden("replies.json", &Value::Object(replies));
}

/// Compares with a file beside this one; `STEWARD_BLESS=1` writes it anew.
fn golden(name: &str, value: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/server/tests/golden")
        .join(name);
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    if std::env::var_os("STEWARD_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(
        text == expected,
        "the replies differ from {}; look at the difference with `STEWARD_BLESS=1 cargo test` and `git diff`",
        path.display()
    );
}

#[tokio::test]
async fn pending_tasks_come_most_urgent_first_then_oldest() {
    let world = World::new().await;
    let tasks = world.json("/api/agents/tasks/pending").await;
    let numbers: Vec<_> = tasks
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["id"].as_i64().unwrap())
        .collect();
    assert_eq!(
        numbers,
        [2, 3, 1],
        "4 needs nobody; 3 has waited longer than 1"
    );
    for field in [
        "id",
        "description",
        "task_type",
        "priority",
        "risk",
        "plan_hash",
        "requires_approval",
        "approved",
        "created_at",
        "expires_at",
    ] {
        assert!(!tasks[0][field].is_null(), "{field}");
    }
}

#[tokio::test]
async fn an_answer_carries_the_token_s_identity_and_the_channel() {
    let world = World::new().await;
    let answer = world
        .request("POST", "/api/agents/tasks/1/approve", Some(Role::Operator))
        .header("X-Steward-Channel", "cli")
        .body(r#"{"approved_by":"Evin"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.json::<Value>().await.unwrap()["message"],
        "Task approved and queued for execution"
    );
    let bearer = format!("Bearer {}", super::world::token(Role::Admin));
    let url = format!("{}/api/agents/tasks/1/reject", world.address);
    let answer = world
        .client
        .post(url)
        .header("Authorization", bearer)
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.json::<Value>().await.unwrap()["message"],
        "Task rejected"
    );
    let asked = world.asked.lock().unwrap().clone();
    assert!(
        asked[0].contains("Evin")
            && asked[0].contains("identity: \"operator\"")
            && asked[0].contains("Cli"),
        "{asked:?}"
    );
    assert!(
        asked[1].contains("identity: \"admin\"") && asked[1].contains("Http"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn health_is_degraded_while_the_database_takes_no_writes() {
    let world = World::new().await;
    world.show(|view| view.store_error = Some("disk full".to_owned()));
    let url = format!("{}/health", world.address);
    let health: Value = world
        .client
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(health["status"], "degraded");
    let status = world.json("/status").await;
    assert_eq!(status["store"]["writable"], false);
    assert_eq!(status["store"]["error"], "disk full");
}

#[tokio::test]
async fn the_status_works_while_the_journal_can_not_be_read() {
    let world = World::new().await;
    assert_eq!(world.json("/status").await["store"]["journal_seq"], 3);
    world
        .store
        .broken
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let status = world.json("/status").await;
    assert_eq!(status["store"]["writable"], false);
    assert_eq!(status["store"]["journal_seq"], 3);
    assert_eq!(
        world.json("/api/agents/tasks/1").await["id"],
        1,
        "open tasks are in the picture"
    );
}

#[tokio::test]
async fn a_borrowed_list_reads_as_the_contract_s_own() {
    let world = World::new().await;
    let list: ResourceList = world.get("/api/resources").await.json().await.unwrap();
    let view = world.handle.view();
    assert_eq!(list.taken_at, view.taken_at);
    assert_eq!(list.unreadable, view.unreadable);
    assert!(
        list.resources
            .iter()
            .eq(view.resources.values().map(AsRef::as_ref))
    );
}

#[tokio::test]
async fn a_container_is_found_by_name_and_by_full_id() {
    let world = World::new().await;
    for name in ["db", "db0123456789abcdef"] {
        let reply = world
            .json(&format!("/monitor/metrics/container/{name}"))
            .await;
        assert_eq!(reply["container"]["id"], "atlas/container/db");
        assert!(reply["history"].as_array().unwrap().len() >= 6);
    }
}

#[tokio::test]
async fn the_document_lists_every_route_and_no_other() {
    let world = World::new().await;
    let document: Value = world
        .client
        .get(format!("{}{OPENAPI_PATH}", world.address))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut listed = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let role = operation["x-steward-role"].as_str().map(str::to_owned);
            listed.push((method.to_uppercase(), path.clone(), role));
        }
    }
    let mut expected: Vec<_> = everything()
        .into_iter()
        .map(|(method, path, role)| {
            (
                method.to_owned(),
                path.to_owned(),
                role.map(|role| role.to_string()),
            )
        })
        .collect();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
    // Every reference leads somewhere.
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    // The pattern of ids names every kind there is.
    let pattern = document["components"]["schemas"]["ResourceId"]["pattern"]
        .as_str()
        .unwrap();
    for kind in steward_api::ResourceKind::ALL {
        assert!(
            pattern.contains(kind.as_str()),
            "{kind} is missing in {pattern}"
        );
    }
    let limit = &document["paths"]["/api/incidents"]["get"]["parameters"];
    let limit = limit
        .as_array()
        .unwrap()
        .iter()
        .find(|parameter| parameter["name"] == "limit")
        .unwrap();
    assert_eq!(limit["schema"]["maximum"], 1000);
    assert_eq!(limit["schema"]["type"], "integer");
}
