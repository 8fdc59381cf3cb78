//! The world's own counts.

use super::*;
use crate::ports::{ContainerSignal, Signal};

#[test]
fn a_finished_job_is_no_fault_among_others() {
    let at: Timestamp = "2026-03-10T12:00:00Z".parse().unwrap();
    let mut world = World::default();
    for (name, health) in [("job", Health::Stopped), ("web", Health::Unhealthy)] {
        let id = ResourceId::container("n", name);
        let history = world.history_mut(&id);
        push_death(
            history,
            Death {
                at,
                exit_code: 0,
                oom: false,
                cause: EndCause::Unseen,
            },
        );
        world.insert(Resource {
            id,
            health,
            reason: String::new(),
            depends_on: Vec::new(),
            runs_on: None,
            facts: Facts::Container(Box::default()),
            metrics: std::collections::BTreeMap::new(),
            read_at: at,
        });
    }
    assert_eq!(world.recent_faults(at, SignedDuration::from_secs(30)), 1);
}

/// A machine with these containers, as read by `docker` at `at`.
fn machine(world: &mut World, names: &[&str], at: Timestamp) {
    let resources = names
        .iter()
        .map(|name| Resource {
            id: ResourceId::container("n", *name),
            health: Health::Healthy,
            reason: String::new(),
            depends_on: Vec::new(),
            runs_on: None,
            facts: Facts::Container(Box::new(steward_api::ContainerFacts {
                status: ContainerStatus::Running,
                ..Default::default()
            })),
            metrics: std::collections::BTreeMap::new(),
            read_at: at,
        })
        .collect();
    let reading = Observation {
        source: "docker".to_owned(),
        taken_at: at,
        coverage: Coverage::Complete,
        resources,
        unreadable: Vec::new(),
        versions: Default::default(),
        recheck_in: None,
        security: None,
    };
    world.absorb(reading, at);
}

fn stopped(world: &mut World, name: &str, asked_at: Timestamp, died_at: Timestamp) {
    for (at, kind) in [
        (asked_at, ContainerSignal::KillRequested { signal: 15 }),
        (died_at, ContainerSignal::Died { exit_code: 0 }),
    ] {
        world.signal(&Signal {
            resource: ResourceId::container("n", name),
            container_id: String::new(),
            at,
            kind,
        });
    }
}

fn cause(world: &World, name: &str) -> EndCause {
    let history = world.history(&ResourceId::container("n", name)).unwrap();
    history.last_death().unwrap().cause
}

#[test]
fn an_engine_that_answers_nobody_may_still_be_stopping_its_containers() {
    let at = |tenths: i64| {
        let start: Timestamp = "2026-03-10T12:00:00Z".parse().unwrap();
        later(start, SignedDuration::from_millis(100 * tenths))
    };
    let mut world = World::default();
    machine(&mut world, &["persons", "web", "slow"], at(0));
    stopped(&mut world, "persons", at(10), at(81));
    // The shutdown begins: it takes no more questions, but its stream goes on.
    world.lose_source("docker", at(30), "connection refused", None);
    assert_eq!(cause(&world, "persons"), EndCause::Operator);
    stopped(&mut world, "web", at(31), at(32));
    stopped(&mut world, "slow", at(31), at(90));
    world.lose_stream("docker", at(95));
    for (name, expected) in [
        ("persons", EndCause::Operator),
        ("web", EndCause::EngineOutage),
        ("slow", EndCause::EngineOutage),
    ] {
        assert_eq!(cause(&world, name), expected, "{name}");
    }
}

#[test]
fn a_stream_that_is_lost_alone_takes_nothing_along() {
    let at: Timestamp = "2026-03-10T12:00:00Z".parse().unwrap();
    let seconds = |count| later(at, SignedDuration::from_secs(count));
    let mut world = World::default();
    machine(&mut world, &["web"], at);
    stopped(&mut world, "web", seconds(1), seconds(2));
    world.lose_stream("docker", seconds(3));
    machine(&mut world, &["web"], seconds(3));
    world.lose_source("docker", seconds(4), "a hiccup", None);
    assert_eq!(cause(&world, "web"), EndCause::Operator);
}
