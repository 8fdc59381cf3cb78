//! What the Security screen shows: the sum of the score, how each part was read, and what was found in its order and its words.
//!
//! What flows through: the agent's report in; rows, groups and sentences out. What it never does: count again what the agent counted, or
//! show what was not read as clean.

mod trend;
mod vulnerabilities;

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use steward_api::{
    CertificateFault, CertificateScan, ConfigurationRisk, ConfigurationRiskKind, DeductionKind,
    Incident, OpenPort, PartState, ResourceId, ResourceKind, ScanPart, SecurityReport,
    SecurityScore, SignInPattern, SignInSource, Task,
};

use crate::{
    format,
    marks::{Mark, Shape, Tone},
    order,
    world::{World, awaits_answer},
};

pub use trend::{Trend, at as trend_at, trend};
pub use vulnerabilities::{Group, Line, Row, lines, severity_mark, vulnerability_count};

/// A reading that is later than its time by so much is said to be overdue.
const OVERDUE: SignedDuration = SignedDuration::from_mins(10);

const fn mark(shape: Shape, word: &'static str, tone: Tone) -> Mark {
    Mark { shape, word, tone }
}

// The score ------------------------------------------------------------------------------------------------------------------------------

/// The score as a sum that comes out exactly: `100 − 40 − 10 = 50`; with `+ 10` for what would go below 0.
pub fn formula(score: &SecurityScore) -> String {
    let mut text = "100".to_owned();
    for deduction in &score.deductions {
        text.push_str(&format!(" − {}", deduction.points));
    }
    if score.beyond_zero > 0 {
        text.push_str(&format!(" + {}", score.beyond_zero));
    }
    text.push_str(&format!(" = {}", score.score));
    text
}

/// What the sum needs to be said besides; empty where it says all by itself.
pub fn formula_notes(score: &SecurityScore) -> Vec<String> {
    let mut notes = Vec::new();
    if score.deductions.is_empty() {
        notes.push("Nothing takes points off.".to_owned());
    }
    if score.beyond_zero > 0 {
        notes.push(format!(
            "The score does not go below 0: {} are given back for that.",
            points(score.beyond_zero)
        ));
    }
    let spared: u64 = score
        .deductions
        .iter()
        .map(|deduction| u64::from(deduction.spared))
        .sum();
    if spared > 0 {
        notes.push(format!(
            "Caps spare {} more, so that one image or one service can't hide all else.",
            format::count(spared, "point")
        ));
    }
    notes
}

/// `1 point`, `20 points`.
pub fn points(number: u32) -> String {
    format::count(u64::from(number), "point")
}

/// For what kind of thing points are taken off.
pub const fn deduction(kind: DeductionKind) -> Mark {
    match kind {
        DeductionKind::CriticalVulnerability => {
            mark(Shape::Block, "critical vulnerability", Tone::Critical)
        }
        DeductionKind::ExpiredCertificate => mark(Shape::Cross, "certificate over", Tone::Bad),
        DeductionKind::ExpiringCertificate => {
            mark(Shape::Hourglass, "certificate ends soon", Tone::Warn)
        }
        DeductionKind::FailedSignIns => mark(Shape::Barred, "failed sign-ins", Tone::Bad),
        DeductionKind::UnexpectedPort => mark(Shape::Triangle, "unexpected port", Tone::Warn),
    }
}

// The parts ------------------------------------------------------------------------------------------------------------------------------

/// The name of a part for a person.
pub const fn part_name(part: ScanPart) -> &'static str {
    match part {
        ScanPart::Vulnerabilities => "Vulnerabilities",
        ScanPart::Certificates => "Certificates",
        ScanPart::Authentication => "Authentication",
        ScanPart::Ports => "Ports",
        ScanPart::Configuration => "Configuration",
    }
}

/// How the reading of a part stands. That it was read says nothing of what was found, so it is no green either.
pub fn part_mark(state: &PartState, now: Timestamp) -> Mark {
    let overdue = state
        .next_at
        .is_some_and(|next| now.duration_since(next) > OVERDUE);
    match (state.read_at, state.gaps.is_empty()) {
        (None, true) => mark(Shape::Question, "not read yet", Tone::Unsure),
        (None, false) => mark(Shape::Cross, "could not be read", Tone::Bad),
        (Some(_), _) if overdue => mark(Shape::Clock, "overdue", Tone::Warn),
        (Some(_), false) => mark(Shape::HalfDisc, "read with gaps", Tone::Warn),
        (Some(_), true) => mark(Shape::Check, "read", Tone::Quiet),
    }
}

