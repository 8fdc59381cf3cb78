//! What is wrong with what scans found, how bad it is, and what the catalogue says to it.

use jiff::Timestamp;
use steward_api::{
    ActionName, CertificateFacts, CertificateFault, Facts, Health, ImageFacts, PortFacts, Problem,
    Resource, ResourceId, Severity, SignInFacts, SignInPattern, SignInSource, Urgency,
    VulnerabilityBrief, VulnerabilitySeverity,
};

use super::super::{
    catalogue::catalogue,
    certificate_id, image_id, port_id,
    rules::{CertificateRule, ImageRule, PortRule, SignInRule},
    sign_in_id,
};
use crate::{
    config::Thresholds,
    ports::{Case, CatalogueMatch, Judgement, ResourceHistory, Rule, RuleInput},
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn resource(id: ResourceId, health: Health, facts: Facts) -> Resource {
    Resource {
        id,
        health,
        reason: String::new(),
        depends_on: Vec::new(),
        runs_on: None,
        facts,
        metrics: Default::default(),
        read_at: at("2026-03-10T10:00:00Z"),
    }
}

fn judge(rule: &dyn Rule, resource: &Resource) -> Judgement {
    rule.judge(&RuleInput {
        resource,
        history: &ResourceHistory::default(),
        thresholds: &Thresholds::default(),
        is_needed: false,
        is_awaited_job: false,
        now: at("2026-03-10T10:00:00Z"),
    })
}

/// The problem and its severity; nothing where nothing is wrong.
fn found(rule: &dyn Rule, resource: &Resource) -> Option<(Problem, Severity)> {
    let judgement = judge(rule, resource);
    assert!(judgement.suspicions.len() <= 1);
    let one = judgement.suspicions.first()?;
    assert!(!one.evidence.is_empty(), "{one:?}");
    Some((one.problem, one.severity))
}

fn explained(problem: Problem, resource: &Resource) -> CatalogueMatch {
    let history = ResourceHistory::default();
    let case = Case {
        problem,
        problems: &[problem],
        resource,
        history: &history,
        log: &[],
        failing_dependencies: &[],
    };
    let patterns = catalogue();
    let answer = patterns.iter().find_map(|one| one.explain(&case)).unwrap();
    assert!(
        patterns
            .iter()
            .any(|one| one.entries().contains(&answer.entry)),
        "{} is no entry",
        answer.entry
    );
    answer
}

fn image(critical: u32, exploited: bool, fixed: Option<&str>) -> ImageFacts {
    ImageFacts {
        image: "shop:1".to_owned(),
        containers: vec![ResourceId::container("atlas", "shop")],
        critical,
        known_exploited: u32::from(exploited),
        worst: vec![VulnerabilityBrief {
            id: "CVE-2099-0001".to_owned(),
            severity: VulnerabilitySeverity::Critical,
            known_exploited: exploited,
            package: "openssl 3.0.1".to_owned(),
            fixed_version: fixed.map(str::to_owned),
        }],
        ..ImageFacts::default()
    }
}

#[test]
fn an_image_is_as_bad_as_its_holes_and_one_that_was_not_read_is_unknown() {
    let of = |facts: ImageFacts, health| {
        let facts = Facts::Image(Box::new(facts));
        resource(image_id("atlas", "shop:1"), health, facts)
    };
    let clean = of(ImageFacts::default(), Health::Healthy);
    assert_eq!(found(&ImageRule, &clean), None);
    assert!(!judge(&ImageRule, &clean).unknown);
    assert!(judge(&ImageRule, &of(ImageFacts::default(), Health::Unknown)).unknown);
    let problem = Problem::CriticalVulnerability;
    let critical = of(image(2, false, Some("3.0.2")), Health::Healthy);
    assert_eq!(
        found(&ImageRule, &critical),
        Some((problem, Severity::Degraded))
    );
    let used = of(image(0, true, Some("3.0.2")), Health::Healthy);
    assert_eq!(
        found(&ImageRule, &used),
        Some((problem, Severity::Unhealthy))
    );
    let answer = explained(problem, &used);
    assert_eq!(answer.action, Some(ActionName::UpdateImage));
    assert_eq!(answer.urgency, Urgency::High);
    assert!(answer.reasoning.contains("3.0.2"), "{}", answer.reasoning);
    // An update that brings no fix is recommended by nobody.
    let without = of(image(1, false, None), Health::Healthy);
    assert_eq!(explained(problem, &without).action, None);
}

#[test]
fn a_certificate_that_is_over_is_worse_than_one_that_ends_and_a_home_made_one_is_usual() {
    let of = |faults: &[CertificateFault]| {
        let facts = CertificateFacts {
            place: "wiki.lan:443".to_owned(),
            also_at: Vec::new(),
            shown_by: None,
            subject: "CN=wiki".to_owned(),
            names: vec!["wiki.lan".to_owned()],
            not_after: at("2026-03-01T00:00:00Z"),
            fingerprint: "f1".to_owned(),
            faults: faults
                .iter()
                .map(|fault| (*fault, format!("{fault:?}")))
                .collect(),
        };
        let facts = Facts::Certificate(Box::new(facts));
        resource(
            certificate_id("atlas", "wiki.lan:443"),
            Health::Healthy,
            facts,
        )
    };
    use CertificateFault as Fault;
    for (faults, expected) in [
        (&[][..], None),
        (&[Fault::SelfSigned, Fault::Chain], None),
        (
            &[Fault::Expired, Fault::WrongName],
            Some((Problem::CertificateExpired, Severity::Unhealthy)),
        ),
        (
            &[Fault::Expiring],
            Some((Problem::CertificateExpiring, Severity::Degraded)),
        ),
        (
            &[Fault::WeakKey],
            Some((Problem::CertificateFaulty, Severity::Degraded)),
        ),
        (
            &[Fault::WrongName],
            Some((Problem::CertificateFaulty, Severity::Degraded)),
        ),
    ] {
        let certificate = of(faults);
        assert_eq!(
            found(&CertificateRule, &certificate),
            expected,
            "{faults:?}"
        );
        if let Some((problem, _)) = expected {
            let renews = explained(problem, &certificate).action;
            let can_be_renewed = problem != Problem::CertificateFaulty;
            assert_eq!(renews.is_some(), can_be_renewed, "{faults:?}");
        }
    }
}

#[test]
fn who_came_in_after_failures_is_critical_and_who_left_is_nothing() {
    let of = |pattern, attacking, own: Option<&str>| {
        let source = SignInSource {
            address: Some("203.0.113.9".parse().unwrap()),
            service: "sshd".to_owned(),
            resource: ResourceId::host("atlas"),
            pattern,
            failures: 40,
            successes: u64::from(pattern == SignInPattern::SuccessAfterFailures),
            peak: 40,
            users: 1,
            user_examples: Vec::new(),
            first_at: at("2026-03-10T08:00:00Z"),
            last_at: at("2026-03-10T09:00:00Z"),
            own: own.map(str::to_owned),
            evidence: Vec::new(),
        };
        let facts = SignInFacts {
            logged_by: ResourceId::host("atlas"),
            failures: 40,
            sources: 1,
            attacking,
            worst: vec![source],
        };
        let facts = Facts::SignIn(Box::new(facts));
        resource(sign_in_id("atlas", "sshd"), Health::Healthy, facts)
    };
    assert_eq!(found(&SignInRule, &of(SignInPattern::Few, 0, None)), None);
    assert_eq!(
        found(&SignInRule, &of(SignInPattern::BruteForce, 0, None)),
        None
    );
    assert_eq!(
        found(&SignInRule, &of(SignInPattern::BruteForce, 1, None)),
        Some((Problem::SignInAttack, Severity::Degraded))
    );
    // Hours later it is as bad: somebody may be in.
    let entered = of(SignInPattern::SuccessAfterFailures, 0, Some("it is yours"));
    assert_eq!(
        found(&SignInRule, &entered),
        Some((Problem::SignInAfterFailures, Severity::Critical))
    );
    let answer = explained(Problem::SignInAfterFailures, &entered);
    assert_eq!(answer.urgency, Urgency::Critical);
    assert!(
        answer.reasoning.contains("203.0.113.9") && answer.reasoning.contains("it is yours"),
        "{}",
        answer.reasoning
    );
}

#[test]
fn a_port_of_a_container_can_be_bound_and_one_of_a_program_is_a_persons() {
    let of = |container: Option<&str>, expected: Option<&str>| {
        let facts = PortFacts {
            transport: "tcp".to_owned(),
            port: 8080,
            addresses: vec!["0.0.0.0".parse().unwrap()],
            program: Some("nginx".to_owned()),
            container: container.map(|name| (ResourceId::container("atlas", name), 80)),
            expected: expected.map(str::to_owned),
            first_seen: None,
        };
        resource(
            port_id("atlas", "tcp", 8080),
            Health::Healthy,
            Facts::Port(facts),
        )
    };
    let problem = Problem::UnexpectedPort;
    assert_eq!(found(&PortRule, &of(Some("web"), Some("configured"))), None);
    let web = of(Some("web"), None);
    assert_eq!(found(&PortRule, &web), Some((problem, Severity::Degraded)));
    assert_eq!(explained(problem, &web).action, Some(ActionName::BindPort));
    assert_eq!(explained(problem, &of(None, None)).action, None);
}
