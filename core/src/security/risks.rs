//! Risks of configuration: how containers are set up, and Steward itself.
//!
//! What flows through: facts in, risks in words with what to do out. Pure. What it never does: hold a value of an environment variable or
//! a token; it gets names and lengths.

use steward_api::{ConfigurationRisk, ConfigurationRiskKind as Kind, ResourceId, Role};

use crate::ports::{ContainerConfiguration, ContainerConfigurations, MountedPath};

/// Capabilities that amount to root on the host, with why (capabilities(7)). Those that an engine gives anyway are not among them.
const STRONG_CAPABILITIES: [(&str, &str); 8] = [
    ("ALL", "everything root may"),
    ("SYS_ADMIN", "mounting and much else: root in all but name"),
    ("SYS_MODULE", "loading code into the kernel"),
    ("SYS_RAWIO", "raw access to memory and devices"),
    ("SYS_PTRACE", "reading and changing other processes"),
    (
        "DAC_READ_SEARCH",
        "reading every file of the host by its number",
    ),
    ("BPF", "programs in the kernel"),
    ("SYS_BOOT", "restarting the host"),
];

/// Sockets of container engines: who may write to one starts containers of any kind.
const ENGINE_SOCKETS: [&str; 5] = [
    "docker.sock",
    "podman.sock",
    "containerd.sock",
    "crio.sock",
    "buildkitd.sock",
];

/// Paths that matter with all that is below them (hier(7)).
const MATTER_WHOLE: [&str; 14] = [
    "/bin",
    "/boot",
    "/lib",
    "/lib64",
    "/proc",
    "/root",
    "/sbin",
    "/sys",
    "/usr",
    "/etc/cron.d",
    "/etc/ssh",
    "/etc/systemd",
    "/var/lib/docker",
    "/var/spool/cron",
];
/// Paths that matter themselves, while what is below may be a container's own business.
const MATTER_ALONE: [&str; 17] = [
    "/",
    "/dev",
    "/etc",
    "/etc/group",
    "/etc/ld.so.preload",
    "/etc/pam.d",
    "/etc/passwd",
    "/etc/profile.d",
    "/etc/shadow",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/home",
    "/opt",
    "/run",
    "/var",
    "/var/lib",
    "/var/run",
];

/// A token of Steward, without itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFact {
    /// Whose.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// How long it is, characters.
    pub length: usize,
    /// How many different characters it has.
    pub different: usize,
    /// Since when nobody used it, in words; absent where somebody did, or where that is not known.
    pub unused_since: Option<String>,
}

/// A file or directory of Steward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFact {
    /// What it is, such as `the token file`.
    pub what: String,
    /// Where.
    pub path: String,
    /// Its permission bits, as `chmod` takes them.
    pub mode: u32,
    /// Whether it belongs to root or to the account that asks.
    pub is_own: bool,
    /// Whether it may be read by others: a configuration without secrets.
    pub may_be_read: bool,
}

/// What is known of Steward itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFacts {
    /// The host that it runs on.
    pub host: ResourceId,
    /// Where it listens, as configured.
    pub listen: String,
    /// Whether other machines can reach that.
    pub is_beyond_loopback: bool,
    /// Whether connections are encrypted.
    pub has_tls: bool,
    /// Its files.
    pub files: Vec<FileFact>,
    /// Its tokens.
    pub tokens: Vec<TokenFact>,
}

/// Every risk of every container, by container.
pub fn of_containers(seen: &ContainerConfigurations) -> Vec<ConfigurationRisk> {
    seen.containers
        .iter()
        .flat_map(|container| of_container(container, seen.root_is_remapped))
        .collect()
}

