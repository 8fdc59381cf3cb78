//! Clearing `/tmp` and `/var/tmp` inside a container: regular files that nobody touched for a while. Never a socket, never what a link
//! points to, never another file system, and never a directory that is mounted there from outside.
//!
//! The container's own `find` does it where there is one. An image without one (made from scratch) is cleared through its main
//! process's root as the host sees it, where the engine is on this machine and we may.

use std::time::Duration;

use bollard::{
    container::LogOutput,
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
};
use futures_util::StreamExt as _;
use steward_api::{ActionName, ContainerRef, ContainerStatus};

use crate::ports::ActError;

use super::{
    DockerEngine,
    models::{Inspect, MountModel},
    probe::size,
    translate,
};

/// Many small files on a slow disk.
pub(super) const TIMEOUT: Duration = Duration::from_mins(2);
const ROOTS: [&str; 2] = ["/tmp", "/var/tmp"];
/// Exit codes of an engine that found no such program, or can't execute it.
const NO_PROGRAM: [i64; 2] = [126, 127];
const MOST_ERROR_BYTES: usize = 2048;

/// Whether to remove or only to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Remove,
    Look,
}

/// What was found (or removed).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) files: u64,
    /// Absent where the container's programs can't tell.
    pub(super) bytes: Option<u64>,
}

/// Why the container's own `find` was of no use.
enum NoFind {
    /// There is none, or it lacks what is needed.
    Missing(String),
    Failed(ActError),
}

/// Clears, or looks what would be cleared; in words.
pub(super) async fn clear(
    engine: &DockerEngine,
    container: &ContainerRef,
    found: &Inspect,
    untouched_seconds: u64,
    mode: Mode,
) -> Result<String, ActError> {
    let name = container.name();
    if translate::status(&found.state.status) != ContainerStatus::Running {
        return Err(ActError::Failed(format!(
            "{name} does not run, so its /tmp can't be cleared"
        )));
    }
    let (roots, outside): (Vec<&str>, Vec<&str>) = ROOTS
        .iter()
        .partition(|root| !is_from_outside(root, &found.mounts));
    if roots.is_empty() {
        return Err(ActError::Failed(format!(
            "/tmp and /var/tmp of {name} are mounted from outside, so they are not its own to clear"
        )));
    }
    let cleared = match with_find(engine, container, &roots, untouched_seconds, mode).await {
        Ok(cleared) => cleared,
        Err(NoFind::Failed(error)) => return Err(error),
        Err(NoFind::Missing(why)) => {
            tracing::debug!(container = name, why, "clearing through the process's root");
            from_outside(engine, found, &roots, untouched_seconds, mode)
                .await
                .map_err(|reason| {
                    ActError::Unsupported(
                        ActionName::ClearTmp,
                        format!("{name} has no usable `find` ({why}), and {reason}"),
                    )
                })?
        }
    };
    let mut text = match mode {
        Mode::Remove => "removed ".to_owned(),
        Mode::Look => "would remove ".to_owned(),
    };
    text.push_str(&match cleared.files {
        1 => "1 file".to_owned(),
        files => format!("{files} files"),
    });
    if let Some(bytes) = cleared.bytes {
        text.push_str(&format!(", {}", size(bytes)));
    }
    text.push_str(&format!(" in {} of {name}", roots.join(" and ")));
    if !outside.is_empty() {
        text.push_str(&format!(
            "; {} is mounted from outside and was left alone",
            outside.join(", ")
        ));
    }
    Ok(text)
}

/// Whether a directory, or one above it, is mounted from the host or a volume. A tmpfs is the container's own.
fn is_from_outside(root: &str, mounts: &[MountModel]) -> bool {
    mounts.iter().any(|mount| {
        let at = mount.destination.trim_end_matches('/');
        mount.kind != "tmpfs"
            && (root == at
                || root
                    .strip_prefix(at)
                    .is_some_and(|rest| rest.starts_with('/')))
    })
}

async fn with_find(
    engine: &DockerEngine,
    container: &ContainerRef,
    roots: &[&str],
    untouched_seconds: u64,
    mode: Mode,
) -> Result<Found, NoFind> {
    // `find` counts whole minutes; rather a minute too old than one too young.
    let minutes = format!("+{}", untouched_seconds.div_ceil(60));
    let select = |then: &[&str]| -> Vec<String> {
        std::iter::once("find")
            .chain(roots.iter().copied())
            .chain(["-xdev", "-type", "f", "-mmin", &minutes])
            .chain(then.iter().copied())
            .map(str::to_owned)
            .collect()
    };
    // Sizes first, for the report; they are a courtesy, so their absence is none of a failure.
    let sizes = exec(
        engine,
        container,
        select(&["-exec", "stat", "-c", "%s", "{}", "+"]),
    )
    .await?;
    let bytes =
        (sizes.code == Some(0) || !sizes.numbers.is_empty()).then(|| sizes.numbers.iter().sum());
    let then: &[&str] = match mode {
        Mode::Remove => &["-print", "-delete"],
        Mode::Look => &["-print"],
    };
    let done = exec(engine, container, select(then)).await?;
    if done.code == Some(0) || done.only_missing_roots() {
        return Ok(Found {
            files: done.lines,
            bytes,
        });
    }
    if done.lines == 0 && done.errors.contains("-delete") {
        return Err(NoFind::Missing("it can't delete".to_owned()));
    }
    Err(NoFind::Failed(ActError::Failed(format!(
        "{}: not all could be cleared ({} files were): {}",
        container.name(),
        done.lines,
        done.errors.trim()
    ))))
}

/// What a program in the container said.
#[derive(Default)]
struct Said {
    code: Option<i64>,
    lines: u64,
    numbers: Vec<u64>,
    errors: String,
}

