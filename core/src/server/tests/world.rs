//! The world that the server's tests run in.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::{Client, Method, Response};
use secrecy::SecretString;
use serde_json::Value;
use steward_api::Envelope;
use steward_api::{
    ErrorCode, Event, Incident, IncidentId, IncidentQuery, IncidentState, JournalVerification,
    LogTail, MetricPoint, MetricQuery, MetricSeries, Page, ProblemDetails, ResourceId,
    ResourceStatistics, Role, Task, TaskId, TaskQuery,
};
use tokio::{
    net::TcpListener,
    sync::{broadcast, mpsc, oneshot, watch},
    task::JoinHandle,
};

use super::fixture;
use crate::{
    config::{Inputs, load},
    engine::{Handle, Settings, View, handle::Request, metrics::Metrics},
    ports::{Fact, Memory, Retention, Sample, Store, StoreError},
    server::{Hosts, TOKEN_FILE, Tokens, Web, serve},
};

/// A journal and projections in memory, with a switch that makes every read fail.
#[derive(Default)]
pub(in crate::server) struct FakeStore {
    pub(in crate::server) journal: Mutex<Vec<Envelope>>,
    pub(in crate::server) incidents: Mutex<Vec<Incident>>,
    pub(in crate::server) tasks: Mutex<Vec<Task>>,
    pub(in crate::server) broken: AtomicBool,
    /// Where the head is said to be, besides what is held; for a journal too long to be made.
    pub(in crate::server) pretended_head: Mutex<Option<i64>>,
}

impl FakeStore {
    fn read(&self) -> Result<(), StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable(
                "password=hunter2 at db.internal".into(),
            ));
        }
        Ok(())
    }

    /// Appends one entry and gives it back.
    pub(in crate::server) fn push(&self, event: Event) -> Envelope {
        let mut journal = self.journal.lock().unwrap();
        let seq = i64::try_from(journal.len()).unwrap() + 1;
        let envelope = Envelope {
            seq,
            node: "atlas".to_owned(),
            at: fixture::at(30),
            event,
            hash: format!("{seq:064x}"),
        };
        journal.push(envelope.clone());
        envelope
    }
}

fn page<T: Clone>(
    items: Vec<T>,
    number: impl Fn(&T) -> i64,
    before: Option<i64>,
    limit: Option<u32>,
) -> Page<T> {
    let limit = limit.unwrap_or(100) as usize;
    let mut items: Vec<T> = items
        .into_iter()
        .filter(|item| before.is_none_or(|before| number(item) < before))
        .collect();
    items.sort_by_key(|item| std::cmp::Reverse(number(item)));
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().map(number).filter(|_| more);
    Page { items, next }
}

