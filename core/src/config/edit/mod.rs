//! Changes of settings, written back into the configuration's file without losing its comments.
//!
//! What flows through: the file's text and typed edits in; the new text out, with the whole configuration that it would give, checked
//! by the very code that loads one, or everything that is wrong. [`OnDisk`] reads the file and puts the new text in its place. What it
//! never does: change a key that is not offered (see `offer`), lose a comment, or write anything that would not load.

mod comments;
mod file;
mod layout;
mod lines;
mod offer;
mod patch;
mod shape;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use steward_api::{ActionName, ConfigEdit, ConfigLine, ConfigProblem, Problem, SettingGroup};
use toml_edit::{Array, InlineTable, Value};

pub use self::file::{OnDisk, WriteError};
use self::offer::Offer;
use super::{
    Config, ConfigError, Fault, Inputs, check as keys, diff, load, needs_restart,
    place::Place,
    schema::{self, Kind},
    tree::{self, Node},
};

/// The beginning of a file that Steward makes.
const HEAD: &str = "# Steward's configuration. Every key, with what it does and its built-in value, is in steward.example.toml.\n\
                    # Changed on disk it is read again within seconds; `steward config check` says what is wrong with it.\n";

/// A changed configuration that may be written.
#[derive(Debug)]
pub struct Revision {
    /// The file's new text.
    pub text: String,
    /// What it gives, with the environment.
    pub config: Config,
    /// The keys whose value in force would change.
    pub changed: Vec<String>,
    /// The lines that change.
    pub lines: Vec<ConfigLine>,
}

/// Every setting that is offered, as a merged tree has it.
pub(super) fn settings(root: &Node) -> Vec<SettingGroup> {
    // The defaults can always be put together: loading has just done so.
    load::defaults().map_or_else(|_| Vec::new(), |defaults| wire::groups(root, &defaults))
}

/// The value that a key of the command line's is to have: as TOML where it is such and the key takes it, else as text.
pub fn value_from_text(key: &str, text: &str) -> Json {
    let kind = schema::kind_of(key).unwrap_or(&schema::ROOT);
    wire::json(&Node::from_variable(key, text, kind))
}

