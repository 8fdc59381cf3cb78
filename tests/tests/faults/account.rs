//! Holding the agent's record against what Docker itself saw.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use steward_api::{Envelope, Event, Nothing, StepResult, Task, TaskId, TaskState, VerifyJournal};
use steward_tests::{agent::Agent, docker::EventLog};

/// As long as something may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(90);

/// What was meant and what came of it: each intent of the journal with its conclusion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    pub(crate) task: TaskId,
    pub(crate) resource: String,
    pub(crate) seq: i64,
    pub(crate) concluded: Option<(i64, StepResult)>,
}

/// The deeds in a journal.
pub(crate) fn deeds(entries: &[Envelope]) -> Result<Vec<Deed>> {
    let mut found: BTreeMap<(TaskId, u32, bool), Deed> = BTreeMap::new();
    for entry in entries {
        match &entry.event {
            Event::ActionIntended {
                task,
                step,
                undo,
                resource,
                ..
            } => {
                let deed = Deed {
                    task: *task,
                    resource: resource.name.clone(),
                    seq: entry.seq,
                    concluded: None,
                };
                let before = found.insert((*task, *step, *undo), deed);
                ensure!(before.is_none(), "one step was meant twice: {entry:?}");
            }
            Event::ActionConcluded {
                task,
                step,
                undo,
                result,
                ..
            } => {
                let deed = found
                    .get_mut(&(*task, *step, *undo))
                    .with_context(|| format!("concluded but never meant: {entry:?}"))?;
                ensure!(deed.concluded.is_none(), "concluded twice: {entry:?}");
                deed.concluded = Some((entry.seq, *result));
            }
            _ => {}
        }
    }
    Ok(found.into_values().collect())
}

/// Whether a result says that the world was changed.
pub(crate) fn was_done(result: StepResult) -> bool {
    matches!(
        result,
        StepResult::Succeeded | StepResult::NotVerified | StepResult::Undone
    )
}

/// The chain is whole by the agent's own word, and the numbers rise by one.
pub(crate) async fn check_journal(agent: &Agent) -> Result<Vec<Envelope>> {
    let verified = agent.call::<VerifyJournal>(&Nothing {}).await?;
    ensure!(verified.intact, "{verified:?}");
    let entries = agent.journal(0).await?;
    for (expected, entry) in (1i64..).zip(&entries) {
        ensure!(
            entry.seq == expected,
            "a gap: {expected} is missing, there is {entry:?}"
        );
    }
    Ok(entries)
}

/// Every deed is concluded, and those that are said to be done are as many as the restarts that Docker saw.
pub(crate) async fn check_restarts(
    agent: &Agent,
    engine: &EventLog,
    container: &str,
) -> Result<usize> {
    let entries = check_journal(agent).await?;
    let deeds = deeds(&entries)?;
    let own: Vec<_> = deeds
        .iter()
        .filter(|deed| deed.resource == container)
        .collect();
    ensure!(
        own.iter().all(|deed| deed.concluded.is_some()),
        "an intent was left open: {own:#?}"
    );
    let said = own
        .iter()
        .filter(|deed| deed.concluded.is_some_and(|(_, result)| was_done(result)))
        .count();
    let seen = engine.count(container, "restart");
    ensure!(
        said == seen,
        "the journal tells of {said} restarts, Docker of {seen}: {own:#?}\n{:?}\n{}",
        engine.actions(container),
        agent.output()
    );
    Ok(seen)
}

/// Waits until no task is under way or about to be.
pub(crate) async fn wait_until_idle(agent: &Agent) -> Result<Vec<Task>> {
    agent
        .wait_for_tasks("no task to be under way", SOON, |tasks| {
            tasks.iter().all(|task| {
                task.status.is_final()
                    || task.status == TaskState::Pending && task.requires_approval && !task.approved
            })
        })
        .await
}

/// Waits until every incident is over.
pub(crate) async fn wait_until_quiet(agent: &Agent) -> Result<()> {
    agent
        .wait_for_incidents("every incident to be over", SOON, |all| {
            all.iter().all(|incident| !incident.is_active())
        })
        .await?;
    Ok(())
}