#[async_trait]
impl Store for FakeStore {
    fn engine(&self) -> &'static str {
        "sqlite"
    }
    async fn append(&self, _: &str, facts: &[Fact]) -> Result<Vec<Envelope>, StoreError> {
        Ok(facts
            .iter()
            .map(|fact| self.push(fact.event.clone()))
            .collect())
    }
    async fn reserve_ids(&self, count: u32) -> Result<Range<i64>, StoreError> {
        Ok(1..1 + i64::from(count))
    }
    async fn recall(&self, _: &str, _: Timestamp) -> Result<Memory, StoreError> {
        Ok(Memory::default())
    }
    async fn probe(&self) -> Result<(), StoreError> {
        self.read()
    }
    async fn incidents(&self, query: &IncidentQuery) -> Result<Page<Incident>, StoreError> {
        self.read()?;
        let found =
            self.incidents
                .lock()
                .unwrap()
                .iter()
                .filter(|incident| {
                    query.state.is_none_or(|state| {
                        (state == IncidentState::Active) == incident.is_active()
                    }) && query
                        .severity
                        .is_none_or(|severity| severity == incident.severity)
                        && query
                            .resource
                            .as_ref()
                            .is_none_or(|resource| resource == &incident.resource)
                })
                .cloned()
                .collect();
        Ok(page(
            found,
            |incident| incident.id.0,
            query.before,
            query.limit,
        ))
    }
    async fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        self.read()?;
        Ok(self
            .incidents
            .lock()
            .unwrap()
            .iter()
            .find(|incident| incident.id == id)
            .cloned())
    }
    async fn tasks(&self, query: &TaskQuery) -> Result<Page<Task>, StoreError> {
        self.read()?;
        let found = self
            .tasks
            .lock()
            .unwrap()
            .iter()
            .filter(|task| query.state.is_none_or(|state| state == task.status))
            .cloned()
            .collect();
        Ok(page(found, |task| task.id.0, query.before, query.limit))
    }
    async fn task(&self, id: TaskId) -> Result<Option<Task>, StoreError> {
        self.read()?;
        Ok(self
            .tasks
            .lock()
            .unwrap()
            .iter()
            .find(|task| task.id == id)
            .cloned())
    }
    async fn statistics(&self, _: &ResourceId) -> Result<ResourceStatistics, StoreError> {
        self.read()?;
        Ok(ResourceStatistics {
            incidents: 2,
            healed: 1,
            ..ResourceStatistics::default()
        })
    }
    async fn journal_after(&self, after: i64, limit: u32) -> Result<Vec<Envelope>, StoreError> {
        self.read()?;
        let journal = self.journal.lock().unwrap();
        Ok(journal
            .iter()
            .filter(|entry| entry.seq > after)
            .take(limit as usize)
            .cloned()
            .collect())
    }
    async fn journal_before(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Envelope>, StoreError> {
        self.read()?;
        let journal = self.journal.lock().unwrap();
        Ok(journal
            .iter()
            .rev()
            .filter(|entry| before.is_none_or(|before| entry.seq < before))
            .take(limit as usize)
            .cloned()
            .collect())
    }
    async fn journal_head(&self) -> Result<i64, StoreError> {
        self.read()?;
        let held = self.journal.lock().unwrap().len();
        Ok(self
            .pretended_head
            .lock()
            .unwrap()
            .unwrap_or(i64::try_from(held).unwrap()))
    }
    async fn verify_journal(&self) -> Result<JournalVerification, StoreError> {
        self.read()?;
        Ok(JournalVerification {
            intact: true,
            entries: 3,
            head_seq: 3,
            head_hash: "ab".to_owned(),
            fault: None,
        })
    }
    async fn rebuild(&self) -> Result<(), StoreError> {
        Ok(())
    }
    async fn record(&self, _: &[Sample]) -> Result<(), StoreError> {
        Ok(())
    }
    async fn tidy(&self, _: Timestamp, _: Retention) -> Result<(), StoreError> {
        Ok(())
    }
    async fn series(&self, query: &MetricQuery, _: Timestamp) -> Result<MetricSeries, StoreError> {
        self.read()?;
        let known = query.resource.node == "atlas";
        Ok(MetricSeries {
            resource: query.resource.clone(),
            metric: query.metric,
            unit: query.metric.unit().to_owned(),
            step: query.step.unwrap_or(60),
            points: known
                .then_some(MetricPoint {
                    at: fixture::at(29),
                    min: 1.0,
                    mean: 2.0,
                    max: 3.0,
                    count: 4,
                })
                .into_iter()
                .collect(),
            baseline: None,
        })
    }
}

/// A running server with everything behind it.
pub(in crate::server) struct World {
    pub(in crate::server) address: String,
    pub(in crate::server) client: Client,
    pub(in crate::server) store: Arc<FakeStore>,
    pub(in crate::server) view: watch::Sender<Arc<View>>,
    pub(in crate::server) events: broadcast::Sender<Arc<Envelope>>,
    pub(in crate::server) handle: Handle,
    pub(in crate::server) web: Web,
    /// The configuration's file; there is none at first.
    pub(in crate::server) config: std::path::PathBuf,
    _folder: tempfile::TempDir,
    /// Where the tokens are.
    _data: tempfile::TempDir,
    /// What was asked of the engine, in words.
    pub(in crate::server) asked: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    pub(in crate::server) server: JoinHandle<std::io::Result<()>>,
    engine: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
        self.engine.abort();
    }
}

pub(in crate::server) fn token(role: Role) -> String {
    format!("stw_test_token_of_{role}")
}

pub(in crate::server) fn tokens() -> Tokens {
    let all = [Role::Viewer, Role::Operator, Role::Admin];
    Tokens::new(
        all.map(|role| (role.to_string(), role, SecretString::from(token(role)))),
        None,
    )
    .unwrap()
}

