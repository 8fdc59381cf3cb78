//! Incidents, from the journal's projections.

use std::sync::Arc;

use jiff::SignedDuration;
use steward_api::{
    ErrorCode, GetIncident, GetMonitorIncidents, HoursQuery, Incident, IncidentId, IncidentQuery,
    IncidentState, ListIncidents, MonitorIncidents, Nothing, Page,
};

use super::{LARGEST_PAGE, page_size};
use crate::server::{
    bind::{Answer, Call, Written},
    error::Refusal,
    now,
};

const USUAL_HOURS: u32 = 24;
const MOST_HOURS: u32 = 8784;

impl Answer for ListIncidents {
    async fn answer(
        call: Call,
        mut query: IncidentQuery,
    ) -> Result<Written<Page<Incident>>, Refusal> {
        query.limit = Some(page_size(query.limit)?);
        match call.store().incidents(&query).await {
            Ok(page) => Written::of(&page),
            // Those that are active are in the picture too, and most wanted when something as large as the database is gone.
            Err(_) if query.state == Some(IncidentState::Active) => Written::of(&page_of_picture(
                &query,
                &call.app.handle.view().active_incidents,
            )),
            Err(error) => Err(error.into()),
        }
    }
}

/// A page of the active incidents from the engine's picture, by the same filters.
fn page_of_picture(query: &IncidentQuery, active: &[Arc<Incident>]) -> Page<Incident> {
    let mut items: Vec<_> = active
        .iter()
        .filter(|one| query.severity.is_none_or(|wanted| one.severity == wanted))
        .filter(|one| {
            query
                .resource
                .as_ref()
                .is_none_or(|wanted| one.resource == *wanted)
        })
        .filter(|one| query.before.is_none_or(|before| one.id.0 < before))
        .map(|one| Incident::clone(one))
        .collect();
    items.sort_by_key(|one| std::cmp::Reverse(one.id));
    let limit = query.limit.unwrap_or(LARGEST_PAGE) as usize;
    let is_cut = items.len() > limit;
    items.truncate(limit);
    let next = items.last().map(|one| one.id.0).filter(|_| is_cut);
    Page { items, next }
}

impl Answer for GetIncident {
    async fn answer(call: Call, _: Nothing) -> Result<Written<Incident>, Refusal> {
        let id = IncidentId(call.number("an incident")?);
        let view = call.app.handle.view();
        // What is in the picture is the newest there is, and can be read while the database can't.
        if let Some(incident) = view
            .active_incidents
            .iter()
            .find(|incident| incident.id == id)
        {
            return Written::of(incident.as_ref());
        }
        match call.store().incident(id).await? {
            Some(incident) => Written::of(&incident),
            None => Err(Refusal::new(
                ErrorCode::IncidentNotFound,
                format!("There is no incident {id}; /api/incidents lists them"),
            )),
        }
    }
}

impl Answer for GetMonitorIncidents {
    async fn answer(call: Call, query: HoursQuery) -> Result<Written<MonitorIncidents>, Refusal> {
        let hours = query.hours.unwrap_or(USUAL_HOURS);
        if !(1..=MOST_HOURS).contains(&hours) {
            return Err(Refusal::bad_request(format!(
                "hours: {hours} is out of range; it should be from 1 to {MOST_HOURS}"
            )));
        }
        let since = now()
            .checked_sub(SignedDuration::from_hours(i64::from(hours)))
            .map_err(|_| Refusal::internal())?;
        let mut found = MonitorIncidents {
            hours,
            total: 0,
            active: 0,
            incidents: Vec::new(),
        };
        let mut before = None;
        // All pages are counted; only the newest incidents are sent along, so that a bad year does not fill the memory.
        loop {
            let page = call
                .store()
                .incidents(&IncidentQuery {
                    since: Some(since),
                    before,
                    limit: Some(LARGEST_PAGE),
                    ..IncidentQuery::default()
                })
                .await?;
            for incident in page.items {
                found.total += 1;
                found.active += u64::from(incident.is_active());
                if found.incidents.len() < LARGEST_PAGE as usize {
                    found.incidents.push(incident);
                }
            }
            match page.next {
                Some(next) if before.is_none_or(|before| next < before) => before = Some(next),
                _ => break,
            }
        }
        Written::of(&found)
    }
}
