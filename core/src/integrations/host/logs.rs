//! The host's own logs of signing in: files with their rotation, else the journal.
//!
//! What flows through: positions of the last reading in; lines since then out, one by one, and the new positions. What it never does: write,
//! keep a line, read a line twice, or take half a line that is still being written.

use std::{
    io::{self, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
};

use crate::ports::{
    FilePosition, HostLogPlan, HostLogs, HostLogsRead, Lines, LogPositions, TakeLine,
};

/// Where the system's log of signing in is: Debian's and Red Hat's place.
const OWN_FILES: [&str; 2] = ["/var/log/auth.log", "/var/log/secure"];
/// systemd-journald runs where this is (sd_booted(3)).
const SYSTEMD: &str = "/run/systemd/system";
/// No more of a file is read at once, from its end.
const MOST_BYTES: u64 = 512 * 1024 * 1024;
/// How long the journal may take.
const LONGEST_TIME: Duration = Duration::from_secs(60);
const PIECE: usize = 256 * 1024;

/// Reads the logs of the host that this runs on.
#[derive(Clone, Debug)]
pub struct HostLogReader {
    own: Vec<PathBuf>,
    systemd: PathBuf,
    journalctl: PathBuf,
}

impl Default for HostLogReader {
    fn default() -> Self {
        Self {
            own: OWN_FILES.iter().map(PathBuf::from).collect(),
            systemd: PathBuf::from(SYSTEMD),
            journalctl: PathBuf::from("/usr/bin/journalctl"),
        }
    }
}

#[async_trait]
impl HostLogs for HostLogReader {
    async fn read(
        &self,
        plan: &HostLogPlan,
        positions: &LogPositions,
        since: Timestamp,
        take: TakeLine<'_>,
    ) -> HostLogsRead {
        let mut read = HostLogsRead::default();
        if plan.own {
            let there: Vec<&PathBuf> = self.own.iter().filter(|path| path.exists()).collect();
            for path in &there {
                file(path, positions, since, take, &mut read).await;
            }
            if there.is_empty() {
                self.journal(positions, since, take, &mut read).await;
            }
        }
        for path in &plan.files {
            file(path, positions, since, take, &mut read).await;
        }
        read
    }
}

impl HostLogReader {
    async fn journal(
        &self,
        positions: &LogPositions,
        since: Timestamp,
        take: TakeLine<'_>,
        read: &mut HostLogsRead,
    ) {
        read.positions.journal.clone_from(&positions.journal);
        if !self.systemd.exists() {
            read.gaps.push(
                "this host keeps no log of signing in: there is neither /var/log/auth.log nor /var/log/secure nor a journal; install rsyslog, or name a file under security.authentication.log_files".to_owned(),
            );
            return;
        }
        let from = match &positions.journal {
            Some(cursor) => format!("--after-cursor={cursor}"),
            None => format!("--since=@{}", since.as_second()),
        };
        match tokio::time::timeout(LONGEST_TIME, self.entries(&from, take, read)).await {
            Ok(Ok(())) => read.places.push("the journal".to_owned()),
            Ok(Err(error)) => read.gaps.push(format!(
                "the journal can't be read: {error}; is this account in the group systemd-journal?"
            )),
            Err(_) => read.gaps.push(format!(
                "the journal was read for {} s and not to its end",
                LONGEST_TIME.as_secs()
            )),
        }
    }

    async fn entries(
        &self,
        from: &str,
        take: TakeLine<'_>,
        read: &mut HostLogsRead,
    ) -> io::Result<()> {
        #[allow(
            clippy::disallowed_methods,
            reason = "an adapter that reads the journal by its own program, with fixed arguments"
        )]
        let mut child = tokio::process::Command::new(&self.journalctl)
            .args([
                "--output=json",
                "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_COMM",
                "--no-pager",
                "--quiet",
                from,
                // auth and authpriv (RFC 3164 §4.1.1), and programs that write elsewhere.
                "SYSLOG_FACILITY=4",
                "SYSLOG_FACILITY=10",
                "+",
                "SYSLOG_IDENTIFIER=pvedaemon",
                "SYSLOG_IDENTIFIER=pveproxy",
                "SYSLOG_IDENTIFIER=dovecot",
                "SYSLOG_IDENTIFIER=postfix/smtpd",
                "SYSLOG_IDENTIFIER=postfix/submission/smtpd",
            ])
            .env_clear()
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let Some(mut out) = child.stdout.take() else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let mut lines = Lines::default();
        let mut last = read.positions.journal.take();
        let mut piece = vec![0; PIECE];
        loop {
            let count = out.read(&mut piece).await?;
            if count == 0 {
                break;
            }
            lines.take(piece.get(..count).unwrap_or_default(), |line| {
                if let Some(cursor) = cursor(line) {
                    last = Some(cursor.to_owned());
                }
                take(None, line);
            });
        }
        read.positions.journal = last;
        let status = child.wait().await?;
        // Without entries it ends with 1, quietly.
        match status.code() {
            Some(0 | 1) => Ok(()),
            code => Err(io::Error::other(format!("journalctl ended with {code:?}"))),
        }
    }
}

