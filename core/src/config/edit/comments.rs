//! Finds the comments of a configuration file, so that a change can be held to keep every one of them.
//!
//! It reads text that has been parsed before, and knows of TOML no more than where texts begin and end.

use std::ops::Range;

/// Where comments stand, from `#` to the end of the line without its end.
pub(super) fn comments(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b'#' => {
                let rest = text.get(at..).unwrap_or_default();
                let end = at + rest.find('\n').unwrap_or(rest.len());
                let end = at + text.get(at..end).unwrap_or_default().trim_end().len();
                found.push(at..end);
                end
            }
            b'"' | b'\'' => after_text(bytes, at, byte),
            _ => at + 1,
        };
    }
    found
}

/// The place after the text that begins here with this quote.
fn after_text(bytes: &[u8], begin: usize, quote: u8) -> usize {
    let three = [quote; 3];
    let is_long = bytes
        .get(begin..)
        .is_some_and(|rest| rest.starts_with(&three));
    let mut at = begin + if is_long { 3 } else { 1 };
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' && quote == b'"' {
            at += 2;
        } else if !is_long && (byte == quote || byte == b'\n') {
            return at + 1;
        } else if is_long && bytes.get(at..).is_some_and(|rest| rest.starts_with(&three)) {
            at += 3;
            // Up to two more quotes may belong to the text itself.
            while bytes.get(at) == Some(&quote) {
                at += 1;
            }
            return at;
        } else {
            at += 1;
        }
    }
    at
}

/// Whether every comment of one text is in another, as often at least.
pub(super) fn all_kept(before: &str, after: &str) -> bool {
    let count = |text: &str| {
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        for range in comments(text) {
            let comment = text.get(range).unwrap_or_default().to_owned();
            *counts.entry(comment).or_default() += 1;
        }
        counts
    };
    let after = count(after);
    count(before)
        .iter()
        .all(|(comment, count)| after.get(comment).is_some_and(|there| there >= count))
}
