//! An answer that is under way: its text as far as it is written, who is at work on what, and when it is there.
//!
//! What flows through: the conversation and its progress in; stopping it, and having it once more, out. What it never does: say to whoever
//! listens what is not done.

use std::sync::Arc;

use leptos::prelude::*;
use steward_api::{MessageKind, Working, Writing};

use super::{message, talk::Screen};
use crate::{
    app::App,
    components::{
        conversation::standing,
        marks::{mark, sign},
        prose, text,
    },
    failure::Failure,
    marks::{Mark, Shape, Tone},
    progress::Watch,
    prose::{Known, pieces, references, spoken},
    words,
};

/// The answer as far as it is written. It is said to nobody who listens before it is done.
pub(super) fn writing(screen: Screen) -> AnyView {
    let now: Memo<Option<Writing>> = Memo::new(move |_| {
        screen
            .with(|dialogue| {
                screen
                    .live
                    .watch
                    .with(|watch| watch.writing(dialogue).cloned())
            })
            .flatten()
    });
    let from = Memo::new(move |_| now.with(|now| now.as_ref().map(|now| now.from.clone())));
    let text = move || {
        now.with(|now| {
            let text = now.as_ref().map_or("", |now| now.text.as_str());
            let known = Known {
                references: &[],
                unchecked: &[],
                resource: &|_| None,
            };
            pieces(text, &known)
        })
    };
    let shown = move |from: String| {
        view! {
            <div class="said-by card answered" aria-busy="true" data-testid="writing">
                <p class="meta small">
                    <strong>{from}</strong>
                    <span>"writes; what it names is not checked yet"</span>
                </p>
                {prose::growing(text)}
            </div>
        }
    };
    (move || from.get().map(|from| untrack(|| shown(from)))).into_any()
}

/// Who is at work on what, with a way to stop them; or that nobody is though an answer is owed.
pub(super) fn under_way(screen: Screen, may_ask: Memo<bool>) -> AnyView {
    let watch = screen.live.watch;
    let is_busy = Memo::new(move |_| screen.is_busy());
    let working = Memo::new(move |_| {
        watch.with(|watch| {
            watch
                .progress()
                .filter(|progress| progress.busy)
                .map_or_else(Vec::new, |progress| progress.working.clone())
        })
    });
    let at_work = move || {
        is_busy.get().then(|| {
            let rows = move || {
                let all = working.get();
                if all.is_empty() {
                    return view! { <li>{turning("It begins…")}</li> }.into_any();
                }
                all.iter()
                    .map(|one| row(screen.app, one))
                    .collect::<Vec<_>>()
                    .into_any()
            };
            let stop = move || {
                may_ask.get().then(|| {
                    view! {
                        <button
                            type="button"
                            class="button"
                            disabled=move || screen.busy.get() || !screen.app.store.is_live()
                            on:click=move |_| screen.stop()
                            data-testid="stop"
                        >
                            {move || if screen.busy.get() { "Stopping…" } else { "Stop" }}
                        </button>
                    }
                })
            };
            view! {
                <div class="under-way" data-testid="under-way">
                    <ul aria-label="At work">{rows}</ul>
                    {stop}
                </div>
            }
        })
    };
    let owed = Memo::new(move |_| {
        !screen.is_busy()
            && !watch.with(Watch::is_asking)
            && screen.with(|dialogue| {
                dialogue.is_read
                    && dialogue
                        .last_of_main_line()
                        .is_some_and(|last| last.kind == MessageKind::Question)
            }) == Some(true)
    });
    let nobody = move || {
        owed.get().then(|| {
            view! {
                <div class="under-way" data-testid="nobody-at-work">
                    <p>
                        {mark(Mark {
                            shape: Shape::Question,
                            word: "nobody is at work on it",
                            tone: Tone::Unsure,
                        })} " "
                        <span class="quiet">
                            "Steward may have been started anew in the middle of it."
                        </span>
                    </p>
                    {move || {
                        may_ask
                            .get()
                            .then(|| {
                                view! {
                                    <button
                                        type="button"
                                        class="button"
                                        disabled=move || {
                                            screen.busy.get() || !screen.app.store.is_live()
                                        }
                                        on:click=move |_| screen.again()
                                        data-testid="retry"
                                    >
                                        "Try again"
                                    </button>
                                }
                            })
                    }}
                </div>
            }
        })
    };
    // A lost line is told once, by the frame; here, that it is not known how far the answer is.
    let unknown = move || {
        watch
            .with(|watch| watch.failure().cloned())
            .map(|failure| match failure {
                Failure::Refused(_) => text::failed(&failure),
                _ => view! {
                    <p class="quiet" data-testid="progress-unknown">
                        "How far it is can't be seen right now: "
                        {failure.title()}
                        ". It is tried again."
                    </p>
                }
                .into_any(),
            })
    };
    view! {
        {at_work}
        {nobody}
        {unknown}
        {move || screen.failure.get().map(|failure| text::not_asked(&failure))}
    }
    .into_any()
}

fn turning(words: &str) -> AnyView {
    view! {
        {sign(standing(true))}
        " "
        <span>{words.to_owned()}</span>
    }
    .into_any()
}

fn row(app: App, one: &Working) -> AnyView {
    let model = one
        .model
        .clone()
        .map(|model| view! { <span>{format!("by {model}")}</span> });
    view! {
        <li data-testid="working">
            {turning(&words::doing(one))}
            <span class="meta small">
                <span>"for " {text::since(app.store, one.since)}</span>
                {model}
            </span>
        </li>
    }
    .into_any()
}

/// For whoever listens: an answer that came while the screen was open.
pub(super) fn heard(screen: Screen) -> AnyView {
    let newest = Memo::new(move |_| {
        screen
            .with(|dialogue| {
                dialogue
                    .is_read
                    .then(|| dialogue.last_answer().map_or(0, |last| last.number))
            })
            .flatten()
    });
    let said = Memo::new(move |before: Option<&(Option<u32>, String)>| {
        let now = newest.get();
        let is_new = before.is_some_and(|(before, _)| before.is_some() && *before != now);
        let words = is_new
            .then(|| {
                screen.dialogue.with_untracked(|dialogue| {
                    let answer = Arc::clone(dialogue.as_ref()?.last_answer()?);
                    let pieces = message::read(screen.app, &answer, &references(&answer.text));
                    let begins = words::said(&answer);
                    Some(format!("{begins}: {}", spoken(&pieces)))
                })
            })
            .flatten();
        (now, words.unwrap_or_default())
    });
    view! {
        <p class="hidden-words" role="status" aria-live="polite" data-testid="heard">
            {move || said.with(|(_, words)| words.clone())}
        </p>
    }
    .into_any()
}
