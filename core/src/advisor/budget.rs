//! What may be spent, and what was. Pure: the day is an input.
//!
//! What a call may cost at most is set aside before it is made, and settled when it is over, so that calls side by side can't
//! overspend together.

use jiff::civil::Date;

/// What is spent in one day, by the host's calendar. Millionths of a US dollar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    daily: u64,
    day: Date,
    spent: u64,
    set_aside: u64,
}

impl Budget {
    /// The budget of a day of which so much is spent.
    pub(super) const fn new(daily: u64, day: Date, spent: u64) -> Self {
        Self {
            daily,
            day,
            spent,
            set_aside: 0,
        }
    }

    /// Another budget is in force.
    pub(super) const fn set(&mut self, daily: u64) {
        self.daily = daily;
    }

    /// What may be spent in a day.
    pub(super) const fn daily(&self) -> u64 {
        self.daily
    }

    fn turn(&mut self, today: Date) {
        if today != self.day {
            self.day = today;
            self.spent = 0;
        }
    }

    /// What was spent today.
    pub(super) fn spent(&mut self, today: Date) -> u64 {
        self.turn(today);
        self.spent
    }

    /// What is left of today.
    pub(super) fn left(&mut self, today: Date) -> u64 {
        self.turn(today);
        self.daily
            .saturating_sub(self.spent)
            .saturating_sub(self.set_aside)
    }

    /// Sets aside what a call may cost at most; false where less is left. What costs nothing is always allowed.
    pub(super) fn set_aside(&mut self, most: u64, today: Date) -> bool {
        let fits = most == 0 || most <= self.left(today);
        if fits {
            self.set_aside = self.set_aside.saturating_add(most);
        }
        fits
    }

    /// The call is over: what was set aside is free, what it cost is spent.
    pub(super) fn settle(&mut self, most: u64, cost: u64, today: Date) {
        self.turn(today);
        self.set_aside = self.set_aside.saturating_sub(most);
        self.spent = self.spent.saturating_add(cost);
    }
}

/// What so many tokens cost at a price for a million of them, rounded up.
pub(super) fn price(tokens: u64, per_million: u64) -> u64 {
    let exact = u128::from(tokens) * u128::from(per_million);
    u64::try_from(exact.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_day_has_its_own_budget() {
        let mut budget = Budget::new(100, date(2026, 1, 1), 90);
        assert!(!budget.set_aside(11, date(2026, 1, 1)));
        assert!(budget.set_aside(10, date(2026, 1, 1)));
        budget.settle(10, 7, date(2026, 1, 1));
        assert_eq!(budget.spent(date(2026, 1, 1)), 97);
        assert!(budget.set_aside(100, date(2026, 1, 2)));
    }

    #[test]
    fn what_costs_nothing_is_allowed_when_all_is_spent() {
        let mut budget = Budget::new(0, date(2026, 1, 1), 0);
        assert!(budget.set_aside(0, date(2026, 1, 1)));
        assert!(!budget.set_aside(1, date(2026, 1, 1)));
        assert_eq!(price(1, 1), 1);
        assert_eq!(price(500_000, 3_000_000), 1_500_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is asked side by side: as long as no call costs more than was set aside for it, the budget holds.
        #[test]
        fn calls_side_by_side_never_overspend(calls in prop::collection::vec((0_u64..80, 0_u64..80), 0..30)) {
            let today = date(2026, 1, 1);
            let mut budget = Budget::new(200, today, 0);
            let mut open = Vec::new();
            for (most, cost) in calls {
                if budget.set_aside(most, today) {
                    open.push((most, cost.min(most)));
                }
            }
            for (most, cost) in open {
                budget.settle(most, cost, today);
            }
            prop_assert!(budget.spent(today) <= 200);
        }
    }
}
