//! Finds the agent: the one named by `--url`, else the one that runs on this machine, with a token that may be used for it.
//!
//! A running agent leaves its address in `agent.json` and its tokens in `tokens.toml` (0600) in its data directory. A local token is
//! never sent to an address that is not the local agent's.

use std::{
    io,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use steward_api::Channel;

use super::{
    args::Global,
    failure::{Exit, Failure},
};
use crate::client::{Client, ClientError, Trust};

/// Where the agent listens when nothing else is configured.
const DEFAULT_URL: &str = "http://127.0.0.1:9470";
/// Where the agent of a system service keeps its files.
const SYSTEM_DIR: &str = "/var/lib/steward";

/// What a running agent says of itself, in `agent.json`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct AgentFile {
    /// Its address.
    pub(crate) url: String,
    /// Its process.
    #[serde(default)]
    pub(crate) pid: Option<u32>,
    /// The file of its certificate, where it speaks TLS.
    #[serde(default)]
    pub(crate) certificate: Option<PathBuf>,
}

/// What was found about the agent on this machine.
#[derive(Debug)]
pub(crate) enum Local {
    /// It left its address in this directory.
    Running { dir: PathBuf, agent: AgentFile },
    /// No directory holds an address.
    Absent { looked_in: Vec<PathBuf> },
    /// There may be one, but this account may not look.
    Unreadable { path: PathBuf },
}

/// The directories in which a local agent may have left its files, likeliest first.
pub(crate) fn data_dirs() -> Vec<PathBuf> {
    let mut dirs = vec![crate::wire::data_dir()];
    // With its own directory named, one agent is meant and no other.
    if std::env::var_os("STEWARD_DATA_DIR").is_none() && dirs[0] != Path::new(SYSTEM_DIR) {
        dirs.push(PathBuf::from(SYSTEM_DIR));
    }
    dirs
}

/// Looks for the agent on this machine.
pub(crate) fn find_local(dirs: &[PathBuf]) -> Result<Local, Failure> {
    let mut barred = None;
    for dir in dirs {
        let path = dir.join("agent.json");
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let agent = serde_json::from_str(&text).map_err(|error| {
                    Failure::failed(format!(
                        "{} can't be understood: {error}. Name the agent with --url.",
                        path.display()
                    ))
                })?;
                return Ok(Local::Running {
                    dir: dir.clone(),
                    agent,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                barred.get_or_insert(path);
            }
            Err(_) => {}
        }
    }
    Ok(match barred {
        Some(path) => Local::Unreadable { path },
        None => Local::Absent {
            looked_in: dirs.to_vec(),
        },
    })
}

/// The best token in a data directory's token file: that of the highest role.
pub(crate) fn read_token(dir: &Path) -> Result<SecretString, Failure> {
    let hint =
        "Run this as the same user as the agent, or give a token with --token or STEWARD_TOKEN.";
    match crate::wire::local_token(dir) {
        Ok(Some(token)) => Ok(token),
        Ok(None) => Err(Failure::new(
            Exit::NotAllowed,
            "token_missing",
            format!("there is no token in {}. {hint}", dir.display()),
        )),
        Err(error) => Err(Failure::new(
            Exit::NotAllowed,
            "token_unreadable",
            format!("{}. {hint}", super::chain(&error)),
        )),
    }
}

/// A client for the agent that is meant, through this channel.
pub(crate) fn connect(global: &Global, channel: Channel) -> Result<Client, Failure> {
    let admin = std::env::var("STEWARD_ADMIN_TOKEN")
        .ok()
        .filter(|token| !token.is_empty())
        .map(SecretString::from);
    let dirs = data_dirs();
    let (url, token) = choose(global, &dirs, admin)?;
    let trust = trust(global, &dirs, &url)?;
    Ok(Client::trusting(&trust, &url, token, channel)?)
}

