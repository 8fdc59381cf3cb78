//! Tests of the score and the summaries: the sums hold exactly, every point has its reason, and nothing counts twice.

use jiff::Timestamp;
use proptest::prelude::*;
use steward_api::{
    CertificateFault, CertificateScan, DeductionKind, ImageScan, OpenPort, Package, PartState,
    ResourceId, ScanPart, SecurityLevel, SecurityReport, SignInPattern, SignInSource,
    Vulnerability, VulnerabilitySeverity,
};

use crate::{
    config::SecurityWeights,
    security::{
        score::{Found, of_report, score},
        summary::{daily, summary},
    },
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-03-10T12:00:00Z")
}

fn vulnerability(id: u32, severity: VulnerabilitySeverity) -> Vulnerability {
    Vulnerability {
        id: format!("CVE-2026-{id:04}"),
        aliases: Vec::new(),
        severity,
        cvss: None,
        known_exploited: id.is_multiple_of(7),
        package: Package {
            ecosystem: "Debian:12".to_owned(),
            name: "openssl".to_owned(),
            version: "3.0.1".to_owned(),
            installed_as: Vec::new(),
            found_in: "/var/lib/dpkg/status".to_owned(),
        },
        fixed_version: id.is_multiple_of(2).then(|| "3.0.2".to_owned()),
        summary: String::new(),
    }
}

fn image(name: &str, critical: u32) -> ImageScan {
    ImageScan {
        image: format!("{name}:1"),
        image_id: format!("sha256:{name}"),
        containers: vec![ResourceId::container("atlas", name)],
        distribution: None,
        packages: 100,
        source: "OSV".to_owned(),
        scanned_at: now(),
        vulnerabilities: (0..critical)
            .map(|id| vulnerability(id, VulnerabilitySeverity::Critical))
            .collect(),
        gaps: Vec::new(),
    }
}

fn certificate(place: &str, fingerprint: &str, faults: &[CertificateFault]) -> CertificateScan {
    CertificateScan {
        place: place.to_owned(),
        resource: None,
        subject: "CN=wiki.home".to_owned(),
        names: vec!["wiki.home".to_owned()],
        issuer: "CN=The House".to_owned(),
        not_before: at("2025-01-01T00:00:00Z"),
        not_after: at("2026-03-12T00:00:00Z"),
        key: "ECDSA P-256".to_owned(),
        fingerprint: fingerprint.to_owned(),
        faults: faults
            .iter()
            .map(|fault| (*fault, "why".to_owned()))
            .collect(),
    }
}

fn sign_in(address: u8, service: &str, pattern: SignInPattern) -> SignInSource {
    SignInSource {
        address: Some([203, 0, 113, address].into()),
        service: service.to_owned(),
        resource: ResourceId::host("atlas"),
        pattern,
        failures: 20,
        successes: 0,
        peak: 12,
        users: 2,
        user_examples: Vec::new(),
        first_at: now(),
        last_at: now(),
        own: None,
        evidence: Vec::new(),
    }
}

fn port(address: &str, number: u16) -> OpenPort {
    OpenPort {
        transport: "tcp".to_owned(),
        address: address.parse().unwrap(),
        port: number,
        program: None,
        container: None,
        is_exposed: true,
        expected: None,
        first_seen: None,
    }
}

const NOTHING: Found<'static> = Found {
    node: "atlas",
    images: &[],
    certificates: &[],
    sign_ins: &[],
    ports: &[],
};

fn default_score(found: Found<'_>) -> steward_api::SecurityScore {
    score(&found, &SecurityWeights::default())
}

#[test]
fn where_nothing_is_found_the_score_is_full() {
    let full = default_score(NOTHING);
    assert_eq!((full.score, full.level), (100, SecurityLevel::Excellent));
    assert!(full.deductions.is_empty());
}

