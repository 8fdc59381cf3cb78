//! Who is signed in, and how the connection to the agent is.
//!
//! What flows through: what the agent says of the session in; whether there is a line to it, since when not, and when to try again, out.
//! What it never does: keep a token. That is in a cookie which scripts can't read.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use steward_api::{Event, Role};

use crate::failure::Failure;

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The identity of the token.
    pub identity: String,
    /// What it may do.
    pub role: Role,
    /// When the session ends; absent where it ends with the browser.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

/// What is sent to sign in: a token, or the code of a link that counts once.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignIn<'a> {
    /// The token.
    Token(&'a str),
    /// The code at the end of a link.
    Link(&'a str),
}

/// Whether somebody is signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// Not known yet.
    #[default]
    Unknown,
    /// Nobody is.
    Out {
        /// Why, where there was a session before.
        why: Option<String>,
    },
    /// Somebody is.
    In(Session),
}

impl Presence {
    /// The session.
    pub const fn session(&self) -> Option<&Session> {
        match self {
            Self::In(session) => Some(session),
            _ => None,
        }
    }
}

/// How the connection to the agent is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// It is being made for the first time.
    #[default]
    Connecting,
    /// Events arrive as they happen.
    Live,
    /// It is lost: what is shown is as of then.
    Lost {
        /// Since when.
        since: Timestamp,
        /// Why.
        failure: Failure,
        /// How often it has been tried to get it back.
        tries: u32,
    },
}

impl Link {
    /// Whether what is shown is current.
    pub const fn is_live(&self) -> bool {
        matches!(self, Self::Live)
    }

    /// The link after it failed (once more).
    #[must_use]
    pub fn lost(&self, now: Timestamp, failure: Failure) -> Self {
        match self {
            Self::Lost { since, tries, .. } => Self::Lost {
                since: *since,
                failure,
                tries: tries.saturating_add(1),
            },
            _ => Self::Lost {
                since: now,
                failure,
                tries: 0,
            },
        }
    }

    /// Milliseconds until it should be tried again: at first at once, then slower, never slower than every ten seconds.
    pub const fn retry_after(&self) -> i32 {
        match self {
            Self::Lost { tries, .. } => match *tries {
                0 => 500,
                1 => 1000,
                2 => 2000,
                3 => 4000,
                _ => 10_000,
            },
            _ => 0,
        }
    }
}

/// The names under which events come through the stream; a browser listens for each by its name.
pub const EVENT_NAMES: [&str; 23] = [
    "agent_started",
    "agent_stopped",
    "source_up",
    "source_down",
    "resource_changed",
    "resource_gone",
    "incident_changed",
    "task_changed",
    "action_intended",
    "action_concluded",
    "remedy_learned",
    "answer_refused",
    "autonomy_changed",
    "config_reloaded",
    "config_refused",
    "token_made",
    "token_revoked",
    "signed_in",
    "model_called",
    "message_sent",
    "security_scanned",
    "port_accepted",
    "security_day",
];

/// An event's place in [`EVENT_NAMES`]. A new variant of the contract does not compile until it has one.
pub const fn place(event: &Event) -> usize {
    match event {
        Event::AgentStarted { .. } => 0,
        Event::AgentStopped { .. } => 1,
        Event::SourceUp { .. } => 2,
        Event::SourceDown { .. } => 3,
        Event::ResourceChanged { .. } => 4,
        Event::ResourceGone { .. } => 5,
        Event::IncidentChanged { .. } => 6,
        Event::TaskChanged { .. } => 7,
        Event::ActionIntended { .. } => 8,
        Event::ActionConcluded { .. } => 9,
        Event::RemedyLearned { .. } => 10,
        Event::AnswerRefused { .. } => 11,
        Event::AutonomyChanged { .. } => 12,
        Event::ConfigReloaded { .. } => 13,
        Event::ConfigRefused { .. } => 14,
        Event::TokenMade { .. } => 15,
        Event::TokenRevoked { .. } => 16,
        Event::SignedIn { .. } => 17,
        Event::ModelCalled { .. } => 18,
        Event::MessageSent { .. } => 19,
        Event::SecurityScanned { .. } => 20,
        Event::PortAccepted { .. } => 21,
        Event::SecurityDay { .. } => 22,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use steward_api::{Autonomy, Health, IncidentChange, MessageKind, TaskChange};

    #[test]
    fn every_event_is_listened_for_by_its_own_name() {
        let entries = [
            samples::agent_started(1),
            samples::source_up(1, "docker"),
            samples::source_down(1, "docker", "x"),
            samples::changed(1, "a", Health::Healthy, Health::Unknown),
            samples::gone(1, "a"),
            samples::incident_event(1, IncidentChange::Detected, &samples::incident(1, "a")),
            samples::task_event(1, TaskChange::Created, &samples::task(1, "a")),
            samples::autonomy(1, Autonomy::Ask),
            samples::said(
                1,
                1,
                &samples::message(1, MessageKind::Question, "admin", "Jarvis Prime"),
            ),
            samples::scanned(1, Some(85)),
            samples::port_accepted(1, "8080/tcp"),
            samples::security_day(1),
        ];
        for entry in entries {
            assert_eq!(EVENT_NAMES[place(&entry.event)], entry.event.name());
        }
        let refused = Event::ConfigRefused {
            error: String::new(),
        };
        assert_eq!(EVENT_NAMES[place(&refused)], refused.name());
    }

    #[test]
    fn a_lost_line_stays_lost_since_its_beginning_and_is_tried_ever_slower() {
        let mut link = Link::Live;
        let first = samples::at("12:00:00");
        let mut waits = Vec::new();
        for second in 0..6 {
            link = link.lost(
                samples::at(&format!("12:00:0{second}")),
                Failure::Unreachable,
            );
            waits.push(link.retry_after());
        }
        assert_eq!(waits, [500, 1000, 2000, 4000, 10_000, 10_000]);
        assert!(matches!(link, Link::Lost { since, tries: 5, .. } if since == first));
        assert!(!link.is_live());
    }

    #[test]
    fn signing_in_is_written_as_the_agent_reads_it() {
        let written = |sign_in| serde_json::to_string(&sign_in).unwrap();
        assert_eq!(written(SignIn::Token("a")), r#"{"token":"a"}"#);
        assert_eq!(written(SignIn::Link("b")), r#"{"link":"b"}"#);
    }

    #[test]
    fn a_session_is_read_as_the_agent_writes_it() {
        let session: Session = serde_json::from_str(
            r#"{"identity":"admin","role":"admin","expires_at":"2026-03-10T20:00:00Z"}"#,
        )
        .unwrap();
        assert_eq!(
            (session.identity.as_str(), session.role),
            ("admin", Role::Admin)
        );
        let without: Session = serde_json::from_str(r#"{"identity":"x","role":"viewer"}"#).unwrap();
        assert_eq!(without.expires_at, None);
    }
}
