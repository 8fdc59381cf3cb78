//! Measures what DESIGN promises and prints the table; see `steward_tests::bench`. Called by `cargo xtask bench`.

use steward_tests::bench::{Extent, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let quick = std::env::args().any(|word| word == "--quick");
    let extent = if quick { Extent::QUICK } else { Extent::FULL };
    // On Ctrl-C what is being measured is dropped, and with it everything that it made.
    tokio::select! {
        measured = run(extent) => measured,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("stopped; what was made is removed"),
    }
}
