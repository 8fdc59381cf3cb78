//! The Model Context Protocol at `/mcp` (Streamable HTTP), on the server's own port, for the same tokens and roles as everything else.
//!
//! What flows through: a message of the protocol in; whoever sent it is authorised as for any endpoint; the tools' calls of the contract go
//! through the same routes in process, with the very credentials that came along, so each is authorised, answered and recorded as over HTTP.
//! What it never does: answer a page of another site, hold a session of the protocol's, or vouch for anybody.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use rmcp::transport::{
    StreamableHttpServerConfig, StreamableHttpService,
    streamable_http_server::session::never::NeverSessionManager,
};
use steward_api::{Channel, Method, ProblemDetails, REQUEST_HEADER, Role};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{
    App, LARGEST_BODY, auth,
    bind::{self, Through},
    error::Refusal,
};
use crate::mcp::{Carrier, Fault, Serve, Toolbox};

/// Answers above this are not read. Bytes; a list of ten thousand resources stays far below.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Where the protocol comes in.
pub(super) struct Door {
    app: Arc<App>,
    /// The contract's routes, to be called in process.
    contract: Router,
    tools: Toolbox,
    sessions: Arc<NeverSessionManager>,
    protocol: StreamableHttpServerConfig,
}

impl Door {
    /// In front of these routes. What is under way ends with `stop`.
    pub(super) fn new(app: Arc<App>, contract: Router, stop: CancellationToken) -> Self {
        // The library's own checks of names and origins are left to the gate, which knows the configured names. Without sessions every
        // request stands for itself, also those of the versions before 2026-07-28.
        let protocol = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_max_request_body_bytes(LARGEST_BODY)
            .with_cancellation_token(stop);
        Self {
            app,
            contract,
            tools: Toolbox::new(),
            sessions: Arc::new(NeverSessionManager::default()),
            protocol,
        }
    }

    /// Answers one message.
    pub(super) async fn answer(&self, request: Request) -> Response {
        match self.admitted(request).await {
            Ok((parts, body)) => {
                let caller: Arc<dyn Carrier> = Arc::new(InProcess::of(&self.contract, &parts));
                let tools = self.tools.clone();
                let service = StreamableHttpService::new(
                    move || Ok(Serve::new(Arc::clone(&caller), tools.clone())),
                    Arc::clone(&self.sessions),
                    self.protocol.clone(),
                );
                let request = Request::from_parts(parts, body);
                service.handle(request).await.map(Body::new)
            }
            Err(refusal) => refusal.into_response(),
        }
    }

    /// The message of somebody who may speak here at all; what each tool wants is up to the contract.
    async fn admitted(&self, request: Request) -> Result<(Parts, Body), Refusal> {
        let (parts, body) = request.into_parts();
        auth::same_origin(&parts.headers, &parts.uri)?;
        bind::authorised(&self.app, &parts, Role::Viewer)?;
        let body = bind::in_time(body).await?;
        Ok((parts, Body::from(body)))
    }
}

/// The contract's routes, called as whoever sent a message.
struct InProcess {
    contract: Router,
    headers: HeaderMap,
    peer: Option<ConnectInfo<SocketAddr>>,
}

impl InProcess {
    /// With all by which the sender is known, and what a cookie must show to count.
    fn of(contract: &Router, parts: &Parts) -> Self {
        let request_header = HeaderName::try_from(REQUEST_HEADER).ok();
        let kept = [
            Some(header::AUTHORIZATION),
            Some(HeaderName::from_static("x-api-key")),
            Some(header::COOKIE),
            Some(header::HOST),
            Some(header::ORIGIN),
            Some(HeaderName::from_static("sec-fetch-site")),
            request_header,
        ];
        let mut headers = HeaderMap::new();
        for name in kept.into_iter().flatten() {
            for value in parts.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        Self {
            contract: contract.clone(),
            headers,
            peer: parts.extensions.get::<ConnectInfo<SocketAddr>>().copied(),
        }
    }
}

#[async_trait]
impl Carrier for InProcess {
    async fn carry(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Vec<u8>, Fault> {
        let body = body.map_or_else(Body::empty, Body::from);
        let mut request = Request::builder()
            .method(method.as_str())
            .uri(path)
            .extension(Through(Channel::Mcp))
            .body(body)
            .map_err(|error| Fault::Input(format!("`{path}` can't be asked for: {error}")))?;
        *request.headers_mut() = self.headers.clone();
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        // A router never fails.
        let Ok(response) = self.contract.clone().oneshot(request).await;
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), LARGEST_ANSWER)
            .await
            .map_err(|error| Fault::NoAnswer(format!("The answer broke off: {error}")))?;
        if status.is_success() {
            return Ok(bytes.into());
        }
        match serde_json::from_slice::<ProblemDetails>(&bytes) {
            Ok(problem) => Err(Fault::Refused(Box::new(problem))),
            Err(_) => Err(Fault::NoAnswer(format!(
                "The agent answered {status} without saying why"
            ))),
        }
    }
}
