//! Scans of security outside of any engine: the same parts as an agent's, for a command that looks once.
//!
//! What flows through: a configuration and what to look at in, what was found out. What it never does: keep or journal anything, or take
//! an engine that does not answer for one without containers.

use std::sync::Arc;

use jiff::SignedDuration;

use super::SystemClock;
use crate::{
    config::Config,
    integrations::{docker, tls},
    ports::{Clock as _, Depth, Source as _},
    security::sweep::{PublishedPort, Sweep, Swept, published, sweep},
};

/// Looks at certificates now. One that ends within `warn_before` counts as ending soon.
pub async fn scan_certificates(what: &Sweep, warn_before: SignedDuration) -> Swept {
    let reader = tls::TlsProbe::default();
    sweep(&reader, what, SystemClock.now(), warn_before).await
}

/// The TCP ports that the containers of the configured engine publish.
///
/// # Errors
/// Where the engine does not answer; in words.
pub async fn published_ports(config: &Config) -> Result<Vec<PublishedPort>, String> {
    let engine = docker::connect(&config.docker, &config.node.name, Arc::new(SystemClock))
        .map_err(|error| error.to_string())?;
    let observed = tokio::time::timeout(engine.timeout(), engine.observe(Depth::Cycle))
        .await
        .map_err(|_| {
            format!(
                "the container engine did not answer within {} s",
                engine.timeout().as_secs()
            )
        })?
        .map_err(|error| error.to_string())?;
    Ok(published(&observed.resources, &config.docker))
}
