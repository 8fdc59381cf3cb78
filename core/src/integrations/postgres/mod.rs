//! PostgreSQL servers: those that the configuration names by URL, and those found among the containers.
//!
//! What flows through: with a URL, one short connection tells latency, version and connections in use; a container that looks like a
//! PostgreSQL server is confirmed by the first words of the protocol, which need no credentials. Both come out as one
//! [`Observation`](crate::ports::Observation). What it never does: keep a connection, change anything in a database, guess a password, or
//! let one be seen.

mod judge;
pub(crate) mod observe;
mod probe;
mod sql;

pub mod rules;

pub use observe::{Candidate, Candidates, PostgresSource};

#[cfg(test)]
mod test_server;
#[cfg(test)]
mod tests;
