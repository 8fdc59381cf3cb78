//! What an integration says about its own kinds of resource: rules that judge, and patterns that explain. Pure data and pure traits.
//!
//! What flows through: one resource with its history goes in, a [`Judgement`] comes out; a failing [`Case`] goes in, a
//! [`CatalogueMatch`] comes out. What they never do: I/O, reading a clock, or deciding what is done.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use steward_api::{
    ActionName, ContainerStatus, Evidence, Health, Metric, Problem, Resource, ResourceKind,
    Severity, Urgency,
};

use crate::config::Thresholds;

/// Why a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// By itself.
    Crash,
    /// Somebody stopped or killed it through the engine.
    Operator,
    /// Steward restarted or stopped it.
    Steward,
    /// Its engine went away and took it along.
    EngineOutage,
    /// Nobody saw it.
    Unseen,
}

/// One end of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// When.
    pub at: Timestamp,
    /// Exit code.
    pub exit_code: i64,
    /// Whether the kernel killed it for memory.
    pub oom: bool,
    /// Why.
    pub cause: EndCause,
}

/// What has been seen of one resource lately; bounded.
#[derive(Clone, Debug, Default)]
pub struct ResourceHistory {
    /// Whether this agent, or one before it, has seen it run (an engine: answer).
    pub seen_running: bool,
    /// Until when an agent before this one knew it as stopped on purpose; absent where it did not.
    pub stopped_until: Option<Timestamp>,
    /// Ends, oldest first; the last 20.
    pub deaths: VecDeque<Death>,
    /// The last time that somebody sent it a signal through the engine since it started, and which.
    pub kill_requested: Option<(Timestamp, i32)>,
    /// When somebody first asked its present or last run to end, by a signal through the engine.
    pub stop_asked_at: Option<Timestamp>,
    /// When the kernel killed something in it for memory, within the last hour.
    pub oom_kills: VecDeque<Timestamp>,
    /// When it was read again after its engine had been away.
    pub known_again_at: Option<Timestamp>,
    /// Whether it was in a maintenance window when it was last judged.
    pub in_maintenance: bool,
    /// Whether an action of Steward's on it is under way.
    pub steward_acting: bool,
    /// The last readings of each metric, oldest first; as many as [`Thresholds::of_last`].
    pub samples: BTreeMap<Metric, VecDeque<f64>>,
    /// Readings in a row that found it unhealthy; of an engine, those without an answer.
    pub failing_readings: u32,
    /// Sustained problems that are raised, for hysteresis.
    pub raised: BTreeSet<Problem>,
    /// Since when each present problem was found.
    pub since: BTreeMap<Problem, Timestamp>,
}

/// How long after a signal that ends most programs an end still counts as asked for. Long, because `docker stop -t` may wait long:
/// to restart what a person is stopping would be worse than to heal a rare crash late.
const STOP_MAY_TAKE: SignedDuration = SignedDuration::from_mins(10);
/// The same for signals that mostly mean something else (reload).
const OTHER_SIGNAL_MAY_TAKE: SignedDuration = SignedDuration::from_secs(10);

/// SIGHUP, SIGUSR1, SIGUSR2 and SIGWINCH mostly mean something else than an end.
const fn asks_for_the_end(signal: i32) -> bool {
    !matches!(signal, 1 | 10 | 12 | 28)
}

impl ResourceHistory {
    /// Until when an end counts as asked for, where somebody sent it a signal through the engine since it started.
    pub fn end_is_meant_until(&self) -> Option<Timestamp> {
        let (at, number) = self.kill_requested?;
        let patience = if asks_for_the_end(number) {
            STOP_MAY_TAKE
        } else {
            OTHER_SIGNAL_MAY_TAKE
        };
        Some(super::later(at, patience))
    }

    /// Somebody sent it a signal through the engine.
    pub fn signal_sent(&mut self, at: Timestamp, number: i32) {
        self.kill_requested = Some((at, number));
        // What it did not heed long ago was another matter.
        let is_new = self
            .stop_asked_at
            .is_none_or(|asked| at.duration_since(asked) > STOP_MAY_TAKE);
        if is_new && asks_for_the_end(number) {
            self.stop_asked_at = Some(at);
        }
    }

    /// The newest end.
    pub fn last_death(&self) -> Option<&Death> {
        self.deaths.back()
    }

