//! Tokens: the file that holds them, and whose a token is.
//!
//! What flows through: the token file and the environment's token at start; then a token in, its identity and role out; a new or a revoked
//! one to the file, and from then on it counts or not. What it never does: keep a token readable in memory (only its SHA-256 is kept), or show one in an error or a log.

mod file;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use steward_api::{Role, TokenName};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use self::file::TokenEntry;
pub use self::file::{TokenLook, local_token, look_at_tokens};

/// The token file's name in the data directory.
pub const TOKEN_FILE: &str = "tokens.toml";
/// The identity that goes with the token given by `STEWARD_ADMIN_TOKEN`.
pub const ENVIRONMENT_IDENTITY: &str = "environment";

/// A token shorter than this could be guessed.
const SHORTEST_SECRET: usize = 16;
/// The longest name of a token, characters.
const MOST_NAME: usize = 64;

/// Why the tokens could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file can't be read or written.
    #[error("the token file {path} can't be {deed}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What was tried: `read`, `made`, `changed`.
        deed: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Others than its owner could read it.
    #[error(
        "the token file {path} can be read by others (its mode is {mode:o}): run `chmod 600 {path}`, and change its tokens if anybody else may have read them"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It can't be understood. Its content is never shown, since it holds secrets.
    #[error(
        "the token file {path} can't be understood{place}: {reason}. Each token should read `[[token]]` with `name`, `role` (viewer, operator or admin) and `secret` below it; remove the file to have a new one made"
    )]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where in it, such as `, line 7`; empty where that is not known.
        place: String,
        /// Why.
        reason: String,
    },
    /// The token given by the environment is empty.
    #[error("STEWARD_ADMIN_TOKEN is empty: give it a token, or leave it unset")]
    EmptyEnvironment,
    /// The tokens of this engine are in no file, so there is none to change.
    #[error("this engine keeps no tokens; an agent that runs by itself (`steward up`) does")]
    InNoFile,
    /// A token's name that is none.
    #[error(
        "a token's name should be 1 to {MOST_NAME} readable characters, such as `phone`, and not `{ENVIRONMENT_IDENTITY}`"
    )]
    Name,
    /// There is one of this name.
    #[error("there is a token `{name}` already; revoke it first, or take another name")]
    Taken {
        /// The name.
        name: String,
    },
    /// There is none of this name.
    #[error("there is no token `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
    /// It is not in the file.
    #[error(
        "the token `{ENVIRONMENT_IDENTITY}` is given by STEWARD_ADMIN_TOKEN: change that where the agent is started"
    )]
    OfTheEnvironment,
    /// Who asks for a change is no administrator any more.
    #[error("the token that asks for this is no admin's any more")]
    NoAdmin,
    /// Without it nobody could make another.
    #[error("`{name}` is the last admin token in the file: make another one first")]
    LastAdmin {
        /// The name.
        name: String,
    },
}

impl TokenError {
    fn gone(path: &Path) -> Self {
        Self::File {
            path: path.to_owned(),
            deed: "read",
            source: io::ErrorKind::NotFound.into(),
        }
    }
}

/// One token as it is kept: whose it is, what it allows, its hash, and what is cancelled when it is good no more.
struct Known {
    identity: String,
    role: Role,
    hash: [u8; 32],
    over: CancellationToken,
}

/// Who holds a token that is good.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The token's name.
    pub identity: String,
    /// What it allows.
    pub role: Role,
    /// Cancelled when this very token is revoked; one of the same name that is made later is another.
    pub over: CancellationToken,
}

/// The tokens that are good. Holds their SHA-256 only.
pub struct Tokens {
    known: RwLock<Vec<Known>>,
    /// Where they are kept; absent where they are in no file.
    file: Option<PathBuf>,
    mark: [u8; 32],
    /// One change at a time.
    changing: Mutex<()>,
}

/// Names and roles only.
impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(self.all().iter().map(|known| (&known.identity, known.role)))
            .finish()
    }
}

impl Tokens {
    /// Reads the token file of this data directory, making it with three tokens (admin, operator, viewer) where there is none, and adds
    /// `environment` as a further admin token.
    ///
    /// # Errors
    /// Where the file can't be read, made or understood, or could be read by others.
    pub fn open(data_dir: &Path, environment: Option<SecretString>) -> Result<Self, TokenError> {
        let path = data_dir.join(TOKEN_FILE);
        let entries = match file::read(&path)? {
            Some(entries) => entries,
            None => {
                file::make(&path)?;
                tracing::info!(file = %path.display(), "made tokens for admin, operator and viewer");
                file::read(&path)?.ok_or_else(|| TokenError::gone(&path))?
            }
        };
        let tokens = entries
            .into_iter()
            .map(|entry| (entry.name, entry.role, entry.secret));
        Ok(Self {
            file: Some(path),
            ..Self::new(tokens, environment)?
        })
    }

    /// Tokens that are in no file: (identity, role, secret) each, and the environment's.
    ///
    /// # Errors
    /// Where the environment's token is empty.
    pub fn new(
        tokens: impl IntoIterator<Item = (String, Role, SecretString)>,
        environment: Option<SecretString>,
    ) -> Result<Self, TokenError> {
        let mut known: Vec<Known> = Vec::new();
        if let Some(secret) = environment {
            match secret.expose_secret().len() {
                0 => return Err(TokenError::EmptyEnvironment),
                length if length < SHORTEST_SECRET => tracing::warn!(
                    length,
                    "STEWARD_ADMIN_TOKEN is short enough to be guessed; give it at least {SHORTEST_SECRET} characters"
                ),
                _ => {}
            }
            known.push(Known::new(
                ENVIRONMENT_IDENTITY.to_owned(),
                Role::Admin,
                &secret,
            ));
        }
        known.extend(
            tokens
                .into_iter()
                .map(|(identity, role, secret)| Known::new(identity, role, &secret)),
        );
        let mut digest = Sha256::new();
        digest.update(b"the mark of an agent");
        for known in &known {
            digest.update(known.hash);
        }
        Ok(Self {
            known: RwLock::new(known),
            file: None,
            mark: digest.finalize().into(),
            changing: Mutex::default(),
        })
    }

