//! The edge: traits behind which every kind of I/O stands, and the plain data that crosses them.
//!
//! What flows through: observations, signals and log lines come in; permits (journaled intents) and facts go out.
//! What it never does: know a concrete part. The flow and the engine know only these traits; `wire.rs` chooses what stands behind.

use std::{collections::BTreeMap, fmt, ops::Range, time::Duration};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use steward_api::{
    Action, ActionName, CallQuery, CallTexts, ContainerHealth, Conversation, ConversationId,
    ConversationQuery, Envelope, Event, Health, Incident, IncidentId, IncidentQuery,
    JournalVerification, Message, Metric, MetricQuery, MetricSeries, Page, Precondition, Problem,
    RecordedCall, RemedyRecord, Resource, ResourceId, ResourceStatistics, SecurityDay,
    SecuritySummary, StepResult, Task, TaskId, TaskQuery, Unreadable, Verification,
};

/// The wall clock.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

mod advisor;
mod certificates;
mod house;
mod lines;
mod probes;
mod rules;
mod scan;
mod scan_found;
mod scan_host;
mod words;

pub use advisor::{
    Advisor, AdvisorError, CATALOGUE_IS_SURE, Consultation, FinishedCall, Gauge, NoAdvisor,
    OPINION_COUNTS, Precedent, Related, Relation, Talk,
};
pub use certificates::{CertificatePlace, ChainReader, FileChains, NoChain, ShownChain, Verdict};
pub use house::{Draft, House, Inventory, Looked, Lookup, Proposed, Scribe, Sight, Tool};
pub use lines::{LONGEST_LINE, Lines};
pub use probes::{
    BusyProcesses, Certificate, CertificateProbe, HostProbe, ListeningSocket, NameProbe, Probes,
    ResolvedName, TlsEndpoint, Transport,
};
pub use rules::{
    Case, CatalogueMatch, Death, EndCause, Judgement, Pattern, ResourceHistory, Rule, RuleInput,
    Suspicion,
};
pub use scan::{
    Advisories, FoundImage, ImageFiles, ImageReader, Progress, ReadLimits, ScanError, Scanner,
    ScannerReport, VulnerabilityDatabase, Want, WantedFiles,
};
pub use scan_found::{Documents, Found, PartFound};
pub use scan_host::*;
pub use words::{of_certificate, of_connection, of_tls, sha256, words};

// ---------------------------------------------------------------------------------------------------------------- sources

/// How thorough a reading is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// What must be fresh; cheap.
    Cycle,
    /// All that can be read, the costly parts too.
    Full,
}

/// Which schedule drives a source's readings. A full reading happens on the full-monitoring schedule in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cadence {
    /// The container cycle, 30 s by default.
    ContainerCycle,
    /// The health check, 2 min by default.
    HealthCheck,
    /// The security scan, hourly by default. Full readings of everything leave it out, since it reads much.
    SecurityScan,
}

/// What a reading covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// All that the source looks after: what it reported before and does not report now is gone.
    Complete,
    /// Only what is listed; nothing follows for the rest.
    Partial,
}

/// One reading of a source.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The source's name.
    pub source: String,
    /// When the reading was complete.
    pub taken_at: Timestamp,
    /// What it covers.
    pub coverage: Coverage,
    /// What was read. A resource that is known to exist but could not be read is here with [`Health::Unknown`].
    pub resources: Vec<Resource>,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
    /// Versions of what is looked after, such as `docker` → `28.2.2`.
    pub versions: BTreeMap<String, String>,
    /// Something looks wrong and wants confirmation sooner than the schedule would bring it.
    pub recheck_in: Option<Duration>,
    /// What a part of the security scan found, where this is one.
    pub security: Option<Box<PartFound>>,
}

/// Why a source could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// What it reads is not on this machine, or not for this user.
    #[error("{what} is not there: {reason}")]
    Absent {
        /// What was asked, such as `the Docker engine at unix:///var/run/docker.sock`.
        what: String,
        /// What is missing, and how to get it.
        reason: String,
    },
    /// It did not answer.
    #[error("{what} does not answer: {reason}")]
    Unreachable {
        /// What was asked, such as `the Docker engine at unix:///var/run/docker.sock`.
        what: String,
        /// Why, and what to do about it.
        reason: String,
    },
    /// It answered too late.
    #[error("{what} did not answer within {limit:?}")]
    TimedOut {
        /// What was asked.
        what: String,
        /// How long was waited.
        limit: Duration,
    },
    /// It answered nonsense.
    #[error("{what} gave an answer that can't be understood: {reason}")]
    Nonsense {
        /// What was asked.
        what: String,
        /// Why.
        reason: String,
    },
}

