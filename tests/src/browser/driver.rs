//! `chromedriver` and the Chromium that it starts, ended together.
//!
//! What flows through: a folder for the profile in; the driver's address and what Chromium is to be started with out. What it never does: leave
//! one of them behind; a browser outlives a killed driver, so it is found by its profile and ended.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};

use super::Screen;
use crate::process::{AtParentsDeath, Spawned, is_root, which};

/// What the driver says when it is ready, before its port.
const READY: &str = "was started successfully on port ";

#[derive(Debug)]
pub(super) struct Driver {
    process: Spawned,
    url: String,
    chromium: PathBuf,
    profile: PathBuf,
    http: reqwest::Client,
}

impl Driver {
    /// Starts it on a port of its own; the inner error says what is missing.
    pub(super) async fn start(profile: &Path) -> Result<Result<Self, String>> {
        let (Some(driver), Some(chromium)) = (
            which("chromedriver"),
            which("chromium").or_else(|| which("google-chrome")),
        ) else {
            return Ok(Err(
                "there is no Chromium with its WebDriver; get them with: apt-get install chromium chromium-driver"
                    .to_owned(),
            ));
        };
        let mut command = Command::new(driver);
        // Whatever it or the browser keeps stands in the profile's folder, and goes with it.
        command
            .arg("--port=0")
            .env("HOME", profile)
            .env("TMPDIR", profile)
            .env_remove("DISPLAY");
        let mut process = Spawned::start("chromedriver", &command, AtParentsDeath::Kill)?;
        let begin = Instant::now();
        let port: u16 = loop {
            let said = process.output();
            if let Some((_, rest)) = said.split_once(READY) {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                if let Ok(port) = digits.parse() {
                    break port;
                }
            }
            if process.try_wait()?.is_some() || begin.elapsed() > Duration::from_secs(30) {
                bail!("chromedriver does not start\n{said}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        Ok(Ok(Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
            chromium,
            profile: profile.to_owned(),
            http: crate::agent::http_client()?,
        }))
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What the browser is started with.
    pub(super) fn capabilities(&self, screen: Screen) -> Map<String, Value> {
        let mut arguments: Vec<String> = [
            "--headless=new",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            "--window-size=1280,860",
        ]
        .map(str::to_owned)
        .to_vec();
        if is_root() {
            // Chromium refuses to run as root otherwise; the pages are the project's own.
            arguments.push("--no-sandbox".to_owned());
        }
        arguments.push(format!(
            "--user-data-dir={}",
            self.profile.join("profile").display()
        ));
        let mut options = json!({ "binary": self.chromium, "args": arguments });
        if screen == Screen::Phone {
            options["mobileEmulation"] = json!({ "deviceMetrics": { "width": 390, "height": 844, "pixelRatio": 2.0, "touch": true, "mobile": true } });
        }
        let capabilities = json!({
            "browserName": "chrome",
            "acceptInsecureCerts": false,
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": options,
            "timeouts": { "script": 30_000, "pageLoad": 60_000 },
        });
        match capabilities {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// A request of Chromium's own kind.
    pub(super) async fn post(&self, session: &str, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}/session/{session}/{path}", self.url);
        let answer: Value = self
            .http
            .post(url)
            .json(body)
            .send()
            .await
            .with_context(|| format!("chromedriver does not answer to {path}"))?
            .json()
            .await?;
        match &answer["value"] {
            Value::Object(value) if value.contains_key("error") => bail!("{path}: {answer}"),
            value => Ok(value.clone()),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Err(error) = self.process.kill() {
            eprintln!("{error:#}");
        }
        // The browser's own processes go once their first one is gone; the profile's folder is removed after that.
        let begin = Instant::now();
        while end_all_of(&self.profile) && begin.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Kills every process whose command line names this folder; says whether there were any.
fn end_all_of(folder: &Path) -> bool {
    let folder = folder.as_os_str().as_encoded_bytes();
    let mut found = false;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let names_it = line.windows(folder.len()).any(|part| part == folder);
        if let (true, Some(pid)) = (names_it, Pid::from_raw(pid)) {
            found = true;
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    found
}
