//! Steward holds itself to what it asks of others.

use anyhow::{Result, ensure};
use steward_api::ConfigurationRiskKind;
use steward_tests::lab_or_skip;

use crate::scan::{agent, scanned};

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
