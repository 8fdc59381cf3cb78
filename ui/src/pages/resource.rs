//! One resource: how it is and why, its metrics over time, its log, its incidents and tasks, what it needs and what needs it, and what may be
//! asked for.

use std::sync::Arc;

use leptos::{prelude::*, task::spawn_local};
use steward_api::{
    Facts, GetResource, Health, ResourceDetail, ResourceId, ResourceIdQuery, ResourceKind,
    ResourceStatistics, Role,
};

use super::{resource_deeds, resource_facts, resource_parts};
use crate::{
    app::App,
    components::{
        incident,
        loaded::Loaded,
        marks::{mark, sign},
        text,
    },
    deeds,
    failure::Failure,
    format, marks,
    route::Route,
    words,
    world::Entry,
};

/// The screen.
pub(super) fn page(app: App, id: &ResourceId) -> AnyView {
    let store = app.store;
    let entry = store.resource(id.clone());
    let detail: Loaded<ResourceDetail> = Loaded::new();
    let id = StoredValue::new(id.clone());
    let read = move || {
        detail.read(async move {
            let query = ResourceIdQuery { id: id.get_value() };
            let detail = app.call::<GetResource>(None, &query).await?;
            let resource = detail.resource.clone();
            app.store
                .change(|world| world.merge_resources(vec![resource]));
            Ok(detail)
        });
    };
    // Once now, again whenever it or everything changed, and now and then for what no event tells.
    let health = Memo::new(move |_| entry.get().map(|entry| entry.health));
    Effect::new(move |_| {
        health.with(|_| ());
        store.readings.track();
        store.pulse.track();
        read();
    });
    let is_gone = Memo::new(move |_| {
        detail.failure.with(|failure| {
            failure
                .as_ref()
                .is_some_and(|failure| failure.is(steward_api::ErrorCode::ResourceNotFound))
        })
    });
    let whole = id.get_value();
    let is_container = whole.kind == ResourceKind::Container;
    view! {
        <div class="page" data-testid="page-resource" data-resource=whole.to_string()>
            <p class="trail">
                <a href="#/resources">"Resources"</a>
                " / "
                {words::kind(whole.kind, 1)}
            </p>
            <div class="heading">
                {text::title(whole.short().to_owned())} {move || state(entry.get().as_deref())}
                {is_container.then(|| heal(app, &whole))}
            </div>
            {move || entry.get().map(|entry| reason(&entry))}
            {move || {
                if is_gone.get() && entry.with(Option::is_none) {
                    text::empty(
                        "This resource is gone.",
                        "It was removed, or renamed. Its incidents stay under Incidents; the list has what there is now.",
                    )
                } else {
                    untrack(|| body(app, id.get_value(), entry, detail, read))
                }
            }}
        </div>
    }
    .into_any()
}

fn state(entry: Option<&Entry>) -> AnyView {
    entry.map_or_else(
        || ().into_any(),
        |entry| {
            view! { <span class="large" data-testid="resource-state">{mark(marks::health(entry.health))}</span> }
                .into_any()
        },
    )
}

fn reason(entry: &Entry) -> AnyView {
    let words = if entry.reason.is_empty() {
        match entry.health {
            Health::Healthy => "It does what it is there for.",
            Health::Unknown => "It could not be read, or not yet.",
            _ => "",
        }
        .to_owned()
    } else {
        entry.reason.clone()
    };
    view! { <p class="lead" data-testid="reason">{words}</p> }.into_any()
}

fn body(
    app: App,
    id: ResourceId,
    entry: Memo<Option<Arc<Entry>>>,
    detail: Loaded<ResourceDetail>,
    read: impl Fn() + Copy + Send + Sync + 'static,
) -> AnyView {
    let is_container = id.kind == ResourceKind::Container;
    let health = Memo::new(move |_| entry.get().map(|entry| entry.health));
    let facts = move || {
        entry
            .get()
            .and_then(|entry| entry.resource.clone())
            .map_or_else(text::reading, |resource| {
                let rows = resource_facts::facts(app, &resource);
                view! { <dl class="facts" data-testid="facts">{rows}</dl> }.into_any()
            })
    };
    let labels = move || {
        let resource = entry.get()?.resource.clone()?;
        match &resource.facts {
            Facts::Container(facts) => Some(view! {
                <section aria-label="Labels in force">
                    {text::heading("Labels in force", None)}
                    <div class="card">{resource_facts::labels(facts)}</div>
                </section>
            }),
            _ => None,
        }
    };
    let with_detail = move |shown: fn(App, &ResourceDetail) -> AnyView| {
        detail.show(read, move || {
            (move || detail.value.get().map(|detail| shown(app, &detail))).into_any()
        })
    };
    view! {
        <div class="columns-2">
            <div class="stack">
                {resource_parts::charts(app, id.clone(), entry)}
                {is_container.then(|| resource_parts::log(app, id.clone()))}
                <section aria-label="Incidents">
                    {text::heading("Incidents", None)}
                    <div class="card rows">{with_detail(incidents)}</div>
                </section>
                {resource_parts::tasks(app, id.clone())}
            </div>
            <div class="stack">
                {resource_deeds::section(
                    app,
                    &id,
                    move || {
                        health.get();
                        app.store.readings.track();
                    },
                )}
                <section aria-label="What was read">
                    {text::heading("What was read", None)} <div class="card">{facts}</div>
                </section>
                <section aria-label="Dependencies">
                    {text::heading("Dependencies", None)}
                    <div class="card">{with_detail(dependencies)}</div>
                </section>
                {labels}
                <section aria-label="So far">
                    {text::heading("So far", None)}
                    <div class="card">{with_detail(|_, detail| statistics(&detail.statistics))}</div>
                </section>
            </div>
        </div>
    }
    .into_any()
}

