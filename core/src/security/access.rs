//! Scans of who could come in, and who tried: from the edges, through what judges, to findings.
//!
//! What flows through: ports of the house ([`Edges`]) and the configuration in; sign-ins, open ports and risks out, each with what could
//! not be read. What it never does: change anything, keep a log, or take what could not be read for clean.

use core::net::IpAddr;
use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use steward_api::{ConfigurationRisk, OpenPort, ResourceId, SignInSource};

use super::{
    authentication::{Clock, Custom, DistributedName, Dropped, Origin, Own, Reading, Thresholds},
    ports::{PortMemory, PortsSeen, open_ports},
    risks::{OwnFacts, of_containers, of_steward},
};
use crate::{
    config::{Authentication, ScannedPorts},
    ports::{ConfigurationProbe, ContainerLogs, HostLogPlan, HostLogs, HostProbe, LogPositions},
};

/// What is read; absent where it is switched off.
#[derive(Clone, Default)]
pub struct Edges {
    /// The host's sockets.
    pub host: Option<Arc<dyn HostProbe>>,
    /// The host's logs.
    pub host_logs: Option<Arc<dyn HostLogs>>,
    /// The containers' logs.
    pub container_logs: Option<Arc<dyn ContainerLogs>>,
    /// How containers are configured.
    pub configurations: Option<Arc<dyn ConfigurationProbe>>,
}

/// What was found of signing in.
#[derive(Clone, Debug, Default)]
pub struct SignIns {
    /// Sources with failures, the worst first.
    pub sources: Vec<SignInSource>,
    /// Names that many addresses tried.
    pub distributed: Vec<DistributedName>,
    /// Failures in all.
    pub failures: u64,
    /// Successes in all.
    pub successes: u64,
    /// Lines read.
    pub lines: u64,
    /// Lines understood, by form.
    pub understood: BTreeMap<String, u64>,
    /// What had to be let go, so that memory stays bounded.
    pub dropped: Dropped,
    /// Attempts whose line tells no time.
    pub untimed: u64,
    /// What was read.
    pub places: Vec<String>,
    /// What could not be read, in words with what to do.
    pub gaps: Vec<String>,
    /// Where the host's logs begin the next time.
    pub positions: LogPositions,
}

/// Ports that are open.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    /// Each, those that are exposed and not expected first.
    pub ports: Vec<OpenPort>,
    /// What could not be read, in words with what to do.
    pub gaps: Vec<String>,
}

/// Risks of configuration.
#[derive(Clone, Debug, Default)]
pub struct Risks {
    /// Each.
    pub risks: Vec<ConfigurationRisk>,
    /// How many containers were looked at.
    pub containers: u64,
    /// What could not be read, in words with what to do.
    pub gaps: Vec<String>,
}

/// The thresholds of a configuration.
pub fn thresholds(config: &Authentication) -> Thresholds {
    Thresholds {
        failures: u64::from(config.threshold),
        window: config.window,
        names: u64::from(config.spraying_users),
        addresses: u64::from(config.distributed_addresses),
    }
}

/// A reading as configured. What is wrong with a pattern of the operator's own is told; the others are used.
pub fn reading(config: &Authentication, clock: Clock) -> (Reading, Vec<String>) {
    let mut gaps = Vec::new();
    let customs = config
        .patterns
        .iter()
        .filter_map(|form| {
            Custom::new(&form.name, &form.regex, form.success)
                .map_err(|error| gaps.push(format!("the pattern {}: {error}", form.name)))
                .ok()
        })
        .collect();
    (Reading::new(thresholds(config), customs, clock), gaps)
}

/// What a reading came to.
pub fn conclude(reading: &Reading, own: &Own) -> SignIns {
    SignIns {
        sources: reading.found(own),
        distributed: reading.tally().distributed(),
        failures: reading.tally().failures(),
        successes: reading.tally().successes(),
        lines: reading.lines(),
        understood: reading.understood().clone(),
        dropped: reading.tally().dropped(),
        untimed: reading.untimed(),
        ..SignIns::default()
    }
}

