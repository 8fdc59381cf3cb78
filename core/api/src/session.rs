//! Signing in: who is signed in, what is sent for it, the link that does it once, and tokens that are made.
//!
//! What flows through: a token or the code of a link in, a [`Session`] out; its id travels in a cookie that no script can read, never in
//! here. What it never does: show a token or a code in a debug output.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Role;

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// The identity of the token.
    pub identity: String,
    /// What it may do.
    pub role: Role,
    /// When the session ends if nothing more is asked; absent where a token came with the request, which does not lapse.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

/// By what somebody signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SignInBy {
    /// A token that was typed in.
    Token,
    /// A sign-in link, which works once.
    Link,
}

impl SignInBy {
    /// As in "signed in by …".
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Token => "a token",
            Self::Link => "a sign-in link",
        }
    }
}

/// What is sent to sign in: exactly one of the two.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignInRequest {
    /// A token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The code of a sign-in link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// Which of the two is there, never what it is.
impl fmt::Debug for SignInRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |secret: &Option<String>| secret.as_ref().map(|_| "…");
        f.debug_struct("SignInRequest")
            .field("token", &hidden(&self.token))
            .field("link", &hidden(&self.link))
            .finish()
    }
}

/// A link that signs in once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignInLink {
    /// What is sent as `link` to sign in.
    pub code: String,
    /// What to open at the agent's address. The code stands behind the `#`, which a browser keeps to itself: no server's log sees it.
    pub path: String,
    /// When it lapses.
    pub expires_at: Timestamp,
}

/// Without the code.
impl fmt::Debug for SignInLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInLink")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewTokenRequest {
    /// Its name, by which the record knows whoever uses it: 1 to 64 characters.
    pub name: String,
    /// What it allows.
    pub role: Role,
}

/// A token that was just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewToken {
    /// Its name.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// The token itself, which is shown this once.
    pub secret: String,
}

/// Without the token itself.
impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewToken")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_in_the_json_and_nowhere_else() {
        let request = SignInRequest {
            token: Some("stw_secret".to_owned()),
            link: None,
        };
        assert_eq!(
            serde_json::to_string(&request).unwrap(),
            r#"{"token":"stw_secret"}"#
        );
        assert!(!format!("{request:?}").contains("stw_secret"));
        let link = SignInLink {
            code: "c0de".to_owned(),
            path: "/#/link/c0de".to_owned(),
            expires_at: Timestamp::UNIX_EPOCH,
        };
        assert!(!format!("{link:?}").contains("c0de"));
        let token = NewToken {
            name: "phone".to_owned(),
            role: Role::Viewer,
            secret: "stw_secret".to_owned(),
        };
        assert!(!format!("{token:?}").contains("stw_secret"));
    }

    #[test]
    fn what_is_said_in_a_browser_is_recorded_as_such() {
        let word = serde_json::to_string(&crate::Channel::Browser).unwrap();
        assert_eq!(word, "\"browser\"");
    }

    #[test]
    fn a_session_without_an_end_is_read() {
        let session: Session =
            serde_json::from_str(r#"{"identity":"admin","role":"admin"}"#).unwrap();
        assert_eq!(session.expires_at, None);
    }
}
