//! What may be recommended for an incident, or asked for by a person: the actions that could be planned as the world is. Pure.
//!
//! Whoever recommends or asks chooses among these and nothing else; what is then done about it is decided as ever. Actions of high risk
//! are not offered unless the incident's own strategy has them.

use steward_api::{
    ActionName, ContainerStatus, Incident, OfferedAction, Plan, Problem, Resource, ResourceKind,
    Risk,
};

use super::{Planner, planner::is_database, policy::steps_in_words};
use crate::{
    config::{Span, StrategyStep},
    flow::learn::Records,
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
        .map(untold);
    let mut offered: Vec<OfferedAction> = Vec::new();
    // To close a port is of high risk too, and the one other thing that helps where binding it does.
    let alternative = strategy
        .iter()
        .any(|step| step.action == ActionName::BindPort)
        .then(|| untold(ActionName::ClosePort));
    for step in strategy.iter().cloned().chain(others).chain(alternative) {
        if offered.iter().any(|known| known.action == step.action) {
            continue;
        }
        let Ok(plan) = planner.plan(incident, &step) else {
            continue;
        };
        // The same deed under another name is no choice.
        let words = steps_in_words(&plan);
        if offered.iter().any(|known| known.plan == words)
            || !makes_sense(planner, incident, step.action)
        {
            continue;
        }
        offered.push(OfferedAction {
            action: step.action,
            risk: plan.risk(),
            plan: words,
            record: records.of(incident.problem, step.action, &incident.resource),
        });
    }
    offered
}

/// The plan of an action that a person asks for, where it is offered.
pub fn asked_plan(
    planner: &Planner<'_>,
    records: &Records,
    incident: &Incident,
    action: ActionName,
) -> Option<Plan> {
    let strategy = planner.config.strategy(incident.problem);
    let step = strategy
        .into_iter()
        .find(|step| step.action == action)
        .unwrap_or_else(|| untold(action));
    offered(planner, records, incident)
        .iter()
        .any(|offer| offer.action == action)
        .then(|| planner.plan(incident, &step).ok())?
}

/// The step of an action of which the strategy says nothing.
const fn untold(action: ActionName) -> StrategyStep {
    StrategyStep {
        action,
        script: None,
        attempts: 1,
        back_off: Span::from_secs(30),
    }
}

/// What stands for the problem where a person asks for something though nothing is known to be wrong.
pub fn nearest_problem(resource: &Resource) -> Problem {
    match resource.id.kind {
        ResourceKind::Disk => Problem::DiskFilling,
        ResourceKind::Database => Problem::DatabaseConnections,
        ResourceKind::Service => Problem::EndpointFailing,
        ResourceKind::Unit => Problem::UnitFailed,
        ResourceKind::Engine => Problem::DockerUnreachable,
        ResourceKind::Image => Problem::CriticalVulnerability,
        ResourceKind::Certificate => Problem::CertificateExpiring,
        ResourceKind::SignIn => Problem::SignInAttack,
        ResourceKind::Port => Problem::UnexpectedPort,
        // One that works is restarted as what is seen to fail from outside: it need not be down.
        _ => Problem::EndpointFailing,
    }
}

/// Whether an action would change anything, as the container is, and is about the resource rather than about what it stands on.
fn makes_sense(planner: &Planner<'_>, incident: &Incident, action: ActionName) -> bool {
    let resource = planner.resources.get(&incident.resource);
    let status = resource
        .and_then(|resource| resource.container())
        .map(|facts| facts.status);
    let is_down = status.is_some_and(|status| status != ContainerStatus::Running);
    match action {
        ActionName::StartContainer => is_down,
        ActionName::ResetConnections => {
            incident.resource.kind == ResourceKind::Database
                || resource.is_some_and(|resource| is_database(resource))
        }
        ActionName::StopContainer | ActionName::ClearTmp => status.is_none() || !is_down,
        ActionName::PruneDanglingImages
        | ActionName::PruneBuildCache
        | ActionName::PruneStoppedContainers
        | ActionName::PruneUnusedImages
        | ActionName::PruneUnusedVolumes
        | ActionName::VacuumSystemdJournal => matches!(
            incident.resource.kind,
            ResourceKind::Disk | ResourceKind::Engine | ResourceKind::Host
        ),
        _ => true,
    }
}
