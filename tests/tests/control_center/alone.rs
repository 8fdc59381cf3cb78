//! By the keyboard alone, on a phone, in the dark.

use anyhow::{Context as _, Result};
use serde_json::json;
use steward_tests::{
    agent::{ADMIN_TOKEN, Agent},
    browser::{Browser, Screen},
    browser_or_skip, lab_or_skip,
};

use super::{id, live, nothing_complained, sign_in};

const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const TAB: &str = "\u{e004}";

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_reached_by_the_keyboard_and_the_focus_is_seen() -> Result<()> {
    let lab = lab_or_skip!("ui-keys");
    let browser = browser_or_skip!("keys");
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let agent = Agent::for_lab(&lab).start().await?;
    agent
        .wait_for_container(&web.name, "to be known", super::SOON, |_| true)
        .await?;
    browser.open(agent.url()).await?;
    browser.see(&id("page-sign-in")).await?;
    // The field has the focus by itself.
    let read = || browser.focused();
    steward_tests::wait::until("the focus", super::SOON, read, |focus| focus == "token").await?;
    browser.press(ADMIN_TOKEN).await?;
    browser.press(ENTER).await?;
    browser.see(&id("page-overview")).await?;
    live(&browser).await?;

    for (keys, page) in [
        ("gr", "page-resources"),
        ("gi", "page-incidents"),
        ("gt", "page-tasks"),
        ("ga", "page-activity"),
        ("gs", "page-settings"),
        ("go", "page-overview"),
    ] {
        browser.press(keys).await?;
        browser.see(&id(page)).await?;
    }
    // The palette leads to anything by its name.
    browser.press("\u{e009}k\u{e000}").await?; // Ctrl K
    browser.see(&id("palette-input")).await?;
    browser.press(&web.name).await?;
    browser.see(&id("palette-item")).await?;
    browser.picture("palette").await?;
    browser.press(ENTER).await?;
    browser.see(&id("page-resource")).await?;
    browser.says("h1", &web.name).await?;
    browser.press("?").await?;
    browser.see(&id("help")).await?;
    browser.press(ESCAPE).await?;
    // Rows by j, opened by Enter.
    browser.press("gr").await?;
    browser.see(&id("resource-row")).await?;
    browser.press("j").await?;
    assert_eq!(browser.focused().await?, "resource-row");
    browser.press(ENTER).await?;
    browser.see(&id("page-resource")).await?;
    // Wherever Tab leads, the focus is seen.
    browser.press("go").await?;
    browser.see(&id("page-overview")).await?;
    for _ in 0..25 {
        browser.press(TAB).await?;
        let seen = browser
            .run(
                "const e = document.activeElement; if (e === document.body) return true;
                 const s = getComputedStyle(e), w = getComputedStyle(e.closest('label') ?? e);
                 return [s, w].some(s => (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2) || s.boxShadow !== 'none') || e.outerHTML.slice(0, 200)",
                &[],
            )
            .await?;
        assert_eq!(seen, json!(true), "the focus is not seen");
    }
    nothing_complained(&browser).await
}

