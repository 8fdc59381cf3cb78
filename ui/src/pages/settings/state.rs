//! What the agent is set up with and how it does: the connection, sources, schedules, the database, versions. Read, not changed, here.

use leptos::{prelude::*, task::spawn_local};
use steward_api::{ScheduleStatus, SourceStatus, StatusReply};

use crate::{
    app::{App, Theme},
    bridge::{self, browser},
    components::{marks::mark, text},
    deeds, format,
    marks::{Mark, Shape, Tone},
    route::Route,
    store::Part,
    sync,
};

pub(super) fn connection(app: App) -> AnyView {
    let store = app.store;
    let is_desktop = bridge::is_desktop();
    sync::look_at_session(app);
    let who = move || {
        store.presence.with(|presence| {
            presence
                .session()
                .map(|session| format!("{}, role {}", session.identity, session.role))
        })
    };
    let ends = move || {
        store
            .presence
            .with(|presence| presence.session().and_then(|session| session.expires_at))
            .map(|at| text::fact("Session ends", text::ago(store, at)))
    };
    let node = move || {
        store.read(&[Part::Status], |world| {
            world.status.as_ref().map(|status| status.node.clone())
        })
    };
    let heard = move || {
        store
            .heard_at
            .get()
            .map_or_else(|| ().into_any(), |at| text::ago(store, at))
    };
    view! {
        <section aria-label="Connection" data-testid="connection">
            {text::heading("Connection", None)}
            <div class="card">
                <dl class="facts">
                    {(!is_desktop).then(|| text::fact("Agent", browser::origin()))}
                    {text::fact("Node", node.into_any())}
                    {text::fact("Signed in as", who.into_any())}
                    {ends}
                    {text::fact("Last sign of it", heard.into_any())}
                </dl>
                <div class="buttons">
                    {if is_desktop {
                        // The desktop's connections stand on a screen of their own.
                        view! {
                            <a class="button" href=Route::Connections.hash() data-testid="other-connection">
                                "Choose another connection"
                            </a>
                        }
                            .into_any()
                    } else {
                        view! {
                            <button
                                class="button"
                                on:click=move |_| spawn_local(deeds::sign_out(app))
                                data-testid="sign-out"
                            >
                                "Sign out"
                            </button>
                        }
                            .into_any()
                    }}
                </div>
            </div>
        </section>
    }
    .into_any()
}

pub(super) fn appearance(app: App) -> AnyView {
    let themes: Vec<AnyView> = Theme::ALL
        .into_iter()
        .map(|theme| {
            view! {
                <button
                    type="button"
                    class:here=move || app.theme.get() == theme
                    aria-pressed=move || (app.theme.get() == theme).to_string()
                    on:click=move |_| app.choose(theme)
                    data-testid=format!("theme-{}", theme.as_str())
                >
                    {theme.words()}
                </button>
            }
            .into_any()
        })
        .collect();
    view! {
        <section aria-label="Appearance">
            {text::heading("Appearance", None)}
            <div class="card">
                <div class="tabs" role="group" aria-label="Colours">
                    {themes}
                </div>
                <div class="buttons">
                    <button class="button plain" on:click=move |_| app.help.set(true)>
                        "Keyboard shortcuts"
                    </button>
                </div>
            </div>
        </section>
    }
    .into_any()
}

pub(super) fn sources(app: App, status: &StatusReply) -> AnyView {
    if status.sources.is_empty() {
        return text::empty(
            "No source is set up.",
            "The configuration says what is watched.",
        );
    }
    status
        .sources
        .iter()
        .map(|one| source(app, one))
        .collect::<Vec<_>>()
        .into_any()
}

fn source(app: App, source: &SourceStatus) -> AnyView {
    let state = match source.up {
        Some(true) => Mark {
            shape: Shape::Disc,
            word: "answers",
            tone: Tone::Good,
        },
        Some(false) => Mark {
            shape: Shape::Cross,
            word: "fails",
            tone: Tone::Bad,
        },
        None => Mark {
            shape: Shape::Question,
            word: "not read yet",
            tone: Tone::Unsure,
        },
    };
    let last = source.last_success.map(|at| {
        view! { <span class="quiet">"read " {text::ago(app.store, at)}</span> }
    });
    let took = source
        .last_duration_ms
        .map(|millis| view! { <span class="quiet">{format!("took {millis} ms")}</span> });
    view! {
        <div class="setting" data-source=source.name.clone()>
            <p>
                <strong>{source.name.clone()}</strong> " " {mark(state)}
            </p>
            <p class="meta">{last} {took}</p>
            {source.error.clone().map(|error| view! { <p>{error}</p> })}
        </div>
    }
    .into_any()
}

pub(super) fn schedules(app: App, status: &StatusReply) -> AnyView {
    if status.schedules.is_empty() {
        return text::empty(
            "No schedule is set up.",
            "Events come at once all the same.",
        );
    }
    status
        .schedules
        .iter()
        .map(|one| schedule(app, one))
        .collect::<Vec<_>>()
        .into_any()
}

fn schedule(app: App, schedule: &ScheduleStatus) -> AnyView {
    let at = |words: &'static str, at: Option<jiff::Timestamp>| {
        at.map(|at| view! { <span class="quiet">{words} {text::ago(app.store, at)}</span> })
    };
    let every = if schedule.enabled {
        format!("every {}", format::seconds(schedule.every_seconds))
    } else {
        "switched off".to_owned()
    };
    view! {
        <div class="setting">
            <p>
                <strong>{format::capital(&format::plain(&schedule.name))}</strong>
                " "
                <span class="quiet">{every}</span>
            </p>
            <p class="meta">{at("last ", schedule.last_run)} {at("next ", schedule.next_run)}</p>
        </div>
    }
    .into_any()
}

pub(super) fn database(_app: App, status: &StatusReply) -> AnyView {
    let store = &status.store;
    let state = if store.writable {
        Mark {
            shape: Shape::Disc,
            word: "takes writes",
            tone: Tone::Good,
        }
    } else {
        Mark {
            shape: Shape::Cross,
            word: "takes no writes",
            tone: Tone::Bad,
        }
    };
    view! {
        <dl class="facts">
            {text::fact("Kind", store.engine.clone())} {text::fact("State", mark(state))}
            {store.error.clone().map(|error| text::fact("Error", error))}
            {text::fact(
                "Waits to be recorded",
                if store.backlog == 0 {
                    "nothing".to_owned()
                } else {
                    format::count(store.backlog, "fact")
                },
            )}
            {text::fact(
                "Last entry of the journal",
                format::grouped(u64::try_from(store.journal_seq).unwrap_or(0)),
            )}
        </dl>
    }
    .into_any()
}

pub(super) fn versions(app: App, status: &StatusReply) -> AnyView {
    let rows: Vec<AnyView> = status
        .versions
        .iter()
        .map(|(name, version)| {
            view! {
                <div class="fact">
                    <dt>{name.clone()}</dt>
                    <dd>{version.clone()}</dd>
                </div>
            }
            .into_any()
        })
        .collect();
    view! {
        <dl class="facts">
            {text::fact("Steward", status.version.clone())}
            {text::fact("This page", env!("CARGO_PKG_VERSION"))}
            {text::fact("Agent started", text::ago(app.store, status.started_at))} {rows}
        </dl>
    }
    .into_any()
}
