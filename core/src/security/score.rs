//! The score of security: 100 less what each thing that was found weighs, each with its evidence and a way to win it back.
//!
//! What flows through: the scans' results and the configured weights in, a [`SecurityScore`] out. What it never does: count what could
//! not be read as clean (the parts' own states tell that), or let a point go without a reason: `100 − Σ points + beyond_zero == score`.
//!
//! What counts as one:
//! - a critical vulnerability: each id once in each image that runs. One image takes off at most `image_cap` (40 by default, two of
//!   them), since one neglected image would else hide all that is wrong or mended elsewhere; the rest is told as `spared`.
//! - a certificate: each once by its fingerprint, at however many places it is shown.
//! - failed attempts to sign in: each source whose pattern is more than `few`. A distributed attack on a service is one, from however
//!   many addresses it comes. One service takes off at most `sign_ins_cap` (30 by default, two of them): how many addresses try an open
//!   service says more of the internet than of the house.
//! - a port: each number and transport once, on however many addresses it is open.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use steward_api::{
    CertificateFault, CertificateScan, Deduction, DeductionKind, Evidence, ImageScan, OpenPort,
    ResourceId, SecurityLevel, SecurityReport, SecurityScore, SignInPattern, SignInSource,
    Vulnerability, VulnerabilitySeverity,
};

use super::{
    names::{certificate_id, image_id, port_id, sign_in_id},
    words::count,
};
use crate::config::SecurityWeights;

/// Pieces of evidence of one deduction, at most.
const MOST_EVIDENCE: usize = 10;

/// What the score rests on.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The node; what belongs to no resource is the host's.
    pub node: &'a str,
    /// Vulnerabilities by image.
    pub images: &'a [ImageScan],
    /// Certificates.
    pub certificates: &'a [CertificateScan],
    /// Failed attempts to sign in.
    pub sign_ins: &'a [SignInSource],
    /// Ports.
    pub ports: &'a [OpenPort],
}

/// The score of a report; absent while no part of it was ever read.
pub fn of_report(report: &SecurityReport, weights: &SecurityWeights) -> Option<SecurityScore> {
    report
        .parts
        .iter()
        .any(|part| part.read_at.is_some())
        .then(|| {
            score(
                &Found {
                    node: &report.node,
                    images: &report.images,
                    certificates: &report.certificates,
                    sign_ins: &report.sign_ins,
                    ports: &report.ports,
                },
                weights,
            )
        })
}

/// The score of what was found. Deductions stand most points first. Links to incidents and tasks are left to whoever knows those.
pub fn score(found: &Found<'_>, weights: &SecurityWeights) -> SecurityScore {
    let mut deductions = Vec::new();
    vulnerabilities(found, weights, &mut deductions);
    certificates(found, weights, &mut deductions);
    sign_ins(found, weights, &mut deductions);
    ports(found, weights, &mut deductions);
    deductions.retain(|deduction| deduction.points > 0);
    deductions.sort_by(|a, b| {
        b.points
            .cmp(&a.points)
            .then_with(|| a.kind.cmp(&b.kind))
            .then_with(|| a.resource.cmp(&b.resource))
            .then_with(|| a.what.cmp(&b.what))
    });
    let taken: u32 = deductions.iter().map(|deduction| deduction.points).sum();
    let score = u8::try_from(100_u32.saturating_sub(taken)).unwrap_or(100);
    SecurityScore {
        score,
        level: SecurityLevel::of(score),
        deductions,
        beyond_zero: taken.saturating_sub(100),
    }
}

/// Points for `number` things under a cap, and what the cap spares.
fn capped(number: usize, weight: u32, cap: u32) -> (u32, u32) {
    let all = u64::try_from(number)
        .unwrap_or(u64::MAX)
        .saturating_mul(u64::from(weight));
    let points = all.min(u64::from(cap));
    let fit = |points: u64| u32::try_from(points).unwrap_or(u32::MAX);
    (fit(points), fit(all - points))
}

