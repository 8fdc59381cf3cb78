//! The rules of what security scans found: an image, a certificate, signing in at a service, a port. Pure.
//!
//! What flows through: one resource in, what is wrong with it out. Severities: a hole that is known to be used, and a certificate that is
//! over, keep the thing from doing what it is there for (unhealthy); somebody who may have come in is critical; the rest works, but not as
//! it should (degraded). What it never does: judge what could not be read.

use steward_api::{
    CertificateFacts, CertificateFault, Evidence, Facts, Health, ImageFacts, PortFacts, Problem,
    ResourceKind, Severity, SignInFacts, SignInPattern, SignInSource, VulnerabilitySeverity,
};

use super::words::count;
use crate::ports::{Judgement, Rule, RuleInput, Suspicion};

/// Pieces of evidence of one finding, at most.
const MOST_EVIDENCE: usize = 5;

/// Images.
pub struct ImageRule;
/// Certificates.
pub struct CertificateRule;
/// Signing in.
pub struct SignInRule;
/// Ports.
pub struct PortRule;

fn unless_unknown(input: &RuleInput<'_>, suspicion: Option<Suspicion>) -> Judgement {
    Judgement {
        unknown: input.resource.health == Health::Unknown && suspicion.is_none(),
        suspicions: suspicion.into_iter().collect(),
        ..Judgement::default()
    }
}

impl Rule for ImageRule {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Image
    }

    fn judge(&self, input: &RuleInput<'_>) -> Judgement {
        let Facts::Image(facts) = &input.resource.facts else {
            return Judgement::default();
        };
        unless_unknown(input, vulnerable(facts))
    }
}

fn vulnerable(facts: &ImageFacts) -> Option<Suspicion> {
    if facts.critical == 0 && facts.known_exploited == 0 {
        return None;
    }
    let run_by: Vec<&str> = facts.containers.iter().map(|one| one.short()).collect();
    let mut what = Vec::new();
    if facts.critical > 0 {
        what.push(match facts.critical {
            1 => "1 critical vulnerability".to_owned(),
            many => format!("{many} critical vulnerabilities"),
        });
    }
    if facts.known_exploited > 0 {
        what.push(format!(
            "{} known to be used in attacks",
            facts.known_exploited
        ));
    }
    Some(Suspicion {
        problem: Problem::CriticalVulnerability,
        severity: if facts.known_exploited > 0 {
            Severity::Unhealthy
        } else {
            Severity::Degraded
        },
        summary: format!(
            "the image {}, run by {}, has {}",
            facts.image,
            run_by.join(", "),
            what.join(", ")
        ),
        evidence: facts
            .worst
            .iter()
            .filter(|one| one.known_exploited || one.severity == VulnerabilitySeverity::Critical)
            .take(MOST_EVIDENCE)
            .map(|one| {
                let fixed = one.fixed_version.as_deref().map_or_else(
                    || "no fixed version is known".to_owned(),
                    |version| format!("fixed in {version}"),
                );
                let used = if one.known_exploited {
                    ", known to be used in attacks"
                } else {
                    ""
                };
                let text = format!(
                    "{} ({}{used}) in {}: {fixed}",
                    one.id,
                    one.severity.as_str(),
                    one.package
                );
                Evidence::new("vulnerability data base", text)
            })
            .collect(),
    })
}

impl Rule for CertificateRule {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Certificate
    }

    fn judge(&self, input: &RuleInput<'_>) -> Judgement {
        let Facts::Certificate(facts) = &input.resource.facts else {
            return Judgement::default();
        };
        unless_unknown(input, faulty(facts))
    }
}

