//! The parts of a resource's screen that read by themselves: charts, log, tasks.

use std::{collections::BTreeSet, sync::Arc};

use leptos::{html, prelude::*};
use steward_api::{
    GetLog, GetMetrics, ListTasks, LogTail, Metric, MetricQuery, Page, ResourceId, ResourceIdQuery,
    ResourceKind, Task, TaskQuery,
};

use crate::{
    app::App,
    bridge::browser,
    chart::Span,
    components::{
        chart::{self, Covered},
        loaded::Loaded,
        task, text,
    },
    store::Part,
    world::Entry,
};

/// What is read of every container, whether or not the last reading brought it.
const OF_CONTAINERS: [Metric; 4] = [
    Metric::CpuPercent,
    Metric::MemoryBytes,
    Metric::NetworkReceiveBytesPerSecond,
    Metric::NetworkSendBytesPerSecond,
];
/// The log is read again after so many seconds while somebody follows it.
const LOG_EVERY: u32 = 5;
/// A history is read again at every so-manieth pulse.
const HISTORY_EVERY: u32 = 3;

/// Charts of every metric that the resource has.
pub(super) fn charts(app: App, id: ResourceId, entry: Memo<Option<Arc<Entry>>>) -> AnyView {
    let span = RwSignal::new(Span::default());
    let is_container = id.kind == ResourceKind::Container;
    let metrics = Memo::new(move |_| {
        let mut metrics = BTreeSet::new();
        if let Some(resource) = entry.get().and_then(|entry| entry.resource.clone()) {
            metrics.extend(resource.metrics.keys().copied());
        }
        if is_container {
            metrics.extend(OF_CONTAINERS);
        }
        metrics
    });
    let spans: Vec<AnyView> = Span::ALL
        .into_iter()
        .map(|one| {
            view! {
                <button
                    type="button"
                    class:here=move || span.get() == one
                    aria-pressed=move || (span.get() == one).to_string()
                    on:click=move |_| span.set(one)
                    data-testid=format!("span-{}", one.hours())
                >
                    {one.words()}
                </button>
            }
            .into_any()
        })
        .collect();
    let id = StoredValue::new(id);
    view! {
        <section aria-label="Metrics" data-testid="metrics">
            <div class="heading">
                <h2>"Metrics"</h2>
                <div class="tabs" role="group" aria-label="Time shown">
                    {spans}
                </div>
            </div>
            <div class="card charts">
                <For
                    each=move || metrics.get()
                    key=|metric| *metric
                    children=move |metric| one_chart(app, id.get_value(), metric, span)
                />
                {move || {
                    metrics
                        .with(BTreeSet::is_empty)
                        .then(|| {
                            text::empty(
                                "No metric is read of it.",
                                "Containers, hosts, disks, services and databases have some.",
                            )
                        })
                }}
            </div>
        </section>
    }
    .into_any()
}

fn one_chart(app: App, id: ResourceId, metric: Metric, span: RwSignal<Span>) -> AnyView {
    let store = app.store;
    let history: Loaded<Covered> = Loaded::new();
    let id = StoredValue::new(id);
    let read = move || {
        let to = browser::now();
        let from = span.get_untracked().from(to);
        history.read(async move {
            let query = MetricQuery {
                resource: id.get_value(),
                metric,
                from: Some(from),
                to: Some(to),
                step: None,
            };
            let series = app.call::<GetMetrics>(None, &query).await?;
            Ok(Covered { series, from, to })
        });
    };
    let beat = Memo::new(move |_| store.pulse.get() / HISTORY_EVERY);
    Effect::new(move |_| {
        span.track();
        store.readings.track();
        beat.with(|_| ());
        read();
    });
    history.show(read, move || {
        chart::chart(metric, move || history.value.get())
    })
}

