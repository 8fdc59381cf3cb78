//! Security: the score and what it rests on, how each part was read, and everything that was found.
//!
//! What flows through: the agent's report in, read when the screen opens and again when an event says that a part was; wishes to scan and
//! ports that are meant to be open out. What it never does: ask again and again, or show what was not read as clean.

mod authentication;
mod certificates;
mod configuration;
mod deductions;
mod ports;
mod related;
mod scans;
mod score;
mod trend;
mod vulnerabilities;

use leptos::prelude::*;
use steward_api::{GetSecurity, Nothing as NoInput, ScanPart, SecurityReport};

use crate::{
    app::App,
    bridge::browser,
    components::{
        loaded::Loaded,
        marks::{mark, shape},
        text,
    },
    marks::{Mark, Shape, Tone},
    security::{self, Nothing},
    store::Part,
};

/// Events that come together cause one reading, milliseconds.
const GATHER: i32 = 400;

/// The screen's own state. Copies show the same.
#[derive(Clone, Copy)]
struct Screen {
    app: App,
    reading: Loaded<SecurityReport>,
    scans: scans::Scans,
}

impl Screen {
    fn read(self) {
        let app = self.app;
        self.reading
            .read(async move { app.call::<GetSecurity>(None, &NoInput {}).await });
    }

    /// The same, unless the screen was left.
    fn read_if_there(self) {
        if self.reading.busy.try_get_untracked().is_some() && self.app.store.is_live_now() {
            self.read();
        }
    }

    /// Looks at the report; where there is none yet, at nothing.
    fn look<T: Default>(self, look: impl FnOnce(&SecurityReport) -> T) -> T {
        self.reading
            .value
            .with(|report| report.as_deref().map(look).unwrap_or_default())
    }

    /// The node whose security it is.
    fn node(self) -> String {
        self.look(|report| report.node.clone())
    }
}

/// The screen.
pub(super) fn page(app: App) -> AnyView {
    let store = app.store;
    let screen = Screen {
        app,
        reading: Loaded::new(),
        scans: scans::Scans::new(),
    };
    let due = StoredValue::new(false);
    Effect::new(move |before: Option<()>| {
        store.read(&[Part::Security], |_| ());
        store.readings.track();
        if before.is_none() {
            screen.read();
        } else if !due.get_value() {
            due.set_value(true);
            browser::after(GATHER, move || {
                due.try_set_value(false);
                screen.read_if_there();
            });
        }
    });
    screen.scans.follow(screen);
    let is_scanned = Memo::new(move |_| screen.look(|report| !report.parts.is_empty()));
    let shown = move || {
        if is_scanned.get() {
            untrack(|| whole(screen))
        } else {
            not_scanned()
        }
    };
    view! {
        <div class="page security" data-testid="page-security">
            <div class="heading">
                {text::title("Security")} {scans::all(screen, is_scanned)}
            </div>
            {screen.reading.show(move || screen.read(), move || shown.into_any())}
        </div>
    }
    .into_any()
}

fn whole(screen: Screen) -> AnyView {
    view! {
        <div class="columns-2">
            <div class="stack">{score::section(screen)} {deductions::section(screen)}</div>
            <div class="stack">
                {scans::section(screen)} {trend::section(screen)} {trend::day(screen)}
            </div>
        </div>
        {vulnerabilities::section(screen)}
        {certificates::section(screen)}
        {authentication::section(screen)}
        {ports::section(screen)}
        {configuration::section(screen)}
    }
    .into_any()
}

fn not_scanned() -> AnyView {
    view! {
        <div class="card" data-testid="nothing-scanned">
            <p>
                {mark(Mark {
                    shape: Shape::Question,
                    word: "Nothing of security is scanned here, so nothing is known of it",
                    tone: Tone::Unsure,
                })}
            </p>
            <p class="lead">
                "Name the parts to scan in the agent's configuration, under "
                <code>"[security]"</code> ":"
            </p>
            <pre class="log short">
                "[security]\nparts = [\"vulnerabilities\", \"certificates\", \"authentication\", \"ports\", \"configuration\"]"
            </pre>
            <p class="quiet">
                "The file is read anew by itself. It can be changed under "
                <a href="#/settings">"Settings"</a> " too."
            </p>
        </div>
    }
    .into_any()
}

