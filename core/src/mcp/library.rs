//! What can be read by its address, for programs that let a person attach it to a conversation: the same answers as some tools give.
//!
//! What flows through: an address in, the tool that answers it and its arguments out. What it never does: answer by itself.

use rmcp::model::{JsonObject, Resource, ResourceTemplate};
use serde_json::{Map, json};

const JSON: &str = "application/json";

/// Address, name, what it is, the tool that answers it.
const ONE: [(&str, &str, &str, &str); 3] = [
    (
        "steward://status",
        "status",
        "How the homelab is, in short",
        "get_status",
    ),
    (
        "steward://incidents/active",
        "active incidents",
        "What is wrong now",
        "list_incidents",
    ),
    (
        "steward://tasks/pending",
        "pending tasks",
        "What is to be done, and what waits for a yes or no",
        "list_tasks",
    ),
];

/// The beginning of an address that ends with a number; name, what it is, the tool that answers it.
const BY_NUMBER: [(&str, &str, &str, &str); 2] = [
    (
        "steward://incident/",
        "incident",
        "The whole story of an incident",
        "get_incident",
    ),
    (
        "steward://task/",
        "task",
        "A task with its exact plan",
        "get_task",
    ),
];

/// What there is one of.
pub(super) fn resources() -> Vec<Resource> {
    let made = |(uri, name, what, _): (&str, &str, &str, &str)| {
        Resource::new(uri, name)
            .with_description(what)
            .with_mime_type(JSON)
    };
    ONE.into_iter().map(made).collect()
}

/// What there is one of for each number.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let made = |(begin, name, what, _): (&str, &str, &str, &str)| {
        ResourceTemplate::new(format!("{begin}{{id}}"), name)
            .with_description(what)
            .with_mime_type(JSON)
    };
    BY_NUMBER.into_iter().map(made).collect()
}

/// The tool that answers an address, with its arguments.
pub(super) fn behind(uri: &str) -> Option<(&'static str, JsonObject)> {
    if let Some((_, _, _, tool)) = ONE.iter().find(|(address, ..)| *address == uri) {
        let mut arguments = Map::new();
        let state = match *tool {
            "list_incidents" => Some("active"),
            "list_tasks" => Some("pending"),
            _ => None,
        };
        if let Some(state) = state {
            arguments.insert("state".to_owned(), json!(state));
        }
        return Some((tool, arguments));
    }
    BY_NUMBER.iter().find_map(|(begin, _, _, tool)| {
        let number: i64 = uri.strip_prefix(begin)?.parse().ok()?;
        let mut arguments = Map::new();
        arguments.insert("id".to_owned(), json!(number));
        Some((*tool, arguments))
    })
}
