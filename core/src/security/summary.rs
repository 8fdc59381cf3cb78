//! The numbers of a report in short, and the daily summary in words: how it is, and what has changed since the day before.
//!
//! What flows through: a [`SecurityReport`] in, a [`SecuritySummary`] out; two summaries in, a title and lines out. What it never does:
//! show a number of what was never read as if it were 0 without saying so.

use std::collections::BTreeSet;

use jiff::civil;
use steward_api::{CertificateFault, ResourceId, SecurityReport, SecuritySummary, SignInPattern};

use super::words::count;

/// Gaps that the daily summary names, at most.
const MOST_GAPS: usize = 5;

/// A report in short. A vulnerability counts once for each image, a certificate once at however many places it is shown, a port once on
/// however many addresses it is open.
pub fn summary(report: &SecurityReport) -> SecuritySummary {
    let mut vulnerabilities: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut containers: BTreeSet<&ResourceId> = BTreeSet::new();
    for scan in &report.images {
        for vulnerability in &scan.vulnerabilities {
            vulnerabilities.insert((&scan.image_id, &vulnerability.id));
        }
        if !scan.vulnerabilities.is_empty() {
            containers.extend(&scan.containers);
        }
    }
    let with = |fault: CertificateFault| {
        report
            .certificates
            .iter()
            .filter(|scan| scan.faults.iter().any(|(kind, _)| *kind == fault))
            .map(|scan| scan.fingerprint.as_str())
            .collect::<BTreeSet<_>>()
    };
    let expired = with(CertificateFault::Expired);
    let expiring = with(CertificateFault::Expiring);
    let suspicious = report
        .sign_ins
        .iter()
        .filter(|source| source.pattern != SignInPattern::Few)
        .count() as u64;
    // One number once, whatever carries it and on however many addresses.
    let open: BTreeSet<u16> = report
        .ports
        .iter()
        .filter(|port| port.is_exposed)
        .map(|port| port.port)
        .collect();
    let read_at = report.parts.iter().map(|part| part.read_at).min().flatten();
    SecuritySummary {
        vulnerabilities_found: vulnerabilities.len() as u64,
        vulnerable_containers: containers
            .iter()
            .map(|container| container.short().to_owned())
            .collect(),
        certificates_expiring: expiring.difference(&expired).count() as u64,
        certificates_expired: expired.len() as u64,
        failed_logins: report
            .sign_ins
            .iter()
            .fold(0, |sum, source| sum.saturating_add(source.failures)),
        suspicious_authentication: suspicious > 0,
        suspicious_sources: suspicious,
        open_ports: open.into_iter().collect(),
        security_score: report.score.as_ref().map(|score| score.score),
        security_level: report.score.as_ref().map(|score| score.level),
        read_at,
        gaps: report
            .parts
            .iter()
            .flat_map(|part| {
                let never = part
                    .read_at
                    .is_none()
                    .then(|| format!("{}: never read yet", part.part.as_str()));
                let gaps = part
                    .gaps
                    .iter()
                    .map(|gap| format!("{}: {gap}", part.part.as_str()));
                never.into_iter().chain(gaps)
            })
            .collect(),
    }
}

/// The daily summary as it is sent to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daily {
    /// What matters, in one line.
    pub title: String,
    /// The numbers, a line each.
    pub lines: Vec<String>,
}

/// The numbers at the end of `day`, and how they differ from those at the end of the day before that, where those are known.
pub fn daily(
    day: civil::Date,
    at_its_end: &SecuritySummary,
    before: Option<&SecuritySummary>,
) -> Daily {
    let now = at_its_end;
    let title = match (now.security_score, now.security_level) {
        (Some(score), Some(level)) => {
            let change = before
                .and_then(|before| before.security_score)
                .map(|before| match i32::from(score) - i32::from(before) {
                    0 => ", as the day before".to_owned(),
                    change if change > 0 => format!(", {change} more than the day before"),
                    change => format!(", {} less than the day before", -change),
                })
                .unwrap_or_default();
            format!(
                "Security on {day}: {score} of 100 ({}){change}",
                level.as_str()
            )
        }
        _ => format!("Security on {day}: not known, nothing could be read"),
    };
    let number = |of: fn(&SecuritySummary) -> u64| {
        let value = of(now);
        let change = before.map(|before| {
            let before = of(before);
            match value.checked_sub(before) {
                Some(0) => " (=)".to_owned(),
                Some(more) => format!(" (+{more})"),
                None => format!(" (−{})", before - value),
            }
        });
        format!("{value}{}", change.unwrap_or_default())
    };
    let mut lines = vec![
        format!(
            "Vulnerabilities: {}, containers with any: {}",
            number(|s| s.vulnerabilities_found),
            number(|s| s.vulnerable_containers.len() as u64)
        ),
        format!(
            "Certificates that are over: {}, that end soon: {}",
            number(|s| s.certificates_expired),
            number(|s| s.certificates_expiring)
        ),
        format!(
            "Failed attempts to sign in: {}, sources that look like an attack: {}",
            number(|s| s.failed_logins),
            number(|s| s.suspicious_sources)
        ),
        format!(
            "Ports open to other machines: {}",
            number(|s| s.open_ports.len() as u64)
        ),
    ];
    if !now.gaps.is_empty() {
        let shown: Vec<&str> = now
            .gaps
            .iter()
            .take(MOST_GAPS)
            .map(String::as_str)
            .collect();
        let more = now.gaps.len().saturating_sub(MOST_GAPS);
        let rest = if more > 0 {
            format!("; and {}", count(more as u64, "more gap"))
        } else {
            String::new()
        };
        lines.push(format!("Not read: {}{rest}", shown.join("; ")));
    }
    Daily { title, lines }
}
