//! The history of metrics: taking readings in, and reading one metric's history.
//!
//! Readings are gathered into one-minute points (how many, lowest, highest, sum); a series of points comes out, at the finest resolution
//! that reaches back far enough. A time without readings has no point, ever.
//! What it never does: keep single readings, or touch the journal.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use steward_api::{Metric, MetricPoint, MetricQuery, MetricSeries, ResourceId};

use crate::ports::{Sample, StoreError};

use super::{
    SqlStore,
    connection::{Snapshot, failed, patiently},
    history::{DAY, Marks, Resolution, floor, set_summed_until},
    journal::placeholders,
};

/// Points written in one statement. Small enough for its prepared form to be kept without using much memory.
const ROWS: usize = 64;
/// Names looked up in one statement.
const NAMES: usize = 100;
/// Points in an answer where the query does not say a step.
const POINTS: i64 = 500;
/// Points in an answer at most; a finer step is widened.
const MOST_POINTS: i64 = 10_000;

/// The numbers of the series in use, so that they need not be looked up for every reading.
#[derive(Default)]
pub(super) struct SeriesCache(Mutex<HashMap<ResourceId, Numbers>>);

/// The series' number for each metric, by its position in the contract's list; 0 where there is none yet.
type Numbers = [i64; Metric::ALL.len()];

