//! `kill -9` of the agent at the worst instants of an action.

use std::time::Duration;

use anyhow::{Result, ensure};
use steward_api::{Event, StepResult, TaskChange, TaskState};
use steward_tests::{
    agent::{Agent, Builder},
    docker::{Container, Health, Lab, Workload},
    lab_or_skip,
};

use crate::account::{
    SOON, check_journal, check_restarts, deeds, wait_until_idle, wait_until_quiet, was_done,
};

/// Settings under which a test may have many restarts within a minute.
fn eager(lab: &Lab) -> Builder {
    Agent::for_lab(lab)
        .set("guards.max_restarts_per_hour", 60)
        .set("guards.max_failures_in_a_row", 100)
        .set("guards.blast_radius", 1000)
        .toml(
            r#"[strategies]
            container_stopped = [{ action = "restart_container", attempts = 20, back_off = "1s" }]
            container_unhealthy = [{ action = "restart_container", attempts = 20, back_off = "1s" }]"#,
        )
        .expect("it is TOML")
}

/// A service that never heeds SIGTERM: its restart takes all of the grace time.
async fn stubborn(lab: &Lab) -> Result<Container> {
    let script =
        "rm -f /ctl/sick; trap '' TERM; echo ready > /ctl/ready; while :; do sleep 1; done";
    let words = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    let container = lab
        .container("stubborn")
        .workload(&Workload::Command(words))
        .health(&Health::default())
        .start()
        .await?;
    container.wait_ready().await?;
    Ok(container)
}

