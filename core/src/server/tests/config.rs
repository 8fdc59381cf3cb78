//! The settings over HTTP: who may see and change them, what a refusal says, and that no trick changes what is not offered.

use serde_json::{Value, json};
use steward_api::{ErrorCode, Role};

use super::world::{World, problem};

const FILE: &str = "# mine\n[thresholds]\ndisk_percent = 85 # the NAS is large\n\n[databases]\npostgres = [{ name = \"main\", url = \"postgres://u:hunter2@db.lan/x\" }]\n";

async fn hash(world: &World) -> String {
    let reply = world.json("/api/config").await;
    reply["file"]["hash"].as_str().unwrap().to_owned()
}

async fn write(world: &World, hash: &str, edits: Value) -> reqwest::Response {
    let body = json!({"hash": hash, "edits": edits}).to_string();
    world
        .request("POST", "/api/config", Some(Role::Admin))
        .body(body)
        .send()
        .await
        .unwrap()
}

async fn check(world: &World, edits: Value) -> Value {
    let body = json!({"edits": edits}).to_string();
    let response = world.request("POST", "/api/config/check", Some(Role::Admin));
    let response = response.body(body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

fn setting<'r>(reply: &'r Value, key: &str) -> &'r Value {
    let groups = reply["groups"].as_array().unwrap();
    groups
        .iter()
        .flat_map(|group| group["settings"].as_array().unwrap())
        .find(|setting| setting["key"] == key)
        .unwrap()
}

