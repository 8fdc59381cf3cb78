//! What of a model's answer is let through in a talk. Pure.
//!
//! What flows through: an answer in a form or in words in; what it delegates, reports, proposes or says out, or a list of faults, which the
//! model may mend once. What it never lets through: a specialist whom there is not, a reference that was not shown, an action that was not
//! offered. What a text names and nothing here has, is a fault at first; said again, it is marked.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    super::{protocol::object_in, specialists::Who},
    Offer,
    names::{Known, unknown},
    questions::{
        LONGEST_REASON, LONGEST_REPORT, LONGEST_TASK, MOST_DELEGATES, MOST_EVIDENCE,
        MOST_PROPOSALS, NONE,
    },
};
use crate::{ports::Proposed, redact::redact};

/// The longest answer, characters.
const LONGEST_ANSWER: usize = 6000;

/// Whom Jarvis Prime has look, and what he asks back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Delegation {
    /// The specialist's name, and what it is to find out.
    pub(super) to: Vec<(String, String)>,
    /// A question back; empty for none.
    pub(super) ask: String,
}

/// What a specialist found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) text: String,
    /// Percent.
    pub(super) confidence: u8,
    pub(super) evidence: Vec<String>,
    pub(super) proposals: Vec<Proposed>,
    /// Whom it wants to ask what.
    pub(super) consult: Option<(String, String)>,
    pub(super) unchecked: Vec<String>,
}

fn object(text: &str) -> Result<Value, Vec<String>> {
    object_in(text).ok_or_else(|| vec!["it is not a JSON object".to_owned()])
}

fn words(value: Option<&Value>, most: usize) -> String {
    let text = redact(value.and_then(Value::as_str).unwrap_or_default());
    let text = text.trim();
    if text.chars().count() <= most {
        return text.to_owned();
    }
    // Too long is no lie: it is shortened.
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

fn list<'a>(answer: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    answer
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Reads a delegation.
pub(super) fn delegation(text: &str, others: &[&Who]) -> Result<Delegation, Vec<String>> {
    let answer = object(text)?;
    let mut faults = Vec::new();
    let mut found = Delegation {
        ask: words(answer.get("ask"), LONGEST_TASK),
        ..Delegation::default()
    };
    for one in list(&answer, "delegate").take(MOST_DELEGATES) {
        let name = one.get("to").and_then(Value::as_str).unwrap_or_default();
        let task = words(one.get("task"), LONGEST_TASK);
        match others
            .iter()
            .find(|who| who.name.eq_ignore_ascii_case(name))
        {
            None => faults.push(format!(
                "there is no specialist \"{}\"",
                name.chars().take(40).collect::<String>()
            )),
            Some(_) if task.is_empty() => faults.push(format!("{name} gets no task")),
            // Twice the same one is one.
            Some(who) if found.to.iter().any(|(known, _)| *known == who.name) => {}
            Some(who) => found.to.push((who.name.clone(), task)),
        }
    }
    if answer.get("delegate").and_then(Value::as_array).is_none() {
        faults.push("\"delegate\" must be a list".to_owned());
    }
    if faults.is_empty() {
        Ok(found)
    } else {
        Err(faults)
    }
}

/// What a report is held against.
pub(super) struct ReportBounds<'a> {
    pub(super) references: &'a [&'a str],
    pub(super) offers: &'a [Offer],
    pub(super) others: &'a [&'a Who],
    pub(super) known: &'a Known,
    /// Whether there is no further round: then names that nothing has are marked instead of sent back.
    pub(super) is_last: bool,
}

