//! What takes points off: each with what it rests on, the way to win it back, and what is done about it.

use leptos::prelude::*;
use steward_api::{Deduction, ResourceId};

use super::{Screen, related};
use crate::{
    app::App,
    components::{marks::sign, text},
    format,
    pages::incident::evidence,
    route::Route,
    security,
};

/// The section.
pub(super) fn section(screen: Screen) -> AnyView {
    let deductions = Memo::new(move |_| {
        screen.look(|report| {
            let score = report.score.as_ref();
            score.map_or_else(Vec::new, |score| score.deductions.clone())
        })
    });
    let is_known = Memo::new(move |_| screen.look(|report| report.score.is_some()));
    let nothing = move || {
        (is_known.get() && deductions.with(Vec::is_empty)).then(|| {
            view! {
                <div class="card">
                    {text::empty(
                        "Nothing takes points off.",
                        "What would stands here, with its evidence and the way to win the points back.",
                    )}
                </div>
            }
        })
    };
    view! {
        <section
            class:hidden=move || !is_known.get()
            aria-label="What takes points off"
            data-testid="deductions"
        >
            {text::heading("What takes points off", None)} <div class="deductions">
                <For
                    each=move || deductions.get()
                    key=key
                    children=move |deduction| one(screen.app, &deduction)
                />
                {nothing}
            </div>
        </section>
    }
    .into_any()
}

/// What is written of a deduction: one that reads the same is the same.
fn key(deduction: &Deduction) -> String {
    let mut key = format!(
        "{}\n{}\n{}\n{}",
        deduction.points, deduction.spared, deduction.what, deduction.way
    );
    for one in &deduction.evidence {
        key.push('\n');
        key.push_str(&one.text);
    }
    key
}

fn one(app: App, deduction: &Deduction) -> AnyView {
    let look = security::deduction(deduction.kind);
    let seen = related::seen(app, deduction.about.clone());
    let spared = (deduction.spared > 0).then(|| {
        view! {
            <span data-testid="spared">
                {format!("a cap spares {} more", security::points(deduction.spared))}
            </span>
        }
    });
    let proof = (!deduction.evidence.is_empty()).then(|| {
        view! {
            <details data-testid="deduction-evidence">
                <summary>{format!("Evidence ({})", deduction.evidence.len())}</summary>
                {evidence(&deduction.evidence)}
            </details>
        }
    });
    view! {
        <article class="card deduction" data-testid="deduction">
            <span class=format!("off {}", look.tone.class())>
                {sign(look)} <strong>{format!("−{}", deduction.points)}</strong>
                <span class="hidden-words">" points: "</span>
            </span>
            <div class="words">
                <h3>{format::capital(&deduction.what)}</h3>
                <p>
                    <span class="quiet">"To win it back: "</span>
                    {deduction.way.clone()}
                </p>
                <p class="meta">
                    {whose(&deduction.resource)} {spared}
                    {related::of(seen, deduction.incident, deduction.task)}
                </p>
                {related::question(app, seen)}
                {proof}
            </div>
        </article>
    }
    .into_any()
}

/// A link to a resource.
pub(super) fn whose(id: &ResourceId) -> AnyView {
    view! { <a href=Route::Resource(id.clone()).hash()>{id.short().to_owned()}</a> }.into_any()
}
