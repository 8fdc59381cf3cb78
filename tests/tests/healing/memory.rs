//! Deaths for memory: restarted at first; when they come back a person is asked for a higher limit, which then really is one.

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use steward_api::{ActionName, Problem, ResolutionKind, Risk, StepResult, Task, Verdict};
use steward_tests::{
    agent::Agent,
    docker::{Container, Workload},
    lab_or_skip,
};

use crate::common::{
    SOON, agent, approve, asked, deeds, done, incident, journal, known, left_alone, logged,
    strategy, wait_for_end, wait_for_incident,
};

const MIB: i64 = 1024 * 1024;

/// The question for a higher limit: medium risk, with its plan and its undo.
async fn question(agent: &Agent, container: &Container) -> Result<Task> {
    let (one, task) = asked(agent, container).await?;
    assert_eq!(one.problem, Problem::OomKilled, "{one:#?}");
    assert_eq!(one.diagnoses[0].source, "catalogue:oom-killed");
    assert!(one.diagnoses[0].diagnosis.contains("32 MiB"), "{one:#?}");
    let step = &task.plan.steps()[0];
    assert_eq!(step.action.name(), ActionName::SetLimits, "{task:#?}");
    assert_eq!(task.risk, Risk::Medium);
    assert!(matches!(step.undo, steward_api::Undo::Action { .. }));
    Ok(task)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_needs_more_than_its_limit_gets_it_when_a_person_agrees() -> Result<()> {
    let lab = lab_or_skip!("oom");
    let agent = agent(&lab)
        .toml(&strategy("container_stopped", 3, "100ms"))?
        .start()
        .await?;
    let events = lab.watch().await?;
    // Two seconds after each start it fills a buffer of 50 MiB at one stroke and keeps it: too much for 32 MiB, and fine with 64.
    let fill = "sleep 2; mkfifo /ctl/f; sleep 100000 < /ctl/f & exec dd if=/dev/zero of=/ctl/f bs=52428800";
    let hungry = lab
        .container("hungry")
        .workload(&Workload::Command(vec![
            "/bin/sh".into(),
            "-c".into(),
            fill.into(),
        ]))
        .memory(32 * MIB)
        .start()
        .await?;

    // The first time a restart is tried …
    let one = wait_for_incident(&agent, &hungry, "to be there", |_| true).await?;
    assert_eq!(one.problem, Problem::OomKilled, "{one:#?}");
    // … the second time a person is asked, and until then nothing more is done.
    let last = |task: &Task| task.plan.steps().last().map(|step| step.action.name());
    agent
        .wait_for_tasks("the question about a dead container", SOON, |all| {
            all.iter().any(|task| {
                !task.status.is_final()
                    && task.plan.steps().len() == 2
                    && last(task) == Some(ActionName::RestartContainer)
            })
        })
        .await?;
    let task = question(&agent, &hungry).await?;
    left_alone(&events, &hungry, 1).await?;
    let dead = hungry.state().await?;
    assert_eq!((dead.running, dead.memory), (false, 32 * MIB), "{dead:?}");

    assert!(approve(&agent, &task).await?.success);
    wait_for_end(&agent, task.id).await?;
    let task = done(&agent, task.id).await?;
    assert_eq!(
        logged(
            &task,
            &[
                "approved",
                "set_limits",
                "restarted_container",
                "verified_health"
            ]
        ),
        4,
        "{:#?}",
        task.execution_log
    );
    assert_eq!(
        task.approval.as_ref().map(|answer| answer.by.as_str()),
        Some("Ada")
    );
    let now = hungry.state().await?;
    assert_eq!((now.running, now.memory), (true, 64 * MIB), "{now:?}");
    // It fills its buffer again, and lives.
    left_alone(&events, &hungry, 2).await?;
    assert!(hungry.state().await?.running);
    wait_for_incident(&agent, &hungry, "to be over", |one| !one.is_active()).await?;
    let one = incident(&agent, &hungry).await?;
    assert!(one.flaps >= 1, "{one:#?}");
    assert_eq!(
        one.resolution.map(|end| end.kind),
        Some(ResolutionKind::Healed)
    );
    let own = deeds(&journal(&agent).await?);
    let actions: Vec<_> = own.iter().map(|deed| deed.action).collect();
    assert_eq!(
        actions,
        [
            ActionName::RestartContainer,
            ActionName::SetLimits,
            ActionName::RestartContainer
        ]
    );
    assert!(
        own.iter()
            .all(|deed| matches!(deed.concluded, Some((_, StepResult::Succeeded)))),
        "{own:#?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_raised_live_while_the_container_runs() -> Result<()> {
    let lab = lab_or_skip!("oomlive");
    // A child of it grows too large whenever a file says so; the container itself goes on.
    let serve = "trap 'exit 0' TERM; echo ready > /ctl/ready; while :; do [ ! -e /ctl/grow ] || { rm /ctl/grow; (tail /dev/zero); }; sleep 0.2; done";
    let parent = lab
        .container("parent")
        .workload(&Workload::Command(vec![
            "/bin/sh".into(),
            "-c".into(),
            serve.into(),
        ]))
        .memory(32 * MIB)
        .start()
        .await?;
    parent.wait_ready().await?;
    let agent = agent(&lab).set("autonomy.level", "ask").start().await?;
    known(&agent, &[&parent]).await?;
    let events = lab.watch().await?;
    let before = parent.state().await?;

    for title in ["a process in", "2 times within an hour"] {
        // Kills of one moment count as one: the next comes a good while after the last.
        let last = || {
            let all = events.all();
            let kills = all.iter().rev().find(|event| event.action == "oom");
            kills.map(|event| event.at)
        };
        let read = || async { Ok(last()) };
        steward_tests::wait::until("a quiet moment", SOON, read, |last| {
            last.is_none_or(|at| Timestamp::now().duration_since(at).as_secs() > 5)
        })
        .await?;
        parent.run("touch /ctl/grow").await?;
        wait_for_incident(&agent, &parent, "to count the kill", |one| {
            one.title.contains(title)
        })
        .await?;
    }
    let one = wait_for_incident(&agent, &parent, "to ask for a limit", |one| {
        one.decision
            .as_ref()
            .is_some_and(|decision| decision.verdict == Verdict::Ask)
            && one.title.contains("2 times")
    })
    .await?;
    assert!(one.is_active());
    let wanted = |all: &Vec<Task>| {
        all.iter().any(|task| {
            !task.status.is_final() && task.plan.steps()[0].action.name() == ActionName::SetLimits
        })
    };
    agent
        .wait_for_tasks("the question for a limit", SOON, wanted)
        .await?;
    let task = question(&agent, &parent).await?;
    assert_eq!(task.plan.steps().len(), 1, "it runs: no restart is needed");
    approve(&agent, &task).await?;
    wait_for_end(&agent, task.id).await?;
    let task = done(&agent, task.id).await?;
    assert_eq!(logged(&task, &["set_limits"]), 1, "{task:#?}");
    let now = parent.state().await?;
    assert_eq!(now.memory, 64 * MIB);
    assert_eq!(
        (now.running, &now.started_at),
        (true, &before.started_at),
        "it was changed live"
    );
    assert_eq!(events.count(&parent.name, "restart"), 0);
    let one = wait_for_incident(&agent, &parent, "to be over", |one| !one.is_active()).await?;
    assert_eq!(
        one.resolution.map(|end| end.kind),
        Some(ResolutionKind::Healed)
    );
    let own = deeds(&journal(&agent).await?);
    assert_eq!(own.len(), 1, "{own:#?}");
    own[0].concluded.context("an outcome")?;
    Ok(())
}
