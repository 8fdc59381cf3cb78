//! What every scenario asks of the record: that it is whole, in order, and says why.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use steward_api::{
    Accepted, ActionName, ApproveRequest, ApproveTask, Envelope, Event, GetTask, Incident,
    IncidentChange, Nothing, Problem, ResolutionKind, StepResult, Task, TaskChange, TaskId,
    TaskState, Verdict, VerifyJournal,
};
use steward_tests::{
    agent::{Agent, Builder},
    docker::{Container, EventLog, Lab},
};

/// How long anything may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// How long is watched that something does not happen: several cycles of the agents under test.
pub(crate) const A_WHILE: Duration = Duration::from_secs(5);

/// An agent for a lab in which many containers may die without that being one event.
pub(crate) fn agent(lab: &Lab) -> Builder {
    Agent::for_lab(lab)
        .set("guards.blast_radius", 50)
        .set("docker.recovery", "20s")
}

/// One restart strategy with quick tries, for a problem.
pub(crate) fn strategy(problem: &str, attempts: u32, back_off: &str) -> String {
    format!(
        "[strategies]\n{problem} = [{{ action = \"restart_container\", attempts = {attempts}, back_off = \"{back_off}\" }}]"
    )
}

/// A deed as the journal tells it.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    pub task: TaskId,
    pub action: ActionName,
    pub container: String,
    /// Place of the intent in the journal.
    pub intended: i64,
    /// Place of the outcome, and the outcome.
    pub concluded: Option<(i64, StepResult)>,
}

/// Every deed in the journal, in order.
pub(crate) fn deeds(journal: &[Envelope]) -> Vec<Deed> {
    let mut all: Vec<Deed> = Vec::new();
    for entry in journal {
        match &entry.event {
            Event::ActionIntended {
                task,
                action,
                resource,
                ..
            } => all.push(Deed {
                task: *task,
                action: *action,
                container: resource.name.clone(),
                intended: entry.seq,
                concluded: None,
            }),
            Event::ActionConcluded {
                task,
                action,
                resource,
                result,
                ..
            } => {
                if let Some(deed) = all.iter_mut().rev().find(|deed| {
                    deed.task == *task && deed.action == *action && deed.container == resource.name
                }) {
                    deed.concluded = Some((entry.seq, *result));
                }
            }
            _ => {}
        }
    }
    all
}

/// The journal, after checking what must hold of every journal: the chain is whole; before each deed stand its task's making, its
/// beginning, and a yes (Steward's own decision or a person's); after it, and before its task's end, its outcome; an outcome never comes
/// without an intent.
pub(crate) async fn journal(agent: &Agent) -> Result<Vec<Envelope>> {
    let verified = agent.call::<VerifyJournal>(&Nothing {}).await?;
    ensure!(
        verified.intact && verified.fault.is_none(),
        "the journal is not intact: {verified:?}"
    );
    let journal = agent.journal(0).await?;
    let mut tasks: BTreeMap<TaskId, (bool, bool)> = BTreeMap::new();
    let mut open: Vec<(TaskId, ActionName, &str)> = Vec::new();
    let mut detected = Vec::new();
    for entry in &journal {
        match &entry.event {
            Event::IncidentChanged { change, incident } => match change {
                IncidentChange::Detected => detected.push(incident.id),
                _ => ensure!(
                    detected.contains(&incident.id),
                    "{change:?} of incident {} before its detection",
                    incident.id
                ),
            },
            Event::TaskChanged { change, task } => match change {
                TaskChange::Created => {
                    if let Some(incident) = task.incident {
                        ensure!(
                            detected.contains(&incident),
                            "task {} was made before incident {incident} was detected",
                            task.id
                        );
                    }
                    tasks.insert(task.id, (!task.requires_approval, false));
                }
                TaskChange::Approved => tasks.entry(task.id).or_default().0 = true,
                TaskChange::Started => tasks.entry(task.id).or_default().1 = true,
                TaskChange::Completed | TaskChange::Failed => ensure!(
                    open.iter().all(|(of, ..)| *of != task.id),
                    "task {} ended with open deeds: {open:?}",
                    task.id
                ),
                _ => {}
            },
            Event::ActionIntended {
                task,
                action,
                resource,
                ..
            } => {
                ensure!(
                    tasks.get(task) == Some(&(true, true)),
                    "an intent without a permitted and begun task: {entry:?}"
                );
                open.push((*task, *action, &resource.name));
            }
            Event::ActionConcluded {
                task,
                action,
                resource,
                ..
            } => {
                let own = (*task, *action, resource.name.as_str());
                let place = open.iter().position(|one| *one == own);
                open.remove(place.with_context(|| format!("an outcome of nothing: {entry:?}"))?);
            }
            _ => {}
        }
    }
    Ok(journal)
}

/// The only incident of a container.
pub(crate) async fn incident(agent: &Agent, container: &Container) -> Result<Incident> {
    let mut own: Vec<_> = agent
        .incidents()
        .await?
        .into_iter()
        .filter(|incident| incident.resource.name == container.name)
        .collect();
    ensure!(
        own.len() == 1,
        "one incident of {} was expected: {own:#?}",
        container.name
    );
    own.pop().context("there is one")
}

