//! Vulnerabilities as the lines of one long list: by container or by package, filtered, the most urgent first.
//!
//! What flows through: the scans of images and a filter in, lines of the same height out, each with a key that is its own. What it never
//! does: leave out one that fits the filter, however many there are.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher as _},
    sync::Arc,
};

use steward_api::{
    ImageScan, ResourceId, SecurityReport, Vulnerability, VulnerabilitySeverity as Severity,
};

use crate::{
    filter::{SecurityFilter, wanted},
    format,
    marks::{Mark, Shape, Tone},
    order, words,
};

/// So many names stand in a line before the rest is counted.
const NAMES: usize = 3;

/// The head of a group: a container's image, or a package.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// Whose they are: the containers, or the package.
    pub name: String,
    /// The image, or the ecosystem.
    pub below: String,
    /// How many of which severity, in words.
    pub counts: String,
    /// The image, where the group is one.
    pub image: Option<String>,
}

/// One vulnerability of a package, in one image or in several.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// Other ids of the same.
    pub aliases: Vec<String>,
    /// How severe.
    pub severity: Severity,
    /// The base score by CVSS, with one decimal.
    pub cvss: Option<String>,
    /// It is known to have been used in attacks.
    pub known_exploited: bool,
    /// The package.
    pub package: String,
    /// Its ecosystem.
    pub ecosystem: String,
    /// The version that is installed.
    pub installed: String,
    /// The installed packages' own names, where they differ.
    pub installed_as: Vec<String>,
    /// The files that say so.
    pub found_in: String,
    /// The first version without it.
    pub fixed: Option<String>,
    /// What it is.
    pub summary: String,
    /// The images that hold it.
    pub images: Vec<String>,
    /// The containers that run those.
    pub containers: Vec<ResourceId>,
}

/// A line of the list. All are of the same height.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Line {
    /// The head of a group.
    Group(Arc<Group>),
    /// One of its vulnerabilities.
    Row(Arc<Row>),
}

