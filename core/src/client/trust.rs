//! Whose certificate is believed: that of an authority of the system, of one that was named, or just the one that an agent left on this
//! machine.
//!
//! What flows through: PEM text in, the settings of a TLS client out. What it never does: believe without looking.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};

use super::ClientError;

/// Whose certificate is believed.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// Those that the system's authorities vouch for.
    #[default]
    System,
    /// Those that the authorities in this PEM text vouch for, and no others; a certificate that vouches for itself counts as one.
    Only(Vec<u8>),
    /// The first certificate in this PEM text and no other, under whatever name it is met. For an agent on this machine, whose
    /// certificate may be for a name that is not used here.
    Exactly(Vec<u8>),
}

impl Trust {
    /// Prepares a client for it.
    ///
    /// # Errors
    /// [`ClientError::Usage`] where the text holds no certificate.
    pub(super) fn apply(
        &self,
        builder: reqwest::ClientBuilder,
    ) -> Result<reqwest::ClientBuilder, ClientError> {
        match self {
            Self::System => Ok(builder),
            Self::Only(pem) => {
                let authorities = reqwest::Certificate::from_pem_bundle(pem)
                    .ok()
                    .filter(|found| !found.is_empty())
                    .ok_or_else(no_certificate)?;
                Ok(builder.tls_certs_only(authorities))
            }
            Self::Exactly(pem) => {
                let expected = CertificateDer::from_pem_slice(pem).map_err(|_| no_certificate())?;
                let provider = Arc::new(ring::default_provider());
                let verifier = Pinned {
                    expected,
                    provider: Arc::clone(&provider),
                };
                let config = ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .map_err(|error| ClientError::Usage(format!("can't prepare TLS: {error}")))?
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(verifier))
                    .with_no_client_auth();
                Ok(builder.tls_backend_preconfigured(config))
            }
        }
    }
}

fn no_certificate() -> ClientError {
    ClientError::Usage(
        "the file of authorities holds no certificate: it should hold one or more in PEM (`-----BEGIN CERTIFICATE-----`), such as an agent's tls-cert.pem".to_owned(),
    )
}

/// Believes one certificate. That the other side has its key is verified as ever.
#[derive(Debug)]
struct Pinned {
    expected: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.expected {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