#[tokio::test(flavor = "multi_thread")]
async fn right_after_the_intent_was_journaled() -> Result<()> {
    let lab = lab_or_skip!("kill-intent");
    let web = lab.container("web").serve().start().await?;
    let engine = lab.watch().await?;
    let mut agent = eager(&lab).start().await?;
    agent
        .wait_for_container(&web.name, "to be known", SOON, |_| true)
        .await?;
    for round in 0..3 {
        web.wait_ready().await?;
        let from = check_journal(&agent)
            .await?
            .last()
            .map_or(0, |last| last.seq);
        let stream = agent.events(Some(from)).await?;
        web.crash(1).await?;
        let intent = stream
            .wait("the intent", SOON, |entry| {
                matches!(entry.event, Event::ActionIntended { .. })
            })
            .await?;
        agent.kill_9().await?;
        agent.start_again().await?;
        web.wait("to run again", SOON, |now| now.running).await?;
        wait_until_idle(&agent).await?;
        wait_until_quiet(&agent).await?;

        let entries = agent.journal(0).await?;
        ensure!(
            entries.contains(&intent.envelope),
            "round {round}: the intent was seen and is not in the journal any more"
        );
        check_restarts(&agent, &engine, &web.name).await?;
    }
    // Each death was answered by one restart, whatever died in between.
    assert_eq!(engine.count(&web.name, "die"), 3);
    assert_eq!(engine.count(&web.name, "restart"), 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_docker_still_stops_the_container() -> Result<()> {
    let lab = lab_or_skip!("kill-grace");
    let slow = stubborn(&lab).await?;
    let engine = lab.watch().await?;
    let mut agent = eager(&lab).set("docker.grace", "12s").start().await?;
    agent
        .wait_for_container(&slow.name, "to be known", SOON, |_| true)
        .await?;
    slow.sicken("it answers nothing").await?;
    engine
        .wait("Docker to begin the stop", SOON, |event| {
            event.container == slow.name && event.action == "kill"
        })
        .await?;
    agent.kill_9().await?;
    // Docker goes on without the agent: its successor comes while the old process still runs.
    agent.start_again().await?;
    let task = agent.tasks().await?.remove(0);
    ensure!(
        engine.count(&slow.name, "restart") == 0,
        "this machine is too slow for the test: the restart was over before the agent was back"
    );
    let ended = agent
        .wait_for_tasks("the task to be over", SOON, |tasks| {
            tasks
                .iter()
                .any(|one| one.id == task.id && one.status.is_final())
        })
        .await?;
    let ended = ended
        .into_iter()
        .find(|one| one.id == task.id)
        .expect("it was just seen");
    let words = ended.result.clone().map(|result| result.details);
    assert_eq!(ended.status, TaskState::Completed, "{words:?}");
    assert!(
        words
            .as_ref()
            .is_some_and(|words| words.contains("the world shows that it was done")),
        "{words:?}"
    );
    wait_until_quiet(&agent).await?;
    let check = || async { Ok(engine.count(&slow.name, "restart")) };
    steward_tests::wait::holds("one restart", Duration::from_secs(4), check, |n| *n == 1).await?;
    assert_eq!(check_restarts(&agent, &engine, &slow.name).await?, 1);
    assert_eq!(
        agent.tasks().await?.len(),
        1,
        "nothing was to be done a second time"
    );
    let incidents = agent.incidents().await?;
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_effect_is_verified() -> Result<()> {
    let lab = lab_or_skip!("kill-verify");
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let engine = lab.watch().await?;
    let mut agent = eager(&lab)
        .set("docker.stabilisation", "6s")
        .set("docker.recovery", "30s")
        .start()
        .await?;
    agent
        .wait_for_container(&web.name, "to be known", SOON, |_| true)
        .await?;
    let stream = agent.events(None).await?;
    web.crash(1).await?;
    stream
        .wait("the restart to be done", SOON, |entry| {
            matches!(&entry.event, Event::TaskChanged { change: TaskChange::Progressed, task }
                if task.execution_log.iter().any(|line| line.action == "restarted_container"))
        })
        .await?;
    agent.kill_9().await?;
    agent.start_again().await?;
    let tasks = wait_until_idle(&agent).await?;
    assert_eq!(tasks.len(), 1, "{tasks:#?}");
    assert_eq!(
        tasks[0].status,
        TaskState::Completed,
        "{:?}",
        tasks[0].result
    );
    wait_until_quiet(&agent).await?;
    let deeds = deeds(&check_journal(&agent).await?)?;
    assert_eq!(deeds.len(), 1, "{deeds:?}");
    assert_eq!(
        deeds[0].concluded.map(|(_, result)| result),
        Some(StepResult::Succeeded)
    );
    assert_eq!(check_restarts(&agent, &engine, &web.name).await?, 1);
    Ok(())
}

/// It is restarted, falls ill while nobody watches, and the restart must not be said to have helped.
#[tokio::test(flavor = "multi_thread")]
async fn and_it_fails_again_while_nobody_watches() -> Result<()> {
    let lab = lab_or_skip!("kill-relapse");
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let engine = lab.watch().await?;
    let mut agent = eager(&lab)
        .set("docker.stabilisation", "8s")
        .set("docker.recovery", "10s")
        .start()
        .await?;
    agent
        .wait_for_container(&web.name, "to be known", SOON, |_| true)
        .await?;
    web.crash(1).await?;
    web.wait("to run again", SOON, |now| now.running).await?;
    engine
        .wait("the restart", SOON, |event| event.action == "restart")
        .await?;
    agent.kill_9().await?;
    web.wait_ready().await?;
    web.crash(1).await?;
    agent.start_again().await?;
    let tasks = agent
        .wait_for_tasks("the first task to be over", SOON, |tasks| {
            tasks.last().is_some_and(|task| task.status.is_final())
        })
        .await?;
    let first = tasks.last().expect("there is one");
    assert_eq!(first.status, TaskState::Failed, "{:?}", first.result);
    // It was a new fault, and is healed by a task of its own.
    web.wait("to run again", SOON, |now| now.running).await?;
    wait_until_idle(&agent).await?;
    wait_until_quiet(&agent).await?;
    assert_eq!(check_restarts(&agent, &engine, &web.name).await?, 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn again_and_again_while_containers_die() -> Result<()> {
    let lab = lab_or_skip!("kill-loop");
    let engine = lab.watch().await?;
    let mut all = Vec::new();
    for name in ["a", "b", "c"] {
        all.push(lab.container(name).serve().start().await?);
    }
    let mut agent = eager(&lab).start().await?;
    for one in &all {
        agent
            .wait_for_container(&one.name, "to be known", SOON, |_| true)
            .await?;
    }
    let mut seen = 0;
    for round in 0..5u64 {
        for one in &all {
            one.wait("to run", SOON, |now| now.running).await?;
            one.wait_ready().await?;
        }
        let last = agent.journal(seen).await?;
        seen = last.last().map_or(seen, |last| last.seq);
        for one in &all {
            one.crash(1).await?;
        }
        // Another instant each time, from before the first intent to the middle of the verification.
        let begin = std::time::Instant::now();
        let instant = Duration::from_millis(round * round * 60);
        steward_tests::wait::until(
            "the instant",
            SOON,
            || async { Ok(begin.elapsed()) },
            |now| *now >= instant,
        )
        .await?;
        agent.kill_9().await?;
        agent.start_again().await?;
        let after = agent.journal(0).await?;
        ensure!(
            last.iter().all(|entry| after.contains(entry)),
            "round {round}: something journaled is gone"
        );
    }
    for one in &all {
        one.wait("to run", SOON, |now| now.running).await?;
    }
    wait_until_idle(&agent).await?;
    for one in &all {
        let restarts = check_restarts(&agent, &engine, &one.name).await?;
        assert_eq!(
            restarts,
            engine.count(&one.name, "die"),
            "one restart for one death of {}: {:?}",
            one.name,
            engine.actions(&one.name)
        );
    }
    let tasks = agent.tasks().await?;
    let deeds = deeds(&check_journal(&agent).await?)?;
    for task in &tasks {
        let own = deeds.iter().filter(|deed| deed.task == task.id);
        let done = own
            .filter_map(|deed| deed.concluded)
            .filter(|(_, result)| was_done(*result))
            .count();
        // What a task says of itself is what its deeds say.
        if task.status == TaskState::Completed {
            assert_eq!(done, 1, "{task:#?}");
        }
    }
    Ok(())
}
