//! A headless agent, over HTTP.
//!
//! What flows through: requests of the window out with the token, answers in; each way in which that can fail becomes a [`Trouble`] that
//! says what to do. What it never does: follow a redirect, send the token before the address is known to be Steward's own, or show it.

use std::time::Duration;

use futures_util::StreamExt as _;
use secrecy::SecretString;
use steward::client::{Client, ClientError, Trust};
use steward_api::{
    Channel, DesktopAnswer, GetHealth, GetStatus, HealthReply, Nothing, ProblemDetails, Role,
    SavedConnection, TestedConnection, Trouble, TroubleKind,
};

use super::{Asked, Events, SESSION_PATH, refusal, session};

/// What tells whether there is a line at all is given up sooner than other requests.
const PATIENCE_FOR_A_SIGN: Duration = Duration::from_secs(8);
/// This program's version.
const OURS: &str = env!("CARGO_PKG_VERSION");

/// An agent with its token. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    name: String,
    client: Client,
    /// Without a token, for what is asked before it is known who answers.
    stranger: Client,
}

impl Remote {
    /// The line to an agent; nothing is sent yet.
    ///
    /// # Errors
    /// Where the address, the certificate file or the token can't be used.
    pub(crate) fn new(connection: &SavedConnection, token: SecretString) -> Result<Self, Trouble> {
        let trust = match connection.ca_file.as_deref() {
            None => Trust::System,
            Some(path) => Trust::Only(std::fs::read(path).map_err(|error| {
                Trouble::new(
                    TroubleKind::BadInput,
                    "The certificate file can't be read",
                    format!("{path}: {error}. Give the file with the certificate of the authority that signed the agent's, in PEM."),
                )
            })?),
        };
        let build = |token| Client::trusting(&trust, &connection.url, token, Channel::Desktop);
        Ok(Self {
            name: connection.name.clone(),
            client: build(token).map_err(|error| of(&connection.name, &error))?,
            stranger: build(SecretString::default())
                .map_err(|error| of(&connection.name, &error))?
                .with_timeout(PATIENCE_FOR_A_SIGN),
        })
    }

    /// The name of its connection.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Looks who answers, whether it can be understood, and whether it knows the token.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub(crate) async fn test(&self) -> Result<TestedConnection, Trouble> {
        let version = self.meet().await?;
        let status = self
            .client
            .clone()
            .with_timeout(PATIENCE_FOR_A_SIGN)
            .call::<GetStatus>(None, &Nothing {})
            .await
            .map_err(|error| of(&self.name, &error))?;
        let mut notes = Vec::new();
        if let Some(host) = unencrypted(self.client.url()) {
            notes.push(format!(
                "The token travels to {host} unencrypted, for anybody on the way to read. In a network that you don't trust, use https."
            ));
        }
        if version != OURS {
            notes.push(format!(
                "The agent is of version {version}, this desktop of {OURS}: what is shown may be incomplete until both are the same."
            ));
        }
        Ok(TestedConnection {
            node: status.node,
            version,
            notes,
        })
    }

    /// Who answers there; the token is not sent before this is known.
    async fn meet(&self) -> Result<String, Trouble> {
        let health: HealthReply = self
            .stranger
            .call::<GetHealth>(None, &Nothing {})
            .await
            .map_err(|error| match &error {
                // `/health` wants no token: whoever refuses it is no agent.
                ClientError::Problem(_) => not_steward(self.stranger.url(), &error.to_string()),
                _ => of(&self.name, &error),
            })?;
        if understands(OURS, &health.version) {
            Ok(health.version)
        } else {
            Err(Trouble::new(
                TroubleKind::OtherVersion,
                format!("{} is of another version", self.name),
                format!(
                    "The agent is of version {}, this desktop of {OURS}, and they don't understand each other. Bring both to the same version.",
                    health.version
                ),
            ))
        }
    }

    pub(super) async fn ask(&self, asked: Asked) -> Result<DesktopAnswer, Trouble> {
        let answer = self
            .client
            .forward(asked.method, &asked.path, asked.body, asked.patience)
            .await;
        match answer {
            Ok(body) => Ok(DesktopAnswer {
                status: 200,
                body: String::from_utf8_lossy(&body).into_owned(),
            }),
            Err(ClientError::Problem(problem)) if problem.status != 401 => Ok(refusal(&problem)),
            Err(error) => Err(of(&self.name, &error)),
        }
    }

    pub(super) fn events(&self, after: Option<i64>) -> Events {
        let name = self.name.clone();
        Box::pin(
            self.client
                .events(after)
                .map(move |item| item.map_err(|error| of(&name, &error))),
        )
    }

    /// Who the token's holder is. An agent that keeps sessions for browsers only is asked whether it knows the token; what that allows is
    /// then seen by what it refuses.
    pub(super) async fn session(&self) -> Result<DesktopAnswer, Trouble> {
        self.meet().await?;
        let told = self
            .client
            .forward(
                steward_api::Method::Get,
                SESSION_PATH,
                None,
                PATIENCE_FOR_A_SIGN,
            )
            .await;
        if let Ok(body) = told {
            return Ok(DesktopAnswer {
                status: 200,
                body: String::from_utf8_lossy(&body).into_owned(),
            });
        }
        self.client
            .clone()
            .with_timeout(PATIENCE_FOR_A_SIGN)
            .call::<GetStatus>(None, &Nothing {})
            .await
            .map_err(|error| of(&self.name, &error))?;
        Ok(session(&self.name, Role::Admin))
    }
}

