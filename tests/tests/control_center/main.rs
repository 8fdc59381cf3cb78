//! The control center in a real browser, in front of a real agent on a real container engine: what a person sees and does there.

mod agents;
mod alone;
mod answers;
mod connection;
mod many;
mod models;
mod pages;
mod security;
mod settings;
mod watching;

use std::time::Duration;

use anyhow::{Context as _, Result};
use steward_tests::{
    agent::{ADMIN_TOKEN, Agent},
    browser::Browser,
};

/// How long what the agent does may take on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// A test id as a selector.
fn id(name: &str) -> String {
    format!("[data-testid={name}]")
}

/// Signs in by token, at this address of the agent.
async fn sign_in_at(browser: &Browser, url: &str, token: &str) -> Result<()> {
    browser.open(&format!("{url}/")).await?;
    browser.see(&id("page-sign-in")).await?;
    browser.type_into(&id("token"), token).await?;
    browser.click(&id("sign-in")).await?;
    browser.see(&id("page-overview")).await?;
    live(browser).await
}

/// Signs in as admin.
async fn sign_in(browser: &Browser, agent: &Agent) -> Result<()> {
    sign_in_at(browser, agent.url(), ADMIN_TOKEN).await
}

/// Waits until the line to the agent is live.
async fn live(browser: &Browser) -> Result<()> {
    browser.see("[data-testid=link][data-state=live]").await?;
    Ok(())
}

/// A token out of the agent's file.
fn token_of(agent: &Agent, role: &str) -> Result<String> {
    let text = std::fs::read_to_string(agent.data_dir().join("tokens.toml"))?;
    let file: toml::Table = text.parse()?;
    let tokens = file["token"].as_array().context("no tokens")?;
    let one = tokens
        .iter()
        .find(|token| token["role"].as_str() == Some(role));
    let secret = one.and_then(|token| token["secret"].as_str());
    Ok(secret.context("no such role")?.to_owned())
}

/// Before somebody is signed in the page has to ask who is, and a browser notes each refusal.
fn is_question_who(line: &str) -> bool {
    line.contains("/api/session") && line.contains("401")
}

/// Nothing in the console but what belongs to signing in.
async fn nothing_complained(browser: &Browser) -> Result<()> {
    browser.expect_quiet(is_question_who).await
}
