//! Addresses as logs write them.
//!
//! What flows through: text in, an address out, or nothing. What it never does: resolve a name; what is no address is none.

use core::net::{IpAddr, Ipv6Addr};

/// An address as logs write it: plain, in brackets, with a port, with a zone, or an IPv4 one dressed as IPv6. Nothing where it is a name.
pub fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let plain = |text: &str| {
        let text = text.split('%').next().unwrap_or_default();
        text.parse::<IpAddr>()
            .ok()
            .map(|address| address.to_canonical())
    };
    if let Some(found) = plain(text) {
        return Some(found);
    }
    if let Some(inner) = text.strip_prefix('[') {
        return inner.split_once(']').and_then(|(inner, after)| {
            let has_port = after.is_empty()
                || after
                    .strip_prefix(':')
                    .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
            if has_port { plain(inner) } else { None }
        });
    }
    // `1.2.3.4:5678`; an IPv6 address without brackets can't be told from its port and was read above.
    let (host, port) = text.rsplit_once(':')?;
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_port && !host.contains(':'))
        .then(|| plain(host))
        .flatten()
}

/// Whether an address can't be reached from elsewhere: loopback or link-local (RFC 1122 §3.2.1.3, RFC 3927, RFC 4291 §2.5.3 and §2.5.6).
pub fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => four.is_loopback() || four.is_link_local(),
        IpAddr::V6(six) => six.is_loopback() || is_link_local(six),
    }
}

fn is_link_local(six: Ipv6Addr) -> bool {
    six.segments()[0] & 0xffc0 == 0xfe80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_dress() {
        for (text, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("203.0.113.7:51234", "203.0.113.7"),
            ("fe80::1%eth0", "fe80::1"),
        ] {
            assert_eq!(address(text), expected.parse().ok(), "{text}");
        }
        for text in [
            "",
            "host.example",
            "1.2.3",
            "1.2.3.4.5",
            "a:b",
            "[::1]x",
            "1.2.3.4:x",
            "999.1.1.1",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
