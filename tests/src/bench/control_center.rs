//! Measurements of the control center: what a browser has to fetch, how soon an event is on screen, how a long list scrolls.
//!
//! What flows through: a real Chromium in front of an agent with 1,000 simulated containers. What it never
//! does: count the time of a remote control: the page itself notes when it has drawn something, by the clock that the simulated engine uses.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use steward_api::{Autonomy, AutonomyRequest, SetAutonomy};

use super::{Extent, Row, Verdict, simulated, step, table::percentile};
use crate::{
    agent::{ADMIN_TOKEN, Agent},
    browser::{Browser, Screen},
    sim::Sim,
};

/// What a browser may have to fetch, bytes.
const LARGEST: u64 = 400_000;
/// An event is on screen within this time, milliseconds.
const ON_SCREEN: f64 = 100.0;
/// A frame that takes longer than this is seen as a jerk, milliseconds: two of a screen that shows 60 a second.
const JERK: f64 = 34.0;

pub(super) async fn measure(extent: Extent) -> Result<Vec<Row>> {
    step("the control center: its size, an event on screen, 1,000 rows scrolled");
    let sim = Sim::start(1_000).await?;
    let agent = simulated::agent_on(&sim, 30).await?;
    let mut rows = Vec::new();
    match Browser::start("bench", Screen::Desktop).await? {
        Ok(browser) => {
            enter(&browser, &agent).await?;
            rows.push(size(&browser).await?);
            rows.push(frames(&browser).await?);
            // What is healed at once may be well again before it was drawn: here what died stays dead.
            let observe = AutonomyRequest {
                autonomy: Autonomy::Observe,
            };
            agent.call::<SetAutonomy>(&observe).await?;
            rows.push(on_screen(&browser, &agent, &sim, extent.events_seen).await?);
        }
        Err(reason) => rows.push(Row::new(
            "control center in a browser",
            "",
            reason,
            Verdict::Skipped,
        )),
    }
    Ok(rows)
}

/// What the browser fetched until the first screen was live, and after it had fetched the rest, packed as it travelled.
async fn size(browser: &Browser) -> Result<Row> {
    let first = fetched(browser).await?;
    let all = crate::wait::until(
        "the other parts of the control center",
        Duration::from_secs(30),
        || fetched(browser),
        |fetched| fetched.parts.iter().any(|part| part.contains("settings")),
    )
    .await?;
    let verdict = if first.wasm <= LARGEST {
        Verdict::Ok
    } else {
        Verdict::Over
    };
    Ok(Row::new(
        "control center, wasm up to the first screen, as it travels (gzip)",
        "≤ 400 KB",
        format!(
            "{} KB; with all screens, fetched after it, {} KB",
            first.wasm / 1000,
            all.wasm / 1000
        ),
        verdict,
    ))
}

#[derive(Debug)]
struct Fetched {
    /// The names of the wasm files.
    parts: Vec<String>,
    /// Their sizes together, packed, bytes.
    wasm: u64,
}

async fn fetched(browser: &Browser) -> Result<Fetched> {
    let told = browser
        .run(
            "return performance.getEntriesByType('resource').filter(entry => entry.name.endsWith('.wasm'))
               .map(entry => [entry.name, entry.encodedBodySize]);",
            &[],
        )
        .await?;
    let files: Vec<(String, u64)> =
        serde_json::from_value(told).context("the browser's list of what it fetched")?;
    ensure!(!files.is_empty(), "the browser fetched no wasm");
    Ok(Fetched {
        wasm: files.iter().map(|(_, bytes)| bytes).sum(),
        parts: files.into_iter().map(|(name, _)| name).collect(),
    })
}

async fn enter(browser: &Browser, agent: &Agent) -> Result<()> {
    browser.open(agent.url()).await?;
    browser
        .type_into("[data-testid=token]", ADMIN_TOKEN)
        .await?;
    browser.click("[data-testid=sign-in]").await?;
    browser.see("[data-testid=link][data-state=live]").await?;
    Ok(())
}

/// How long each frame took while all rows were scrolled through.
async fn frames(browser: &Browser) -> Result<Row> {
    browser.click("[data-testid=nav-resources]").await?;
    browser.see("[data-testid=resource-row]").await?;
    let told = browser
        .run_async(
            "const done = arguments[0], list = document.querySelector('[data-testid=resource-list]'), times = [];
             let before = null;
             const frame = now => {
               if (before !== null) times.push(now - before);
               before = now;
               if (list.scrollTop + list.clientHeight >= list.scrollHeight - 2) return done(times);
               list.scrollTop += 180;
               requestAnimationFrame(frame);
             };
             list.scrollTop = 0;
             requestAnimationFrame(frame);",
            &[],
        )
        .await?;
    let times: Vec<f64> = told
        .as_array()
        .context("no frames")?
        .iter()
        .filter_map(serde_json::Value::as_f64)
        .collect();
    ensure!(times.len() > 100, "only {} frames were drawn", times.len());
    let (Some(half), Some(most)) = (percentile(&times, 50.0), percentile(&times, 95.0)) else {
        anyhow::bail!("no frames");
    };
    Ok(Row::new(
        "1,000 resources scrolled in a browser, each frame (drawn without a graphics card)",
        format!("p95 ≤ {JERK} ms"),
        format!("p50 {half:.0} ms, p95 {most:.0} ms (n = {})", times.len()),
        Verdict::at_most(most, JERK),
    ))
}

/// From the death of a container to the frame in which its row shows it.
async fn on_screen(browser: &Browser, agent: &Agent, sim: &Sim, deaths: u32) -> Result<Row> {
    let mut times = Vec::new();
    for index in 0..deaths {
        let name = Sim::name(index);
        let row = format!("[data-testid=resource-row][data-resource$='/{name}']");
        browser
            .open(&format!("{}/#/resources?q={name}", agent.url()))
            .await?;
        browser.see(&format!("{row}[data-state=healthy]")).await?;
        browser
            .run(
                "window.shownAt = null;
                 const watch = new MutationObserver(() => {
                   const row = document.querySelector(arguments[0]);
                   if (row && row.dataset.state !== 'healthy') {
                     watch.disconnect();
                     requestAnimationFrame(() => { window.shownAt = performance.timeOrigin + performance.now(); });
                   }
                 });
                 watch.observe(document.body, { subtree: true, childList: true, attributes: true });",
                &[row.clone().into()],
            )
            .await?;
        let died = sim.die(index, 1)?;
        let read = || async { Ok(browser.run("return window.shownAt", &[]).await?.as_f64()) };
        let shown = crate::wait::until(
            "the death on screen",
            Duration::from_secs(20),
            read,
            Option::is_some,
        )
        .await?
        .context("it was not shown")?;
        #[allow(
            clippy::cast_precision_loss,
            reason = "nanoseconds since 1970 as milliseconds: a part of a microsecond is lost"
        )]
        let died = died as f64 / 1e6;
        times.push(shown - died);
    }
    Ok(Row::times(
        "a container's death → on screen, 1,000 containers",
        Some(ON_SCREEN),
        &times,
    ))
}
