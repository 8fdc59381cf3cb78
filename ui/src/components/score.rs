//! The score of security: a ring with its number, and the card on the overview.

use leptos::prelude::*;

use super::{marks::mark, text};
use crate::{
    app::App,
    filter::SecurityFilter,
    marks::{self, Mark},
    route::Route,
    store::Part,
    words::security,
};

/// The score as a ring; where it is not known, an empty one with a question mark.
pub(crate) fn ring(score: Option<u8>, mark: Mark) -> AnyView {
    let known = score.filter(|score| *score > 0);
    let number = score.map_or_else(|| "?".to_owned(), |score| score.to_string());
    let label = match score {
        Some(score) => format!("Security score {score} of 100: {}", mark.word),
        None => format!("Security score {}", mark.word),
    };
    view! {
        <svg
            class=format!("ring {}", mark.tone.class())
            viewBox="0 0 120 120"
            role="img"
            aria-label=label
        >
            <circle class="whole" class:open=score.is_none() cx="60" cy="60" r="52"></circle>
            {known
                .map(|score| {
                    view! {
                        <circle
                            class="part"
                            cx="60"
                            cy="60"
                            r="52"
                            pathLength="100"
                            stroke-dasharray=format!("{score} 100")
                            transform="rotate(-90 60 60)"
                        ></circle>
                    }
                })}
            <text x="60" y="72" text-anchor="middle">
                {number}
            </text>
        </svg>
    }
    .into_any()
}

/// What the overview says of security.
pub(crate) fn card(app: App) -> AnyView {
    let store = app.store;
    let summary = Memo::new(move |_| store.read(&[Part::Security], |world| world.security.clone()));
    let inside = move || {
        let Some(summary) = summary.get() else {
            return view! {
                {ring(None, marks::level(None))}
                <div class="words">
                    {mark(marks::level(None))}
                    <p class="quiet">"The agent has not told it."</p>
                </div>
            }
            .into_any();
        };
        let is_whole = summary.read_at.is_some();
        let look = security::score_mark(summary.security_level, is_whole);
        let mut lines = security::in_short(&summary);
        lines.extend(match (summary.security_score, is_whole) {
            (None, _) => Some("Nothing of it was read yet.".to_owned()),
            (Some(_), false) => Some("Not every part was read yet.".to_owned()),
            _ => None,
        });
        let read = summary
            .read_at
            .map(|at| view! { <p class="quiet small">"read " {text::ago(store, at)}</p> });
        view! {
            {ring(summary.security_score, look)}
            <div class="words">
                {mark(look)}
                {lines
                    .into_iter()
                    .map(|line| view! { <p class="quiet">{line}</p> })
                    .collect::<Vec<_>>()}
                {read}
            </div>
        }
        .into_any()
    };
    view! {
        <section aria-label="Security" data-testid="security-card">
            {text::heading(
                "Security",
                Some(("Details", Route::Security(SecurityFilter::default()).hash())),
            )}
            <div class="card score">{inside}</div>
        </section>
    }
    .into_any()
}
