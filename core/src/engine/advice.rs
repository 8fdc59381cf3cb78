//! A second opinion: what is known of an incident is gathered beside the loop, put before the Advisor, and its answer noted.
//!
//! What flows in: incidents that the catalogue is unsure of, or that a person asks about. What flows out: an opinion among the incident's
//! diagnoses, and a decision made anew. What it never does: wait for a model in the loop, or let an opinion be in force by itself.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use steward_api::{
    Diagnosis, ErrorCode, Event, Facts, Incident, IncidentChange, IncidentId, IncidentQuery,
    IncidentState, Metric, MetricQuery, NO_SECOND_OPINION, Phase, ProblemDetails, Resource,
    ResourceId, ResourceKind, Role, is_of_model,
};
use tokio::time::timeout;

use super::{
    handle::Caller,
    history::normal,
    requests::{need, store_unavailable},
    state::State,
    stimulus::Stimulus,
};
use crate::{
    flow::{
        decide::{Planner, SETTLED, offered},
        diagnose::{add_of_model, choose, wants_opinion},
    },
    ports::{
        AdvisorError, Consultation, FinishedCall, Gauge, Precedent, Related, Relation, Source,
        Store, later, words,
    },
};

/// A model is not asked again about the same incident by itself within this time: a loop would fill its days.
const ASK_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// How long calls that are broken off at the end have to report themselves.
const LAST_CALLS_WITHIN: Duration = Duration::from_millis(200);
/// How long may be gathered before a model is asked about what is there.
const GATHER_WITHIN: Duration = Duration::from_secs(5);
/// Incidents of before that are shown.
const PRECEDENTS: usize = 5;
/// Resources around the one that failed that are shown.
const AROUND: usize = 20;

/// How it stands between an incident and the Advisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Advising {
    /// When it was asked last.
    at: Timestamp,
    /// Whether its answer is waited for.
    is_open: bool,
}

impl State {
    /// Asks the Advisor about an incident that the catalogue is unsure of, as far as the configuration wants it.
    pub(super) fn advise_if_unsure(&mut self, id: IncidentId) {
        let Some(incident) = self.incidents.by_id(id) else {
            return;
        };
        let now = self.clock.now();
        let asked_lately = self
            .advising
            .get(&id)
            .is_some_and(|advising| advising.is_open || now < later(advising.at, ASK_AGAIN_AFTER));
        let is_wanted = wants_opinion(incident, &self.config.advisor);
        if is_wanted && !asked_lately && self.advisor.is_ready() {
            let incident = Arc::clone(incident);
            self.advise(&incident, None);
        }
    }

    /// A person wants the Advisor to look at an incident.
    pub(super) fn diagnose_asked(
        &mut self,
        id: IncidentId,
        model: Option<String>,
        caller: &Caller,
    ) -> Result<(), ProblemDetails> {
        need(caller, Role::Operator)?;
        let incident = self.active(id)?;
        if self
            .advising
            .get(&id)
            .is_some_and(|advising| advising.is_open)
        {
            return Err(ProblemDetails::new(
                ErrorCode::NothingToDo,
                format!("a model looks at incident {id} already"),
            ));
        }
        let status = self.advisor.status();
        if let Some(advice) = status
            .advice
            .filter(|_| status.models.is_empty() || !status.enabled)
        {
            return Err(ProblemDetails::new(ErrorCode::NoModel, advice));
        }
        if let Some(name) = &model
            && !status.models.iter().any(|known| known.name == *name)
        {
            let known: Vec<_> = status
                .models
                .iter()
                .map(|known| known.name.as_str())
                .collect();
            return Err(ProblemDetails::new(
                ErrorCode::NoModel,
                format!(
                    "there is no model \"{name}\"; there are: {}",
                    known.join(", ")
                ),
            ));
        }
        self.advise(&incident, model);
        Ok(())
    }

    fn active(&self, id: IncidentId) -> Result<Arc<Incident>, ProblemDetails> {
        self.incidents
            .by_id(id)
            .filter(|incident| incident.is_active())
            .cloned()
            .ok_or_else(|| {
                ProblemDetails::new(
                    ErrorCode::IncidentNotFound,
                    format!("there is no incident {id} that is not over"),
                )
            })
    }

