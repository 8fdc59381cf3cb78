//! Detect: the world and its history become findings. Pure.
//!
//! The rules themselves stand with the integration whose resources they judge; here they are run, each resource's findings get their
//! time, hysteresis is remembered, and what a rule says refines the resource's health. It never opens an incident.

use std::collections::BTreeMap;

use jiff::Timestamp;
use steward_api::{Evidence, Finding, Health, ResourceId, ResourceKind, Severity};

use super::observe::World;
use crate::{
    config::Thresholds,
    ports::{Judgement, Rule, RuleInput},
};

/// Why nothing follows from what is wrong.
const IN_MAINTENANCE: &str = "in a maintenance window";

/// What is known of a resource after its rules have spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was judged.
    Known,
    /// It can't be told: neither a finding nor a recovery.
    Unknown,
    /// It is gone.
    Gone,
}

/// The judgement of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Which.
    pub resource: ResourceId,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What is known.
    pub standing: Standing,
    /// Why nothing is wrong though it does not run.
    pub meant: Option<String>,
    /// Judge again at this time.
    pub again_at: Option<Timestamp>,
}

impl Evaluation {
    /// The evaluation of a resource that is gone.
    pub const fn gone(resource: ResourceId) -> Self {
        Self {
            resource,
            findings: Vec::new(),
            standing: Standing::Gone,
            meant: None,
            again_at: None,
        }
    }
}

/// The rules, by the kind that they judge.
pub struct Rules(BTreeMap<ResourceKind, Vec<Box<dyn Rule>>>);

impl Rules {
    /// These rules.
    pub fn new(rules: Vec<Box<dyn Rule>>) -> Self {
        let mut by_kind: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for rule in rules {
            by_kind.entry(rule.kind()).or_default().push(rule);
        }
        Self(by_kind)
    }
}

/// Judges one resource, remembers what it needs for the next time, and refines the resource's health.
pub fn evaluate(
    world: &mut World,
    rules: &Rules,
    thresholds: &Thresholds,
    in_maintenance: bool,
    id: &ResourceId,
    now: Timestamp,
) -> Evaluation {
    // The rules judge what was read, never what they said before.
    let Some(resource) = world.as_read(id) else {
        return Evaluation::gone(id.clone());
    };
    let graph = world.graph();
    let is_needed = graph
        .needed_by(id)
        .iter()
        .any(|by| by.kind == ResourceKind::Container);
    let is_awaited_job = graph.is_awaited_job(id);
    let history = world.history_mut(id);
    let input = RuleInput {
        resource: &resource,
        history,
        thresholds,
        is_needed,
        is_awaited_job,
        now,
    };
    let mut judgement = rules
        .0
        .get(&id.kind)
        .into_iter()
        .flatten()
        .map(|rule| rule.judge(&input))
        .reduce(merge)
        .unwrap_or_default();
    history.in_maintenance = in_maintenance;
    if judgement.unknown && judgement.suspicions.is_empty() {
        return Evaluation {
            resource: id.clone(),
            findings: Vec::new(),
            standing: Standing::Unknown,
            meant: None,
            again_at: judgement.again_at,
        };
    }
    let present: Vec<_> = judgement
        .suspicions
        .iter()
        .map(|suspicion| suspicion.problem)
        .collect();
    history.since.retain(|problem, _| present.contains(problem));
    history.raised = present.iter().copied().collect();
    let is_excused = in_maintenance && !judgement.suspicions.is_empty();
    let mut findings: Vec<Finding> = judgement
        .suspicions
        .into_iter()
        .map(|suspicion| Finding {
            resource: id.clone(),
            problem: suspicion.problem,
            severity: suspicion.severity,
            summary: if is_excused {
                format!("{}; {IN_MAINTENANCE}", suspicion.summary)
            } else {
                suspicion.summary
            },
            evidence: suspicion.evidence,
            since: *history.since.entry(suspicion.problem).or_insert(now),
        })
        .collect();
    refine(world, id, &resource, &findings, judgement.meant.as_deref());
    if is_excused {
        // It is shown as it is (as stopped, the next agent would take it for meant to stay so), and nothing follows from it.
        findings.clear();
        judgement.meant = Some(IN_MAINTENANCE.to_owned());
    }
    Evaluation {
        resource: id.clone(),
        findings,
        standing: Standing::Known,
        meant: judgement.meant,
        again_at: judgement.again_at,
    }
}

fn merge(mut one: Judgement, other: Judgement) -> Judgement {
    one.suspicions.extend(other.suspicions);
    one.meant = one.meant.or(other.meant);
    one.unknown &= other.unknown;
    one.again_at = [one.again_at, other.again_at].into_iter().flatten().min();
    one
}

/// The health that a person should see: the facts' own, corrected by what the rules know.
fn refine(
    world: &mut World,
    id: &ResourceId,
    resource: &steward_api::Resource,
    findings: &[Finding],
    meant: Option<&str>,
) {
    let worst = findings.iter().max_by_key(|finding| finding.severity);
    match (worst, meant) {
        (Some(worst), _) => {
            let health = match worst.severity {
                _ if resource.health == Health::Restarting => Health::Restarting,
                Severity::Degraded => Health::Degraded,
                Severity::Unhealthy | Severity::Critical => Health::Unhealthy,
            };
            world.refine(id, health, Some(worst.summary.clone()));
        }
        (None, Some(why)) => world.refine(id, Health::Stopped, Some(why.to_owned())),
        (None, None) => {
            if let Some(facts) = resource.container()
                && facts.status == steward_api::ContainerStatus::Running
                && matches!(
                    resource.health,
                    Health::Unhealthy | Health::Stopped | Health::Degraded
                )
            {
                // A signal said that it runs again; the next reading brings the reason.
                world.refine(id, Health::Healthy, Some("runs".to_owned()));
            }
        }
    }
}

/// All evidence of some findings, in order.
pub fn evidence(findings: &[Finding]) -> Vec<Evidence> {
    findings
        .iter()
        .flat_map(|finding| finding.evidence.clone())
        .collect()
}
