//! A real small model, served by llama.cpp's own server: constrained opinions parse and are valid, and a trial shows what it can do.
//!
//! Its judgement is chance; what is proven here is the wire and the validation. Run by `cargo xtask test --live-model`, which names a Python
//! with the server and the model in `STEWARD_LIVE_MODEL_PYTHON`.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use steward_api::{
    CallQuery, CallResult, GetConversation, GetProgress, Health, Incident, ListModelCalls,
    MessageKind, ProgressQuery, RecordedCall, Say, SayRequest, TriedModel, is_of_model,
};
use steward_tests::{agent::Agent, lab_or_skip};

const SOON: Duration = Duration::from_secs(90);
/// A small model on one busy core.
const WITHIN: Duration = Duration::from_secs(300);

/// The server, until it drops.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> Result<Self> {
        let python = std::env::var("STEWARD_LIVE_MODEL_PYTHON")
            .context("run it by `cargo xtask test --live-model`")?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live_model/serve.py");
        let mut child = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().context("no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let url = format!("{}/v1", line.trim());
        ensure!(url.starts_with("http://127.0.0.1:"), "it said {line:?}");
        Ok(Self { child, url })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_models_opinions_keep_to_the_schema_and_change_nothing() -> Result<()> {
    let server = Server::start()?;
    let lab = lab_or_skip!("live");
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let agent = Agent::for_lab(&lab)
        .toml(&format!(
            "[advisor]\ndiscover = false\ndiagnose = \"on_request\"\ntimeout = \"4m\"\n[[advisor.models]]\nname = \"small\"\nurl = \"{}\"\n",
            server.url
        ))?
        .set("autonomy.level", "ask")
        .start()
        .await?;
    let tried: TriedModel = agent.cli_json(&["models", "try", "small"]).await?;
    ensure!(tried.error.is_none(), "{tried:?}");
    ensure!(tried.status.abilities.schema == Some(true), "{tried:?}");
    ensure!(!tried.offered.is_empty());

    let is_well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
    agent
        .wait_for_container(&web.name, "to be well", SOON, is_well)
        .await?;
    web.crash(1).await?;
    let asked = |all: &Vec<Incident>| all.iter().any(|one| !one.tasks.is_empty());
    let all = agent
        .wait_for_incidents("the question", SOON, asked)
        .await?;
    let found = all.into_iter().find(|one| one.resource.name == web.name);
    let id = found.context("no incident")?.id;
    let mut valid = 0;
    for round in 1_usize..=3 {
        agent
            .call_at::<steward_api::DiagnoseIncident>(id, &steward_api::DiagnoseRequest::default())
            .await?;
        let query = CallQuery {
            conversation: None,
            incident: Some(id),
            ..CallQuery::default()
        };
        let read = || agent.call::<ListModelCalls>(&query);
        // A round is over with an answer that was used, or with a second one that was not.
        let rounds = |calls: &[RecordedCall]| {
            let is_invalid = |one: &&RecordedCall| one.call.result == CallResult::Invalid;
            let invalid = calls.iter().filter(is_invalid).count();
            let mut answered = calls.len() - invalid;
            let mended = calls.windows(2).filter(|pair| {
                pair[1].call.result == CallResult::Invalid
                    && pair[0].call.result != CallResult::Invalid
            });
            answered += (invalid - mended.count()) / 2;
            answered
        };
        let calls = agent
            .wait("its answer", WITHIN, read, |page| {
                rounds(&page.items) >= round
            })
            .await?;
        let newest = &calls.items[0].call;
        println!(
            "round {round}: {} after {} ms, {} tokens in, {} out{}",
            newest.result,
            newest.took_ms,
            newest.prompt_tokens,
            newest.completion_tokens,
            newest
                .error
                .as_ref()
                .map(|why| format!(": {why}"))
                .unwrap_or_default()
        );
        valid += usize::from(newest.result == CallResult::Answered);
    }
    ensure!(valid > 0, "not one of three opinions was valid");
    let incident = agent
        .call_at::<steward_api::GetIncident>(id, &steward_api::Nothing {})
        .await?;
    let opinion = incident
        .diagnoses
        .iter()
        .find(|one| is_of_model(one))
        .context("no opinion")?;
    println!(
        "it says: {} ({} % sure): {}",
        opinion.diagnosis, opinion.confidence, opinion.reasoning
    );
    ensure!(!is_of_model(&incident.diagnoses[0]), "it is not in force");
    ensure!(!web.state().await?.running, "nothing was done");
    Ok(())
}

/// Its words are chance; what is proven is that they come piece by piece, that what was looked at stands beside them, and that a form it
/// can't fill in leaves an answer all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_model_speaks_with_a_person_word_by_word() -> Result<()> {
    let server = Server::start()?;
    let lab = lab_or_skip!("live-talk");
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let agent = Agent::for_lab(&lab)
        .toml(&format!(
            "[advisor]\ndiscover = false\ndiagnose = \"on_request\"\ntimeout = \"4m\"\n[[advisor.models]]\nname = \"small\"\nurl = \"{}\"\n",
            server.url
        ))?
        .start()
        .await?;
    let is_well = |resource: &steward_api::Resource| resource.health == Health::Healthy;
    agent
        .wait_for_container(&web.name, "to be well", SOON, is_well)
        .await?;
    let said = agent
        .call::<Say>(&SayRequest {
            text: format!("How is {}?", web.name),
            ..SayRequest::default()
        })
        .await?;
    let id = said.conversation;
    let mut seen = 0;
    let mut lengths = std::collections::BTreeSet::new();
    let begun = std::time::Instant::now();
    loop {
        let progress = agent
            .call_at::<GetProgress>(id, &ProgressQuery { seen: Some(seen) })
            .await?;
        seen = progress.version;
        lengths.extend(progress.writing.map(|writing| writing.text.len()));
        if !progress.busy {
            break;
        }
        ensure!(begun.elapsed() < 4 * WITHIN, "it takes too long");
    }
    let detail = agent
        .call_at::<GetConversation>(id, &steward_api::Nothing {})
        .await?;
    for message in &detail.messages {
        println!(
            "{} → {} ({}, {}): {}",
            message.from,
            message.to,
            message.kind,
            message.model.as_deref().unwrap_or("no model"),
            message.text
        );
    }
    let last = detail.messages.last().context("nothing was said")?;
    ensure!(last.kind == MessageKind::Answer, "{last:?}");
    ensure!(
        lengths.len() > 3,
        "it did not come piece by piece: {lengths:?}"
    );
    ensure!(last.looked_at.iter().any(|one| !one.failed), "{last:?}");
    let status = agent
        .call::<steward_api::GetAdvisor>(&steward_api::Nothing {})
        .await?;
    ensure!(
        status.models[0].abilities.streaming == Some(true),
        "{status:?}"
    );
    ensure!(web.state().await?.running, "nothing was done");
    Ok(())
}
