//! Signing in with a token.
//!
//! What flows through: a token from the person to the agent, which keeps the session in a cookie that scripts can't read. What it never
//! does: keep the token.

use leptos::{ev::SubmitEvent, prelude::*, task::spawn_local};
use steward_api::ErrorCode;

use crate::{
    app::App, bridge::browser, components::text, deeds, failure::Failure, session::Presence,
};

/// The screen.
pub(crate) fn page(app: App) -> AnyView {
    let token = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let failure = RwSignal::new(None::<Failure>);
    let why = move || {
        app.store.presence.with(|presence| match presence {
            Presence::Out { why } => why.clone(),
            _ => None,
        })
    };
    browser::set_title("Sign in · Steward");
    browser::after(0, || {
        browser::focus("#token");
    });
    let submitted = move |event: SubmitEvent| {
        event.prevent_default();
        let given = token.get_untracked().trim().to_owned();
        if busy.get_untracked() || given.is_empty() {
            browser::focus("#token");
            return;
        }
        busy.set(true);
        failure.set(None);
        spawn_local(async move {
            let signed_in = deeds::sign_in(app, &given).await;
            busy.try_set(false);
            match signed_in {
                Ok(()) => {
                    token.try_set(String::new());
                }
                Err(refused) => {
                    failure.try_set(Some(refused));
                    browser::focus("#token");
                }
            }
        });
    };
    view! {
        <main class="alone" id="main" data-testid="page-sign-in">
            <h1 class="brand-large">"Steward"</h1>
            <p class="quiet">{browser::origin()}</p>
            {move || {
                why()
                    .map(|why| {
                        view! {
                            <p class="said" role="status" data-testid="signed-out">
                                {why}
                            </p>
                        }
                    })
            }}
            <form class="card sign-in" on:submit=submitted>
                // Keepers of passwords want a name beside one.
                <input
                    class="hidden"
                    type="text"
                    name="username"
                    autocomplete="username"
                    value="steward"
                    readonly=true
                    tabindex="-1"
                    aria-hidden="true"
                />
                <label for="token">"Token"</label>
                <input
                    id="token"
                    type="password"
                    autocomplete="current-password"
                    spellcheck="false"
                    required=true
                    prop:value=move || token.get()
                    on:input=move |event| token.set(event_target_value(&event))
                    aria-describedby="token-help"
                    data-testid="token"
                />
                <button
                    type="submit"
                    class="button go"
                    disabled=move || busy.get()
                    data-testid="sign-in"
                >
                    {move || if busy.get() { "Signing in…" } else { "Sign in" }}
                </button>
                {move || failure.get().map(|failure| refused(&failure))}
                <p class="quiet small" id="token-help">
                    "Tokens are in "
                    <code>"tokens.toml"</code>
                    " in the agent's data directory: one each for viewer, operator and admin. On that machine, "
                    <code>"steward sign-in"</code> " prints a link that signs you in without one."
                </p>
            </form>
        </main>
    }
    .into_any()
}

fn refused(failure: &Failure) -> AnyView {
    let (title, advice) = match failure {
        Failure::SignedOut => (
            "This token is not known here".to_owned(),
            "Check that it is whole, and that it is of this agent.".to_owned(),
        ),
        failure if failure.is(ErrorCode::TooManyRequests) => {
            ("Too many attempts".to_owned(), failure.advice())
        }
        _ => return text::failed(failure),
    };
    view! {
        <div class="failed" role="alert" data-testid="failed">
            <p class="strong">{title}</p>
            <p>{advice}</p>
        </div>
    }
    .into_any()
}