/// Waits until the newest incident of a container is as wanted.
pub(crate) async fn wait_for_incident(
    agent: &Agent,
    container: &Container,
    what: &str,
    ready: impl Fn(&Incident) -> bool,
) -> Result<Incident> {
    let own = |incident: &&Incident| incident.resource.name == container.name;
    let all = agent
        .wait_for_incidents(
            &format!("the incident of {} {what}", container.name),
            SOON,
            |all| all.iter().find(own).is_some_and(&ready),
        )
        .await?;
    all.into_iter()
        .find(|incident| own(&incident))
        .context("it is gone")
}

/// Waits until a container has one incident, healed by one restart, and holds that against the engine and the record.
pub(crate) async fn healed_once(
    agent: &Agent,
    events: &EventLog,
    container: &Container,
    problem: Problem,
) -> Result<Incident> {
    wait_for_incident(agent, container, "to be over", |incident| {
        !incident.is_active()
    })
    .await?;
    let incident = incident(agent, container).await?;
    let resolution = incident.resolution.as_ref().context("how did it end?")?;
    assert_eq!(resolution.kind, ResolutionKind::Healed, "{incident:#?}");
    assert_eq!(
        (incident.problem, incident.flaps),
        (problem, 0),
        "{incident:#?}"
    );
    let diagnosis = incident.diagnoses.first().context("a diagnosis")?;
    assert!(
        !diagnosis.diagnosis.is_empty() && !diagnosis.reasoning.is_empty(),
        "{diagnosis:#?}"
    );
    let decision = incident.decision.as_ref().context("a decision")?;
    assert_eq!(decision.verdict, Verdict::ActNow, "{decision:#?}");
    assert!(!decision.reason.is_empty());
    assert_eq!(incident.tasks.len(), 1, "{incident:#?}");
    let task = done(agent, incident.tasks[0]).await?;
    assert_eq!(task.incident, Some(incident.id));
    assert_eq!(
        logged(&task, &["restarted_container", "verified_health"]),
        2,
        "{task:#?}"
    );
    assert!(container.state().await?.running);
    assert_eq!(
        events.count(&container.name, "restart"),
        1,
        "{:?}",
        events.actions(&container.name)
    );
    let own: Vec<_> = deeds(&journal(agent).await?)
        .into_iter()
        .filter(|deed| deed.container == container.name)
        .collect();
    assert_eq!(own.len(), 1, "{own:#?}");
    assert!(
        matches!(own[0].concluded, Some((seq, StepResult::Succeeded)) if seq > own[0].intended),
        "{own:#?}"
    );
    Ok(incident)
}

/// A task that was completed.
pub(crate) async fn done(agent: &Agent, task: TaskId) -> Result<Task> {
    let task = wait_for_end(agent, task).await?;
    assert_eq!(task.status, TaskState::Completed, "{task:#?}");
    assert!(
        task.result.as_ref().is_some_and(|result| result.success),
        "{task:#?}"
    );
    Ok(task)
}

/// How many of these words stand in a task's execution log, in this order.
pub(crate) fn logged(task: &Task, words: &[&str]) -> usize {
    let mut wanted = words.iter().peekable();
    for entry in &task.execution_log {
        wanted.next_if(|word| **word == entry.action);
    }
    words.len() - wanted.count()
}

/// Waits until a container's incident asks, and returns it with the task that waits for a person.
pub(crate) async fn asked(agent: &Agent, container: &Container) -> Result<(Incident, Task)> {
    let incident = wait_for_incident(agent, container, "to ask", |incident| {
        incident
            .decision
            .as_ref()
            .is_some_and(|decision| decision.verdict == Verdict::Ask)
    })
    .await?;
    let id = *incident.tasks.last().context("a task that asks")?;
    let task = agent.call_at::<GetTask>(id, &Nothing {}).await?;
    assert_eq!(task.status, TaskState::Pending, "{task:#?}");
    assert!(task.requires_approval && !task.approved && task.expires_at.is_some());
    assert_eq!(logged(&task, &["restarted_container"]), 0);
    Ok((incident, task))
}

/// Says yes to a task's plan by HTTP.
pub(crate) async fn approve(agent: &Agent, task: &Task) -> Result<Accepted> {
    let answer = ApproveRequest {
        approved_by: "Ada".to_owned(),
        notes: "go on".to_owned(),
        plan_hash: Some(task.plan_hash.clone()),
    };
    agent.call_at::<ApproveTask>(task.id, &answer).await
}

/// Waits until a task is over.
pub(crate) async fn wait_for_end(agent: &Agent, task: TaskId) -> Result<Task> {
    agent
        .wait(
            &format!("task {task} to end"),
            SOON,
            || agent.call_at::<GetTask>(task, &Nothing {}),
            |task| task.status.is_final(),
        )
        .await
}

/// Waits until the agent sees all of these containers run.
pub(crate) async fn known(agent: &Agent, containers: &[&Container]) -> Result<()> {
    for container in containers {
        agent
            .wait_for_container(&container.name, "to be known", SOON, |resource| {
                resource.container().is_some_and(|facts| {
                    facts.status == steward_api::ContainerStatus::Running
                        && facts.container_id == container.id
                })
            })
            .await?;
    }
    Ok(())
}

/// Watches for a while that the engine was told to start this container so often and no more.
pub(crate) async fn left_alone(
    events: &EventLog,
    container: &Container,
    restarts: usize,
) -> Result<()> {
    let what = format!("{} restarted {restarts} times", container.name);
    steward_tests::wait::holds(
        &what,
        A_WHILE,
        || async { Ok(events.actions(&container.name)) },
        |actions| actions.iter().filter(|action| *action == "restart").count() == restarts,
    )
    .await
}

/// A port of this machine that nobody uses now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}
