//! Which day's summary is due. Pure.
//!
//! What flows through: the time, a time of day and a time zone in; a day with its beginning and end out. What it never does: read a clock, or
//! take a day for one of 24 hours.

use jiff::{Timestamp, civil, tz::TimeZone};

/// A day that is to be summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueDay {
    /// Which.
    pub day: civil::Date,
    /// When the day before it began.
    pub from_before: Timestamp,
    /// When it began.
    pub from: Timestamp,
    /// When it ended.
    pub until: Timestamp,
    /// When the next one is due.
    pub next_look: Timestamp,
}

/// The last day whose summary is due, for a time of day in a time zone: yesterday once it is past that time, else the day before.
pub fn day_due(now: Timestamp, at: civil::Time, zone: &TimeZone) -> DueDay {
    let local = zone.to_datetime(now);
    let day_before = |date: civil::Date| date.yesterday().unwrap_or(civil::Date::MIN);
    let beginning = |date: civil::Date| {
        zone.to_ambiguous_timestamp(date.to_datetime(civil::Time::midnight()))
            .compatible()
            .unwrap_or(now)
    };
    let moment = |date: civil::Date| {
        zone.to_ambiguous_timestamp(date.to_datetime(at))
            .compatible()
            .unwrap_or(now)
    };
    let today = local.date();
    let is_past = now >= moment(today);
    let day = if is_past {
        day_before(today)
    } else {
        day_before(day_before(today))
    };
    let tomorrow = today.tomorrow().unwrap_or(today);
    DueDay {
        day,
        from_before: beginning(day_before(day)),
        from: beginning(day),
        until: beginning(day.tomorrow().unwrap_or(day)),
        next_look: if is_past {
            moment(tomorrow)
        } else {
            moment(today)
        },
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_due_at_its_time_in_the_operators_zone() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let three = civil::time(3, 0, 0, 0);
        // 02:59 in Berlin: the day before yesterday is the last that was due.
        let due = day_due(at("2026-01-10T01:59:00Z"), three, &zone);
        assert_eq!(due.day.to_string(), "2026-01-08");
        assert_eq!(due.next_look, at("2026-01-10T02:00:00Z"));
        let due = day_due(at("2026-01-10T02:00:00Z"), three, &zone);
        assert_eq!(due.day.to_string(), "2026-01-09");
        assert_eq!(due.from, at("2026-01-08T23:00:00Z"));
        assert_eq!(due.until, at("2026-01-09T23:00:00Z"));
        assert_eq!(due.from_before, at("2026-01-07T23:00:00Z"));
        assert_eq!(due.next_look, at("2026-01-11T02:00:00Z"));
    }

    #[test]
    fn a_time_that_the_clock_skips_is_due_all_the_same() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        // On 29 March 2026 there is no 02:30.
        let due = day_due(at("2026-03-29T00:30:00Z"), civil::time(2, 30, 0, 0), &zone);
        assert_eq!(due.next_look, at("2026-03-29T01:30:00Z"));
        // That day has 23 hours.
        let due = day_due(at("2026-03-30T12:00:00Z"), civil::time(2, 30, 0, 0), &zone);
        assert_eq!(due.day.to_string(), "2026-03-29");
        assert_eq!(
            due.until.duration_since(due.from),
            SignedDuration::from_hours(23)
        );
    }
}