fn vulnerabilities(found: &Found<'_>, weights: &SecurityWeights, out: &mut Vec<Deduction>) {
    let mut images: BTreeMap<&str, Vec<&ImageScan>> = BTreeMap::new();
    for scan in found.images {
        if !scan.containers.is_empty() {
            images.entry(&scan.image_id).or_default().push(scan);
        }
    }
    for scans in images.values() {
        let Some(first) = scans.first() else { continue };
        let containers: BTreeSet<&ResourceId> =
            scans.iter().flat_map(|scan| &scan.containers).collect();
        let mut critical: BTreeMap<&str, &Vulnerability> = BTreeMap::new();
        for vulnerability in scans.iter().flat_map(|scan| &scan.vulnerabilities) {
            if vulnerability.severity == VulnerabilitySeverity::Critical {
                critical.entry(&vulnerability.id).or_insert(vulnerability);
            }
        }
        let Some(resource) = containers.first() else {
            continue;
        };
        let (points, spared) = capped(
            critical.len(),
            weights.critical_vulnerability,
            weights.image_cap,
        );
        if points == 0 {
            continue;
        }
        let fixable = critical
            .values()
            .filter(|vulnerability| vulnerability.fixed_version.is_some())
            .count();
        let mut worst: Vec<_> = critical.values().collect();
        worst.sort_by_key(|vulnerability| !vulnerability.known_exploited);
        out.push(Deduction {
            kind: DeductionKind::CriticalVulnerability,
            points,
            spared,
            resource: (*resource).clone(),
            about: Some(image_id(found.node, &first.image)),
            what: format!(
                "{} in the image {}, run by {}",
                match critical.len() {
                    1 => "a critical vulnerability".to_owned(),
                    number => format!("{number} critical vulnerabilities"),
                },
                first.image,
                count(containers.len() as u64, "container"),
            ),
            evidence: worst
                .into_iter()
                .take(MOST_EVIDENCE)
                .map(|one| evidence(one, first))
                .collect(),
            way: match fixable {
                0 => format!(
                    "No fixed version is known yet: pull {} anew now and then, and keep its containers away from others until one is.",
                    first.image
                ),
                fixable if fixable == critical.len() => format!(
                    "All of it is fixed in newer versions: pull a newer {}, and make its containers anew.",
                    first.image
                ),
                fixable => format!(
                    "{fixable} of {} are fixed in newer versions: pull a newer {}, and make its containers anew.",
                    critical.len(),
                    first.image
                ),
            },
            incident: None,
            task: None,
        });
    }
}

fn evidence(vulnerability: &Vulnerability, scan: &ImageScan) -> Evidence {
    let package = &vulnerability.package;
    let fixed = vulnerability.fixed_version.as_ref().map_or_else(
        || "no fixed version is known".to_owned(),
        |version| format!("fixed in {version}"),
    );
    let attacked = if vulnerability.known_exploited {
        ", known to be used in attacks"
    } else {
        ""
    };
    Evidence::new(
        &scan.source,
        format!(
            "{} in {} {}: {fixed}{attacked}",
            vulnerability.id, package.name, package.version
        ),
    )
    .at(scan.scanned_at)
}

fn certificates(found: &Found<'_>, weights: &SecurityWeights, out: &mut Vec<Deduction>) {
    let mut by_identity: BTreeMap<&str, Vec<&CertificateScan>> = BTreeMap::new();
    for scan in found.certificates {
        let identity = if scan.fingerprint.is_empty() {
            &scan.place
        } else {
            &scan.fingerprint
        };
        by_identity.entry(identity).or_default().push(scan);
    }
    for scans in by_identity.values() {
        let Some(first) = scans.first() else { continue };
        let has = |fault| {
            scans
                .iter()
                .any(|scan| scan.faults.iter().any(|(kind, _)| *kind == fault))
        };
        let (kind, points) = if has(CertificateFault::Expired) {
            (
                DeductionKind::ExpiredCertificate,
                weights.expired_certificate,
            )
        } else if has(CertificateFault::Expiring) {
            (
                DeductionKind::ExpiringCertificate,
                weights.expiring_certificate,
            )
        } else {
            continue;
        };
        let points = points.min(100);
        let is_over = kind == DeductionKind::ExpiredCertificate;
        let name = certificate_name(first);
        let places = match scans.len() {
            1 => first.place.clone(),
            more => format!(
                "{} and {}",
                first.place,
                count(more as u64 - 1, "other place")
            ),
        };
        out.push(Deduction {
            kind,
            points,
            spared: 0,
            resource: scans
                .iter()
                .find_map(|scan| scan.resource.clone())
                .unwrap_or_else(|| ResourceId::host(found.node)),
            about: scans
                .iter()
                .map(|scan| scan.place.as_str())
                .min()
                .map(|place| certificate_id(found.node, place)),
            what: if is_over {
                format!("the certificate for {name} is over ({places})")
            } else {
                format!("the certificate for {name} ends soon ({places})")
            },
            evidence: scans
                .iter()
                .take(MOST_EVIDENCE)
                .map(|scan| {
                    let ends = if is_over { "ended" } else { "ends" };
                    Evidence::new(
                        "certificate",
                        format!("{}: {ends} {}", scan.place, scan.not_after),
                    )
                    .at(scan.not_after)
                })
                .collect(),
            way: format!(
                "Renew the certificate for {name}, and have {} use the new one.",
                scans
                    .iter()
                    .find_map(|scan| scan.resource.as_ref())
                    .map_or("whoever shows it", |resource| resource.short())
            ),
            incident: None,
            task: None,
        });
    }
}

/// What a certificate is called: its first name, else its subject.
fn certificate_name(scan: &CertificateScan) -> &str {
    match scan.names.first() {
        Some(name) => name,
        None if scan.subject.is_empty() => "nobody",
        None => &scan.subject,
    }
}

