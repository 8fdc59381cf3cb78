//! The icon in the tray: how everything is, how many tasks wait, and the way back to the window.
//!
//! What flows through: the [`Picture`] in, an item of the session's tray out (freedesktop's StatusNotifierItem, over the bus, with no library
//! that might be missing). What it never does: show green for what is not known, or quit without having said what stops.

mod picture;

use ksni::{
    Category, Icon, MenuItem, OfflineReason, Status, ToolTip, TrayMethods as _, menu::StandardItem,
};
use tokio::sync::{mpsc, watch};

use crate::{
    Order,
    attention::{Picture, Worst},
    link::Link,
};

/// The item.
struct Item {
    picture: Picture,
    orders: mpsc::UnboundedSender<Order>,
    /// Whether a tray shows it.
    seen: watch::Sender<bool>,
}

/// Shows the item for as long as the program runs; `seen` tells whether there is a tray that does.
pub(crate) async fn run(
    mut picture: watch::Receiver<Picture>,
    orders: mpsc::UnboundedSender<Order>,
    seen: watch::Sender<bool>,
) {
    let item = Item {
        picture: picture.borrow_and_update().clone(),
        orders,
        seen,
    };
    // A tray that comes later is waited for.
    let handle = match item.assume_sni_available(true).spawn().await {
        Ok(handle) => handle,
        Err(error) => {
            tracing::warn!(%error, "there is no session bus, so no icon in a tray");
            return;
        }
    };
    while picture.changed().await.is_ok() {
        let now = picture.borrow_and_update().clone();
        let shown = handle.update(|item| item.picture = now).await;
        if shown.is_none() {
            return;
        }
    }
}

/// How everything is, in a line.
fn state(picture: &Picture) -> String {
    let node = if picture.node.is_empty() {
        "Steward"
    } else {
        &picture.node
    };
    if picture.carrier.is_none() {
        return "Steward: nobody is shown".to_owned();
    }
    if !picture.live {
        return format!("{node}: not connected, so nothing is known");
    }
    let health = match picture.worst {
        Worst::Good => "everything is well",
        Worst::Unknown => "not everything is known",
        Worst::Degraded => "something is not as it should be",
        Worst::Bad => "something is out of order",
    };
    match picture.incidents {
        0 => format!("{node}: {health}"),
        1 => format!("{node}: {health}, 1 active incident"),
        many => format!("{node}: {health}, {many} active incidents"),
    }
}

/// What waits, in a line.
fn waiting(picture: &Picture) -> String {
    match picture.waiting.len() {
        0 => "Nothing waits for you".to_owned(),
        1 => "1 task waits for you".to_owned(),
        many => format!("{many} tasks wait for you"),
    }
}

/// The score of security, in a line; what is not known is said so.
fn security(picture: &Picture) -> String {
    match picture.security.filter(|_| picture.live) {
        Some(known) => {
            let so_far = if known.is_whole {
                ""
            } else {
                ", not all of it read yet"
            };
            format!(
                "Security {} of 100 ({}{so_far})",
                known.score,
                known.level.as_str()
            )
        }
        None => "Security: not known".to_owned(),
    }
}

/// Underscores would mark a key.
fn label(text: &str) -> String {
    text.replace('_', "__")
}

impl ksni::Tray for Item {
    fn id(&self) -> String {
        "steward-desktop".to_owned()
    }

    fn category(&self) -> Category {
        Category::SystemServices
    }

    fn title(&self) -> String {
        "Steward".to_owned()
    }

    fn status(&self) -> Status {
        if self.picture.waiting.is_empty() {
            Status::Active
        } else {
            Status::NeedsAttention
        }
    }

    fn icon_pixmap(&self) -> Vec<Icon> {
        picture::icon(self.picture.worst, !self.picture.waiting.is_empty())
            .into_iter()
            .map(|pixels| Icon {
                width: pixels.side,
                height: pixels.side,
                data: pixels.argb,
            })
            .collect()
    }

    fn attention_icon_pixmap(&self) -> Vec<Icon> {
        self.icon_pixmap()
    }

