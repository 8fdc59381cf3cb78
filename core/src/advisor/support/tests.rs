//! What a recommendation needs to stand on, one ground after the other.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use steward_api::{ContainerFacts, Facts, Finding, Resource, ResourceId, Severity, Urgency};

use super::*;
use crate::advisor::{pieces, tests::case};

const RESTART: ActionName = ActionName::RestartContainer;

/// A case whose log gives no orders.
fn quiet(log: &[&str]) -> Consultation {
    let mut case = case();
    case.log = Ok(log.iter().map(|line| (*line).to_owned()).collect());
    case
}

fn of_catalogue(action: Option<ActionName>, confidence: u8) -> Diagnosis {
    Diagnosis {
        diagnosis: "Its health check can't be run".to_owned(),
        recommended_action: action,
        withheld: None,
        urgency: Urgency::Low,
        confidence,
        reasoning: "what fails is the check itself".to_owned(),
        evidence: Vec::new(),
        source: "catalogue:health-check-broken".to_owned(),
        advice: String::new(),
    }
}

fn container(health: Health, facts: ContainerFacts) -> Resource {
    Resource {
        id: ResourceId::container("atlas", "shop"),
        health,
        reason: "as last read".to_owned(),
        depends_on: Vec::new(),
        runs_on: None,
        facts: Facts::Container(Box::new(facts)),
        metrics: BTreeMap::new(),
        read_at: Timestamp::UNIX_EPOCH,
    }
}

fn why(action: ActionName, sure: u8, evidence: &[&str], case: &Consultation) -> Option<String> {
    let shown = pieces::all(case);
    let evidence: Vec<&Piece> = evidence
        .iter()
        .map(|reference| {
            shown
                .iter()
                .find(|piece| piece.reference == *reference)
                .unwrap()
        })
        .collect();
    objection(action, sure, &evidence, &shown, case)
}

#[track_caller]
fn withheld(word: &str, why: Option<String>) {
    assert!(
        why.as_ref().is_some_and(|why| why.contains(word)),
        "{why:?}"
    );
}

#[test]
fn what_a_strategy_has_stands_with_something_that_was_seen() {
    let case = quiet(&["panic: nil pointer"]);
    assert_eq!(why(RESTART, 85, &["L1"], &case), None);
    assert_eq!(why(RESTART, 50, &["F1"], &case), None);
    withheld("rests on nothing", why(RESTART, 85, &[], &case));
}

#[test]
fn a_start_is_as_good_as_a_restart() {
    let mut case = quiet(&[]);
    assert_eq!(why(ActionName::StartContainer, 85, &["F1"], &case), None);
    case.strategy.clear();
    case.incident.diagnoses = vec![of_catalogue(Some(RESTART), 92)];
    assert_eq!(why(ActionName::StartContainer, 85, &["F1"], &case), None);
}

#[test]
fn who_is_unsure_recommends_nothing() {
    let case = quiet(&[]);
    withheld("only 49 % sure", why(RESTART, 49, &["F1"], &case));
    withheld("only 0 % sure", why(RESTART, 0, &["F1"], &case));
}

#[test]
fn where_nothing_is_wrong_nothing_is_recommended() {
    let mut well = quiet(&[]);
    well.resource = Some(container(Health::Healthy, ContainerFacts::default()));
    withheld("it is well again", why(RESTART, 100, &["F1"], &well));
    well.resource = Some(container(Health::Stopped, ContainerFacts::default()));
    withheld("meant to be", why(RESTART, 100, &["F1"], &well));
    // Also where the catalogue would.
    well.incident.diagnoses = vec![of_catalogue(Some(RESTART), 90)];
    withheld("meant to be", why(RESTART, 100, &["F1"], &well));
    // Pressure is found in what runs.
    let mut pressed = quiet(&[]);
    pressed.resource = Some(container(Health::Healthy, ContainerFacts::default()));
    pressed.incident.findings[0].problem = Problem::MemoryPressure;
    pressed.strategy = vec![ActionName::SetLimits];
    assert_eq!(why(ActionName::SetLimits, 80, &["F1"], &pressed), None);
    let mut unfounded = quiet(&["one line"]);
    unfounded.incident.findings.clear();
    withheld("nothing was found", why(RESTART, 100, &["L1"], &unfounded));
    // Not known is not well.
    let mut unknown = quiet(&[]);
    unknown.resource = Some(container(Health::Unknown, ContainerFacts::default()));
    assert_eq!(why(RESTART, 80, &["F1"], &unknown), None);
}

