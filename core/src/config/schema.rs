//! Every key there is, with what its value may be: the one table from which files and variables are checked.
//!
//! The types in [`super`] say what a value *is*; this says what it may be, in words that a fault can use. Rules that tie two keys
//! together are in [`super::rules`]. A test holds this table, the types and the example file together.

pub(super) mod access;

use super::{
    Span, security, span, text,
    words::{
        actions, autonomies, classes, days, log_formats, occasions, problems, risks, tls_modes,
        tools,
    },
};

/// A rule for a text.
#[derive(Clone, Copy)]
pub(super) struct TextRule {
    /// What would be right, to stand after "it should be".
    pub(super) right: &'static str,
    /// Whether a text is right.
    pub(super) holds: fn(&str) -> bool,
}

/// What a value may be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number, from and to inclusive.
    Whole(&'static str, i64, i64),
    /// A number, from and to inclusive.
    Number(&'static str, f64, f64),
    /// A duration, from and to inclusive.
    Time(Span, Span),
    /// A time of day.
    TimeOfDay,
    /// One of some words.
    Word(&'static str, fn() -> Vec<&'static str>),
    /// A text with a rule.
    Text(TextRule),
    /// A text with a rule that is never shown.
    Secret(TextRule),
    /// A list of at least so many values of one kind.
    List(usize, &'static Kind),
    /// A section with keys of its own.
    Table(&'static [Key]),
    /// A section with keys that the user names, by a rule or out of some words.
    Map(Names, &'static Kind),
}

/// Which keys a [`Kind::Map`] may have.
#[derive(Clone, Copy)]
pub(super) enum Names {
    /// Any that follow the rule.
    Free(TextRule),
    /// One of these; and what they are.
    Words(&'static str, fn() -> Vec<&'static str>),
}

/// One key of a section.
#[derive(Clone, Copy)]
pub(super) struct Key {
    /// Its name.
    pub(super) name: &'static str,
    /// What its value may be.
    pub(super) kind: Kind,
    /// Whether it must be there.
    pub(super) required: bool,
}

pub(super) const fn key(name: &'static str, kind: Kind) -> Key {
    Key {
        name,
        kind,
        required: false,
    }
}

pub(super) const fn must(name: &'static str, kind: Kind) -> Key {
    Key {
        name,
        kind,
        required: true,
    }
}

const PERCENT: Kind = Kind::Number("a percentage", 1.0, 100.0);
/// Shorter makes no sense for anything that is waited for.
const INSTANT: Span = Span::from_millis(100);
pub(super) const SECOND: Span = Span::from_secs(1);
pub(super) const MINUTE: Span = Span::from_mins(1);
pub(super) const HOUR: Span = Span::from_hours(1);
pub(super) const DAY: Span = Span::from_hours(24);
pub(super) const YEAR: Span = Span::from_hours(24 * 366);
pub(super) const NAME: Kind = Kind::Text(text::NAME);
const PATTERN: Kind = Kind::Text(text::PATTERN);
const AUTONOMY: Kind = Kind::Word("a level of autonomy", autonomies);

const PRICE: Kind = Kind::Number("an amount of US dollars", 0.0, 100_000.0);

const WINDOW_DAYS: Key = key(
    "days",
    Kind::List(0, &Kind::Word("a day of the week", days)),
);
const WINDOW_FROM: Key = must("from", Kind::TimeOfDay);
const WINDOW_TO: Key = must("to", Kind::TimeOfDay);

const SCHEDULE: Kind = Kind::Table(&[
    key("enabled", Kind::Flag),
    key("every", Kind::Time(SECOND, DAY)),
]);

/// The whole configuration.
pub(super) static ROOT: Kind = Kind::Table(&[
    key(
        "node",
        Kind::Table(&[key("name", Kind::Text(text::NODE_NAME))]),
    ),
    key(
        "server",
        Kind::Table(&[
            key("listen", Kind::Text(text::LISTEN)),
            key(
                "allowed_hosts",
                Kind::List(0, &Kind::Text(text::ALLOWED_HOST)),
            ),
            key("tls", Kind::Word("a kind of TLS", tls_modes)),
            key("cert_file", Kind::Text(text::FILE)),
            key("key_file", Kind::Text(text::FILE)),
        ]),
    ),
    key(
        "database",
        Kind::Table(&[key("url", Kind::Secret(text::DATABASE_URL))]),
    ),
    key(
        "autonomy",
        Kind::Table(&[
            key("level", AUTONOMY),
            key(
                "actions",
                Kind::Map(Names::Words("an action", actions), &AUTONOMY),
            ),
            key(
                "resources",
                Kind::List(
                    0,
                    &Kind::Table(&[must("matches", PATTERN), must("level", AUTONOMY)]),
                ),
            ),
            key(
                "windows",
                Kind::List(0, &Kind::Table(&[WINDOW_DAYS, WINDOW_FROM, WINDOW_TO])),
            ),
        ]),
    ),
    key(
        "guards",
        Kind::Table(&[
            key(
                "max_restarts_per_hour",
                Kind::Whole("a number of restarts", 0, 60),
            ),
            key("max_back_off", Kind::Time(SECOND, DAY)),
            key(
                "blast_radius",
                Kind::Whole("a number of containers", 1, 10_000),
            ),
            key("blast_window", Kind::Time(INSTANT, HOUR)),
            key(
                "max_failures_in_a_row",
                Kind::Whole("a number of failures", 1, 100),
            ),
        ]),
    ),
    key(
        "approvals",
        Kind::Table(&[key("expire_after", Kind::Time(SECOND, YEAR))]),
    ),
    key(
        "docker",
        Kind::Table(&[
            key("enabled", Kind::Flag),
            key("host", Kind::Text(text::DOCKER_HOST)),
            key("only_label", Kind::Text(text::LABEL)),
            key("concurrency", Kind::Whole("a number of requests", 1, 256)),
            key("grace", Kind::Time(SECOND, HOUR)),
            key("stabilisation", Kind::Time(INSTANT, HOUR)),
            key("recovery", Kind::Time(INSTANT, HOUR)),
            key("log_lines", Kind::Whole("a number of lines", 1, 1000)),
            key("tmp_untouched", Kind::Time(SECOND, YEAR)),
            key("prune_after_days", Kind::Whole("a number of days", 1, 3650)),
        ]),
    ),
    key(
        "host",
        Kind::Table(&[
            key("enabled", Kind::Flag),
            key("systemd", Kind::Flag),
            key("ignore_disks", Kind::List(0, &PATTERN)),
            key(
                "journal_keep_mib",
                Kind::Whole("a size in MiB", 16, 1_048_576),
            ),
        ]),
    ),
    key(
        "network",
        Kind::Table(&[
            key("enabled", Kind::Flag),
            key("dns_names", Kind::List(1, &Kind::Text(text::HOST_NAME))),
            key("outside", Kind::List(1, &Kind::Text(text::HOST_PORT))),
            key("timeout", Kind::Time(INSTANT, MINUTE)),
        ]),
    ),
    key(
        "services",
        Kind::List(
            0,
            &Kind::Table(&[
                must("name", NAME),
                must("url", Kind::Text(text::HTTP_URL)),
                key("container", Kind::Text(text::CONTAINER)),
                key(
                    "expect_status",
                    Kind::List(0, &Kind::Whole("an HTTP status", 100, 599)),
                ),
                key("timeout", Kind::Time(INSTANT, HOUR)),
            ]),
        ),
    ),
    key(
        "mcp",
        Kind::Table(&[key(
            "servers",
            Kind::List(
                0,
                &Kind::Table(&[
                    must("name", NAME),
                    key("url", Kind::Text(text::HTTP_URL)),
                    key("command", Kind::Text(text::PART_OF_COMMAND)),
                    key("args", Kind::List(0, &Kind::Text(text::PART_OF_COMMAND))),
                    key(
                        "env",
                        Kind::Map(
                            Names::Free(text::VARIABLE),
                            &Kind::Secret(text::PART_OF_COMMAND),
                        ),
                    ),
                    key("pass_env", Kind::List(0, &Kind::Text(text::VARIABLE))),
                    key("token_file", Kind::Text(text::FILE)),
                    key("token_env", Kind::Text(text::VARIABLE)),
                    key("container", Kind::Text(text::CONTAINER)),
                    key("timeout", Kind::Time(INSTANT, MINUTE)),
                ]),
            ),
        )]),
    ),
    key(
        "databases",
        Kind::Table(&[
            key("discover", Kind::Flag),
            key(
                "postgres",
                Kind::List(
                    0,
                    &Kind::Table(&[
                        must("name", NAME),
                        must("url", Kind::Secret(text::POSTGRES_URL)),
                        key("container", Kind::Text(text::CONTAINER)),
                    ]),
                ),
            ),
            key("timeout", Kind::Time(INSTANT, MINUTE)),
        ]),
    ),
    key(
        "advisor",
        Kind::Table(&[
            key("enabled", Kind::Flag),
            key("discover", Kind::Flag),
            key("diagnose", Kind::Word("an occasion", occasions)),
            key("unsure_below", Kind::Whole("a percentage", 0, 100)),
            key("timeout", Kind::Time(SECOND, HOUR)),
            key("retries", Kind::Whole("a number of tries", 0, 10)),
            key(
                "rest_after_failures",
                Kind::Whole("a number of failures", 1, 100),
            ),
            key("rest", Kind::Time(SECOND, DAY)),
            key(
                "daily_budget_usd",
                Kind::Number("an amount of US dollars", 0.0, 10_000.0),
            ),
            key(
                "keep_texts",
                Kind::Time(MINUTE, Span::from_hours(24 * 3660)),
            ),
            key(
                "privacy",
                Kind::Table(&[
                    key("logs_to_cloud", Kind::Flag),
                    key("configuration_to_cloud", Kind::Flag),
                    key("security_to_cloud", Kind::Flag),
                ]),
            ),
            key(
                "models",
                Kind::List(
                    0,
                    &Kind::Table(&[
                        must("name", NAME),
                        must("url", Kind::Secret(text::HTTP_URL)),
                        key("model", Kind::Text(text::PART_OF_COMMAND)),
                        key("class", Kind::Word("a class of model", classes)),
                        key("api_key", Kind::Secret(text::API_KEY)),
                        key("api_key_file", Kind::Text(text::FILE)),
                        key(
                            "context_tokens",
                            Kind::Whole("a number of tokens", 1024, 100_000_000),
                        ),
                        key("input_usd_per_million", PRICE),
                        key("output_usd_per_million", PRICE),
                        key("tools", Kind::Flag),
                    ]),
                ),
            ),
            key(
                "specialists",
                Kind::List(
                    0,
                    &Kind::Table(&[
                        must("name", Kind::Text(text::SPECIALIST)),
                        key("field", Kind::Text(text::FIELD)),
                        key("instructions", Kind::Text(text::INSTRUCTIONS)),
                        key(
                            "tools",
                            Kind::List(0, &Kind::Word("a tool of a specialist", tools)),
                        ),
                        key("model", Kind::Text(text::NAME)),
                    ]),
                ),
            ),
        ]),
    ),
    key("security", Kind::Table(security::KEYS)),
    key(
        "thresholds",
        Kind::Table(&[
            key("container_memory_percent", PERCENT),
            key("container_cpu_percent", PERCENT),
            key(
                "http_latency_ms",
                Kind::Number("a time in milliseconds", 1.0, 600_000.0),
            ),
            key("host_cpu_percent", PERCENT),
            key("host_memory_percent", PERCENT),
            key("disk_percent", PERCENT),
            key("disk_critical_percent", PERCENT),
            key("database_connections_percent", PERCENT),
            key("sustain", Kind::Whole("a number of readings", 1, 20)),
            key("of_last", Kind::Whole("a number of readings", 1, 20)),
            key(
                "hysteresis",
                Kind::Number("a number of percentage points", 0.0, 99.0),
            ),
            key("loop_deaths", Kind::Whole("a number of ends", 2, 100)),
            key("loop_window", Kind::Time(SECOND, DAY)),
            key("restart_policy_grace", Kind::Time(INSTANT, HOUR)),
            key("flap_window", Kind::Time(SECOND, YEAR)),
            key("stale_after", Kind::Time(SECOND, YEAR)),
        ]),
    ),
    key(
        "strategies",
        Kind::Map(
            Names::Words("a problem", problems),
            &Kind::List(
                0,
                &Kind::Table(&[
                    must("action", Kind::Word("an action", actions)),
                    key("script", Kind::Text(text::SCRIPT_NAME)),
                    key("attempts", Kind::Whole("a number of attempts", 1, 20)),
                    key("back_off", Kind::Time(INSTANT, DAY)),
                ]),
            ),
        ),
    ),
    key(
        "schedules",
        Kind::Table(&[
            key("container_cycle", SCHEDULE),
            key("health_check", SCHEDULE),
            key("full_monitoring", SCHEDULE),
        ]),
    ),
    key(
        "retention",
        Kind::Table(&[
            key("fine", Kind::Time(MINUTE, Span::from_hours(24 * 3660))),
            key("medium", Kind::Time(MINUTE, Span::from_hours(24 * 3660))),
            key("coarse", Kind::Time(MINUTE, Span::from_hours(24 * 3660))),
        ]),
    ),
    key(
        "scripts",
        Kind::Map(
            Names::Free(text::SCRIPT_NAME),
            &Kind::Table(&[
                must("command", Kind::List(1, &Kind::Text(text::PART_OF_COMMAND))),
                key("risk", Kind::Word("a risk", risks)),
                key("timeout", Kind::Time(SECOND, DAY)),
            ]),
        ),
    ),
    key(
        "maintenance",
        Kind::List(
            0,
            &Kind::Table(&[
                must("matches", PATTERN),
                WINDOW_DAYS,
                WINDOW_FROM,
                WINDOW_TO,
            ]),
        ),
    ),
    key(
        "log",
        Kind::Table(&[
            key("level", Kind::Text(text::LOG_LEVEL)),
            key("format", Kind::Word("a form of log lines", log_formats)),
        ]),
    ),
]);

impl Kind {
    /// What would be right, to stand after "it should be".
    pub(super) fn right(&self) -> String {
        match self {
            Self::Flag => "true or false".to_owned(),
            Self::Whole(what, from, to) => format!("{what} from {from} to {to}"),
            Self::Number(what, from, to) => format!("{what} from {from} to {to}"),
            Self::Time(from, to) => format!(
                "{} from {} to {}",
                span::EXAMPLE,
                span::human(*from),
                span::human(*to)
            ),
            Self::TimeOfDay => "a time of day such as \"02:30\" or \"22:00:00\"".to_owned(),
            Self::Word(_, words) => format!("one of {}", words().join(", ")),
            Self::Text(rule) | Self::Secret(rule) => rule.right.to_owned(),
            Self::List(at_least, of) => {
                let one = if *at_least > 0 {
                    " with at least one"
                } else {
                    ""
                };
                match of {
                    Self::Table(_) => format!("a list of sections{one}, each headed by [[…]]"),
                    of => format!("a list in brackets{one}, each {}", of.right()),
                }
            }
            Self::Table(keys) => {
                let names: Vec<_> = keys.iter().map(|key| key.name).collect();
                format!("a section with keys out of {}", names.join(", "))
            }
            Self::Map(Names::Free(_), _) => "a section with names as its keys".to_owned(),
            Self::Map(Names::Words(_, words), _) => {
                format!("a section with keys out of {}", words().join(", "))
            }
        }
    }

    /// Whether a value of this kind is written as text, so that a variable needs no quotes for it.
    pub(super) const fn is_text(&self) -> bool {
        matches!(
            self,
            Self::Time(..) | Self::TimeOfDay | Self::Word(..) | Self::Text(_) | Self::Secret(_)
        )
    }
}

/// The sections (as dotted paths, empty for the top) in which a key of this name stands.
pub(super) fn sections_with(name: &str) -> Vec<String> {
    fn walk(kind: &Kind, path: &str, name: &str, found: &mut Vec<String>) {
        if let Kind::Table(keys) = kind {
            for key in *keys {
                if key.name == name && !path.is_empty() {
                    found.push(path.to_owned());
                }
                let below = if path.is_empty() {
                    key.name.to_owned()
                } else {
                    format!("{path}.{}", key.name)
                };
                walk(&key.kind, &below, name, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(&ROOT, "", name, &mut found);
    found
}

/// The word of `known` that is nearest to `text`, where one is near enough to be what was meant.
pub(super) fn nearest<'k>(text: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let text = text.to_lowercase().replace('-', "_");
    let allowed = (text.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        // Among equals the one that begins alike: people seldom miss the first letter.
        .map(|word| {
            (
                distance(&text, word),
                word.chars().next() != text.chars().next(),
                word,
            )
        })
        .filter(|(distance, _, _)| *distance <= allowed)
        .min()
        .map(|(_, _, word)| word)
}

/// How many letters must be added, removed, changed or swapped with their neighbour to make one word of the other
/// (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().collect());
    let width = b.len() + 1;
    let mut rows: Vec<Vec<usize>> = vec![(0..width).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i; width];
        for j in 1..width {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row[j] = best;
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// What the value at a dotted path may be; none where no key is there. Lists are not entered.
pub(super) fn kind_of(path: &str) -> Option<&'static Kind> {
    path.split('.').try_fold(&ROOT, |kind, name| match kind {
        Kind::Table(keys) => keys
            .iter()
            .find(|key| key.name == name)
            .map(|key| &key.kind),
        Kind::Map(Names::Words(_, words), of) if words().contains(&name) => Some(*of),
        _ => None,
    })
}
