//! Steward's wire contract: the words of the house as plain data, and each HTTP endpoint once, as a type.
//!
//! What flows through it: everything that crosses a process boundary. The server, the command line, the desktop and the UI
//! use these very types, so nothing is mirrored by hand; the journal stores [`Event`]s as they stand here.
//!
//! What it never does: I/O, reading a clock, or knowing of any other crate of the project. It builds for wasm.
//!
//! Compatibility: fields may be added (with `#[serde(default)]` where they are read back), never renamed or removed.

mod action;
mod action_name;
mod advisor;
mod container;
mod conversation;
mod decision;
mod desktop;
mod diagnosis;
mod endpoint;
mod event;
mod finding;
mod incident;
mod metric;
mod offer;
mod plan;
mod problem;
mod resource;
mod security;
mod security_facts;
mod session;
mod settings;
mod tagged;
mod task;
pub mod units;
mod views;

pub use action::{Action, ContainerRef, Limits};
pub use action_name::{ActionName, Risk, TaskType};
pub use advisor::*;
pub use container::{
    ComposeRef, ContainerFacts, ContainerHealth, ContainerPort, ContainerStatus, Labels,
    RestartPolicy,
};
pub use conversation::*;
pub use decision::{Autonomy, Decision, Verdict};
pub use desktop::{
    Chosen, DesktopAnswer, DesktopHeard, DesktopState, NewConnection, SavedConnection,
    TestedConnection, Trouble, TroubleKind,
};
pub use diagnosis::{Diagnosis, Urgency, Withheld};
pub use endpoint::*;
pub use event::{Envelope, Event, IncidentChange, StepResult, TaskChange};
pub use finding::{Evidence, Finding, Problem, Severity};
pub use incident::{Incident, IncidentId, Phase, Resolution, ResolutionKind, TimelineEntry};
pub use metric::Metric;
pub use offer::{AskRequest, OfferedAction, Offers};
pub use plan::{
    ContainerCondition, Plan, PlanError, PlanHash, Precondition, Step, Undo, Verification,
};
pub use problem::{ErrorCode, ProblemDetails};
pub use resource::{
    DatabaseFacts, Dependency, DependencyCondition, DiskFacts, EngineFacts, Facts, Health,
    HostFacts, IdError, McpServerFacts, NetworkFacts, ProcessUse, Resource, ResourceId,
    ResourceKind, ServiceFacts, Unreadable,
};
pub use security::*;
pub use security_facts::*;
pub use session::{NewToken, NewTokenRequest, Session, SignInBy, SignInLink, SignInRequest};
pub use settings::*;
pub use task::{
    Approval, Channel, ExecutionEntry, RemedyRecord, Requester, Role, Task, TaskId, TaskResult,
    TaskState,
};
pub use views::*;
