//! Known log lines, and what they tell. The surest row that any of the last lines matches wins.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};
use steward_api::{ActionName, Evidence, Urgency};

use super::can_not_be_run;
use crate::ports::{Case, CatalogueMatch, Pattern};

/// A known log line.
struct LogCause {
    id: &'static str,
    /// What the line looks like; case is ignored.
    line: &'static str,
    cause: &'static str,
    action: Option<ActionName>,
    urgency: Urgency,
    confidence: u8,
    advice: &'static str,
}

/// Causes by log line. The wording of each program is its own; the rows name the programs where it is not general.
static LOG_CAUSES: &[LogCause] = &[
    LogCause {
        id: "postgres-too-many-clients",
        line: r"too many clients already|remaining connection slots are reserved|too many connections for (role|database)",
        cause: "PostgreSQL connection pool exhausted",
        action: Some(ActionName::ResetConnections),
        urgency: Urgency::High,
        confidence: 92,
        advice: "Raise max_connections or put a connection pooler in front; look for a client that does not close its connections.",
    },
    LogCause {
        id: "mysql-too-many-connections",
        line: r"(error 1040|er_con_count_error|too many connections)",
        cause: "The database has no connections left",
        action: Some(ActionName::ResetConnections),
        urgency: Urgency::High,
        confidence: 88,
        advice: "Raise max_connections; look for a client that does not close its connections.",
    },
    LogCause {
        id: "image-architecture",
        line: r"exec format error",
        cause: "The image is built for another processor architecture",
        action: None,
        urgency: Urgency::High,
        confidence: 97,
        advice: "Pull or build the image for this machine's architecture (docker pull --platform …).",
    },
    LogCause {
        id: "address-in-use",
        line: r"address (already )?in use|eaddrinuse|port is already allocated|port \d+ (is|was) already in use|bind: .*in use|only one usage of each socket address",
        cause: "The port it wants is in use by another program",
        action: None,
        urgency: Urgency::High,
        confidence: 90,
        advice: "Find what listens on the port (ss -ltnp) and stop it, or give this container another port.",
    },
    LogCause {
        id: "no-space-left",
        line: r"no space left on device|enospc|could not extend file .*no space|disk is full|database or disk is full|flood.stage disk watermark",
        cause: "The disk is full",
        action: Some(ActionName::PruneDanglingImages),
        urgency: Urgency::Critical,
        confidence: 93,
        advice: "Free space on the disk; a restart does not help before that.",
    },
    LogCause {
        id: "host-setting",
        // Of these the second also says ENOSPC, though no disk is full.
        line: r"max virtual memory areas vm\.max_map_count|system limit for number of file watchers|inotify (watch|instance)\S* [^\n]{0,40}(limit|exhausted|reached)|too many inotify|user limit on (the total number of )?inotify",
        cause: "A limit of the host's kernel is too low for it",
        action: None,
        urgency: Urgency::High,
        confidence: 95,
        advice: "Raise the setting that the log names with sysctl on the host, and keep it in /etc/sysctl.d.",
    },
    LogCause {
        id: "disk-quota",
        line: r"disk quota exceeded|edquot",
        cause: "The disk quota is used up",
        action: None,
        urgency: Urgency::High,
        confidence: 93,
        advice: "Raise the quota or remove files within it.",
    },
    LogCause {
        id: "read-only-file-system",
        line: r"read-only file system|erofs",
        cause: "It writes to a file system that is read-only",
        action: None,
        urgency: Urgency::High,
        confidence: 90,
        advice: "If the host's disk went read-only, look at dmesg for disk errors; else mount the path it writes to as a volume.",
    },
    LogCause {
        id: "permission-denied",
        line: r"permission denied|eacces|operation not permitted|eperm\b|is not writable",
        cause: "It may not read or write something that it needs",
        action: None,
        urgency: Urgency::High,
        confidence: 82,
        advice: "Compare the owner of its volumes with the user it runs as; a restart does not change that.",
    },
    LogCause {
        id: "certificate-expired",
        line: r"certificate has expired|certificate is expired|certificate expired|cert_has_expired|x509: certificate has expired",
        cause: "A TLS certificate has expired",
        action: None,
        urgency: Urgency::High,
        confidence: 93,
        advice: "Renew the certificate, then restart what uses it.",
    },
    LogCause {
        id: "certificate-not-trusted",
        line: r"certificate signed by unknown authority|self.signed certificate|unable to get (local )?issuer certificate|depth_zero_self_signed_cert|self_signed_cert_in_chain|unable to find valid certification path",
        cause: "A TLS certificate is not vouched for by an authority that it believes",
        action: None,
        urgency: Urgency::High,
        confidence: 90,
        advice: "Give it the certificate of your own authority, or have that of the other side issued by one that it knows.",
    },
    LogCause {
        id: "command-not-found",
        line: r"executable file not found in \$path",
        cause: "A command that it is to run is not in its image",
        action: None,
        urgency: Urgency::High,
        confidence: 94,
        advice: "Check the command, the entry point and the image's version.",
    },
    LogCause {
        id: "upstream-unknown",
        line: r"host not found in (upstream|resolver)",
        cause: "A service that it passes requests on to has a name that does not resolve",
        action: Some(ActionName::RestartContainer),
        urgency: Urgency::High,
        confidence: 88,
        advice: "Start the service that the log names, on a network that both are in, then restart this one.",
    },
    LogCause {
        id: "migration-failed",
        line: r"migration (\S+ |of schema [^\n]{0,60} )?((has|was) )?failed|migrations ((have|were) )?failed|(found|has|have) failed migrations?|failed to (run|apply|execute) (database |pending )?migrations?|error (running|applying) migrations?|flyway.*failed|alembic.*error|dirty database version",
        cause: "A migration of its database failed",
        action: None,
        urgency: Urgency::High,
        confidence: 90,
        advice: "Do not restart it again: look at the migration's error, restore the database if it is half migrated, or go back to the image before.",
    },
    LogCause {
        id: "missing-environment-variable",
        line: r#"(missing|required|undefined|unset|not set)[^\n]{0,40}(environment variable|env var|env\b)|(environment variable|env var)[^\n]{0,60}(missing|required|must be (set|provided)|not found|not set|is not (set|defined)|unset)|superuser password is not specified|you need to specify one of .*password|os\.environ\[['\"]|required key [a-z0-9_]+ missing value|(?-i:KeyError: '[A-Z][A-Z0-9]*_[A-Z0-9_]+')|(?-i:key not found: \"[A-Z][A-Z0-9_]+\")|could not resolve placeholder|missing `?secret_key_base"#,
        cause: "An environment variable that it needs is not set",
        action: None,
        urgency: Urgency::High,
        confidence: 91,
        advice: "Set the variable named in the log in its Compose file or run command, and create it anew.",
    },
    LogCause {
        id: "configuration-invalid",
        line: r"(configuration|config)( file)? (error|invalid|is invalid|test failed)|configuration file [^\n]{0,120} contains errors|invalid (configuration|config)\b|(error|failed|unable|cannot|could not)[^\n]{0,20} (parse|parsing|adapt|adapting|decode|decoding|unmarshal|unmarshalling)[^\n]{0,20}(config|yaml|json|toml)|errors?(\(s\))? found in (the )?config|yaml: (line|unmarshal|did not|mapping|found)|\[emerg\][^\n]* in /[^\s:]+:\d+|(unknown|unrecogni[sz]ed|bad|unsupported) (directive|keyword|option|flag|configuration (option|variable|key|setting))|flag provided but not defined|improperlyconfigured|(setting|option|parameter) [^\n]{0,40}(is required|must be set|must not be empty)|bad option at line|syntax error on line \d+ of",
        cause: "Its configuration is invalid",
        action: None,
        urgency: Urgency::High,
        confidence: 84,
        advice: "Correct the configuration at the place that the log names.",
    },
    LogCause {
        id: "data-directory-version",
        line: r"database files are incompatible with server|data directory was initialized by .*version|unsupported (data|database|backend|storage) (file )?(version|format)|downgrad(e|ing) is not (supported|possible|allowed)|upgrade after a crash is not supported|version of the data [^\n]{0,60}(higher|newer) than",
        cause: "Its data were written by another major version",
        action: None,
        urgency: Urgency::High,
        confidence: 94,
        advice: "Go back to the image's version before, or follow the program's upgrade path with a backup at hand.",
    },
    LogCause {
        id: "data-corrupt",
        line: r"database disk image is malformed|data (file )?(is )?corrupt(ed)?|invalid page in block|checksum (mismatch|verification failed)|could not locate a valid checkpoint record|wal .*corrupt|bad file format reading|make a backup of your|is marked as crashed|inconsistent_database|bad magic number in",
        cause: "Its data are damaged",
        action: None,
        urgency: Urgency::Critical,
        confidence: 88,
        advice: "Stop it, copy the data as they are, and restore from a backup; a restart can make it worse.",
    },
    LogCause {
        id: "authentication-failed",
        line: r"password authentication failed|access denied for user|authentication failed|invalid (username or )?password|wrongpass|noauth authentication required",
        cause: "It signs in somewhere with credentials that are refused",
        action: None,
        urgency: Urgency::High,
        confidence: 83,
        advice: "Compare the credentials it is given with those of the service it signs in to.",
    },
    LogCause {
        id: "stale-lock",
        line: r"lock file .*(already )?exists|pid file .*exists|stale (pid|lock)|\b(an?|another|other) (\S+ )?(instance|process|server) (is|appears to be|seems to be) (already |still )?running|if (this|that|the) (server|process|instance) is no longer running|(is )?(already )?locked by another process|failed to obtain (node )?locks?|unable to lock |lock: resource temporarily unavailable|another \S+ process using the same|another (copy|instance) of \S+ (is |may be )?running",
        cause: "A lock left behind by an earlier run stops it",
        action: Some(ActionName::ClearTmp),
        urgency: Urgency::Medium,
        confidence: 70,
        advice: "If no other instance runs, remove the lock file that the log names.",
    },
    LogCause {
        id: "out-of-memory",
        line: r"out of memory|outofmemoryerror|cannot allocate memory|enomem|javascript heap out of memory|memoryerror\b|std::bad_alloc|fatal error: runtime: out of memory|insufficient memory for the java runtime|allowed memory size of \d+ bytes exhausted",
        cause: "It ran out of memory",
        action: Some(ActionName::RestartContainer),
        urgency: Urgency::High,
        confidence: 86,
        advice: "Raise its memory limit, or the heap limit of its runtime.",
    },
    LogCause {
        id: "name-not-resolved",
        line: r"could not resolve (host|address|hostname)|could not translate host name|name or service not known|temporary failure in name resolution|getaddrinfo (enotfound|eai_again)|php_network_getaddresses|no such host|name does not resolve|lookup \S+ on \S+: server misbehaving|unknownhostexception|nxdomain|bad address '|(unable|failed|cannot) to resolve (host|address|name)",
        cause: "A name that it needs does not resolve",
        action: Some(ActionName::RestartContainer),
        urgency: Urgency::High,
        confidence: 68,
        advice: "Check that the other container runs on the same network and that the name is right.",
    },
    LogCause {
        id: "dependency-refuses",
        line: r"connection refused|econnrefused|(could not|failed to|unable to) connect to|the database system is starting up|not (yet )?(ready to accept|accepting) connections|can't connect to (the )?(local )?(mysql|mariadb|database) server|broker may not be available|no route to host|connect: connection timed out",
        cause: "Something that it depends on does not accept connections",
        action: Some(ActionName::RestartContainer),
        urgency: Urgency::High,
        confidence: 65,
        advice: "Look at the service behind the address that the log names.",
    },
    LogCause {
        id: "too-many-open-files",
        line: r"too many open files|emfile|enfile",
        cause: "It has used up its open files",
        action: Some(ActionName::RestartContainer),
        urgency: Urgency::High,
        confidence: 85,
        advice: "Raise its nofile limit (ulimits in Compose), and look for a leak.",
    },
    LogCause {
        id: "missing-file",
        line: r"no such file or directory|enoent|cannot find (module|package)|modulenotfounderror|classnotfoundexception|error while loading shared libraries|version `glibc\S* not found|unable to open database file",
        cause: "A file that it needs is not there",
        action: None,
        urgency: Urgency::High,
        confidence: 72,
        advice: "Check its volumes and the image's version against what the log names.",
    },
    LogCause {
        id: "deadlock",
        line: r"deadlock detected|all goroutines are asleep",
        cause: "It locked itself up",
        action: Some(ActionName::RestartContainer),
        urgency: Urgency::High,
        confidence: 80,
        advice: "If it comes back, tell its makers.",
    },
    LogCause {
        id: "panic",
        line: r"thread '.*' panicked at|^panic: |goroutine \d+ \[running\]|segmentation fault|core dumped|fatal signal|unhandled exception|traceback \(most recent call last\)|uncaughtexception",
        cause: "It ended by a fault of its own",
        action: Some(ActionName::RestartContainer),
        urgency: Urgency::High,
        confidence: 75,
        advice: "If it comes back, look for a newer version or tell its makers.",
    },
];

