//! Tests of what is said about second opinions, models and calls.

use steward_api::{Abilities, Evidence, Phase, Purpose, Urgency, Withheld};

use super::*;
use crate::samples;

fn diagnosis(source: &str, action: Option<ActionName>) -> Diagnosis {
    Diagnosis {
        diagnosis: format!("what {source} says"),
        recommended_action: action,
        withheld: None,
        urgency: Urgency::High,
        confidence: 60,
        reasoning: "because".to_owned(),
        evidence: vec![Evidence::new("log", "a line")],
        source: source.to_owned(),
        advice: String::new(),
    }
}

const RESTART: Option<ActionName> = Some(ActionName::RestartContainer);

/// An incident with these diagnoses, the first in force.
fn incident(diagnoses: Vec<Diagnosis>) -> Incident {
    Incident {
        diagnoses,
        ..samples::incident(3, "web")
    }
}

fn call() -> ModelCall {
    ModelCall {
        model: "tiny".to_owned(),
        class: ModelClass::Local,
        purpose: Purpose::Diagnosis,
        incident: Some(IncidentId(3)),
        conversation: None,
        result: CallResult::Answered,
        error: None,
        prompt_tokens: 1234,
        completion_tokens: 100,
        cost_micro_usd: 0,
        took_ms: 1290,
        sent: "aa".to_owned(),
        received: String::new(),
    }
}

fn model() -> ModelStatus {
    ModelStatus {
        name: "tiny".to_owned(),
        model: String::new(),
        url: "http://127.0.0.1:8080/v1".to_owned(),
        class: ModelClass::Local,
        discovered: true,
        context_tokens: 8192,
        input_micro_usd_per_million: 0,
        output_micro_usd_per_million: 0,
        abilities: Abilities::default(),
        state: ModelState::Unknown,
        error: None,
        resting_until: None,
        latency_ms: None,
        answered_at: None,
    }
}

fn standings(incident: &Incident) -> Vec<(&str, Standing)> {
    opinions(incident)
        .into_iter()
        .map(|(standing, one)| (one.source.as_str(), standing))
        .collect()
}

#[test]
fn each_keeps_its_place_whichever_is_in_force() {
    let mut shown = incident(vec![
        diagnosis("catalogue:exit-code", RESTART),
        diagnosis("model:tiny", None),
    ]);
    assert_eq!(
        standings(&shown),
        [
            ("catalogue:exit-code", Standing::InForce),
            ("model:tiny", Standing::Second)
        ]
    );
    shown.diagnoses.reverse();
    shown.chosen = Some("model:tiny".to_owned());
    assert_eq!(
        standings(&shown),
        [
            ("catalogue:exit-code", Standing::Second),
            ("model:tiny", Standing::Chosen)
        ]
    );
}

#[test]
fn a_disagreement_is_said_with_both_sides_and_what_stands() {
    let mut shown = incident(vec![
        diagnosis("catalogue:exit-code", RESTART),
        diagnosis("model:tiny", None),
    ]);
    let (agree, words) = comparison(&shown).unwrap();
    assert!(!agree);
    assert_eq!(
        words,
        "They disagree on what to do: the catalogue (exit code) recommends restart container, \
         the model tiny recommends nothing that Steward can do. Until a person chooses, the catalogue (exit code) is in force, \
         and the more careful of them can only make Steward ask first."
    );
    shown.diagnoses.reverse();
    shown.chosen = Some("model:tiny".to_owned());
    let (_, words) = comparison(&shown).unwrap();
    assert!(words.ends_with("A person chose the model tiny."), "{words}");
    // What is over has nothing left to choose.
    shown.chosen = None;
    shown.resolved_at = Some(samples::at("12:00:00"));
    let (_, words) = comparison(&shown).unwrap();
    assert!(!words.contains("Until"), "{words}");
}

#[test]
fn one_voice_is_no_comparison_and_two_may_agree() {
    let alone = incident(vec![diagnosis("catalogue:exit-code", RESTART)]);
    assert_eq!(comparison(&alone), None);
    assert!(!has_of_model(&alone));
    let both = incident(vec![
        diagnosis("catalogue:exit-code", RESTART),
        diagnosis("model:tiny", RESTART),
    ]);
    assert!(has_of_model(&both));
    assert_eq!(
        comparison(&both),
        Some((
            true,
            "They agree on what to do: restart container.".to_owned()
        ))
    );
}

#[test]
fn what_is_withheld_is_told_and_is_no_recommendation() {
    let mut opinion = diagnosis("model:tiny", None);
    opinion.withheld = Some(Withheld {
        action: ActionName::SetLimits,
        reason: "it rests on nothing that was seen".to_owned(),
    });
    assert_eq!(recommendation(&opinion), "nothing (set limits is withheld)");
    assert_eq!(
        withheld(&opinion).unwrap(),
        "set limits: it rests on nothing that was seen"
    );
    assert!(what_follows(&opinion, None).starts_with("It recommends nothing (set limits"));
    // Also where the other recommends nothing, they don't say the same.
    let shown = incident(vec![diagnosis("catalogue:exit-code", None), opinion]);
    let (agree, words) = comparison(&shown).unwrap();
    assert!(
        !agree && words.contains("nothing (set limits is withheld)"),
        "{words}"
    );
    assert_eq!(withheld(&diagnosis("model:tiny", RESTART)), None);
}

