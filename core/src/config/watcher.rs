//! Tells when the configuration's file has changed on disk.
//!
//! It polls, since that works on every file system and with every editor, and costs nothing at this pace. It never reads the
//! configuration itself: that is for [`super::load`], which may refuse it.

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use sha2::{Digest, Sha256};
use tokio::{io::AsyncReadExt, time};

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(2);
/// A file that has changed must then stay as it is for this long: editors write in several steps.
const SETTLE: Duration = Duration::from_millis(200);
/// So much of the file tells a change that size and times do not; more than any configuration has.
const LOOKED_AT: u64 = 1024 * 1024;

/// What tells one state of the file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    length: u64,
    inode: (u64, u64),
    /// Of the content: a change of equal length within the file system's clock tick shows nowhere else.
    content: [u8; 32],
}

/// Watches one file.
#[derive(Debug)]
pub struct Watcher {
    path: PathBuf,
    known: Option<Stamp>,
}

impl Watcher {
    /// Watches a file from its present state on, whether it exists or not. Make it *before* loading the file, so that no change
    /// falls between the two.
    pub async fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let known = look(&path).await;
        Self { path, known }
    }

    /// The file that is watched.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns once the file is there and is not as it was the last time. A file that vanishes is waited for, so that the old
    /// configuration goes on until there is a new one. Can be dropped at any point without missing a change.
    pub async fn changed(&mut self) {
        loop {
            time::sleep(EVERY).await;
            let Some(mut seen) = look(&self.path).await else {
                continue;
            };
            if self.known.as_ref() == Some(&seen) {
                continue;
            }
            loop {
                time::sleep(SETTLE).await;
                match look(&self.path).await {
                    Some(now) if now == seen => {
                        self.known = Some(seen);
                        return;
                    }
                    Some(now) => seen = now,
                    None => break,
                }
            }
        }
    }
}

/// The file's present state; none where it is not there or cannot be read, which only [`super::load`] could say more about.
async fn look(path: &Path) -> Option<Stamp> {
    match stamp(path).await {
        Ok(stamp) => Some(stamp),
        Err(error) => {
            tracing::trace!(file = %path.display(), %error, "the configuration's file cannot be looked at now");
            None
        }
    }
}

async fn stamp(path: &Path) -> io::Result<Stamp> {
    // Asked of the path first: to open a pipe could wait for ever.
    if !tokio::fs::metadata(path).await?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let file = tokio::fs::File::open(path).await?;
    let metadata = file.metadata().await?;
    let mut content = Vec::new();
    file.take(LOOKED_AT).read_to_end(&mut content).await?;
    Ok(Stamp {
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        length: metadata.len(),
        inode: (metadata.dev(), metadata.ino()),
        content: Sha256::digest(&content).into(),
    })
}
