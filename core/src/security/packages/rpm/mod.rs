//! RPM's packages, from each of the three forms in which it has kept its data base: SQLite, its own (`ndb`), and Berkeley DB's hash.
//!
//! What flows through: the data base's bytes in, packages out. What it never does: believe a length or an offset without looking.

mod berkeley;
mod bytes;
mod header;
mod ndb;
mod sqlite;
#[cfg(test)]
mod tests;

use super::Found;

/// The most packages of one data base; the largest distributions have fewer.
const MOST: usize = 50_000;

/// A package as its header tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Installed {
    name: String,
    /// `[epoch:]version-release`.
    version: String,
    /// The name of its source package.
    source: Option<String>,
}

/// The installed packages. The path says nothing: the bytes tell which form it is.
pub(super) fn installed(path: &str, data: &[u8]) -> Result<Vec<Installed>, String> {
    let blobs = if data.starts_with(b"SQLite format 3\0") {
        sqlite::blobs(data)?
    } else if data.starts_with(b"RpmP") {
        ndb::blobs(data)?
    } else if berkeley::is_hash(data) {
        berkeley::blobs(data)?
    } else if data.is_empty() {
        return Err("it is empty".to_owned());
    } else {
        let name = path.rsplit('/').next().unwrap_or_default();
        return Err(format!("{name} is in none of the forms that rpm has used"));
    };
    let mut found = Vec::new();
    let mut broken = 0_usize;
    for blob in &blobs {
        match header::read(blob) {
            // Keys that were imported are kept beside the packages.
            Some(one) if one.name == "gpg-pubkey" => {}
            Some(one) => found.push(one),
            None => broken += 1,
        }
    }
    if broken > 0 {
        return Err(format!(
            "{broken} of its {} entries are damaged",
            blobs.len()
        ));
    }
    Ok(found)
}

/// By the names under which their vulnerabilities are recorded.
pub(super) fn named(installed: Vec<Installed>, by_source: bool) -> Vec<Found> {
    installed
        .into_iter()
        .map(|one| {
            let name = one
                .source
                .filter(|_| by_source)
                .unwrap_or_else(|| one.name.clone());
            Found {
                installed_as: Some(one.name),
                ..Found::new(name, one.version)
            }
        })
        .collect()
}
