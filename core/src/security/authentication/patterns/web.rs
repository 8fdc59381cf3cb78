//! Web servers: access logs in the common formats, and the error logs of nginx and Apache.
//!
//! What flows through: a line without its time; an attempt comes out. The client's address comes first in an access log, before all that
//! the client sends. A refusal counts where somebody tried: a name was sent along, or something was posted to where one signs in. A browser
//! that asks without a name, and is told to ask for one, has tried nothing.

use std::sync::LazyLock;

use regex::Regex;

use super::{Pair, Seen, Told, address_in, failure, group, is_once, pattern, told};
use crate::security::authentication::moment::{self, Clock};

/// The Common and the Combined Log Format (httpd.apache.org, Log Files; nginx.org, ngx_http_log_module). Quotes within the request are
/// escaped by both servers.
static ACCESS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"^([^ ]+) [^ ]+ (.*?) \[([0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4})\] "(?:([A-Z]+) ((?:[^"\\]|\\.)*?)(?: HTTP/[0-9.]+)?|(?:[^"\\]|\\.)*)" ([0-9]{3}) (?:[0-9]+|-)"#,
    )
});
/// nginx' ngx_http_auth_basic_module.c: `user "x": password mismatch, client: 192.0.2.1, server: …`; the name is written as it was sent.
static NGINX: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"^\[error\] [0-9]+#[0-9]+: \*[0-9]+ user "(.*?)"(?:: password mismatch| was not found in "[^"]*"), client: ([^,]+), server: "#,
    )
});
/// Apache's modules/aaa/mod_auth_basic.c (AH01617, AH01618) and mod_auth_digest.c: the client comes before the name.
static APACHE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\[([^\]]+)\] \[auth_(?:basic|digest):error\] \[pid [^\]]+\] \[client ([^\]]+?)\] AH[0-9]{5}: (?:Digest: )?user `?(.*?)'?(?:: authentication failure for| not found| in realm)",
    )
});

/// Words of a path at which one signs in.
const SIGN_IN: [&str; 12] = [
    "login",
    "signin",
    "sign_in",
    "sign-in",
    "log-in",
    "authenticate",
    "auth",
    "session",
    "sessions",
    "wp-login.php",
    "xmlrpc.php",
    "token",
];

/// Whether one signs in at a path: one of its parts is such a word, whatever stands after a `?`.
pub(super) fn is_sign_in(path: &str) -> bool {
    path.split(['?', '#'])
        .next()
        .unwrap_or_default()
        .split('/')
        .any(|part| {
            let part = part.to_ascii_lowercase();
            SIGN_IN.contains(&part.as_str())
                || part
                    .strip_suffix(".php")
                    .is_some_and(|name| SIGN_IN.contains(&name))
        })
}

/// Whether a refused request was an attempt to sign in.
pub(super) fn is_attempt(method: &str, path: &str, status: u16, has_user: bool) -> bool {
    let posts = matches!(method, "POST" | "PUT");
    match status {
        401 => has_user || (posts && is_sign_in(path)),
        403 => posts && is_sign_in(path),
        _ => false,
    }
}

pub(super) fn access(text: &str) -> Option<Told> {
    // The cheap question first: every request to a busy server comes by here.
    if !(text.contains("\" 401 ") || text.contains("\" 403 ")) {
        return None;
    }
    let found = ACCESS.captures(text)?;
    let user = match group(&found, 2) {
        "-" | "\"\"" => "",
        user => user,
    };
    let status = group(&found, 6).parse().unwrap_or(0);
    if !is_attempt(group(&found, 4), group(&found, 5), status, !user.is_empty()) {
        return Some(Told::Nothing);
    }
    let from = address_in(&found, 1);
    Some(told(Seen {
        at: moment::common_log(group(&found, 3)),
        pair: Some(Pair::new(("web", from, user), 0)),
        ..failure("web", from, Some(user))
    }))
}

pub(super) fn nginx_error(text: &str) -> Option<Told> {
    if !text.starts_with("[error] ") {
        return None;
    }
    let found = NGINX.captures(text)?;
    let is_sure = is_once(text, ", client: ");
    let from = if is_sure { address_in(&found, 2) } else { None };
    let user = group(&found, 1);
    Some(told(Seen {
        pair: Some(Pair::new(("web", from, user), 1)),
        ..failure("web", from, Some(user))
    }))
}

pub(super) fn apache_error(text: &str, clock: &Clock) -> Option<Told> {
    if !text.contains("] AH") {
        return None;
    }
    let found = APACHE.captures(text)?;
    let from = address_in(&found, 2);
    let user = group(&found, 3);
    Some(told(Seen {
        at: moment::apache(group(&found, 1), clock),
        pair: Some(Pair::new(("web", from, user), 1)),
        ..failure("web", from, Some(user))
    }))
}
