//! The house as specialists see it: what the engine knows, the sources' logs and readings, the history, and a closer look on demand.
//!
//! What flows in: a lookup, which can only name what is watched here. What flows out: lines, cleared of secrets, with what kind of thing
//! they are. What it never does: change anything, or look where a text says: names, endpoints and databases come from the configuration
//! and from what is watched, since a name that a model could choose would carry out what it was shown.

mod lines;
mod places;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use steward_api::{
    Facts, IncidentQuery, Metric, MetricQuery, OfferedAction, Resource, ResourceId, ResourceKind,
    TaskQuery,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{View, ViewReceiver, history::normal, state::State, stimulus::Stimulus};
use crate::{
    config::Config,
    ports::{
        Clock, House, Inventory, Looked, Lookup, Probes, Sight, Source, Store, StoreError, later,
        words,
    },
    redact::redact,
};

/// Lines that one look may give.
const MOST_LINES: usize = 200;
/// What is read from the store has come by then.
const STORE_WITHIN: Duration = Duration::from_secs(10);
/// What is looked at closer has come by then.
const PROBE_WITHIN: Duration = Duration::from_secs(20);
/// Incidents that are listed.
const MOST_INCIDENTS: usize = 30;
/// Tasks that are over and still listed.
const MOST_ENDED_TASKS: u32 = 20;

/// See [`House`].
pub(super) struct EngineHouse {
    view: ViewReceiver,
    store: Arc<dyn Store>,
    sources: Vec<Arc<dyn Source>>,
    probes: Probes,
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    stimuli: mpsc::Sender<Stimulus>,
}

impl EngineHouse {
    /// The house of an engine, with the configuration that is in force now.
    pub(super) fn new(state: &State) -> Self {
        Self {
            view: state.board.reader(),
            store: Arc::clone(&state.store),
            sources: state
                .sources
                .iter()
                .map(|running| Arc::clone(&running.source))
                .collect(),
            probes: state.probes.clone(),
            config: Arc::clone(&state.config),
            clock: Arc::clone(&state.clock),
            stimuli: state.stimuli.clone(),
        }
    }

    fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    fn known(&self, id: &ResourceId) -> Result<Arc<Resource>, String> {
        let view = self.view();
        view.resources
            .get(id)
            .cloned()
            .ok_or_else(|| format!("`{id}` is not among the resources"))
    }

    fn resource(&self, id: &ResourceId) -> Result<Looked, String> {
        let resource = self.known(id)?;
        let sight = match resource.facts {
            Facts::Container(_) => Sight::Configuration,
            _ => Sight::General,
        };
        let lines = lines::resource(&self.view(), &resource, self.clock.now());
        Ok(Looked { lines, sight })
    }

    async fn log(&self, id: &ResourceId, lines: u32) -> Result<Looked, String> {
        let resource = self.known(id)?;
        let (subject, check) = match &resource.facts {
            Facts::Container(facts) => (id.clone(), facts.health_output.clone()),
            Facts::Service(facts) => (facts.container.clone().unwrap_or(id.clone()), None),
            Facts::Database(facts) => (facts.container.clone().unwrap_or(id.clone()), None),
            _ => (id.clone(), None),
        };
        let wanted = lines.clamp(1, 200);
        for source in &self.sources {
            let read = timeout(source.timeout(), source.log_tail(&subject, wanted)).await;
            let log = match read {
                Err(_) => return Err(format!("{} did not answer in time", source.name())),
                Ok(Err(error)) => return Err(error.to_string()),
                Ok(Ok(None)) => continue,
                Ok(Ok(Some(log))) => log,
            };
            let mut lines: Vec<String> = check
                .map(|output| format!("its health check says: {}", output.replace('\n', " ")))
                .into_iter()
                .collect();
            if log.is_empty() {
                lines.push("the log is empty".to_owned());
            }
            lines.extend(log);
            return Ok(Looked {
                lines,
                sight: Sight::Log,
            });
        }
        Err(format!("there is no log of {subject} here"))
    }

