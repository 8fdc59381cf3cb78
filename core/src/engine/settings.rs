//! The keeper of the configuration: shows its settings, checks changes of them, writes those into the file and puts them in force.
//!
//! What flows through: the file as it changed on disk and edits that people send, one at a time, since all of them go by the same lock;
//! the new configuration to the loop. What it never does: put in force what is not on disk, write what would not load, or journal a
//! value.

use std::sync::Arc;

use steward_api::{
    ConfigCheckReply, ConfigEdit, ConfigFile, ConfigWritten, ErrorCode, ProblemDetails, Role,
    SettingGroup,
};
use tokio::sync::{Mutex, mpsc};

use super::{
    ConfigChange,
    handle::{Caller, Handle},
    requests::{need, store_unavailable},
};
use crate::config::{self, Config, Inputs, OnDisk, Revision, WriteError};

/// Holds what the configuration was loaded from, and the one in force.
pub struct Settings {
    /// Absent where the agent was given a finished configuration, as in the demo: then nothing is read anew and nothing written.
    inputs: Option<Inputs>,
    in_force: Mutex<Arc<Config>>,
}

impl Settings {
    /// Of a configuration that has just been loaded from these inputs.
    pub fn new(config: Config, inputs: Option<Inputs>) -> Self {
        Self {
            inputs,
            in_force: Mutex::new(Arc::new(config)),
        }
    }

    /// The settings in force, and the file that holds them.
    pub async fn shown(&self) -> (ConfigFile, Arc<[SettingGroup]>) {
        let groups = Arc::clone(&self.in_force.lock().await.settings);
        let file = match self.read().await {
            Ok(disk) => {
                let refused = off_the_loop(move || (disk.is_writable(), disk)).await;
                match refused {
                    Ok((writable, disk)) => ConfigFile {
                        path: Some(disk.path().display().to_string()),
                        hash: disk.hash().to_owned(),
                        writable: writable.is_ok(),
                        reason: writable.err().map(|error| error.to_string()),
                    },
                    Err(problem) => no_file(problem.detail),
                }
            }
            Err(problem) => no_file(problem.detail),
        };
        (file, groups)
    }

    /// What these edits would do to the file. Writes nothing.
    ///
    /// # Errors
    /// `config_read_only` where there is no file to be changed. What is wrong with the edits is no error but the answer.
    pub async fn check(&self, edits: Vec<ConfigEdit>) -> Result<ConfigCheckReply, ProblemDetails> {
        let in_force = Arc::clone(&*self.in_force.lock().await);
        let disk = self.read().await?;
        let inputs = self.inputs()?.clone();
        off_the_loop(move || {
            let hash = disk.hash().to_owned();
            match config::revise(&inputs, &in_force, &disk, &edits) {
                Ok(revision) => ConfigCheckReply {
                    valid: true,
                    hash,
                    problems: Vec::new(),
                    changed: revision.changed,
                    lines: revision.lines,
                },
                Err(problems) => ConfigCheckReply {
                    hash,
                    problems,
                    ..ConfigCheckReply::default()
                },
            }
        })
        .await
    }

