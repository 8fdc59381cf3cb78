//! What a model gets to see of an incident: numbered pieces of what was gathered. Pure.
//!
//! Each piece has a reference, by which an answer names its evidence, and a kind, by which it is withheld from models outside of the
//! house. What does not fit is left out, the oldest and the least telling first. Text that speaks to its reader (see `orders`) is not
//! shown to any model; a note stands in its place. What it never does: show a secret (all text is cleared once more), or make an
//! instruction of data.

use std::sync::LazyLock;

use regex::Regex;
use steward_api::{Evidence, Resource, is_of_model};

use super::{
    opinion::seconds,
    orders::{IN_ITS_PLACE, speaks_to_its_reader},
    protocol::estimated_tokens,
};
use crate::{
    config::Privacy,
    ports::{Consultation, Relation},
    redact::redact,
};

/// What kind of thing a piece tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// That something is wrong, and since when: every model may know.
    General,
    /// How things are set up.
    Configuration,
    /// What programs wrote.
    Log,
    /// What somebody made of it, or what was once: no observation of what is wrong. Every model may know.
    View,
}

impl Kind {
    const fn may_leave(self, privacy: Privacy) -> bool {
        match self {
            Self::General | Self::View => true,
            Self::Configuration => privacy.configuration_to_cloud,
            Self::Log => privacy.logs_to_cloud,
        }
    }
}

/// One piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// By which an answer refers to it, such as `L12`.
    pub(super) reference: String,
    /// What kind of thing it tells of.
    pub(super) kind: Kind,
    /// Whether it also tells of who may do what.
    pub(super) is_of_security: bool,
    /// Whether it stands in the place of a text that speaks to its reader.
    pub(super) is_order: bool,
    /// Where it comes from, as evidence says it.
    pub(super) source: String,
    /// What it tells, on one line.
    pub(super) text: String,
    /// Leave it out later than one with less.
    weight: u32,
}

impl Piece {
    /// The piece as evidence of a diagnosis.
    pub(super) fn as_evidence(&self) -> Evidence {
        Evidence::new(self.source.clone(), self.text.clone())
    }
}

/// Everything that there is to show, in the order in which it is shown.
pub(super) fn all(case: &Consultation) -> Vec<Piece> {
    let mut pieces = Pieces::default();
    pieces.findings(case);
    if let Some(resource) = &case.resource {
        pieces.resource(resource);
    }
    pieces.surroundings(case);
    pieces.history(case);
    pieces.log(case);
    pieces.0
}

/// Those that a model of somebody else's may see.
pub(super) fn for_cloud(pieces: Vec<Piece>, privacy: Privacy) -> Vec<Piece> {
    pieces
        .into_iter()
        .filter(|piece| {
            piece.kind.may_leave(privacy) && (!piece.is_of_security || privacy.security_to_cloud)
        })
        .collect()
}

/// Those that fit into so many tokens.
pub(super) fn that_fit(mut pieces: Vec<Piece>, tokens: u64) -> Vec<Piece> {
    let size = |piece: &Piece| {
        estimated_tokens(
            piece.text.chars().count() + piece.source.len() + piece.reference.len() + 8,
        )
    };
    let mut total: u64 = pieces.iter().map(size).sum();
    while total > tokens {
        let least = pieces
            .iter()
            .enumerate()
            .min_by_key(|(_, piece)| piece.weight)
            .map(|(index, _)| index);
        let Some(least) = least else { break };
        total -= size(&pieces.remove(least));
    }
    pieces
}

