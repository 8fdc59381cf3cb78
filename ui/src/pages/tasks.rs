//! Tasks: what waits for an answer, what is under way; or what is over.

use std::{collections::BTreeMap, sync::Arc};

use leptos::prelude::*;
use steward_api::{ListTasks, Task, TaskId, TaskQuery};

use crate::{
    app::App,
    attention,
    components::{pages::Pages, task, text},
    route::Route,
    store::Part,
};

/// So many tasks are read at once.
const PAGE: u32 = 50;

/// The screen.
pub(super) fn page(app: App, past: bool) -> AnyView {
    let store = app.store;
    let open = Memo::new(move |_| {
        store.read(&[Part::Tasks], |world| {
            world
                .tasks
                .values()
                .filter(|task| !task.status.is_final())
                .count()
        })
    });
    view! {
        <div class="page" data-testid="page-tasks">
            <div class="heading">
                {text::title("Tasks")} <div class="tabs" role="group" aria-label="Which tasks">
                    <a
                        href=Route::Tasks { past: false }.hash()
                        class:here=!past
                        aria-current=(!past).then_some("true")
                        data-testid="tab-open"
                    >
                        {move || format!("Open {}", open.get())}
                    </a>
                    <a
                        href=Route::Tasks { past: true }.hash()
                        class:here=past
                        aria-current=past.then_some("true")
                        data-testid="tab-past"
                    >
                        "History"
                    </a>
                </div>
            </div>
            {if past { history(app) } else { open_tasks(app) }}
        </div>
    }
    .into_any()
}

fn open_tasks(app: App) -> AnyView {
    let store = app.store;
    let asked = Memo::new(move |_| store.read(&[Part::Tasks], attention::asked));
    let under_way = Memo::new(move |_| store.read(&[Part::Tasks], attention::under_way));
    let is_read = Memo::new(move |_| store.read(&[Part::Tasks], |world| world.tasks_read));
    let nothing_asked = move || {
        asked.with(Vec::is_empty).then(|| {
            let inside = if is_read.get() {
                text::empty(
                    "Nothing waits for you.",
                    "What Steward may not do by itself is asked here, with exactly what will change.",
                )
            } else if let Some(failure) = store.unread.get() {
                text::failed(&failure)
            } else {
                text::reading()
            };
            view! { <div class="card">{inside}</div> }
        })
    };
    let nothing_under_way = move || {
        (under_way.with(Vec::is_empty) && is_read.get()).then(|| {
            text::empty(
                "Nothing is being done.",
                "What was approved, or needs no approval, stands here while it is carried out.",
            )
        })
    };
    view! {
        <section aria-label="Waiting for you" data-testid="asked">
            {text::heading("Waiting for you", None)}
            <div class="stack">
                <For
                    each=move || asked.get()
                    key=|task| (task.id, task.plan_hash.clone())
                    children=move |one| task::card(app, &one)
                />
                {nothing_asked}
            </div>
        </section>
        <section aria-label="Under way" data-testid="under-way">
            {text::heading("Under way", None)}
            <div class="card rows">
                <For
                    each=move || under_way.get()
                    key=|task| (task.id, task.status, task.execution_log.len())
                    children=move |one| task::row(app, &one)
                />
                {nothing_under_way}
            </div>
        </section>
    }
    .into_any()
}

fn history(app: App) -> AnyView {
    let store = app.store;
    let pages: Pages<Task> = Pages::new();
    let read = move |first: bool| {
        let before = if first {
            None
        } else {
            pages.next.get_untracked()
        };
        pages.read(first, async move {
            let query = TaskQuery {
                before,
                limit: Some(PAGE),
                ..TaskQuery::default()
            };
            app.call::<ListTasks>(None, &query).await
        });
    };
    Effect::new(move |_| {
        store.readings.track();
        read(true);
    });
    // What ended since the page was read comes from the stream.
    let all = Memo::new(move |_| {
        let mut all: BTreeMap<TaskId, Arc<Task>> = BTreeMap::new();
        pages.items.with(|items| {
            for task in items {
                all.insert(task.id, Arc::clone(task));
            }
        });
        let oldest = all.keys().next().copied();
        store.read(&[Part::Tasks], |world| {
            for task in world.tasks.values() {
                if oldest.is_none_or(|oldest| task.id >= oldest) {
                    all.insert(task.id, Arc::clone(task));
                }
            }
        });
        let mut all: Vec<_> = all
            .into_values()
            .filter(|task| task.status.is_final())
            .collect();
        all.reverse();
        all
    });
    let nothing = move || {
        (all.with(Vec::is_empty) && pages.reading.value.with(Option::is_some)).then(|| {
            text::empty(
                "No task is over yet.",
                "What was done, rejected or expired stands here, with its log.",
            )
        })
    };
    view! {
        <div class="card rows" data-testid="past-tasks">
            <For
                each=move || all.get()
                key=|task| (task.id, task.status)
                children=move |one| task::row(app, &one)
            />
            {nothing}
            {pages.state(move || read(true))}
        </div>
        {pages.more(move || read(false))}
    }
    .into_any()
}
