//! Resources as a list: searched, filtered, and quick with a thousand and more, because only what is seen is drawn.

use std::sync::Arc;

use leptos::{ev::Event, prelude::*};
use steward_api::{Metric, ResourceKind};

use crate::{
    app::App,
    bridge::browser,
    components::{marks::sign, text},
    filter::{Order, ResourceFilter},
    format, marks,
    route::Route,
    scroll::{ROW, Window},
    store::Part,
    words,
    world::Entry,
};

/// The screen.
pub(super) fn page(app: App) -> AnyView {
    let store = app.store;
    let filter = Memo::new(move |_| {
        app.route.with(|route| match route {
            Route::Resources(filter) => filter.clone(),
            _ => ResourceFilter::default(),
        })
    });
    let rows = Memo::new(move |_| {
        let filter = filter.get();
        store.read(&[Part::Resources], |world| {
            filter.apply(world.resources.values())
        })
    });
    let total = Memo::new(move |_| store.read(&[Part::Resources], |world| world.resources.len()));
    view! {
        <div class="page resources" data-testid="page-resources">
            <div class="heading">
                {text::title("Resources")} {views(app, false)}
                <span class="quiet found" role="status" data-testid="found">
                    {move || found(rows.with(Vec::len), total.get())}
                </span>
            </div>
            {filters(app, filter, Route::Resources)}
            {list(app, filter, rows)}
        </div>
    }
    .into_any()
}

fn found(shown: usize, total: usize) -> String {
    if shown == total {
        format::count(total as u64, "resource")
    } else {
        format!(
            "{} of {}",
            format::grouped(shown as u64),
            format::count(total as u64, "resource")
        )
    }
}

/// The switch between list and map; the filter goes along.
pub(super) fn views(app: App, map: bool) -> AnyView {
    let to = move |map: bool| {
        app.route.with(|route| match route {
            Route::Resources(filter) | Route::Map(filter) if map => {
                Route::Map(filter.clone()).hash()
            }
            Route::Resources(filter) | Route::Map(filter) => {
                Route::Resources(filter.clone()).hash()
            }
            _ => String::new(),
        })
    };
    view! {
        <div class="tabs" role="group" aria-label="View">
            <a
                href=move || to(false)
                class:here=!map
                aria-current=(!map).then_some("true")
                data-testid="view-list"
            >
                "List"
            </a>
            <a
                href=move || to(true)
                class:here=map
                aria-current=map.then_some("true")
                data-testid="view-map"
            >
                "Map"
            </a>
        </div>
    }
    .into_any()
}

/// Search and choices; each change goes into the address, so that it can be kept and shared.
pub(super) fn filters(
    app: App,
    filter: Memo<ResourceFilter>,
    place: fn(ResourceFilter) -> Route,
) -> AnyView {
    let store = app.store;
    let projects = Memo::new(move |_| {
        let mut projects = store.read(&[Part::Resources], |world| world.projects());
        // One that is chosen stays to be seen, also where its last container is gone.
        if let Some(chosen) = filter.with(|filter| filter.project.clone())
            && !projects.contains(&chosen)
        {
            projects.push(chosen);
        }
        projects
    });
    let change = move |change: &dyn Fn(&mut ResourceFilter)| {
        let mut changed = filter.get_untracked();
        change(&mut changed);
        app.refine(place(changed));
    };
    let kinds: Vec<AnyView> = ResourceKind::ALL
        .into_iter()
        .map(|kind| {
            let is_chosen = move || filter.with(|filter| filter.kind == Some(kind));
            view! {
                <option value=kind.as_str() selected=is_chosen prop:selected=is_chosen>
                    {format::capital(words::kind(kind, 2))}
                </option>
            }
            .into_any()
        })
        .collect();
    let states: Vec<AnyView> = marks::HEALTH_ORDER
        .into_iter()
        .map(|health| {
            let is_chosen = move || filter.with(|filter| filter.health == Some(health));
            view! {
                <option value=health.as_str() selected=is_chosen prop:selected=is_chosen>
                    {format::capital(health.as_str())}
                </option>
            }
            .into_any()
        })
        .collect();
    let orders: Vec<AnyView> = Order::ALL
        .into_iter()
        .map(|order| {
            let is_chosen = move || filter.with(|filter| filter.order == order);
            view! {
                <option value=order.as_str() selected=is_chosen prop:selected=is_chosen>
                    {order.words()}
                </option>
            }
            .into_any()
        })
        .collect();
    let named = |value: String| (!value.is_empty()).then_some(value);
    view! {
        <form
            class="filters"
            role="search"
            on:submit=|event| event.prevent_default()
            aria-label="Filter resources"
        >
            <input
                type="search"
                placeholder="Search name, reason or image"
                aria-label="Search"
                aria-keyshortcuts="/"
                autocomplete="off"
                spellcheck="false"
                prop:value=move || filter.with(|filter| filter.search.clone())
                on:input=move |event| {
                    let typed = event_target_value(&event);
                    change(&|filter| filter.search.clone_from(&typed));
                }
                data-testid="search"
            />
            <select
                aria-label="Kind"
                on:change=move |event| {
                    let value = event_target_value(&event);
                    change(&|filter| filter.kind = value.parse().ok());
                }
                data-testid="filter-kind"
            >
                <option value="">"Every kind"</option>
                {kinds}
            </select>
            <select
                aria-label="State"
                on:change=move |event| {
                    let value = event_target_value(&event);
                    change(
                        &|filter| {
                            filter.health = marks::HEALTH_ORDER
                                .into_iter()
                                .find(|health| health.as_str() == value);
                        },
                    );
                }
                data-testid="filter-state"
            >
                <option value="">"Every state"</option>
                {states}
            </select>
            <select
                aria-label="Compose project"
                on:change=move |event| {
                    let value = named(event_target_value(&event));
                    change(&|filter| filter.project.clone_from(&value));
                }
                data-testid="filter-project"
            >
                <option value="">"Every project"</option>
                <For
                    each=move || projects.get()
                    key=Clone::clone
                    children=move |project: String| {
                        let (this, value) = (project.clone(), project.clone());
                        let is_chosen = Memo::new(move |_| {
                            filter.with(|filter| filter.project.as_deref() == Some(this.as_str()))
                        });
                        view! {
                            <option
                                value=value
                                selected=move || is_chosen.get()
                                prop:selected=move || is_chosen.get()
                            >
                                {project}
                            </option>
                        }
                    }
                />
            </select>
            <select
                aria-label="Order"
                on:change=move |event| {
                    let value = event_target_value(&event);
                    change(
                        &|filter| {
                            filter.order = Order::ALL
                                .into_iter()
                                .find(|order| order.as_str() == value)
                                .unwrap_or_default();
                        },
                    );
                }
                data-testid="order"
            >
                {orders}
            </select>
            <button
                type="button"
                class="button plain"
                class:unseen=move || filter.with(ResourceFilter::is_open)
                on:click=move |_| {
                    change(
                        &|filter| {
                            *filter = ResourceFilter {
                                order: filter.order,
                                ..ResourceFilter::default()
                            };
                        },
                    );
                }
                data-testid="clear-filter"
            >
                "Show all"
            </button>
        </form>
    }
    .into_any()
}

