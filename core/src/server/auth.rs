//! Who asks: authorisation by role, and what holds back somebody who guesses.
//!
//! What flows through: each request's headers in, a [`Caller`] or a refusal out. What it never does: decide which role an endpoint wants
//! (the contract says so), or show a token in an error or a log.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, Uri, header};
use steward_api::{Channel, ErrorCode, Role};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    error::Refusal,
    tokens::{Holder, TOKEN_FILE, Tokens},
};
use crate::engine::Caller;

/// The header by which the command line and the desktop say what they are. It only labels the record; it allows nothing.
pub const CHANNEL_HEADER: &str = "x-steward-channel";

/// Who asks, and what is cancelled when their token is revoked; or why they may not. The one place where a role is enforced.
///
/// # Errors
/// `unauthorized` without a good token, `forbidden` where its role is too low, `too_many_requests` after too many bad ones.
pub(super) fn authorise(
    tokens: &Tokens,
    attempts: &Attempts,
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    needed: Role,
) -> Result<(Caller, CancellationToken), Refusal> {
    let Some(token) = presented(headers) else {
        return Err(Refusal::new(
            ErrorCode::Unauthorized,
            format!(
                "Send a token of role {needed} or higher as `X-API-Key: …` or `Authorization: Bearer …`; tokens are in {TOKEN_FILE} in the agent's data directory"
            ),
        ));
    };
    let Holder {
        identity,
        role,
        over,
    } = known(tokens, attempts, peer, token)?;
    allows(&identity, role, needed)?;
    let channel = match headers.get(CHANNEL_HEADER) {
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"cli") => Channel::Cli,
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"desktop") => Channel::Desktop,
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"mcp") => Channel::Mcp,
        _ => Channel::Http,
    };
    let caller = Caller {
        identity,
        role,
        channel,
    };
    Ok((caller, over))
}

/// Whose token this is.
///
/// # Errors
/// `unauthorized` where it is nobody's, `too_many_requests` after too many of those.
pub(super) fn known(
    tokens: &Tokens,
    attempts: &Attempts,
    peer: Option<IpAddr>,
    token: Option<&str>,
) -> Result<Holder, Refusal> {
    token.and_then(|token| tokens.check(token)).ok_or_else(|| {
        guessed(
            attempts,
            peer,
            "token",
            "This token is not known here; it may have been changed, or be that of another agent",
        )
    })
}

/// The refusal of a sign-in link that nobody can open. Counts as a bad token does.
pub(super) fn unknown_link(attempts: &Attempts, peer: Option<IpAddr>) -> Refusal {
    guessed(
        attempts,
        peer,
        "sign-in link",
        "This sign-in link is not known here: it works once and for ten minutes. `steward sign-in` on the agent's machine makes another",
    )
}

/// Counts a secret that nobody has, and says so. Guessing is slowed down; one that is known is let through all the same, or one bad
/// script on this machine would lock its owner out.
fn guessed(attempts: &Attempts, peer: Option<IpAddr>, what: &str, detail: &str) -> Refusal {
    let now = Instant::now();
    if let Some(wait) = attempts.blocked(peer, now) {
        let seconds = wait.as_secs() + 1;
        return Refusal {
            retry_after: Some(seconds),
            ..Refusal::new(
                ErrorCode::TooManyRequests,
                format!("Too many unknown tokens came from this address; try again in {seconds} s"),
            )
        };
    }
    attempts.failed(peer, now);
    tracing::warn!(
        peer = peer.map_or_else(|| "in process".to_owned(), |peer| peer.to_string()),
        "refused an unknown {what}"
    );
    Refusal::new(ErrorCode::Unauthorized, detail)
}

/// Refuses a role that does not suffice.
///
/// # Errors
/// `forbidden` then.
pub(super) fn allows(identity: &str, role: Role, needed: Role) -> Result<(), Refusal> {
    if role >= needed {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::Forbidden,
        format!("This needs the role {needed}; the token `{identity}` has the role {role}"),
    ))
}

