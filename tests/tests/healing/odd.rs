//! Odd days: a container that vanishes under the doctor's hands, and remedies of the operator's own.

use std::time::Duration;

use anyhow::{Context as _, Result};
use steward_api::{ActionName, Problem, ResolutionKind, StepResult, TaskState};
use steward_tests::{docker::Health, lab_or_skip};

use crate::common::{
    SOON, agent, deeds, done, healed_once, incident, journal, known, left_alone, logged,
    wait_for_end, wait_for_incident,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_removed_while_it_is_healed_ends_its_incident_truthfully() -> Result<()>
{
    let lab = lab_or_skip!("vanish");
    // Its health check takes its time, so that its healing is under way for long.
    let slow = Health {
        interval: Duration::from_secs(20),
        ..Health::default()
    };
    let vanishing = lab.container("vanishing").health(&slow).start().await?;
    let other = lab.container("other").start().await?;
    let agent = agent(&lab).set("docker.recovery", "60s").start().await?;
    known(&agent, &[&vanishing, &other]).await?;
    let events = lab.watch().await?;
    vanishing.wait_ready().await?;
    vanishing.crash(1).await?;
    let one = wait_for_incident(&agent, &vanishing, "to be worked on", |one| {
        !one.tasks.is_empty()
    })
    .await?;
    events
        .wait("the restart", SOON, |event| {
            event.container == vanishing.name && event.action == "restart"
        })
        .await?;
    vanishing.remove().await?;

    let task = wait_for_end(&agent, one.tasks[0]).await?;
    assert_eq!(task.status, TaskState::Failed, "{task:#?}");
    let result = task.result.context("a result")?;
    assert!(
        !result.success && result.details.contains("gone"),
        "{result:?}"
    );
    let one = wait_for_incident(&agent, &vanishing, "to be over", |one| !one.is_active()).await?;
    assert_eq!(
        one.resolution.as_ref().map(|end| end.kind),
        Some(ResolutionKind::Gone),
        "{one:#?}"
    );
    assert_eq!(one.tasks.len(), 1);
    incident(&agent, &vanishing).await?;

    // The agent goes on.
    other.wait_ready().await?;
    other.crash(1).await?;
    healed_once(&agent, &events, &other, Problem::ContainerStopped).await?;
    assert!(!agent.output().contains("panicked"), "{}", agent.output());
    let own = deeds(&journal(&agent).await?);
    assert_eq!(
        own.iter()
            .filter(|deed| deed.container == vanishing.name)
            .filter_map(|deed| deed.concluded)
            .map(|(_, result)| result)
            .collect::<Vec<_>>(),
        [StepResult::NotVerified]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_own_strategy_and_script_are_followed() -> Result<()> {
    let lab = lab_or_skip!("own");
    let note = tempfile::tempdir()?;
    let file = note.path().join("note");
    let settings = format!(
        r#"
[strategies]
container_stopped = [{{ action = "start_container", attempts = 1 }}]
container_unhealthy = [{{ action = "run_script", script = "note", attempts = 1 }}]
[scripts.note]
command = ["/bin/sh", "-c", "echo \"$# $HOME\" >> {}"]
risk = "low"
"#,
        file.display()
    );
    let stopping = lab.container("stopping").start().await?;
    let ill = lab
        .container("ill")
        .health(&Health::default())
        .env("CHRONIC", "1")
        .start()
        .await?;
    ill.wait("to be healthy", SOON, |now| now.health == "healthy")
        .await?;
    let agent = agent(&lab).toml(&settings)?.start().await?;
    known(&agent, &[&stopping, &ill]).await?;
    let events = lab.watch().await?;

    stopping.wait_ready().await?;
    stopping.crash(1).await?;
    let one = wait_for_incident(&agent, &stopping, "to be over", |one| !one.is_active()).await?;
    assert_eq!(
        one.resolution.as_ref().map(|end| end.kind),
        Some(ResolutionKind::Healed)
    );
    let task = done(&agent, one.tasks[0]).await?;
    assert_eq!(
        logged(&task, &["started_container", "verified_health"]),
        2,
        "{task:#?}"
    );
    assert_eq!(events.count(&stopping.name, "start"), 1);
    assert_eq!(events.count(&stopping.name, "restart"), 0);

    // This script mends nothing: that is seen, for a script's word is not enough. The strategy knows nothing else, so it is left at that.
    ill.sicken("told so").await?;
    let one = wait_for_incident(&agent, &ill, "to be given up", |one| {
        one.decision
            .as_ref()
            .is_some_and(|decision| decision.guard.as_deref() == Some("exhausted"))
    })
    .await?;
    assert_eq!(
        (one.problem, one.is_active()),
        (Problem::ContainerUnhealthy, true)
    );
    assert_eq!(one.tasks.len(), 1, "{one:#?}");
    let task = wait_for_end(&agent, one.tasks[0]).await?;
    assert_eq!(task.status, TaskState::Failed, "{task:#?}");
    assert_eq!(
        logged(&task, &["ran_script", "not_verified"]),
        2,
        "{task:#?}"
    );
    let result = task.result.context("a result")?;
    assert!(result.details.contains("told so"), "{result:?}");
    assert_eq!(
        std::fs::read_to_string(&file)?,
        "0 \n",
        "no arguments, no environment, once"
    );
    left_alone(&events, &ill, 0).await?;

    let own: Vec<_> = deeds(&journal(&agent).await?)
        .into_iter()
        .map(|deed| deed.action)
        .collect();
    assert_eq!(own, [ActionName::StartContainer, ActionName::RunScript]);
    Ok(())
}
