//! The shortcuts, shown on `?`.

use leptos::{html, prelude::*};

use crate::{app::App, bridge::browser, keys::SHORTCUTS};

/// The dialog with every shortcut.
pub(super) fn help(app: App) -> AnyView {
    let dialog: NodeRef<html::Dialog> = NodeRef::new();
    Effect::new(move |_| {
        let open = app.help.get();
        if let Some(dialog) = dialog.get() {
            browser::set_open(&dialog, open);
        }
    });
    let rows: Vec<AnyView> = SHORTCUTS
        .into_iter()
        .map(|(keys, words)| {
            let keys: Vec<AnyView> = keys
                .split(' ')
                .map(|key| view! { <kbd>{key}</kbd> }.into_any())
                .collect();
            view! {
                <div class="fact">
                    <dt>{keys}</dt>
                    <dd>{words}</dd>
                </div>
            }
            .into_any()
        })
        .collect();
    view! {
        <dialog
            class="dialog"
            node_ref=dialog
            aria-label="Keyboard shortcuts"
            on:close=move |_| app.help.set(false)
            data-testid="help"
        >
            <h2>"Keyboard shortcuts"</h2>
            <dl class="facts">{rows}</dl>
            <button class="button" on:click=move |_| app.help.set(false)>
                "Close"
            </button>
        </dialog>
    }
    .into_any()
}
