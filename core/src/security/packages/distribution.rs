//! Distributions: from `os-release` to the names by which OSV knows them (<https://ossf.github.io/osv-schema/#defined-ecosystems>).

use std::collections::BTreeMap;

use super::lines::unquoted;

/// What an image is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// In words, such as `Debian GNU/Linux 12 (bookworm)`.
    pub name: String,
    /// The ecosystems in which its packages' vulnerabilities are recorded; empty where nobody records them.
    pub ecosystems: Vec<String>,
    /// What a reader of the results should know.
    pub note: Option<String>,
    by_source: bool,
}

impl Distribution {
    /// Whether records name source packages although the package manager is rpm.
    pub(super) const fn names_sources(&self) -> bool {
        self.by_source
    }
}

/// Reads an `os-release(5)`.
pub fn distribution(text: &str) -> Distribution {
    let values: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.trim().split_once('='))
        .map(|(key, value)| (key.trim(), unquoted(value)))
        .collect();
    let value = |key: &str| values.get(key).copied().unwrap_or_default();
    let id = value("ID").to_ascii_lowercase();
    let version = value("VERSION_ID");
    let major = version.split('.').next().unwrap_or_default();
    let mut note = None;
    let ecosystems = match id.as_str() {
        "debian" | "raspbian" => {
            if id == "raspbian" {
                note = Some(
                    "Raspbian publishes no records of its own: its packages are matched as Debian's"
                        .to_owned(),
                );
            }
            if major.is_empty() {
                Vec::new()
            } else {
                vec![format!("Debian:{major}")]
            }
        }
        "ubuntu" if !version.is_empty() => {
            let lts = if value("VERSION").contains("LTS") {
                ":LTS"
            } else {
                ""
            };
            vec![format!("Ubuntu:{version}{lts}")]
        }
        "alpine" => {
            let mut parts = version.split('.');
            match (parts.next(), parts.next()) {
                (Some(major), Some(minor)) if !major.is_empty() && !version.contains('_') => {
                    vec![format!("Alpine:v{major}.{minor}")]
                }
                _ => Vec::new(),
            }
        }
        "wolfi" => vec!["Wolfi".to_owned()],
        "chainguard" => vec!["Chainguard".to_owned()],
        "minimos" => vec!["MinimOS".to_owned()],
        "echo" => vec!["Echo".to_owned()],
        "alpaquita" if !version.is_empty() => vec![format!("Alpaquita:{version}")],
        "rocky" if !major.is_empty() => vec![format!("Rocky Linux:{major}")],
        "almalinux" if !major.is_empty() => vec![format!("AlmaLinux:{major}")],
        "rhel" if !major.is_empty() => ["baseos", "appstream"]
            .map(|part| format!("Red Hat:enterprise_linux:{major}::{part}"))
            .to_vec(),
        "opensuse-leap" if !version.is_empty() => vec![format!("openSUSE:Leap {version}")],
        "opensuse-tumbleweed" => vec!["openSUSE:Tumbleweed".to_owned()],
        "sles" if !version.is_empty() => {
            let pack = match version.split_once('.') {
                Some((major, pack)) => format!("{major} SP{pack}"),
                None => version.to_owned(),
            };
            vec![format!("SUSE:Linux Enterprise Server {pack}")]
        }
        "openeuler" if !version.is_empty() => {
            let version = value("VERSION").replace([' ', '(', ')'], "-");
            vec![format!(
                "openEuler:{}",
                version.trim_matches('-').replace("--", "-")
            )]
        }
        "photon" if !version.is_empty() => vec![format!("Photon OS:{version}")],
        "mageia" if !version.is_empty() => vec![format!("Mageia:{version}")],
        "azurelinux" | "mariner" if !major.is_empty() => vec![format!("Azure Linux:{major}")],
        _ => Vec::new(),
    };
    let name = [value("PRETTY_NAME"), value("NAME"), value("ID")]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or("an unnamed distribution")
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect();
    Distribution {
        name,
        ecosystems,
        note,
        by_source: matches!(id.as_str(), "rocky" | "mageia" | "openeuler"),
    }
}
