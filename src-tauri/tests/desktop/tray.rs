//! A tray that the test holds in its hands: it takes the icon that the desktop offers, and reads its menu.
//!
//! What flows through: the items that register, and what they say. What it never does: show anything.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use steward_tests::wait;
use zbus::{
    interface,
    message::Header,
    zvariant::{OwnedValue, Value},
};

use super::session::Session;

const NAME: &str = "org.kde.StatusNotifierWatcher";
const SOON: Duration = Duration::from_secs(60);

type Items = Arc<Mutex<Vec<String>>>;

struct Watcher {
    items: Items,
}

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    async fn register_status_notifier_item(
        &self,
        service: &str,
        #[zbus(header)] header: Header<'_>,
    ) {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let who = if service.starts_with('/') {
            sender
        } else {
            service.to_owned()
        };
        self.items
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(who);
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.items
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The tray. Gone when dropped.
pub(crate) struct Tray {
    bus: zbus::Connection,
    items: Items,
}

/// One entry of a menu as it travels: its number, its properties, and what is below it.
type Layout = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

impl Tray {
    /// Begins on the session's bus.
    pub(crate) async fn begin(session: &Session) -> Result<Self> {
        let items = Items::default();
        let watcher = Watcher {
            items: Arc::clone(&items),
        };
        let address = session.bus();
        let bus = zbus::connection::Builder::address(address.as_str())?
            .serve_at("/StatusNotifierWatcher", watcher)?
            .name(NAME)?
            .build()
            .await?;
        Ok(Self { bus, items })
    }

    fn item(&self) -> Option<String> {
        self.items
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last()
            .cloned()
    }

    async fn read_menu(&self) -> Result<String> {
        let Some(item) = self.item() else {
            return Ok(String::new());
        };
        let reply = self
            .bus
            .call_method(
                Some(item.as_str()),
                "/MenuBar",
                Some("com.canonical.dbusmenu"),
                "GetLayout",
                &(0_i32, -1_i32, Vec::<&str>::new()),
            )
            .await?;
        let (_, (_, _, below)): (u32, Layout) = reply.body().deserialize()?;
        let mut labels = Vec::new();
        for entry in below {
            let Value::Structure(entry) = &*entry else {
                continue;
            };
            if let Some(Value::Dict(properties)) = entry.fields().get(1)
                && let Ok(Some(label)) = properties.get::<_, String>(&"label")
            {
                labels.push(label);
            }
        }
        Ok(labels.join("\n"))
    }

    /// The menu, once it holds some words.
    pub(crate) async fn menu(&self, words: &str) -> Result<String> {
        let read = || self.read_menu();
        wait::until(&format!("`{words}` in the menu"), SOON, read, |menu| {
            menu.contains(words)
        })
        .await
    }

    /// Clicks the icon.
    pub(crate) async fn activate(&self) -> Result<()> {
        let item = self.item().context("no icon")?;
        self.bus
            .call_method(
                Some(item.as_str()),
                "/StatusNotifierItem",
                Some("org.kde.StatusNotifierItem"),
                "Activate",
                &(0_i32, 0_i32),
            )
            .await?;
        Ok(())
    }
}