impl SeriesCache {
    pub(super) fn clear(&self) {
        *self.lock() = HashMap::new();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ResourceId, Numbers>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn position(metric: Metric) -> usize {
    Metric::ALL
        .iter()
        .position(|known| *known == metric)
        .unwrap_or_default()
}

/// What was seen within one point's time.
#[derive(Clone, Copy)]
struct Gathered {
    readings: i64,
    lowest: f64,
    highest: f64,
    total: f64,
}

impl Gathered {
    const fn one(value: f64) -> Self {
        Self {
            readings: 1,
            lowest: value,
            highest: value,
            total: value,
        }
    }

    fn add(&mut self, other: Self) {
        self.readings += other.readings;
        self.lowest = self.lowest.min(other.lowest);
        self.highest = self.highest.max(other.highest);
        self.total += other.total;
    }
}

impl SqlStore {
    pub(super) async fn record_samples(&self, samples: &[Sample]) -> Result<(), StoreError> {
        if samples.is_empty() {
            return Ok(());
        }
        let outcome = patiently(self.record_now(samples)).await;
        if outcome.is_err() {
            // What was looked up in a transaction that failed may not be there.
            self.series.clear();
        }
        outcome
    }

    async fn record_now(&self, samples: &[Sample]) -> Result<(), StoreError> {
        let mut write = self.begin_history(false).await?;
        let connection = &mut write.connection;
        let marks = Marks::read(connection).await?;
        let kept_from = marks.of(Resolution::Fine).kept_from;
        // What is no number has no place in a sum, and what is older than is kept would make a coarser point of a part of its readings.
        // (`kept_from` is never below 0, so there is no time before 1970.)
        let usable: Vec<_> = samples
            .iter()
            .filter(|sample| sample.value.is_finite() && sample.at.as_second() >= kept_from)
            .collect();
        self.learn_series(connection, &usable).await?;

        let mut points: BTreeMap<(i64, i64), Gathered> = BTreeMap::new();
        {
            let known = self.series.lock();
            for sample in &usable {
                let series = known
                    .get(&sample.resource)
                    .map_or(0, |numbers| numbers[position(sample.metric)]);
                let at = Resolution::Fine.point(sample.at.as_second());
                let one = Gathered::one(sample.value);
                points
                    .entry((series, at))
                    .and_modify(|gathered| gathered.add(one))
                    .or_insert(one);
            }
        }
        let points: Vec<_> = points.into_iter().collect();
        for chunk in points.chunks(ROWS) {
            add_points(connection, chunk).await?;
        }
        // A late reading changes what was summed up already: the upkeep has to come by again.
        if let Some(earliest) = points.iter().map(|((_, at), _)| *at).min() {
            for resolution in [Resolution::Medium, Resolution::Coarse] {
                let point = resolution.point(earliest);
                if point < marks.of(resolution).summed_until {
                    set_summed_until(connection, resolution, point).await?;
                }
            }
        }
        write.commit().await
    }

    /// Sees to it that every series of these samples has its number in the cache.
    async fn learn_series(
        &self,
        connection: &mut AnyConnection,
        samples: &[&Sample],
    ) -> Result<(), StoreError> {
        let missing: Vec<_> = {
            let known = self.series.lock();
            let mut seen = HashSet::new();
            samples
                .iter()
                .filter(|sample| {
                    known
                        .get(&sample.resource)
                        .is_none_or(|numbers| numbers[position(sample.metric)] == 0)
                })
                .filter(|sample| seen.insert((&sample.resource, sample.metric)))
                .collect()
        };
        for chunk in missing.chunks(NAMES) {
            // The last day with a reading is brought up to date here, each time the cache is filled, so at most once a day in fact.
            let sql = format!(
                "INSERT INTO series (resource, metric, seen) VALUES {}
                 ON CONFLICT (resource, metric) DO UPDATE SET seen = excluded.seen WHERE series.seen < excluded.seen",
                placeholders(chunk.len(), 3)
            );
            let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
            for sample in chunk {
                query = query
                    .bind(sample.resource.to_string())
                    .bind(position(sample.metric) as i64)
                    .bind(floor(sample.at.as_second(), DAY));
            }
            query.execute(&mut *connection).await.map_err(failed)?;

            let mut resources: Vec<_> = chunk.iter().map(|sample| &sample.resource).collect();
            resources.sort();
            resources.dedup();
            let sql = format!(
                "SELECT id, resource, metric FROM series WHERE resource IN {}",
                placeholders(1, resources.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
            for resource in resources {
                query = query.bind(resource.to_string());
            }
            let rows = query.fetch_all(&mut *connection).await.map_err(failed)?;
            // Every metric of a resource comes back, but only those that are asked for were marked as seen: the others stay unknown.
            let asked: HashSet<_> = chunk
                .iter()
                .map(|sample| (sample.resource.to_string(), position(sample.metric) as i64))
                .collect();
            let mut known = self.series.lock();
            for row in rows {
                let resource: String = row.try_get(1).map_err(failed)?;
                let metric: i64 = row.try_get(2).map_err(failed)?;
                if !asked.contains(&(resource.clone(), metric)) {
                    continue;
                }
                let id: ResourceId = resource.parse().map_err(|error: steward_api::IdError| {
                    StoreError::Corrupt(error.to_string())
                })?;
                let numbers = known.entry(id).or_default();
                if let Some(number) = usize::try_from(metric)
                    .ok()
                    .and_then(|metric| numbers.get_mut(metric))
                {
                    *number = row.try_get(0).map_err(failed)?;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn read_series(
        &self,
        query: &MetricQuery,
        now: Timestamp,
    ) -> Result<MetricSeries, StoreError> {
        let mut snapshot = Snapshot::begin(&self.readers, self.dialect).await?;
        let connection = &mut *snapshot.connection;
        let to = query.to.unwrap_or(now);
        let from = query.from.unwrap_or_else(|| {
            to.checked_sub(SignedDuration::from_hours(1))
                .unwrap_or(Timestamp::MIN)
        });
        let (from, to) = (from.as_second(), to.as_second());
        let marks = Marks::read(connection).await?;
        let resolution = Resolution::ALL
            .into_iter()
            .find(|resolution| from >= marks.of(*resolution).kept_from)
            .unwrap_or(Resolution::Coarse);
        let step = step_of(query.step, resolution, to.saturating_sub(from));

        let series: Option<i64> =
            sqlx::query_scalar("SELECT id FROM series WHERE resource = $1 AND metric = $2")
                .bind(query.resource.to_string())
                .bind(position(query.metric) as i64)
                .fetch_optional(&mut *connection)
                .await
                .map_err(failed)?;
        let mut points = Vec::new();
        if let Some(series) = series {
            let mut groups = Groups {
                step,
                open: None,
                points: &mut points,
            };
            for (resolution, from, until) in parts(resolution, &marks, from, to) {
                read_part(connection, series, resolution, from, until, &mut groups).await?;
            }
            groups.end()?;
        }
        snapshot.end().await?;
        Ok(MetricSeries {
            resource: query.resource.clone(),
            metric: query.metric,
            unit: query.metric.unit().to_owned(),
            step: u32::try_from(step).unwrap_or(u32::MAX),
            points,
            // That is learned of the history, not kept with it.
            baseline: None,
        })
    }
}

/// The step of an answer, seconds: a multiple of the resolution.
fn step_of(asked: Option<u32>, resolution: Resolution, range: i64) -> i64 {
    let seconds = resolution.seconds();
    let range = range.max(0);
    let at_most = |points: i64| {
        // One more, since both ends may cut a point.
        let steps = range / seconds + 1;
        (steps / points + i64::from(steps % points != 0)).max(1) * seconds
    };
    match asked {
        None => at_most(POINTS),
        Some(asked) => {
            let asked = i64::from(asked).max(1);
            let rounded = (asked / seconds + i64::from(asked % seconds != 0)) * seconds;
            rounded.max(at_most(MOST_POINTS))
        }
    }
}

/// From which points a range (seconds, both ends included) is read: as far as the chosen ones have been summed up, then finer ones.
fn parts(resolution: Resolution, marks: &Marks, from: i64, to: i64) -> Vec<(Resolution, i64, i64)> {
    let end = to.saturating_add(1);
    let mut from = resolution.point(from);
    let mut parts = Vec::new();
    for resolution in Resolution::ALL
        .into_iter()
        .rev()
        .filter(|r| *r <= resolution)
    {
        let until = match resolution {
            Resolution::Fine => end,
            _ => marks.of(resolution).summed_until.min(end),
        };
        if from < until {
            parts.push((resolution, from, until));
            from = until;
        }
    }
    parts
}

/// Points gathered to the step of the answer, as they come.
struct Groups<'p> {
    step: i64,
    open: Option<(i64, Gathered)>,
    points: &'p mut Vec<MetricPoint>,
}

impl Groups<'_> {
    fn add(&mut self, at: i64, gathered: Gathered) -> Result<(), StoreError> {
        let begin = floor(at, self.step);
        match &mut self.open {
            Some((open, sum)) if *open == begin => sum.add(gathered),
            _ => {
                self.end()?;
                self.open = Some((begin, gathered));
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), StoreError> {
        let Some((at, sum)) = self.open.take() else {
            return Ok(());
        };
        self.points.push(MetricPoint {
            at: Timestamp::from_second(at)
                .map_err(|_| StoreError::Corrupt(format!("{at} is no time")))?,
            min: sum.lowest,
            mean: sum.total / sum.readings as f64,
            max: sum.highest,
            count: u64::try_from(sum.readings).unwrap_or_default(),
        });
        Ok(())
    }
}

async fn read_part(
    connection: &mut AnyConnection,
    series: i64,
    resolution: Resolution,
    from: i64,
    until: i64,
    groups: &mut Groups<'_>,
) -> Result<(), StoreError> {
    // The blocks that there are at all bound how many are looked into, whatever range was asked for.
    let bounds = sqlx::query(
        "SELECT (SELECT MIN(block) FROM points WHERE resolution = $1), (SELECT MAX(block) FROM points WHERE resolution = $1)",
    )
    .bind(resolution.seconds())
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    let first: Option<i64> = bounds.try_get(0).map_err(failed)?;
    let last: Option<i64> = bounds.try_get(1).map_err(failed)?;
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(());
    };
    let first = resolution.block(from).max(first);
    let last = resolution.block(until - 1).min(last);
    if first > last {
        return Ok(());
    }
    let mut rows = sqlx::query(
        "WITH RECURSIVE blocks (block) AS (
             SELECT $1 UNION ALL SELECT block + $2 FROM blocks WHERE block < $3
         )
         SELECT p.at, p.readings, p.lowest, p.highest, p.total
         FROM blocks CROSS JOIN points p
         WHERE p.resolution = $4 AND p.block = blocks.block AND p.series = $5 AND p.at >= $6 AND p.at < $7
         ORDER BY p.at",
    )
    .bind(first)
    .bind(resolution.next_block(0))
    .bind(last)
    .bind(resolution.seconds())
    .bind(series)
    .bind(from)
    .bind(until)
    .fetch(connection);
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        let gathered = Gathered {
            readings: row.try_get(1).map_err(failed)?,
            lowest: row.try_get(2).map_err(failed)?,
            highest: row.try_get(3).map_err(failed)?,
            total: row.try_get(4).map_err(failed)?,
        };
        groups.add(row.try_get(0).map_err(failed)?, gathered)?;
    }
    Ok(())
}

/// Adds to one-minute points.
async fn add_points(
    connection: &mut AnyConnection,
    points: &[((i64, i64), Gathered)],
) -> Result<(), StoreError> {
    // The block is told from the time here rather than sent: fewer values to carry over.
    let block = Resolution::Fine.next_block(0);
    let rows: Vec<_> = (0..points.len())
        .map(|row| {
            let [series, at, readings, lowest, highest, total] =
                std::array::from_fn(|column| row * 6 + column + 1);
            format!(
                "({}, ${at} - ${at} % {block}, ${series}, ${at}, ${readings}, ${lowest}, ${highest}, ${total})",
                Resolution::Fine.seconds()
            )
        })
        .collect();
    let sql = format!(
        "INSERT INTO points (resolution, block, series, at, readings, lowest, highest, total) VALUES {}
         ON CONFLICT (resolution, block, series, at) DO UPDATE SET
             readings = points.readings + excluded.readings,
             lowest = CASE WHEN excluded.lowest < points.lowest THEN excluded.lowest ELSE points.lowest END,
             highest = CASE WHEN excluded.highest > points.highest THEN excluded.highest ELSE points.highest END,
             total = points.total + excluded.total",
        rows.join(", ")
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(points.len() == ROWS);
    for ((series, at), gathered) in points {
        query = query
            .bind(*series)
            .bind(*at)
            .bind(gathered.readings)
            .bind(gathered.lowest)
            .bind(gathered.highest)
            .bind(gathered.total);
    }
    query.execute(connection).await.map_err(failed)?;
    Ok(())
}
