//! Packages: what is installed in an image, told from the files in which its package managers keep their records.
//!
//! What flows through: the files of an image by path in, packages and what could not be read out. What it never does: believe a file
//! about its own size, follow a link, or take a file that can't be read for one without packages.

mod alpine;
mod debian;
mod distribution;
mod lines;
mod lock_files;
mod node;
mod python;
mod rpm;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use steward_api::Package;

pub use distribution::{Distribution, distribution};

use crate::ports::Want;

/// The most packages that are looked at in one image; more are reported and left out.
pub const MOST_PACKAGES: usize = 50_000;

/// The most gaps that are told one by one.
const MOST_GAPS: usize = 50;

const MIB: u64 = 1024 * 1024;

/// The data bases of package managers. Beyond this they are reported, not read. Bytes.
const DATA_BASE: u64 = 64 * MIB;
/// Lock files, in bytes.
const LOCK_FILE: u64 = 16 * MIB;
/// What one package says of itself, in bytes.
const OF_ONE: u64 = MIB;

/// Whether a file is wanted: its path within the image, without a leading slash.
pub fn wanted(path: &str) -> Option<Want> {
    Some(match kind_of(path)? {
        Kind::Release => Want::Whole(OF_ONE),
        Kind::Dpkg | Kind::Apk | Kind::Rpm => Want::Whole(DATA_BASE),
        Kind::DpkgPart | Kind::NodeModule => Want::Whole(OF_ONE),
        // The headers stand first; what follows is a description of any length.
        Kind::PythonMetadata => Want::Beginning(16 * 1024),
        Kind::Lock(_) => Want::Whole(LOCK_FILE),
    })
}

/// What a file is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Release,
    Dpkg,
    DpkgPart,
    Apk,
    Rpm,
    PythonMetadata,
    NodeModule,
    Lock(Parser),
}

type Parser = fn(&str) -> Result<Vec<Found>, String>;

/// Lock files by their names.
const LOCKS: [(&str, &str, Parser); 11] = [
    ("package-lock.json", "npm", node::package_lock),
    (".package-lock.json", "npm", node::package_lock),
    ("npm-shrinkwrap.json", "npm", node::package_lock),
    ("yarn.lock", "npm", node::yarn_lock),
    ("pnpm-lock.yaml", "npm", node::pnpm_lock),
    ("Cargo.lock", "crates.io", lock_files::cargo_lock),
    ("poetry.lock", "PyPI", python::poetry_lock),
    ("Pipfile.lock", "PyPI", python::pipfile_lock),
    ("requirements.txt", "PyPI", python::requirements),
    ("composer.lock", "Packagist", lock_files::composer_lock),
    ("Gemfile.lock", "RubyGems", lock_files::gemfile_lock),
];

/// Go needs two: `go.sum` also names versions that were only looked at, so it counts only where there is no `go.mod`.
const GO: [(&str, Parser); 2] = [
    ("go.mod", lock_files::go_mod),
    ("go.sum", lock_files::go_sum),
];

fn kind_of(path: &str) -> Option<Kind> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if let Some(kind) = match path {
        "etc/os-release" | "usr/lib/os-release" => Some(Kind::Release),
        "var/lib/dpkg/status" => Some(Kind::Dpkg),
        "lib/apk/db/installed" | "usr/lib/apk/db/installed" => Some(Kind::Apk),
        _ => None,
    } {
        return Some(kind);
    }
    match folder {
        "var/lib/dpkg/status.d" if !name.ends_with(".md5sums") => return Some(Kind::DpkgPart),
        "var/lib/rpm" | "usr/lib/sysimage/rpm" | "usr/share/rpm"
            if matches!(name, "rpmdb.sqlite" | "Packages.db" | "Packages") =>
        {
            return Some(Kind::Rpm);
        }
        _ => {}
    }
    if name == "METADATA" && folder.ends_with(".dist-info")
        || name == "PKG-INFO" && folder.ends_with(".egg-info")
    {
        return Some(Kind::PythonMetadata);
    }
    if name == "package.json" && is_node_module(folder) {
        return Some(Kind::NodeModule);
    }
    if let Some((_, _, parser)) = LOCKS.iter().find(|(known, _, _)| *known == name) {
        // What a package brought along for its own development is not installed.
        let inside = folder.split('/').any(|part| part == "node_modules");
        let own_record = name == ".package-lock.json";
        return (!inside || own_record).then_some(Kind::Lock(*parser));
    }
    let (_, parser) = GO.iter().find(|(known, _)| *known == name)?;
    Some(Kind::Lock(*parser))
}

/// Whether a folder is `…/node_modules/name` or `…/node_modules/@scope/name`.
fn is_node_module(folder: &str) -> bool {
    let mut parts = folder.rsplit('/');
    let (_, parent, grandparent) = (parts.next(), parts.next(), parts.next());
    parent == Some("node_modules")
        || (parent.is_some_and(|scope| scope.starts_with('@'))
            && grandparent == Some("node_modules"))
}

/// A package as a file names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    name: String,
    version: String,
    /// The installed package, where it differs from `name`.
    installed_as: Option<String>,
}

impl Found {
    fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            installed_as: None,
        }
    }
}

/// What is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Inventory {
    /// The distribution in words, where the image says so.
    pub distribution: Option<String>,
    /// What was found, each once, in order.
    pub packages: Vec<Package>,
    /// What could not be read, in words.
    pub gaps: Vec<String>,
}

