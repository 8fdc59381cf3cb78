//! Verifying the journal: the whole hash chain, and that it is the one that was written.
//!
//! Entries are read in small batches and nothing is kept of them but the last hash; the first fault comes out, in words.
//! What it never does: repair anything.

use futures_util::TryStreamExt;
use sqlx::AssertSqlSafe;
use steward_api::JournalVerification;

use crate::ports::StoreError;

use super::{
    SqlStore,
    anchor::Mark,
    connection::failed,
    journal::{BATCH, Stored, entry_hash, last_entry},
};

impl SqlStore {
    /// At the beginning: whether the entry that the anchor notes is there. A whole verification is left to the operator.
    pub(super) async fn compare_with_anchor(&self) -> Result<(), StoreError> {
        let noted = match self.anchor.read() {
            Ok(noted) => noted,
            Err(error) => {
                tracing::error!(%error, "how far the journal had come is not known");
                self.anchor.begin(None, false);
                return Ok(());
            }
        };
        let agrees = match &noted {
            None => true,
            Some(mark) => {
                let hash: Option<String> =
                    sqlx::query_scalar("SELECT hash FROM journal WHERE seq = $1")
                        .bind(mark.seq)
                        .fetch_optional(&self.readers)
                        .await
                        .map_err(failed)?;
                hash.as_ref() == Some(&mark.hash)
            }
        };
        if !agrees {
            tracing::error!(
                file = %self.anchor.path().display(),
                "the journal is not the one that was written: entries are gone or different; run `steward journal verify`"
            );
        }
        self.anchor.begin(noted, agrees);
        Ok(())
    }

    pub(super) async fn verify(&self) -> Result<JournalVerification, StoreError> {
        // What the file notes was in the journal before this reading begins, so it must be found.
        let noted = self.anchor.read();
        let (noted, unreadable) = match noted {
            Ok(noted) => (noted, None),
            Err(error) => (None, Some(error)),
        };
        let mut check = Check::new(noted.as_ref());
        let sql = format!(
            "SELECT {} FROM journal WHERE seq > $1 ORDER BY seq LIMIT $2",
            Stored::COLUMNS
        );
        let mut after = i64::MIN;
        loop {
            let query = sqlx::query(AssertSqlSafe(sql.clone()))
                .bind(after)
                .bind(BATCH);
            let mut rows = query.fetch(&self.readers);
            let mut read = 0;
            while check.fault.is_none()
                && let Some(row) = rows.try_next().await.map_err(failed)?
            {
                let entry = Stored::read(&row)?;
                after = entry.seq;
                read += 1;
                check.entry(&entry);
            }
            if read < BATCH || check.fault.is_some() {
                break;
            }
        }
        let fault = check
            .end(&self.anchor.path().display().to_string())
            .or(unreadable);
        let mut connection = self.readers.acquire().await.map_err(failed)?;
        let head = if fault.is_none() {
            check.head
        } else {
            last_entry(&mut connection).await?
        };
        Ok(JournalVerification {
            intact: fault.is_none(),
            entries: check.entries,
            head_seq: head.seq,
            head_hash: head.hash,
            fault,
        })
    }
}

/// The state of a verification: which entry comes next, and the first fault.
struct Check<'a> {
    noted: Option<&'a Mark>,
    head: Mark,
    entries: u64,
    fault: Option<String>,
    rewritten: bool,
}

impl<'a> Check<'a> {
    fn new(noted: Option<&'a Mark>) -> Self {
        Self {
            noted,
            head: Mark {
                seq: 0,
                hash: String::new(),
            },
            entries: 0,
            fault: None,
            rewritten: false,
        }
    }

    fn entry(&mut self, entry: &Stored) {
        let expected = self.head.seq + 1;
        if entry.seq < expected {
            self.fault = Some(format!(
                "entry {} does not belong in the journal: numbers begin with 1",
                entry.seq
            ));
            return;
        }
        if entry.seq > expected {
            self.fault = Some(if entry.seq == expected + 1 {
                format!("entry {expected} is missing")
            } else {
                format!("entries {expected} to {} are missing", entry.seq - 1)
            });
            return;
        }
        let hash = entry_hash(
            &self.head.hash,
            entry.seq,
            &entry.node,
            entry.at,
            &entry.event,
        );
        if hash != entry.hash {
            self.fault = Some(format!(
                "entry {}: its content does not match its hash",
                entry.seq
            ));
            return;
        }
        if let Some(noted) = self.noted
            && noted.seq == entry.seq
            && noted.hash != hash
        {
            self.rewritten = true;
        }
        self.entries += 1;
        self.head = Mark {
            seq: entry.seq,
            hash,
        };
    }

    /// The first fault, when all is read.
    fn end(&mut self, file: &str) -> Option<String> {
        if let Some(fault) = self.fault.take() {
            return Some(fault);
        }
        let noted = self.noted?;
        if self.rewritten {
            Some(format!(
                "entry {} is not the one that was written: its hash is another than {file} notes, so the journal was written anew",
                noted.seq
            ))
        } else if self.head.seq < noted.seq {
            Some(format!(
                "the journal ends at entry {} but had reached entry {}, as {file} notes",
                self.head.seq, noted.seq
            ))
        } else {
            None
        }
    }
}
