//! What runs, and how much it may do by itself.

use std::sync::atomic::Ordering;

use steward_api::{
    Autonomy, AutonomyReply, AutonomyRequest, GetAutonomy, GetMonitorStatus, GetStatus, Nothing,
    SetAutonomy, StatusReply, StoreStatus,
};

use crate::server::{
    bind::{Answer, Call, Written, from_engine},
    error::Refusal,
    now, summary,
};

/// The status works in every state of the database: it is where a person looks when that is broken.
async fn status(call: &Call) -> Result<Written<StatusReply>, Refusal> {
    let view = call.app.handle.view();
    let head = call.store().journal_head().await;
    let mut error = view.store_error.clone();
    let journal_seq = match head {
        Ok(head) => {
            call.app.last_seq.store(head, Ordering::Relaxed);
            head
        }
        Err(reason) => {
            tracing::warn!(
                error = &reason as &dyn std::error::Error,
                "can't read the journal for the status"
            );
            error.get_or_insert_with(|| {
                "the journal can't be read; the log says why. The entry given is the last one seen".to_owned()
            });
            call.app.last_seq.load(Ordering::Relaxed)
        }
    };
    let store = StoreStatus {
        engine: call.store().engine().to_owned(),
        writable: error.is_none(),
        error,
        backlog: view.store_backlog,
        journal_seq,
    };
    Written::of(&summary::status(&view, store, now()))
}

impl Answer for GetStatus {
    async fn answer(call: Call, _: Nothing) -> Result<Written<StatusReply>, Refusal> {
        status(&call).await
    }
}

impl Answer for GetMonitorStatus {
    async fn answer(call: Call, _: Nothing) -> Result<Written<StatusReply>, Refusal> {
        status(&call).await
    }
}

fn autonomy(level: Autonomy) -> AutonomyReply {
    AutonomyReply {
        autonomy: level,
        explanation: level.explanation().to_owned(),
    }
}

impl Answer for GetAutonomy {
    async fn answer(call: Call, _: Nothing) -> Result<Written<AutonomyReply>, Refusal> {
        Written::of(&autonomy(call.app.handle.view().autonomy))
    }
}

impl Answer for SetAutonomy {
    async fn answer(call: Call, input: AutonomyRequest) -> Result<Written<AutonomyReply>, Refusal> {
        let asked = call.app.handle.set_autonomy(input.autonomy, call.caller()?);
        Written::of(&autonomy(from_engine(asked).await?))
    }
}
