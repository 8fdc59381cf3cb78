//! The key of a certificate in words, and whether it or a signature is weak.
//!
//! A parsed certificate in, words out. Where each limit comes from is told in [`super`].

use steward_api::CertificateFault;
use x509_parser::{
    certificate::X509Certificate,
    oid_registry::asn1_rs::Oid,
    public_key::PublicKey,
    signature_algorithm::RsaSsaPssParams,
    x509::{AlgorithmIdentifier, SubjectPublicKeyInfo},
};

use super::{Faults, chain, parse};
use crate::security::words::plain;

/// RSA keys have at least so many bits.
const RSA_BITS: usize = 2048;
/// Curves have at least so many bits.
const CURVE_BITS: usize = 256;

/// A key, such as `RSA 2048 bit`, `ECDSA P-256`.
pub(super) fn describe(certificate: &X509Certificate<'_>) -> String {
    let info = certificate.public_key();
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {} bit", bits(key.modulus)),
        Ok(PublicKey::EC(_)) => match curve(info) {
            Curve::Named(name, _) => format!("ECDSA {name}"),
            Curve::Other(Some(bits)) => format!("ECDSA {bits} bit, unusual curve"),
            Curve::Other(None) => "ECDSA, unusual curve".to_owned(),
        },
        Ok(PublicKey::DSA(_)) => "DSA".to_owned(),
        _ => match info.algorithm.algorithm.to_id_string().as_str() {
            "1.3.101.112" => "Ed25519".to_owned(),
            "1.3.101.113" => "Ed448".to_owned(),
            "1.2.840.113549.1.1.10" => "RSA-PSS".to_owned(),
            other => plain(&format!("of the kind {other}")),
        },
    }
}

/// What is weak about the keys and signatures of a chain.
pub(super) fn weaknesses(faults: &mut Faults, leaf: &X509Certificate<'_>, others: &[Vec<u8>]) {
    let mut weak = |why: String| faults.push((CertificateFault::WeakKey, why));
    if let Some(why) = key(leaf.public_key()) {
        weak(format!("its key is weak: {why}"));
    }
    let is_root = |one: &X509Certificate<'_>| one.is_ca() && chain::signed_itself(one);
    if !is_root(leaf)
        && let Some(why) = signature(&leaf.signature_algorithm)
    {
        weak(format!("its signature is weak: {why}"));
    }
    for der in others.iter().take(chain::LONGEST_CHAIN) {
        let Ok(one) = parse(der) else { continue };
        let why = key(one.public_key()).map(|why| format!("key is weak: {why}"));
        let why = why.or_else(|| {
            let why = signature(&one.signature_algorithm).filter(|_| !is_root(&one));
            why.map(|why| format!("signature is weak: {why}"))
        });
        if let Some(why) = why {
            let name = plain(&one.subject().to_string());
            weak(format!("{name}, in its chain: the {why}"));
            break;
        }
    }
}

fn key(info: &SubjectPublicKeyInfo<'_>) -> Option<String> {
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => {
            let bits = bits(key.modulus);
            let exponent = key.try_exponent();
            if bits < RSA_BITS {
                Some(format!(
                    "RSA with {bits} bits, where {RSA_BITS} are the least"
                ))
            } else if exponent.is_ok_and(|exponent| exponent < 3 || exponent % 2 == 0) {
                Some("RSA with an exponent that protects nothing".to_owned())
            } else {
                None
            }
        }
        Ok(PublicKey::EC(_)) => match curve(info) {
            Curve::Named(name, bits) if bits < CURVE_BITS => {
                Some(format!("the curve {name}, where P-256 is the least"))
            }
            Curve::Other(Some(bits)) if bits < CURVE_BITS => Some(format!(
                "a curve of {bits} bits, where {CURVE_BITS} are the least"
            )),
            _ => None,
        },
        Ok(PublicKey::DSA(_)) => Some("DSA, which clients accept no more".to_owned()),
        Err(_) => Some("it can't be read".to_owned()),
        _ => None,
    }
}

fn signature(algorithm: &AlgorithmIdentifier<'_>) -> Option<String> {
    let hash = match algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.2" => "MD2",
        "1.2.840.113549.1.1.3" => "MD4",
        "1.2.840.113549.1.1.4" => "MD5",
        // RSA by PKCS #1 and by OIW, DSA, ECDSA.
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" | "1.2.840.10040.4.3" | "1.2.840.10045.4.1" => {
            "SHA-1"
        }
        // RSA-PSS tells its hash apart; SHA-1 where it says nothing (RFC 4055 §3.1).
        "1.2.840.113549.1.1.10" => {
            let parameters = algorithm.parameters.as_ref()?;
            let parameters = RsaSsaPssParams::try_from(parameters).ok()?;
            match parameters
                .hash_algorithm()
                .map(|hash| hash.algorithm.to_id_string())
                .as_deref()
            {
                None | Some("1.3.14.3.2.26") => "SHA-1",
                Some("1.2.840.113549.2.5") => "MD5",
                Some(_) => return None,
            }
        }
        _ => return None,
    };
    Some(format!("made with {hash}"))
}

/// The bits of a number without its leading zeros.
fn bits(number: &[u8]) -> usize {
    let first = number.iter().position(|byte| *byte != 0);
    first.map_or(0, |first| {
        (number.len() - first) * 8 - number[first].leading_zeros() as usize
    })
}

enum Curve {
    /// Its name and bits.
    Named(&'static str, usize),
    /// Its bits as far as the point tells them.
    Other(Option<usize>),
}

fn curve(info: &SubjectPublicKeyInfo<'_>) -> Curve {
    let named = info
        .algorithm
        .parameters
        .as_ref()
        .and_then(|parameters| Oid::try_from(parameters).ok())
        .and_then(|oid| match oid.to_id_string().as_str() {
            // RFC 5480 §2.1.1.1.
            "1.2.840.10045.3.1.1" => Some(("P-192", 192)),
            "1.3.132.0.33" => Some(("P-224", 224)),
            "1.2.840.10045.3.1.7" => Some(("P-256", 256)),
            "1.3.132.0.34" => Some(("P-384", 384)),
            "1.3.132.0.35" => Some(("P-521", 521)),
            "1.3.132.0.10" => Some(("secp256k1", 256)),
            _ => None,
        });
    match named {
        Some((name, bits)) => Curve::Named(name, bits),
        None => {
            // SEC 1 §2.3.3: 04 and both coordinates, or 02 or 03 and one.
            let point = &info.subject_public_key.data;
            let length = point.len().saturating_sub(1) * 8;
            Curve::Other(match point.first() {
                Some(4) => Some(length / 2),
                Some(2 | 3) => Some(length),
                _ => None,
            })
        }
    }
}