#[test]
fn whoever_chooses_is_told_that_it_approves_nothing() {
    let words = what_follows(&diagnosis("model:tiny", RESTART), Some(Autonomy::Ask));
    assert!(words.starts_with("It recommends: restart container."));
    assert!(words.contains("approves nothing"));
    assert!(words.contains("The autonomy is ask."));
    let words = what_follows(&diagnosis("model:tiny", None), None);
    assert!(words.starts_with("It recommends nothing that Steward can do."));
}

#[test]
fn a_question_is_open_until_the_stream_brings_its_answer() {
    let before = incident(vec![diagnosis("catalogue:exit-code", RESTART)]);
    let at = samples::at("12:00:00");
    let soon = samples::at("12:01:00");
    let newest = samples::agent_started(10);
    let asked = Asked::now(at, Some(&newest), &before.diagnoses);
    assert_eq!(outcome(&asked, &before, [&newest], soon), Outcome::Looking);

    // Of another incident, or of a question before: neither is the answer.
    let other = samples::incident_event(11, IncidentChange::Advised, &samples::incident(4, "db"));
    let earlier = samples::incident_event(9, IncidentChange::Advised, &before);
    assert_eq!(
        outcome(&asked, &before, [&other, &newest, &earlier], soon),
        Outcome::Looking
    );

    let mut failed = before.clone();
    failed.note(soon, Phase::Diagnosed, "No second opinion: it timed out");
    let answer = samples::incident_event(12, IncidentChange::Advised, &failed);
    assert_eq!(
        outcome(&asked, &failed, [&answer, &other, &newest], soon),
        Outcome::Said("No second opinion: it timed out".to_owned())
    );

    // The stream began anew and the event is lost: the opinion itself tells.
    let after = incident(vec![
        diagnosis("catalogue:exit-code", RESTART),
        diagnosis("model:tiny", None),
    ]);
    assert!(matches!(
        outcome(&asked, &after, [], soon),
        Outcome::Said(_)
    ));
    assert_eq!(
        outcome(&asked, &before, [&newest], samples::at("12:10:01")),
        Outcome::Late
    );
}

#[test]
fn calls_are_read_again_only_when_there_is_one_more_of_them() {
    let called = |seq, incident| {
        let call = Box::new(ModelCall { incident, ..call() });
        samples::envelope(seq, Event::ModelCalled { call })
    };
    let journal = [
        samples::agent_started(9),
        called(8, None),
        called(7, Some(IncidentId(3))),
    ];
    assert_eq!(newest_call(&journal, None), Some(8));
    assert_eq!(newest_call(&journal, Some(IncidentId(3))), Some(7));
    assert_eq!(newest_call(&journal, Some(IncidentId(4))), None);
}

#[test]
fn each_state_of_a_model_and_each_end_of_a_call_has_its_own_shape() {
    let states = [
        ModelState::Unknown,
        ModelState::Up,
        ModelState::Failing,
        ModelState::Resting,
    ]
    .map(state);
    let results = [
        CallResult::Answered,
        CallResult::Invalid,
        CallResult::Refused,
        CallResult::Failed,
        CallResult::TimedOut,
        CallResult::Stopped,
    ]
    .map(result);
    for marks in [&states[..], &results[..]] {
        for (at, one) in marks.iter().enumerate() {
            for other in &marks[at + 1..] {
                assert_ne!(one.shape, other.shape);
            }
        }
        assert_eq!(
            marks.iter().filter(|mark| mark.tone == Tone::Good).count(),
            1
        );
    }
    assert_eq!(state(ModelState::Unknown).tone, Tone::Unsure);
    assert_eq!(ability(None).tone, Tone::Unsure);
}

#[test]
fn money_is_never_rounded_to_nothing() {
    for (micro, text) in [
        (0, "$0.00"),
        (12, "$0.000012"),
        (9_999, "$0.009999"),
        (10_000, "$0.01"),
        (1_234_567, "$1.23"),
        (1_995_000, "$2.00"),
        (2_500_000_000, "$2,500.00"),
    ] {
        assert_eq!(dollars(micro), text);
    }
    assert_eq!(spent(20_000, 1_000_000), "$0.02 of $1.00");
    assert!(spent(0, 0).starts_with("$0.00; nothing may be spent"));
    assert_eq!(price(&model()), "free");
    let paid = ModelStatus {
        input_micro_usd_per_million: 150_000,
        output_micro_usd_per_million: 600_000,
        ..model()
    };
    assert_eq!(
        price(&paid),
        "$0.15 per million tokens sent, $0.60 per million that come back"
    );
}

#[test]
fn numbers_of_a_call_have_their_units() {
    assert_eq!(
        call_took(&call()),
        "1,234 tokens sent, 100 came back · $0.00 · 1.2 s"
    );
    assert_eq!(super::call(&call()), "tiny, diagnosis of incident 3");
    assert_eq!(took(250), "250 ms");
    assert_eq!(took(125_000), "2 min 5 s");
}

#[test]
fn json_is_broken_into_lines_and_its_texts_too() {
    assert_eq!(
        readable(r#"{"a":[],"b":[1,"x{\n\"y\""],"c":{"d":null}}"#),
        "{\n  \"a\": [],\n  \"b\": [\n    1,\n    \"x{\n\\\"y\\\"\"\n  ],\n  \"c\": {\n    \"d\": null\n  }\n}"
    );
    assert_eq!(readable("upstream: {down}"), "upstream: {down}");
    // What was cut off is shown as far as it goes.
    assert_eq!(readable(r#"{"a":"b\"#), "{\n  \"a\": \"b\\");
}
