//! A configuration that is wrong or changes, a data directory or port that is taken, and an end in good order.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use steward_api::{
    Autonomy, ConfigEdit, ConfigWriteRequest, ErrorCode, Event, GetConfig, GetStatus, Health,
    Nothing, SettingOrigin, TaskState, Verdict, WriteConfig,
};
use steward_tests::{agent::Agent, lab_or_skip};

use crate::account::{SOON, check_journal, check_restarts, wait_until_idle};

/// An agent with no engine to look at: for what happens before or beside that.
fn alone() -> steward_tests::agent::Builder {
    Agent::for_host("unix:///nonexistent/docker.sock").set("docker.enabled", false)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_refused_with_its_line_and_what_would_be_right() -> Result<()> {
    for (text, key, right) in [
        (
            "[guards]\nmax_restart = 3\n",
            "max_restart",
            "max_restarts_per_hour",
        ),
        (
            "[thresholds]\ndisk_percent = \"much\"\n",
            "disk_percent",
            "from 1 to 100",
        ),
        (
            "[thresholds]\n\ndisk_percent = 850\n",
            "disk_percent",
            "100",
        ),
        ("[docker]\ngrace = \"10 parsecs\"\n", "grace", "30s"),
        ("[autonomy]\nlevel = \"yolo\"\n", "level", "assist"),
        ("[guards\n", "", ""),
    ] {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("broken.toml");
        std::fs::write(&file, text)?;
        let builder = alone().env("STEWARD_CONFIG", &file.display().to_string());
        let (status, words) = builder.start_refused().await?;
        assert_eq!(status.code(), Some(2), "{text}: {words}");
        let line = text
            .lines()
            .position(|line| !key.is_empty() && line.contains(key))
            .unwrap_or(0)
            + 1;
        let place = format!("{}:{line}", file.display());
        assert!(words.contains(&place), "{place} is not in: {words}");
        assert!(words.contains(key) && words.contains(right), "{words}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_on_disk_it_is_read_anew_or_refused_while_the_old_one_goes_on() -> Result<()> {
    let lab = lab_or_skip!("reload");
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let mut agent = Agent::for_lab(&lab)
        .set("autonomy.level", "observe")
        .start()
        .await?;
    let well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
    agent
        .wait_for_container(&web.name, "to be well", SOON, well)
        .await?;
    web.crash(1).await?;
    agent
        .wait_for_incidents("the incident to be left alone", SOON, |all| {
            all.iter().any(|one| {
                one.decision
                    .as_ref()
                    .is_some_and(|decision| decision.verdict == Verdict::Withhold)
            })
        })
        .await?;
    assert!(!web.state().await?.running);

    // Broken on disk: said where and why, and observe goes on.
    let good = std::fs::read_to_string(agent.config_file())?;
    let broken = format!("{good}\n[thresholds.nonsense]\nx = 1\n");
    let line = broken
        .lines()
        .position(|line| line.contains("nonsense"))
        .context("it was just written")?
        + 1;
    std::fs::write(agent.config_file(), &broken)?;
    let refused = agent
        .wait_for_entry("the refusal", SOON, |entry| {
            matches!(entry.event, Event::ConfigRefused { .. })
        })
        .await?;
    let place = format!("{}:{line}", agent.config_file().display());
    match &refused.event {
        Event::ConfigRefused { error } => assert!(error.contains(&place), "{place}: {error}"),
        other => panic!("{other:?}"),
    }
    let status = agent.call::<GetStatus>(&Nothing {}).await?;
    assert_eq!(status.autonomy, Autonomy::Observe);
    assert!(
        status
            .config_error
            .as_ref()
            .is_some_and(|error| error.contains(&place)),
        "{:?}",
        status.config_error
    );
    assert!(!web.state().await?.running);

    // Put right, with more allowed: it takes effect on what is already known to be broken.
    agent.edit_config(|builder| {
        builder
            .set("autonomy.level", "assist")
            .set("thresholds.container_cpu_percent", 77)
    })?;
    let reloaded = agent
        .wait_for_entry("the reload", SOON, |entry| {
            matches!(entry.event, Event::ConfigReloaded { .. })
        })
        .await?;
    match &reloaded.event {
        Event::ConfigReloaded { changed, .. } => {
            for key in ["autonomy.level", "thresholds.container_cpu_percent"] {
                assert!(
                    changed
                        .iter()
                        .any(|one| one.starts_with(key) || key.starts_with(one.as_str())),
                    "{changed:?}"
                );
            }
        }
        other => panic!("{other:?}"),
    }
    web.wait("to be healed", SOON, |now| now.running).await?;
    let status = agent.call::<GetStatus>(&Nothing {}).await?;
    assert_eq!(
        (status.autonomy, status.config_error),
        (Autonomy::Assist, None)
    );

    // What can't change while it runs is refused, too, and says so.
    agent.edit_config(|builder| builder.set("node.name", "another"))?;
    agent
        .wait_for_entry("the second refusal", SOON, |entry| {
            entry.seq > reloaded.seq
                && matches!(&entry.event, Event::ConfigRefused { error } if error.contains("node.name"))
        })
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_threshold_changed_on_disk_takes_effect() -> Result<()> {
    let lab = lab_or_skip!("threshold");
    let busy = lab
        .container("busy")
        .workload(&steward_tests::docker::Workload::Busy)
        .cpus(0.2)
        .start()
        .await?;
    // It uses all of its fifth of a core; with the threshold out of reach that is no matter.
    let mut agent = Agent::for_lab(&lab)
        .set("autonomy.level", "observe")
        .set("schedules.container_cycle.every", "1s")
        .set("thresholds.sustain", 1)
        .set("thresholds.of_last", 1)
        .set("thresholds.container_cpu_percent", 100)
        .start()
        .await?;
    agent
        .wait_for_container(&busy.name, "to be measured", SOON, |resource| {
            resource.metrics.values().any(|value| *value > 50.0)
        })
        .await?;
    ensure!(agent.incidents().await?.is_empty());
    agent.edit_config(|builder| builder.set("thresholds.container_cpu_percent", 30))?;
    agent
        .wait_for_incidents("the incident", SOON, |all| {
            all.iter().any(|one| {
                one.problem == steward_api::Problem::CpuPressure && one.resource.name == busy.name
            })
        })
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_on_the_same_data_is_refused_and_the_first_goes_on() -> Result<()> {
    let lab = lab_or_skip!("second");
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let engine = lab.watch().await?;
    let agent = Agent::for_lab(&lab).start().await?;
    let pid = agent.pid()?.to_string();
    let (status, words) = Agent::for_lab(&lab)
        .on_data_of(&agent)
        .start_refused()
        .await?;
    assert!(!status.success(), "{words}");
    assert!(
        words.contains(&pid),
        "it does not name process {pid}: {words}"
    );
    assert!(
        words.contains(&agent.data_dir().display().to_string()),
        "{words}"
    );
    // Nothing of the first's is touched: it is found by its file, and heals.
    let shown = agent.cli(&["status"]).await?;
    assert!(shown.status.success(), "{shown:?}");
    let well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
    agent
        .wait_for_container(&web.name, "to be well", SOON, well)
        .await?;
    web.crash(1).await?;
    web.wait("to be healed", SOON, |now| now.running).await?;
    wait_until_idle(&agent).await?;
    check_restarts(&agent, &engine, &web.name).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_said_so() -> Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let (status, words) = alone()
        .env("STEWARD_LISTEN", &address)
        .start_refused()
        .await?;
    assert!(!status.success(), "{words}");
    assert!(
        words.contains(&address) && words.contains("STEWARD_LISTEN"),
        "{words}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_ends_in_good_order() -> Result<()> {
    let lab = lab_or_skip!("term");
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let engine = lab.watch().await?;
    let mut agent = Agent::for_lab(&lab)
        .set("docker.stabilisation", "8s")
        .set("docker.recovery", "40s")
        .start()
        .await?;
    let well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
    agent
        .wait_for_container(&web.name, "to be well", SOON, well)
        .await?;
    // An open event stream and a verification under way do not hold it.
    let stream = agent.events(None).await?;
    web.crash(1).await?;
    web.wait("to run again", SOON, |now| now.running).await?;
    engine
        .wait("the restart", SOON, |event| event.action == "restart")
        .await?;
    let begin = std::time::Instant::now();
    let (status, words) = agent.terminate().await?;
    let took = begin.elapsed();
    assert!(status.success(), "{status}: {words}");
    assert!(took < Duration::from_secs(5), "it took {took:?}: {words}");
    agent
        .wait(
            "the stream to end",
            SOON,
            || async { Ok(stream.ended()) },
            Option::is_some,
        )
        .await?;
    ensure!(!agent.data_dir().join("agent.json").exists());
    agent.start_again().await?;
    let entries = check_journal(&agent).await?;
    let ends: Vec<_> = entries
        .iter()
        .filter(|entry| matches!(entry.event, Event::AgentStopped { .. }))
        .collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    let next = entries
        .iter()
        .find(|entry| entry.seq == ends[0].seq + 1)
        .context("nothing follows")?;
    assert!(
        matches!(next.event, Event::AgentStarted { .. }),
        "the end is the last thing of a run: {next:?}"
    );
    // What was under way is checked, not repeated.
    let tasks = wait_until_idle(&agent).await?;
    assert_eq!(tasks.len(), 1, "{tasks:#?}");
    assert_eq!(
        tasks[0].status,
        TaskState::Completed,
        "{:?}",
        tasks[0].result
    );
    assert_eq!(check_restarts(&agent, &engine, &web.name).await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_written_over_http_is_in_force_and_the_files_comments_stay() -> Result<()> {
    let agent = alone()
        .set("autonomy.level", "observe")
        .set("thresholds.disk_percent", 85)
        .start()
        .await?;
    let file = agent.config_file();
    let commented = std::fs::read_to_string(&file)?
        .replace("disk_percent = 85", "disk_percent = 85 # ask Evin");
    let commented = format!("# mine\n{commented}# the end\n");
    std::fs::write(&file, &commented)?;
    let shown = agent.call::<GetConfig>(&Nothing {}).await?;
    ensure!(shown.file.writable, "{:?}", shown.file);
    let edit = |key: &str, value: serde_json::Value| ConfigEdit {
        key: key.to_owned(),
        value: Some(value),
    };
    let request = ConfigWriteRequest {
        hash: shown.file.hash.clone(),
        edits: vec![
            edit("thresholds.disk_percent", 80.into()),
            edit("guards.max_back_off", "5m".into()),
        ],
    };
    let tokens: toml::Table =
        std::fs::read_to_string(agent.data_dir().join("tokens.toml"))?.parse()?;
    let viewer = tokens["token"]
        .as_array()
        .and_then(|all| {
            all.iter()
                .find(|one| one["role"].as_str() == Some("viewer"))
        })
        .and_then(|one| one["secret"].as_str())
        .context("there is no viewer's token")?
        .to_owned();
    // Somebody who may only look may not change, and nothing that is wrong is written.
    let refused = agent
        .try_call_as::<WriteConfig>(&viewer, "", &request)
        .await?;
    assert_eq!(
        refused.map_err(|problem| problem.code),
        Err(ErrorCode::Forbidden)
    );
    let wrong = ConfigWriteRequest {
        edits: vec![edit("scripts.evil.command", "/bin/sh".into())],
        ..request.clone()
    };
    let refused = agent.try_call_at::<WriteConfig>("", &wrong).await?;
    assert_eq!(
        refused.map_err(|problem| problem.code),
        Err(ErrorCode::ConfigInvalid)
    );
    assert_eq!(std::fs::read_to_string(&file)?, commented);

    let written = agent.call::<WriteConfig>(&request).await?;
    ensure!(written.in_force, "{written:?}");
    let text = std::fs::read_to_string(&file)?;
    let expected = commented.replace("= 85 #", "= 80 #");
    assert!(text.contains("max_back_off = \"5m\"\n"), "{text}");
    for line in expected
        .lines()
        .filter(|line| !line.contains("max_back_off"))
    {
        assert!(
            text.lines().any(|one| one == line),
            "{line} is not in {text}"
        );
    }
    // In force when the reply comes, and on the record with who it was, without the values.
    let shown = agent.call::<GetConfig>(&Nothing {}).await?;
    let disk = shown
        .settings()
        .find(|one| one.key == "thresholds.disk_percent")
        .context("it is not shown")?;
    assert_eq!(disk.value, 80);
    assert!(
        matches!(disk.origin, SettingOrigin::File { .. }),
        "{disk:?}"
    );
    let entry = agent
        .wait_for_entry(
            "the change",
            SOON,
            |entry| matches!(&entry.event, Event::ConfigReloaded { by, .. } if !by.is_empty()),
        )
        .await?;
    match &entry.event {
        Event::ConfigReloaded { changed, .. } => {
            assert_eq!(changed, &["guards.max_back_off", "thresholds.disk_percent"]);
        }
        other => panic!("{other:?}"),
    }

    // Who made changes for the file as it was before is refused.
    let refused = agent.try_call_at::<WriteConfig>("", &request).await?;
    assert_eq!(
        refused.map_err(|problem| problem.code),
        Err(ErrorCode::ConfigChanged)
    );
    // Of two at the same moment one wins, and the file is whole.
    let race = |value: i64| ConfigWriteRequest {
        hash: shown.file.hash.clone(),
        edits: vec![edit("thresholds.disk_percent", value.into())],
    };
    let (one, other) = (race(70), race(60));
    let (one, other) = tokio::join!(
        agent.try_call_at::<WriteConfig>("", &one),
        agent.try_call_at::<WriteConfig>("", &other)
    );
    let (one, other) = (one?, other?);
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let text = std::fs::read_to_string(&file)?;
    let winner = if one.is_ok() { "= 70 #" } else { "= 60 #" };
    assert!(text.contains(winner), "{text}");

    // The command line does the same to the same file, and shows what it would do.
    let before = std::fs::read_to_string(&file)?;
    let dry = agent
        .cli(&[
            "config",
            "set",
            "--dry-run",
            "thresholds.disk_percent",
            "77",
        ])
        .await?;
    let words = String::from_utf8_lossy(&dry.stdout).into_owned();
    assert!(
        dry.status.success() && words.contains("+ disk_percent = 77 # ask Evin"),
        "{dry:?}"
    );
    assert_eq!(std::fs::read_to_string(&file)?, before);
    let set = agent
        .cli(&["config", "set", "thresholds.disk_percent", "--default"])
        .await?;
    assert!(set.status.success(), "{set:?}");
    let text = std::fs::read_to_string(&file)?;
    assert!(text.contains("\n# ask Evin\n"), "{text}");
    agent
        .wait(
            "the default to be in force",
            SOON,
            || async {
                let shown = agent.call::<GetConfig>(&Nothing {}).await?;
                let all: Vec<_> = shown.settings().cloned().collect();
                Ok(all
                    .into_iter()
                    .find(|one| one.key == "thresholds.disk_percent"))
            },
            |disk| disk.as_ref().is_some_and(|disk| disk.value == 85),
        )
        .await?;
    Ok(())
}
