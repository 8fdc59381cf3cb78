//! Text that others wrote, as it may be shown: on one line, not endless, without what could steer a terminal or hide what it says.

use crate::redact::redact;

/// The longest text of a certificate that is kept, characters.
const LONGEST: usize = 200;

/// A text of a certificate as it may be shown. Whoever made the certificate chose it.
pub(super) fn plain(text: &str) -> String {
    let mut kept = String::new();
    for (index, c) in text.chars().enumerate() {
        if index >= LONGEST {
            kept.push('…');
            break;
        }
        kept.push(match c {
            // Marks that change the direction of writing.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                '\u{fffd}'
            }
            c if c.is_control() => '\u{fffd}',
            c => c,
        });
    }
    redact(&kept)
}

/// `1 thing`, `2 things`.
pub(super) fn count(number: u64, thing: &str) -> String {
    if number == 1 {
        format!("1 {thing}")
    } else {
        format!("{number} {thing}s")
    }
}
