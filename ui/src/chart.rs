//! A metric's history as a drawing: lines, the band between lowest and highest, ticks with units.
//!
//! What flows through: the points of a series in, paths and ticks out, in units of a drawing 1000 wide and 100 high. What it never does:
//! draw a line through a time without readings.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp, tz::Offset};
use steward_api::{BaselinePoint, Metric, MetricPoint, MetricSeries};

use crate::format;

/// The drawing's width in its own units.
pub const WIDTH: f64 = 1000.0;
/// The drawing's height in its own units.
pub const HEIGHT: f64 = 100.0;

/// How much time a chart shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Span {
    #[default]
    Hour,
    SixHours,
    Day,
    Week,
    Month,
}

impl Span {
    /// All, shortest first.
    pub const ALL: [Self; 5] = [
        Self::Hour,
        Self::SixHours,
        Self::Day,
        Self::Week,
        Self::Month,
    ];

    /// In hours.
    pub const fn hours(self) -> i64 {
        match self {
            Self::Hour => 1,
            Self::SixHours => 6,
            Self::Day => 24,
            Self::Week => 24 * 7,
            Self::Month => 24 * 30,
        }
    }

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Hour => "1 h",
            Self::SixHours => "6 h",
            Self::Day => "24 h",
            Self::Week => "7 d",
            Self::Month => "30 d",
        }
    }

    /// When it begins, where it ends at `to`.
    pub fn from(self, to: Timestamp) -> Timestamp {
        to.checked_sub(SignedDuration::from_hours(self.hours()))
            .unwrap_or(Timestamp::MIN)
    }
}

/// A labelled place on an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Where, percent of the drawing from the left or from the top.
    pub percent: f64,
    /// What stands there.
    pub label: String,
}

/// A drawn history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawing {
    /// The means, one path for all.
    pub line: String,
    /// Readings with none beside them.
    pub dots: String,
    /// The area between lowest and highest, one path for all.
    pub band: String,
    /// The area of what is normal, one path for all; empty where that is not known.
    pub normal: String,
    /// Values, highest first.
    pub values: Vec<Tick>,
    /// Times, oldest first.
    pub times: Vec<Tick>,
}

/// Draws the points of a series that lie between two moments.
pub fn draw(series: &MetricSeries, from: Timestamp, to: Timestamp, offset: Offset) -> Drawing {
    let highest = series
        .points
        .iter()
        .map(|point| point.max)
        .chain(shown_normal(series, from, to).map(|(_, _, normal)| normal.high))
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    let (top, step) = scale(series.metric, highest);
    let x = |at: Timestamp| place(at, from, to) * WIDTH;
    let y = |value: f64| HEIGHT - (value / top).clamp(0.0, 1.0) * HEIGHT;
    let mut drawing = Drawing {
        values: values(series.metric, top, step),
        times: times(from, to, offset),
        ..Drawing::default()
    };
    // A step for each hour: between two of them it is not known to change evenly.
    for (begin, end, normal) in shown_normal(series, from, to) {
        let (left, right) = (x(begin), x(end));
        let (high, low) = (y(normal.high), y(normal.low));
        let _ = write!(
            drawing.normal,
            "M{left:.1} {high:.1}H{right:.1}V{low:.1}H{left:.1}Z"
        );
    }
    for run in runs(series) {
        if let [lone] = run {
            // A line of no length shows as a dot with round ends.
            let _ = write!(drawing.dots, "M{:.1} {:.1}h0", x(lone.at), y(lone.mean));
            continue;
        }
        for (index, point) in run.iter().enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            let _ = write!(
                drawing.line,
                "{letter}{:.1} {:.1}",
                x(point.at),
                y(point.mean)
            );
        }
        for (index, point) in run.iter().enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            let _ = write!(
                drawing.band,
                "{letter}{:.1} {:.1}",
                x(point.at),
                y(point.max)
            );
        }
        for point in run.iter().rev() {
            let _ = write!(drawing.band, "L{:.1} {:.1}", x(point.at), y(point.min));
        }
        drawing.band.push('Z');
    }
    drawing
}

/// The parts of what is normal that lie between two moments, each from when to when.
fn shown_normal(
    series: &MetricSeries,
    from: Timestamp,
    to: Timestamp,
) -> impl Iterator<Item = (Timestamp, Timestamp, &BaselinePoint)> {
    let known = series.baseline.iter();
    known
        .flat_map(|baseline| {
            let step = SignedDuration::from_secs(i64::from(baseline.step));
            baseline.points.iter().map(move |point| (point, step))
        })
        .filter_map(move |(point, step)| {
            let begin = point.at.max(from);
            let end = point.at.checked_add(step).ok()?.min(to);
            (begin < end).then_some((begin, end, point))
        })
}

