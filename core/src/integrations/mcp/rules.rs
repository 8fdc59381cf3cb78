//! What is wrong with a server of the Model Context Protocol. Pure.

use steward_api::{Evidence, Facts, Health, Problem, ResourceKind, Severity};

use crate::ports::{Judgement, Rule, RuleInput, Suspicion};

/// Readings in a row that must fail: one lost answer is no incident.
const FAILURES: u32 = 2;

/// The rules for servers of the Model Context Protocol.
#[derive(Debug)]
pub struct McpServerRule;

impl Rule for McpServerRule {
    fn kind(&self) -> ResourceKind {
        ResourceKind::McpServer
    }

    fn judge(&self, input: &RuleInput<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        let resource = input.resource;
        let name = &resource.id.name;
        match resource.health {
            Health::Unknown => judgement.unknown = true,
            Health::Unhealthy if input.history.failing_readings < FAILURES => {
                judgement.unknown = true;
            }
            Health::Unhealthy => {
                let mut evidence = vec![Evidence::new("mcp", resource.reason.clone())];
                let mut answers = false;
                if let Facts::McpServer(facts) = &resource.facts {
                    evidence.push(Evidence::new("mcp", facts.address.clone()));
                    answers = facts.reachable == Some(true);
                }
                let (problem, severity, what) = if answers {
                    (
                        Problem::McpToolsFailing,
                        Severity::Degraded,
                        "can't list its tools",
                    )
                } else {
                    (
                        Problem::McpServerUnreachable,
                        Severity::Unhealthy,
                        "does not answer",
                    )
                };
                judgement.suspicions.push(Suspicion {
                    problem,
                    severity,
                    summary: format!("The MCP server {name} {what}: {}", resource.reason),
                    evidence,
                });
            }
            _ => {}
        }
        judgement
    }
}