/// Something that happened to a container, as its engine tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerSignal {
    /// It was made.
    Created,
    /// It began to run.
    Started,
    /// Its main process ended.
    Died {
        /// With this code.
        exit_code: i64,
    },
    /// The kernel killed something in it for memory.
    OomKilled,
    /// A person or program sent it a signal through the engine's API.
    KillRequested {
        /// The signal's number.
        signal: i32,
    },
    /// A stop through the API has come to its end.
    Stopped,
    /// Its health check changed its result.
    HealthChanged(ContainerHealth),
    /// It was frozen or thawed, renamed, or its limits changed: read it again.
    Changed,
    /// It was removed.
    Removed,
}

/// A signal from a source's event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// When it happened, by the engine's clock.
    pub at: Timestamp,
    /// To what.
    pub resource: ResourceId,
    /// The engine's full id of the container.
    pub container_id: String,
    /// What.
    pub kind: ContainerSignal,
}

/// Something that can be observed.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Its name, such as `docker`; a word, the same in logs, metrics and the status.
    fn name(&self) -> &str;

    /// Which schedule drives it.
    fn cadence(&self) -> Cadence;

    /// How long one reading may take at most.
    fn timeout(&self) -> Duration;

    /// Reads. A part that fails is listed in the observation; an error means that nothing could be read.
    async fn observe(&self, depth: Depth) -> Result<Observation, SourceError>;

    /// The event stream from `since` on, where it has one. The stream's end or error means that the connection is lost.
    async fn watch(
        &self,
        since: Option<Timestamp>,
    ) -> Result<Option<BoxStream<'static, Result<Signal, SourceError>>>, SourceError> {
        let _ = since;
        Ok(None)
    }

    /// Reads one resource anew. `None`: it is not one of this source's, or is gone.
    async fn read_one(&self, resource: &ResourceId) -> Result<Option<Resource>, SourceError> {
        let _ = resource;
        Ok(None)
    }

    /// The last lines of a resource's log, oldest first, cleared of secrets. `None`: it has no log here.
    async fn log_tail(
        &self,
        resource: &ResourceId,
        lines: u32,
    ) -> Result<Option<Vec<String>>, SourceError> {
        let _ = (resource, lines);
        Ok(None)
    }

    /// The resource that stands for what this source reads from, where there is one: it is the root cause when the source fails, as
    /// the engine is for its containers. `error` is absent while all is well.
    fn representative(&self, error: Option<&SourceError>, at: Timestamp) -> Option<Resource> {
        let _ = (error, at);
        None
    }
}

// -------------------------------------------------------------------------------------------------------------- actuators

/// The right to do one action, once. It can only be made from the journal's own entry of the intent, so nothing can be done that was
/// not written down first.
///
/// There is no way to make one by hand; the fields are private, and so is its maker:
///
/// ```compile_fail,E0451
/// fn forge(action: steward_api::Action) -> steward::ports::Permit {
///     steward::ports::Permit { action, seq: 1 }
/// }
/// ```
///
/// ```compile_fail,E0624
/// fn forge(entry: &steward_api::Envelope, action: &steward_api::Action) {
///     let _ = steward::ports::Permit::for_intent(entry, action);
/// }
/// ```
#[derive(Debug)]
pub struct Permit {
    action: Action,
    seq: i64,
}

/// Why a permit was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermitError {
    /// The entry is not that of an intent, or was never journaled.
    #[error("there is no journaled intent behind this")]
    NoIntent,
    /// The intent was for something else.
    #[error("the journaled intent is for another action or another resource")]
    OtherIntent,
}

impl Permit {
    /// The right that a journaled intent gives.
    ///
    /// # Errors
    /// Where the entry is no intent, was not journaled, or is for another action or resource.
    pub(crate) fn for_intent(entry: &Envelope, action: &Action) -> Result<Self, PermitError> {
        match &entry.event {
            Event::ActionIntended {
                action: name,
                resource,
                ..
            } if entry.seq > 0 && !entry.hash.is_empty() => {
                if *name == action.name() && resource == action.target() {
                    Ok(Self {
                        action: action.clone(),
                        seq: entry.seq,
                    })
                } else {
                    Err(PermitError::OtherIntent)
                }
            }
            _ => Err(PermitError::NoIntent),
        }
    }

    /// What may be done.
    pub const fn action(&self) -> &Action {
        &self.action
    }