    fn all(&self) -> RwLockReadGuard<'_, Vec<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this identity's token allows now; absent where it has none any more.
    pub fn role_of(&self, identity: &str) -> Option<Role> {
        self.all()
            .iter()
            .find(|known| known.identity == identity)
            .map(|known| known.role)
    }

    /// The identity with the highest role, the first of those in the file before the environment's; absent where there is no token.
    pub fn highest(&self) -> Option<Holder> {
        self.all()
            .iter()
            .max_by_key(|known| (known.role, known.identity != ENVIRONMENT_IDENTITY))
            .map(Known::holder)
    }

    /// The file that keeps them; absent where none does.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whose tokens there are and what they allow; never a token.
    pub(super) fn names(&self) -> Vec<TokenName> {
        let named = |known: &Known| TokenName {
            name: known.identity.clone(),
            role: known.role,
            environment: known.identity == ENVIRONMENT_IDENTITY,
        };
        self.all().iter().map(named).collect()
    }

    /// Bytes that no other agent has, since no other has these tokens, and that are the same from start to start as long as the tokens are.
    /// They tell nothing of them.
    pub const fn mark(&self) -> [u8; 32] {
        self.mark
    }

    /// Whose token this is and what it allows; absent where it is nobody's. Takes the same time whichever token it is, or none.
    pub fn check(&self, token: &str) -> Option<Holder> {
        let given = hash(token.as_bytes());
        let mut found = None;
        for known in self.all().iter() {
            let same: bool = known.hash.ct_eq(&given).into();
            if same && found.is_none() {
                found = Some(known.holder());
            }
        }
        found
    }

    /// Makes a token of this name and role as `by` asks, writes it into the file, and gives it; the only time that it is shown. What else was
    /// changed in the file by hand is taken too. Waits for the disk.
    ///
    /// # Errors
    /// Where `by` is no administrator any more, where the name is taken or none, where the tokens are in no file, or where that can't be
    /// written; nothing is changed then.
    pub(super) fn make(
        &self,
        by: &str,
        name: &str,
        role: Role,
    ) -> Result<SecretString, TokenError> {
        let _one = self.change_as(by)?;
        let (secret, entries) = file::add(self.path()?, name, role)?;
        self.take(entries);
        Ok(secret)
    }

    /// Takes the token of this name out of the file as `by` asks: from now on it is nobody's, and what came by it ends. Waits for the disk.
    ///
    /// # Errors
    /// Where `by` is no administrator any more, where there is none of this name, where it is the environment's or the last of an admin, or
    /// where the file can't be written; nothing is changed then.
    pub(super) fn revoke(&self, by: &str, name: &str) -> Result<(), TokenError> {
        let _one = self.change_as(by)?;
        self.take_out(name)
    }

    /// The same for a token that was just made and could not be recorded: whoever asked for it has been heard already.
    ///
    /// # Errors
    /// As for [`Self::revoke`].
    pub(super) fn take_back(&self, name: &str) -> Result<(), TokenError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.take_out(name)
    }

    fn take_out(&self, name: &str) -> Result<(), TokenError> {
        let is_known = self.role_of(name).is_some();
        if name == ENVIRONMENT_IDENTITY && is_known {
            return Err(TokenError::OfTheEnvironment);
        }
        let path = self.path()?;
        let entries = match file::remove(path, name) {
            // Taken out by hand already, and good until now.
            Err(TokenError::Unknown { .. }) if is_known => {
                file::read(path)?.ok_or_else(|| TokenError::gone(path))?
            }
            other => other?,
        };
        self.take(entries);
        Ok(())
    }

    fn path(&self) -> Result<&Path, TokenError> {
        self.file().ok_or(TokenError::InNoFile)
    }

    /// One change at a time, and only as an administrator: who was one when the request began may have been revoked by the change before.
    fn change_as(&self, by: &str) -> Result<MutexGuard<'_, ()>, TokenError> {
        let one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.role_of(by) == Some(Role::Admin) {
            Ok(one)
        } else {
            Err(TokenError::NoAdmin)
        }
    }

    /// Puts the file's tokens in force. One that is there no more ends what came by it; one that stays goes on.
    fn take(&self, entries: Vec<TokenEntry>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *known);
        let of_the_environment = before
            .iter()
            .position(|one| one.identity == ENVIRONMENT_IDENTITY)
            .map(|at| before.remove(at));
        known.extend(of_the_environment);
        for entry in entries {
            let mut new = Known::new(entry.name, entry.role, &entry.secret);
            let same = before
                .iter()
                .position(|old| old.identity == new.identity && old.hash == new.hash);
            if let Some(at) = same {
                new.over = before.swap_remove(at).over;
            }
            known.push(new);
        }
        for gone in before {
            gone.over.cancel();
        }
    }
}

impl Known {
    fn new(identity: String, role: Role, secret: &SecretString) -> Self {
        Self {
            identity,
            role,
            hash: hash(secret.expose_secret().as_bytes()),
            over: CancellationToken::new(),
        }
    }

    fn holder(&self) -> Holder {
        Holder {
            identity: self.identity.clone(),
            role: self.role,
            over: self.over.clone(),
        }
    }
}

fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
#[path = "../tests/tokens.rs"]
mod tests;
