//! How the containers of a case stand, so that it shows whether anything was done to them. Pure.
//!
//! What flows through: what the engine says of a container in; what an action would have changed of it out.

use bollard::models::ContainerInspectResponse;

use super::{super::stage::Restart, case::CasePart};

/// How a container stands, in everything that an action would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    part: String,
    id: Option<String>,
    /// When it began; of one that its engine restarts, nothing follows from that.
    started_at: Option<String>,
    memory: Option<i64>,
    nano_cpus: Option<i64>,
}

impl Standing {
    pub(super) fn of(part: &CasePart, now: ContainerInspectResponse) -> Self {
        let limits = now.host_config.unwrap_or_default();
        Self {
            part: part.name.clone(),
            id: now.id,
            started_at: (part.restart == Restart::No)
                .then(|| now.state.and_then(|state| state.started_at))
                .flatten(),
            memory: limits.memory,
            nano_cpus: limits.nano_cpus,
        }
    }
}

/// What is not as it was.
pub(super) fn changes(before: &[Standing], after: &[Standing]) -> Vec<String> {
    before
        .iter()
        .zip(after)
        .filter(|(before, after)| before != after)
        .map(|(before, after)| format!("{} was changed: {before:?} → {after:?}", after.part))
        .collect()
}
