//! Pulling an image: by its name, with the operator's own credentials for its registry where there are some.
//!
//! What flows through: a name in, the engine's id of what has that name then out. What it never does: run a credential helper, or let a
//! credential into an error or a log.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bollard::{
    auth::DockerCredentials, errors::Error, query_parameters::CreateImageOptionsBuilder,
};
use futures_util::StreamExt as _;
use serde_json::Value;

use super::{
    super::{
        DockerEngine,
        client::{Failure, QUICK},
    },
    recipe::text,
};
use crate::{ports::ActError, redact::redact};

/// How long a pull may take.
pub(in super::super) const PULL: Duration = Duration::from_mins(15);
/// No file of credentials is larger.
const MOST_BYTES: u64 = 1024 * 1024;
/// Docker's own registry, by the names under which `docker login` has kept it.
const HUB: [&str; 3] = [
    "https://index.docker.io/v1/",
    "index.docker.io",
    "docker.io",
];

/// A name of an image, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) repository: String,
    pub(super) tag: String,
}

impl Name {
    /// Nothing where it is a digest, an id or no name of an image.
    pub(super) fn parse(image: &str) -> Option<Self> {
        if image.contains('@')
            || image.starts_with("sha256:")
            || !super::super::images::is_image(image)
        {
            return None;
        }
        let last = image.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match image[last..].split_once(':') {
            Some((name, tag)) => (format!("{}{name}", &image[..last]), tag),
            None => (image.to_owned(), "latest"),
        };
        (!tag.is_empty()).then(|| Self {
            repository,
            tag: tag.to_owned(),
        })
    }

    /// The registry's host; absent for Docker's own.
    fn registry(&self) -> Option<&str> {
        let (host, _) = self.repository.split_once('/')?;
        let is_host = host.contains(['.', ':']) || host == "localhost";
        (is_host && host != "docker.io" && host != "index.docker.io").then_some(host)
    }

    fn whole(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }
}

impl DockerEngine {
    /// Pulls an image, and says which the engine has under its name then.
    pub(super) async fn pull(&self, image: &str) -> Result<String, ActError> {
        let name = Name::parse(image).ok_or_else(|| {
            ActError::Failed(format!(
                "`{image}` is no name under which a newer image could come"
            ))
        })?;
        let credentials = credentials_file()
            .and_then(|path| read(&path))
            .and_then(|file| credentials(&file, name.registry()));
        let options = CreateImageOptionsBuilder::default()
            .from_image(&name.repository)
            .tag(&name.tag)
            .build();
        let pulled = self
            .client
            .call(PULL, |docker| async move {
                let mut told = docker.create_image(Some(options), None, credentials);
                while let Some(line) = told.next().await {
                    match line {
                        Ok(_) => {}
                        // The engine answers 200 at once, and tells what went wrong in the stream.
                        Err(Error::DockerStreamError { error }) => return Ok(Err(error)),
                        Err(error) => return Err(error),
                    }
                }
                Ok(Ok(()))
            })
            .await;
        match pulled {
            Ok(Ok(())) => {}
            Ok(Err(message))
            | Err(Failure::NotFound(message) | Failure::Refused { message, .. }) => {
                return Err(ActError::Failed(format!(
                    "{image} could not be pulled, and nothing was changed: {}",
                    redact(message.trim())
                )));
            }
            Err(failure) => return Err(self.act_error(failure, image)),
        }
        self.image_id(&name.whole()).await?.ok_or_else(|| {
            ActError::Failed(format!(
                "the engine pulled {image}, but has none of that name"
            ))
        })
    }

    /// The engine's id of an image. `None`: it has none of this name.
    pub(super) async fn image_id(&self, image: &str) -> Result<Option<String>, ActError> {
        match self.image(image).await? {
            Some(found) => Ok(Some(text(&found, "/Id").to_owned())),
            None => Ok(None),
        }
    }

