//! Second opinions: shown, never in force by themselves, and able to hold back but never to bring about.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use proptest::prelude::*;
use steward_api::{
    ActionName, AdvisorStatus, ChooseRequest, Diagnosis, ErrorCode, Event, Health, Incident,
    IncidentChange, ModelClass, ModelState, ModelStatus, ResolutionKind, Specialist, TriedModel,
    Urgency, Verdict, is_of_model,
};

use super::fakes::{FakeActuator, FakeSource, Rig, caller, folder, made_of, quick, until};
use crate::{
    config::{Config, WhenToDiagnose},
    ports::{Advisor, AdvisorError, Consultation, House, Scribe, Talk},
};

/// An Advisor that says what a test tells it to.
struct Says {
    opinions: Mutex<Vec<Option<Diagnosis>>>,
    asked: AtomicU32,
    takes: Duration,
}

impl Says {
    fn new(opinions: Vec<Option<Diagnosis>>) -> Arc<Self> {
        Arc::new(Self {
            opinions: Mutex::new(opinions),
            asked: AtomicU32::new(0),
            takes: Duration::ZERO,
        })
    }

    fn never() -> Arc<Self> {
        Arc::new(Self {
            opinions: Mutex::default(),
            asked: AtomicU32::new(0),
            takes: Duration::from_secs(3600),
        })
    }
}

#[async_trait]
impl Advisor for Says {
    fn status(&self) -> AdvisorStatus {
        AdvisorStatus {
            enabled: true,
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
            advice: None,
        }
    }

    fn is_ready(&self) -> bool {
        true
    }

    async fn diagnose(
        &self,
        case: &Consultation,
        _: Option<&str>,
    ) -> Result<Diagnosis, AdvisorError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.takes).await;
        assert!(
            !case.offered.is_empty(),
            "there is something to choose from"
        );
        let next = {
            let mut opinions = self.opinions.lock().unwrap();
            if opinions.is_empty() {
                None
            } else {
                opinions.remove(0)
            }
        };
        next.ok_or_else(|| AdvisorError::NoAnswer("it said nothing of use".to_owned()))
    }

    async fn try_model(&self, _: &str) -> Result<TriedModel, AdvisorError> {
        Err(AdvisorError::NoModel("not here".to_owned()))
    }

    fn specialists(&self) -> Vec<Specialist> {
        Vec::new()
    }

    async fn converse(&self, _: &Talk, _: &dyn House, _: &dyn Scribe) -> Result<(), AdvisorError> {
        Err(AdvisorError::NoModel("not here".to_owned()))
    }

    fn configure(&self, _: &Config) {}
}

fn opinion(action: Option<ActionName>, confidence: u8) -> Diagnosis {
    Diagnosis {
        diagnosis: "its certificate has expired".to_owned(),
        recommended_action: action,
        withheld: None,
        urgency: Urgency::High,
        confidence,
        reasoning: "the log says so".to_owned(),
        evidence: Vec::new(),
        source: "model:m".to_owned(),
        advice: String::new(),
    }
}

fn choice(source: &str) -> ChooseRequest {
    ChooseRequest {
        source: source.to_owned(),
        diagnosis: None,
    }
}

struct Stage {
    _folder: tempfile::TempDir,
    rig: Rig,
    source: Arc<FakeSource>,
    actuator: Arc<FakeActuator>,
}

async fn stage(advisor: Arc<Says>, change: impl FnOnce(&mut Config)) -> Stage {
    let folder = folder();
    let source = FakeSource::new("docker").runs("web");
    let actuator = FakeActuator::new(&source);
    let mut config = quick();
    config.advisor.diagnose = WhenToDiagnose::Always;
    change(&mut config);
    let rig = Rig::begin_advised(
        folder.path(),
        config,
        made_of(vec![Arc::clone(&source)], Arc::clone(&actuator)),
        advisor,
    )
    .await;
    rig.shows("web", Health::Healthy).await;
    Stage {
        _folder: folder,
        rig,
        source,
        actuator,
    }
}

