//! Certificates before and after their renewal: read anew from where they are shown, never remembered.
//!
//! What flows through: a certificate's place in, whether it is the one that was meant, or a later one, out. What it never does: renew; that
//! is the operator's script.

use std::time::Duration;

use jiff::Timestamp;
use steward_api::{ActionName, ResourceId, ResourceKind};

use super::HostActuator;
use crate::ports::{ActError, Reading, ShownChain, TlsEndpoint, of_certificate};

/// How long an endpoint may take to show its certificate.
const LIMIT: Duration = Duration::from_secs(10);

/// Where a certificate is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// In this file, and which chain of it, from 1.
    File(String, usize),
    Endpoint(TlsEndpoint),
}

/// Reads a certificate's name: the file (`/etc/ssl/wiki.pem (no. 2)`), or `host:port`.
fn place(name: &str) -> Option<Place> {
    if name.starts_with('/') {
        let numbered = name
            .strip_suffix(')')
            .and_then(|rest| rest.rsplit_once(" (no. "))
            .and_then(|(path, number)| Some((path, number.parse::<usize>().ok()?)));
        let (path, number) = numbered.unwrap_or((name, 1));
        return Some(Place::File(path.to_owned(), number));
    }
    let (host, port) = name.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(Place::Endpoint(TlsEndpoint {
        host: host.to_owned(),
        port: port.parse().ok()?,
    }))
}

impl HostActuator {
    pub(super) async fn is_certificate(
        &self,
        certificate: &ResourceId,
        fingerprint: &str,
    ) -> Result<Reading, ActError> {
        let (found, not_after) = self.shown(certificate).await?;
        Ok(if found == fingerprint {
            Reading::Holds
        } else {
            Reading::Hopeless(format!(
                "{} shows another certificate by now, which ends {not_after:.0}",
                certificate.short()
            ))
        })
    }

    pub(super) async fn is_renewed(
        &self,
        certificate: &ResourceId,
        ended_at: Timestamp,
    ) -> Result<Reading, ActError> {
        let (_, not_after) = self.shown(certificate).await?;
        Ok(if not_after > ended_at {
            Reading::Holds
        } else {
            Reading::Broken(format!(
                "{} still shows one that ends {not_after:.0}",
                certificate.short()
            ))
        })
    }

    /// The certificate that is shown now: its fingerprint, and when it ends.
    async fn shown(&self, certificate: &ResourceId) -> Result<(String, Timestamp), ActError> {
        self.check_target(certificate, ResourceKind::Certificate)?;
        let name = certificate.short();
        let unreadable = |reason: String| ActError::Unreachable {
            what: format!("the certificate at {name}"),
            reason,
        };
        let chains = self.chains.as_ref().ok_or_else(|| {
            ActError::Unsupported(
                ActionName::RenewCertificate,
                "nothing here reads certificates".to_owned(),
            )
        })?;
        let chain: ShownChain = match place(name) {
            Some(Place::Endpoint(endpoint)) => chains
                .endpoint(&endpoint, true, LIMIT)
                .await
                .map_err(|error| unreadable(error.to_string()))?,
            Some(Place::File(path, number)) => {
                let read = chains.files(&[path]).await;
                let gaps = read.gaps.join("; ");
                read.chains
                    .into_iter()
                    .nth(number.saturating_sub(1))
                    .map(|(_, chain)| chain)
                    .ok_or_else(|| {
                        unreadable(if gaps.is_empty() {
                            "it is gone".to_owned()
                        } else {
                            gaps
                        })
                    })?
            }
            None => return Err(unreadable("its place can't be told".to_owned())),
        };
        let leaf = chain
            .certificates
            .first()
            .ok_or_else(|| unreadable("it shows none".to_owned()))?;
        of_certificate(leaf).map_err(unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_as_they_are_written() {
        let file = |path: &str, number| Some(Place::File(path.to_owned(), number));
        assert_eq!(place("/etc/ssl/wiki.pem"), file("/etc/ssl/wiki.pem", 1));
        assert_eq!(place("/etc/a b.pem (no. 3)"), file("/etc/a b.pem", 3));
        for (text, host) in [("wiki.lan:443", "wiki.lan"), ("[::1]:443", "::1")] {
            assert_eq!(
                place(text),
                Some(Place::Endpoint(TlsEndpoint {
                    host: host.to_owned(),
                    port: 443
                }))
            );
        }
        assert_eq!(place("wiki.lan"), None);
    }
}
