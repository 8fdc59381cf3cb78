//! `kill -9` at random instants while containers die: nothing journaled is lost, nothing is done twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::Result;
use steward_api::{Envelope, Event, Nothing, VerifyJournal};

use super::{Extent, Row, Verdict, as_in_life, step};
use crate::{
    agent::Agent,
    sim::{Command, Deed, Sim},
};

const CONTAINERS: u32 = 100;

pub(super) async fn measure(extent: Extent) -> Result<Vec<Row>> {
    step(&format!(
        "{} times kill -9 while containers die",
        extent.kills
    ));
    let sim = Sim::start(CONTAINERS).await?;
    // Long enough for a kill to hit the middle of a restart.
    sim.tell(&Command::RestartTakes(150))?;
    let mut agent = as_in_life(Agent::for_host(&sim.host()), 5)
        .set("docker.stabilisation", "1s")
        .start()
        .await?;
    let mut seen: BTreeMap<i64, Envelope> = BTreeMap::new();
    for round in 0..extent.kills {
        if round > 0 {
            agent.start_again().await?;
        }
        let stream = agent.events(seen.keys().next_back().copied()).await?;
        let life = Duration::from_millis(200 + u64::from(rand::random::<u16>()) % 2_000);
        let begin = Instant::now();
        while begin.elapsed() < life {
            // A dead one can't die, and that is well.
            let _ = sim.die(rand::random::<u32>() % CONTAINERS, 1);
            tokio::time::sleep(Duration::from_millis(u64::from(rand::random::<u8>() % 100))).await;
        }
        agent.kill_9().await?;
        seen.extend(
            stream
                .all()
                .into_iter()
                .map(|one| (one.envelope.seq, one.envelope)),
        );
    }
    agent.start_again().await?;
    let done = |tasks: &Vec<steward_api::Task>| tasks.iter().all(|task| task.status.is_final());
    let two_minutes = Duration::from_secs(120);
    let settled = agent
        .wait_for_tasks("every task to be over", two_minutes, done)
        .await;
    let verified = agent.call::<VerifyJournal>(&Nothing {}).await?;
    let journal = agent.journal(0).await?;
    let deeds = sim.deeds(0)?;

    let mut faults = Vec::new();
    if let Err(error) = settled {
        faults.push(first_line(&error));
    }
    if !verified.intact {
        faults.push(format!(
            "the journal is broken: {}",
            verified.fault.unwrap_or_default()
        ));
    }
    let lost = lost(&seen, &journal);
    if lost > 0 {
        faults.push(format!("{lost} published facts are lost or changed"));
    }
    let twice = twice(&journal, &deeds);
    faults.extend(twice);
    let measured = if faults.is_empty() {
        format!(
            "{} kills: {} entries intact, {} published ones all there, {} restarts, none twice",
            extent.kills,
            verified.entries,
            seen.len(),
            deeds.len()
        )
    } else {
        faults.join("; ")
    };
    let verdict = if faults.is_empty() {
        Verdict::Ok
    } else {
        Verdict::Failed
    };
    Ok(vec![Row::new(
        "kill -9 at any instant",
        "no journaled fact lost, no action done twice",
        measured,
        verdict,
    )])
}

fn first_line(error: &anyhow::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(120).collect()
}

/// How many entries that were published are not in the journal as they were.
pub(super) fn lost(seen: &BTreeMap<i64, Envelope>, journal: &[Envelope]) -> usize {
    let there: BTreeMap<i64, &Envelope> = journal.iter().map(|entry| (entry.seq, entry)).collect();
    let same = |entry: &Envelope| there.get(&entry.seq).is_some_and(|kept| *kept == entry);
    seen.values().filter(|entry| !same(entry)).count()
}

/// Restarts without an intent before them, and steps of tasks that were done more than once, in words.
pub(super) fn twice(journal: &[Envelope], deeds: &[Deed]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut done: BTreeSet<(i64, u32, bool)> = BTreeSet::new();
    for deed in deeds {
        let name = Sim::name(deed.index);
        let mut intents = journal.iter().filter_map(|entry| match &entry.event {
            Event::ActionIntended {
                task,
                step,
                undo,
                resource,
                ..
            } if resource.name == name && entry.at.as_nanosecond() <= i128::from(deed.at_ns) => {
                Some((task.0, *step, *undo))
            }
            _ => None,
        });
        match intents.next_back() {
            None => faults.push(format!("{name} was restarted without an intent")),
            Some(step) if !done.insert(step) => {
                faults.push(format!("step {} of task {} was done twice", step.1, step.0));
            }
            Some(_) => {}
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use steward_api::{ActionName, ResourceId, TaskId};

    fn intent(seq: i64, task: i64, index: u32, at_ns: i64) -> Envelope {
        Envelope {
            seq,
            node: "n".to_owned(),
            at: jiff::Timestamp::from_nanosecond(at_ns.into()).unwrap(),
            event: Event::ActionIntended {
                task: TaskId(task),
                step: 0,
                undo: false,
                action: ActionName::RestartContainer,
                resource: ResourceId::container("n", Sim::name(index)),
                problem: None,
            },
            hash: format!("h{seq}"),
        }
    }

    fn deed(index: u32, at_ns: i64) -> Deed {
        Deed {
            index,
            what: "restart".to_owned(),
            at_ns,
        }
    }

    #[test]
    fn what_was_done_twice_or_without_intent_is_found() {
        let journal = [intent(1, 7, 3, 100), intent(2, 8, 3, 300)];
        assert!(twice(&journal, &[deed(3, 150), deed(3, 350)]).is_empty());
        assert!(
            twice(&journal, &[deed(3, 150), deed(3, 160)])[0].contains("task 7 was done twice")
        );
        assert!(twice(&journal, &[deed(3, 50)])[0].contains("without an intent"));
        assert!(twice(&journal, &[deed(4, 150)])[0].contains("sim-00004"));
    }

    #[test]
    fn what_was_lost_or_changed_is_found() {
        let journal = [intent(1, 7, 3, 100)];
        let seen = |entries: &[Envelope]| entries.iter().map(|e| (e.seq, e.clone())).collect();
        assert_eq!(lost(&seen(&journal), &journal), 0);
        assert_eq!(lost(&seen(&[intent(2, 7, 3, 100)]), &journal), 1);
        assert_eq!(lost(&seen(&[intent(1, 9, 3, 100)]), &journal), 1);
    }
}
