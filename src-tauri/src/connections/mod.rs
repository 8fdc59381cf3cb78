//! The saved connections: a file of the person's, whose tokens are elsewhere (in the keyring).
//!
//! What flows through: `desktop.toml` in, the connections and which of them is used out, and back as a whole file or not at all. What it
//! never does: hold a token, or lose a file that it could not read.

pub(crate) mod keyring;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use steward_api::{Chosen, SavedConnection, Trouble, TroubleKind};

/// The file's name in Steward's configuration folder.
pub(crate) const FILE: &str = "desktop.toml";
/// A name longer than this does not fit on the screen.
const LONGEST_NAME: usize = 60;

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connections {
    /// Which is used.
    #[serde(rename = "use", default, with = "chosen_in_words")]
    pub(crate) chosen: Chosen,
    #[serde(rename = "connection", default, skip_serializing_if = "Vec::is_empty")]
    saved: Vec<SavedConnection>,
}

/// `nobody`, `own`, or `agent:<name>`.
mod chosen_in_words {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use steward_api::Chosen;

    pub(super) fn serialize<S: Serializer>(
        chosen: &Chosen,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match chosen {
            Chosen::Nobody => serializer.serialize_str("nobody"),
            Chosen::Own => serializer.serialize_str("own"),
            Chosen::Agent { name } => serializer.serialize_str(&format!("agent:{name}")),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Chosen, D::Error> {
        let text = String::deserialize(deserializer)?;
        match (text.as_str(), text.strip_prefix("agent:")) {
            ("nobody", _) => Ok(Chosen::Nobody),
            ("own", _) => Ok(Chosen::Own),
            (_, Some(name)) => Ok(Chosen::Agent {
                name: name.to_owned(),
            }),
            _ => Err(D::Error::custom(
                "`use` should be `own`, `nobody`, or `agent:` and the name of a connection",
            )),
        }
    }
}

impl Connections {
    /// Reads the file; one that does not exist holds nothing.
    ///
    /// # Errors
    /// Where it can't be read or understood; it is then left as it is.
    pub(crate) fn read(path: &Path) -> Result<Self, Trouble> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(storage("read", path, &error.to_string())),
        };
        let read: Self =
            toml::from_str(&text).map_err(|error| storage("understood", path, error.message()))?;
        let mut known = Self {
            chosen: read.chosen,
            saved: Vec::new(),
        };
        for connection in read.saved {
            known.add(connection).map_err(|trouble| {
                storage("understood", path, trouble.advice.trim_end_matches('.'))
            })?;
        }
        if let Chosen::Agent { name } = &known.chosen
            && known.get(name).is_none()
        {
            known.chosen = Chosen::Nobody;
        }
        Ok(known)
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// Where it can't be written.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Trouble> {
        let text =
            toml::to_string(self).map_err(|error| storage("written", path, &error.to_string()))?;
        let text = format!(
            "# Whom Steward's desktop shows. Tokens are not here: they are in the keyring of the system.\n{text}"
        );
        write_whole(path, &text).map_err(|error| storage("written", path, &error.to_string()))
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> &[SavedConnection] {
        &self.saved
    }

    /// The one of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&SavedConnection> {
        self.saved.iter().find(|saved| saved.name == name)
    }

    /// Adds one; its name must be free, its address one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn add(&mut self, connection: SavedConnection) -> Result<(), Trouble> {
        check(&connection)?;
        if self.get(&connection.name).is_some() {
            return Err(bad_input(
                "This name is taken",
                format!(
                    "There is a connection `{}` already. Choose another name, or remove that one first.",
                    connection.name
                ),
            ));
        }
        self.saved.push(connection);
        self.saved.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(())
    }

    /// Removes one, and gives it back; where it was in use, nobody is chosen then.
    pub(crate) fn remove(&mut self, name: &str) -> Option<SavedConnection> {
        let at = self.saved.iter().position(|saved| saved.name == name)?;
        if matches!(&self.chosen, Chosen::Agent { name: used } if used == name) {
            self.chosen = Chosen::Nobody;
        }
        Some(self.saved.remove(at))
    }
}

