//! Measurements on a real engine: from a death to the incident and to the restart, and what the agent uses while nothing happens.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use steward_api::{Envelope, Event, IncidentChange};

use super::{Extent, Row, Verdict, as_in_life, milliseconds, percentile, step, usage};
use crate::{
    agent::{Agent, Arrived},
    docker::{Container, Lab, Seen, State},
    process::is_root,
};

/// Between two deaths: each has its restart behind it, and the engine is not busy with the one before.
const BETWEEN: Duration = Duration::from_secs(1);

pub(super) async fn measure(extent: Extent) -> Result<Vec<Row>> {
    let lab = match Lab::open("bench").await? {
        Ok(lab) if is_root() => lab,
        Ok(_) => return Ok(vec![skipped("killing containers' processes needs root")]),
        Err(reason) => return Ok(vec![skipped(&reason)]),
    };
    let count = extent.real;
    step(&format!("making {count} containers on the real engine"));
    let containers = lab.many(count, &[("steward.auto_restart", "true")]).await?;
    let agent = as_in_life(Agent::for_lab(&lab), 30)
        .set("host.enabled", true)
        .start()
        .await?;
    let known = |list: &steward_api::ResourceList| {
        let all = list
            .resources
            .iter()
            .filter(|one| one.container().is_some());
        all.count() == count
    };
    let minute = Duration::from_secs(60);
    agent
        .wait_for("every container to be known", minute, known)
        .await?;

    let mut rows = deaths(extent, &lab, &agent, &containers).await?;
    let idle = |tasks: &Vec<steward_api::Task>| tasks.iter().all(|task| task.status.is_final());
    agent
        .wait_for_tasks("every task to be over", minute, idle)
        .await?;

    step(&format!(
        "watching memory and processor for {:?}",
        extent.steady
    ));
    let used = usage::watch(agent.pid()?, extent.steady).await?;
    rows.push(Row::new(
        format!("memory, {count} containers, steady"),
        "≤ 30 MiB resident; flat",
        format!(
            "{:.1} MiB ({:.1} → {:.1} in {:.0} s)",
            used.most_mib, used.first_mib, used.last_mib, used.seconds
        ),
        Verdict::at_most(used.most_mib, 30.0),
    ));
    rows.push(Row::new(
        format!("processor, idle at {count} containers, 30 s interval"),
        "≤ 1 % of one core",
        format!("{:.2} % over {:.0} s", used.percent(), used.seconds),
        Verdict::at_most(used.percent(), 1.0),
    ));
    Ok(rows)
}

fn skipped(reason: &str) -> Row {
    Row::new("everything on a real engine", "", reason, Verdict::Skipped)
}

