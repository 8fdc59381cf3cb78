//! Times as logs write them.
//!
//! What flows through: the begin of a line in, its time and the rest out. What it never does: read a clock; now and the zone are inputs,
//! since a syslog line tells neither its year nor its zone.

use std::sync::LazyLock;

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime, Time},
    tz::{Offset, TimeZone},
};
use regex::Regex;

use super::patterns::pattern;

/// What a log leaves out about its times.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Now: a line without a year is of the last one in which it does not lie ahead.
    pub now: Timestamp,
    /// The zone of lines that tell none.
    pub zone: TimeZone,
}

/// How far a log's clock may be ahead of ours before a line without a year is taken for one of the year before.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// RFC 3339, and what programs make of it: a blank for the T, slashes, a comma before the fraction, one digit for the hour.
static ISO: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\[?([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})[T ]{1,2}([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,:]([0-9]{1,9}))?[0-9]*(?: ?(Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}))?\]?",
    )
});
/// RFC 3164 §4.1.2, and with the year that some write before or after the day.
static BSD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:<[0-9]{1,3}>)?(?:([0-9]{4}) )?([A-Z][a-z]{2}) {1,2}([0-9]{1,2}) (?:([0-9]{4}) )?([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]{1,9})?",
    )
});
/// The Common Log Format of the web servers: `28/Nov/2026:03:03:31 +0000`.
static CLF: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^([0-9]{2})/([A-Z][a-z]{2})/([0-9]{4}):([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-][0-9]{4})$",
    )
});
/// Apache's error log: `Sat Nov 28 03:03:31.123456 2026`.
static APACHE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]{1,9})? ([0-9]{4})$",
    )
});

/// The time at the begin of a line, and the rest of the line.
pub(super) fn leading<'l>(line: &'l str, clock: &Clock) -> Option<(Timestamp, &'l str)> {
    let first = *line.as_bytes().first()?;
    if (first.is_ascii_digit() || first == b'[')
        && let Some(found) = ISO.captures(line)
    {
        let number = |at: usize| found.get(at)?.as_str().parse::<i16>().ok();
        let date = date(number(1)?, number(2)?, number(3)?)?;
        let fraction = found
            .get(7)
            .map_or(0, |digits| nanoseconds(digits.as_str()));
        let time = time(number(4)?, number(5)?, number(6)?, fraction)?;
        let zone = found.get(8).map(|zone| zone.as_str());
        let at = placed(date.to_datetime(time), zone, clock)?;
        return Some((at, line.get(found.get(0)?.end()..)?.trim_start()));
    }
    if first.is_ascii_digit() || first.is_ascii_uppercase() || first == b'<' {
        let found = BSD.captures(line)?;
        let text = |at: usize| found.get(at).map(|part| part.as_str());
        let number = |at: usize| text(at)?.parse::<i16>().ok();
        let month = month(text(2)?)?;
        let time = time(number(5)?, number(6)?, number(7)?, 0)?;
        let year = number(1).or_else(|| number(4));
        let at = match year {
            Some(year) => placed(
                date(year, month, number(3)?)?.to_datetime(time),
                None,
                clock,
            )?,
            None => without_year(month, number(3)?, time, clock)?,
        };
        return Some((at, line.get(found.get(0)?.end()..)?.trim_start()));
    }
    None
}

/// A time of the Common Log Format.
pub(super) fn common_log(text: &str) -> Option<Timestamp> {
    let found = CLF.captures(text)?;
    let part = |at: usize| found.get(at).map(|part| part.as_str());
    let number = |at: usize| part(at)?.parse::<i16>().ok();
    let date = date(number(3)?, month(part(2)?)?, number(1)?)?;
    let time = time(number(4)?, number(5)?, number(6)?, 0)?;
    let offset = offset(part(7)?)?;
    offset.to_timestamp(date.to_datetime(time)).ok()
}

/// A time of Apache's error log.
pub(super) fn apache(text: &str, clock: &Clock) -> Option<Timestamp> {
    let found = APACHE.captures(text)?;
    let part = |at: usize| found.get(at).map(|part| part.as_str());
    let number = |at: usize| part(at)?.parse::<i16>().ok();
    let date = date(number(6)?, month(part(1)?)?, number(2)?)?;
    let time = time(number(3)?, number(4)?, number(5)?, 0)?;
    placed(date.to_datetime(time), None, clock)
}

fn nanoseconds(digits: &str) -> i32 {
    let value: i32 = digits.parse().unwrap_or(0);
    let missing = 9_usize.saturating_sub(digits.len());
    (0..missing).fold(value, |value, _| value.saturating_mul(10))
}

fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn time(hour: i16, minute: i16, second: i16, nanosecond: i32) -> Option<Time> {
    // A leap second is shown as 60.
    Time::new(
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second.min(59)).ok()?,
        nanosecond.clamp(0, 999_999_999),
    )
    .ok()
}

