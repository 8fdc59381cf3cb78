//! Settings: changed in the browser, checked as they are typed, written into the file with its comments kept.

use anyhow::{Context as _, Result};
use steward_tests::{
    agent::{Agent, http_client},
    browser_or_skip,
};

use super::{SOON, id, is_question_who, nothing_complained, sign_in, sign_in_at, token_of};

const KEY: &str = "thresholds.disk_percent";

fn setting(part: &str) -> String {
    format!("[data-testid=setting][data-key='{KEY}'] [data-testid={part}]")
}

/// An agent that watches nothing: what it is set up by is all that is looked at.
fn alone() -> steward_tests::agent::Builder {
    Agent::for_host("unix:///nothing/is/here.sock")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_threshold_is_checked_as_it_is_typed_and_saved_beside_its_comments() -> Result<()> {
    let browser = browser_or_skip!("settings");
    let agent = alone().start().await?;
    let file = agent.config_file();
    let before = std::fs::read_to_string(&file)?;
    let commented = format!("# Ours: keep this line.\n{before}\n# And this one at the end.\n");
    std::fs::write(&file, &commented)?;
    sign_in(&browser, &agent).await?;
    browser.click(&id("nav-settings")).await?;
    browser.see(&id("configuration")).await?;
    browser.picture("folded").await?;
    let group = "[data-testid=setting-group][data-group=thresholds]";
    browser.see(group).await?;
    let open = browser
        .run(
            "return document.querySelector(arguments[0]).open",
            &[group.into()],
        )
        .await?;
    if open != true {
        browser.click(&format!("{group} summary")).await?;
    }
    let field = browser.see(&setting("setting-input")).await?;
    field.clear().await?;
    field.send_keys("180").await?;
    browser
        .text_where(
            &setting("setting-problem"),
            "to say what is wrong",
            |text| !text.is_empty(),
        )
        .await?;
    let enabled = browser.see(&id("config-save")).await?.is_enabled().await?;
    assert!(!enabled, "what is wrong can be saved");
    browser.picture("wrong").await?;

    let field = browser.see(&setting("setting-input")).await?;
    field.clear().await?;
    field.send_keys("77").await?;
    browser.says(&id("change-count"), "1 change").await?;
    browser
        .text_where(&setting("setting-problem"), "to be empty", str::is_empty)
        .await?;
    browser.click(&id("config-preview")).await?;
    browser.says(&id("config-lines"), "77").await?;
    browser.picture("preview").await?;
    let wait_enabled = || async { Ok(browser.see(&id("config-save")).await?.is_enabled().await?) };
    steward_tests::wait::until("what is right to be saved", SOON, wait_enabled, |is| *is).await?;
    browser.click(&id("config-save")).await?;
    browser.gone(&id("save-bar")).await?;
    let after = std::fs::read_to_string(&file)?;
    assert!(after.contains("disk_percent = 77"), "{after}");
    assert!(after.starts_with("# Ours: keep this line.\n"), "{after}");
    assert!(after.contains("# And this one at the end."), "{after}");
    browser.says("main", "77").await.ok();
    browser.reload().await?;
    browser.see(&id("configuration")).await?;
    nothing_complained(&browser).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_change_settings_reads_them_with_the_reason() -> Result<()> {
    let browser = browser_or_skip!("settings-viewer");
    let agent = alone().start().await?;
    let viewer = token_of(&agent, "viewer")?;
    sign_in_at(&browser, agent.url(), &viewer).await?;
    browser.click(&id("nav-settings")).await?;
    browser.see(&id("configuration")).await?;
    browser.see(&id("config-held")).await?;
    let open = browser
        .run(
            "return [...document.querySelectorAll('[data-testid=setting-input]')].filter(e => !e.disabled && !e.readOnly).length",
            &[],
        )
        .await?;
    assert_eq!(open, 0, "a viewer can type into settings");
    browser.picture("read-only").await?;
    browser.expect_quiet(is_question_who).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_used_and_revoked() -> Result<()> {
    let browser = browser_or_skip!("tokens");
    let agent = alone().start().await?;
    sign_in(&browser, &agent).await?;
    browser.click(&id("nav-settings")).await?;
    browser.see(&id("configuration")).await?;
    browser.click("[data-testid=tokens] summary").await?;
    browser.type_into(&id("token-new-name"), "phone").await?;
    browser
        .click("[data-testid=token-new-role] option[value=operator]")
        .await?;
    browser.click(&id("token-make")).await?;
    browser.see(&id("token-made")).await?;
    let secret = browser
        .run(
            "return document.querySelector('[data-testid=token-made]').value",
            &[],
        )
        .await?;
    let secret = secret.as_str().context("no token is shown")?.to_owned();
    let row = "[data-testid=token-name][data-token=phone]";
    browser.says(row, "role operator").await?;
    let kept = || std::fs::read_to_string(agent.data_dir().join("tokens.toml"));
    assert!(kept()?.contains(&secret));

    // Somebody signs in with it, and is signed out when it is revoked.
    let client = http_client()?;
    let request = |client: &reqwest::Client| {
        client
            .get(format!("{}/status", agent.url()))
            .header("X-API-Key", &secret)
    };
    assert_eq!(request(&client).send().await?.status(), 200);
    let stream = client
        .get(format!("{}/api/events", agent.url()))
        .header("X-API-Key", &secret)
        .send()
        .await?;
    assert_eq!(stream.status(), 200);
    browser
        .click(&format!("{row} [data-testid=token-revoke]"))
        .await?;
    assert_eq!(
        request(&client).send().await?.status(),
        200,
        "not asked yet"
    );
    browser
        .click(&format!("{row} [data-testid=token-revoke-yes]"))
        .await?;
    browser.gone(row).await?;
    assert_eq!(request(&client).send().await?.status(), 401);
    tokio::time::timeout(SOON, stream.text())
        .await
        .context("a stream goes on with a token that was revoked")??;
    assert!(!kept()?.contains(&secret));
    browser.click(&id("nav-activity")).await?;
    browser.says("main", "Token phone revoked by").await?;
    browser
        .says("main", "Token phone made, role operator, by")
        .await?;
    assert!(!agent.output().contains(&secret));
    nothing_complained(&browser).await
}
