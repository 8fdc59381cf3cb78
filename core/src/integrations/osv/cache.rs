//! Records that were fetched before, kept on disk: a record's text changes only when OSV says that it was modified.
//!
//! What flows through: an id and when it was modified in, the record's text out. What it never does: grow without bound, or fail a scan:
//! where nothing can be kept, all is fetched anew.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use sha2::{Digest as _, Sha256};

/// The most records that are kept.
const MOST_FILES: usize = 20_000;
/// The most bytes that are kept.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// A directory of records.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    directory: PathBuf,
}

impl Cache {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    fn file(&self, id: &str) -> PathBuf {
        let digest = Sha256::digest(id.as_bytes());
        let name: String = digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.directory.join(name)
    }

    /// The record as it was when it was modified then.
    pub(super) fn get(&self, id: &str, modified: &str) -> Option<String> {
        let text = fs::read_to_string(self.file(id)).ok()?;
        let (head, record) = text.split_once('\n')?;
        (head == self::head(id, modified)).then(|| record.to_owned())
    }

    /// What is kept of a record, and when it was kept as its own head says.
    pub(super) fn kept(&self, id: &str) -> Option<(String, String)> {
        let text = fs::read_to_string(self.file(id)).ok()?;
        let (head, record) = text.split_once('\n')?;
        let modified = head.strip_prefix(id)?.strip_prefix(' ')?;
        Some((modified.to_owned(), record.to_owned()))
    }

    /// Keeps a record; whole or not at all.
    pub(super) fn put(&self, id: &str, modified: &str, record: &str) {
        if let Err(error) = self.try_put(id, modified, record) {
            tracing::debug!(%error, directory = %self.directory.display(), "a record can't be kept");
        }
    }

    fn try_put(&self, id: &str, modified: &str, record: &str) -> std::io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)?;
        let file = self.file(id);
        let fresh = file.with_extension(std::process::id().to_string());
        let mut written = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        written.write_all(format!("{}\n{record}", head(id, modified)).as_bytes())?;
        fs::rename(&fresh, &file)
    }

    /// Removes the oldest beyond what may be kept.
    pub(super) fn tidy(&self) {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return;
        };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
                let meta = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                Some((meta.modified().ok()?, meta.len(), entry.path()))
            })
            .collect();
        files.sort_by(|a, b| b.cmp(a));
        let mut bytes = 0_u64;
        for (at, (_, length, path)) in files.into_iter().enumerate() {
            bytes = bytes.saturating_add(length);
            if at >= MOST_FILES || bytes > MOST_BYTES {
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn head(id: &str, modified: &str) -> String {
    format!("{id} {modified}")
}
