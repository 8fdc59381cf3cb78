//! Databases: PostgreSQL and MariaDB (MySQL).
//!
//! What flows through: a line without its time; an attempt comes out. PostgreSQL tells the address only where `log_line_prefix` has it, and
//! that prefix may hold names of the client's choice as well: an address is taken only where nothing but numbers stands before it.

use core::net::IpAddr;
use std::sync::LazyLock;

use regex::Regex;

use super::{Seen, Told, failure, group, pattern, told};
use crate::security::authentication::address::address;

/// PostgreSQL's src/backend/libpq/auth.c, `auth_failed`; every method has its own words.
static POSTGRES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"FATAL:  (?:(?:password|LDAP|PAM|RADIUS|GSSAPI|SSPI|Ident|Peer|certificate|SCRAM|"?trust"?) authentication failed for user "(.*)"|no pg_hba\.conf entry for host "([^"]+)", user "(.*)", database ".*)$"#,
    )
});
/// MariaDB's sql/sql_acl.cc, `ER_ACCESS_DENIED_ERROR`: `Access denied for user 'x'@'192.0.2.1' (using password: YES)`.
static MARIADB: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"Access denied for user '(.*)'@'([^']*)'(?: \(using password: (?:YES|NO)\)| to database '[^']*')$",
    )
});

pub(super) fn postgres(text: &str) -> Option<Told> {
    let at = text.find("FATAL:  ")?;
    let (prefix, message) = text.split_at(at);
    let found = POSTGRES.captures(message)?;
    if let Some(host) = found.get(2) {
        // The server writes the address first, so nothing of the client's choice stands before it.
        let user = group(&found, 3);
        return Some(told(failure(
            "postgresql",
            address(host.as_str()),
            Some(user),
        )));
    }
    Some(told(failure(
        "postgresql",
        of_prefix(prefix),
        Some(group(&found, 1)),
    )))
}

/// The address in a prefix such as `[7] 192.0.2.1 app@db `, where only the server's own numbers stand before it.
fn of_prefix(prefix: &str) -> Option<IpAddr> {
    for word in prefix.split([' ', ',']).filter(|word| !word.is_empty()) {
        let plain = word.trim_matches(['[', ']', '(', ')']);
        let value = ["client=", "host=", "h=", "remote="]
            .iter()
            .find_map(|key| plain.strip_prefix(key))
            .unwrap_or(plain);
        // `%r` writes the port in parentheses.
        let value = value.split('(').next().unwrap_or_default();
        if let Some(found) = address(value) {
            return Some(found);
        }
        let is_numbers = plain
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"-.:".contains(&byte));
        let is_zone = plain.len() <= 5 && plain.bytes().all(|byte| byte.is_ascii_uppercase());
        if !is_numbers && !is_zone {
            return None;
        }
    }
    None
}

pub(super) fn mariadb(text: &str) -> Option<Told> {
    if !text.contains("Access denied for user '") {
        return None;
    }
    let found = MARIADB.captures(text)?;
    Some(told(Seen {
        ..failure("mariadb", address(group(&found, 2)), Some(group(&found, 1)))
    }))
}
