//! What programs write of attempts to sign in: one file for each kind of program, each form with where it is from.
//!
//! What flows through: the text of a line, with the program that wrote it where that is known; what it tells of an attempt comes out. What
//! it never does: believe a text that whoever tried has chosen. Names are written into these lines as they were sent, so an address is
//! taken only from where the program itself puts it: before the name, or after the last thing that could be the name. Where both could be
//! true there is no address, and the attempt counts all the same.

mod applications;
mod custom;
mod databases;
mod json;
mod mail;
mod ssh;
mod system;
mod web;

use core::net::IpAddr;
use std::hash::{DefaultHasher, Hasher as _};

use jiff::Timestamp;
use regex::{Captures, Regex};

pub use custom::{Custom, CustomError};

use super::{address::address, carrier::Line, moment::Clock};

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// An attempt.
    Attempt(Box<Seen>),
    /// Something of signing in that is no attempt by itself, or that another line tells as well.
    Nothing,
}

/// An attempt as a line tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// When, where the line itself tells it better than what carries it.
    pub(super) at: Option<Timestamp>,
    /// From where.
    pub(super) address: Option<IpAddr>,
    /// As whom. Whoever tried chose it.
    pub(super) user: Option<String>,
    /// At what.
    pub(super) service: String,
    /// Whether it succeeded.
    pub(super) success: bool,
    /// How many attempts the line stands for.
    pub(super) times: u32,
    /// Where several lines tell of the same attempt.
    pub(super) pair: Option<Pair>,
}

/// Several lines of one program tell of the same attempts: of those with one key the kind that was seen most often counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The same for lines that belong together.
    pub key: u64,
    /// Which kind of line, 0 to 2.
    pub kind: u8,
}

impl Pair {
    fn new(parts: impl core::hash::Hash, kind: u8) -> Self {
        let mut hasher = DefaultHasher::new();
        parts.hash(&mut hasher);
        Self {
            key: hasher.finish(),
            kind,
        }
    }
}

/// A failure at a service.
fn failure(service: &str, address: Option<IpAddr>, user: Option<&str>) -> Seen {
    Seen {
        at: None,
        address,
        user: user.filter(|user| !user.is_empty()).map(str::to_owned),
        service: service.to_owned(),
        success: false,
        times: 1,
        pair: None,
    }
}

fn told(seen: Seen) -> Told {
    Told::Attempt(Box::new(seen))
}

/// A pattern of the source. They name ASCII classes: the many ranges of Unicode's make each line several times as dear.
#[allow(
    clippy::expect_used,
    reason = "the patterns are constants, compiled by the tests of the files that hold them"
)]
pub(super) fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern compiles")
}

fn group<'t>(found: &Captures<'t>, at: usize) -> &'t str {
    found.get(at).map_or("", |part| part.as_str())
}

/// The address in a group, where it is one.
fn address_in(found: &Captures<'_>, at: usize) -> Option<IpAddr> {
    address(group(found, at))
}

/// How often a text stands in another, overlaps included only once.
fn is_once(text: &str, part: &str) -> bool {
    text.matches(part).take(2).count() == 1
}

/// What a line tells, and by which form; nothing where no form fits.
pub(super) fn read(line: &Line<'_>, customs: &[Custom], clock: &Clock) -> Option<(String, Told)> {
    for custom in customs {
        if let Some(seen) = custom.read(&line.text) {
            return Some((custom.name().to_owned(), told(seen)));
        }
    }
    if let Some(value) = &line.json {
        return json::read(value).map(named);
    }
    let text = line.text.as_ref();
    let found = match line.program.as_deref() {
        Some(program) => of_program(program, text, clock),
        None => None
            .or_else(|| {
                line.may_be_ssh
                    .then(|| ssh::read(text).map(|told| ("sshd", told)))
                    .flatten()
            })
            .or_else(|| of_any(text, clock)),
    };
    found.map(named)
}

fn named((form, told): (&'static str, Told)) -> (String, Told) {
    (form.to_owned(), told)
}

/// A line of the system's log: only the forms of the program that wrote it, so that one program can't speak for another.
fn of_program(program: &str, text: &str, clock: &Clock) -> Option<(&'static str, Told)> {
    // Postfix writes `postfix/smtpd`, sshd since 9.8 `sshd-session` (its release notes).
    let name = program.rsplit('/').next().unwrap_or(program);
    match name {
        "sshd" | "sshd-session" | "sshd-auth" => ssh::read(text).map(|told| ("sshd", told)),
        "dropbear" => ssh::dropbear(text).map(|told| ("dropbear", told)),
        "sudo" => system::sudo(text).map(|told| ("sudo", told)),
        "su" => system::su(text).map(|told| ("su", told)),
        "pvedaemon" | "pveproxy" | "proxmox-backup-proxy" | "proxmox-backup-api" => {
            system::proxmox(text).map(|told| ("proxmox", told))
        }
        "dovecot" | "auth" => mail::dovecot(text).map(|told| ("dovecot", told)),
        _ if program.starts_with("postfix") => mail::postfix(text).map(|told| ("postfix", told)),
        _ => system::pam(text)
            .map(|told| ("pam", told))
            .or_else(|| of_any(text, clock)),
    }
}

/// A line of a program that is not known by name: the forms that name their program themselves.
fn of_any(text: &str, clock: &Clock) -> Option<(&'static str, Told)> {
    None.or_else(|| web::access(text).map(|told| ("web access log", told)))
        .or_else(|| web::nginx_error(text).map(|told| ("nginx error log", told)))
        .or_else(|| web::apache_error(text, clock).map(|told| ("apache error log", told)))
        .or_else(|| applications::home_assistant(text).map(|told| ("home assistant", told)))
        .or_else(|| applications::vaultwarden(text).map(|told| ("vaultwarden", told)))
        .or_else(|| applications::gitea(text).map(|told| ("gitea", told)))
        .or_else(|| applications::jellyfin(text).map(|told| ("jellyfin", told)))
        .or_else(|| applications::grafana(text).map(|told| ("grafana", told)))
        .or_else(|| databases::postgres(text).map(|told| ("postgresql", told)))
        .or_else(|| databases::mariadb(text).map(|told| ("mariadb", told)))
        .or_else(|| mail::dovecot(text).map(|told| ("dovecot", told)))
        .or_else(|| mail::postfix(text).map(|told| ("postfix", told)))
}

#[cfg(test)]
mod tests;
