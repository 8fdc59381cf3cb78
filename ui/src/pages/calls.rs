//! Calls of models: what for, how they ended, what they cost, and one click away exactly what was sent and what came back.
//!
//! What flows through: pages of the archive in. What it never does: fetch a text that nobody asked for, or show one to a viewer.

use std::sync::Arc;

use leptos::prelude::*;
use steward_api::{
    CallQuery, CallTexts, GetModelCall, IncidentId, ListModelCalls, Nothing, RecordedCall, Role,
};

use crate::{
    advisor,
    app::App,
    components::{loaded::Loaded, marks::sign, pages::Pages, text},
    failure::Failure,
    format,
    route::Route,
    store::Part,
};

/// So many are read at once.
const AT_ONCE: u32 = 10;

/// The section of an incident's screen; nothing while no model was asked about it.
pub(super) fn of_incident(app: App, id: IncidentId) -> AnyView {
    let calls = Pages::new();
    let list = list(app, Some(id), calls);
    // A lost line is told once, by the frame; that the agent refused is told here.
    let is_refused = move || {
        calls
            .reading
            .failure
            .with(|failure| matches!(failure, Some(Failure::Refused(_))))
    };
    view! {
        <section
            class="model-calls"
            class:hidden=move || calls.items.with(Vec::is_empty) && !is_refused()
            aria-label="What models were asked"
        >
            {text::heading("What models were asked about it", None)}
            <div class="card rows">{list}</div>
        </section>
    }
    .into_any()
}

/// The newest call in the journal. A journal that begins anew takes nothing back.
pub(super) fn newest(app: App, about: Option<IncidentId>) -> Memo<Option<i64>> {
    let store = app.store;
    Memo::new(move |before: Option<&Option<i64>>| {
        store
            .read(&[Part::Journal], |world| {
                advisor::newest_call(world.journal.iter().map(AsRef::as_ref), about)
            })
            .or(before.copied().flatten())
    })
}

/// The newest calls, of any purpose or about one incident, kept current.
pub(super) fn list(app: App, about: Option<IncidentId>, calls: Pages<RecordedCall>) -> AnyView {
    let store = app.store;
    let page = move |before: Option<i64>| async move {
        let query = CallQuery {
            conversation: None,
            incident: about,
            before,
            limit: Some(AT_ONCE),
        };
        app.call::<ListModelCalls>(None, &query).await
    };
    let read = move || calls.read(true, page(None));
    let older = move || calls.read(false, page(calls.next.get_untracked()));
    let newest = newest(app, about);
    Effect::new(move |_| {
        store.readings.track();
        // Looked at, not only tracked: a memo that nobody looks at follows nothing itself.
        newest.with(|_| ());
        read();
    });
    let none = move || {
        (calls.reading.value.with(Option::is_some) && calls.items.with(Vec::is_empty)).then(|| {
            text::empty(
                "No model was called yet.",
                "Each call stands here, with what it cost and exactly what was sent.",
            )
        })
    };
    view! {
        <div data-testid="model-calls">
            {calls.state(read)} {none}
            <For
                each=move || calls.items.get()
                key=|recorded| recorded.id
                children=move |recorded| row(app, &recorded, about.is_none())
            />
            {calls.more(older)}
        </div>
    }
    .into_any()
}

fn row(app: App, recorded: &Arc<RecordedCall>, with_incident: bool) -> AnyView {
    let store = app.store;
    let call = &recorded.call;
    let id = recorded.id;
    let mark = advisor::result(call.result);
    let why = call
        .error
        .as_ref()
        .map(|error| view! { <span class="sub-words">{error.clone()}</span> });
    let incident = call.incident.filter(|_| with_incident).map(|incident| {
        view! {
            <a class="small" href=Route::Incident(incident).hash()>
                "The incident"
            </a>
        }
    });
    let conversation = call.conversation.map(|conversation| {
        view! {
            <a class="small" href=Route::Conversation(conversation).hash()>
                "The conversation"
            </a>
        }
    });
    let texts: Loaded<CallTexts> = Loaded::new();
    let is_open = RwSignal::new(false);
    let read = move || {
        texts.read(async move {
            app.call::<GetModelCall>(Some(&id.to_string()), &Nothing {})
                .await
        });
    };
    let turn = move |_| {
        is_open.update(|open| *open = !*open);
        if is_open.get_untracked() && texts.value.with_untracked(Option::is_none) {
            read();
        }
    };
    let may_read = Memo::new(move |_| store.may(Role::Operator));
    let button = move || {
        may_read.get().then(|| {
            view! {
                <button
                    class="button plain"
                    aria-expanded=move || is_open.get().to_string()
                    on:click=turn
                    data-testid="call-open"
                >
                    {move || if is_open.get() { "Hide" } else { "Exactly what was sent" }}
                </button>
            }
        })
    };
    let shown = move || {
        (is_open.get() && may_read.get()).then(|| {
            untrack(|| {
                texts.show(read, move || {
                    texts.value.get().map(|one| both(&one)).into_any()
                })
            })
        })
    };
    view! {
        <div class="call" data-testid="model-call" data-call=id.to_string() data-state=mark.word>
            <div class="row">
                {sign(mark)}
                <span class="words">
                    <span class="main-words">
                        {advisor::call(call)} ": " {mark.word}
                    </span>
                    <span class="sub-words">{advisor::call_took(call)}</span>
                    {why}
                </span>
                <span class="when">{text::ago(store, recorded.at)}</span>
            </div>
            <div class="buttons">{button} {incident} {conversation}</div>
            {shown}
        </div>
    }
    .into_any()
}

fn both(texts: &CallTexts) -> AnyView {
    let call = &texts.recorded.call;
    view! {
        <div class="texts">
            {one("Sent", "sent", texts.sent.as_deref(), &call.sent)}
            {one("Came back", "received", texts.received.as_deref(), &call.received)}
        </div>
    }
    .into_any()
}

fn one(name: &'static str, id: &'static str, text: Option<&str>, hash: &str) -> AnyView {
    let body = match text {
        Some(text) => view! {
            // A long text is scrolled by the keyboard, too.
            <pre class="log" tabindex="0" aria-label=name data-testid=format!("call-{id}")>
                {advisor::readable(text)}
            </pre>
        }
        .into_any(),
        None if hash.is_empty() => view! { <p class="quiet">"Nothing."</p> }.into_any(),
        None => view! { <p class="quiet">"It is no longer kept."</p> }.into_any(),
    };
    let proof = (!hash.is_empty()).then(|| {
        view! {
            <span class="quiet small" title=hash.to_owned()>
                {format!("SHA-256 {}… · lines broken for reading", format::short_hash(hash))}
            </span>
        }
    });
    view! {
        <h4 class="small-heading">{name} " " {proof}</h4>
        {body}
    }
    .into_any()
}
