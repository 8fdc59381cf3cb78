//! Python's packages: what is installed, and lock files of pip, Poetry and Pipenv.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Found, lines};

/// A name as PEP 503 normalises it, which is how vulnerabilities are recorded.
fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.trim().chars() {
        if matches!(c, '-' | '_' | '.') {
            if !out.ends_with('-') {
                out.push('-');
            }
        } else {
            out.push(c.to_ascii_lowercase());
        }
    }
    out
}

/// `*.dist-info/METADATA`: headers up to the first empty line.
pub(super) fn metadata(text: &str) -> Result<Vec<Found>, String> {
    let headers = text.split("\n\n").next().unwrap_or_default();
    let headers = headers.split("\r\n\r\n").next().unwrap_or_default();
    let mut found = Vec::new();
    lines::stanzas(headers, |pairs| {
        if let (Some(name), Some(version)) =
            (lines::value(pairs, "Name"), lines::value(pairs, "Version"))
        {
            found.push(Found::new(normal(name), version));
        }
    });
    if found.is_empty() {
        return Err("it has no name and version".to_owned());
    }
    Ok(found)
}

#[derive(Deserialize)]
struct TomlLock {
    #[serde(default)]
    package: Vec<TomlPackage>,
}

#[derive(Deserialize)]
struct TomlPackage {
    name: String,
    version: Option<String>,
}

/// `poetry.lock`.
pub(super) fn poetry_lock(text: &str) -> Result<Vec<Found>, String> {
    let lock: TomlLock = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    Ok(lock
        .package
        .into_iter()
        .filter_map(|package| Some(Found::new(normal(&package.name), package.version?)))
        .collect())
}

/// `Pipfile.lock`, without what is only for development.
pub(super) fn pipfile_lock(text: &str) -> Result<Vec<Found>, String> {
    #[derive(Deserialize)]
    struct Lock {
        #[serde(default)]
        default: BTreeMap<String, serde_json::Value>,
    }
    let lock: Lock = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(lock
        .default
        .iter()
        .filter_map(|(name, entry)| {
            let version = entry.get("version")?.as_str()?.strip_prefix("==")?;
            Some(Found::new(normal(name), version))
        })
        .collect())
}

/// `requirements.txt`: only what is pinned by `==`, for nothing else says what is installed.
pub(super) fn requirements(text: &str) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.starts_with(['#', '-']) {
            continue;
        }
        let line = line.split([';', '\\']).next().unwrap_or_default();
        let Some((name, version)) = line.split_once("==") else {
            continue;
        };
        let name = name.split('[').next().unwrap_or_default();
        let version = version.trim_start_matches('=').trim();
        let version = version.split([' ', ',']).next().unwrap_or_default();
        if !name.trim().is_empty() && !version.is_empty() && !version.contains('*') {
            found.push(Found::new(normal(name), version));
        }
    }
    Ok(found)
}
