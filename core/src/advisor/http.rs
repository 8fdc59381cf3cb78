//! How requests travel to a model's server: bounded in every direction.
//!
//! It follows no redirect (a key or a log must not end up elsewhere), reads no more of an answer than [`MOST_BYTES`], and turns an answer
//! that is no success into a [`Refused`] of its own, so that the library neither tries again by itself nor logs what the server said.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_openai::{error::OpenAIError, middleware::HttpRequestFactory};
use futures_util::{StreamExt, future::BoxFuture};
use steward_api::ModelClass;

use crate::{ports, redact::redact};

/// The longest answer that is read.
pub(super) const MOST_BYTES: usize = 4 * 1024 * 1024;
/// What is read of an error, at most.
const MOST_OF_ERROR: usize = 4 * 1024;
/// How long it may take to reach the server.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The server said no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server answered {status}{}", said(.message))]
pub(super) struct Refused {
    /// The HTTP status.
    pub(super) status: u16,
    /// How long it wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// What it said, shortened and cleared of secrets.
    pub(super) message: String,
}

fn said(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}

/// The answer was too long.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the answer is longer than {} MiB", MOST_BYTES / 1024 / 1024)]
pub(super) struct TooLong;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// The clients for models in the house and outside of it. What goes to one in the house passes no proxy, wherever the environment has one:
/// it is shown more than may leave.
#[derive(Clone)]
pub(super) struct Clients {
    pub(super) house: reqwest::Client,
    pub(super) outside: reqwest::Client,
}

impl Clients {
    /// # Errors
    /// Where this host can make no HTTP requests at all.
    pub(super) fn new() -> Result<Self, String> {
        Ok(Self {
            house: client(reqwest::ClientBuilder::no_proxy)?,
            outside: client(|builder| builder)?,
        })
    }

    pub(super) const fn of(&self, class: ModelClass) -> &reqwest::Client {
        match class {
            ModelClass::Local => &self.house,
            ModelClass::Cloud => &self.outside,
        }
    }
}

