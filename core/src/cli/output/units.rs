//! Numbers and times as people read them: each with its unit, each in the reader's own time zone. Pure.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use steward_api::Metric;
pub(crate) use steward_api::units::{byte_count, bytes, duration, relative};

/// A duration of so many seconds; see [`duration`].
pub(crate) fn seconds(count: u64) -> String {
    duration(SignedDuration::from_secs(
        i64::try_from(count).unwrap_or(i64::MAX),
    ))
}

/// The time of day, with the date where it is not today's.
pub(crate) fn clock(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let local = at.to_zoned(zone.clone());
    if local.date() == now.to_zoned(zone.clone()).date() {
        local.strftime("%H:%M:%S").to_string()
    } else {
        local.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

/// The time of day with milliseconds, for streams in which order matters; the date as for [`clock`].
pub(crate) fn exact_clock(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    format!(
        "{}.{:03}",
        clock(at, now, zone),
        at.subsec_millisecond().unsigned_abs()
    )
}

/// A metric's value with its unit.
pub(crate) fn metric(metric: Metric, value: f64) -> String {
    match metric.unit() {
        "B" => bytes(value),
        "B/s" => format!("{}/s", bytes(value)),
        "%" => format!("{value:.0} %"),
        "" if metric == Metric::Processes => format!("{value:.0}"),
        "" => format!("{value:.2}"),
        unit if value < 10.0 => format!("{value:.1} {unit}"),
        unit => format!("{value:.0} {unit}"),
    }
}

/// `1 incident`, `2 incidents`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    if number == 1 {
        format!("1 {thing}")
    } else {
        format!("{number} {thing}s")
    }
}

/// Millionths of a US dollar as people read them.
pub(crate) fn dollars(micro_usd: u64) -> String {
    let exact = micro_usd as f64 / 1_000_000.0;
    if micro_usd == 0 || exact >= 0.01 {
        format!("${exact:.2}")
    } else {
        format!("${exact:.6}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_largest_unit_that_fits() {
        const MIB: f64 = 1024.0 * 1024.0;
        for (value, text) in [
            (0.0, "0 B"),
            (1023.0, "1023 B"),
            (1024.0, "1.0 KiB"),
            (1.5 * MIB, "1.5 MiB"),
            (1023.9 * MIB, "1.0 GiB"),
            (12.0 * 1024.0 * MIB, "12 GiB"),
        ] {
            assert_eq!(bytes(value), text);
        }
    }

    #[test]
    fn durations_have_two_units() {
        for (span, text) in [
            (SignedDuration::ZERO, "0 s"),
            (SignedDuration::from_millis(250), "250 ms"),
            (SignedDuration::from_secs(59), "59 s"),
            (SignedDuration::from_secs(125), "2 min 5 s"),
            (SignedDuration::from_secs(3600), "1 h"),
            (SignedDuration::from_secs(4 * 3600 + 605), "4 h 10 min"),
            (SignedDuration::from_hours(12 * 24 + 3), "12 d 3 h"),
        ] {
            assert_eq!(duration(span), text);
        }
    }

    #[test]
    fn times_are_told_from_now_and_in_the_reader_s_zone() {
        let now: Timestamp = "2026-03-10T12:00:00Z".parse().unwrap();
        let before = |seconds| now - SignedDuration::from_secs(seconds);
        assert_eq!(relative(now, now), "just now");
        assert_eq!(relative(before(40), now), "40 s ago");
        assert_eq!(relative(before(7200), now), "2 h ago");
        assert_eq!(relative(before(-300), now), "in 5 min");
        assert_eq!(relative(before(86_400 * 3), now), "3 d ago");
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(clock(now, now, &zone), "14:00:00");
        // 22:30 in UTC of the day before is already today at UTC+2.
        assert_eq!(
            clock("2026-03-09T22:30:00Z".parse().unwrap(), now, &zone),
            "00:30:00"
        );
        assert_eq!(
            clock("2026-03-08T09:00:00Z".parse().unwrap(), now, &zone),
            "2026-03-08 11:00:00"
        );
    }
}