/// What is normal at a moment; absent where that is not known.
pub fn normal_at(series: &MetricSeries, at: Timestamp) -> Option<&BaselinePoint> {
    let baseline = series.baseline.as_ref()?;
    let step = i64::from(baseline.step);
    baseline.points.iter().find(|point| {
        let into = at.as_second() - point.at.as_second();
        (0..step).contains(&into)
    })
}

/// What the area behind a chart means: `normal: 10 % to 40 %`, or that it is not known yet.
pub fn normal_in_words(series: &MetricSeries) -> String {
    let last = series.points.last();
    match (
        last.and_then(|last| normal_at(series, last.at)),
        &series.baseline,
    ) {
        (Some(normal), Some(baseline)) => format!(
            "Normal at this hour: {} to {} ({} days seen)",
            format::metric(series.metric, normal.low),
            format::metric(series.metric, normal.high),
            baseline.days
        ),
        _ => "What is normal at this hour is not known yet".to_owned(),
    }
}

/// Where a moment lies between two others, 0 to 1.
#[allow(clippy::cast_precision_loss, reason = "places on a drawing")]
pub(crate) fn place(at: Timestamp, from: Timestamp, to: Timestamp) -> f64 {
    let whole = (to.as_millisecond() - from.as_millisecond()).max(1) as f64;
    ((at.as_millisecond() - from.as_millisecond()) as f64 / whole).clamp(0.0, 1.0)
}

/// The points in runs without a gap.
fn runs(series: &MetricSeries) -> Vec<&[MetricPoint]> {
    let most = i64::from(series.step.max(1)) * 1500;
    series
        .points
        .chunk_by(|one, next| next.at.as_millisecond() - one.at.as_millisecond() <= most)
        .collect()
}

/// The point nearest to a place, 0 to 1, from the left; absent where nothing was read there.
pub fn nearest(
    series: &MetricSeries,
    from: Timestamp,
    to: Timestamp,
    wanted: f64,
) -> Option<&MetricPoint> {
    let distance = |point: &MetricPoint| (place(point.at, from, to) - wanted).abs();
    let point = series
        .points
        .iter()
        .min_by(|one, other| distance(one).total_cmp(&distance(other)))?;
    let seconds = to.duration_since(from).as_secs_f64().max(1.0);
    (distance(point) * seconds <= f64::from(series.step.max(1)) * 1.5).then_some(point)
}

/// Where on the drawing a point stands, percent from the left.
pub fn percent_of(point: &MetricPoint, from: Timestamp, to: Timestamp) -> f64 {
    place(point.at, from, to) * 100.0
}

/// The top of the scale and the distance between its lines: round numbers, at least what was reached.
fn scale(metric: Metric, highest: f64) -> (f64, f64) {
    let unit = metric.unit();
    let highest = highest.max(match unit {
        "%" => 4.0,
        "B" | "B/s" => 1024.0,
        _ => f64::EPSILON,
    });
    // 99 percent fits under 100, not under 120.
    if unit == "%" && highest > 50.0 && highest <= 100.0 {
        return (100.0, 25.0);
    }
    let rough = highest / 4.0;
    // Bytes are counted in powers of two: 256 MiB and 1 GiB stand on one scale, 200 MiB and 1 GiB do not.
    let step = if unit.starts_with('B') {
        rough.log2().ceil().exp2()
    } else {
        let power = 10.0_f64.powf(rough.log10().floor());
        // There is no half a process.
        let power = if metric == Metric::Processes {
            power.max(1.0)
        } else {
            power
        };
        [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| step * 4.0 >= highest * 0.999)
            .unwrap_or(power * 10.0)
    };
    let lines = (highest / step).ceil().max(1.0);
    (lines * step, step)
}

fn values(metric: Metric, top: f64, step: f64) -> Vec<Tick> {
    let mut ticks = Vec::new();
    let mut value = 0.0;
    while value <= top * 1.001 && ticks.len() < 10 {
        ticks.push(Tick {
            percent: 100.0 - value / top * 100.0,
            label: label(metric, value, step),
        });
        value += step;
    }
    ticks.reverse();
    ticks
}

