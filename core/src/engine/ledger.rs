//! The executor's way to the journal: through the loop, which alone writes, so that the order of facts is the order of events.

use async_trait::async_trait;
use steward_api::{Envelope, ExecutionEntry, TaskId};
use tokio::sync::{mpsc, oneshot};

use super::stimulus::Stimulus;
use crate::{
    flow::act::{Conclusion, Intent, Ledger},
    ports::StoreError,
};

/// See [`Ledger`].
pub(super) struct LoopLedger(pub(super) mpsc::Sender<Stimulus>);

#[async_trait]
impl Ledger for LoopLedger {
    async fn intend(&self, intent: Intent) -> Result<Envelope, StoreError> {
        let ended = || StoreError::Unavailable("the agent ends".into());
        let (reply, answer) = oneshot::channel();
        self.0
            .send(Stimulus::Intend { intent, reply })
            .await
            .map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    async fn conclude(&self, conclusion: Conclusion) {
        let (reply, written) = oneshot::channel();
        if self
            .0
            .send(Stimulus::Conclude { conclusion, reply })
            .await
            .is_ok()
        {
            // An agent that ends meanwhile leaves the intent open, and the next start checks it against the world.
            let _ = written.await;
        }
    }

    async fn log(&self, task: TaskId, entry: ExecutionEntry) {
        // A line that an ending agent does not take is in the conclusion's details too.
        let _ = self.0.send(Stimulus::Log { task, entry }).await;
    }
}