/// The journal's mark of an entry.
fn cursor(line: &str) -> Option<&str> {
    let (_, after) = line.split_once("\"__CURSOR\":\"")?;
    let (cursor, _) = after.split_once('"')?;
    let is_plain = cursor
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"=;-_".contains(&byte));
    (is_plain && cursor.len() < 512).then_some(cursor)
}

/// Reads a file, and what is left of the one that stood in its place before, where the log was rotated meanwhile.
async fn file(
    path: &Path,
    positions: &LogPositions,
    since: Timestamp,
    take: TakeLine<'_>,
    read: &mut HostLogsRead,
) {
    let known = positions.files.get(path).copied();
    match follow(path, known, since, take, &mut read.gaps).await {
        Ok(position) => {
            read.positions.files.insert(path.to_owned(), position);
            read.places.push(path.display().to_string());
        }
        Err(error) => {
            if let Some(known) = known {
                read.positions.files.insert(path.to_owned(), known);
            }
            let todo = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "; run as root, or put this account into the group adm"
                }
                io::ErrorKind::NotFound => "; correct security.authentication.log_files",
                _ => "",
            };
            read.gaps
                .push(format!("{} can't be read: {error}{todo}", path.display()));
        }
    }
}

async fn follow(
    path: &Path,
    known: Option<FilePosition>,
    since: Timestamp,
    take: TakeLine<'_>,
    gaps: &mut Vec<String>,
) -> io::Result<FilePosition> {
    let mut log = File::open(path).await?;
    let meta = log.metadata().await?;
    let rotated = rotated(path);
    let from = match known {
        Some(known) if known.inode == meta.ino() && known.offset <= meta.len() => known.offset,
        // Emptied in its place (`copytruncate`), or replaced.
        Some(known) => {
            if known.inode != meta.ino() {
                before(
                    &rotated,
                    |old| (old.ino() == known.inode).then_some(known.offset),
                    take,
                )
                .await?;
            }
            0
        }
        None => {
            let begins_before =
                |old: &std::fs::Metadata| (old.mtime() >= since.as_second()).then_some(0);
            before(&rotated, begins_before, take).await?;
            0
        }
    };
    let start = from.max(meta.len().saturating_sub(MOST_BYTES));
    if start > from {
        gaps.push(format!(
            "only the last {} MiB of {} were read",
            MOST_BYTES >> 20,
            path.display()
        ));
    }
    let offset = to_end(&mut log, start, take).await?;
    Ok(FilePosition {
        inode: meta.ino(),
        offset,
    })
}

