//! Ruby's versions, as `Gem::Version` documents: segments of digits or letters, letters being older than numbers.

use std::cmp::Ordering;

use super::{by_number, is_number, split_run};

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (segments(a)?, segments(b)?);
    for at in 0..a.len().max(b.len()) {
        let order = match (a.get(at), b.get(at)) {
            (Some(a), Some(b)) => match (is_number(a), is_number(b)) {
                (true, true) => by_number(a, b),
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => a.cmp(b),
            },
            // Against nothing a number counts as more than 0, and a word as less.
            (Some(a), None) => against_nothing(a),
            (None, Some(b)) => against_nothing(b).reverse(),
            (None, None) => Ordering::Equal,
        };
        if order.is_ne() {
            return Some(order);
        }
    }
    Some(Ordering::Equal)
}

fn against_nothing(segment: &str) -> Ordering {
    if is_number(segment) {
        by_number(segment, "0")
    } else {
        Ordering::Less
    }
}

/// The segments; a hyphen begins what comes before the release.
fn segments(version: &str) -> Option<Vec<String>> {
    let is_right = version.starts_with(|c: char| c.is_ascii_digit())
        && version
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-');
    if !is_right {
        return None;
    }
    let mut found = Vec::new();
    for part in version.replace('-', ".pre.").split('.') {
        let mut rest = part;
        while !rest.is_empty() {
            let digits = rest.starts_with(|c: char| c.is_ascii_digit());
            let (segment, after) = split_run(rest, |byte| byte.is_ascii_digit() == digits);
            found.push(segment.to_owned());
            rest = after;
        }
    }
    Some(found)
}
