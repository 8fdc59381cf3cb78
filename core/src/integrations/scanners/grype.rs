//! Grype's report in JSON.

use serde::Deserialize;
use serde_json::Value;
use steward_api::{Package, Vulnerability};

use super::{ecosystem, score, severity, summary};
use crate::ports::ScannerReport;

#[derive(Deserialize)]
struct Report {
    matches: Vec<Match>,
    #[serde(default)]
    distro: Distribution,
    #[serde(default)]
    descriptor: Descriptor,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Distribution {
    name: String,
    version: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Descriptor {
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Match {
    vulnerability: Found,
    #[serde(default)]
    related_vulnerabilities: Vec<Found>,
    artifact: Artifact,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Found {
    id: String,
    severity: String,
    description: String,
    cvss: Vec<Scored>,
    fix: Fix,
    known_exploited: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Scored {
    metrics: Metrics,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metrics {
    base_score: f64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fix {
    versions: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Artifact {
    name: String,
    version: String,
    #[serde(rename = "type")]
    kind: String,
    locations: Vec<Location>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Location {
    path: String,
}

pub(super) fn report(json: &[u8]) -> Result<ScannerReport, String> {
    let report: Report = serde_json::from_slice(json)
        .map_err(|error| format!("its report can't be understood: {error}"))?;
    let Distribution { name, version } = report.distro;
    let distribution = (!name.is_empty()).then(|| format!("{name} {version}"));
    let os = (!name.is_empty()).then(|| format!("{name}:{version}"));
    let mut out = ScannerReport {
        source: format!("Grype {}", report.descriptor.version)
            .trim_end()
            .to_owned(),
        distribution,
        // It tells only of packages in which it found something.
        gaps: vec!["Grype does not tell how many packages it looked at".to_owned()],
        ..ScannerReport::default()
    };
    for one in report.matches {
        let Match {
            vulnerability: found,
            related_vulnerabilities: related,
            artifact,
        } = one;
        let is_os = matches!(artifact.kind.as_str(), "deb" | "apk" | "rpm");
        // A distribution's or GitHub's own id has the CVE beside it.
        let cve = related.iter().find(|other| other.id.starts_with("CVE-"));
        let id = match cve {
            Some(cve) if !found.id.starts_with("CVE-") => cve.id.clone(),
            _ => found.id.clone(),
        };
        let mut aliases: Vec<String> = std::iter::once(&found)
            .chain(&related)
            .map(|other| other.id.clone())
            .filter(|other| *other != id)
            .collect();
        aliases.sort_unstable();
        aliases.dedup();
        let best = |found: &Found| {
            let scores = found.cvss.iter().map(|scored| scored.metrics.base_score);
            score(scores.fold(0.0, f64::max))
        };
        let texts = std::iter::once(&found).chain(&related);
        out.vulnerabilities.push(Vulnerability {
            aliases,
            severity: severity(&found.severity),
            cvss: best(&found).or_else(|| related.iter().find_map(best)),
            known_exploited: found
                .known_exploited
                .as_array()
                .is_some_and(|list| !list.is_empty()),
            summary: texts
                .map(|text| summary(&text.description))
                .find(|text| !text.is_empty())
                .unwrap_or_default(),
            package: Package {
                ecosystem: ecosystem(&artifact.kind, os.as_deref().filter(|_| is_os)),
                name: artifact.name,
                version: artifact.version,
                installed_as: Vec::new(),
                found_in: artifact
                    .locations
                    .into_iter()
                    .next()
                    .unwrap_or_default()
                    .path,
            },
            fixed_version: found.fix.versions.into_iter().next(),
            id,
        });
    }
    Ok(out)
}
