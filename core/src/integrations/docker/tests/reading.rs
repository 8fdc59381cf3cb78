//! What is observed of a real engine: lists, health, ends, events, logs.

use std::time::Duration;

use futures_util::{StreamExt as _, stream::BoxStream};
use steward_api::{
    ContainerHealth, ContainerStatus, DependencyCondition, Facts, Health, Metric, RestartPolicy,
};

use super::support::{Container, World, engine_id, eventually, now, resource_id};
use crate::ports::{
    ContainerSignal, Coverage, Depth, Observation, Signal, Source as _, SourceError,
};

type Signals = BoxStream<'static, Result<Signal, SourceError>>;

fn find<'a>(observation: &'a Observation, container: &Container) -> &'a steward_api::Resource {
    observation
        .resources
        .iter()
        .find(|resource| resource.id == container.resource())
        .unwrap_or_else(|| panic!("{} is not in the reading", container.name))
}

/// The next signals of one container, until `enough` of them.
async fn next_of(signals: &mut Signals, container_id: &str, enough: usize) -> Vec<ContainerSignal> {
    let mut found = Vec::new();
    let collecting = async {
        while found.len() < enough {
            let signal = signals.next().await.unwrap().unwrap();
            if signal.container_id == container_id {
                found.push(signal.kind);
            }
        }
    };
    if tokio::time::timeout(Duration::from_secs(30), collecting)
        .await
        .is_err()
    {
        panic!("only {found:?} within 30 s");
    }
    found
}

#[tokio::test]
async fn a_reading_tells_what_is_there() {
    let Some(world) = World::new() else { return };
    // Its own: another project of the same name on this engine would be a part of it.
    let name = format!("shop-{}", std::process::id());
    let project = format!("--label=com.docker.compose.project={name}");
    let project = project.as_str();
    let db = world.run(
        "db",
        &[project, "--label=com.docker.compose.service=db"],
        "sleep 1000",
    );
    let web = world.run(
        "web",
        &[
            project,
            "--label=com.docker.compose.service=web",
            "--label=com.docker.compose.depends_on=db:service_started:false",
            "--label=steward.critical=true",
            "--label=autoheal=true",
            "--memory=64m",
            "--cpus=0.25",
            "--restart=on-failure:4",
            "--expose=80",
        ],
        "while true; do :; done",
    );
    let failed = world.run("failed", &[], "exit 3");
    let finished = world.run("finished", &[], "exit 0");
    let ignored = world.run("ignored", &["--label=steward.ignore=true"], "sleep 1000");
    eventually("the short ones end", 20, || async {
        let ended = [&failed, &finished]
            .iter()
            .all(|c| c.inspect("{{.State.Status}}") == "exited");
        ended.then_some(())
    })
    .await;

    let first = world.observe().await;
    assert_eq!(first.coverage, Coverage::Complete);
    assert!(first.versions.contains_key("docker"));
    let engine = first
        .resources
        .iter()
        .find(|resource| resource.id == engine_id())
        .unwrap();
    assert_eq!(engine.health, Health::Healthy);
    let Facts::Engine(facts) = &engine.facts else {
        panic!("no engine's facts")
    };
    assert!(facts.api_version.starts_with("1."));

    assert!(
        !first
            .resources
            .iter()
            .any(|resource| resource.id == ignored.resource())
    );
    let (end, clean) = (find(&first, &failed), find(&first, &finished));
    assert_eq!(
        (end.health, end.reason.as_str()),
        (Health::Unhealthy, "exited with code 3")
    );
    assert_eq!(end.container().unwrap().exit_code, Some(3));
    assert_eq!(
        (clean.health, clean.reason.as_str()),
        (Health::Stopped, "exited with code 0")
    );

    let resource = find(&first, &web);
    assert_eq!(resource.health, Health::Healthy);
    assert_eq!(resource.runs_on, Some(engine_id()));
    assert_eq!(resource.depends_on.len(), 1);
    assert_eq!(resource.depends_on[0].on, db.resource());
    assert_eq!(
        resource.depends_on[0].condition,
        DependencyCondition::Started
    );
    let facts = resource.container().unwrap();
    assert_eq!(facts.container_id, web.id);
    assert_eq!(facts.status, ContainerStatus::Running);
    assert_eq!(facts.memory_limit_bytes, Some(64 << 20));
    assert_eq!(facts.cpu_limit_cores, Some(0.25));
    assert_eq!(
        facts.restart_policy,
        RestartPolicy::OnFailure { max_retries: 4 }
    );
    assert!(facts.labels.critical && facts.has_ports && !facts.has_health_check);
    assert_eq!(facts.labels.auto_restart, Some(true));
    assert!(facts.started_at.is_some() && facts.exit_code.is_none());

    // Use: no rate on the first reading, then of its quarter core.
    assert!(!resource.metrics.contains_key(&Metric::CpuPercent));
    assert!(resource.metrics[&Metric::MemoryBytes] > 0.0);
    assert!(resource.metrics[&Metric::MemoryPercent] < 50.0);
    assert!(resource.metrics[&Metric::Processes] >= 1.0);
    assert!(
        !find(&first, &db)
            .metrics
            .contains_key(&Metric::MemoryPercent),
        "it has no limit"
    );
    assert!(end.metrics.is_empty());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let second = world.observe().await;
    let cpu = find(&second, &web).metrics[&Metric::CpuPercent];
    assert!(
        (40.0..=160.0).contains(&cpu),
        "all of its quarter core, not {cpu} %"
    );
    let idle = find(&second, &db).metrics[&Metric::CpuPercent];
    assert!(idle < 20.0, "it sleeps, but used {idle} %");

    // A full reading has disk usage too.
    let full = world.engine.observe(Depth::Full).await.unwrap();
    assert!(full.unreadable.iter().all(|part| part.source == "docker"));
    assert!(find(&full, &web).metrics.contains_key(&Metric::CpuPercent));
    eventually("disk usage", 60, || async {
        let engine = world.engine.read_one(&engine_id()).await.unwrap().unwrap();
        let Facts::Engine(facts) = engine.facts else {
            return None;
        };
        facts.images_bytes.filter(|bytes| *bytes > 0)
    })
    .await;
}