/// The same in a file, with one of a viewer's named `db` besides.
fn kept(folder: &std::path::Path) -> Tokens {
    let entry = |name: &str, role: Role, secret: &str| {
        format!("[[token]]\nname = \"{name}\"\nrole = \"{role}\"\nsecret = \"{secret}\"\n")
    };
    let all = [Role::Viewer, Role::Operator, Role::Admin];
    let mut text = entry("db", Role::Viewer, "stw_test_token_of_db");
    text.extend(all.map(|role| entry(role.as_str(), role, &token(role))));
    let file = folder.join(TOKEN_FILE);
    std::fs::write(&file, text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, mode).unwrap();
    Tokens::open(folder, None).unwrap()
}

/// What is in force where the file is not there yet.
fn settings(file: &std::path::Path) -> Arc<Settings> {
    let inputs = Inputs {
        path: None,
        env: [
            ("HOME", "/nonexistent/home".to_owned()),
            ("STEWARD_DATA_DIR", "/nonexistent/data".to_owned()),
            ("STEWARD__GUARDS__BLAST_RADIUS", "7".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
    };
    let config = load(&inputs).unwrap();
    let inputs = Inputs {
        path: Some(file.to_path_buf()),
        ..inputs
    };
    Arc::new(Settings::new(config, Some(inputs)))
}

impl World {
    pub(in crate::server) async fn new() -> Self {
        Self::with_buffer(1024).await
    }

    /// With a broadcast that holds so many events for a slow reader.
    pub(in crate::server) async fn with_buffer(buffer: usize) -> Self {
        let hosts = Hosts::new(["steward.example.lan"]);
        Self::with(buffer, Web::new(b"one", hosts, None)).await
    }

    /// With what stands between browsers and the server.
    pub(in crate::server) async fn with(buffer: usize, web: Web) -> Self {
        // Refused the second time on; any test may be the first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = Arc::new(FakeStore::default());
        *store.incidents.lock().unwrap() = vec![fixture::incident(1), fixture::incident(2)];
        *store.tasks.lock().unwrap() = vec![fixture::task(1, 5, 30), fixture::done(9)];
        for source in ["docker", "host", "network"] {
            store.push(Event::SourceUp {
                source: source.to_owned(),
            });
        }
        let (view, watching) = watch::channel(Arc::new(fixture::view()));
        let (events, _) = broadcast::channel(buffer);
        let (requests, receiver) = mpsc::channel(64);
        let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let config = folder.path().join("steward.toml");
        let handle = Handle {
            settings: settings(&config),
            requests,
            view: watching,
            events: events.clone(),
            store: store.clone(),
            advisor: Arc::new(crate::ports::NoAdvisor),
            archive: Arc::new(super::archive::Shelf),
            metrics: Arc::new(Metrics::default()),
        };
        let asked = Arc::new(Mutex::new(Vec::new()));
        let engine = tokio::spawn(engine(receiver, asked.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let served = serve(
            listener,
            handle.clone(),
            kept(data.path()),
            web.clone(),
            async {
                let _ = stopped.await;
            },
        );
        let server = tokio::spawn(served);
        Self {
            address,
            client: Client::builder().no_proxy().build().unwrap(),
            store,
            view,
            events,
            handle,
            web,
            config,
            _folder: folder,
            _data: data,
            asked,
            stop: Some(stop),
            server,
            engine,
        }
    }

    /// Begins the shutdown.
    pub(in crate::server) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// The engine is gone, as at the end of a shutdown.
    pub(in crate::server) async fn engine_ends(&self) {
        self.engine.abort();
        while !self.engine.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    /// A request with a role's token, or none.
    pub(in crate::server) fn request(
        &self,
        method: &str,
        path: &str,
        role: Option<Role>,
    ) -> reqwest::RequestBuilder {
        let method: Method = method.parse().unwrap();
        let request = self
            .client
            .request(method, format!("{}{path}", self.address));
        match role {
            Some(role) => request.header("X-API-Key", token(role)),
            None => request,
        }
    }

    pub(in crate::server) async fn get(&self, path: &str) -> Response {
        self.request("GET", path, Some(Role::Viewer))
            .send()
            .await
            .unwrap()
    }

    pub(in crate::server) async fn post(
        &self,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> Response {
        self.request("POST", path, Some(Role::Admin))
            .body(body)
            .send()
            .await
            .unwrap()
    }

    /// The JSON of a reply that must be good.
    pub(in crate::server) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "application/json");
        response.json().await.unwrap()
    }

    /// Journals and publishes one event.
    pub(in crate::server) fn publish(&self, event: Event) -> i64 {
        let envelope = self.store.push(event);
        let seq = envelope.seq;
        let _ = self.events.send(Arc::new(envelope));
        seq
    }

    pub(in crate::server) fn show(&self, change: impl FnOnce(&mut View)) {
        self.view.send_modify(|view| change(Arc::make_mut(view)));
    }
}

/// An error's code, having checked that it is a problem document with everything that belongs to it.
pub(in crate::server) async fn problem(response: Response) -> (u16, ErrorCode) {
    let status = response.status().as_u16();
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let problem: ProblemDetails = response.json().await.unwrap();
    assert_eq!(problem.status, status);
    assert_eq!(problem.code.status(), status, "{problem:?}");
    assert_eq!(problem.title, problem.code.title());
    assert!(!problem.detail.is_empty());
    (status, problem.code)
}

/// Answers as an engine would: task 1 can be answered; every other number stands for one refusal.
async fn engine(mut requests: mpsc::Receiver<Request>, asked: Arc<Mutex<Vec<String>>>) {
    let refusal = |task: TaskId| {
        let code = match task.0 {
            1 => return None,
            2 => ErrorCode::TaskNotWaiting,
            3 => ErrorCode::PlanChanged,
            4 => ErrorCode::PlanStale,
            5 => ErrorCode::ApprovalExpired,
            6 => ErrorCode::StoreUnavailable,
            _ => ErrorCode::TaskNotFound,
        };
        Some(ProblemDetails::new(code, "as the engine says"))
    };
    let note = |words: String| asked.lock().unwrap().push(words);
    while let Some(request) = requests.recv().await {
        match request {
            Request::Approve {
                task,
                body,
                caller,
                reply,
            } => {
                note(format!("approve {task} {body:?} {caller:?}"));
                let _ = reply.send(refusal(task).map_or_else(|| Ok(fixture::task(1, 5, 30)), Err));
            }
            Request::Reject {
                task,
                body,
                caller,
                reply,
            } => {
                note(format!("reject {task} {body:?} {caller:?}"));
                let _ = reply.send(refusal(task).map_or_else(|| Ok(fixture::task(1, 5, 30)), Err));
            }
            Request::Heal {
                container,
                caller,
                reply,
            } => {
                note(format!("heal {container} {caller:?}"));
                let code = match container.as_str() {
                    "db" => None,
                    "nginx" => Some(ErrorCode::NothingToDo),
                    "app" => Some(ErrorCode::Withheld),
                    "new" => Some(ErrorCode::EngineUnavailable),
                    _ => Some(ErrorCode::ContainerNotFound),
                };
                let answer = code.map_or_else(
                    || Ok(fixture::task(7, 5, 30)),
                    |code| Err(ProblemDetails::new(code, "as the engine says")),
                );
                let _ = reply.send(answer);
            }
            Request::Offers { resource, reply } => {
                let _ = reply.send(Ok(steward_api::Offers {
                    resource,
                    actions: Vec::new(),
                }));
            }
            Request::AskFor { request, reply, .. } => {
                note(format!("ask for {} on {}", request.action, request.id));
                let _ = reply.send(Ok(fixture::task(7, 5, 30)));
            }
            Request::SetAutonomy {
                level,
                caller,
                reply,
            } => {
                note(format!("autonomy {level} {caller:?}"));
                let _ = reply.send(Ok(level));
            }
            Request::RecordToken { change, reply, .. } => {
                note(format!("token {change:?}"));
                let _ = reply.send(Ok(()));
            }
            Request::Reconfigure { config, by, reply } => {
                let disk = config.thresholds.disk_percent;
                note(format!("reconfigure by {by}, disk {disk}"));
                let _ = reply.send(());
            }
            Request::LogTail { resource, reply } => {
                let lines = vec!["ready".to_owned(), "listening".to_owned()];
                let _ = reply.send(Ok(LogTail { resource, lines }));
            }
            Request::Diagnose { model, reply, .. } => {
                note(format!("diagnose {model:?}"));
                let _ = reply.send(Ok(()));
            }
            Request::Choose { choice, reply, .. } => {
                note(format!("choose {}", choice.source));
                let _ = reply.send(Ok(fixture::incident(1)));
            }
            Request::RecordSession(session) => note(format!(
                "session {} {} by {:?} from {}",
                session.identity, session.role, session.by, session.from
            )),
            Request::Refresh => {}
        }
    }
}