/// What stands in a section of which nothing was found: why there is nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// The part is not scanned by this agent.
    NotScanned,
    /// It was never read.
    NotRead,
    /// It could not be read: why.
    Failed(Vec<String>),
    /// It was read then, and there is none.
    None(Timestamp),
    /// It was read then as far as it could be, and there is none in that.
    NoneButGaps(Timestamp),
}

/// Why there is nothing of a part.
pub fn nothing(report: &SecurityReport, part: ScanPart) -> Nothing {
    let Some(state) = report.parts.iter().find(|state| state.part == part) else {
        return Nothing::NotScanned;
    };
    match (state.read_at, state.gaps.is_empty()) {
        (None, true) => Nothing::NotRead,
        (None, false) => Nothing::Failed(state.gaps.clone()),
        (Some(at), true) => Nothing::None(at),
        (Some(at), false) => Nothing::NoneButGaps(at),
    }
}

/// Whether a part was read (or tried to be) since it was as it was `before`.
pub fn was_scanned(before: &PartState, now: &PartState) -> bool {
    before.tried_at != now.tried_at
}

/// How much was found of a part, in words for the list of parts.
pub fn found(report: &SecurityReport, part: ScanPart) -> String {
    match part {
        ScanPart::Vulnerabilities => format!(
            "{} in {}",
            vulnerability_count(report),
            format::count(report.images.len() as u64, "image")
        ),
        ScanPart::Certificates => format::count(report.certificates.len() as u64, "certificate"),
        ScanPart::Authentication => format!(
            "{} of failed attempts",
            format::count(report.sign_ins.len() as u64, "source")
        ),
        ScanPart::Ports => {
            let rows = ports(&report.ports);
            let exposed = rows.iter().filter(|row| row.is_exposed).count();
            format!("{} to others", format::count(exposed as u64, "open port"))
        }
        ScanPart::Configuration => format::count(report.risks.len() as u64, "risk"),
    }
}

// Certificates ---------------------------------------------------------------------------------------------------------------------------

/// Certificates, the first to end first.
pub fn certificates(report: &SecurityReport) -> Vec<CertificateScan> {
    let mut all = report.certificates.clone();
    order::sort_by(&mut all, |a, b| {
        (a.not_after, &a.place).cmp(&(b.not_after, &b.place))
    });
    all
}

/// `ends in 12 days`, `ended 3 days ago`, `ends in 5 h`.
pub fn ends(not_after: Timestamp, now: Timestamp) -> String {
    const DAY: i64 = 86_400;
    let left = not_after.duration_since(now);
    let amount = |whole: SignedDuration| {
        let days = whole.as_secs() / DAY;
        if days >= 1 {
            format::count(days.unsigned_abs(), "day")
        } else {
            format::duration(whole)
        }
    };
    if left.is_negative() {
        format!("ended {} ago", amount(left.abs()))
    } else {
        format!("ends in {}", amount(left))
    }
}

/// How a certificate is, by the worst of its faults.
pub fn certificate_mark(scan: &CertificateScan) -> Mark {
    let has = |fault| scan.faults.iter().any(|(kind, _)| *kind == fault);
    if has(CertificateFault::Expired) {
        mark(Shape::Cross, "over", Tone::Bad)
    } else if has(CertificateFault::Expiring) {
        mark(Shape::Hourglass, "ends soon", Tone::Warn)
    } else if scan.faults.is_empty() {
        mark(Shape::Disc, "in order", Tone::Good)
    } else {
        mark(Shape::HalfDisc, "has a fault", Tone::Warn)
    }
}

/// For whom a certificate is: its names, else its subject.
pub fn certificate_names(scan: &CertificateScan) -> String {
    const SHOWN: usize = 3;
    if scan.names.is_empty() {
        return if scan.subject.is_empty() {
            "for nobody by name".to_owned()
        } else {
            scan.subject.clone()
        };
    }
    let mut text = scan
        .names
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if scan.names.len() > SHOWN {
        text.push_str(&format!(" and {} more", scan.names.len() - SHOWN));
    }
    text
}

// Authentication -------------------------------------------------------------------------------------------------------------------------

const fn pattern_rank(pattern: SignInPattern) -> u8 {
    match pattern {
        SignInPattern::SuccessAfterFailures => 0,
        SignInPattern::BruteForce => 1,
        SignInPattern::Spraying => 2,
        SignInPattern::Distributed => 3,
        SignInPattern::Few => 4,
    }
}

