//! An incident as a row of a list.

use leptos::prelude::*;
use steward_api::Incident;

use super::{marks::sign, text};
use crate::{app::App, format, marks, route::Route, words};

/// An incident that is not over.
pub(crate) fn active_row(app: App, incident: &Incident) -> AnyView {
    let mut below = words::incident_state(incident);
    if !incident.affected.is_empty() {
        below = format!(
            "affects {} · {below}",
            format::count(incident.affected.len() as u64, "resource")
        );
    }
    row(
        incident,
        marks::severity(incident.severity),
        below,
        text::since(app.store, incident.opened_at),
    )
}

/// An incident that is over, and how it ended.
pub(crate) fn past_row(app: App, incident: &Incident) -> AnyView {
    over(app, incident, &words::incident_state(incident))
}

/// An incident that is over, and what helped.
pub(crate) fn earlier_row(app: App, incident: &Incident) -> AnyView {
    over(app, incident, &words::what_helped(incident))
}

fn over(app: App, incident: &Incident, end: &str) -> AnyView {
    let (mark, at) = match (&incident.resolution, incident.resolved_at) {
        (Some(end), Some(at)) => (marks::resolution(end.kind), at),
        _ => (marks::severity(incident.severity), incident.opened_at),
    };
    let took = format::duration(at.duration_since(incident.opened_at));
    let below = format!("{end} · took {took}");
    row(incident, mark, below, text::ago(app.store, at))
}

fn row(incident: &Incident, mark: marks::Mark, below: String, when: AnyView) -> AnyView {
    view! {
        <a
            class="row"
            href=Route::Incident(incident.id).hash()
            data-row=""
            data-testid="incident-row"
            data-incident=incident.id.to_string()
            data-state=mark.word
        >
            {sign(mark)}
            <span class="words">
                <span class="main-words">{incident.title.clone()}</span>
                <span class="sub-words">{below}</span>
            </span>
            <span class="when">{when}</span>
        </a>
    }
    .into_any()
}
