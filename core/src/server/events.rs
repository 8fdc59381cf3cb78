//! The event stream: Server-Sent Events that resume where a reader left off, without a gap and without a duplicate.
//!
//! What flows through: the journal from the reader's last entry on, in pages, then the engine's broadcast as it happens. Whenever the
//! broadcast has a gap, because a reader was slow or another agent wrote to the same journal, the gap is read from the journal. What it
//! never does: drop an event silently, or hold more than one page for a reader. One that lags too far is told to reload.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt as _, stream};
use steward_api::{Envelope, ErrorCode, Role};
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast},
    time::Instant,
};

use super::{App, bind, error::Refusal, sessions::Key};

/// Entries read from the journal at once. An entry may carry a whole incident, so a page stays small.
const PAGE: u32 = 64;
/// A reader further behind than this reads everything anew instead.
pub(super) const MOST_BEHIND: i64 = 10_000;
/// A comment is sent after this time without an event, so that a broken connection is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often the session of a stream is looked at, besides when it ends.
const SESSION_CHECK: Duration = Duration::from_secs(5);
/// How long a reader should wait before it connects anew.
const RETRY: Duration = Duration::from_secs(1);

/// The query of `GET /api/events`.
#[derive(serde::Deserialize)]
struct EventQuery {
    /// As the header `Last-Event-ID`, for readers that can't set headers.
    #[serde(default)]
    last_event_id: Option<String>,
}

/// Answers `GET /api/events`.
pub(super) async fn stream(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let by = bind::authorised(&app, &parts, Role::Viewer)?;
    let last = last_event_id(&parts)?;
    let room = app
        .streams
        .clone()
        .try_acquire_owned()
        .map_err(|_| Refusal {
            retry_after: Some(30),
            ..Refusal::new(
                ErrorCode::TooManyRequests,
                "Too many event streams are open; close one, or try again later",
            )
        })?;
    // Subscribed before the journal is read: what happens in between arrives twice and is told by its number, never lost.
    let live = app.handle.subscribe();
    let head = app.handle.store().journal_head().await?;
    let (start, mode) = match last {
        None => (head, Mode::Live),
        Some(last) if too_far(last, head) => (last, Mode::Reload { head }),
        Some(last) => (last, Mode::Reading),
    };
    let tail = Tail {
        live,
        last: start,
        page: VecDeque::new(),
        ahead: None,
        mode,
        app: app.clone(),
        _room: room,
    };
    // A message with an id but no data is not shown to a reader, but sets where it resumes: it misses nothing even where the connection
    // breaks before the first event.
    let greeting = Event::default().id(start.to_string()).retry(RETRY);
    let events = stream::once(async move { greeting })
        .chain(tail.into_stream())
        .map(Ok::<_, Infallible>)
        .take_until(app.shutdown.clone().cancelled_owned())
        .take_until(by.token.cancelled_owned())
        .take_until(session_over(app.clone(), by.session));
    Ok(Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response())
}

/// Ready when the session by which a stream was opened has ended, by hand or by time. Never where a token opened it, or none did.
pub(super) async fn session_over(app: Arc<App>, session: Option<Key>) {
    let Some(key) = session else {
        return std::future::pending().await;
    };
    // A stream on its own does not make a session last: the page asks for other things while somebody looks at it.
    while let Some(held) = app.web.sessions.look(key, Instant::now())
        && app.tokens.role_of(&held.identity).is_some()
    {
        tokio::select! {
            () = held.over.cancelled() => return,
            () = tokio::time::sleep(held.left.min(SESSION_CHECK)) => {}
        }
    }
}

/// The last entry that the reader has seen; absent where it wants only what happens from now on. The header wins: a browser that
/// reconnects sends it with the address it began with.
fn last_event_id(parts: &Parts) -> Result<Option<i64>, Refusal> {
    let query: EventQuery = bind::query(parts, &["last_event_id".to_owned()])?;
    let header = match parts.headers.get("last-event-id") {
        Some(value) => Some(value.to_str().map_err(|_| not_a_number())?.to_owned()),
        None => None,
    };
    let given = header
        .filter(|text| !text.is_empty())
        .or(query.last_event_id)
        .filter(|text| !text.is_empty());
    match given.map(|text| text.parse::<i64>()) {
        None => Ok(None),
        Some(Ok(last)) if last >= 0 => Ok(Some(last)),
        Some(_) => Err(not_a_number()),
    }
}

