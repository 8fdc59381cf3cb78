//! Makes of the UI's wasm what a browser loads.
//!
//! What flows through: the wasm that `cargo build --target wasm32-unknown-unknown` left in the target directory in; `dist/index.html` and
//! `dist/assets/<build>/` (bindings, the program in its parts, style, start) out. With `--debug` it takes the debug build, else the release
//! build. What it never does: build the wasm itself; `xtask` does that first, with the compiler that there is.

use std::{
    convert::Infallible,
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};
use wasm_bindgen_cli_support::Bindgen;
use wasm_encoder::reencode::{self, Reencode};
use wasmparser::{CustomSectionReader, Parser};

/// What is copied as it stands, from `ui/assets/` to the build's folder.
const OF_THE_BUILD: [&str; 3] = ["style.css", "start.js", "icon.svg"];

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
    let content = fs::read(&wasm).with_context(|| format!("can't read {}", wasm.display()))?;
    let dist = ui.join("dist");
    // Its name is that of what will have been made in it.
    let assets = dist.join("assets").join("new");
    if dist.exists() {
        fs::remove_dir_all(&dist).with_context(|| format!("can't empty {}", dist.display()))?;
    }
    fs::create_dir_all(&assets).with_context(|| format!("can't make {}", assets.display()))?;

    // The linked program is cut at its seams first; its first part then gets its bindings.
    let first = wasm.with_file_name("steward-ui-first.wasm");
    let mut cut = wasm_split_cli_support::Options::new(&content);
    cut.output_dir = &assets;
    cut.main_out_path = &first;
    cut.main_module = "./steward-ui.js";
    cut.link_name = "./parts.js";
    if let Err(error) = wasm_split_cli_support::transform(cut) {
        bail!("can't cut {} into its parts: {error:#}", wasm.display());
    }
    Bindgen::new()
        .input_path(&first)
        .out_name("steward-ui")
        .web(true)?
        .typescript(false)
        // The other parts find what they share with the first by these names.
        .keep_lld_exports(true)
        .demangle(false)
        .remove_name_section(profile == "release")
        .remove_producers_section(true)
        .generate(&assets)
        .with_context(|| format!("can't make bindings for {}", first.display()))?;

    for entry in fs::read_dir(&assets).context("can't read what was made")? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "wasm") {
            let made = fs::read(&path)?;
            let lean = lean(&made).with_context(|| format!("{} can't be read", path.display()))?;
            fs::write(&path, lean)?;
        }
    }

    for name in OF_THE_BUILD {
        fs::copy(ui.join("assets").join(name), assets.join(name))
            .with_context(|| format!("can't copy {name}"))?;
    }
    let build = name_of(&assets)?;
    let named = dist.join("assets").join(&build);
    fs::rename(&assets, &named).with_context(|| format!("can't name {}", named.display()))?;
    let page = fs::read_to_string(ui.join("index.html")).context("can't read index.html")?;
    let page = page.replace("/assets/", &format!("/assets/{build}/"));
    fs::write(dist.join("index.html"), page).context("can't write index.html")?;
    Ok(())
}

/// The same program, its numbers written as short as they can be (the linker leaves room in each for tools that move code), without names and
/// relocations: those serve tools, not a browser.
fn lean(wasm: &[u8]) -> Result<Vec<u8>> {
    struct Lean;

    impl Reencode for Lean {
        type Error = Infallible;

        fn parse_custom_section(
            &mut self,
            _: &mut wasm_encoder::Module,
            _: CustomSectionReader<'_>,
        ) -> Result<(), reencode::Error<Self::Error>> {
            Ok(())
        }
    }

    let mut module = wasm_encoder::Module::new();
    Lean.parse_core_module(&mut module, Parser::new(0), wasm)?;
    Ok(module.finish())
}

/// A name for all that was made together, from the content of all of it: parts of two builds must never meet, and a browser may keep what
/// stands under such a name for good.
fn name_of(assets: &Path) -> Result<String> {
    let mut files = fs::read_dir(assets)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<PathBuf>>>()?;
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        let content = fs::read(&file).with_context(|| format!("can't read {}", file.display()))?;
        digest.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        digest.update(content.len().to_le_bytes());
        digest.update(content);
    }
    Ok(digest.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
