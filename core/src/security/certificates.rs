//! Certificates: what a chain says of itself, and what speaks against it. Pure: DER, how it was reached, a verdict and the time in, a
//! [`CertificateScan`] out.
//!
//! What flows through: bytes that others chose. Every text of them is cut and cleaned, every loop is bounded. What it never does: verify a
//! signature (that is this host's judge, whose verdict comes with the chain), or take a chain for good that nobody judged.
//!
//! The rules and where they come from:
//! - validity includes both its ends: RFC 5280 §4.1.2.5;
//! - names: RFC 9525 §6.3 and §6.5 (only alternative names count, never the common name; an address matches an address exactly; `*` stands
//!   for exactly one whole left-most label), and at least two labels after it, as webpki and NSS ask;
//! - keys: RSA from 2048 bits, curves from P-256 on: CA/Browser Forum Baseline Requirements §6.1.5; NIST SP 800-57 part 1 rev. 5, table 2
//!   (112 bits of strength); an exponent of 3 or more that is odd: §6.1.6 there;
//! - signatures: no MD2, MD4, MD5 and SHA-1: RFC 9155, Baseline Requirements §7.1.3.2. The signature of an authority on itself proves
//!   nothing and is not looked at.

mod chain;
mod key;
mod names;

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use steward_api::{CertificateFault, CertificateScan, ResourceId, units};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _};

use super::words::plain;
use crate::ports::{CertificatePlace, ShownChain, Verdict, sha256};

pub use names::is_for;

/// Names of a certificate that are told, at most.
const MOST_NAMES: usize = 50;

/// How a chain was reached.
#[derive(Clone, Debug)]
pub struct Reached {
    /// Where.
    pub place: CertificatePlace,
    /// Who shows it, where that is known.
    pub resource: Option<ResourceId>,
    /// The name or address by which clients reach it, which it has to be for. Absent where nobody can tell, as for a file, or a published
    /// port that clients reach by a name that only they know: then no name is wrong.
    pub name: Option<String>,
}

/// Why a chain tells nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There is none in it.
    #[error("it shows no certificate")]
    Empty,
    /// Its first certificate is none.
    #[error("its certificate can't be understood: {0}")]
    Nonsense(String),
}

/// What a chain says of itself, and what speaks against it at `now`. One that ends within `warn_before` counts as ending soon.
///
/// # Errors
/// Where its first certificate can't be read. Later ones that can't are a fault of the chain.
pub fn scan(
    chain: &ShownChain,
    reached: &Reached,
    now: Timestamp,
    warn_before: SignedDuration,
) -> Result<CertificateScan, CertificateError> {
    let der = chain.certificates.first().ok_or(CertificateError::Empty)?;
    let leaf = parse(der)?;
    let names = all_names(&leaf);
    let (not_before, not_after) = validity(&leaf);
    let mut faults = Vec::new();
    dates(&mut faults, not_before, not_after, now, warn_before);
    if let Some(name) = &reached.name
        && !names.iter().any(|own| is_for(own, name))
    {
        faults.push((CertificateFault::WrongName, wrong_name(name, &names)));
    }
    trust(&mut faults, chain, reached, &leaf, now);
    key::weaknesses(&mut faults, &leaf, &chain.certificates[1..]);
    Ok(CertificateScan {
        place: plain(&reached.place.to_string()),
        resource: reached.resource.clone(),
        subject: plain(&leaf.subject().to_string()),
        names: names
            .iter()
            .take(MOST_NAMES)
            .map(|name| plain(&name.to_string()))
            .collect(),
        issuer: plain(&leaf.issuer().to_string()),
        not_before,
        not_after,
        key: key::describe(&leaf),
        fingerprint: sha256(der),
        faults,
    })
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    X509Certificate::from_der(der)
        .map(|(_, certificate)| certificate)
        .map_err(|error| CertificateError::Nonsense(plain(&error.to_string())))
}

/// A name or an address that a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnName {
    /// A name, perhaps with `*` as its first label.
    Dns(String),
    /// An address.
    Address(IpAddr),
}

impl std::fmt::Display for OwnName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

fn all_names(certificate: &X509Certificate<'_>) -> Vec<OwnName> {
    certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .into_iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(OwnName::Dns((*name).to_owned())),
            GeneralName::IPAddress(bytes) => names::address(bytes).map(OwnName::Address),
            _ => None,
        })
        .collect()
}

fn validity(certificate: &X509Certificate<'_>) -> (Timestamp, Timestamp) {
    let validity = certificate.validity();
    (
        moment(validity.not_before.timestamp()),
        moment(validity.not_after.timestamp()),
    )
}

/// "Never", as some write it, lies beyond what can be told.
fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

type Faults = Vec<(CertificateFault, String)>;

fn dates(
    faults: &mut Faults,
    not_before: Timestamp,
    not_after: Timestamp,
    now: Timestamp,
    warn_before: SignedDuration,
) {
    if now > not_after {
        faults.push((
            CertificateFault::Expired,
            format!("it ended {}", units::relative(not_after, now)),
        ));
    } else if now.duration_until(not_after) <= warn_before {
        faults.push((
            CertificateFault::Expiring,
            format!("it ends {}", units::relative(not_after, now)),
        ));
    }
    if now < not_before {
        faults.push((
            CertificateFault::NotYetValid,
            format!("it begins only {}", units::relative(not_before, now)),
        ));
    }
}

fn wrong_name(reached_by: &str, names: &[OwnName]) -> String {
    let reached_by = plain(reached_by);
    if names.is_empty() {
        return format!("it is not for {reached_by}: it is for no name or address at all");
    }
    let shown: Vec<String> = names
        .iter()
        .take(3)
        .map(|name| plain(&name.to_string()))
        .collect();
    let more = match names.len().saturating_sub(3) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("it is for {}{more}, not for {reached_by}", shown.join(", "))
}

/// What speaks against who signed it.
fn trust(
    faults: &mut Faults,
    chain: &ShownChain,
    reached: &Reached,
    leaf: &X509Certificate<'_>,
    now: Timestamp,
) {
    let signed_itself = chain::signed_itself(leaf);
    // An authority's own certificate in a file is where trust begins, not what is to be trusted.
    if signed_itself && leaf.is_ca() && matches!(reached.place, CertificatePlace::File { .. }) {
        return;
    }
    match &chain.trust {
        Verdict::Accepted => {
            // The rest of what `here` says is told by dates and names, but for what only the judge can see.
            let is_explained = faults
                .iter()
                .any(|(kind, _)| *kind != CertificateFault::Expiring);
            if let Verdict::Refused(why) = &chain.here
                && !is_explained
            {
                faults.push((CertificateFault::Chain, why.clone()));
            }
        }
        _ if signed_itself => faults.push((
            CertificateFault::SelfSigned,
            "it signed itself, and this host was not told to trust it".to_owned(),
        )),
        verdict => {
            let seen = chain::look(&chain.certificates, now);
            let why = match (seen, verdict) {
                (Some(why), _) => why,
                (None, Verdict::Refused(why)) => why.clone(),
                // Nothing is wrong as far as can be seen, and nobody could judge the rest.
                (None, Verdict::Unjudged(_)) => return,
                (None, _) => format!(
                    "it leads to {}, whom this host does not trust",
                    chain::end(&chain.certificates)
                ),
            };
            faults.push((CertificateFault::Chain, why));
        }
    }
}
