//! Resources as last read: the list, one of them, its log, its metrics.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use axum::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use steward_api::{
    ContainerMetrics, ErrorCode, GetContainerMetrics, GetLog, GetResource, IncidentQuery,
    ListOffers, ListResources, LogTail, Metric, MetricQuery, Nothing, Offers, Resource,
    ResourceDetail, ResourceId, ResourceIdQuery, ResourceList, ResourceQuery, Unreadable,
};

use crate::engine::View;
use crate::server::{
    bind::{Answer, Call, Written, from_engine},
    error::Refusal,
    now, summary,
};

/// About how many bytes a resource takes as JSON; a list's memory is set aside in one piece by this.
const TYPICAL_SIZE: usize = 1280;
/// Incidents shown with a resource, at most.
const INCIDENTS_SHOWN: u32 = 20;

/// A [`ResourceList`] that borrows the picture it shows: a list of thousands is written without copying one of them.
#[derive(Serialize)]
struct BorrowedList<'a> {
    taken_at: Timestamp,
    resources: Vec<&'a Resource>,
    unreadable: &'a [Unreadable],
}

/// The list of everything, as it was last written. Every screen asks for it again and again, and mostly nothing has changed meanwhile.
#[derive(Debug, Default)]
pub(in crate::server) struct WholeList(Mutex<Option<(Weak<View>, Bytes)>>);

impl WholeList {
    fn of(&self, view: &Arc<View>) -> Option<Bytes> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, json) = kept.as_ref()?;
        // A weak pointer keeps its place in memory, so that no later picture can stand there.
        std::ptr::eq(of.as_ptr(), Arc::as_ptr(view)).then(|| json.clone())
    }

    fn keep(&self, view: &Arc<View>, json: Bytes) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((Arc::downgrade(view), json));
    }
}

impl Answer for ListResources {
    async fn answer(call: Call, query: ResourceQuery) -> Result<Written<ResourceList>, Refusal> {
        let view = call.app.handle.view();
        let is_whole = query == ResourceQuery::default();
        if is_whole && let Some(json) = call.app.whole_list.of(&view) {
            return Ok(Written::before(json));
        }
        let search = query.search.as_ref().map(|text| text.to_lowercase());
        let resources: Vec<&Resource> = view
            .resources
            .values()
            .map(AsRef::as_ref)
            .filter(|resource| {
                query.kind.is_none_or(|kind| resource.id.kind == kind)
                    && query.health.is_none_or(|health| resource.health == health)
                    && query.project.as_ref().is_none_or(|project| {
                        resource
                            .container()
                            .and_then(|facts| facts.compose.as_ref())
                            .is_some_and(|compose| &compose.project == project)
                    })
                    && search
                        .as_ref()
                        .is_none_or(|text| resource.id.to_string().to_lowercase().contains(text))
            })
            .collect();
        let size = (resources.len() + 1) * TYPICAL_SIZE;
        let written = Written::like(
            &BorrowedList {
                taken_at: view.taken_at,
                resources,
                unreadable: &view.unreadable,
            },
            size,
        )?;
        if is_whole {
            call.app.whole_list.keep(&view, written.bytes());
        }
        Ok(written)
    }
}

fn not_found(id: &ResourceId) -> Refusal {
    Refusal::new(
        ErrorCode::ResourceNotFound,
        format!("`{id}` is not among the resources; /api/resources lists them"),
    )
}

impl Answer for GetResource {
    async fn answer(
        call: Call,
        query: ResourceIdQuery,
    ) -> Result<Written<ResourceDetail>, Refusal> {
        let view = call.app.handle.view();
        let resource = view
            .resources
            .get(&query.id)
            .ok_or_else(|| not_found(&query.id))?;
        let incidents = call
            .store()
            .incidents(&IncidentQuery {
                resource: Some(query.id.clone()),
                limit: Some(INCIDENTS_SHOWN),
                ..IncidentQuery::default()
            })
            .await?;
        let statistics = call.store().statistics(&query.id).await?;
        Written::of(&ResourceDetail {
            resource: Resource::clone(resource),
            dependents: summary::dependents(&view, &query.id),
            incidents: incidents.items,
            statistics,
        })
    }
}

impl Answer for ListOffers {
    async fn answer(call: Call, query: ResourceIdQuery) -> Result<Written<Offers>, Refusal> {
        Written::of(&from_engine(call.app.handle.offers(query.id)).await?)
    }
}

impl Answer for GetLog {
    async fn answer(call: Call, query: ResourceIdQuery) -> Result<Written<LogTail>, Refusal> {
        if !call.app.handle.view().resources.contains_key(&query.id) {
            return Err(not_found(&query.id));
        }
        Written::of(&from_engine(call.app.handle.log_tail(query.id)).await?)
    }
}

/// What can be read of every container, whether or not the last reading brought it.
const CONTAINER_METRICS: [Metric; 6] = [
    Metric::CpuPercent,
    Metric::MemoryPercent,
    Metric::MemoryBytes,
    Metric::NetworkReceiveBytesPerSecond,
    Metric::NetworkSendBytesPerSecond,
    Metric::Processes,
];

impl Answer for GetContainerMetrics {
    async fn answer(call: Call, _: Nothing) -> Result<Written<ContainerMetrics>, Refusal> {
        let view = call.app.handle.view();
        let container: Arc<Resource> = summary::container(&view, &call.part)
            .cloned()
            .ok_or_else(|| container_not_found(&call.part))?;
        let statistics = call.store().statistics(&container.id).await?;
        let (to, hour) = (now(), SignedDuration::from_hours(1));
        let metrics: BTreeSet<Metric> = CONTAINER_METRICS
            .into_iter()
            .chain(container.metrics.keys().copied())
            .collect();
        let mut history = Vec::with_capacity(metrics.len());
        for metric in metrics {
            let query = MetricQuery {
                resource: container.id.clone(),
                metric,
                from: to.checked_sub(hour).ok(),
                to: Some(to),
                step: None,
            };
            history.push(call.store().series(&query, to).await?);
        }
        Written::of(&ContainerMetrics {
            container: Resource::clone(&container),
            statistics,
            history,
        })
    }
}

/// 404 for a container.
pub(super) fn container_not_found(name: &str) -> Refusal {
    Refusal::new(
        ErrorCode::ContainerNotFound,
        format!("There is no container `{name}`; /api/resources?kind=container lists them"),
    )
}