#[test]
fn one_image_takes_off_no_more_than_its_cap_and_tells_what_that_spares() {
    let images = [image("nginx", 9)];
    let found = default_score(Found {
        images: &images,
        ..NOTHING
    });
    assert_eq!((found.score, found.level), (60, SecurityLevel::Warning));
    let deduction = &found.deductions[0];
    assert_eq!((deduction.points, deduction.spared), (40, 140));
    assert_eq!(
        deduction.what,
        "9 critical vulnerabilities in the image nginx:1, run by 1 container"
    );
    // Those known to be used in attacks stand first.
    assert!(deduction.evidence[0].text.ends_with("used in attacks"));
    assert!(deduction.way.contains("5 of 9"), "{}", deduction.way);

    // Another id of severity high, the same id again in another package, and an image that nobody runs: no difference.
    let mut again = image("nginx", 1);
    again
        .vulnerabilities
        .push(vulnerability(0, VulnerabilitySeverity::Critical));
    again
        .vulnerabilities
        .push(vulnerability(5, VulnerabilitySeverity::High));
    let mut idle = image("idle", 3);
    idle.containers.clear();
    let images = [again, idle];
    assert_eq!(
        default_score(Found {
            images: &images,
            ..NOTHING
        })
        .score,
        80
    );
}

#[test]
fn a_certificate_counts_once_wherever_it_is_shown() {
    use CertificateFault::{Expired, Expiring, WrongName};
    let certificates = [
        certificate("a:443", "f1", &[Expired, WrongName]),
        certificate("b:443", "f1", &[Expired]),
        certificate("/etc/wiki.pem", "f2", &[Expiring]),
        certificate("c:443", "f3", &[WrongName]),
    ];
    let found = default_score(Found {
        certificates: &certificates,
        ..NOTHING
    });
    assert_eq!(found.score, 85);
    let what: Vec<_> = found
        .deductions
        .iter()
        .map(|one| one.what.as_str())
        .collect();
    assert_eq!(
        what,
        [
            "the certificate for wiki.home is over (a:443 and 1 other place)",
            "the certificate for wiki.home ends soon (/etc/wiki.pem)"
        ]
    );
    assert_eq!(found.deductions[0].evidence.len(), 2);
    assert_eq!(found.deductions[0].resource, ResourceId::host("atlas"));
}

#[test]
fn attempts_to_sign_in_are_weighed_by_service() {
    use SignInPattern::{BruteForce, Distributed, Few, SuccessAfterFailures};
    let one = |sources: &[SignInSource]| {
        default_score(Found {
            sign_ins: sources,
            ..NOTHING
        })
    };
    assert_eq!(one(&[sign_in(1, "sshd", Few)]).score, 100);
    assert_eq!(one(&[sign_in(1, "sshd", BruteForce)]).score, 85);
    // One attack from many addresses is one.
    let many: Vec<_> = (1..40)
        .map(|from| sign_in(from, "sshd", Distributed))
        .collect();
    assert_eq!(one(&many).score, 85);
    // However many addresses try, a service takes off no more than its cap.
    let many: Vec<_> = (1..40)
        .map(|from| sign_in(from, "sshd", BruteForce))
        .collect();
    let capped = one(&many);
    assert_eq!(
        (capped.score, capped.deductions[0].spared),
        (70, 39 * 15 - 30)
    );
    assert_eq!(capped.deductions[0].evidence.len(), 10);
    // Who came in stands first, and the way is another.
    let entered = one(&[
        sign_in(1, "sshd", BruteForce),
        sign_in(2, "sshd", SuccessAfterFailures),
    ]);
    let deduction = &entered.deductions[0];
    assert!(
        deduction.evidence[0].text.starts_with("203.0.113.2"),
        "{deduction:?}"
    );
    assert!(deduction.way.contains("change the password"));
}

#[test]
fn a_port_counts_once_on_however_many_addresses_it_is_open() {
    let mut expected = port("0.0.0.0", 22);
    expected.expected = Some("configured".to_owned());
    let mut local = port("127.0.0.1", 5432);
    local.is_exposed = false;
    let ports = [port("0.0.0.0", 8080), port("::", 8080), expected, local];
    let found = default_score(Found {
        ports: &ports,
        ..NOTHING
    });
    assert_eq!(found.score, 90);
    assert_eq!(found.level, SecurityLevel::Excellent);
    assert_eq!(found.deductions.len(), 1);
    assert_eq!(found.deductions[0].kind, DeductionKind::UnexpectedPort);
}

