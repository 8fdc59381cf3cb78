//! What a test asks of an agent and waits for: HTTP calls by the contract's own types, and polling with a message that says what was seen.
//!
//! What flows through: the contract's inputs out, its replies and refusals back. It never retries a call by itself.

use std::time::Duration;

use anyhow::{Context as _, Result};
use steward_api::{
    Endpoint, Envelope, Incident, IncidentQuery, JournalQuery, ListIncidents, ListJournal,
    ListResources, ListTasks, METRICS_PATH, Method, ProblemDetails, Resource, ResourceKind,
    ResourceList, ResourceQuery, Task, TaskQuery,
};

use super::{ADMIN_TOKEN, Agent, EventStream};

impl Agent {
    /// Calls an endpoint whose path has no `{…}` part.
    ///
    /// # Errors
    /// Where it does not answer or refuses.
    pub async fn call<E: Endpoint>(&self, input: &E::Input) -> Result<E::Reply> {
        Ok(self.try_call_as::<E>(ADMIN_TOKEN, "", input).await??)
    }

    /// Calls an endpoint, with what stands in place of the `{…}` part of its path.
    ///
    /// # Errors
    /// Where it does not answer or refuses.
    pub async fn call_at<E: Endpoint>(
        &self,
        part: impl std::fmt::Display,
        input: &E::Input,
    ) -> Result<E::Reply> {
        Ok(self.try_call_at::<E>(part, input).await??)
    }

    /// The same with refusals as values, for tests that expect one.
    ///
    /// # Errors
    /// Where it does not answer, or answers something that is neither a reply nor a problem.
    pub async fn try_call_at<E: Endpoint>(
        &self,
        part: impl std::fmt::Display,
        input: &E::Input,
    ) -> Result<Result<E::Reply, ProblemDetails>> {
        self.try_call_as::<E>(ADMIN_TOKEN, part, input).await
    }

    /// The same with another token.
    ///
    /// # Errors
    /// As for [`Self::try_call_at`].
    pub async fn try_call_as<E: Endpoint>(
        &self,
        token: &str,
        part: impl std::fmt::Display,
        input: &E::Input,
    ) -> Result<Result<E::Reply, ProblemDetails>> {
        let path = match E::PATH.split_once('{') {
            Some((before, rest)) => {
                let after = rest.split_once('}').map_or("", |(_, after)| after);
                format!("{before}{part}{after}")
            }
            None => E::PATH.to_owned(),
        };
        let url = format!("{}{path}", self.url);
        let request = match E::METHOD {
            Method::Get => self.client.get(url).query(input),
            Method::Post => self.client.post(url).json(input),
        };
        let response = request
            .header("X-API-Key", token)
            .send()
            .await
            .with_context(|| format!("{} {path}", E::METHOD.as_str()))?;
        let status = response.status();
        let body = response.bytes().await?;
        let shown = || {
            let text = String::from_utf8_lossy(&body);
            format!("{} {path} answered {status}: {text}", E::METHOD.as_str())
        };
        if status.is_success() {
            Ok(Ok(serde_json::from_slice(&body).with_context(shown)?))
        } else {
            Ok(Err(serde_json::from_slice(&body).with_context(shown)?))
        }
    }

