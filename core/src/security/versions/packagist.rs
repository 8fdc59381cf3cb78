//! PHP's versions, as `version_compare()` documents and Composer uses them.

use std::cmp::Ordering;

use super::{by_number, is_number, split_run};

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (parts(a)?, parts(b)?);
    for at in 0..a.len().max(b.len()) {
        let order = match (a.get(at), b.get(at)) {
            (Some(a), Some(b)) if is_number(a) && is_number(b) => by_number(a, b),
            (Some(a), Some(b)) => rank(a).cmp(&rank(b)),
            // A further number makes it newer, but for zeros, which Composer adds by itself; a word is what it is.
            (Some(a), None) => beyond(a),
            (None, Some(b)) => beyond(b).reverse(),
            (None, None) => Ordering::Equal,
        };
        if order.is_ne() {
            return Some(order);
        }
    }
    Some(Ordering::Equal)
}

fn beyond(part: &str) -> Ordering {
    if is_number(part) {
        by_number(part, "0")
    } else {
        rank(part).cmp(&rank("#"))
    }
}

/// "any string not found in this list < dev < alpha = a < beta = b < RC = rc < # < pl = p"
fn rank(part: &str) -> u8 {
    match part {
        "dev" => 1,
        "alpha" | "a" => 2,
        "beta" | "b" => 3,
        "rc" => 4,
        "#" => 5,
        "pl" | "p" | "patch" => 6,
        _ if is_number(part) => 5,
        _ => 0,
    }
}

fn parts(version: &str) -> Option<Vec<String>> {
    let lower = version.to_ascii_lowercase();
    let version = lower.strip_prefix('v').unwrap_or(&lower);
    let version = version.split('+').next().unwrap_or_default();
    if !version.starts_with(|c: char| c.is_ascii_digit()) || !version.is_ascii() {
        return None;
    }
    let mut found = Vec::new();
    for part in version.split(['.', '-', '_']) {
        let mut rest = part;
        while !rest.is_empty() {
            let digits = rest.starts_with(|c: char| c.is_ascii_digit());
            let (run, after) = split_run(rest, |byte| byte.is_ascii_digit() == digits);
            found.push(run.to_owned());
            rest = after;
        }
    }
    // `stable` says nothing.
    found.retain(|part| part != "stable");
    Some(found)
}
