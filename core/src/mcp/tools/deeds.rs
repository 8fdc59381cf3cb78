//! Deeds: what may be asked to be done, asking for it, and asking for a container to be healed.

use serde::Deserialize;
use serde_json::{Value, json};
use steward_api::{
    ActionName, AskForAction as Ask, AskRequest, HealContainer as Heal, ListOffers as Offers,
    Nothing, ResourceId, ResourceIdQuery, Role,
};
use utoipa::ToSchema;

use super::{Effect, Tool};
use crate::mcp::contract::{Contract, Fault};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OffersInput {
    /// The resource's full id, such as atlas/container/nginx.
    id: ResourceId,
}

/// What may be asked to be done to a resource.
pub(super) struct ListActions;

impl Tool for ListActions {
    type Input = OffersInput;
    const NAME: &'static str = "list_actions";
    const TITLE: &'static str = "What may be asked to be done to a resource";
    const DESCRIPTION: &'static str = "Lists the actions that could be planned for one resource as it is now: each with its risk, exactly what it would do, and how \
         often it worked here. Nothing else can be asked for. Ask for one with ask_for_action.";

    async fn call(contract: Contract, input: OffersInput) -> Result<Value, Fault> {
        let offers = contract
            .call::<Offers>(&ResourceIdQuery { id: input.id })
            .await?;
        Ok(json!(offers))
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AskInput {
    /// The resource's full id, such as atlas/container/nginx.
    id: ResourceId,
    /// One of those that list_actions names for it.
    action: ActionName,
    /// Why, in a sentence; it stands in the record.
    reason: String,
}

/// Asks for an action on a resource.
pub(super) struct AskForAction;

impl Tool for AskForAction {
    type Input = AskInput;
    const NAME: &'static str = "ask_for_action";
    const TITLE: &'static str = "Ask for an action on a resource";
    const DESCRIPTION: &'static str = "Asks Steward for one of the actions that list_actions names. It goes through the same decision, guards and record as everything \
         else: it may be refused with the reason, or a person may be asked first (`requires_approval`). Gives the number of the task; follow \
         it with get_task. Only at the wish of the person you work for.";
    const ROLE: Role = Role::Operator;
    const EFFECT: Effect = Effect::Acts;

    async fn call(contract: Contract, input: AskInput) -> Result<Value, Fault> {
        let AskInput { id, action, reason } = input;
        let reply = contract
            .call::<Ask>(&AskRequest { id, action, reason })
            .await?;
        Ok(json!(reply))
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HealInput {
    /// The container's name, such as nginx; the last part of its id.
    container: String,
}

/// Asks for a container to be healed.
pub(super) struct HealContainer;

impl Tool for HealContainer {
    type Input = HealInput;
    const NAME: &'static str = "heal_container";
    const TITLE: &'static str = "Ask for a container to be healed";
    const DESCRIPTION: &'static str = "Asks Steward to heal one container now. It goes through the same decision, guards and record as everything else: Steward chooses the \
         action, may refuse with the reason, or may ask a person first (`requires_approval`). Gives the number of the task; follow it with \
         get_task. Only at the wish of the person you work for.";
    const ROLE: Role = Role::Operator;
    const EFFECT: Effect = Effect::Acts;

    async fn call(contract: Contract, input: HealInput) -> Result<Value, Fault> {
        let reply = contract
            .call_at::<Heal>(&input.container, &Nothing {})
            .await?;
        Ok(json!(reply))
    }
}
