//! The event stream: connects, resumes after the last entry seen, reconnects with back-off, and says when to read all anew.
//!
//! The agent sends a comment at least every 15 s; a connection that is silent for three times as long is taken for dead.

use std::{collections::VecDeque, pin::Pin, time::Duration};

use futures_util::{Stream, StreamExt as _, stream};
use steward_api::{EVENTS_PATH, Envelope, JournalQuery, ListJournal};

use super::{Client, ClientError, sse};

/// A silent connection is given up after this time.
const SILENCE: Duration = Duration::from_secs(45);
const FIRST_BACK_OFF: Duration = Duration::from_millis(250);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(15);

/// What the stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// Connected, or connected again. Said before the first entry that comes over the connection.
    Connected,
    /// One entry of the journal. Each comes once, in order.
    Entry(Box<Envelope>),
    /// Entries after `after` up to `until` were not sent because this reader lagged too far: read everything anew. The stream goes on
    /// after `until`.
    Reload {
        /// The last entry that was sent before the gap.
        after: i64,
        /// The last entry of the gap.
        until: i64,
    },
    /// The connection is lost; the next try comes after the wait.
    Lost {
        /// Why.
        reason: String,
        /// How long until the next try.
        retry_in: Duration,
    },
}

/// Entries of the journal as they come. It ends only after an error, which is one that trying again does not help (a token that is not
/// known, a server that is not Steward), or that hit the very first connection.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<StreamEvent, ClientError>> + Send>>;

pub(super) fn open(client: Client, after: Option<i64>) -> EventStream {
    let reader = Reader {
        client,
        last: after,
        connection: None,
        ready: VecDeque::new(),
        connected_before: false,
        failures: 0,
        wait: None,
        over: false,
    };
    Box::pin(
        stream::unfold(reader, |mut reader| async move {
            let item = reader.next().await?;
            Some((item, reader))
        })
        .fuse(),
    )
}

struct Connection {
    response: reqwest::Response,
    parser: sse::Parser,
}

struct Reader {
    client: Client,
    /// The last entry seen, or the one to begin after.
    last: Option<i64>,
    connection: Option<Connection>,
    ready: VecDeque<StreamEvent>,
    connected_before: bool,
    /// Connections in a row that brought nothing.
    failures: u32,
    wait: Option<Duration>,
    over: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Result<StreamEvent, ClientError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if self.over {
                return None;
            }
            if let Some(wait) = self.wait.take() {
                tokio::time::sleep(wait).await;
            }
            let step = if self.connection.is_some() {
                self.read().await
            } else {
                self.connect().await
            };
            match step {
                Ok(()) => {}
                Err(error) if self.connected_before && is_passing(&error) => {
                    let lost = self.lose(&error);
                    return Some(Ok(lost));
                }
                Err(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<(), ClientError> {
        // Without a number to resume after, an entry written between two connections would be lost.
        let last = match self.last {
            Some(last) => last,
            None => self.head().await?,
        };
        self.last = Some(last);
        let request = self
            .client
            .request(reqwest::Method::GET, EVENTS_PATH, None)?
            .header("Accept", "text/event-stream")
            .header("Last-Event-ID", last.to_string());
        let response = tokio::time::timeout(self.client.timeout, self.client.send(request))
            .await
            .map_err(|_| ClientError::Unreachable {
                url: self.client.url().to_owned(),
                reason: "the event stream did not begin in time".to_owned(),
            })??;
        let status = response.status();
        if !status.is_success() {
            let body = tokio::time::timeout(self.client.timeout, response.bytes())
                .await
                .ok()
                .and_then(Result::ok)
                .unwrap_or_default();
            return Err(self.client.refusal(status, &body));
        }
        let is_stream = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .is_some_and(|kind| kind.starts_with("text/event-stream"));
        if !is_stream {
            return Err(self
                .client
                .nonsense("its event stream is not one".to_owned()));
        }
        self.connection = Some(Connection {
            response,
            parser: sse::Parser::default(),
        });
        self.connected_before = true;
        self.ready.push_back(StreamEvent::Connected);
        Ok(())
    }

    async fn head(&self) -> Result<i64, ClientError> {
        let query = JournalQuery {
            limit: Some(1),
            ..JournalQuery::default()
        };
        let page = self.client.call::<ListJournal>(None, &query).await?;
        Ok(page.items.first().map_or(0, |entry| entry.seq))
    }

    async fn read(&mut self) -> Result<(), ClientError> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let unreachable = |reason: String| ClientError::Unreachable {
            url: self.client.url().to_owned(),
            reason,
        };
        let chunk = tokio::time::timeout(SILENCE, connection.response.chunk())
            .await
            .map_err(|_| unreachable(format!("silent for {} s", SILENCE.as_secs())))?
            .map_err(|error| self.client.unreachable(&error))?
            .ok_or_else(|| unreachable("the agent closed the connection".to_owned()))?;
        let messages = connection
            .parser
            .feed(&chunk)
            .map_err(|_| self.client.nonsense("an event is far too large".to_owned()))?;
        for message in messages {
            match message.event.as_str() {
                "reload" => self.reload().await?,
                // Entries are named by their kind, for browsers that listen to some alone. What has no number is no entry.
                _ if message.id.is_some() => self.take(&message.data)?,
                other => tracing::debug!(event = other, "unknown kind of stream message"),
            }
        }
        Ok(())
    }

    fn take(&mut self, data: &str) -> Result<(), ClientError> {
        let envelope: Envelope = serde_json::from_str(data)
            .map_err(|error| self.client.nonsense(format!("an event: {error}")))?;
        self.failures = 0;
        // After a resume the agent may send the last entry again.
        if self.last.is_none_or(|last| envelope.seq > last) {
            self.last = Some(envelope.seq);
            self.ready.push_back(StreamEvent::Entry(Box::new(envelope)));
        }
        Ok(())
    }

    async fn reload(&mut self) -> Result<(), ClientError> {
        let after = self.last.unwrap_or_default();
        // Below `after` where the journal is another one than before; then its head is where to go on.
        let until = self.head().await?;
        self.last = Some(until);
        self.ready.push_back(StreamEvent::Reload { after, until });
        Ok(())
    }

    fn lose(&mut self, error: &ClientError) -> StreamEvent {
        let asked = self
            .connection
            .take()
            .and_then(|connection| connection.parser.retry_ms)
            .map(Duration::from_millis);
        let doubled = FIRST_BACK_OFF * 2_u32.pow(self.failures.min(6));
        self.failures += 1;
        // Many readers that lost the same agent should not all come back at the same moment.
        let jitter = 0.75 + rand::random::<f64>() / 2.0;
        let retry_in = doubled
            .max(asked.unwrap_or_default())
            .min(LONGEST_BACK_OFF)
            .mul_f64(jitter);
        self.wait = Some(retry_in);
        StreamEvent::Lost {
            reason: match error {
                ClientError::Unreachable { reason, .. } => reason.clone(),
                other => other.to_string(),
            },
            retry_in,
        }
    }
}

/// Whether trying again may help. An agent that is being updated, or a proxy in front of one, answers strangely for a while.
fn is_passing(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } => true,
        ClientError::Problem(problem) => problem.status >= 500 || problem.status == 429,
        ClientError::Usage(_) | ClientError::Nonsense { .. } => false,
    }
}
