//! When an opinion is wanted, and what it may bring about.

use jiff::Timestamp;
use proptest::prelude::*;
use steward_api::{IncidentId, Phase, ResourceId, Severity, Withheld};

use super::*;

fn diagnosis(source: &str, action: Option<ActionName>, confidence: u8) -> Diagnosis {
    Diagnosis {
        diagnosis: "it ended".to_owned(),
        recommended_action: action,
        withheld: None,
        urgency: Urgency::Medium,
        confidence,
        reasoning: String::new(),
        evidence: Vec::new(),
        source: source.to_owned(),
        advice: String::new(),
    }
}

fn incident(diagnoses: Vec<Diagnosis>) -> Incident {
    let at = Timestamp::UNIX_EPOCH;
    Incident {
        id: IncidentId(1),
        resource: ResourceId::container("n", "web"),
        problem: Problem::ContainerStopped,
        severity: Severity::Unhealthy,
        phase: Phase::Diagnosed,
        title: String::new(),
        findings: Vec::new(),
        affected: Vec::new(),
        diagnoses,
        chosen: None,
        decision: None,
        tasks: Vec::new(),
        flaps: 0,
        opened_at: at,
        updated_at: at,
        resolved_at: None,
        resolution: None,
        timeline: Vec::new(),
    }
}

#[test]
fn an_opinion_is_wanted_where_the_catalogue_is_unsure_and_there_is_none_yet() {
    let policy = |diagnose| Advisor {
        diagnose,
        unsure_below: 70,
        ..Advisor::default()
    };
    let with = |confidence| incident(vec![diagnosis("catalogue:x", None, confidence)]);
    assert!(wants_opinion(&with(69), &policy(WhenToDiagnose::Unsure)));
    assert!(!wants_opinion(&with(70), &policy(WhenToDiagnose::Unsure)));
    assert!(wants_opinion(&with(100), &policy(WhenToDiagnose::Always)));
    assert!(!wants_opinion(&with(0), &policy(WhenToDiagnose::OnRequest)));
    let mut looked_at = with(0);
    add_of_model(&mut looked_at, diagnosis("model:m", None, 50));
    assert!(!wants_opinion(&looked_at, &policy(WhenToDiagnose::Always)));
}

#[test]
fn careful_is_what_would_do_less_than_the_plan() {
    let opinion_of = |action, confidence| {
        let mut incident = incident(vec![diagnosis("catalogue:x", None, 60)]);
        add_of_model(&mut incident, diagnosis("model:m", action, confidence));
        incident
    };
    let restart = ActionName::RestartContainer;
    let stop = ActionName::StopContainer;
    let holds =
        |incident: &Incident, action, risk| more_careful_opinion(incident, action, risk).is_some();
    assert!(holds(&opinion_of(None, 50), restart, Risk::Low));
    assert!(
        !holds(&opinion_of(None, 49), restart, Risk::Low),
        "too unsure"
    );
    assert!(holds(&opinion_of(Some(restart), 90), stop, Risk::Medium));
    assert!(
        !holds(&opinion_of(Some(restart), 90), restart, Risk::Medium),
        "the same deed"
    );
    assert!(
        !holds(&opinion_of(Some(stop), 90), restart, Risk::Low),
        "more risk"
    );
    let mut held = opinion_of(None, 90);
    held.diagnoses[1].withheld = Some(Withheld {
        action: stop,
        reason: "its log gives orders".to_owned(),
    });
    assert!(
        !holds(&held, restart, Risk::Low),
        "it did not say that nothing should be done"
    );
    let mut chosen = opinion_of(None, 90);
    assert!(choose(&mut chosen, "catalogue:x"));
    assert!(!holds(&chosen, restart, Risk::Low), "a person has chosen");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever models say in whatever order: none is in force that a person has not chosen as it stands.
    #[test]
    fn no_model_is_in_force_by_itself(says in prop::collection::vec((0..3_u8, 0..3_usize, 0..=100_u8), 1..12)) {
        let mut incident = incident(vec![diagnosis("catalogue:x", Some(ActionName::RestartContainer), 60)]);
        let actions = [None, Some(ActionName::RestartContainer), Some(ActionName::StopContainer)];
        let mut chosen: Option<Diagnosis> = None;
        for (what, action, confidence) in says {
            if what == 0 && choose(&mut incident, "model:m") {
                chosen = incident.diagnoses.first().cloned();
            } else {
                let source = if what == 1 { "model:m" } else { "model:other" };
                add_of_model(&mut incident, diagnosis(source, actions[action], confidence));
            }
            let first = &incident.diagnoses[0];
            let as_chosen = chosen.as_ref().is_some_and(|known| {
                known.source == first.source && known.recommended_action == first.recommended_action
            });
            prop_assert!(!is_of_model(first) || as_chosen);
        }
    }
}
