//! The shapes promised to users, against the live agent: each path, each field, the metrics' names, the event stream, the OpenAPI document.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use steward_api::{EVENTS_PATH, Endpoint, Event, Health, METRICS_PATH, OPENAPI_PATH, TaskState};
use steward_tests::{
    agent::{ADMIN_TOKEN, Agent, http_client},
    docker::{Container, Lab},
    lab_or_skip,
};

const SOON: Duration = Duration::from_secs(90);

struct World {
    agent: Agent,
    web: Container,
    asked: Container,
    http: reqwest::Client,
}

impl World {
    /// An agent that has healed one container and asks about another.
    async fn with_history(lab: &Lab) -> Result<Self> {
        let web = lab.container("web").serve().start().await?;
        let asked = lab
            .container("asked")
            .label("steward.auto_restart", "false")
            .start()
            .await?;
        for one in [&web, &asked] {
            one.wait_ready().await?;
        }
        let agent = Agent::for_lab(lab).start().await?;
        let well = |one: &steward_api::Resource| one.health == Health::Healthy;
        for one in [&web, &asked] {
            agent
                .wait_for_container(&one.name, "to be well", SOON, well)
                .await?;
        }
        web.crash(1).await?;
        asked.crash(2).await?;
        agent
            .wait_for_tasks("one done and one asked", SOON, |tasks| {
                let has = |state| tasks.iter().any(|task| task.status == state);
                has(TaskState::Completed) && has(TaskState::Pending)
            })
            .await?;
        agent
            .wait_for_incidents("one over", SOON, |all| {
                all.iter().any(|one| !one.is_active())
            })
            .await?;
        Ok(Self {
            agent,
            web,
            asked,
            http: http_client()?,
        })
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let (status, kind, body) = self.raw(path, Some(ADMIN_TOKEN)).await?;
        ensure!(status == 200, "{path}: {status} {body}");
        ensure!(kind.starts_with("application/json"), "{path}: {kind}");
        serde_json::from_str(&body).with_context(|| format!("{path}: {body}"))
    }

