//! Requests over HTTP, with the session's cookie.
//!
//! What flows through: a request in, the text of a good answer or a failure out. What it never does: follow the cookie to another origin, or
//! keep an answer.

use js_sys::Reflect;
use steward_api::Method;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, AbortSignal, RequestCache, RequestCredentials, RequestInit, Response,
};

use super::Request;
use crate::failure::Failure;

/// Says that the request comes from this page and not from a form of another site.
const OUR_HEADER: &str = "X-Steward-Request";

/// Holds a request that waits for news. Cut, it waits no longer: a browser keeps few connections to one agent, and each that waits for what
/// nobody looks at any more would be one less. Copies hold the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leash(Option<AbortController>);

impl Leash {
    /// One that is not cut.
    pub(crate) fn new() -> Self {
        Self(AbortController::new().ok())
    }

    /// Gives the request up.
    pub(crate) fn cut(&self) {
        if let Some(controller) = &self.0 {
            controller.abort();
        }
    }
}

pub(super) async fn send(request: Request) -> Result<String, Failure> {
    let (status, text) = exchange(&request).await.map_err(|error| cause(&error))?;
    if (200..300).contains(&status) {
        Ok(text)
    } else {
        Err(Failure::of(status, &text))
    }
}

async fn exchange(request: &Request) -> Result<(u16, String), JsValue> {
    let init = RequestInit::new();
    init.set_method(match request.method {
        Method::Get => "GET",
        Method::Post => "POST",
    });
    init.set_credentials(RequestCredentials::SameOrigin);
    init.set_cache(RequestCache::NoStore);
    let signal = match &request.leash {
        Some(Leash(Some(controller))) => controller.signal(),
        _ => AbortSignal::timeout_with_u32(request.patience),
    };
    init.set_signal(Some(&signal));
    if let Some(body) = &request.body {
        init.set_body(&JsValue::from_str(body));
    }
    let asked = web_sys::Request::new_with_str_and_init(&request.path, &init)?;
    let headers = asked.headers();
    headers.set(OUR_HEADER, "1")?;
    headers.set("Accept", "application/json")?;
    if request.body.is_some() {
        headers.set("Content-Type", "application/json")?;
    }
    let window = web_sys::window().ok_or(JsValue::NULL)?;
    let response: Response = JsFuture::from(window.fetch_with_request(&asked))
        .await?
        .unchecked_into();
    let text = JsFuture::from(response.text()?).await?;
    Ok((response.status(), text.as_string().unwrap_or_default()))
}

/// Why there was no answer at all. A browser tells a page little, and all it tells of a network is one kind of error.
fn cause(error: &JsValue) -> Failure {
    let name = Reflect::get(error, &JsValue::from_str("name"))
        .ok()
        .and_then(|name| name.as_string());
    match name.as_deref() {
        Some("TimeoutError" | "AbortError") => Failure::TooSlow,
        _ => Failure::Unreachable,
    }
}