#[tokio::test]
async fn a_container_that_was_removed_is_not_read_any_more() {
    let Some(world) = World::new() else { return };
    let container = world.run("short-lived", &[], "sleep 1000");
    assert_eq!(
        find(&world.observe().await, &container).health,
        Health::Healthy
    );
    // The beginning of an id is no name, though the engine takes it for one.
    let prefix = resource_id(&container.id[..12]);
    assert!(world.engine.read_one(&prefix).await.unwrap().is_none());
    container.cli.must(&["rm", "-f", &container.id]);
    assert!(world.read(&container).await.is_none());
    assert!(
        world
            .engine
            .log_tail(&container.resource(), 5)
            .await
            .unwrap()
            .is_none()
    );
    let after = world.observe().await;
    assert!(
        !after
            .resources
            .iter()
            .any(|resource| resource.id == container.resource())
    );
}

#[tokio::test]
async fn a_restart_between_two_readings_is_seen() {
    let Some(world) = World::new() else { return };
    let container = world.run(
        "restarted",
        &[],
        "trap 'exit 0' TERM; while true; do sleep 0.1; done",
    );
    let before = find(&world.observe().await, &container)
        .container()
        .unwrap()
        .started_at
        .unwrap();
    // Long enough that the list can tell the two runs apart.
    tokio::time::sleep(Duration::from_secs(8)).await;
    container.cli.must(&["restart", "-t", "2", &container.id]);
    let after = eventually("the new start", 30, || async {
        let observation = world.observe().await;
        let started = find(&observation, &container)
            .container()
            .unwrap()
            .started_at
            .unwrap();
        (started > before).then_some(started)
    })
    .await;
    assert!(after > before);
}

