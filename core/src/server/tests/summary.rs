//! What the picture comes to in the summary and the status.

use super::*;
use crate::server::tests::fixture;

fn changed(change: impl Fn(&mut Resource)) -> View {
    let mut view = fixture::view();
    let resources = view
        .resources
        .iter()
        .map(|(id, resource)| {
            let mut resource = Resource::clone(resource);
            change(&mut resource);
            (id.clone(), Arc::new(resource))
        })
        .collect();
    view.resources = Arc::new(resources);
    view
}

fn json(view: &View) -> serde_json::Value {
    serde_json::to_value(system(view)).unwrap()
}

#[test]
fn the_summary_has_the_promised_fields() {
    assert_eq!(
        json(&fixture::view()),
        serde_json::json!({
            "container_health": {"healthy": 1, "unhealthy": 2, "stopped": 1, "restarting": 0, "unknown": 1},
            "database_health": {"connected": true, "latency_ms": 15.0,
                "databases": [{"resource": "atlas/database/main", "connected": true, "latency_ms": 15.0}]},
            "network_health": {"external_reachable": true, "dns_functional": true},
            "disk_status": {"usage_percent": 65.0, "available_gb": 150.0},
            "issues_found": 1, "tasks_created": 4
        })
    );
}

#[test]
fn what_could_not_be_read_is_null() {
    let view = changed(|resource| resource.health = Health::Unknown);
    let summary = json(&view);
    for pointer in [
        "/container_health",
        "/database_health/connected",
        "/database_health/latency_ms",
        "/database_health/databases/0/connected",
        "/network_health/external_reachable",
        "/network_health/dns_functional",
        "/disk_status/usage_percent",
        "/disk_status/available_gb",
    ] {
        assert!(summary.pointer(pointer).unwrap().is_null(), "{pointer}");
    }
    let mut empty = fixture::view();
    empty.resources = Arc::default();
    let summary = json(&empty);
    assert!(
        summary["container_health"].is_null() && summary["disk_status"]["usage_percent"].is_null()
    );
}

#[test]
fn a_dead_engine_does_not_count_containers() {
    let view = changed(|resource| {
        if resource.id.kind == ResourceKind::Engine {
            resource.health = Health::Unhealthy;
        }
    });
    assert_eq!(system(&view).container_health, None);
}

#[test]
fn the_worst_database_speaks_for_all() {
    let with = |answers: &[Option<bool>]| {
        let mut view = fixture::view();
        let main = view.resources[&fixture::id("atlas/database/main")].clone();
        let resources = answers.iter().enumerate().map(|(index, connected)| {
            let mut database = Resource::clone(&main);
            database.id = fixture::id(&format!("atlas/database/{index}"));
            #[allow(clippy::cast_precision_loss, reason = "a few")]
            database
                .metrics
                .insert(Metric::LatencyMs, 10.0 + index as f64);
            if let Facts::Database(facts) = &mut database.facts {
                facts.connected = *connected;
            }
            (database.id.clone(), Arc::new(database))
        });
        view.resources = Arc::new(resources.collect());
        let health = system(&view).database_health;
        assert_eq!(health.databases.len(), answers.len());
        (health.connected, health.latency_ms)
    };
    assert_eq!(with(&[]), (None, None));
    assert_eq!(
        with(&[Some(true), Some(true)]),
        (Some(true), Some(11.0)),
        "the slowest"
    );
    assert_eq!(
        with(&[Some(true), None]),
        (None, None),
        "not known is worse than up"
    );
    assert_eq!(with(&[None, Some(false), Some(true)]), (Some(false), None));
}

#[test]
fn the_fullest_disk_is_shown_with_its_own_space() {
    let mut view = fixture::view();
    let mut var = Resource::clone(&view.resources[&fixture::id("atlas/disk//")]);
    var.id = fixture::id("atlas/disk//var");
    var.metrics.insert(Metric::DiskPercent, 91.26);
    if let Facts::Disk(facts) = &mut var.facts {
        facts.available_bytes = 1_540_000_000;
    }
    let mut resources = BTreeMap::clone(&view.resources);
    resources.insert(var.id.clone(), Arc::new(var));
    view.resources = Arc::new(resources);
    let disk = system(&view).disk_status;
    assert_eq!(
        (disk.usage_percent, disk.available_gb),
        (Some(91.3), Some(1.5))
    );
}

#[test]
fn dependents_are_what_depends_on_it_and_what_runs_on_it() {
    let view = fixture::view();
    let of = |id: &str| {
        dependents(&view, &fixture::id(id))
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("atlas/container/db"), ["atlas/container/app"]);
    assert_eq!(of("atlas/host"), ["atlas/engine/docker"]);
    assert_eq!(of("atlas/engine/docker").len(), 5);
    assert!(of("atlas/network/dns").is_empty());
}

#[test]
fn a_clock_set_back_gives_no_negative_uptime() {
    let view = fixture::view();
    assert_eq!(
        health(&view, view.started_at - jiff::SignedDuration::from_secs(5)).uptime_seconds,
        0
    );
    assert_eq!(
        health(&view, view.started_at + jiff::SignedDuration::from_secs(5)).uptime_seconds,
        5
    );
}