/// Sources of failed attempts: who came in first, then what looks like an attack, then who tried most.
pub fn sign_ins(report: &SecurityReport) -> Vec<SignInSource> {
    let mut all = report.sign_ins.clone();
    order::sort_by(&mut all, |a, b| {
        let key = |one: &SignInSource| {
            (
                pattern_rank(one.pattern),
                Reverse(one.failures),
                one.address,
            )
        };
        key(a)
            .cmp(&key(b))
            .then_with(|| a.service.cmp(&b.service))
            .then_with(|| a.first_at.cmp(&b.first_at))
    });
    all
}

/// How a source looks.
pub const fn pattern_mark(pattern: SignInPattern) -> Mark {
    match pattern {
        SignInPattern::SuccessAfterFailures => mark(Shape::Block, "came in", Tone::Critical),
        SignInPattern::BruteForce => mark(Shape::Cross, "brute force", Tone::Bad),
        SignInPattern::Spraying => mark(Shape::Barred, "spraying", Tone::Bad),
        SignInPattern::Distributed => mark(Shape::Diamond, "distributed", Tone::Bad),
        SignInPattern::Few => mark(Shape::Dot, "a few failures", Tone::Quiet),
    }
}

// Ports ----------------------------------------------------------------------------------------------------------------------------------

/// A port of the host on all addresses on which it is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortRow {
    /// `tcp` or `udp`.
    pub transport: String,
    /// Which.
    pub port: u16,
    /// On which addresses, in words.
    pub addresses: Vec<String>,
    /// The program that listens, where it may be known.
    pub program: Option<String>,
    /// The container that publishes it, with its own port.
    pub container: Option<(ResourceId, u16)>,
    /// Whether others can reach it on any address.
    pub is_exposed: bool,
    /// Why it is expected; absent where it is not, on any address that others can reach.
    pub expected: Option<String>,
    /// When it was first seen.
    pub first_seen: Option<Timestamp>,
}

impl PortRow {
    /// Whether somebody should look at it.
    pub const fn is_unexpected(&self) -> bool {
        self.is_exposed && self.expected.is_none()
    }

    /// How it looks.
    pub const fn mark(&self) -> Mark {
        if self.is_unexpected() {
            mark(Shape::Triangle, "not expected", Tone::Warn)
        } else if self.is_exposed {
            mark(Shape::Check, "expected", Tone::Good)
        } else {
            mark(Shape::Dot, "this machine alone", Tone::Quiet)
        }
    }

    /// Its resource.
    pub fn id(&self, node: &str) -> ResourceId {
        let name = format!("{}/{}", self.port, self.transport);
        ResourceId::new(node, ResourceKind::Port, name)
    }
}

/// Ports, each once: those that are not expected first, then the other open ones, then those that this machine alone reaches.
pub fn ports(all: &[OpenPort]) -> Vec<PortRow> {
    let mut rows: BTreeMap<(u16, &str), Vec<&OpenPort>> = BTreeMap::new();
    for port in all {
        rows.entry((port.port, &port.transport))
            .or_default()
            .push(port);
    }
    let mut rows: Vec<PortRow> = rows
        .into_iter()
        .map(|((port, transport), places)| {
            let is_exposed = places.iter().any(|place| place.is_exposed);
            let unexpected = places
                .iter()
                .any(|place| place.is_exposed && place.expected.is_none());
            let expected = places.iter().find_map(|place| place.expected.clone());
            let mut addresses: Vec<String> = places
                .iter()
                .map(|place| crate::words::security::address(&place.address))
                .collect();
            addresses.dedup();
            PortRow {
                transport: transport.to_owned(),
                port,
                addresses,
                program: places.iter().find_map(|place| place.program.clone()),
                container: places.iter().find_map(|place| place.container.clone()),
                is_exposed,
                expected: expected.filter(|_| !unexpected),
                first_seen: places.iter().filter_map(|place| place.first_seen).min(),
            }
        })
        .collect();
    order::sort_by(&mut rows, |a, b| {
        let rank = |row: &PortRow| (!row.is_unexpected(), !row.is_exposed);
        rank(a).cmp(&rank(b))
    });
    rows
}

// Configuration --------------------------------------------------------------------------------------------------------------------------

