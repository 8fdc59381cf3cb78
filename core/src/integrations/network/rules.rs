//! What is wrong with DNS or the outside. Pure.

use steward_api::{Evidence, Facts, Health, Problem, ResourceKind, Severity};

use crate::ports::{Judgement, Rule, RuleInput, Suspicion};

/// Readings in a row that must fail: one lost packet is no incident.
const FAILURES: u32 = 2;

/// The rules for the network.
#[derive(Debug)]
pub struct NetworkRule;

impl Rule for NetworkRule {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Network
    }

    fn judge(&self, input: &RuleInput<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        match input.resource.health {
            Health::Unknown => judgement.unknown = true,
            Health::Unhealthy if input.history.failing_readings < FAILURES => {
                judgement.unknown = true
            }
            Health::Unhealthy => {
                let (problem, summary) = if input.resource.id.name == "dns" {
                    (Problem::DnsUnreachable, "Names do not resolve")
                } else {
                    (Problem::OutsideUnreachable, "The outside does not answer")
                };
                let failed = match &input.resource.facts {
                    Facts::Network(facts) => facts.failed.as_slice(),
                    _ => &[],
                };
                judgement.suspicions.push(Suspicion {
                    problem,
                    severity: Severity::Unhealthy,
                    summary: format!("{summary} from {}", input.resource.id.node),
                    evidence: failed
                        .iter()
                        .take(5)
                        .map(|target| Evidence::new("network", target))
                        .collect(),
                });
            }
            _ => {}
        }
        judgement
    }
}
