//! Properties of the whole flow: whatever happens on the stage in whatever order, and however tasks end, these hold.
//!
//! Random scenarios in the words of the folder's first page are played; after each turn of the runner everything is looked at.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use steward_api::{
    ActionName, Autonomy, IncidentChange, ResolutionKind, ResourceId, ResourceKind, Risk,
    StepResult, Verdict,
};

use super::{run::Runner, script::Script};
use crate::config::default_strategy;

const STAGE: &str = "\
container db port image=postgres:16 policy=always memory=256
container app port depends_on=db healthcheck
container web port
container job depends_on=app
container free port auto_restart=true max_restarts=2
service shop container=web
database pg container=db
disk /var
";

/// One thing that may happen, and how long after the one before.
fn events() -> impl Strategy<Value = Vec<(u64, String)>> {
    let container = prop::sample::select(vec!["db", "app", "web", "job", "free"]);
    let happens = prop_oneof![
        6 => (0..3_i64).prop_map(|code| format!("dies {code}")),
        1 => Just("dies 137 oom".to_owned()),
        1 => Just("restarting 1".to_owned()),
        4 => Just("starts".to_owned()),
        2 => prop::sample::select(vec![1, 9, 15]).prop_map(|number| format!("killed {number}")),
        1 => Just("stopped".to_owned()),
        1 => Just("unhealthy".to_owned()),
        1 => Just("healthy".to_owned()),
        1 => Just("checking".to_owned()),
        1 => Just("oom-child".to_owned()),
        1 => Just("recreated".to_owned()),
        1 => (20..100_u32).prop_map(|memory| format!("memory={memory}")),
    ];
    let one = prop_oneof![
        16 => (any::<bool>(), container, happens).prop_map(|(unseen, name, what)| {
            let unseen = if unseen && what != "recreated" && !what.contains('=') { "unseen " } else { "" };
            format!("{unseen}{name} {what}")
        }),
        1 => prop::sample::select(vec!["fails no", "answers", "unreadable", "latency=4000"])
            .prop_map(|what| format!("shop {what}")),
        1 => prop::sample::select(vec!["fails no", "answers", "unreadable", "connections=99"])
            .prop_map(|what| format!("pg {what}")),
        1 => (50..100_u32).prop_map(|percent| format!("/var disk={percent}")),
        1 => prop::sample::select(vec!["engine silent", "engine answers"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["journal fails", "journal works"]).prop_map(str::to_owned),
        2 => prop::sample::select(vec!["approve", "reject"]).prop_map(str::to_owned),
        1 => prop::sample::select(Autonomy::ALL.to_vec()).prop_map(|level| format!("autonomy {level}")),
        3 => prop::sample::select(vec!["ok", "ok after 1s", "dies", "error", "skipped", "never", "ok after 2m"])
            .prop_map(|how| format!("tasks {how}")),
    ];
    let pause = prop_oneof![4 => 0..3_u64, 4 => 3..60_u64, 2 => 60..1200_u64];
    prop::collection::vec((pause, one), 1..60)
}

/// The scenario of some events. While the engine is silent, nothing of its containers is seen.
fn scenario(events: &[(u64, String)]) -> String {
    let mut text = STAGE.to_owned();
    let mut at = 0;
    let mut silent = false;
    for (pause, what) in events {
        at += pause;
        silent = match what.as_str() {
            "engine silent" => true,
            "engine answers" => false,
            _ => silent,
        };
        if silent && what.ends_with("recreated") {
            continue;
        }
        let is_container = ["db ", "app ", "web ", "job ", "free "]
            .iter()
            .any(|name| what.starts_with(name));
        let unseen = if silent && is_container && !what.contains('=') {
            "unseen "
        } else {
            ""
        };
        text.push_str(&format!("at {at}s {unseen}{what}\n"));
    }
    text.push_str(&format!("at {}s end\n", at + 3600));
    text
}

/// What is kept while a scenario is looked at.
#[derive(Default)]
struct Looker {
    changes: usize,
    made: usize,
    opened: BTreeSet<i64>,
}

impl Looker {
    fn look(&mut self, runner: &Runner) {
        let mut ids = BTreeSet::new();
        let mut resources = BTreeSet::new();
        for incident in runner.incidents.active() {
            assert!(ids.insert(incident.id), "two incidents have one number");
            assert!(
                resources.insert(&incident.resource),
                "two incidents of {}",
                incident.resource
            );
            assert!(
                !incident.findings.is_empty(),
                "{} has no findings",
                incident.id
            );
            assert!(incident.is_active() && incident.resolution.is_none());
            assert!(
                !incident.affected.contains(&incident.resource),
                "it is its own effect"
            );
            let affected: BTreeSet<_> = incident.affected.iter().collect();
            assert_eq!(affected.len(), incident.affected.len(), "listed twice");
        }
        for (change, incident) in &runner.changes[self.changes..] {
            match change {
                IncidentChange::Resolved => {
                    assert!(incident.resolution.is_some() && incident.resolved_at.is_some());
                }
                IncidentChange::Detected => {
                    assert!(self.opened.insert(incident.id.0), "a number is used twice");
                }
                _ => assert!(incident.is_active()),
            }
            // What can't be read tells nothing.
            if runner.stage.engine_error.is_some()
                && incident.resource.kind == ResourceKind::Container
            {
                let is_absorbed = incident
                    .resolution
                    .as_ref()
                    .is_some_and(|end| end.kind == ResolutionKind::Absorbed);
                assert!(
                    is_absorbed || *change == IncidentChange::Updated,
                    "{change:?} of {} while its engine is silent",
                    incident.resource
                );
            }
        }
        self.changes = runner.changes.len();
        for (task, answer) in &runner.made[self.made..] {
            if answer.decision.verdict != Verdict::ActNow {
                assert!(task.requires_approval);
                continue;
            }
            assert!(!task.requires_approval);
            assert!(answer.decision.guard.is_none(), "{:?}", answer.decision);
            assert!(runner.journal_works, "done without a journal");
            assert_ne!(
                task.plan.risk(),
                Risk::High,
                "{}",
                task.plan.steps()[0].action
            );
            assert_ne!(runner.autonomy, Autonomy::Observe);
            let has_label = task.plan.touches().iter().all(|id| {
                let facts = runner
                    .world
                    .get(id)
                    .and_then(|resource| resource.container());
                facts.is_some_and(|facts| facts.labels.auto_restart == Some(true))
            });
            if runner.autonomy == Autonomy::Ask {
                assert!(has_label && task.plan.risk() == Risk::Low);
            }
            if task.plan.risk() == Risk::Medium {
                assert_eq!(runner.autonomy, Autonomy::Autopilot);
            }
        }
        self.made = runner.made.len();
    }
}

fn limit(container: &ResourceId) -> usize {
    if container.name == "free" { 2 } else { 3 }
}

/// Whether some hour holds more restarts of a resource than its limit.
fn beyond_limit(restarts: &[(Timestamp, ResourceId, steward_api::TaskId)]) -> Option<ResourceId> {
    let mut by_container: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (at, id, _) in restarts {
        by_container.entry(id.clone()).or_default().push(*at);
    }
    by_container.into_iter().find_map(|(id, times)| {
        let most = limit(&id);
        let is_beyond = times
            .windows(most + 1)
            .any(|window| window[most].duration_since(window[0]) < SignedDuration::from_hours(1));
        is_beyond.then_some(id)
    })
}

/// The most tries of an action that any strategy allows within an incident.
fn most_tries(action: ActionName) -> usize {
    steward_api::Problem::ALL
        .into_iter()
        .flat_map(default_strategy)
        .filter(|step| step.action == action)
        .map(|step| step.attempts as usize)
        .max()
        .unwrap_or(1)
}

/// What a plan tries. New limits for what does not run are followed by its start; one that heals what it needs first ends with its own.
fn tried(plan: &steward_api::Plan) -> ActionName {
    let names: Vec<_> = plan.steps().iter().map(|step| step.action.name()).collect();
    let other = names.iter().find(|name| !name.is_restart());
    *other.or(names.last()).expect("a plan has a step")
}

/// How often a task's incident had come back when the task was made.
fn flaps_when_made(runner: &Runner, task: &steward_api::Task) -> u32 {
    runner
        .changes
        .iter()
        .filter(|(change, incident)| {
            *change == IncidentChange::Reopened
                && Some(incident.id) == task.incident
                && incident.updated_at <= task.created_at
        })
        .count() as u32
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_flow_keeps_its_promises(events in events()) {
        let text = scenario(&events);
        let mut runner = Runner::new(Script::parse(&text));
        let mut looker = Looker::default();
        runner.run_on(&mut |runner| looker.look(runner));
        prop_assert_eq!(beyond_limit(&runner.restarts), None, "restarted beyond the limit");
        // Steward's own tries within one incident are bounded by the strategy, whatever happened.
        let mut tries: BTreeMap<_, usize> = BTreeMap::new();
        for (task, answer) in &runner.made {
            let was_done = runner.done.iter().any(|(id, result)| *id == task.id && *result != StepResult::Skipped);
            if answer.decision.verdict == Verdict::ActNow && was_done {
                let action = tried(&task.plan);
                *tries.entry((task.incident, flaps_when_made(&runner, task), action)).or_default() += 1;
            }
        }
        for ((incident, _, action), count) in tries {
            prop_assert!(count <= most_tries(action), "{action} was tried {count} times for incident {incident:?}");
        }
    }

    #[test]
    fn the_same_events_are_told_the_same_way(events in events()) {
        let text = scenario(&events);
        prop_assert_eq!(super::story(&text), super::story(&text));
    }
}
