//! Whether the agent lives, and health in short.

use steward_api::{GetHealth, GetSystemSummary, HealthReply, Nothing, SystemSummary};

use crate::server::{
    bind::{Answer, Call, Written},
    error::Refusal,
    now, summary,
};

impl Answer for GetHealth {
    async fn answer(call: Call, _: Nothing) -> Result<Written<HealthReply>, Refusal> {
        Written::of(&summary::health(&call.app.handle.view(), now()))
    }
}

impl Answer for GetSystemSummary {
    async fn answer(call: Call, _: Nothing) -> Result<Written<SystemSummary>, Refusal> {
        Written::of(&summary::system(&call.app.handle.view()))
    }
}
