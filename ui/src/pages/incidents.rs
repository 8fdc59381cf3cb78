//! Incidents: those that are not over, worst first, or those that are, newest first.

use std::{collections::BTreeMap, sync::Arc};

use leptos::prelude::*;
use steward_api::{Incident, IncidentId, IncidentQuery, IncidentState, ListIncidents, Severity};

use crate::{
    app::App,
    attention,
    components::{incident, pages::Pages, text},
    format,
    route::Route,
    store::Part,
};

/// So many past incidents are read at once.
const PAGE: u32 = 50;

/// The screen.
pub(super) fn page(app: App, past: bool) -> AnyView {
    let store = app.store;
    let active =
        Memo::new(move |_| store.read(&[Part::Incidents], |world| attention::active(world).len()));
    view! {
        <div class="page" data-testid="page-incidents">
            <div class="heading">
                {text::title("Incidents")} <div class="tabs" role="group" aria-label="Which incidents">
                    <a
                        href=Route::Incidents { past: false }.hash()
                        class:here=!past
                        aria-current=(!past).then_some("true")
                        data-testid="tab-active"
                    >
                        {move || format!("Active {}", active.get())}
                    </a>
                    <a
                        href=Route::Incidents { past: true }.hash()
                        class:here=past
                        aria-current=past.then_some("true")
                        data-testid="tab-past"
                    >
                        "Past"
                    </a>
                </div>
            </div>
            {if past { past_list(app) } else { active_list(app) }}
        </div>
    }
    .into_any()
}

fn active_list(app: App) -> AnyView {
    let store = app.store;
    let active = Memo::new(move |_| store.read(&[Part::Incidents], attention::active));
    let is_read = Memo::new(move |_| store.read(&[Part::Incidents], |world| world.incidents_read));
    let nothing = move || {
        active.with(Vec::is_empty).then(|| {
            if is_read.get() {
                text::empty(
                    "No active incident.",
                    "What goes wrong stands here, worst first. What is over is under Past.",
                )
            } else if let Some(failure) = store.unread.get() {
                text::failed(&failure)
            } else {
                text::reading()
            }
        })
    };
    view! {
        <div class="card rows" data-testid="active-incidents">
            <For
                each=move || active.get()
                key=|incident| (incident.id, incident.updated_at)
                children=move |one| incident::active_row(app, &one)
            />
            {nothing}
        </div>
    }
    .into_any()
}

fn past_list(app: App) -> AnyView {
    let store = app.store;
    let pages: Pages<Incident> = Pages::new();
    let severity = RwSignal::new(None::<Severity>);
    let read = move |first: bool| {
        let before = if first {
            None
        } else {
            pages.next.get_untracked()
        };
        let severity = severity.get_untracked();
        pages.read(first, async move {
            let query = IncidentQuery {
                state: Some(IncidentState::Resolved),
                severity,
                before,
                limit: Some(PAGE),
                ..IncidentQuery::default()
            };
            app.call::<ListIncidents>(None, &query).await
        });
    };
    Effect::new(move |_| {
        store.readings.track();
        severity.with(|_| ());
        read(true);
    });
    // What ended since the page was read comes from the stream.
    let all = Memo::new(move |_| {
        let wanted = severity.get();
        let mut all: BTreeMap<IncidentId, Arc<Incident>> = BTreeMap::new();
        pages.items.with(|items| {
            for incident in items {
                all.insert(incident.id, Arc::clone(incident));
            }
        });
        let oldest = all.keys().next().copied();
        store.read(&[Part::Incidents], |world| {
            for incident in world.incidents.values() {
                let fits = wanted.is_none_or(|severity| incident.severity == severity);
                if !incident.is_active()
                    && fits
                    && oldest.is_none_or(|oldest| incident.id >= oldest)
                {
                    all.insert(incident.id, Arc::clone(incident));
                } else if incident.is_active() {
                    // It came back since.
                    all.remove(&incident.id);
                }
            }
        });
        let mut all: Vec<_> = all.into_values().collect();
        all.reverse();
        all
    });
    let choices: Vec<AnyView> = Severity::ALL
        .into_iter()
        .rev()
        .map(|one| {
            view! { <option value=one.as_str()>{format::capital(one.as_str())}</option> }.into_any()
        })
        .collect();
    let nothing = move || {
        (all.with(Vec::is_empty) && pages.reading.value.with(Option::is_some)).then(|| {
            text::empty(
                "No past incident.",
                "What is over stands here, with how it ended and how long it took.",
            )
        })
    };
    view! {
        <div class="filters">
            <select
                aria-label="Severity"
                on:change=move |event| {
                    let value = event_target_value(&event);
                    severity
                        .set(Severity::ALL.into_iter().find(|severity| severity.as_str() == value));
                }
                data-testid="filter-severity"
            >
                <option value="">"Every severity"</option>
                {choices}
            </select>
        </div>
        <div class="card rows" data-testid="past-incidents">
            <For
                each=move || all.get()
                key=|incident| (incident.id, incident.updated_at)
                children=move |one| incident::past_row(app, &one)
            />
            {nothing}
            {pages.state(move || read(true))}
        </div>
        {pages.more(move || read(false))}
    }
    .into_any()
}
