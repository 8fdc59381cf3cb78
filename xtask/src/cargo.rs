//! Calls of cargo, and of programs whose success is wanted.
//!
//! What flows through: arguments in, a program's path or a failure in words out.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The workspace's root: of the checkout that was asked, as cargo says it when it starts this. Where two share a target directory, this
/// program may have been built in the other one.
pub(crate) fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map_or_else(|| own.clone(), Path::to_path_buf)
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

/// What a command says where it succeeds.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(said)
}

/// Where cargo puts what it builds, as it says itself.
pub(crate) fn target_dir() -> Result<PathBuf, String> {
    let mut ask = cargo();
    ask.args(["metadata", "--no-deps", "--offline", "--format-version=1"]);
    let said = output(&mut ask).ok_or("cargo does not say where it builds")?;
    text(&said, "target_directory")
        .map(PathBuf::from)
        .ok_or_else(|| "cargo does not say where it builds".to_owned())
}

/// Where a build finds the control center that it takes into the binary.
pub(crate) const UI_DIST: &str = "STEWARD_UI_DIST";

/// Builds a program in release mode and returns where it stands, as cargo itself says it. The agent's takes in the control center from
/// the folder `ui`, where there is one.
pub(crate) fn build(package: &str, name: &str, ui: Option<&Path>) -> Result<PathBuf, String> {
    build_with(&["--release"], package, name, ui)
}

/// The same as tests use it, which takes seconds where they were built before.
pub(crate) fn build_for_tests(package: &str, name: &str, ui: &Path) -> Result<PathBuf, String> {
    build_with(&[], package, name, Some(ui))
}

fn build_with(
    options: &[&str],
    package: &str,
    name: &str,
    ui: Option<&Path>,
) -> Result<PathBuf, String> {
    let mut command = cargo();
    match ui {
        Some(ui) => command.env(UI_DIST, ui),
        None => command.env_remove(UI_DIST),
    };
    let output = command
        .arg("build")
        .args(options)
        .args(["--package", package, "--bin", name])
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
        let path = PathBuf::from(text(line, "executable")?);
        (path.file_name()? == file.as_str()).then_some(path)
    })
}

/// The text under a name in cargo's JSON, found at its first place.
fn text(json: &str, name: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{name}\":\""))?;
    let mut found = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return Some(found),
            '\\' => found.push(characters.next()?),
            other => found.push(other),
        }
    }
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
