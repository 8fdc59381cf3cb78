//! What specialists write, as it is read: paragraphs, lists, code, and buttons that show what was looked at.
//!
//! What flows through: typed pieces in, elements out; a reference that is pressed goes to whoever placed the text. What it never does: make
//! mark-up of a text, or lead out of the control center.

use leptos::prelude::*;

use crate::prose::{Block, Item, Piece, Span};

/// What is done when a reference is pressed.
pub(crate) type Refer = Option<Callback<String>>;

/// A text that is there.
pub(crate) fn prose(pieces: &[Piece], refer: Refer) -> AnyView {
    let blocks: Vec<AnyView> = pieces
        .iter()
        .map(|piece| block(&piece.block, refer))
        .collect();
    view! { <div class="prose">{blocks}</div> }.into_any()
}

/// A text that grows: what is there already stays as it is.
pub(crate) fn growing(pieces: impl Fn() -> Vec<Piece> + Send + Sync + 'static) -> AnyView {
    view! {
        <div class="prose">
            <For each=pieces key=|piece| piece.key children=|piece| block(&piece.block, None) />
        </div>
    }
    .into_any()
}

fn block(block: &Block, refer: Refer) -> AnyView {
    match block {
        Block::Paragraph(words) => view! { <p>{spans(words, refer)}</p> }.into_any(),
        Block::Heading(words) => view! { <p class="strong">{spans(words, refer)}</p> }.into_any(),
        Block::List(items) => list(items, refer),
        Block::Code(code) => view! {
            // A long line is scrolled by the keyboard, too.
            <pre class="log" tabindex="0" aria-label="Code">
                {code.clone()}
            </pre>
        }
        .into_any(),
    }
}

fn list(items: &[Item], refer: Refer) -> AnyView {
    let is_numbered = items.iter().any(|item| item.number.is_some());
    let points: Vec<AnyView> = items
        .iter()
        .map(|item| {
            let class = format!("depth-{}", item.depth);
            let words = spans(&item.spans, refer);
            match item.number {
                Some(number) if is_numbered => {
                    view! { <li class=class value=number.to_string()>{words}</li> }.into_any()
                }
                _ => view! { <li class=format!("{class} point")>{words}</li> }.into_any(),
            }
        })
        .collect();
    if is_numbered {
        view! { <ol>{points}</ol> }.into_any()
    } else {
        view! { <ul>{points}</ul> }.into_any()
    }
}

fn spans(spans: &[Span], refer: Refer) -> Vec<AnyView> {
    spans.iter().map(|one| span(one, refer)).collect()
}

fn span(span: &Span, refer: Refer) -> AnyView {
    match span {
        Span::Text(text) => text.clone().into_any(),
        Span::Bold(inside) => view! { <strong>{spans(inside, refer)}</strong> }.into_any(),
        Span::Code(code) => view! { <code>{code.clone()}</code> }.into_any(),
        Span::Unchecked(name) => view! {
            <span class="unchecked" title="Nothing of this name is known here" data-testid="unchecked">
                {name.clone()}
                <span class="hidden-words">" (not known here)"</span>
            </span>
        }
        .into_any(),
        Span::Link { words, route } => {
            view! { <a href=route.hash()>{words.clone()}</a> }.into_any()
        }
        Span::Reference(name) => reference(name, refer),
    }
}

fn reference(name: &str, refer: Refer) -> AnyView {
    let Some(refer) = refer else {
        return format!("[{name}]").into_any();
    };
    let asked = name.to_owned();
    view! {
        <button
            type="button"
            class="reference"
            aria-label=format!("{name}: what was looked at")
            on:click=move |_| refer.run(asked.clone())
            data-testid="reference"
        >
            {name.to_owned()}
        </button>
    }
    .into_any()
}