#[test]
fn a_sure_catalogue_is_not_recommended_against() {
    let mut case = quiet(&["no space left on device"]);
    case.incident.diagnoses = vec![of_catalogue(None, 92)];
    withheld("92 % sure", why(RESTART, 100, &["F1"], &case));
    withheld("no action", why(ActionName::ClearTmp, 100, &["L1"], &case));
    // Unsure of itself, it is one word against another: both are shown.
    case.incident.diagnoses = vec![of_catalogue(None, 79)];
    assert_eq!(why(RESTART, 100, &["F1"], &case), None);
    // Who agrees with it needs no grounds of its own.
    case.incident.diagnoses = vec![of_catalogue(Some(ActionName::SetLimits), 92)];
    assert_eq!(why(ActionName::SetLimits, 60, &[], &case), None);
    // The operator's strategy goes well with a catalogue that sees something to do; what neither has does not.
    assert_eq!(why(RESTART, 100, &["F1"], &case), None);
    withheld("set_limits", why(ActionName::ClearTmp, 100, &["L1"], &case));
    // Another model's word is no ground.
    case.incident.diagnoses[0].source = "model:other".to_owned();
    withheld(
        "speaks for it",
        why(ActionName::SetLimits, 90, &["F1"], &case),
    );
}

#[test]
fn beside_orders_only_what_the_catalogue_says_too_stands() {
    let mut case = case();
    withheld(
        "orders to whoever reads it (L3)",
        why(RESTART, 100, &["F1"], &case),
    );
    case.incident.diagnoses = vec![of_catalogue(Some(RESTART), 60)];
    assert_eq!(why(RESTART, 100, &["F1"], &case), None);
}

#[test]
fn what_the_catalogue_says_and_what_was_once_is_no_observation() {
    let mut case = quiet(&["one line"]);
    case.incident.diagnoses = vec![of_catalogue(None, 20)];
    withheld("rests on nothing", why(RESTART, 90, &["C1"], &case));
    assert_eq!(why(RESTART, 90, &["C1", "F1.1"], &case), None);
}

#[test]
fn what_no_strategy_has_needs_words_or_facts_that_speak_for_it() {
    let plain = quiet(&[
        "all is well",
        "write /tmp/x: no space left on device",
        "FATAL: sorry, too many clients already",
    ]);
    for (action, speaks) in [
        (ActionName::ClearTmp, "L2"),
        (ActionName::PruneBuildCache, "L2"),
        (ActionName::ResetConnections, "L3"),
    ] {
        assert_eq!(why(action, 90, &[speaks], &plain), None, "{action}");
        withheld("speaks for it", why(action, 90, &["F1", "L1"], &plain));
    }
    // A log that claims it does not make a limit too low.
    let claims = quiet(&["out of memory: raise the limit"]);
    withheld(
        "speaks for it",
        why(ActionName::SetLimits, 99, &["L1"], &claims),
    );
    let mut killed = claims;
    let facts = ContainerFacts {
        oom_killed: true,
        ..ContainerFacts::default()
    };
    killed.resource = Some(container(Health::Unhealthy, facts));
    assert_eq!(why(ActionName::SetLimits, 99, &["L1"], &killed), None);

    let mut once = quiet(&[]);
    withheld(
        "speaks for it",
        why(ActionName::StopContainer, 99, &["F1"], &once),
    );
    let again = Finding {
        problem: Problem::RestartLoop,
        severity: Severity::Unhealthy,
        ..once.incident.findings[0].clone()
    };
    once.incident.findings.push(again);
    assert_eq!(why(ActionName::StopContainer, 99, &["F1"], &once), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a log says and however sure a model is: what no strategy has, no catalogue says and no fact of Steward's own speaks for
    /// stays withheld, unless it makes room on a disk or lets go of connections.
    #[test]
    fn no_log_brings_about_a_recommendation_that_costs_something(
        lines in prop::collection::vec("[ -~]{0,60}|.{0,20}(memory|limit|restart|stop|no space left|too many clients).{0,20}", 0..6),
        sure in 0..=100_u8, all: bool,
    ) {
        let mut case = case();
        case.log = Ok(lines);
        let shown = pieces::all(&case);
        let evidence: Vec<&Piece> = shown.iter().filter(|piece| all || piece.reference == "F1").collect();
        for action in ActionName::ALL {
            let is_held = objection(action, sure, &evidence, &shown, &case).is_some();
            let makes_room = action.risk() == steward_api::Risk::Low
                || matches!(action, ActionName::ResetConnections | ActionName::PruneStoppedContainers | ActionName::VacuumSystemdJournal);
            prop_assert!(is_held || is_the_same_deed(action, RESTART) || makes_room, "{action}");
        }
    }
}
