//! Which model is measured, and how it is asked: about an incident by the engine, about a false alarm by the Advisor alone.
//!
//! What flows through: a choice from the command line and the operator's configuration in; answers with their time and cost out. It
//! judges nothing. A model is shown what it would be shown in operation, by the operator's own privacy settings.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use serde::Serialize;
use steward_api::{
    CallQuery, CallResult, DiagnoseIncident, DiagnoseRequest, Diagnosis, Event, GetLog,
    GetResource, IncidentChange, IncidentId, ListModelCalls, ListOffers, MODEL_SOURCE, ModelCall,
    RecordedCall, ResourceId, ResourceIdQuery, TriedModel,
};
use tokio::sync::Semaphore;

use super::{
    super::failure::Failure,
    args::EvalArgs,
    case::Choice,
    score::{Answer, Said},
};
use crate::{
    client::{Client, StreamEvent},
    config::{self, Config, WhenToDiagnose},
    wire::{Consultant, Suspicion},
};

/// How long the record of a call may take to come after the opinion.
const RECORD_LIMIT: Duration = Duration::from_secs(3);
/// Beyond what the calls may take together.
const MARGIN: Duration = Duration::from_secs(30);

/// The model that is measured.
#[derive(Clone)]
pub(super) struct Model {
    pub(super) name: String,
    /// The Advisor's part of the configuration, with this model alone.
    advisor: config::Advisor,
    /// How many questions it gets at the same time.
    places: Arc<Semaphore>,
    /// What was spent, millionths of a US dollar.
    spent: Arc<AtomicU64>,
}

/// A question that was put to a model, with what came of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Asked {
    pub(super) answer: Answer,
    /// Whether it was asked about a false alarm, since there was no incident.
    pub(super) false_alarm: bool,
    /// All calls together, milliseconds.
    pub(super) took_ms: u64,
    /// All calls together, millionths of a US dollar.
    pub(super) cost_micro_usd: u64,
    pub(super) calls: usize,
}

impl Model {
    /// The one that was chosen, where one was.
    ///
    /// # Errors
    /// Where the configuration has none of that name; says which it has.
    pub(super) fn chosen(args: &EvalArgs, config: &Config) -> Result<Option<Self>, Failure> {
        let one = match (&args.model, &args.model_url) {
            (None, None) => return Ok(None),
            (Some(name), _) => configured(name, config)?,
            (None, Some(url)) => config::Model {
                name: args
                    .model_id
                    .clone()
                    .unwrap_or_else(|| "the model".to_owned()),
                url: url.clone(),
                model: args.model_id.clone().unwrap_or_default(),
                class: None,
                api_key: None,
                api_key_file: args.api_key_file.clone(),
                context_tokens: args.context_tokens,
                input_usd_per_million: 0.0,
                output_usd_per_million: 0.0,
                tools: None,
            },
        };
        let mut advisor = config.advisor.clone();
        advisor.enabled = true;
        advisor.discover = false;
        advisor.diagnose = WhenToDiagnose::OnRequest;
        // Each case is to be asked about, however the ones before it ended.
        advisor.rest_after_failures = u32::MAX;
        if let Some(limit) = args.answer_within {
            advisor.timeout = limit;
        }
        let name = one.name.clone();
        advisor.models = vec![one];
        Ok(Some(Self {
            name,
            advisor,
            places: Arc::new(Semaphore::new(args.questions_at_once)),
            spent: Arc::default(),
        }))
    }

    /// The Advisor's part of an agent's configuration: what is left of the day's budget is its own.
    pub(super) fn advisor(&self) -> config::Advisor {
        let spent = self.spent.load(Ordering::Relaxed) as f64 / 1_000_000.0;
        let mut advisor = self.advisor.clone();
        advisor.daily_budget_usd = (advisor.daily_budget_usd - spent).max(0.0);
        advisor
    }

    fn consultant(&self) -> Result<Consultant, String> {
        let config = Config {
            advisor: self.advisor(),
            ..Config::default()
        };
        Consultant::new(&config).map_err(|error| error.to_string())
    }

