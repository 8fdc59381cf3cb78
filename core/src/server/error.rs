//! Refusals: every error of the server, as `application/problem+json` with a stable code.
//!
//! What flows through: a [`ProblemDetails`] from the engine or made here, out as a reply. What it never does: tell a caller what went
//! wrong inside of Steward or its database; that goes into the log, whole and once.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use steward_api::{ErrorCode, ProblemDetails};

use crate::ports::StoreError;

/// An error on its way to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What the caller reads.
    pub(super) problem: ProblemDetails,
    /// Seconds after which it is worth trying again, where that is known.
    pub(super) retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal of this code, with what exactly is wrong and what to do about it.
    pub(super) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        ProblemDetails::new(code, detail).into()
    }

    /// 400, with what would be right.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, detail)
    }

    /// 500. The reason must have been logged where it was met.
    pub(super) fn internal() -> Self {
        Self::new(
            ErrorCode::Internal,
            "Something went wrong inside of Steward; its log says what",
        )
    }

    /// What a failed read of the journal or its projections means for the caller. Logs the reason, which the caller never sees: it
    /// may name hosts, paths or statements.
    pub(super) fn from_store(error: &StoreError) -> Self {
        tracing::error!(
            error = error as &dyn std::error::Error,
            "can't read the journal for a request"
        );
        match error {
            StoreError::Unavailable(_) => Self {
                retry_after: Some(5),
                ..Self::new(
                    ErrorCode::StoreUnavailable,
                    "The database can't be read now; Steward's log says why",
                )
            },
            StoreError::Corrupt(_) | StoreError::Open(_) => Self::internal(),
        }
    }
}

impl From<ProblemDetails> for Refusal {
    fn from(problem: ProblemDetails) -> Self {
        Self {
            problem,
            retry_after: None,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::from_store(&error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // Plain data can't fail to serialise; were it ever to, the status still says what matters.
        let body = serde_json::to_vec(&self.problem).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() =
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.problem.code == ErrorCode::Unauthorized {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"steward\""),
            );
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