fn list(app: App, filter: Memo<ResourceFilter>, rows: Memo<Vec<Arc<Entry>>>) -> AnyView {
    let store = app.store;
    let scrolled = RwSignal::new(0.0_f64);
    let is_read = Memo::new(move |_| store.read(&[Part::Resources], |world| world.resources_read));
    // Another filter or order is another list: it begins at its top.
    Effect::new(move |_| {
        filter.with(|_| ());
        browser::scroll_to_start(".list");
    });
    let window = Memo::new(move |_| {
        Window::of(
            scrolled.get(),
            app.window_height.get(),
            ROW,
            rows.with(Vec::len),
        )
    });
    let drawn = move || {
        let window = window.get();
        rows.with(|rows| {
            rows.get(window.first..window.end.min(rows.len()))
                .unwrap_or_default()
                .iter()
                .map(|entry| entry.id.clone())
                .collect::<Vec<_>>()
        })
    };
    let nothing = move || {
        rows.with(Vec::is_empty).then(|| {
            if !is_read.get() {
                text::reading()
            } else if filter.with(ResourceFilter::is_open) {
                text::empty(
                    "No resources yet.",
                    "Steward reads them within half a minute of its start. The settings say which sources answer.",
                )
            } else {
                text::empty(
                    "Nothing fits this filter.",
                    "Search for less, or choose “Show all”.",
                )
            }
        })
    };
    view! {
        <div class="card table">
            <div class="columns" aria-hidden="true">
                <span></span>
                <span>"Name"</span>
                <span>"Kind"</span>
                <span>"Project"</span>
                <span class="number">"CPU"</span>
                <span class="number">"Memory"</span>
            </div>
            <div
                class="list"
                on:scroll=move |event: Event| scrolled.set(browser::scrolled(&event))
                data-testid="resource-list"
            >
                <ul
                    aria-label="Resources"
                    style:height=move || format!("{}px", window.get().height)
                >
                    <div
                        class="shift"
                        style:transform=move || format!("translateY({}px)", window.get().top)
                        role="presentation"
                    >
                        <For
                            each=drawn
                            key=Clone::clone
                            children=move |id| {
                                let entry = store.resource(id.clone());
                                view! {
                                    <li>
                                        <a
                                            class="row resource"
                                            href=Route::Resource(id.clone()).hash()
                                            data-row=""
                                            data-testid="resource-row"
                                            data-resource=id.to_string()
                                            data-state=move || {
                                                entry.get().map(|entry| entry.health.as_str())
                                            }
                                        >
                                            {move || entry.get().map(|entry| cells(&entry))}
                                        </a>
                                    </li>
                                }
                            }
                        />
                    </div>
                </ul>
                {nothing}
            </div>
        </div>
    }
    .into_any()
}

fn cells(entry: &Entry) -> AnyView {
    let mark = marks::health(entry.health);
    let below = if entry.reason.is_empty() {
        mark.word.to_owned()
    } else {
        entry.reason.clone()
    };
    let value = |metric| {
        entry
            .metric(metric)
            .map_or_else(String::new, |value| format::metric(metric, value))
    };
    let memory = match value(Metric::MemoryBytes) {
        text if text.is_empty() => value(Metric::MemoryPercent),
        text => text,
    };
    view! {
        {sign(mark)}
        <span class="words">
            <span class="main-words">{entry.id.short().to_owned()}</span>
            <span class="sub-words">{below}</span>
        </span>
        <span class="quiet">{words::kind(entry.id.kind, 1)}</span>
        <span class="quiet">{entry.project().unwrap_or_default().to_owned()}</span>
        <span class="number">{value(Metric::CpuPercent)}</span>
        <span class="number">{memory}</span>
    }
    .into_any()
}
