//! What the shell is about: whom the window shows, and how that is chosen, changed and kept.
//!
//! What flows through: the file of connections and the orders of the person in, the [`Current`] line to whoever answers out, for the window,
//! the notifications and the tray at once. What it never does: give up a line that works for one that does not; a new one is tried first.

use std::{
    path::PathBuf,
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

use secrecy::SecretString;
use steward::config::Inputs;
use steward_api::{
    Chosen, DesktopState, NewConnection, SavedConnection, TestedConnection, Trouble, TroubleKind,
};
use tokio::sync::{Mutex, watch};

use crate::{
    autostart,
    carrier::{Carrier, Own, Remote},
    connections::{
        self, Connections,
        keyring::{self, Tokens},
    },
};

/// A keyring that has not answered by then waits for a person.
const KEYRING_WAITS_AFTER: Duration = Duration::from_millis(1500);

/// Whom the window shows now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Current {
    /// Whom it should show.
    pub(crate) chosen: Chosen,
    /// The line to them; absent where there is none.
    pub(crate) line: Option<Carrier>,
    /// Why not.
    pub(crate) trouble: Option<Trouble>,
    /// Rises with each change: what belongs to an earlier line is told by it.
    pub(crate) turn: u64,
    /// Whether the beginning is over. Until then nobody knows.
    pub(crate) begun: bool,
}

impl Current {
    /// What ends when the program is quit.
    pub(crate) fn quitting(&self) -> String {
        match (&self.chosen, &self.line) {
            (_, Some(Carrier::Own(own))) => format!(
                "Quitting stops Steward's own engine: {} is not watched until Steward is started again.",
                own.node()
            ),
            (_, Some(Carrier::Remote(remote))) => format!(
                "Quitting ends this window and its notifications; {} goes on watching by itself.",
                remote.name()
            ),
            (Chosen::Agent { name }, None) => format!(
                "Quitting ends this window and its notifications; {name} goes on by itself."
            ),
            _ => "Quitting ends this window; nothing is watched from it now.".to_owned(),
        }
    }

    /// The line, or why there is none.
    ///
    /// # Errors
    /// The trouble that there is, or that nobody was chosen.
    pub(crate) fn line(&self) -> Result<Carrier, Trouble> {
        match (&self.line, &self.trouble) {
            (Some(line), _) => Ok(line.clone()),
            (None, Some(trouble)) => Err(trouble.clone()),
            (None, None) => Err(Trouble::new(
                TroubleKind::NotChosen,
                "Nothing is chosen yet",
                "Choose whether Steward looks after this machine, or shows an agent elsewhere.",
            )),
        }
    }
}

/// The state of the shell.
pub(crate) struct Desk {
    file: PathBuf,
    inputs: Inputs,
    tokens: Tokens,
    /// One change at a time. It may take as long as a keyring waits for its password, so nothing that is only read waits for it.
    changing: Mutex<()>,
    saved: std::sync::Mutex<Saved>,
    current: watch::Sender<Current>,
}

#[derive(Default)]
struct Saved {
    connections: Connections,
    /// Why the file could not be read; it is then not written either.
    unreadable: Option<Trouble>,
}

impl Desk {
    /// The state at the start; nothing is read or begun yet.
    pub(crate) fn new(file: PathBuf, inputs: Inputs) -> Self {
        Self {
            file,
            inputs,
            tokens: Tokens::new(),
            changing: Mutex::default(),
            saved: std::sync::Mutex::default(),
            current: watch::Sender::new(Current::default()),
        }
    }

    /// Whom the window shows, now and after each change.
    pub(crate) fn watch(&self) -> watch::Receiver<Current> {
        self.current.subscribe()
    }

