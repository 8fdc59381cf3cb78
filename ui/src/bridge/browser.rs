//! The browser's own means: its clock and zone, the address line, keys, focus, dialogs, what it keeps for the next visit.
//!
//! What flows through: small questions and orders of the pages. What it never does: fail loudly. A browser that lacks something (a store
//! that is switched off) does without it.

use jiff::{Timestamp, tz::Offset};
use wasm_bindgen::{JsCast as _, JsValue, prelude::Closure};
use web_sys::{
    Document, Element, Event, EventTarget, HtmlDialogElement, HtmlElement, HtmlInputElement,
    KeyboardEvent, ScrollIntoViewOptions, ScrollLogicalPosition, Window,
};

use crate::{format, keys::Press};

fn window() -> Option<Window> {
    web_sys::window()
}

fn document() -> Option<Document> {
    window()?.document()
}

/// The time now.
#[allow(
    clippy::cast_possible_truncation,
    reason = "milliseconds of a clock of today"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millisecond(js_sys::Date::now() as i64).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The reader's zone at a moment; it may differ from today's by summer time.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "milliseconds and minutes"
)]
pub(crate) fn offset_at(at: Timestamp) -> Offset {
    let date = js_sys::Date::new(&JsValue::from_f64(at.as_millisecond() as f64));
    let minutes = -date.get_timezone_offset() as i32;
    Offset::from_seconds(minutes * 60).unwrap_or(Offset::UTC)
}

/// A moment in full, in the reader's zone.
pub(crate) fn exact(at: Timestamp) -> String {
    format::exact(at, offset_at(at))
}

/// A moment as time of day, with the date where it is not today's.
pub(crate) fn clock(at: Timestamp) -> String {
    format::clock(at, now(), offset_at(at))
}

/// The start of the reader's day.
pub(crate) fn midnight() -> Timestamp {
    let now = now();
    format::midnight(now, offset_at(now))
}

// The address line -----------------------------------------------------------------------------------------------------------------------

/// The hash of the address.
pub(crate) fn hash() -> String {
    window()
        .and_then(|window| window.location().hash().ok())
        .unwrap_or_default()
}

/// Goes to a place, with a step in the history.
pub(crate) fn go(hash: &str) {
    if let Some(window) = window() {
        let _ = window.location().set_hash(hash);
    }
}

/// Changes the address without a step in the history.
pub(crate) fn replace_hash(hash: &str) {
    if let Some(history) = window().and_then(|window| window.history().ok()) {
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(hash));
    }
}

/// The address of the agent, such as `http://atlas:9470`.
pub(crate) fn origin() -> String {
    if super::is_desktop() {
        return "as chosen under Connections".to_owned();
    }
    window()
        .and_then(|window| window.location().origin().ok())
        .unwrap_or_default()
}

/// Loads the page anew.
pub(crate) fn reload() {
    if let Some(window) = window() {
        let _ = window.location().reload();
    }
}

/// Sets the window's title.
pub(crate) fn set_title(title: &str) {
    if let Some(document) = document() {
        document.set_title(title);
    }
}

// What is kept, and how the page looks ---------------------------------------------------------------------------------------------------

/// What was kept under a name.
pub(crate) fn kept(name: &str) -> Option<String> {
    window()?.local_storage().ok()??.get_item(name).ok()?
}

/// Keeps something for the next visit.
pub(crate) fn keep(name: &str, value: &str) {
    if let Some(Ok(Some(storage))) = window().map(|window| window.local_storage()) {
        let _ = storage.set_item(name, value);
    }
}

/// Sets an attribute of the page as a whole, by which the style sheet tells its state.
pub(crate) fn mark_page(name: &str, value: &str) {
    if let Some(root) = document().and_then(|document| document.document_element()) {
        let _ = root.set_attribute(name, value);
    }
}

/// Whether nobody sees the page.
pub(crate) fn is_hidden() -> bool {
    document().is_some_and(|document| document.hidden())
}

/// How high the window is, pixels.
pub(crate) fn window_height() -> f64 {
    window()
        .and_then(|window| window.inner_height().ok())
        .and_then(|height| height.as_f64())
        .unwrap_or(800.0)
}

// Time and signs from outside ------------------------------------------------------------------------------------------------------------

/// Does something once, later.
pub(crate) fn after(milliseconds: i32, deed: impl FnOnce() + 'static) {
    if let Some(window) = window() {
        let deed = Closure::once_into_js(deed);
        let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(
            deed.unchecked_ref(),
            milliseconds,
        );
    }
}

/// Does something again and again, for as long as the page lives.
pub(crate) fn every(milliseconds: i32, deed: impl FnMut() + 'static) {
    if let Some(window) = window() {
        let deed: Closure<dyn FnMut()> = Closure::new(deed);
        let _ = window.set_interval_with_callback_and_timeout_and_arguments_0(
            deed.as_ref().unchecked_ref(),
            milliseconds,
        );
        deed.forget();
    }
}

