//! The history's upkeep: summing finer points up into coarser ones, and removing what is older than is kept.
//!
//! One-minute points are summed into ten-minute points, those into two-hour points, block by block; a block of finer points is exactly one
//! coarser point of each series. A coarser point is always made anew from all of its finer ones and replaces what was there, so doing it
//! twice changes nothing. How far that has come, and from when on points are still there, stands in `metric_marks`: only what was summed
//! up is removed, and what was removed is never summed up again.
//! What it never does: hold the database for long; each transaction touches a bounded number of points.

use jiff::Timestamp;
use sqlx::{AnyConnection, Row};

use crate::ports::{Retention, StoreError};

use super::{
    SqlStore,
    connection::{Dialect, Write, failed, patiently},
};

/// The advisory lock of PostgreSQL for the history: readings come in under the shared, upkeep under the exclusive one. "STEWHIST".
const HISTORY_LOCK: i64 = 0x5354_4557_4849_5354;
/// Points that one transaction touches, about.
const BATCH: i64 = 20_000;
/// A day, seconds.
pub(super) const DAY: i64 = 86_400;

/// The length of a point's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resolution {
    Fine,
    Medium,
    Coarse,
}

impl Resolution {
    /// Finest first.
    pub(super) const ALL: [Self; 3] = [Self::Fine, Self::Medium, Self::Coarse];

    /// In seconds; its number in the database.
    pub(super) const fn seconds(self) -> i64 {
        match self {
            Self::Fine => 60,
            Self::Medium => 600,
            Self::Coarse => 7_200,
        }
    }

    /// The length of a block of its points, in seconds: that of one coarser point.
    const fn block_seconds(self) -> i64 {
        match self {
            Self::Fine => 600,
            Self::Medium => 7_200,
            Self::Coarse => DAY,
        }
    }

    /// The beginning of the point that a time (seconds since 1970) falls into.
    pub(super) const fn point(self, at: i64) -> i64 {
        floor(at, self.seconds())
    }

    /// The beginning of the block that a time falls into.
    pub(super) const fn block(self, at: i64) -> i64 {
        floor(at, self.block_seconds())
    }

    /// The block after this one.
    pub(super) const fn next_block(self, block: i64) -> i64 {
        block.saturating_add(self.block_seconds())
    }

    const fn position(self) -> usize {
        self as usize
    }
}

/// The multiple of `step` at or before `at`.
pub(super) const fn floor(at: i64, step: i64) -> i64 {
    at.div_euclid(step).saturating_mul(step)
}

/// How far the upkeep has come at one resolution, seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Until when its points have been summed up from finer ones. Not used for the finest.
    pub(super) summed_until: i64,
    /// Points before this may have been removed.
    pub(super) kept_from: i64,
}

/// The marks of all resolutions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks([Mark; 3]);

impl Marks {
    pub(super) const fn of(&self, resolution: Resolution) -> Mark {
        self.0[resolution.position()]
    }

    pub(super) async fn read(connection: &mut AnyConnection) -> Result<Self, StoreError> {
        let rows = sqlx::query("SELECT resolution, summed_until, kept_from FROM metric_marks")
            .fetch_all(connection)
            .await
            .map_err(failed)?;
        let mut marks = Self::default();
        for row in rows {
            let seconds: i64 = row.try_get(0).map_err(failed)?;
            let found = Resolution::ALL
                .into_iter()
                .find(|resolution| resolution.seconds() == seconds);
            if let Some(resolution) = found {
                marks.0[resolution.position()] = Mark {
                    summed_until: row.try_get(1).map_err(failed)?,
                    kept_from: row.try_get(2).map_err(failed)?,
                };
            }
        }
        Ok(marks)
    }
}

