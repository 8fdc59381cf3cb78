//! OSV's API: questions in batches, then the records that the answers name (<https://google.github.io/osv.dev/api/>).
//!
//! What flows through: packages in, records out. What it never does: ask for a record that is kept and unchanged, wait without end, or
//! press on where it is asked to slow down.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use reqwest::{Client, RequestBuilder, StatusCode, header::RETRY_AFTER};
use serde::{Deserialize, Serialize};
use steward_api::Package;

use super::{Glimpse, LARGEST_RECORD, cache::Cache, is_id};
use crate::ports::{Advisories, Clock, Progress, ScanError, VulnerabilityDatabase};

/// The most questions in one batch, by OSV's documentation.
const MOST_QUESTIONS: usize = 1000;
/// The most pages of one batch.
const MOST_PAGES: usize = 100;
/// The largest answer to a batch, in bytes.
const LARGEST_ANSWER: u64 = 64 * 1024 * 1024;
/// The most records that are fetched for one image; a kernel's headers have some thousands.
const MOST_RECORDS: usize = 12_000;
/// The most records that are fetched only to tell how severe another is.
const MOST_FURTHER: usize = 4_000;
const CONCURRENCY: usize = 8;
/// A CVE's own record is asked for without knowing when it was modified; it is good for so long. Seconds.
const GOOD_FOR: i64 = 7 * 24 * 3600;

/// How patient the client is.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// For one request.
    pub timeout: Duration,
    /// How often a request is made at most.
    pub tries: u32,
    /// Before the second try; doubled with each further one.
    pub back_off: Duration,
    /// The most that is waited because the server says so.
    pub longest_wait: Duration,
}

impl Default for Pace {
    /// 30 s, four tries, from half a second on, at most a minute.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            tries: 4,
            back_off: Duration::from_millis(500),
            longest_wait: Duration::from_mins(1),
        }
    }
}

/// OSV over its API.
#[derive(Clone)]
pub struct OsvApi {
    url: String,
    client: Client,
    cache: Cache,
    clock: Arc<dyn Clock>,
    pace: Pace,
}

impl std::fmt::Debug for OsvApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OsvApi").finish_non_exhaustive()
    }
}

#[derive(Clone, Serialize)]
struct Question<'a> {
    package: QuestionPackage<'a>,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_token: Option<String>,
}

#[derive(Clone, Serialize)]
struct QuestionPackage<'a> {
    name: &'a str,
    ecosystem: &'a str,
}

#[derive(Serialize)]
struct Batch<'a> {
    queries: Vec<Question<'a>>,
}

#[derive(Deserialize)]
struct BatchAnswer {
    #[serde(default)]
    results: Vec<Option<Answer>>,
}

#[derive(Default, Deserialize)]
struct Answer {
    #[serde(default)]
    vulns: Vec<Named>,
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
    #[serde(default)]
    modified: String,
}

