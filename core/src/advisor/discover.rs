//! Finding models on this machine: an Ollama or a llama.cpp server on its usual port.
//!
//! What is asked is harmless (a list of models), and what answers must say that it is such a server. That is no proof: whoever may listen on
//! this machine could say so. Where a container publishes the port of llama.cpp, which many programs use, it is not looked at. Models that
//! an Ollama only passes on to somebody else's server are not taken.

use std::{collections::BTreeSet, time::Duration};

use secrecy::SecretString;
use serde_json::Value;
use steward_api::ModelClass;

use super::{model::Spec, protocol::offered};

/// How long a server on this machine may take to say what it is.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// The longest answer that is read.
const MOST_BYTES: usize = 1024 * 1024;

/// A server that may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Ollama,
    LlamaCpp,
}

/// The port that llama.cpp's server takes by default.
pub(super) const LLAMA_CPP_PORT: u16 = 8080;

/// Where to look: the servers' own default ports.
pub(super) const USUAL: [(Server, &str); 2] = [
    (Server::Ollama, "http://127.0.0.1:11434"),
    (Server::LlamaCpp, "http://127.0.0.1:8080"),
];

/// Looks at each place.
pub(super) async fn look(http: &reqwest::Client, places: &[(Server, &str)]) -> Vec<Spec> {
    let mut found = Vec::new();
    for (server, base) in places {
        if let Some(spec) = look_at(http, *server, base).await {
            found.push(spec);
        }
    }
    found
}

async fn look_at(http: &reqwest::Client, server: Server, base: &str) -> Option<Spec> {
    let list = get(http, &format!("{base}/v1/models")).await?;
    let is_it = match server {
        Server::LlamaCpp => owners(&list).any(|owner| owner == "llamacpp"),
        Server::Ollama => get(http, &format!("{base}/api/version"))
            .await?
            .get("version")
            .is_some_and(Value::is_string),
    };
    let remote = match server {
        Server::LlamaCpp => BTreeSet::new(),
        Server::Ollama => remote(&get(http, &format!("{base}/api/tags")).await?),
    };
    let name = match server {
        Server::Ollama => "ollama",
        Server::LlamaCpp => "llama.cpp",
    };
    let mut spec = Spec {
        name: name.to_owned(),
        model: String::new(),
        url: format!("{base}/v1"),
        key: SecretString::from(String::new()),
        class: ModelClass::Local,
        discovered: true,
        context_tokens: context(&list).unwrap_or(4096),
        input_price: 0,
        output_price: 0,
        tools: None,
        unusable: None,
    };
    spec.model = offered(&list)
        .into_iter()
        .find(|name| spec.suits(name) && !remote.contains(name))?;
    is_it.then_some(spec)
}

/// The models that an Ollama only passes on to somebody else's server.
fn remote(tags: &Value) -> BTreeSet<String> {
    let is_remote = |model: &&Value| {
        ["remote_host", "remote_model"].iter().any(|key| {
            model
                .get(key)
                .is_some_and(|value| !value.is_null() && value != "")
        })
    };
    tags.get("models")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(is_remote)
        .filter_map(|model| model.get("name")?.as_str().map(str::to_owned))
        .collect()
}

fn models(list: &Value) -> impl Iterator<Item = &Value> {
    list.get("data")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn owners(list: &Value) -> impl Iterator<Item = &str> {
    models(list).filter_map(|model| model.get("owned_by")?.as_str())
}

/// llama.cpp tells how much its model was trained to take; its slots may take less, so this is what to ask at most.
fn context(list: &Value) -> Option<u32> {
    let trained = models(list).find_map(|model| model.get("meta")?.get("n_ctx_train")?.as_u64())?;
    u32::try_from(trained.min(8192)).ok()
}

async fn get(http: &reqwest::Client, url: &str) -> Option<Value> {
    let answer = async {
        let mut response = http.get(url).send().await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_BYTES {
                return None;
            }
        }
        serde_json::from_slice(&body).ok()
    };
    // That nothing of the kind is there is no error: most machines have none.
    tokio::time::timeout(ANSWER_WITHIN, answer).await.ok()?
}
