//! The house as a whole: how it is, what needs a person, and who is asking.

use serde::Deserialize;
use serde_json::{Value, json};
use steward_api::{GetSession, GetStatus as Status, GetSystemSummary, ListPendingTasks, Nothing};
use utoipa::ToSchema;

use super::Tool;
use crate::mcp::contract::{Contract, Fault};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoInput {}

/// How everything is, in short.
pub(super) struct GetStatus;

impl Tool for GetStatus {
    type Input = NoInput;
    const NAME: &'static str = "get_status";
    const TITLE: &'static str = "How the homelab is";
    const DESCRIPTION: &'static str = "How the homelab is, in short. Begin here. Gives: `summary` (containers by state, databases, network, fullest disk, open \
         incidents and tasks; null means it could not be read, never that it is well), `status` (which sources are read and which fail, \
         schedules, the autonomy in force), `waiting_for_a_person` (numbers of the tasks that ask for a yes or no), and `you` (whose token \
         this is, and its role: viewer reads, operator also approves, rejects and heals).";

    async fn call(contract: Contract, _: NoInput) -> Result<Value, Fault> {
        let nothing = Nothing {};
        let summary = contract.call::<GetSystemSummary>(&nothing).await?;
        let status = contract.call::<Status>(&nothing).await?;
        let pending = contract.call::<ListPendingTasks>(&nothing).await?;
        let session = contract.call::<GetSession>(&nothing).await?;
        let waiting: Vec<_> = pending
            .iter()
            .map(|task| json!({"task": task.id, "description": task.description}))
            .collect();
        Ok(json!({
            "summary": summary,
            "status": status,
            "waiting_for_a_person": waiting,
            "you": {"identity": session.identity, "role": session.role},
        }))
    }
}
