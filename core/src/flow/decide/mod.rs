//! Decide: incident, diagnosis, policy and guards become a decision, and a plan where something is to be done. Pure.
//!
//! What flows in: everything a decision rests on, in one [`Question`]. What flows out: act now, ask or withhold, always with the reason in
//! words. It never does anything itself, and knows nothing that is not in the question, so every decision can be replayed.

mod guards;
mod occasion;
mod offer;
mod planner;
mod policy;

use std::{collections::BTreeMap, sync::Arc};

use jiff::{Timestamp, civil};
use steward_api::{
    Autonomy, Decision, Diagnosis, Incident, Plan, RemedyRecord, Resource, ResourceId, Verdict,
};

use super::{
    diagnose::{SURE_ENOUGH_TO_LEAD, SURE_THAT_FUTILE, more_careful_opinion},
    graph::Graph,
    learn::Records,
};
use crate::config::{Config, StrategyStep};

use guards::Dependency;
pub use guards::{ActionLog, DEPENDENCY_ORDER};
pub use occasion::{Occasion, occasion};
pub use offer::{asked_plan, nearest_problem, offered};
pub use planner::{PlanProblem, Planner, heal_plan};
pub use policy::{autonomy_for, permits};

/// Guards that stand for a person's part in it: a question that was answered with no, or not at all, is settled. It is asked anew when
/// the incident changes (see `correlate`), or when a person asks for a heal.
pub const SETTLED: [&str; 2] = ["rejected", "expired"];

/// The guard by which a model's more careful opinion turns what would be done into a question. It is all that a model can bring about.
pub const SECOND_OPINION: &str = "second_opinion";

/// Everything a decision rests on.
pub struct Question<'a> {
    /// What is wrong.
    pub incident: &'a Incident,
    /// Why.
    pub diagnosis: &'a Diagnosis,
    /// Every resource.
    pub resources: &'a BTreeMap<ResourceId, Arc<Resource>>,
    /// What depends on what.
    pub graph: &'a Graph,
    /// Policy, guards and strategies.
    pub config: &'a Config,
    /// The level of autonomy in force where nothing more particular is said.
    pub autonomy: Autonomy,
    /// The record of remedies.
    pub records: &'a Records,
    /// What Steward has done lately.
    pub actions: &'a ActionLog,
    /// Containers that ended by a fault within the blast window.
    pub recent_faults: usize,
    /// Incidents that are not over, by resource, to heal dependencies first.
    pub has_incident: &'a dyn Fn(&ResourceId) -> bool,
    /// Whether the journal takes writes. Without it nothing may be done.
    pub journal_writable: bool,
    /// The time.
    pub now: Timestamp,
    /// The time on the host's clock, for windows.
    pub local: civil::DateTime,
}

/// A decision with all that follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What, and why.
    pub decision: Decision,
    /// The plan to carry out or to ask about; absent when withholding.
    pub plan: Option<Plan>,
    /// What is known of the plan's first action on this resource.
    pub record: RemedyRecord,
}

impl Answer {
    fn withhold(
        reason: impl Into<String>,
        guard: Option<&str>,
        retry_at: Option<Timestamp>,
    ) -> Self {
        let decision = Decision {
            verdict: Verdict::Withhold,
            reason: reason.into(),
            guard: guard.map(str::to_owned),
            retry_at,
        };
        Self {
            decision,
            plan: None,
            record: RemedyRecord::default(),
        }
    }
}

/// Decides what is done about an incident.
pub fn decide(question: &Question<'_>) -> Answer {
    if !question.journal_writable {
        return Answer::withhold(
            "The journal takes no writes, and nothing is done that is not written down first",
            Some("journal"),
            None,
        );
    }
    let incident = question.incident;
    if let Some(settled) = incident.decision.as_ref().filter(|decision| {
        decision
            .guard
            .as_deref()
            .is_some_and(|guard| SETTLED.contains(&guard))
    }) {
        return Answer {
            decision: settled.clone(),
            plan: None,
            record: RemedyRecord::default(),
        };
    }
    let own = incident.resource.short();
    match guards::failing_dependency(question) {
        Some(Dependency::Failing(dependency)) => {
            return Answer::withhold(
                format!(
                    "{} is healed first, because {own} depends on it",
                    dependency.short()
                ),
                Some(DEPENDENCY_ORDER),
                None,
            );
        }
        Some(Dependency::Restarting(dependency, retry_at)) => {
            return Answer::withhold(
                format!(
                    "{}, which {own} depends on, is being restarted by its engine; that is waited for",
                    dependency.short()
                ),
                Some(DEPENDENCY_ORDER),
                Some(retry_at),
            );
        }
        None => {}
    }
    if question.incident.chosen.is_some() && question.diagnosis.recommended_action.is_none() {
        return Answer::withhold(
            nothing_helps(
                question.diagnosis,
                "A person chose the diagnosis by which nothing is to be done",
            ),
            Some("chosen"),
            None,
        );
    }
    let strategy = candidates(question);
    if strategy.is_empty() {
        return Answer::withhold(
            nothing_helps(
                question.diagnosis,
                "There is nothing that Steward could do about this",
            ),
            None,
            None,
        );
    }
    let planner = Planner {
        resources: question.resources,
        graph: question.graph,
        config: question.config,
    };
    let mut reasons = Vec::new();
    for step in &strategy {
        if is_futile(question, step) {
            reasons.push(nothing_helps(
                question.diagnosis,
                &format!("{} would not help", step.action),
            ));
            continue;
        }
        let tried = question.actions.attempts(incident, step.action);
        if tried.count >= step.attempts {
            reasons.push(format!(
                "{} was tried {} of {} times and did not help",
                step.action, tried.count, step.attempts
            ));
            continue;
        }
        let plan = match planner.plan(incident, step) {
            Ok(plan) => plan,
            Err(problem) => {
                reasons.push(format!("{}: {problem}", step.action));
                continue;
            }
        };
        if let Some(retry_at) = guards::back_off_until(question, step, &tried) {
            let what = if tried.count == 0 {
                format!(
                    "{} was not done, because what it rests on did not hold",
                    step.action
                )
            } else {
                format!(
                    "{} was tried {} of {} times",
                    step.action, tried.count, step.attempts
                )
            };
            return Answer::withhold(
                format!("{what}; the next try waits for the back-off"),
                Some("back_off"),
                Some(retry_at),
            );
        }
        let more_careful = more_careful_opinion(incident, step.action, plan.risk());
        return weigh(question, step, plan, more_careful);
    }
    let mut reason = reasons.join("; ");
    if !question.diagnosis.advice.is_empty() && !reason.contains(&question.diagnosis.advice) {
        reason = format!("{reason}. {}", question.diagnosis.advice);
    }
    Answer::withhold(reason, Some("exhausted"), None)
}