    /// Gathers and asks, beside the loop.
    fn advise(&mut self, incident: &Arc<Incident>, model: Option<String>) {
        let id = incident.id;
        let now = self.clock.now();
        // Kept beyond an incident's end, since one that comes back again and again is still the same one.
        self.advising
            .retain(|_, advising| advising.is_open || now < later(advising.at, ASK_AGAIN_AFTER));
        self.advising.insert(
            id,
            Advising {
                at: now,
                is_open: true,
            },
        );
        let subject = self.log_subject(incident);
        let source = subject
            .as_ref()
            .and_then(|subject| self.source_of(subject))
            .map(|index| Arc::clone(&self.sources[index].source));
        let gather = Gather {
            case: self.consultation(incident, now),
            log: subject.zip(source),
            lines: self.config.docker.log_lines,
            store: Arc::clone(&self.store),
        };
        let advisor = Arc::clone(&self.advisor);
        let stimuli = self.stimuli.clone();
        let stopping = self.stopping.clone();
        tokio::spawn(async move {
            // In a task of its own: a fault in it must not leave the incident waiting for ever.
            let mut ask = tokio::spawn(async move {
                let case = gather.complete().await;
                advisor.diagnose(&case, model.as_deref()).await
            });
            let opinion = tokio::select! {
                opinion = &mut ask => opinion.unwrap_or_else(|error| {
                    tracing::error!(%error, "asking a model ended by a fault");
                    Err(AdvisorError::NoAnswer("asking ended by a fault of Steward's".to_owned()))
                }),
                () = stopping.cancelled() => {
                    ask.abort();
                    return;
                }
            };
            // An engine that ends needs no opinion any more.
            let _ = stimuli
                .send(Stimulus::Advised {
                    incident: id,
                    opinion,
                })
                .await;
        });
    }

    /// What is known in the loop.
    fn consultation(&mut self, incident: &Incident, now: Timestamp) -> Consultation {
        let (graph, resources) = self.world.picture();
        let around = |ids: &[ResourceId], relation| -> Vec<Related> {
            ids.iter()
                .filter_map(|id| resources.get(id))
                .take(AROUND)
                .map(|resource| Related {
                    resource: resource.id.clone(),
                    relation,
                    health: resource.health,
                    reason: resource.reason.clone(),
                })
                .collect()
        };
        let mut related = around(&graph.upstream(&incident.resource), Relation::Needed);
        related.extend(around(
            &graph.downstream(&incident.resource),
            Relation::Dependent,
        ));
        let planner = Planner {
            resources,
            graph,
            config: &self.config,
        };
        let found = incident.findings.iter().map(|finding| finding.problem);
        let strategy = [incident.problem]
            .into_iter()
            .chain(found)
            .flat_map(|problem| self.config.strategy(problem))
            .map(|step| step.action)
            .collect();
        Consultation {
            strategy,
            related,
            offered: offered(&planner, &self.records, incident),
            resource: resources
                .get(&incident.resource)
                .map(|resource| Resource::clone(resource)),
            incident: incident.clone(),
            log: Ok(Vec::new()),
            gauges: Vec::new(),
            precedents: Vec::new(),
            at: now,
        }
    }

    /// The Advisor has answered.
    pub(super) async fn advised(
        &mut self,
        id: IncidentId,
        opinion: Result<Diagnosis, AdvisorError>,
    ) {
        if let Some(advising) = self.advising.get_mut(&id) {
            advising.is_open = false;
        }
        let is_active = self
            .incidents
            .by_id(id)
            .is_some_and(|incident| incident.is_active());
        if !is_active {
            return;
        }
        let now = self.clock.now();
        let mut events = Vec::new();
        let edited = match opinion {
            Ok(diagnosis) => {
                let withheld = diagnosis
                    .withheld
                    .as_ref()
                    .map_or_else(String::new, |withheld| {
                        format!(
                            "; what it recommends ({}) is withheld: {}",
                            withheld.action, withheld.reason
                        )
                    });
                let text = format!(
                    "Second opinion: {} ({} % sure, {}){withheld}",
                    diagnosis.diagnosis, diagnosis.confidence, diagnosis.source
                );
                tracing::info!(incident = %id, "{text}");
                self.incidents.edit(id, |incident| {
                    incident.note(now, Phase::Diagnosed, text);
                    add_of_model(incident, diagnosis);
                })
            }
            Err(error) => {
                tracing::info!(incident = %id, %error, "no second opinion");
                self.incidents.edit(id, |incident| {
                    incident.note(now, Phase::Diagnosed, format!("{NO_SECOND_OPINION}{error}"));
                })
            }
        };
        if let Some(incident) = edited {
            events.push(Event::IncidentChanged {
                change: IncidentChange::Advised,
                incident: Box::new(Incident::clone(&incident)),
            });
        }
        // It can only make a question of what has not begun.
        let start = self.assess(id, &mut events);
        self.commit(events).await;
        if let Some(task) = start {
            self.begin_task(task).await;
        }
    }

