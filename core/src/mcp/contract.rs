//! The contract, as tools ask for it: a typed call over whatever carries it.
//!
//! What flows through: an endpoint's input out as method, path and body; its typed reply or a [`Fault`] back. What it never does: know an
//! address or a token; those are the carrier's.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Url;
use serde_json::Value;
use steward_api::{Endpoint, Method, ProblemDetails};

/// Why a call gave no reply.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The agent refused, and says why.
    #[error(transparent)]
    Refused(Box<ProblemDetails>),
    /// There was no answer, or none that can be understood; says why and what to do.
    #[error("{0}")]
    NoAnswer(String),
    /// What was asked can't be understood; says what would be right.
    #[error("{0}")]
    Input(String),
}

/// Carries requests of the contract to an agent, as one caller.
#[async_trait]
pub trait Carrier: Send + Sync + 'static {
    /// Sends one request and gives the body of a good answer. `path` has its query; `body` is JSON.
    ///
    /// # Errors
    /// What the agent refused, or why it did not answer.
    async fn carry(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Vec<u8>, Fault>;
}

/// The contract over a carrier. Cheap to clone.
#[derive(Clone)]
pub(super) struct Contract(Arc<dyn Carrier>);

impl Contract {
    pub(super) fn over(carrier: Arc<dyn Carrier>) -> Self {
        Self(carrier)
    }

    /// Calls one endpoint whose path has no `{…}` part.
    pub(super) async fn call<E: Endpoint>(&self, input: &E::Input) -> Result<E::Reply, Fault> {
        self.ask::<E>(None, input).await
    }

    /// Calls one endpoint; `part` fills the `{…}` part of its path.
    pub(super) async fn call_at<E: Endpoint>(
        &self,
        part: &str,
        input: &E::Input,
    ) -> Result<E::Reply, Fault> {
        self.ask::<E>(Some(part), input).await
    }

    async fn ask<E: Endpoint>(
        &self,
        part: Option<&str>,
        input: &E::Input,
    ) -> Result<E::Reply, Fault> {
        let value = serde_json::to_value(input).map_err(unwritable)?;
        let (query, body) = match E::METHOD {
            Method::Get => (Some(&value), None),
            Method::Post => (None, Some(value.to_string())),
        };
        let path = address(E::PATH, part, query)?;
        let reply = self.0.carry(E::METHOD, &path, body).await?;
        serde_json::from_slice(&reply).map_err(|error| {
            Fault::NoAnswer(format!(
                "The answer to {} {} can't be understood: {error}. Is the agent of this version?",
                E::METHOD.as_str(),
                E::PATH
            ))
        })
    }
}

fn unwritable(error: impl std::fmt::Display) -> Fault {
    Fault::Input(format!("The request can't be written: {error}"))
}

/// A path of the contract with its part and query filled in.
fn address(path: &str, part: Option<&str>, query: Option<&Value>) -> Result<String, Fault> {
    let mut url = Url::parse("http://agent/").map_err(unwritable)?;
    {
        let mut segments = url
            .path_segments_mut()
            .map_err(|()| unwritable("it has no path"))?;
        segments.pop_if_empty();
        for segment in path.split('/').skip(1) {
            let filled = match part {
                // Encoded as one segment, whatever it holds; the two that paths treat specially can't be names of anything.
                Some(part) if segment.starts_with('{') => {
                    if matches!(part, "" | "." | "..") {
                        return Err(Fault::Input(format!("`{part}` is no name")));
                    }
                    part
                }
                _ => segment,
            };
            segments.push(filled);
        }
    }
    let mut text = url.path().to_owned();
    let pairs: Vec<(&String, String)> = query
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| match value {
            Value::Null => None,
            Value::String(text) => Some((name, text.clone())),
            other => Some((name, other.to_string())),
        })
        .collect();
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
        text.push('?');
        text.push_str(url.query().unwrap_or_default());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_takes_its_part_and_query_whatever_they_hold() {
        let plain = address("/api/agents/tasks/{id}", Some("7"), None).unwrap();
        assert_eq!(plain, "/api/agents/tasks/7");
        let odd = address("/monitor/heal/{container}", Some("a/../b?c"), None).unwrap();
        assert_eq!(odd, "/monitor/heal/a%2F..%2Fb%3Fc");
        let query = json!({"id": "atlas/disk//var log", "limit": 5, "none": null});
        let asked = address("/api/resource", None, Some(&query)).unwrap();
        assert_eq!(asked, "/api/resource?id=atlas%2Fdisk%2F%2Fvar+log&limit=5");
        for part in ["", ".", ".."] {
            assert!(address("/monitor/heal/{container}", Some(part), None).is_err());
        }
    }
}