fn weights() -> impl Strategy<Value = SecurityWeights> {
    proptest::array::uniform7(0_u32..=100).prop_map(|w| SecurityWeights {
        critical_vulnerability: w[0],
        image_cap: w[1],
        expired_certificate: w[2],
        expiring_certificate: w[3],
        failed_sign_ins: w[4],
        sign_ins_cap: w[5],
        unexpected_port: w[6],
    })
}

fn pattern(number: u8) -> SignInPattern {
    match number % 5 {
        0 => SignInPattern::Few,
        1 => SignInPattern::BruteForce,
        2 => SignInPattern::Spraying,
        3 => SignInPattern::Distributed,
        _ => SignInPattern::SuccessAfterFailures,
    }
}

fn fault(number: u8) -> CertificateFault {
    match number % 4 {
        0 => CertificateFault::Expired,
        1 => CertificateFault::Expiring,
        2 => CertificateFault::WrongName,
        _ => CertificateFault::SelfSigned,
    }
}

proptest! {
    #[test]
    fn the_sum_holds_exactly_and_more_that_is_wrong_is_never_better(
        weights in weights(),
        images in prop::collection::vec((0_u8..5, 0_u32..12), 0..6),
        certificates in prop::collection::vec((0_u8..6, 0_u8..4), 0..8),
        sign_ins in prop::collection::vec((0_u8..250, 0_u8..3, 0_u8..5), 0..12),
        ports in prop::collection::vec(1_u16..9, 0..10),
        more in prop::collection::vec(9_u16..12, 0..3),
    ) {
        let images: Vec<_> = images.iter().map(|(name, critical)| image(&format!("i{name}"), *critical)).collect();
        let certificates: Vec<_> = certificates
            .iter()
            .map(|(print, kind)| certificate(&format!("p{print}"), &format!("f{print}"), &[fault(*kind)]))
            .collect();
        let sign_ins: Vec<_> = sign_ins
            .iter()
            .map(|(from, service, kind)| sign_in(*from, &format!("s{service}"), pattern(*kind)))
            .collect();
        let mut ports: Vec<_> = ports.iter().map(|number| port("0.0.0.0", *number)).collect();
        let of = |ports: &[OpenPort]| {
            score(&Found { node: "atlas", images: &images, certificates: &certificates, sign_ins: &sign_ins, ports }, &weights)
        };
        let before = of(&ports);
        let taken: i64 = before.deductions.iter().map(|one| i64::from(one.points)).sum();
        prop_assert_eq!(100 - taken + i64::from(before.beyond_zero), i64::from(before.score));
        prop_assert!(before.score <= 100);
        prop_assert!(before.beyond_zero == 0 || before.score == 0);
        prop_assert_eq!(before.level, SecurityLevel::of(before.score));
        for one in &before.deductions {
            prop_assert!((1..=100).contains(&one.points));
            prop_assert!(!one.what.is_empty() && !one.way.is_empty() && !one.evidence.is_empty());
            let cap = match one.kind {
                DeductionKind::CriticalVulnerability => weights.image_cap,
                DeductionKind::FailedSignIns => weights.sign_ins_cap,
                _ => 100,
            };
            prop_assert!(one.points <= cap);
            prop_assert!(one.spared == 0 || one.points == cap);
        }
        prop_assert!(before.deductions.windows(2).all(|pair| pair[0].points >= pair[1].points));
        // The order in which things were found does not matter.
        let mut turned = ports.clone();
        turned.reverse();
        prop_assert_eq!(of(&turned).score, before.score);
        ports.extend(more.iter().map(|number| port("0.0.0.0", *number)));
        prop_assert!(of(&ports).score <= before.score);
    }
}

