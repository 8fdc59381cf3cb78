//! TLS: the certificate with which the server shows who it is, where it is from, and how it is followed when its files change.
//!
//! What flows through: PEM files in (the user's, or ones made here), a listener out whose connections are encrypted. What it never does: show a
//! key, take one that others can read, or end a running server because a new file is broken: the certificate before it goes on.

mod generated;
mod lifetime;
mod listener;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, time::Instant};

pub use self::lifetime::Untimely;
pub(super) use self::listener::send_at_once;
use self::{lifetime::Lifetime, listener::TlsListener};
use super::now;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(60);
/// How often is said that a certificate's dates are wrong, while nothing else changes.
const WARN_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);
/// No certificate is longer, with all that stand between it and its authority. Bytes.
const LONGEST_FILE: u64 = 1024 * 1024;

/// Why there can be no TLS as configured. Never holds anything of a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read or written.
    #[error("the {what} file {path} can't be {deed}: {right}")]
    File {
        /// `certificate` or `key`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What was tried: `read`, `made`.
        deed: &'static str,
        /// What would be right.
        right: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Others could read the key.
    #[error(
        "the key file {path} can be read or changed by others (its mode is {mode:o}): run `chmod 600 {path}`, and have a new key made if anybody else may have read it"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file does not hold what it should.
    #[error("the {what} file {path} can't be used: {reason}; it should hold {right}")]
    Malformed {
        /// `certificate` or `key`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
        /// What would be right.
        right: &'static str,
    },
    /// The two do not belong together.
    #[error(
        "the key in {key} is not that of the first certificate in {cert}: server.key_file should be the key with which that certificate was asked for"
    )]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A certificate could not be made.
    #[error("a certificate can't be made for {names}: {reason}")]
    Make {
        /// For whom.
        names: String,
        /// Why.
        reason: String,
    },
}

/// Where a certificate is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The user's files.
    Files,
    /// Made here, for these names.
    Generated(Vec<String>),
}

/// A certificate that is good for serving. Cheap to clone; clones see the same one when it changes.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    dir: PathBuf,
    cert: PathBuf,
    key: PathBuf,
    current: RwLock<Loaded>,
}

#[derive(Clone, Debug)]
struct Loaded {
    certified: Arc<CertifiedKey>,
    fingerprint: String,
    lifetime: Option<Lifetime>,
    stamps: [Option<SystemTime>; 2],
}

impl Tls {
    /// The user's certificate (with those between it and its authority) and key, in PEM.
    ///
    /// # Errors
    /// Where they can't be read, are no such thing, do not belong together, or others could read the key.
    pub fn from_files(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        Self::of(Source::Files, PathBuf::new(), cert.into(), key.into())
    }

    /// A certificate made here for these names (host names and IP addresses), kept in the data directory: the one that was made before,
    /// where it is for these names and does not end soon.
    ///
    /// # Errors
    /// Where it can't be made or kept.
    pub fn generated(data_dir: &Path, names: Vec<String>) -> Result<Self, TlsError> {
        generated::ensure(data_dir, &names, now())?;
        let (cert, key) = generated::files(data_dir);
        Self::of(Source::Generated(names), data_dir.into(), cert, key)
    }

    /// The certificate that was made here before; absent where none was. Makes none.
    ///
    /// # Errors
    /// Where it can't be used.
    pub fn made_before(data_dir: &Path) -> Result<Option<Self>, TlsError> {
        let (cert, key) = generated::files(data_dir);
        if !cert.exists() {
            return Ok(None);
        }
        Self::of(
            Source::Generated(Vec::new()),
            data_dir.to_owned(),
            cert,
            key,
        )
        .map(Some)
    }

    fn of(source: Source, dir: PathBuf, cert: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let current = RwLock::new(load(&cert, &key)?);
        Ok(Self(Arc::new(Inner {
            source,
            dir,
            cert,
            key,
            current,
        })))
    }

    /// The SHA-256 of the certificate as browsers show it, by which a person can tell it.
    pub fn fingerprint(&self) -> String {
        self.loaded().fingerprint
    }

    /// What is wrong now with the dates of the user's certificate, if anything. One made here is renewed by itself.
    pub fn untimely(&self, now: Timestamp) -> Option<Untimely> {
        (self.0.source == Source::Files)
            .then(|| self.loaded().lifetime)
            .flatten()
            .and_then(|lifetime| lifetime.untimely(now))
    }

    /// The file of the certificate.
    pub fn cert_file(&self) -> &Path {
        &self.0.cert
    }

    fn loaded(&self) -> Loaded {
        self.0
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The same listener, with TLS before everything.
    pub(super) fn listen(self, listener: TcpListener) -> io::Result<TlsListener> {
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver(self.clone())));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsListener::new(listener, Arc::new(config), self.follow())
    }

    /// Looks at the files now and then, for ever.
    async fn follow(self) {
        let mut said: Option<String> = None;
        let mut warned: Option<(Untimely, Instant)> = None;
        loop {
            let untimely = self.untimely(now());
            warned = warned
                .filter(|(before, at)| Some(*before) == untimely && at.elapsed() < WARN_AGAIN);
            if let (Some(untimely), None) = (untimely, warned) {
                warned = Some((untimely, Instant::now()));
                tracing::warn!(
                    file = %self.cert_file().display(),
                    todo = untimely.todo(),
                    "the TLS certificate {untimely}"
                );
            }
            tokio::time::sleep(LOOK).await;
            let tls = self.clone();
            // The files may be on a disk that answers slowly.
            let looked = tokio::task::spawn_blocking(move || tls.look_again()).await;
            match looked {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(fingerprint))) => {
                    said = None;
                    tracing::info!(
                        sha256 = %fingerprint,
                        "the TLS certificate has changed; new connections get the new one"
                    );
                }
                Ok(Err(error)) => {
                    let text = error.to_string();
                    if said.as_ref() != Some(&text) {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "a new TLS certificate can't be used; the one before goes on"
                        );
                        said = Some(text);
                    }
                }
                Err(error) => tracing::error!(%error, "looking at the TLS certificate failed"),
            }
        }
    }

    /// Takes the certificate anew where its files have changed, having renewed it first where it is made here and ends soon. The new one's
    /// fingerprint, where there is a new one.
    fn look_again(&self) -> Result<Option<String>, TlsError> {
        let inner = &self.0;
        if let Source::Generated(names) = &inner.source {
            generated::ensure(&inner.dir, names, now())?;
        }
        let before = self.loaded();
        if stamps(&inner.cert, &inner.key) == before.stamps {
            return Ok(None);
        }
        let new = load(&inner.cert, &inner.key)?;
        let fingerprint = new.fingerprint.clone();
        *inner
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner) = new;
        Ok((fingerprint != before.fingerprint).then_some(fingerprint))
    }
}

