//! How the certificates of a chain follow on each other, as far as can be seen without verifying a signature.
//!
//! DER in, what is wrong in words out. Every walk is bounded: a chain may go round, hold thousands, or be garbage.

use std::collections::BTreeSet;

use jiff::Timestamp;
use steward_api::units;
use x509_parser::{
    certificate::X509Certificate,
    extensions::ParsedExtension,
    oid_registry::{OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER, OID_X509_EXT_SUBJECT_KEY_IDENTIFIER},
};

use super::{parse, validity};
use crate::security::words::plain;

/// So far a chain is followed. Real ones have up to five.
pub(super) const LONGEST_CHAIN: usize = 20;

/// Whether it signed itself, by what it says: its issuer is itself, and so is its issuer's key where it names one.
pub(super) fn signed_itself(certificate: &X509Certificate<'_>) -> bool {
    if certificate.issuer().as_raw() != certificate.subject().as_raw() {
        return false;
    }
    let (of_issuer, own) = (
        OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER,
        OID_X509_EXT_SUBJECT_KEY_IDENTIFIER,
    );
    // One that says it twice is not believed.
    let extension = |oid| certificate.get_extension_unique(oid).ok().flatten();
    let of_issuer =
        extension(&of_issuer).and_then(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(of) => of.key_identifier.as_ref(),
            _ => None,
        });
    let own = extension(&own).and_then(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(own) => Some(own),
        _ => None,
    });
    match (of_issuer, own) {
        (Some(of_issuer), Some(own)) => of_issuer == own,
        _ => true,
    }
}

/// What is wrong with how a chain hangs together, in words; none where nothing is as far as can be seen.
pub(super) fn look(certificates: &[Vec<u8>], now: Timestamp) -> Option<String> {
    let shown = &certificates[..certificates.len().min(LONGEST_CHAIN)];
    let parsed: Vec<_> = shown.iter().map(|der| parse(der).ok()).collect();
    let Some(Some(leaf)) = parsed.first() else {
        return Some("its first certificate can't be read".to_owned());
    };
    let mut at = leaf;
    let mut passed: BTreeSet<&[u8]> = BTreeSet::from([leaf.subject().as_raw()]);
    for step in 0..LONGEST_CHAIN {
        if step > 0
            && let Some(why) = untimely(at, now)
        {
            return Some(why);
        }
        if signed_itself(at) {
            return None;
        }
        let issuer = at.issuer().as_raw();
        if passed.contains(issuer) && issuer != at.subject().as_raw() {
            return Some(format!(
                "its chain goes round: {} was signed by {}, whom it has signed itself",
                plain(&at.subject().to_string()),
                plain(&at.issuer().to_string())
            ));
        }
        // Those that follow need not stand in order (RFC 8446 §4.4.2).
        let next = parsed
            .iter()
            .flatten()
            .find(|one| one.subject().as_raw() == issuer && !std::ptr::eq(*one, at));
        let Some(next) = next else {
            if parsed.iter().any(Option::is_none) {
                return Some("a certificate of its chain can't be read".to_owned());
            }
            return (step == 0 && shown.len() > 1).then(|| {
                format!(
                    "its chain is broken: {} has signed it, but what follows is {}",
                    plain(&leaf.issuer().to_string()),
                    parsed
                        .get(1)
                        .and_then(Option::as_ref)
                        .map_or_else(String::new, |one| plain(&one.subject().to_string()))
                )
            });
        };
        if !next.is_ca() {
            return Some(format!(
                "its chain is broken: {} has signed it, but is no authority",
                plain(&next.subject().to_string())
            ));
        }
        passed.insert(issuer);
        at = next;
    }
    Some(format!("its chain has more than {LONGEST_CHAIN} steps"))
}

fn untimely(one: &X509Certificate<'_>, now: Timestamp) -> Option<String> {
    let (from, until) = validity(one);
    let name = || plain(&one.subject().to_string());
    if now > until {
        Some(format!(
            "{}, in its chain, ended {}",
            name(),
            units::relative(until, now)
        ))
    } else if now < from {
        Some(format!(
            "{}, in its chain, begins only {}",
            name(),
            units::relative(from, now)
        ))
    } else {
        None
    }
}

/// Whom a chain leads to, as far as it is shown.
pub(super) fn end(certificates: &[Vec<u8>]) -> String {
    let mut name = "somebody".to_owned();
    let parsed: Vec<_> = certificates
        .iter()
        .take(LONGEST_CHAIN)
        .filter_map(|der| parse(der).ok())
        .collect();
    let mut at = parsed.first();
    for _ in 0..LONGEST_CHAIN {
        let Some(one) = at else { break };
        name = plain(&one.issuer().to_string());
        if signed_itself(one) {
            break;
        }
        at = parsed.iter().find(|next| {
            next.subject().as_raw() == one.issuer().as_raw() && !std::ptr::eq(*next, one)
        });
    }
    if name.is_empty() {
        "somebody without a name".to_owned()
    } else {
        name
    }
}
