//! One task: the whole plan, why, its record, the question where it asks one, and its log as it is carried out.

use std::sync::Arc;

use leptos::prelude::*;
use steward_api::{Approval, ExecutionEntry, GetTask, Nothing, Requester, Task, TaskId, TaskState};

use super::{
    conversations::{self, About},
    resource_facts,
};
use crate::{
    app::App,
    bridge::browser,
    components::{
        answer,
        loaded::Loaded,
        marks::{mark, sign},
        plan::plan,
        text,
    },
    format, marks,
    route::Route,
    words,
    world::awaits_answer,
};

/// The screen.
pub(super) fn page(app: App, id: TaskId) -> AnyView {
    let store = app.store;
    let known = store.task(id);
    let reading: Loaded<()> = Loaded::new();
    let read = move || {
        reading.read(async move {
            let task = app
                .call::<GetTask>(Some(&id.to_string()), &Nothing {})
                .await?;
            app.store.change(|world| world.merge_task(task));
            Ok(())
        });
    };
    Effect::new(move |_| {
        store.readings.track();
        read();
    });
    // The frame is built once for a plan: a note that is being written outlives whatever else changes.
    let plan_known = Memo::new(move |_| known.get().map(|task| task.plan_hash.clone()));
    view! {
        <div class="page" data-testid="page-task" data-task=id.to_string()>
            <p class="trail">
                <a href="#/tasks">"Tasks"</a>
                {format!(" / {id}")}
            </p>
            {move || {
                plan_known.with(|_| ());
                untrack(|| match known.get() {
                    Some(task) => body(app, &task, known),
                    None => reading.show(read, || ().into_any()),
                })
            }}
            {conversations::section(app, About::Task(id))}
        </div>
    }
    .into_any()
}

fn body(app: App, task: &Arc<Task>, known: Memo<Option<Arc<Task>>>) -> AnyView {
    let state = Memo::new(move |_| known.get().map(|task| task.status));
    let asks = Memo::new(move |_| known.get().is_some_and(|task| awaits_answer(&task)));
    let asked = StoredValue::new(Arc::clone(task));
    let question = move || {
        asks.get().then(|| {
            untrack(|| {
                view! {
                    <section aria-label="Your answer" data-testid="question">
                        {text::heading("Your answer", None)}
                        <div class="card ask">{answer::answer(app, &asked.get_value(), true)}</div>
                    </section>
                }
            })
        })
    };
    let incident = task.incident.map(|id| {
        text::fact(
            "For",
            view! { <a href=Route::Incident(id).hash()>{format!("incident {id}")}</a> }.into_any(),
        )
    });
    view! {
        <div class="heading">
            {text::title(task.description.clone())}
            <span class="large" data-testid="task-state">
                {move || state.get().map(|state| mark(marks::task(state)))}
            </span>
            <span class="deeds">{conversations::ask(app, About::Task(task.id))}</span>
        </div>
        <p class="lead">{move || known.get().map(|task| standing(&task))}</p>
        <div class="columns-2">
            <div class="stack">
                <section aria-label="Plan">
                    {move || {
                        let is_over = state.get().is_some_and(TaskState::is_final);
                        let words = if is_over { "The plan, exactly" } else { "What exactly will be done" };
                        text::heading(words, None)
                    }}
                    <div class="card">
                        {plan(words::plan(&task.plan))}
                        <p class="meta">
                            {mark(marks::risk(task.risk))} <span>{words::record(&task.record)}</span>
                        </p>
                    </div>
                </section>
                {question}
                <section aria-label="Log" data-testid="task-log">
                    {text::heading("Log", None)}
                    <div class="card">{move || known.get().map(|task| log(app, &task))}</div>
                </section>
            </div>
            <div class="stack">
                <section aria-label="Facts">
                    {text::heading("Facts", None)}
                    <div class="card">
                        <dl class="facts">
                            {text::fact("Why", task.why.clone())}
                            {text::fact("On", resource_facts::link(&task.resource))} {incident}
                            {text::fact("Wanted by", requester(&task.requested_by))}
                            {text::fact("Kind", format::plain(&task.task_type.to_string()))}
                            {text::fact("Priority", format!("{} of 9, 1 comes first", task.priority))}
                            {text::fact("Made", text::ago(app.store, task.created_at))}
                            {text::fact(
                                "Plan's hash",
                                view! {
                                    <code title=task
                                        .plan_hash
                                        .to_string()>
                                        {format::short_hash(&task.plan_hash.to_string())}
                                    </code>
                                }
                                    .into_any(),
                            )}
                            {move || known.get().map(|task| moving_facts(app, &task))}
                        </dl>
                    </div>
                </section>
            </div>
        </div>
    }
    .into_any()
}

