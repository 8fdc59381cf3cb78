//! Diagnose: an incident's case becomes a diagnosis, from the catalogue. Pure.
//!
//! Every pattern is asked; the surest answer wins, and among equally sure ones the one listed first. What the catalogue does not
//! explain is said to be unexplained, with little confidence: there is always a diagnosis, never an invented one.

mod general;

use steward_api::{
    ActionName, Diagnosis, Evidence, Finding, Health, Incident, Problem, Resource, ResourceKind,
    Urgency,
};

use super::{detect::evidence, observe::World};
use crate::ports::{Case, Pattern};

pub use general::general_patterns;

/// A diagnosis at least so sure that no action helps holds the strategy's actions back.
pub const SURE_THAT_FUTILE: u8 = 80;
/// A recommendation at least so sure comes before the strategy's first step.
pub const SURE_ENOUGH_TO_LEAD: u8 = 80;

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
        let mut best: Option<(&dyn Pattern, crate::ports::CatalogueMatch)> = None;
        for pattern in &self.0 {
            if let Some(found) = pattern.explain(case)
                && best
                    .as_ref()
                    .is_none_or(|(_, known)| found.confidence > known.confidence)
            {
                best = Some((pattern.as_ref(), found));
            }
        }
        let mut all_evidence = evidence(findings);
        match best {
            Some((pattern, found)) => {
                all_evidence.extend(found.evidence);
                Diagnosis {
                    diagnosis: found.cause,
                    recommended_action: found.action,
                    urgency: found.urgency,
                    confidence: found.confidence,
                    reasoning: found.reasoning,
                    evidence: all_evidence,
                    source: format!("catalogue:{}", pattern.id()),
                    advice: found.advice,
                }
            }
            None => unexplained(case.problem, all_evidence),
        }
    }
}

/// Whether a diagnosis says something else than the one in force.
pub fn is_news(incident: &Incident, diagnosis: &Diagnosis) -> bool {
    incident.diagnoses.first().is_none_or(|known| {
        known.diagnosis != diagnosis.diagnosis || known.source != diagnosis.source
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
        urgency: Urgency::Medium,
        confidence: 20,
        reasoning: "nothing that was seen matches a known pattern".to_owned(),
        evidence,
        source: "catalogue:unexplained".to_owned(),
        advice: "Look at the evidence and the log.".to_owned(),
    }
}
