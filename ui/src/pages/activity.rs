//! Activity: the journal, newest first, as it grows; filtered, and with whether its chain is whole.

use std::{collections::BTreeMap, sync::Arc};

use leptos::prelude::*;
use steward_api::{
    Envelope, JournalQuery, JournalVerification, ListJournal, Nothing, VerifyJournal,
};

use crate::{
    app::App,
    components::{
        loaded::Loaded,
        marks::{mark, sign},
        pages::Pages,
        text,
    },
    filter::JournalFilter,
    format,
    marks::{Mark, Shape, Tone},
    route::Route,
    store::Part,
    words::{self, Topic},
};

/// So many entries are read at once.
const PAGE: u32 = 200;

/// The screen.
pub(super) fn page(app: App) -> AnyView {
    let filter = Memo::new(move |_| {
        app.route.with(|route| match route {
            Route::Activity(filter) => filter.clone(),
            _ => JournalFilter::default(),
        })
    });
    view! {
        <div class="page" data-testid="page-activity">
            <div class="heading">{text::title("Activity")}</div>
            {verification(app)}
            {filters(app, filter)}
            {entries(app, filter)}
        </div>
    }
    .into_any()
}

/// Whether the journal's chain is whole, as of when it was checked.
fn verification(app: App) -> AnyView {
    let store = app.store;
    let checked: Loaded<JournalVerification> = Loaded::new();
    let at = RwSignal::new(None);
    let read = move || {
        checked.read(async move {
            let verification = app.call::<VerifyJournal>(None, &Nothing {}).await?;
            at.try_set(Some(crate::bridge::browser::now()));
            Ok(verification)
        });
    };
    Effect::new(move |_| {
        store.readings.track();
        read();
    });
    let shown = move || {
        checked
            .value
            .get()
            .map(|verification| verified(&verification))
    };
    view! {
        <section class="card verification" aria-label="Verification" data-testid="verification">
            {checked.show(read, move || shown.into_any())}
            <div class="buttons">
                {move || {
                    at.get()
                        .map(|at| {
                            view! {
                                <span class="quiet small">"checked " {text::ago(store, at)}</span>
                            }
                        })
                }}
                <button
                    class="button"
                    disabled=move || checked.busy.get()
                    on:click=move |_| read()
                    data-testid="verify"
                >
                    {move || if checked.busy.get() { "Checking…" } else { "Check again" }}
                </button>
            </div>
        </section>
    }
    .into_any()
}

fn verified(verification: &JournalVerification) -> AnyView {
    let state = if verification.intact {
        Mark {
            shape: Shape::Check,
            word: "The journal is whole",
            tone: Tone::Good,
        }
    } else {
        Mark {
            shape: Shape::Cross,
            word: "The journal is broken",
            tone: Tone::Critical,
        }
    };
    let words = if verification.intact {
        format!(
            "{} checked: each carries the hash of the one before.",
            if verification.entries == 1 {
                "1 entry".to_owned()
            } else {
                format!("{} entries", format::grouped(verification.entries))
            }
        )
    } else {
        verification
            .fault
            .clone()
            .unwrap_or_else(|| "Somebody changed it outside of Steward.".to_owned())
    };
    view! {
        <div data-testid="verified" data-intact=verification.intact.to_string()>
            <p class="large">{mark(state)}</p>
            <p class="quiet">{words}</p>
            <p class="quiet small">
                {format!("Entry {}, hash ", verification.head_seq)} <code class="hash">{verification.head_hash.clone()}</code>
                ". Note it elsewhere to prove later that nothing before it was changed."
            </p>
        </div>
    }
    .into_any()
}

