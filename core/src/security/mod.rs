//! Security: what the scans found is judged, weighed and told. Pure: data and the time in, data and words out.
//!
//! What flows through: what was read at the edge (chains of certificates, …) becomes the contract's scans; scans and weights become a score
//! whose every point has its reason and a way to win it back; a report becomes a summary. What it never does: I/O of its own, read a
//! clock, or take what could not be read for clean. [`sweep`] alone is `async`: it asks the ports in an orderly manner.

pub mod certificates;
pub mod score;
pub mod summary;
pub mod sweep;

mod words;

#[cfg(test)]
mod tests;
