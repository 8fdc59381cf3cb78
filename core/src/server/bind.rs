//! Binds an endpoint of the contract to its handler: authorises, reads the path, query or body, writes the reply.
//!
//! What flows through: a raw request in; a [`Call`] and a typed input to the handler; its typed reply out as JSON. What it never does:
//! know a particular endpoint. The role, the method, the path and the types all come from the contract.

use std::{
    marker::PhantomData,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, FromRequestParts as _, Query, RawPathParams, Request, State},
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
    routing::MethodFilter,
};
use futures_util::StreamExt as _;
use serde::Serialize;
use steward_api::{Channel, Endpoint, ErrorCode, Method, ProblemDetails, Role};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use utoipa::{PartialSchema, ToSchema};

use super::{App, auth, error::Refusal, gate, sessions::Key};
use crate::{engine::Caller, ports::Store};

/// A request's body must have arrived by then.
const BODY_ARRIVES: Duration = Duration::from_secs(20);
/// So many bytes of a body that is too large are still taken …
const THROWN_AWAY: usize = 16 * 1024 * 1024;
/// … for so long.
const THROWN_AWAY_WITHIN: Duration = Duration::from_secs(2);
/// The engine answers within this time, or the caller is told that it did not. Actions run longer, but nobody waits for them here.
const ENGINE_ANSWERS: Duration = Duration::from_secs(30);

/// An endpoint with its handler.
pub(super) trait Answer: Endpoint<Input: ToSchema, Reply: ToSchema> {
    /// Answers one request. The caller is authorised, the input well-formed.
    fn answer(
        call: Call,
        input: Self::Input,
    ) -> impl Future<Output = Result<Written<Self::Reply>, Refusal>> + Send;

    /// Called when a known token's role was too low, before that is said: for what has to stand in the record. It can't allow anything.
    fn was_forbidden(_: Call) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// A reply of type `T`, written as JSON.
pub(super) struct Written<T> {
    json: Bytes,
    /// A cookie that goes along.
    cookie: Option<HeaderValue>,
    of: PhantomData<fn() -> T>,
}

impl<T> Written<T> {
    /// A reply that was written before.
    pub(super) const fn before(json: Bytes) -> Self {
        Self {
            json,
            cookie: None,
            of: PhantomData,
        }
    }

    /// The same with a cookie that goes along.
    pub(super) fn with_cookie(self, cookie: HeaderValue) -> Self {
        Self {
            cookie: Some(cookie),
            ..self
        }
    }

    /// The bytes, cheap to hold on to.
    pub(super) fn bytes(&self) -> Bytes {
        self.json.clone()
    }
}

impl<T: Serialize> Written<T> {
    /// Writes a reply.
    pub(super) fn of(reply: &T) -> Result<Self, Refusal> {
        Self::like(reply, 256)
    }

    /// Writes something that reads as a `T` does, such as one that borrows its parts; `size` is about how many bytes it takes.
    pub(super) fn like(reply: &impl Serialize, size: usize) -> Result<Self, Refusal> {
        let mut json = Vec::with_capacity(size);
        serde_json::to_writer(&mut json, reply).map_err(|error| {
            tracing::error!(%error, "can't write a reply");
            Refusal::internal()
        })?;
        Ok(Self::before(json.into()))
    }
}

impl<T> IntoResponse for Written<T> {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.json));
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if let Some(cookie) = self.cookie {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// One request, with what a handler needs for it.
pub(super) struct Call {
    pub(super) app: Arc<App>,
    /// Who asks; absent only where the endpoint wants no token.
    caller: Option<Caller>,
    /// Cancelled when the token by which they ask is revoked.
    token: CancellationToken,
    /// The session by which they do, where they do by one.
    pub(super) session: Option<Key>,
    /// The `{…}` part of the path, decoded; empty where there is none.
    pub(super) part: String,
    /// The request without its body.
    pub(super) parts: Parts,
}

impl Call {
    /// The journal's projections.
    pub(super) fn store(&self) -> &dyn Store {
        self.app.handle.store().as_ref()
    }

    /// Who asks.
    pub(super) fn caller(&self) -> Result<Caller, Refusal> {
        // Only an endpoint without a role has no caller, and such a one asks nothing of the engine.
        self.caller.clone().ok_or_else(Refusal::internal)
    }

    /// Cancelled when the token by which is asked is revoked; never where none was needed.
    pub(super) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// The address from which is asked; absent when called in process.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        peer(&self.parts)
    }

    /// The `{…}` part of the path as a number; `what` it is the number of.
    pub(super) fn number(&self, what: &str) -> Result<i64, Refusal> {
        // One way to write each number: `+7` and `007` are none.
        let digits = self.part.strip_prefix('-').unwrap_or(&self.part);
        let plain = !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits.len() == 1 || !digits.starts_with('0'));
        let number = self.part.parse().ok().filter(|_| plain);
        number.ok_or_else(|| {
            Refusal::bad_request(format!(
                "`{}` in the path is not the number of {what}",
                self.part
            ))
        })
    }
}

