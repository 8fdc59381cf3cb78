//! Readings for actions: preconditions right before, verifications right after, and what became of an intent. Always from the world,
//! never from memory, and by the engine's id where one is given.

use jiff::Timestamp;
use steward_api::{
    Action, ActionName, ContainerCondition, ContainerFacts, ContainerHealth, ContainerRef,
    ContainerStatus, Limits, Precondition, ResourceId, ResourceKind, Verification,
};

use crate::ports::{ActError, Reading};

use super::{
    DockerEngine,
    client::Failure,
    models::Inspect,
    observe::{inspect, inspect_by_name},
    translate,
};

impl DockerEngine {
    /// Inspects the very container that is meant. `None`: it is gone, even if another has its name now.
    pub(super) async fn inspect_ref(
        &self,
        resource: &ResourceId,
        container_id: &str,
    ) -> Result<Option<Inspect>, ActError> {
        self.own(resource, ResourceKind::Container)?;
        // The engine takes a name or the beginning of an id as well; an action means one container and no other.
        if container_id.len() != 64 || !container_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ActError::Failed(format!(
                "{}: `{container_id}` is not the full id of a container",
                resource.short()
            )));
        }
        match inspect(&self.client, container_id).await {
            Ok(found) => Ok((found.id == container_id).then_some(found)),
            Err(Failure::NotFound(_)) => Ok(None),
            Err(failure) => Err(self.act_error(failure, resource.short())),
        }
    }

    /// As [`Self::inspect_ref`], for a container that has to be there.
    pub(super) async fn inspect_present(
        &self,
        container: &ContainerRef,
    ) -> Result<Inspect, ActError> {
        self.inspect_ref(&container.resource, &container.container_id)
            .await?
            .ok_or_else(|| ActError::Gone(container.name().to_owned()))
    }

    pub(super) fn act_error(&self, failure: Failure, target: &str) -> ActError {
        failure.into_act_error(&self.client.who(), target)
    }

    /// Refuses what is not this engine's.
    pub(super) fn own(&self, resource: &ResourceId, kind: ResourceKind) -> Result<(), ActError> {
        let ours = resource.node == self.node
            && resource.kind == kind
            && (kind != ResourceKind::Engine || *resource == self.engine_id());
        if ours {
            Ok(())
        } else {
            Err(ActError::Failed(format!(
                "{resource} is not looked after by {} of node {}",
                self.client.who(),
                self.node
            )))
        }
    }

    pub(super) async fn check_now(&self, precondition: &Precondition) -> Result<Reading, ActError> {
        match precondition {
            Precondition::Nothing => Ok(Reading::Holds),
            Precondition::Container {
                resource,
                container_id,
                condition,
            } => Ok(match self.inspect_ref(resource, container_id).await? {
                None => gone(resource),
                Some(found) => renamed(&found, resource).unwrap_or_else(|| {
                    is_in(&translate::facts(&found), resource.short(), *condition)
                }),
            }),
            Precondition::Limits {
                resource,
                container_id,
                limits,
            } => Ok(match self.inspect_ref(resource, container_id).await? {
                None => gone(resource),
                Some(found) => renamed(&found, resource)
                    .unwrap_or_else(|| has_limits(&found, resource.short(), *limits)),
            }),
            Precondition::EngineAnswers { engine } => self.answers(engine).await,
            Precondition::EngineSilent { engine } => Ok(match self.answers(engine).await? {
                Reading::Holds => Reading::Broken("the engine answers again".to_owned()),
                _ => Reading::Holds,
            }),
            Precondition::UnitFailed { unit } => Err(ActError::Unsupported(
                ActionName::RestartUnit,
                format!("{} is a systemd unit, not a container", unit.short()),
            )),
            Precondition::PreviousKept {
                resource,
                container_id,
            } => self.is_kept(resource, container_id).await,
            Precondition::CertificateIs { .. } | Precondition::AddressFree { .. } => {
                Err(ActError::Unsupported(
                    ActionName::UpdateImage,
                    "it is no matter of containers".to_owned(),
                ))
            }
        }
    }

    pub(super) async fn verify_now(
        &self,
        verification: &Verification,
    ) -> Result<Reading, ActError> {
        match verification {
            Verification::ByReport => Ok(Reading::Holds),
            Verification::ContainersHealthy { containers, .. } => {
                for container in containers {
                    let reading = match self.inspect_named(container).await? {
                        None => gone(container),
                        Some(found) => is_well(&translate::facts(&found), container.short()),
                    };
                    if reading != Reading::Holds {
                        return Ok(reading);
                    }
                }
                Ok(Reading::Holds)
            }
            Verification::ContainerStopped { container } => {
                Ok(match self.inspect_named(container).await? {
                    // A container that the engine removes at its end does not run either.
                    None => Reading::Holds,
                    Some(found) => is_in(
                        &translate::facts(&found),
                        container.short(),
                        ContainerCondition::NotRunning,
                    ),
                })
            }
            Verification::LimitsAre {
                container,
                limits,
                stable_seconds,
            } => Ok(match self.inspect_named(container).await? {
                None => gone(container),
                Some(found) => match has_limits(&found, container.short(), *limits) {
                    // One that did not run when its limits were set has nothing to stay up for; its start is a step of its own.
                    Reading::Holds if *stable_seconds > 0 => is_in(
                        &translate::facts(&found),
                        container.short(),
                        ContainerCondition::Running,
                    ),
                    other => other,
                },
            }),
            Verification::EngineAnswers { engine, .. } => self.answers(engine).await,
            Verification::UnitActive { unit, .. } => Err(ActError::Unsupported(
                ActionName::RestartUnit,
                format!("{} is a systemd unit, not a container", unit.short()),
            )),
            Verification::CertificateRenewed { .. } | Verification::AddressBlocked { .. } => {
                Err(ActError::Unsupported(
                    ActionName::RenewCertificate,
                    "it is no matter of containers".to_owned(),
                ))
            }
        }
    }

    /// Whether an action that was intended at `since` was carried out. `None`: the world does not show it.
    pub(super) async fn find_out(
        &self,
        action: &Action,
        since: Timestamp,
    ) -> Result<Option<bool>, ActError> {
        let started = |found: &Inspect| {
            translate::time(&found.state.started_at).is_some_and(|started| started > since)
        };
        match action {
            Action::StartContainer { container } => self.settle(container, 0, since, started).await,
            Action::RestartContainer {
                container,
                grace_seconds,
            } => self.settle(container, *grace_seconds, since, started).await,
            Action::StopContainer {
                container,
                grace_seconds,
            } => {
                let stopped = |found: &Inspect| {
                    let facts = translate::facts(found);
                    !runs(facts.status) && facts.finished_at.is_some_and(|end| end > since)
                };
                self.settle(container, *grace_seconds, since, stopped).await
            }
            Action::ResetConnections {
                container,
                dependents,
                grace_seconds,
            } => {
                // One after the other: whichever the engine was at is brought to its end before they are counted.
                let mut restarted = 0;
                for one in std::iter::once(container).chain(dependents) {
                    match self.settle(one, *grace_seconds, since, started).await? {
                        None => return Ok(None),
                        Some(done) => restarted += usize::from(done),
                    }
                }
                // Half of it is neither done nor not done.
                Ok(match restarted {
                    0 => Some(false),
                    all if all == dependents.len() + 1 => Some(true),
                    _ => None,
                })
            }
            Action::SetLimits {
                container,
                from,
                to,
            } => {
                let found = self
                    .inspect_ref(&container.resource, &container.container_id)
                    .await?;
                Ok(found.and_then(|found| {
                    let limits = translate::limits(&found.host_config);
                    if limits == *to {
                        Some(true)
                    } else if limits == *from {
                        Some(false)
                    } else {
                        None
                    }
                }))
            }
            other => Box::pin(self.became(other, since)).await,
        }
    }

    async fn inspect_named(&self, container: &ResourceId) -> Result<Option<Inspect>, ActError> {
        self.own(container, ResourceKind::Container)?;
        inspect_by_name(&self.client, &container.name)
            .await
            .map_err(|failure| self.act_error(failure, container.short()))
    }

    async fn answers(&self, engine: &ResourceId) -> Result<Reading, ActError> {
        self.own(engine, ResourceKind::Engine)?;
        Ok(match self.client.ping().await {
            Ok(()) => Reading::Holds,
            Err(failure) => Reading::Broken(format!("the engine does not answer: {failure}")),
        })
    }
}