/// Entries that tell only that it ended by a fault, in a line that mostly stands above the reason: where another entry matches that line or
/// one after it, that one tells more.
const TELLS_LITTLE: &[&str] = &["panic"];
/// Where the output of a health check is from.
const CHECK: &str = "health check";
/// How many of the last lines are searched: what was said last tells why it ended.
const LINES_SEARCHED: usize = 40;
/// By how much less sure a row is of a line that is no complaint, or was long past. Percentage points.
const LESS_SURE: u8 = 25;
/// So many lines behind it, and a line was long past; those of a stack's trace don't count.
const LONG_PAST: usize = 12;
/// Entries that a server's own log holds day in, day out, because clients of its failed.
const OF_CLIENTS: &[&str] = &["authentication-failed", "deadlock"];
/// Servers whose logs tell of their clients, by a word in the image's name.
const SERVERS: &[&str] = &[
    "postgres",
    "postgis",
    "pgvector",
    "timescale",
    "mysql",
    "mariadb",
    "mongo",
    "redis",
    "valkey",
    "rabbitmq",
    "mosquitto",
    "openldap",
    "sshd",
];

// Immutable and made once; not state.
#[allow(
    clippy::expect_used,
    reason = "the patterns are constants of this file, and a test compiles them"
)]
static LOG_SET: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new(LOG_CAUSES.iter().map(|cause| format!("(?i){}", cause.line)))
        .expect("the patterns are constants")
});

