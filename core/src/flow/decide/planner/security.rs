//! Plans that make the house safer: a newer image, a port for this machine alone, a new certificate, a blocked address. Pure.
//!
//! What flows through: an incident of what a security scan found, with the facts of that scan, in; steps out. What it never does: block
//! an address that may be the operator's own, or plan for a container that is not known as it is now.

use core::net::IpAddr;

use steward_api::{
    Action, ActionName, CertificateFacts, ContainerCondition, ContainerRef, Facts, ImageFacts,
    Incident, PortFacts, Precondition, Resource, SignInFacts, SignInPattern, SignInSource, Step,
    Undo, Verification, VulnerabilitySeverity,
};

use super::{PlanProblem, Planner, is_running, seconds};
use crate::config::StrategyStep;

/// Addresses that one plan blocks, at most: more is an attack that needs another answer.
const MOST_ADDRESSES: usize = 10;
/// How long a renewed certificate may take to be shown.
const SHOWN_WITHIN: u32 = 60;
/// An engine's short id, which is the name of the host inside of a container unless it was given another.
const SHORT_ID: usize = 12;

impl Planner<'_> {
    /// The steps of an action on what a security scan found.
    pub(super) fn safer(
        &self,
        incident: &Incident,
        step: &StrategyStep,
    ) -> Result<Vec<Step>, PlanProblem> {
        let facts = &self
            .resources
            .get(&incident.resource)
            .ok_or(PlanProblem::NoTarget("thing"))?
            .facts;
        match (step.action, facts) {
            (ActionName::UpdateImage, Facts::Image(image)) => self.update(image),
            (ActionName::UpdateImage, _) => Err(PlanProblem::NoTarget("image")),
            (ActionName::BindPort | ActionName::ClosePort, Facts::Port(port)) => {
                self.narrow(step.action, port)
            }
            (ActionName::BindPort | ActionName::ClosePort, _) => Err(PlanProblem::NoTarget("port")),
            (ActionName::RenewCertificate, Facts::Certificate(certificate)) => {
                Ok(vec![self.renew(incident, step, certificate)?])
            }
            (ActionName::RenewCertificate, _) => Err(PlanProblem::NoTarget("certificate")),
            (ActionName::BlockAddress, Facts::SignIn(sign_in)) => self.block(sign_in),
            (ActionName::UnblockAddress, Facts::SignIn(sign_in)) => self.unblock(sign_in),
            (ActionName::BlockAddress | ActionName::UnblockAddress, _) => {
                Err(PlanProblem::NoTarget("address"))
            }
            // These only ever take back or finish what another step did.
            _ => Err(PlanProblem::NoTarget("container that was kept")),
        }
    }

    /// What a plan for an incident leaves out on purpose, and why; in words for whoever is asked.
    pub fn left_out(&self, incident: &Incident, action: ActionName) -> Option<String> {
        let facts = &self.resources.get(&incident.resource)?.facts;
        let reasons = match (action, facts) {
            (ActionName::UpdateImage, Facts::Image(image)) => self.to_update(image).1,
            (ActionName::BlockAddress, Facts::SignIn(sign_in)) => may_be_own(sign_in),
            _ => Vec::new(),
        };
        (!reasons.is_empty()).then(|| format!("left out: {}", reasons.join("; ")))
    }

    fn update(&self, image: &ImageFacts) -> Result<Vec<Step>, PlanProblem> {
        let counts = |severity, known_exploited| {
            severity == VulnerabilitySeverity::Critical || known_exploited
        };
        let mut bad = image
            .worst
            .iter()
            .filter(|one| counts(one.severity, one.known_exploited))
            .peekable();
        if bad.peek().is_some() && bad.all(|one| one.fixed_version.is_none()) {
            return Err(PlanProblem::Unfit(format!(
                "none of the critical vulnerabilities of {} has a fixed version yet, so a newer image would not help; watch for one, or run something else",
                image.image
            )));
        }
        let (containers, left_out) = self.to_update(image);
        if containers.is_empty() {
            return Err(if left_out.is_empty() {
                PlanProblem::NoTarget("container")
            } else {
                PlanProblem::Unfit(left_out.join("; "))
            });
        }
        let grace_seconds = seconds(self.config.docker.grace);
        let anew = containers
            .into_iter()
            .map(|(container, name)| {
                let action = Action::UpdateImage {
                    container: container.clone(),
                    image: name,
                    from_image_id: image.image_id.clone(),
                    grace_seconds,
                };
                (container, action)
            })
            .collect();
        Ok(self.made_anew(anew))
    }

    /// The containers of an image that can be made anew from a newer one, each with the image as it names it; and why others can't.
    fn to_update(&self, image: &ImageFacts) -> (Vec<(ContainerRef, String)>, Vec<String>) {
        let (mut found, mut left_out) = (Vec::new(), Vec::new());
        for id in &image.containers {
            let Some(resource) = self.resources.get(id) else {
                continue;
            };
            let (Some(facts), Ok(container)) = (resource.container(), Self::reference(resource))
            else {
                continue;
            };
            let name = if facts.image.is_empty() {
                &image.image
            } else {
                &facts.image
            };
            if let Some(why) = Self::fixed_name(name) {
                left_out.push(format!("{} {why}", id.short()));
            } else if let Some(why) = self.not_anew(resource) {
                left_out.push(why);
            } else {
                found.push((container, name.clone()));
            }
        }
        (found, left_out)
    }

    /// Why a newer image can't come under a name.
    fn fixed_name(image: &str) -> Option<&'static str> {
        if image.contains("@sha256:") {
            Some(
                "names its image by a digest, under which nothing newer can come: name a newer one where it is defined",
            )
        } else if image.starts_with("sha256:") || is_bare_id(image) {
            Some(
                "names its image by an id, under which nothing newer can come: give it a name where it is defined",
            )
        } else {
            None
        }
    }

    /// Why a container can't be made anew.
    fn not_anew(&self, resource: &Resource) -> Option<String> {
        let facts = resource.container()?;
        let name = resource.id.short();
        let node = &self.config.node.name;
        // In a container the node's name is by default the container's short id.
        let is_own = node.len() >= SHORT_ID && facts.container_id.starts_with(node.as_str());
        if is_own {
            Some(format!(
                "{name} is Steward itself, which can't take its own place"
            ))
        } else if facts.auto_remove {
            Some(format!(
                "{name} is removed when it stops (--rm), so it can't be kept while another takes its place"
            ))
        } else if !is_running(resource) {
            Some(format!("{name} does not run"))
        } else {
            None
        }
    }

    /// Containers made anew, then, when all are well, those before removed: what fails in between takes all of them back.
    fn made_anew(&self, anew: Vec<(ContainerRef, Action)>) -> Vec<Step> {
        let grace_seconds = seconds(self.config.docker.grace);
        let removals: Vec<Step> = anew
            .iter()
            .map(|(container, _)| Step {
                action: Action::RemovePrevious {
                    container: container.clone(),
                },
                precondition: Precondition::PreviousKept {
                    resource: container.resource.clone(),
                    container_id: container.container_id.clone(),
                },
                verification: Verification::ByReport,
                undo: Undo::Impossible {
                    reason: "the one before is gone; its image stays".to_owned(),
                },
            })
            .collect();
        anew.into_iter()
            .map(|(container, action)| Step {
                action,
                precondition: Self::precondition(&container, ContainerCondition::Running),
                verification: self.healthy(vec![container.resource.clone()]),
                undo: Undo::Action {
                    action: Box::new(Action::RestorePrevious {
                        container,
                        grace_seconds,
                    }),
                },
            })
            .chain(removals)
            .collect()
    }

    fn narrow(&self, action: ActionName, port: &PortFacts) -> Result<Vec<Step>, PlanProblem> {
        let Some((id, _)) = &port.container else {
            return Err(PlanProblem::Unfit(format!(
                "port {}/{} is held by {} on the host, not by a container: have it listen on 127.0.0.1 in its own configuration, or close the port in the firewall",
                port.port,
                port.transport,
                port.program.as_deref().unwrap_or("a program")
            )));
        };
        let resource = self
            .resources
            .get(id)
            .ok_or(PlanProblem::NoTarget("container"))?;
        if let Some(why) = self.not_anew(resource) {
            return Err(PlanProblem::Unfit(why));
        }
        let container = Self::reference(resource)?;
        let (transport, number) = (port.transport.clone(), port.port);
        let grace_seconds = seconds(self.config.docker.grace);
        let action = if action == ActionName::BindPort {
            Action::BindPort {
                container: container.clone(),
                transport,
                port: number,
                grace_seconds,
            }
        } else {
            Action::ClosePort {
                container: container.clone(),
                transport,
                port: number,
                grace_seconds,
            }
        };
        Ok(self.made_anew(vec![(container, action)]))
    }

    fn renew(
        &self,
        incident: &Incident,
        step: &StrategyStep,
        certificate: &CertificateFacts,
    ) -> Result<Step, PlanProblem> {
        let name = step
            .script
            .clone()
            .or_else(|| self.config.security.certificates.renew.clone())
            .ok_or_else(|| {
                PlanProblem::Unfit(
                    "no script that renews certificates is configured: name one in security.certificates.renew".to_owned(),
                )
            })?;
        let script = self
            .config
            .scripts
            .get(&name)
            .ok_or_else(|| PlanProblem::NoScript(name.clone()))?;
        let target = incident.resource.clone();
        Ok(Step {
            precondition: Precondition::CertificateIs {
                certificate: target.clone(),
                fingerprint: certificate.fingerprint.clone(),
            },
            verification: Verification::CertificateRenewed {
                certificate: target.clone(),
                ended_at: certificate.not_after,
                within_seconds: SHOWN_WITHIN,
            },
            undo: Undo::Impossible {
                reason: "Steward does not keep the certificate before, nor know what else the script changes".to_owned(),
            },
            action: Action::RenewCertificate {
                certificate: target,
                script: name,
                risk: script.risk,
            },
        })
    }

    fn block(&self, sign_in: &SignInFacts) -> Result<Vec<Step>, PlanProblem> {
        let host = self.config.host_id();
        let minutes = u32::try_from(self.config.security.block_for.as_mins()).unwrap_or(u32::MAX);
        let own = self.config.security.authentication.own();
        let steps: Vec<Step> = addresses(sign_in, |source| {
            source.own.is_none()
                && source
                    .address
                    .is_none_or(|address| own.iter().all(|range| !range.contains(address)))
        })
        .map(|address| Step {
            action: Action::BlockAddress {
                host: host.clone(),
                address,
                minutes: minutes.max(1),
            },
            precondition: Precondition::AddressFree {
                host: host.clone(),
                address,
            },
            verification: Verification::AddressBlocked {
                host: host.clone(),
                address,
            },
            undo: Undo::Action {
                action: Box::new(Action::UnblockAddress {
                    host: host.clone(),
                    address,
                }),
            },
        })
        .collect();
        if !steps.is_empty() {
            return Ok(steps);
        }
        let own = may_be_own(sign_in);
        Err(if own.is_empty() {
            PlanProblem::Unfit("no address that could be blocked is known".to_owned())
        } else {
            PlanProblem::Unfit(format!(
                "nothing is blocked without you: {}; block it yourself if it is not",
                own.join("; ")
            ))
        })
    }

    /// The end of every block that there may be: nobody needs to be kept out by mistake, so one's own addresses are among them.
    fn unblock(&self, sign_in: &SignInFacts) -> Result<Vec<Step>, PlanProblem> {
        let host = self.config.host_id();
        let steps: Vec<Step> = addresses(sign_in, |_| true)
            .map(|address| Step {
                action: Action::UnblockAddress {
                    host: host.clone(),
                    address,
                },
                precondition: Precondition::Nothing,
                verification: Verification::ByReport,
                undo: Undo::Impossible {
                    reason: "it is blocked again where that is asked for".to_owned(),
                },
            })
            .collect();
        if steps.is_empty() {
            return Err(PlanProblem::NoTarget("address"));
        }
        Ok(steps)
    }
}

