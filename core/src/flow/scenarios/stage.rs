//! The stage: a machine that exists only in a scenario. What the sources would read of it, and how actions change it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use steward_api::{
    ContainerFacts, ContainerHealth, ContainerStatus, DatabaseFacts, Dependency,
    DependencyCondition, DiskFacts, EngineFacts, Facts, Health, HostFacts, Metric, NetworkFacts,
    Resource, ResourceId, ResourceKind, RestartPolicy, ServiceFacts,
};

use super::script::{NODE, duration};
use crate::ports::{ContainerSignal, Coverage, Observation, Signal};

const GIB: u64 = 1024 * 1024 * 1024;

/// The sources of a scenario, in the order in which they are read.
pub(super) const SOURCES: [&str; 5] = ["docker", "host", "network", "http", "postgres"];

/// The machine as it truly is.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) resources: BTreeMap<ResourceId, Resource>,
    pub(super) logs: BTreeMap<ResourceId, Vec<String>>,
    /// Why the engine does not answer, while it does not.
    pub(super) engine_error: Option<String>,
}

/// The source that reads a kind of resource.
pub(super) fn source_of(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Engine | ResourceKind::Container => "docker",
        ResourceKind::Host | ResourceKind::Disk | ResourceKind::Unit => "host",
        ResourceKind::Network => "network",
        ResourceKind::Service => "http",
        ResourceKind::Database => "postgres",
        ResourceKind::McpServer => "mcp",
        ResourceKind::Image => "security-images",
        ResourceKind::Certificate => "security-certificates",
        ResourceKind::SignIn => "security-sign-ins",
        ResourceKind::Port => "security-ports",
    }
}

pub(super) fn engine_id() -> ResourceId {
    ResourceId::new(NODE, ResourceKind::Engine, "docker")
}

fn resource(id: ResourceId, facts: Facts, at: Timestamp) -> Resource {
    Resource {
        id,
        health: Health::Healthy,
        reason: "is well".to_owned(),
        depends_on: Vec::new(),
        runs_on: None,
        facts,
        metrics: BTreeMap::new(),
        read_at: at,
    }
}

impl Stage {
    /// A host with an engine and nothing on it.
    pub(super) fn new(at: Timestamp) -> Self {
        let host = ResourceId::host(NODE);
        let host_facts = HostFacts {
            cores: 4,
            memory_total_bytes: 16 * GIB,
            ..HostFacts::default()
        };
        let engine_facts = EngineFacts {
            version: "28.2.2".to_owned(),
            ..EngineFacts::default()
        };
        let mut engine = resource(engine_id(), Facts::Engine(engine_facts), at);
        engine.runs_on = Some(host.clone());
        let all = [resource(host, Facts::Host(host_facts), at), engine];
        Self {
            resources: all.into_iter().map(|one| (one.id.clone(), one)).collect(),
            logs: BTreeMap::new(),
            engine_error: None,
        }
    }

    /// A resource by the name that a scenario calls it; the host by `host`.
    pub(super) fn id(&self, name: &str) -> Option<ResourceId> {
        if name == "host" {
            return Some(ResourceId::host(NODE));
        }
        self.resources.keys().find(|id| id.name == name).cloned()
    }

    /// Takes in a declaration; `false` where it is none.
    pub(super) fn declare(&mut self, words: &[String], at: Timestamp) -> bool {
        let (Some(kind), Some(name)) = (words.first(), words.get(1)) else {
            return false;
        };
        let Ok(kind) = kind.parse::<ResourceKind>() else {
            return false;
        };
        let id = ResourceId::new(NODE, kind, name.as_str());
        let facts = match kind {
            ResourceKind::Container => {
                return self.declare_container(id, &words[2..], at);
            }
            ResourceKind::Disk => Facts::Disk(DiskFacts {
                total_bytes: 100 * GIB,
                ..DiskFacts::default()
            }),
            ResourceKind::Network => Facts::Network(NetworkFacts::default()),
            ResourceKind::Service => Facts::Service(ServiceFacts {
                url: format!("http://{name}/health"),
                ..ServiceFacts::default()
            }),
            ResourceKind::Database => Facts::Database(DatabaseFacts {
                engine: "postgresql".to_owned(),
                connections_max: Some(100),
                ..DatabaseFacts::default()
            }),
            ResourceKind::Unit => Facts::Unit {
                description: String::new(),
            },
            ResourceKind::Host
            | ResourceKind::Engine
            | ResourceKind::McpServer
            | ResourceKind::Image
            | ResourceKind::Certificate
            | ResourceKind::SignIn
            | ResourceKind::Port => return false,
        };
        let mut made = resource(id.clone(), facts, at);
        if kind == ResourceKind::Unit {
            made.health = Health::Unhealthy;
            made.reason = "systemd says that it failed".to_owned();
        }
        if kind == ResourceKind::Disk {
            set_disk(&mut made, 40.0);
        }
        if let Some(container) = words
            .get(2)
            .and_then(|word| word.strip_prefix("container="))
        {
            let container = ResourceId::container(NODE, container);
            match &mut made.facts {
                Facts::Service(facts) => facts.container = Some(container.clone()),
                Facts::Database(facts) => facts.container = Some(container.clone()),
                _ => return false,
            }
            made.depends_on = vec![Dependency {
                on: container,
                condition: DependencyCondition::Started,
            }];
        }
        self.resources.insert(id, made);
        true
    }

