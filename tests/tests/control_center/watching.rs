//! Watching: a container dies and is healed before one's eyes, without a reload.

use anyhow::Result;
use steward_tests::{agent::Agent, browser_or_skip, lab_or_skip};

use super::{SOON, id, nothing_complained, sign_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_death_and_its_healing_are_seen_without_a_reload() -> Result<()> {
    let lab = lab_or_skip!("ui-heal");
    let browser = browser_or_skip!("healing");
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    // It heals slowly enough to be seen.
    let agent = Agent::for_lab(&lab)
        .set("docker.stabilisation", "4s")
        // What comes again is an incident of its own, as it is after a longer time.
        .set("thresholds.flap_window", "1s")
        .start()
        .await?;
    sign_in(&browser, &agent).await?;
    browser.see(&id("calm")).await?;
    // A mark that a reload would wipe away.
    browser.run("window.stewardWasHere = 7", &[]).await?;
    browser.picture("overview-calm").await?;

    let row = format!("[data-resource$='/{}']", web.name);
    browser.click(&id("nav-resources")).await?;
    browser.see(&format!("{row}[data-state=healthy]")).await?;
    browser.picture("resources").await?;
    browser.click(&id("nav-overview")).await?;

    web.crash(3).await?;
    let incident = browser.see(&id("active-incidents")).await?.text().await?;
    assert!(incident.contains(&web.name), "{incident}");
    browser.picture("overview-incident").await?;
    browser
        .click(&format!("{} a", id("active-incidents")))
        .await?;
    browser.see(&id("page-incident")).await?;
    browser.says(&id("timeline"), "detected").await?;
    browser
        .says(&id("incident-state"), "healed by Steward")
        .await?;
    let told = browser.page_text().await?;
    for word in ["exit code 3", "Restart", "stable for"] {
        assert!(
            told.to_lowercase().contains(&word.to_lowercase()),
            "no {word:?} in:\n{told}"
        );
    }
    browser.picture("incident").await?;
    web.wait("to run again", SOON, |now| now.running).await?;

    browser.click(&id("nav-overview")).await?;
    browser.says(&id("healed-today"), &web.name).await?;
    browser.says(&id("healed-today"), "restarted").await?;
    browser.gone(&id("active-incidents")).await?;
    browser.picture("overview-healed").await?;
    let mark = browser.run("return window.stewardWasHere", &[]).await?;
    assert_eq!(mark, 7, "the page was loaded anew");

    // The next time it is said what helped the last time. What comes within the flap window would be the same incident.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    web.crash(3).await?;
    browser
        .click(&format!("{} a", id("active-incidents")))
        .await?;
    browser.says(&id("before"), "restarted").await?;
    browser.picture("incident-again").await?;
    browser
        .says(&id("incident-state"), "healed by Steward")
        .await?;
    nothing_complained(&browser).await
}
