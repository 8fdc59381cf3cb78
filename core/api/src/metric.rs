//! Metrics: quantities with a history, each with its unit.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A quantity with a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Processor use, percent: of the host's cores for a host; of its limit (or of one core) for a container.
    CpuPercent,
    /// Memory use, percent of the limit or of the physical memory.
    MemoryPercent,
    /// Memory in use without the inactive file cache, bytes.
    MemoryBytes,
    /// Load average over one minute.
    Load1,
    /// Space used, percent.
    DiskPercent,
    /// Space available, bytes.
    DiskAvailableBytes,
    /// Bytes received since the last reading, per second.
    NetworkReceiveBytesPerSecond,
    /// Bytes sent since the last reading, per second.
    NetworkSendBytesPerSecond,
    /// Time to an answer, milliseconds.
    LatencyMs,
    /// Connections in use, percent of those allowed.
    ConnectionsPercent,
    /// Processes in a container.
    Processes,
}

impl Metric {
    /// Every metric; the position is its number in the database, so only ever append.
    pub const ALL: [Self; 11] = [
        Self::CpuPercent,
        Self::MemoryPercent,
        Self::MemoryBytes,
        Self::Load1,
        Self::DiskPercent,
        Self::DiskAvailableBytes,
        Self::NetworkReceiveBytesPerSecond,
        Self::NetworkSendBytesPerSecond,
        Self::LatencyMs,
        Self::ConnectionsPercent,
        Self::Processes,
    ];

    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CpuPercent => "cpu_percent",
            Self::MemoryPercent => "memory_percent",
            Self::MemoryBytes => "memory_bytes",
            Self::Load1 => "load1",
            Self::DiskPercent => "disk_percent",
            Self::DiskAvailableBytes => "disk_available_bytes",
            Self::NetworkReceiveBytesPerSecond => "network_receive_bytes_per_second",
            Self::NetworkSendBytesPerSecond => "network_send_bytes_per_second",
            Self::LatencyMs => "latency_ms",
            Self::ConnectionsPercent => "connections_percent",
            Self::Processes => "processes",
        }
    }

    /// The unit to print behind a value.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::CpuPercent
            | Self::MemoryPercent
            | Self::DiskPercent
            | Self::ConnectionsPercent => "%",
            Self::MemoryBytes | Self::DiskAvailableBytes => "B",
            Self::NetworkReceiveBytesPerSecond | Self::NetworkSendBytesPerSecond => "B/s",
            Self::LatencyMs => "ms",
            Self::Load1 | Self::Processes => "",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Metric {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|metric| metric.as_str() == text)
            .ok_or_else(|| {
                let known: Vec<_> = Self::ALL.iter().map(|metric| metric.as_str()).collect();
                format!(
                    "`{text}` is not a metric: it should be one of {}",
                    known.join(", ")
                )
            })
    }
}
