//! Diagnose: an incident's case becomes a diagnosis, from the catalogue. Pure.
//!
//! Every pattern is asked; the surest answer wins, and among equally sure ones the one listed first. What the catalogue does not
//! explain is said to be unexplained, with little confidence: there is always a diagnosis, never an invented one.

mod general;

use steward_api::{
    ActionName, Diagnosis, Evidence, Finding, Health, Incident, Problem, Resource, ResourceKind,
    Risk, Urgency, is_of_model,
};

use super::{detect::evidence, observe::World};
use crate::{
    config::{Advisor, WhenToDiagnose},
    ports::{CATALOGUE_IS_SURE, Case, CatalogueMatch, OPINION_COUNTS, Pattern},
};

pub use general::general_patterns;

/// A diagnosis at least so sure that no action helps holds the strategy's actions back.
pub const SURE_THAT_FUTILE: u8 = CATALOGUE_IS_SURE;
/// A recommendation at least so sure comes before the strategy's first step.
pub const SURE_ENOUGH_TO_LEAD: u8 = CATALOGUE_IS_SURE;

/// The catalogue.
pub struct Catalogue(Vec<Box<dyn Pattern>>);

impl Catalogue {
    /// These patterns, and the general ones behind them.
    pub fn new(mut patterns: Vec<Box<dyn Pattern>>) -> Self {
        patterns.extend(general_patterns());
        Self(patterns)
    }

    /// The diagnosis of an incident as the world is now, with the last lines of its log, or why they could not be read. None where its
    /// resource is not known.
    pub fn examine(
        &self,
        incident: &Incident,
        world: &mut World,
        log: &[String],
        log_error: Option<&str>,
    ) -> Option<Diagnosis> {
        let history = world
            .history(&incident.resource)
            .cloned()
            .unwrap_or_default();
        let (graph, resources) = world.picture();
        let failing: Vec<&Resource> = graph
            .upstream(&incident.resource)
            .iter()
            .filter(|id| matches!(id.kind, ResourceKind::Container | ResourceKind::Database))
            .filter_map(|id| resources.get(id))
            .filter(|resource| {
                matches!(
                    resource.health,
                    Health::Unhealthy | Health::Restarting | Health::Stopped
                )
            })
            .map(AsRef::as_ref)
            .collect();
        let problems: Vec<_> = incident
            .findings
            .iter()
            .map(|finding| finding.problem)
            .collect();
        let case = Case {
            problem: incident.problem,
            problems: &problems,
            resource: resources.get(&incident.resource)?,
            history: &history,
            log,
            failing_dependencies: &failing,
        };
        let mut diagnosis = self.diagnose(&case, &incident.findings);
        diagnosis.evidence.extend(
            log_error.map(|error| Evidence::new("log", format!("could not be read: {error}"))),
        );
        Some(diagnosis)
    }

    /// The diagnosis of a case.
    fn diagnose(&self, case: &Case<'_>, findings: &[Finding]) -> Diagnosis {
        let mut best: Option<CatalogueMatch> = None;
        for pattern in &self.0 {
            if let Some(found) = pattern.explain(case)
                && best
                    .as_ref()
                    .is_none_or(|known| found.confidence > known.confidence)
            {
                best = Some(found);
            }
        }
        let mut all_evidence = evidence(findings);
        match best {
            Some(found) => {
                all_evidence.extend(found.evidence);
                Diagnosis {
                    diagnosis: found.cause,
                    recommended_action: found.action,
                    withheld: None,
                    urgency: found.urgency,
                    confidence: found.confidence,
                    reasoning: found.reasoning,
                    evidence: all_evidence,
                    source: format!("catalogue:{}", found.entry),
                    advice: found.advice,
                }
            }
            None => unexplained(case.problem, all_evidence),
        }
    }
}

/// What the catalogue says of an incident.
pub fn of_catalogue(incident: &Incident) -> Option<&Diagnosis> {
    incident
        .diagnoses
        .iter()
        .find(|diagnosis| !is_of_model(diagnosis))
}

/// Whether the catalogue says something else than it did.
pub fn is_news(incident: &Incident, diagnosis: &Diagnosis) -> bool {
    of_catalogue(incident).is_none_or(|known| {
        known.diagnosis != diagnosis.diagnosis || known.source != diagnosis.source
    })
}

