//! Tokens: whose there are, one more made, one revoked.
//!
//! What flows through: names and roles in, what an administrator asks for out; a token that was just made is shown this once. What it never
//! does: keep that token when the screen is left, or revoke one at the first click.

use std::sync::Arc;

use leptos::{prelude::*, task::spawn_local};
use steward_api::{
    ConfigReply, MakeToken, NewToken, NewTokenRequest, Nothing, RevokeToken, Role, TokenName,
};

use super::form::Form;
use crate::{bridge::browser, components::text, failure::Failure, marks::Tone};

/// What the section works on.
#[derive(Clone, Copy)]
struct Tokens {
    form: Form,
    name: RwSignal<String>,
    role: RwSignal<Role>,
    /// The token that was just made.
    made: RwSignal<Option<NewToken>>,
    /// The name of the one that is about to be revoked.
    asked: RwSignal<Option<String>>,
    busy: RwSignal<bool>,
    failure: RwSignal<Option<Failure>>,
}

impl Tokens {
    fn may_change(self) -> bool {
        let store = self.form.app.store;
        store.may(Role::Admin) && store.is_live() && !self.busy.get()
    }

    fn make(self) {
        let asked = NewTokenRequest {
            name: self.name.get_untracked().trim().to_owned(),
            role: self.role.get_untracked(),
        };
        if asked.name.is_empty() {
            browser::focus("#token-name");
            return;
        }
        self.busy.set(true);
        self.failure.set(None);
        self.made.set(None);
        spawn_local(async move {
            let made = self.form.app.call::<MakeToken>(None, &asked).await;
            self.busy.try_set(false);
            match made {
                Ok(made) => {
                    self.name.try_set(String::new());
                    self.made.try_set(Some(made));
                    self.form.read();
                    browser::after(0, || {
                        browser::focus("#token-made");
                    });
                }
                Err(failure) => self.failed(failure),
            }
        });
    }

    /// It may have been done all the same, and only not been recorded or told: the list is read again.
    fn failed(self, failure: Failure) {
        self.failure.try_set(Some(failure));
        self.form.read();
    }

    /// Asks whether a token is to be revoked; the focus goes to the answer that changes nothing.
    fn ask(self, name: String) {
        self.asked.set(Some(name));
        browser::after(0, || {
            browser::focus("#token-keep");
        });
    }

    fn revoke(self, name: String) {
        self.busy.set(true);
        self.failure.set(None);
        self.asked.set(None);
        spawn_local(async move {
            let app = self.form.app;
            let done = app.call::<RevokeToken>(Some(&name), &Nothing {}).await;
            self.busy.try_set(false);
            match done {
                Ok(done) => {
                    let is_it = |made: &Option<NewToken>| {
                        made.as_ref().is_some_and(|made| made.name == name)
                    };
                    if self.made.try_with_untracked(is_it) == Some(true) {
                        self.made.try_set(None);
                    }
                    app.say(Tone::Good, done.message);
                    self.form.read();
                }
                Err(failure) => self.failed(failure),
            }
            browser::after(0, || {
                browser::focus("#token-name");
            });
        });
    }
}

/// The section.
pub(super) fn section(form: Form) -> AnyView {
    let tokens = Tokens {
        form,
        name: RwSignal::new(String::new()),
        role: RwSignal::new(Role::Viewer),
        made: RwSignal::new(None),
        asked: RwSignal::new(None),
        busy: RwSignal::new(false),
        failure: RwSignal::new(None),
    };
    let reply = Memo::new(move |_| form.loaded.value.get());
    let is_kept = Memo::new(move |_| {
        reply.with(|reply| {
            reply
                .as_ref()
                .is_some_and(|reply| !reply.token_file.is_empty())
        })
    });
    let may_make = move || is_kept.get() && form.app.store.may(Role::Admin);
    let no_file = move || reply.with(Option::is_some) && !is_kept.get();
    view! {
        <details class="card group" data-testid="tokens">
            <summary>
                <span class="strong">"Tokens"</span>
                " "
                <span class="quiet">
                    "Who may sign in, and as what. A token itself is shown once, when it is made."
                </span>
            </summary>
            {move || reply.get().map(|reply| list(tokens, &reply))}
            {move || tokens.failure.get().map(|failure| text::failed(&failure))}
            {move || tokens.made.get().map(shown_once)}
            {move || may_make().then(|| new(tokens))}
            {move || {
                no_file()
                    .then(|| {
                        view! {
                            <p class="quiet">
                                "This engine belongs to the desktop and keeps no tokens: nobody else can reach it."
                            </p>
                        }
                    })
            }}
        </details>
    }
    .into_any()
}

