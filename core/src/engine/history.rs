//! What is normal for a metric, from its history.

use jiff::{Timestamp, tz::TimeZone};
use steward_api::{Baseline, MetricQuery};

use crate::{
    flow::learn::baseline,
    ports::{Store, StoreError, later},
};

/// What is normal for the metric of a query between two moments, from the days before `now`; absent where that is not known.
///
/// # Errors
/// Where the history can't be read.
pub async fn normal(
    store: &dyn Store,
    query: &MetricQuery,
    shown: (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<Option<Baseline>, StoreError> {
    if shown.1.duration_since(shown.0) > baseline::LONGEST {
        return Ok(None);
    }
    let history = MetricQuery {
        from: Some(later(now, -baseline::LOOKS_BACK)),
        to: Some(now),
        step: Some(baseline::STEP),
        ..query.clone()
    };
    let history = store.series(&history, now).await?;
    // Where only coarser points are kept, an hour can't be told from the next.
    if history.step > baseline::STEP {
        return Ok(None);
    }
    Ok(baseline::baseline(
        &history.points,
        shown,
        &TimeZone::system(),
    ))
}