#[tokio::test]
async fn health_is_followed_through_its_changes() {
    let Some(world) = World::new() else { return };
    let mut signals = world.engine.watch(None).await.unwrap().unwrap();
    let container = world.run(
        "checked",
        &[
            "--health-cmd=test -f /tmp/ok || { echo token=abcdef123456 nothing there; exit 1; }",
            "--health-interval=1s",
            "--health-retries=2",
            "--health-timeout=5s",
        ],
        "sleep 1000",
    );
    let starting = world.read(&container).await.unwrap();
    assert_eq!(starting.health, Health::Unknown, "{}", starting.reason);
    assert!(starting.reason.contains("has not finished yet"));

    container.exec("touch /tmp/ok");
    eventually("it is healthy", 30, || async {
        let found = world.observe().await;
        (find(&found, &container).health == Health::Healthy).then_some(())
    })
    .await;
    container.exec("rm /tmp/ok");
    let sick = eventually("it is unhealthy", 30, || async {
        let found = world.observe().await;
        let resource = find(&found, &container).clone();
        (resource.health == Health::Unhealthy).then_some(resource)
    })
    .await;
    assert!(
        sick.reason.contains("nothing there") && !sick.reason.contains("abcdef123456"),
        "{}",
        sick.reason
    );
    assert_eq!(sick.container().unwrap().health, ContainerHealth::Unhealthy);

    let told = next_of(&mut signals, &container.id, 4).await;
    assert_eq!(
        told,
        [
            ContainerSignal::Created,
            ContainerSignal::Started,
            ContainerSignal::HealthChanged(ContainerHealth::Healthy),
            ContainerSignal::HealthChanged(ContainerHealth::Unhealthy),
        ]
    );
}