fn gone(resource: &ResourceId) -> Reading {
    Reading::Hopeless(format!("{} is gone", resource.short()))
}

fn renamed(found: &Inspect, resource: &ResourceId) -> Option<Reading> {
    (found.name() != resource.name).then(|| {
        Reading::Hopeless(format!(
            "{} is named {} now",
            resource.short(),
            found.name()
        ))
    })
}

/// Whether the main process is there.
pub(super) const fn runs(status: ContainerStatus) -> bool {
    matches!(status, ContainerStatus::Running | ContainerStatus::Paused)
}

/// Whether a container is in a condition, and why not.
fn is_in(facts: &ContainerFacts, name: &str, condition: ContainerCondition) -> Reading {
    let broken = |why: &str| Reading::Broken(format!("{name} {why}"));
    match (condition, facts.status) {
        (ContainerCondition::Exists, _) => Reading::Holds,
        (_, ContainerStatus::Unknown) => broken("is in a state that Steward does not know"),
        (_, ContainerStatus::Removing) => broken("is being removed"),
        (_, ContainerStatus::Paused) => broken("is paused, which a person must have done"),
        (ContainerCondition::Running, ContainerStatus::Running) => Reading::Holds,
        (ContainerCondition::Running, _) => {
            broken(&format!("does not run: {}", translate::ending(facts)))
        }
        (ContainerCondition::Failing, ContainerStatus::Running) => match facts.health {
            ContainerHealth::Unhealthy => Reading::Holds,
            ContainerHealth::Starting => broken("runs, and its health check has not finished yet"),
            ContainerHealth::Healthy => broken("runs, and its health check passes"),
            ContainerHealth::None => broken("runs"),
        },
        (ContainerCondition::NotRunning, ContainerStatus::Running) => broken("runs"),
        (ContainerCondition::NotRunning, ContainerStatus::Restarting) => {
            broken("is being restarted by the engine")
        }
        (ContainerCondition::Failing | ContainerCondition::NotRunning, _) => Reading::Holds,
    }
}