fn label(metric: Metric, value: f64, step: f64) -> String {
    match metric.unit() {
        "%" if step < 1.0 => format!("{value:.1} %"),
        "%" => format!("{value:.0} %"),
        "" | "ms" if step >= 1.0 => format!("{value:.0} {}", metric.unit())
            .trim_end()
            .to_owned(),
        "" => format!("{value:.1}"),
        _ => format::metric(metric, value),
    }
}

/// Three to five moments at round times of the reader's day.
pub(crate) fn times(from: Timestamp, to: Timestamp, offset: Offset) -> Vec<Tick> {
    const STEPS: [i64; 15] = [
        60, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400, 172_800,
        432_000, 604_800,
    ];
    let whole = to.duration_since(from).as_secs().max(1);
    let step = STEPS
        .into_iter()
        .find(|step| whole / step <= 4)
        .unwrap_or(864_000);
    let shift = i64::from(offset.seconds());
    let first = (from.as_second() + shift).div_euclid(step) * step + step - shift;
    let mut ticks = Vec::new();
    let mut second = first;
    while second < to.as_second() && ticks.len() < 10 {
        if let Ok(at) = Timestamp::from_second(second) {
            let percent = place(at, from, to) * 100.0;
            // At the very ends a label would stand out of the drawing.
            if !(4.0..96.0).contains(&percent) {
                second += step;
                continue;
            }
            ticks.push(Tick {
                percent,
                label: if step >= 86_400 {
                    format::day(at, offset)
                } else {
                    format::minute(at, offset)
                },
            });
        }
        second += step;
    }
    ticks
}

/// A history in a sentence, for whoever can't see the drawing.
pub fn in_words(series: &MetricSeries) -> String {
    let Some(last) = series.points.last() else {
        return "No readings in this time.".to_owned();
    };
    let lowest = series
        .points
        .iter()
        .map(|point| point.min)
        .fold(f64::INFINITY, f64::min);
    let highest = series
        .points
        .iter()
        .map(|point| point.max)
        .fold(f64::NEG_INFINITY, f64::max);
    format!(
        "Between {} and {}; at the end {}.",
        format::metric(series.metric, lowest),
        format::metric(series.metric, highest),
        format::metric(series.metric, last.mean)
    )
}