    async fn metrics(&self, id: &ResourceId, metric: Metric, hours: u32) -> Result<Looked, String> {
        self.known(id)?;
        let now = self.clock.now();
        let from = later(
            now,
            -SignedDuration::from_hours(i64::from(hours.clamp(1, 168))),
        );
        let query = MetricQuery {
            resource: id.clone(),
            metric,
            from: Some(from),
            to: Some(now),
            step: None,
        };
        let series = from_store(self.store.series(&query, now)).await?;
        if series.points.is_empty() {
            return Err(format!(
                "there is no reading of {metric} of {id} in that time; its metrics are: {}",
                lines::metric_names(self.known(id)?.as_ref())
            ));
        }
        // The hour that it is now: what is normal at night says little of the day.
        let hour = later(now, -SignedDuration::from_hours(1));
        let baseline = from_store(normal(self.store.as_ref(), &query, (hour, now), now)).await?;
        Ok(general(lines::metrics(
            metric,
            &series,
            baseline.as_ref(),
            (from, now),
        )))
    }

    async fn incidents(&self, id: Option<&ResourceId>, hours: u32) -> Result<Looked, String> {
        let now = self.clock.now();
        let hours = hours.clamp(1, 720);
        let query = IncidentQuery {
            resource: id.cloned(),
            since: Some(later(now, -SignedDuration::from_hours(i64::from(hours)))),
            limit: Some(u32::try_from(MOST_INCIDENTS).unwrap_or(u32::MAX) + 1),
            ..IncidentQuery::default()
        };
        let page = from_store(self.store.incidents(&query)).await?;
        // What the store has not heard of yet is known here.
        let view = self.view();
        let mut found = page.items;
        for known in &mut found {
            if let Some(newer) = view
                .active_incidents
                .iter()
                .find(|active| active.id == known.id)
            {
                *known = newer.as_ref().clone();
            }
        }
        Ok(general(lines::incidents(&found, MOST_INCIDENTS, hours)))
    }

    async fn tasks(&self) -> Result<Looked, String> {
        let query = TaskQuery {
            limit: Some(MOST_ENDED_TASKS * 2),
            ..TaskQuery::default()
        };
        let page = from_store(self.store.tasks(&query)).await?;
        let view = self.view();
        let ended = page
            .items
            .iter()
            .filter(|task| task.status.is_final())
            .take(MOST_ENDED_TASKS as usize);
        Ok(general(lines::tasks(&view.open_tasks, ended)))
    }

    async fn database(&self, id: &ResourceId) -> Result<Looked, String> {
        if id.kind != ResourceKind::Database {
            return Err(format!("{id} is not a database"));
        }
        self.known(id)?;
        for source in &self.sources {
            let read = timeout(source.timeout(), source.read_one(id)).await;
            let fresh = match read {
                Err(_) => return Err(format!("{} did not answer in time", source.name())),
                Ok(Err(error)) => return Err(error.to_string()),
                Ok(Ok(None)) => continue,
                Ok(Ok(Some(fresh))) => fresh,
            };
            return Ok(general(lines::database(&fresh)));
        }
        Err(format!("{id} can't be read anew now"))
    }

    async fn names(&self) -> Result<Looked, String> {
        let probe = self
            .probes
            .names
            .as_ref()
            .ok_or("looking at names is switched off here (network.enabled)")?;
        let names = places::names(&self.config, &self.view());
        if names.is_empty() {
            return Err("nothing here is reached by a name".to_owned());
        }
        let resolved = in_time(probe.resolve(&names)).await?;
        Ok(general(lines::names(&resolved)))
    }

    async fn certificates(&self) -> Result<Looked, String> {
        let probe = self
            .probes
            .certificates
            .as_ref()
            .ok_or("nothing here reads certificates")?;
        let endpoints = places::tls_endpoints(&self.view());
        if endpoints.is_empty() {
            return Err("no HTTPS endpoint is watched here".to_owned());
        }
        let read = in_time(join_all(endpoints.iter().map(|endpoint| async move {
            (endpoint, probe.certificate(endpoint).await)
        })))
        .await?;
        let now = self.clock.now();
        Ok(Looked {
            lines: read
                .iter()
                .flat_map(|(endpoint, certificate)| lines::certificate(endpoint, certificate, now))
                .collect(),
            sight: Sight::Security,
        })
    }

