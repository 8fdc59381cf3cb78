//! The configuration's file on disk: read with its hash, and replaced as a whole or not at all.
//!
//! What flows through: a path in, the text and its hash out; a new text in, which takes the old one's place by a rename in the same
//! directory, with the same mode and owner, after it is safely on disk. What it never does: write over a file that is not the one that
//! was read, follow a link that leads nowhere, or leave half a file behind.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use steward_api::NO_FILE;

use crate::config::{ConfigError, Inputs, load};

/// The mode of a file that Steward makes: it may come to hold a password.
const OWN_MODE: u32 = 0o600;

/// Why a file was not written. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// It is not as it was when it was read.
    #[error("{} was changed by somebody else meanwhile", .0.display())]
    Changed(PathBuf),
    /// It can't be written, in words with what to do about it.
    #[error("{0}")]
    ReadOnly(String),
}

/// The file as it was read.
#[derive(Clone, Debug)]
pub struct OnDisk {
    /// As it was named.
    path: PathBuf,
    text: Option<String>,
    hash: String,
}

impl OnDisk {
    /// Reads the file that these inputs lead to; one that is not there is as good as any.
    ///
    /// # Errors
    /// Where there is no place for a file, or it can't be read.
    pub fn read(inputs: &Inputs) -> Result<Self, WriteError> {
        let path = inputs.file().ok_or_else(|| {
            WriteError::ReadOnly(
                "there is no place for a configuration file, since the user that Steward runs as has no home: name one with --config or STEWARD_CONFIG".to_owned(),
            )
        })?;
        let found = load::read(&path, false, inputs).map_err(|fault| {
            let faults = vec![*fault];
            WriteError::ReadOnly(ConfigError { faults }.to_string())
        })?;
        let text = found.map(|(_, text)| text);
        let hash = hash(text.as_deref());
        Ok(Self { path, text, hash })
    }

    /// Where it is, or would be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds; none where it is not there.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// SHA-256 of what it holds, or [`NO_FILE`].
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Whether it could be written, as far as can be told without doing so.
    ///
    /// # Errors
    /// Why not, and what to do about it.
    pub fn is_writable(&self) -> Result<(), WriteError> {
        let target = self.target()?;
        let mut directory = target.parent().unwrap_or(Path::new("/"));
        // What is not there yet is made in what is.
        while !directory.exists() {
            directory = directory.parent().unwrap_or(Path::new("/"));
        }
        let directory = if directory.as_os_str().is_empty() {
            Path::new(".")
        } else {
            directory
        };
        use rustix::fs::Access;
        rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|error| refused(directory, &io::Error::from(error)))
    }

    /// Puts a text in the place of what was read; returns the hash of it.
    ///
    /// # Errors
    /// Where the file is not the one that was read any more, or can't be written. It is as it was then.
    pub fn write(&self, inputs: &Inputs, text: &str) -> Result<String, WriteError> {
        let target = self.target()?;
        let directory = target
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        if !directory.exists() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .map_err(|error| refused(directory, &error))?;
        }
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let draft = directory.join(format!(".{name}.{:08x}", rand::random::<u32>()));
        let outcome = self.replace(inputs, &target, &draft, directory, text);
        if outcome.is_err() {
            // Left behind it would only be in the way; the error that counts is the first.
            let _ = fs::remove_file(&draft);
        }
        outcome.map(|()| hash(Some(text)))
    }

    fn replace(
        &self,
        inputs: &Inputs,
        target: &Path,
        draft: &Path,
        directory: &Path,
        text: &str,
    ) -> Result<(), WriteError> {
        let failed = |error: io::Error| refused(directory, &error);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(OWN_MODE);
        let mut file = options.open(draft).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        if let Ok(old) = fs::metadata(target) {
            let mut mode = old.mode() & 0o7777;
            let new = file.metadata().map_err(failed)?;
            if (new.uid(), new.gid()) != (old.uid(), old.gid())
                && std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid())).is_err()
            {
                // Only root may give a file away. It stays readable for whom it was, and the group's rights are not given to another.
                mode &= 0o707;
            }
            file.set_permissions(fs::Permissions::from_mode(mode))
                .map_err(failed)?;
        }
        file.sync_all().map_err(failed)?;
        // The last look, as late as can be.
        if Self::read(inputs)?.hash != self.hash {
            return Err(WriteError::Changed(self.path.clone()));
        }
        fs::rename(draft, target).map_err(|error| refused(target, &error))?;
        // The name is durable only with its directory. The file is in its place already, so this is no reason to say that it is not.
        if let Err(error) = File::open(directory).and_then(|directory| directory.sync_all()) {
            tracing::warn!(%error, directory = %directory.display(), "the directory of the configuration can't be written to disk at once");
        }
        Ok(())
    }

    /// The file itself, at the end of every link.
    fn target(&self) -> Result<PathBuf, WriteError> {
        let shown = self.path.display();
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(self.path.clone()),
            Err(error) => return Err(refused(&self.path, &error)),
            Ok(_) => {}
        }
        let target = fs::canonicalize(&self.path).map_err(|error| {
            WriteError::ReadOnly(format!(
                "{shown} is a link that can't be followed ({error}): let it lead to a file"
            ))
        })?;
        let is_file = fs::metadata(&target).is_ok_and(|metadata| metadata.is_file());
        if is_file {
            Ok(target)
        } else {
            Err(WriteError::ReadOnly(format!(
                "{shown} is not a regular file, so it can't be replaced: change it by hand"
            )))
        }
    }
}

/// The words for a refusal of the system's.
fn refused(place: &Path, error: &io::Error) -> WriteError {
    let shown = place.display();
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "let the user that Steward runs as write in that directory, or change the file by hand"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "it is read-only for Steward: change the file by hand, or allow it (for systemd: ReadWritePaths=/etc/steward)"
        }
        io::ErrorKind::ResourceBusy => {
            "it seems to be mounted by itself: mount its directory instead, or change the file by hand"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk",
        _ => "change the file by hand",
    };
    WriteError::ReadOnly(format!("{shown} can't be written ({error}): {hint}"))
}

fn hash(text: Option<&str>) -> String {
    text.map_or_else(
        || NO_FILE.to_owned(),
        |text| {
            Sha256::digest(text.as_bytes())
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        },
    )
}
