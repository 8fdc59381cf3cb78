//! Values as the file and the variables give them, each with its place; laid over one another before they become a configuration.
//!
//! It holds secrets in the clear while loading, so it is never printed.

use std::{collections::BTreeMap, path::Path};

use toml::de::{DeTable, DeValue};

use super::{
    error::Fault,
    place::{Lines, Place},
    schema::{self, Kind},
};

/// A value and where it came from.
#[derive(Clone)]
pub(super) struct Node {
    /// The value.
    pub(super) value: Value,
    /// Where it stands; for a section, where it begins.
    pub(super) place: Place,
}

/// A value of TOML.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Whole(i64),
    Number(f64),
    Flag(bool),
    /// A date or time without quotes, as TOML allows.
    Moment(String),
    List(Vec<Node>),
    Table(BTreeMap<String, Entry>),
}

/// A key's own place, and its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: Place,
    pub(super) node: Node,
}

impl Node {
    /// An empty section.
    pub(super) const fn empty(place: Place) -> Self {
        Self {
            value: Value::Table(BTreeMap::new()),
            place,
        }
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// Every fault of syntax that can be told from its predecessors.
    pub(super) fn from_file(text: &str, file: &Path) -> Result<Self, Vec<Fault>> {
        let lines = Lines::new(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            let place_of = |offset: usize| lines.place(offset);
            let place = place_of(0);
            return Ok(Self {
                value: table_from(table.get_ref(), &place_of),
                place,
            });
        }
        // The parser's own words only, never the line itself: it may hold a password.
        let mut faults: Vec<Fault> = Vec::new();
        for error in errors {
            let place = error
                .span()
                .map_or(Place::Default, |span| lines.place(span.start));
            let message = error.message().replace('\n', ", ");
            let right = if message.contains("duplicate") {
                "each key and each section should stand there once"
            } else {
                "values are written as key = \"text\", key = 5 or key = true, sections as [section]"
            };
            let wrong = format!("this is not TOML: {message}");
            let fault = place.fault(Some(file), "", wrong, right);
            // What follows the first fault of a line is mostly its echo.
            if faults.iter().all(|earlier| earlier.line != fault.line) {
                faults.push(fault);
            }
        }
        Err(faults)
    }

    /// Reads the value of a variable: as TOML, else as plain text; only as text where the key wants one.
    pub(super) fn from_variable(name: &str, text: &str, kind: &Kind) -> Self {
        let place = Place::Variable(name.to_owned());
        let place_of = |_| place.clone();
        let parsed = DeValue::parse(text)
            .ok()
            .map(|value| value_from(value.get_ref(), &place_of));
        let value = match parsed {
            Some(value @ Value::Text(_)) => value,
            Some(value) if !kind.is_text() => value,
            _ => Value::Text(text.to_owned()),
        };
        Self { value, place }
    }

    /// The built-in values, or anything else that has no place.
    pub(super) fn from_defaults(value: toml::Value) -> Self {
        let value = match value {
            toml::Value::String(text) => Value::Text(text),
            toml::Value::Integer(number) => Value::Whole(number),
            toml::Value::Float(number) => Value::Number(number),
            toml::Value::Boolean(flag) => Value::Flag(flag),
            toml::Value::Datetime(moment) => Value::Moment(moment.to_string()),
            toml::Value::Array(list) => {
                Value::List(list.into_iter().map(Self::from_defaults).collect())
            }
            toml::Value::Table(table) => Value::Table(
                table
                    .into_iter()
                    .map(|(name, value)| {
                        let entry = Entry {
                            key: Place::Default,
                            node: Self::from_defaults(value),
                        };
                        (name, entry)
                    })
                    .collect(),
            ),
        };
        Self {
            value,
            place: Place::Default,
        }
    }

    /// As plain TOML, to be read into the types.
    pub(super) fn into_toml(self) -> toml::Value {
        match self.value {
            Value::Text(text) | Value::Moment(text) => toml::Value::String(text),
            Value::Whole(number) => toml::Value::Integer(number),
            Value::Number(number) => toml::Value::Float(number),
            Value::Flag(flag) => toml::Value::Boolean(flag),
            Value::List(list) => {
                toml::Value::Array(list.into_iter().map(Self::into_toml).collect())
            }
            Value::Table(table) => toml::Value::Table(
                table
                    .into_iter()
                    .map(|(name, entry)| (name, entry.node.into_toml()))
                    .collect(),
            ),
        }
    }

    /// Lays another tree over this one: sections are merged, everything else is replaced.
    pub(super) fn lay_over(&mut self, over: Self) {
        match (&mut self.value, over.value) {
            (Value::Table(under), Value::Table(table)) => {
                if over.place.is_given() {
                    self.place = over.place;
                }
                for (name, entry) in table {
                    match under.get_mut(&name) {
                        Some(there) => {
                            there.key = entry.key;
                            there.node.lay_over(entry.node);
                        }
                        None => {
                            under.insert(name, entry);
                        }
                    }
                }
            }
            (value, other) => {
                *value = other;
                self.place = over.place;
            }
        }
    }

    /// Puts a value at a path, making the sections on the way.
    pub(super) fn put(&mut self, path: &[String], node: Self) {
        let mut wrapped = node;
        for name in path.iter().rev() {
            let place = wrapped.place.clone();
            let entry = Entry {
                key: place.clone(),
                node: wrapped,
            };
            wrapped = Self {
                value: Value::Table(BTreeMap::from([(name.clone(), entry)])),
                place,
            };
        }
        self.lay_over(wrapped);
    }

    /// The value at a path such as `thresholds.disk_percent` or `services[0].url`.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        let mut node = self;
        for part in path.split('.') {
            let (name, indices) = part.split_once('[').unwrap_or((part, ""));
            let Value::Table(table) = &node.value else {
                return None;
            };
            node = &table.get(name)?.node;
            for index in indices.split(['[', ']']).filter(|text| !text.is_empty()) {
                let Value::List(list) = &node.value else {
                    return None;
                };
                node = list.get(index.parse::<usize>().ok()?)?;
            }
        }
        Some(node)
    }