fn not_a_number() -> Refusal {
    Refusal::bad_request(
        "Last-Event-ID: it should be the number of a journal entry, as in the `id` of an event",
    )
}

/// Whether a reader must read everything anew: it is too far behind, or it saw an entry that this journal never had.
const fn too_far(last: i64, head: i64) -> bool {
    last > head || head - last > MOST_BEHIND
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Reads the journal until its end.
    Reading,
    /// Takes events as they happen.
    Live,
    /// Tells the reader to reload, then ends.
    Reload {
        head: i64,
    },
    Ended,
}

/// One reader's place in the journal.
struct Tail {
    app: Arc<App>,
    live: broadcast::Receiver<Arc<Envelope>>,
    /// The last entry sent, or the one after which to begin.
    last: i64,
    /// What was read and not yet sent.
    page: VecDeque<Envelope>,
    /// A live event that came before the gap in front of it was filled.
    ahead: Option<Arc<Envelope>>,
    mode: Mode,
    _room: OwnedSemaphorePermit,
}

impl Tail {
    fn into_stream(self) -> impl Stream<Item = Event> {
        stream::unfold(self, |mut tail| async move {
            let event = tail.next().await?;
            Some((event, tail))
        })
    }

    /// The next message; absent at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(envelope) = self.page.pop_front() {
                if envelope.seq > self.last {
                    return self.message(&envelope);
                }
                continue;
            }
            match self.mode {
                Mode::Ended => return None,
                Mode::Reload { head } => {
                    self.mode = Mode::Ended;
                    // With the id of the newest entry, so that a browser which reconnects by itself goes on from there.
                    return Some(
                        Event::default()
                            .event("reload")
                            .id(head.to_string())
                            .data(format!("{{\"head\":{head}}}")),
                    );
                }
                Mode::Reading => self.read_on().await,
                Mode::Live => {
                    if let Some(envelope) = self.ahead.take()
                        && envelope.seq > self.last
                    {
                        return self.message(&envelope);
                    }
                    match self.live.recv().await {
                        Ok(envelope) if envelope.seq <= self.last => {}
                        Ok(envelope) if envelope.seq == self.last + 1 => {
                            return self.message(&envelope);
                        }
                        Ok(envelope) => {
                            self.mode = if too_far(self.last, envelope.seq) {
                                Mode::Reload { head: envelope.seq }
                            } else {
                                Mode::Reading
                            };
                            self.ahead = Some(envelope);
                        }
                        Err(broadcast::error::RecvError::Lagged(missed)) => {
                            tracing::debug!(
                                missed,
                                last = self.last,
                                "an event stream's reader lags"
                            );
                            self.mode = Mode::Reading;
                        }
                        Err(broadcast::error::RecvError::Closed) => self.mode = Mode::Ended,
                    }
                }
            }
        }
    }

    /// Reads the next page of the journal; on its last page, goes on live.
    async fn read_on(&mut self) {
        let store = self.app.handle.store();
        let read = async {
            let head = store.journal_head().await?;
            if too_far(self.last, head) {
                return Ok((head, Vec::new()));
            }
            Ok((head, store.journal_after(self.last, PAGE).await?))
        };
        match read.await {
            Ok((head, _)) if too_far(self.last, head) => self.mode = Mode::Reload { head },
            Ok((_, page)) => {
                if page.len() < PAGE as usize {
                    self.mode = Mode::Live;
                }
                self.page = page.into();
            }
            Err(error) => {
                // The reader connects anew and resumes after what it has seen.
                let error: &crate::ports::StoreError = &error;
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "ends an event stream: can't read the journal"
                );
                self.mode = Mode::Ended;
            }
        }
    }

    fn message(&mut self, envelope: &Envelope) -> Option<Event> {
        self.last = envelope.seq;
        self.app.last_seq.fetch_max(envelope.seq, Ordering::Relaxed);
        match Event::default()
            .id(envelope.seq.to_string())
            .event(envelope.event.name())
            .json_data(envelope)
        {
            Ok(event) => Some(event),
            Err(error) => {
                // Ending is better than leaving one out: the reader notices.
                tracing::error!(%error, seq = envelope.seq, "can't write an event");
                self.mode = Mode::Ended;
                self.page.clear();
                None
            }
        }
    }
}
