//! Tests of what the Security screen shows: that the sum comes out, what comes first, and that what was not read is not clean.

use steward_api::{
    ConfigurationRiskKind as RiskKind, ImageScan, ScorePoint, TaskState,
    VulnerabilitySeverity as Severity,
};

use super::*;
use crate::{
    filter::SecurityFilter,
    samples::{self, at, security as sample},
};

#[test]
fn the_sum_comes_out_exactly_whatever_was_taken_off() {
    for points in [
        &[][..],
        &[20],
        &[40, 15, 10, 10, 5],
        &[40, 40, 30, 10, 10],
        &[100, 100],
    ] {
        let score = sample::score_of(points);
        let text = formula(&score);
        let (sum, is) = text.split_once(" = ").unwrap();
        let sum = sum.replace(" − ", " -").replace(" + ", " ");
        let total: i64 = sum
            .split(' ')
            .map(|term| term.parse::<i64>().unwrap())
            .sum();
        assert_eq!(total, is.parse::<i64>().unwrap(), "{text}");
        assert_eq!(total, i64::from(score.score));
    }
    assert_eq!(formula(&sample::score_of(&[40, 10])), "100 − 40 − 10 = 50");
    assert_eq!(
        formula(&sample::score_of(&[80, 40])),
        "100 − 80 − 40 + 20 = 0"
    );
}

#[test]
fn what_a_cap_spared_and_what_goes_below_zero_is_told() {
    let mut score = sample::score_of(&[80, 40]);
    score.deductions[0].spared = 60;
    let notes = formula_notes(&score).join(" ");
    assert!(notes.contains("20 points are given back"), "{notes}");
    assert!(notes.contains("Caps spare 60 points more"), "{notes}");
    assert_eq!(
        formula_notes(&sample::score_of(&[])),
        ["Nothing takes points off."]
    );
    assert!(formula_notes(&sample::score_of(&[10])).is_empty());
}

#[test]
fn a_part_that_was_not_read_is_grey_and_one_that_was_is_no_green() {
    let now = at("12:00:00");
    let state = |read, gaps: &[&str]| part_mark(&sample::part(ScanPart::Ports, read, gaps), now);
    assert_eq!(state(None, &[]).tone, Tone::Unsure);
    assert_eq!(state(None, &[]).word, "not read yet");
    assert_eq!(state(None, &["why"]).word, "could not be read");
    assert_eq!(state(Some("11:30:00"), &["why"]).word, "read with gaps");
    assert_eq!(state(Some("11:30:00"), &[]).word, "read");
    assert_eq!(state(Some("09:00:00"), &[]).word, "overdue");
    for part in [
        state(Some("11:30:00"), &[]),
        state(Some("11:30:00"), &["why"]),
    ] {
        assert_ne!(part.tone, Tone::Good);
    }
}

#[test]
fn nothing_found_is_told_from_nothing_read() {
    let report = SecurityReport {
        parts: vec![
            sample::part(ScanPart::Vulnerabilities, None, &[]),
            sample::part(ScanPart::Certificates, None, &["why"]),
            sample::part(ScanPart::Ports, Some("11:00:00"), &[]),
            sample::part(ScanPart::Authentication, Some("11:00:00"), &["why"]),
        ],
        ..SecurityReport::default()
    };
    let of = |part| nothing(&report, part);
    assert_eq!(of(ScanPart::Vulnerabilities), Nothing::NotRead);
    assert_eq!(
        of(ScanPart::Certificates),
        Nothing::Failed(vec!["why".to_owned()])
    );
    assert_eq!(of(ScanPart::Ports), Nothing::None(at("11:00:00")));
    assert_eq!(
        of(ScanPart::Authentication),
        Nothing::NoneButGaps(at("11:00:00"))
    );
    assert_eq!(of(ScanPart::Configuration), Nothing::NotScanned);
}

#[test]
fn a_scan_is_over_when_its_time_or_its_gaps_are_others() {
    let before = sample::part(ScanPart::Ports, Some("11:00:00"), &[]);
    assert!(!was_scanned(&before, &before.clone()));
    let later = sample::part(ScanPart::Ports, Some("11:30:00"), &[]);
    assert!(was_scanned(&before, &later));
    // One that fails once more as before was tried all the same.
    let failed = PartState {
        tried_at: Some(at("11:30:00")),
        ..before.clone()
    };
    assert!(was_scanned(&before, &failed));
}

#[test]
fn the_first_certificate_to_end_comes_first_and_says_when() {
    let report = SecurityReport {
        certificates: vec![
            sample::certificate("b:443", "2026-06-01T00:00:00Z", &[]),
            sample::certificate(
                "/a.pem",
                "2026-03-01T12:00:00Z",
                &[CertificateFault::Chain, CertificateFault::Expired],
            ),
        ],
        ..SecurityReport::default()
    };
    let all = certificates(&report);
    assert_eq!(all[0].place, "/a.pem");
    let now = at("12:00:00");
    assert_eq!(ends(all[0].not_after, now), "ended 9 days ago");
    assert_eq!(ends(at("17:00:00"), now), "ends in 5 h");
    assert_eq!(ends(at("11:00:00"), now), "ended 1 h ago");
    assert_eq!(certificate_mark(&all[0]).word, "over");
    assert_eq!(certificate_mark(&all[1]).tone, Tone::Good);
    let odd = sample::certificate("c", "2026-06-01T00:00:00Z", &[CertificateFault::WrongName]);
    assert_eq!(certificate_mark(&odd).tone, Tone::Warn);
}

