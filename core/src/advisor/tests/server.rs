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
pub(super) enum Reply {
    Text(String),
    Raw(u16, &'static str, String),
    Refusal,
    CutOff(String),
    Slow,
    Huge,
    Drops,
}

#[derive(Default)]
pub(super) struct Script {
    pub(super) replies: Mutex<VecDeque<Reply>>,
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

pub(super) struct Server {
    pub(super) url: String,
    pub(super) script: Arc<Script>,
}

impl Server {
    pub(super) async fn start(replies: Vec<Reply>) -> Self {
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

    pub(super) fn seen(&self) -> Vec<(Value, Option<String>)> {
        self.script.seen.lock().unwrap().clone()
    }

    pub(super) fn model(&self, name: &str) -> config::Model {
        model(name, &self.url)
    }
}

pub(super) fn model(name: &str, url: &str) -> config::Model {
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
