//! Changes of settings before they are written: what a person has typed, what it means, and what is wrong with it.
//!
//! What flows through: settings as the agent gives them and typed texts in; edits, shown values and words out. What it never does: judge
//! what only the agent can (how keys go together, what the file looks like); that is asked of it before anything is written.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use steward_api::{
    ConfigEdit, ConfigLine, ConfigProblem, ConfigReply, LineChange, RowField, Setting, SettingKind,
    SettingOrigin, ValueKind,
};

/// The changes that a person has made and not yet written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// By key: the new value, or none for the default.
    edits: BTreeMap<String, Option<Value>>,
    /// What stands in fields as typed, where its value would be written otherwise: by the field's name.
    typed: BTreeMap<String, String>,
}

/// A place within the value of a setting: the whole of it, an entry of a list, or a field of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The value itself.
    Whole,
    /// One entry of a list.
    Entry(usize),
    /// One field of one row.
    Field(usize, String),
}

impl Place {
    /// A name for the field at this place, unique on the page.
    pub fn name(&self, key: &str) -> String {
        match self {
            Self::Whole => key.to_owned(),
            Self::Entry(row) => format!("{key}[{row}]"),
            Self::Field(row, field) => format!("{key}[{row}].{field}"),
        }
    }
}

impl Draft {
    /// How many settings are changed.
    pub fn count(&self) -> usize {
        self.edits.len()
    }

    /// Whether a setting is changed.
    pub fn is_changed(&self, key: &str) -> bool {
        self.edits.contains_key(key)
    }

    /// The changes, as the agent takes them.
    pub fn edits(&self) -> Vec<ConfigEdit> {
        self.edits
            .iter()
            .map(|(key, value)| ConfigEdit {
                key: key.clone(),
                value: value.clone(),
            })
            .collect()
    }

    /// The value of a setting as it would be.
    pub fn value(&self, setting: &Setting) -> Value {
        match self.edits.get(&setting.key) {
            Some(Some(value)) => value.clone(),
            Some(None) => setting.default.clone(),
            None => setting.value.clone(),
        }
    }

    /// Gives a setting another value. The one that is in force is no change, and neither is nothing where nothing is.
    pub fn set(&mut self, setting: &Setting, value: Value) {
        if value == setting.value {
            self.edits.remove(&setting.key);
        } else {
            let value = Some(value).filter(|value| !value.is_null());
            self.edits.insert(setting.key.clone(), value);
        }
    }

    /// Takes a setting back to its default.
    pub fn to_default(&mut self, setting: &Setting) {
        self.forget_typed(&setting.key);
        if setting.origin == SettingOrigin::Default {
            self.edits.remove(&setting.key);
        } else {
            self.edits.insert(setting.key.clone(), None);
        }
    }

    /// Forgets every change.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Keeps, of the changes, those that are still some for the settings as they are now.
    pub fn rebase(&mut self, reply: &ConfigReply) {
        let settings: BTreeMap<&str, &Setting> = reply
            .settings()
            .map(|setting| (setting.key.as_str(), setting))
            .collect();
        self.edits.retain(|key, value| {
            settings.get(key.as_str()).is_some_and(|setting| {
                let is_same = match value {
                    Some(value) => *value == setting.value,
                    None => setting.origin == SettingOrigin::Default,
                };
                setting.locked.is_none() && !is_same
            })
        });
        let edits = &self.edits;
        self.typed
            .retain(|name, _| edits.keys().any(|key| name.starts_with(key.as_str())));
    }

    /// What a field shows: what was typed, else the value at its place.
    pub fn shown(&self, setting: &Setting, place: &Place) -> String {
        self.typed
            .get(&place.name(&setting.key))
            .cloned()
            .unwrap_or_else(|| text(&at(&self.value(setting), place)))
    }

    /// Takes in what was typed into a field.
    pub fn type_in(&mut self, setting: &Setting, place: &Place, kind: &ValueKind, typed: &str) {
        let value = read(kind, typed);
        self.typed
            .insert(place.name(&setting.key), typed.to_owned());
        self.put(setting, place, value);
    }

    /// Puts a value at a place; nothing there takes a field out of its row.
    pub fn put(&mut self, setting: &Setting, place: &Place, value: Value) {
        let mut whole = self.value(setting);
        match place {
            Place::Whole => whole = value,
            Place::Entry(row) => {
                if let Some(entry) = whole.as_array_mut().and_then(|list| list.get_mut(*row)) {
                    *entry = value;
                }
            }
            Place::Field(row, field) => {
                let object = whole
                    .as_array_mut()
                    .and_then(|list| list.get_mut(*row))
                    .and_then(Value::as_object_mut);
                if let Some(object) = object {
                    if value.is_null() {
                        object.remove(field);
                    } else {
                        object.insert(field.clone(), value);
                    }
                }
            }
        }
        self.set(setting, whole);
    }

    /// How many entries or rows a setting has.
    pub fn rows(&self, setting: &Setting) -> usize {
        self.value(setting).as_array().map_or(0, Vec::len)
    }

