//! The screens that are fetched apart from the first: what most visits begin with comes at once, the rest when it is wanted or there is time.
//!
//! What flows through: the place of a screen in, the screen out, as soon as its part of the program is there. Each `#[wasm_split]` function is
//! the seam of one part: what only it leads to stands in a file of its own. A part that could not be fetched is said, with a way to try again.
//! What it never does: keep a screen that was left waiting for its part.

use std::future::Future;

use leptos::{prelude::*, task::spawn_local};
use wasm_split_helpers::{SplitLoaderError, wasm_split};

use super::{
    activity, agents, connections, incident, incidents, map, nowhere, resource, resources,
    security, settings, sign_in, task, tasks,
};
use crate::{
    app::App,
    bridge::{self, browser},
    components::text,
    marks::Tone,
    route::Route,
    shell,
};

/// Builds a screen of a part that is there.
type Build = fn(App, &Route) -> AnyView;

/// After the first screen, the others are fetched, milliseconds later: what is shown first has the line for itself.
const FETCH_OTHERS_AFTER: i32 = 3_000;

/// What is watched: the list, the map, and one resource with its charts.
#[wasm_split(inventory, fallible, preload(fetch_inventory))]
fn inventory_part() -> Result<Build, SplitLoaderError> {
    Ok(|app, route| match route {
        Route::Resources(_) => resources::page(app),
        Route::Resource(id) => resource::page(app, id),
        Route::Map(_) => map::page(app),
        other => nowhere::page(&other.hash()),
    })
}

/// Incidents, tasks and the journal: what happened, and what is done about it.
#[wasm_split(story, fallible, preload(fetch_story))]
fn story_part() -> Result<Build, SplitLoaderError> {
    Ok(|app, route| match route {
        Route::Incidents { past } => incidents::page(app, *past),
        Route::Incident(id) => incident::page(app, *id),
        Route::Tasks { past } => tasks::page(app, *past),
        Route::Task(id) => task::page(app, *id),
        Route::Activity(_) => activity::page(app),
        other => nowhere::page(&other.hash()),
    })
}

/// The score of security and what it rests on.
#[wasm_split(security, fallible, preload(fetch_security))]
fn security_part() -> Result<Build, SplitLoaderError> {
    Ok(|app, _| security::page(app))
}

/// Specialists and conversations.
#[wasm_split(agents, fallible, preload(fetch_agents))]
fn agents_part() -> Result<Build, SplitLoaderError> {
    Ok(|app, route| match route {
        Route::Agents(_) => agents::page(app),
        Route::NewConversation { incident, task } => agents::begin(app, *incident, *task),
        Route::Conversation(id) => agents::conversation(app, *id),
        other => nowhere::page(&other.hash()),
    })
}

/// The settings, with every kind of field.
#[wasm_split(settings, fallible, preload(fetch_settings))]
fn settings_part() -> Result<Build, SplitLoaderError> {
    Ok(|app, _| settings::page(app))
}

/// Whom the desktop shows; never fetched by a browser.
#[wasm_split(connections, fallible, preload(fetch_connections))]
fn connections_part() -> Result<Build, SplitLoaderError> {
    Ok(|app, route| {
        if *route == Route::Connections {
            connections::page(app)
        } else {
            connections::alone(app)
        }
    })
}

/// Signing in.
#[wasm_split(sign_in, fallible, preload(fetch_sign_in))]
fn sign_in_part() -> Result<Build, SplitLoaderError> {
    Ok(|app, _| sign_in::page(app))
}

/// What opens over a screen: the command palette and the shortcuts.
#[wasm_split(dialogs, fallible, preload(fetch_dialogs))]
fn dialogs_part() -> Result<Build, SplitLoaderError> {
    Ok(|app, _| shell::dialogs(app))
}

/// The screen of a place among what is watched.
pub(super) fn inventory(app: App, route: &Route) -> AnyView {
    once_there(app, route, inventory_part)
}

/// The same, for incidents, tasks and the journal.
pub(super) fn story(app: App, route: &Route) -> AnyView {
    once_there(app, route, story_part)
}

