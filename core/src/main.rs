//! The `steward` binary: parse, wire, run. All of it stands in the library, where it can be tested.

use std::process::ExitCode;

fn main() -> ExitCode {
    steward::cli::main()
}
