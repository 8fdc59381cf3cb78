//! A task as a card that asks, and as a row of a list.

use std::sync::Arc;

use leptos::prelude::*;
use steward_api::{Incident, Task};

use super::{
    answer,
    marks::{mark, sign},
    plan::plan,
    text,
};
use crate::{
    app::App,
    attention, marks,
    route::Route,
    store::Part,
    words::{self, PlanLine},
    world::awaits_answer,
};

/// The lines of a task's plan that a card shows; the task's own page shows all.
fn short_plan(task: &Task) -> Vec<PlanLine> {
    words::plan_in_short(&task.plan)
}

/// A task that waits for an answer: what exactly, at which risk, why, with which record.
pub(crate) fn card(app: App, task: &Arc<Task>) -> AnyView {
    let store = app.store;
    let href = Route::Task(task.id).hash();
    let incident_id = task.incident;
    let diagnosis = move || {
        store
            .read(&[Part::Incidents], |world| {
                attention::incident_of(world, incident_id)
            })
            .as_deref()
            .and_then(diagnosed)
            .map(|words| view! { <span>{words}</span> })
    };
    let why_href = task
        .incident
        .map_or_else(|| href.clone(), |id| Route::Incident(id).hash());
    view! {
        <article
            class=format!("card ask risk-{}", task.risk)
            data-testid="task-card"
            data-task=task.id.to_string()
            aria-label=task.description.clone()
        >
            <div class="head">
                <h3>
                    <a href=href data-row="">
                        {task.description.clone()}
                    </a>
                </h3>
                <a class="why" href=why_href>
                    "Why?"
                </a>
            </div>
            <p class="meta">{mark(marks::risk(task.risk))} <span>{task.why.clone()}</span> {diagnosis}</p>
            {plan(short_plan(task))}
            <p class="meta">{words::record(&task.record)}</p>
            {answer::answer(app, task, false)}
        </article>
    }
    .into_any()
}

/// Who says what is wrong, and how sure: `the catalogue (log), 92 % sure`.
fn diagnosed(incident: &Incident) -> Option<String> {
    incident.diagnoses.first().map(|diagnosis| {
        format!(
            "{}, {} % sure",
            words::source(&diagnosis.source),
            diagnosis.confidence
        )
    })
}

/// A task in a list.
pub(crate) fn row(app: App, task: &Task) -> AnyView {
    let mark = marks::task(task.status);
    let at = task
        .finished_at
        .or(task.started_at)
        .unwrap_or(task.created_at);
    let below = if awaits_answer(task) {
        "Waits for your answer".to_owned()
    } else {
        task.result
            .as_ref()
            .map(|result| result.details.clone())
            .or_else(|| task.execution_log.last().map(words::log_entry))
            .unwrap_or_else(|| task.why.clone())
    };
    view! {
        <a
            class="row"
            href=Route::Task(task.id).hash()
            data-row=""
            data-testid="task-row"
            data-task=task.id.to_string()
            data-state=mark.word
        >
            {sign(mark)}
            <span class="words">
                <span class="main-words">{task.description.clone()}</span>
                <span class="sub-words">
                    {format!("{} · {}", mark.word, below)}
                </span>
            </span>
            <span class="when">{text::ago(app.store, at)}</span>
        </a>
    }
    .into_any()
}
