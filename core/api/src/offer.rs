//! What may be asked to be done to a resource.

use serde::{Deserialize, Serialize};

use crate::{ActionName, RemedyRecord, ResourceId, Risk};

/// An action that could be planned for a resource now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OfferedAction {
    /// Which.
    pub action: ActionName,
    /// How much it can hurt.
    pub risk: Risk,
    /// Exactly what would be done, in words.
    pub plan: String,
    /// What is known of it here.
    pub record: RemedyRecord,
}

/// What may be asked to be done to a resource now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Offers {
    /// To which.
    pub resource: ResourceId,
    /// What, the most usual first; empty where there is nothing.
    pub actions: Vec<OfferedAction>,
}

/// Asks for an action on a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AskRequest {
    /// On which.
    pub id: ResourceId,
    /// Which action.
    pub action: ActionName,
    /// Why, in a sentence; it stands in the record.
    #[serde(default)]
    pub reason: String,
}
