//! Certificates in files: paths, directories and patterns to chains.
//!
//! What flows through: paths of the configuration in, chains and gaps out. What it never does: open what is no regular file, read more of
//! one than a file of certificates has, or keep or show a line of a private key.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rustls::pki_types::UnixTime;

use super::{
    judge::Judge,
    pem::{self, PemError},
};
use crate::{
    config::glob,
    ports::{CertificatePlace, FileChains, ShownChain},
};

/// Files that are read for all patterns together, at most.
const MOST_FILES: usize = 1000;
/// Entries of one directory that are looked at, at most.
const MOST_ENTRIES: usize = 10_000;
/// Endings by which a file of a directory is taken for one of certificates.
const ENDINGS: [&str; 5] = ["pem", "crt", "cer", "cert", "der"];

/// A file to be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    path: PathBuf,
    /// It was named, and not only found in a directory: then it should hold certificates.
    is_named: bool,
}

/// The chains that stand in files.
pub(super) fn read(judge: &Judge, patterns: &[String]) -> FileChains {
    let mut read = FileChains::default();
    let mut files: BTreeSet<Found> = BTreeSet::new();
    for pattern in patterns {
        match expand(pattern) {
            Ok(found) if found.is_empty() => read.gaps.push(format!("{pattern}: no such file")),
            Ok(found) => files.extend(found),
            Err(error) => read.gaps.push(format!("{pattern}: {}", why(&error))),
        }
    }
    if files.len() > MOST_FILES {
        read.gaps.push(format!(
            "only the first {MOST_FILES} of {} files were read: name fewer",
            files.len()
        ));
    }
    for file in files.into_iter().take(MOST_FILES) {
        one(judge, &file, &mut read);
    }
    read
}

fn one(judge: &Judge, file: &Found, read: &mut FileChains) {
    let shown = file.path.display();
    let bytes = match bytes(&file.path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) if file.is_named => {
            read.gaps.push(format!("{shown}: it is no file"));
            return;
        }
        Ok(None) => return,
        Err(error) => {
            read.gaps.push(format!("{shown}: {}", why(&error)));
            return;
        }
    };
    let certificates = match pem::certificates_of_file(&bytes) {
        Ok(certificates) => certificates,
        // A directory may hold a key or a note beside its certificates.
        Err(PemError::None | PemError::TooLarge) if !file.is_named => return,
        Err(error) => {
            read.gaps.push(format!("{shown}: {error}"));
            return;
        }
    };
    if certificates.len() >= pem::MOST_CERTIFICATES {
        read.gaps.push(format!(
            "{shown}: only its first {} certificates were read",
            pem::MOST_CERTIFICATES
        ));
    }
    let chains = pem::into_chains(certificates);
    let is_one = chains.len() == 1;
    for (number, certificates) in (1..).zip(chains) {
        let judged = judge.judge(&certificates, None, UnixTime::now());
        let place = CertificatePlace::File {
            path: file.path.clone(),
            number: (!is_one).then_some(number),
        };
        let chain = ShownChain {
            certificates,
            here: judged.here,
            trust: judged.trust,
        };
        read.chains.push((place, chain));
    }
}

/// A file's bytes, a little more than the largest that is looked at; none where it is no regular file. Never waits for a pipe's other end.
fn bytes(path: &Path) -> io::Result<Option<Vec<u8>>> {
    if !fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nonblock)
        .open(path)?;
    // It may have been changed since.
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(pem::LARGEST_FILE as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The files that a pattern means: itself, what matches its `*`, and of a directory what is called like a file of certificates.
fn expand(pattern: &str) -> io::Result<Vec<Found>> {
    let mut paths = vec![PathBuf::from("/")];
    let mut has_star = false;
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        if !part.contains('*') {
            for path in &mut paths {
                path.push(part);
            }
            // A part that only some of the matches have is no mistake.
            if has_star {
                paths.retain(|path| path.exists());
            }
            continue;
        }
        has_star = true;
        let mut matching = Vec::new();
        for path in paths {
            match entries(&path) {
                Ok(names) => matching.extend(
                    names
                        .into_iter()
                        .filter(|name| glob(part, name))
                        .map(|name| path.join(name)),
                ),
                // Of several that match, those that are no directories hold nothing.
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
                Err(error) => return Err(error),
            }
            if matching.len() > MOST_FILES {
                break;
            }
        }
        paths = matching;
    }
    let mut found = Vec::new();
    for path in paths {
        if !fs::metadata(&path)?.is_dir() {
            found.push(Found {
                path,
                is_named: true,
            });
            continue;
        }
        for name in entries(&path)? {
            let ending = name.rsplit_once('.').map(|(_, ending)| ending);
            if ending.is_some_and(|ending| {
                ENDINGS
                    .iter()
                    .any(|known| ending.eq_ignore_ascii_case(known))
            }) {
                found.push(Found {
                    path: path.join(name),
                    is_named: false,
                });
            }
        }
    }
    Ok(found)
}

/// The names in a directory, sorted. Those that are no text can't be written in a configuration either.
fn entries(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)?.take(MOST_ENTRIES) {
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Why a file can't be read, with what to do.
fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "this account may not read it: let it, or run as one that may".to_owned()
        }
        _ => error.to_string(),
    }
}
