//! Plans that make the house safer: a newer image, a port for this machine alone, a new certificate, a blocked address. Pure.

use steward_api::{Incident, Step};

use super::{PlanProblem, Planner};
use crate::config::StrategyStep;

impl Planner<'_> {
    /// The steps of an action on what a security scan found.
    pub(super) fn safer(
        &self,
        _incident: &Incident,
        _step: &StrategyStep,
    ) -> Result<Vec<Step>, PlanProblem> {
        Err(PlanProblem::NoTarget("thing"))
    }
}
