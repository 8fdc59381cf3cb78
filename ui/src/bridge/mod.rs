//! The one door between the control center and whatever carries it: requests and events of the agent, and the browser's own means.
//!
//! What flows through: endpoints of the contract with their inputs in, replies or a [`Failure`] out; events as they happen. Everything that
//! needs JavaScript is in this folder. What it never does: decide what is shown, or hold a token.
//!
//! Two carriers stand behind [`send`] and [`follow`]: HTTP with a session cookie, which is `http` and `stream`; and the desktop's shell,
//! which is `tauri`: it takes the same method, path and body to the engine inside of it, or to an agent. Which it is, is seen at the start and
//! never changes. Only what has to do with signing in, which there is none of in the desktop, asks [`is_desktop`].

pub(crate) mod browser;
pub(crate) mod desktop;
mod http;
mod stream;
mod tauri;

use std::pin::Pin;

use serde::de::DeserializeOwned;
use serde_json::Value;
use steward_api::{Endpoint, Method, Nothing};

use crate::{
    failure::Failure,
    session::{Session, SignIn},
    url, wire,
};

pub(crate) use http::Leash;
pub(crate) use stream::Heard;
pub(crate) use tauri::is_here as is_desktop;

/// An ordinary request is given up after this time, milliseconds.
const PATIENCE: u32 = 15_000;
/// The request that tells whether there is a line at all is given up sooner.
const PATIENCE_FOR_A_SIGN: u32 = 5_000;
/// A request that the agent may answer after a quarter of a minute only is given up after this time, where the carrier can't be told.
const PATIENCE_FOR_NEWS: u32 = 25_000;
/// A request that reads the whole journal may take long.
const PATIENCE_FOR_ALL: u32 = 600_000;

/// Where the session is asked for, and made.
const SESSION_PATH: &str = "/api/session";
/// Where it is ended.
const SIGN_OUT_PATH: &str = "/api/session/end";

/// One request on its way to a carrier.
struct Request {
    method: Method,
    /// With its query.
    path: String,
    /// JSON, where it has a body.
    body: Option<String>,
    /// Milliseconds.
    patience: u32,
    /// By which it is given up instead.
    leash: Option<Leash>,
}

/// Calls an endpoint of the contract; `part` goes into the `{…}` of its path.
///
/// # Errors
/// Why there was no good answer.
pub(crate) async fn call<E: Endpoint>(
    part: Option<&str>,
    input: &E::Input,
) -> Result<E::Reply, Failure> {
    let input = serde_json::to_value(input);
    let text = ask(E::METHOD, E::PATH, part, input, None).await?;
    understood(&text)
}

/// The same for a reply that may be long in coming. It is waited for until it is there, the line breaks, or the leash is cut.
///
/// # Errors
/// Why there was no good answer.
pub(crate) async fn wait_for<E: Endpoint>(
    part: Option<&str>,
    input: &E::Input,
    leash: Leash,
) -> Result<E::Reply, Failure> {
    let input = serde_json::to_value(input);
    let text = ask(E::METHOD, E::PATH, part, input, Some(leash)).await?;
    understood(&text)
}

/// Who is signed in.
///
/// # Errors
/// [`Failure::SignedOut`] where nobody is.
pub(crate) async fn session() -> Result<Session, Failure> {
    understood(&ask(Method::Get, SESSION_PATH, None, Ok(Value::Null), None).await?)
}

/// Signs in with a token or a link.
///
/// # Errors
/// [`Failure::SignedOut`] where it is not known (any more); a refusal after too many of those.
pub(crate) async fn sign_in(by: SignIn<'_>) -> Result<Session, Failure> {
    let body = serde_json::to_value(by);
    understood(&ask(Method::Post, SESSION_PATH, None, body, None).await?)
}

/// Ends the session.
///
/// # Errors
/// Where the agent could not be told.
pub(crate) async fn sign_out() -> Result<(), Failure> {
    if is_desktop() {
        // The shell keeps the line; leaving it is choosing another.
        return Ok(());
    }
    let body = serde_json::to_value(Nothing {});
    ask(Method::Post, SIGN_OUT_PATH, None, body, None)
        .await
        .map(|_| ())
}

/// An open event stream; closed when dropped.
pub(crate) enum Stream {
    Http(stream::Stream),
    Desktop(tauri::Stream),
}

impl Stream {
    /// Hears nothing more.
    pub(crate) fn close(&self) {
        match self {
            Self::Http(stream) => stream.close(),
            Self::Desktop(stream) => stream.close(),
        }
    }
}

/// Listens to what happens from now on, until the [`Stream`] is dropped.
///
/// # Errors
/// Where the browser can't listen at all.
pub(crate) fn follow(heard: impl Fn(Heard) + 'static) -> Result<Stream, Failure> {
    if is_desktop() {
        tauri::Stream::open(heard).map(Stream::Desktop)
    } else {
        stream::Stream::open(steward_api::EVENTS_PATH, heard).map(Stream::Http)
    }
}

/// Sends a request of any endpoint: what is the same for all of them is built once.
fn ask(
    method: Method,
    path: &str,
    part: Option<&str>,
    input: Result<Value, serde_json::Error>,
    leash: Option<Leash>,
) -> Pin<Box<dyn Future<Output = Result<String, Failure>>>> {
    let patience = match path {
        "/api/journal/verify" => PATIENCE_FOR_ALL,
        "/status" | SESSION_PATH => PATIENCE_FOR_A_SIGN,
        _ if leash.is_some() => PATIENCE_FOR_NEWS,
        _ => PATIENCE,
    };
    let path = path_of(path, part);
    let request = input
        .map(|input| match method {
            Method::Get => Request {
                method,
                path: path + &url::query(&input),
                body: None,
                patience,
                leash,
            },
            Method::Post => Request {
                method,
                path,
                body: Some(input.to_string()),
                patience,
                leash,
            },
        })
        .map_err(|error| Failure::Unreadable(format!("The request can't be written: {error}")));
    Box::pin(async move { send(request?).await })
}

async fn send(request: Request) -> Result<String, Failure> {
    if is_desktop() {
        tauri::send(request).await
    } else {
        http::send(request).await
    }
}

fn path_of(template: &str, part: Option<&str>) -> String {
    match (template.split_once('{'), part) {
        (Some((before, rest)), Some(part)) => {
            let after = rest.split_once('}').map_or("", |(_, after)| after);
            format!("{before}{}{after}", url::encode(part))
        }
        _ => template.to_owned(),
    }
}

fn understood<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    wire::read(text)
        .map_err(|error| Failure::Unreadable(format!("The answer is not of this version: {error}")))
}
