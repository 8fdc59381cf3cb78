//! The history of one metric.

use jiff::{SignedDuration, Timestamp};
use steward_api::{ErrorCode, GetMetrics, MetricQuery, MetricSeries};

use crate::{
    engine::normal,
    server::{
        bind::{Answer, Call, Written},
        error::Refusal,
        now,
    },
};

impl Answer for GetMetrics {
    async fn answer(call: Call, mut query: MetricQuery) -> Result<Written<MetricSeries>, Refusal> {
        if query.step == Some(0) {
            return Err(Refusal::bad_request(
                "step: 0 is out of range; it should be 1 second or more",
            ));
        }
        let now = now();
        let to = query.to.unwrap_or(now);
        let from = query.from.unwrap_or_else(|| {
            to.checked_sub(SignedDuration::from_hours(1))
                .unwrap_or(Timestamp::MIN)
        });
        if from > to {
            return Err(Refusal::bad_request(format!(
                "from: {from} lies after to ({to})"
            )));
        }
        (query.from, query.to) = (Some(from), Some(to));
        let known = call
            .app
            .handle
            .view()
            .resources
            .contains_key(&query.resource);
        let mut series = call.store().series(&query, now).await?;
        // A resource that is gone still has its history.
        if !known && series.points.is_empty() {
            return Err(Refusal::new(
                ErrorCode::ResourceNotFound,
                format!(
                    "`{}` is not among the resources, and there is no history of it in that time",
                    query.resource
                ),
            ));
        }
        if !series.points.is_empty() {
            series.baseline = normal(call.store(), &query, (from, to), now).await?;
        }
        Written::of(&series)
    }
}
