//! The token file: read, checked, made, changed.
//!
//! What flows through: the file's path in, its entries out; a new or a revoked token in, the changed file out, whose comments stay. What it
//! never does: leave a file half written or readable by others, or quote a line of it, since it holds secrets.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::Path,
};

use rand::TryRng;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use steward_api::Role;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::{ENVIRONMENT_IDENTITY, MOST_NAME, SHORTEST_SECRET, TOKEN_FILE, TokenError};

const PREFIX: &str = "stw_";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenFile {
    #[serde(default)]
    token: Vec<TokenEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenEntry {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) secret: SecretString,
}

/// The secret of the token in this data directory's file that allows just this role, for a command line on the same machine; absent
/// where there is no file or no such token in it.
///
/// # Errors
/// As for [`Tokens::open`]; no file is made.
pub fn local_token(data_dir: &Path, role: Role) -> Result<Option<SecretString>, TokenError> {
    let entries = read(&data_dir.join(TOKEN_FILE))?.unwrap_or_default();
    Ok(entries
        .into_iter()
        .find(|entry| entry.role == role)
        .map(|entry| entry.secret))
}

/// A token as it may be judged: never itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenLook {
    /// Whose.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// How long it is, characters.
    pub length: usize,
    /// How many different characters it has.
    pub different: usize,
}

/// What can be told of the tokens in this data directory's file without telling them; empty where there is no file.
///
/// # Errors
/// As for [`Tokens::open`](super::Tokens::open); no file is made.
pub fn look_at_tokens(data_dir: &Path) -> Result<Vec<TokenLook>, TokenError> {
    let entries = read(&data_dir.join(TOKEN_FILE))?.unwrap_or_default();
    Ok(entries
        .into_iter()
        .map(|entry| {
            let secret = entry.secret.expose_secret();
            let mut different: Vec<char> = secret.chars().collect();
            let length = different.len();
            different.sort_unstable();
            different.dedup();
            TokenLook {
                name: entry.name,
                role: entry.role,
                length,
                different: different.len(),
            }
        })
        .collect())
}

/// The entries of a token file, checked; absent where there is no file.
pub(super) fn read(path: &Path) -> Result<Option<Vec<TokenEntry>>, TokenError> {
    text_of(path)?
        .map(|text| entries_of(path, &text))
        .transpose()
}

/// A token file's text, where there is one and nobody but its owner can read it.
fn text_of(path: &Path) -> Result<Option<String>, TokenError> {
    let failed = |source| failed(path, "read", source);
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
    Ok(Some(text))
}