/// What kind of line it is, by what the program itself marks it as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// It goes about its work: information, and requests that it served, whose text others wrote. The reason of an end is hardly ever
    /// among these.
    AtWork,
    /// It warns. What it warned of before it went on was not the end.
    Warns,
    /// It complains, or does not say.
    Complains,
}

/// The first word of a line that says how bad it is.
#[allow(clippy::expect_used, reason = "a constant, which a test compiles")]
static LEVEL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^.{0,60}?\b(?:(trace|debug|info|notice)|(warn|warning)|error|err|fatal|panic|critical|crit|emerg|alert|severe)\b")
        .expect("the pattern is a constant")
});

/// Other ways to say that all is well: one letter (Gitea; Ruby; Kubernetes), pino's numbers, and lines of an access log.
#[allow(
    clippy::expect_used,
    reason = "the patterns are constants, and a test compiles them"
)]
static AT_WORK: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new([
        r"\[[TDI]\]|^[DI], \[|^I\d{4} ",
        r#""level":[1-3]0\b"#,
        r#""(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT) [^"]* HTTP/"#,
    ])
    .expect("the patterns are constants")
});

fn mood(line: &str) -> Mood {
    if AT_WORK.is_match(line) {
        return Mood::AtWork;
    }
    match LEVEL.captures(line) {
        Some(level) if level.get(1).is_some() => Mood::AtWork,
        Some(level) if level.get(2).is_some() => Mood::Warns,
        _ => Mood::Complains,
    }
}

