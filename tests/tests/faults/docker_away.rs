//! Docker goes away and comes back, or was never there.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use steward_api::{
    GetStatus, GetSystemSummary, Health, Incident, ListResources, Nothing, Problem, ResolutionKind,
    ResourceKind, ResourceQuery, Severity, StatusReply,
};
use steward_tests::{
    agent::Agent,
    docker::{PrivateDaemon, Workload},
    skip,
};

use crate::account::{SOON, check_journal, deeds, wait_until_idle};

macro_rules! daemon_or_skip {
    () => {
        match PrivateDaemon::start().await? {
            Ok(daemon) => daemon,
            Err(reason) => skip!("{reason}"),
        }
    };
}

fn outage(all: &[Incident]) -> Option<&Incident> {
    all.iter()
        .find(|one| one.problem == Problem::DockerUnreachable)
}

async fn docker_of(agent: &Agent) -> Result<steward_api::SourceStatus> {
    let status: StatusReply = agent.call::<GetStatus>(&Nothing {}).await?;
    let found = status.sources.into_iter().find(|one| one.name == "docker");
    found.context("no source named docker")
}

/// While the engine is away nothing is green, one incident owns it all, and nothing is done.
async fn check_outage(agent: &Agent, containers: &[&str]) -> Result<()> {
    let all = agent
        .wait_for_incidents("the outage", SOON, |all| {
            outage(all).is_some_and(|one| {
                containers
                    .iter()
                    .all(|name| one.affected.iter().any(|id| id.name == *name))
            })
        })
        .await?;
    let found = outage(&all).context("it was just there")?;
    assert_eq!(found.severity, Severity::Critical);
    assert_eq!(found.resource.kind, ResourceKind::Engine);
    assert_eq!(
        all.iter().filter(|one| one.is_active()).count(),
        1,
        "one cause, one incident: {all:#?}"
    );
    let unknown = |resource: &steward_api::Resource| resource.health == Health::Unknown;
    for name in containers {
        agent
            .wait_for_container(name, "to be unknown", SOON, unknown)
            .await?;
    }
    let summary = agent.call::<GetSystemSummary>(&Nothing {}).await?;
    assert!(
        summary
            .container_health
            .is_none_or(|counts| counts.healthy == 0),
        "{summary:?}"
    );
    // The incident is in the journal a moment before the picture of everything is put up.
    let is_down = |docker: &steward_api::SourceStatus| docker.up == Some(false);
    let docker = agent
        .wait("docker to be down", SOON, || docker_of(agent), is_down)
        .await?;
    assert!(docker.error.is_some_and(|error| !error.is_empty()));
    assert_eq!(
        agent
            .metric(r#"steward_source_up{source="docker"}"#)
            .await?,
        Some(0.0)
    );
    // A person who asks for a heal now is told why not.
    let refused = agent
        .try_call_at::<steward_api::HealContainer>(containers[0], &Nothing {})
        .await?
        .expect_err("nobody can heal it now");
    assert_eq!(refused.status, 503, "{refused:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_and_comes_back_without_one_of_its_containers() -> Result<()> {
    let mut daemon = daemon_or_skip!();
    let lab = daemon.lab("away").await?;
    // The engine brings the one back by itself; the other was running, too, and nobody stopped it.
    let back = lab.container("back").restart("always").start().await?;
    let left = lab.container("left").serve().start().await?;
    let stopped = lab.container("stopped").serve().start().await?;
    for one in [&back, &left, &stopped] {
        one.wait_ready().await?;
    }
    let agent = Agent::for_host(&daemon.host()).start().await?;
    for one in [&back, &left, &stopped] {
        let well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
        agent
            .wait_for_container(&one.name, "to be known", SOON, well)
            .await?;
    }
    stopped.stop().await?;
    let is_stopped = |resource: &steward_api::Resource| resource.health == Health::Stopped;
    agent
        .wait_for_container(&stopped.name, "to be stopped", SOON, is_stopped)
        .await?;
    // An engine that shuts down stops its containers, too: those that it stopped come back with it, this one does not. They are told
    // apart by when they were asked to end, so there is more than a second in between.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = left.state().await?;

    daemon.stop().await?;
    check_outage(&agent, &[&back.name, &left.name]).await?;
    assert!(deeds(&check_journal(&agent).await?)?.is_empty());

    daemon.start_again().await?;
    let all = agent
        .wait_for_incidents("the outage to be over", SOON, |all| {
            outage(all).is_some_and(|one| !one.is_active())
        })
        .await?;
    let over = outage(&all).and_then(|one| one.resolution.clone());
    assert_eq!(over.map(|end| end.kind), Some(ResolutionKind::Recovered));
    left.wait("to be brought back", SOON, |now| {
        now.running && now.started_at != before.started_at
    })
    .await?;
    back.wait("to be back", SOON, |now| now.running).await?;
    wait_until_idle(&agent).await?;
    agent
        .wait_for_incidents("all to be over", SOON, |all| {
            all.iter().all(|one| !one.is_active())
        })
        .await?;
    let done = deeds(&check_journal(&agent).await?)?;
    let touched: Vec<_> = done.iter().map(|deed| deed.resource.as_str()).collect();
    assert_eq!(touched, [left.name.as_str()], "{done:?}");
    assert!(!stopped.state().await?.running, "a person had stopped it");
    assert_eq!(docker_of(&agent).await?.up, Some(true));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_crashes_and_its_containers_live_on() -> Result<()> {
    let mut daemon = daemon_or_skip!();
    let lab = daemon.lab("crash").await?;
    let web = lab
        .container("web")
        .restart("unless-stopped")
        .start()
        .await?;
    web.wait_ready().await?;
    let agent = Agent::for_host(&daemon.host()).start().await?;
    let well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
    agent
        .wait_for_container(&web.name, "to be well", SOON, well)
        .await?;
    daemon.kill_9().await?;
    check_outage(&agent, &[&web.name]).await?;
    daemon.start_again().await?;
    agent
        .wait_for_incidents("the outage to be over", SOON, |all| {
            outage(all).is_some_and(|one| !one.is_active())
        })
        .await?;
    // Docker itself stops what a crash of its own has left running, and may take that for a person's wish: it stays down.
    web.wait("to run", SOON, |now| now.running).await?;
    agent
        .wait_for_container(&web.name, "to be well again", SOON, well)
        .await?;
    check_journal(&agent).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_hangs_and_goes_on() -> Result<()> {
    let mut daemon = daemon_or_skip!();
    let lab = daemon.lab("hang").await?;
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let agent = Agent::for_host(&daemon.host()).start().await?;
    let well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
    agent
        .wait_for_container(&web.name, "to be well", SOON, well)
        .await?;
    let before = web.state().await?;
    daemon.freeze()?;
    // A hang is told from silence alone, so it takes as long as two readings may.
    let patience = Duration::from_secs(150);
    agent
        .wait_for_incidents("the outage", patience, |all| outage(all).is_some())
        .await?;
    let unknown = |resource: &steward_api::Resource| resource.health == Health::Unknown;
    agent
        .wait_for_container(&web.name, "to be unknown", SOON, unknown)
        .await?;
    // The agent itself goes on answering at once.
    let begin = std::time::Instant::now();
    agent.call::<GetStatus>(&Nothing {}).await?;
    assert!(begin.elapsed() < Duration::from_secs(5));
    daemon.thaw()?;
    agent
        .wait_for_incidents("the outage to be over", SOON, |all| {
            outage(all).is_some_and(|one| !one.is_active())
        })
        .await?;
    agent
        .wait_for_container(&web.name, "to be well again", SOON, well)
        .await?;
    let now = web.state().await?;
    assert_eq!(now.started_at, before.started_at, "nobody touched it");
    assert!(deeds(&check_journal(&agent).await?)?.is_empty());
    // And it is watched again: its next death is healed.
    web.crash(1).await?;
    web.wait("to be healed", SOON, |now| now.running).await?;
    wait_until_idle(&agent).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_there_at_the_start_and_comes_later() -> Result<()> {
    let mut daemon = daemon_or_skip!();
    let lab = daemon.lab("late").await?;
    let web = lab.container("web").restart("always").start().await?;
    web.wait_ready().await?;
    let crashing = lab
        .container("crashing")
        .workload(&Workload::End {
            code: 3,
            seconds: 0,
        })
        .create()
        .await?;
    daemon.stop().await?;

    let agent = Agent::for_host(&daemon.host()).start().await?;
    // Where there is no Docker, nothing is broken: it is said what is missing, and nobody is asked to restart it.
    let docker = || docker_of(&agent);
    let is_down = |docker: &steward_api::SourceStatus| docker.up == Some(false);
    let docker = steward_tests::wait::until("the absence", SOON, docker, is_down).await?;
    let socket = daemon.host().replace("unix://", "");
    let words = docker.error.context("it says nothing")?;
    assert!(words.contains(&socket), "which engine is missing: {words}");
    let shown = agent.cli(&["status"]).await?;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    ensure!(shown.status.success(), "{shown:?}");
    assert!(
        text.contains("docker") && text.contains("docker.sock"),
        "{text}"
    );
    let summary = agent.call::<GetSystemSummary>(&Nothing {}).await?;
    assert_eq!(summary.container_health, None, "not read is not zero");
    let engines = ResourceQuery {
        kind: Some(ResourceKind::Engine),
        ..Default::default()
    };
    let engines = agent.call::<ListResources>(&engines).await?.resources;
    let engine = engines.first().context("the engine is not shown")?;
    assert_eq!(engine.health, Health::Unknown, "{engine:?}");
    assert!(engine.reason.contains("apt-get install"), "{engine:?}");
    assert_eq!(agent.incidents().await?, [], "nothing is broken");

    daemon.start_again().await?;
    let well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
    agent
        .wait_for_container(&web.name, "to be found", SOON, well)
        .await?;
    assert!(agent.incidents().await?.iter().all(|one| !one.is_active()));
    assert!(!crashing.state().await?.running);
    web.crash(1).await?;
    web.wait("to run again", SOON, |now| now.running).await?;
    check_journal(&agent).await?;
    Ok(())
}