fn month(name: &str) -> Option<i16> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let at = MONTHS.iter().position(|known| *known == name)?;
    i16::try_from(at + 1).ok()
}

fn offset(text: &str) -> Option<Offset> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+')?),
    };
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = digits.get(2..)?.trim_start_matches(':').parse().ok()?;
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

fn placed(local: DateTime, zone: Option<&str>, clock: &Clock) -> Option<Timestamp> {
    match zone {
        None => clock.zone.to_ambiguous_timestamp(local).compatible().ok(),
        Some("Z" | "UTC" | "GMT") => Offset::UTC.to_timestamp(local).ok(),
        Some(other) => offset(other)?.to_timestamp(local).ok(),
    }
}

/// The last year in which this does not lie ahead; a 29 February may be up to eight years back.
fn without_year(month: i16, day: i16, time: Time, clock: &Clock) -> Option<Timestamp> {
    let latest = clock.now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    let this_year = clock.zone.to_datetime(clock.now).year();
    (-1..9).find_map(|back| {
        let date = date(this_year.checked_sub(back)?, month, day)?;
        placed(date.to_datetime(time), None, clock).filter(|at| *at <= latest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(now: &str) -> Clock {
        Clock {
            now: now.parse().unwrap(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
        }
    }

    #[test]
    fn every_form_of_a_time_is_read() {
        let clock = clock("2026-11-28T12:00:00Z");
        for (line, at, rest) in [
            (
                "2026-11-28T03:03:31.123456+01:00 h sshd[1]: x",
                "2026-11-28T02:03:31.123456Z",
                "h sshd[1]: x",
            ),
            ("2026-11-28T03:03:31Z x", "2026-11-28T03:03:31Z", "x"),
            (
                "2026-11-28 03:03:31.123 UTC [7] FATAL:  x",
                "2026-11-28T03:03:31.123Z",
                "[7] FATAL:  x",
            ),
            (
                "[2026-11-28 03:03:31.123][v::api][ERROR] x",
                "2026-11-28T02:03:31.123Z",
                "[v::api][ERROR] x",
            ),
            (
                "[2026-11-28 03:03:31.123 +00:00] [INF] x",
                "2026-11-28T03:03:31.123Z",
                "[INF] x",
            ),
            (
                "2026/11/28 03:03:31 [error] x",
                "2026-11-28T02:03:31Z",
                "[error] x",
            ),
            (
                "2026-11-28  3:03:31 12 [Warning] x",
                "2026-11-28T02:03:31Z",
                "12 [Warning] x",
            ),
            ("2026-07-28 03:03:31,5 x", "2026-07-28T01:03:31.5Z", "x"),
            (
                "Nov 28 03:03:31 h sshd[1]: x",
                "2026-11-28T02:03:31Z",
                "h sshd[1]: x",
            ),
            ("Nov  8 03:03:31 h", "2026-11-08T02:03:31Z", "h"),
            ("Dec 31 03:03:31 h", "2025-12-31T02:03:31Z", "h"),
            ("Feb 29 03:03:31 h", "2024-02-29T02:03:31Z", "h"),
            ("Nov 28 2023 03:03:31 h", "2023-11-28T02:03:31Z", "h"),
            ("2023 Nov 28 03:03:31 h", "2023-11-28T02:03:31Z", "h"),
            (
                "<38>Nov 28 03:03:31 sshd[1]: x",
                "2026-11-28T02:03:31Z",
                "sshd[1]: x",
            ),
        ] {
            let found = leading(line, &clock).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((found.0, found.1), (at.parse().unwrap(), rest), "{line}");
        }
        for line in [
            "",
            "x",
            "[error] x",
            "Failed password",
            "2026-13-28 03:03:31 x",
            "Xyz 28 03:03:31",
            "Nov 31 03:03:31",
            "<5>",
        ] {
            assert_eq!(leading(line, &clock), None, "{line}");
        }
        assert_eq!(
            common_log("28/Nov/2026:03:03:31 -0130"),
            "2026-11-28T04:33:31Z".parse().ok()
        );
        assert_eq!(
            apache("Sat Nov 28 03:03:31.123456 2026", &clock),
            "2026-11-28T02:03:31Z".parse().ok()
        );
    }

    #[test]
    fn a_line_of_last_december_is_no_line_of_the_future() {
        let clock = clock("2027-01-01T00:30:00Z");
        let at = |line| leading(line, &clock).unwrap().0.to_string();
        assert_eq!(at("Dec 31 23:59:59 h"), "2026-12-31T22:59:59Z");
        assert_eq!(at("Jan  1 01:29:00 h"), "2027-01-01T00:29:00Z");
        // A clock that is a little ahead.
        assert_eq!(at("Jan  1 10:00:00 h"), "2027-01-01T09:00:00Z");
    }
}
