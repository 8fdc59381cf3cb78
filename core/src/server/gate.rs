//! What a request out of a browser must show before a cookie counts: that a page of this agent asks, by a name that is this agent's.
//!
//! What flows through: a request's method and headers in, nothing or a refusal out. A cookie goes along with whatever asks for it, so on its
//! own it proves little; a token in a header was put there on purpose, so none of this concerns it. What it never does: look at who asks.

use std::net::IpAddr;

use axum::http::{HeaderMap, Method, header, request::Parts};
use steward_api::{ErrorCode, REQUEST_HEADER};

use super::{auth, error::Refusal};

/// The configuration's key for further names.
const SETTING: &str = "server.allowed_hosts";

/// The names by which this agent may be addressed in a browser, besides any IP address and `localhost`. A page that makes a browser take
/// its own name for this agent's address (DNS rebinding) addresses it by another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// These names; without their ports.
    pub fn new<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Self {
        let names = names.into_iter().map(|name| plain(name.as_ref()));
        Self(names.filter(|name| !name.is_empty()).collect())
    }

    fn knows(&self, host: &str) -> bool {
        let host = plain(host);
        host == "localhost" || host.parse::<IpAddr>().is_ok() || self.0.contains(&host)
    }

    /// Refuses a request that addresses somebody else.
    ///
    /// # Errors
    /// `forbidden`, with the setting by which a name becomes known.
    pub(super) fn check(&self, parts: &Parts) -> Result<(), Refusal> {
        let given = parts
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .or_else(|| {
                parts
                    .uri
                    .authority()
                    .map(axum::http::uri::Authority::as_str)
            });
        let Some(given) = given else {
            return Err(forbidden(
                "The request does not say by which name it addresses Steward: the `Host` is missing",
            ));
        };
        if self.knows(without_port(given)) {
            return Ok(());
        }
        let shown: String = without_port(given).chars().take(100).collect();
        Err(forbidden(format!(
            "Steward is not known here by the name `{shown}`. If it should be, add it to {SETTING} in the agent's configuration"
        )))
    }
}

fn plain(host: &str) -> String {
    host.trim()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .trim_end_matches('.')
        .to_ascii_lowercase()
}

/// The host of `host`, `host:port` or `[address]:port`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

/// Refuses what a page of another site asks for, as far as the browser tells: it says of each request where it comes from, on secure
/// addresses and on loopback.
///
/// # Errors
/// `forbidden` where it is said to come from elsewhere.
pub(super) fn not_from_elsewhere(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get("sec-fetch-site").map(|value| value.as_bytes()) {
        // `none` is a person who typed the address.
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(forbidden(
            "A page of another site asked for this: `Sec-Fetch-Site` is neither `same-origin` nor `none`",
        )),
    }
}

/// All that a request must show for its cookie to count.
///
/// # Errors
/// `forbidden`, saying what is missing or wrong.
pub(super) fn for_a_cookie(hosts: &Hosts, parts: &Parts) -> Result<(), Refusal> {
    hosts.check(parts)?;
    not_from_elsewhere(&parts.headers)?;
    if parts.method == Method::GET || parts.method == Method::HEAD {
        return Ok(());
    }
    auth::same_origin(&parts.headers, &parts.uri)?;
    if parts
        .headers
        .get(REQUEST_HEADER)
        .is_some_and(|value| value == "1")
    {
        Ok(())
    } else {
        Err(forbidden(format!(
            "With a session's cookie a change needs the header `{REQUEST_HEADER}: 1`, which a page of another site can't send"
        )))
    }
}

/// All that a request must show to sign in: it may make a browser somebody's, so it must come from this agent's own page.
///
/// # Errors
/// As for [`for_a_cookie`].
pub(super) fn for_signing_in(hosts: &Hosts, parts: &Parts) -> Result<(), Refusal> {
    hosts.check(parts)?;
    not_from_elsewhere(&parts.headers)?;
    auth::same_origin(&parts.headers, &parts.uri)
}

/// Whether the browser itself speaks to a secure address, as it does through a proxy with TLS: the origin of its page says so.
pub(super) fn has_secure_origin(headers: &HeaderMap) -> bool {
    headers
        .get(header::ORIGIN)
        .is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

fn forbidden(detail: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::Forbidden, detail)
}

#[cfg(test)]
#[path = "tests/gate.rs"]
mod tests;
