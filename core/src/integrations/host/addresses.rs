//! The host's own addresses, by the kernel's tables.
//!
//! What flows through: `/proc/net` in, addresses out. What it never does: tell that there are none where they could not be read.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

/// Every address of this host, loopback included.
///
/// # Errors
/// In words, where the kernel's tables can't be read.
pub fn own_addresses() -> Result<Vec<IpAddr>, String> {
    of_tables(Path::new("/proc/net"))
}

fn of_tables(net: &Path) -> Result<Vec<IpAddr>, String> {
    let read = |name: &str| {
        let path = net.join(name);
        fs::read_to_string(&path).map_err(|error| {
            (
                error.kind(),
                format!("{} can't be read: {error}", path.display()),
            )
        })
    };
    let four = read("fib_trie").map_err(|(_, why)| why)?;
    let six = match read("if_inet6") {
        Ok(text) => text,
        // Without IPv6 the table is missing.
        Err((io::ErrorKind::NotFound, _)) => String::new(),
        Err((_, why)) => return Err(why),
    };
    let mut found: Vec<IpAddr> = local_of_trie(&four).map(IpAddr::V4).collect();
    found.extend(six.lines().filter_map(of_inet6).map(IpAddr::V6));
    found.sort();
    found.dedup();
    Ok(found)
}

/// In the kernel's fib_trie.c an own address is a leaf `|-- 192.168.1.2` followed by `/32 host LOCAL`.
fn local_of_trie(text: &str) -> impl Iterator<Item = Ipv4Addr> {
    let mut leaf = None;
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
            return None;
        }
        if line == "/32 host LOCAL" { leaf } else { None }
    })
}

/// `fe80…: 32 digits, the interface's number, the prefix …` (proc_net(5)).
fn of_inet6(line: &str) -> Option<Ipv6Addr> {
    let digits = line.split_whitespace().next()?;
    (digits.len() == 32)
        .then(|| u128::from_str_radix(digits, 16).ok())
        .flatten()
        .map(Ipv6Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_a_loopback_address() {
        let found = own_addresses().unwrap();
        assert!(found.contains(&"127.0.0.1".parse().unwrap()), "{found:?}");
    }

    #[test]
    fn tables_are_read_as_the_kernel_writes_them() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("fib_trie"),
            "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 192.168.1.2\n        /32 host LOCAL\n     |-- 192.168.1.255\n        /32 link BROADCAST\n",
        )
        .unwrap();
        fs::write(
            folder.path().join("if_inet6"),
            "fe80000000000000021122fffe334455 02 40 20 80     eth0\n",
        )
        .unwrap();
        let shown: Vec<String> = of_tables(folder.path())
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(shown, ["192.168.1.2", "fe80::211:22ff:fe33:4455"]);
        assert!(of_tables(Path::new("/nonexistent")).is_err());
    }
}
