//! What a text names, against what there is. Pure.
//!
//! What flows through: a text and what is known; out come the names in it that nothing here has. It goes by form: what stands in backticks
//! or reads as a resource's id must be known, and so must what stands behind the word for a kind of thing where it can hardly be a plain
//! word. What it never does: judge whether a text is *true*; that is for whoever reads it, with what was looked at beside it.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;
use steward_api::{ActionName, Metric, ResourceId, ResourceKind};

use crate::ports::{Inventory, Tool};

/// The most names that are listed.
const MOST: usize = 8;

macro_rules! pattern {
    ($name:ident = $pattern:literal) => {
        #[allow(clippy::expect_used, reason = "a constant, which a test compiles")]
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($pattern).expect("a valid pattern"));
    };
}

pattern!(TICKED = r"`([^`\n]{2,80})`");
pattern!(ID = r"\b[A-Za-z0-9][A-Za-z0-9._-]*/[a-z_]+/[A-Za-z0-9_.-][A-Za-z0-9._/-]*");
pattern!(
    BEHIND_KIND = r#"(?i)\b(?:containers?|databases?|services?|units?|hosts?|volumes?|images?)\s+(?:(?:named|called)\s+)?["']?([A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)+|[A-Za-z]+\d+)\b"#
);

/// What may be named.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    names: BTreeSet<String>,
    /// All that was shown, in lower case: what stands there may be quoted.
    shown: String,
}

impl Known {
    /// Everything in the inventory, and what else was shown.
    pub(super) fn of(inventory: &Inventory, shown: &[&str]) -> Self {
        let mut names = BTreeSet::new();
        names.insert(inventory.node.to_lowercase());
        for resource in &inventory.resources {
            names.insert(resource.id.to_string().to_lowercase());
            names.insert(resource.id.short().to_lowercase());
            names.insert(resource.id.node.to_lowercase());
            if let Some(facts) = resource.container() {
                names.insert(facts.image.to_lowercase());
            }
        }
        let words = ActionName::ALL
            .iter()
            .map(|action| action.as_str())
            .chain(Tool::ALL.iter().map(|tool| tool.as_str()))
            .chain(ResourceKind::ALL.iter().map(|kind| kind.as_str()));
        names.extend(words.map(str::to_owned));
        Self {
            names,
            shown: shown.join("\n").to_lowercase(),
        }
    }

    fn has(&self, name: &str) -> bool {
        let name = name.trim().to_lowercase();
        self.names.contains(&name) || self.shown.contains(&name)
    }
}

/// Names in a text that nothing here has, each once.
pub(super) fn unknown(text: &str, known: &Known) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut note = |name: &str| {
        let name = name.trim_end_matches(['.', ',', ';', ':']);
        if !known.has(name) && !is_a_word_of_ours(name) && !found.iter().any(|one| one == name) {
            found.push(name.to_owned());
        }
    };
    for ticked in TICKED.captures_iter(text) {
        if let Some(inside) = ticked.get(1) {
            // A command or a sentence is no name; what it names shows by the other patterns.
            if !inside.as_str().contains(' ') {
                note(inside.as_str());
            }
        }
    }
    for id in ID.find_iter(text) {
        let is_id = id
            .as_str()
            .split('/')
            .nth(1)
            .is_some_and(|kind| ResourceKind::ALL.iter().any(|known| known.as_str() == kind));
        if is_id {
            note(id.as_str());
        }
    }
    for behind in BEHIND_KIND.captures_iter(text) {
        if let Some(name) = behind.get(1) {
            note(name.as_str());
        }
    }
    found.truncate(MOST);
    found
}

/// Numbers, metrics, flags, files and settings may stand in backticks, too: they are nobody's name.
fn is_a_word_of_ours(name: &str) -> bool {
    let is_number = name
        .trim_end_matches(|c: char| c.is_alphabetic() || c == '%')
        .parse::<f64>()
        .is_ok();
    let is_metric = [
        Metric::CpuPercent,
        Metric::MemoryPercent,
        Metric::MemoryBytes,
        Metric::LatencyMs,
    ]
    .iter()
    .any(|metric| metric.as_str() == name);
    is_number || is_metric || name.starts_with(['-', '/', '$', '{', '[']) || name.contains('=')
}

