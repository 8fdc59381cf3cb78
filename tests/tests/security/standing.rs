//! Steward holds itself to what it asks of others.

use anyhow::{Result, ensure};
use sqlx::{Connection as _, SqliteConnection};
use steward_api::{ConfigurationRiskKind, Event, GetSecurity, Nothing, SecurityDay};
use steward_tests::{agent::Agent, lab_or_skip, wait::until};

use crate::scan::{SOON, agent, scanned};

#[tokio::test(flavor = "multi_thread")]
async fn stewards_own_files_and_place_are_in_the_scan() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let lab = lab_or_skip!("own");
    let agent = agent(&lab, &["configuration", "ports"]).start().await?;
    let report = scanned(&agent).await?;
    let is_told = |report: &steward_api::SecurityReport| {
        report.risks.iter().any(|risk| {
            risk.kind == ConfigurationRiskKind::StewardFiles
                && risk.what.contains("can be written by others")
        })
    };
    ensure!(!is_told(&report), "{:?}", report.risks);
    let url = agent.url().to_owned();
    let port: u16 = url.rsplit(':').next().unwrap_or_default().parse()?;
    ensure!(
        report
            .ports
            .iter()
            .any(|one| one.port == port && !one.is_exposed),
        "{:?}",
        report.ports
    );
    std::fs::set_permissions(agent.data_dir(), std::fs::Permissions::from_mode(0o777))?;
    let report = scanned(&agent).await?;
    ensure!(is_told(&report), "{:?}", report.risks);
    Ok(())
}

/// The daily summaries in the journal.
async fn days(agent: &Agent) -> Result<Vec<SecurityDay>> {
    let journal = agent.journal(0).await?;
    Ok(journal
        .into_iter()
        .filter_map(|entry| match entry.event {
            Event::SecurityDay { day } => Some(*day),
            _ => None,
        })
        .collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_day_before_is_summed_up_once_with_its_own_numbers() -> Result<()> {
    let lab = lab_or_skip!("day");
    let mut agent = agent(&lab, &["configuration"])
        // It is always past that.
        .set("security.daily_summary", "00:00")
        .env("TZ", "UTC")
        .start()
        .await?;
    scanned(&agent).await?;
    ensure!(
        days(&agent).await?.is_empty(),
        "a day without readings was summed up"
    );
    agent.terminate().await?;
    // What was read today was read yesterday.
    let url = format!("sqlite://{}", agent.data_dir().join("steward.db").display());
    let mut connection = SqliteConnection::connect(&url).await?;
    sqlx::query("UPDATE security_summaries SET at = at - 86400000000")
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    agent.start_again().await?;
    let told = until(
        "the day before is summed up",
        SOON,
        || days(&agent),
        |days| !days.is_empty(),
    )
    .await?;
    ensure!(
        told[0].title.contains("100 of 100 (excellent)") && told[0].title.contains(&told[0].day),
        "{told:?}"
    );
    let report = agent.call::<GetSecurity>(&Nothing {}).await?;
    ensure!(report.day.as_ref() == told.first(), "{report:?}");
    // An agent that begins anew does not tell it again.
    agent.terminate().await?;
    agent.start_again().await?;
    scanned(&agent).await?;
    ensure!(days(&agent).await?.len() == 1);
    Ok(())
}
