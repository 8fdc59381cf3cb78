//! What scans look like for people.
use jiff::{Timestamp, tz::TimeZone};
use steward_api::{ConfigurationRisk, ConfigurationRiskKind, OpenPort, ResourceId};

use super::{auth, config, ports};
use crate::{
    cli::output::Screen,
    config::Authentication,
    security::{
        access::{Ports, Risks, conclude, reading},
        authentication::{Clock, Origin, Own},
    },
};

fn screen() -> Screen {
    Screen {
        color: false,
        width: None,
        now: "2026-11-28T12:00:00Z".parse().unwrap(),
        zone: TimeZone::UTC,
        json: false,
    }
}

#[test]
fn sources_are_shown_with_units_and_what_was_read() {
    let screen = screen();
    let settings = Authentication::default();
    let clock = Clock {
        now: screen.now,
        zone: screen.zone.clone(),
    };
    let (mut reading, _) = reading(&settings, clock);
    let origin = Origin {
        resource: ResourceId::host("atlas"),
        service: None,
    };
    for n in 0..7 {
        reading.line(
            &origin,
            &format!("Nov 28 03:03:3{n} atlas sshd[1]: Failed password for root\u{1b}[31m from 203.0.113.1 port {n} ssh2"),
        );
    }
    reading.line(&origin, "nothing of interest");
    let text = auth::render(&screen, &conclude(&reading, &Own::default()), &settings);
    assert!(
        text.contains("brute force") && text.contains("203.0.113.1"),
        "{text}"
    );
    assert!(
        text.contains("MOST IN 10M") && text.contains("03:03"),
        "{text}"
    );
    assert!(
        text.contains("8 lines read") && text.contains("7 understood (sshd 7)"),
        "{text}"
    );
    assert!(text.contains("7 failures, 0 successes"), "{text}");
    assert!(
        !text.contains('\u{1b}'),
        "a name must not steer the terminal"
    );
}

#[test]
fn ports_and_risks_say_what_to_do() {
    let screen = screen();
    let port = OpenPort {
        transport: "tcp".to_owned(),
        address: "::".parse().unwrap(),
        port: 8080,
        program: None,
        container: Some((ResourceId::container("atlas", "web"), 80)),
        is_exposed: true,
        expected: None,
        first_seen: None::<Timestamp>,
    };
    let text = ports::render(
        &screen,
        &Ports {
            ports: vec![port],
            gaps: vec!["the engine does not answer".to_owned()],
        },
    );
    assert!(
        text.contains("tcp/8080") && text.contains("container web, its port 80"),
        "{text}"
    );
    assert!(
        text.contains("all addresses") && text.contains("1 of those not expected"),
        "{text}"
    );
    assert!(
        text.contains("not read") && text.contains("does not answer"),
        "{text}"
    );
    let risk = ConfigurationRisk {
        resource: ResourceId::container("atlas", "web"),
        kind: ConfigurationRiskKind::Privileged,
        what: "it is privileged".to_owned(),
        advice: "take it away".to_owned(),
    };
    let text = config::render(
        &screen,
        &Risks {
            risks: vec![risk],
            containers: 1,
            gaps: Vec::new(),
        },
    );
    assert!(
        text.contains("atlas/container/web") && text.contains("→ take it away"),
        "{text}"
    );
    assert!(text.contains("1 risk in 1 container"), "{text}");
}