    /// The journal entry of the intent.
    pub const fn seq(&self) -> i64 {
        self.seq
    }
}

/// What a reading says of a precondition or a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It is so.
    Holds,
    /// It is not so, and here is why. For a verification: not yet.
    Broken(String),
    /// It is not so and can't become so (the container is gone).
    Hopeless(String),
}

/// Why an action or a reading for it failed.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The target is gone.
    #[error("{0} is gone")]
    Gone(String),
    /// Who would have to do it does not answer.
    #[error("{what} does not answer: {reason}")]
    Unreachable {
        /// What was asked.
        what: String,
        /// Why.
        reason: String,
    },
    /// It was refused or went wrong.
    #[error("{0}")]
    Failed(String),
    /// Nobody here can do it.
    #[error("nothing here can do {0}: {1}")]
    Unsupported(ActionName, String),
}

/// Something that can carry out actions of some kinds.
#[async_trait]
pub trait Actuator: Send + Sync + 'static {
    /// Whether it does actions of this name.
    fn handles(&self, action: ActionName) -> bool;

    /// How long one action may take at most.
    fn timeout(&self, action: &Action) -> Duration;

    /// Reads from the world, now, whether a precondition holds. Never from memory.
    async fn check(&self, precondition: &Precondition) -> Result<Reading, ActError>;

    /// Does what the permit allows. `Ok` means *applied*, with what was done in words (bytes freed, …); not yet *succeeded*.
    async fn apply(&self, permit: &Permit) -> Result<String, ActError>;

    /// Reads from the world, now, whether an action's effect is there. The executor calls it until it has held for long enough.
    async fn verify(&self, verification: &Verification) -> Result<Reading, ActError>;

    /// Looks whether an action that was intended at `since`, and of which nothing more is known, was carried out. `None`: can't tell.
    async fn was_applied(
        &self,
        action: &Action,
        since: Timestamp,
    ) -> Result<Option<bool>, ActError>;

    /// Exactly what would change, line by line, read from the world without changing it.
    async fn preview(&self, action: &Action) -> Result<Vec<String>, ActError> {
        Ok(vec![action.to_string()])
    }
}

// ------------------------------------------------------------------------------------------------------------------ store

/// One thing that happened, before it has its place in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not answer, or takes no writes now: disk full, read-only, connection lost. Nothing of the call was kept; try again.
    #[error("the database takes no writes")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What it holds can't be understood.
    #[error("the database holds something that can't be understood: {0}")]
    Corrupt(String),
    /// It can't be opened as configured.
    #[error("{0}")]
    Open(String),
}

/// An action as the projections know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionRecord {
    /// For which task.
    pub task: TaskId,
    /// Which step, from 0.
    pub step: u32,
    /// Whether it took the step back.
    pub undo: bool,
    /// What.
    pub action: ActionName,
    /// To what.
    pub resource: ResourceId,
    /// For which problem.
    pub problem: Option<Problem>,
    /// When it was intended.
    pub intended_at: Timestamp,
    /// How it ended, and when; absent for an open intent.
    pub concluded: Option<(Timestamp, StepResult)>,
}

/// What an agent needs to know of the past when it begins.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Incidents of this node that are not over, and those that ended within the last day.
    pub incidents: Vec<Incident>,
    /// Tasks of this node that are not over.
    pub tasks: Vec<Task>,
    /// Actions of this node intended within the last day, and all open intents.
    pub actions: Vec<ActionRecord>,
    /// The record of each remedy.
    pub remedies: Vec<((Problem, ActionName, ResourceId), RemedyRecord)>,
    /// The last known health of this node's resources.
    pub resources: BTreeMap<ResourceId, Health>,
    /// When this node's journal last had an entry; absent on the very first start.
    pub last_entry_at: Option<Timestamp>,
    /// How often each (kind of problem, severity) has opened an incident, for the counters.
    pub incident_totals: Vec<(Problem, String, u64)>,
}

/// One value of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Of which resource.
    pub resource: ResourceId,
    /// Which metric.
    pub metric: Metric,
    /// When.
    pub at: Timestamp,
    /// The value, in the metric's unit.
    pub value: f64,
}

/// How long metric history is kept at each resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// One-minute points.
    pub fine: Duration,
    /// Ten-minute points.
    pub medium: Duration,
    /// Two-hour points.
    pub coarse: Duration,
}

