//! Semantic Versioning 2.0.0 §11, lenient in two things: a leading `v` (Go), and any count of numbers, missing ones being 0 (NuGet).

use std::cmp::Ordering;

use super::{by_number, is_number};

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (split(a)?, split(b)?);
    let longest = a.0.len().max(b.0.len());
    for at in 0..longest {
        let number = |numbers: &[&str]| numbers.get(at).copied().unwrap_or("0").to_owned();
        let order = by_number(&number(&a.0), &number(&b.0));
        if order.is_ne() {
            return Some(order);
        }
    }
    Some(match (a.1, b.1) {
        (None, None) => Ordering::Equal,
        // What comes before a release is older than it.
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(a), Some(b)) => before_release(a, b),
    })
}

/// The numbers, and what says that it comes before the release.
fn split(version: &str) -> Option<(Vec<&str>, Option<&str>)> {
    let version = version.strip_prefix(['v', 'V', '=']).unwrap_or(version);
    // What was built plays no part in the order.
    let version = version.split('+').next().unwrap_or_default();
    let (numbers, before) = match version.split_once('-') {
        Some((numbers, before)) => (numbers, Some(before)),
        None => (version, None),
    };
    let numbers: Vec<&str> = numbers.split('.').collect();
    let is_right = numbers.iter().all(|number| is_number(number)) && before != Some("");
    is_right.then_some((numbers, before))
}

fn before_release(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (is_number(a), is_number(b)) {
                (true, true) => by_number(a, b),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => a.cmp(b),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}
