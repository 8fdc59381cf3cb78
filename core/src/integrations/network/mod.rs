//! The network as seen from the node: whether names can be resolved and whether the outside can be reached.
//!
//! What flows through: answers to a few DNS questions and TCP connections to a few well-known places come out as one
//! [`Observation`](crate::ports::Observation). What it never does: change anything, answer from a cache, or send data to the places it
//! connects to.

pub(crate) mod observe;

pub mod rules;

pub use observe::NetworkSource;

#[cfg(test)]
mod tests;
