//! Loads the configuration: defaults, then the file, then the environment; all of it checked before any of it counts.
//!
//! The environment is an input. Read here are the file, the host's name and the user's id, nothing else.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use secrecy::SecretString;
use serde::Deserialize;

use super::{
    Config, ConfigError, check as keys, describe, edit,
    error::Fault,
    place::{Lines, Place},
    rules, schema,
    tree::{self, Node},
    warnings,
};

/// The longest file that is taken for a configuration, bytes.
const LONGEST_FILE: u64 = 1024 * 1024;

/// The variables that win over every other word on their key.
const NAMED: [(&str, &[&str]); 4] = [
    ("STEWARD_LISTEN", &["server", "listen"]),
    ("STEWARD_DATABASE_URL", &["database", "url"]),
    ("STEWARD_AUTONOMY", &["autonomy", "level"]),
    ("DOCKER_HOST", &["docker", "host"]),
];

/// What a configuration is loaded from.
#[derive(Clone, Default)]
pub struct Inputs {
    /// The file given with `--config`. `STEWARD_CONFIG` wins over it.
    pub path: Option<PathBuf>,
    /// The environment. Empty values count as not set.
    pub env: BTreeMap<String, String>,
}

/// Names only: the values may be secrets.
impl std::fmt::Debug for Inputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inputs")
            .field("path", &self.path)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// The process's variables as [`Inputs`] take them; give it `std::env::vars_os()`. Those that are not Unicode are left out: no key of
/// Steward's can be meant by them, and they must not keep it from starting.
pub fn variables(all: impl IntoIterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    all.into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// A configuration that was checked, for `steward config check`.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The configuration.
    pub config: Config,
    /// The whole of it as it takes effect, in TOML, without secrets.
    pub text: String,
    /// What is allowed but probably not meant.
    pub warnings: Vec<String>,
}

/// Loads and checks the configuration.
///
/// # Errors
/// Everything that is wrong with it, each with its line or variable. Nothing of it takes effect then.
pub fn load(inputs: &Inputs) -> Result<Config, ConfigError> {
    load_as(inputs, &User::here())
}

/// Loads and checks the configuration and shows what takes effect.
///
/// # Errors
/// As for [`load`].
pub fn check(inputs: &Inputs) -> Result<Checked, ConfigError> {
    let config = load(inputs)?;
    Ok(Checked {
        text: describe(&config),
        warnings: config.warnings.clone(),
        config,
    })
}

impl Inputs {
    /// The file that these inputs lead to, whether it exists or not; what a [`super::Watcher`] should watch. None only where no file
    /// was named and the user has no home.
    pub fn file(&self) -> Option<PathBuf> {
        self.file_as(rustix::process::geteuid().is_root())
            .map(|(path, _)| path)
    }

    /// The file, and whether somebody named it.
    fn file_as(&self, is_root: bool) -> Option<(PathBuf, bool)> {
        if let Some(path) = self.variable("STEWARD_CONFIG") {
            return Some((PathBuf::from(path), true));
        }
        if let Some(path) = &self.path {
            return Some((path.clone(), true));
        }
        if is_root {
            return Some((PathBuf::from("/etc/steward/steward.toml"), false));
        }
        self.home("XDG_CONFIG_HOME", ".config")
            .map(|home| (home.join("steward/steward.toml"), false))
    }

    /// Where these inputs have Steward keep its own files; none where the user has no home and nothing is set.
    pub fn data_dir(&self) -> Option<PathBuf> {
        let user = User {
            is_root: rustix::process::geteuid().is_root(),
            host: String::new(),
        };
        data_dir(self, &user).ok()
    }

