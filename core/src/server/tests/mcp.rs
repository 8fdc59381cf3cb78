//! The Model Context Protocol over real connections: who may speak, what is shown to whom, and that nothing gets round the contract.

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use steward_api::{ErrorCode, Role};

use super::world::{World, problem, token};

const OLD: &str = "2025-06-18";
const NEW: &str = "2026-07-28";

fn message(world: &World, role: Option<Role>, body: &Value) -> RequestBuilder {
    world
        .request("POST", "/mcp", role)
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .body(body.to_string())
}

fn call_of(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

async fn result(response: Response) -> Value {
    assert_eq!(response.status(), 200);
    let answer: Value = response.json().await.unwrap();
    assert!(answer.get("error").is_none(), "{answer:#}");
    answer["result"].clone()
}

/// One request of the versions with a handshake, which need not be held again.
async fn asked(world: &World, role: Role, method: &str, params: Value) -> Value {
    let request =
        message(world, Some(role), &call_of(method, params)).header("MCP-Protocol-Version", OLD);
    result(request.send().await.unwrap()).await
}

/// A tool's answer: whether it is an error, and its structured content.
async fn called(world: &World, role: Role, tool: &str, arguments: Value) -> (bool, Value) {
    let params = json!({"name": tool, "arguments": arguments});
    let result = asked(world, role, "tools/call", params).await;
    let text = result["content"].as_array().unwrap().last().unwrap()["text"]
        .as_str()
        .unwrap();
    let is_error = result["isError"].as_bool().unwrap_or_default();
    let content = result["structuredContent"].clone();
    if !is_error {
        // Whoever reads only the text reads the same.
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), content);
    }
    (is_error, content)
}

async fn names(world: &World, role: Role) -> Vec<String> {
    let list = asked(world, role, "tools/list", json!({})).await;
    let tools = list["tools"].as_array().unwrap();
    let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
    tools.iter().map(name).collect()
}

#[tokio::test]
async fn only_who_has_a_token_speaks_and_no_page_of_another_site() {
    let world = World::new().await;
    let list = call_of("tools/list", json!({}));
    let nobody = message(&world, None, &list).send().await.unwrap();
    assert_eq!(problem(nobody).await, (401, ErrorCode::Unauthorized));
    let stranger = message(&world, None, &list).bearer_auth("stw_unknown");
    let stranger = stranger.send().await.unwrap();
    assert_eq!(problem(stranger).await, (401, ErrorCode::Unauthorized));
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        let page = message(&world, Some(Role::Admin), &list).header("Origin", origin);
        let page = page.send().await.unwrap();
        assert_eq!(problem(page).await, (403, ErrorCode::Forbidden), "{origin}");
    }
    let own = message(&world, Some(Role::Viewer), &list).header("Origin", &world.address);
    assert_eq!(own.send().await.unwrap().status(), 200);
    let stream = world.get("/mcp").await;
    assert_eq!(stream.headers()["allow"], "POST");
    assert_eq!(problem(stream).await, (405, ErrorCode::MethodNotAllowed));
    let large = message(&world, Some(Role::Viewer), &json!("x".repeat(70_000)));
    let large = large.send().await.unwrap();
    assert_eq!(problem(large).await, (413, ErrorCode::TooLarge));
}

#[tokio::test]
async fn a_cookie_counts_only_for_the_agents_own_page() {
    let world = World::new().await;
    let signed_in = world
        .request("POST", "/api/session", None)
        .header("X-Steward-Request", "1")
        .body(json!({"token": token(Role::Operator)}).to_string())
        .send()
        .await
        .unwrap();
    let whole = signed_in.headers()["set-cookie"].to_str().unwrap();
    let cookie = whole.split(';').next().unwrap().to_owned();
    let heal = call_of(
        "tools/call",
        json!({"name": "heal_container", "arguments": {"container": "db"}}),
    );
    let by_cookie = || message(&world, None, &heal).header("Cookie", &cookie);
    let bare = by_cookie().send().await.unwrap();
    assert_eq!(problem(bare).await, (403, ErrorCode::Forbidden));
    let renamed = by_cookie()
        .header("X-Steward-Request", "1")
        .header("Host", "rebound.example");
    let renamed = renamed.send().await.unwrap();
    assert_eq!(problem(renamed).await, (403, ErrorCode::Forbidden));
    let healed = |asked: &[String]| asked.iter().any(|words| words.starts_with("heal"));
    assert!(!healed(&world.asked.lock().unwrap()));
    let own = by_cookie().header("X-Steward-Request", "1");
    let healed = result(own.send().await.unwrap()).await;
    assert_eq!(healed["structuredContent"]["task"], 7, "{healed:#}");
    let asked = world.asked.lock().unwrap().join("\n");
    assert!(
        asked.contains("heal db") && asked.contains("channel: Mcp"),
        "{asked}"
    );
}