#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn add(
        &mut self,
        reference: String,
        kind: Kind,
        source: impl Into<String>,
        text: &str,
        weight: u32,
    ) {
        let text = redact(text).replace('\n', " ⏎ ");
        if !text.trim().is_empty() {
            let is_order = speaks_to_its_reader(&text);
            self.0.push(Piece {
                reference,
                kind,
                is_of_security: SECURITY.is_match(&text),
                is_order,
                source: source.into(),
                text: if is_order {
                    IN_ITS_PLACE.to_owned()
                } else {
                    text
                },
                weight,
            });
        }
    }

    fn findings(&mut self, case: &Consultation) {
        for (number, finding) in (1..).zip(&case.incident.findings) {
            let text = format!(
                "{}: {} ({}, since {})",
                finding.problem,
                finding.summary,
                finding.severity,
                seconds(finding.since)
            );
            self.add(format!("F{number}"), Kind::General, "finding", &text, 1000);
            for (part, evidence) in (1..).zip(&finding.evidence) {
                self.add(
                    format!("F{number}.{part}"),
                    kind_of(&evidence.source),
                    evidence.source.clone(),
                    &evidence.text,
                    900,
                );
            }
        }
        let catalogue = case
            .incident
            .diagnoses
            .iter()
            .find(|diagnosis| !is_of_model(diagnosis));
        if let Some(diagnosis) = catalogue {
            let text = format!(
                "{} ({} % sure): {}",
                diagnosis.diagnosis, diagnosis.confidence, diagnosis.reasoning
            );
            self.add(
                "C1".to_owned(),
                Kind::View,
                diagnosis.source.clone(),
                &text,
                800,
            );
        }
    }

    fn resource(&mut self, resource: &Resource) {
        let text = format!(
            "{} is {}: {}",
            resource.id.short(),
            resource.health,
            resource.reason
        );
        self.add("R1".to_owned(), Kind::General, "resource", &text, 950);
        let Some(facts) = resource.container() else {
            if let Ok(text) = serde_json::to_string(&resource.facts) {
                self.add("R2".to_owned(), Kind::Configuration, "resource", &text, 500);
            }
            return;
        };
        let time = |at: Option<jiff::Timestamp>| {
            at.map_or("unknown".to_owned(), |at| seconds(at).to_string())
        };
        let state = format!(
            "exit code {}, killed for memory: {}, restarted {} times by its engine, started {}, ended {}",
            facts
                .exit_code
                .map_or("unknown".to_owned(), |code| code.to_string()),
            if facts.oom_killed { "yes" } else { "no" },
            facts.restart_count,
            time(facts.started_at),
            time(facts.finished_at),
        );
        self.add("R2".to_owned(), Kind::General, "inspect", &state, 850);
        let ports: Vec<String> = facts
            .ports
            .iter()
            .map(|port| match port.published {
                Some(published) => format!("{} as {published}", port.container),
                None => port.container.to_string(),
            })
            .collect();
        let set_up = format!(
            "image {}, ports [{}], memory limit {}, processor limit {}, health check: {}",
            facts.image,
            ports.join(", "),
            facts
                .memory_limit_bytes
                .map_or("none".to_owned(), steward_api::units::byte_count),
            facts
                .cpu_limit_cores
                .map_or("none".to_owned(), |cores| format!("{cores} cores")),
            if facts.has_health_check { "yes" } else { "no" },
        );
        self.add(
            "R3".to_owned(),
            Kind::Configuration,
            "inspect",
            &set_up,
            600,
        );
        if let Some(error) = &facts.error {
            let text = format!("its engine says: {error}");
            self.add("R5".to_owned(), Kind::Configuration, "inspect", &text, 750);
        }
        if let Some(output) = &facts.health_output {
            self.add("R4".to_owned(), Kind::Log, "health check", output, 700);
        }
    }

    fn surroundings(&mut self, case: &Consultation) {
        for (number, related) in (1..).zip(&case.related) {
            let how = match related.relation {
                Relation::Needed => "is needed by it",
                Relation::Dependent => "needs it",
            };
            let text = format!(
                "{} {how} and is {}: {}",
                related.resource.short(),
                related.health,
                related.reason
            );
            self.add(
                format!("D{number}"),
                Kind::General,
                "dependency",
                &text,
                400_u32.saturating_sub(number),
            );
        }
        for (number, gauge) in (1..).zip(&case.gauges) {
            let unit = gauge.metric.unit();
            let normal = gauge.normal.map_or_else(
                || "what is normal is not known".to_owned(),
                |(low, high)| format!("normal is {low:.1} to {high:.1} {unit}"),
            );
            let text = format!(
                "{} is {:.1} {unit}, in the last hour {:.1} to {:.1} {unit}, {normal}",
                gauge.metric, gauge.latest, gauge.last_hour.0, gauge.last_hour.1
            );
            self.add(
                format!("M{number}"),
                Kind::General,
                "metric",
                &text,
                450_u32.saturating_sub(number),
            );
        }
    }

    fn history(&mut self, case: &Consultation) {
        for (number, precedent) in (1..).zip(&case.precedents) {
            let text = format!(
                "{} on {}: {}; taken for the cause: {}; it ended so: {}",
                seconds(precedent.at),
                precedent.resource.short(),
                precedent.title,
                precedent.cause,
                precedent.ending
            );
            self.add(
                format!("P{number}"),
                Kind::View,
                "incident before",
                &text,
                300_u32.saturating_sub(number),
            );
        }
    }

    fn log(&mut self, case: &Consultation) {
        match &case.log {
            Ok(lines) => {
                for (number, line) in (1_u32..).zip(lines) {
                    // The last lines tell most.
                    self.add(
                        format!("L{number}"),
                        Kind::Log,
                        "log",
                        line,
                        number.min(250),
                    );
                }
            }
            Err(error) => self.add(
                "L0".to_owned(),
                Kind::General,
                "log",
                &format!("could not be read: {error}"),
                200,
            ),
        }
    }
}

/// What kind a piece of evidence is, by where it comes from. What is not known to tell only that something is wrong tells of more.
fn kind_of(source: &str) -> Kind {
    match source {
        "docker" | "docker event" | "metric" => Kind::General,
        "log" | "health check" => Kind::Log,
        other if other.contains("log") || other.contains("output") => Kind::Log,
        _ => Kind::Configuration,
    }
}

/// Words by which a text tells of who may do what.
#[allow(clippy::expect_used, reason = "a constant, which a test compiles")]
static SECURITY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)passw|credential|authenti|authoriz|unauthor|forbidden|permission|denied|log-?in|sign(s|ed)? in|ssh|sudo|certificate|\btls\b|\bcve-",
    )
    .expect("a valid pattern")
});
