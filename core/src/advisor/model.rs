//! One model: where it is, what it costs, how it does, and how it is called.
//!
//! What flows through: a [`Request`] goes in, an [`Answer`] or a [`Failure`] comes out, and a record of the call besides, whatever
//! happens. What it never does: wait without a limit, or try again for ever.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use steward_api::{ModelClass, ModelStatus};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{
    budget::price,
    health::{Health, Patience},
    http::{Bounded, Endpoint, Failure},
    protocol::{Answer, Form, Growing, Request, offered, read},
};

/// Calls of one model side by side: what is in the house has one processor to share.
const SIDE_BY_SIDE: usize = 2;
/// A stream may take so many times as long as each of its pieces.
const LONGEST_STREAM: u32 = 5;
/// Why there was nothing to hear.
const NO_STREAM: &str = "it does not send its answer piece by piece";
/// How long the list of a server's models may take.
const LIST_WITHIN: Duration = Duration::from_secs(10);
/// OpenAI's own server wants a newer name for the limit of an answer, and of some models no temperature.
const NEW_LIMIT_AT: &str = "api.openai.com";

/// What is known of a model beforehand.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) name: String,
    /// What the server calls it; empty for the first that it offers.
    pub(super) model: String,
    /// The base of its interface, without a slash at the end.
    pub(super) url: String,
    pub(super) key: SecretString,
    pub(super) class: ModelClass,
    pub(super) discovered: bool,
    pub(super) context_tokens: u32,
    /// Millionths of a US dollar for a million tokens.
    pub(super) input_price: u64,
    /// Likewise.
    pub(super) output_price: u64,
    pub(super) tools: Option<bool>,
    /// Why it can't be asked, where that is known already (its key's file can't be read).
    pub(super) unusable: Option<String>,
}

impl Spec {
    /// Whether a model that the server offers may be taken where none is named: one that answers, and, where it is to be in the house, none
    /// that the server only passes on to somebody else's.
    pub(super) fn suits(&self, offered: &str) -> bool {
        let name = offered.to_lowercase();
        !name.contains("embed") && (self.class == ModelClass::Cloud || !is_elsewhere(&name))
    }

    /// What so many tokens cost.
    pub(super) fn cost(&self, tokens_in: u64, tokens_out: u64) -> u64 {
        price(tokens_in, self.input_price).saturating_add(price(tokens_out, self.output_price))
    }
}

/// Whether a model's name says that its server passes on what it is asked: Ollama's end so.
pub(super) fn is_elsewhere(name: &str) -> bool {
    let name = name.to_lowercase();
    name.ends_with(":cloud") || name.ends_with("-cloud")
}

/// One model.
pub(super) struct Model {
    pub(super) spec: Spec,
    client: async_openai::Client<Endpoint>,
    health: Mutex<Health>,
    /// What the server calls it, once that is known.
    resolved: Mutex<Option<String>>,
    gate: Semaphore,
}

/// A call that is about to be made.
pub(super) struct Prepared {
    pub(super) body: Value,
    /// What of it this server takes.
    pub(super) form: Form,
}

/// Hears an answer while it is written: each time the whole of it so far.
pub(super) type Hearer<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// A call that was made.
#[derive(Debug)]
pub(super) struct Called {
    /// What came back, as text; empty where nothing did.
    pub(super) received: String,
    pub(super) took: Duration,
    pub(super) outcome: Result<Answer, CallFailure>,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(super) enum CallFailure {
    /// There was none in time.
    TimedOut(Duration),
    /// It failed.
    Failed(Failure),
}

impl CallFailure {
    pub(super) fn words(&self) -> String {
        match self {
            Self::TimedOut(limit) => format!("no answer within {} s", limit.as_secs()),
            Self::Failed(failure) => failure.why.clone(),
        }
    }
}

impl Model {
    pub(super) fn new(spec: Spec, http: reqwest::Client) -> Self {
        let endpoint = Endpoint {
            base: spec.url.clone(),
            key: Arc::new(spec.key.clone()),
        };
        let client =
            async_openai::Client::build(http.clone(), endpoint).with_http_service(Bounded(http));
        let mut health = Health::default();
        health.abilities.tools = spec.tools;
        Self {
            resolved: Mutex::new((!spec.model.is_empty()).then(|| spec.model.clone())),
            spec,
            client,
            health: Mutex::new(health),
            gate: Semaphore::new(SIDE_BY_SIDE),
        }
    }

