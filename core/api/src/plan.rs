//! Plans: immutable, ordered lists of actions. What an approval approves is a plan's content hash.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Action, Limits, ResourceId, Risk, tagged::tagged};

/// The hash of a plan's content: SHA-256 over its steps, in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct PlanHash(pub String);

impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

tagged! {
/// What must still be true right before an action; read again from the world, not remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition as "Precondition" by "type" {
    /// The container has this engine id and is in this condition.
    Container {
        /// Whose.
        resource: ResourceId,
        /// The engine's full id.
        container_id: String,
        /// In which condition.
        condition: ContainerCondition,
    },
    /// The container has this engine id and exactly these limits.
    Limits {
        /// Whose.
        resource: ResourceId,
        /// The engine's full id.
        container_id: String,
        /// The limits as the plan found them.
        limits: Limits,
    },
    /// The unit is failed.
    UnitFailed {
        /// Which.
        unit: ResourceId,
    },
    /// The engine answers.
    EngineAnswers {
        /// Which.
        engine: ResourceId,
    },
    /// The engine does not answer.
    EngineSilent {
        /// Which.
        engine: ResourceId,
    },
    /// A container that was kept is there under its other name, with another in its place that runs.
    PreviousKept {
        /// The name that it had.
        resource: ResourceId,
        /// The engine's full id of the one that was kept.
        container_id: String,
    },
    /// The certificate is still the one that was seen.
    CertificateIs {
        /// Which.
        certificate: ResourceId,
        /// Its SHA-256, hexadecimal.
        fingerprint: String,
    },
    /// The host can block addresses, and this one is not its own, its gateway, or one that is configured as the operator's.
    AddressFree {
        /// On which host.
        host: ResourceId,
        /// Which.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        address: std::net::IpAddr,
    },
    /// Nothing needs to hold; the action is safe at any time, or a person asked for it as it is.
    Nothing,
}
}

/// The condition in which a container must be for an action on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ContainerCondition {
    /// It does not run.
    NotRunning,
    /// It does not run, or its health check fails.
    Failing,
    /// It runs.
    Running,
    /// It exists, in whatever state.
    Exists,
}

tagged! {
/// How success is told from mere completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification as "Verification" by "type" {
    /// The containers run, pass their health checks where they have them, and stay so for a while.
    ContainersHealthy {
        /// Which.
        containers: Vec<ResourceId>,
        /// For how many seconds without a break.
        stable_seconds: u32,
        /// How many seconds to wait at most until that has begun.
        within_seconds: u32,
    },
    /// The container does not run.
    ContainerStopped {
        /// Which.
        container: ResourceId,
    },
    /// The container has these limits, and stays up for a while.
    LimitsAre {
        /// Whose.
        container: ResourceId,
        /// Which limits.
        limits: Limits,
        /// For how many seconds it must stay up; 0: it need not run, because a later step of the plan starts it.
        stable_seconds: u32,
    },
    /// The unit is active, and stays so for a while.
    UnitActive {
        /// Which.
        unit: ResourceId,
        /// For how many seconds.
        stable_seconds: u32,
    },
    /// The engine answers.
    EngineAnswers {
        /// Which.
        engine: ResourceId,
        /// How many seconds to wait at most.
        within_seconds: u32,
    },
    /// The certificate is another one, which ends later.
    CertificateRenewed {
        /// Which.
        certificate: ResourceId,
        /// When the one before ends or ended.
        ended_at: jiff::Timestamp,
        /// How many seconds to wait at most.
        within_seconds: u32,
    },
    /// What the address sends is dropped.
    AddressBlocked {
        /// On which host.
        host: ResourceId,
        /// Which.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        address: std::net::IpAddr,
    },
    /// The action reports what it did (bytes freed, exit code 0), and there is nothing further to observe.
    ByReport,
}
}

tagged! {
/// How an action can be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo as "Undo" by "type" {
    /// By this action.
    Action {
        /// The action that takes it back.
        action: Box<Action>,
    },
    /// Not at all, said honestly.
    Impossible {
        /// Why not, or why there is no need.
        reason: String,
    },
}
}

/// One action of a plan with all that makes it safe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Step {
    /// What to do.
    pub action: Action,
    /// What must still be true right before.
    pub precondition: Precondition,
    /// How success is told.
    pub verification: Verification,
    /// How it can be taken back.
    pub undo: Undo,
}

/// Why a plan could not be read back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It has no steps.
    #[error("a plan needs at least one step")]
    Empty,
    /// The hash that came with it is not that of its content.
    #[error("the plan's content does not match its hash: it was changed after it was made")]
    Changed,
}

/// An immutable, ordered list of steps. Its steps can't be changed, so its hash can't go stale; reading back one whose content
/// does not match the hash that came with it fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PlanParts", into = "PlanParts")]
pub struct Plan {
    steps: Vec<Step>,
    hash: PlanHash,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
struct PlanParts {
    steps: Vec<Step>,
    hash: PlanHash,
}

impl Plan {
    /// A plan of these steps.
    ///
    /// # Errors
    /// Where there are none.
    pub fn new(steps: Vec<Step>) -> Result<Self, PlanError> {
        if steps.is_empty() {
            return Err(PlanError::Empty);
        }
        let hash = hash_of(&steps);
        Ok(Self { steps, hash })
    }

    /// Its steps, in order; at least one.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Its content hash.
    pub const fn hash(&self) -> &PlanHash {
        &self.hash
    }

    /// The highest risk among its steps.
    pub fn risk(&self) -> Risk {
        self.steps
            .iter()
            .map(|step| step.action.risk())
            .max()
            .unwrap_or(Risk::High)
    }

    /// Every resource that it touches, sorted, each once.
    pub fn touches(&self) -> Vec<ResourceId> {
        let mut all: Vec<_> = self
            .steps
            .iter()
            .flat_map(|step| step.action.touches())
            .cloned()
            .collect();
        all.sort();
        all.dedup();
        all
    }
}

fn hash_of(steps: &[Step]) -> PlanHash {
    // Struct fields serialise in their declared order, so equal steps give equal bytes. Serialising plain data to memory can't fail;
    // if it ever did, the empty text would hash to a plan that matches no stored one.
    let content = serde_json::to_vec(steps).unwrap_or_default();
    let digest = Sha256::digest(&content);
    PlanHash(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl TryFrom<PlanParts> for Plan {
    type Error = PlanError;
    fn try_from(parts: PlanParts) -> Result<Self, PlanError> {
        let plan = Self::new(parts.steps)?;
        if plan.hash == parts.hash {
            Ok(plan)
        } else {
            Err(PlanError::Changed)
        }
    }
}

impl From<Plan> for PlanParts {
    fn from(plan: Plan) -> Self {
        Self {
            steps: plan.steps,
            hash: plan.hash,
        }
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Plan {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        <PlanParts as utoipa::PartialSchema>::schema()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Plan {
    fn schemas(
        schemas: &mut Vec<(
            String,
            utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>,
        )>,
    ) {
        <PlanParts as utoipa::ToSchema>::schemas(schemas);
    }
}
