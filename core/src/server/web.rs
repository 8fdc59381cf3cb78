//! What the server needs for browsers, put together: sessions, the names it is known by, and whether it is reached over TLS.
//!
//! What flows through: names and certificate at start; a one-time link for whoever starts the agent. What it never does:
//! know the configuration, or let a request in.

use std::sync::Arc;

use steward_api::SignInLink;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    gate::Hosts,
    now,
    sessions::{LINK_LASTS, Sessions},
    tls::Tls,
    tokens::Holder,
};

/// What stands between browsers and the server. Cheap to clone; clones share the sessions.
#[derive(Clone)]
pub struct Web {
    pub(super) sessions: Arc<Sessions>,
    pub(super) hosts: Hosts,
    pub(super) tls: Option<Tls>,
}

/// Neither sessions nor keys.
impl std::fmt::Debug for Web {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Web")
            .field("hosts", &self.hosts)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

impl Web {
    /// For the agent with this mark (bytes that no other agent has; see [`super::Tokens::mark`]), known by these names, with this
    /// certificate where there is one.
    pub fn new(mark: &[u8], hosts: Hosts, tls: Option<Tls>) -> Self {
        Self {
            sessions: Arc::new(Sessions::new(mark)),
            hosts,
            tls,
        }
    }

    /// The certificate, where connections are encrypted.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// A link by which whoever holds this token signs in once, as long as it is good.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn link(&self, holder: &Holder) -> std::io::Result<SignInLink> {
        self.link_until(&holder.identity, &holder.over, None)
    }

    /// The same for a link whose session ends by a certain time.
    pub(super) fn link_until(
        &self,
        identity: &str,
        token: &CancellationToken,
        latest_end: Option<Instant>,
    ) -> std::io::Result<SignInLink> {
        let code = self
            .sessions
            .link(identity, token, latest_end, Instant::now())?;
        Ok(SignInLink {
            path: format!("/#/link/{code}"),
            code,
            expires_at: now() + LINK_LASTS,
        })
    }
}
