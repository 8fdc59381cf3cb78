//! A notification server that the test holds in its hands: it takes what is shown, and clicks what the test says.
//!
//! What flows through: notifications in, clicks out, over the session's bus as any server's. What it never does: answer by itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use steward_tests::wait;
use zbus::{interface, object_server::SignalEmitter, zvariant::OwnedValue};

use super::session::Session;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
const SOON: Duration = Duration::from_secs(60);

/// What is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) id: u32,
    pub(crate) summary: String,
    pub(crate) body: String,
    /// Keys and labels in turn.
    pub(crate) actions: Vec<String>,
    pub(crate) urgency: Option<u8>,
    pub(crate) gone: bool,
}

type Board = Arc<Mutex<Vec<Shown>>>;

struct Server {
    board: Board,
    markup: bool,
}

#[interface(name = "org.freedesktop.Notifications")]
impl Server {
    async fn get_capabilities(&self) -> Vec<&str> {
        let mut known = vec!["body", "actions"];
        if self.markup {
            known.push("body-markup");
        }
        known
    }

    async fn get_server_information(&self) -> (&str, &str, &str, &str) {
        ("steward-test", "steward", "1", "1.2")
    }

    #[allow(clippy::too_many_arguments, reason = "the specification's own")]
    async fn notify(
        &self,
        _app_name: &str,
        _replaces: u32,
        _icon: &str,
        summary: &str,
        body: &str,
        actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        _expires: i32,
    ) -> u32 {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let id = u32::try_from(board.len()).unwrap_or(u32::MAX - 1) + 1;
        board.push(Shown {
            id,
            summary: summary.to_owned(),
            body: body.to_owned(),
            actions,
            urgency: hints.get("urgency").and_then(|value| value.try_into().ok()),
            gone: false,
        });
        id
    }

    async fn close_notification(
        &self,
        id: u32,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> zbus::fdo::Result<()> {
        let was_there = {
            let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
            let shown = board.iter_mut().find(|shown| shown.id == id && !shown.gone);
            shown.map(|shown| shown.gone = true).is_some()
        };
        if was_there {
            Self::notification_closed(&emitter, id, 3).await?;
        }
        Ok(())
    }

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, key: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn notification_closed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        reason: u32,
    ) -> zbus::Result<()>;
}

/// The server. Gone when dropped.
pub(crate) struct Notifier {
    bus: zbus::Connection,
    board: Board,
}

impl Notifier {
    /// Begins on the session's bus.
    pub(crate) async fn begin(session: &Session) -> Result<Self> {
        let board = Board::default();
        let server = Server {
            board: Arc::clone(&board),
            markup: true,
        };
        let address = session.bus();
        let bus = zbus::connection::Builder::address(address.as_str())?
            .serve_at(PATH, server)?
            .name(NAME)?
            .build()
            .await?;
        Ok(Self { bus, board })
    }

    fn all(&self) -> Vec<Shown> {
        self.board
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits for a notification whose summary or body holds some words and that is (or is no longer) shown.
    pub(crate) async fn wait(&self, words: &str, gone: bool) -> Result<Shown> {
        let read = || async {
            let found = self.all().into_iter().rev().find(|shown| {
                shown.gone == gone && (shown.summary.contains(words) || shown.body.contains(words))
            });
            Ok(found)
        };
        let what = format!("a notification with `{words}`");
        let found = wait::until(&what, SOON, read, Option::is_some)
            .await
            .with_context(|| format!("there are {:#?}", self.all()))?;
        found.context("none")
    }

    /// Clicks a button.
    pub(crate) async fn click(&self, id: u32, key: &str) -> Result<()> {
        speak(&self.bus, id, key, None).await
    }
}

/// Says on the bus that a button was clicked; who says it is whoever has this line.
pub(crate) async fn speak(
    bus: &zbus::Connection,
    id: u32,
    key: &str,
    to: Option<&str>,
) -> Result<()> {
    bus.emit_signal(to, PATH, NAME, "ActionInvoked", &(id, key))
        .await?;
    Ok(())
}
