//! Security: what logs, sockets and configurations tell of who could come in, and who tried.
//!
//! What flows through: plain data that the edges read in; findings of the contract out. What judges is
//! pure: no I/O, no clock; only `access` waits for the edges. What it never does: keep a
//! secret, or take a text that strangers write for anything but text.

pub mod access;
pub mod authentication;
pub mod ports;
pub mod risks;
