//! The planner: an incident and a step of its strategy become a plan, exact to the container's id. Pure.
//!
//! A plan leaves nothing to choose to its execution: what, to whom, under which precondition, how success is told, how it is undone.

use std::{collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;
use steward_api::{
    Action, ActionName, ContainerCondition, ContainerRef, ContainerStatus, Facts, Incident, Limits,
    Plan, PlanError, Precondition, Problem, Resource, ResourceId, ResourceKind, Step, Undo,
    Verification,
};

use crate::{
    config::{Config, StrategyStep},
    flow::graph::Graph,
};

mod security;

/// A limit is raised by half, and the result rounded up to this many bytes.
const MEMORY_STEP: u64 = 64 * 1024 * 1024;

/// Why there is no plan for a step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanProblem {
    /// The incident is about something that the action can't be done to.
    #[error("there is no {0} that it could be done to")]
    NoTarget(&'static str),
    /// Pruning would reach beyond the containers that are looked after.
    #[error("only labelled containers are looked after, and pruning would reach beyond them")]
    BeyondLabel,
    /// It went on after a part of it was killed.
    #[error("it runs on, so a restart would only interrupt it")]
    Works,
    /// There is no limit to raise.
    #[error("it has no {0} limit that could be raised")]
    NoLimit(&'static str),
    /// The limit can't be raised further.
    #[error("its memory limit is as high as this host allows")]
    NoRoom,
    /// The thing is there, but not such that it could be done, and why.
    #[error("{0}")]
    Unfit(String),
    /// The script is not in the allow-list.
    #[error("the script {0} is not in the configuration")]
    NoScript(String),
    /// The plan is no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Makes plans from the world as it is known.
pub struct Planner<'a> {
    /// Every resource.
    pub resources: &'a BTreeMap<ResourceId, Arc<Resource>>,
    /// What depends on what.
    pub graph: &'a Graph,
    /// Grace, stabilisation and the like.
    pub config: &'a Config,
}

/// The plan of a heal that a person asked for: what it needs first, then the container itself.
///
/// # Errors
/// Where the container is not known.
pub fn heal_plan(planner: &Planner<'_>, container: &ResourceId) -> Result<Plan, PlanProblem> {
    let resource = planner
        .resources
        .get(container)
        .ok_or(PlanProblem::NoTarget("container"))?;
    let mut steps = planner.dependencies_first(container);
    steps.push(planner.restart(resource, ContainerCondition::Exists)?);
    Ok(Plan::new(steps)?)
}

/// Whether a container runs a database server, by its image's name.
pub(super) fn is_database(resource: &Resource) -> bool {
    resource.container().is_some_and(|facts| {
        let image = facts.image.to_lowercase();
        ["postgres", "mysql", "mariadb", "pgvector", "timescale"]
            .iter()
            .any(|word| image.contains(word))
    })
}

impl Planner<'_> {
    /// The plan of one step of a strategy for an incident.
    ///
    /// # Errors
    /// Where it can't be done to what the incident is about.
    pub fn plan(&self, incident: &Incident, step: &StrategyStep) -> Result<Plan, PlanProblem> {
        let steps = match step.action {
            ActionName::RestartContainer => {
                let container = self.container_of(incident)?;
                if incident.problem == Problem::OomKilled && is_running(container) {
                    return Err(PlanProblem::Works);
                }
                let condition = match incident.problem {
                    Problem::ContainerStopped
                    | Problem::ContainerUnhealthy
                    | Problem::RestartLoop => ContainerCondition::Failing,
                    Problem::OomKilled => ContainerCondition::NotRunning,
                    // What fails is seen from outside; the container itself runs.
                    _ => ContainerCondition::Exists,
                };
                let mut steps = self.dependencies_first(&container.id);
                steps.push(self.restart(container, condition)?);
                steps
            }
            ActionName::StartContainer => vec![self.start(self.container_of(incident)?)?],
            ActionName::StopContainer => vec![self.stop(self.container_of(incident)?)?],
            ActionName::ClearTmp => vec![self.clear_tmp(self.container_of(incident)?)?],
            ActionName::ResetConnections => {
                let own = self.container_of(incident)?;
                vec![self.reset(self.database_of(incident)?, &own.id)?]
            }
            ActionName::SetLimits => {
                let container = self.container_of(incident)?;
                let mut steps = vec![self.raise_limits(container, incident.problem)?];
                if !is_running(container) {
                    steps.push(self.restart(container, ContainerCondition::NotRunning)?);
                }
                steps
            }
            ActionName::PruneDanglingImages
            | ActionName::PruneBuildCache
            | ActionName::PruneStoppedContainers
            | ActionName::PruneUnusedImages
            | ActionName::PruneUnusedVolumes => vec![self.prune(step.action)?],
            ActionName::VacuumSystemdJournal => vec![self.vacuum()],
            ActionName::RestartUnit => vec![self.restart_unit(incident)?],
            ActionName::RestartDockerDaemon => vec![self.restart_daemon(incident)?],
            ActionName::RunScript => vec![self.script(incident, step)?],
            ActionName::UpdateImage
            | ActionName::BindPort
            | ActionName::ClosePort
            | ActionName::RestorePrevious
            | ActionName::RemovePrevious
            | ActionName::RenewCertificate
            | ActionName::BlockAddress
            | ActionName::UnblockAddress => self.safer(incident, step)?,
        };
        Ok(Plan::new(steps)?)
    }

    /// The container that an incident is about: itself, or the one behind an endpoint or a database.
    fn container_of(&self, incident: &Incident) -> Result<&Arc<Resource>, PlanProblem> {
        let missing = PlanProblem::NoTarget("container");
        let id = match incident.resource.kind {
            ResourceKind::Container => Some(&incident.resource),
            _ => match &self
                .resources
                .get(&incident.resource)
                .ok_or(missing.clone())?
                .facts
            {
                Facts::Service(facts) => facts.container.as_ref(),
                Facts::Database(facts) => facts.container.as_ref(),
                _ => None,
            },
        };
        id.and_then(|id| self.resources.get(id)).ok_or(missing)
    }

    /// The database container whose connections are to be reset: the one that the incident is about, or one that it needs.
    fn database_of(&self, incident: &Incident) -> Result<&Arc<Resource>, PlanProblem> {
        let own = self.container_of(incident)?;
        if is_database(own) {
            return Ok(own);
        }
        Ok(self
            .graph
            .upstream(&own.id)
            .iter()
            .filter_map(|id| self.resources.get(id))
            .find(|resource| is_database(resource))
            .unwrap_or(own))
    }

    /// Restarts of containers further up that do not run, furthest first. Dependency-first.
    fn dependencies_first(&self, container: &ResourceId) -> Vec<Step> {
        self.graph
            .upstream(container)
            .iter()
            .rev()
            .filter_map(|id| self.resources.get(id))
            .filter(|resource| resource.id.kind == ResourceKind::Container)
            .filter(|resource| {
                matches!(
                    resource.health,
                    steward_api::Health::Unhealthy | steward_api::Health::Restarting
                )
            })
            .filter_map(|resource| self.restart(resource, ContainerCondition::Failing).ok())
            .collect()
    }

    fn reference(resource: &Resource) -> Result<ContainerRef, PlanProblem> {
        let facts = resource
            .container()
            .ok_or(PlanProblem::NoTarget("container"))?;
        ContainerRef::new(resource.id.clone(), facts.container_id.clone())
            .ok_or(PlanProblem::NoTarget("container"))
    }

    fn precondition(container: &ContainerRef, condition: ContainerCondition) -> Precondition {
        Precondition::Container {
            resource: container.resource.clone(),
            container_id: container.container_id.clone(),
            condition,
        }
    }

    fn healthy(&self, containers: Vec<ResourceId>) -> Verification {
        let docker = &self.config.docker;
        Verification::ContainersHealthy {
            containers,
            stable_seconds: seconds(docker.stabilisation),
            within_seconds: seconds(docker.recovery),
        }
    }

    fn restart(
        &self,
        resource: &Resource,
        condition: ContainerCondition,
    ) -> Result<Step, PlanProblem> {
        let container = Self::reference(resource)?;
        Ok(Step {
            precondition: Self::precondition(&container, condition),
            verification: self.healthy(vec![resource.id.clone()]),
            undo: Undo::Impossible {
                reason: "a restart can't be taken back; stop it to have it as it was".to_owned(),
            },
            action: Action::RestartContainer {
                container,
                grace_seconds: seconds(self.config.docker.grace),
            },
        })
    }

    fn start(&self, resource: &Resource) -> Result<Step, PlanProblem> {
        let container = Self::reference(resource)?;
        Ok(Step {
            precondition: Self::precondition(&container, ContainerCondition::NotRunning),
            verification: self.healthy(vec![resource.id.clone()]),
            undo: Undo::Impossible {
                reason: "it did not run before; stop it to have it as it was".to_owned(),
            },
            action: Action::StartContainer { container },
        })
    }

    fn stop(&self, resource: &Resource) -> Result<Step, PlanProblem> {
        let container = Self::reference(resource)?;
        Ok(Step {
            precondition: Self::precondition(&container, ContainerCondition::Exists),
            verification: Verification::ContainerStopped {
                container: resource.id.clone(),
            },
            undo: Undo::Action {
                action: Box::new(Action::StartContainer {
                    container: container.clone(),
                }),
            },
            action: Action::StopContainer {
                container,
                grace_seconds: seconds(self.config.docker.grace),
            },
        })
    }

    fn clear_tmp(&self, resource: &Resource) -> Result<Step, PlanProblem> {
        let container = Self::reference(resource)?;
        let untouched = self.config.docker.tmp_untouched;
        Ok(Step {
            precondition: Self::precondition(&container, ContainerCondition::Running),
            verification: Verification::ByReport,
            undo: Undo::Impossible {
                reason: "removed files are gone; only old temporary ones are removed".to_owned(),
            },
            action: Action::ClearTmp {
                container,
                untouched_seconds: u64::try_from(untouched.as_secs()).unwrap_or(3600),
            },
        })
    }

    /// `failing` is the container that the incident is about: it is restarted too though it does not run, for it ended over this.
    fn reset(&self, resource: &Resource, failing: &ResourceId) -> Result<Step, PlanProblem> {
        let container = Self::reference(resource)?;
        let dependents: Vec<ContainerRef> = self
            .graph
            .downstream(&resource.id)
            .iter()
            .filter_map(|id| self.resources.get(id))
            .filter(|dependent| is_running(dependent) || dependent.id == *failing)
            .filter(|dependent| dependent.id != resource.id)
            .filter_map(|dependent| Self::reference(dependent).ok())
            .collect();
        let mut all = vec![resource.id.clone()];
        all.extend(
            dependents
                .iter()
                .map(|dependent| dependent.resource.clone()),
        );
        Ok(Step {
            precondition: Self::precondition(&container, ContainerCondition::Exists),
            verification: self.healthy(all),
            undo: Undo::Impossible {
                reason: "restarts can't be taken back; connections are made anew by their clients"
                    .to_owned(),
            },
            action: Action::ResetConnections {
                container,
                dependents,
                grace_seconds: seconds(self.config.docker.grace),
            },
        })
    }

    fn raise_limits(&self, resource: &Resource, problem: Problem) -> Result<Step, PlanProblem> {
        let container = Self::reference(resource)?;
        let facts = resource
            .container()
            .ok_or(PlanProblem::NoTarget("container"))?;
        let from = limits_of(facts.memory_limit_bytes, facts.cpu_limit_cores);
        let mut to = from;
        if problem == Problem::CpuPressure {
            let now = from.cpu_millicores.ok_or(PlanProblem::NoLimit("CPU"))?;
            to.cpu_millicores = Some(now + now.div_ceil(2).max(100));
        } else {
            let now = from.memory_bytes.ok_or(PlanProblem::NoLimit("memory"))?;
            let raised = (now + now / 2).div_ceil(MEMORY_STEP) * MEMORY_STEP;
            let room = self.host_memory().map_or(u64::MAX, |total| total / 10 * 9);
            if raised > room {
                return Err(PlanProblem::NoRoom);
            }
            to.memory_bytes = Some(raised);
        }
        Ok(Step {
            precondition: Precondition::Limits {
                resource: resource.id.clone(),
                container_id: container.container_id.clone(),
                limits: from,
            },
            verification: Verification::LimitsAre {
                container: resource.id.clone(),
                limits: to,
                // A container that does not run can't stay up; its restart is a step of its own.
                stable_seconds: if is_running(resource) {
                    seconds(self.config.docker.stabilisation)
                } else {
                    0
                },
            },
            undo: Undo::Action {
                action: Box::new(Action::SetLimits {
                    container: container.clone(),
                    from: to,
                    to: from,
                }),
            },
            action: Action::SetLimits {
                container,
                from,
                to,
            },
        })
    }

    fn host_memory(&self) -> Option<u64> {
        self.resources
            .values()
            .find_map(|resource| match &resource.facts {
                Facts::Host(facts) if facts.memory_total_bytes > 0 => {
                    Some(facts.memory_total_bytes)
                }
                _ => None,
            })
    }

    fn engine(&self) -> Result<ResourceId, PlanProblem> {
        self.resources
            .keys()
            .find(|id| id.kind == ResourceKind::Engine && id.node == self.config.node.name)
            .cloned()
            .ok_or(PlanProblem::NoTarget("container engine"))
    }

    fn prune(&self, action: ActionName) -> Result<Step, PlanProblem> {
        if self.config.docker.only_label.is_some() {
            return Err(PlanProblem::BeyondLabel);
        }
        let engine = self.engine()?;
        let precondition = Precondition::EngineAnswers {
            engine: engine.clone(),
        };
        let (action, gone) = match action {
            ActionName::PruneBuildCache => (
                Action::PruneBuildCache { engine },
                "removed build cache is made again by the next build",
            ),
            ActionName::PruneStoppedContainers => (
                Action::PruneStoppedContainers {
                    engine,
                    older_than_days: self.config.docker.prune_after_days,
                },
                "removed containers are gone, with what they wrote outside of volumes",
            ),
            ActionName::PruneUnusedImages => (
                Action::PruneUnusedImages { engine },
                "removed images must be pulled or built again",
            ),
            ActionName::PruneUnusedVolumes => (
                Action::PruneUnusedVolumes { engine },
                "removed volumes are gone with their data",
            ),
            _ => (
                Action::PruneDanglingImages { engine },
                "removed images had no name and no container",
            ),
        };
        Ok(Step {
            action,
            precondition,
            verification: Verification::ByReport,
            undo: Undo::Impossible {
                reason: gone.to_owned(),
            },
        })
    }

    fn vacuum(&self) -> Step {
        Step {
            action: Action::VacuumSystemdJournal {
                host: self.config.host_id(),
                keep_bytes: self.config.host.journal_keep_mib * 1024 * 1024,
            },
            precondition: Precondition::Nothing,
            verification: Verification::ByReport,
            undo: Undo::Impossible {
                reason: "removed log entries are gone; the newest are kept".to_owned(),
            },
        }
    }

    fn restart_unit(&self, incident: &Incident) -> Result<Step, PlanProblem> {
        if incident.resource.kind != ResourceKind::Unit {
            return Err(PlanProblem::NoTarget("systemd unit"));
        }
        let unit = incident.resource.clone();
        Ok(Step {
            action: Action::RestartUnit { unit: unit.clone() },
            precondition: Precondition::UnitFailed { unit: unit.clone() },
            verification: Verification::UnitActive {
                unit,
                stable_seconds: seconds(self.config.docker.stabilisation),
            },
            undo: Undo::Impossible {
                reason: "it had failed before; stop it to have it as it was".to_owned(),
            },
        })
    }

    fn restart_daemon(&self, incident: &Incident) -> Result<Step, PlanProblem> {
        if incident.resource.kind != ResourceKind::Engine {
            return Err(PlanProblem::NoTarget("container engine"));
        }
        let engine = incident.resource.clone();
        Ok(Step {
            action: Action::RestartDockerDaemon {
                engine: engine.clone(),
            },
            precondition: Precondition::EngineSilent {
                engine: engine.clone(),
            },
            verification: Verification::EngineAnswers {
                engine,
                within_seconds: 60,
            },
            undo: Undo::Impossible {
                reason: "a restart can't be taken back".to_owned(),
            },
        })
    }

    fn script(&self, incident: &Incident, step: &StrategyStep) -> Result<Step, PlanProblem> {
        let name = step.script.clone().unwrap_or_default();
        let script = self
            .config
            .scripts
            .get(&name)
            .ok_or_else(|| PlanProblem::NoScript(name.clone()))?;
        let verification = match self.container_of(incident) {
            Ok(container) => self.healthy(vec![container.id.clone()]),
            Err(_) => Verification::ByReport,
        };
        Ok(Step {
            action: Action::RunScript {
                host: self.config.host_id(),
                script: name,
                risk: script.risk,
            },
            precondition: Precondition::Nothing,
            verification,
            undo: Undo::Impossible {
                reason: "Steward does not know what the script changes".to_owned(),
            },
        })
    }
}

/// Limits in the units of plans.
pub(crate) fn limits_of(memory_bytes: Option<u64>, cpu_cores: Option<f64>) -> Limits {
    // Cores come from the engine's whole numbers of billionths; thousandths are exact enough and compare well.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "cores are small and positive"
    )]
    let millicores = cpu_cores.map(|cores| (cores.max(0.0) * 1000.0).round() as u64);
    Limits {
        memory_bytes,
        cpu_millicores: millicores,
    }
}

fn is_running(resource: &Resource) -> bool {
    resource
        .container()
        .is_some_and(|facts| facts.status == ContainerStatus::Running)
}

fn seconds(duration: SignedDuration) -> u32 {
    u32::try_from(duration.as_secs().max(0)).unwrap_or(u32::MAX)
}