/// The same, for security.
pub(super) fn security(app: App, route: &Route) -> AnyView {
    once_there(app, route, security_part)
}

/// The same, for specialists and conversations.
pub(super) fn agents(app: App, route: &Route) -> AnyView {
    once_there(app, route, agents_part)
}

/// The same, for the settings.
pub(super) fn settings(app: App) -> AnyView {
    once_there(app, &Route::Settings, settings_part)
}

/// The same, for the desktop's connections, inside the frame.
pub(super) fn connections(app: App) -> AnyView {
    once_there(app, &Route::Connections, connections_part)
}

/// The same, in the place of everything else.
pub(crate) fn connections_alone(app: App) -> AnyView {
    once_there(app, &Route::Overview, connections_part)
}

/// Signing in, in the place of everything else.
pub(crate) fn sign_in(app: App) -> AnyView {
    once_there(app, &Route::Overview, sign_in_part)
}

/// The command palette and the shortcuts, from the first time that one of them is wanted.
pub(crate) fn dialogs(app: App) -> AnyView {
    let there = RwSignal::new(None::<Build>);
    let fetching = StoredValue::new(false);
    Effect::new(move |_| {
        let wanted = app.palette.get() || app.help.get();
        let is_there = there.with_untracked(Option::is_some);
        if !wanted || is_there || fetching.get_value() {
            return;
        }
        fetching.set_value(true);
        spawn_local(async move {
            let part = dialogs_part().await;
            fetching.try_set_value(false);
            match part {
                Ok(build) => {
                    there.try_set(Some(build));
                }
                Err(_) => {
                    // Open without being there, they would hold back every other key.
                    app.palette.set(false);
                    app.help.set(false);
                    app.say(
                        Tone::Bad,
                        "The palette and the shortcuts could not be fetched. Try again, or reload the page.",
                    );
                }
            }
        });
    });
    (move || {
        there
            .get()
            .map(|build| untrack(|| build(app, &Route::Overview)))
    })
    .into_any()
}

/// Fetches what is not there yet, once the first screen has had its time: later screens then open at once, and open too when the line is lost.
pub(crate) fn fetch_others() {
    browser::after(FETCH_OTHERS_AFTER, || {
        spawn_local(async {
            // One that can't be had now is asked for again when it is wanted, and said then.
            drop(fetch_dialogs().await);
            drop(fetch_inventory().await);
            drop(fetch_story().await);
            drop(fetch_security().await);
            drop(fetch_agents().await);
            drop(fetch_settings().await);
            if bridge::is_desktop() {
                drop(fetch_connections().await);
            } else {
                // After an update of the agent this page still has to ask for a token, in its own words.
                drop(fetch_sign_in().await);
            }
        });
    });
}

fn once_there<F>(app: App, route: &Route, part: fn() -> F) -> AnyView
where
    F: Future<Output = Result<Build, SplitLoaderError>> + 'static,
{
    let there = RwSignal::new(None);
    let fetch = move || {
        there.set(None);
        let part = part();
        spawn_local(async move {
            there.try_set(Some(part.await.ok()));
            // Who listens to the page hears that it is another one, as where the screen was there at once.
            browser::after(0, || {
                if !browser::is_in_use() {
                    browser::focus("main h1");
                }
            });
        });
    };
    fetch();
    let route = route.clone();
    (move || match there.get() {
        None => text::reading(),
        Some(Some(build)) => untrack(|| build(app, &route)),
        Some(None) => not_there(fetch),
    })
    .into_any()
}

fn not_there(again: impl Fn() + 'static) -> AnyView {
    view! {
        <div class="page">
            <div class="failed" role="alert" data-testid="failed">
                <p class="strong">"This part of the control center could not be fetched"</p>
                <p>
                    "Where the connection is at fault, try again. Where the agent was updated since this page was opened, reload the page."
                </p>
            </div>
            <div class="buttons">
                <button class="button go" on:click=move |_| again() data-testid="try-again">
                    "Try again"
                </button>
                <button class="button" on:click=|_| browser::reload()>
                    "Reload the page"
                </button>
            </div>
        </div>
    }
    .into_any()
}
