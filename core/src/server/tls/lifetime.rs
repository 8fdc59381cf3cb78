//! The time for which a certificate is good, and whether that wants a word.
//!
//! What flows through: a certificate and the time in, what is wrong with its dates out, in words for a person. What it never does: refuse a
//! certificate for its dates. The agent has to be reached all the more when something is wrong.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;

/// A certificate that ends within this time should have been renewed: those who renew by themselves do so earlier.
const SOON: SignedDuration = SignedDuration::from_hours(24 * 14);
/// One that is good for days only is renewed when less than one in so many parts of its life is left.
const LAST_PART: i32 = 4;

/// From when until when a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    since: Timestamp,
    until: Timestamp,
}

impl Lifetime {
    /// As it stands in the certificate; absent where that can't be read.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate.as_ref()).ok()?;
        let validity = parsed.validity();
        let time = |at: x509_parser::time::ASN1Time| Timestamp::from_second(at.timestamp()).ok();
        Some(Self {
            since: time(validity.not_before)?,
            until: time(validity.not_after)?,
        })
    }

    /// What is wrong with it now, if anything.
    pub(super) fn untimely(self, now: Timestamp) -> Option<Untimely> {
        let Self { since, until } = self;
        let whole = until.duration_since(since);
        let soon = SOON.min(whole / LAST_PART);
        if now > until {
            Some(Untimely::Over(until))
        } else if now < since {
            Some(Untimely::NotYet(since))
        } else if until.duration_since(now) < soon {
            Some(Untimely::Soon(until))
        } else {
            None
        }
    }
}

/// Why a certificate's dates want a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untimely {
    /// It ended then.
    Over(Timestamp),
    /// It ends then, which is soon.
    Soon(Timestamp),
    /// It begins then, or this machine's clock is wrong.
    NotYet(Timestamp),
}

impl Untimely {
    /// Whether others take it no more, or not yet.
    pub fn is_refused(&self) -> bool {
        !matches!(self, Self::Soon(_))
    }

    /// What to do about it.
    pub fn todo(&self) -> &'static str {
        match self {
            Self::Over(_) | Self::Soon(_) => {
                "renew it and put the new one at server.cert_file with its key at server.key_file: it is taken within a minute, without a restart"
            }
            Self::NotYet(_) => "look at this machine's clock, or wait until then",
        }
    }
}

/// A sentence's part after "the certificate in FILE".
impl fmt::Display for Untimely {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |at: &Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
        match self {
            Self::Over(until) => write!(
                f,
                "ended on {}; browsers warn of it, and programs on other machines refuse it",
                day(until)
            ),
            Self::Soon(until) => write!(f, "ends soon, on {}", day(until)),
            Self::NotYet(since) => write!(f, "is not good before {}", day(since)),
        }
    }
}