/// The risks of one container; `root_is_remapped` where root in it is nobody on the host.
pub fn of_container(
    container: &ContainerConfiguration,
    root_is_remapped: bool,
) -> Vec<ConfigurationRisk> {
    let mut found = Vec::new();
    let mut risk = |kind, what: String, advice: &str| {
        found.push(ConfigurationRisk {
            resource: container.container.clone(),
            kind,
            what,
            advice: advice.to_owned(),
        });
    };
    if container.privileged {
        risk(
            Kind::Privileged,
            "it is privileged: it may do all that root on the host may".to_owned(),
            "take `privileged` away and give it the devices and capabilities that it needs, one by one",
        );
    }
    for mount in &container.mounts {
        if is_engine_socket(mount) {
            let how = if mount.writable {
                "writable"
            } else {
                "read-only, which does not keep it from asking the engine for anything"
            };
            risk(
                Kind::DockerSocket,
                format!("{} is mounted {how}", mount.source),
                "put a proxy between that allows only what it needs, or take the mount away",
            );
        } else if mount.is_bind && mount.writable && matters(&mount.source) {
            risk(
                Kind::WritableHostPath,
                format!(
                    "{} of the host is mounted writable at {}",
                    mount.source, mount.destination
                ),
                "mount only the directory that it needs, and read-only (`:ro`) where it only reads",
            );
        }
    }
    if container.host_network {
        risk(
            Kind::HostNetwork,
            "it shares the host's network: it reaches what listens on the host alone, and all its ports are open".to_owned(),
            "give it a network of its own and publish the ports that are needed",
        );
    }
    if container.host_pid {
        risk(
            Kind::HostPid,
            "it sees and may signal the host's processes".to_owned(),
            "take `pid: host` away",
        );
    }
    // Whoever is privileged has them all.
    if !container.privileged {
        for (capability, why) in STRONG_CAPABILITIES {
            if container
                .added_capabilities
                .iter()
                .any(|one| one == capability)
            {
                risk(
                    Kind::Capabilities,
                    format!("the capability {capability} is added: {why}"),
                    "take it away (`cap_add`), or look for a narrower one",
                );
            }
        }
        let has = |name: &str| container.added_capabilities.iter().any(|one| one == name);
        if container.host_network && has("NET_ADMIN") {
            risk(
                Kind::Capabilities,
                "the capability NET_ADMIN is added on the host's network: changing its addresses, routes and firewall".to_owned(),
                "give it a network of its own, or take the capability away",
            );
        }
    }
    if !root_is_remapped && is_root(&container.user) {
        risk(
            Kind::RunsAsRoot,
            "its processes run as root".to_owned(),
            "set `user:` to an account of its own, where the image allows that",
        );
    }
    if let Some(tag) = unclear_tag(&container.image) {
        risk(
            Kind::LatestTag,
            format!(
                "its image {} {tag}: what runs can't be told from its name",
                container.image
            ),
            "name a version, such as `image:1.2.3`",
        );
    }
    if !container.secret_variables.is_empty() {
        risk(
            Kind::SecretInEnvironment,
            format!(
                "{} {} like a secret; whoever may inspect the container reads it",
                listed(&container.secret_variables),
                if container.secret_variables.len() == 1 {
                    "looks"
                } else {
                    "look"
                }
            ),
            "give it in a file, where the image knows variables that end in `_FILE`",
        );
    }
    found
}

/// The first names of a list; how many more there are.
fn listed(names: &[String]) -> String {
    const MOST: usize = 5;
    let mut shown = names
        .iter()
        .take(MOST)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > MOST {
        shown.push_str(&format!(" and {} more", names.len() - MOST));
    }
    shown
}

fn is_engine_socket(mount: &MountedPath) -> bool {
    ENGINE_SOCKETS.iter().any(|name| {
        [&mount.source, &mount.destination]
            .iter()
            .any(|path| path.rsplit('/').next() == Some(name))
    })
}

