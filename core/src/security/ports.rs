//! Ports that others can reach: what listens, and what containers publish; against what is expected.
//!
//! What flows through: sockets and publications in, one entry for each port out, with the reason why it is expected where it is. Pure: the
//! time is an input. What it never does: connect to anything, or forget by itself what a person accepted.
//!
//! A container's publication and the engine's helper (`docker-proxy`) that listens for it are one port. A port on all IPv4 and on all IPv6
//! addresses of the same program is one port too, shown as on `::`.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use steward_api::{OpenPort, PortFacts, Resource};

use super::authentication::is_local;
use crate::{
    config::ExpectedPort,
    ports::{ListeningSocket, PublishedPort, Transport},
};

/// Linux' default `net.ipv4.ip_local_port_range` (ip(7)): what a program gets that did not ask for a port of its own.
const HANDED_OUT: core::ops::RangeInclusive<u16> = 32_768..=60_999;
/// Ports that are remembered, at most. A program that opens one after the other must not fill the memory.
const MOST_REMEMBERED: usize = 4096;

/// A port as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortId {
    /// `tcp` or `udp`.
    pub transport: String,
    /// On which address; `0.0.0.0` for all, of whichever kind.
    pub address: IpAddr,
    /// Which.
    pub port: u16,
}

impl PortId {
    /// The one of an open port.
    pub fn of(port: &OpenPort) -> Self {
        Self::on(port.address, &port.transport, port.port)
    }

    fn on(address: IpAddr, transport: &str, port: u16) -> Self {
        Self {
            transport: transport.to_owned(),
            address: if address.is_unspecified() {
                IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            } else {
                address
            },
            port,
        }
    }
}

/// What was seen before. To be kept by whoever calls, over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortMemory {
    /// When ports were first looked at; absent before that.
    pub begun_at: Option<Timestamp>,
    /// When each port was first seen.
    #[serde(with = "pairs")]
    pub first_seen: BTreeMap<PortId, Timestamp>,
    /// Ports of which a person said that they are to be open, and when.
    #[serde(with = "pairs")]
    pub accepted: BTreeMap<PortId, Timestamp>,
}

