//! The window: made when it is first wanted, hidden when it is closed, shown again at a place.
//!
//! What flows through: orders to show it in. What it never does: load a page that is not in this program, or put text of others into it; a
//! place is a word and a number.

use tauri::{AppHandle, Manager as _, WebviewUrl, WebviewWindowBuilder};

use crate::link::Link;

/// The window's name, to which `capabilities/` gives its rights.
const LABEL: &str = "main";

/// Shows the window, at a place where one is given.
pub(crate) fn show(app: &AppHandle, link: Option<Link>) {
    let shown = match app.get_webview_window(LABEL) {
        Some(window) => {
            if let Some(link) = link {
                // A hash is made of a word and a number; see `Link`.
                let move_there = format!("window.location.hash = \"{}\"", link.hash());
                if let Err(error) = window.eval(move_there) {
                    tracing::warn!(%error, "can't go to {link}");
                }
            }
            window
                .show()
                .and_then(|()| window.unminimize())
                .and_then(|()| window.set_focus())
        }
        None => make(app, link.unwrap_or_default()),
    };
    if let Err(error) = shown {
        tracing::error!(%error, "can't show the window");
    }
}

/// Hides the window; watching goes on.
pub(crate) fn hide(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(LABEL)
        && let Err(error) = window.hide()
    {
        tracing::error!(%error, "can't hide the window");
    }
}

fn make(app: &AppHandle, link: Link) -> tauri::Result<()> {
    let page = format!("index.html{}", link.hash());
    WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App(page.into()))
        .title("Steward")
        .inner_size(1180.0, 800.0)
        .min_inner_size(360.0, 480.0)
        // Nothing but the page of this program is ever loaded.
        .on_navigation(|url| url.scheme() == "tauri")
        .build()
        .map(|_| ())
}
