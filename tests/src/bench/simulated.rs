//! Measurements on the simulated engine: thousands of containers, and how the cost of a cycle grows with their number.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use steward_api::{Endpoint as _, ListResources};

use super::{Extent, Row, Verdict, as_in_life, milliseconds, step, table::exponent, usage};
use crate::{
    agent::{ADMIN_TOKEN, Agent, http_client},
    sim::Sim,
};

const MINUTES: Duration = Duration::from_secs(180);

pub(super) async fn agent_on(sim: &Sim, cycle_seconds: u64) -> Result<Agent> {
    let agent = as_in_life(Agent::for_host(&sim.host()), cycle_seconds)
        .start()
        .await?;
    let wanted = sim.count() as usize;
    let known = |list: &steward_api::ResourceList| {
        let containers = list
            .resources
            .iter()
            .filter(|one| one.container().is_some());
        containers.count() == wanted
    };
    // Nothing of ten thousand resources belongs into a message.
    let list = || async {
        Ok(Counted(known(
            &agent.call::<ListResources>(&Default::default()).await?,
        )))
    };
    agent
        .wait("every container to be known", MINUTES, list, |counted| {
            counted.0
        })
        .await?;
    Ok(agent)
}

#[derive(Debug)]
struct Counted(bool);

/// The list of 1,000 resources over HTTP.
pub(super) async fn list(extent: Extent) -> Result<Vec<Row>> {
    step("the list of 1,000 resources over HTTP");
    let sim = Sim::start(1_000).await?;
    let agent = agent_on(&sim, 30).await?;
    let client = http_client()?;
    let url = format!("{}{}", agent.url(), ListResources::PATH);
    let mut times = Vec::with_capacity(extent.lists);
    let mut bytes = 0;
    for _ in 0..extent.lists {
        let begin = Instant::now();
        let response = client
            .get(&url)
            .header("X-API-Key", ADMIN_TOKEN)
            .send()
            .await?;
        bytes = response.error_for_status()?.bytes().await?.len();
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    let mut row = Row::times(
        "list of 1,000 resources over HTTP, loopback",
        Some(5.0),
        &times,
    );
    row.measured = format!("{}, {} KiB", row.measured, bytes / 1024);
    Ok(vec![row])
}

/// The histogram of cycles: how many, and their sum in seconds.
async fn cycles(agent: &Agent) -> Result<(f64, f64)> {
    let count = agent
        .metric("steward_monitoring_cycle_seconds_count")
        .await?;
    let sum = agent.metric("steward_monitoring_cycle_seconds_sum").await?;
    let read = count.zip(sum);
    read.context("the metrics hold no steward_monitoring_cycle_seconds")
}

/// Memory, cost of a cycle and time to a restart for each number of containers.
pub(super) async fn measure(extent: Extent) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut costs = Vec::new();
    for count in extent.simulated {
        step(&format!("{count} containers on the simulated engine"));
        let sim = Sim::start(*count).await?;
        let agent = agent_on(&sim, extent.simulated_cycle).await?;
        let pid = agent.pid()?;

        let mut times = Vec::new();
        let mut lost = 0;
        for victim in 0..extent.simulated_deaths {
            // Spread over all, none twice.
            let index = victim * (*count / extent.simulated_deaths).max(1);
            let died = sim.die(index, 1)?;
            let soon = Duration::from_secs(10);
            let restart = async {
                loop {
                    let deeds = sim.deeds(0)?;
                    let deed = deeds.into_iter().find(|deed| {
                        deed.index == index && matches!(deed.what.as_str(), "start" | "restart")
                    });
                    if let Some(deed) = deed {
                        return Ok::<_, anyhow::Error>(deed);
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            match tokio::time::timeout(soon, restart).await {
                Ok(deed) => times.push(milliseconds(deed?.at_ns - died)),
                Err(_) => {
                    lost += 1;
                    ensure!(
                        lost < 3,
                        "restarts are not asked of the simulated engine\n{}",
                        agent.output()
                    );
                }
            }
        }
        let mut row = Row::times(
            format!("death → restart asked, {count} simulated containers"),
            Some(100.0),
            &times,
        );
        if lost > 0 {
            row.measured = format!("{}; {lost} not within 10 s", row.measured);
            row.verdict = Verdict::Failed;
        }
        rows.push(row);

        // What the deaths left to do is done before the idle agent is watched.
        tokio::time::sleep(Duration::from_secs(extent.simulated_cycle.min(15))).await;
        let (begun, begun_seconds) = cycles(&agent).await?;
        let lists = sim.counts()?.list;
        let time = Duration::from_secs(extent.simulated_cycle) * extent.simulated_cycles;
        let used = usage::watch(pid, time).await?;
        let (ended, ended_seconds) = cycles(&agent).await?;
        #[allow(clippy::cast_precision_loss, reason = "a few lists")]
        let done = ((sim.counts()?.list - lists) as f64).max(1.0);
        let duration = (ended_seconds - begun_seconds) / (ended - begun).max(1.0);
        let processor = used.processor / done;
        costs.push((f64::from(*count), processor));
        let (target, verdict) = match count {
            2_000 => ("≤ 80 MiB", Verdict::at_most(used.most_mib, 80.0)),
            _ => ("", Verdict::Note),
        };
        rows.push(Row::new(
            format!("memory at {count} simulated containers"),
            target,
            format!("{:.1} MiB", used.most_mib),
            verdict,
        ));
        rows.push(Row::new(
            format!("a cycle at {count} simulated containers"),
            "",
            format!(
                "{:.0} ms of processor, {:.0} ms from begin to end; {:.2} % of one core",
                processor * 1e3,
                duration * 1e3,
                used.percent()
            ),
            Verdict::Note,
        ));
    }
    if let Some(power) = exponent(&costs) {
        rows.push(Row::new(
            "how a cycle's cost grows with the number N",
            "no faster than N",
            format!("processor time ~ N^{power:.2}"),
            // Clock ticks are coarse at small numbers.
            Verdict::at_most(power, 1.15),
        ));
    }
    Ok(rows)
}