#[tokio::test]
async fn the_events_tell_an_end_from_a_stop_on_purpose() {
    let Some(world) = World::new() else { return };
    let begin = now();
    let mut signals = world.engine.watch(None).await.unwrap().unwrap();
    let ignored = world.run("unseen", &["--label=steward.ignore=true"], "exit 1");
    let crashed = world.run("crashed", &[], "sleep 0.2; exit 7");
    let told = next_of(&mut signals, &crashed.id, 3).await;
    assert_eq!(
        told,
        [
            ContainerSignal::Created,
            ContainerSignal::Started,
            ContainerSignal::Died { exit_code: 7 },
        ]
    );

    let stopped = world.run(
        "stopped",
        &[],
        "trap 'exit 0' TERM; while true; do sleep 0.1; done",
    );
    assert_eq!(next_of(&mut signals, &stopped.id, 2).await.len(), 2);
    // Only once the trap is set does the shell heed the signal.
    tokio::time::sleep(Duration::from_millis(300)).await;
    stopped.cli.must(&["stop", "-t", "10", &stopped.id]);
    assert_eq!(
        next_of(&mut signals, &stopped.id, 3).await,
        [
            ContainerSignal::KillRequested { signal: 15 },
            ContainerSignal::Died { exit_code: 0 },
            ContainerSignal::Stopped,
        ]
    );
    stopped
        .cli
        .must(&["rename", &stopped.id, &format!("{}-renamed", stopped.name)]);
    stopped.cli.must(&["rm", "-f", &stopped.id]);
    assert_eq!(
        next_of(&mut signals, &stopped.id, 2).await,
        [ContainerSignal::Changed, ContainerSignal::Removed]
    );

    // After a gap: all since then is told again, but never an ignored container's.
    drop(signals);
    let mut again = world.engine.watch(Some(begin)).await.unwrap().unwrap();
    let mut ids = Vec::new();
    let replay = async {
        while let Some(Ok(signal)) = again.next().await {
            ids.push(signal.container_id.clone());
            if signal.container_id == stopped.id && signal.kind == ContainerSignal::Removed {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), replay)
        .await
        .unwrap();
    assert!(ids.contains(&crashed.id) && !ids.contains(&ignored.id));

    // Strictly after: the last one seen does not come twice.
    let mut signals = world.engine.watch(Some(begin)).await.unwrap().unwrap();
    let died = loop {
        let signal = signals.next().await.unwrap().unwrap();
        if signal.container_id == crashed.id && matches!(signal.kind, ContainerSignal::Died { .. })
        {
            break signal;
        }
    };
    let mut after = world.engine.watch(Some(died.at)).await.unwrap().unwrap();
    let next = after.next().await.unwrap().unwrap();
    assert!(next.at > died.at);
}

#[tokio::test]
async fn a_kill_for_memory_is_seen() {
    let Some(world) = World::new() else { return };
    let mut signals = world.engine.watch(None).await.unwrap().unwrap();
    let container = world.run(
        "greedy",
        &["--memory=16m", "--memory-swap=16m"],
        "exec tail /dev/zero",
    );
    let mut told = Vec::new();
    let listening = async {
        loop {
            let signal = signals.next().await.unwrap().unwrap();
            if signal.container_id == container.id {
                told.push(signal.kind.clone());
                if matches!(signal.kind, ContainerSignal::Died { .. }) {
                    break;
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), listening)
        .await
        .unwrap();
    assert!(told.contains(&ContainerSignal::OomKilled), "{told:?}");
    assert_eq!(told.last(), Some(&ContainerSignal::Died { exit_code: 137 }));
    let resource = eventually("its end is written", 10, || async {
        world
            .read(&container)
            .await
            .filter(|found| found.health == Health::Unhealthy)
    })
    .await;
    assert!(resource.container().unwrap().oom_killed);
    assert!(
        resource.reason.contains("memory limit"),
        "{}",
        resource.reason
    );
}

#[tokio::test]
async fn a_logs_end_is_read_from_both_streams_and_without_secrets() {
    let Some(world) = World::new() else { return };
    let script = "for i in 1 2 3 4; do echo line $i; done; sleep 1; echo 'login with password=hunter2secret refused' >&2; sleep 1000";
    for options in [&[][..], &["--tty"]] {
        let container = world.run("chatty", options, script);
        let log = eventually("its log", 20, || async {
            let log = world
                .engine
                .log_tail(&container.resource(), 3)
                .await
                .unwrap()
                .unwrap();
            // The engine takes the two streams in side by side, so either may show first.
            let has = |word: &str| log.iter().any(|line| line.contains(word));
            (has("login") && has("line 4")).then_some(log)
        })
        .await;
        assert_eq!(log.len(), 3, "{log:?}");
        assert!(log.contains(&"line 4".to_owned()), "{log:?}");
        assert!(!log.join("\n").contains("hunter2secret"), "{log:?}");
    }
    let silent = world.run("silent", &["--log-driver=none"], "sleep 1000");
    let error = world
        .engine
        .log_tail(&silent.resource(), 3)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("the log of container"),
        "a log that can't be read is not an empty one: {error}"
    );
}

#[tokio::test]
async fn a_log_is_that_of_the_container_which_has_the_name_now() {
    let Some(world) = World::new() else { return };
    let before = world.run("twice", &[], "echo I am the old one; sleep 1000");
    world.observe().await;
    let log = || async {
        let log = world.engine.log_tail(&before.resource(), 3).await.unwrap();
        log.filter(|lines| !lines.is_empty())
    };
    assert_eq!(eventually("its log", 20, log).await, ["I am the old one"]);
    // As Compose does it: the old one is renamed, and a new one takes its name.
    let after = world.run("new", &[], "echo I am the new one; sleep 1000");
    let name = &before.name;
    world.cli.must(&["rename", name, &format!("{name}-old")]);
    world.cli.must(&["rename", &after.name, name]);
    assert_eq!(eventually("its log", 20, log).await, ["I am the new one"]);
    world.cli.must(&["rename", name, &after.name]);
    assert_eq!(
        world.engine.log_tail(&before.resource(), 3).await.unwrap(),
        None,
        "no container has the name any more"
    );
}
