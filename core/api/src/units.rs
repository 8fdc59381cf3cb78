//! Sizes and spans of time as people read them, each with its unit: the same words on the command line and in the control center.
//!
//! What flows through: plain values in, short texts out. What it never does: read a clock, or know a zone; what needs one is said where
//! there is one.

use jiff::{SignedDuration, Timestamp};

/// Bytes, in binary units: `512 B`, `1.5 MiB`, `12 GiB`.
pub fn bytes(count: f64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = count.max(0.0);
    let mut unit = 0;
    // 1023.5 would round to 1024 of the smaller unit.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 || value >= 9.95 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// A count of bytes; see [`bytes`].
#[allow(clippy::cast_precision_loss, reason = "shown with two digits")]
pub fn byte_count(count: u64) -> String {
    bytes(count as f64)
}

/// A span in its two largest units: `3 s`, `2 min 5 s`, `4 h 10 min`, `12 d 3 h`. Its sign is not told.
pub fn duration(span: SignedDuration) -> String {
    let seconds = span.as_secs().unsigned_abs();
    if seconds == 0 {
        return match span.subsec_millis().unsigned_abs() {
            0 => "0 s".to_owned(),
            millis => format!("{millis} ms"),
        };
    }
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(value, _)| *value > 0).unwrap_or(3);
    parts[first..]
        .iter()
        .take(2)
        .filter(|(value, _)| *value > 0)
        .map(|(value, unit)| format!("{value} {unit}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// How much time lies between two moments, in the largest unit: `5 min`, `2 h`, `3 d`.
pub fn distance(span: SignedDuration) -> String {
    let size = span.as_secs().unsigned_abs();
    match size {
        0..60 => format!("{size} s"),
        60..3600 => format!("{} min", size / 60),
        3600..172_800 => format!("{} h", size / 3600),
        _ => format!("{} d", size / 86_400),
    }
}

/// How long ago or how soon: `just now`, `5 min ago`, `in 2 h`.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let span = now.duration_since(at);
    if span.as_secs().unsigned_abs() < 2 {
        "just now".to_owned()
    } else if span.is_negative() {
        format!("in {}", distance(span))
    } else {
        format!("{} ago", distance(span))
    }
}
