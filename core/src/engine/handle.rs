//! The engine as others see it: what can be read of it and asked of it. Cheap to clone.
//!
//! The server and every other channel use this and nothing else, so that all of them go through the same functions and the same
//! authorisation.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use steward_api::{
    ApproveRequest, AskRequest, Autonomy, Channel, ChooseRequest, ConversationId, Envelope,
    Incident, IncidentId, LogTail, Offers, ProblemDetails, Progress, RejectRequest, Resource,
    ResourceId, Role, Said, SayRequest, ScanPart, ScheduleStatus, SecurityReport, SecuritySummary,
    SignInBy, SourceStatus, Specialist, Task, TaskId, Unreadable,
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::progress::ProgressBoard;
use crate::{
    config::Config,
    ports::{Advisor, Archive, Store},
};

/// Who asks for something, as authenticated by the channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The identity of the token: its name in the token file.
    pub identity: String,
    /// What it may do.
    pub role: Role,
    /// Through which channel.
    pub channel: Channel,
}

/// What the engine knows now: one immutable picture, replaced after each change.
#[derive(Clone, Debug)]
pub struct View {
    /// The node.
    pub node: String,
    /// When the agent began.
    pub started_at: Timestamp,
    /// The autonomy in force.
    pub autonomy: Autonomy,
    /// When the picture last changed.
    pub taken_at: Timestamp,
    /// Every resource, by id.
    pub resources: Arc<BTreeMap<ResourceId, Arc<Resource>>>,
    /// What could not be read in the last reading of each source.
    pub unreadable: Vec<Unreadable>,
    /// Sources, by name.
    pub sources: Vec<SourceStatus>,
    /// Schedules, by name.
    pub schedules: Vec<ScheduleStatus>,
    /// Versions of what is looked after.
    pub versions: BTreeMap<String, String>,
    /// What the security scans found; without the trend, which the archive has.
    pub security: Arc<SecurityReport>,
    /// The same in numbers.
    pub security_summary: Arc<SecuritySummary>,
    /// Incidents that are not over.
    pub active_incidents: Vec<Arc<Incident>>,
    /// Tasks that are not over, most urgent first.
    pub open_tasks: Vec<Arc<Task>>,
    /// Why the store takes no writes, while it does not.
    pub store_error: Option<String>,
    /// Facts that wait to be journaled.
    pub store_backlog: u64,
    /// Why the configuration on disk is not the one in force, where it is not.
    pub config_error: Option<String>,
}

/// What was done to a token, for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenChange {
    /// It was made.
    Made {
        /// Its name.
        name: String,
        /// What it allows.
        role: Role,
    },
    /// It was revoked.
    Revoked {
        /// Its name.
        name: String,
    },
}

/// Somebody who signed in from a browser, for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// The identity of the token.
    pub identity: String,
    /// What it allows.
    pub role: Role,
    /// By what they signed in.
    pub by: SignInBy,
    /// The address from which they came; empty where it is not known.
    pub from: String,
}