fn entries_of(path: &Path, text: &str) -> Result<Vec<TokenEntry>, TokenError> {
    let malformed = |place: String, reason: &str| malformed(path, place, reason);
    let parsed: TokenFile = toml::from_str(text).map_err(|error| {
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
    Ok(parsed.token)
}

/// Makes the token file, whole or not at all, readable by its owner alone from its first byte on. Keeps one that appeared meanwhile.
pub(super) fn make(path: &Path) -> Result<(), TokenError> {
    let mut text = String::from(
        "# Steward's API tokens. Whoever holds one may do what its role allows: viewer reads, operator also approves, rejects and heals,\n\
         # admin may do everything. Keep this file to yourself (mode 600). `steward token` and the control center's settings add and revoke\n\
         # tokens at once; what is changed here by hand counts from the next such change or start on.\n",
    );
    for role in [Role::Admin, Role::Operator, Role::Viewer] {
        let secret = new_secret().map_err(|error| failed(path, "made", error))?;
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "\n[[token]]\nname = \"{role}\"\nrole = \"{role}\"\nsecret = \"{secret}\"\n"
        );
    }
    put(path, &text, |draft| {
        // A link, unlike a rename, never takes the place of a file that somebody else has just made.
        match std::fs::hard_link(draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(_) if !path.exists() => std::fs::rename(draft, path), // a file system without links
            other => other,
        }
    })
    .map_err(|error| failed(path, "made", error))
}

/// Adds a token of this name and role, and gives its secret and what the file then holds.
pub(super) fn add(
    path: &Path,
    name: &str,
    role: Role,
) -> Result<(SecretString, Vec<TokenEntry>), TokenError> {
    if !is_name(name) || name.chars().count() > MOST_NAME {
        return Err(TokenError::Name);
    }
    let (mut entries, mut document) = opened(path)?;
    if entries.iter().any(|entry| entry.name == name) {
        return Err(TokenError::Taken {
            name: name.to_owned(),
        });
    }
    let secret = new_secret().map_err(|error| failed(path, "changed", error))?;
    let mut table = Table::new();
    table.insert("name", value(name));
    table.insert("role", value(role.to_string()));
    table.insert("secret", value(secret.as_str()));
    table.decor_mut().set_prefix("\n");
    tables(&mut document, path)?.push(table);
    replace(path, &document)?;
    let secret = SecretString::from(secret);
    entries.push(TokenEntry {
        name: name.to_owned(),
        role,
        secret: secret.clone(),
    });
    Ok((secret, entries))
}

/// Takes the token of this name away, and gives what the file then holds.
pub(super) fn remove(path: &Path, name: &str) -> Result<Vec<TokenEntry>, TokenError> {
    let (mut entries, mut document) = opened(path)?;
    let Some(at) = entries.iter().position(|entry| entry.name == name) else {
        return Err(TokenError::Unknown {
            name: name.to_owned(),
        });
    };
    let others_rule = entries
        .iter()
        .enumerate()
        .any(|(index, entry)| index != at && entry.role == Role::Admin);
    if !others_rule {
        return Err(TokenError::LastAdmin {
            name: name.to_owned(),
        });
    }
    let tables = tables(&mut document, path)?;
    // What is said above the first token is said of the file.
    let said = prefix(tables.get(at)).to_owned();
    tables.remove(at);
    if at == 0
        && let Some(first) = tables.get_mut(0)
    {
        let whole = said + prefix(Some(first));
        first.decor_mut().set_prefix(whole);
    }
    replace(path, &document)?;
    entries.remove(at);
    Ok(entries)
}

fn prefix(table: Option<&Table>) -> &str {
    table
        .and_then(|table| table.decor().prefix()?.as_str())
        .unwrap_or_default()
}

/// A name that can be read and told from others, and can stand in a path.
fn is_name(name: &str) -> bool {
    !name.trim().is_empty()
        && !matches!(name, "." | "..")
        && name.trim() == name
        && !name.chars().any(char::is_control)
        && name != ENVIRONMENT_IDENTITY
}

/// The file as it stands, checked, and as a document whose comments stay.
fn opened(path: &Path) -> Result<(Vec<TokenEntry>, DocumentMut), TokenError> {
    let text = text_of(path)?.ok_or_else(|| TokenError::gone(path))?;
    let entries = entries_of(path, &text)?;
    let document = text.parse().map_err(|_| {
        // Not the parser's message: it quotes what stands there.
        malformed(path, String::new(), "this is not what a token file holds")
    })?;
    Ok((entries, document))
}

fn tables<'d>(
    document: &'d mut DocumentMut,
    path: &Path,
) -> Result<&'d mut ArrayOfTables, TokenError> {
    document
        .get_mut("token")
        .and_then(Item::as_array_of_tables_mut)
        .ok_or_else(|| {
            malformed(
                path,
                String::new(),
                "its tokens should each begin with `[[token]]`",
            )
        })
}

/// Puts the changed file in the place of the one before, for good: a token that was revoked must not come back with a power cut. A link is
/// followed, or what it leads to would keep the token.
fn replace(path: &Path, document: &DocumentMut) -> Result<(), TokenError> {
    let replaced = path.canonicalize().and_then(|real| {
        put(&real, &document.to_string(), |draft| {
            std::fs::rename(draft, &real)
        })?;
        match real.parent() {
            Some(folder) => std::fs::File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    });
    replaced.map_err(|error| failed(path, "changed", error))
}

/// Writes a draft beside the file and has it put in place.
fn put(path: &Path, text: &str, place: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let unique = new_secret()?;
    let draft = path.with_file_name(format!("{TOKEN_FILE}.{}", &unique[..PREFIX.len() + 8]));
    let put = write_draft(&draft, text).and_then(|()| place(&draft));
    if let Err(error) = std::fs::remove_file(&draft)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(file = %draft.display(), %error, "can't remove a draft of the token file");
    }
    put
}

fn failed(path: &Path, deed: &'static str, source: io::Error) -> TokenError {
    TokenError::File {
        path: path.to_owned(),
        deed,
        source,
    }
}

fn malformed(path: &Path, place: String, reason: &str) -> TokenError {
    TokenError::Malformed {
        path: path.to_owned(),
        place,
        reason: reason.to_owned(),
    }
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
