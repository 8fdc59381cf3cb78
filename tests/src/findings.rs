//! Things for a security scan to find: a certificate that ends on a day, a log of sshd with so many failures, ports that were learned long ago.
//!
//! What flows through: what a test wants found in, files' contents out. What it never does: touch anything of the machine's own.

use std::{fmt::Write as _, path::Path};

use anyhow::Result;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use sqlx::{Connection as _, SqliteConnection};

/// A certificate in PEM for a name that ends in so many days, or ended so many ago.
///
/// # Errors
/// Where it can't be made.
pub fn certificate(name: &str, days: i64) -> Result<String> {
    let key = rcgen::KeyPair::generate()?;
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()])?;
    let end = Timestamp::now().checked_add(SignedDuration::from_hours(24 * days))?;
    let end = end.to_zoned(TimeZone::UTC).date();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(
        end.year().into(),
        u8::try_from(end.month())?,
        u8::try_from(end.day())?,
    );
    Ok(params.self_signed(&key)?.pem())
}

/// Lines of sshd's log: so many failures of an address for root, one a second, the first so long ago.
///
/// # Errors
/// Where the time is out of range.
pub fn failures(count: u32, address: &str, ago: SignedDuration) -> Result<String> {
    let begin = Timestamp::now().checked_sub(ago)?;
    let mut log = String::new();
    for number in 0..count {
        let at = begin.checked_add(SignedDuration::from_secs(i64::from(number)))?;
        writeln!(
            log,
            "{} atlas sshd[{number}]: Failed password for root from {address} port {} ssh2",
            at.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00"),
            1024 + number
        )?;
    }
    Ok(log)
}

/// Sets back when ports were first looked at in an agent's database, as if that were days ago: what opens from now on was not learned. The
/// agent must not run meanwhile.
///
/// # Errors
/// Where the database can't be changed, or ports were never looked at.
pub async fn learned_long_ago(database: &Path) -> Result<()> {
    let url = format!("sqlite://{}", database.display());
    let mut connection = SqliteConnection::connect(&url).await?;
    let doc: String =
        sqlx::query_scalar("SELECT doc FROM kept_documents WHERE name = 'security/ports'")
            .fetch_one(&mut connection)
            .await?;
    let mut memory: serde_json::Value = serde_json::from_str(&doc)?;
    let long_ago = Timestamp::now().checked_sub(SignedDuration::from_hours(48))?;
    memory["begun_at"] = long_ago.to_string().into();
    for pair in memory["first_seen"].as_array_mut().into_iter().flatten() {
        pair[1] = long_ago.to_string().into();
    }
    sqlx::query("UPDATE kept_documents SET doc = $1 WHERE name = 'security/ports'")
        .bind(memory.to_string())
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}
