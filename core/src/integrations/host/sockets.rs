//! The sockets that listen on the host, with the programs behind them.
//!
//! What flows through: the kernel's tables in, one entry for each socket out. What it never does: connect to anything, or read a
//! program's arguments. A program that belongs to another user is not known, unless Steward runs as root.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use crate::ports::{ListeningSocket, Transport};

/// The kernel's tables of sockets (proc_net(5)), with what they hold.
const TABLES: [(&str, Transport); 4] = [
    ("net/tcp", Transport::Tcp),
    ("net/tcp6", Transport::Tcp),
    ("net/udp", Transport::Udp),
    ("net/udp6", Transport::Udp),
];
/// The state of a TCP socket that listens (`TCP_LISTEN` in the kernel's `tcp_states.h`).
const LISTENS: &str = "0A";
/// The state of a UDP socket that is bound and not connected (`TCP_CLOSE`).
const UNCONNECTED: &str = "07";

/// Every socket that listens, by the tables below `proc`, in order.
///
/// # Errors
/// In words, where a table can't be read or understood. Without IPv6 its tables are missing, which is no error.
pub(super) fn listening(proc: &Path) -> Result<Vec<ListeningSocket>, String> {
    let mut found = Vec::new();
    for (name, transport) in TABLES {
        let path = proc.join(name);
        let table = match fs::read_to_string(&path) {
            Ok(table) => table,
            Err(error) if error.kind() == ErrorKind::NotFound && name.ends_with('6') => continue,
            Err(error) => return Err(format!("{} can't be read: {error}", path.display())),
        };
        for line in table.lines().skip(1) {
            let entry = entry(line, transport)
                .ok_or_else(|| format!("{} can't be understood: {line}", path.display()))?;
            found.extend(entry);
        }
    }
    let programs = programs(proc, &found);
    let sockets: BTreeSet<_> = found
        .into_iter()
        .map(|entry| ListeningSocket {
            program: programs.get(&entry.inode).cloned(),
            ..entry.socket
        })
        .collect();
    Ok(sockets.into_iter().collect())
}

/// A line of a table.
struct Entry {
    socket: ListeningSocket,
    inode: u64,
}

/// The socket of a line where it listens; `None` where the line can't be understood.
fn entry(line: &str, transport: Transport) -> Option<Option<Entry>> {
    // `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …`
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, remote, state) = (fields.get(1)?, fields.get(2)?, fields.get(3)?);
    let inode: u64 = fields.get(9)?.parse().ok()?;
    let (address, port) = end(local)?;
    let (other, _) = end(remote)?;
    let is_open = match transport {
        Transport::Tcp => *state == LISTENS,
        Transport::Udp => *state == UNCONNECTED && other.is_unspecified(),
    };
    // A socket without a port takes no datagrams.
    if !is_open || port == 0 {
        return Some(None);
    }
    Some(Some(Entry {
        socket: ListeningSocket {
            transport,
            address,
            port,
            program: None,
        },
        inode,
    }))
}

/// An address and port as the kernel writes them: words of the address in the machine's byte order, the port in plain hexadecimal.
fn end(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words: Vec<[u8; 4]> = address
        .as_bytes()
        .chunks(8)
        .map(|word| {
            let word = std::str::from_utf8(word).ok()?;
            Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
        })
        .collect::<Option<_>>()?;
    let address = match words.as_slice() {
        [word] => IpAddr::V4(Ipv4Addr::from(*word)),
        [a, b, c, d] => {
            let mut bytes = [0; 16];
            for (place, byte) in bytes.iter_mut().zip([a, b, c, d].into_iter().flatten()) {
                *place = *byte;
            }
            let address = Ipv6Addr::from(bytes);
            address
                .to_ipv4_mapped()
                .map_or(IpAddr::V6(address), IpAddr::V4)
        }
        _ => return None,
    };
    Some((address, port))
}

