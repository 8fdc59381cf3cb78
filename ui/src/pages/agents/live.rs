//! An answer's progress, followed for as long as its screen is open and somebody is at work.
//!
//! What flows through: what the state machine of `progress` wants asked out, the agent's replies in. What it never does: hold a request open
//! that nobody waits for any more.

use leptos::{prelude::*, task::spawn_local};
use steward_api::{ConversationId, GetProgress, Progress, ProgressQuery};

use crate::{
    app::App,
    bridge::{self, Leash, browser},
    failure::Failure,
    progress::{Next, Watch},
    sync,
};

/// The progress of one conversation. A handle: copies show the same.
#[derive(Clone, Copy)]
pub(super) struct Live {
    app: App,
    id: ConversationId,
    /// How far it is.
    pub(super) watch: RwSignal<Watch>,
    /// Holds the request that waits for news.
    leash: StoredValue<Leash, LocalStorage>,
    /// Rises with each request: an earlier one is no longer heard.
    turn: StoredValue<u32>,
}

impl Live {
    /// Nothing is known yet, and nothing asked.
    pub(super) fn new(app: App, id: ConversationId) -> Self {
        let leash = StoredValue::new_local(Leash::default());
        on_cleanup(move || {
            leash.try_with_value(Leash::cut);
        });
        Self {
            app,
            id,
            watch: RwSignal::new(Watch::default()),
            leash,
            turn: StoredValue::new(0),
        }
    }

    /// The conversation was read, with how far it is.
    pub(super) fn read(self, progress: Progress) {
        self.give_up();
        self.step(|watch| watch.read(progress));
    }

    /// Something was said.
    pub(super) fn said(self) {
        self.step(Watch::said);
    }

    /// The line is lost: what waits for news waits in vain. It begins anew when the conversation is read again.
    pub(super) fn lost(self, failure: Failure) {
        let is_waited_for = self
            .watch
            .with_untracked(|watch| watch.is_busy() || watch.is_asking());
        if is_waited_for {
            self.give_up();
            self.watch.update(|watch| {
                watch.failed(failure);
            });
        }
    }

    fn give_up(self) {
        self.turn.update_value(|turn| *turn = turn.wrapping_add(1));
        self.leash.with_value(Leash::cut);
    }

    fn step(self, step: impl FnOnce(&mut Watch) -> Next) {
        let mut next = Next::Rest;
        self.watch.try_update(|watch| next = step(watch));
        let Next::Ask { after, seen } = next else {
            return;
        };
        self.give_up();
        let turn = self.turn.get_value();
        browser::after(after, move || self.ask(turn, seen));
    }

    fn is_current(self, turn: u32) -> bool {
        // The screen may be gone by now.
        self.turn.try_get_value() == Some(turn)
    }

    fn ask(self, turn: u32, seen: Option<u64>) {
        if !self.is_current(turn) {
            return;
        }
        let leash = Leash::new();
        self.leash.set_value(leash.clone());
        let id = self.id.to_string();
        spawn_local(async move {
            let query = ProgressQuery { seen };
            let reply = bridge::wait_for::<GetProgress>(Some(&id), &query, leash).await;
            if !self.is_current(turn) {
                return;
            }
            match reply {
                Ok(progress) => self.step(|watch| watch.heard(progress)),
                Err(failure) => {
                    match &failure {
                        Failure::SignedOut => {
                            sync::signed_out(self.app, Some("Your session has ended."));
                        }
                        failure if failure.is_connection() => sync::check(self.app),
                        _ => {}
                    }
                    self.step(|watch| watch.failed(failure));
                }
            }
        });
    }
}
