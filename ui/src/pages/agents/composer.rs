//! Where a person writes: what, to whom, and which model is to answer.
//!
//! What flows through: keys and choices in, one question to the agent out. What it never does: lose what was written before the agent has
//! taken it, or offer itself to whoever may only read.

use leptos::{ev::KeyboardEvent, ev::SubmitEvent, prelude::*, task::spawn_local};
use steward_api::{ConversationId, IncidentId, JARVIS_PRIME, Role, SayRequest, TaskId};

use super::{Roster, live::Live};
use crate::{
    app::App,
    bridge::browser,
    components::text,
    conversation::{LONGEST_QUESTION, question},
    deeds,
    failure::Failure,
    format, keys,
    route::Route,
};

/// In so few characters before the longest question it is said how many are left.
const NEARLY_FULL: usize = 400;

/// What is asked about.
#[derive(Clone, Copy, Default)]
pub(super) struct About {
    /// In which conversation; absent begins one.
    pub(super) conversation: Option<ConversationId>,
    /// The incident that a new one is about.
    pub(super) incident: Option<IncidentId>,
    /// The task that a new one is about.
    pub(super) task: Option<TaskId>,
}

/// The field with what belongs to it. A handle: copies show the same.
#[derive(Clone, Copy)]
pub(super) struct Composer {
    app: App,
    about: About,
    roster: Roster,
    /// What follows the answer, in a conversation that has begun.
    live: Option<Live>,
    words: RwSignal<String>,
    /// Who is to answer, where somebody was chosen.
    pub(super) to: RwSignal<Option<String>>,
    /// Who is asked where nobody was chosen.
    pub(super) usually: RwSignal<String>,
    model: RwSignal<String>,
    sending: RwSignal<bool>,
    failure: RwSignal<Option<Failure>>,
}

impl Composer {
    /// An empty one.
    pub(super) fn new(app: App, about: About, roster: Roster) -> Self {
        Self {
            app,
            about,
            roster,
            live: None,
            words: RwSignal::new(String::new()),
            to: RwSignal::new(None),
            usually: RwSignal::new(JARVIS_PRIME.to_owned()),
            model: RwSignal::new(String::new()),
            sending: RwSignal::new(false),
            failure: RwSignal::new(None),
        }
    }

    /// One of a conversation that has begun.
    pub(super) fn within(self, live: Live) -> Self {
        Self {
            live: Some(live),
            ..self
        }
    }

    /// Puts the focus where one writes.
    pub(super) fn focus(self) {
        browser::focus("#question");
    }

    /// Whether an answer is under way: one at a time.
    fn is_busy(self) -> bool {
        self.live
            .is_some_and(|live| live.watch.with(crate::progress::Watch::is_busy))
    }

    fn is_held(self) -> bool {
        self.sending.get() || self.is_busy() || !self.app.store.is_live()
    }

    fn whom(self) -> String {
        self.to.get().unwrap_or_else(|| self.usually.get())
    }

    fn send(self) {
        let Some(text) = self.words.with_untracked(|words| question(words)) else {
            return;
        };
        if untrack(|| self.is_held()) {
            return;
        }
        self.sending.set(true);
        self.failure.set(None);
        let to = untrack(|| self.whom());
        let model = self.model.get_untracked();
        let words = SayRequest {
            text,
            conversation: self.about.conversation,
            to: Some(to).filter(|to| to != JARVIS_PRIME),
            model: Some(model).filter(|model| !model.is_empty()),
            incident: self.about.incident,
            task: self.about.task,
        };
        spawn_local(async move {
            let said = deeds::say(self.app, words).await;
            // The screen may be gone by now.
            if self.sending.try_set(false).is_some() {
                return;
            }
            match said {
                Ok(said) => {
                    self.words.try_set(String::new());
                    match self.live {
                        Some(live) => live.said(),
                        None => {
                            self.app.go(&Route::Conversation(said.conversation));
                            // It goes on where one writes, not at the heading of the new screen.
                            browser::after(super::AFTER_THE_HEADING, move || {
                                browser::focus("#question");
                            });
                        }
                    }
                }
                Err(failure) => {
                    self.failure.try_set(Some(failure));
                }
            }
        });
    }

    fn pressed(self, event: &KeyboardEvent) {
        let is_plain =
            !(event.shift_key() || event.ctrl_key() || event.alt_key() || event.meta_key());
        if keys::sends(&event.key(), is_plain, event.is_composing()) {
            event.prevent_default();
            self.send();
        }
    }

