//! `cargo xtask desktop`, `test-desktop` and `bundle`: the window on this machine, its tests, and packages for others.
//!
//! What flows through: arguments for the desktop, unchanged; paths of finished packages out. What it never does: build half a package, or
//! install a tool where others would find it: what packing needs stands in the target directory.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    cargo::{self, UI_DIST, cargo, root, run, target_dir, works},
    machine, ui, up,
};

/// What the window is built with, on Debian; the package of the libraries brings their own.
const WEBKIT: &str = "libwebkit2gtk-4.1-dev";

/// Builds the desktop and becomes it.
///
/// # Errors
/// What is missing, with how to get it; or what does not build.
pub(crate) fn run_it(arguments: &[String]) -> Result<(), String> {
    need_libraries()?;
    ui::build()?;
    eprintln!("xtask: building the desktop; the first build takes a quarter of an hour");
    let mut build = in_desktop(&["build", "--release", "--locked"])?;
    run(&mut build, "the build of the desktop")?;
    let program = target()?.join("release").join("steward-desktop");
    let mut desktop = Command::new(program);
    desktop.args(arguments);
    up::become_it(desktop)
}

/// What the windows' tests need besides: Debian's package, and the program by which one knows that it is there.
const FOR_TESTS: [(&str, &str); 8] = [
    ("xvfb", "Xvfb"),
    ("xauth", "xauth"),
    ("dbus", "dbus-daemon"),
    ("webkit2gtk-driver", "WebKitWebDriver"),
    ("xdotool", "xdotool"),
    ("openbox", "openbox"),
    ("gnome-keyring", "gnome-keyring-daemon"),
    ("dunst", "dunst"),
];

/// The desktop's formatting, lints and tests: windows on a display without a screen, a real bus, a real keyring, a real agent.
///
/// # Errors
/// What failed.
pub(crate) fn test(filter: &[String], dist: &Path, skips: &Path) -> Result<(), String> {
    if FOR_TESTS
        .iter()
        .any(|(_, program)| machine::which(program).is_none())
    {
        machine::install(&FOR_TESTS.map(|(package, _)| package));
    }
    // The agent that a window connects to.
    let agent = cargo::build_for_tests("steward", "steward", dist)?;
    run(
        &mut in_desktop(&["fmt", "--all", "--check"])?,
        "the check of the desktop's formatting",
    )?;
    let lints = [
        "clippy",
        "--locked",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    run(&mut in_desktop(&lints)?, "the check of the desktop's lints")?;
    let mut tests = in_desktop(&["test", "--locked", "--no-fail-fast"])?;
    // Each window test has a display, a bus and a web view of its own: one after the other.
    tests
        .args(filter)
        .args(["--", "--test-threads", "1"])
        .env("STEWARD_TEST_SKIPS", skips)
        .env("STEWARD_BIN", agent);
    run(&mut tests, "a test of the desktop")
}

/// Makes a Debian package of the headless agent and one of the desktop.
///
/// # Errors
/// What is missing, with how to get it; or what does not build.
pub(crate) fn bundle() -> Result<(), String> {
    need_libraries()?;
    let packer = packer()?;
    let dist = ui::build()?;
    let packages = target_dir()?.join("packages");
    std::fs::create_dir_all(&packages)
        .map_err(|error| format!("can't make {}: {error}", packages.display()))?;

    eprintln!("xtask: packing the headless agent");
    let agent = cargo::build("steward", "steward", Some(&dist))?;
    debug_assert!(agent.is_file());
    let mut pack = Command::new(&packer);
    pack.current_dir(root())
        .env(UI_DIST, &dist)
        .args(["--package", "steward", "--locked", "--output"])
        .arg(&packages)
        // It says where its package is; at the end all are said together.
        .stdout(Stdio::null());
    run(&mut pack, "the packing of the agent")?;

    eprintln!("xtask: packing the desktop");
    let mut pack = Command::new(&packer);
    pack.current_dir(root().join("src-tauri"))
        .env("CARGO_TARGET_DIR", target()?)
        .args(["--locked", "--output"])
        .arg(&packages)
        .stdout(Stdio::null());
    run(&mut pack, "the packing of the desktop")?;

    let found = std::fs::read_dir(&packages)
        .map_err(|error| format!("can't read {}: {error}", packages.display()))?;
    for entry in found.flatten() {
        println!("{}", entry.path().display());
    }
    Ok(())
}

fn target() -> Result<PathBuf, String> {
    Ok(target_dir()?.join("desktop"))
}

/// A call of cargo for the desktop, which is a workspace of its own.
fn in_desktop(arguments: &[&str]) -> Result<Command, String> {
    let mut command = cargo();
    command
        .current_dir(root().join("src-tauri"))
        .env("CARGO_TARGET_DIR", target()?)
        .args(arguments);
    Ok(command)
}

/// `cargo-deb`, from where the machine has it, or installed in the target directory.
fn packer() -> Result<PathBuf, String> {
    if let Some(found) = machine::which("cargo-deb") {
        return Ok(found);
    }
    let tools = target_dir()?.join("tools");
    let own = tools.join("bin").join("cargo-deb");
    if !own.is_file() {
        eprintln!("xtask: building cargo-deb, which makes the packages");
        let mut install = cargo();
        install
            .args(["install", "cargo-deb", "--quiet", "--root"])
            .arg(&tools)
            .env("CARGO_TARGET_DIR", tools.join("build"));
        run(&mut install, "the installation of cargo-deb")?;
    }
    Ok(own)
}

/// Whether the desktop can be built here, getting what it needs where that is possible.
///
/// # Errors
/// What is missing, with how to get it.
pub(crate) fn need_libraries() -> Result<(), String> {
    machine::need_c_compiler()?;
    let is_there = || {
        let mut ask = Command::new("pkg-config");
        ask.args(["--exists", "webkit2gtk-4.1"]);
        works(&mut ask)
    };
    if is_there() {
        return Ok(());
    }
    machine::install(&[WEBKIT, "pkg-config"]);
    if is_there() {
        return Ok(());
    }
    Err(format!(
        "the libraries for a window are missing. Get them with: apt-get install {WEBKIT} pkg-config"
    ))
}
