//! The score as a ring, and the sum that makes it.

use leptos::prelude::*;

use super::Screen;
use crate::{
    components::{marks::mark, score::ring, text},
    marks, security,
    words::security as words,
};

/// The section.
pub(super) fn section(screen: Screen) -> AnyView {
    let score = Memo::new(move |_| screen.look(|report| report.score.clone()));
    let is_whole = Memo::new(move |_| {
        screen.look(|report| report.parts.iter().all(|part| part.read_at.is_some()))
    });
    let inside = move || {
        let Some(score) = score.get() else {
            return view! {
                {ring(None, marks::level(None))}
                <div class="words">
                    <p class="level-word">{mark(marks::level(None))}</p>
                    <p class="quiet">"There is a score as soon as a part was read."</p>
                </div>
            }
            .into_any();
        };
        let look = words::score_mark(Some(score.level), is_whole.get());
        let mut notes = security::formula_notes(&score);
        if !is_whole.get() {
            notes.push(
                "Not every part was read yet: what is not known takes nothing off, and may still."
                    .to_owned(),
            );
        }
        view! {
            {ring(Some(score.score), look)}
            <div class="words">
                <p class="level-word">{mark(look)}</p>
                <p class="formula" data-testid="formula">
                    {security::formula(&score)}
                </p>
                {notes
                    .into_iter()
                    .map(|note| view! { <p class="quiet small">{note}</p> })
                    .collect::<Vec<_>>()}
                <p class="quiet small">"90 and more is excellent, 70 good, 50 a warning, less is critical."</p>
            </div>
        }
        .into_any()
    };
    view! {
        <section aria-label="Score" data-testid="security-score">
            {text::heading("Score", None)} <div class="card score large">{inside}</div>
        </section>
    }
    .into_any()
}
