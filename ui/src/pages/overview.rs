//! The overview: what needs a person comes first, then how everything is, and what was healed.

use leptos::prelude::*;
use steward_api::{Health, Unreadable};

use crate::{
    app::App,
    attention::{self, Trouble},
    bridge::browser,
    components::{autonomy, gauges, incident, marks::shape, score, task, text},
    format,
    marks::Shape,
    route::{Route, Section},
    store::Part,
};

/// So many things that could not be read are named.
const UNREADABLE_SHOWN: usize = 8;

/// The screen. All of it is read at once, and shown at once: so that nothing moves as its neighbours come.
pub(super) fn page(app: App) -> AnyView {
    let store = app.store;
    let is_read = Memo::new(move |_| store.read(&[Part::Status], |world| world.status.is_some()));
    view! {
        <div class="page overview" data-testid="page-overview">
            <h1 class="hidden-words" tabindex="-1">
                "Overview"
            </h1>
            {move || {
                if is_read.get() {
                    untrack(|| parts(app))
                } else {
                    view! { <div class="card">{text::reading()}</div> }.into_any()
                }
            }}
        </div>
    }
    .into_any()
}

fn parts(app: App) -> AnyView {
    view! {
        <div class="stack">{needs(app)} {health(app)} {healed(app)}</div>
        <div class="stack">
            {score::card(app)} {hosts(app)}
            <section aria-label="Autonomy">
                {text::heading("Autonomy", None)} <div class="card">{autonomy::switch(app)}</div>
            </section>
            {unreadable(app)}
        </div>
    }
    .into_any()
}

/// Troubles of Steward's own, questions, incidents: or that there is nothing.
fn needs(app: App) -> AnyView {
    let store = app.store;
    let troubles = Memo::new(move |_| store.read(&[Part::Status], attention::troubles));
    let asked = Memo::new(move |_| store.read(&[Part::Tasks], attention::asked));
    let active = Memo::new(move |_| store.read(&[Part::Incidents], attention::active));
    let is_calm = Memo::new(move |_| {
        troubles.with(Vec::is_empty)
            && asked.with(Vec::is_empty)
            && active.with(Vec::is_empty)
            && store.unread.with(Option::is_none)
    });
    let is_read = Memo::new(move |_| {
        store.read(&[Part::Tasks, Part::Incidents], |world| {
            world.tasks_read && world.incidents_read
        }) || store.unread.with(Option::is_some)
    });
    let nothing = move || {
        if !is_calm.get() {
            return None;
        }
        Some(if is_read.get() {
            calm(app)
        } else {
            view! { <div class="card">{text::reading()}</div> }.into_any()
        })
    };
    view! {
        <section class="needs" aria-label="Needs you" data-testid="needs-you">
            {text::heading("Needs you", Some(("All tasks", Section::Tasks.route().hash())))}
            {move || {
                store.unread.get().map(|failure| {
                    view! { <div class="card ask">{text::failed(&failure)}</div> }
                })
            }}
            {move || troubles.get().into_iter().map(trouble).collect::<Vec<_>>()}
            <For
                each=move || asked.get()
                key=|task| (task.id, task.plan_hash.clone())
                children=move |asked| task::card(app, &asked)
            />
            {move || {
                (!active.with(Vec::is_empty))
                    .then(|| {
                        view! {
                            <div class="card rows" data-testid="active-incidents">
                                <For
                                    each=move || active.get()
                                    key=|incident| (incident.id, incident.updated_at)
                                    children=move |active| incident::active_row(app, &active)
                                />
                            </div>
                        }
                    })
            }}
            {nothing}
        </section>
    }
    .into_any()
}

fn trouble(trouble: Trouble) -> AnyView {
    view! {
        <article class="card ask trouble" data-testid="trouble">
            <h3 class="mark tone-bad">{shape(Shape::Cross)} <span>{trouble.title}</span></h3>
            <p>{trouble.text}</p>
        </article>
    }
    .into_any()
}

/// Nothing needs a person: honest about what is not known.
fn calm(app: App) -> AnyView {
    let store = app.store;
    let counts = Memo::new(move |_| {
        store.read(&[Part::Resources], |world| {
            let unknown = world
                .resources
                .values()
                .filter(|entry| entry.health == Health::Unknown)
                .count();
            (world.resources.len(), unknown)
        })
    });
    let words = move || {
        match counts.get() {
        (0, _) => {
            "Steward has not read any resource yet. Give it half a minute; then look at the sources in the settings.".to_owned()
        }
        (all, 0) => format!("Steward watches {}.", format::count(all as u64, "resource")),
        (all, unknown) => format!(
            "Steward watches {}; of {unknown} of them it is not known how they are.",
            format::count(all as u64, "resource")
        ),
    }
    };
    view! {
        <div class="card calm" data-testid="calm">
            <p class="strong">
                {move || {
                    if store.is_live() { "Nothing needs you." } else { "Nothing needed you when it was last read." }
                }}
            </p>
            <p class="quiet">{words}</p>
        </div>
    }
    .into_any()
}

