//! Which resource a pattern means and whether a window of the week is open. Pure: time and identity are inputs.

use jiff::civil::{self, Weekday};
use steward_api::{ActionName, Autonomy, ResourceId};

use super::{AutonomyPolicy, Day, Maintenance, Window};

/// Whether a text matches a pattern in which `*` stands for any text, also none. Everything else stands for itself, case included.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at_pattern, mut at_text) = (0, 0);
    // The last star, and the text that it has swallowed up to now: where the rest does not fit, it swallows one byte more.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(at_text) {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                star = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(&expected) if expected == byte => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => {
                let Some((star_pattern, star_text)) = star else {
                    return false;
                };
                star = Some((star_pattern, star_text + 1));
                at_pattern = star_pattern + 1;
                at_text = star_text + 1;
            }
        }
    }
    pattern
        .get(at_pattern..)
        .is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

/// Whether a pattern means a resource: by its name alone (`nginx`, `media-*`; the node's name for the host), or, where the pattern
/// has a slash, also by its full id (`atlas/container/*`).
pub fn matches_resource(pattern: &str, id: &ResourceId) -> bool {
    // Without a slash only the name counts, or `media-*` would take in everything on a node called `media-1`.
    glob(pattern, id.short()) || (pattern.contains('/') && glob(pattern, &id.to_string()))
}

impl Day {
    /// The day of the week of a date.
    pub fn of(date: civil::Date) -> Self {
        match date.weekday() {
            Weekday::Monday => Self::Monday,
            Weekday::Tuesday => Self::Tuesday,
            Weekday::Wednesday => Self::Wednesday,
            Weekday::Thursday => Self::Thursday,
            Weekday::Friday => Self::Friday,
            Weekday::Saturday => Self::Saturday,
            Weekday::Sunday => Self::Sunday,
        }
    }
}

impl Window {
    /// Whether the window is open at a local time. `from` belongs to it, `to` does not. Over midnight the days are those on which the
    /// window begins; equal times mean a whole day.
    pub fn contains(&self, local: civil::DateTime) -> bool {
        let begins_on =
            |date: civil::Date| self.days.is_empty() || self.days.contains(&Day::of(date));
        let (date, time) = (local.date(), local.time());
        if self.from < self.to {
            return begins_on(date) && self.from <= time && time < self.to;
        }
        let began_today = time >= self.from && begins_on(date);
        let began_yesterday = time < self.to && date.yesterday().is_ok_and(begins_on);
        began_today || began_yesterday
    }
}

impl AutonomyPolicy {
    /// The level for an action on a resource: that of the first pattern that matches the resource, else the general one; and where
    /// the action has a more careful level of its own, that.
    pub fn level_for(&self, action: ActionName, resource: &ResourceId) -> Autonomy {
        let level = self.level_for_resource(resource);
        self.actions
            .get(&action)
            .map_or(level, |&particular| level.min(particular))
    }

    /// The level for a resource: that of the first pattern that matches it, else the general one.
    pub fn level_for_resource(&self, resource: &ResourceId) -> Autonomy {
        self.resources
            .iter()
            .find(|particular| matches_resource(&particular.matches, resource))
            .map_or(self.level, |particular| particular.level)
    }

    /// Whether `autopilot` may do what is of medium risk at a local time: always where no windows are given.
    pub fn is_open(&self, local: civil::DateTime) -> bool {
        self.windows.is_empty() || self.windows.iter().any(|window| window.contains(local))
    }
}

impl Maintenance {
    /// Whether a resource is under maintenance at a local time.
    pub fn covers(&self, resource: &ResourceId, local: civil::DateTime) -> bool {
        self.window.contains(local) && matches_resource(&self.matches, resource)
    }
}
