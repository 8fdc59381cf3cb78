//! Trivy's report in JSON (schema version 2).

use std::collections::BTreeMap;

use serde::Deserialize;
use steward_api::{Package, Vulnerability};

use super::{ecosystem, score, severity, summary};
use crate::ports::ScannerReport;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    schema_version: u32,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    results: Option<Vec<Part>>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(rename = "OS")]
    os: Option<Os>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Os {
    family: String,
    name: String,
    #[serde(rename = "EOSL")]
    is_over: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Part {
    target: String,
    class: String,
    #[serde(rename = "Type")]
    kind: String,
    packages: Option<Vec<serde::de::IgnoredAny>>,
    vulnerabilities: Option<Vec<Found>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Found {
    #[serde(rename = "VulnerabilityID")]
    id: String,
    #[serde(rename = "VendorIDs")]
    vendor_ids: Vec<String>,
    pkg_name: String,
    pkg_path: String,
    installed_version: String,
    fixed_version: String,
    severity: String,
    title: String,
    description: String,
    #[serde(rename = "CVSS")]
    cvss: BTreeMap<String, Scores>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Scores {
    v3_score: f64,
    v40_score: f64,
}

/// `Trivy 0.58.1`, out of `Version: 0.58.1`.
pub(super) fn source(version: &str) -> String {
    let number = version
        .lines()
        .find_map(|line| line.trim().strip_prefix("Version:"))
        .map(|number| {
            number
                .trim()
                .chars()
                .filter(char::is_ascii_graphic)
                .take(30)
                .collect::<String>()
        });
    format!("Trivy {}", number.unwrap_or_default())
        .trim_end()
        .to_owned()
}

pub(super) fn report(json: &[u8]) -> Result<ScannerReport, String> {
    let report: Report = serde_json::from_slice(json)
        .map_err(|error| format!("its report can't be understood: {error}"))?;
    if report.schema_version != 2 {
        return Err(format!(
            "its report is of schema version {}, and only 2 is known here",
            report.schema_version
        ));
    }
    let os = report.metadata.os;
    let distribution = os.as_ref().map(|os| format!("{}:{}", os.family, os.name));
    let mut out = ScannerReport {
        distribution: os.as_ref().map(|os| format!("{} {}", os.family, os.name)),
        ..ScannerReport::default()
    };
    if let Some(os) = os.filter(|os| os.is_over) {
        out.gaps.push(format!(
            "{} {} is no longer looked after by its makers: newer vulnerabilities are not recorded for it",
            os.family, os.name
        ));
    }
    for part in report.results.unwrap_or_default() {
        let packages = part.packages.map_or(0, |packages| packages.len());
        out.packages = out
            .packages
            .saturating_add(u32::try_from(packages).unwrap_or(u32::MAX));
        let of = distribution.as_deref().filter(|_| part.class == "os-pkgs");
        let ecosystem = ecosystem(&part.kind, of);
        for found in part.vulnerabilities.unwrap_or_default() {
            let best = found
                .cvss
                .values()
                .map(|scores| scores.v40_score.max(scores.v3_score));
            let cvss = found
                .cvss
                .get("nvd")
                .map(|scores| scores.v3_score)
                .and_then(score)
                .or_else(|| score(best.fold(0.0, f64::max)));
            out.vulnerabilities.push(Vulnerability {
                id: found.id,
                aliases: found.vendor_ids,
                severity: severity(&found.severity),
                cvss,
                known_exploited: false,
                package: Package {
                    ecosystem: ecosystem.clone(),
                    name: found.pkg_name,
                    version: found.installed_version,
                    installed_as: Vec::new(),
                    found_in: if found.pkg_path.is_empty() {
                        part.target.clone()
                    } else {
                        format!("/{}", found.pkg_path.trim_start_matches('/'))
                    },
                },
                // Several where several lines were mended: `1.2.3, 2.0.1`.
                fixed_version: Some(found.fixed_version).filter(|version| !version.is_empty()),
                summary: summary(if found.title.is_empty() {
                    &found.description
                } else {
                    &found.title
                }),
            });
        }
    }
    Ok(out)
}
