//! Resources: what is looked after, its identity, its health and the typed facts that were read of it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    CertificateFacts, ContainerFacts, ImageFacts, Metric, PortFacts, SignInFacts, tagged::tagged,
};

/// The kind of a [`Resource`]; the middle part of its [`ResourceId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// The machine that an agent runs on. There is one on each node, so its id has no name part.
    Host,
    /// A container engine, such as the Docker daemon.
    Engine,
    /// A container.
    Container,
    /// A mounted file system of the host; its name is the mount point.
    Disk,
    /// A systemd unit.
    Unit,
    /// A part of the network as seen from the node: `dns` or `outside`.
    Network,
    /// An HTTP endpoint.
    Service,
    /// A database server.
    Database,
    /// A server of the Model Context Protocol, which offers tools to models.
    McpServer,
    /// An image that containers run; its name is the one by which they name it.
    Image,
    /// A certificate where it was found; its name is `host:port` or the file.
    Certificate,
    /// Signing in at one service; its name is the service's, such as `sshd`, or the container's.
    SignIn,
    /// A port of the host that is open to other machines; its name is such as `8080/tcp`.
    Port,
}

impl ResourceKind {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [Self; 13] = [
        Self::Host,
        Self::Engine,
        Self::Container,
        Self::Disk,
        Self::Unit,
        Self::Network,
        Self::Service,
        Self::Database,
        Self::McpServer,
        Self::Image,
        Self::Certificate,
        Self::SignIn,
        Self::Port,
    ];

    /// The word used in ids and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Engine => "engine",
            Self::Container => "container",
            Self::Disk => "disk",
            Self::Unit => "unit",
            Self::Network => "network",
            Self::Service => "service",
            Self::Database => "database",
            Self::McpServer => "mcp_server",
            Self::Image => "image",
            Self::Certificate => "certificate",
            Self::SignIn => "sign_in",
            Self::Port => "port",
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ResourceKind {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| IdError::Kind(text.to_owned()))
    }
}

/// Why a text is not a [`ResourceId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The shape is not `node/kind/name`.
    #[error(
        "`{0}` is not a resource id: it should read node/kind/name, such as atlas/container/nginx, or node/host"
    )]
    Shape(String),
    /// The middle part is no known kind.
    #[error(
        "`{0}` is not a kind of resource: it should be one of host, engine, container, disk, unit, network, service, database, mcp_server, image, certificate, sign_in, port"
    )]
    Kind(String),
}

/// Who a resource is: node, kind and name. Written `atlas/container/nginx`, or `atlas/host`.
///
/// A container's *name* identifies it, not its engine id: a recreated container is the same resource. A disk's name is its
/// mount point and may hold slashes (`atlas/disk//var`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceId {
    /// The node that sees the resource.
    pub node: String,
    /// What kind it is.
    pub kind: ResourceKind,
    /// Its name among its kind on this node; empty for the host.
    pub name: String,
}

impl ResourceId {
    /// The id of a named resource.
    pub fn new(node: impl Into<String>, kind: ResourceKind, name: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            kind,
            name: name.into(),
        }
    }

    /// The id of the host itself.
    pub fn host(node: impl Into<String>) -> Self {
        Self::new(node, ResourceKind::Host, "")
    }

    /// The id of a container.
    pub fn container(node: impl Into<String>, name: impl Into<String>) -> Self {
        Self::new(node, ResourceKind::Container, name)
    }

    /// What a person calls it: its name, or the node for the host.
    pub fn short(&self) -> &str {
        if self.name.is_empty() {
            &self.node
        } else {
            &self.name
        }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            f.pad(&format!("{}/{}", self.node, self.kind))
        } else {
            f.pad(&format!("{}/{}/{}", self.node, self.kind, self.name))
        }
    }
}

impl FromStr for ResourceId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let shape = || IdError::Shape(text.to_owned());
        let mut parts = text.splitn(3, '/');
        let node = parts
            .next()
            .filter(|node| !node.is_empty())
            .ok_or_else(shape)?;
        let kind: ResourceKind = parts.next().ok_or_else(shape)?.parse()?;
        let name = parts.next().unwrap_or_default();
        if (kind == ResourceKind::Host) != name.is_empty() {
            return Err(shape());
        }
        Ok(Self::new(node, kind, name))
    }
}

