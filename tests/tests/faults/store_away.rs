//! The database takes no writes: a full disk, a PostgreSQL that is gone. Nothing is done, and nothing that happened is lost.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use steward_api::{
    ApproveRequest, ApproveTask, Autonomy, AutonomyRequest, GetHealth, GetStatus, Health, Nothing,
    Problem, SetAutonomy, TaskState,
};
use steward_tests::{
    agent::Agent,
    docker::{Container, EventLog},
    lab_or_skip,
    postgres::Postgres,
    skip, wait,
};

use crate::account::{SOON, check_journal, check_restarts, wait_until_idle, wait_until_quiet};

/// A small file system of its own, gone with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it over a directory, or says why it can't.
    fn over(dir: &Path) -> Result<Result<Self, String>> {
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m,mode=0700", "steward-test"])
            .arg(dir)
            .output()?;
        if done.status.success() {
            return Ok(Ok(Self(dir.to_path_buf())));
        }
        let words = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        Ok(Err(format!(
            "a file system can't be mounted here ({words}): run as root"
        )))
    }

    fn fill(&self) -> Result<()> {
        let mut file = File::create(self.filler())?;
        let piece = [7u8; 4096];
        let full = loop {
            if let Err(error) = file.write_all(&piece) {
                break error;
            }
        };
        ensure!(
            full.kind() == std::io::ErrorKind::StorageFull,
            "it did not fill up: {full}"
        );
        Ok(())
    }

    fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

async fn health_of(agent: &Agent) -> Result<String> {
    Ok(agent.call::<GetHealth>(&Nothing {}).await?.status)
}

/// While the journal takes no writes: it is said everywhere, and nothing is done though a container has died.
async fn check_hands_off(agent: &Agent, engine: &EventLog, dead: &Container) -> Result<()> {
    let died = engine.count(&dead.name, "die");
    dead.crash(1).await?;
    engine
        .wait("the death", SOON, |event| {
            event.container == dead.name && event.action == "die"
        })
        .await?;
    ensure!(engine.count(&dead.name, "die") > died);
    let unhealthy = |resource: &steward_api::Resource| resource.health == Health::Unhealthy;
    agent
        .wait_for_container(&dead.name, "to be seen dead", SOON, unhealthy)
        .await?;
    let restarts = engine.count(&dead.name, "start");
    let read = || async { Ok(engine.count(&dead.name, "start")) };
    wait::holds("it is left alone", Duration::from_secs(5), read, |n| {
        *n == restarts
    })
    .await?;
    let status = agent.call::<GetStatus>(&Nothing {}).await?;
    assert!(!status.store.writable, "{:?}", status.store);
    assert!(status.store.error.is_some(), "{:?}", status.store);
    assert!(status.store.backlog > 0, "{:?}", status.store);
    assert_eq!(health_of(agent).await?, "degraded");
    assert_eq!(
        status.active_incidents.values().sum::<u64>(),
        1,
        "what happens is seen all the same: {status:?}"
    );
    let shown = agent.cli(&["status"]).await?;
    let text = String::from_utf8_lossy(&shown.stdout).to_lowercase();
    assert!(
        text.contains("no writes") || text.contains("not writable") || text.contains("takes no"),
        "{text}"
    );
    let refused = agent
        .try_call_at::<steward_api::HealContainer>(&dead.name, &Nothing {})
        .await?
        .expect_err("nothing may be done");
    assert_eq!(refused.code.as_str(), "store_unavailable", "{refused:?}");
    let asked = AutonomyRequest {
        autonomy: Autonomy::Ask,
    };
    let refused = agent
        .try_call_at::<SetAutonomy>("", &asked)
        .await?
        .expect_err("what is not journaled does not happen");
    assert_eq!(refused.status, 503, "{refused:?}");
    Ok(())
}