impl Said {
    /// One of the directories need not be there.
    fn only_missing_roots(&self) -> bool {
        !self.errors.is_empty()
            && self
                .errors
                .lines()
                .filter(|line| !line.trim().is_empty())
                .all(|line| {
                    line.contains("No such file or directory")
                        && ROOTS.iter().any(|root| line.contains(root))
                })
    }
}

/// Runs a program in the container as its root, without a shell.
async fn exec(
    engine: &DockerEngine,
    container: &ContainerRef,
    command: Vec<String>,
) -> Result<Said, NoFind> {
    let id = container.container_id.clone();
    let run = |docker: bollard::Docker| async move {
        let made = docker
            .create_exec(
                &id,
                ExecConfig {
                    attach_stdout: Some(true),
                    attach_stderr: Some(true),
                    // Its files may belong to anybody in there.
                    user: Some("0".to_owned()),
                    cmd: Some(command),
                    ..ExecConfig::default()
                },
            )
            .await?;
        let mut said = Said::default();
        let mut open = Vec::new();
        let begun = docker
            .start_exec(&made.id, None::<StartExecOptions>)
            .await?;
        if let StartExecResults::Attached { mut output, .. } = begun {
            while let Some(piece) = output.next().await {
                match piece? {
                    LogOutput::StdOut { message } => said.take(&message, &mut open),
                    LogOutput::StdErr { message } | LogOutput::Console { message } => {
                        let room = MOST_ERROR_BYTES.saturating_sub(said.errors.len());
                        let text = String::from_utf8_lossy(&message);
                        said.errors.extend(text.chars().take(room));
                    }
                    LogOutput::StdIn { .. } => {}
                }
            }
        }
        said.code = docker.inspect_exec(&made.id).await?.exit_code;
        Ok(said)
    };
    match engine.client.call(TIMEOUT, run).await {
        Ok(said) if said.code.is_some_and(|code| NO_PROGRAM.contains(&code)) => {
            Err(NoFind::Missing("it has no such program".to_owned()))
        }
        Ok(said) => Ok(said),
        // Newer engines answer the start with an error when there is no such program.
        Err(failure) if failure.to_string().contains("executable file not found") => {
            Err(NoFind::Missing("it has no such program".to_owned()))
        }
        Err(failure) => Err(NoFind::Failed(engine.act_error(failure, container.name()))),
    }
}

impl Said {
    /// Counts lines and adds up those that are numbers; nothing else of the output is kept.
    fn take(&mut self, bytes: &[u8], open: &mut Vec<u8>) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let [line @ .., b'\n'] = part {
                open.extend_from_slice(&line[..line.len().min(32)]);
                if let Some(number) = std::str::from_utf8(open)
                    .ok()
                    .and_then(|text| text.trim().parse().ok())
                {
                    self.numbers.push(number);
                }
                self.lines += 1;
                open.clear();
            } else {
                open.extend_from_slice(&part[..part.len().min(32)]);
            }
        }
    }
}

#[cfg(target_os = "linux")]
async fn from_outside(
    engine: &DockerEngine,
    found: &Inspect,
    roots: &[&str],
    untouched_seconds: u64,
    mode: Mode,
) -> Result<Found, String> {
    if !engine.client.endpoint().is_local() {
        return Err("its engine is on another machine".to_owned());
    }
    let oldest = engine
        .clock
        .now()
        .as_second()
        .saturating_sub(i64::try_from(untouched_seconds).unwrap_or(i64::MAX));
    let (pid, id) = (found.state.pid, found.id.clone());
    let roots: Vec<String> = roots.iter().map(|root| (*root).to_owned()).collect();
    tokio::task::spawn_blocking(move || super::tmp_files::clear(pid, &id, &roots, oldest, mode))
        .await
        .unwrap_or_else(|error| Err(format!("the clearing broke off: {error}")))
}

#[cfg(not(target_os = "linux"))]
async fn from_outside(
    _: &DockerEngine,
    _: &Inspect,
    _: &[&str],
    _: u64,
    _: Mode,
) -> Result<Found, String> {
    Err("its files can only be reached from a Linux host".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_mounted_from_outside_are_not_ours_to_clear() {
        let mounts = |json: &str| serde_json::from_str::<Vec<MountModel>>(json).unwrap();
        let bind = mounts(r#"[{"Type":"bind","Source":"/tmp","Destination":"/tmp"}]"#);
        assert!(is_from_outside("/tmp", &bind) && !is_from_outside("/var/tmp", &bind));
        let above = mounts(r#"[{"Type":"volume","Destination":"/var/"}]"#);
        assert!(is_from_outside("/var/tmp", &above) && !is_from_outside("/tmp", &above));
        let own = mounts(
            r#"[{"Type":"tmpfs","Destination":"/tmp"},{"Type":"bind","Destination":"/tmp/x"},{"Type":"bind","Destination":"/tmpfoo"}]"#,
        );
        assert!(!is_from_outside("/tmp", &own));
    }

    #[test]
    fn output_is_counted_however_it_is_cut() {
        let mut said = Said::default();
        let mut open = Vec::new();
        for piece in ["12", "3\n4", "\n/tmp/name\n"] {
            said.take(piece.as_bytes(), &mut open);
        }
        assert_eq!((said.lines, said.numbers), (3, vec![123, 4]));
    }

    #[test]
    fn a_directory_that_is_not_there_is_no_failure() {
        let said = |errors: &str| Said {
            errors: errors.to_owned(),
            ..Said::default()
        };
        assert!(said("find: /var/tmp: No such file or directory\n").only_missing_roots());
        assert!(!said("find: /tmp/x: Permission denied\n").only_missing_roots());
        assert!(!said("").only_missing_roots());
    }
}
