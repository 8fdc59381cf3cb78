//! The way from the window to whoever answers: the engine inside this program, or an agent.
//!
//! What flows through: requests of the contract (method, path, body) in, answers or a [`Trouble`] out; the event stream. The window, the
//! notifications and the tray all ask through this. What it never does: decide anything, or hand the token to the window.

mod own;
mod remote;

use std::{pin::Pin, time::Duration};

use futures_util::Stream;
use steward::client::StreamEvent;
use steward_api::{
    DesktopAnswer, Endpoint, Envelope, Method, ProblemDetails, Role, Trouble, TroubleKind,
};

pub(crate) use self::{own::Own, remote::Remote};

/// How long a request may take that the shell itself makes.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest that the window may wait for an answer.
const LONGEST_PATIENCE: Duration = Duration::from_secs(600);
/// Where a browser asks who is signed in. In the desktop nobody signs in: the shell has the token, and answers for it.
const SESSION_PATH: &str = "/api/session";

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// With its query.
    pub(crate) path: String,
    /// JSON, where it has a body.
    pub(crate) body: Option<String>,
    pub(crate) patience: Duration,
}

impl Asked {
    /// A request of the window's.
    ///
    /// # Errors
    /// Where it is none of the contract's.
    pub(crate) fn new(
        method: &str,
        path: String,
        body: Option<String>,
        patience_ms: u32,
    ) -> Result<Self, Trouble> {
        let method = match method {
            "GET" => Method::Get,
            "POST" => Method::Post,
            other => {
                return Err(Trouble::new(
                    TroubleKind::BadInput,
                    "The request can't be sent",
                    format!("`{other}` is no method of Steward's."),
                ));
            }
        };
        let patience = Duration::from_millis(u64::from(patience_ms)).min(LONGEST_PATIENCE);
        Ok(Self {
            method,
            path,
            body,
            patience,
        })
    }
}

/// Entries of the journal as they come, with the breaks between them. It ends after an error, which is one that trying again at once does
/// not help.
pub(crate) type Events = Pin<Box<dyn Stream<Item = Result<StreamEvent, Trouble>> + Send>>;

/// Why a call of the shell's own failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// There was no answer.
    #[error(transparent)]
    Trouble(Trouble),
    /// The agent refused, and says why.
    #[error(transparent)]
    Refused(Box<ProblemDetails>),
}

/// Whoever answers.
#[derive(Clone, Debug)]
pub(crate) enum Carrier {
    Own(Own),
    Remote(Box<Remote>),
}

impl Carrier {
    /// Asks, and gives the answer as it comes: a refusal of the agent's is an answer too.
    ///
    /// # Errors
    /// Where there was none.
    pub(crate) async fn ask(&self, asked: Asked) -> Result<DesktopAnswer, Trouble> {
        if asked.path == SESSION_PATH && asked.method == Method::Get {
            return self.session().await;
        }
        match self {
            Self::Own(own) => own.ask(asked).await,
            Self::Remote(remote) => remote.ask(asked).await,
        }
    }

    /// Calls an endpoint; `number` goes into the `{…}` part of its path. Only for those without a query.
    ///
    /// # Errors
    /// Where there was no good answer.
    pub(crate) async fn call<E: Endpoint>(
        &self,
        number: Option<i64>,
        input: &E::Input,
    ) -> Result<E::Reply, CallError> {
        let strange = |error: serde_json::Error| CallError::Trouble(not_understood(&error));
        let body = match E::METHOD {
            Method::Get => None,
            Method::Post => Some(serde_json::to_string(input).map_err(strange)?),
        };
        let asked = Asked {
            method: E::METHOD,
            path: path_of(E::PATH, number),
            body,
            patience: PATIENCE,
        };
        let answer = self.ask(asked).await.map_err(CallError::Trouble)?;
        if (200..300).contains(&answer.status) {
            return serde_json::from_str(&answer.body).map_err(strange);
        }
        let problem = serde_json::from_str::<ProblemDetails>(&answer.body).map_err(strange)?;
        Err(CallError::Refused(Box::new(problem)))
    }

    /// What happens from now on, or after an entry of the journal.
    pub(crate) fn events(&self, after: Option<i64>) -> Events {
        match self {
            Self::Own(own) => own.events(after),
            Self::Remote(remote) => remote.events(after),
        }
    }

    /// Who speaks, as a browser would be told after signing in.
    async fn session(&self) -> Result<DesktopAnswer, Trouble> {
        match self {
            Self::Own(own) => Ok(session(own.identity(), Role::Admin)),
            Self::Remote(remote) => remote.session().await,
        }
    }
}

/// The answer to the question who is signed in.
fn session(identity: &str, role: Role) -> DesktopAnswer {
    DesktopAnswer {
        status: 200,
        body: serde_json::json!({ "identity": identity, "role": role }).to_string(),
    }
}

/// A problem as an answer, as the agent would write it.
fn refusal(problem: &ProblemDetails) -> DesktopAnswer {
    DesktopAnswer {
        status: problem.status,
        body: serde_json::json!(problem).to_string(),
    }
}

fn path_of(template: &str, number: Option<i64>) -> String {
    match (template.split_once('{'), number) {
        (Some((before, rest)), Some(number)) => {
            let after = rest.split_once('}').map_or("", |(_, after)| after);
            format!("{before}{number}{after}")
        }
        _ => template.to_owned(),
    }
}

fn not_understood(error: &serde_json::Error) -> Trouble {
    Trouble::new(
        TroubleKind::OtherVersion,
        "The answer can't be understood",
        format!(
            "This is Steward {}, and the agent answered in a way that it does not know ({error}). Bring both to the same version.",
            env!("CARGO_PKG_VERSION")
        ),
    )
}

/// An entry of the stream as the window reads it.
pub(crate) fn written(envelope: &Envelope) -> Result<String, Trouble> {
    serde_json::to_string(envelope).map_err(|error| not_understood(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use steward_api::{ApproveTask, GetStatus};

    #[test]
    fn the_number_goes_into_the_path() {
        assert_eq!(
            path_of(ApproveTask::PATH, Some(12)),
            "/api/agents/tasks/12/approve"
        );
        assert_eq!(path_of(GetStatus::PATH, None), "/status");
    }

    #[test]
    fn a_request_is_of_the_contract_and_waits_no_longer_than_is_sensible() {
        let asked = Asked::new("GET", "/status".to_owned(), None, u32::MAX).unwrap();
        assert_eq!(asked.patience, LONGEST_PATIENCE);
        let refused = Asked::new("DELETE", "/status".to_owned(), None, 1).unwrap_err();
        assert_eq!(refused.kind, TroubleKind::BadInput);
    }
}