    async fn raw(&self, path: &str, token: Option<&str>) -> Result<(u16, String, String)> {
        let mut request = self.http.get(format!("{}{path}", self.agent.url()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await?;
        let kind = answer.headers().get("content-type");
        let kind = kind
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        Ok((answer.status().as_u16(), kind, answer.text().await?))
    }
}

/// Each dotted path is there; with `?` it may be null.
fn has(value: &Value, what: &str, paths: &[&str]) {
    for path in paths {
        let nullable = path.ends_with('?');
        let mut at = value;
        for part in path.trim_end_matches('?').split('.') {
            at = match at {
                Value::Array(all) => {
                    let index: usize = part.parse().unwrap_or_default();
                    all.get(index)
                        .unwrap_or_else(|| panic!("{what}: no {path} in {value:#}"))
                }
                other => other
                    .get(part)
                    .unwrap_or_else(|| panic!("{what}: no {path} in {value:#}")),
            };
        }
        assert!(
            nullable || !at.is_null(),
            "{what}: {path} is null in {value:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_promised_path_answers_in_its_shape() -> Result<()> {
    let lab = lab_or_skip!("shapes");
    let world = World::with_history(&lab).await?;
    let (web, asked) = (&world.web.name, &world.asked.name);

    let (status, _, health) = world.raw("/health", None).await?;
    assert_eq!(status, 200);
    let health: Value = serde_json::from_str(&health)?;
    has(&health, "/health", &["status", "version", "uptime_seconds"]);
    assert_eq!(health["status"], "ok");

    for path in ["/status", "/monitor/status"] {
        let status = world.get(path).await?;
        has(
            &status,
            path,
            &[
                "node",
                "version",
                "started_at",
                "uptime_seconds",
                "autonomy",
                "sources.0.name",
                "sources.0.last_success",
                "schedules.0.name",
                "schedules.0.next_run",
                "store.engine",
                "store.writable",
                "versions.docker",
            ],
        );
        let docker = status["sources"].as_array().into_iter().flatten();
        let docker = docker.filter(|one| one["name"] == "docker");
        assert_eq!(docker.count(), 1, "{status:#}");
    }

    let summary = world.get("/api/health/system-summary").await?;
    has(
        &summary,
        "system-summary",
        &[
            "container_health.healthy",
            "container_health.unhealthy",
            "container_health.stopped",
            "container_health.restarting",
            "container_health.unknown",
            "database_health.connected?",
            "database_health.latency_ms?",
            "network_health.external_reachable?",
            "network_health.dns_functional?",
            "disk_status.usage_percent?",
            "disk_status.available_gb?",
            "issues_found",
            "tasks_created",
        ],
    );
    assert_eq!(summary["container_health"]["healthy"], 1);
    assert_eq!(summary["issues_found"], 1);
    assert_eq!(summary["tasks_created"], 1);
    // Host, network and databases are switched off here: not read, so null.
    assert!(summary["network_health"]["dns_functional"].is_null());
    assert!(summary["disk_status"]["usage_percent"].is_null());
    assert!(summary["database_health"]["connected"].is_null());

    let pending = world.get("/api/agents/tasks/pending").await?;
    assert_eq!(pending.as_array().map(Vec::len), Some(1), "{pending:#}");
    has(
        &pending,
        "pending",
        &[
            "0.id",
            "0.description",
            "0.task_type",
            "0.priority",
            "0.risk",
            "0.plan_hash",
            "0.requires_approval",
            "0.approved",
            "0.created_at",
            "0.expires_at",
        ],
    );
    assert_eq!(pending[0]["requires_approval"], true);
    assert_eq!(pending[0]["approved"], false);
    for time in ["created_at", "expires_at"] {
        let text = pending[0][time].as_str().unwrap_or_default();
        assert!(
            text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(),
            "{text}"
        );
    }

    // Answered as the page shows it, and its status after.
    let id = &pending[0]["id"];
    let answer = world
        .http
        .post(format!(
            "{}/api/agents/tasks/{id}/approve",
            world.agent.url()
        ))
        .header("X-API-Key", ADMIN_TOKEN)
        .json(&serde_json::json!({"approved_by": "Evin", "notes": "as on the page"}))
        .send()
        .await?;
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await?;
    assert_eq!(answer["success"], true);
    assert_eq!(answer["message"], "Task approved and queued for execution");
    let path = format!("/api/agents/tasks/{id}/status");
    let read = || world.get(&path);
    let done = world
        .agent
        .wait("the task to be over", SOON, read, |task| {
            task["status"] == "completed"
        })
        .await?;
    has(
        &done,
        "task status",
        &[
            "id",
            "result.success",
            "result.details",
            "execution_log.0.timestamp",
            "execution_log.0.action",
        ],
    );
    let words: Vec<_> = done["execution_log"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|line| line["action"].as_str())
        .collect();
    let expected = [
        "validated_request",
        "restarted_container",
        "verified_health",
    ];
    let places: Vec<_> = expected
        .iter()
        .map(|word| words.iter().position(|one| one == word))
        .collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{words:?}"
    );

    let incidents = world.get("/monitor/incidents?hours=24").await?;
    has(
        &incidents,
        "monitor/incidents",
        &["hours", "total", "active", "incidents.0.id"],
    );
    assert_eq!(incidents["total"], 2);
    let listed = world.get("/api/incidents?limit=1").await?;
    has(
        &listed,
        "incidents",
        &[
            "items.0.id",
            "items.0.severity",
            "items.0.findings.0.summary",
            "next",
        ],
    );
    let diagnosis = &listed["items"][0]["diagnoses"];
    has(
        diagnosis,
        "diagnosis",
        &[
            "0.diagnosis",
            "0.recommended_action?",
            "0.urgency",
            "0.confidence",
            "0.reasoning",
            "0.evidence",
            "0.source",
        ],
    );
    let second = world
        .get(&format!("/api/incidents?limit=1&before={}", listed["next"]))
        .await?;
    assert_ne!(second["items"][0]["id"], listed["items"][0]["id"]);
    for filter in [
        "state=active",
        "severity=critical",
        "since=2030-01-01T00:00:00Z",
    ] {
        let none = world.get(&format!("/api/incidents?{filter}")).await?;
        let over = none["items"].as_array().into_iter().flatten();
        let left: Vec<_> = over
            .filter(|one| filter != "state=active" || !one["resolved_at"].is_null())
            .collect();
        assert!(left.is_empty(), "{filter}: {none:#}");
    }
    let of_web = world
        .get(&format!("/api/incidents?resource=test/container/{web}"))
        .await?;
    assert_eq!(of_web["items"].as_array().map(Vec::len), Some(1));

    let metrics = world
        .get(&format!("/monitor/metrics/container/{asked}"))
        .await?;
    has(
        &metrics,
        "container metrics",
        &["container.id", "statistics.incidents", "history"],
    );
    assert_eq!(metrics["statistics"]["incidents"], 1);
    let metric = world
        .get(&format!("/monitor/metrics/container/{web}"))
        .await?;
    let name = metric["history"][0]["metric"].clone();
    let name = name.as_str().context("no history at all")?;
    let series = world
        .get(&format!(
            "/api/metrics?resource=test/container/{web}&metric={name}&step=60"
        ))
        .await?;
    has(
        &series,
        "metrics",
        &["resource", "metric", "unit", "step", "points"],
    );

    let heal = world
        .http
        .post(format!("{}/monitor/heal/{web}", world.agent.url()))
        .header("X-API-Key", ADMIN_TOKEN)
        .send()
        .await?;
    assert_eq!(heal.status(), 409, "it is healthy");
    let kind = heal.headers()["content-type"].to_str()?.to_owned();
    assert!(kind.starts_with("application/problem+json"), "{kind}");
    let problem: Value = heal.json().await?;
    has(&problem, "problem", &["code", "title", "detail", "status"]);
    assert_eq!(problem["code"], "nothing_to_do");

    // Everything but /health wants a token.
    for path in [
        "/status",
        "/metrics",
        "/api/health/system-summary",
        "/api/agents/tasks/pending",
        "/api/incidents",
        "/api/events",
        "/monitor/status",
    ] {
        let (status, kind, body) = world.raw(path, None).await?;
        assert_eq!(status, 401, "{path}: {body}");
        assert!(
            kind.starts_with("application/problem+json"),
            "{path}: {kind}"
        );
        let (status, ..) = world.raw(path, Some("wrong")).await?;
        assert_eq!(status, 401, "{path}");
    }
    let (status, kind, body) = world.raw("/nowhere", Some(ADMIN_TOKEN)).await?;
    assert_eq!(status, 404, "{body}");
    assert!(kind.starts_with("application/problem+json"), "{kind}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_have_their_promised_names() -> Result<()> {
    let lab = lab_or_skip!("metrics");
    let world = World::with_history(&lab).await?;
    let text = world.agent.metrics().await?;
    let web = &world.web.name;
    for sample in [
        "steward_active_incidents{severity=\"".to_owned(),
        "steward_incidents_total{kind=\"container_stopped\",severity=\"unhealthy\"} 2".to_owned(),
        "steward_actions_total{action=\"restart_container\",result=\"succeeded\"} 1".to_owned(),
        "steward_autofix_success_ratio 1".to_owned(),
        "steward_approval_response_seconds_bucket".to_owned(),
        "steward_approval_response_seconds_count 0".to_owned(),
        "steward_monitoring_cycle_seconds_bucket".to_owned(),
        "steward_health_check_seconds_bucket{".to_owned(),
        format!("steward_container_restarts_total{{container=\"{web}\"}} 1"),
        "steward_resource_health{resource=\"".to_owned(),
        "steward_source_up{source=\"docker\"} 1".to_owned(),
        "steward_tasks_total{state=\"completed\"} 1".to_owned(),
        "steward_uptime_seconds".to_owned(),
    ] {
        assert!(
            text.lines().any(|line| line.starts_with(&sample)),
            "no {sample} in\n{text}"
        );
    }
    assert!(
        text.contains("# TYPE steward_resource_latency_seconds")
            || !text.contains("resource_latency"),
        "{text}"
    );
    // One healthy, one not.
    for (name, value) in [(web, 1.0), (&world.asked.name, 0.0)] {
        let read = world
            .agent
            .metric(&format!(
                "steward_resource_health{{resource=\"test/container/{name}\"}}"
            ))
            .await?;
        assert_eq!(read, Some(value), "{name}\n{text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_stream_resumes_without_a_gap_over_a_restart() -> Result<()> {
    let lab = lab_or_skip!("resume");
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let mut agent = Agent::for_lab(&lab).start().await?;
    let stream = agent.events(Some(0)).await?;
    let well = |one: &steward_api::Resource| one.health == Health::Healthy;
    agent
        .wait_for_container(&web.name, "to be well", SOON, well)
        .await?;
    web.crash(1).await?;
    web.wait("to be healed", SOON, |now| now.running).await?;
    stream
        .wait("the middle of it", SOON, |entry| {
            matches!(entry.event, Event::ActionConcluded { .. })
        })
        .await?;
    let mut heard: Vec<_> = stream.all().into_iter().map(|one| one.envelope).collect();
    let last = heard.last().context("nothing was heard")?.seq;
    drop(stream);
    // What happens while nobody listens, while no agent runs, and at the next start.
    agent.kill_9().await?;
    web.wait_ready().await?;
    web.crash(1).await?;
    agent.start_again().await?;
    web.wait("to be healed again", SOON, |now| now.running)
        .await?;
    let stream = agent.events(Some(last)).await?;
    stream
        .wait("the second conclusion", SOON, |entry| {
            matches!(entry.event, Event::ActionConcluded { .. })
        })
        .await?;
    heard.extend(stream.all().into_iter().map(|one| one.envelope));
    assert_eq!(stream.reloads(), 0);
    let numbers: Vec<_> = heard.iter().map(|entry| entry.seq).collect();
    let expected: Vec<_> = (1..=i64::try_from(numbers.len())?).collect();
    assert_eq!(numbers, expected, "a gap or a repetition");
    let journal = agent.journal(0).await?;
    assert!(journal.starts_with(&heard), "the stream is the journal");
    assert!(heard.iter().all(|entry| entry.hash.len() == 64));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openapi_document_has_every_route_and_every_route_is_there() -> Result<()> {
    let agent = Agent::for_host("unix:///nonexistent/docker.sock")
        .set("docker.enabled", false)
        .start()
        .await?;
    let http = http_client()?;
    let url = |path: &str| format!("{}{path}", agent.url());
    let document: Value = http
        .get(url(OPENAPI_PATH))
        .header("X-API-Key", ADMIN_TOKEN)
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    let version = document["openapi"].as_str().unwrap_or_default();
    assert!(version.starts_with("3."), "{version}");
    let paths = document["paths"].as_object().context("no paths")?;
    let mut routes: Vec<(&str, &str)> = vec![
        ("GET", EVENTS_PATH),
        ("GET", METRICS_PATH),
        ("GET", OPENAPI_PATH),
    ];
    macro_rules! route {
        ($endpoint:ty) => {
            routes.push((<$endpoint>::METHOD.as_str(), <$endpoint>::PATH))
        };
    }
    steward_api::for_each_endpoint!(route);
    for promised in [
        "/health",
        "/status",
        "/metrics",
        "/api/health/system-summary",
        "/api/agents/tasks/pending",
        "/api/agents/tasks/{id}/approve",
        "/api/agents/tasks/{id}/reject",
        "/api/agents/tasks/{id}/status",
        "/api/incidents",
        "/api/metrics",
        "/api/events",
        "/monitor/status",
        "/monitor/incidents",
        "/monitor/metrics/container/{name}",
        "/monitor/heal/{container}",
    ] {
        assert!(
            routes.iter().any(|(_, path)| *path == promised),
            "{promised}"
        );
    }
    let mut served = BTreeSet::new();
    for (method, path) in routes {
        if path != OPENAPI_PATH {
            let described = paths
                .get(path)
                .and_then(|entry| entry.get(method.to_lowercase()));
            assert!(described.is_some(), "{method} {path} is not described");
        }
        served.insert(path.to_owned());
        let concrete = match path.split_once('{') {
            Some((before, rest)) => {
                let after = rest.split_once('}').map_or("", |(_, after)| after);
                format!("{before}999999{after}")
            }
            None => path.to_owned(),
        };
        let request = match method {
            "GET" => http.get(url(&concrete)),
            _ => http.post(url(&concrete)).json(&serde_json::json!({})),
        };
        let answer = request.header("X-API-Key", ADMIN_TOKEN).send().await?;
        let status = answer.status();
        if status == 404 {
            let problem: Value = answer.json().await?;
            assert_ne!(
                problem["code"], "not_found",
                "{method} {path} is not served"
            );
        } else {
            assert!(
                status.as_u16() < 500 || status == 503,
                "{method} {path}: {status}"
            );
            assert_ne!(status, 405, "{method} {path}");
        }
    }
    for path in paths.keys() {
        assert!(served.contains(path), "{path} is described and not served");
    }
    Ok(())
}
