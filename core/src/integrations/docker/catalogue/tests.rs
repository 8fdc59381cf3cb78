//! What the patterns of states say, beyond what logs tell.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use steward_api::{ContainerFacts, ContainerStatus, Facts, Resource, ResourceId};

use super::*;
use crate::ports::{Death, ResourceHistory};

fn container(name: &str, health: Health, facts: ContainerFacts) -> Resource {
    Resource {
        id: ResourceId::container("n", name),
        health,
        reason: String::new(),
        depends_on: Vec::new(),
        runs_on: None,
        facts: Facts::Container(Box::new(facts)),
        metrics: BTreeMap::new(),
        read_at: Timestamp::UNIX_EPOCH,
    }
}

fn unhealthy(output: &str) -> Resource {
    let facts = ContainerFacts {
        status: ContainerStatus::Running,
        has_health_check: true,
        health_output: Some(output.to_owned()),
        ..ContainerFacts::default()
    };
    container("web", Health::Unhealthy, facts)
}

/// The surest answer, as the engine would take it.
fn surest(problem: Problem, resource: &Resource, failing: &[&Resource]) -> Option<CatalogueMatch> {
    surest_after(problem, resource, failing, &ResourceHistory::default())
}

fn surest_after(
    problem: Problem,
    resource: &Resource,
    failing: &[&Resource],
    history: &ResourceHistory,
) -> Option<CatalogueMatch> {
    let case = Case {
        problem,
        problems: &[problem],
        resource,
        history,
        log: &[],
        failing_dependencies: failing,
    };
    catalogue()
        .iter()
        .filter_map(|pattern| pattern.explain(&case))
        .reduce(|best, other| {
            if other.confidence > best.confidence {
                other
            } else {
                best
            }
        })
}

#[test]
fn every_entry_has_its_own_name() {
    let names: Vec<_> = catalogue()
        .iter()
        .flat_map(|pattern| pattern.entries())
        .collect();
    let unique: BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
}

#[test]
fn a_check_that_can_not_be_run_says_nothing_of_the_program() {
    for output in [
        "OCI runtime exec failed: exec failed: unable to start container process: exec: \"curl\": executable file not found in $PATH: unknown",
        "OCI runtime exec failed: exec failed: container_linux.go:380: starting container process caused: exec: \"/check.sh\": stat /check.sh: no such file or directory: unknown",
        "/bin/sh: 1: curl: not found",
        "/bin/sh: curl: not found\n",
        "bash: line 1: curl: command not found",
    ] {
        let found = surest(Problem::ContainerUnhealthy, &unhealthy(output), &[]).unwrap();
        assert_eq!(found.entry, "health-check-broken", "{output}");
        assert_eq!(found.action, None);
    }
    for (output, entry) in [
        ("HTTP/1.1 404 Not Found", "health-check"),
        (
            "curl: (7) Failed to connect to localhost port 80",
            "health-check",
        ),
        (
            // Whom a check can't connect to is the program itself, nothing that it depends on.
            "dial tcp 127.0.0.1:80: connect: connection refused",
            "health-check",
        ),
    ] {
        let resource = unhealthy(output);
        let found = surest(Problem::ContainerUnhealthy, &resource, &[]).unwrap();
        assert_eq!(
            (found.entry, found.action),
            (entry, Some(ActionName::RestartContainer))
        );
    }
}

#[test]
fn what_was_stopped_is_not_made_up_for_by_restarting_what_needs_it() {
    let web = container("web", Health::Unhealthy, ContainerFacts::default());
    let of = |health| {
        let db = container("db", health, ContainerFacts::default());
        surest(Problem::ContainerStopped, &web, &[&db]).unwrap()
    };
    let stopped = of(Health::Stopped);
    assert_eq!(
        (stopped.entry, stopped.action),
        ("failing-dependency", None)
    );
    assert!(stopped.advice.contains("Start db"), "{stopped:?}");
    let failing = of(Health::Unhealthy);
    assert_eq!(failing.action, Some(ActionName::RestartContainer));
}

#[test]
fn a_loop_of_kills_for_memory_is_told_as_such_and_another_is_not() {
    let of = |kills: &[bool], limit: Option<u64>| {
        let history = ResourceHistory {
            deaths: kills
                .iter()
                .map(|oom| Death {
                    at: Timestamp::UNIX_EPOCH,
                    exit_code: 137,
                    oom: *oom,
                    cause: EndCause::Crash,
                })
                .collect(),
            oom_kills: kills
                .iter()
                .filter(|oom| **oom)
                .map(|_| Timestamp::UNIX_EPOCH)
                .collect(),
            ..ResourceHistory::default()
        };
        let facts = ContainerFacts {
            status: ContainerStatus::Restarting,
            memory_limit_bytes: limit,
            ..ContainerFacts::default()
        };
        surest_after(
            Problem::RestartLoop,
            &container("web", Health::Restarting, facts),
            &[],
            &history,
        )
        .unwrap()
    };
    let limit = Some(32 << 20);
    let killed = of(&[true, true, true, true], limit);
    assert_eq!(
        (killed.entry, killed.action),
        ("oom-killed", Some(ActionName::SetLimits))
    );
    assert!(killed.cause.contains("32 MiB"), "{}", killed.cause);
    // Where nothing limits it, one more restart would not help either.
    let unlimited = of(&[false, true, true, true], None);
    assert_eq!((unlimited.entry, unlimited.action), ("oom-killed", None));
    // Killed once, but not because of that it ends again and again; of old kills nothing follows.
    for kills in [
        &[false, true, false, true][..],
        &[true, true, false, false, false, true],
    ] {
        assert_eq!(of(kills, limit).entry, "restart-loop", "{kills:?}");
    }
}
