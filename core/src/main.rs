//! The `steward` binary: parse, wire, run.
fn main() {}
