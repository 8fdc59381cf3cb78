//! Bad days on a real engine: the agent killed at any instant, Docker gone, the disk full, the database gone, a configuration that is wrong.
//!
//! What is asserted each time: the world (what runs, how often it was restarted by Docker's own count), and the record (nothing lost,
//! nothing claimed that was not so, the chain whole).

mod account;
mod config;
mod docker_away;
mod killed;
mod store_away;
