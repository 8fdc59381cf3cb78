//! Whether what a model recommends has anything to stand on. Pure.
//!
//! What flows through: an action that a model recommends, how sure it is, what it rests on, and the case; out comes why that is not taken
//! for a recommendation, or nothing. An opinion names a cause as it likes; an action that a person may follow needs grounds that do not
//! come from the model: what Steward itself found, the operator's strategies, what the catalogue says. What it never does: add an action,
//! or make one of less risk safer than it is.

use std::sync::LazyLock;

use regex::Regex;
use steward_api::{ActionName, Diagnosis, Health, Problem, is_of_model};

use super::pieces::{Kind, Piece};
use crate::ports::{CATALOGUE_IS_SURE, Consultation, OPINION_COUNTS};

/// Why an action is not taken for a recommendation; none where it is.
///
/// `evidence` are the pieces that the model rests on, `shown` all that it was shown.
pub(super) fn objection(
    action: ActionName,
    confidence: u8,
    evidence: &[&Piece],
    shown: &[Piece],
    case: &Consultation,
) -> Option<String> {
    if confidence < OPINION_COUNTS {
        return Some(format!(
            "it is only {confidence} % sure; below {OPINION_COUNTS} % it is more likely wrong than right"
        ));
    }
    if let Some(why) = nothing_is_wrong(case) {
        return Some(why);
    }
    let catalogue = case
        .incident
        .diagnoses
        .iter()
        .find(|diagnosis| !is_of_model(diagnosis));
    // The catalogue says so by fixed rules, whatever the model was led to think.
    let of_catalogue = catalogue.and_then(|known| known.recommended_action);
    if of_catalogue.is_some_and(|known| is_the_same_deed(known, action)) {
        return None;
    }
    let is_strategic = case
        .strategy
        .iter()
        .any(|known| is_the_same_deed(*known, action));
    // Where it is sure that something helps, the operator's other steps for the same problem are no contradiction.
    if let Some(known) = catalogue
        && known.confidence >= CATALOGUE_IS_SURE
        && (of_catalogue.is_none() || !is_strategic)
    {
        return Some(against_the_catalogue(known));
    }
    let orders: Vec<&str> = shown
        .iter()
        .filter(|piece| piece.is_order)
        .map(|piece| piece.reference.as_str())
        .collect();
    if !orders.is_empty() {
        let orders: Vec<&str> = orders.into_iter().take(5).collect();
        return Some(format!(
            "something tries to give orders to whoever reads it ({})",
            orders.join(", ")
        ));
    }
    if !evidence.iter().any(|piece| piece.is_observation()) {
        return Some("it rests on nothing that was seen".to_owned());
    }
    if is_strategic || speaks_for(action, evidence, case) {
        return None;
    }
    Some(
        "neither the strategies for this problem nor anything that it rests on speaks for it"
            .to_owned(),
    )
}

/// Whether two actions come to the same: of what does not run, a restart is a start; of what runs, no start is offered.
fn is_the_same_deed(one: ActionName, other: ActionName) -> bool {
    let as_restart = |action| match action {
        ActionName::StartContainer => ActionName::RestartContainer,
        other => other,
    };
    as_restart(one) == as_restart(other)
}

/// Whether, by Steward's own reading, there is nothing to mend.
fn nothing_is_wrong(case: &Consultation) -> Option<String> {
    let findings = &case.incident.findings;
    if findings.is_empty() {
        return Some("nothing was found to be wrong with it".to_owned());
    }
    match case.resource.as_ref()?.health {
        Health::Stopped => Some("it is stopped and meant to be".to_owned()),
        // What is found besides, such as pressure, is found in what runs well otherwise.
        Health::Healthy if findings.iter().all(|finding| ends_with_it(finding.problem)) => {
            Some("it is well again, as last read".to_owned())
        }
        _ => None,
    }
}

/// Whether a problem is over as soon as its resource is read as well.
const fn ends_with_it(problem: Problem) -> bool {
    matches!(
        problem,
        Problem::ContainerStopped
            | Problem::ContainerUnhealthy
            | Problem::EndpointFailing
            | Problem::DatabaseUnreachable
            | Problem::UnitFailed
            | Problem::DockerUnreachable
    )
}

fn against_the_catalogue(known: &Diagnosis) -> String {
    let recommends = known
        .recommended_action
        .map_or("no action", ActionName::as_str);
    format!(
        "the catalogue is {} % sure of its own cause, for which it recommends {recommends}",
        known.confidence
    )
}

/// Whether what was found, or what the model rests on, speaks for an action that no strategy has.
fn speaks_for(action: ActionName, evidence: &[&Piece], case: &Consultation) -> bool {
    let is_told = |what: &Regex| {
        evidence
            .iter()
            .any(|piece| piece.is_observation() && what.is_match(&piece.text))
    };
    let is_found = |problem| {
        case.incident
            .findings
            .iter()
            .any(|finding| finding.problem == problem)
    };
    match action {
        ActionName::ClearTmp
        | ActionName::PruneDanglingImages
        | ActionName::PruneBuildCache
        | ActionName::PruneStoppedContainers
        | ActionName::VacuumSystemdJournal => is_told(&NO_SPACE),
        ActionName::ResetConnections => is_told(&NO_CONNECTIONS),
        // It ends again and again: until that is mended, it may as well rest.
        ActionName::StopContainer => is_found(Problem::RestartLoop),
        // What a log says of memory is anybody's word; the kernel's is not.
        ActionName::SetLimits => case
            .resource
            .as_ref()
            .and_then(|resource| resource.container())
            .is_some_and(|facts| facts.oom_killed),
        _ => false,
    }
}

impl Piece {
    /// Whether it tells what was seen now, rather than what somebody makes of it or what was once.
    fn is_observation(&self) -> bool {
        !self.is_order && self.kind != Kind::View
    }
}

/// Words of programs that find no room on a disk.
#[allow(clippy::expect_used, reason = "a constant, which a test compiles")]
static NO_SPACE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)no space left|\benospc\b|(disk|device|file ?system|volume|storage|/tmp)\b.{0,20}\bfull\b|(out of|not enough|insufficient) (disk|storage|free) ?space|\bdisk_filling\b")
        .expect("a valid pattern")
});

/// Words of programs that get no connection to a database any more.
#[allow(clippy::expect_used, reason = "a constant, which a test compiles")]
static NO_CONNECTIONS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)too many (clients|connections)|connection slots|(connection )?pool\b.{0,20}\bexhausted|max_?connections|\bdatabase_connections\b")
        .expect("a valid pattern")
});

#[cfg(test)]
mod tests;
