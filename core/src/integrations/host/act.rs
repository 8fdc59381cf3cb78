//! Changes the host: shrinks the systemd journal, restarts a unit or the Docker daemon, runs a script of the operator's (to renew a
//! certificate, too), blocks an address.
//!
//! What flows through: permits in, what was done in words out. What it never does: run anything that is not one of these, take a
//! script or argument from outside the configuration, or use a shell.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use steward_api::{Action, ActionName, Precondition, ResourceId, ResourceKind, Verification};

use super::{
    block::{self, Blocks},
    program::{self, Ended, ProgramError},
    systemd::{Systemd, brief, check_name, find},
};
use crate::{
    config::{Config, Script},
    ports::{ActError, Actuator, ChainReader, Permit, Reading},
    redact::{redact, redact_lines},
};

/// How much of a script's output is kept in the record.
const SHOWN: usize = 8 * 1024;
/// How much of it is read for that: a secret that begins outside of what is shown must still be seen whole to be recognised.
const KEEP: usize = 64 * 1024;
/// How long a question about the journal's size may take.
const PREVIEW_LIMIT: Duration = Duration::from_secs(10);
/// How long removing old journal files may take.
const VACUUM_LIMIT: Duration = Duration::from_secs(120);
/// How long a unit may take; systemd itself gives a start 90 s and a stop 90 s by default.
const RESTART_LIMIT: Duration = Duration::from_secs(200);
/// Beyond a program's own limit, for its killing.
const MARGIN: Duration = Duration::from_secs(5);

/// Carries out actions on the host.
pub struct HostActuator {
    pub(super) node: String,
    scripts: BTreeMap<String, Script>,
    pub(super) systemd: Systemd,
    pub(super) journalctl: PathBuf,
    pub(super) service: PathBuf,
    /// The start script by which `service` knows Docker.
    pub(super) docker_init_script: PathBuf,
    pub(super) blocks: Blocks,
    /// Reads certificates anew; absent where nothing does.
    pub(super) chains: Option<Arc<dyn ChainReader>>,
}

impl HostActuator {
    /// An actuator for the host that this runs on, with the scripts that the configuration allows.
    pub fn new(config: &Config, chains: Option<Arc<dyn ChainReader>>) -> Self {
        Self {
            node: config.node.name.clone(),
            scripts: config.scripts.clone(),
            systemd: Systemd::default(),
            journalctl: find("journalctl"),
            service: find("service"),
            docker_init_script: PathBuf::from("/etc/init.d/docker"),
            blocks: Blocks::new(config),
            chains,
        }
    }

    /// Refuses what is not on this host or not of the kind that the action is for.
    pub(super) fn check_target(
        &self,
        target: &ResourceId,
        kind: ResourceKind,
    ) -> Result<(), ActError> {
        if target.node != self.node {
            return Err(ActError::Failed(format!(
                "{target} is not on {}, the only host that can be changed from here",
                self.node
            )));
        }
        if target.kind != kind {
            return Err(ActError::Failed(format!("{target} is no {kind}")));
        }
        Ok(())
    }

