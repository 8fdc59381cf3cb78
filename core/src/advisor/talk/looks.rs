//! What specialists look at: chosen beforehand by Steward, or by a model out of a closed list. Pure.
//!
//! What flows through: a task in words, the inventory and a specialist's tools in; lookups out. A model's call of a tool becomes a lookup
//! only where the specialist has that tool and the resource is in the inventory. What it never does: look itself, or let a model choose
//! what to connect to.

use serde_json::{Value, json};
use steward_api::{Health, Incident, Metric, ResourceId, ResourceKind};

use super::{super::specialists::Who, names};
use crate::ports::{Inventory, Lookup, Tool};

/// What is looked at beforehand, at most.
const MOST_FIRST: usize = 6;
/// Things that a task names which are looked at, at most.
const MOST_NAMED: usize = 3;
/// Lines of a log where nothing else is said.
const USUAL_LINES: u32 = 60;
const MOST_LINES: u32 = 200;
/// Hours of history where nothing else is said.
const USUAL_HOURS: u32 = 24;
const MOST_HOURS_OF_METRICS: u32 = 168;
const MOST_HOURS_OF_INCIDENTS: u32 = 720;

/// What a specialist looks at before any model is asked: what the task names and what is not well in its field, and what its field always
/// needs. So also a model that calls no tools has something to go by.
pub(super) fn first(
    who: &Who,
    task: &str,
    inventory: &Inventory,
    incident: Option<&Incident>,
) -> Vec<Lookup> {
    let mut subjects: Vec<ResourceId> = names::named_in(task, inventory);
    if let Some(incident) = incident {
        subjects.insert(0, incident.resource.clone());
    }
    let unwell = inventory
        .resources
        .iter()
        .filter(|resource| matches!(resource.health, Health::Unhealthy | Health::Degraded))
        .map(|resource| &resource.id);
    if subjects.is_empty() {
        subjects.extend(
            unwell
                .filter(|id| who.knows(id.kind) || !who.built_in)
                .cloned(),
        );
    }
    let mut wanted: Vec<Lookup> = Vec::new();
    for id in subjects.iter().take(MOST_NAMED) {
        wanted.push(Lookup::Resource(id.clone()));
        match id.kind {
            ResourceKind::Container => wanted.push(Lookup::Log {
                id: id.clone(),
                lines: USUAL_LINES,
            }),
            ResourceKind::Database => wanted.push(Lookup::Database(id.clone())),
            _ => {}
        }
    }
    // What its field always needs.
    let databases = inventory
        .resources
        .iter()
        .map(|resource| &resource.id)
        .filter(|id| id.kind == ResourceKind::Database);
    wanted.extend(databases.take(2).cloned().map(Lookup::Database));
    wanted.extend([Lookup::Names, Lookup::Certificates, Lookup::Ports]);
    let about_load = ["slow", "load", "cpu", "processor", "memory", "busy"]
        .iter()
        .any(|word| task.to_lowercase().contains(word));
    if about_load {
        wanted.push(Lookup::Processes);
    }
    wanted.push(Lookup::Incidents {
        id: subjects.first().cloned(),
        hours: USUAL_HOURS,
    });
    if task.to_lowercase().contains("task") || task.to_lowercase().contains("approv") {
        wanted.push(Lookup::Tasks);
    }
    let mut found: Vec<Lookup> = Vec::new();
    for lookup in wanted {
        // One who knows everything is not to look at everything.
        let is_its_own = who.tools.contains(&lookup.tool())
            && (who.built_in || !matches!(lookup, Lookup::Names | Lookup::Certificates));
        if is_its_own && !found.contains(&lookup) && found.len() < MOST_FIRST {
            found.push(lookup);
        }
    }
    found
}

