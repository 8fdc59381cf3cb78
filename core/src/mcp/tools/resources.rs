//! What is looked after: the list, one of them, a container's log.

use serde::Deserialize;
use serde_json::{Value, json};
use steward_api::{
    GetLog as Log, GetResource as Resource, Health, ListResources as Resources, ResourceId,
    ResourceIdQuery, ResourceKind, ResourceQuery,
};
use utoipa::ToSchema;

use super::{Tool, page_size};
use crate::mcp::{
    bounds,
    contract::{Contract, Fault},
};

/// Incidents shown with a resource.
const INCIDENTS: usize = 5;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListInput {
    /// Only of this kind.
    #[serde(default)]
    kind: Option<ResourceKind>,
    /// Only in this health. `unknown` means that it could not be read, which is not the same as well.
    #[serde(default)]
    health: Option<Health>,
    /// Only of this Compose project.
    #[serde(default)]
    project: Option<String>,
    /// Only those whose id contains this text, in any case.
    #[serde(default)]
    search: Option<String>,
    /// The `next` of the page before, for the page after it.
    #[serde(default)]
    cursor: Option<String>,
    /// How many at most; 50 by default, 200 at most.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// The list of what is looked after.
pub(super) struct ListResources;

impl Tool for ListResources {
    type Input = ListInput;
    const NAME: &'static str = "list_resources";
    const TITLE: &'static str = "List what is looked after";
    const DESCRIPTION: &'static str = "Lists what Steward looks after (hosts, container engines, containers, disks, failed systemd units, network, HTTP services, \
         databases …), as last read, with id, health, why, and the newest metrics. Use the filters: `health: unhealthy` finds what is \
         broken. `total` counts all that match; where `next` is given there are more: pass it as `cursor`. `unreadable` names what could \
         not be read, so that its absence here means nothing. The ids go into get_resource, get_log and get_metrics.";
    const FOREIGN: Option<&'static str> = Some("names and reasons");

    async fn call(contract: Contract, input: ListInput) -> Result<Value, Fault> {
        let limit = page_size(input.limit, 50, 200)?;
        let after: Option<ResourceId> = input
            .cursor
            .map(|cursor| {
                cursor.parse().map_err(|error| {
                    Fault::Input(format!("cursor: {error}; it should be a page's `next`"))
                })
            })
            .transpose()?;
        let query = ResourceQuery {
            kind: input.kind,
            health: input.health,
            project: input.project,
            search: input.search,
        };
        let list = contract.call::<Resources>(&query).await?;
        let total = list.resources.len();
        let mut rest: Vec<_> = list
            .resources
            .into_iter()
            .filter(|resource| after.as_ref().is_none_or(|after| resource.id > *after))
            .collect();
        rest.sort_by(|one, other| one.id.cmp(&other.id));
        let more = rest.len() > limit as usize;
        rest.truncate(limit as usize);
        let next = rest
            .last()
            .filter(|_| more)
            .map(|resource| resource.id.clone());
        let rows: Vec<Row> = rest
            .into_iter()
            .map(|resource| Row {
                runs_on: resource.runs_on,
                image: match &resource.facts {
                    steward_api::Facts::Container(facts) => Some(facts.image.clone()),
                    _ => None,
                },
                id: resource.id,
                health: resource.health,
                reason: resource.reason,
                metrics: resource.metrics,
            })
            .collect();
        let (resources, next) = bounds::page(rows, next, |row| row.id.clone());
        Ok(json!({
            "taken_at": list.taken_at,
            "total": total,
            "resources": resources,
            "next": next,
            "unreadable": list.unreadable,
        }))
    }
}

#[derive(serde::Serialize)]
struct Row {
    id: ResourceId,
    health: Health,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runs_on: Option<ResourceId>,
    metrics: std::collections::BTreeMap<steward_api::Metric, f64>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OneInput {
    /// Which, by its full id from list_resources, such as atlas/container/nginx.
    id: ResourceId,
}

/// One of them.
pub(super) struct GetResource;

impl Tool for GetResource {
    type Input = OneInput;
    const NAME: &'static str = "get_resource";
    const TITLE: &'static str = "Show one resource";
    const DESCRIPTION: &'static str = "All that is known of one resource: its facts (for a container: image, state, restarts, limits, ports, labels …), metrics, what it \
         depends on, what depends on it (`dependents`), its last incidents and what has happened to it so far.";
    const FOREIGN: Option<&'static str> =
        Some("labels, image names, health check output, and the evidence of incidents");

    async fn call(contract: Contract, input: OneInput) -> Result<Value, Fault> {
        let mut detail = contract
            .call::<Resource>(&ResourceIdQuery { id: input.id })
            .await?;
        detail.incidents.truncate(INCIDENTS);
        let incidents: Vec<_> = detail.incidents.iter().map(super::incidents::row).collect();
        Ok(json!({
            "resource": detail.resource,
            "dependents": detail.dependents,
            "last_incidents": incidents,
            "statistics": detail.statistics,
        }))
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogInput {
    /// Which, by its full id, such as atlas/container/nginx.
    id: ResourceId,
    /// How many of the last lines; 60 by default, 200 at most.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 200)]
    lines: Option<u32>,
}

/// The end of a log.
pub(super) struct GetLog;

impl Tool for GetLog {
    type Input = LogInput;
    const NAME: &'static str = "get_log";
    const TITLE: &'static str = "Read the end of a container's log";
    const DESCRIPTION: &'static str = "The last lines of a container's log, oldest first; secrets in it are blacked out. `available` says how many lines could be had.";
    const FOREIGN: Option<&'static str> = Some("the lines of a log");

    async fn call(contract: Contract, input: LogInput) -> Result<Value, Fault> {
        let wanted = page_size(input.lines, 60, 200)? as usize;
        let mut tail = contract
            .call::<Log>(&ResourceIdQuery { id: input.id })
            .await?;
        let available = tail.lines.len();
        tail.lines.drain(..available.saturating_sub(wanted));
        Ok(json!({
            "resource": tail.resource,
            "available": available,
            "lines": tail.lines,
        }))
    }
}
