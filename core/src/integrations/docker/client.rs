//! The connection to the engine: one address in, typed answers or a [`Failure`] in words out.
//!
//! It connects when first asked, negotiates the API version, gives every request its own time limit, and starts afresh after the
//! daemon was away. Readings go through [`Client::get`] into the small models of `models.rs`: bollard carries the bytes, but its own
//! models refuse words that a newer engine may use and hold far more than is looked at. Changes go through bollard's typed calls on
//! [`Connected::docker`]. It never keeps an answer, and never requires the daemon to be there.

use std::{
    error::Error as _,
    fmt, io,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use bollard::{ClientVersion, Docker, errors::Error as BollardError};
use futures_util::{Stream, StreamExt as _};
use serde::de::DeserializeOwned;

use crate::ports::{ActError, SourceError};

use super::{endpoint::Endpoint, models::VersionModel};

/// The newest API version that this integration was written against; later ones change shapes (`/system/df` in 1.52).
const NEWEST_API: ApiVersion = ApiVersion(1, 51);
/// The oldest API version that has everything used here (one-shot stats).
const OLDEST_API: ApiVersion = ApiVersion(1, 41);
/// No answer read into memory may be larger: a list of ten thousand containers stays well below.
const MAX_ANSWER_BYTES: usize = 128 * 1024 * 1024;
/// bollard's own limit only guards the wait for an answer's head; ours guard the whole request, so that one must never be the shorter.
const BOLLARD_TIMEOUT_SECONDS: u64 = 3600;

/// Requests that only look something up.
pub(super) const QUICK: Duration = Duration::from_secs(5);
/// The list of all containers, and the wait for the event stream to begin.
pub(super) const LIST: Duration = Duration::from_secs(10);
/// Disk usage: the engine walks every volume for it.
pub(super) const DISK_USAGE: Duration = Duration::from_secs(60);

/// A version of the engine's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion(pub(super) u32, pub(super) u32);

impl ApiVersion {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// What was asked for does not exist.
    NotFound(String),
    /// The engine answered, but not with what was asked for.
    Refused { status: u16, message: String },
    /// There is no engine at the address, or not for this user; what is missing and how to get it.
    Absent(String),
    /// The engine was not reached; why, and what to do about it.
    Unreachable(String),
    /// No answer in time.
    TimedOut(Duration),
    /// The answer can't be understood.
    Nonsense(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(reason) | Self::Absent(reason) | Self::Unreachable(reason) => {
                f.write_str(reason)
            }
            Self::Refused { status, message } => write!(f, "{message} (status {status})"),
            Self::TimedOut(limit) => write!(f, "no answer within {} s", limit.as_secs()),
            Self::Nonsense(reason) => {
                write!(f, "the answer can't be understood: {reason}")
            }
        }
    }
}

impl Failure {
    /// As a source's error; `what` is what was asked.
    pub(super) fn into_source_error(self, what: impl Into<String>) -> SourceError {
        let what = what.into();
        match self {
            Self::Absent(reason) => SourceError::Absent { what, reason },
            Self::TimedOut(limit) => SourceError::TimedOut { what, limit },
            Self::Nonsense(reason) => SourceError::Nonsense { what, reason },
            other => SourceError::Unreachable {
                what,
                reason: other.to_string(),
            },
        }
    }

    /// As an actuator's error; `what` is who was asked, `target` what it was about.
    pub(super) fn into_act_error(self, what: &str, target: &str) -> ActError {
        match self {
            Self::NotFound(_) => ActError::Gone(target.to_owned()),
            Self::Absent(reason) | Self::Unreachable(reason) => ActError::Unreachable {
                what: what.to_owned(),
                reason,
            },
            Self::TimedOut(limit) => ActError::Unreachable {
                what: what.to_owned(),
                reason: format!("no answer within {} s", limit.as_secs()),
            },
            other => ActError::Failed(format!("{target}: {other}")),
        }
    }
}

