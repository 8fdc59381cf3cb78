//! Second opinions: a model's diagnosis beside the catalogue's, chosen by a person; models under Settings; what there is without any.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use steward_api::Incident;
use steward_tests::{
    agent::Agent,
    browser::Browser,
    browser_or_skip,
    docker::{Container, Lab},
    lab_or_skip,
    models::{Models, Says},
};

use super::{SOON, id, is_question_who, nothing_complained, sign_in, sign_in_at, token_of};

const CAUSE: &str = "The program was ended by its own settings";

/// How the model is.
#[derive(Default)]
struct Mood {
    /// While this is set it thinks.
    is_held: AtomicBool,
    /// While this is set it answers nonsense.
    is_broken: AtomicBool,
}

/// A server with one model, which answers as it is scripted.
struct Scripted {
    models: Models,
    mood: Arc<Mood>,
}

fn answer(mood: &Mood, asked: &Value) -> Says {
    if mood.is_held.load(Ordering::Relaxed) {
        return Says::NotYet;
    }
    let is_trial = asked["response_format"]["json_schema"]["name"] == "ready"
        || asked["messages"].to_string().contains("Are you there?");
    let said = if mood.is_broken.load(Ordering::Relaxed) {
        json!("I would rather talk of the weather")
    } else if is_trial {
        json!({"ready": true})
    } else {
        json!({
            "reasoning": "nothing but its end was recorded, and it ended by itself",
            "diagnosis": CAUSE,
            "recommended_action": "none",
            "urgency": "medium",
            "confidence": 75,
            "evidence": [],
        })
    };
    Says::Text(said.to_string())
}

impl Scripted {
    async fn start() -> Result<Self> {
        let mood = Arc::new(Mood::default());
        let of_server = Arc::clone(&mood);
        let models = Models::start(move |asked| answer(&of_server, asked)).await?;
        Ok(Self { models, mood })
    }
}

/// A container that has died under an agent that asks, and its incident.
async fn case(lab: &Lab, advisor: &str) -> Result<(Agent, Container, Incident)> {
    let web = lab.container("web").serve().start().await?;
    web.wait_ready().await?;
    let agent = Agent::for_lab(lab)
        .set("autonomy.level", "ask")
        .toml(advisor)?
        .start()
        .await?;
    agent
        .wait_for_container(&web.name, "to be known", SOON, |_| true)
        .await?;
    web.crash(3).await?;
    let is_there = |all: &Vec<Incident>| all.iter().any(|one| !one.diagnoses.is_empty());
    let incidents = agent
        .wait_for_incidents("the incident", SOON, is_there)
        .await?;
    let incident = incidents.into_iter().next().context("it is gone")?;
    Ok((agent, web, incident))
}

/// Opens an incident's page.
async fn open(browser: &Browser, agent: &Agent, incident: &Incident) -> Result<()> {
    browser
        .open(&format!("{}/#/incidents/{}", agent.url(), incident.id))
        .await?;
    browser.see(&id("page-incident")).await?;
    Ok(())
}

/// The card of a diagnosis, and a part of it.
fn card(source: &str, part: &str) -> String {
    format!("[data-testid=opinion][data-source^='{source}'] {part}")
}

async fn seen(browser: &Browser, names: &[&str]) -> Result<Value> {
    let selector: Vec<String> = names.iter().map(|name| id(name)).collect();
    browser
        .run(
            "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility()).length",
            &[selector.join(",").into()],
        )
        .await
}

