//! From records and packages to findings: one for each vulnerability of each package, under the name by which people know it.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use serde_json::Value;
use steward_api::{Package, Vulnerability, VulnerabilitySeverity};

use super::{
    matching::{Verdict, concerns, fix_of, judge},
    record::{Record, Score},
};
use crate::{
    ports::Advisories,
    security::{cvss, versions::Notation},
};

/// The longest summary that is passed on, in characters.
const LONGEST_SUMMARY: usize = 300;
/// The most aliases that are passed on.
const MOST_ALIASES: usize = 30;

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What is known, in order.
    pub vulnerabilities: Vec<Vulnerability>,
    /// What could not be judged, in words.
    pub gaps: Vec<String>,
}

/// Judges, merges and sorts. `exploited` holds the CVE ids that are known to have been used in attacks.
pub fn findings(
    packages: &[Package],
    matches: &Advisories,
    exploited: &BTreeSet<String>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut records: BTreeMap<&str, Record> = BTreeMap::new();
    for (id, text) in &matches.records {
        match serde_json::from_str::<Record>(text) {
            Ok(record) => {
                records.insert(id, record);
            }
            Err(error) => outcome
                .gaps
                .push(format!("the record {id} can't be understood: {error}")),
        }
    }
    let mut found: BTreeMap<(String, usize), Vulnerability> = BTreeMap::new();
    // Advisories of several CVEs: by package, with what they mend.
    let mut advisories: Vec<(String, usize, BTreeSet<String>)> = Vec::new();
    let mut unjudged: BTreeMap<usize, usize> = BTreeMap::new();
    for (at, id) in &matches.pairs {
        let (Some(package), Some(record)) = (packages.get(*at), records.get(id.as_str())) else {
            continue;
        };
        if record.withdrawn.is_some() {
            continue;
        }
        let fixed = if matches.are_judged {
            fix_of(record, package)
        } else {
            match judge(record, package) {
                Verdict::Affected(fixed) => fixed,
                Verdict::Unaffected => continue,
                Verdict::Unknown => {
                    *unjudged.entry(*at).or_default() += 1;
                    continue;
                }
            }
        };
        let one = finding(record, package, fixed, &records, exploited);
        if one.id == record.id && !one.id.starts_with("CVE-") {
            let mends: BTreeSet<String> = cves(record).collect();
            if !mends.is_empty() {
                advisories.push((one.id.clone(), *at, mends));
            }
        }
        found
            .entry((one.id.clone(), *at))
            .and_modify(|known| merge(known, &one))
            .or_insert(one);
    }
    // An advisory of which every part is told by itself says it twice.
    for (id, at, mends) in advisories {
        if mends
            .iter()
            .all(|cve| found.contains_key(&(cve.clone(), at)))
        {
            found.remove(&(id, at));
        }
    }
    for (at, count) in unjudged {
        if let Some(package) = packages.get(at) {
            outcome.gaps.push(format!(
                "{count} records on {} {} can't be judged: their versions can't be compared",
                package.name, package.version
            ));
        }
    }
    outcome.vulnerabilities = found.into_values().collect();
    in_order(&mut outcome.vulnerabilities);
    outcome
}

/// Known-exploited first, then by severity, score and name.
pub fn in_order(vulnerabilities: &mut [Vulnerability]) {
    let score = |one: &Vulnerability| one.cvss.unwrap_or_default();
    vulnerabilities.sort_by(|a, b| {
        (b.known_exploited, b.severity)
            .cmp(&(a.known_exploited, a.severity))
            .then_with(|| score(b).total_cmp(&score(a)))
            .then_with(|| b.id.cmp(&a.id))
            .then_with(|| a.package.cmp(&b.package))
    });
}

fn finding(
    record: &Record,
    package: &Package,
    fixed_version: Option<String>,
    records: &BTreeMap<&str, Record>,
    exploited: &BTreeSet<String>,
) -> Vulnerability {
    let id = name(record);
    let others: BTreeSet<String> = std::iter::once(record.id.clone())
        .chain(record.aliases.iter().cloned())
        .chain(record.upstream.iter().cloned())
        .filter(|other| *other != id && is_id(other))
        .collect();
    let known_exploited = exploited.contains(&id)
        || others.iter().any(|other| exploited.contains(other))
        || says_exploited(&record.database_specific);
    let (mut cvss, mut severity) = severity_of(record, package);
    if severity == VulnerabilitySeverity::Unknown {
        // Distributions often leave it to the record from which theirs was made.
        let told = std::iter::once(&id)
            .chain(&others)
            .filter_map(|other| records.get(other.as_str()))
            .map(|other| severity_of(other, package))
            .max_by_key(|(_, severity)| *severity);
        (cvss, severity) = told.unwrap_or((cvss, severity));
    }
    let summary = std::iter::once(record)
        .chain(records.get(id.as_str()))
        .map(summary)
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    Vulnerability {
        aliases: others.into_iter().take(MOST_ALIASES).collect(),
        id,
        severity,
        cvss,
        known_exploited,
        package: package.clone(),
        fixed_version,
        summary,
    }
}

