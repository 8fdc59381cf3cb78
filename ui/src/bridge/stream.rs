//! The event stream over Server-Sent Events.
//!
//! What flows through: messages of the agent in, [`Heard`] out. What it never does: reconnect by itself; whoever listens does that, and
//! reads everything anew.

use std::rc::Rc;

use steward_api::Envelope;
use wasm_bindgen::{JsCast as _, JsValue, prelude::Closure};
use web_sys::{EventSource, MessageEvent};

use crate::{failure::Failure, session::EVENT_NAMES, wire};

/// What comes through the stream.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    /// It is open.
    Open,
    /// Something happened.
    Event(Box<Envelope>),
    /// Too much was missed: everything must be read anew.
    Reload,
    /// It is broken.
    Lost(Failure),
    /// A message could not be understood.
    Strange(String),
}

type Listener = Closure<dyn FnMut(JsValue)>;

/// An open event stream; closed when dropped.
pub(crate) struct Stream {
    source: EventSource,
    /// Kept for as long as the browser may call them.
    _listeners: Vec<Listener>,
}

impl Stream {
    pub(super) fn open(path: &str, heard: impl Fn(Heard) + 'static) -> Result<Self, Failure> {
        let source = EventSource::new(path).map_err(|_| Failure::Unreachable)?;
        let heard = Rc::new(heard);
        let mut listeners = Vec::new();
        let mut listen = |name: &str, tell: fn(&JsValue) -> Heard| {
            let heard = Rc::clone(&heard);
            let listener: Listener = Closure::new(move |message: JsValue| heard(tell(&message)));
            let added =
                source.add_event_listener_with_callback(name, listener.as_ref().unchecked_ref());
            listeners.push(listener);
            added.map_err(|_| Failure::Unreachable)
        };
        listen("open", |_| Heard::Open)?;
        listen("error", |_| Heard::Lost(Failure::Unreachable))?;
        listen("reload", |_| Heard::Reload)?;
        for name in EVENT_NAMES {
            listen(name, understood)?;
        }
        Ok(Self {
            source,
            _listeners: listeners,
        })
    }
}

impl Stream {
    /// Hears nothing more.
    pub(super) fn close(&self) {
        self.source.close();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.close();
    }
}

pub(super) fn event(text: &str) -> Heard {
    match wire::read(text) {
        Ok(envelope) => Heard::Event(Box::new(envelope)),
        Err(error) => Heard::Strange(error.to_string()),
    }
}

fn understood(message: &JsValue) -> Heard {
    let text = message
        .dyn_ref::<MessageEvent>()
        .and_then(|message| message.data().as_string())
        .unwrap_or_default();
    event(&text)
}
