//! The keyboard: which keys mean what.
//!
//! What flows through: keys as they are pressed in, commands out. What it never does: take a key from a field into which somebody types,
//! or from the browser.

use crate::route::Section;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Go to a screen.
    Go(Section),
    /// Open or close the command palette.
    Palette,
    /// Show the shortcuts.
    Help,
    /// The next row of the list.
    Next,
    /// The row before.
    Previous,
    /// Type into the page's search field.
    Search,
}

/// A key as it was pressed.
#[derive(Clone, Copy, Debug)]
pub struct Press<'a> {
    /// The key's own name, as browsers give it: `k`, `Enter`, `?`.
    pub key: &'a str,
    /// Whether Ctrl or Cmd was held.
    pub command: bool,
    /// Whether Alt was held.
    pub alt: bool,
    /// Whether somebody types into a field.
    pub typing: bool,
    /// When, milliseconds since any beginning.
    pub at: f64,
}

/// A `g` waits so long for its second key, milliseconds.
const SECOND_KEY_WITHIN: f64 = 1500.0;

/// What has been pressed so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keys {
    went: Option<f64>,
}

impl Keys {
    /// Takes a key; says what it asks for, where it asks for something.
    pub fn press(&mut self, press: Press<'_>) -> Option<Command> {
        let waiting = self
            .went
            .take()
            .is_some_and(|at| press.at - at <= SECOND_KEY_WITHIN);
        if press.command {
            return (!press.alt && press.key.eq_ignore_ascii_case("k")).then_some(Command::Palette);
        }
        if press.typing || press.alt {
            return None;
        }
        if waiting {
            let mut letters = press.key.chars();
            if let (Some(letter), None) = (letters.next(), letters.next()) {
                return Section::ALL
                    .into_iter()
                    .find(|section| section.key() == letter)
                    .map(Command::Go);
            }
            return None;
        }
        match press.key {
            "g" => {
                self.went = Some(press.at);
                None
            }
            "j" => Some(Command::Next),
            "k" => Some(Command::Previous),
            "/" => Some(Command::Search),
            "?" => Some(Command::Help),
            _ => None,
        }
    }
}

/// Whether a key sends what was written in a field of several lines: a plain Enter, but not the one that ends the input of a character.
pub fn sends(key: &str, is_plain: bool, is_composing: bool) -> bool {
    key == "Enter" && is_plain && !is_composing
}

/// Every shortcut with what it does, for the help.
pub const SHORTCUTS: [(&str, &str); 17] = [
    ("Ctrl K", "Go to anything (⌘ K on a Mac)"),
    ("g o", "Overview"),
    ("g r", "Resources"),
    ("g i", "Incidents"),
    ("g t", "Tasks"),
    ("g y", "Security"),
    ("g c", "Agents"),
    ("g a", "Activity"),
    ("g s", "Settings"),
    ("j", "Next row"),
    ("k", "Row before"),
    ("Enter", "Open the row"),
    ("/", "Search on this page"),
    ("Enter", "Send what was written to a specialist"),
    ("Shift Enter", "A new line in it"),
    ("?", "These shortcuts"),
    ("Esc", "Close what is open"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn press(key: &str) -> Press<'_> {
        Press {
            key,
            command: false,
            alt: false,
            typing: false,
            at: 0.0,
        }
    }

    #[test]
    fn g_and_a_letter_lead_to_a_screen() {
        for section in Section::ALL {
            let mut keys = Keys::default();
            assert_eq!(keys.press(press("g")), None);
            let letter = section.key().to_string();
            assert_eq!(keys.press(press(&letter)), Some(Command::Go(section)));
            let shown = format!("g {letter}");
            assert!(
                SHORTCUTS
                    .iter()
                    .any(|(keys, words)| *keys == shown && *words == section.name())
            );
        }
    }

    #[test]
    fn a_late_or_other_second_key_leads_nowhere() {
        let mut keys = Keys::default();
        keys.press(press("g"));
        assert_eq!(
            keys.press(Press {
                at: 2000.0,
                ..press("o")
            }),
            None
        );
        keys.press(press("g"));
        assert_eq!(keys.press(press("x")), None);
        assert_eq!(keys.press(press("o")), None, "the g is used up");
    }

    #[test]
    fn who_types_is_left_alone_but_for_the_palette() {
        let mut keys = Keys::default();
        for key in ["g", "j", "k", "/", "?"] {
            assert_eq!(
                keys.press(Press {
                    typing: true,
                    ..press(key)
                }),
                None
            );
        }
        let palette = Press {
            typing: true,
            command: true,
            ..press("k")
        };
        assert_eq!(keys.press(palette), Some(Command::Palette));
    }

    #[test]
    fn a_plain_enter_sends_and_no_other_key_does() {
        assert!(sends("Enter", true, false));
        assert!(!sends("Enter", false, false), "Shift Enter is a new line");
        assert!(!sends("Enter", true, true), "it ends a character");
        assert!(!sends("a", true, false));
    }

    #[test]
    fn the_browsers_own_shortcuts_stay_its_own() {
        let mut keys = Keys::default();
        for key in ["f", "l", "r", "g", "j"] {
            assert_eq!(
                keys.press(Press {
                    command: true,
                    ..press(key)
                }),
                None
            );
        }
        assert_eq!(keys.press(press("o")), None, "Ctrl G is no g");
        assert_eq!(keys.press(press("k")), Some(Command::Previous));
        assert_eq!(keys.press(press("?")), Some(Command::Help));
    }
}