impl TryFrom<String> for ResourceId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.to_string()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for ResourceId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some(
                "node/kind/name, such as atlas/container/nginx; atlas/host for the host",
            ))
            .pattern(Some(
                r"^[^/]+/(host/?|(engine|container|disk|unit|network|service|database|mcp_server|image|certificate|sign_in|port)/[\s\S]+)$",
            ))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for ResourceId {}

/// How a resource is. `Unknown` is a state of its own: never shown green, never read as recovery.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It could not be read, or not yet.
    #[default]
    Unknown,
    /// It does what it is there for.
    Healthy,
    /// It works, but not as it should.
    Degraded,
    /// It does not do what it is there for.
    Unhealthy,
    /// It is being restarted by its engine.
    Restarting,
    /// It does not run, and is not meant to: stopped by a person, or a finished job.
    Stopped,
}

impl Health {
    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Restarting => "restarting",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One resource as last read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Resource {
    /// Who it is.
    pub id: ResourceId,
    /// How it is, judged from the facts alone (rules may say more in findings).
    pub health: Health,
    /// Why it is so, in words for a person, such as `exited with code 1 four minutes ago`. No secrets.
    #[serde(default)]
    pub reason: String,
    /// What it depends on; edges of the graph.
    #[serde(default)]
    pub depends_on: Vec<Dependency>,
    /// What it runs on, if anything: a container on its engine, an engine on its host.
    #[serde(default)]
    pub runs_on: Option<ResourceId>,
    /// What was read of it.
    pub facts: Facts,
    /// The newest value of each metric read with it, in the metric's unit (see [`Metric::unit`]).
    #[serde(default)]
    pub metrics: BTreeMap<Metric, f64>,
    /// When it was read.
    pub read_at: Timestamp,
}

impl Resource {
    /// The container's facts, where this is a container.
    pub fn container(&self) -> Option<&ContainerFacts> {
        match &self.facts {
            Facts::Container(facts) => Some(facts),
            _ => None,
        }
    }
}

/// An edge of the graph: this resource needs that one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Dependency {
    /// What is needed.
    pub on: ResourceId,
    /// In which state it is needed.
    #[serde(default)]
    pub condition: DependencyCondition,
}

/// The state in which a dependency is needed; Compose's three conditions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DependencyCondition {
    /// It runs.
    #[default]
    Started,
    /// Its health check passes.
    Healthy,
    /// It ran to its end with exit code 0: a job, not a service.
    Completed,
}

tagged! {
/// What was read of a resource, by kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Facts as "Facts" by "kind" {
    /// A host.
    Host(HostFacts),
    /// A container engine.
    Engine(EngineFacts),
    /// A container.
    Container(Box<ContainerFacts>),
    /// A mounted file system.
    Disk(DiskFacts),
    /// A systemd unit that was found failed.
    Unit {
        /// The unit's description as systemd has it.
        #[serde(default)]
        description: String,
    },
    /// DNS or the outside.
    Network(NetworkFacts),
    /// An HTTP endpoint.
    Service(ServiceFacts),
    /// A database server.
    Database(DatabaseFacts),
    /// A server of the Model Context Protocol.
    McpServer(McpServerFacts),
    /// An image.
    Image(Box<ImageFacts>),
    /// A certificate.
    Certificate(Box<CertificateFacts>),
    /// Signing in at a service.
    SignIn(Box<SignInFacts>),
    /// A port.
    Port(PortFacts),
}
}

/// What was read of a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostFacts {
    /// Logical processors.
    pub cores: u32,
    /// Physical memory, bytes.
    pub memory_total_bytes: u64,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Operating system and kernel, for a person.
    #[serde(default)]
    pub system: String,
    /// Seconds since the host started.
    pub uptime_seconds: u64,
    /// The heaviest processes, read only while processor or memory is high.
    #[serde(default)]
    pub top_processes: Vec<ProcessUse>,
}

