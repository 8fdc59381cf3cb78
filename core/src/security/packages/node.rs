//! npm's packages: lock files of npm, yarn and pnpm, and what is installed in `node_modules`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Found, lines::unquoted};

/// A file's own nesting is limited by serde_json; this limits ours.
const DEEPEST: usize = 64;

#[derive(Deserialize)]
struct PackageLock {
    #[serde(default)]
    packages: BTreeMap<String, Locked>,
    #[serde(default)]
    dependencies: BTreeMap<String, Locked>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Locked {
    name: Option<String>,
    version: Option<serde_json::Value>,
    dev: bool,
    link: bool,
    /// Of version 1. In versions 2 and 3 the same word holds ranges as plain text.
    dependencies: serde_json::Value,
}

/// `package-lock.json` of versions 1 to 3, without what is only for development.
pub(super) fn package_lock(text: &str) -> Result<Vec<Found>, String> {
    let lock: PackageLock = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    if lock.packages.is_empty() {
        for (name, locked) in lock.dependencies {
            nested(&name, &locked, DEEPEST, &mut found);
        }
        return Ok(found);
    }
    for (path, locked) in lock.packages {
        // `""` is the project itself; a path without node_modules is one of its workspaces.
        let Some((_, at)) = path.rsplit_once("node_modules/") else {
            continue;
        };
        if let Some(version) = version(&locked)
            && !locked.dev
            && !locked.link
        {
            found.push(Found::new(locked.name.as_deref().unwrap_or(at), version));
        }
    }
    Ok(found)
}

fn nested(name: &str, locked: &Locked, depth: usize, found: &mut Vec<Found>) {
    if locked.dev {
        return;
    }
    if let Some(version) = version(locked) {
        // `"version": "npm:other@1.2.3"` is another package under this name.
        match version
            .strip_prefix("npm:")
            .and_then(|other| other.rsplit_once('@'))
        {
            Some((name, version)) => found.push(Found::new(name, version)),
            None => found.push(Found::new(name, version)),
        }
    }
    if depth > 0
        && let Some(below) = locked.dependencies.as_object()
    {
        for (name, value) in below {
            if let Ok(locked) = Locked::deserialize(value) {
                nested(name, &locked, depth - 1, found);
            }
        }
    }
}

/// A version that is one; an address or a path is none.
fn version(locked: &Locked) -> Option<&str> {
    locked.version.as_ref()?.as_str().filter(|version| {
        version.starts_with(|c: char| c.is_ascii_digit()) || version.starts_with("npm:")
    })
}

/// `yarn.lock`, of yarn 1 (`version "1.2.3"`) and later ones (`version: 1.2.3`).
pub(super) fn yarn_lock(text: &str) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    let mut name: Option<String> = None;
    for line in text.lines() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            // `"@scope/name@^1.0.0", "@scope/name@npm:^1.1.0":`
            let first = line.split(',').next().unwrap_or_default();
            let first = unquoted(first.trim_end_matches(':'));
            let first = first.strip_prefix('"').unwrap_or(first);
            let at = first.get(1..).and_then(|rest| rest.find('@'));
            name = at.map(|at| {
                let (alias, range) = (&first[..=at], &first[at + 2..]);
                // `alias@npm:other@^1.0.0` is another package under this name.
                range
                    .strip_prefix("npm:")
                    .and_then(|other| other.rsplit_once('@'))
                    .map_or(alias, |(other, _)| other)
                    .to_owned()
            });
            continue;
        }
        let line = line.trim();
        let version = line
            .strip_prefix("version ")
            .or_else(|| line.strip_prefix("version: "));
        if let Some(version) = version.map(unquoted)
            && version.starts_with(|c: char| c.is_ascii_digit())
            && !version.ends_with("-use.local")
            && let Some(name) = name.take()
        {
            found.push(Found::new(name, version));
        }
    }
    nothing_is_odd(found, text, "version")
}

/// `pnpm-lock.yaml`: the keys of `packages`, as `/name/1.2.3`, `/name@1.2.3` and `name@1.2.3` in its versions 5, 6 and 9.
pub(super) fn pnpm_lock(text: &str) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if !line.starts_with([' ', '#']) && !line.trim().is_empty() {
            inside = line.trim_end() == "packages:";
            continue;
        }
        if !inside || !line.starts_with("  ") || line.starts_with("   ") {
            continue;
        }
        let Some(key) = line
            .trim()
            .strip_suffix(':')
            .or_else(|| line.trim().strip_suffix(": {}"))
        else {
            continue;
        };
        let key = unquoted(key);
        // What stands in brackets, or after `_`, are the peers with which it was resolved.
        let key = key.split('(').next().unwrap_or_default();
        let (key, is_path) = match key.strip_prefix('/') {
            Some(rest) => (rest, true),
            None => (key, false),
        };
        // The older form, `/name/1.2.3` and `/@scope/name/1.2.3`, has a part more than a name.
        let name_parts = if key.starts_with('@') { 2 } else { 1 };
        let old = key
            .match_indices('/')
            .nth(name_parts - 1)
            .filter(|_| is_path)
            .map(|(at, _)| {
                (
                    &key[..at],
                    key[at + 1..].split('_').next().unwrap_or_default(),
                )
            });
        let split = old.or_else(|| {
            let at = key.get(1..)?.rfind('@')?;
            Some((&key[..=at], &key[at + 2..]))
        });
        if let Some((name, version)) = split
            && version.starts_with(|c: char| c.is_ascii_digit())
        {
            found.push(Found::new(name, version));
        }
    }
    nothing_is_odd(found, text, "packages:")
}

/// A file with entries of which none could be read is not an empty one.
fn nothing_is_odd(found: Vec<Found>, text: &str, entry: &str) -> Result<Vec<Found>, String> {
    if found.is_empty() && text.lines().any(|line| line.trim().starts_with(entry)) {
        return Err("its entries are of an unknown form".to_owned());
    }
    Ok(found)
}

/// An installed module's own `package.json`.
pub(super) fn package_json(text: &str) -> Result<Vec<Found>, String> {
    #[derive(Deserialize)]
    struct Manifest {
        name: Option<serde_json::Value>,
        version: Option<serde_json::Value>,
    }
    let text = text.trim_start_matches('\u{feff}');
    let manifest: Manifest = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let name = manifest.name.as_ref().and_then(|name| name.as_str());
    let version = manifest
        .version
        .as_ref()
        .and_then(|version| version.as_str());
    // Parts of a package have manifests without a name or version.
    Ok(name
        .zip(version)
        .map(|(name, version)| Found::new(name, version))
        .into_iter()
        .collect())
}
