//! The Advisor: language models that give second opinions and speak with people.
//!
//! What flows in: an incident with everything that was gathered about it ([`crate::ports::Consultation`]), or a person's question
//! ([`crate::ports::Talk`]). What flows out: one validated diagnosis, or the messages of an answer; and a record of every call
//! ([`crate::ports::FinishedCall`]). In between: `pieces` (what is shown), `stand_ins` (what must not leave the house), `orders` (text that is no data), `opinion` (question and
//! judgement), `support` (which actions may stand in it), `specialists` and `talk` (who looks at what, and answers), `rounds` (until an answer stands), `route` (who is asked), `asking`
//! (tried again, paid for, recorded), `model` and `http` (the wire).
//!
//! What it never does: act, decide, or hold up whoever does. With no model at all, or with one that hangs or answers nonsense, everything
//! else works on.

mod asking;
mod budget;
mod discover;
mod health;
mod http;
mod model;
mod opinion;
mod orders;
mod pieces;
mod protocol;
mod rounds;
mod route;
mod specialists;
mod specs;
mod stand_ins;
mod support;
mod talk;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use jiff::tz::TimeZone;
use serde_json::json;
use steward_api::{AdvisorStatus, CallResult, Diagnosis, ModelClass, Purpose, TriedModel};
use tokio::sync::mpsc;

use self::{
    asking::{Manner, Shared, ask},
    budget::Budget,
    health::Patience,
    model::{Model, Spec},
    pieces::Piece,
    protocol::{Message, Request, Speaker, object_in},
    rounds::{Put, Rounds},
    stand_ins::{Known, StandIns},
};
use crate::{
    config::{self, Config},
    ports::{AdvisorError, Clock, Consultation, FinishedCall, House, Scribe, Talk},
};

/// What the Advisor is made of.
pub struct Parts {
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Takes what is to be recorded.
    pub calls: mpsc::UnboundedSender<FinishedCall>,
    /// What was spent today already, millionths of a US dollar.
    pub spent_today_micro_usd: u64,
    /// Makes stand-ins that only this house can read; the same at each start.
    pub salt: Vec<u8>,
    /// Names of people's accounts on this machine.
    pub users: BTreeSet<String>,
}

/// The Advisor on real models.
pub struct Advisor {
    shared: Arc<Shared>,
    clients: http::Clients,
    salt: Vec<u8>,
    users: BTreeSet<String>,
    setup: RwLock<Arc<Setup>>,
    /// Held while another set-up is put in force, so that a configuration and a discovery don't cross.
    setting_up: Mutex<()>,
    /// What was found on this machine, besides what is configured.
    discovered: Mutex<Vec<Spec>>,
}

/// What one configuration makes of it.
struct Setup {
    config: config::Advisor,
    node: String,
    models: Vec<Arc<Model>>,
}

impl Setup {
    fn manner(&self, purpose: Purpose) -> Manner {
        Manner {
            purpose,
            incident: None,
            conversation: None,
            is_wished: false,
            limit: Duration::try_from(self.config.timeout).unwrap_or(Duration::from_secs(90)),
            retries: self.config.retries,
            patience: self.patience(),
        }
    }

    const fn patience(&self) -> Patience {
        Patience {
            failures: self.config.rest_after_failures,
            rest: self.config.rest,
        }
    }
}

impl Advisor {
    /// The Advisor of a configuration. Reads the files of keys.
    ///
    /// # Errors
    /// Where this host can make no HTTP requests at all.
    pub fn new(parts: Parts, config: &Config) -> Result<Arc<Self>, String> {
        let zone = TimeZone::system();
        let today = parts.clock.now().to_zoned(zone.clone()).date();
        let daily = specs::micro_usd(config.advisor.daily_budget_usd);
        let shared = Arc::new(Shared {
            clock: parts.clock,
            zone,
            budget: Mutex::new(Budget::new(daily, today, parts.spent_today_micro_usd)),
            calls: parts.calls,
        });
        let advisor = Arc::new(Self {
            shared,
            clients: http::Clients::new()?,
            salt: parts.salt,
            users: parts.users,
            setup: RwLock::new(Arc::new(Setup {
                config: config.advisor.clone(),
                node: config.node.name.clone(),
                models: Vec::new(),
            })),
            setting_up: Mutex::default(),
            discovered: Mutex::default(),
        });
        advisor.set_up(Some((&config.advisor, &config.node.name)));
        Ok(advisor)
    }

