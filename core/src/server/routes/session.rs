//! Signing in and out of a browser's session.
//!
//! What flows through: a token or the code of a link in, a session and its cookie out. Who may have one is the tokens' matter.

use axum::http::HeaderValue;
use jiff::Timestamp;
use steward_api::{
    Accepted, GetSession, MakeSignInLink, Nothing, Session, SignIn, SignInBy, SignInLink,
    SignInRequest, SignOut,
};
use tokio::time::Instant;

use crate::{
    engine::NewSession,
    server::{
        auth,
        bind::{Answer, Call, Written},
        error::Refusal,
        gate, now,
        sessions::Held,
        tokens::Holder,
    },
};

/// When a session ends, as far as it is known now; to the second, since nobody can use more.
fn end_of(held: &Held) -> Option<Timestamp> {
    let end = now().checked_add(held.left).ok()?;
    Timestamp::from_second(end.as_second()).ok()
}

fn no_chance(error: &std::io::Error) -> Refusal {
    tracing::error!(%error, "the system gives no random bytes");
    Refusal::internal()
}

fn header_value(cookie: &str) -> Result<HeaderValue, Refusal> {
    let mut value = HeaderValue::from_str(cookie).map_err(|error| {
        tracing::error!(%error, "a cookie can't be sent");
        Refusal::internal()
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether the cookie may go over TLS alone.
fn is_secure(call: &Call) -> bool {
    call.app.web.tls.is_some() || gate::has_secure_origin(&call.parts.headers)
}

impl Answer for GetSession {
    async fn answer(call: Call, _: Nothing) -> Result<Written<Session>, Refusal> {
        let caller = call.caller()?;
        let held = call
            .session
            .and_then(|key| call.app.web.sessions.look(key, Instant::now()));
        Written::of(&Session {
            identity: caller.identity,
            role: caller.role,
            expires_at: held.as_ref().and_then(end_of),
        })
    }
}

impl Answer for SignIn {
    async fn answer(call: Call, input: SignInRequest) -> Result<Written<Session>, Refusal> {
        let (app, web) = (&call.app, &call.app.web);
        gate::for_signing_in(&web.hosts, &call.parts)?;
        let before = web.sessions.presented(&call.parts.headers);
        let time = Instant::now();
        let peer = call.peer();
        let (holder, latest_end, by) = match (&input.token, &input.link) {
            (Some(token), None) => {
                let holder = auth::known(&app.tokens, &app.attempts, peer, Some(token.trim()))?;
                (holder, None, SignInBy::Token)
            }
            (None, Some(code)) => {
                let opened = web.sessions.open(code.trim(), time).and_then(|opened| {
                    let holder = Holder {
                        role: app.tokens.role_of(&opened.identity)?,
                        identity: opened.identity,
                        over: opened.token,
                    };
                    Some((holder, opened.latest_end, SignInBy::Link))
                });
                match opened {
                    Some(opened) => opened,
                    None => return Err(auth::unknown_link(&app.attempts, peer)),
                }
            }
            _ => {
                return Err(Refusal::bad_request(
                    "Send either `token` or `link`, and not both",
                ));
            }
        };
        let Holder {
            identity,
            role,
            over,
        } = holder;
        // One browser is one person: whoever was signed in before is not any more.
        if let Some(before) = before {
            web.sessions.end(before);
        }
        let (id, held) = web
            .sessions
            .begin(&identity, &over, latest_end, time)
            .map_err(|error| no_chance(&error))?;
        tracing::info!(%identity, %role, by = by.in_words(), "signed in from a browser");
        app.handle
            .record_session(NewSession {
                identity: identity.clone(),
                role,
                by,
                from: peer.map_or_else(String::new, |peer| peer.to_canonical().to_string()),
            })
            .await;
        let lasts = held.latest_end.saturating_duration_since(time);
        let cookie = web.sessions.cookie(&id, lasts, is_secure(&call));
        Ok(Written::of(&Session {
            expires_at: end_of(&held),
            identity,
            role,
        })?
        .with_cookie(header_value(&cookie)?))
    }
}

impl Answer for SignOut {
    async fn answer(call: Call, _: Nothing) -> Result<Written<Accepted>, Refusal> {
        let web = &call.app.web;
        let ended = match web.sessions.presented(&call.parts.headers) {
            Some(key) => {
                // It needs no role, but by its cookie it changes something.
                gate::for_a_cookie(&web.hosts, &call.parts)?;
                web.sessions.end(key)
            }
            None => false,
        };
        let message = if ended {
            "Signed out"
        } else {
            "Nobody was signed in"
        };
        let cookie = web.sessions.no_cookie(is_secure(&call));
        Ok(Written::of(&Accepted {
            success: true,
            message: message.to_owned(),
        })?
        .with_cookie(header_value(&cookie)?))
    }
}

impl Answer for MakeSignInLink {
    async fn answer(call: Call, _: Nothing) -> Result<Written<SignInLink>, Refusal> {
        let caller = call.caller()?;
        let web = &call.app.web;
        // What begins with a session must not go on for ever by links.
        let latest_end = call
            .session
            .and_then(|key| web.sessions.look(key, Instant::now()))
            .map(|held| held.latest_end);
        let link = web
            .link_until(&caller.identity, call.token(), latest_end)
            .map_err(|error| no_chance(&error))?;
        tracing::info!(identity = %caller.identity, "made a sign-in link");
        Written::of(&link)
    }
}
