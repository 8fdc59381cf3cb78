//! What the README's commands call: set-up, build, test and bench, on a machine that has Rust and nothing else.
//!
//! What flows through: one word and its arguments in; cargo's and Steward's own words out. It needs nothing but the standard library, so that
//! it is built in a second. It never leaves anything running, and never counts what was skipped as passed.

#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a tool for the terminal: it prints, starts programs and waits"
)]

mod cargo;
mod desktop;
mod engine;
mod machine;
mod test;
mod ui;
mod up;

use std::process::ExitCode;

const HELP: &str = "\
Steward's tasks. Run them anywhere in the repository.

  cargo xtask up [ARGUMENTS]     Builds Steward with its control center and runs it against this machine: `steward up ARGUMENTS`.
                                 Try `cargo xtask up --help` once it is built.
  cargo xtask demo [--yes]       Builds Steward and shows it at work within a minute, on containers of its own: `steward demo`.
  cargo xtask desktop [ARGUMENTS] Builds the desktop and starts it: a window with its own engine or an agent behind it.
  cargo xtask test-desktop [FILTER] The desktop's formatting, lints and tests, in windows on a display without a screen.
  cargo xtask bundle             Makes Debian packages of the headless agent (with its systemd unit) and of the desktop.
  cargo xtask ui                 Builds the control center alone and says where its files are.
  cargo xtask test [FILTER]      Formatting, lints and every test, the desktop's among them; where FILTER is given, only tests whose name
                                 holds it, and not the desktop's.
                                 With --live-model: only those against a real small language model, which it gets.
                                 Prepares what the tests need and lists at the end what had to be skipped.
  cargo xtask bench [--quick] [--only=PART]
                                 Measures what DESIGN promises and prints the table; with --quick in under four minutes. Parts: engine,
                                 list, simulated, control-center, kill, security.
  cargo xtask ci                 The same as `test`, as the continuous integration runs it.
  cargo xtask help               This.

Environment: DOCKER_HOST names another container engine; STEWARD_TEST_REQUIRE=1 makes a skip a failure;
CARGO_TARGET_DIR names where builds go.
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let asks_for_help = |rest: &[String]| rest.iter().any(|word| word == "--help" || word == "-h");
    let done = match task.as_deref() {
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(())
        }
        Some("up") => up::run("up", &rest),
        Some("demo") => up::run("demo", &rest),
        Some("test" | "test-desktop" | "ci" | "bench" | "ui" | "bundle")
            if asks_for_help(&rest) =>
        {
            print!("{HELP}");
            Ok(())
        }
        Some("ui") => ui::build().map(|dist| println!("{}", dist.display())),
        Some("desktop") => desktop::run_it(&rest),
        Some("test-desktop") => test::test_desktop(&rest),
        Some("bundle") => desktop::bundle(),
        Some("test" | "ci") => test::test(&rest),
        Some("bench") => bench(&rest),
        Some(other) => {
            eprintln!("xtask: there is no task `{other}`.\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Builds everything in release mode and measures.
fn bench(arguments: &[String]) -> Result<(), String> {
    let is_known = |word: &str| word == "--quick" || word.starts_with("--only=");
    if let Some(unknown) = arguments.iter().find(|word| !is_known(word)) {
        return Err(format!(
            "bench takes --quick and --only=PART, not `{unknown}`"
        ));
    }
    machine::need_c_compiler()?;
    eprintln!("xtask: building in release mode; the first build takes several minutes");
    let dist = ui::build()?;
    let steward = cargo::build("steward", "steward", Some(&dist))?;
    cargo::build("steward-tests", "steward-sim", Some(&dist))?;
    let bench = cargo::build("steward-tests", "bench", Some(&dist))?;
    let mut command = std::process::Command::new(bench);
    command.args(arguments).env("STEWARD_BIN", steward);
    cargo::run(&mut command, "the bench")
}
