//! Durations as people write them: `30s`, `2m`, `1h 30m`, `7d`; read, checked and written back.
//!
//! A day is 24 hours and a week seven days, whatever the calendar does. A bare number is refused: nobody can tell its unit.

use jiff::{SpanRelativeTo, fmt::friendly::SpanParser};
use serde::{Deserialize, Deserializer, Serializer};

use super::Span;

/// What a duration should look like, for errors.
pub(super) const EXAMPLE: &str = "a duration such as \"30s\", \"2m\", \"1h 30m\" or \"7d\"";

/// Reads a duration.
///
/// # Errors
/// What is wrong with the text, without the text itself: a bare number, a unit without a fixed length, a negative or too long duration.
pub(super) fn parse(text: &str) -> Result<Span, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty");
    }
    if text.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err("has no unit");
    }
    let span = SpanParser::new()
        .parse_span(text)
        .map_err(|_| "is not a duration")?;
    if span.is_negative() {
        return Err("is negative");
    }
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err("uses a unit without a fixed length (a month, a year)");
    }
    span.to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "is too long")
}

/// Writes a duration the way [`parse`] reads it: `1h 30m`, `7d`, `250ms`.
pub fn human(span: Span) -> String {
    let millis = span.as_millis().unsigned_abs();
    let mut parts = Vec::new();
    let mut rest = millis;
    for (unit, length) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ] {
        if rest >= length {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if parts.is_empty() {
        parts.push("0s".to_owned());
    }
    let sign = if span.is_negative() { "-" } else { "" };
    format!("{sign}{}", parts.join(" "))
}

/// For `#[serde(with = "span")]`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(|wrong| {
        serde::de::Error::custom(format!("`{text}` {wrong}: it should be {EXAMPLE}"))
    })
}

/// For `#[serde(with = "span")]`.
pub(super) fn serialize<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&human(*span))
}