    /// The card; for whoever may only read a word that says so.
    pub(super) fn view(self, heading: Option<&'static str>) -> AnyView {
        let store = self.app.store;
        let may_ask = Memo::new(move |_| store.may(Role::Operator));
        let lacks = self.roster.lacks_a_model();
        let shown = move || {
            if !may_ask.get() {
                view! {
                    <p class="quiet" data-testid="may-not-ask">
                        "You are signed in as a viewer: you can read everything here. An operator or admin can ask."
                    </p>
                }
                .into_any()
            } else if lacks.get() {
                ().into_any()
            } else {
                untrack(|| self.form())
            }
        };
        view! {
            <section class="composer" aria-label="Ask" data-testid="composer">
                {heading.map(|heading| text::heading(heading, None))}
                {self.roster.no_model()}
                {shown}
            </section>
        }
        .into_any()
    }

    fn form(self) -> AnyView {
        let submitted = move |event: SubmitEvent| {
            event.prevent_default();
            self.send();
        };
        let left = move || {
            let length = self.words.with(|words| words.trim().chars().count());
            let left = LONGEST_QUESTION.saturating_sub(length);
            if left > NEARLY_FULL {
                "Enter sends, Shift Enter begins a new line.".to_owned()
            } else {
                format!("{} left", format::count(left as u64, "character"))
            }
        };
        let is_empty = Memo::new(move |_| self.words.with(|words| question(words).is_none()));
        let label = move || format!("Question to {}", self.whom());
        let words = move || {
            if self.sending.get() {
                "Sending…"
            } else {
                "Ask"
            }
        };
        view! {
            <form class="card" on:submit=submitted data-testid="composer-form">
                <label class="hidden-words" for="question">
                    {label}
                </label>
                <textarea
                    id="question"
                    rows="2"
                    maxlength=LONGEST_QUESTION.to_string()
                    placeholder=move || format!("Ask {}: what is slow, what broke, what is unusual?", self.whom())
                    enterkeyhint="send"
                    aria-describedby="question-help"
                    prop:value=move || self.words.get()
                    on:input=move |event| self.words.set(event_target_value(&event))
                    on:keydown=move |event| self.pressed(&event)
                    data-testid="question-words"
                ></textarea>
                <div class="choices">
                    {self.whom_to_ask()}
                    {self.which_model()}
                    <span id="question-help" class="quiet small help">
                        {left}
                    </span>
                    <button
                        type="submit"
                        class="button go"
                        disabled=move || self.is_held() || is_empty.get()
                        data-testid="send"
                    >
                        {words}
                    </button>
                </div>
                {move || self.failure.get().map(|failure| text::not_asked(&failure))}
            </form>
        }
        .into_any()
    }

    fn whom_to_ask(self) -> AnyView {
        let all = self.roster.specialists.value;
        // A list that is open stays open while it is only looked who is at work.
        let names = Memo::new(move |_| {
            let mut names = all.get().map_or_else(Vec::new, |all| {
                all.iter()
                    .map(|one| (one.name.clone(), format!("{}, {}", one.name, one.field)))
                    .collect::<Vec<_>>()
            });
            let whom = self.whom();
            if !names.iter().any(|(name, _)| *name == whom) {
                names.insert(0, (whom.clone(), whom));
            }
            names
        });
        let options = move || {
            names
                .get()
                .into_iter()
                .map(|(name, words)| {
                    let called = name.clone();
                    let is_chosen = Memo::new(move |_| self.whom() == called);
                    view! {
                        <option value=name selected=is_chosen prop:selected=is_chosen>
                            {words}
                        </option>
                    }
                    .into_any()
                })
                .collect::<Vec<_>>()
        };
        view! {
            <label class="choice">
                <span>"To"</span>
                <select
                    on:change=move |event| self.to.set(Some(event_target_value(&event)))
                    data-testid="ask-whom"
                >
                    {options}
                </select>
            </label>
        }
        .into_any()
    }

    fn which_model(self) -> AnyView {
        let advisor = self.roster.advisor.value;
        let names = Memo::new(move |_| {
            advisor.with(|status| {
                status.as_ref().map_or_else(Vec::new, |status| {
                    status
                        .models
                        .iter()
                        .map(|model| model.name.clone())
                        .collect::<Vec<_>>()
                })
            })
        });
        let options = move || {
            names
                .get()
                .into_iter()
                .map(|name| {
                    let called = name.clone();
                    let is_chosen = Memo::new(move |_| self.model.with(|model| *model == called));
                    view! {
                        <option value=name.clone() selected=is_chosen prop:selected=is_chosen>
                            {name.clone()}
                        </option>
                    }
                    .into_any()
                })
                .collect::<Vec<_>>()
        };
        view! {
            <label class="choice">
                <span>"Model"</span>
                <select
                    on:change=move |event| self.model.set(event_target_value(&event))
                    data-testid="ask-model-choice"
                >
                    <option value="">"What suits best"</option>
                    {options}
                </select>
            </label>
        }
        .into_any()
    }
}
