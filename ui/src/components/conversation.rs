//! A conversation as a row of a list.

use leptos::prelude::*;
use steward_api::Conversation;

use super::{marks::sign, text};
use crate::{
    app::App,
    marks::{Mark, Shape, Tone},
    route::Route,
    words,
};

/// How a conversation looks.
pub(crate) const fn standing(is_busy: bool) -> Mark {
    if is_busy {
        Mark {
            shape: Shape::Turning,
            word: "at work",
            tone: Tone::Ask,
        }
    } else {
        Mark {
            shape: Shape::Bubble,
            word: "conversation",
            tone: Tone::Quiet,
        }
    }
}

/// A conversation in a list.
pub(crate) fn row(
    app: App,
    one: &Conversation,
    is_busy: impl Fn() -> bool + Copy + Send + Sync + 'static,
) -> AnyView {
    view! {
        <a
            class="row"
            href=Route::Conversation(one.id).hash()
            data-row=""
            data-testid="conversation-row"
            data-conversation=one.id.to_string()
            data-busy=move || is_busy().to_string()
        >
            {move || sign(standing(is_busy()))}
            <span class="words">
                <span class="main-words">{one.title.clone()}</span>
                <span class="sub-words">{words::conversation(one)}</span>
            </span>
            <span class="when">{text::ago(app.store, one.last_at)}</span>
        </a>
    }
    .into_any()
}
