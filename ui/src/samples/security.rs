//! A report of the security scan with something of everything.

use jiff::SignedDuration;
use steward_api::*;

use super::{at, container_id};

pub(crate) fn part(part: ScanPart, read_at: Option<&str>, gaps: &[&str]) -> PartState {
    PartState {
        part,
        read_at: read_at.map(at),
        tried_at: read_at.map(at),
        next_at: read_at.map(|time| at(time) + SignedDuration::from_hours(1)),
        gaps: gaps.iter().map(|gap| (*gap).to_owned()).collect(),
    }
}

pub(crate) fn deduction(kind: DeductionKind, points: u32, spared: u32, what: &str) -> Deduction {
    Deduction {
        kind,
        points,
        spared,
        resource: ResourceId::host("atlas"),
        about: None,
        what: what.to_owned(),
        evidence: vec![Evidence::new("log", "a line")],
        way: "Mend it.".to_owned(),
        incident: None,
        task: None,
    }
}

/// The score of these points, as the agent makes it.
pub(crate) fn score_of(points: &[u32]) -> SecurityScore {
    let taken: u32 = points.iter().sum();
    let score = u8::try_from(100_u32.saturating_sub(taken)).unwrap();
    SecurityScore {
        score,
        level: SecurityLevel::of(score),
        deductions: points
            .iter()
            .map(|points| deduction(DeductionKind::UnexpectedPort, *points, 0, "a port"))
            .collect(),
        beyond_zero: taken.saturating_sub(100),
    }
}

pub(crate) fn vulnerability(
    id: &str,
    severity: VulnerabilitySeverity,
    cvss: Option<f64>,
    package: &str,
    version: &str,
) -> Vulnerability {
    Vulnerability {
        id: id.to_owned(),
        aliases: vec![format!("DSA-{id}")],
        severity,
        cvss,
        known_exploited: false,
        package: Package {
            ecosystem: "Debian:12".to_owned(),
            name: package.to_owned(),
            version: version.to_owned(),
            installed_as: Vec::new(),
            found_in: "/var/lib/dpkg/status".to_owned(),
        },
        fixed_version: None,
        summary: format!("A fault in {package}"),
    }
}

pub(crate) fn image(
    name: &str,
    containers: &[&str],
    vulnerabilities: Vec<Vulnerability>,
) -> ImageScan {
    ImageScan {
        image: name.to_owned(),
        image_id: format!("sha256:{name}"),
        containers: containers.iter().map(|name| container_id(name)).collect(),
        distribution: Some("Debian GNU/Linux 12 (bookworm)".to_owned()),
        packages: 150,
        source: "OSV".to_owned(),
        scanned_at: at("11:00:00"),
        vulnerabilities,
        gaps: Vec::new(),
    }
}

pub(crate) fn certificate(
    place: &str,
    not_after: &str,
    faults: &[CertificateFault],
) -> CertificateScan {
    CertificateScan {
        place: place.to_owned(),
        resource: None,
        subject: "CN=wiki".to_owned(),
        names: vec!["wiki.lan".to_owned()],
        issuer: "CN=house".to_owned(),
        not_before: at("00:00:00"),
        not_after: not_after.parse().unwrap(),
        key: "RSA 2048 bit".to_owned(),
        fingerprint: format!("f-{place}"),
        faults: faults
            .iter()
            .map(|fault| (*fault, "Why.".to_owned()))
            .collect(),
    }
}

pub(crate) fn sign_in(address: &str, pattern: SignInPattern, failures: u64) -> SignInSource {
    SignInSource {
        address: address.parse().ok(),
        service: "sshd".to_owned(),
        resource: ResourceId::host("atlas"),
        pattern,
        failures,
        successes: 0,
        peak: failures,
        users: 1,
        user_examples: vec!["root".to_owned()],
        first_at: at("10:00:00"),
        last_at: at("11:00:00"),
        own: None,
        evidence: Vec::new(),
    }
}

pub(crate) fn open_port(port: u16, address: &str, expected: Option<&str>) -> OpenPort {
    let address: std::net::IpAddr = address.parse().unwrap();
    OpenPort {
        transport: "tcp".to_owned(),
        address,
        port,
        program: None,
        container: None,
        is_exposed: !address.is_loopback(),
        expected: expected.map(str::to_owned),
        first_seen: Some(at("09:00:00")),
    }
}

pub(crate) fn risk(name: &str, kind: ConfigurationRiskKind) -> ConfigurationRisk {
    ConfigurationRisk {
        resource: container_id(name),
        kind,
        what: "It is so.".to_owned(),
        advice: "Have it otherwise.".to_owned(),
    }
}
