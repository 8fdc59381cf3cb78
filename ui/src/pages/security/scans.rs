//! How each part of the scan was read, when it is read next, and having it read now.

use leptos::{prelude::*, task::spawn_local};
use steward_api::{PartState, Role, ScanPart};

use super::Screen;
use crate::{
    bridge::browser,
    components::{marks::mark, text},
    deeds,
    failure::Failure,
    marks::Tone,
    security,
};

/// After a scan was asked for it is looked whether it failed once more as before, which is no news and so no event: milliseconds later.
const LOOK_AFTER: [i32; 3] = [5_000, 20_000, 60_000];
/// So much later it is no longer waited for, milliseconds.
const LET_GO_AFTER: i32 = 120_000;

/// The parts that are being read because a person asked for it.
#[derive(Clone, Copy)]
pub(super) struct Scans {
    /// Each as it was before.
    under_way: RwSignal<Vec<PartState>>,
    failure: RwSignal<Option<Failure>>,
    turn: StoredValue<u32>,
}

impl Scans {
    pub(super) fn new() -> Self {
        Self {
            under_way: RwSignal::new(Vec::new()),
            failure: RwSignal::new(None),
            turn: StoredValue::new(0),
        }
    }

    /// A part that was read is no longer under way.
    pub(super) fn follow(self, screen: Screen) {
        Effect::new(move |_| {
            screen.look(|report| {
                let is_over = |before: &PartState| {
                    report
                        .parts
                        .iter()
                        .find(|now| now.part == before.part)
                        .is_none_or(|now| security::was_scanned(before, now))
                };
                if self.under_way.with_untracked(|all| all.iter().any(is_over)) {
                    self.under_way
                        .update(|all| all.retain(|before| !is_over(before)));
                }
            });
        });
    }

    fn has(self, part: ScanPart) -> bool {
        self.under_way
            .with(|all| all.iter().any(|state| state.part == part))
    }

    /// Has parts read now.
    fn ask(self, screen: Screen, parts: Vec<ScanPart>) {
        let before: Vec<PartState> = untrack(|| {
            screen.look(|report| {
                let all = report.parts.iter();
                all.filter(|state| parts.contains(&state.part))
                    .cloned()
                    .collect()
            })
        });
        self.failure.set(None);
        self.under_way.update(|all| {
            all.retain(|state| !parts.contains(&state.part));
            all.extend(before);
        });
        self.turn.update_value(|turn| *turn = turn.wrapping_add(1));
        let turn = self.turn.get_value();
        spawn_local(async move {
            let asked = deeds::scan_security(screen.app, parts.clone()).await;
            match asked {
                Ok(()) => self.wait(screen, turn),
                Err(refused) => {
                    self.under_way
                        .try_update(|all| all.retain(|state| !parts.contains(&state.part)));
                    self.failure.try_set(Some(refused));
                }
            }
        });
    }

    fn wait(self, screen: Screen, turn: u32) {
        let is_awaited = move || {
            self.turn.try_get_value() == Some(turn)
                && self
                    .under_way
                    .try_with_untracked(|all| !all.is_empty())
                    .unwrap_or_default()
        };
        for later in LOOK_AFTER {
            browser::after(later, move || {
                if is_awaited() {
                    screen.read_if_there();
                }
            });
        }
        browser::after(LET_GO_AFTER, move || {
            if is_awaited() {
                self.under_way.try_set(Vec::new());
                screen.app.say(
                    Tone::Ask,
                    "The scan takes its time. What it finds is shown here when it is there.",
                );
            }
        });
    }
}

/// The button that has everything read.
pub(super) fn all(screen: Screen, is_scanned: Memo<bool>) -> AnyView {
    let store = screen.app.store;
    let scans = screen.scans;
    let is_busy = move || scans.under_way.with(|all| !all.is_empty());
    let may = move || store.may(Role::Operator) && is_scanned.get();
    view! {
        <div class="buttons deeds">
            <button
                class="button"
                class:hidden=move || !may()
                disabled=is_busy
                on:click=move |_| {
                    let parts = screen
                        .look(|report| report.parts.iter().map(|state| state.part).collect());
                    scans.ask(screen, parts);
                }
                data-testid="scan-all"
            >
                {move || if is_busy() { "Scanning…" } else { "Scan everything now" }}
            </button>
        </div>
    }
    .into_any()
}

/// The section.
pub(super) fn section(screen: Screen) -> AnyView {
    let failure = screen.scans.failure;
    let parts = Memo::new(move |_| {
        screen.look(|report| {
            let all = report.parts.iter().map(|state| state.part);
            all.collect::<Vec<_>>()
        })
    });
    view! {
        <section aria-label="Parts of the scan" data-testid="scans">
            {text::heading("Parts of the scan", None)} <div class="card rows">
                {move || failure.get().map(|failure| text::failed(&failure))}
                <For
                    each=move || parts.get()
                    key=|part| *part
                    children=move |part| row(screen, part)
                />
            </div>
        </section>
    }
    .into_any()
}

fn row(screen: Screen, part: ScanPart) -> AnyView {
    let store = screen.app.store;
    let scans = screen.scans;
    let state = Memo::new(move |_| {
        screen.look(|report| {
            let state = report.parts.iter().find(|state| state.part == part);
            state.map(|state| (state.clone(), security::found(report, part)))
        })
    });
    let shown = move || {
        let (state, found) = state.get()?;
        let overdue_too = store.now.get();
        let look = security::part_mark(&state, overdue_too);
        Some((look, state, found))
    };
    let look = Memo::new(move |_| shown().map(|(look, ..)| look));
    let said = move || {
        let (state, found) = state.get()?;
        let read = state.read_at.map(|at| {
            view! {
                <span>{found}</span>
                <span>"read " {text::ago(store, at)}</span>
            }
        });
        let next = state
            .next_at
            .map(|at| view! { <span>"next " {text::ago(store, at)}</span> });
        let gaps: Vec<AnyView> = state
            .gaps
            .iter()
            .map(|gap| view! { <li>{gap.clone()}</li> }.into_any())
            .collect();
        let gaps = (!gaps.is_empty()).then(|| {
            view! {
                <details class="gaps" data-testid="part-gaps">
                    <summary>{format!("Not read ({})", gaps.len())}</summary>
                    <ul>{gaps}</ul>
                </details>
            }
        });
        Some(view! {
            <span class="meta">{read} {next}</span>
            {gaps}
        })
    };
    let is_busy = move || scans.has(part);
    view! {
        <div
            class="row scan"
            data-testid=format!("scan-{}", part.as_str())
            data-state=move || look.get().map(|look| look.word)
        >
            <div class="words">
                <span class="main-words">
                    {security::part_name(part)} " " {move || look.get().map(mark)}
                </span>
                {said}
            </div>
            <button
                class="button"
                class:hidden=move || !store.may(Role::Operator)
                disabled=is_busy
                on:click=move |_| scans.ask(screen, vec![part])
                aria-label=format!("Scan {} now", part.as_str())
                data-testid="scan-now"
            >
                {move || if is_busy() { "Scanning…" } else { "Scan now" }}
            </button>
        </div>
    }
    .into_any()
}