/// The journal and its projections.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// `sqlite` or `postgres`.
    fn engine(&self) -> &'static str;

    /// Appends facts to the journal and brings the projections up to date, all or nothing, durable when it returns.
    async fn append(&self, node: &str, facts: &[Fact]) -> Result<Vec<Envelope>, StoreError>;

    /// Sets numbers for new incidents, tasks and conversations aside; no number is ever given twice.
    async fn reserve_ids(&self, count: u32) -> Result<Range<i64>, StoreError>;

    /// What this node needs to know of the past.
    async fn recall(&self, node: &str, now: Timestamp) -> Result<Memory, StoreError>;

    /// Whether a write works now.
    async fn probe(&self) -> Result<(), StoreError>;

    /// Incidents, newest first.
    async fn incidents(&self, query: &IncidentQuery) -> Result<Page<Incident>, StoreError>;
    /// One incident.
    async fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError>;
    /// Tasks, newest first.
    async fn tasks(&self, query: &TaskQuery) -> Result<Page<Task>, StoreError>;
    /// One task.
    async fn task(&self, id: TaskId) -> Result<Option<Task>, StoreError>;
    /// What has happened to a resource.
    async fn statistics(&self, resource: &ResourceId) -> Result<ResourceStatistics, StoreError>;

    /// Entries with a number above `after`, oldest first.
    async fn journal_after(&self, after: i64, limit: u32) -> Result<Vec<Envelope>, StoreError>;
    /// Entries with a number below `before` (all, where absent), newest first.
    async fn journal_before(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Envelope>, StoreError>;
    /// The number of the last entry; 0 when there is none.
    async fn journal_head(&self) -> Result<i64, StoreError>;
    /// Checks the whole hash chain.
    async fn verify_journal(&self) -> Result<JournalVerification, StoreError>;
    /// Makes the projections anew from the journal; they must come out the same.
    async fn rebuild(&self) -> Result<(), StoreError>;

    /// Adds readings to the metric history.
    async fn record(&self, samples: &[Sample]) -> Result<(), StoreError>;
    /// Sums up finer points into coarser ones and removes what is older than is kept. Idempotent; called every few minutes.
    async fn tidy(&self, now: Timestamp, retention: Retention) -> Result<(), StoreError>;
    /// The history of one metric.
    async fn series(&self, query: &MetricQuery, now: Timestamp)
    -> Result<MetricSeries, StoreError>;
}

/// What was asked of language models: the calls as journaled, and their texts, which are kept beside the journal for a while; and what
/// people and specialists said to each other.
#[async_trait]
pub trait Archive: Send + Sync + 'static {
    /// Keeps texts, each under its SHA-256 in hexadecimal.
    async fn keep_texts(&self, at: Timestamp, texts: &[(String, String)])
    -> Result<(), StoreError>;
    /// Calls, newest first.
    async fn calls(&self, query: &CallQuery) -> Result<Page<RecordedCall>, StoreError>;
    /// One call with its texts, as far as they are still kept and unchanged.
    async fn call(&self, id: i64) -> Result<Option<CallTexts>, StoreError>;
    /// What a node's calls have cost since then, millionths of a US dollar.
    async fn spent_since(&self, node: &str, since: Timestamp) -> Result<u64, StoreError>;
    /// Forgets texts that were kept before then; says how many.
    async fn forget_texts(&self, before: Timestamp) -> Result<u64, StoreError>;
    /// Conversations, newest first.
    async fn conversations(
        &self,
        query: &ConversationQuery,
    ) -> Result<Page<Conversation>, StoreError>;
    /// One conversation without its messages.
    async fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError>;
    /// The last messages of a conversation with a number below `before`, oldest first; at most 1,000, and no more than about 16 MiB.
    async fn messages(
        &self,
        id: ConversationId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError>;
    /// The last question of a conversation.
    async fn last_question(&self, id: ConversationId) -> Result<Option<Message>, StoreError>;
    /// Where a node's security stood after each reading since then, oldest first; at most one for each hour, its last.
    async fn security_since(
        &self,
        node: &str,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, SecuritySummary)>, StoreError>;
    /// Where it stood after the last reading from `since` on and before `before`.
    async fn security_within(
        &self,
        node: &str,
        since: Timestamp,
        before: Timestamp,
    ) -> Result<Option<SecuritySummary>, StoreError>;
    /// A node's last daily summary.
    async fn last_security_day(&self, node: &str) -> Result<Option<SecurityDay>, StoreError>;
}

/// Shown in logs; never its content.
impl fmt::Debug for dyn Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.engine())
    }
}

/// `at` moved by a duration; the far end of time where that would overflow.
pub fn later(at: Timestamp, by: jiff::SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(if by.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}