/// A request to the engine; carries where the answer goes.
#[derive(Debug)]
pub(crate) enum Request {
    Approve {
        task: TaskId,
        body: ApproveRequest,
        caller: Caller,
        reply: oneshot::Sender<Result<Task, ProblemDetails>>,
    },
    Reject {
        task: TaskId,
        body: RejectRequest,
        caller: Caller,
        reply: oneshot::Sender<Result<Task, ProblemDetails>>,
    },
    Heal {
        container: String,
        caller: Caller,
        reply: oneshot::Sender<Result<Task, ProblemDetails>>,
    },
    Offers {
        resource: ResourceId,
        reply: oneshot::Sender<Result<Offers, ProblemDetails>>,
    },
    AskFor {
        request: AskRequest,
        caller: Caller,
        reply: oneshot::Sender<Result<Task, ProblemDetails>>,
    },
    SetAutonomy {
        level: Autonomy,
        caller: Caller,
        reply: oneshot::Sender<Result<Autonomy, ProblemDetails>>,
    },
    RecordToken {
        change: TokenChange,
        caller: Caller,
        reply: oneshot::Sender<Result<(), ProblemDetails>>,
    },
    RecordSession(NewSession),
    Diagnose {
        incident: IncidentId,
        model: Option<String>,
        caller: Caller,
        reply: oneshot::Sender<Result<(), ProblemDetails>>,
    },
    Choose {
        incident: IncidentId,
        choice: ChooseRequest,
        caller: Caller,
        reply: oneshot::Sender<Result<Incident, ProblemDetails>>,
    },
    LogTail {
        resource: ResourceId,
        reply: oneshot::Sender<Result<LogTail, ProblemDetails>>,
    },
    Say {
        request: Box<SayRequest>,
        caller: Caller,
        reply: oneshot::Sender<Result<Said, ProblemDetails>>,
    },
    StopAnswer {
        conversation: ConversationId,
        caller: Caller,
        reply: oneshot::Sender<Result<(), ProblemDetails>>,
    },
    RetryAnswer {
        conversation: ConversationId,
        caller: Caller,
        reply: oneshot::Sender<Result<Said, ProblemDetails>>,
    },
    /// A configuration that was written by a person through Steward.
    Reconfigure {
        config: Box<Config>,
        by: String,
        reply: oneshot::Sender<()>,
    },
    ScanSecurity {
        parts: Vec<ScanPart>,
        caller: Caller,
        reply: oneshot::Sender<Result<Vec<ScanPart>, ProblemDetails>>,
    },
    AcceptPort {
        port: ResourceId,
        caller: Caller,
        reply: oneshot::Sender<Result<(), ProblemDetails>>,
    },
    /// Read everything now instead of at the next tick.
    Refresh,
}

/// The engine as others see it.
#[derive(Clone)]
pub struct Handle {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) view: watch::Receiver<Arc<View>>,
    pub(crate) events: broadcast::Sender<Arc<Envelope>>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) metrics: Arc<crate::engine::metrics::Metrics>,
    pub(crate) settings: Arc<crate::engine::Settings>,
    pub(crate) advisor: Arc<dyn Advisor>,
    pub(crate) archive: Arc<dyn Archive>,
    pub(crate) progress: Arc<ProgressBoard>,
}

