//! `scan ports`: what others can reach.
//!
//! What flows through: the host's sockets and what containers publish; a table out. What it never does: connect to a port, or learn: what
//! is learned over time an agent keeps.

use jiff::SignedDuration;
use serde::Serialize;
use steward_api::{OpenPort, ScanPart};

use super::{exit_for, gaps_as_text, print_found};
use crate::{
    cli::{
        Context,
        failure::{Exit, Failure},
        output::{Screen, Tone, units},
    },
    config::ScannedPorts,
    security::{
        access::{self, Ports},
        ports::PortMemory,
    },
    wire,
};

pub(super) async fn ports(context: &Context) -> Result<Exit, Failure> {
    let screen = &context.screen;
    let config = context.config()?;
    let (edges, gaps) = wire::scan_edges(&config);
    // One look teaches nothing: what is open now would be expected because it is open.
    let looked_for = ScannedPorts {
        learn_for: SignedDuration::from_secs(-1),
        ..config.security.ports.clone()
    };
    let mut found = access::scan_ports(
        &edges,
        &looked_for,
        &wire::own_places(&config),
        &mut PortMemory::default(),
        screen.now,
    )
    .await;
    found.gaps.splice(0..0, gaps);
    for port in &mut found.ports {
        port.first_seen = None;
    }
    if screen.json {
        #[derive(Serialize)]
        struct PortsJson<'f> {
            ports: &'f [OpenPort],
        }
        let json = PortsJson {
            ports: &found.ports,
        };
        print_found(screen, ScanPart::Ports, &found.gaps, json)?;
    } else {
        screen.print(&render(screen, &found))?;
    }
    Ok(exit_for(&found.gaps))
}

pub(super) fn render(screen: &Screen, found: &Ports) -> String {
    let rows = found.ports.iter().map(row).collect();
    let mut out = screen.table(&["", "PORT", "ON", "WHO", "EXPECTED"], rows);
    let unexpected = found
        .ports
        .iter()
        .filter(|port| port.is_exposed && port.expected.is_none())
        .count() as u64;
    let exposed = found.ports.iter().filter(|port| port.is_exposed).count() as u64;
    out.push_str(&format!(
        "\n{} open, {exposed} of them to other machines, {unexpected} of those not expected\n",
        units::count(found.ports.len() as u64, "port")
    ));
    if unexpected > 0 {
        out.push_str(&screen.wrapped(
            0,
            "→ Name those that are to be open under security.ports.expected, such as \"tcp/22\", and close the others.",
        ));
    }
    out.push_str(&gaps_as_text(screen, &found.gaps));
    out
}

fn row(port: &OpenPort) -> Vec<(String, Tone)> {
    let (mark, tone) = match (port.is_exposed, &port.expected) {
        (true, None) => ("▲ open", Tone::Warn),
        (true, Some(_)) => ("● open", Tone::Plain),
        (false, _) => ("○ local", Tone::Quiet),
    };
    let on = if port.address.is_unspecified() {
        "all addresses".to_owned()
    } else {
        port.address.to_string()
    };
    let who = match (&port.container, &port.program) {
        (Some((container, inside)), _) => {
            format!("container {}, its port {inside}", container.short())
        }
        (None, Some(program)) => program.clone(),
        (None, None) => "not known".to_owned(),
    };
    vec![
        (mark.to_owned(), tone),
        (format!("{}/{}", port.transport, port.port), Tone::Strong),
        (on, Tone::Plain),
        (who, Tone::Plain),
        (
            port.expected.clone().unwrap_or_else(|| "no".to_owned()),
            if port.expected.is_some() || !port.is_exposed {
                Tone::Quiet
            } else {
                Tone::Warn
            },
        ),
    ]
}