fn sign_ins(found: &Found<'_>, weights: &SecurityWeights, out: &mut Vec<Deduction>) {
    let mut services: BTreeMap<(&ResourceId, &str), Vec<&SignInSource>> = BTreeMap::new();
    for source in found.sign_ins {
        if source.pattern != SignInPattern::Few {
            services
                .entry((&source.resource, &source.service))
                .or_default()
                .push(source);
        }
    }
    for ((resource, service), sources) in services {
        let is = |pattern| {
            sources
                .iter()
                .filter(move |one| one.pattern == pattern)
                .count()
        };
        let distributed = is(SignInPattern::Distributed);
        let attacks = sources.len() - distributed + usize::from(distributed > 0);
        let (points, spared) = capped(attacks, weights.failed_sign_ins, weights.sign_ins_cap);
        if points == 0 {
            continue;
        }
        let entered = is(SignInPattern::SuccessAfterFailures);
        let failures = sources
            .iter()
            .fold(0_u64, |sum, source| sum.saturating_add(source.failures));
        let mut worst = sources.clone();
        // Whoever came in matters most, then whoever tried most.
        worst.sort_by_key(|source| {
            (
                source.pattern != SignInPattern::SuccessAfterFailures,
                u64::MAX - source.failures,
            )
        });
        let came_in = match entered {
            0 => String::new(),
            _ => ", and at least one came in after failing".to_owned(),
        };
        out.push(Deduction {
            kind: DeductionKind::FailedSignIns,
            points,
            spared,
            resource: resource.clone(),
            about: Some(sign_in_id(found.node, service)),
            what: format!(
                "{} to sign in to {service} from {} beyond the threshold{came_in}",
                count(failures, "failed attempt"),
                count(sources.len() as u64, "source"),
            ),
            evidence: worst
                .iter()
                .take(MOST_EVIDENCE)
                .map(|source| sign_in_evidence(source))
                .collect(),
            way: if entered > 0 {
                format!("Find out whether that was you; if not, change the password, end its sessions, and let {service} be reached from fewer places.")
            } else {
                format!("Let {service} be reached from fewer places, or let only keys sign in, and have repeated failures blocked.")
            },
            incident: None,
            task: None,
        });
    }
}

pub(super) fn sign_in_evidence(source: &SignInSource) -> Evidence {
    let from = source.address.map_or_else(
        || "an address that is not told".to_owned(),
        |address| address.to_string(),
    );
    let own = source
        .own
        .as_ref()
        .map(|own| format!(" (perhaps your own: {own})"))
        .unwrap_or_default();
    Evidence::new(
        "log",
        format!(
            "{from}{own}: {}, {}, {} within the busiest window, {}",
            source.pattern.as_str().replace('_', " "),
            count(source.failures, "failure"),
            source.peak,
            count(source.users, "name"),
        ),
    )
    .at(source.last_at)
}

fn ports(found: &Found<'_>, weights: &SecurityWeights, out: &mut Vec<Deduction>) {
    let mut by_number: BTreeMap<(&str, u16), Vec<&OpenPort>> = BTreeMap::new();
    for port in found.ports {
        if port.is_exposed && port.expected.is_none() {
            by_number
                .entry((&port.transport, port.port))
                .or_default()
                .push(port);
        }
    }
    for ((transport, number), ports) in by_number {
        let container = ports.iter().find_map(|port| port.container.as_ref());
        let program = ports.iter().find_map(|port| port.program.as_deref());
        let who = match (container, program) {
            (Some((resource, _)), _) => format!("the container {}", resource.short()),
            (None, Some(program)) => program.to_owned(),
            (None, None) => "a program that could not be told".to_owned(),
        };
        out.push(Deduction {
            kind: DeductionKind::UnexpectedPort,
            points: weights.unexpected_port.min(100),
            spared: 0,
            resource: container
                .map_or_else(|| ResourceId::host(found.node), |(resource, _)| resource.clone()),
            about: Some(port_id(found.node, transport, number)),
            what: format!("port {number}/{transport} is open to other machines and not expected ({who})"),
            evidence: ports
                .iter()
                .take(MOST_EVIDENCE)
                .map(|port| port_evidence(port))
                .collect(),
            way: match container {
                Some((resource, inside)) => format!(
                    "Publish it on this machine alone (127.0.0.1:{number}:{inside}) or not at all in {}'s definition; or list it as expected, where it is meant to be open.",
                    resource.short()
                ),
                None => "End the program or have it listen on 127.0.0.1 alone; or list the port as expected, where it is meant to be open.".to_owned(),
            },
            incident: None,
            task: None,
        });
    }
}

fn port_evidence(port: &OpenPort) -> Evidence {
    let on = match port.address {
        address if address.is_unspecified() => "on all addresses".to_owned(),
        IpAddr::V6(address) => format!("on [{address}]"),
        IpAddr::V4(address) => format!("on {address}"),
    };
    let evidence = Evidence::new("socket", format!("{} {on}", port.port));
    match port.first_seen {
        Some(at) => evidence.at(at),
        None => evidence,
    }
}
