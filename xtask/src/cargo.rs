//! Calls of cargo, and of programs whose success is wanted.
//!
//! What flows through: arguments in, a program's path or a failure in words out.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// A call of the cargo that called this.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<(), String> {
    let status = command
        .status()
        .map_err(|error| format!("can't run {what}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{what} failed ({status})"))
    }
}

/// Whether a command runs and succeeds; what it says is not shown.
pub(crate) fn works(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Builds a program in release mode and returns where it stands, as cargo itself says it.
pub(crate) fn build(package: &str, name: &str) -> Result<PathBuf, String> {
    let output = cargo()
        .args(["build", "--release", "--package", package, "--bin", name])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("can't run cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name} can't be built; see above"));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    executable(&messages, name).ok_or_else(|| format!("cargo built {name} and did not say where"))
}

/// The path of a program in cargo's messages, one JSON object on each line.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    messages.lines().find_map(|line| {
        let (_, rest) = line.split_once(r#""executable":""#)?;
        let mut path = String::new();
        let mut characters = rest.chars();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => path.push(characters.next()?),
                other => path.push(other),
            }
        }
        let path = PathBuf::from(path);
        (path.file_name()? == file.as_str()).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_cargos_words() {
        let messages = "{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
            {\"target\":{\"name\":\"other\"},\"executable\":\"/t/release/other\"}\n\
            {\"target\":{\"name\":\"steward\"},\"executable\":\"/a \\\"b\\\"/release/steward\",\"fresh\":true}";
        let found = executable(messages, "steward");
        assert_eq!(found, Some(PathBuf::from("/a \"b\"/release/steward")));
        assert_eq!(executable(messages, "none"), None);
    }
}
