//! Why a request got no good answer, in words that say what to do next.
//!
//! What flows through: what the browser or the agent said in, a [`Failure`] out. What it never does: hide one failure behind another's
//! words.

use steward_api::{ErrorCode, ProblemDetails, Trouble, TroubleKind};

use crate::wire;

/// Why there was no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody answered: the agent does not run, or the network does not lead to it.
    Unreachable,
    /// There was no answer in time.
    TooSlow,
    /// Nobody is signed in (any more).
    SignedOut,
    /// The agent refused, and says why.
    Refused(ProblemDetails),
    /// What answered does not speak this contract: another version, or another program.
    Unreadable(String),
    /// The desktop's shell could not ask, and says why.
    Told(Trouble),
}

impl Failure {
    /// The failure that an answer with this status and body means.
    pub fn of(status: u16, body: &str) -> Self {
        match wire::read::<ProblemDetails>(body) {
            Ok(problem) if problem.code == ErrorCode::Unauthorized => Self::SignedOut,
            Ok(problem) => Self::Refused(problem),
            Err(_) if status == 401 => Self::SignedOut,
            Err(_) if status == 429 => Self::Refused(ProblemDetails::new(
                ErrorCode::TooManyRequests,
                "Wait a minute, then try again",
            )),
            Err(_) if matches!(status, 502..=504) => Self::Unreachable,
            Err(_) => Self::Unreadable(format!("It answered with status {status}")),
        }
    }

    /// The failure that the desktop's shell tells of. What a person has to see to first is as being signed out in a browser: the screen
    /// where connections are chosen says what, and trying again by itself would not help.
    pub fn told(trouble: Trouble) -> Self {
        match trouble.kind {
            TroubleKind::Unreachable | TroubleKind::TooSlow => Self::Told(trouble),
            _ => Self::SignedOut,
        }
    }

    /// What went wrong, in a short sentence.
    pub fn title(&self) -> String {
        match self {
            Self::Unreachable => "The agent can't be reached".to_owned(),
            Self::TooSlow => "The agent did not answer in time".to_owned(),
            Self::SignedOut => "You are signed out".to_owned(),
            Self::Refused(problem) => problem.title.clone(),
            Self::Unreadable(_) => "The answer can't be understood".to_owned(),
            Self::Told(trouble) => trouble.title.clone(),
        }
    }

    /// More of it, and what to do.
    pub fn advice(&self) -> String {
        match self {
            Self::Unreachable => "Check that Steward runs on that machine (“steward status” there), and that the network leads to it.".to_owned(),
            Self::TooSlow => "The machine may be very busy. Try again; if it stays so, look at Steward's log there.".to_owned(),
            Self::SignedOut => "Sign in to go on.".to_owned(),
            Self::Refused(problem) => {
                let mut text = problem.detail.clone();
                if !text.ends_with(['.', '!', '?']) {
                    text.push('.');
                }
                text
            }
            Self::Unreadable(what) => format!(
                "{what}. This page and the agent may be of different versions: reload the page. If that does not help, check the address."
            ),
            Self::Told(trouble) => trouble.advice.clone(),
        }
    }

    /// Whether the connection is at fault rather than the request.
    pub const fn is_connection(&self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::TooSlow | Self::Unreadable(_) | Self::Told(_)
        )
    }

    /// Whether the agent refused with this code.
    pub fn is(&self, code: ErrorCode) -> bool {
        matches!(self, Self::Refused(problem) if problem.code == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_the_agents_own_words() {
        let body = serde_json::to_string(&ProblemDetails::new(
            ErrorCode::PlanChanged,
            "Look at the task again",
        ))
        .unwrap();
        let failure = Failure::of(409, &body);
        assert!(failure.is(ErrorCode::PlanChanged));
        assert_eq!(failure.title(), "The plan is not the one you saw");
        assert_eq!(failure.advice(), "Look at the task again.");
        assert!(!failure.is_connection());
    }

    #[test]
    fn signed_out_is_told_with_and_without_a_body() {
        let body =
            serde_json::to_string(&ProblemDetails::new(ErrorCode::Unauthorized, "x")).unwrap();
        assert_eq!(Failure::of(401, &body), Failure::SignedOut);
        assert_eq!(Failure::of(401, ""), Failure::SignedOut);
    }

    #[test]
    fn what_the_desktop_tells_is_said_in_its_words_or_leads_to_the_connections() {
        let away = Trouble::new(TroubleKind::Unreachable, "atlas can't be reached", "Look.");
        let failure = Failure::told(away);
        assert_eq!(failure.title(), "atlas can't be reached");
        assert_eq!(failure.advice(), "Look.");
        assert!(failure.is_connection());
        let refused = Trouble::new(TroubleKind::TokenRefused, "x", "y");
        assert_eq!(Failure::told(refused), Failure::SignedOut);
    }

    #[test]
    fn what_is_not_steward_says_so() {
        let failure = Failure::of(404, "<html>nginx</html>");
        assert!(matches!(failure, Failure::Unreadable(_)));
        assert!(failure.advice().contains("404"));
        assert_eq!(Failure::of(502, "bad gateway"), Failure::Unreachable);
        assert!(Failure::of(429, "").is(ErrorCode::TooManyRequests));
    }
}