#[tokio::test]
async fn settings_are_shown_with_their_kind_and_where_they_come_from() {
    let world = World::new().await;
    let reply = world.json("/api/config").await;
    assert_eq!(reply["file"]["hash"], "none");
    assert_eq!(reply["file"]["writable"], true);
    assert_eq!(reply["file"]["path"], world.config.display().to_string());
    let disk = setting(&reply, "thresholds.disk_percent");
    assert_eq!(disk["value"], 85);
    assert_eq!(disk["origin"], json!({"from": "default"}));
    assert_eq!(
        disk["kind"],
        json!({"shape": "one", "of": {"kind": "number", "unit": "%", "from": 1.0, "to": 100.0}})
    );
    let held = setting(&reply, "guards.blast_radius");
    assert_eq!(held["value"], 7);
    assert_eq!(
        held["origin"],
        json!({"from": "environment", "variable": "STEWARD__GUARDS__BLAST_RADIUS"})
    );
    assert!(
        held["locked"]
            .as_str()
            .unwrap()
            .contains("STEWARD__GUARDS__BLAST_RADIUS")
    );
    let names: Vec<_> = reply["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| token["name"].clone())
        .collect();
    assert_eq!(names, ["db", "viewer", "operator", "admin"]);
    assert!(!reply.to_string().contains("stw_test"));
}

#[tokio::test]
async fn a_change_is_previewed_then_written_then_in_force() {
    let world = World::new().await;
    std::fs::write(&world.config, FILE).unwrap();
    let edits = json!([{"key": "thresholds.disk_percent", "value": 80}, {"key": "databases.timeout", "value": "9s"}]);
    let checked = check(&world, edits.clone()).await;
    assert_eq!(checked["valid"], true, "{checked}");
    assert!(!checked.to_string().contains("hunter2"));
    assert_eq!(std::fs::read_to_string(&world.config).unwrap(), FILE);
    let response = write(&world, checked["hash"].as_str().unwrap(), edits).await;
    assert_eq!(response.status(), 200);
    let written: Value = response.json().await.unwrap();
    assert_eq!(written["in_force"], true);
    assert!(!written.to_string().contains("hunter2"));
    let text = std::fs::read_to_string(&world.config).unwrap();
    let expected = FILE
        .replace("disk_percent = 85 #", "disk_percent = 80 #")
        .replace(
            "hunter2@db.lan/x\" }]\n",
            "hunter2@db.lan/x\" }]\ntimeout = \"9s\"\n",
        );
    assert_eq!(text, expected);
    assert_eq!(
        *world.asked.lock().unwrap(),
        ["reconfigure by admin, disk 80"]
    );
    let reply = world.json("/api/config").await;
    assert_eq!(reply["file"]["hash"], written["hash"]);
    let disk = setting(&reply, "thresholds.disk_percent");
    assert_eq!(
        (&disk["value"], &disk["origin"]),
        (&json!(80), &json!({"from": "file", "line": 3}))
    );
    assert!(!reply.to_string().contains("hunter2"));
}

#[tokio::test]
async fn a_file_is_made_where_there_is_none() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new().await;
    let response = write(
        &world,
        "none",
        json!([{"key": "guards.max_back_off", "value": "5m"}]),
    )
    .await;
    assert_eq!(response.status(), 200);
    let text = std::fs::read_to_string(&world.config).unwrap();
    assert!(text.starts_with("# Steward's configuration."), "{text}");
    assert!(
        text.ends_with("\n[guards]\nmax_back_off = \"5m\"\n"),
        "{text}"
    );
    let mode = std::fs::metadata(&world.config)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn nothing_is_written_over_somebody_else_s_change() {
    let world = World::new().await;
    std::fs::write(&world.config, FILE).unwrap();
    let base = hash(&world).await;
    let theirs = FILE.replace("# mine", "# theirs");
    std::fs::write(&world.config, &theirs).unwrap();
    let edits = json!([{"key": "thresholds.disk_percent", "value": 80}]);
    let response = write(&world, &base, edits).await;
    assert_eq!(problem(response).await, (409, ErrorCode::ConfigChanged));
    assert_eq!(std::fs::read_to_string(&world.config).unwrap(), theirs);
    assert!(world.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_wrong_is_said_by_key_and_nothing_is_written() {
    let world = World::new().await;
    std::fs::write(&world.config, FILE).unwrap();
    let base = hash(&world).await;
    for (edits, key, words) in [
        (
            json!([{"key": "thresholds.disk_percent", "value": 850}]),
            "thresholds.disk_percent",
            "from 1 to 100",
        ),
        (
            json!([{"key": "thresholds.disk_percent", "value": "much"}]),
            "thresholds.disk_percent",
            "from 1 to 100",
        ),
        (
            json!([{"key": "thresholds.disk_percent", "value": 97}]),
            "thresholds.disk_percent",
            "below 95",
        ),
        (
            json!([{"key": "guards.max_back_off", "value": "10 parsecs"}]),
            "guards.max_back_off",
            "a duration",
        ),
        (
            json!([{"key": "guards.max_back_off", "value": 10}]),
            "guards.max_back_off",
            "unit",
        ),
        (
            json!([{"key": "guards.blast_radius", "value": 9}]),
            "guards.blast_radius",
            "STEWARD__GUARDS__BLAST_RADIUS",
        ),
        (
            json!([{"key": "guards.blast_radius"}]),
            "guards.blast_radius",
            "STEWARD__GUARDS__BLAST_RADIUS",
        ),
        (
            json!([{"key": "autonomy.level", "value": "yolo"}]),
            "autonomy.level",
            "assist",
        ),
        (
            json!([{"key": "autonomy.windows", "value": [{"from": "22:00"}]}]),
            "autonomy.windows[0].to",
            "missing",
        ),
        (
            json!([{"key": "network.outside", "value": []}]),
            "network.outside",
            "at least one",
        ),
        (
            json!([{"key": "log.level", "value": "trace"}]),
            "log.level",
            "by hand",
        ),
        (
            json!([{"key": "guards.max_back_off", "value": "1m"}, {"key": "guards.max_back_off", "value": "2m"}]),
            "guards.max_back_off",
            "twice",
        ),
    ] {
        let checked = check(&world, edits.clone()).await;
        assert_eq!(checked["valid"], false, "{edits}");
        let wrong = &checked["problems"][0];
        assert_eq!(wrong["key"], key, "{checked}");
        assert!(
            wrong.to_string().contains(words),
            "{words} is not in {wrong}"
        );
        let response = write(&world, &base, edits).await;
        assert_eq!(problem(response).await, (422, ErrorCode::ConfigInvalid));
    }
    assert_eq!(std::fs::read_to_string(&world.config).unwrap(), FILE);
    assert!(world.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn only_an_administrator_changes_settings_and_not_without_a_journal() {
    let world = World::new().await;
    for path in ["/api/config", "/api/config/check"] {
        for role in [Role::Viewer, Role::Operator] {
            let response = world
                .request("POST", path, Some(role))
                .body(r#"{"hash":"none","edits":[]}"#);
            assert_eq!(
                problem(response.send().await.unwrap()).await,
                (403, ErrorCode::Forbidden)
            );
        }
    }
    world.view.send_modify(|view| {
        std::sync::Arc::make_mut(view).store_error = Some("disk full".to_owned());
    });
    let response = write(
        &world,
        "none",
        json!([{"key": "guards.max_back_off", "value": "5m"}]),
    )
    .await;
    assert_eq!(problem(response).await, (503, ErrorCode::StoreUnavailable));
    assert!(!world.config.exists());
}

#[tokio::test]
async fn a_link_is_followed_and_one_that_leads_nowhere_is_refused() {
    let world = World::new().await;
    let real = world.config.with_file_name("real.toml");
    std::os::unix::fs::symlink(&real, &world.config).unwrap();
    let reply = world.json("/api/config").await;
    assert_eq!(reply["file"]["writable"], false);
    let response = write(
        &world,
        "none",
        json!([{"key": "guards.max_back_off", "value": "5m"}]),
    )
    .await;
    assert_eq!(problem(response).await, (409, ErrorCode::ConfigReadOnly));
    std::fs::write(&real, FILE).unwrap();
    let base = hash(&world).await;
    let response = write(&world, &base, json!([{"key": "thresholds.disk_percent"}])).await;
    assert_eq!(response.status(), 200);
    assert!(
        std::fs::symlink_metadata(&world.config)
            .unwrap()
            .is_symlink()
    );
    let text = std::fs::read_to_string(&real).unwrap();
    assert!(
        text.contains("[thresholds]\n# the NAS is large\n"),
        "{text}"
    );
    let left: Vec<_> = std::fs::read_dir(real.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 2, "no draft is left: {left:?}");
}