    /// A person puts a diagnosis in force.
    pub(super) async fn choose(
        &mut self,
        id: IncidentId,
        source: &str,
        seen: Option<&str>,
        caller: &Caller,
    ) -> Result<Incident, ProblemDetails> {
        need(caller, Role::Operator)?;
        let incident = self.active(id)?;
        if let Some(error) = &self.store_error {
            return Err(store_unavailable(error));
        }
        let nothing = |detail: String| ProblemDetails::new(ErrorCode::NothingToDo, detail);
        if incident.chosen.as_deref() == Some(source) {
            return Err(nothing(format!("{source} is in force already")));
        }
        let is_another = incident.diagnoses.iter().any(|diagnosis| {
            diagnosis.source == source && seen.is_some_and(|seen| seen != diagnosis.diagnosis)
        });
        if is_another {
            return Err(nothing(format!(
                "{source} says something else by now; look at it again"
            )));
        }
        let now = self.clock.now();
        let mut after = Incident::clone(&incident);
        // A question that lapsed or was answered with no was about another diagnosis.
        after.decision = after.decision.take().filter(|decision| {
            decision
                .guard
                .as_deref()
                .is_none_or(|guard| !SETTLED.contains(&guard))
        });
        if !choose(&mut after, source) {
            let known: Vec<_> = incident
                .diagnoses
                .iter()
                .map(|diagnosis| diagnosis.source.as_str())
                .collect();
            return Err(nothing(format!(
                "incident {id} has no diagnosis of {source}; there are: {}",
                known.join(", ")
            )));
        }
        after.note(
            now,
            Phase::Diagnosed,
            format!("{} chose the diagnosis of {source}", caller.identity),
        );
        // The record first: what follows from a choice must not stand without it.
        self.commit_now(vec![Event::IncidentChanged {
            change: IncidentChange::Chosen,
            incident: Box::new(after.clone()),
        }])
        .await
        .map_err(|error| store_unavailable(&words(&error)))?;
        self.incidents.edit(id, |incident| *incident = after);
        let mut events = Vec::new();
        let start = self.assess(id, &mut events);
        self.commit(events).await;
        if let Some(task) = start {
            self.begin_task(task).await;
        }
        self.active(id).map(|incident| Incident::clone(&incident))
    }

    /// A call of a model is over: its texts are kept, then it is journaled.
    pub(super) async fn record_call(&mut self, finished: FinishedCall) {
        let FinishedCall {
            call,
            sent,
            received,
        } = finished;
        let texts: Vec<(String, String)> =
            [(call.sent.clone(), sent), (call.received.clone(), received)]
                .into_iter()
                .filter(|(hash, _)| !hash.is_empty())
                .collect();
        let archive = Arc::clone(&self.archive);
        let now = self.clock.now();
        // Beside the loop: the journal has the hashes, the texts are for reading.
        let keeping = tokio::spawn(async move {
            if let Err(error) = archive.keep_texts(now, &texts).await {
                tracing::warn!(
                    error = words(&error),
                    "the text of a model call was not kept"
                );
            }
        });
        if self.stopping.is_cancelled() {
            // Nobody would wait for it any more.
            let _ = timeout(GATHER_WITHIN, keeping).await;
        }
        self.commit(vec![Event::ModelCalled {
            call: Box::new(call),
        }])
        .await;
    }
}

impl State {
    /// What was sent to models stands in the record also when the agent ends meanwhile: calls that are broken off report themselves.
    pub(super) async fn record_last_calls(&mut self, were_talking: bool) {
        let is_open = were_talking || self.advising.values().any(|advising| advising.is_open);
        while let Ok(call) = self.model_calls.try_recv() {
            self.record_call(call).await;
        }
        if is_open {
            while let Ok(Some(call)) = timeout(LAST_CALLS_WITHIN, self.model_calls.recv()).await {
                self.record_call(call).await;
            }
        }
    }
}

/// What is gathered beside the loop.
struct Gather {
    case: Consultation,
    log: Option<(ResourceId, Arc<dyn Source>)>,
    lines: u32,
    store: Arc<dyn Store>,
}

impl Gather {
    async fn complete(self) -> Consultation {
        let Self {
            mut case,
            log,
            lines,
            store,
        } = self;
        let late = || format!("no answer within {} s", GATHER_WITHIN.as_secs());
        let reading = async {
            let Some((subject, source)) = log else {
                return Ok(Vec::new());
            };
            timeout(GATHER_WITHIN, source.log_tail(&subject, lines))
                .await
                .map_err(|_| late())?
                .map(Option::unwrap_or_default)
                .map_err(|error| error.to_string())
        };
        let (log, gauges, precedents) = tokio::join!(
            reading,
            timeout(GATHER_WITHIN, gauges(store.as_ref(), &case)),
            timeout(GATHER_WITHIN, precedents(store.as_ref(), &case)),
        );
        case.log = log;
        // Without its history an incident can still be looked at; that it could not be read is in the agent's log.
        case.gauges = gauges.unwrap_or_default();
        case.precedents = precedents.unwrap_or_default();
        case
    }
}

