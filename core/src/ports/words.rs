//! Errors in words for a person, and the name of a text by its content: small things that several adapters need alike.

use std::{error::Error, io};

use rustls::CertificateError;
use sha2::{Digest, Sha256};

/// An error with all its causes, once.
pub fn words(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// A certificate in DER: its SHA-256 in hexadecimal, and when it ends.
///
/// # Errors
/// In words, where it is none.
pub fn of_certificate(der: &[u8]) -> Result<(String, jiff::Timestamp), String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der)
        .map_err(|error| format!("it is no certificate: {error}"))?;
    let not_after = jiff::Timestamp::from_second(certificate.validity().not_after.timestamp())
        .map_err(|error| format!("its end can't be told: {error}"))?;
    Ok((sha256(der), not_after))
}

/// What an I/O error of a connection means; absent where its own text says it as well.
pub fn of_connection(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some("connection refused"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Some("the connection was broken off")
        }
        io::ErrorKind::UnexpectedEof => Some("the connection ended before there was an answer"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Some("there is no way to it")
        }
        io::ErrorKind::TimedOut => Some("no answer"),
        _ => None,
    }
}

/// What an error of TLS means; of a certificate that is refused, why.
pub fn of_tls(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return format!("TLS failed: {error}");
    };
    match certificate {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the TLS certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the TLS certificate is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the TLS certificate is for another name".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "the TLS certificate is not valid: nobody whom this host trusts has signed it"
                .to_owned()
        }
        CertificateError::Revoked => "the TLS certificate was revoked".to_owned(),
        other => format!("the TLS certificate is not valid: {other}"),
    }
}

/// The SHA-256 of a text or a certificate, in hexadecimal: the name under which the texts of model calls are kept.
pub fn sha256(of: impl AsRef<[u8]>) -> String {
    Sha256::digest(of)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
