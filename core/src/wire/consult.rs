//! Models outside of any engine: tried, and asked about something that no incident is about.
//!
//! What flows through: a configuration with its models in; a trial's result, or an opinion with its calls out. The question, what is
//! shown and what is let through are the Advisor's own. What it never does: journal anything, or hand an opinion to an engine.

use std::sync::Arc;

use steward_api::{
    Diagnosis, Incident, IncidentId, ModelCall, OfferedAction, Phase, Problem, Resource, Severity,
    TriedModel,
};
use tokio::sync::mpsc;

use super::{SystemClock, advisor::people};
use crate::{
    advisor::{Advisor, Parts},
    config::Config,
    ports::{Advisor as _, Clock as _, Consultation, FinishedCall},
};

/// Somebody's word that something is wrong with a resource that Steward finds nothing wrong with.
#[derive(Clone, Debug)]
pub struct Suspicion {
    /// Which, as last read.
    pub resource: Resource,
    /// The last lines of its log, cleared of secrets, or why they could not be read.
    pub log: Result<Vec<String>, String>,
    /// What may be recommended.
    pub offered: Vec<OfferedAction>,
}

/// The models of a configuration.
pub struct Consultant {
    advisor: Arc<Advisor>,
    calls: mpsc::UnboundedReceiver<FinishedCall>,
}

impl Consultant {
    /// The models of a configuration, with nothing spent of its budget yet.
    ///
    /// # Errors
    /// Where this host can make no HTTP requests at all.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let (sender, calls) = mpsc::unbounded_channel();
        let salt: [u8; 32] = rand::random();
        let parts = Parts {
            clock: Arc::new(SystemClock),
            calls: sender,
            spent_today_micro_usd: 0,
            salt: salt.to_vec(),
            users: people(),
        };
        let advisor = Advisor::new(parts, config)
            .map_err(|error| anyhow::anyhow!("no HTTP requests can be made: {error}"))?;
        Ok(Self { advisor, calls })
    }

    /// Asks a model for a word.
    ///
    /// # Errors
    /// Where there is none of that name, or it can't be asked; in words.
    pub async fn try_model(&self, name: &str) -> Result<TriedModel, String> {
        self.advisor
            .try_model(name)
            .await
            .map_err(|error| error.to_string())
    }

    /// A model's opinion of a suspicion, or why there is none, and the calls that it took.
    pub async fn ask(
        &mut self,
        suspicion: Suspicion,
        model: &str,
    ) -> (Result<Diagnosis, String>, Vec<ModelCall>) {
        let case = consultation(suspicion);
        let opinion = self.advisor.diagnose(&case, Some(model)).await;
        let mut calls = Vec::new();
        while let Ok(finished) = self.calls.try_recv() {
            calls.push(finished.call);
        }
        (opinion.map_err(|error| error.to_string()), calls)
    }
}

/// The suspicion as the Advisor takes it: an incident in which nothing was found.
fn consultation(suspicion: Suspicion) -> Consultation {
    let now = SystemClock.now();
    let resource = suspicion.resource;
    let incident = Incident {
        id: IncidentId(0),
        resource: resource.id.clone(),
        // What a person's report stands for elsewhere too, see `flow::decide::nearest_problem`.
        problem: Problem::EndpointFailing,
        severity: Severity::Degraded,
        phase: Phase::Detected,
        title: format!(
            "somebody says that {} does not work; Steward has found nothing wrong with it",
            resource.id.name
        ),
        findings: Vec::new(),
        affected: Vec::new(),
        diagnoses: Vec::new(),
        chosen: None,
        decision: None,
        tasks: Vec::new(),
        flaps: 0,
        opened_at: now,
        updated_at: now,
        resolved_at: None,
        resolution: None,
        timeline: Vec::new(),
    };
    Consultation {
        incident,
        resource: Some(resource),
        related: Vec::new(),
        log: suspicion.log,
        gauges: Vec::new(),
        precedents: Vec::new(),
        offered: suspicion.offered,
        // Nothing was found, so nothing is tried.
        strategy: Vec::new(),
        at: now,
    }
}
