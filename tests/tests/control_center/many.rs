//! A thousand resources: found, filtered, scrolled.

use anyhow::{Context as _, Result};
use steward_tests::{agent::Agent, browser_or_skip, sim::Sim};

use super::{id, nothing_complained, sign_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_containers_are_listed_searched_and_scrolled() -> Result<()> {
    let browser = browser_or_skip!("many");
    let sim = Sim::start(1_000).await?;
    let agent = Agent::for_host(&sim.host()).start().await?;
    agent
        .wait(
            "all to be known",
            super::SOON,
            || async {
                agent
                    .call::<steward_api::ListResources>(&steward_api::ResourceQuery::default())
                    .await
            },
            |list| list.resources.len() > 1_000,
        )
        .await?;
    sign_in(&browser, &agent).await?;
    browser.click(&id("nav-resources")).await?;
    browser.see(&id("resource-row")).await?;
    browser.says(&id("found"), "1,0").await?;
    // Few of them are in the page, and all can be reached.
    let drawn = browser.count(&id("resource-row")).await?;
    assert!(drawn < 120, "{drawn} rows are drawn");
    let reached = browser
        .run_async(
            "const done = arguments[0], list = document.querySelector('[data-testid=resource-list]'), seen = new Set();
             const step = () => {
               for (const row of list.querySelectorAll('[data-testid=resource-row]')) seen.add(row.dataset.resource);
               if (list.scrollTop + list.clientHeight >= list.scrollHeight - 2) return done(seen.size);
               list.scrollTop += list.clientHeight / 2;
               requestAnimationFrame(() => requestAnimationFrame(step));
             };
             step();",
            &[],
        )
        .await?;
    assert!(reached.as_u64().context("no number")? > 1_000, "{reached}");
    browser.picture("list-end").await?;

    let wanted = Sim::name(777);
    browser.type_into(&id("search"), &wanted).await?;
    let row = format!("[data-testid=resource-row][data-resource$='/{wanted}']");
    browser.see(&row).await?;
    assert!(browser.address().await?.contains(&wanted));
    // A death is seen where it is looked at.
    sim.die(777, 1)?;
    browser
        .see(&format!("{row}:not([data-state=healthy])"))
        .await?;
    browser.picture("search").await?;
    nothing_complained(&browser).await
}
