//! Python's versions, by PEP 440: `[epoch!]release[{a|b|rc}N][.postN][.devN][+local]`, in all the spellings that it normalises.

use std::cmp::Ordering;

use super::{by_number, split_run};

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Version::parse(a)?, Version::parse(b)?);
    Some(
        by_number(&a.epoch, &b.epoch)
            .then_with(|| release(&a.release, &b.release))
            .then_with(|| phase(&a.pre_key(), &b.pre_key()))
            .then_with(|| optional(a.post.as_ref(), b.post.as_ref()))
            .then_with(|| {
                // A version under development is older than the same without.
                match (&a.dev, &b.dev) {
                    (None, Some(_)) => Ordering::Greater,
                    (Some(_), None) => Ordering::Less,
                    (a, b) => optional(a.as_ref(), b.as_ref()),
                }
            })
            .then_with(|| local(&a.local, &b.local)),
    )
}

/// Where a version stands before its release: `dev` alone first, then a, b, rc, then the release.
type Phase = (u8, String);

#[derive(Default)]
struct Version {
    epoch: String,
    release: Vec<String>,
    pre: Option<Phase>,
    post: Option<String>,
    dev: Option<String>,
    local: Vec<String>,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let text = lower.strip_prefix('v').unwrap_or(&lower);
        let (public, local) = match text.split_once('+') {
            Some((public, local)) => (public, Some(local)),
            None => (text, None),
        };
        let (epoch, mut rest) = public.split_once('!').unwrap_or(("0", public));
        let mut version = Self {
            epoch: digits(epoch)
                .filter(|(_, rest)| rest.is_empty())?
                .0
                .to_owned(),
            ..Self::default()
        };
        loop {
            let (number, after) = digits(rest)?;
            version.release.push(number.to_owned());
            rest = after;
            match after.strip_prefix('.') {
                Some(next) if next.starts_with(|c: char| c.is_ascii_digit()) => rest = next,
                _ => break,
            }
        }
        while !rest.is_empty() {
            // The implicit post release: `1.0-1`.
            if let Some((number, after)) = rest.strip_prefix('-').and_then(digits)
                && version.post.is_none()
            {
                version.post = Some(number.to_owned());
                rest = after;
                continue;
            }
            let from = rest.strip_prefix(['.', '-', '_']).unwrap_or(rest);
            let (word, after) = split_run(from, |byte| byte.is_ascii_lowercase());
            let spaced = after.strip_prefix(['.', '-', '_']).unwrap_or(after);
            let (number, after) = digits(spaced).unwrap_or(("0", after));
            let number = number.to_owned();
            match word {
                "a" | "alpha" if version.is_bare() => version.pre = Some((1, number)),
                "b" | "beta" if version.is_bare() => version.pre = Some((2, number)),
                "c" | "rc" | "pre" | "preview" if version.is_bare() => {
                    version.pre = Some((3, number))
                }
                "post" | "rev" | "r" if version.post.is_none() && version.dev.is_none() => {
                    version.post = Some(number);
                }
                "dev" if version.dev.is_none() => version.dev = Some(number),
                _ => return None,
            }
            rest = after;
        }
        if let Some(local) = local {
            let parts: Vec<String> = local.split(['.', '-', '_']).map(str::to_owned).collect();
            let is_right = |part: &String| {
                !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            };
            if !parts.iter().all(is_right) {
                return None;
            }
            version.local = parts;
        }
        Some(version)
    }

    const fn is_bare(&self) -> bool {
        self.pre.is_none() && self.post.is_none() && self.dev.is_none()
    }

    fn pre_key(&self) -> Phase {
        match &self.pre {
            Some(pre) => pre.clone(),
            None if self.post.is_none() && self.dev.is_some() => (0, String::new()),
            None => (4, String::new()),
        }
    }
}

fn digits(text: &str) -> Option<(&str, &str)> {
    match split_run(text, |byte| byte.is_ascii_digit()) {
        ("", _) => None,
        split => Some(split),
    }
}

fn release(a: &[String], b: &[String]) -> Ordering {
    (0..a.len().max(b.len()))
        .map(|at| {
            let number = |numbers: &[String]| numbers.get(at).cloned().unwrap_or_default();
            by_number(&number(a), &number(b))
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn phase(a: &Phase, b: &Phase) -> Ordering {
    a.0.cmp(&b.0).then_with(|| by_number(&a.1, &b.1))
}

/// Absent before any number.
fn optional(a: Option<&String>, b: Option<&String>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => by_number(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

/// Numbers after words, more parts after fewer, none before any.
fn local(a: &[String], b: &[String]) -> Ordering {
    for (a, b) in a.iter().zip(b) {
        let order = match (super::is_number(a), super::is_number(b)) {
            (true, true) => by_number(a, b),
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => a.cmp(b),
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}
