//! An address that leads nowhere: says so, and where to go.

use leptos::prelude::*;

use crate::components::text;

/// The screen.
pub(super) fn page(hash: &str) -> AnyView {
    view! {
        <div class="page" data-testid="page-nowhere">
            {text::title("Nothing here")}
            {text::empty(
                format!("There is no screen at “{hash}”."),
                "The address may be mistyped, or from another version. Go on from the navigation, or press Ctrl K to go to anything by its name.",
            )}
        </div>
    }
    .into_any()
}
