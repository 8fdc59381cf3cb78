//! Stand-ins for what must not leave the house: names of hosts and users, and addresses.
//!
//! Text in, text out, with a word such as `host-3fa9c1` in the place of each; the same thing always gets the same word, so that a model can
//! follow it, and the word can be put back in the answer. What it never does: take out what is *secret*; that is gone before (see
//! [`crate::redact`]). It knows names by their shape and by being told, so it rather takes out a harmless word than leave a name.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::LazyLock,
};

use regex::{Captures, Regex};
use sha2::{Digest, Sha256};

/// What is known to be a name.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Names of machines.
    pub(super) hosts: BTreeSet<String>,
    /// Names of people's accounts.
    pub(super) users: BTreeSet<String>,
}

/// Stand-ins made so far, with what they stand for.
#[derive(Clone, Debug)]
pub(super) struct StandIns {
    salt: Vec<u8>,
    known: Known,
    /// Any of the known names, as a word by itself.
    names: Option<Regex>,
    stands_for: BTreeMap<String, String>,
}

macro_rules! pattern {
    ($name:ident = $pattern:literal) => {
        #[allow(clippy::expect_used, reason = "a constant, which a test compiles")]
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($pattern).expect("a valid pattern"));
    };
}

// Anything that may be an address; whether it is one is for the parser to say.
pattern!(V4 = r"\d{1,3}(?:\.\d{1,3}){3}");
pattern!(COLONS = r"[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(?:[0-9A-Fa-f]\b|::)");
pattern!(EMAIL = r"(?i)\b[a-z0-9._%+-]+@[a-z0-9][a-z0-9.-]*[a-z0-9]\b");
pattern!(
    DOTTED = r"(?i)\b[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+\b"
);
pattern!(HOME = r"(/home/|/Users/)([A-Za-z0-9._-]+)");
pattern!(
    USER = r#"(?i)\b(?:user(?:name)?|login|account|owner|uid)(?:\s*[=:]\s*|\s+)["'`(]?([a-z_][a-z0-9_.-]+)["'`)]?"#
);
pattern!(STAND_IN = r"(?:host|user|address)-[0-9a-f]{8}");

/// Endings of dotted names that are files, versions or code, not hosts.
const NO_HOST: &[&str] = &[
    "conf", "cfg", "ini", "toml", "yaml", "yml", "json", "xml", "log", "txt", "md", "py", "js",
    "ts", "mjs", "cjs", "rb", "rs", "go", "c", "h", "cc", "cpp", "java", "class", "jar", "php",
    "sh", "so", "exe", "bin", "sql", "db", "sqlite", "sock", "socket", "pid", "lock", "service",
    "timer", "mount", "target", "pem", "crt", "key", "gz", "tar", "zip", "html", "css", "env",
    "tmp", "bak", "old", "d", "o", "a", "lua", "pl", "ex", "exs", "erl", "scala", "kt", "swift",
];

/// Accounts that every machine has tell nothing of anybody; nor do words that follow `for` in plain sentences.
const COMMON: &[&str] = &[
    "root",
    "postgres",
    "mysql",
    "nobody",
    "daemon",
    "www-data",
    "admin",
    "user",
    "the",
    "a",
    "an",
    "this",
    "that",
    "it",
    "its",
    "all",
    "any",
    "each",
    "more",
    "not",
    "is",
    "was",
    "name",
    "id",
    "invalid",
    "unknown",
    "none",
    "null",
    "true",
    "false",
    "to",
    "from",
    "of",
    "and",
    "in",
    "on",
    "authentication",
    "memory",
    "container",
    "containers",
    "service",
    "host",
    "database",
    "file",
    "directory",
    "port",
    "connection",
    "connections",
    "process",
    "health",
    "check",
    "least",
    "most",
    "example",
    "long",
    "relation",
    "table",
    "role",
    "well",
    "soon",
    "much",
    "many",
    "failed",
];

impl StandIns {
    /// None yet. The salt keeps others from finding out by trying what a word stands for; with the same salt the words are the same.
    pub(super) fn new(salt: &[u8], known: Known) -> Self {
        let all: Vec<String> = known
            .hosts
            .iter()
            .chain(&known.users)
            .filter(|name| !name.is_empty())
            .map(|name| regex::escape(name))
            .collect();
        // What others are called is no pattern, and there are not too many of them.
        let names = (!all.is_empty())
            .then(|| Regex::new(&format!(r"(?i)\b(?:{})\b", all.join("|"))).ok())
            .flatten();
        Self {
            salt: salt.to_vec(),
            known,
            names,
            stands_for: BTreeMap::new(),
        }
    }

