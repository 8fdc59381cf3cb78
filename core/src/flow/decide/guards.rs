//! Guards: what holds an automatic action back though policy would allow it. Pure.
//!
//! Rate limit, back-off, dependency order, blast radius and the record of the remedy. The last guard, the precondition, is read from the
//! world right before the deed, in `act`.

use jiff::{SignedDuration, Timestamp};
use steward_api::{
    ActionName, Health, Incident, Phase, Plan, RemedyRecord, ResourceId, ResourceKind, StepResult,
};

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
    /// When the last one was skipped, where one was: no try, but nothing to be repeated at once either.
    pub skipped: Option<Timestamp>,
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

    /// How often an action was tried for an incident since it (last) began: what helped before it came back is no failed try. What was
    /// skipped was not tried. An action that touches several resources is one try.
    pub fn attempts(&self, incident: &Incident, action: ActionName) -> Tried {
        let since = began_at(incident);
        let mut tried = Tried::default();
        let mut seen = std::collections::BTreeSet::new();
        for record in self.0.iter().filter(|record| {
            record.action == action
                && !record.undo
                && record.intended_at >= since
                && incident.tasks.contains(&record.task)
        }) {
            let end = record.concluded.map_or(record.intended_at, |(at, _)| at);
            if matches!(record.concluded, Some((_, StepResult::Skipped))) {
                tried.skipped = tried.skipped.max(Some(end));
            } else {
                // A plan that heals dependencies first holds the same action more than once, and is one try.
                tried.count += u32::from(seen.insert(record.task));
                tried.last = tried.last.max(Some(end));
            }
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

/// When an incident began, or came back for the last time: what follows its last end in the time line.
fn began_at(incident: &Incident) -> Timestamp {
    let last_end = incident
        .timeline
        .iter()
        .rposition(|entry| matches!(entry.phase, Phase::Resolved | Phase::Learned));
    last_end
        .and_then(|position| incident.timeline.get(position + 1))
        .map_or(incident.opened_at, |entry| entry.at)
}

/// What is waited for before something that needs it is healed.
pub(super) enum Dependency {
    /// It fails, and has an incident of its own.
    Failing(ResourceId),
    /// Its engine is restarting it by itself; it is looked at again at this time.
    Restarting(ResourceId, Timestamp),
}

/// A failing dependency, to be healed first.
pub(super) fn failing_dependency(question: &Question<'_>) -> Option<Dependency> {
    let own = &question.incident.resource;
    question
        .graph
        .upstream(own)
        .into_iter()
        .filter(|id| {
            matches!(
                id.kind,
                ResourceKind::Container | ResourceKind::Database | ResourceKind::Engine
            )
        })
        // Of two that need each other one must come first, or both would wait for ever.
        .filter(|id| id < own || !question.graph.upstream(id).contains(own))
        .find_map(|id| {
            let health = question.resources.get(&id)?.health;
            let has_incident = (question.has_incident)(&id);
            match health {
                Health::Unhealthy | Health::Restarting if has_incident => {
                    Some(Dependency::Failing(id))
                }
                Health::Restarting => {
                    let grace = question.config.thresholds.restart_policy_grace;
                    Some(Dependency::Restarting(id, later(question.now, grace)))
                }
                _ => None,
            }
        })
}

/// Until when the next try has to wait. The first waits for nothing; each further one twice as long as the one before.
pub(super) fn back_off_until(
    question: &Question<'_>,
    step: &StrategyStep,
    tried: &super::guards::Tried,
) -> Option<Timestamp> {
    let base = step.back_off;
    let doublings = tried.count.saturating_sub(1).min(16);
    let wait = base
        .checked_mul(1 << doublings)
        .unwrap_or(SignedDuration::MAX)
        .min(question.config.guards.max_back_off);
    let after_try = tried.last.map(|last| later(last, wait));
    // What a skipped step rested on does not hold; where that stays so, it is not asked for again and again without a pause.
    let after_skip = tried.skipped.map(|last| later(last, base));
    let until = after_try.max(after_skip)?;
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
                        "{} was restarted {} within an hour, and the limit is {limit}",
                        resource.short(),
                        if restarts == 1 {
                            "once".to_owned()
                        } else {
                            format!("{restarts} times")
                        }
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
