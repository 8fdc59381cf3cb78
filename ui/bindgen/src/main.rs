//! Makes of the UI's wasm what a browser loads.
//!
//! What flows through: the wasm that `cargo build --target wasm32-unknown-unknown` left in the target directory in; `dist/index.html` and
//! `dist/assets/` (bindings, wasm, style, start) out. With `--debug` it takes the debug build, else the release build. What it never does:
//! build the wasm itself; `xtask` does that first, with the compiler that there is.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

/// What is copied as it stands, from `ui/` to `dist/`.
const COPIED: [(&str, &str); 4] = [
    ("index.html", "index.html"),
    ("assets/style.css", "assets/style.css"),
    ("assets/start.js", "assets/start.js"),
    ("assets/icon.svg", "assets/icon.svg"),
];

fn main() -> Result<()> {
    let mut profile = "release";
    for argument in env::args().skip(1) {
        match argument.as_str() {
            "--debug" => profile = "debug",
            "--release" => profile = "release",
            other => bail!("`{other}` is not understood: there are --debug and --release"),
        }
    }
    // Of the checkout that was asked, as cargo says it: this program may have been built in another that shares the target directory.
    let own = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let ui = own.parent().context("this package stands in ui/bindgen")?;
    let target = env::var_os("STEWARD_UI_TARGET_DIR")
        .or_else(|| env::var_os("CARGO_TARGET_DIR"))
        .map_or_else(|| ui.join("target"), PathBuf::from);
    let wasm = target
        .join("wasm32-unknown-unknown")
        .join(profile)
        .join("steward-ui.wasm");
    if !wasm.is_file() {
        bail!(
            "{} is missing: first run `cargo build{} --target wasm32-unknown-unknown` in {}",
            wasm.display(),
            if profile == "release" {
                " --release"
            } else {
                ""
            },
            ui.display()
        );
    }
    let dist = ui.join("dist");
    let assets = dist.join("assets");
    if dist.exists() {
        fs::remove_dir_all(&dist).with_context(|| format!("can't empty {}", dist.display()))?;
    }
    fs::create_dir_all(&assets).with_context(|| format!("can't make {}", assets.display()))?;
    Bindgen::new()
        .input_path(&wasm)
        .out_name("steward-ui")
        .web(true)?
        .typescript(false)
        .remove_name_section(profile == "release")
        .remove_producers_section(true)
        .generate(&assets)
        .with_context(|| format!("can't make bindings for {}", wasm.display()))?;
    for (from, to) in COPIED {
        fs::copy(ui.join(from), dist.join(to)).with_context(|| format!("can't copy {from}"))?;
    }
    Ok(())
}