/// Whose certificate to believe for this address: what was named; for the agent on this machine the one that it left here; else the
/// system's authorities.
fn trust(global: &Global, dirs: &[PathBuf], url: &str) -> Result<Trust, Failure> {
    let read = |path: &Path, hint: &str| {
        std::fs::read(path).map_err(|error| {
            Failure::usage(format!("can't read {}: {error}. {hint}", path.display()))
        })
    };
    if let Some(path) = global
        .ca
        .as_deref()
        .filter(|path| !path.as_os_str().is_empty())
    {
        let hint = "--ca or STEWARD_CA should name a file with certificates in PEM";
        return Ok(Trust::Only(read(path, hint)?));
    }
    match find_local(dirs)? {
        Local::Running { agent, .. } if same_address(url, &agent.url) => match agent.certificate {
            Some(path) => {
                let hint = "Run this as the same user as the agent, or name it with --ca";
                Ok(Trust::Exactly(read(&path, hint)?))
            }
            None => Ok(Trust::System),
        },
        _ => Ok(Trust::System),
    }
}

fn choose(
    global: &Global,
    dirs: &[PathBuf],
    admin: Option<SecretString>,
) -> Result<(String, SecretString), Failure> {
    let given = global
        .token
        .clone()
        .filter(|token| !token.expose_secret().is_empty());
    let given_url = global.url.as_deref().filter(|url| !url.is_empty());
    if let (Some(url), Some(token)) = (given_url, &given) {
        return Ok((url.to_owned(), token.clone()));
    }
    let local = find_local(dirs)?;
    let local_token = |dir: &Path| match (&given, &admin) {
        (Some(token), _) | (None, Some(token)) => Ok(token.clone()),
        (None, None) => read_token(dir),
    };
    match (given_url, local) {
        (Some(url), Local::Running { dir, agent }) if same_address(url, &agent.url) => {
            Ok((url.to_owned(), local_token(&dir)?))
        }
        // Not the local agent: without a token there is only what needs none.
        (Some(url), _) => Ok((url.to_owned(), SecretString::default())),
        (None, Local::Running { dir, agent }) => {
            let token = local_token(&dir)?;
            Ok((agent.url, token))
        }
        (None, Local::Unreadable { path }) => match given {
            Some(token) => Ok((DEFAULT_URL.to_owned(), token)),
            None => Err(Failure::new(
                Exit::NotAllowed,
                "token_unreadable",
                format!(
                    "this account may not read {}. Run this as the same user as the agent, or give --url and --token.",
                    path.display()
                ),
            )),
        },
        (None, Local::Absent { looked_in }) => match given {
            Some(token) => Ok((DEFAULT_URL.to_owned(), token)),
            None => {
                let places: Vec<_> = looked_in
                    .iter()
                    .map(|dir| dir.display().to_string())
                    .collect();
                Err(ClientError::Unreachable {
                    url: "this machine".to_owned(),
                    reason: format!(
                        "no running agent left its address in {}",
                        places.join(" or ")
                    ),
                }
                .into())
            }
        },
    }
}