/// The tools of a specialist as functions that a model may call.
pub(super) fn functions(who: &Who) -> Vec<Value> {
    let id = json!({"type": "string", "description": "The resource's id as the inventory names it, such as atlas/container/nginx."});
    let hours = |most: u32| json!({"type": "integer", "minimum": 1, "maximum": most, "description": "How far back, hours."});
    let function = |tool: Tool, description: &str, properties: Value, required: Value| {
        json!({
            "type": "function",
            "function": {
                "name": tool.as_str(),
                "description": description,
                "parameters": {"type": "object", "properties": properties, "required": required, "additionalProperties": false},
            },
        })
    };
    who.tools
        .iter()
        .map(|tool| match tool {
            Tool::Resource => function(
                *tool,
                "One resource as it is now: health, why, what is known of it, what it needs and what needs it.",
                json!({"id": id}),
                json!(["id"]),
            ),
            Tool::Log => function(
                *tool,
                "The last lines of a container's log.",
                json!({"id": id, "lines": {"type": "integer", "minimum": 1, "maximum": MOST_LINES}}),
                json!(["id"]),
            ),
            Tool::Metrics => function(
                *tool,
                "A metric of a resource over the last hours, with what is normal for it.",
                json!({"id": id, "metric": {"type": "string", "enum": metrics()}, "hours": hours(MOST_HOURS_OF_METRICS)}),
                json!(["id", "metric"]),
            ),
            Tool::Incidents => function(
                *tool,
                "Incidents of the last hours, of one resource or of all, with their causes and how they ended.",
                json!({"id": id, "hours": hours(MOST_HOURS_OF_INCIDENTS)}),
                json!([]),
            ),
            Tool::Tasks => function(
                *tool,
                "What Steward wants to do, does, or did lately.",
                json!({}),
                json!([]),
            ),
            Tool::Database => function(
                *tool,
                "Asks a database server now: whether it answers, how quickly, its connections.",
                json!({"id": id}),
                json!(["id"]),
            ),
            Tool::Names => function(
                *tool,
                "Whether the names resolve by which things are reached here.",
                json!({}),
                json!([]),
            ),
            Tool::Certificates => function(
                *tool,
                "The certificates of the HTTPS endpoints that are watched.",
                json!({}),
                json!([]),
            ),
            Tool::Processes => function(
                *tool,
                "The busiest processes of the machine, by processor and by memory.",
                json!({}),
                json!([]),
            ),
            Tool::Ports => function(
                *tool,
                "What listens on the machine, and what containers publish.",
                json!({}),
                json!([]),
            ),
        })
        .collect()
}

/// Metrics that may be asked for, by name.
fn metrics() -> Vec<&'static str> {
    Metric::ALL.iter().map(|metric| metric.as_str()).collect()
}