/// Reads the logs of the host and of containers since a time, one after the other, and counts.
///
/// `positions` says where the host's logs were left; give none to read all of that time anew.
pub async fn sign_ins(
    edges: &Edges,
    config: &Authentication,
    host: &ResourceId,
    own: &Own,
    positions: &LogPositions,
    since: Timestamp,
    clock: Clock,
) -> SignIns {
    let (reading, mut gaps) = reading(config, clock);
    let mut reading = reading.since(since);
    let mut places = Vec::new();
    let mut left_at = positions.clone();
    if let Some(logs) = &edges.host_logs {
        let plan = HostLogPlan {
            own: config.host,
            files: config.log_files.clone(),
        };
        let origin = Origin {
            resource: host.clone(),
            service: None,
        };
        let read = logs
            .read(&plan, positions, since, &mut |_, line| {
                reading.line(&origin, line);
            })
            .await;
        places.extend(read.places);
        gaps.extend(read.gaps);
        left_at = read.positions;
    }
    if let Some(logs) = edges.container_logs.as_ref().filter(|_| config.containers) {
        match logs.logged().await {
            Err(gap) => gaps.push(gap),
            Ok(containers) => {
                let mut count = 0_u64;
                for container in containers {
                    let origin = Origin {
                        resource: container.container.clone(),
                        service: Some(container.container.short().to_owned()),
                    };
                    let is_ssh = has_ssh(&container.image);
                    let read = logs
                        .log_since(&container, since, &mut |at, line| {
                            reading.container_line(&origin, at, line, is_ssh);
                        })
                        .await;
                    match read {
                        Ok(read) => {
                            count += 1;
                            if read.is_cut {
                                gaps.push(format!(
                                    "the log of {} is longer than what is read at once: its newest lines are missing",
                                    container.container.short()
                                ));
                            }
                        }
                        Err(gap) => gaps.push(gap),
                    }
                }
                places.push(match count {
                    1 => "the log of 1 container".to_owned(),
                    count => format!("the logs of {count} containers"),
                });
            }
        }
    }
    SignIns {
        places,
        gaps,
        positions: left_at,
        ..conclude(&reading, own)
    }
}

/// Whether a container is likely to be an SSH server's, by its image. Only there a line without a head is taken for one of that server:
/// any other program may be made to print it.
fn has_ssh(image: &str) -> bool {
    ["ssh", "sftp", "gitea", "forgejo", "gitlab", "gogs"]
        .iter()
        .any(|word| image.contains(word))
}

/// Reads what listens and what containers publish. `own` is where Steward itself listens.
pub async fn scan_ports(
    edges: &Edges,
    config: &ScannedPorts,
    own: &[(IpAddr, u16)],
    memory: &mut PortMemory,
    now: Timestamp,
) -> Ports {
    let mut gaps = Vec::new();
    let sockets = match &edges.host {
        None => Vec::new(),
        Some(host) => host.sockets().await.unwrap_or_else(|gap| {
            gaps.push(gap);
            Vec::new()
        }),
    };
    let mut published = Vec::new();
    if let Some(probe) = &edges.configurations {
        match probe.configurations().await {
            Err(gap) => gaps.push(gap),
            Ok(seen) => {
                gaps.extend(seen.gaps);
                published.extend(seen.containers.into_iter().flat_map(|one| one.published));
            }
        }
    }
    let seen = PortsSeen {
        sockets: &sockets,
        published: &published,
        own,
        expected: &config.expectations(),
        learn_for: config.learn_for,
    };
    Ports {
        ports: open_ports(&seen, memory, now),
        gaps,
    }
}

/// Reads how containers are configured, and judges that and Steward itself.
pub async fn scan_risks(edges: &Edges, own: &OwnFacts) -> Risks {
    let mut risks = of_steward(own);
    let mut gaps = Vec::new();
    let mut containers = 0;
    if let Some(probe) = &edges.configurations {
        match probe.configurations().await {
            Err(gap) => gaps.push(gap),
            Ok(seen) => {
                containers = seen.containers.len() as u64;
                risks.extend(of_containers(&seen));
                gaps.extend(seen.gaps);
            }
        }
    }
    Risks {
        risks,
        containers,
        gaps,
    }
}
