//! Incidents: what is or was wrong, why, and what was decided.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use steward_api::{
    GetIncident as One, Incident, IncidentQuery, IncidentState, ListIncidents as Incidents,
    Nothing, ResourceId, Severity,
};
use utoipa::ToSchema;

use super::{Tool, page_size};
use crate::mcp::{
    bounds,
    contract::{Contract, Fault},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListInput {
    /// Only active or only resolved ones; both by default.
    #[serde(default)]
    state: Option<IncidentState>,
    /// Only of this severity.
    #[serde(default)]
    severity: Option<Severity>,
    /// Only on this resource, by its full id.
    #[serde(default)]
    resource: Option<ResourceId>,
    /// Only those that were active at this time or later (RFC 3339, such as 2026-03-01T08:00:00Z).
    #[serde(default)]
    since: Option<Timestamp>,
    /// The `next` of the page before, for the page after it.
    #[serde(default)]
    cursor: Option<i64>,
    /// How many at most; 20 by default, 100 at most.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// The list of incidents.
pub(super) struct ListIncidents;

impl Tool for ListIncidents {
    type Input = ListInput;
    const NAME: &'static str = "list_incidents";
    const TITLE: &'static str = "List incidents";
    const DESCRIPTION: &'static str = "Lists incidents, newest first, each in short: what is wrong with which resource, since when, how bad, what was decided and why, how it \
         ended. `state: active` gives those that are not over. Where `next` is given there are more: pass it as `cursor`. get_incident \
         tells the whole story of one.";
    const FOREIGN: Option<&'static str> = Some("names and quotations in titles");

    async fn call(contract: Contract, input: ListInput) -> Result<Value, Fault> {
        let query = IncidentQuery {
            state: input.state,
            severity: input.severity,
            resource: input.resource,
            since: input.since,
            before: input.cursor,
            limit: Some(page_size(input.limit, 20, 100)?),
        };
        let found = contract.call::<Incidents>(&query).await?;
        let rows: Vec<Value> = found.items.iter().map(row).collect();
        let number = |row: &Value| row["id"].as_i64().unwrap_or_default();
        let (incidents, next) = bounds::page(rows, found.next, number);
        Ok(json!({"incidents": incidents, "next": next}))
    }
}

/// An incident in short.
pub(super) fn row(incident: &Incident) -> Value {
    let decision = incident
        .decision
        .as_ref()
        .map(|decision| json!({"verdict": decision.verdict, "reason": decision.reason}));
    json!({
        "id": incident.id,
        "resource": incident.resource,
        "problem": incident.problem,
        "severity": incident.severity,
        "phase": incident.phase,
        "title": incident.title,
        "affected": incident.affected.len(),
        "decision": decision,
        "tasks": incident.tasks,
        "opened_at": incident.opened_at,
        "resolved_at": incident.resolved_at,
        "resolution": incident.resolution,
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OneInput {
    /// The incident's number.
    id: i64,
}

/// One incident.
pub(super) struct GetIncident;

impl Tool for GetIncident {
    type Input = OneInput;
    const NAME: &'static str = "get_incident";
    const TITLE: &'static str = "Tell the story of an incident";
    const DESCRIPTION: &'static str = "The whole story of one incident: findings with their evidence, what it takes down, diagnoses (root cause, confidence, reasoning; the one \
         in force first), the decision with its reason, its tasks, and what happened when (`timeline`).";
    const FOREIGN: Option<&'static str> = Some("evidence and quotations of logs");

    async fn call(contract: Contract, input: OneInput) -> Result<Value, Fault> {
        let incident = contract
            .call_at::<One>(&input.id.to_string(), &Nothing {})
            .await?;
        Ok(json!({"incident": incident}))
    }
}
