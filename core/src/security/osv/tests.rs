//! Records as the public data bases write them, against packages.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;
use steward_api::{Package, VulnerabilitySeverity};

use super::*;
use crate::ports::Advisories;

fn package(ecosystem: &str, name: &str, version: &str) -> Package {
    Package {
        ecosystem: ecosystem.to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
        installed_as: Vec::new(),
        found_in: "/x".to_owned(),
    }
}

fn record(value: serde_json::Value) -> Record {
    serde_json::from_value(value).unwrap()
}

fn affected(fixed: &str) -> Verdict {
    Verdict::Affected(Some(fixed.to_owned()))
}

fn lodash() -> serde_json::Value {
    json!({
        "id": "GHSA-35jh-r3h4-6jhm", "modified": "2024-04-17T18:39:55Z", "published": "2021-05-06T16:05:51Z",
        "aliases": ["CVE-2021-23337"], "summary": "Command Injection in lodash", "details": "…",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H"}],
        "affected": [{
            "package": {"ecosystem": "npm", "name": "lodash", "purl": "pkg:npm/lodash"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "4.17.21"}]}],
            "database_specific": {"source": "https://x"}
        }],
        "references": [{"type": "WEB", "url": "https://x"}],
        "schema_version": "1.4.0", "database_specific": {"severity": "HIGH", "cwe_ids": ["CWE-77"]}
    })
}

