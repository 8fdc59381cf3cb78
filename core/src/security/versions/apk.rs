//! Alpine's versions: `number{.number}{letter}{_suffix{number}}{~hash}{-r#}`, as `apk-package(5)` says.

use std::cmp::Ordering;

use super::{by_number, split_run};

/// Suffixes before the release itself, in their order, then those after it.
const SUFFIXES: [(&str, bool); 9] = [
    ("alpha", true),
    ("beta", true),
    ("pre", true),
    ("rc", true),
    ("cvs", false),
    ("svn", false),
    ("git", false),
    ("hg", false),
    ("p", false),
];

/// A part of a version. Where two versions differ in what comes next, the one whose kind stands first here is the newer, unless a
/// suffix says that it comes before the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    /// A number after a dot: with a leading zero it is compared as a fraction.
    Number(&'a str),
    Letter(u8),
    /// Its place in [`SUFFIXES`].
    Suffix(usize),
    SuffixNumber(&'a str),
    Hash(&'a str),
    Revision(&'a str),
}

impl Part<'_> {
    const fn kind(&self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Letter(_) => 1,
            Self::Suffix(_) => 2,
            Self::SuffixNumber(_) => 3,
            Self::Hash(_) => 4,
            Self::Revision(_) => 5,
        }
    }

    fn comes_before_the_release(&self) -> bool {
        matches!(self, Self::Suffix(at) if SUFFIXES.get(*at).is_some_and(|(_, before)| *before))
    }
}

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (parts(a)?, parts(b)?);
    for at in 0.. {
        let (one, other) = (a.get(at), b.get(at));
        let order = match (one, other) {
            (None, None) => break,
            (Some(one), Some(other)) if one.kind() == other.kind() => alike(*one, *other, at == 0),
            (one, other) => {
                let before =
                    |part: Option<&Part<'_>>| part.is_some_and(Part::comes_before_the_release);
                if before(one) {
                    Ordering::Less
                } else if before(other) {
                    Ordering::Greater
                } else {
                    let rank = |part: Option<&Part<'_>>| part.map_or(u8::MAX, Part::kind);
                    rank(other).cmp(&rank(one))
                }
            }
        };
        if order.is_ne() {
            return Some(order);
        }
    }
    Some(Ordering::Equal)
}

/// The order of two parts of one kind.
fn alike(a: Part<'_>, b: Part<'_>, is_first: bool) -> Ordering {
    match (a, b) {
        (Part::Number(a), Part::Number(b))
            if !is_first && (a.starts_with('0') || b.starts_with('0')) =>
        {
            let fraction = |digits: &str| digits.trim_end_matches('0').to_owned();
            fraction(a)
                .cmp(&fraction(b))
                .then_with(|| a.len().cmp(&b.len()))
        }
        (Part::Number(a), Part::Number(b))
        | (Part::SuffixNumber(a), Part::SuffixNumber(b))
        | (Part::Revision(a), Part::Revision(b)) => by_number(a, b),
        (Part::Letter(a), Part::Letter(b)) => a.cmp(&b),
        (Part::Suffix(a), Part::Suffix(b)) => a.cmp(&b),
        (Part::Hash(a), Part::Hash(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

fn parts(version: &str) -> Option<Vec<Part<'_>>> {
    let digits = |text| match split_run(text, |byte| byte.is_ascii_digit()) {
        ("", _) => None,
        split => Some(split),
    };
    let (first, mut rest) = digits(version)?;
    let mut parts = vec![Part::Number(first)];
    while let Some(after) = rest.strip_prefix('.') {
        let (number, after) = digits(after)?;
        parts.push(Part::Number(number));
        rest = after;
    }
    if let Some(letter) = rest.bytes().next().filter(u8::is_ascii_lowercase) {
        parts.push(Part::Letter(letter));
        rest = &rest[1..];
        // Seen in the wild: `1.0b2`.
        if let Some((number, after)) = digits(rest) {
            parts.push(Part::SuffixNumber(number));
            rest = after;
        }
    }
    while let Some(after) = rest.strip_prefix('_') {
        let (name, after) = split_run(after, |byte| byte.is_ascii_lowercase());
        parts.push(Part::Suffix(
            SUFFIXES.iter().position(|(known, _)| *known == name)?,
        ));
        rest = after;
        if let Some((number, after)) = digits(rest) {
            parts.push(Part::SuffixNumber(number));
            rest = after;
        }
    }
    if let Some(after) = rest.strip_prefix('~') {
        let (hash, after) = split_run(after, |byte| byte.is_ascii_hexdigit());
        parts.push(Part::Hash(hash));
        rest = after;
    }
    if let Some(after) = rest.strip_prefix("-r") {
        let (number, after) = digits(after)?;
        parts.push(Part::Revision(number));
        rest = after;
    }
    rest.is_empty().then_some(parts)
}