/// The programs that hold these sockets, as far as this user may see. Processes come and go meanwhile, so what can't be read is left out.
fn programs(proc: &Path, wanted: &[Entry]) -> HashMap<u64, String> {
    let wanted: BTreeSet<u64> = wanted.iter().map(|entry| entry.inode).collect();
    let mut found = HashMap::new();
    let Ok(processes) = fs::read_dir(proc) else {
        return found;
    };
    for process in processes.flatten() {
        let is_process = process
            .file_name()
            .to_str()
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        if !is_process {
            continue;
        }
        let Ok(files) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let held: Vec<u64> = files
            .flatten()
            .filter_map(|file| fs::read_link(file.path()).ok())
            .filter_map(|target| {
                let target = target.to_str()?;
                let inode = target.strip_prefix("socket:[")?.strip_suffix(']')?;
                inode.parse().ok()
            })
            .filter(|inode| wanted.contains(inode))
            .collect();
        if held.is_empty() {
            continue;
        }
        let Ok(name) = fs::read_to_string(process.path().join("comm")) else {
            continue;
        };
        for inode in held {
            found
                .entry(inode)
                .or_insert_with(|| name.trim_end().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    #[test]
    fn this_program_finds_its_own_sockets() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let six = TcpListener::bind("[::1]:0").ok();
        let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
        let connected = UdpSocket::bind("127.0.0.1:0").unwrap();
        connected.connect("127.0.0.1:9").unwrap();
        let client = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
        let found = listening(Path::new("/proc")).unwrap();
        let has = |transport, address: std::net::SocketAddr| {
            found.iter().find(|socket| {
                socket.transport == transport
                    && socket.address == address.ip()
                    && socket.port == address.port()
            })
        };
        let own = fs::read_to_string("/proc/self/comm").unwrap();
        let listens = has(Transport::Tcp, tcp.local_addr().unwrap()).unwrap();
        // The thread's name stands in /proc/self/comm of tests, the program's in that of the process.
        assert!(listens.program.is_some(), "{own}");
        if let Some(six) = six {
            assert!(has(Transport::Tcp, six.local_addr().unwrap()).is_some());
        }
        assert!(has(Transport::Udp, udp.local_addr().unwrap()).is_some());
        assert!(has(Transport::Udp, connected.local_addr().unwrap()).is_none());
        let other_end = client.local_addr().unwrap();
        assert!(has(Transport::Tcp, other_end).is_none());
    }

    #[test]
    fn tables_are_read_as_the_kernel_writes_them() {
        let folder = tempfile::tempdir().unwrap();
        let net = folder.path().join("net");
        fs::create_dir(&net).unwrap();
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let write = |name: &str, lines: &str| {
            fs::write(net.join(name), format!("{head}{lines}")).unwrap();
        };
        // As on a little-endian machine: sshd on 0.0.0.0:22, one that is connected, one without a port.
        write(
            "tcp",
            "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1 0\n   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 102 1 0\n",
        );
        write(
            "udp",
            "  99: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 103 2 0\n  98: 00000000:0000 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 104 2 0\n",
        );
        let process = folder.path().join("7");
        fs::create_dir_all(process.join("fd")).unwrap();
        fs::write(process.join("comm"), "sshd\n").unwrap();
        std::os::unix::fs::symlink("socket:[101]", process.join("fd/3")).unwrap();
        let shown = |folder: &Path| -> Vec<String> {
            listening(folder)
                .unwrap()
                .iter()
                .map(|socket| {
                    format!(
                        "{} {}:{} {:?}",
                        socket.transport.as_str(),
                        socket.address,
                        socket.port,
                        socket.program
                    )
                })
                .collect()
        };
        if cfg!(target_endian = "little") {
            assert_eq!(
                shown(folder.path()),
                ["tcp 0.0.0.0:22 Some(\"sshd\")", "udp 127.0.0.1:53 None"]
            );
        }
        write(
            "tcp6",
            "   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 105 1 0\n",
        );
        assert!(shown(folder.path()).contains(&"tcp :::80 None".to_owned()));

        // Nonsense is no empty list, and neither is a table that is not there.
        write("tcp6", "   0: what is this\n");
        assert!(listening(folder.path()).is_err());
        fs::remove_file(net.join("tcp6")).unwrap();
        fs::remove_file(net.join("udp")).unwrap();
        assert!(listening(folder.path()).unwrap_err().contains("udp"));
    }
}
