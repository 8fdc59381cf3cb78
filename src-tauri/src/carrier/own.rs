//! The engine inside this program: its router is called in process, so there is no port and nobody else can ask.
//!
//! What flows through: a configuration in, a running engine out; then requests and events. The token is made anew for each run, is good for
//! this router alone, and never leaves this file. What it never does: run beside another agent on the same data directory; the lock of the
//! engine's refuses that.

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, BodyDataStream},
    http::{Request, header},
};
use futures_util::{StreamExt as _, stream};
use rand::TryRng as _;
use secrecy::{ExposeSecret as _, SecretString};
use steward::{
    client::{CHANNEL_HEADER, StreamEvent, sse},
    config::{self, Inputs},
    server::Tokens,
    wire::Embedded,
};
use steward_api::{
    Channel, DesktopAnswer, EVENTS_PATH, Envelope, JournalPage, Method, Role, Trouble, TroubleKind,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{Asked, Events};

/// Who speaks, in the journal.
const IDENTITY: &str = "desktop";
/// Answers above this are not read. Bytes; a list of ten thousand resources stays far below.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// How long the engine may take to end in good order: an action under way gets 15 s to be written down.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// After the stream broke, it is opened again so much later.
const REOPEN: Duration = Duration::from_secs(1);

/// A running engine. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Own(Arc<Inner>);

struct Inner {
    router: Router,
    token: SecretString,
    node: String,
    stop: CancellationToken,
    /// Why it has ended, once it has.
    ended: watch::Receiver<Option<String>>,
}

/// Without the token.
impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Own")
            .field("node", &self.0.node)
            .finish_non_exhaustive()
    }
}

impl Own {
    /// Starts the engine with the configuration of this machine.
    ///
    /// # Errors
    /// Where the configuration is wrong, or the engine can't begin: another agent may hold the data directory.
    pub(crate) async fn start(inputs: Inputs) -> Result<Self, Trouble> {
        let config = config::load(&inputs).map_err(|error| {
            trouble(
                "The configuration is not valid",
                format!("{error} Mend it, then try again."),
            )
        })?;
        let token = new_token().map_err(|error| {
            trouble(
                "Steward's own engine can't begin",
                format!("The system gives no random numbers: {error}."),
            )
        })?;
        let known = [(IDENTITY.to_owned(), Role::Admin, token.clone())];
        let started = async {
            let tokens = Tokens::new(known, None)?;
            Embedded::start(config, Some(inputs), tokens).await
        };
        let engine = Box::pin(started)
            .await
            .map_err(|error| trouble("Steward's own engine can't begin", format!("{error:#}.")))?;
        let (router, node) = (engine.router(), engine.node().to_owned());
        let stop = CancellationToken::new();
        let (tell, ended) = watch::channel(None);
        tokio::spawn(keep(engine, stop.clone(), tell));
        Ok(Self(Arc::new(Inner {
            router,
            token,
            node,
            stop,
            ended,
        })))
    }

    pub(super) const fn identity(&self) -> &'static str {
        IDENTITY
    }

    /// The name of this machine, as the engine has it.
    pub(crate) fn node(&self) -> &str {
        &self.0.node
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&self) -> bool {
        self.0.ended.borrow().is_none() && !self.0.stop.is_cancelled()
    }

    /// Ends it in good order, and waits until it has ended.
    pub(crate) async fn stop(&self) {
        self.0.stop.cancel();
        let mut ended = self.0.ended.clone();
        let waited = tokio::time::timeout(STOP_LIMIT, ended.wait_for(Option::is_some)).await;
        if waited.is_err() {
            tracing::warn!(limit = ?STOP_LIMIT, "the engine did not end in time; what was under way is checked at the next start");
        }
    }

    pub(super) async fn ask(&self, asked: Asked) -> Result<DesktopAnswer, Trouble> {
        self.check()?;
        let body = asked.body.map_or_else(Body::empty, Body::from);
        let request = self.request(asked.method, &asked.path, body, None)?;
        let exchange = async {
            // A router never fails.
            let Ok(response) = self.0.router.clone().oneshot(request).await;
            let status = response.status().as_u16();
            let bytes = axum::body::to_bytes(response.into_body(), LARGEST_ANSWER)
                .await
                .map_err(|error| trouble("The answer broke off", format!("{error}.")))?;
            let body = String::from_utf8_lossy(&bytes).into_owned();
            Ok(DesktopAnswer { status, body })
        };
        tokio::time::timeout(asked.patience, exchange)
            .await
            .map_err(|_| {
                Trouble::new(
                    TroubleKind::TooSlow,
                    "Steward's own engine did not answer in time",
                    "This machine may be very busy. Try again.",
                )
            })?
    }

    pub(super) fn events(&self, after: Option<i64>) -> Events {
        let reader = Reader {
            own: self.clone(),
            last: after,
            open: None,
            ready: VecDeque::new(),
            wait: None,
            over: false,
        };
        Box::pin(stream::unfold(reader, |mut reader| async move {
            let item = reader.next().await?;
            Some((item, reader))
        }))
    }

    /// Whether the engine still runs; why not, where it does not.
    fn check(&self) -> Result<(), Trouble> {
        match &*self.0.ended.borrow() {
            None => Ok(()),
            Some(reason) => Err(trouble(
                "Steward's own engine has ended",
                format!("{reason}. This machine is not watched. Start it again under Connections."),
            )),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Body,
        after: Option<i64>,
    ) -> Result<Request<Body>, Trouble> {
        let mut request = Request::builder()
            .method(method.as_str())
            .uri(path)
            .header(CHANNEL_HEADER, Channel::Desktop.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .header(
                header::AUTHORIZATION,
                format!("Bearer {}", self.0.token.expose_secret()),
            );
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after.to_string());
        }
        request.body(body).map_err(|error| {
            Trouble::new(
                TroubleKind::BadInput,
                "The request can't be sent",
                format!("`{path}` is no path of Steward's: {error}."),
            )
        })
    }
}

