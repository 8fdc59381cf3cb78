//! The world's own counts.

use super::*;

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
