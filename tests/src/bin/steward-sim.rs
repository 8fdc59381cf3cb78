//! The simulated engine's own process; see `steward_tests::sim`.

fn main() -> anyhow::Result<()> {
    let (engine, control, count) = steward_tests::sim::arguments(std::env::args_os().skip(1))?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(steward_tests::sim::serve(&engine, &control, count))
}