/// A negotiated connection. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Connected {
    docker: Docker,
    /// The API version spoken.
    pub(super) api: ApiVersion,
    /// The engine's own version.
    pub(super) version: String,
}

impl Connected {
    /// bollard's typed calls, in the negotiated version. The caller sets the time limit.
    pub(super) fn docker(&self) -> Docker {
        let api = self.api;
        // bollard leaves the version out of its paths; without it an engine speaks its newest.
        self.docker
            .clone()
            .with_request_modifier(move |mut request| {
                let uri = request.uri();
                if let (Some(scheme), Some(authority), Some(path)) =
                    (uri.scheme_str(), uri.authority(), uri.path_and_query())
                    && let Ok(versioned) = format!("{scheme}://{authority}/v{api}{path}").parse()
                {
                    *request.uri_mut() = versioned;
                }
                request
            })
    }
}

/// The connection to one engine.
#[derive(Debug)]
pub(super) struct Client {
    endpoint: Endpoint,
    negotiated: Mutex<Negotiated>,
}

#[derive(Debug, Default)]
struct Negotiated {
    last: Option<Connected>,
    /// The connection was lost since: another daemon may answer at the same address.
    lost: bool,
}

impl Client {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            negotiated: Mutex::default(),
        }
    }

    pub(super) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Who is asked, for errors.
    pub(super) fn who(&self) -> String {
        format!("the Docker engine at {}", self.endpoint)
    }

    fn negotiated(&self) -> MutexGuard<'_, Negotiated> {
        super::lock(&self.negotiated)
    }

    /// What is known of the engine from the last negotiation.
    pub(super) fn known(&self) -> Option<Connected> {
        self.negotiated().last.clone()
    }

    /// The connection, negotiated anew where there is none or it was lost.
    pub(super) async fn connected(&self) -> Result<Connected, Failure> {
        let usable = {
            let negotiated = self.negotiated();
            negotiated.last.clone().filter(|_| !negotiated.lost)
        };
        match usable {
            Some(connected) => Ok(connected),
            None => self.negotiate().await,
        }
    }

    /// Asks the engine for its version and settles on one of the API.
    pub(super) async fn negotiate(&self) -> Result<Connected, Failure> {
        let docker = self.transport()?;
        let body = limited(QUICK, self.body(&docker, "/version".to_owned())).await?;
        let found: VersionModel = parse(&body)?;
        let Some(offered) = ApiVersion::parse(&found.api_version) else {
            return Err(Failure::Nonsense(format!(
                "it names its API version as `{}`",
                found.api_version
            )));
        };
        if offered < OLDEST_API {
            return Err(Failure::Refused {
                status: 400,
                message: format!(
                    "it speaks API {offered} and Steward needs {OLDEST_API} or newer: update Docker to 20.10 or newer"
                ),
            });
        }
        let connected = Connected {
            docker,
            api: offered.min(NEWEST_API),
            version: found.version,
        };
        let before = std::mem::replace(
            &mut *self.negotiated(),
            Negotiated {
                last: Some(connected.clone()),
                lost: false,
            },
        );
        if before.lost
            || before
                .last
                .is_none_or(|last| last.version != connected.version)
        {
            tracing::info!(endpoint = %self.endpoint, version = %connected.version, api = %connected.api, "connected to the container engine");
        }
        Ok(connected)
    }

    /// Whether the engine answers, asked now.
    pub(super) async fn ping(&self) -> Result<(), Failure> {
        self.bytes("/_ping", QUICK).await.map(drop)
    }

    /// Reads `path` (with its query, without a version) and parses the answer.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        limit: Duration,
    ) -> Result<T, Failure> {
        parse(&self.bytes(path, limit).await?)
    }

    /// Reads `path` as bytes.
    pub(super) async fn bytes(&self, path: &str, limit: Duration) -> Result<Vec<u8>, Failure> {
        let reading = async {
            let connected = self.connected().await?;
            let path = format!("/v{}{path}", connected.api);
            self.body(&connected.docker, path).await
        };
        self.heed(limited(limit, reading).await)
    }

    /// Reads `path` and hands each piece of the answer to `take` as it comes.
    pub(super) async fn stream(
        &self,
        path: &str,
        limit: Duration,
        mut take: impl FnMut(&[u8]) + Send,
    ) -> Result<(), Failure> {
        let all = |piece: &[u8]| {
            take(piece);
            true
        };
        self.stream_while(path, limit, all).await
    }

    /// The same, until `take` says `false`.
    pub(super) async fn stream_while(
        &self,
        path: &str,
        limit: Duration,
        mut take: impl FnMut(&[u8]) -> bool + Send,
    ) -> Result<(), Failure> {
        let reading = async {
            let connected = self.connected().await?;
            let mut pieces = raw(&connected.docker, format!("/v{}{path}", connected.api));
            while let Some(piece) = pieces.next().await {
                if !take(piece.map_err(|error| self.failure(&error))?.as_ref()) {
                    break;
                }
            }
            Ok(())
        };
        self.heed(limited(limit, reading).await)
    }

    /// Runs one of bollard's typed calls within a time limit.
    pub(super) async fn call<T, F>(
        &self,
        limit: Duration,
        call: impl FnOnce(Docker) -> F + Send,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, BollardError>> + Send,
        T: Send,
    {
        let calling = async {
            let connected = self.connected().await?;
            call(connected.docker())
                .await
                .map_err(|error| self.failure(&error))
        };
        self.heed(limited(limit, calling).await)
    }

    fn heed<T>(&self, answer: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(Failure::Unreachable(_) | Failure::Absent(_)) = &answer {
            self.negotiated().lost = true;
        }
        answer
    }

    async fn body(&self, docker: &Docker, path: String) -> Result<Vec<u8>, Failure> {
        let mut pieces = raw(docker, path);
        let mut body = Vec::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| self.failure(&error))?;
            if body.len() + piece.as_ref().len() > MAX_ANSWER_BYTES {
                return Err(Failure::Nonsense(format!(
                    "it is larger than {} MiB",
                    MAX_ANSWER_BYTES >> 20
                )));
            }
            body.extend_from_slice(piece.as_ref());
        }
        Ok(body)
    }

    fn transport(&self) -> Result<Docker, Failure> {
        let version = ClientVersion {
            major_version: OLDEST_API.0 as usize,
            minor_version: OLDEST_API.1 as usize,
        };
        let built = match &self.endpoint {
            Endpoint::Unix(_) => {
                let path = self.endpoint.socket().unwrap_or_default();
                Docker::connect_with_unix(
                    &path.display().to_string(),
                    BOLLARD_TIMEOUT_SECONDS,
                    &version,
                )
            }
            Endpoint::Tcp(address) => Docker::connect_with_http(
                &format!("tcp://{address}"),
                BOLLARD_TIMEOUT_SECONDS,
                &version,
            ),
            Endpoint::Tls {
                address,
                certificates,
            } => {
                // bollard panics without a provider for the process; whoever came first is as good.
                let _ = rustls::crypto::ring::default_provider().install_default();
                Docker::connect_with_ssl(
                    &format!("tcp://{address}"),
                    &certificates.join("key.pem"),
                    &certificates.join("cert.pem"),
                    &certificates.join("ca.pem"),
                    BOLLARD_TIMEOUT_SECONDS,
                    &version,
                )
            }
        };
        built.map_err(|error| self.failure(&error))
    }

    /// A failure in words.
    pub(super) fn failure(&self, error: &BollardError) -> Failure {
        match error {
            BollardError::DockerResponseServerError {
                status_code,
                message,
            } => {
                let message = crate::redact::redact(message.trim());
                if *status_code == 404 {
                    Failure::NotFound(message)
                } else {
                    Failure::Refused {
                        status: *status_code,
                        message,
                    }
                }
            }
            BollardError::SocketNotFoundError(_) => {
                Failure::Absent(self.advice(io::ErrorKind::NotFound))
            }
            BollardError::RequestTimeoutError => {
                Failure::TimedOut(Duration::from_secs(BOLLARD_TIMEOUT_SECONDS))
            }
            BollardError::JsonDataError { message, .. } => Failure::Nonsense(message.clone()),
            BollardError::JsonSerdeError { err } => Failure::Nonsense(err.to_string()),
            other => {
                let mut deepest = other.to_string();
                let mut next = other.source();
                while let Some(cause) = next {
                    if let Some(io) = cause.downcast_ref::<io::Error>()
                        && matches!(
                            io.kind(),
                            io::ErrorKind::NotFound
                                | io::ErrorKind::PermissionDenied
                                | io::ErrorKind::ConnectionRefused
                        )
                    {
                        let advice = self.advice(io.kind());
                        // Where a socket is refused, somebody made it; at another machine's address nothing can be told.
                        let is_absent = self.endpoint.socket().is_some()
                            && io.kind() != io::ErrorKind::ConnectionRefused;
                        return if is_absent {
                            Failure::Absent(advice)
                        } else {
                            Failure::Unreachable(advice)
                        };
                    }
                    deepest = cause.to_string();
                    next = cause.source();
                }
                Failure::Unreachable(deepest)
            }
        }
    }

    /// What is missing and how to get it.
    fn advice(&self, kind: io::ErrorKind) -> String {
        match (self.endpoint.socket(), kind) {
            (Some(path), io::ErrorKind::PermissionDenied) => format!(
                "this user may not use {}: add it to the group `docker` (`sudo usermod -aG docker $USER`, then log in again) or run Steward as root",
                path.display()
            ),
            (Some(path), io::ErrorKind::ConnectionRefused) => format!(
                "nobody listens on {}: the Docker daemon does not run; start it with `sudo systemctl start docker`",
                path.display()
            ),
            (Some(path), _) => format!(
                "there is no socket {}: Docker is not installed or does not run; install it (Debian: `sudo apt-get install docker.io`) or start it with `sudo systemctl start docker`; another address goes into DOCKER_HOST or into `host` under [docker] of the configuration",
                path.display()
            ),
            (None, _) => format!(
                "nobody listens at {}: check the address in DOCKER_HOST or in `host` under [docker] of the configuration, and that the daemon there listens on TCP",
                self.endpoint
            ),
        }
    }
}

