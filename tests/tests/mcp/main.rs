//! The Model Context Protocol with the official Python SDK in both its major versions: Steward as the server, over both transports; and its
//! servers watched (`watched`).

mod watched;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use steward_api::{Channel, GetTask, Health, Nothing, Task, TaskState};
use steward_tests::{
    agent::{Agent, program},
    docker::{Container, Lab},
    lab_or_skip,
    python::{Python, Sdk},
    skip,
};

const SOON: Duration = Duration::from_secs(90);

/// A container that has died, and an agent that asks whether to restart it.
struct Question {
    web: Container,
    agent: Agent,
    task: Task,
}

impl Question {
    async fn open(lab: &Lab) -> Result<Self> {
        let web = lab.container("web").serve().start().await?;
        web.wait_ready().await?;
        let agent = Agent::for_lab(lab)
            .set("autonomy.level", "ask")
            .start()
            .await?;
        let well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
        agent
            .wait_for_container(&web.name, "to be well", SOON, well)
            .await?;
        web.crash(1).await?;
        let is_it = |task: &Task| task.requires_approval && task.resource.name == web.name;
        let all = agent
            .wait_for_tasks("the question", SOON, |tasks| tasks.iter().any(is_it))
            .await?;
        let task = all
            .into_iter()
            .find(is_it)
            .context("the question is gone")?;
        Ok(Self { web, agent, task })
    }

    fn secret(&self, role: &str) -> Result<String> {
        let text = std::fs::read_to_string(self.agent.data_dir().join("tokens.toml"))?;
        let file: toml::Table = text.parse()?;
        let tokens = file["token"].as_array().context("no tokens")?;
        let one = tokens
            .iter()
            .find(|token| token["role"].as_str() == Some(role));
        let secret = one.and_then(|token| token["secret"].as_str());
        Ok(secret.context("no such role")?.to_owned())
    }

    fn id(&self) -> i64 {
        self.task.id.0
    }

    fn http(&self, token: &str, steps: &Value) -> Value {
        let bearer = format!("Bearer {token}");
        json!({"url": format!("{}/mcp", self.agent.url()), "headers": {"Authorization": bearer}, "steps": steps})
    }

    fn stdio(&self, token: &str, steps: &Value) -> Result<Value> {
        let steward = program("steward", "steward")?;
        Ok(json!({
            "command": steward,
            "args": ["mcp"],
            "env": {"STEWARD_URL": self.agent.url(), "STEWARD_TOKEN": token},
            "steps": steps,
        }))
    }

    /// What an operator's program reads and is refused, over either transport.
    fn reading(&self) -> Value {
        let container = self.task.resource.to_string();
        json!([
            {"list": true},
            {"call": "get_status"},
            {"call": "list_resources", "arguments": {"kind": "container"}},
            {"call": "get_log", "arguments": {"id": container, "lines": 5}},
            {"call": "list_incidents", "arguments": {"state": "active"}},
            {"call": "get_task", "arguments": {"id": self.id()}},
            {"call": "list_journal", "arguments": {"limit": 5}},
            {"call": "approve_task", "arguments": {"id": self.id(), "plan_hash": "0".repeat(64)}},
            {"call": "approve_task", "arguments": {"id": self.id()}},
            {"call": "get_metrics", "arguments": {"resource": container, "metric": "cpu_percent"}},
        ])
    }

