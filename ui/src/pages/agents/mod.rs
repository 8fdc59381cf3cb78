//! Agents: specialists and what they work on, conversations, and one conversation with what every answer rests on.
//!
//! What flows through: readings, the event stream and an answer's progress in; questions of a person out. What it never does: ask how far an
//! answer is while nobody is at work, or do more with what a model wrote than show it.

mod answering;
mod composer;
mod list;
mod live;
mod message;
mod proposal;
mod roster;
mod specialists;
mod talk;

use leptos::prelude::*;
use steward_api::{IncidentId, TaskId};

use self::composer::{About, Composer};
use crate::{
    app::App,
    bridge::browser,
    components::{loaded::Loaded, text},
    route::Route,
};

pub(super) use roster::Roster;
pub(super) use specialists::list as specialists;
pub(super) use talk::page as conversation;

/// The screen: whom one can ask, and what was asked.
pub(super) fn page(app: App) -> AnyView {
    let roster = Roster::new(app);
    roster.follow_work();
    let composer = Composer::new(app, About::default(), roster);
    let ask = move |name: String| {
        composer.to.set(Some(name));
        composer.focus();
    };
    view! {
        <div class="page" data-testid="page-agents">
            <div class="heading">{text::title("Agents")}</div>
            <div class="columns-2">
                <div class="stack">{composer.view(Some("Ask"))} {list::conversations(app, roster)}</div>
                <section aria-label="Specialists" data-testid="specialists">
                    {text::heading("Specialists", None)}
                    {specialists::list(app, roster, Some(Callback::new(ask)))}
                </section>
            </div>
        </div>
    }
    .into_any()
}

/// The screen on which a conversation begins, about an incident or a task.
pub(super) fn begin(app: App, incident: Option<IncidentId>, task: Option<TaskId>) -> AnyView {
    let roster = Roster::new(app);
    let about = About {
        incident,
        task,
        ..About::default()
    };
    let composer = Composer::new(app, about, roster);
    // Who comes here wants to write.
    browser::after(AFTER_THE_HEADING, move || composer.focus());
    view! {
        <div class="page narrow" data-testid="page-new-conversation">
            <p class="trail">
                <a href="#/agents">"Agents"</a>
                " / new"
            </p>
            <div class="heading">{text::title("New conversation")}</div>
            {subject(app, incident, task)}
            {composer.view(None)}
        </div>
    }
    .into_any()
}

/// A new screen's heading takes the focus first, milliseconds.
const AFTER_THE_HEADING: i32 = 60;

/// What it will be about, so that whoever asks sees it.
fn subject(app: App, incident: Option<IncidentId>, task: Option<TaskId>) -> AnyView {
    let about_incident = incident.map(|id| {
        let known = app.store.incident(id);
        let reading: Loaded<()> = Loaded::new();
        let read = move || reading.read(super::conversations::read_incident(app, id));
        if known.with_untracked(Option::is_none) {
            read();
        }
        let title = move || known.get().map(|one| one.title.clone());
        view! {
            <p class="lead" data-testid="subject">
                "It will be about "
                <a href=Route::Incident(id).hash()>{format!("incident {id}")}</a>
                {move || title().map(|title| format!(": {title}"))} "."
            </p>
            {move || reading.failure.get().map(|failure| text::failed(&failure))}
        }
    });
    let about_task = task.map(|id| {
        let known = app.store.task(id);
        let reading: Loaded<()> = Loaded::new();
        if known.with_untracked(Option::is_none) {
            reading.read(crate::deeds::read_task(app, id));
        }
        let title = move || known.get().map(|one| one.description.clone());
        view! {
            <p class="lead" data-testid="subject">
                "It will be about " <a href=Route::Task(id).hash()>{format!("task {id}")}</a>
                {move || title().map(|title| format!(": {title}"))} "."
            </p>
            {move || reading.failure.get().map(|failure| text::failed(&failure))}
        }
    });
    view! {
        {about_incident}
        {about_task}
    }
    .into_any()
}