    /// The value itself, short, for a fault; text is cleared of secrets.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::Text(text) => {
                let clear = crate::redact::redact(text);
                let short: String = clear.chars().take(80).collect();
                let more = if short.len() < clear.len() { "…" } else { "" };
                format!("\"{short}{more}\"")
            }
            Value::Whole(number) => number.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::Moment(text) => text.clone(),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a section".to_owned(),
        }
    }
}

fn table_from(table: &DeTable<'_>, place_of: &impl Fn(usize) -> Place) -> Value {
    Value::Table(
        table
            .iter()
            .map(|(name, value)| {
                let entry = Entry {
                    key: place_of(name.span().start),
                    node: Node {
                        value: value_from(value.get_ref(), place_of),
                        place: place_of(value.span().start),
                    },
                };
                (name.get_ref().to_string(), entry)
            })
            .collect(),
    )
}

fn value_from(value: &DeValue<'_>, place_of: &impl Fn(usize) -> Place) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Whole(
            // Beyond what any key allows, so the nearest that can be held will be refused just so.
            i64::from_str_radix(number.as_str(), number.radix()).unwrap_or_else(|_| {
                if number.as_str().starts_with('-') {
                    i64::MIN
                } else {
                    i64::MAX
                }
            }),
        ),
        DeValue::Float(number) => Value::Number(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(moment) => Value::Moment(moment.to_string()),
        DeValue::Array(list) => Value::List(
            list.iter()
                .map(|value| Node {
                    value: value_from(value.get_ref(), place_of),
                    place: place_of(value.span().start),
                })
                .collect(),
        ),
        DeValue::Table(table) => table_from(table, place_of),
    }
}

/// What a variable `STEWARD__SECTION__KEY` addresses: the path and the kind, or what is wrong with its name.
pub(super) fn address(variable: &str) -> Result<(Vec<String>, &'static Kind), Box<Fault>> {
    let place = Place::Variable(variable.to_owned());
    let path: Vec<String> = variable
        .trim_start_matches("STEWARD__")
        .split("__")
        .map(str::to_lowercase)
        .collect();
    let mut kind: &'static Kind = &schema::ROOT;
    for (depth, name) in path.iter().enumerate() {
        kind = match kind {
            Kind::Table(keys) => match keys.iter().find(|key| key.name == name) {
                Some(key) => &key.kind,
                None => {
                    let known: Vec<String> = keys
                        .iter()
                        .map(|key| {
                            let mut path = path[..depth].to_vec();
                            path.push(key.name.to_owned());
                            format!("STEWARD__{}", path.join("__").to_uppercase())
                        })
                        .collect();
                    let meant = schema::nearest(name, keys.iter().map(|key| key.name))
                        .and_then(|near| keys.iter().position(|key| key.name == near))
                        .and_then(|index| known.get(index))
                        .map(|meant| format!("did you mean `{meant}`? "))
                        .unwrap_or_default();
                    return Err(Box::new(place.fault(
                        None,
                        "",
                        "names no known key",
                        format!("{meant}known here: {}", known.join(", ")),
                    )));
                }
            },
            Kind::Map(_, of) if !name.is_empty() => of,
            _ => {
                let whole = format!("STEWARD__{}", path[..depth].join("__").to_uppercase());
                return Err(Box::new(place.fault(
                    None,
                    "",
                    format!("`{}` has no keys of its own", path[..depth].join(".")),
                    format!("set it as a whole with {whole}"),
                )));
            }
        };
    }
    Ok((path, kind))
}