/// Reads a report.
pub(super) fn report(text: &str, bounds: &ReportBounds<'_>) -> Result<Report, Vec<String>> {
    let answer = object(text)?;
    let mut faults = Vec::new();
    let text = words(answer.get("report"), LONGEST_REPORT);
    if text.is_empty() {
        faults.push("\"report\" is missing or empty".to_owned());
    }
    let confidence = match answer.get("confidence").and_then(Value::as_f64) {
        Some(share) if share > 0.0 && share < 1.0 => (share * 100.0).round() as u8,
        Some(percent) if (0.0..=100.0).contains(&percent) => percent.round() as u8,
        _ => {
            faults.push("\"confidence\" must be a whole number from 0 to 100".to_owned());
            0
        }
    };
    let mut evidence: Vec<String> = Vec::new();
    let mut not_shown = BTreeSet::new();
    for one in list(&answer, "evidence") {
        let word = one.as_str().unwrap_or_default().trim_matches(['[', ']']);
        if bounds.references.contains(&word) {
            if !evidence.iter().any(|known| known == word) {
                evidence.push(word.to_owned());
            }
        } else if word != NONE {
            not_shown.insert(word.chars().take(20).collect::<String>());
        }
    }
    evidence.truncate(MOST_EVIDENCE);
    if !not_shown.is_empty() {
        let not_shown: Vec<_> = not_shown.into_iter().take(5).collect();
        faults.push(format!(
            "\"evidence\" names what was not shown: {}",
            not_shown.join(", ")
        ));
    }
    let mut proposals: Vec<Proposed> = Vec::new();
    for one in list(&answer, "propose") {
        let word = one.get("offer").and_then(Value::as_str).unwrap_or_default();
        if word == NONE {
            continue;
        }
        let Some(offer) = bounds.offers.iter().find(|offer| offer.reference == word) else {
            faults.push(format!(
                "\"propose\" has \"{}\", which is not offered",
                word.chars().take(40).collect::<String>()
            ));
            continue;
        };
        let is_new = proposals
            .iter()
            .all(|known| known.resource != offer.resource || known.action != offer.action.action);
        if is_new && proposals.len() < MOST_PROPOSALS {
            proposals.push(Proposed {
                resource: offer.resource.clone(),
                action: offer.action.action,
                reason: words(one.get("reason"), LONGEST_REASON),
            });
        }
    }
    let question = words(answer.get("consult_question"), LONGEST_TASK);
    let consult = answer
        .get("consult")
        .and_then(Value::as_str)
        .and_then(|name| {
            bounds
                .others
                .iter()
                .find(|who| who.name.eq_ignore_ascii_case(name))
        })
        .filter(|_| !question.is_empty())
        .map(|who| (who.name.clone(), question));
    let unchecked = unknown(&text, bounds.known);
    if !unchecked.is_empty() && !bounds.is_last {
        faults.push(not_there(&unchecked));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Report {
        text,
        confidence,
        evidence,
        proposals,
        consult,
        unchecked,
    })
}

/// Reads an answer in words: the text, and the names in it that nothing here has.
pub(super) fn answer(
    text: &str,
    known: &Known,
    is_last: bool,
) -> Result<(String, Vec<String>), Vec<String>> {
    // What some models think aloud is not for the person.
    let said = text.rsplit_once("</think>").map_or(text, |(_, rest)| rest);
    let said: String = redact(said.trim()).chars().take(LONGEST_ANSWER).collect();
    if said.is_empty() {
        return Err(vec!["it is empty".to_owned()]);
    }
    let unchecked = unknown(&said, known);
    if !unchecked.is_empty() && !is_last {
        return Err(vec![not_there(&unchecked)]);
    }
    Ok((said, unchecked))
}