    fn unit_name<'a>(&self, unit: &'a ResourceId) -> Result<&'a str, ActError> {
        self.check_target(unit, ResourceKind::Unit)?;
        check_name(&unit.name).map_err(ActError::Failed)?;
        if self.systemd.is_running() {
            Ok(&unit.name)
        } else {
            Err(ActError::Unsupported(
                ActionName::RestartUnit,
                "systemd is not the init system of this host".to_owned(),
            ))
        }
    }

    async fn unit_state(&self, unit: &ResourceId) -> Result<super::systemd::UnitState, ActError> {
        let name = self.unit_name(unit)?;
        self.systemd
            .show(name)
            .await
            .map_err(|reason| ActError::Unreachable {
                what: "systemd".to_owned(),
                reason,
            })
    }

    /// Runs a system program that must end with code 0.
    async fn must(
        &self,
        program: &Path,
        arguments: &[&str],
        limit: Duration,
    ) -> Result<Ended, ActError> {
        let ended = program::run(program, arguments, true, limit, KEEP)
            .await
            .map_err(failed)?;
        if ended.code == Some(0) {
            return Ok(ended);
        }
        Err(ActError::Failed(format!(
            "`{} {}` {}: {}",
            program.display(),
            arguments.join(" "),
            ended.how(),
            redact(&brief(&program::join(&ended.stdout, &ended.stderr)))
        )))
    }

    async fn vacuum(&self, keep_bytes: u64) -> Result<String, ActError> {
        let size = format!("--vacuum-size={}", journal_size(keep_bytes));
        let ended = self
            .must(&self.journalctl, &["--no-pager", &size], VACUUM_LIMIT)
            .await?;
        let text = program::join(&ended.stdout, &ended.stderr);
        // "Vacuuming done, freed 1.2G of archived journals from /var/log/journal/…."
        let freed: Vec<_> = text
            .lines()
            .filter_map(|line| line.split_once("freed "))
            .map(|(_, freed)| format!("freed {}", freed.trim_end_matches('.')))
            .collect();
        Ok(if freed.is_empty() {
            format!("the journal was vacuumed; {}", redact(&brief(&text)))
        } else {
            freed.join("; ")
        })
    }

    /// The program and arguments that restart the Docker daemon here.
    fn docker_restart(&self) -> Result<(&Path, Vec<&'static str>), ActError> {
        if self.systemd.is_running() {
            Ok((
                &self.systemd.systemctl,
                vec!["restart", "--no-ask-password", "--", "docker.service"],
            ))
        } else if self.service.is_absolute()
            && self.service.exists()
            && self.docker_init_script.exists()
        {
            Ok((&self.service, vec!["docker", "restart"]))
        } else {
            Err(ActError::Unsupported(
                ActionName::RestartDockerDaemon,
                "this host has neither systemd nor a start script for Docker; start the daemon the way it was started before".to_owned(),
            ))
        }
    }

    /// The allowed script of this name.
    fn script(&self, name: &str) -> Result<&Script, ActError> {
        let script = self.scripts.get(name).ok_or_else(|| {
            let known: Vec<_> = self.scripts.keys().map(String::as_str).collect();
            ActError::Unsupported(
                ActionName::RunScript,
                format!(
                    "the configuration allows no script `{}`; it allows {}",
                    name.escape_debug(),
                    if known.is_empty() {
                        "none".to_owned()
                    } else {
                        known.join(", ")
                    }
                ),
            )
        })?;
        match script.command.first() {
            Some(program) if Path::new(program).is_absolute() => Ok(script),
            _ => Err(ActError::Failed(format!(
                "scripts.{name}.command must begin with the absolute path of a program"
            ))),
        }
    }

    async fn run_script(&self, name: &str) -> Result<String, ActError> {
        let script = self.script(name)?;
        let command: Vec<&str> = script.command.iter().map(String::as_str).collect();
        let Some((program, arguments)) = command.split_first() else {
            return Err(ActError::Failed(format!("scripts.{name}.command is empty")));
        };
        let ended = program::run(Path::new(program), arguments, false, limit(script), KEEP)
            .await
            .map_err(failed)?;
        let output = shown(&program::join(&ended.stdout, &ended.stderr));
        let output = if output.is_empty() {
            "it printed nothing".to_owned()
        } else {
            format!("it printed: {output}")
        };
        let told = format!(
            "the script {name} {} after {:.1} s; {output}",
            ended.how(),
            ended.took.as_secs_f64()
        );
        if ended.code == Some(0) {
            Ok(told)
        } else {
            Err(ActError::Failed(told))
        }
    }
}

#[async_trait]
impl Actuator for HostActuator {
    fn handles(&self, action: ActionName) -> bool {
        matches!(
            action,
            ActionName::VacuumSystemdJournal
                | ActionName::RestartUnit
                | ActionName::RestartDockerDaemon
                | ActionName::RunScript
                | ActionName::RenewCertificate
                | ActionName::BlockAddress
                | ActionName::UnblockAddress
        )
    }

    fn timeout(&self, action: &Action) -> Duration {
        MARGIN
            + match action {
                Action::VacuumSystemdJournal { .. } => VACUUM_LIMIT,
                Action::RunScript { script, .. } | Action::RenewCertificate { script, .. } => {
                    self.scripts.get(script).map_or(Duration::ZERO, limit)
                }
                // It is looked by what it is done, then it is done.
                Action::BlockAddress { .. } | Action::UnblockAddress { .. } => block::LIMIT * 4,
                _ => RESTART_LIMIT,
            }
    }