/// The addresses from which an attack comes, each once, at most [`MOST_ADDRESSES`].
fn addresses(
    sign_in: &SignInFacts,
    wanted: impl Fn(&SignInSource) -> bool,
) -> impl Iterator<Item = IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for source in sign_in.worst.iter().filter(|source| is_attack(source)) {
        if let Some(address) = source.address.map(|address| address.to_canonical())
            && is_elsewhere(address)
            && wanted(source)
            && !found.contains(&address)
            && found.len() < MOST_ADDRESSES
        {
            found.push(address);
        }
    }
    found.into_iter()
}

fn is_attack(source: &SignInSource) -> bool {
    source.pattern != SignInPattern::Few
}

/// Whether an address may be another machine's.
fn is_elsewhere(address: IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(four) => four.is_link_local() || four.is_broadcast(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    };
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || is_link_local)
}

/// Attacking addresses that may be the operator's own, each with the reason.
fn may_be_own(sign_in: &SignInFacts) -> Vec<String> {
    sign_in
        .worst
        .iter()
        .filter(|source| is_attack(source))
        .filter_map(|source| {
            let (address, why) = (source.address?, source.own.as_ref()?);
            Some(format!("{address} may be your own ({why})"))
        })
        .collect()
}

/// Whether an image is named by the engine's id alone, whole or short.
fn is_bare_id(image: &str) -> bool {
    (SHORT_ID..=64).contains(&image.len())
        && image
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
