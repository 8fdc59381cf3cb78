//! Whether a record concerns a package in its version, by the schema's own "evaluation" algorithm, and which version first is without it.

use std::cmp::Ordering;

use steward_api::Package;

use super::record::{Affected, Event, Range, Record};
use crate::security::versions::Notation;

/// What a record says of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It concerns it; and the first later version without it on the same line, where one is known.
    Affected(Option<String>),
    /// It does not concern it.
    Unaffected,
    /// It speaks of the package, but its versions can't be compared.
    Unknown,
}

/// Judges a record for a package.
pub fn judge(record: &Record, package: &Package) -> Verdict {
    let mut verdict = Verdict::Unaffected;
    if record.withdrawn.is_some() {
        return verdict;
    }
    for affected in record.affected.iter().filter(|one| concerns(one, package)) {
        match of_entry(affected, package) {
            Verdict::Unaffected => {}
            Verdict::Unknown if verdict == Verdict::Unaffected => verdict = Verdict::Unknown,
            Verdict::Unknown => {}
            Verdict::Affected(fixed) => {
                verdict = match verdict {
                    Verdict::Affected(known) => Verdict::Affected(known.or(fixed)),
                    _ => Verdict::Affected(fixed),
                };
            }
        }
    }
    verdict
}

/// Whether an entry speaks of the package. An ecosystem without a release speaks of every release.
pub(super) fn concerns(affected: &Affected, package: &Package) -> bool {
    let (theirs, ours) = (&affected.package, package);
    let same_ecosystem = theirs.ecosystem == ours.ecosystem
        || ours
            .ecosystem
            .strip_prefix(&theirs.ecosystem)
            .is_some_and(|rest| rest.starts_with(':'));
    // Python's names are recorded as they are normalised, but not by everyone.
    let same_name = theirs.name == ours.name
        || (ours.ecosystem == "PyPI"
            && theirs.name.to_ascii_lowercase().replace(['_', '.'], "-") == ours.name);
    same_ecosystem && same_name && !theirs.name.is_empty()
}

fn of_entry(affected: &Affected, package: &Package) -> Verdict {
    let version = package.version.as_str();
    let notation = Notation::of_ecosystem(&package.ecosystem);
    let listed = affected.versions.iter().any(|one| one == version);
    let (mut inside, mut fixed, mut unknown) = (listed, None, false);
    for range in &affected.ranges {
        let notation = match range.kind.as_str() {
            "SEMVER" => Some(Notation::SemVer),
            "ECOSYSTEM" => notation,
            _ => continue,
        };
        match notation.and_then(|notation| of_range(range, version, notation)) {
            None => unknown = true,
            Some(Place::Outside) => {}
            Some(Place::Inside(end)) => {
                inside = true;
                fixed = fixed.or(end);
            }
        }
    }
    if inside {
        return Verdict::Affected(fixed.or_else(|| next_fix(affected, version, notation?)));
    }
    let speaks = !affected.versions.is_empty() || !affected.ranges.is_empty();
    if unknown && affected.versions.is_empty() || !speaks {
        Verdict::Unknown
    } else {
        Verdict::Unaffected
    }
}

enum Place {
    /// With the version that ends it.
    Inside(Option<String>),
    Outside,
}

/// Which version an event speaks of, and its turn among events of the same version: what ends comes before what begins.
fn of_event(event: &Event) -> Option<(&str, u8)> {
    [
        (&event.introduced, 1),
        (&event.fixed, 0),
        (&event.last_affected, 2),
        (&event.limit, 0),
    ]
    .into_iter()
    .find_map(|(version, turn)| Some((version.as_deref()?, turn)))
}

/// `None` where a version on the line can't be compared.
fn of_range(range: &Range, version: &str, notation: Notation) -> Option<Place> {
    let against = |other: &str| match other {
        // Before every version.
        "0" => Some(Ordering::Greater),
        other => notation.compare(version, other),
    };
    let mut events: Vec<(&Event, &str, u8)> = range
        .events
        .iter()
        .filter_map(|event| of_event(event).map(|(version, turn)| (event, version, turn)))
        .collect();
    let comparable = events.iter().all(|(_, at, _)| against(at).is_some());
    if events.is_empty() || !comparable {
        return None;
    }
    events.sort_by(|(_, a, turn_a), (_, b, turn_b)| {
        let order = match (*a, *b) {
            ("0", "0") => Ordering::Equal,
            ("0", _) => Ordering::Less,
            (_, "0") => Ordering::Greater,
            (a, b) => notation.compare(a, b).unwrap_or(Ordering::Equal),
        };
        order.then(turn_a.cmp(turn_b))
    });
    let mut inside = false;
    let mut end = None;
    for (event, at, _) in &events {
        let order = against(at)?;
        if event.introduced.is_some() {
            if order.is_ge() {
                inside = true;
            }
        } else if event.fixed.is_some() {
            if order.is_ge() {
                inside = false;
            } else if inside && end.is_none() {
                end = Some((*at).to_owned());
            }
        } else if event.last_affected.is_some() {
            if order.is_gt() {
                inside = false;
            }
        } else if order.is_ge() && *at != "*" {
            inside = false;
        }
    }
    Some(if inside {
        Place::Inside(end)
    } else {
        Place::Outside
    })
}

/// The lowest version above this one that mends it, on whichever line: for versions that are listed by name.
fn next_fix(affected: &Affected, version: &str, notation: Notation) -> Option<String> {
    let is_above = |fix: &&str| notation.compare(fix, version) == Some(Ordering::Greater);
    affected
        .ranges
        .iter()
        .filter(|range| range.kind != "GIT")
        .flat_map(|range| &range.events)
        .filter_map(|event| event.fixed.as_deref())
        .filter(is_above)
        .min_by(|a, b| notation.compare(a, b).unwrap_or(Ordering::Equal))
        .map(str::to_owned)
}

/// The version that mends it, for a package of which somebody else has said that it is concerned.
pub(super) fn fix_of(record: &Record, package: &Package) -> Option<String> {
    if let Verdict::Affected(Some(fixed)) = judge(record, package) {
        return Some(fixed);
    }
    let notation = Notation::of_ecosystem(&package.ecosystem)?;
    record
        .affected
        .iter()
        .filter(|affected| concerns(affected, package))
        .find_map(|affected| next_fix(affected, &package.version, notation))
}
