//! Security: what is vulnerable, open, over or badly configured, judged from what others have read.
//!
//! What flows through: files, records and states as plain data in, the contract's results out. What it never does: any I/O, read a
//! clock, or keep a secret.

pub mod cvss;
pub mod osv;
pub mod packages;
pub mod versions;
