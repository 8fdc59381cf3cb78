//! The catalogue's entries for what security scans found: why it is so, what helps, and what a person can do. Pure.
//!
//! What flows through: a case in, an explanation out. What it never does: recommend a block of what may be the operator's own address, or an
//! update that would bring no fix; the planner knows, and says why not.

use steward_api::{ActionName, Facts, Problem, SignInPattern, Urgency};

use super::words::count;
use crate::ports::{Case, CatalogueMatch, Pattern};

/// The entries.
pub fn catalogue() -> Vec<Box<dyn Pattern>> {
    vec![Box::new(Security)]
}

struct Security;

const VULNERABLE: &str = "image-vulnerable";
const VULNERABLE_WITHOUT_FIX: &str = "image-vulnerable-without-fix";
const EXPIRED: &str = "certificate-expired";
const EXPIRING: &str = "certificate-expiring";
const FAULTY: &str = "certificate-faulty";
const ATTACK: &str = "sign-in-attack";
const ENTERED: &str = "sign-in-after-failures";
const CONTAINER_PORT: &str = "port-of-container";
const HOST_PORT: &str = "port-of-host";

impl Pattern for Security {
    fn entries(&self) -> Vec<&'static str> {
        vec![
            VULNERABLE,
            VULNERABLE_WITHOUT_FIX,
            EXPIRED,
            EXPIRING,
            FAULTY,
            ATTACK,
            ENTERED,
            CONTAINER_PORT,
            HOST_PORT,
        ]
    }

    fn explain(&self, case: &Case<'_>) -> Option<CatalogueMatch> {
        match (case.problem, &case.resource.facts) {
            (Problem::CriticalVulnerability, Facts::Image(facts)) => {
                let fixes: Vec<String> = facts
                    .worst
                    .iter()
                    .filter_map(|one| {
                        let fixed = one.fixed_version.as_ref()?;
                        Some(format!("{} in {} is fixed in {fixed}", one.id, one.package))
                    })
                    .take(3)
                    .collect();
                if fixes.is_empty() {
                    return Some(CatalogueMatch {
                        entry: VULNERABLE_WITHOUT_FIX,
                        cause: format!(
                            "Packages in {} have holes for which no fixed version is known yet",
                            facts.image
                        ),
                        action: None,
                        urgency: Urgency::Medium,
                        confidence: 75,
                        reasoning: "the worst of what is known of its packages names no version without it".to_owned(),
                        evidence: Vec::new(),
                        advice: "Until there is one, let fewer reach its containers: publish their ports on 127.0.0.1 alone, or behind something that asks who it is.".to_owned(),
                    });
                }
                Some(CatalogueMatch {
                    entry: VULNERABLE,
                    cause: format!("The image {} is older than the fixes of its packages", facts.image),
                    action: Some(ActionName::UpdateImage),
                    urgency: if facts.known_exploited > 0 {
                        Urgency::High
                    } else {
                        Urgency::Medium
                    },
                    confidence: 85,
                    reasoning: fixes.join("; "),
                    evidence: Vec::new(),
                    advice: "Pull the image anew, or build it anew where it is your own; where its tag names an old version, choose a newer tag.".to_owned(),
                })
            }
            (Problem::CertificateExpired, Facts::Certificate(facts)) => Some(CatalogueMatch {
                entry: EXPIRED,
                cause: format!("Nobody renewed the certificate at {} before its end", facts.place),
                action: Some(ActionName::RenewCertificate),
                urgency: Urgency::High,
                confidence: 85,
                reasoning: format!("it ended {:.0}", facts.not_after),
                evidence: Vec::new(),
                advice: "Renew it, and have whoever shows it load the new one. A script for that goes under [scripts], its name to security.certificates.renew.".to_owned(),
            }),
            (Problem::CertificateExpiring, Facts::Certificate(facts)) => Some(CatalogueMatch {
                entry: EXPIRING,
                cause: format!("The certificate at {} was not renewed yet", facts.place),
                action: Some(ActionName::RenewCertificate),
                urgency: Urgency::Medium,
                confidence: 85,
                reasoning: format!("it ends {:.0}", facts.not_after),
                evidence: Vec::new(),
                advice: "See whether what renews it still runs. A script for that goes under [scripts], its name to security.certificates.renew.".to_owned(),
            }),
            (Problem::CertificateFaulty, Facts::Certificate(facts)) => Some(CatalogueMatch {
                entry: FAULTY,
                cause: format!("The certificate at {} is not one that its clients would accept", facts.place),
                action: None,
                urgency: Urgency::Medium,
                confidence: 75,
                reasoning: facts
                    .faults
                    .iter()
                    .map(|(_, text)| text.as_str())
                    .collect::<Vec<_>>()
                    .join("; "),
                evidence: Vec::new(),
                advice: "Have one made for the name by which it is reached, with a key of at least RSA 2048 bit or ECDSA P-256.".to_owned(),
            }),
            (Problem::SignInAttack, Facts::SignIn(facts)) => {
                let own = facts.worst.iter().filter(|one| one.own.is_some()).count();
                let may_be_own = match own {
                    0 => String::new(),
                    _ => format!("; {} may be your own", count(own as u64, "source")),
                };
                Some(CatalogueMatch {
                    entry: ATTACK,
                    cause: format!(
                        "Somebody tries passwords at {}",
                        case.resource.id.short()
                    ),
                    action: Some(ActionName::BlockAddress),
                    urgency: Urgency::Medium,
                    confidence: 80,
                    reasoning: format!(
                        "{} of {} look like an attack and tried lately{may_be_own}",
                        facts.attacking,
                        count(facts.sources, "source")
                    ),
                    evidence: Vec::new(),
                    advice: "Let it be reached from fewer places, let only keys sign in, or have something block repeated failures by itself.".to_owned(),
                })
            }
            (Problem::SignInAfterFailures, Facts::SignIn(facts)) => {
                let entered = facts
                    .worst
                    .iter()
                    .find(|one| one.pattern == SignInPattern::SuccessAfterFailures)?;
                let from = entered.address.map_or_else(
                    || "an address that is not told".to_owned(),
                    |address| address.to_string(),
                );
                let own = entered
                    .own
                    .as_ref()
                    .map_or_else(String::new, |own| format!(" It may be your own: {own}."));
                Some(CatalogueMatch {
                    entry: ENTERED,
                    cause: format!("Whoever came from {from} found a password out, or remembered it at last"),
                    action: Some(ActionName::BlockAddress),
                    urgency: Urgency::Critical,
                    confidence: 80,
                    reasoning: format!(
                        "{} from {from}, then a success.{own}",
                        count(entered.failures, "failure")
                    ),
                    evidence: Vec::new(),
                    advice: "Find out whether that was you. If not: end its sessions, change the password, look at what it did, and keep it out.".to_owned(),
                })
            }
            (Problem::UnexpectedPort, Facts::Port(facts)) => Some(match &facts.container {
                Some((container, inside)) => CatalogueMatch {
                    entry: CONTAINER_PORT,
                    cause: format!(
                        "The container {} publishes its port {inside} to every machine that reaches this one",
                        container.short()
                    ),
                    action: Some(ActionName::BindPort),
                    urgency: Urgency::Medium,
                    confidence: 80,
                    reasoning: "Docker publishes on all addresses unless one is named, past the host's own firewall".to_owned(),
                    evidence: Vec::new(),
                    advice: format!(
                        "Publish it as 127.0.0.1:{}:{inside} in its definition, or not at all. Where it is meant to be open, say so: list it under security.ports.expected, or accept it on the screen Security.",
                        facts.port
                    ),
                },
                None => CatalogueMatch {
                    entry: HOST_PORT,
                    cause: format!(
                        "{} listens on an address that other machines reach",
                        facts.program.as_deref().unwrap_or("A program")
                    ),
                    action: None,
                    urgency: Urgency::Medium,
                    confidence: 75,
                    reasoning: "it was not there while Steward learned which ports are usual here".to_owned(),
                    evidence: Vec::new(),
                    advice: "End it, or have it listen on 127.0.0.1 alone. Where it is meant to be open, say so: list it under security.ports.expected, or accept it on the screen Security.".to_owned(),
                },
            }),
            _ => None,
        }
    }
}