fn same_address(one: &str, other: &str) -> bool {
    // Without a scheme http is meant, as for the client.
    let plain = |url: &str| {
        let url = url.trim_end_matches('/');
        let url = if url.contains("://") {
            url.to_owned()
        } else {
            format!("http://{url}")
        };
        url.replace("://localhost", "://127.0.0.1")
    };
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn global(url: Option<&str>, token: Option<&str>) -> Global {
        Global {
            url: url.map(str::to_owned),
            token: token.map(SecretString::from),
            ca: None,
            config: None,
            json: false,
            color: super::super::args::ColorWhen::Never,
            verbose: 0,
        }
    }

    fn agent_dir() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("agent.json"),
            r#"{"url":"http://127.0.0.1:4711","pid":1}"#,
        )
        .unwrap();
        std::fs::write(
            dir.path().join("tokens.toml"),
            "[[token]]\nname=\"v\"\nrole=\"viewer\"\nsecret=\"stw_v_0123456789abcdef\"\n[[token]]\nname=\"a\"\nrole=\"admin\"\nsecret=\"stw_a_0123456789abcdef\"\n",
        )
        .unwrap();
        // As the agent makes it: a file that others can read is not used.
        std::fs::set_permissions(
            dir.path().join("tokens.toml"),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .unwrap();
        dir
    }

    fn chosen(global: &Global, dir: &Path) -> (String, String) {
        let (url, token) = choose(global, &[dir.to_path_buf()], None).unwrap();
        (url, token.expose_secret().to_owned())
    }

    #[test]
    fn the_local_agent_is_found_with_its_best_token() {
        let dir = agent_dir();
        let found = chosen(&global(None, None), dir.path());
        assert_eq!(
            found,
            (
                "http://127.0.0.1:4711".to_owned(),
                "stw_a_0123456789abcdef".to_owned()
            )
        );
        let found = chosen(&global(Some("localhost:4711"), None), dir.path());
        assert_eq!(found.1, "stw_a_0123456789abcdef");
    }

    #[test]
    fn a_local_token_never_goes_elsewhere() {
        let dir = agent_dir();
        let found = chosen(&global(Some("http://atlas:4711"), None), dir.path());
        assert_eq!(found, ("http://atlas:4711".to_owned(), String::new()));
        let admin = Some(SecretString::from("stw_admin"));
        let elsewhere = choose(
            &global(Some("http://atlas:1"), None),
            &[dir.path().into()],
            admin,
        );
        assert_eq!(elsewhere.unwrap().1.expose_secret(), "");
    }

    #[test]
    fn a_certificate_is_believed_for_the_agent_that_left_it_alone() {
        let dir = tempfile::tempdir().unwrap();
        let certificate = dir.path().join("tls-cert.pem");
        std::fs::write(&certificate, "PEM").unwrap();
        std::fs::write(
            dir.path().join("agent.json"),
            serde_json::json!({"url": "https://127.0.0.1:4711", "certificate": certificate})
                .to_string(),
        )
        .unwrap();
        let dirs = [dir.path().to_path_buf()];
        let of = |global: &Global, url: &str| trust(global, &dirs, url);
        let nothing = global(None, None);
        assert!(matches!(
            of(&nothing, "https://localhost:4711"),
            Ok(Trust::Exactly(pem)) if pem == b"PEM"
        ));
        assert!(matches!(
            of(&nothing, "https://atlas:4711"),
            Ok(Trust::System)
        ));
        let named = Global {
            ca: Some(certificate),
            ..global(None, None)
        };
        assert!(matches!(
            of(&named, "https://atlas:4711"),
            Ok(Trust::Only(_))
        ));
        let missing = Global {
            ca: Some(dir.path().join("none.pem")),
            ..global(None, None)
        };
        let failure = of(&missing, "https://atlas:4711").unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.to_string().contains("none.pem"), "{failure}");
    }

    #[test]
    fn what_is_given_wins() {
        let dir = agent_dir();
        assert_eq!(
            chosen(&global(None, Some("mine")), dir.path()),
            ("http://127.0.0.1:4711".to_owned(), "mine".to_owned())
        );
    }

    #[test]
    fn no_agent_says_where_was_looked_and_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let failure = choose(&global(None, None), &[dir.path().into()], None).unwrap_err();
        assert_eq!(failure.exit_code(), 3);
        let text = failure.to_string();
        assert!(
            text.contains("steward up") && text.contains(&dir.path().display().to_string()),
            "{text}"
        );
    }

    #[test]
    fn a_token_file_that_can_not_be_used_says_so_without_its_content() {
        let dir = agent_dir();
        let tokens = dir.path().join("tokens.toml");
        std::fs::write(&tokens, "[[token]]\nrole=\"admin\"\nsecret=stw_secret\n").unwrap();
        let failure = choose(&global(None, None), &[dir.path().into()], None).unwrap_err();
        assert_eq!(failure.exit_code(), 6);
        assert!(!failure.to_string().contains("stw_secret"), "{failure}");
        std::fs::remove_file(&tokens).unwrap();
        let failure = choose(&global(None, None), &[dir.path().into()], None).unwrap_err();
        assert!(failure.to_string().contains("same user"), "{failure}");
    }
}
