//! Who asks: tokens with roles, and what holds back somebody who guesses.
//!
//! What flows through: the token file and the environment's token at start; then each request's headers in, a [`Caller`] or a refusal
//! out. What it never does: keep a token readable in memory (only its SHA-256 is kept), show one in an error or a log, or decide which
//! role an endpoint wants (the contract says so).

use std::{
    collections::HashMap,
    fmt::Write as _,
    io::{self, Write as _},
    net::{IpAddr, Ipv6Addr},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, Uri, header};
use rand::TryRng;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use steward_api::{Channel, ErrorCode, Role};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use super::error::Refusal;
use crate::engine::Caller;

/// The token file's name in the data directory.
pub const TOKEN_FILE: &str = "tokens.toml";
/// The identity that goes with the token given by `STEWARD_ADMIN_TOKEN`.
pub const ENVIRONMENT_IDENTITY: &str = "environment";
/// The header by which the command line says that it is the command line. It only labels the record; it allows nothing.
pub const CHANNEL_HEADER: &str = "x-steward-channel";

/// A token shorter than this could be guessed.
const SHORTEST_SECRET: usize = 16;
const PREFIX: &str = "stw_";

/// Why the tokens could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file can't be read or written.
    #[error("the token file {path} can't be {deed}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What was tried: `read`, `made`.
        deed: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Others than its owner could read it.
    #[error(
        "the token file {path} can be read by others (its mode is {mode:o}): run `chmod 600 {path}`, and change its tokens if anybody else may have read them"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It can't be understood. Its content is never shown, since it holds secrets.
    #[error(
        "the token file {path} can't be understood{place}: {reason}. Each token should read `[[token]]` with `name`, `role` (viewer, operator or admin) and `secret` below it; remove the file to have a new one made"
    )]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where in it, such as `, line 7`; empty where that is not known.
        place: String,
        /// Why.
        reason: String,
    },
    /// The token given by the environment is empty.
    #[error("STEWARD_ADMIN_TOKEN is empty: give it a token, or leave it unset")]
    EmptyEnvironment,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenFile {
    #[serde(default)]
    token: Vec<TokenEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    name: String,
    role: Role,
    secret: SecretString,
}

/// One token as it is kept: whose it is, what it allows, and its hash.
struct Known {
    identity: String,
    role: Role,
    hash: [u8; 32],
}

/// The tokens that are good. Holds their SHA-256 only.
pub struct Tokens {
    known: Vec<Known>,
}

/// Names and roles only.
impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(self.known.iter().map(|known| (&known.identity, known.role)))
            .finish()
    }
}

impl Tokens {
    /// Reads the token file of this data directory, making it with three tokens (admin, operator, viewer) where there is none, and adds
    /// `environment` as a further admin token.
    ///
    /// # Errors
    /// Where the file can't be read, made or understood, or could be read by others.
    pub fn open(data_dir: &Path, environment: Option<SecretString>) -> Result<Self, TokenError> {
        let path = data_dir.join(TOKEN_FILE);
        let entries = match read_file(&path)? {
            Some(entries) => entries,
            None => {
                make_file(data_dir, &path)?;
                tracing::info!(file = %path.display(), "made tokens for admin, operator and viewer");
                read_file(&path)?.ok_or_else(|| TokenError::File {
                    path: path.clone(),
                    deed: "read",
                    source: io::ErrorKind::NotFound.into(),
                })?
            }
        };
        Self::new(
            entries
                .into_iter()
                .map(|entry| (entry.name, entry.role, entry.secret)),
            environment,
        )
    }

