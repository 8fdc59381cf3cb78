//! The history of a metric.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use steward_api::{GetMetrics as Series, Metric, MetricQuery, ResourceId};
use utoipa::ToSchema;

use super::Tool;
use crate::mcp::contract::{Contract, Fault};

/// Points that are given at most where no step is asked for.
const MOST_POINTS: usize = 120;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Of which resource, by its full id, such as atlas/container/nginx.
    resource: ResourceId,
    /// Which metric. The `metrics` of get_resource show which ones a resource has.
    metric: Metric,
    /// From when (RFC 3339); an hour before `to` by default.
    #[serde(default)]
    from: Option<Timestamp>,
    /// Until when (RFC 3339); now by default.
    #[serde(default)]
    to: Option<Timestamp>,
    /// Seconds between points; by default such that there are at most 120.
    #[serde(default)]
    #[schema(minimum = 1)]
    step: Option<u32>,
}

/// The history of one metric of one resource.
pub(super) struct GetMetrics;

impl Tool for GetMetrics {
    type Input = Input;
    const NAME: &'static str = "get_metrics";
    const TITLE: &'static str = "Read the history of a metric";
    const DESCRIPTION: &'static str = "The history of one metric of one resource, oldest first: lowest, mean and highest of each step, with the unit. A time without a point is \
         a time without a reading, not zero. `baseline`, where it is known, is what is normal at that hour.";

    async fn call(contract: Contract, input: Input) -> Result<Value, Fault> {
        let mut query = MetricQuery {
            resource: input.resource,
            metric: input.metric,
            from: input.from,
            to: input.to,
            step: input.step,
        };
        let mut series = contract.call::<Series>(&query).await?;
        if input.step.is_none() && series.points.len() > MOST_POINTS {
            let coarser = series.points.len().div_ceil(MOST_POINTS);
            let factor = u32::try_from(coarser).unwrap_or(u32::MAX);
            query.step = Some(series.step.saturating_mul(factor));
            series = contract.call::<Series>(&query).await?;
        }
        Ok(json!(series))
    }
}