fn merge(known: &mut Vulnerability, other: &Vulnerability) {
    let aliases: BTreeSet<String> = known
        .aliases
        .iter()
        .chain(&other.aliases)
        .cloned()
        .collect();
    known.aliases = aliases.into_iter().take(MOST_ALIASES).collect();
    if other.severity > known.severity
        || (other.severity == known.severity && other.cvss > known.cvss)
    {
        known.severity = other.severity;
        known.cvss = other.cvss;
    }
    known.known_exploited |= other.known_exploited;
    if known.summary.is_empty() {
        known.summary.clone_from(&other.summary);
    }
    // The higher fix mends both.
    let notation = Notation::of_ecosystem(&known.package.ecosystem);
    let replaces = match (&known.fixed_version, &other.fixed_version) {
        (None, Some(_)) => true,
        (Some(a), Some(b)) => {
            notation.and_then(|notation| notation.compare(b, a)) == Some(Ordering::Greater)
        }
        (_, None) => false,
    };
    if replaces {
        known.fixed_version.clone_from(&other.fixed_version);
    }
}

/// The name by which people know it: the CVE where it is exactly one.
fn name(record: &Record) -> String {
    let mut aliases: Vec<&String> = record.aliases.iter().filter(|id| is_cve(id)).collect();
    aliases.sort_unstable();
    if let Some(at) = record.id.find("CVE-").filter(|_| record.id.len() < 64) {
        // `CVE-…`, `DEBIAN-CVE-…`, `UBUNTU-CVE-…`, `ALPINE-CVE-…`
        return record.id[at..].to_owned();
    }
    let mut upstream: Vec<&String> = record.upstream.iter().filter(|id| is_cve(id)).collect();
    upstream.sort_unstable();
    upstream.dedup();
    match (&aliases[..], &upstream[..]) {
        ([alias, ..], _) => (*alias).clone(),
        ([], [only]) => (*only).clone(),
        _ => record.id.clone(),
    }
}

fn cves(record: &Record) -> impl Iterator<Item = String> {
    let all = record.upstream.iter().chain(&record.aliases);
    all.filter(|id| is_cve(id)).cloned()
}

fn is_cve(id: &str) -> bool {
    id.starts_with("CVE-") && is_id(id)
}

fn is_id(id: &str) -> bool {
    id.len() < 64 && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The score where a vector tells it, else the word of whoever recorded it.
fn severity_of(record: &Record, package: &Package) -> (Option<f64>, VulnerabilitySeverity) {
    let entries = || record.affected.iter().filter(|one| concerns(one, package));
    let scores = || {
        entries()
            .flat_map(|one| &one.severity)
            .chain(&record.severity)
    };
    if let Some(score) = best_score(scores()) {
        return (Some(score), cvss::severity(score));
    }
    let told = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(by_word);
    let of_entries = entries().flat_map(|one| {
        [
            told(&one.ecosystem_specific, "severity"),
            told(&one.database_specific, "severity"),
            told(&one.ecosystem_specific, "urgency"),
        ]
    });
    let severity = scores()
        .map(|score| by_word(&score.score))
        .chain(of_entries.flatten())
        .chain(told(&record.database_specific, "severity"))
        .max()
        .unwrap_or_default();
    (None, severity)
}

/// The newest version of CVSS that says something.
fn best_score<'a>(scores: impl Iterator<Item = &'a Score>) -> Option<f64> {
    scores
        .filter_map(|score| Some((score.kind.as_str(), cvss::score(&score.score)?)))
        .max_by(|a, b| a.0.cmp(b.0).then(a.1.total_cmp(&b.1)))
        .map(|(_, score)| score)
}

/// A word of severity as distributions and GitHub use them.
fn by_word(word: &str) -> VulnerabilitySeverity {
    match word.trim_end_matches('*').to_ascii_lowercase().as_str() {
        "critical" => VulnerabilitySeverity::Critical,
        "high" | "important" => VulnerabilitySeverity::High,
        "medium" | "moderate" => VulnerabilitySeverity::Medium,
        "low" | "negligible" | "unimportant" | "minor" => VulnerabilitySeverity::Low,
        _ => VulnerabilitySeverity::Unknown,
    }
}

fn says_exploited(specific: &Value) -> bool {
    ["known_exploited", "cisa_kev", "kev"]
        .iter()
        .filter_map(|key| specific.get(key))
        .any(|value| !matches!(value, Value::Null | Value::Bool(false)))
}

/// One line of what it is; whoever recorded it chose the words.
fn summary(record: &Record) -> String {
    let text = [&record.summary, &record.details]
        .into_iter()
        .find(|text| !text.trim().is_empty());
    let line = text.and_then(|text| text.lines().map(str::trim).find(|line| !line.is_empty()));
    let line = line.unwrap_or_default().trim_start_matches(['#', ' ']);
    let mut short: String = line
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_SUMMARY)
        .collect();
    if line.chars().count() > LONGEST_SUMMARY {
        short.push('…');
    }
    short
}
