//! Both sides together over a pipe, with an agent that a test answers for: what `steward mcp` does between its input and its output.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rmcp::{
    ServiceExt as _,
    model::{CallToolRequestParams, ClientConfig},
    service::{RoleClient, RunningService},
};
use serde_json::{Value, json};
use steward_api::{ErrorCode, Method, ProblemDetails};

use super::{Carrier, Fault, Serve, Toolbox};

/// An agent that answers by path, and notes what it was asked.
#[derive(Clone, Default)]
struct Scripted {
    role: &'static str,
    away: bool,
    asked: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Carrier for Scripted {
    async fn carry(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Vec<u8>, Fault> {
        let line = format!("{} {path} {}", method.as_str(), body.unwrap_or_default());
        self.asked.lock().unwrap().push(line);
        if self.away {
            return Err(Fault::NoAnswer(
                "no answer from http://atlas: is it running?".to_owned(),
            ));
        }
        let answer = match path.split('?').next().unwrap_or_default() {
            "/api/session" => json!({"identity": "me", "role": self.role}),
            "/api/resource/log" => {
                let lines: Vec<_> = (0..300)
                    .map(|n| format!("{n} {}", "x".repeat(3000)))
                    .collect();
                json!({"resource": "atlas/container/db", "lines": lines})
            }
            "/api/agents/tasks/7/approve" => json!({"success": true, "message": "Approved"}),
            _ => {
                return Err(Fault::Refused(Box::new(ProblemDetails::new(
                    ErrorCode::NotFound,
                    "not scripted",
                ))));
            }
        };
        Ok(answer.to_string().into_bytes())
    }
}

/// A client of this agent.
async fn client(agent: &Scripted) -> RunningService<RoleClient, ClientConfig> {
    let (ours, theirs) = tokio::io::duplex(1024 * 1024);
    let serve = Serve::new(Arc::new(agent.clone()), Toolbox::new());
    tokio::spawn(async move {
        if let Ok(running) = serve.serve(ours).await {
            let _ = running.waiting().await;
        }
    });
    ClientConfig::default().serve(theirs).await.unwrap()
}

async fn called(agent: &Scripted, tool: &'static str, arguments: Value) -> Value {
    let client = client(agent).await;
    let arguments = arguments.as_object().unwrap().clone();
    let request = CallToolRequestParams::new(tool).with_arguments(arguments);
    let result = client.call_tool(request).await.unwrap();
    serde_json::to_value(result).unwrap()
}

#[tokio::test]
async fn a_long_answer_is_bounded_says_so_and_marks_what_others_wrote() {
    let agent = Scripted {
        role: "viewer",
        ..Scripted::default()
    };
    let answer = called(
        &agent,
        "get_log",
        json!({"id": "atlas/container/db", "lines": 200}),
    )
    .await;
    assert!(answer["structuredContent"].to_string().len() <= 42 * 1024);
    let content = &answer["structuredContent"];
    assert_eq!(content["available"], 300);
    assert!(
        content["shortened"][0].as_str().unwrap().contains("lines"),
        "{content:#}"
    );
    assert!(
        content["lines"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .as_str()
            .unwrap()
            .starts_with("299 ")
    );
    let first = answer["content"][0]["text"].as_str().unwrap();
    assert!(first.starts_with("Untrusted data"), "{first}");
    let asked = agent.asked.lock().unwrap().join("\n");
    assert_eq!(
        asked.trim(),
        "GET /api/resource/log?id=atlas%2Fcontainer%2Fdb"
    );
}

#[tokio::test]
async fn a_yes_goes_out_with_the_plan_that_was_seen() {
    let agent = Scripted {
        role: "operator",
        ..Scripted::default()
    };
    let answer = called(&agent, "approve_task", json!({"id": 7, "plan_hash": "abc"})).await;
    assert_eq!(answer["structuredContent"]["success"], true);
    let asked = agent.asked.lock().unwrap().join("\n");
    assert!(
        asked.starts_with("POST /api/agents/tasks/7/approve")
            && asked.contains("\"plan_hash\":\"abc\""),
        "{asked}"
    );
}

#[tokio::test]
async fn an_agent_that_is_away_leaves_the_reading_tools_and_each_says_why() {
    let agent = Scripted {
        away: true,
        ..Scripted::default()
    };
    let tools = client(&agent).await.list_all_tools().await.unwrap();
    assert!(tools.iter().any(|tool| tool.name == "get_status"));
    assert!(tools.iter().all(|tool| tool.name != "approve_task"));
    let answer = called(&agent, "get_status", json!({})).await;
    assert_eq!(answer["isError"], true);
    assert!(answer.to_string().contains("is it running?"), "{answer:#}");
}
