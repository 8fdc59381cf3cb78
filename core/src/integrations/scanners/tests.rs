//! Reports as the scanners write them, and programs that stand in for them.

use std::{os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use steward_api::VulnerabilitySeverity;

use super::*;

const TRIVY: &str = r#"{"SchemaVersion":2,"ArtifactName":"app:1","ArtifactType":"container_image",
"Metadata":{"OS":{"Family":"debian","Name":"12.5"},"ImageID":"sha256:1"},
"Results":[
 {"Target":"app:1 (debian 12.5)","Class":"os-pkgs","Type":"debian","Packages":[{"Name":"libssl3"},{"Name":"zlib1g"}],
  "Vulnerabilities":[{"VulnerabilityID":"CVE-2024-5535","VendorIDs":["DSA-1"],"PkgName":"libssl3","InstalledVersion":"3.0.11-1~deb12u2","FixedVersion":"3.0.15-1~deb12u1","Severity":"CRITICAL","Title":"openssl: SSL_select_next_proto buffer overread","CVSS":{"nvd":{"V3Vector":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:H","V3Score":9.1},"redhat":{"V3Score":5.9}}}]},
 {"Target":"Node.js","Class":"lang-pkgs","Type":"node-pkg","Packages":[{"Name":"lodash"}],
  "Vulnerabilities":[{"VulnerabilityID":"CVE-2021-23337","PkgName":"lodash","PkgPath":"app/node_modules/lodash/package.json","InstalledVersion":"4.17.20","Severity":"HIGH","Description":"Lodash versions prior to 4.17.21\nare vulnerable","CVSS":{"ghsa":{"V3Score":7.2}}}]},
 {"Target":"none","Class":"os-pkgs","Type":"debian"}]}"#;

const GRYPE: &str = r#"{"matches":[
 {"vulnerability":{"id":"CVE-2024-5535","severity":"Critical","fix":{"versions":["3.0.15-1~deb12u1"],"state":"fixed"},"cvss":[],"description":""},
  "relatedVulnerabilities":[{"id":"CVE-2024-5535","severity":"Critical","cvss":[{"version":"3.1","metrics":{"baseScore":9.1}}],"description":"Issue summary"}],
  "artifact":{"name":"libssl3","version":"3.0.11-1~deb12u2","type":"deb","locations":[{"path":"/var/lib/dpkg/status"}]}},
 {"vulnerability":{"id":"GHSA-35jh-r3h4-6jhm","severity":"High","fix":{"versions":[],"state":"not-fixed"},"cvss":[{"metrics":{"baseScore":7.2}}],"description":"Command Injection in lodash","knownExploited":[{"cve":"x"}]},
  "relatedVulnerabilities":[{"id":"CVE-2021-23337"}],
  "artifact":{"name":"lodash","version":"4.17.20","type":"npm","locations":[]}}],
 "distro":{"name":"debian","version":"12"},"descriptor":{"name":"grype","version":"0.85.0"}}"#;

fn told(report: &ScannerReport) -> Vec<String> {
    report
        .vulnerabilities
        .iter()
        .map(|one| {
            format!(
                "{} {} {:?} {} {} {} {} {:?}",
                one.id,
                one.severity.as_str(),
                one.cvss,
                one.package.ecosystem,
                one.package.name,
                one.package.version,
                one.package.found_in,
                one.fixed_version
            )
        })
        .collect()
}

#[test]
fn trivy_s_report_is_understood() {
    let report = trivy::report(TRIVY.as_bytes()).unwrap();
    assert_eq!(
        told(&report),
        [
            "CVE-2024-5535 critical Some(9.1) debian:12.5 libssl3 3.0.11-1~deb12u2 app:1 (debian 12.5) Some(\"3.0.15-1~deb12u1\")",
            "CVE-2021-23337 high Some(7.2) npm lodash 4.17.20 /app/node_modules/lodash/package.json None",
        ]
    );
    assert_eq!(
        (report.packages, report.distribution.as_deref()),
        (3, Some("debian 12.5"))
    );
    assert_eq!(
        report.vulnerabilities[1].summary,
        "Lodash versions prior to 4.17.21"
    );
    assert_eq!(
        trivy::source("Version: 0.58.1\nVulnerability DB:\n"),
        "Trivy 0.58.1"
    );
    assert!(
        trivy::report(br#"{"SchemaVersion":3}"#)
            .unwrap_err()
            .contains("version 3")
    );
    assert!(trivy::report(b"[]").is_err());
}

#[test]
fn grype_s_report_is_understood() {
    let report = grype::report(GRYPE.as_bytes()).unwrap();
    assert_eq!(
        told(&report),
        [
            "CVE-2024-5535 critical Some(9.1) debian:12 libssl3 3.0.11-1~deb12u2 /var/lib/dpkg/status Some(\"3.0.15-1~deb12u1\")",
            "CVE-2021-23337 high Some(7.2) npm lodash 4.17.20  None",
        ]
    );
    assert_eq!(report.source, "Grype 0.85.0");
    assert_eq!(report.vulnerabilities[0].summary, "Issue summary");
    assert!(report.vulnerabilities[1].known_exploited);
    assert_eq!(report.vulnerabilities[1].aliases, ["GHSA-35jh-r3h4-6jhm"]);
    assert_eq!(
        report.vulnerabilities[1].severity,
        VulnerabilitySeverity::High
    );
}

fn image(name: &str) -> FoundImage {
    FoundImage {
        image: name.to_owned(),
        image_id: "sha256:1".to_owned(),
        containers: Vec::new(),
        readable: None,
    }
}

/// A script that stands in for a scanner.
fn script(directory: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = directory.path().join("scanner");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn the_program_is_run_with_the_image_and_its_failures_are_told() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("report"), TRIVY).unwrap();
    let scan = async |text: &str, limit: u64| {
        let path = script(&directory, text);
        let program = Program::new(Kind::Trivy, Some(&path), Duration::from_millis(limit));
        program.scan(&image("app:1")).await
    };
    let whole = format!(
        "case \"$*\" in --version) echo 'Version: 0.58.1';; 'image '*' app:1') cat {}/report;; *) exit 9;; esac",
        directory.path().display()
    );
    let report = scan(&whole, 10_000).await.unwrap();
    assert_eq!(
        (report.source.as_str(), report.vulnerabilities.len()),
        ("Trivy 0.58.1", 2)
    );
    let error = scan(
        "echo trouble >&2; echo 'FATAL no data base' >&2; exit 1",
        10_000,
    )
    .await
    .unwrap_err();
    assert!(error.to_string().contains("FATAL no data base"), "{error}");
    let error = scan("echo nonsense", 10_000).await.unwrap_err();
    assert!(error.to_string().contains("can't be understood"), "{error}");
    let error = scan("exec sleep 20", 200).await.unwrap_err();
    assert!(matches!(error, ScanError::TimedOut { .. }), "{error}");
    let program = Program::new(
        Kind::Grype,
        Some(&directory.path().join("none")),
        Duration::from_secs(5),
    );
    let error = program.scan(&image("app:1")).await.unwrap_err();
    assert!(
        matches!(error, ScanError::Absent { .. }) && error.to_string().contains("install Grype"),
        "{error}"
    );
    let error = program
        .scan(&image("--config=/etc/shadow"))
        .await
        .unwrap_err();
    assert!(matches!(error, ScanError::NotFound(_)), "{error}");
}
