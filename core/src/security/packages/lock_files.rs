//! Lock files of Cargo, Composer, Bundler and Go.

use serde::Deserialize;

use super::Found;

/// `Cargo.lock`: what comes from a registry; the project's own packages have no source.
pub(super) fn cargo_lock(text: &str) -> Result<Vec<Found>, String> {
    #[derive(Deserialize)]
    struct Lock {
        #[serde(default)]
        package: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        name: String,
        version: String,
        source: Option<String>,
    }
    let lock: Lock = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    Ok(lock
        .package
        .into_iter()
        .filter(|one| {
            one.source
                .as_deref()
                .is_some_and(|from| from.starts_with("registry+"))
        })
        .map(|one| Found::new(one.name, one.version))
        .collect())
}

/// `composer.lock`, without what is only for development.
pub(super) fn composer_lock(text: &str) -> Result<Vec<Found>, String> {
    #[derive(Deserialize)]
    struct Lock {
        packages: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        name: String,
        version: String,
    }
    let lock: Lock = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(lock
        .packages
        .into_iter()
        .map(|one| {
            let version = one.version.strip_prefix('v').unwrap_or(&one.version);
            Found::new(one.name.to_lowercase(), version)
        })
        .collect())
}

/// `Gemfile.lock`: the gems under `specs:`, with four spaces before them; deeper ones are what those ask for.
pub(super) fn gemfile_lock(text: &str) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    let mut section = "";
    for line in text.lines() {
        if !line.starts_with(' ') {
            section = line.trim();
            continue;
        }
        let Some(entry) = line
            .strip_prefix("    ")
            .filter(|rest| !rest.starts_with(' '))
        else {
            continue;
        };
        if section == "GEM"
            && let Some((name, rest)) = entry.split_once(" (")
        {
            // `1.15.4-x86_64-linux` is a build of 1.15.4.
            let version = rest.trim_end().trim_end_matches(')');
            let version = version.split('-').next().unwrap_or_default();
            found.push(Found::new(name, version));
        }
    }
    if found.is_empty() && text.contains("specs:\n    ") && text.starts_with("GEM") {
        return Err("its entries are of an unknown form".to_owned());
    }
    Ok(found)
}

/// `go.mod`: what is required, with replacements. OSV names versions without the `v`.
pub(super) fn go_mod(text: &str) -> Result<Vec<Found>, String> {
    let mut found: Vec<Found> = Vec::new();
    let mut replaced: Vec<(String, Option<Found>)> = Vec::new();
    let mut block = String::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default().trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if line == ")" {
            block.clear();
        } else if rest.trim() == "(" {
            word.clone_into(&mut block);
        } else if block == "require" {
            found.extend(module(line));
        } else if block == "replace" {
            replaced.extend(replacement(line));
        } else if word == "require" && block.is_empty() {
            found.extend(module(rest));
        } else if word == "replace" && block.is_empty() {
            replaced.extend(replacement(rest));
        }
    }
    if !text.lines().any(|line| line.starts_with("module")) {
        return Err("it names no module".to_owned());
    }
    for (old, new) in replaced {
        found.retain(|one| one.name != old);
        found.extend(new);
    }
    Ok(found)
}

fn module(text: &str) -> Option<Found> {
    let mut words = text.split_whitespace();
    let (path, version) = (words.next()?, words.next()?);
    Some(Found::new(
        unquoted(path),
        unquoted(version).strip_prefix('v')?,
    ))
}

fn unquoted(text: &str) -> &str {
    super::lines::unquoted(text)
}

/// `old [version] => new version`; one that leads to a folder has no version.
fn replacement(text: &str) -> Option<(String, Option<Found>)> {
    let (old, new) = text.split_once("=>")?;
    let old = old.split_whitespace().next()?;
    Some((unquoted(old).to_owned(), module(new)))
}

/// `go.sum`: the highest of each module, for it also lists versions that were only looked at.
pub(super) fn go_sum(text: &str) -> Result<Vec<Found>, String> {
    use crate::security::versions::Notation;
    let mut highest: std::collections::BTreeMap<&str, &str> = std::collections::BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(path), Some(version), Some(_)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Some(version) = version
            .strip_prefix('v')
            .filter(|v| !v.ends_with("/go.mod"))
        else {
            continue;
        };
        let known = highest.entry(path).or_insert(version);
        if Notation::SemVer
            .compare(version, known)
            .is_some_and(std::cmp::Ordering::is_gt)
        {
            *known = version;
        }
    }
    Ok(highest
        .into_iter()
        .map(|(path, version)| Found::new(path, version))
        .collect())
}
