//! A real browser: Chromium, driven through `WebDriver`, in front of the control center.
//!
//! What flows through: what a person does (opens, clicks, types, presses keys) in; what they would see, pictures, and what the page wrote to
//! its console out. Parts of a page are found by their `data-testid`. What it never does: use a profile, port or display that is not its own,
//! leave a browser behind, or wait for a fixed time: it looks until what is awaited is there.

mod driver;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use fantoccini::{Client, ClientBuilder, Locator, elements::Element};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::driver::Driver;
use crate::wait;

/// A page has so long to show what is awaited. A debug build of the agent on a busy machine needs seconds.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How the browser looks at the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Screen {
    /// A window of a workstation: 1280 × 860.
    #[default]
    Desktop,
    /// A phone, upright: 390 × 844, touched.
    Phone,
}

/// One browser with a fresh profile. Ended with everything it started when dropped.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    driver: Driver,
    session: String,
    pictures: PathBuf,
    /// What names its pictures.
    name: String,
    _profile: TempDir,
}

/// A browser, or the test ends as skipped.
#[macro_export]
macro_rules! browser_or_skip {
    ($name:expr) => {
        $crate::browser_or_skip!($name, $crate::browser::Screen::Desktop)
    };
    ($name:expr, $screen:expr) => {
        match $crate::browser::Browser::start($name, $screen).await? {
            Ok(browser) => browser,
            Err(reason) => $crate::skip!("{reason}"),
        }
    };
}

impl Browser {
    /// Starts it; the inner error is the reason for a skip.
    ///
    /// # Errors
    /// Where it is there and does not start.
    pub async fn start(name: &str, screen: Screen) -> Result<Result<Self, String>> {
        if !steward::server::has_ui() {
            let reason = "this build of Steward carries no control center; `cargo xtask test` builds one with it";
            return Ok(Err(reason.to_owned()));
        }
        let profile = tempfile::Builder::new()
            .prefix("steward-browser-")
            .tempdir()?;
        let driver = match Driver::start(profile.path()).await? {
            Ok(driver) => driver,
            Err(reason) => return Ok(Err(reason)),
        };
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(driver.capabilities(screen))
            .connect(driver.url())
            .await
            .context("Chromium does not start")?;
        let session = client
            .session_id()
            .await?
            .context("the session has no id")?;
        let pictures = crate::profile_dir()?.join("pictures");
        std::fs::create_dir_all(&pictures)?;
        let browser = Self {
            client,
            driver,
            session,
            pictures,
            name: name.to_owned(),
            _profile: profile,
        };
        Ok(Ok(browser))
    }