fn not_there(names: &[String]) -> String {
    format!("nothing here has these names: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use steward_api::{ActionName, OfferedAction, RemedyRecord};

    use super::*;
    use crate::{
        advisor::{specialists::roster, talk::names::tests::inventory},
        config,
    };

    fn offers() -> Vec<Offer> {
        [ActionName::RestartContainer, ActionName::StopContainer]
            .into_iter()
            .enumerate()
            .map(|(index, action)| Offer {
                reference: format!("O{}", index + 1),
                resource: "atlas/container/nginx".parse().unwrap(),
                action: OfferedAction {
                    action,
                    risk: action.risk(),
                    plan: "it".to_owned(),
                    record: RemedyRecord::default(),
                },
            })
            .collect()
    }

    fn read(answer: &Value, is_last: bool) -> Result<Report, Vec<String>> {
        let all = roster(&config::Advisor::default());
        let others: Vec<&Who> = all.iter().skip(1).collect();
        let known = Known::of(&inventory(&["atlas/container/nginx"]), &[]);
        report(
            &answer.to_string(),
            &ReportBounds {
                references: &["A1", "A2"],
                offers: &offers(),
                others: &others,
                known: &known,
                is_last,
            },
        )
    }

    fn good() -> Value {
        json!({
            "report": "`nginx` has no memory left [A1].", "confidence": 80, "evidence": ["A1"],
            "propose": [{"offer": "O1", "reason": "it frees memory"}, {"offer": "O1", "reason": "again"}],
            "consult": "athena", "consult_question": "Is the database well?",
        })
    }

    #[test]
    fn a_good_report_is_read() {
        let report = read(&good(), false).unwrap();
        assert_eq!(
            (report.confidence, report.evidence.as_slice()),
            (80, &["A1".to_owned()][..])
        );
        assert_eq!(report.proposals.len(), 1);
        assert_eq!(report.proposals[0].action, ActionName::RestartContainer);
        assert_eq!(report.consult.unwrap().0, "Athena");
    }

    #[test]
    fn what_was_not_shown_or_offered_is_a_fault() {
        for (key, value, fault) in [
            ("evidence", json!(["A7"]), "not shown"),
            (
                "propose",
                json!([{"offer": "O9", "reason": ""}]),
                "not offered",
            ),
            ("report", json!(""), "missing or empty"),
            ("confidence", json!("high"), "whole number"),
            ("report", json!("restart `grafana`"), "grafana"),
        ] {
            let mut answer = good();
            answer[key] = value;
            let faults = read(&answer, false).unwrap_err().join("; ");
            assert!(faults.contains(fault), "{faults}");
        }
        let mut invented = good();
        invented["report"] = json!("restart `grafana`");
        assert_eq!(read(&invented, true).unwrap().unchecked, ["grafana"]);
    }

    #[test]
    fn a_delegation_is_to_those_there_are() {
        let all = roster(&config::Advisor::default());
        let others: Vec<&Who> = all.iter().skip(1).collect();
        let good = json!({"delegate": [{"to": "athena", "task": "look"}, {"to": "Athena", "task": "again"}], "ask": ""});
        let read = delegation(&good.to_string(), &others).unwrap();
        assert_eq!(read.to, [("Athena".to_owned(), "look".to_owned())]);
        let bad = json!({"delegate": [{"to": "Zeus", "task": "look"}], "ask": ""});
        assert!(delegation(&bad.to_string(), &others).is_err());
        assert!(delegation("hello", &others).is_err());
    }

    #[test]
    fn an_answer_is_without_thoughts_and_with_names_that_are_there() {
        let known = Known::of(&inventory(&["atlas/container/nginx"]), &[]);
        let (text, unchecked) =
            answer("<think>hm `x-y`</think>\n`nginx` is well.", &known, false).unwrap();
        assert_eq!((text.as_str(), unchecked.len()), ("`nginx` is well.", 0));
        assert!(answer("ask `grafana`", &known, false).is_err());
        assert_eq!(
            answer("ask `grafana`", &known, true).unwrap().1,
            ["grafana"]
        );
        assert!(answer("  ", &known, true).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever a model writes: what is proposed was offered, what is referred to was shown.
        #[test]
        fn nothing_is_let_through_that_was_not_offered(
            offers_named in prop::collection::vec("O[0-9]|none|restart.{0,5}", 0..5),
            evidence in prop::collection::vec("A[0-9]|\\[A1\\]|.{0,4}", 0..5),
            text in ".{0,40}", consult in "[A-Za-z]{0,8}|Athena", is_last: bool,
        ) {
            let propose: Vec<Value> = offers_named.iter().map(|offer| json!({"offer": offer, "reason": text})).collect();
            let answer = json!({"report": text, "confidence": 50, "evidence": evidence, "propose": propose, "consult": consult, "consult_question": text});
            if let Ok(report) = read(&answer, is_last) {
                prop_assert!(report.evidence.iter().all(|one| ["A1", "A2"].contains(&one.as_str())));
                for proposed in &report.proposals {
                    prop_assert!(offers().iter().any(|offer| offer.resource == proposed.resource && offer.action.action == proposed.action));
                }
                prop_assert!(report.consult.is_none_or(|(name, _)| config::BUILT_IN_SPECIALISTS.contains(&name.as_str())));
            }
        }
    }
}