    /// How it does.
    pub(super) fn health(&self) -> Health {
        self.health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes how it did.
    pub(super) fn note(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// It failed, in words.
    pub(super) fn failed(&self, began: Timestamp, now: Timestamp, why: String, patience: Patience) {
        self.note(|health| health.failed(began, now, why, patience));
    }

    /// The model as it is shown.
    pub(super) fn status(&self, now: Timestamp) -> ModelStatus {
        let health = self.health();
        let resolved = self
            .resolved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        ModelStatus {
            name: self.spec.name.clone(),
            model: resolved.unwrap_or_default(),
            url: crate::redact::secrets(&self.spec.url),
            class: self.spec.class,
            discovered: self.spec.discovered,
            context_tokens: self.spec.context_tokens,
            input_micro_usd_per_million: self.spec.input_price,
            output_micro_usd_per_million: self.spec.output_price,
            abilities: health.abilities,
            state: health.state(now),
            error: self.spec.unusable.clone().or(health.error.clone()),
            resting_until: health.resting_until(now),
            latency_ms: health.latency_ms,
            answered_at: health.answered_at,
        }
    }

    /// The models that its server offers.
    pub(super) async fn offered(&self) -> Result<Vec<String>, Failure> {
        let models = self.client.models();
        let reply: Value = timeout(LIST_WITHIN, models.list_byot())
            .await
            .map_err(|_| {
                Failure::lasting(format!(
                    "no list of models within {} s",
                    LIST_WITHIN.as_secs()
                ))
            })?
            .map_err(Failure::from)?;
        Ok(offered(&reply))
    }

    /// What the server calls it. A server that lists nothing has only one, which needs no name.
    async fn resolve(&self) -> String {
        let known = self
            .resolved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(known) = known {
            return known;
        }
        // Why there is no list shows in the call that follows.
        let first = self
            .offered()
            .await
            .ok()
            .and_then(|offered| offered.into_iter().find(|name| self.spec.suits(name)));
        if let Some(first) = &first {
            *self.resolved.lock().unwrap_or_else(PoisonError::into_inner) = Some(first.clone());
        }
        first.unwrap_or_default()
    }

    /// What would be sent. `streamed`: whether somebody hears the answer while it is written.
    pub(super) async fn prepare(&self, request: &Request, streamed: bool) -> Prepared {
        let model = self.resolve().await;
        let abilities = self.health().abilities;
        let form = Form {
            with_schema: request.schema.is_some() && abilities.schema != Some(false),
            with_tools: !request.tools.is_empty() && abilities.tools != Some(false),
            streamed: streamed && abilities.streaming != Some(false),
            new_limit: self.spec.url.contains(NEW_LIMIT_AT),
        };
        let body = request.body(&model, form);
        Prepared { body, form }
    }

    /// Waits until it has a hand free.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // The gate is never closed.
        self.gate.acquire().await.ok()
    }

    /// Calls it once. `limit`: how long it may take; where the answer comes piece by piece, how long each piece may take.
    pub(super) async fn call(
        &self,
        prepared: Prepared,
        limit: Duration,
        hear: Option<Hearer<'_>>,
    ) -> Called {
        let Prepared { body, form } = prepared;
        let began = Instant::now();
        let (received, outcome) = match hear.filter(|_| form.streamed) {
            Some(hear) => self.hear(body, limit, hear).await,
            None => self.wait_for(body, limit).await,
        };
        self.learn(form, &outcome);
        Called {
            received,
            took: began.elapsed(),
            outcome,
        }
    }

    async fn wait_for(
        &self,
        body: Value,
        limit: Duration,
    ) -> (String, Result<Answer, CallFailure>) {
        let chat = self.client.chat();
        match timeout(limit, chat.create_byot::<_, Value>(body)).await {
            Err(_) => (String::new(), Err(CallFailure::TimedOut(limit))),
            Ok(Err(error)) => (
                String::new(),
                Err(CallFailure::Failed(Failure::from(error))),
            ),
            Ok(Ok(reply)) => (
                reply.to_string(),
                read(&reply).map_err(|why| CallFailure::Failed(Failure::lasting(why))),
            ),
        }
    }

    async fn hear(
        &self,
        body: Value,
        limit: Duration,
        hear: Hearer<'_>,
    ) -> (String, Result<Answer, CallFailure>) {
        let began = Instant::now();
        let mut growing = Growing::default();
        let mut pieces = 0_u32;
        let failed = |failure| Err(CallFailure::Failed(failure));
        let chat = self.client.chat();
        let outcome = match timeout(limit, chat.create_stream_byot::<_, Value>(body)).await {
            Err(_) => Err(CallFailure::TimedOut(limit)),
            Ok(Err(error)) => failed(Failure::from(error)),
            Ok(Ok(mut stream)) => loop {
                // One that sends a word now and then must not hold on to its asker for ever.
                if began.elapsed() > limit.saturating_mul(LONGEST_STREAM) {
                    break Err(CallFailure::TimedOut(began.elapsed()));
                }
                match timeout(limit, stream.next()).await {
                    Err(_) => break Err(CallFailure::TimedOut(limit)),
                    Ok(Some(Ok(piece))) => {
                        pieces = pieces.saturating_add(1);
                        match growing.take(&piece) {
                            Ok(true) => hear(growing.text()),
                            Ok(false) => {}
                            Err(why) => break failed(Failure::lasting(why)),
                        }
                    }
                    Ok(Some(Err(error))) => break failed(Failure::broken_off(error)),
                    Ok(None) => {
                        break growing.clone().end().ok_or_else(|| {
                            CallFailure::Failed(if pieces == 0 {
                                Failure::lasting(NO_STREAM)
                            } else {
                                Failure::passing("the answer broke off")
                            })
                        });
                    }
                }
            },
        };
        let received = match growing.text() {
            "" => String::new(),
            text => serde_json::json!({"streamed": true, "content": text}).to_string(),
        };
        (received, outcome)
    }

    /// What a call says of its abilities. A server that does not know a field says so with 400 or 422.
    fn learn(&self, form: Form, outcome: &Result<Answer, CallFailure>) {
        let refused = match outcome {
            Err(CallFailure::Failed(Failure {
                status: Some(status),
                why,
                ..
            })) => Some((*status, why.to_lowercase())),
            _ => None,
        };
        let says = |statuses: &[u16], words: &[&str]| {
            refused.as_ref().is_some_and(|(status, why)| {
                statuses.contains(status) && words.iter().any(|word| why.contains(word))
            })
        };
        let speaks_of = |words: &[&str]| says(&[400, 422], words);
        self.note(|health| {
            let abilities = &mut health.abilities;
            if form.with_tools {
                match outcome {
                    Ok(answer) if !answer.calls.is_empty() => abilities.tools = Some(true),
                    // llama.cpp calls it a fault of its own.
                    _ if says(&[400, 422, 500, 501], &["tool", "function", "jinja"]) => {
                        abilities.tools = Some(false);
                    }
                    _ => {}
                }
            }
            if form.with_schema {
                if outcome.is_ok() {
                    abilities.schema = Some(true);
                } else if speaks_of(&["response_format", "json_schema", "schema", "grammar"]) {
                    abilities.schema = Some(false);
                }
            }
            if form.streamed {
                match outcome {
                    Ok(_) => abilities.streaming = Some(true),
                    Err(CallFailure::Failed(failure)) if failure.why == NO_STREAM => {
                        abilities.streaming = Some(false);
                    }
                    _ if speaks_of(&["stream"]) => abilities.streaming = Some(false),
                    Err(_) => {}
                }
            }
        });
    }

    /// Whether it was something in the form that the server did not take, which is known now: without it, it may be asked once more.
    pub(super) fn takes_less_than(&self, form: Form) -> bool {
        let abilities = self.health().abilities;
        (form.with_schema && abilities.schema == Some(false))
            || (form.with_tools && abilities.tools == Some(false))
            || (form.streamed && abilities.streaming == Some(false))
    }
}