    /// The line, once the beginning is over.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn line(&self) -> Result<Carrier, Trouble> {
        let mut current = self.current.subscribe();
        match current.wait_for(|current| current.begun).await {
            Ok(current) => current.line(),
            Err(_) => Current::default().line(),
        }
    }

    /// Reads the file and begins with what was used last. While a keyring waits for its password, that is said, and another may be chosen.
    pub(crate) async fn begin(&self) {
        let mut changing = self.changing.lock().await;
        match Connections::read(&self.file) {
            Ok(connections) => self.saved().connections = connections,
            Err(trouble) => {
                tracing::error!(%trouble, "the connections can't be read");
                self.saved().unreadable = Some(trouble);
            }
        }
        let chosen = self.saved().connections.chosen.clone();
        let line = match &chosen {
            Chosen::Nobody => Ok(None),
            Chosen::Own => Box::pin(Own::start(self.inputs.clone()))
                .await
                .map(|own| Some(Carrier::Own(own))),
            // Not tried first: an agent that is away now may come back, and the window says how it is.
            Chosen::Agent { name } => {
                let mut asked = Box::pin(self.kept(name));
                let kept = match tokio::time::timeout(KEYRING_WAITS_AFTER, &mut asked).await {
                    Ok(kept) => kept,
                    Err(_) => {
                        tracing::info!("the keyring waits to be unlocked");
                        self.put(chosen.clone(), None, Some(keyring::waits())).await;
                        let turn = self.current.borrow().turn;
                        drop(changing);
                        let kept = asked.await;
                        changing = self.changing.lock().await;
                        if self.current.borrow().turn != turn {
                            // Somebody did not want to wait for it.
                            return;
                        }
                        kept
                    }
                };
                kept.map(|remote| Some(Carrier::Remote(Box::new(remote))))
            }
        };
        let (line, trouble) = match line {
            Ok(line) => (line, self.saved().unreadable.clone()),
            Err(trouble) => {
                tracing::warn!(%trouble, "can't begin with what was used last");
                (None, Some(trouble))
            }
        };
        self.put(chosen, line, trouble).await;
        drop(changing);
    }

    /// An agent with the token that is kept for it, however long the keyring takes.
    async fn kept(&self, name: &str) -> Result<Remote, Trouble> {
        let connection = self.known(name)?;
        let token = self.tokens.read_patiently(&connection).await?;
        Remote::new(&connection, token)
    }

    /// How the desktop stands, for its window.
    pub(crate) fn state(&self) -> DesktopState {
        let current = self.current.borrow().clone();
        DesktopState {
            quitting: current.quitting(),
            chosen: current.chosen,
            trouble: current.trouble,
            connections: self.saved().connections.all().to_vec(),
            starts_at_login: autostart::is_on(),
            data_dir: self
                .inputs
                .data_dir()
                .map(|dir| dir.display().to_string())
                .unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Has the engine inside this program look after this machine.
    ///
    /// # Errors
    /// Why it can't.
    pub(crate) async fn use_own(&self) -> Result<(), Trouble> {
        let _changing = self.changing.lock().await;
        let runs =
            matches!(&self.current.borrow().line, Some(Carrier::Own(own)) if own.is_running());
        if !runs {
            let own = Box::pin(Own::start(self.inputs.clone())).await?;
            self.put(Chosen::Own, Some(Carrier::Own(own)), None).await;
        }
        self.keep_choice(Chosen::Own)
    }

    /// Shows an agent. A token that is given is kept in the keyring, or for this run only.
    ///
    /// # Errors
    /// Why it can't be shown; what was shown before stays.
    pub(crate) async fn use_agent(
        &self,
        name: &str,
        token: Option<SecretString>,
        keep: bool,
    ) -> Result<TestedConnection, Trouble> {
        let _changing = self.changing.lock().await;
        let connection = self.known(name)?;
        let known = match &token {
            Some(token) => token.clone(),
            None => self.tokens.read(&connection).await?,
        };
        let remote = Remote::new(&connection, known)?;
        let tested = remote.test().await?;
        if let Some(token) = token {
            if keep {
                self.tokens.keep(&connection, token).await?;
            } else {
                self.tokens.remember(&connection, token);
            }
        }
        let chosen = Chosen::Agent {
            name: name.to_owned(),
        };
        self.put(
            chosen.clone(),
            Some(Carrier::Remote(Box::new(remote))),
            None,
        )
        .await;
        self.keep_choice(chosen)?;
        Ok(tested)
    }

    /// Tries a connection without keeping anything. Without a token in it, the one that is kept for its name is used.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) async fn test(&self, new: &NewConnection) -> Result<TestedConnection, Trouble> {
        let connection = plain(new);
        connections::check(&connection)?;
        let token = match token_of(new) {
            Some(token) => token,
            None => self.tokens.read(&connection).await?,
        };
        Remote::new(&connection, token)?.test().await
    }

    /// Tries a connection, keeps it and its token, and shows it.
    ///
    /// # Errors
    /// What is wrong with it, or that the keyring does not take the token; nothing is kept then.
    pub(crate) async fn add(&self, new: &NewConnection) -> Result<TestedConnection, Trouble> {
        let connection = plain(new);
        connections::check(&connection)?;
        let Some(token) = token_of(new) else {
            return Err(Trouble::new(
                TroubleKind::TokenMissing,
                "The connection needs a token",
                "Tokens are in `tokens.toml` in the agent's data directory: one each for viewer, operator and admin.",
            ));
        };
        let _changing = self.changing.lock().await;
        let mut changed = self.saved().connections.clone();
        changed.add(connection.clone())?;
        let remote = Remote::new(&connection, token.clone())?;
        let tested = remote.test().await?;
        if new.keep {
            self.tokens.keep(&connection, token).await?;
        } else {
            self.tokens.remember(&connection, token);
        }
        changed.chosen = Chosen::Agent {
            name: connection.name.clone(),
        };
        let chosen = changed.chosen.clone();
        self.write(changed)?;
        self.put(chosen, Some(Carrier::Remote(Box::new(remote))), None)
            .await;
        Ok(tested)
    }

    /// Removes a connection and its token.
    ///
    /// # Errors
    /// Where the file can't be written, and then nothing is removed; or where the keyring could not be asked, and may still hold the token.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), Trouble> {
        let _changing = self.changing.lock().await;
        let mut changed = self.saved().connections.clone();
        let Some(connection) = changed.remove(name) else {
            return Ok(());
        };
        self.write(changed)?;
        let was_shown =
            matches!(&self.current.borrow().chosen, Chosen::Agent { name: shown } if shown == name);
        if was_shown {
            self.put(Chosen::Nobody, None, None).await;
        }
        self.tokens.forget(&connection).await.map_err(|trouble| {
            Trouble::new(
                TroubleKind::Keyring,
                format!("{name} is removed, but its token may still be in the keyring"),
                format!("{} {}", trouble.title, "Remove it there, under Steward."),
            )
        })
    }

    /// Ends what runs in this program.
    pub(crate) async fn end(&self) {
        let line = self.current.borrow().line.clone();
        if let Some(Carrier::Own(own)) = line {
            own.stop().await;
        }
    }

    fn saved(&self) -> MutexGuard<'_, Saved> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, name: &str) -> Result<SavedConnection, Trouble> {
        let saved = self.saved();
        saved.connections.get(name).cloned().ok_or_else(|| {
            Trouble::new(
                TroubleKind::BadInput,
                format!("There is no connection `{name}`"),
                "It may have been removed. Add it again.",
            )
        })
    }

    /// Puts a line up for everybody, and ends an engine that is not used any more.
    async fn put(&self, chosen: Chosen, line: Option<Carrier>, trouble: Option<Trouble>) {
        let mut before = None;
        self.current.send_modify(|current| {
            before = current.line.take();
            *current = Current {
                chosen,
                line,
                trouble,
                turn: current.turn + 1,
                begun: true,
            };
        });
        if let Some(Carrier::Own(own)) = before {
            own.stop().await;
        }
    }

    /// Remembers what the last request over the line showed, for the screen of connections: what a person has to see to, such as a token
    /// that was changed at the agent. What passes by itself is not kept.
    pub(crate) fn note(&self, trouble: Option<&Trouble>) {
        let kept = trouble.filter(|trouble| {
            !matches!(
                trouble.kind,
                TroubleKind::Unreachable | TroubleKind::TooSlow | TroubleKind::NotChosen
            )
        });
        // Nobody waits for this: the line is the same.
        self.current.send_if_modified(|current| {
            if current.line.is_some() && current.trouble.as_ref() != kept {
                current.trouble = kept.cloned();
            }
            false
        });
    }

    fn keep_choice(&self, chosen: Chosen) -> Result<(), Trouble> {
        let mut changed = self.saved().connections.clone();
        if changed.chosen == chosen {
            return Ok(());
        }
        changed.chosen = chosen;
        self.write(changed)
    }

    /// Writes the connections, and has them be the ones that are known.
    fn write(&self, changed: Connections) -> Result<(), Trouble> {
        let mut saved = self.saved();
        // What could not be read must not be lost by writing over it.
        if let Some(trouble) = &saved.unreadable {
            return Err(trouble.clone());
        }
        changed.write(&self.file)?;
        saved.connections = changed;
        Ok(())
    }
}