fn hosts(app: App) -> AnyView {
    let store = app.store;
    let hosts =
        Memo::new(move |_| store.read(&[Part::Resources, Part::Incidents], attention::hosts));
    let is_read = Memo::new(move |_| store.read(&[Part::Resources], |world| world.resources_read));
    view! {
        <section aria-label="Hosts">
            {move || {
                let hosts = hosts.get();
                if hosts.is_empty() {
                    let inside = if is_read.get() {
                        text::empty(
                            "No host is read.",
                            "The settings say which sources answer.",
                        )
                    } else {
                        text::reading()
                    };
                    return view! {
                        <div class="heading">
                            <h2>"Host"</h2>
                        </div>
                        <div class="card gauges">{inside}</div>
                    }
                        .into_any();
                }
                hosts
                    .iter()
                    .map(|host| {
                        view! {
                            <div class="heading">
                                <h2>{format!("Host {}", host.name)}</h2>
                            </div>
                            {gauges::host(host)}
                        }
                            .into_any()
                    })
                    .collect::<Vec<_>>()
                    .into_any()
            }}
        </section>
    }
    .into_any()
}

fn health(app: App) -> AnyView {
    let store = app.store;
    let kinds = Memo::new(move |_| {
        store.read(&[Part::Resources], |world| {
            attention::by_kind(world.resources.values())
        })
    });
    let total = Memo::new(move |_| store.read(&[Part::Resources], |world| world.resources.len()));
    let is_read = Memo::new(move |_| store.read(&[Part::Resources], |world| world.resources_read));
    view! {
        <section aria-label="Health" data-testid="health">
            <div class="heading">
                <h2>"Health"</h2>
                <a href=Section::Resources.route().hash()>
                    {move || format!("All {}", format::count(total.get() as u64, "resource"))}
                </a>
            </div>
            <div class="kinds">
                {move || {
                    if is_read.get() {
                        kinds.get().iter().map(gauges::kind).collect::<Vec<_>>().into_any()
                    } else {
                        view! { <div class="card kind">{text::reading()}</div> }.into_any()
                    }
                }}
            </div>
        </section>
    }
    .into_any()
}

fn healed(app: App) -> AnyView {
    let store = app.store;
    let healed = Memo::new(move |_| {
        store.read(&[Part::Incidents], |world| {
            attention::healed_since(world, browser::midnight())
        })
    });
    view! {
        <section aria-label="Healed today" data-testid="healed-today">
            {text::heading(
                "Healed today",
                Some(("Past incidents", Route::Incidents { past: true }.hash())),
            )}
            <div class="card rows">
                <For
                    each=move || healed.get()
                    key=|incident| (incident.id, incident.updated_at)
                    children=move |healed| incident::earlier_row(app, &healed)
                />
                {move || {
                    healed
                        .with(Vec::is_empty)
                        .then(|| {
                            text::empty(
                                "Nothing had to be healed today.",
                                "What Steward fixes by itself stands here, with how long it took.",
                            )
                        })
                }}
            </div>
        </section>
    }
    .into_any()
}

/// What could not be read: not known is a state of its own.
fn unreadable(app: App) -> AnyView {
    let store = app.store;
    let items: Memo<Vec<Unreadable>> =
        Memo::new(move |_| store.read(&[Part::Resources], |world| world.unreadable.clone()));
    let row = |item: &Unreadable| {
        view! {
            <div class="row">
                <span class="sign tone-unsure">{shape(Shape::Question)}</span>
                <span class="words">
                    <span class="main-words">{item.what.clone()}</span>
                    <span class="sub-words">{format!("{}: {}", item.source, item.error)}</span>
                </span>
            </div>
        }
        .into_any()
    };
    view! {
        {move || {
            let items = items.get();
            let more = items.len().saturating_sub(UNREADABLE_SHOWN);
            (!items.is_empty())
                .then(|| {
                    view! {
                        <section aria-label="Could not be read" data-testid="unreadable">
                            {text::heading("Could not be read", None)}
                            <div class="card rows">
                                {items.iter().take(UNREADABLE_SHOWN).map(row).collect::<Vec<_>>()}
                                {(more > 0)
                                    .then(|| {
                                        view! { <p class="quiet small">{format!("and {more} more")}</p> }
                                    })}
                            </div>
                        </section>
                    }
                })
        }}
    }
    .into_any()
}
