//! The forms of the screen of connections: an agent to add, and a token that is missing.
//!
//! What flows through: what a person types in, into the screen's draft; their orders out, to the screen. What it never does: ask the shell by
//! itself.

use leptos::{ev::SubmitEvent, prelude::*};
use steward_api::{Chosen, DesktopState};

use super::connections::Screen;
use crate::{
    components::text,
    connect::{self, Draft},
};

/// The token of the connection that is chosen, where that is what it lacks.
pub(super) fn missing_token(screen: Screen, state: &DesktopState) -> Option<AnyView> {
    let Chosen::Agent { name } = state.chosen.clone() else {
        return None;
    };
    state
        .trouble
        .as_ref()
        .filter(|trouble| connect::wants_token(trouble))?;
    let (again, label) = (name.clone(), format!("Token for {name}"));
    let submitted = move |event: SubmitEvent| {
        event.prevent_default();
        screen.use_agent_with_token(name.clone());
    };
    Some(
        view! {
            <form class="card sign-in" on:submit=submitted data-testid="token-form">
                <label for="token-again">{label}</label>
                <input
                    id="token-again"
                    type="password"
                    autocomplete="off"
                    spellcheck="false"
                    prop:value=move || screen.token.get()
                    on:input=move |event| screen.token.set(event_target_value(&event))
                    data-testid="token-again"
                />
                {this_run_only(
                    move || screen.this_run_only.get(),
                    move |on| screen.this_run_only.set(on),
                    "token-this-run",
                )}
                <div class="buttons">
                    <button
                        type="submit"
                        class="button go"
                        disabled=move || screen.busy.get()
                        data-testid="use-token"
                    >
                        "Use this token"
                    </button>
                    <button
                        type="button"
                        class="button"
                        disabled=move || screen.busy.get()
                        on:click=move |_| screen.use_agent(again.clone())
                        data-testid="keyring-again"
                    >
                        "Ask the keyring again"
                    </button>
                </div>
            </form>
        }
        .into_any(),
    )
}

fn this_run_only(
    on: impl Fn() -> bool + Send + Sync + 'static,
    set: impl Fn(bool) + 'static,
    test_id: &'static str,
) -> AnyView {
    view! {
        <label class="check">
            <input
                type="checkbox"
                prop:checked=on
                on:change=move |event| set(event_target_checked(&event))
                data-testid=test_id
            />
            "For this run only: not in the keyring, and asked for again at the next start"
        </label>
    }
    .into_any()
}

/// One field of the form.
fn field(
    screen: Screen,
    id: &'static str,
    label: &'static str,
    kind: &'static str,
    hint: &'static str,
    get: fn(&Draft) -> &String,
    set: fn(&mut Draft, String),
) -> AnyView {
    view! {
        <label for=id>{label}</label>
        <input
            id=id
            type=kind
            placeholder=hint
            autocomplete="off"
            spellcheck="false"
            prop:value=move || screen.draft.with(|draft| get(draft).clone())
            on:input=move |event| {
                let value = event_target_value(&event);
                screen.draft.update(|draft| set(draft, value));
            }
            data-testid=id
        />
    }
    .into_any()
}

pub(super) fn form(screen: Screen) -> AnyView {
    let submitted = move |event: SubmitEvent| {
        event.prevent_default();
        screen.add();
    };
    view! {
        <section aria-label="Add an agent">
            {text::heading("Add an agent", None)}
            <form class="card sign-in" on:submit=submitted data-testid="add-form">
                {field(
                    screen,
                    "connection-url",
                    "Address",
                    "text",
                    "https://atlas:9470",
                    |draft| &draft.url,
                    |draft, value| draft.url = value,
                )}
                {field(
                    screen,
                    "connection-token",
                    "Token",
                    "password",
                    "",
                    |draft| &draft.token,
                    |draft, value| draft.token = value,
                )}
                <p class="quiet small">
                    "Tokens are in " <code>"tokens.toml"</code>
                    " in the agent's data directory: one each for viewer, operator and admin. It is kept in this system's keyring."
                </p>
                {this_run_only(
                    move || screen.draft.with(|draft| draft.this_run_only),
                    move |on| screen.draft.update(|draft| draft.this_run_only = on),
                    "connection-this-run",
                )}
                {field(
                    screen,
                    "connection-name",
                    "Name (not needed)",
                    "text",
                    "that of the machine",
                    |draft| &draft.name,
                    |draft, value| draft.name = value,
                )}
                {field(
                    screen,
                    "connection-ca",
                    "Certificate file (only for an authority of your own)",
                    "text",
                    "/etc/ssl/home.pem",
                    |draft| &draft.ca_file,
                    |draft, value| draft.ca_file = value,
                )}
                <div class="buttons">
                    <button
                        type="submit"
                        class="button go"
                        disabled=move || screen.busy.get()
                        data-testid="add-connection"
                    >
                        {move || if screen.busy.get() { "Trying…" } else { "Add and show" }}
                    </button>
                    <button
                        type="button"
                        class="button"
                        disabled=move || screen.busy.get()
                        on:click=move |_| screen.test_draft()
                        data-testid="test-connection"
                    >
                        "Test"
                    </button>
                </div>
            </form>
        </section>
    }
    .into_any()
}
