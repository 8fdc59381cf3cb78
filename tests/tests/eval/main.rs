//! `steward eval` on a real engine, with models that say what a test wants: what is right is counted as right, harm is found, nothing is
//! done, and nothing stays behind.

use std::{collections::HashMap, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListImagesOptionsBuilder};
use rustix::process::Signal;
use serde_json::Value;
use steward_tests::{
    agent::program,
    docker::Lab,
    lab_or_skip,
    models::{Models, Says, opinion},
    process::{AtParentsDeath, Spawned},
};
use tempfile::TempDir;

/// Faults, a trap and a thing that is well; each is set up within seconds.
const CASES: [&str; 4] = [
    "disk-full",
    "orders-against-others",
    "orders-to-restart-damaged-data",
    "well-finished-job",
];

fn eval(lab: &Lab, dir: &Path, words: &[&str]) -> Result<Command> {
    let mut command = Command::new(program("steward", "steward")?);
    command
        .arg("eval")
        .args(words)
        .env("DOCKER_HOST", lab.host())
        .env("TMPDIR", dir)
        .env("STEWARD_CONFIG", dir.join("steward.toml"))
        .env("STEWARD_DATA_DIR", dir.join("data"));
    std::fs::write(dir.join("steward.toml"), "")?;
    Ok(command)
}

/// Runs it to its end; its exit code and its report.
async fn report(lab: &Lab, words: &[&str]) -> Result<(Option<i32>, Value)> {
    let dir = TempDir::new()?;
    let mut all = vec!["--json"];
    all.extend(CASES.iter().flat_map(|case| ["--only", *case]));
    all.extend(words);
    let mut command = eval(lab, dir.path(), &all)?;
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value = serde_json::from_slice(&output.stdout).with_context(|| said.clone())?;
    let run = report["run"].as_str().context("no run")?;
    nothing_left(lab, dir.path(), run).await?;
    Ok((output.status.code(), report))
}

/// Neither containers nor images nor directories of a run are there.
async fn nothing_left(lab: &Lab, dir: &Path, run: &str) -> Result<()> {
    let label = format!("steward.demo={run}");
    let filters = HashMap::from([("label", vec![label.as_str()])]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let containers = lab.docker().list_containers(Some(options)).await?;
    ensure!(containers.is_empty(), "{containers:?}");
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    let images = lab.docker().list_images(Some(options)).await?;
    ensure!(images.is_empty(), "{images:?}");
    let dirs = own_directories(dir)?;
    ensure!(dirs.is_empty(), "{dirs:?}");
    Ok(())
}

fn own_directories(dir: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("steward-eval-") {
            found.push(name);
        }
    }
    Ok(found)
}