    async fn check(&self, precondition: &Precondition) -> Result<Reading, ActError> {
        match precondition {
            Precondition::Nothing => Ok(Reading::Holds),
            Precondition::UnitFailed { unit } => {
                let state = self.unit_state(unit).await?;
                Ok(if state.is_failed() {
                    Reading::Holds
                } else if state.is_missing() {
                    Reading::Hopeless(format!("systemd knows no {} any more", unit.name))
                } else {
                    Reading::Broken(format!("{} is {}, not failed", unit.name, state.words()))
                })
            }
            Precondition::EngineAnswers { .. } | Precondition::EngineSilent { .. } => {
                Err(elsewhere(ActionName::RestartDockerDaemon))
            }
            Precondition::Container { .. } => Err(elsewhere(ActionName::RestartContainer)),
            Precondition::Limits { .. } => Err(elsewhere(ActionName::SetLimits)),
            Precondition::PreviousKept { .. } => Err(elsewhere(ActionName::RemovePrevious)),
            Precondition::CertificateIs {
                certificate,
                fingerprint,
            } => self.is_certificate(certificate, fingerprint).await,
            Precondition::AddressFree { host, address } => {
                self.check_target(host, ResourceKind::Host)?;
                self.blocks.can(*address).await
            }
        }
    }

    async fn apply(&self, permit: &Permit) -> Result<String, ActError> {
        match permit.action() {
            Action::VacuumSystemdJournal { host, keep_bytes } => {
                self.check_target(host, ResourceKind::Host)?;
                self.vacuum(*keep_bytes).await
            }
            Action::RestartUnit { unit } => {
                let name = self.unit_name(unit)?;
                let arguments = ["restart", "--no-ask-password", "--", name];
                self.must(&self.systemd.systemctl, &arguments, RESTART_LIMIT)
                    .await?;
                Ok(format!("systemd restarted {name}"))
            }
            Action::RestartDockerDaemon { engine } => {
                self.check_target(engine, ResourceKind::Engine)?;
                let (program, arguments) = self.docker_restart()?;
                self.must(program, &arguments, RESTART_LIMIT).await?;
                Ok(format!(
                    "`{} {}` ended without error",
                    program.display(),
                    arguments.join(" ")
                ))
            }
            Action::RunScript { host, script, .. } => {
                self.check_target(host, ResourceKind::Host)?;
                self.run_script(script).await
            }
            Action::RenewCertificate {
                certificate,
                script,
                ..
            } => {
                self.check_target(certificate, ResourceKind::Certificate)?;
                self.run_script(script).await
            }
            Action::BlockAddress {
                host,
                address,
                minutes,
            } => {
                self.check_target(host, ResourceKind::Host)?;
                self.blocks.block(*address, *minutes).await
            }
            Action::UnblockAddress { host, address } => {
                self.check_target(host, ResourceKind::Host)?;
                self.blocks.unblock(*address).await
            }
            other => Err(elsewhere(other.name())),
        }
    }

    async fn verify(&self, verification: &Verification) -> Result<Reading, ActError> {
        match verification {
            Verification::ByReport => Ok(Reading::Holds),
            Verification::UnitActive { unit, .. } => {
                let state = self.unit_state(unit).await?;
                Ok(if state.is_well() {
                    Reading::Holds
                } else if state.is_missing() {
                    Reading::Hopeless(format!("systemd knows no {} any more", unit.name))
                } else {
                    Reading::Broken(format!("{} is {}", unit.name, state.words()))
                })
            }
            Verification::EngineAnswers { .. } => Err(elsewhere(ActionName::RestartDockerDaemon)),
            Verification::ContainersHealthy { .. } => Err(elsewhere(ActionName::RestartContainer)),
            Verification::ContainerStopped { .. } => Err(elsewhere(ActionName::StopContainer)),
            Verification::LimitsAre { .. } => Err(elsewhere(ActionName::SetLimits)),
            Verification::CertificateRenewed {
                certificate,
                ended_at,
                ..
            } => self.is_renewed(certificate, *ended_at).await,
            Verification::AddressBlocked { host, address } => {
                self.check_target(host, ResourceKind::Host)?;
                Ok(if self.blocks.is_blocked(*address).await? {
                    Reading::Holds
                } else {
                    Reading::Broken(format!("{address} is not blocked"))
                })
            }
        }
    }

