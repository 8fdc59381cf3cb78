//! The simulated engine against the client that Steward uses for real ones: it answers as they do, fails as it is told and forgets nothing.

use std::{collections::HashMap, time::Duration};

use anyhow::Result;
use bollard::{
    Docker,
    models::ContainerUpdateBody,
    query_parameters::{
        EventsOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
        LogsOptionsBuilder, RestartContainerOptionsBuilder, StatsOptionsBuilder,
    },
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use steward_tests::{
    docker::connect,
    sim::{Command, Mood, Sim, now_ns},
};

const SOON: Duration = Duration::from_secs(10);

async fn inspect(docker: &Docker, name: &str) -> Result<bollard::models::ContainerInspectResponse> {
    Ok(docker
        .inspect_container(name, None::<InspectContainerOptions>)
        .await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_as_a_real_engine_does() -> Result<()> {
    let sim = Sim::start(200).await?;
    let docker = connect(&sim.host()).await?;
    assert_eq!(docker.client_version().minor_version, 41);
    assert_eq!(docker.ping().await?, "OK");
    assert_eq!(docker.info().await?.containers_running, Some(200));
    assert!(
        docker
            .df(None::<bollard::query_parameters::DataUsageOptions>)
            .await
            .is_ok()
    );

    let filters = HashMap::from([("label", vec!["steward.test=sim".to_owned()])]);
    let list = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let listed = docker.list_containers(Some(list)).await?;
    assert_eq!(listed.len(), 200);
    let first = listed[7].id.clone().unwrap_or_default();
    let other = HashMap::from([("label", vec!["steward.test=other".to_owned()])]);
    let list = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&other)
        .build();
    assert!(docker.list_containers(Some(list)).await?.is_empty());

    let seven = inspect(&docker, &first).await?;
    assert_eq!(seven.name.as_deref(), Some("/sim-00007"));
    assert_eq!(seven.state.and_then(|state| state.running), Some(true));

    let stats = StatsOptionsBuilder::new()
        .stream(false)
        .one_shot(true)
        .build();
    let read = docker
        .stats(&first, Some(stats))
        .try_collect::<Vec<_>>()
        .await?;
    let memory = read[0].memory_stats.clone().unwrap_or_default();
    assert_eq!(memory.limit, Some(268_435_456));
    let logs = LogsOptionsBuilder::new()
        .stdout(true)
        .stderr(true)
        .tail("5")
        .build();
    let lines = docker
        .logs(&first, Some(logs))
        .try_collect::<Vec<_>>()
        .await?;
    assert!(lines[0].to_string().contains("giving up"), "{lines:?}");

    let missing = inspect(&docker, "sim-00999").await;
    assert!(missing.is_err_and(|error| error.to_string().contains("404")));

    let body = ContainerUpdateBody {
        memory: Some(536_870_912),
        ..Default::default()
    };
    docker.update_container(&first, body).await?;
    let limits = inspect(&docker, &first)
        .await?
        .host_config
        .unwrap_or_default();
    assert_eq!(limits.memory, Some(536_870_912));
    let counts = sim.counts()?;
    assert_eq!(
        (counts.list, counts.inspect, counts.stats, counts.deeds),
        (2, 2, 1, 1)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn deaths_are_streamed_live_and_deeds_are_written_down() -> Result<()> {
    let sim = Sim::start(20).await?;
    let docker = connect(&sim.host()).await?;
    let begin = now_ns();
    let filters = HashMap::from([
        ("type", vec!["container".to_owned()]),
        (
            "event",
            vec![
                "die".to_owned(),
                "health_status".to_owned(),
                "start".to_owned(),
            ],
        ),
    ]);
    let options = EventsOptionsBuilder::new().filters(&filters).build();
    let mut events = Box::pin(docker.events(Some(options)));
    // The stream is there once its request has been counted.
    let next = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < 3 {
            match events.next().await {
                Some(Ok(event)) => seen.push(event),
                _ => break,
            }
        }
        (seen, events.next().await)
    });
    let streams = || async { Ok(sim.counts()?.events) };
    steward_tests::wait::until("the stream", SOON, streams, |count| *count == 1).await?;

    let died = sim.die(3, 42)?;
    assert!(sim.die(3, 42).is_err(), "a dead container died again");
    sim.set_health(4, false)?;
    let restart = RestartContainerOptionsBuilder::new().t(10).build();
    docker.restart_container("sim-00003", Some(restart)).await?;
    let deed = sim.wait_for_deed(3, "restart", SOON).await?;
    assert!(deed.at_ns >= died);
    let look = sim.look(3)?;
    assert_eq!((look.running, look.starts), (true, 2));
    sim.disconnect()?;
    let (seen, end) = tokio::time::timeout(SOON, next).await??;
    let actions: Vec<_> = seen.iter().filter_map(|e| e.action.as_deref()).collect();
    assert_eq!(actions, ["die", "health_status: unhealthy", "start"]);
    assert_eq!(seen[0].time_nano, Some(died));
    assert!(end.is_none_or(|last| last.is_err()), "the stream went on");

    // What was missed can be asked for.
    let options = EventsOptionsBuilder::new()
        .since(&format!(
            "{}.{:09}",
            begin / 1_000_000_000,
            begin % 1_000_000_000
        ))
        .until(&(now_ns() / 1_000_000_000 + 1).to_string())
        .build();
    let again = docker.events(Some(options)).take(4);
    let again = tokio::time::timeout(SOON, again.try_collect::<Vec<_>>()).await??;
    assert_eq!(again.len(), 4); // those three and `restart`
    sim.drop_events(true)?;
    sim.die(5, 1)?;
    assert!(!sim.look(5)?.running);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_hangs_refuses_and_fails_as_it_is_told() -> Result<()> {
    let sim = Sim::start(5).await?;
    let docker = connect(&sim.host()).await?;
    sim.set_mood(Mood::Hung)?;
    let asked = tokio::time::timeout(Duration::from_millis(200), docker.ping()).await;
    assert!(asked.is_err(), "a hung engine answered");
    sim.set_mood(Mood::Failing)?;
    let failed = inspect(&docker, "sim-00001").await;
    assert!(failed.is_err_and(|error| error.to_string().contains("500")));
    sim.set_mood(Mood::Refusing)?;
    assert!(docker.ping().await.is_err());
    sim.set_mood(Mood::Well)?;
    assert_eq!(docker.ping().await?, "OK");

    sim.tell(&Command::StartsFail {
        index: 1,
        code: Some(9),
    })?;
    sim.die(1, 1)?;
    docker
        .restart_container(
            "sim-00001",
            None::<bollard::query_parameters::RestartContainerOptions>,
        )
        .await?;
    let look = sim.look(1)?;
    assert_eq!((look.running, look.exit_code), (false, 9));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_containers_are_listed_at_once() -> Result<()> {
    let sim = Sim::start(10_000).await?;
    let docker = connect(&sim.host()).await?;
    let list = ListContainersOptionsBuilder::new().all(true).build();
    assert_eq!(docker.list_containers(Some(list)).await?.len(), 10_000);
    let last = inspect(&docker, "sim-09999").await?;
    assert_eq!(last.name.as_deref(), Some("/sim-09999"));
    Ok(())
}