/// How a risk of configuration looks: its name, and how far it reaches.
pub const fn risk_mark(kind: ConfigurationRiskKind) -> Mark {
    use ConfigurationRiskKind as Kind;
    match kind {
        Kind::Privileged => mark(Shape::ThreeBars, "privileged", Tone::Critical),
        Kind::DockerSocket => mark(Shape::ThreeBars, "Docker socket", Tone::Critical),
        Kind::Capabilities => mark(Shape::ThreeBars, "capabilities", Tone::Critical),
        Kind::HostPid => mark(Shape::TwoBars, "host's processes", Tone::Warn),
        Kind::HostNetwork => mark(Shape::TwoBars, "host's network", Tone::Warn),
        Kind::WritableHostPath => mark(Shape::TwoBars, "writable host path", Tone::Warn),
        Kind::SecretInEnvironment => mark(Shape::TwoBars, "secret in environment", Tone::Warn),
        Kind::StewardListens => mark(Shape::TwoBars, "Steward's interface", Tone::Warn),
        Kind::StewardFiles => mark(Shape::TwoBars, "Steward's files", Tone::Warn),
        Kind::StewardTokens => mark(Shape::TwoBars, "Steward's tokens", Tone::Warn),
        Kind::RunsAsRoot => mark(Shape::OneBar, "runs as root", Tone::Quiet),
        Kind::LatestTag => mark(Shape::OneBar, "no fixed tag", Tone::Quiet),
    }
}

const fn risk_rank(kind: ConfigurationRiskKind) -> u8 {
    match risk_mark(kind).tone {
        Tone::Critical => 0,
        Tone::Warn => 1,
        _ => 2,
    }
}

/// Risks by resource: whoever has the worst first, then whoever has most of them.
pub fn risks(report: &SecurityReport) -> Vec<(ResourceId, Vec<ConfigurationRisk>)> {
    let mut groups: BTreeMap<&ResourceId, Vec<ConfigurationRisk>> = BTreeMap::new();
    for risk in &report.risks {
        groups.entry(&risk.resource).or_default().push(risk.clone());
    }
    let mut groups: Vec<_> = groups
        .into_iter()
        .map(|(resource, mut risks)| {
            order::sort_by(&mut risks, |a, b| {
                (risk_rank(a.kind), a.kind).cmp(&(risk_rank(b.kind), b.kind))
            });
            (resource.clone(), risks)
        })
        .collect();
    order::sort_by(&mut groups, |(_, a), (_, b)| {
        let key = |risks: &[ConfigurationRisk]| {
            let worst = risks.first().map_or(u8::MAX, |risk| risk_rank(risk.kind));
            let alike = risks
                .iter()
                .filter(|risk| risk_rank(risk.kind) == worst)
                .count();
            (worst, Reverse(alike), Reverse(risks.len()))
        };
        key(a).cmp(&key(b))
    });
    groups
}

// What is done about it ------------------------------------------------------------------------------------------------------------------

/// What Steward does about a thing: the incident that is open for it, and the task that would help.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The incident that is not over.
    pub incident: Option<Arc<Incident>>,
    /// The newest of its tasks that is not over, else the newest of all.
    pub task: Option<Arc<Task>>,
}

impl Seen {
    /// Whether the task waits for a person.
    pub fn waits(&self) -> bool {
        self.task.as_deref().is_some_and(awaits_answer)
    }
}

/// What is done about a resource of the scan.
pub fn seen(world: &World, about: &ResourceId) -> Seen {
    let incident = world
        .incidents
        .values()
        .rev()
        .find(|incident| incident.is_active() && incident.resource == *about)
        .cloned();
    let task = incident.as_ref().and_then(|incident| {
        let tasks = || {
            incident
                .tasks
                .iter()
                .rev()
                .filter_map(|id| world.tasks.get(id))
        };
        tasks()
            .find(|task| !task.status.is_final())
            .or_else(|| tasks().next())
            .cloned()
    });
    Seen { incident, task }
}

/// The resource of an image.
pub fn image_id(node: &str, image: &str) -> ResourceId {
    ResourceId::new(node, ResourceKind::Image, image)
}

/// The resource of a certificate.
pub fn certificate_id(node: &str, place: &str) -> ResourceId {
    ResourceId::new(node, ResourceKind::Certificate, place)
}

/// The resource of signing in at a service.
pub fn sign_in_id(node: &str, service: &str) -> ResourceId {
    ResourceId::new(node, ResourceKind::SignIn, service)
}

#[cfg(test)]
#[path = "security_tests.rs"]
mod tests;
