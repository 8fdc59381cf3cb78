//! The certificates that endpoints show: read also where they are not valid, and judged as this host's clients would.
//!
//! What flows through: a host and a port in, the certificate and what speaks against it out. What it never does: send anything but the
//! greeting of TLS, or take a certificate for valid because it could be read.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
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
use rustls_platform_verifier::Verifier;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use x509_parser::{extensions::GeneralName, prelude::FromDer as _};

use super::words;
use crate::ports::{Certificate, CertificateProbe, TlsEndpoint, of_connection};

/// How long one endpoint may take.
const LIMIT: Duration = Duration::from_secs(10);
/// Names of a certificate that are told.
const MOST_NAMES: usize = 50;

/// Reads the certificates of endpoints.
#[derive(Default)]
pub struct TlsProbe {
    /// Authorities that are believed besides those of the host.
    extra: Vec<CertificateDer<'static>>,
    /// Made when first needed, since it holds the host's trusted certificates. Or why it can't be.
    judge: OnceLock<Result<Arc<Verifier>, String>>,
}

impl TlsProbe {
    /// One that believes in an authority of the test's own.
    #[cfg(test)]
    pub(super) fn believing(authority: CertificateDer<'static>) -> Self {
        Self {
            extra: vec![authority],
            judge: OnceLock::new(),
        }
    }

    fn judge(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<Verifier>, String> {
        self.judge
            .get_or_init(|| {
                Verifier::new_with_extra_roots(self.extra.clone(), Arc::clone(provider))
                    .map(Arc::new)
                    .map_err(|error| {
                        format!("this host has no list of trusted certificates: {error}")
                    })
            })
            .clone()
    }

    async fn read(&self, endpoint: &TlsEndpoint) -> Result<Certificate, String> {
        let provider = Arc::new(ring::default_provider());
        let name = ServerName::try_from(endpoint.host.clone())
            .map_err(|_| format!("`{}` is neither a name nor an address", endpoint.host))?;
        let seen = Arc::new(Witness {
            judge: self.judge(&provider),
            provider: Arc::clone(&provider),
            seen: Mutex::default(),
        });
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS can't be prepared: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&seen) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
            .await
            .map_err(|error| {
                of_connection(&error).map_or_else(|| error.to_string(), str::to_owned)
            })?;
        let shaken = TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await;
        let (protocol, failed) = match &shaken {
            Ok(stream) => {
                let version = stream.get_ref().1.protocol_version();
                let version = version.and_then(|version| version.as_str().map(str::to_owned));
                (version.unwrap_or_default(), None)
            }
            Err(error) => (String::new(), Some(error.to_string())),
        };
        let sight = seen
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(Sight { der, fault }) = sight else {
            return Err(match failed {
                Some(error) => format!("TLS failed: {error}"),
                None => "it shows no certificate".to_owned(),
            });
        };
        let mut certificate = parse(&der)?;
        certificate.fault = fault.or_else(|| failed.map(|error| format!("TLS failed: {error}")));
        certificate.protocol = if protocol.is_empty() {
            "no common version of TLS".to_owned()
        } else {
            protocol.replace('_', ".")
        };
        Ok(certificate)
    }
}

#[async_trait]
impl CertificateProbe for TlsProbe {
    async fn certificate(&self, endpoint: &TlsEndpoint) -> Result<Certificate, String> {
        timeout(LIMIT, self.read(endpoint))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs())))
    }
}

/// The certificate that was shown.
struct Sight {
    der: Vec<u8>,
    fault: Option<String>,
}

/// Looks at a certificate, has it judged, and lets the handshake go on whatever comes of it: nothing is sent over the connection.
#[derive(Debug)]
struct Witness {
    judge: Result<Arc<Verifier>, String>,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Sight>>,
}