/// A section of what was found of a part: its heading with how much it is, what could not be read, and what is in it.
fn found(
    screen: Screen,
    part: ScanPart,
    count: impl Fn() -> String + Send + Sync + 'static,
    inside: AnyView,
) -> AnyView {
    let gaps = Memo::new(move |_| {
        screen.look(|report| {
            let state = report.parts.iter().find(|state| state.part == part);
            state.map_or_else(Vec::new, |state| match state.read_at {
                // What was never read says why in the place of what would be there.
                None => Vec::new(),
                Some(_) => state.gaps.clone(),
            })
        })
    });
    // Of what was never read there is no number, and none is not nought.
    let is_read = Memo::new(move |_| {
        screen.look(|report| {
            let state = report.parts.iter().find(|state| state.part == part);
            state.is_some_and(|state| state.read_at.is_some())
        })
    });
    view! {
        <section
            aria-label=security::part_name(part)
            data-testid=format!("part-{}", part.as_str())
        >
            <div class="heading">
                <h2>{security::part_name(part)}</h2>
                <span class="found quiet" class:hidden=move || !is_read.get()>
                    {count}
                </span>
            </div>
            {move || gaps_of(&gaps.get())}
            {inside}
        </section>
    }
    .into_any()
}

/// What could not be read, a line each.
fn gaps_of(gaps: &[String]) -> Option<AnyView> {
    (!gaps.is_empty()).then(|| {
        let lines: Vec<AnyView> = gaps
            .iter()
            .map(|gap| view! { <li>{gap.clone()}</li> }.into_any())
            .collect();
        view! {
            <div class="warned gaps" data-testid="gaps">
                <p class="mark tone-warn">{shape(Shape::HalfDisc)} <span>"Not wholly read"</span></p>
                <ul>{lines}</ul>
            </div>
        }
        .into_any()
    })
}

/// What stands where nothing was found: whether there is nothing, or nothing is known.
fn nothing(screen: Screen, part: ScanPart, none: &'static str) -> AnyView {
    let store = screen.app.store;
    let why = Memo::new(move |_| {
        screen.reading.value.with(|report| {
            report
                .as_deref()
                .map(|report| security::nothing(report, part))
        })
    });
    let unsure = |shape, word| {
        mark(Mark {
            shape,
            word,
            tone: Tone::Unsure,
        })
    };
    (move || {
        let inside = match why.get()? {
            Nothing::NotScanned => view! {
                {unsure(Shape::Question, "Not scanned here")}
                <p>
                    "This part is not among those that the agent scans: add it to "
                    <code>"parts"</code> " under " <code>"[security]"</code> " in its configuration."
                </p>
            }
            .into_any(),
            Nothing::NotRead => view! {
                {unsure(Shape::Question, "Not read yet")}
                <p>"Steward reads it soon after its start, and then every hour. Have it read at once with “Scan now”."</p>
            }
            .into_any(),
            Nothing::Failed(gaps) => view! {
                {unsure(Shape::Cross, "Could not be read")}
                {gaps
                    .into_iter()
                    .map(|gap| view! { <p>{gap}</p> })
                    .collect::<Vec<_>>()}
            }
            .into_any(),
            Nothing::None(at) => view! {
                <p class="strong">{none}</p>
                <p>"Read " {text::ago(store, at)} "."</p>
            }
            .into_any(),
            Nothing::NoneButGaps(at) => view! {
                <p class="strong">{none}</p>
                <p>"That is so of what could be read, " {text::ago(store, at)} "; the rest is not known."</p>
            }
            .into_any(),
        };
        Some(view! { <div class="card empty" data-testid="nothing">{inside}</div> })
    })
    .into_any()
}
