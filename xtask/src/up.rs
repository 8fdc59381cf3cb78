//! `cargo xtask up` and `cargo xtask demo`: from a fresh machine to a running Steward.
//!
//! What flows through: arguments for `steward up` or `steward demo`, unchanged. Once built, Steward takes this program's place, so that signals and the exit
//! code are its own.

use std::process::Command;

use crate::{cargo, machine, ui};

/// Builds Steward and becomes `steward <subcommand>`.
pub(crate) fn run(subcommand: &str, arguments: &[String]) -> Result<(), String> {
    machine::need_c_compiler()?;
    eprintln!(
        "xtask: building Steward in release mode; the first build takes a few minutes, later ones seconds"
    );
    let steward = cargo::build("steward", "steward", control_center().as_deref())?;
    eprintln!(
        "xtask: {} {subcommand} {}",
        steward.display(),
        arguments.join(" ")
    );
    let mut command = Command::new(steward);
    command.arg(subcommand).args(arguments);
    become_it(command)
}

/// The control center; Steward does its work without it all the same, so where it can't be built that is said and no more.
fn control_center() -> Option<std::path::PathBuf> {
    ui::build()
        .inspect_err(|reason| {
            eprintln!("xtask: {reason}\nxtask: going on without the control center; the command line does the same");
        })
        .ok()
}

/// Lets a program take this one's place.
///
/// # Errors
/// Where it can't be started.
#[cfg(unix)]
pub(crate) fn become_it(mut command: Command) -> Result<(), String> {
    use std::os::unix::process::CommandExt as _;
    let program = command.get_program().display().to_string();
    // Returns only where it fails.
    Err(format!("can't run {program}: {}", command.exec()))
}

#[cfg(not(unix))]
pub(crate) fn become_it(mut command: Command) -> Result<(), String> {
    cargo::run(&mut command, "Steward")
}