fn filters(app: App, filter: Memo<JournalFilter>) -> AnyView {
    let change = move |change: &dyn Fn(&mut JournalFilter)| {
        let mut changed = filter.get_untracked();
        change(&mut changed);
        app.refine(Route::Activity(changed));
    };
    let topics: Vec<AnyView> = Topic::ALL
        .into_iter()
        .map(|topic| {
            let is_chosen = move || filter.with(|filter| filter.topic == Some(topic));
            view! {
                <option value=topic.as_str() selected=is_chosen prop:selected=is_chosen>
                    {format::capital(topic.as_str())}
                </option>
            }
            .into_any()
        })
        .collect();
    view! {
        <form
            class="filters"
            role="search"
            on:submit=|event| event.prevent_default()
            aria-label="Filter the journal"
        >
            <input
                type="search"
                placeholder="Search words or a resource"
                aria-label="Search"
                aria-keyshortcuts="/"
                autocomplete="off"
                spellcheck="false"
                prop:value=move || filter.with(|filter| filter.search.clone())
                on:input=move |event| {
                    let typed = event_target_value(&event);
                    change(&|filter| filter.search.clone_from(&typed));
                }
                data-testid="search"
            />
            <select
                aria-label="About"
                on:change=move |event| {
                    let value = event_target_value(&event);
                    change(
                        &|filter| {
                            filter.topic = Topic::ALL
                                .into_iter()
                                .find(|topic| topic.as_str() == value);
                        },
                    );
                }
                data-testid="filter-topic"
            >
                <option value="">"Everything"</option>
                {topics}
            </select>
        </form>
    }
    .into_any()
}

fn entries(app: App, filter: Memo<JournalFilter>) -> AnyView {
    let store = app.store;
    let pages: Pages<Envelope> = Pages::new();
    let read = move |first: bool| {
        let before = if first {
            None
        } else {
            pages.next.get_untracked()
        };
        pages.read(first, async move {
            let query = JournalQuery {
                after: None,
                before,
                limit: Some(PAGE),
            };
            app.call::<ListJournal>(None, &query).await
        });
    };
    Effect::new(move |_| {
        store.readings.track();
        read(true);
    });
    // What was read, and what came through the stream since.
    let all = Memo::new(move |_| {
        let mut all: BTreeMap<i64, Arc<Envelope>> = BTreeMap::new();
        pages.items.with(|items| {
            for entry in items {
                all.insert(entry.seq, Arc::clone(entry));
            }
        });
        store.read(&[Part::Journal], |world| {
            for entry in &world.journal {
                all.entry(entry.seq).or_insert_with(|| Arc::clone(entry));
            }
        });
        let filter = filter.get();
        all.into_values()
            .rev()
            .filter(|entry| filter.shows(entry))
            .collect::<Vec<_>>()
    });
    let nothing = move || {
        (all.with(Vec::is_empty) && pages.reading.value.with(Option::is_some)).then(|| {
            if filter.with(|filter| *filter == JournalFilter::default()) {
                text::empty(
                    "The journal is empty.",
                    "Everything that Steward sees, decides and does will stand here.",
                )
            } else {
                text::empty(
                    "Nothing that was read fits.",
                    "Show older entries below, or search for less.",
                )
            }
        })
    };
    view! {
        <div class="card rows journal" data-testid="journal">
            <For
                each=move || all.get()
                key=|entry| entry.seq
                children=move |entry| row(&entry)
            />
            {nothing}
            {pages.state(move || read(true))}
        </div>
        {pages.more(move || read(false))}
    }
    .into_any()
}

fn row(entry: &Envelope) -> AnyView {
    let (state, said) = words::event(&entry.event);
    let title = format!(
        "Entry {} on {}, {}, hash {}",
        entry.seq,
        entry.node,
        entry.event.name(),
        entry.hash
    );
    let inside = view! {
        {sign(state)}
        <span class="words">
            <span class="main-words">{said}</span>
        </span>
        <span class="when">
            {text::clock(entry.at)} <span class="seq">{format!("#{}", entry.seq)}</span>
        </span>
    };
    match words::link(entry) {
        Some(route) => view! {
            <a
                class="row"
                href=route.hash()
                title=title
                data-row=""
                data-testid="journal-row"
                data-seq=entry.seq.to_string()
            >
                {inside}
            </a>
        }
        .into_any(),
        None => view! {
            <div
                class="row"
                title=title
                tabindex="0"
                data-row=""
                data-testid="journal-row"
                data-seq=entry.seq.to_string()
            >
                {inside}
            </div>
        }
        .into_any(),
    }
}
