//! This host's judge of certificates: the same authorities and rules that Steward's own HTTP client has.
//!
//! What flows through: a chain, a name and a time in, verdicts out. What it never does: send anything, or soften a verdict.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use rustls::{
    CertificateError, Error,
    client::danger::ServerCertVerifier as _,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use rustls_platform_verifier::Verifier;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _};

use crate::ports::{Verdict, of_tls};

/// Certificates of a chain that are judged, at most; real ones have up to five.
const MOST_INTERMEDIATES: usize = 20;

/// Judges chains.
#[derive(Clone, Debug, Default)]
pub(super) struct Judge(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Authorities that are believed besides those of the host.
    extra: Vec<CertificateDer<'static>>,
    /// Made when first needed, since it holds the host's trusted certificates. Or why it can't be.
    verifier: OnceLock<Result<Arc<Verifier>, String>>,
}

/// What the judge says of a chain.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    /// Now, and for the name by which it was reached.
    pub(super) here: Verdict,
    /// Of who signed it alone.
    pub(super) trust: Verdict,
    /// What speaks against it, in words; absent where nothing does.
    pub(super) fault: Option<String>,
}

impl Judge {
    /// One that believes in an authority of the test's own.
    #[cfg(test)]
    pub(super) fn believing(authority: CertificateDer<'static>) -> Self {
        Self(Arc::new(Inner {
            extra: vec![authority],
            verifier: OnceLock::new(),
        }))
    }

    fn verifier(&self) -> Result<Arc<Verifier>, String> {
        self.0
            .verifier
            .get_or_init(|| {
                Verifier::new_with_extra_roots(
                    self.0.extra.clone(),
                    Arc::new(ring::default_provider()),
                )
                .map(Arc::new)
                .map_err(|error| format!("this host has no list of trusted certificates: {error}"))
            })
            .clone()
    }

    /// What it says of a chain at a time, for a name or, without one, for one of the chain's own.
    pub(super) fn judge(
        &self,
        chain: &[Vec<u8>],
        name: Option<&ServerName<'_>>,
        now: UnixTime,
    ) -> Judged {
        let verifier = match self.verifier() {
            Ok(verifier) => verifier,
            Err(why) => {
                return Judged {
                    here: Verdict::Unjudged(why.clone()),
                    trust: Verdict::Unjudged(why.clone()),
                    fault: Some(why),
                };
            }
        };
        let Some(leaf) = chain.first() else {
            let why = "it shows no certificate".to_owned();
            return Judged {
                here: Verdict::Refused(why.clone()),
                trust: Verdict::Refused(why.clone()),
                fault: Some(why),
            };
        };
        let own = Own::of(leaf, now);
        let end_entity = CertificateDer::from(leaf.as_slice());
        let intermediates: Vec<CertificateDer<'_>> = chain
            .iter()
            .skip(1)
            .take(MOST_INTERMEDIATES)
            .map(|der| CertificateDer::from(der.as_slice()))
            .collect();
        let ask = |name: &ServerName<'_>, at| {
            verifier
                .verify_server_cert(&end_entity, &intermediates, name, &[], at)
                .err()
        };
        let here = ask(name.unwrap_or(&own.name), now);
        let trust = if here.is_none() {
            None
        } else {
            ask(&own.name, own.valid_at)
        };
        Judged {
            fault: here.as_ref().map(of_tls),
            here: verdict(here),
            trust: verdict(trust.filter(|error| !is_about_names(error))),
        }
    }
}

fn verdict(error: Option<Error>) -> Verdict {
    match error {
        None => Verdict::Accepted,
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => Verdict::UnknownIssuer,
        Some(error) => Verdict::Refused(of_tls(&error)),
    }
}

/// The judge looks at names last, so one who complains of them has found nothing else.
fn is_about_names(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
}

/// A name that a certificate is for, and a time at which it is valid: to ask about who signed it alone.
struct Own {
    name: ServerName<'static>,
    valid_at: UnixTime,
}

impl Own {
    fn of(der: &[u8], now: UnixTime) -> Self {
        // RFC 6761 keeps this name free for nobody to have.
        let nobody = || ServerName::try_from("name.invalid");
        let parsed = X509Certificate::from_der(der).ok();
        let parsed = parsed.as_ref().map(|(_, certificate)| certificate);
        let name = parsed.and_then(first_name);
        let valid_at = parsed.map_or(now, |certificate| {
            let validity = certificate.validity();
            let seconds = |at: i64| u64::try_from(at).unwrap_or(0);
            let (from, until) = (
                seconds(validity.not_before.timestamp()),
                seconds(validity.not_after.timestamp()),
            );
            // Backwards dates are left to whoever looks at dates.
            let at = now.as_secs().max(from).min(until.max(from));
            UnixTime::since_unix_epoch(Duration::from_secs(at))
        });
        Self {
            name: name
                .or_else(|| nobody().ok())
                .unwrap_or_else(|| ServerName::from(std::net::Ipv4Addr::UNSPECIFIED)),
            valid_at,
        }
    }
}

fn first_name(certificate: &X509Certificate<'_>) -> Option<ServerName<'static>> {
    let names = certificate.subject_alternative_name().ok().flatten()?;
    names
        .value
        .general_names
        .iter()
        .find_map(|name| match name {
            // What `*` stands for does not matter to who signed it.
            GeneralName::DNSName(name) => ServerName::try_from(name.replacen('*', "any", 1)).ok(),
            GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
                .map(std::net::IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from))
                .ok()
                .map(ServerName::from),
            _ => None,
        })
}
