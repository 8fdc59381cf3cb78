//! The pages of one thing: a resource with its charts and log, the map, the journal and its verification, an address that leads nowhere.

use anyhow::Result;
use steward_tests::{agent::Agent, browser_or_skip, lab_or_skip};

use super::{id, sign_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_shows_its_charts_log_and_history() -> Result<()> {
    let lab = lab_or_skip!("r");
    let browser = browser_or_skip!("resource");
    let db = lab.container("db").serve().start().await?;
    let web = lab
        .container("web")
        .serve()
        .label("steward.depends_on", &db.name)
        .label("steward.critical", "true")
        .start()
        .await?;
    web.wait_ready().await?;
    let agent = Agent::for_lab(&lab).start().await?;
    let is_read =
        |seen: &steward_api::Resource| seen.metrics.contains_key(&steward_api::Metric::MemoryBytes);
    agent
        .wait_for_container(&web.name, "to be measured", super::SOON, is_read)
        .await?;
    sign_in(&browser, &agent).await?;
    browser.click(&id("nav-resources")).await?;
    browser
        .click(&format!(
            "[data-testid=resource-row][data-resource$='/{}']",
            web.name
        ))
        .await?;
    browser.see(&id("page-resource")).await?;
    browser.says(&id("dependencies"), &db.name).await?;
    browser.says(&id("labels"), "critical").await?;
    browser.see("[data-testid^=chart-] svg").await?;
    browser.see(&id("log")).await?;
    browser.picture("page").await?;

    // The map shows the same as a graph.
    browser.press("gr").await?;
    browser.click(&id("view-map")).await?;
    browser.says(&id("map"), &db.name).await?;
    browser.picture("map").await?;

    browser.press("ga").await?;
    browser.see(&id("journal-row")).await?;
    browser.click(&id("verify")).await?;
    browser.see(&id("verified")).await?;
    browser.picture("journal").await?;

    browser
        .open(&format!("{}/#/no/such/place", agent.url()))
        .await?;
    browser.see(&id("page-nowhere")).await?;
    browser
        .open(&format!("{}/#/resources/test/container/none", agent.url()))
        .await?;
    browser.see(&id("page-resource")).await?;
    browser.says("main", "none").await?;
    browser.picture("unknown").await?;
    browser
        .expect_quiet(|line| {
            super::is_question_who(line) || (line.contains("404") && line.contains("none"))
        })
        .await
}