fn report() -> SecurityReport {
    let read = |part, read_at| PartState {
        part,
        next_at: None,
        tried_at: read_at,
        read_at,
        gaps: Vec::new(),
    };
    let mut report = SecurityReport {
        node: "atlas".to_owned(),
        score: None,
        parts: vec![
            read(ScanPart::Certificates, Some(at("2026-03-10T11:00:00Z"))),
            read(ScanPart::Ports, Some(at("2026-03-10T10:00:00Z"))),
        ],
        images: vec![image("nginx", 3)],
        certificates: vec![
            certificate("a:443", "f1", &[CertificateFault::Expired]),
            certificate("b:443", "f1", &[CertificateFault::Expired]),
            certificate("c:443", "f2", &[CertificateFault::Expiring]),
        ],
        sign_ins: vec![
            sign_in(1, "sshd", SignInPattern::Few),
            sign_in(2, "sshd", SignInPattern::BruteForce),
        ],
        ports: vec![port("0.0.0.0", 80), port("::", 80)],
        risks: Vec::new(),
        trend: Vec::new(),
        day: None,
    };
    report.score = of_report(&report, &SecurityWeights::default());
    report
}

#[test]
fn a_report_in_short_counts_as_the_score_does() {
    let short = summary(&report());
    assert_eq!(short.vulnerabilities_found, 3);
    assert_eq!(short.vulnerable_containers.len(), 1);
    assert_eq!(
        (short.certificates_expired, short.certificates_expiring),
        (1, 1)
    );
    assert_eq!((short.failed_logins, short.suspicious_sources), (40, 1));
    assert!(short.suspicious_authentication);
    assert_eq!(short.open_ports.len(), 1);
    // 100 − 40 − 10 − 5 − 15 − 10
    assert_eq!(short.security_score, Some(20));
    assert_eq!(short.read_at, Some(at("2026-03-10T10:00:00Z")));
}

/// The shape that is promised to whoever reads `/api/security/summary`.
#[test]
fn the_summary_has_the_promised_fields() {
    let told = serde_json::to_value(summary(&report())).unwrap();
    assert!(told["vulnerabilities_found"].is_u64());
    assert!(told["vulnerable_containers"][0].is_string());
    assert!(told["certificates_expiring"].is_u64() && told["certificates_expired"].is_u64());
    assert!(told["failed_logins"].is_u64());
    assert!(told["suspicious_authentication"].is_boolean());
    assert!(told["open_ports"][0].is_u64());
    assert_eq!(told["security_score"], 20);
    assert_eq!(told["security_level"], "critical");
}

#[test]
fn what_was_never_read_is_not_told_as_clean() {
    let mut report = report();
    for part in &mut report.parts {
        part.read_at = None;
    }
    assert_eq!(of_report(&report, &SecurityWeights::default()), None);
    report.score = None;
    let short = summary(&report);
    assert_eq!(
        (short.security_score, short.security_level, short.read_at),
        (None, None, None)
    );
    assert_eq!(
        short.gaps,
        ["certificates: never read yet", "ports: never read yet"]
    );
    let told = daily("2026-03-09".parse().unwrap(), &short, None);
    assert!(
        told.title.ends_with("not known, nothing could be read"),
        "{}",
        told.title
    );
}

#[test]
fn the_daily_summary_tells_what_has_changed() {
    let mut now = summary(&report());
    now.gaps = (1..8).map(|number| format!("gap {number}")).collect();
    let mut before = now.clone();
    before.security_score = Some(35);
    before.failed_logins = 100;
    before.open_ports.clear();
    let told = daily("2026-03-09".parse().unwrap(), &now, Some(&before));
    assert_eq!(
        told.title,
        "Security on 2026-03-09: 20 of 100 (critical), 15 less than the day before"
    );
    assert_eq!(
        told.lines,
        [
            "Vulnerabilities: 3 (=), containers with any: 1 (=)",
            "Certificates that are over: 1 (=), that end soon: 1 (=)",
            "Failed attempts to sign in: 40 (−60), sources that look like an attack: 1 (=)",
            "Ports open to other machines: 1 (+1)",
            "Not read: gap 1; gap 2; gap 3; gap 4; gap 5; and 2 more gaps",
        ]
    );
}
