//! What the window may ask of the shell. `capabilities/main.json` names each of these; there is nothing else that it may do.
//!
//! What flows through: orders of the page in, answers or a [`Trouble`] out. What it never does: give the page a token, a file or a program.

use futures_util::StreamExt as _;
use secrecy::SecretString;
use steward::client::StreamEvent;
use steward_api::{
    DesktopAnswer, DesktopHeard, DesktopState, NewConnection, TestedConnection, Trouble,
    TroubleKind,
};
use tauri::{AppHandle, State, ipc::Channel};
use tokio::task::AbortHandle;

use crate::{
    Shell, autostart,
    carrier::{self, Asked, Carrier},
};

/// The event stream that the window listens to. There is one window, and it holds one line at a time.
#[derive(Default)]
pub(crate) struct Listening(std::sync::Mutex<Option<(u32, AbortHandle)>>);

impl Listening {
    /// Ends what is listened to, where it is `number` or any is meant.
    fn end(&self, number: Option<u32>) {
        let mut open = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if open
            .as_ref()
            .is_some_and(|(at, _)| number.is_none_or(|number| number == *at))
            && let Some((_, task)) = open.take()
        {
            task.abort();
        }
    }

    fn begin(&self, number: u32, task: AbortHandle) {
        self.end(None);
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some((number, task));
    }
}

/// One request of the contract, to whoever is shown.
#[tauri::command]
pub(crate) async fn request(
    shell: State<'_, Shell>,
    method: String,
    path: String,
    body: Option<String>,
    patience: u32,
) -> Result<DesktopAnswer, Trouble> {
    let asked = Asked::new(&method, path, body, patience)?;
    let answer = shell.desk.line().await?.ask(asked).await;
    shell.desk.note(answer.as_ref().err());
    answer
}

/// Listens to what happens from now on, or after an entry; `number` is the window's own for this stream.
#[tauri::command]
pub(crate) async fn follow(
    shell: State<'_, Shell>,
    listening: State<'_, Listening>,
    number: u32,
    after: Option<i64>,
    heard: Channel<String>,
) -> Result<(), Trouble> {
    let line = shell.desk.line().await?;
    let task = tokio::spawn(hand_on(line, after, heard));
    listening.begin(number, task.abort_handle());
    Ok(())
}

/// Hears nothing more of a stream.
#[tauri::command]
pub(crate) fn unfollow(listening: State<'_, Listening>, number: u32) {
    listening.end(Some(number));
}

/// Hands the stream on to the window until it breaks. The window makes a new one then, and reads everything anew.
async fn hand_on(line: Carrier, after: Option<i64>, heard: Channel<String>) {
    let mut events = line.events(after);
    while let Some(item) = events.next().await {
        let (said, over) = match item {
            Ok(StreamEvent::Connected) => (DesktopHeard::Open, false),
            Ok(StreamEvent::Entry(envelope)) => match carrier::written(&envelope) {
                Ok(text) => (DesktopHeard::Event { text }, false),
                Err(trouble) => (DesktopHeard::Lost { trouble }, true),
            },
            Ok(StreamEvent::Reload { .. }) => (DesktopHeard::Reload, true),
            Ok(StreamEvent::Lost { reason, .. }) => {
                let trouble = Trouble::new(
                    TroubleKind::Unreachable,
                    "The connection is lost",
                    format!("{reason}."),
                );
                (DesktopHeard::Lost { trouble }, true)
            }
            Err(trouble) => (DesktopHeard::Lost { trouble }, true),
        };
        // The page reads text: what it parses itself it parses as it does in a browser.
        let Ok(text) = serde_json::to_string(&said) else {
            return;
        };
        if heard.send(text).is_err() || over {
            return;
        }
    }
}

/// How the desktop stands.
#[tauri::command]
pub(crate) async fn desktop_state(shell: State<'_, Shell>) -> Result<DesktopState, Trouble> {
    Ok(shell.desk.state())
}

/// Has this machine looked after from here.
#[tauri::command]
pub(crate) async fn use_own_engine(shell: State<'_, Shell>) -> Result<(), Trouble> {
    shell.desk.use_own().await
}

/// Shows an agent; a token that is given is kept in the keyring, or for this run only.
#[tauri::command]
pub(crate) async fn use_agent(
    shell: State<'_, Shell>,
    name: String,
    token: Option<String>,
    keep: bool,
) -> Result<TestedConnection, Trouble> {
    let token = token
        .filter(|token| !token.trim().is_empty())
        .map(|token| SecretString::from(token.trim().to_owned()));
    shell.desk.use_agent(&name, token, keep).await
}

/// Tries a connection without keeping it.
#[tauri::command]
pub(crate) async fn test_connection(
    shell: State<'_, Shell>,
    connection: NewConnection,
) -> Result<TestedConnection, Trouble> {
    shell.desk.test(&connection).await
}

/// Tries a connection, keeps it, and shows it.
#[tauri::command]
pub(crate) async fn add_connection(
    shell: State<'_, Shell>,
    connection: NewConnection,
) -> Result<TestedConnection, Trouble> {
    shell.desk.add(&connection).await
}

/// Removes a connection and its token.
#[tauri::command]
pub(crate) async fn remove_connection(
    shell: State<'_, Shell>,
    name: String,
) -> Result<(), Trouble> {
    shell.desk.remove(&name).await
}

/// Whether Steward starts when the person signs in to this computer.
#[tauri::command]
pub(crate) async fn set_start_at_login(on: bool) -> Result<(), Trouble> {
    autostart::set(on)
}

/// Quits; the page has said what stops.
#[tauri::command]
pub(crate) fn quit(app: AppHandle) {
    app.exit(0);
}