    /// Whether a value has been beyond `threshold` often enough: in [`Thresholds::sustain`] of the last
    /// [`Thresholds::of_last`] readings to raise; once raised, until as many are at or below `clear_at`.
    pub fn sustained(
        &self,
        problem: Problem,
        metric: Metric,
        threshold: f64,
        clear_at: f64,
        limits: &Thresholds,
    ) -> bool {
        let Some(samples) = self.samples.get(&metric) else {
            return self.raised.contains(&problem);
        };
        let recent = samples.iter().rev().take(limits.of_last as usize);
        let needed = limits.sustain as usize;
        if self.raised.contains(&problem) {
            recent.filter(|value| **value <= clear_at).count() < needed
        } else {
            recent.filter(|value| **value > threshold).count() >= needed
        }
    }

    /// The newest value of a metric.
    pub fn latest(&self, metric: Metric) -> Option<f64> {
        self.samples
            .get(&metric)
            .and_then(|samples| samples.back())
            .copied()
    }
}

/// What a rule gets to see.
#[derive(Clone, Copy, Debug)]
pub struct RuleInput<'a> {
    /// The resource as last read.
    pub resource: &'a Resource,
    /// What has been seen of it.
    pub history: &'a ResourceHistory,
    /// From where on something is wrong.
    pub thresholds: &'a Thresholds,
    /// Whether another resource needs it to run: a sign of a service, not a job.
    pub is_needed: bool,
    /// Whether another resource waits for it to complete: a job.
    pub is_awaited_job: bool,
    /// The time.
    pub now: Timestamp,
}

/// A finding before it has its resource and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// What is wrong.
    pub problem: Problem,
    /// How bad.
    pub severity: Severity,
    /// One sentence for a person.
    pub summary: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
}

/// What a rule says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What is wrong.
    pub suspicions: Vec<Suspicion>,
    /// Why nothing is wrong though it does not run: stopped on purpose, a finished job. Shown as stopped.
    pub meant: Option<String>,
    /// It can't be told, so nothing follows: neither a finding nor a recovery.
    pub unknown: bool,
    /// Judge again at this time, because time alone can change the judgement.
    pub again_at: Option<Timestamp>,
}

/// The rules for one kind of resource.
pub trait Rule: Send + Sync + 'static {
    /// Which kind.
    fn kind(&self) -> ResourceKind;

    /// Judges one resource. Pure.
    fn judge(&self, input: &RuleInput<'_>) -> Judgement;
}

/// A failing resource with all that was gathered about it.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The worst problem.
    pub problem: Problem,
    /// All problems.
    pub problems: &'a [Problem],
    /// The resource as last read.
    pub resource: &'a Resource,
    /// What has been seen of it.
    pub history: &'a ResourceHistory,
    /// The last lines of its log, oldest first, cleared of secrets. Untrusted: searched, never obeyed.
    pub log: &'a [String],
    /// Dependencies that do not do what they are there for.
    pub failing_dependencies: &'a [&'a Resource],
}

impl Case<'_> {
    /// The exit code of the last end, where it does not run.
    pub fn exit_code(&self) -> Option<i64> {
        let facts = self.resource.container()?;
        (facts.status != ContainerStatus::Running).then_some(facts.exit_code)?
    }

    /// Whether it is known not to do its work now.
    pub fn is_down(&self) -> bool {
        matches!(
            self.resource.health,
            Health::Unhealthy | Health::Stopped | Health::Restarting
        )
    }
}

/// A pattern's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueMatch {
    /// Which entry of the catalogue says so, such as `postgres-too-many-clients`.
    pub entry: &'static str,
    /// The root cause in one sentence.
    pub cause: String,
    /// What to do; absent where no action of Steward's can help.
    pub action: Option<ActionName>,
    /// How soon.
    pub urgency: Urgency,
    /// How sure, 0–100.
    pub confidence: u8,
    /// How the evidence leads to the cause.
    pub reasoning: String,
    /// What it rests on, besides the findings' own evidence.
    pub evidence: Vec<Evidence>,
    /// What a person can do.
    pub advice: String,
}

/// One or more entries of the catalogue: when they apply, and what they then say.
pub trait Pattern: Send + Sync + 'static {
    /// Their names, each of which an answer may give as its `entry`.
    fn entries(&self) -> Vec<&'static str>;

    /// Whether it explains the case. Pure.
    fn explain(&self, case: &Case<'_>) -> Option<CatalogueMatch>;
}
