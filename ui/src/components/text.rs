//! Times, headings, and what stands where there is nothing to show: why, and what to do next.

use jiff::Timestamp;
use leptos::prelude::*;

use steward_api::{AdvisorStatus, ErrorCode};

use super::marks::mark;
use crate::{advisor, bridge::browser, failure::Failure, format, route::Route, store::Store};

/// How long ago or how soon, kept current; the moment in full for whoever points at it.
pub(crate) fn ago(store: Store, at: Timestamp) -> AnyView {
    view! {
        <time datetime=at.to_string() title=browser::exact(at)>
            {move || format::relative(at, store.now.get())}
        </time>
    }
    .into_any()
}

/// For how long already, kept current: `4 min`.
pub(crate) fn since(store: Store, at: Timestamp) -> AnyView {
    view! {
        <time datetime=at.to_string() title=browser::exact(at)>
            {move || format::distance(store.now.get().duration_since(at))}
        </time>
    }
    .into_any()
}

/// The time of day.
pub(crate) fn clock(at: Timestamp) -> AnyView {
    view! {
        <time datetime=at.to_string() title=browser::exact(at)>
            {browser::clock(at)}
        </time>
    }
    .into_any()
}

/// The heading of a screen. It takes the focus when the screen is entered, so that whoever listens hears where they are.
pub(crate) fn title(text: impl Into<String>) -> AnyView {
    view! { <h1 tabindex="-1">{text.into()}</h1> }.into_any()
}

/// The heading of a section, with a link to more.
pub(crate) fn heading(text: &'static str, link: Option<(&'static str, String)>) -> AnyView {
    view! {
        <div class="heading">
            <h2>{text}</h2>
            {link.map(|(words, href)| view! { <a href=href>{words}</a> })}
        </div>
    }
    .into_any()
}

/// One fact: a name and its value.
pub(crate) fn fact(name: &'static str, value: impl IntoAny) -> AnyView {
    view! {
        <div class="fact">
            <dt>{name}</dt>
            <dd>{value.into_any()}</dd>
        </div>
    }
    .into_any()
}

/// Nothing to show: a sentence, and what to do or expect.
pub(crate) fn empty(title: impl Into<String>, text: impl Into<String>) -> AnyView {
    view! {
        <div class="empty" data-testid="empty">
            <p class="strong">{title.into()}</p>
            <p>{text.into()}</p>
        </div>
    }
    .into_any()
}

/// What is being read, in the room that it will take.
pub(crate) fn reading() -> AnyView {
    view! {
        <div class="reading" role="status" data-testid="reading">
            <span class="line"></span>
            <span class="line"></span>
            <span class="line short"></span>
            <span class="hidden-words">"Reading…"</span>
        </div>
    }
    .into_any()
}

/// Why a model could not be asked, and the way to where models are seen where none is there.
pub(crate) fn not_asked(failure: &Failure) -> AnyView {
    let way = failure.is(ErrorCode::NoModel).then(|| {
        view! {
            <a href=Route::Settings.hash() data-testid="to-models">
                "Models under Settings"
            </a>
        }
    });
    view! {
        {failed(failure)}
        {way}
    }
    .into_any()
}

/// That no model may be asked, and what to do to have one; nothing where there is one.
pub(crate) fn no_model(status: &AdvisorStatus) -> AnyView {
    let state = advisor::nobody(status).map(|state| view! { <p>{mark(state)}</p> });
    let advice = status.advice.clone().map(|advice| {
        view! {
            <p class="said" data-testid="models-advice">
                {advice}
            </p>
        }
    });
    view! {
        {state}
        {advice}
    }
    .into_any()
}

/// What went wrong, in the agent's own words where it has some.
pub(crate) fn failed(failure: &Failure) -> AnyView {
    view! {
        <div class="failed" role="alert" data-testid="failed">
            <p class="strong">{failure.title()}</p>
            <p>{failure.advice()}</p>
        </div>
    }
    .into_any()
}