/// The metrics of the incident's resource, each with what is normal for it.
async fn gauges(store: &dyn Store, case: &Consultation) -> Vec<Gauge> {
    let resource = &case.incident.resource;
    let mut gauges = Vec::new();
    for metric in metrics_of(case.resource.as_ref(), resource.kind) {
        let query = MetricQuery {
            resource: resource.clone(),
            metric,
            from: Some(later(case.at, SignedDuration::from_hours(-1))),
            to: Some(case.at),
            step: None,
        };
        let series = match store.series(&query, case.at).await {
            Ok(series) => series,
            Err(error) => {
                tracing::debug!(error = words(&error), %metric, "no history for a second opinion");
                continue;
            }
        };
        let Some(last) = series.points.last() else {
            continue;
        };
        let lowest = series
            .points
            .iter()
            .map(|point| point.min)
            .fold(f64::INFINITY, f64::min);
        let highest = series
            .points
            .iter()
            .map(|point| point.max)
            .fold(f64::NEG_INFINITY, f64::max);
        gauges.push(Gauge {
            metric,
            latest: last.mean,
            last_hour: (lowest, highest),
            normal: usual(store, &query, case.at).await,
        });
    }
    gauges
}

/// The range in which nine of ten values lie at this time of the day, where that is known.
async fn usual(store: &dyn Store, query: &MetricQuery, at: Timestamp) -> Option<(f64, f64)> {
    let hour = (later(at, SignedDuration::from_hours(-1)), at);
    match normal(store, query, hour, at).await {
        Ok(baseline) => baseline?.points.last().map(|point| (point.low, point.high)),
        Err(error) => {
            tracing::debug!(
                error = words(&error),
                "what is normal is not known for a second opinion"
            );
            None
        }
    }
}

fn metrics_of(resource: Option<&Resource>, kind: ResourceKind) -> Vec<Metric> {
    match (kind, resource.map(|resource| &resource.facts)) {
        (ResourceKind::Container, _) => vec![
            Metric::CpuPercent,
            Metric::MemoryPercent,
            Metric::MemoryBytes,
            Metric::Processes,
        ],
        (ResourceKind::Host, _) => vec![Metric::CpuPercent, Metric::MemoryPercent, Metric::Load1],
        (_, Some(Facts::Disk(_))) => vec![Metric::DiskPercent, Metric::DiskAvailableBytes],
        (_, Some(Facts::Database(_))) => vec![Metric::LatencyMs, Metric::ConnectionsPercent],
        (_, Some(Facts::Service(_) | Facts::Network(_))) => vec![Metric::LatencyMs],
        _ => Vec::new(),
    }
}

/// Incidents of before on the same resource, or of the same problem elsewhere, with what was taken for the cause and how they ended.
async fn precedents(store: &dyn Store, case: &Consultation) -> Vec<Precedent> {
    let incident = &case.incident;
    let mut found: Vec<Incident> = Vec::new();
    for resource in [Some(incident.resource.clone()), None] {
        let query = IncidentQuery {
            state: Some(IncidentState::Resolved),
            resource,
            limit: Some(50),
            ..IncidentQuery::default()
        };
        match store.incidents(&query).await {
            Ok(page) => found.extend(
                page.items
                    .into_iter()
                    .filter(|other| other.problem == incident.problem && other.id != incident.id),
            ),
            Err(error) => {
                tracing::debug!(
                    error = words(&error),
                    "no incidents of before for a second opinion"
                );
            }
        }
    }
    let mut precedents: Vec<Precedent> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for other in found {
        if precedents.len() == PRECEDENTS {
            break;
        }
        if !seen.insert(other.id) {
            continue;
        }
        precedents.push(Precedent {
            at: other.opened_at,
            resource: other.resource.clone(),
            title: other.title.clone(),
            cause: other
                .diagnoses
                .iter()
                // What a model said may quote what must not leave the house.
                .find(|known| !is_of_model(known))
                .map_or_else(|| "not known".to_owned(), |known| known.diagnosis.clone()),
            ending: other
                .resolution
                .map_or_else(String::new, |resolution| resolution.text),
        });
    }
    precedents
}
