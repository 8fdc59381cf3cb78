//! Tests of the words: what a person would read.

use steward_api::{Autonomy, Health, Plan, RemedyRecord, Step, Undo};

use super::*;
use crate::{route::Route, samples};

#[test]
fn events_say_what_happened_in_the_words_of_the_house() {
    let said = |entry: &Envelope| event(&entry.event).1;
    assert_eq!(
        said(&samples::changed(
            1,
            "web",
            Health::Healthy,
            Health::Unhealthy
        )),
        "web healthy → unhealthy: why web"
    );
    assert_eq!(
        said(&samples::autonomy(1, Autonomy::Observe)),
        "Autonomy assist → observe by admin"
    );
    let task = samples::task(3, "web");
    assert_eq!(
        said(&samples::task_event(1, TaskChange::Created, &task)),
        "Task 3 made: Raise memory of web. It waits for a yes"
    );
    let mut signed_in = Event::SignedIn {
        identity: "evin".to_owned(),
        role: steward_api::Role::Operator,
        by: steward_api::SignInBy::Link,
        from: "192.0.2.7".to_owned(),
    };
    assert_eq!(
        event(&signed_in).1,
        "evin (operator) signed in by a sign-in link from 192.0.2.7"
    );
    if let Event::SignedIn { from, .. } = &mut signed_in {
        from.clear();
    }
    assert!(event(&signed_in).1.ends_with("by a sign-in link"));
    let incident = samples::incident(7, "web");
    assert_eq!(
        said(&samples::incident_event(
            1,
            IncidentChange::Reopened,
            &incident
        )),
        "Incident 7 came back: web ended with exit code 1"
    );
}

#[test]
fn what_an_incident_waits_for_is_said() {
    let mut incident = samples::incident(7, "web");
    assert_eq!(incident_state(&incident), "Being looked into");
    let mut decided = |verdict| {
        incident.decision = Some(steward_api::Decision {
            verdict,
            reason: "Why".to_owned(),
            guard: None,
            retry_at: None,
        });
        incident_state(&incident)
    };
    assert_eq!(decided(Verdict::ActNow), "Steward sees to it now · Why");
    assert_eq!(decided(Verdict::Ask), "Waits for a yes or no · Why");
    assert_eq!(decided(Verdict::Withhold), "Why");
}

#[test]
fn what_helped_is_the_deed_and_not_only_that_it_is_over() {
    let mut incident = samples::incident(7, "web");
    let mut over = |kind| {
        incident.resolution = Some(steward_api::Resolution {
            kind,
            text: "It is well".to_owned(),
        });
        incident.note(samples::at("12:00:00"), Phase::Acted, "Done: restarted web");
        incident.note(samples::at("12:00:01"), Phase::Resolved, "It is well");
        what_helped(&incident)
    };
    assert_eq!(over(ResolutionKind::Healed), "Done: restarted web");
    assert_eq!(over(ResolutionKind::Recovered), "It is well");
}

#[test]
fn an_unknown_health_never_looks_well() {
    let (mark, _) = event(&samples::changed(1, "web", Health::Unhealthy, Health::Unknown).event);
    assert_eq!(mark.tone, Tone::Unsure);
}

#[test]
fn a_plan_shows_the_exact_change_and_its_undo() {
    let plan_of = Plan::new(vec![samples::set_limits("web", 512, 768)]).unwrap();
    let lines = plan(&plan_of);
    assert_eq!(
        lines.iter().map(|line| line.label).collect::<Vec<_>>(),
        ["will do", "memory limit", "only while", "done when", "undo"]
    );
    assert_eq!(
        lines[1].change,
        Some(("512 MiB".to_owned(), "768 MiB".to_owned()))
    );
    assert_eq!(
        lines[4].text,
        "Set limits of web: memory from 768 MiB to 512 MiB"
    );
    assert_eq!(plan_in_short(&plan_of).len(), 4);
}

#[test]
fn several_steps_are_numbered_and_a_missing_undo_is_said() {
    let first = samples::set_limits("web", 512, 768);
    let second = Step {
        undo: Undo::Impossible {
            reason: "it only starts".to_owned(),
        },
        ..first.clone()
    };
    let lines = plan(&Plan::new(vec![first, second]).unwrap());
    let steps: Vec<_> = lines
        .iter()
        .filter(|line| matches!(line.label, "will do" | "then"))
        .collect();
    assert!(steps[0].text.starts_with("1. ") && steps[0].label == "will do");
    assert!(steps[1].text.starts_with("2. ") && steps[1].label == "then");
    assert_eq!(lines.last().unwrap().text, "none: it only starts");
}

#[test]
fn a_record_is_honest_about_having_none() {
    let of = |successes_here, failures_here, failures_in_a_row_here, successes, failures| {
        record(&RemedyRecord {
            successes_here,
            failures_here,
            failures_in_a_row_here,
            successes,
            failures,
        })
    };
    assert_eq!(of(0, 0, 0, 0, 0), "This fix has not been tried before.");
    assert_eq!(of(4, 0, 0, 9, 1), "This fix worked here 4 of 4 times.");
    assert_eq!(
        of(1, 2, 2, 1, 2),
        "This fix worked here 1 of 3 times. It failed the last 2 times."
    );
    assert_eq!(
        of(0, 0, 0, 1, 0),
        "This fix is new here; elsewhere it worked the one time it was tried."
    );
}

#[test]
fn entries_lead_to_what_they_are_about() {
    let task = samples::task(3, "web");
    assert_eq!(
        link(&samples::task_event(1, TaskChange::Created, &task)),
        Some(Route::Task(task.id))
    );
    assert_eq!(link(&samples::agent_started(1)), None);
    assert_eq!(
        link(&samples::gone(1, "web")),
        None,
        "there is nothing to see any more"
    );
}

#[test]
fn sources_are_named_for_a_person() {
    assert_eq!(source("catalogue:exit-code"), "the catalogue (exit code)");
    // A model's name may hold a colon itself.
    assert_eq!(source("model:qwen3:8b"), "the model qwen3:8b");
    assert_eq!(source("llama3.2:3b"), "llama3.2:3b");
}