    /// Adds an entry or row at the end, with what its fields are likely to be.
    pub fn add_row(&mut self, setting: &Setting) {
        let row = match &setting.kind {
            SettingKind::One { .. } => return,
            SettingKind::List { of, .. } => usual(of),
            SettingKind::Rows { fields } => Value::Object(
                fields
                    .iter()
                    .filter(|field| field.required)
                    .map(|field| (field.name.clone(), usual(&field.kind)))
                    .collect::<Map<_, _>>(),
            ),
        };
        let mut whole = self.value(setting);
        match whole.as_array_mut() {
            Some(list) => list.push(row),
            None => whole = Value::Array(vec![row]),
        }
        self.set(setting, whole);
    }

    /// Takes an entry or row out.
    pub fn remove_row(&mut self, setting: &Setting, row: usize) {
        let mut whole = self.value(setting);
        if let Some(list) = whole.as_array_mut().filter(|list| row < list.len()) {
            list.remove(row);
        }
        // The rows below have other numbers now.
        self.forget_typed(&setting.key);
        self.set(setting, whole);
    }

    /// Puts a word into a list in a row or takes it out, in the order of the words to choose from.
    pub fn toggle(&mut self, setting: &Setting, place: &Place, choices: &[String], word: &str) {
        let there = at(&self.value(setting), place);
        let has = |word: &str| {
            there
                .as_array()
                .is_some_and(|list| list.iter().any(|one| one == word))
        };
        let chosen: Vec<Value> = choices
            .iter()
            .filter(|choice| has(choice) != (*choice == word))
            .map(|choice| Value::from(choice.as_str()))
            .collect();
        let value = if chosen.is_empty() {
            Value::Null
        } else {
            Value::Array(chosen)
        };
        self.put(setting, place, value);
    }

    fn forget_typed(&mut self, key: &str) {
        self.typed.retain(|name, _| {
            name.strip_prefix(key)
                .is_none_or(|rest| !rest.is_empty() && !rest.starts_with('['))
        });
    }
}

/// The value at a place; null where there is none.
pub fn at(value: &Value, place: &Place) -> Value {
    match place {
        Place::Whole => Some(value),
        Place::Entry(row) => value.get(row),
        Place::Field(row, field) => value.get(row).and_then(|row| row.get(field)),
    }
    .cloned()
    .unwrap_or_default()
}

/// A value as text in a field.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What was typed, as a value: a number where one is meant and it is one, else the text as it is, which the agent then refuses by name.
pub fn read(kind: &ValueKind, typed: &str) -> Value {
    let typed = typed.trim();
    let number = match kind {
        _ if typed.is_empty() => return Value::Null,
        ValueKind::Whole { .. } => typed.parse::<i64>().ok().map(Value::from),
        ValueKind::Number { .. } => typed.parse::<i64>().map(Value::from).ok().or_else(|| {
            let number: f64 = typed.replace(',', ".").parse().ok()?;
            // As the agent gives it back: 80, not 80.0. So small a number fits.
            #[allow(clippy::cast_possible_truncation, reason = "it has no fraction")]
            if number.fract() == 0.0 && number.abs() < 1e12 {
                return Some(Value::from(number as i64));
            }
            serde_json::Number::from_f64(number).map(Value::Number)
        }),
        ValueKind::Flag => typed.parse::<bool>().ok().map(Value::from),
        _ => None,
    };
    number.unwrap_or_else(|| Value::from(typed))
}

fn usual(kind: &ValueKind) -> Value {
    match kind {
        ValueKind::Choice { choices } => choices.first().map(String::as_str).into(),
        ValueKind::Flag => Value::from(false),
        ValueKind::Whole { from, .. } => Value::from(*from),
        ValueKind::Number { from, .. } => Value::from(*from),
        ValueKind::Duration { from, .. } => Value::from(from.as_str()),
        ValueKind::TimeOfDay => Value::from("00:00"),
        ValueKind::Text { .. } => Value::from(""),
    }
}

/// What is wrong with a value at first sight, in words; the agent says the rest.
pub fn wrong(kind: &ValueKind, value: &Value) -> Option<String> {
    let right = limits(kind);
    let is_good = match kind {
        ValueKind::Flag => value.is_boolean(),
        ValueKind::Whole { from, to, .. } => value
            .as_i64()
            .is_some_and(|number| number >= *from && number <= *to),
        ValueKind::Number { from, to, .. } => value
            .as_f64()
            .is_some_and(|number| number >= *from && number <= *to),
        ValueKind::Choice { choices } => value
            .as_str()
            .is_some_and(|word| choices.iter().any(|choice| choice == word)),
        ValueKind::Duration { .. } | ValueKind::TimeOfDay | ValueKind::Text { .. } => {
            value.as_str().is_some_and(|text| !text.trim().is_empty())
        }
    };
    (!is_good).then(|| format!("It should be {right}."))
}