    /// Writes these edits into the file, where it is still the one that they were made for, and puts them in force.
    ///
    /// # Errors
    /// `forbidden`, `config_changed`, `config_invalid`, `config_read_only`, `store_unavailable`: nothing was written.
    pub async fn write(
        &self,
        handle: &Handle,
        hash: String,
        edits: Vec<ConfigEdit>,
        caller: Caller,
    ) -> Result<ConfigWritten, ProblemDetails> {
        need(&caller, Role::Admin)?;
        // Held to the end: what is written and what is put in force must be the same, in the same order.
        let mut in_force = self.in_force.lock().await;
        if let Some(error) = &handle.view().store_error {
            return Err(store_unavailable(error));
        }
        let inputs = self.inputs()?.clone();
        let disk = self.read().await?;
        if disk.hash() != hash {
            return Err(refused(WriteError::Changed(disk.path().to_path_buf())));
        }
        let before = Arc::clone(&in_force);
        let path = disk.path().display().to_string();
        let (revision, hash) = off_the_loop(move || {
            let revision = config::revise(&inputs, &before, &disk, &edits).map_err(invalid)?;
            let hash = if disk.text() == Some(revision.text.as_str()) {
                disk.hash().to_owned()
            } else {
                disk.write(&inputs, &revision.text).map_err(refused)?
            };
            Ok::<_, ProblemDetails>((revision, hash))
        })
        .await??;
        let Revision {
            config,
            changed,
            lines,
            ..
        } = revision;
        tracing::info!(
            by = caller.identity,
            file = path,
            ?changed,
            "settings were written"
        );
        *in_force = Arc::new(config.clone());
        // From here on it is done; what can still go wrong is that the loop has ended, and then the next start reads the file.
        let is_in_force = handle
            .reconfigure(Box::new(config), caller.identity)
            .await
            .is_ok();
        let message = match (changed.len(), is_in_force) {
            (0, _) => "Nothing in force has changed".to_owned(),
            (1, true) => format!("{} is in force", changed.join("")),
            (many, true) => format!("{many} settings are in force"),
            (_, false) => {
                "Written; the agent is ending, and takes it up at its next start".to_owned()
            }
        };
        Ok(ConfigWritten {
            path,
            hash,
            changed,
            lines,
            in_force: is_in_force,
            message,
        })
    }

    /// Loads the configuration anew, since its file has changed on disk, and hands it to the loop. False when the loop has ended.
    pub async fn reload(&self, changes: &mpsc::Sender<ConfigChange>) -> bool {
        let Some(inputs) = self.inputs.clone() else {
            return true;
        };
        let mut in_force = self.in_force.lock().await;
        let loaded = off_the_loop(move || config::load(&inputs)).await;
        let change = match loaded {
            Ok(Ok(new)) => {
                let fixed = config::needs_restart(&in_force, &new);
                if fixed.is_empty() {
                    *in_force = Arc::new(new.clone());
                    Ok(Box::new(new))
                } else {
                    Err(format!(
                        "{} can't change while the agent runs; start it anew for that. Nothing of the changed file is in force",
                        fixed.join(", ")
                    ))
                }
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(problem) => Err(problem.detail),
        };
        changes.send(change).await.is_ok()
    }

    fn inputs(&self) -> Result<&Inputs, ProblemDetails> {
        self.inputs.as_ref().ok_or_else(|| {
            ProblemDetails::new(
                ErrorCode::ConfigReadOnly,
                "This agent runs inside another command, which gave it its configuration; there is no file to be changed",
            )
        })
    }

    async fn read(&self) -> Result<OnDisk, ProblemDetails> {
        let inputs = self.inputs()?.clone();
        off_the_loop(move || OnDisk::read(&inputs))
            .await?
            .map_err(refused)
    }
}

fn no_file(reason: String) -> ConfigFile {
    ConfigFile {
        path: None,
        hash: steward_api::NO_FILE.to_owned(),
        writable: false,
        reason: Some(reason),
    }
}

/// Does what asks the file system, which may be slow, on a thread that may wait.
async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ProblemDetails> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "the configuration could not be worked on");
        ProblemDetails::new(
            ErrorCode::Internal,
            "Something went wrong inside of Steward; its log says what",
        )
    })
}

fn refused(error: WriteError) -> ProblemDetails {
    match error {
        WriteError::Changed(path) => ProblemDetails::new(
            ErrorCode::ConfigChanged,
            format!(
                "{} was changed meanwhile; nothing was written. Read it again and look at your changes once more",
                path.display()
            ),
        ),
        WriteError::ReadOnly(reason) => ProblemDetails::new(ErrorCode::ConfigReadOnly, reason),
    }
}

fn invalid(problems: Vec<steward_api::ConfigProblem>) -> ProblemDetails {
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    ProblemDetails::new(
        ErrorCode::ConfigInvalid,
        format!("Nothing was written: {}", all.join("; ")),
    )
}
