//! One incident: its time line, what was found, why, what was decided, what was done, what it affected, and what helped before.

use std::sync::Arc;

use leptos::prelude::*;
use steward_api::{
    Decision, Evidence, Finding, GetTask, Incident, IncidentId, IncidentQuery, IncidentState,
    ListIncidents, Nothing, Page, Severity, TimelineEntry,
};

use super::{
    calls,
    conversations::{self, About},
    diagnoses, resource_facts,
};
use crate::{
    app::App,
    components::{
        incident,
        loaded::Loaded,
        marks::{mark, sign},
        task, text,
    },
    format, marks,
    route::Route,
    words,
};

/// So many earlier ones are looked at for similar ones.
const BEFORE: u32 = 20;

/// The screen.
pub(super) fn page(app: App, id: IncidentId) -> AnyView {
    let store = app.store;
    let known = store.incident(id);
    let reading: Loaded<()> = Loaded::new();
    let read = move || {
        reading.read(conversations::read_incident(app, id));
    };
    Effect::new(move |_| {
        store.readings.track();
        read();
    });
    view! {
        <div class="page" data-testid="page-incident" data-incident=id.to_string()>
            <p class="trail">
                <a href="#/incidents">"Incidents"</a>
                {format!(" / {id}")}
            </p>
            {move || match known.get() {
                Some(incident) => untrack(|| head(app, &incident)),
                None => reading.show(read, || ().into_any()),
            }}
            {diagnoses::section(app, id, known)}
            {move || known.get().map(|incident| untrack(|| body(app, &incident)))}
            {conversations::section(app, About::Incident(id))}
            {calls::of_incident(app, id)}
        </div>
    }
    .into_any()
}

fn head(app: App, incident: &Arc<Incident>) -> AnyView {
    let store = app.store;
    let state = match &incident.resolution {
        Some(end) => mark(marks::resolution(end.kind)),
        None => mark(marks::severity(incident.severity)),
    };
    let lead = incident
        .resolution
        .as_ref()
        .map_or_else(|| words::incident_state(incident), |end| end.text.clone());
    let times = incident.resolved_at.map_or_else(
        || {
            view! {
                <span>"for " {text::since(store, incident.opened_at)}</span>
            }
            .into_any()
        },
        |at| {
            let took = format::duration(at.duration_since(incident.opened_at));
            view! { <span>"ended " {text::ago(store, at)} {format!(", took {took}")}</span> }
                .into_any()
        },
    );
    let flaps = (incident.flaps > 0).then(|| {
        view! {
            <span>
                {format!("came back {}", format::count(u64::from(incident.flaps), "time"))}
            </span>
        }
    });
    view! {
        <div class="heading">
            {text::title(incident.title.clone())}
            <span class="large" data-testid="incident-state">{state}</span>
            <span class="deeds">{conversations::ask(app, About::Incident(incident.id))}</span>
        </div>
        <p class="lead">{lead}</p>
        <p class="meta">
            {resource_facts::link(&incident.resource)}
            <span>{format::plain(incident.problem.as_str())}</span>
            {severity_words(incident)} {times} {flaps}
        </p>
    }
    .into_any()
}

fn body(app: App, incident: &Arc<Incident>) -> AnyView {
    let timeline: Vec<AnyView> = incident.timeline.iter().map(point).collect();
    let findings: Vec<AnyView> = incident
        .findings
        .iter()
        .map(|one| finding(app, one))
        .collect();
    view! {
        <div class="columns-2">
            <div class="stack">
                <section aria-label="Time line">
                    {text::heading("Time line", None)}
                    <div class="card">
                        <ol class="timeline" data-testid="timeline">
                            {timeline}
                        </ol>
                    </div>
                </section>
                <section aria-label="What was found">
                    {text::heading("What was found", None)} <div class="card">{findings}</div>
                </section>
                {tasks(app, incident)}
            </div>
            <div class="stack">
                {incident.decision.as_ref().map(|one| decision(app, one))}
                {affected(app, incident)} {before(app, incident)}
            </div>
        </div>
    }
    .into_any()
}

/// The severity, where the state beside the title says something else.
fn severity_words(incident: &Incident) -> AnyView {
    if incident.is_active() && incident.severity < Severity::Critical {
        ().into_any()
    } else {
        view! { <span>{format!("{} severity", incident.severity)}</span> }.into_any()
    }
}

fn point(entry: &TimelineEntry) -> AnyView {
    let mark = marks::phase(entry.phase);
    view! {
        <li data-phase=entry.phase.to_string()>
            {sign(mark)}
            <div>
                <p class="sub-words">
                    {text::clock(entry.at)} " · " {mark.word}
                </p>
                <p>{entry.text.clone()}</p>
            </div>
        </li>
    }
    .into_any()
}