/// The host to which the token would travel unencrypted over a network.
fn unencrypted(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("http://")?;
    let host = rest.split('/').next().unwrap_or(rest);
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(name, _)| name)
        .trim_matches(['[', ']']);
    let is_here = name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    (!is_here).then_some(host)
}

/// Whether two versions speak the same contract: by the rule of semantic versions, the same first number that is not zero.
fn understands(ours: &str, theirs: &str) -> bool {
    let leading = |version: &str| -> Option<Vec<u64>> {
        let numbers = version.split(['-', '+']).next()?;
        let mut parts = Vec::new();
        for part in numbers.split('.') {
            let number = part.parse().ok()?;
            parts.push(number);
            if number != 0 {
                break;
            }
        }
        Some(parts)
    };
    leading(ours).is_some_and(|leading_ours| leading(theirs) == Some(leading_ours))
}

/// A failure of the client's in the desktop's words.
fn of(name: &str, error: &ClientError) -> Trouble {
    match error {
        ClientError::Usage(text) => Trouble::new(
            TroubleKind::BadInput,
            format!("The connection to {name} can't be used"),
            sentence(text),
        ),
        ClientError::Unreachable { url, reason } => unreachable(name, url, reason),
        ClientError::Problem(problem) => refused(name, problem),
        ClientError::Nonsense { url, reason } => not_steward(url, reason),
    }
}

fn unreachable(name: &str, url: &str, reason: &str) -> Trouble {
    let lower = reason.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["did not answer", "timed out", "deadline"]) {
        return Trouble::new(
            TroubleKind::TooSlow,
            format!("{name} did not answer in time"),
            format!(
                "{url}: {reason}. The machine may be very busy or switched off, or a firewall may be in between."
            ),
        );
    }
    if says(&[
        "corrupt message",
        "invalidcontenttype",
        "invalid content type",
        "received plain",
    ]) {
        return Trouble::new(
            TroubleKind::NotSteward,
            format!("{name} does not speak https at this address"),
            format!(
                "{url}: {reason}. If the agent has no certificate, its address begins with http:// instead."
            ),
        );
    }
    if says(&["certificate"]) {
        return Trouble::new(
            TroubleKind::Certificate,
            format!("The certificate of {name} is not trusted"),
            format!(
                "{url}: {reason}. If the agent made its certificate itself, or your own authority signed it, give that certificate's file with the connection."
            ),
        );
    }
    let hint = if says(&["lookup", "resolve", "dns", "name or service"]) {
        "Check how the name is written, and that this computer can resolve it."
    } else {
        "Check that Steward runs there (`steward status` on that machine), that it listens on an address of that network (`listen` under [server]), and that the port is right."
    };
    Trouble::new(
        TroubleKind::Unreachable,
        format!("{name} can't be reached"),
        format!("{url}: {reason}. {hint}"),
    )
}

fn refused(name: &str, problem: &ProblemDetails) -> Trouble {
    if problem.status == 401 {
        return Trouble::new(
            TroubleKind::TokenRefused,
            format!("{name} does not know the token"),
            "It may have been changed, or be that of another agent. Tokens are in `tokens.toml` in the agent's data directory; enter the current one.",
        );
    }
    Trouble::new(
        TroubleKind::Unreachable,
        format!("{name} refused: {}", problem.title),
        sentence(&problem.detail),
    )
}

fn not_steward(url: &str, reason: &str) -> Trouble {
    Trouble::new(
        TroubleKind::NotSteward,
        "What answers there can't be understood",
        format!(
            "{url}: {} Is it Steward, and of version {OURS}? Check the address, its port, and a path that a proxy may add.",
            sentence(reason)
        ),
    )
}