impl Line {
    /// What it says as a number: two that say the same have the same.
    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// How severe, as a mark. What nobody has said is not known, and not low.
pub const fn severity_mark(severity: Severity) -> Mark {
    let (shape, word, tone) = match severity {
        Severity::Critical => (Shape::Block, "critical", Tone::Critical),
        Severity::High => (Shape::Cross, "high", Tone::Bad),
        Severity::Medium => (Shape::Triangle, "medium", Tone::Warn),
        Severity::Low => (Shape::Dot, "low", Tone::Quiet),
        Severity::Unknown => (Shape::Question, "severity unknown", Tone::Unsure),
    };
    Mark { shape, word, tone }
}

/// `1 vulnerability`, `1,203 vulnerabilities`: each once for each image.
pub fn vulnerability_count(report: &SecurityReport) -> String {
    let mut all: BTreeSet<(&str, &str)> = BTreeSet::new();
    for scan in &report.images {
        for one in &scan.vulnerabilities {
            all.insert((&scan.image_id, &one.id));
        }
    }
    counted(all.len())
}

fn counted(number: usize) -> String {
    match number {
        1 => "1 vulnerability".to_owned(),
        many => format!("{} vulnerabilities", format::grouped(many as u64)),
    }
}

/// The lines to show, each with a key of its own that it keeps for as long as it says the same; and how many vulnerabilities stand in them.
pub fn lines(images: &[ImageScan], filter: &SecurityFilter) -> (Vec<(u64, Line)>, usize) {
    let words = wanted(&filter.search);
    let fits = |scan: &ImageScan, one: &Vulnerability| {
        if filter.severity.is_some_and(|least| one.severity < least) {
            return false;
        }
        if words.is_empty() {
            return true;
        }
        let text = searched(scan, one);
        words.iter().all(|word| text.contains(word))
    };
    let mut groups: BTreeMap<(&str, &str), Vec<(&ImageScan, &Vulnerability)>> = BTreeMap::new();
    for scan in images {
        for one in &scan.vulnerabilities {
            if fits(scan, one) {
                let key = if filter.by_package {
                    (one.package.ecosystem.as_str(), one.package.name.as_str())
                } else {
                    (scan.image.as_str(), scan.image_id.as_str())
                };
                groups.entry(key).or_default().push((scan, one));
            }
        }
    }
    let mut groups: Vec<(Group, Vec<Row>)> = groups
        .into_values()
        .filter_map(|found| {
            let (scan, one) = *found.first()?;
            let rows = rows(&found);
            let group = if filter.by_package {
                of_package(one, &rows)
            } else {
                of_image(scan, &rows)
            };
            Some((group, rows))
        })
        .collect();
    order::sort_by(&mut groups, |(one, a), (other, b)| {
        by_urgency(a, b).then_with(|| one.name.cmp(&other.name))
    });
    let mut lines = Vec::new();
    let mut number = 0;
    let mut keys = BTreeSet::new();
    let mut add = |line: Line| {
        let mut key = line.key();
        while !keys.insert(key) {
            key = key.wrapping_add(1);
        }
        lines.push((key, line));
    };
    for (group, rows) in groups {
        add(Line::Group(Arc::new(group)));
        number += rows.len();
        for row in rows {
            add(Line::Row(Arc::new(row)));
        }
    }
    (lines, number)
}

fn searched(scan: &ImageScan, one: &Vulnerability) -> String {
    let mut text = format!(
        "{} {} {} {} {} {}",
        one.id,
        one.aliases.join(" "),
        one.package.name,
        one.package.installed_as.join(" "),
        one.summary,
        scan.image
    );
    for container in &scan.containers {
        text.push(' ');
        text.push_str(container.short());
    }
    text.to_lowercase()
}

/// One row for each vulnerability of a package in one version, with every image that holds it.
fn rows(found: &[(&ImageScan, &Vulnerability)]) -> Vec<Row> {
    let mut by_what: BTreeMap<[&str; 4], Row> = BTreeMap::new();
    for (scan, one) in found {
        let package = &one.package;
        let key = [&one.id, &package.name, &package.version, &package.ecosystem];
        let row = by_what
            .entry(key.map(String::as_str))
            .or_insert_with(|| row(one));
        if !row.images.contains(&scan.image) {
            row.images.push(scan.image.clone());
        }
        for container in &scan.containers {
            if !row.containers.contains(container) {
                row.containers.push(container.clone());
            }
        }
    }
    let mut rows: Vec<Row> = by_what.into_values().collect();
    order::sort_by(&mut rows, |a, b| urgency(a).cmp(&urgency(b)));
    rows
}

fn row(one: &Vulnerability) -> Row {
    let package = &one.package;
    Row {
        id: one.id.clone(),
        aliases: one.aliases.clone(),
        severity: one.severity,
        cvss: one.cvss.map(|score| format!("{score:.1}")),
        known_exploited: one.known_exploited,
        package: package.name.clone(),
        ecosystem: package.ecosystem.clone(),
        installed: package.version.clone(),
        installed_as: package.installed_as.clone(),
        found_in: package.found_in.clone(),
        fixed: one.fixed_version.clone(),
        summary: one.summary.clone(),
        images: Vec::new(),
        containers: Vec::new(),
    }
}

/// Known-exploited first, then by severity, then by the score.
fn urgency(row: &Row) -> impl Ord {
    let tenths = row
        .cvss
        .as_ref()
        .and_then(|score| score.replace('.', "").parse::<u32>().ok());
    (
        !row.known_exploited,
        Reverse(row.severity),
        Reverse(tenths),
        row.id.clone(),
    )
}

/// The group with the most urgent row first; of two alike the one with more of that kind.
fn by_urgency(a: &[Row], b: &[Row]) -> Ordering {
    let key = |rows: &[Row]| {
        let exploited = rows.iter().filter(|row| row.known_exploited).count();
        let of = |severity| rows.iter().filter(|row| row.severity == severity).count();
        Reverse((
            exploited,
            of(Severity::Critical),
            of(Severity::High),
            of(Severity::Medium),
            rows.len(),
        ))
    };
    key(a).cmp(&key(b))
}

/// `1 exploited, 2 critical, 12 high, 3 more`.
fn counts(rows: &[Row]) -> String {
    let mut parts = Vec::new();
    let mut rest = rows.len();
    let exploited = rows.iter().filter(|row| row.known_exploited).count();
    if exploited > 0 {
        parts.push(format!("{exploited} exploited"));
    }
    for severity in [Severity::Critical, Severity::High] {
        let number = rows.iter().filter(|row| row.severity == severity).count();
        rest -= number;
        if number > 0 {
            let number = format::grouped(number as u64);
            parts.push(format!("{number} {}", severity.as_str()));
        }
    }
    if rest > 0 {
        let rest = format::grouped(rest as u64);
        parts.push(if parts.is_empty() {
            format!("{rest} below high")
        } else {
            format!("{rest} more")
        });
    }
    parts.join(", ")
}

/// `web, api and 3 more`.
pub(super) fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES).copied().collect::<Vec<_>>();
    match names.len().saturating_sub(NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn of_image(scan: &ImageScan, rows: &[Row]) -> Group {
    let names: Vec<&str> = scan.containers.iter().map(ResourceId::short).collect();
    let what = scan
        .distribution
        .as_ref()
        .map_or_else(String::new, |what| format!(" · {what}"));
    Group {
        name: if names.is_empty() {
            "No container runs it now".to_owned()
        } else {
            listed(&names)
        },
        below: format!(
            "{}{what} · {} · by {}",
            scan.image,
            format::count(u64::from(scan.packages), "package"),
            scan.source
        ),
        counts: counts(rows),
        image: Some(scan.image.clone()),
    }
}

fn of_package(one: &Vulnerability, rows: &[Row]) -> Group {
    let images: BTreeSet<&String> = rows.iter().flat_map(|row| &row.images).collect();
    let versions: BTreeSet<&str> = rows.iter().map(|row| row.installed.as_str()).collect();
    let versions: Vec<&str> = versions.into_iter().collect();
    Group {
        name: one.package.name.clone(),
        below: format!(
            "{} · installed {} · in {}",
            one.package.ecosystem,
            listed(&versions),
            format::count(images.len() as u64, "image")
        ),
        counts: counts(rows),
        image: None,
    }
}

impl Row {
    /// From which version to which: `3.0.11 → 3.0.15`, or that none is known.
    pub fn versions(&self) -> String {
        match &self.fixed {
            Some(fixed) => format!("{} → {fixed}", self.installed),
            None => format!("{}, {}", self.installed, words::security::fixed(None)),
        }
    }
}
