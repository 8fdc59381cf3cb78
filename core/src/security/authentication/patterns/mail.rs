//! Mail servers: Dovecot and Postfix.
//!
//! What flows through: the message of a line; an attempt comes out. Postfix puts the address before everything else; Dovecot puts the name
//! before it, so the last `rip=` counts.

use std::sync::LazyLock;

use regex::Regex;

use super::{Seen, Told, address_in, failure, group, pattern, told};

/// Dovecot's login-common/client-common.c with the default `login_log_format_elements` (doc.dovecot.org, core settings):
/// `imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<x>, method=PLAIN, rip=192.0.2.1, lip=…`.
static DOVECOT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:dovecot: )?(?:imap|pop3|submission|managesieve)-login: (?:Info: )?(?:[^(]*)\(auth failed, ([0-9]{1,5}) attempts[^)]*\)[^:]*: user=<(.*)>, (?:method=[^ ]+, )?rip=([^ ,]+), lip=[^<>]*(?:<[^<>]*>)?$",
    )
});
/// The same file, for success: `imap-login: Login: user=<x>, method=PLAIN, rip=…`; `Logged in:` since 2.4.
static DOVECOT_IN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:dovecot: )?(?:imap|pop3|submission|managesieve)-login: (?:Info: )?(?:Login|Logged in): user=<([^<> ]+)>, method=[^ ]+, rip=([^ ,]+), lip=",
    )
});
/// Postfix' src/smtpd/smtpd_sasl_glue.c: `warning: host[192.0.2.1]: SASL LOGIN authentication failed: …`.
static POSTFIX: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:postfix/[^ ]+: )?warning: [^ \[]+\[([0-9a-fA-F.:]+)\](?::[0-9]+)?: SASL [^ ]+ authentication failed: ?(.*)$",
    )
});
/// The same file: the name is the last thing on the line, where it is told (since 3.6).
static SASL_USER: LazyLock<Regex> = LazyLock::new(|| pattern(r", sasl_username=(.*)$"));
/// Postfix' src/smtpd/smtpd_check.c and smtpd.c: `client=host[192.0.2.1], sasl_method=PLAIN, sasl_username=x`.
static POSTFIX_IN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^[0-9A-Za-z]+: client=[^ \[]+\[([0-9a-fA-F.:]+)\](?::[0-9]+)?, sasl_method=[^ ]+, sasl_username=([^ ]+)",
    )
});

pub(super) fn dovecot(text: &str) -> Option<Told> {
    if !text.contains("-login: ") {
        return None;
    }
    if let Some(found) = DOVECOT.captures(text) {
        return Some(told(Seen {
            times: group(&found, 1).parse().unwrap_or(1),
            ..failure("dovecot", address_in(&found, 3), Some(group(&found, 2)))
        }));
    }
    if let Some(found) = DOVECOT_IN.captures(text) {
        return Some(told(Seen {
            success: true,
            ..failure("dovecot", address_in(&found, 2), Some(group(&found, 1)))
        }));
    }
    Some(Told::Nothing)
}

pub(super) fn postfix(text: &str) -> Option<Told> {
    if text.contains("SASL ")
        && let Some(found) = POSTFIX.captures(text)
    {
        // The server's own fault: nobody's password was judged.
        if group(&found, 2).starts_with("Connection lost to authentication server") {
            return Some(Told::Nothing);
        }
        let user = SASL_USER.captures(group(&found, 2));
        let user = user.as_ref().map(|user| group(user, 1));
        return Some(told(failure("postfix", address_in(&found, 1), user)));
    }
    let found = POSTFIX_IN.captures(text)?;
    Some(told(Seen {
        success: true,
        ..failure("postfix", address_in(&found, 1), Some(group(&found, 2)))
    }))
}