/// Why a request came to nothing.
enum Trouble {
    /// The server understood it and will not have it.
    Refused(StatusCode, String),
    Failed(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(status, text) => write!(f, "status {status}: {text}"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl OsvApi {
    /// Prepares the client. Nothing is asked yet. Records are kept in `directory`.
    ///
    /// # Errors
    /// Where no HTTP client can be made; in words.
    pub fn new(
        url: &str,
        directory: &Path,
        clock: Arc<dyn Clock>,
        pace: Pace,
    ) -> Result<Self, String> {
        // The process needs one provider of cryptography; that another part was quicker to choose the same is no error.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            Client::builder()
                .user_agent(concat!("steward/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(pace.timeout.min(Duration::from_secs(10)))
                .timeout(pace.timeout)
                .redirect(reqwest::redirect::Policy::limited(3))
                .referer(false)
        };
        let client = builder()
            .build()
            .or_else(|error| {
                tracing::warn!(%error, "this host has no list of trusted certificates (on Debian: the package ca-certificates); OSV can't be asked over https");
                builder().tls_certs_only([]).build()
            })
            .map_err(|error| error.to_string())?;
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            client,
            cache: Cache::new(directory),
            clock,
            pace,
        })
    }

    fn who(&self) -> String {
        format!("OSV at {}", self.url)
    }

    fn error(&self, trouble: &Trouble) -> ScanError {
        ScanError::Knowledge {
            what: self.who(),
            reason: format!(
                "{trouble}; without a connection, download OSV's archive and set security.vulnerabilities.offline_directory"
            ),
        }
    }

    /// Makes a request as often as it may succeed.
    async fn ask(
        &self,
        request: impl Fn(&Client) -> RequestBuilder,
        largest: u64,
    ) -> Result<String, Trouble> {
        let mut wait = self.pace.back_off;
        for attempt in 1.. {
            let (trouble, server_says) = match request(&self.client).send().await {
                Ok(response) if response.status().is_success() => {
                    match body(response, largest).await {
                        Ok(text) => return Ok(text),
                        Err(trouble) => (trouble, None),
                    }
                }
                Ok(response) => {
                    let status = response.status();
                    let says = response
                        .headers()
                        .get(RETRY_AFTER)
                        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
                        .map(Duration::from_secs);
                    let text = body(response, 4096).await.unwrap_or_default();
                    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
                    let trouble = Trouble::Refused(status, text);
                    if !(status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()) {
                        return Err(trouble);
                    }
                    (trouble, says)
                }
                Err(error) => (
                    Trouble::Failed(crate::ports::words(&error.without_url())),
                    None,
                ),
            };
            if attempt >= self.pace.tries {
                return Err(trouble);
            }
            // A quarter more or less, so that many agents do not come back at once.
            let spread = 0.75 + f64::from(rand::random::<u8>()) / 512.0;
            let own = wait.mul_f64(spread);
            let pause = server_says.unwrap_or(own).min(self.pace.longest_wait);
            tracing::debug!(%trouble, ?pause, "OSV is asked again");
            tokio::time::sleep(pause).await;
            wait *= 2;
        }
        Err(Trouble::Failed("it was not asked".to_owned()))
    }

    /// Asks about the packages of one ecosystem: which records concern which, and when those were modified.
    async fn batch(
        &self,
        packages: &[(usize, &Package)],
        found: &mut Found,
    ) -> Result<(), Trouble> {
        let mut open: Vec<(usize, Question<'_>)> = packages
            .iter()
            .map(|(at, package)| {
                let question = Question {
                    package: QuestionPackage {
                        name: &package.name,
                        ecosystem: &package.ecosystem,
                    },
                    version: &package.version,
                    page_token: None,
                };
                (*at, question)
            })
            .collect();
        for _ in 0..MOST_PAGES {
            if open.is_empty() {
                return Ok(());
            }
            let batch = Batch {
                queries: open.iter().map(|(_, question)| question.clone()).collect(),
            };
            let url = format!("{}/v1/querybatch", self.url);
            let text = self
                .ask(|client| client.post(&url).json(&batch), LARGEST_ANSWER)
                .await?;
            let answer: BatchAnswer = serde_json::from_str(&text).map_err(|error| {
                Trouble::Failed(format!("its answer can't be understood: {error}"))
            })?;
            if answer.results.len() != open.len() {
                return Err(Trouble::Failed(format!(
                    "it gave {} answers to {} questions",
                    answer.results.len(),
                    open.len()
                )));
            }
            let mut more = Vec::new();
            for ((at, mut question), answer) in open.into_iter().zip(answer.results) {
                let answer = answer.unwrap_or_default();
                for named in answer.vulns.into_iter().filter(|named| is_id(&named.id)) {
                    found.pairs.insert((at, named.id.clone()));
                    found.modified.insert(named.id, named.modified);
                }
                if let Some(token) = answer.next_page_token.filter(|token| !token.is_empty()) {
                    question.page_token = Some(token);
                    more.push((at, question));
                }
            }
            open = more;
        }
        found.gaps.push(format!(
            "OSV's answer has more than {MOST_PAGES} pages; the rest was not read"
        ));
        Ok(())
    }

    /// A record, from what is kept or from OSV. `None`: there is no such record.
    async fn record(&self, id: &str, modified: &str) -> Result<Option<String>, Trouble> {
        if let Some(kept) = self.cache.get(id, modified) {
            return Ok(Some(kept));
        }
        let Some(record) = self.fetch(id).await? else {
            return Ok(None);
        };
        self.cache.put(id, modified, &record);
        Ok(Some(record))
    }

    /// A record that only tells more of another.
    async fn further(&self, id: &str) -> Result<Option<String>, Trouble> {
        let now = self.clock.now().as_second();
        if let Some((kept_at, record)) = self.cache.kept(id)
            && kept_at
                .strip_prefix('@')
                .and_then(|at| at.parse::<i64>().ok())
                .is_none_or(|at| now.saturating_sub(at) < GOOD_FOR)
        {
            return Ok(Some(record));
        }
        let Some(record) = self.fetch(id).await? else {
            return Ok(None);
        };
        self.cache.put(id, &format!("@{now}"), &record);
        Ok(Some(record))
    }

    async fn fetch(&self, id: &str) -> Result<Option<String>, Trouble> {
        let url = format!("{}/v1/vulns/{id}", self.url);
        match self.ask(|client| client.get(&url), LARGEST_RECORD).await {
            Ok(text) => Ok(Some(text)),
            Err(Trouble::Refused(StatusCode::NOT_FOUND, _)) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Fetches the CVEs of records that do not say how severe they are.
    async fn severities(
        &self,
        records: &mut BTreeMap<String, String>,
        progress: Progress<'_>,
    ) -> usize {
        let wanted: BTreeSet<String> = records
            .values()
            .filter_map(|record| Glimpse::of(record))
            .filter(|glimpse| !glimpse.has_severity())
            .flat_map(|glimpse| glimpse.cves())
            .filter(|id| !records.contains_key(id))
            .take(MOST_FURTHER)
            .collect();
        if !wanted.is_empty() {
            progress(&format!("asking how severe {} of them are", wanted.len()));
        }
        let mut failed = 0;
        let mut fetched = stream::iter(wanted)
            .map(|id| async move {
                let record = self.further(&id).await;
                (id, record)
            })
            .buffer_unordered(CONCURRENCY);
        while let Some((id, record)) = fetched.next().await {
            match record {
                Ok(Some(record)) => {
                    records.insert(id, record);
                }
                Ok(None) => {}
                Err(_) => failed += 1,
            }
        }
        failed
    }
}

/// What the batches have told.
#[derive(Default)]
struct Found {
    pairs: BTreeSet<(usize, String)>,
    modified: BTreeMap<String, String>,
    gaps: Vec<String>,
}

/// An answer's text, up to so many bytes.
async fn body(response: reqwest::Response, largest: u64) -> Result<String, Trouble> {
    let mut bytes = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece =
            piece.map_err(|error| Trouble::Failed(crate::ports::words(&error.without_url())))?;
        if (bytes.len() + piece.len()) as u64 > largest {
            return Err(Trouble::Failed(format!(
                "its answer has more than {largest} bytes"
            )));
        }
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).map_err(|_| Trouble::Failed("its answer is not UTF-8".to_owned()))
}

#[async_trait]
impl VulnerabilityDatabase for OsvApi {
    async fn advisories(
        &self,
        packages: &[Package],
        progress: Progress<'_>,
    ) -> Result<Advisories, ScanError> {
        let mut by_ecosystem: BTreeMap<&str, Vec<(usize, &Package)>> = BTreeMap::new();
        for (at, package) in packages.iter().enumerate() {
            by_ecosystem
                .entry(&package.ecosystem)
                .or_default()
                .push((at, package));
        }
        let mut found = Found::default();
        for (ecosystem, packages) in by_ecosystem {
            for questions in packages.chunks(MOST_QUESTIONS) {
                progress(&format!(
                    "asking OSV about {} packages of {ecosystem}",
                    questions.len()
                ));
                match self.batch(questions, &mut found).await {
                    Ok(()) => {}
                    // An ecosystem that OSV does not know spoils only its own batch.
                    Err(Trouble::Refused(StatusCode::BAD_REQUEST, text)) => found.gaps.push(format!(
                        "OSV did not take the question about {} packages of {ecosystem}: {text}",
                        questions.len()
                    )),
                    Err(trouble) => return Err(self.error(&trouble)),
                }
            }
        }
        let Found {
            pairs,
            modified,
            mut gaps,
        } = found;
        if modified.len() > MOST_RECORDS {
            gaps.push(format!(
                "{} records were left out: more than {MOST_RECORDS} are not read for one image",
                modified.len() - MOST_RECORDS
            ));
        }
        progress(&format!(
            "reading {} records",
            modified.len().min(MOST_RECORDS)
        ));
        let mut records = BTreeMap::new();
        let mut failed: Option<(usize, Trouble)> = None;
        let mut fetched = stream::iter(modified.into_iter().take(MOST_RECORDS))
            .map(|(id, modified)| async move {
                let record = self.record(&id, &modified).await;
                (id, record)
            })
            .buffer_unordered(CONCURRENCY);
        while let Some((id, record)) = fetched.next().await {
            let text = match record {
                Ok(Some(text)) => text,
                Ok(None) => continue,
                Err(trouble) => {
                    let count = failed.map_or(0, |(count, _)| count) + 1;
                    failed = Some((count, trouble));
                    // It concerns the package all the same; only what it is remains unknown.
                    serde_json::json!({ "id": id }).to_string()
                }
            };
            records.insert(id, text);
        }
        drop(fetched);
        if let Some((count, trouble)) = failed {
            gaps.push(format!(
                "{count} records could not be read, so what they say is not known: {trouble}"
            ));
        }
        let unsure = self.severities(&mut records, progress).await;
        if unsure > 0 {
            gaps.push(format!(
                "how severe {unsure} vulnerabilities are could not be read"
            ));
        }
        let cache = self.cache.clone();
        // Looking through some thousand files may take a moment.
        let _ = tokio::task::spawn_blocking(move || cache.tidy()).await;
        Ok(Advisories {
            records,
            pairs: pairs.into_iter().collect(),
            are_judged: true,
            source: "OSV".to_owned(),
            gaps,
        })
    }
}