/// Whether a token came along in a header, good or bad. It decides then, whatever else came.
pub(super) fn presents_token(headers: &HeaderMap) -> bool {
    presented(headers).is_some()
}

/// The token that came along: absent where none did, `Some(None)` where it can't be one of ours.
fn presented(headers: &HeaderMap) -> Option<Option<&str>> {
    if let Some(value) = headers.get("x-api-key") {
        return Some(value.to_str().ok().map(str::trim));
    }
    let value = headers.get(header::AUTHORIZATION)?;
    let Ok(text) = value.to_str() else {
        return Some(None);
    };
    match text.trim().split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(Some(token.trim())),
        _ => Some(None),
    }
}

/// Refuses a change that a page of another site asks for through somebody's browser. A browser always names the page's origin with
/// such a request; programs name none.
///
/// # Errors
/// `forbidden` where an `Origin` is given that is not the server itself.
pub(super) fn same_origin(headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| uri.authority().map(axum::http::uri::Authority::as_str));
    let same = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .zip(host)
        .is_some_and(|((scheme, from), host)| {
            let default_port = if scheme.eq_ignore_ascii_case("https") {
                ":443"
            } else {
                ":80"
            };
            let plain = |text: &str| {
                text.strip_suffix(default_port)
                    .unwrap_or(text)
                    .to_ascii_lowercase()
            };
            plain(from) == plain(host)
        });
    if same {
        Ok(())
    } else {
        Err(Refusal::new(
            ErrorCode::Forbidden,
            "A page of another site asked for this: the `Origin` is not this server",
        ))
    }
}

/// Counts bad tokens by address. After [`Attempts::MOST`] within a minute an address has to wait a minute; others don't notice. Holds
/// a bounded number of addresses, and of IPv6 addresses only their network, of which one machine may own all.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    peers: Mutex<HashMap<Option<IpAddr>, Record>>,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    /// When the first attempt that counts was made.
    since: Instant,
    failures: u32,
    blocked_until: Option<Instant>,
}

impl Attempts {
    /// So many bad tokens within [`Self::WINDOW`] are too many.
    pub(super) const MOST: u32 = 10;
    /// The time over which is counted.
    pub(super) const WINDOW: Duration = Duration::from_secs(60);
    /// How long an address has to wait then.
    pub(super) const PENALTY: Duration = Duration::from_secs(60);
    /// Addresses kept at most.
    const CAPACITY: usize = 1024;

    /// How long this address has still to wait; absent where it has not.
    fn blocked(&self, peer: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let until = peers.get(&network(peer))?.blocked_until?;
        (until > now).then(|| until - now)
    }

    /// Counts one bad token.
    fn failed(&self, peer: Option<IpAddr>, now: Instant) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let key = network(peer);
        if !peers.contains_key(&key) && peers.len() >= Self::CAPACITY {
            peers.retain(|_, record| !record.is_over(now));
            // All of them fresh: the one that has failed least gives way, so that a flood of addresses can't free a blocked one.
            if peers.len() >= Self::CAPACITY
                && let Some(least) = peers
                    .iter()
                    .min_by_key(|(_, record)| (record.failures, record.since))
                    .map(|(key, _)| *key)
            {
                peers.remove(&least);
            }
        }
        let record = peers.entry(key).or_insert(Record {
            since: now,
            failures: 0,
            blocked_until: None,
        });
        if record.is_over(now) {
            *record = Record {
                since: now,
                failures: 0,
                blocked_until: None,
            };
        }
        record.failures += 1;
        if record.failures >= Self::MOST {
            record.blocked_until = Some(now + Self::PENALTY);
        }
    }
}

impl Record {
    fn is_over(&self, now: Instant) -> bool {
        let end = self.blocked_until.unwrap_or(self.since + Attempts::WINDOW);
        end <= now
    }
}

fn network(peer: Option<IpAddr>) -> Option<IpAddr> {
    peer.map(|peer| match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    })
}

#[cfg(test)]
#[path = "tests/auth.rs"]
mod tests;