    fn declare_container(&mut self, id: ResourceId, words: &[String], at: Timestamp) -> bool {
        let mut facts = ContainerFacts {
            container_id: format!("{}#1", id.name),
            image: format!("{}:1", id.name),
            status: ContainerStatus::Running,
            started_at: Some(crate::ports::later(at, duration("-24h"))),
            ..ContainerFacts::default()
        };
        let mut depends_on = Vec::new();
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            match key {
                "image" => facts.image = value.to_owned(),
                "running" => {}
                "port" => facts.has_ports = true,
                "critical" => facts.labels.critical = true,
                "rm" => facts.auto_remove = true,
                "healthcheck" => {
                    facts.has_health_check = true;
                    facts.health = ContainerHealth::Healthy;
                }
                "auto_restart" => facts.labels.auto_restart = Some(value == "true"),
                "max_restarts" => facts.labels.max_restarts_per_hour = value.parse().ok(),
                "memory" => {
                    facts.memory_limit_bytes = value.parse::<u64>().ok().map(|mib| mib << 20)
                }
                "cpu" => facts.cpu_limit_cores = value.parse().ok(),
                "policy" => {
                    facts.restart_policy = match value {
                        "always" => RestartPolicy::Always,
                        "unless-stopped" => RestartPolicy::UnlessStopped,
                        "on-failure" => RestartPolicy::OnFailure { max_retries: 0 },
                        _ => return false,
                    }
                }
                "depends_on" => {
                    for name in value.split(',') {
                        let (name, condition) = match name.split_once(':') {
                            Some((name, "completed")) => (name, DependencyCondition::Completed),
                            Some((name, "healthy")) => (name, DependencyCondition::Healthy),
                            _ => (name, DependencyCondition::Started),
                        };
                        depends_on.push(Dependency {
                            on: ResourceId::container(NODE, name),
                            condition,
                        });
                    }
                }
                "created" => facts.status = ContainerStatus::Created,
                // exited=CODE:AGE, such as exited=1:5m
                "exited" => {
                    let Some((code, age)) = value.split_once(':') else {
                        return false;
                    };
                    facts.status = ContainerStatus::Exited;
                    facts.exit_code = code.parse().ok();
                    facts.finished_at = Some(crate::ports::later(at, -duration(age)));
                }
                _ => return false,
            }
        }
        let mut made = resource(id.clone(), Facts::Container(Box::new(facts)), at);
        made.depends_on = depends_on;
        made.runs_on = Some(engine_id());
        self.resources.insert(id, made);
        true
    }

    /// Changes a container's facts.
    pub(super) fn edit(&mut self, id: &ResourceId, edit: impl FnOnce(&mut ContainerFacts)) {
        if let Some(Facts::Container(facts)) = self
            .resources
            .get_mut(id)
            .map(|resource| &mut resource.facts)
        {
            edit(facts);
        }
    }

    /// A container's facts.
    pub(super) fn container(&self, id: &ResourceId) -> Option<&ContainerFacts> {
        self.resources.get(id).and_then(Resource::container)
    }

    /// An event of a container, as its engine would tell it.
    pub(super) fn signal(&self, id: &ResourceId, at: Timestamp, kind: ContainerSignal) -> Signal {
        Signal {
            at,
            resource: id.clone(),
            container_id: self
                .container(id)
                .map_or_else(String::new, |facts| facts.container_id.clone()),
            kind,
        }
    }

    /// A container's main process ends.
    pub(super) fn end(&mut self, id: &ResourceId, at: Timestamp, code: i64, oom: bool) {
        self.edit(id, |facts| {
            facts.status = ContainerStatus::Exited;
            facts.exit_code = Some(code);
            facts.finished_at = Some(at);
            facts.oom_killed = oom;
        });
    }

    /// A container begins to run.
    pub(super) fn begin(&mut self, id: &ResourceId, at: Timestamp) {
        self.edit(id, |facts| {
            facts.status = ContainerStatus::Running;
            facts.started_at = Some(at);
            facts.oom_killed = false;
            if facts.has_health_check {
                facts.health = ContainerHealth::Starting;
                facts.health_output = None;
            }
        });
    }

    /// Reads one resource. `Err`: it can't be read; `Ok(None)`: there is none.
    pub(super) fn read_one(
        &self,
        id: &ResourceId,
        at: Timestamp,
    ) -> Result<Option<Resource>, String> {
        if source_of(id.kind) == "docker"
            && let Some(error) = &self.engine_error
        {
            return Err(error.clone());
        }
        Ok(self.resources.get(id).map(|resource| {
            let mut resource = resource.clone();
            resource.read_at = at;
            judge(&mut resource);
            resource
        }))
    }

    /// Reads a source.
    pub(super) fn read(&self, source: &str, at: Timestamp) -> Result<Observation, String> {
        if source == "docker"
            && let Some(error) = &self.engine_error
        {
            return Err(error.clone());
        }
        let resources = self
            .resources
            .keys()
            .filter(|id| source_of(id.kind) == source)
            .filter_map(|id| self.read_one(id, at).ok().flatten())
            .collect();
        Ok(Observation {
            source: source.to_owned(),
            taken_at: at,
            coverage: Coverage::Complete,
            resources,
            unreadable: Vec::new(),
            versions: BTreeMap::new(),
            recheck_in: None,
            security: None,
        })
    }

    /// The engine as it stands for itself while it does not answer.
    pub(super) fn silent_engine(&self, error: &str, at: Timestamp) -> Option<Resource> {
        let mut engine = self.resources.get(&engine_id()).cloned()?;
        engine.health = Health::Unhealthy;
        engine.reason = format!("does not answer: {error}");
        engine.read_at = at;
        if let Facts::Engine(facts) = &mut engine.facts {
            facts.error = Some(error.to_owned());
        }
        Some(engine)
    }

    /// Sets gauges and states of anything but a container's life: `disk=91`, `memory=95`, `latency=3000`, `fails "why"`, `answers`.
    pub(super) fn set(&mut self, id: &ResourceId, words: &[String]) -> bool {
        let Some(resource) = self.resources.get_mut(id) else {
            return false;
        };
        for (index, word) in words.iter().enumerate() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let number = value.parse::<f64>().unwrap_or_default();
            match key {
                "disk" => set_disk(resource, number),
                "memory" => _ = resource.metrics.insert(Metric::MemoryPercent, number),
                "cpu" => _ = resource.metrics.insert(Metric::CpuPercent, number),
                "latency" => _ = resource.metrics.insert(Metric::LatencyMs, number),
                "connections" => _ = resource.metrics.insert(Metric::ConnectionsPercent, number),
                "fails" => {
                    resource.health = Health::Unhealthy;
                    resource.reason = words.get(index + 1).cloned().unwrap_or_default();
                    return true;
                }
                "unreadable" => {
                    resource.health = Health::Unknown;
                    resource.reason = "could not be read".to_owned();
                }
                "answers" => {
                    resource.health = Health::Healthy;
                    resource.reason = "is well".to_owned();
                }
                _ => return false,
            }
        }
        true
    }
}

