//! The anchor: a small file beside the database that says how far the journal has come, `<data_dir>/journal.head`.
//!
//! A hash chain proves that nothing in the middle was changed, but not that its end was not cut off, nor that the whole was not written
//! anew. The file notes the number and hash of an entry that was there; it may lag behind the journal, never lead it. Once the journal
//! contradicts the file, the file is left as it is: it is the evidence.
//! What it never does: touch the database, or hold up an append.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// The file's name in the data directory.
const FILE: &str = "journal.head";
/// At least so long between two writes of the file.
const PAUSE: Duration = Duration::from_secs(1);

/// An entry of the journal, by number and hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Its number; 0 for the beginning, before the first.
    pub(super) seq: i64,
    /// Its hash; empty for the beginning.
    pub(super) hash: String,
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Note {
    /// Which database it speaks of, so that another one in its place, as configured by the operator, is not taken for a loss.
    database: String,
    #[serde(flatten)]
    mark: Mark,
}

#[derive(Default)]
struct State {
    /// The newest entry known to be in the journal.
    latest: Option<Mark>,
    /// Up to which entry the file says so.
    written: i64,
    /// The journal contradicts what was known of it: the evidence stays.
    frozen: bool,
}

/// The file and what is to be written to it.
pub(super) struct Anchor {
    path: PathBuf,
    database: String,
    state: Mutex<State>,
    /// Held while the file is written, so that an older note never replaces a newer one.
    writing: Mutex<()>,
    changed: Notify,
}

impl Anchor {
    pub(super) fn new(data_dir: &Path, database: String) -> Self {
        Self {
            path: data_dir.join(FILE),
            database,
            state: Mutex::default(),
            writing: Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says; `None` where there is none, or it speaks of another database.
    ///
    /// # Errors
    /// In words, where it can't be read.
    pub(super) fn read(&self) -> Result<Option<Mark>, String> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("can't read {}: {error}", self.path.display())),
        };
        let note: Note = serde_json::from_str(&text)
            .map_err(|error| format!("can't understand {}: {error}", self.path.display()))?;
        if note.database == self.database {
            Ok(Some(note.mark))
        } else {
            tracing::info!(was = %note.database, now = %self.database, "the journal is in another database now");
            Ok(None)
        }
    }

    /// Takes over what the file says at the beginning, and whether the journal agrees with it.
    pub(super) fn begin(&self, noted: Option<Mark>, agrees: bool) {
        let mut state = self.lock();
        state.written = noted.as_ref().map_or(0, |mark| mark.seq);
        state.latest = noted;
        state.frozen = !agrees;
    }

    /// Takes note of committed entries: `before` is the journal's last entry as found before them, `last` the last of them.
    pub(super) fn note(&self, before: &Mark, last: Mark) {
        let mut state = self.lock();
        if state.frozen {
            return;
        }
        if let Some(latest) = &state.latest
            && (before.seq < latest.seq || (before.seq == latest.seq && before.hash != latest.hash))
        {
            tracing::error!(
                reached = latest.seq,
                found = before.seq,
                "the journal was changed from outside: entries that were written are gone or different; run `steward journal verify`"
            );
            state.frozen = true;
            // What was reached is the evidence; it must be in the file even if it was not yet.
        } else {
            state.latest = Some(last);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Brings the file up to date, now.
    pub(super) fn flush(&self) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = {
            let state = self.lock();
            match &state.latest {
                Some(latest) if latest.seq > state.written => latest.clone(),
                _ => return,
            }
        };
        let seq = mark.seq;
        match self.replace(mark) {
            Ok(()) => {
                let mut state = self.lock();
                state.written = state.written.max(seq);
            }
            // The journal itself is safe; the next entry tries again.
            Err(error) => {
                tracing::warn!(file = %self.path.display(), %error, "can't note how far the journal has come");
            }
        }
    }

    /// Writes the file whenever there is something new, at most once a second. Runs until it is aborted.
    pub(super) async fn keep(self: Arc<Self>) {
        loop {
            self.changed.notified().await;
            let anchor = Arc::clone(&self);
            // It waits for the disk. A panic in there is impossible, and nothing could be done about it here.
            let _ = tokio::task::spawn_blocking(move || anchor.flush()).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Replaces the file as a whole: a crash leaves the old one or the new one.
    fn replace(&self, mark: Mark) -> io::Result<()> {
        let text = serde_json::to_string(&Note {
            database: self.database.clone(),
            mark,
        })?;
        let beside = self.path.with_extension("head.new");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is left half-changed by a panic while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
