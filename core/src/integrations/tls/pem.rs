//! The certificates of a file, in PEM (RFC 7468) or DER.
//!
//! Bytes in, DER out, divided into chains. What it never does: decode or keep anything but certificates. A private key in the same file is passed over line by
//! line, and no error shows what a file holds.

use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

/// Certificates of one file that are looked at, at most.
pub(super) const MOST_CERTIFICATES: usize = 1000;
/// The largest file that is looked at, bytes. The largest list of authorities in use has about a quarter of it.
pub(super) const LARGEST_FILE: usize = 1024 * 1024;

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Why a file tells nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PemError {
    /// It is larger than any file of certificates.
    #[error("it is larger than 1 MiB: no file of certificates")]
    TooLarge,
    /// It holds none.
    #[error("it holds no certificate in PEM or DER")]
    None,
    /// A certificate in it was cut off or is no base64. The number counts from 1.
    #[error("its certificate no. {0} is broken")]
    Broken(usize),
}

/// The certificates of a file in the order in which they stand, at most [`MOST_CERTIFICATES`].
///
/// # Errors
/// Where it holds none, or one that is broken.
pub(super) fn certificates_of_file(bytes: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    if bytes.len() > LARGEST_FILE {
        return Err(PemError::TooLarge);
    }
    let sections = sections(bytes)?;
    if sections.is_empty() {
        return der(bytes).map(|der| vec![der]).ok_or(PemError::None);
    }
    (1..)
        .zip(sections)
        .map(|(number, section)| {
            CertificateDer::from_pem_slice(section)
                .map(|der| der.to_vec())
                .map_err(|_| PemError::Broken(number))
        })
        .collect()
}

/// The parts of a text that are certificates, with their first and last lines.
fn sections(bytes: &[u8]) -> Result<Vec<&[u8]>, PemError> {
    let mut found = Vec::new();
    let mut begun: Option<usize> = None;
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii_end();
        match begun {
            None if text == BEGIN => begun = Some(at),
            Some(start) if text == END => {
                found.push(&bytes[start..at + line.len()]);
                begun = None;
                if found.len() >= MOST_CERTIFICATES {
                    break;
                }
            }
            // Another begins before this one has ended.
            Some(_) if text.starts_with(b"-----") => return Err(PemError::Broken(found.len() + 1)),
            _ => {}
        }
        at += line.len();
    }
    if begun.is_some() {
        return Err(PemError::Broken(found.len() + 1));
    }
    Ok(found)
}

/// The whole file as one certificate in DER: a sequence, and nothing after it.
fn der(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.first() != Some(&0x30) {
        return None;
    }
    let (rest, _) = X509Certificate::from_der(bytes).ok()?;
    rest.is_empty().then(|| bytes.to_vec())
}

/// Divides the certificates of a file into chains: each that is no authority's begins one, and authorities that follow it belong to it.
/// Of authorities alone, one that has signed the one before belongs to its chain. Looks at [`MOST_CERTIFICATES`].
pub(super) fn into_chains(certificates: Vec<Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
    let mut chains: Vec<Vec<Vec<u8>>> = Vec::new();
    // Of the chain at work: whether it began with an authority, and who has signed its last certificate.
    let mut of_authority = false;
    let mut issuer: Vec<u8> = Vec::new();
    for der in certificates.into_iter().take(MOST_CERTIFICATES) {
        let (is_ca, subject, signed_by) = match X509Certificate::from_der(&der) {
            Ok((_, one)) => (
                one.is_ca(),
                one.subject().as_raw().to_vec(),
                one.issuer().as_raw().to_vec(),
            ),
            Err(_) => (false, Vec::new(), Vec::new()),
        };
        let follows = is_ca && !chains.is_empty() && (!of_authority || subject == issuer);
        issuer = signed_by;
        match chains.last_mut() {
            Some(chain) if follows => chain.push(der),
            _ => {
                of_authority = is_ca;
                chains.push(vec![der]);
            }
        }
    }
    chains
}
