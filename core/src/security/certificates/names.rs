//! Whether a certificate is for a name, by RFC 9525 §6.3 and §6.5.
//!
//! Names in, yes or no out. What it never does: look at the common name, or let `*` stand for more than one label.

use std::net::IpAddr;

use super::OwnName;

/// Whether one of a certificate's names is that by which it was reached.
pub fn is_for(own: &OwnName, reached_by: &str) -> bool {
    let asked: Option<IpAddr> = reached_by.parse().ok();
    match (own, asked) {
        (OwnName::Address(own), Some(asked)) => *own == asked,
        (OwnName::Dns(own), None) => matches(own, reached_by),
        // A name is never an address, even if it reads like one.
        (OwnName::Address(_), None) | (OwnName::Dns(_), Some(_)) => false,
    }
}

fn matches(own: &str, asked: &str) -> bool {
    let (own, asked) = (trimmed(own), trimmed(asked));
    if own.is_empty() || asked.is_empty() {
        return false;
    }
    let Some(rest) = own.strip_prefix("*.") else {
        return !own.contains('*') && own.eq_ignore_ascii_case(asked);
    };
    let Some((first, asked_rest)) = asked.split_once('.') else {
        return false;
    };
    !first.is_empty()
        && !rest.contains('*')
        && rest.contains('.')
        && rest.eq_ignore_ascii_case(asked_rest)
}

/// Without the dot of the root.
fn trimmed(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// An address as certificates hold it (RFC 5280 §4.2.1.6).
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}