    /// Tokens that are in no file: (identity, role, secret) each, and the environment's.
    ///
    /// # Errors
    /// Where the environment's token is empty.
    pub fn new(
        tokens: impl IntoIterator<Item = (String, Role, SecretString)>,
        environment: Option<SecretString>,
    ) -> Result<Self, TokenError> {
        let mut known: Vec<Known> = Vec::new();
        if let Some(secret) = environment {
            match secret.expose_secret().len() {
                0 => return Err(TokenError::EmptyEnvironment),
                length if length < SHORTEST_SECRET => tracing::warn!(
                    length,
                    "STEWARD_ADMIN_TOKEN is short enough to be guessed; give it at least {SHORTEST_SECRET} characters"
                ),
                _ => {}
            }
            known.push(Known {
                identity: ENVIRONMENT_IDENTITY.to_owned(),
                role: Role::Admin,
                hash: hash(secret.expose_secret().as_bytes()),
            });
        }
        known.extend(tokens.into_iter().map(|(identity, role, secret)| Known {
            identity,
            role,
            hash: hash(secret.expose_secret().as_bytes()),
        }));
        Ok(Self { known })
    }

    /// Whose token this is and what it allows; absent where it is nobody's. Takes the same time whichever token it is, or none.
    pub fn check(&self, token: &str) -> Option<(&str, Role)> {
        let given = hash(token.as_bytes());
        let mut found = None;
        for known in &self.known {
            let same: bool = known.hash.ct_eq(&given).into();
            if same && found.is_none() {
                found = Some((known.identity.as_str(), known.role));
            }
        }
        found
    }
}

/// The secret of the token in this data directory's file that allows just this role, for a command line on the same machine; absent
/// where there is no file or no such token in it.
///
/// # Errors
/// As for [`Tokens::open`]; no file is made.
pub fn local_token(data_dir: &Path, role: Role) -> Result<Option<SecretString>, TokenError> {
    let entries = read_file(&data_dir.join(TOKEN_FILE))?.unwrap_or_default();
    Ok(entries
        .into_iter()
        .find(|entry| entry.role == role)
        .map(|entry| entry.secret))
}

fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The entries of a token file, checked; absent where there is no file.
fn read_file(path: &Path) -> Result<Option<Vec<TokenEntry>>, TokenError> {
    let failed = |source| TokenError::File {
        path: path.to_owned(),
        deed: "read",
        source,
    };
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Asked of the open file, so that what was checked is what is read.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(TokenError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
    }
    let mut text = String::new();
    io::Read::read_to_string(&mut file, &mut text).map_err(failed)?;
    let malformed = |place: String, reason: &str| TokenError::Malformed {
        path: path.to_owned(),
        place,
        reason: reason.to_owned(),
    };
    let parsed: TokenFile = toml::from_str(&text).map_err(|error| {
        // The parser's own message quotes the line, and so perhaps a secret; only the place is taken from it.
        let place = error.span().map_or_else(String::new, |span| {
            let before = text.get(..span.start).unwrap_or_default();
            format!(", line {}", before.matches('\n').count() + 1)
        });
        malformed(place, "this is not what a token file holds")
    })?;
    if parsed.token.is_empty() {
        return Err(malformed(String::new(), "there is no token in it"));
    }
    for (index, entry) in parsed.token.iter().enumerate() {
        let place = || format!(", token number {}", index + 1);
        if entry.name.trim().is_empty() || entry.name.chars().any(char::is_control) {
            return Err(malformed(place(), "its name should be readable text"));
        }
        if entry.name == ENVIRONMENT_IDENTITY {
            return Err(malformed(
                place(),
                "the name `environment` is kept for STEWARD_ADMIN_TOKEN",
            ));
        }
        if parsed
            .token
            .iter()
            .take(index)
            .any(|other| other.name == entry.name)
        {
            return Err(malformed(place(), "its name is that of another token"));
        }
        if entry.secret.expose_secret().len() < SHORTEST_SECRET {
            return Err(malformed(
                place(),
                "its secret is short enough to be guessed; it should have at least 16 characters",
            ));
        }
        if parsed
            .token
            .iter()
            .take(index)
            .any(|other| other.secret.expose_secret() == entry.secret.expose_secret())
        {
            return Err(malformed(place(), "its secret is that of another token"));
        }
    }
    Ok(Some(parsed.token))
}

