//! A server that speaks as language models do (OpenAI's chat completions) and says what a test wants it to say.
//!
//! What flows through: requests in, kept for the test to look at; the answers of the test's own function out. It judges nothing.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Request, Response,
    body::{Bytes, Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Says {
    /// It answers with this text; piece by piece, where that is asked for.
    Text(String),
    /// It answers with this text, and takes this long over each word, where it is asked for piece by piece.
    Slowly(String, Duration),
    /// It calls these tools, each with its arguments.
    Calls(Vec<(String, Value)>),
    /// It answers with this HTTP status and this body.
    Status(u16, String),
    /// It never answers.
    Nothing,
    /// It is asked again in a moment: it thinks.
    NotYet,
}

/// A body that may come piece by piece.
type Body = BoxBody<Bytes, Infallible>;
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
) -> Response<Body> {
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
    let is_streamed = question["stream"] == true;
    match says {
        Says::Text(text) if is_streamed => streamed(&text, Duration::ZERO),
        Says::Slowly(text, pause) if is_streamed => streamed(&text, pause),
        Says::Text(text) | Says::Slowly(text, _) => {
            whole(json!({"role": "assistant", "content": text}), "stop")
        }
        Says::Calls(calls) => {
            let calls: Vec<Value> = calls
                .iter()
                .enumerate()
                .map(|(index, (name, arguments))| {
                    json!({
                        "id": format!("call-{index}"),
                        "type": "function",
                        "function": {"name": name, "arguments": arguments.to_string()},
                    })
                })
                .collect();
            let message = json!({"role": "assistant", "content": null, "tool_calls": calls});
            whole(message, "tool_calls")
        }
        Says::Status(status, body) => response(status, body),
        Says::Nothing | Says::NotYet => std::future::pending().await,
    }
}

fn whole(message: Value, finish: &str) -> Response<Body> {
    let reply = json!({
        "choices": [{"message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 700, "completion_tokens": 60},
    });
    response(200, reply.to_string())
}

/// An answer word by word, as Server-Sent Events.
fn streamed(text: &str, pause: Duration) -> Response<Body> {
    let words = text.split_inclusive(' ').map(|word| {
        json!({"choices": [{"delta": {"content": word}, "finish_reason": null}]}).to_string()
    });
    let end = [
        json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}).to_string(),
        json!({"choices": [], "usage": {"prompt_tokens": 700, "completion_tokens": 60}})
            .to_string(),
        "[DONE]".to_owned(),
    ];
    let pieces: Vec<String> = words.chain(end).collect();
    let frames = stream::iter(pieces).then(move |piece| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, Infallible>(Frame::data(Bytes::from(format!("data: {piece}\n\n"))))
    });
    let mut response = Response::new(http_body_util::BodyExt::boxed(StreamBody::new(frames)));
    response.headers_mut().insert(
        hyper::header::CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("text/event-stream"),
    );
    response
}

fn response(status: u16, body: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body)).boxed());
    if let Ok(status) = hyper::StatusCode::from_u16(status) {
        *response.status_mut() = status;
    }
    response
}

/// Plays all parts of a talk: Jarvis Prime has `to` look, who reports `report` and proposes those of the offered actions that `propose`
/// names; the answer to the person is `answer`. What is asked tells which part it is.
pub fn talk(question: &Value, to: &[&str], report: &str, propose: &[&str], answer: Says) -> Says {
    match question["response_format"]["json_schema"]["name"].as_str() {
        Some("delegation") => {
            let to: Vec<Value> = to
                .iter()
                .map(|name| json!({"to": name, "task": "Find out what is behind it"}))
                .collect();
            Says::Text(json!({"delegate": to, "ask": ""}).to_string())
        }
        Some("report") => {
            let text = question["messages"].to_string();
            let offers: Vec<Value> = (1..=12)
                .filter(|number| {
                    propose
                        .iter()
                        .any(|action| text.contains(&format!("- O{number}: {action} on ")))
                })
                .map(|number| json!({"offer": format!("O{number}"), "reason": "it may help"}))
                .take(3)
                .collect();
            Says::Text(
                json!({
                    "report": report, "confidence": 70, "evidence": [], "propose": offers,
                    "consult": "none", "consult_question": "",
                })
                .to_string(),
            )
        }
        // With tools in hand: nothing is missing.
        None if question["tools"].is_array() => Says::Text("done".to_owned()),
        _ => answer,
    }
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