    /// The Prometheus metrics as text.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn metrics(&self) -> Result<String> {
        let request = self.client.get(format!("{}{METRICS_PATH}", self.url));
        let response = request.header("X-API-Key", ADMIN_TOKEN).send().await?;
        Ok(response.error_for_status()?.text().await?)
    }

    /// One value of the metrics, by its full name with labels as written there, such as `steward_source_up{source="docker"}`.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn metric(&self, name: &str) -> Result<Option<f64>> {
        let text = self.metrics().await?;
        Ok(text.lines().find_map(|line| {
            let (key, value) = line.rsplit_once(' ')?;
            (key == name).then(|| value.parse().ok())?
        }))
    }

    /// The event stream from now on, or from behind a journal entry.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn events(&self, after: Option<i64>) -> Result<EventStream> {
        EventStream::open(&self.url, after).await
    }

    /// Every entry of the journal behind `after`, oldest first.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn journal(&self, after: i64) -> Result<Vec<Envelope>> {
        let mut all: Vec<Envelope> = Vec::new();
        loop {
            let query = JournalQuery {
                after: Some(all.last().map_or(after, |last| last.seq)),
                limit: Some(1000),
                ..Default::default()
            };
            let page = self.call::<ListJournal>(&query).await?.items;
            let full = page.len() == 1000;
            all.extend(page);
            if !full {
                return Ok(all);
            }
        }
    }

    /// The newest incidents, a thousand at most.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn incidents(&self) -> Result<Vec<Incident>> {
        let query = IncidentQuery {
            limit: Some(1000),
            ..Default::default()
        };
        Ok(self.call::<ListIncidents>(&query).await?.items)
    }

    /// The newest tasks, a thousand at most.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn tasks(&self) -> Result<Vec<Task>> {
        let query = TaskQuery {
            limit: Some(1000),
            ..Default::default()
        };
        Ok(self.call::<ListTasks>(&query).await?.items)
    }

    /// Waits until what is looked after is as wanted.
    ///
    /// # Errors
    /// After `timeout`, with what was seen last and what the agent wrote.
    pub async fn wait_for(
        &self,
        what: &str,
        timeout: Duration,
        ready: impl FnMut(&ResourceList) -> bool,
    ) -> Result<ResourceList> {
        let query = ResourceQuery::default();
        self.wait(what, timeout, || self.call::<ListResources>(&query), ready)
            .await
    }

    /// Waits until a container, by its full name, is as wanted.
    ///
    /// # Errors
    /// As for [`Self::wait_for`].
    pub async fn wait_for_container(
        &self,
        name: &str,
        what: &str,
        timeout: Duration,
        mut ready: impl FnMut(&Resource) -> bool,
    ) -> Result<Resource> {
        let query = ResourceQuery {
            kind: Some(ResourceKind::Container),
            search: Some(name.to_owned()),
            ..Default::default()
        };
        let read = || async {
            let all = self.call::<ListResources>(&query).await?.resources;
            Ok(all.into_iter().find(|one| one.id.name == name))
        };
        let what = format!("{name} {what}");
        let ready = |found: &Option<Resource>| found.as_ref().is_some_and(&mut ready);
        let found = self.wait(&what, timeout, read, ready).await?;
        found.context("the container is gone")
    }

    /// Waits until the incidents are as wanted, newest first.
    ///
    /// # Errors
    /// As for [`Self::wait_for`].
    pub async fn wait_for_incidents(
        &self,
        what: &str,
        timeout: Duration,
        ready: impl FnMut(&Vec<Incident>) -> bool,
    ) -> Result<Vec<Incident>> {
        self.wait(what, timeout, || self.incidents(), ready).await
    }

    /// Waits until the tasks are as wanted, newest first.
    ///
    /// # Errors
    /// As for [`Self::wait_for`].
    pub async fn wait_for_tasks(
        &self,
        what: &str,
        timeout: Duration,
        ready: impl FnMut(&Vec<Task>) -> bool,
    ) -> Result<Vec<Task>> {
        self.wait(what, timeout, || self.tasks(), ready).await
    }

    /// Waits until a journal entry fits, and returns the first that does.
    ///
    /// # Errors
    /// As for [`Self::wait_for`].
    pub async fn wait_for_entry(
        &self,
        what: &str,
        timeout: Duration,
        fits: impl Fn(&Envelope) -> bool,
    ) -> Result<Envelope> {
        let ready = |all: &Vec<Envelope>| all.iter().any(&fits);
        let all = self.wait(what, timeout, || self.journal(0), ready).await?;
        all.into_iter()
            .find(|entry| fits(entry))
            .context("the entry is gone")
    }

    /// Waits until any reading is as wanted; see [`crate::wait::until`].
    ///
    /// # Errors
    /// After `timeout`, with what was seen last and what the agent wrote.
    pub async fn wait<T, F>(
        &self,
        what: &str,
        timeout: Duration,
        read: impl FnMut() -> F,
        ready: impl FnMut(&T) -> bool,
    ) -> Result<T>
    where
        T: std::fmt::Debug,
        F: Future<Output = Result<T>>,
    {
        let waited = crate::wait::until(what, timeout, read, ready).await;
        waited.map_err(|error| anyhow::anyhow!("{error:#}\n{}", self.output()))
    }
}