    /// The text without names and addresses.
    pub(super) fn hide(&mut self, text: &str) -> String {
        let mut text = self.replace(&EMAIL, text, |this, found| {
            let whole = found.get(0)?.as_str();
            let (user, host) = whole.split_once('@')?;
            let user = this.word("user", user);
            let host = this.word("host", host);
            Some(format!("{user}@{host}"))
        });
        // By themselves first: what stands beside an address must not hide it.
        for pattern in [&*V4, &*COLONS] {
            text = self.replace(pattern, &text, |this, found| {
                let whole = found.get(0)?.as_str();
                this.address(whole)
            });
        }
        let text = self.replace(&HOME, &text, |this, found| {
            let user = found.get(2)?.as_str();
            let word = this.word("user", user);
            Some(format!("{}{word}", found.get(1)?.as_str()))
        });
        let text = self.replace(&DOTTED, &text, |this, found| {
            let whole = found.get(0)?.as_str();
            is_host_name(whole).then(|| this.word("host", whole))
        });
        let text = self.replace(&USER, &text, |this, found| {
            let name = found.get(1)?;
            if COMMON.contains(&name.as_str().to_lowercase().as_str())
                || STAND_IN.is_match(name.as_str())
            {
                return None;
            }
            let whole = found.get(0)?;
            let word = this.word("user", name.as_str());
            let before = name.start() - whole.start();
            let after = name.end() - whole.start();
            let whole = whole.as_str();
            Some(format!(
                "{}{word}{}",
                whole.get(..before)?,
                whole.get(after..)?
            ))
        });
        let Some(names) = self.names.clone() else {
            return text;
        };
        self.replace(&names, &text, |this, found| {
            let whole = found.get(0)?.as_str();
            let is_it = |known: &String| known.eq_ignore_ascii_case(whole);
            if this.known.hosts.iter().any(is_it) {
                Some(this.word("host", whole))
            } else if COMMON.contains(&whole.to_lowercase().as_str()) {
                None
            } else {
                Some(this.word("user", whole))
            }
        })
    }

    /// The text with names and addresses put back.
    pub(super) fn put_back(&self, text: &str) -> String {
        STAND_IN
            .replace_all(text, |found: &Captures<'_>| {
                let word = found.get(0).map_or("", |found| found.as_str());
                self.stands_for
                    .get(word)
                    .cloned()
                    .unwrap_or_else(|| word.to_owned())
            })
            .into_owned()
    }

    fn replace(
        &mut self,
        pattern: &Regex,
        text: &str,
        with: impl Fn(&mut Self, &Captures<'_>) -> Option<String>,
    ) -> String {
        let mut made = String::with_capacity(text.len());
        let mut end = 0;
        for found in pattern.captures_iter(text) {
            let Some(whole) = found.get(0) else { continue };
            if let Some(word) = with(self, &found) {
                made.push_str(text.get(end..whole.start()).unwrap_or_default());
                made.push_str(&word);
                end = whole.end();
            }
        }
        made.push_str(text.get(end..).unwrap_or_default());
        made
    }

    fn address(&mut self, text: &str) -> Option<String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return (!is_everybodys(address)).then(|| self.word("address", text));
        }
        // An address and a port, a prefix that took along a colon, or the hardware's address.
        if let Some((address, rest)) = text.rsplit_once(':')
            && let Ok(parsed) = address.parse::<IpAddr>()
        {
            return (!is_everybodys(parsed))
                .then(|| format!("{}:{rest}", self.word("address", address)));
        }
        let parts: Vec<_> = text.split(':').collect();
        let is_hardware = parts.len() == 6 && parts.iter().all(|part| part.len() == 2);
        is_hardware.then(|| self.word("address", text))
    }

    fn word(&mut self, kind: &str, name: &str) -> String {
        if STAND_IN.is_match(name) {
            return name.to_owned();
        }
        let mut hash = Sha256::new();
        hash.update(&self.salt);
        hash.update(kind.as_bytes());
        hash.update([0]);
        hash.update(name.to_lowercase().as_bytes());
        let digest = hash.finalize();
        let short: String = digest
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let word = format!("{kind}-{short}");
        self.stands_for.insert(word.clone(), name.to_owned());
        word
    }
}