/// Adds the catalogue's diagnosis. It is in force unless a person chose another. What models said of an incident that the catalogue sees
/// otherwise now rests on what has passed, and goes, but for what was chosen.
pub fn add_of_catalogue(incident: &mut Incident, diagnosis: Diagnosis) {
    let is_news = is_news(incident, &diagnosis);
    let chosen = incident.chosen.clone();
    let is_chosen = |known: &Diagnosis| chosen.as_ref() == Some(&known.source);
    incident
        .diagnoses
        .retain(|known| is_of_model(known) && (!is_news || is_chosen(known)));
    incident.diagnoses.insert(0, diagnosis);
    in_force_first(incident);
}

/// Adds a model's diagnosis, in the place of what the same model said before.
///
/// A choice is of what was seen: where the model says something else now, nobody has chosen that.
pub fn add_of_model(incident: &mut Incident, diagnosis: Diagnosis) {
    let says_another = incident
        .diagnoses
        .iter()
        .any(|known| known.source == diagnosis.source && !says_the_same(known, &diagnosis));
    if says_another && incident.chosen.as_ref() == Some(&diagnosis.source) {
        incident.chosen = None;
    }
    incident
        .diagnoses
        .retain(|known| known.source != diagnosis.source);
    incident.diagnoses.push(diagnosis);
    in_force_first(incident);
}

/// Whether two diagnoses name the same cause and the same action.
fn says_the_same(one: &Diagnosis, other: &Diagnosis) -> bool {
    let action = |diagnosis: &Diagnosis| {
        let withheld = diagnosis.withheld.as_ref().map(|withheld| withheld.action);
        (diagnosis.recommended_action, withheld)
    };
    one.diagnosis == other.diagnosis && action(one) == action(other)
}

/// Whether a model is to be asked about an incident without a person's request, by what is configured: there is no opinion yet, and the
/// catalogue is unsure enough.
pub fn wants_opinion(incident: &Incident, policy: &Advisor) -> bool {
    let is_unsure =
        of_catalogue(incident).is_some_and(|known| known.confidence < policy.unsure_below);
    let is_wanted = match policy.diagnose {
        WhenToDiagnose::OnRequest => false,
        WhenToDiagnose::Always => true,
        WhenToDiagnose::Unsure => is_unsure,
    };
    is_wanted && !incident.diagnoses.iter().any(is_of_model)
}

/// A person puts a diagnosis in force; false where there is none from that source.
pub fn choose(incident: &mut Incident, source: &str) -> bool {
    let is_there = incident
        .diagnoses
        .iter()
        .any(|diagnosis| diagnosis.source == source);
    if is_there {
        incident.chosen = Some(source.to_owned());
        in_force_first(incident);
    }
    is_there
}

/// The one in force stands first: what a person chose, else what the catalogue says. A model's is never in force by itself.
fn in_force_first(incident: &mut Incident) {
    let chosen = incident.chosen.clone();
    incident.diagnoses.sort_by_key(|diagnosis| {
        (
            chosen.as_ref() != Some(&diagnosis.source),
            is_of_model(diagnosis),
        )
    });
    // What was chosen may be gone: the catalogue explains it in another way now.
    if incident
        .diagnoses
        .first()
        .is_none_or(|first| chosen.as_ref() != Some(&first.source))
    {
        incident.chosen = None;
    }
}

/// A model's opinion that is more careful than what would be done: it would do nothing, or another thing of less risk. None where a person
/// has chosen. Whose recommendation is withheld has not said that nothing should be done.
pub fn more_careful_opinion(
    incident: &Incident,
    action: ActionName,
    plan_risk: Risk,
) -> Option<&Diagnosis> {
    if incident.chosen.is_some() {
        return None;
    }
    incident.diagnoses.iter().find(|opinion| {
        is_of_model(opinion)
            && opinion.confidence >= OPINION_COUNTS
            && opinion.withheld.is_none()
            && opinion
                .recommended_action
                .is_none_or(|other| other != action && other.risk() < plan_risk)
    })
}

fn unexplained(problem: Problem, evidence: Vec<steward_api::Evidence>) -> Diagnosis {
    let restart = matches!(
        problem,
        Problem::ContainerStopped | Problem::ContainerUnhealthy | Problem::EndpointFailing
    );
    Diagnosis {
        diagnosis: "The cause is not known".to_owned(),
        recommended_action: restart.then_some(ActionName::RestartContainer),
        withheld: None,
        urgency: Urgency::Medium,
        confidence: 20,
        reasoning: "nothing that was seen matches a known pattern".to_owned(),
        evidence,
        source: "catalogue:unexplained".to_owned(),
        advice: "Look at the evidence and the log.".to_owned(),
    }
}

#[cfg(test)]
mod tests;
