//! Where the programs under test stand, and their building where they are not yet built.
//!
//! What flows through: a package's and a program's name in, a path out. `STEWARD_BIN` names another `steward`.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Command,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result, bail};

/// The path of a program of the workspace, built with the profile of the running one. Built once in a process, so that what is tested is
/// what stands in the sources.
///
/// # Errors
/// Where it can't be built; cargo's own words are in the message.
pub fn program(package: &str, name: &str) -> Result<PathBuf> {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    if name == "steward"
        && let Some(path) = std::env::var_os("STEWARD_BIN").filter(|path| !path.is_empty())
    {
        let path = PathBuf::from(path);
        if !path.is_file() {
            bail!("STEWARD_BIN names {}, which is no file", path.display());
        }
        return Ok(path);
    }
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = built.get(name) {
        return Ok(path.clone());
    }
    let profile_dir = crate::profile_dir()?;
    let path = profile_dir.join(name);
    // Cargo builds the programs of a package before its tests, but not those of another package.
    if package != env!("CARGO_PKG_NAME") || !path.is_file() {
        let profile = profile_dir.file_name().and_then(|name| name.to_str());
        let target_dir = profile_dir
            .parent()
            .context("the profile has no directory")?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .current_dir(crate::workspace_root())
            .args(["build", "--quiet", "--package", package, "--bin", name])
            .arg("--target-dir")
            .arg(target_dir);
        match profile {
            Some("debug") | None => {}
            Some(other) => {
                command.args(["--profile", other]);
            }
        }
        let output = command.output().context("can't run cargo")?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            bail!("can't build {name} of {package}:\n{words}");
        }
    }
    if !path.is_file() {
        bail!(
            "cargo built {name} of {package}, but not as {}",
            path.display()
        );
    }
    built.insert(name.to_owned(), path.clone());
    Ok(path)
}
