//! Language models: which there are, how they do, what they may cost and did, and what they were asked. Tried here, set up in the file.
//!
//! What flows through: the Advisor's state and calls in, a wish to try a model out. What it never does: show or change where a model is
//! looked for, or its key.

use leptos::{prelude::*, task::spawn_local};
use steward_api::{AdvisorStatus, GetAdvisor, ModelState, ModelStatus, Nothing, Role, TriedModel};

use crate::{
    advisor,
    app::App,
    components::{loaded::Loaded, marks::mark, pages::Pages, text},
    deeds,
    failure::Failure,
    format,
    pages::{agents, calls},
};

/// The state is read again at every so-manieth pulse: no event tells that a model was found, or that its rest is over.
const EVERY: u32 = 3;

/// What came of the last trial of a model.
type Trial = RwSignal<Option<Result<TriedModel, Failure>>>;

/// The section.
pub(super) fn section(app: App) -> AnyView {
    let store = app.store;
    let status: Loaded<AdvisorStatus> = Loaded::new();
    let read = move || {
        status.read(async move { app.call::<GetAdvisor>(None, &Nothing {}).await });
    };
    let beat = Memo::new(move |_| store.pulse.get() / EVERY);
    let newest = calls::newest(app, None);
    Effect::new(move |_| {
        store.readings.track();
        beat.with(|_| ());
        newest.with(|_| ());
        read();
    });
    let now = Memo::new(move |_| status.value.get());
    let names = move || {
        now.get().map_or_else(Vec::new, |status| {
            status
                .models
                .iter()
                .map(|model| model.name.clone())
                .collect::<Vec<_>>()
        })
    };
    let shown = move || {
        view! {
            {move || now.get().map(|status| standing(&status))}
            <For
                each=names
                key=|name| name.clone()
                children=move |name| {
                    let called = name.clone();
                    let model = Memo::new(move |_| {
                        now.get()
                            .and_then(|status| {
                                status.models.iter().find(|one| one.name == called).cloned()
                            })
                    });
                    one(app, name, model, read)
                }
            />
        }
        .into_any()
    };
    let roster = agents::Roster::new(app);
    let recorded = Pages::new();
    let list = calls::list(app, None, recorded);
    view! {
        <section class="models" aria-label="Models" data-testid="models">
            {text::heading("Models", None)}
            <div class="card">{status.show(read, shown)}</div>
            <details class="card group" data-testid="last-calls">
                <summary>
                    <span class="strong">"Last calls"</span>
                    " "
                    <span class="quiet">"What models were asked, what it cost, and exactly what was sent."</span>
                </summary>
                <div class="rows">{list}</div>
            </details>
            <details class="card group" data-testid="settings-specialists">
                <summary>
                    <span class="strong">"Specialists"</span>
                    " "
                    <span class="quiet">
                        "Who speaks through these models. They are set up in the file, under advisor.specialists."
                    </span>
                </summary>
                {agents::specialists(app, roster, None)}
            </details>
        </section>
    }
    .into_any()
}

/// What holds for all of them: whether any may be asked, what to do where none is there, what was spent.
fn standing(status: &AdvisorStatus) -> AnyView {
    let has_money = status.daily_budget_micro_usd > 0 || status.spent_today_micro_usd > 0;
    let spent = (has_money || !status.models.is_empty()).then(|| {
        view! {
            <dl class="facts" data-testid="models-spent">
                {text::fact(
                    "Spent today",
                    advisor::spent(status.spent_today_micro_usd, status.daily_budget_micro_usd),
                )}
            </dl>
        }
    });
    view! {
        <div class="setting">
            {text::no_model(status)} {spent}
        </div>
    }
    .into_any()
}

