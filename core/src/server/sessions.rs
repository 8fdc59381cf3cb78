//! Sessions of browsers, and the links that sign in once: who they belong to and how long they last.
//!
//! What flows through: an identity in, a fresh secret out (the id of a session, the code of a link); later that secret in, whose it is out.
//! What it never does: keep a secret (only its SHA-256, and in memory alone), or say what somebody may do: the role is asked of the tokens
//! at each request, so a session is worth no more than its token, and ends with it. The time is an input.

use std::{
    collections::HashMap,
    fmt::Write as _,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, header};
use rand::TryRng as _;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A session from which nothing is asked for so long ends.
pub(super) const IDLE: Duration = Duration::from_secs(12 * 3600);
/// And every session ends after this time.
pub(super) const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// A link that nobody opens lapses after this time.
pub(super) const LINK_LASTS: Duration = Duration::from_secs(600);

/// Bytes of a session's id: 256 bits.
const ID_BYTES: usize = 32;
/// Bytes of a link's code: as impossible to guess within ten minutes, and half as long to read out.
const CODE_BYTES: usize = 16;

/// Sessions of one identity, and of all, at most. The ones unused for longest give way.
const SESSIONS_EACH: usize = 32;
const SESSIONS: usize = 256;
/// Links of one identity, and of all, at most.
const LINKS_EACH: usize = 8;
const LINKS: usize = 64;

/// What a session or a link is known by: the SHA-256 of its secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

/// Nothing of it: it is of no use to a person, and next to a secret.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }
}

/// A session that lasts.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// Whose it is.
    pub(super) identity: String,
    /// How long it lasts if nothing more is asked.
    pub(super) left: Duration,
    /// When it ends whatever is asked.
    pub(super) latest_end: Instant,
    /// Cancelled when it ends by something else than time.
    pub(super) over: CancellationToken,
    /// Cancelled when the token by which it was begun is revoked.
    pub(super) token: CancellationToken,
}

/// A link that was opened.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    /// Whose it was.
    pub(super) identity: String,
    /// Cancelled when the token by which it was made is revoked.
    pub(super) token: CancellationToken,
    /// A session that it signs in to ends by then: a link that was made with a session does not outlive that one's longest time.
    pub(super) latest_end: Option<Instant>,
}

/// All sessions and links of one agent.
pub(super) struct Sessions {
    cookie: String,
    sessions: Mutex<HashMap<Key, Session>>,
    links: Mutex<HashMap<Key, Link>>,
}

struct Session {
    identity: String,
    seen: Instant,
    latest_end: Instant,
    token: CancellationToken,
    over: CancellationToken,
}

impl Session {
    fn end(&self) -> Instant {
        (self.seen + IDLE).min(self.latest_end)
    }

    fn lasts(&self, now: Instant) -> bool {
        self.end() > now && !self.token.is_cancelled()
    }
}

/// Whatever way it goes, by time, by hand or to make room: its streams end with it.
impl Drop for Session {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

struct Link {
    identity: String,
    made: Instant,
    latest_end: Option<Instant>,
    token: CancellationToken,
}

impl Sessions {
    /// None yet. Cookies are shared by all ports of a host, so the cookie's name holds something of the agent's mark.
    pub(super) fn new(mark: &[u8]) -> Self {
        let digest = Sha256::digest(mark);
        Self {
            cookie: format!("steward-{}", hexadecimal(&digest[..6])),
            sessions: Mutex::default(),
            links: Mutex::default(),
        }
    }

    /// Begins a session for this identity, and gives its id; the only time that the id is known here. It ends with `token`.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub(super) fn begin(
        &self,
        identity: &str,
        token: &CancellationToken,
        latest_end: Option<Instant>,
        now: Instant,
    ) -> io::Result<(String, Held)> {
        let id = secret::<ID_BYTES>()?;
        let longest = now + LONGEST;
        let session = Session {
            identity: identity.to_owned(),
            seen: now,
            latest_end: latest_end.map_or(longest, |end| end.min(longest)),
            over: token.child_token(),
            token: token.clone(),
        };
        let held = held(&session, now);
        let mut sessions = lock(&self.sessions);
        sessions.retain(|_, session| session.lasts(now));
        make_room(
            &mut sessions,
            identity,
            (SESSIONS_EACH, SESSIONS),
            |session| (session.identity.as_str(), session.seen),
        );
        sessions.insert(Key::of(&id), session);
        Ok((id, held))
    }

