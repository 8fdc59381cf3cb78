//! The specialists: field, instructions, tools, model, and what each works on right now.
//!
//! What flows through: the agent's list in; a wish to ask one of them out. What it never does: change one; they are set up in the file.

use leptos::prelude::*;
use steward_api::{AtWork, Specialist};

use super::Roster;
use crate::{
    app::App,
    components::{marks::mark, text},
    marks::{Mark, Shape, Tone},
    route::Route,
};

/// What is done when somebody wants to ask one of them.
type Ask = Option<Callback<String>>;

/// All of them.
pub(in crate::pages) fn list(app: App, roster: Roster, ask: Ask) -> AnyView {
    let all = roster.specialists;
    let names = move || {
        all.value.get().map_or_else(Vec::new, |all| {
            all.iter().map(|one| one.name.clone()).collect::<Vec<_>>()
        })
    };
    let shown = move || {
        view! {
            <For
                each=names
                key=|name| name.clone()
                children=move |name| {
                    let one = Memo::new(move |_| {
                        all.value.with(|all| all.as_ref()?.iter().find(|one| one.name == name).cloned())
                    });
                    card(app, one, ask)
                }
            />
        }
        .into_any()
    };
    view! { <div class="card specialists">{all.show(move || roster.read(), shown)}</div> }
        .into_any()
}

fn card(app: App, one: Memo<Option<Specialist>>, ask: Ask) -> AnyView {
    // What it is changes with the configuration, what it works on all the time.
    let what = Memo::new(move |_| {
        one.get().map(|one| Specialist {
            at_work: Vec::new(),
            ..one
        })
    });
    let work = Memo::new(move |_| one.get().map_or_else(Vec::new, |one| one.at_work));
    let state = move || {
        mark(if work.with(Vec::is_empty) {
            Mark {
                shape: Shape::Ring,
                word: "idle",
                tone: Tone::Quiet,
            }
        } else {
            Mark {
                shape: Shape::Turning,
                word: "at work",
                tone: Tone::Ask,
            }
        })
    };
    let works_on = move || {
        work.get()
            .iter()
            .map(|work| at_work(app, work))
            .collect::<Vec<_>>()
    };
    let Some(name) = what.with_untracked(|what| what.as_ref().map(|one| one.name.clone())) else {
        return ().into_any();
    };
    view! {
        <article class="setting specialist" data-testid="specialist" data-name=name.clone()>
            <div class="heading">
                <h3>{name.clone()}</h3>
                <span class="deeds" data-testid="specialist-state">
                    {state}
                </span>
            </div>
            <p class="quiet">{move || what.get().map(|one| one.field)}</p>
            <ul class="works">{works_on}</ul>
            {move || what.get().map(|one| facts(app, &one, ask))}
        </article>
    }
    .into_any()
}

fn at_work(app: App, work: &AtWork) -> AnyView {
    let id = work.conversation;
    let title = move || {
        app.store
            .read(&[crate::store::Part::Conversations], |world| {
                world
                    .conversations
                    .iter()
                    .find(|one| one.id == id)
                    .map(|one| one.title.clone())
            })
            .unwrap_or_else(|| format!("conversation {id}"))
    };
    let model = work
        .working
        .model
        .clone()
        .map(|model| view! { <span>{model}</span> });
    view! {
        <li data-testid="works-on">
            <span>{work.working.doing.clone()}</span>
            <span class="meta small">
                <span>"for " {text::since(app.store, work.working.since)}</span>
                {model}
                <a href=Route::Conversation(id).hash()>{title}</a>
            </span>
        </li>
    }
    .into_any()
}

fn facts(app: App, one: &Specialist, ask: Ask) -> AnyView {
    let tools: Vec<AnyView> = one
        .tools
        .iter()
        .map(|tool| view! { <code>{tool.clone()}</code> }.into_any())
        .collect();
    let tools = if tools.is_empty() {
        "none: it can look at nothing".into_any()
    } else {
        view! { <span class="tools">{tools}</span> }.into_any()
    };
    let model = one
        .model
        .clone()
        .unwrap_or_else(|| "the one that suits best".to_owned());
    let origin = if one.built_in {
        "with Steward"
    } else {
        "from the configuration"
    };
    let instructions = if one.instructions.trim().is_empty() {
        "Nothing besides its field.".to_owned()
    } else {
        one.instructions.clone()
    };
    let ask = ask.map(|ask| {
        let name = StoredValue::new(one.name.clone());
        let may_ask = Memo::new(move |_| app.store.may(steward_api::Role::Operator));
        move || {
            may_ask.get().then(|| {
                view! {
                    <button
                        type="button"
                        class="button plain"
                        on:click=move |_| ask.run(name.get_value())
                        data-testid="ask-specialist"
                    >
                        {format!("Ask {}", name.get_value())}
                    </button>
                }
            })
        }
    });
    view! {
        <dl class="facts">
            {text::fact("May look with", tools)} {text::fact("Model", model)}
            {text::fact("Came here", origin)}
        </dl>
        <div class="buttons">
            <details class="told" data-testid="instructions">
                <summary>"What it is told"</summary>
                <p class="lines">{instructions}</p>
            </details>
            {ask}
        </div>
    }
    .into_any()
}