async fn is_as_narrow_as_a_phone(browser: &Browser, picture: &str) -> Result<()> {
    let phone = json!({"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true});
    browser
        .devtools("Emulation.setDeviceMetricsOverride", &phone)
        .await?;
    let wide = browser
        .run(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth",
            &[],
        )
        .await?;
    browser.picture(picture).await?;
    browser
        .devtools("Emulation.clearDeviceMetricsOverride", &json!({}))
        .await?;
    assert_eq!(wide, 0, "{picture} scrolls sideways on a phone");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_models_opinion_stands_beside_the_catalogues_until_a_person_chooses_it() -> Result<()> {
    let lab = lab_or_skip!("ui-models");
    let browser = browser_or_skip!("models");
    let server = Scripted::start().await?;
    let advisor = format!(
        "[advisor]\ndiagnose = \"always\"\ndiscover = false\n[[advisor.models]]\nname = \"scripted\"\nurl = \"{}\"\n",
        server.models.url()
    );
    let (agent, _web, incident) = case(&lab, &advisor).await?;
    sign_in(&browser, &agent).await?;
    open(&browser, &agent, &incident).await?;

    // Both are there, and that they disagree is said.
    browser.says(&card("model:scripted", ""), CAUSE).await?;
    browser
        .says(
            &card("model:scripted", "[data-testid=standing]"),
            "second opinion",
        )
        .await?;
    browser
        .says(&card("catalogue:", "[data-testid=standing]"), "in force")
        .await?;
    let model = browser
        .see(&card("model:scripted", ""))
        .await?
        .text()
        .await?;
    for words in ["The model scripted", "75 %", "nothing that Steward can do"] {
        assert!(model.contains(words), "no {words:?} in {model}");
    }
    browser
        .says(&id("comparison"), "They disagree on what to do")
        .await?;
    browser.picture("both").await?;
    let side_by_side = browser
        .run(
            "const [a, b] = [...document.querySelectorAll('[data-testid=opinion]')].map(e => e.getBoundingClientRect()); return a.top === b.top && a.right <= b.left",
            &[],
        )
        .await?;
    assert_eq!(side_by_side, true);
    is_as_narrow_as_a_phone(&browser, "both-phone").await?;

    // What was sent is one click away.
    browser.click(&id("call-open")).await?;
    let sent = browser.says(&id("call-sent"), "recommended_action").await?;
    assert!(sent.contains("Offered actions:"), "{sent}");
    browser.says(&id("call-received"), CAUSE).await?;
    browser.picture("sent").await?;
    browser.click(&id("call-open")).await?;
    browser.gone(&id("call-sent")).await?;

    // It is put in force in two steps.
    browser.run("window.scrollTo(0, 0)", &[]).await?;
    browser.click(&id("choose")).await?;
    browser
        .says(&id("what-follows"), "approves nothing")
        .await?;
    assert_eq!(browser.focused().await?, "choose-no");
    browser.picture("confirm").await?;
    browser.click(&id("choose-no")).await?;
    browser.gone(&id("what-follows")).await?;
    browser.click(&id("choose")).await?;
    browser.click(&id("choose-yes")).await?;
    browser
        .says(
            &card("model:scripted", "[data-testid=standing]"),
            "chosen by a person",
        )
        .await?;
    browser
        .says(
            &card("catalogue:", "[data-testid=standing]"),
            "second opinion",
        )
        .await?;
    browser.picture("chosen").await?;
    let incidents = agent.incidents().await?;
    let now = incidents.iter().find(|one| one.id == incident.id);
    let now = now.context("it is gone")?;
    assert_eq!(now.chosen.as_deref(), Some("model:scripted"));
    assert_eq!(now.diagnoses[0].source, "model:scripted");

    // Asked again, it is seen that a model looks, until its answer comes.
    server.mood.is_held.store(true, Ordering::Relaxed);
    browser.says(&id("ask-model"), "Ask again").await?;
    browser.click(&id("ask-model")).await?;
    browser.says(&id("looking"), "a model looks at it").await?;
    browser.picture("looking").await?;
    server.mood.is_held.store(false, Ordering::Relaxed);
    browser.says(&id("model-said"), CAUSE).await?;
    browser.gone(&id("looking")).await?;

    // Why there is no answer is said, too; what it said before stays.
    server.mood.is_broken.store(true, Ordering::Relaxed);
    browser.click(&id("ask-model")).await?;
    browser.says(&id("model-said"), "No second opinion").await?;
    browser.says(&card("model:scripted", ""), CAUSE).await?;
    browser
        .says(&id("model-calls"), "not valid, not used")
        .await?;
    browser.picture("no-opinion").await?;
    nothing_complained(&browser).await?;

    // Who may not decide sees all of it, but no button and no text that was sent.
    let viewer = token_of(&agent, "viewer")?;
    browser.click(&id("nav-settings")).await?;
    browser.click(&id("sign-out")).await?;
    browser.see(&id("page-sign-in")).await?;
    sign_in_at(&browser, agent.url(), &viewer).await?;
    open(&browser, &agent, &incident).await?;
    browser.says(&card("model:scripted", ""), CAUSE).await?;
    browser.see(&id("model-call")).await?;
    assert_eq!(
        seen(&browser, &["choose", "ask-model", "call-open"]).await?,
        0
    );
    browser.expect_quiet(is_question_who).await
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_show_models_try_them_and_say_how_to_have_one() -> Result<()> {
    let browser = browser_or_skip!("settings-models");
    let server = Scripted::start().await?;
    let agent = Agent::for_host("unix:///nothing/is/here.sock")
        .toml(&format!(
            "[advisor]\ndiscover = false\n[[advisor.models]]\nname = \"scripted\"\nurl = \"{}\"\n",
            server.models.url()
        ))?
        .start()
        .await?;
    sign_in(&browser, &agent).await?;
    browser.click(&id("nav-settings")).await?;
    let row = "[data-testid=model][data-model=scripted]";
    let shown = browser.says(row, "configured").await?;
    for words in ["not asked yet", "local", "free", "none yet", "8,192 tokens"] {
        assert!(shown.contains(words), "no {words:?} in {shown}");
    }
    browser.says(&id("models-spent"), "of $1.00").await?;
    browser
        .click(&format!("{row} [data-testid=try-model]"))
        .await?;
    let tried = browser.says(&id("tried"), "It answered, in").await?;
    assert!(tried.contains("scripted"), "{tried}");
    browser.says(&id("model-state"), "up").await?;
    browser.says(row, "just now").await?;
    browser.picture("tried").await?;
    browser
        .click(&format!("{} summary", id("last-calls")))
        .await?;
    browser
        .says(&id("model-call"), "scripted, trial: answered")
        .await?;
    browser.click(&id("call-open")).await?;
    browser.says(&id("call-sent"), "Are you there?").await?;
    browser.says(&id("call-received"), "ready").await?;
    browser.picture("calls").await?;
    is_as_narrow_as_a_phone(&browser, "calls-phone").await?;

    // What is safe to change is offered; where models are looked for, and their keys, are not.
    browser
        .see("[data-testid=setting-group][data-group=advisor]")
        .await?;
    let keys = browser
        .run(
            "return [...document.querySelectorAll('[data-group=advisor] [data-testid=setting]')].map(e => e.dataset.key)",
            &[],
        )
        .await?;
    let keys = keys.as_array().context("no settings")?;
    assert!(
        keys.contains(&"advisor.privacy.logs_to_cloud".into()),
        "{keys:?}"
    );
    assert!(
        !keys.iter().any(|key| key.to_string().contains("models")),
        "{keys:?}"
    );
    nothing_complained(&browser).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_it_is_said_how_to_have_one() -> Result<()> {
    let lab = lab_or_skip!("ui-no-model");
    let browser = browser_or_skip!("no-model");
    let (agent, _web, incident) = case(&lab, "[advisor]\ndiscover = false\n").await?;
    sign_in(&browser, &agent).await?;
    open(&browser, &agent, &incident).await?;
    browser.says(&id("ask-model"), "Ask a model").await?;
    browser.click(&id("ask-model")).await?;
    browser.says(&id("failed"), "advisor.models").await?;
    browser.picture("failed").await?;
    // Of the refusal a browser writes a line.
    browser
        .expect_quiet(|line| is_question_who(line) || line.contains("/diagnose"))
        .await?;
    browser
        .click(&format!("{} a", id("model-question")))
        .await?;
    browser.says(&id("models-advice"), "advisor.models").await?;
    browser.picture("settings").await?;
    nothing_complained(&browser).await
}
