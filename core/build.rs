//! Puts the control center into the binary, where one was built.
//!
//! What flows through: the folder named by `STEWARD_UI_DIST` (what `ui/bindgen` makes) in; a table of its files, each packed once with gzip,
//! out, for `server::ui` to include. Without the variable the table is empty, and the agent says so to a browser. What it never does: build
//! the control center (`cargo xtask` does), or leave out a file in silence: one that it does not know how to serve is an error.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};

const VARIABLE: &str = "STEWARD_UI_DIST";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo gives OUT_DIR")?);
    let mut table = String::from("&[\n");
    if let Some(dist) = env::var_os(VARIABLE).filter(|dist| !dist.is_empty()) {
        let dist = PathBuf::from(dist);
        if !dist.join("index.html").is_file() {
            return Err(format!(
                "{VARIABLE} is {}, and there is no index.html: build the control center first, or leave the variable unset",
                dist.display()
            )
            .into());
        }
        println!("cargo::rerun-if-changed={}", dist.display());
        let mut files = Vec::new();
        walk(&dist, &mut files)?;
        files.sort();
        for (number, file) in files.iter().enumerate() {
            add(
                &mut table,
                &dist,
                file,
                &out.join(format!("ui-{number}.gz")),
            )?;
        }
    }
    table.push_str("]\n");
    fs::write(out.join("ui_files.rs"), table)?;
    Ok(())
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
    Ok(())
}

/// Packs one file and adds its row.
fn add(table: &mut String, dist: &Path, file: &Path, packed: &Path) -> Result<(), Box<dyn Error>> {
    let name = file
        .strip_prefix(dist)?
        .to_str()
        .ok_or("a name in the control center's folder is not UTF-8")?
        .replace('\\', "/");
    let content = fs::read(file)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&content)?;
    fs::write(packed, encoder.finish()?)?;
    let mut tag = String::new();
    for byte in &Sha256::digest(&content)[..12] {
        write!(tag, "{byte:02x}")?;
    }
    writeln!(
        table,
        "    File {{ path: {:?}, kind: {:?}, tag: {:?}, gzip: include_bytes!({packed:?}) }},",
        format!("/{name}"),
        kind(&name)?,
        format!("\"{tag}\""),
    )?;
    Ok(())
}

fn kind(name: &str) -> Result<&'static str, Box<dyn Error>> {
    Ok(match name.rsplit_once('.').map(|(_, kind)| kind) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        _ => return Err(format!("core/build.rs does not know what kind of file {name} is").into()),
    })
}