    fn tool_tip(&self) -> ToolTip {
        ToolTip {
            title: state(&self.picture),
            description: format!("{}\n{}", waiting(&self.picture), security(&self.picture)),
            ..ToolTip::default()
        }
    }

    fn activate(&mut self, _: i32, _: i32) {
        let _ = self.orders.send(Order::Show(None));
    }

    fn menu(&self) -> Vec<MenuItem<Self>> {
        let said = |text: String| {
            MenuItem::Standard(StandardItem {
                label: label(&text),
                enabled: false,
                ..StandardItem::default()
            })
        };
        let mut menu = vec![
            said(state(&self.picture)),
            MenuItem::Separator,
            MenuItem::Standard(StandardItem {
                label: "Open Steward".to_owned(),
                activate: Box::new(|item: &mut Self| item.activate(0, 0)),
                ..StandardItem::default()
            }),
            MenuItem::Standard(StandardItem {
                label: label(&waiting(&self.picture)),
                enabled: !self.picture.waiting.is_empty(),
                activate: Box::new(|item: &mut Self| {
                    // A single one is opened itself.
                    let link = match item.picture.waiting.as_slice() {
                        [one] => Link::Task(one.id.0),
                        _ => Link::Tasks,
                    };
                    let _ = item.orders.send(Order::Show(Some(link)));
                }),
                ..StandardItem::default()
            }),
            MenuItem::Standard(StandardItem {
                label: label(&security(&self.picture)),
                enabled: self.picture.live,
                activate: Box::new(|item: &mut Self| {
                    let _ = item.orders.send(Order::Show(Some(Link::Security)));
                }),
                ..StandardItem::default()
            }),
            MenuItem::Separator,
        ];
        if !self.picture.quitting.is_empty() {
            menu.push(said(self.picture.quitting.clone()));
        }
        menu.push(MenuItem::Standard(StandardItem {
            label: "Quit".to_owned(),
            activate: Box::new(|item: &mut Self| {
                let _ = item.orders.send(Order::Quit);
            }),
            ..StandardItem::default()
        }));
        menu
    }

    fn watcher_online(&self) {
        self.seen.send_replace(true);
    }

    fn watcher_offline(&self, _: OfflineReason) -> bool {
        self.seen.send_replace(false);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use steward_api::SecurityLevel;

    use super::*;
    use crate::{attention::Security, notifications};

    fn picture(live: bool, worst: Worst, waiting: i64) -> Picture {
        Picture {
            live,
            worst,
            node: "atlas".to_owned(),
            waiting: (0..waiting)
                .map(|id| Arc::new(notifications::tests::task(id + 1)))
                .collect(),
            ..Picture::default()
        }
    }

    #[test]
    fn what_waits_is_counted_in_words() {
        let text = |many| waiting(&picture(true, Worst::Good, many));
        assert_eq!(text(0), "Nothing waits for you");
        assert_eq!(text(1), "1 task waits for you");
        assert_eq!(text(3), "3 tasks wait for you");
    }

    #[test]
    fn without_a_line_nothing_is_said_to_be_well() {
        let text = state(&picture(false, Worst::Unknown, 0));
        assert_eq!(text, "Steward: nobody is shown");
        assert!(!text.contains("well"));
    }

    #[test]
    fn the_score_of_security_is_told_with_its_level_and_never_guessed() {
        let mut known = picture(true, Worst::Good, 0);
        assert_eq!(security(&known), "Security: not known");
        known.security = Some(Security {
            score: 85,
            level: SecurityLevel::Good,
            is_whole: true,
        });
        assert_eq!(security(&known), "Security 85 of 100 (good)");
        if let Some(security) = &mut known.security {
            security.is_whole = false;
        }
        assert_eq!(
            security(&known),
            "Security 85 of 100 (good, not all of it read yet)"
        );
        known.live = false;
        assert_eq!(security(&known), "Security: not known");
    }

    #[test]
    fn names_keep_their_underscores() {
        assert_eq!(label("my_host: all is well"), "my__host: all is well");
    }
}