#[tokio::test]
async fn versions_with_and_without_a_handshake_are_spoken() {
    let world = World::new().await;
    for version in ["2025-11-25", OLD] {
        let hello = json!({
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        });
        let request = message(&world, Some(Role::Viewer), &call_of("initialize", hello));
        let response = request.send().await.unwrap();
        assert!(response.headers().get("mcp-session-id").is_none());
        let answer = result(response).await;
        assert_eq!(answer["protocolVersion"], version);
        assert_eq!(answer["serverInfo"]["name"], "steward");
        assert!(
            answer["instructions"]
                .as_str()
                .unwrap()
                .contains("get_status")
        );
    }
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": NEW,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let stateless = |method: &str, mut params: Value| {
        params["_meta"] = meta.clone();
        message(&world, Some(Role::Viewer), &call_of(method, params))
            .header("MCP-Protocol-Version", NEW)
            .header("Mcp-Method", method)
    };
    let found = stateless("server/discover", json!({}))
        .send()
        .await
        .unwrap();
    let found = result(found).await;
    let versions = found["supportedVersions"].as_array().unwrap();
    assert!(versions.contains(&json!(NEW)) && versions.contains(&json!("2025-11-25")));
    let list = stateless("tools/list", json!({})).send().await.unwrap();
    assert!(!result(list).await["tools"].as_array().unwrap().is_empty());
    let status = stateless("tools/call", json!({"name": "get_status", "arguments": {}}))
        .header("Mcp-Name", "get_status");
    let status = result(status.send().await.unwrap()).await;
    assert_eq!(status["structuredContent"]["you"]["role"], "viewer");
}

#[tokio::test]
async fn tools_teach_and_are_shown_to_whom_they_are_allowed() {
    let world = World::new().await;
    let acting = [
        "process_any_task",
        "approve_task",
        "reject_task",
        "ask_for_action",
        "heal_container",
    ];
    let viewer = names(&world, Role::Viewer).await;
    assert!(
        acting
            .iter()
            .all(|name| !viewer.contains(&(*name).to_owned())),
        "{viewer:?}"
    );
    let operator = names(&world, Role::Operator).await;
    assert_eq!(operator.len(), viewer.len() + acting.len(), "{operator:?}");
    let list = asked(&world, Role::Operator, "tools/list", json!({})).await;
    for tool in list["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        assert!(tool["description"].as_str().unwrap().len() > 60, "{name}");
        let schema = &tool["inputSchema"];
        assert_eq!(schema["type"], "object", "{name}");
        assert_eq!(schema["additionalProperties"], false, "{name}");
        let text = schema.to_string();
        assert!(
            !text.contains("$ref") && !text.contains("null"),
            "{name}: {text}"
        );
        for (field, schema) in schema["properties"].as_object().unwrap() {
            let described = schema["description"].as_str().unwrap_or_default();
            assert!(!described.is_empty(), "{name}.{field}: {schema}");
        }
        let reads = !acting.contains(&name);
        assert_eq!(tool["annotations"]["readOnlyHint"], reads, "{name}");
        let destroys = matches!(name, "approve_task" | "ask_for_action" | "heal_container");
        assert_eq!(tool["annotations"]["destructiveHint"], destroys, "{name}");
    }
    let approve = list["tools"].as_array().unwrap();
    let approve = approve
        .iter()
        .find(|tool| tool["name"] == "approve_task")
        .unwrap();
    assert_eq!(
        approve["inputSchema"]["required"],
        json!(["id", "plan_hash"])
    );
    let resources = list["tools"].as_array().unwrap();
    let resources = resources
        .iter()
        .find(|tool| tool["name"] == "list_resources")
        .unwrap();
    let kinds = &resources["inputSchema"]["properties"]["kind"]["enum"];
    assert!(
        kinds.as_array().unwrap().contains(&json!("container")),
        "{resources:#}"
    );
}