/// What the file would be with these edits. Pure but for what loading a configuration looks at.
///
/// # Errors
/// Everything that is wrong with the edits, the file, or both together.
pub fn revise(
    inputs: &Inputs,
    in_force: &Config,
    disk: &OnDisk,
    edits: &[ConfigEdit],
) -> Result<Revision, Vec<ConfigProblem>> {
    let mut problems = Vec::new();
    let held = load::variables_tree(inputs, &mut Vec::new());
    let mut seen = BTreeSet::new();
    let mut wishes = Vec::new();
    for edit in edits {
        if !seen.insert(edit.key.as_str()) {
            problems.push(problem(
                &edit.key,
                "is changed twice",
                "each key should be there once",
            ));
            continue;
        }
        match wish(edit, &held, in_force) {
            Ok(wish) => wishes.push(wish),
            Err(wrong) => problems.extend(wrong),
        }
    }
    let before = disk.text().unwrap_or(HEAD);
    let old = match Node::from_file(before, disk.path()) {
        Ok(node) => Some(node),
        Err(faults) => {
            problems.extend(faults.iter().map(from_fault));
            None
        }
    };
    let (Some(old), true) = (old, problems.is_empty()) else {
        return Err(problems);
    };
    let mut text = before.to_owned();
    for wish in &wishes {
        match wish.applied(&text) {
            Ok(changed) => text = changed,
            Err(cannot) => problems.push(problem(
                &wish.offer.key,
                cannot.0,
                &format!("change it in {}", disk.path().display()),
            )),
        }
    }
    if let Some(wrong) = went_astray(&old, before, &text, &wishes, disk) {
        problems.push(wrong);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let config = load::load_text(inputs, disk.path(), &text)
        .map_err(|error: ConfigError| error.faults.iter().map(from_fault).collect::<Vec<_>>())?;
    let waiting = needs_restart(in_force, &config);
    if !waiting.is_empty() {
        return Err(waiting
            .iter()
            .map(|key| {
                problem(
                    key,
                    "was changed in the file by somebody else and takes effect only when the agent starts anew",
                    "start the agent anew, or put the key back, and then change settings here",
                )
            })
            .collect());
    }
    Ok(Revision {
        changed: diff(in_force, &config),
        lines: lines::preview(disk.text().unwrap_or_default(), &text),
        config,
        text,
    })
}

/// One edit that was found good by itself.
struct Wish {
    offer: Offer,
    /// The new value; none: back to the default.
    value: Option<Node>,
}

impl Wish {
    fn applied(&self, text: &str) -> Result<String, layout::Cannot> {
        let path: Vec<&str> = self.offer.key.split('.').collect();
        match self.value.as_ref() {
            None => layout::remove(text, &path),
            // No row and no key mean the same, but for strategies, where no key means the built-in one.
            Some(node) if is_empty(node) && !self.offer.key.starts_with("strategies.") => {
                layout::remove(text, &path)
            }
            Some(node) => layout::set(text, &path, &toml_value(node, self.offer.kind)),
        }
    }

    /// Whether a changed file says what was wished for.
    fn is_in(&self, new: &Node) -> bool {
        match (&self.value, new.at(&self.offer.key)) {
            (None, there) => there.is_none(),
            (Some(value), Some(there)) => wire::json(value) == wire::json(there),
            (Some(value), None) => is_empty(value),
        }
    }
}

fn is_empty(node: &Node) -> bool {
    matches!(&node.value, tree::Value::List(list) if list.is_empty())
}

fn wish(edit: &ConfigEdit, held: &Node, in_force: &Config) -> Result<Wish, Vec<ConfigProblem>> {
    let Some(offer) = offer::find(&edit.key) else {
        return Err(vec![not_offered(&edit.key)]);
    };
    if let Some(variable) = wire::held_by(held, &offer.key) {
        return Err(vec![problem(
            &offer.key,
            "can't be changed here",
            &wire::held(&variable),
        )]);
    }
    let Some(json) = &edit.value else {
        return Ok(Wish { offer, value: None });
    };
    let node = node_of(json);
    let faults = keys::value(&node, &offer.key, offer.kind);
    if !faults.is_empty() {
        return Err(faults.iter().map(from_fault).collect());
    }
    if let Some(wrong) = new_script(&offer.key, &node, in_force) {
        return Err(vec![wrong]);
    }
    Ok(Wish {
        offer,
        value: Some(node),
    })
}

/// A strategy may keep the scripts that it has. A further one would run a program, which is for the file's owner to say.
fn new_script(key: &str, node: &Node, in_force: &Config) -> Option<ConfigProblem> {
    let name = key.strip_prefix("strategies.")?;
    let target: Problem = serde_json::from_value(Json::from(name)).ok()?;
    let known: BTreeSet<(String, Option<String>)> = in_force
        .strategy(target)
        .into_iter()
        .map(|step| (step.action.to_string(), step.script))
        .collect();
    let Json::Array(steps) = wire::json(node) else {
        return None;
    };
    let at = steps.iter().position(|step| {
        let script = step.get("script").and_then(Json::as_str).map(str::to_owned);
        let action = step
            .get("action")
            .and_then(Json::as_str)
            .unwrap_or_default();
        let runs = action == ActionName::RunScript.as_str();
        (runs || script.is_some()) && !known.contains(&(action.to_owned(), script))
    })?;
    Some(problem(
        &format!("{key}[{at}].action"),
        "a script can't be added here",
        "scripts run programs: add the step in the configuration's file, by hand",
    ))
}

fn not_offered(key: &str) -> ConfigProblem {
    let shown: String = crate::redact::redact(key).chars().take(80).collect();
    let right = if schema::kind_of(key).is_some() {
        "change it in the configuration's file, by hand: what runs programs, what holds secrets and where Steward listens and keeps its things is for the file's owner alone"
    } else {
        "the keys that can be changed are those that GET /api/config lists"
    };
    problem(&shown, "can't be changed here", right)
}

/// Why a changed text is not what was meant, where it is not. Layouts that this module does not know end here, before anything is written.
fn went_astray(
    old: &Node,
    before: &str,
    after: &str,
    wishes: &[Wish],
    disk: &OnDisk,
) -> Option<ConfigProblem> {
    let by_hand = format!("change it in {}", disk.path().display());
    let odd = |key: &str| {
        problem(
            key,
            "is written in the file in a way that can only be changed by hand",
            &by_hand,
        )
    };
    let first = wishes.first().map_or("", |wish| wish.offer.key.as_str());
    let Ok(new) = Node::from_file(after, disk.path()) else {
        return Some(odd(first));
    };
    if let Some(wish) = wishes.iter().find(|wish| !wish.is_in(&new)) {
        return Some(odd(&wish.offer.key));
    }
    let (was, is) = (leaves(old), leaves(&new));
    let touched = |key: &String| wishes.iter().any(|wish| wish.offer.key == **key);
    let others = |all: &BTreeMap<String, String>| {
        let kept = all.iter().filter(|(key, _)| !touched(key));
        kept.map(|(key, value)| (key.clone(), value.clone()))
            .collect::<BTreeMap<_, _>>()
    };
    if others(&was) != others(&is) {
        return Some(odd(first));
    }
    if !comments::all_kept(before, after) {
        return Some(problem(
            first,
            "can't be changed without losing a comment that stands inside of it",
            &by_hand,
        ));
    }
    None
}

/// Every value by its key; lists as a whole. Sections without keys do not count.
fn leaves(root: &Node) -> BTreeMap<String, String> {
    fn walk(node: &Node, path: &str, found: &mut BTreeMap<String, String>) {
        match &node.value {
            tree::Value::Table(table) => {
                for (name, entry) in table {
                    let below = match path {
                        "" => name.clone(),
                        path => format!("{path}.{name}"),
                    };
                    walk(&entry.node, &below, found);
                }
            }
            _ => {
                found.insert(path.to_owned(), wire::json(node).to_string());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, "", &mut found);
    found
}

/// JSON as the loader's checks take it. Null is none of its types and is refused there as a text would be that is none.
fn node_of(json: &Json) -> Node {
    let value = match json {
        Json::Null => tree::Value::Moment("null".to_owned()),
        Json::Bool(flag) => tree::Value::Flag(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => tree::Value::Whole(whole),
            (None, Some(number)) => tree::Value::Number(number),
            (None, None) => tree::Value::Number(f64::NAN),
        },
        Json::String(text) => tree::Value::Text(text.clone()),
        Json::Array(list) => tree::Value::List(list.iter().map(node_of).collect()),
        Json::Object(map) => tree::Value::Table(
            map.iter()
                .map(|(name, value)| {
                    let entry = tree::Entry {
                        key: Place::Default,
                        node: node_of(value),
                    };
                    (name.clone(), entry)
                })
                .collect(),
        ),
    };
    Node {
        value,
        place: Place::Default,
    }
}

/// A checked value as it is written, fields in the order of the loader's table.
fn toml_value(node: &Node, kind: &Kind) -> Value {
    match &node.value {
        tree::Value::Text(text) | tree::Value::Moment(text) => Value::from(text.as_str()),
        tree::Value::Whole(number) => Value::from(*number),
        tree::Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            Value::from(*number as i64)
        }
        tree::Value::Number(number) => Value::from(*number),
        tree::Value::Flag(flag) => Value::from(*flag),
        tree::Value::List(list) => {
            let of = match kind {
                Kind::List(_, of) => of,
                other => other,
            };
            Value::Array(
                list.iter()
                    .map(|item| toml_value(item, of))
                    .collect::<Array>(),
            )
        }
        tree::Value::Table(table) => {
            let mut inline = InlineTable::new();
            if let Kind::Table(keys) = kind {
                for key in *keys {
                    if let Some(entry) = table.get(key.name) {
                        inline.insert(key.name, toml_value(&entry.node, &key.kind));
                    }
                }
            }
            Value::InlineTable(inline)
        }
    }
}

fn problem(key: &str, wrong: &str, right: &str) -> ConfigProblem {
    ConfigProblem {
        key: key.to_owned(),
        line: None,
        wrong: wrong.to_owned(),
        right: right.to_owned(),
    }
}

fn from_fault(fault: &Fault) -> ConfigProblem {
    let wrong = match &fault.variable {
        Some(variable) => format!("{} (the environment variable {variable})", fault.wrong),
        None => fault.wrong.clone(),
    };
    ConfigProblem {
        key: fault.key.clone(),
        line: fault.line.and_then(|line| u32::try_from(line).ok()),
        wrong,
        right: fault.right.clone(),
    }
}
