//! Debian's versions: `[epoch:]upstream[-revision]`, compared as `deb-version(7)` says.

use std::cmp::Ordering;

use super::{by_number, is_number, split_run};

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (split(a)?, split(b)?);
    Some(
        by_number(a.0, b.0)
            .then_with(|| part(a.1, b.1))
            .then_with(|| part(a.2, b.2)),
    )
}

/// Epoch, upstream version, revision. A missing epoch is 0, and a missing revision equals `0`.
fn split(version: &str) -> Option<(&str, &str, &str)> {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    let is_right =
        is_number(epoch) && !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic());
    is_right.then_some((epoch, upstream, revision))
}

/// Turns of what is no digit, by [`weight`], and of digits, by number.
fn part(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (words_a, rest_a) = split_run(a, |byte| !byte.is_ascii_digit());
        let (words_b, rest_b) = split_run(b, |byte| !byte.is_ascii_digit());
        let longest = words_a.len().max(words_b.len());
        for at in 0..longest {
            let order = weight(words_a.as_bytes().get(at)).cmp(&weight(words_b.as_bytes().get(at)));
            if order.is_ne() {
                return order;
            }
        }
        let (number_a, after_a) = split_run(rest_a, |byte| byte.is_ascii_digit());
        let (number_b, after_b) = split_run(rest_b, |byte| byte.is_ascii_digit());
        let order = by_number(number_a, number_b);
        if order.is_ne() {
            return order;
        }
        (a, b) = (after_a, after_b);
    }
    Ordering::Equal
}

/// A tilde comes before the end of a part, then letters, then all else.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}
