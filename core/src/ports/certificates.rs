//! The edge for certificates: the chain that an endpoint shows or a file holds, as it was read, and what this host's own judge says of it.
//!
//! What flows through: where to look goes in; DER, leaf first, and a verdict come out. What it never does: interpret a certificate (that
//! is `security::certificates`), carry a private key, or take "could not be read" for "nothing there".

use std::{fmt, path::PathBuf, time::Duration};

use async_trait::async_trait;

use super::TlsEndpoint;

/// Where a chain was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificatePlace {
    /// At an endpoint.
    Endpoint(TlsEndpoint),
    /// In a file.
    File {
        /// Which.
        path: PathBuf,
        /// Which chain of the file, from 1; absent where it holds only one.
        number: Option<usize>,
    },
}

impl fmt::Display for CertificatePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(endpoint) => endpoint.fmt(f),
            Self::File { path, number: None } => write!(f, "{}", path.display()),
            Self::File {
                path,
                number: Some(number),
            } => write!(f, "{} (no. {number})", path.display()),
        }
    }
}

/// What this host's judge of certificates says, the same that Steward's own HTTP client has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Clients here would accept it.
    Accepted,
    /// Nobody whom this host trusts has signed it.
    UnknownIssuer,
    /// Clients here would refuse it for another reason, in words.
    Refused(String),
    /// It could not be judged, and why: this host has no list of whom to trust.
    Unjudged(String),
}

/// A chain as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownChain {
    /// The certificates in DER, in the order in which they were shown; the first is the one that matters.
    pub certificates: Vec<Vec<u8>>,
    /// The verdict as it is: now, and for the name by which it was reached where there is one.
    pub here: Verdict,
    /// The verdict on who signed it alone: at a time within its validity, for a name of its own.
    pub trust: Verdict,
}

/// Why an endpoint shows no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoChain {
    /// Nobody is there, or nobody answers; why, in words.
    #[error("{0}")]
    Unreachable(String),
    /// Somebody is there who does not speak TLS, or says nothing to a greeting of it.
    #[error("it does not speak TLS: {0}")]
    NotTls(String),
    /// It speaks TLS, but shows nothing that could be read; why, in words.
    #[error("it speaks TLS, but {0}")]
    Unreadable(String),
}

/// What files hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileChains {
    /// The chains, by file.
    pub chains: Vec<(CertificatePlace, ShownChain)>,
    /// What could not be read, each in words with its path.
    pub gaps: Vec<String>,
}

/// Reads chains. Changes nothing, and sends nothing but the greeting of TLS.
#[async_trait]
pub trait ChainReader: Send + Sync {
    /// The chain that an endpoint shows within `limit`. With `named` the greeting says the endpoint's host, and the chain is judged for it;
    /// else it is judged for a name of its own.
    ///
    /// # Errors
    /// Why none was shown.
    async fn endpoint(
        &self,
        endpoint: &TlsEndpoint,
        named: bool,
        limit: Duration,
    ) -> Result<ShownChain, NoChain>;

    /// The chains in files: each a path, a directory, or a pattern with `*` within its parts.
    async fn files(&self, patterns: &[String]) -> FileChains;
}
