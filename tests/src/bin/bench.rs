//! Measures what DESIGN promises and prints the table; see `steward_tests::bench`. Called by `cargo xtask bench`.

use steward_tests::bench::{Extent, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let quick = words.iter().any(|word| word == "--quick");
    let only = words.iter().find_map(|word| word.strip_prefix("--only="));
    let extent = if quick { Extent::QUICK } else { Extent::FULL };
    // On Ctrl-C what is being measured is dropped, and with it everything that it made.
    tokio::select! {
        measured = run(extent, only) => measured,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("stopped; what was made is removed"),
    }
}
