//! Whatever a model writes: what is let through was offered and shown.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::advisor::tests::case;

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("restart_container".to_owned()),
        Just("none".to_owned()),
        Just("prune_unused_volumes".to_owned()),
        Just("L1".to_owned()),
        Just("F1".to_owned()),
        Just("atlas/container/db".to_owned()),
        Just("atlas/container/ghost".to_owned()),
        "[ -~]{0,20}",
    ]
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => words().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
        1 => Just(Value::Null),
        2 => prop::collection::vec(words(), 0..4).prop_map(|list| json!(list)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_was_not_offered_or_shown_gets_through(
        diagnosis in values(), reasoning in values(), action in values(), urgency in prop::sample::select(vec!["low", "soon"]),
        confidence in values(), evidence in values(), leave_out in 0..12_usize,
    ) {
        let case = case();
        let pieces = crate::advisor::pieces::all(&case);
        let mut answer = json!({
            "diagnosis": diagnosis, "reasoning": reasoning, "recommended_action": action,
            "urgency": urgency, "confidence": confidence, "evidence": evidence,
        });
        if let Some(object) = answer.as_object_mut() {
            let key = object.keys().nth(leave_out).cloned();
            if let Some(key) = key {
                object.remove(&key);
            }
        }
        if let Ok(diagnosis) = judge(&answer.to_string(), &case, &pieces, "m") {
            prop_assert!(diagnosis.recommended_action.is_none_or(|action| case.offered.iter().any(|offered| offered.action == action)));
            // Its log gives orders, and no catalogue agrees.
            prop_assert!(diagnosis.recommended_action.is_none());
            prop_assert!(diagnosis.confidence <= 100);
            prop_assert!(!diagnosis.diagnosis.contains("ghost") && !diagnosis.reasoning.contains("ghost"));
            for evidence in &diagnosis.evidence {
                prop_assert!(pieces.iter().any(|piece| piece.text == evidence.text));
            }
        }
    }

    #[test]
    fn judging_never_panics(text in "[ -~\\n{}\":]{0,80}") {
        let case = case();
        let _ = judge(&text, &case, &crate::advisor::pieces::all(&case), "m");
    }
}
