//! Builds the control center: its wasm with the compiler that there is, and of that what a browser loads.
//!
//! What flows through: nothing in; the folder with the finished files out, for the engine's build to take into the binary. On a normal machine
//! rustup brings the standard library for wasm; where it can fetch nothing, Debian's `rustc-web` builds it from source. What it never does:
//! change the compiler with which the engine is built, or put a half-made control center into the binary.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cargo::{cargo, output, root, run, target_dir, works},
    machine::{self, which},
};

const TARGET: &str = "wasm32-unknown-unknown";
/// Debian's compiler for wasm with the source of its standard library, and a linker.
const DEBIAN: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];

/// A compiler that can build for the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// The one that builds everything else; it has the standard library for wasm.
    Own,
    /// Debian's, which builds the standard library first.
    Debians,
}

/// Builds the control center and returns the folder of its files.
///
/// # Errors
/// Where there is no way to build it here, with what to do; or where it does not build.
pub(crate) fn build() -> Result<PathBuf, String> {
    let compiler = compiler()?;
    let ui = root().join("ui");
    eprintln!(
        "xtask: building the control center{}; the first build takes several minutes",
        match compiler {
            Compiler::Own => "",
            Compiler::Debians => " with Debian's rustc-web",
        }
    );
    let wasm = target_dir()?.join("ui");
    let mut build = for_wasm(compiler, "build");
    build.arg("--release").env("CARGO_TARGET_DIR", &wasm);
    run(&mut build, "the build of the control center")?;

    let mut bind = cargo();
    bind.current_dir(&ui)
        .args(["run", "--quiet", "--locked", "--manifest-path"])
        .arg(ui.join("bindgen").join("Cargo.toml"))
        .env("STEWARD_UI_TARGET_DIR", &wasm)
        .env("CARGO_TARGET_DIR", target_dir()?.join("ui-bindgen"));
    run(&mut bind, "the making of the control center's files")?;
    let dist = ui.join("dist");
    if dist.join("index.html").is_file() {
        Ok(dist)
    } else {
        Err(format!("{} was not made", dist.display()))
    }
}

/// The control center's lints and its tests on the host; what could not be checked is handed to `skipped`.
///
/// # Errors
/// What failed.
pub(crate) fn check(filter: &[String], skipped: impl FnOnce(&str)) -> Result<(), String> {
    let target = target_dir()?.join("ui");
    let here = |command: &mut Command| {
        command
            .current_dir(root().join("ui"))
            .env("CARGO_TARGET_DIR", &target);
    };
    let mut format = cargo();
    format.args(["fmt", "--all", "--check"]);
    here(&mut format);
    run(&mut format, "the check of the control center's formatting")?;
    let mut test = cargo();
    test.args(["test", "--locked", "--quiet"]).args(filter);
    here(&mut test);
    run(&mut test, "a test of the control center")?;
    if compiler() != Ok(Compiler::Own) {
        skipped(&format!(
            "the check of the control center's lints: the compiler here has no library for wasm; get it with: rustup target add {TARGET}"
        ));
        return Ok(());
    }
    let mut lint = for_wasm(Compiler::Own, "clippy");
    lint.args(["--", "-D", "warnings"])
        .env("CARGO_TARGET_DIR", &target);
    run(&mut lint, "the check of the control center's lints")
}

/// A call of cargo in `ui/` for the browser.
fn for_wasm(compiler: Compiler, what: &str) -> Command {
    let mut command = cargo();
    command
        .current_dir(root().join("ui"))
        .args([what, "--locked", "--target", TARGET]);
    if compiler == Compiler::Debians {
        // Its library is built from source, for which a released compiler has to be told that this is meant.
        command
            .env("RUSTC", "/usr/bin/rustc")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-19");
    }
    command
}

/// Finds a compiler for the browser, getting one where that is possible.
fn compiler() -> Result<Compiler, String> {
    if own_has_wasm() {
        return Ok(Compiler::Own);
    }
    if which("rustup").is_some() {
        eprintln!("xtask: rustup target add {TARGET}");
        if works(Command::new("rustup").args(["target", "add", TARGET])) && own_has_wasm() {
            return Ok(Compiler::Own);
        }
    }
    if has_debians() {
        return Ok(Compiler::Debians);
    }
    machine::install(&DEBIAN);
    if has_debians() {
        return Ok(Compiler::Debians);
    }
    Err(format!(
        "no compiler here can build for the browser. Get one with: rustup target add {TARGET} — or, on Debian where rustup can't fetch it: \
         apt-get install {}",
        DEBIAN.join(" ")
    ))
}

fn own_has_wasm() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut ask = Command::new(rustc);
    ask.current_dir(root())
        .args(["--print", "target-libdir", "--target", TARGET]);
    output(&mut ask).is_some_and(|dir| Path::new(dir.trim()).is_dir())
}

fn has_debians() -> bool {
    let mut ask = Command::new("/usr/bin/rustc");
    ask.args(["--print", "sysroot"]);
    which("wasm-ld-19").is_some()
        && output(&mut ask).is_some_and(|sysroot| {
            Path::new(sysroot.trim())
                .join("lib/rustlib/src/rust/library/std/Cargo.toml")
                .is_file()
        })
}
