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

/// The screen.
pub(super) fn page(app: App) -> AnyView {
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
                <div class="stack">
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
                </div>
            </div>
            {models::section(app)} {form::configuration(app)}
        </div>
    }
    .into_any()
}