/// Waits for the engine's answer, but not for ever.
pub(super) async fn from_engine<T>(
    answer: impl Future<Output = Result<T, ProblemDetails>>,
) -> Result<T, Refusal> {
    match tokio::time::timeout(ENGINE_ANSWERS, answer).await {
        Ok(result) => result.map_err(Refusal::from),
        Err(_) => {
            tracing::error!(limit = ?ENGINE_ANSWERS, "the engine did not answer a request in time");
            Err(Refusal::new(
                ErrorCode::Internal,
                format!(
                    "The engine did not answer within {} s; whether it did what was asked can be seen in the journal",
                    ENGINE_ANSWERS.as_secs()
                ),
            ))
        }
    }
}

/// Adds an endpoint of the contract to the routes.
pub(super) fn bind<E: Answer + 'static>(routes: Router<Arc<App>>) -> Router<Arc<App>> {
    let fields: Arc<[String]> = field_names::<E::Input>().into();
    let handler = move |State(app): State<Arc<App>>, request: Request| {
        let fields = fields.clone();
        async move {
            match answered::<E>(app, &fields, request).await {
                Ok(written) => written.into_response(),
                Err(refusal) => refusal.into_response(),
            }
        }
    };
    let method = match E::METHOD {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
    };
    routes.route(E::PATH, axum::routing::on(method, handler))
}

async fn answered<E: Answer>(
    app: Arc<App>,
    fields: &[String],
    request: Request,
) -> Result<Written<E::Reply>, Refusal> {
    let (mut parts, body) = request.into_parts();
    let mut by = match E::ROLE {
        Some(needed) => match authorised(&app, &parts, needed) {
            Ok(by) => Some(by),
            Err(refusal) => {
                if refusal.problem.code == ErrorCode::Forbidden
                    && let Ok(by) = authorised(&app, &parts, Role::Viewer)
                    && let Ok(part) = path_part(&mut parts).await
                {
                    E::was_forbidden(Call {
                        app,
                        caller: Some(by.caller),
                        token: by.token,
                        session: by.session,
                        part,
                        parts,
                    })
                    .await;
                }
                return Err(refusal);
            }
        },
        None => None,
    };
    let part = path_part(&mut parts).await?;
    let input = match E::METHOD {
        Method::Get => query::<E::Input>(&parts, fields)?,
        Method::Post => {
            auth::same_origin(&parts.headers, &parts.uri)?;
            if parts.uri.query().is_some_and(|query| !query.is_empty()) {
                return Err(Refusal::bad_request(
                    "This takes a JSON body, and nothing after `?` in the address",
                ));
            }
            let input = json::<E::Input>(body, fields).await?;
            // A body takes its time: whoever was allowed when it began may have been revoked meanwhile.
            if let Some(needed) = E::ROLE {
                by = Some(authorised(&app, &parts, needed)?);
            }
            input
        }
    };
    let session = by.as_ref().and_then(|by| by.session);
    let (caller, token) = by.map(|by| (by.caller, by.token)).unzip();
    let call = Call {
        app,
        caller,
        token: token.unwrap_or_default(),
        session,
        part,
        parts,
    };
    E::answer(call, input).await
}

/// By whom is asked.
pub(super) struct By {
    pub(super) caller: Caller,
    /// Cancelled when their token is revoked.
    pub(super) token: CancellationToken,
    /// The session by which they are known, where it is one.
    pub(super) session: Option<Key>,
}

/// Through which channel a request made in process speaks, whatever its headers say. No request from outside can carry it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Through(pub(super) Channel);

/// The caller of a request, where the role allows it. A token in a header decides; only without one does a cookie count.
pub(super) fn authorised(app: &App, parts: &Parts, needed: Role) -> Result<By, Refusal> {
    let mut by = known_by(app, parts, needed)?;
    if let Some(Through(channel)) = parts.extensions.get() {
        by.caller.channel = *channel;
    }
    Ok(by)
}

fn known_by(app: &App, parts: &Parts, needed: Role) -> Result<By, Refusal> {
    let sessions = &app.web.sessions;
    let key = sessions
        .presented(&parts.headers)
        .filter(|_| !auth::presents_token(&parts.headers));
    let Some(key) = key else {
        let peer = peer(parts);
        let (caller, token) =
            auth::authorise(&app.tokens, &app.attempts, peer, &parts.headers, needed)?;
        return Ok(By {
            caller,
            token,
            session: None,
        });
    };
    gate::for_a_cookie(&app.web.hosts, parts)?;
    let ended = || {
        Refusal::new(
            ErrorCode::Unauthorized,
            "Nobody is signed in by this cookie: the session has ended. Sign in again",
        )
    };
    let held = sessions.use_of(key, Instant::now()).ok_or_else(ended)?;
    let Some(role) = app.tokens.role_of(&held.identity) else {
        sessions.end(key);
        return Err(ended());
    };
    auth::allows(&held.identity, role, needed)?;
    let caller = Caller {
        identity: held.identity,
        role,
        channel: Channel::Browser,
    };
    Ok(By {
        caller,
        token: held.token,
        session: Some(key),
    })
}

