//! How a state looks: a shape, a word and a tone, so that colour is never the only sign.
//!
//! What flows through: a state of the contract in, a [`Mark`] out. What it never does: show what is unknown as well.

use steward_api::{
    ExecutionEntry, Health, Phase, ResolutionKind, Risk, SecurityLevel, Severity, TaskState,
    Verdict,
};

/// What a thing's look says about it; each is a class of the style sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Well.
    Good,
    /// Wants attention.
    Warn,
    /// Wrong.
    Bad,
    /// Wrong in a way that takes others along.
    Critical,
    /// Not known.
    Unsure,
    /// Of less interest.
    Quiet,
    /// A person is asked, or something goes on.
    Ask,
}

impl Tone {
    /// The class that gives its colour.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "tone-good",
            Self::Warn => "tone-warn",
            Self::Bad => "tone-bad",
            Self::Critical => "tone-critical",
            Self::Unsure => "tone-unsure",
            Self::Quiet => "tone-quiet",
            Self::Ask => "tone-ask",
        }
    }
}

/// A shape of 16 by 16 units. Drawn, not typed: a font may lack a sign, and signs of different fonts differ in size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the shapes' own names")]
pub enum Shape {
    Disc,
    HalfDisc,
    Cross,
    Ring,
    Turning,
    Question,
    Triangle,
    Block,
    Diamond,
    Clock,
    Play,
    Check,
    Barred,
    Hourglass,
    Dash,
    Dot,
    OneBar,
    TwoBars,
    ThreeBars,
    Gear,
    Pen,
    Lens,
    Back,
    Bubble,
}

impl Shape {
    /// The path that draws it, and whether it is filled (by the even-odd rule) rather than stroked.
    pub const fn path(self) -> (&'static str, bool) {
        match self {
            Self::Disc => ("M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12z", true),
            Self::HalfDisc => (
                "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12zM8 3.8a4.2 4.2 0 0 1 0 8.4z",
                true,
            ),
            Self::Cross => (
                "M4.4 2.6 8 6.2l3.6-3.6 1.8 1.8L9.8 8l3.6 3.6-1.8 1.8L8 9.8l-3.6 3.6-1.8-1.8L6.2 8 2.6 4.4z",
                true,
            ),
            Self::Ring => ("M8 3a5 5 0 1 0 0 10a5 5 0 1 0 0-10z", false),
            Self::Turning => ("M13 8a5 5 0 1 1-1.6-3.7M13.2 1.6v3.2H10", false),
            Self::Question => (
                "M5.4 6a2.6 2.6 0 1 1 3.8 2.3C8.4 8.8 8 9.2 8 10.2M8 13v.1",
                false,
            ),
            Self::Triangle => ("M8 2.2 14.4 13.4H1.6z", true),
            Self::Block => ("M2 2h12v12H2zM7 4.4h2v4.8H7zM7 10.4h2v1.8H7z", true),
            Self::Diamond => ("M8 2 14 8 8 14 2 8z", false),
            Self::Clock => (
                "M8 2.6a5.4 5.4 0 1 0 0 10.8a5.4 5.4 0 1 0 0-10.8zM8 5v3.2l2.2 1.4",
                false,
            ),
            Self::Play => ("M4 2.4 13.4 8 4 13.6z", true),
            Self::Check => ("M2.8 8.6 6.4 12.2 13.4 4", false),
            Self::Barred => (
                "M8 2.6a5.4 5.4 0 1 0 0 10.8a5.4 5.4 0 1 0 0-10.8zM4.2 11.8l7.6-7.6",
                false,
            ),
            Self::Hourglass => (
                "M4 2.4h8M4 13.6h8M4.8 2.4C4.8 8 11.2 8 11.2 13.6M11.2 2.4C11.2 8 4.8 8 4.8 13.6",
                false,
            ),
            Self::Dash => ("M3 8h10", false),
            Self::Dot => ("M8 5.4a2.6 2.6 0 1 0 0 5.2a2.6 2.6 0 1 0 0-5.2z", true),
            Self::OneBar => ("M2 10h3v4H2zM7 13h2v1H7zM11 13h3v1h-3z", true),
            Self::TwoBars => ("M2 10h3v4H2zM6.5 6h3v8h-3zM11 13h3v1h-3z", true),
            Self::ThreeBars => ("M2 10h3v4H2zM6.5 6h3v8h-3zM11 2h3v12h-3z", true),
            Self::Gear => (
                "M8 5.4a2.6 2.6 0 1 0 0 5.2a2.6 2.6 0 1 0 0-5.2zM8 1.8v1.8M8 12.4v1.8M1.8 8h1.8M12.4 8h1.8M3.6 3.6l1.3 1.3M11.1 11.1l1.3 1.3M3.6 12.4l1.3-1.3M11.1 4.9l1.3-1.3",
                false,
            ),
            Self::Pen => ("M3 13l.6-2.8L10.8 3 13 5.2 5.8 12.4z", false),
            Self::Lens => (
                "M7 2.6a4.4 4.4 0 1 0 0 8.8a4.4 4.4 0 1 0 0-8.8zM10.4 10.4 14 14",
                false,
            ),
            Self::Back => (
                "M3 6.4h6.4a3.4 3.4 0 1 1 0 6.8H6M6 3.2 2.8 6.4 6 9.6",
                false,
            ),
            Self::Bubble => ("M2.4 3h11.2v7.6H7.4l-3 2.8v-2.8h-2z", false),
        }
    }
}