/// Reads the files of an image: path without a leading slash, content.
pub fn inventory(files: &BTreeMap<String, Vec<u8>>) -> Inventory {
    let mut reading = Reading::default();
    let release = ["etc/os-release", "usr/lib/os-release"]
        .iter()
        .find_map(|path| files.get(*path).filter(|content| !content.is_empty()));
    let distribution = release.map(|content| distribution(&String::from_utf8_lossy(content)));
    for (path, content) in files {
        let text = || String::from_utf8_lossy(content);
        let found = match kind_of(path) {
            None | Some(Kind::Release) => continue,
            Some(Kind::Dpkg | Kind::DpkgPart) => debian::installed(&text()),
            Some(Kind::Apk) => alpine::installed(&text()),
            Some(Kind::Rpm) => {
                let by_source = distribution
                    .as_ref()
                    .is_some_and(Distribution::names_sources);
                rpm::installed(path, content).map(|found| rpm::named(found, by_source))
            }
            Some(Kind::PythonMetadata) => {
                reading.take("PyPI", path, python::metadata(&text()));
                continue;
            }
            Some(Kind::NodeModule) => {
                reading.take("npm", path, node::package_json(&text()));
                continue;
            }
            Some(Kind::Lock(parser)) => {
                let name = path.rsplit('/').next().unwrap_or_default();
                let beside = |other: &str| {
                    let folder = &path[..path.len() - name.len()];
                    files.contains_key(&format!("{folder}{other}"))
                };
                if name == "go.sum" && beside("go.mod") {
                    continue;
                }
                let ecosystem = LOCKS
                    .iter()
                    .find(|(known, _, _)| *known == name)
                    .map_or("Go", |(_, ecosystem, _)| *ecosystem);
                reading.take(ecosystem, path, parser(&text()));
                continue;
            }
        };
        reading.system(distribution.as_ref(), path, found);
    }
    reading.finish(distribution)
}

#[derive(Default)]
struct Reading {
    /// By ecosystem, name and version: the installed names and where it was found first.
    packages: BTreeMap<(String, String, String), (BTreeSet<String>, String)>,
    gaps: Vec<String>,
    left_out: usize,
    unnumbered: BTreeSet<String>,
}

impl Reading {
    fn take(&mut self, ecosystem: &str, path: &str, found: Result<Vec<Found>, String>) {
        match found {
            Ok(found) => found
                .into_iter()
                .for_each(|one| self.add(ecosystem, path, one)),
            Err(reason) => self
                .gaps
                .push(format!("/{path} can't be understood: {reason}")),
        }
    }

    /// What a distribution's package manager has installed.
    fn system(
        &mut self,
        distribution: Option<&Distribution>,
        path: &str,
        found: Result<Vec<Found>, String>,
    ) {
        let found = match found {
            Ok(found) => found,
            Err(reason) => {
                self.gaps
                    .push(format!("/{path} can't be understood: {reason}"));
                return;
            }
        };
        let ecosystems = distribution.map_or(&[][..], |known| known.ecosystems.as_slice());
        if ecosystems.is_empty() && !found.is_empty() {
            let who = distribution.map_or_else(
                || "the image does not say which distribution it is made of".to_owned(),
                |known| format!("nobody publishes OSV records for {}", known.name),
            );
            let gap = format!(
                "{} packages of /{path} can't be matched: {who}",
                found.len()
            );
            // One for all parts of a distroless image is enough.
            if !self.unnumbered.insert(who) {
                return;
            }
            self.gaps.push(gap);
        }
        for one in found {
            for ecosystem in ecosystems {
                self.add(ecosystem, path, one.clone());
            }
        }
    }

    fn add(&mut self, ecosystem: &str, path: &str, found: Found) {
        let is_text = |text: &str| {
            !text.is_empty() && text.len() <= 512 && !text.chars().any(char::is_control)
        };
        if !is_text(&found.name) || !is_text(&found.version) {
            return;
        }
        let key = (ecosystem.to_owned(), found.name, found.version);
        if self.packages.len() >= MOST_PACKAGES && !self.packages.contains_key(&key) {
            self.left_out += 1;
            return;
        }
        let (installed, _) = self
            .packages
            .entry(key)
            .or_insert_with(|| (BTreeSet::new(), path.to_owned()));
        installed.extend(found.installed_as.filter(|name| is_text(name)));
    }

    fn finish(mut self, distribution: Option<Distribution>) -> Inventory {
        if self.gaps.len() > MOST_GAPS {
            let more = self.gaps.len() - MOST_GAPS;
            self.gaps.truncate(MOST_GAPS);
            self.gaps
                .push(format!("{more} more files can't be understood"));
        }
        if self.left_out > 0 {
            self.gaps.push(format!(
                "{} more packages were left out: an image with more than {MOST_PACKAGES} is not looked at whole",
                self.left_out
            ));
        }
        if let Some(note) = distribution.as_ref().and_then(|known| known.note.clone()) {
            self.gaps.push(note);
        }
        Inventory {
            distribution: distribution.map(|known| known.name),
            packages: self
                .packages
                .into_iter()
                .map(
                    |((ecosystem, name, version), (installed_as, found_in))| Package {
                        installed_as: if installed_as.iter().eq([&name]) {
                            Vec::new()
                        } else {
                            installed_as.into_iter().collect()
                        },
                        ecosystem,
                        name,
                        version,
                        found_in: format!("/{found_in}"),
                    },
                )
                .collect(),
            gaps: self.gaps,
        }
    }
}