impl Stage {
    /// The incident once the Advisor has spoken.
    async fn advised(&mut self) -> Incident {
        self.rig
            .event("an opinion", |entry| match &entry.event {
                Event::IncidentChanged {
                    change: IncidentChange::Advised,
                    incident,
                } => Some(Incident::clone(incident)),
                _ => None,
            })
            .await
    }

    async fn healed(&mut self) -> Incident {
        self.rig
            .event("the end", |entry| match &entry.event {
                Event::IncidentChanged {
                    change: IncidentChange::Resolved,
                    incident,
                } => Some(Incident::clone(incident)),
                _ => None,
            })
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_never_answers_holds_up_nothing() {
    let advisor = Says::never();
    let mut stage = stage(Arc::clone(&advisor), |_| {}).await;
    stage.source.dies("web");
    let incident = stage.healed().await;
    assert_eq!(
        incident.resolution.map(|end| end.kind),
        Some(ResolutionKind::Healed)
    );
    assert_eq!(advisor.asked.load(Ordering::SeqCst), 1, "it was asked");
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opinion_stands_beside_the_catalogues_and_a_person_chooses() {
    let advisor = Says::new(vec![Some(opinion(None, 90))]);
    // A question is open, so nothing has begun when the opinion comes.
    let mut stage = stage(advisor, |config| {
        config.autonomy.level = steward_api::Autonomy::Ask;
    })
    .await;
    stage.source.dies("web");
    let incident = stage.advised().await;
    assert_eq!(incident.diagnoses.len(), 2, "{:?}", incident.diagnoses);
    assert!(
        !is_of_model(&incident.diagnoses[0]),
        "the catalogue's is in force"
    );
    assert!(is_of_model(&incident.diagnoses[1]));
    assert_eq!(incident.chosen, None);

    let no = stage
        .rig
        .handle
        .choose(incident.id, choice("model:other"), caller("ada"))
        .await
        .unwrap_err();
    assert_eq!(no.code, ErrorCode::NothingToDo);
    assert!(no.detail.contains("model:m"), "{}", no.detail);

    let chosen = stage
        .rig
        .handle
        .choose(incident.id, choice("model:m"), caller("ada"))
        .await
        .unwrap();
    assert_eq!(chosen.chosen.as_deref(), Some("model:m"));
    assert!(is_of_model(&chosen.diagnoses[0]));
    let decision = chosen.decision.unwrap();
    assert_eq!(decision.verdict, Verdict::Withhold, "{}", decision.reason);
    assert!(
        chosen
            .timeline
            .iter()
            .any(|entry| entry.text.contains("ada chose")),
        "who chose is in the record"
    );
    until("the question to be withdrawn", || {
        stage.rig.handle.view().open_tasks.is_empty().then_some(())
    })
    .await;
    assert!(stage.actuator.applied().is_empty());

    // Back to the catalogue's: it is asked again as before.
    let again = stage
        .rig
        .handle
        .choose(
            incident.id,
            choice(&chosen.diagnoses[1].source),
            caller("ada"),
        )
        .await
        .unwrap();
    assert_eq!(again.decision.unwrap().verdict, Verdict::Ask);
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_more_careful_opinion_makes_a_question_of_what_has_not_begun() {
    let advisor = Says::new(vec![Some(opinion(None, 80))]);
    let mut stage = stage(Arc::clone(&advisor), |config| {
        config.autonomy.level = steward_api::Autonomy::Ask;
        config.advisor.diagnose = WhenToDiagnose::OnRequest;
    })
    .await;
    stage.source.dies("web");
    let task = until("a question", || {
        stage.rig.handle.view().open_tasks.first().cloned()
    })
    .await;
    assert_eq!(advisor.asked.load(Ordering::SeqCst), 0, "only on request");
    let incident = task.incident.unwrap();
    stage
        .rig
        .handle
        .diagnose(incident, None, caller("ada"))
        .await
        .unwrap();
    stage.advised().await;
    // Steward could act by itself now; the opinion is against it.
    let admin = crate::engine::Caller {
        role: steward_api::Role::Admin,
        ..caller("ada")
    };
    stage
        .rig
        .handle
        .set_autonomy(steward_api::Autonomy::Assist, admin)
        .await
        .unwrap();
    let decision = until("a decision made anew", || {
        let view = stage.rig.handle.view();
        let decision = view.active_incidents.first()?.decision.clone()?;
        (decision.guard.as_deref() == Some("second_opinion")).then_some(decision)
    })
    .await;
    assert_eq!(decision.verdict, Verdict::Ask);
    assert!(decision.reason.contains("model:m"), "{}", decision.reason);
    assert!(stage.actuator.applied().is_empty());
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_there_is_no_opinion_is_told_with_its_reason() {
    let mut stage = stage(Says::new(vec![None]), |config| {
        config.autonomy.level = steward_api::Autonomy::Ask;
    })
    .await;
    stage.source.dies("web");
    let incident = stage.advised().await;
    assert_eq!(incident.diagnoses.len(), 1);
    let told = incident.timeline.last().unwrap();
    assert!(
        told.text.contains("No second opinion") && told.text.contains("nothing of use"),
        "{}",
        told.text
    );
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_is_of_what_was_seen() {
    let advisor = Says::new(vec![
        Some(opinion(None, 90)),
        Some(opinion(Some(ActionName::RestartContainer), 90)),
    ]);
    let mut stage = stage(advisor, |config| {
        config.autonomy.level = steward_api::Autonomy::Ask;
    })
    .await;
    stage.source.dies("web");
    let incident = stage.advised().await;
    let handle = stage.rig.handle.clone();
    let another = ChooseRequest {
        diagnosis: Some("something that it no longer says".to_owned()),
        ..choice("model:m")
    };
    let refused = handle.choose(incident.id, another, caller("ada")).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::NothingToDo);
    let chosen = handle
        .choose(incident.id, choice("model:m"), caller("ada"))
        .await
        .unwrap();
    assert_eq!(chosen.chosen.as_deref(), Some("model:m"));
    // Asked once more it says something else, which nobody has chosen.
    handle
        .diagnose(incident.id, None, caller("ada"))
        .await
        .unwrap();
    let after = stage.advised().await;
    assert_eq!(after.chosen, None);
    assert!(!is_of_model(&after.diagnoses[0]), "{:?}", after.diagnoses);
    assert!(stage.actuator.applied().is_empty());
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_again_and_again_is_asked_about_once() {
    let advisor = Says::new(vec![None, None, None, None]);
    let mut stage = stage(Arc::clone(&advisor), |_| {}).await;
    for _ in 0..3 {
        stage.source.dies("web");
        stage.healed().await;
        stage.rig.shows("web", Health::Healthy).await;
    }
    assert_eq!(advisor.asked.load(Ordering::SeqCst), 1);
    stage.rig.stop().await;
}

fn opinions() -> impl Strategy<Value = Vec<Option<Diagnosis>>> {
    let action = prop::option::of(prop::sample::select(ActionName::ALL.to_vec()));
    let one = prop::option::weighted(
        0.9,
        (action, 0..=100_u8).prop_map(|(action, confidence)| opinion(action, confidence)),
    );
    prop::collection::vec(one, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a model answers: what is done is a part of what policy allows without it, which is to restart what died.
    #[test]
    fn whatever_a_model_says_nothing_more_is_done(opinions in opinions(), autopilot in any::<bool>()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut stage = stage(Says::new(opinions), |config| {
                if autopilot {
                    config.autonomy.level = steward_api::Autonomy::Autopilot;
                }
            }).await;
            stage.source.dies("web");
            stage.advised().await;
            // Whatever follows from it has its time.
            tokio::time::sleep(Duration::from_millis(200)).await;
            for done in stage.actuator.applied() {
                assert!(done.starts_with("Restart") && done.contains("web"), "{done}");
            }
            stage.rig.stop().await;
        });
    }
}
