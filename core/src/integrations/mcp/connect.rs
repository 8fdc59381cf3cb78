//! A connection to one server, kept from reading to reading.
//!
//! What flows through: a server's configuration in, a [`Link`] out; then its tools, page by page, asked anew each time. What it never does:
//! answer from a cache, or ask a tool to do something.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use reqwest::redirect::Policy;
use rmcp::{
    ClientCacheConfig, ClientLifecycleMode, RoleClient, ServiceError, ServiceExt as _,
    model::{
        ClientCapabilities, ClientConfig, ErrorCode, Implementation, PaginatedRequestParams,
        ProtocolVersion,
    },
    serve_client_with_lifecycle,
    service::{ClientInitializeError, RunningService},
    transport::{
        IntoTransport, StreamableHttpClientTransport,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};

use super::{program::Program, words};
use crate::config::McpServer;

/// An answer may have so many bytes at most.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;
/// So many pages of tools are asked for.
const MOST_PAGES: usize = 20;
/// How long a program may take to end by itself once its input has ended.
const PARTING: Duration = Duration::from_secs(2);

/// Why a server gave no answer.
pub(super) enum Failure {
    /// It could not be told, since nothing could be asked: a fault of this side.
    NotAsked(String),
    /// There is no connection, or it is lost.
    Lost(String),
    /// It answered that it can't.
    Refused(String),
}

/// A connection.
pub(super) struct Link {
    service: Option<RunningService<RoleClient, ClientConfig>>,
    program: Option<Program>,
}

/// What is known of the other side.
pub(super) struct Peer {
    pub(super) protocol: String,
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
}

impl Link {
    /// Connects. `handshake` remembers which way of beginning this server understands.
    pub(super) async fn open(server: &McpServer, handshake: &AtomicBool) -> Result<Self, Failure> {
        let attempts = if handshake.load(Ordering::Relaxed) {
            [true, false]
        } else {
            [false, true]
        };
        let mut failure = None;
        for with_handshake in attempts {
            match Self::begin(server, with_handshake).await {
                Ok(link) => {
                    handshake.store(with_handshake, Ordering::Relaxed);
                    return Ok(link);
                }
                Err(Failure::NotAsked(reason)) => return Err(Failure::NotAsked(reason)),
                Err(other) => failure = Some(other),
            }
        }
        Err(failure.unwrap_or_else(|| Failure::Lost("there is no connection".to_owned())))
    }

    async fn begin(server: &McpServer, with_handshake: bool) -> Result<Self, Failure> {
        match (&server.url, &server.command) {
            (Some(url), _) => {
                let transport = over_http(server, url).map_err(Failure::NotAsked)?;
                let service = speak(transport, with_handshake)
                    .await
                    .map_err(|error| Failure::Lost(words::of(&error)))?;
                Self::with(service, None).await
            }
            (None, Some(command)) => {
                let (program, output, input) =
                    Program::start(server, command).map_err(Failure::Lost)?;
                let begun = tokio::select! {
                    begun = speak((output, input), with_handshake) => begun.map_err(|error| words::of(&error)),
                    how = program.ended() => Err(how),
                };
                match begun {
                    Ok(service) => Self::with(service, Some(program)).await,
                    Err(error) => {
                        // Its last words may still be on their way.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        Err(Failure::Lost(program.end().unwrap_or(error)))
                    }
                }
            }
            (None, None) => Err(Failure::NotAsked(
                "neither a url nor a command is configured".to_owned(),
            )),
        }
    }

    async fn with(
        service: RunningService<RoleClient, ClientConfig>,
        program: Option<Program>,
    ) -> Result<Self, Failure> {
        // What the server once said says nothing about now.
        service
            .set_response_cache_config(ClientCacheConfig::disabled())
            .await;
        Ok(Self {
            service: Some(service),
            program,
        })
    }

    /// Who answers.
    pub(super) fn peer(&self) -> Option<Peer> {
        let info = self.service.as_ref()?.peer_info()?;
        let server = info.server_info.as_ref();
        Some(Peer {
            protocol: info.protocol_version.to_string(),
            name: server.map(|server| words::plain(&server.name)),
            version: server.map(|server| words::plain(&server.version)),
        })
    }

    /// The names of its tools, asked now.
    pub(super) async fn tools(&self) -> Result<Vec<String>, Failure> {
        let lost = || Failure::Lost("the connection was closed".to_owned());
        let service = self.service.as_ref().ok_or_else(lost)?;
        let mut names = Vec::new();
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            let params = PaginatedRequestParams::default().with_cursor(cursor);
            let page = tokio::select! {
                page = service.list_tools(Some(params)) => page,
                how = self.ended() => return Err(Failure::Lost(how)),
            };
            let page = match page {
                Ok(page) => page,
                // One that offers no tools is well all the same.
                Err(ServiceError::McpError(error))
                    if error.code == ErrorCode::METHOD_NOT_FOUND && !self.claims_tools() =>
                {
                    return Ok(Vec::new());
                }
                Err(ServiceError::McpError(error)) => {
                    return Err(Failure::Refused(words::plain(&error.message)));
                }
                Err(error) => {
                    let ended = self.program.as_ref().and_then(Program::end);
                    let reason = ended.unwrap_or_else(|| words::of(&error));
                    return Err(Failure::Lost(reason));
                }
            };
            names.extend(page.tools.iter().map(|tool| words::plain(&tool.name)));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(names)
    }

    /// Waits for the end of the program that is spoken to; for ever where it is none.
    async fn ended(&self) -> String {
        match &self.program {
            Some(program) => program.ended().await,
            None => std::future::pending().await,
        }
    }

    fn claims_tools(&self) -> bool {
        self.service
            .as_ref()
            .and_then(|service| service.peer_info())
            .is_some_and(|info| info.capabilities.tools.is_some())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let (service, program) = (self.service.take(), self.program.take());
        // Where there is no runtime any more, the guards end both at once.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            if let Some(mut service) = service {
                let _ = service.close_with_timeout(PARTING).await;
            }
            if program.is_some() {
                tokio::time::sleep(PARTING).await;
            }
            drop(program);
        });
    }
}

