//! A server that speaks as language models do (OpenAI's chat completions) and says what a test wants it to say.
//!
//! What flows through: requests in, kept for the test to look at; the answers of the test's own function out. It judges nothing.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Says {
    /// It answers with this text.
    Text(String),
    /// It answers with this HTTP status and this body.
    Status(u16, String),
    /// It never answers.
    Nothing,
    /// It is asked again in a moment: it thinks.
    NotYet,
}

type Mind = dyn Fn(&Value) -> Says + Send + Sync;

/// A server of language models, until it drops.
pub struct Models {
    url: String,
    seen: Arc<Mutex<Vec<Value>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Models {
    /// Starts one on a free port, which answers as `mind` says.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start(mind: impl Fn(&Value) -> Says + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
        let mind: Arc<Mind> = Arc::new(mind);
        let kept = Arc::clone(&seen);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mind, kept) = (Arc::clone(&mind), Arc::clone(&kept));
                let service = service_fn(move |request| {
                    let (mind, kept) = (Arc::clone(&mind), Arc::clone(&kept));
                    async move { Ok::<_, Infallible>(answer(request, mind.as_ref(), &kept).await) }
                });
                tokio::spawn(async move {
                    // A client that goes away in the middle of an answer is everyday life.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self { url, seen, serving })
    }

    /// The base of its interface.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The bodies of the questions that were put to it.
    pub fn seen(&self) -> Vec<Value> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The part of an agent's configuration by which it asks this server alone, under the name `m`.
    pub fn config(&self, more: &str) -> String {
        format!(
            "[advisor]\ndiscover = false\n{more}\n[[advisor.models]]\nname = \"m\"\nurl = \"{}\"\n",
            self.url
        )
    }
}

impl Drop for Models {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    request: Request<Incoming>,
    mind: &Mind,
    seen: &Mutex<Vec<Value>>,
) -> Response<Full<Bytes>> {
    if request.uri().path().ends_with("/models") {
        return response(200, json!({"data": [{"id": "scripted"}]}).to_string());
    }
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return response(400, String::new()),
    };
    let question: Value = serde_json::from_slice(&body).unwrap_or_default();
    seen.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(question.clone());
    let mut says = mind(&question);
    while matches!(says, Says::NotYet) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        says = mind(&question);
    }
    match says {
        Says::Text(text) => {
            let reply = json!({
                "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 700, "completion_tokens": 60},
            });
            response(200, reply.to_string())
        }
        Says::Status(status, body) => response(status, body),
        Says::Nothing | Says::NotYet => std::future::pending().await,
    }
}

fn response(status: u16, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    if let Ok(status) = hyper::StatusCode::from_u16(status) {
        *response.status_mut() = status;
    }
    response
}

/// A valid opinion that recommends `action` (or `none`) and rests on the first finding.
pub fn opinion(cause: &str, action: &str, confidence: u8) -> String {
    json!({
        "diagnosis": cause,
        "recommended_action": action,
        "urgency": "high",
        "confidence": confidence,
        "reasoning": "The first finding tells it",
        "evidence": ["F1"],
    })
    .to_string()
}
