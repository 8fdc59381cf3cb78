//! What security scans read, wired from the configuration; for the agent and for the command line without one.
//!
//! What flows through: the configuration in; the edges of scans, and what is known of Steward itself, out. What it never does: change
//! anything, or hand a token on: its length and how many different characters it has are told.

use std::{
    net::IpAddr,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
};

use super::SystemClock;
use crate::{
    config::{Config, TlsMode},
    integrations::{docker, host},
    ports::{ConfigurationProbe, ContainerLogs},
    security::{
        access::Edges,
        risks::{FileFact, OwnFacts, TokenFact},
    },
    server::{TOKEN_FILE, look_at_tokens},
};

/// The edges of scans, as configured, with what can't be made of them in words.
pub fn scan_edges(config: &Config) -> (Edges, Vec<String>) {
    let mut gaps = Vec::new();
    let mut engine = None;
    if config.docker.enabled {
        match docker::connect(&config.docker, &config.node.name, Arc::new(SystemClock)) {
            Ok(connected) => engine = Some(connected),
            Err(error) => gaps.push(error.to_string()),
        }
    }
    (edges_with(engine.as_ref()), gaps)
}

/// The same with an engine that is there already, or none.
pub(super) fn edges_with(engine: Option<&Arc<docker::DockerEngine>>) -> Edges {
    Edges {
        host: Some(Arc::new(host::HostLook::default())),
        host_logs: Some(Arc::new(host::HostLogReader::default())),
        container_logs: engine.map(|engine| Arc::clone(engine) as Arc<dyn ContainerLogs>),
        configurations: engine.map(|engine| Arc::clone(engine) as Arc<dyn ConfigurationProbe>),
    }
}

/// This machine's own addresses; none where they can't be told.
pub fn host_addresses() -> Vec<IpAddr> {
    host::own_addresses().unwrap_or_else(|error| {
        tracing::debug!(%error, "the host's own addresses are not known");
        Vec::new()
    })
}

/// Where Steward listens as configured; none where it takes any free port.
pub fn own_places(config: &Config) -> Vec<(IpAddr, u16)> {
    let server = &config.server;
    let port = server
        .listen
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse::<u16>().ok())
        .filter(|port| *port > 0);
    let address = match server.host() {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        host => host.parse().ok(),
    };
    address.zip(port).into_iter().collect()
}

/// What is known of Steward itself, and what could not be read of it.
pub fn own_facts(config: &Config) -> (OwnFacts, Vec<String>) {
    let mut gaps = Vec::new();
    let dir = &config.data_dir;
    let token_file = dir.join(TOKEN_FILE);
    let places = [
        ("the data directory", Some(dir.as_path()), false),
        ("the token file", Some(token_file.as_path()), false),
        ("the configuration", config.file.as_deref(), true),
        ("the key", config.server.key_file.as_deref(), false),
    ];
    let mut files = Vec::new();
    for (what, path, may_be_read) in places {
        let Some(path) = path else { continue };
        match look_at(what, path, may_be_read) {
            Ok(found) => files.extend(found),
            Err(gap) => gaps.push(gap),
        }
    }
    let tokens = match look_at_tokens(dir) {
        Ok(tokens) => tokens
            .into_iter()
            .map(|token| TokenFact {
                name: token.name,
                role: token.role,
                length: token.length,
                different: token.different,
                unused_since: None,
            })
            .collect(),
        Err(error) => {
            gaps.push(error.to_string());
            Vec::new()
        }
    };
    let facts = OwnFacts {
        host: config.host_id(),
        listen: config.server.listen.clone(),
        is_beyond_loopback: config.server.is_beyond_loopback(),
        has_tls: config.server.tls != TlsMode::Off,
        files,
        tokens,
    };
    (facts, gaps)
}

/// A file's owner and permissions; nothing where it is not there.
fn look_at(what: &str, path: &Path, may_be_read: bool) -> Result<Option<FileFact>, String> {
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(format!(
                "{what} {} can't be looked at: {error}; run as the account that runs Steward",
                path.display()
            ));
        }
    };
    let account = rustix::process::geteuid().as_raw();
    Ok(Some(FileFact {
        what: what.to_owned(),
        path: path.display().to_string(),
        mode: meta.permissions().mode(),
        // Root looks at what another account runs.
        is_own: account == 0 || meta.uid() == account || meta.uid() == 0,
        may_be_read,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_steward_listens() {
        let places = |listen: &str| {
            let mut config = Config::default();
            listen.clone_into(&mut config.server.listen);
            own_places(&config)
        };
        assert_eq!(
            places("127.0.0.1:9470"),
            [(IpAddr::from([127, 0, 0, 1]), 9470)]
        );
        assert_eq!(places("[::]:9470")[0].1, 9470);
        assert_eq!(places("0.0.0.0:0"), []);
    }

    #[test]
    fn steward_is_looked_at_where_it_keeps_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let tokens = folder.path().join(TOKEN_FILE);
        std::fs::write(&tokens, "[[token]]\nname = \"phone\"\nrole = \"admin\"\nsecret = \"aaaaaaaaaaaaaaaaaaaaaaaa\"\n").unwrap();
        mode(&tokens, 0o600);
        mode(folder.path(), 0o755);
        let config = Config {
            data_dir: folder.path().to_owned(),
            ..Config::default()
        };
        let (facts, gaps) = own_facts(&config);
        assert_eq!(gaps, Vec::<String>::new());
        assert_eq!((facts.tokens[0].length, facts.tokens[0].different), (24, 1));
        let risks = crate::security::risks::of_steward(&facts);
        let shown: Vec<&str> = risks.iter().map(|risk| risk.what.as_str()).collect();
        assert_eq!(risks.len(), 2, "{shown:?}");
        assert!(!format!("{risks:?}").contains("aaaa"));
        // Others can read it: that is told, and no token of it.
        mode(&tokens, 0o644);
        let (facts, gaps) = own_facts(&config);
        assert!(facts.tokens.is_empty() && gaps.len() == 1, "{gaps:?}");
        assert_eq!(crate::security::risks::of_steward(&facts).len(), 2);
    }
}