/// What is wider than the screen, if anything.
async fn too_wide(browser: &Browser) -> Result<serde_json::Value> {
    browser
        .run(
            "const wide = document.documentElement.clientWidth;
             if (document.documentElement.scrollWidth <= wide) return null;
             return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > wide + 1).slice(0, 5).map(e => e.outerHTML.slice(0, 120))",
            &[],
        )
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_shows_every_screen_without_scrolling_sideways() -> Result<()> {
    let lab = lab_or_skip!("ui-phone");
    let browser = browser_or_skip!("phone", Screen::Phone);
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let agent = Agent::for_lab(&lab)
        .set("autonomy.level", "ask")
        .start()
        .await?;
    agent
        .wait_for_container(&web.name, "to be known", super::SOON, |_| true)
        .await?;
    sign_in(&browser, &agent).await?;
    web.crash(1).await?;
    browser.see(&id("task-card")).await?;
    for screen in [
        "overview",
        "resources",
        "incidents",
        "tasks",
        "activity",
        "settings",
    ] {
        browser.click(&id(&format!("nav-{screen}"))).await?;
        browser.see(&id(&format!("page-{screen}"))).await?;
        assert_eq!(too_wide(&browser).await?, json!(null), "{screen}");
        browser.picture(screen).await?;
    }
    // What is touched is large enough for a finger (WCAG 2.2, 2.5.8: 24 pixels).
    browser.click(&id("nav-overview")).await?;
    browser.see(&id("approve")).await?;
    let small = browser
        .run(
            "return [...document.querySelectorAll('button, nav a, .button')].filter(e => e.checkVisibility()).map(e => [e.textContent.trim(), e.getBoundingClientRect()])
               .filter(([, r]) => r.width > 0 && (r.height < 24 || r.width < 24)).map(([t]) => t)",
            &[],
        )
        .await?;
    assert_eq!(small, json!([]));
    browser.click(&id("approve")).await?;
    web.wait("to run again", super::SOON, |now| now.running)
        .await?;
    nothing_complained(&browser).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dark_is_dark_by_the_system_or_by_choice() -> Result<()> {
    let lab = lab_or_skip!("ui-dark");
    let browser = browser_or_skip!("dark");
    let agent = Agent::for_lab(&lab).start().await?;
    let brightness = || async {
        let told = browser
            .run(
                "const c = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number); return c[0] + c[1] + c[2]",
                &[],
            )
            .await?;
        Ok(told.as_f64().unwrap_or(-1.0))
    };
    browser.prefer_colours("dark").await?;
    sign_in(&browser, &agent).await?;
    steward_tests::wait::until("the dark", super::SOON, brightness, |sum| *sum < 200.0).await?;
    browser.picture("overview").await?;
    browser.prefer_colours("light").await?;
    steward_tests::wait::until("the light", super::SOON, brightness, |sum| *sum > 600.0).await?;
    browser.click(&id("nav-settings")).await?;
    browser.click(&id("theme-dark")).await?;
    steward_tests::wait::until("the chosen dark", super::SOON, brightness, |sum| {
        *sum < 200.0
    })
    .await?;
    // What was chosen holds for the next visit.
    browser.reload().await?;
    live(&browser).await?;
    steward_tests::wait::until("the kept dark", super::SOON, brightness, |sum| *sum < 200.0)
        .await?;
    browser.picture("settings").await?;
    nothing_complained(&browser).await
}

/// How much of the screen has moved by itself since it was loaded: the sum of the browser's layout shifts.
async fn moved(browser: &Browser) -> Result<f64> {
    let told = browser
        .run_async(
            "const done = arguments[arguments.length - 1]; let sum = 0;
             new PerformanceObserver(list => { for (const e of list.getEntries()) if (!e.hadRecentInput) sum += e.value; })
               .observe({type: 'layout-shift', buffered: true});
             setTimeout(() => done(sum), 1000)",
            &[],
        )
        .await?;
    told.as_f64().context("no sum")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_jumps_while_a_screen_is_read() -> Result<()> {
    // Up to this much counts as good (https://web.dev/articles/cls).
    const GOOD: f64 = 0.1;
    let lab = lab_or_skip!("ui-still");
    let browser = browser_or_skip!("still");
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let agent = Agent::for_lab(&lab)
        .set("autonomy.level", "ask")
        .set("host.enabled", true)
        .start()
        .await?;
    let is_read =
        |seen: &steward_api::Resource| seen.metrics.contains_key(&steward_api::Metric::MemoryBytes);
    agent
        .wait_for_container(&web.name, "to be measured", super::SOON, is_read)
        .await?;
    sign_in(&browser, &agent).await?;
    web.crash(1).await?;
    browser.see(&id("task-card")).await?;
    let row = format!("[data-resource$='/{}']", web.name);
    for (screen, last) in [
        ("overview", "autonomy"),
        ("settings", "configuration"),
        ("tasks", "task-card"),
        ("resources", "resource-row"),
    ] {
        browser.click(&id(&format!("nav-{screen}"))).await?;
        browser.reload().await?;
        live(&browser).await?;
        browser.see(&id(last)).await?;
        let moved = moved(&browser).await?;
        assert!(moved <= GOOD, "{screen} moved by {moved}");
    }
    browser.click(&row).await?;
    browser.reload().await?;
    live(&browser).await?;
    browser.see("[data-testid^=chart-] svg").await?;
    browser.see(&id("offer")).await?;
    let moved = moved(&browser).await?;
    assert!(moved <= GOOD, "the resource moved by {moved}");
    nothing_complained(&browser).await
}
