//! How a command ends when it does not end well: what to say and which exit code to give.

use std::{fmt, io};

use steward_api::ErrorCode;

use crate::client::ClientError;

/// The exit codes of the command line; scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    // 3 to 5 come from the agent's own answers; see `ClientError::exit_code`.
    NotAllowed = 6,
    Unavailable = 7,
    Interrupted = 130,
}

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The agent could not be asked, or refused.
    Client(ClientError),
    /// Something else; the text says what to do.
    Other {
        /// How to exit.
        exit: Exit,
        /// As a stable word, for machine output.
        code: &'static str,
        /// What and what to do about it.
        text: String,
    },
    /// Nobody reads any more, as after `| head`. No fault at all.
    NobodyReads,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &'static str, text: impl Into<String>) -> Self {
        Self::Other {
            exit,
            code,
            text: text.into(),
        }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", text)
    }

    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "failed", text)
    }

    /// A refusal that the command line can tell before the agent does, under the same code.
    pub(crate) fn refusal(code: ErrorCode, text: impl Into<String>) -> Self {
        Self::Client(ClientError::Problem(Box::new(
            steward_api::ProblemDetails::new(code, text),
        )))
    }

    /// The exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Client(error) => error.exit_code(),
            Self::Other { exit, .. } => *exit as u8,
            Self::NobodyReads => Exit::Done as u8,
        }
    }

    /// For machine output: the contract's problem document where the agent refused, else its nearest likeness.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Client(ClientError::Problem(problem)) => {
                serde_json::to_value(problem).unwrap_or_default()
            }
            Self::Client(error) => {
                let code = match error {
                    ClientError::Usage(_) => "usage",
                    ClientError::Unreachable { .. } => "unreachable",
                    ClientError::Problem(_) | ClientError::Nonsense { .. } => "nonsense",
                };
                serde_json::json!({"code": code, "detail": error.to_string()})
            }
            Self::Other { code, text, .. } => serde_json::json!({"code": code, "detail": text}),
            Self::NobodyReads => serde_json::Value::Null,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(ClientError::Problem(problem)) => {
                write!(f, "{problem}")?;
                match problem.status {
                    401 => f.write_str(
                        "\nGive a token with --token or STEWARD_TOKEN; the agent's own is in tokens.toml in its data directory.",
                    ),
                    _ => Ok(()),
                }
            }
            Self::Client(error) => error.fmt(f),
            Self::Other { text, .. } => f.write_str(text),
            Self::NobodyReads => f.write_str("nobody reads"),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<io::Error> for Failure {
    /// Of writing what was asked for; every other kind of I/O says more.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::NobodyReads
        } else {
            Self::failed(format!("can't write the output: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use steward_api::ProblemDetails;

    use super::*;

    #[test]
    fn failures_have_the_promised_exit_codes() {
        let problem = |code| {
            Failure::from(ClientError::Problem(Box::new(ProblemDetails::new(
                code, "x",
            ))))
        };
        let unreachable = Failure::from(ClientError::Unreachable {
            url: "http://a".to_owned(),
            reason: "refused".to_owned(),
        });
        for (failure, code) in [
            (Failure::failed("x"), 1),
            (Failure::usage("x"), 2),
            (unreachable, 3),
            (problem(ErrorCode::TaskNotFound), 4),
            (problem(ErrorCode::PlanChanged), 5),
            (problem(ErrorCode::ApprovalExpired), 5),
            (problem(ErrorCode::Forbidden), 6),
            (problem(ErrorCode::StoreUnavailable), 7),
            (Failure::new(Exit::Interrupted, "interrupted", "x"), 130),
            (Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)), 0),
        ] {
            assert_eq!(failure.exit_code(), code, "{failure}");
        }
    }

    #[test]
    fn machine_output_of_a_refusal_is_the_contract_s() {
        let json = Failure::refusal(ErrorCode::PlanChanged, "another").to_json();
        assert_eq!(json["code"], "plan_changed");
        assert_eq!(json["status"], 409);
        assert_eq!(Failure::usage("why").to_json()["code"], "usage");
    }
}
