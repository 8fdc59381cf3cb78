//! The harness itself against a real engine: what it makes does what it says, and nothing of it remains.

use std::{collections::HashMap, time::Duration};

use anyhow::Result;
use bollard::query_parameters::ListContainersOptionsBuilder;
use steward_tests::{
    docker::{Health, LABEL, Lab, PrivateDaemon, Workload, connect},
    lab_or_skip, skip,
};

const SOON: Duration = Duration::from_secs(20);

async fn left_of(host: &str, run: &str) -> Result<usize> {
    let docker = connect(host).await?;
    let filters = HashMap::from([("label", vec![format!("{LABEL}={run}")])]);
    let list = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    Ok(docker.list_containers(Some(list)).await?.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_dies_by_itself_without_the_engine_being_asked() -> Result<()> {
    let lab = lab_or_skip!("dies");
    let events = lab.watch().await?;
    let web = lab
        .container("web")
        .env("LOG", "hello there")
        .start()
        .await?;
    web.crash(3).await?;
    let dead = web.state().await?;
    assert_eq!((dead.running, dead.exit_code), (false, 3), "{dead:?}");
    let died = events
        .wait("the death", SOON, |event| event.action == "die")
        .await?;
    assert_eq!(died.exit_code, Some(3));
    assert_eq!(events.actions(&web.name), ["create", "start", "die"]);

    // It can be started again, and killed as the kernel would.
    web.start().await?;
    let again = web.state().await?;
    assert!(again.running && again.started_at != dead.started_at);
    if steward_tests::process::is_root() {
        web.kill_main().await?;
        let killed = web.wait("to die", SOON, |now| !now.running).await?;
        assert_eq!(killed.exit_code, 137);
    }
    assert_eq!(events.count(&web.name, "kill"), 0);

    // A person's stop is told apart.
    web.start().await?;
    web.wait_ready().await?;
    web.stop().await?;
    events
        .wait("the stop", SOON, |event| event.action == "stop")
        .await?;
    assert_eq!(web.state().await?.exit_code, 0);
    assert_eq!(events.count(&web.name, "kill"), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_loops_and_flaky_starts_end_as_they_are_told() -> Result<()> {
    let lab = lab_or_skip!("ends");
    let job = lab
        .container("job")
        .workload(&Workload::End {
            code: 0,
            seconds: 0,
        })
        .start()
        .await?;
    let looping = lab
        .container("loop")
        .workload(&Workload::End {
            code: 1,
            seconds: 0,
        })
        .env("LAST_WORDS", "fatal: no")
        .restart("always")
        .start()
        .await?;
    let flaky = lab
        .container("flaky")
        .workload(&Workload::Fail {
            times: 1,
            code: 7,
            seconds: 0,
        })
        .start()
        .await?;
    let done = job
        .wait("to end", SOON, |now| now.status == "exited")
        .await?;
    assert_eq!(done.exit_code, 0);
    looping
        .wait("to loop", SOON, |now| now.restart_count >= 2)
        .await?;
    let failed = flaky
        .wait("to fail", SOON, |now| now.status == "exited")
        .await?;
    assert_eq!(failed.exit_code, 7);
    flaky.start().await?;
    flaky.wait_ready().await?;
    assert!(flaky.state().await?.running);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn health_checks_fail_and_pass_and_memory_runs_out() -> Result<()> {
    let lab = lab_or_skip!("health");
    let sick = lab
        .container("sick")
        .health(&Health::default())
        .start()
        .await?;
    let hungry = lab
        .container("hungry")
        .memory(16 << 20)
        .workload(&Workload::Oom { seconds: 0 })
        .start()
        .await?;
    sick.wait("to be healthy", SOON, |now| now.health == "healthy")
        .await?;
    sick.sicken("no more disk").await?;
    sick.wait("to be unhealthy", SOON, |now| now.health == "unhealthy")
        .await?;
    sick.cure().await?;
    sick.wait("to be well again", SOON, |now| now.health == "healthy")
        .await?;
    let dead = hungry
        .wait("to be killed", SOON, |now| now.status == "exited")
        .await?;
    assert!(dead.oom_killed && dead.exit_code == 137, "{dead:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_server_answers_and_another_needs_it() -> Result<()> {
    let lab = lab_or_skip!("http");
    let net = lab.network("net").await?;
    let db = lab
        .container("db")
        .network(&net)
        .workload(&Workload::Http("8080".into()))
        .start()
        .await?;
    db.wait_ready().await?;
    let url = format!("http://{}:8080/cgi-bin/health", db.state().await?.address);
    let client = steward_tests::agent::http_client()?;
    let status = || async { Ok(client.get(&url).send().await?.status().as_u16()) };
    steward_tests::wait::until("an answer", SOON, status, |code| *code == 200).await?;

    let app = lab
        .container("app")
        .network(&net)
        .workload(&Workload::Needs(url.clone()))
        .start()
        .await?;
    app.wait_ready().await?;
    db.sicken("too many clients").await?;
    assert_eq!(status().await?, 503);
    let dead = app
        .wait("to give up", SOON, |now| now.status == "exited")
        .await?;
    assert_eq!(dead.exit_code, 1);
    db.cure().await?;
    assert_eq!(status().await?, 200);
    app.start().await?;
    db.crash(1).await?;
    app.wait("to give up", SOON, |now| now.status == "exited")
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_remains_also_after_a_panic() -> Result<()> {
    let lab = lab_or_skip!("drop");
    let (host, run) = (lab.host().to_owned(), lab.run().to_owned());
    lab.many(3, &[("a", "b")]).await?;
    assert_eq!(left_of(&host, &run).await?, 3);
    drop(lab);
    assert_eq!(left_of(&host, &run).await?, 0);

    let lab = match Lab::open("panic").await? {
        Ok(lab) => lab,
        Err(reason) => skip!("{reason}"),
    };
    let run = lab.run().to_owned();
    lab.container("x").start().await?;
    let panicked = tokio::spawn(async move {
        let _held = lab;
        panic!("on purpose");
    })
    .await;
    assert!(panicked.is_err());
    assert_eq!(left_of(&host, &run).await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_engine_goes_away_and_comes_back() -> Result<()> {
    let bridge = || std::path::Path::new("/sys/class/net/docker0").exists();
    let had_bridge = bridge();
    let mut daemon = match PrivateDaemon::start().await? {
        Ok(daemon) => daemon,
        Err(reason) => skip!("{reason}"),
    };
    let host = daemon.host();
    let lab = daemon.lab("private").await?;
    let web = lab.container("web").sleep().start().await?;
    assert!(web.state().await?.running);

    daemon.stop().await?;
    assert!(connect(&host).await.is_err(), "a stopped engine answered");
    daemon.start_again().await?;
    let after = web.state().await?;
    assert_eq!((after.running, after.status.as_str()), (false, "exited"));

    // Killed at once, its containers die with the next start.
    web.start().await?;
    let running = web.state().await?;
    daemon.kill_9().await?;
    assert!(connect(&host).await.is_err(), "a killed engine answered");
    daemon.start_again().await?;
    web.wait("to have ended", SOON, |now| !now.running).await?;

    // Frozen, it takes the question and does not answer.
    daemon.freeze()?;
    let asked = tokio::time::timeout(Duration::from_millis(500), web.state()).await;
    assert!(asked.is_err(), "a frozen engine answered");
    daemon.thaw()?;
    web.state().await?;
    drop(lab);
    drop(daemon);
    assert!(!std::path::Path::new(&format!("/proc/{}", running.pid)).exists());
    assert!(!std::path::Path::new(host.trim_start_matches("unix://")).exists());
    assert_eq!(
        bridge(),
        had_bridge,
        "the machine's own engine lost its bridge"
    );
    Ok(())
}