/// The end of a container's log, which follows while nobody scrolls it back.
pub(super) fn log(app: App, id: ResourceId) -> AnyView {
    let store = app.store;
    let tail: Loaded<LogTail> = Loaded::new();
    let follow = RwSignal::new(true);
    let at_end = RwSignal::new(true);
    let place: NodeRef<html::Pre> = NodeRef::new();
    let id = StoredValue::new(id);
    let read = move || {
        tail.read(async move {
            let query = ResourceIdQuery { id: id.get_value() };
            app.call::<GetLog>(None, &query).await
        });
    };
    let seconds = StoredValue::new(0_u32);
    Effect::new(move |before: Option<()>| {
        store.now.track();
        if before.is_none() {
            return read();
        }
        seconds.update_value(|seconds| *seconds += 1);
        let due = seconds.get_value().is_multiple_of(LOG_EVERY);
        if due
            && follow.get_untracked()
            && !browser::is_hidden()
            && store.link.with_untracked(crate::session::Link::is_live)
            && !tail.busy.get_untracked()
        {
            read();
        }
    });
    let lines = Memo::new(move |_| {
        tail.value
            .with(|tail| tail.as_ref().map(|tail| tail.lines.join("\n")))
    });
    Effect::new(move |_| {
        lines.with(|_| ());
        if at_end.get_untracked() {
            browser::after(0, move || {
                if let Some(Some(place)) = place.try_get_untracked() {
                    browser::to_end(&place);
                }
            });
        }
    });
    let shown = move || match lines.get() {
        Some(lines) if lines.is_empty() => "The log is empty.".to_owned(),
        Some(lines) => lines,
        None => String::new(),
    };
    view! {
        <section aria-label="Log" data-testid="log">
            <div class="heading">
                <h2>"Log"</h2>
                <label class="check">
                    <input
                        type="checkbox"
                        prop:checked=move || follow.get()
                        on:change=move |event| follow.set(event_target_checked(&event))
                        data-testid="follow-log"
                    />
                    "Follow"
                </label>
                <button
                    class="button plain"
                    disabled=move || tail.busy.get() && !follow.get()
                    on:click=move |_| read()
                    data-testid="read-log"
                >
                    "Read again"
                </button>
            </div>
            <div class="card">
                {tail
                    .show(
                        read,
                        move || {
                            view! {
                                <pre
                                    class="log"
                                    node_ref=place
                                    tabindex="0"
                                    aria-label="The last lines of the log"
                                    on:scroll=move |_| {
                                        if let Some(place) = place.get_untracked() {
                                            at_end.set(browser::is_at_end(&place));
                                        }
                                    }
                                    data-testid="log-lines"
                                >
                                    {shown}
                                </pre>
                            }
                                .into_any()
                        },
                    )}
            </div>
        </section>
    }
    .into_any()
}

/// Its tasks, newest first; read again when one of them changes.
pub(super) fn tasks(app: App, id: ResourceId) -> AnyView {
    const SHOWN: u32 = 20;
    let store = app.store;
    let tasks: Loaded<Page<Task>> = Loaded::new();
    let mine = {
        let id = id.clone();
        Memo::new(move |_| {
            store.read(&[Part::Tasks], |world| {
                world
                    .tasks
                    .values()
                    .filter(|task| task.resource == id)
                    .map(|task| (task.id, task.status))
                    .collect::<Vec<_>>()
            })
        })
    };
    let id = StoredValue::new(id);
    let read = move || {
        tasks.read(async move {
            let query = TaskQuery {
                resource: Some(id.get_value()),
                limit: Some(SHOWN),
                ..TaskQuery::default()
            };
            app.call::<ListTasks>(None, &query).await
        });
    };
    Effect::new(move |_| {
        mine.with(|_| ());
        store.readings.track();
        read();
    });
    let shown = move || {
        tasks.value.get().map(|page| {
            if page.items.is_empty() {
                text::empty(
                    "No task yet.",
                    "What Steward does to it, or asks, will stand here.",
                )
            } else {
                page.items
                    .iter()
                    .map(|one| task::row(app, one))
                    .collect::<Vec<_>>()
                    .into_any()
            }
        })
    };
    view! {
        <section aria-label="Tasks">
            {text::heading("Tasks", None)}
            <div class="card rows">{tasks.show(read, move || shown.into_any())}</div>
        </section>
    }
    .into_any()
}
