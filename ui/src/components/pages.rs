//! A long list that is read page by page, newest first.
//!
//! What flows through: pages of the agent in, one list out. What it never does: lose what was shown when another page can't be read.

use std::{future::Future, sync::Arc};

use leptos::prelude::*;
use steward_api::Page;

use super::{loaded::Loaded, text};
use crate::failure::Failure;

/// What was read so far.
pub(crate) struct Pages<T: Send + Sync + 'static> {
    /// Newest first.
    pub(crate) items: RwSignal<Vec<Arc<T>>>,
    /// Where the next page begins; absent at the end.
    pub(crate) next: RwSignal<Option<i64>>,
    /// How the reading goes.
    pub(crate) reading: Loaded<()>,
}

impl<T: Send + Sync + 'static> Clone for Pages<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync + 'static> Copy for Pages<T> {}

impl<T: Send + Sync + 'static> Pages<T> {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            items: RwSignal::new(Vec::new()),
            next: RwSignal::new(None),
            reading: Loaded::new(),
        }
    }

    /// Reads a page: the first in place of all, or the next behind what is there.
    pub(crate) fn read(
        self,
        first: bool,
        page: impl Future<Output = Result<Page<T>, Failure>> + 'static,
    ) {
        self.reading.read(async move {
            let page = page.await?;
            let new = page.items.into_iter().map(Arc::new);
            self.items.try_update(|items| {
                if first {
                    items.clear();
                }
                items.extend(new);
            });
            self.next.try_set(page.next);
            Ok(())
        });
    }

    /// The button that reads the next page, or a word that this is the end.
    pub(crate) fn more(self, read: impl Fn() + Copy + Send + Sync + 'static) -> AnyView {
        view! {
            <div class="more">
                {move || {
                    if self.next.get().is_some() {
                        view! {
                            <button
                                class="button"
                                disabled=move || self.reading.busy.get()
                                on:click=move |_| read()
                                data-testid="older"
                            >
                                {move || {
                                    if self.reading.busy.get() { "Reading…" } else { "Show older" }
                                }}
                            </button>
                        }
                            .into_any()
                    } else {
                        let is_end = move || {
                            self.reading.value.with(Option::is_some)
                                && !self.items.with(Vec::is_empty)
                        };
                        view! {
                            <p class="quiet small" class:hidden=move || !is_end()>
                                "That is all."
                            </p>
                        }
                            .into_any()
                    }
                }}
            </div>
        }
        .into_any()
    }

    /// What stands in the place of the list while there is none: that it is read, or why it could not be.
    pub(crate) fn state(self, again: impl Fn() + Copy + Send + Sync + 'static) -> AnyView {
        view! {
            {move || {
                self.reading
                    .failure
                    .get()
                    .map(|failure| {
                        view! {
                            {text::failed(&failure)}
                            <button class="button" on:click=move |_| again() data-testid="try-again">
                                "Try again"
                            </button>
                        }
                    })
            }}
            {move || {
                (self.reading.value.with(Option::is_none)
                    && self.reading.failure.with(Option::is_none))
                    .then(text::reading)
            }}
        }
        .into_any()
    }
}
