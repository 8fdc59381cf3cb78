//! RPM's versions: `[epoch:]version[-release]`, compared as `rpm-version(7)` says.

use std::cmp::Ordering;

use super::{by_number, is_number, split_run};

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (split(a)?, split(b)?);
    let order = by_number(a.0, b.0).then_with(|| part(a.1, b.1));
    Some(match (a.2, b.2) {
        (Some(a), Some(b)) => order.then_with(|| part(a, b)),
        // A version without a release stands for every release of it.
        _ => order,
    })
}

fn split(version: &str) -> Option<(&str, &str, Option<&str>)> {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (version, release) = match rest.rsplit_once('-') {
        Some((version, release)) => (version, Some(release)),
        None => (rest, None),
    };
    let epoch = if epoch == "(none)" { "0" } else { epoch };
    (is_number(epoch) && !version.is_empty()).then_some((epoch, version, release))
}

/// Segments of digits or of letters; all else only separates, but for `~` (before all) and `^` (after the end, before all else).
fn part(mut a: &str, mut b: &str) -> Ordering {
    let separates = |byte: u8| !byte.is_ascii_alphanumeric() && byte != b'~' && byte != b'^';
    loop {
        // Bytes beyond ASCII separate too; they are skipped by whole characters.
        a = a.trim_start_matches(|c: char| !c.is_ascii() || separates(c as u8));
        b = b.trim_start_matches(|c: char| !c.is_ascii() || separates(c as u8));
        match (a.strip_prefix('~'), b.strip_prefix('~')) {
            (Some(after_a), Some(after_b)) => {
                (a, b) = (after_a, after_b);
                continue;
            }
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        match (a.strip_prefix('^'), b.strip_prefix('^')) {
            (Some(after_a), Some(after_b)) => {
                (a, b) = (after_a, after_b);
                continue;
            }
            (Some(_), None) if b.is_empty() => return Ordering::Greater,
            (None, Some(_)) if a.is_empty() => return Ordering::Less,
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        if a.is_empty() || b.is_empty() {
            // Whichever has more left is the newer.
            return a.len().cmp(&b.len());
        }
        let is_digits = a.starts_with(|c: char| c.is_ascii_digit());
        let kind = |byte: u8| {
            if is_digits {
                byte.is_ascii_digit()
            } else {
                byte.is_ascii_alphabetic()
            }
        };
        let (segment_a, rest_a) = split_run(a, kind);
        let (segment_b, rest_b) = split_run(b, kind);
        if segment_b.is_empty() {
            // Numbers are newer than letters.
            return if is_digits {
                Ordering::Greater
            } else {
                Ordering::Less
            };
        }
        let order = if is_digits {
            by_number(segment_a, segment_b)
        } else {
            segment_a.cmp(segment_b)
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}
