//! Numbers and times as people read them: each with its unit, times relative to now and exact in the reader's own zone.
//!
//! What flows through: plain values in, short texts out. What it never does: read a clock or ask the browser for its zone; both are
//! inputs.

use jiff::{SignedDuration, Timestamp, tz::Offset};
use steward_api::Metric;
pub use steward_api::units::{byte_count, bytes, distance, duration, relative};

/// Percent without decimals, but never a misleading 100 or 0: `23 %`, `< 1 %`.
pub fn percent(value: f64) -> String {
    if value > 0.0 && value < 0.5 {
        "< 1 %".to_owned()
    } else if (99.5..100.0).contains(&value) {
        "99 %".to_owned()
    } else {
        format!("{value:.0} %")
    }
}

/// A duration of so many seconds; see [`duration`].
pub fn seconds(count: u64) -> String {
    duration(SignedDuration::from_secs(
        i64::try_from(count).unwrap_or(i64::MAX),
    ))
}

/// The time of day `14:03:07`, with the date in front where it is not today's.
pub fn clock(at: Timestamp, now: Timestamp, offset: Offset) -> String {
    let local = offset.to_datetime(at);
    let time = format!(
        "{:02}:{:02}:{:02}",
        local.hour(),
        local.minute(),
        local.second()
    );
    if local.date() == offset.to_datetime(now).date() {
        time
    } else {
        format!("{} {time}", date(at, offset))
    }
}

/// The time of day without seconds, `14:03`.
pub fn minute(at: Timestamp, offset: Offset) -> String {
    let local = offset.to_datetime(at);
    format!("{:02}:{:02}", local.hour(), local.minute())
}

/// The date, `2026-03-10`.
pub fn date(at: Timestamp, offset: Offset) -> String {
    let local = offset.to_datetime(at);
    format!(
        "{:04}-{:02}-{:02}",
        local.year(),
        local.month(),
        local.day()
    )
}

/// Day and month without the year, `10.03.`-like but unambiguous: `10 Mar`.
pub fn day(at: Timestamp, offset: Offset) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let local = offset.to_datetime(at);
    let month = usize::try_from(local.month() - 1).unwrap_or_default();
    format!("{} {}", local.day(), MONTHS[month.min(11)])
}

/// The moment in full, for whoever wants it exactly: `2026-03-10 14:03:07.250 +02:00`.
pub fn exact(at: Timestamp, offset: Offset) -> String {
    let local = offset.to_datetime(at);
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    format!(
        "{} {:02}:{:02}:{:02}.{:03} {sign}{:02}:{:02}",
        date(at, offset),
        local.hour(),
        local.minute(),
        local.second(),
        local.millisecond(),
        minutes.abs() / 60,
        minutes.abs() % 60
    )
}

/// The start of the day in which a moment lies.
pub fn midnight(now: Timestamp, offset: Offset) -> Timestamp {
    let local = offset.to_datetime(now);
    let since = SignedDuration::from_secs(
        i64::from(local.hour()) * 3600 + i64::from(local.minute()) * 60 + i64::from(local.second()),
    );
    now.checked_sub(since).unwrap_or(now)
}

/// A metric's value with its unit.
pub fn metric(metric: Metric, value: f64) -> String {
    match metric.unit() {
        "B" => bytes(value),
        "B/s" => format!("{}/s", bytes(value)),
        "%" => percent(value),
        "" if metric == Metric::Processes => format!("{value:.0}"),
        "" => format!("{value:.2}"),
        unit if value < 10.0 => format!("{value:.1} {unit}"),
        unit => format!("{value:.0} {unit}"),
    }
}

/// `1 incident`, `2 incidents`, `1,012 incidents`.
pub fn count(number: u64, thing: &str) -> String {
    if number == 1 {
        format!("1 {thing}")
    } else {
        format!("{} {thing}s", grouped(number))
    }
}

/// A number with its thousands apart: `1,012`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A word of the wire as people write it: `restart_container` → `restart container`.
pub fn plain(word: &str) -> String {
    word.replace('_', " ")
}