fn listen(target: &web_sys::EventTarget, name: &str, deed: impl FnMut(Event) + 'static) {
    let deed: Closure<dyn FnMut(Event)> = Closure::new(deed);
    let _ = target.add_event_listener_with_callback(name, deed.as_ref().unchecked_ref());
    deed.forget();
}

/// Tells whenever the address changes.
pub(crate) fn on_hash_change(mut deed: impl FnMut() + 'static) {
    if let Some(window) = window() {
        listen(&window, "hashchange", move |_| deed());
    }
}

/// Tells when the network or the reader comes back.
pub(crate) fn on_wake(deed: impl Fn() + Clone + 'static) {
    if let Some(window) = window() {
        let online = deed.clone();
        listen(&window, "online", move |_| online());
    }
    if let Some(document) = document() {
        listen(&document, "visibilitychange", move |_| {
            if !is_hidden() {
                deed();
            }
        });
    }
}

/// Tells when the machine has no network any more.
pub(crate) fn on_offline(deed: impl Fn() + 'static) {
    if let Some(window) = window() {
        listen(&window, "offline", move |_| deed());
    }
}

/// Tells when the window's size changes.
pub(crate) fn on_resize(deed: impl Fn() + 'static) {
    if let Some(window) = window() {
        listen(&window, "resize", move |_| deed());
    }
}

/// Listens until it is dropped.
pub(crate) struct Listening {
    target: EventTarget,
    name: &'static str,
    deed: Closure<dyn FnMut()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let deed = self.deed.as_ref().unchecked_ref();
        let _ = self
            .target
            .remove_event_listener_with_callback(self.name, deed);
    }
}

/// Tells whenever the page was scrolled, for as long as the answer is kept.
pub(crate) fn while_scrolling(deed: impl FnMut() + 'static) -> Option<Listening> {
    let target: EventTarget = window()?.into();
    let deed: Closure<dyn FnMut()> = Closure::new(deed);
    target
        .add_event_listener_with_callback("scroll", deed.as_ref().unchecked_ref())
        .ok()?;
    Some(Listening {
        target,
        name: "scroll",
        deed,
    })
}