    /// A variable's value; none where it is empty.
    fn variable(&self, name: &str) -> Option<&str> {
        self.env
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// One of the user's base directories. A relative one is not valid and is passed over, as the XDG specification wants it.
    fn home(&self, xdg: &str, below_home: &str) -> Option<PathBuf> {
        let absolute = |name: &str| {
            self.variable(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        absolute(xdg).or_else(|| absolute("HOME").map(|home| home.join(below_home)))
    }
}

/// Who runs this, where that changes a default.
pub(super) struct User {
    /// Whether files belong in the system's places.
    pub(super) is_root: bool,
    /// The host's own name.
    pub(super) host: String,
}

impl User {
    /// Whoever runs this process, on this host.
    fn here() -> Self {
        Self {
            is_root: rustix::process::geteuid().is_root(),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
        }
    }
}

pub(super) fn load_as(inputs: &Inputs, user: &User) -> Result<Config, ConfigError> {
    let found = match inputs.file_as(user.is_root) {
        Some((path, named)) => read(&path, named, inputs).map_err(|fault| ConfigError {
            faults: vec![*fault],
        })?,
        None => None,
    };
    load_found(inputs, user, found)
}

/// Loads and checks what the configuration would be with this text in its file.
///
/// # Errors
/// As for [`load`].
pub(super) fn load_text(inputs: &Inputs, path: &Path, text: &str) -> Result<Config, ConfigError> {
    if text.len() as u64 > LONGEST_FILE {
        let fault = Place::Default.fault(Some(path), "", "would be longer than 1 MiB", "");
        return Err(ConfigError {
            faults: vec![fault],
        });
    }
    load_found(
        inputs,
        &User::here(),
        Some((path.to_path_buf(), text.to_owned())),
    )
}

fn load_found(
    inputs: &Inputs,
    user: &User,
    found: Option<(PathBuf, String)>,
) -> Result<Config, ConfigError> {
    let mut faults = Vec::new();
    let path = found.as_ref().map(|(path, _)| path.as_path());

    let from_file = match &found {
        Some((path, text)) => match Node::from_file(text, path) {
            Ok(node) => Some(node),
            Err(syntax) => {
                faults.extend(syntax);
                None
            }
        },
        None => None,
    };
    if let Some(node) = &from_file {
        faults.extend(keys::tree(node, path));
    }
    let from_variables = variables_tree(inputs, &mut faults);
    faults.extend(keys::tree(&from_variables, path));
    let (data_dir, admin_token) = (data_dir(inputs, user), admin_token(inputs));

    let mut root = defaults().map_err(internal)?;
    let has_syntax = found.is_none() || from_file.is_some();
    if let Some(node) = from_file {
        root.lay_over(node);
    }
    root.lay_over(from_variables);
    // Without the file's values, every rule that ties keys together would blame the wrong ones.
    if has_syntax {
        faults.extend(keys::missing(&root, path));
    }
    let config = match Config::deserialize(root.clone().into_toml()) {
        Ok(config) => Some(config),
        // With faults found above this is only their echo. Without, the table of keys and the types differ.
        Err(_) if !faults.is_empty() => None,
        Err(error) => return Err(internal(error.message().to_owned())),
    };
    if let (Some(config), true) = (&config, has_syntax) {
        faults.extend(rules::between(config, &root, path, &faults));
    }
    let data_dir = data_dir.map_err(|fault| faults.push(*fault)).ok();
    let admin_token = admin_token.map_err(|fault| faults.push(*fault)).ok();
    // One variable can lay a fault in both trees; and a reader goes through the file from the top.
    faults.sort_by(|a, b| (a.line, a.column, &a.variable).cmp(&(b.line, b.column, &b.variable)));
    faults.dedup();

    match (config, data_dir, admin_token) {
        (Some(mut config), Some(data_dir), Some(admin_token)) if faults.is_empty() => {
            if config.node.name.is_empty() {
                config.node.name = node_name(&user.host);
            }
            config.data_dir = data_dir;
            config.admin_token = admin_token;
            config.file = found.map(|(path, _)| path);
            config.warnings = warnings::of(&config, &root, inputs);
            config.settings = edit::settings(&root).into();
            Ok(config)
        }
        _ => Err(ConfigError { faults }),
    }
}

/// The built-in values as the lowest layer.
pub(super) fn defaults() -> Result<Node, String> {
    toml::Value::try_from(Config::default())
        .map(Node::from_defaults)
        .map_err(|error| error.to_string())
}

fn internal(message: String) -> ConfigError {
    let wrong = format!("the configuration cannot be put together: {message}");
    ConfigError {
        faults: vec![Place::Default.fault(None, "", wrong, "please report this")],
    }
}

/// Reads the file; none where nobody named it and it is not there.
pub(super) fn read(
    path: &Path,
    named: bool,
    inputs: &Inputs,
) -> Result<Option<(PathBuf, String)>, Box<Fault>> {
    let fault =
        |wrong: String, right: &str| Box::new(Place::Default.fault(Some(path), "", wrong, right));
    let refused = |error: std::io::Error| {
        let hint = match (error.kind(), inputs.variable("STEWARD_CONFIG").is_some()) {
            (ErrorKind::PermissionDenied, _) => "let the user that Steward runs as read it",
            (_, true) => "STEWARD_CONFIG should name a file that exists, or be unset",
            (_, false) => "--config should name a file that exists",
        };
        fault(format!("cannot be read: {error}"), hint)
    };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound && !named => return Ok(None),
        Err(error) => return Err(refused(error)),
    };
    let mut bytes = Vec::new();
    (&mut file)
        .take(LONGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(refused)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(fault(
            "is longer than 1 MiB".to_owned(),
            "it should be a configuration, such as steward.example.toml",
        ));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some((path.to_path_buf(), text))),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default());
            Err(Box::new(Lines::new(&before).place(valid).fault(
                Some(path),
                "",
                "this is not UTF-8 text",
                "save the file as UTF-8",
            )))
        }
    }
}