fn incidents(app: App, detail: &ResourceDetail) -> AnyView {
    if detail.incidents.is_empty() {
        return text::empty(
            "No incident yet.",
            "What goes wrong with it will stand here.",
        );
    }
    detail
        .incidents
        .iter()
        .map(|one| {
            if one.is_active() {
                incident::active_row(app, one)
            } else {
                incident::past_row(app, one)
            }
        })
        .collect::<Vec<_>>()
        .into_any()
}

/// What it needs and what needs it, each with how it is now.
fn dependencies(app: App, detail: &ResourceDetail) -> AnyView {
    let needs: Vec<ResourceId> = detail
        .resource
        .depends_on
        .iter()
        .map(|dependency| dependency.on.clone())
        .collect();
    if needs.is_empty() && detail.dependents.is_empty() {
        return text::empty(
            "It needs nothing, and nothing needs it.",
            "Compose's depends_on and the label steward.depends_on say what does.",
        );
    }
    let group = |name: &'static str, ids: &[ResourceId]| {
        (!ids.is_empty()).then(|| {
            let rows: Vec<AnyView> = ids.iter().map(|id| neighbour(app, id)).collect();
            view! {
                <h3 class="small-heading">{name}</h3>
                <ul class="plain neighbours">{rows}</ul>
            }
        })
    };
    view! {
        <div data-testid="dependencies">
            {group("It needs", &needs)} {group("Needed by", &detail.dependents)}
        </div>
    }
    .into_any()
}

fn neighbour(app: App, id: &ResourceId) -> AnyView {
    let entry = app.store.resource(id.clone());
    view! {
        <li>
            <a href=Route::Resource(id.clone()).hash()>
                {move || {
                    let health = entry.get().map_or(Health::Unknown, |entry| entry.health);
                    sign(marks::health(health))
                }}
                <span>{id.short().to_owned()}</span>
                <span class="quiet">{words::kind(id.kind, 1)}</span>
            </a>
        </li>
    }
    .into_any()
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds of incidents"
)]
fn statistics(statistics: &ResourceStatistics) -> AnyView {
    view! {
        <dl class="facts" data-testid="statistics">
            {text::fact("Incidents", statistics.incidents.to_string())}
            {text::fact("Healed by Steward", statistics.healed.to_string())}
            {text::fact("Recovered by itself", statistics.recovered.to_string())}
            {text::fact(
                "Actions",
                format!(
                    "{} succeeded, {} did not",
                    statistics.actions_succeeded,
                    statistics.actions_failed,
                ),
            )}
            {text::fact("Time in incidents", format::seconds(statistics.incident_seconds.max(0.0) as u64))}
        </dl>
    }
    .into_any()
}

/// The action that may be asked for.
fn heal(app: App, id: &ResourceId) -> AnyView {
    let store = app.store;
    let busy = RwSignal::new(false);
    let failure = RwSignal::new(None::<Failure>);
    let name = StoredValue::new(id.name.clone());
    let ask = move |_| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        failure.set(None);
        spawn_local(async move {
            let healed = deeds::heal(app, &name.get_value()).await;
            busy.try_set(false);
            match healed {
                Ok(reply) => app.go(&Route::Task(reply.task)),
                Err(refused) => {
                    failure.try_set(Some(refused));
                }
            }
        });
    };
    view! {
        <div class="deeds" class:hidden=move || !store.may(Role::Operator)>
            <button
                class="button"
                disabled=move || busy.get() || !store.is_live()
                on:click=ask
                title="Steward decides what helps; guards and approvals hold as always"
                data-testid="heal"
            >
                {move || if busy.get() { "Asking…" } else { "Heal now" }}
            </button>
            {move || failure.get().map(|failure| text::failed(&failure))}
        </div>
    }
    .into_any()
}
