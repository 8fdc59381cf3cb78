//! OpenSSH's and Dropbear's servers.
//!
//! What flows through: the message of a line; an attempt comes out. OpenSSH writes the name that was sent, up to 100 characters and with
//! control characters escaped, before the address; nothing of a stranger's choice follows it, so every form is anchored at its end.

use std::sync::LazyLock;

use regex::Regex;

use super::{Pair, Seen, Told, address_in, failure, group, pattern, told};

/// OpenSSH's auth.c, `auth_log`: `Failed password for invalid user x from 192.0.2.1 port 2222 ssh2`.
static FAILED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^Failed (password|keyboard-interactive(?:/[^ ]+)?|gssapi[^ ]*|hostbased) for (invalid user )?(.*) from ([^ ]+) port ([0-9]{1,5})(?: ssh2)?$",
    )
});
/// The same for success; the account exists, so its name has no blanks, and what follows `ssh2` is the key.
static ACCEPTED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^Accepted ([^ ]+) for ([^ ]+) from ([^ ]+) port ([0-9]{1,5}) ssh2(?:: |$)")
});
/// OpenSSH's auth.c, `getpwnamallow`; without a port before 7.4, which is then told by the failure that follows as well.
static INVALID: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:Invalid|Illegal) user (.*) from ([^ ]+) port ([0-9]{1,5})$"));
/// OpenSSH's packet.c, `sshpkt_vfatal`: all that a server without passwords tells of who did not get in.
static CLOSED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:Connection (?:closed|reset) by|Disconnected from|Disconnecting) (invalid|authenticating) user (.*) ([^ ]+) port ([0-9]{1,5})(?:: .*)? \[preauth\]$",
    )
});
/// Dropbear's svr-authpasswd.c: `Bad password attempt for 'x' from 192.0.2.1:2222`.
static DROPBEAR: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:\[[0-9]+\] )?(?:[0-9A-Za-z_]{3} [0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9] )?(?:Bad (?:PAM )?password attempt for '(.*)' from ([^ ]+)|Login attempt for nonexistent user from ([^ ]+))$",
    )
});
/// Dropbear's svr-auth.c.
static DROPBEAR_IN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:\[[0-9]+\] )?(?:[0-9A-Za-z_]{3} [0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9] )?(?:Password|PAM password|Pubkey) auth succeeded for '([^ ]+)' (?:with [^ ]+ key [^ ]+ )?from ([^ ]+)$",
    )
});

/// What else OpenSSH tells of signing in, with what the lines above tell already: `PAM: …` and `pam_unix(sshd:…)` tell a failure again,
/// `Failed publickey` and `Failed none` are a client that tries what it has.
const KNOWN: [&str; 12] = [
    "Failed publickey for ",
    "Failed none for ",
    "Connection ",
    "Disconnect",
    "Received disconnect from ",
    "error: maximum authentication attempts exceeded for ",
    "error: PAM: ",
    "PAM ",
    "pam_",
    "Postponed ",
    "User ",
    "Starting session: ",
];

pub(super) fn read(text: &str) -> Option<Told> {
    if text.starts_with("Failed ")
        && let Some(found) = FAILED.captures(text)
    {
        // Of a name that exists, too, several may be tried within one connection.
        let pair = Pair::new(("ssh", group(&found, 4), group(&found, 5)), 2);
        return Some(told(Seen {
            pair: Some(pair),
            ..failure("sshd", address_in(&found, 4), Some(group(&found, 3)))
        }));
    }
    if let Some(found) = INVALID.captures(text) {
        let pair = Pair::new(("ssh", group(&found, 2), group(&found, 3)), 0);
        return Some(told(Seen {
            pair: Some(pair),
            ..failure("sshd", address_in(&found, 2), Some(group(&found, 1)))
        }));
    }
    if text.ends_with("[preauth]")
        && let Some(found) = CLOSED.captures(text)
    {
        let pair = Pair::new(("ssh", group(&found, 3), group(&found, 4)), 1);
        return Some(told(Seen {
            pair: Some(pair),
            ..failure("sshd", address_in(&found, 3), Some(group(&found, 2)))
        }));
    }
    if let Some(found) = ACCEPTED.captures(text) {
        return Some(told(Seen {
            success: true,
            ..failure("sshd", address_in(&found, 3), Some(group(&found, 2)))
        }));
    }
    KNOWN
        .iter()
        .any(|known| text.starts_with(known))
        .then_some(Told::Nothing)
}

pub(super) fn dropbear(text: &str) -> Option<Told> {
    if let Some(found) = DROPBEAR.captures(text) {
        let at = if found.get(2).is_some() { 2 } else { 3 };
        return Some(told(failure(
            "dropbear",
            address_in(&found, at),
            Some(group(&found, 1)),
        )));
    }
    let found = DROPBEAR_IN.captures(text)?;
    Some(told(Seen {
        success: true,
        ..failure("dropbear", address_in(&found, 2), Some(group(&found, 1)))
    }))
}