/// A map whose keys are more than texts, as a list of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::PortId;

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<PortId, Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<PortId, Timestamp>, D::Error> {
        Ok(Vec::<(PortId, Timestamp)>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}

impl PortMemory {
    /// Remembers what is open now. Where there is no more room, what is not open any more goes first, then what was seen last.
    pub fn remember(&mut self, open: &[OpenPort], now: Timestamp) {
        self.begun_at.get_or_insert(now);
        for port in open {
            self.first_seen.entry(PortId::of(port)).or_insert(now);
        }
        if self.first_seen.len() > MOST_REMEMBERED {
            let is_open: std::collections::BTreeSet<PortId> = open.iter().map(PortId::of).collect();
            let mut order: Vec<(bool, Timestamp, PortId)> = self
                .first_seen
                .iter()
                .map(|(id, at)| (!is_open.contains(id), *at, id.clone()))
                .collect();
            order.sort();
            for (_, _, id) in order.into_iter().skip(MOST_REMEMBERED) {
                self.first_seen.remove(&id);
            }
        }
    }

    /// Takes a person's word that a port is to be open.
    pub fn accept(&mut self, port: PortId, now: Timestamp) {
        self.accepted.insert(port, now);
    }

    /// Takes it for a port as it is known as a resource, on each of its addresses.
    pub fn accept_facts(&mut self, facts: &PortFacts, now: Timestamp) {
        for address in &facts.addresses {
            self.accept(PortId::on(*address, &facts.transport, facts.port), now);
        }
    }

    fn why(&self, id: &PortId, learn_for: SignedDuration) -> Option<String> {
        if let Some(at) = self.accepted.get(id) {
            return Some(format!("accepted on {}", day(*at)));
        }
        let begun = self.begun_at?;
        let seen = *self.first_seen.get(id)?;
        let learned = begun
            .checked_add(learn_for)
            .map_or(true, |until| seen <= until);
        learned.then(|| format!("learned on {}", day(seen)))
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// Everything that is known of a host's ports at one time.
#[derive(Clone, Copy, Debug)]
pub struct PortsSeen<'s> {
    /// What listens.
    pub sockets: &'s [ListeningSocket],
    /// What containers publish.
    pub published: &'s [PublishedPort],
    /// Where Steward itself listens.
    pub own: &'s [(IpAddr, u16)],
    /// What the configuration expects.
    pub expected: &'s [ExpectedPort],
    /// How long is learned.
    pub learn_for: SignedDuration,
}

/// The TCP ports that a container publishes, by what is known of every container.
pub fn published_by(resource: &Resource) -> Vec<PublishedPort> {
    let Some(facts) = resource.container() else {
        return Vec::new();
    };
    facts
        .ports
        .iter()
        .filter_map(|port| {
            let address = port.published_on.as_deref().unwrap_or_default();
            Some(PublishedPort {
                container: resource.id.clone(),
                transport: Transport::Tcp,
                // Nothing is written for all of them by older engines.
                address: address.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
                port: port.published?,
                inside: port.container,
            })
        })
        .collect()
}

/// Every open port, those that are exposed and not expected first. What is seen for the first time is remembered.
pub fn open_ports(seen: &PortsSeen<'_>, memory: &mut PortMemory, now: Timestamp) -> Vec<OpenPort> {
    let mut ports = joined(seen);
    memory.remember(&ports, now);
    for port in &mut ports {
        let id = PortId::of(port);
        port.first_seen = memory.first_seen.get(&id).copied();
        port.expected = why(port, &id, seen, memory);
    }
    ports.sort_by_key(|port| {
        (
            !(port.is_exposed && port.expected.is_none()),
            !port.is_exposed,
            port.port,
            port.transport.clone(),
            port.address,
        )
    });
    ports
}

fn why(port: &OpenPort, id: &PortId, seen: &PortsSeen<'_>, memory: &PortMemory) -> Option<String> {
    let is_tcp = port.transport == Transport::Tcp.as_str();
    let is_own = is_tcp
        && port.container.is_none()
        && seen
            .own
            .iter()
            .any(|(address, own)| *own == port.port && meets(*address, port.address));
    if is_own {
        return Some("Steward's own".to_owned());
    }
    let is_configured = seen
        .expected
        .iter()
        .any(|one| one.covers(is_tcp, port.address, port.port));
    if is_configured {
        return Some("configured".to_owned());
    }
    if let Some(learned) = memory.why(id, seen.learn_for) {
        return Some(learned);
    }
    // A name was looked up, or something was sent: the answer's way back, closed again in a moment.
    let is_way_back = !is_tcp && port.container.is_none() && HANDED_OUT.contains(&port.port);
    is_way_back.then(|| "handed out by the system for outgoing traffic".to_owned())
}

/// Whether an address is the other, or one of them stands for all.
fn meets(a: IpAddr, b: IpAddr) -> bool {
    a.is_unspecified() || b.is_unspecified() || a.to_canonical() == b.to_canonical()
}

/// Sockets and publications, each port once.
fn joined(seen: &PortsSeen<'_>) -> Vec<OpenPort> {
    let mut ports: Vec<OpenPort> = Vec::new();
    for published in seen.published {
        let address = published.address.to_canonical();
        let open = OpenPort {
            transport: published.transport.as_str().to_owned(),
            address,
            port: published.port,
            program: None,
            container: Some((published.container.clone(), published.inside)),
            is_exposed: !is_local(address),
            expected: None,
            first_seen: None,
        };
        add(&mut ports, open);
    }
    for socket in seen.sockets {
        let address = socket.address.to_canonical();
        // The engine's helper listens for the container. Whose socket it is can only be told as root, so the place has to do.
        let is_helper = socket.program.as_deref().is_none_or(|program| {
            matches!(program, "docker-proxy" | "rootlessport" | "slirp4netns")
        });
        let is_known = ports.iter().any(|port| {
            port.container.is_some()
                && port.transport == socket.transport.as_str()
                && port.port == socket.port
                && (port.address == address
                    || (port.address.is_unspecified() && address.is_unspecified()))
        });
        if is_helper && is_known {
            continue;
        }
        let open = OpenPort {
            transport: socket.transport.as_str().to_owned(),
            address,
            port: socket.port,
            program: socket.program.clone(),
            container: None,
            is_exposed: !is_local(address),
            expected: None,
            first_seen: None,
        };
        add(&mut ports, open);
    }
    ports
}

/// Adds a port, unless it is there on all addresses of the other kind; then it is on all of both.
fn add(ports: &mut Vec<OpenPort>, open: OpenPort) {
    let same = ports.iter_mut().find(|port| {
        port.transport == open.transport
            && port.port == open.port
            && port.program == open.program
            && port.container == open.container
            && (port.address == open.address
                || (port.address.is_unspecified() && open.address.is_unspecified()))
    });
    match same {
        Some(port) if port.address != open.address => {
            port.address = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        }
        Some(_) => {}
        None => ports.push(open),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use steward_api::ResourceId;

    use super::*;

    fn socket(
        transport: Transport,
        place: &str,
        port: u16,
        program: Option<&str>,
    ) -> ListeningSocket {
        ListeningSocket {
            transport,
            address: place.parse().unwrap(),
            port,
            program: program.map(str::to_owned),
        }
    }

    fn published(
        transport: Transport,
        place: &str,
        port: u16,
        name: &str,
        inside: u16,
    ) -> PublishedPort {
        PublishedPort {
            container: ResourceId::container("atlas", name),
            transport,
            address: place.parse().unwrap(),
            port,
            inside,
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn shown(ports: &[OpenPort]) -> Vec<String> {
        ports
            .iter()
            .map(|port| {
                format!(
                    "{}/{}@{} {} {} {}",
                    port.transport,
                    port.port,
                    port.address,
                    port.container.as_ref().map_or_else(
                        || port.program.clone().unwrap_or_else(|| "?".to_owned()),
                        |(id, inside)| format!("{}:{inside}", id.name)
                    ),
                    if port.is_exposed { "exposed" } else { "local" },
                    port.expected.as_deref().unwrap_or("UNEXPECTED")
                )
            })
            .collect()
    }

    #[test]
    fn each_port_is_told_once_and_why_it_is_expected() {
        use Transport::{Tcp, Udp};
        let sockets = [
            socket(Tcp, "0.0.0.0", 22, Some("sshd")),
            socket(Tcp, "::", 22, Some("sshd")),
            socket(Tcp, "0.0.0.0", 8080, Some("docker-proxy")),
            socket(Tcp, "::", 8080, Some("docker-proxy")),
            socket(Tcp, "127.0.0.1", 5432, None),
            socket(Tcp, "127.0.0.1", 9470, Some("steward")),
            socket(Tcp, "192.168.1.2", 8443, Some("nginx")),
            socket(Udp, "0.0.0.0", 51820, None),
            socket(Udp, "0.0.0.0", 40000, Some("avahi-daemon")),
            socket(Tcp, "0.0.0.0", 4444, Some("nc")),
        ];
        let published = [
            published(Tcp, "0.0.0.0", 8080, "web", 80),
            published(Tcp, "::", 8080, "web", 80),
            published(Tcp, "127.0.0.1", 5432, "db", 5432),
            // Without the helper there is no socket.
            published(Udp, "192.168.1.2", 53, "dns", 53),
        ];
        let expected: Vec<_> = ["tcp/22", "8443@192.168.1.2"]
            .iter()
            .map(|text| ExpectedPort::parse(text).unwrap())
            .collect();
        let seen = PortsSeen {
            sockets: &sockets,
            published: &published,
            own: &[("127.0.0.1".parse().unwrap(), 9470)],
            expected: &expected,
            learn_for: SignedDuration::from_hours(24),
        };
        let mut memory = PortMemory {
            begun_at: Some(at("2026-11-01T00:00:00Z")),
            first_seen: [(
                PortId {
                    transport: "tcp".to_owned(),
                    address: "0.0.0.0".parse().unwrap(),
                    port: 8080,
                },
                at("2026-11-01T10:00:00Z"),
            )]
            .into(),
            accepted: BTreeMap::new(),
        };
        memory.accept(
            PortId {
                transport: "udp".to_owned(),
                address: "192.168.1.2".parse().unwrap(),
                port: 53,
            },
            at("2026-11-20T00:00:00Z"),
        );
        let now = at("2026-11-28T00:00:00Z");
        let ports = open_ports(&seen, &mut memory, now);
        assert_eq!(
            shown(&ports),
            [
                "tcp/4444@0.0.0.0 nc exposed UNEXPECTED",
                "tcp/22@:: sshd exposed configured",
                "udp/53@192.168.1.2 dns:53 exposed accepted on 2026-11-20",
                "tcp/8080@:: web:80 exposed learned on 2026-11-01",
                "tcp/8443@192.168.1.2 nginx exposed configured",
                "udp/40000@0.0.0.0 avahi-daemon exposed handed out by the system for outgoing traffic",
                "udp/51820@0.0.0.0 ? exposed handed out by the system for outgoing traffic",
                "tcp/5432@127.0.0.1 db:5432 local UNEXPECTED",
                "tcp/9470@127.0.0.1 steward local Steward's own",
            ]
        );
        assert!(ports.iter().all(|port| port.first_seen.is_some()));
    }

    #[test]
    fn what_opens_while_learning_is_expected_and_what_opens_later_is_not() {
        let mut memory = PortMemory::default();
        let look = |memory: &mut PortMemory, sockets: &[ListeningSocket], now: &str| {
            let seen = PortsSeen {
                sockets,
                published: &[],
                own: &[],
                expected: &[],
                learn_for: SignedDuration::from_hours(24),
            };
            open_ports(&seen, memory, at(now))
                .into_iter()
                .map(|port| (port.port, port.expected))
                .collect::<Vec<_>>()
        };
        let first = socket(Transport::Tcp, "0.0.0.0", 80, None);
        let second = socket(Transport::Tcp, "0.0.0.0", 81, None);
        let third = socket(Transport::Tcp, "0.0.0.0", 82, None);
        assert_eq!(
            look(
                &mut memory,
                std::slice::from_ref(&first),
                "2026-11-01T00:00:00Z"
            ),
            [(80, Some("learned on 2026-11-01".to_owned()))]
        );
        look(
            &mut memory,
            std::slice::from_ref(&second),
            "2026-11-01T23:00:00Z",
        );
        let later = look(
            &mut memory,
            &[first.clone(), second.clone(), third.clone()],
            "2026-11-03T00:00:00Z",
        );
        assert_eq!(later[0], (82, None));
        assert!(later[1..].iter().all(|(_, expected)| expected.is_some()));
        // Still not a week later, until a person says so; and over a restart.
        let text = serde_json::to_string(&memory).unwrap();
        let mut memory: PortMemory = serde_json::from_str(&text).unwrap();
        assert_eq!(
            look(
                &mut memory,
                std::slice::from_ref(&third),
                "2026-11-10T00:00:00Z"
            ),
            [(82, None)]
        );
        let id = PortId {
            transport: "tcp".to_owned(),
            address: "0.0.0.0".parse().unwrap(),
            port: 82,
        };
        memory.accept(id, at("2026-11-11T00:00:00Z"));
        assert_eq!(
            look(&mut memory, &[third], "2026-11-12T00:00:00Z")[0]
                .1
                .as_deref(),
            Some("accepted on 2026-11-11")
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn memory_is_bounded_and_no_port_is_lost(ports in prop::collection::vec((1_u16..2000, 0_u8..3, any::<bool>()), 0..200)) {
            let sockets: Vec<_> = ports.iter().map(|(port, place, tcp)| socket(
                if *tcp { Transport::Tcp } else { Transport::Udp },
                ["0.0.0.0", "::", "127.0.0.1"][usize::from(*place)], *port, None,
            )).collect();
            let seen = PortsSeen { sockets: &sockets, published: &[], own: &[], expected: &[], learn_for: SignedDuration::from_hours(1) };
            let mut memory = PortMemory::default();
            let found = open_ports(&seen, &mut memory, at("2026-11-01T00:00:00Z"));
            for socket in &sockets {
                prop_assert!(found.iter().any(|port| port.port == socket.port
                    && port.transport == socket.transport.as_str()
                    && (port.address == socket.address || (port.address.is_unspecified() && socket.address.is_unspecified()))));
            }
            let mut ids: Vec<_> = found.iter().map(PortId::of).collect();
            ids.sort();
            ids.dedup();
            prop_assert_eq!(ids.len(), found.len());
        }
    }

    #[test]
    fn a_flood_of_ports_does_not_fill_the_memory() {
        let mut memory = PortMemory::default();
        for round in 0..4_u16 {
            let sockets: Vec<_> = (1..3000)
                .map(|n| socket(Transport::Tcp, "0.0.0.0", round * 3000 + n, None))
                .collect();
            let seen = PortsSeen {
                sockets: &sockets,
                published: &[],
                own: &[],
                expected: &[],
                learn_for: SignedDuration::from_hours(1),
            };
            let _ = open_ports(
                &seen,
                &mut memory,
                at("2026-11-01T00:00:00Z")
                    .checked_add(SignedDuration::from_hours(i64::from(round) * 5))
                    .unwrap(),
            );
            assert!(memory.first_seen.len() <= 4096);
        }
    }
}
