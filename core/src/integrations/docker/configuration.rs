//! How containers are configured, as far as that bears on security: inspected on demand, kept nowhere.
//!
//! What flows through: the engine's list and inspections in, one `ContainerConfiguration` each out. What it never does: hand on or keep
//! the value of an environment variable: each is judged as it is read and dropped.

use std::{collections::HashMap, fmt};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use steward_api::ResourceId;

use super::{
    DockerEngine,
    client::{Failure, LIST, QUICK},
    models::{PortBindingModel, Summary, or_default},
};
use crate::ports::{
    ConfigurationProbe, ContainerConfiguration, ContainerConfigurations, MountedPath,
    PublishedPort, Transport, looks_like_secret,
};

/// `GET /containers/{id}/json`, for security.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Inspection {
    #[serde(deserialize_with = "or_default")]
    state: State,
    #[serde(deserialize_with = "or_default")]
    config: Settings,
    #[serde(deserialize_with = "or_default")]
    host_config: HostSettings,
    #[serde(deserialize_with = "or_default")]
    mounts: Vec<Mount>,
    #[serde(deserialize_with = "or_default")]
    network_settings: NetworkSettings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct State {
    running: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Settings {
    image: String,
    user: String,
    #[serde(deserialize_with = "or_default")]
    env: SecretNames,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostSettings {
    privileged: bool,
    network_mode: String,
    pid_mode: String,
    userns_mode: String,
    #[serde(deserialize_with = "or_default")]
    cap_add: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Mount {
    #[serde(rename = "Type")]
    kind: String,
    source: String,
    destination: String,
    #[serde(rename = "RW")]
    writable: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSettings {
    #[serde(deserialize_with = "or_default")]
    ports: HashMap<String, Option<Vec<PortBindingModel>>>,
}

/// `GET /info`, for security.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Info {
    #[serde(deserialize_with = "or_default")]
    security_options: Vec<String>,
}

/// The names of variables whose values look like secrets; every value is dropped as soon as it was judged.
#[derive(Debug, Default)]
struct SecretNames(Vec<String>);

impl<'de> Deserialize<'de> for SecretNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Judge;
        impl<'de> Visitor<'de> for Judge {
            type Value = SecretNames;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of variables")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<SecretNames, A::Error> {
                let mut names = Vec::new();
                while let Some(variable) = list.next_element::<String>()? {
                    if let Some((name, value)) = variable.split_once('=')
                        && looks_like_secret(name, value)
                    {
                        names.push(name.chars().take(100).collect());
                    }
                }
                names.sort();
                Ok(SecretNames(names))
            }
        }
        deserializer.deserialize_seq(Judge)
    }
}

#[async_trait]
impl ConfigurationProbe for DockerEngine {
    async fn configurations(&self) -> Result<ContainerConfigurations, String> {
        let in_words = |failure: Failure| format!("{}: {failure}", self.client.who());
        let list: Vec<Summary> = self
            .client
            .get(&self.list_path(), LIST)
            .await
            .map_err(in_words)?;
        let info: Info = self.client.get("/info", QUICK).await.map_err(in_words)?;
        let root_is_remapped = info
            .security_options
            .iter()
            .any(|option| option.contains("name=rootless") || option.contains("name=userns"));
        let looked_at: Vec<Summary> = list
            .into_iter()
            .filter(|one| !self.passes_over(&one.labels) && !one.stands_aside())
            .collect();
        let mut read = stream::iter(looked_at)
            .map(|summary| async move {
                let path = format!("/containers/{}/json", summary.id);
                let found: Result<Inspection, Failure> = self.client.get(&path, QUICK).await;
                (summary, found)
            })
            .buffer_unordered(self.concurrency);
        let mut seen = ContainerConfigurations {
            root_is_remapped,
            ..ContainerConfigurations::default()
        };
        while let Some((summary, found)) = read.next().await {
            let Some(name) = summary.name() else { continue };
            match found {
                Ok(inspection) => seen.containers.push(configuration(
                    ResourceId::container(self.node.as_str(), name),
                    inspection,
                )),
                // It went away meanwhile.
                Err(Failure::NotFound(_)) => {}
                Err(failure) => seen.gaps.push(format!("the container {name}: {failure}")),
            }
        }
        drop(read);
        seen.containers
            .sort_by(|a, b| a.container.cmp(&b.container));
        seen.gaps.sort();
        Ok(seen)
    }
}

