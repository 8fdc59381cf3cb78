//! Renewed certificates: whether the one that was meant is still there, and whether another that ends later has taken its place.
//!
//! What flows through: the place of a certificate in, what is shown there now out, read anew each time. What it never does: take a place
//! that can't be read for one whose certificate was renewed.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use steward_api::ResourceId;
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use crate::ports::{ActError, ChainReader, Reading, TlsEndpoint};

/// How long an endpoint may take to show its certificate.
const LIMIT: Duration = Duration::from_secs(10);

/// A certificate as it is now.
#[derive(Debug)]
struct Leaf {
    fingerprint: String,
    not_after: Timestamp,
}

/// Reads certificates anew.
pub(super) struct Renewals {
    pub(super) chains: Arc<dyn ChainReader>,
}

impl Renewals {
    /// Whether the certificate is still the one with this fingerprint.
    pub(super) async fn is_still(
        &self,
        certificate: &ResourceId,
        fingerprint: &str,
    ) -> Result<Reading, ActError> {
        let leaf = self.read(certificate).await?;
        Ok(if leaf.fingerprint.eq_ignore_ascii_case(fingerprint) {
            Reading::Holds
        } else {
            Reading::Broken(format!(
                "{} has another certificate already, which ends {:.0}",
                certificate.short(),
                leaf.not_after
            ))
        })
    }

    /// Whether the certificate that is shown now ends later than the one before. While it can't be read, it is not said to.
    pub(super) async fn ends_after(
        &self,
        certificate: &ResourceId,
        ended_at: Timestamp,
    ) -> Reading {
        match self.read(certificate).await {
            Ok(leaf) if leaf.not_after > ended_at => Reading::Holds,
            Ok(leaf) => Reading::Broken(format!(
                "{} still has a certificate that ends {:.0}",
                certificate.short(),
                leaf.not_after
            )),
            Err(error) => Reading::Broken(error.to_string()),
        }
    }

    async fn read(&self, certificate: &ResourceId) -> Result<Leaf, ActError> {
        let place = certificate.name.as_str();
        let unreadable = |reason: String| ActError::Unreachable {
            what: format!("the certificate {place}"),
            reason,
        };
        let chain = if place.starts_with('/') {
            // A file with several chains says which: `… (no. 2)`.
            let path = place
                .rsplit_once(" (no. ")
                .map_or(place, |(path, _)| path)
                .to_owned();
            let found = self.chains.files(&[path]).await;
            found
                .chains
                .into_iter()
                .find(|(at, _)| at.to_string() == place)
                .map(|(_, chain)| chain)
                .ok_or_else(|| {
                    unreadable(if found.gaps.is_empty() {
                        "it is not there".to_owned()
                    } else {
                        found.gaps.join("; ")
                    })
                })?
        } else {
            let endpoint =
                endpoint(place).ok_or_else(|| unreadable("it is no place".to_owned()))?;
            self.chains
                .endpoint(&endpoint, true, LIMIT)
                .await
                .map_err(|why| unreadable(why.to_string()))?
        };
        let der = chain
            .certificates
            .first()
            .ok_or_else(|| unreadable("it holds none".to_owned()))?;
        leaf(der).ok_or_else(|| unreadable("it can't be understood".to_owned()))
    }
}

/// `host:port`, an IPv6 address in brackets.
fn endpoint(place: &str) -> Option<TlsEndpoint> {
    let (host, port) = place.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    (!host.is_empty()).then_some(())?;
    Some(TlsEndpoint {
        host: host.to_owned(),
        port: port.parse().ok()?,
    })
}

fn leaf(der: &[u8]) -> Option<Leaf> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let seconds = certificate.validity().not_after.timestamp();
    Some(Leaf {
        fingerprint: Sha256::digest(der)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        not_after: Timestamp::from_second(seconds).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        let read = |place: &str| endpoint(place).map(|one| (one.host, one.port));
        assert_eq!(
            read("house.example:443"),
            Some(("house.example".to_owned(), 443))
        );
        assert_eq!(read("[fd00::1]:8443"), Some(("fd00::1".to_owned(), 8443)));
        for none in ["house", ":443", "house:x", "house:70000"] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
