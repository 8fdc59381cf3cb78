//! The desktop's carrier: requests and events through the shell's own commands (Tauri's `invoke`, and a channel for the stream).
//!
//! What flows through: the same method, path and body as over HTTP out; answers, events and the shell's [`Trouble`]s in. What it never does:
//! hold a token. The shell has it, and this page never sees it.

use std::{cell::RefCell, rc::Rc};

use js_sys::{Function, JSON, Object, Promise, Reflect};
use serde::{Serialize, de::DeserializeOwned};
use steward_api::{DesktopHeard, Method, Trouble};
use wasm_bindgen::{JsCast as _, JsValue, prelude::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::{Request, stream};
use crate::{
    failure::Failure,
    in_order::{Arrived, InOrder},
    wire,
};
use stream::Heard;

/// What the shell puts into its window and no browser has.
const DOOR: &str = "__TAURI_INTERNALS__";
/// How a channel is written among a command's arguments.
const CHANNEL: &str = "__CHANNEL__:";

fn door() -> Option<JsValue> {
    let window = web_sys::window()?;
    let door = Reflect::get(&window, &JsValue::from_str(DOOR)).ok()?;
    door.is_object().then_some(door)
}

/// Whether this page is in the desktop's window.
pub(crate) fn is_here() -> bool {
    thread_local! {
        static HERE: bool = door().is_some();
    }
    HERE.with(|here| *here)
}

fn call(name: &str, arguments: &[&JsValue]) -> Result<JsValue, JsValue> {
    let door = door().ok_or(JsValue::NULL)?;
    let function: Function = Reflect::get(&door, &JsValue::from_str(name))?.dyn_into()?;
    match arguments {
        [one] => function.call1(&door, one),
        [one, two] => function.call2(&door, one, two),
        _ => function.call0(&door),
    }
}

/// Has the shell carry out a command.
async fn invoke(command: &str, arguments: &JsValue) -> Result<JsValue, Failure> {
    let promise: Promise = call("invoke", &[&JsValue::from_str(command), arguments])
        .and_then(|promise| promise.dyn_into())
        .map_err(|error| refused(&error))?;
    JsFuture::from(promise)
        .await
        .map_err(|error| refused(&error))
}

/// Why the shell refused: its own words, or Tauri's where it did not even get there.
fn refused(error: &JsValue) -> Failure {
    match trouble(error) {
        Some(trouble) => Failure::told(trouble),
        None => strange(error),
    }
}

fn trouble(error: &JsValue) -> Option<Trouble> {
    let text = JSON::stringify(error).ok()?.as_string()?;
    wire::read(&text).ok()
}

fn strange(error: &JsValue) -> Failure {
    let text = error.as_string().unwrap_or_else(|| "no reason".to_owned());
    Failure::Unreadable(format!("The desktop's shell refused ({text})"))
}

fn set(object: &Object, name: &str, value: &JsValue) {
    // A plain object takes everything.
    let _ = Reflect::set(object, &JsValue::from_str(name), value);
}

fn text_or_null(text: Option<&str>) -> JsValue {
    text.map_or(JsValue::NULL, JsValue::from_str)
}

pub(super) async fn send(request: Request) -> Result<String, Failure> {
    let arguments = Object::new();
    let method = match request.method {
        Method::Get => "GET",
        Method::Post => "POST",
    };
    set(&arguments, "method", &JsValue::from_str(method));
    set(&arguments, "path", &JsValue::from_str(&request.path));
    set(&arguments, "body", &text_or_null(request.body.as_deref()));
    set(
        &arguments,
        "patience",
        &JsValue::from_f64(request.patience.into()),
    );
    let answer = invoke("request", &arguments).await?;
    let part = |name: &str| Reflect::get(&answer, &JsValue::from_str(name)).ok();
    let status = part("status").and_then(|status| status.as_f64());
    let body = part("body").and_then(|body| body.as_string());
    match (status, body) {
        (Some(status), Some(body)) if (200.0..300.0).contains(&status) => Ok(body),
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the shell writes it as 16 bits"
        )]
        (Some(status), Some(body)) => Err(Failure::of(status as u16, &body)),
        _ => Err(strange(&JsValue::NULL)),
    }
}