/// A GET of any path as a stream of bytes. bollard has no call for that: the one that streams a body is sent to another path.
fn raw(
    docker: &Docker,
    path: String,
) -> impl Stream<Item = Result<impl AsRef<[u8]> + use<>, BollardError>> + Unpin + use<> {
    let docker = docker.clone().with_request_modifier(move |mut request| {
        let uri = request.uri();
        if let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority())
            && let Ok(wanted) = format!("{scheme}://{authority}{path}").parse()
        {
            *request.uri_mut() = wanted;
        }
        request
    });
    Box::pin(docker.export_container("0"))
}

async fn limited<T>(
    limit: Duration,
    request: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(limit, request)
        .await
        .unwrap_or(Err(Failure::TimedOut(limit)))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    // serde's message names the field and the place, never the content around it.
    serde_json::from_slice(body).map_err(|error| Failure::Nonsense(error.to_string()))
}

/// A value for a query, percent-encoded.
pub(super) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// Whether a text can stand in a path as a container's name or id.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && !text.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(ApiVersion::parse("1.9").unwrap() < ApiVersion::parse("1.41").unwrap());
        assert_eq!(ApiVersion::parse("one"), None);
    }

    #[test]
    fn only_names_stand_in_a_path() {
        assert!(is_name("web-1.example_x"));
        for bad in ["", "../info", "a/b", "a?b", ".."] {
            assert!(!is_name(bad), "{bad}");
        }
        assert_eq!(
            encode(r#"{"a":["b c"]}"#),
            "%7B%22a%22%3A%5B%22b%20c%22%5D%7D"
        );
    }
}
