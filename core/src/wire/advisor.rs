//! Puts the Advisor together: its salt, the accounts whose names must not leave, what was spent today.

use std::{
    collections::BTreeSet, fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path,
    sync::Arc, time::Duration,
};

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    advisor,
    config::Config,
    engine::ViewReceiver,
    ports::{Archive, Clock, FinishedCall},
};

/// The file of the salt, in the data directory.
const SALT: &str = "advisor.salt";
/// When it is looked for the first time.
const FIRST_LOOK_AFTER: Duration = Duration::from_secs(5);
/// How often it is looked whether a model has come to this machine.
const LOOK_EVERY: Duration = Duration::from_secs(5 * 60);
/// Accounts of people begin at this number (Debian's `adduser.conf`, FIRST_UID).
const FIRST_PERSON: u32 = 1000;

/// Builds the Advisor of a configuration, and has it look for models on this machine until the end.
pub(super) async fn advisor(
    config: &Config,
    clock: Arc<dyn Clock>,
    archive: &dyn Archive,
    calls: mpsc::UnboundedSender<FinishedCall>,
    view: ViewReceiver,
    stopping: CancellationToken,
) -> anyhow::Result<Arc<advisor::Advisor>> {
    let midnight = clock
        .now()
        .to_zoned(TimeZone::system())
        .start_of_day()
        .context("this day has no beginning")?;
    let spent = archive
        .spent_since(&config.node.name, midnight.timestamp())
        .await;
    // Models are not worth a house that nobody looks after: without the sum nothing more is spent today.
    let spent_today_micro_usd = spent.unwrap_or_else(|error| {
        tracing::warn!(error = %error, "what was spent on models today can't be told, so no more is spent");
        u64::MAX / 2
    });
    let parts = advisor::Parts {
        clock,
        calls,
        spent_today_micro_usd,
        salt: salt(&config.data_dir)?,
        users: people(),
    };
    let advisor = advisor::Advisor::new(parts, config)
        .map_err(|error| anyhow::anyhow!("no HTTP requests can be made: {error}"))?;
    let looking = Arc::clone(&advisor);
    tokio::spawn(async move {
        // What runs in containers is known with the first reading.
        let mut wait = FIRST_LOOK_AFTER;
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            looking.look_around(&published(&view)).await;
            wait = LOOK_EVERY;
        }
    });
    Ok(advisor)
}

/// Ports of this machine behind which a container is.
fn published(view: &ViewReceiver) -> BTreeSet<u16> {
    view.borrow()
        .resources
        .values()
        .filter_map(|resource| resource.container())
        .flat_map(|facts| facts.ports.iter().filter_map(|port| port.published))
        .collect()
}

/// What makes stand-ins that only this house can read. Made once.
fn salt(dir: &Path) -> anyhow::Result<Vec<u8>> {
    let path = dir.join(SALT);
    let cannot = || format!("can't read or make {}", path.display());
    match fs::read(&path) {
        Ok(salt) if salt.len() >= 16 => return Ok(salt),
        // Cut off by a full disk: stand-ins of before can't be read anyway.
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(cannot),
    }
    let salt: [u8; 32] = rand::random();
    let mut file = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .with_context(cannot)?;
    file.write_all(&salt).with_context(cannot)?;
    Ok(salt.to_vec())
}

/// Names of people's accounts on this machine. Where they can't be read, names are known by their shape alone.
pub(super) fn people() -> BTreeSet<String> {
    fs::read_to_string("/etc/passwd")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let number: u32 = fields.nth(1)?.parse().ok()?;
            (number >= FIRST_PERSON && name != "nobody").then(|| name.to_owned())
        })
        .collect()
}
