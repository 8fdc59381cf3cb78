//! The contract over HTTP, for the command line and the desktop.
//!
//! What flows through: a typed request goes out, a typed reply or a [`ClientError`] that says what to do comes back; [`events`]
//! is the journal as it grows. What it never does: know a path or a shape of its own (all of them stand in `steward-api`),
//! follow a redirect (it would carry the token elsewhere), or show the token.

mod events;
pub mod sse;
#[cfg(test)]
mod tests;
mod trust;

use std::{fmt, time::Duration};

use reqwest::{StatusCode, Url, header};
use secrecy::{ExposeSecret, SecretString};
use steward_api::{Channel, Endpoint, Method, ProblemDetails};

pub use events::{EventStream, StreamEvent};
pub use trust::Trust;

/// The header that says through which channel a person speaks.
pub const CHANNEL_HEADER: &str = "X-Steward-Channel";

/// How long one call may take, from the connection to the last byte of the reply.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Replies above this are not read: no reply of the contract comes near it. Bytes.
const LARGEST_REPLY: usize = 64 * 1024 * 1024;

/// Why a call failed, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address or the token given can't be used.
    #[error("{0}")]
    Usage(String),
    /// Nobody answered.
    #[error(
        "no answer from {url}: {reason}. Is the agent running? Start it with `steward up`, or name another with --url."
    )]
    Unreachable {
        /// The address of the agent.
        url: String,
        /// Why, in words.
        reason: String,
    },
    /// The agent refused, and says why.
    #[error(transparent)]
    Problem(Box<ProblemDetails>),
    /// What answered does not speak this contract.
    #[error(
        "{url} answered with something that can't be understood: {reason}. Is it Steward, and of this version?"
    )]
    Nonsense {
        /// The address of the agent.
        url: String,
        /// What was wrong with it.
        reason: String,
    },
}

impl ClientError {
    /// The exit code that goes with it; the table stands in the command line's help.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Unreachable { .. } => 3,
            Self::Problem(problem) => match problem.status {
                400 | 405 | 413 => 2,
                404 => 4,
                409 | 410 => 5,
                401 | 403 => 6,
                503 => 7,
                _ => 1,
            },
            Self::Nonsense { .. } => 1,
        }
    }
}

/// The contract over HTTP, for one agent and one token. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: SecretString,
    channel: Channel,
    timeout: Duration,
}