/// Decides about a heal that a person asked for: the plan is theirs, policy and guards are the same.
pub fn weigh_heal(question: &Question<'_>, plan: Plan) -> Answer {
    let action = plan
        .steps()
        .last()
        .map_or(steward_api::ActionName::RestartContainer, |step| {
            step.action.name()
        });
    let step = StrategyStep {
        action,
        script: None,
        attempts: 1,
        back_off: crate::config::Span::from_secs(0),
    };
    // A person asked for it: that is the choice that a second opinion would wait for.
    weigh(question, &step, plan, None)
}

/// The strategy's steps, led by the diagnosis where it is sure enough.
fn candidates(question: &Question<'_>) -> Vec<StrategyStep> {
    let mut steps = question.config.strategy(question.incident.problem);
    let leads = question.diagnosis.confidence >= SURE_ENOUGH_TO_LEAD
        // A person has weighed it.
        || question.incident.chosen.is_some();
    if let Some(action) = question.diagnosis.recommended_action
        && leads
    {
        match steps.iter().position(|step| step.action == action) {
            Some(position) => {
                let step = steps.remove(position);
                steps.insert(0, step);
            }
            None => steps.insert(
                0,
                StrategyStep {
                    action,
                    script: None,
                    attempts: 1,
                    back_off: crate::config::Span::from_secs(30),
                },
            ),
        }
    }
    steps
}

/// One more start does not help what can't start.
fn is_futile(question: &Question<'_>, step: &StrategyStep) -> bool {
    question.diagnosis.recommended_action.is_none()
        && question.diagnosis.confidence >= SURE_THAT_FUTILE
        && step.action.is_restart()
}

fn nothing_helps(diagnosis: &Diagnosis, beginning: &str) -> String {
    if diagnosis.advice.is_empty() {
        format!("{beginning}: {}", diagnosis.diagnosis)
    } else {
        format!("{beginning}: {}. {}", diagnosis.diagnosis, diagnosis.advice)
    }
}

fn full_stop(sentence: &str) -> String {
    let sentence = sentence.trim_end();
    if sentence.ends_with(['.', '!', '?', '…']) {
        sentence.to_owned()
    } else {
        format!("{sentence}.")
    }
}

/// A plan is there; policy and guards say whether it is done, asked about or withheld.
fn weigh(
    question: &Question<'_>,
    step: &StrategyStep,
    plan: Plan,
    more_careful: Option<&Diagnosis>,
) -> Answer {
    let incident = question.incident;
    let record = question
        .records
        .of(incident.problem, step.action, &incident.resource);
    let allowed = policy::weigh(question, &plan);
    let mut decision = match allowed {
        Err(decision) => decision,
        Ok(reason) => match guards::objection(question, step, &plan, &record) {
            None => match more_careful {
                None => Decision {
                    verdict: Verdict::ActNow,
                    reason,
                    guard: None,
                    retry_at: None,
                },
                Some(opinion) => Decision {
                    verdict: Verdict::Ask,
                    reason: format!(
                        "{} sees it otherwise: {} It would {}. Choose one of the diagnoses, or answer",
                        opinion.source,
                        full_stop(&opinion.diagnosis),
                        opinion
                            .recommended_action
                            .map_or("do nothing".to_owned(), |action| format!(
                                "rather do {action}"
                            )),
                    ),
                    guard: Some(SECOND_OPINION.to_owned()),
                    retry_at: None,
                },
            },
            Some((guard, why)) => Decision {
                verdict: Verdict::Ask,
                reason: why,
                guard: Some(guard.to_owned()),
                retry_at: None,
            },
        },
    };
    let plan = (decision.verdict != Verdict::Withhold).then_some(plan);
    let planner = Planner {
        resources: question.resources,
        graph: question.graph,
        config: question.config,
    };
    if let Some(left_out) = planner.left_out(incident, step.action) {
        decision.reason = format!("{}; {left_out}", decision.reason);
    }
    Answer {
        decision,
        plan,
        record,
    }
}

#[cfg(test)]
mod tests;
