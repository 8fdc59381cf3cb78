//! How a model does, and when it is left alone: a circuit breaker. Pure; the time is an input.
//!
//! After so many failures in a row a model rests. When its rest is over it may be asked once more: an answer closes the matter, one more
//! failure sends it to rest for twice as long.

use jiff::{SignedDuration, Timestamp};
use steward_api::{Abilities, ModelState};

use crate::ports::later;

/// The longest rest.
const LONGEST_REST: SignedDuration = SignedDuration::from_hours(1);

/// When a model is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// After so many failures in a row.
    pub(super) failures: u32,
    /// For so long; doubled each time that it fails again.
    pub(super) rest: SignedDuration,
}

/// How a model does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Health {
    failures_in_a_row: u32,
    rests: u32,
    resting_until: Option<Timestamp>,
    pub(super) error: Option<String>,
    pub(super) latency_ms: Option<u64>,
    pub(super) answered_at: Option<Timestamp>,
    pub(super) abilities: Abilities,
}

impl Health {
    /// Whether it may be asked now.
    pub(super) fn may_be_asked(&self, now: Timestamp) -> bool {
        self.resting_until.is_none_or(|until| until <= now)
    }

    /// Until when it is left alone, where it is.
    pub(super) fn resting_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.resting_until.filter(|until| *until > now)
    }

    /// In a word.
    pub(super) fn state(&self, now: Timestamp) -> ModelState {
        if self.resting_until(now).is_some() {
            ModelState::Resting
        } else if self.failures_in_a_row > 0 {
            ModelState::Failing
        } else if self.answered_at.is_some() {
            ModelState::Up
        } else {
            ModelState::Unknown
        }
    }

    /// It answered. Whether the answer was of use is another matter.
    pub(super) fn answered(&mut self, now: Timestamp, took_ms: u64) {
        self.failures_in_a_row = 0;
        self.rests = 0;
        self.resting_until = None;
        self.error = None;
        self.latency_ms = Some(took_ms);
        self.answered_at = Some(now);
    }

    /// It did not, when asked at `began`. A call that was on its way when the rest began is no trial after it.
    pub(super) fn failed(
        &mut self,
        began: Timestamp,
        now: Timestamp,
        error: String,
        patience: Patience,
    ) {
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.error = Some(error);
        if self.resting_until.is_some_and(|until| began < until) {
            return;
        }
        let tried_after_rest = self.rests > 0;
        if tried_after_rest || self.failures_in_a_row >= patience.failures {
            let rest = (0..self.rests).fold(patience.rest, |rest, _| {
                rest.checked_add(rest)
                    .unwrap_or(LONGEST_REST)
                    .min(LONGEST_REST)
            });
            self.rests = self.rests.saturating_add(1).min(16);
            self.resting_until = Some(later(now, rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        failures: 3,
        rest: SignedDuration::from_mins(5),
    };

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(minutes * 60).unwrap()
    }

    #[test]
    fn three_failures_bring_a_rest_that_doubles_until_an_answer_ends_it() {
        let mut health = Health::default();
        assert_eq!(health.state(at(0)), ModelState::Unknown);
        for _ in 0..2 {
            health.failed(at(0), at(0), "no".to_owned(), PATIENCE);
            assert!(health.may_be_asked(at(0)));
        }
        assert_eq!(health.state(at(0)), ModelState::Failing);
        health.failed(at(0), at(0), "no".to_owned(), PATIENCE);
        assert_eq!(health.state(at(4)), ModelState::Resting);
        assert!(health.may_be_asked(at(5)));
        health.failed(at(5), at(5), "no".to_owned(), PATIENCE);
        assert!(!health.may_be_asked(at(14)));
        assert!(health.may_be_asked(at(15)));
        // One that was asked before the rest began changes nothing.
        health.failed(at(4), at(6), "no".to_owned(), PATIENCE);
        assert!(health.may_be_asked(at(15)));
        health.answered(at(15), 12);
        assert_eq!(health.state(at(15)), ModelState::Up);
        health.failed(at(16), at(16), "no".to_owned(), PATIENCE);
        assert!(health.may_be_asked(at(16)));
    }

    #[test]
    fn no_rest_is_longer_than_an_hour() {
        let mut health = Health::default();
        let mut now = at(0);
        for _ in 0..40 {
            health.failed(now, now, "no".to_owned(), PATIENCE);
            if let Some(until) = health.resting_until(now) {
                assert!(until.duration_since(now) <= LONGEST_REST);
                now = until;
            }
        }
    }
}
