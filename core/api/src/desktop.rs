//! What the desktop's window and the shell around it say to each other, besides requests of the contract.
//!
//! The window asks for an endpoint by method, path and body, as over HTTP; the shell takes it to the engine inside of it, or to an agent.
//! What never crosses: a token on its way out. One goes in when a person types it, and stays in the shell.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::tagged::tagged;

/// What went wrong between the window and an agent, by what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// Neither the own engine nor an agent was chosen yet.
    NotChosen,
    /// What was typed can't be used: an address that is none, a name that is taken, a file that holds no certificate.
    BadInput,
    /// Nobody answers at the address.
    Unreachable,
    /// It answers, but not in time.
    TooSlow,
    /// Its certificate is not trusted here.
    Certificate,
    /// What answers is not Steward.
    NotSteward,
    /// It is Steward, but of a version that this one does not understand.
    OtherVersion,
    /// The agent does not know the token.
    TokenRefused,
    /// There is no token for this agent.
    TokenMissing,
    /// The keyring of the system does not give or take a token.
    Keyring,
    /// The keyring of the system waits for its password; what it gives is taken as soon as it does.
    KeyringWaits,
    /// Steward's own engine does not run.
    OwnEngine,
    /// A file of the desktop's own can't be read or written.
    Storage,
}

/// A failure with what to do next, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[error("{title}. {advice}")]
pub struct Trouble {
    /// What kind it is.
    pub kind: TroubleKind,
    /// What went wrong, in a short sentence without its full stop.
    pub title: String,
    /// More of it, and what to do.
    pub advice: String,
}

impl Trouble {
    /// A failure of this kind.
    pub fn new(kind: TroubleKind, title: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            kind,
            title: title.into(),
            advice: advice.into(),
        }
    }
}

/// The answer to a request, as it came from the router or the agent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesktopAnswer {
    /// The HTTP status.
    pub status: u16,
    /// JSON.
    pub body: String,
}

/// Without the body: it may hold a token that was just made.
impl fmt::Debug for DesktopAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DesktopAnswer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

tagged! {
/// What comes through the desktop's event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DesktopHeard as "DesktopHeard" by "type" {
    /// It is open.
    Open,
    /// Something happened.
    Event {
        /// An [`crate::Envelope`] as JSON.
        text: String,
    },
    /// Too much was missed: everything must be read anew.
    Reload,
    /// It is broken.
    Lost {
        /// Why.
        trouble: Trouble,
    },
}
}

/// Whom the desktop shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Chosen {
    /// Nobody: it was never chosen.
    #[default]
    Nobody,
    /// The engine inside of it, which looks after this machine.
    Own,
    /// An agent.
    Agent {
        /// The name of its connection.
        name: String,
    },
}

/// A saved connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedConnection {
    /// What the person calls it; unique.
    pub name: String,
    /// The agent's address.
    pub url: String,
    /// The file with the certificate of its authority, where it is one of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

/// A connection that is to be tried or saved.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewConnection {
    /// The connection without its token.
    pub name: String,
    /// The agent's address.
    pub url: String,
    /// The file with the certificate of its authority, where it is one of their own.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// The token. Empty: the one that is kept for this connection.
    #[serde(default)]
    pub token: String,
    /// Whether the keyring should keep the token; else it is for this run only.
    pub keep: bool,
}

/// Without the token.
impl std::fmt::Debug for NewConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewConnection")
            .field("name", &self.name)
            .field("url", &self.url)
            .field("ca_file", &self.ca_file)
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

/// What a test of a connection showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestedConnection {
    /// The node behind it.
    pub node: String,
    /// The agent's version.
    pub version: String,
    /// What should be known of it, in sentences: that the token travels unencrypted, or that the versions differ.
    pub notes: Vec<String>,
}

/// How the desktop stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesktopState {
    /// Whom it shows.
    pub chosen: Chosen,
    /// Why that does not work, where it does not.
    pub trouble: Option<Trouble>,
    /// The saved connections, by name.
    pub connections: Vec<SavedConnection>,
    /// Whether it starts when the person signs in to this computer; absent where that can't be told.
    pub starts_at_login: Option<bool>,
    /// Where the own engine keeps its files.
    pub data_dir: String,
    /// The version of the desktop.
    pub version: String,
    /// What ends when the desktop is quit, in a sentence.
    pub quitting: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_connection_shows_no_token() {
        let new = NewConnection {
            name: "atlas".to_owned(),
            token: "stw_secret".to_owned(),
            ..NewConnection::default()
        };
        let shown = format!("{new:?}");
        assert!(
            shown.contains("atlas") && !shown.contains("stw_secret"),
            "{shown}"
        );
    }

    #[test]
    fn what_is_chosen_is_told_by_its_tag() {
        let agent = Chosen::Agent {
            name: "atlas".to_owned(),
        };
        let text = serde_json::to_string(&agent).unwrap();
        assert_eq!(text, r#"{"type":"agent","name":"atlas"}"#);
        assert_eq!(serde_json::from_str::<Chosen>(&text).unwrap(), agent);
    }
}
