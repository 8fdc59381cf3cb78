//! OSV's archive on this machine: `<directory>/<ecosystem>/all.zip`, as it stands at <https://osv-vulnerabilities.storage.googleapis.com>.
//!
//! What flows through: names of packages in, the records that name them out. What it never does: unpack to disk, compare versions
//! (whoever asked does), or believe what an archive says of its own size.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use steward_api::Package;
use zip::ZipArchive;

use super::{Glimpse, LARGEST_RECORD, is_id};
use crate::ports::{Advisories, Progress, ScanError, VulnerabilityDatabase};

/// The most records of one archive; npm's has some 300,000.
const MOST_RECORDS: usize = 3_000_000;
/// The most that all records of one archive may have unpacked, in bytes.
const MOST_BYTES: u64 = 24 * 1024 * 1024 * 1024;
/// The most that is kept of all archives, in bytes.
const MOST_KEPT: usize = 256 * 1024 * 1024;

/// OSV's archive.
#[derive(Clone, Debug)]
pub struct OsvArchive {
    directory: PathBuf,
}

impl OsvArchive {
    /// The archive in a directory. Nothing is read yet.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }
}

/// The records of one ecosystem that name one of the packages, with the places of those; and gaps.
type Read = (Vec<(String, String, Vec<usize>)>, Vec<String>);

/// Reads one archive.
fn read(
    path: &Path,
    names: &BTreeMap<String, Vec<usize>>,
    room: &mut usize,
) -> Result<Read, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut archive =
        ZipArchive::new(std::io::BufReader::new(file)).map_err(|error| error.to_string())?;
    if archive.len() > MOST_RECORDS {
        return Err(format!("it holds more than {MOST_RECORDS} records"));
    }
    let (mut found, mut gaps) = (Vec::new(), Vec::new());
    let mut broken = 0_usize;
    let mut left = MOST_BYTES;
    let mut text = String::new();
    for at in 0..archive.len() {
        text.clear();
        let read = archive.by_index(at).ok().and_then(|entry| {
            entry
                .take(LARGEST_RECORD.min(left))
                .read_to_string(&mut text)
                .ok()
        });
        let Some(length) = read else {
            broken += 1;
            continue;
        };
        left = left.saturating_sub(length as u64);
        let Some(glimpse) = Glimpse::of(&text).filter(|glimpse| is_id(&glimpse.id)) else {
            broken += 1;
            continue;
        };
        let concerned: BTreeSet<usize> = glimpse
            .affected
            .iter()
            .flatten()
            .filter_map(|affected| affected.package.as_ref())
            .filter_map(|package| {
                names.get(&package.name).or_else(|| {
                    names.get(&package.name.to_ascii_lowercase().replace(['_', '.'], "-"))
                })
            })
            .flatten()
            .copied()
            .collect();
        if concerned.is_empty() {
            continue;
        }
        if text.len() > *room {
            gaps.push(format!(
                "more records of {} concern the image than {} MiB: the rest was not read",
                path.display(),
                MOST_KEPT >> 20
            ));
            break;
        }
        *room -= text.len();
        found.push((glimpse.id, text.clone(), concerned.into_iter().collect()));
    }
    if broken > 0 {
        gaps.push(format!(
            "{broken} records of {} can't be read",
            path.display()
        ));
    }
    Ok((found, gaps))
}

#[async_trait]
impl VulnerabilityDatabase for OsvArchive {
    async fn advisories(
        &self,
        packages: &[Package],
        progress: Progress<'_>,
    ) -> Result<Advisories, ScanError> {
        let missing = |reason: String| ScanError::Absent {
            what: format!("OSV's archive in {}", self.directory.display()),
            reason,
        };
        if !self.directory.is_dir() {
            return Err(missing("there is no such directory".to_owned()));
        }
        // An archive holds all releases of a distribution.
        let mut families: BTreeMap<String, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
        for (at, package) in packages.iter().enumerate() {
            let family = package.ecosystem.split(':').next().unwrap_or_default();
            let names = families.entry(family.to_owned()).or_default();
            names.entry(package.name.clone()).or_default().push(at);
        }
        let mut told = Advisories {
            source: "OSV archive".to_owned(),
            ..Advisories::default()
        };
        let mut room = MOST_KEPT;
        let (mut archives, asked) = (0_usize, families.len());
        for (family, names) in families {
            let path = self.directory.join(&family).join("all.zip");
            progress(&format!("reading {}", path.display()));
            let count: usize = names.values().map(Vec::len).sum();
            let shown = path.display().to_string();
            let (read, left) = tokio::task::spawn_blocking(move || {
                let read = read(&path, &names, &mut room);
                (read, room)
            })
            .await
            .unwrap_or_else(|error| (Err(format!("the reading broke off: {error}")), room));
            room = left;
            match read {
                Ok((found, gaps)) => {
                    archives += 1;
                    told.gaps.extend(gaps);
                    for (id, text, concerned) in found {
                        told.pairs
                            .extend(concerned.into_iter().map(|at| (at, id.clone())));
                        told.records.insert(id, text);
                    }
                }
                Err(reason) => told.gaps.push(format!(
                    "{count} packages of {family} were not matched: {shown} can't be read: {reason}"
                )),
            }
        }
        if archives == 0 && asked > 0 {
            return Err(missing(told.gaps.join("; ")));
        }
        Ok(told)
    }
}
