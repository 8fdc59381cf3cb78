//! Errors on the wire: `application/problem+json` (RFC 9457) with a stable code.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong, as a code that scripts can rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 400: the request can't be understood.
    BadRequest,
    /// 401: no token, or one that is not known.
    Unauthorized,
    /// 403: the token's role does not allow it.
    Forbidden,
    /// 404: there is nothing at this path.
    NotFound,
    /// 404: no such task.
    TaskNotFound,
    /// 404: no such incident.
    IncidentNotFound,
    /// 404: no such resource.
    ResourceNotFound,
    /// 404: no such container.
    ContainerNotFound,
    /// 404: no token of that name.
    TokenNotFound,
    /// 404: no such call of a language model.
    CallNotFound,
    /// 404: no such conversation.
    ConversationNotFound,
    /// 405: the path is right, the method is not.
    MethodNotAllowed,
    /// 409: the task has been answered, or waits for no answer.
    TaskNotWaiting,
    /// 409: the plan hash given is not that of the task's plan.
    PlanChanged,
    /// 409: what the plan rests on has changed since it was made.
    PlanStale,
    /// 409: what was asked for is being done already, or there is nothing to do.
    NothingToDo,
    /// 409: policy or a guard does not allow it.
    Withheld,
    /// 409: the configuration's file is not the one that the change was made for.
    ConfigChanged,
    /// 409: the configuration's file can't be written by Steward.
    ConfigReadOnly,
    /// 409: a token of that name exists, or this one has to stay.
    TokenConflict,
    /// 409: there is no language model that could be asked, or none of that name.
    NoModel,
    /// 410: the question has lapsed.
    ApprovalExpired,
    /// 413: the request is too large.
    TooLarge,
    /// 422: the configuration would not be valid; nothing was written.
    ConfigInvalid,
    /// 429: too many failed attempts to sign in, or too many requests.
    TooManyRequests,
    /// 500: a fault of Steward's.
    Internal,
    /// 503: the database does not take writes, so nothing may be done.
    StoreUnavailable,
    /// 503: the engine that would have to be asked does not answer.
    EngineUnavailable,
}

impl ErrorCode {
    /// The HTTP status that goes with it.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound
            | Self::TaskNotFound
            | Self::IncidentNotFound
            | Self::ResourceNotFound
            | Self::ContainerNotFound
            | Self::TokenNotFound
            | Self::CallNotFound
            | Self::ConversationNotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TaskNotWaiting
            | Self::PlanChanged
            | Self::PlanStale
            | Self::NothingToDo
            | Self::Withheld
            | Self::ConfigChanged
            | Self::ConfigReadOnly
            | Self::TokenConflict
            | Self::NoModel => 409,
            Self::ApprovalExpired => 410,
            Self::TooLarge => 413,
            Self::ConfigInvalid => 422,
            Self::TooManyRequests => 429,
            Self::Internal => 500,
            Self::StoreUnavailable | Self::EngineUnavailable => 503,
        }
    }

    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::TaskNotFound => "task_not_found",
            Self::IncidentNotFound => "incident_not_found",
            Self::ResourceNotFound => "resource_not_found",
            Self::ContainerNotFound => "container_not_found",
            Self::TokenNotFound => "token_not_found",
            Self::CallNotFound => "call_not_found",
            Self::ConversationNotFound => "conversation_not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::TaskNotWaiting => "task_not_waiting",
            Self::PlanChanged => "plan_changed",
            Self::PlanStale => "plan_stale",
            Self::NothingToDo => "nothing_to_do",
            Self::Withheld => "withheld",
            Self::ConfigChanged => "config_changed",
            Self::ConfigReadOnly => "config_read_only",
            Self::TokenConflict => "token_conflict",
            Self::NoModel => "no_model",
            Self::ApprovalExpired => "approval_expired",
            Self::TooLarge => "too_large",
            Self::ConfigInvalid => "config_invalid",
            Self::TooManyRequests => "too_many_requests",
            Self::Internal => "internal",
            Self::StoreUnavailable => "store_unavailable",
            Self::EngineUnavailable => "engine_unavailable",
        }
    }

    /// A short title for a person.
    pub const fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "The request can't be understood",
            Self::Unauthorized => "A valid token is needed",
            Self::Forbidden => "This token's role does not allow it",
            Self::NotFound => "There is nothing here",
            Self::TaskNotFound => "No such task",
            Self::IncidentNotFound => "No such incident",
            Self::ResourceNotFound => "No such resource",
            Self::ContainerNotFound => "No such container",
            Self::TokenNotFound => "No such token",
            Self::CallNotFound => "No such call",
            Self::ConversationNotFound => "No such conversation",
            Self::MethodNotAllowed => "This path does not take that method",
            Self::TaskNotWaiting => "The task waits for no answer",
            Self::PlanChanged => "The plan is not the one you saw",
            Self::PlanStale => "What the plan rests on has changed",
            Self::NothingToDo => "There is nothing to do",
            Self::Withheld => "Steward withholds this",
            Self::ConfigChanged => "The configuration's file has changed meanwhile",
            Self::ConfigReadOnly => "Steward can't write the configuration's file",
            Self::TokenConflict => "This token can't be changed so",
            Self::NoModel => "There is no model to ask",
            Self::ApprovalExpired => "The question has lapsed",
            Self::TooLarge => "The request is too large",
            Self::ConfigInvalid => "The configuration would not be valid",
            Self::TooManyRequests => "Too many requests",
            Self::Internal => "Steward made a mistake",
            Self::StoreUnavailable => "The database does not take writes",
            Self::EngineUnavailable => "The container engine does not answer",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The body of every error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[error("{title}: {detail}")]
pub struct ProblemDetails {
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: ErrorCode,
    /// A short title, the same for every error of this code.
    pub title: String,
    /// What exactly, and what to do about it.
    pub detail: String,
}

impl ProblemDetails {
    /// A problem of this code.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            status: code.status(),
            code,
            title: code.title().to_owned(),
            detail: detail.into(),
        }
    }
}
