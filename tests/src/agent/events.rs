//! The agent's event stream, read as a user's program would read it.
//!
//! What flows through: Server-Sent Events in, envelopes with the time of their arrival out, in order. It never reconnects by itself.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use steward_api::{EVENTS_PATH, Envelope};

/// An event and when it arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// When, by this machine's clock.
    pub at: Timestamp,
    /// What.
    pub envelope: Envelope,
}

#[derive(Debug, Default)]
struct Heard {
    events: Vec<Arrived>,
    reloads: usize,
    ended: Option<String>,
}

/// An open event stream. Closed on drop.
#[derive(Debug)]
pub struct EventStream {
    heard: Arc<Mutex<Heard>>,
    task: tokio::task::JoinHandle<()>,
}

impl EventStream {
    pub(super) async fn open(url: &str, after: Option<i64>) -> Result<Self> {
        // No limit on the whole: a stream has no end.
        let client = reqwest::Client::builder().no_proxy().build()?;
        let mut request = client
            .get(format!("{url}{EVENTS_PATH}"))
            .header("X-API-Key", super::ADMIN_TOKEN)
            .header("Accept", "text/event-stream");
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after.to_string());
        }
        let response = request.send().await?.error_for_status()?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let kept = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            let mut parser = Parser::default();
            let mut body = response.bytes_stream();
            let end = loop {
                match body.next().await {
                    Some(Ok(part)) => parser.feed(&part, &kept),
                    Some(Err(error)) => break error.to_string(),
                    None => break "the stream ended".to_owned(),
                }
            };
            kept.lock().unwrap_or_else(PoisonError::into_inner).ended = Some(end);
        });
        Ok(Self { heard, task })
    }

    /// Everything that has arrived.
    pub fn all(&self) -> Vec<Arrived> {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .events
            .clone()
    }

    /// How often it was told to read everything anew.
    pub fn reloads(&self) -> usize {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .reloads
    }

    /// Why it ended, where it has.
    pub fn ended(&self) -> Option<String> {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ended
            .clone()
    }

    /// Waits for the first event that fits.
    ///
    /// # Errors
    /// After `timeout`, with the last events that arrived.
    pub async fn wait(
        &self,
        what: &str,
        timeout: Duration,
        fits: impl Fn(&Envelope) -> bool,
    ) -> Result<Arrived> {
        let find = || self.all().into_iter().find(|one| fits(&one.envelope));
        let found = crate::wait::until(
            what,
            timeout,
            || async {
                let found = find();
                let all = self.all();
                let last = all
                    .get(all.len().saturating_sub(3)..)
                    .unwrap_or_default()
                    .to_vec();
                Ok((found, last))
            },
            |(found, _)| found.is_some(),
        )
        .await?;
        found.0.context("the event is gone")
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes a stream of Server-Sent Events apart.
#[derive(Default)]
struct Parser {
    buffer: Vec<u8>,
    event: String,
    data: String,
}

impl Parser {
    fn feed(&mut self, part: &[u8], heard: &Mutex<Heard>) {
        self.buffer.extend_from_slice(part);
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                self.dispatch(heard);
            } else if let Some((field, value)) = line.split_once(':') {
                let value = value.strip_prefix(' ').unwrap_or(value);
                match field {
                    "event" => value.clone_into(&mut self.event),
                    "data" => self.data.push_str(value),
                    _ => {}
                }
            }
        }
    }

    fn dispatch(&mut self, heard: &Mutex<Heard>) {
        let (event, data) = (
            std::mem::take(&mut self.event),
            std::mem::take(&mut self.data),
        );
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        if event == "reload" {
            heard.reloads += 1;
        } else if let Ok(envelope) = serde_json::from_str(&data) {
            let at = Timestamp::now();
            heard.events.push(Arrived { at, envelope });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_cut_anywhere_are_put_together() {
        let data = r#"{"seq":7,"node":"a","at":"2026-01-01T00:00:00Z","event":{"type":"source_up","source":"docker"},"hash":"x"}"#;
        let text = format!(": hello\n\nid: 7\r\ndata: {data}\r\n\r\nevent: reload\ndata:\n\n");
        let heard = Mutex::new(Heard::default());
        let mut parser = Parser::default();
        for byte in text.as_bytes() {
            parser.feed(&[*byte], &heard);
        }
        let heard = heard.into_inner().unwrap();
        assert_eq!((heard.events.len(), heard.reloads), (1, 1));
        assert_eq!(heard.events[0].envelope.seq, 7);
    }
}
