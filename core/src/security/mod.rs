//! Security: what the scans found is judged, weighed and told. Pure: data and the time in, data and words out.
//!
//! What flows through: what was read at the edge (chains of certificates, logs, sockets, configurations, …) becomes the contract's scans; scans and weights become a score
//! whose every point has its reason and a way to win it back; a report becomes a summary. What it never does: I/O of its own, read a
//! clock, keep a secret, or take what could not be read for clean. [`sweep`], [`access`] and [`images`] alone are `async`: they ask the ports in an orderly manner.

pub mod access;
pub mod authentication;
pub mod catalogue;
pub mod certificates;
pub mod cvss;
pub mod day;
pub mod images;
pub mod osv;
pub mod packages;
pub mod ports;
pub mod report;
pub mod risks;
pub mod rules;
pub mod score;
pub mod summary;
pub mod sweep;
pub mod versions;
pub mod watch;

mod names;
mod words;

pub use names::{
    ACCEPTED_PORTS, certificate_id, image_id, part_of, port_id, sign_in_id, source_name,
};

#[cfg(test)]
mod tests;