    /// Whether it answers at all.
    pub(super) async fn try_out(&self) -> Result<TriedModel, String> {
        self.consultant()?.try_model(&self.name).await
    }

    /// Asks once: about the incident where there is one, else about a false alarm on this resource. `part_of` names the part that a
    /// resource stands for.
    pub(super) async fn ask(
        &self,
        client: &Client,
        incident: Option<IncidentId>,
        resource: &ResourceId,
        part: &str,
    ) -> Asked {
        // Its own time counts from when it is its turn. The semaphore is never closed.
        let _place = self.places.acquire().await.ok();
        let asked = match incident {
            Some(id) => self.about(client, id).await,
            None => self.about_nothing(client, resource).await,
        };
        let (opinion, calls) = asked.unwrap_or_else(|why| (Err(why), Vec::new()));
        let cost = calls.iter().map(|call| call.cost_micro_usd).sum();
        self.spent.fetch_add(cost, Ordering::Relaxed);
        let was_answered = calls
            .iter()
            .any(|call| matches!(call.result, CallResult::Invalid | CallResult::Refused));
        let answer = match opinion {
            Ok(diagnosis) => Answer::Said(Said {
                part: part.to_owned(),
                problem: None,
                cause: diagnosis.diagnosis,
                action: Choice(diagnosis.recommended_action),
                withheld: diagnosis.withheld,
                confidence: diagnosis.confidence,
                source: diagnosis.source,
            }),
            Err(why) if was_answered => Answer::Dropped(why),
            Err(why) => Answer::None(why),
        };
        Asked {
            answer,
            false_alarm: incident.is_none(),
            took_ms: calls.iter().map(|call| call.took_ms).sum(),
            cost_micro_usd: cost,
            calls: calls.len(),
        }
    }

    /// Asks about an incident, as a person would.
    async fn about(&self, client: &Client, id: IncidentId) -> Result<Outcome, String> {
        let before = calls_of(client, id)
            .await?
            .first()
            .map_or(0, |call| call.id);
        // The stream first, so that an answer that comes at once is not missed.
        let mut stream = client.events(None);
        while let Some(item) = stream.next().await {
            if item.map_err(|error| error.to_string())? == StreamEvent::Connected {
                break;
            }
        }
        let request = DiagnoseRequest {
            model: Some(self.name.clone()),
        };
        client
            .call::<DiagnoseIncident>(Some(&id.to_string()), &request)
            .await
            .map_err(|error| error.to_string())?;
        let advised = async {
            while let Some(item) = stream.next().await {
                if let Ok(StreamEvent::Entry(entry)) = item
                    && let Event::IncidentChanged { change, incident } = entry.event
                    && incident.id == id
                    && (change == IncidentChange::Advised || !incident.is_active())
                {
                    return Ok(*incident);
                }
            }
            Err("the event stream ended".to_owned())
        };
        let incident = tokio::time::timeout(self.limit(), advised)
            .await
            .map_err(|_| "the engine did not tell the outcome in time".to_owned())??;
        let calls = self.calls_since(client, id, before).await?;
        let source = format!("{MODEL_SOURCE}{}", self.name);
        let is_answered = calls.iter().any(|call| call.result == CallResult::Answered);
        let opinion = incident
            .diagnoses
            .into_iter()
            .find(|diagnosis| is_answered && diagnosis.source == source)
            .ok_or_else(|| {
                calls
                    .last()
                    .and_then(|call| call.error.clone())
                    .or_else(|| incident.timeline.last().map(|entry| entry.text.clone()))
                    .unwrap_or_else(|| "nothing came of it".to_owned())
            });
        Ok((opinion, calls))
    }

    /// Asks about a resource that nothing is wrong with.
    async fn about_nothing(&self, client: &Client, id: &ResourceId) -> Result<Outcome, String> {
        let query = ResourceIdQuery { id: id.clone() };
        let words = |error: crate::client::ClientError| error.to_string();
        let detail = client
            .call::<GetResource>(None, &query)
            .await
            .map_err(words)?;
        let offers = client
            .call::<ListOffers>(None, &query)
            .await
            .map_err(words)?;
        let log = client.call::<GetLog>(None, &query).await;
        let suspicion = Suspicion {
            resource: detail.resource,
            log: log.map(|tail| tail.lines).map_err(words),
            offered: offers.actions,
        };
        Ok(self.consultant()?.ask(suspicion, &self.name).await)
    }

