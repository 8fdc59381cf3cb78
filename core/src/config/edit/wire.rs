//! Settings as the contract has them: kinds with their ranges, values with where they come from.

use serde_json::{Map, Value};
use steward_api::{RowField, Setting, SettingGroup, SettingKind, SettingOrigin, ValueKind};

use super::offer::{self, Offer};
use crate::config::{
    place::Place,
    schema::{Key, Kind},
    span,
    tree::{self, Node},
};

/// Every offered setting with its value in a merged tree.
pub(super) fn groups(root: &Node, defaults: &Node) -> Vec<SettingGroup> {
    offer::groups()
        .into_iter()
        .map(|group| SettingGroup {
            name: group.name.to_owned(),
            title: group.title.to_owned(),
            help: group.help.to_owned(),
            settings: group
                .settings
                .iter()
                .filter_map(|offer| setting(offer, root, defaults))
                .collect(),
        })
        .collect()
}

fn setting(offer: &Offer, root: &Node, defaults: &Node) -> Option<Setting> {
    let here = root.at(&offer.key);
    let origin = here.map_or(SettingOrigin::Default, origin);
    let locked = held_by(root, &offer.key).map(|variable| held(&variable));
    let default = match defaults.at(&offer.key) {
        Some(node) => json(node),
        None => usual(&offer.key),
    };
    Some(Setting {
        key: offer.key.clone(),
        title: offer.title.clone(),
        help: offer.help.clone(),
        kind: kind(offer.kind)?,
        value: here.map_or_else(|| default.clone(), json),
        default,
        origin,
        needs_restart: false,
        locked,
    })
}

/// Why a setting that the environment holds can't be changed here.
pub(super) fn held(variable: &str) -> String {
    format!(
        "The environment variable {variable} sets it and wins over the file; unset that and start the agent anew to change it here"
    )
}

/// The variable that holds this key or a part of its value.
pub(super) fn held_by(root: &Node, key: &str) -> Option<String> {
    fn variable(node: &Node) -> Option<String> {
        if let Place::Variable(name) = &node.place {
            return Some(name.clone());
        }
        match &node.value {
            tree::Value::List(list) => list.iter().find_map(variable),
            tree::Value::Table(table) => table.values().find_map(|entry| variable(&entry.node)),
            _ => None,
        }
    }
    root.at(key).and_then(variable)
}

fn origin(node: &Node) -> SettingOrigin {
    match &node.place {
        Place::Default => SettingOrigin::Default,
        Place::File { line, .. } => SettingOrigin::File {
            line: u32::try_from(*line).unwrap_or(u32::MAX),
        },
        Place::Variable(name) => SettingOrigin::Environment {
            variable: name.clone(),
        },
    }
}

/// What counts where the loader's own defaults hold nothing: the built-in strategies.
fn usual(key: &str) -> Value {
    let problem = key
        .strip_prefix("strategies.")
        .and_then(|name| serde_json::from_value(Value::from(name)).ok());
    problem.map_or(Value::Null, |problem| {
        serde_json::to_value(crate::config::default_strategy(problem)).unwrap_or_default()
    })
}

/// A value as JSON.
pub(super) fn json(node: &Node) -> Value {
    match &node.value {
        tree::Value::Text(text) | tree::Value::Moment(text) => Value::from(text.as_str()),
        tree::Value::Whole(number) => Value::from(*number),
        // What is whole is shown so: 80, not 80.0.
        tree::Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            Value::from(*number as i64)
        }
        tree::Value::Number(number) => Value::from(*number),
        tree::Value::Flag(flag) => Value::from(*flag),
        tree::Value::List(list) => Value::Array(list.iter().map(json).collect()),
        tree::Value::Table(table) => Value::Object(
            table
                .iter()
                .map(|(name, entry)| (name.clone(), json(&entry.node)))
                .collect::<Map<_, _>>(),
        ),
    }
}

/// A kind as the contract has it; none for sections, which are not offered.
fn kind(kind: &Kind) -> Option<SettingKind> {
    Some(match kind {
        Kind::List(_, Kind::Table(keys)) => SettingKind::Rows {
            fields: keys.iter().filter_map(field).collect(),
        },
        Kind::List(at_least, of) => SettingKind::List {
            of: value_kind(of)?,
            at_least: u32::try_from(*at_least).unwrap_or(u32::MAX),
        },
        one => SettingKind::One {
            of: value_kind(one)?,
        },
    })
}

fn field(key: &Key) -> Option<RowField> {
    let (of, list) = match &key.kind {
        Kind::List(_, of) => (*of, true),
        of => (of, false),
    };
    let default = match key.name {
        "attempts" => "1",
        "back_off" => "10s",
        "days" => "every day",
        _ => "",
    };
    Some(RowField {
        name: key.name.to_owned(),
        title: offer::capital(key.name),
        kind: value_kind(of)?,
        list,
        required: key.required,
        default: default.to_owned(),
    })
}

fn value_kind(kind: &Kind) -> Option<ValueKind> {
    Some(match kind {
        Kind::Flag => ValueKind::Flag,
        Kind::Whole(what, from, to) => ValueKind::Whole {
            unit: unit(what),
            from: *from,
            to: *to,
        },
        Kind::Number(what, from, to) => ValueKind::Number {
            unit: unit(what),
            from: *from,
            to: *to,
        },
        Kind::Time(from, to) => ValueKind::Duration {
            from: span::human(*from),
            to: span::human(*to),
        },
        Kind::TimeOfDay => ValueKind::TimeOfDay,
        Kind::Word(_, words) => ValueKind::Choice {
            choices: words().into_iter().map(str::to_owned).collect(),
        },
        Kind::Text(rule) => ValueKind::Text {
            right: rule.right.to_owned(),
        },
        // Never offered: it would be shown.
        Kind::Secret(_) | Kind::List(..) | Kind::Table(_) | Kind::Map(..) => return None,
    })
}

/// `a number of restarts` as `restarts`.
fn unit(what: &str) -> String {
    match what {
        "a percentage" => "%",
        "a size in MiB" => "MiB",
        "a time in milliseconds" => "ms",
        "an HTTP status" => "",
        other => other.strip_prefix("a number of ").unwrap_or(other),
    }
    .to_owned()
}
