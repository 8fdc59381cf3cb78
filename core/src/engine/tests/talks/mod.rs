//! Conversations: journaled in order, stopped and tried again, and never able to bring anything about by themselves.

mod conversation;
mod house;
mod property;
mod proposals;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use steward_api::{
    ActionName, AdvisorStatus, Conversation, ConversationId, Diagnosis, Event, JARVIS_PRIME,
    Message, MessageKind, ModelClass, ModelState, ModelStatus, ResourceId, Said, SayRequest,
    Specialist, TriedModel, Working, Writing,
};
use tokio::sync::Notify;

use super::fakes::{FakeActuator, FakeSource, Rig, caller, folder, made_of, now, quick, until};
use crate::{
    config::Config,
    ports::{
        Advisor, AdvisorError, Archive, Consultation, Draft, House, Looked, Lookup, Proposed,
        Scribe, Sight, Talk,
    },
};

/// One thing that the scripted specialists do.
enum Act {
    /// Say something.
    Say(Box<Draft>),
    /// Show what is being written.
    Write(&'static str),
    /// Look at something.
    Look(Lookup),
    /// See what may be proposed for a resource.
    Offers(ResourceId),
    /// Wait for the test to let them go on.
    Pause(Arc<Notify>),
    /// Do nothing for ever.
    Hang,
    /// End without an answer.
    Fail(&'static str),
    /// Come to grief.
    Panic,
}

/// An Advisor whose specialists do as a script says, one script for each question.
#[derive(Default)]
struct Scripted {
    scripts: Mutex<VecDeque<Vec<Act>>>,
    /// What was put before them.
    asked: Mutex<Vec<Talk>>,
    /// What they were told when they said something.
    heard: Mutex<Vec<Result<Message, String>>>,
    /// What they saw.
    looked: Mutex<Vec<Result<Looked, String>>>,
    is_off: bool,
}

impl Scripted {
    fn new(scripts: Vec<Vec<Act>>) -> Arc<Self> {
        Arc::new(Self {
            scripts: Mutex::new(scripts.into()),
            ..Self::default()
        })
    }

    fn asked(&self) -> Vec<Talk> {
        self.asked.lock().unwrap().clone()
    }

    fn heard(&self) -> Vec<Result<Message, String>> {
        self.heard.lock().unwrap().clone()
    }
}

fn specialist(name: &str) -> Specialist {
    Specialist {
        name: name.to_owned(),
        field: "everything".to_owned(),
        instructions: String::new(),
        tools: Vec::new(),
        model: None,
        built_in: true,
        at_work: Vec::new(),
    }
}

#[async_trait]
impl Advisor for Scripted {
    fn status(&self) -> AdvisorStatus {
        AdvisorStatus {
            enabled: !self.is_off,
            models: vec![ModelStatus {
                name: "m".to_owned(),
                model: String::new(),
                url: "http://127.0.0.1:1/v1".to_owned(),
                class: ModelClass::Local,
                discovered: false,
                context_tokens: 8192,
                input_micro_usd_per_million: 0,
                output_micro_usd_per_million: 0,
                abilities: Default::default(),
                state: ModelState::Up,
                error: None,
                resting_until: None,
                latency_ms: None,
                answered_at: None,
            }],
            daily_budget_micro_usd: 0,
            spent_today_micro_usd: 0,
            advice: self.is_off.then(|| "Models are switched off".to_owned()),
        }
    }

    fn is_ready(&self) -> bool {
        false
    }

    async fn diagnose(&self, _: &Consultation, _: Option<&str>) -> Result<Diagnosis, AdvisorError> {
        Err(AdvisorError::NoModel("not here".to_owned()))
    }

    async fn try_model(&self, _: &str) -> Result<TriedModel, AdvisorError> {
        Err(AdvisorError::NoModel("not here".to_owned()))
    }

    fn specialists(&self) -> Vec<Specialist> {
        vec![specialist(JARVIS_PRIME), specialist("Athena")]
    }

    async fn converse(
        &self,
        talk: &Talk,
        house: &dyn House,
        scribe: &dyn Scribe,
    ) -> Result<(), AdvisorError> {
        self.asked.lock().unwrap().push(talk.clone());
        let script = self.scripts.lock().unwrap().pop_front();
        for act in script.unwrap_or_default() {
            match act {
                Act::Say(draft) => {
                    let heard = scribe.send(*draft).await;
                    self.heard.lock().unwrap().push(heard);
                }
                Act::Write(text) => scribe.show(
                    vec![Working {
                        specialist: JARVIS_PRIME.to_owned(),
                        doing: "writes".to_owned(),
                        model: Some("m".to_owned()),
                        since: now(),
                    }],
                    Some(Writing {
                        from: JARVIS_PRIME.to_owned(),
                        text: text.to_owned(),
                    }),
                ),
                Act::Look(lookup) => {
                    let looked = house.look(&lookup).await;
                    self.looked.lock().unwrap().push(looked);
                }
                Act::Offers(id) => {
                    let offers = house.offers(&id).await.map(|offers| Looked {
                        lines: offers
                            .iter()
                            .map(|offer| offer.action.to_string())
                            .collect(),
                        sight: Sight::General,
                    });
                    self.looked.lock().unwrap().push(offers);
                }
                Act::Pause(until) => until.notified().await,
                Act::Hang => std::future::pending().await,
                Act::Fail(why) => return Err(AdvisorError::NoAnswer(why.to_owned())),
                Act::Panic => panic!("a scripted fault"),
            }
        }
        Ok(())
    }

    fn configure(&self, _: &Config) {}
}

fn draft(from: &str, to: &str, kind: MessageKind, text: &str) -> Draft {
    Draft {
        from: from.to_owned(),
        to: to.to_owned(),
        kind,
        text: text.to_owned(),
        reply_to: None,
        looked_at: Vec::new(),
        proposals: Vec::new(),
        unchecked: Vec::new(),
        model: Some("m".to_owned()),
    }
}

fn say(from: &str, to: &str, kind: MessageKind, text: &str) -> Act {
    Act::Say(Box::new(draft(from, to, kind, text)))
}

fn answer(text: &str) -> Act {
    say(JARVIS_PRIME, "ada", MessageKind::Answer, text)
}

/// An answer that proposes.
fn proposing(proposals: Vec<(ResourceId, ActionName)>) -> Act {
    let mut draft = draft(JARVIS_PRIME, "ada", MessageKind::Answer, "Do this.");
    draft.proposals = proposals
        .into_iter()
        .map(|(resource, action)| Proposed {
            resource,
            action,
            reason: "it may help".to_owned(),
        })
        .collect();
    Act::Say(Box::new(draft))
}

fn ask(text: &str) -> SayRequest {
    SayRequest {
        text: text.to_owned(),
        ..SayRequest::default()
    }
}

struct Stage {
    folder: tempfile::TempDir,
    rig: Rig,
    source: Arc<FakeSource>,
    actuator: Arc<FakeActuator>,
    advisor: Arc<Scripted>,
}

async fn stage(scripts: Vec<Vec<Act>>, change: impl FnOnce(&mut Config)) -> Stage {
    stage_with(Scripted::new(scripts), change).await
}

async fn stage_with(advisor: Arc<Scripted>, change: impl FnOnce(&mut Config)) -> Stage {
    stage_probed(advisor, crate::ports::Probes::default(), change).await
}

async fn stage_probed(
    advisor: Arc<Scripted>,
    probes: crate::ports::Probes,
    change: impl FnOnce(&mut Config),
) -> Stage {
    let folder = folder();
    let source = FakeSource::new("docker").runs("web").runs("db");
    let actuator = FakeActuator::new(&source);
    let mut config = quick();
    change(&mut config);
    let rig = Rig::begin_advised(
        folder.path(),
        config,
        {
            let made = made_of(vec![Arc::clone(&source)], Arc::clone(&actuator));
            Box::new(move |config: &Config| crate::engine::Integrations {
                probes: probes.clone(),
                ..made(config)
            })
        },
        Arc::clone(&advisor) as Arc<dyn Advisor>,
    )
    .await;
    rig.shows("web", steward_api::Health::Healthy).await;
    Stage {
        folder,
        rig,
        source,
        actuator,
        advisor,
    }
}

impl Stage {
    async fn say(&self, request: SayRequest) -> Said {
        self.rig.handle.say(request, caller("ada")).await.unwrap()
    }

    async fn refused(&self, request: SayRequest) -> steward_api::ProblemDetails {
        self.rig
            .handle
            .say(request, caller("ada"))
            .await
            .unwrap_err()
    }

    fn is_busy(&self, id: ConversationId) -> bool {
        self.rig
            .handle
            .progress(id)
            .is_some_and(|progress| progress.busy)
    }

    /// Waits until the answer in a conversation is over, and gives its messages.
    async fn over(&self, id: ConversationId) -> Vec<Message> {
        until("the end of the answer", || {
            (!self.is_busy(id)).then_some(())
        })
        .await;
        self.messages(id).await
    }

    async fn messages(&self, id: ConversationId) -> Vec<Message> {
        let archive = &self.rig.store.inner;
        archive.messages(id, None, 1000).await.unwrap()
    }

    async fn conversation(&self, id: ConversationId) -> Conversation {
        let archive = &self.rig.store.inner;
        archive.conversation(id).await.unwrap().unwrap()
    }

    async fn sent_events(&self) -> usize {
        let journal = self.rig.journal().await;
        journal
            .iter()
            .filter(|entry| matches!(entry.event, Event::MessageSent { .. }))
            .count()
    }
}
