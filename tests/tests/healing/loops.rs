//! What comes back again and again: tried so often as it should be, then left alone with the reason.

use anyhow::{Context as _, Result};
use jiff::SignedDuration;
use steward_api::{Phase, Problem, StepResult, TaskState, Verdict};
use steward_tests::{
    docker::{Health, Workload},
    lab_or_skip,
};

use crate::common::{
    A_WHILE, agent, deeds, healed_once, incident, journal, known, left_alone, strategy,
    wait_for_end, wait_for_incident,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_never_stays_up_is_tried_three_times_with_growing_pauses() -> Result<()> {
    let lab = lab_or_skip!("loop");
    let agent = agent(&lab)
        .set("docker.recovery", "1s")
        .toml(&strategy("container_stopped", 3, "2s"))?
        .start()
        .await?;
    let events = lab.watch().await?;
    let hopeless = lab
        .container("hopeless")
        .workload(&Workload::End {
            code: 3,
            seconds: 0,
        })
        .env("LAST_WORDS", "I can't go on")
        .start()
        .await?;

    let over = |one: &steward_api::Incident| {
        one.tasks.len() == 3
            && one.decision.as_ref().is_some_and(|decision| {
                decision.verdict == Verdict::Withhold && decision.retry_at.is_none()
            })
    };
    let one = wait_for_incident(&agent, &hopeless, "to be given up", over).await?;
    assert_eq!(one.problem, Problem::RestartLoop, "{one:#?}");
    assert_eq!((one.is_active(), one.phase), (true, Phase::Acted));
    let reason = &one.decision.as_ref().context("a decision")?.reason;
    assert!(reason.contains("ended the same way"), "{reason}");
    let diagnosis = &one.diagnoses[0];
    assert_eq!(diagnosis.source, "catalogue:restart-loop");
    assert!(!diagnosis.advice.is_empty());
    for task in &one.tasks {
        let task = wait_for_end(&agent, *task).await?;
        assert_eq!(task.status, TaskState::Failed, "{task:#?}");
        let result = task.result.context("a result")?;
        assert!(result.details.contains("did not help"), "{result:?}");
        assert!(
            task.execution_log
                .iter()
                .any(|entry| entry.action == "restarted_container"),
            "{:#?}",
            task.execution_log
        );
    }

    left_alone(&events, &hopeless, 3).await?;
    assert_eq!(hopeless.state().await?.status, "exited");
    let starts: Vec<_> = events
        .all()
        .into_iter()
        .filter(|event| event.container == hopeless.name && event.action == "restart")
        .map(|event| event.at)
        .collect();
    let gap = |a: usize, b: usize| starts[b].duration_since(starts[a]);
    // A second of verification, then 2 s, then twice that.
    assert!(gap(0, 1) >= SignedDuration::from_millis(2900), "{starts:?}");
    assert!(gap(1, 2) >= SignedDuration::from_millis(4900), "{starts:?}");

    let same = incident(&agent, &hopeless).await?;
    assert_eq!(same.tasks.len(), 3);
    let own = deeds(&journal(&agent).await?);
    assert_eq!(own.len(), 3, "{own:#?}");
    assert!(
        own.iter()
            .all(|deed| matches!(deed.concluded, Some((_, StepResult::NotVerified)))),
        "{own:#?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_runs_for_a_moment_each_time_is_one_incident_that_flaps() -> Result<()> {
    let lab = lab_or_skip!("flaps");
    let agent = agent(&lab)
        .toml(&strategy("container_stopped", 3, "100ms"))?
        .start()
        .await?;
    let events = lab.watch().await?;
    let weak = lab
        .container("weak")
        .workload(&Workload::End {
            code: 1,
            seconds: 4,
        })
        .start()
        .await?;

    let one = wait_for_incident(&agent, &weak, "to be a loop", |one| {
        one.problem == Problem::RestartLoop
            && one
                .decision
                .as_ref()
                .is_some_and(|decision| decision.verdict == Verdict::Withhold)
    })
    .await?;
    assert!(one.flaps >= 1, "{one:#?}");
    left_alone(&events, &weak, 3).await?;
    assert_eq!(weak.state().await?.status, "exited");
    incident(&agent, &weak).await?;
    assert_eq!(deeds(&journal(&agent).await?).len(), 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engines_own_restarts_are_never_interfered_with() -> Result<()> {
    let lab = lab_or_skip!("policy");
    let once = lab.container("once").restart("always").start().await?;
    once.wait_ready().await?;
    let agent = agent(&lab)
        .set("thresholds.restart_policy_grace", "20s")
        .start()
        .await?;
    known(&agent, &[&once]).await?;
    let events = lab.watch().await?;
    let before = once.state().await?;
    once.crash(1).await?;
    let looping = lab
        .container("looping")
        .workload(&Workload::End {
            code: 1,
            seconds: 0,
        })
        .restart("always")
        .start()
        .await?;

    let one = wait_for_incident(&agent, &looping, "to be withheld", |one| {
        one.problem == Problem::RestartLoop && one.decision.is_some()
    })
    .await?;
    let decision = one.decision.as_ref().context("a decision")?;
    assert_eq!(decision.verdict, Verdict::Withhold, "{decision:?}");
    assert!(
        decision.reason.contains("ended the same way"),
        "{decision:?}"
    );
    assert!(one.phase >= Phase::Assessed && !one.diagnoses.is_empty());

    once.wait("to be back", A_WHILE * 4, |now| {
        now.running && now.started_at != before.started_at
    })
    .await?;
    left_alone(&events, &looping, 0).await?;
    let same = incident(&agent, &looping).await?;
    assert!(same.is_active() && same.tasks.is_empty(), "{same:#?}");
    assert!(looping.state().await?.restart_count >= 4);
    // The other one came back by itself, once: that is no incident.
    assert_eq!(agent.incidents().await?.len(), 1);
    assert!(agent.tasks().await?.is_empty());
    assert!(deeds(&journal(&agent).await?).is_empty());
    for one in [&once, &looping] {
        for deed in ["restart", "stop", "kill"] {
            assert_eq!(events.count(&one.name, deed), 0, "{} {deed}", one.name);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ill_container_is_restarted_and_one_that_stays_ill_twice() -> Result<()> {
    let lab = lab_or_skip!("ill");
    let health = Health {
        interval: std::time::Duration::from_millis(500),
        ..Health::default()
    };
    let curable = lab.container("curable").health(&health).start().await?;
    let chronic = lab
        .container("chronic")
        .health(&health)
        .env("CHRONIC", "1")
        .start()
        .await?;
    for one in [&curable, &chronic] {
        one.wait("to be healthy", crate::common::SOON, |now| {
            now.health == "healthy"
        })
        .await?;
    }
    let agent = agent(&lab)
        .set("docker.recovery", "6s")
        .toml(&strategy("container_unhealthy", 2, "1s"))?
        .start()
        .await?;
    known(&agent, &[&curable, &chronic]).await?;
    let events = lab.watch().await?;

    curable.sicken("the queue is stuck").await?;
    chronic.sicken("the licence has lapsed").await?;
    let one = healed_once(&agent, &events, &curable, Problem::ContainerUnhealthy).await?;
    assert!(
        one.diagnoses[0]
            .evidence
            .iter()
            .any(|evidence| evidence.text.contains("the queue is stuck")),
        "{one:#?}"
    );
    assert_eq!(curable.state().await?.health, "healthy");

    let one = wait_for_incident(&agent, &chronic, "to be given up", |one| {
        one.decision
            .as_ref()
            .is_some_and(|decision| decision.guard.as_deref() == Some("exhausted"))
    })
    .await?;
    let decision = one.decision.as_ref().context("a decision")?;
    assert_eq!(decision.verdict, Verdict::Withhold);
    assert!(decision.reason.contains("2 of 2"), "{decision:?}");
    assert_eq!(one.tasks.len(), 2, "{one:#?}");
    left_alone(&events, &chronic, 2).await?;
    let now = chronic.state().await?;
    assert_eq!((now.running, now.health.as_str()), (true, "unhealthy"));
    incident(&agent, &chronic).await?;
    journal(&agent).await?;
    Ok(())
}
