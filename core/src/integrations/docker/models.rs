//! What is read of the engine's answers: plain data, only what is looked at.
//!
//! Words are kept as text, every field may be absent or null and unknown ones are passed over, so that neither an older nor a newer
//! engine can make an answer unreadable. Environment variables and commands, which may hold secrets, are not read here (see
//! `configuration.rs` for the one place that judges variables, and keeps their names alone).

use std::{collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

use super::{anew, labels};

/// `GET /version`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct VersionModel {
    pub(super) version: String,
    pub(super) api_version: String,
}

/// One entry of `GET /containers/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Summary {
    pub(super) id: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) names: Vec<String>,
    pub(super) image: String,
    #[serde(rename = "ImageID")]
    pub(super) image_id: String,
    pub(super) state: String,
    pub(super) status: String,
    pub(super) labels: HeededLabels,
}

impl Summary {
    /// Its own name: the one without a link's prefix.
    pub(super) fn name(&self) -> Option<&str> {
        self.names
            .iter()
            .filter_map(|name| name.strip_prefix('/'))
            .find(|name| !name.contains('/'))
    }

    /// Whether Steward put it aside while another takes its place: it is no service that is down. One that runs is looked after.
    pub(super) fn stands_aside(&self) -> bool {
        self.name().is_some_and(anew::is_aside) && self.state != "running"
    }
}

/// `GET /containers/{id}/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Inspect {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) created: String,
    pub(super) restart_count: u64,
    pub(super) size_rw: Option<i64>,
    #[serde(deserialize_with = "or_default")]
    pub(super) state: StateModel,
    #[serde(deserialize_with = "or_default")]
    pub(super) config: ConfigModel,
    #[serde(deserialize_with = "or_default")]
    pub(super) host_config: HostConfigModel,
    #[serde(deserialize_with = "or_default")]
    pub(super) mounts: Vec<MountModel>,
    #[serde(deserialize_with = "or_default")]
    pub(super) network_settings: NetworkSettingsModel,
}

impl Inspect {
    /// Its own name.
    pub(super) fn name(&self) -> &str {
        self.name.trim_start_matches('/')
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct StateModel {
    pub(super) status: String,
    pub(super) pid: i64,
    #[serde(rename = "OOMKilled")]
    pub(super) oom_killed: bool,
    pub(super) exit_code: i64,
    pub(super) error: String,
    pub(super) started_at: String,
    pub(super) finished_at: String,
    pub(super) health: Option<HealthModel>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct HealthModel {
    pub(super) status: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) log: Vec<HealthLogModel>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct HealthLogModel {
    pub(super) output: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ConfigModel {
    pub(super) image: String,
    pub(super) labels: HeededLabels,
    pub(super) tty: bool,
    #[serde(deserialize_with = "or_default")]
    pub(super) exposed_ports: HashMap<String, IgnoredAny>,
    pub(super) healthcheck: Option<HealthcheckModel>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct HealthcheckModel {
    #[serde(deserialize_with = "or_default")]
    pub(super) test: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct HostConfigModel {
    pub(super) memory: i64,
    pub(super) memory_swap: i64,
    pub(super) nano_cpus: i64,
    pub(super) cpu_period: i64,
    pub(super) cpu_quota: i64,
    pub(super) auto_remove: bool,
    #[serde(deserialize_with = "or_default")]
    pub(super) restart_policy: RestartPolicyModel,
    #[serde(deserialize_with = "or_default")]
    pub(super) port_bindings: HashMap<String, IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct NetworkSettingsModel {
    /// `80/tcp` → where it is published, or null while it is only exposed. Empty while the container does not run.
    #[serde(deserialize_with = "or_default")]
    pub(super) ports: HashMap<String, Option<Vec<PortBindingModel>>>,
    #[serde(deserialize_with = "or_default")]
    pub(super) networks: HashMap<String, EndpointModel>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct PortBindingModel {
    pub(super) host_ip: String,
    pub(super) host_port: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct EndpointModel {
    #[serde(rename = "IPAddress")]
    pub(super) ip_address: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct RestartPolicyModel {
    pub(super) name: String,
    pub(super) maximum_retry_count: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct MountModel {
    #[serde(rename = "Type")]
    pub(super) kind: String,
    pub(super) destination: String,
}

/// `GET /containers/{id}/stats?one-shot=true`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StatsModel {
    pub(super) read: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) cpu_stats: CpuStatsModel,
    #[serde(deserialize_with = "or_default")]
    pub(super) memory_stats: MemoryStatsModel,
    #[serde(deserialize_with = "or_default")]
    pub(super) pids_stats: PidsStatsModel,
    #[serde(deserialize_with = "or_default")]
    pub(super) networks: HashMap<String, NetworkStatsModel>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CpuStatsModel {
    #[serde(deserialize_with = "or_default")]
    pub(super) cpu_usage: CpuUsageModel,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CpuUsageModel {
    /// Nanoseconds of processor time since the container's start.
    pub(super) total_usage: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MemoryStatsModel {
    pub(super) usage: Option<u64>,
    #[serde(deserialize_with = "or_default")]
    pub(super) stats: MemoryDetailModel,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MemoryDetailModel {
    /// cgroup v1.
    pub(super) total_inactive_file: Option<u64>,
    /// cgroup v2 (v1 has one too, without the children).
    pub(super) inactive_file: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PidsStatsModel {
    pub(super) current: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NetworkStatsModel {
    pub(super) rx_bytes: u64,
    pub(super) tx_bytes: u64,
}

/// `GET /system/df`, in its shape up to API 1.51.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct DiskUsageModel {
    pub(super) layers_size: Option<i64>,
    #[serde(deserialize_with = "or_default")]
    pub(super) images: Vec<ImageModel>,
    #[serde(deserialize_with = "or_default")]
    pub(super) volumes: Vec<VolumeModel>,
    #[serde(deserialize_with = "or_default")]
    pub(super) build_cache: Vec<BuildCacheModel>,
}

/// An image in `GET /images/json` and in the disk usage.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ImageModel {
    pub(super) id: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) repo_tags: Vec<String>,
    pub(super) size: i64,
    /// -1 where it was not computed.
    pub(super) shared_size: i64,
    /// -1 where it was not computed.
    pub(super) containers: i64,
}

/// A volume in the disk usage.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct VolumeModel {
    pub(super) name: String,
    pub(super) usage_data: Option<VolumeUsageModel>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct VolumeUsageModel {
    /// Bytes; -1 where it can't be told.
    pub(super) size: i64,
    /// Containers that use it; -1 where it can't be told.
    pub(super) ref_count: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct BuildCacheModel {
    #[serde(rename = "ID")]
    pub(super) id: String,
    pub(super) description: String,
    pub(super) in_use: bool,
    pub(super) shared: bool,
    pub(super) size: i64,
}

/// The labels of a container that Steward heeds; all others are dropped while reading, they are many and long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HeededLabels(pub(super) Vec<(String, String)>);

impl HeededLabels {
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }
}

impl<'de> Deserialize<'de> for HeededLabels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Heeded;
        impl<'de> Visitor<'de> for Heeded {
            type Value = HeededLabels;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of labels")
            }
            fn visit_unit<E>(self) -> Result<HeededLabels, E> {
                Ok(HeededLabels::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeededLabels, A::Error> {
                let mut kept = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if labels::is_heeded(&key) {
                        kept.push((key, map.next_value()?));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                // The engine's order is arbitrary; what is derived from it should not be.
                kept.sort();
                Ok(HeededLabels(kept))
            }
        }
        deserializer.deserialize_any(Heeded)
    }
}

/// Go writes an empty list or map as null.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
