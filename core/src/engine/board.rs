//! Where the engine puts up its picture of everything, for whoever wants to look.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use steward_api::Autonomy;
use tokio::sync::watch;

use super::{View, ViewReceiver};

/// The place of the picture. There is always one to see; before the first reading it is empty.
pub struct Board(watch::Sender<Arc<View>>);

impl Board {
    /// An empty picture.
    pub fn new(node: &str, started_at: Timestamp, autonomy: Autonomy) -> Self {
        let view = View {
            node: node.to_owned(),
            started_at,
            autonomy,
            taken_at: started_at,
            resources: Arc::default(),
            unreadable: Vec::new(),
            sources: Vec::new(),
            schedules: Vec::new(),
            versions: BTreeMap::new(),
            security: Arc::default(),
            security_summary: Arc::default(),
            active_incidents: Vec::new(),
            open_tasks: Vec::new(),
            store_error: None,
            store_backlog: 0,
            config_error: None,
        };
        Self(watch::Sender::new(Arc::new(view)))
    }

    /// Somebody who looks at it.
    pub fn reader(&self) -> ViewReceiver {
        self.0.subscribe()
    }

    /// Replaces the picture.
    pub(super) fn put(&self, view: View) {
        self.0.send_replace(Arc::new(view));
    }

    /// When the agent began.
    pub(super) fn started_at(&self) -> Timestamp {
        self.0.borrow().started_at
    }
}
