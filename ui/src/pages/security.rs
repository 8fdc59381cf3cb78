//! Security.

use leptos::prelude::*;

use crate::{app::App, components::text};

/// The screen.
pub(super) fn page(_app: App) -> AnyView {
    view! { <div class="page" data-testid="page-security">{text::title("Security")}</div> }
        .into_any()
}