/// Whether a container runs and passes its health check, where it has one.
pub(super) fn is_well(facts: &ContainerFacts, name: &str) -> Reading {
    match (facts.status, facts.health) {
        (ContainerStatus::Running, ContainerHealth::Healthy | ContainerHealth::None) => {
            Reading::Holds
        }
        _ => {
            let (_, reason) = translate::judge(facts);
            Reading::Broken(format!("{name}: {reason}"))
        }
    }
}

fn has_limits(found: &Inspect, name: &str, wanted: Limits) -> Reading {
    let limits = translate::limits(&found.host_config);
    if limits == wanted {
        Reading::Holds
    } else {
        Reading::Broken(format!(
            "the limits of {name} are {} now, not {}",
            in_words(limits),
            in_words(wanted)
        ))
    }
}

/// Limits for a person.
pub(super) fn in_words(limits: Limits) -> String {
    let memory = limits.memory_bytes.map_or_else(
        || "unlimited memory".to_owned(),
        |bytes| format!("{} of memory", size(bytes)),
    );
    #[allow(
        clippy::cast_precision_loss,
        reason = "thousandths of cores are far below 2^52"
    )]
    let cpu = limits.cpu_millicores.map_or_else(
        || "unlimited CPU".to_owned(),
        |milli| format!("{} cores", milli as f64 / 1000.0),
    );
    format!("{memory} and {cpu}")
}

/// Bytes for a person.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    for (unit, name) in UNITS {
        if bytes >= unit {
            let tenths = bytes / (unit / 10).max(1);
            return if bytes.is_multiple_of(unit) || tenths >= 1000 {
                format!("{} {name}", bytes / unit)
            } else {
                format!("{}.{} {name}", tenths / 10, tenths % 10)
            };
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(status: ContainerStatus, health: ContainerHealth) -> ContainerFacts {
        ContainerFacts {
            status,
            health,
            ..ContainerFacts::default()
        }
    }

    #[test]
    fn conditions_are_read_from_state_and_health() {
        use ContainerCondition::{Exists, Failing, NotRunning, Running};
        use ContainerHealth as H;
        use ContainerStatus as S;
        let holds = |status, health, condition| {
            is_in(&facts(status, health), "web", condition) == Reading::Holds
        };
        for (status, health, not_running, failing, running) in [
            (S::Running, H::None, false, false, true),
            (S::Running, H::Healthy, false, false, true),
            (S::Running, H::Starting, false, false, true),
            (S::Running, H::Unhealthy, false, true, true),
            (S::Exited, H::None, true, true, false),
            (S::Exited, H::Unhealthy, true, true, false),
            (S::Dead, H::None, true, true, false),
            (S::Created, H::None, true, true, false),
            (S::Restarting, H::None, false, true, false),
            (S::Paused, H::None, false, false, false),
            (S::Removing, H::None, false, false, false),
            (S::Unknown, H::None, false, false, false),
        ] {
            assert_eq!(holds(status, health, NotRunning), not_running, "{status:?}");
            assert_eq!(
                holds(status, health, Failing),
                failing,
                "{status:?} {health:?}"
            );
            assert_eq!(holds(status, health, Running), running, "{status:?}");
            assert!(holds(status, health, Exists));
        }
    }

    #[test]
    fn only_a_passed_check_is_well() {
        use ContainerHealth as H;
        assert_eq!(
            is_well(&facts(ContainerStatus::Running, H::None), "web"),
            Reading::Holds
        );
        for health in [H::Starting, H::Unhealthy] {
            let reading = is_well(&facts(ContainerStatus::Running, health), "web");
            assert!(matches!(reading, Reading::Broken(why) if why.starts_with("web: ")));
        }
    }

    #[test]
    fn sizes_have_their_unit() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(512 << 20), "512 MiB");
        assert_eq!(size((1 << 30) + (1 << 29)), "1.5 GiB");
        assert_eq!(size(1536), "1.5 KiB");
    }
}
