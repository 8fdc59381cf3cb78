//! The configuration as text without secrets, and what differs between two of them.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::{ExposeSecret, SecretString};
use serde::Serializer;
use steward_api::Problem;

use super::Config;
use crate::redact::{MARK, secrets};

/// Keys that take effect only when the agent starts.
const AT_START: [&str; 8] = [
    "node.name",
    "server.listen",
    "server.allowed_hosts",
    "server.tls",
    "server.cert_file",
    "server.key_file",
    "database.url",
    "docker.host",
];

/// Serialises a URL that holds a secret: without it.
pub(super) fn secret<S: Serializer>(url: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&secrets(url.expose_secret()))
}

/// Serialises values that may be secrets: their names alone.
pub(super) fn hidden_values<S: Serializer>(
    values: &BTreeMap<String, SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(values.keys().map(|name| (name, MARK)))
}

/// As [`secret`], for one that may not be there; then it is skipped.
pub(super) fn optional_secret<S: Serializer>(
    url: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match url {
        Some(url) => secret(url, serializer),
        None => serializer.serialize_none(),
    }
}

/// Serialises a secret that is nothing but secret; to be skipped where there is none.
pub(super) fn struck_secret<S: Serializer>(
    _: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(MARK)
}

/// The whole configuration as it takes effect: TOML that could be loaded, but for the secrets, which are struck out.
pub fn describe(config: &Config) -> String {
    let mut shown = config.clone();
    for problem in Problem::ALL {
        shown.strategies.insert(problem, config.strategy(problem));
    }
    for script in shown.scripts.values_mut() {
        strike_arguments(&mut script.command);
    }
    for server in &mut shown.mcp.servers {
        strike_arguments(&mut server.args);
    }
    let file = config.file.as_ref().map_or_else(
        || "none: built-in values and the environment".to_owned(),
        |file| file.display().to_string(),
    );
    let token = if config.admin_token.is_some() {
        "given by STEWARD_ADMIN_TOKEN"
    } else {
        "made on the first run"
    };
    let database = if config.database.url.is_some() {
        ""
    } else {
        "# database: an SQLite file in the data directory\n"
    };
    let head = format!(
        "# file: {file}\n# data directory: {}\n# admin token: {token}\n{database}\n",
        config.data_dir.display()
    );
    match toml::to_string_pretty(&shown) {
        // Line by line, since a URL of a service or an argument of a script may hold a secret too.
        Ok(text) => {
            let body: Vec<String> = text.lines().map(secrets).collect();
            format!("{head}{}\n", body.join("\n"))
        }
        // A configuration that was loaded from TOML can be written as such.
        Err(error) => format!("{head}# cannot be shown: {error}\n"),
    }
}

/// Strikes out the argument after `--password` and the like.
fn strike_arguments(command: &mut [String]) {
    let mut follows_secret = false;
    for argument in command {
        let is_flag = argument.starts_with('-');
        if follows_secret && !is_flag {
            MARK.clone_into(argument);
        }
        // A flag whose value would be struck out takes a secret as its next argument.
        let probe = format!("{}=0x5eC2et", argument.trim_start_matches('-'));
        follows_secret = is_flag && !argument.contains('=') && secrets(&probe) != probe;
    }
}

/// The keys whose values differ, sorted; never the values. Lists are compared as a whole.
pub fn diff(old: &Config, new: &Config) -> Vec<String> {
    let (old_values, new_values) = (values(old), values(new));
    let keys: BTreeSet<&String> = old_values.keys().chain(new_values.keys()).collect();
    keys.into_iter()
        .filter(|key| old_values.get(*key) != new_values.get(*key))
        .cloned()
        .collect()
}

/// The keys among [`diff`] that take effect only after a restart.
pub fn needs_restart(old: &Config, new: &Config) -> Vec<String> {
    diff(old, new)
        .into_iter()
        .filter(|key| AT_START.contains(&key.as_str()))
        .collect()
}

/// Every value by its key, secrets in the clear: for comparing only.
fn values(config: &Config) -> BTreeMap<String, toml::Value> {
    let mut found = BTreeMap::new();
    // What was loaded from TOML can be written as such; an empty table would show as no difference, never as a wrong one.
    if let Ok(value) = toml::Value::try_from(config) {
        flatten("", value, &mut found);
    }
    let text = |url: &SecretString| toml::Value::String(url.expose_secret().to_owned());
    if let Some(url) = &config.database.url {
        found.insert("database.url".to_owned(), text(url));
    }
    let variables = config
        .mcp
        .servers
        .iter()
        .flat_map(|server| server.env.values());
    let variables = toml::Value::Array(variables.map(text).collect());
    if let Some(shown) = found.remove("mcp.servers") {
        found.insert(
            "mcp.servers".to_owned(),
            toml::Value::Array(vec![shown, variables]),
        );
    }
    let urls = config.databases.postgres.iter();
    let urls = toml::Value::Array(urls.map(|target| text(&target.url)).collect());
    if let Some(shown) = found.remove("databases.postgres") {
        found.insert(
            "databases.postgres".to_owned(),
            toml::Value::Array(vec![shown, urls]),
        );
    }
    let keys = config.advisor.models.iter();
    let keys = keys.map(|model| {
        model
            .api_key
            .as_ref()
            .map_or_else(|| toml::Value::Boolean(false), text)
    });
    let keys = toml::Value::Array(keys.collect());
    if let Some(shown) = found.remove("advisor.models") {
        found.insert(
            "advisor.models".to_owned(),
            toml::Value::Array(vec![shown, keys]),
        );
    }
    found
}

fn flatten(path: &str, value: toml::Value, found: &mut BTreeMap<String, toml::Value>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let below = if path.is_empty() {
                    name
                } else {
                    format!("{path}.{name}")
                };
                flatten(&below, value, found);
            }
        }
        value => {
            found.insert(path.to_owned(), value);
        }
    }
}
