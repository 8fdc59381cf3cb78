//! Ends of all kinds: those of a service are mended, those that a person or a job wanted are left alone.

use std::time::Duration;

use anyhow::Result;
use steward_api::{Health, Problem};
use steward_tests::{
    docker::{Health as Check, Workload},
    lab_or_skip,
};

use crate::common::{A_WHILE, SOON, agent, healed_once, journal, known, left_alone};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_ends_is_started_again_however_it_ended() -> Result<()> {
    let lab = lab_or_skip!("ends");
    // Three signs that an end with code 0 was not meant: a port, a health check, somebody who needs it.
    let port = lab.container("port").expose("80/tcp").start().await?;
    let check = lab
        .container("check")
        .health(&Check {
            interval: Duration::from_secs(1),
            ..Check::default()
        })
        .start()
        .await?;
    let needed = lab.container("needed").start().await?;
    let user = lab
        .container("user")
        .label("steward.depends_on", &needed.name)
        .start()
        .await?;
    let failing = lab.container("failing").start().await?;
    let killed = lab.container("killed").start().await?;
    let all = [&port, &check, &needed, &failing, &killed];
    for one in all.iter().chain([&&user]) {
        one.wait_ready().await?;
    }
    let agent = agent(&lab).start().await?;
    known(&agent, &all).await?;
    known(&agent, &[&user]).await?;
    let events = lab.watch().await?;

    port.crash(0).await?;
    check.crash(0).await?;
    needed.crash(0).await?;
    failing.crash(1).await?;
    if steward_tests::process::is_root() {
        killed.kill_main().await?;
    } else {
        killed.crash(137).await?;
    }
    for one in all {
        healed_once(&agent, &events, one, Problem::ContainerStopped).await?;
    }
    assert_eq!(agent.incidents().await?.len(), all.len());
    assert_eq!(events.count(&user.name, "restart"), 0);
    for one in all {
        let title = crate::common::incident(&agent, one).await?.title;
        let code = match one {
            _ if one.id == failing.id => "exit code 1",
            _ if one.id == killed.id => "exit code 137",
            _ => "exit code 0",
        };
        assert!(title.contains(code), "{title}");
    }
    left_alone(&events, &port, 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_or_a_job_ended_is_left_alone_also_by_the_next_agent() -> Result<()> {
    let lab = lab_or_skip!("meant");
    // All of them look like services, so that only the way of their end speaks for them.
    let service =
        |name: &str, code: &str| lab.container(name).expose("80/tcp").env("STOP_CODE", code);
    let stopped = service("stopped", "1").start().await?;
    let killed = service("killed", "0").start().await?;
    let restarted = service("restarted", "3").start().await?;
    let composed = service("composed", "0")
        .compose("shop", "composed", "")
        .restart("unless-stopped")
        .start()
        .await?;
    let unseen = service("unseen", "143").start().await?;
    let job = lab
        .container("job")
        .workload(&Workload::End {
            code: 0,
            seconds: 3,
        })
        .start()
        .await?;
    let all = [&stopped, &killed, &restarted, &composed, &unseen];
    for one in all {
        one.wait_ready().await?;
    }
    let mut agent = agent(&lab).start().await?;
    known(&agent, &all).await?;
    let events = lab.watch().await?;

    let docker = lab.docker();
    stopped.stop().await?;
    let by_kill = bollard::query_parameters::KillContainerOptionsBuilder::new()
        .signal("SIGKILL")
        .build();
    docker.kill_container(&killed.id, Some(by_kill)).await?;
    composed.stop().await?;
    let before = restarted.state().await?.started_at;
    let quickly = bollard::query_parameters::RestartContainerOptionsBuilder::new()
        .t(5)
        .build();
    docker
        .restart_container(&restarted.id, Some(quickly))
        .await?;
    job.wait("to end", SOON, |now| now.status == "exited")
        .await?;

    for one in [&stopped, &killed, &composed, &job] {
        let seen = agent
            .wait_for_container(&one.name, "to be seen as stopped", SOON, |seen| {
                seen.health == Health::Stopped
            })
            .await?;
        assert!(!seen.reason.is_empty());
    }
    let nothing = || agent.incidents();
    steward_tests::wait::holds("no incident", A_WHILE, nothing, Vec::is_empty).await?;
    let now = restarted.state().await?;
    assert!(now.running && now.started_at != before);

    // One more is stopped while no agent runs; the next one has not seen it happen.
    agent.terminate().await?;
    unseen.stop().await?;
    agent.start_again().await?;
    known(&agent, &[&restarted]).await?;
    for one in [&stopped, &killed, &composed, &job, &unseen] {
        agent
            .wait_for_container(&one.name, "to be seen as stopped again", SOON, |seen| {
                seen.health == Health::Stopped
            })
            .await?;
    }
    let nothing = || agent.incidents();
    steward_tests::wait::holds("no incident", A_WHILE, nothing, Vec::is_empty).await?;
    assert!(agent.tasks().await?.is_empty());
    for one in [&stopped, &killed, &composed, &job, &unseen] {
        assert!(!one.state().await?.running, "{}", one.name);
        assert_eq!(events.count(&one.name, "start"), 0, "{}", one.name);
    }
    assert_eq!(events.count(&restarted.name, "restart"), 1, "the person's");
    journal(&agent).await?;
    Ok(())
}