/// Lines that go on with the one above: of a stack's trace, of a structure, of a dump.
#[allow(clippy::expect_used, reason = "a constant, which a test compiles")]
static GOES_ON: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\s|^$|^[\]})#]|^(at|goroutine|created by) |\)$")
        .expect("the pattern is a constant")
});

/// A line that a row matches.
#[derive(Clone, Copy)]
struct Match<'a> {
    cause: &'static LogCause,
    source: &'static str,
    line: &'a str,
    /// Where the line stands among those that are searched.
    at: usize,
    confidence: u8,
}

impl Match<'_> {
    fn tells_little(&self) -> bool {
        TELLS_LITTLE.contains(&self.cause.id)
    }
}

/// What these lines tell: the surest row, among equals that of the line said last. A row that tells little gives way to what stands in its
/// own line or below. `is_server`: the log is one that also tells of clients.
fn most_telling<'a>(lines: &[(&'static str, &'a str)], is_server: bool) -> Option<Match<'a>> {
    let moods: Vec<_> = lines.iter().map(|(_, line)| mood(line)).collect();
    let last_at_work = moods.iter().rposition(|mood| *mood == Mood::AtWork);
    let own_lines: Vec<_> = lines
        .iter()
        .enumerate()
        .filter(|(_, (_, line))| !GOES_ON.is_match(line))
        .map(|(at, _)| at)
        .collect();
    let long_past = own_lines
        .len()
        .checked_sub(LONG_PAST)
        .and_then(|index| own_lines.get(index))
        .copied();
    let mut matches = Vec::new();
    for (at, (source, line)) in lines.iter().enumerate() {
        let is_past = last_at_work.is_some_and(|last| at < last);
        let is_long_past = long_past.is_some_and(|since| at < since);
        let less = match moods[at] {
            Mood::AtWork => LESS_SURE,
            Mood::Warns if is_past => LESS_SURE,
            Mood::Warns | Mood::Complains if is_long_past => LESS_SURE,
            Mood::Warns | Mood::Complains => 0,
        };
        let rows = LOG_SET.matches(line);
        matches.extend(
            rows.into_iter()
                .map(|row| &LOG_CAUSES[row])
                // Whom a check can't connect to is the program itself.
                .filter(|cause| *source != CHECK || cause.id != "dependency-refuses")
                .filter(|cause| !is_server || !OF_CLIENTS.contains(&cause.id))
                .map(|cause| Match {
                    cause,
                    source,
                    line,
                    at,
                    confidence: cause.confidence.saturating_sub(less),
                }),
        );
    }
    let surest = matches
        .iter()
        .max_by_key(|found| found.confidence)
        .copied()?;
    if !surest.tells_little() {
        return Some(surest);
    }
    // The first of several: one exception is often told in the middle of another.
    let from = matches
        .iter()
        .find(|found| found.tells_little() && last_at_work.is_none_or(|at| found.at > at))
        .map_or(surest.at, |first| first.at);
    let reason = matches
        .iter()
        .filter(|found| !found.tells_little() && found.at >= from)
        .max_by_key(|found| found.confidence);
    Some(reason.copied().unwrap_or(surest))
}