/// A shape, a word and a tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The shape.
    pub shape: Shape,
    /// The word for a person.
    pub word: &'static str,
    /// The tone.
    pub tone: Tone,
}

const fn mark(shape: Shape, word: &'static str, tone: Tone) -> Mark {
    Mark { shape, word, tone }
}

/// Worst first; what is not known comes before what is known to be well.
pub const HEALTH_ORDER: [Health; 6] = [
    Health::Unhealthy,
    Health::Restarting,
    Health::Degraded,
    Health::Unknown,
    Health::Stopped,
    Health::Healthy,
];

/// A health's place in [`HEALTH_ORDER`].
pub fn health_rank(health: Health) -> usize {
    HEALTH_ORDER
        .iter()
        .position(|other| *other == health)
        .unwrap_or(HEALTH_ORDER.len())
}

/// How a resource is.
pub const fn health(health: Health) -> Mark {
    match health {
        Health::Healthy => mark(Shape::Disc, "healthy", Tone::Good),
        Health::Degraded => mark(Shape::HalfDisc, "degraded", Tone::Warn),
        Health::Unhealthy => mark(Shape::Cross, "unhealthy", Tone::Bad),
        Health::Restarting => mark(Shape::Turning, "restarting", Tone::Warn),
        Health::Stopped => mark(Shape::Ring, "stopped", Tone::Quiet),
        Health::Unknown => mark(Shape::Question, "unknown", Tone::Unsure),
    }
}

/// How bad an incident is.
pub const fn severity(severity: Severity) -> Mark {
    match severity {
        Severity::Degraded => mark(Shape::Triangle, "degraded", Tone::Warn),
        Severity::Unhealthy => mark(Shape::Cross, "unhealthy", Tone::Bad),
        Severity::Critical => mark(Shape::Block, "critical", Tone::Critical),
    }
}

/// Where a task stands.
pub const fn task(state: TaskState) -> Mark {
    match state {
        TaskState::Pending => mark(Shape::Diamond, "pending", Tone::Ask),
        TaskState::Waiting => mark(Shape::Clock, "waiting", Tone::Quiet),
        TaskState::InProgress => mark(Shape::Play, "in progress", Tone::Ask),
        TaskState::Completed => mark(Shape::Check, "completed", Tone::Good),
        TaskState::Failed => mark(Shape::Cross, "failed", Tone::Bad),
        TaskState::Rejected => mark(Shape::Barred, "rejected", Tone::Quiet),
        TaskState::Expired => mark(Shape::Hourglass, "expired", Tone::Quiet),
        TaskState::Cancelled => mark(Shape::Dash, "cancelled", Tone::Quiet),
    }
}

/// How much an action can hurt.
pub const fn risk(risk: Risk) -> Mark {
    match risk {
        Risk::Low => mark(Shape::OneBar, "low risk", Tone::Good),
        Risk::Medium => mark(Shape::TwoBars, "medium risk", Tone::Warn),
        Risk::High => mark(Shape::ThreeBars, "high risk", Tone::Critical),
    }
}

/// What the score of security stands for.
pub const fn level(level: Option<SecurityLevel>) -> Mark {
    match level {
        None => mark(Shape::Question, "not known yet", Tone::Unsure),
        Some(SecurityLevel::Excellent) => mark(Shape::Check, "excellent", Tone::Good),
        Some(SecurityLevel::Good) => mark(Shape::Disc, "good", Tone::Good),
        Some(SecurityLevel::Warning) => mark(Shape::Triangle, "warning", Tone::Warn),
        Some(SecurityLevel::Critical) => mark(Shape::Block, "critical", Tone::Critical),
    }
}