/// What the environment says of keys.
pub(super) fn variables_tree(inputs: &Inputs, faults: &mut Vec<Fault>) -> Node {
    let mut root = Node::empty(Place::Default);
    // In the order of their names, so that a section as a whole comes before its keys.
    for (name, value) in &inputs.env {
        if !name.starts_with("STEWARD__") || value.is_empty() {
            continue;
        }
        match tree::address(name) {
            Ok((path, kind)) => root.put(&path, Node::from_variable(name, value, kind)),
            Err(fault) => faults.push(*fault),
        }
    }
    for (name, path) in NAMED {
        if let Some(value) = inputs.variable(name) {
            let path: Vec<String> = path.iter().map(|&part| part.to_owned()).collect();
            // All of them take plain text.
            let kind = schema::Kind::Text(super::text::PART_OF_COMMAND);
            root.put(&path, Node::from_variable(name, value, &kind));
        }
    }
    root
}

fn data_dir(inputs: &Inputs, user: &User) -> Result<PathBuf, Box<Fault>> {
    if let Some(path) = inputs.variable("STEWARD_DATA_DIR") {
        return Ok(PathBuf::from(path));
    }
    if user.is_root {
        return Ok(PathBuf::from("/var/lib/steward"));
    }
    inputs
        .home("XDG_DATA_HOME", ".local/share")
        .map(|home| home.join("steward"))
        .ok_or_else(|| {
            Box::new(Place::Variable("STEWARD_DATA_DIR".to_owned()).fault(
                None,
                "",
                "there is no place to keep Steward's files: neither XDG_DATA_HOME nor HOME is set",
                "set STEWARD_DATA_DIR to a directory that Steward may write",
            ))
        })
}

fn admin_token(inputs: &Inputs) -> Result<Option<SecretString>, Box<Fault>> {
    const NAME: &str = "STEWARD_ADMIN_TOKEN";
    let Some(token) = inputs.variable(NAME) else {
        return Ok(None);
    };
    if token.bytes().all(|byte| byte.is_ascii_graphic()) && token.len() <= 512 {
        return Ok(Some(SecretString::from(token)));
    }
    Err(Box::new(Place::Variable(NAME.to_owned()).fault(
        None,
        "",
        "the token (not shown) cannot be sent in a header",
        "it should be up to 512 ASCII letters, digits and signs without blanks, such as `openssl rand -hex 32` makes",
    )))
}

/// The host's name as a node's name: without what is not allowed in one.
pub(super) fn node_name(host: &str) -> String {
    let clean: String = host
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '-'
            }
        })
        .take(64)
        .collect();
    let clean = clean.trim_matches(['-', '.']);
    // A host without a name: any fixed word will do, since the node is alone until it is given a better one.
    if clean.is_empty() {
        "node".to_owned()
    } else {
        clean.to_owned()
    }
}