/// Whether a connection can be one, before anything is asked of it.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(connection: &SavedConnection) -> Result<(), Trouble> {
    let name = &connection.name;
    if name.trim().is_empty() || name.trim() != name || name.chars().any(char::is_control) {
        return Err(bad_input(
            "The connection needs a name",
            "Give it a short one, such as the name of the machine, without spaces around it."
                .to_owned(),
        ));
    }
    if name.chars().count() > LONGEST_NAME {
        return Err(bad_input(
            "The name is too long",
            format!("It may have {LONGEST_NAME} characters."),
        ));
    }
    let scheme = connection.url.split_once("://").map(|(scheme, _)| scheme);
    if !matches!(scheme, Some("http" | "https")) {
        return Err(bad_input(
            "This is not the address of an agent",
            "It should read like https://atlas:9470.".to_owned(),
        ));
    }
    Ok(())
}

fn bad_input(title: &str, advice: String) -> Trouble {
    Trouble::new(TroubleKind::BadInput, title, advice)
}

fn storage(deed: &str, path: &Path, reason: &str) -> Trouble {
    Trouble::new(
        TroubleKind::Storage,
        format!("The file of connections can't be {deed}"),
        format!(
            "{}: {reason}. Mend or remove it, then start Steward again.",
            path.display()
        ),
    )
}

/// Writes a file beside the one that it replaces, readable by its owner alone, and puts it in its place once it is on the disk.
pub(crate) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let draft = PathBuf::from(draft);
    let written = || -> io::Result<()> {
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        // The new name is on the disk only when its folder is.
        File::open(dir)?.sync_all()
    };
    written().inspect_err(|_| {
        let _ = fs::remove_file(&draft);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(name: &str) -> SavedConnection {
        SavedConnection {
            name: name.to_owned(),
            url: format!("https://{name}:9470"),
            ca_file: (name == "atlas").then(|| "/etc/ssl/home.pem".to_owned()),
        }
    }

    fn two() -> Connections {
        let mut two = Connections::default();
        two.add(connection("pve1")).unwrap();
        two.add(connection("atlas")).unwrap();
        two.chosen = Chosen::Agent {
            name: "atlas".to_owned(),
        };
        two
    }

    #[test]
    fn what_was_written_is_read_back_and_only_its_owner_may() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("steward").join(FILE);
        two().write(&path).unwrap();
        assert_eq!(Connections::read(&path).unwrap(), two());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(two().all()[0].name, "atlas", "they stand by name");
        let left = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "no draft is left");
    }

    #[test]
    fn a_file_that_is_not_there_is_the_first_run() {
        let read = Connections::read(Path::new("/nowhere/desktop.toml")).unwrap();
        assert_eq!(read.chosen, Chosen::Nobody);
        assert!(read.all().is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_understood_is_said_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        for text in [
            "use = 3",
            "use = \"somebody\"",
            "nonsense = true",
            "[[connection]]\nname = \"a\"\nurl = \"ftp://a\"",
            "[[connection]]\nname = \"a\"\nurl = \"http://a\"\n[[connection]]\nname = \"a\"\nurl = \"http://b\"",
        ] {
            fs::write(&path, text).unwrap();
            let trouble = Connections::read(&path).unwrap_err();
            assert_eq!(trouble.kind, TroubleKind::Storage, "{text}");
            assert!(trouble.advice.contains("desktop.toml"), "{trouble}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_choice_that_leads_nowhere_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        fs::write(&path, "use = \"agent:gone\"").unwrap();
        assert_eq!(Connections::read(&path).unwrap().chosen, Chosen::Nobody);
    }

    #[test]
    fn names_are_unique_and_addresses_are_some() {
        let mut two = two();
        assert_eq!(
            two.add(connection("atlas")).unwrap_err().kind,
            TroubleKind::BadInput
        );
        for (name, url) in [
            ("", "http://a"),
            (" a", "http://a"),
            ("a\nb", "http://a"),
            ("a", "atlas"),
            ("a", "file:///etc/passwd"),
        ] {
            let bad = SavedConnection {
                name: name.to_owned(),
                url: url.to_owned(),
                ca_file: None,
            };
            assert!(two.add(bad).is_err(), "{name:?} {url}");
        }
    }

    #[test]
    fn removing_the_one_in_use_leaves_nobody_chosen() {
        let mut two = two();
        assert!(two.remove("atlas").is_some());
        assert_eq!(two.chosen, Chosen::Nobody);
        assert!(two.remove("atlas").is_none());
    }
}
