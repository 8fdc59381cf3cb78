//! Incidents, from the journal's projections.

use jiff::SignedDuration;
use steward_api::{
    ErrorCode, GetIncident, GetMonitorIncidents, HoursQuery, Incident, IncidentId, IncidentQuery,
    ListIncidents, MonitorIncidents, Nothing, Page,
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
        Written::of(&call.store().incidents(&query).await?)
    }
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
