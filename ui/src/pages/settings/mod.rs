//! Settings: the connection, the autonomy, how the agent and its models do, and every setting of its that may be changed from here.
//!
//! What flows through: the status and the settings in; changes are gathered in a draft, checked by the agent as they are typed, shown as
//! lines of the file, and written when a person says so. What it never does: change anything before that.

mod bar;
mod fields;
mod form;
mod models;
mod state;
mod tokens;

use leptos::prelude::*;
use steward_api::StatusReply;

use crate::{
    app::App,
    components::{autonomy, text},
    store::Part,
};

/// The screen. What stands below what the agent says comes with it, so that nothing moves.
pub(super) fn page(app: App) -> AnyView {
    let store = app.store;
    let is_read = Memo::new(move |_| store.read(&[Part::Status], |world| world.status.is_some()));
    view! {
        <div class="page" data-testid="page-settings">
            <div class="heading">{text::title("Settings")}</div>
            <div class="columns-2 even">
                <div class="stack">
                    {state::connection(app)}
                    <section aria-label="Autonomy">
                        {text::heading("Autonomy", None)}
                        <div class="card">{autonomy::switch(app)}</div>
                    </section> {state::appearance(app)}
                </div>
                {move || {
                    if is_read.get() {
                        untrack(|| view! { <div class="stack">{of_agent(app)}</div> }.into_any())
                    } else {
                        view! { <div class="card">{text::reading()}</div> }.into_any()
                    }
                }}
            </div>
            {move || {
                is_read
                    .get()
                    .then(|| untrack(|| view! { {models::section(app)} {form::configuration(app)} }))
            }}
        </div>
    }
    .into_any()
}

/// What the agent says of itself.
fn of_agent(app: App) -> AnyView {
    let store = app.store;
    let status = Memo::new(move |_| store.read(&[Part::Status], |world| world.status.clone()));
    let part = move |shown: fn(App, &StatusReply) -> AnyView| {
        move || {
            status
                .get()
                .map_or_else(text::reading, |status| shown(app, &status))
        }
    };
    view! {
        <section aria-label="Sources" data-testid="sources">
            {text::heading("Sources", None)}
            <div class="card">{part(state::sources)}</div>
        </section>
        <section aria-label="Schedules" data-testid="schedules">
            {text::heading("Schedules", None)}
            <div class="card">{part(state::schedules)}</div>
        </section>
        <section aria-label="Database" data-testid="database">
            {text::heading("Database", None)}
            <div class="card">{part(state::database)}</div>
        </section>
        <section aria-label="Versions" data-testid="versions">
            {text::heading("Versions", None)}
            <div class="card">{part(state::versions)}</div>
        </section>
    }
    .into_any()
}
