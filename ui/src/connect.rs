//! What the screen of connections says and asks for; only in the desktop.
//!
//! What flows through: how the desktop stands and what a person typed in, words and a connection to try out. What it never does: keep a token
//! for longer than it takes to hand it to the shell.

use steward_api::{Chosen, DesktopState, NewConnection, SavedConnection, Trouble, TroubleKind};

/// What a person has typed for a new connection.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// What they call it; empty: the host of the address.
    pub name: String,
    /// The address.
    pub url: String,
    /// The token.
    pub token: String,
    /// The file of their own authority's certificate.
    pub ca_file: String,
    /// For this run only, instead of in the keyring.
    pub this_run_only: bool,
}

/// The field that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the fields")]
pub enum Missing {
    Url,
    Token,
}

impl Missing {
    /// The id of its input.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Url => "connection-url",
            Self::Token => "connection-token",
        }
    }
}

impl Draft {
    /// The connection that it makes.
    ///
    /// # Errors
    /// What is missing first.
    pub fn connection(&self) -> Result<NewConnection, Missing> {
        let (url, token) = (self.url.trim(), self.token.trim());
        if url.is_empty() {
            return Err(Missing::Url);
        }
        if token.is_empty() {
            return Err(Missing::Token);
        }
        let name = match self.name.trim() {
            "" => host(url),
            name => name,
        };
        let ca_file = Some(self.ca_file.trim())
            .filter(|path| !path.is_empty())
            .map(str::to_owned);
        Ok(NewConnection {
            name: name.to_owned(),
            url: url.to_owned(),
            ca_file,
            token: token.to_owned(),
            keep: !self.this_run_only,
        })
    }
}

/// The host of an address, with or without its scheme and port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((inside, _)) => inside,
        None => host.split_once(':').map_or(host, |(host, _)| host),
    }
}

/// A test of a saved connection asks with the token that is kept.
pub fn test_of(saved: &SavedConnection) -> NewConnection {
    NewConnection {
        name: saved.name.clone(),
        url: saved.url.clone(),
        ca_file: saved.ca_file.clone(),
        token: String::new(),
        keep: false,
    }
}

/// Whether a trouble goes away by typing the token (again): because it is unknown, missing, or the keyring does not give it.
pub const fn wants_token(trouble: &Trouble) -> bool {
    matches!(
        trouble.kind,
        TroubleKind::TokenRefused
            | TroubleKind::TokenMissing
            | TroubleKind::Keyring
            | TroubleKind::KeyringWaits
    )
}

/// Whether what there is goes by itself, so that it has to be looked at again.
pub fn passes(state: &DesktopState) -> bool {
    state
        .trouble
        .as_ref()
        .is_some_and(|trouble| trouble.kind == TroubleKind::KeyringWaits)
}

/// Whether this is the first run: nobody is chosen, nothing saved.
pub fn is_first_run(state: &DesktopState) -> bool {
    state.chosen == Chosen::Nobody && state.connections.is_empty() && state.trouble.is_none()
}

/// Whom the desktop shows, in a sentence.
pub fn shown(state: &DesktopState) -> String {
    match &state.chosen {
        Chosen::Nobody => "Nobody is shown yet.".to_owned(),
        Chosen::Own => "Steward's own engine looks after this machine.".to_owned(),
        Chosen::Agent { name } => format!("The agent {name} is shown."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(url: &str, token: &str) -> Draft {
        Draft {
            url: url.to_owned(),
            token: token.to_owned(),
            ..Draft::default()
        }
    }

    fn state(chosen: Chosen, trouble: Option<Trouble>) -> DesktopState {
        DesktopState {
            chosen,
            trouble,
            connections: Vec::new(),
            starts_at_login: Some(false),
            data_dir: "/x".to_owned(),
            version: "0.1.0".to_owned(),
            quitting: String::new(),
        }
    }

    #[test]
    fn what_is_missing_is_named_in_the_order_of_the_form() {
        assert_eq!(draft(" ", "").connection().unwrap_err(), Missing::Url);
        assert_eq!(
            draft("atlas", " ").connection().unwrap_err(),
            Missing::Token
        );
    }

    #[test]
    fn a_connection_without_a_name_has_that_of_its_host() {
        for (url, name) in [
            ("https://atlas:9470", "atlas"),
            ("atlas:9470", "atlas"),
            ("https://home.example/steward", "home.example"),
            ("http://[::1]:9470", "::1"),
        ] {
            let connection = draft(url, " stw_x ").connection().unwrap();
            assert_eq!(connection.name, name);
            assert_eq!(connection.token, "stw_x");
            assert!(connection.keep && connection.ca_file.is_none());
        }
    }

    #[test]
    fn the_first_run_is_told_from_a_trouble() {
        assert!(is_first_run(&state(Chosen::Nobody, None)));
        assert!(!is_first_run(&state(Chosen::Own, None)));
        let trouble = Trouble::new(TroubleKind::Storage, "x", "y");
        assert!(!is_first_run(&state(Chosen::Nobody, Some(trouble))));
        assert!(shown(&state(Chosen::Own, None)).contains("this machine"));
    }

    #[test]
    fn only_a_keyring_that_waits_is_looked_at_again() {
        let with = |kind| state(Chosen::Nobody, Some(Trouble::new(kind, "x", "y")));
        assert!(passes(&with(TroubleKind::KeyringWaits)));
        assert!(!passes(&with(TroubleKind::Keyring)));
        assert!(!passes(&state(Chosen::Own, None)));
    }

    #[test]
    fn a_token_is_asked_for_where_that_helps() {
        let trouble = |kind| Trouble::new(kind, "x", "y");
        assert!(wants_token(&trouble(TroubleKind::Keyring)));
        assert!(wants_token(&trouble(TroubleKind::KeyringWaits)));
        assert!(wants_token(&trouble(TroubleKind::TokenRefused)));
        assert!(!wants_token(&trouble(TroubleKind::Certificate)));
        assert!(!wants_token(&trouble(TroubleKind::OwnEngine)));
    }
}