fn matters(path: &str) -> bool {
    let path = match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    };
    MATTER_ALONE.contains(&path)
        || MATTER_WHOLE.iter().any(|whole| {
            path.strip_prefix(whole)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        || (path.starts_with("/home/") && path.ends_with("/.ssh"))
}

fn is_root(user: &str) -> bool {
    let user = user.split(':').next().unwrap_or_default();
    matches!(user, "" | "root") || user.parse::<u32>() == Ok(0)
}

/// Why an image's name says too little; absent where it names a version or the very image.
fn unclear_tag(image: &str) -> Option<&'static str> {
    // By a digest, or by an image's id.
    if image.contains('@') || image.starts_with("sha256:") || image.is_empty() {
        return None;
    }
    let is_id = image.len() >= 12 && image.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id {
        return None;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once(':') {
        None => Some("has no tag"),
        Some((_, "latest")) => Some("is named by `latest`"),
        Some(_) => None,
    }
}

/// The risks of Steward itself.
pub fn of_steward(own: &OwnFacts) -> Vec<ConfigurationRisk> {
    let mut found = Vec::new();
    let mut risk = |kind, what: String, advice: String| {
        found.push(ConfigurationRisk {
            resource: own.host.clone(),
            kind,
            what,
            advice,
        });
    };
    if own.is_beyond_loopback && !own.has_tls {
        risk(
            Kind::StewardListens,
            format!(
                "Steward listens on {}, which other machines can reach, without encryption",
                own.listen
            ),
            "set server.tls to \"generated\" or \"files\", or listen on 127.0.0.1 behind a proxy with TLS".to_owned(),
        );
    }
    for file in &own.files {
        let others = file.mode & 0o077;
        let (too_open, right) = if file.may_be_read {
            (others & 0o022 != 0, "go-w")
        } else {
            (others != 0, "go=")
        };
        if too_open {
            risk(
                Kind::StewardFiles,
                format!(
                    "{} {} can be {} by others (mode {:03o})",
                    file.what,
                    file.path,
                    if others & 0o022 != 0 {
                        "written"
                    } else {
                        "read"
                    },
                    file.mode & 0o777
                ),
                format!("chmod {right} {}", file.path),
            );
        }
        if !file.is_own {
            risk(
                Kind::StewardFiles,
                format!("{} {} belongs to another account", file.what, file.path),
                format!("chown it to the account that runs Steward: {}", file.path),
            );
        }
    }
    for token in &own.tokens {
        if token.length < SHORTEST_TOKEN || token.different < FEWEST_DIFFERENT {
            risk(
                Kind::StewardTokens,
                format!(
                    "the {} token `{}` can be guessed: {} characters, {} of them different",
                    token.role, token.name, token.length, token.different
                ),
                format!(
                    "make another: steward token make NAME --role {}; then revoke this one",
                    token.role
                ),
            );
        }
        if let Some(since) = &token.unused_since {
            risk(
                Kind::StewardTokens,
                format!(
                    "nobody has used the {} token `{}` since {since}",
                    token.role, token.name
                ),
                format!("revoke it: steward token revoke {}", token.name),
            );
        }
    }
    found
}

/// 128 bits in the characters of base64 (NIST SP 800-63B §5.1.2.2 asks for 112 bits where guessing is not slowed).
const SHORTEST_TOKEN: usize = 22;
/// A random text of that length has more different characters, practically always.
const FEWEST_DIFFERENT: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> ContainerConfiguration {
        ContainerConfiguration {
            container: ResourceId::container("atlas", "web"),
            image: "nginx:1.27".to_owned(),
            running: true,
            privileged: false,
            host_network: false,
            host_pid: false,
            user: "1000:1000".to_owned(),
            added_capabilities: Vec::new(),
            mounts: Vec::new(),
            secret_variables: Vec::new(),
            published: Vec::new(),
        }
    }

    fn mount(source: &str, writable: bool) -> MountedPath {
        MountedPath {
            source: source.to_owned(),
            destination: format!("/in{source}"),
            writable,
            is_bind: true,
        }
    }

    fn kinds(container: &ContainerConfiguration) -> Vec<Kind> {
        of_container(container, false)
            .into_iter()
            .map(|risk| risk.kind)
            .collect()
    }

    #[test]
    fn a_careful_container_has_no_risk() {
        assert_eq!(kinds(&plain()), []);
        let mounts = [
            "/srv/web",
            "/home/alice/films",
            "/etc/letsencrypt",
            "/var/lib/app",
            "/usrdata",
        ];
        let container = ContainerConfiguration {
            mounts: mounts
                .iter()
                .map(|source| mount(source, true))
                .chain([mount("/etc", false)])
                .collect(),
            added_capabilities: vec!["NET_ADMIN".to_owned(), "NET_RAW".to_owned()],
            ..plain()
        };
        assert_eq!(kinds(&container), []);
    }

    #[test]
    fn each_risk_is_seen() {
        let container = ContainerConfiguration {
            privileged: true,
            host_network: true,
            host_pid: true,
            user: String::new(),
            image: "registry.example:5000/web".to_owned(),
            added_capabilities: vec!["SYS_ADMIN".to_owned()],
            mounts: vec![mount("/var/run/docker.sock", false), mount("/", true)],
            secret_variables: vec!["DB_PASSWORD".to_owned()],
            ..plain()
        };
        assert_eq!(
            kinds(&container),
            [
                Kind::Privileged,
                Kind::DockerSocket,
                Kind::WritableHostPath,
                Kind::HostNetwork,
                Kind::HostPid,
                Kind::RunsAsRoot,
                Kind::LatestTag,
                Kind::SecretInEnvironment
            ]
        );
        let remapped = of_container(&container, true);
        assert!(remapped.iter().all(|risk| risk.kind != Kind::RunsAsRoot));
        let strong = ContainerConfiguration {
            host_network: true,
            added_capabilities: vec!["SYS_PTRACE".to_owned(), "NET_ADMIN".to_owned()],
            ..plain()
        };
        assert_eq!(
            kinds(&strong),
            [Kind::HostNetwork, Kind::Capabilities, Kind::Capabilities]
        );
    }

    #[test]
    fn names_of_images_users_and_paths_are_judged_as_the_engine_means_them() {
        for (image, clear) in [
            ("nginx", false),
            ("nginx:latest", false),
            ("host:5000/nginx", false),
            ("ghcr.io/a/b:latest", false),
            ("nginx:1", true),
            ("host:5000/nginx:2", true),
            ("nginx@sha256:00", true),
            ("sha256:00aa", true),
            ("0123456789ab", true),
        ] {
            assert_eq!(unclear_tag(image).is_none(), clear, "{image}");
        }
        for (user, root) in [
            ("", true),
            ("0", true),
            ("root", true),
            ("0:0", true),
            ("root:wheel", true),
            ("1000", false),
            ("app", false),
        ] {
            assert_eq!(is_root(user), root, "{user}");
        }
        for (path, yes) in [
            ("/", true),
            ("/etc", true),
            ("/etc/", true),
            ("/etc/ssh/keys", true),
            ("/usr/local/bin", true),
            ("/home/a/.ssh", true),
            ("/home/a", false),
            ("/etc/app", false),
            ("/srv", false),
            ("/dev/dri", false),
            ("/rootless", false),
        ] {
            assert_eq!(matters(path), yes, "{path}");
        }
    }

    #[test]
    fn steward_judges_itself() {
        let own = OwnFacts {
            host: ResourceId::host("atlas"),
            listen: "0.0.0.0:9470".to_owned(),
            is_beyond_loopback: true,
            has_tls: false,
            files: vec![
                FileFact {
                    what: "the data directory".to_owned(),
                    path: "/d".to_owned(),
                    mode: 0o40755,
                    is_own: true,
                    may_be_read: false,
                },
                FileFact {
                    what: "the configuration".to_owned(),
                    path: "/c".to_owned(),
                    mode: 0o100_644,
                    is_own: true,
                    may_be_read: true,
                },
                FileFact {
                    what: "the configuration".to_owned(),
                    path: "/w".to_owned(),
                    mode: 0o100_664,
                    is_own: false,
                    may_be_read: true,
                },
            ],
            tokens: vec![
                TokenFact {
                    name: "phone".to_owned(),
                    role: Role::Admin,
                    length: 16,
                    different: 12,
                    unused_since: None,
                },
                TokenFact {
                    name: "old".to_owned(),
                    role: Role::Viewer,
                    length: 43,
                    different: 30,
                    unused_since: Some("March".to_owned()),
                },
                TokenFact {
                    name: "good".to_owned(),
                    role: Role::Viewer,
                    length: 43,
                    different: 30,
                    unused_since: None,
                },
            ],
        };
        let shown: Vec<String> = of_steward(&own).into_iter().map(|risk| risk.what).collect();
        assert_eq!(shown.len(), 6, "{shown:#?}");
        assert!(shown[1].contains("/d can be read by others (mode 755)"));
        assert!(shown[2].contains("/w can be written"));
        assert!(shown[4].contains("`phone`") && shown[5].contains("`old`"));
        let well = OwnFacts {
            has_tls: true,
            files: Vec::new(),
            tokens: Vec::new(),
            ..own
        };
        assert_eq!(of_steward(&well), []);
    }
}
