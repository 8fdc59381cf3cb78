//! Policy: risk × autonomy, per resource, per action, per window. Pure.

use jiff::civil;
use steward_api::{ActionName, Autonomy, Decision, Plan, ResourceId, Risk, Verdict};

use super::Question;
use crate::config::{AutonomyPolicy, matches_resource};

/// The level in force for an action on a resource: the resource's own, else the general one; the action's own where it is more careful.
pub fn autonomy_for(
    policy: &AutonomyPolicy,
    general: Autonomy,
    resource: &ResourceId,
    action: ActionName,
) -> Autonomy {
    let by_resource = policy
        .resources
        .iter()
        .find(|particular| matches_resource(&particular.matches, resource))
        // A general level of `observe` is the operator's hand on the brake: nothing particular loosens it.
        .map_or(general, |particular| {
            if general == Autonomy::Observe {
                general
            } else {
                particular.level
            }
        });
    policy
        .actions
        .get(&action)
        .map_or(by_resource, |level| by_resource.min(*level))
}

/// Whether a level lets something of this risk be done without asking, at this time of the host's clock.
pub fn permits(
    policy: &AutonomyPolicy,
    level: Autonomy,
    risk: Risk,
    local: civil::DateTime,
) -> Result<(), &'static str> {
    match (level, risk) {
        (Autonomy::Observe, _) => Err("Autonomy is observe"),
        (Autonomy::Ask, _) => Err("Autonomy is ask"),
        (_, Risk::High) => Err("It is of high risk, which always asks"),
        (Autonomy::Assist, Risk::Medium) => Err("It is of medium risk, and autonomy is assist"),
        (Autonomy::Assist | Autonomy::Autopilot, Risk::Low) => Ok(()),
        (Autonomy::Autopilot, Risk::Medium) => {
            if policy.windows.is_empty()
                || policy.windows.iter().any(|window| window.contains(local))
            {
                Ok(())
            } else {
                Err("It is of medium risk, and no allowed window is open")
            }
        }
    }
}

/// Weighs every step of a plan; the most careful answer counts. `Ok`: it may be done, and why.
pub(super) fn weigh(question: &Question<'_>, plan: &Plan) -> Result<String, Decision> {
    let policy = &question.config.autonomy;
    let mut why_ask: Option<String> = None;
    let mut why_act: Option<String> = None;
    for step in plan.steps() {
        let action = step.action.name();
        for resource in step.action.touches() {
            let labels = question
                .resources
                .get(resource)
                .and_then(|resource| resource.container())
                .map(|facts| &facts.labels);
            let level = autonomy_for(policy, question.autonomy, resource, action);
            if level == Autonomy::Observe {
                return Err(Decision {
                    verdict: Verdict::Withhold,
                    reason: format!(
                        "Steward would now: {}; autonomy is observe, so it does not",
                        steps_in_words(plan)
                    ),
                    guard: Some("autonomy".to_owned()),
                    retry_at: None,
                });
            }
            let auto_restart = labels
                .and_then(|labels| labels.auto_restart)
                .filter(|_| action.is_restart());
            if auto_restart == Some(false) {
                why_ask = Some(format!(
                    "{} is labelled steward.auto_restart=false",
                    resource.short()
                ));
                continue;
            }
            // The label lets restarts of low risk be done where the level would ask; it never lifts a higher risk.
            if auto_restart == Some(true) && step.action.risk() == Risk::Low {
                why_act.get_or_insert_with(|| {
                    format!("{} is labelled steward.auto_restart=true", resource.short())
                });
                continue;
            }
            if question.graph.is_awaited_job(resource) && action.is_restart() {
                why_ask = Some(format!(
                    "{} is a job that others wait for; to run it twice may do harm",
                    resource.short()
                ));
                continue;
            }
            match permits(policy, level, step.action.risk(), question.local) {
                Ok(()) => _ = why_act.get_or_insert_with(|| format!("autonomy is {level}")),
                Err(why) => _ = why_ask.get_or_insert_with(|| why.to_owned()),
            }
        }
    }
    match why_ask {
        None => Ok(format!(
            "{} risk, and {}",
            capital(plan.risk()),
            why_act.unwrap_or_else(|| format!("autonomy is {}", question.autonomy))
        )),
        Some(reason) => Err(Decision {
            verdict: Verdict::Ask,
            reason,
            guard: Some("autonomy".to_owned()),
            retry_at: None,
        }),
    }
}

fn capital(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "Low",
        Risk::Medium => "Medium",
        Risk::High => "High",
    }
}

/// A plan's steps in one line.
pub(super) fn steps_in_words(plan: &Plan) -> String {
    plan.steps()
        .iter()
        .map(|step| step.action.to_string())
        .collect::<Vec<_>>()
        .join(", then ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn high_risk_always_asks_and_observe_never_acts() {
        let policy = AutonomyPolicy::default();
        let noon = civil::date(2026, 1, 1).at(12, 0, 0, 0);
        for level in Autonomy::ALL {
            assert!(
                permits(&policy, level, Risk::High, noon).is_err(),
                "{level}"
            );
        }
        for risk in [Risk::Low, Risk::Medium, Risk::High] {
            assert!(permits(&policy, Autonomy::Observe, risk, noon).is_err());
            assert!(permits(&policy, Autonomy::Ask, risk, noon).is_err());
        }
        assert!(permits(&policy, Autonomy::Assist, Risk::Low, noon).is_ok());
        assert!(permits(&policy, Autonomy::Assist, Risk::Medium, noon).is_err());
        assert!(permits(&policy, Autonomy::Autopilot, Risk::Medium, noon).is_ok());
    }

    #[test]
    fn observe_is_never_loosened() {
        let policy = AutonomyPolicy {
            resources: vec![crate::config::ResourceAutonomy {
                matches: "web".to_owned(),
                level: Autonomy::Autopilot,
            }],
            ..AutonomyPolicy::default()
        };
        let web = ResourceId::container("n", "web");
        assert_eq!(
            autonomy_for(
                &policy,
                Autonomy::Observe,
                &web,
                ActionName::RestartContainer
            ),
            Autonomy::Observe
        );
        assert_eq!(
            autonomy_for(&policy, Autonomy::Ask, &web, ActionName::RestartContainer),
            Autonomy::Autopilot
        );
    }
}