pub(crate) fn evidence(all: &[Evidence]) -> AnyView {
    if all.is_empty() {
        return ().into_any();
    }
    let rows: Vec<AnyView> = all
        .iter()
        .map(|one| {
            view! {
                <li>
                    <span class="source">{one.source.clone()}</span>
                    <code>{one.text.clone()}</code>
                    {one.at.map(|at| view! { <span class="quiet small">{text::clock(at)}</span> })}
                </li>
            }
            .into_any()
        })
        .collect();
    view! {
        <ul class="evidence" data-testid="evidence" aria-label="Evidence">
            {rows}
        </ul>
    }
    .into_any()
}

fn finding(app: App, finding: &Finding) -> AnyView {
    view! {
        <div class="finding">
            <p>
                {sign(marks::severity(finding.severity))} " " {finding.summary.clone()}
                <span class="quiet small">" since " {text::ago(app.store, finding.since)}</span>
            </p>
            {evidence(&finding.evidence)}
        </div>
    }
    .into_any()
}

fn decision(app: App, decision: &Decision) -> AnyView {
    let guard = decision
        .guard
        .as_ref()
        .map(|guard| text::fact("Held back by", words::guard(guard)));
    let again = decision
        .retry_at
        .map(|at| text::fact("Decides again", text::ago(app.store, at)));
    view! {
        <section aria-label="Decision" data-testid="decision">
            {text::heading("Decision", None)}
            <div class="card">
                <p>{mark(marks::verdict(decision.verdict))}</p>
                <p>{decision.reason.clone()}</p>
                <dl class="facts">{guard} {again}</dl>
            </div>
        </section>
    }
    .into_any()
}

/// The tasks that were made for it; those that are not known yet are read.
fn tasks(app: App, incident: &Incident) -> AnyView {
    let store = app.store;
    let rows: Vec<AnyView> = incident
        .tasks
        .iter()
        .rev()
        .map(|id| {
            let id = *id;
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
            if known.with_untracked(Option::is_none) {
                read();
            }
            (move || match known.get() {
                Some(one) => untrack(|| task::row(app, &one)),
                None => reading.show(read, || ().into_any()),
            })
            .into_any()
        })
        .collect();
    let none = rows.is_empty().then(|| {
        text::empty(
            "No task was made for it.",
            "The decision says why. Where Steward can't help, the diagnosis says what you can do.",
        )
    });
    view! {
        <section aria-label="Tasks">
            {text::heading("Tasks", None)} <div class="card rows">{rows} {none}</div>
        </section>
    }
    .into_any()
}

fn affected(app: App, incident: &Incident) -> AnyView {
    if incident.affected.is_empty() {
        return ().into_any();
    }
    let rows: Vec<AnyView> = incident
        .affected
        .iter()
        .map(|id| {
            let entry = app.store.resource(id.clone());
            view! {
                <li>
                    <a href=Route::Resource(id.clone()).hash()>
                        {move || {
                            entry.get().map(|entry| sign(marks::health(entry.health)))
                        }} <span>{id.short().to_owned()}</span>
                        <span class="quiet">{words::kind(id.kind, 1)}</span>
                    </a>
                </li>
            }
            .into_any()
        })
        .collect();
    view! {
        <section aria-label="Affected" data-testid="affected">
            {text::heading("Takes down", None)}
            <div class="card">
                <ul class="plain neighbours">{rows}</ul>
            </div>
        </section>
    }
    .into_any()
}

/// Earlier incidents of the same kind on the same resource, and how they ended.
fn before(app: App, incident: &Incident) -> AnyView {
    let earlier: Loaded<Page<Incident>> = Loaded::new();
    let (resource, problem, this) = (incident.resource.clone(), incident.problem, incident.id);
    let resource = StoredValue::new(resource);
    let read = move || {
        earlier.read(async move {
            let query = IncidentQuery {
                state: Some(IncidentState::Resolved),
                resource: Some(resource.get_value()),
                before: Some(this.0),
                limit: Some(BEFORE),
                ..IncidentQuery::default()
            };
            app.call::<ListIncidents>(None, &query).await
        });
    };
    read();
    let shown = move || {
        earlier.value.get().map(|page| {
            let similar: Vec<AnyView> = page
                .items
                .iter()
                .filter(|one| one.problem == problem)
                .map(|one| incident::earlier_row(app, one))
                .collect();
            if similar.is_empty() {
                text::empty(
                    "Nothing like it lately on this resource.",
                    "Earlier ones would stand here, with what helped.",
                )
            } else {
                similar.into_any()
            }
        })
    };
    view! {
        <section aria-label="Similar before" data-testid="before">
            {text::heading("Similar before", None)}
            <div class="card rows">{earlier.show(read, move || shown.into_any())}</div>
        </section>
    }
    .into_any()
}
