//! What the engine counts, for Prometheus. Names are promised to users and listed in the README.
//!
//! The engine writes here as things happen; the server turns it, together with the view, into text. It never decides anything.

use std::sync::{Mutex, atomic::AtomicU64};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
};
use steward_api::TaskState;

/// Labels of `steward_incidents_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct IncidentLabels {
    /// The problem.
    pub kind: String,
    /// The severity at its opening.
    pub severity: String,
}

/// Labels of `steward_actions_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ActionLabels {
    /// The action's name.
    pub action: String,
    /// The step's result.
    pub result: String,
}

/// Labels by source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SourceLabels {
    /// The source's name.
    pub source: String,
}

/// Labels by container.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ContainerLabels {
    /// The container's name.
    pub container: String,
}

/// Labels of `steward_tasks_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TaskLabels {
    /// The state, as on the wire.
    pub state: String,
}

/// What the engine counts.
#[derive(Debug)]
pub struct Metrics {
    /// `steward_incidents_total{kind,severity}`.
    pub incidents: Family<IncidentLabels, Counter>,
    /// `steward_actions_total{action,result}`.
    pub actions: Family<ActionLabels, Counter>,
    /// `steward_container_restarts_total{container}`: restarts asked by Steward.
    pub container_restarts: Family<ContainerLabels, Counter>,
    /// `steward_tasks_total{state}`: tasks that came into this state, `pending` when they are made.
    pub tasks: Family<TaskLabels, Counter>,
    /// `steward_approval_response_seconds`: from the question to the answer.
    pub approval_response: Histogram,
    /// `steward_monitoring_cycle_seconds`: one full turn of a source's reading, until its findings are journaled.
    pub monitoring_cycle: Histogram,
    /// `steward_health_check_seconds{source}`.
    pub health_check: Family<SourceLabels, Histogram>,
    /// Automatic tasks that succeeded and that ended at all, for `steward_autofix_success_ratio`.
    pub autofix: Mutex<(u64, u64)>,
    /// Events that were published.
    pub published: AtomicU64,
}

fn seconds() -> Histogram {
    Histogram::new([
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    ])
}

impl Metrics {
    /// Counts a task that came into a state.
    pub(super) fn came_into(&self, state: TaskState) {
        let labels = TaskLabels {
            state: state.to_string(),
        };
        self.tasks.get_or_create(&labels).inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            incidents: Family::default(),
            actions: Family::default(),
            container_restarts: Family::default(),
            tasks: Family::default(),
            // People answer within seconds to a day.
            approval_response: Histogram::new([
                5.0,
                15.0,
                60.0,
                300.0,
                900.0,
                3600.0,
                4.0 * 3600.0,
                12.0 * 3600.0,
                24.0 * 3600.0,
            ]),
            monitoring_cycle: seconds(),
            health_check: Family::new_with_constructor(seconds),
            autofix: Mutex::new((0, 0)),
            published: AtomicU64::new(0),
        }
    }
}