    async fn processes(&self) -> Result<Looked, String> {
        let probe = self.host_probe()?;
        let busy = in_time(probe.processes()).await??;
        Ok(general(lines::processes(&busy)))
    }

    async fn ports(&self) -> Result<Looked, String> {
        let probe = self.host_probe()?;
        let sockets = in_time(probe.sockets()).await??;
        Ok(Looked {
            lines: lines::ports(&sockets, &self.view()),
            sight: Sight::Security,
        })
    }

    fn host_probe(&self) -> Result<&Arc<dyn crate::ports::HostProbe>, String> {
        self.probes
            .host
            .as_ref()
            .ok_or_else(|| "looking at the host is switched off here (host.enabled)".to_owned())
    }
}

#[async_trait]
impl House for EngineHouse {
    fn inventory(&self) -> Inventory {
        let view = self.view();
        Inventory {
            node: view.node.clone(),
            resources: view.resources.values().cloned().collect(),
            incidents: view.active_incidents.clone(),
        }
    }

    async fn look(&self, lookup: &Lookup) -> Result<Looked, String> {
        let looked = match lookup {
            Lookup::Resource(id) => self.resource(id),
            Lookup::Log { id, lines } => self.log(id, *lines).await,
            Lookup::Metrics { id, metric, hours } => self.metrics(id, *metric, *hours).await,
            Lookup::Incidents { id, hours } => self.incidents(id.as_ref(), *hours).await,
            Lookup::Tasks => self.tasks().await,
            Lookup::Database(id) => self.database(id).await,
            Lookup::Names => self.names().await,
            Lookup::Certificates => self.certificates().await,
            Lookup::Processes => self.processes().await,
            Lookup::Ports => self.ports().await,
        };
        match looked {
            Ok(looked) => Ok(bounded(looked)),
            Err(error) => Err(redact(&error)),
        }
    }

    async fn offers(&self, id: &ResourceId) -> Result<Vec<OfferedAction>, String> {
        let ended = || "the agent ends".to_owned();
        let (reply, answer) = oneshot::channel();
        let resource = id.clone();
        self.stimuli
            .send(Stimulus::Offers { resource, reply })
            .await
            .map_err(|_| ended())?;
        match answer.await.map_err(|_| ended())? {
            Ok(offers) => Ok(offers.actions),
            Err(problem) => Err(problem.detail),
        }
    }
}

const fn general(lines: Vec<String>) -> Looked {
    Looked {
        lines,
        sight: Sight::General,
    }
}

/// The last lines count in a log, the first anywhere else.
fn bounded(mut looked: Looked) -> Looked {
    let over = looked.lines.len().saturating_sub(MOST_LINES);
    if over > 0 {
        let left_out = format!("({over} more lines are left out)");
        if looked.sight == Sight::Log {
            looked.lines.drain(..=over);
            looked.lines.insert(0, left_out);
        } else {
            looked.lines.truncate(MOST_LINES - 1);
            looked.lines.push(left_out);
        }
    }
    for line in &mut looked.lines {
        *line = redact(line);
    }
    looked
}

async fn from_store<T>(reading: impl Future<Output = Result<T, StoreError>>) -> Result<T, String> {
    match timeout(STORE_WITHIN, reading).await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => Err(format!("the database can't be read now: {}", words(&error))),
        Err(_) => Err(format!(
            "the database did not answer within {} s",
            STORE_WITHIN.as_secs()
        )),
    }
}

async fn in_time<T>(looking: impl Future<Output = T>) -> Result<T, String> {
    timeout(PROBE_WITHIN, looking)
        .await
        .map_err(|_| format!("no answer within {} s", PROBE_WITHIN.as_secs()))
}

/// How long ago something was, in words.
fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs().max(0);
    match seconds {
        0..=119 => format!("{seconds} s ago"),
        120..=7_199 => format!("{} min ago", seconds / 60),
        7_200..=172_799 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}