    /// Opens an address.
    ///
    /// # Errors
    /// Where the browser can't.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.client
            .goto(url)
            .await
            .with_context(|| format!("can't open {url}"))
    }

    /// Waits until something is there, and seen.
    ///
    /// # Errors
    /// Where it does not come; the message holds the page's text.
    pub async fn see(&self, selector: &str) -> Result<Element> {
        let begin = std::time::Instant::now();
        loop {
            for element in self.client.find_all(Locator::Css(selector)).await? {
                // It may be drawn anew between the two questions.
                if element.is_displayed().await.unwrap_or(false) {
                    return Ok(element);
                }
            }
            if begin.elapsed() > PATIENCE {
                let waited = anyhow::anyhow!("waited {PATIENCE:?} for {selector}");
                return Err(self.as_it_is(waited).await);
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Waits until something is no longer there.
    ///
    /// # Errors
    /// Where it stays.
    pub async fn gone(&self, selector: &str) -> Result<()> {
        let read = || async { Ok(self.client.find_all(Locator::Css(selector)).await?.len()) };
        let what = format!("{selector} to be gone");
        match wait::until(&what, PATIENCE, read, |count| *count == 0).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.as_it_is(error).await),
        }
    }

    /// A failure with what the page says, and a picture of it.
    async fn as_it_is(&self, error: anyhow::Error) -> anyhow::Error {
        let text = self.page_text().await.unwrap_or_default();
        let console = self.console().await.unwrap_or_default().join("\n");
        // A picture is worth having; what went wrong before it is worth more.
        self.picture("failed").await.ok();
        error.context(format!("the page says:\n{text}\nits console:\n{console}"))
    }

    /// How many there are.
    ///
    /// # Errors
    /// Where the browser can't be asked.
    pub async fn count(&self, selector: &str) -> Result<usize> {
        Ok(self.client.find_all(Locator::Css(selector)).await?.len())
    }

    /// Waits until the text of what a selector finds first satisfies a condition, and returns it.
    ///
    /// # Errors
    /// Where it never does.
    pub async fn text_where(
        &self,
        selector: &str,
        what: &str,
        is: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let read = || async {
            Ok(self
                .client
                .find(Locator::Css(selector))
                .await?
                .text()
                .await?)
        };
        let what = format!("{selector} {what}");
        match wait::until(&what, PATIENCE, read, |text| is(text)).await {
            Ok(text) => Ok(text),
            Err(error) => Err(self.as_it_is(error).await),
        }
    }

    /// Waits until what a selector finds first contains these words.
    ///
    /// # Errors
    /// Where it never does.
    pub async fn says(&self, selector: &str, words: &str) -> Result<String> {
        self.text_where(selector, &format!("to say {words:?}"), |text| {
            text.contains(words)
        })
        .await
    }

    /// Clicks on something, once it is seen. What is drawn anew at that moment is looked for again.
    ///
    /// # Errors
    /// Where it does not come or can't be clicked.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let begin = std::time::Instant::now();
        loop {
            match self.see(selector).await?.click().await {
                Ok(()) => return Ok(()),
                Err(error) if begin.elapsed() > PATIENCE => {
                    return Err(error).with_context(|| format!("can't click on {selector}"));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Types into a field.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        Ok(self.see(selector).await?.send_keys(text).await?)
    }

    /// Presses keys, wherever the focus is.
    ///
    /// # Errors
    /// Where the browser can't.
    pub async fn press(&self, keys: &str) -> Result<()> {
        Ok(self.client.active_element().await?.send_keys(keys).await?)
    }

    /// What has the focus: its `data-testid`, or its tag where it has none.
    ///
    /// # Errors
    /// Where the browser can't be asked.
    pub async fn focused(&self) -> Result<String> {
        let script = "const e = document.activeElement; return e ? (e.dataset.testid ?? e.id ?? '') || e.tagName.toLowerCase() : ''";
        let told = self.run(script, &[]).await?;
        Ok(told.as_str().unwrap_or_default().to_owned())
    }

    /// The page's text.
    ///
    /// # Errors
    /// Where the browser can't be asked.
    pub async fn page_text(&self) -> Result<String> {
        Ok(self.client.find(Locator::Css("body")).await?.text().await?)
    }

    /// The page's title.
    ///
    /// # Errors
    /// Where the browser can't be asked.
    pub async fn title(&self) -> Result<String> {
        Ok(self.client.title().await?)
    }

    /// The address as it is shown.
    ///
    /// # Errors
    /// Where the browser can't be asked.
    pub async fn address(&self) -> Result<String> {
        Ok(self.client.current_url().await?.to_string())
    }

    /// Runs a script in the page and returns what it returns.
    ///
    /// # Errors
    /// Where it throws.
    pub async fn run(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        Ok(self.client.execute(script, arguments.to_vec()).await?)
    }

    /// The same for a script that calls its last argument with its result, later.
    ///
    /// # Errors
    /// Where it throws or takes more than half a minute.
    pub async fn run_async(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        Ok(self
            .client
            .execute_async(script, arguments.to_vec())
            .await?)
    }

    /// Loads the page anew.
    ///
    /// # Errors
    /// Where the browser can't.
    pub async fn reload(&self) -> Result<()> {
        Ok(self.client.refresh().await?)
    }

    /// Makes the system's colours dark or light, as the page sees it.
    ///
    /// # Errors
    /// Where the browser can't.
    pub async fn prefer_colours(&self, scheme: &str) -> Result<()> {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({ "features": features }),
        )
        .await?;
        Ok(())
    }

    /// Asks something of Chromium that `WebDriver` has no word for.
    ///
    /// # Errors
    /// Where it refuses.
    pub async fn devtools(&self, command: &str, parameters: &Value) -> Result<Value> {
        let body = json!({ "cmd": command, "params": parameters });
        self.driver
            .post(&self.session, "goog/cdp/execute", &body)
            .await
    }

    /// Keeps a picture of the page among the run's artifacts, outside of the repository.
    ///
    /// # Errors
    /// Where it can't be made.
    pub async fn picture(&self, of: &str) -> Result<()> {
        let png = self.client.screenshot().await?;
        let file = self.pictures.join(format!("{}-{of}.png", self.name));
        std::fs::write(&file, png).with_context(|| format!("can't write {}", file.display()))
    }

    /// Warnings and errors that the page wrote to its console since the last call.
    ///
    /// # Errors
    /// Where the browser can't be asked.
    pub async fn console(&self) -> Result<Vec<String>> {
        let log = self
            .driver
            .post(&self.session, "se/log", &json!({ "type": "browser" }))
            .await?;
        let entries = log.as_array().cloned().unwrap_or_default();
        Ok(entries
            .iter()
            .filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")))
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect())
    }

    /// Fails where the page complained of anything in its console, other than what `expected` says is part of the test (such as a request
    /// that had to fail, of which a browser always writes a line).
    ///
    /// # Errors
    /// What it complained of.
    pub async fn expect_quiet(&self, expected: impl Fn(&str) -> bool) -> Result<()> {
        let said = self.console().await?;
        let unexpected: Vec<&String> = said.iter().filter(|line| !expected(line)).collect();
        if unexpected.is_empty() {
            return Ok(());
        }
        bail!("the page complains in its console: {unexpected:#?}")
    }
}
