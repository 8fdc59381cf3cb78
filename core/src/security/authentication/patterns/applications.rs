//! Programs that homes run and that ask for a password themselves.
//!
//! What flows through: a line without its time; an attempt comes out. Each form says where the program puts the name, and so which of
//! several addresses on the line can be believed.

use std::sync::LazyLock;

use regex::Regex;

use super::{Pair, Seen, Told, address_in, failure, group, pattern, told};
use crate::security::authentication::address::address;

/// Home Assistant's homeassistant/components/http/ban.py: `… from host (192.0.2.1). Requested URL: '…'. (agent)`. A host has no blanks, so
/// the first parenthesis is the server's.
static HOME_ASSISTANT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^[^'\x22]*\[homeassistant\.components\.http\.ban\] Login attempt or request with invalid authentication from (?:[^ ]+ \()?([0-9a-fA-F.:]+)\)?(?:\.|$)",
    )
});
/// Vaultwarden's src/api/identity.rs: `Username or password is incorrect. Try again. IP: 192.0.2.1. Username: x@y.`; the address comes first.
static VAULTWARDEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\[[0-9A-Za-z_:]+\]\[(?:ERROR|error|WARN|INFO)\] (?:Username or password is incorrect\. Try again|Invalid TOTP code! [^.]*|2FA token not provided)\.? IP: ([0-9a-fA-F.:]+?)\.?(?: Username: (.*?)\.?)?$",
    )
});
/// Vaultwarden's src/api/admin.rs: `Invalid admin token. IP: 192.0.2.1`.
static VAULTWARDEN_ADMIN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\[[0-9A-Za-z_:]+\]\[(?:ERROR|error|WARN|INFO)\] Invalid admin token\. IP: ([0-9a-fA-F.:]+?)\.?$",
    )
});
/// Gitea's and Forgejo's routers/web/auth/auth.go: `Failed authentication attempt for x from 192.0.2.1:2222: user does not exist [… name: x …]`.
/// The name stands on both sides of the address.
static GITEA: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"Failed authentication attempt for (.*?) from ([^ ]+?)(?:: .*)?$"));
/// Jellyfin's Jellyfin.Server.Implementations/Users/UserManager.cs: `Authentication request for "x" has been denied (IP: "192.0.2.1").`
static JELLYFIN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"Authentication request (?:for "?(.*?)"?|without username) has been denied \(IP: "?([^"()]+)"?\)\.?$"#,
    )
});
/// The same file: `Authentication request for "x" has succeeded.`
static JELLYFIN_IN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"UserManager: Authentication request for "([^" ]+)" has succeeded\.?$"#)
});

pub(super) fn home_assistant(text: &str) -> Option<Told> {
    if !text.contains("invalid authentication from ") {
        return None;
    }
    let found = HOME_ASSISTANT.captures(text)?;
    Some(told(failure("home assistant", address_in(&found, 1), None)))
}

pub(super) fn vaultwarden(text: &str) -> Option<Told> {
    if !text.contains(" IP: ") {
        return None;
    }
    if let Some(found) = VAULTWARDEN.captures(text) {
        return Some(told(failure(
            "vaultwarden",
            address_in(&found, 1),
            Some(group(&found, 2)),
        )));
    }
    let found = VAULTWARDEN_ADMIN.captures(text)?;
    Some(told(failure(
        "vaultwarden admin",
        address_in(&found, 1),
        None,
    )))
}

pub(super) fn gitea(text: &str) -> Option<Told> {
    if !text.contains("Failed authentication attempt for ") {
        return None;
    }
    let found = GITEA.captures(text)?;
    // A name with ` from ` in it makes more than one place where the address could stand.
    let after = text
        .split_once("Failed authentication attempt for ")
        .map_or("", |(_, after)| after);
    let is_sure = super::is_once(after, " from ");
    let from = if is_sure {
        address(group(&found, 2))
    } else {
        None
    };
    Some(told(failure("gitea", from, Some(group(&found, 1)))))
}

pub(super) fn jellyfin(text: &str) -> Option<Told> {
    if !text.contains("Authentication request ") {
        return None;
    }
    if let Some(found) = JELLYFIN.captures(text) {
        return Some(told(failure(
            "jellyfin",
            address_in(&found, 2),
            Some(group(&found, 1)),
        )));
    }
    let found = JELLYFIN_IN.captures(text)?;
    Some(told(Seen {
        success: true,
        ..failure("jellyfin", None, Some(group(&found, 1)))
    }))
}

/// Grafana's pkg/services/contexthandler and pkg/middleware/loggermw: pairs of key and value. A failed sign-in is told as `Invalid username
/// or password` (up to 9) and as the request for `/login` that ended with 401; of the two, the kind that was seen more often counts.
pub(super) fn grafana(text: &str) -> Option<Told> {
    if !text.contains("remote_addr=") {
        return None;
    }
    let mut message = "";
    let (mut from, mut path, mut status, mut method, mut when) = ("", "", "", "", "");
    let mut is_logger = false;
    for (key, value) in pairs(text) {
        match key {
            "logger" => is_logger = true,
            "msg" => message = value,
            "remote_addr" => from = value,
            "path" => path = value,
            "status" => status = value,
            "method" => method = value,
            "t" => when = value,
            _ => {}
        }
    }
    if !is_logger {
        return None;
    }
    let kind = match message {
        "Invalid username or password" => 0,
        "Request Completed"
            if status == "401"
                && method == "POST"
                && path.trim_end_matches('/').ends_with("/login") =>
        {
            1
        }
        _ => return None,
    };
    Some(told(Seen {
        at: when.parse().ok(),
        pair: Some(Pair::new(("grafana", from), kind)),
        ..failure("grafana", address(from), None)
    }))
}

/// Keys and values of `key=value key="a value"`, in which a quote within quotes is escaped; the last of equal keys wins.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    core::iter::from_fn(move || {
        let (before, after) = rest.split_once('=')?;
        let key = before.rsplit(' ').next().unwrap_or_default();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let end = closing_quote(quoted)?;
                (quoted.get(..end)?, quoted.get(end + 1..)?)
            }
            None => {
                let end = after.find(' ').unwrap_or(after.len());
                (after.get(..end)?, after.get(end..)?)
            }
        };
        rest = next;
        Some((key, value))
    })
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    })
}
