//! A server that answers as a test says.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Response, StatusCode},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::config;

/// One answer of the server.
#[derive(Clone)]
pub(in crate::advisor) enum Reply {
    Text(String),
    Raw(u16, &'static str, String),
    Refusal,
    CutOff(String),
    Slow,
    Huge,
    Drops,
    /// Calls of tools, each with its arguments.
    Calls(Vec<(&'static str, String)>),
    /// A stream that ends after this much.
    BreaksOff(String),
    /// A stream that sends this and then nothing more.
    Stalls(String),
}

/// How a text comes to whoever asked for it piece by piece: a few characters at a time.
fn pieces(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters
        .chunks(7)
        .map(|some| {
            let some: String = some.iter().collect();
            let piece = json!({"choices": [{"delta": {"content": some}, "finish_reason": null}]});
            format!("data: {piece}\n\n")
        })
        .collect()
}

fn stream(pieces: Vec<String>, goes_on: bool) -> Response<Body> {
    use futures_util::StreamExt as _;
    let sent = futures_util::stream::iter(pieces).map(Ok::<_, std::convert::Infallible>);
    let body = if goes_on {
        Body::from_stream(sent.chain(futures_util::stream::pending()))
    } else {
        Body::from_stream(sent)
    };
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(body)
        .unwrap()
}

#[derive(Default)]
pub(in crate::advisor) struct Script {
    pub(in crate::advisor) replies: Mutex<VecDeque<Reply>>,
    seen: Mutex<Vec<(Value, Option<String>)>>,
}

async fn completions(
    State(script): State<Arc<Script>>,
    headers: axum::http::HeaderMap,
    body: String,
) -> Response<Body> {
    let key = headers
        .get("authorization")
        .map(|value| value.to_str().unwrap().to_owned());
    script
        .seen
        .lock()
        .unwrap()
        .push((serde_json::from_str(&body).unwrap(), key));
    let is_streamed = serde_json::from_str::<Value>(&body).unwrap()["stream"] == true;
    let reply = script.replies.lock().unwrap().pop_front();
    let json = |value: Value| {
        Response::builder()
            .header("content-type", "application/json")
            .body(Body::from(value.to_string()))
            .unwrap()
    };
    let completion = |content: Value, finish: &str| {
        json(json!({
            "choices": [{"message": content, "finish_reason": finish}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 100},
        }))
    };
    match reply.unwrap_or(Reply::Raw(500, "", "nothing scripted".to_owned())) {
        Reply::Text(text) if is_streamed => {
            let mut sent = pieces(&text);
            sent.push(
                "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n".to_owned(),
            );
            sent.push(
                "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":100}}\n\n"
                    .to_owned(),
            );
            sent.push("data: [DONE]\n\n".to_owned());
            stream(sent, false)
        }
        Reply::BreaksOff(text) => stream(pieces(&text), false),
        Reply::Stalls(text) => stream(pieces(&text), true),
        Reply::Calls(calls) => {
            let calls: Vec<Value> = calls
                .iter()
                .map(|(name, arguments)| json!({"id": format!("c-{name}"), "type": "function", "function": {"name": name, "arguments": arguments}}))
                .collect();
            completion(json!({"content": null, "tool_calls": calls}), "tool_calls")
        }
        Reply::Text(text) => completion(json!({"content": text}), "stop"),
        Reply::CutOff(text) => completion(json!({"content": text}), "length"),
        Reply::Refusal => completion(json!({"content": null, "refusal": "I can't help"}), "stop"),
        Reply::Raw(status, retry_after, text) => {
            let mut response = Response::new(Body::from(text));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            if !retry_after.is_empty() {
                response
                    .headers_mut()
                    .insert("retry-after", retry_after.parse().unwrap());
            }
            response
        }
        Reply::Slow => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            json(json!({}))
        }
        Reply::Huge => {
            let chunk = axum::body::Bytes::from(vec![b' '; 64 * 1024]);
            let endless = futures_util::stream::repeat_with(move || {
                Ok::<_, std::convert::Infallible>(chunk.clone())
            });
            Response::new(Body::from_stream(endless))
        }
        Reply::Drops => {
            let broken = futures_util::stream::iter([
                Ok(axum::body::Bytes::from_static(b"{\"choices\": [{\"mess")),
                Err(std::io::Error::other("gone")),
            ]);
            Response::new(Body::from_stream(broken))
        }
    }
}

pub(in crate::advisor) struct Server {
    pub(in crate::advisor) url: String,
    pub(in crate::advisor) script: Arc<Script>,
}

impl Server {
    pub(in crate::advisor) async fn start(replies: Vec<Reply>) -> Self {
        let script = Arc::new(Script {
            replies: Mutex::new(replies.into()),
            seen: Mutex::default(),
        });
        let app = Router::new()
            .route("/v1/chat/completions", post(completions))
            .route(
                "/v1/models",
                get(async || {
                    axum::Json(json!({"data": [{"id": "tiny", "owned_by": "llamacpp", "meta": {"n_ctx_train": 2048}}]}))
                }),
            )
            .with_state(Arc::clone(&script));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, script }
    }

    pub(in crate::advisor) fn seen(&self) -> Vec<(Value, Option<String>)> {
        self.script.seen.lock().unwrap().clone()
    }

    pub(in crate::advisor) fn model(&self, name: &str) -> config::Model {
        model(name, &self.url)
    }
}

pub(in crate::advisor) fn model(name: &str, url: &str) -> config::Model {
    config::Model {
        name: name.to_owned(),
        url: url.to_owned(),
        model: String::new(),
        class: None,
        api_key: None,
        api_key_file: None,
        context_tokens: 8192,
        input_usd_per_million: 0.0,
        output_usd_per_million: 0.0,
        tools: None,
    }
}
