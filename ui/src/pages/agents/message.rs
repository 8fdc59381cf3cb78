//! The messages of a conversation: what was asked and answered, and folded between them what specialists said to each other.
//!
//! What flows through: entries in their order in; approvals and references that are pressed go on from here. What it never does: show what
//! others wrote as anything but text.

use std::sync::Arc;

use leptos::prelude::*;
use steward_api::{LookedAt, Message, MessageKind, ResourceId};

use super::{live::Live, proposal};
use crate::{
    app::App,
    bridge::browser,
    components::{marks::mark, prose, text},
    conversation::{self, Aside, Entry},
    format,
    marks::{Mark, Shape, Tone},
    progress::Watch,
    prose::{Known, Piece, pieces},
    route::Route,
    words,
};

/// What the messages of one conversation have in common.
#[derive(Clone, Copy)]
pub(super) struct Talk {
    /// The control center.
    pub(super) app: App,
    /// How far the answer is.
    pub(super) live: Live,
    /// All entries, as they are now.
    pub(super) entries: Memo<Vec<Entry>>,
    /// The answer that can be had once more: by its number, and how that goes.
    pub(super) again: Again,
}

/// Having an answer once more.
#[derive(Clone, Copy)]
pub(super) struct Again {
    /// The number of the answer that may be replaced; absent while one is under way, or whoever looks may not ask.
    pub(super) may: Memo<Option<u32>>,
    /// What is done then.
    pub(super) ask: Callback<()>,
    /// Whether that is being asked for.
    pub(super) busy: RwSignal<bool>,
}

/// Reads a message's words.
pub(super) fn read(app: App, message: &Message, references: &[&str]) -> Vec<Piece> {
    app.store.peek(|world| {
        let resource = |name: &str| {
            let is_named = |id: &ResourceId| id.short() == name || id.to_string() == name;
            let mut named = world.resources.keys().filter(|id| is_named(id));
            // Where two have the name it is not known which is meant.
            match (named.next(), named.next()) {
                (Some(id), None) => Some(Route::Resource(id.clone())),
                _ => None,
            }
        };
        let known = Known {
            references,
            unchecked: &message.unchecked,
            resource: &resource,
        };
        pieces(&message.text, &known)
    })
}

/// One entry.
pub(super) fn entry(talk: Talk, entry: Entry) -> AnyView {
    match entry {
        Entry::Said { message, rests_on } if message.kind == MessageKind::Question => {
            question(talk, &message, &rests_on)
        }
        Entry::Said { message, rests_on } => answer(talk, &message, &rests_on),
        Entry::Between { first, .. } => between(talk, first),
    }
}

fn question(talk: Talk, message: &Arc<Message>, rests_on: &[Arc<Message>]) -> AnyView {
    let is_mine = talk.app.store.presence.with_untracked(|presence| {
        presence
            .session()
            .is_some_and(|session| session.identity == message.from)
    });
    let from = if is_mine {
        format!("{} (you)", message.from)
    } else {
        message.from.clone()
    };
    view! {
        <li class="said-by question" data-testid="message" data-kind="question" data-number=message.number.to_string()>
            <p class="meta small">
                <strong>{from}</strong>
                <span>{format!("to {}", message.to)}</span>
                {text::clock(message.at)}
            </p>
            {body(talk, message, rests_on)}
        </li>
    }
    .into_any()
}

fn answer(talk: Talk, message: &Arc<Message>, rests_on: &[Arc<Message>]) -> AnyView {
    let is_failure = message.kind == MessageKind::Failure;
    let number = message.number;
    let failure = is_failure.then(|| {
        view! {
            <p>
                {mark(Mark {
                    shape: Shape::Cross,
                    word: "no answer",
                    tone: Tone::Bad,
                })}
            </p>
        }
    });
    let proposals: Vec<AnyView> = message
        .proposals
        .iter()
        .map(|one| proposal::proposal(talk.app, one))
        .collect();
    let again = talk.again;
    let may = Memo::new(move |_| again.may.get() == Some(number));
    let retry = move || {
        may.get().then(|| {
            view! {
                <div class="buttons">
                    <button
                        type="button"
                        class="button"
                        class:plain=!is_failure
                        disabled=move || again.busy.get() || !talk.app.store.is_live()
                        on:click=move |_| again.ask.run(())
                        data-testid="retry"
                    >
                        {if is_failure { "Try again" } else { "Answer once more" }}
                    </button>
                    {is_failure
                        .then(|| {
                            view! {
                                <a href=Route::Settings.hash() class="small">
                                    "Models under Settings"
                                </a>
                            }
                        })}
                </div>
            }
        })
    };
    view! {
        <li
            class="said-by card answered"
            class:failure=is_failure
            data-testid="message"
            data-kind=message.kind.as_str()
            data-number=number.to_string()
        >
            {meta(message)}
            {failure}
            {body(talk, message, rests_on)}
            {proposals}
            {retry}
        </li>
    }
    .into_any()
}

/// Who, by which model, when.
fn meta(message: &Message) -> AnyView {
    let by = match &message.model {
        Some(model) => format!("by the model {model}"),
        None => "by Steward itself".to_owned(),
    };
    view! {
        <p class="meta small">
            <strong>{message.from.clone()}</strong>
            <span data-testid="message-model">{by}</span>
            {text::clock(message.at)}
        </p>
    }
    .into_any()
}