/// Where logrotate puts the log of the time before, uncompressed (logrotate(8), `delaycompress`).
fn rotated(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

async fn before(
    path: &Path,
    from: impl FnOnce(&std::fs::Metadata) -> Option<u64>,
    take: TakeLine<'_>,
) -> io::Result<()> {
    let mut log = match File::open(path).await {
        Ok(log) => log,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let meta = log.metadata().await?;
    if let Some(from) = from(&meta) {
        to_end(
            &mut log,
            from.max(meta.len().saturating_sub(MOST_BYTES)),
            take,
        )
        .await?;
    }
    Ok(())
}

/// Reads from a place to the end of the last whole line, and says where that is.
async fn to_end(log: &mut File, from: u64, take: TakeLine<'_>) -> io::Result<u64> {
    log.seek(SeekFrom::Start(from)).await?;
    let mut lines = Lines::default();
    let mut piece = vec![0; PIECE];
    let (mut at, mut whole) = (from, from);
    // No further than it was when it began: a log that grows as fast as it is read has no end.
    let until = log.metadata().await?.len();
    while at < until {
        let count = log.read(&mut piece).await?;
        if count == 0 {
            break;
        }
        let bytes = piece.get(..count).unwrap_or_default();
        if let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') {
            whole = at + end as u64 + 1;
        }
        at += count as u64;
        lines.take(bytes, |line| take(None, line));
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use super::*;

    async fn look(plan: &HostLogPlan, positions: &LogPositions) -> (Vec<String>, HostLogsRead) {
        let mut found = Vec::new();
        let read = HostLogReader::default()
            .read(plan, positions, Timestamp::UNIX_EPOCH, &mut |_, line| {
                found.push(line.to_owned());
            })
            .await;
        (found, read)
    }

    fn append(path: &Path, text: &str) {
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[tokio::test]
    async fn no_line_is_read_twice_and_none_is_lost_over_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.log");
        let plan = HostLogPlan {
            own: false,
            files: vec![path.clone()],
        };
        append(&path, "one\ntwo\nhal");
        let (found, read) = look(&plan, &LogPositions::default()).await;
        assert_eq!(found, ["one", "two"]);
        assert!(read.gaps.is_empty() && read.places.len() == 1);
        append(&path, "f\nthree\n");
        let (found, read) = look(&plan, &read.positions).await;
        assert_eq!(found, ["half", "three"]);
        let (found, read) = look(&plan, &read.positions).await;
        assert_eq!(found, Vec::<String>::new());
        // Rotated, with a last line that came in between.
        append(&path, "four\n");
        fs::rename(&path, folder.path().join("auth.log.1")).unwrap();
        append(&path, "five\n");
        let text = serde_json::to_string(&read.positions).unwrap();
        let positions: LogPositions = serde_json::from_str(&text).unwrap();
        let (found, read) = look(&plan, &positions).await;
        assert_eq!(found, ["four", "five"]);
        // Emptied in its place.
        fs::write(&path, "six\n").unwrap();
        fs::write(&path, "").unwrap();
        append(&path, "7\n");
        let (found, read) = look(&plan, &read.positions).await;
        assert_eq!(found, ["7"]);
        // Gone: what is known of it stays.
        fs::remove_file(&path).unwrap();
        let (found, gone) = look(&plan, &read.positions).await;
        assert!(found.is_empty() && gone.gaps[0].contains("can't be read"));
        assert_eq!(gone.positions, read.positions);
        // The first time the log before is read as well, where it is of the time that is looked at.
        append(&path, "new\n");
        let (found, _) = look(&plan, &LogPositions::default()).await;
        assert_eq!(found, ["one", "two", "half", "three", "four", "new"]);
    }

    #[tokio::test]
    async fn the_journal_is_read_from_where_it_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("journalctl");
        fs::write(
            &program,
            "#!/bin/sh\necho \"{\\\"__CURSOR\\\":\\\"s=1;i=2\\\",\\\"MESSAGE\\\":\\\"$5\\\"}\"\n",
        )
        .unwrap();
        fs::set_permissions(
            &program,
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        let reader = HostLogReader {
            own: Vec::new(),
            systemd: folder.path().to_owned(),
            journalctl: program,
        };
        let plan = HostLogPlan {
            own: true,
            files: Vec::new(),
        };
        let mut positions = LogPositions::default();
        for expected in ["--since=@1000", "--after-cursor=s=1;i=2"] {
            let mut found = Vec::new();
            let read = reader
                .read(
                    &plan,
                    &positions,
                    Timestamp::from_second(1000).unwrap(),
                    &mut |_, line| found.push(line.to_owned()),
                )
                .await;
            assert!(found[0].contains(expected), "{found:?} {:?}", read.gaps);
            assert_eq!(read.places, ["the journal"]);
            positions = read.positions;
            assert_eq!(positions.journal.as_deref(), Some("s=1;i=2"));
        }
        let none = HostLogReader {
            systemd: PathBuf::from("/nonexistent"),
            ..reader
        };
        let read = none
            .read(&plan, &positions, Timestamp::UNIX_EPOCH, &mut |_, _| {})
            .await;
        assert!(read.gaps[0].contains("keeps no log"));
        assert_eq!(read.positions, positions, "what is known stays");
        assert_eq!(cursor("{\"__CURSOR\":\"x y\"}"), None);
    }
}
