//! Plans for what security scans find: what they hold, what they leave out, and where there is none, why.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use steward_api::{
    Action, ActionName, CertificateFacts, ContainerFacts, ContainerStatus, Facts, Health,
    ImageFacts, Incident, IncidentId, Plan, PortFacts, Precondition, Problem, Resource, ResourceId,
    ResourceKind, Risk, Severity, SignInFacts, SignInPattern, SignInSource, Undo, Verification,
    VulnerabilityBrief, VulnerabilitySeverity,
};

use super::super::{
    offer::{asked_plan, offered},
    planner::{PlanProblem, Planner},
};
use crate::{
    config::{Config, StrategyStep},
    flow::{graph::Graph, learn::Records},
};

const AT: &str = "2026-03-01T12:00:00Z";

fn at() -> Timestamp {
    AT.parse().unwrap()
}

fn thing(id: ResourceId, facts: Facts) -> Resource {
    Resource {
        id,
        health: Health::Healthy,
        reason: String::new(),
        depends_on: Vec::new(),
        runs_on: None,
        facts,
        metrics: BTreeMap::new(),
        read_at: at(),
    }
}

fn container(name: &str, image: &str) -> Resource {
    let facts = ContainerFacts {
        container_id: format!("{name}0123456789abcdef"),
        image: image.to_owned(),
        status: ContainerStatus::Running,
        ..ContainerFacts::default()
    };
    thing(
        ResourceId::container("atlas", name),
        Facts::Container(Box::new(facts)),
    )
}

/// A house with one thing that a scan found, and the incident about it.
struct House {
    resources: BTreeMap<ResourceId, Arc<Resource>>,
    config: Config,
    incident: Incident,
}

impl House {
    fn new(problem: Problem, kind: ResourceKind, name: &str, facts: Facts) -> Self {
        let id = ResourceId::new("atlas", kind, name);
        let mut config = Config::default();
        config.node.name = "atlas".to_owned();
        let incident = Incident {
            id: IncidentId(1),
            resource: id.clone(),
            problem,
            title: String::new(),
            severity: Severity::Critical,
            phase: steward_api::Phase::Detected,
            findings: Vec::new(),
            affected: Vec::new(),
            diagnoses: Vec::new(),
            chosen: None,
            decision: None,
            tasks: Vec::new(),
            opened_at: at(),
            updated_at: at(),
            resolved_at: None,
            resolution: None,
            flaps: 0,
            timeline: Vec::new(),
        };
        let resources = [(id.clone(), Arc::new(thing(id, facts)))].into();
        Self {
            resources,
            config,
            incident,
        }
    }

    fn with(mut self, resource: Resource) -> Self {
        self.resources
            .insert(resource.id.clone(), Arc::new(resource));
        self
    }

