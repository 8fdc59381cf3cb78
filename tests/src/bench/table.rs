//! Rows with a target and a measurement, and their table.

use std::fmt::Write as _;

/// What a measurement says of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the target.
    Ok,
    /// Beyond it.
    Over,
    /// A promise is broken, or it could not be measured though it should be.
    Failed,
    /// Shown for comparison; there is no target.
    Note,
    /// There was nothing to measure it with.
    Skipped,
    /// What it measures is not there yet.
    Absent,
}

impl Verdict {
    /// Whether a value is within its limit.
    pub fn at_most(value: f64, limit: f64) -> Self {
        if value <= limit { Self::Ok } else { Self::Over }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Over => "OVER",
            Self::Failed => "FAILED",
            Self::Note => "",
            Self::Skipped => "SKIPPED",
            Self::Absent => "-",
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What is measured.
    pub what: String,
    /// What is promised.
    pub target: String,
    /// What was measured.
    pub measured: String,
    /// What that says.
    pub verdict: Verdict,
}

impl Row {
    /// A line.
    pub fn new(
        what: impl Into<String>,
        target: impl Into<String>,
        measured: impl Into<String>,
        verdict: Verdict,
    ) -> Self {
        Self {
            what: what.into(),
            target: target.into(),
            measured: measured.into(),
            verdict,
        }
    }

    /// A line for times in milliseconds, whose 99th percentile has a limit where there is one.
    pub fn times(what: impl Into<String>, limit: Option<f64>, times: &[f64]) -> Self {
        let target = limit.map_or_else(String::new, |limit| format!("p99 ≤ {limit} ms"));
        let (Some(half), Some(most)) = (percentile(times, 50.0), percentile(times, 99.0)) else {
            return Self::new(what, target, "nothing was seen", Verdict::Failed);
        };
        let verdict = limit.map_or(Verdict::Note, |limit| Verdict::at_most(most, limit));
        let measured = format!("p50 {half:.1} ms, p99 {most:.1} ms (n = {})", times.len());
        Self::new(what, target, measured, verdict)
    }
}

/// The smallest value that so many percent of all do not exceed; nothing for nothing.
pub fn percentile(values: &[f64], percent: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a rank among thousands of values"
    )]
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

/// The slope of a line through the logarithms: 1 is a cost that grows with the number, 2 with its square.
pub(super) fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Vec<(f64, f64)> = points
        .iter()
        .filter(|(x, y)| *x > 0.0 && *y > 0.0)
        .map(|(x, y)| (x.ln(), y.ln()))
        .collect();
    if logs.len() < 2 {
        return None;
    }
    #[allow(clippy::cast_precision_loss, reason = "a few points")]
    let n = logs.len() as f64;
    let (x, y) = logs
        .iter()
        .fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
    let above: f64 = logs.iter().map(|(a, b)| (a - x) * (b - y)).sum();
    let below: f64 = logs.iter().map(|(a, _)| (a - x).powi(2)).sum();
    (below > 0.0).then(|| above / below)
}

/// The table as text.
pub(super) fn render(rows: &[Row]) -> String {
    let width = |column: fn(&Row) -> &str, head: &str| {
        let widths = rows.iter().map(|row| column(row).chars().count());
        widths.max().unwrap_or(0).max(head.len())
    };
    let what = width(|row| &row.what, "what");
    let target = width(|row| &row.target, "target");
    let measured = width(|row| &row.measured, "measured");
    let mut out = String::new();
    let mut line = |a: &str, b: &str, c: &str, d: &str| {
        let _ = writeln!(out, "| {a:what$} | {b:target$} | {c:measured$} | {d:7} |");
    };
    line("what", "target", "measured", "");
    let dashes = |n: usize| "-".repeat(n);
    line(
        &dashes(what),
        &dashes(target),
        &dashes(measured),
        &dashes(7),
    );
    for row in rows {
        line(&row.what, &row.target, &row.measured, row.verdict.as_str());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(percentile(&values, 50.0), Some(100.0));
        assert_eq!(percentile(&values, 99.0), Some(198.0));
        assert_eq!(percentile(&[7.0], 99.0), Some(7.0));
        assert_eq!(percentile(&[], 50.0), None);
    }

    #[test]
    fn growth_is_told_from_its_points() {
        let square = [(10.0, 100.0), (100.0, 10_000.0), (1000.0, 1_000_000.0)];
        assert!((exponent(&square).unwrap() - 2.0).abs() < 1e-9);
        assert_eq!(exponent(&square[..1]), None);
    }

    #[test]
    fn a_row_says_whether_its_target_is_held() {
        let row = Row::times("a", Some(5.0), &[1.0, 9.0]);
        assert_eq!(row.verdict, Verdict::Over);
        assert!(render(&[row]).contains("OVER"));
        assert_eq!(Row::times("a", Some(5.0), &[1.0]).verdict, Verdict::Ok);
        assert_eq!(Row::times("a", Some(5.0), &[]).verdict, Verdict::Failed);
    }
}