fn list(tokens: Tokens, reply: &Arc<ConfigReply>) -> AnyView {
    let rows: Vec<AnyView> = reply
        .tokens
        .iter()
        .map(|token| row(tokens, token, &reply.token_file))
        .collect();
    view! { <dl class="facts">{rows}</dl> }.into_any()
}

fn row(tokens: Tokens, token: &TokenName, file: &str) -> AnyView {
    let from = if token.environment {
        "from STEWARD_ADMIN_TOKEN".to_owned()
    } else if file.is_empty() {
        String::new()
    } else {
        format!("in {file}")
    };
    let name = token.name.clone();
    let stays = token.environment || file.is_empty();
    let is_asked = {
        let name = name.clone();
        Memo::new(move |_| tokens.asked.with(|asked| asked.as_ref() == Some(&name)))
    };
    let deeds = move || {
        if stays || !tokens.form.app.store.may(Role::Admin) {
            return ().into_any();
        }
        let name = StoredValue::new(name.clone());
        let is_off = move || !tokens.may_change();
        if is_asked.get() {
            view! {
                <button
                    id="token-keep"
                    class="button"
                    on:click=move |_| tokens.asked.set(None)
                >
                    "Keep"
                </button>
                " "
                <button
                    class="button go risky"
                    disabled=is_off
                    on:click=move |_| tokens.revoke(name.get_value())
                    data-testid="token-revoke-yes"
                >
                    {format!("Revoke {}, and sign out whoever uses it", name.get_value())}
                </button>
            }
            .into_any()
        } else {
            view! {
                <button
                    class="button plain"
                    disabled=is_off
                    on:click=move |_| tokens.ask(name.get_value())
                    aria-label=format!("Revoke {}", name.get_value())
                    data-testid="token-revoke"
                >
                    "Revoke"
                </button>
            }
            .into_any()
        }
    };
    view! {
        <div class="fact" data-testid="token-name" data-token=token.name.clone()>
            <dt>{token.name.clone()}</dt>
            <dd>
                {format!("role {}", token.role)} " " <span class="quiet">{from}</span> " " {deeds}
            </dd>
        </div>
    }
    .into_any()
}

fn shown_once(made: NewToken) -> AnyView {
    view! {
        <div class="row-field" role="status">
            <label class="strong" for="token-made">
                {format!("The token of {}, role {}", made.name, made.role)}
            </label>
            <input id="token-made" class="wide" readonly prop:value=made.secret data-testid="token-made" />
            <p class="quiet small">
                "It is shown this once: put it where it is needed now. Lost, it is revoked and another one made."
            </p>
        </div>
    }
    .into_any()
}

fn new(tokens: Tokens) -> AnyView {
    let choices: Vec<AnyView> = [
        (Role::Viewer, "viewer: reads"),
        (Role::Operator, "operator: also approves, rejects and heals"),
        (Role::Admin, "admin: may do everything"),
    ]
    .into_iter()
    .map(|(role, words)| {
        view! {
            <option value=role.as_str() prop:selected=move || tokens.role.get() == role>
                {words}
            </option>
        }
        .into_any()
    })
    .collect();
    let chosen = move |word: String| {
        let role = [Role::Viewer, Role::Operator, Role::Admin]
            .into_iter()
            .find(|role| role.as_str() == word);
        if let Some(role) = role {
            tokens.role.set(role);
        }
    };
    view! {
        <form
            class="list-row"
            on:submit=move |event| {
                event.prevent_default();
                if untrack(|| tokens.may_change()) {
                    tokens.make();
                }
            }
        >
            <div class="row-field">
                <label class="quiet small" for="token-name">
                    "Name of a new token"
                </label>
                <input
                    id="token-name"
                    maxlength="64"
                    autocomplete="off"
                    placeholder="such as phone"
                    prop:value=move || tokens.name.get()
                    on:input=move |event| tokens.name.set(event_target_value(&event))
                    data-testid="token-new-name"
                />
            </div>
            <div class="row-field">
                <label class="quiet small" for="token-role">
                    "What it allows"
                </label>
                <select
                    id="token-role"
                    on:change=move |event| chosen(event_target_value(&event))
                    data-testid="token-new-role"
                >
                    {choices}
                </select>
            </div>
            <button class="button" disabled=move || !tokens.may_change() data-testid="token-make">
                "Make token"
            </button>
        </form>
    }
    .into_any()
}
