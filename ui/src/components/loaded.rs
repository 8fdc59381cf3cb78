//! Something that a screen reads by itself: on its way, there, or failed. While it is read again what was there stays, so nothing jumps.
//!
//! What flows through: a future in, signals out. What it never does: let a late answer replace a newer one.

use std::{future::Future, pin::Pin, sync::Arc};

use leptos::{prelude::*, task::spawn_local};

use super::text;
use crate::failure::Failure;

/// What was read, and how that went.
pub(crate) struct Loaded<T: Send + Sync + 'static> {
    /// The newest that was read.
    pub(crate) value: RwSignal<Option<Arc<T>>>,
    /// Why the last reading failed, where it did.
    pub(crate) failure: RwSignal<Option<Failure>>,
    /// Whether it is being read.
    pub(crate) busy: RwSignal<bool>,
    turn: StoredValue<u32>,
}

impl<T: Send + Sync + 'static> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync + 'static> Copy for Loaded<T> {}

impl<T: Send + Sync + 'static> Loaded<T> {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            value: RwSignal::new(None),
            failure: RwSignal::new(None),
            busy: RwSignal::new(false),
            turn: StoredValue::new(0),
        }
    }

    /// Reads; what an earlier reading still brings is then ignored.
    pub(crate) fn read(self, reading: impl Future<Output = Result<T, Failure>> + 'static) {
        self.follow(Box::pin(reading));
    }

    fn follow(self, reading: Pin<Box<dyn Future<Output = Result<T, Failure>>>>) {
        self.turn.update_value(|turn| *turn = turn.wrapping_add(1));
        let turn = self.turn.get_value();
        self.busy.set(true);
        spawn_local(async move {
            let read = reading.await;
            // The screen may be gone by now, and its signals with it.
            if self.turn.try_get_value() != Some(turn) {
                return;
            }
            self.busy.try_set(false);
            match read {
                Ok(value) => {
                    self.failure.try_set(None);
                    self.value.try_set(Some(Arc::new(value)));
                }
                Err(failure) => {
                    self.failure.try_set(Some(failure));
                }
            }
        });
    }

    /// Shows what was read as soon as it is there; before that, that it is being read, or why it could not be. What is shown is built once
    /// and looks at the signals by itself.
    pub(crate) fn show(
        self,
        again: impl Fn() + Copy + Send + Sync + 'static,
        shown: impl Fn() -> AnyView + Send + 'static,
    ) -> AnyView {
        let there = Memo::new(move |_| self.value.with(Option::is_some));
        // A lost line is told once, by the frame, and not by everything that was read through it.
        let told = move || {
            self.failure
                .get()
                .filter(|failure| !there.get() || matches!(failure, Failure::Refused(_)))
        };
        let trouble = move || {
            told().map(|failure| {
                view! {
                    {text::failed(&failure)}
                    <button
                        class="button"
                        disabled=move || self.busy.get()
                        on:click=move |_| again()
                        data-testid="try-again"
                    >
                        "Try again"
                    </button>
                }
            })
        };
        view! {
            <div class="loaded" aria-busy=move || self.busy.get().to_string()>
                {trouble}
                {move || {
                    if there.get() {
                        untrack(&shown)
                    } else if self.failure.with(Option::is_some) {
                        ().into_any()
                    } else {
                        text::reading()
                    }
                }}
            </div>
        }
        .into_any()
    }
}