/// Keeps the engine until it is told to stop, or ends by itself; then closes what it had open and says why.
async fn keep(mut engine: Embedded, stop: CancellationToken, tell: watch::Sender<Option<String>>) {
    let reason = tokio::select! {
        () = stop.cancelled() => "It was stopped".to_owned(),
        error = engine.ended() => {
            tracing::error!(error = format!("{error:#}"), "Steward's own engine ended");
            format!("{error:#}")
        }
    };
    if let Err(error) = engine.stop().await {
        tracing::error!(
            error = format!("{error:#}"),
            "Steward's own engine did not end in good order"
        );
    }
    tell.send_replace(Some(reason));
}

fn new_token() -> Result<SecretString, rand::rngs::SysError> {
    let mut bytes = [0_u8; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes)?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(SecretString::from(text))
}

fn trouble(title: &str, advice: String) -> Trouble {
    Trouble::new(TroubleKind::OwnEngine, title, advice)
}

/// One reader's place in the event stream of the engine's router.
struct Reader {
    own: Own,
    /// The last entry seen, or the one to begin after.
    last: Option<i64>,
    open: Option<(BodyDataStream, sse::Parser)>,
    ready: VecDeque<StreamEvent>,
    wait: Option<Duration>,
    over: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Result<StreamEvent, Trouble>> {
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
            let step = match self.open.take() {
                Some(open) => self.read(open).await,
                None => self.connect().await,
            };
            if let Err(trouble) = step {
                // An engine that has ended stays so; anything else passes.
                if !self.own.is_running() {
                    self.over = true;
                    return Some(Err(trouble));
                }
                self.wait = Some(REOPEN);
                return Some(Ok(StreamEvent::Lost {
                    reason: trouble.advice,
                    retry_in: REOPEN,
                }));
            }
        }
    }

    async fn connect(&mut self) -> Result<(), Trouble> {
        self.own.check()?;
        // Without a number to resume after, an entry written between two openings would be lost.
        let last = match self.last {
            Some(last) => last,
            None => head(&self.own).await?,
        };
        self.last = Some(last);
        let request = self
            .own
            .request(Method::Get, EVENTS_PATH, Body::empty(), Some(last))?;
        let Ok(response) = self.own.0.router.clone().oneshot(request).await;
        if !response.status().is_success() {
            return Err(trouble(
                "The event stream can't be opened",
                format!("The engine answered {}.", response.status()),
            ));
        }
        let body = response.into_body().into_data_stream();
        self.open = Some((body, sse::Parser::default()));
        self.ready.push_back(StreamEvent::Connected);
        Ok(())
    }

    async fn read(&mut self, open: (BodyDataStream, sse::Parser)) -> Result<(), Trouble> {
        let (mut body, mut parser) = open;
        let ended = || trouble("The event stream ended", "The engine closed it.".to_owned());
        let chunk = body.next().await.ok_or_else(ended)?.map_err(|_| ended())?;
        let messages = parser
            .feed(&chunk)
            .map_err(|error| trouble("The event stream broke", format!("{error}.")))?;
        for message in messages {
            if message.event == "reload" {
                let after = self.last.unwrap_or_default();
                let until = head(&self.own).await?;
                self.last = Some(until);
                self.ready.push_back(StreamEvent::Reload { after, until });
            } else if message.id.is_some() {
                let envelope: Envelope = serde_json::from_str(&message.data)
                    .map_err(|error| super::not_understood(&error))?;
                if self.last.is_none_or(|last| envelope.seq > last) {
                    self.last = Some(envelope.seq);
                    self.ready.push_back(StreamEvent::Entry(Box::new(envelope)));
                }
            }
        }
        self.open = Some((body, parser));
        Ok(())
    }
}

/// The newest entry of the journal.
async fn head(own: &Own) -> Result<i64, Trouble> {
    let asked = Asked {
        method: Method::Get,
        path: "/api/journal?limit=1".to_owned(),
        body: None,
        patience: super::PATIENCE,
    };
    let answer = own.ask(asked).await?;
    let page: JournalPage =
        serde_json::from_str(&answer.body).map_err(|error| super::not_understood(&error))?;
    Ok(page.items.first().map_or(0, |entry| entry.seq))
}
