//! What surrounds every screen: header, navigation, the state of the connection, notices, palette and help.
//!
//! What flows through: the app's state in, the frame with the current screen out. What it never does: let a lost connection look like a
//! working one.

mod frame;
mod help;
mod palette;

use leptos::prelude::*;

use crate::{
    app::App,
    bridge::{self, browser},
    components::text,
    pages,
    session::{Link, Presence},
    sync,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    SignIn,
    Inside,
}

/// The command palette and the shortcuts, closed until they are asked for.
pub(crate) fn dialogs(app: App) -> AnyView {
    view! {
        {palette::palette(app)}
        {help::help(app)}
    }
    .into_any()
}

/// The whole page.
pub(crate) fn view(app: App) -> AnyView {
    browser::remove("#boot");
    let store = app.store;
    let stage = Memo::new(move |_| {
        store.presence.with(|presence| match presence {
            Presence::Unknown => Stage::Connecting,
            Presence::Out { .. } => Stage::SignIn,
            Presence::In(_) => Stage::Inside,
        })
    });
    Effect::new(move |_| {
        let state = store.link.with(|link| match link {
            Link::Connecting => "connecting",
            Link::Live => "live",
            Link::Lost { .. } => "lost",
        });
        browser::mark_page("data-link", state);
    });
    (move || {
        let stage = stage.get();
        untrack(|| match stage {
            Stage::Connecting => connecting(app),
            Stage::SignIn if bridge::is_desktop() => pages::parts::connections_alone(app),
            Stage::SignIn => pages::parts::sign_in(app),
            Stage::Inside => frame::frame(app),
        })
    })
    .into_any()
}

/// Before it is known who is signed in.
fn connecting(app: App) -> AnyView {
    let link = app.store.link;
    view! {
        <main class="alone" id="main">
            <h1 class="brand-large">"Steward"</h1>
            {move || match link.get() {
                Link::Lost { failure, .. } => {
                    view! {
                        {text::failed(&failure)}
                        <button class="button" on:click=move |_| sync::connect(app) data-testid="try-again">
                            "Try again now"
                        </button>
                        {bridge::is_desktop()
                            .then(|| {
                                view! {
                                    <button
                                        class="button"
                                        on:click=move |_| sync::signed_out(app, None)
                                        data-testid="choose-another"
                                    >
                                        "Choose another connection"
                                    </button>
                                }
                            })}
                    }
                        .into_any()
                }
                _ => {
                    view! {
                        <p class="quiet" role="status">
                            "Connecting to the agent…"
                        </p>
                    }
                        .into_any()
                }
            }}
        </main>
    }
    .into_any()
}
