//! Incidents: correlated findings with a life.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Decision, Diagnosis, Finding, Problem, ResourceId, Severity, TaskId};

/// The number of an incident, unique in its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct IncidentId(pub i64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far an incident has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Found.
    Detected,
    /// Its cause is known, or known to be unknown.
    Diagnosed,
    /// It was decided what to do.
    Assessed,
    /// Something was done.
    Acted,
    /// It is over.
    Resolved,
    /// And its outcome went into the record.
    Learned,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Detected => "detected",
            Self::Diagnosed => "diagnosed",
            Self::Assessed => "assessed",
            Self::Acted => "acted",
            Self::Resolved => "resolved",
            Self::Learned => "learned",
        })
    }
}

/// How an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResolutionKind {
    /// A task of Steward's fixed it, verified.
    Healed,
    /// It became well without Steward.
    Recovered,
    /// It turned out to be meant: stopped by a person.
    Deliberate,
    /// It turned out to be an effect of another incident.
    Absorbed,
    /// The resource is gone.
    Gone,
}

/// The end of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Resolution {
    /// How.
    pub kind: ResolutionKind,
    /// In words for a person.
    pub text: String,
}

/// One point of an incident's time line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// In which phase.
    pub phase: Phase,
    /// What, in words for a person.
    pub text: String,
}

/// Correlated findings with a life. At most one is active for a resource; what it takes down is listed as affected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// The resource at its root.
    pub resource: ResourceId,
    /// The worst of its problems.
    pub problem: Problem,
    /// The worst of its severities.
    pub severity: Severity,
    /// How far it has come.
    pub phase: Phase,
    /// One sentence for a person.
    pub title: String,
    /// What was found, one for each problem.
    pub findings: Vec<Finding>,
    /// What it takes down.
    #[serde(default)]
    pub affected: Vec<ResourceId>,
    /// Diagnoses, the one in force first.
    #[serde(default)]
    pub diagnoses: Vec<Diagnosis>,
    /// The source of the diagnosis that a person put in force; absent where nobody chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
    /// What was decided last.
    #[serde(default)]
    pub decision: Option<Decision>,
    /// Tasks made for it, oldest first.
    #[serde(default)]
    pub tasks: Vec<TaskId>,
    /// How often it came back soon after it was over.
    #[serde(default)]
    pub flaps: u32,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it ended; absent while it is active.
    #[serde(default)]
    pub resolved_at: Option<Timestamp>,
    /// How it ended; absent while it is active.
    #[serde(default)]
    pub resolution: Option<Resolution>,
    /// What happened, in order; the oldest of the middle give way when it grows beyond 200.
    #[serde(default)]
    pub timeline: Vec<TimelineEntry>,
}

impl Incident {
    /// Whether it is not over.
    pub const fn is_active(&self) -> bool {
        self.resolved_at.is_none()
    }

    /// The finding of a problem, where there is one.
    pub fn finding(&self, problem: Problem) -> Option<&Finding> {
        self.findings
            .iter()
            .find(|finding| finding.problem == problem)
    }

    /// Adds a point to the time line, keeping it below 200 entries by dropping from the middle: the beginning and the end tell most.
    pub fn note(&mut self, at: Timestamp, phase: Phase, text: impl Into<String>) {
        const MOST: usize = 200;
        const KEEP_FIRST: usize = 50;
        if self.timeline.len() >= MOST {
            self.timeline.remove(KEEP_FIRST);
        }
        self.timeline.push(TimelineEntry {
            at,
            phase,
            text: text.into(),
        });
        self.updated_at = at;
    }
}