    /// The inspection of an image.
    pub(super) async fn image(&self, image: &str) -> Result<Option<Value>, ActError> {
        if !super::super::images::is_image(image) {
            return Err(ActError::Failed(format!(
                "`{}` is no name of an image",
                image.escape_debug()
            )));
        }
        match self
            .client
            .get(&format!("/images/{image}/json"), QUICK)
            .await
        {
            Ok(found) => Ok(Some(found)),
            Err(Failure::NotFound(_)) => Ok(None),
            Err(failure) => Err(self.act_error(failure, image)),
        }
    }
}

/// Where `docker login` keeps what it was told.
fn credentials_file() -> Option<PathBuf> {
    std::env::var_os("DOCKER_CONFIG")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker")))
        .map(|folder| folder.join("config.json"))
}

/// Without such a file, or one that can't be understood, nothing is sent along: the registry says whether that is enough.
fn read(path: &Path) -> Option<Value> {
    let is_small = std::fs::metadata(path).ok()?.len() <= MOST_BYTES;
    is_small
        .then(|| std::fs::read(path).ok())
        .flatten()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
}

/// The credentials for a registry; for Docker's own where none is named.
fn credentials(file: &Value, registry: Option<&str>) -> Option<DockerCredentials> {
    let known = file.get("auths")?.as_object()?;
    let is_it = |key: &str| match registry {
        None => HUB.contains(&key),
        Some(host) => {
            let bare = key
                .trim_start_matches("https://")
                .trim_start_matches("http://");
            bare.split('/').next() == Some(host)
        }
    };
    let (key, entry) = known.iter().find(|(key, _)| is_it(key))?;
    let field = |name: &str| {
        let value = text(entry, &format!("/{name}"));
        (!value.is_empty()).then(|| value.to_owned())
    };
    let both = field("auth")
        .and_then(|auth| BASE64_STANDARD.decode(auth.trim()).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| {
            let (user, password) = text.split_once(':')?;
            Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
        })
        .or_else(|| field("username").zip(field("password")));
    let identitytoken = field("identitytoken");
    if both.is_none() && identitytoken.is_none() {
        // A helper has them, which is a program that Steward does not run.
        return None;
    }
    let (username, password) = both.unzip();
    Some(DockerCredentials {
        username,
        password: password.filter(|_| identitytoken.is_none()),
        serveraddress: Some(key.clone()),
        identitytoken,
        ..DockerCredentials::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_taken_apart_as_docker_does() {
        let read = |image: &str| Name::parse(image).map(|name| (name.repository, name.tag));
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(read("nginx"), pair("nginx", "latest"));
        assert_eq!(read("library/nginx:1.27"), pair("library/nginx", "1.27"));
        assert_eq!(
            read("localhost:5000/a/b"),
            pair("localhost:5000/a/b", "latest")
        );
        assert_eq!(read("127.0.0.1:5000/a:2"), pair("127.0.0.1:5000/a", "2"));
        for none in ["nginx@sha256:00", "sha256:00", "a:", "../x", ""] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn credentials_are_found_for_their_registry_alone() {
        let file = json!({ "auths": {
            "https://index.docker.io/v1/": { "auth": BASE64_STANDARD.encode("me:hub:word") },
            "registry.example:5000": { "auth": BASE64_STANDARD.encode("you:other") },
            "https://token.example/v2/": { "auth": "", "identitytoken": "long" },
            "helped.example": {},
        }});
        let of = |image: &str| credentials(&file, Name::parse(image).unwrap().registry());
        let hub = of("nginx").unwrap();
        assert_eq!(hub.username.as_deref(), Some("me"));
        assert_eq!(hub.password.as_deref(), Some("hub:word"));
        assert_eq!(
            of("docker.io/library/nginx").unwrap().username,
            hub.username
        );
        let other = of("registry.example:5000/x:1").unwrap();
        assert_eq!(other.username.as_deref(), Some("you"));
        let token = of("token.example/x").unwrap();
        assert_eq!(
            (token.identitytoken.as_deref(), token.password),
            (Some("long"), None)
        );
        assert!(of("helped.example/x").is_none() && of("registry.example/x").is_none());
        assert!(credentials(&json!({}), None).is_none());
    }
}
