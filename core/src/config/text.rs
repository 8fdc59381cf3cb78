//! The rules for single texts: names, addresses, patterns, times of day. Each with the words for a fault.

use super::schema::TextRule;

/// The longest name of anything.
const LONGEST_NAME: usize = 64;

/// A node's name. Empty stands for the host's own.
pub(super) const NODE_NAME: TextRule = TextRule {
    right: "up to 64 letters, digits, `-`, `_` and `.`, such as \"atlas\", or empty for the host's own name",
    holds: |text| text.is_empty() || is_name(text, "-_."),
};

/// The name of a service or a database.
pub(super) const NAME: TextRule = TextRule {
    right: "a name of up to 64 letters, digits, `-`, `_` and `.`",
    holds: |text| is_name(text, "-_."),
};

/// The name of a specialist.
pub(super) const SPECIALIST: TextRule = TextRule {
    right: "a name of up to 64 letters, digits, spaces, `-`, `_` and `.`",
    holds: |text| is_name(text, " -_.") && text.trim() == text,
};

/// The field of a specialist.
pub(super) const FIELD: TextRule = TextRule {
    right: "a few words of up to 100 characters on one line",
    holds: |text| !text.trim().is_empty() && text.chars().count() <= 100 && is_plain(text),
};

/// What a specialist is told.
pub(super) const INSTRUCTIONS: TextRule = TextRule {
    right: "a text of up to 4000 characters",
    holds: |text| !text.trim().is_empty() && text.chars().count() <= 4000 && !text.contains('\0'),
};

/// The name of a script, which is a key and so has no dots.
pub(super) const SCRIPT_NAME: TextRule = TextRule {
    right: "a name of up to 64 letters, digits, `-` and `_`",
    holds: |text| is_name(text, "-_"),
};

/// The name of an environment variable.
pub(super) const VARIABLE: TextRule = TextRule {
    right: "the name of an environment variable: letters, digits and `_`, not beginning with a digit",
    holds: |text| is_name(text, "_") && !text.starts_with(|first: char| first.is_ascii_digit()),
};

/// The name of a container.
pub(super) const CONTAINER: TextRule = TextRule {
    right: "the name of a container, without a slash",
    holds: |text| is_plain(text) && !text.contains(['/', ' ']),
};

/// A pattern for resources or mount points.
pub(super) const PATTERN: TextRule = TextRule {
    right: "a name, an id or a path, with `*` for any text, such as \"nginx\", \"media-*\" or \"atlas/container/*\"",
    holds: is_plain,
};

/// A part of a command.
pub(super) const PART_OF_COMMAND: TextRule = TextRule {
    right: "a text in quotes",
    holds: |text| !text.contains('\0'),
};

/// The address to listen on.
pub(super) const LISTEN: TextRule = TextRule {
    right: "host:port, such as \"127.0.0.1:9470\", \"[::]:9470\" or \"0.0.0.0:0\" for a free port",
    holds: |text| split_host_port(text).is_some(),
};

/// An address to connect to.
pub(super) const HOST_PORT: TextRule = TextRule {
    right: "host:port with a port from 1 to 65535, such as \"1.1.1.1:443\"",
    holds: |text| split_host_port(text).is_some_and(|(_, port)| port > 0),
};

/// A name to resolve.
pub(super) const HOST_NAME: TextRule = TextRule {
    right: "the name of a host, such as \"debian.org\", without a scheme, port or path",
    holds: is_host_name,
};

/// A name by which browsers address Steward. They send names of other scripts in their ASCII form.
pub(super) const ALLOWED_HOST: TextRule = TextRule {
    right: "the name of a host, such as \"steward.example.lan\", or an IP address, without a scheme, port or path",
    holds: |text| {
        text.parse::<std::net::IpAddr>().is_ok() || (text.is_ascii() && is_host_name(text))
    },
};

/// A file.
pub(super) const FILE: TextRule = TextRule {
    right: "the absolute path of a file, such as \"/etc/steward/cert.pem\"",
    holds: |text| text.starts_with('/') && is_plain(text),
};

/// Files or directories of certificates.
pub(super) const CERTIFICATE_FILES: TextRule = TextRule {
    right: "the absolute path of a file or a directory, with `*` for any text within one part, such as \"/etc/letsencrypt/live/*/fullchain.pem\"",
    holds: |text| {
        text.starts_with('/') && is_plain(text) && !text.split('/').any(|part| part == "..")
    },
};