fn faulty(facts: &CertificateFacts) -> Option<Suspicion> {
    let has = |fault| facts.faults.iter().any(|(found, _)| *found == fault);
    let (problem, severity, what) = if has(CertificateFault::Expired) {
        (Problem::CertificateExpired, Severity::Unhealthy, "is over")
    } else if has(CertificateFault::Expiring) {
        (
            Problem::CertificateExpiring,
            Severity::Degraded,
            "ends soon",
        )
    } else if has(CertificateFault::NotYetValid)
        || has(CertificateFault::WrongName)
        || has(CertificateFault::WeakKey)
    {
        // One that signed itself, or whose issuer nobody here knows, is usual in a house of one's own; it stands in the report.
        (
            Problem::CertificateFaulty,
            Severity::Degraded,
            "is not as it should be",
        )
    } else {
        return None;
    };
    let name = facts
        .names
        .first()
        .map_or(facts.subject.as_str(), String::as_str);
    let mut evidence = vec![
        Evidence::new(
            "certificate",
            format!("{}: ends {:.0}", facts.place, facts.not_after),
        )
        .at(facts.not_after),
    ];
    evidence.extend(
        facts
            .faults
            .iter()
            .map(|(_, text)| Evidence::new("certificate", text.clone())),
    );
    evidence.truncate(MOST_EVIDENCE);
    Some(Suspicion {
        problem,
        severity,
        summary: format!("the certificate for {name} at {} {what}", facts.place),
        evidence,
    })
}

impl Rule for SignInRule {
    fn kind(&self) -> ResourceKind {
        ResourceKind::SignIn
    }

    fn judge(&self, input: &RuleInput<'_>) -> Judgement {
        let Facts::SignIn(facts) = &input.resource.facts else {
            return Judgement::default();
        };
        unless_unknown(input, attacked(facts, input.resource.id.short()))
    }
}

fn attacked(facts: &SignInFacts, service: &str) -> Option<Suspicion> {
    let entered: Vec<&SignInSource> = facts
        .worst
        .iter()
        .filter(|one| one.pattern == SignInPattern::SuccessAfterFailures)
        .collect();
    let came_in = !entered.is_empty();
    if !came_in && facts.attacking == 0 {
        return None;
    }
    let shown: Vec<&SignInSource> = if came_in {
        entered
    } else {
        let is_attack = |one: &&SignInSource| one.pattern != SignInPattern::Few;
        facts.worst.iter().filter(is_attack).collect()
    };
    let summary = if came_in {
        format!("somebody signed in to {service} after many failed attempts")
    } else {
        format!(
            "{} to sign in to {service} within the last day, {} of an attack's pattern",
            count(facts.failures, "failed attempt"),
            count(facts.attacking, "source"),
        )
    };
    Some(Suspicion {
        problem: if came_in {
            Problem::SignInAfterFailures
        } else {
            Problem::SignInAttack
        },
        severity: if came_in {
            Severity::Critical
        } else {
            Severity::Degraded
        },
        summary,
        evidence: shown
            .into_iter()
            .take(MOST_EVIDENCE)
            .map(super::score::sign_in_evidence)
            .collect(),
    })
}

impl Rule for PortRule {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Port
    }

    fn judge(&self, input: &RuleInput<'_>) -> Judgement {
        let Facts::Port(facts) = &input.resource.facts else {
            return Judgement::default();
        };
        unless_unknown(input, unexpected(facts))
    }
}

fn unexpected(facts: &PortFacts) -> Option<Suspicion> {
    if facts.expected.is_some() {
        return None;
    }
    let who = match (&facts.container, &facts.program) {
        (Some((container, _)), _) => format!("the container {}", container.short()),
        (None, Some(program)) => program.clone(),
        (None, None) => "a program that could not be told".to_owned(),
    };
    let addresses: Vec<String> = facts.addresses.iter().map(ToString::to_string).collect();
    let mut evidence = Evidence::new(
        "socket",
        format!(
            "{}/{} on {}",
            facts.port,
            facts.transport,
            addresses.join(", ")
        ),
    );
    if let Some(at) = facts.first_seen {
        evidence = evidence.at(at);
    }
    Some(Suspicion {
        problem: Problem::UnexpectedPort,
        severity: Severity::Degraded,
        summary: format!(
            "port {}/{} of {who} is open to other machines and not expected",
            facts.port, facts.transport
        ),
        evidence: vec![evidence],
    })
}
