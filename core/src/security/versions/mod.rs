//! Versions, compared by the rules of whoever numbers them: each ecosystem has its own, and a wrong one makes a patched package look
//! vulnerable or, worse, the other way round.
//!
//! What flows through: two versions as text in, their order out. What it never does: guess; where a version does not follow its
//! ecosystem's rules there is no order.

mod apk;
mod dpkg;
mod packagist;
mod pep440;
mod rpm;
mod rubygems;
mod semver;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

/// A version longer than this is not looked at; the longest that are known have about 100 characters.
const LONGEST: usize = 512;

/// Whose rules a version follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Notation {
    /// Debian's: `deb-version(7)`.
    Dpkg,
    /// Alpine's: `apk-package(5)`.
    Apk,
    /// RPM's: `rpm-version(7)`.
    Rpm,
    /// Semantic Versioning 2.0.0; with a leading `v` as Go has it, and any count of numbers as NuGet has it.
    SemVer,
    /// Python's: PEP 440.
    Pep440,
    /// Ruby's: `Gem::Version`.
    RubyGems,
    /// PHP's: `version_compare()`, as Composer normalises for it.
    Packagist,
}

impl Notation {
    /// The rules of an ecosystem as OSV names it, such as `Debian:12` or `npm`. `None`: nobody here knows them.
    pub fn of_ecosystem(ecosystem: &str) -> Option<Self> {
        let family = ecosystem.split(':').next().unwrap_or_default();
        Some(match family {
            "Debian" | "Ubuntu" | "Echo" => Self::Dpkg,
            "Alpine"
            | "Wolfi"
            | "Chainguard"
            | "Alpaquita"
            | "MinimOS"
            | "BellSoft Hardened Containers" => Self::Apk,
            "Red Hat" | "Rocky Linux" | "AlmaLinux" | "SUSE" | "openSUSE" | "openEuler"
            | "Photon OS" | "Mageia" | "Azure Linux" => Self::Rpm,
            "npm" | "crates.io" | "Go" | "Hex" | "Pub" | "NuGet" | "SwiftURL" => Self::SemVer,
            "PyPI" => Self::Pep440,
            "RubyGems" => Self::RubyGems,
            "Packagist" => Self::Packagist,
            _ => return None,
        })
    }

    /// The order of two versions. `None` where one does not follow the rules.
    pub fn compare(self, a: &str, b: &str) -> Option<Ordering> {
        let (a, b) = (a.trim(), b.trim());
        if a.is_empty() || b.is_empty() || a.len() > LONGEST || b.len() > LONGEST {
            return None;
        }
        match self {
            Self::Dpkg => dpkg::compare(a, b),
            Self::Apk => apk::compare(a, b),
            Self::Rpm => rpm::compare(a, b),
            Self::SemVer => semver::compare(a, b),
            Self::Pep440 => pep440::compare(a, b),
            Self::RubyGems => rubygems::compare(a, b),
            Self::Packagist => packagist::compare(a, b),
        }
    }
}

/// The order of two runs of digits as numbers, however long.
fn by_number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Whether a text is a run of digits and nothing else.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The text up to where `holds` ends, and the rest.
fn split_run(text: &str, holds: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().take_while(|byte| holds(*byte)).count();
    // A run ends within a character only where `holds` takes bytes beyond ASCII, which none here does.
    text.split_at_checked(end).unwrap_or((text, ""))
}
