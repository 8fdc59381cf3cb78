//! The occasion: whether an incident is to be decided about now, and whether an answer is the one that is asked already. Pure.

use jiff::{SignedDuration, Timestamp};
use steward_api::{Task, TaskState, Verdict};

use super::Answer;
use crate::ports::later;

/// How long a verified fix has to make its finding vanish (a gauge that is averaged over readings) before more is tried.
const EFFECT_MAY_TAKE: SignedDuration = SignedDuration::from_mins(5);

/// What there is to do about an incident now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Decide.
    Decide,
    /// Wait until then: a verified fix is given time.
    Wait(Timestamp),
    /// Nothing: it is well just now and ends soon, or a task that was allowed is at work.
    Nothing,
}

/// Whether to decide about an incident now. `is_quiet`: nothing is wrong just now; `healed_at`: when its last task was verified;
/// `open`: its task that is not over.
pub fn occasion(
    is_quiet: bool,
    healed_at: Option<Timestamp>,
    open: Option<&Task>,
    now: Timestamp,
) -> Occasion {
    if is_quiet {
        return Occasion::Nothing;
    }
    if let Some(patience_ends) = healed_at.map(|at| later(at, EFFECT_MAY_TAKE))
        && now < patience_ends
    {
        return Occasion::Wait(patience_ends);
    }
    if open.is_some_and(|task| task.status == TaskState::InProgress || task.approved) {
        return Occasion::Nothing;
    }
    Occasion::Decide
}

impl Answer {
    /// Whether it asks just what an open task asks already.
    pub fn is_asked_by(&self, open: Option<&Task>) -> bool {
        let plan = self.plan.as_ref();
        open.is_some_and(|task| {
            self.decision.verdict == Verdict::Ask
                && plan.is_some_and(|plan| *plan.hash() == task.plan_hash)
        })
    }
}