/// A model's call of a tool, as a lookup.
///
/// # Errors
/// What of it can't be, in words for the model.
pub(super) fn called(
    name: &str,
    arguments: &str,
    who: &Who,
    inventory: &Inventory,
) -> Result<Lookup, String> {
    let tool = who
        .tools
        .iter()
        .find(|tool| tool.as_str() == name)
        .ok_or_else(|| {
            let known: Vec<_> = who.tools.iter().map(|tool| tool.as_str()).collect();
            format!(
                "there is no tool \"{}\"; there are {}",
                name.chars().take(60).collect::<String>(),
                known.join(", ")
            )
        })?;
    let arguments: Value = match arguments.trim() {
        "" => json!({}),
        text => serde_json::from_str(text)
            .map_err(|error| format!("the arguments are no JSON: {error}"))?,
    };
    let word = |key: &str| arguments.get(key).and_then(Value::as_str);
    let id = || match word("id") {
        Some(word) => names::resource(word, inventory),
        None => Err("\"id\" is missing".to_owned()),
    };
    let number = |key: &str, usual: u32, most: u32| {
        arguments
            .get(key)
            .and_then(Value::as_u64)
            .map_or(usual, |number| {
                u32::try_from(number).unwrap_or(most).clamp(1, most)
            })
    };
    Ok(match tool {
        Tool::Resource => Lookup::Resource(id()?),
        Tool::Log => Lookup::Log {
            id: id()?,
            lines: number("lines", USUAL_LINES, MOST_LINES),
        },
        Tool::Metrics => Lookup::Metrics {
            id: id()?,
            metric: word("metric")
                .and_then(|word| Metric::ALL.into_iter().find(|one| one.as_str() == word))
                .ok_or_else(|| format!("\"metric\" must be one of {}", metrics().join(", ")))?,
            hours: number("hours", USUAL_HOURS, MOST_HOURS_OF_METRICS),
        },
        Tool::Incidents => Lookup::Incidents {
            id: word("id")
                .filter(|word| !word.is_empty())
                .map(|word| names::resource(word, inventory))
                .transpose()?,
            hours: number("hours", USUAL_HOURS, MOST_HOURS_OF_INCIDENTS),
        },
        Tool::Tasks => Lookup::Tasks,
        Tool::Database => {
            let id = id()?;
            if id.kind != ResourceKind::Database {
                return Err(format!("{id} is no database"));
            }
            Lookup::Database(id)
        }
        Tool::Names => Lookup::Names,
        Tool::Certificates => Lookup::Certificates,
        Tool::Processes => Lookup::Processes,
        Tool::Ports => Lookup::Ports,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        advisor::{specialists::roster, talk::names::tests::inventory},
        config,
    };

    fn who(name: &str) -> Who {
        let roster = roster(&config::Advisor::default());
        roster.into_iter().find(|who| who.name == name).unwrap()
    }

    fn house() -> Inventory {
        inventory(&[
            "atlas/container/nginx",
            "atlas/container/postgres",
            "atlas/database/shop",
        ])
    }

    #[test]
    fn what_a_task_names_is_looked_at_first() {
        let athena = first(&who("Athena"), "Why is shop slow?", &house(), None);
        let shop: ResourceId = "atlas/database/shop".parse().unwrap();
        assert_eq!(athena[0], Lookup::Resource(shop.clone()));
        assert_eq!(athena[1], Lookup::Database(shop));
        assert!(athena.contains(&Lookup::Processes), "{athena:?}");
        let atlas = first(&who("Atlas"), "What about nginx?", &house(), None);
        assert!(matches!(&atlas[1], Lookup::Log { id, .. } if id.name == "nginx"));
        let mercury = first(&who("Mercury"), "hm", &house(), None);
        assert!(mercury.contains(&Lookup::Names) && mercury.contains(&Lookup::Ports));
    }

    #[test]
    fn a_call_is_a_lookup_only_of_what_is_there() {
        let atlas = who("Atlas");
        let call = |name: &str, arguments: &str| called(name, arguments, &atlas, &house());
        assert_eq!(
            call("get_log", r#"{"id": "nginx", "lines": 9999}"#),
            Ok(Lookup::Log {
                id: "atlas/container/nginx".parse().unwrap(),
                lines: 200
            })
        );
        assert_eq!(call("list_processes", ""), Ok(Lookup::Processes));
        for (name, arguments, why) in [
            ("run", "{}", "there is no tool"),
            ("check_names", "{}", "there is no tool"),
            ("get_log", "{}", "\"id\" is missing"),
            ("get_log", "{", "no JSON"),
            (
                "get_log",
                r#"{"id": "../../etc/passwd"}"#,
                "there is no resource",
            ),
            (
                "get_metrics",
                r#"{"id": "nginx", "metric": "x"}"#,
                "must be one of",
            ),
        ] {
            let refused = call(name, arguments).unwrap_err();
            assert!(refused.contains(why), "{name}: {refused}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever a model calls: it reaches nothing but resources that there are, by tools that the specialist has.
        #[test]
        fn no_call_reaches_beyond_the_inventory(name in "[a-z_]{0,20}|get_log|get_resource|check_database", arguments in r#"[{}":a-z/0-9 ]{0,60}|\{"id": ?"[a-z/]{0,30}"\}"#) {
            let house = house();
            for who in roster(&config::Advisor::default()) {
                if let Ok(lookup) = called(&name, &arguments, &who, &house) {
                    prop_assert!(who.tools.contains(&lookup.tool()));
                    if let Lookup::Resource(id) | Lookup::Log { id, .. } | Lookup::Database(id) | Lookup::Metrics { id, .. } = lookup {
                        prop_assert!(house.resources.iter().any(|resource| resource.id == id));
                    }
                }
            }
        }
    }
}
