//! The HTTP server: the contract's endpoints, the event stream, Prometheus metrics, the OpenAPI document, the Model Context Protocol and the control center's files, thin over the engine.
//!
//! What flows through: requests in; each is authorised, its input read, handed to the engine's [`Handle`] or to the journal's
//! projections, and the answer written out as JSON. What it never does: decide anything, keep state of its own beyond counters that
//! protect it, or answer with anything but a reply of the contract or a problem with a stable code.
//!
//! Every endpoint of the contract is bound by its type (see `bind`), so one that has no handler does not compile.

mod auth;
mod bind;
mod error;
mod events;
mod gate;
mod mcp;
mod openapi;
mod prometheus;
mod routes;
mod sessions;
mod summary;
#[cfg(test)]
mod tests;
mod tls;
mod tokens;
mod ui;
mod web;

use std::{
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::{Listener, ListenerExt as _, TapIo},
};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use steward_api::{EVENTS_PATH, ErrorCode, METRICS_PATH, OPENAPI_PATH};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use self::error::Refusal;
pub use self::{
    auth::CHANNEL_HEADER,
    gate::Hosts,
    openapi::document as openapi_document,
    tls::{Tls, TlsError, Untimely},
    tokens::{
        ENVIRONMENT_IDENTITY, Holder, TOKEN_FILE, TokenError, TokenLook, Tokens, local_token,
        look_at_tokens,
    },
    ui::has_ui,
    web::Web,
};
use crate::engine::Handle;

/// A request's body may have so many bytes at most.
const LARGEST_BODY: usize = 64 * 1024;
/// After the shutdown, requests that are being answered have this long to come to their end.
const LAST_REQUESTS: Duration = Duration::from_secs(3);
/// Event streams open at the same time, at most.
const MOST_STREAMS: usize = 512;

/// What every request needs.
struct App {
    handle: Handle,
    tokens: Tokens,
    attempts: auth::Attempts,
    /// Sessions of browsers, and what they must show.
    web: Web,
    /// The OpenAPI document, written once.
    openapi: Bytes,
    /// The list of all resources, written once for each picture.
    whole_list: routes::WholeList,
    /// One check of the whole journal at a time: it reads all of it.
    verifying: Semaphore,
    /// Room for event streams.
    streams: Arc<Semaphore>,
    /// The last journal entry that was seen, for the status while the database can't be read.
    last_seq: AtomicI64,
    /// Ends the event streams.
    shutdown: CancellationToken,
}

/// Serves on this listener until `shutdown` is ready; then takes no more connections, ends event streams at once and gives requests
/// under way a few seconds. Over TLS where `web` has a certificate.
///
/// # Errors
/// Where the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    handle: Handle,
    tokens: Tokens,
    web: Web,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let stop = CancellationToken::new();
    let tls = web.tls.clone();
    let routes = assemble(handle, tokens, web, stop.clone());
    match tls {
        // What TLS accepts is handed on with its connection's address by the same means.
        Some(tls) => {
            let listener = tls.listen(listener)?.tap_io(|_| ());
            answer(listener, routes, stop, shutdown).await
        }
        None => {
            let listener = listener.tap_io(|stream| tls::send_at_once(stream));
            answer(listener, routes, stop, shutdown).await
        }
    }
}

async fn answer<L, F>(
    listener: TapIo<L, F>,
    routes: Router,
    stop: CancellationToken,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()>
where
    L: Listener<Addr = SocketAddr>,
    F: FnMut(&mut L::Io) + Send + 'static,
{
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    let announced = stop.clone();
    let server = axum::serve(listener, service).with_graceful_shutdown(async move {
        shutdown.await;
        announced.cancel();
    });
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(LAST_REQUESTS).await;
    };
    tokio::select! {
        result = server => result,
        () = overdue => {
            tracing::warn!(limit = ?LAST_REQUESTS, "some connections did not end in time and were left");
            Ok(())
        }
    }
}

/// The same as a router, to be called in process: by the desktop, without a port. Its event streams end with `shutdown`.
pub fn router(handle: Handle, tokens: Tokens, shutdown: CancellationToken) -> Router {
    let web = Web::new(&tokens.mark(), Hosts::default(), None);
    assemble(handle, tokens, web, shutdown)
}

fn assemble(handle: Handle, tokens: Tokens, web: Web, shutdown: CancellationToken) -> Router {
    let app = Arc::new(App {
        handle,
        tokens,
        attempts: auth::Attempts::default(),
        web,
        openapi: openapi::document().to_string().into(),
        whole_list: routes::WholeList::default(),
        verifying: Semaphore::new(1),
        streams: Arc::new(Semaphore::new(MOST_STREAMS)),
        last_seq: AtomicI64::new(0),
        shutdown: shutdown.clone(),
    });
    let contract = guarded(routes::contract()).with_state(Arc::clone(&app));
    let door = Arc::new(mcp::Door::new(Arc::clone(&app), contract, shutdown));
    let spoken = move |request: Request| {
        let door = Arc::clone(&door);
        async move { door.answer(request).await }
    };
    guarded(
        routes::contract()
            .route(crate::mcp::PATH, post(spoken))
            .route(EVENTS_PATH, get(events::stream))
            .route(METRICS_PATH, get(prometheus::scrape))
            .route(OPENAPI_PATH, get(openapi_json))
            .merge(ui::routes()),
    )
    .with_state(app)
}

/// What stands around every route, known or not.
fn guarded(routes: Router<Arc<App>>) -> Router<Arc<App>> {
    routes
        .fallback(async |request: Request| {
            Refusal::new(
                ErrorCode::NotFound,
                format!(
                    "There is nothing at {}; {OPENAPI_PATH} lists what there is",
                    request.uri().path()
                ),
            )
        })
        .method_not_allowed_fallback(async |request: Request| {
            Refusal::new(
                ErrorCode::MethodNotAllowed,
                format!(
                    "{} does not take {}; the `Allow` header says what it takes",
                    request.uri().path(),
                    request.method()
                ),
            )
        })
        .layer(axum::middleware::from_fn(guard))
}

/// Turns a panic into a 500 that tells nothing, and adds the headers that keep browsers from guessing, keeping and telling.
async fn guard(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = AssertUnwindSafe(next.run(request))
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| {
            let reason = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("not said");
            tracing::error!(%method, path, reason, "a request made Steward panic");
            Refusal::internal().into_response()
        });
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // The control center's own files say how long they are good.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn openapi_json(State(app): State<Arc<App>>) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], app.openapi.clone()).into_response()
}

/// The time at the edge: replies state it, and nothing is decided by it.
#[allow(
    clippy::disallowed_methods,
    reason = "the server stands at the edge, as an adapter does"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
