//! The rules of the house as a program: who may import whom, what the deciding stages may never do, how long a file may be.
//!
//! What flows through: the sources' text in, violations with file, line and reason out. It reads no files itself but for [`sources`], so that
//! each rule can be shown to fail on a bad text.

mod lexer;
mod rules;

use std::{fmt, path::Path};

use anyhow::{Context as _, Result};

pub use rules::{check, check_manifest};

/// One source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path from the workspace's root, with `/`.
    pub path: String,
    /// Its content.
    pub text: String,
}

impl Source {
    /// A source of this content.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }
}

/// A rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Where.
    pub path: String,
    /// On which line, from 1.
    pub line: usize,
    /// Which rule, and what to do about it.
    pub rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.rule)
    }
}

/// The workspace's own sources and manifests: every `.rs` file and `Cargo.toml` that is not in a `target` directory.
///
/// # Errors
/// Where a file can't be read.
pub fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        let entries = std::fs::read_dir(&dir).with_context(|| dir.display().to_string())?;
        for entry in entries {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if path.is_dir() {
                // A target directory says of itself what it is, whatever its name.
                if !name.starts_with('.') && !path.join("CACHEDIR.TAG").is_file() {
                    open.push(path);
                }
            } else if name.ends_with(".rs") || name == "Cargo.toml" {
                let short = path
                    .strip_prefix(root)?
                    .to_string_lossy()
                    .replace('\\', "/");
                let text =
                    std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                found.push(Source::new(short, text));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}