impl Handle {
    /// What the engine knows now.
    pub fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// Every event from now on, as journaled. A receiver that lags by more than its buffer is told so and must read the journal.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Envelope>> {
        self.events.subscribe()
    }

    /// The journal and its projections, to read.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The engine's metrics, for Prometheus.
    pub fn metrics(&self) -> &crate::engine::metrics::Metrics {
        &self.metrics
    }

    /// The configuration's keeper.
    pub fn settings(&self) -> Arc<crate::engine::Settings> {
        Arc::clone(&self.settings)
    }

    /// Puts a configuration in force that was just written to its file. Only its keeper calls this.
    ///
    /// # Errors
    /// Where the engine is ending.
    pub(super) async fn reconfigure(
        &self,
        config: Box<Config>,
        by: String,
    ) -> Result<(), ProblemDetails> {
        self.ask(|reply| Request::Reconfigure { config, by, reply })
            .await
    }

    /// Says yes to a task's plan. The only way for a person to let something be done.
    ///
    /// # Errors
    /// `forbidden`, `task_not_found`, `task_not_waiting`, `plan_changed`, `plan_stale`, `approval_expired`, `store_unavailable`; nothing changes.
    pub async fn approve(
        &self,
        task: TaskId,
        body: ApproveRequest,
        caller: Caller,
    ) -> Result<Task, ProblemDetails> {
        self.ask(|reply| Request::Approve {
            task,
            body,
            caller,
            reply,
        })
        .await?
    }

    /// Says no to a task's plan.
    ///
    /// # Errors
    /// As for [`Self::approve`].
    pub async fn reject(
        &self,
        task: TaskId,
        body: RejectRequest,
        caller: Caller,
    ) -> Result<Task, ProblemDetails> {
        self.ask(|reply| Request::Reject {
            task,
            body,
            caller,
            reply,
        })
        .await?
    }

    /// Asks for a container (by name or full id) to be healed now. Goes through decide, guard and journal like everything else.
    ///
    /// # Errors
    /// `forbidden`, `container_not_found`, `nothing_to_do`, `withheld`, `store_unavailable`, `engine_unavailable`; nothing changes.
    pub async fn heal(&self, container: String, caller: Caller) -> Result<Task, ProblemDetails> {
        self.ask(|reply| Request::Heal {
            container,
            caller,
            reply,
        })
        .await?
    }

    /// What may be asked to be done to a resource now.
    ///
    /// # Errors
    /// `resource_not_found`.
    pub async fn offers(&self, resource: ResourceId) -> Result<Offers, ProblemDetails> {
        self.ask(|reply| Request::Offers { resource, reply })
            .await?
    }

    /// Asks for an action on a resource. Goes through decide, guard and journal like everything else.
    ///
    /// # Errors
    /// `forbidden`, `resource_not_found`, `nothing_to_do`, `withheld`, `store_unavailable`; nothing changes.
    pub async fn ask_for(
        &self,
        request: AskRequest,
        caller: Caller,
    ) -> Result<Task, ProblemDetails> {
        self.ask(|reply| Request::AskFor {
            request,
            caller,
            reply,
        })
        .await?
    }

    /// Changes the autonomy until the configuration changes or the agent is started anew.
    ///
    /// # Errors
    /// `forbidden`, `store_unavailable`; nothing changes.
    pub async fn set_autonomy(
        &self,
        level: Autonomy,
        caller: Caller,
    ) -> Result<Autonomy, ProblemDetails> {
        self.ask(|reply| Request::SetAutonomy {
            level,
            caller,
            reply,
        })
        .await?
    }

    /// Writes into the journal what was done to a token.
    ///
    /// # Errors
    /// `forbidden`, `store_unavailable`; then it is not in the journal.
    pub async fn record_token(
        &self,
        change: TokenChange,
        caller: Caller,
    ) -> Result<(), ProblemDetails> {
        self.ask(|reply| Request::RecordToken {
            change,
            caller,
            reply,
        })
        .await?
    }

    /// Has the journal say that somebody signed in. Waits for nothing: where it takes no writes now, that is written later, since people
    /// have to get in all the more when something is wrong.
    pub async fn record_session(&self, session: NewSession) {
        // An engine that is shutting down writes nothing more, and the session ends with it.
        let _ = self.requests.send(Request::RecordSession(session)).await;
    }

    /// Has the Advisor look at an incident. Returns when it has begun; its opinion comes as a change of the incident.
    ///
    /// # Errors
    /// `forbidden`, `incident_not_found`, `nothing_to_do`, `no_model`; nothing changes.
    pub async fn diagnose(
        &self,
        incident: IncidentId,
        model: Option<String>,
        caller: Caller,
    ) -> Result<(), ProblemDetails> {
        self.ask(|reply| Request::Diagnose {
            incident,
            model,
            caller,
            reply,
        })
        .await?
    }

    /// Puts one of an incident's diagnoses in force. What follows is decided as ever.
    ///
    /// # Errors
    /// `forbidden`, `incident_not_found`, `nothing_to_do`, `store_unavailable`; nothing changes.
    pub async fn choose(
        &self,
        incident: IncidentId,
        choice: ChooseRequest,
        caller: Caller,
    ) -> Result<Incident, ProblemDetails> {
        self.ask(|reply| Request::Choose {
            incident,
            choice,
            caller,
            reply,
        })
        .await?
    }

    /// Says something to a specialist. Returns when the question is journaled; the answer comes as messages of the conversation.
    ///
    /// # Errors
    /// `bad_request`, `forbidden`, `conversation_not_found`, `incident_not_found`, `task_not_found`, `nothing_to_do`, `no_model`,
    /// `too_many_requests`, `store_unavailable`; nothing was said.
    pub async fn say(&self, request: SayRequest, caller: Caller) -> Result<Said, ProblemDetails> {
        let request = Box::new(request);
        self.ask(|reply| Request::Say {
            request,
            caller,
            reply,
        })
        .await?
    }

    /// Stops the answer that is under way. What was written until then stays, as a message that says who stopped it.
    ///
    /// # Errors
    /// `forbidden`, `conversation_not_found`, `nothing_to_do`, `store_unavailable`; nothing changes.
    pub async fn stop_answer(
        &self,
        conversation: ConversationId,
        caller: Caller,
    ) -> Result<(), ProblemDetails> {
        self.ask(|reply| Request::StopAnswer {
            conversation,
            caller,
            reply,
        })
        .await?
    }

    /// Has the last question of a conversation answered once more.
    ///
    /// # Errors
    /// As for [`Self::say`].
    pub async fn retry_answer(
        &self,
        conversation: ConversationId,
        caller: Caller,
    ) -> Result<Said, ProblemDetails> {
        self.ask(|reply| Request::RetryAnswer {
            conversation,
            caller,
            reply,
        })
        .await?
    }

    /// What is being worked on in a conversation; absent where nothing was said there since the agent began.
    pub fn progress(&self, conversation: ConversationId) -> Option<Progress> {
        self.progress.look(conversation)
    }

    /// Changes whenever something is worked on, in any conversation; for whoever waits for the next [`Self::progress`].
    pub fn progress_changes(&self) -> watch::Receiver<u64> {
        self.progress.changes()
    }

    /// The specialists, each with what it works on now.
    pub fn specialists(&self) -> Vec<Specialist> {
        let mut specialists = self.advisor.specialists();
        for (name, at_work) in self.progress.at_work() {
            if let Some(specialist) = specialists.iter_mut().find(|known| known.name == name) {
                specialist.at_work.push(at_work);
            }
        }
        specialists
    }

    /// Has parts of the security scan read now; all that the agent scans, where none is named. Says which. What is found comes as events.
    ///
    /// # Errors
    /// `forbidden`; `nothing_to_do` where one of them is not scanned here.
    pub async fn scan_security(
        &self,
        parts: Vec<ScanPart>,
        caller: Caller,
    ) -> Result<Vec<ScanPart>, ProblemDetails> {
        self.ask(|reply| Request::ScanSecurity {
            parts,
            caller,
            reply,
        })
        .await?
    }

    /// Takes a person's word that a port is to be open.
    ///
    /// # Errors
    /// `forbidden`, `nothing_to_do` where it is not open or expected already, `store_unavailable`; nothing changes.
    pub async fn accept_port(
        &self,
        port: ResourceId,
        caller: Caller,
    ) -> Result<(), ProblemDetails> {
        self.ask(|reply| Request::AcceptPort {
            port,
            caller,
            reply,
        })
        .await?
    }

    /// Whoever asks language models.
    pub fn advisor(&self) -> &Arc<dyn Advisor> {
        &self.advisor
    }

    /// What was asked of language models.
    pub fn archive(&self) -> &Arc<dyn Archive> {
        &self.archive
    }

    /// The last lines of a resource's log, cleared of secrets.
    ///
    /// # Errors
    /// `resource_not_found`, `engine_unavailable`.
    pub async fn log_tail(&self, resource: ResourceId) -> Result<LogTail, ProblemDetails> {
        self.ask(|reply| Request::LogTail { resource, reply })
            .await?
    }

    /// Has everything read now instead of at the next tick.
    pub async fn refresh(&self) {
        // An engine that is shutting down reads nothing any more, and nobody waits for it.
        let _ = self.requests.send(Request::Refresh).await;
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, ProblemDetails> {
        let stopping = || {
            ProblemDetails::new(
                steward_api::ErrorCode::Internal,
                "the agent is shutting down",
            )
        };
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(request(reply))
            .await
            .map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }
}
