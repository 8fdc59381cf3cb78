//! Failed attempts to sign in, by source: who came in first, then what looks like an attack.

use leptos::prelude::*;
use steward_api::{ScanPart, SignInSource};

use super::{Screen, deductions::whose, found, nothing, related};
use crate::{
    components::{
        marks::{mark, shape, sign},
        text,
    },
    format,
    marks::Shape,
    pages::incident::evidence,
    security,
    words::security as words,
};

/// So many sources are shown before the rest is folded.
const SHOWN: usize = 25;

/// The section.
pub(super) fn section(screen: Screen) -> AnyView {
    let all = Memo::new(move |_| screen.look(security::sign_ins));
    let count = move || format::count(all.with(Vec::len) as u64, "source");
    let is_any = Memo::new(move |_| !all.with(Vec::is_empty));
    let every = RwSignal::new(false);
    let rows = move || {
        if !is_any.get() {
            return nothing(
                screen,
                ScanPart::Authentication,
                "Nobody failed to sign in lately.",
            );
        }
        view! {
            <div class="card rows">
                {move || {
                    let most = if every.get() { usize::MAX } else { SHOWN };
                    all.with(|all| {
                        all.iter().take(most).map(|one| row(screen, one)).collect::<Vec<_>>()
                    })
                }}
                {move || {
                    let more = all.with(Vec::len).saturating_sub(SHOWN);
                    (more > 0 && !every.get())
                        .then(|| {
                            view! {
                                <button class="button" on:click=move |_| every.set(true)>
                                    {format!("Show {} more", format::grouped(more as u64))}
                                </button>
                            }
                        })
                }}
            </div>
        }
        .into_any()
    };
    found(screen, ScanPart::Authentication, count, rows.into_any())
}

fn row(screen: Screen, source: &SignInSource) -> AnyView {
    let look = security::pattern_mark(source.pattern);
    let node = untrack(|| screen.node());
    let own = source.own.as_ref().map(|why| {
        view! {
            <p class="own" data-testid="may-be-own">
                <span class="mark tone-ask">
                    {shape(Shape::Question)} <span>"may be your own"</span>
                </span>
                " "
                {why.clone()}
            </p>
        }
    });
    let names = match source.user_examples.as_slice() {
        [] => format::count(source.users, "name"),
        some => {
            let more = source.users.saturating_sub(some.len() as u64);
            let more = if more > 0 {
                format!(" and {} more", format::grouped(more))
            } else {
                String::new()
            };
            format!("tried {}{more}", some.join(", "))
        }
    };
    let came_in = (source.successes > 0).then(|| {
        view! { <span>{format!("came in {}", times(source.successes))}</span> }
    });
    let proof = (!source.evidence.is_empty()).then(|| {
        view! {
            <details>
                <summary>"Evidence"</summary>
                {evidence(&source.evidence)}
            </details>
        }
    });
    view! {
        <div class="row seen" data-testid="sign-in" data-state=look.word>
            {sign(look)}
            <div class="words">
                <span class="main-words">
                    {words::from(source)} <span class="quiet">" at "</span> {source.service.clone()}
                </span>
                <span class="sub-words">{format::capital(words::pattern(source.pattern))}</span>
                <span class="meta">
                    <span>
                        {format!(
                            "{}, {} in the busiest window",
                            format::count(source.failures, "failure"),
                            format::grouped(source.peak),
                        )}
                    </span>
                    {came_in}
                    <span>{names}</span>
                    <span>"logged by " {whose(&source.resource)}</span>
                    {related::links(
                        screen.app,
                        Some(security::sign_in_id(&node, &source.service)),
                    )}
                </span>
                {own}
                {proof}
            </div>
            <span class="when">
                {mark(look)}
                <span>"from " {text::clock(source.first_at)}</span>
                <span>"to " {text::clock(source.last_at)}</span>
            </span>
        </div>
    }
    .into_any()
}

fn times(number: u64) -> String {
    if number == 1 {
        "once".to_owned()
    } else {
        format!("{} times", format::grouped(number))
    }
}