/// Begins to speak.
async fn speak<T, E, A>(
    transport: T,
    with_handshake: bool,
) -> Result<RunningService<RoleClient, ClientConfig>, ClientInitializeError>
where
    T: IntoTransport<RoleClient, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    let own = ClientConfig::new(
        ClientCapabilities::default(),
        Implementation::new("steward", env!("CARGO_PKG_VERSION")).with_title("Steward"),
    );
    if with_handshake {
        return own.serve(transport).await;
    }
    let lifecycle = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    };
    serve_client_with_lifecycle(own, transport, lifecycle).await
}

fn over_http(
    server: &McpServer,
    url: &str,
) -> Result<StreamableHttpClientTransport<reqwest::Client>, String> {
    // The process needs one provider of cryptography; that another part was quicker to choose the same is no error.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .build()
        .map_err(|error| format!("no request can be made: {error}"))?;
    let mut config = StreamableHttpClientTransportConfig::with_uri(url)
        .max_json_response_size(LARGEST_ANSWER)
        .max_sse_event_size(LARGEST_ANSWER);
    if let Some(token) = token(server)? {
        config = config.auth_header(token);
    }
    Ok(StreamableHttpClientTransport::with_client(client, config))
}

/// The token, read anew for each connection, so that a new one counts from then on.
fn token(server: &McpServer) -> Result<Option<String>, String> {
    let (text, origin) = match (&server.token_file, &server.token_env) {
        (Some(file), _) => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| format!("the token can't be read from {file}: {error}"))?;
            (text, file.as_str())
        }
        (None, Some(name)) => {
            let text = std::env::var(name).map_err(|_| {
                format!(
                    "the variable {name}, which should hold the token, is not set for this agent"
                )
            })?;
            (text, name.as_str())
        }
        (None, None) => return Ok(None),
    };
    let token = text.trim();
    if token.is_empty() || token.chars().any(char::is_control) {
        return Err(format!("what {origin} holds is no token"));
    }
    Ok(Some(token.to_owned()))
}