/// What a metric is called.
pub const fn name(metric: Metric) -> &'static str {
    match metric {
        Metric::CpuPercent => "CPU",
        Metric::MemoryPercent => "Memory, percent",
        Metric::MemoryBytes => "Memory",
        Metric::Load1 => "Load over 1 min",
        Metric::DiskPercent => "Space used",
        Metric::DiskAvailableBytes => "Space available",
        Metric::NetworkReceiveBytesPerSecond => "Network, received",
        Metric::NetworkSendBytesPerSecond => "Network, sent",
        Metric::LatencyMs => "Time to an answer",
        Metric::ConnectionsPercent => "Connections in use",
        Metric::Processes => "Processes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn series(metric: Metric, points: &[(&str, f64)]) -> MetricSeries {
        MetricSeries {
            resource: samples::container_id("web"),
            metric,
            unit: metric.unit().to_owned(),
            step: 60,
            baseline: None,
            points: points
                .iter()
                .map(|(time, value)| MetricPoint {
                    at: samples::at(time),
                    min: value / 2.0,
                    mean: *value,
                    max: value * 2.0,
                    count: 2,
                })
                .collect(),
        }
    }

    fn hour() -> (Timestamp, Timestamp) {
        (samples::at("12:00:00"), samples::at("13:00:00"))
    }

    #[test]
    fn what_is_normal_is_a_step_for_each_known_hour() {
        let (from, to) = (samples::at("12:30:00"), samples::at("14:30:00"));
        let mut series = series(Metric::CpuPercent, &[("14:10:00", 10.0)]);
        assert_eq!(draw(&series, from, to, Offset::UTC).normal, "");
        assert!(normal_in_words(&series).contains("not known yet"));
        let point = |at, low, high| BaselinePoint {
            at: samples::at(at),
            low,
            median: low,
            high,
        };
        series.baseline = Some(steward_api::Baseline {
            days: 5,
            step: 3600,
            points: vec![point("12:00:00", 10.0, 20.0), point("14:00:00", 40.0, 90.0)],
        });
        let drawing = draw(&series, from, to, Offset::UTC);
        assert_eq!(
            drawing.normal.matches('M').count(),
            2,
            "13 h is not known: {}",
            drawing.normal
        );
        assert!(
            drawing.normal.starts_with("M0.0 80.0H250.0V90.0H0.0Z"),
            "{}",
            drawing.normal
        );
        assert!(
            drawing.values[0].label.starts_with("100"),
            "the area has its room"
        );
        let words = normal_in_words(&series);
        assert!(
            words.contains("40") && words.contains("90") && words.contains("5 days"),
            "{words}"
        );
        assert_eq!(normal_at(&series, samples::at("13:59:59")), None);
    }

    #[test]
    fn a_time_without_readings_is_a_gap() {
        let (from, to) = hour();
        let series = series(
            Metric::CpuPercent,
            &[("12:00:00", 10.0), ("12:01:00", 10.0), ("12:30:00", 10.0)],
        );
        let drawing = draw(&series, from, to, jiff::tz::offset(0));
        assert_eq!(drawing.line.matches('M').count(), 1);
        assert_eq!(
            drawing.band.matches('Z').count(),
            1,
            "one point has no band"
        );
        assert!(drawing.line.starts_with("M0.0 "));
        assert_eq!(drawing.dots, "M500.0 50.0h0");
    }

    #[test]
    fn nothing_read_draws_no_line_but_its_axes() {
        let (from, to) = hour();
        let drawing = draw(
            &series(Metric::MemoryBytes, &[]),
            from,
            to,
            jiff::tz::offset(0),
        );
        assert_eq!(drawing.line, "");
        assert!(!drawing.values.is_empty() && !drawing.times.is_empty());
        assert_eq!(
            in_words(&series(Metric::MemoryBytes, &[])),
            "No readings in this time."
        );
    }

    #[test]
    fn scales_are_round_and_hold_what_was_reached() {
        for (metric, highest, top) in [
            (Metric::CpuPercent, 99.0, 100.0),
            (Metric::CpuPercent, 0.0, 4.0),
            (Metric::CpuPercent, 23.0, 30.0),
            (Metric::CpuPercent, 180.0, 200.0),
            (Metric::LatencyMs, 7.0, 8.0),
            (
                Metric::MemoryBytes,
                700.0 * 1024.0 * 1024.0,
                768.0 * 1024.0 * 1024.0,
            ),
        ] {
            let (found, step) = scale(metric, highest);
            assert!(found >= highest, "{metric} {highest} under {found}");
            assert!(
                (found - top).abs() < 1e-6 * top,
                "{metric} {highest}: {found}"
            );
            assert!(found / step <= 5.0);
        }
    }

    #[test]
    fn values_are_labelled_with_their_unit() {
        let (top, step) = scale(Metric::MemoryBytes, 3.5 * 1024.0 * 1024.0);
        let labels: Vec<_> = values(Metric::MemoryBytes, top, step)
            .into_iter()
            .map(|tick| tick.label)
            .collect();
        assert_eq!(labels, ["4.0 MiB", "3.0 MiB", "2.0 MiB", "1.0 MiB", "0 B"]);
    }

    #[test]
    fn times_are_round_in_the_readers_day() {
        let labels = |from: &str, to: &str, hours| {
            times(samples::at(from), samples::at(to), jiff::tz::offset(hours))
                .into_iter()
                .map(|tick| tick.label)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            labels("12:03:00", "13:03:00", 0),
            ["12:15", "12:30", "12:45", "13:00"]
        );
        assert_eq!(
            labels("00:30:00", "23:30:00", 2),
            ["06:00", "12:00", "18:00", "00:00"]
        );
        // However long, there is more than one by which to read it.
        for days in [1, 3, 7, 10, 30] {
            let to = samples::at("12:00:00");
            let from = to - jiff::SignedDuration::from_hours(24 * days);
            let count = times(from, to, jiff::tz::offset(0)).len();
            assert!((2..=5).contains(&count), "{count} in {days} days");
        }
    }

    #[test]
    fn the_nearest_reading_is_found_but_none_where_there_is_none() {
        let (from, to) = hour();
        let series = series(Metric::CpuPercent, &[("12:00:00", 1.0), ("12:30:00", 2.0)]);
        let at = |place| nearest(&series, from, to, place).map(|point| point.mean);
        assert_eq!(at(0.0), Some(1.0));
        assert_eq!(at(0.51), Some(2.0));
        assert_eq!(at(0.25), None);
    }
}