/// Resources that a text names: by their id, or by their own name as a word.
pub(super) fn named_in(text: &str, inventory: &Inventory) -> Vec<ResourceId> {
    let text = text.to_lowercase();
    let is_there = |name: &str| {
        // Shorter ones stand in every sentence.
        name.len() >= 3
            && text.match_indices(name).any(|(at, _)| {
                let before = text.get(..at).and_then(|text| text.chars().next_back());
                let after = text
                    .get(at + name.len()..)
                    .and_then(|text| text.chars().next());
                let joins = |c: Option<char>| {
                    c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
                };
                !joins(before) && !joins(after)
            })
    };
    inventory
        .resources
        .iter()
        .filter(|resource| {
            let id = &resource.id;
            is_there(&id.to_string().to_lowercase()) || is_there(&id.short().to_lowercase())
        })
        .map(|resource| resource.id.clone())
        .collect()
}

/// The one resource that a model means: its id, or its own name where only one has that.
///
/// # Errors
/// What is known, where it is none or more than one.
pub(super) fn resource(word: &str, inventory: &Inventory) -> Result<ResourceId, String> {
    let word = word.trim().trim_matches('`');
    let ids = || inventory.resources.iter().map(|resource| &resource.id);
    if let Some(id) = ids().find(|id| id.to_string() == word) {
        return Ok(id.clone());
    }
    let of_name: Vec<&ResourceId> = ids()
        .filter(|id| id.name == word || id.short() == word)
        .collect();
    match of_name.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(format!("there is no resource \"{}\"", short(word))),
        many => {
            let many: Vec<String> = many.iter().take(5).map(ToString::to_string).collect();
            Err(format!(
                "\"{}\" may be any of {}",
                short(word),
                many.join(", ")
            ))
        }
    }
}

fn short(word: &str) -> String {
    word.chars().take(80).collect()
}

#[cfg(test)]
pub(in crate::advisor) mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use steward_api::{Facts, Health, NetworkFacts, Resource};

    use super::*;

    pub(in crate::advisor) fn inventory(ids: &[&str]) -> Inventory {
        let resources = ids.iter().map(|id| {
            Arc::new(Resource {
                id: id.parse().unwrap(),
                health: Health::Healthy,
                reason: String::new(),
                depends_on: Vec::new(),
                runs_on: None,
                facts: Facts::Network(NetworkFacts::default()),
                metrics: Default::default(),
                read_at: jiff::Timestamp::UNIX_EPOCH,
            })
        });
        Inventory {
            node: "atlas".to_owned(),
            resources: resources.collect(),
            incidents: Vec::new(),
        }
    }

    #[test]
    fn what_is_not_there_is_noticed_and_what_is_there_is_not() {
        let house = inventory(&["atlas/container/nginx", "atlas/database/shop"]);
        let known = Known::of(&house, &["FATAL: role \"webshop\" does not exist"]);
        for well in [
            "`nginx` is well, and so is atlas/database/shop.",
            "It says that role `webshop` does not exist.",
            "Use `restart_container` on container nginx; memory is at `97 %` or `97%`.",
            "The container is fine and the service has recovered.",
            "Run `docker logs nginx` and look at `/var/log/x.log`.",
            "The limit is `memory=64m`.",
        ] {
            assert!(
                unknown(well, &known).is_empty(),
                "{well}: {:?}",
                unknown(well, &known)
            );
        }
        for (text, name) in [
            ("`grafana` is down", "grafana"),
            (
                "look at atlas/container/grafana.",
                "atlas/container/grafana",
            ),
            ("the container web-2 has failed", "web-2"),
            ("database named orders_eu is slow", "orders_eu"),
        ] {
            assert_eq!(unknown(text, &known), [name], "{text}");
        }
    }

    #[test]
    fn resources_are_found_in_words() {
        let house = inventory(&[
            "atlas/container/nginx",
            "atlas/container/db",
            "atlas/database/shop",
            "atlas/container/shop",
            "atlas/host",
        ]);
        let named = named_in("Why is NGINX slow? And nginx-proxy? The db?", &house);
        assert_eq!(named, ["atlas/container/nginx".parse().unwrap()]);
        assert_eq!(named_in("the shop", &house).len(), 2);
        assert!(resource("nginx", &house).is_ok());
        assert!(resource("atlas/database/shop", &house).is_ok());
        assert!(resource("shop", &house).unwrap_err().contains("any of"));
        assert!(resource("grafana", &house).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_can_be_looked_at(text in "(?s).{0,200}") {
            let house = inventory(&["atlas/container/nginx"]);
            let known = Known::of(&house, &[&text]);
            // All that it names was shown.
            prop_assert!(unknown(&text, &known).is_empty());
            let _ = (named_in(&text, &house), resource(&text, &house));
        }
    }
}
