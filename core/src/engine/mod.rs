//! The engine: one explicit loop over one closed kind of stimulus.
//!
//! What flows in: readings and signals from the sources, requests from people, what the executor wrote down, the passing of time. What
//! flows out: facts to the journal, events to whoever listens, tasks to the executor, and one picture of it all ([`View`]).
//! What it never does: I/O of its own (sources, actuators and the store stand behind ports), or wait for a source: each has tasks of its own.

mod advice;
mod assessment;
mod board;
pub(crate) mod handle;
mod heal;
mod history;
mod house;
mod incidents;
mod ledger;
pub mod metrics;
pub(crate) mod progress;
mod requests;
mod security;
mod settings;
mod sources;
mod startup;
mod state;
mod stimulus;
mod talk;
mod tasks;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    ports::{
        Actuator, Advisor, Archive, Clock, Documents, FinishedCall, Pattern, Probes, Rule, Source,
        Store, StoreError,
    },
};

pub use board::Board;
pub use handle::{Caller, Handle, NewSession, TokenChange, View};
pub use history::normal;
pub use settings::Settings;

/// Events that a slow reader may lag behind before it has to read the journal.
const EVENT_BUFFER: usize = 1024;
/// Stimuli that may wait; a source that is quicker than the loop waits for it.
const STIMULUS_BUFFER: usize = 1024;

/// What looks at and changes the world, made for one configuration.
pub struct Integrations {
    /// What observes.
    pub sources: Vec<Arc<dyn Source>>,
    /// What acts.
    pub actuators: Vec<Arc<dyn Actuator>>,
    /// What looks closer, on demand.
    pub probes: Probes,
}

/// Makes the integrations for a configuration; called at the start and after each change of it.
pub type MakeIntegrations = Box<dyn Fn(&Config) -> Integrations + Send + Sync>;

/// A configuration that changed on disk: the new one, or why it is refused.
pub type ConfigChange = Result<Box<Config>, String>;

/// What the engine is made of.
pub struct Parts {
    /// The configuration to begin with.
    pub config: Config,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The journal and its projections.
    pub store: Arc<dyn Store>,
    /// What makes the integrations.
    pub integrations: MakeIntegrations,
    /// Whoever asks language models.
    pub advisor: Arc<dyn Advisor>,
    /// Where the texts of calls are kept.
    pub archive: Arc<dyn Archive>,
    /// Where readings keep what those after them need.
    pub documents: Arc<dyn Documents>,
    /// Calls of models that are over, to be journaled.
    pub model_calls: mpsc::UnboundedReceiver<FinishedCall>,
    /// The rules of all integrations.
    pub rules: Vec<Box<dyn Rule>>,
    /// The catalogue of all integrations.
    pub patterns: Vec<Box<dyn Pattern>>,
    /// Where the picture of everything is put up.
    pub board: Board,
    /// Configurations that changed on disk.
    pub config_changes: mpsc::Receiver<ConfigChange>,
    /// The configuration's keeper.
    pub settings: Arc<Settings>,
    /// Cancelled when the agent is to end.
    pub stopping: CancellationToken,
}

/// Begins the engine: takes over what the journal remembers, then runs until told to stop.
///
/// # Errors
/// Where the journal can't be read or written at the beginning; nothing was observed or done then.
pub async fn start(parts: Parts) -> Result<(Handle, JoinHandle<()>), StoreError> {
    let (requests, request_receiver) = mpsc::channel(64);
    let (events, _) = broadcast::channel(EVENT_BUFFER);
    let (stimuli, stimulus_receiver) = mpsc::channel(STIMULUS_BUFFER);
    let handle = Handle {
        requests,
        view: parts.board.reader(),
        events: events.clone(),
        store: Arc::clone(&parts.store),
        metrics: Arc::default(),
        settings: Arc::clone(&parts.settings),
        advisor: Arc::clone(&parts.advisor),
        archive: Arc::clone(&parts.archive),
        progress: Arc::default(),
    };
    let shared = startup::Shared {
        stimuli,
        events,
        metrics: Arc::clone(&handle.metrics),
        progress: Arc::clone(&handle.progress),
    };
    let state = startup::begin(parts, shared).await?;
    let running = tokio::spawn(state.run(stimulus_receiver, request_receiver));
    Ok((handle, running))
}

/// A receiver of the engine's picture.
pub type ViewReceiver = watch::Receiver<Arc<View>>;
