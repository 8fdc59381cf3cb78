//! What holds Steward back though it could act: too many deaths at once, too many restarts.

use anyhow::{Context as _, Result};
use steward_api::{Problem, TaskState, Verdict};
use steward_tests::{agent::Agent, lab_or_skip, skip};

use crate::common::{
    SOON, agent, approve, asked, deeds, done, healed_once, journal, known, left_alone, strategy,
    wait_for_end,
};

#[tokio::test(flavor = "multi_thread")]
async fn many_deaths_at_once_are_a_question_for_a_person() -> Result<()> {
    let lab = lab_or_skip!("mass");
    if !steward_tests::process::is_root() {
        skip!("only root may kill a container's process from the host");
    }
    let all = lab.many(8, &[]).await?;
    // The guard as it is delivered: 5 within 30 s.
    let agent = Agent::for_lab(&lab).start().await?;
    known(&agent, &all.iter().collect::<Vec<_>>()).await?;
    let events = lab.watch().await?;
    let mut states = Vec::new();
    for one in &all {
        states.push(one.state().await?);
    }
    for (one, state) in all.iter().zip(&states) {
        one.kill_main_of(state)?;
    }

    let incidents = agent
        .wait_for_incidents("every death to be decided about", SOON, |incidents| {
            incidents.len() == 8
                && incidents.iter().all(|one| one.decision.is_some())
                && incidents.iter().filter(|one| one.is_active()).all(|one| {
                    one.decision
                        .as_ref()
                        .is_some_and(|d| d.verdict == Verdict::Ask)
                })
        })
        .await?;
    let waiting: Vec<_> = incidents.iter().filter(|one| one.is_active()).collect();
    assert!(waiting.len() >= 4, "{incidents:#?}");
    let mut tasks = Vec::new();
    for one in &waiting {
        let decision = one.decision.as_ref().context("a decision")?;
        assert_eq!(decision.guard.as_deref(), Some("blast_radius"), "{one:#?}");
        assert!(decision.reason.contains("containers ended"), "{decision:?}");
        let container = all
            .iter()
            .find(|container| container.name == one.resource.name)
            .context("one of ours")?;
        let (_, task) = asked(&agent, container).await?;
        assert_eq!(task.status, TaskState::Pending);
        tasks.push((container, task));
    }
    for (container, _) in &tasks {
        assert_eq!(events.count(&container.name, "restart"), 0);
        assert!(!container.state().await?.running);
    }
    left_alone(&events, tasks[0].0, 0).await?;

    // A person's yes is enough for each of them.
    let (container, task) = &tasks[0];
    approve(&agent, task).await?;
    wait_for_end(&agent, task.id).await?;
    done(&agent, task.id).await?;
    assert!(container.state().await?.running);
    let restarted = deeds(&journal(&agent).await?).len();
    assert_eq!(restarted, 8 - waiting.len() + 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_restart_more_than_the_limit_is_asked_for() -> Result<()> {
    let lab = lab_or_skip!("limit");
    let labelled = lab
        .container("labelled")
        .label("steward.max_restarts_per_hour", "1")
        .start()
        .await?;
    let plain = lab.container("plain").start().await?;
    let agent = agent(&lab)
        .set("guards.max_restarts_per_hour", 2)
        .toml(&strategy("container_stopped", 9, "100ms"))?
        .start()
        .await?;
    known(&agent, &[&labelled, &plain]).await?;
    let events = lab.watch().await?;
    for one in [&labelled, &plain] {
        one.wait_ready().await?;
        one.crash(1).await?;
    }
    for one in [&labelled, &plain] {
        healed_once(&agent, &events, one, Problem::ContainerStopped).await?;
    }
    for one in [&labelled, &plain] {
        one.wait_ready().await?;
        one.crash(1).await?;
    }
    let limited =
        |reason: &str, limit: &str| reason.contains("limit is ") && reason.ends_with(limit);
    let (one, task) = asked(&agent, &labelled).await?;
    let decision = one.decision.as_ref().context("a decision")?;
    assert_eq!(decision.guard.as_deref(), Some("rate_limit"), "{one:#?}");
    assert!(limited(&decision.reason, "1"), "{decision:?}");
    assert_eq!((one.flaps, one.is_active()), (1, true));

    // The other one has one left, and then none either.
    let read = || async { Ok(events.count(&plain.name, "restart")) };
    steward_tests::wait::until("the second restart", SOON, read, |seen| *seen == 2).await?;
    crate::common::wait_for_incident(&agent, &plain, "to be over again", |one| !one.is_active())
        .await?;
    plain.wait_ready().await?;
    plain.crash(1).await?;
    let (one, _) = asked(&agent, &plain).await?;
    let decision = one.decision.as_ref().context("a decision")?;
    assert_eq!(decision.guard.as_deref(), Some("rate_limit"), "{one:#?}");
    assert!(limited(&decision.reason, "2"), "{decision:?}");

    left_alone(&events, &labelled, 1).await?;
    left_alone(&events, &plain, 2).await?;
    approve(&agent, &task).await?;
    wait_for_end(&agent, task.id).await?;
    done(&agent, task.id).await?;
    assert!(labelled.state().await?.running);
    journal(&agent).await?;
    Ok(())
}