fn openssl() -> serde_json::Value {
    json!({
        "id": "DEBIAN-CVE-2024-5535", "modified": "2025-01-01T00:00:00Z", "upstream": ["CVE-2024-5535"],
        "details": "Issue summary: Calling the OpenSSL API function …\nmore",
        "affected": [
            {"package": {"ecosystem": "Debian:11", "name": "openssl"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1.1w-0+deb11u2"}]}]},
            {"package": {"ecosystem": "Debian:12", "name": "openssl"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.0.15-1~deb12u1"}]}], "ecosystem_specific": {"urgency": "not yet assigned"}},
            {"package": {"ecosystem": "Debian:13", "name": "openssl"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}
        ]
    })
}

#[test]
fn a_version_is_judged_by_the_line_of_its_release() {
    let record = record(openssl());
    let judged =
        |release: &str, version: &str| judge(&record, &package(release, "openssl", version));
    assert_eq!(
        judged("Debian:12", "3.0.11-1~deb12u2"),
        affected("3.0.15-1~deb12u1")
    );
    assert_eq!(judged("Debian:12", "3.0.15-1~deb12u1"), Verdict::Unaffected);
    assert_eq!(judged("Debian:11", "3.0.11-1"), Verdict::Unaffected);
    assert_eq!(judged("Debian:13", "3.3.0-1"), Verdict::Affected(None));
    assert_eq!(judged("Debian:14", "3.0.11-1"), Verdict::Unaffected);
    assert_eq!(
        judge(&record, &package("Debian:12", "other", "1")),
        Verdict::Unaffected
    );
}

#[test]
fn lines_of_versions_are_walked_as_the_schema_says() {
    let of = |events: serde_json::Value, version: &str| {
        let record = record(
            json!({"id": "X", "affected": [{"package": {"ecosystem": "npm", "name": "a"}, "ranges": [{"type": "SEMVER", "events": events}]}]}),
        );
        judge(&record, &package("npm", "a", version))
    };
    let branches = json!([{"fixed": "2.0.5"}, {"introduced": "2.0.0"}, {"introduced": "1.0.0"}, {"fixed": "1.4.2"}]);
    assert_eq!(of(branches.clone(), "0.9.0"), Verdict::Unaffected);
    assert_eq!(of(branches.clone(), "1.0.0"), affected("1.4.2"));
    assert_eq!(of(branches.clone(), "1.4.2"), Verdict::Unaffected);
    assert_eq!(of(branches.clone(), "2.0.0-rc.1"), Verdict::Unaffected);
    assert_eq!(of(branches.clone(), "2.0.4"), affected("2.0.5"));
    assert_eq!(of(branches, "2.1.0"), Verdict::Unaffected);
    let last = json!([{"introduced": "0"}, {"last_affected": "1.5.0"}]);
    assert_eq!(of(last.clone(), "1.5.0"), Verdict::Affected(None));
    assert_eq!(of(last, "1.5.1"), Verdict::Unaffected);
    let limit = json!([{"introduced": "1.0.0"}, {"limit": "2.0.0"}]);
    assert_eq!(of(limit.clone(), "1.9.0"), Verdict::Affected(None));
    assert_eq!(of(limit, "2.0.0"), Verdict::Unaffected);
    assert_eq!(
        of(json!([{"introduced": "0"}]), "not-a-version"),
        Verdict::Affected(None)
    );
    assert_eq!(
        of(
            json!([{"introduced": "1.0"}, {"fixed": "2.0"}]),
            "not-a-version"
        ),
        Verdict::Unknown
    );
    assert_eq!(of(json!([]), "1.0.0"), Verdict::Unknown);
}

#[test]
fn versions_listed_by_name_count_and_git_alone_does_not() {
    let listed = record(
        json!({"id": "X", "affected": [{"package": {"ecosystem": "PyPI", "name": "Zope.Interface"}, "versions": ["1.0", "1.1"],
        "ranges": [{"type": "GIT", "events": [{"introduced": "0"}, {"fixed": "abc"}]}, {"type": "ECOSYSTEM", "events": [{"introduced": "2.0"}, {"fixed": "2.1"}]}]}]}),
    );
    assert_eq!(
        judge(&listed, &package("PyPI", "zope-interface", "1.1")),
        affected("2.1")
    );
    assert_eq!(
        judge(&listed, &package("PyPI", "zope-interface", "1.2")),
        Verdict::Unaffected
    );
    let git = record(
        json!({"id": "X", "affected": [{"package": {"ecosystem": "PyPI", "name": "a"}, "ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}]}),
    );
    assert_eq!(
        judge(&git, &package("PyPI", "a", "1.1")),
        Verdict::Unaffected
    );
    let withdrawn = record(
        json!({"id": "X", "withdrawn": "2024-01-01T00:00:00Z", "affected": [{"package": {"ecosystem": "PyPI", "name": "a"}, "versions": ["1"]}]}),
    );
    assert_eq!(
        judge(&withdrawn, &package("PyPI", "a", "1")),
        Verdict::Unaffected
    );
}

fn matches(records: &[serde_json::Value], pairs: &[(usize, &str)], are_judged: bool) -> Advisories {
    Advisories {
        records: records
            .iter()
            .map(|record| {
                (
                    record["id"].as_str().unwrap().to_owned(),
                    record.to_string(),
                )
            })
            .collect(),
        pairs: pairs
            .iter()
            .map(|(at, id)| (*at, (*id).to_owned()))
            .collect(),
        are_judged,
        ..Advisories::default()
    }
}

#[test]
fn findings_bear_the_cve_and_stand_with_the_worst_first() {
    let packages = [
        package("npm", "lodash", "4.17.20"),
        package("Debian:12", "openssl", "3.0.11-1~deb12u2"),
    ];
    let cve = json!({"id": "CVE-2024-5535", "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:H"}]});
    let matches = matches(
        &[lodash(), openssl(), cve],
        &[(0, "GHSA-35jh-r3h4-6jhm"), (1, "DEBIAN-CVE-2024-5535")],
        false,
    );
    let found = findings(&packages, &matches, &BTreeSet::new());
    let told: Vec<_> = found
        .vulnerabilities
        .iter()
        .map(|one| {
            (
                one.id.as_str(),
                one.severity,
                one.cvss,
                one.fixed_version.as_deref(),
                one.summary.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "CVE-2024-5535",
                VulnerabilitySeverity::Critical,
                Some(9.1),
                Some("3.0.15-1~deb12u1"),
                "Issue summary: Calling the OpenSSL API function …"
            ),
            (
                "CVE-2021-23337",
                VulnerabilitySeverity::High,
                Some(7.2),
                Some("4.17.21"),
                "Command Injection in lodash"
            ),
        ]
    );
    assert_eq!(found.vulnerabilities[1].aliases, ["GHSA-35jh-r3h4-6jhm"]);
    assert!(found.gaps.is_empty());

    let exploited = BTreeSet::from(["CVE-2021-23337".to_owned()]);
    let found = findings(&packages, &matches, &exploited);
    assert_eq!(found.vulnerabilities[0].id, "CVE-2021-23337");
    assert!(found.vulnerabilities[0].known_exploited && !found.vulnerabilities[1].known_exploited);
}

#[test]
fn what_several_records_say_of_one_is_told_once() {
    let packages = [package("Debian:12", "openssl", "3.0.11-1~deb12u2")];
    let entry = |fixed: &str| json!([{"package": {"ecosystem": "Debian:12", "name": "openssl"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]);
    let advisory = json!({"id": "DSA-1-1", "upstream": ["CVE-2024-5535", "CVE-2024-1"], "affected": entry("3.0.15-1~deb12u1")});
    let other = json!({"id": "DEBIAN-CVE-2024-1", "upstream": ["CVE-2024-1"], "affected": entry("3.0.14-1~deb12u1")});
    let alone = matches(std::slice::from_ref(&advisory), &[(0, "DSA-1-1")], false);
    assert_eq!(
        findings(&packages, &alone, &BTreeSet::new()).vulnerabilities[0].id,
        "DSA-1-1"
    );
    let all = matches(
        &[advisory, openssl(), other],
        &[
            (0, "DSA-1-1"),
            (0, "DEBIAN-CVE-2024-5535"),
            (0, "DEBIAN-CVE-2024-1"),
        ],
        false,
    );
    let found = findings(&packages, &all, &BTreeSet::new());
    let ids: Vec<_> = found
        .vulnerabilities
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(ids, ["CVE-2024-5535", "CVE-2024-1"]);
}

#[test]
fn words_stand_in_where_there_is_no_score() {
    let of = |record: serde_json::Value| {
        let packages = [package("Ubuntu:22.04:LTS", "a", "1")];
        let id = record["id"].as_str().unwrap().to_owned();
        let found = findings(
            &packages,
            &matches(&[record], &[(0, &id)], true),
            &BTreeSet::new(),
        );
        (
            found.vulnerabilities[0].severity,
            found.vulnerabilities[0].cvss,
        )
    };
    let entry = |specific: serde_json::Value| json!([{"package": {"ecosystem": "Ubuntu:22.04:LTS", "name": "a"}, "ecosystem_specific": specific}]);
    assert_eq!(
        of(json!({"id": "U", "severity": [{"type": "Ubuntu", "score": "medium"}]})),
        (VulnerabilitySeverity::Medium, None)
    );
    assert_eq!(
        of(json!({"id": "U", "database_specific": {"severity": "MODERATE"}})),
        (VulnerabilitySeverity::Medium, None)
    );
    assert_eq!(
        of(json!({"id": "U", "affected": entry(json!({"urgency": "high**"}))})),
        (VulnerabilitySeverity::High, None)
    );
    assert_eq!(
        of(json!({"id": "U", "affected": entry(json!({"urgency": "not yet assigned"}))})),
        (VulnerabilitySeverity::Unknown, None)
    );
    let both = json!([{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}, {"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}]);
    assert_eq!(
        of(json!({"id": "U", "severity": both})),
        (VulnerabilitySeverity::Critical, Some(9.3))
    );
}

#[test]
fn what_can_t_be_judged_is_said() {
    let packages = [package("npm", "a", "latest")];
    let record = json!({"id": "X", "affected": [{"package": {"ecosystem": "npm", "name": "a"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "1.0.0"}]}]}]});
    let found = findings(
        &packages,
        &matches(&[record], &[(0, "X")], false),
        &BTreeSet::new(),
    );
    assert!(found.vulnerabilities.is_empty());
    assert!(
        found.gaps[0].contains("can't be compared"),
        "{:?}",
        found.gaps
    );
    let broken = Advisories {
        records: BTreeMap::from([("Y".to_owned(), "{".to_owned())]),
        pairs: vec![(0, "Y".to_owned()), (9, "Z".to_owned())],
        are_judged: true,
        ..Advisories::default()
    };
    assert!(findings(&packages, &broken, &BTreeSet::new()).gaps[0].contains("record Y"));
}

#[test]
fn nulls_are_as_good_as_absent() {
    let record = record(
        json!({"id": "X", "aliases": null, "severity": null, "affected": [{"package": null, "ranges": null, "versions": null, "severity": null}], "summary": null, "withdrawn": null}),
    );
    assert!(record.affected[0].ranges.is_empty());
}

proptest! {
    #[test]
    fn no_line_of_versions_makes_it_panic(
        events in proptest::collection::vec(("introduced|fixed|last_affected|limit", "0|\\*|[0-9]\\.[0-9](-[a-z])?|.{0,6}"), 0..6),
        version in "[0-9]\\.[0-9]|.{0,6}",
    ) {
        let events: Vec<_> = events.into_iter().map(|(key, value)| json!({key: value})).collect();
        let record = record(json!({"id": "X", "affected": [{"package": {"ecosystem": "npm", "name": "a"}, "ranges": [{"type": "SEMVER", "events": events}]}]}));
        let _ = judge(&record, &package("npm", "a", &version));
    }
}