pub(super) struct LogPatterns;

impl Pattern for LogPatterns {
    fn entries(&self) -> Vec<&'static str> {
        LOG_CAUSES.iter().map(|cause| cause.id).collect()
    }

    fn explain(&self, case: &Case<'_>) -> Option<CatalogueMatch> {
        let start = case.log.len().saturating_sub(LINES_SEARCHED);
        let facts = case.resource.container();
        let is_server = facts.is_some_and(|facts| {
            let image = facts.image.to_lowercase();
            SERVERS.iter().any(|word| image.contains(word))
        });
        let engine_error = facts.and_then(|facts| facts.error.as_deref());
        // A check that can't be run says nothing of what it was to check.
        let health_output = facts
            .and_then(|facts| facts.health_output.as_deref())
            .filter(|output| !can_not_be_run(output));
        let lines: Vec<(&'static str, &str)> = case.log[start..]
            .iter()
            .map(|line| ("log", line.as_str()))
            .chain(engine_error.map(|error| ("inspect", error)))
            .chain(health_output.map(|output| (CHECK, output)))
            .collect();
        let Match {
            cause,
            source,
            line,
            confidence,
            ..
        } = most_telling(&lines, is_server)?;
        Some(CatalogueMatch {
            entry: cause.id,
            cause: cause.cause.to_owned(),
            action: cause.action,
            urgency: cause.urgency,
            confidence,
            reasoning: format!("{} says so in its {source}", case.resource.id.short()),
            evidence: vec![Evidence::new(source, line)],
            advice: cause.advice.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