/// And after: what happened meanwhile is in the journal, and the container is healed.
async fn check_caught_up(
    agent: &Agent,
    engine: &EventLog,
    dead: &Container,
    known: &[steward_api::Envelope],
) -> Result<()> {
    dead.wait("to be healed", SOON, |now| now.running).await?;
    wait_until_idle(agent).await?;
    wait_until_quiet(agent).await?;
    let incidents = agent.incidents().await?;
    let own = incidents
        .iter()
        .find(|one| one.resource.name == dead.name && one.problem == Problem::ContainerStopped);
    ensure!(own.is_some(), "the incident was lost: {incidents:#?}");
    let after = check_journal(agent).await?;
    ensure!(
        after.starts_with(known),
        "something journaled before is gone"
    );
    check_restarts(agent, engine, &dead.name).await?;
    let ok = |text: &String| text == "ok";
    agent
        .wait("/health to be ok", SOON, || health_of(agent), ok)
        .await?;
    let status = agent.call::<GetStatus>(&Nothing {}).await?;
    assert!(status.store.writable && status.store.backlog == 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_is_full_and_has_room_again() -> Result<()> {
    let lab = lab_or_skip!("full");
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let engine = lab.watch().await?;
    let mut agent = Agent::for_lab(&lab).start().await?;
    // Its data move to a small disk of their own.
    agent.terminate().await?;
    let disk = match SmallDisk::over(&agent.data_dir())? {
        Ok(disk) => disk,
        Err(reason) => skip!("{reason}"),
    };
    agent.start_again().await?;
    let well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
    agent
        .wait_for_container(&web.name, "to be well", SOON, well)
        .await?;
    // A death before, so that there is something to lose.
    web.crash(1).await?;
    web.wait("to be healed", SOON, |now| now.running).await?;
    wait_until_idle(&agent).await?;
    wait_until_quiet(&agent).await?;
    web.wait_ready().await?;

    disk.fill()?;
    // Room that the database has set aside is used up first: people's refused answers are journaled, too.
    let turn = std::cell::Cell::new(false);
    let use_up = || async {
        turn.set(!turn.get());
        let autonomy = if turn.get() {
            Autonomy::Ask
        } else {
            Autonomy::Assist
        };
        let _ = agent
            .try_call_at::<SetAutonomy>("", &AutonomyRequest { autonomy })
            .await?;
        health_of(&agent).await
    };
    let is_full = |health: &String| health == "degraded";
    agent
        .wait("the journal to take no writes", SOON, use_up, is_full)
        .await?;
    let known = agent.journal(0).await?;
    check_hands_off(&agent, &engine, &web).await?;
    disk.free()?;
    agent
        .wait(
            "the journal to take writes",
            SOON,
            || health_of(&agent),
            |health| health == "ok",
        )
        .await?;
    // The level that it was when the disk ran full is whatever was journaled last: put it right.
    let assist = AutonomyRequest {
        autonomy: Autonomy::Assist,
    };
    agent.call::<SetAutonomy>(&assist).await?;
    check_caught_up(&agent, &engine, &web, &known).await?;
    agent.restart().await?;
    let verified = agent.cli(&["journal", "verify"]).await?;
    assert!(verified.status.success(), "{verified:?}");
    agent.kill_9().await?;
    drop(disk);
    Ok(())
}

/// Killed while the disk is full: what was not journaled is found anew in the world, and what was is kept.
#[tokio::test(flavor = "multi_thread")]
async fn the_agent_dies_while_the_disk_is_full() -> Result<()> {
    let lab = lab_or_skip!("full-kill");
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let engine = lab.watch().await?;
    let mut agent = Agent::for_lab(&lab).start().await?;
    agent.terminate().await?;
    let disk = match SmallDisk::over(&agent.data_dir())? {
        Ok(disk) => disk,
        Err(reason) => skip!("{reason}"),
    };
    agent.start_again().await?;
    let well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
    agent
        .wait_for_container(&web.name, "to be well", SOON, well)
        .await?;
    let known = agent.journal(0).await?;
    disk.fill()?;
    web.crash(1).await?;
    agent.kill_9().await?;
    // On the full disk it may refuse to begin, in words; it must not claim to be well.
    agent.begin()?;
    match agent.wait_ready().await {
        Ok(()) => agent.kill_9().await?,
        Err(error) => {
            let words = format!("{error:#}");
            ensure!(words.contains("full"), "it does not say why: {words}");
            let _ = agent.kill_9().await;
        }
    }
    disk.free()?;
    agent.start_again().await?;
    web.wait("to be healed", SOON, |now| now.running).await?;
    wait_until_idle(&agent).await?;
    let after = check_journal(&agent).await?;
    ensure!(after.starts_with(&known));
    check_restarts(&agent, &engine, &web.name).await?;
    agent.kill_9().await?;
    drop(disk);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_keeps_the_record_and_may_go_away() -> Result<()> {
    let lab = lab_or_skip!("pg");
    let mut server = match Postgres::start().await? {
        Ok(server) => server,
        Err(reason) => skip!("{reason}"),
    };
    let web = lab.container("web").serve().start().await?;
    let risky = lab
        .container("risky")
        .label("steward.auto_restart", "false")
        .start()
        .await?;
    for one in [&web, &risky] {
        one.wait_ready().await?;
    }
    let engine = lab.watch().await?;
    let url = server.database().await?;
    let mut agent = Agent::for_lab(&lab).database(&url).start().await?;
    let status = agent.call::<GetStatus>(&Nothing {}).await?;
    assert_eq!(status.store.engine, "postgres");
    let well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
    for one in [&web, &risky] {
        agent
            .wait_for_container(&one.name, "to be well", SOON, well)
            .await?;
    }
    web.crash(1).await?;
    web.wait("to be healed", SOON, |now| now.running).await?;
    wait_until_idle(&agent).await?;
    wait_until_quiet(&agent).await?;
    risky.crash(1).await?;
    let asks = |tasks: &Vec<steward_api::Task>| {
        tasks
            .iter()
            .any(|task| task.requires_approval && task.status == TaskState::Pending)
    };
    agent.wait_for_tasks("the question", SOON, asks).await?;

    // The agent's own end loses nothing, whether in good order or not.
    let (incidents, tasks) = (agent.incidents().await?, agent.tasks().await?);
    agent.kill_9().await?;
    agent.start_again().await?;
    let ids =
        |tasks: &[steward_api::Task]| tasks.iter().map(|t| (t.id, t.status)).collect::<Vec<_>>();
    assert_eq!(ids(&agent.tasks().await?), ids(&tasks));
    let numbers: Vec<_> = incidents.iter().map(|one| one.id).collect();
    let now: Vec<_> = agent.incidents().await?.iter().map(|one| one.id).collect();
    assert_eq!(now, numbers);

    // The question is still open and can be answered.
    let question = tasks.iter().find(|task| task.requires_approval);
    let question = question.context("it was there")?.id;
    agent
        .call_at::<ApproveTask>(question, &ApproveRequest::default())
        .await?;
    risky.wait("to run", SOON, |now| now.running).await?;
    wait_until_idle(&agent).await?;
    wait_until_quiet(&agent).await?;

    let known = check_journal(&agent).await?;
    web.wait_ready().await?;
    server.stop().await?;
    agent
        .wait(
            "/health to tell",
            SOON,
            || health_of(&agent),
            |health| health == "degraded",
        )
        .await?;
    check_hands_off(&agent, &engine, &web).await?;
    server.start_again().await?;
    check_caught_up(&agent, &engine, &web, &known).await?;
    assert!(!agent.output().contains("a-password-of-tests"));
    Ok(())
}
