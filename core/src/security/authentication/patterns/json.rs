//! Programs that write a JSON object on each line: Nextcloud, Caddy, Traefik.
//!
//! What flows through: an object; an attempt comes out. JSON keeps what a client sent within its own value, so no value can pose as
//! another.

use serde_json::Value;

use super::{Pair, Seen, Told, failure, told, web};
use crate::security::authentication::address::address;

pub(super) fn read(value: &Value) -> Option<(&'static str, Told)> {
    nextcloud(value)
        .map(|told| ("nextcloud", told))
        .or_else(|| caddy(value).map(|told| ("caddy", told)))
        .or_else(|| traefik(value).map(|told| ("traefik", told)))
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Nextcloud's lib/private/User/Session.php and lib/private/Log/LogDetails.php: `remoteAddr`, and `Login failed: x (Remote IP: …)`.
fn nextcloud(value: &Value) -> Option<Told> {
    value.get("reqId")?;
    let message = text(value, "message");
    let name = message.strip_prefix("Login failed: ")?;
    let name = name
        .rsplit_once(" (Remote IP: ")
        .map_or(name, |(name, _)| name);
    Some(told(Seen {
        at: text(value, "time").parse().ok(),
        ..failure(
            "nextcloud",
            address(text(value, "remoteAddr")),
            Some(name.trim_matches('\'')),
        )
    }))
}

/// Caddy's access log (caddyserver.com, Logging): `request.client_ip` since 2.7, `request.remote_ip` before; `user_id` of basic
/// authentication.
fn caddy(value: &Value) -> Option<Told> {
    if !text(value, "logger").starts_with("http.log.access") {
        return None;
    }
    let request = value.get("request")?;
    let status = status(value, "status")?;
    let user = text(value, "user_id");
    let sent_one = request
        .get("headers")
        .and_then(|headers| headers.get("Authorization"))
        .is_some();
    let method = text(request, "method");
    if !web::is_attempt(
        method,
        text(request, "uri"),
        status,
        sent_one || !user.is_empty(),
    ) {
        return Some(Told::Nothing);
    }
    let from = match text(request, "client_ip") {
        "" => text(request, "remote_ip"),
        client => client,
    };
    let at = value
        .get("ts")
        .and_then(Value::as_f64)
        .and_then(|seconds| jiff::Timestamp::from_millisecond((seconds * 1000.0) as i64).ok());
    Some(told(Seen {
        at,
        ..failure("web", address(from), Some(user))
    }))
}

/// Traefik's access log as JSON (doc.traefik.io, Access Logs).
fn traefik(value: &Value) -> Option<Told> {
    let method = value.get("RequestMethod")?.as_str()?;
    let status = status(value, "DownstreamStatus")?;
    let user = match text(value, "ClientUsername") {
        "-" => "",
        user => user,
    };
    if !web::is_attempt(method, text(value, "RequestPath"), status, !user.is_empty()) {
        return Some(Told::Nothing);
    }
    let from = address(text(value, "ClientHost"));
    Some(told(Seen {
        at: text(value, "time").parse().ok(),
        pair: Some(Pair::new(("web", from, user), 0)),
        ..failure("web", from, Some(user))
    }))
}

fn status(value: &Value, key: &str) -> Option<u16> {
    u16::try_from(value.get(key)?.as_u64()?).ok()
}
