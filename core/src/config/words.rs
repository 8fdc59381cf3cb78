//! The words of which some settings are one. Plain lists; those that the contract has are taken from it.

use steward_api::{ActionName, Autonomy, Problem, SPECIALIST_TOOLS};

pub(super) fn autonomies() -> Vec<&'static str> {
    Autonomy::ALL.iter().map(|level| level.as_str()).collect()
}

pub(super) fn actions() -> Vec<&'static str> {
    ActionName::ALL.iter().map(|name| name.as_str()).collect()
}

pub(super) fn problems() -> Vec<&'static str> {
    Problem::ALL
        .iter()
        .map(|problem| problem.as_str())
        .collect()
}

pub(super) fn days() -> Vec<&'static str> {
    vec![
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ]
}

pub(super) fn risks() -> Vec<&'static str> {
    vec!["low", "medium", "high"]
}

pub(super) fn tls_modes() -> Vec<&'static str> {
    vec!["off", "generated", "files"]
}

pub(super) fn tools() -> Vec<&'static str> {
    SPECIALIST_TOOLS.to_vec()
}

pub(super) fn occasions() -> Vec<&'static str> {
    vec!["on_request", "unsure", "always"]
}

pub(super) fn classes() -> Vec<&'static str> {
    vec!["local", "cloud"]
}

pub(super) fn log_formats() -> Vec<&'static str> {
    vec!["text", "json"]
}