    /// The calls of an incident after this one, oldest first.
    async fn calls_since(
        &self,
        client: &Client,
        id: IncidentId,
        before: i64,
    ) -> Result<Vec<ModelCall>, String> {
        let deadline = tokio::time::Instant::now() + RECORD_LIMIT;
        loop {
            let mut newer: Vec<_> = calls_of(client, id)
                .await?
                .into_iter()
                .filter(|call| call.id > before)
                .map(|recorded| recorded.call)
                .collect();
            // The record of an answer comes right behind it; where there was no call at all, none comes.
            if !newer.is_empty() || tokio::time::Instant::now() >= deadline {
                newer.reverse();
                return Ok(newer);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// How long one question may take: two rounds, each with its tries.
    fn limit(&self) -> Duration {
        self.advisor.timeout.unsigned_abs() * 2 * (self.advisor.retries + 1) + MARGIN
    }
}

type Outcome = (Result<Diagnosis, String>, Vec<ModelCall>);

async fn calls_of(client: &Client, id: IncidentId) -> Result<Vec<RecordedCall>, String> {
    let query = CallQuery {
        conversation: None,
        incident: Some(id),
        before: None,
        limit: Some(1000),
    };
    client
        .call::<ListModelCalls>(None, &query)
        .await
        .map(|page| page.items)
        .map_err(|error| error.to_string())
}

fn configured(name: &str, config: &Config) -> Result<config::Model, Failure> {
    let models = &config.advisor.models;
    models
        .iter()
        .find(|model| model.name == name)
        .cloned()
        .ok_or_else(|| {
            let known: Vec<_> = models.iter().map(|model| model.name.as_str()).collect();
            let known = if known.is_empty() {
                "it has none".to_owned()
            } else {
                format!("it has {}", known.join(", "))
            };
            Failure::usage(format!(
                "the configuration has no model \"{name}\" under [[advisor.models]]; {known}. A server that is not configured is named with --model-url"
            ))
        })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{
        super::super::args::{Cli, Command},
        *,
    };

    fn args(line: &str) -> EvalArgs {
        match Cli::try_parse_from(line.split_whitespace())
            .unwrap()
            .command
        {
            Command::Eval(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_model_is_chosen_by_name_or_by_address_or_not_at_all() {
        let mut config = Config::default();
        assert!(
            Model::chosen(&args("steward eval"), &config)
                .unwrap()
                .is_none()
        );
        let by_url = args("steward eval --model-url http://127.0.0.1:1/v1 --model-id small");
        let found = Model::chosen(&by_url, &config).unwrap().unwrap();
        assert_eq!(found.name, "small");
        assert_eq!(found.advisor.models.len(), 1);
        assert!(!found.advisor.discover);

        let by_name = args("steward eval --model mine");
        let failure = Model::chosen(&by_name, &config).err().unwrap();
        assert!(failure.to_string().contains("it has none"), "{failure}");
        config.advisor.models = found.advisor.models.clone();
        let failure = Model::chosen(&by_name, &config).err().unwrap();
        assert!(failure.to_string().contains("it has small"), "{failure}");
        assert_eq!(failure.exit_code(), 2);
        config.advisor.models[0].name = "mine".to_owned();
        assert!(Model::chosen(&by_name, &config).unwrap().is_some());
    }

    #[test]
    fn the_budget_is_one_for_all_cases() {
        let url = args("steward eval --model-url http://127.0.0.1:1/v1");
        let model = Model::chosen(&url, &Config::default()).unwrap().unwrap();
        let before = model.advisor().daily_budget_usd;
        model.clone().spent.fetch_add(250_000, Ordering::Relaxed);
        assert!((before - model.advisor().daily_budget_usd - 0.25).abs() < 1e-9);
        model.spent.fetch_add(1_000_000_000, Ordering::Relaxed);
        assert!(model.advisor().daily_budget_usd.abs() < 1e-9);
    }
}
