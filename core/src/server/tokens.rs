//! Tokens: the file that holds them, and whose a token is.
//!
//! What flows through: the token file and the environment's token at start; then a token in, its identity and role out. What it never
//! does: keep a token readable in memory (only its SHA-256 is kept), or show one in an error or a log.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use rand::TryRng;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use steward_api::{Role, TokenName};
use subtle::ConstantTimeEq;

/// The token file's name in the data directory.
pub const TOKEN_FILE: &str = "tokens.toml";
/// The identity that goes with the token given by `STEWARD_ADMIN_TOKEN`.
pub const ENVIRONMENT_IDENTITY: &str = "environment";

/// A token shorter than this could be guessed.
const SHORTEST_SECRET: usize = 16;
const PREFIX: &str = "stw_";

/// Why the tokens could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file can't be read or written.
    #[error("the token file {path} can't be {deed}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What was tried: `read`, `made`.
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
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenFile {
    #[serde(default)]
    token: Vec<TokenEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    name: String,
    role: Role,
    secret: SecretString,
}

/// One token as it is kept: whose it is, what it allows, and its hash.
struct Known {
    identity: String,
    role: Role,
    hash: [u8; 32],
}

/// The tokens that are good. Holds their SHA-256 only.
pub struct Tokens {
    known: Vec<Known>,
}

/// Names and roles only.
impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(self.known.iter().map(|known| (&known.identity, known.role)))
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
        let entries = match read_file(&path)? {
            Some(entries) => entries,
            None => {
                make_file(data_dir, &path)?;
                tracing::info!(file = %path.display(), "made tokens for admin, operator and viewer");
                read_file(&path)?.ok_or_else(|| TokenError::File {
                    path: path.clone(),
                    deed: "read",
                    source: io::ErrorKind::NotFound.into(),
                })?
            }
        };
        Self::new(
            entries
                .into_iter()
                .map(|entry| (entry.name, entry.role, entry.secret)),
            environment,
        )
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
            known.push(Known {
                identity: ENVIRONMENT_IDENTITY.to_owned(),
                role: Role::Admin,
                hash: hash(secret.expose_secret().as_bytes()),
            });
        }
        known.extend(tokens.into_iter().map(|(identity, role, secret)| Known {
            identity,
            role,
            hash: hash(secret.expose_secret().as_bytes()),
        }));
        Ok(Self { known })
    }

    /// What this identity's token allows now; absent where it has none any more.
    pub fn role_of(&self, identity: &str) -> Option<Role> {
        self.known
            .iter()
            .find(|known| known.identity == identity)
            .map(|known| known.role)
    }

    /// The identity with the highest role, the first of those in the file before the environment's; absent where there is no token.
    pub fn highest(&self) -> Option<&str> {
        self.known
            .iter()
            .max_by_key(|known| (known.role, known.identity != ENVIRONMENT_IDENTITY))
            .map(|known| known.identity.as_str())
    }

    /// Whose tokens there are and what they allow; never a token.
    pub(super) fn names(&self) -> Vec<TokenName> {
        let named = |known: &Known| TokenName {
            name: known.identity.clone(),
            role: known.role,
            environment: known.identity == ENVIRONMENT_IDENTITY,
        };
        self.known.iter().map(named).collect()
    }

    /// Bytes that no other agent has, since no other has these tokens, and that are the same as long as the tokens are. They tell nothing of
    /// them.
    pub fn mark(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(b"the mark of an agent");
        for known in &self.known {
            digest.update(known.hash);
        }
        digest.finalize().into()
    }

    /// Whose token this is and what it allows; absent where it is nobody's. Takes the same time whichever token it is, or none.
    pub fn check(&self, token: &str) -> Option<(&str, Role)> {
        let given = hash(token.as_bytes());
        let mut found = None;
        for known in &self.known {
            let same: bool = known.hash.ct_eq(&given).into();
            if same && found.is_none() {
                found = Some((known.identity.as_str(), known.role));
            }
        }
        found
    }
}

/// The secret of the token in this data directory's file that allows just this role, for a command line on the same machine; absent
/// where there is no file or no such token in it.
///
/// # Errors
/// As for [`Tokens::open`]; no file is made.
pub fn local_token(data_dir: &Path, role: Role) -> Result<Option<SecretString>, TokenError> {
    let entries = read_file(&data_dir.join(TOKEN_FILE))?.unwrap_or_default();
    Ok(entries
        .into_iter()
        .find(|entry| entry.role == role)
        .map(|entry| entry.secret))
}

fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The entries of a token file, checked; absent where there is no file.
fn read_file(path: &Path) -> Result<Option<Vec<TokenEntry>>, TokenError> {
    let failed = |source| TokenError::File {
        path: path.to_owned(),
        deed: "read",
        source,
    };
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Asked of the open file, so that what was checked is what is read.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(TokenError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
    }
    let mut text = String::new();
    io::Read::read_to_string(&mut file, &mut text).map_err(failed)?;
    let malformed = |place: String, reason: &str| TokenError::Malformed {
        path: path.to_owned(),
        place,
        reason: reason.to_owned(),
    };
    let parsed: TokenFile = toml::from_str(&text).map_err(|error| {
        // The parser's own message quotes the line, and so perhaps a secret; only the place is taken from it.
        let place = error.span().map_or_else(String::new, |span| {
            let before = text.get(..span.start).unwrap_or_default();
            format!(", line {}", before.matches('\n').count() + 1)
        });
        malformed(place, "this is not what a token file holds")
    })?;
    if parsed.token.is_empty() {
        return Err(malformed(String::new(), "there is no token in it"));
    }
    for (index, entry) in parsed.token.iter().enumerate() {
        let place = || format!(", token number {}", index + 1);
        if entry.name.trim().is_empty() || entry.name.chars().any(char::is_control) {
            return Err(malformed(place(), "its name should be readable text"));
        }
        if entry.name == ENVIRONMENT_IDENTITY {
            return Err(malformed(
                place(),
                "the name `environment` is kept for STEWARD_ADMIN_TOKEN",
            ));
        }
        if parsed
            .token
            .iter()
            .take(index)
            .any(|other| other.name == entry.name)
        {
            return Err(malformed(place(), "its name is that of another token"));
        }
        if entry.secret.expose_secret().len() < SHORTEST_SECRET {
            return Err(malformed(
                place(),
                "its secret is short enough to be guessed; it should have at least 16 characters",
            ));
        }
        if parsed
            .token
            .iter()
            .take(index)
            .any(|other| other.secret.expose_secret() == entry.secret.expose_secret())
        {
            return Err(malformed(place(), "its secret is that of another token"));
        }
    }
    Ok(Some(parsed.token))
}

/// Makes the token file, whole or not at all, readable by its owner alone from its first byte on. Keeps one that appeared meanwhile.
fn make_file(data_dir: &Path, path: &Path) -> Result<(), TokenError> {
    let failed = |source| TokenError::File {
        path: path.to_owned(),
        deed: "made",
        source,
    };
    let mut text = String::from(
        "# Steward's API tokens. Whoever holds one may do what its role allows: viewer reads, operator also approves, rejects and heals,\n\
         # admin may do everything. Keep this file to yourself (mode 600). Change, add or remove tokens as you like, then restart Steward.\n",
    );
    for role in [Role::Admin, Role::Operator, Role::Viewer] {
        let secret = new_secret().map_err(failed)?;
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "\n[[token]]\nname = \"{role}\"\nrole = \"{role}\"\nsecret = \"{secret}\"\n"
        );
    }
    let unique = new_secret().map_err(failed)?;
    let draft = data_dir.join(format!("{TOKEN_FILE}.{}", &unique[..PREFIX.len() + 8]));
    let made = write_draft(&draft, &text).and_then(|()| {
        // A link, unlike a rename, never takes the place of a file that somebody else has just made.
        match std::fs::hard_link(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(_) if !path.exists() => std::fs::rename(&draft, path), // a file system without links
            other => other,
        }
    });
    if let Err(error) = std::fs::remove_file(&draft)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(file = %draft.display(), %error, "can't remove a draft of the token file");
    }
    made.map_err(failed)
}

fn write_draft(draft: &Path, text: &str) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// 32 random bytes of the operating system's, in hexadecimal, with a prefix by which a scanner can tell them.
fn new_secret() -> io::Result<String> {
    let mut bytes = [0_u8; 32];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(io::Error::other)?;
    let mut secret = String::from(PREFIX);
    for byte in bytes {
        let _ = write!(secret, "{byte:02x}");
    }
    Ok(secret)
}

#[cfg(test)]
#[path = "tests/tokens.rs"]
mod tests;