fn set_disk(resource: &mut Resource, percent: f64) {
    #[allow(clippy::cast_precision_loss, reason = "a scenario's disk is small")]
    let total = 100.0 * GIB as f64;
    resource.metrics.insert(Metric::DiskPercent, percent);
    resource.metrics.insert(
        Metric::DiskAvailableBytes,
        total * (100.0 - percent) / 100.0,
    );
}

/// A container's health from its facts alone, as its integration reads it.
fn judge(resource: &mut Resource) {
    let Facts::Container(facts) = &resource.facts else {
        return;
    };
    let code = facts.exit_code.unwrap_or_default();
    let (health, reason) = match facts.status {
        ContainerStatus::Running => match facts.health {
            ContainerHealth::None | ContainerHealth::Healthy => {
                (Health::Healthy, "running".to_owned())
            }
            ContainerHealth::Starting => (
                Health::Unknown,
                "running; its health check has not finished yet".to_owned(),
            ),
            ContainerHealth::Unhealthy => (Health::Unhealthy, "its health check fails".to_owned()),
        },
        ContainerStatus::Restarting => (Health::Restarting, "the engine restarts it".to_owned()),
        ContainerStatus::Exited if code == 0 && !facts.oom_killed => {
            (Health::Stopped, "exited with code 0".to_owned())
        }
        ContainerStatus::Exited | ContainerStatus::Dead => {
            (Health::Unhealthy, format!("exited with code {code}"))
        }
        ContainerStatus::Created if facts.error.is_some() => {
            (Health::Unhealthy, "could not be started".to_owned())
        }
        ContainerStatus::Created | ContainerStatus::Paused | ContainerStatus::Removing => {
            (Health::Stopped, "does not run".to_owned())
        }
        ContainerStatus::Unknown => (Health::Unknown, "not known".to_owned()),
    };
    resource.health = health;
    resource.reason = reason;
    if facts.status != ContainerStatus::Running {
        resource.metrics.clear();
    }
}
