//! Marks as elements: a drawn shape, with its word to read or to hear.

use leptos::prelude::*;

use crate::marks::{Mark, Shape};

/// A shape alone, for what stands beside its word anyway.
pub(crate) fn shape(shape: Shape) -> AnyView {
    let (path, filled) = shape.path();
    let class = if filled {
        "shape filled"
    } else {
        "shape drawn"
    };
    view! {
        <svg class=class viewBox="0 0 16 16" aria-hidden="true">
            <path d=path fill-rule="evenodd"></path>
        </svg>
    }
    .into_any()
}

/// Shape and word.
pub(crate) fn mark(mark: Mark) -> AnyView {
    view! {
        <span class=format!("mark {}", mark.tone.class()) data-state=mark.word>
            {shape(mark.shape)}
            <span>{mark.word}</span>
        </span>
    }
    .into_any()
}

/// The shape, with the word for whoever points at it or hears it.
pub(crate) fn sign(mark: Mark) -> AnyView {
    view! {
        <span
            class=format!("sign {}", mark.tone.class())
            role="img"
            aria-label=mark.word
            title=mark.word
            data-state=mark.word
        >
            {shape(mark.shape)}
        </span>
    }
    .into_any()
}