/// The same with a capital at its beginning.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// A text as one line of so many characters at most: `My database is sl…`.
pub fn one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
            length += 1;
        }
        for letter in word.chars() {
            if length + 1 >= most {
                line.truncate(line.trim_end().len());
                line.push('…');
                return line;
            }
            line.push(letter);
            length += 1;
        }
    }
    line
}

/// The beginning of a hash, enough to compare by eye.
pub fn short_hash(hash: &str) -> String {
    hash.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

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
            (-1.0, "0 B"),
        ] {
            assert_eq!(bytes(value), text);
        }
    }

    #[test]
    fn percents_do_not_round_to_all_or_nothing() {
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(0.2), "< 1 %");
        assert_eq!(percent(22.6), "23 %");
        assert_eq!(percent(99.7), "99 %");
        assert_eq!(percent(100.0), "100 %");
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
    fn times_are_told_from_now() {
        let now = at("2026-03-10T12:00:00Z");
        let before = |seconds| now - SignedDuration::from_secs(seconds);
        assert_eq!(relative(now, now), "just now");
        assert_eq!(relative(before(40), now), "40 s ago");
        assert_eq!(relative(before(7200), now), "2 h ago");
        assert_eq!(relative(before(-300), now), "in 5 min");
        assert_eq!(relative(before(86_400 * 3), now), "3 d ago");
    }

    #[test]
    fn times_of_day_are_those_of_the_reader() {
        let now = at("2026-03-10T12:00:00Z");
        let zone = jiff::tz::offset(2);
        assert_eq!(clock(now, now, zone), "14:00:00");
        // 22:30 in UTC of the day before is already today at UTC+2.
        assert_eq!(clock(at("2026-03-09T22:30:00Z"), now, zone), "00:30:00");
        assert_eq!(
            clock(at("2026-03-08T09:00:00Z"), now, zone),
            "2026-03-08 11:00:00"
        );
        assert_eq!(minute(now, zone), "14:00");
        assert_eq!(day(now, zone), "10 Mar");
        assert_eq!(
            exact(at("2026-03-10T12:03:07.25Z"), jiff::tz::offset(-3)),
            "2026-03-10 09:03:07.250 -03:00"
        );
    }

    #[test]
    fn a_day_begins_at_the_readers_midnight() {
        assert_eq!(
            midnight(at("2026-03-10T01:30:15Z"), jiff::tz::offset(2)),
            at("2026-03-09T22:00:00Z")
        );
        assert_eq!(
            midnight(at("2026-03-10T01:30:15Z"), jiff::tz::offset(-5)),
            at("2026-03-09T05:00:00Z")
        );
    }

    #[test]
    fn every_metric_has_its_unit() {
        assert_eq!(metric(Metric::CpuPercent, 12.4), "12 %");
        assert_eq!(metric(Metric::MemoryBytes, 2048.0), "2.0 KiB");
        assert_eq!(
            metric(Metric::NetworkSendBytesPerSecond, 2048.0),
            "2.0 KiB/s"
        );
        assert_eq!(metric(Metric::LatencyMs, 3.14), "3.1 ms");
        assert_eq!(metric(Metric::Load1, 0.5), "0.50");
        assert_eq!(metric(Metric::Processes, 7.0), "7");
    }

    #[test]
    fn counts_agree_with_their_things() {
        assert_eq!(count(1, "incident"), "1 incident");
        assert_eq!(count(0, "incident"), "0 incidents");
        assert_eq!(count(1_234_567, "entr"), "1,234,567 entrs");
        assert_eq!(grouped(999), "999");
    }

    #[test]
    fn words_of_the_wire_become_plain() {
        assert_eq!(plain("restart_container"), "restart container");
        assert_eq!(capital("älter"), "Älter");
        assert_eq!(capital(""), "");
    }

    #[test]
    fn a_text_becomes_one_line_of_a_bounded_length() {
        assert_eq!(
            one_line("My  database\n is slow", 40),
            "My database is slow"
        );
        assert_eq!(one_line("My database is slow", 12), "My database…");
        assert_eq!(one_line("äöüäöü", 4), "äöü…");
        assert_eq!(one_line(" \n", 4), "");
    }
}