/// Without the token.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base.as_str())
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client for the agent at `url` (`http://host:port` or `https://…`, with a path where a proxy adds one).
    ///
    /// An empty token sends none: enough for `/health` alone.
    ///
    /// # Errors
    /// [`ClientError::Usage`] where the address is none, or the token can't be sent.
    pub fn new(url: &str, token: SecretString, channel: Channel) -> Result<Self, ClientError> {
        Self::trusting(&Trust::System, url, token, channel)
    }

    /// The same for an agent whose certificate the system's authorities don't vouch for.
    ///
    /// # Errors
    /// As for [`Self::new`], and where what is to be trusted is no certificate.
    pub fn trusting(
        trust: &Trust,
        url: &str,
        token: SecretString,
        channel: Channel,
    ) -> Result<Self, ClientError> {
        let base = parse_base(url)?;
        if header::HeaderValue::from_str(token.expose_secret()).is_err() {
            return Err(ClientError::Usage(
                "the token holds characters that no token has: check it for line breaks".to_owned(),
            ));
        }
        // Installing twice is harmless; whoever was first has chosen the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("steward/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let http = trust.apply(builder)?.build().map_err(|error| {
            ClientError::Usage(format!("can't prepare for {base}: {}", chain(&error)))
        })?;
        Ok(Self {
            http,
            base,
            token,
            channel,
            timeout: CALL_TIMEOUT,
        })
    }

    /// The same client with another limit for each call; 30 s by default.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The agent's address, without credentials.
    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Calls one endpoint. `path_param` fills the `{…}` part of its path, where it has one.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn call<E: Endpoint>(
        &self,
        path_param: Option<&str>,
        input: &E::Input,
    ) -> Result<E::Reply, ClientError> {
        let request = match E::METHOD {
            Method::Get => self
                .request(reqwest::Method::GET, E::PATH, path_param)?
                .query(input),
            Method::Post => self
                .request(reqwest::Method::POST, E::PATH, path_param)?
                .json(input),
        };
        let body = tokio::time::timeout(self.timeout, self.read(request))
            .await
            .map_err(|_| self.too_slow(self.timeout))??;
        serde_json::from_slice(&body)
            .map_err(|error| self.nonsense(format!("{} {}: {error}", E::METHOD.as_str(), E::PATH)))
    }

    /// Sends a request that another program has built from the contract, and gives the text of a good answer: the desktop's window
    /// asks through this. `path` has its query; `body` is JSON.
    ///
    /// # Errors
    /// See [`ClientError`]; a path that would lead anywhere else than below the agent's address is [`ClientError::Usage`].
    pub async fn forward(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        limit: Duration,
    ) -> Result<Vec<u8>, ClientError> {
        let request = self.http.request(
            match method {
                Method::Get => reqwest::Method::GET,
                Method::Post => reqwest::Method::POST,
            },
            self.below(path)?,
        );
        let mut request = self.signed(request);
        if let Some(body) = body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body);
        }
        tokio::time::timeout(limit, self.read(request))
            .await
            .map_err(|_| self.too_slow(limit))?
    }

    /// A path with its query as an address below the agent's.
    fn below(&self, path: &str) -> Result<Url, ClientError> {
        let (path, query) = path
            .split_once('?')
            .map_or((path, None), |(path, query)| (path, Some(query)));
        let strange = !path.starts_with('/')
            || path.contains(['#', '\\'])
            || path.split('/').any(|part| {
                let part = part.to_ascii_lowercase().replace("%2e", ".");
                part == "." || part == ".."
            });
        if strange {
            return Err(ClientError::Usage(format!(
                "`{path}` is no path of an agent"
            )));
        }
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url.set_query(query);
        Ok(url)
    }

    /// The events from `after` on (a journal number), or from now on; see [`EventStream`].
    pub fn events(&self, after: Option<i64>) -> EventStream {
        events::open(self.clone(), after)
    }

    fn request(
        &self,
        method: reqwest::Method,
        path: &str,
        path_param: Option<&str>,
    ) -> Result<reqwest::RequestBuilder, ClientError> {
        let mut url = self.base.clone();
        {
            let mut segments = url
                .path_segments_mut()
                .map_err(|()| ClientError::Usage(format!("{} can't have a path", self.base)))?;
            segments.pop_if_empty();
            for segment in path.split('/').skip(1) {
                if segment.starts_with('{') {
                    // Encoded as one segment, whatever it holds; the two that paths treat specially can't be names of anything.
                    let value = path_param.unwrap_or_default();
                    if matches!(value, "" | "." | "..") {
                        return Err(ClientError::Usage(format!("`{value}` is no name")));
                    }
                    segments.push(value);
                } else {
                    segments.push(segment);
                }
            }
        }
        Ok(self.signed(self.http.request(method, url)))
    }

    /// With the token, and the channel through which a person speaks.
    fn signed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let request = request.header(CHANNEL_HEADER, self.channel.as_str());
        if self.token.expose_secret().is_empty() {
            request
        } else {
            request.bearer_auth(self.token.expose_secret())
        }
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, ClientError> {
        request.send().await.map_err(|error| {
            if error.is_builder() {
                ClientError::Usage(format!("the request can't be made: {}", chain(&error)))
            } else {
                self.unreachable(&error)
            }
        })
    }

    /// Sends, reads the body, and turns everything that is no success into an error.
    async fn read(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>, ClientError> {
        let mut response = self.send(request).await?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.unreachable(&error))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST_REPLY {
                return Err(self.nonsense("the reply is far too large".to_owned()));
            }
        }
        if status.is_success() {
            Ok(body)
        } else {
            Err(self.refusal(status, &body))
        }
    }

    fn refusal(&self, status: StatusCode, body: &[u8]) -> ClientError {
        match serde_json::from_slice::<ProblemDetails>(body) {
            // The status line is what proxies and scripts saw.
            Ok(problem) if problem.status == status.as_u16() => {
                ClientError::Problem(Box::new(problem))
            }
            _ if status.is_redirection() => self.nonsense(format!(
                "it answered {status}, and redirects are not followed because the token would go along; give the final address with --url"
            )),
            // A proxy's way to say that what stands behind it does not answer.
            _ if matches!(status.as_u16(), 502..=504) => ClientError::Unreachable {
                url: self.url().to_owned(),
                reason: format!("a proxy answered {status}"),
            },
            _ => self.nonsense(format!(
                "it answered {status} without saying why in Steward's way"
            )),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        ClientError::Unreachable {
            url: self.url().to_owned(),
            reason: certificate_fault(error).unwrap_or_else(|| root_cause(error)),
        }
    }

    fn too_slow(&self, limit: Duration) -> ClientError {
        ClientError::Unreachable {
            url: self.url().to_owned(),
            reason: format!("it did not answer within {} s", limit.as_secs_f64()),
        }
    }

    fn nonsense(&self, reason: String) -> ClientError {
        ClientError::Nonsense {
            url: self.url().to_owned(),
            reason,
        }
    }
}

fn parse_base(text: &str) -> Result<Url, ClientError> {
    let usage = |why: &str| {
        ClientError::Usage(format!(
            "`{text}` is not the address of an agent: {why}; it should read like http://127.0.0.1:9470"
        ))
    };
    // `atlas:9470` parses as a URL with the scheme `atlas`; people mean the host.
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let mut url = Url::parse(&with_scheme).map_err(|error| usage(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(usage("only http and https are spoken"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // Not echoed: it may hold a password.
        return Err(ClientError::Usage(
            "the address holds a user name or password: give the token with --token or STEWARD_TOKEN instead".to_owned(),
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(usage("it has a query or fragment"));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// Whether the agent is on this machine, where a proxy makes no sense.
fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

/// An error with all that caused it, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// What is wrong with the agent's certificate and what to do about it, where that is why there is no connection.
fn certificate_fault(error: &reqwest::Error) -> Option<String> {
    let text = chain(error);
    let at = text.find("invalid peer certificate")?;
    Some(format!(
        "{}: where the agent made its certificate itself, copy tls-cert.pem from its data directory and name it with --ca or STEWARD_CA",
        &text[at..]
    ))
}

/// The innermost cause: "connection refused" says more than "error sending request".
fn root_cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
