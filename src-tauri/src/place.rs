//! Where the desktop's own files are: the folders that freedesktop's Base Directory Specification names.
//!
//! What flows through: the environment in, folders out. What it never does: make one.

use std::path::PathBuf;

/// The folder of configurations: `$XDG_CONFIG_HOME`, or `~/.config`.
pub(crate) fn config_home() -> Option<PathBuf> {
    absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))
}

/// Where Steward's configuration of this person is, and the desktop's beside it.
pub(crate) fn config() -> Option<PathBuf> {
    Some(config_home()?.join("steward"))
}

/// Where what belongs to this session is: gone when the person signs out, and nobody else can look into it.
pub(crate) fn session() -> Option<PathBuf> {
    absolute("XDG_RUNTIME_DIR")
        .map(|dir| dir.join("steward"))
        .or_else(config)
}

/// Relative paths are to be ignored, says the specification.
fn absolute(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}
