//! Every HTTP endpoint, once: method, path, the role it wants, what goes in and what comes out.
//!
//! The server routes by these, the client calls by these, and the OpenAPI document is made from these.

use serde::{Serialize, de::DeserializeOwned};

use crate::*;

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the methods' own names")]
pub enum Method {
    Get,
    Post,
}

impl Method {
    /// The name, upper case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// No query or no body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Nothing {}

/// One endpoint of the contract.
pub trait Endpoint {
    /// The method.
    const METHOD: Method;
    /// The path, with at most one `{…}` part.
    const PATH: &'static str;
    /// The role that is needed; absent where no token is.
    const ROLE: Option<Role>;
    /// What it is for, in a sentence.
    const SUMMARY: &'static str;
    /// Codes with which it can refuse, besides those of every endpoint (400, 401, 403, 429, 500).
    const REFUSALS: &'static [ErrorCode];
    /// What goes in: the query of a `GET`, the JSON body of a `POST`.
    type Input: Serialize + DeserializeOwned + Send + 'static;
    /// What comes out.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
}

macro_rules! endpoints {
    ($( $(#[doc = $summary:literal])+ $name:ident = $method:ident $path:literal, $role:expr, $input:ty => $reply:ty $(, refuses $($code:ident)+)?; )+) => {
        $(
            $(#[doc = $summary])+
            #[derive(Clone, Copy, Debug)]
            pub struct $name;
            impl Endpoint for $name {
                const METHOD: Method = Method::$method;
                const PATH: &'static str = $path;
                const ROLE: Option<Role> = $role;
                const SUMMARY: &'static str = concat!($($summary),+);
                const REFUSALS: &'static [ErrorCode] = &[$($(ErrorCode::$code),+)?];
                type Input = $input;
                type Reply = $reply;
            }
        )+

        /// Calls `$visit!(Endpoint)` for each endpoint of the contract.
        #[macro_export]
        macro_rules! for_each_endpoint {
            ($visit:ident) => { $( $visit!($crate::$name); )+ };
        }
    };
}

endpoints! {
    /// Whether the agent lives. Needs no token.
    GetHealth = Get "/health", None, Nothing => HealthReply;
    /// What runs: sources with their last success, schedules with next run, autonomy, versions.
    GetStatus = Get "/status", Some(Role::Viewer), Nothing => StatusReply;
    /// The same as `/status`.
    GetMonitorStatus = Get "/monitor/status", Some(Role::Viewer), Nothing => StatusReply;
    /// Health in short. What could not be read is null.
    GetSystemSummary = Get "/api/health/system-summary", Some(Role::Viewer), Nothing => SystemSummary;
    /// Everything that is looked after, as last read.
    ListResources = Get "/api/resources", Some(Role::Viewer), ResourceQuery => ResourceList;
    /// One resource with what is known of it.
    GetResource = Get "/api/resource", Some(Role::Viewer), ResourceIdQuery => ResourceDetail, refuses ResourceNotFound StoreUnavailable;
    /// The last lines of a container's log, cleared of secrets.
    GetLog = Get "/api/resource/log", Some(Role::Viewer), ResourceIdQuery => LogTail, refuses ResourceNotFound EngineUnavailable;
    /// What may be asked to be done to a resource now, and exactly what that would be.
    ListOffers = Get "/api/resource/actions", Some(Role::Viewer), ResourceIdQuery => Offers, refuses ResourceNotFound;
    /// Asks for an action on a resource. Goes through decide, guard and journal like everything else.
    AskForAction = Post "/api/resource/actions", Some(Role::Operator), AskRequest => HealReply,
        refuses ResourceNotFound NothingToDo Withheld StoreUnavailable;
    /// Incidents, newest first.
    ListIncidents = Get "/api/incidents", Some(Role::Viewer), IncidentQuery => Page<Incident>, refuses StoreUnavailable;
    /// One incident.
    GetIncident = Get "/api/incidents/{id}", Some(Role::Viewer), Nothing => Incident, refuses IncidentNotFound StoreUnavailable;
    /// Has a language model look at an incident. Its opinion comes as a change of the incident.
    DiagnoseIncident = Post "/api/incidents/{id}/diagnose", Some(Role::Operator), DiagnoseRequest => Accepted,
        refuses IncidentNotFound NothingToDo NoModel;
    /// Puts one of an incident's diagnoses in force. What follows is decided as ever.
    ChooseDiagnosis = Post "/api/incidents/{id}/choose", Some(Role::Operator), ChooseRequest => Incident,
        refuses IncidentNotFound NothingToDo StoreUnavailable;
    /// Language models: which there are, how they do, what they cost.
    GetAdvisor = Get "/api/advisor", Some(Role::Viewer), Nothing => AdvisorStatus;
    /// Asks a language model for a word, to see whether it answers, and how.
    TryModel = Post "/api/advisor/try", Some(Role::Operator), TryModelRequest => TriedModel, refuses NoModel;
    /// Calls of language models, newest first.
    ListModelCalls = Get "/api/advisor/calls", Some(Role::Viewer), CallQuery => Page<RecordedCall>, refuses StoreUnavailable;
    /// One call of a language model with exactly what was sent and what came back.
    GetModelCall = Get "/api/advisor/calls/{id}", Some(Role::Operator), Nothing => CallTexts, refuses CallNotFound StoreUnavailable;
    /// Specialists: whom one can ask about what, and what they work on now.
    ListSpecialists = Get "/api/specialists", Some(Role::Viewer), Nothing => Vec<Specialist>;
    /// Conversations with specialists, newest first.
    ListConversations = Get "/api/conversations", Some(Role::Viewer), ConversationQuery => Page<Conversation>, refuses StoreUnavailable;
    /// One conversation with its messages.
    GetConversation = Get "/api/conversations/{id}", Some(Role::Viewer), Nothing => ConversationDetail, refuses ConversationNotFound StoreUnavailable;
    /// Says something to a specialist. The answer comes as messages of the conversation.
    Say = Post "/api/conversations", Some(Role::Operator), SayRequest => Said,
        refuses ConversationNotFound IncidentNotFound TaskNotFound NothingToDo NoModel StoreUnavailable;
    /// What is being worked on in a conversation, the answer as far as it is written. With `seen` the reply waits for a change, up to 15 s.
    GetProgress = Get "/api/conversations/{id}/progress", Some(Role::Viewer), ProgressQuery => Progress, refuses ConversationNotFound StoreUnavailable;
    /// Stops the answer that is under way.
    StopAnswer = Post "/api/conversations/{id}/stop", Some(Role::Operator), Nothing => Accepted,
        refuses ConversationNotFound NothingToDo StoreUnavailable;
    /// Has the last question answered once more.
    RetryAnswer = Post "/api/conversations/{id}/retry", Some(Role::Operator), Nothing => Said,
        refuses ConversationNotFound NothingToDo NoModel StoreUnavailable;
    /// Incidents of the last hours.
    GetMonitorIncidents = Get "/monitor/incidents", Some(Role::Viewer), HoursQuery => MonitorIncidents, refuses StoreUnavailable;
    /// Tasks, newest first.
    ListTasks = Get "/api/agents/tasks", Some(Role::Viewer), TaskQuery => Page<Task>, refuses StoreUnavailable;
    /// Tasks that wait for a person, most urgent first.
    ListPendingTasks = Get "/api/agents/tasks/pending", Some(Role::Viewer), Nothing => Vec<Task>;
    /// One task.
    GetTask = Get "/api/agents/tasks/{id}", Some(Role::Viewer), Nothing => Task, refuses TaskNotFound StoreUnavailable;
    /// Where a task stands, its result and its execution log.
    GetTaskStatus = Get "/api/agents/tasks/{id}/status", Some(Role::Viewer), Nothing => TaskStatusReply, refuses TaskNotFound StoreUnavailable;
    /// Says yes to a task's plan.
    ApproveTask = Post "/api/agents/tasks/{id}/approve", Some(Role::Operator), ApproveRequest => Accepted,
        refuses TaskNotFound TaskNotWaiting PlanChanged PlanStale ApprovalExpired StoreUnavailable;
    /// Says no to a task's plan.
    RejectTask = Post "/api/agents/tasks/{id}/reject", Some(Role::Operator), RejectRequest => Accepted,
        refuses TaskNotFound TaskNotWaiting PlanChanged ApprovalExpired StoreUnavailable;
    /// Asks for a container to be healed now. Goes through decide, guard and journal like everything else.
    HealContainer = Post "/monitor/heal/{container}", Some(Role::Operator), Nothing => HealReply,
        refuses ContainerNotFound NothingToDo Withheld StoreUnavailable EngineUnavailable;
    /// The current values, statistics and last hour of a container.
    GetContainerMetrics = Get "/monitor/metrics/container/{name}", Some(Role::Viewer), Nothing => ContainerMetrics, refuses ContainerNotFound StoreUnavailable;
    /// The history of one metric of one resource.
    GetMetrics = Get "/api/metrics", Some(Role::Viewer), MetricQuery => MetricSeries, refuses ResourceNotFound StoreUnavailable;
    /// The security of what is looked after in numbers. What was never read is null.
    GetSecuritySummary = Get "/api/security/summary", Some(Role::Viewer), Nothing => SecuritySummary;
    /// All that the last security scans found: the score with its deductions, vulnerabilities, certificates, attempts to sign in, ports, risks.
    GetSecurity = Get "/api/security", Some(Role::Viewer), Nothing => SecurityReport, refuses StoreUnavailable;
    /// Has parts of the security scan read now; all, where none is named.
    ScanSecurity = Post "/api/security/scan", Some(Role::Operator), ScanRequest => Accepted, refuses NothingToDo;
    /// Takes a person's word that a port is to be open.
    AcceptPort = Post "/api/security/ports/accept", Some(Role::Operator), AcceptPortRequest => Accepted, refuses NothingToDo StoreUnavailable;
    /// The autonomy in force.
    GetAutonomy = Get "/api/autonomy", Some(Role::Viewer), Nothing => AutonomyReply;
    /// Changes the autonomy until the configuration changes or the agent is started anew.
    SetAutonomy = Post "/api/autonomy", Some(Role::Admin), AutonomyRequest => AutonomyReply, refuses StoreUnavailable;
    /// The settings that can be changed: what each may be, its value and where that comes from. Never a secret.
    GetConfig = Get "/api/config", Some(Role::Viewer), Nothing => ConfigReply;
    /// Checks changes of settings and says what they would do to the file. Writes nothing.
    CheckConfig = Post "/api/config/check", Some(Role::Admin), ConfigCheckRequest => ConfigCheckReply, refuses ConfigReadOnly;
    /// Writes changes of settings to the configuration's file, whose comments stay, and puts them in force.
    WriteConfig = Post "/api/config", Some(Role::Admin), ConfigWriteRequest => ConfigWritten,
        refuses ConfigChanged ConfigInvalid ConfigReadOnly StoreUnavailable;
    /// Entries of the journal.
    ListJournal = Get "/api/journal", Some(Role::Viewer), JournalQuery => JournalPage, refuses StoreUnavailable;
    /// Checks the journal's hash chain.
    VerifyJournal = Get "/api/journal/verify", Some(Role::Viewer), Nothing => JournalVerification, refuses StoreUnavailable;
    /// Who is asking: whose session or token it is, and what it allows.
    GetSession = Get "/api/session", Some(Role::Viewer), Nothing => Session;
    /// Signs in with a token or the code of a sign-in link, exactly one of them. Sets the session's cookie; ends the session before.
    SignIn = Post "/api/session", None, SignInRequest => Session, refuses Unauthorized TooManyRequests;
    /// Signs out: ends the session whose cookie comes along, where there is one, and clears the cookie.
    SignOut = Post "/api/session/end", None, Nothing => Accepted;
    /// Makes a token and shows it, this once.
    MakeToken = Post "/api/tokens", Some(Role::Admin), NewTokenRequest => NewToken, refuses TokenConflict StoreUnavailable;
    /// Revokes a token: it is nobody's from now on, and what was signed in with it is signed out.
    RevokeToken = Post "/api/tokens/{name}/revoke", Some(Role::Admin), Nothing => Accepted, refuses TokenNotFound TokenConflict StoreUnavailable;
    /// Makes a link that signs in once, within ten minutes, as whoever asks for it.
    MakeSignInLink = Post "/api/session/link", Some(Role::Viewer), Nothing => SignInLink;
}

/// The path of the event stream (Server-Sent Events; `Last-Event-ID` resumes after that journal entry). Each message's `id` is the
/// entry's number, its data an [`Envelope`]; a message `event: reload` tells a reader that lags too far to read everything anew.
pub const EVENTS_PATH: &str = "/api/events";
/// The header, with the value `1`, that every change carries which is asked for with a session's cookie. A page of another site can't set it.
pub const REQUEST_HEADER: &str = "X-Steward-Request";
/// The path of the Prometheus metrics.
pub const METRICS_PATH: &str = "/metrics";
/// The path of the OpenAPI document.
pub const OPENAPI_PATH: &str = "/openapi.json";