/// The words, what in them could not be checked, and what they rest on.
fn body(talk: Talk, message: &Arc<Message>, rests_on: &[Arc<Message>]) -> AnyView {
    let seen: Vec<LookedAt> = conversation::seen(message, rests_on)
        .into_iter()
        .cloned()
        .collect();
    let references: Vec<&str> = seen.iter().map(|one| one.reference.as_str()).collect();
    let number = message.number;
    let pieces = read(talk.app, message, &references);
    let places: Vec<String> = references.iter().map(|name| (*name).to_owned()).collect();
    let refer = Callback::new(move |name: String| {
        if let Some(at) = places.iter().position(|one| *one == name) {
            browser::unfold(&format!("#seen-{number}-{at}"));
        }
    });
    view! {
        {prose::prose(&pieces, Some(refer))}
        {unchecked(&message.unchecked)}
        {looked_at(number, &seen)}
    }
    .into_any()
}

fn unchecked(names: &[String]) -> AnyView {
    if names.is_empty() {
        return ().into_any();
    }
    let names: Vec<AnyView> = names
        .iter()
        .map(|name| view! { <code>{name.clone()}</code> " " }.into_any())
        .collect();
    view! {
        <p class="warned" data-testid="not-known">
            {mark(Mark {
                shape: Shape::Triangle,
                word: "not known here",
                tone: Tone::Warn,
            })} " " {names}
            <span class="quiet">
                "Steward watches nothing of that name: it may be mistaken or made up. Check it before you rely on it."
            </span>
        </p>
    }
    .into_any()
}

/// So few things that were looked at are listed at once; more are folded into a line.
const FEW: usize = 3;

/// What was looked at, one click away.
fn looked_at(number: u32, seen: &[LookedAt]) -> AnyView {
    if seen.is_empty() {
        return ().into_any();
    }
    let failed = seen.iter().filter(|one| one.failed).count();
    let failed = (failed > 0).then(|| {
        view! { <span class="tone-warn">{format!(", {failed} could not be looked at")}</span> }
    });
    let rows: Vec<AnyView> = seen
        .iter()
        .enumerate()
        .map(|(at, one)| sight(&format!("seen-{number}-{at}"), one))
        .collect();
    view! {
        <details class="seen" open=seen.len() <= FEW data-testid="looked-at">
            <summary>
                {format!("Looked at {}", format::count(seen.len() as u64, "thing"))} {failed}
            </summary>
            <div class="sights">{rows}</div>
        </details>
    }
    .into_any()
}

fn sight(id: &str, one: &LookedAt) -> AnyView {
    let is_wanted = RwSignal::new(false);
    let (text, what) = (one.text.clone(), one.what.clone());
    // Others wrote it, and it may be long: it is scrolled by the keyboard, too. Built when it is wanted: a conversation may hold thousands.
    let shown = move || {
        is_wanted.get().then(|| {
            view! {
                <pre class="log" tabindex="0" aria-label=what.clone() data-testid="sight-text">
                    {text.clone()}
                </pre>
            }
        })
    };
    let failed = one.failed.then(|| {
        mark(Mark {
            shape: Shape::Cross,
            word: "could not be looked at",
            tone: Tone::Warn,
        })
    });
    view! {
        <details
            id=id.to_owned()
            class="sight"
            on:toggle=move |_| is_wanted.set(true)
            data-testid="sight"
            data-reference=one.reference.clone()
        >
            <summary>
                <strong>{one.reference.clone()}</strong>
                " "
                <span>{one.what.clone()}</span>
                " "
                <span class="quiet small">
                    <code>{one.tool.clone()}</code>
                    " "
                    {text::clock(one.at)}
                </span>
                " "
                {failed}
            </summary>
            {shown}
        </details>
    }
    .into_any()
}

/// What specialists said to each other, in one line until it is opened.
fn between(talk: Talk, first: u32) -> AnyView {
    let now = Memo::new(move |_| {
        talk.entries.with(|all| {
            all.iter()
                .find_map(|entry| match entry {
                    Entry::Between {
                        first: number,
                        asides,
                        is_over,
                    } if *number == first => Some((asides.clone(), *is_over)),
                    _ => None,
                })
                .unwrap_or_default()
        })
    });
    let line = move || {
        let is_busy = talk.live.watch.with(Watch::is_busy);
        now.with(|(asides, is_over)| {
            let who = words::looked_into_it(
                asides.iter().map(|aside| aside.message.as_ref()),
                *is_over || !is_busy,
            );
            view! {
                <span>{who}</span>
                <span class="quiet small">
                    {format!(" · {}", format::count(asides.len() as u64, "message"))}
                </span>
            }
        })
    };
    let is_wanted = RwSignal::new(false);
    let inside = move || {
        is_wanted.get().then(|| {
            view! {
                <ol>
                    <For
                        each=move || now.get().0
                        key=|aside| aside.message.number
                        children=move |aside| self::aside(talk, &aside)
                    />
                </ol>
            }
        })
    };
    view! {
        <li class="said-by">
            <details
                class="between"
                on:toggle=move |_| is_wanted.set(true)
                data-testid="between"
            >
                <summary>{line}</summary>
                {inside}
            </details>
        </li>
    }
    .into_any()
}

fn aside(talk: Talk, aside: &Aside) -> AnyView {
    let message = &aside.message;
    let model = message
        .model
        .clone()
        .map(|model| view! { <span>{format!("by the model {model}")}</span> });
    view! {
        <li
            class=format!("aside depth-{}", aside.depth.min(3))
            data-testid="aside"
            data-kind=message.kind.as_str()
            data-number=message.number.to_string()
        >
            <p class="meta small">
                <strong>{words::said(message)}</strong>
                {model}
                {text::clock(message.at)}
            </p>
            {body(talk, message, &[])}
        </li>
    }
    .into_any()
}
