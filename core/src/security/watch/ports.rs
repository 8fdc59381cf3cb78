//! Ports: what listens on the host and what containers publish, against what was learned, as a source.
//!
//! What flows through: sockets in; one resource for each port that is open to other machines out. What it never does: take for closed what
//! could not be read, or learn from a reading with gaps that something else is there for the first time.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use steward_api::{Facts, Health, OpenPort, PortFacts, Resource, ScanPart};

use super::{Keeper, PartReader, coverage, observed, resource};
use crate::{
    config::Config,
    ports::{Clock, Found, Observation, SourceError},
    security::{
        ACCEPTED_PORTS,
        access::{Edges, scan_ports},
        port_id,
        ports::PortMemory,
    },
};

/// Reading the sockets of a host with many.
const TIMEOUT: Duration = Duration::from_mins(2);
/// What was seen before.
const KEPT: &str = "security/ports";

/// Reads ports.
pub struct PortSource {
    /// The configuration in force.
    pub config: Arc<Config>,
    /// Where it is kept what was learned.
    pub keeper: Keeper,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The host's sockets and the containers' ports.
    pub edges: Edges,
    /// Where Steward itself listens.
    pub own: Vec<(IpAddr, u16)>,
}

#[async_trait]
impl PartReader for PortSource {
    const PART: ScanPart = ScanPart::Ports;
    const TIMEOUT: Duration = TIMEOUT;

    async fn read(&self) -> Result<Observation, SourceError> {
        let now = self.clock.now();
        let (memory, trouble) = self.keeper.kept::<PortMemory>(KEPT).await;
        let (accepted, more) = self.keeper.kept::<PortMemory>(ACCEPTED_PORTS).await;
        if let Some(reason) = trouble.or(more) {
            // Without what was learned everything would look new.
            return Err(SourceError::Unreachable {
                what: "what was learned of ports".to_owned(),
                reason,
            });
        }
        let before = memory.unwrap_or_default();
        let mut memory = before.clone();
        memory.accepted = accepted.unwrap_or_default().accepted;
        let found = scan_ports(
            &self.edges,
            &self.config.security.ports,
            &self.own,
            &mut memory,
            now,
        )
        .await;
        let mut gaps = found.gaps;
        if found.ports.is_empty() && !gaps.is_empty() {
            return Err(SourceError::Unreachable {
                what: "what listens here".to_owned(),
                reason: gaps.join("; "),
            });
        }
        memory.accepted.clear();
        if memory != before {
            gaps.extend(self.keeper.keep(KEPT, now, &memory).await);
        }
        let resources = of_ports(&self.config.node.name, &found.ports, now);
        let coverage = coverage(&gaps);
        Ok(observed(
            Found::Ports(found.ports),
            gaps,
            coverage,
            resources,
            self.clock.now(),
        ))
    }
}

/// One resource for each port that is open to other machines, on however many addresses.
pub(super) fn of_ports(node: &str, ports: &[OpenPort], at: Timestamp) -> Vec<Resource> {
    let mut by_number: BTreeMap<(u16, &str), Vec<&OpenPort>> = BTreeMap::new();
    for port in ports.iter().filter(|port| port.is_exposed) {
        by_number
            .entry((port.port, &port.transport))
            .or_default()
            .push(port);
    }
    by_number
        .into_iter()
        .map(|((number, transport), ports)| {
            // One address of which nobody expects it is enough.
            let is_unexpected = ports.iter().any(|port| port.expected.is_none());
            let shown = ports
                .iter()
                .filter(|port| port.expected.is_none() == is_unexpected);
            let facts = PortFacts {
                transport: transport.to_owned(),
                port: number,
                addresses: shown.map(|port| port.address).collect(),
                program: ports.iter().find_map(|port| port.program.clone()),
                container: ports.iter().find_map(|port| port.container.clone()),
                expected: if is_unexpected {
                    None
                } else {
                    ports.iter().find_map(|port| port.expected.clone())
                },
                first_seen: ports.iter().filter_map(|port| port.first_seen).min(),
            };
            let reason = match &facts.expected {
                Some(why) => format!("open to other machines, expected: {why}"),
                None => "open to other machines, and not expected".to_owned(),
            };
            resource(
                port_id(node, transport, number),
                Health::Healthy,
                reason,
                Facts::Port(facts),
                at,
            )
        })
        .collect()
}