fn peer(parts: &Parts) -> Option<IpAddr> {
    parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|peer| peer.0.ip())
}

async fn path_part(parts: &mut Parts) -> Result<String, Refusal> {
    let params = RawPathParams::from_request_parts(parts, &())
        .await
        .map_err(|_| {
            Refusal::bad_request("The path can't be decoded: its % parts should be UTF-8")
        })?;
    Ok(params
        .iter()
        .next()
        .map(|(_, value)| value.to_owned())
        .unwrap_or_default())
}

/// The query as the endpoint's input. A name that means nothing is refused: a misspelt filter must not give everything.
pub(super) fn query<T: serde::de::DeserializeOwned>(
    parts: &Parts,
    fields: &[String],
) -> Result<T, Refusal> {
    let refused =
        |reason: String| Refusal::bad_request(format!("The query can't be used: {reason}"));
    if let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
        && let Some((name, _)) = pairs.iter().find(|(name, _)| !fields.contains(name))
    {
        return Err(refused(unknown(name, fields)));
    }
    Query::<T>::try_from_uri(&parts.uri)
        .map(|Query(input)| input)
        .map_err(|rejection| {
            let text = rejection.body_text();
            refused(
                text.strip_prefix("Failed to deserialize query string: ")
                    .unwrap_or(&text)
                    .to_owned(),
            )
        })
}

/// The JSON body as the endpoint's input; an empty body means `{}`. A field that means nothing is refused: a misspelt `plan_hash`
/// must not approve whatever plan there is.
async fn json<T: serde::de::DeserializeOwned>(body: Body, fields: &[String]) -> Result<T, Refusal> {
    let bytes = in_time(body).await?;
    let bytes = if bytes.iter().all(u8::is_ascii_whitespace) {
        Bytes::from_static(b"{}")
    } else {
        bytes
    };
    let refused = |reason: &str| Refusal::bad_request(format!("The body can't be used: {reason}"));
    let value: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|error| refused(&format!("it is not JSON: {error}")))?;
    let Some(object) = value.as_object() else {
        return Err(refused("it should be a JSON object, such as {}"));
    };
    if let Some(name) = object.keys().find(|name| !fields.contains(name)) {
        return Err(refused(&unknown(name, fields)));
    }
    // Read from the text and not from the value: only so are fields that come twice noticed.
    axum::Json::<T>::from_bytes(&bytes)
        .map(|axum::Json(input)| input)
        .map_err(|rejection| {
            let text = rejection.body_text();
            refused(text.split_once(": ").map_or(&*text, |(_, reason)| reason))
        })
}

/// The body, where it is not too large and comes within its time.
pub(super) async fn in_time(body: Body) -> Result<Bytes, Refusal> {
    tokio::time::timeout(BODY_ARRIVES, whole(body))
        .await
        .map_err(|_| {
            Refusal::bad_request(format!(
                "The body did not arrive within {} s",
                BODY_ARRIVES.as_secs()
            ))
        })?
}

/// The body, where it is not too large.
async fn whole(body: Body) -> Result<Bytes, Refusal> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Refusal::bad_request("The body broke off"))?;
        if bytes.len() + chunk.len() > super::LARGEST_BODY {
            // A caller that is cut off while it sends may never read the answer; so some more is taken and thrown away.
            let mut left = THROWN_AWAY;
            let discard = async {
                while let Some(Ok(chunk)) = stream.next().await {
                    match left.checked_sub(chunk.len()) {
                        Some(less) => left = less,
                        None => break,
                    }
                }
            };
            // Whether it came to its end or not, the answer is the same.
            let _ = tokio::time::timeout(THROWN_AWAY_WITHIN, discard).await;
            return Err(Refusal::new(
                ErrorCode::TooLarge,
                format!("The body has more than {} KiB", super::LARGEST_BODY / 1024),
            ));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

fn unknown(name: &str, known: &[String]) -> String {
    let name: String = name.chars().take(60).collect();
    if known.is_empty() {
        format!("`{name}` means nothing here, as nothing does")
    } else {
        format!(
            "`{name}` means nothing here: it should be one of {}",
            known.join(", ")
        )
    }
}

/// The names of a type's fields, from its schema.
pub(super) fn field_names<T: PartialSchema>() -> Vec<String> {
    serde_json::to_value(T::schema())
        .ok()
        .and_then(|schema| {
            Some(
                schema
                    .get("properties")?
                    .as_object()?
                    .keys()
                    .cloned()
                    .collect(),
            )
        })
        .unwrap_or_default()
}
