//! Starting when the person signs in to their computer: an entry in the desktop's own folder for it (freedesktop's Autostart).
//!
//! What flows through: yes or no in, a file in `autostart/` there or gone. What it never does: touch an entry that another program made.

use std::path::{Path, PathBuf};

use steward_api::{Trouble, TroubleKind};

use crate::{connections::write_whole, place};

const FILE: &str = "steward-desktop.desktop";

/// Whether it is so; absent where there is no folder for it.
pub(crate) fn is_on() -> Option<bool> {
    Some(file()?.is_file())
}

/// Makes it so, or not.
///
/// # Errors
/// Where the entry can't be written or removed.
pub(crate) fn set(on: bool) -> Result<(), Trouble> {
    let Some(file) = file() else {
        return Err(Trouble::new(
            TroubleKind::Storage,
            "There is no folder for what starts with your session",
            "Neither XDG_CONFIG_HOME nor HOME is set.",
        ));
    };
    let changed = if on {
        std::env::current_exe().and_then(|program| write_whole(&file, &entry(&program)))
    } else {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    };
    changed.map_err(|error| {
        Trouble::new(
            TroubleKind::Storage,
            "This can't be changed",
            format!("{}: {error}.", file.display()),
        )
    })
}

fn file() -> Option<PathBuf> {
    Some(place::config_home()?.join("autostart").join(FILE))
}

fn entry(program: &Path) -> String {
    format!(
        "[Desktop Entry]\nType=Application\nName=Steward\nComment=Looks after this machine, or shows an agent\nExec={} --hidden\nIcon=steward-desktop\nTerminal=false\nX-GNOME-Autostart-enabled=true\n",
        quoted(&program.display().to_string())
    )
}

/// A word of an `Exec` line, by the rules of the Desktop Entry Specification.
fn quoted(word: &str) -> String {
    let mut out = String::from("\"");
    for character in word.chars() {
        match character {
            // The line is unescaped once as a string and once as a command.
            '"' | '`' | '$' => {
                out.push_str("\\\\");
                out.push(character);
            }
            '\\' => out.push_str("\\\\\\\\"),
            '%' => out.push_str("%%"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_starts_it_without_a_window() {
        let text = entry(Path::new("/opt/my apps/steward-desktop"));
        assert!(text.contains("Exec=\"/opt/my apps/steward-desktop\" --hidden\n"));
        assert!(text.starts_with("[Desktop Entry]\n"));
    }

    #[test]
    fn a_strange_path_stays_one_word() {
        assert_eq!(quoted("/a\"b"), "\"/a\\\\\"b\"");
        assert_eq!(quoted("/a%b$"), "\"/a%%b\\\\$\"");
    }
}