/// Addresses that are the same in every house.
fn is_everybodys(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

fn is_host_name(text: &str) -> bool {
    let Some((_, last)) = text.rsplit_once('.') else {
        return false;
    };
    // Versions and numbers have no letters at the end; code has capitals in the middle.
    // Some endings are a file's as well as a country's; files have seldom more than one dot.
    let may_be_a_file =
        text.split('.').count() == 2 && NO_HOST.contains(&last.to_lowercase().as_str());
    last.len() >= 2
        && last.chars().all(|c| c.is_ascii_alphabetic())
        && !may_be_a_file
        && !STAND_IN.is_match(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stand_ins() -> StandIns {
        let known = Known {
            hosts: ["atlas".to_owned()].into(),
            users: ["evin".to_owned()].into(),
        };
        StandIns::new(b"salt", known)
    }

    #[test]
    fn names_and_addresses_do_not_leave_and_come_back() {
        let text = "on atlas: connection from 192.168.1.17:5432 (fe80::1ff:fe23:4567:890a) to db.home.lan failed for evin, \
            mail to evin@example.org, see /home/evin/app, user \"nina\", 02:42:ac:11:00:02, also 203.0.113.9";
        let mut stand_ins = stand_ins();
        let hidden = stand_ins.hide(text);
        for name in [
            "atlas",
            "192.168",
            "fe80",
            "home.lan",
            "evin",
            "example.org",
            "nina",
            "02:42",
            "203.0",
        ] {
            assert!(!hidden.contains(name), "{name} in {hidden}");
        }
        assert!(hidden.contains(":5432"), "{hidden}");
        assert_eq!(stand_ins.put_back(&hidden), text);
    }

    #[test]
    fn known_names_are_hidden_however_they_are_written() {
        let hidden = stand_ins()
            .hide("connected to Atlas. ATLAS-db and atlas: hello Evin, panel.kowalski.pl");
        for name in ["tlas", "TLAS", "vin", "kowalski"] {
            assert!(!hidden.contains(name), "{name} in {hidden}");
        }
    }

    #[test]
    fn the_same_thing_keeps_its_stand_in() {
        let (mut one, mut other) = (stand_ins(), stand_ins());
        assert_eq!(one.hide("10.0.0.5"), other.hide("10.0.0.5"));
        let mut elsewhere = StandIns::new(b"other salt", Known::default());
        assert_ne!(one.hide("10.0.0.5"), elsewhere.hide("10.0.0.5"));
    }

    #[test]
    fn what_tells_of_nobody_stays() {
        for text in [
            "nginx: [emerg] open() \"/etc/nginx/nginx.conf\" failed (2: No such file or directory)",
            "listening on 127.0.0.1:8080 and 0.0.0.0:80, version 1.27.3",
            "FATAL: password authentication failed for user \"postgres\"",
            "java.lang.OutOfMemoryError at Main.java:17",
            "12:30:55 waiting for the database",
        ] {
            let hidden = stand_ins().hide(text);
            if text.starts_with("java") {
                assert!(hidden.contains("Main.java:17"), "{hidden}");
            } else {
                assert_eq!(hidden, text);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn hiding_twice_changes_nothing_and_all_comes_back(text in "([a-z]{1,6}(\\.lan| |@b\\.org)|10\\.[0-9]\\.3\\.4|user=[a-z]{3}|[:/ ]){0,12}") {
            let mut stand_ins = stand_ins();
            let hidden = stand_ins.hide(&text);
            prop_assert_eq!(stand_ins.hide(&hidden), hidden.clone());
            prop_assert_eq!(stand_ins.put_back(&hidden), text);
        }

        #[test]
        fn no_address_ever_leaves(a in 1_u8..127, b in any::<u8>(), c in any::<u8>(), before in "[a-z=\\[( \"]{0,3}", after in "[,;)\\] \"]{0,2}") {
            prop_assume!(a != 127);
            let address = format!("{a}.{b}.{c}.7");
            let hidden = stand_ins().hide(&format!("{before}{address}{after}"));
            prop_assert!(!hidden.contains(&address), "{}", hidden);
        }
    }
}
