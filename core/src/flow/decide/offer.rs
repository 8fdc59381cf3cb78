//! What may be recommended for an incident: the actions that could be planned for it as the world is. Pure.
//!
//! Whoever recommends chooses among these and nothing else; what is then done about it is decided as ever. Actions of high risk are not
//! offered unless the incident's own strategy has them.

use steward_api::{ActionName, Incident, Risk};

use super::{Planner, policy::steps_in_words};
use crate::{
    config::{Span, StrategyStep},
    flow::learn::Records,
    ports::OfferedAction,
};

/// The actions that could be planned for an incident: those of its strategy first, then those of no high risk.
pub fn offered(
    planner: &Planner<'_>,
    records: &Records,
    incident: &Incident,
) -> Vec<OfferedAction> {
    let strategy = planner.config.strategy(incident.problem);
    let others = ActionName::ALL
        .into_iter()
        .filter(|action| action.risk() < Risk::High && *action != ActionName::RunScript)
        .filter(|action| strategy.iter().all(|step| step.action != *action))
        .map(|action| StrategyStep {
            action,
            script: None,
            attempts: 1,
            back_off: Span::from_secs(30),
        });
    let mut offered: Vec<OfferedAction> = Vec::new();
    for step in strategy.iter().cloned().chain(others) {
        if offered.iter().any(|known| known.action == step.action) {
            continue;
        }
        let Ok(plan) = planner.plan(incident, &step) else {
            continue;
        };
        offered.push(OfferedAction {
            action: step.action,
            risk: plan.risk(),
            plan: steps_in_words(&plan),
            record: records.of(incident.problem, step.action, &incident.resource),
        });
    }
    offered
}