    fn check_reading(&self, sdk: Sdk, told: &Value) -> Result<()> {
        let newest = match sdk {
            Sdk::One => "2025-11-25",
            Sdk::Two => "2026-07-28",
        };
        assert_eq!(told["protocol"], newest);
        let results = told["results"].as_array().context("no results")?;
        let content = |n: usize| &results[n]["structuredContent"];
        let tools = names(&results[0]);
        for name in [
            "get_status",
            "list_resources",
            "get_log",
            "approve_task",
            "reject_task",
            "heal_container",
            "process_any_task",
            "get_conversation",
        ] {
            ensure!(
                tools.contains(&name.to_owned()),
                "{name} is not in {tools:?}"
            );
        }
        assert_eq!(told["server"]["name"], "steward");
        assert_eq!(content(1)["you"]["role"], "operator", "{told:#}");
        assert_eq!(content(1)["waiting_for_a_person"][0]["task"], self.id());
        assert_eq!(
            content(2)["resources"][0]["id"],
            self.task.resource.to_string()
        );
        assert!(content(3)["lines"].is_array(), "{told:#}");
        assert!(
            content(3)["untrusted"]
                .as_str()
                .is_some_and(|text| text.contains("never follow"))
        );
        assert_eq!(
            content(4)["incidents"][0]["resource"],
            self.task.resource.to_string()
        );
        assert_eq!(content(5)["plan_hash"], self.task.plan_hash.0);
        assert!(
            content(6)["entries"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
        );
        // Another plan than the one that was seen, and none at all.
        assert_eq!(
            (&results[7]["isError"], &content(7)["code"]),
            (&json!(true), &json!("plan_changed")),
            "{:#}",
            results[7]
        );
        let without = results[8].to_string();
        assert!(
            without.contains("plan_hash") && results[8]["isError"] != json!(false),
            "{without}"
        );
        assert_eq!(content(9)["metric"], "cpu_percent", "{:#}", results[9]);
        Ok(())
    }

    /// Nobody has answered, and nothing was done.
    async fn is_open(&self) -> Result<()> {
        let task: Task = self
            .agent
            .call_at::<GetTask>(self.task.id, &Nothing {})
            .await?;
        ensure!(
            task.status == TaskState::Pending && !task.approved,
            "{task:#?}"
        );
        ensure!(!self.web.state().await?.running, "it runs");
        Ok(())
    }

    /// A yes by this job heals it, and the record says by whom and how.
    async fn approved_by(&self, told: &Value) -> Result<()> {
        assert_eq!(
            told["results"][0]["structuredContent"]["success"], true,
            "{told:#}"
        );
        self.web
            .wait("to run again", SOON, |now| now.running)
            .await?;
        let read = || self.agent.call_at::<GetTask>(self.task.id, &Nothing {});
        let task = self
            .agent
            .wait("the task to be over", SOON, read, |task| {
                task.status.is_final()
            })
            .await?;
        assert_eq!(task.status, TaskState::Completed, "{:?}", task.result);
        let approval = task.approval.context("no approval")?;
        assert_eq!(
            (approval.channel, approval.by.as_str()),
            (Channel::Mcp, "Evin")
        );
        assert_eq!(approval.identity, "operator");
        Ok(())
    }

    fn yes(&self) -> Value {
        json!([{"call": "approve_task", "arguments": {
            "id": self.id(), "plan_hash": self.task.plan_hash.0, "approved_by": "Evin",
        }}])
    }

    /// What a viewer's program sees and is refused.
    fn check_viewer(&self, told: &Value) -> Result<()> {
        let tools = names(&told["results"][0]);
        ensure!(tools.contains(&"get_task".to_owned()), "{tools:?}");
        ensure!(!tools.contains(&"approve_task".to_owned()), "{tools:?}");
        let refused = &told["results"][1];
        assert_eq!(
            refused["structuredContent"]["code"], "forbidden",
            "{refused:#}"
        );
        Ok(())
    }

    fn viewing(&self) -> Value {
        let yes = self.yes();
        json!([{"list": true}, yes[0]])
    }
}

fn names(list: &Value) -> Vec<String> {
    let tools = list["tools"].as_array().cloned().unwrap_or_default();
    let name = |tool: &Value| tool["name"].as_str().unwrap_or_default().to_owned();
    tools.iter().map(name).collect()
}

macro_rules! python_or_skip {
    ($sdk:expr) => {
        match Python::with($sdk).await? {
            Ok(python) => python,
            Err(reason) => skip!("{reason}"),
        }
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_both_sdks_read_and_one_approves_what_it_has_seen() -> Result<()> {
    let lab = lab_or_skip!("mcp-http");
    let (older, newer) = (python_or_skip!(Sdk::One), python_or_skip!(Sdk::Two));
    let it = Question::open(&lab).await?;
    let (operator, viewer) = (it.secret("operator")?, it.secret("viewer")?);
    for (sdk, python) in [(Sdk::One, &older), (Sdk::Two, &newer)] {
        it.check_reading(
            sdk,
            &python.client(&it.http(&operator, &it.reading())).await?,
        )?;
        it.check_viewer(&python.client(&it.http(&viewer, &it.viewing())).await?)?;
    }
    it.is_open().await?;

    // Nobody without a token, and no page of another site.
    let url = format!("{}/mcp", it.agent.url());
    let post = |token: Option<&str>, origin: Option<&str>| {
        let mut request = reqwest::Client::new()
            .post(&url)
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json")
            .body(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        request.send()
    };
    assert_eq!(post(None, None).await?.status(), 401);
    assert_eq!(post(Some("stw_wrong"), None).await?.status(), 401);
    let elsewhere = Some("https://elsewhere.example");
    assert_eq!(post(Some(&operator), elsewhere).await?.status(), 403);
    assert_eq!(
        post(Some(&operator), Some(it.agent.url())).await?.status(),
        200
    );

    it.approved_by(&newer.client(&it.http(&operator, &it.yes())).await?)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn over_stdio_both_sdks_read_and_one_approves_what_it_has_seen() -> Result<()> {
    let lab = lab_or_skip!("mcp-stdio");
    let (older, newer) = (python_or_skip!(Sdk::One), python_or_skip!(Sdk::Two));
    let it = Question::open(&lab).await?;
    let (operator, viewer) = (it.secret("operator")?, it.secret("viewer")?);
    for (sdk, python) in [(Sdk::One, &older), (Sdk::Two, &newer)] {
        it.check_reading(
            sdk,
            &python.client(&it.stdio(&operator, &it.reading())?).await?,
        )?;
        it.check_viewer(&python.client(&it.stdio(&viewer, &it.viewing())?).await?)?;
    }
    it.is_open().await?;
    it.approved_by(&older.client(&it.stdio(&operator, &it.yes())?).await?)
        .await
}
