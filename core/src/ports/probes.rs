//! The edge for a closer look, on demand: names, certificates, processes, sockets. Plain data and a trait for each.
//!
//! What flows through: what is to be looked at goes in, what was found comes out, typed. Each only reads. What it never does: choose what
//! is looked at; whoever calls takes that from the configuration and from what is watched, never from a text that others wrote.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use steward_api::ProcessUse;

use super::ChainReader;

/// A name with what it resolves to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedName {
    /// The name.
    pub name: String,
    /// Its addresses, at least one; or why there is none, in words.
    pub addresses: Result<Vec<IpAddr>, String>,
    /// How long the answer took.
    pub took: Duration,
}

/// Resolves names by the system's resolver, never from a cache.
#[async_trait]
pub trait NameProbe: Send + Sync {
    /// Resolves each, side by side; the answers stand in the order of the names.
    async fn resolve(&self, names: &[String]) -> Vec<ResolvedName>;
}

/// Where TLS is spoken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsEndpoint {
    /// The host as clients name it: a name or an address. It is what the certificate has to be for.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for TlsEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The certificate that an endpoint shows, whether it is valid or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The names and addresses that it is for. Whoever made it chose them.
    pub names: Vec<String>,
    /// Who signed it. Whoever made it chose that too.
    pub issuer: String,
    /// Whether it signed itself.
    pub is_self_signed: bool,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// Why clients on this host would refuse it, in words; absent where they would not.
    pub fault: Option<String>,
    /// The version of TLS that was agreed on, such as `TLSv1.3`.
    pub protocol: String,
}

/// Reads the certificates of endpoints.
#[async_trait]
pub trait CertificateProbe: Send + Sync {
    /// Reads the certificate of one endpoint; sends nothing but a greeting.
    ///
    /// # Errors
    /// Why none was shown, in words.
    async fn certificate(&self, endpoint: &TlsEndpoint) -> Result<Certificate, String>;
}

/// What carries a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP; it listens.
    Tcp,
    /// UDP; it is bound and receives from anybody.
    Udp,
}

impl Transport {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A socket of the host that others can reach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListeningSocket {
    /// What carries it.
    pub transport: Transport,
    /// On which address; unspecified (`0.0.0.0`, `::`) means on all.
    pub address: IpAddr,
    /// On which port.
    pub port: u16,
    /// The program's name, where this user may know it.
    pub program: Option<String>,
}

/// Looks at the host's processes and sockets.
#[async_trait]
pub trait HostProbe: Send + Sync {
    /// The busiest processes by processor and by memory, busiest first; never their arguments.
    ///
    /// # Errors
    /// Why they can't be read, in words.
    async fn processes(&self) -> Result<BusyProcesses, String>;

    /// Every socket that listens.
    ///
    /// # Errors
    /// Why they can't be read, in words.
    async fn sockets(&self) -> Result<Vec<ListeningSocket>, String>;
}

/// The busiest processes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BusyProcesses {
    /// By processor.
    pub by_processor: Vec<ProcessUse>,
    /// By memory.
    pub by_memory: Vec<ProcessUse>,
}

/// What can look closer here; absent where the configuration switches it off.
#[derive(Clone, Default)]
pub struct Probes {
    /// At names.
    pub names: Option<Arc<dyn NameProbe>>,
    /// At certificates.
    pub certificates: Option<Arc<dyn CertificateProbe>>,
    /// At whole chains of certificates, of endpoints and files.
    pub chains: Option<Arc<dyn ChainReader>>,
    /// At the host.
    pub host: Option<Arc<dyn HostProbe>>,
}