/// Who wanted it; a specialist, with the conversation in which it was proposed.
fn requester(by: &Requester) -> AnyView {
    let conversation = match by {
        Requester::Specialist { conversation, .. } => Some(*conversation),
        _ => None,
    };
    let link = conversation.map(|id| {
        view! {
            " "
            <a href=Route::Conversation(id).hash()>{format!("conversation {id}")}</a>
        }
    });
    view! { <span data-testid="wanted-by">{words::requester(by)} {link}</span> }.into_any()
}

/// Where it stands, in a sentence.
fn standing(task: &Task) -> String {
    if let Some(result) = &task.result {
        return result.details.clone();
    }
    match task.status {
        TaskState::Pending if awaits_answer(task) => {
            "It waits for a person's yes or no.".to_owned()
        }
        TaskState::Pending => "It will begin in a moment.".to_owned(),
        TaskState::Waiting => task
            .execution_log
            .last()
            .map_or_else(|| "It is held.".to_owned(), words::log_entry),
        TaskState::InProgress => "It is being carried out.".to_owned(),
        TaskState::Completed => "Done, and its effect was seen.".to_owned(),
        TaskState::Failed => "It did not work.".to_owned(),
        TaskState::Rejected => "A person said no.".to_owned(),
        TaskState::Expired => "Nobody answered in time.".to_owned(),
        TaskState::Cancelled => "It was no longer needed.".to_owned(),
    }
}

fn moving_facts(app: App, task: &Task) -> AnyView {
    let at =
        |name, at: Option<jiff::Timestamp>| at.map(|at| text::fact(name, text::ago(app.store, at)));
    let open = !task.status.is_final();
    view! {
        {at("Not before", task.not_before.filter(|_| open))}
        {at("Expires", task.expires_at.filter(|_| awaits_answer(task)))}
        {at("Begun", task.started_at)}
        {at("Ended", task.finished_at)}
        {task.approval.as_ref().map(approval)}
    }
    .into_any()
}

fn approval(approval: &Approval) -> AnyView {
    let name = if approval.by.is_empty() || approval.by == approval.identity {
        approval.identity.clone()
    } else {
        format!("{} (token {})", approval.by, approval.identity)
    };
    let note = if approval.note.is_empty() {
        String::new()
    } else {
        format!(": “{}”", approval.note)
    };
    text::fact(
        if approval.approved {
            "Approved by"
        } else {
            "Rejected by"
        },
        view! {
            <span data-testid="approval">
                {name} {note} " " <span class="quiet small">{text::clock(approval.at)}</span>
            </span>
        }
        .into_any(),
    )
}

fn log(app: App, task: &Task) -> AnyView {
    if task.execution_log.is_empty() {
        return text::empty(
            "Nothing was done yet.",
            "Each step stands here as it happens.",
        );
    }
    let begun = task.started_at.unwrap_or(task.created_at);
    let rows: Vec<AnyView> = task
        .execution_log
        .iter()
        .map(|entry| line(entry, begun))
        .collect();
    let running = (task.status == TaskState::InProgress).then(|| {
        view! {
            <li class="running">
                {sign(marks::task(TaskState::InProgress))}
                <span class="when">"for " {text::since(app.store, begun)}</span>
                <span>"in progress…"</span>
            </li>
        }
    });
    view! {
        <ol class="execution" aria-live="polite">
            {rows}
            {running}
        </ol>
    }
    .into_any()
}

fn line(entry: &ExecutionEntry, begun: jiff::Timestamp) -> AnyView {
    let after = entry.timestamp.duration_since(begun).as_secs_f64();
    // What came before the beginning (an approval, a wait) has its time of day; the rest the time since.
    let when = if !(0.0..=3600.0).contains(&after) {
        browser::clock(entry.timestamp)
    } else {
        format!("+{after:.2} s")
    };
    let mark = marks::execution(entry);
    view! {
        <li data-action=entry.action.clone()>
            {sign(mark)} <span class="when" title=browser::exact(entry.timestamp)>{when}</span>
            <span>{format::capital(&words::log_entry(entry))}</span>
        </li>
    }
    .into_any()
}
