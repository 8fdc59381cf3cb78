//! The line to the agent: lost, said at once, regained, and nothing missed; sessions that end; tokens that are refused.

use anyhow::{Context as _, Result};
use serde_json::json;
use steward_api::Health;
use steward_tests::{
    agent::{ADMIN_TOKEN, Agent},
    browser_or_skip,
    cable::Cable,
    lab_or_skip,
};

use super::{SOON, id, is_question_who, live, nothing_complained, sign_in, sign_in_at};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_line_is_said_at_once_and_what_was_missed_arrives() -> Result<()> {
    let lab = lab_or_skip!("ui-lost");
    let browser = browser_or_skip!("lost");
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let agent = Agent::for_lab(&lab)
        .set("autonomy.level", "observe")
        .start()
        .await?;
    let well = |seen: &steward_api::Resource| seen.health == Health::Healthy;
    agent
        .wait_for_container(&web.name, "to be well", SOON, well)
        .await?;
    let cable = Cable::to(agent.url()).await?;
    sign_in_at(&browser, cable.url(), ADMIN_TOKEN).await?;
    browser.see(&id("calm")).await?;

    cable.cut();
    browser.see(&id("lost")).await?;
    browser
        .see("[data-testid=link][data-state='not connected']")
        .await?;
    assert!(browser.title().await?.starts_with("Not connected"));
    // Nothing looks well while nobody knows.
    let page = browser
        .run("return document.documentElement.dataset.link", &[])
        .await?;
    assert_eq!(page, "lost");
    browser.picture("lost").await?;

    web.crash(1).await?;
    agent
        .wait_for_incidents("the incident", SOON, |all| !all.is_empty())
        .await?;
    assert_eq!(browser.count(&id("active-incidents")).await?, 0);

    cable.mend();
    browser.click(&id("connect-now")).await.ok();
    live(&browser).await?;
    browser.gone(&id("lost")).await?;
    browser.says(&id("active-incidents"), &web.name).await?;
    browser
        .expect_quiet(|line| is_question_who(line) || line.contains("net::ERR_"))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_says_so_and_signing_out_forgets() -> Result<()> {
    let lab = lab_or_skip!("ui-token");
    let browser = browser_or_skip!("token");
    let agent = Agent::for_lab(&lab).start().await?;
    browser
        .open(&format!("{}/#/resources", agent.url()))
        .await?;
    browser.see(&id("page-sign-in")).await?;
    browser
        .type_into(&id("token"), "not-a-token-of-this-agent")
        .await?;
    browser.click(&id("sign-in")).await?;
    browser.says(&id("failed"), "not known here").await?;
    browser.picture("refused").await?;
    browser
        .run("document.querySelector('#token').value = ''; document.querySelector('#token').dispatchEvent(new Event('input'))", &[])
        .await?;
    browser.type_into(&id("token"), ADMIN_TOKEN).await?;
    browser.press("\u{e007}").await?; // Enter
    // One arrives where one wanted to go.
    browser.see(&id("page-resources")).await?;
    live(&browser).await?;
    let kept = browser
        .run(
            "return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])",
            &[],
        )
        .await?;
    let kept = kept.as_str().context("no text")?;
    assert!(
        !kept.contains(ADMIN_TOKEN) && kept.ends_with(",\"\"]"),
        "{kept}"
    );
    // A session outlives a reload.
    browser.reload().await?;
    browser.see(&id("page-resources")).await?;
    browser.click(&id("nav-settings")).await?;
    browser.click(&id("sign-out")).await?;
    browser.see(&id("page-sign-in")).await?;
    browser.reload().await?;
    browser.see(&id("page-sign-in")).await?;
    nothing_complained(&browser).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_link_opens_the_control_center_once() -> Result<()> {
    let lab = lab_or_skip!("ui-link");
    let browser = browser_or_skip!("link");
    let agent = Agent::for_lab(&lab).start().await?;
    let made = agent.cli(&["sign-in", "--json"]).await?;
    assert!(made.status.success(), "{made:?}");
    let made: serde_json::Value = serde_json::from_slice(&made.stdout)?;
    let link = made["url"].as_str().context("no url")?;
    browser.open(link).await?;
    browser.see(&id("page-overview")).await?;
    live(&browser).await?;
    assert!(
        !browser.address().await?.contains("link"),
        "the code stays in the address"
    );
    browser.click(&id("nav-settings")).await?;
    browser.click(&id("sign-out")).await?;
    browser.see(&id("page-sign-in")).await?;
    browser.open("about:blank").await?;
    browser.open(link).await?;
    browser.says(&id("page-sign-in"), "link").await?;
    browser.picture("used").await?;
    browser
        .expect_quiet(|line| line.contains("/api/session"))
        .await?;
    sign_in(&browser, &agent).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_starts_anew_is_found_again() -> Result<()> {
    let lab = lab_or_skip!("ui-anew");
    let browser = browser_or_skip!("anew");
    let mut agent = Agent::for_lab(&lab).start().await?;
    let cable = Cable::to(agent.url()).await?;
    sign_in_at(&browser, cable.url(), ADMIN_TOKEN).await?;
    agent.kill_9().await?;
    browser.see(&id("lost")).await?;
    agent.start_again().await?;
    cable.plug_into(agent.url())?;
    // Either the session is known still, or the page says that it has ended and takes the token.
    let begin = std::time::Instant::now();
    loop {
        if browser.count("[data-testid=link][data-state=live]").await? > 0 {
            break;
        }
        if browser.count(&id("page-sign-in")).await? > 0 {
            sign_in_at(&browser, cable.url(), ADMIN_TOKEN).await?;
            break;
        }
        anyhow::ensure!(begin.elapsed() < SOON, "{}", browser.page_text().await?);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    live(&browser).await?;
    browser
        .expect_quiet(|line| {
            is_question_who(line) || line.contains("net::ERR_") || line.contains("502")
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_that_can_t_be_fetched_says_so_and_is_fetched_again() -> Result<()> {
    let browser = browser_or_skip!("parts");
    let agent = Agent::for_host("unix:///nothing/is/here.sock")
        .start()
        .await?;
    browser.devtools("Network.enable", &json!({})).await?;
    let withheld = json!({ "urls": ["*/split_settings.wasm"] });
    browser
        .devtools("Network.setBlockedURLs", &withheld)
        .await?;
    sign_in(&browser, &agent).await?;
    browser.click(&id("nav-settings")).await?;
    let told = browser.says(&id("failed"), "could not be fetched").await?;
    assert!(told.contains("reload the page"), "{told}");
    browser
        .devtools("Network.setBlockedURLs", &json!({ "urls": [] }))
        .await?;
    browser.click(&id("try-again")).await?;
    browser.see(&id("page-settings")).await?;
    browser.gone(&id("failed")).await?;
    browser
        .expect_quiet(|line| {
            is_question_who(line) || line.contains("net::ERR_") || line.contains("Failed to fetch")
        })
        .await
}