fn one(
    app: App,
    name: String,
    model: Memo<Option<ModelStatus>>,
    read: impl Fn() + Copy + Send + Sync + 'static,
) -> AnyView {
    let store = app.store;
    let busy = RwSignal::new(false);
    let trial: Trial = RwSignal::new(None);
    let asked = StoredValue::new(name.clone());
    let try_it = move |_| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        trial.set(None);
        spawn_local(async move {
            let tried = deeds::try_model(app, asked.get_value()).await;
            // The screen may be gone by now.
            if busy.try_set(false).is_none() {
                trial.try_set(Some(tried));
                read();
            }
        });
    };
    let state = move || model.get().map(|model| mark(advisor::state(model.state)));
    let may_try = Memo::new(move |_| store.may(Role::Operator));
    let button = move || {
        may_try.get().then(|| {
            view! {
                <button
                    class="button"
                    disabled=move || busy.get() || !store.is_live()
                    on:click=try_it
                    aria-label=format!("Try {}", asked.get_value())
                    data-testid="try-model"
                >
                    {move || if busy.get() { "Trying…" } else { "Try it" }}
                </button>
            }
        })
    };
    view! {
        <div class="setting" data-testid="model" data-model=name.clone()>
            <div class="heading">
                <h3>{asked.get_value()}</h3>
                <span data-testid="model-state">{state}</span>
                <span class="deeds">{button}</span>
            </div>
            {move || trial.get().map(|tried| came_of_it(&tried))}
            {move || model.get().map(|model| facts(app, &model))}
        </div>
    }
    .into_any()
}

fn came_of_it(tried: &Result<TriedModel, Failure>) -> AnyView {
    let said = match tried {
        Err(failure) => return text::failed(failure),
        Ok(tried) => match (&tried.error, tried.status.latency_ms) {
            (Some(error), _) => format!("It did not answer: {error}"),
            (None, Some(took)) => format!("It answered, in {}.", advisor::took(took)),
            (None, None) => "It answered.".to_owned(),
        },
    };
    let offered = tried
        .as_ref()
        .ok()
        .filter(|tried| !tried.offered.is_empty())
        .map(|tried| {
            view! { <span class="quiet">{format!(" Its server has: {}.", tried.offered.join(", "))}</span> }
        });
    view! {
        <p class="said" role="status" data-testid="tried">
            {said}
            {offered}
        </p>
    }
    .into_any()
}

fn facts(app: App, model: &ModelStatus) -> AnyView {
    let store = app.store;
    let called = if model.model.is_empty() {
        "the first that its server offers".to_owned()
    } else {
        model.model.clone()
    };
    let from = if model.discovered {
        "found by itself on this machine"
    } else {
        "configured"
    };
    let answer = match (model.answered_at, model.latency_ms) {
        (None, _) => "none yet".into_any(),
        (Some(at), took) => {
            let took = took.map(|took| format!(", took {}", advisor::took(took)));
            view! { <span>{text::ago(store, at)} {took}</span> }.into_any()
        }
    };
    let rest = model
        .resting_until
        .filter(|_| model.state == ModelState::Resting)
        .map(|at| text::fact("Asked again", text::ago(store, at)));
    let error = model
        .error
        .clone()
        .filter(|_| model.state != ModelState::Up)
        .map(|error| text::fact("Why", error));
    let abilities: Vec<AnyView> = [
        ("keeps to a schema", model.abilities.schema),
        ("calls tools", model.abilities.tools),
        ("streams", model.abilities.streaming),
    ]
    .into_iter()
    .map(|(what, can)| {
        view! {
            <span class="ability">
                {what} " " {mark(advisor::ability(can))}
            </span>
        }
        .into_any()
    })
    .collect();
    view! {
        <dl class="facts model-facts">
            {error} {rest} {text::fact("Runs", advisor::class(model.class))}
            {text::fact("Address", model.url.clone())} {text::fact("Its server calls it", called)}
            {text::fact("Came here", from)} {text::fact("Last answer", answer)}
            {text::fact("Price", advisor::price(model))}
            {text::fact(
                "Reads at once",
                format::count(u64::from(model.context_tokens), "token"),
            )} {text::fact("Can", view! { <span class="meta">{abilities}</span> }.into_any())}
        </dl>
    }
    .into_any()
}