    fn with_planner<T>(&self, see: impl FnOnce(&Planner<'_>) -> T) -> T {
        let graph = Graph::of(&self.resources);
        see(&Planner {
            resources: &self.resources,
            graph: &graph,
            config: &self.config,
        })
    }

    fn plan(&self, action: ActionName) -> Result<Plan, PlanProblem> {
        let step: StrategyStep =
            serde_json::from_value(serde_json::json!({ "action": action })).unwrap();
        self.with_planner(|planner| planner.plan(&self.incident, &step))
    }

    fn told(&self, action: ActionName) -> Vec<String> {
        let plan = self.plan(action).unwrap();
        plan.steps()
            .iter()
            .map(|step| step.action.to_string())
            .collect()
    }

    fn offers(&self) -> Vec<ActionName> {
        self.with_planner(|planner| {
            offered(planner, &Records::default(), &self.incident)
                .into_iter()
                .map(|offer| offer.action)
                .collect()
        })
    }
}

fn brief(fixed: Option<&str>) -> VulnerabilityBrief {
    VulnerabilityBrief {
        id: "CVE-2026-1".to_owned(),
        severity: VulnerabilitySeverity::Critical,
        known_exploited: false,
        package: "openssl 3.0.1".to_owned(),
        fixed_version: fixed.map(str::to_owned),
    }
}

fn vulnerable(fixed: Option<&str>, containers: &[&str]) -> House {
    let facts = ImageFacts {
        image: "nginx:1".to_owned(),
        image_id: "sha256:old".to_owned(),
        containers: containers
            .iter()
            .map(|name| ResourceId::container("atlas", *name))
            .collect(),
        critical: 1,
        worst: vec![brief(fixed)],
        ..ImageFacts::default()
    };
    House::new(
        Problem::CriticalVulnerability,
        ResourceKind::Image,
        "nginx:1",
        Facts::Image(Box::new(facts)),
    )
}

#[test]
fn an_update_makes_all_containers_anew_before_any_that_was_kept_is_removed() {
    let house = vulnerable(Some("3.0.2"), &["web", "api", "unknown"])
        .with(container("web", "nginx:1"))
        .with(container("api", "nginx:1"));
    let plan = house.plan(ActionName::UpdateImage).unwrap();
    assert_eq!(plan.risk(), Risk::High);
    let names: Vec<_> = plan.steps().iter().map(|step| step.action.name()).collect();
    use ActionName::{RemovePrevious, UpdateImage};
    assert_eq!(
        names,
        [UpdateImage, UpdateImage, RemovePrevious, RemovePrevious]
    );
    let (first, kept) = (&plan.steps()[0], &plan.steps()[2]);
    let Action::UpdateImage {
        container,
        image,
        from_image_id,
        ..
    } = &first.action
    else {
        panic!("{first:?}")
    };
    assert_eq!(
        (image.as_str(), from_image_id.as_str()),
        ("nginx:1", "sha256:old")
    );
    assert!(matches!(
        first.verification,
        Verification::ContainersHealthy { .. }
    ));
    let Undo::Action { action } = &first.undo else {
        panic!("{first:?}")
    };
    assert!(
        matches!(&**action, Action::RestorePrevious { container: kept, .. } if kept == container)
    );
    assert!(
        matches!(&kept.precondition, Precondition::PreviousKept { container_id, .. } if *container_id == container.container_id)
    );
    assert!(matches!(kept.undo, Undo::Impossible { .. }));
}

#[test]
fn there_is_no_update_where_it_could_not_help() {
    let unfixed = vulnerable(None, &["web"]).with(container("web", "nginx:1"));
    let why = unfixed
        .plan(ActionName::UpdateImage)
        .unwrap_err()
        .to_string();
    assert!(why.contains("has a fixed version yet"), "{why}");
    for (image, word) in [
        ("nginx@sha256:0123", "digest"),
        ("sha256:0123", "by an id"),
        ("0123456789ab", "by an id"),
    ] {
        let house = vulnerable(Some("2"), &["web"]).with(container("web", image));
        let why = house.plan(ActionName::UpdateImage).unwrap_err().to_string();
        assert!(why.contains(word), "{why}");
    }
    let nobody = vulnerable(Some("2"), &["web"]);
    assert_eq!(
        nobody.plan(ActionName::UpdateImage).unwrap_err(),
        PlanProblem::NoTarget("container")
    );
}

#[test]
fn steward_itself_and_what_does_not_run_are_left_out_of_an_update() {
    let mut stopped = container("old", "nginx:1");
    if let Facts::Container(facts) = &mut stopped.facts {
        facts.status = ContainerStatus::Exited;
    }
    let mut house = vulnerable(Some("2"), &["web", "old", "steward"])
        .with(container("web", "nginx:1"))
        .with(stopped)
        .with(container("steward", "nginx:1"));
    house.config.node.name = "steward01234".to_owned();
    assert_eq!(house.told(ActionName::UpdateImage).len(), 2);
    let left_out = house
        .with_planner(|planner| planner.left_out(&house.incident, ActionName::UpdateImage))
        .unwrap();
    assert!(
        left_out.contains("old does not run") && left_out.contains("is Steward itself"),
        "{left_out}"
    );
}

fn open_port(container: Option<&str>) -> House {
    let facts = PortFacts {
        transport: "tcp".to_owned(),
        port: 8080,
        addresses: vec!["0.0.0.0".parse().unwrap()],
        program: Some("python3".to_owned()),
        container: container.map(|name| (ResourceId::container("atlas", name), 80)),
        expected: None,
        first_seen: None,
    };
    House::new(
        Problem::UnexpectedPort,
        ResourceKind::Port,
        "8080/tcp",
        Facts::Port(facts),
    )
}

#[test]
fn a_published_port_is_bound_or_closed_and_one_of_the_host_is_left_to_its_owner() {
    let house = open_port(Some("web")).with(container("web", "nginx:1"));
    let told = house.told(ActionName::BindPort);
    assert!(
        told[0].contains("8080/tcp on this machine alone"),
        "{told:?}"
    );
    assert!(told[1].starts_with("Remove the web that was kept"));
    assert!(house.told(ActionName::ClosePort)[0].contains("without the published port 8080/tcp"));
    assert_eq!(
        house.offers(),
        [ActionName::BindPort, ActionName::ClosePort],
        "the strategy's own, and the other thing that helps"
    );
    assert!(
        house
            .with_planner(|planner| asked_plan(
                planner,
                &Records::default(),
                &house.incident,
                ActionName::ClosePort
            ))
            .is_some()
    );
    let host = open_port(None);
    let why = host.plan(ActionName::BindPort).unwrap_err().to_string();
    assert!(
        why.contains("held by python3 on the host") && why.contains("127.0.0.1"),
        "{why}"
    );
    assert_eq!(host.offers(), []);
}

#[test]
fn a_certificate_is_renewed_by_the_configured_script_with_its_own_risk() {
    let facts = CertificateFacts {
        place: "house.example:443".to_owned(),
        also_at: Vec::new(),
        shown_by: None,
        subject: String::new(),
        names: Vec::new(),
        not_after: at(),
        fingerprint: "ab".repeat(32),
        faults: Vec::new(),
    };
    let mut house = House::new(
        Problem::CertificateExpiring,
        ResourceKind::Certificate,
        "house.example:443",
        Facts::Certificate(Box::new(facts)),
    );
    let why = house
        .plan(ActionName::RenewCertificate)
        .unwrap_err()
        .to_string();
    assert!(why.contains("security.certificates.renew"), "{why}");
    assert_eq!(house.offers(), []);
    house.config.security.certificates.renew = Some("renew".to_owned());
    assert_eq!(
        house.plan(ActionName::RenewCertificate).unwrap_err(),
        PlanProblem::NoScript("renew".to_owned())
    );
    house.config.scripts.insert(
        "renew".to_owned(),
        serde_json::from_value(
            serde_json::json!({ "command": ["/usr/bin/certbot"], "risk": "high" }),
        )
        .unwrap(),
    );
    let plan = house.plan(ActionName::RenewCertificate).unwrap();
    assert_eq!(plan.risk(), Risk::High);
    assert!(
        matches!(&plan.steps()[0].verification, Verification::CertificateRenewed { ended_at, .. } if *ended_at == at())
    );
    assert_eq!(house.offers(), [ActionName::RenewCertificate]);
}

fn source(address: &str, pattern: SignInPattern, own: Option<&str>) -> SignInSource {
    SignInSource {
        address: address.parse().ok(),
        service: "sshd".to_owned(),
        resource: ResourceId::host("atlas"),
        pattern,
        failures: 90,
        successes: 0,
        peak: 20,
        users: 1,
        user_examples: Vec::new(),
        first_at: at(),
        last_at: at(),
        own: own.map(str::to_owned),
        evidence: Vec::new(),
    }
}

fn attacked(worst: Vec<SignInSource>) -> House {
    let facts = SignInFacts {
        logged_by: ResourceId::host("atlas"),
        failures: 90,
        sources: worst.len() as u64,
        attacking: worst.len() as u64,
        worst,
    };
    House::new(
        Problem::SignInAttack,
        ResourceKind::SignIn,
        "sshd",
        Facts::SignIn(Box::new(facts)),
    )
}

#[test]
fn attackers_are_blocked_for_a_while_and_never_ones_own_address() {
    use SignInPattern::{BruteForce, Few, Spraying};
    let house = attacked(vec![
        source("203.0.113.7", BruteForce, None),
        source("::ffff:203.0.113.7", Spraying, None),
        source("203.0.113.8", Few, None),
        source("127.0.0.1", BruteForce, None),
        source("192.168.1.5", BruteForce, Some("in a private network")),
        source("2001:db8::9", Spraying, None),
    ]);
    assert_eq!(
        house.told(ActionName::BlockAddress),
        [
            "Drop what 203.0.113.7 sends to atlas for 24 hours",
            "Drop what 2001:db8::9 sends to atlas for 24 hours"
        ]
    );
    let left_out = house
        .with_planner(|planner| planner.left_out(&house.incident, ActionName::BlockAddress))
        .unwrap();
    assert_eq!(
        left_out,
        "left out: 192.168.1.5 may be your own (in a private network)"
    );
    assert_eq!(
        house.told(ActionName::UnblockAddress).len(),
        3,
        "one's own too: nobody is kept out by mistake"
    );
    assert_eq!(
        house.offers(),
        [ActionName::BlockAddress, ActionName::UnblockAddress]
    );
}

#[test]
fn where_only_ones_own_address_is_left_nothing_is_blocked() {
    let mut house = attacked(vec![source(
        "192.168.1.5",
        SignInPattern::SuccessAfterFailures,
        Some("it signed in before"),
    )]);
    let why = house
        .plan(ActionName::BlockAddress)
        .unwrap_err()
        .to_string();
    assert!(
        why.contains("192.168.1.5 may be your own (it signed in before)"),
        "{why}"
    );
    // What the configuration says holds also where the scan did not say so.
    house = attacked(vec![source("10.0.0.9", SignInPattern::BruteForce, None)]);
    house.config.security.authentication.own_networks = vec!["10.0.0.0/8".to_owned()];
    assert!(house.plan(ActionName::BlockAddress).is_err());
}

#[test]
fn a_plan_blocks_no_more_than_ten_addresses() {
    let many = (1..30)
        .map(|n| source(&format!("203.0.113.{n}"), SignInPattern::BruteForce, None))
        .collect();
    assert_eq!(attacked(many).told(ActionName::BlockAddress).len(), 10);
}

#[test]
fn what_makes_the_house_safer_is_offered_for_nothing_else() {
    let house = House::new(
        Problem::ContainerStopped,
        ResourceKind::Container,
        "web",
        container("web", "nginx:1").facts,
    );
    let safer = |name: &ActionName| {
        use ActionName as A;
        matches!(
            name,
            A::UpdateImage
                | A::BindPort
                | A::ClosePort
                | A::RestorePrevious
                | A::RemovePrevious
                | A::RenewCertificate
                | A::BlockAddress
                | A::UnblockAddress
        )
    };
    assert!(!house.offers().iter().any(safer), "{:?}", house.offers());
}
