//! Findings: what one rule says of one resource, with its evidence.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ResourceId;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Works, but not as it should.
    Degraded,
    /// Does not do what it is there for.
    Unhealthy,
    /// Takes others down, loses data soon, or was marked critical by its owner.
    Critical,
}

impl Severity {
    /// All, mildest first.
    pub const ALL: [Self; 3] = [Self::Degraded, Self::Unhealthy, Self::Critical];

    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What can be wrong. Strategies in the configuration are keyed by these words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// The engine does not answer.
    DockerUnreachable,
    /// A container ended though it should run.
    ContainerStopped,
    /// A container ends again and again.
    RestartLoop,
    /// The kernel killed a container's process for memory.
    OomKilled,
    /// A container's health check fails.
    ContainerUnhealthy,
    /// A container nears its memory limit.
    MemoryPressure,
    /// A container uses up its processor share.
    CpuPressure,
    /// An HTTP endpoint fails.
    EndpointFailing,
    /// An HTTP endpoint is slow.
    EndpointSlow,
    /// A database does not answer.
    DatabaseUnreachable,
    /// A database runs out of connections.
    DatabaseConnections,
    /// The host's processor is busy.
    HostCpu,
    /// The host's memory is short.
    HostMemory,
    /// A file system fills up.
    DiskFilling,
    /// A systemd unit failed.
    UnitFailed,
    /// Names do not resolve.
    DnsUnreachable,
    /// The outside does not answer.
    OutsideUnreachable,
    /// A server of the Model Context Protocol does not answer.
    McpServerUnreachable,
    /// A server of the Model Context Protocol answers, but can't list its tools.
    McpToolsFailing,
    /// An image that runs has a critical vulnerability, or one that is known to be used in attacks.
    CriticalVulnerability,
    /// A certificate is over.
    CertificateExpired,
    /// A certificate ends soon.
    CertificateExpiring,
    /// A certificate is for another name, not valid yet, or its key is weak.
    CertificateFaulty,
    /// Failed attempts to sign in look like an attack.
    SignInAttack,
    /// Somebody signed in after many failed attempts.
    SignInAfterFailures,
    /// A port is open to other machines and not expected.
    UnexpectedPort,
}

impl Problem {
    /// Every problem.
    pub const ALL: [Self; 26] = [
        Self::DockerUnreachable,
        Self::ContainerStopped,
        Self::RestartLoop,
        Self::OomKilled,
        Self::ContainerUnhealthy,
        Self::MemoryPressure,
        Self::CpuPressure,
        Self::EndpointFailing,
        Self::EndpointSlow,
        Self::DatabaseUnreachable,
        Self::DatabaseConnections,
        Self::HostCpu,
        Self::HostMemory,
        Self::DiskFilling,
        Self::UnitFailed,
        Self::DnsUnreachable,
        Self::OutsideUnreachable,
        Self::McpServerUnreachable,
        Self::McpToolsFailing,
        Self::CriticalVulnerability,
        Self::CertificateExpired,
        Self::CertificateExpiring,
        Self::CertificateFaulty,
        Self::SignInAttack,
        Self::SignInAfterFailures,
        Self::UnexpectedPort,
    ];

    /// The word used on the wire and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DockerUnreachable => "docker_unreachable",
            Self::ContainerStopped => "container_stopped",
            Self::RestartLoop => "restart_loop",
            Self::OomKilled => "oom_killed",
            Self::ContainerUnhealthy => "container_unhealthy",
            Self::MemoryPressure => "memory_pressure",
            Self::CpuPressure => "cpu_pressure",
            Self::EndpointFailing => "endpoint_failing",
            Self::EndpointSlow => "endpoint_slow",
            Self::DatabaseUnreachable => "database_unreachable",
            Self::DatabaseConnections => "database_connections",
            Self::HostCpu => "host_cpu",
            Self::HostMemory => "host_memory",
            Self::DiskFilling => "disk_filling",
            Self::UnitFailed => "unit_failed",
            Self::DnsUnreachable => "dns_unreachable",
            Self::OutsideUnreachable => "outside_unreachable",
            Self::McpServerUnreachable => "mcp_server_unreachable",
            Self::McpToolsFailing => "mcp_tools_failing",
            Self::CriticalVulnerability => "critical_vulnerability",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateExpiring => "certificate_expiring",
            Self::CertificateFaulty => "certificate_faulty",
            Self::SignInAttack => "sign_in_attack",
            Self::SignInAfterFailures => "sign_in_after_failures",
            Self::UnexpectedPort => "unexpected_port",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that was seen. Text from outside (log lines, health output) is data: it is shown, never obeyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Evidence {
    /// Where it was seen, such as `docker event`, `inspect`, `log`, `metric`.
    pub source: String,
    /// What was seen, shortened and cleared of secrets.
    pub text: String,
    /// When it happened.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

impl Evidence {
    /// Evidence without a time of its own.
    pub fn new(source: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            text: text.into(),
            at: None,
        }
    }

    /// The same, with the time when it happened.
    #[must_use]
    pub fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }
}

/// What one rule says of one resource in one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    /// Of what.
    pub resource: ResourceId,
    /// What is wrong.
    pub problem: Problem,
    /// How bad.
    pub severity: Severity,
    /// One sentence for a person, such as `nginx exited with code 1`.
    pub summary: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// When it was first found.
    pub since: Timestamp,
}