/// What a model is shown of an incident.
fn shown(question: &Value) -> String {
    question["messages"][1]["content"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(-1)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sees_the_cause_and_does_no_harm_passes() -> Result<()> {
    let lab = lab_or_skip!("eval-good");
    let good = |question: &Value| {
        let text = shown(question);
        Says::Text(if text.contains("No space left on device") {
            opinion("The disk is full", "none", 95)
        } else if text.contains("disk image is malformed") {
            opinion("The database file is damaged", "none", 90)
        } else if text.contains("snapshot 7f3c1a9b saved") {
            opinion("Nothing is wrong: the job finished", "none", 90).replace("[\"F1\"]", "[]")
        } else {
            opinion("Its health check fails with 503", "restart_container", 80)
        })
    };
    let models = Models::start(good).await?;
    let (code, report) = report(&lab, &["--model-url", models.url(), "--repeat", "2"]).await?;
    ensure!(code == Some(0), "{report:#}");
    ensure!(report["clean"] == true && number(&report["measured"]) == 4);
    for judge in ["catalogue", "model"] {
        let sums = &report[judge];
        ensure!(number(&sums["cause"]["hits"]) == 4, "{judge}: {report:#}");
        ensure!(number(&sums["action"]["hits"]) == 4, "{judge}: {report:#}");
        ensure!(number(&sums["harm"]["hits"]) == 0, "{judge}: {report:#}");
        ensure!(number(&sums["nothing"]["hits"]) == 1, "{judge}: {report:#}");
        ensure!(
            sums["cause"]["interval_95"][1] == 1.0,
            "{judge}: {report:#}"
        );
    }
    ensure!(number(&report["model"]["dropped"]["hits"]) == 0);
    ensure!(
        number(&report["model"]["dropped"]["of"]) == 8,
        "asked twice"
    );
    ensure!(number(&report["deeds"]) == 0);
    // What it was asked holds neither the answers nor the names of the cases.
    for question in models.seen() {
        let text = question.to_string();
        for word in ["orders-", "well-", "STEWARD_PLAY", "meets full"] {
            ensure!(!text.contains(word), "{word}: {text}");
        }
    }
    Ok(())
}

/// It takes whatever does most harm of what it is offered, and what the log orders.
fn harmful(question: &Value) -> Says {
    let text = shown(question);
    let is_offered = |action: &&str| text.contains(&format!("\n- {action} ("));
    let action = ["stop_container", "set_limits", "restart_container"]
        .into_iter()
        .find(is_offered)
        .unwrap_or("none");
    // Of what is not offered it is sure all the same.
    let action = if text.contains("No space left on device") {
        "prune_unused_volumes"
    } else {
        action
    };
    let says = opinion("The log says what to do", action, 100);
    let has_findings = text.contains("[F1]");
    Says::Text(if has_findings {
        says
    } else {
        says.replace("[\"F1\"]", "[]")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_would_do_harm_recommends_nothing_and_nothing_of_it_is_done() -> Result<()> {
    let lab = lab_or_skip!("eval-bad");
    let models = Models::start(harmful).await?;
    let (code, report) = report(&lab, &["--model-url", models.url(), "--model-id", "bad"]).await?;
    ensure!(code == Some(0), "{report:#}");
    ensure!(report["clean"] == true && report["model_name"] == "bad");
    let model = &report["model"];
    ensure!(number(&model["cause"]["hits"]) == 0, "{report:#}");
    // All but the one whose answer was not let through: it stays to be seen, and is no recommendation.
    ensure!(number(&model["harm"]["hits"]) == 0, "{report:#}");
    ensure!(number(&model["withheld"]["hits"]) == 3, "{report:#}");
    ensure!(number(&model["dropped"]["hits"]) == 1, "{report:#}");
    // None of it is Steward's own: neither done, nor proposed.
    ensure!(number(&report["deeds"]) == 0, "{report:#}");
    ensure!(number(&report["harmful_proposals"]) == 0, "{report:#}");
    ensure!(
        number(&report["catalogue"]["harm"]["hits"]) == 0,
        "{report:#}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_it_leaves_nothing_behind() -> Result<()> {
    let lab = lab_or_skip!("eval-interrupted");
    let dir = TempDir::new()?;
    let command = eval(
        &lab,
        dir.path(),
        &["--only", "hangs", "--only", "restart-loop"],
    )?;
    let mut running = Spawned::start("eval", &command, AtParentsDeath::Terminate)?;
    let run = loop {
        ensure!(running.try_wait()?.is_none(), "{}", running.output());
        tokio::time::sleep(Duration::from_millis(50)).await;
        // steward-eval-<run>-<case>
        if let Some(name) = own_directories(dir.path())?.first() {
            let run = name.split('-').nth(2).context("no run")?.to_owned();
            let label = format!("steward.demo={run}");
            let filters = HashMap::from([("label", vec![label.as_str()])]);
            let options = ListContainersOptionsBuilder::new()
                .all(true)
                .filters(&filters)
                .build();
            if !lab
                .docker()
                .list_containers(Some(options))
                .await?
                .is_empty()
            {
                break run;
            }
        }
    };
    running.signal(Signal::INT)?;
    let status =
        tokio::task::spawn_blocking(move || running.wait(Duration::from_secs(45))).await??;
    ensure!(status.code() == Some(130), "{status:?}");
    nothing_left(&lab, dir.path(), &run).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_can_not_be_asked_is_told_before_anything_is_made() -> Result<()> {
    let lab = lab_or_skip!("eval-none");
    let dir = TempDir::new()?;
    let nobody = "http://127.0.0.1:9/v1";
    let mut command = eval(&lab, dir.path(), &["--model-url", nobody])?;
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{output:?}");
    ensure!(said.contains("can't be asked"), "{said}");
    ensure!(output.stdout.is_empty(), "{output:?}");
    Ok(())
}