/// Sets until when the points of a resolution have been summed up.
pub(super) async fn set_summed_until(
    connection: &mut AnyConnection,
    resolution: Resolution,
    until: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE metric_marks SET summed_until = $1 WHERE resolution = $2")
        .bind(until)
        .bind(resolution.seconds())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

async fn first_block(
    connection: &mut AnyConnection,
    resolution: Resolution,
    from: i64,
    until: i64,
) -> Result<Option<i64>, StoreError> {
    sqlx::query_scalar(
        "SELECT MIN(block) FROM points WHERE resolution = $1 AND block >= $2 AND block < $3",
    )
    .bind(resolution.seconds())
    .bind(from)
    .bind(until)
    .fetch_one(connection)
    .await
    .map_err(failed)
}

/// The series up to which (exclusive) one transaction may go within a block, from `series` on.
async fn batch_end(
    connection: &mut AnyConnection,
    resolution: Resolution,
    block: i64,
    series: i64,
) -> Result<Option<i64>, StoreError> {
    let end: Option<i64> = sqlx::query_scalar(
        "SELECT series FROM points WHERE resolution = $1 AND block = $2 AND series >= $3
         ORDER BY series LIMIT 1 OFFSET $4",
    )
    .bind(resolution.seconds())
    .bind(block)
    .bind(series)
    .bind(BATCH)
    .fetch_optional(connection)
    .await
    .map_err(failed)?;
    // At least one series, so that it always goes on.
    Ok(end.map(|end| end.max(series + 1)))
}

impl SqlStore {
    /// Begins a transaction on the history.
    pub(super) async fn begin_history(&self, upkeep: bool) -> Result<Write<'_>, StoreError> {
        let mut write = self.writer.begin().await?;
        if self.dialect == Dialect::Postgres {
            let lock = if upkeep {
                "SELECT pg_advisory_xact_lock($1)"
            } else {
                "SELECT pg_advisory_xact_lock_shared($1)"
            };
            sqlx::query(lock)
                .bind(HISTORY_LOCK)
                .execute(&mut write.connection)
                .await
                .map_err(failed)?;
        }
        Ok(write)
    }

    pub(super) async fn tidy_history(
        &self,
        now: Timestamp,
        retention: Retention,
    ) -> Result<(), StoreError> {
        let now = now.as_second();
        // Other agents may have removed series that were not seen for long; what is still in use is looked up anew.
        self.series.clear();
        for (finer, coarser) in [
            (Resolution::Fine, Resolution::Medium),
            (Resolution::Medium, Resolution::Coarse),
        ] {
            let mut series = i64::MIN;
            while let Some(next) = patiently(self.sum_up(finer, coarser, series, now)).await? {
                series = next;
            }
        }
        let seconds = |kept: std::time::Duration| i64::try_from(kept.as_secs()).unwrap_or(i64::MAX);
        let kept = [
            seconds(retention.fine),
            seconds(retention.medium),
            seconds(retention.coarse),
        ];
        for (resolution, kept) in Resolution::ALL.into_iter().zip(kept) {
            let before = now.saturating_sub(kept);
            while patiently(self.remove_before(resolution, before)).await? {}
        }
        let longest = kept.into_iter().max().unwrap_or(i64::MAX);
        patiently(self.forget_series(now.saturating_sub(longest).saturating_sub(2 * DAY))).await
    }

    /// Sums up one batch of the next block. The series to go on with in the next call; `None` when all is done.
    async fn sum_up(
        &self,
        finer: Resolution,
        coarser: Resolution,
        series: i64,
        now: i64,
    ) -> Result<Option<i64>, StoreError> {
        let mut write = self.begin_history(true).await?;
        let connection = &mut write.connection;
        let marks = Marks::read(connection).await?;
        // Complete are points whose time has passed, and whose own finer points are complete.
        let until = match finer {
            Resolution::Fine => coarser.point(now),
            _ => coarser.point(marks.of(finer).summed_until.min(now)),
        };
        let from = marks
            .of(coarser)
            .summed_until
            .max(marks.of(finer).kept_from);
        let Some(block) = first_block(connection, finer, from, until).await? else {
            if from < until {
                set_summed_until(connection, coarser, until).await?;
            }
            write.commit().await?;
            return Ok(None);
        };
        let end = batch_end(connection, finer, block, series).await?;
        sqlx::query(
            "INSERT INTO points (resolution, block, series, at, readings, lowest, highest, total)
             SELECT $1, $2, series, $3, CAST(SUM(readings) AS BIGINT), MIN(lowest), MAX(highest), SUM(total)
             FROM points WHERE resolution = $4 AND block = $5 AND series >= $6 AND series < $7
             GROUP BY series
             ON CONFLICT (resolution, block, series, at) DO UPDATE SET
                 readings = excluded.readings, lowest = excluded.lowest,
                 highest = excluded.highest, total = excluded.total",
        )
        .bind(coarser.seconds())
        .bind(coarser.block(block))
        .bind(block)
        .bind(finer.seconds())
        .bind(block)
        .bind(series)
        .bind(end.unwrap_or(i64::MAX))
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
        if end.is_none() {
            set_summed_until(connection, coarser, finer.next_block(block)).await?;
        }
        write.commit().await?;
        Ok(Some(end.unwrap_or(i64::MIN)))
    }

    /// Removes one batch of what is older. Whether there may be more.
    async fn remove_before(&self, resolution: Resolution, before: i64) -> Result<bool, StoreError> {
        let mut write = self.begin_history(true).await?;
        let connection = &mut write.connection;
        let marks = Marks::read(connection).await?;
        let summed = match resolution {
            Resolution::Fine => marks.of(Resolution::Medium).summed_until,
            Resolution::Medium => marks.of(Resolution::Coarse).summed_until,
            Resolution::Coarse => i64::MAX,
        };
        let limit = resolution.block(before.min(summed));
        // Before the first point goes: whoever reads in between takes the coarser ones.
        if limit > marks.of(resolution).kept_from {
            sqlx::query("UPDATE metric_marks SET kept_from = $1 WHERE resolution = $2")
                .bind(limit)
                .bind(resolution.seconds())
                .execute(&mut *connection)
                .await
                .map_err(failed)?;
        }
        let Some(block) = first_block(connection, resolution, i64::MIN, limit).await? else {
            write.commit().await?;
            return Ok(false);
        };
        let end = batch_end(connection, resolution, block, i64::MIN).await?;
        sqlx::query("DELETE FROM points WHERE resolution = $1 AND block = $2 AND series < $3")
            .bind(resolution.seconds())
            .bind(block)
            .bind(end.unwrap_or(i64::MAX))
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
        write.commit().await?;
        Ok(true)
    }

    /// Removes the names of series whose points are all gone.
    async fn forget_series(&self, before: i64) -> Result<(), StoreError> {
        let mut write = self.begin_history(true).await?;
        sqlx::query("DELETE FROM series WHERE seen < $1")
            .bind(before)
            .execute(&mut write.connection)
            .await
            .map_err(failed)?;
        write.commit().await
    }
}
