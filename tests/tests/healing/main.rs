//! Healing from end to end: the real `steward` binary on a real Docker engine.
//!
//! What flows through: containers that fail as they do in life. Each scenario holds two things against what should be: the world (what runs,
//! what was restarted and how often, by the engine's own event stream) and the record (incident, decision, task, journal). What it never
//! does: believe the agent about the world.

mod common;
mod dependencies;
mod diagnosis;
mod ends;
mod guards;
mod loops;
mod memory;
mod odd;
mod policy;