/// What may be typed: `from 1 to 100 %`.
pub fn limits(kind: &ValueKind) -> String {
    let unit = |unit: &str| match unit {
        "" => String::new(),
        unit => format!(" {unit}"),
    };
    match kind {
        ValueKind::Flag => "on or off".to_owned(),
        ValueKind::Whole { unit: of, from, to } => {
            format!("a whole number from {from} to {to}{}", unit(of))
        }
        ValueKind::Number { unit: of, from, to } => {
            format!("a number from {from} to {to}{}", unit(of))
        }
        ValueKind::Duration { from, to } => {
            format!("a time such as 30s, 2m or 1h 30m, from {from} to {to}")
        }
        ValueKind::TimeOfDay => "a time of day such as 22:00".to_owned(),
        ValueKind::Choice { choices } => format!("one of {}", choices.join(", ")),
        ValueKind::Text { right } => right.clone(),
    }
}

/// The unit of a kind; empty where it has none.
pub fn unit(kind: &ValueKind) -> &str {
    match kind {
        ValueKind::Whole { unit, .. } | ValueKind::Number { unit, .. } => unit,
        _ => "",
    }
}

/// A setting's default, in words.
pub fn default_words(setting: &Setting) -> String {
    match (&setting.kind, &setting.default) {
        (_, Value::Null) => "nothing in particular".to_owned(),
        (_, Value::Bool(on)) => if *on { "on" } else { "off" }.to_owned(),
        (SettingKind::One { of }, value) => match unit(of) {
            "" => text(value),
            unit => format!("{} {unit}", text(value)),
        },
        (SettingKind::List { .. }, Value::Array(list)) if !list.is_empty() => {
            list.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        (SettingKind::Rows { .. }, Value::Array(list)) if !list.is_empty() => list
            .iter()
            .map(row_words)
            .collect::<Vec<_>>()
            .join(", then "),
        _ => "none".to_owned(),
    }
}

fn row_words(row: &Value) -> String {
    let action = row.get("action").map(text).unwrap_or_default();
    let attempts = row.get("attempts").and_then(Value::as_i64).unwrap_or(1);
    let words = action.replace('_', " ");
    if attempts > 1 {
        format!("{words} up to {attempts} times")
    } else {
        words
    }
}

/// Where a setting's value comes from, in words.
pub fn origin_words(origin: &SettingOrigin) -> String {
    match origin {
        SettingOrigin::Default => "built in".to_owned(),
        SettingOrigin::File { line } => format!("line {line} of the file"),
        SettingOrigin::Environment { variable } => format!("variable {variable}"),
    }
}

/// What is wrong with a setting: what the agent said of it, else what can be seen here.
pub fn problem(draft: &Draft, setting: &Setting, problems: &[ConfigProblem]) -> Option<String> {
    if !draft.is_changed(&setting.key) {
        return None;
    }
    let said: Vec<String> = problems
        .iter()
        .filter(|problem| problem.belongs_to(&setting.key))
        .map(|problem| {
            let place = problem.key.strip_prefix(&setting.key).unwrap_or_default();
            let row = place
                .strip_prefix('[')
                .and_then(|rest| rest.split_once(']'));
            let whereabouts = row
                .and_then(|(row, _)| row.parse::<usize>().ok())
                .map(|row| format!("Row {}: ", row + 1))
                .unwrap_or_default();
            let right = match problem.right.as_str() {
                "" => String::new(),
                right => format!(": {right}"),
            };
            format!("{whereabouts}{}{right}", problem.wrong)
        })
        .collect();
    if !said.is_empty() {
        return Some(said.join("; "));
    }
    match &setting.kind {
        SettingKind::One { of } => {
            let value = draft.value(setting);
            (!(value.is_null() && setting.default.is_null()))
                .then(|| wrong(of, &value))
                .flatten()
        }
        SettingKind::List { .. } | SettingKind::Rows { .. } => None,
    }
}

/// The problems that belong to no changed setting: of the file, or of settings as they go together.
pub fn other_problems(draft: &Draft, problems: &[ConfigProblem]) -> Vec<String> {
    problems
        .iter()
        .filter(|problem| !draft.edits.keys().any(|key| problem.belongs_to(key)))
        .map(ToString::to_string)
        .collect()
}

/// How many settings: `1 change`, `3 changes`.
pub fn changes(count: usize) -> String {
    match count {
        1 => "1 change".to_owned(),
        many => format!("{many} changes"),
    }
}

/// The sign before a line of the preview, and what it means.
pub const fn sign(line: &ConfigLine) -> (&'static str, &'static str) {
    match line.change {
        LineChange::Kept => (" ", "stays"),
        LineChange::Removed => ("−", "goes"),
        LineChange::Added => ("+", "comes"),
    }
}

/// Whether a field holds a list of words that are ticked.
pub fn is_ticked(field: &RowField) -> Option<&[String]> {
    match (&field.kind, field.list) {
        (ValueKind::Choice { choices }, true) => Some(choices),
        _ => None,
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
