//! What the system itself tells: sudo, su, PAM's modules, Proxmox.
//!
//! What flows through: the message of a line; an attempt comes out. Who has an account here wrote the name; who came over the network may
//! have written both `ruser` and `user` of a PAM line, so that a line with two of anything tells no address.

use std::sync::LazyLock;

use regex::Regex;

use super::{Seen, Told, address_in, failure, group, is_once, pattern, told};
use crate::security::authentication::address::address;

/// sudo's lib/eventlog and plugins/sudoers/logging.c: `alice : 3 incorrect password attempts ; TTY=pts/0 ; …`.
static SUDO: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^ *([^ ]+) : (?:([0-9]{1,3}) incorrect password attempts?|(user NOT in sudoers|command not allowed|a password is required)) ; ",
    )
});
/// util-linux' login-utils/su-common.c: `FAILED SU (to root) alice on pts/0`.
static SU: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(FAILED SU )?\(to ([^ ]+)\) ([^ ]+) on [^ ]+$"));
/// shadow's src/su.c: `FAILED su for root by alice`.
static SHADOW_SU: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(FAILED|Successful) su for ([^ ]+) by ([^ ]+)$"));
/// Linux-PAM's modules/pam_unix/support.c: `pam_unix(login:auth): authentication failure; logname=… uid=0 … rhost=…  user=root`.
static PAM: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^pam_[0-9A-Za-z_]+\(([0-9A-Za-z_.-]+):auth\): authentication failure; logname=.* uid=[0-9]+ euid=[0-9]+ tty=[^ ]* ruser=(.*) rhost=([^ ]*)(?:  user=(.*))?$",
    )
});
/// Proxmox' PVE/API2/AccessControl.pm: `authentication failure; rhost=::ffff:192.0.2.1 user=root@pam msg=…`; the address comes first.
static PROXMOX: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^authentication failure; rhost=([^ ]+) user=(.*?) msg="));
/// The same file: `<root@pam> successful auth for user 'root@pam'`, which tells no address.
static PROXMOX_IN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^<([^<> ]+)> successful auth for user '([^' ]+)'$"));

pub(super) fn sudo(text: &str) -> Option<Told> {
    if let Some(found) = SUDO.captures(text) {
        let refused_without_asking = group(&found, 3) == "a password is required";
        // `sudo -n` in a script asks whether it may without a password, which is no attempt.
        if refused_without_asking {
            return Some(Told::Nothing);
        }
        return Some(told(Seen {
            times: group(&found, 2).parse().unwrap_or(1),
            ..failure("sudo", None, Some(group(&found, 1)))
        }));
    }
    let is_known = text.starts_with("pam_") || text.contains(" ; COMMAND=");
    is_known.then_some(Told::Nothing)
}

pub(super) fn su(text: &str) -> Option<Told> {
    if let Some(found) = SU.captures(text) {
        return Some(told(Seen {
            success: found.get(1).is_none(),
            ..failure("su", None, Some(group(&found, 2)))
        }));
    }
    if let Some(found) = SHADOW_SU.captures(text) {
        return Some(told(Seen {
            success: group(&found, 1) == "Successful",
            ..failure("su", None, Some(group(&found, 2)))
        }));
    }
    text.starts_with("pam_").then_some(Told::Nothing)
}

/// Of any other program that asks PAM.
pub(super) fn pam(text: &str) -> Option<Told> {
    if !text.starts_with("pam_") {
        return None;
    }
    let Some(found) = PAM.captures(text) else {
        return Some(Told::Nothing);
    };
    let service = group(&found, 1);
    // These tell of it themselves.
    if matches!(service, "sshd" | "sudo" | "su" | "su-l" | "dovecot") {
        return Some(Told::Nothing);
    }
    let is_sure = is_once(text, "rhost=") && is_once(text, "ruser=");
    let from = if is_sure {
        address(group(&found, 3))
    } else {
        None
    };
    let user = match group(&found, 4) {
        "" => group(&found, 2),
        user => user,
    };
    Some(told(failure(service, from, Some(user))))
}

pub(super) fn proxmox(text: &str) -> Option<Told> {
    if let Some(found) = PROXMOX.captures(text) {
        return Some(told(failure(
            "proxmox",
            address_in(&found, 1),
            Some(group(&found, 2)),
        )));
    }
    if let Some(found) = PROXMOX_IN.captures(text) {
        return Some(told(Seen {
            success: true,
            ..failure("proxmox", None, Some(group(&found, 2)))
        }));
    }
    text.starts_with("pam_").then_some(Told::Nothing)
}