impl std::fmt::Debug for Sight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sight({:?})", self.fault)
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let fault = match &self.judge {
            Err(error) => Some(error.clone()),
            Ok(judge) => judge
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .err()
                .map(|error| words::tls(&error)),
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Sight {
            der: end_entity.to_vec(),
            fault,
        });
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
    use rustls::{ServerConfig, pki_types::PrivateKeyDer};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    struct House {
        authority: CertifiedIssuer<'static, KeyPair>,
    }

    impl House {
        fn new() -> Self {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params
                .distinguished_name
                .push(DnType::CommonName, "The House");
            let key = KeyPair::generate().unwrap();
            Self {
                authority: CertifiedIssuer::self_signed(params, key).unwrap(),
            }
        }

        fn probe(&self) -> TlsProbe {
            TlsProbe::believing(self.authority.der().clone())
        }

        /// A server with a certificate for these names that ends in this year.
        async fn server(&self, names: &[&str], until: i32, signed_by_itself: bool) -> SocketAddr {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let mut params = CertificateParams::new(names).unwrap();
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(until, 1, 1);
            let key = KeyPair::generate().unwrap();
            let certificate = if signed_by_itself {
                params.self_signed(&key).unwrap()
            } else {
                params.signed_by(&key, &self.authority).unwrap()
            };
            let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(
                    vec![certificate.der().clone()],
                    PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
                )
                .unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(config));
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let acceptor = acceptor.clone();
                    tokio::spawn(async move {
                        // A client that leaves is what is tested here.
                        let _ = acceptor.accept(stream).await;
                    });
                }
            });
            address
        }
    }

    fn at(host: &str, address: SocketAddr) -> TlsEndpoint {
        TlsEndpoint {
            host: host.to_owned(),
            port: address.port(),
        }
    }

    #[tokio::test]
    async fn a_good_certificate_is_told_as_it_is() {
        let house = House::new();
        let address = house.server(&["localhost", "127.0.0.1"], 2090, false).await;
        for host in ["localhost", "127.0.0.1"] {
            let seen = house.probe().certificate(&at(host, address)).await.unwrap();
            assert_eq!(seen.fault, None);
            assert_eq!(seen.names, ["localhost", "127.0.0.1"]);
            assert!(seen.issuer.contains("The House"), "{}", seen.issuer);
            assert!(!seen.is_self_signed);
            assert_eq!(seen.not_before, "2020-01-01T00:00:00Z".parse().unwrap());
            assert_eq!(seen.not_after, "2090-01-01T00:00:00Z".parse().unwrap());
            assert_eq!(seen.protocol, "TLSv1.3");
        }
    }

    #[tokio::test]
    async fn a_bad_certificate_is_read_all_the_same_and_its_fault_named() {
        let house = House::new();
        let probe = house.probe();
        let expired = house.server(&["localhost"], 2021, false).await;
        let seen = probe.certificate(&at("localhost", expired)).await.unwrap();
        assert_eq!(
            seen.fault.as_deref(),
            Some("the TLS certificate has expired")
        );
        assert_eq!(seen.not_after, "2021-01-01T00:00:00Z".parse().unwrap());

        let other = house.server(&["wiki.home"], 2090, false).await;
        let seen = probe.certificate(&at("localhost", other)).await.unwrap();
        assert_eq!(
            seen.fault.as_deref(),
            Some("the TLS certificate is for another name")
        );
        assert_eq!(seen.names, ["wiki.home"]);

        let own = house.server(&["localhost"], 2090, true).await;
        let seen = probe.certificate(&at("localhost", own)).await.unwrap();
        assert!(seen.is_self_signed);
        let fault = seen.fault.unwrap();
        assert!(fault.contains("nobody whom this host trusts"), "{fault}");
    }

    #[tokio::test]
    async fn where_there_is_none_it_says_why() {
        let probe = House::new().probe();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let closed = listener.local_addr().unwrap();
        drop(listener);
        let error = probe.certificate(&at("localhost", closed)).await;
        assert!(error.unwrap_err().contains("refused"));

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let plain = listener.local_addr().unwrap();
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt as _;
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await;
            }
        });
        let error = probe.certificate(&at("localhost", plain)).await;
        let error = error.unwrap_err();
        assert!(error.contains("TLS failed"), "{error}");
    }
}