#[test]
fn who_came_in_after_failing_comes_before_who_only_tried() {
    let report = SecurityReport {
        sign_ins: vec![
            sample::sign_in("203.0.113.1", SignInPattern::Few, 3),
            sample::sign_in("203.0.113.2", SignInPattern::BruteForce, 200),
            sample::sign_in("203.0.113.3", SignInPattern::BruteForce, 900),
            sample::sign_in("203.0.113.4", SignInPattern::SuccessAfterFailures, 12),
        ],
        ..SecurityReport::default()
    };
    let failures: Vec<_> = sign_ins(&report).iter().map(|one| one.failures).collect();
    assert_eq!(failures, [12, 900, 200, 3]);
}

#[test]
fn a_port_stands_once_and_one_that_nobody_expects_first() {
    let rows = ports(&[
        sample::open_port(22, "0.0.0.0", Some("configured")),
        sample::open_port(22, "::", Some("configured")),
        sample::open_port(5432, "127.0.0.1", None),
        sample::open_port(8080, "0.0.0.0", None),
        sample::open_port(8080, "127.0.0.1", Some("configured")),
    ]);
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row.port, row.is_unexpected(), row.addresses.len()))
        .collect();
    assert_eq!(
        seen,
        [(8080, true, 2), (22, false, 2), (5432, false, 1)],
        "one open place that is not expected is enough"
    );
    assert_eq!(rows[0].id("atlas").to_string(), "atlas/port/8080/tcp");
    assert_eq!(rows[2].mark().tone, Tone::Quiet);
}

#[test]
fn risks_stand_by_resource_with_the_worst_first() {
    let report = SecurityReport {
        risks: vec![
            sample::risk("tidy", RiskKind::LatestTag),
            sample::risk("odd", RiskKind::RunsAsRoot),
            sample::risk("odd", RiskKind::Privileged),
            sample::risk("mid", RiskKind::HostNetwork),
        ],
        ..SecurityReport::default()
    };
    let groups = risks(&report);
    let names: Vec<_> = groups.iter().map(|(id, _)| id.short()).collect();
    assert_eq!(names, ["odd", "mid", "tidy"]);
    assert_eq!(groups[0].1[0].kind, RiskKind::Privileged);
}

#[test]
fn what_is_done_about_a_thing_is_found_by_its_incident() {
    let about = image_id("atlas", "nginx:1.27");
    let mut world = World::default();
    let mut incident = samples::incident(7, "web");
    incident.resource = about.clone();
    let mut over = samples::incident(6, "web");
    over.resource = about.clone();
    over.resolved_at = Some(at("11:00:00"));
    let mut done = samples::task(1, "web");
    done.status = TaskState::Failed;
    incident.tasks = vec![done.id, steward_api::TaskId(2), steward_api::TaskId(3)];
    let mut latest = samples::task(3, "web");
    latest.status = TaskState::Rejected;
    world.load_incidents([over, incident]);
    world.load_tasks([done, samples::task(2, "web"), latest]);
    let found = seen(&world, &about);
    assert_eq!(found.incident.as_ref().map(|one| one.id.0), Some(7));
    assert_eq!(found.task.as_ref().map(|one| one.id.0), Some(2));
    assert!(found.waits());
    assert_eq!(seen(&world, &image_id("atlas", "other")), Seen::default());
}

fn images() -> Vec<ImageScan> {
    let one = |id: &str, severity, cvss, package: &str| {
        sample::vulnerability(id, severity, cvss, package, "1.0")
    };
    let mut exploited = one("CVE-1", Severity::High, Some(7.5), "zlib");
    exploited.known_exploited = true;
    exploited.fixed_version = Some("1.1".to_owned());
    vec![
        sample::image(
            "nginx:1",
            &["web", "api"],
            vec![
                one("CVE-2", Severity::Critical, Some(9.1), "openssl"),
                one("CVE-3", Severity::Critical, Some(9.8), "openssl"),
                one("CVE-4", Severity::Unknown, None, "bash"),
            ],
        ),
        sample::image(
            "redis:7",
            &["cache"],
            vec![
                one("CVE-2", Severity::Critical, Some(9.1), "openssl"),
                exploited,
            ],
        ),
    ]
}

fn told(lines: &[(u64, Line)]) -> Vec<String> {
    lines
        .iter()
        .map(|(_, line)| match line {
            Line::Group(group) => format!("{}: {}", group.name, group.counts),
            Line::Row(row) => format!("- {}", row.id),
        })
        .collect()
}