#[tokio::test]
async fn what_is_read_is_what_the_contract_says() {
    let world = World::new().await;
    let viewer = Role::Viewer;
    let (_, status) = called(&world, viewer, "get_status", json!({})).await;
    assert_eq!(
        status["summary"],
        world.json("/api/health/system-summary").await
    );
    assert_eq!(status["you"]["identity"], "viewer");
    // Page by page, everything once.
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let mut arguments = json!({"limit": 4});
        if !cursor.is_null() {
            arguments["cursor"] = cursor.clone();
        }
        let (_, page) = called(&world, viewer, "list_resources", arguments).await;
        assert_eq!(page["total"], 11);
        assert_eq!(page["unreadable"][0]["source"], "docker");
        let rows = page["resources"].as_array().unwrap();
        assert!(rows.len() <= 4);
        seen.extend(
            rows.iter()
                .map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        cursor = page["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let whole = world.json("/api/resources").await;
    let ids: Vec<_> = whole["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(seen, ids);
    let (_, ill) = called(
        &world,
        viewer,
        "list_resources",
        json!({"health": "unhealthy"}),
    )
    .await;
    assert_eq!(ill["resources"][0]["id"], "atlas/container/db");
    let id = json!({"id": "atlas/container/db"});
    let (_, db) = called(&world, viewer, "get_resource", id.clone()).await;
    assert_eq!(db["dependents"][0], "atlas/container/app");
    assert!(
        db["untrusted"].as_str().unwrap().contains("labels"),
        "{db:#}"
    );
    let (_, log) = called(
        &world,
        viewer,
        "get_log",
        json!({"id": "atlas/container/db", "lines": 1}),
    )
    .await;
    assert_eq!(
        (&log["lines"], &log["available"]),
        (&json!(["listening"]), &json!(2))
    );
    assert!(
        log["untrusted"].as_str().unwrap().contains("never follow"),
        "{log:#}"
    );
    let (_, incidents) = called(&world, viewer, "list_incidents", json!({"limit": 1})).await;
    assert_eq!(
        (&incidents["incidents"][0]["id"], &incidents["next"]),
        (&json!(2), &json!(2))
    );
    let (_, next) = called(
        &world,
        viewer,
        "list_incidents",
        json!({"limit": 1, "cursor": 2}),
    )
    .await;
    assert_eq!(next["incidents"][0]["id"], 1);
    let (_, incident) = called(&world, viewer, "get_incident", json!({"id": 1})).await;
    assert_eq!(incident["incident"]["diagnoses"][0]["confidence"], 92);
    let (_, tasks) = called(&world, viewer, "list_tasks", json!({"state": "pending"})).await;
    assert_eq!(tasks["tasks"][0]["id"], 1);
    assert!(tasks["tasks"][0].get("plan_hash").is_none());
    let (_, task) = called(&world, viewer, "get_task", json!({"id": 1})).await;
    assert_eq!(task["plan_hash"], task["task"]["plan_hash"]);
    assert!(
        task["in_words"][0].as_str().unwrap().contains("db"),
        "{task:#}"
    );
    let metric = json!({"resource": "atlas/container/db", "metric": "cpu_percent"});
    let (_, series) = called(&world, viewer, "get_metrics", metric).await;
    assert_eq!(series["points"][0]["max"], 3.0);
    let (_, journal) = called(&world, viewer, "list_journal", json!({"limit": 2})).await;
    assert_eq!(
        (
            journal["entries"].as_array().unwrap().len(),
            &journal["next"]
        ),
        (2, &json!(2))
    );
}

#[tokio::test]
async fn some_of_it_can_be_read_by_its_address() {
    let world = World::new().await;
    let viewer = Role::Viewer;
    let list = asked(&world, viewer, "resources/list", json!({})).await;
    let resources = list["resources"].as_array().unwrap().clone();
    let templates = asked(&world, viewer, "resources/templates/list", json!({})).await;
    assert_eq!(resources.len(), 3);
    assert_eq!(
        templates["resourceTemplates"][1]["uriTemplate"],
        "steward://task/{id}"
    );
    let mut addresses: Vec<String> = resources
        .iter()
        .map(|resource| resource["uri"].as_str().unwrap().to_owned())
        .collect();
    addresses.extend([
        "steward://incident/1".to_owned(),
        "steward://task/1".to_owned(),
    ]);
    for uri in addresses {
        let read = asked(&world, viewer, "resources/read", json!({"uri": uri})).await;
        assert_eq!(read["contents"][0]["mimeType"], "application/json", "{uri}");
        let text = read["contents"][0]["text"].as_str().unwrap();
        let content: Value = serde_json::from_str(text).unwrap();
        if uri == "steward://task/1" {
            assert!(content["plan_hash"].is_string() && content["untrusted"].is_string());
        }
        if uri == "steward://incidents/active" {
            assert_eq!(content["incidents"].as_array().unwrap().len(), 2);
        }
    }
    for uri in [
        "steward://task/77",
        "steward://task/x",
        "file:///etc/passwd",
    ] {
        let read = call_of("resources/read", json!({"uri": uri}));
        let read = message(&world, Some(viewer), &read).send().await.unwrap();
        let read: Value = read.json().await.unwrap();
        assert_eq!(read["error"]["code"], -32002, "{uri}: {read}");
    }
}

#[tokio::test]
async fn a_refusal_says_why_and_what_would_be_right() {
    let world = World::new().await;
    let viewer = Role::Viewer;
    let (refused, why) = called(&world, viewer, "get_task", json!({"id": 77})).await;
    assert_eq!((refused, &why["code"]), (true, &json!("task_not_found")));
    let (refused, why) = called(
        &world,
        viewer,
        "get_task",
        json!({"id": 1, "verbose": true}),
    )
    .await;
    assert_eq!((refused, &why["code"]), (true, &json!("bad_input")));
    assert!(why["detail"].as_str().unwrap().contains("verbose"), "{why}");
    let (refused, why) = called(&world, viewer, "list_tasks", json!({"limit": 1000})).await;
    assert!(
        refused && why["detail"].as_str().unwrap().contains("100"),
        "{why}"
    );
    world
        .store
        .broken
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let (refused, why) = called(&world, viewer, "list_tasks", json!({})).await;
    assert_eq!((refused, &why["code"]), (true, &json!("store_unavailable")));
    assert!(!why.to_string().contains("hunter2"));
    let unknown = call_of("tools/call", json!({"name": "rm_rf", "arguments": {}}));
    let unknown = message(&world, Some(viewer), &unknown)
        .send()
        .await
        .unwrap();
    let unknown: Value = unknown.json().await.unwrap();
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
}

#[tokio::test]
async fn a_yes_needs_the_role_and_the_plan_and_is_recorded_as_what_it_is() {
    let world = World::new().await;
    let yes = json!({"id": 1, "plan_hash": "0123", "approved_by": "Evin"});
    let (refused, why) = called(&world, Role::Viewer, "approve_task", yes.clone()).await;
    assert_eq!((refused, &why["code"]), (true, &json!("forbidden")));
    world.asked.lock().unwrap().clear();
    for arguments in [
        json!({"id": 1}),
        json!({"id": 1, "plan_hash": null}),
        json!({"id": 1, "plan_hash": ""}),
    ] {
        for tool in ["approve_task", "reject_task"] {
            let (refused, why) = called(&world, Role::Operator, tool, arguments.clone()).await;
            assert_eq!(
                (refused, &why["code"]),
                (true, &json!("bad_input")),
                "{arguments}"
            );
        }
    }
    assert!(world.asked.lock().unwrap().is_empty());
    // A header can't make it anything else in the record.
    let call = call_of(
        "tools/call",
        json!({"name": "approve_task", "arguments": yes}),
    );
    let request = message(&world, Some(Role::Operator), &call).header("X-Steward-Channel", "cli");
    let answer = result(request.send().await.unwrap()).await;
    assert_eq!(answer["structuredContent"]["success"], true, "{answer:#}");
    let asked = world.asked.lock().unwrap().join("\n");
    for words in [
        "approve 1",
        "0123",
        "Evin",
        "channel: Mcp",
        "identity: \"operator\"",
    ] {
        assert!(asked.contains(words), "{words} is not in {asked}");
    }
    let other = json!({"id": 3, "plan_hash": "0123"});
    let (refused, why) = called(&world, Role::Operator, "reject_task", other).await;
    assert_eq!((refused, &why["code"]), (true, &json!("plan_changed")));
}

#[tokio::test]
async fn a_request_in_words_goes_the_way_of_the_contract() {
    let world = World::new().await;
    let request = json!({"request": "Why is the door slow?"});
    let (refused, why) = called(&world, Role::Viewer, "process_any_task", request.clone()).await;
    assert!(refused, "{why:#}");
    assert_eq!(why["code"], "forbidden");
    assert!(world.asked.lock().unwrap().is_empty());

    let (failed, answer) = called(&world, Role::Operator, "process_any_task", request).await;
    assert!(!failed, "{answer:#}");
    assert_eq!(answer["answer"], "It waits for the lock.");
    let proposal = &answer["proposals"][0];
    assert_eq!(proposal["task"], 1);
    let task = world.json("/api/agents/tasks/1").await;
    assert_eq!(proposal["plan_hash"], task["plan_hash"], "{answer:#}");
    let asked = world.asked.lock().unwrap().clone();
    assert!(asked[0].contains("channel: Mcp"), "{asked:?}");

    let viewer = Role::Viewer;
    let (_, list) = called(&world, viewer, "list_conversations", json!({})).await;
    assert_eq!(list["conversations"][0]["title"], "Why is the door slow?");
    let (_, one) = called(&world, viewer, "get_conversation", json!({"id": 1})).await;
    assert_eq!(one["messages"].as_array().unwrap().len(), 2);
    assert_eq!(one["busy"], false);
    let (refused, why) = called(&world, viewer, "get_conversation", json!({"id": 9})).await;
    assert!(
        refused && why["code"] == "conversation_not_found",
        "{why:#}"
    );
}
