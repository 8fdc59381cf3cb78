//! What is allowed in a configuration but probably not meant, or not wise; in words for a person.
//!
//! Looks at the configuration's file and at scripts, never changes anything, never shows a secret.

use std::{
    fs::{self, Metadata},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use secrecy::ExposeSecret;

use super::{Config, Inputs, TlsMode, place::Place, schema, tree::Node};

/// Variables that are known besides `STEWARD__…`: those of the configuration, then those of the command line.
const KNOWN: [&str; 9] = [
    "STEWARD_CONFIG",
    "STEWARD_DATA_DIR",
    "STEWARD_LISTEN",
    "STEWARD_ADMIN_TOKEN",
    "STEWARD_DATABASE_URL",
    "STEWARD_AUTONOMY",
    "STEWARD_URL",
    "STEWARD_TOKEN",
    "STEWARD_CA",
];

/// A token shorter than this can be guessed.
const SHORT_TOKEN: usize = 16;

/// Everything that is worth a warning.
pub(super) fn of(config: &Config, root: &Node, inputs: &Inputs) -> Vec<String> {
    let mut warnings = Vec::new();
    variables(inputs, &mut warnings);
    file(config, root, &mut warnings);
    scripts(config, &mut warnings);
    server(config, &mut warnings);
    warnings
}

fn variables(inputs: &Inputs, warnings: &mut Vec<String>) {
    for (name, value) in &inputs.env {
        if value.is_empty()
            || !name.starts_with("STEWARD_")
            || name.starts_with("STEWARD__")
            || KNOWN.contains(&name.as_str())
        {
            continue;
        }
        let lower = KNOWN.map(str::to_lowercase);
        let meant = schema::nearest(name, lower.iter().map(String::as_str))
            .map(|meant| format!("did you mean {}? ", meant.to_uppercase()))
            .unwrap_or_default();
        warnings.push(format!(
            "{name}: this variable does nothing: {meant}known are {} and STEWARD__SECTION__KEY for any key",
            KNOWN.join(", ")
        ));
    }
}

fn file(config: &Config, root: &Node, warnings: &mut Vec<String>) {
    let Some(path) = &config.file else { return };
    // A file that went away since it was read has no permissions to speak of.
    let Ok(metadata) = fs::metadata(path) else {
        return;
    };
    if !metadata.is_file() {
        return;
    }
    let mode = metadata.permissions().mode();
    let shown = path.display();
    if mode & 0o022 != 0 {
        warnings.push(format!(
            "{shown}: others than its owner may change it, and with it what Steward runs: `chmod go-w {shown}`"
        ));
    }
    let databases = config
        .databases
        .postgres
        .iter()
        .enumerate()
        .map(|(index, target)| (format!("databases.postgres[{index}].url"), &target.url));
    let keys = config
        .advisor
        .models
        .iter()
        .enumerate()
        .filter(|(_, model)| model.api_key.is_some())
        .map(|(index, _)| format!("advisor.models[{index}].api_key"));
    // What is given to a program may be its key: that shows by the variable's name.
    let given = config.mcp.servers.iter().enumerate().filter(|(_, server)| {
        server
            .env
            .iter()
            .any(|(name, value)| holds_password(&format!("{name}={}", value.expose_secret())))
    });
    let given = given.map(|(index, _)| format!("mcp.servers[{index}].env"));
    let holding: Vec<String> = config
        .database
        .url
        .iter()
        .map(|url| ("database.url".to_owned(), url))
        .chain(databases)
        .filter(|(_, url)| holds_password(url.expose_secret()))
        .map(|(key, _)| key)
        .chain(keys)
        .chain(given)
        .filter(|key| {
            root.at(key)
                .is_some_and(|node| matches!(node.place, Place::File { .. }))
        })
        .collect();
    if mode & 0o044 != 0 && !holding.is_empty() {
        warnings.push(format!(
            "{shown}: others than its owner may read it, and it holds a password ({}): `chmod 600 {shown}`",
            holding.join(", ")
        ));
    }
}

/// Whether a URL has a password in it. Clearing it of secrets changes it exactly then.
fn holds_password(url: &str) -> bool {
    crate::redact::secrets(url) != url
}

fn scripts(config: &Config, warnings: &mut Vec<String>) {
    for (name, script) in &config.scripts {
        let Some(program) = script.command.first() else {
            continue;
        };
        if let Some(wrong) = program_fault(Path::new(program)) {
            warnings.push(format!(
                "scripts.{name}: {program} {wrong}; the script will fail until that is mended"
            ));
        } else if let Some(writable) = writable_by_others(Path::new(program)) {
            warnings.push(format!(
                "scripts.{name}: {writable} can be changed by others than its owner, and so can what Steward runs"
            ));
        }
    }
}

fn program_fault(program: &Path) -> Option<String> {
    match fs::metadata(program) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Some("does not exist".to_owned())
        }
        Err(error) => Some(format!("cannot be looked at ({error})")),
        Ok(metadata) if !metadata.is_file() => Some("is not a file".to_owned()),
        Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => {
            Some("is not executable".to_owned())
        }
        Ok(_) => None,
    }
}

/// The program, or the directory that it lies in, where others than the owner may change it.
fn writable_by_others(program: &Path) -> Option<String> {
    // A sticky directory such as /tmp does not let others replace what is not theirs.
    let open = |metadata: &Metadata| {
        metadata.mode() & 0o022 != 0 && !(metadata.is_dir() && metadata.mode() & 0o1000 != 0)
    };
    [Some(program), program.parent()]
        .into_iter()
        .flatten()
        .find(|path| fs::metadata(path).is_ok_and(|metadata| open(&metadata)))
        .map(|path| path.display().to_string())
}

fn server(config: &Config, warnings: &mut Vec<String>) {
    let server = &config.server;
    if server.tls == TlsMode::Off && server.is_beyond_loopback() {
        warnings.push(format!(
            "server.listen: {} can be reached from other machines, and tokens travel unencrypted: set server.tls to \"generated\" or \"files\", put a proxy with TLS before it, or listen on 127.0.0.1",
            server.listen
        ));
    }
    if server.tls != TlsMode::Files && (server.cert_file.is_some() || server.key_file.is_some()) {
        warnings.push(
            "server.cert_file, server.key_file: they do nothing while server.tls is not \"files\""
                .to_owned(),
        );
    }
    if let Some(token) = &config.admin_token
        && token.expose_secret().len() < SHORT_TOKEN
    {
        warnings.push(format!(
            "STEWARD_ADMIN_TOKEN: the token is shorter than {SHORT_TOKEN} characters and can be guessed: `openssl rand -hex 32` makes a good one"
        ));
    }
}