#[test]
fn vulnerabilities_by_container_have_the_exploited_ones_first() {
    let (lines, number) = lines(&images(), &SecurityFilter::default());
    assert_eq!(number, 5);
    assert_eq!(
        told(&lines),
        [
            "cache: 1 exploited, 1 critical, 1 high",
            "- CVE-1",
            "- CVE-2",
            "web, api: 2 critical, 1 more",
            "- CVE-3",
            "- CVE-2",
            "- CVE-4",
        ]
    );
}

#[test]
fn vulnerabilities_by_package_stand_once_with_all_their_images() {
    let filter = SecurityFilter {
        by_package: true,
        ..SecurityFilter::default()
    };
    let (lines, _) = lines(&images(), &filter);
    assert_eq!(
        told(&lines),
        [
            "zlib: 1 exploited, 1 high",
            "- CVE-1",
            "openssl: 2 critical",
            "- CVE-3",
            "- CVE-2",
            "bash: 1 below high",
            "- CVE-4",
        ]
    );
    let Line::Row(shared) = &lines[4].1 else {
        panic!("a row")
    };
    assert_eq!(shared.images, ["nginx:1", "redis:7"]);
    assert_eq!(shared.containers.len(), 3);
    assert_eq!(shared.versions(), "1.0, no fixed version known");
    let Line::Row(fixed) = &lines[1].1 else {
        panic!("a row")
    };
    assert_eq!(fixed.versions(), "1.0 → 1.1");
}

#[test]
fn a_search_finds_by_id_package_container_or_alias_and_a_severity_leaves_out_what_is_milder() {
    let found = |search: &str, severity| {
        let filter = SecurityFilter {
            search: search.to_owned(),
            severity,
            by_package: false,
        };
        lines(&images(), &filter).1
    };
    assert_eq!(found("cve-2", None), 2);
    assert_eq!(found("zlib", None), 1);
    assert_eq!(found("cache openssl", None), 1);
    assert_eq!(found("dsa-cve-4", None), 1);
    assert_eq!(found("nothing", None), 0);
    assert_eq!(found("", Some(Severity::High)), 4);
    assert_eq!(found("", Some(Severity::Critical)), 3);
}

#[test]
fn each_line_has_a_key_of_its_own_that_it_keeps() {
    let keys = |images: &[ImageScan]| -> Vec<u64> {
        let (lines, _) = lines(images, &SecurityFilter::default());
        lines.iter().map(|(key, _)| *key).collect()
    };
    let before = keys(&images());
    let mut twice = images();
    twice.extend(images().into_iter().map(|mut scan| {
        scan.image_id.push('2');
        scan
    }));
    let mut all = keys(&twice);
    assert_eq!(all.len(), before.len() * 2);
    assert!(before.iter().all(|key| all.contains(key)));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), before.len() * 2);
}

#[test]
fn an_image_of_many_vulnerabilities_is_sorted_in_no_time_and_nothing_is_lost() {
    let many = (0..5000)
        .map(|number| {
            sample::vulnerability(
                &format!("CVE-{number}"),
                Severity::Medium,
                Some(5.0),
                "kernel",
                "6.1",
            )
        })
        .collect();
    let (lines, number) = lines(
        &[sample::image("big", &["a", "b", "c", "d", "e"], many)],
        &SecurityFilter::default(),
    );
    assert_eq!((lines.len(), number), (5001, 5000));
    assert_eq!(told(&lines[..1]), ["a, b, c and 2 more: 5,000 below high"]);
}

fn point(time: &str, score: u8) -> ScorePoint {
    ScorePoint {
        at: at(time),
        score,
    }
}

#[test]
fn the_trend_goes_in_steps_and_not_through_a_gap() {
    let offset = jiff::tz::Offset::UTC;
    let points = [
        point("01:00:00", 100),
        point("02:00:00", 100),
        point("03:00:00", 60),
        point("09:00:00", 80),
    ];
    let trend = trend(&points, at("12:00:00"), offset);
    assert_eq!(trend.drawing.line.matches('M').count(), 1);
    assert_eq!(trend.drawing.line.matches('V').count(), 1);
    assert_eq!(trend.drawing.dots.matches('M').count(), 1);
    assert!(
        trend.words.starts_with("80, 20 less than"),
        "{}",
        trend.words
    );
    assert!(trend.words.contains("lowest 60, highest 100"));
    let labels: Vec<_> = trend
        .drawing
        .values
        .iter()
        .map(|tick| tick.label.as_str())
        .collect();
    assert_eq!(labels, ["100", "75", "50", "25", "0"]);

    let wanted = |time| chart_place(&trend, time);
    let held = |time| trend_at(&points, &trend, wanted(time)).map(|point| point.score);
    assert_eq!(held("02:30:00"), Some(100));
    assert_eq!(trend_at(&points, &trend, 0.1), None);
}

fn chart_place(trend: &Trend, time: &str) -> f64 {
    crate::chart::place(at(time), trend.from, trend.to)
}

#[test]
fn without_points_the_trend_says_so() {
    let trend = trend(&[], at("12:00:00"), jiff::tz::Offset::UTC);
    assert_eq!(trend.drawing.line, "");
    assert_eq!(trend.words, "No score was kept in the last 30 days");
}
