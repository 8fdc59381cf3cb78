//! The flow, in the order in which data passes through it.
//!
//! *observe* (readings and signals → the world) → *detect* (world + history → findings) → *correlate* (findings + graph → incidents) →
//! *diagnose* (catalogue) → *decide* (policy and guards → decision and plan) → *act* (plan → outcome) → *learn* (outcome → record).
//!
//! All but `act` are pure: no I/O, no clock, no `async`; the time is an input. `act` talks to the world only through the ports.

pub mod act;
pub mod correlate;
pub mod decide;
pub mod detect;
pub mod diagnose;
pub mod graph;
pub mod learn;
pub mod observe;
pub mod outages;
pub mod tasks;

#[cfg(test)]
mod scenarios;
