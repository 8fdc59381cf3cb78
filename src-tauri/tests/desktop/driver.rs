//! The window, driven as a person would: WebKit's own WebDriver starts the program and clicks in its page.
//!
//! What flows through: what is to be clicked, typed and seen in, what is there out. What it never does: reach into the program by any other
//! way than its page.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use steward_tests::{
    process::{AtParentsDeath, Spawned, which},
    wait,
};

use super::session::{Session, program};

const SOON: Duration = Duration::from_secs(60);
/// What the standard calls an element in JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A window with its driver.
pub(crate) struct Window {
    driver: Spawned,
    http: reqwest::Client,
    /// The address of the WebDriver session.
    at: String,
    /// What the program holds for as long as it lives.
    lock: PathBuf,
}

impl Window {
    /// Starts the program in a session, and waits for its page.
    pub(crate) async fn open(session: &Session, arguments: &[&str]) -> Result<Self> {
        let port = free_port()?;
        let mut command = session.command(&which("WebKitWebDriver").context("no WebKitWebDriver")?);
        command
            .arg(format!("--port={port}"))
            .arg("--host=127.0.0.1")
            .env("TAURI_AUTOMATION", "true")
            .env("TAURI_WEBVIEW_AUTOMATION", "true");
        let driver = Spawned::start("WebKitWebDriver", &command, AtParentsDeath::Kill)?;
        let http = steward_tests::agent::http_client()?;
        let base = format!("http://127.0.0.1:{port}");
        let ready = || async {
            let answer = http.get(format!("{base}/status")).send().await;
            Ok(answer.is_ok_and(|answer| answer.status().is_success()))
        };
        wait::until("the driver", SOON, ready, |ready| *ready).await?;
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "webkitgtk:browserOptions": {"binary": program(), "args": arguments}
        }}});
        let mut window = Self {
            driver,
            http,
            at: String::new(),
            lock: session.path("runtime/steward/desktop.lock"),
        };
        let made = window
            .post(&format!("{base}/session"), &wanted)
            .await
            .with_context(|| window.driver.output())?;
        let id = made["sessionId"].as_str().context("no session")?;
        window.at = format!("{base}/session/{id}");
        Ok(window)
    }

    async fn post(&self, url: &str, body: &Value) -> Result<Value> {
        let answer = self.http.post(url).json(body).send().await?;
        value(answer).await
    }

    /// Runs a function's body in the page.
    pub(crate) async fn script(&self, body: &str) -> Result<Value> {
        let url = format!("{}/execute/sync", self.at);
        self.post(&url, &json!({"script": body, "args": []})).await
    }

    /// What a selector finds now; absent where it finds nothing.
    async fn find(&self, selector: &str) -> Result<Option<String>> {
        let url = format!("{}/elements", self.at);
        let found = self
            .post(&url, &json!({"using": "css selector", "value": selector}))
            .await?;
        Ok(found[0][ELEMENT].as_str().map(str::to_owned))
    }

    /// Waits for an element by its `data-testid`.
    pub(crate) async fn see(&self, test_id: &str) -> Result<String> {
        let selector = by_test_id(test_id);
        let read = || self.find(&selector);
        let found = wait::until(test_id, SOON, read, Option::is_some).await;
        match found {
            Ok(found) => found.context("nothing"),
            Err(error) => {
                let page = self.script("return document.body.innerText").await;
                bail!(
                    "{error:#}\nthe page says: {page:?}\n{}",
                    self.driver.output()
                )
            }
        }
    }

    /// Whether there is such an element now.
    pub(crate) async fn has(&self, test_id: &str) -> Result<bool> {
        Ok(self.find(&by_test_id(test_id)).await?.is_some())
    }

    /// Waits until an element's text holds some words.
    pub(crate) async fn read(&self, test_id: &str, words: &str) -> Result<String> {
        let selector = by_test_id(test_id);
        let body = format!("return document.querySelector({selector:?})?.innerText ?? null");
        let read = || async { Ok(self.script(&body).await?.as_str().map(str::to_owned)) };
        let found = wait::until(&format!("`{words}` in {test_id}"), SOON, read, |text| {
            text.as_ref().is_some_and(|text| text.contains(words))
        })
        .await
        .with_context(|| self.driver.output())?;
        found.context("nothing")
    }

    /// An element in the middle of the window, once it stays where it is: what is still being read may move it, and bars stand over the
    /// edges, and for a while over more. A person waits and scrolls, too.
    async fn reach(&self, test_id: &str) -> Result<String> {
        self.see(test_id).await?;
        let body = format!(
            "const it = document.querySelector({:?}); if (!it) return null; it.scrollIntoView({{block: 'center'}}); \
             const {{x, y, width, height}} = it.getBoundingClientRect(); \
             const top = document.elementFromPoint(x + width / 2, y + height / 2); \
             const isFree = top && (it.contains(top) || top.contains(it)); return isFree ? `${{x}} ${{y}}` : null",
            by_test_id(test_id)
        );
        let mut before = serde_json::Value::Null;
        for _ in 0..50 {
            let now = self.script(&body).await?;
            if !now.is_null() && now == before {
                break;
            }
            before = now;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        self.see(test_id).await
    }

    /// Clicks.
    pub(crate) async fn click(&self, test_id: &str) -> Result<()> {
        let element = self.reach(test_id).await?;
        let url = format!("{}/element/{element}/click", self.at);
        self.post(&url, &json!({})).await.map(|_| ())
    }

    /// Types into a field, in place of what is there.
    pub(crate) async fn fill(&self, test_id: &str, text: &str) -> Result<()> {
        let element = self.reach(test_id).await?;
        let at = format!("{}/element/{element}", self.at);
        self.post(&format!("{at}/clear"), &json!({})).await?;
        self.post(&format!("{at}/value"), &json!({"text": text}))
            .await
            .map(|_| ())
    }

    /// Waits until the line is live, and nothing has gone wrong in the page.
    pub(crate) async fn live(&self) -> Result<()> {
        self.see("link").await?;
        let read = || async {
            self.script("return document.documentElement.dataset.link")
                .await
        };
        wait::until("the line", SOON, read, |state| state == "live").await?;
        if self.has("fault").await? {
            bail!("the page met a fault of its own");
        }
        Ok(())
    }

    /// Keeps a picture of the window where `STEWARD_TEST_ARTIFACTS` says.
    pub(crate) async fn picture(&self, name: &str) -> Result<()> {
        let Some(dir) = std::env::var_os("STEWARD_TEST_ARTIFACTS") else {
            return Ok(());
        };
        let answer = self
            .http
            .get(format!("{}/screenshot", self.at))
            .send()
            .await?;
        let picture = value(answer).await?;
        let text = picture.as_str().context("no picture")?;
        std::fs::create_dir_all(&dir)?;
        std::fs::write(Path::new(&dir).join(format!("{name}.png")), decoded(text)?)?;
        Ok(())
    }

    /// Ends the program as a click on Quit does, and waits until it is gone.
    pub(crate) async fn quit(mut self) -> Result<()> {
        // The page goes away while it is asked.
        let quit = "window.__TAURI_INTERNALS__.invoke('quit'); return null";
        let _ = self.script(quit).await;
        let gone = || async { Ok(std::fs::File::open(&self.lock)?.try_lock().is_ok()) };
        wait::until("the program to end", SOON, gone, |gone| *gone)
            .await
            .with_context(|| self.driver.output())?;
        self.driver.kill()
    }

    /// What the program wrote.
    pub(crate) fn output(&self) -> String {
        self.driver.output()
    }
}

fn by_test_id(test_id: &str) -> String {
    format!("[data-testid='{test_id}']")
}

async fn value(answer: reqwest::Response) -> Result<Value> {
    let status = answer.status();
    let mut body: Value = answer.json().await?;
    let value = body["value"].take();
    if status.is_success() {
        Ok(value)
    } else {
        bail!("{}: {}", value["error"], value["message"])
    }
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}

/// Base64 as pictures come in it.
fn decoded(text: &str) -> Result<Vec<u8>> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text
        .bytes()
        .filter(|byte| !matches!(byte, b'=' | b'\n' | b'\r'))
    {
        let place = LETTERS.iter().position(|letter| *letter == byte);
        bits = bits << 6 | u32::try_from(place.context("no base64")?)?;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Ok(out)
}