/// Has the shell carry out one of the commands about itself. A trouble comes back as it is: the screen of connections says it.
pub(super) async fn command<T: DeserializeOwned>(
    name: &str,
    arguments: &impl Serialize,
) -> Result<T, Result<Trouble, Failure>> {
    let arguments = serde_json::to_string(arguments)
        .ok()
        .and_then(|text| JSON::parse(&text).ok())
        .unwrap_or_else(|| Object::new().into());
    let promise: Promise = call("invoke", &[&JsValue::from_str(name), &arguments])
        .and_then(|promise| promise.dyn_into())
        .map_err(|error| Err(strange(&error)))?;
    let reply = JsFuture::from(promise)
        .await
        .map_err(|error| trouble(&error).map_or_else(|| Err(strange(&error)), Ok))?;
    let text = JSON::stringify(&reply)
        .ok()
        .and_then(|text| text.as_string())
        .unwrap_or_else(|| "null".to_owned());
    wire::read(&text).map_err(|error| Err(Failure::Unreadable(error.to_string())))
}

type Listener = Closure<dyn FnMut(JsValue)>;

/// An open event stream; closed when dropped.
pub(crate) struct Stream {
    number: u32,
    /// Kept for as long as the shell may call it.
    _listener: Listener,
}

impl Stream {
    pub(super) fn open(heard: impl Fn(Heard) + 'static) -> Result<Self, Failure> {
        thread_local! {
            static NUMBER: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
        }
        let number = NUMBER.with(|number| {
            number.set(number.get().wrapping_add(1));
            number.get()
        });
        let heard = Rc::new(heard);
        let tell = Rc::clone(&heard);
        let order = RefCell::new(InOrder::default());
        let listener: Listener = Closure::new(move |message: JsValue| {
            // Taken out before anything is told: what is told may open another stream.
            let ready = order.borrow_mut().take(arrived(&message));
            for text in ready {
                tell(read(&text));
            }
        });
        let id = call("transformCallback", &[listener.as_ref()])
            .ok()
            .and_then(|id| id.as_f64())
            .ok_or(Failure::Unreachable)?;
        let arguments = Object::new();
        set(&arguments, "number", &JsValue::from_f64(number.into()));
        set(&arguments, "after", &JsValue::NULL);
        set(
            &arguments,
            "heard",
            &JsValue::from_str(&format!("{CHANNEL}{id}")),
        );
        spawn_local(async move {
            if let Err(failure) = invoke("follow", &arguments).await {
                heard(Heard::Lost(failure));
            }
        });
        Ok(Self {
            number,
            _listener: listener,
        })
    }

    pub(super) fn close(&self) {
        let arguments = Object::new();
        set(&arguments, "number", &JsValue::from_f64(self.number.into()));
        spawn_local(async move {
            let _ = invoke("unfollow", &arguments).await;
        });
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.close();
    }
}

/// One message of the channel: its place, and its text.
fn arrived(message: &JsValue) -> Arrived {
    let part = |name: &str| Reflect::get(message, &JsValue::from_str(name)).ok();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count that begins at 0"
    )]
    let index = part("index")
        .and_then(|index| index.as_f64())
        .map_or(0, |index| index as u64);
    Arrived {
        index,
        text: part("message").and_then(|text| text.as_string()),
    }
}

fn read(text: &str) -> Heard {
    match wire::read::<DesktopHeard>(text) {
        Ok(DesktopHeard::Open) => Heard::Open,
        Ok(DesktopHeard::Event { text }) => stream::event(&text),
        Ok(DesktopHeard::Reload) => Heard::Reload,
        Ok(DesktopHeard::Lost { trouble }) => Heard::Lost(Failure::told(trouble)),
        Err(error) => Heard::Strange(error.to_string()),
    }
}
