//! What a container on the stage is like, and how the engine is asked for it. Pure.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, PortBinding, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum,
};
use serde::Deserialize;

/// Nanoseconds of a second, the engine's unit for health checks.
const SECOND: i64 = 1_000_000_000;

/// Whether its engine restarts a container by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli) enum Restart {
    #[default]
    No,
    Always,
    OnFailure,
    UnlessStopped,
}

/// A file that is put into a container before it starts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct PartFile {
    /// Where, from the root.
    pub(in crate::cli) path: String,
    pub(in crate::cli) content: String,
    /// Whether it may be executed.
    #[serde(default)]
    pub(in crate::cli) executable: bool,
}

/// A health check: asked each second, and as often as needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct PartCheck {
    /// As in a Dockerfile: `CMD` and the words, or `CMD-SHELL` and a line.
    pub(in crate::cli) test: Vec<String>,
    /// How long an answer may take, seconds.
    pub(in crate::cli) timeout: i64,
}

/// What a container is like.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Part {
    /// Its program with all its words.
    pub(in crate::cli) command: Vec<String>,
    /// Its environment, besides what this executable needs.
    pub(in crate::cli) environment: BTreeMap<String, String>,
    /// Its labels, besides those of the stage.
    pub(in crate::cli) labels: BTreeMap<String, String>,
    /// What its image is called, instead of the show's own name.
    pub(in crate::cli) image: Option<String>,
    /// Memory limit, bytes.
    pub(in crate::cli) memory: Option<i64>,
    /// Processor limit, billionths of a core.
    pub(in crate::cli) nano_cpus: Option<i64>,
    pub(in crate::cli) restart: Restart,
    /// Ports that it exposes: the sign of a service, something that is meant to run, unlike a job.
    pub(in crate::cli) ports: Vec<u16>,
    /// A port of its own and the one of this machine's loopback that leads to it.
    pub(in crate::cli) published: Option<(u16, u16)>,
    /// Whether it is on the engine's usual network rather than on none.
    pub(in crate::cli) is_networked: bool,
    pub(in crate::cli) check: Option<PartCheck>,
    /// Whom it runs as; the image's own user where absent.
    pub(in crate::cli) user: Option<String>,
    /// Whether its file system can't be written to.
    pub(in crate::cli) is_read_only: bool,
    /// Directories in memory, each with its mount options.
    pub(in crate::cli) tmpfs: BTreeMap<String, String>,
    /// How many files it may have open.
    pub(in crate::cli) open_files: Option<i64>,
    /// Files that are put in before it starts.
    pub(in crate::cli) files: Vec<PartFile>,
}

impl Part {
    /// What the engine is asked for.
    pub(super) fn body(
        &self,
        image: String,
        labels: HashMap<String, String>,
        environment: &[String],
    ) -> ContainerCreateBody {
        let own = self
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let mut command = self.command.iter().cloned();
        ContainerCreateBody {
            image: Some(image),
            entrypoint: command.next().map(|program| vec![program]),
            cmd: Some(command.collect()),
            env: Some(environment.iter().cloned().chain(own).collect()),
            labels: Some(labels),
            user: self.user.clone(),
            exposed_ports: Some(
                self.ports
                    .iter()
                    .copied()
                    .chain(self.published.map(|(inside, _)| inside))
                    .map(tcp)
                    .collect(),
            ),
            healthcheck: self.check.as_ref().map(|check| HealthConfig {
                test: Some(check.test.clone()),
                interval: Some(SECOND),
                timeout: Some(check.timeout * SECOND),
                retries: Some(2),
                ..HealthConfig::default()
            }),
            host_config: Some(self.host_config()),
            ..ContainerCreateBody::default()
        }
    }

    fn host_config(&self) -> HostConfig {
        let policy = match self.restart {
            Restart::No => RestartPolicyNameEnum::NO,
            Restart::Always => RestartPolicyNameEnum::ALWAYS,
            Restart::OnFailure => RestartPolicyNameEnum::ON_FAILURE,
            Restart::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
        };
        let binding = |(inside, outside): (u16, u16)| {
            let binding = PortBinding {
                host_ip: Some("127.0.0.1".to_owned()),
                host_port: Some(outside.to_string()),
            };
            HashMap::from([(tcp(inside), Some(vec![binding]))])
        };
        HostConfig {
            memory: self.memory,
            nano_cpus: self.nano_cpus,
            network_mode: (!self.is_networked).then(|| "none".to_owned()),
            port_bindings: self.published.map(binding),
            readonly_rootfs: Some(self.is_read_only),
            tmpfs: Some(self.tmpfs.clone().into_iter().collect()),
            ulimits: self.open_files.map(|most| {
                vec![ResourcesUlimits {
                    name: Some("nofile".to_owned()),
                    soft: Some(most),
                    hard: Some(most),
                }]
            }),
            restart_policy: Some(RestartPolicy {
                name: Some(policy),
                maximum_retry_count: None,
            }),
            ..HostConfig::default()
        }
    }
}

fn tcp(port: u16) -> String {
    format!("{port}/tcp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_asked_for_as_it_is() {
        let part = Part {
            command: ["/x", "play"].map(str::to_owned).to_vec(),
            environment: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
            published: Some((80, 8080)),
            is_networked: true,
            restart: Restart::OnFailure,
            ..Part::default()
        };
        let body = part.body("i".to_owned(), HashMap::new(), &["L=/lib".to_owned()]);
        assert_eq!(body.entrypoint.as_deref(), Some(&["/x".to_owned()][..]));
        assert_eq!(body.cmd.as_deref(), Some(&["play".to_owned()][..]));
        assert_eq!(
            body.env.as_deref(),
            Some(&["L=/lib".to_owned(), "A=1".to_owned()][..])
        );
        assert_eq!(body.exposed_ports, Some(vec!["80/tcp".to_owned()]));
        let host = body.host_config.unwrap();
        assert_eq!(host.network_mode, None);
        let bound = host.port_bindings.unwrap()["80/tcp"].clone().unwrap();
        assert_eq!(bound[0].host_ip.as_deref(), Some("127.0.0.1"));
        let alone = Part::default().body("i".to_owned(), HashMap::new(), &[]);
        let host = alone.host_config.unwrap();
        assert_eq!(host.network_mode.as_deref(), Some("none"));
    }
}
