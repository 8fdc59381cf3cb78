//! Patterns for what is not a container: hosts, disks, units, the network, engines, endpoints, databases. Pure.

use steward_api::{ActionName, Evidence, Facts, Problem, Urgency};

use crate::ports::{Case, CatalogueMatch, Pattern};

/// One row: a problem, its cause and what helps.
struct Row {
    id: &'static str,
    problem: Problem,
    cause: &'static str,
    action: Option<ActionName>,
    urgency: Urgency,
    confidence: u8,
    reasoning: &'static str,
    advice: &'static str,
}

static ROWS: &[Row] = &[
    Row {
        id: "engine-down",
        problem: Problem::DockerUnreachable,
        cause: "The container engine is stopped or hangs",
        action: Some(ActionName::RestartDockerDaemon),
        urgency: Urgency::Critical,
        confidence: 75,
        reasoning: "several requests in a row went unanswered",
        advice: "Look at `systemctl status docker` and its log; a restart takes every container down for a moment.",
    },
    Row {
        id: "endpoint-slow",
        problem: Problem::EndpointSlow,
        cause: "It is overloaded, or waits for something slow",
        action: None,
        urgency: Urgency::Medium,
        confidence: 50,
        reasoning: "answers come, but late",
        advice: "Compare with its CPU use and with the databases that it needs.",
    },
    Row {
        id: "database-down",
        problem: Problem::DatabaseUnreachable,
        cause: "The database server does not accept connections",
        action: Some(ActionName::RestartContainer),
        urgency: Urgency::High,
        confidence: 65,
        reasoning: "connections fail while its container, where it has one, runs",
        advice: "Look at its log; while it recovers from a crash it refuses connections for a while.",
    },
    Row {
        id: "database-connections",
        problem: Problem::DatabaseConnections,
        cause: "Clients hold nearly all connections that the database allows",
        action: Some(ActionName::ResetConnections),
        urgency: Urgency::High,
        confidence: 75,
        reasoning: "connections in use have stayed close to the maximum",
        advice: "Look for a client that does not close its connections; raise max_connections or use a pooler.",
    },
    Row {
        id: "host-cpu",
        problem: Problem::HostCpu,
        cause: "The processes named in the evidence use up the processor",
        action: None,
        urgency: Urgency::Medium,
        confidence: 70,
        reasoning: "the host's processor has been busy for several readings",
        advice: "Limit or move what is not meant to use that much.",
    },
    Row {
        id: "host-memory",
        problem: Problem::HostMemory,
        cause: "The processes named in the evidence use up the memory",
        action: None,
        urgency: Urgency::High,
        confidence: 70,
        reasoning: "little memory has been available for several readings; soon the kernel will end something",
        advice: "Limit what grows, or stop what is not needed.",
    },
    Row {
        id: "disk-filling",
        problem: Problem::DiskFilling,
        cause: "The file system fills up",
        action: None,
        urgency: Urgency::High,
        // Below the bar from which on "no action" would hold the clean-up strategy back.
        confidence: 60,
        reasoning: "its use is above the threshold",
        advice: "Images, build cache, logs and old containers are tried first; then look for large files (du -xh / | sort -h | tail).",
    },
    Row {
        id: "unit-failed",
        problem: Problem::UnitFailed,
        cause: "The unit's program ended with an error",
        action: Some(ActionName::RestartUnit),
        urgency: Urgency::High,
        confidence: 60,
        reasoning: "systemd says that it failed and does not restart it by itself",
        advice: "Look at `journalctl -u` for the unit.",
    },
    Row {
        id: "dns-down",
        problem: Problem::DnsUnreachable,
        cause: "No configured name resolves",
        action: None,
        urgency: Urgency::High,
        confidence: 70,
        reasoning: "all configured names failed in several readings",
        advice: "Check the DNS server in /etc/resolv.conf, and whether it runs in one of the containers here.",
    },
    Row {
        id: "outside-down",
        problem: Problem::OutsideUnreachable,
        cause: "The connection to the outside is down",
        action: None,
        urgency: Urgency::High,
        confidence: 75,
        reasoning: "all configured targets failed in several readings",
        advice: "Check the router and the provider.",
    },
    Row {
        id: "mcp-server-down",
        problem: Problem::McpServerUnreachable,
        cause: "The server does not run, can't be reached, or does not speak the Model Context Protocol",
        action: None,
        urgency: Urgency::Medium,
        confidence: 60,
        reasoning: "it gave no answer in several readings, each with a new connection",
        advice: "Check its address or its command under [[mcp.servers]], its token, and its own log.",
    },
    Row {
        id: "mcp-tools-failing",
        problem: Problem::McpToolsFailing,
        cause: "The server runs, but fails when it is asked for its tools",
        action: None,
        urgency: Urgency::Medium,
        confidence: 60,
        reasoning: "it agreed on a version of the protocol, then the list of its tools failed in several readings",
        advice: "Look at its own log; it may lack what its tools need, or the token may not allow to list them.",
    },
];

/// The general patterns.
pub fn general_patterns() -> Vec<Box<dyn Pattern>> {
    ROWS.iter()
        .map(|row| Box::new(row) as Box<dyn Pattern>)
        .collect()
}

impl Pattern for &'static Row {
    fn entries(&self) -> Vec<&'static str> {
        vec![self.id]
    }

    fn explain(&self, case: &Case<'_>) -> Option<CatalogueMatch> {
        if case.problem != self.problem {
            return None;
        }
        let mut evidence = Vec::new();
        if let Facts::Engine(facts) = &case.resource.facts
            && let Some(error) = &facts.error
        {
            evidence.push(Evidence::new("engine", error.clone()));
        }
        Some(CatalogueMatch {
            entry: self.id,
            cause: self.cause.to_owned(),
            action: self.action,
            urgency: self.urgency,
            confidence: self.confidence,
            reasoning: self.reasoning.to_owned(),
            evidence,
            advice: self.advice.to_owned(),
        })
    }
}