async fn deaths(
    extent: Extent,
    lab: &Lab,
    agent: &Agent,
    containers: &[Container],
) -> Result<Vec<Row>> {
    let count = containers.len();
    let victims = &containers[..extent.real_deaths.min(count)];
    step(&format!(
        "{} deaths among {count} containers",
        victims.len()
    ));
    let states: Vec<State> = stream::iter(victims)
        .map(Container::state)
        .buffered(8)
        .try_collect()
        .await?;
    let engine = lab.watch().await?;
    let stream = agent.events(None).await?;
    let mut killed: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for (victim, state) in victims.iter().zip(&states) {
        killed.insert(&victim.name, victim.kill_main_of(state)?);
        tokio::time::sleep(BETWEEN).await;
    }
    let concerns = |envelope: &Envelope| {
        let resource = envelope.event.resource()?;
        let name = killed.get_key_value(resource.name.as_str())?.0;
        let word = match &envelope.event {
            Event::IncidentChanged {
                change: IncidentChange::Detected | IncidentChange::Reopened,
                ..
            } => "incident",
            Event::ActionIntended { undo: false, .. } => "intent",
            _ => return None,
        };
        Some((word, *name))
    };
    let first = |entries: &mut dyn Iterator<Item = (&'static str, &str, Timestamp)>| {
        let mut out: BTreeMap<(&'static str, String), f64> = BTreeMap::new();
        for (word, name, at) in entries {
            let Some(begin) = killed.get(name).filter(|begin| at >= **begin) else {
                continue;
            };
            let time = (at.as_nanosecond() - begin.as_nanosecond()).try_into();
            let time = milliseconds(time.unwrap_or(i64::MAX));
            out.entry((word, name.to_owned())).or_insert(time);
        }
        out
    };
    let of = |times: &BTreeMap<(&'static str, String), f64>, word: &str| -> Vec<f64> {
        let fits = times.iter().filter(|((kind, _), _)| *kind == word);
        fits.map(|(_, time)| *time).collect()
    };

    // Each death has its intent, or the bench waits in vain and says so by the number of those seen.
    let all_intended = |journal: &Vec<Envelope>| {
        let intents = journal
            .iter()
            .filter_map(concerns)
            .filter(|(word, _)| *word == "intent");
        let names: std::collections::BTreeSet<&str> = intents.map(|(_, name)| name).collect();
        names.len() == killed.len()
    };
    let half = Duration::from_secs(30);
    let journal = match agent
        .wait("every restart", half, || agent.journal(0), all_intended)
        .await
    {
        Ok(journal) => journal,
        Err(_) => {
            step("not every death had its restart");
            agent.journal(0).await?
        }
    };
    let journaled = first(&mut journal.iter().filter_map(|entry| {
        let (word, name) = concerns(entry)?;
        Some((word, name, entry.at))
    }));
    let arrived: Vec<Arrived> = stream.all();
    let arrived = first(&mut arrived.iter().filter_map(|one| {
        let (word, name) = concerns(&one.envelope)?;
        Some((word, name, one.at))
    }));
    let seen: Vec<Seen> = engine.all();
    let own = first(&mut seen.iter().filter_map(|event| {
        let word = match event.action.as_str() {
            "die" => "die",
            "start" => "start",
            _ => return None,
        };
        Some((word, event.container.as_str(), event.arrived))
    }));

    let incidents = of(&journaled, "incident");
    let engines = of(&own, "die");
    let ratio = percentile(&incidents, 50.0).zip(percentile(&engines, 50.0));
    let ratio = ratio.map_or_else(String::new, |(ours, theirs)| {
        format!("{:.2} × the engine's own", ours / theirs)
    });
    let complete = |row: Row, seen: usize| {
        if seen == killed.len() {
            row
        } else {
            let measured = format!(
                "{}; {} of {} missing",
                row.measured,
                killed.len() - seen,
                killed.len()
            );
            Row {
                measured,
                verdict: Verdict::Failed,
                ..row
            }
        }
    };
    // Where the engine alone takes longer than what is promised, the whole is its time, and what counts is Steward's own part.
    let judged = |row: Row, limit: f64| {
        let by_itself = percentile(&engines, 99.0).unwrap_or_default();
        if row.verdict == Verdict::Over && by_itself > limit {
            let measured = format!("{}; the engine alone takes longer", row.measured);
            Row {
                measured,
                verdict: Verdict::Note,
                ..row
            }
        } else {
            row
        }
    };
    let intents = of(&journaled, "intent");
    // What is added to the time that the engine takes to tell.
    let added = |word: &'static str| -> Vec<f64> {
        let fits = journaled.iter().filter(|((kind, _), _)| *kind == word);
        fits.filter_map(|((_, name), at)| {
            let told = own.get(&("die", name.clone()))?;
            Some((at - told).max(0.0))
        })
        .collect()
    };
    Ok(vec![
        complete(
            judged(
                Row::times(
                    format!("death → incident in the journal, {count} containers"),
                    Some(50.0),
                    &incidents,
                ),
                50.0,
            ),
            incidents.len(),
        ),
        Row::times(
            "   the same until it arrives on the event stream",
            None,
            &of(&arrived, "incident"),
        ),
        Row::times(
            "   the engine's own: death → `die` on a plain event stream",
            None,
            &engines,
        ),
        Row::new("   as a ratio at p50", "", ratio, Verdict::Note),
        Row::times(
            "   Steward's own part: from `die` to the incident",
            Some(50.0),
            &added("incident"),
        ),
        complete(
            judged(
                Row::times(
                    "death → restart asked of Docker (intent journaled)",
                    Some(100.0),
                    &intents,
                ),
                100.0,
            ),
            intents.len(),
        ),
        Row::times(
            "   Steward's own part: from `die` to the restart asked",
            Some(100.0),
            &added("intent"),
        ),
        Row::times(
            "   the same until the container has started",
            None,
            &of(&own, "start"),
        ),
    ])
}
