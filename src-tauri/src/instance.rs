//! One desktop for each session: a second start shows the first one's window instead, and passes its link on.
//!
//! What flows through: a lock that the kernel lets go of even after `kill -9`; beside it a socket that only this person can reach, which
//! takes one link for each connection. A bus would do it too, but not where there is none, and then two engines would fight over one folder.
//! What it never does: take anything through the socket but a link.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::{
        fs::{DirBuilderExt as _, OpenOptionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
};

use crate::link::Link;

/// How long the first one may take to answer.
const LIMIT: Duration = Duration::from_secs(5);
/// How often the first one is looked for within that time.
const TRIES: u32 = 20;
/// No link is longer, bytes.
const LONGEST: u64 = 256;
const DONE: &[u8] = b"shown\n";

/// Why it can't be told whether there is another one, or that one does not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstanceError {
    /// The folder, the lock or the socket can't be made.
    #[error("can't make {path}")]
    Place {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is one, and it does not answer.
    #[error(
        "Steward's desktop runs already, but does not answer; end it (its process has the file {path} open), then start it again"
    )]
    Silent {
        /// The lock.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What a start is.
pub(crate) enum Start {
    /// The first: it has the session.
    First(Claim),
    /// Another one has it, and shows its window now.
    Second,
}

/// The session is this program's, for as long as it lives.
pub(crate) struct Claim {
    _lock: File,
    listener: UnixListener,
    socket: PathBuf,
}

/// Claims the session, or has whoever has it show the link.
///
/// # Errors
/// See [`InstanceError`].
pub(crate) fn claim(dir: &Path, link: Option<Link>) -> Result<Start, InstanceError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| InstanceError::Place { path, source }
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(failed(dir))?;
    let (lock, socket) = (dir.join("desktop.lock"), dir.join("desktop.socket"));
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock)
        .map_err(failed(&lock))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return match show(&socket, link) {
                Ok(()) => Ok(Start::Second),
                Err(source) => Err(InstanceError::Silent { path: lock, source }),
            };
        }
        Err(TryLockError::Error(source)) => return Err(failed(&lock)(source)),
    }
    // What one that was killed left behind. With the lock in hand nobody else listens there.
    match fs::remove_file(&socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed(&socket)(error));
        }
        _ => {}
    }
    let listener = UnixListener::bind(&socket).map_err(failed(&socket))?;
    Ok(Start::First(Claim {
        _lock: file,
        listener,
        socket,
    }))
}

/// Has the first one show its window. It may be starting itself, so this is tried for a while.
#[allow(
    clippy::disallowed_methods,
    reason = "there is no runtime yet, and nothing else to do meanwhile"
)]
fn show(socket: &Path, link: Option<Link>) -> io::Result<()> {
    let mut tries = 0;
    let mut stream = loop {
        match UnixStream::connect(socket) {
            Ok(stream) => break stream,
            Err(_) if tries < TRIES => std::thread::sleep(LIMIT / TRIES),
            Err(error) => return Err(error),
        }
        tries += 1;
    };
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let link = link.map(|link| link.to_string()).unwrap_or_default();
    stream.write_all(format!("{link}\n").as_bytes())?;
    let mut answer = [0_u8; DONE.len()];
    stream.read_exact(&mut answer)?;
    if answer == DONE {
        Ok(())
    } else {
        Err(io::Error::other("it answered something else"))
    }
}

impl Claim {
    /// Tells of each later start: with the link that it was given, where it was. Runs for as long as the runtime.
    ///
    /// # Errors
    /// Where the socket can't be listened to.
    pub(crate) fn listen(self, told: mpsc::UnboundedSender<Option<Link>>) -> io::Result<()> {
        self.listener.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(self.listener.try_clone()?)?;
        tokio::spawn(async move {
            let claim = self;
            while let Ok((stream, _)) = listener.accept().await {
                let told = told.clone();
                tokio::spawn(async move {
                    let answered = tokio::time::timeout(LIMIT, answer(stream, &told)).await;
                    if !matches!(answered, Ok(Ok(()))) {
                        tracing::debug!("another start said nothing that can be understood");
                    }
                });
            }
            let _ = fs::remove_file(&claim.socket);
        });
        Ok(())
    }
}

async fn answer(
    mut stream: tokio::net::UnixStream,
    told: &mpsc::UnboundedSender<Option<Link>>,
) -> io::Result<()> {
    let mut text = Vec::new();
    let mut one = [0_u8; 1];
    while stream.read(&mut one).await? == 1 && one != *b"\n" {
        text.push(one[0]);
        if text.len() as u64 > LONGEST {
            return Err(io::Error::other("too long"));
        }
    }
    // What is no link only shows the window.
    let link = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.parse().ok());
    told.send(link)
        .map_err(|_| io::Error::other("the window is gone"))?;
    stream.write_all(DONE).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_second_start_passes_its_link_on() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("steward");
        let Start::First(claim) = claim(&dir, None).unwrap() else {
            panic!("nobody else has it");
        };
        let (tell, mut told) = mpsc::unbounded_channel();
        claim.listen(tell).unwrap();
        for link in [Some(Link::Task(12)), None] {
            let dir = dir.clone();
            let second = tokio::task::spawn_blocking(move || super::claim(&dir, link))
                .await
                .unwrap();
            assert!(matches!(second, Ok(Start::Second)));
            assert_eq!(told.recv().await, Some(link));
        }
    }

    #[test]
    fn what_a_killed_one_left_behind_is_no_hindrance() {
        let dir = tempfile::tempdir().unwrap();
        drop(UnixListener::bind(dir.path().join("desktop.socket")).unwrap());
        assert!(matches!(claim(dir.path(), None), Ok(Start::First(_))));
    }

    #[test]
    fn one_that_does_not_answer_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let lock = File::create(dir.path().join("desktop.lock")).unwrap();
        lock.lock().unwrap();
        let Err(error) = claim(dir.path(), None) else {
            panic!("the lock is held");
        };
        assert!(error.to_string().contains("does not answer"), "{error}");
    }
}
