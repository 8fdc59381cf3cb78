//! Talking with specialists on the Agents screen: an answer that is written before one's eyes, what it rests on, and a proposal answered there.

use std::time::Duration;

use anyhow::{Context as _, Result};
use steward_api::{Health, Task, TaskState};
use steward_tests::{
    agent::Agent,
    browser_or_skip, lab_or_skip,
    models::{Models, Says, talk},
};

use super::{SOON, id, nothing_complained, sign_in, sign_in_at, token_of};

/// The last message of a kind.
fn message(kind: &str) -> String {
    format!("[data-testid=message][data-kind={kind}]")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_word_by_word_and_what_is_proposed_is_approved_there() -> Result<()>
{
    let lab = lab_or_skip!("ui-talk");
    let browser = browser_or_skip!("agents");
    let models = Models::start(|asked| {
        let words =
            "It serves, and nothing is wrong with it [A1]. A restart would do no harm. ".repeat(4);
        talk(
            asked,
            &["Atlas"],
            "It serves [A1].",
            &["restart_container"],
            Says::Slowly(words, Duration::from_millis(60)),
        )
    })
    .await?;
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let agent = Agent::for_lab(&lab)
        .toml(&models.config("diagnose = \"on_request\""))?
        .start()
        .await?;
    agent
        .wait_for_container(&web.name, "to be well", SOON, |one| {
            one.health == Health::Healthy
        })
        .await?;
    let began = web.state().await?.started_at;
    sign_in(&browser, &agent).await?;
    browser.click(&id("nav-agents")).await?;
    browser.see(&id("page-agents")).await?;
    browser
        .see("[data-testid=specialist][data-name='Athena']")
        .await?;
    browser.picture("specialists").await?;

    // By keyboard alone: Enter sends.
    browser
        .type_into(&id("question-words"), &format!("How is {}?\n", web.name))
        .await?;
    browser.see(&id("page-conversation")).await?;
    browser.see(&id("stop")).await?;
    browser.says(&id("writing"), "It serves").await?;
    browser.picture("writing").await?;
    browser.says(&message("answer"), "no harm").await?;
    browser.gone(&id("writing")).await?;

    // What it looked at is one click away, to the letter, and so is what was said in between.
    let answer = message("answer");
    browser
        .run(
            "document.querySelector(arguments[0] + ' [data-testid=looked-at]').open = true",
            &[answer.as_str().into()],
        )
        .await?;
    browser
        .says(&answer, &format!("container/{}", web.name))
        .await?;
    browser
        .click(&format!("{answer} [data-testid=sight] summary"))
        .await?;
    browser.see(&id("sight-text")).await?;
    browser.see(&id("between")).await?;
    browser.picture("answered").await?;

    // The proposal waits, and is answered where it stands.
    let asks = |task: &Task| task.requires_approval && task.status == TaskState::Pending;
    let tasks = agent
        .wait_for_tasks("the proposal", SOON, |tasks| tasks.iter().any(asks))
        .await?;
    let proposed = tasks.into_iter().find(asks).context("it is gone")?;
    assert_eq!(web.state().await?.started_at, began, "nothing was done");
    let proposal = id("proposal");
    // What is asked next stands at the window's end, so a person has the answer in its middle.
    browser
        .run(
            "document.querySelector(arguments[0]).scrollIntoView({block: 'center'})",
            &[format!("{proposal} [data-testid=approve]").into()],
        )
        .await?;
    browser
        .click(&format!("{proposal} [data-testid=approve]"))
        .await?;
    browser
        .says(
            &format!("{proposal} [data-testid=proposal-state]"),
            "ompleted",
        )
        .await?;
    browser.picture("proposal-done").await?;
    let done = agent.tasks().await?;
    let done = done.iter().find(|one| one.id == proposed.id);
    assert_eq!(done.map(|one| one.status), Some(TaskState::Completed));
    assert_ne!(web.state().await?.started_at, began, "it was restarted");
    nothing_complained(&browser).await?;

    // Who may not ask reads it all.
    let viewer = token_of(&agent, "viewer")?;
    let address = browser.address().await?;
    browser.click(&id("nav-settings")).await?;
    browser.click(&id("sign-out")).await?;
    browser.see(&id("page-sign-in")).await?;
    sign_in_at(&browser, agent.url(), &viewer).await?;
    browser.open(&address).await?;
    browser.says(&message("answer"), "no harm").await?;
    browser.see(&id("may-not-ask")).await?;
    assert_eq!(browser.count(&id("composer-form")).await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_stopped_and_had_once_more_and_invented_names_are_marked() -> Result<()> {
    let lab = lab_or_skip!("ui-stop");
    let browser = browser_or_skip!("agents-stop");
    let models = Models::start(|asked| {
        let words = "Have a look at `grafana`, which is not well. ".repeat(12);
        talk(
            asked,
            &[],
            "",
            &[],
            Says::Slowly(words, Duration::from_millis(40)),
        )
    })
    .await?;
    let agent = Agent::for_lab(&lab)
        .toml(&models.config("diagnose = \"on_request\""))?
        .start()
        .await?;
    sign_in(&browser, &agent).await?;
    browser.click(&id("nav-agents")).await?;
    browser
        .type_into(&id("question-words"), "What should I look at?\n")
        .await?;
    browser.says(&id("writing"), "grafana").await?;
    browser.click(&id("stop")).await?;
    browser.says(&message("failure"), "topped").await?;
    browser.gone(&id("stop")).await?;
    browser.click(&id("retry")).await?;
    browser.says(&message("answer"), "grafana").await?;
    browser.says(&id("not-known"), "grafana").await?;
    browser.picture("not-known").await?;
    nothing_complained(&browser).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_it_says_how_to_have_one() -> Result<()> {
    let lab = lab_or_skip!("ui-no-model");
    let browser = browser_or_skip!("agents-none");
    let agent = Agent::for_lab(&lab)
        .toml("[advisor]\ndiscover = false\n")?
        .start()
        .await?;
    sign_in(&browser, &agent).await?;
    browser.click(&id("nav-agents")).await?;
    browser.says(&id("page-agents"), "advisor.models").await?;
    browser.picture("no-model").await?;
    nothing_complained(&browser).await
}