    fn setup(&self) -> Arc<Setup> {
        Arc::clone(&self.setup.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a configuration in force. A model that stays the same keeps what is known of it.
    /// Without one it is the same again, with what was discovered since.
    fn set_up(&self, new: Option<(&config::Advisor, &str)>) {
        let _held = self
            .setting_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = self.setup();
        let (config, node) = new.unwrap_or((&before.config, &before.node));
        let mut wanted = specs::configured(config);
        if config.discover {
            let discovered = self
                .discovered
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            wanted.extend(specs::unlike(&wanted, &discovered));
        }
        let models = wanted
            .into_iter()
            .map(|spec| {
                let same = before
                    .models
                    .iter()
                    .find(|model| specs::is_same(&model.spec, &spec));
                same.cloned().unwrap_or_else(|| {
                    let http = self.clients.of(spec.class).clone();
                    Arc::new(Model::new(spec, http))
                })
            })
            .collect();
        self.shared
            .with_budget(|budget| budget.set(specs::micro_usd(config.daily_budget_usd)));
        let setup = Setup {
            config: config.clone(),
            node: node.to_owned(),
            models,
        };
        *self.setup.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(setup);
    }

    /// Looks for models on this machine, once, but not at llama.cpp's port where a container publishes it. Whoever calls it again and again
    /// notices when one comes or goes.
    pub async fn look_around(&self, published: &BTreeSet<u16>) {
        let places: Vec<_> = discover::USUAL
            .into_iter()
            .filter(|(server, _)| {
                *server == discover::Server::Ollama
                    || !published.contains(&discover::LLAMA_CPP_PORT)
            })
            .collect();
        self.look_at(&places).await;
    }

    async fn look_at(&self, places: &[(discover::Server, &str)]) {
        let setup = self.setup();
        if !setup.config.enabled || !setup.config.discover {
            return;
        }
        let found = discover::look(&self.clients.house, places).await;
        let changed = {
            let mut known = self
                .discovered
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let is_same = known.len() == found.len()
                && known.iter().zip(&found).all(|(a, b)| specs::is_same(a, b));
            if !is_same {
                for spec in &found {
                    tracing::info!(model = spec.name, url = spec.url, "found a model");
                }
                *known = found;
            }
            !is_same
        };
        if changed {
            self.set_up(None);
        }
    }

    /// The question about an incident as it is put to one model.
    fn put(
        &self,
        setup: &Setup,
        spec: &Spec,
        case: &Consultation,
        all: &[Piece],
        who: Option<&specialists::Who>,
    ) -> Put<Vec<Piece>> {
        let is_cloud = spec.class == ModelClass::Cloud;
        let shown = if is_cloud {
            pieces::for_cloud(all.to_vec(), setup.config.privacy)
        } else {
            all.to_vec()
        };
        // Room for the answer, and for the repair round: the answer once more and what is wrong with it.
        let knows = who.map_or(0, |who| protocol::estimated_tokens(who.instructions.len()));
        let around = opinion::WORDS_AROUND + knows + 3 * u64::from(opinion::MOST_TOKENS);
        let room = u64::from(spec.context_tokens).saturating_sub(around);
        let shown = pieces::that_fit(shown, room);
        let request = opinion::question(case, &shown, who);
        let related = case.related.iter().map(|related| &related.resource);
        let before = case.precedents.iter().map(|precedent| &precedent.resource);
        let nodes = [&case.incident.resource]
            .into_iter()
            .chain(related)
            .chain(before)
            .map(|resource| resource.node.clone());
        let stand_ins = is_cloud.then(|| self.stand_ins(setup, nodes.collect()));
        Put::hidden(request, shown, stand_ins)
    }

    fn stand_ins(&self, setup: &Setup, mut nodes: BTreeSet<String>) -> StandIns {
        nodes.insert(setup.node.clone());
        let known = Known {
            hosts: nodes,
            users: self.users.clone(),
        };
        StandIns::new(&self.salt, known)
    }

    fn find(&self, setup: &Setup, name: &str) -> Result<Arc<Model>, AdvisorError> {
        setup
            .models
            .iter()
            .find(|model| model.spec.name == name)
            .cloned()
            .ok_or_else(|| {
                let known: Vec<_> = setup
                    .models
                    .iter()
                    .map(|model| model.spec.name.as_str())
                    .collect();
                AdvisorError::UnknownModel {
                    name: name.to_owned(),
                    known: if known.is_empty() {
                        "none".to_owned()
                    } else {
                        known.join(", ")
                    },
                }
            })
    }
}

/// What to do to have a model.
const HOW_TO_HAVE_ONE: &str = "Start an Ollama or a llama.cpp server on this machine, which is found by itself, or add one under [[advisor.models]] in the configuration. Steward works without.";

#[async_trait]
impl crate::ports::Advisor for Advisor {
    fn status(&self) -> AdvisorStatus {
        let setup = self.setup();
        let now = self.shared.clock.now();
        let today = self.shared.today();
        let (daily, spent) = self
            .shared
            .with_budget(|budget| (budget.daily(), budget.spent(today)));
        let advice = if !setup.config.enabled {
            Some("It is switched off: advisor.enabled in the configuration.".to_owned())
        } else if setup.models.is_empty() {
            Some(HOW_TO_HAVE_ONE.to_owned())
        } else {
            None
        };
        AdvisorStatus {
            enabled: setup.config.enabled,
            models: setup.models.iter().map(|model| model.status(now)).collect(),
            daily_budget_micro_usd: daily,
            spent_today_micro_usd: spent,
            advice,
        }
    }

    fn is_ready(&self) -> bool {
        let setup = self.setup();
        let now = self.shared.clock.now();
        setup.config.enabled
            && setup
                .models
                .iter()
                .any(|model| model.spec.unusable.is_none() && model.health().may_be_asked(now))
    }

    async fn diagnose(
        &self,
        case: &Consultation,
        wish: Option<&str>,
    ) -> Result<Diagnosis, AdvisorError> {
        let setup = self.setup();
        let all = pieces::all(case);
        let roster = specialists::roster(&setup.config);
        let who = specialists::for_incident(&case.incident, &roster);
        let how = Rounds {
            purpose: Purpose::Diagnosis,
            incident: Some(case.incident.id),
            conversation: None,
            wish,
            first: who.and_then(|who| who.model.as_deref()),
            hear: None,
            again: opinion::AGAIN,
        };
        let (diagnosis, _) = self
            .rounds(
                &setup,
                how,
                |spec| self.put(&setup, spec, case, &all, who),
                |given| opinion::judge(given.text, case, given.shown, given.model),
            )
            .await?;
        Ok(diagnosis)
    }

    async fn try_model(&self, name: &str) -> Result<TriedModel, AdvisorError> {
        let setup = self.setup();
        let model = self.find(&setup, name)?;
        if let Some(why) = &model.spec.unusable {
            return Err(AdvisorError::NoModel(why.clone()));
        }
        let offered = model.offered().await;
        let manner = Manner {
            retries: 0,
            is_wished: true,
            ..setup.manner(Purpose::Trial)
        };
        // Whether it keeps to a form is what is to be found out.
        model.note(|health| health.abilities.schema = None);
        let error = match ask(&self.shared, &model, &trial(), manner, None).await {
            Ok((answer, record)) => {
                let keeps_to_it = object_in(&answer.text)
                    .is_some_and(|answer| answer.get("ready").is_some_and(|ready| ready == true));
                if keeps_to_it {
                    record.close(CallResult::Answered, None);
                    None
                } else {
                    let why = "it answers, but not in the form that was asked for".to_owned();
                    record.close(CallResult::Invalid, Some(why.clone()));
                    if !answer.was_cut_off {
                        model.note(|health| health.abilities.schema = Some(false));
                    }
                    Some(why)
                }
            }
            Err(why) => Some(why),
        };
        Ok(TriedModel {
            status: model.status(self.shared.clock.now()),
            offered: offered.unwrap_or_default(),
            error,
        })
    }

    fn specialists(&self) -> Vec<steward_api::Specialist> {
        let roster = specialists::roster(&self.setup().config);
        roster.iter().map(specialists::Who::shown).collect()
    }

    async fn converse(
        &self,
        talk: &Talk,
        house: &dyn House,
        scribe: &dyn Scribe,
    ) -> Result<(), AdvisorError> {
        self.answer(talk, house, scribe).await
    }

    fn configure(&self, config: &Config) {
        self.set_up(Some((&config.advisor, &config.node.name)));
    }
}

/// The smallest question that shows whether a model keeps to a schema.
fn trial() -> Request {
    Request {
        messages: vec![Message::new(
            Speaker::User,
            "Are you there? Answer with the JSON object {\"ready\": true} and nothing else.",
        )],
        schema: Some((
            "ready",
            json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["ready"],
                "properties": {"ready": {"type": "boolean", "enum": [true]}},
            }),
        )),
        tools: Vec::new(),
        // Some think aloud first.
        most_tokens: 600,
    }
}
