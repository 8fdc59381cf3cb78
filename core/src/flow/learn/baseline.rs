//! What is normal for one metric of one resource at each hour of the day, learned from its kept history. Pure.
//!
//! What flows in: points of the history and the time zone that people live in. What flows out: for each hour the median and the range
//! in which nine of ten readings lay. What it never does: guess. An hour that was not seen on enough days is not known.
//!
//! For an hour, the means of the points that began within it or the hours beside it count, since a nightly job does not begin to the
//! second. Quantiles are Hyndman and Fan's type 7 ("Sample Quantiles in Statistical Packages", The American Statistician 50, 1996):
//! between neighbours they are interpolated. Median and quantiles are robust: a bad hour on one day of seven moves them little.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use steward_api::{Baseline, BaselinePoint, MetricPoint};

/// How far back is looked: ten-minute points are kept for seven days by default.
pub const LOOKS_BACK: SignedDuration = SignedDuration::from_hours(6 * 24);
/// Seconds between the points that are looked at.
pub const STEP: u32 = 600;
/// A band over a longer time would be too narrow to be read.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(31 * 24);
/// So many points an hour needs …
const LEAST_POINTS: usize = 24;
/// … from so many days.
const LEAST_DAYS: usize = 3;

/// What is normal in one hour of the day.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Normal {
    low: f64,
    median: f64,
    high: f64,
}

/// The band between two moments, hour by hour; none where no hour between them is known.
pub fn baseline(
    history: &[MetricPoint],
    (from, to): (Timestamp, Timestamp),
    zone: &TimeZone,
) -> Option<Baseline> {
    if to.duration_since(from) > LONGEST {
        return None;
    }
    let seen: Vec<(i8, Date, f64)> = history
        .iter()
        .filter(|point| point.mean.is_finite())
        .map(|point| {
            let local = zone.to_datetime(point.at);
            (local.hour(), local.date(), point.mean)
        })
        .collect();
    let hours: Vec<Option<Normal>> = (0..24).map(|hour| normal(&seen, hour)).collect();
    let first = from.as_second() - from.as_second().rem_euclid(3600);
    let points: Vec<BaselinePoint> = (0..)
        .map_while(|index: i64| {
            Timestamp::from_second(first.checked_add(index.checked_mul(3600)?)?).ok()
        })
        .take_while(|at| *at < to)
        .filter_map(|at| {
            let hour = usize::try_from(zone.to_datetime(at).hour()).ok()?;
            let normal = hours.get(hour).copied().flatten()?;
            Some(BaselinePoint {
                at,
                low: normal.low,
                median: normal.median,
                high: normal.high,
            })
        })
        .collect();
    let mut days: Vec<Date> = seen.iter().map(|(_, day, _)| *day).collect();
    days.sort_unstable();
    days.dedup();
    (!points.is_empty()).then(|| Baseline {
        days: u32::try_from(days.len()).unwrap_or(u32::MAX),
        step: 3600,
        points,
    })
}

fn normal(seen: &[(i8, Date, f64)], hour: i8) -> Option<Normal> {
    let near = |other: i8| matches!((other - hour).rem_euclid(24), 0 | 1 | 23);
    let mut days: Vec<Date> = Vec::new();
    let mut values: Vec<f64> = Vec::new();
    for (_, day, value) in seen.iter().filter(|(other, ..)| near(*other)) {
        days.push(*day);
        values.push(*value);
    }
    days.sort_unstable();
    days.dedup();
    if values.len() < LEAST_POINTS || days.len() < LEAST_DAYS {
        return None;
    }
    values.sort_by(f64::total_cmp);
    Some(Normal {
        low: quantile(&values, 0.05)?,
        median: quantile(&values, 0.5)?,
        high: quantile(&values, 0.95)?,
    })
}

