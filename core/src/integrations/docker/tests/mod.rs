//! The integration against a real engine, a private one where something is removed, and a false one for bad days. Where no engine can
//! be had, a test says SKIPPED and why.

mod actions;
mod anew;
mod bad_days;
mod live_limits;
mod private_daemon;
mod reading;
mod registry;
mod support;
