//! Networks and ports as people configure them.
//!
//! What flows through: text in, a network or an expectation out, or nothing. What it never does: resolve a name.

use core::net::IpAddr;

/// A network such as `192.168.1.0/24`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    address: IpAddr,
    /// How many of its first bits count.
    prefix: u8,
}

impl AddressRange {
    /// Reads `address/bits`, or an address alone. Nothing where it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most)?,
            None => most,
        };
        Some(Self { address, prefix })
    }

    /// Whether an address lies in it. An IPv4 address dressed as IPv6 counts as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                same_start(&own.octets(), &other.octets(), self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                same_start(&own.octets(), &other.octets(), self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V4(other)) => {
                same_start(&own.octets(), &other.to_ipv6_mapped().octets(), self.prefix)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
        }
    }
}

impl core::fmt::Display for AddressRange {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn same_start(a: &[u8], b: &[u8], bits: u8) -> bool {
    let whole = usize::from(bits / 8);
    let rest = bits % 8;
    if a.get(..whole) != b.get(..whole) {
        return false;
    }
    if rest == 0 {
        return true;
    }
    let mask = 0xff_u8 << (8 - rest);
    match (a.get(whole), b.get(whole)) {
        (Some(a), Some(b)) => a & mask == b & mask,
        _ => true,
    }
}

/// Which open ports are expected: `tcp/22`, `443` (of both kinds), `tcp/8000-8100`, `udp/51820@192.168.1.2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedPort {
    /// `Some(true)` for TCP, `Some(false)` for UDP, else both.
    is_tcp: Option<bool>,
    from: u16,
    to: u16,
    /// Only on this address.
    address: Option<IpAddr>,
}

impl ExpectedPort {
    /// Reads an expectation. Nothing where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (ports, address) = match text.trim().split_once('@') {
            Some((ports, address)) => {
                let address = address
                    .strip_prefix('[')
                    .and_then(|address| address.strip_suffix(']'))
                    .unwrap_or(address);
                (ports, Some(address.parse::<IpAddr>().ok()?.to_canonical()))
            }
            None => (text.trim(), None),
        };
        let (is_tcp, ports) = match ports.split_once('/') {
            Some(("tcp", ports)) => (Some(true), ports),
            Some(("udp", ports)) => (Some(false), ports),
            Some(_) => return None,
            None => (None, ports),
        };
        let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let (from, to) = match ports.split_once('-') {
            Some((from, to)) => (number(from)?, number(to)?),
            None => (number(ports)?, number(ports)?),
        };
        (from <= to).then_some(Self {
            is_tcp,
            from,
            to,
            address,
        })
    }

    /// Whether it speaks of a port.
    pub fn covers(&self, is_tcp: bool, address: IpAddr, port: u16) -> bool {
        self.is_tcp.is_none_or(|only| only == is_tcp)
            && (self.from..=self.to).contains(&port)
            && self
                .address
                .is_none_or(|only| only == address.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_begins_alike() {
        let has = |network: &str, other: &str| {
            AddressRange::parse(network)
                .unwrap()
                .contains(other.parse().unwrap())
        };
        assert!(has("192.168.1.0/24", "192.168.1.200"));
        assert!(has("192.168.1.0/24", "::ffff:192.168.1.200"));
        assert!(!has("192.168.1.0/24", "192.168.2.1"));
        assert!(has("10.0.0.0/9", "10.127.1.1") && !has("10.0.0.0/9", "10.128.0.1"));
        assert!(has("0.0.0.0/0", "8.8.8.8") && !has("0.0.0.0/0", "2001:db8::1"));
        assert!(has("2001:db8::/32", "2001:db8:1::9") && !has("2001:db8::/32", "2001:db9::9"));
        assert!(has("203.0.113.7", "203.0.113.7") && !has("203.0.113.7", "203.0.113.8"));
        for bad in ["", "x", "1.2.3.4/33", "::/129", "1.2.3.4/", "1.2.3.0/-1"] {
            assert_eq!(AddressRange::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn expectations_are_read_as_people_write_them() {
        let covers = |text: &str, is_tcp, address: &str, port| {
            ExpectedPort::parse(text)
                .unwrap_or_else(|| panic!("{text}"))
                .covers(is_tcp, address.parse().unwrap(), port)
        };
        assert!(covers("tcp/22", true, "0.0.0.0", 22) && !covers("tcp/22", false, "0.0.0.0", 22));
        assert!(covers("443", true, "::", 443) && covers("443", false, "::", 443));
        assert!(
            covers("tcp/8000-8100", true, "::", 8100) && !covers("tcp/8000-8100", true, "::", 8101)
        );
        assert!(covers(
            "udp/51820@192.168.1.2",
            false,
            "::ffff:192.168.1.2",
            51820
        ));
        assert!(!covers("udp/51820@192.168.1.2", false, "0.0.0.0", 51820));
        assert!(covers("53@[fd00::1]", true, "fd00::1", 53));
        for bad in [
            "", "tcp", "tcp/", "sctp/1", "0", "70000", "9-8", "1-", "22@", "22@host", "tcp/22/x",
        ] {
            assert_eq!(ExpectedPort::parse(bad), None, "{bad}");
        }
    }
}
