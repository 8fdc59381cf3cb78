//! The certificates that endpoints show: read also where they are not valid, and judged as this host's clients would.
//!
//! What flows through: a host and a port in, the chain and what speaks against it out. What it never does: send anything but the greeting
//! of TLS, or take a certificate for valid because it could be read.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use x509_parser::{extensions::GeneralName, prelude::FromDer as _};

use super::{
    files,
    judge::{Judge, Judged},
};
use crate::ports::{
    Certificate, CertificateProbe, ChainReader, FileChains, NoChain, ShownChain, TlsEndpoint,
    of_connection, of_tls,
};

/// How long one endpoint may take.
const LIMIT: Duration = Duration::from_secs(10);
/// Names of a certificate that are told.
const MOST_NAMES: usize = 50;

/// Reads the certificates of endpoints and files.
#[derive(Clone, Default)]
pub struct TlsProbe {
    judge: Judge,
}

/// What an endpoint showed.
struct Shown {
    certificates: Vec<Vec<u8>>,
    judged: Judged,
    /// The version of TLS that was agreed on, or why the greeting failed after all.
    protocol: Result<String, String>,
}

impl TlsProbe {
    /// One that believes in an authority of the test's own.
    #[cfg(test)]
    pub(super) fn believing(authority: CertificateDer<'static>) -> Self {
        Self {
            judge: Judge::believing(authority),
        }
    }

    async fn read(
        &self,
        endpoint: &TlsEndpoint,
        named: bool,
        limit: Duration,
    ) -> Result<Shown, NoChain> {
        let provider = Arc::new(ring::default_provider());
        let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| {
            NoChain::Unreachable(format!(
                "`{}` is neither a name nor an address",
                endpoint.host
            ))
        })?;
        let seen = Arc::new(Witness {
            judge: self.judge.clone(),
            named,
            provider: Arc::clone(&provider),
            seen: Mutex::default(),
        });
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| NoChain::Unreachable(format!("TLS can't be prepared: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&seen) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        // Connecting and greeting have a limit each: who lets us in and then says nothing is there, but speaks no TLS.
        let connecting = TcpStream::connect((endpoint.host.as_str(), endpoint.port));
        let tcp = match timeout(limit, connecting).await {
            Ok(Ok(tcp)) => tcp,
            Ok(Err(error)) => {
                let why = of_connection(&error).map_or_else(|| error.to_string(), str::to_owned);
                return Err(NoChain::Unreachable(why));
            }
            Err(_) => return Err(NoChain::Unreachable(no_answer(limit))),
        };
        let greeting = TlsConnector::from(Arc::new(config)).connect(name, tcp);
        let Ok(shaken) = timeout(limit, greeting).await else {
            return Err(NoChain::NotTls(no_answer(limit)));
        };
        let sight = seen
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match (shaken, sight) {
            (Ok(stream), Some((certificates, judged))) => {
                let version = stream.get_ref().1.protocol_version();
                let version = version.and_then(|version| version.as_str());
                Ok(Shown {
                    certificates,
                    judged,
                    protocol: Ok(version.unwrap_or_default().replace('_', ".")),
                })
            }
            (Err(error), Some((certificates, judged))) => Ok(Shown {
                certificates,
                judged,
                protocol: Err(error.to_string()),
            }),
            (Ok(_), None) => Err(NoChain::Unreadable("shows no certificate".to_owned())),
            (Err(error), None) => Err(no_chain(&error)),
        }
    }
}

fn no_answer(limit: Duration) -> String {
    format!("no answer within {} s", limit.as_secs_f64())
}

/// What a greeting that failed before a certificate was shown says of who is there.
fn no_chain(error: &io::Error) -> NoChain {
    let of_tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    match of_tls {
        // Only who speaks TLS sends an alert, or offers versions and means that we do not have.
        Some(Error::AlertReceived(alert)) => NoChain::Unreadable(format!(
            "ends the greeting ({alert:?}): it may want a name, a certificate of ours, or a version of TLS older than 1.2"
        )),
        Some(Error::PeerIncompatible(why)) => NoChain::Unreadable(format!(
            "has no version or means in common with this host: {why:?}"
        )),
        Some(error @ Error::InvalidCertificate(_)) => NoChain::Unreadable(self::of_tls(error)),
        Some(error) => NoChain::NotTls(error.to_string()),
        None => {
            NoChain::NotTls(of_connection(error).map_or_else(|| error.to_string(), str::to_owned))
        }
    }
}

#[async_trait]
impl CertificateProbe for TlsProbe {
    async fn certificate(&self, endpoint: &TlsEndpoint) -> Result<Certificate, String> {
        let shown = self
            .read(endpoint, true, LIMIT)
            .await
            .map_err(|error| match error {
                NoChain::NotTls(why) => format!("TLS failed: {why}"),
                other => other.to_string(),
            })?;
        let der = shown.certificates.first().map_or(&[][..], Vec::as_slice);
        let mut certificate = parse(der)?;
        certificate.fault = shown.judged.fault.or_else(|| {
            let failed = shown.protocol.as_ref().err();
            failed.map(|error| format!("TLS failed: {error}"))
        });
        certificate.protocol = shown
            .protocol
            .unwrap_or_else(|_| "no common version of TLS".to_owned());
        Ok(certificate)
    }
}

#[async_trait]
impl ChainReader for TlsProbe {
    async fn endpoint(
        &self,
        endpoint: &TlsEndpoint,
        named: bool,
        limit: Duration,
    ) -> Result<ShownChain, NoChain> {
        let shown = self.read(endpoint, named, limit).await?;
        Ok(ShownChain {
            certificates: shown.certificates,
            here: shown.judged.here,
            trust: shown.judged.trust,
        })
    }

