//! What a server's answer, refusal or silence means.
//!
//! What flows through: what was heard of one server in, its health with the reason in words out. What it never does: any I/O.

use std::time::Duration;

use steward_api::Health;

use super::{
    probe::{Answer, Refusal},
    sql::Told,
};
use crate::redact::redact;

/// What a check came to.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) health: Health,
    pub(super) reason: String,
    pub(super) connected: Option<bool>,
    pub(super) address: String,
    pub(super) latency: Option<Duration>,
    pub(super) version: Option<String>,
    pub(super) used: Option<u64>,
    pub(super) allowed: Option<u64>,
    pub(super) percent: Option<f64>,
    /// What else could not be read.
    pub(super) unreadable: Option<String>,
}

/// Of a server whose container does not run nothing is known.
pub(super) fn not_running() -> Verdict {
    Verdict {
        reason: "its container does not run".to_owned(),
        ..Verdict::default()
    }
}

/// Nobody answered.
pub(super) fn silent(reason: String) -> Verdict {
    Verdict {
        health: Health::Unhealthy,
        reason,
        connected: Some(false),
        ..Verdict::default()
    }
}

/// What a probe says: whoever asks for a password is well.
pub(super) fn answered(answer: Answer) -> Verdict {
    let verdict = match &answer.refusal {
        None => Verdict {
            health: Health::Healthy,
            reason:
                "it answers; connections in use are known only where the configuration has its URL"
                    .to_owned(),
            connected: Some(true),
            ..Verdict::default()
        },
        Some(refusal) => refused(refusal, false),
    };
    Verdict {
        latency: Some(answer.latency),
        ..verdict
    }
}

/// A server that answers, but not with TLS as its URL wants it: like one that refuses the password.
pub(super) fn no_tls(answer: Answer, reason: &str) -> Verdict {
    let reason = format!("it answers, but TLS as its URL wants it failed: {reason}");
    Verdict {
        health: Health::Degraded,
        connected: Some(true),
        latency: Some(answer.latency),
        unreadable: Some(reason.clone()),
        reason,
        ..Verdict::default()
    }
}

/// What a server's refusal means. `invited`: it was asked with credentials that should be right. Codes: PostgreSQL documentation,
/// appendix A.
pub(super) fn refused(refusal: &Refusal, invited: bool) -> Verdict {
    let message = redact(&refusal.message);
    let verdict = |health, reason| Verdict {
        health,
        reason,
        connected: Some(true),
        ..Verdict::default()
    };
    match refusal.code.as_str() {
        "53300" => Verdict {
            // A limit of one user or database says nothing of the server's own.
            percent: (!message.contains("for role") && !message.contains("for database"))
                .then_some(100.0),
            ..verdict(
                Health::Degraded,
                format!("it is up, but takes no more connections: {message}"),
            )
        },
        "57P03" => verdict(Health::Degraded, message),
        code if !invited && (code.starts_with("28") || code == "3D000") => verdict(
            Health::Healthy,
            "it answers; connections in use are known only where the configuration has its URL"
                .to_owned(),
        ),
        "28P01" => verdict(Health::Degraded, "the password was refused".to_owned()),
        code if code.starts_with("28") => verdict(
            Health::Degraded,
            format!("these credentials were refused: {message}"),
        ),
        _ => verdict(
            Health::Degraded,
            format!("it answers with an error: {message}"),
        ),
    }
}

#[allow(clippy::cast_precision_loss, reason = "nobody has 2^53 connections")]
fn percent(used: u64, allowed: u64) -> f64 {
    if allowed == 0 {
        100.0
    } else {
        used as f64 / allowed as f64 * 100.0
    }
}

impl From<Told> for Verdict {
    fn from(told: Told) -> Self {
        let well = Self {
            health: Health::Healthy,
            connected: Some(true),
            latency: Some(told.latency),
            ..Self::default()
        };
        match told.state {
            Ok(state) => Self {
                reason: format!("{} of {} connections in use", state.used, state.allowed),
                version: Some(state.version),
                percent: Some(percent(state.used, state.allowed)),
                used: Some(state.used),
                allowed: Some(state.allowed),
                ..well
            },
            Err(error) => Self {
                reason: "it answers; its connections can't be read".to_owned(),
                unreadable: Some(format!("its connections can't be read: {error}")),
                ..well
            },
        }
    }
}