/// A quantile of sorted values, interpolated between the two that it lies between; none of none.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index of a few thousand values, and never negative"
)]
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = (sorted.len().checked_sub(1)? as f64) * share;
    let (below, rest) = (place.floor(), place.fract());
    let low = *sorted.get(below as usize)?;
    let high = sorted.get(below as usize + 1).copied().unwrap_or(low);
    Some(low + (high - low) * rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Ten-minute points over so many days, each with the value of its hour.
    fn history(days: i64, value: impl Fn(i64, i64) -> f64) -> Vec<MetricPoint> {
        let begin = at("2025-11-10T00:00:00Z").as_second();
        (0..days * 144)
            .map(|index| {
                let mean = value(index / 144, index % 144 / 6);
                MetricPoint {
                    at: Timestamp::from_second(begin + index * 600).unwrap(),
                    min: mean,
                    mean,
                    max: mean,
                    count: 20,
                }
            })
            .collect()
    }

    fn hour() -> (Timestamp, Timestamp) {
        (at("2025-11-19T10:20:00Z"), at("2025-11-19T12:00:00Z"))
    }

    #[test]
    fn each_hour_has_its_own_band_and_one_bad_day_hardly_moves_it() {
        // Busy at noon; on one of seven days everything was at 99.
        let history = history(7, |day, hour| match (day, hour) {
            (3, _) => 99.0,
            (day, 9..=13) => 60.0 + day as f64,
            (day, _) => 10.0 + day as f64,
        });
        let found = baseline(&history, hour(), &TimeZone::UTC).unwrap();
        assert_eq!((found.days, found.step, found.points.len()), (7, 3600, 2));
        assert_eq!(found.points[0].at, at("2025-11-19T10:00:00Z"));
        let noon = found.points[1];
        assert!((60.0..61.0).contains(&noon.low), "{noon:?}");
        assert!((60.0..=66.0).contains(&noon.median), "{noon:?}");
        // The hour is that of the people's zone.
        let zone = TimeZone::fixed(jiff::tz::offset(-8));
        let night = baseline(&history, hour(), &zone).unwrap();
        assert!(
            night.points[0].median > 50.0,
            "10 UTC is busy wherever people live"
        );
    }

    #[test]
    fn what_was_not_seen_on_enough_days_is_not_known() {
        assert_eq!(
            baseline(&history(2, |_, _| 5.0), hour(), &TimeZone::UTC),
            None
        );
        assert!(baseline(&history(3, |_, _| 5.0), hour(), &TimeZone::UTC).is_some());
        assert_eq!(baseline(&[], hour(), &TimeZone::UTC), None);
        // Only nights were seen.
        let mut nights = history(6, |_, _| 5.0);
        nights.retain(|point| TimeZone::UTC.to_datetime(point.at).hour() < 4);
        assert_eq!(baseline(&nights, hour(), &TimeZone::UTC), None);
        let year = (at("2024-11-19T00:00:00Z"), at("2025-11-19T00:00:00Z"));
        assert_eq!(
            baseline(&history(6, |_, _| 5.0), year, &TimeZone::UTC),
            None
        );
    }

    #[test]
    fn quantiles_are_those_of_the_paper() {
        let values = [1.0, 2.0, 3.0, 4.0, 10.0];
        assert_eq!(quantile(&values, 0.5), Some(3.0));
        assert_eq!(quantile(&values, 0.25), Some(2.0));
        assert_eq!(
            quantile(&values, 0.95).map(|value| value.round()),
            Some(9.0)
        );
        assert_eq!(quantile(&[7.0], 0.95), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    proptest! {
        #[test]
        fn a_band_holds_its_median_and_lies_within_what_was_seen(values in prop::collection::vec(-1e9_f64..1e9, 432)) {
            let history = history(3, |_, _| 0.0);
            let history: Vec<_> = history.into_iter().zip(&values).map(|(point, value)| MetricPoint { mean: *value, ..point }).collect();
            let found = baseline(&history, hour(), &TimeZone::UTC).unwrap();
            let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(*value), most.max(*value)));
            for point in found.points {
                prop_assert!(least <= point.low && point.low <= point.median);
                prop_assert!(point.median <= point.high && point.high <= most);
            }
        }
    }
}