/// Makes the token file, whole or not at all, readable by its owner alone from its first byte on. Keeps one that appeared meanwhile.
fn make_file(data_dir: &Path, path: &Path) -> Result<(), TokenError> {
    let failed = |source| TokenError::File {
        path: path.to_owned(),
        deed: "made",
        source,
    };
    let mut text = String::from(
        "# Steward's API tokens. Whoever holds one may do what its role allows: viewer reads, operator also approves, rejects and heals,\n\
         # admin may do everything. Keep this file to yourself (mode 600). Change, add or remove tokens as you like, then restart Steward.\n",
    );
    for role in [Role::Admin, Role::Operator, Role::Viewer] {
        let secret = new_secret().map_err(failed)?;
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "\n[[token]]\nname = \"{role}\"\nrole = \"{role}\"\nsecret = \"{secret}\"\n"
        );
    }
    let unique = new_secret().map_err(failed)?;
    let draft = data_dir.join(format!("{TOKEN_FILE}.{}", &unique[..PREFIX.len() + 8]));
    let made = write_draft(&draft, &text).and_then(|()| {
        // A link, unlike a rename, never takes the place of a file that somebody else has just made.
        match std::fs::hard_link(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(_) if !path.exists() => std::fs::rename(&draft, path), // a file system without links
            other => other,
        }
    });
    if let Err(error) = std::fs::remove_file(&draft)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(file = %draft.display(), %error, "can't remove a draft of the token file");
    }
    made.map_err(failed)
}

fn write_draft(draft: &Path, text: &str) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// 32 random bytes of the operating system's, in hexadecimal, with a prefix by which a scanner can tell them.
fn new_secret() -> io::Result<String> {
    let mut bytes = [0_u8; 32];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(io::Error::other)?;
    let mut secret = String::from(PREFIX);
    for byte in bytes {
        let _ = write!(secret, "{byte:02x}");
    }
    Ok(secret)
}

// ------------------------------------------------------------------------------------------------------------- each request

/// Who asks, or why they may not. The one place where a role is enforced.
///
/// # Errors
/// `unauthorized` without a good token, `forbidden` where its role is too low, `too_many_requests` after too many bad ones.
pub(super) fn authorise(
    tokens: &Tokens,
    attempts: &Attempts,
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    needed: Role,
) -> Result<Caller, Refusal> {
    let Some(token) = presented(headers) else {
        return Err(Refusal::new(
            ErrorCode::Unauthorized,
            format!(
                "Send a token of role {needed} or higher as `X-API-Key: …` or `Authorization: Bearer …`; tokens are in {TOKEN_FILE} in the agent's data directory"
            ),
        ));
    };
    let now = Instant::now();
    if let Some(wait) = attempts.blocked(peer, now) {
        let seconds = wait.as_secs() + 1;
        return Err(Refusal {
            retry_after: Some(seconds),
            ..Refusal::new(
                ErrorCode::TooManyRequests,
                format!("Too many unknown tokens came from this address; try again in {seconds} s"),
            )
        });
    }
    let Some((identity, role)) = token.and_then(|token| tokens.check(token)) else {
        attempts.failed(peer, now);
        tracing::warn!(
            peer = peer.map_or_else(|| "in process".to_owned(), |peer| peer.to_string()),
            "refused an unknown token"
        );
        return Err(Refusal::new(
            ErrorCode::Unauthorized,
            "This token is not known here; it may have been changed, or be that of another agent",
        ));
    };
    if role < needed {
        return Err(Refusal::new(
            ErrorCode::Forbidden,
            format!("This needs the role {needed}; the token `{identity}` has the role {role}"),
        ));
    }
    let channel = match headers.get(CHANNEL_HEADER) {
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"cli") => Channel::Cli,
        _ => Channel::Http,
    };
    Ok(Caller {
        identity: identity.to_owned(),
        role,
        channel,
    })
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
