//! HTTP endpoints, those of the configuration and those that containers name in their `steward.health_url` label.
//!
//! What flows through: requests to the endpoints, side by side; each one's status, latency or reason of failure comes out as one
//! [`Observation`](crate::ports::Observation). What it never does: read an answer's
//! body, send anything but a plain GET, follow a chain of redirects for ever, or show the user, password or query of an address.

pub(crate) mod observe;
mod words;

pub mod rules;

pub use observe::{HttpSource, Target, Targets};

#[cfg(test)]
mod tests;
