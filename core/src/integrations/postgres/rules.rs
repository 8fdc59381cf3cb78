//! What is wrong with a database server. Pure.

use steward_api::{Evidence, Facts, Health, Metric, Problem, ResourceKind, Severity};

use crate::ports::{Judgement, Rule, RuleInput, Suspicion};

/// Readings in a row that must fail: a server that is just starting is no incident.
const FAILURES: u32 = 2;

/// The rules for database servers.
#[derive(Debug)]
pub struct DatabaseRule;

impl Rule for DatabaseRule {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Database
    }

    fn judge(&self, input: &RuleInput<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        let name = &input.resource.id.name;
        if input.resource.health == Health::Unknown {
            judgement.unknown = true;
            return judgement;
        }
        if input.resource.health == Health::Unhealthy {
            if input.history.failing_readings < FAILURES {
                judgement.unknown = true;
            } else {
                judgement.suspicions.push(Suspicion {
                    problem: Problem::DatabaseUnreachable,
                    severity: Severity::Unhealthy,
                    summary: format!(
                        "The database {name} does not answer: {}",
                        input.resource.reason
                    ),
                    evidence: vec![Evidence::new("postgres", input.resource.reason.clone())],
                });
            }
            return judgement;
        }
        let limits = input.thresholds;
        let threshold = limits.database_connections_percent;
        let clear_at = threshold - limits.hysteresis;
        if input.history.sustained(
            Problem::DatabaseConnections,
            Metric::ConnectionsPercent,
            threshold,
            clear_at,
            limits,
        ) {
            let counts = match &input.resource.facts {
                Facts::Database(facts) => facts
                    .connections_used
                    .zip(facts.connections_max)
                    .map(|(used, max)| format!("{used} of {max} connections in use")),
                _ => None,
            };
            let percent = input
                .history
                .latest(Metric::ConnectionsPercent)
                .unwrap_or(threshold);
            judgement.suspicions.push(Suspicion {
                problem: Problem::DatabaseConnections,
                severity: Severity::Degraded,
                summary: format!(
                    "The database {name} has {percent:.0} % of its connections in use"
                ),
                evidence: counts
                    .map(|text| Evidence::new("postgres", text))
                    .into_iter()
                    .collect(),
            });
        }
        judgement
    }
}
