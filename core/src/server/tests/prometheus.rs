//! The metrics as Prometheus reads them.

use std::collections::BTreeSet;

use super::*;
use crate::{
    engine::metrics::{ActionLabels, ContainerLabels, IncidentLabels, TaskLabels},
    server::tests::{World, fixture},
};

fn counted() -> Metrics {
    let metrics = Metrics::default();
    let text = str::to_owned;
    metrics
        .incidents
        .get_or_create(&IncidentLabels {
            kind: text("container_stopped"),
            severity: text("unhealthy"),
        })
        .inc_by(3);
    metrics
        .actions
        .get_or_create(&ActionLabels {
            action: text("restart_container"),
            result: text("succeeded"),
        })
        .inc();
    metrics
        .container_restarts
        .get_or_create(&ContainerLabels {
            container: text("quo\"te\\d"),
        })
        .inc();
    metrics
        .tasks
        .get_or_create(&TaskLabels {
            state: text("completed"),
        })
        .inc_by(2);
    metrics.approval_response.observe(42.0);
    metrics.monitoring_cycle.observe(0.2);
    metrics
        .health_check
        .get_or_create(&SourceLabels {
            source: text("docker"),
        })
        .observe(0.14);
    *metrics.autofix.lock().unwrap() = (3, 4);
    metrics
}

fn value<'a>(text: &'a str, series: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
}

#[test]
fn the_promised_names_are_there_in_both_forms() {
    let open = open_metrics(&counted(), &fixture::view(), 90).unwrap();
    assert!(open.ends_with("# EOF\n"));
    let plain = plain(&open);
    for text in [&open, &plain] {
        for (series, expected) in [
            ("steward_active_incidents{severity=\"unhealthy\"}", "1"),
            ("steward_active_incidents{severity=\"critical\"}", "0"),
            (
                "steward_incidents_total{kind=\"container_stopped\",severity=\"unhealthy\"}",
                "3",
            ),
            (
                "steward_actions_total{action=\"restart_container\",result=\"succeeded\"}",
                "1",
            ),
            ("steward_autofix_success_ratio", "0.75"),
            ("steward_approval_response_seconds_count", "1"),
            ("steward_approval_response_seconds_bucket{le=\"60.0\"}", "1"),
            ("steward_monitoring_cycle_seconds_count", "1"),
            ("steward_health_check_seconds_count{source=\"docker\"}", "1"),
            (
                "steward_container_restarts_total{container=\"quo\\\"te\\\\d\"}",
                "1",
            ),
            (
                "steward_resource_health{resource=\"atlas/container/nginx\"}",
                "1",
            ),
            (
                "steward_resource_health{resource=\"atlas/container/app\"}",
                "0",
            ),
            (
                "steward_resource_latency_seconds{resource=\"atlas/database/main\"}",
                "0.015",
            ),
            ("steward_source_up{source=\"docker\"}", "1"),
            ("steward_tasks_total{state=\"completed\"}", "2"),
            ("steward_open_tasks{state=\"pending\"}", "3"),
            ("steward_uptime_seconds", "90.0"),
        ] {
            assert_eq!(value(text, series), Some(expected), "{series} in\n{text}");
        }
        for absent in ["atlas/container/new", "atlas/container/job", "_total_total"] {
            assert!(!text.contains(absent), "{absent}");
        }
    }
    assert!(!plain.contains("# EOF"));
    assert!(
        plain.contains("# TYPE steward_incidents_total counter\n"),
        "{plain}"
    );
    assert!(
        plain.contains("# HELP steward_incidents_total Incidents opened"),
        "{plain}"
    );
    assert!(open.contains("# TYPE steward_incidents counter\n"));
}

#[test]
fn a_ratio_of_nothing_is_absent() {
    let text = open_metrics(&Metrics::default(), &fixture::view(), 0).unwrap();
    assert!(!text.contains("steward_autofix_success_ratio"));
}

#[test]
fn no_series_comes_twice_and_each_has_its_family() {
    let text = plain(&open_metrics(&counted(), &fixture::view(), 90).unwrap());
    let mut seen = BTreeSet::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().unwrap().to_owned();
            assert!(seen.insert(rest.to_owned()), "{rest}");
        } else if !line.starts_with('#') {
            let (series, number) = line.rsplit_once(' ').unwrap();
            assert!(series.starts_with(&family), "{line} under {family}");
            assert!(number.parse::<f64>().is_ok(), "{line}");
            assert!(seen.insert(series.to_owned()), "{series} comes twice");
        }
    }
}

#[tokio::test]
async fn the_form_is_what_the_scraper_asks_for() {
    let world = World::new().await;
    let scrape = async |accept: &str| {
        let request = world
            .request("GET", "/metrics", Some(Role::Viewer))
            .header("Accept", accept);
        let response = request.send().await.unwrap();
        let kind = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        (kind, response.text().await.unwrap())
    };
    let (kind, text) = scrape("application/openmetrics-text;version=1.0.0,text/plain;q=0.5").await;
    assert_eq!(kind, OPEN_METRICS);
    assert!(text.ends_with("# EOF\n"));
    let (kind, text) = scrape("*/*").await;
    assert_eq!(kind, PLAIN);
    assert!(!text.contains("# EOF"));
}
