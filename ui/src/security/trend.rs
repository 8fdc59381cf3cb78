//! The score over 30 days as a drawing: a line in steps, because a score holds until the next reading.
//!
//! What flows through: the points of a report in, paths and ticks out, in the units of the other charts. What it never does: draw a line
//! through a time in which nothing was read.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp, tz::Offset};
use steward_api::ScorePoint;

use crate::chart::{self, Drawing, HEIGHT, Tick, WIDTH};

/// A gap is never shorter than this: readings come every hour, unless it is set otherwise.
const LEAST_GAP: SignedDuration = SignedDuration::from_hours(3);
/// How far from a point somebody may point to mean it, of the drawing's width.
const NEAR: f64 = 0.02;

/// The score over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trend {
    /// The drawing.
    pub drawing: Drawing,
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// In words: where it began, the lowest and highest, where it is.
    pub words: String,
}

/// Draws the points of the last 30 days.
pub fn trend(points: &[ScorePoint], now: Timestamp, offset: Offset) -> Trend {
    let from = chart::Span::Month.from(now);
    let shown: Vec<ScorePoint> = points
        .iter()
        .filter(|point| (from..=now).contains(&point.at))
        .copied()
        .collect();
    let mut drawing = Drawing {
        values: [100, 75, 50, 25, 0]
            .into_iter()
            .map(|value| Tick {
                percent: f64::from(100 - value),
                label: value.to_string(),
            })
            .collect(),
        times: chart::times(from, now, offset),
        ..Drawing::default()
    };
    let x = |at: Timestamp| chart::place(at, from, now) * WIDTH;
    let y = |score: u8| HEIGHT - f64::from(score.min(100));
    let most = gap(&shown);
    for run in shown.chunk_by(|one, next| next.at.duration_since(one.at) <= most) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            continue;
        };
        if run.len() == 1 {
            let _ = write!(drawing.dots, "M{:.1} {:.1}h0", x(first.at), y(first.score));
            continue;
        }
        let _ = write!(drawing.line, "M{:.1} {:.1}", x(first.at), y(first.score));
        for pair in run.windows(2) {
            if let [one, next] = pair
                && one.score != next.score
            {
                let _ = write!(drawing.line, "H{:.1}V{:.1}", x(next.at), y(next.score));
            }
        }
        let _ = write!(drawing.line, "H{:.1}", x(last.at));
    }
    Trend {
        drawing,
        from,
        to: now,
        words: words(&shown),
    }
}

/// From which distance on two readings have a gap between them: several times the usual one.
fn gap(points: &[ScorePoint]) -> SignedDuration {
    let mut steps: Vec<SignedDuration> = points
        .windows(2)
        .filter_map(|pair| match pair {
            [one, next] => Some(next.at.duration_since(one.at)),
            _ => None,
        })
        // The parts of one scan are read one right after the other.
        .filter(|step| *step >= SignedDuration::from_secs(30))
        .collect();
    crate::order::sort_by(&mut steps, Ord::cmp);
    let usual = steps.get(steps.len() / 2).copied().unwrap_or_default();
    LEAST_GAP.max(usual.saturating_mul(3))
}

fn words(points: &[ScorePoint]) -> String {
    let scores = || points.iter().map(|point| point.score);
    match (
        points.first(),
        points.last(),
        scores().min(),
        scores().max(),
    ) {
        (Some(first), Some(last), Some(lowest), Some(highest)) => {
            let change = match i16::from(last.score) - i16::from(first.score) {
                0 => format!("{}, as at the beginning", last.score),
                more if more > 0 => format!("{}, {more} more than at the beginning", last.score),
                less => format!("{}, {} less than at the beginning", last.score, -less),
            };
            format!("{change}; lowest {lowest}, highest {highest}")
        }
        _ => "No score was kept in the last 30 days".to_owned(),
    }
}

/// The score that held at a place of the drawing, 0 to 1 from the left; absent where nothing was read.
pub fn at(points: &[ScorePoint], trend: &Trend, wanted: f64) -> Option<ScorePoint> {
    let place = |point: &ScorePoint| chart::place(point.at, trend.from, trend.to);
    let shown = points.iter().filter(|point| point.at >= trend.from);
    let mut before = None;
    let mut after = None;
    for point in shown {
        if place(point) <= wanted {
            before = Some(*point);
        } else {
            after = Some(*point);
            break;
        }
    }
    match (before, after) {
        (Some(before), Some(after)) if after.at.duration_since(before.at) <= gap(points) => {
            Some(before)
        }
        (before, after) => before
            .into_iter()
            .chain(after)
            .find(|point| (place(point) - wanted).abs() <= NEAR),
    }
}