fn configuration(container: ResourceId, found: Inspection) -> ContainerConfiguration {
    let published = published(&container, &found.network_settings.ports);
    // A namespace that is switched off for this one makes its root the host's, which only matters where there is one.
    let user = if found.host_config.userns_mode == "host" && found.config.user.is_empty() {
        "root".to_owned()
    } else {
        found.config.user
    };
    ContainerConfiguration {
        image: found.config.image,
        running: found.state.running,
        privileged: found.host_config.privileged,
        host_network: found.host_config.network_mode == "host",
        host_pid: found.host_config.pid_mode == "host",
        user,
        added_capabilities: found
            .host_config
            .cap_add
            .iter()
            .map(|name| {
                let name = name.to_ascii_uppercase();
                name.strip_prefix("CAP_")
                    .map_or(name.clone(), str::to_owned)
            })
            .collect(),
        mounts: found
            .mounts
            .into_iter()
            .map(|mount| MountedPath {
                is_bind: mount.kind == "bind",
                source: mount.source,
                destination: mount.destination,
                writable: mount.writable,
            })
            .collect(),
        secret_variables: found.config.env.0,
        published,
        container,
    }
}

fn published(
    container: &ResourceId,
    ports: &HashMap<String, Option<Vec<PortBindingModel>>>,
) -> Vec<PublishedPort> {
    let mut found: Vec<PublishedPort> = ports
        .iter()
        .filter_map(|(key, bindings)| {
            let (port, kind) = key.split_once('/')?;
            let transport = match kind {
                "tcp" => Transport::Tcp,
                "udp" => Transport::Udp,
                _ => return None,
            };
            Some((transport, port.parse::<u16>().ok()?, bindings.as_ref()?))
        })
        .flat_map(|(transport, inside, bindings)| {
            bindings.iter().filter_map(move |binding| {
                let address = match binding.host_ip.as_str() {
                    // Older engines write nothing for all of them.
                    "" => "0.0.0.0",
                    address => address,
                };
                Some(PublishedPort {
                    container: container.clone(),
                    transport,
                    address: address.parse().ok()?,
                    port: binding.host_port.parse().ok()?,
                    inside,
                })
            })
        })
        .collect();
    found.sort_by_key(|port| (port.inside, port.transport, port.address, port.port));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inspection_is_read_without_its_secrets() {
        let text = r#"{
            "Id": "x", "State": {"Running": true},
            "Config": {"Image": "postgres:17", "User": "", "Env": ["POSTGRES_PASSWORD=hunter2secret", "PATH=/usr/bin", "DB_PASSWORD_FILE=/run/secrets/db", "nonsense"]},
            "HostConfig": {"Privileged": false, "NetworkMode": "host", "PidMode": "", "CapAdd": ["CAP_SYS_ADMIN", "net_raw"], "UsernsMode": ""},
            "Mounts": [{"Type": "bind", "Source": "/var/run/docker.sock", "Destination": "/var/run/docker.sock", "RW": false}, {"Type": "volume", "Source": "/var/lib/docker/volumes/x/_data", "Destination": "/data", "RW": true}],
            "NetworkSettings": {"Ports": {"5432/tcp": [{"HostIp": "0.0.0.0", "HostPort": "15432"}, {"HostIp": "::", "HostPort": "15432"}], "53/udp": [{"HostIp": "", "HostPort": "53"}], "80/tcp": null}}
        }"#;
        let found: Inspection = serde_json::from_str(text).unwrap();
        let found = configuration(ResourceId::container("atlas", "db"), found);
        assert!(!format!("{found:?}").contains("hunter2secret"));
        assert_eq!(found.secret_variables, ["POSTGRES_PASSWORD"]);
        assert_eq!(found.added_capabilities, ["SYS_ADMIN", "NET_RAW"]);
        assert!(found.running && found.host_network && !found.host_pid && !found.privileged);
        assert!(found.mounts[0].is_bind && !found.mounts[0].writable && !found.mounts[1].is_bind);
        let ports: Vec<_> = found
            .published
            .iter()
            .map(|port| {
                (
                    port.transport,
                    port.address.to_string(),
                    port.port,
                    port.inside,
                )
            })
            .collect();
        assert_eq!(
            ports,
            [
                (Transport::Udp, "0.0.0.0".to_owned(), 53, 53),
                (Transport::Tcp, "0.0.0.0".to_owned(), 15432, 5432),
                (Transport::Tcp, "::".to_owned(), 15432, 5432),
            ]
        );
        // Null for what is empty, as Go writes it, and what is missing.
        let bare: Inspection = serde_json::from_str(
            r#"{"Config": {"Env": null}, "Mounts": null, "HostConfig": {"CapAdd": null}}"#,
        )
        .unwrap();
        assert_eq!(bare.config.env.0, Vec::<String>::new());
    }
}