/// One process's use of the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProcessUse {
    /// Process id.
    pub pid: u32,
    /// The command's name; never its arguments, which may hold secrets.
    pub name: String,
    /// Processor use, percent of one core.
    pub cpu_percent: f64,
    /// Resident memory, bytes.
    pub memory_bytes: u64,
}

/// What was read of a container engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EngineFacts {
    /// The engine's version.
    #[serde(default)]
    pub version: String,
    /// The negotiated API version.
    #[serde(default)]
    pub api_version: String,
    /// How it was reached, such as `unix:///var/run/docker.sock`; without credentials.
    #[serde(default)]
    pub endpoint: String,
    /// Why it does not answer, where it does not.
    #[serde(default)]
    pub error: Option<String>,
    /// Bytes held by images; absent until first read (it is costly, so read now and then).
    #[serde(default)]
    pub images_bytes: Option<u64>,
    /// Bytes of images that no tag and no container uses.
    #[serde(default)]
    pub dangling_images_bytes: Option<u64>,
    /// Bytes held by volumes.
    #[serde(default)]
    pub volumes_bytes: Option<u64>,
    /// Bytes held by the build cache.
    #[serde(default)]
    pub build_cache_bytes: Option<u64>,
}

/// What was read of a mounted file system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiskFacts {
    /// The file system's type, such as `ext4`.
    pub file_system: String,
    /// The device it is on.
    pub device: String,
    /// Size, bytes.
    pub total_bytes: u64,
    /// Free for an ordinary user, bytes.
    pub available_bytes: u64,
}

/// What was read of DNS or of the outside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NetworkFacts {
    /// Targets that answered.
    pub reached: Vec<String>,
    /// Targets that did not, each with the reason.
    pub failed: Vec<String>,
}

/// What was read of an HTTP endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServiceFacts {
    /// The address, without user, password or query.
    pub url: String,
    /// The container that it belongs to, where it belongs to one.
    #[serde(default)]
    pub container: Option<ResourceId>,
    /// The HTTP status of the last answer.
    #[serde(default)]
    pub status: Option<u16>,
    /// Why there was no good answer.
    #[serde(default)]
    pub error: Option<String>,
}

/// What was read of a database server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatabaseFacts {
    /// What it is, such as `postgresql`.
    pub engine: String,
    /// Where, without credentials.
    pub address: String,
    /// The container it runs in, where it was found in one.
    #[serde(default)]
    pub container: Option<ResourceId>,
    /// Its version.
    #[serde(default)]
    pub version: Option<String>,
    /// Whether the last check got an answer; absent when it could not be told.
    #[serde(default)]
    pub connected: Option<bool>,
    /// Connections in use.
    #[serde(default)]
    pub connections_used: Option<u64>,
    /// Connections allowed.
    #[serde(default)]
    pub connections_max: Option<u64>,
    /// Why it does not answer.
    #[serde(default)]
    pub error: Option<String>,
}

/// What was read of a server of the Model Context Protocol. Its words about itself are its own: data, never instructions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct McpServerFacts {
    /// Where: its address without user, password or query; or the program that is started for it, without its arguments.
    pub address: String,
    /// Whether it answers; absent when it could not be told.
    #[serde(default)]
    pub reachable: Option<bool>,
    /// The protocol's version that both agreed on.
    #[serde(default)]
    pub protocol: Option<String>,
    /// What it calls itself.
    #[serde(default)]
    pub server_name: Option<String>,
    /// The version that it says it has.
    #[serde(default)]
    pub server_version: Option<String>,
    /// How many tools it lists; absent when they could not be listed.
    #[serde(default)]
    pub tool_count: Option<u64>,
    /// Their names, in order, 200 at most.
    #[serde(default)]
    pub tools: Vec<String>,
    /// Why it does not answer, or why its tools can't be listed.
    #[serde(default)]
    pub error: Option<String>,
}

/// Something that could not be read in a snapshot. A failed read is never an empty list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Unreadable {
    /// Which source tried.
    pub source: String,
    /// What it tried to read, such as `stats of container nginx`.
    pub what: String,
    /// Why it failed.
    pub error: String,
}
