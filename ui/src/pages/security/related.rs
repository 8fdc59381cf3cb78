//! What Steward does about something that was found: the incident that is open for it, and its task.

use leptos::prelude::*;
use steward_api::{IncidentId, ResourceId, TaskId};

use crate::{
    app::App,
    components::{marks::sign, task},
    marks,
    route::Route,
    security::{self, Seen},
    store::Part,
};

/// What is done about a resource of the scan, kept current.
pub(super) fn seen(app: App, about: Option<ResourceId>) -> Memo<Seen> {
    let store = app.store;
    Memo::new(move |_| {
        about.as_ref().map_or_else(Seen::default, |about| {
            store.read(&[Part::Incidents, Part::Tasks], |world| {
                security::seen(world, about)
            })
        })
    })
}

/// Links to the incident and the task; nothing where there is neither.
pub(super) fn links(app: App, about: Option<ResourceId>) -> AnyView {
    of(seen(app, about), None, None)
}

/// The same, with what the report itself tells for what is not known here.
pub(super) fn of(seen: Memo<Seen>, incident: Option<IncidentId>, task: Option<TaskId>) -> AnyView {
    (move || {
        let seen = seen.get();
        let incident = seen.incident.as_ref().map(|one| one.id).or(incident);
        let to_incident = incident.map(|id| {
            view! {
                <a href=Route::Incident(id).hash() data-testid="to-incident">
                    {format!("Incident {id}")}
                </a>
            }
        });
        let waits = seen.waits();
        let mark = seen.task.as_ref().map(|task| marks::task(task.status));
        let to_task = seen.task.as_ref().map(|task| task.id).or(task).map(|id| {
            let words = match mark {
                _ if waits => format!("Task {id} waits for your answer"),
                Some(mark) => format!("Task {id}: {}", mark.word),
                None => format!("Task {id}"),
            };
            view! {
                <a href=Route::Task(id).hash() data-testid="to-task">
                    {mark.map(sign)}
                    " "
                    {words}
                </a>
            }
        });
        (to_incident.is_some() || to_task.is_some())
            .then(|| view! { <span class="related">{to_incident} {to_task}</span> })
    })
    .into_any()
}

/// The question itself, folded, where its task waits for a person.
pub(super) fn question(app: App, seen: Memo<Seen>) -> AnyView {
    let asked = Memo::new(move |_| seen.with(|seen| seen.task.clone().filter(|_| seen.waits())));
    (move || {
        asked.get().map(|asked| {
            view! {
                <details class="asked" data-testid="asked-here">
                    <summary>"Answer here"</summary>
                    {task::card(app, &asked)}
                </details>
            }
        })
    })
    .into_any()
}