    /// The session of this key, where it lasts.
    pub(super) fn look(&self, key: Key, now: Instant) -> Option<Held> {
        let mut sessions = lock(&self.sessions);
        let session = sessions.get(&key)?;
        if !session.lasts(now) {
            sessions.remove(&key);
            return None;
        }
        Some(held(session, now))
    }

    /// The same for a request: it lasts longer by it.
    pub(super) fn use_of(&self, key: Key, now: Instant) -> Option<Held> {
        let mut sessions = lock(&self.sessions);
        let session = sessions.get_mut(&key)?;
        if !session.lasts(now) {
            sessions.remove(&key);
            return None;
        }
        session.seen = session.seen.max(now);
        Some(held(session, now))
    }

    /// Ends a session, and its streams with it; says whether there was one.
    pub(super) fn end(&self, key: Key) -> bool {
        lock(&self.sessions).remove(&key).is_some()
    }

    /// Makes a link for this identity, and gives its code. It lapses with `token`.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub(super) fn link(
        &self,
        identity: &str,
        token: &CancellationToken,
        latest_end: Option<Instant>,
        now: Instant,
    ) -> io::Result<String> {
        let code = secret::<CODE_BYTES>()?;
        let link = Link {
            identity: identity.to_owned(),
            made: now,
            latest_end,
            token: token.clone(),
        };
        let mut links = lock(&self.links);
        links.retain(|_, link| link.made + LINK_LASTS > now && !link.token.is_cancelled());
        make_room(&mut links, identity, (LINKS_EACH, LINKS), |link| {
            (link.identity.as_str(), link.made)
        });
        links.insert(Key::of(&code), link);
        Ok(code)
    }

    /// Opens a link: whoever comes first has it, and nobody after.
    pub(super) fn open(&self, code: &str, now: Instant) -> Option<Opened> {
        let link = lock(&self.links).remove(&Key::of(code))?;
        (link.made + LINK_LASTS > now && !link.token.is_cancelled()).then_some(Opened {
            identity: link.identity,
            token: link.token,
            latest_end: link.latest_end,
        })
    }

    /// The key of the session whose cookie comes with a request; of a session that may have ended.
    pub(super) fn presented(&self, headers: &HeaderMap) -> Option<Key> {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == self.cookie)
            .map(|(_, id)| Key::of(id))
    }

    /// The cookie of a session's id. No script can read it, no page of another site makes a browser send it, and it names no domain, so
    /// it goes to this very host alone.
    pub(super) fn cookie(&self, id: &str, lasts: Duration, secure: bool) -> String {
        let secure = if secure { "; Secure" } else { "" };
        format!(
            "{}={id}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}",
            self.cookie,
            lasts.as_secs()
        )
    }

    /// The cookie that clears the one before.
    pub(super) fn no_cookie(&self, secure: bool) -> String {
        self.cookie("", Duration::ZERO, secure)
    }
}

fn held(session: &Session, now: Instant) -> Held {
    Held {
        identity: session.identity.clone(),
        left: session.end().saturating_duration_since(now),
        latest_end: session.latest_end,
        over: session.over.clone(),
        token: session.token.clone(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes room for one more of this identity: of its own, where it has as many as one may; else, where all are too many, of whoever has
/// most. So a flood by one pushes out its own alone.
fn make_room<T>(
    all: &mut HashMap<Key, T>,
    identity: &str,
    (each, most): (usize, usize),
    about: impl Fn(&T) -> (&str, Instant),
) {
    let from = {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for one in all.values() {
            *counts.entry(about(one).0).or_default() += 1;
        }
        let most_of = counts.iter().max_by_key(|(_, count)| **count);
        if counts.get(identity).is_some_and(|count| *count >= each) {
            Some(identity.to_owned())
        } else if all.len() >= most {
            most_of.map(|(name, _)| (*name).to_owned())
        } else {
            None
        }
    };
    let oldest = from.and_then(|from| {
        all.iter()
            .filter(|(_, one)| about(one).0 == from)
            .min_by_key(|(_, one)| about(one).1)
            .map(|(key, _)| *key)
    });
    if let Some(oldest) = oldest {
        all.remove(&oldest);
    }
}

/// So many random bytes of the operating system's, in hexadecimal.
fn secret<const BYTES: usize>() -> io::Result<String> {
    let mut bytes = [0_u8; BYTES];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(io::Error::other)?;
    Ok(hexadecimal(&bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
#[path = "tests/sessions.rs"]
mod tests;