fn sentence(text: &str) -> String {
    if text.ends_with(['.', '!', '?']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use steward_api::ErrorCode;

    fn unreachable_for(reason: &str) -> TroubleKind {
        let error = ClientError::Unreachable {
            url: "https://atlas:9470".to_owned(),
            reason: reason.to_owned(),
        };
        of("atlas", &error).kind
    }

    #[test]
    fn each_failure_has_its_kind() {
        for (reason, kind) in [
            (
                "Connection refused (os error 111)",
                TroubleKind::Unreachable,
            ),
            (
                "failed to lookup address information",
                TroubleKind::Unreachable,
            ),
            ("it did not answer within 8 s", TroubleKind::TooSlow),
            (
                "invalid peer certificate: UnknownIssuer",
                TroubleKind::Certificate,
            ),
            (
                "received corrupt message of type InvalidContentType",
                TroubleKind::NotSteward,
            ),
        ] {
            assert_eq!(unreachable_for(reason), kind, "{reason}");
        }
        let refused = ClientError::Problem(Box::new(ProblemDetails::new(
            ErrorCode::Unauthorized,
            "This token is not known here",
        )));
        assert_eq!(of("atlas", &refused).kind, TroubleKind::TokenRefused);
        let strange = ClientError::Nonsense {
            url: "http://atlas".to_owned(),
            reason: "expected value".to_owned(),
        };
        assert_eq!(of("atlas", &strange).kind, TroubleKind::NotSteward);
    }

    #[test]
    fn versions_understand_each_other_up_to_their_first_number_that_counts() {
        for (ours, theirs, understood) in [
            ("0.1.0", "0.1.9", true),
            ("0.1.0", "0.2.0", false),
            ("1.2.3", "1.9.0", true),
            ("1.2.3", "2.0.0", false),
            ("1.0.0", "1.0.0-rc.1", true),
            ("0.1.0", "something else", false),
            ("0.1.0", "", false),
        ] {
            assert_eq!(understands(ours, theirs), understood, "{ours} {theirs}");
        }
    }

    #[test]
    fn a_token_in_the_clear_is_warned_of_but_not_on_this_machine() {
        assert_eq!(unencrypted("http://atlas:9470"), Some("atlas:9470"));
        assert_eq!(unencrypted("https://atlas:9470"), None);
        for here in [
            "http://127.0.0.1:9470",
            "http://localhost",
            "http://[::1]:9470/x",
        ] {
            assert_eq!(unencrypted(here), None, "{here}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_said_with_what_to_do() {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let connection = SavedConnection {
            name: "atlas".to_owned(),
            url: format!("http://127.0.0.1:{port}"),
            ca_file: None,
        };
        let remote = Remote::new(&connection, SecretString::from("stw_secret")).unwrap();
        let trouble = remote.test().await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Unreachable);
        assert!(trouble.advice.contains("steward status"), "{trouble}");
        assert!(!trouble.to_string().contains("stw_secret"));
    }

    /// Something on a free port that answers `/health` with this, and notes whether a token came along.
    async fn somebody(
        health: &'static str,
    ) -> (String, std::sync::Arc<std::sync::Mutex<Vec<bool>>>) {
        let tokens = std::sync::Arc::<std::sync::Mutex<Vec<bool>>>::default();
        let seen = std::sync::Arc::clone(&tokens);
        let answer = move |headers: axum::http::HeaderMap| {
            let came = headers.contains_key("authorization");
            seen.lock().unwrap().push(came);
            async move { health }
        };
        let router = axum::Router::new().fallback(answer);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (url, tokens)
    }

    #[tokio::test]
    async fn the_token_is_kept_back_until_it_is_known_who_answers() {
        for (health, kind) in [
            ("<html>nginx</html>", TroubleKind::NotSteward),
            (
                r#"{"status":"ok","version":"99.0.0","uptime_seconds":1}"#,
                TroubleKind::OtherVersion,
            ),
        ] {
            let (url, tokens) = somebody(health).await;
            let connection = SavedConnection {
                name: "atlas".to_owned(),
                url,
                ca_file: None,
            };
            let remote = Remote::new(&connection, SecretString::from("stw_secret")).unwrap();
            assert_eq!(remote.test().await.unwrap_err().kind, kind);
            assert_eq!(remote.session().await.unwrap_err().kind, kind);
            let seen = tokens.lock().unwrap().clone();
            assert!(!seen.is_empty() && !seen.contains(&true), "{seen:?}");
        }
    }

    #[test]
    fn a_certificate_file_that_is_none_is_said_with_its_name() {
        let connection = SavedConnection {
            name: "atlas".to_owned(),
            url: "https://atlas:9470".to_owned(),
            ca_file: Some("/nowhere/ca.pem".to_owned()),
        };
        let trouble = Remote::new(&connection, SecretString::default()).unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::BadInput);
        assert!(trouble.advice.contains("/nowhere/ca.pem"));
    }
}
