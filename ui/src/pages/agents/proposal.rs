//! What a specialist proposes: the task that was made of it with its whole plan, live, and where it can be answered; or why there is none.
//!
//! What flows through: a proposal in; answers go through the card of all approvals. What it never does: approve anything in another way.

use std::sync::Arc;

use leptos::prelude::*;
use steward_api::{Proposal, Task, TaskId};

use crate::{
    app::App,
    components::{answer, loaded::Loaded, marks::mark, plan::plan},
    deeds, format,
    marks::{self, Mark, Shape, Tone},
    route::Route,
    words,
    world::awaits_answer,
};

/// One proposal.
pub(super) fn proposal(app: App, proposal: &Proposal) -> AnyView {
    let inside = match proposal.task {
        Some(id) => task(app, id),
        None => refused(proposal),
    };
    view! {
        <article
            class="card ask proposal"
            data-testid="proposal"
            data-task=proposal.task.map(|id| id.to_string())
            aria-label="Proposal"
        >
            <p class="meta">
                <strong>"Proposes"</strong>
                <span>{format::plain(proposal.action.as_str())}</span>
                <a href=Route::Resource(proposal.resource.clone())
                    .hash()>{proposal.resource.to_string()}</a>
            </p>
            <p>{proposal.reason.clone()}</p>
            {inside}
        </article>
    }
    .into_any()
}

fn refused(proposal: &Proposal) -> AnyView {
    let why = proposal
        .refused
        .clone()
        .unwrap_or_else(|| "The agent does not say why.".to_owned());
    view! {
        <p class="meta" data-testid="proposal-refused">
            {mark(Mark {
                shape: Shape::Barred,
                word: "no task was made of it",
                tone: Tone::Quiet,
            })} <span>{why}</span>
        </p>
    }
    .into_any()
}

fn task(app: App, id: TaskId) -> AnyView {
    let known = app.store.task(id);
    let reading: Loaded<()> = Loaded::new();
    let read = move || reading.read(deeds::read_task(app, id));
    // What is known of it from the stream is current; else it may have ended long ago.
    if known.with_untracked(Option::is_none) {
        read();
    }
    // Built once for a plan: a note that is being written outlives whatever else changes.
    let plan_known =
        Memo::new(move |_| known.with(|task| task.as_ref().map(|task| task.plan_hash.clone())));
    (move || {
        plan_known.with(|_| ());
        untrack(|| match known.get() {
            Some(task) => body(app, &task, known),
            None => reading.show(read, || ().into_any()),
        })
    })
    .into_any()
}

fn body(app: App, task: &Arc<Task>, known: Memo<Option<Arc<Task>>>) -> AnyView {
    let id = task.id;
    let state = Memo::new(move |_| known.with(|task| task.as_ref().map(|task| task.status)));
    let asks = Memo::new(move |_| {
        known.with(|task| task.as_ref().is_some_and(|task| awaits_answer(task)))
    });
    let asked = StoredValue::new(Arc::clone(task));
    let question = move || {
        asks.get()
            .then(|| untrack(|| answer::answer(app, &asked.get_value(), false)))
    };
    let latest = move || {
        let task = known.get().filter(|task| !awaits_answer(task))?;
        let said = task
            .result
            .as_ref()
            .map(|result| result.details.clone())
            .or_else(|| task.execution_log.last().map(words::log_entry))?;
        Some(view! { <p class="quiet">{format::capital(&said)}</p> })
    };
    view! {
        <div class="head">
            <h3>
                <a href=Route::Task(id).hash() data-row="">
                    {task.description.clone()}
                </a>
            </h3>
            <span data-testid="proposal-state">
                {move || state.get().map(|state| mark(marks::task(state)))}
            </span>
        </div>
        <p class="meta">{mark(marks::risk(task.risk))} <span>{task.why.clone()}</span></p>
        {plan(words::plan(&task.plan))}
        <p class="meta">{words::record(&task.record)}</p>
        {latest}
        {question}
    }
    .into_any()
}
