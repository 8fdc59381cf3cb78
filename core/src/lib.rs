//! Steward's engine: it watches, explains, heals what is safe and asks for the rest.
//!
//! The flow, in one sentence: *sources* are **observed** into a snapshot, rules **detect** findings in it, findings are **correlated**
//! into incidents, incidents are **diagnosed**, policy and guards **decide**, plans are **acted** out and verified, outcomes are
//! **learned** from; each step is journaled and published.
//!
//! Invariants: what decides does no I/O and reads no clock; nothing is done that was not journaled first; nothing counts as done that
//! was not verified; unknown is never healthy; a failed read is never an empty list.

pub mod advisor;
pub mod cli;
pub mod client;
pub mod config;
pub mod engine;
pub mod flow;
pub mod integrations;
pub mod mcp;
pub mod ports;
pub mod redact;
pub mod security;
pub mod server;
pub mod store;
pub mod wire;