/// Tells of each key; where the answer is true, the browser is not told.
pub(crate) fn on_key(mut deed: impl FnMut(Press<'_>) -> bool + 'static) {
    let Some(document) = document() else { return };
    listen(&document, "keydown", move |event| {
        let Some(event) = event.dyn_ref::<KeyboardEvent>() else {
            return;
        };
        let key = event.key();
        let press = Press {
            key: &key,
            command: event.ctrl_key() || event.meta_key(),
            alt: event.alt_key(),
            typing: is_typing(event),
            at: event.time_stamp(),
        };
        if deed(press) {
            event.prevent_default();
        }
    });
}

fn is_typing(event: &KeyboardEvent) -> bool {
    event
        .target()
        .and_then(|target| target.dyn_into::<HtmlElement>().ok())
        .is_some_and(|element| {
            matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
                || element.is_content_editable()
        })
}

// Focus and dialogs ----------------------------------------------------------------------------------------------------------------------

/// Moves the focus to the next (or an earlier) row of the page's list.
pub(crate) fn step_row(step: i32) {
    let Some(document) = document() else { return };
    let Ok(found) = document.query_selector_all("main [data-row]") else {
        return;
    };
    let rows: Vec<HtmlElement> = (0..found.length())
        .filter_map(|at| found.item(at)?.dyn_into().ok())
        .collect();
    let active = document.active_element();
    let current = rows.iter().position(|row| {
        active
            .as_ref()
            .is_some_and(|active| row.contains(Some(active)))
    });
    let wanted = match current {
        None => Some(0),
        Some(at) if step < 0 => at.checked_sub(1),
        Some(at) => Some(at + 1),
    };
    if let Some(row) = wanted.and_then(|at| rows.get(at)) {
        let _ = row.focus();
        let options = ScrollIntoViewOptions::new();
        options.set_block(ScrollLogicalPosition::Nearest);
        row.scroll_into_view_with_scroll_into_view_options(&options);
    }
}

/// Puts the focus on what a selector finds first; says whether there is something.
pub(crate) fn focus(selector: &str) -> bool {
    let found = document().and_then(|document| document.query_selector(selector).ok()?);
    let Some(element) = found.and_then(|element| element.dyn_into::<HtmlElement>().ok()) else {
        return false;
    };
    if let Some(input) = element.dyn_ref::<HtmlInputElement>() {
        input.select();
    }
    element.focus().is_ok()
}

/// Whether the focus is where somebody works: in the screen, in a dialog or in a field, and not on what led there.
pub(crate) fn is_in_use() -> bool {
    document()
        .and_then(|document| document.active_element())
        .and_then(|element| element.closest("main, dialog, input").ok()?)
        .is_some()
}

/// How far right in an element a place of the window is, 0 to 1.
pub(crate) fn place_in(target: &web_sys::EventTarget, x: f64) -> Option<f64> {
    let place = target.dyn_ref::<Element>()?.get_bounding_client_rect();
    (place.width() > 0.0).then(|| ((x - place.left()) / place.width()).clamp(0.0, 1.0))
}

/// How far what was scrolled is scrolled, pixels.
pub(crate) fn scrolled(event: &Event) -> f64 {
    event
        .target()
        .and_then(|target| target.dyn_into::<Element>().ok())
        .map_or(0.0, |element| f64::from(element.scroll_top()))
}

/// Scrolls what a selector finds to its beginning.
pub(crate) fn scroll_to_start(selector: &str) {
    if let Some(Ok(Some(element))) = document().map(|document| document.query_selector(selector)) {
        element.set_scroll_top(0);
    }
}

/// Takes an element off the page.
pub(crate) fn remove(selector: &str) {
    if let Some(Ok(Some(element))) = document().map(|document| document.query_selector(selector)) {
        element.remove();
    }
}

/// Shows the page from its top.
pub(crate) fn to_top() {
    if let Some(window) = window() {
        window.scroll_to_with_x_and_y(0.0, 0.0);
    }
}

/// Shows the end of what scrolls inside of an element.
pub(crate) fn to_end(element: &Element) {
    element.set_scroll_top(element.scroll_height());
}

/// Whether the end of what scrolls inside of an element is seen.
pub(crate) fn is_at_end(element: &Element) -> bool {
    element.scroll_height() - element.scroll_top() - element.client_height() < 24
}

/// Shows the page's end.
pub(crate) fn to_page_end() {
    let root = document().and_then(|document| document.document_element());
    if let (Some(window), Some(root)) = (window(), root) {
        window.scroll_to_with_x_and_y(0.0, f64::from(root.scroll_height()));
    }
}

/// Whether the page's end is seen, or nearly.
pub(crate) fn is_at_page_end() -> bool {
    const NEARLY: f64 = 48.0;
    let root = document().and_then(|document| document.document_element());
    let (Some(window), Some(root)) = (window(), root) else {
        return true;
    };
    let scrolled = window.scroll_y().unwrap_or_default();
    f64::from(root.scroll_height()) - scrolled - window_height() < NEARLY
}

/// Unfolds what a selector finds, with all that it is folded into, and puts the focus there.
pub(crate) fn unfold(selector: &str) {
    let Some(Ok(Some(found))) = document().map(|document| document.query_selector(selector)) else {
        return;
    };
    let mut within = found.closest("details").ok().flatten();
    while let Some(fold) = within {
        let _ = fold.set_attribute("open", "");
        within = fold
            .parent_element()
            .and_then(|parent| parent.closest("details").ok().flatten());
    }
    focus(&format!("{selector} > summary"));
    reveal(selector);
}

/// Scrolls an element inside of what scrolls around it, so that it is seen.
pub(crate) fn reveal(selector: &str) {
    let found = document().and_then(|document| document.query_selector(selector).ok()?);
    if let Some(element) = found {
        let options = ScrollIntoViewOptions::new();
        options.set_block(ScrollLogicalPosition::Nearest);
        element.scroll_into_view_with_scroll_into_view_options(&options);
    }
}

/// Opens or closes a dialog; while it is open the rest of the page is out of reach.
pub(crate) fn set_open(dialog: &HtmlDialogElement, open: bool) {
    if open && !dialog.open() {
        let _ = dialog.show_modal();
    } else if !open && dialog.open() {
        dialog.close();
    }
}

// When the page itself fails -------------------------------------------------------------------------------------------------------------

/// Makes a fault of the page visible, with what to do: otherwise it would stand still, looking well.
pub(crate) fn show_faults() {
    std::panic::set_hook(Box::new(|fault| {
        web_sys::console::error_1(&JsValue::from_str(&fault.to_string()));
        let Some(document) = document() else { return };
        let Some(body) = document.body() else { return };
        let Ok(banner) = document.create_element("div") else {
            return;
        };
        banner.set_class_name("fault");
        let _ = banner.set_attribute("role", "alert");
        let _ = banner.set_attribute("data-testid", "fault");
        banner.set_text_content(Some(
            "This page has met a fault of its own and shows nothing new any more. Reload it; the agent is not affected.",
        ));
        let _ = body.append_child(&banner);
        mark_page("data-link", "lost");
    }));
}