fn client(
    proxies: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<reqwest::Client, String> {
    let builder = || {
        proxies(reqwest::Client::builder())
            .user_agent(concat!("steward/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_WITHIN)
            .pool_max_idle_per_host(1)
            .referer(false)
    };
    builder()
        .build()
        .or_else(|error| {
            tracing::warn!(%error, "this host has no list of trusted certificates (on Debian: the package ca-certificates); models behind https can't be asked");
            builder().tls_certs_only([]).build()
        })
        .map_err(|error| error.to_string())
}

/// The library's way out.
#[derive(Clone)]
pub(super) struct Bounded(pub(super) reqwest::Client);

impl tower::Service<HttpRequestFactory> for Bounded {
    type Response = reqwest::Response;
    type Error = OpenAIError;
    type Future = BoxFuture<'static, Result<reqwest::Response, OpenAIError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        let client = self.0.clone();
        Box::pin(async move {
            let request = request.build().await?;
            let response = client
                .execute(request)
                .await
                .map_err(|error| OpenAIError::Reqwest(error.without_url()))?;
            if response.status().is_success() {
                Ok(bounded(response))
            } else {
                Err(OpenAIError::Boxed(Box::new(refused(response).await)))
            }
        })
    }
}

/// The response with a body that ends in an error when it grows too long.
fn bounded(response: reqwest::Response) -> reqwest::Response {
    let mut head = axum::http::Response::new(());
    *head.status_mut() = response.status();
    *head.headers_mut() = response.headers().clone();
    let mut read = 0_usize;
    let body = response.bytes_stream().map(move |chunk| {
        let chunk = chunk.map_err(|error| Box::new(error.without_url()) as Fault)?;
        read = read.saturating_add(chunk.len());
        if read > MOST_BYTES {
            return Err(Box::new(TooLong) as Fault);
        }
        Ok(chunk)
    });
    head.map(|()| reqwest::Body::wrap_stream(body)).into()
}

async fn refused(response: reqwest::Response) -> Refused {
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let mut text = Vec::new();
    let mut body = response.bytes_stream();
    // What can't be read of an error tells no more than its status.
    while let Some(Ok(chunk)) = body.next().await {
        text.extend_from_slice(&chunk);
        if text.len() >= MOST_OF_ERROR {
            text.truncate(MOST_OF_ERROR);
            break;
        }
    }
    Refused {
        status,
        retry_after,
        message: message(&String::from_utf8_lossy(&text)),
    }
}

/// What an error says: its `message`, else the text, on one line.
fn message(text: &str) -> String {
    let said = serde_json::from_str::<serde_json::Value>(text)
        .ok()
        .and_then(|value| {
            let error = value.get("error").unwrap_or(&value);
            let said = error.get("message").or(Some(error))?;
            said.as_str().map(str::to_owned)
        })
        .unwrap_or_else(|| text.to_owned());
    redact(&said)
        .replace('\n', " ")
        .chars()
        .take(300)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// Why a call came to nothing, and whether it may be worth another try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) why: String,
    /// A passing reason: too many requests, an overloaded server, a connection that could not be made.
    pub(super) is_passing: bool,
    /// How long the server wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// The server's status, where it answered.
    pub(super) status: Option<u16>,
}

impl Failure {
    pub(super) fn lasting(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_passing: false,
            retry_after: None,
            status: None,
        }
    }
}

impl Failure {
    /// A passing reason.
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Self {
            is_passing: true,
            ..Self::lasting(why)
        }
    }

    /// An answer that came piece by piece and broke off: its server may be well again in a moment, unless it sent nonsense or too much.
    pub(super) fn broken_off(error: OpenAIError) -> Self {
        let is_passing = matches!(
            &error,
            OpenAIError::StreamError(error) if !error.to_string().contains(&TooLong.to_string())
        );
        Self {
            is_passing,
            ..Self::from(error)
        }
    }
}

impl From<OpenAIError> for Failure {
    fn from(error: OpenAIError) -> Self {
        match error {
            OpenAIError::Boxed(boxed) => match boxed.downcast::<Refused>() {
                Ok(refused) => Self {
                    why: refused.to_string(),
                    is_passing: matches!(refused.status, 408 | 409 | 425 | 429 | 500..=599),
                    retry_after: refused.retry_after,
                    status: Some(refused.status),
                },
                Err(other) => Self::lasting(words(other.as_ref())),
            },
            OpenAIError::Reqwest(error) => Self {
                is_passing: error.is_connect() || error.is_request() || error.is_body(),
                why: words(&error),
                retry_after: None,
                status: None,
            },
            OpenAIError::JSONDeserialize(error, _) => {
                Self::lasting(format!("the answer is no JSON: {error}"))
            }
            other => Self::lasting(words(&other)),
        }
    }
}

/// An error with all its causes, cleared of secrets.
fn words(error: &dyn std::error::Error) -> String {
    redact(&ports::words(error)).replace('\n', " ")
}

/// Where a model's server is, and how it knows us. The library reads no variable of the environment through this.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) base: String,
    pub(super) key: Arc<secrecy::SecretString>,
}

impl async_openai::config::Config for Endpoint {
    fn headers(&self) -> reqwest::header::HeaderMap {
        use secrecy::ExposeSecret as _;
        let mut headers = reqwest::header::HeaderMap::new();
        let key = self.key.expose_secret();
        if !key.is_empty()
            && let Ok(mut value) = reqwest::header::HeaderValue::try_from(format!("Bearer {key}"))
        {
            value.set_sensitive(true);
            headers.insert(reqwest::header::AUTHORIZATION, value);
        }
        headers
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.base
    }

    fn api_key(&self) -> &secrecy::SecretString {
        &self.key
    }
}
