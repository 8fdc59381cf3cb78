//! Answers: a yes that is carried out, a no that leaves the world alone, a question that somebody else has answered, a viewer who may not.

use anyhow::{Context as _, Result};
use steward_api::{ApproveRequest, ApproveTask, GetTask, Nothing, Task, TaskState};
use steward_tests::{
    agent::Agent,
    browser::Browser,
    browser_or_skip,
    docker::{Container, Lab},
    lab_or_skip,
};

use super::{SOON, id, nothing_complained, sign_in, sign_in_at, token_of};

/// A container that has died under an agent that asks, and its question.
async fn question(lab: &Lab) -> Result<(Agent, Container, Task)> {
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let agent = Agent::for_lab(lab)
        .set("autonomy.level", "ask")
        .start()
        .await?;
    agent
        .wait_for_container(&web.name, "to be known", SOON, |_| true)
        .await?;
    web.crash(1).await?;
    let asks = |task: &Task| task.requires_approval && task.status == TaskState::Pending;
    let tasks = agent
        .wait_for_tasks("the question", SOON, |tasks| tasks.iter().any(asks))
        .await?;
    let task = tasks.into_iter().find(asks).context("it is gone")?;
    Ok((agent, web, task))
}

async fn task(agent: &Agent, task: &Task) -> Result<Task> {
    agent.call_at::<GetTask>(task.id, &Nothing {}).await
}

async fn settled(agent: &Agent, asked: &Task) -> Result<Task> {
    agent
        .wait(
            "the task to be over",
            SOON,
            || task(agent, asked),
            |task| task.status.is_final(),
        )
        .await
}

/// The card of a task on the overview.
fn card(task: &Task) -> String {
    format!("[data-testid=task-card][data-task='{}']", task.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_with_a_note_is_carried_out_before_ones_eyes() -> Result<()> {
    let lab = lab_or_skip!("ui-yes");
    let browser = browser_or_skip!("approve");
    let (agent, web, asked) = question(&lab).await?;
    sign_in(&browser, &agent).await?;
    let card = card(&asked);
    let shown = browser.see(&card).await?.text().await?;
    for part in [web.name.as_str(), "low", "expires in"] {
        assert!(
            shown.to_lowercase().contains(&part.to_lowercase()),
            "no {part:?} in {shown}"
        );
    }
    browser.picture("card").await?;
    assert_eq!(browser.title().await?.split(' ').next(), Some("(1)"));

    // The task's own page shows the whole plan, and takes the answer with a note.
    browser.click(&format!("{card} h3 a")).await?;
    browser.see(&id("page-task")).await?;
    let plan = browser.see(&id("plan")).await?.text().await?;
    assert!(plan.contains(&web.name), "{plan}");
    browser.picture("task-asked").await?;
    browser
        .type_into(&id("note"), "seen in the browser")
        .await?;
    browser.click(&id("approve")).await?;
    browser.says(&id("task-state"), "ompleted").await?;
    browser.gone(&id("question")).await?;
    browser.says(&id("approval"), "seen in the browser").await?;
    browser.picture("task-completed").await?;
    web.wait("to run again", SOON, |now| now.running).await?;
    let done = settled(&agent, &asked).await?;
    assert_eq!(done.status, TaskState::Completed);
    let approval = done.approval.context("no approval")?;
    assert_eq!(approval.note, "seen in the browser");
    nothing_complained(&browser).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_leaves_the_world_alone() -> Result<()> {
    let lab = lab_or_skip!("ui-no");
    let browser = browser_or_skip!("reject");
    let (agent, web, asked) = question(&lab).await?;
    sign_in(&browser, &agent).await?;
    let card = card(&asked);
    browser
        .click(&format!("{card} [data-testid=add-note]"))
        .await?;
    browser
        .type_into(&format!("{card} [data-testid=note]"), "not tonight")
        .await?;
    browser
        .click(&format!("{card} [data-testid=reject]"))
        .await?;
    browser.gone(&card).await?;
    let done = settled(&agent, &asked).await?;
    assert_eq!(done.status, TaskState::Rejected);
    assert!(!web.state().await?.running);
    browser.click(&id("nav-tasks")).await?;
    browser.click(&id("tab-past")).await?;
    browser.says(&id("past-tasks"), "ejected").await?;
    browser.picture("past-tasks").await?;
    nothing_complained(&browser).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_another_answers_goes_away_and_a_viewer_has_no_buttons() -> Result<()> {
    let lab = lab_or_skip!("ui-other");
    let browser: Browser = browser_or_skip!("viewer");
    let (agent, _web, asked) = question(&lab).await?;
    let viewer = token_of(&agent, "viewer")?;
    sign_in_at(&browser, agent.url(), &viewer).await?;
    let card = card(&asked);
    browser
        .see(&format!("{card} [data-testid=may-not-answer]"))
        .await?;
    let buttons = browser
        .run(
            "return [...document.querySelectorAll('[data-testid=approve]')].filter(b => b.checkVisibility()).length",
            &[],
        )
        .await?;
    assert_eq!(buttons, 0);
    browser.picture("viewer").await?;
    let body = ApproveRequest {
        approved_by: "Evin".to_owned(),
        notes: String::new(),
        plan_hash: Some(asked.plan_hash.clone()),
    };
    agent.try_call_at::<ApproveTask>(asked.id, &body).await??;
    browser.gone(&card).await?;
    nothing_complained(&browser).await
}
