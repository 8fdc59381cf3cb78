//! Signing in: who tried, and failed.
//!
//! What flows through: lines of logs in, as they come; attempts out of them; counted by where they came from, what each source looks like.
//! Pure: the time and the zone are inputs. What it never does: hold a log, believe a text that a stranger chose, or forget quietly.

pub mod address;
mod carrier;
mod moment;
mod own;
mod patterns;
mod tally;

use core::net::IpAddr;
use std::collections::BTreeMap;

use jiff::Timestamp;
use steward_api::{ResourceId, SignInSource};

pub use crate::config::AddressRange;
pub use crate::ports::{LONGEST_LINE, Lines};
pub use address::is_local;
pub use carrier::Line;
pub use moment::Clock;
pub use own::Own;
pub use patterns::{Custom, CustomError, Pair};
pub use tally::{DistributedName, Dropped, MOST_SOURCES, Tally, Thresholds};

use patterns::Told;

/// Somebody tried to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When.
    pub at: Timestamp,
    /// From where; absent for a local one, or where the log does not tell it for sure.
    pub address: Option<IpAddr>,
    /// As whom. Whoever tried chose it.
    pub user: Option<String>,
    /// At what, such as `sshd`, or the container's name.
    pub service: String,
    /// Whether it succeeded.
    pub success: bool,
    /// How many attempts it stands for, 1 and more.
    pub times: u32,
    /// Where several lines tell of the same attempt.
    pub pair: Option<Pair>,
}

/// Forms by which lines were understood, at most; further names of custom patterns can't add to it.
const MOST_FORMS: usize = 64;

/// Whose log is read.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The resource whose log it is.
    pub resource: ResourceId,
    /// The service's name where the log's own words do not matter, such as the container's.
    pub service: Option<String>,
}

/// Reads logs and counts what they tell.
#[derive(Debug)]
pub struct Reading {
    tally: Tally,
    customs: Vec<Custom>,
    clock: Clock,
    /// Attempts before this are passed over.
    since: Option<Timestamp>,
    lines: u64,
    understood: BTreeMap<String, u64>,
    untimed: u64,
}

impl Reading {
    /// Nothing read yet.
    pub fn new(thresholds: Thresholds, customs: Vec<Custom>, clock: Clock) -> Self {
        Self {
            tally: Tally::new(thresholds),
            customs,
            clock,
            since: None,
            lines: 0,
            understood: BTreeMap::new(),
            untimed: 0,
        }
    }

    /// The same, passing over what happened before a time.
    #[must_use]
    pub const fn since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }

    /// Reads a line of a file, or of the journal as JSON.
    pub fn line(&mut self, origin: &Origin, text: &str) {
        let clock = self.clock.clone();
        self.take(origin, Line::of_file(text, &clock), text);
    }

    /// Reads a line of a container's log, with the time at which the engine took it. `is_ssh` where the container is an SSH server's.
    pub fn container_line(
        &mut self,
        origin: &Origin,
        at: Option<Timestamp>,
        text: &str,
        is_ssh: bool,
    ) {
        let clock = self.clock.clone();
        self.take(origin, Line::of_container(at, text, is_ssh, &clock), text);
    }

    fn take(&mut self, origin: &Origin, line: Line<'_>, whole: &str) {
        self.lines += 1;
        let Some((form, told)) = patterns::read(&line, &self.customs, &self.clock) else {
            return;
        };
        if self.understood.len() < MOST_FORMS || self.understood.contains_key(&form) {
            *self.understood.entry(form).or_default() += 1;
        }
        let Told::Attempt(seen) = told else {
            return;
        };
        let at = line.at.or(seen.at);
        self.untimed += u64::from(at.is_none());
        let at = at.unwrap_or(self.clock.now);
        if self.since.is_some_and(|since| at < since) {
            return;
        }
        let attempt = Attempt {
            at,
            address: seen.address,
            user: seen.user,
            service: origin.service.clone().unwrap_or(seen.service),
            success: seen.success,
            times: seen.times.max(1).saturating_mul(line.times.max(1)),
            pair: seen.pair,
        };
        self.tally.count(&attempt, &origin.resource, whole);
    }

    /// Lines read.
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// Lines understood, by form.
    pub const fn understood(&self) -> &BTreeMap<String, u64> {
        &self.understood
    }

    /// Attempts whose line tells no time, and which are counted as of now.
    pub const fn untimed(&self) -> u64 {
        self.untimed
    }

    /// What was counted.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Every source with failures, the worst first.
    pub fn found(&self, own: &Own) -> Vec<SignInSource> {
        self.tally.found(own)
    }
}

#[cfg(test)]
mod tests;