    async fn was_applied(
        &self,
        action: &Action,
        since: Timestamp,
    ) -> Result<Option<bool>, ActError> {
        match action {
            Action::BlockAddress { address, .. } => {
                return self.blocks.is_blocked(*address).await.map(Some);
            }
            Action::UnblockAddress { address, .. } => {
                return self.blocks.is_blocked(*address).await.map(|is| Some(!is));
            }
            _ => {}
        }
        let Action::RestartUnit { unit } = action else {
            // A script, a vacuumed journal and a daemon leave no trace that could be told from another's.
            return Ok(None);
        };
        let state = self.unit_state(unit).await?;
        // systemd tells whole seconds here. The unit was failed at `since`, so a start within that second came after it.
        Ok(state
            .last_change()
            .map(|change| change.as_second() >= since.as_second()))
    }

    async fn preview(&self, action: &Action) -> Result<Vec<String>, ActError> {
        let mut lines = vec![action.to_string()];
        match action {
            Action::VacuumSystemdJournal { .. } => {
                let ended = self
                    .must(
                        &self.journalctl,
                        &["--no-pager", "--disk-usage"],
                        PREVIEW_LIMIT,
                    )
                    .await?;
                lines.push(redact(&brief(&ended.stdout)));
            }
            Action::RestartUnit { unit } => {
                let state = self.unit_state(unit).await?;
                lines.push(format!("{} is {} now", unit.name, state.words()));
            }
            Action::RestartDockerDaemon { .. } => {
                let (program, arguments) = self.docker_restart()?;
                lines.push(format!(
                    "Run `{} {}`",
                    program.display(),
                    arguments.join(" ")
                ));
            }
            Action::BlockAddress { address, .. } => {
                lines.push(match self.blocks.can(*address).await? {
                    Reading::Holds if self.blocks.is_blocked(*address).await? => {
                        format!("{address} is blocked already; its time begins anew")
                    }
                    Reading::Holds => format!(
                        "What {address} sends to this host and to its containers is dropped; whoever is behind it is shut out, a friend too"
                    ),
                    Reading::Broken(why) | Reading::Hopeless(why) => why,
                });
            }
            Action::RunScript { script, .. } | Action::RenewCertificate { script, .. } => {
                let name = script;
                let script = self.script(name)?;
                lines.push(format!(
                    "Run `{}`, for {} s at most",
                    redact(&script.command.join(" ")),
                    limit(script).as_secs()
                ));
            }
            _ => {}
        }
        Ok(lines)
    }
}

fn limit(script: &Script) -> Duration {
    script.timeout.unsigned_abs()
}

fn elsewhere(action: ActionName) -> ActError {
    ActError::Unsupported(action, "the host's part is not asked for this".to_owned())
}

/// The error of a program, with what it had printed where it ran too long.
fn failed(error: ProgramError) -> ActError {
    let told = error.to_string();
    match error {
        ProgramError::TimedOut { output, .. } if !output.trim().is_empty() => {
            ActError::Failed(format!("{told}; it had printed: {}", shown(&output)))
        }
        _ => ActError::Failed(told),
    }
}

/// A size as journalctl takes it: whole MiB, rounded up so that never more is removed than was said.
fn journal_size(bytes: u64) -> String {
    format!("{}M", bytes.div_ceil(1024 * 1024).max(1))
}

/// Output for the record: cleared of secrets first, then cut to its end, since that is where a program says what went wrong.
fn shown(output: &str) -> String {
    let clean = redact_lines(output.trim().lines()).join("\n");
    if clean.len() <= SHOWN {
        return clean;
    }
    let from = clean.ceil_char_boundary(clean.len() - SHOWN);
    let end = &clean[from..];
    // Half a line is left out, unless it is all there is.
    let end = end.split_once('\n').map_or(end, |(_, whole)| whole);
    format!("[…] {end}")
}
