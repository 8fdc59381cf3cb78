//! Guards: what holds an automatic action back though policy would allow it. Pure.
//!
//! Rate limit, back-off, dependency order, blast radius and the record of the remedy. The last guard, the precondition, is read from the
//! world right before the deed, in `act`.

use jiff::{SignedDuration, Timestamp};
use steward_api::{ActionName, Incident, Plan, RemedyRecord, ResourceId, ResourceKind, StepResult};

use super::Question;
use crate::{
    config::StrategyStep,
    ports::{ActionRecord, later},
};

/// How long actions are remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// The name of the guard that heals dependencies first.
pub const DEPENDENCY_ORDER: &str = "dependency_order";

/// What Steward has done lately.
#[derive(Clone, Debug, Default)]
pub struct ActionLog(Vec<ActionRecord>);

/// How often something was tried within an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// How often.
    pub count: u32,
    /// When the last try ended, or began where it has not ended.
    pub last: Option<Timestamp>,
}

impl ActionLog {
    /// Takes over what an earlier agent did.
    pub fn remember(&mut self, known: impl IntoIterator<Item = ActionRecord>) {
        self.0.extend(known);
    }

    /// Notes an intent.
    pub fn intended(&mut self, record: ActionRecord) {
        self.0
            .retain(|known| record.intended_at.duration_since(known.intended_at) <= REMEMBERED);
        self.0.push(record);
    }

    /// Notes how an intent ended.
    pub fn concluded(
        &mut self,
        task: steward_api::TaskId,
        step: u32,
        undo: bool,
        at: Timestamp,
        result: StepResult,
    ) {
        if let Some(record) = self
            .0
            .iter_mut()
            .rev()
            .find(|record| record.task == task && record.step == step && record.undo == undo)
        {
            record.concluded = Some((at, result));
        }
    }

    /// Intents of a task without an outcome.
    pub fn open(&self, task: steward_api::TaskId) -> Vec<ActionRecord> {
        self.0
            .iter()
            .filter(|record| record.task == task && record.concluded.is_none())
            .cloned()
            .collect()
    }

    /// How often an action was tried for an incident. What was skipped was not tried.
    pub fn attempts(&self, incident: &Incident, action: ActionName) -> Tried {
        let mut tried = Tried::default();
        for record in self.0.iter().filter(|record| {
            record.action == action
                && !record.undo
                && incident.tasks.contains(&record.task)
                && !matches!(record.concluded, Some((_, StepResult::Skipped)))
        }) {
            tried.count += 1;
            let end = record.concluded.map_or(record.intended_at, |(at, _)| at);
            tried.last = Some(tried.last.map_or(end, |last| last.max(end)));
        }
        tried
    }

    /// Restarts and starts of a resource within the hour before `now`, by whatever task.
    pub fn restarts_within_hour(&self, resource: &ResourceId, now: Timestamp) -> u32 {
        let hour = SignedDuration::from_hours(1);
        let count = self.0.iter().filter(|record| {
            record.resource == *resource
                && record.action.is_restart()
                && !matches!(record.concluded, Some((_, StepResult::Skipped)))
                && now.duration_since(record.intended_at) < hour
        });
        u32::try_from(count.count()).unwrap_or(u32::MAX)
    }
}

/// A failing dependency that has an incident of its own, to be healed first.
pub(super) fn failing_dependency(question: &Question<'_>) -> Option<ResourceId> {
    question
        .graph
        .upstream(&question.incident.resource)
        .into_iter()
        .filter(|id| {
            matches!(
                id.kind,
                ResourceKind::Container | ResourceKind::Database | ResourceKind::Engine
            )
        })
        .find(|id| {
            let down = question.resources.get(id).is_some_and(|resource| {
                matches!(
                    resource.health,
                    steward_api::Health::Unhealthy | steward_api::Health::Restarting
                )
            });
            down && (question.has_incident)(id)
        })
}

/// Until when the next try has to wait. The first waits for nothing; each further one twice as long as the one before.
pub(super) fn back_off_until(
    question: &Question<'_>,
    step: &StrategyStep,
    tried: &super::guards::Tried,
) -> Option<Timestamp> {
    let last = tried.last?;
    let base = step.back_off;
    let doublings = tried.count.saturating_sub(1).min(16);
    let wait = base
        .checked_mul(1 << doublings)
        .unwrap_or(SignedDuration::MAX)
        .min(question.config.guards.max_back_off);
    let until = later(last, wait);
    (question.now < until).then_some(until)
}

/// The first guard that speaks against doing it without a person, with its reason.
pub(super) fn objection(
    question: &Question<'_>,
    step: &StrategyStep,
    plan: &Plan,
    record: &RemedyRecord,
) -> Option<(&'static str, String)> {
    let guards = &question.config.guards;
    if question.recent_faults >= guards.blast_radius as usize && touches_containers(plan) {
        return Some((
            "blast_radius",
            format!(
                "{} containers ended within {} s: that is no single fault, so a person decides",
                question.recent_faults,
                guards.blast_window.as_secs()
            ),
        ));
    }
    if record.failures_in_a_row_here >= guards.max_failures_in_a_row {
        return Some((
            "record",
            format!(
                "{} failed {} times in a row on {}, so it is no longer automatic there",
                step.action,
                record.failures_in_a_row_here,
                question.incident.resource.short()
            ),
        ));
    }
    for planned in plan
        .steps()
        .iter()
        .filter(|planned| planned.action.name().is_restart())
    {
        for resource in planned.action.touches() {
            let limit = question
                .resources
                .get(resource)
                .and_then(|resource| resource.container())
                .and_then(|facts| facts.labels.max_restarts_per_hour)
                .unwrap_or(guards.max_restarts_per_hour);
            let restarts = question
                .actions
                .restarts_within_hour(resource, question.now);
            if restarts >= limit {
                return Some((
                    "rate_limit",
                    format!(
                        "{} was restarted {restarts} times within an hour, and the limit is {limit}",
                        resource.short()
                    ),
                ));
            }
        }
    }
    None
}

fn touches_containers(plan: &Plan) -> bool {
    plan.touches()
        .iter()
        .any(|id| id.kind == ResourceKind::Container)
}