    async fn files(&self, patterns: &[String]) -> FileChains {
        let (judge, patterns) = (self.judge.clone(), patterns.to_vec());
        tokio::task::spawn_blocking(move || files::read(&judge, &patterns))
            .await
            .unwrap_or_else(|error| FileChains {
                chains: Vec::new(),
                gaps: vec![format!("files can't be read: {error}")],
            })
    }
}

/// Looks at a chain, has it judged, and lets the handshake go on whatever comes of it: nothing is sent over the connection.
#[derive(Debug)]
struct Witness {
    judge: Judge,
    /// Whether it is judged for the name by which it is reached.
    named: bool,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<(Vec<Vec<u8>>, Judged)>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificates: Vec<Vec<u8>> = std::iter::once(end_entity)
            .chain(intermediates)
            .map(|der| der.to_vec())
            .collect();
        let judged = self
            .judge
            .judge(&certificates, self.named.then_some(server_name), now);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((certificates, judged));
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// What a certificate says of itself. What speaks against it is for the judge.
fn parse(der: &[u8]) -> Result<Certificate, String> {
    let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(der)
        .map_err(|error| format!("its certificate can't be understood: {error}"))?;
    let alternative = parsed
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|extension| &extension.value.general_names);
    let mut names: Vec<String> = alternative
        .into_iter()
        .flatten()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
            _ => None,
        })
        .take(MOST_NAMES)
        .collect();
    if names.is_empty() {
        // Clients look at this no more, but it tells what it was meant for.
        names.push(format!("{} (without alternative names)", parsed.subject()));
    }
    let validity = parsed.validity();
    Ok(Certificate {
        names,
        issuer: parsed.issuer().to_string(),
        is_self_signed: parsed.issuer().as_raw() == parsed.subject().as_raw(),
        not_before: moment(validity.not_before.timestamp()),
        not_after: moment(validity.not_after.timestamp()),
        fault: None,
        protocol: String::new(),
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// "Never", as some write it, lies beyond what can be told.
fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}