/// Gives each new connection the certificate of the moment.
#[derive(Debug)]
struct Resolver(Tls);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.loaded().certified)
    }
}

fn stamps(cert: &Path, key: &Path) -> [Option<SystemTime>; 2] {
    [cert, key].map(|path| {
        std::fs::metadata(path)
            .and_then(|meta| meta.modified())
            .ok()
    })
}

/// Reads both files.
fn load(cert: &Path, key: &Path) -> Result<Loaded, TlsError> {
    // Looked at before they are read: what changes in between is taken the next time.
    let stamps = stamps(cert, key);
    let chain = certificates(cert)?;
    let private = private_key(key)?;
    let provider: CryptoProvider = ring::default_provider();
    let fingerprint = chain.first().map(fingerprint).unwrap_or_default();
    let lifetime = chain.first().and_then(Lifetime::of);
    let certified = CertifiedKey::from_der(chain, private, &provider).map_err(|error| {
        let malformed = |what, path: &Path, right| TlsError::Malformed {
            what,
            path: path.to_owned(),
            reason: error.to_string(),
            right,
        };
        match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch {
                cert: cert.to_owned(),
                key: key.to_owned(),
            },
            rustls::Error::InvalidCertificate(_) => malformed("certificate", cert, RIGHT_CERT),
            _ => malformed("key", key, RIGHT_KEY),
        }
    })?;
    Ok(Loaded {
        certified: Arc::new(certified),
        fingerprint,
        lifetime,
        stamps,
    })
}

const RIGHT_CERT: &str =
    "the certificate and those between it and its authority in PEM (`-----BEGIN CERTIFICATE-----`)";
const RIGHT_KEY: &str = "an RSA, ECDSA or Ed25519 key without a pass phrase in PEM (`-----BEGIN PRIVATE KEY-----`); `openssl pkey -in old.pem -out new.pem` makes one of others";

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    const WHAT: &str = "certificate";
    let right = "server.cert_file should name a file that Steward may read";
    let (bytes, _) = read(WHAT, path, right)?;
    let malformed = |reason: String| TlsError::Malformed {
        what: WHAT,
        path: path.to_owned(),
        reason,
        right: RIGHT_CERT,
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| malformed(error.to_string()))?;
    if chain.is_empty() {
        return Err(malformed("there is no certificate in it".to_owned()));
    }
    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    const WHAT: &str = "key";
    let right = "server.key_file should name a file that Steward may read";
    let (bytes, mode) = read(WHAT, path, right)?;
    let bytes = Zeroed(bytes);
    let key = PrivateKeyDer::from_pem_slice(&bytes.0).map_err(|error| {
        let has = |words: &[u8]| bytes.0.windows(words.len()).any(|part| part == words);
        // The parser's own words would do, were it not that it could quote a line.
        let reason = if has(b"BEGIN ENCRYPTED PRIVATE KEY") || has(b"Proc-Type: 4,ENCRYPTED") {
            "its key has a pass phrase, which nobody could type in at a start"
        } else if matches!(error, rustls::pki_types::pem::Error::NoItemsFound) {
            "there is no private key in it"
        } else {
            "it is not PEM"
        };
        TlsError::Malformed {
            what: WHAT,
            path: path.to_owned(),
            reason: reason.to_owned(),
            right: RIGHT_KEY,
        }
    })?;
    // Asked after it is known to be a key: somebody who named another file by mistake should not be told to change that one's mode. A
    // group may read it, as Debian's ssl-cert does.
    if mode & 0o037 != 0 {
        return Err(TlsError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(key)
}

/// Bytes that are overwritten when they are no longer needed.
struct Zeroed(Vec<u8>);

impl Drop for Zeroed {
    fn drop(&mut self) {
        self.0.fill(0);
    }
}

/// A file's content and its permission bits.
fn read(what: &'static str, path: &Path, right: &'static str) -> Result<(Vec<u8>, u32), TlsError> {
    use std::{io::Read as _, os::unix::fs::PermissionsExt as _};
    let failed = |source| TlsError::File {
        what,
        path: path.to_owned(),
        deed: "read",
        right,
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    // Asked of the open file, so that what was checked is what is read.
    let meta = file.metadata().map_err(failed)?;
    let mode = meta.permissions().mode() & 0o7777;
    if !meta.is_file() {
        return Err(failed(io::Error::other("it is no file")));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok((bytes, mode))
}

/// SHA-256 in pairs of digits with colons, as browsers and openssl show it.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let pairs: Vec<String> = Sha256::digest(certificate.as_ref())
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    pairs.join(":")
}

#[cfg(test)]
#[path = "../tests/tls.rs"]
mod tests;
