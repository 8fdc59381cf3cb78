//! Learn: outcomes become the record of remedies. Pure.
//!
//! What flows in: how each step of a plan ended. What flows out: the record of that remedy for that problem on that resource, which
//! `decide` weighs the next time. A step that was not done says nothing of the remedy and is not counted.

pub mod baseline;

use std::collections::BTreeMap;

use steward_api::{ActionName, Problem, RemedyRecord, ResourceId, StepResult};

/// The records of all remedies.
#[derive(Debug, Default)]
pub struct Records(BTreeMap<(Problem, ActionName, ResourceId), RemedyRecord>);

impl Records {
    /// Takes over what an earlier agent learned.
    pub fn remember(
        &mut self,
        known: impl IntoIterator<Item = ((Problem, ActionName, ResourceId), RemedyRecord)>,
    ) {
        self.0.extend(known);
    }

    /// The record of a remedy on a resource, and anywhere.
    pub fn of(&self, problem: Problem, action: ActionName, resource: &ResourceId) -> RemedyRecord {
        let here = self
            .0
            .get(&(problem, action, resource.clone()))
            .copied()
            .unwrap_or_default();
        let (successes, failures) = self
            .0
            .iter()
            .filter(|((p, a, _), _)| *p == problem && *a == action)
            .fold((0, 0), |(s, f), (_, record)| {
                (s + record.successes_here, f + record.failures_here)
            });
        RemedyRecord {
            successes,
            failures,
            ..here
        }
    }

    /// How an action did on a resource, and anywhere, whatever it was for: what a person asks for is for no problem in particular. Of failures
    /// in a row it says nothing.
    pub fn of_action(&self, action: ActionName, resource: &ResourceId) -> RemedyRecord {
        let records = self.0.iter().filter(|((_, a, _), _)| *a == action);
        records.fold(RemedyRecord::default(), |sum, ((_, _, at), record)| {
            let mut sum = RemedyRecord {
                successes: sum.successes + record.successes_here,
                failures: sum.failures + record.failures_here,
                ..sum
            };
            if at == resource {
                sum.successes_here += record.successes_here;
                sum.failures_here += record.failures_here;
            }
            sum
        })
    }

    /// Learns from one outcome. `None`: there is nothing to learn from it.
    pub fn learn(
        &mut self,
        problem: Problem,
        action: ActionName,
        resource: &ResourceId,
        result: StepResult,
    ) -> Option<(bool, RemedyRecord)> {
        let success = match result {
            StepResult::Succeeded => true,
            StepResult::NotVerified | StepResult::Failed => false,
            StepResult::Skipped | StepResult::Interrupted | StepResult::Undone => return None,
        };
        let here = self
            .0
            .entry((problem, action, resource.clone()))
            .or_default();
        if success {
            here.successes_here += 1;
            here.failures_in_a_row_here = 0;
        } else {
            here.failures_here += 1;
            here.failures_in_a_row_here += 1;
        }
        Some((success, self.of(problem, action, resource)))
    }
}

/// A record in words for a person.
pub fn in_words(record: &RemedyRecord) -> String {
    let here = record.successes_here + record.failures_here;
    let anywhere = record.successes + record.failures;
    if here > 0 {
        format!(
            "This fix worked {} of {here} times here.",
            record.successes_here
        )
    } else if anywhere > 0 {
        format!(
            "This fix was never tried here; elsewhere it worked {} of {anywhere} times.",
            record.successes
        )
    } else {
        "This fix was never tried before.".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_done_counts() {
        let mut records = Records::default();
        let web = ResourceId::container("n", "web");
        let (problem, action) = (Problem::ContainerStopped, ActionName::RestartContainer);
        for (result, counts) in [
            (StepResult::Failed, true),
            (StepResult::NotVerified, true),
            (StepResult::Skipped, false),
            (StepResult::Interrupted, false),
        ] {
            assert_eq!(
                records.learn(problem, action, &web, result).is_some(),
                counts
            );
        }
        assert_eq!(records.of(problem, action, &web).failures_in_a_row_here, 2);
        records.learn(problem, action, &web, StepResult::Succeeded);
        let record = records.of(problem, action, &web);
        assert_eq!(
            (
                record.successes_here,
                record.failures_here,
                record.failures_in_a_row_here
            ),
            (1, 2, 0)
        );
        assert_eq!(in_words(&record), "This fix worked 1 of 3 times here.");
        let db = ResourceId::container("n", "db");
        assert_eq!(
            in_words(&records.of(problem, action, &db)),
            "This fix was never tried here; elsewhere it worked 1 of 3 times."
        );
    }

    #[test]
    fn what_was_done_for_whatever_reason_was_done() {
        let mut records = Records::default();
        let (web, db) = (
            ResourceId::container("n", "web"),
            ResourceId::container("n", "db"),
        );
        let action = ActionName::RestartContainer;
        records.learn(
            Problem::ContainerStopped,
            action,
            &web,
            StepResult::Succeeded,
        );
        records.learn(Problem::MemoryPressure, action, &web, StepResult::Failed);
        records.learn(
            Problem::ContainerStopped,
            action,
            &db,
            StepResult::Succeeded,
        );
        let stop = ActionName::StopContainer;
        records.learn(Problem::MemoryPressure, stop, &web, StepResult::Succeeded);
        let record = records.of_action(action, &web);
        assert_eq!((record.successes_here, record.failures_here), (1, 1));
        assert_eq!((record.successes, record.failures), (2, 1));
    }
}
