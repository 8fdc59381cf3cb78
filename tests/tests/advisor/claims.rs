//! What the README promises of models outside of the house, of money, and of specialists of one's own; as somebody sees it who uses the
//! command line.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use steward_api::{
    AdvisorStatus, CallResult, CallTexts, Incident, Page, RecordedCall, Specialist, is_of_model,
};
use steward_tests::{
    agent::Agent,
    docker::{Lab, Workload},
    lab_or_skip,
    models::{Models, Says, opinion, talk},
};

use super::{incident, well};

/// Nobody outside may learn of these.
const PRIVATE: [&str; 5] = ["pantry", "192.168.7.9", "nina", "nas.home.lan", "hunter22"];

fn outside(models: &Models, usd_per_million: f64, more: &str) -> String {
    format!(
        "[node]\nname = \"pantry\"\n[advisor]\ndiscover = false\ndiagnose = \"on_request\"\nretries = 0\n{more}\n[[advisor.models]]\nname = \"m\"\nurl = \"{}\"\nclass = \"cloud\"\noutput_usd_per_million = {usd_per_million:?}\n",
        models.url()
    )
}

async fn failed(lab: &Lab, agent: &Agent) -> Result<Incident> {
    let says = "connecting to 192.168.7.9 as user=nina on nas.home.lan, token=hunter22";
    let script = format!("echo '{says}'; sleep 6; echo 'could not write'; exit 3");
    let job = lab
        .container("job")
        .workload(&Workload::Command(
            ["/bin/sh", "-c", &script].map(str::to_owned).to_vec(),
        ))
        .start()
        .await?;
    well(agent, &job).await?;
    incident(agent, &job, "the question", |one| !one.tasks.is_empty()).await
}

/// Has the model look, and what it says.
async fn said(agent: &Agent, id: &str) -> Result<String> {
    let shown: Incident = agent.cli_json(&["diagnose", id]).await?;
    let second = shown.diagnoses.into_iter().find(is_of_model);
    Ok(second.context("no second opinion")?.diagnosis)
}

/// The text of the newest call, as the operator reads it.
async fn sent(agent: &Agent) -> Result<String> {
    let calls: Page<RecordedCall> = agent.cli_json(&["models", "calls"]).await?;
    let id = calls.items.first().context("no call")?.id.to_string();
    let texts: CallTexts = agent.cli_json(&["models", "call", &id]).await?;
    texts.sent.context("no text")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_for_a_model_outside_can_be_read_and_holds_nothing_private() -> Result<()> {
    let lab = lab_or_skip!("outside");
    // It speaks of an address by the name that it was given.
    let models = Models::start(|asked| {
        let text = asked["messages"].to_string();
        let name = text
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .find(|word| word.starts_with("address-"))
            .unwrap_or("nobody")
            .to_owned();
        Says::Text(opinion(&format!("The share at {name} is gone"), "none", 70))
    })
    .await?;
    let mut agent = Agent::for_lab(&lab)
        .toml(&outside(&models, 0.0, ""))?
        .set("autonomy.level", "ask")
        .start()
        .await?;
    let found = failed(&lab, &agent).await?;
    let id = found.id.to_string();
    ensure!(said(&agent, &id).await? == "The share at nobody is gone");
    // What is recorded is what left, to the letter.
    let text = sent(&agent).await?;
    let recorded: Value = serde_json::from_str(&text)?;
    ensure!(models.seen().last() == Some(&recorded));
    ensure!(!text.contains("connecting to"), "a log left: {text}");
    for private in PRIVATE {
        ensure!(!text.contains(private), "{private}: {text}");
    }

    // With leave the log goes along, with stand-ins and without the secret; and the real name stands in the answer again.
    let config = outside(&models, 0.0, "[advisor.privacy]\nlogs_to_cloud = true");
    agent.edit_config(|builder| builder.toml(&config).expect("it is TOML"))?;
    let limit = Instant::now() + super::SOON;
    while said(&agent, &id).await? != "The share at 192.168.7.9 is gone" {
        ensure!(Instant::now() < limit, "it never went along");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let text = sent(&agent).await?;
    ensure!(text.contains("connecting to address-"), "{text}");
    for private in PRIVATE {
        ensure!(!text.contains(private), "{private}: {text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spent_today_counts_on_after_a_restart_and_no_more_is_spent() -> Result<()> {
    let lab = lab_or_skip!("budget");
    let models = Models::start(|_| Says::Text(opinion("It ended", "none", 70))).await?;
    // An answer may cost 45 cents at most, and costs 3.
    let mut agent = Agent::for_lab(&lab)
        .toml(&outside(&models, 500.0, "daily_budget_usd = 0.46"))?
        .set("autonomy.level", "ask")
        .start()
        .await?;
    let found = failed(&lab, &agent).await?;
    let id = found.id.to_string();
    let _: Incident = agent.cli_json(&["diagnose", &id]).await?;
    agent.restart().await?;
    let status: AdvisorStatus = agent.cli_json(&["models"]).await?;
    ensure!(status.spent_today_micro_usd == 30_000, "{status:?}");
    let output = agent.cli(&["diagnose", &id]).await?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.code() == Some(1) && text.contains("budget"),
        "{output:?}"
    );
    ensure!(models.seen().len() == 1, "it was asked once");
    let calls: Page<RecordedCall> = agent.cli_json(&["models", "calls"]).await?;
    ensure!(calls.items[0].call.result == CallResult::Answered);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_specialist_of_ones_own_is_asked_by_name_with_its_instructions_and_its_model()
-> Result<()> {
    let lab = lab_or_skip!("chronos");
    let mind = |asked: &Value| {
        let text = "Nothing here backs anything up [A1].";
        talk(asked, &[], text, &[], Says::Text(text.to_owned()))
    };
    let (other, own) = (Models::start(mind).await?, Models::start(mind).await?);
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let config = format!(
        "{}[[advisor.models]]\nname = \"workshop\"\nurl = \"{}\"\n[[advisor.specialists]]\nname = \"Chronos\"\nfield = \"backups\"\ninstructions = \"You know backups: how old the newest one is.\"\ntools = [\"get_resource\", \"get_log\", \"list_incidents\"]\nmodel = \"workshop\"\n",
        other.config("diagnose = \"on_request\""),
        own.url()
    );
    let agent = Agent::for_lab(&lab).toml(&config)?.start().await?;
    well(&agent, &web).await?;
    let all: Vec<Specialist> = agent.cli_json(&["specialists"]).await?;
    ensure!(
        all.iter()
            .any(|one| one.name == "Chronos" && one.field == "backups")
    );

    let asked = format!("How old is the backup of {}?", web.name);
    let output = agent.cli(&["ask", "--to", "Chronos", &asked]).await?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{output:?}");
    ensure!(text.contains("Nothing here backs anything up"), "{text}");
    ensure!(text.contains("Chronos, by the model workshop"), "{text}");
    // Each thing that was looked at stands there once.
    let looked = text.lines().find(|line| line.contains("looked at"));
    let looked = looked.with_context(|| text.to_string())?;
    ensure!(looked.matches("A1 ").count() == 1, "{text}");
    ensure!(other.seen().is_empty(), "its own model is asked first");
    let told = own.seen().iter().map(Value::to_string).collect::<String>();
    ensure!(told.contains("how old the newest one is"), "{told}");
    ensure!(
        !told.contains("list_processes"),
        "only its own tools: {told}"
    );

    let output = agent.cli(&["ask", "--to", "Nobody", "Hello?"]).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(2) && said.contains("Chronos"),
        "{output:?}"
    );
    Ok(())
}
