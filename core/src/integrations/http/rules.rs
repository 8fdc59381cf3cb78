//! What is wrong with an HTTP endpoint. Pure.

use steward_api::{Evidence, Facts, Health, Metric, Problem, ResourceKind, Severity};

use crate::ports::{Judgement, Rule, RuleInput, Suspicion};

/// Readings in a row that must fail: one lost answer is no incident.
const FAILURES: u32 = 2;

/// The rules for HTTP endpoints.
#[derive(Debug)]
pub struct ServiceRule;

impl Rule for ServiceRule {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Service
    }

    fn judge(&self, input: &RuleInput<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        let name = &input.resource.id.name;
        match input.resource.health {
            Health::Unknown => judgement.unknown = true,
            Health::Unhealthy if input.history.failing_readings < FAILURES => {
                judgement.unknown = true
            }
            Health::Unhealthy => {
                let mut evidence = vec![Evidence::new("http", input.resource.reason.clone())];
                if let Facts::Service(facts) = &input.resource.facts {
                    evidence.push(Evidence::new("http", facts.url.clone()));
                }
                judgement.suspicions.push(Suspicion {
                    problem: Problem::EndpointFailing,
                    severity: Severity::Unhealthy,
                    summary: format!(
                        "The HTTP endpoint of {name} fails: {}",
                        input.resource.reason
                    ),
                    evidence,
                });
            }
            _ => {
                let limits = input.thresholds;
                let threshold = limits.http_latency_ms;
                let clear_at = threshold * (1.0 - limits.hysteresis / 100.0);
                if input.history.sustained(
                    Problem::EndpointSlow,
                    Metric::LatencyMs,
                    threshold,
                    clear_at,
                    limits,
                ) {
                    let value = input.history.latest(Metric::LatencyMs).unwrap_or(threshold);
                    judgement.suspicions.push(Suspicion {
                        problem: Problem::EndpointSlow,
                        severity: Severity::Degraded,
                        summary: format!(
                            "The HTTP endpoint of {name} takes {value:.0} ms to answer"
                        ),
                        evidence: vec![Evidence::new(
                            "metric",
                            format!(
                                "slower than {threshold:.0} ms in {} of the last {} readings",
                                limits.sustain, limits.of_last
                            ),
                        )],
                    });
                }
            }
        }
        judgement
    }
}