/// What was decided.
pub const fn verdict(verdict: Verdict) -> Mark {
    match verdict {
        Verdict::ActNow => mark(Shape::Play, "act now", Tone::Ask),
        Verdict::Ask => mark(Shape::Diamond, "ask a person", Tone::Ask),
        Verdict::Withhold => mark(Shape::Barred, "leave it alone", Tone::Quiet),
    }
}

/// How an incident ended.
pub const fn resolution(kind: ResolutionKind) -> Mark {
    match kind {
        ResolutionKind::Healed => mark(Shape::Check, "healed by Steward", Tone::Good),
        ResolutionKind::Recovered => mark(Shape::Disc, "recovered by itself", Tone::Good),
        ResolutionKind::Deliberate => mark(Shape::Ring, "was meant", Tone::Quiet),
        ResolutionKind::Absorbed => mark(Shape::Dash, "part of another incident", Tone::Quiet),
        ResolutionKind::Gone => mark(Shape::Dash, "the resource is gone", Tone::Quiet),
    }
}

/// A phase of an incident's life.
pub const fn phase(phase: Phase) -> Mark {
    match phase {
        Phase::Detected => mark(Shape::Triangle, "detected", Tone::Bad),
        Phase::Diagnosed => mark(Shape::Lens, "diagnosed", Tone::Ask),
        Phase::Assessed => mark(Shape::Diamond, "decided", Tone::Ask),
        Phase::Acted => mark(Shape::Play, "acted", Tone::Ask),
        Phase::Resolved => mark(Shape::Check, "resolved", Tone::Good),
        Phase::Learned => mark(Shape::Pen, "learned", Tone::Quiet),
    }
}

/// One line of an execution log, by what its word says.
pub fn execution(entry: &ExecutionEntry) -> Mark {
    match entry.action.as_str() {
        "not_verified" | "action_failed" | "failed" => mark(Shape::Cross, "failed", Tone::Bad),
        "succeeded" | "completed" => mark(Shape::Check, "done", Tone::Good),
        "undone" => mark(Shape::Back, "taken back", Tone::Warn),
        "interrupted" => mark(Shape::Question, "interrupted", Tone::Unsure),
        "approved" => mark(Shape::Check, "approved", Tone::Ask),
        "rejected" => mark(Shape::Barred, "rejected", Tone::Quiet),
        "waiting" => mark(Shape::Clock, "waiting", Tone::Quiet),
        "skipped" | "cancelled" | "expired" => mark(Shape::Dash, "not done", Tone::Quiet),
        word if word.starts_with("verified_") => mark(Shape::Check, "verified", Tone::Good),
        _ => mark(Shape::Dot, "step", Tone::Quiet),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_healthy_is_green_and_unknown_is_neither() {
        for state in HEALTH_ORDER {
            assert_eq!(
                health(state).tone == Tone::Good,
                state == Health::Healthy,
                "{state}"
            );
        }
        assert_eq!(health(Health::Unknown).tone, Tone::Unsure);
    }

    #[test]
    fn each_state_has_a_shape_of_its_own() {
        for (at, one) in HEALTH_ORDER.iter().enumerate() {
            for other in &HEALTH_ORDER[at + 1..] {
                assert_ne!(health(*one).shape, health(*other).shape);
            }
        }
        for (at, one) in TaskState::ALL.iter().enumerate() {
            for other in &TaskState::ALL[at + 1..] {
                assert_ne!(task(*one).shape, task(*other).shape);
            }
        }
    }

    #[test]
    fn a_score_that_is_not_known_is_never_green_and_each_level_has_its_own_shape() {
        let levels = [
            None,
            Some(SecurityLevel::Critical),
            Some(SecurityLevel::Warning),
            Some(SecurityLevel::Good),
            Some(SecurityLevel::Excellent),
        ];
        assert_eq!(level(None).tone, Tone::Unsure);
        for (at, one) in levels.iter().enumerate() {
            for other in &levels[at + 1..] {
                assert_ne!(level(*one).shape, level(*other).shape);
            }
        }
    }

    #[test]
    fn worse_comes_first_and_unknown_before_well() {
        assert!(health_rank(Health::Unhealthy) < health_rank(Health::Degraded));
        assert!(health_rank(Health::Unknown) < health_rank(Health::Healthy));
    }
}
