//! Where the engine is: Docker's notation of addresses in, one [`Endpoint`] out. Credentials in an address are not kept.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Where Docker listens when nobody says otherwise.
const USUAL_SOCKET: &str = "/var/run/docker.sock";

/// How the engine is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// A Unix socket; absent: the first of the usual ones that is there.
    Unix(Option<PathBuf>),
    /// host:port, in the clear.
    Tcp(String),
    /// host:port, with the certificates in this directory.
    Tls {
        address: String,
        certificates: PathBuf,
    },
}

impl Endpoint {
    /// Reads Docker's notation. `tls` is the directory of the certificates, where `DOCKER_TLS_VERIFY` asks for TLS.
    pub(super) fn parse(host: Option<&str>, tls: Option<PathBuf>) -> Result<Self, String> {
        let Some(host) = host.map(str::trim).filter(|host| !host.is_empty()) else {
            return Ok(Self::Unix(None));
        };
        if let Some(path) = host.strip_prefix("unix://") {
            if !path.starts_with('/') {
                return Err(format!(
                    "`{host}` should name a socket by its full path, as unix:///var/run/docker.sock"
                ));
            }
            return Ok(Self::Unix(Some(path.into())));
        }
        if host.starts_with('/') {
            return Ok(Self::Unix(Some(host.into())));
        }
        let (scheme, address) = host.split_once("://").unwrap_or(("", ""));
        // A user and password in the address are of no use to an engine, and would show up in logs.
        let address = address
            .rsplit_once('@')
            .map_or(address, |(_, address)| address)
            .trim_end_matches('/');
        match (scheme, tls) {
            (_, _) if address.is_empty() => Err(unsupported(scheme)),
            ("tcp", Some(certificates)) | ("https", Some(certificates)) => Ok(Self::Tls {
                address: address.to_owned(),
                certificates,
            }),
            ("tcp" | "http", None) | ("http", Some(_)) => Ok(Self::Tcp(address.to_owned())),
            ("https", None) => Err(
                "an https:// address needs DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH with ca.pem, cert.pem and key.pem"
                    .to_owned(),
            ),
            _ => Err(unsupported(scheme)),
        }
    }

    /// The socket to connect to, where it is one.
    pub(super) fn socket(&self) -> Option<PathBuf> {
        match self {
            Self::Unix(Some(path)) => Some(path.clone()),
            Self::Unix(None) => Some(
                usual_sockets()
                    .into_iter()
                    .find(|path| path.exists())
                    .unwrap_or_else(|| USUAL_SOCKET.into()),
            ),
            Self::Tcp(_) | Self::Tls { .. } => None,
        }
    }

    /// Whether the engine runs on this machine, so that its containers' processes can be seen here.
    pub(super) const fn is_local(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(_) => {
                let path = self.socket().unwrap_or_default();
                write!(f, "unix://{}", path.display())
            }
            Self::Tcp(address) | Self::Tls { address, .. } => write!(f, "tcp://{address}"),
        }
    }
}

fn unsupported(scheme: &str) -> String {
    if scheme == "ssh" {
        return "ssh:// is not supported: forward the engine's socket (`ssh -NL /path/docker.sock:/var/run/docker.sock host`) and name it as unix:///path/docker.sock".to_owned();
    }
    "the engine's address should read unix:///path/to/docker.sock or tcp://host:port".to_owned()
}

/// Docker's usual socket, then that of a rootless Docker.
fn usual_sockets() -> Vec<PathBuf> {
    let mut all = vec![PathBuf::from(USUAL_SOCKET)];
    if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR") {
        all.push(Path::new(&runtime).join("docker.sock"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dockers_notation_of_addresses() {
        let parse = |host, tls: Option<&str>| Endpoint::parse(host, tls.map(PathBuf::from));
        assert_eq!(parse(None, None), Ok(Endpoint::Unix(None)));
        assert_eq!(parse(Some(" "), None), Ok(Endpoint::Unix(None)));
        assert_eq!(
            parse(Some("unix:///run/x.sock"), Some("/certs")),
            Ok(Endpoint::Unix(Some("/run/x.sock".into())))
        );
        assert_eq!(
            parse(Some("tcp://10.0.0.2:2375"), None),
            Ok(Endpoint::Tcp("10.0.0.2:2375".to_owned()))
        );
        assert_eq!(
            parse(Some("tcp://10.0.0.2:2376/"), Some("/certs")),
            Ok(Endpoint::Tls {
                address: "10.0.0.2:2376".to_owned(),
                certificates: "/certs".into()
            })
        );
        for (bad, hint) in [
            ("ssh://root@nas", "forward"),
            ("unix://relative", "full path"),
            ("nonsense", "tcp://host:port"),
            ("https://nas:2376", "DOCKER_CERT_PATH"),
            ("tcp://", "tcp://host:port"),
        ] {
            let error = parse(Some(bad), None).unwrap_err();
            assert!(error.contains(hint), "{bad}: {error}");
        }
    }

    #[test]
    fn credentials_in_an_address_are_not_kept() {
        let endpoint = Endpoint::parse(Some("tcp://me:secret@nas:2375"), None).unwrap();
        assert_eq!(endpoint.to_string(), "tcp://nas:2375");
        assert!(!format!("{endpoint:?}").contains("secret"));
    }
}
