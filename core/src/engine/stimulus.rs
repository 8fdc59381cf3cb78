//! Everything that can make the engine move; a closed enum.

use std::time::Duration;

use jiff::Timestamp;
use steward_api::{
    Channel, ConversationId, Diagnosis, Envelope, ExecutionEntry, IncidentId, Message, Offers,
    PlanHash, ProblemDetails, Resource, ResourceId, Task, TaskId,
};
use tokio::sync::oneshot;

use super::handle::Caller;
use crate::{
    flow::act::{Conclusion, Execution, Intent},
    ports::{AdvisorError, Depth, Draft, Observation, Reading, Signal, SourceError, StoreError},
};

/// One thing that makes the engine move.
pub(super) enum Stimulus {
    /// A source was read, or could not be.
    Observed {
        source: usize,
        generation: u64,
        depth: Depth,
        began_at: Timestamp,
        took: Duration,
        result: Result<Observation, SourceError>,
    },
    /// A source's event stream brought something.
    Signalled {
        source: usize,
        generation: u64,
        signal: Signal,
    },
    /// A source's event stream was lost.
    StreamLost {
        source: usize,
        generation: u64,
        error: String,
    },
    /// One resource was read anew.
    ReadOne {
        source: usize,
        generation: u64,
        resource: ResourceId,
        result: Result<Option<Box<Resource>>, SourceError>,
    },
    /// What there is to know about an incident was gathered.
    Investigated {
        incident: IncidentId,
        fresh: Option<Box<Resource>>,
        source: usize,
        generation: u64,
        log: Result<Vec<String>, String>,
    },
    /// The Advisor has looked at an incident.
    Advised {
        incident: IncidentId,
        opinion: Result<Diagnosis, AdvisorError>,
    },
    /// A specialist says something.
    Said {
        conversation: ConversationId,
        run: u64,
        draft: Box<Draft>,
        reply: oneshot::Sender<Result<Message, String>>,
    },
    /// The specialists have come to their end with a question, or there is no answer, and why.
    Answered {
        conversation: ConversationId,
        run: u64,
        ending: Result<(), String>,
    },
    /// A specialist wants to know what may be proposed.
    Offers {
        resource: ResourceId,
        reply: oneshot::Sender<Result<Offers, ProblemDetails>>,
    },
    /// The executor wants an intent journaled before it acts.
    Intend {
        intent: Intent,
        reply: oneshot::Sender<Result<Envelope, StoreError>>,
    },
    /// The executor says how an intent ended.
    Conclude {
        conclusion: Conclusion,
        reply: oneshot::Sender<()>,
    },
    /// The executor adds to a task's log.
    Log { task: TaskId, entry: ExecutionEntry },
    /// A task was carried out.
    Executed { task: TaskId, execution: Execution },
    /// The database takes no writes, as was found beside the loop.
    StoreFailed { error: StoreError },
    /// What a plan rests on was read again before a person's answer counts.
    AnswerChecked {
        answer: Box<Answer>,
        reading: Result<Reading, String>,
    },
}

/// A person's yes on its way.
pub(super) struct Answer {
    pub(super) task: TaskId,
    pub(super) plan_hash: PlanHash,
    pub(super) by: String,
    pub(super) note: String,
    pub(super) caller: Caller,
    pub(super) reply: oneshot::Sender<Result<Task, ProblemDetails>>,
}

impl Answer {
    pub(super) const fn channel(&self) -> Channel {
        self.caller.channel
    }
}
