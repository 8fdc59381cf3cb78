//! Whom one can ask: specialists with what they work on, and the models that speak for them.
//!
//! What flows through: both lists of the agent in, read again when something was said. What it never does: look again and again while nobody
//! is at work.

use leptos::prelude::*;
use steward_api::{
    AdvisorStatus, ConversationId, GetAdvisor, ListSpecialists, Nothing, Specialist,
};

use crate::{
    app::App,
    bridge::browser,
    components::{loaded::Loaded, text},
    conversation,
    route::Route,
    store::Part,
};

/// After something was said it is looked who is at work, milliseconds later: more may be said in that time.
const AFTER_A_WORD: i32 = 300;
/// While somebody is at work, it is looked on what, every so many milliseconds.
const WHILE_AT_WORK: i32 = 2_000;
/// Whether there is a model by now is looked at at every so-manieth pulse.
const EVERY: u32 = 3;

/// The lists. A handle: copies show the same.
#[derive(Clone, Copy)]
pub(in crate::pages) struct Roster {
    app: App,
    /// Specialists.
    pub(in crate::pages) specialists: Loaded<Vec<Specialist>>,
    /// Models.
    pub(in crate::pages) advisor: Loaded<AdvisorStatus>,
    /// Whether it is about to be looked again.
    due: StoredValue<bool>,
}

impl Roster {
    /// Reads both lists, and again whenever the line is got back.
    pub(in crate::pages) fn new(app: App) -> Self {
        let roster = Self {
            app,
            specialists: Loaded::new(),
            advisor: Loaded::new(),
            due: StoredValue::new(false),
        };
        Effect::new(move |_| {
            app.store.readings.track();
            roster.read();
            roster.read_advisor();
        });
        // No event tells that a model was found.
        let beat = Memo::new(move |_| app.store.pulse.get() / EVERY);
        Effect::new(move |before: Option<()>| {
            beat.with(|_| ());
            let lacks = || {
                roster
                    .advisor
                    .value
                    .with_untracked(|status| status.as_ref().is_none_or(|one| one.advice.is_some()))
            };
            if before.is_some() && lacks() {
                roster.read_advisor();
            }
        });
        roster
    }

    /// Reads the specialists.
    pub(in crate::pages) fn read(self) {
        let app = self.app;
        self.specialists
            .read(async move { app.call::<ListSpecialists>(None, &Nothing {}).await });
    }

    /// Reads the models.
    pub(in crate::pages) fn read_advisor(self) {
        let app = self.app;
        self.advisor
            .read(async move { app.call::<GetAdvisor>(None, &Nothing {}).await });
    }

    /// Keeps current who is at work on what: each work begins and ends with a word in the event stream, and between them it is looked.
    pub(in crate::pages) fn follow_work(self) {
        let store = self.app.store;
        Effect::new(move |before: Option<()>| {
            store.read(&[Part::Conversations], |_| ());
            if before.is_some() {
                self.read_in(AFTER_A_WORD);
            }
        });
        let is_at_work = Memo::new(move |_| self.specialists.value.with(|_| self.is_at_work()));
        Effect::new(move |_| {
            // Each reading leads to the next, for as long as it finds somebody at work.
            self.specialists.value.track();
            if is_at_work.get() {
                self.read_in(WHILE_AT_WORK);
            }
        });
    }

    fn is_at_work(self) -> bool {
        self.specialists.value.with_untracked(|all| {
            all.as_ref()
                .is_some_and(|all| all.iter().any(|one| !one.at_work.is_empty()))
        })
    }

    fn read_in(self, milliseconds: i32) {
        if self.due.get_value() {
            return;
        }
        self.due.set_value(true);
        browser::after(milliseconds, move || {
            // The screen may be gone by now.
            if self.due.try_set_value(false).is_none() && self.app.store.is_live_now() {
                self.read();
            }
        });
    }

    /// Conversations in which somebody is at work.
    pub(in crate::pages) fn busy(self) -> Memo<Vec<ConversationId>> {
        Memo::new(move |_| {
            self.specialists.value.with(|all| {
                all.as_ref()
                    .map_or_else(Vec::new, |all| conversation::at_work(all))
            })
        })
    }

    /// Whether no model may be asked, as far as is known.
    pub(in crate::pages) fn lacks_a_model(self) -> Memo<bool> {
        Memo::new(move |_| {
            self.advisor.value.with(|status| {
                status
                    .as_ref()
                    .is_some_and(|status| status.advice.is_some())
            })
        })
    }

    /// That no model may be asked and how to have one, where that is so.
    pub(in crate::pages) fn no_model(self) -> AnyView {
        let shown = move || {
            let status = self
                .advisor
                .value
                .get()
                .filter(|status| status.advice.is_some())?;
            Some(view! {
                <div class="card no-model" data-testid="no-model">
                    {text::no_model(&status)}
                    <p class="quiet">
                        "Specialists speak through a language model: without one they can't answer. "
                        <a href=Route::Settings.hash() data-testid="to-models">
                            "Models under Settings"
                        </a>
                    </p>
                </div>
            })
        };
        shown.into_any()
    }
}
