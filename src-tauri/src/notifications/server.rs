//! The notification server of the session, over the bus (freedesktop's Desktop Notifications, 1.2).
//!
//! What flows through: notifications out, the person's clicks in. `notify-rust` would do the first, but an approval must not rest on how it
//! does the second: it begins to listen after it has shown, so an answer within the first milliseconds is lost and never comes; and it takes
//! an answer from anybody on the bus. Here the signals are subscribed to before anything is shown, and one counts only if its sender is the
//! very server that took the notification, by the unique name under which the bus delivered its reply. Another program can't have that name.
//!
//! What it never does: decide what a click means.

use std::{collections::HashMap, time::Duration};

use futures_util::StreamExt as _;
use zbus::{
    Connection, MatchRule, Message, MessageStream,
    message::Type,
    names::{OwnedUniqueName, UniqueName},
    zvariant::Value,
};

use super::text::{Urgency, Words, escaped};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// Signals that wait to be read, at most; then the bus waits.
const MOST_WAITING: usize = 256;
/// A server that does not answer must not hold up the rest.
const LIMIT: Duration = Duration::from_secs(10);
/// Stays until it is dealt with; `-1` would be as the server likes.
const FOR_EVER: i32 = 0;

/// What the server tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// A button, or the body (`default`), was clicked.
    Invoked { id: u32, key: String },
    /// A notification is gone, for whatever reason.
    Closed { id: u32 },
    /// The server itself is gone, and all that it showed; another may have come.
    ServerGone,
}

/// One notification.
pub(super) struct Notice<'a> {
    pub(super) words: &'a Words,
    pub(super) urgency: Urgency,
    /// Pairs of key and label.
    pub(super) buttons: &'a [(&'a str, &'a str)],
}

/// What the server can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Abilities {
    /// It shows buttons.
    pub(super) buttons: bool,
    /// It reads mark-up in the body.
    markup: bool,
}

/// The line to the server.
pub(super) struct Server {
    bus: Connection,
    signals: MessageStream,
    owners: MessageStream,
    /// Who took our notifications.
    owner: Option<OwnedUniqueName>,
    abilities: Option<Abilities>,
}

impl Server {
    /// Listens to the server, whether there is one yet or not.
    pub(super) async fn connect() -> zbus::Result<Self> {
        let bus = zbus::connection::Builder::session()?
            .method_timeout(LIMIT)
            .build()
            .await?;
        let signals = MatchRule::builder()
            .msg_type(Type::Signal)
            .interface(NAME)?
            .path(PATH)?
            .build();
        let owners = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender("org.freedesktop.DBus")?
            .interface("org.freedesktop.DBus")?
            .member("NameOwnerChanged")?
            .arg(0, NAME)?
            .build();
        Ok(Self {
            signals: MessageStream::for_match_rule(signals, &bus, Some(MOST_WAITING)).await?,
            owners: MessageStream::for_match_rule(owners, &bus, Some(MOST_WAITING)).await?,
            bus,
            owner: None,
            abilities: None,
        })
    }

    /// What the server can do; starts it where the bus knows how.
    pub(super) async fn abilities(&mut self) -> zbus::Result<Abilities> {
        if let Some(abilities) = self.abilities {
            return Ok(abilities);
        }
        let reply = self.call("GetCapabilities", &()).await?;
        let words: Vec<String> = reply.body().deserialize()?;
        let has = |word: &str| words.iter().any(|known| known == word);
        let abilities = Abilities {
            buttons: has("actions"),
            markup: has("body-markup"),
        };
        self.abilities = Some(abilities);
        Ok(abilities)
    }

    /// Shows a notification, and gives its number.
    pub(super) async fn show(&mut self, notice: &Notice<'_>) -> zbus::Result<u32> {
        let abilities = self.abilities().await?;
        let body = if abilities.markup {
            escaped(&notice.words.body)
        } else {
            notice.words.body.clone()
        };
        let actions: Vec<&str> = if abilities.buttons {
            notice
                .buttons
                .iter()
                .flat_map(|(key, label)| [*key, *label])
                .collect()
        } else {
            Vec::new()
        };
        let hints = HashMap::from([
            ("urgency", Value::from(notice.urgency as u8)),
            ("desktop-entry", Value::from("steward-desktop")),
            ("category", Value::from("device")),
        ]);
        let reply = self
            .call(
                "Notify",
                &(
                    "Steward",
                    0_u32,
                    "steward-desktop",
                    notice.words.summary.as_str(),
                    body.as_str(),
                    actions,
                    hints,
                    FOR_EVER,
                ),
            )
            .await?;
        self.owner = reply
            .header()
            .sender()
            .map(|sender| sender.to_owned().into());
        reply.body().deserialize()
    }

    /// Takes a notification away.
    pub(super) async fn withdraw(&self, id: u32) {
        // One that is gone already is an error of some servers, and none of ours.
        let _ = self.call("CloseNotification", &(id,)).await;
    }

    /// The next signal; absent where the bus is gone. Safe to be dropped while it waits.
    pub(super) async fn next(&mut self) -> Option<Signal> {
        loop {
            tokio::select! {
                message = self.signals.next() => {
                    let message = message?.ok()?;
                    if let Some(signal) = self.read(&message) {
                        return Some(signal);
                    }
                }
                message = self.owners.next() => {
                    message?.ok()?;
                    self.owner = None;
                    self.abilities = None;
                    return Some(Signal::ServerGone);
                }
            }
        }
    }

    fn read(&self, message: &Message) -> Option<Signal> {
        let header = message.header();
        if !is_from(self.owner.as_deref(), header.sender()) {
            tracing::warn!(
                sender = header.sender().map_or("nobody", |sender| sender.as_str()),
                "somebody else than the notification server spoke in its name; not heard"
            );
            return None;
        }
        let body = message.body();
        match header.member()?.as_str() {
            "ActionInvoked" => {
                let (id, key) = body.deserialize::<(u32, String)>().ok()?;
                Some(Signal::Invoked { id, key })
            }
            "NotificationClosed" => {
                let (id, _reason) = body.deserialize::<(u32, u32)>().ok()?;
                Some(Signal::Closed { id })
            }
            _ => None,
        }
    }

    async fn call<B>(&self, method: &str, body: &B) -> zbus::Result<Message>
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        self.bus
            .call_method(Some(NAME), PATH, Some(NAME), method, body)
            .await
    }
}

/// Whether a signal comes from the server that took our notifications. Before any was shown, none can be about ours.
fn is_from(owner: Option<&UniqueName<'_>>, sender: Option<&UniqueName<'_>>) -> bool {
    matches!((owner, sender), (Some(owner), Some(sender)) if owner == sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_server_that_showed_it_is_heard() {
        let server = UniqueName::from_static_str(":1.5").unwrap();
        let other = UniqueName::from_static_str(":1.6").unwrap();
        assert!(is_from(Some(&server), Some(&server)));
        assert!(!is_from(Some(&server), Some(&other)));
        assert!(!is_from(Some(&server), None));
        assert!(!is_from(None, Some(&other)));
        assert!(!is_from(None, None));
    }
}