/// A directory.
pub(super) const DIRECTORY: TextRule = TextRule {
    right: "the absolute path of a directory, such as \"/var/lib/osv\"",
    holds: |text| text.starts_with('/') && is_plain(text),
};

/// An HTTP endpoint.
pub(super) const HTTP_URL: TextRule = TextRule {
    right: "a URL with a host, such as \"http://127.0.0.1:8080/health\" or \"https://example.org\"",
    holds: |text| has_host(text, &["http", "https"]),
};

/// The key for a language model; it stands in a header.
pub(super) const API_KEY: TextRule = TextRule {
    right: "the key as its maker gave it, on one line and without spaces",
    holds: |text| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()),
};

/// A PostgreSQL server.
pub(super) const POSTGRES_URL: TextRule = TextRule {
    right: "a URL such as \"postgres://user:password@127.0.0.1:5432/name\"",
    holds: is_postgres,
};

/// Where the journal is kept.
pub(super) const DATABASE_URL: TextRule = TextRule {
    right: "\"sqlite:\" and a path, such as \"sqlite:/var/lib/steward/steward.db\", or a URL such as \"postgres://user:password@127.0.0.1:5432/steward\"",
    holds: |text| {
        is_postgres(text)
            || text
                .strip_prefix("sqlite:")
                .is_some_and(|path| is_plain(path.trim_start_matches("//")))
    },
};

/// Where the container engine is.
pub(super) const DOCKER_HOST: TextRule = TextRule {
    right: "\"unix:///run/docker.sock\" or another socket, or \"tcp://host:2375\"; an engine behind ssh:// can be reached by forwarding its socket with `ssh -L`",
    holds: |text| {
        text.strip_prefix("unix://")
            .is_some_and(|path| path.starts_with('/') && is_plain(path))
            || has_host(text, &["tcp", "http", "https"])
    },
};

/// A container label to look for.
pub(super) const LABEL: TextRule = TextRule {
    right: "\"key\" or \"key=value\"",
    holds: |text| !text.is_empty() && !text.starts_with('=') && is_plain(text),
};

/// What is logged.
pub(super) const LOG_LEVEL: TextRule = TextRule {
    right: "error, warn, info, debug, trace or off, or a filter such as \"steward=debug,warn\"",
    holds: is_log_filter,
};

/// Whether a text reads `02:30` or `22:00:00`.
pub(super) fn is_time_of_day(text: &str) -> bool {
    text.contains(':') && text.parse::<jiff::civil::Time>().is_ok()
}

/// Host and port of `host:port`; the host of an IPv6 address without its brackets.
pub(super) fn split_host_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let port = port.parse().ok()?;
    if let Some(inner) = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        return inner
            .parse::<std::net::Ipv6Addr>()
            .is_ok()
            .then_some((inner, port));
    }
    is_host_name(host).then_some((host, port))
}

fn is_name(text: &str, besides: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || besides.contains(c))
}

/// Not empty, no longer than a line, without control characters or blanks at its ends.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 1024
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

fn is_host_name(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.trim_end_matches('.').split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .chars()
                    .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
        })
}

/// Whether a text is a URL of one of the schemes with a host, and a valid port where it has one.
fn has_host(text: &str, schemes: &[&str]) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    if !schemes
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
        || text.chars().any(|c| c.is_control() || c.is_whitespace())
    {
        return false;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.contains(']'));
    if has_port {
        split_host_port(host).is_some_and(|(_, port)| port > 0)
    } else {
        // The port does not matter here; it lets one function judge the host.
        split_host_port(&format!("{host}:1")).is_some()
    }
}

fn is_postgres(text: &str) -> bool {
    if has_host(text, &["postgres", "postgresql"]) {
        return true;
    }
    // A socket's directory: postgres:///name?host=/run/postgresql
    ["postgres:///", "postgresql:///"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
        && text.contains("host=/")
        && is_plain(text)
}

fn is_log_filter(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let is_level = |word: &str| LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level));
    // The library takes a misspelt level for the name of a module and logs everything of it.
    let each_is_clear = text.split(',').all(|directive| {
        directive.rsplit_once('=').map_or_else(
            || is_level(directive.trim()),
            |(_, level)| is_level(level.trim()),
        )
    });
    each_is_clear && tracing_subscriber::EnvFilter::try_new(text).is_ok()
}