fn plain(new: &NewConnection) -> SavedConnection {
    SavedConnection {
        name: new.name.trim().to_owned(),
        url: with_scheme(new.url.trim()),
        ca_file: new
            .ca_file
            .as_deref()
            .map(str::trim)
            .filter(|path| !path.is_empty())
            .map(str::to_owned),
    }
}

/// People type `atlas:9470`.
fn with_scheme(url: &str) -> String {
    let url = url.trim_end_matches('/');
    if url.is_empty() || url.contains("://") {
        url.to_owned()
    } else {
        format!("http://{url}")
    }
}

fn token_of(new: &NewConnection) -> Option<SecretString> {
    let token = new.token.trim();
    (!token.is_empty()).then(|| SecretString::from(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk() -> (tempfile::TempDir, Desk) {
        let dir = tempfile::tempdir().unwrap();
        let env = [(
            "STEWARD_DATA_DIR".to_owned(),
            dir.path().join("data").display().to_string(),
        )];
        let inputs = Inputs {
            path: Some(dir.path().join("steward.toml")),
            env: env.into(),
        };
        std::fs::write(
            dir.path().join("steward.toml"),
            "[docker]\nenabled = false\n[host]\nenabled = false\n[network]\nenabled = false\n",
        )
        .unwrap();
        let desk = Desk::new(dir.path().join("desktop.toml"), inputs);
        (dir, desk)
    }

    #[tokio::test]
    async fn at_the_first_run_nobody_is_chosen_and_it_says_so() {
        let (_dir, desk) = desk();
        desk.begin().await;
        assert_eq!(desk.state().chosen, Chosen::Nobody);
        assert_eq!(desk.line().await.unwrap_err().kind, TroubleKind::NotChosen);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_own_engine_answers_in_process_and_is_kept_as_the_choice() {
        let (_dir, desk) = desk();
        desk.begin().await;
        desk.use_own().await.unwrap();
        let line = desk.line().await.unwrap();
        let status = line
            .call::<steward_api::GetStatus>(None, &steward_api::Nothing {})
            .await
            .unwrap();
        assert_eq!(status.version, env!("CARGO_PKG_VERSION"));
        assert!(desk.state().quitting.contains("not watched"));
        let read = Connections::read(&desk.file).unwrap();
        assert_eq!(read.chosen, Chosen::Own);

        // A second engine on the same data is refused, in words.
        let second = Own::start(desk.inputs.clone()).await.unwrap_err();
        assert_eq!(second.kind, TroubleKind::OwnEngine);
        assert!(second.advice.contains("another agent"), "{second}");

        // After it has ended, its data can be used again.
        desk.end().await;
        let third = Own::start(desk.inputs.clone()).await.unwrap();
        third.stop().await;
        let after = line
            .call::<steward_api::GetStatus>(None, &steward_api::Nothing {})
            .await
            .unwrap_err();
        assert!(after.to_string().contains("ended"), "{after}");
    }

    #[tokio::test]
    async fn an_agent_that_does_not_answer_is_not_kept() {
        let (_dir, desk) = desk();
        desk.begin().await;
        let new = NewConnection {
            name: "atlas".to_owned(),
            url: "127.0.0.1:9".to_owned(),
            token: "stw_secret".to_owned(),
            ..NewConnection::default()
        };
        let trouble = desk.add(&new).await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Unreachable);
        assert!(desk.state().connections.is_empty());
    }

    #[tokio::test]
    async fn a_file_that_could_not_be_read_is_not_written_over() {
        let (_dir, desk) = desk();
        std::fs::write(&desk.file, "use = 7").unwrap();
        desk.begin().await;
        let trouble = desk.use_own().await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Storage);
        assert_eq!(std::fs::read_to_string(&desk.file).unwrap(), "use = 7");
        desk.end().await;
    }
}
